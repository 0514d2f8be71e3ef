"""Find what API calls and incoming data tell: refused exports, stream prefixes, silent gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.commands import create_commands
from exportstats.coverage.timeline import coverage_timeline
from exportstats.report import refusals
from exportstats.report.material import shared
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, place, verb
from exportstats.stats import matching
from exportstats.stats.as_of import to_millis
from exportstats.text import counted, total

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report.material import Material
    from exportstats.stats.api_calls import Calls

_CALL = [
    *(*LOG_GROUP, "from_time", "to_time", "error_code", "error_message", "principal", "tries"),
    *("last_time", "destination", "task_id", "waited"),
]
_WITHOUT_PREFIX = (
    "A task with a stream prefix exports only the streams whose names begin with it. Check that "
    "other tasks export the other streams, or export all of them, one task after another."
)
_PREFIXED = [*LOG_GROUP, "from_time", "to_time", "destination", "destination_prefix"]


@rule(title="Refused exports", rank=55, severities=("warning", "note"), remedy=refusals.REMEDY)
def refused(material: Material) -> Found | None:
    """Find exports that were refused in this week, and whether their windows are in S3."""
    calls = material.evidence.api_calls
    if calls is None:
        return None
    start, end = material.span.edges
    rows = refusals.refusals_until(calls.table, material.as_of, start)
    rows = rows[(rows["last_time"] < end).to_numpy()].reset_index(drop=True)
    if not len(rows):
        return None
    open_ = rows[refusals.is_open(rows, material.uncovered)]
    what = "all of them were exported since then"
    if len(open_):
        what = f"{len(open_):,} of them {verb(len(open_), 'is', 'are')} not in S3"
    worst = (open_ if len(open_) else rows).sort_values("tries", ascending=False, kind="stable")
    again = refusals.to_export(open_)
    never = matching.locate(again, material.groups) < 0
    return Found(
        "warning" if len(open_) else "note",
        f"{counted(len(rows), 'export')} of {groups_of(rows)} {verb(len(rows), 'was', 'were')} "
        f"refused, and {what}: {place(worst)}. Who was refused: {refusals.who_of(worst)}.",
        rows[_CALL],
        remedy=refusals.remedy_of(open_) if len(open_) else "No action is needed.",
        export=refusals.windows_of(again[~never]),
        # a backfill leaves out log groups without any task
        aws_commands=(*refusals.check_commands(open_), *create_commands(again[never])),
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
    calls = material.evidence.api_calls
    if calls is None:
        return None
    timeline = material.ask_due(coverage_timeline)
    rows = timeline[(timeline["evidence"] == "partial").to_numpy()]
    if not len(rows):
        return None
    commands = create_commands(_prefixed(material, calls, rows))
    return Found(
        "note",
        f"{total(rows['length'])} of events of {groups_of(rows)} were exported only by tasks with "
        f"a stream prefix: {place(rows)}.",
        rows[[*LOG_GROUP, "start", "end", "length"]].reset_index(drop=True),
        remedy=_WITHOUT_PREFIX if commands else None,
        aws_commands=commands,
    )


def _prefixed(material: Material, calls: Calls, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks with a stream prefix whose windows are partly in some intervals."""
    tasks = material.rows[(material.rows["status_code"] == "COMPLETED").to_numpy()]
    prefix = calls.creations_of(tasks)["prefix"]
    tasks = tasks[(prefix.fillna("") != "").to_numpy()]
    inside = shared(tasks.rename(columns={"from_time": "start"}).assign(end=tasks["to_time"]), rows)
    kept = material.groups["retention"].to_numpy()[matching.locate(tasks, material.groups)]
    expired = (kept != coerce.NAT) & (
        coerce.millis(tasks["to_time"]) < to_millis(material.as_of) - kept
    )
    found: pd.DataFrame = tasks[(inside > np.timedelta64(0, "ms")) & ~expired]
    return found[_PREFIXED].drop_duplicates()


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
