"""Data sets as arrays, and label draws by seed. Nothing here touches the network unless told to download."""

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.digits import load_digits
from ssdgm_tf.data.sources import load, require
from ssdgm_tf.data.splits import draw_labels, hide_labels
from ssdgm_tf.data.tfds import load_tfds

__all__ = ["SemiSupervisedData", "draw_labels", "hide_labels", "load", "load_digits", "load_tfds", "require"]
