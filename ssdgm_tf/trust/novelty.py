"""How unlike the training data an example is, so that "none of these" can be said at a known rate of false alarms.

The likelihood of a deep generative model alone does not say it: simple examples of another kind may be likelier than the
training data (Nalisnick et al. 2019). So an example is compared in several statistics at once, as in the density of states
estimation of Morningstar et al. 2021: those of the model, some that know no model, and of images the texture.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ssdgm_tf.trust.background import Background
from ssdgm_tf.trust.neighbours import Neighbours, as_float32, in_blocks
from ssdgm_tf.trust.texture import Texture

#: The fewest examples that it can be learned from.
FEWEST = 100
# Where the first and the second of the three parts of the examples end.
_PARTS = (0.4, 0.8)


class Novelty(NamedTuple):
    """What is known of the training data, and how far from it examples are.

    The examples are cut into parts, each for one thing, so that those of the last part are treated as new ones are.

    Attributes:
        background: of the first part.
        content: the second part, in the statistics of the model and of the background.
        texture: the range of the values of images, of the first part; None for other data.
        textures: the second part, in statistics of texture; None for other data.
        scores: those of the third part, or of other examples, sorted, [C].
    """

    background: Background
    content: Neighbours
    texture: Texture | None
    textures: Neighbours | None
    scores: np.ndarray

    @classmethod
    def of(
        cls, x: np.ndarray, statistics: np.ndarray, image_shape: tuple[int, ...] | None = None, seed: int = 0
    ) -> "Novelty":
        """Learns what examples are like, and which scores they have, of three parts of them.

        Args:
            x: the examples as numbers of one scale, [N, D].
            statistics: what a model says of each, [N, J].
            image_shape: [H, W, C] of the images that the first numbers of an example are; None for other data.
            seed: of the parts.

        Raises:
            ValueError: fewer than 100 examples whose numbers are all finite.

        Warns:
            UserWarning: examples are left out, because a number of theirs is not finite.
        """
        order = np.random.default_rng(seed).permutation(_usable(x, statistics))
        first, second, third = np.split(order, np.rint(np.multiply(_PARTS, len(order))).astype(int))
        made = cls._of_parts(x, statistics, image_shape, first, second)
        size = x.shape[1]
        both = np.concatenate([x[third], statistics[third]], axis=1)
        scores = in_blocks(lambda values: made.score(values[:, :size], values[:, size:]), both)
        return made._replace(scores=np.sort(scores))

    @classmethod
    def without_scores(
        cls, x: np.ndarray, statistics: np.ndarray, image_shape: tuple[int, ...] | None = None, seed: int = 0
    ) -> "Novelty":
        """Learns what examples are like, of two halves of them; the scores of others complete it, see `with_scores`.

        Args:
            x: see `of`.
            statistics: see `of`.
            image_shape: see `of`.
            seed: of the halves.

        Raises:
            ValueError: see `of`.

        Warns:
            UserWarning: see `of`.
        """
        order = np.random.default_rng(seed).permutation(_usable(x, statistics))
        first, second = np.array_split(order, 2)
        return cls._of_parts(x, statistics, image_shape, first, second)

    def with_scores(self, scores: np.ndarray) -> "Novelty":
        """The same with other scores, which `p_value` compares with.

        Args:
            scores: those of examples drawn as new ones are, which neither this nor training has seen, [C].

        Raises:
            ValueError: fewer than 100.
        """
        if len(scores) < FEWEST:
            raise ValueError(f"Rates of false alarms take at least {FEWEST} held-out examples. Received: {len(scores)}")
        return self._replace(scores=np.sort(scores))

    @classmethod
    def _of_parts(
        cls,
        x: np.ndarray,
        statistics: np.ndarray,
        image_shape: tuple[int, ...] | None,
        first: np.ndarray,
        second: np.ndarray,
    ) -> "Novelty":
        """Learns from the first and the second part; there are no scores yet."""
        background = Background.of(x[first])
        of_background = in_blocks(background.statistics, x[second])
        content = Neighbours.of(np.concatenate([statistics[second], of_background], axis=1))
        texture = textures = None
        if image_shape is not None and min(image_shape[:2]) >= 3:
            texture = Texture.of(x[first, : math.prod(image_shape)], image_shape)
            textures = Neighbours.of(in_blocks(texture.statistics, x[second]))
        return cls(background, content, texture, textures, np.zeros(0))

    def score(self, x: tf.Tensor, statistics: tf.Tensor) -> tf.Tensor:
        """How unlike the known examples others are, [N]: in content or, of images, in texture, whichever says more.

        Args:
            x: float32, as in `of`.
            statistics: float32, as in `of`.
        """
        found = self.content.unlikeness(tf.concat([statistics, self.background.statistics(x)], axis=1))
        if self.texture is None or self.textures is None:
            return found
        return tf.maximum(found, self.textures.unlikeness(self.texture.statistics(x)))

    @property
    def least_rate(self) -> float:
        """The smallest `p_value`, 1 / (C + 1)."""
        return 1 / (len(self.scores) + 1)

    def p_value(self, scores: tf.Tensor) -> tf.Tensor:
        """The share of the examples of `scores` that are as novel, [N]; of new examples of their kind it is uniform.

            p(s) = (1 + #{c: score_c >= s}) / (C + 1)

        So calling an example novel where p <= a gives false alarms at a rate of at most a, and of more than a - 1 / (C + 1)
        (Vovk et al. 2005). It is exact for every C, where training treated known and new examples alike.

        Args:
            scores: see `score`.
        """
        nearer = tf.searchsorted(tf.constant(self.scores, tf.float32), scores, side="left")
        number = len(self.scores)
        return as_float32(1 + number - nearer) / (number + 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it consists of, {name: array}."""
        found = {"scores": self.scores}
        for name in ("background", "content", "texture", "textures"):
            if (part := getattr(self, name)) is not None:
                found |= {f"{name}_{key}": values for key, values in part._asdict().items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Novelty":
        """What `arrays` gave.

        Args:
            arrays: {name: array}.
        """

        def part(kind: Any, name: str) -> Any:
            has = f"{name}_{kind._fields[0]}" in arrays
            return kind(*(np.array(arrays[f"{name}_{key}"]) for key in kind._fields)) if has else None

        return cls(
            part(Background, "background"),
            part(Neighbours, "content"),
            part(Texture, "texture"),
            part(Neighbours, "textures"),
            np.array(arrays["scores"]),
        )


def _usable(x: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """The places of the examples whose numbers are all finite; see `Novelty.of`."""
    is_finite = np.all(np.isfinite(x), axis=1) & np.all(np.isfinite(statistics), axis=1)
    if not is_finite.all():
        warnings.warn(
            f"{np.sum(~is_finite)} of {len(x)} known examples have statistics that are not finite, and are left out.",
            stacklevel=3,
        )
    usable = np.flatnonzero(is_finite)
    if len(usable) < FEWEST:
        raise ValueError(
            f"Novelty is learned from at least {FEWEST} examples with finite statistics. Received: {len(usable)}"
        )
    return usable
