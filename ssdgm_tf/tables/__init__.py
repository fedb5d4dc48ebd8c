"""The published tables, rebuilt cell by cell: definitions, runs, results files, Markdown and CSV.

Imports no TensorFlow: each cell trains in its own process.
"""

from ssdgm_tf.tables.definitions import TABLES, Row, Table

__all__ = ["TABLES", "Row", "Table"]
