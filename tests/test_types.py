"""Everything public is annotated: `py.typed` promises it. mypy checks the annotations (`make lint`)."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ssdgm_tf"

# Parts of the package that are not annotated yet. This set only shrinks.
EXEMPT = {"baselines", "data", "engine", "models", "runs", "tables", "trainers"}


def functions(body, prefix=""):
    """Public functions, and public methods of public classes: (qualified name, node, whether it is bound)."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
            yield prefix + node.name, node, bool(prefix) and not is_static
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body, f"{prefix}{node.name}.")


def unannotated(path):
    """Names of arguments and returns without a type, as in "Class.method(argument)" and "function -> ?"."""
    for name, node, is_bound in functions(ast.parse(path.read_text()).body):
        positional = [*node.args.posonlyargs, *node.args.args][is_bound:]
        for argument in [*positional, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]:
            if argument is not None and argument.annotation is None:
                yield f"{name}({argument.arg})"
        if node.returns is None:
            yield f"{name} -> ?"


def part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    "path", [path for path in FILES if part(path) not in EXEMPT], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_everything_public_is_annotated(path):
    assert not list(unannotated(path))


@pytest.mark.parametrize("name", sorted(EXEMPT))
def test_an_exempt_part_is_not_annotated_yet(name):
    assert any(list(unannotated(path)) for path in FILES if part(path) == name), f"remove {name!r} from EXEMPT"
