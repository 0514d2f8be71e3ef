"""Find gaps in the days that became due in the week."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exportstats.core.schema import LOG_GROUP
from exportstats.report import causes
from exportstats.report.material import is_long, rows_of
from exportstats.report.pictures import coverage
from exportstats.report.refusals import label_of
from exportstats.report.rule import Found, by_incident, rule
from exportstats.report.words import groups_of, on, place, slots_of
from exportstats.text import counted, total, total_bytes, write_bytes

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report.material import Material


_SHOWN = 3  # principals in a sentence


@rule(title="Gaps", rank=50, remedy="Export them.", picture=coverage, is_spare=True)
def gaps(material: Material) -> Found | None:
    """Find gaps of more than a minute in the days that became due in this week."""
    week = material.due_gaps
    rows = week[is_long(week) & (week["reason"] != "lost")]
    if not len(rows):
        return None
    order = ["incoming_bytes", "length", *LOG_GROUP, "start"]
    rows = rows.sort_values(order, ascending=[False, False, *[True] * 4])
    return by_incident(partial(_describe, material=material), rows, causes.of_gaps(rows, material))


def _describe(rows: pd.DataFrame, *, material: Material) -> Found:
    """Describe gaps."""
    why = rows["reason"].astype("str").str.replace("_", " ").value_counts()
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in sorted(why.items()))
    regular = int(material.groups["regular"].sum())
    groups = len(rows[list(LOG_GROUP)].drop_duplicates())
    stake = total_bytes(rows["incoming_bytes"])
    stake = stake and f", in which {stake} came in"
    return Found(
        "warning",
        f"{counted(len(rows), 'gap')} in {groups:,} of {regular:,} log groups that are exported "
        f"regularly,{slots_of(rows, ',')} {total(rows['length'])} in total ({reasons})"
        f"{stake}. The {'largest' if stake else 'longest'}: {place(rows.head(1))}, "
        f"{total(rows['length'].head(1))} from {on(rows['start'].iloc[0], material)}."
        f"{_tried(rows)}",
        rows_of(rows),
        export=rows[rows["reason"] != "active"],
    )


def _tried(rows: pd.DataFrame) -> str:
    """Return who tried last to export gaps, with the number of gaps and what came in."""
    tried = rows.dropna(subset="tried_by")
    if not len(tried):
        return ""
    whose = [(who, of) for who, of in tried.groupby("tried_by", sort=False)]
    whose.sort(key=lambda one: (-len(one[1]), one[0]))
    texts = []
    for who, of in whose[:_SHOWN]:
        known = of["incoming_bytes"].dropna()
        size = f", {write_bytes(known.sum())}" if len(known) == len(of) else ""
        texts.append(f"{label_of(str(who))} ({counted(len(of), 'gap')}{size})")
    more = len(whose) - len(texts)
    return f" Last tried by {', '.join(texts)}" + (f" and {more:,} more." if more else ".")


@rule(
    title="Gaps of a minute or less",
    rank=140,
    severities=("note",),
    remedy="A window that ends at 23:59:00 omits a minute every night. End it at 23:59:59.999.",
)
def short_gaps(material: Material) -> Found | None:
    """Find gaps of a minute or less, as left by windows that end slightly too early."""
    week = material.due_gaps
    rows = week[~is_long(week) & (week["reason"] != "lost")]
    if not len(rows):
        return None
    return Found(
        "note",
        f"{counted(len(rows), 'gap')} of a minute or less in {groups_of(rows)}, "
        f"{total(rows['length'])} in total: {place(rows)}.",
        rows_of(rows),
    )
