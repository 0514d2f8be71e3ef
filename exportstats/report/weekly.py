"""Build and write the weekly report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import pandas as pd

from exportstats.core import schema, shards
from exportstats.coverage.summary import coverage_summary
from exportstats.io.whole import whole_file
from exportstats.progress import steps
from exportstats.report import html, machine, mail, markdown, pictures, rules
from exportstats.report.data import Finding, Picture, ReportData
from exportstats.report.earlier import with_earlier
from exportstats.report.evidence import Evidence
from exportstats.report.figures import key_figures
from exportstats.report.incidents import incidents, tables_of
from exportstats.report.material import gather
from exportstats.report.reading import Read, known_then, read
from exportstats.report.waivers import read_waivers
from exportstats.report.weeks import span_of
from exportstats.stats import matching
from exportstats.stats.as_of import instant
from exportstats.stats.durations import duration_summary
from exportstats.stats.grouping import columns_of, last_observed, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.report.material import Material

_BAD = ("critical", "warning")
_Text = TypeVar("_Text", bound="str | bytes")


class WeeklyReport(ReportData):
    """The report on one week. A notebook displays it as HTML.

    `to_html`, `to_markdown`, `to_json` and `to_email` return the report, or write it to `path` and
    return None, as in pandas.

    Attributes
    ----------
    headline
        A summary of the week in one sentence.
    findings
        The findings, the worst first. Each has a `severity` ("critical", "warning" or "note"), a
        `kind`, a `sentence` and a `remedy` as text, the table `rows`, and `commands`, the shell
        commands that resolve it. Findings with the same cause are `parts` of the worst one.
    figures
        The key figures of this week, of the previous week and of the four weeks before this week,
        indexed by measure. Durations are in seconds; `unit` says so.
    tables
        Tables by name: one for each `kind` of finding, with all its rows and the id of each row's
        finding in `finding`; and `coverage`, `failures` and `durations`.
    pictures
        The charts. Each has a `name`, a `title`, a `text` that describes it, the `table` that is
        drawn, and `plot`, the name of the function that draws it.
    name
        The name of the week, such as "week 2026-W20".
    start, end
        The start and end (exclusive) of the week, in its time zone.
    due_start, due_end
        The time range whose events became due in S3 in the week. It is two days earlier.
    as_of
        The instant for which the report is computed.
    is_quiet
        Whether no action is needed.
    is_partial
        Whether tasks or log groups are known to be missing, because a list was incomplete.
    lacks_history
        Whether tasks may be missing, because an archive could not be read in full.
    has_log_groups
        Whether log groups were given. Without them, expiry is unknown.
    has_evidence
        Whether API calls and deliveries are known, which tell what tasks exported.
    limits
        What the report cannot know and what it did not check, in sentences.
    parts
        One report for each value of the column `by`, if it was given.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> print(report.to_markdown().splitlines()[0])
    # Export tasks, week 2026-W20
    """

    parts: Mapping[str, WeeklyReport]

    @overload
    def to_html(self, path: None = None, *, csv: str | None = None) -> str: ...
    @overload
    def to_html(self, path: str | Path, *, csv: str | None = None) -> None: ...
    def to_html(self, path: str | Path | None = None, *, csv: str | None = None) -> str | None:
        """Return or write the report as one HTML file. `csv` is the folder of its tables."""
        return _written(html.render_html(self, csv=csv), path)

    @overload
    def to_markdown(self, path: None = None) -> str: ...
    @overload
    def to_markdown(self, path: str | Path) -> None: ...
    def to_markdown(self, path: str | Path | None = None) -> str | None:
        """Return or write the report as GitHub-flavored Markdown."""
        return _written(markdown.render_markdown(self), path)

    @overload
    def to_json(self, path: None = None) -> str: ...
    @overload
    def to_json(self, path: str | Path) -> None: ...
    def to_json(self, path: str | Path | None = None) -> str | None:
        """Return or write the report as JSON."""
        return _written(machine.render_json(self), path)

    @overload
    def to_email(self, path: None = None) -> bytes: ...
    @overload
    def to_email(self, path: str | Path) -> None: ...
    def to_email(self, path: str | Path | None = None) -> bytes | None:
        """Return or write the report as an email without sender, recipients and date."""
        return _written(mail.render_email(self), path)

    def to_csv(self, folder: str | Path) -> None:
        """Write each table of the report to a folder as CSV."""
        machine.write_csv(self, folder)

    def _repr_html_(self) -> str:
        """Return the report as HTML for a notebook."""
        return html.render_fragment(self)


def _written(text: _Text, path: str | Path | None) -> _Text | None:
    """Return the rendered report, or write it to a file as a whole."""
    if path is None:
        return text
    with whole_file(Path(path)) as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return None


def build_weekly_report(  # noqa: PLR0913 - all options are keyword-only
    tasks: pd.DataFrame | Shards,
    *,
    week: str | tuple[str | date, str | date] = "last",
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
    api_calls: pd.DataFrame | None = None,
    incoming: pd.DataFrame | None = None,
    as_of: str | date | pd.Period | None = None,
    tz: str = "UTC",
    source: Sequence[str] = (),
    by: str | None = None,
    waivers: str | Path | None = None,
) -> WeeklyReport:
    """Build the report on one week: what to do and by when, the worst first.

    The report is on the tasks created in the week. Its coverage is that of the seven days that
    became due in the week: the events of a day are due in S3 two days later. Gaps are reported for
    log groups that are exported regularly, from their first export on. The rules for findings and
    their thresholds are in `exportstats/report/rules/`.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Include the history of the
        tasks: one week is not enough to find what is new, slower or about to be lost.
    week
        "last", the last whole ISO week before `as_of`; an ISO week as in "2026-W47"; or a start and
        an end (aware).
    log_groups
        A table of log groups. It is needed to find events that will be lost, and log groups that
        were never exported.
    deliveries
        A table of deliveries. A task whose delivery is `empty` or `gone` covers nothing, and
        streams that a `partial` one lacks are named.
    api_calls
        A table of API calls. With it, refused exports are reported, and what only tasks with a
        stream prefix cover.
    incoming
        A table of what log groups took in. With it, gaps in which nothing came in are notes, and
        other gaps have the bytes that came in, the most first. Forecasts of active tasks use it.
    as_of
        The instant (aware) for which to compute the report. Default: the end of the week, or the
        last observation of the tasks if that is earlier, so that a later run for the same week
        gives the same report.
    tz
        The time zone in which weeks begin and times are shown.
    source
        The command-line arguments of `exportstats` to read these tasks and log groups, as in
        ["tasks.parquet", "--log-groups=groups.json"]. They become part of the commands below
        findings. Default: the commands load the tasks from AWS.
    by
        A column of the tasks, such as `account_id` or your own `owner`. `parts` then has one report
        for each value, the worst first, and the written report has one section for each.
    waivers
        A TOML file of intended gaps, which become notes. See docs/weekly_report.md.

    Returns
    -------
    WeeklyReport
        An immutable report with `findings`, `figures`, `tables` and `pictures`.

    Raises
    ------
    ArgumentError
        If the week, the time zone or the column is invalid, or an instant has no time zone.
    SchemaError
        If a table does not match its schema.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.headline
    'A quiet week: 111 tasks, none failed, and what was due is in S3 except 7 min.'
    """
    evidence = Evidence.checked(
        log_groups=log_groups, deliveries=deliveries, api_calls=api_calls, incoming=incoming
    )
    material = material_of(tasks, week, evidence, as_of, tz, source, waivers)
    report = _report(material, material.span.name)
    return report if by is None else replace(report, parts=MappingProxyType(_parts(material, by)))


def _report(material: Material, name: str) -> WeeklyReport:
    findings, drawn = _apply_rules(material)
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
        has_log_groups=material.evidence.log_groups is not None,
        has_evidence=material.evidence.tells_what_was_exported,
    )


def _parts(whole: Material, by: str) -> dict[str, WeeklyReport]:
    """Build one report for each value of a column, the worst first."""
    [column] = names_of(by, whole.tasks)
    names = [*dict.fromkeys([column, *schema.LOG_GROUP])]
    present = shards.collect(whole.tasks, partial(_different, names=names), names)
    values = present[column].astype("str")
    keep, evidences = {}, []
    for value in sorted(set(values.dropna())):
        log_groups = whole.evidence.log_groups
        if log_groups is not None:
            kept = matching.locate(log_groups, present[values == value]) >= 0
            if column in log_groups.columns:
                kept |= (log_groups[column].astype("str") == value).to_numpy()
            log_groups = log_groups[kept]
        keep[value] = partial(_with_value, column=column, value=value)
        evidences.append(whole.evidence._replace(log_groups=log_groups))
    known = [
        partial(_read_part, keep=kept, evidence=evidence, whole=whole)
        for kept, evidence in zip(keep.values(), evidences, strict=True)
    ]
    found = shards.together(whole.tasks, *known)
    materials = [
        gather(whole.tasks, one, whole.span, whole.as_of, evidence, whole.source, whole.waivers)
        for one, evidence in zip(found, evidences, strict=True)
    ]
    materials = with_earlier(whole.tasks, materials, [*keep.values()])
    parts = {
        value: _report(material, f"{whole.span.name}, {column} {value}")
        for value, material in zip(keep, materials, strict=True)
    }

    def worst(report: WeeklyReport) -> list[int]:
        return [-sum(one.severity == severity for one in report.findings) for severity in _BAD]

    return dict(sorted(parts.items(), key=lambda part: worst(part[1])))


def _read_part(
    tasks: pd.DataFrame | Shards, *, keep: shards.Part, evidence: Evidence, whole: Material
) -> Read:
    """Read some of the tasks of a report."""
    some = shards.select(tasks, keep)
    return read(some, whole.span, whole.as_of, evidence)


def _different(tasks: pd.DataFrame, *, names: list[str]) -> pd.DataFrame:
    return columns_of(tasks, names).drop_duplicates()


def _with_value(tasks: pd.DataFrame, *, column: str, value: str) -> pd.DataFrame:
    kept: pd.DataFrame = tasks[(tasks[column].astype("str") == value).to_numpy()]
    return kept


def material_of(
    tasks: pd.DataFrame | Shards,
    week: str | tuple[str | date, str | date],
    evidence: Evidence,
    as_of: str | date | pd.Period | None,
    tz: str,
    source: Sequence[str],
    waivers: str | Path | None,
) -> Material:
    """Check the arguments of a report and compute its material."""
    now = None if as_of is None else instant(as_of, "as_of")
    seen = now if now is not None else last_observed(tasks)
    if seen is None:
        # without tasks, only the clock tells which week is the last one
        seen = pd.Timestamp.now("UTC").as_unit("ms")
    span = span_of(week, tz, seen)
    known_waivers = () if waivers is None else read_waivers(waivers)
    known = now if now is not None else min(seen, span.end.tz_convert("UTC"))
    tasks = known_then(tasks, known)
    found = read(tasks, span, known, evidence)
    material = gather(tasks, found, span, known, evidence, tuple(source), known_waivers)
    [material] = with_earlier(tasks, [material], [None])
    return material


def _apply_rules(material: Material) -> tuple[tuple[Finding, ...], tuple[Picture, ...]]:
    """Apply all rules, and return the findings and their pictures, the worst first."""
    applied = [(one, one.look(material)) for one in steps(rules.RULES, "findings")]
    results = [(one, found) for one, found in applied if found is not None]
    results.sort(key=lambda result: result[0].order(result[1]))
    drawn = {one.picture: found for one, found in reversed(results) if one.picture is not None}
    drawings = [draw(material, drawn[draw]) for draw in reversed(drawn)]
    return incidents(results, material.source), (pictures.states(material), *drawings)


def _tables(material: Material) -> dict[str, pd.DataFrame]:
    """Return the tables of every report, with the worst rows first."""
    coverage = material.ask_due(_coverage)
    durations = duration_summary(
        material.week, by=["account_id", "region", "log_group_name"], quantiles=(0.5, 0.9)
    ).reset_index()
    return {
        "coverage": coverage.sort_values("covered_at_most", kind="stable", ignore_index=True),
        "failures": material.reasons.reset_index(),
        "durations": durations.sort_values(
            "p50", ascending=False, kind="stable", ignore_index=True
        ),
    }


def _coverage(tasks: pd.DataFrame | Shards, **options: Any) -> pd.DataFrame:  # noqa: ANN401 - any option
    return coverage_summary(tasks, **options).reset_index()
