"""Any image-classification set of TensorFlow Datasets, by name."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import assemble, check_examples
from ssdgm_tf.data.names import FORMS
from ssdgm_tf.data.room import room

# What TensorFlow writes before and behind the reason of an error: the operation that found it.
_OF_OPERATIONS = re.compile(r"^\{\{.*?\}\} ?| ?\[Op:.*$")


def load_tfds(
    name: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    download: bool = False,
) -> SemiSupervisedData:
    """A TFDS data set with the features "image" and "label": `--config.data=mnist`, `--config.data=svhn_cropped`.

    Its splits "train" and "test" are used in their stored order. Other splits, such as "extra" of SVHN, are not used.

    Args:
        name: TFDS name, such as "mnist", "mnist:3.0.1" or "cifar10_corrupted/fog_1".
        num_labels: number of labels shown; 0 for all.
        seed: seed of the label draw.
        num_validation: number of training examples held out of training: the last in the stored order.
        data_dir: folder of prepared sets; None for the default of TFDS.
        download: whether to download and prepare a set that is not prepared. If False, nothing touches the network.

    Raises:
        FileNotFoundError: the set is not prepared and `download` is False.
        ValueError: an unknown name, a set without images, labels or the two splits, or too few labelled examples to draw.
    """
    return load_builder(_builder(name, data_dir, download), name, num_labels, seed, num_validation)


def load_builder(builder: Any, name: str, num_labels: int, seed: int, num_validation: int) -> SemiSupervisedData:
    """The data set of a TFDS builder whose files are there.

    Args:
        builder: the builder.
        name: the name of the data set, for messages.
        num_labels: number of labels shown; 0 for all.
        seed: seed of the label draw.
        num_validation: number of training examples held out of training: the last in the stored order.

    Raises:
        ValueError: a set without images, labels or the two splits, or too few labelled examples to draw.
    """
    features, splits = builder.info.features, builder.info.splits
    if not {"image", "label"} <= set(features) or not {"train", "test"} <= set(splits):
        raise ValueError(
            "A data set must have the features 'image' and 'label' and the splits 'train' and 'test'. "
            f"Received: {name} with {sorted(features)} and {sorted(splits)}"
        )
    if None in features["image"].shape:
        raise ValueError(f"Images must all have one size. Received: {name} with images of shape {features['image'].shape}")
    label = features["label"]
    if not hasattr(label, "num_classes"):
        raise ValueError(f"The feature 'label' must be a class. Received: {name} with {type(label).__name__}")
    image = features["image"]
    rooms = {part: room((splits[part].num_examples, *image.shape), image.np_dtype) for part in ("train", "test")}
    with whole_records(name):
        (x, y), (x_test, y_test) = (_arrays(builder, part, images) for part, images in rooms.items())
    if np.any(y_test < 0):
        raise ValueError(f"Test labels must all be known. Received: {name} with {y_test.min()}")
    raw_dtype = raw.dtype_of(x, x_test)
    train, test = (check_examples(x, f"{name} train"), y), (check_examples(x_test, f"{name} test"), y_test)
    names = tuple(label.names)
    return assemble(train, test, num_labels, seed, num_validation, label.num_classes, names, raw_dtype=raw_dtype)


@contextlib.contextmanager
def whole_records(name: str) -> Iterator[None]:
    """Within it, errors of the readers of TFDS say which data set is damaged.

    Args:
        name: the name of the data set.

    Raises:
        ValueError: any error of a reader.
    """
    try:
        yield
    except Exception as error:  # TensorFlow and TFDS raise many kinds
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(
            f"Records must be whole, as TensorFlow Datasets writes them. Received: {name} ({_OF_OPERATIONS.sub('', first)})"
        ) from error


def find_prepared(name: str, data_dir: str | None = None) -> Path:
    """The folder of the newest prepared version of a set. Looks at file names only, without importing TFDS.

    Raises:
        FileNotFoundError: the set is not prepared there.
    """
    folder = _data_dir(data_dir) / name.replace(":", "/")
    versions = [info.parent for info in (*folder.glob("dataset_info.json"), *folder.glob("*/dataset_info.json"))]
    if not versions:
        raise FileNotFoundError(
            f"The data set {name!r} must be prepared under {folder}. --download fetches and prepares it there (load_tfds: "
            "download=True); --data_dir (data_dir) names another folder of prepared sets, such as one from `tfds build`. "
            f"Data sets are {FORMS}. Received: no prepared set there."
        )
    return max(versions, key=lambda path: [int(part) for part in path.name.split(".") if part.isdigit()])


def _data_dir(data_dir: str | None) -> Path:
    """The folder of prepared sets: the default of TFDS where none is given."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def _builder(name: str, data_dir: str | None, download: bool) -> Any:
    """The builder of a prepared set. A prepared folder is read directly, because the look-up of TFDS may use the network."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(find_prepared(name, data_dir))
    except FileNotFoundError:
        if not download:
            raise
    try:
        builder = tfds.builder(name, data_dir=_data_dir(data_dir))
    except tfds.core.registered.DatasetNotFoundError as error:
        raise ValueError(f"The data set must be {FORMS}. Received: {name!r}") from error
    builder.download_and_prepare()
    return builder


def _arrays(builder: Any, split: str, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A whole split: images as they are stored, which fill `images`, and labels int32, in the stored order."""
    label, number, found = builder.info.features["label"], len(images), 0
    labels = np.zeros(number, np.int64)
    with tqdm(total=number, desc=f"reading {split}", delay=2, leave=False) as bar:
        for part in _parts(builder, split):
            some = slice(found, found := found + len(part["label"]))
            if found <= number:
                images[some], labels[some] = part["image"], part["label"]
            bar.update(len(part["label"]))
    if found != number or labels.max(initial=0) >= label.num_classes or len(label.names) != label.num_classes:
        words = f"{found} of {number} examples of {split}, labels up to {labels.max(initial=0)}"
        raise ValueError(f"{words}, {len(label.names)} names of {label.num_classes} classes")
    return images, labels.astype(np.int32)


def _parts(builder: Any, split: str) -> Iterator[Mapping[str, Any]]:
    """Batches of the examples of a split, in the stored order: {"image": [B, H, W, C], "label": [B]}."""
    import tensorflow_datasets as tfds

    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        source = builder.as_data_source(split)
        for index in range(len(source)):
            row = source[index]
            yield {name: [row[name]] for name in ("image", "label")}
        return
    decoders = tfds.decode.PartialDecoding({"image": True, "label": True})
    yield from tfds.as_numpy(builder.as_dataset(split=split, batch_size=100, shuffle_files=False, decoders=decoders))
