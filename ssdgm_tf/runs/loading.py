"""The data set of a run."""

from collections.abc import Mapping
from typing import Any

from ssdgm_tf import data
from ssdgm_tf.errors import UserError


def load_data(config: Mapping[str, Any], data_dir: str | None, download: bool) -> data.SemiSupervisedData:
    """The data set that the config names.

    Args:
        config: the fields.
        data_dir: folder of prepared TensorFlow Datasets, and of files that the config names relative to it.
        download: download the data set where it is not prepared.

    Raises:
        UserError: the data set is missing, or the labels cannot be drawn from it.
    """
    try:
        dataset = data.load(
            config["data"],
            config["labels"],
            config["seed"],
            config["num_validation"],
            data_dir,
            download,
            config["preprocessing"],
            config["bad_examples"],
        )
        dataset = dataset.only(tuple(config["supervised"].split(","))) if config["supervised"] else dataset
        return dataset.with_labelled_twice() if config["labelled_twice"] else dataset
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
