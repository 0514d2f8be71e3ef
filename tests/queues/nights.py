"""Tables of exports and of tasks for the tests of queues."""

from __future__ import annotations

from typing import Any

import pandas as pd
from support import DAY, HOUR, START

import exportstats as xs

MINUTE = 60_000
NOW = pd.Timestamp(START, unit="ms", tz="UTC")
GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme"}


def exports_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return exports; `at` is the minute after now, `lasts` the duration in minutes."""
    made = [
        {
            "create_at": NOW + pd.Timedelta(minutes=row.get("at", 0)),
            "duration": pd.Timedelta(minutes=row["lasts"]) if "lasts" in row else pd.NaT,
        }
        | {name: value for name, value in row.items() if name not in ("at", "lasts")}
        for row in rows
    ]
    return pd.DataFrame(made)


def tasks_of(*durations: int, gap: int = 3 * HOUR, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any field
    """Return COMPLETED tasks with these durations, without waiting, the latest one last."""
    name = fields.get("log_group_name", "acme")
    rows = []
    for number, lasts in enumerate(reversed(durations), 1):
        created = START - number * gap - (HOUR if name == "acme" else 0)
        row = {
            "task_id": f"{name}-{number:04}",
            "status_code": "COMPLETED",
            "from_time": created - 2 * DAY,
            "to_time": created - DAY - 1,
            "creation_time": created,
            "completion_time": created + lasts,
            "observed_at": START,
        }
        rows.append({**GROUP, **row, **fields})
    return rows


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return a table of tasks."""
    return xs.conform(pd.DataFrame([*rows]))


def after(times: pd.Series) -> list[float]:
    """Return times in minutes after now."""
    return (times - NOW).dt.total_seconds().div(60).to_list()
