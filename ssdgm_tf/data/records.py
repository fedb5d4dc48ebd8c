"""A folder of records as TensorFlow Datasets writes them: `--config.data=records:FOLDER`."""

from pathlib import Path

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.names import resolve
from ssdgm_tf.data.tfds import load_builder, whole_records

_FILES = ("dataset_info.json", "features.json")


def load_records(
    path: str, num_labels: int, seed: int, num_validation: int = 0, data_dir: str | None = None
) -> SemiSupervisedData:
    """TFRecords or ArrayRecords with features.json and dataset_info.json: `--config.data=records:FOLDER`.

    The records have the features "image" and "label" and the splits "train" and "test", used in their stored order.

    Args:
        path: the folder that holds features.json.
        num_labels: number of labels shown; 0 for all.
        seed: seed of the label draw.
        num_validation: number of training examples held out of training: the last in the stored order.
        data_dir: folder that a relative path starts from; None for the current one.

    Raises:
        FileNotFoundError: no such folder, or one without its two .json files.
        ValueError: records of another kind, damaged records, or too few labelled examples to draw.
    """
    folder = find_records(path, data_dir)
    with whole_records(str(folder)):
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(folder)
    return load_builder(builder, str(folder), num_labels, seed, num_validation)


def find_records(path: str, data_dir: str | None = None) -> Path:
    """The folder that `path` names. Does not open its files.

    Raises:
        FileNotFoundError: no such folder, or one without its two .json files.
    """
    folder = resolve(path, data_dir)
    if missing := [name for name in _FILES if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"records:FOLDER must hold records, {' and '.join(_FILES)}, as TensorFlow Datasets writes them; relative paths "
            f"start from --data_dir where given. Received: {folder} without {missing[0]}"
        )
    return folder
