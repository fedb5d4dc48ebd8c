"""The schema of a table, found in its cells. NumPy only."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ssdgm_tf import choices
from ssdgm_tf.schema import cells
from ssdgm_tf.schema.column import DAYS, DAYS_AND_TIMES, DAYS_AND_TIMES_UTC, Column, scored
from ssdgm_tf.schema.schema import Schema

# From so many rows on, a column without equal cells is taken for an identifier.
_IDENTIFIER_ROWS = 20
_MOST_CATEGORIES, _OTHER = 100, "other"
# Distinct values of an ordinal column, and the highest; a count has more.
_FEWEST_LEVELS, _MOST_LEVELS, _HIGHEST_LEVEL = 3, 10, 20
# The skewness from which on whole numbers are counts, as ages with a 0 are not; from which on numbers are positive; and by
# how much less that of their logarithms is.
_SKEWED_COUNTS, _SKEWED, _LESS_SKEWED = 0.5, 1.0, 0.5
# Entropy of a standard normal distribution, in nats.
_NORMAL_ENTROPY = 0.5 * np.log(2 * np.pi * np.e)
_NUM_QUANTILES = 9
# What text may be meant for, and how to write it so that it is read as that.
_MEANT = (
    (
        re.compile(r"\d{1,4}([./-])(\d{1,2}|[A-Za-z]{3})\1\d{1,4}([ T].*)?|\d{4}[./-]\d{1,2}"),
        "dates",
        "Write dates in ISO format, 2024-12-31, to have them as dates.",
    ),
    (
        re.compile(r"\d{1,2}:\d{2}(:\d{2})?(\.\d+)?( ?[AaPp]\.?[Mm]\.?)?"),
        "times of day",
        "Write them as numbers, such as hours.",
    ),
    (
        re.compile(r"[+-]?(\d*,\d+|\d{1,3}([,'\u2019 \u00a0\u202f]\d{3})+([.,]\d+)?)"),
        "numbers with commas or blanks",
        "Write numbers with a decimal point, and with nothing between thousands.",
    ),
    (re.compile(r"[+-]?\d+([.,]\d+)? ?%"), "percentages", "Write them without the sign, to have them as numbers."),
    (
        re.compile(r"[$\u20ac\u00a3\u00a5] ?\d[\d.,]*|\d[\d.,]* ?[$\u20ac\u00a3\u00a5]"),
        "sums of money",
        "Write them without the sign, to have them as numbers.",
    ),
)
#: The share of the standard deviation that the rounding to float32 may change.
ROUNDING = 0.01
# What `infer` may be told of a column.
_KINDS = ("numeric", "categorical")


class _Found(NamedTuple):
    """What became of a column: it, or None where it was left out; and what is to be said, in words, "" for nothing."""

    column: Column | None
    note: str = ""


def infer(table: Any, *, exclude: Sequence[str] = (), kinds: Mapping[str, str] | None = None) -> tuple[Schema, list[str]]:
    """The schema of a training table. The first rule that fits a column holds; gaps are passed over, see `cells.read`.

    | the known cells of a column | become |
    |---|---|
    | none, or all the same | left out |
    | of a categorical column of pandas | its categories in their order: binary, ordinal (where it has one), categorical |
    | two values of any sort, or truth values | binary |
    | dates, or text in ISO format | numeric, in days since 1970-01-01; in UTC where one has a zone |
    | text, 20 or more, all different | left out, as an identifier |
    | text, or numbers and text | categorical, in the order of the text |
    | numbers 0, 1, 2, ... or 1, 2, 3, ... in every row, 20 or more | left out, as an index |
    | whole numbers in 0..20, 3 to 10 different ones | ordinal |
    | whole numbers from 0 on, 0 among them, over 10 different ones, variance above the mean, skewness above 0.5 | count |
    | numbers above 0, of a skewness above 1, which is smaller by 0.5 or more for the logarithms, in size | positive |
    | other numbers | numeric |

    Text that is a number counts as one, but not where a cell of the column has leading zeros, as a postcode has. Truth
    values may be spelled "True", "true" or "TRUE". Of more than 100 categories without an order the 99 most frequent are
    kept, and the others are one more, "other".

    The weight of a discrete column is min(1, 1.42 / H): H is the entropy of its known cells, and 1.42 that of a standard
    normal distribution, both in nats. So no column of many categories weighs more than a column of numbers does; the weight
    of these and of counts is 1.

    Args:
        table: a mapping {name: cells}, a DataFrame of pandas or polars, or a structured array, of N rows.
        exclude: columns that are left out, such as labels.
        kinds: {column: "numeric" or "categorical"}, where it is known: numbers, which become numeric, positive or count; or
            categories, which become binary or categorical. None where no column's is.

    Returns:
        The schema, and sentences about what was left out or is not plain to see.

    Raises:
        ValueError: no table or row, columns of different lengths or of one name, a name in `exclude` or `kinds` that is no
            column, another kind, text in a numeric column, numbers that are infinite in float32, or nothing that is left.
    """
    kinds = kinds or {}
    given = cells.columns_of(table)
    if strange := [name for name in exclude if name not in given]:
        raise ValueError(f"exclude must name columns of the table, which are {', '.join(given)}. Received: {strange[0]!r}")
    _check_kinds(kinds, given)
    known = cells.read({name: column for name, column in given.items() if name not in exclude})
    if not any(known.values()):
        received = f"{len(known)} such columns and no row"
        raise ValueError(f"A table must hold rows, and columns that are not excluded. Received: {received}")
    found = [
        _of_kind(name, column, kinds[name]) if name in kinds else _found(name, column, getattr(given[name], "dtype", None))
        for name, column in known.items()
    ]
    notes = [note for _, note in found if note]
    if about_gaps := cells.about_gaps({name: given[name] for name in known}):
        notes.append(about_gaps)
    columns = [column for column, _ in found if column is not None]
    if not columns:
        raise ValueError(f"A table must hold columns that can be learned. Received: {' '.join(notes)}")
    return Schema(columns), notes


def _found(name: str, given: list[cells.Cell], dtype: Any) -> _Found:
    """What becomes of a column; `dtype` is that of its array, or None."""
    known = [cell for cell in given if cell is not None]
    if not known:
        return _left_out(name, "it holds gaps only")
    gaps = (len(given) - len(known)) / len(given)
    texts = cells.spelled_once(list(map(cells.text_of, known)))
    counts, one_of = Counter(texts), dict(zip(texts, known, strict=True))
    if getattr(dtype, "name", "") == "category" and len(counts) > 1:
        declared = cells.read({name: list(dtype.categories)})[name]
        spelled = [cells.text_of(cell) for cell in declared if cell is not None]
        in_order = list(dict.fromkeys(cells.spelled_once([*texts, *spelled])[len(texts) :]))
        return _categories(name, in_order, counts, gaps, is_ordinal=bool(dtype.ordered))
    numbers = {text: cells.number_of(cell) for text, cell in one_of.items()}
    codes = [text for text, cell in one_of.items() if cells.is_code(cell)]
    if None not in numbers.values() and not codes:
        return _of_numbers(name, given, gaps)
    if len(counts) == 1:
        return _left_out(name, f"every known cell is {known[0]!r}")
    days = {text: cells.day_of(cell) for text, cell in one_of.items()}
    if None not in days.values() and len(counts) > 2:
        unit = DAYS_AND_TIMES_UTC if any(map(cells.has_zone, one_of.values())) else DAYS
        return _of_days(name, np.array([days[text] for text in texts], np.float64), gaps, unit)
    found = _categories(name, sorted(counts), counts, gaps)
    words = [text for text in counts if cells.number_of(cells.alike(text)) is None and days[text] is None]
    num_days = len(days) - list(days.values()).count(None)
    if num_days > len(days) / 2 and words:
        about = f"Column {name!r} holds dates and text such as {words[0]!r}, and is taken for text. Empty those cells."
    else:
        about = _about_text(name, words, list(numbers.values()), codes)
    return found._replace(note=f"{about} {found.note}".strip())


def _about_text(name: str, words: list[str], numbers: list[float | None], codes: list[str]) -> str:
    """A note on a column that is taken for text: what the text may mean, or that there are numbers in it; "" for none.

    Args:
        name: its name.
        words: the texts that are neither a number nor a date.
        numbers: the numbers of all texts, None for none.
        codes: the numbers with leading zeros.
    """
    for pattern, what, advice in _MEANT:
        meant = [text for text in words if pattern.fullmatch(text)]
        if len(meant) > max(1, len(words) / 2):
            return f"Column {name!r} seems to hold {what}, such as {meant[0]!r}, and is taken for text. {advice}"
    if codes:
        return f"Column {name!r} holds numbers with leading zeros, such as {codes[0]!r}, and is taken for text."
    if words and set(numbers) != {None}:
        return (
            f"Column {name!r} holds numbers and text such as {words[0]!r}, and is taken for text. "
            "If the text means a gap, empty those cells."
        )
    return ""


def _check_kinds(kinds: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Refuses kinds of columns that are not there, and other kinds than `_KINDS`."""
    for name, kind in kinds.items():
        if name not in given:
            listed = ", ".join(given)
            raise ValueError(
                f"kinds must name columns of the table, which are {listed}. Received: {name!r}{choices.nearest(name, given)}"
            )
        if kind not in _KINDS:
            raise ValueError(f"A kind in kinds must be one of {', '.join(_KINDS)}. Received: {kind!r} of column {name!r}")


def _of_kind(name: str, given: list[cells.Cell], kind: str) -> _Found:
    """What becomes of a column whose kind, "numeric" or "categorical", is known."""
    known = [cell for cell in given if cell is not None]
    if not known:
        return _left_out(name, "it holds gaps only")
    gaps = (len(given) - len(known)) / len(given)
    if kind == "numeric":
        values = _numbers(name, given)
        if (values == values[0]).all():
            return _left_out(name, f"every known cell is {cells.text_of(float(values[0]))}")
        return _kind_of_number(name, values, gaps)
    counts = Counter(cells.spelled_once(list(map(cells.text_of, known))))
    if len(counts) == 1:
        return _left_out(name, f"every known cell is {known[0]!r}")
    return _categories(name, sorted(counts), counts, gaps)


def _left_out(name: str, why: str) -> _Found:
    return _Found(None, f"Column {name!r} is left out: {why}.")


def _categories(name: str, in_order: list[str], counts: Counter[str], gaps: float, is_ordinal: bool = False) -> _Found:
    """The column of these categories, of which `counts` has the cells."""
    if len(in_order) == 2:
        return _Found(_discrete(name, "binary", in_order, counts, gaps))
    if is_ordinal:
        return _Found(_discrete(name, "ordinal", in_order, counts, gaps))
    if len(counts) == counts.total() >= _IDENTIFIER_ROWS:
        return _left_out(name, f"it is an identifier, with another text in each of its {len(counts)} known cells")
    if len(in_order) <= _MOST_CATEGORIES:
        return _Found(_discrete(name, "categorical", in_order, counts, gaps))
    by_frequency = sorted((text for text in in_order if text != _OTHER), key=lambda text: (-counts[text], text))
    kept = set(by_frequency[: _MOST_CATEGORIES - 1])
    merged = Counter({text: counts[text] for text in kept})
    merged[_OTHER] = counts.total() - merged.total()
    in_kept_order = [*(text for text in in_order if text in kept), _OTHER]
    return _Found(
        _discrete(name, "categorical", in_kept_order, merged, gaps, _OTHER),
        f"Column {name!r} has {len(in_order)} categories: the {len(kept)} most frequent are kept, the others, "
        f"{merged[_OTHER] / merged.total():.1%} of the known cells, become {_OTHER!r}.",
    )


def _discrete(name: str, kind: str, in_order: list[str], counts: Counter[str], gaps: float, other: str = "") -> Column:
    """A discrete column, with the weight that `infer` says."""
    shares = np.array([counts[text] for text in in_order]) / counts.total()
    entropy = -float(shares @ np.log(np.where(shares > 0, shares, 1)))
    weight = min(1.0, _NORMAL_ENTROPY / entropy)
    rounded = tuple(shares.round(6).tolist())
    return Column(name, kind, tuple(in_order), weight=round(weight, 4), gaps=gaps, other=other, shares=rounded)


def _of_numbers(name: str, given: list[cells.Cell], gaps: float) -> _Found:
    """The column of cells that are numbers, truth values or gaps.

    Raises:
        ValueError: infinite numbers.
    """
    values, known = _numbers(name, given), [cell for cell in given if cell is not None]
    distinct = np.unique(values)
    is_truth = all(isinstance(cell, bool) for cell in known)

    def texts(numbers: np.ndarray) -> list[str]:
        return [cells.text_of(bool(number) if is_truth else number) for number in numbers.tolist()]

    is_whole = bool((values == np.trunc(values)).all())
    if len(distinct) == 1:
        return _left_out(name, f"every known cell is {texts(distinct)[0]}")
    if len(distinct) == 2:
        return _Found(_discrete(name, "binary", texts(distinct), Counter(texts(values)), gaps))
    if len(values) == len(given) >= _IDENTIFIER_ROWS and (np.diff(values) == 1).all() and values[0] in (0, 1):
        return _left_out(name, f"it is an index, {values[0]:g} to {values[-1]:g} in the order of the rows")
    is_few = _FEWEST_LEVELS <= len(distinct) <= _MOST_LEVELS
    if is_whole and is_few and 0 <= distinct[0] and distinct[-1] <= _HIGHEST_LEVEL:
        return _Found(_discrete(name, "ordinal", texts(distinct), Counter(texts(values)), gaps))
    found = _kind_of_number(name, values, gaps)
    if is_whole and len(distinct) == len(values) >= _IDENTIFIER_ROWS:
        note = (
            f"Column {name!r} holds another whole number in each of its {len(values)} known cells. "
            "If they are identifiers, take the column away."
        )
        return found._replace(note=f"{note} {found.note}".strip())
    return found


def _numbers(name: str, given: list[cells.Cell]) -> np.ndarray:
    """The known cells of a column of numbers, float64 [N].

    Raises:
        ValueError: text, or infinite numbers.
    """
    Column(name, "numeric").encode(given)  # refuses these, with their row
    return np.array(cells.each(cells.number_of, [cell for cell in given if cell is not None]), np.float64)


def _kind_of_number(name: str, values: np.ndarray, gaps: float) -> _Found:
    """The column of numbers [N] that are no categories: count, positive or numeric."""
    distinct = np.unique(values)
    is_whole = bool((values == np.trunc(values)).all())
    is_spread = values.var() > values.mean() and _skewness(values) > _SKEWED_COUNTS
    if is_whole and distinct[0] == 0 and len(distinct) > _MOST_LEVELS and is_spread:
        return _continuous(name, "count", values, gaps)
    if _is_positive(values):
        return _continuous(name, "positive", values, gaps)
    return _continuous(name, "numeric", values, gaps)


def _of_days(name: str, days: np.ndarray, gaps: float, unit: str) -> _Found:
    """The column of cells that are dates, days since 1970-01-01 [N], or gaps; `unit` is `DAYS` where none has a zone."""
    unit = DAYS_AND_TIMES if unit == DAYS and (days % 1).any() else unit
    found = _continuous(name, "numeric", days, gaps, unit)
    return found._replace(note=f"Column {name!r} holds dates, and is numeric: {unit}. {found.note}".strip())


def _continuous(name: str, kind: str, values: np.ndarray, gaps: float, unit: str = "") -> _Found:
    """A column of numbers [N]."""
    single = values.astype(np.float32)
    if single.min() == single.max():
        return _left_out(
            name, f"float32 does not tell its numbers apart, {cells.text_of(values.min())} to {cells.text_of(values.max())}"
        )
    of_moments = scored(kind, values)
    column = Column(
        name,
        kind,
        loc=of_moments.mean(),
        scale=of_moments.std(),
        gaps=gaps,
        extent=(values.min(), values.max()),
        quantiles=tuple(np.quantile(values, np.linspace(0, 1, _NUM_QUANTILES)).tolist()),
        unit=unit,
    )
    if abs(values - single).max() <= ROUNDING * values.std():
        return _Found(column)
    return _Found(column, f"Column {name!r} has digits that float32 does not hold. Subtract {values.min():g} to keep them.")


def _is_positive(values: np.ndarray) -> bool:
    """Whether numbers [N] are above 0 and skewed, and their logarithms are less so."""
    if values.astype(np.float32).min() <= 0:
        return False
    skewness = _skewness(values)
    return skewness > _SKEWED and abs(skewness) - abs(_skewness(np.log(values))) >= _LESS_SKEWED


def _skewness(values: np.ndarray) -> float:
    """The third moment of standardised numbers [N]."""
    return float(np.mean(((values - values.mean()) / values.std()) ** 3))
