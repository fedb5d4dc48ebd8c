"""Everything public is annotated: `py.typed` promises it. mypy checks the annotations (`make lint`)."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ssdgm_tf"


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


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_everything_public_is_annotated(path):
    assert not list(unannotated(path))
