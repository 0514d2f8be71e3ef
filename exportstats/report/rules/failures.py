"""Find failed tasks: a higher rate, new reasons, and windows that were not exported again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import schema
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.coverage.gaps import find_gaps
from exportstats.report import causes, pictures
from exportstats.report.material import part_waived, without_rest
from exportstats.report.missing import known_stake, missing_of, with_stake
from exportstats.report.reading import WEEKS_BEFORE, of_groups
from exportstats.report.rule import Found, by_incident, rule
from exportstats.report.words import LOST, groups_of, name, slot, slots_of, such_as, verb
from exportstats.stats.failures import failure_reasons
from exportstats.stats.periods import compare_periods
from exportstats.text import counted, percent, total

if TYPE_CHECKING:
    from exportstats.report.material import Material

# This many failed tasks that were not run again are critical.
MANY_FAILURES = 10


@rule(
    title="Windows of failed tasks that are still not in S3",
    rank=20,
    severities=("critical", "warning", "note"),
    remedy="Fix the cause, then export them again.",
    picture=pictures.failures,
)
def failed_windows(material: Material) -> Found | None:
    """Find windows of tasks that failed in this week and were not exported since."""
    names, window = list(LOG_GROUP), [*LOG_GROUP, "from_time", "to_time"]
    failed = material.failed.sort_values(["creation_time", "task_id"])
    if not len(failed):
        return None
    tries = failed.groupby(window, observed=True, dropna=False)["task_id"].transform("size")
    # keep one row per window, with its last attempt
    failed = failed.assign(tries=tries).drop_duplicates(window, keep="last")
    rows = failed.assign(missing=missing_of(failed, material.uncovered))
    # keep tasks without a window: whether their events are missing is unknown
    rows = rows[rows["missing"].isna() | (rows["missing"] > pd.Timedelta(0))]
    if not len(rows):
        return None
    rows = rows.assign(
        under_way=rows["missing"] - missing_of(rows, _uncovered_then(material, rows)),
        lost=missing_of(rows, material.uncovered[material.uncovered["reason"] == "lost"]),
    )
    rows = with_stake(rows, material.uncovered, material.evidence.incoming)
    order = ["incoming_bytes", "creation_time", *names, "task_id"]
    rows = rows.sort_values(order, ascending=[False, *[True] * 5], ignore_index=True)
    return by_incident(
        partial(_describe_open, of=len(failed)), rows, causes.of_tasks(rows, material)
    )


def _describe_open(rows: pd.DataFrame, *, of: int) -> Found:
    """Describe some of the windows of failed tasks. `of` is the number of all windows."""
    shown = [*LOG_GROUP, "task_id", "creation_time", "from_time", "to_time", "tries"]
    shown += ["missing", "under_way", "lost", *known_stake(rows), "status_message"]
    open_ = rows[rows["missing"].isna() | (rows["missing"] > rows["under_way"])]
    some = open_ if len(open_) else rows
    known = rows["missing"].notna().any()  # a task without a window has no known missing time
    lacking = f"{total(rows['missing'])} of events are missing, " if known else ""
    sentence = (
        f"{len(rows):,} of {counted(of, 'window')} of failed tasks, in {groups_of(rows)}, "
        f"{verb(len(rows), 'is', 'are')} not completely in S3: {lacking}"
        f"{such_as(some)}."
    )
    if (rows["under_way"] > pd.Timedelta(0)).any():
        sentence += f" {total(rows['under_way'])} of them are being exported now."
    if (rows["lost"] > pd.Timedelta(0)).any():
        sentence += f" {total(rows['lost'])} of them have expired."
    rows = rows[shown].reset_index(drop=True)
    if not len(open_):
        return Found("note", sentence, rows, "Wait for the active tasks.")
    hopeful = open_["missing"].isna() | (open_["missing"] > open_["lost"])
    return Found(
        "critical" if hopeful.sum() >= MANY_FAILURES else "warning",
        sentence,
        rows,
        None if hopeful.any() else f"Fix the cause. {LOST}",
        open_[hopeful & open_["missing"].notna()].assign(
            start=open_["from_time"], end=open_["to_time"] + pd.Timedelta("1ms")
        ),
    )


def _uncovered_then(material: Material, failed: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps in the windows of failed tasks once all active tasks have completed."""
    start, end = failed["from_time"].min(), material.as_of
    active = material.undelivered["status_code"].isin(schema.ACTIVE_STATES).any()
    if not active or not start < end:
        return material.uncovered
    uncovered = find_gaps(
        _as_if_done(of_groups(material.rows, groups=failed)),
        start=start,
        end=end,
        **material.evidence.options,
    )
    uncovered, _ = part_waived(uncovered, material.waivers, material.now)
    return without_rest(uncovered, material.groups, material.rest)


def _as_if_done(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks with active ones as COMPLETED."""
    state = tasks["status_code"]
    return tasks.assign(status_code=state.where(~state.isin(schema.ACTIVE_STATES), "COMPLETED"))


@rule(
    title="Why tasks failed, by account and region",
    rank=30,
    remedy="The reason is the message from AWS. The usual cause is a policy, a bucket or a key.",
    picture=pictures.failures,
)
def more_failures(material: Material) -> Found | None:
    """Find a failure rate that is significantly higher than in the weeks before."""
    before = material.span.before(1, of=WEEKS_BEFORE)
    table = compare_periods(material.recent, current=material.span.edges, previous=before.edges)
    rate = table["failure_rate"].loc["all"].to_dict()
    if rate["verdict"] != "worse":
        return None
    rows = failure_reasons(material.week, by=list(SLOT)).reset_index()
    rows = rows.sort_values(["tasks", "reason"], ascending=[False, True], ignore_index=True)
    top = rows.iloc[0]
    where = f" in {slot(top)}" if slot(top) else ""
    about = causes.of_tasks(material.failed, material)
    return Found(
        "warning",
        f"{percent(rate['current'])} of the tasks that ended in this week FAILED "
        f"({rows['tasks'].sum():,} of {int(rate['n_current']):,}),{slots_of(rows, ',')} compared "
        f"with {percent(rate['previous'])} in the {WEEKS_BEFORE} weeks before. "
        f"The most frequent reason{where} ({top['tasks']:,}): {name(top['reason'], 120)}.",
        rows,
        about=about[about["cause"] == top["reason"]],
    )


@rule(
    title="New reasons for failures",
    rank=40,
    remedy="Read the messages. Look for changes in the account, the bucket or the exporter.",
    picture=pictures.failures,
)
def new_reasons(material: Material) -> Found | None:
    """Find failure reasons that no task had before this week."""
    tasks = material.rows[material.rows["completion_time"] < material.until]
    reasons = failure_reasons(tasks)
    rows = reasons[reasons["first_time"] >= material.span.start].reset_index()
    if not len(rows) or not material.has_a_past:
        return None
    by_slot = failure_reasons(tasks, by=list(SLOT)).reset_index()
    of_first = by_slot[by_slot["reason"] == rows["reason"].iloc[0]]
    more = len(of_first) - 1
    where = slot(of_first.sort_values("tasks", ascending=False, kind="stable").iloc[0])
    where = f" in {where}" if where else ""
    where += f" and {counted(more, 'more slot')}" if more else ""
    about = causes.of_tasks(material.failed, material)
    return Found(
        "warning",
        f"{counted(len(rows), 'reason')} for failures {verb(len(rows), 'is', 'are')} new in this "
        f"week, with {counted(int(rows['tasks'].sum()), 'task')}. The most frequent one{where}: "
        f"{name(rows['reason'].iloc[0], 120)}.",
        rows,
        about=about[about["cause"].isin(rows["reason"])],
    )
