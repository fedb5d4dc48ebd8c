"""Types that several layers share."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

#: The static shape of a tensor; None for a size that is not known.
Shape = tuple[int | None, ...]
#: Makes the leading axes of several tensors broadcast with each other.
Align = Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]
#: Anything that `keras.activations.get` takes.
Activation = str | dict[str, Any] | Callable[[tf.Tensor], tf.Tensor] | None
