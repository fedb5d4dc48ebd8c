"""How much the predictions of a model vary: q(y|x) of several draws of its latent parents, its dropout and its noise."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.models.inference import in_batches

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel


def prediction_draws(model: "GraphicalModel", x: Any, num_draws: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """The probabilities of every supervised class in passes of training, each with its own draws.

    Nothing of the model changes: the statistics of batches and the random states are left as they were.

    Args:
        model: the model.
        x: as in `predict`.
        num_draws: S.
        seed: of the draws of latent parents.

    Returns:
        {name: float32 [S, N, K]}.
    """
    model.require_built()
    key = model.seed_of(seed)

    def of_batch(x: dict, _: dict, index: int) -> dict[str, tf.Tensor]:
        found: dict[str, list] = {name: [] for name in model.data_format.classes}
        with keras.StatelessScope():
            for draw in range(num_draws):
                fold_in = tf.random.experimental.stateless_fold_in
                one_pass = model.pass_over(x, training=True, seed=fold_in(fold_in(key, index), draw), num_samples=1)
                for name, of_each in found.items():
                    of_each.append(tf.cast(one_pass.mean(name), tf.float32))
        return {name: tf.stack(of_each, axis=1) for name, of_each in found.items()}

    drawn = in_batches(model, of_batch, model.data_format.x(x), {})
    return {name: np.swapaxes(values, 0, 1) for name, values in drawn.items()}
