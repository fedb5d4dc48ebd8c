"""A name that is not in a list is refused, with the nearest one."""

import pytest

from ssdgm_tf import choices


def test_a_name_of_the_list_passes():
    assert choices.check("method", "vector", ("temperature", "vector")) is None
    assert choices.check("bound", None, (None, "importance")) is None


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("m2_digit", "Received: --config='m2_digit'. Did you mean 'm2_digits'?"),
        ("M2_Digits", "Received: --config='M2_Digits'. Did you mean 'm2_digits'?"),
        ("something else", "Received: --config='something else'"),
        (None, "Received: --config=None"),
        (7, "Received: --config=7"),
    ],
)
def test_another_is_refused_with_the_nearest(name, end):
    with pytest.raises(KeyError) as caught:
        choices.check("--config", name, ("m2_digits", "m1_digits", "vectors"), KeyError)
    assert caught.value.args[0] == f"--config must be one of m2_digits, m1_digits, vectors. {end}"
