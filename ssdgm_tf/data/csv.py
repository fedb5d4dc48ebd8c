"""A data set in text tables: `--config.data=csv:FILE` or `csv:TRAIN,TEST`."""

import re
from typing import Any

import numpy as np
from tqdm import tqdm

from ssdgm_tf.checks import UNLABELLED
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import from_arrays, listed
from ssdgm_tf.data.names import find_files
from ssdgm_tf.data.raw import TextPixels
from ssdgm_tf.data.text_table import TextTable, is_number, is_text
from ssdgm_tf.schema.cells import MISSING

_DEFAULT_TARGET = "label"
# What the text of a table has in place of bytes that are no text.
_UNDECODED = re.compile("[\udc80-\udcff\ufffd]")
_SHAPE = re.compile(r"([1-9]\d*)x([1-9]\d*)(?:x([1-9]\d*))?")


def load_csv(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
    target: str = "",
    image_shape: str = "",
) -> SemiSupervisedData:
    """Tables in text files: `--config.data=csv:FILE` or `--config.data=csv:TRAIN,TEST`; their form is that of `TextTable`.

    One column holds the label, the others hold numbers. Vectors [N, D] stay as they are. Labels may be text, then classes
    are in alphabetical order, or whole numbers of at least 0, in theirs. An empty cell, NA, or the number -1 is no label.

    With `image_shape` the numbers of a row are an image, row by row, the channels of a pixel side by side; the whole file
    holds bytes or numbers in [0, 1], see `TextPixels`.

    Args:
        path: one file, or two separated by a comma, with the same columns. Of one file a fifth of the examples of each
            class, drawn by the seed, is the test set, and the training examples are shuffled by the seed.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split and of the label draw.
        num_validation: number of labelled training examples held out of training: the last in the (shuffled) order.
        data_dir: folder that relative paths start from; None for the current one.
        bad_examples: "stop" at a row that does not hold a number in every column, or "drop" it and print how many there
            were.
        target: name of the label column, or its index, from 0 without an index of rows, or from -1 backwards; "" for the
            column "label".
        image_shape: "HxW" or "HxWxC"; "" for vectors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files in another form, an unclear target, or too few labelled examples to draw.
    """
    shape = parse_image_shape(image_shape)
    files = find_files("csv", path, data_dir)
    first = _Columns(TextTable(files[0]), target, None)
    columns = [first, *(_Columns(TextTable(file), target, first) for file in files[1:])]
    parts = [_read(one, shape, bad_examples) for one in columns]
    names = tuple(f"{what} of {file.name}" for file in files for what in ("rows", "labels"))
    numbered, class_names = _numbered([labels for _, labels, _ in parts], names[1::2])
    train, *test = [(x, y) for (x, *_), y in zip(parts, numbered, strict=True)]
    test_set, ids = test[0] if test else None, [f"line {line}" for line in parts[0][2]]
    made = from_arrays(train, test_set, names, num_labels, seed, num_validation, bad_examples, class_names, ids)
    named = first.names or []
    if len(set(named)) < len(named):
        print(f"Names of columns are not kept: {files[0].name} has some of them twice")
        return made
    return made._replace(columns=tuple(named))


def parse_image_shape(image_shape: str) -> tuple[int, ...]:
    """The shape (H, W, C) that a config names; () for "".

    Args:
        image_shape: "HxW", "HxWxC" or "".

    Raises:
        ValueError: another form.
    """
    if not image_shape:
        return ()
    found = _SHAPE.fullmatch(image_shape)
    if found is None:
        raise ValueError(f"image_shape must be 'HxW' or 'HxWxC', such as '28x28', or ''. Received: {image_shape!r}")
    return tuple(int(size or 1) for size in found.groups())


class _Columns:
    """Which columns of a table hold the label and the features.

    Args:
        table: the table.
        target: see `load_csv`.
        like: the columns of the training table, whose features are taken in their order; None for the training table.

    Attributes:
        label: index of the label column.
        features: indices of the feature columns.
        names: their names; None without a header.

    Raises:
        ValueError: an unclear target, or other columns than in the training table.
    """

    def __init__(self, table: TextTable, target: str, like: "_Columns | None") -> None:
        self.table, self.label = table, _label_column(table, target)
        self.features = [index for index in range(table.width) if index != self.label]
        self.names = [table.names[index] for index in self.features] if table.names else None
        if like is None or self.names == like.names:
            return
        mine, other = self.names or [], like.names or []
        if sorted(mine) != sorted(other) or len(set(mine)) < len(mine):
            different = sorted(set(mine) ^ set(other))
            raise ValueError(
                "The training and the test table must have the same columns. Received: "
                f"{like.table.path} and {table.path}, which differ in {', '.join(map(repr, different[:5])) or 'order'}"
            )
        self.features = [self.features[mine.index(name)] for name in other]
        self.names = like.names

    @property
    def shown(self) -> list[str]:
        """The names of the features, or their numbers from 1."""
        return self.names or [str(index + 1) for index in self.features]


def _label_column(table: TextTable, target: str) -> int:
    """The index of the label column.

    Raises:
        ValueError: none, or several.
    """
    names, wanted = table.names or [], target or _DEFAULT_TARGET
    if names.count(wanted) == 1:
        return names.index(wanted)
    if wanted not in names and re.fullmatch(r"-?\d+", target) and -table.width <= int(target) < table.width:
        return int(target) % table.width
    shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    raise ValueError(
        "target must be the name of one column, the label's, or its index. "
        f"Received: {target!r}, and {table.path} with {shown or f'{table.width} columns without names'}"
    )


def _read(columns: _Columns, shape: tuple[int, ...], bad_examples: str) -> tuple[np.ndarray, list[str], list[int]]:
    """The features [N, D] or images [N, H, W, C] of a table, the cells of its label column [N], and its lines [N].

    Bad rows are left out where they are dropped. Prints what is no row, and how many were bad.

    Raises:
        ValueError: a bad row that stops, columns of text, or an image shape that does not fit.
    """
    table = columns.table
    for note in table.notes:
        print(note)
    if shape and len(columns.features) != np.prod(shape):
        raise ValueError(
            f"image_shape must fit the columns beside the label. Received: {'x'.join(map(str, shape))} = {np.prod(shape)} "
            f"numbers, and {len(columns.features)} such columns in {table.path}"
        )
    rows, bad = _rows(columns)
    x = {line: values for line, (values, _) in rows.items()}
    if shape:
        x, words = _images(x, bad, shape)
        print(f"The images of {table.path.name} are {words}")
    if bad and bad_examples == "stop":
        raise ValueError(f"{bad[min(bad)]}, in line {min(bad)} of {table.path}")
    if not x:
        raise ValueError(f"A table must hold good rows. Received: {table.path}, whose first row is bad: {bad[min(bad)]}")
    first, *others = (label for _, label in rows.values())
    if not table.names and is_text(first) and not any(map(is_text, others)):
        raise ValueError(
            "A first row must hold names only, or an example. Received: numbers beside "
            f"{first!r} as the label, in line {min(rows)} of {table.path}, and numbers as the other labels"
        )
    if bad:
        print(f"Bad examples dropped: {len(bad)} of {len(bad) + len(x)} in {table.path.name}, {listed(sorted(bad))} (lines)")
    return np.stack(list(x.values())), [rows[line][1] for line in x], list(x)


def _rows(columns: _Columns) -> tuple[dict[int, tuple[np.ndarray, str]], dict[int, str]]:
    """{line: features and label} of the good rows, and {line: reason} of the bad ones.

    Raises:
        ValueError: columns that hold text in every row.
    """
    rows: dict[int, tuple[np.ndarray, str]] = {}
    bad: dict[int, str] = {}
    text: set[int] | None = None
    names = columns.shown
    for row in tqdm(columns.table.rows(), desc=f"reading {columns.table.path.name}", unit="row", delay=2, leave=False):
        if row.cells is None:
            bad[row.line] = row.reason
            continue
        cells = [row.cells[index] for index in columns.features]
        values, reason = columns.table.numbers(cells, names)
        if values is not None:
            rows[row.line] = values, row.cells[columns.label]
            text = set()
            continue
        bad[row.line] = reason
        if text is None or text:
            of_row = {index for index, cell in enumerate(cells) if is_text(cell)}
            text = of_row if text is None else text & of_row
    if text:
        named = [repr(names[index]) for index in sorted(text)]
        raise ValueError(
            f"Columns beside the label must hold numbers. Received: {columns.table.path} with text in {', '.join(named)}"
        )
    return rows, bad


def _images(x: dict[int, np.ndarray], bad: dict[int, str], shape: tuple[int, ...]) -> tuple[dict[int, np.ndarray], str]:
    """{line: image} of the good rows, and what their pixels are, in words. Adds the other rows to `bad`."""
    pixels = TextPixels()
    for line, values in x.items():
        pixels.see(line, values)
    images = {}
    for line, values in x.items():
        image, reason = pixels.read(values)
        if image is None:
            bad[line] = reason
        else:
            images[line] = image.reshape(shape)
    return images, pixels.words


def _numbered(parts: list[list[str]], names: tuple[str, ...]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The labels of the training and test rows as numbers [N], -1 for none, and the names of the classes.

    The names are () for the numbers 0..K-1.

    Raises:
        ValueError: labels that are no classes, fewer than two classes, or a test label that is none of them.
    """
    for cells, name in zip(parts, names, strict=True):
        if damaged := next((cell for cell in cells if _UNDECODED.search(cell)), None):
            raise ValueError(f"Names of classes must be text in UTF-8. Received: {name} with {damaged!r}")
        if unknown := sum(map(_is_unlabelled, cells)):
            print(f"Without a label: {unknown} of {len(cells)} {name}")
    known = {cell for cell in parts[0] if not _is_unlabelled(cell)}
    are_numbers = all(map(is_number, known))
    if fractional := sorted(cell for cell in known if are_numbers and not float(cell).is_integer()):
        raise ValueError(f"Labels must be classes: text or whole numbers. Received: {names[0]} with {fractional[0]}")
    if negative := sorted((cell for cell in known if are_numbers and float(cell) < 0), key=float):
        raise ValueError(
            f"Labels that are numbers must be at least 0, or {UNLABELLED} for no label. "
            f"Received: {names[0]} with {negative[0]}"
        )

    def value(cell: str) -> float | str:
        return float(cell) if are_numbers and is_number(cell) else cell

    classes: list[Any] = sorted({value(cell) for cell in known})
    class_names = tuple(str(int(label)) if are_numbers else label for label in classes)
    if len(classes) < 2:
        raise ValueError(
            f"Labels must be of two classes or more; {UNLABELLED} and empty cells are no label. "
            f"Received: {names[0]} with {', '.join(class_names) or 'none'}"
        )
    numbers = {label: number for number, label in enumerate(classes)}
    if other := [cell for cells in parts for cell in cells if not _is_unlabelled(cell) and value(cell) not in numbers]:
        raise ValueError(
            f"Test labels must be among the training classes {', '.join(class_names[:10])}. "
            f"Received: {names[-1]} with {other[0]!r}"
        )
    numbers |= {value(cell): UNLABELLED for cells in parts for cell in cells if _is_unlabelled(cell)}
    numbered = [np.array([numbers[value(cell)] for cell in cells], np.int32) for cells in parts]
    is_plain = class_names == tuple(map(str, range(len(classes))))
    return numbered, () if is_plain else class_names


def _is_unlabelled(cell: str) -> bool:
    return cell in MISSING or (is_number(cell) and float(cell) == UNLABELLED)
