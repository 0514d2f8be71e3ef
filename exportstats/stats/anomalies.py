"""Find tasks whose data cannot be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import identity, schema, shards
from exportstats.stats import grouping
from exportstats.stats.histories import CLOCK_SKEW, TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exportstats.core.shards import Shards

# AWS did not exist before; a time after is a mistake in the data.
_FIRST = pd.Timestamp("2006-01-01", tz="UTC")
_LAST = pd.Timestamp("2100-01-01", tz="UTC")
_TIMES = ("from_time", "to_time", "creation_time", "completion_time")

_COLUMNS = [*schema.KEY, "log_group_name", "status_code", *_TIMES]


def find_anomalies(tasks: pd.DataFrame | Shards) -> pd.DataFrame:
    """List the tasks whose data cannot be right, and why.

    Anomalous tasks stay in the table of tasks and are counted wherever possible. Impossible values,
    such as a negative duration, are treated as missing.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.

    Returns
    -------
    DataFrame
        One row per task and reason, with these columns:

        - `account_id`, `region`, `task_id`, `log_group_name`, `status_code`;
        - `from_time`, `to_time`, `creation_time`, `completion_time` (`datetime64[ms, UTC]`). All
          times are between 1970 and 2999: `conform` cuts the edges of a window to these years and
          replaces other times outside them by missing values. Both are listed here;
        - `reason`, a sentence;
        - the columns that you joined to the tasks.

    Raises
    ------
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": ["a"], "status_code": "COMPLETED",
    ...                       "log_group_name": "acme",
    ...                       "creation_time": ["2026-11-23T06:00Z"],
    ...                       "completion_time": ["2026-11-23T05:00Z"]})
    >>> xs.find_anomalies(xs.conform(frame))["reason"].to_list()
    ['completion_time is before creation_time']
    """
    found = shards.collect(tasks, _find)
    others = [name for name in _COLUMNS if name not in schema.KEY]
    return found.sort_values([*schema.KEY, "reason", *others], ignore_index=True)


def _find(tasks: pd.DataFrame) -> pd.DataFrame:
    reasons, masks = zip(*_checks(tasks), strict=True)
    rows, which = np.nonzero(np.column_stack(masks))
    tasks = tasks.iloc[rows].reset_index(drop=True)
    found = tasks[_COLUMNS].assign(reason=pd.Series(reasons, dtype="str").take(which).array)
    return grouping.with_own(found, tasks)


def _checks(tasks: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yield each reason with a mask of the tasks it applies to."""
    state, created, completed = (
        tasks["status_code"],
        tasks["creation_time"],
        tasks["completion_time"],
    )
    known, ended = state.isin(schema.STATES), state.isin(schema.TERMINAL_STATES)
    yield "from_time is after to_time", tasks["from_time"] > tasks["to_time"]
    yield "completion_time is before creation_time", completed < created
    yield (
        "it lasted longer than the 24-hour time-out",
        tasks["duration"] > TOO_LONG,
    )
    for name in _TIMES:
        yield f"{name} is before 2006", tasks[name] < _FIRST
        yield f"{name} is after 2099", tasks[name] >= _LAST
    latest = tasks["observed_at"].where(tasks["observed_at"] < _LAST) + CLOCK_SKEW
    for name in ("creation_time", "completion_time"):
        yield f"{name} is after observed_at", (tasks[name] > latest) & (tasks[name] < _LAST)
    yield "creation_time is missing", created.isna()
    yield "status_code is missing", state.isna()
    yield "status_code is not a state of the API", state.notna() & ~known
    yield "it has ended, but has no completion_time", ended & completed.isna()
    yield "it is active, but has a completion_time", known & ~ended & completed.notna()
    yield "log_group_name is missing", tasks["log_group_name"].isna()
    yield identity.CONTRADICTION_OF_TASKS, tasks.duplicated(list(schema.KEY), keep=False)
