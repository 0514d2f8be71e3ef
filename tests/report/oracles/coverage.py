"""Find missing events of the days that were due, closed gaps, and waived gaps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from oracles.facts import Facts
from oracles.intervals import MINUTE, length, minus
from oracles.words import (
    LOG_GROUP,
    Expected,
    groups,
    key_of,
    lasting,
    many,
    order,
    place,
    slots,
    when,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support import Row


def _due_gaps(facts: Facts) -> list[Row]:
    rows = [gap for key in facts.keys for gap in facts.gaps(key, facts.due_of(key))]
    return [row for row in rows if key_of(row) in facts.regular and row["reason"] != "lost"]


def total(rows: list[Row], name: str = "length") -> str:
    """Return the sum of a column as text."""
    return lasting(sum(row[name] for row in rows))


def gaps(facts: Facts) -> Expected | None:
    """Return the gaps of more than a minute that became due."""
    rows = [row for row in _due_gaps(facts) if row["length"] > MINUTE]
    if not rows:
        return None
    rows.sort(key=lambda row: (-row["length"], order(key_of(row)), row["start"]))
    why = Counter(row["reason"].replace("_", " ") for row in rows)
    figures = [
        many(len(rows), "gap"),
        f"{len({key_of(row) for row in rows})} of {len(facts.regular)} log groups",
        *slots(rows),
        total(rows),
        "(" + ", ".join(f"{why[reason]} {reason}" for reason in sorted(why)) + ")",
        *place(rows[:1]),
        total(rows[:1]),
        when(rows[0]["start"], facts.tz),
    ]
    return Expected("warning", figures, rows)


def short_gaps(facts: Facts) -> Expected | None:
    """Return the gaps of a minute or less that became due."""
    rows = [row for row in _due_gaps(facts) if row["length"] <= MINUTE]
    if not rows:
        return None
    figures = [many(len(rows), "gap"), *groups(rows), total(rows), *place(rows)]
    return Expected("note", figures, rows)


def resolved(facts: Facts) -> Expected | None:
    """Return the gaps that were due a week ago, were open then, and are closed now."""
    then = Facts(replace(facts.history, as_of=facts.start))
    rows = []
    for key in facts.regular & set(then.of):
        gaps_then = then.gaps(key, (0, facts.due_of(key)[0]))
        for gap in (part for one in gaps_then for part in _without_rest(facts, key, one)):
            left = minus((gap["start"], gap["end"]), facts.windows(key))
            closed = gap["length"] - length(left)
            if gap["length"] > MINUTE and gap["reason"] != "lost" and closed:
                shown = {name: gap[name] for name in (*LOG_GROUP, "start", "end", "length")}
                rows.append({**shown, "closed": closed})
    if not rows:
        return None
    rows.sort(key=lambda row: (-row["closed"], order(key_of(row)), row["start"]))
    figures = [many(len(rows), "gap"), total(rows, "closed"), *groups(rows), *place(rows)]
    return Expected("note", figures, rows)


def _without_rest(facts: Facts, key: tuple, gap: Row) -> Iterator[Row]:
    """Yield the parts of a gap outside of the days on which nothing is due."""
    for start, end in minus((gap["start"], gap["end"]), facts.rest_of(key)):
        yield gap | {"start": start, "end": end, "length": end - start}


def waived(facts: Facts) -> Expected | None:
    """Return the waived gaps that became due, with the reasons of the waivers."""
    rows: list[Row] = []
    for key in facts.keys:
        low, high = facts.due_of(key)
        for first, last, why in facts.waived_or_not(key):
            start, end = max(first, low), min(last, high)
            kept = facts.retention(key)
            gone = start if kept is None else min(max(facts.as_of - kept, start), end)
            # lost events are a row of their own
            for begin, stop in ((start, gone), (gone, end)):
                if why is not None and begin < stop:
                    row = facts.gap(key, begin, stop, why, None)
                    shown = {name: row[name] for name in (*LOG_GROUP, "start", "end", "length")}
                    rows.append({**shown, "because": why})
    if not rows:
        return None
    return Expected("note", [total(rows), *groups(rows), *place(rows), rows[0]["because"]], rows)


def expired_waivers(facts: Facts) -> Expected | None:
    """Return the expired waivers, and the latest of their last days."""
    over = [one for one in facts.history.waivers if facts.is_over(one)]
    if not over:
        return None
    rows = [
        {"log_group_name": one["log_group"], "until": str(one["until"]), "because": one["reason"]}
        for one in over
    ]
    last = max(row["until"] for row in rows)
    return Expected("warning", [many(len(rows), "waiver"), last, rows[0]["log_group_name"]], rows)
