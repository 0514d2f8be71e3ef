"""What the notebook on evidence says, computed from plain rows."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd
from facts import DAY, LOG_GROUP, PLANTED, Facts, Row, done_rows, percent

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterable

START, END = pd.Timestamp("2026-09-01T00:00Z"), pd.Timestamp("2026-11-22T00:00Z")
HOUR, MS = pd.Timedelta("1h"), pd.Timedelta("1ms")
NOTHING = pd.Timedelta(0)
Key: TypeAlias = tuple[str, ...]
Span: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]


def evidence(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on evidence, from the rows of each source."""
    planted = json.loads(PLANTED.read_text(encoding="utf-8"))["evidence"]
    calls = xs.sample_api_calls().to_dict("records")
    whole = {row["task_id"] for row in calls if not isinstance(row["log_stream_name_prefix"], str)}
    table = xs.sample_deliveries()
    says = {row["task_id"]: row for row in table.to_dict("records")}
    delivered = {
        name
        for name, row in says.items()
        if row["delivered"] == "yes"
        and row["missing_streams"] == row["possibly_missing_streams"] == 0
    }
    lost = {name for name, row in says.items() if row["delivered"] in ("empty", "gone")}
    lacking = {name for name, row in says.items() if row["delivered"] == "partial"}
    assert lacking == {row["task_id"] for row in planted["prefixed"]}
    came: dict[Key, dict[pd.Timestamp, int]] = {}
    for row in xs.sample_incoming().to_dict("records"):
        came.setdefault(_key(row), {})[row["start"]] = row["incoming_bytes"]

    of: dict[Key, list[Row]] = {}
    for row in tasks.to_dict("records"):
        of.setdefault(_key(row), []).append(row)
    listed = least = most = silent = NOTHING
    for key, rows in of.items():
        done = done_rows(rows)
        there = [row for row in done if row["task_id"] not in lost]
        sure = [row for row in there if row["task_id"] in whole & delivered]
        assert all(row["creation_time"] - row["to_time"] > DAY / 2 for row in sure)
        listed += _total(_union(done))
        most += _total(_union(there))
        least += _total(_union(sure))
        edges = [START, *(time for span in _union(there) for time in span), END]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            hours = pd.date_range(start.floor("h"), end + HOUR, freq="h", inclusive="left")
            if start < end and not any(came[key][hour] for hour in hours):
                silent += end - start
    every = len(of) * (END - START)
    refused = [row for row in calls if row["error_code"] == "LimitExceededException"]
    made = {
        (_key(row), row["from_time"], row["to_time"])
        for row in calls
        if isinstance(row["task_id"], str)
    }
    later = [row for row in refused if (_key(row), row["from_time"], row["to_time"]) in made]
    assert len(refused) - len(later) == len(planted["refused"]) == len(planted["silent"]) == 10
    assert {row["principal"].rpartition("/")[2] for row in calls if _is_denied(row)} == {
        "acme-auditors"
    }
    assert len(planted["prefixed"]) == 10
    return {
        "list-said": [f"cover {percent(listed / every)} of the range"],
        "adds-said": [
            f"at least {percent(least / every)} is covered, and at most {percent(most / every)}",
            f"in {percent(silent / every)} of the range",
        ],
        "refused-said": [f"{len(refused)} exports were refused", f"{len(later)} of them became"],
        **_at_stake(came, planted),
        "plan-said": _plan(tasks),
    }


def _key(row: Row) -> Key:
    return tuple(row[name] for name in LOG_GROUP)


def _is_denied(row: Row) -> bool:
    return bool(row["error_code"] == "AccessDenied")


def _union(rows: Iterable[Row]) -> list[Span]:
    """Return the windows within the range, sorted, those that touch joined."""
    found: list[Span] = []
    for start, end in sorted((row["from_time"], row["to_time"] + MS) for row in rows):
        first, last = max(start, START), min(end, END)
        if first >= last:
            continue
        if found and first <= found[-1][1]:
            first, last = found[-1][0], max(found.pop()[1], last)
        found.append((first, last))
    assert all(left[1] < right[0] for left, right in pairwise(found))
    return found


def _total(spans: list[Span]) -> pd.Timedelta:
    return sum((end - start for start, end in spans), NOTHING)


def _at_stake(came: dict[Key, dict[pd.Timestamp, int]], planted: Row) -> Facts:
    """Return the bytes of the largest gap, and a bound of those that were never exported."""

    def during(key: Key, start: pd.Timestamp, end: pd.Timestamp) -> int:
        return sum(bytes_ for hour, bytes_ in came[key].items() if start <= hour < end)

    flow = next(row for row in planted["refused"] if row["log_group_name"] == "/aws/vpc/flow-logs")
    largest = during(_key(flow), pd.Timestamp(flow["start"]), pd.Timestamp(flow["end"]))
    others = [
        ("2026-10-20", "/aws/lambda/acme-search"), ("2026-11-10", "/aws/lambda/acme-search"),
        ("2026-11-05", "/aws/rds/instance/acme-orders/postgresql"),
        ("2026-10-26", "/aws/containerinsights/acme-prod/application"),
        ("2026-11-19", "/aws/containerinsights/acme-prod/application"),
        *((f"2026-11-{day:02}", "acme/web/frontend") for day in range(2, 22)),
    ]  # fmt: skip
    rest = 0
    for date, name in others:
        (key,) = (key for key in came if key[-1] == name)
        start = pd.Timestamp(date, tz="UTC")
        rest += during(key, start, start + DAY)
    assert rest < largest
    never = ("/aws/lambda/acme-legacy-import", "acme/internal/audit")
    assert all(during(key, START, END) < 0.3e9 for key in came if key[-1] in never)
    return {"most-said": [f"{largest / 1e9:.0f} GB", "0.3 GB"]}


def _plan(tasks: pd.DataFrame) -> list[str]:
    """Return the numbers of planned tasks, without evidence and with each part of it."""
    asked = {"start": START, "end": END, "log_groups": xs.sample_log_groups(), "tolerance": "1min"}
    plain = len(xs.plan_backfill(xs.find_gaps(tasks, **asked), tasks))
    came = {"incoming": xs.sample_incoming()}
    fewer = len(xs.plan_backfill(xs.find_gaps(tasks, **asked, **came), tasks))
    both = came | {"deliveries": xs.sample_deliveries()}
    more = len(xs.plan_backfill(xs.find_gaps(tasks, **asked, **both), tasks))
    assert (plain - fewer, more - fewer) == (6, 2)
    return [f"{more} tasks instead of {plain}"]
