"""Examples read in batches: the same values as read at once, bad ones apart, and memory that does not grow with the file."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from ssdgm_tf.data import Examples


def read(path, shape, size=3):
    names, values, bad = [], [], []
    for some, x, wrong in Examples(str(path), shape).batches(size):
        assert len(some) + len(wrong) <= size and len(some) == len(x)
        names += some
        values.append(x)
        bad += wrong
    return names, np.concatenate(values), {one.name: one.reason for one in bad}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 4, 3, 1)).astype(np.uint8)


def test_a_folder_of_images_with_bad_files_between(tmp_path, images):
    (tmp_path / "more").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / ("more" if i > 4 else ".") / f"{i}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    Image.fromarray(np.zeros((5, 3), np.uint8)).save(tmp_path / "large.png")
    (tmp_path / ".hidden").write_text("passed over")
    names, x, bad = read(tmp_path, (4, 3, 1))
    assert names == ["0.png", "1.png", "2.png", "3.png", "4.png", "more/5.png", "more/6.png"]
    np.testing.assert_array_equal(x, images)
    assert x.dtype == np.uint8 and set(bad) == {"broken.png", "large.png"}
    assert "(4, 3, 1) that the model takes. Received: (5, 3, 1)" in bad["large.png"]
    assert Examples(str(tmp_path), (4, 3, 1)).total == 9


def test_a_grey_file_among_colours(tmp_path, images):
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "grey.png")
    _, x, bad = read(tmp_path, (4, 3, 3))
    np.testing.assert_array_equal(x[0], np.repeat(images[0], 3, axis=-1))
    assert not bad


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_file(tmp_path, images, save):
    save(tmp_path / "x.npz", x=images)
    names, x, bad = read(tmp_path / "x.npz", (4, 3, 1))
    np.testing.assert_array_equal(x, images)
    assert names == list("0123456") and not bad
    save(tmp_path / "x.npz", x=images[..., 0] / 255)  # without the axis of channels, in [0, 1]
    np.testing.assert_array_equal(read(tmp_path / "x.npz", (4, 3, 1))[1], images)


def test_bad_rows_of_an_npz_file(tmp_path):
    x = np.linspace(0, 1, 12).reshape(6, 2)
    x[2, 1], x[4, 0] = np.nan, np.inf
    np.savez(tmp_path / "x.npz", x=x)
    names, values, bad = read(tmp_path / "x.npz", (2,))
    np.testing.assert_allclose(values, x[[0, 1, 3, 5]].astype(np.float32))
    assert set(bad) == {"2", "4"} and names == ["0", "1", "3", "5"]


def test_a_csv_file(tmp_path, images):
    lines = [",".join(map(str, row)) for row in images.reshape(7, -1)]
    (tmp_path / "x.csv").write_text("\n".join(["a,header", *lines[:2], "1,2", "x" * 30, *lines[2:], ",".join(["256"] * 12)]))
    names, x, bad = read(tmp_path / "x.csv", (4, 3, 1))
    np.testing.assert_array_equal(x, images)
    assert names == ["2", "3", "6", "7", "8", "9", "10"] and set(bad) == {"4", "5", "11"}
    assert "0..255" in bad["11"] and "12 numbers" in bad["4"]


def test_a_damaged_archive_ends_where_it_is_damaged(tmp_path, images):
    many = np.repeat(images, 1000, axis=0)
    np.savez(tmp_path / "x.npz", x=many)
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[50_000] ^= 255  # the archive's check sum of the array no longer fits
    (tmp_path / "x.npz").write_bytes(data)
    names, _, bad = read(tmp_path / "x.npz", (4, 3, 1), size=500)
    assert 0 < len(names) < 7000 and len(bad) == 1 and "must be whole" in next(iter(bad.values()))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: path.write_bytes(b"PK nothing"), "must hold an array x"),
        (lambda path: np.savez(path, y=np.zeros(3)), "must hold an array x"),
        (lambda path: np.savez(path, x=np.array([{}], object)), "object"),
        (lambda path: np.savez(path, x=np.zeros((3, 9, 9))), r"x must have the shape \[N, 4, 3, 1\]"),
        (lambda path: np.savez(path, x=np.asfortranarray(np.zeros((3, 4, 3, 1)))), "by columns"),
    ],
)
def test_files_that_cannot_be_read_at_all(tmp_path, make, match):
    make(tmp_path / "x.npz")
    with pytest.raises(ValueError, match=match):
        Examples(str(tmp_path / "x.npz"), (4, 3, 1))


def test_other_inputs_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder, a \.npz or a \.csv file"):
        Examples(str(tmp_path / "none.npz"), (2,))


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for number in (2_000, 20_000):
        np.savez_compressed(tmp_path / "x.npz", x=np.zeros((number, 28, 28), np.uint8))
        tracemalloc.start()
        assert sum(len(names) for names, *_ in Examples(str(tmp_path / "x.npz"), (28, 28, 1)).batches(200)) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
