"""Folders of records that TensorFlow Datasets wrote: TFRecords and ArrayRecords."""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from ssdgm_tf import data

X = np.random.default_rng(0).integers(0, 256, (24, 8, 6, 1)).astype(np.uint8)
Y = np.arange(24) % 3
CLASSES = tfds.features.ClassLabel(names=["a", "b", "c"])
IMAGES = tfds.features.Image(shape=(8, 6, 1))


def write(folder, x=X, y=Y, file_format="tfrecord", image=IMAGES, label=CLASSES, splits=("train", "test")):
    """Writes the first 18 examples as one split and the others as the other; returns the folder of the records."""
    rows = list(enumerate({"image": one, "label": of_one} for one, of_one in zip(x, y, strict=True)))
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        "own",
        "1.0.0",
        tfds.features.FeaturesDict({"image": image, "label": label}),
        dict(zip(splits, (rows[:18], rows[18:]), strict=True)),
        data_dir=folder,
        file_format=file_format,
        disable_shuffling=True,
    )
    return str(builder.data_dir)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_records_are_read_in_their_order(tmp_path, file_format):
    write(tmp_path, file_format=file_format)
    dataset = data.load("records:own/1.0.0", 0, 0, data_dir=str(tmp_path))
    np.testing.assert_allclose(dataset.x_train, X[:18] / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_train, Y[:18])
    np.testing.assert_allclose(dataset.x_test, X[18:] / 255, rtol=1e-6)
    assert dataset.class_names == ("a", "b", "c") and dataset.raw_dtype == "uint8"


def test_images_of_numbers_stay_numbers(tmp_path):
    x = (X / 300).astype(np.float32)
    folder = write(tmp_path, x, image=tfds.features.Image(shape=(8, 6, 1), dtype=np.float32))
    dataset = data.load(f"records:{folder}", 0, 0)
    np.testing.assert_array_equal(dataset.x_train, x[:18])
    assert dataset.raw_dtype == "float32"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": tfds.features.Scalar(np.int64)}, "The feature 'label' must be a class. Received: .* with Scalar"),
        ({"splits": ("train", "validation")}, "the splits 'train' and 'test'. Received: .*'train', 'validation'"),
        ({"y": np.where(np.arange(24) < 20, Y, -1)}, "Test labels must all be known. Received: .* with -1"),
        (
            {"x": (X / 100).astype(np.float32), "image": tfds.features.Image(shape=(8, 6, 1), dtype=np.float32)},
            r"must be uint8 or lie in \[0, 1\]. Received: .* train\[0\]",
        ),
    ],
)
def test_records_of_another_kind_are_refused(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        data.load(f"records:{write(tmp_path, **fields)}", 0, 0)


def test_a_folder_without_its_description_is_refused_before_it_is_opened(tmp_path):
    folder = write(tmp_path)
    for name in ("features.json", "dataset_info.json"):
        (tmp_path / "own" / "1.0.0" / name).unlink()
        for function in (data.require, lambda name: data.load(name, 0, 0)):
            with pytest.raises(
                FileNotFoundError, match=r"dataset_info.json and features.json, .* Received: .* without \w+.json"
            ):
                function(f"records:{folder}")


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_damaged_records_are_refused(tmp_path, file_format):
    folder = write(tmp_path, file_format=file_format)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "own" / "1.0.0").iterdir() if path.is_file()}
    for name, content in whole.items():
        shutil.rmtree(folder)
        (tmp_path / "own" / "1.0.0").mkdir()
        for other, kept in whole.items():
            (tmp_path / "own" / "1.0.0" / other).write_bytes(kept if other != name else content[: len(content) // 2])
        with pytest.raises(ValueError, match=r"Records must be whole, as TensorFlow .* Received: "):
            data.load(f"records:{folder}", 0, 0)
