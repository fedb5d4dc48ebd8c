"""A data set by the name that a config gives it."""

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.digits import load_digits
from ssdgm_tf.data.tfds import find_prepared, load_tfds


def load(
    name: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    download: bool = False,
) -> SemiSupervisedData:
    """The data set `name`: "digits" (shipped with scikit-learn), else the TFDS set of that name.

    Args:
        name: "digits" or a TFDS name.
        num_labels: labels shown, equal per class.
        seed: of the label draw (and of the split of the digits).
        num_validation: images held out of training, of a TFDS set.
        data_dir: folder of prepared TFDS sets.
        download: download and prepare a TFDS set that is not prepared.

    Raises:
        FileNotFoundError: a TFDS set that is not prepared, with `download` False.
        ValueError: an unknown name, or labels that cannot be drawn.
    """
    if name == "digits":
        return load_digits(num_labels, seed)
    return load_tfds(name, num_labels, seed, num_validation, data_dir, download)


def require(name: str, data_dir: str | None = None, download: bool = False) -> None:
    """Fails at once, before anything is imported or trained, where `load` would find no data.

    Args:
        name: "digits" or a TFDS name.
        data_dir: folder of prepared TFDS sets.
        download: would it be downloaded?

    Raises:
        FileNotFoundError: a TFDS set that is not prepared, with `download` False.
    """
    if name != "digits" and not download:
        find_prepared(name, data_dir)
