"""What several COMPLETED tasks exported, each of them once more."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.coverage import exports, windows
from exportstats.coverage.asked import ask

if TYPE_CHECKING:
    from exportstats.core import shards
    from exportstats.coverage.asked import Asked
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.windows import Axis, Stretches
    from exportstats.stats.as_of import Instant


def find_overlaps(
    tasks: shards.Tasks,
    *,
    start: Instant = None,
    end: Instant = None,
    as_of: Instant = None,
    deliveries: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find what more than one COMPLETED task covers, log group by log group.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one. Those without a log group are left out.
    start, end
        The range, from `start` to before `end`: instants with their time zone. Without them, all
        of the years 1970 to 2999.
    as_of
        Answer with what was known at this instant (aware). Without it, the states are taken as
        they are.
    deliveries
        A table of deliveries: a task that delivered `empty` or `gone` covers nothing.

    Returns
    -------
    DataFrame
        A row a stretch that the same tasks cover, as long as it gets, in the order of the log
        groups and of time: `account_id`, `region`, `log_group_name`; `start` and `end`
        (`datetime64[ms, UTC]`, half-open); `length` (`timedelta64[ms]`); `depth`, how many tasks;
        `task_ids`, a tuple of their identifiers, by creation.

    Raises
    ------
    ArgumentError
        An instant without a time zone, or a range that does not end after its start.
    SchemaError
        `tasks` is not a table of tasks.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> frame = pd.DataFrame({"task_id": ["a", "b"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0, 6000],
    ...                       "to_time": [9999, 19_999], "creation_time": [30_000, 40_000]})
    >>> find_overlaps(frames.conform(frame))[["length", "depth", "task_ids"]]
               length  depth task_ids
    0 0 days 00:00:04      2   (a, b)
    """
    asked = ask(start, end, as_of=as_of, deliveries=deliveries)
    found = exports.collect(tasks, _answer, asked)
    return exports.sort_rows(found, [coerce.millis(found["start"])])


def _answer(found: Exports, _: Asked) -> pd.DataFrame:
    covering = found.windows(found.covering)
    axis = windows.axis_of(len(found.keys), *covering[1:])
    pieces = windows.cut(axis, covering)
    depth = windows.depths(axis, covering, pieces)
    pieces, depth = pieces.take(depth > 1), depth[depth > 1]
    return pd.DataFrame(
        {
            **exports.keys_of(found.keys, pieces.group),
            "start": coerce.times(pieces.start),
            "end": coerce.times(pieces.end),
            "length": pieces.length.view("timedelta64[ms]"),
            "depth": depth,
            "task_ids": _names(found, axis, pieces, depth),
        }
    )


def _names(found: Exports, axis: Axis, pieces: Stretches, depth: np.ndarray) -> pd.Series:
    """Return the identifiers of the tasks over each piece, by creation, what has none last."""
    rows = np.flatnonzero(found.covering)
    first, last = windows.ranges_touched(axis, pieces, found.windows(rows))
    rows, first, many = rows[first < last], first[first < last], (last - first)[first < last]
    ids = found.tasks["task_id"].array.take(rows)
    created = coerce.millis(found.tasks["creation_time"])[rows]
    created = np.where(created == coerce.NAT, np.iinfo(np.int64).max, created)

    # a pair for each piece that a task lies over
    task = np.repeat(np.arange(len(rows)), many)
    piece = np.arange(len(task)) + np.repeat(first - np.cumsum(many) + many, many)
    order = np.lexsort([pd.factorize(ids, sort=True)[0][task], created[task], piece])
    names = ids.take(task[order]).tolist()
    ends = [0, *np.cumsum(depth).tolist()]
    return pd.Series([tuple(names[left:right]) for left, right in pairwise(ends)], dtype=object)
