"""New numbers in the manner of those of a column: within their range, with as many digits after the point. NumPy only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ssdgm_tf.schema import cells
from ssdgm_tf.schema.column import Column

#: What `decimals_of` says of cells that are no numbers, or that have more digits than these.
ANY, _MOST = -1, 6


def decimals_of(column: Column, given: Sequence[cells.Cell]) -> int:
    """The most digits after the point in the cells of a column of numbers: 0 of "3" and "3.0", 2 of 12.5 and 0.25.

    Args:
        column: the column.
        given: its cells, see `cells.read`.

    Returns:
        The number of digits; `ANY` for other cells than numbers, and for more than 6.
    """
    if column.is_discrete or column.unit:
        return ANY
    numbers = {cells.number_of(cell) for cell in given if cell is not None}
    texts = [cells.text_of(number) for number in numbers if number is not None]
    most = max((_MOST + 1 if "e" in text else len(text.partition(".")[2]) for text in texts), default=0)
    return most if most <= _MOST else ANY


def rounded(column: Column, values: np.ndarray, decimals: int) -> list[Any]:
    """The cells of a column, its numbers within the range of training, with so many digits after the point.

    Those of a positive column stay above 0.

    Args:
        column: the column.
        values: cells [N], as `Column.decode` gives them.
        decimals: see `decimals_of`.
    """
    if column.is_discrete or column.unit:
        return values.tolist()
    if column.extent:
        low, high = column.extent
        values = np.clip(values, low, high)
    if decimals == ANY:
        return values.tolist()
    numbers = np.round(values.astype(np.float64), decimals)
    if column.kind == "positive":
        numbers = np.where(numbers <= 0, 10.0**-decimals, numbers)
    if decimals or np.isnan(numbers).any() or np.abs(numbers).max(initial=0) >= 2**63:
        return numbers.tolist()
    return numbers.astype(np.int64).tolist()
