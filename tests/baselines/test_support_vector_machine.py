import numpy as np
import pytest

from ssdgm_tf import baselines


def test_refuses_an_unknown_kernel():
    with pytest.raises(ValueError, match=r"kernel must be one of .*Received: kernel='poly'"):
        baselines.SupportVectorMachine("poly").fit(np.eye(2), [0, 1])
