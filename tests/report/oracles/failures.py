"""Find failed tasks: open windows, a higher failure rate, and new reasons."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

import reported
from histories import MESSAGES
from support import Row, by_group

from oracles.coverage import total
from oracles.intervals import both, length, minus, window_of
from oracles.words import LOG_GROUP, Expected, groups, key_of, many, order, place, share, slots

if TYPE_CHECKING:
    from oracles.facts import Facts

SLOT = ("account_id", "region")
# The parts of a message that differ from task to task.
REASONS = {
    **{re.escape(text or "").replace(r"\{n\}", r"\d+"): why for text, why in MESSAGES.items()},
    "Timed out after 24 hours": "Timed out after <number> hours",
    **{f"{begin}.*": why for begin, why in reported.REASONS.items()},  # messages of the sample
}


def reason_of(row: Row) -> str:
    """Return the failure reason of a task."""
    text = row["status_message"] or ""
    [why] = [why for pattern, why in REASONS.items() if re.fullmatch(pattern, text)]
    return why


def failed_windows(facts: Facts) -> Expected | None:
    """Return the windows of failed tasks that are not in S3, and the missing time of each."""
    failed = [row for row in facts.in_week if row["status_code"] == "FAILED"]
    rows, open_, hopeful = [], [], 0
    windows = by_group(failed, [*LOG_GROUP, "from_time", "to_time"])
    for tries in windows.values():
        row = max(tries, key=lambda row: (row["creation_time"], row["task_id"]))
        key, window = key_of(row), window_of(row)
        values = {name: row[name] for name in (*LOG_GROUP, "task_id", "creation_time")}
        values |= {"from_time": row["from_time"], "to_time": row["to_time"], "tries": len(tries)}
        values["status_message"] = row["status_message"]
        if row["from_time"] is None or row["to_time"] is None:
            # unknown without a window
            rows.append(values | {"missing": None})
            open_.append(rows[-1])
            hopeful += 1
            continue
        missing = facts.not_waived(key, window) if window and key[2] is not None else []
        if not missing:
            continue
        going = [w for row, w in facts.undelivered[key] if row["status_code"] == "RUNNING"]
        idle = [part for gap in missing for part in minus(gap, going)]
        kept = facts.retention(key)
        gone = (0, 0 if kept is None else facts.as_of - kept)
        lost = [part for gap in missing for part in both(gap, gone)]
        left = [part for gap in idle for part in minus(gap, [gone])]
        values |= {"missing": length(missing), "under_way": length(missing) - length(idle)}
        rows.append(values | {"lost": length(lost)})
        if idle:
            open_.append(rows[-1])
        hopeful += bool(left)
    if not rows:
        return None
    for some in (rows, open_):
        some.sort(key=lambda r: (r["creation_time"], order(key_of(r)), r["task_id"]))
    known = [row for row in rows if row["missing"] is not None]
    figures = [f"{len(rows)} of {many(len(windows), 'window')}", *groups(rows)]
    figures += [*([total(known, "missing")] if known else []), *place((open_ or rows)[:1])]
    figures += [
        total(known, name) for name in ("under_way", "lost") if any(row[name] for row in known)
    ]
    severity = "critical" if hopeful >= 10 else "warning" if open_ else "note"
    return Expected(severity, figures, rows)


def wilson(failed: int, ended: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a rate (Wilson, 1927)."""
    z, rate = 1.959963984540054, failed / ended
    middle = (rate + z * z / (2 * ended)) / (1 + z * z / ended)
    half = z * math.sqrt(rate * (1 - rate) / ended + z * z / (4 * ended**2)) / (1 + z * z / ended)
    return middle - half, middle + half


def more_failures(facts: Facts) -> Expected | None:
    """Return a failure rate that is significantly higher than in the four weeks before."""
    counts = []
    for start, end in ((facts.start, facts.end), (facts.week(4)[0], facts.start)):
        states = [row["status_code"] for row in facts.created(start, end)]
        failed = states.count("FAILED")
        counts.append((failed, failed + states.count("COMPLETED") + states.count("CANCELLED")))
    (now, ended), (before, ended_before) = counts
    if not ended or not ended_before:
        return None
    rate, former = now / ended, before / ended_before
    # the confidence interval of the difference (Newcombe, 1998)
    low = (
        rate
        - former
        - math.hypot(rate - wilson(now, ended)[0], wilson(before, ended_before)[1] - former)
    )
    if low <= 0 or rate - former < max(0.01, 0.25 * former):
        return None
    failed_tasks = [row for row in facts.in_week if row["status_code"] == "FAILED"]
    why = Counter((row["account_id"], row["region"], reason_of(row)) for row in failed_tasks)
    rows = [
        {"account_id": key[0], "region": key[1], "reason": key[2], "tasks": n}
        for key, n in why.items()
    ]
    rows.sort(
        key=lambda row: (-row["tasks"], row["reason"], order((row["account_id"], row["region"])))
    )
    most = rows[0]
    figures = [
        share(now, ended),
        f"({now} of {ended})",
        *slots(rows),
        share(before, ended_before),
        "4 weeks",
        *(most[name] for name in SLOT if most[name] is not None),
        f"({most['tasks']})",
        most["reason"],
    ]
    return Expected("warning", figures, rows)


def new_reasons(facts: Facts) -> Expected | None:
    """Return the reasons that no task had before the week, if there were earlier tasks."""
    if all((row["creation_time"] or math.inf) >= facts.start for row in facts.tasks):
        return None
    failed = [
        (row["completion_time"], reason_of(row), row)
        for row in facts.tasks
        if row["status_code"] == "FAILED"
        and row["completion_time"] is not None
        and row["completion_time"] < facts.until
    ]
    old = {why for ended, why, _ in failed if ended < facts.start}
    new = Counter(why for _, why, _ in failed if why not in old)
    if not new:
        return None
    rows = [{"reason": why, "tasks": n} for why, n in new.items()]
    rows.sort(key=lambda row: (-row["tasks"], row["reason"]))
    first = rows[0]["reason"]
    slots = Counter((r["account_id"], r["region"]) for _, why, r in failed if why == first)
    most = max(slots.values())
    best = min((slot for slot in slots if slots[slot] == most), key=order)
    figures = [
        many(len(rows), "reason"),
        many(sum(new.values()), "task"),
        *(part for part in best if part is not None),
        *([f"and {many(len(slots) - 1, 'more slot')}"] if len(slots) > 1 else []),
        first,
    ]
    return Expected("warning", figures, rows)
