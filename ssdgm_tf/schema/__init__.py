"""What the columns of a table are, found in its cells or written by hand, and the way to numbers and back. NumPy only."""

from ssdgm_tf.schema.column import DAYS, DAYS_AND_TIMES, DISCRETE, DISTRIBUTIONS, KINDS, Column
from ssdgm_tf.schema.inference import infer
from ssdgm_tf.schema.schema import Schema

__all__ = ["DAYS", "DAYS_AND_TIMES", "DISCRETE", "DISTRIBUTIONS", "KINDS", "Column", "Schema", "infer"]
