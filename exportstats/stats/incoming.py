"""How much came in during gaps, from the bytes and events of periods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import SchemaError
from exportstats.stats import grouping, windows

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
    def of(cls, table: pd.DataFrame, lateness: int) -> Incoming:
        """Return the periods of a checked table.

        Raises
        ------
        SchemaError
            If periods of a log group overlap.
        """
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

    def during(self, group: np.ndarray, start: np.ndarray, end: np.ndarray) -> Came:
        """Return what came in during intervals; `group` is a row of `keys`, -1 for none."""
        late = end + self.lateness
        axis = windows.axis_of(len(self.keys) + 1, *self.periods[1:], start, late)
        group = np.where(group < 0, len(self.keys), group)

        def total(until: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
            of = partial(windows.total_before, axis, self.periods, group, values=values)
            whole: np.ndarray = of(time=until) - of(time=start)
            return whole

        is_known = total(end) == end - start
        bytes_, events = (
            pd.array(np.where(is_known, np.rint(total(end, values)), np.nan), dtype="Int64")
            for values in self.counts
        )
        touched = windows.Intervals(group, start, late)
        first, last = windows.ranges_touched(axis, self.periods, touched)
        through = np.append(0, np.cumsum(self.counts[1]))
        is_silent = (total(late) == late - start) & (through[first] == through[last])
        return Came(bytes_, events, is_silent)
