"""docs/inputs_table.md says what the package does now, and nothing is wrong in silence."""

import pytest

from tests.inputs import page
from tests.inputs.changes import BATCHES, CALLS, FIT, PREDICT, SOURCES
from tests.tiers import tiers

CASES = [(source, call) for source in SOURCES for call in CALLS]
# Batches go through graphs of TensorFlow, and records through its files: the first tier has a call of each kind.
SLOW = {(source, call) for source in (*BATCHES, "records") for call in CALLS}
SLOW -= {("Dataset", FIT), ("generator", PREDICT), ("records", FIT), ("records", PREDICT)}


@pytest.mark.parametrize(("source", "call"), tiers(CASES, second=SLOW))
def test_the_page_says_what_becomes_of_an_input(source, call):
    written = page.read()[source]
    for place, cell in page.column(source, (call,)).items():
        is_told = cell in (page.SAME, page.NONE, page.LIES) or cell.startswith("A class more") or ". Received: " in cell
        assert is_told, (place, cell)
        assert cell == written.get(place), f"{place}: run `python -m tests.inputs`"


def test_the_page_is_written_by_the_command():
    assert page.text(page.read()) == page.PAGE.read_text(), "run `python -m tests.inputs`"
