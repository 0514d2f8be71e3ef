"""The pictures of a report: which ones, of which tables, and how they are made bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.coverage import exports
from exportstats.coverage.timeline import coverage_timeline
from exportstats.report.material import of_regular
from exportstats.stats.durations import duration_trend
from exportstats.stats.status import status_breakdown
from exportstats.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from exportstats.report.findings import Finding
    from exportstats.report.material import Material

_MOST_GROUPS = 6  # that a chart tells apart
_FAILING = {"more_failures", "new_reasons", "not_made_good"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A table and the chart that draws it.

    Attributes
    ----------
    name, title
        What it is called, in files and for people.
    text
        What it shows, in a sentence, for those who do not see it.
    table
        What it draws, all of it.
    plot
        The name of the function that draws it, of `exportstats.charts`.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    plot: str


def choose(material: Material, findings: tuple[Finding, ...]) -> tuple[Picture, ...]:
    """Choose what is worth a picture: the states always, all else where there is a finding."""
    return tuple(_choose(material, {finding.kind: finding for finding in findings}))


def _choose(material: Material, found: dict[str, Finding]) -> Iterator[Picture]:
    states = status_breakdown(material.recent, freq="D")
    yield Picture(
        "states",
        "Tasks by state and day",
        f"{counted(len(material.recent), 'task')} of this week and the five before it, by the day "
        "of their creation in UTC, stacked by state.",
        states,
        "plot_status_breakdown",
    )
    if {"gaps", "premature"} & found.keys():
        timeline = of_regular(
            material,
            coverage_timeline(material.tasks, **material.asked),
        )
        many = len(timeline[list(LOG_GROUP)].drop_duplicates())
        yield Picture(
            "coverage",
            "What is in S3 of the days that were due",
            f"A lane for each of {counted(many, 'regular log group')}, those that miss most first: "
            "what is covered, missing, premature or covered more than once.",
            timeline.reset_index(drop=True),
            "plot_coverage",
        )
    if _FAILING & found.keys():
        reasons = material.reasons
        yield Picture(
            "failures",
            "Why tasks failed",
            f"{counted(int(reasons['tasks'].sum()), 'failed task')} of this week by reason, the "
            "most frequent first.",
            reasons,
            "plot_failure_reasons",
        )
    if "slowdowns" in found:
        slow = found["slowdowns"].rows.head(_MOST_GROUPS)
        tasks = material.recent[exports.locate(material.recent, slow) >= 0]
        yield Picture(
            "durations",
            "How long the slower log groups take",
            "The median and the 90th percentile of the durations of COMPLETED tasks, day by day, "
            "of the log groups that have become slower.",
            duration_trend(tasks, freq="D", by=list(LOG_GROUP)),
            "plot_duration_trend",
        )
    if {"busy_slots", "time_outs"} & found.keys():
        slots = len(material.week[list(SLOT)].drop_duplicates())
        yield Picture(
            "slots",
            "What held the slots",
            f"A lane for each of {counted(slots, 'slot')}: each task from its creation to its "
            "completion, coloured by state.",
            material.week.reset_index(drop=True),
            "plot_slot_timeline",
        )


def draw(picture: Picture, form: str, **options: Any) -> bytes:  # noqa: ANN401 - savefig's
    """Draw a picture: the same bytes every time, and no other figure is touched.

    Parameters
    ----------
    picture
        What to draw.
    form
        "svg" or "png".
    """
    import matplotlib as mpl  # noqa: PLC0415 - not before a picture is asked for
    from matplotlib import pyplot as plt  # noqa: PLC0415

    from exportstats import charts  # noqa: PLC0415

    # not `rc_context`: in a notebook it would take back what loading the backend has set
    settings: dict[Any, Any] = {"svg.hashsalt": picture.name, "svg.fonttype": "path"}
    before: dict[Any, Any] = {name: mpl.rcParams[name] for name in settings}
    mpl.rcParams.update(settings)
    file = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure = None
    try:
        figure = getattr(charts, picture.plot)(picture.table).get_figure(root=True)
        figure.savefig(file, format=form, metadata=metadata, **options)
    finally:
        plt.close(figure)
        mpl.rcParams.update(before)
    return file.getvalue()
