"""Terms on q(y|.) of a class, which training adds to the objective: `compile(consistency=...)`. No bound has them.

model.compile(optimizer, consistency="views")                                          # by name, weight 1
model.compile(optimizer, consistency="virtual_adversarial=0.5,entropy=0.1")            # with weights
model.compile(optimizer, consistency="free_match")                                     # views by another selection
model.compile(optimizer, consistency=[ssdgm.consistency.Views(threshold=0.8)])
"""

import functools
from collections.abc import Callable, Sequence

from ssdgm_tf import choices
from ssdgm_tf.consistency.marginals import ClassBalance, Entropy
from ssdgm_tf.consistency.mean_teacher import MeanTeacher
from ssdgm_tf.consistency.passes import Passes
from ssdgm_tf.consistency.term import Term
from ssdgm_tf.consistency.views import Views
from ssdgm_tf.consistency.virtual_adversarial import VirtualAdversarial

__all__ = ["ClassBalance", "Entropy", "MeanTeacher", "Passes", "Term", "Views", "VirtualAdversarial", "get"]

_BY_NAME: dict[str, Callable[..., Term]] = {
    term.name: term for term in (ClassBalance, Entropy, MeanTeacher, Views, VirtualAdversarial)
}
_BY_NAME |= {name: functools.partial(Views, selection=name) for name in ("free_match", "soft_match")}


def get(terms: str | Term | Sequence[str | Term] | None) -> tuple[Term, ...]:
    """The terms that the argument of `compile` or the field of a config stands for.

    Args:
        terms: None or "" for none; a term or several, or their names; or text, "NAME" or "NAME=WEIGHT", several separated
            by commas. Beside the names of terms there are "free_match" and "soft_match" for views of these selections.

    Raises:
        ValueError: an unknown name, a weight that is no number above 0, a name twice, or another thing than a term.
    """
    if isinstance(terms, str):
        found = tuple(map(_named, filter(None, map(str.strip, terms.split(",")))))
    else:
        several = (terms,) if isinstance(terms, Term) else tuple(terms or ())
        found = tuple(_named(term) if isinstance(term, str) else term for term in several)
    if strange := [term for term in found if not isinstance(term, Term)]:
        raise ValueError(f"consistency must be terms of ssdgm_tf.consistency, or their names. Received: {strange[0]!r}")
    names = [term.name for term in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"consistency takes each term once. Received: {twice[0]!r}, {names.count(twice[0])} times")
    return found


def _named(text: str) -> Term:
    """The term of "NAME" or "NAME=WEIGHT"."""
    name, equals, weight = text.partition("=")
    if name not in _BY_NAME:
        raise ValueError(
            f"consistency must be among {', '.join(sorted(_BY_NAME))}. Received: {name!r}{choices.nearest(name, _BY_NAME)}"
        )
    if not equals:
        return _BY_NAME[name]()
    try:
        number = float(weight)
    except ValueError as error:
        raise ValueError(f"A weight in consistency must be a number. Received: {text!r}") from error
    return _BY_NAME[name](number)
