"""Tensors along joint states, against NumPy's broadcasting with an axis for each variable."""

import math

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from ssdgm_tf.engine.joint_states import JointStates


@st.composite
def cases(draw):
    """(sizes, scope, target), scope a part of target."""
    sizes = {f"v{i}": draw(st.integers(1, 3)) for i in range(draw(st.integers(0, 9)))}
    target = tuple(name for name in sizes if draw(st.booleans()))
    return sizes, tuple(name for name in target if draw(st.booleans())), target


def by_numpy(array, sizes, scope, target):
    """[K of scope, ...] -> [K of target, ...], by one axis for each variable."""
    rest = array.shape[1:]
    apart = array.reshape([*(sizes[name] if name in scope else 1 for name in target), *rest])
    full = np.broadcast_to(apart, (*(sizes[name] for name in target), *rest))
    return full.reshape(math.prod(sizes[name] for name in target), *rest)


@given(cases(), st.sampled_from([(), (2,), (2, 0), (2, 3, 4)]))
def test_expand(case, rest):
    sizes, scope, target = case
    states = JointStates(sizes)
    array = np.random.default_rng(0).normal(size=(math.prod(sizes[name] for name in scope), *rest))
    found = states.expand(tf.constant(array), scope, target)
    np.testing.assert_array_equal(found, by_numpy(array, sizes, scope, target))


@given(cases(), cases())
def test_align(first, second):
    sizes = first[0] | second[0]
    states = JointStates(sizes)
    scopes = [tuple(name for name in sizes if name in scope) for _, scope, _ in (first, second)]
    union = states.union(*scopes)
    assert union == tuple(name for name in sizes if name in {*scopes[0], *scopes[1]})
    arrays = [np.random.default_rng(i).normal(size=(states.size(scope), 2)) for i, scope in enumerate(scopes)]
    a, b = states.align([tf.constant(array) for array in arrays], scopes)
    expected = [by_numpy(array, sizes, scope, union) for array, scope in zip(arrays, scopes, strict=True)]
    np.testing.assert_array_equal(a + b, expected[0] + expected[1])
    for tensor, scope in ((a, scopes[0]), (b, scopes[1])):  # what depends on nothing is not repeated
        assert tensor.shape[0] == (states.size(union) if scope else 1)


def test_the_size_is_static_where_other_sizes_are_not():
    states = JointStates({"a": 2, "b": 3})

    @tf.function(input_signature=[tf.TensorSpec([2, None, 5])])
    def expanded(tensor):
        result = states.expand(tensor, ("a",), ("a", "b"))
        assert result.shape.as_list() == [6, None, 5]
        return result

    assert expanded(tf.zeros([2, 4, 5])).shape == (6, 4, 5)
