import pytest

from ssdgm_tf import baselines


def test_make_refuses_an_unknown_name_and_lists_the_known():
    with pytest.raises(ValueError, match=r"name must be one of .*transductive_svm.*Received: name='svm'"):
        baselines.make("svm", 10, 0)
