"""Find events that expire before they are exported, and events that have expired."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.retention import describe_undeleted, find_undeleted, keep_commands
from exportstats.report import causes
from exportstats.report.material import is_long, rows_of
from exportstats.report.rhythm import expected_by
from exportstats.report.rule import Found, by_incident, rule
from exportstats.report.words import LOST, groups_of, on, place
from exportstats.stats.as_of import to_millis
from exportstats.text import total

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report.material import Material

# Events that expire within this time are reported.
EXPIRES_SOON = timedelta(days=35)
# Events that expire within this time are critical. It is a week until the next report, and three
# days to act on it.
EXPIRES_NOW = timedelta(days=10)
_MILLISECOND = timedelta(milliseconds=1)


@rule(
    title="Events that will be lost",
    rank=10,
    severities=("critical", "warning"),
    remedy="Export them before they expire, the most urgent ones first.",
)
def expiring(material: Material) -> Found | None:
    """Find events that will expire before they are exported."""
    groups, due = material.groups, material.due_of(material.span)[1]
    as_of = to_millis(material.as_of)
    now, soon = (as_of + within // _MILLISECOND for within in (EXPIRES_NOW, EXPIRES_SOON))
    # with a short retention, report events that are late even before they are due
    late = np.maximum(due, expected_by(groups, as_of))
    kept = groups["retention"].to_numpy()
    end = np.where((kept != coerce.NAT) & (kept < now - due), late, due)
    missing = material.missing(np.zeros_like(end), end, of="watched")
    expires = coerce.millis(missing["expires_at"])
    remaining = (missing["reason"] != "lost") & is_long(missing)
    rows = missing[remaining & (expires != coerce.NAT) & (expires < soon)]
    if not len(rows):
        return None
    order = ["expires_at", "incoming_bytes", *LOG_GROUP]
    rows = rows.sort_values(order, ascending=[True, False, *[True] * 3], ignore_index=True)
    return by_incident(
        partial(_describe_expiring, material=material), rows, causes.of_gaps(rows, material)
    )


def _describe_expiring(rows: pd.DataFrame, *, material: Material) -> Found:
    """Describe events that will be lost."""
    first = rows["expires_at"].iloc[0]
    urgent = rows["expires_at"] < material.as_of + EXPIRES_NOW
    begins = (
        "are expiring now"
        if first <= material.as_of
        else f"will begin to expire on {on(first, material)}"
    )
    return Found(
        "critical" if urgent.any() else "warning",
        f"{total(rows['length'])} of events of {groups_of(rows)} will be lost unless they are "
        f"exported. Those of {place(rows.head(1))} {begins}.",
        rows_of(rows),
        export=rows[rows["reason"] != "active"],
    )


@rule(
    title="Events that were lost",
    rank=120,
    remedy=LOST,
)
def lost(material: Material) -> Found | None:
    """Find events that expired in this week without an export."""
    ends = material.span.start, material.until
    low, high = (_lost_by(material.groups, to_millis(end)) for end in ends)
    rows = material.missing(low, np.maximum(low, high), of="watched")
    rows = rows[is_long(rows)]
    if not len(rows):
        return None
    order = ["incoming_bytes", "length", *LOG_GROUP]
    rows = rows.sort_values(order, ascending=[False, False, *[True] * 3])
    describe = partial(_describe_lost, material=material)
    return by_incident(describe, rows, causes.of_gaps(rows, material))


def _describe_lost(rows: pd.DataFrame, *, material: Material) -> Found:
    """Describe events that were lost, and how to keep those that may not be deleted yet."""
    # without log groups, nothing is known to be lost
    log_groups = cast("pd.DataFrame", material.evidence.log_groups)
    undeleted = find_undeleted(rows, log_groups, material.as_of)
    commands = keep_commands(undeleted)
    return Found(
        "warning",
        f"{total(rows['length'])} of events of {groups_of(rows)} were lost, because they expired "
        f"in this week without an export: {place(rows)}.",
        rows_of(rows),
        remedy=f"{describe_undeleted(undeleted)} {LOST}" if len(undeleted) else None,
        export=undeleted if commands else None,
        aws_commands=commands,
        changes_log_groups=True,
    )


def _lost_by(groups: pd.DataFrame, when: int) -> np.ndarray:
    """Return, for each log group, the time before which unexported events are lost at an instant.

    Events that are not late in the rhythm of their log group can still be exported, so they do not
    count as lost yet. Each event is lost at one instant and is reported once.
    """
    kept = groups["retention"].to_numpy()
    expired = np.where(kept == coerce.NAT, 0, when - np.maximum(kept, 0))
    return np.minimum(expired, expected_by(groups, when))
