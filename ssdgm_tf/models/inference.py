"""Inference and generation for any graph: arrays in, arrays out. The functions are methods of `GraphicalModel`.

Where they take labels or other given values, classes are integers, -1 for "not known", and other variables are numbers, NaN
for "not known". One observed variable goes in and comes out as an array, several as {name: array}.
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf import checks, rows
from ssdgm_tf.engine import imputation, propagation, trace
from ssdgm_tf.models.data_format import DataFormat, event, num_examples, only_or_all

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

# Rows of the widest network in one pass: bounds the memory.
_MAX_ROWS = 20_000


def encode(
    model: "GraphicalModel", x: Any, y: Any = None, num_samples: int | None = None, seed: int | None = None
) -> dict[str, np.ndarray]:
    """Infers every variable that is not observed: means, or draws.

    Means are taken along the recognition model: each variable's mean is the one given the means of its parents, and given
    the likeliest state of those that are discrete. What is given of y is passed on to the variables that come after it in
    the recognition model; those that come before it, such as a in q(a|x) q(y|x,a), do not depend on it.

    Args:
        model: the model.
        x: the observed variable [N, ...], or {name: array}.
        y: values that are known: the supervised variable, or {name: array} of any variable that is inferred.
        num_samples: S draws from q instead of means.
        seed: integer seed of the draws; None for the model's own stream.

    Returns:
        {name: [N, *event_shape]} of every variable that is not observed: class probabilities (one-hot where given) and
        means; or draws [S, N, *event_shape], one-hot for classes.

    Raises:
        ValueError: bad values, or a model without weights.
    """
    x, given = _input(model, x, y, any_variable=True)
    if num_samples is None:
        return in_batches(model, lambda x, given, _: propagation.means(model.graph, _held(model, x, given))[0], x, given)
    check_num_samples(num_samples)
    key = model.seed_of(seed)

    def draw(x: dict, given: dict, index: int) -> dict[str, np.ndarray]:
        seed = tf.random.experimental.stateless_fold_in(key, index)
        draws = propagation.draws(model.graph, _held(model, x, given), num_samples, seed)
        return {name: np.swapaxes(value, 0, 1) for name, value in draws.items()}

    draws = in_batches(model, draw, x, given, rows=num_samples)
    return {name: np.swapaxes(value, 0, 1) for name, value in draws.items()}


def reconstruct(model: "GraphicalModel", x: Any, y: Any = None) -> Any:
    """The mean of p(x|...) given the likeliest states and the means that `encode` infers.

    Args:
        model: the model.
        x: see `encode`.
        y: see `encode`.

    Returns:
        The observed variables, [N, *event_shape].
    """
    x, given = _input(model, x, y, any_variable=True)
    return only_or_all(in_batches(model, functools.partial(_decoded, model), x, given))


def analogies(model: "GraphicalModel", x: Any, y: Any = None, vary: Mapping[str, Any] | None = None) -> Any:
    """Each example with some variables varied and the others held as `encode` infers them.

    Variables that depend on the varied ones in the generative model follow: a latent variable takes the mean of p given
    their new values, as the features of M1+M2 do where the label varies.

    Args:
        model: the model.
        x: see `encode`.
        y: see `encode`; the other variables are inferred with it.
        vary: {name: values [V, ...]} of variables that vary together. None for every label of the one supervised class.

    Returns:
        The mean of the observed variables, [N, V, *event_shape].

    Raises:
        ValueError: `vary` is needed, or names another variable, or holds different numbers of values.
    """
    x, given = _input(model, x, y, any_variable=True)
    varied = _varied(model, vary)
    num_values = num_examples(varied)
    follow = model.graph.descendants_p(*varied) - set(varied)

    def analogies(x: dict, given: dict, _: int) -> dict[str, tf.Tensor]:
        means = propagation.means(model.graph, _held(model, x, given))[1]
        points = {name: value for name, value in means.items() if name not in follow}
        size = num_examples(x)
        held = {name: tf.repeat(value, num_values, axis=0) for name, value in points.items()}
        tiled = {name: tf.tile(value, [size, *[1] * (len(value.shape) - 1)]) for name, value in varied.items()}
        x = {name: tf.repeat(value, num_values, axis=0) for name, value in observed_values(model, x).items()}
        images = propagation.decode(model.graph, held, x | tiled)
        return {name: tf.reshape(v, [size, num_values, *v.shape[1:]]) for name, v in images.items()}

    return only_or_all(in_batches(model, analogies, x, given, rows=num_values))


def generate(
    model: "GraphicalModel",
    given: Mapping[str, Any] | None = None,
    num_samples: int | None = None,
    seed: int | None = None,
    draw: bool = False,
) -> Any:
    """Examples from the generative model: latent variables that are not given are drawn, then the observed ones made.

    An observed variable that other observed ones depend on is drawn too, or given. What is given is passed on to its
    descendants in the generative model; its ancestors are drawn from the prior, as if it were not known.

    Args:
        model: the model.
        given: {name: array [N, ...]} of any variables.
        num_samples: N where nothing is given.
        seed: integer; the same seed gives the same examples. None for the model's own stream.
        draw: whether the observed variables are drawn too, as for the rows of a table; else they take their mean, as suits
            images.

    Returns:
        The observed variables, [N, *event_shape].

    Raises:
        ValueError: no number of examples, an unknown variable, different numbers of values, or a missing value.
    """
    model.require_built()
    values, size = _generation_input(model, given or {}, num_samples)
    made = propagation.generate(model.graph, values, size, model.seed_of(seed), draws_all=draw)
    return only_or_all({name: np.asarray(made[name], np.float32) for name in model.graph.observed})


def impute(
    model: "GraphicalModel",
    x: Any,
    y: Any = None,
    num_samples: int = 100,
    num_draws: int | None = None,
    seed: int | None = None,
    num_steps: int = 200,
    tolerance: float = 1e-3,
) -> dict[str, np.ndarray]:
    """Fills in what is missing: supervised variables, and elements of the observed ones that are NaN.

    Supervised variables get their likeliest label, or their mean. Missing elements of x get their mean given the known ones,
    weighted by importance (Mattei and Frellsen 2019, equation 11), which is exact for many samples:

        E[x_missing | x_known] ~ sum_s r_s E[x_missing | u_s],    r_s = w_s / sum w,    w_s = p(x_known, u_s) / q(u_s | x)

    or draws: u_s is drawn by its weight r_s, then x_missing from p(x | u_s).

    That is so where the model was trained with gaps. The networks of another one know complete examples only. So it fills
    them in rounds of encoding the example and decoding its missing elements (Rezende et al. 2014, appendix F, with means for
    draws), until they settle. The less noise there is in p(x|...), the more rounds that takes.

    Args:
        model: the model.
        x: see `encode`; any element may be NaN.
        y: the supervised variables as far as they are known.
        num_samples: S, of a model trained with gaps.
        num_draws: D draws of the missing elements; None for their means. Of a model trained with gaps only.
        seed: integer; the same seed gives the same values. None for the model's own stream.
        num_steps: the most rounds, of a model trained without gaps.
        tolerance: an example has settled once its elements are this close to where the rounds tend to, as the shrinking of
            their changes says; in standard deviations of the known values of the variable.

    Returns:
        {name: array} of every observed and supervised variable; with `num_draws` an observed one that has gaps is
        [D, N, *event_shape].
        Values that were known are unchanged.

    Raises:
        ValueError: bad values, or draws of a model trained without gaps.

    Warns:
        UserWarning: an example did not settle.
    """
    model.require_built()
    check_num_samples(num_samples)
    x = {name: checks.as_array(name, values) for name, values in model.data_format.as_dict(x).items()}
    gappy = {name for name, values in x.items() if values.ndim and rows.has_nan(values)}
    seen = {name for name, head in model.data_format.observed.items() if head.gaps}
    if seen and gappy <= seen:
        x, known = _input(model, x, y)
        filled = _by_importance(model, x, known, num_samples, num_draws, model.seed_of(seed))
    elif num_draws is None:
        filled, x, known = _in_rounds(model, x, y, gappy, num_steps, tolerance)
    else:
        raise ValueError("Draws of missing elements need a model trained with gaps. Received: one trained without")
    means = in_batches(model, lambda x, y, _: propagation.means(model.graph, _held(model, x, y))[0], x, known)
    for name, is_known in model.data_format.is_known(known).items():
        point = model.data_format.supervised[name].support.point(means[name])
        known[name] = np.where(is_known.reshape(-1, *[1] * (point.ndim - 1)), known[name], point)
    return filled | known


def _by_importance(
    model: "GraphicalModel", x: dict, known: dict, num_samples: int, num_draws: int | None, key: tf.Tensor
) -> dict[str, np.ndarray]:
    """The observed variables with their missing elements filled in by importance weights; see `impute`."""
    some_missing = [np.isnan(values).reshape(len(values), -1).any(axis=1) for values in map(np.asarray, x.values())]
    places = np.flatnonzero(np.any(some_missing, axis=0))

    def fill(x: dict, known: dict, index: int) -> dict[str, tf.Tensor]:
        seed = tf.random.experimental.stateless_fold_in(key, index)
        one_pass = trace.run(model.graph, model.data_format.held(x, known), num_samples, seed, model.step, exact=True)
        if num_draws is None:
            return imputation.means(one_pass)
        drawn = imputation.draws(one_pass, num_draws, tf.random.experimental.stateless_fold_in(seed, 1))
        return {name: np.swapaxes(value, 0, 1) for name, value in drawn.items()}

    filled = {n: np.array(x[n], np.float32) for n, head in model.data_format.observed.items() if head.gaps}
    if num_draws is not None:
        filled = {name: np.repeat(values[None], num_draws, axis=0) for name, values in filled.items()}
    if not len(places):
        return x | filled
    some, labels = keras.tree.map_structure(lambda array: np.asarray(array[places]), (x, known))
    made = in_batches(model, fill, some, labels, rows=num_samples)
    for name, values in filled.items():
        if num_draws is None:
            values[places] = np.where(np.isnan(some[name]), made[name], some[name])
        else:
            values[:, places] = np.where(np.isnan(some[name]), np.swapaxes(made[name], 0, 1), some[name])
    return x | filled


def _in_rounds(
    model: "GraphicalModel", given: dict, y: Any, gappy: set[str], num_steps: int, tolerance: float
) -> tuple[dict, dict, dict]:
    """The observed variables filled in, twice, and the labels as far as they are known; see `impute`.

    `gappy` has the names of those with missing elements.
    """
    missing = {name: np.isnan(given[name]) for name in gappy}
    heads = model.data_format.observed
    points = {name: np.asarray(heads[name].observed_support.inner_point(tf.constant(given[name]))) for name in missing}
    filled = model.data_format.x(given | {name: np.where(w, points[name], given[name]) for name, w in missing.items()})
    known = model.data_format.y(y, num_examples(filled))
    _settle(model, filled, known, missing, num_steps, tolerance)
    return filled, filled, known


def _settle(
    model: "GraphicalModel", filled: dict, known: dict, missing: Mapping[str, np.ndarray], num_steps: int, tolerance: float
) -> None:
    """Fills the missing elements of `filled`, {name: array [N, ...]}, in place, in rounds; see `impute`."""
    scales = {}
    for name, where in missing.items():
        present = filled[name][~where]
        filled[name] = np.where(where, present.mean() if present.size else 0.0, filled[name])
        scales[name] = (present.std() if present.size else 0.0) or 1.0
    moving = np.flatnonzero(np.any([where.reshape(len(where), -1).any(axis=1) for where in missing.values()], axis=0))
    change = np.full(len(moving), np.inf)
    for _ in tqdm(range(num_steps), desc="rounds", delay=2, leave=False):
        if not len(moving):
            return
        part, labels = keras.tree.map_structure(lambda array: array[moving], (filled, known))  # noqa: B023
        decoded = in_batches(model, functools.partial(_decoded, model), part, labels)
        before, change = change, np.zeros(len(moving))
        for name, where in missing.items():
            new = np.where(where[moving], decoded[name], part[name])
            moved = np.abs(new - part[name]).reshape(len(moving), -1).max(axis=1) / scales[name]
            filled[name][moving], change = new, np.maximum(change, moved)
        # Changes that shrink by a factor r each round have change * r / (1 - r) still to go.
        ratio = np.minimum(change / np.maximum(before, 1e-30), 1 - 1e-6)
        is_moving = ~(change * np.maximum(1, ratio / (1 - ratio)) <= tolerance)  # NaN has not settled
        moving, change = moving[is_moving], change[is_moving]
    if len(moving):
        warnings.warn(
            f"impute: the missing elements of {len(moving)} examples had not settled after {num_steps} rounds, in the last "
            f"of which they changed by up to {change.max():.2g} standard deviations. Raise num_steps.",
            stacklevel=3,
        )


def _decoded(model: "GraphicalModel", x: dict, given: dict, _: int) -> dict[str, tf.Tensor]:
    """{name: mean of an observed variable} given the means and likeliest states that are inferred from a batch."""
    points = propagation.means(model.graph, _held(model, x, given))[1]
    return propagation.decode(model.graph, points, observed_values(model, x))


def log_likelihood(
    model: "GraphicalModel", x: Any, y: Any = None, num_samples: int = 100, seed: int | None = None
) -> np.ndarray:
    """Importance-weighted bound on log p(x), on log p(x, y) where y is given; nats, float32 [N].

        log (1/S) sum_s sum_k weight_ks p(x,y,u_ks) / q(y,u_ks|x)

    At most the log-likelihood in expectation, at least the bound of `evaluate`, rising with S (see
    `ssdgm_tf.objectives.importance_weighted_bound`). Exact in enumerated variables; a relaxed one is drawn. Memory does
    not depend on S.

    Args:
        model: the model.
        x: as in `fit`.
        y: as in `fit`: -1 or NaN for "not known".
        num_samples: S.
        seed: integer; the same seed gives the same estimate. None for the model's own stream.
    """
    check_num_samples(num_samples)
    x, y = _input(model, x, y)
    key, fold_in = model.seed_of(seed), tf.random.experimental.stateless_fold_in
    size = num_examples(x)
    batch_size = min(size, 100)
    chunk = min(num_samples, max(1, _MAX_ROWS // (model.graph.num_states * batch_size)))
    sizes = [chunk] * (num_samples // chunk) + [num_samples % chunk] * (num_samples % chunk > 0)
    by_xla = model.compiled and bool(model.jit_compile)
    log_mean_weight = model.log_mean_weight_by_xla if by_xla else model.log_mean_weight
    batches = [np.arange(i, i + batch_size) for i in range(0, size, batch_size)]
    # For XLA, which compiles for one shape, the last batch is filled up with the first examples.
    batches[-1] = batches[-1] % size if by_xla else batches[-1][batches[-1] < size]
    total = np.full(size, -np.inf)
    with tqdm(total=len(batches) * len(sizes), desc="log-likelihood", delay=2, leave=False) as progress:
        for i, batch in enumerate(batches):
            part = keras.tree.map_structure(lambda array, batch=batch: array[batch], (x, y))
            batch = batch[: size - i * batch_size]
            for j, num in enumerate(sizes):
                log_mean = log_mean_weight(*part, num, fold_in(fold_in(key, i), j)).numpy()[: len(batch)]
                total[batch] = np.logaddexp(total[batch], log_mean + np.log(num))
                progress.update()
    return (total - np.log(num_samples)).astype(np.float32)


def bound(model: "GraphicalModel", x: Any, y: Any = None, num_samples: int = 1, seed: int | None = None) -> np.ndarray:
    """The bound of each example given what is known of it, without any classification term.

    U(x) where no label is known; L(x,y) of `labelled_bound_in_use` given the known labels. A bound on log p(x), or on
    log p(x, y); where "importance" is in use, in the limit of many samples.

    Args:
        model: the model.
        x: as in `fit`.
        y: as in `fit`: -1 or NaN for "not known".
        num_samples: S.
        seed: integer; the same seed gives the same estimate. None for the model's own stream.

    Returns:
        Nats, float32 [N] (float64 for a float64 model).
    """
    check_num_samples(num_samples)
    x, y = _input(model, x, y)
    key = model.seed_of(seed)

    def batch_bound(x: dict, y: dict, index: int) -> tf.Tensor:
        seed = tf.random.experimental.stateless_fold_in(key, index)
        free = model.bound_of(model.pass_over(x, seed=seed, num_samples=num_samples), model.unlabelled_bound).bound
        if not y:
            return free
        one_pass = model.pass_over(x, y, seed=seed, num_samples=num_samples)
        held = model.bound_of(one_pass, model.labelled_bound_in_use).bound
        return tf.where(model.data_format.is_labelled(y), held, free)

    return in_batches(model, batch_bound, x, y, rows=num_samples)


def observed_values(model: "GraphicalModel", x: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """{name: value [B, *event_shape]} of the observed variables, as the graph holds them.

    Args:
        model: the model.
        x: {name: tensor}, in the form of the data.
    """
    return {name: held.value for name, held in model.data_format.held(x).items()}


def check_num_samples(num_samples: int) -> None:
    """Refuses a number of samples below 1.

    Raises:
        ValueError: it is below 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1. Received: num_samples={num_samples!r}")


def _given_format(model: "GraphicalModel") -> DataFormat:
    """The observed variables, and every other as one that may be given."""
    inferred = {name: model.recognition[name].head for name in model.graph.inferred}
    return DataFormat(model.data_format.observed, inferred, model.data_format.exposures)


def _held(model: "GraphicalModel", x: Mapping, given: Mapping) -> dict:
    return _given_format(model).held(x, given)


def _input(model: "GraphicalModel", x: Any, y: Any, any_variable: bool = False) -> tuple[dict, dict]:
    """Checked arrays by name: x, and what is known of the supervised variables, or of any variable."""
    model.require_built()
    data_format = model.data_format
    if any_variable:
        data_format = _given_format(model)
        if y is not None and not isinstance(y, dict) and len(model.graph.supervised) == 1:
            y = {model.graph.supervised[0]: y}
    return data_format.pair(x, y)


def _generation_input(model: "GraphicalModel", given: Mapping, num_samples: int | None) -> tuple[dict, int]:
    """{name: tensor} of what is given, classes one-hot, and the number of examples."""
    heads = model.data_format.observed | _given_format(model).supervised
    if (unknown := sorted(set(given) - set(heads))) or not (given or num_samples):
        received = f"given={sorted(given)}" if unknown else "neither values nor num_samples"
        raise ValueError(f"generate takes values of {sorted(heads)}, or num_samples. Received: {received}")
    sizes = {name: len(value) for name, value in given.items()} | ({"num_samples": num_samples} if num_samples else {})
    if len(set(sizes.values())) > 1:
        raise ValueError(f"generate takes as many values of each variable. Received: {sizes}")
    size = next(iter(sizes.values()))
    values = {}
    for name, value in given.items():
        head = heads[name]
        support = head.observed_support if name in model.data_format.observed else head.support
        array = support.check_array(name, value, head.event_shape, size, missing=True)
        if not np.all(support.is_known(array)):
            raise ValueError(f"generate needs a value of {name!r} per example. Received: one that is not known")
        values[name] = event(head, array)
    return values, size


def _varied(model: "GraphicalModel", vary: Mapping | None) -> dict[str, tf.Tensor]:
    """{name: tensor [V, *event]} of the variables that analogies vary."""
    if vary is None:
        classes = model.data_format.classes
        if len(classes) != 1:
            raise ValueError(
                f"vary must say which variable varies. Received: None, with the supervised classes {list(classes)}"
            )
        vary = {name: np.arange(size) for name, size in classes.items()}
    return _generation_input(model, vary, None)[0]


def in_batches(model: "GraphicalModel", function: Callable, x: dict, y: dict, rows: int = 1) -> Any:
    """`function(x, y, index)` of batches of the arrays, its results (an array, or a dict of arrays) joined.

    Args:
        model: the model.
        function: see above.
        x: {name: array [N, ...]} of the observed variables.
        y: {name: array [N, ...]} of others; {} for none.
        rows: how many times the networks are evaluated for an example and a joint state.
    """
    size = num_examples(x)
    batch_size = max(1, min(1000, _MAX_ROWS // (rows * model.graph.num_states)))
    parts = []
    starts = range(0, size, batch_size)
    for index, start in enumerate(tqdm(starts, desc="batches", delay=2, leave=False)):
        batch = keras.tree.map_structure(lambda array, s=start: array[s : s + batch_size], (x, y))
        parts.append(keras.tree.map_structure(np.asarray, function(*batch, index)))
    return keras.tree.map_structure(lambda *values: np.concatenate(values), *parts)
