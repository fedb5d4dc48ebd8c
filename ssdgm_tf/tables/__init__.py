"""The published tables, rebuilt cell by cell: what is in them, how a cell runs, its results file, Markdown and CSV.

Imports no TensorFlow: each cell trains in a process of its own.
"""

from ssdgm_tf.tables.definitions import TABLES, Row, Table

__all__ = ["TABLES", "Row", "Table"]
