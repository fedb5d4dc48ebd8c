"""Canvases with several digits on them (Multi-MNIST), made from single images by seed."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

# Rounds of drawing places anew for the canvases whose digits overlap. At the defaults a round settles two thirds of them.
_MAX_ROUNDS = 1000
_RENDERED_AT_ONCE = 1000


class Canvases(NamedTuple):
    """Canvases, and what is on each of them, from left to right.

    Attributes:
        x: canvases [N, S, S, C], uint8.
        count: number of digits on each [N], int32.
        digits: label of each digit [N, K], int32; -1 where there is none.
        places: log of the scale, and row and column of the centre, from -1 to 1 over the canvas, [N, K, 3], float32; NaN
            where there is no digit.
    """

    x: np.ndarray
    count: np.ndarray
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

    Counts are as evenly balanced as `num_canvases` allows. The log of a scale is uniform, a centre uniform among those
    that leave the image whole; where boxes overlap too much the places of the canvas are drawn again. What lies on one pixel
    is added and cut off at white. The same arguments give the same canvases.

    Args:
        images: what is put on them [M, H, W, C], uint8.
        labels: their labels [M].
        num_canvases: N.
        seed: of everything that is drawn.
        canvas_size: S.
        max_digits: K.
        scales: smallest and largest side of a digit on the canvas, in sides of its image.
        max_overlap: largest share of a digit's box that another box may cover.

    Raises:
        ValueError: images larger than the canvas at their largest scale, images and labels of different number, or so
            many digits that no places are found for them.
    """
    side = max(images.shape[1:3])
    if len(images) != len(labels):
        raise ValueError(f"Every image has a label. Received: {len(images)} images and {len(labels)} labels")
    if not 0 < scales[0] <= scales[1] or scales[1] * side > canvas_size:
        raise ValueError(
            "scales must be positive, in order, and such that an image fits on the canvas. "
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


def stream_canvases(images: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, **options) -> Iterator[Canvases]:
    """Batches of ever new canvases, each balanced by itself; for `tf.data.Dataset.from_generator`.

    Args:
        images: as of `make_canvases`.
        labels: as of `make_canvases`.
        batch_size: canvases in a batch.
        seed: of all batches.
        **options: of `make_canvases`.
    """
    for index in itertools.count():
        batch_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
        yield make_canvases(images, labels, batch_size, batch_seed, **options)


def known_places(canvases: Canvases, max_digits: int) -> dict[str, np.ndarray]:
    """What is known of canvases, as a model of at most K digits takes it.

    Args:
        canvases: N of them.
        max_digits: K.

    Returns:
        {"count": [N], "place_1": [N, 3], ..., "digit_1": [N], ...}; NaN and -1 where there is no such digit.

    Raises:
        ValueError: a canvas with more digits.
    """
    most = int(canvases.count.max(initial=0))
    if most > max_digits:
        raise ValueError(f"A model of at most {max_digits} digits takes canvases of no more. Received: a canvas with {most}")
    y = {"count": canvases.count}
    for name, values, empty in (("place", canvases.places, np.nan), ("digit", canvases.digits, -1)):
        for k in range(max_digits):
            absent = np.full_like(values[:, 0], empty)
            y[f"{name}_{k + 1}"] = values[:, k] if k < values.shape[1] else absent
    return y


def save_canvases(path: str | os.PathLike, canvases: Canvases) -> None:
    """Writes canvases into an .npz file, which is there whole or not at all.

    Args:
        path: the file.
        canvases: what to write.
    """
    partial = Path(path).with_suffix(".partial.npz")
    np.savez_compressed(partial, **canvases._asdict())
    partial.replace(path)


def load_canvases(path: str | os.PathLike) -> Canvases:
    """The canvases of a file that `save_canvases` wrote.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it holds something else.
    """
    with np.load(path) as file:
        if missing := [name for name in Canvases._fields if name not in file]:
            raise ValueError(f"A file of canvases holds {', '.join(Canvases._fields)}. Received: {path} without {missing}")
        return Canvases(*(file[name] for name in Canvases._fields))


def _places(generator, count, max_digits, side, canvas_size, scales, max_overlap):
    """Log scales, and centres in pixels, [N, K, 3] of digits that do not overlap too much, from left to right."""
    places = np.empty((len(count), max_digits, 3))
    pending = np.arange(len(count))
    for _ in range(_MAX_ROUNDS):
        shape = (len(pending), max_digits)
        log_scale = generator.uniform(*np.log(scales), size=shape)
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
        f"No places were found for {max_digits} digits that overlap by at most {max_overlap}. "
        f"Received: canvas_size={canvas_size}, scales={scales}, images of side {side}"
    )


def _largest_overlap(places, present, side):
    """The largest share of a box that another one covers, [N]; of the boxes that are there."""
    half = side * np.exp(places[..., 0]) / 2
    centres = places[..., 1:]
    near, far = centres - half[..., None], centres + half[..., None]
    shared = np.minimum(far[:, :, None], far[:, None]) - np.maximum(near[:, :, None], near[:, None])
    covered = np.prod(np.clip(shared, 0, None), axis=-1) / (2 * half[:, :, None]) ** 2
    both = present[:, :, None] & present[:, None] & ~np.eye(places.shape[1], dtype=bool)
    return np.max(np.where(both, covered, 0), axis=(1, 2))


def _render(images, chosen, places, absent, canvas_size):
    """Canvases [B, S, S, C]: bilinear, which for scales and shifts is a matrix for the rows and one for the columns."""
    scale, centre = np.exp(places[..., 0]), places[..., 1:]
    grid = np.arange(canvas_size) - (canvas_size - 1) / 2
    canvas = 0.0
    for k in range(chosen.shape[1]):
        rows, columns = (
            np.clip(1 - np.abs(_points(grid, scale[:, k], centre[:, k, axis], length)[..., None] - np.arange(length)), 0, 1)
            for axis, length in enumerate(images.shape[1:3])
        )
        placed = np.einsum("bih,bhwc,bjw->bijc", rows, images[chosen[:, k]].astype(np.float64), columns, optimize=True)
        canvas = canvas + np.where(absent[:, k, None, None, None], 0.0, placed)
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def _points(grid, scale, centre, length):
    """Where in an image each row, or column, of the canvas comes from, [B, S]."""
    return (grid - centre[:, None]) / scale[:, None] + (length - 1) / 2
