"""What `ssdgm-train` and `ssdgm-predict` read of files, before anything is trained or predicted."""

import contextlib
import io
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from ssdgm_tf import data
from ssdgm_tf.runs import loading
from tests.inputs.changes import BAD, EVALUATE, FIT, PREDICT, SHAPE, Arrays, Input, clean

#: {source: what a command calls its training and test files, and its examples to predict}.
NAMES = {
    "npz": ("npz:train.npz,test.npz", "new.npz"),
    "npy": ("npy:train_x.npy,train_y.npy,test_x.npy,test_y.npy", "new_x.npy"),
    "mat": ("mat:train.mat,test.mat", "new.mat"),
    "csv": ("csv:train.csv,test.csv", "new.csv"),
    "folder": ("folder:photos", "new"),
    "records": ("records:own/1.0.0", "own/1.0.0"),
}
_CONFIG = {
    "model": "m2",
    "labels": 0,
    "seed": 0,
    "num_validation": 0,
    "preprocessing": "auto",
    "likelihood": "bernoulli",
    "bad_examples": "stop",
    "resize": "",
    "target": "",
    "image_shape": "",
    "schema": "",
    "supervised": "",
    "labelled_twice": False,
    "labelled_only": False,
}
#: What the reason in the table of errors of `ssdgm-predict` follows.
SKIPPED, ALL_SKIPPED = "A bad example: ", "Only bad examples: "


def read(source: str, call: str, given: Input, folder: Path) -> Arrays:
    """The examples and labels that a command reads: training ones, test ones, or examples to predict.

    Args:
        source: the kind of file.
        call: "fit" for the training examples of `ssdgm-train`, "evaluate" for its test examples, or "predict".
        given: the input.
        folder: an empty folder for the files.

    Raises:
        UserError, ValueError, OSError: they are refused.
    """
    part = {FIT: "train", EVALUATE: "test", PREDICT: "new"}[call]
    parts = {name: clean(of) for name, of in (("train", FIT), ("test", EVALUATE), (part, call))}
    parts = {
        name: Arrays(*given.change(*arrays)) if given.everywhere or name == part else arrays
        for name, arrays in parts.items()
    }
    if call == PREDICT and given.of == "x":
        parts[part] = parts[part]._replace(y=None)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _WRITERS[source](folder, parts)
        if given.spoil is not None:
            _spoil(folder, _file(folder, part, source), given.spoil)
        columns = tuple(f"p{pixel}" for pixel in range(30)) if source == "csv" else ()  # those of the training table
        return _predicted(folder / NAMES[source][1], columns) if call == PREDICT else _trained(source, call, folder)


def _trained(source: str, call: str, folder: Path) -> Arrays:
    config = _CONFIG | {"data": NAMES[source][0], "image_shape": "6x5" if source == "csv" else ""}
    data.require(config["data"], str(folder))
    dataset = loading.load_data(config, str(folder), download=False)
    x, y = (dataset.x_train, dataset.y_train) if call == FIT else (dataset.x_test, dataset.y_test)
    names = {str(name): label for label, name in enumerate(dataset.class_names)}
    if set(names) <= {"0", "1", "2"}:  # so that classes that no example has change no number
        y = np.array([*map(int, names), -1])[y] if names else y
    elif set(names) != {"a", "b", "c"}:
        raise MoreClasses(f"A class more: {', '.join(names)}")
    return Arrays(x, y)


class MoreClasses(Exception):
    """A label is the name of a class of its own."""


def _predicted(path: Path, columns: tuple[str, ...]) -> Arrays:
    made, bad = [], []
    for _, x, refused in data.Examples(str(path), SHAPE, "float32", columns=columns).batches(5):
        made.append(x)
        bad += refused
    if not bad:
        return Arrays(np.concatenate(made), None)
    good = np.concatenate(made)
    kept = np.delete(clean(PREDICT).x, BAD, axis=0)
    if len(good) and (len(bad) > 1 or not np.allclose(good, kept[: len(good)], atol=1e-6)):
        return Arrays(good, None)
    raise ValueError(f"{SKIPPED if len(good) else ALL_SKIPPED}{bad[0].reason}")


def _file(folder: Path, part: str, source: str) -> Path:
    """The file of a part that is spoilt: that of the examples, or one of them."""
    patterns = {
        "npy": "{}_x.npy",
        "folder": "new/08*" if part == "new" else "photos/{}/*/08*",
        "records": "own/1.0.0/*-{}.*",
    }
    return next(folder.glob(patterns.get(source, "{}.*").format(part)))


def _spoil(folder: Path, file: Path, change: Callable[[bytes], bytes | None]) -> None:
    """Changes the content of a file, or removes it with all that is read as one with it."""
    content = change(file.read_bytes())
    if content is not None:
        file.write_bytes(content)
        return
    top = folder / file.relative_to(folder).parts[0]
    shutil.rmtree(top) if top.is_dir() else top.unlink()


def _array(x: Any) -> np.ndarray:
    """The examples as an array; of objects where their sizes differ."""
    try:
        return np.asarray(x)
    except ValueError:
        array = np.empty(len(x), object)
        array[:] = x
        return array


def _npz(folder: Path, parts: dict[str, Arrays]) -> None:
    for name, (x, y) in parts.items():
        np.savez(folder / f"{name}.npz", x=_array(x), **({} if y is None else {"y": y}))


def _npy(folder: Path, parts: dict[str, Arrays]) -> None:
    for name, (x, y) in parts.items():
        np.save(folder / f"{name}_x.npy", _array(x))
        np.save(folder / f"{name}_y.npy", np.zeros(1) if y is None else y)


def _mat(folder: Path, parts: dict[str, Arrays]) -> None:
    for name, (x, y) in parts.items():
        scipy.io.savemat(folder / f"{name}.mat", {"X": x} | ({} if y is None else {"y": y}))


def _csv(folder: Path, parts: dict[str, Arrays]) -> None:
    """One row an example; a header of the pixels and the label."""
    for name, (x, y) in parts.items():
        lines = [[*map(str, np.ravel(one))] for one in x]
        header = [f"p{pixel}" for pixel in range(len(lines[0]) if lines else 30)]
        if y is not None:
            labels = np.array(y, object).reshape(len(y), -1 if len(y) else 1)
            header += ["label"] if labels.shape[1] < 2 else [f"label_{k}" for k in range(labels.shape[1])]
            for line, label in zip(lines, labels, strict=False):  # the last row may be without its label
                line += ["" if value is None else str(value) for value in label]
        (folder / f"{name}.csv").write_text("\n".join(map(",".join, [header, *lines])) + "\n")


def _folder(folder: Path, parts: dict[str, Arrays]) -> None:
    """PNG files where the pixels are bytes, else TIFF files of floats."""
    for name, (x, y) in parts.items():
        below = folder / "new" if name == "new" else folder / "photos" / name
        below.mkdir(parents=True)
        for index, image in enumerate(x):
            label = "" if y is None else "unlabelled" if str(y[index]) in ("-1", "") else str(y[index])
            (below / label).mkdir(exist_ok=True)
            _save(image, below / label / f"{index:02}")


def _save(image: np.ndarray, path: Path) -> None:
    image = image / np.float32(255) if image.dtype == np.uint8 else image
    if _are_bytes(image):
        Image.fromarray(np.round(255 * image[..., 0]).astype(np.uint8)).save(path.with_suffix(".png"))
    else:
        Image.fromarray(image[..., 0]).save(path.with_suffix(".tif"))


def _are_bytes(image: np.ndarray) -> bool:
    """Whether the pixels are bytes / 255."""
    steps = np.where(np.isfinite(image), 255 * image, -1)
    return bool(steps.min() >= 0 and steps.max() <= 255 and np.allclose(steps, np.round(steps), atol=1e-3))


def _records(folder: Path, parts: dict[str, Arrays]) -> None:
    """TFRecords of bytes where all pixels are, else of floats."""
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)
    rows = {name: list(zip(x, y, strict=True)) for name, (x, y) in parts.items()}
    images = [image for part in rows.values() for image, _ in part]
    are_bytes = all(image.dtype == np.uint8 or _are_bytes(image) for image in images)
    sizes = {image.shape for image in images}
    dtype = np.uint8 if are_bytes else np.float32
    names = [name for name in "abc" if any(label == name for part in rows.values() for _, label in part)] or list("012")

    def stored(image: np.ndarray) -> np.ndarray:
        return image if image.dtype == dtype else np.round(255 * image).astype(dtype) if are_bytes else image

    def number(label: Any) -> int:
        if not isinstance(label, str):
            return int(label)
        return names.index(label) if label else -1

    features = {
        "image": tfds.features.Image(shape=SHAPE if len(sizes) == 1 else (None, None, 1), dtype=dtype),
        "label": tfds.features.ClassLabel(names=names),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        "own",
        "1.0.0",
        tfds.features.FeaturesDict(features),
        {
            name: [(index, {"image": stored(image), "label": number(label)}) for index, (image, label) in enumerate(part)]
            for name, part in rows.items()
        },
        data_dir=folder,
        disable_shuffling=True,
    )


_WRITERS: dict[str, Callable[[Path, dict[str, Arrays]], None]] = {
    "npz": _npz,
    "npy": _npy,
    "mat": _mat,
    "csv": _csv,
    "folder": _folder,
    "records": _records,
}
