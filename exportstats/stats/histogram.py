"""Count tasks by duration."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at
from exportstats.stats.weighted import divide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.shards import Shards


# Round durations, about evenly spaced on a logarithmic scale.
_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_ROUND_MILLIS = np.array(
    [
        0,
        *(1, 2, 5, 10, 20, 50, 100, 200, 500),
        *(step * _SECOND for step in (1, 1.5, 2, 3, 4.5, 7, 10, 15, 20, 30, 45)),
        *(step * _MINUTE for step in (1, 1.5, 2, 3, 4.5, 7, 10, 15, 20, 30, 45)),
        *(step * _HOUR for step in (1, 1.5, 2, 3, 4, 6, 8, 12, 16)),
        *(step * _DAY for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
    ],
    dtype="int64",
)


def duration_histogram(
    tasks: pd.DataFrame | Shards,
    *,
    by: str | Sequence[str] | None = None,
    bins: Sequence[object] | None = None,
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Count COMPLETED tasks by how long they took.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    bins
        The edges of the bins in ascending order: timedeltas, or text such as "90s". By default,
        round durations that are about evenly spaced on a logarithmic scale.
    as_of
        Use only what was known at this instant: tasks that completed later are not counted. By
        default, the states are used as they are.

    Returns
    -------
    DataFrame
        Indexed by group and `duration`, intervals of timedeltas closed on the left. Durations
        outside `bins` are counted in an extra bin below or above. Columns:

        - `tasks`, the number of COMPLETED tasks with a duration in the bin;
        - `share` of the group's COMPLETED tasks with a known duration.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, `bins` are not ascending timedeltas, or `as_of` has no
        time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "creation_time": 0, "completion_time": [70_000, 80_000, 400_000]})
    >>> table = xs.duration_histogram(xs.conform(frame), bins=["1min", "5min", "10min"])
    >>> table["tasks"].to_list()
    [2, 1]
    """
    names = grouping.names_of(by, tasks, ("share",))
    given = None if bins is None else _edges_of(bins)
    part = partial(_count, names=names, edges=_ROUND_MILLIS if given is None else given)
    counted = shards.collect(known_at(tasks, as_of), part, (*names, *grouping.DURATION_COLUMNS))
    groups = grouping.grid(counted, names)
    millis = counted["duration"].to_numpy().view("int64")
    edges = _covering(_ROUND_MILLIS if given is None else given, millis)
    if given is None:
        edges = _in_use(edges, millis)

    count = np.zeros((len(groups.keys), len(edges) - 1), dtype="int64")
    at = np.searchsorted(edges, millis, side="right") - 1
    np.add.at(count, (groups.codes, at), counted["n"].to_numpy())
    share = divide(count, count.sum(axis=1, keepdims=True))
    intervals = pd.IntervalIndex.from_breaks(
        pd.TimedeltaIndex(edges.view("timedelta64[ms]")), closed="left"
    )
    keys = grouping.repeat(groups.keys, len(intervals))
    keys["duration"] = intervals.take(np.tile(np.arange(len(intervals)), len(groups.keys)))
    return pd.DataFrame(
        {"tasks": count.ravel(), "share": share.ravel()}, index=grouping.index_of(keys)
    )


def _count(known: pd.DataFrame, *, names: Sequence[str], edges: np.ndarray) -> pd.DataFrame:
    """Count the COMPLETED tasks by group and bin; `duration` is the longest one in the bin."""
    done = known[(known["status_code"] == "COMPLETED") & known["duration"].notna()]
    groups = grouping.group(grouping.columns_of(done, names), names)
    millis = done["duration"].to_numpy().view("int64")
    many = len(edges) + 1  # with the durations below and above
    at = groups.codes * many + np.searchsorted(edges, millis, side="right")
    found = pd.Series(millis).groupby(at).agg(["max", "size"])
    longest = found["max"].to_numpy().view("timedelta64[ms]")
    return groups.keys.take(found.index.to_numpy() // many).assign(
        duration=longest, n=found["size"].array
    )


def _edges_of(bins: Sequence[object]) -> np.ndarray:
    try:
        lengths = pd.to_timedelta(list(bins))
    except (ValueError, TypeError) as error:
        raise ArgumentError(f'bins={bins!r}; give timedeltas or text such as "90s"') from error
    millis = lengths.to_numpy().astype("timedelta64[ms]").view("int64")
    if len(millis) <= 1 or millis.min() < 0 or (np.diff(millis) <= 0).any():
        raise ArgumentError(f"bins={bins!r}; give at least two ascending edges, none negative")
    return millis


def _covering(edges: np.ndarray, millis: np.ndarray) -> np.ndarray:
    """Add an edge below and above the others where durations lie outside them."""
    if not len(millis):
        return edges
    below = [0] if millis.min() < edges[0] else []
    above = [millis.max() + 1] if millis.max() >= edges[-1] else []
    return np.concatenate([np.array(more, dtype="int64") for more in (below, edges, above)])


def _in_use(edges: np.ndarray, millis: np.ndarray) -> np.ndarray:
    """Leave out the bins below the shortest and above the longest duration."""
    if not len(millis):
        return edges[:1]
    first = np.searchsorted(edges, millis.min(), side="right") - 1
    last = np.searchsorted(edges, millis.max(), side="right")
    return edges[first : last + 1]
