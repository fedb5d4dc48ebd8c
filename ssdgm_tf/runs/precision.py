"""The precisions of `--precision`: the dtype of densities and networks, and of the products of float32 matrices on a GPU."""

import tensorflow as tf

#: {precision: Keras' policy}.
POLICIES = {"float32": "float32", "tf32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def choose_products(precision: str) -> None:
    """Products of float32 matrices have all 24 bits, on a GPU too; in "tf32" a GPU rounds their factors to 11 bits first.

    TensorFlow's own default is "tf32". The choice holds for the process, and for what is traced or compiled after it.

    Args:
        precision: one of `POLICIES`.
    """
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
