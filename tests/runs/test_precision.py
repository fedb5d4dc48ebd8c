import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf.runs import precision, run
from ssdgm_tf.runs.names import PRECISIONS
from tests.runs.test_run import settings


@pytest.fixture(autouse=True)
def own_products():
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize("name", PRECISIONS)
def test_the_compiled_products_say_their_precision(name):
    """What XLA compiles for a GPU is seen in its program: products of the highest precision, unless "tf32" is chosen."""
    precision.choose_products(name)

    @tf.function(jit_compile=True, autograph=False)
    def product(a, b):
        return a @ b

    a = tf.constant(np.eye(4, dtype=np.float32))
    program = product.experimental_get_compiler_ir(a, a)(stage="hlo")
    assert ("highest" in program) == (name != "tf32"), program


def test_every_precision_has_a_policy():
    assert tuple(precision.POLICIES) == PRECISIONS


@pytest.mark.usefixtures("unmeasured")
def test_a_run_chooses_its_products(tmp_path, capsys):
    for name in ("tf32", "float32"):
        run.train(settings(epochs=1) | {"precision": name}, tmp_path / name)
        assert tf.config.experimental.tensor_float_32_execution_enabled() == (name == "tf32")
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        assert ("tf32 is for GPUs" in capsys.readouterr().out) == (name == "tf32" and not has_gpu)
