"""Examples read in batches: the same values as read at once, bad ones apart, and memory that does not grow with the file."""

import numpy as np
import pytest
from PIL import Image

from ssdgm_tf.data import Examples
from tests.memory import allocated


def read(path, shape, dtype=None, size=3):
    names, values, bad = [], [], []
    for some, x, wrong in Examples(str(path), shape, dtype).batches(size):
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


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [bool, np.int64, np.float16, np.float32])
def test_arrays_of_any_kind_and_order(tmp_path, kind, order):
    x = np.asarray(np.random.default_rng(0).uniform(size=(7, 4, 3, 1)) < 0.5, kind, order=order)
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "x.npy", x)
    for name in ("x.npz", "x.npy"):
        _, made, bad = read(tmp_path / name, (4, 3, 1))
        np.testing.assert_array_equal(made, 255 * (x > 0))
        assert not bad and made.dtype == np.uint8


def test_a_model_of_bytes_takes_multiples_of_1_255_only(tmp_path):
    x = np.array([[[0.0, 1.0]], [[3 / 255, 0.5]], [[200 / 255, 7 / 255 + 3e-6]]], np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    names, made, bad = read(tmp_path / "x.npz", (1, 2, 1))
    assert names == ["0", "2"] and made[..., 0].tolist() == [[[0, 255]], [[200, 7]]]
    assert "trained on bytes: numbers must be multiples of 1/255. Received: 0.5" in bad["1"]


def test_a_model_of_numbers_takes_bytes_divided_by_255_and_numbers_as_they_are(tmp_path, images):
    np.savez(tmp_path / "x.npz", x=images)
    _, made, _ = read(tmp_path / "x.npz", (4, 3, 1), "float32")
    np.testing.assert_array_equal(made, images / np.float32(255))
    np.savez(tmp_path / "x.npz", x=images / 300)
    _, made, bad = read(tmp_path / "x.npz", (4, 3, 1), "float32")
    np.testing.assert_array_equal(made, (images / 300).astype(np.float32))
    assert made.dtype == np.float32 and not bad


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_whole_numbers_of_an_array_are_no_bytes_unless_it_says_so(tmp_path, images, dtype):
    """As in training: an array has a dtype."""
    np.savez(tmp_path / "x.npz", x=images.astype(np.int64))
    names, _, bad = read(tmp_path / "x.npz", (4, 3, 1), dtype)
    assert not names and len(bad) == 7 and all("must be uint8 or lie in [0, 1]. Received: values" in r for r in bad.values())


def test_a_value_beyond_float32_is_no_number(tmp_path):
    np.savez(tmp_path / "x.npz", x=[[1.0, 2.0], [1e300, 2.0]])
    names, _, bad = read(tmp_path / "x.npz", (2,))
    assert names == ["0"] and "finite in float32" in bad["1"]


def lines_of(images):
    return [",".join(map(str, row)) for row in images.reshape(len(images), -1)]


def test_a_csv_file(tmp_path, images):
    lines = lines_of(images)
    (tmp_path / "x.csv").write_text("\n".join(["a,header", *lines[:2], "1,2", "x" * 30, *lines[2:], ",".join(["256"] * 12)]))
    names, x, bad = read(tmp_path / "x.csv", (4, 3, 1))
    np.testing.assert_array_equal(x, images)
    assert names == ["2", "3", "6", "7", "8", "9", "10"] and set(bad) == {"4", "5", "11"}
    assert "0..255" in bad["11"] and "12 numbers" in bad["4"]
    examples = Examples(str(tmp_path / "x.csv"), (4, 3, 1))
    assert examples.total == 10 and examples.notes == [
        "Line 1 of x.csv is a header: 'a', 'header'",
        "The images of x.csv are bytes, up to 256",
    ]


NUMBERED = ",".join(map(str, range(12)))
#: Files of the same seven images: what they begin with, how they are written, how many rows are bad, and notes.
TABLES = {
    "plain": ("", str.encode, 0, 0),
    "a byte-order mark": ("", lambda text: text.encode("utf-8-sig"), 0, 0),
    "UTF-16": ("", lambda text: text.encode("utf-16"), 0, 0),
    "UTF-32": ("", lambda text: text.encode("utf-32"), 0, 0),
    "lines of Windows": ("", lambda text: text.replace("\n", "\r\n").encode(), 0, 0),
    "lines of old Macs": ("", lambda text: text.replace("\n", "\r").encode(), 0, 0),
    "blank lines": ("\n", lambda text: text.replace("\n", "\n\n").encode(), 0, 0),
    "semicolons": ("", lambda text: text.replace(",", ";").encode(), 0, 0),
    "tabs": ("", lambda text: text.replace(",", "\t").encode(), 0, 0),
    "spaces": ("", lambda text: text.replace(",", ", ").encode(), 0, 0),
    "quotes": ("", lambda text: text.replace(",", '","').replace("\n", '"\n"').join('""').encode(), 0, 0),
    "a header": (",".join("abcdefghijkl") + "\n", str.encode, 0, 1),
    "a header in quotes": (",".join(f'"{name},"' for name in "abcdefghijkl") + "\n", str.encode, 0, 1),
    "a header of text that is no UTF-8": (
        "\udce9," * 11 + "b\n",
        lambda text: text.encode("utf-8", "surrogateescape"),
        0,
        1,
    ),
    "the header of an array": (NUMBERED + "\n", str.encode, 0, 1),
    "an index": (",".join("_abcdefghijkl").replace("_", "") + "\n", lambda text: indexed(text), 0, 2),
    "an index read again": ("Unnamed: 0," + NUMBERED + "\n", lambda text: indexed(text), 0, 2),
    "two of them": ("Unnamed: 0.1,Unnamed: 0," + NUMBERED + "\n", lambda text: indexed(indexed(text)), 0, 2),
    "NA first": ("NA," + ",".join(["7"] * 11) + "\n", str.encode, 1, 0),
    "an empty cell first": ("," + ",".join(["7"] * 11) + "\n", str.encode, 1, 0),
    "text first": ("cat," + ",".join(["7"] * 11) + "\n", str.encode, 1, 0),
    "a short row of numbers first": ("0,1,2\n", str.encode, 1, 0),
    "infinity": (",".join(["inf"] * 12) + "\n", str.encode, 1, 0),
    "a number with _": (",".join(["1_0"] * 12) + "\n", str.encode, 0, 1),  # as text, a header
    "_ below a number": (NUMBERED + "\n" + ",".join(["1_0", *"7" * 11]) + "\n", str.encode, 1, 1),
    "a quote that does not close": ('"7,' + ",".join(["7"] * 11) + "\n", str.encode, 1, 0),
}


def indexed(text):
    """The text with a number before each line but the first."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"{number},{line}" for number, line in enumerate(rest))]) if isinstance(text, str) else text


@pytest.mark.parametrize("case", TABLES)
def test_no_row_of_a_table_is_lost_or_made_up(tmp_path, images, case):
    start, encode, num_bad, num_notes = TABLES[case]
    written = encode(start + "\n".join(lines_of(images)))
    (tmp_path / "x.csv").write_bytes(written if isinstance(written, bytes) else written.encode())
    names, x, bad = read(tmp_path / "x.csv", (4, 3, 1))
    np.testing.assert_array_equal(x, images)
    assert len(bad) == num_bad and len(Examples(str(tmp_path / "x.csv"), (4, 3, 1)).notes) == num_notes + 1
    assert names == sorted(names, key=int)


def test_the_whole_of_a_table_says_whether_its_images_are_bytes(tmp_path, images):
    x = images[:3].astype(float)
    x[0] = 1  # one step above black, or white
    cases = {
        "bytes": (x, x),
        "numbers": (x / 255, x),
        "black and white": (x * 0 + (x > 1), 255.0 * (x > 1)),
    }
    cases["numbers"][0][0], cases["numbers"][1][0] = 1, 255
    for name, (written, expected) in cases.items():
        np.savetxt(tmp_path / "x.csv", written.reshape(3, -1), fmt="%.9g", delimiter=",")
        _, made, bad = read(tmp_path / "x.csv", (4, 3, 1))
        np.testing.assert_array_equal(made, expected, name)
        _, made, bad = read(tmp_path / "x.csv", (4, 3, 1), "float32")
        np.testing.assert_allclose(made, expected / 255, rtol=1e-6)
        assert not bad


def test_a_table_of_both_is_refused_row_by_row(tmp_path, images):
    rows = [*images[:2].reshape(2, -1), images[2].reshape(-1) / 255, np.full(12, 7.5)]
    np.savetxt(tmp_path / "x.csv", rows, fmt="%.6f", delimiter=",")
    names, _, bad = read(tmp_path / "x.csv", (4, 3, 1))
    assert not names and len(bad) == 4
    assert all("Received: a file of both, such as lines 1 and 3" in reason for reason in bad.values())


def test_numbers_between_bytes_are_bad_rows_of_a_table_of_bytes(tmp_path, images):
    rows = [*images[:2].reshape(2, -1), np.full(12, 7.5), np.full(12, -1)]
    np.savetxt(tmp_path / "x.csv", rows, fmt="%g", delimiter=",")
    names, _, bad = read(tmp_path / "x.csv", (4, 3, 1))
    assert names == ["1", "2"] and set(bad) == {"3", "4"} and "bytes must be whole numbers in 0..255" in bad["3"]


def test_decimal_commas_are_refused_in_words(tmp_path):
    (tmp_path / "x.csv").write_text("0,5;0,25;1,0\n1;0;1\n0,5;0,25;1,0\n")
    names, _, bad = read(tmp_path / "x.csv", (3,))
    assert names == ["2"] and set(bad) == {"1", "3"}
    assert bad["1"] == "Numbers must have a decimal point. Received: '0,5' in column 1"


def test_vectors_of_a_table_stay_as_they_are(tmp_path):
    x = np.random.default_rng(0).normal(scale=300, size=(5, 3)).round(3)
    np.savetxt(tmp_path / "x.tsv", x, fmt="%.3f", delimiter="\t")
    _, made, bad = read(tmp_path / "x.tsv", (3,))
    np.testing.assert_array_equal(made, x.astype(np.float32))
    assert not bad and Examples(str(tmp_path / "x.tsv"), (3,)).total is None
    (tmp_path / "x.CSV").write_text("5\n\n7\n")  # a blank line of one column is a row without a value
    names, made, bad = read(tmp_path / "x.CSV", (1,))
    assert names == ["1", "3"] and list(bad) == ["2"]


def test_a_line_without_end_is_one_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr("ssdgm_tf.data.text_table._MAX_LINE", 10)
    (tmp_path / "x.csv").write_text("1,2\n" + "3," * 40 + "4\n5,6\n")
    names, made, bad = read(tmp_path / "x.csv", (2,))
    assert names == ["1", "3"] and made.tolist() == [[1, 2], [5, 6]] and "at most 10 characters" in bad["2"]


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
        (lambda path: path.write_bytes(b"PK\x03\x04 nothing"), "must hold an array x"),
        (lambda path: path.write_text("1,2,3"), "no .npz file but text: csv:FILE"),
        (lambda path: np.savez(path, y=np.zeros(3), x_test=np.zeros(3)), "must hold an array x .* with x_test, y$"),
        (lambda path: np.savez(path, x=np.array([{}], object)), "not objects"),
        (lambda path: np.savez(path, x=np.array([["a"]])), "not objects or text"),
        (lambda path: np.savez(path, x=np.zeros((3, 9, 9))), r"x must have the shape \[N, 4, 3, 1\]"),
        (lambda path: np.savez(path, x=np.zeros((3, 1, 4, 3))), r"channels come last: np.moveaxis\(x, 1, -1\). Received"),
        (lambda path: np.savez(path, x=np.zeros((0, 4, 3, 1))), r"at least one example. Received: .* with \(0, 4, 3, 1\)"),
        (lambda path: np.savez(path, x=np.zeros(())), r"x must have the shape"),
    ],
)
def test_files_that_cannot_be_read_at_all(tmp_path, make, match):
    make(tmp_path / "x.npz")
    with pytest.raises(ValueError, match=match):
        Examples(str(tmp_path / "x.npz"), (4, 3, 1))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("x.csv", b"", "must hold rows. Received: .* without any"),
        ("x.csv", b"\n \n", "must hold rows. Received: .* without any"),
        ("x.csv", b"a,b\n", "must hold rows. Received: .* with a header only"),
        ("x.csv", "1,2\n".encode("utf-16-le"), "text in UTF-8, or in UTF-16 with a byte-order mark"),
        ("x.csv", b"PK\x03\x04", "no .csv file but an .npz file: npz:FILE reads it"),
        ("x.npy", b"1,2\n", "no .npy file but text"),
        ("x.npy", b"", "from numpy.save and hold an array"),
        ("x.mat", b"1,2\n", "no .mat file but text"),
        ("x.mat", b"\x89HDF\r\n\x1a\n", "no .mat file but an HDF5 file: save its arrays with numpy.savez"),
        ("x.mat", b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(500), "version 7.3: save it with -v7 in MATLAB"),
    ],
)
def test_files_of_another_kind_are_refused_by_their_content(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=match) as refused:
        Examples(str(tmp_path / name), (2,))
    assert "Received" in str(refused.value) and "pickle" not in str(refused.value)


def test_vectors_of_bytes_are_refused_as_in_training(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 2), np.uint8))
    with pytest.raises(ValueError, match="Vectors must be numbers other than uint8"):
        Examples(str(tmp_path / "x.npz"), (2,))


def test_other_inputs_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("1,2")
    for name in ("none.npz", "x.txt"):
        with pytest.raises(FileNotFoundError, match=r"a folder, or a \.npz, \.npy, \.mat, \.csv, \.tsv file"):
            Examples(str(tmp_path / name), (2,))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"must hold images\. Received: none in"):
        Examples(str(tmp_path / "empty"), (2, 2, 1))


def read_whole(path):
    return sum(len(names) for names, *_ in Examples(str(path), (28, 28, 1)).batches(200))


@pytest.mark.parametrize("name", ["x.npz", "x.csv"])
def test_memory_does_not_grow_with_the_file(tmp_path, name):
    peaks = []
    for number in (200, 2_000) if name == "x.csv" else (2_000, 20_000):
        if name == "x.csv":
            (tmp_path / name).write_text(("7," * 783 + "200\n") * number)
        else:
            np.savez_compressed(tmp_path / name, x=np.zeros((number, 28, 28), np.uint8))
        read, peak = allocated(read_whole, tmp_path / name)
        assert read == number
        peaks.append(peak)
    assert peaks[1] < 1.5 * peaks[0]


def read_columns(path, columns):
    examples = Examples(str(path), (3,), columns=columns)
    parts = list(examples.batches(2))
    return np.concatenate([x for _, x, _ in parts]), [one.reason for *_, bad in parts for one in bad], examples.notes


@pytest.mark.parametrize(
    ("table", "left_out"),
    {
        "their order": ("a,b,c\n1,2,3\n4,5,6\n", ""),
        "another order": ("c,a,b\n3,1,2\n6,4,5\n", ""),
        "others between": ("c,label,a,id,b\n3,x,1,NA,2\n6,,4,,5\n", "'label', 'id'"),
        "an index": (",c,a,b\n0,3,1,2\n1,6,4,5\n", ""),
        "no header": ("1,2,3\n4,5,6\n", ""),
        "an index and no header": ("1;2;3\n4;5;6\n", ""),
    }.values(),
)
def test_columns_are_found_by_their_names(table, left_out, tmp_path):
    (tmp_path / "x.csv").write_text(table)
    x, bad, notes = read_columns(tmp_path / "x.csv", ("a", "b", "c"))
    np.testing.assert_array_equal(x, [[1, 2, 3], [4, 5, 6]])
    assert not bad and [note for note in notes if "left out of x.csv: " in note and "Columns" in note] == (
        [f"Columns left out of x.csv: {left_out}"] if left_out else []
    )


def test_a_bad_number_is_named_by_its_column(tmp_path):
    (tmp_path / "x.csv").write_text("c,a,b\n3,1,2\n6,4,?\n")
    assert read_columns(tmp_path / "x.csv", ("a", "b", "c"))[1] == [
        "A row must hold a finite number in every column. Received: '?' in column 'b'"
    ]


@pytest.mark.parametrize(
    ("header", "received"), [("a,b", "no column 'c'"), ("a,b,c,c", "2 columns 'c'"), ("x", "no column 'a'")]
)
def test_a_header_without_a_column_is_refused(header, received, tmp_path):
    (tmp_path / "x.csv").write_text(f"{header}\n{','.join('1' * len(header.split(',')))}\n")
    with pytest.raises(ValueError, match=rf"each column of the training table once. Received: .*x.csv with {received}$"):
        Examples(str(tmp_path / "x.csv"), (3,), columns=("a", "b", "c"))


def test_without_names_the_columns_are_taken_in_their_order(tmp_path):
    (tmp_path / "x.csv").write_text("c,a,b\n3,1,2\n")
    np.testing.assert_array_equal(read_columns(tmp_path / "x.csv", ())[0], [[3, 1, 2]])
