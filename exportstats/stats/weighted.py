"""Compute quantiles of values with counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce
from exportstats.stats.packing import Packing, order_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Weighted(NamedTuple):
    """Values with counts, sorted within groups.

    Attributes
    ----------
    codes, values
        Group and value.
    through
        Cumulative count up to each value, over all groups.
    ends
        Cumulative count up to the end of each group.
    """

    codes: np.ndarray
    values: np.ndarray
    through: np.ndarray
    ends: np.ndarray

    @property
    def n(self) -> np.ndarray:
        """The count of each group."""
        return np.diff(self.ends, prepend=0)

    def quantile(self, q: float | np.ndarray) -> np.ndarray:
        """Return each group's quantile, interpolated linearly as in pandas; NaN for an empty group.

        If `q` is a column of several quantiles, there is one row for each.
        """
        rank = (self.n - 1) * q
        low = np.floor(rank).astype("int64")
        below, above = self._at(low), self._at(np.minimum(low + 1, self.n - 1))
        between: np.ndarray = below + (above - below) * (rank - low)
        return between

    def mean(self) -> np.ndarray:
        """Return each group's mean; NaN for an empty group."""
        each = np.diff(self.through, prepend=0)
        whole = self.values.astype("float64") * each
        sums = np.bincount(self.codes, weights=whole, minlength=len(self.ends))
        return divide(sums, self.n)

    def min(self) -> np.ndarray:
        """Return each group's smallest value; NaN for an empty group."""
        return self._at(np.zeros(len(self.ends), dtype="int64"))

    def max(self) -> np.ndarray:
        """Return each group's largest value; NaN for an empty group."""
        return self._at(self.n - 1)

    def _at(self, rank: np.ndarray) -> np.ndarray:
        """Return the value at a rank of each group; NaN for an empty group."""
        empty = self.n == 0
        if not len(self.values):
            return np.full(len(empty), np.nan)
        before = self.ends - self.n + np.where(empty, 0, rank)
        at = np.searchsorted(self.through, before, side="right")
        value = self.values[np.minimum(at, len(self.values) - 1)].astype("float64")
        return np.where(empty, np.nan, value)


def sort_weighted(
    codes: np.ndarray, values: np.ndarray, n: np.ndarray | None, groups: int
) -> Weighted:
    """Sort values within groups, which are numbered from 0; without counts, count them."""
    if n is None:
        codes, values, n = count_pairs(codes, values)
    else:
        codes, values, n = merge_pairs([(codes, values, n)])
    through = np.cumsum(n)
    ends = np.append(0, through)[np.searchsorted(codes, np.arange(groups), side="right")]
    return Weighted(codes, values, through, ends)


def divide(part: np.ndarray, whole: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Divide; `empty` where the whole is not positive."""
    share: np.ndarray = np.full(np.broadcast(part, whole).shape, empty)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def to_timedelta(millis: np.ndarray) -> np.ndarray:
    """Convert milliseconds to timedeltas, rounded; NaN becomes missing."""
    missing = np.isnan(millis)
    whole = np.rint(np.where(missing, 0, millis)).astype("int64")
    whole[missing] = coerce.NAT
    lengths: np.ndarray = whole.view("timedelta64[ms]")
    return lengths


def count_pairs(codes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different pairs of group and value, in order, and the count of each."""
    packing = Packing.of(int(codes.max(initial=-1)) + 1, values)
    if packing is None:
        pairs, n = np.unique(np.column_stack([codes, values]), axis=0, return_counts=True)
        return pairs[:, 0], pairs[:, 1], n
    packed, n = np.unique(packing.pack(codes, values), return_counts=True)
    return *packing.unpack(packed), n


def merge_pairs(
    counted: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the different pairs of group and value, in order, and add up their counts."""
    codes, values, n = map(np.concatenate, zip(*counted, strict=True))
    if not _are_sorted(codes, values):
        order = order_of(codes, values)
        codes = codes[order]  # one by one, so that the memory of each can be used for the next
        values = values[order]
        n = n[order]
    new = np.ones(len(codes), dtype=bool)
    new[1:] = (codes[1:] != codes[:-1]) | (values[1:] != values[:-1])
    if new.all():
        return codes, values, n
    return codes[new], values[new], np.add.reduceat(n, np.flatnonzero(new), dtype=n.dtype)


def _are_sorted(codes: np.ndarray, values: np.ndarray) -> bool:
    """Return whether values are in order by group and value."""
    same = codes[1:] == codes[:-1]
    later = np.where(same, values[1:] >= values[:-1], codes[1:] > codes[:-1])
    return bool(later.all())
