"""Build the report on one week, and write it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import pandas as pd

from exportstats.core import frames, schema, shards
from exportstats.coverage import exports
from exportstats.coverage.summary import coverage_summary
from exportstats.io.whole import whole_file
from exportstats.progress import steps
from exportstats.report import html, machine, mail, markdown, pictures, rules
from exportstats.report.data import Finding, Picture, ReportData
from exportstats.report.figures import key_figures
from exportstats.report.incidents import incidents, tables_of
from exportstats.report.material import gather
from exportstats.report.waivers import read_waivers
from exportstats.report.weeks import span_of
from exportstats.stats.as_of import instant
from exportstats.stats.durations import duration_summary
from exportstats.stats.grouping import columns_of, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exportstats.report.material import Material
    from exportstats.report.weeks import Week
    from exportstats.stats.as_of import Instant

_BAD = ("critical", "warning")
_Text = TypeVar("_Text", bound="str | bytes")


class WeeklyReport(ReportData):
    """What one week was like; it shows itself in a notebook and writes itself.

    `to_html`, `to_markdown`, `to_json` and `to_email` return the report, or write it to `path` and
    return nothing, as pandas has it.
    """

    if TYPE_CHECKING:
        parts: Mapping[str, WeeklyReport]

    @overload
    def to_html(self, path: None = None, *, csv: str | None = None) -> str: ...
    @overload
    def to_html(self, path: str | Path, *, csv: str | None = None) -> None: ...
    def to_html(self, path: str | Path | None = None, *, csv: str | None = None) -> str | None:
        """Return the report as one HTML file, or write it; `csv` is where its tables lie."""
        return _written(html.render_html(self, csv=csv), path)

    @overload
    def to_markdown(self, path: None = None) -> str: ...
    @overload
    def to_markdown(self, path: str | Path) -> None: ...
    def to_markdown(self, path: str | Path | None = None) -> str | None:
        """Return the report in GitHub's Markdown, or write it."""
        return _written(markdown.render_markdown(self), path)

    @overload
    def to_json(self, path: None = None) -> str: ...
    @overload
    def to_json(self, path: str | Path) -> None: ...
    def to_json(self, path: str | Path | None = None) -> str | None:
        """Return the report as JSON, or write it."""
        return _written(machine.render_json(self), path)

    @overload
    def to_email(self, path: None = None) -> bytes: ...
    @overload
    def to_email(self, path: str | Path) -> None: ...
    def to_email(self, path: str | Path | None = None) -> bytes | None:
        """Return the report as a mail without sender, receivers and date, or write it."""
        return _written(mail.render_email(self), path)

    def to_csv(self, folder: str | Path) -> None:
        """Write every table of the report to a folder as CSV."""
        machine.write_csv(self, folder)

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        return html.render_fragment(self)


def _written(text: _Text, path: str | Path | None) -> _Text | None:
    """Return what was rendered, or write it: whole or not at all."""
    if path is None:
        return text
    with whole_file(Path(path)) as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return None


def build_weekly_report(  # noqa: PLR0913 - all of them are asked for by name
    tasks: shards.Tasks,
    *,
    week: Week = "last",
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
    as_of: Instant = None,
    tz: str = "UTC",
    source: Sequence[str] = (),
    by: str | None = None,
    waivers: str | Path | None = None,
) -> WeeklyReport:
    """Report on one week: what needs doing and by when, the worst first.

    The week is that of the tasks' creation. Of coverage it answers for the seven days that became
    due in it: a day's events are due in S3 two days after the day. Gaps are those of log groups
    that are exported regularly, since their first export. Each kind of finding
    is a rule of its own, with its threshold, in `exportstats/report/rules/`.

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
    source
        What `exportstats` has to be told to read these tasks and log groups, as in
        ["tasks.parquet", "--log-groups=groups.json"]. The commands below findings have it; without
        it they ask AWS.

    by
        A column of the tasks, such as `account_id` or your own `owner`: `parts` has a report for
        each of its values, in the order of their severity, and renderers a section.

    waivers
        A TOML file of gaps that are meant: these are a note. See docs/weekly_report.md.

    Returns
    -------
    WeeklyReport
        A frozen value: `findings`, `figures`, `tables`, `pictures`.

    Raises
    ------
    ArgumentError
        There is no such week, time zone or column, or an instant has no time zone.
    SchemaError
        One of the tables is not what it should be.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.headline
    'A quiet week: 111 tasks, none of them failed, and what was due is in S3 but for 7 min.'
    """
    material = material_of(tasks, week, log_groups, deliveries, as_of, tz, source, waivers)
    report = _report(material, material.span.name)
    return report if by is None else replace(report, parts=MappingProxyType(_parts(material, by)))


def _report(material: Material, name: str) -> WeeklyReport:
    findings, drawn = _look(material)
    tables = tables_of(findings) | _tables(material)
    return WeeklyReport(
        name=name,
        start=material.span.start,
        end=material.span.end,
        due_start=material.due.start,
        due_end=material.due.end,
        as_of=material.as_of.tz_convert(material.span.start.tz),
        findings=findings,
        figures=key_figures(material),
        tables=MappingProxyType(tables),
        pictures=drawn,
        has_log_groups=material.log_groups is not None,
    )


def _parts(whole: Material, by: str) -> dict[str, WeeklyReport]:
    """Report on the tasks with each value of a column, those with the worst findings first."""
    [column] = names_of(by, whole.tasks)
    values = shards.collect(whole.tasks, partial(_values_of, column=column))[column]
    parts = {}
    for value in sorted({str(value) for value in values.dropna()}):
        tasks = shards.select(whole.tasks, partial(_with_value, column=column, value=value))
        log_groups = whole.log_groups
        if log_groups is not None:
            there = shards.collect(tasks, _log_groups_of)
            mine = exports.locate(log_groups, there) >= 0
            if column in log_groups.columns:
                mine |= (log_groups[column].astype("str") == value).to_numpy()
            log_groups = log_groups[mine]
        known = log_groups, whole.deliveries, whole.source, whole.waivers
        part = gather(tasks, whole.span, whole.as_of, *known)
        parts[value] = _report(part, f"{whole.span.name}, {column} {value}")

    def worst(report: WeeklyReport) -> list[int]:
        return [-sum(one.severity == severity for one in report.findings) for severity in _BAD]

    return dict(sorted(parts.items(), key=lambda part: worst(part[1])))


def _values_of(tasks: pd.DataFrame, *, column: str) -> pd.DataFrame:
    return columns_of(tasks, [column]).drop_duplicates()


def _with_value(tasks: pd.DataFrame, *, column: str, value: str) -> pd.DataFrame:
    kept: pd.DataFrame = tasks[(tasks[column].astype("str") == value).to_numpy()]
    return kept


def _log_groups_of(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks[list(schema.LOG_GROUP)].drop_duplicates()


def material_of(
    tasks: shards.Tasks,
    week: Week,
    log_groups: pd.DataFrame | None,
    deliveries: pd.DataFrame | None,
    as_of: Instant,
    tz: str,
    source: Sequence[str],
    waivers: str | Path | None,
) -> Material:
    """Check what a report is asked, and compute what its rules look at."""
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
    known_waivers = () if waivers is None else read_waivers(waivers)
    known = now if now is not None else min(seen, span.end.tz_convert("UTC"))
    return gather(tasks, span, known, log_groups, deliveries, tuple(source), known_waivers)


def _look(material: Material) -> tuple[tuple[Finding, ...], tuple[Picture, ...]]:
    """Apply all rules, the worst finding first; of a million tasks that takes a while."""
    looked = [(one, one.look(material)) for one in steps(rules.RULES, "findings")]
    there = [(one, found) for one, found in looked if found is not None]
    there.sort(key=lambda both: both[0].order(both[1]))
    drawn = {one.picture: found for one, found in reversed(there) if one.picture is not None}
    drawings = [draw(material, drawn[draw]) for draw in reversed(drawn)]
    return incidents(there, material.source), (pictures.states(material), *drawings)


def _tables(material: Material) -> dict[str, pd.DataFrame]:
    """Return the tables that stand in every report, the worst first."""
    coverage = material.ask_due(_coverage)
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


def _coverage(tasks: shards.Tasks, **asked: Any) -> pd.DataFrame:  # noqa: ANN401 - its own
    return coverage_summary(tasks, **asked).reset_index()


def _last_observed(tasks: shards.Tasks) -> pd.Timestamp | None:
    found = shards.collect(tasks, _observed)["observed_at"].max()
    return None if found is pd.NaT else found


def _observed(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks[["observed_at"]].nlargest(1, "observed_at")
