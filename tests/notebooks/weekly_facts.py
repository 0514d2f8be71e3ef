"""What the notebook on the weekly report says, computed from plain rows."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import pandas as pd
from facts import (
    BY_HAND,
    DAY,
    LOG_GROUP,
    MINUTE,
    PLANTED,
    SAMPLE,
    Facts,
    Row,
    date,
    done_rows,
    percent,
)

MS = pd.Timedelta("1ms")
Key: TypeAlias = tuple[str, ...]


def weekly_report(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on the report, from the tasks one by one."""
    start, end = pd.Timestamp("2026-06-08T00:00Z"), pd.Timestamp("2026-06-15T00:00Z")
    due = (start - 2 * DAY, end - 2 * DAY)
    known = tasks[tasks["creation_time"] < end].assign(end=tasks["to_time"] + MS)
    of: dict[Key, list[Row]] = {}
    for row in known[known["completion_time"] <= end].to_dict("records"):
        of.setdefault(tuple(row[name] for name in LOG_GROUP), []).append(row)
    done = {key: done_rows(rows) for key, rows in of.items()}
    failed = [
        (key, row)
        for key, rows in of.items()
        for row in rows
        if row["status_code"] == "FAILED" and row["creation_time"] >= start
    ]
    left = [(key, row) for key, row in failed if _holes(done[key], row["from_time"], row["end"])]
    holes = [
        (key, hole) for key in of if key[-1] not in BY_HAND for hole in _holes(done[key], *due)
    ]
    return {
        "report-said": [
            f"the week of {date(start)} {start.year}",
            _outage([row for rows in of.values() for row in rows if row["creation_time"] >= start]),
            f"{len(left)} of the {len(failed)} tasks that FAILED",
            *_first_to_expire(left, holes),
            f"{due[0].day} to {date(due[1] - DAY)}",
            "two days after the day",
        ],
        **_weekly_gaps(holes, left),
        "figures-said": [
            *_weekly_figures([row for rows in of.values() for row in rows], start),
            _weekly_covered(len([key for key in of if key[-1] not in BY_HAND]), holes),
        ],
    }


def _holes(
    rows: list[Row], start: pd.Timestamp, end: pd.Timestamp
) -> list[tuple[pd.Timestamp, pd.Timedelta]]:
    """Return the start and the length of each part of a range that no window covers."""
    found, until = [], start
    for first, last in sorted([*((row["from_time"], row["end"]) for row in rows), (end, end)]):
        if min(first, end) > until:
            found.append((until, min(first, end) - until))
        until = max(until, last)
    return found


def _outage(week: list[Row]) -> str:
    planted = json.loads(PLANTED.read_text(encoding="utf-8"))["outage"]
    first, last = (pd.Timestamp(planted[name], tz="UTC") for name in ("first_night", "last_night"))
    assert planted["region"] == "us-east-1"
    assert (last - first) // DAY + 1 == 5
    nights = [
        row
        for row in week
        if (row["account_id"], row["region"]) == (planted["account_id"], planted["region"])
        and first <= row["from_time"] <= last
    ]
    denied = [row for row in nights if "access denied" in str(row["status_message"])]
    assert 2 * len(denied) > len(nights)
    return "on five nights"


def _first_to_expire(left: list[tuple[Key, Row]], holes: list[tuple[Key, Any]]) -> list[str]:
    kept = {
        (row["accountId"], row["region"], row["logGroupName"]): row["retentionInDays"] * DAY
        for row in json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
        if "retentionInDays" in row
    }
    key, row = min(
        ((key, row) for key, row in left if key in kept),
        key=lambda one: one[1]["from_time"] + kept[one[0]],
    )
    assert key[-1] == "/aws/apigateway/acme-edge"
    (missing,) = (length for other, (_, length) in holes if other == key)
    return [f"{missing // DAY} days of", f"begin to expire on {date(row['from_time'] + kept[key])}"]


def _weekly_gaps(holes: list[tuple[Key, Any]], left: list[tuple[Key, Row]]) -> Facts:
    long = [(key, length) for key, (_, length) in holes if length > MINUTE]
    assert len({key for key, _ in long}) == len(long)
    assert {key[1] for key, _ in long} == {"us-east-1"}
    assert {key for key, _ in long} <= {key for key, _ in left}
    together = sum((length for _, length in long), pd.Timedelta(0))
    assert together % DAY == pd.Timedelta(0)
    return {"rows-said": [f"{len(long)} gaps, {together // DAY} days together"]}


def _weekly_figures(ended: list[Row], start: pd.Timestamp) -> list[str]:
    weeks = [
        [row for row in ended if begin <= row["creation_time"] < begin + 7 * DAY]
        for begin in (start, start - 7 * DAY)
    ]
    now, before = (
        sum(row["status_code"] == "FAILED" for row in week) / len(week) for week in weeks
    )
    medians = [pd.Series([row["duration"] for row in done_rows(week)]).median() for week in weeks]
    assert medians[0] < medians[1]
    return [f"{percent(now)} of the tasks that ended", f"after {percent(before)}"]


def _weekly_covered(regular: int, holes: list[tuple[Key, Any]]) -> str:
    missing = sum((length for _, (_, length) in holes), pd.Timedelta(0))
    return f"{percent(1 - missing / (regular * 7 * DAY))} is covered"
