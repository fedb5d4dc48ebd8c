"""The tests themselves: who runs where."""

import os

import pytest


@pytest.fixture(scope="module")
def shared():
    """What takes long to make."""


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="for tests in several processes")
def test_tests_that_share_a_fixture_of_a_module_run_in_one_process(shared, request):
    assert request.node.nodeid.endswith("@test_tiers")
