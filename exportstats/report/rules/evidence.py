"""Find what evidence tells: refused exports, what was exported in part, silent gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import KEY, LOG_GROUP
from exportstats.coverage.commands import create_commands
from exportstats.coverage.timeline import coverage_timeline
from exportstats.report import refusals
from exportstats.report.missing import known_stake, shared
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, name, place, such_as, verb
from exportstats.stats import matching
from exportstats.stats.as_of import to_millis
from exportstats.text import counted, total

if TYPE_CHECKING:
    from exportstats.report.material import Material

_CALL = [
    *(*LOG_GROUP, "from_time", "to_time", "error_code", "error_message", "principal", "tries"),
    *("last_time", "destination", "task_id", "waited"),
]
_WITHOUT_PREFIX = (
    "A task with a stream prefix exports only the streams whose names begin with it. Check that "
    "other tasks export the other streams, or export all of them, one task after another."
)
_EXPORT = [*LOG_GROUP, "from_time", "to_time", "destination", "destination_prefix"]
_WINDOW = ["from_time", "to_time", "missing_stream_names"]
_NAMED = 3  # streams in a sentence


@rule(title="Refused exports", rank=55, severities=("warning", "note"), remedy=refusals.REMEDY)
def refused(material: Material) -> Found | None:
    """Find exports that were refused in this week, and whether their windows are in S3."""
    calls = material.evidence.api_calls
    if calls is None:
        return None
    start, end = material.span.edges
    rows = refusals.refusals_until(calls.table, material.as_of, start)
    rows = rows[(rows["last_time"] < end).to_numpy()]
    if not len(rows):
        return None
    rows = refusals.ranked(rows, material.uncovered, material.evidence.incoming)
    is_open = refusals.is_open(rows, material.uncovered)
    open_, rest = rows[is_open], rows[~is_open]
    what = f"all of them were exported since then: {place(rows)}"
    if len(open_):
        where = f", {such_as(open_)}" if known_stake(open_) else f": {place(open_)}"
        what = f"{len(open_):,} of them {verb(len(open_), 'is', 'are')} not in S3{where}"
    who = refusals.who_of(open_ if len(open_) else rows)
    again = refusals.to_export(open_)
    never = matching.locate(again, material.groups) < 0
    return Found(
        "warning" if len(open_) else "note",
        f"{counted(len(rows), 'export')} of {groups_of(rows)} {verb(len(rows), 'was', 'were')} "
        f"refused, and {what}. Who was refused: {who}.",
        pd.concat([open_, rest])[[*_CALL, *known_stake(rows)]].reset_index(drop=True),
        remedy=refusals.remedy_of(open_) if len(open_) else "No action is needed.",
        export=refusals.windows_of(again[~never]),
        # a backfill leaves out log groups without any task
        aws_commands=(*refusals.check_commands(open_), *create_commands(again[never])),
    )


@rule(
    title="Exported in part",
    rank=132,
    severities=("warning", "note"),
    remedy="A task with a stream prefix exports only the streams whose names begin with it. Check "
    "that other tasks export the other streams.",
)
def partial(material: Material) -> Found | None:
    """Find what is not in S3 of all streams, of what became due in this week."""
    calls, deliveries = material.evidence.api_calls, material.evidence.deliveries
    if calls is None and (deliveries is None or not (deliveries["delivered"] == "partial").any()):
        return None
    timeline = material.ask_due(coverage_timeline)
    rows = timeline[(timeline["evidence"] == "partial").to_numpy()].reset_index(drop=True)
    if not len(rows):
        return None
    tasks = _in_part(material, rows)
    lacks = tasks["missing_stream_names"].notna()
    commands = create_commands(tasks.loc[~_expired(material, tasks), _EXPORT].drop_duplicates())
    shown = rows[[*LOG_GROUP, "start", "end", "length"]]
    if lacks.any():
        shown = shown.assign(missing_stream_names=_names_in(rows, tasks[lacks]))
    return Found(
        "warning" if (lacks & (tasks["prefix"] == "")).any() else "note",
        f"{total(rows['length'])} of events of {groups_of(rows)} were exported only in part: "
        f"{place(rows)}. {_why(tasks)}",
        shown,
        remedy=_WITHOUT_PREFIX if commands else None,
        aws_commands=commands,
    )


def _in_part(material: Material, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks that exported some streams only, if their windows are partly in intervals.

    `prefix` is empty if a task is known to have none; `missing_stream_names` is text if its
    delivery lacks streams, empty text if their names are not known.
    """
    tasks = material.rows[(material.rows["status_code"] == "COMPLETED").to_numpy()]
    calls, deliveries = material.evidence.api_calls, material.evidence.deliveries
    unknown = pd.Series(None, tasks.index, dtype="str")
    tasks = tasks.assign(
        prefix=unknown if calls is None else calls.creations_of(tasks)["prefix"],
        missing_stream_names=unknown if deliveries is None else _missing(tasks, deliveries),
    )
    inside = shared(tasks.rename(columns={"from_time": "start"}).assign(end=tasks["to_time"]), rows)
    limited = (tasks["prefix"].fillna("") != "") | tasks["missing_stream_names"].notna()
    return tasks[(inside > np.timedelta64(0, "ms")) & limited.to_numpy()]


def _missing(tasks: pd.DataFrame, deliveries: pd.DataFrame) -> pd.Series:
    """Return the names of the streams that each task's delivery lacks; missing if it lacks none."""
    lacking = deliveries[(deliveries["delivered"] == "partial").to_numpy()]
    names = lacking[[*KEY]].astype("str")
    names = names.assign(names=lacking["missing_stream_names"].fillna("")).drop_duplicates([*KEY])
    found = tasks[[*KEY]].astype("str").merge(names, how="left", on=[*KEY])["names"]
    return found.set_axis(tasks.index)


def _names_in(rows: pd.DataFrame, tasks: pd.DataFrame) -> pd.Series:
    """Return the names of the streams that are missing in each interval, separated by `:`."""
    group = matching.locate(tasks, rows)  # of the first interval of the log group
    of_row = pd.DataFrame({"row": rows.index, "group": matching.locate(rows, rows)})
    pairs = of_row.merge(tasks[_WINDOW].assign(group=group), on="group")
    pairs = pairs.join(rows[["start", "end"]], on="row")
    pairs = pairs[(pairs["from_time"] < pairs["end"]) & (pairs["to_time"] >= pairs["start"])]
    names = pairs.groupby("row")["missing_stream_names"].agg(lambda of: ":".join(_sorted(of)))
    found: pd.Series = names.reindex(rows.index).replace("", None).astype("str")
    return found


def _sorted(names: pd.Series) -> list[str]:
    return sorted({name for text in names for name in text.split(":") if name})


def _why(tasks: pd.DataFrame) -> str:
    """Return in words why tasks exported some streams only."""
    prefixed = int((tasks["prefix"].fillna("") != "").sum())
    lacking = tasks["missing_stream_names"].dropna()
    said = []
    if prefixed:
        said.append(f"{counted(prefixed, 'task')} had a stream prefix.")
    if len(lacking):
        names = _sorted(lacking)
        such = f", such as {', '.join(map(name, names[:_NAMED]))}" if names else ""
        said.append(f"{counted(len(lacking), 'task')} left no objects of some streams{such}.")
    return " ".join(said)


def _expired(material: Material, tasks: pd.DataFrame) -> np.ndarray:
    """Return whether the log group of each task no longer keeps the events of its window."""
    kept = material.groups["retention"].to_numpy()[matching.locate(tasks, material.groups)]
    ended = coerce.millis(tasks["to_time"])
    expired: np.ndarray = (kept != coerce.NAT) & (ended < to_millis(material.as_of) - kept)
    return expired


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
