"""What the columns of a table are, found in its cells or written by hand, and the way to numbers and back. NumPy only."""

from ssdgm_tf.schema.column import DAYS, DAYS_AND_TIMES, DAYS_AND_TIMES_UTC, DISCRETE, DISTRIBUTIONS, KINDS, Column
from ssdgm_tf.schema.document import from_document, to_document, with_moments
from ssdgm_tf.schema.inference import infer
from ssdgm_tf.schema.schema import Schema
from ssdgm_tf.schema.targets import Targets, class_target, infer_targets, number_target

__all__ = [
    "DAYS",
    "DAYS_AND_TIMES",
    "DAYS_AND_TIMES_UTC",
    "DISCRETE",
    "DISTRIBUTIONS",
    "KINDS",
    "Column",
    "Schema",
    "Targets",
    "class_target",
    "from_document",
    "infer",
    "infer_targets",
    "number_target",
    "to_document",
    "with_moments",
]
