"""Find what the exporter left out or exported too soon."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from support import DAY, HOUR, Row

from oracles.facts import WEEKDAYS, Facts, waives
from oracles.intervals import MINUTE, both, length, minus, union, window_of
from oracles.words import LOG_GROUP, Expected, groups, key_of, lasting, many, order, place, when


def premature(facts: Facts) -> Expected | None:
    """Return what became due and was exported only by tasks less than 12 h after their window."""
    rows, alone = [], 0
    for key in facts.keys:
        done = [(row, w) for row in facts.of[key] if facts.covers(row) and (w := window_of(row))]
        soon = [
            (row, window)
            for row, window in done
            if row["creation_time"] is not None and row["creation_time"] - window[1] < 12 * HOUR
        ]
        good = [window for row, window in done if (row, window) not in soon]
        mine = []
        for row, window in soon:
            for low, high in both(window, facts.due_of(key)):
                if left := length(minus((low, high), good)):
                    mine.append((low, high))
                    shown = {name: row[name] for name in (*LOG_GROUP, "task_id", "creation_time")}
                    lead = row["creation_time"] - window[1]
                    rows.append(
                        {**shown, "start": low, "end": high, "lead": lead, "premature": left}
                    )
        alone += sum(length(minus(part, good)) for part in union(mine))
    if not rows:
        return None
    rows.sort(key=lambda r: (order(key_of(r)), r["start"], r["end"], r["task_id"]))
    figures = [lasting(alone), *groups(rows), "12 h", many(len(rows), "task"), *place(rows)]
    return Expected("warning", figures, rows)


def empty_deliveries(facts: Facts) -> Expected | None:
    """Return the COMPLETED tasks of the week that left nothing in S3."""
    says = {
        (row["account_id"], row["region"], row["task_id"]): row["delivered"]
        for row in facts.history.deliveries or ()
    }
    rows = []
    for row in facts.in_week:
        delivered = says.get((row["account_id"], row["region"], row["task_id"]))
        if row["status_code"] == "COMPLETED" and delivered in ("empty", "gone"):
            shown = {name: row[name] for name in (*LOG_GROUP, "task_id", "creation_time")}
            rows.append({**shown, "delivered": delivered})
    if not rows:
        return None
    rows.sort(key=lambda row: (row["creation_time"], row["task_id"]))
    return Expected("warning", [many(len(rows), "task"), *groups(rows), *place(rows)], rows)


def stopped(facts: Facts) -> Expected | None:
    """Return the regular log groups that had no task in the week, although one was expected."""
    rows: list[Row] = []
    for key in facts.regular:
        tasks = facts.of[key]
        last = max(row["creation_time"] for row in tasks if row["creation_time"] is not None)
        ends = []
        for row in tasks:
            if window := window_of(row):
                created = row["creation_time"]
                ends.append(window[1] if created is None else min(window[1], created))
        late = max(ends), facts.rhythm(key).expected(facts.until)
        longest = max((high - low for low, high in facts.missing(key, late)), default=0)
        if last < facts.start and longest > MINUTE:
            rows.append({**dict(zip(LOG_GROUP, key, strict=True)), "last_created": last})
    if not rows:
        return None
    rows.sort(key=lambda row: (row["last_created"], order(key_of(row))))
    since = when(rows[0]["last_created"], facts.tz)
    return Expected("warning", [*groups(rows), *place(rows[:1]), since], rows)


def weekdays(facts: Facts) -> Expected | None:
    """Return the log groups that are never exported on some weekdays, without a waiver."""
    rows = []
    valid = [one for one in facts.history.waivers if not facts.is_over(one)]
    for key in facts.watched:
        phase, due = facts.rhythm(key).phase, facts.due_of(key)[1]
        days, since = [], []
        for day, first in facts.rest(key).items():
            end = phase + (day + 1) * DAY
            local = datetime.fromtimestamp((end - DAY // 2) / 1000, UTC).astimezone(
                ZoneInfo(facts.tz)
            )
            confirmed = any(
                fnmatchcase(key[2], one["log_group"]) and waives(one, local.date()) for one in valid
            )
            if due - 7 * DAY < end <= due and not confirmed:
                days.append(local.weekday())
                since.append(phase + first * DAY)
        if days:
            named = dict(zip(LOG_GROUP, key, strict=True))
            text = ", ".join(WEEKDAYS[day] for day in sorted(days))
            rows.append({**named, "weekdays": text, "since": min(since)})
    if not rows:
        return None
    rows.sort(key=lambda row: order(key_of(row)))
    first = rows[0]
    days = first["weekdays"].replace(", ", " and ")
    figures = [*groups(rows), *place(rows[:1]), days, when(first["since"], facts.tz)]
    return Expected("note", figures, rows)


def irregular(facts: Facts) -> Expected | None:
    """Return the log groups that are not exported regularly, or were never exported."""
    rows = []
    for key in {*facts.of, *facts.listed} - facts.regular:
        born = facts.listed.get(key, {}).get("creation_time")
        exported = key in facts.of and facts.first_of(key) is not None
        if key in facts.of or born is None or born < facts.until:
            named = dict(zip(LOG_GROUP, key, strict=True))
            rows.append({**named, "exported": "occasionally" if exported else "never"})
    if not rows:
        return None
    says = [row["exported"] for row in rows]
    parts = [("occasionally", "exported occasionally"), ("never", "never exported")]
    counts = [f"{says.count(what)} {label}" for what, label in parts if what in says]
    rows.sort(key=lambda row: (row["exported"] == "never", order(key_of(row))))
    figures = [*groups(rows), f"({', '.join(counts)})", *place(rows[:1])]
    return Expected("note", figures, rows)
