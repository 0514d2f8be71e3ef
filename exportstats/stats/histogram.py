"""How durations are spread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at
from exportstats.stats.weighed import weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.stats.as_of import Instant
    from exportstats.stats.grouping import By

# What a person would choose: lengths that one would say, about evenly apart on a log scale.
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
    tasks: shards.Tasks,
    *,
    by: By = None,
    bins: Sequence[object] | None = None,
    as_of: Instant = None,
) -> pd.DataFrame:
    """Count COMPLETED tasks by how long they took.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    by
        Column or columns to count in groups of.
    bins
        The edges between the bins, rising: timedeltas, or text such as "90s". Without them,
        round lengths about evenly apart on a logarithmic scale, from the shortest to the longest
        duration there is.
    as_of
        Count what was known at this instant; later completions are not known then. Without it, the
        states are taken as they are.

    Returns
    -------
    DataFrame
        Index: the groups and `duration`, intervals of timedeltas closed on the left. Columns:
        `tasks` and `share` (of its group's COMPLETED tasks with a known duration). A bin before
        the first or after the last edge is added where a duration lies there: the counts of a
        group add up to all of them.

    Raises
    ------
    ArgumentError
        A column that is no group, or edges that are no rising timedeltas.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": list("abc"), "status_code": "COMPLETED",
    ...                       "creation_time": 0, "completion_time": [70_000, 80_000, 400_000]})
    >>> table = duration_histogram(frames.conform(frame), bins=["1min", "5min", "10min"])
    >>> table["tasks"].to_list()
    [2, 1]
    """
    names = grouping.names_of(by, tasks, ("share",))
    asked = None if bins is None else _edges_of(bins)
    weighed = shards.collect(known_at(tasks, as_of), partial(weigh, names=names))
    weighed = weighed[(weighed["status_code"] == "COMPLETED") & weighed["duration"].notna()]
    groups = grouping.grid(weighed, names)
    millis = weighed["duration"].to_numpy().view("int64")
    edges = _covering(_ROUND_MILLIS if asked is None else asked, millis)
    if asked is None:
        edges = _in_use(edges, millis)

    count = np.zeros((len(groups.keys), len(edges) - 1), dtype="int64")
    at = np.minimum(np.searchsorted(edges, millis, side="right") - 1, len(edges) - 2)
    np.add.at(count, (groups.codes, at), weighed["n"].to_numpy())
    whole = count.sum(axis=1, keepdims=True)
    share = np.divide(count, whole, out=np.full(count.shape, np.nan), where=whole > 0)
    intervals = pd.IntervalIndex.from_breaks(
        pd.TimedeltaIndex(edges.view("timedelta64[ms]")), closed="left"
    )
    keys = groups.keys.loc[np.repeat(groups.keys.index, len(intervals))].reset_index(drop=True)
    keys["duration"] = intervals.take(np.tile(np.arange(len(intervals)), len(groups.keys)))
    return pd.DataFrame(
        {"tasks": count.ravel(), "share": share.ravel()}, index=grouping.index_of(keys)
    )


def _edges_of(bins: Sequence[object]) -> np.ndarray:
    try:
        lengths = pd.to_timedelta(list(bins))
    except (ValueError, TypeError) as error:
        raise ArgumentError(f'bins={bins!r}; give timedeltas or text such as "90s"') from error
    millis = lengths.to_numpy().astype("timedelta64[ms]").view("int64")
    if len(millis) <= 1 or millis.min() < 0 or (np.diff(millis) <= 0).any():
        raise ArgumentError(f"bins={bins!r}; give two edges or more, rising, of 0 or longer")
    return millis


def _covering(edges: np.ndarray, millis: np.ndarray) -> np.ndarray:
    """Add an edge below and above, where a duration lies outside."""
    if not len(millis):
        return edges
    below = [0] if millis.min() < edges[0] else []
    above = [millis.max() + 1] if millis.max() >= edges[-1] else []
    return np.concatenate([np.array(more, dtype="int64") for more in (below, edges, above)])


def _in_use(edges: np.ndarray, millis: np.ndarray) -> np.ndarray:
    """Leave out the bins below the shortest and above the longest duration."""
    if not len(millis):
        return edges[:1]
    first = min(np.searchsorted(edges, millis.min(), side="right"), len(edges) - 1) - 1
    last = np.searchsorted(edges, millis.max(), side="right")
    return edges[first : last + 1]
