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

    See `load_digits` and `load_tfds` for the arguments and the errors.
    """
    if name == "digits":
        return load_digits(num_labels, seed)
    return load_tfds(name, num_labels, seed, num_validation, data_dir, download)


def require(name: str, data_dir: str | None = None, download: bool = False) -> None:
    """Fails at once, before anything is imported or trained, where `load` would find no data.

    Raises:
        FileNotFoundError: a TFDS set that is not prepared, with `download` False.
    """
    if name != "digits" and not download:
        find_prepared(name, data_dir)
