"""The list of planted faults follows the code; `make mutants` runs it."""

import pytest

from tests.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_line_of_a_fault_occurs_once(mutant):
    assert (ROOT / "ssdgm_tf" / mutant.file).read_text().count(mutant.line) == 1
    assert (ROOT / mutant.tests.partition(" -k ")[0]).exists()
