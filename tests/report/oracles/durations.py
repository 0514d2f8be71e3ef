"""Find long tasks: of slower log groups, at the time-out, and in busy slots."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from support import DAY, HOUR, Row, duration_of

from oracles.intervals import MINUTE, length, union
from oracles.words import (
    LOG_GROUP,
    Expected,
    groups,
    key_of,
    lasting,
    many,
    order,
    place,
    share,
    slots,
    when,
)

if TYPE_CHECKING:
    from oracles.facts import Facts

WEEK = 7 * DAY


def slowdowns(facts: Facts) -> Expected | None:
    """Return the rows of `find_slowdowns` that began in the last 35 days and are not over."""
    rows = [
        row
        for row in facts.slow
        if facts.end - 35 * DAY <= row["since"] < facts.end and not _is_over(facts, row)
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: (-row["factor"], order(key_of(row))))
    worst = rows[0]
    since = datetime.fromtimestamp(worst["since"] / 1000, UTC).astimezone(ZoneInfo(facts.tz))
    figures = [
        *groups(rows),
        *place(rows[:1]),
        f"{worst['factor']:.1f}",
        since.date().isoformat(),
        "95 %",
        f"{worst['low']:.1f}",
        f"{worst['high']:.1f}",
        many(worst["n_after"], "task"),
    ]
    return Expected("warning", figures, rows)


def _is_over(facts: Facts, slow: Row) -> bool:
    """Return whether the latest three days, after at least ten days, were fast again."""
    days: dict[int, list[float]] = {}
    for row in facts.of[key_of(slow)]:
        took = duration_of(row)
        if row["status_code"] == "COMPLETED" and took and row["creation_time"] >= slow["since"]:
            days.setdefault(row["creation_time"] // DAY, []).append(math.log(took))
    value = [median(days[day]) for day in sorted(days)]
    half_way = median(value[:10]) - math.log(slow["factor"]) / 2
    return len(value) > 10 and all(one < half_way for one in value[-3:])


def time_outs(facts: Facts) -> Expected | None:
    """Return the tasks active for 12 h or likely to reach 24 h, and those that failed at 24 h."""
    active: list[Row] = []
    for row in facts.created(facts.week(5)[0], facts.end):
        likely = facts.timeouts.get((row["account_id"], row["region"], row["task_id"]), 0)
        took = facts.as_of - row["creation_time"]
        if row["status_code"] == "RUNNING" and (took >= 12 * HOUR or likely >= 0.1):
            active.append({**_shown(row), "elapsed": took})
    ended = [
        {**_shown(row), "elapsed": duration_of(row), "ends": row["completion_time"]}
        for row in facts.in_week
        if row["status_code"] == "FAILED" and (duration_of(row) or 0) >= DAY - 5 * MINUTE
    ]
    if not active and not ended:
        return None
    active.sort(
        key=lambda r: (order((r["account_id"], r["region"])), r["creation_time"], r["task_id"])
    )
    longest = max((row["elapsed"] for row in active), default=0)
    figures: list[str] = []
    if active:
        figures += [many(len(active), "active task"), *slots(active), "24 h", lasting(longest)]
        figures += place(active)
    if ended:
        figures += [many(len(ended), "task"), *slots(ended), "24 h", *place(ended)]
    severity = "critical" if longest >= 20 * HOUR else "warning"
    return Expected(severity, figures, [*active, *ended])


def _shown(row: Row) -> Row:
    return {name: row[name] for name in (*LOG_GROUP, "task_id", "status_code", "creation_time")}


def busy_slots(facts: Facts) -> Expected | None:
    """Return the slots with an active task for 80 % of the days of the week, or half of most days.

    The days are those of UTC.
    """
    start, end = (edge // DAY * DAY for edge in (facts.start, facts.end))
    end = min(end, -(-facts.as_of // DAY) * DAY)
    active: dict[tuple, list[tuple[int, int]]] = {}
    begun: dict[tuple, int] = {}
    for row in facts.tasks:
        created, ended = row["creation_time"], row["completion_time"]
        if created is not None:
            slot = row["account_id"], row["region"]
            until = facts.as_of if row["status_code"] == "RUNNING" else ended
            active.setdefault(slot, []).append((created, max(until or created, created)))
            begun[slot] = begun.get(slot, 0) + (start <= created < end)
    last = facts.until // DAY * DAY  # when the last complete day ended
    rows = []
    for slot, times in active.items():
        together = union(times)
        busy = _within(together, start, end)
        weeks = [
            median(_within(together, day, day + DAY) / DAY for day in range(week, week + WEEK, DAY))
            for week in (last - WEEK, last - 2 * WEEK, last - 3 * WEEK, last - 4 * WEEK)
        ]
        near = next((n for n, typical in enumerate(weeks) if typical < 0.5), len(weeks))
        if near or (start < end and busy >= 0.8 * (end - start)):
            named = {"account_id": slot[0], "region": slot[1], "tasks": begun[slot], "busy": busy}
            since = last - near * WEEK if near else None
            rows.append({**named, "near_since": since, "weeks": weeks})
    if not rows:
        return None
    rows.sort(key=lambda row: (-row["busy"], order((row["account_id"], row["region"]))))
    always = [row for row in rows if row["busy"] >= 0.8 * max(end - start, DAY)]
    others = [row for row in rows if row not in always]
    figures = []
    for some in filter(None, (always, others)):
        worst = some[0]
        figures += [
            many(len(some), "slot"),
            *(worst[name] for name in ("account_id", "region") if worst[name] is not None),
            share(worst["busy"], end - start) if some is always else share(worst["weeks"][0], 1),
            many(worst["tasks"], "task"),
        ]
        if some is others and all(typical >= 0.5 for typical in worst["weeks"]):
            figures.append("4 weeks")
        elif some is others:
            before = next(typical for typical in worst["weeks"] if typical < 0.5)
            figures += [when(worst["near_since"], "UTC"), share(before, 1)]
    shown = [{name: row[name] for name in row if name != "weeks"} for row in rows]
    return Expected("warning" if always else "note", figures, shown)


def _within(times: list[tuple[int, int]], start: int, end: int) -> int:
    inside = [(max(low, start), min(high, end)) for low, high in times]
    return length([part for part in inside if part[0] < part[1]])
