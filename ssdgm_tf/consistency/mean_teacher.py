"""A mean teacher: predictions agree with those of the averaged weights, under other noise."""

import keras
import tensorflow as tf

from ssdgm_tf.consistency.passes import Passes
from ssdgm_tf.consistency.term import Term, check_averages
from ssdgm_tf.objectives import consistency


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class MeanTeacher(Term):
    """The distance of q(y|x) from the predictions of averaged weights, under other noise (Tarvainen and Valpola 2017).

        sum_k (q_k - q'_k)^2,    q' of the running average of the weights, which an optimizer with `use_ema=True` keeps

    The teacher is held. It costs one more pass of q(y|x). The paper lets the weight rise over the first steps; a weight that
    is constant serves where the labels are learned within them.

    Args:
        weight: see `Term`.
        variables: see `Term`.
    """

    name = "mean_teacher"

    def check_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        check_averages("consistency='mean_teacher'", optimizer)

    def loss(self, passes: Passes, variables: tuple[str, ...]) -> tf.Tensor:
        taught = passes.log_q_of(passes.x, variables, averaged=True)
        return tf.add_n(
            [consistency.squared_distance(tf.stop_gradient(taught[name]), passes.log_q(name)) for name in variables]
        )
