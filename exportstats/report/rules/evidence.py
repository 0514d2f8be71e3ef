"""Find what API calls and incoming data tell: refused exports, stream prefixes, silent gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.timeline import coverage_timeline
from exportstats.report.material import shared
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, name, place, verb
from exportstats.stats.api_calls import refused_calls
from exportstats.text import counted, total

if TYPE_CHECKING:
    from exportstats.report.material import Material

_CALL = [*LOG_GROUP, "from_time", "to_time", "error_code", "principal", "tries", "last_time"]


@rule(
    title="Refused exports",
    rank=55,
    severities=("warning", "note"),
    remedy="LimitExceededException means that the account and region ran another task: try again "
    "later. For other errors, check the policy, the bucket and the log group.",
)
def refused(material: Material) -> Found | None:
    """Find exports that were refused in this week, and whether their windows are in S3."""
    calls = material.evidence.api_calls
    if calls is None:
        return None
    start, end = material.span.edges
    time = calls["event_time"]
    # calls without a window would be counted with those of all other weeks
    counts = calls["from_time"].notna() | ((time >= start) & (time < end))
    rows = refused_calls(calls[(counts & (time <= material.as_of)).to_numpy()])
    rows = rows[((rows["last_time"] >= start) & (rows["last_time"] < end)).to_numpy()]
    if not len(rows):
        return None
    windows = rows.rename(columns={"from_time": "start"}).assign(end=rows["to_time"])
    missing = pd.Series(shared(windows, material.uncovered), rows.index)
    # without a window, as with AccessDenied, nothing can be said of later exports
    is_open = rows["task_id"].isna() & (missing.isna() | (missing > pd.Timedelta(0)))
    open_ = rows[is_open.to_numpy()]
    worst = open_ if len(open_) else rows
    worst = worst.sort_values(["tries", "last_time"], ascending=False, kind="stable")
    code, who = (name(worst[column].iloc[0]) for column in ("error_code", "principal"))
    what = "all of them were exported since then"
    if len(open_):
        what = f"{len(open_):,} of them {verb(len(open_), 'is', 'are')} not in S3"
    return Found(
        "warning" if len(open_) else "note",
        f"{counted(len(rows), 'export')} of {groups_of(rows)} {verb(len(rows), 'was', 'were')} "
        f"refused, and {what}. The most often refused: {place(worst.head(1))}, "
        f"{counted(worst['tries'].iloc[0], 'call')} of {who}, {code}.",
        rows[[*_CALL, "task_id", "waited"]].reset_index(drop=True),
    )


@rule(
    title="Exported in part",
    rank=132,
    severities=("note",),
    remedy="A task with a stream prefix exports only the streams whose names begin with it. Check "
    "that other tasks export the other streams.",
)
def partial(material: Material) -> Found | None:
    """Find what only tasks with a stream prefix cover, of what became due in this week."""
    if material.evidence.api_calls is None:
        return None
    timeline = material.ask_due(coverage_timeline)
    rows = timeline[(timeline["evidence"] == "partial").to_numpy()]
    if not len(rows):
        return None
    return Found(
        "note",
        f"{total(rows['length'])} of events of {groups_of(rows)} were exported only by tasks with "
        f"a stream prefix: {place(rows)}.",
        rows[[*LOG_GROUP, "start", "end", "length"]].reset_index(drop=True),
    )


@rule(
    title="Silent gaps",
    rank=165,
    severities=("note",),
    remedy="No action is needed: nothing came in, so there is nothing to export.",
)
def silent(material: Material) -> Found | None:
    """Find gaps of this week in which nothing came in."""
    rows = material.cut(material.silent, *material.due_of(material.span))
    if not len(rows):
        return None
    return Found(
        "note",
        f"Nothing came in during {counted(len(rows), 'gap')} of {groups_of(rows)}, "
        f"{total(rows['length'])} in total: {place(rows)}.",
        rows[[*LOG_GROUP, "start", "end", "length"]].reset_index(drop=True),
    )
