"""Count tasks by duration, and compute quantiles of values with counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce, schema
from exportstats.stats import grouping

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def count_durations(
    known: pd.DataFrame, *, names: Sequence[str], freq: str | None = None, tz: str = "UTC"
) -> pd.DataFrame:
    """Count tasks by group, state and duration; this is the part of most duration statistics.

    Returns
    -------
    DataFrame
        The columns of the groups, `status_code`, `duration` (`timedelta64[ms]`, missing for tasks
        that have not ended) and `n`.
    """
    ended = known["status_code"].isin(schema.TERMINAL_STATES).to_numpy()
    millis = known["duration"].to_numpy().view("int64")
    return count_by_duration(known, names, np.where(ended, millis, coerce.NAT), freq, tz)


def count_by_duration(
    tasks: pd.DataFrame,
    names: Sequence[str],
    millis: np.ndarray,
    freq: str | None = None,
    tz: str = "UTC",
) -> pd.DataFrame:
    """Count tasks by group, state and durations in milliseconds; see `count_durations`."""
    groups = grouping.group_by_state(tasks, names, freq, tz)
    # -1, below all durations, replaces missing ones so that all fit into one packed number
    millis = np.where(millis != coerce.NAT, millis, -1)
    codes, millis = _sorted(groups.codes, millis)
    new = np.ones(len(codes), dtype=bool)
    new[1:] = (codes[1:] != codes[:-1]) | (millis[1:] != millis[:-1])
    starts = np.flatnonzero(new)
    return groups.keys.take(codes[starts]).assign(
        duration=np.where(millis < 0, coerce.NAT, millis)[starts].view("timedelta64[ms]"),
        n=np.diff(np.append(starts, len(codes))),
    )


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


def sort_weighted(codes: np.ndarray, values: np.ndarray, n: np.ndarray, groups: int) -> Weighted:
    """Sort values with counts within their groups, which are numbered from 0."""
    sizes = np.bincount(codes, weights=n, minlength=groups).astype("int64")
    if (n == 1).all():
        codes, values = _sorted(codes, values)
        through = np.arange(1, len(codes) + 1)
    else:
        order = _order(codes, values)
        codes, values, through = codes[order], values[order], np.cumsum(n[order])
    return Weighted(codes, values, through, np.cumsum(sizes))


def divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide; NaN where the whole is not positive."""
    share: np.ndarray = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def to_timedelta(millis: np.ndarray) -> np.ndarray:
    """Convert milliseconds to timedeltas, rounded; NaN becomes missing."""
    missing = np.isnan(millis)
    whole = np.rint(np.where(missing, 0, millis)).astype("int64")
    whole[missing] = coerce.NAT
    lengths: np.ndarray = whole.view("timedelta64[ms]")
    return lengths


def _order(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the order by group and value."""
    packed = _packed(codes, values)
    return np.lexsort((values, codes)) if packed is None else np.argsort(packed, kind="stable")


def _sorted(codes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return groups and values in order; faster than finding the order."""
    packed = _packed(codes, values)
    if packed is None:
        order = np.lexsort((values, codes))
        return codes[order], values[order]
    packed.sort()
    low, span = _range(values)
    whole, rest = np.divmod(packed, span)
    return whole, rest + low


def _packed(codes: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """Pack each group and value into one number with the same order; None if they do not fit.

    Sorting it is several times as fast as sorting by two keys.
    """
    low, span = _range(values)
    if len(codes) and span * (int(codes.max()) + 1) >= 1 << 62:
        return None
    packed: np.ndarray = codes * span + (values - low)
    return packed


def _range(values: np.ndarray) -> tuple[int, int]:
    """Return the smallest value, and the size of the range of values."""
    if not len(values):
        return 0, 1
    return int(values.min()), int(values.max()) - int(values.min()) + 1
