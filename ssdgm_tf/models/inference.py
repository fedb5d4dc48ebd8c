"""Inference and generation for any graph: arrays in, arrays out."""

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf.engine import trace
from ssdgm_tf.models.data_format import DataFormat, num_examples, only_or_all
from ssdgm_tf.nodes import Deterministic

# Rows of the widest network in one pass: bounds the memory.
_MAX_ROWS = 20_000


class Inference:
    """What a trained graph can be asked, as methods of `GraphicalModel`.

    Where these take labels or other given values, classes are integers, -1 for "not known", and other variables numbers, NaN
    for "not known". One observed variable goes in and comes out as an array, several as {name: array}.
    """

    def encode(self, x, y=None, num_samples: int | None = None, seed: int | None = None) -> dict[str, np.ndarray]:
        """What the recognition model makes of examples: means, or draws.

        Means are taken along the recognition model: each variable's given the means of what it depends on, the likeliest
        state of discrete ones.

        Args:
            x: the observed variable [N, ...], or {name: array}.
            y: anything that is known: the supervised variable, or {name: array} of any variable that is inferred.
            num_samples: S draws from q instead of means.
            seed: integer, of the draws; None for the model's own stream.

        Returns:
            {name: [N, *event_shape]} of every variable that is not observed: class probabilities (one-hot where given) and
            means; or draws [S, N, *event_shape], one-hot for classes.

        Raises:
            ValueError: bad values, or a model without weights.
        """
        x, given = self._inference_input(x, y, any_variable=True)
        if num_samples is None:
            return self._in_batches(lambda x, given, _: self._means(x, given)[0], x, given)
        check_num_samples(num_samples)
        key = self._seed(seed)

        def draw(x, given, index):
            draws = self._draws(x, given, num_samples, tf.random.experimental.stateless_fold_in(key, index))
            return {name: np.swapaxes(value, 0, 1) for name, value in draws.items()}

        draws = self._in_batches(draw, x, given, rows=num_samples)
        return {name: np.swapaxes(value, 0, 1) for name, value in draws.items()}

    def reconstruct(self, x, y=None):
        """The mean of p(x|...) at the point that `encode` conditions on: the likeliest states, and means.

        Args:
            x: as of `encode`.
            y: as of `encode`.

        Returns:
            The observed variables, [N, *event_shape].
        """
        x, given = self._inference_input(x, y, any_variable=True)

        def reconstruct(x, given, _):
            return self._decode(self._means(x, given)[1], self._held_values(x))

        return only_or_all(self._in_batches(reconstruct, x, given))

    def analogies(self, x, y=None, vary: dict | None = None):
        """Each example with some variables varied and the rest of what `encode` makes of it held.

        What depends on them in the generative model follows: a latent variable takes the mean of p given their new values,
        as the features of M1+M2 do where the label varies.

        Args:
            x: as of `encode`.
            y: as of `encode`; what the rest is inferred with.
            vary: {name: values [V, ...]} of variables that vary together. None for every label of the one supervised class.

        Returns:
            The mean of the observed variables, [N, V, *event_shape].

        Raises:
            ValueError: `vary` is needed, or names another variable, or holds different numbers of values.
        """
        x, given = self._inference_input(x, y, any_variable=True)
        vary = self._varied(vary)
        num_values = num_examples(vary)
        follow = self.graph.descendants_p(*vary) - set(vary)

        def analogies(x, given, _):
            points = {name: value for name, value in self._means(x, given)[1].items() if name not in follow}
            size = num_examples(x)
            held = {name: tf.repeat(value, num_values, axis=0) for name, value in points.items()}
            varied = {name: tf.tile(value, [size, *[1] * (len(value.shape) - 1)]) for name, value in vary.items()}
            x = {name: tf.repeat(value, num_values, axis=0) for name, value in self._held_values(x).items()}
            images = self._decode(held, x | varied)
            return {name: tf.reshape(v, [size, num_values, *v.shape[1:]]) for name, v in images.items()}

        return only_or_all(self._in_batches(analogies, x, given, rows=num_values))

    def generate(self, given: dict | None = None, num_samples: int | None = None, seed: int | None = None):
        """Examples from the generative model: the mean of the observed variables, what is not given drawn.

        An observed variable that other observed ones depend on is drawn too, or given.

        Args:
            given: {name: array [N, ...]} of any variables.
            num_samples: N where nothing is given.
            seed: integer; the same seed gives the same examples. None for the model's own stream.

        Returns:
            The observed variables, [N, *event_shape].

        Raises:
            ValueError: nothing says how many; or another variable, another number of values, or an unknown one.
        """
        self._require_built()
        values, size = self._generation_input(given or {}, num_samples)
        made = self._generated(values, size, self._seed(seed))
        return only_or_all({name: np.asarray(made[name], np.float32) for name in self.graph.observed})

    def impute(self, x, y=None, num_steps: int = 10) -> dict[str, np.ndarray]:
        """Fills in what is missing: supervised variables, and elements of the observed ones that are NaN.

        Supervised variables get their likeliest label, or mean; missing elements of x the mean of p(x|...), in rounds of
        encoding what is there and decoding what is not (Rezende et al. 2014, appendix F, with means for draws).

        Args:
            x: as of `encode`, but any element may be NaN.
            y: the supervised variables as far as they are known.
            num_steps: rounds for the missing elements of x.

        Returns:
            {name: array} of every observed and supervised variable; what was known is as it was.
        """
        self._require_built()
        x = {name: np.array(v, copy=True) for name, v in self.data_format.as_dict(x).items()}
        missing = {name: np.isnan(v) for name, v in x.items() if np.issubdtype(v.dtype, np.floating) and np.isnan(v).any()}
        for name, where in missing.items():
            present = np.where(where, 0.0, x[name]).sum() / max(1, np.sum(~where))
            x[name] = np.where(where, present, x[name])
        for _ in range(num_steps if missing else 0):
            filled = self.data_format.as_dict(self.reconstruct(x, y))
            x |= {name: np.where(where, filled[name], x[name]) for name, where in missing.items()}
        checked, known = self._checked_pair(x, y)
        means = self.encode(checked, known)
        for name, is_known in self.data_format.is_known(known).items():
            mean = means[name]
            if self.data_format.supervised[name].support == "classes":
                known[name] = np.where(is_known, known[name], np.argmax(mean, axis=-1)).astype(np.int32)
            else:
                known[name] = np.where(is_known.reshape(-1, *[1] * (mean.ndim - 1)), known[name], mean)
        return checked | known

    def log_likelihood(self, x, y=None, num_samples: int = 100, seed: int | None = None) -> np.ndarray:
        """Importance-weighted bound on log p(x), on log p(x, y) for what of y is given; nats, float32 [N].

            log (1/S) sum_s sum_k weight_ks p(x,y,u_ks) / q(y,u_ks|x)

        At most the log-likelihood in expectation, at least the bound of `evaluate`, rising with S (see
        `ssdgm_tf.objectives.importance_weighted_bound`). Exact in enumerated variables; a relaxed one is drawn. Memory does
        not depend on S.

        Args:
            x: as in `fit`.
            y: as in `fit`: -1 or NaN for "not known".
            num_samples: S.
            seed: integer; the same seed gives the same estimate. None for the model's own stream.
        """
        check_num_samples(num_samples)
        x, y = self._inference_input(x, y)
        seed, fold_in = self._seed(seed), tf.random.experimental.stateless_fold_in
        size = num_examples(x)
        batch_size = min(size, 100)
        chunk = min(num_samples, max(1, _MAX_ROWS // (self.graph.num_states * batch_size)))
        sizes = [chunk] * (num_samples // chunk) + [num_samples % chunk] * (num_samples % chunk > 0)
        batches = [slice(i, i + batch_size) for i in range(0, size, batch_size)]
        total = np.full(size, -np.inf)
        with tqdm(total=len(batches) * len(sizes), desc="log-likelihood", delay=2, leave=False) as progress:
            for i, batch in enumerate(batches):
                part = keras.tree.map_structure(lambda array, batch=batch: array[batch], (x, y))
                for j, num in enumerate(sizes):
                    log_mean = self._log_mean_weight(*part, num, fold_in(fold_in(seed, i), j))
                    total[batch] = np.logaddexp(total[batch], log_mean.numpy() + np.log(num))
                    progress.update()
        return (total - np.log(num_samples)).astype(np.float32)

    @tf.function(reduce_retracing=True, autograph=False)
    def _log_mean_weight(self, x, y, num_samples, seed):
        """The importance-weighted bound for what is known of y, nats, [B]."""
        held = self.data_format.held(x, y)
        one_pass = trace.run(self.graph, held, num_samples, seed, self.step, exact=True)
        return self._bound_of(one_pass, "importance_weighted").bound

    # -- points, draws and means; batches as tensors --

    def _means(self, x, given) -> tuple[dict, dict]:
        """({name: mean or class probabilities}, {name: the point that others are conditioned on}), [B, *event] each."""
        means = {}

        def likeliest(index, head, q, held):
            means[self.graph.order_q[index]] = self._where_known(held, head.mean(q))
            if not head.num_states:
                return head.mean(q)
            return tf.gather(head.states(), tf.argmax(head.log_prob_of_states(q), axis=-1))

        return means, self._along_q(x, given, likeliest)

    def _draws(self, x, given, num_samples, seed) -> dict:
        """{name: draws [S, B, *event]} of the recognition model."""

        def draw(index, head, q, held):
            shape = [num_samples] if q.batch_shape.rank == 1 else []
            return q.sample(shape, seed=tf.random.experimental.stateless_fold_in(seed, index))

        return self._along_q(x, given, draw)

    def _along_q(self, x, given, choose) -> dict:
        """{name: value} of every inferred variable, parents first: what is given, else `choose(index, head, q, held)`."""
        held = self._given_format.held(x, given)
        values = {name: held[name].value for name in self.graph.observed}
        for index, name in enumerate(self.graph.order_q):
            node = self.recognition[name]
            parents = [values[parent] for parent in node.parents]
            if isinstance(node, Deterministic):
                values[name] = node.value(parents)
                continue
            chosen = choose(index, node.head, self._expanded(node, parents, values), held.get(name))
            values[name] = self._where_known(held.get(name), chosen)
        return {name: values[name] for name in self.graph.inferred}

    def _expanded(self, node, parents, values):
        """The distribution of a recognition node; of a root, one per example."""
        if node.parents:
            return node.distribution(parents)
        return node.root_distribution([tf.shape(values[self.graph.observed[0]])[0]])

    def _decode(self, points, x) -> dict:
        """{name: mean of each observed variable}, its parents at `points` or their own means, observed ones at `x`."""
        values, means = {**points, **x}, {}
        for name in self.graph.order_p:
            if name not in self.graph.observed and not self._makes_observed(name):
                continue
            node = self.generative[name]
            parents = [values[parent] for parent in node.parents]
            if isinstance(node, Deterministic):
                values[name] = node.value(parents)
            elif name in self.graph.observed:
                means[name] = tf.broadcast_to(self._mean(node, parents), tf.shape(values[name]))
            elif name not in values:
                values[name] = self._mean(node, parents)
        return means

    def _generated(self, given, size, key) -> dict:
        """{name: mean of each observed variable, or what is given or drawn of it}, from the prior down.

        Args:
            given: {name: value [B, *event]}; only what the rest depends on is drawn.
            size: B, an integer or a scalar tensor.
            key: a TFP seed.
        """
        values, needed = dict(given), self._needed(given)
        for index, name in enumerate(self.graph.order_p):
            if name in values or name not in needed:
                continue
            node = self.generative[name]
            parents = [values[parent] for parent in node.parents]
            if isinstance(node, Deterministic):
                values[name] = node.value(parents)
            elif not self._makes_observed(name):
                values[name] = self._mean(node, parents)
            else:
                distribution = node.distribution(parents)
                shape = [] if distribution.batch_shape.rank else [size]
                values[name] = distribution.sample(shape, seed=tf.random.experimental.stateless_fold_in(key, index))
        return values

    def _needed(self, given) -> set[str]:
        """The observed variables and what makes them, as far as it does not come before what is given."""
        needed, waiting = set(), [name for name in self.graph.observed if name not in given]
        while waiting:
            name = waiting.pop()
            needed.add(name)
            waiting += [parent for parent in self.generative[name].parents if parent not in {*given, *needed}]
        return needed

    def _makes_observed(self, name) -> bool:
        """Does an observed variable depend on it in the generative model?"""
        return not self.graph.descendants_p(name).isdisjoint(self.graph.observed)

    def _held_values(self, x) -> dict:
        """{name: value [B, *event]} of the observed variables."""
        return {name: held.value for name, held in self.data_format.held(x).items()}

    def _mean(self, node, parents):
        return node.head.mean(node.distribution(parents))

    @staticmethod
    def _where_known(held, value):
        if held is None:
            return value
        mask = tf.reshape(held.mask, [-1, *[1] * (len(held.value.shape) - 1)])
        return tf.where(mask, tf.cast(held.value, value.dtype), value)

    # -- arguments and results --

    @property
    def _given_format(self) -> DataFormat:
        """The observed variables, and every other as one that may be given."""
        return DataFormat(self.data_format.observed, {name: self.recognition[name].head for name in self.graph.inferred})

    def _inference_input(self, x, y, any_variable: bool = False) -> tuple[dict, dict]:
        """Checked arrays by name: x, and what is known of the supervised variables or of any."""
        self._require_built()
        data_format = self.data_format
        if any_variable:
            data_format = self._given_format
            if y is not None and not isinstance(y, dict) and len(self.graph.supervised) == 1:
                y = {self.graph.supervised[0]: y}
        x = data_format.x(x)
        return x, data_format.y(y, num_examples(x))

    def _generation_input(self, given, num_samples) -> tuple[dict, int]:
        """{name: tensor} of what is given, classes one-hot, and the number of examples."""
        heads = self.data_format.observed | self._given_format.supervised
        variables = DataFormat({}, heads)
        if (unknown := sorted(set(given) - set(heads))) or not (given or num_samples):
            received = f"given={sorted(given)}" if unknown else "neither values nor num_samples"
            raise ValueError(f"generate takes values of {sorted(heads)}, or num_samples. Received: {received}")
        sizes = {name: len(value) for name, value in given.items()} | ({"num_samples": num_samples} if num_samples else {})
        if len(set(sizes.values())) > 1:
            raise ValueError(f"generate takes as many values of each variable. Received: {sizes}")
        size = next(iter(sizes.values()))
        arrays = variables.y(given, size)
        known = variables.is_known(arrays)
        for name in given:
            if not np.all(known[name]):
                raise ValueError(f"generate needs a value of {name!r} per example. Received: one that is not known")
        return {name: variables.event(heads[name], arrays[name]) for name in given}, size

    def _varied(self, vary) -> dict:
        """{name: tensor [V, *event]} of what analogies vary."""
        if vary is None:
            names = [name for name, head in self.data_format.supervised.items() if head.support == "classes"]
            if len(names) != 1:
                raise ValueError(f"vary must say which variable varies. Received: None, with the supervised classes {names}")
            vary = {names[0]: np.arange(self.data_format.supervised[names[0]].num_classes)}
        return self._generation_input(vary, None)[0]

    def _in_batches(self, function, x, y, rows: int = 1):
        """`function(x, y, index)` of batches of the arrays, its results (an array, or a dict of them) joined again."""
        size = num_examples(x)
        batch_size = max(1, min(1000, _MAX_ROWS // (rows * self.graph.num_states)))
        parts = []
        starts = range(0, size, batch_size)
        for index, start in enumerate(tqdm(starts, desc="batches", delay=2, leave=False)):
            batch = keras.tree.map_structure(lambda array, s=start: array[s : s + batch_size], (x, y))
            parts.append(keras.tree.map_structure(np.asarray, function(*batch, index)))
        return keras.tree.map_structure(lambda *values: np.concatenate(values), *parts)


def check_num_samples(num_samples: int) -> None:
    """Raises ValueError below 1."""
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1. Received: num_samples={num_samples!r}")
