"""Which examples each step takes. A pass is once over the examples; its order is a pure function of its number."""

import math

import numpy as np
import tensorflow as tf


class InOrder:
    """Every example once, in the order of the arrays.

    Args:
        num_examples: N.
        batch_size: examples a step; the last step has what is left.

    Attributes:
        steps: steps of a pass.
        sizes: {"examples": batch_size}.
        last: {"examples": examples of the last step} where these are fewer, else {}.
    """

    def __init__(self, num_examples: int, batch_size: int) -> None:
        self.num_examples = num_examples
        self.steps = max(1, math.ceil(num_examples / batch_size))
        self.sizes = {"examples": batch_size}
        left = num_examples - (self.steps - 1) * batch_size
        self.last = {} if left == batch_size else {"examples": left}

    def of_pass(self, number: int | tf.Tensor) -> dict[str, tf.Tensor]:
        """Places of examples, {"examples": int64 [steps, batch_size]}; the last row is filled up with the first examples.

        Args:
            number: of the pass.
        """
        del number  # all are alike
        places = tf.range(self.num_examples, dtype=tf.int64)
        return {"examples": _in_rows(places, self.steps, self.sizes["examples"])}


class Order:
    """The two streams of a semi-supervised step: every unlabelled example once a pass, labelled ones as often as needed.

    The last step may have fewer unlabelled examples. Meanwhile the labelled examples pass in whole permutations, as often as
    it takes to fill a batch for every step. Without examples of one kind there is only the stream of the other, and a pass
    is once over the examples of that kind.

    Args:
        is_labelled: bool [N + M].
        batch_size: unlabelled examples a step (labelled ones where none is unlabelled).
        labelled_batch_size: labelled examples a step, at most all of them; None for `batch_size`.
        shuffle: whether to shuffle each pass; else the order of the arrays is kept.
        seed: seed of the order.
        classes: int [N + M], -1 without a label: the classes that the labelled stream is balanced by. The K classes that
            have labels take turns, so that their numbers in a batch, a pass or all passes differ by one at most; each
            class passes in whole permutations of its own. None for permutations of all labelled examples.

    Attributes:
        steps: steps of a pass.
        sizes: {stream: examples a step}.
        last: {stream: examples of the last step} of the stream where these are fewer, else {}.

    Raises:
        ValueError: a batch size below 1.
    """

    def __init__(
        self,
        is_labelled: np.ndarray,
        batch_size: int,
        labelled_batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        classes: np.ndarray | None = None,
    ) -> None:
        for name, size in (("batch_size", batch_size), ("labelled_batch_size", labelled_batch_size)):
            if size is not None and size < 1:
                raise ValueError(f"{name} must be at least 1. Received: {name}={size}")
        self.labelled, self.unlabelled = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
        self.shuffle, self.seed = shuffle, seed
        self.steps = steps_per_epoch(is_labelled, batch_size, labelled_batch_size)
        of_labelled = min(labelled_batch_size or batch_size, len(self.labelled))
        sizes = {"labelled": of_labelled, "unlabelled": batch_size if len(self.unlabelled) else 0}
        self.sizes = {stream: size for stream, size in sizes.items() if size}
        # The stream that a pass is once over, and how many labelled examples that takes.
        counted, number = ("unlabelled", len(self.unlabelled)) if len(self.unlabelled) else ("labelled", len(self.labelled))
        left = number - (self.steps - 1) * self.sizes[counted]
        self.last = {} if left == self.sizes[counted] else {counted: left}
        self.num_labelled = self.steps * of_labelled if len(self.unlabelled) else len(self.labelled)
        self.by_class = None if classes is None else _ByClass(self.labelled, classes[self.labelled], self.num_labelled)

    def of_pass(self, number: int | tf.Tensor) -> dict[str, tf.Tensor]:
        """Places of examples, {stream: int64 [steps, size]}; a last row of fewer is filled up with the first of the pass.

        Args:
            number: of the pass, from 0 on.
        """
        number = tf.cast(number, tf.int64)
        streams = {"labelled": self._of_labelled, "unlabelled": lambda number: self._permuted(self.unlabelled, number, 1)}
        return {stream: _in_rows(streams[stream](number), self.steps, size) for stream, size in self.sizes.items()}

    def _of_labelled(self, number: tf.Tensor) -> tf.Tensor:
        """The labelled places of a pass."""
        if self.by_class is None:
            num_permutations = -(-self.num_labelled // len(self.labelled))
            return self._permuted(self.labelled, number, 0, num_permutations)[: self.num_labelled]
        if not self.shuffle:
            return self.by_class.in_turn(number)
        return self.by_class.shuffled(number, tf.stack([self.seed, 2 * number]))

    def _permuted(self, places: np.ndarray, number: tf.Tensor, stream: int, num_permutations: int = 1) -> tf.Tensor:
        """Permutations of the places, one after the other."""
        if not self.shuffle:
            return tf.tile(places, [num_permutations])
        keys = tf.random.stateless_uniform([num_permutations, len(places)], tf.stack([self.seed, 2 * number + stream]))
        return tf.reshape(tf.gather(places, tf.argsort(keys)), [-1])


class _ByClass:
    """The order of labelled examples whose classes take turns. Every K in a row hold one of each class.

    Args:
        labelled: indices of examples, [M].
        classes: the class of each, [M].
        num_examples: examples of a pass, of all classes together.
    """

    def __init__(self, labelled: np.ndarray, classes: np.ndarray, num_examples: int) -> None:
        self.num_examples = num_examples
        self.members = labelled[np.argsort(classes, kind="stable")]  # those of a class side by side
        self.sizes = np.unique(classes, return_counts=True)[1]
        self.starts = np.cumsum(self.sizes) - self.sizes

    def shuffled(self, number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The indices of a pass, with the classes, in one order all through it, and their members in random order.

        Args:
            number: of the pass.
            seed: a seed of TensorFlow's stateless functions, [2].
        """
        num_classes, position = len(self.sizes), tf.range(self.num_examples, dtype=tf.int64)
        examples, passes, starts = self._passes()
        of_classes, of_members = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        keys = tf.random.stateless_uniform([len(examples)], of_members, dtype=tf.float64)
        examples = tf.gather(examples, tf.argsort(passes + keys))
        # First, in random order, the classes that get one more than the others: in each pass the next ones.
        turn = (tf.range(num_classes, dtype=tf.int64) - number * self.num_examples) % num_classes
        comes_later = tf.cast(turn >= self.num_examples % num_classes, tf.float64)
        classes = tf.argsort(comes_later + tf.random.stateless_uniform([num_classes], of_classes, dtype=tf.float64))
        return tf.gather(examples, tf.gather(starts, tf.gather(classes, position % num_classes)) + position // num_classes)

    def in_turn(self, number: tf.Tensor) -> tf.Tensor:
        """The indices of a pass in the order of classes and examples, which goes on where the last pass stopped.

        Args:
            number: of the pass.
        """
        position = number * self.num_examples + tf.range(self.num_examples, dtype=tf.int64)
        round_of_all, of_class = position // len(self.sizes), position % len(self.sizes)
        place = round_of_all % tf.gather(self.sizes, of_class)
        return tf.gather(self.members, tf.gather(self.starts, of_class) + place)

    def _passes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Passes over each class, as many as its share of a pass takes: examples, the pass of each, starts of classes."""
        passes = -(-self.num_examples // len(self.sizes) // self.sizes)
        lengths = passes * self.sizes
        starts, of_class = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(of_class)) - starts[of_class]
        examples = self.members[self.starts[of_class] + place % self.sizes[of_class]]
        first_passes = np.cumsum(passes) - passes
        return examples, (first_passes[of_class] + place // self.sizes[of_class]).astype(np.float64), starts


def steps_per_epoch(is_labelled: np.ndarray, batch_size: int, labelled_batch_size: int | None = None) -> int:
    """Steps of one pass of an `Order`: batches of the unlabelled examples, or else of the labelled ones."""
    num_unlabelled = int(np.sum(~is_labelled))
    if num_unlabelled:
        return math.ceil(num_unlabelled / batch_size)
    return math.ceil(len(is_labelled) / min(labelled_batch_size or batch_size, len(is_labelled)))


def _in_rows(places: tf.Tensor, steps: int, size: int) -> tf.Tensor:
    """Places [N] in rows of steps, [steps, size]; the last one is filled up with the first places."""
    places = tf.convert_to_tensor(places, tf.int64)
    if places.shape[0] != steps * size:
        places = tf.gather(places, tf.range(steps * size, dtype=tf.int64) % tf.size(places, out_type=tf.int64))
    return tf.reshape(places, [steps, size])
