"""Every kind of image file is read as it looks, or refused in words: the same for training and for predictions."""

import itertools
import os
import struct
import tempfile
import zlib

import numpy as np
import pytest
from PIL import Image

from ssdgm_tf import data
from ssdgm_tf.data import room
from ssdgm_tf.data.images import parse_resize, read_image, read_images
from tests.memory import allocated

GREY = np.array([[0, 85, 170, 255], [0, 10, 200, 255]], np.uint8)
RGB = np.random.default_rng(0).integers(256, size=(2, 4, 3), dtype=np.uint8)
ALPHA = np.array([[0, 255, 128, 51], [0, 255, 128, 51]], np.uint8)
DEEP = np.array([[0, 300, 40000, 65535], [1, 2, 3, 4]], np.uint16)
UNIT = np.array([[0, 0.25, 0.5, 1], [0.1, 0.2, 0.3, 0.4]], np.float32)


def over_white(values, alpha):
    """Exact, and rounded once."""
    alpha = alpha[..., None] if values.ndim == 3 else alpha
    return np.rint((values * (alpha / 255)) + 255 * (1 - alpha / 255)).astype(np.uint8)


def pillow(pixels, mode=None, **options):
    """Writes pixels as Pillow does, by the suffix of the file."""

    def write(path):
        image = Image.fromarray(pixels)
        (image if mode is None else image.convert(mode)).save(path, **options)

    return write


def palette(mode, **options):
    """Colours red, green, blue by their numbers."""

    def write(path):
        indices = np.array([[0, 1, 2, 1], [2, 2, 0, 0]], np.uint8)
        image = Image.fromarray(indices).convert("P")
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        if mode == "PA":
            image = image.convert("PA")
            image.putalpha(Image.fromarray(ALPHA))
        image.save(path, **options)

    return write


def without_first(pixels):
    """The pixels with the first one white."""
    made = pixels.copy()
    made[0, 0] = 255
    return made


COLOURS = np.eye(3, dtype=np.uint8)[[[0, 1, 2, 1], [2, 2, 0, 0]]] * np.uint8(255)


def png(depth, colour, rows, transparent=b""):
    """A PNG file of any depth; its rows [H, bytes]. `transparent` is its tRNS."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    def write(path):
        width = 8 * len(rows[0]) // depth // {0: 1, 2: 3, 4: 2}[colour]
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
        pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        middle = chunk(b"tRNS", transparent) if transparent else b""
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + middle + pixels + chunk(b"IEND", b""))

    return write


def tiff(content, width, height, bits, photometric=1, kind=1):
    """A TIFF file of one channel. `kind`: 1 for unsigned integers, 2 for signed ones, 3 for floats."""

    def write(path):
        tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height}
        tags |= {279: len(content), 339: kind}
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        ifd = struct.pack("<H", len(tags)) + entries + bytes(4)
        path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(content)) + content + ifd)

    return write


def big_endian(rows):
    return [row.astype(">u2").tobytes() for row in rows]


TWELVE = np.array([[255, 0, 2048, 4095]], np.uint16)
RGB16 = RGB.astype(np.uint16) * 256 + 7
TRUE = np.array([[0, 255, 0, 255], [255, 255, 0, 0]], np.uint8)

#: {name: (suffix, what writes the file, its pixels)}
FILES = {
    "grey": ("png", pillow(GREY), GREY),
    "grey, BMP": ("bmp", pillow(GREY), GREY),
    "grey, TIFF": ("tif", pillow(GREY), GREY),
    "grey, GIF": ("gif", pillow(GREY), GREY),
    "white is zero": ("tif", tiff(GREY.tobytes(), 4, 2, 8, photometric=0), 255 - GREY),
    "1 bit": ("png", pillow(TRUE, "1"), TRUE),
    "1 bit, TIFF": ("tif", pillow(TRUE, "1", compression="group4"), TRUE),
    "1 bit, transparent": ("png", png(1, 0, [b"\x50"], struct.pack(">H", 0)), np.full((1, 8), 255, np.uint8)),
    "2 bits": ("png", png(2, 0, [b"\x1b"]), GREY[:1]),
    "2 bits, transparent": ("png", png(2, 0, [b"\x1b"], struct.pack(">H", 1)), np.array([[0, 255, 170, 255]])),
    "4 bits, transparent": ("png", png(4, 0, [b"\x05\xaf"], struct.pack(">H", 5)), np.array([[0, 255, 170, 255]])),
    "grey, a transparent level": ("png", pillow(GREY, transparency=10), np.where(GREY == 10, 255, GREY)),
    "grey and alpha": ("png", pillow(np.stack([GREY, ALPHA], axis=-1)), over_white(GREY, ALPHA)),
    "grey and alpha, TIFF": ("tif", pillow(np.stack([GREY, ALPHA], axis=-1)), over_white(GREY, ALPHA)),
    "grey and alpha, 16 bits": (
        "png",
        png(16, 4, big_endian((np.stack([GREY, ALPHA], axis=-1).astype(np.uint16) * 257).reshape(2, -1))),
        over_white(GREY, ALPHA),
    ),
    "colour": ("png", pillow(RGB), RGB),
    "colour, WebP": ("webp", pillow(RGB, lossless=True), RGB),
    "a transparent colour": (
        "png",
        pillow(RGB, transparency=tuple(map(int, RGB[0, 0]))),
        without_first(RGB),
    ),
    "colour of 16 bits": ("png", png(16, 2, big_endian(RGB16.reshape(2, -1))), RGB),
    "colour of 16 bits, one transparent": (
        "png",
        png(16, 2, big_endian(RGB16.reshape(2, -1)), RGB16[0, 0].astype(">u2").tobytes()),
        without_first(RGB),
    ),
    "colour and alpha": ("png", pillow(np.dstack([RGB, ALPHA])), over_white(RGB, ALPHA)),
    "colour and alpha, TIFF": ("tif", pillow(np.dstack([RGB, ALPHA])), over_white(RGB, ALPHA)),
    "colour and alpha, WebP": ("webp", pillow(np.dstack([RGB, ALPHA]), lossless=True, exact=True), over_white(RGB, ALPHA)),
    "black under the transparency": ("png", pillow(np.dstack([0 * RGB, ALPHA])), over_white(0 * RGB, ALPHA)),
    "palette": ("png", palette("P"), COLOURS),
    "palette, GIF": ("gif", palette("P"), COLOURS),
    "palette, a transparent colour": (
        "gif",
        palette("P", transparency=1),
        np.maximum(COLOURS, 255 * (COLOURS[..., 1:2] > 0)),
    ),
    "palette, transparent colours": (
        "png",
        palette("P", transparency=bytes([0, 128, 255])),
        over_white(COLOURS, np.array([0, 128, 255], np.uint8)[COLOURS.argmax(axis=-1)]),
    ),
    "palette and alpha": ("tif", palette("PA"), over_white(COLOURS, ALPHA)),
    "CMYK": ("tif", pillow(RGB, "CMYK"), RGB),
    "YCbCr": ("tif", pillow(np.repeat(GREY[..., None], 3, axis=-1), "YCbCr"), np.repeat(GREY[..., None], 3, axis=-1)),
    "16 bits": ("png", pillow(DEEP), DEEP / np.float32(65535)),
    "16 bits, TIFF": ("tif", pillow(DEEP), DEEP / np.float32(65535)),
    "16 bits, big-endian TIFF": ("tif", pillow(DEEP.astype(">u2")), DEEP / np.float32(65535)),
    "16 bits, a transparent level": (
        "png",
        png(16, 0, big_endian(DEEP), struct.pack(">H", 300)),
        np.where(DEEP == 300, 1, DEEP / np.float32(65535)),
    ),
    "16 bits, white is zero": ("tif", tiff(DEEP.tobytes(), 4, 2, 16, photometric=0), 1 - DEEP / np.float32(65535)),
    "12 bits": (
        "tif",
        tiff(bytes([0x0F, 0xF0, 0x00, 0x80, 0x0F, 0xFF]), 4, 1, 12),
        np.float32([[255, 0, 2048, 4095]]) / 4095,
    ),
    "32-bit integers": ("tif", pillow((DEEP > 3).astype(np.int32)), (DEEP > 3).astype(np.float32)),
    "floats": ("tif", pillow(UNIT), UNIT),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_it_looks(name, tmp_path):
    """By ssdgm-train and by ssdgm-predict: in a data set of four of them, two of each class."""
    suffix, write, expected = FILES[name]
    for file in ("a/1", "a/2", "b/1", "b/2"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        write(tmp_path / f"{file}.{suffix}")
    shape = (*expected.shape, 1) if expected.ndim == 2 else expected.shape
    is_deep = expected.dtype.kind == "f"
    image = read_image(tmp_path / f"a/1.{suffix}")
    assert image.dtype == (np.float32 if is_deep else np.uint8)
    np.testing.assert_array_equal(image, expected.reshape(shape).astype(image.dtype))
    dataset = data.load(f"folder:{tmp_path}", 0, 0)
    trained = expected.reshape(shape).astype(np.float32) / np.float32(1 if is_deep else 255)
    assert dataset.x_train.dtype == np.float32
    np.testing.assert_array_equal(dataset.x_train, np.stack([trained] * 2))
    np.testing.assert_array_equal(dataset.x_test, np.stack([trained] * 2))
    assert dataset.raw_dtype == image.dtype
    ((_, x, bad),) = data.Examples(str(tmp_path), shape, dataset.raw_dtype).batches(9)
    assert not bad
    np.testing.assert_array_equal(x, np.stack([trained if is_deep else np.rint(255 * trained).astype(np.uint8)] * 4))


WEDGE = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
#: What a viewer shows of an image with this orientation.
UPRIGHT = {
    1: WEDGE,
    2: WEDGE[:, ::-1],
    3: WEDGE[::-1, ::-1],
    4: WEDGE[::-1],
    5: WEDGE.T,
    6: np.rot90(WEDGE, -1),
    7: np.rot90(WEDGE, 2).T,
    8: np.rot90(WEDGE),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("suffix", "dtype", "options"),
    [
        ("png", np.uint8, {}),
        ("png", np.uint16, {}),
        ("webp", np.uint8, {"lossless": True}),
        ("tif", np.uint8, {}),
        ("tif", np.uint16, {}),
        ("tif", np.uint8, {"compression": "tiff_lzw"}),
        ("tif", np.uint16, {"compression": "tiff_lzw"}),
        ("jpg", np.uint8, {"quality": 100}),
    ],
)
def test_photographs_are_upright(orientation, suffix, dtype, options, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(WEDGE.astype(dtype)).save(tmp_path / f"x.{suffix}", exif=exif, **options)
    image = read_image(tmp_path / f"x.{suffix}")
    if dtype == np.uint16:
        image = np.rint(65535 * image)
    np.testing.assert_allclose(image[..., 0], UPRIGHT[orientation], atol=3 if suffix == "jpg" else 0)


def test_damaged_exif_is_no_matter(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x829A] = 6, 0.01
    Image.fromarray(WEDGE).save(tmp_path / "x.jpg", quality=100, exif=exif)
    whole, generator = (tmp_path / "x.jpg").read_bytes(), np.random.default_rng(0)
    start = whole.index(b"Exif") + 6
    for _ in range(100):
        content = bytearray(whole)
        for at in generator.integers(start, start + 40, 3):
            content[at] = generator.integers(256)
        (tmp_path / "x.jpg").write_bytes(content)
        assert sorted(read_image(tmp_path / "x.jpg").shape) == [1, 2, 3]


def pages(path, format):
    frames = [Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (0, 200)]
    frames[0].save(path, format=format, save_all=True, append_images=frames[1:])


def large(path):
    Image.new("1", (2**13, 2**13 + 1)).save(path)


#: {name: (file, what writes it, what the error says in brackets)}
BAD = {
    "text": ("a.png", lambda path: path.write_text("hello"), "no image"),
    "empty": ("a.jpg", lambda path: path.write_bytes(b""), "no image"),
    "cut off": ("a.png", lambda path: (pillow(RGB)(path), path.write_bytes(path.read_bytes()[:-25])), "truncated|broken"),
    "another format": ("a.ppm", pillow(RGB), "no image"),
    "a GIF of two": ("a.gif", lambda path: pages(path, "GIF"), "several pictures"),
    "a WebP of two": ("a.webp", lambda path: pages(path, "WEBP"), "several pictures"),
    "a PNG of two": ("a.png", lambda path: pages(path, "PNG"), "several pictures"),
    "a TIFF of two": ("a.tif", lambda path: pages(path, "TIFF"), "several pictures"),
    "large": ("a.png", large, "8193x8192 pixels, over"),
    "a link to nowhere": ("a.png", lambda path: path.symlink_to("nowhere"), "not a file"),
    "a pipe": ("a.png", lambda path: os.mkfifo(path), "not a file"),
    "a folder": ("a.png", lambda path: path.mkdir(), "not a file"),
    "bytes in the name": (os.fsdecode(b"a\xff.png"), lambda path: path.write_text("hello"), "no image"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_refused_with_the_rule(name, tmp_path):
    file, write, reason = BAD[name]
    write(tmp_path / file)
    with pytest.raises(ValueError, match=rf"whole PNG, .* one picture. Received: .*a.*\((?s:.*){reason}") as caught:
        read_image(tmp_path / file)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("write", "received"),
    {
        "integers": (pillow(np.array([[0, 70000]], np.int32)), "values from 0 to 70000"),
        "signed": (tiff(b"\xff\xff\x01\0", 2, 1, 16, kind=2), "values from -1 to 1"),
        "floats": (pillow(np.array([[0, 1.5]], np.float32)), "values from 0 to 1.5"),
        "NaN": (pillow(np.array([[0, np.nan]], np.float32)), "NaN"),
    }.values(),
)
def test_deep_images_out_of_range_are_refused(write, received, tmp_path):
    write(tmp_path / "a.tif")
    with pytest.raises(
        ValueError, match=rf"^Images of 32-bit numbers must lie in \[0, 1\]. Received: .*a.tif with {received}$"
    ):
        read_image(tmp_path / "a.tif")


def test_a_jpeg_with_previews_is_its_picture(tmp_path):
    pages(tmp_path / "a.jpg", "MPO")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), np.zeros((4, 4, 1)))


class TestMany:
    def test_grey_and_colour_become_colour(self, tmp_path):
        files = [tmp_path / f"{i}.png" for i in range(3)]
        for file, pixels in zip(files, (GREY, RGB, GREY), strict=True):
            pillow(pixels)(file)
        images, kept = read_images(files)
        np.testing.assert_array_equal(
            images, [np.repeat(GREY[..., None], 3, axis=-1), RGB, np.repeat(GREY[..., None], 3, axis=-1)]
        )
        assert images.dtype == np.uint8 and kept.tolist() == [0, 1, 2]

    @pytest.mark.parametrize(
        "order", ["grey, deep, colour", "colour, deep, grey", "deep, grey, colour", "grey, colour, deep"]
    )
    def test_bytes_and_16_bits_become_floats(self, order, tmp_path):
        made = {"grey": GREY, "colour": RGB, "deep": DEEP}
        files = [tmp_path / f"{name}.png" for name in order.split(", ")]
        for file in files:
            pillow(made[file.stem])(file)
        images, _ = read_images(files)
        assert images.dtype == np.float32 and images.shape == (3, 2, 4, 3)
        for file, image in zip(files, images, strict=True):
            pixels = made[file.stem] / np.float32(65535 if file.stem == "deep" else 255)
            np.testing.assert_array_equal(
                image, pixels if file.stem == "colour" else np.repeat(pixels[..., None], 3, axis=-1)
            )

    def test_another_size_is_refused_with_the_way_out(self, tmp_path):
        for name, shape in (("a", (3, 4)), ("b", (5, 6))):
            pillow(np.zeros(shape, np.uint8))(tmp_path / f"{name}.png")
        files = [tmp_path / "a.png", tmp_path / "b.png"]
        with pytest.raises(
            ValueError, match=r"one size, here 3x4 like .*a.png, .*config.resize=3x4 .*Received: .*b.png of 5x6"
        ):
            read_images(files)
        assert read_images(files, size=(3, 4))[0].shape == (2, 3, 4, 1)

    @pytest.mark.parametrize("odd", range(4))
    def test_the_size_of_most_is_kept(self, odd, tmp_path, capsys):
        """Also where the first has another."""
        files = [tmp_path / f"{i}.png" for i in range(4)]
        for i, file in enumerate(files):
            pillow(np.full((9, 9) if i == odd else (3, 4), i, np.uint8))(file)
        images, kept = read_images(files, "drop")
        assert images.shape == (3, 3, 4, 1) and kept.tolist() == images[:, 0, 0, 0].tolist() == sorted({0, 1, 2, 3} - {odd})
        assert f"Bad examples dropped: 1 of 4 files, the first {files[odd]}" in capsys.readouterr().out

    def test_none_that_is_good(self, tmp_path):
        for name in "ab":
            (tmp_path / name).write_text("hello")
        with pytest.raises(ValueError, match="Images must be whole"):
            read_images([tmp_path / "a", tmp_path / "b"], "drop")

    @pytest.mark.parametrize("kinds", list(itertools.permutations(["grey", "colour", "deep"])), ids="-".join)
    def test_many_are_kept_in_a_file(self, kinds, tmp_path, monkeypatch):
        """Also where one of the first kind makes room for another; the folder of temporary files keeps nothing."""
        pixels = np.random.default_rng(0).integers(256, size=(6, 8, 3), dtype=np.uint8)
        made = {"grey": pixels[..., 0], "colour": pixels, "deep": pixels[..., 0].astype(np.uint16) << 8}
        files = [tmp_path / f"{i}.png" for i in range(3)]
        for file, kind in zip(files, kinds, strict=True):
            pillow(made[kind])(file)
        expected, _ = read_images(files)
        assert not isinstance(expected, np.memmap)
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        monkeypatch.setattr(room, "_MOST_IN_MEMORY", 100)
        images, _ = read_images(files)
        assert isinstance(images, np.memmap) and not list(temporary.iterdir())
        np.testing.assert_array_equal(images, expected)

    @pytest.mark.parametrize("first", ["grey", "colour", "deep"])
    def test_memory_is_that_of_the_array(self, first, tmp_path):
        """At most twice, also where one of the first kind makes room for another."""
        files = [tmp_path / f"{i}.png" for i in range(200)]
        pixels = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
        for file in files[1:]:
            pillow(pixels)(file)
        pillow({"grey": pixels[..., 0], "colour": pixels, "deep": pixels[..., 0].astype(np.uint16)}[first])(files[0])
        (images, _), peak = allocated(read_images, files)
        assert peak < 1.5 * images.nbytes


class TestResize:
    @pytest.mark.parametrize(("resize", "size"), [("", None), ("32x48", (32, 48)), ("1x1", (1, 1))])
    def test_height_and_width(self, resize, size):
        assert parse_resize(resize) == size

    @pytest.mark.parametrize("resize", ["32", "32x", "0x3", "-1x3", "3x4x5", "32X32", " 3x3", "99999x99999", "3.0x3", "٣x٣"])
    def test_other_words_are_refused(self, resize):
        with pytest.raises(ValueError, match=r"HEIGHTxWIDTH of every image.* Received: config.resize="):
            parse_resize(resize)

    @pytest.mark.parametrize("name", ["grey", "colour and alpha", "palette", "16 bits", "1 bit"])
    def test_is_that_of_pillow(self, name, tmp_path):
        suffix, write, expected = FILES[name]
        write(tmp_path / f"a.{suffix}")
        image = read_image(tmp_path / f"a.{suffix}", (5, 3))
        resized = np.asarray(Image.fromarray(expected).resize((3, 5), Image.Resampling.LANCZOS)).clip(0, expected.max())
        np.testing.assert_array_equal(image, resized.reshape(image.shape))

    def test_stays_in_the_unit_interval(self, tmp_path):
        pillow(np.repeat(np.uint16([[0, 65535]]), 8, axis=1))(tmp_path / "a.png")
        image = read_image(tmp_path / "a.png", (1, 31))
        assert image.min() == 0 and image.max() == 1

    def test_upright_first(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.repeat(WEDGE, 4, axis=1)).save(tmp_path / "a.png", exif=exif)
        np.testing.assert_array_equal(
            read_image(tmp_path / "a.png", (12, 2))[..., 0], np.rot90(np.repeat(WEDGE, 4, axis=1), -1)
        )

    def test_training_and_predictions_agree(self, tmp_path):
        """Of files of three sizes, one of them of 16 bits."""
        generator = np.random.default_rng(0)
        for i, shape in enumerate([(8, 8), (12, 10), (30, 20, 3), (8, 8)]):
            for label in "ab":
                (tmp_path / label).mkdir(exist_ok=True)
                pixels = generator.integers(256, size=shape).astype(np.uint16 if i == 3 else np.uint8)
                pillow(pixels * 200 if i == 3 else pixels)(tmp_path / label / f"{i}.png")
        with pytest.raises(ValueError, match="Images must all have one size"):
            data.load(f"folder:{tmp_path}", 0, 0)
        dataset = data.load(f"folder:{tmp_path}", 0, 0, resize="8x9")
        trained = np.concatenate([dataset.x_train, dataset.x_test])
        assert trained.shape == (8, 8, 9, 3)
        ((_, x, bad),) = data.Examples(str(tmp_path), (8, 9, 3), dataset.raw_dtype, resize=True).batches(9)
        assert not bad and dataset.raw_dtype == "float32"
        rows = [images.reshape(8, -1) for images in (trained, x)]
        np.testing.assert_array_equal(*(row[np.lexsort(row.T)] for row in rows))
