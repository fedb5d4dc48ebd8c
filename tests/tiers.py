"""Which cases of a parametrised test are of the first tier."""

import pytest


def tiers(cases, first=None, second=None):
    """`cases` to parametrise a test with: the second tier has those of `second`, or all but those of `first`."""
    unknown = set(first or second) - set(cases)
    assert not unknown, f"no case of this name: {unknown}"

    def is_slow(case):
        return case in second if first is None else case not in first

    def marked(case):
        return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)

    return [marked(case) if is_slow(case) else case for case in cases]
