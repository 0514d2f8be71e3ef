"""What was exported too soon after its window ended for all late events to be in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.coverage import exports, windows
from exportstats.coverage.asked import ask
from exportstats.stats import grouping

if TYPE_CHECKING:
    from exportstats.core import shards
    from exportstats.coverage.asked import Asked
    from exportstats.coverage.exports import Exports
    from exportstats.stats.as_of import Instant


def find_premature(
    tasks: shards.Tasks,
    *,
    margin: str | pd.Timedelta = "12h",
    start: Instant = None,
    end: Instant = None,
    as_of: Instant = None,
    deliveries: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find the COMPLETED tasks that may lack late events, and that no later task covers.

    A task is premature when it was created less than `margin` after the end of its window. It is
    listed when some of its window is covered by premature tasks only.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one. Those without a log group are left out.
    margin
        How long after the end of a window its last events may still arrive.
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
        A row a task, in the order of the log groups and of time: `account_id`, `region`,
        `log_group_name`, `task_id`; `start` and `end` of its window inside the range
        (`datetime64[ms, UTC]`, half-open); `creation_time`; `lead`, from the end of its window to
        its creation (`timedelta64[ms]`, negative when it was created before that);
        `premature`, how much of its window premature tasks alone cover (`timedelta64[ms]`); and
        the columns that you joined to the tasks.

    Raises
    ------
    ArgumentError
        An instant without a time zone, a range that does not end after its start, or a margin
        that is no length of time.
    SchemaError
        A table that is none.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> hour = 3_600_000
    >>> frame = pd.DataFrame({"task_id": ["a"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0],
    ...                       "to_time": [24 * hour - 1], "creation_time": [25 * hour]})
    >>> find_premature(frames.conform(frame))[["task_id", "lead", "premature"]]
      task_id            lead premature
    0       a 0 days 01:00:00    1 days
    """
    asked = ask(start, end, margin=margin, as_of=as_of, deliveries=deliveries)
    found = exports.collect(tasks, _answer, asked)
    found = found.sort_values(["task_id", "creation_time"], kind="stable")
    times = [coerce.millis(found[name]) for name in ("start", "end")]
    return exports.sort_rows(found, times)


def find(found: Exports, asked: Asked) -> np.ndarray:
    """Return which tasks cover their window and were created too soon after it."""
    known = found.tasks["creation_time"].notna().to_numpy()
    return found.covering & known & (_lead(found.tasks) < asked.margin)


def _lead(tasks: pd.DataFrame) -> np.ndarray:
    """Return creation less the end of the window, where both are known."""
    created, last = coerce.millis(tasks["creation_time"]), coerce.millis(tasks["to_time"])
    lead: np.ndarray = created - (last + 1)
    return lead


def _answer(found: Exports, asked: Asked) -> pd.DataFrame:
    soon = find(found, asked)
    made_good = found.windows(found.covering & ~soon)
    early = found.windows(soon)
    # only what premature tasks cover matters
    first, last = early.start.min(initial=asked.end), early.end.max(initial=asked.start)
    low, high = (np.clip(edge, first, last) for edge in (found.low, found.high))
    lacking = windows.find_uncovered(made_good, low, high)
    axis = windows.axis_of(len(found.keys), *lacking[1:], *early[1:])
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
