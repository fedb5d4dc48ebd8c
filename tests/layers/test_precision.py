import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.layers import MLP, NormalNode, precision


def casts(graph):
    return sum(op.type == "Cast" and op.outputs[0].dtype == tf.bfloat16 for op in graph.get_operations())


def test_a_weight_is_cast_once_for_both_uses_with_the_gradient_of_both():
    keras.utils.set_random_seed(0)
    mlp, head = MLP((8,), dtype="mixed_bfloat16"), NormalNode(2, dtype="mixed_bfloat16")
    x = tf.cast(np.random.default_rng(0).normal(size=(2, 5, 3)), tf.bfloat16)
    mlp.build((None, 3)), head.build((None, 8))
    variables = [*mlp.trainable_variables, *head.trainable_variables]

    def gradients(once):
        context = precision.casting_once() if once else precision.contextlib.nullcontext()
        with context, tf.GradientTape() as tape:
            loss = sum(tf.reduce_sum(head.distribution(mlp(part)).log_prob(tf.ones([5, 2]))) for part in tf.unstack(x))
        return tape.gradient(loss, [variable.value for variable in variables])

    traced = {once: tf.function(gradients, autograph=False).get_concrete_function(once) for once in (True, False)}
    assert casts(traced[False].graph) - casts(traced[True].graph) >= len(variables)
    for a, b in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(a, b, rtol=3e-2, atol=3e-2)


def test_a_function_within_has_a_copy_of_its_own():
    mlp = MLP((4,), dtype="mixed_bfloat16")
    x = tf.ones([2, 3], tf.bfloat16)
    mlp.build((None, 3))

    @tf.function(autograph=False)
    def run():
        with precision.casting_once():
            inside = tf.cond(tf.reduce_any(x > 0), lambda: mlp(x), lambda: x[:, :1] + mlp(x))
            return inside, mlp(x)

    np.testing.assert_array_equal(*(tf.cast(value, tf.float32) for value in run()))
