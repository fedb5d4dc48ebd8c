"""How the estimators make and train a model of a table. All that is decided about training is here."""

import math
import random
from numbers import Real
from typing import Any, NamedTuple

import keras
import numpy as np

from ssdgm_tf import models
from ssdgm_tf.models.semi_supervised_model import check_counts
from ssdgm_tf.models.zoo import table
from ssdgm_tf.schema import Schema, Targets

#: Steps in which the learning rate rises from 0, and the share of it that is left at the end.
WARM_UP, LEFT = 20, 0.05
#: Labelled rows of a step, at most.
LABELLED_ROWS = 100
# Steps that are one program; the loss is read after each round of them.
_ROUND = 10


class Recipe(NamedTuple):
    """The arguments of an estimator that are about its model and its training; see `SemiSupervisedClassifier`."""

    latent_dim: int
    hidden_units: tuple[int, ...]
    max_iter: int
    learning_rate: float
    batch_size: int
    n_iter_no_change: int | None
    verbose: int

    def check(self) -> None:
        """Refuses arguments.

        Raises:
            ValueError: a size or a number of steps below 1, or a learning rate that is not above 0.
        """
        for name in ("latent_dim", "max_iter", "batch_size", "n_iter_no_change"):
            value = getattr(self, name)
            if value is None and name != "n_iter_no_change":
                raise ValueError(f"{name} must be a whole number of at least 1. Received: {name}=None")
            check_counts(**{name: value})
        widths = self.hidden_units
        if not isinstance(widths, tuple | list) or not widths:
            raise ValueError(f"hidden_units must be a tuple of widths. Received: hidden_units={widths!r}")
        for width in widths:
            check_counts(hidden_units=width)
        rate = self.learning_rate
        if not isinstance(rate, Real) or not 0 < rate < math.inf:
            raise ValueError(f"learning_rate must be a number above 0. Received: learning_rate={rate!r}")


class Trained(NamedTuple):
    """A model and how it got there.

    Attributes:
        model: the model.
        losses: minus the objective of each round of steps, nats per row.
        num_steps: the steps taken.
    """

    model: models.Table
    losses: list[float]
    num_steps: int


def train(recipe: Recipe, schema: Schema, targets: Targets, x: np.ndarray, y: np.ndarray, seed: int) -> Trained:
    """A model of the rows and their only target.

    A step takes up to `LABELLED_ROWS` labelled rows, and `batch_size` of those without a label; where fewer than half have
    none, of all rows as if they had none. The learning rate rises in `WARM_UP` steps, then falls along half a cosine.

    Args:
        recipe: the arguments.
        schema: the columns of x.
        targets: the target.
        x: rows [N, D], NaN for a gap.
        y: classes int [N], -1 for none; or standardised numbers [N, 1], NaN for none. Some are known.
        seed: of the weights, the order and the draws.
    """
    is_known = y >= 0 if y.ndim == 1 else ~np.isnan(y[:, 0])
    unlabelled = x if 2 * is_known.sum() > len(x) else x[~is_known]
    nothing = np.full((len(unlabelled), *y.shape[1:]), -1 if y.ndim == 1 else np.nan, y.dtype)
    model = _model(recipe, schema, targets, int(is_known.sum()), seed)
    model.build((None, len(schema)))
    model.compile(keras.optimizers.Adam(_learning_rate(recipe)), steps_per_execution=_ROUND)
    steps = max(size for size in range(1, _ROUND + 1) if recipe.max_iter % size == 0)
    callbacks = []
    if recipe.n_iter_no_change is not None:
        patience = math.ceil(recipe.n_iter_no_change / steps)
        callbacks = [keras.callbacks.EarlyStopping("loss", mode="min", patience=patience)]
    history = model.fit(
        np.concatenate([x[is_known], unlabelled]),
        np.concatenate([y[is_known], nothing]),
        batch_size=min(recipe.batch_size, len(unlabelled)),
        labelled_batch_size=LABELLED_ROWS,
        steps_per_epoch=steps,
        epochs=recipe.max_iter // steps,
        callbacks=callbacks,
        seed=seed,
        verbose=2 if recipe.verbose else 0,
    )
    losses = [float(loss) for loss in history.history["loss"]]
    return Trained(model, losses, len(losses) * steps)


def _model(recipe: Recipe, schema: Schema, targets: Targets, num_labels: int, seed: int) -> models.Table:
    """The model, with weights that the seed determines; the user's random state is left as it was."""
    decays: dict[str, Any] = table.decays(num_labels)
    before = random.getstate()
    random.seed(seed)  # Keras draws the seeds of initializers there
    try:
        return models.Table(
            targets,
            recipe.latent_dim,
            schema=schema,
            hidden_units=tuple(recipe.hidden_units),
            gaps=True,
            seed=seed,
            **decays,
        )
    finally:
        random.setstate(before)


def _learning_rate(recipe: Recipe) -> Any:
    """The schedule of the learning rate."""
    warm_up = min(WARM_UP, recipe.max_iter // 2)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warm_up else recipe.learning_rate,
        decay_steps=recipe.max_iter - warm_up,
        alpha=LEFT,
        warmup_target=recipe.learning_rate if warm_up else None,
        warmup_steps=warm_up,
    )
