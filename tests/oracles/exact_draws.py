"""Every outcome of an estimator's own draws, one in each example of a batch: expectations without noise."""

import contextlib
import itertools

import numpy as np
import tensorflow as tf

from ssdgm_tf.nodes import estimators
from ssdgm_tf.nodes.estimators import Draw, ScoreFunction


class Draws:
    """Stands in for the random numbers of `top_k` and `score_function`.

    The first pass, of one example, counts the draws and their choices. Later passes take outcome b in example b.
    """

    def __init__(self):
        self.sizes, self.outcomes, self.next = [], None, 0  # sizes: (shape without examples, number of choices) of each draw

    @property
    def num_outcomes(self):
        return int(np.prod([float(choices) ** np.prod(shape) for shape, choices in self.sizes]))

    def enumerate(self):
        """Fixes all outcomes: for each draw an index among its choices, [*states, S, outcomes]."""
        each = [range(choices) for shape, choices in self.sizes for _ in range(int(np.prod(shape)))]
        rows = np.array(list(itertools.product(*each)), int).reshape(-1, len(each)).T
        self.outcomes, start = [], 0
        for shape, _ in self.sizes:
            size = int(np.prod(shape))
            self.outcomes.append(rows[start : start + size].reshape(*shape, -1))
            start += size

    def choice(self, shape, choices):
        """The index of the next draw, whose values have this shape of states and samples, int [*shape, B]."""
        shape = tuple(int(size) for size in shape)
        if self.outcomes is None:
            self.sizes.append((shape, int(choices)))
            return np.zeros((*shape, 1), np.int32)
        self.next += 1
        if self.next > len(self.outcomes):  # a draw for a prediction, on which no objective depends
            return np.zeros((*shape, 1), np.int32)
        return self.outcomes[self.next - 1].astype(np.int32)

    @contextlib.contextmanager
    def forced(self, monkeypatch):
        """Within it these draws are made."""
        self.next = 0
        with monkeypatch.context() as patch:
            patch.setattr(estimators, "_drawn", self._rest)
            patch.setattr(ScoreFunction, "draw", self._score_function)
            yield

    def _rest(self, log_probs, seed, common_noise):
        """One of the states that are not listed, which have finite log probabilities."""
        num_rest = int(np.isfinite(log_probs).sum(axis=-1).flat[0])
        rank = self.choice(log_probs.shape[:-2], num_rest)
        by_index = np.argsort(~np.isfinite(log_probs), axis=-1, kind="stable")
        return tf.constant(np.take_along_axis(by_index, rank[..., None], axis=-1)[..., 0], tf.int32)

    def _score_function(self, head, q, axes, seed, step):
        shape = list(q.batch_shape[:-1])
        shape[-1] = axes.num_samples
        index = self.choice(shape, head.num_states)
        value = tf.gather(head.states(), index)
        log_q = head.log_density(q, value)
        return Draw(value, log_q, score=log_q)
