"""What the exporter did not do, or too soon."""

from __future__ import annotations

from support import HOUR, Row

from oracles.facts import Facts, Told, both, length, minus, union, window_of
from oracles.words import LOG_GROUP, groups, key_of, lasting, many, order, place, when


def premature(facts: Facts) -> Told | None:
    """Return what of what became due was exported less than 12 h after its window by all tasks."""
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
    return Told("warning", figures, rows)


def empty_deliveries(facts: Facts) -> Told | None:
    """Return which COMPLETED tasks of the week left nothing in S3."""
    says = {
        (row["account_id"], row["region"], row["task_id"]): row["delivered"]
        for row in facts.asked.deliveries or ()
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
    return Told("warning", [many(len(rows), "task"), *groups(rows), *place(rows)], rows)


def stopped(facts: Facts) -> Told | None:
    """Return which regular log groups got no task in the week, though one was to be expected."""
    rows: list[Row] = []
    for key in facts.regular:
        tasks = facts.of[key]
        last = max(row["creation_time"] for row in tasks if row["creation_time"] is not None)
        ends = []
        for row in tasks:
            if window := window_of(row):
                created = row["creation_time"]
                ends.append(window[1] if created is None else min(window[1], created))
        if last < facts.start and max(ends) < facts.rhythm(key).expected(facts.until):
            rows.append({**dict(zip(LOG_GROUP, key, strict=True)), "last_created": last})
    if not rows:
        return None
    rows.sort(key=lambda row: (row["last_created"], order(key_of(row))))
    since = when(rows[0]["last_created"], facts.tz)
    return Told("warning", [*groups(rows), *place(rows[:1]), since], rows)


def irregular(facts: Facts) -> Told | None:
    """Name the log groups that are not exported regularly, those too that never were."""
    rows = []
    for key in {*facts.of, *facts.listed} - facts.regular:
        born = facts.listed.get(key, {}).get("creation_time")
        exported = key in facts.of and facts.first_of(key) is not None
        if key in facts.of or born is None or born < facts.until:
            named = dict(zip(LOG_GROUP, key, strict=True))
            rows.append({**named, "exported": "now and then" if exported else "never"})
    if not rows:
        return None
    says = [row["exported"] for row in rows]
    parts = [("now and then", "exported now and then"), ("never", "never exported")]
    told = [f"{says.count(what)} {said}" for what, said in parts if what in says]
    rows.sort(key=lambda row: (row["exported"] == "never", order(key_of(row))))
    figures = [*groups(rows), f"({', '.join(told)})", *place(rows[:1])]
    return Told("note", figures, rows)
