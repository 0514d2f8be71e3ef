"""The report in Markdown, for chat and pull requests, and as plain text."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING

from exportstats.report import cells
from exportstats.text import escape_markdown

if TYPE_CHECKING:
    from exportstats.report.cells import View
    from exportstats.report.data import Finding, ReportData

_ROWS = 10
_WIDTH = 78  # columns of plain text
# Whose rows say more than their sentence; of the others the sentence is enough.
_WITH_ROWS = ("critical", "warning")


def render_markdown(report: ReportData) -> str:
    """Write a report in GitHub's Markdown: the findings with their first rows, and the figures.

    Parameters
    ----------
    report
        What `build_weekly_report` gives.

    Returns
    -------
    str
        The same text every time; of a table at most 10 rows, and how many more there are. Names
        from AWS are text in it, whatever they look like.

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
        lines += [f"- {label}{_said(finding)}", *(f"  - {_said(part)}" for part in finding.news)]
        commands, more = cells.commands(finding)
        for command in commands:
            lines += ["", "  ```sh", f"  {command}", "  ```"]
        lines += ["", f"  {more}"] if more else []
        for one in (finding, *finding.news):
            if one.severity in _WITH_ROWS:
                shown = cells.view(one.rows, report, _ROWS)
                cut = ["", f"  {shown.cut:,} more rows are not shown."] if shown.cut else []
                lines += ["", f"  {one.title}:", "", *_table(shown, "  "), *cut]
        lines += [""] if finding.severity in _WITH_ROWS else []
    return lines


def _said(finding: Finding) -> str:
    return f"{escape_markdown(finding.sentence)} {escape_markdown(finding.remedy)}"


def _table(view: View, indent: str = "") -> list[str]:
    head = [escape_markdown(name) for name in view.head]
    rule = ["--:" if numeric else ":--" for numeric in view.numeric]
    rows = [[escape_markdown(cell) for cell in row] for row in view.rows]
    return [f"{indent}| {' | '.join(row)} |" for row in (head, rule, *rows)]


def render_text(report: ReportData) -> str:
    """Write a report as plain text, for the part of a mail that every program shows."""
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
        commands, more = cells.commands(finding)
        for command in commands:
            # continued, so that it can be pasted as it is
            words = [shlex.quote(word) for word in shlex.split(command)]
            lines += [f"{line} \\" for line in _broken(words)]
            lines[-1] = lines[-1].removesuffix(" \\")
        lines += _filled(more, "  ")
        lines += [""] if finding.severity != "note" or finding is report.findings[-1] else []
    for part in report.parts.values():
        lines += _filled(f"{part.name}: {part.headline}", "")
    lines += [""] if report.parts else []
    figures = cells.figures(report)
    shown = [row for row in figures.rows if row[0] not in _needless(report)]
    widths = [max(map(len, column)) for column in zip(figures.head, *shown, strict=True)]
    for row in (figures.head, *shown):
        padded = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, figures.numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, "", *_filled(" ".join(report.limits), "")]) + "\n"


def _needless(report: ReportData) -> set[str]:
    """Name the states of which a quiet week has nothing to tell: all are COMPLETED, none FAILED."""
    if not report.is_quiet:
        return set()
    current = report.figures["current"].to_dict()
    usual = {"completed": current["tasks"], "failed": 0, "cancelled": 0}
    return {cells.MEASURES[name] for name, value in usual.items() if current[name] == value}


def _broken(words: list[str]) -> list[str]:
    """Break the words of a command into lines that leave room for a backslash."""
    lines = [f"    {words[0]}"]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= _WIDTH - 2:
            lines[-1] += f" {word}"
        else:
            lines.append(f"      {word}")
    return lines


def _filled(text: str, first: str) -> list[str]:
    """Break a text into lines that fit a mail and a terminal; names are left whole."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
