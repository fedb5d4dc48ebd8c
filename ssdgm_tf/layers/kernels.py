"""Chains of elementwise work as one compiled kernel each, between matrix products that are left to TensorFlow.

On a CPU neither half is fast alone. TensorFlow's own matrix products (oneDNN) are as fast as XLA's, and in bfloat16 several
times faster; but without XLA every `exp`, `log` and `+` is a pass over memory. Inside `fusing()` just these chains are
compiled, one kernel forward and one backward; everywhere else a kernel is the plain function.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable

import keras
import tensorflow as tf

# Elements below which TensorFlow's own operations are as fast as a kernel.
_SMALLEST_FUSED = 2**16

# log(1 + t) / t on [0, 1], lowest power first: a Chebyshev fit of degree 8, relative error 3e-8 before rounding.
_LOG1P_OVER_T = (
    0.999999971,
    -0.499995015,
    0.333192713,
    -0.248443699,
    0.191114311,
    -0.136747697,
    0.078361668,
    -0.0295885074,
    0.0052534578,
)

_is_fusing = contextvars.ContextVar("is_fusing", default=False)
_is_compiling = contextvars.ContextVar("is_compiling", default=False)


@contextlib.contextmanager
def _set(variable, value):
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def fusing(active: bool = True) -> contextlib.AbstractContextManager:
    """Within it kernels are compiled.

    Args:
        active: False for plain functions again.
    """
    return _set(_is_fusing, active)


def kernel(num_parameters: int | None = None) -> Callable[[Callable], Callable]:
    """Makes a pure function of tensors a kernel: the same function, compiled inside `fusing()` where it is large.

    What it computes on the way is computed again for the gradient and not kept. The gradients of the parameters, and those
    of the other arguments, are a kernel each, so that the gradient of observed values, for which nobody asks, is not taken.

    Args:
        num_parameters: how many of the arguments, from the first on, are parameters; None for all.

    Returns:
        A decorator of a function of tensors; its keyword arguments are static.
    """

    def decorator(function):
        @functools.partial(tf.function, jit_compile=True, autograph=False)
        def forward(*args, **static):
            with _set(_is_compiling, True):
                return function(*args, **static)

        @functools.partial(tf.function, jit_compile=True, autograph=False)
        def backward(upstream, args, first, last, **static):
            with _set(_is_compiling, True), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(args[first:last])
                result = function(*args, **static)
                return tape.gradient(result, args[first:last], upstream, unconnected_gradients="zero")

        @functools.wraps(function)
        def call(*args, **static):
            if not _are_fused(args):
                return function(*args, **static)

            @tf.custom_gradient
            def fused(*args):
                middle = len(args) if num_parameters is None else num_parameters

                def gradient(upstream):
                    parts = [part for part in ((0, middle), (middle, len(args))) if part[0] < part[1]]
                    return [g for first, last in parts for g in backward(upstream, list(args), first, last, **static)]

                return forward(*args, **static), gradient

            return fused(*args)

        return call

    return decorator


def softplus(x: tf.Tensor) -> tf.Tensor:
    """log(1 + exp(x)): `tf.nn.softplus`; within a kernel a few float32 roundings from it, at half its cost.

        max(x, 0) + log1p(exp(-|x|)),   log1p by a polynomial

    Args:
        x: a tensor; half precision is computed in float32.
    """
    return _polynomial_softplus(x) if _is_compiling.get() and x.dtype != tf.float64 else tf.nn.softplus(x)


def activated_sum(activation: Callable, *terms: tf.Tensor) -> tf.Tensor:
    """activation(sum of terms), the terms broadcast. Inside `fusing()` a kernel, where its gradient follows from its value.

    Args:
        activation: a function, or a Keras layer.
        *terms: tensors.
    """
    if activation not in _SLOPES or not _are_fused(terms):
        return activation(sum(terms[1:], terms[0]))

    @tf.custom_gradient
    def fused(*terms):
        value = _activated(activation, terms)

        def gradient(upstream):
            # Of the value alone: the terms need not be kept.
            total = _times_slope(activation, upstream, value)
            return [_summed_to(tf.shape(term), total) for term in terms]

        return value, gradient

    return fused(*terms)


#: Slope of each activation as a function of its value.
_SLOPES = {
    keras.activations.elu: lambda value: tf.minimum(value, 0.0) + 1.0,
    keras.activations.relu: lambda value: tf.cast(value > 0, value.dtype),
    keras.activations.sigmoid: lambda value: value * (1.0 - value),
    keras.activations.softplus: lambda value: 1.0 - tf.exp(-value),
    keras.activations.tanh: lambda value: 1.0 - value**2,
}


@functools.partial(tf.function, jit_compile=True, autograph=False)
def _activated(activation, terms):
    total = sum((_wide(term) for term in terms[1:]), _wide(terms[0]))
    with _set(_is_compiling, True):
        return tf.cast(softplus(total) if activation is keras.activations.softplus else activation(total), terms[0].dtype)


@functools.partial(tf.function, jit_compile=True, autograph=False)
def _times_slope(activation, upstream, value):
    return tf.cast(_wide(upstream) * _SLOPES[activation](_wide(value)), upstream.dtype)


def _wide(value):
    """Half precision as float32: within a kernel it costs nothing."""
    return tf.cast(value, tf.float64 if value.dtype == tf.float64 else tf.float32)


def _summed_to(shape, value):
    """The gradient of a term of `shape` that was broadcast to the shape of `value`."""
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=tf.shape(value))
    return tf.reshape(tf.reduce_sum(value, axes), shape)


@tf.custom_gradient
def _polynomial_softplus(x):
    wide = _wide(x)

    def gradient(upstream):
        return tf.cast(_wide(upstream) * (0.5 + 0.5 * tf.tanh(0.5 * wide)), x.dtype)

    t = tf.exp(-tf.abs(wide))
    log1p_over_t = tf.constant(_LOG1P_OVER_T[-1], tf.float32)
    for coefficient in reversed(_LOG1P_OVER_T[:-1]):
        log1p_over_t = log1p_over_t * t + coefficient
    return tf.cast(tf.maximum(wide, 0.0) + log1p_over_t * t, x.dtype), gradient


def _are_fused(args):
    """Inside `fusing()`: is one so large, or of a size not known yet, that the passes saved repay a kernel's start?"""
    if not _is_fusing.get():
        return False
    sizes = [tf.convert_to_tensor(arg).shape.num_elements() for arg in args]
    return any(size is None or size >= _SMALLEST_FUSED for size in sizes)
