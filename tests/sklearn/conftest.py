import functools

import pytest

from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel


@pytest.fixture(scope="module")
def untraced():
    """Models of the module run eagerly: two steps then cost less than the trace of one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SemiSupervisedModel, "compile", functools.partialmethod(SemiSupervisedModel.compile, run_eagerly=True))
        yield
