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
# Where the first and the second of the three parts of the examples end; of two, where others are held out for the third.
_PARTS, _TWO_PARTS = (0.4, 0.8), (0.5, 1.0)


class Novelty(NamedTuple):
    """What is known of the training data, and how far from it examples are.

    The examples are cut into three parts, each for one thing, so that those of the third part are treated as new ones are.
    Examples that training did not see, where there are such, are the third part.

    Attributes:
        background: of the first part.
        content: the second part, in the statistics of the model and of the background.
        texture: the range of the values of images, of the first part; None for other data.
        textures: the second part, in statistics of texture; None for other data.
        scores: those of the third part, sorted, [C].
    """

    background: Background
    content: Neighbours
    texture: Texture | None
    textures: Neighbours | None
    scores: np.ndarray

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        statistics: np.ndarray,
        image_shape: tuple[int, ...] | None = None,
        seed: int = 0,
        held_out: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> "Novelty":
        """Learns what examples are like.

        Args:
            x: the examples as numbers of one scale, [N, D].
            statistics: what a model says of each, [N, J].
            image_shape: [H, W, C] of the images that the first numbers of an example are; None for other data.
            seed: of the parts.
            held_out: `x` and `statistics` of examples that training did not see, the third part; None to take it of `x`.

        Raises:
            ValueError: fewer than 100 examples whose numbers are all finite, in `x` or held out.

        Warns:
            UserWarning: examples are left out, because a number of theirs is not finite.
        """
        order = np.random.default_rng(seed).permutation(_usable(x, statistics))
        ends = _PARTS if held_out is None else _TWO_PARTS
        first, second, third = np.split(order, np.rint(np.multiply(ends, len(order))).astype(int))
        background = Background.of(x[first])
        of_background = in_blocks(background.statistics, x[second])
        content = Neighbours.of(np.concatenate([statistics[second], of_background], axis=1))
        texture = textures = None
        if image_shape is not None and min(image_shape[:2]) >= 3:
            texture = Texture.of(x[first, : math.prod(image_shape)], image_shape)
            textures = Neighbours.of(in_blocks(texture.statistics, x[second]))
        made = cls(background, content, texture, textures, np.zeros(0))
        size = x.shape[1]
        if held_out is not None:
            x, statistics = held_out
            third = _usable(x, statistics)
        both = np.concatenate([x[third], statistics[third]], axis=1)
        scores = in_blocks(lambda values: made.score(values[:, :size], values[:, size:]), both)
        return made._replace(scores=np.sort(scores))

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
        """The share of known examples that are as novel, [N]; of new examples of their kind it is uniform.

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
