"""Helpers of the tests of backfill plans: gaps, tasks of a day, windows."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
from support import (
    DAY,
    HOUR,
    START as MORNING,
    plain,
)

import exportstats as xs

MINUTE = 60_000
MIDNIGHT = MORNING // DAY * DAY  # the day's first instant
START = MIDNIGHT + 18 * HOUR  # when all events of the day before are in
plan_backfill = partial(xs.plan_backfill, never_exported=True, tolerance="0ms")
SLOT = {"account_id": "111122223333", "region": "eu-west-1"}
NOW = pd.Timestamp(START, unit="ms", tz="UTC")
GROUP = {**SLOT, "log_group_name": "acme"}
TIMES = ("expected_start", "expected_end", "end_low", "end_high")
Row = dict[str, Any]


def gaps_of(*rows: Row) -> pd.DataFrame:
    """Return a table of gaps as `find_gaps` returns it, times in milliseconds."""
    usual = {**GROUP, "start": MIDNIGHT - DAY, "end": MIDNIGHT, "reason": "failed"}
    names = ["account_id", "region", "log_group_name"]
    columns = [*names, "start", "end", "length", "reason", "last_task_id", "expires_at"]
    frame = pd.DataFrame([usual | row for row in rows], columns=columns, dtype=object)
    frame = frame.astype(dict.fromkeys([*names, "last_task_id"], "str"))
    for name in ("start", "end", "expires_at"):
        millis = pd.array(frame[name].array, dtype="Int64").to_numpy("int64", na_value=-(2**63))
        frame[name] = pd.Series(millis.view("datetime64[ms]")).dt.tz_localize("UTC")
    reasons = ["lost", "never_tried", "empty", "failed", "cancelled", "active"]
    return frame.assign(
        length=frame["end"] - frame["start"],
        reason=pd.Categorical(frame["reason"], categories=reasons, ordered=True),
        **{name: frame[name].astype("category") for name in names},
    )


def done(number: int, duration: int, **fields: Any) -> Row:  # noqa: ANN401 - any field
    """Return a COMPLETED task with a window of one day, `number` days ago."""
    created = MIDNIGHT - number * DAY
    row = {
        "task_id": f"{fields.get('region')}-{fields.get('log_group_name', 'acme')}-{number:04}",
        "status_code": "COMPLETED",
        "from_time": created - 2 * DAY,
        "to_time": created - DAY - 1,
        "creation_time": created,
        "completion_time": created + duration,
        "destination": "acme-logs",
        "observed_at": START,
    }
    return {**GROUP, **row, **fields}


def running(elapsed: int, **fields: Any) -> Row:  # noqa: ANN401 - any field
    """Return a RUNNING task that was created `elapsed` ms ago, with a window long ago."""
    row = {
        "task_id": "running",
        "status_code": "RUNNING",
        "from_time": MIDNIGHT - 900 * DAY,
        "to_time": MIDNIGHT - 899 * DAY - 1,
        "creation_time": START - elapsed,
        "observed_at": START,
    }
    return {**GROUP, **row, **fields}


def history(*durations: int, **fields: Any) -> list[Row]:  # noqa: ANN401 - any field
    """Return COMPLETED tasks with these durations, one a day."""
    return [done(number, duration, **fields) for number, duration in enumerate(durations, 3)]


def windows(plan: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the windows as half-open intervals since the last midnight."""
    pairs = zip(plain(plan["from_time"]), plain(plan["to_time"]), strict=True)
    return [(first - MIDNIGHT, last + 1 - MIDNIGHT) for first, last in pairs]
