"""Tasks that failed: more of them, for a new reason, and not exported again since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.report import pictures
from exportstats.report.material import WEEKS_BEFORE
from exportstats.report.rule import Found, rule
from exportstats.report.words import BACKFILL, groups_of, name, place
from exportstats.stats.failures import failure_reasons
from exportstats.stats.periods import compare_periods
from exportstats.text import counted, percent

if TYPE_CHECKING:
    from exportstats.report.material import Material

# From so many failed tasks that nobody ran again, it is an outage and no accident.
MANY_FAILURES = 10


@rule(
    title="Failed tasks whose windows nobody exported since",
    rank=20,
    severities=("critical", "warning"),
    remedy=f"Mend the cause, then export them once more; {BACKFILL}.",
    picture=pictures.failures,
)
def not_made_good(material: Material) -> Found | None:
    """Look for tasks that failed in this week, and whose windows nobody exported since."""
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
    return Found(
        "critical" if len(rows) >= MANY_FAILURES else "warning",
        f"{len(rows):,} of {counted(len(failed), 'failed task')} not made good: nothing has "
        f"exported their windows since, in {groups_of(rows)} such as {place(rows.head(1))}.",
        rows,
    )


def _missing_of(tasks: pd.DataFrame, uncovered: pd.DataFrame) -> np.ndarray:
    """Return how much of the window of each task is not covered, missing where it has none."""
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


@rule(
    title="Why tasks failed, by account and region",
    rank=30,
    remedy="The reason is AWS's own message; a policy, a bucket or a key is the usual cause.",
    picture=pictures.failures,
)
def more_failures(material: Material) -> Found | None:
    """Tell whether clearly more of the tasks failed than in the weeks before."""
    before = material.span.before(1, of=WEEKS_BEFORE)
    table = compare_periods(material.recent, current=material.span.edges, previous=before.edges)
    if "failure_rate" not in table.index:
        return None
    rate = table.loc["failure_rate"].to_dict()
    if rate["verdict"] != "worse":
        return None
    rows = failure_reasons(material.week, by=list(SLOT)).reset_index()
    rows = rows.sort_values(["tasks", "reason"], ascending=[False, True], ignore_index=True)
    most = rows.iloc[0]
    where = f" in {name(most['region'])}" if isinstance(most["region"], str) else ""
    return Found(
        "warning",
        f"{percent(rate['current'])} of {counted(int(rate['n_current']), 'task')} that ended "
        f"FAILED, after {percent(rate['previous'])} in the {WEEKS_BEFORE} weeks before. "
        f"Most often{where} ({most['tasks']:,}): {name(most['reason'], 120)}.",
        rows,
    )


@rule(
    title="Reasons of failures that no task had before",
    rank=40,
    remedy="Read the messages; something was changed in the account, the bucket or the exporter.",
    picture=pictures.failures,
)
def new_reasons(material: Material) -> Found | None:
    """Look for reasons of failures that no task had before this week."""
    reasons = failure_reasons(material.tasks)
    rows = reasons[reasons["first_time"] >= material.span.start].reset_index()
    if not len(rows) or not material.has_a_past:
        return None
    return Found(
        "warning",
        f"{counted(len(rows), 'reason')} of failures that no task had before, of "
        f"{counted(int(rows['tasks'].sum()), 'task')}: {name(rows['reason'].iloc[0], 120)}.",
        rows,
    )
