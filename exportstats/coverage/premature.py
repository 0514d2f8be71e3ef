"""Find tasks created too soon after the end of their window to include all late events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.coverage import exports
from exportstats.coverage.query import make_query
from exportstats.stats import grouping, windows

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.query import Query


def find_premature(
    tasks: pd.DataFrame | Shards,
    *,
    margin: str | pd.Timedelta = "12h",
    start: str | date | pd.Period | None = None,
    end: str | date | pd.Period | None = None,
    as_of: str | date | pd.Period | None = None,
    deliveries: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find the COMPLETED tasks that may lack late events, and that no later task covers.

    A task is premature if it was created less than `margin` after the end of its window. It is
    listed if part of its window is covered by premature tasks only.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Tasks without a log group are
        left out.
    margin
        How long after the end of a window late events may arrive.
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
        One row per task, sorted by log group and time, with these columns:

        - `account_id`, `region`, `log_group_name`, `task_id`;
        - `start`, `end` of its window within the range (`datetime64[ms, UTC]`, half-open);
        - `creation_time`;
        - `lead` from the end of the window to the creation (`timedelta64[ms]`), negative if the
          task was created before the end;
        - `premature`, how much of the window only premature tasks cover (`timedelta64[ms]`);
        - the columns that you joined to the tasks.

    Raises
    ------
    ArgumentError
        If an instant has no time zone, the range does not end after its start, or `margin` is not a
        length of time.
    SchemaError
        If a table is not the one it should be.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> hour = 3_600_000
    >>> frame = pd.DataFrame({"task_id": ["a"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0],
    ...                       "to_time": [24 * hour - 1], "creation_time": [25 * hour]})
    >>> xs.find_premature(xs.conform(frame))[["task_id", "lead", "premature"]]
      task_id            lead premature
    0       a 0 days 01:00:00    1 days
    """
    query = make_query(start, end, margin=margin, as_of=as_of, deliveries=deliveries)
    found = exports.collect(tasks, _answer, query, None)
    found = found.sort_values(["task_id", "creation_time"], kind="stable")
    times = [coerce.millis(found[name]) for name in ("start", "end")]
    return exports.sort_rows(found, times)


def find(found: Exports, query: Query) -> np.ndarray:
    """Return a mask of the tasks that cover their window, but were created too soon after it."""
    known = found.tasks["creation_time"].notna().to_numpy()
    return found.covering & known & (_lead(found.tasks) < query.margin)


def _lead(tasks: pd.DataFrame) -> np.ndarray:
    """Return creation minus end of the window, in milliseconds."""
    created, last = coerce.millis(tasks["creation_time"]), coerce.millis(tasks["to_time"])
    lead: np.ndarray = created - (last + 1)
    return lead


def _answer(found: Exports, query: Query) -> pd.DataFrame:
    soon = find(found, query)
    complete = found.windows(found.covering & ~soon)
    early = found.windows(soon)
    # only the time that premature tasks cover matters
    first, last = early.start.min(initial=query.end), early.end.max(initial=query.start)
    low, high = (np.clip(edge, first, last) for edge in (found.low, found.high))
    lacking = windows.find_uncovered(complete, low, high)
    axis = windows.axis_of(len(found.keys), *early[1:])
    before_start = windows.total_before(axis, lacking, early.group, early.start)
    premature = windows.total_before(axis, lacking, early.group, early.end) - before_start
    row, listed = np.flatnonzero(soon)[premature > 0], early.take(premature > 0)
    some = found.tasks.take(row)
    table = pd.DataFrame(
        {
            **exports.keys_of(found.keys, listed.group),
            "task_id": some["task_id"].array,
            "start": coerce.times(listed.start),
            "end": coerce.times(listed.end),
            "creation_time": some["creation_time"].array,
            "lead": _lead(some).view("timedelta64[ms]"),
            "premature": premature[premature > 0].view("timedelta64[ms]"),
        }
    )
    return grouping.with_own(table, some)
