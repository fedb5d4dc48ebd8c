"""Labels that people give: the file that holds them, rules for what to label next, and exchange with Label Studio."""

from ssdgm_tf.labelling.label_file import LabelFile, Labels, fingerprint
from ssdgm_tf.labelling.rules import RULES, Predicted, next_examples

__all__ = ["RULES", "LabelFile", "Labels", "Predicted", "fingerprint", "next_examples"]
