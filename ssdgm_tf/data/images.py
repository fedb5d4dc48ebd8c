"""Image files as arrays, as they look in a viewer. The same for training and for predictions."""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from ssdgm_tf.data.names import shown
from ssdgm_tf.data.room import room

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
_RULE = "Images must be whole PNG, JPEG, BMP, TIFF, GIF or WebP files that hold one picture"
# A file whose header names more is not unpacked. Photographs have up to 50 million.
_MAX_PIXELS = 2**26
_GREY, _PALETTES, _DEEP = ("1", "L", "LA", "La"), ("P", "PA"), ("I", "F")
# Pillow scales grey levels of 2 and 4 bits, and not the transparent one among them.
_LEVELS = {"L;2": 85, "L;4": 17}
# Tags of TIFF.
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def parse_resize(resize: str) -> tuple[int, int] | None:
    """The height and width of `config.resize`, such as "32x48"; None of "".

    Raises:
        ValueError: another form, or more pixels than an image may have.
    """
    if not resize:
        return None
    match = re.fullmatch(r"([1-9]\d{0,7})x([1-9]\d{0,7})", resize)
    if match is None or int(match[1]) * int(match[2]) > _MAX_PIXELS:
        raise ValueError(
            "config.resize must be the HEIGHTxWIDTH of every image, such as 32x48 (height 32), or empty, with at most "
            f"{_MAX_PIXELS} pixels. Received: config.resize={resize!r}"
        )
    return int(match[1]), int(match[2])


def read_images(
    files: list[Path], bad_examples: str = "stop", size: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Image files of one size as an array, with a progress bar. Holds little more than the array, which `room` gives.

    Args:
        files: image files, see `read_image`.
        bad_examples: "stop" at a file that cannot be read or has another size than the first; or "drop" it, and those of
            another size than most, and print how many there were.
        size: height and width that every image is resized to; None for images that have one size already.

    Returns:
        Images [N, H, W, 1] if all are grey, else [N, H, W, 3]; uint8 if all are, else float32 in [0, 1]. And the indices of
        their files in `files`, [N].

    Raises:
        ValueError: a bad file, with "stop"; no good file; or images that there is no `room` for.
    """
    read = _read(files, bad_examples, size, None)
    ((commonest, _),) = read.sizes.most_common(1)
    if commonest != read.images.shape[1:3]:
        read = _read(files, bad_examples, size, commonest)
    if read.bad:
        print(f"Bad examples dropped: {len(read.bad)} of {len(files)} files, the first {read.bad[0]}")
    return read.images, np.array(read.kept)


def read_image(file: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """One image as it looks: upright as EXIF says, over white where it is transparent, in the colours of its palette.

    Args:
        file: a PNG, JPEG, BMP, TIFF, GIF or WebP file of one picture. (Of a JPEG with previews behind it, MPO, the first.)
        size: height and width that it is resized to (Lanczos, antialiased), without keeping its aspect; None for its own.

    Returns:
        [H, W, 1] if it is grey, or all colours of its palette are; else [H, W, 3]. Grey levels of 16 bits are float32,
        divided by 65535. Images of 32-bit numbers, integers or floats, are float32 as they are, and must lie in [0, 1].
        Others are uint8; colours and transparent images of 16 bits too, because Pillow reads their upper 8.

    Raises:
        ValueError: a file that cannot be read, holds several pictures, or 32-bit numbers outside [0, 1].
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if not file.is_file():  # a link to nowhere; or a pipe, which would be waited for
            raise ValueError("not a file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata; what harms the pixels is an error
            # As a stream: Pillow 13 maps an uncompressed TIFF that is turned into memory by its path, and mixes its rows.
            with file.open("rb") as stream, Image.open(stream, formats=_FORMATS) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise ValueError(f"{image.height}x{image.width} pixels, over {_MAX_PIXELS}")
                if getattr(image, "is_animated", False) and image.format != "MPO":
                    raise ValueError("several pictures: an animation, or pages")
                return _pixels(image, size)
    except _OutOfRangeError as error:
        raise ValueError(f"Images of 32-bit numbers must lie in [0, 1]. Received: {shown(file)} {error}") from error
    except Exception as error:  # Pillow raises many kinds of errors on damaged files
        reason = "no image" if isinstance(error, UnidentifiedImageError) else error  # its words show an object of Python
        raise ValueError(f"{_RULE}. Received: {shown(file)} ({reason})") from error


class _OutOfRangeError(Exception):
    """Pixels of 32-bit numbers that are NaN or outside [0, 1]."""


class _Read(NamedTuple):
    """What `_read` found: images, the indices of their files, why others are bad, and how often each size occurs."""

    images: np.ndarray
    kept: list[int]
    bad: list[str]
    sizes: Counter[tuple[int, ...]]


def _read(files: list[Path], bad_examples: str, size: tuple[int, int] | None, wanted: tuple[int, ...] | None) -> _Read:
    """Reads the files whose image has the size `wanted`; None for that of the first."""
    images: np.ndarray | None = None
    kept: list[int] = []
    bad: list[str] = []
    sizes: Counter[tuple[int, ...]] = Counter()
    for index, file in enumerate(tqdm(files, desc="reading images", delay=2, leave=False)):
        try:
            image = read_image(file, size)
            sizes[image.shape[:2]] += 1
            wanted = wanted or image.shape[:2]
            if image.shape[:2] != wanted:
                like = f"like {shown(files[kept[0]])}" if kept else "like most"
                raise ValueError(
                    f"Images must all have one size, here {_words(wanted)} {like}, or be resized to one, such as "
                    f"config.resize={_words(wanted)} (height x width). Received: {shown(file)} of {_words(image.shape)}"
                )
        except ValueError as error:
            if bad_examples == "stop" or len(bad) == len(files) - 1:
                raise
            bad.append(f"{shown(file)}: {error}")
            continue
        images = _with_room(images, len(kept), image, len(files))
        images[len(kept)] = image if image.dtype == images.dtype else image / np.float32(255)
        kept.append(index)
    if images is None:
        raise ValueError("Images must be given. Received: no file")
    return _Read(images[: len(kept)], kept, bad, sizes)


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"


def _with_room(images: np.ndarray | None, filled: int, image: np.ndarray, number: int) -> np.ndarray:
    """An array for `number` images: the first `filled` of `images`, and room for the channels and floats of `image`."""
    channels, dtype = image.shape[-1], image.dtype
    if images is not None:
        channels, dtype = max(channels, images.shape[-1]), np.result_type(images, image)
        if images.shape[-1] == channels and images.dtype == dtype:
            return images
    advice = "; config.resize=HxW makes images smaller"
    made = room((number, *image.shape[:2], channels), dtype, advice)
    if images is not None and images.dtype == dtype:
        made[:filled] = images[:filled]
    elif images is not None:
        np.divide(images[:filled], np.float32(255), out=made[:filled])
    return made


def _pixels(image: "ImageFile", size: tuple[int, int] | None) -> np.ndarray:
    """The pixels of an open file, see `read_image`."""
    from PIL import Image, ImageOps

    rawmode = _rawmode(image)  # before the pixels are read
    image.load()
    image.getexif()
    image.info.pop("exif", None)  # which would be written anew, and may be damaged
    upright = ImageOps.exif_transpose(image)
    if image.mode.startswith(_DEEP):
        values = _levels(image, upright)
        if size is not None:
            resized = Image.fromarray(values).resize(size[::-1], Image.Resampling.LANCZOS)
            values = np.asarray(resized).clip(0, 1)  # beside an edge Lanczos goes beyond
        return values[..., None]
    flat = _over_white(upright, rawmode)
    if size is not None:
        flat = flat.resize(size[::-1], Image.Resampling.LANCZOS)
    pixels = np.atleast_3d(np.asarray(flat))
    is_grey = image.mode in _PALETTES and (pixels == pixels[..., :1]).all()
    return pixels[..., :1] if is_grey else pixels


def _rawmode(image: "ImageFile") -> str:
    """How the pixels of a PNG file are stored, such as "L;2" for 2 bits; "" for other formats."""
    return str(image.tile[0][3]) if image.format == "PNG" else ""


def _levels(image: "ImageFile", upright: "Image") -> np.ndarray:
    """The grey levels of an image of 16 or 32 bits, float32 [H, W] in [0, 1].

    Args:
        image: the image, with the data of its file.
        upright: the same as it looks.

    Raises:
        _OutOfRangeError: 32-bit numbers outside [0, 1].
    """
    stored = np.asarray(upright)
    tags = getattr(image, "tag_v2", {})
    values = stored.astype(np.float32)
    if image.mode.startswith("I;16") or image.format == "PNG":
        values /= np.float32(2 ** tags.get(_BITS, (16,))[0] - 1)
    if not ((values >= 0) & (values <= 1)).all():
        has_nan = np.isnan(values).any()
        raise _OutOfRangeError("with NaN" if has_nan else f"with values from {stored.min():.6g} to {stored.max():.6g}")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = 1 - values
    if "transparency" in image.info:
        values[stored == image.info["transparency"]] = 1
    return values


def _over_white(image: "Image", rawmode: str) -> "Image":
    """An image of 8 bits in mode L if it is grey, else RGB, composed over white where it is transparent."""
    from PIL import Image

    mode = "L" if image.mode in _GREY or rawmode.startswith("LA") else "RGB"
    if not image.has_transparency_data:
        return image.convert(mode)
    if rawmode in _LEVELS:
        image.info["transparency"] *= _LEVELS[rawmode]
    elif rawmode == "RGB;16B":
        image.info["transparency"] = tuple(level >> 8 for level in image.info["transparency"])
    over = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), over).convert(mode)
