"""Findings on what is not in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import KEY, LOG_GROUP
from exportstats.coverage import exports
from exportstats.coverage.premature import find_premature
from exportstats.report import thresholds
from exportstats.report.findings import Finding, name, place
from exportstats.report.material import clipped
from exportstats.stats.as_of import to_millis
from exportstats.text import counted, write_duration

if TYPE_CHECKING:
    from exportstats.report.material import Material
    from exportstats.report.weeks import Span

_SHOWN = [*LOG_GROUP, "start", "end", "length", "reason", "last_task_id", "expires_at"]
_BACKFILL = "exportstats backfill prints the commands that export them"


def expiring(material: Material) -> Finding | None:
    """Events that retention will take before anybody exports them."""
    missing = _until_due(material)
    soon = missing["expires_at"] < material.as_of + thresholds.EXPIRES_SOON
    rows = missing[soon & (missing["reason"] != "lost") & _long(missing)]
    if not len(rows):
        return None
    rows = rows.sort_values(["expires_at", *LOG_GROUP], ignore_index=True)
    first = rows["expires_at"].iloc[0]
    urgent = rows["expires_at"] < material.as_of + thresholds.EXPIRES_NOW
    begins = (
        "is expiring now"
        if first <= material.as_of
        else f"begins to expire on {_on(first, material)}"
    )
    return Finding(
        "expiring",
        "critical" if urgent.any() else "warning",
        f"{_sum(rows['length'])} of events of {_groups(rows)} will be lost unless they are "
        f"exported: {place(rows.head(1))} {begins}.",
        f"Export them before then; {_BACKFILL}, the first to expire first.",
        rows[_SHOWN],
    )


def lost(material: Material) -> Finding | None:
    """Events that retention took in this week."""
    missing = _until_due(material)
    lost = missing[missing["reason"] == "lost"]
    kept = lost["expires_at"] - lost["start"]
    since = material.span.start.tz_convert("UTC") - kept
    start = lost["start"].where(lost["start"] > since, since)
    rows = lost.assign(start=start, length=lost["end"] - start)
    rows = rows[(rows["start"] < rows["end"]) & _long(rows)]
    if not len(rows):
        return None
    rows = rows.assign(expires_at=rows["start"] + kept)
    rows = rows.sort_values(["length", *LOG_GROUP], ascending=[False, *[True] * 3])
    return Finding(
        "lost",
        "warning",
        f"{_sum(rows['length'])} of events of {_groups(rows)} were lost: retention took them in "
        f"this week, and they are not in S3. First {place(rows)}.",
        "Nothing brings them back. A longer retention gives more time to export the next ones.",
        rows[_SHOWN].reset_index(drop=True),
    )


def gaps(material: Material) -> Finding | None:
    """Find what is missing of the days that became due in this week."""
    week = _due(material)
    rows = week[_long(week) & (week["reason"] != "lost")]
    if not len(rows):
        return None
    rows = rows.sort_values(["length", *LOG_GROUP, "start"], ascending=[False, *[True] * 4])
    why = rows["reason"].astype("str").str.replace("_", " ").value_counts()
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in sorted(why.items()))
    regular = int(material.groups["regular"].sum())
    return Finding(
        "gaps",
        "warning",
        f"{counted(len(rows), 'gap')} in {_groups(rows)} of {regular:,} that are exported "
        f"regularly, together {_sum(rows['length'])} ({reasons}). The longest: "
        f"{place(rows.head(1))}, {_sum(rows['length'].head(1))} from "
        f"{_on(rows['start'].iloc[0], material)}.",
        f"Export them; {_BACKFILL}.",
        rows[_SHOWN].reset_index(drop=True),
    )


def short_gaps(material: Material) -> Finding | None:
    """Find what an exporter leaves that ends its windows a little too early."""
    week = _due(material)
    rows = week[~_long(week) & (week["reason"] != "lost")]
    if not len(rows):
        return None
    return Finding(
        "short_gaps",
        "note",
        f"{counted(len(rows), 'gap')} of a minute or less in {_groups(rows)}, together "
        f"{_sum(rows['length'])}: {place(rows)}.",
        "A window that ends at 23:59:00 leaves a minute out every night; end it at 23:59:59.999.",
        rows[_SHOWN].reset_index(drop=True),
    )


def premature(material: Material) -> Finding | None:
    """Find what was exported too soon for all late events to be in."""
    rows = find_premature(
        material.tasks,
        start=material.due.start,
        end=material.due.end,
        as_of=material.as_of,
        deliveries=material.deliveries,
    )
    if not len(rows):
        return None
    return Finding(
        "premature",
        "warning",
        f"{_sum(rows['premature'])} of events of {_groups(rows)} were exported less than 12 h "
        f"after the window's end by {counted(len(rows), 'task')}, so late ones may be missing: "
        f"{place(rows)}.",
        "Export these windows once more, and start the exporter 12 h after the end of its window "
        "or later.",
        rows,
    )


def stopped(material: Material) -> Finding | None:
    """Log groups that were exported regularly until this week."""
    groups = material.groups
    rows = groups[groups["regular"] & (groups["last_created"] < material.span.start)]
    if not len(rows):
        return None
    rows = rows.sort_values(["last_created", *LOG_GROUP], ignore_index=True)
    when = _on(rows["last_created"].iloc[0], material)
    return Finding(
        "stopped",
        "warning",
        f"{_groups(rows)} got no task in this week, after regular exports: {place(rows.head(1))} "
        f"since {when}.",
        "See whether the exporter still knows it; if that is meant, it leaves this report "
        "by itself after some weeks.",
        rows[[*LOG_GROUP, "last_created"]],
    )


def irregular(material: Material) -> Finding | None:
    """Name what no gap is told of, so that nobody takes it for complete."""
    by_hand = material.groups.loc[~material.groups["regular"], list(LOG_GROUP)]
    never = by_hand.iloc[:0]
    if material.log_groups is not None:
        there = exports.locate(material.log_groups, material.groups) >= 0
        created = material.log_groups["creation_time"]
        exists = ~(created >= material.span.end).to_numpy()
        never = material.log_groups.loc[~there & exists, list(LOG_GROUP)]
    rows = pd.concat(
        [
            by_hand.astype("str").assign(exported="now and then"),
            never.astype("str").assign(exported="never"),
        ],
        ignore_index=True,
    )
    if not len(rows):
        return None
    parts = [
        f"{len(some):,} {what}"
        for some, what in ((by_hand, "exported now and then"), (never, "never exported"))
        if len(some)
    ]
    return Finding(
        "irregular",
        "note",
        f"{counted(len(rows), 'log group')} not exported regularly ({', '.join(parts)}), such as "
        f"{name(rows['log_group_name'].iloc[0])}; gaps of these are not listed.",
        "If that is intended, nothing needs doing.",
        rows,
    )


def empty_deliveries(material: Material) -> Finding | None:
    """Tasks of the week that are COMPLETED and left nothing in S3."""
    if material.deliveries is None:
        return None
    missing = material.deliveries[material.deliveries["delivered"].isin(["empty", "gone"])]
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
    return Finding(
        "empty_deliveries",
        "warning",
        f"{counted(len(rows), 'task')} of {_groups(rows)} COMPLETED and left no log events in S3: "
        f"{place(rows)}.",
        "Look into the bucket. A window without events is empty too; else export it once more.",
        rows,
    )


def not_made_good(material: Material) -> Finding | None:
    """Tasks that failed in this week, and whose windows nobody exported since."""
    week = material.week
    names = list(LOG_GROUP)
    shown = [*names, "task_id", "creation_time", "from_time", "to_time"]
    failed = week.loc[week["status_code"] == "FAILED", [*shown, "status_message"]].copy()
    failed["missing"] = _missing_of(failed, material.uncovered)
    # of a task without a window nobody can tell
    there = failed["missing"].isna() | (failed["missing"] > pd.Timedelta(0))
    if not there.any():
        return None
    rows = failed.loc[there, [*shown, "missing", "status_message"]]
    rows = rows.sort_values(["creation_time", *names, "task_id"], ignore_index=True)
    return Finding(
        "not_made_good",
        "critical" if len(rows) >= thresholds.MANY_FAILURES else "warning",
        f"{len(rows):,} of {counted(len(failed), 'failed task')} not made good: nothing has "
        f"exported their windows since, in {_groups(rows)} such as {place(rows.head(1))}.",
        f"Mend the cause, then export them once more; {_BACKFILL}.",
        rows,
    )


def _missing_of(tasks: pd.DataFrame, uncovered: pd.DataFrame) -> np.ndarray:
    """Give how much of the window of each task is not covered, missing where it has none."""
    log_groups, windows = dict.fromkeys(LOG_GROUP, "str"), [*LOG_GROUP, "from_time", "to_time"]
    both = (
        tasks[windows]
        .assign(row=np.arange(len(tasks)))
        .astype(log_groups)
        .merge(uncovered[[*LOG_GROUP, "start", "end"]].astype(log_groups), on=list(LOG_GROUP))
    )
    first, last, start, end = (
        coerce.millis(both[side]) for side in ("from_time", "to_time", "start", "end")
    )
    # a millisecond is added after the minimum, for the last instant of all has none after it
    inside = np.maximum(np.minimum(last, end - 1) + 1 - np.maximum(first, start), 0)
    missing = np.zeros(len(tasks), dtype="int64")
    np.add.at(missing, both["row"], inside)
    missing[tasks[["from_time", "to_time"]].isna().any(axis=1)] = coerce.NAT
    return missing.view("timedelta64[ms]")


def regular_share(material: Material, span: Span) -> tuple[float, float]:
    """Tell how much of what was due in a span is covered, and how many seconds are not."""
    due = span.shifted(-thresholds.DUE_AFTER)
    groups = material.groups[material.groups["regular"]]
    start, end = (to_millis(edge) for edge in (due.start, due.end))
    asked = np.clip(end - np.maximum(coerce.millis(groups["first_window"]), start), 0, None).sum()
    missing = _missing(material, due.start, due.end)["length"].dt.total_seconds().sum()
    return (1 - missing * 1000 / asked if asked else float("nan")), float(missing)


def _missing(material: Material, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Give the gaps of regular log groups, as far as they lie in a range."""
    return clipped(material.gaps[material.gaps["regular"]], start, end)


def _until_due(material: Material) -> pd.DataFrame:
    return _missing(material, material.gaps["start"].min(), material.due.end)


def _due(material: Material) -> pd.DataFrame:
    return _missing(material, material.due.start, material.due.end)


def _long(gaps: pd.DataFrame) -> pd.Series:
    return gaps["length"] > thresholds.SHORT_GAP


def _sum(lengths: pd.Series) -> str:
    return write_duration(lengths.dt.total_seconds().sum())


def _groups(rows: pd.DataFrame) -> str:
    return counted(len(rows[list(LOG_GROUP)].drop_duplicates()), "log group")


def _on(time: pd.Timestamp, material: Material) -> str:
    local = time.tz_convert(material.span.start.tz)
    return f"{local:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
