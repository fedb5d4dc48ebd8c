"""docs/inputs_of_tables.md says what becomes of a table now, and no fault passes in silence."""

import pytest

from tests.inputs import tables


@pytest.mark.parametrize("kind", tables.CASES)
def test_the_page_says_what_becomes_of_a_table(kind):
    written = tables.read()
    for name in tables.CASES[kind]:
        found = tables.outcome(kind, name)
        assert found == written.get((kind, name)), f"{name}: run `python -m tests.inputs`"
        assert "refused: " not in found or ". Received: " in found, (name, found)


def test_the_page_has_no_other_rows():
    assert set(tables.read()) == {(kind, name) for kind, cases in tables.CASES.items() for name in cases}
