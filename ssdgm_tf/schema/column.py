"""A column of a table: its kind, its distribution, and the way from its cells to numbers [N] and back. NumPy only."""

import dataclasses
import math
from datetime import datetime, timedelta
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from ssdgm_tf.schema import cells

DISTRIBUTIONS = {
    "numeric": ("normal", "student_t", "histogram"),
    "positive": ("log_normal", "histogram"),
    "count": ("negative_binomial", "poisson", "zero_inflated_poisson", "zero_inflated_negative_binomial"),
    "binary": ("bernoulli",),
    "categorical": ("categorical",),
    "ordinal": ("ordinal",),
}
"""The distributions of each kind of column; the first is the default."""
KINDS = tuple(DISTRIBUTIONS)
"""The kinds of columns."""
DISCRETE = ("binary", "categorical", "ordinal")
"""The kinds whose cells are categories."""
DAYS = "days since 1970-01-01"
"""The unit of a numeric column whose cells are dates."""
DAYS_AND_TIMES = f"{DAYS}, with the time of day"
"""The unit of dates with a time of day."""
DAYS_AND_TIMES_UTC = f"{DAYS}, with the time of day in UTC"
"""The unit of dates with a time of day in a zone."""
_ORIGIN = datetime(1970, 1, 1)
# Whole numbers from it on are no int64.
_TOO_LARGE = 2.0**63


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its name.
        kind: "numeric" (real numbers), "positive" (greater than 0), "count" (0, 1, 2, ...), "binary" (one of two
            categories), "categorical" (one of several) or "ordinal" (one of several in an order).
        categories: the cells of the last three kinds as text, in order. In an array a cell is the index of its category.
        loc: mean of the known training cells of a numeric column; of their logarithms for a positive column, and of
            log(1 + n) for counts n.
        scale: standard deviation of the same.
        distribution: that of the cells. Numeric: "normal", "student_t" or "histogram", the shares of the bins between the
            quantiles; positive: "log_normal" or "histogram"; count: "negative_binomial", "poisson", or one of these after
            "zero_inflated_"; binary: "bernoulli"; categorical: "categorical"; ordinal: "ordinal". "" becomes the first.
        weight: weight of the column's log-likelihood.
        gaps: share of the training cells that are gaps.
        extent: lowest and highest known training cell of a number; () where unknown.
        unit: `DAYS`, `DAYS_AND_TIMES` or `DAYS_AND_TIMES_UTC` for a numeric column whose cells are dates; "" for numbers.
        other: the category of every cell that is none of the categories; "" where there is no such category.
        quantiles: of the known training cells of a number, at equal steps of probability from the lowest to the highest; ()
            where unknown.
        shares: the share of each category among the known training cells; () where unknown.

    Raises:
        ValueError: a field that does not fit the kind.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    loc: float = 0.0
    scale: float = 1.0
    distribution: str = ""
    weight: float = 1.0
    gaps: float = 0.0
    extent: tuple[float, ...] = ()
    unit: str = ""
    other: str = ""
    quantiles: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"The name of a column must be text. Received: {self.name!r}")
        self._require(self.kind in KINDS, f"kind must be one of {', '.join(KINDS)}", self.kind)
        possible = DISTRIBUTIONS[self.kind]
        self._require(
            self.distribution in ("", *possible),
            f"distribution of a {self.kind} column must be one of {', '.join(possible)}",
            self.distribution,
        )
        object.__setattr__(self, "distribution", self.distribution or possible[0])
        self._check_numbers()
        self._check_categories()

    @property
    def is_discrete(self) -> bool:
        """Whether the cells are categories: binary, categorical or ordinal."""
        return self.kind in DISCRETE

    def encode(self, given: list[cells.Cell]) -> np.ndarray:
        """The numbers of its cells: in their own units, days of dates, the index of a category; NaN for a gap.

        Args:
            given: cells, see `cells.read`.

        Returns:
            float32 [N]. A cell that is none of the categories is NaN too.

        Raises:
            ValueError: a cell that is no number or no date, infinite in float32, no count, or not positive.
        """
        if self.is_discrete:
            return np.array([math.nan if place is None else place for place in cells.each(self._place, given)], np.float32)
        number_of, what = (cells.day_of, "a date in ISO format") if self.unit else (cells.number_of, "a number")
        made = cells.each(number_of, given)
        values = [math.nan if cell is None else value for cell, value in zip(given, made, strict=True)]
        if None in values:
            row = values.index(None)
            raise ValueError(f"A cell must be {what} or a gap. Received: {self._shown(given, row)}")
        self._check_values(np.array(values, np.float64), given)
        return np.array(values, np.float32)

    def decode(self, x: np.ndarray) -> np.ndarray:
        """The cells of its numbers: see `Schema.decode`.

        Args:
            x: float32 [N] as `encode` gives it.

        Raises:
            ValueError: a number that is no cell of the column, or a date outside the years 1 to 9999.
        """
        self._check_values(x.astype(np.float64), x.tolist())
        if self.is_discrete:
            return np.array([None if math.isnan(value) else self.categories[int(value)] for value in x.tolist()], object)
        if self.unit:
            return np.array([None if math.isnan(value) else self.date(value) for value in x.tolist()], object)
        if self.kind == "count" and not np.isnan(x).any():
            return x.astype(np.int64)
        return x.astype(str).astype(np.float64)  # the shortest decimal numbers that float32 does not tell from these

    def _check_values(self, values: np.ndarray, given: list[Any]) -> None:
        """Refuses numbers, float64 [N], that are no cells of the column; `given` is what to show of them.

        Raises:
            ValueError: there is one.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            single = values.astype(np.float32)
            is_whole = (values >= 0) & (values == np.trunc(values))
            rules = [("Numbers must be finite in float32", np.isinf(single))]
            if self.kind == "positive":
                rules.append(("Cells of kind positive must be greater than 0 in float32", single <= 0))
            if self.kind == "count":
                rules.append(("Counts must be whole numbers, at least 0 and below 2^63", ~is_whole | (single >= _TOO_LARGE)))
            if self.is_discrete:
                last = len(self.categories) - 1
                rules.append((f"The index of a category must be a whole number in 0..{last}", ~is_whole | (values > last)))
        for rule, is_broken in rules:
            rows = np.flatnonzero(is_broken & ~np.isnan(values))
            if len(rows):
                raise ValueError(f"{rule}. Received: {self._shown(given, int(rows[0]))}")

    def _shown(self, given: list[Any], row: int) -> str:
        """A cell and its place, for messages."""
        return f"{given[row]!r} in row {row} of column {self.name!r}"

    def date(self, day: float) -> str:
        """A date in ISO format, to the nearest day or minute, of a column whose cells are dates.

        Args:
            day: days since 1970-01-01.

        Raises:
            ValueError: outside the years 1 to 9999.
        """
        try:
            if self.unit == DAYS:
                return (_ORIGIN + timedelta(days=round(day))).date().isoformat()
            zone = "+00:00" if self.unit == DAYS_AND_TIMES_UTC else ""
            return (_ORIGIN + timedelta(minutes=round(day * 24 * 60))).isoformat(timespec="minutes") + zone
        except OverflowError as error:
            raise ValueError(f"Dates must lie in the years 1 to 9999. Received: {day:g} {DAYS} in {self.name!r}") from error

    def _place(self, cell: cells.Cell) -> float:
        """The index of a cell's category, found by its text or by another way to write the same number or truth value.

        Where there is none, it is that of `other`, or NaN.
        """
        text = cells.text_of(cell)
        unknown = self._places[self.other] if self.other else math.nan
        return self._places.get(text, self._places.get(cells.alike(text), unknown))

    @cached_property
    def _places(self) -> dict[str, int]:
        """{text: index} of the categories, and of what their numbers and truth values have in common."""
        in_order = list(enumerate(self.categories))
        return {cells.alike(text): index for index, text in reversed(in_order)} | {text: index for index, text in in_order}

    def _require(self, is_kept: bool, rule: str, received: Any) -> None:
        """Refuses a column that does not keep a rule.

        Raises:
            ValueError: it is not kept.
        """
        if not is_kept:
            raise ValueError(f"{rule}. Received: {received!r} in column {self.name!r}")

    def _check_numbers(self) -> None:
        """Checks the fields that are numbers, and `unit`, and makes floats of them."""
        for field in ("loc", "scale", "weight", "gaps"):
            value = getattr(self, field)
            self._require(_is_finite(value), f"{field} must be a finite number", value)
            object.__setattr__(self, field, float(value))
        self._require(self.scale > 0, "scale must be greater than 0", self.scale)
        self._require(self.weight >= 0, "weight must be at least 0", self.weight)
        self._require(0 <= self.gaps <= 1, "gaps must be a share in [0, 1]", self.gaps)
        self._check_order("extent", 2)
        self._require(len(self.extent) in (0, 2), "extent must be () or the lowest and the highest number", self.extent)
        self._check_order("quantiles", 3)
        has_bins = len(set(self.quantiles)) > 1
        self._require(
            self.distribution != "histogram" or has_bins, "A histogram needs quantiles that differ", self.quantiles
        )
        units = ("", DAYS, DAYS_AND_TIMES, DAYS_AND_TIMES_UTC) if self.kind == "numeric" else ("",)
        self._require(self.unit in units, f"unit of a {self.kind} column must be one of {units}", self.unit)
        moments = (self.loc, self.scale, self.extent, self.quantiles)
        self._require(
            not self.is_discrete or moments == (0, 1, (), ()),
            f"loc, scale, extent and quantiles are of numbers, not of a {self.kind} column",
            moments,
        )

    def _check_order(self, field: str, fewest: int) -> None:
        """Checks a field of numbers in order, none or at least `fewest`, and makes a tuple of it."""
        given = getattr(self, field)
        are_numbers = isinstance(given, list | tuple) and all(map(_is_finite, given))
        self._require(
            are_numbers and (not given or len(given) >= fewest), f"{field} must be () or at least {fewest} numbers", given
        )
        object.__setattr__(self, field, tuple(map(float, given)))
        self._require(list(given) == sorted(given), f"{field} must be in order", getattr(self, field))

    def _check_categories(self) -> None:
        """Checks `categories` and `other`, and makes a tuple of the first."""
        given = self.categories
        is_text = isinstance(given, list | tuple) and all(isinstance(text, str) for text in given)
        self._require(is_text, "categories must be a list of text", given)
        object.__setattr__(self, "categories", tuple(given))
        if not self.is_discrete:
            self._require(not given, f"categories are {', '.join(DISCRETE)}, not {self.kind}", given)
        elif self.kind == "binary":
            self._require(len(given) == 2, "A binary column must have 2 categories", given)
        else:
            self._require(len(given) >= 2, f"A column of kind {self.kind} must have at least 2 categories", given)
        self._require(len(set(given)) == len(given), "categories must differ", given)
        gaps = [text for text in given if text in cells.MISSING or text != text.strip()]
        self._require(not gaps, "categories must be text of cells, without blanks around it, that is no gap", gaps[:1])
        self._require(self.other in ("", *given), "other must be one of the categories, or ''", self.other)
        shares = self.shares
        are_shares = isinstance(shares, list | tuple) and all(_is_finite(share) and share >= 0 for share in shares)
        is_whole = are_shares and (not shares or (len(shares) == len(given) and abs(sum(shares) - 1) < 0.01))
        self._require(is_whole, "shares must be (), or one of each category, of sum 1", shares)
        object.__setattr__(self, "shares", tuple(map(float, shares)))


def scored(kind: str, values: np.ndarray) -> np.ndarray:
    """What `loc` and `scale` of a column are of: logarithms of positive numbers, log(1 + n) of counts, other numbers.

    Args:
        kind: the kind of the column.
        values: known cells of it, [N].
    """
    return np.log(values) if kind == "positive" else np.log1p(values) if kind == "count" else values


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
