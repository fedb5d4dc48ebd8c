"""Canvases with several digits (Multi-MNIST), made from single images by seed."""

import itertools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ssdgm_tf import files

# Rounds in which places are drawn again where digits overlap. With the defaults a round settles two thirds of the canvases.
_MAX_ROUNDS = 1000
_RENDERED_AT_ONCE = 1000


class Canvases(NamedTuple):
    """Canvases, and the digits on each, from left to right.

    Attributes:
        x: canvases [N, S, S, C], uint8.
        count: number of digits on each [N], int32.
        digits: label of each digit [N, K], int32; -1 where there is no digit.
        places: log of the scale, then row and column of the centre, which run from -1 to 1 over the canvas, [N, K, 3],
            float32; NaN where there is no digit.
    """

    x: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # in place of tuple.count
    digits: np.ndarray
    places: np.ndarray


def make_canvases(
    images: np.ndarray,
    labels: np.ndarray,
    num_canvases: int,
    seed: int,
    canvas_size: int = 50,
    max_digits: int = 3,
    scales: tuple[float, float] = (0.6, 1.0),
    max_overlap: float = 0.1,
) -> Canvases:
    """Canvases of 0 to `max_digits` images, at random scales and places: Multi-MNIST (Siddharth et al. 2017, section 4.3).

    Counts are as evenly balanced as `num_canvases` allows. The log of the scale is uniform; the centre is uniform over the
    places that keep the whole image on the canvas. Where boxes overlap too much, the places of the canvas are drawn again.
    Overlapping pixels are added and clipped at white. The same arguments give the same canvases.

    Args:
        images: the digits [M, H, W, C], uint8.
        labels: their labels [M].
        num_canvases: number of canvases N.
        seed: seed of all draws.
        canvas_size: side S of a canvas, pixels.
        max_digits: largest number of digits K.
        scales: smallest and largest side of a digit on the canvas, as a multiple of the side of its image.
        max_overlap: largest share of a digit's box that another box may cover.

    Raises:
        ValueError: images that do not fit on the canvas at the largest scale, different numbers of images and labels, or
            too many digits to find places for.
    """
    side = max(images.shape[1:3])
    if len(images) != len(labels):
        raise ValueError(f"Every image must have a label. Received: {len(images)} images and {len(labels)} labels")
    if not 0 < scales[0] <= scales[1] or scales[1] * side > canvas_size:
        raise ValueError(
            "scales must be positive and in order, and an image at the largest scale must fit on the canvas. "
            f"Received: scales={scales}, images of side {side}, canvas_size={canvas_size}"
        )
    generator = np.random.default_rng(seed)
    count = generator.permutation(np.arange(num_canvases) % (max_digits + 1)).astype(np.int32)
    chosen = generator.integers(len(images), size=(num_canvases, max_digits))
    places = _places(generator, count, max_digits, side, canvas_size, scales, max_overlap)
    absent = np.arange(max_digits) >= count[:, None]
    x = np.empty((num_canvases, canvas_size, canvas_size, images.shape[-1]), np.uint8)
    for start in tqdm(range(0, num_canvases, _RENDERED_AT_ONCE), desc="canvases", delay=2, leave=False):
        some = slice(start, start + _RENDERED_AT_ONCE)
        x[some] = _render(images, chosen[some], places[some], absent[some], canvas_size)
    digits = np.where(absent, -1, np.asarray(labels)[chosen]).astype(np.int32)
    places = places / [1, canvas_size / 2, canvas_size / 2]
    return Canvases(x, count, digits, np.where(absent[..., None], np.nan, places).astype(np.float32))


def stream_canvases(
    images: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, **options: Any
) -> Iterator[Canvases]:
    """An endless stream of batches of new canvases, for `tf.data.Dataset.from_generator`; each batch has balanced counts.

    Args:
        images: see `make_canvases`.
        labels: see `make_canvases`.
        batch_size: number of canvases in a batch.
        seed: seed of all batches.
        **options: other arguments of `make_canvases`.
    """
    for index in itertools.count():
        batch_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
        yield make_canvases(images, labels, batch_size, batch_seed, **options)


def known_places(canvases: Canvases, max_digits: int) -> dict[str, np.ndarray]:
    """The labels of canvases in the form that a model of at most K digits takes.

    Args:
        canvases: N canvases.
        max_digits: largest number of digits K.

    Returns:
        {"count": [N], "place_1": [N, 3], ..., "digit_1": [N], ...}; NaN and -1 where a canvas has no such digit.

    Raises:
        ValueError: a canvas with more digits.
    """
    most = int(canvases.count.max(initial=0))
    if most > max_digits:
        raise ValueError(f"A canvas must have at most {max_digits} digits, like the model. Received: a canvas with {most}")
    y = {"count": canvases.count}
    for name, values, empty in (("place", canvases.places, np.nan), ("digit", canvases.digits, -1)):
        for k in range(max_digits):
            absent = np.full_like(values[:, 0], empty)
            y[f"{name}_{k + 1}"] = values[:, k] if k < values.shape[1] else absent
    return y


def save_canvases(path: str | os.PathLike, canvases: Canvases) -> None:
    """Writes canvases into an .npz file; an interrupted call leaves no half-written file.

    Args:
        path: the file.
        canvases: the canvases to write.
    """
    with files.whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **canvases._asdict())


def load_canvases(path: str | os.PathLike) -> Canvases:
    """The canvases of a file that `save_canvases` wrote.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file without the arrays of `Canvases`.
    """
    with np.load(path) as file:
        if missing := [name for name in Canvases._fields if name not in file]:
            raise ValueError(
                f"A file of canvases must hold {', '.join(Canvases._fields)}. Received: {path} without {missing}"
            )
        return Canvases(*(file[name] for name in Canvases._fields))


def _places(
    generator: np.random.Generator,
    count: np.ndarray,
    max_digits: int,
    side: int,
    canvas_size: int,
    scales: tuple[float, float],
    max_overlap: float,
) -> np.ndarray:
    """Log scales, and centres in pixels, [N, K, 3], of digits that overlap by at most `max_overlap`, from left to right."""
    places = np.empty((len(count), max_digits, 3))
    pending = np.arange(len(count))
    for _ in range(_MAX_ROUNDS):
        shape = (len(pending), max_digits)
        log_scale = generator.uniform(np.log(scales[0]), np.log(scales[1]), size=shape)
        room = (canvas_size - side * np.exp(log_scale)) / 2
        centres = room[..., None] * generator.uniform(-1, 1, size=(*shape, 2))
        drawn = np.concatenate([log_scale[..., None], centres], axis=-1)
        present = np.arange(max_digits) < count[pending, None]
        order = np.argsort(np.where(present, drawn[..., 2], np.inf), axis=1)
        places[pending] = np.take_along_axis(drawn, order[..., None], axis=1)
        pending = pending[_largest_overlap(places[pending], present, side) > max_overlap]
        if not len(pending):
            return places
    raise ValueError(
        f"max_digits must be small enough for digits that overlap by at most {max_overlap}. "
        f"Received: max_digits={max_digits}, canvas_size={canvas_size}, scales={scales}, images of side {side}"
    )


def _largest_overlap(places: np.ndarray, present: np.ndarray, side: int) -> np.ndarray:
    """The largest share of a box that another box covers, among the boxes of the digits present, [N]."""
    half = side * np.exp(places[..., 0]) / 2
    centres = places[..., 1:]
    near, far = centres - half[..., None], centres + half[..., None]
    shared = np.minimum(far[:, :, None], far[:, None]) - np.maximum(near[:, :, None], near[:, None])
    covered = np.prod(np.clip(shared, 0, None), axis=-1) / (2 * half[:, :, None]) ** 2
    both = present[:, :, None] & present[:, None] & ~np.eye(places.shape[1], dtype=bool)
    return np.max(np.where(both, covered, 0), axis=(1, 2))


def _render(images: np.ndarray, chosen: np.ndarray, places: np.ndarray, absent: np.ndarray, canvas_size: int) -> np.ndarray:
    """Canvases [B, S, S, C]. Bilinear scaling and shifting is a matrix for the rows and one for the columns."""
    scale, centre = np.exp(places[..., 0]), places[..., 1:]
    grid = np.arange(canvas_size) - (canvas_size - 1) / 2
    canvas = np.zeros(())
    for k in range(chosen.shape[1]):
        rows, columns = (
            np.clip(1 - np.abs(_points(grid, scale[:, k], centre[:, k, axis], length)[..., None] - np.arange(length)), 0, 1)
            for axis, length in enumerate(images.shape[1:3])
        )
        placed = np.einsum("bih,bhwc,bjw->bijc", rows, images[chosen[:, k]].astype(np.float64), columns, optimize=True)
        canvas = canvas + np.where(absent[:, k, None, None, None], 0.0, placed)
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def _points(grid: np.ndarray, scale: np.ndarray, centre: np.ndarray, length: int) -> np.ndarray:
    """The row (or column) of the image behind each row (or column) of the canvas, [B, S]."""
    return (grid - centre[:, None]) / scale[:, None] + (length - 1) / 2
