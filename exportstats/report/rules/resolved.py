"""Find gaps that were closed since last week."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core.schema import LOG_GROUP
from exportstats.report.material import (
    is_long,
    missing_at,
    since,
    since_first,
    without_rest,
)
from exportstats.report.missing import shared
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, place, verb
from exportstats.text import counted, total

if TYPE_CHECKING:
    from exportstats.report.material import Material


@rule(
    title="Resolved since last week",
    rank=135,
    severities=("note",),
    remedy="No action is needed.",
)
def resolved(material: Material) -> Found | None:
    """Find gaps that were due a week ago and have been closed since."""
    if (earlier := material.earlier) is None:
        return None
    due, then = material.due_of(material.span)[0], material.span.start
    groups = earlier.groups
    gaps = since(earlier.gaps, material.groups["first_window"].min())
    found = missing_at(then, gaps, groups, earlier.undelivered, material.waivers)
    # what has become a rest day since is not resolved
    before = without_rest(since_first(found.uncovered, groups), material.groups, material.rest)
    before = material.cut(before, np.zeros_like(due), due)
    before = before[is_long(before) & (before["reason"] != "lost")]
    closed = before["length"] - shared(before, material.uncovered)
    rows = before.assign(closed=closed)[closed > pd.Timedelta(0)]
    if not len(rows):
        return None
    rows = rows.sort_values(["closed", *LOG_GROUP, "start"], ascending=[False, *[True] * 4])
    return Found(
        "note",
        f"{counted(len(rows), 'gap')} of last week {verb(len(rows), 'was', 'were')} closed since "
        f"then, with {total(rows['closed'])} of events of {groups_of(rows)}: {place(rows)}.",
        rows[[*LOG_GROUP, "start", "end", "length", "closed"]].reset_index(drop=True),
    )
