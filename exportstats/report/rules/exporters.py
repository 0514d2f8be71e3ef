"""Find what an exporter did wrong: it stopped, it ran too early, or its exports are empty."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import KEY, LOG_GROUP
from exportstats.coverage.premature import find_premature
from exportstats.coverage.timeline import coverage_timeline
from exportstats.report import causes
from exportstats.report.material import clipped, is_long
from exportstats.report.missing import shared
from exportstats.report.pictures import coverage
from exportstats.report.reading import of_groups
from exportstats.report.rhythm import expected_by
from exportstats.report.rule import Found, by_incident, rule
from exportstats.report.words import groups_of, on, place, verb
from exportstats.stats import matching
from exportstats.stats.as_of import to_millis
from exportstats.text import counted, total

if TYPE_CHECKING:
    from exportstats.report.material import Material


@rule(
    title="Premature tasks",
    rank=90,
    remedy="Export these windows again, and start the exporter at least 12 h after the end of its "
    "window.",
    picture=coverage,
)
def premature(material: Material) -> Found | None:
    """Find windows that were exported too early to include all late events."""
    low, high = material.due_of(material.span)
    some = low < high
    if not some.any():
        return None
    start, end = coerce.times(np.array([low[some].min(), high[some].max()]))
    known: dict[str, Any] = {"as_of": material.as_of, "deliveries": material.evidence.deliveries}
    rows = find_premature(material.rows, start=start, end=end, **known)
    rows = material.cut(rows, low, high).drop(columns="length")
    # the windows of several tasks may overlap; count what they cover once
    tasks = of_groups(material.rows, groups=rows)
    covered = coverage_timeline(tasks, start=start, end=end, **known)
    alone = material.cut(covered[covered["state"] == "premature"], low, high)
    rows = rows.assign(premature=shared(rows, alone))
    rows = rows[rows["premature"] > pd.Timedelta(0)].reset_index(drop=True)
    if not len(rows):
        return None
    return Found(
        "warning",
        f"{total(alone['length'])} of events of {groups_of(rows)} were exported less than 12 h "
        f"after the end of the window, by {counted(len(rows), 'task')}, so late events may be "
        f"missing: {place(rows)}.",
        rows,
    )


@rule(
    title="Tasks that left nothing in S3",
    rank=100,
    remedy="Check the bucket. A window without events leaves nothing either. Otherwise, export it "
    "again.",
)
def empty_deliveries(material: Material) -> Found | None:
    """Find COMPLETED tasks of the week that left nothing in S3."""
    deliveries = material.evidence.deliveries
    if deliveries is None:
        return None
    missing = deliveries[deliveries["delivered"].isin(["empty", "gone"])]
    week = material.week
    done = week.loc[week["status_code"] == "COMPLETED", [*LOG_GROUP, "task_id", "creation_time"]]
    keys = [*KEY]
    found = missing[[*keys, "destination", "prefix", "delivered"]].astype(
        dict.fromkeys(keys, "str")
    )
    rows = done.astype(dict.fromkeys(keys, "str")).merge(found, on=keys)
    if not len(rows):
        return None
    rows = rows.sort_values(["creation_time", "task_id"], ignore_index=True)
    return Found(
        "warning",
        f"{counted(len(rows), 'task')} of {groups_of(rows)} COMPLETED but left no log events in "
        f"S3: {place(rows)}.",
        rows,
    )


@rule(
    title="Log groups no longer exported",
    rank=110,
    remedy="Check the configuration of the exporter. If this is intended, no action is needed: "
    "after some weeks, this is no longer reported.",
)
def stopped(material: Material) -> Found | None:
    """Find log groups that were exported regularly until this week."""
    groups, gaps = material.groups, material.gaps
    last, expected = groups["last_window"], expected_by(groups, to_millis(material.until))
    of = gaps["group"].to_numpy()
    late = clipped(gaps, coerce.millis(last)[of], expected[of])
    late = late.loc[is_long(late), "group"]
    idle = groups["regular"] & (groups["last_created"] < material.span.start)
    rows = groups[idle & groups.index.isin(late)]
    if not len(rows):
        return None
    rows = rows.sort_values(["last_created", *LOG_GROUP], ignore_index=True)
    since = rows.assign(
        start=rows["last_window"], end=material.until, reason="never_tried", last_task_id=None
    )
    describe = partial(_describe_stopped, material=material)
    return by_incident(describe, rows, causes.of_gaps(since, material))


def _describe_stopped(rows: pd.DataFrame, *, material: Material) -> Found:
    """Describe log groups that are no longer exported."""
    when = on(rows["last_created"].iloc[0], material)
    return Found(
        "warning",
        f"{groups_of(rows)} {verb(len(rows), 'was', 'were')} exported regularly, but had no task "
        f"in this week. The last task of {place(rows.head(1))} was created on {when}.",
        rows[[*LOG_GROUP, "last_created"]].reset_index(drop=True),
    )


@rule(
    title="Log groups not exported regularly",
    rank=150,
    severities=("note",),
    remedy="If this is intended, no action is needed.",
)
def irregular(material: Material) -> Found | None:
    """Find log groups whose gaps are not reported, so that no reader assumes they are complete."""
    irregular = material.groups[~material.groups["regular"]]
    never = irregular.iloc[:0]
    if material.evidence.log_groups is not None:
        has_tasks = matching.locate(material.evidence.log_groups, material.groups) >= 0
        created = material.evidence.log_groups["creation_time"]
        exists = ~(created >= material.until).to_numpy()
        never = material.evidence.log_groups[~has_tasks & exists]
    # a log group whose tasks all failed was never exported
    some = irregular["first_window"].notna()
    rows = pd.concat(
        [
            irregular[some].assign(exported="occasionally"),
            irregular[~some].assign(exported="never"),
            never.assign(exported="never"),
        ]
    )[[*LOG_GROUP, "exported"]].astype("str")
    if not len(rows):
        return None
    rows = rows.sort_values(["exported", *LOG_GROUP], ascending=[False, *[True] * 3])
    parts = [
        f"{count:,} {label}"
        for count, label in (
            ((rows["exported"] != "never").sum(), "exported occasionally"),
            ((rows["exported"] == "never").sum(), "never exported"),
        )
        if count
    ]
    return Found(
        "note",
        f"{groups_of(rows)} {verb(len(rows), 'is', 'are')} not exported regularly "
        f"({', '.join(parts)}), such as {place(rows.head(1))}. Their gaps are not reported.",
        rows.reset_index(drop=True),
    )
