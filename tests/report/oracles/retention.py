"""Find events that have expired, and events that expire next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support import DAY, Row

from oracles.intervals import MINUTE
from oracles.words import Expected, groups, key_of, lasting, order, place, when

if TYPE_CHECKING:
    from oracles.facts import Facts


def lost(facts: Facts) -> Expected | None:
    """Return the events lost in the week: late, and past their retention."""
    rows: list[Row] = []
    for key in facts.watched:
        kept = facts.retention(key)
        if kept is None:
            continue
        rhythm = facts.rhythm(key)
        low, high = (min(t - kept, rhythm.expected(t)) for t in (facts.start, facts.until))
        rows += [gap for gap in facts.gaps(key, (low, high)) if gap["length"] > MINUTE]
    if not rows:
        return None
    rows.sort(key=lambda row: (-row["length"], order(key_of(row)), row["start"]))
    total = sum(row["length"] for row in rows)
    return Expected("warning", [lasting(total), *groups(rows), *place(rows)], rows)


def expiring(facts: Facts) -> Expected | None:
    """Return missing events that expire within 35 days, and are due or cannot wait until then."""
    rows: list[Row] = []
    for key in facts.watched:
        kept, (_, end) = facts.retention(key), facts.due_of(key)
        if kept is None:
            continue
        # if the first event that is not due yet expires within 10 days, late events are reported
        if end + kept < facts.as_of + 10 * DAY:
            end = max(end, facts.rhythm(key).expected(facts.as_of))
        rows += [
            gap
            for gap in facts.gaps(key, (0, end))
            if gap["reason"] != "lost"
            and gap["length"] > MINUTE
            and gap["expires_at"] < facts.as_of + 35 * DAY
        ]
    if not rows:
        return None
    rows.sort(key=lambda row: (row["expires_at"], order(key_of(row))))
    first = rows[0]["expires_at"]
    urgent = first < facts.as_of + 10 * DAY
    begins = [] if first <= facts.as_of else [when(first, facts.tz)]
    total = lasting(sum(row["length"] for row in rows))
    figures = [total, *groups(rows), *place(rows[:1]), *begins]
    return Expected("critical" if urgent else "warning", figures, rows)
