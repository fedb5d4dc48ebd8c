"""The numbers of the engine stay what they are, or the engine gets a new number."""

import json

import pytest

from ssdgm_tf.engine_version import ENGINE
from tests import golden
from tests.tiers import tiers

HELD = json.loads(golden.PATH.read_text())
FIRST = tiers(list(golden.cases()), first=["m2", "siddharth", "m2_terms"])


def test_the_figures_are_of_this_engine():
    assert HELD["engine"] == ENGINE and set(HELD["figures"]) == set(golden.cases())


@pytest.mark.parametrize("name", FIRST)
def test_short_fits_give_the_same_figures(name):
    """Otherwise raise `ENGINE`, run `python -m tests.golden`, and measure the tables anew; draws alone keep the number."""
    assert golden.figures(golden.cases()[name]) == pytest.approx(HELD["figures"][name], rel=1e-3)
