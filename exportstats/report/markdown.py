"""Render the report as Markdown and as plain text."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING

from exportstats.report import cells
from exportstats.report.data import MEASURES
from exportstats.text import escape_markdown

if TYPE_CHECKING:
    from exportstats.report.cells import View
    from exportstats.report.data import Finding, ReportData

_ROWS = 10
_WIDTH = 78  # columns of plain text
# Severities whose rows are shown. For the others, the sentence is enough.
_WITH_ROWS = ("critical", "warning")


def render_markdown(report: ReportData) -> str:
    """Render a report as GitHub-flavored Markdown, with findings and key figures.

    Parameters
    ----------
    report
        A report, as returned by `build_weekly_report`.

    Returns
    -------
    str
        Reproducible text. At most 10 rows of a table are shown, and the others are counted. Names
        from AWS are escaped.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.to_markdown().splitlines()[0]
    '# Export tasks, week 2026-W20'
    """
    lines = [
        f"# Export tasks, {report.name}",
        "",
        f"**{escape_markdown(report.headline)}**",
        "",
        escape_markdown(report.period),
        "",
    ]
    lines += _findings(report)
    for part in report.parts.values():
        lines += ["", f"## {escape_markdown(part.name)}", ""]
        lines += [f"**{escape_markdown(part.headline)}**", "", *_findings(part)]
    lines += ["", "## Key figures", "", *_table(cells.figures(report)), ""]
    lines += [escape_markdown(limit) for limit in report.limits]
    return "\n".join(lines) + "\n"


def _findings(report: ReportData) -> list[str]:
    lines = []
    for finding in report.findings:
        label = "" if finding.severity == "note" else f"**{finding.severity}:** "
        lines += [f"- {label}{_text(finding)}", *(f"  - {_text(part)}" for part in finding.news)]
        for heading, commands, more in cells.command_lists(finding):
            lines += ["", f"  {heading}"] if commands else []
            for command in commands:
                lines += ["", "  ```sh", f"  {command}", "  ```"]
            lines += ["", f"  {more}"] if more else []
        if finding.waivers:
            lines += [
                "",
                *textwrap.indent(f"```toml\n{cells.waivers(finding)}\n```", "  ").split("\n"),
                "",
            ]
        for one in (finding, *finding.news):
            if one.severity in _WITH_ROWS:
                shown = cells.view(one.rows, report, _ROWS)
                cut = ["", f"  {shown.cut:,} more rows are not shown."] if shown.cut else []
                lines += ["", f"  {one.title}:", "", *_table(shown, "  "), *cut]
        lines += [""] if finding.severity in _WITH_ROWS else []
    return lines


def _text(finding: Finding) -> str:
    return f"{escape_markdown(finding.sentence)} {escape_markdown(finding.remedy)}"


def _table(view: View, indent: str = "") -> list[str]:
    head = [escape_markdown(name) for name in view.head]
    rule = ["--:" if numeric else ":--" for numeric in view.numeric]
    rows = [[escape_markdown(cell) for cell in row] for row in view.rows]
    return [f"{indent}| {' | '.join(row)} |" for row in (head, rule, *rows)]


def render_text(report: ReportData) -> str:
    """Render a report as plain text, for the terminal and for emails."""
    lines = [f"Export tasks, {report.name}", *_filled(report.headline, "")]
    lines += [*_filled(report.period, ""), ""]
    for finding in report.findings:
        if finding.severity == "note":
            lines += _filled(f"{finding.sentence} {finding.remedy}", "* ")
        else:
            lines += _filled(f"{finding.severity.upper()}: {finding.sentence}", "* ")
            lines += _filled(finding.remedy, "  ")
        for one in finding.news:
            lines += _filled(f"{one.sentence} {one.remedy}", "  - ")
        for heading, commands, more in cells.command_lists(finding):
            lines += _filled(heading, "  ") if commands else []
            for command in commands:
                # continue long lines with a backslash, so that the command can be pasted
                words = [shlex.quote(word) for word in shlex.split(command)]
                lines += [f"{line} \\" for line in _broken(words)]
                lines[-1] = lines[-1].removesuffix(" \\")
            lines += _filled(more, "  ")
        lines += textwrap.indent(cells.waivers(finding), "    ").splitlines()
        lines += [""] if finding.severity != "note" or finding is report.findings[-1] else []
    for part in report.parts.values():
        lines += _filled(f"{part.name}: {part.headline}", "")
    lines += [""] if report.parts else []
    figures = cells.figures(report)
    shown = [row for row in figures.rows if row[0] not in _omitted(report)]
    widths = [max(map(len, column)) for column in zip(figures.head, *shown, strict=True)]
    for row in (figures.head, *shown):
        padded = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, figures.numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, "", *_filled(" ".join(report.limits), "")]) + "\n"


def _omitted(report: ReportData) -> set[str]:
    """Return the measures to omit in a quiet week, such as FAILED if no task failed."""
    if not report.is_quiet:
        return set()
    current = report.figures["current"].to_dict()
    usual = {"completed": current["tasks"], "failed": 0, "cancelled": 0}
    return {MEASURES[name][0] for name, value in usual.items() if current[name] == value}


def _broken(words: list[str]) -> list[str]:
    """Wrap the words of a command, with room for a backslash on each line."""
    lines = [f"    {words[0]}"]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= _WIDTH - 2:
            lines[-1] += f" {word}"
        else:
            lines.append(f"      {word}")
    return lines


def _filled(text: str, first: str) -> list[str]:
    """Wrap a text to `_WIDTH` columns without breaking names."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
