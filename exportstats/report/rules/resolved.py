"""Find gaps that were closed since last week."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.report.material import (
    is_long,
    missing_at,
    of_groups,
    shared,
    since,
    since_first,
    without_rest,
)
from exportstats.report.reading import gaps_until, known_then, learn, undelivered
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, place, verb
from exportstats.stats import matching
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
    due, then = material.due_of(material.span)[0], material.span.start
    recent = material.recent
    done = recent[(recent["completion_time"] >= then) & (recent["status_code"] == "COMPLETED")]
    group = matching.locate(done, material.groups)
    # skip tasks whose windows were not due before this week, which are most of them
    group = group[(group >= 0) & (coerce.millis(done["from_time"]) < due[group])]
    groups = material.groups.iloc[np.unique(group)]
    groups = groups[groups["regular"]]
    first = groups["first_window"].min()
    if not first < then:
        return None
    tasks = shards.select(material.tasks, partial(of_groups, groups=groups), LOG_GROUP)
    evidence = material.evidence
    left = partial(shards.collect, part=partial(undelivered, deliveries=evidence.deliveries))
    questions = learn, gaps_until(then, evidence), left
    groups, gaps, tried = shards.together(known_then(tasks, then), *questions)
    found = missing_at(then, since(gaps, first), groups, tried, material.waivers)
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
