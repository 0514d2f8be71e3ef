"""What retention takes before anybody exports it, and what it has taken."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from exportstats.core.schema import LOG_GROUP
from exportstats.report.material import GAP, is_long
from exportstats.report.rule import Found, rule
from exportstats.report.words import BACKFILL, groups_of, on, place, total

if TYPE_CHECKING:
    from exportstats.report.material import Material

# Events that expire within this are listed as soon as that long before.
EXPIRES_SOON = timedelta(days=35)
# A week to the next report, and three days to act on it.
EXPIRES_NOW = timedelta(days=10)


@rule(
    title="Events that will be lost",
    rank=10,
    severities=("critical", "warning"),
    remedy=f"Export them before then; {BACKFILL}, the first to expire first.",
)
def expiring(material: Material) -> Found | None:
    """Look for events that retention will take before anybody exports them."""
    missing = material.until_due
    soon = missing["expires_at"] < material.as_of + EXPIRES_SOON
    rows = missing[soon & (missing["reason"] != "lost") & is_long(missing)]
    if not len(rows):
        return None
    rows = rows.sort_values(["expires_at", *LOG_GROUP], ignore_index=True)
    first = rows["expires_at"].iloc[0]
    urgent = rows["expires_at"] < material.as_of + EXPIRES_NOW
    begins = (
        "is expiring now"
        if first <= material.as_of
        else f"begins to expire on {on(first, material)}"
    )
    return Found(
        "critical" if urgent.any() else "warning",
        f"{total(rows['length'])} of events of {groups_of(rows)} will be lost unless they are "
        f"exported: {place(rows.head(1))} {begins}.",
        rows[GAP],
    )


@rule(
    title="Events that were lost",
    rank=120,
    remedy="Nothing brings them back. A longer retention gives more time to export the next ones.",
)
def lost(material: Material) -> Found | None:
    """Look for events that retention took in this week."""
    missing = material.until_due
    lost = missing[missing["reason"] == "lost"]
    kept = lost["expires_at"] - lost["start"]
    since = material.span.start.tz_convert("UTC") - kept
    start = lost["start"].where(lost["start"] > since, since)
    rows = lost.assign(start=start, length=lost["end"] - start)
    rows = rows[(rows["start"] < rows["end"]) & is_long(rows)]
    if not len(rows):
        return None
    rows = rows.assign(expires_at=rows["start"] + kept)
    rows = rows.sort_values(["length", *LOG_GROUP], ascending=[False, *[True] * 3])
    return Found(
        "warning",
        f"{total(rows['length'])} of events of {groups_of(rows)} were lost: retention took them in "
        f"this week, and they are not in S3. First {place(rows)}.",
        rows[GAP].reset_index(drop=True),
    )
