"""The report on one week, as a value: findings, figures, tables and pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import frames, schema, shards
from exportstats.coverage.summary import coverage_summary
from exportstats.progress import steps
from exportstats.report import about_coverage, about_tasks
from exportstats.report.figures import key_figures
from exportstats.report.findings import ranked
from exportstats.report.material import gather, of_regular
from exportstats.report.pictures import Picture, choose
from exportstats.report.weeks import span_of
from exportstats.stats.as_of import instant
from exportstats.stats.durations import duration_summary
from exportstats.text import counted, write_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exportstats.report.findings import Finding
    from exportstats.report.material import Material
    from exportstats.report.weeks import Week
    from exportstats.stats.as_of import Instant

# What nobody can know, said in every report.
LIMITS = (
    (
        "Coverage is an upper bound: the service tells neither a task's prefix of stream names nor "
        "how much it wrote."
    ),
    "A duration is creation to completion, waiting included: the service tells no start.",
)


_PART = "Only a part of the list is known: what looks like a gap may be covered by the rest of it."


@dataclass(frozen=True, eq=False, repr=False)
class WeeklyReport:
    """What one week was like. It shows itself in a notebook; `render_` functions write it.

    Attributes
    ----------
    name
        What the week is called.
    start, end
        Its edges (aware, in its time zone); `due_start` and `due_end`, of which time the events
        were due in S3 in it: two days earlier.
    as_of
        Everything is as it was known at this instant.
    findings
        The worst first.
    figures
        The key figures of this week, of the last one and of the four before it.
    tables
        Tables by name: the rows of each finding under its kind, and `coverage`, `failures` and
        `durations`.
    pictures
        What is drawn.
    is_partial
        Whether some of the tasks or log groups are known to lack, as where a list was cut short.
    """

    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    due_start: pd.Timestamp
    due_end: pd.Timestamp
    as_of: pd.Timestamp
    findings: tuple[Finding, ...]
    figures: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    pictures: tuple[Picture, ...]
    is_partial: bool = False

    @property
    def tz(self) -> str:
        """Name the time zone of the week."""
        return str(self.start.tz)

    @property
    def is_quiet(self) -> bool:
        """Tell that nothing needs doing."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def headline(self) -> str:
        """Say in one sentence how the week was."""
        if not self.is_quiet:
            many = Counter(finding.severity for finding in self.findings)
            said = {"critical finding": many["critical"], "warning": many["warning"]}
            return " and ".join(counted(number, noun) for noun, number in said.items() if number)
        current = self.figures["current"].to_dict()
        tasks, failed, covered = (current[name] for name in ("tasks", "failed", "covered"))
        if not tasks:
            return "No task was created in this week."
        told = f"A quiet week: {counted(int(tasks), 'task')}, "
        told += "none of them failed" if not failed else f"{int(failed):,} failed, all made good"
        if covered == covered:  # noqa: PLR0124 - not known without a regular log group
            told += ", and what was due is in S3"
            missing = current["missing"]
            told += f" but for {write_duration(missing)}" if missing else ""
        return told + "."

    @property
    def period(self) -> str:
        """Say in one sentence what it is of, and in another one if that is not all."""
        start, end, as_of = (f"{t:%Y-%m-%d %H:%M}" for t in (self.start, self.end, self.as_of))
        said = (
            f"Tasks created from {start} to {end}, events of {self.due_start:%Y-%m-%d} to "
            f"{self.due_end:%Y-%m-%d}, as known at {as_of} ({self.tz})."
        )
        return f"{said} {_PART}" if self.is_partial else said

    def __repr__(self) -> str:
        """Name it; its tables would fill pages."""
        return f"<WeeklyReport of {self.name}: {self.headline}>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        from exportstats.report.html import render_fragment  # noqa: PLC0415 - it needs matplotlib

        return render_fragment(self)


def build_weekly_report(
    tasks: shards.Tasks,
    *,
    week: Week = "last",
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
    as_of: Instant = None,
    tz: str = "UTC",
) -> WeeklyReport:
    """Report on one week: what needs doing and by when, the worst first.

    The week is that of the tasks' creation. Of coverage it answers for the seven days that became
    due in it: a day's events are due in S3 two days after the day. Gaps are those of log groups
    that are exported regularly, since their first export. All thresholds stand in one place,
    `exportstats/report/thresholds.py`.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one: with their history, for a week alone cannot tell what is
        new, slower or about to be lost.
    week
        "last", the last whole ISO week before `as_of`; an ISO week as in "2026-W47"; or a start and
        an end (aware).
    log_groups
        A table of log groups, to tell what will be lost and by when, and what was never exported.
    deliveries
        A table of deliveries: a task that delivered `empty` or `gone` covers nothing.
    as_of
        Report what was known at this instant (aware). Without it: at the end of the week, or when
        the tasks were last observed if that was before; so a later run of the same week gives the
        same report.
    tz
        The time zone whose Mondays begin a week, and in which times are shown.

    Returns
    -------
    WeeklyReport
        A frozen value: `findings`, `figures`, `tables`, `pictures`.

    Raises
    ------
    ArgumentError
        There is no such week or time zone, or an instant has none.
    SchemaError
        A table that is none.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.headline
    'A quiet week: 111 tasks, none of them failed, and what was due is in S3 but for 7 min.'
    """
    if log_groups is not None:
        log_groups = frames.check(log_groups, schema.LOG_GROUPS)
    if deliveries is not None:
        deliveries = frames.check(deliveries, schema.DELIVERIES)
    now = None if as_of is None else instant(as_of, "as_of")
    observed = _last_observed(tasks)
    seen = now if now is not None else observed
    if seen is None:
        # the report may ask the clock: nothing else tells what week it is
        seen = pd.Timestamp.now("UTC").as_unit("ms")
    span = span_of(week, tz, seen)
    known = now if now is not None else min(seen, span.end.tz_convert("UTC"))
    material = gather(tasks, span, known, log_groups, deliveries)
    findings = _find(material)
    tables = {finding.kind: finding.rows for finding in findings} | _tables(material)
    return WeeklyReport(
        name=span.name,
        start=span.start,
        end=span.end,
        due_start=material.due.start,
        due_end=material.due.end,
        as_of=known.tz_convert(span.start.tz),
        findings=findings,
        figures=key_figures(material),
        tables=MappingProxyType(tables),
        pictures=choose(material, findings),
    )


# Each looks for one kind of finding.
_FINDERS = (
    about_coverage.expiring,
    about_coverage.lost,
    about_coverage.gaps,
    about_coverage.short_gaps,
    about_coverage.premature,
    about_coverage.stopped,
    about_coverage.irregular,
    about_coverage.not_made_good,
    about_coverage.empty_deliveries,
    about_tasks.more_failures,
    about_tasks.new_reasons,
    about_tasks.slowdowns,
    about_tasks.time_outs,
    about_tasks.busy_slots,
    about_tasks.bad_data,
)


def _find(material: Material) -> tuple[Finding, ...]:
    """Look for all kinds of findings; of a million tasks that takes a while."""
    return ranked(find(material) for find in steps(_FINDERS, "findings"))


def _tables(material: Material) -> dict[str, pd.DataFrame]:
    """Give the tables that stand in every report, the worst first."""
    coverage = coverage_summary(material.tasks, **material.asked).reset_index()
    coverage = of_regular(material, coverage)
    durations = duration_summary(
        material.week, by=["account_id", "region", "log_group_name"], quantiles=(0.5, 0.9)
    ).reset_index()
    return {
        "coverage": coverage.sort_values("covered_fraction", kind="stable", ignore_index=True),
        "failures": material.reasons.reset_index(),
        "durations": durations.sort_values(
            "p50", ascending=False, kind="stable", ignore_index=True
        ),
    }


def _last_observed(tasks: shards.Tasks) -> pd.Timestamp | None:
    found = shards.collect(tasks, _observed)["observed_at"].max()
    return None if found is pd.NaT else found


def _observed(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks[["observed_at"]].nlargest(1, "observed_at")
