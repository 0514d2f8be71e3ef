"""Define the pictures of a report: the table, the title and the chart of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.coverage.timeline import coverage_timeline
from exportstats.report.data import Picture
from exportstats.stats import matching
from exportstats.stats.durations import duration_trend
from exportstats.stats.status import status_breakdown
from exportstats.text import counted

if TYPE_CHECKING:
    from exportstats.report.material import Material
    from exportstats.report.rule import Found

_MOST_GROUPS = 6  # in a chart


def states(material: Material) -> Picture:
    """Return the picture of the states of all tasks of the latest weeks."""
    return Picture(
        "states",
        "Tasks by state and day",
        f"{counted(len(material.recent), 'task')} of this week and the five before it, by the day "
        "of their creation in UTC, stacked by state.",
        status_breakdown(material.recent, freq="D"),
        "plot_status_breakdown",
    )


def coverage(material: Material, _: Found) -> Picture:
    """Return the picture of the coverage of the days that were due."""
    timeline = material.ask_due(coverage_timeline)
    many = len(timeline[list(LOG_GROUP)].drop_duplicates())
    return Picture(
        "coverage",
        "Coverage of the days that were due",
        f"A lane for each of {counted(many, 'regular log group')}, those with the most gaps first: "
        "what is covered, missing, premature or covered more than once.",
        timeline.reset_index(drop=True),
        "plot_coverage",
    )


def failures(material: Material, _: Found) -> Picture:
    """Return the picture of the failure reasons of this week."""
    reasons = material.reasons
    return Picture(
        "failures",
        "Why tasks failed",
        f"{counted(int(reasons['tasks'].sum()), 'failed task')} of this week by reason, the most "
        "frequent first.",
        reasons,
        "plot_failure_reasons",
    )


def durations(material: Material, found: Found) -> Picture:
    """Return the picture of the durations of the log groups of a finding."""
    tasks = material.recent[matching.locate(material.recent, found.rows.head(_MOST_GROUPS)) >= 0]
    return Picture(
        "durations",
        "Durations of the slower log groups",
        "The median and the 90th percentile of the durations of COMPLETED tasks, day by day, of "
        "the log groups that have become slower.",
        duration_trend(tasks, freq="D", by=list(LOG_GROUP)),
        "plot_duration_trend",
    )


def slots(material: Material, _: Found) -> Picture:
    """Return the picture of the tasks of each slot in this week."""
    many = len(material.week[list(SLOT)].drop_duplicates())
    return Picture(
        "slots",
        "Tasks of each slot",
        f"A lane for each of {counted(many, 'slot')}: each task from its creation to its "
        "completion, coloured by state.",
        material.week.reset_index(drop=True),
        "plot_task_timeline",
    )
