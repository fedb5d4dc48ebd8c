"""Chains of elementwise operations, each compiled into one kernel; TensorFlow computes the matrix products between them.

On a CPU neither TensorFlow nor XLA is fast at both. TensorFlow's matrix products (oneDNN) are as fast as XLA's, and several
times faster in bfloat16; but without XLA every `exp`, `log` and `+` is a pass over memory. Inside `fusing()` only the chains
are compiled, one kernel forward and one backward; elsewhere a kernel is the plain function.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import keras
import tensorflow as tf

# With fewer elements TensorFlow's own operations are as fast as a kernel.
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

_T = TypeVar("_T")
_P = ParamSpec("_P")
# A value, and a function from its gradient to those of the arguments: the form of `tf.custom_gradient`.
_WithGradient = tuple[tf.Tensor, Callable[[tf.Tensor], Any]]


@contextlib.contextmanager
def _set(variable: contextvars.ContextVar[_T], value: _T) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def fusing(active: bool = True) -> contextlib.AbstractContextManager[None]:
    """A context in which kernels are compiled.

    Args:
        active: False for a context in which they are plain functions.
    """
    return _set(_is_fusing, active)


def kernel(num_parameters: int | None = None) -> Callable[[Callable[_P, tf.Tensor]], Callable[_P, tf.Tensor]]:
    """Turns a pure function of tensors into a kernel: the same function, compiled inside `fusing()` if a tensor is large.

    Intermediate results are not kept; the gradient computes them again. One kernel computes the gradients of the parameters,
    another those of the other arguments, so that the unused gradient of observed values is never computed.

    Args:
        num_parameters: how many of the arguments are parameters, counted from the first; None for all.

    Returns:
        A decorator of a function of tensors; its keyword arguments are static.
    """

    def decorator(function: Callable[_P, tf.Tensor]) -> Callable[_P, tf.Tensor]:
        @functools.partial(tf.function, jit_compile=True, autograph=False)
        def forward(*args: _P.args, **static: _P.kwargs) -> tf.Tensor:
            with _set(_is_compiling, True):
                return function(*args, **static)

        @functools.partial(tf.function, jit_compile=True, autograph=False)
        def backward(upstream: tf.Tensor, args: list[tf.Tensor], first: int, last: int, **static: Any) -> list[tf.Tensor]:
            with _set(_is_compiling, True), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(args[first:last])
                result = function(*args, **static)
                return tape.gradient(result, args[first:last], upstream, unconnected_gradients="zero")

        @functools.wraps(function)
        def call(*args: _P.args, **static: _P.kwargs) -> tf.Tensor:
            if not _are_fused(args):
                return function(*args, **static)

            @tf.custom_gradient
            def fused(*args: tf.Tensor) -> _WithGradient:
                middle = len(args) if num_parameters is None else num_parameters

                def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
                    parts = [part for part in ((0, middle), (middle, len(args))) if part[0] < part[1]]
                    return [g for first, last in parts for g in backward(upstream, list(args), first, last, **static)]

                return forward(*args, **static), gradient

            return fused(*args)

        return call

    return decorator


def softplus(x: tf.Tensor) -> tf.Tensor:
    """log(1 + exp(x)), as `tf.nn.softplus`; within a kernel it costs half and differs by a few float32 roundings.

        max(x, 0) + log1p(exp(-|x|)),   log1p by a polynomial

    Args:
        x: a tensor; half precision is computed in float32.
    """
    return _polynomial_softplus(x) if _is_compiling.get() and x.dtype != tf.float64 else tf.nn.softplus(x)


def activated_sum(activation: Callable[[tf.Tensor], tf.Tensor], *terms: tf.Tensor) -> tf.Tensor:
    """activation(sum of terms), with the terms broadcast. Inside `fusing()` a kernel if its gradient follows from its value.

    Args:
        activation: a function, or a Keras layer.
        *terms: tensors.
    """
    if activation not in _SLOPES or not _are_fused(terms):
        return activation(sum(terms[1:], terms[0]))

    @tf.custom_gradient
    def fused(*terms: tf.Tensor) -> _WithGradient:
        value = _activated(activation, terms)

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            # From the value only: the terms need not be kept.
            total = _times_slope(activation, upstream, value)
            return [_summed_to(tf.shape(term), total) for term in terms]

        return value, gradient

    return fused(*terms)


#: Slope of each activation as a function of its value.
_SLOPES: dict[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]] = {
    keras.activations.elu: lambda value: tf.minimum(value, 0.0) + 1.0,
    keras.activations.relu: lambda value: tf.cast(value > 0, value.dtype),
    keras.activations.sigmoid: lambda value: value * (1.0 - value),
    keras.activations.softplus: lambda value: 1.0 - tf.exp(-value),
    keras.activations.tanh: lambda value: 1.0 - value**2,
}


@functools.partial(tf.function, jit_compile=True, autograph=False)
def _activated(activation: Callable[[tf.Tensor], tf.Tensor], terms: Sequence[tf.Tensor]) -> tf.Tensor:
    total = sum((_wide(term) for term in terms[1:]), _wide(terms[0]))
    with _set(_is_compiling, True):
        return tf.cast(softplus(total) if activation is keras.activations.softplus else activation(total), terms[0].dtype)


@functools.partial(tf.function, jit_compile=True, autograph=False)
def _times_slope(activation: Callable[[tf.Tensor], tf.Tensor], upstream: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    return tf.cast(_wide(upstream) * _SLOPES[activation](_wide(value)), upstream.dtype)


def _wide(value: tf.Tensor) -> tf.Tensor:
    """Half precision as float32, which costs nothing within a kernel."""
    return tf.cast(value, tf.float64 if value.dtype == tf.float64 else tf.float32)


def _summed_to(shape: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """The gradient of a term of `shape` that was broadcast to the shape of `value`."""
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=tf.shape(value))
    return tf.reshape(tf.reduce_sum(value, axes), shape)


@tf.custom_gradient
def _polynomial_softplus(x: tf.Tensor) -> _WithGradient:
    wide = _wide(x)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.cast(_wide(upstream) * (0.5 + 0.5 * tf.tanh(0.5 * wide)), x.dtype)

    t = tf.exp(-tf.abs(wide))
    log1p_over_t = tf.constant(_LOG1P_OVER_T[-1], tf.float32)
    for coefficient in reversed(_LOG1P_OVER_T[:-1]):
        log1p_over_t = log1p_over_t * t + coefficient
    return tf.cast(tf.maximum(wide, 0.0) + log1p_over_t * t, x.dtype), gradient


def _are_fused(args: Sequence[tf.Tensor]) -> bool:
    """Whether a kernel is worth its start: inside `fusing()`, with an argument that is large or of unknown size."""
    if not _is_fusing.get():
        return False
    sizes = [tf.convert_to_tensor(arg).shape.num_elements() for arg in args]
    return any(size is None or size >= _SMALLEST_FUSED for size in sizes)
