"""The API reference: a page of Markdown for each public module, from the docstrings.

The package is read, not imported: griffe parses its files. A class shows the members of its bases too where these have no
entry of their own, as the mixins of `GraphicalModel`. Docstrings are Markdown already, but for their sections, such as
"Args:", which become field lists.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).parent.parent
PACKAGE = "ssdgm_tf"
# In the order of the reader's needs.
MODULES = (
    "models",
    "nodes",
    "layers",
    "objectives",
    "consistency",
    "data",
    "baselines",
    "sklearn",
    "schema",
    "trust",
    "generation",
)
_OPTIONS = {
    "returns_multiple_items": False,
    "returns_named_value": False,
    "warn_missing_types": False,
    "warn_unknown_params": False,  # those that a class takes as **options
}
# First parameters, which a call of a method does not have; `model` is that of functions which models have as methods.
_OWNERS = ("self", "cls", "model")
# The field of a docstring's section, as Sphinx names it.
_FIELDS = {"parameters": "param", "other parameters": "param", "attributes": "ivar", "raises": "raises", "warns": "warns"}


class Reference:
    """The public names of the package and their pages.

    Attributes:
        names: the public names of each module, {"models": {"M2": object}}.
    """

    def __init__(self) -> None:
        package = griffe.load(PACKAGE, search_paths=[ROOT], docstring_parser="google", docstring_options=_OPTIONS)
        self.names = {module: dict(_public(package[module])) for module in MODULES}
        self._texts = {module: package[module].docstring for module in MODULES}
        self._paths = {
            thing.path: f"{PACKAGE}.{module}.{name}" for module, names in self.names.items() for name, thing in names.items()
        }

    def pages(self) -> dict[str, str]:
        """{path: Markdown} of all pages of the reference."""
        pages = {f"api/{module}.md": self._page(module) for module in MODULES}
        rows = [f"| [{PACKAGE}.{module}]({module}.md) | {first_line(self._texts[module])} |" for module in MODULES]
        contents = "\n".join(MODULES)
        table = "\n".join(["| module | contents |", "|---|---|", *rows])
        pages["api/index.md"] = f"# API reference\n\n{table}\n\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"
        return pages

    def story(self, path: str) -> str:
        """The text of a class without its sections: the generative story, the variables and the objective.

        Args:
            path: the module and the name, as "models.M2".
        """
        module, _, name = path.partition(".")
        return "\n\n".join(
            self._linked(s.value) for s in self.names[module][name].docstring.parsed if s.kind.value == "text"
        )

    def _page(self, module: str) -> str:
        names = self.names[module]
        full = f"{PACKAGE}.{module}"
        rows = [f"| {{py:obj}}`{name} <{full}.{name}>` | {first_line(thing.docstring)} |" for name, thing in names.items()]
        summary = "\n".join(["| name | |", "|---|---|", *rows])
        entries = "\n\n".join(self._entry(f"{full}.{name}", thing) for name, thing in names.items())
        return f"# {full}\n\n{self._linked(self._texts[module].value)}\n\n{summary}\n\n{entries}\n"

    def _entry(self, path: str, thing: griffe.Object) -> str:
        if thing.is_class:
            return self._class(path, thing)
        return _directive("py:function" if thing.is_function else "py:data", path, thing, self._body(thing), depth=0)

    def _class(self, path: str, thing: griffe.Class) -> str:
        parts = [self._bases(thing), self._body(thing)]
        for name, member in self._members(thing).items():
            kind = "py:method" if member.is_function else "py:attribute" if member.is_attribute else ""
            if kind:
                parts.append(_directive(kind, f"{path}.{name}", member, self._body(member), depth=0))
        body = "\n\n".join(part for part in parts if part)
        return _directive("py:class", path, thing, body, depth=1)

    def _bases(self, thing: griffe.Class) -> str:
        """The bases that a reader may know: public ones of this package and those of other packages."""
        shown = list(dict.fromkeys(self._known_bases(thing)))
        return f"Bases: {', '.join(shown)}" if shown else ""

    def _known_bases(self, thing: griffe.Class) -> Iterator[str]:
        for base in thing.bases:
            path = _final(thing, base.canonical_path if isinstance(base, griffe.Expr) else str(base))
            if public := self._paths.get(path):
                yield f"{{py:class}}`~{public}`"
            elif path.startswith(PACKAGE):
                yield from self._known_bases(thing.modules_collection[path])
            else:
                yield f"`{base}`"

    def _members(self, thing: griffe.Class) -> dict[str, griffe.Object]:
        """Its documented public members, and those of the bases that have no entry of their own."""
        bases = thing.mro()
        elsewhere = {base.path for public in bases if public.path in self._paths for base in (public, *public.mro())}
        owners = [thing, *(base for base in bases if base.path not in elsewhere)]
        found: dict[str, griffe.Object] = {}
        for owner in owners:
            for name, member in owner.members.items():
                written = _written(member)
                if not name.startswith("_") and written.docstring:
                    found.setdefault(name, written)
        return found

    def _body(self, thing: griffe.Object) -> str:
        return "\n\n".join(self._section(s, thing) for s in thing.docstring.parsed) if thing.docstring else ""

    def _section(self, section: griffe.DocstringSection, thing: griffe.Object) -> str:
        kind = section.kind.value
        if kind == "text":
            return self._linked(section.value)
        if kind == "admonition":  # a section with a title of our own, "Call arguments"
            text = griffe.Docstring("_\n\nArgs:\n" + _indented(section.value.contents))
            arguments = text.parse("google", **_OPTIONS)[-1].value
            return f"**{section.title}**\n\n" + "\n".join(self._item(f"- `{a.name}`: ", a.description, 2) for a in arguments)
        if kind in _FIELDS:
            return "\n".join(
                self._item(f":{_FIELDS[kind]} {_name(item)}: ", item.description, 4)
                for item in section.value
                if getattr(item, "name", "") not in _OWNERS
            )
        if kind in ("returns", "yields"):
            return self._item(f":{kind}: ", _returned(section.value[0], thing.docstring.value), 4)
        raise ValueError(f"A docstring has a section that the reference does not know. Received: {kind}, {section.title}")

    def _item(self, start: str, text: str, indent: int) -> str:
        return start + _indented(self._linked(text), indent).lstrip()

    def _linked(self, text: str) -> str:
        """Names of the API in backticks, as `ssdgm_tf.models.Options` or `layers.MLP`, become links; < is no tag."""

        def link(match: re.Match) -> str:
            module, name, member = match.group(1), match.group(2), match.group(3) or ""
            if name not in self.names.get(module, {}):
                return match.group(0)
            shown = match.group(0).strip("`")
            return f"{{py:obj}}`{shown} <{PACKAGE}.{module}.{name}{member}>`"

        parts = re.split(r"(`[^`\n]*`)", text)
        parts[::2] = [re.sub(r"<(?=[A-Za-z/!])", r"\\<", part) for part in parts[::2]]
        return re.sub(rf"`(?:{PACKAGE}\.)?(\w+)\.(\w+)(\.\w+)?(?:\(\))?`", link, "".join(parts))


def _public(module: griffe.Module) -> Iterator[tuple[str, griffe.Object]]:
    """The names of `__all__` and what they stand for."""
    if module.exports is None:
        raise ValueError(f"A public module has __all__. Received: {module.path}")
    for name in module.exports:
        thing = module[str(name)]
        yield str(name), thing.final_target if thing.is_alias else thing


def _final(thing: griffe.Class, path: str) -> str:
    """The path of the class where it is written, for one that is imported from elsewhere."""
    try:
        found = thing.modules_collection[path]
    except KeyError:
        return path
    return found.final_target.path if found.is_alias else found.path


def _written(member: griffe.Object | griffe.Alias) -> griffe.Object | griffe.Alias:
    """The function behind a method that a class takes from another file, as `encode = inference.encode`."""
    if not (member.is_attribute and isinstance(member.value, griffe.ExprAttribute)):
        return member
    try:
        found = member.module[str(member.value)]
    except (KeyError, griffe.AliasResolutionError):
        return member
    return found if found.is_function else member


def first_line(docstring: griffe.Docstring | None) -> str:
    """The first sentence, as a cell of a table."""
    text = docstring.value if docstring else ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.)\s+(?=[A-Z`])", paragraph)[0]
    return sentence.replace("|", "\\|").replace("<", "\\<")


def _name(item: griffe.DocstringElement) -> str:
    """The name of an argument, or the class of an error."""
    return item.name.replace("*", r"\*") if isinstance(item, griffe.DocstringNamedElement) else str(item.annotation)


def _returned(item: griffe.DocstringReturn, text: str) -> str:
    """What is returned. The parser takes what stands before a colon, as in {variable: value}, for a type."""
    whole = f"{item.annotation}: {item.description}"
    return whole if "".join(whole.split()) in "".join(text.split()) else item.description


def _directive(kind: str, path: str, thing: griffe.Object, body: str, depth: int) -> str:
    """A directive of Sphinx' domain of Python, in MyST's colons."""
    fence = ":" * (3 + depth)
    options = [":no-index-entry:"] if kind == "py:attribute" else []
    signature = path
    if kind in ("py:class", "py:function", "py:method"):
        signature += _signature(thing)
        options += [f":{label}:" for label in sorted(thing.labels & {"classmethod", "staticmethod", "abstractmethod"})]
    elif isinstance(thing, griffe.Attribute) and thing.annotation is not None:
        options.append(f":type: {thing.annotation}")
    head = "\n".join([f"{fence}{{{kind}}} {signature}", *options])
    return f"{head}\n\n{body}\n{fence}"


def _signature(thing: griffe.Class | griffe.Function) -> str:
    """(num_classes: int, latent_dim: int = 50, **options), without self."""
    parameters = [p for p in thing.parameters if p.name not in _OWNERS]
    shown, has_star, has_slash = [], False, True
    for parameter in parameters:
        kind = parameter.kind.value if parameter.kind else ""
        if not has_slash and kind != "positional-only":
            shown.append("/")
        has_slash = kind != "positional-only"
        if kind == "keyword-only" and not has_star:
            shown.append("*")
            has_star = True
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        has_star = has_star or stars == "*"
        annotation = f": {parameter.annotation}" if parameter.annotation and not stars else ""
        equals = " = " if annotation else "="
        default = f"{equals}{parameter.default}" if parameter.default is not None and not stars else ""
        shown.append(f"{stars}{parameter.name}{annotation}{default}")
    shown += [] if has_slash else ["/"]
    returns = getattr(thing, "returns", None) if thing.is_function else None
    return f"({', '.join(shown)})" + (f" -> {returns}" if returns else "")


def _indented(text: str, width: int = 4) -> str:
    return "\n".join(" " * width + line if line.strip() else "" for line in text.splitlines())
