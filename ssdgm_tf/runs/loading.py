"""The data set of a run."""

from collections.abc import Mapping
from typing import Any

from ssdgm_tf import data, rows
from ssdgm_tf.errors import UserError

# The likelihoods of values in [0, 1].
_OF_UNIT_INTERVAL = ("bernoulli", "discretized_logistic")


def load_data(config: Mapping[str, Any], data_dir: str | None, download: bool) -> data.SemiSupervisedData:
    """The data set that the config names.

    With `preprocessing="auto"` vectors are standardised, unless the likelihood needs values in [0, 1]: then they must lie
    there, and are left as they are.

    Args:
        config: the fields.
        data_dir: folder of prepared TensorFlow Datasets, and of files that the config names relative to it.
        download: download the data set where it is not prepared.

    Raises:
        UserError: the data set is missing, the labels cannot be drawn from it, or the likelihood does not take its vectors.
    """
    keeps_vectors = config["preprocessing"] == "auto" and config["likelihood"] in _OF_UNIT_INTERVAL
    try:
        dataset = data.load(
            config["data"],
            config["labels"],
            config["seed"],
            config["num_validation"],
            data_dir,
            download,
            "none" if keeps_vectors else config["preprocessing"],
            config["bad_examples"],
            config["resize"],
            target=config["target"],
            image_shape=config["image_shape"],
        )
        if keeps_vectors:
            _check_vectors(dataset, config["likelihood"])
        dataset = dataset.only(tuple(config["supervised"].split(","))) if config["supervised"] else dataset
        return dataset.with_labelled_twice() if config["labelled_twice"] else dataset
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def _check_vectors(dataset: data.SemiSupervisedData, likelihood: str) -> None:
    """Says that vectors in [0, 1] are kept for a likelihood that needs them there, and refuses others; passes images.

    Raises:
        ValueError: a vector outside [0, 1].
    """
    if dataset.x_train.ndim > 2:
        return
    extents = [rows.extent(x) for x in (dataset.x_train, dataset.x_test, dataset.x_validation) if x.size]
    low, high = min(low.min() for low, _ in extents) + 0.0, max(high.max() for _, high in extents) + 0.0  # no "-0" in words
    if low < 0 or high > 1:
        raise ValueError(
            f"config.likelihood={likelihood} takes values in [0, 1]; config.likelihood=normal takes standardised vectors. "
            f"Received: vectors with values from {low:.4g} to {high:.4g}"
        )
    print(f"Vectors kept as they are, in [0, 1]: config.likelihood={likelihood} takes no others.")
