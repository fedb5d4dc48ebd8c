"""Data sets by their names in configs."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdgm_tf import choices, rows
from ssdgm_tf.data import raw, table_files
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.canvases import known_places, make_canvases
from ssdgm_tf.data.csv import load_csv
from ssdgm_tf.data.digits import load_digits
from ssdgm_tf.data.faces import find_faces, load_faces
from ssdgm_tf.data.folder import find_folder, load_folder
from ssdgm_tf.data.idx import find_idx, load_idx
from ssdgm_tf.data.images import parse_resize
from ssdgm_tf.data.mat import load_mat
from ssdgm_tf.data.names import FORMS, find_files, resolve
from ssdgm_tf.data.npy import load_npy
from ssdgm_tf.data.npz import load_npz
from ssdgm_tf.data.preprocessing import (
    AffineMap,
    Standardization,
    columns_of,
    fit_preprocessing,
    lost_digits,
    parse_preprocessing,
)
from ssdgm_tf.data.public_tables import find_public_table, load_public_table
from ssdgm_tf.data.records import find_records, load_records
from ssdgm_tf.data.room import room
from ssdgm_tf.data.series import find_series, load_series
from ssdgm_tf.data.splits import draw_labels, hide_labels
from ssdgm_tf.data.tables import load_table
from ssdgm_tf.data.tfds import find_prepared, load_tfds

_FILES: dict[str, tuple[Callable[..., Path | list[Path]], Callable[..., SemiSupervisedData]]] = {
    "npz": (functools.partial(find_files, "npz"), load_npz),
    "npy": (functools.partial(find_files, "npy"), load_npy),
    "mat": (functools.partial(find_files, "mat"), load_mat),
    "csv": (functools.partial(find_files, "csv"), load_csv),
    "idx": (find_idx, load_idx),
    "folder": (find_folder, load_folder),
    "records": (find_records, load_records),
    "faces": (find_faces, load_faces),
    "tables": (find_public_table, load_public_table),
    "series": (find_series, load_series),
}
# The kinds that `load_table` reads: csv: where it is asked to.
_OF_TABLES = ("csv", "parquet")
# Tables of mixed columns whose description says what their columns and their target are.
_DESCRIBED = "tables"
# The examples of the other kinds are bytes, or all from one source.
_MAY_HOLD_BAD = ("npz", "npy", "mat", "csv", "folder", "series")
#: Ways to treat an example that breaks a rule.
BAD_EXAMPLES = ("stop", "drop")
# Numbers of training and test canvases.
_NUM_CANVASES = (20_000, 5_000)
# A name, with an optional configuration and version: cifar10_corrupted/fog_1:1.0.0
_TFDS_NAME = re.compile(r"[A-Za-z]\w*(/[\w.+=,-]+)?(:[\d.*]+)?")


def load(
    name: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    download: bool = False,
    preprocessing: str = "none",
    bad_examples: str = "stop",
    resize: str = "",
    target: str = "",
    image_shape: str = "",
    is_table: bool = False,
    schema: str = "",
) -> SemiSupervisedData:
    """The data set `name`, in the form of `--config.data=`.

    Prints the number of labels of each class where `num_labels` is not a multiple of the number of classes.

    Args:
        name: "digits" (shipped with scikit-learn), "npz:FILE" or "npz:TRAIN,TEST" (see `load_npz`), "npy:X,Y" (see
            `load_npy`), "mat:FILE" (see `load_mat`), "csv:FILE" (see `load_csv`), "parquet:FILE" or "parquet:TRAIN,TEST"
            (with `is_table`), "idx:FOLDER" (see `load_idx`),
            "folder:FOLDER" (see `load_folder`), "records:FOLDER" (see `load_records`), "faces:FILE" (see `load_faces`),
            "tables:NAME" (see `load_public_table`), "series:FILE" (see `load_series`), "canvases:NAME" (see `make_canvases`;
            the images come from the data set NAME), or a TFDS name (see `load_tfds`).
        num_labels: number of labels shown, as equal per class as possible (see `draw_labels`); 0 for all that are known.
        seed: seed of the label draw, and of the split where the source has none.
        num_validation: number of labelled training examples held out of training; 0 for the digits.
        data_dir: folder of prepared TFDS sets; relative paths of other sets start from it.
        download: whether to download and prepare a TFDS set that is not prepared.
        preprocessing: "none", "auto", "standardize", "pca:D" or "zca" (see `fit_preprocessing`), fitted on the training
            examples. How many columns of vectors, or channels of series, were standardised is printed.
        bad_examples: "stop" at a bad example of npz:, npy:, mat:, csv:, folder: or series:, with its index, line or file; or
            "drop" bad examples, and print how many there were. Examples that occur with different labels are counted and
            printed too.
        resize: "HxW", such as "32x48", to which the images of folder: are resized, see `load_folder`; "" for none.
        target: the label column of csv:, see `load_csv`, or the targets of a table, see `load_table`; "" for other data.
        image_shape: the shape of the images in csv:, see `load_csv`; "" for vectors, and for other data.
        is_table: whether csv: is a table of mixed columns with gaps, see `load_table`, and not of numbers.
        schema: of such a table: a file that says what the columns are; "" to find it in the table.

    Raises:
        FileNotFoundError: missing files, or a TFDS set that is not prepared, with `download` False.
        ValueError: an unknown name or preprocessing, data in another form, or too few labelled examples to draw.
    """
    parse_preprocessing(preprocessing)  # refused here, before anything is read
    _check_resize(name, resize)
    choices.check("bad_examples", bad_examples, BAD_EXAMPLES)
    kind, path = _source(name)
    _check_table(name, is_table, schema, preprocessing, image_shape)
    if is_table and kind != _DESCRIBED:
        files = find_files(kind, path, data_dir)
        return load_table(
            files[0],
            target,
            *files[1:],
            num_labels=num_labels,
            seed=seed,
            num_validation=num_validation,
            bad_examples=bad_examples,
            schema=resolve(schema, data_dir) if schema else "",
        )
    of_tables = {field: value for field, value in (("target", target), ("image_shape", image_shape)) if value}
    if of_tables and kind not in ("csv", "canvases"):
        field, value = next(iter(of_tables.items()))
        raise ValueError(f"{field} is for csv: data, and must be '' for other data. Received: {value!r} with {name!r}")
    if kind == "digits":
        if num_validation:
            raise ValueError(f"The digits have no validation set. Received: num_validation={num_validation}")
        dataset = load_digits(num_labels, seed)
    elif kind == "canvases":
        images = load(path, 0, seed, 0, data_dir, download, "none", bad_examples, resize, target, image_shape)
        return _canvases(images, num_labels, seed, num_validation)
    elif kind == "tfds":
        dataset = load_tfds(name, num_labels, seed, num_validation, data_dir, download)
    else:
        more = of_tables | ({"bad_examples": bad_examples} if kind in _MAY_HOLD_BAD else {})
        more |= {"resize": resize} if kind == "folder" else {}
        dataset = _FILES[kind][1](path, num_labels, seed, num_validation, data_dir, **more)
    if num_labels % dataset.num_classes:
        y = dataset.y_train["identity"] if isinstance(dataset.y_train, dict) else dataset.y_train
        counts = np.bincount(y[y >= 0], minlength=dataset.num_classes)
        print("labels per class:", *counts)
    return _preprocess(dataset, preprocessing)


def _check_table(name: str, is_table: bool, schema: str, preprocessing: str, image_shape: str) -> None:
    """Checks that tables of mixed columns and their fields go together.

    Raises:
        ValueError: they do not.
    """
    kind, _ = _source(name)
    if is_table:
        if kind not in (*_OF_TABLES, _DESCRIBED):
            raise ValueError(
                "config.model=table takes tables: config.data must be csv:FILE, csv:TRAIN,TEST, the same of parquet:, or "
                f"tables:NAME. Received: {name!r}"
            )
        if preprocessing not in ("none", "auto"):
            raise ValueError(
                "Networks standardise the columns of a table: config.preprocessing must be 'none'. "
                f"Received: {preprocessing!r}"
            )
        if image_shape:
            raise ValueError(f"image_shape is for csv: data of numbers. Received: {image_shape!r} with config.model=table")
        return
    if kind == "parquet":
        raise ValueError(f"parquet: holds tables of mixed columns: config.model must be table. Received: {name!r}")
    if schema:
        raise ValueError(f"schema is of the columns of config.model=table, and '' for others. Received: {schema!r}")


def require(name: str, data_dir: str | None = None, download: bool = False, resize: str = "") -> None:
    """Fails where `load` would find no data, before anything is imported, read or trained.

    Args:
        name: name of a data set; see `load`.
        data_dir: folder of prepared TFDS sets; relative paths of other sets start from it.
        download: whether `load` would download it.
        resize: what `load` would resize images to.

    Raises:
        FileNotFoundError: missing files, or a TFDS set that is not prepared, with `download` False.
        ValueError: an unknown form of name, or a `resize` that the data set cannot have.
    """
    _check_resize(name, resize)
    kind, path = _source(name)
    if kind in _FILES:
        _FILES[kind][0](path, data_dir)
    elif kind == "parquet":
        for file in find_files(kind, path, data_dir):
            table_files.check_suffix("parquet: data", file)
    elif kind == "canvases":
        require(path, data_dir, download)
    elif kind == "tfds" and not download:
        find_prepared(name, data_dir)


def _check_resize(name: str, resize: str) -> None:
    """Checks that the data set can have this `resize`.

    Raises:
        ValueError: another form of size, or data other than folders of images.
    """
    parse_resize(resize)
    kind, path = _source(name)
    if kind == "canvases":
        _check_resize(path, resize)
    elif resize and kind != "folder":
        raise ValueError(
            f"config.resize is for images of folder:FOLDER. Received: config.resize={resize!r} for config.data={name!r}"
        )


def _source(name: str) -> tuple[str, str]:
    """The kind of source in `name`, and its path.

    Raises:
        ValueError: an unknown form of name.
    """
    kind, _, path = name.partition(":")
    if kind in (*_FILES, *_OF_TABLES, "canvases") and path:
        return kind, path
    if name == "digits":
        return "digits", ""
    if kind in (*_FILES, *_OF_TABLES, "canvases") or not _TFDS_NAME.fullmatch(name):
        raise ValueError(f"The data set must be {FORMS}. Received: {name!r}")
    return "tfds", ""


def _canvases(images: SemiSupervisedData, num_labels: int, seed: int, num_validation: int) -> SemiSupervisedData:
    """Multi-MNIST of another data set's images. The canvases are the same for every seed; the seed draws the labels.

    Raises:
        ValueError: images that do not fit on a canvas or have several labels, or too few canvases to draw.
    """
    if isinstance(images.y_train, dict) or isinstance(images.y_test, dict):
        raise ValueError(f"Canvases take images with one label each. Received: labels of {', '.join(images.y_train)}")
    parts = [(images.x_train, images.y_train, _NUM_CANVASES[0]), (images.x_test, images.y_test, _NUM_CANVASES[1])]
    made = [
        make_canvases(np.round(np.asarray(x) * 255).astype(np.uint8), y, number, split)
        for split, (x, y, number) in enumerate(parts)
    ]
    (x, y), (x_test, y_test) = ((part.x / np.float32(255), known_places(part, part.digits.shape[1])) for part in made)
    num_train = len(x) - num_validation
    y_validation = {name: value[num_train:] for name, value in y.items()}
    shown = draw_labels(y["count"][:num_train], num_labels, made[0].digits.shape[1] + 1, seed)
    named = [name for name in y if not name.startswith("digit")]  # the identities of the digits are never labels
    y_train = {name: hide_labels(y[name][:num_train], shown) for name in named}
    return SemiSupervisedData(
        x_train=x[:num_train],
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        x_validation=x[num_train:],
        y_validation=y_validation,
        num_classes=images.num_classes,
        digit_shape=images.x_train.shape[1:],
        raw_dtype=raw.BYTES,
    )


def _preprocess(dataset: SemiSupervisedData, preprocessing: str) -> SemiSupervisedData:
    """The data set with preprocessed examples; the preprocessing is fitted on the training examples."""
    if dataset.schema is not None:
        if preprocessing not in ("none", "auto"):
            raise ValueError(
                f"Rows of a table keep their units: preprocessing must be 'auto' or 'none'. Received: {preprocessing!r}"
            )
        return dataset
    fitted = fit_preprocessing(preprocessing, dataset.x_train)
    if fitted is None:
        return dataset
    if isinstance(fitted, Standardization):
        constant = np.count_nonzero(np.equal(*rows.extent(columns_of(dataset.x_train))))
        more = f", {constant} of them constant" if constant else ""
        what = "Series" if dataset.x_train.ndim == 3 else "Vectors"
        number = f"{len(fitted.mean)} columns" if what == "Vectors" else f"{dataset.x_train.shape[-1]} channels"
        print(f"{what} standardised: {number}{more}")
        lost = lost_digits(fitted, columns_of(dataset.x_train).shape[-1])
        if len(lost):
            one = "Column" if what == "Vectors" else "Channel"
            about = f"{fitted.mean[lost[0]]:g}"
            print(
                f"{one} {lost[0]}, about {about}, may have digits that float32 does not hold. Subtract {about} to keep them."
            )
    return dataset._replace(
        x_train=_mapped(dataset.x_train, fitted),
        x_test=_mapped(dataset.x_test, fitted),
        x_validation=_mapped(dataset.x_validation, fitted),
        preprocessing=fitted,
    )


def _mapped(x: rows.ArrayOrRows, fitted: AffineMap) -> rows.ArrayOrRows:
    """Examples after a preprocessing. Of `Rows`, only the cheap standardisation is done whenever they are read."""
    if not isinstance(x, rows.Rows):
        return fitted.transform(x)
    if isinstance(fitted, Standardization):
        return x.mapped(fitted.map_rows)
    made = room((len(x), *fitted.output_shape), np.float32)
    for some in tqdm(rows.blocks(x.shape), desc="preprocessing", delay=2, leave=False):
        made[some] = fitted.transform(x[some])
    return made
