"""The floor of a step: the multiplications of its matrix products, done in the fastest product."""

import tensorflow as tf

from benchmarks import problem as p


class Step:
    """Products of [rows, 600] and [600, 784]; rows is chosen so that a whole number of them is the work of a step of M2.

    Args:
        problem: the sizes; its data are not used.
        precision: "float32" or "bfloat16".
    """

    analytic_kl = None

    def __init__(self, problem: p.Problem, precision: str = "float32"):
        flops = p.matrix_product_flops(len(problem.x_unlabelled), len(problem.x_labelled))
        per_row = 2 * p.HIDDEN[-1] * p.PIXELS
        self.number = max(1, round(flops / (per_row * p.CLASSES * len(problem.x_unlabelled))))
        rows = round(flops / (per_row * self.number))
        self.a = tf.cast(tf.random.normal([rows, p.HIDDEN[-1]]), precision)
        self.b = tf.cast(tf.random.normal([p.HIDDEN[-1], p.PIXELS]), precision)
        self.product = tf.function(lambda a, b: a @ b)

    def __call__(self) -> None:
        """Multiplies."""
        for _ in range(self.number):
            result = self.product(self.a, self.b)
        result[0, 0].numpy()
