"""Find what more than one COMPLETED task exported."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.coverage import exports
from exportstats.coverage.query import make_query
from exportstats.stats import windows

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.query import Query
    from exportstats.stats.packing import Packing
    from exportstats.stats.windows import Intervals


def find_overlaps(
    tasks: pd.DataFrame | Shards,
    *,
    start: str | date | pd.Period | None = None,
    end: str | date | pd.Period | None = None,
    as_of: str | date | pd.Period | None = None,
    deliveries: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find what more than one COMPLETED task covers, per log group.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Tasks without a log group are
        left out.
    start, end
        The range, from `start` to before `end`: dates in UTC, or instants with a time zone. By
        default, the years 1970 to 2999.
    as_of
        Use only what was known at this instant. By default, the states are used as they are.
    deliveries
        A table of deliveries. If given, tasks that delivered `empty` or `gone` cover nothing.

    Returns
    -------
    DataFrame
        One row per interval that the same tasks cover, as long as possible, sorted by log group and
        time, with these columns:

        - `account_id`, `region`, `log_group_name`;
        - `start`, `end` (`datetime64[ms, UTC]`, half-open), `length` (`timedelta64[ms]`);
        - `depth`, the number of tasks;
        - `task_ids`, a tuple of their IDs in the order of creation.

    Raises
    ------
    ArgumentError
        If an instant has no time zone, or the range does not end after its start.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": ["a", "b"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0, 6000],
    ...                       "to_time": [9999, 19_999], "creation_time": [30_000, 40_000]})
    >>> xs.find_overlaps(xs.conform(frame))[["length", "depth", "task_ids"]]
               length  depth task_ids
    0 0 days 00:00:04      2   (a, b)
    """
    query = make_query(start, end, as_of=as_of, deliveries=deliveries)
    found = exports.collect(tasks, _answer, query)
    return exports.sort_rows(found, [coerce.millis(found["start"])])


def _answer(found: Exports, _: Query) -> pd.DataFrame:
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


def _names(found: Exports, axis: Packing, pieces: Intervals, depth: np.ndarray) -> pd.Series:
    """Return the IDs of the tasks over each piece, in the order of creation, missing last."""
    rows = np.flatnonzero(found.covering)
    first, last = windows.ranges_touched(axis, pieces, found.windows(rows))
    rows, first, many = rows[first < last], first[first < last], (last - first)[first < last]
    ids = found.tasks["task_id"].array.take(rows)
    created = coerce.millis(found.tasks["creation_time"])[rows]
    created = np.where(created == coerce.NAT, np.iinfo(np.int64).max, created)

    # one pair per task and piece that it covers
    task = np.repeat(np.arange(len(rows)), many)
    piece = np.arange(len(task)) + np.repeat(first - np.cumsum(many) + many, many)
    order = np.lexsort([pd.factorize(ids, sort=True)[0][task], created[task], piece])
    names = ids.take(task[order]).tolist()
    ends = [0, *np.cumsum(depth).tolist()]
    return pd.Series([tuple(names[left:right]) for left, right in pairwise(ends)], dtype=object)
