"""How much came in during windows and gaps, from the bytes and events of periods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import SchemaError
from exportstats.stats import grouping, matching, windows

_COUNTS = ("incoming_bytes", "incoming_events")


class Came(NamedTuple):
    """What came in during intervals: the bytes and the events (`Int64`).

    A period that is partly in an interval counts in proportion. Missing if it is not known for the
    whole interval.
    """

    bytes: pd.api.extensions.ExtensionArray
    events: pd.api.extensions.ExtensionArray

    @classmethod
    def unknown(cls, many: int) -> Came:
        """Return missing values, for intervals of which nothing is known."""
        return cls(*(pd.array([pd.NA] * many, dtype="Int64") for _ in _COUNTS))


@dataclass(frozen=True)
class Incoming:
    """The periods of a table of incoming data, sorted and without those that are not known.

    Attributes
    ----------
    keys
        The keys of the log groups, one row each.
    periods
        The periods, disjoint.
    counts
        For each of them, the bytes and the events.
    """

    keys: pd.DataFrame
    periods: windows.Intervals
    counts: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, table: pd.DataFrame | Incoming) -> Incoming:
        """Return the periods of a table; what was prepared for another question stays as it is.

        Raises
        ------
        SchemaError
            If it is not such a table, or periods of a log group overlap.
        """
        if isinstance(table, Incoming):
            return table
        table = coerce.with_text_categories(frames.check(table, schema.INCOMING))
        known = table[table[[*_COUNTS, "period"]].notna().all(axis=1) & table["start"].notna()]
        groups = grouping.group(known[list(LOG_GROUP)], LOG_GROUP)
        start = coerce.millis(known["start"])
        end = start + known["period"].to_numpy("timedelta64[ms]").view("int64")
        order = np.lexsort([start, groups.codes])
        periods = windows.Intervals(groups.codes, start, end).take(order)
        same = periods.group[1:] == periods.group[:-1]
        overlaps = same & (periods.start[1:] < periods.end[:-1])
        if overlaps.any():
            row = known.iloc[order[1:][overlaps][0]]
            raise SchemaError(
                f"periods of {row['log_group_name']} overlap at {row['start']}; "
                "keep those of one length of time"
            )
        values = (known[name].to_numpy("int64")[order] for name in _COUNTS)
        return cls(groups.keys, periods, tuple(values))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is computed from the rest, so that less is sent to another process."""
        return {name: self.__dict__[name] for name in ("keys", "periods", "counts")}

    @cached_property
    def _index(self) -> windows.Index:
        # one more group, for log groups that are not known
        axis = windows.axis_of(len(self.keys) + 1, *self.periods[1:])
        return windows.Index.of(axis, self.periods)

    @cached_property
    def _lengths(self) -> windows.Summed:
        return windows.Summed.of(self.periods.length)

    @cached_property
    def _sums(self) -> tuple[windows.Summed, ...]:
        return tuple(map(windows.Summed.of, self.counts))

    def bytes_in(self, keys: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the bytes that came in during intervals, NaN where they are not known.

        Parameters
        ----------
        keys
            The key of the log group of each interval, one row each.
        start, end
            The intervals in milliseconds, half-open; `coerce.NAT` is unknown.
        """
        return self._totals(matching.locate(keys, self.keys), start, end, self._sums[0])

    def bytes_of(self, tasks: pd.DataFrame) -> np.ndarray:
        """Return the bytes that came in during the window of each task, NaN if not known."""
        return self.bytes_in(tasks, *_edges(tasks))

    def of_windows(self, tasks: pd.DataFrame) -> Came:
        """Return what came in during the window of each task."""
        return self.during(matching.locate(tasks, self.keys), *_edges(tasks))

    def during(self, group: np.ndarray, start: np.ndarray, end: np.ndarray) -> Came:
        """Return what came in during intervals; `group` is a row of `keys`, -1 for none."""
        totals = (self._totals(group, start, end, sums) for sums in self._sums)
        return Came(*(pd.array(np.rint(total), dtype="Int64") for total in totals))

    def are_silent(
        self, group: np.ndarray, start: np.ndarray, end: np.ndarray, lateness: int
    ) -> np.ndarray:
        """Return in which intervals nothing came in, nor in the `lateness` after them."""
        group, late = self._numbers(group), end + lateness
        first, last = self._index.touched(windows.Intervals(group, start, late))
        through = self._sums[1].through
        silent: np.ndarray = self._known(group, start, late) & (through[first] == through[last])
        return silent

    def _numbers(self, group: np.ndarray) -> np.ndarray:
        """Return the numbers of log groups, with one more for those that are not known."""
        return np.where(group < 0, len(self.keys), group)

    def _known(self, group: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return which intervals lie in known periods as a whole."""
        before = partial(self._index.time_before, self._lengths, group)
        known: np.ndarray = before(end) - before(start) == end - start
        return known

    def _totals(
        self, group: np.ndarray, start: np.ndarray, end: np.ndarray, sums: windows.Summed
    ) -> np.ndarray:
        """Return the sum of values over intervals; NaN if not known for the whole interval."""
        some = (start != coerce.NAT) & (end > start)
        group, start, end = self._numbers(group[some]), start[some], end[some]
        before = partial(self._index.sum_before, sums, group)
        found = np.full(len(some), np.nan)
        found[some] = np.where(self._known(group, start, end), before(end) - before(start), np.nan)
        return found


def _edges(tasks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the half-open windows of tasks; `coerce.NAT` is unknown."""
    first, last = (coerce.millis(tasks[name]) for name in ("from_time", "to_time"))
    return first, np.where(last == coerce.NAT, last, last + 1)
