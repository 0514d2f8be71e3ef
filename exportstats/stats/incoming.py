"""How much came in during windows and gaps, from the bytes and events of periods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import SchemaError
from exportstats.stats import grouping, matching, windows

if TYPE_CHECKING:
    from exportstats.stats.packing import Packing

_COUNTS = ("incoming_bytes", "incoming_events")


class Came(NamedTuple):
    """What came in during intervals.

    Attributes
    ----------
    bytes, events
        Their number (`Int64`). A period that is partly in an interval counts in proportion. Missing
        if it is not known for the whole interval.
    is_silent
        Mask of the intervals in which nothing came in, nor in the time after them.
    """

    bytes: pd.api.extensions.ExtensionArray
    events: pd.api.extensions.ExtensionArray
    is_silent: np.ndarray


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
    lateness
        How long after an interval its events may come in, in milliseconds.
    """

    keys: pd.DataFrame
    periods: windows.Intervals
    counts: tuple[np.ndarray, ...]
    lateness: int

    @classmethod
    def of(cls, table: pd.DataFrame, lateness: int = 0) -> Incoming:
        """Return the periods of a table.

        Raises
        ------
        SchemaError
            If it is not such a table, or periods of a log group overlap.
        """
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
        return cls(groups.keys, periods, tuple(values), lateness)

    def bytes_in(self, keys: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the bytes that came in during intervals, NaN where they are not known.

        Parameters
        ----------
        keys
            The key of the log group of each interval, one row each.
        start, end
            The intervals in milliseconds, half-open; `coerce.NAT` is unknown.
        """
        some = (start != coerce.NAT) & (end > start)
        group = self._numbers(matching.locate(keys[list(LOG_GROUP)], self.keys)[some])
        found = np.full(len(some), np.nan)
        start, end = start[some], end[some]
        axis = windows.axis_of(len(self.keys) + 1, *self.periods[1:], start, end)
        found[some] = self._totals(axis, group, start, end, self.counts[0])
        return found

    def bytes_of(self, tasks: pd.DataFrame) -> np.ndarray:
        """Return the bytes that came in during the window of each task, NaN if not known."""
        last = coerce.millis(tasks["to_time"])
        end = np.where(last == coerce.NAT, last, last + 1)
        return self.bytes_in(tasks, coerce.millis(tasks["from_time"]), end)

    def during(self, group: np.ndarray, start: np.ndarray, end: np.ndarray) -> Came:
        """Return what came in during intervals; `group` is a row of `keys`, -1 for none."""
        late = end + self.lateness
        axis = windows.axis_of(len(self.keys) + 1, *self.periods[1:], start, late)
        group = self._numbers(group)
        bytes_, events = (
            pd.array(np.rint(self._totals(axis, group, start, end, values)), dtype="Int64")
            for values in self.counts
        )
        touched = windows.Intervals(group, start, late)
        first, last = windows.ranges_touched(axis, self.periods, touched)
        through = np.append(0, np.cumsum(self.counts[1]))
        is_silent = self._known(axis, group, start, late) & (through[first] == through[last])
        return Came(bytes_, events, is_silent)

    def _numbers(self, group: np.ndarray) -> np.ndarray:
        """Return the numbers of log groups, with one more for those that are not known."""
        return np.where(group < 0, len(self.keys), group)

    def _known(
        self, axis: Packing, group: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Return which intervals lie in known periods as a whole."""
        before = partial(windows.total_before, axis, self.periods, group)
        known: np.ndarray = before(end) - before(start) == end - start
        return known

    def _totals(
        self,
        axis: Packing,
        group: np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
        values: np.ndarray,
    ) -> np.ndarray:
        """Return the sum of values over intervals; NaN if not known for the whole interval."""
        before = partial(windows.total_before, axis, self.periods, group, values=values)
        known = self._known(axis, group, start, end)
        return np.where(known, before(end) - before(start), np.nan)
