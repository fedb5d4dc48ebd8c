"""Text tables as data sets: the label column, names of classes, images, and what is refused."""

import numpy as np
import pytest

from ssdgm_tf import data

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(scale=50, size=(30, 3)).round(2)
Y = np.arange(30) % 3


@pytest.fixture
def load(tmp_path):
    """Writes text, one string for each file, and loads it."""

    def write_and_load(*texts, num_labels=0, num_validation=0, **options):
        names = [f"{i}.csv" for i in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        path = f"csv:{','.join(names)}"
        return data.load(path, num_labels, 0, num_validation, data_dir=str(tmp_path), **options)

    return write_and_load


def text(x=X, labels=Y, header="a,b,c,label"):
    rows = [",".join([*map("{:g}".format, row), str(label)]) for row, label in zip(x, labels, strict=True)]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


def by_row(*parts):
    """{example: label} of arrays."""
    return {tuple(np.round(row, 3).ravel().tolist()): int(label) for x, y in parts for row, label in zip(x, y, strict=True)}


def test_one_file_holds_a_fifth_of_each_class_out(load):
    dataset = load(text(), num_validation=4)
    assert dataset.x_train.shape == (20, 3) and dataset.x_train.dtype == np.float32 and dataset.raw_dtype == "float32"
    assert np.bincount(dataset.y_test).tolist() == [2, 2, 2] and len(dataset.x_validation) == 4
    assert dataset.class_names == () and dataset.num_classes == 3
    parts = [(getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")) for part in ("train", "validation", "test")]
    assert by_row(*parts) == by_row((X.astype(np.float32), Y))
    assert len(set(dataset.y_validation.tolist())) > 1  # not the last class alone
    again = load(text(), num_validation=4)
    np.testing.assert_array_equal(again.x_train, dataset.x_train)


def test_two_files_keep_their_order(load):
    dataset = load(text(), text(X[:6], Y[:6]))
    np.testing.assert_array_equal(dataset.x_train, X.astype(np.float32))
    np.testing.assert_array_equal(dataset.y_test, Y[:6])


def test_columns_of_the_test_table_are_found_by_name(load):
    dataset = load(text(), text(X[:6, ::-1], Y[:6], "c,b,a,label"))
    np.testing.assert_array_equal(dataset.x_test, X[:6].astype(np.float32))


NAMED = np.array(["cat", "ant", "bee"])[Y]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (NAMED, ("ant", "bee", "cat")),
        (np.array([7, 10, 9])[Y], ("7", "9", "10")),
        (np.array(["7", "10.0", "9"])[Y], ("7", "9", "10")),
        (np.array(["x1", "2", "x3"])[Y], ("2", "x1", "x3")),
        (np.array(['"a, b"', "é", "c"])[Y], ("a, b", "c", "é")),
    ],
)
def test_classes_have_names(load, labels, names):
    dataset = load(text(labels=labels), text(labels=labels))
    assert dataset.class_names == names
    plain = [str(label).strip('"').removesuffix(".0") for label in labels]
    assert [names[label] for label in dataset.y_train] == plain == [names[label] for label in dataset.y_test]


@pytest.mark.parametrize("gap", ["", "NA", "nan", "-1", "-1.0"])
@pytest.mark.parametrize("labels", [Y, NAMED])
def test_a_row_without_a_label_is_trained_on(load, gap, labels, capsys):
    labels = labels.astype("U9")
    labels[[3, 8]] = gap
    dataset = load(text(labels=labels))
    assert len(dataset.x_train) == 26 and np.sum(dataset.y_train == -1) == 2 and (dataset.y_test >= 0).all()
    assert "Without a label: 2 of 30 labels of 0.csv" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "target", "column"),
    [
        ("label,b,c,d", "", 0),
        ("a,label,c,d", "", 1),
        ("a,b,kind of thing,d", "kind of thing", 2),
        ("a,b,c,d", "1", 1),
        ("a,b,c,d", "-1", 3),
        (None, "0", 0),
        (None, "-1", 3),
        ("0,1,2,3", "2", 2),
        ("0,1,label,2", "", 2),
        ("0,1,label,2", "label", 2),
        ("b,label,a,1x", "-3", 1),
    ],
)
def test_the_label_column(load, header, target, column):
    order = [0, 1, 2]
    order.insert(column, 3)
    columns = np.column_stack([X.astype(str), Y.astype(str)])[:, order]
    written = "\n".join([*([header] if header else []), *map(",".join, columns)])
    dataset = load(written, written, target=target)
    np.testing.assert_array_equal(dataset.y_train, Y)
    np.testing.assert_array_equal(dataset.x_train, X.astype(np.float32))


def test_an_index_is_left_out_and_said(load, capsys):
    lines = text().splitlines()
    written = "\n".join(["," + lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:]))])
    dataset = load(written, written)
    np.testing.assert_array_equal(dataset.x_train, X.astype(np.float32))
    said = capsys.readouterr().out
    assert "An index was left out of 0.csv" in said and "Line 1 of 1.csv is a header: 'a', 'b', 'c', ..." in said


@pytest.mark.parametrize("shape", ["2x3", "2x3x1", "1x2x3"])
def test_rows_may_be_images(load, shape):
    images = GENERATOR.integers(0, 256, (30, 6))
    header = "label,p0,p1,p2,p3,p4,p5"
    rows = [",".join(map(str, [label, *row])) for label, row in zip(Y, images, strict=True)]
    dataset = load("\n".join([header, *rows]), "\n".join([header, *rows]), image_shape=shape)
    expected = (2, 3, 1) if shape[0] == "2" else (1, 2, 3)
    np.testing.assert_allclose(dataset.x_train, images.reshape(30, *expected) / 255, rtol=1e-6)
    assert dataset.raw_dtype == "uint8"
    rows = [",".join(map(str, [label, *row])) for label, row in zip(Y, images / 255, strict=True)]
    dataset = load("\n".join([header, *rows]), "\n".join([header, *rows]), image_shape=shape)
    np.testing.assert_allclose(dataset.x_train, images.reshape(30, *expected) / 255, rtol=1e-6)
    assert dataset.raw_dtype == "float32"


def changed(line, old, new, **options):
    """The table with a change in one line."""
    lines = text(**options).splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return "\n".join(lines)


def test_bad_rows_stop_with_their_line_or_are_dropped_and_counted(load, capsys):
    x = X.copy()
    x[[4, 9]] = 111
    written = text(x).replace("111", "NA")
    with pytest.raises(ValueError, match=r"finite number in every column. Received: 'NA' in column 'a', in line 6 of"):
        load(written)
    dataset = load(written, written, bad_examples="drop")
    np.testing.assert_array_equal(dataset.x_train, np.delete(X, [4, 9], axis=0).astype(np.float32))
    np.testing.assert_array_equal(dataset.y_train, np.delete(Y, [4, 9]))
    assert "Bad examples dropped: 2 of 30 in 0.csv, at 6, 11 (lines)\n" in capsys.readouterr().out


@pytest.mark.parametrize("files", [1, 2])
def test_examples_have_the_names_of_their_lines(load, files):
    x = X.copy()
    x[[4, 9]] = 111
    dataset = load(*[text(x).replace("111", "NA")] * files, num_validation=4, bad_examples="drop")
    rows = [int(np.argmin(np.abs(X - row).sum(axis=1))) for row in np.asarray(dataset.x_train)]
    assert len(rows) == (20 if files == 1 else 24)
    assert list(dataset.ids) == [f"line {row + 2}" for row in rows]


PIXELS = text(GENERATOR.integers(0, 256, (30, 3)))


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([text(header="a,b,c,kind")], {}, "target must be .* Received: '', and .* with 'a', 'b', 'c', 'kind'"),
        ([text(header=None)], {}, "target must be .* Received: '', and .* with 4 columns without names"),
        ([text()], {"target": "x"}, "target must be .* Received: 'x'"),
        ([text()], {"target": "4"}, "target must be .* Received: '4'"),
        ([text(header="label,b,c,label")], {}, "the name of one column, the label's"),
        ([text(labels=X[:, 0])], {}, r"Labels must be classes: text or whole numbers. Received: labels of 0.csv with -?\d"),
        (
            [text(labels=np.where(Y > 0, 1, -1))],
            {},
            "two classes or more; -1 and empty cells are no label. Received: .* with 1",
        ),
        (
            [text(header="7,8,9,label")],
            {"target": "3"},
            "names only, or an example. Received: numbers beside 'label' .* in line 1",
        ),
        ([text(labels=["NA"] * 30)], {}, "two classes or more; .* with none"),
        ([text(labels=["a", "b", "b"] + ["c"] * 27)], {}, "at least two examples, .* Received: one of class a"),
        ([text(), text(labels=NAMED)], {}, "among the training classes 0, 1, 2. Received: labels of 1.csv with 'cat'"),
        ([text(), text(labels=Y + 0.5)], {}, "among the training classes 0, 1, 2. Received: labels of 1.csv with '0.5'"),
        ([text(), text(labels=np.where(Y, Y, -1))], {}, "Test labels must all be known .* labels of 1.csv with -1"),
        ([text(labels=np.array(["a", "\udce9", "b"])[Y]).encode("utf-8", "surrogateescape")], {}, "must be text in UTF-8"),
        (
            [text(header="a,b,b,label"), text(header="b,a,b,label")],
            {},
            "must have the same columns. .* which differ in order",
        ),
        ([text(X * 0 + 7, header=None).replace("7,7", "7,NA", 1)], {"target": "-1"}, "'NA' in column '2', in line 1 of"),
        ([text(), text(header="a,b,d,label")], {}, "must have the same columns. .* which differ in 'c', 'd'"),
        ([text(), text(header=None)], {"target": "3"}, "must have the same columns"),
        ([text(), text(X[:, :2], header="a,b,label")], {}, "must have the same columns. .* which differ in 'c'"),
        ([text(np.full((30, 3), 7)).replace("7,7,", "red,7,")], {}, "must hold numbers. Received: .* with text in 'a'$"),
        ([text(np.full((30, 3), 7)).replace("7,7,7", "x,7,y")], {"bad_examples": "drop"}, "with text in 'a', 'c'"),
        ([changed(5, ",", ";,")], {}, "finite number in every column. Received: .* in line 5 of"),
        ([changed(5, ",", ",,")], {}, "A row must hold 4 cells, .* Received: 5 cells, separated by commas, in line 5 of"),
        ([text().replace(",", ";").replace(".", ",")], {}, "must have a decimal point. Received: .* in line 2 of"),
        ([""], {}, "must hold rows"),
        ([PIXELS], {"image_shape": "2x2"}, "must fit .* Received: 2x2x1 = 4 numbers, and 3 such columns"),
        ([PIXELS], {"image_shape": "3"}, "image_shape must be 'HxW' or 'HxWxC'.* Received: '3'"),
        ([PIXELS], {"image_shape": "3x0"}, "image_shape must be 'HxW' or 'HxWxC'"),
        ([text(np.full((30, 3), 300))], {"image_shape": "3x1"}, "whole numbers in 0..255. .* in line 2 of"),
        ([text(np.full((30, 3), -0.5))], {"image_shape": "3x1"}, r"lie in \[0, 1\]. .* in line 2 of"),
        (
            [text(np.where(np.arange(30)[:, None] > 3, 0.5, np.full(3, 7)))],
            {"image_shape": "3x1"},
            "of both, such as lines 2 and 6",
        ),
        ([b"a,b\0,c,label\n1,2,3,4\n"], {}, "must be text in UTF-8"),
    ],
)
def test_what_is_refused(load, texts, options, message):
    with pytest.raises(ValueError, match=message) as refused:
        load(*texts, **options)
    assert "Received" in str(refused.value)


@pytest.mark.parametrize("field", ["target", "image_shape"])
@pytest.mark.parametrize("name", ["digits", "npz:x.npz", "mnist"])
def test_its_fields_are_for_no_other_data(field, name, tmp_path):
    with pytest.raises(
        ValueError, match=f"{field} is for csv: data, and must be '' for other data. Received: '2' with '{name}'"
    ):
        data.load(name, 30, 0, data_dir=str(tmp_path), **{field: "2"})
