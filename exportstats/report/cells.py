"""Format the rows of tables as text, for the report as HTML, Markdown and email."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core.display import MISSING, writer_of
from exportstats.report.data import MEASURES
from exportstats.text import counted, percent, shorten, write_duration

if TYPE_CHECKING:
    from exportstats.report.data import Finding, ReportData

# The lines above the commands of a finding.
FIRST = "First run, with the credentials of the account:"
AWS = "Run, with the credentials of the account:"
RUN = "To print the AWS CLI commands, run:"
_AWS_COMMANDS = 4  # shown for a finding, as are the next; the JSON has all of them
_COMMANDS, _LONGEST_COMMAND = 3, 1_000
_WAIVERS = 3  # shown for a finding
_LONGEST = 120  # characters of a cell

# The titles of the tables of every report.
TITLES = {
    "coverage": "Coverage of the days that were due, by log group",
    "failures": "Why tasks failed",
    "durations": "Durations of COMPLETED tasks, by log group",
}


@dataclass(frozen=True)
class View:
    """Some rows of a table as text.

    Attributes
    ----------
    head, rows
        The column names and the cells.
    numeric
        Whether each column holds numbers.
    cut
        The number of rows that do not fit.
    zeros
        The number of rows that are left out because all their numbers are 0.
    """

    head: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    cut: int
    zeros: int = 0


def view(table: pd.DataFrame, report: ReportData, most: int, *, with_zeros: bool = True) -> View:
    """Return the first rows of a table as text, with the column `expires_at` first."""
    flat = table.reset_index() if table.index.names != [None] else table
    if "expires_at" in flat:
        when = flat["expires_at"]
        flat = flat.drop(columns="expires_at")
        if when.notna().any():
            flat.insert(0, "expires_at", when)
    total = len(flat)
    if not with_zeros:
        numbers = flat.select_dtypes("number")
        flat = flat[((numbers != 0) & numbers.notna()).any(axis="columns") | numbers.empty]
    shown = flat.head(most)
    columns = [_texts(shown[name], str(name), report.tz) for name in shown.columns]
    return View(
        head=[str(name).replace("_", " ") for name in shown.columns],
        rows=[list(row) for row in zip(*columns, strict=True)],
        numeric=[flat[name].dtype.kind in "mif" for name in shown.columns],
        cut=len(flat) - len(shown),
        zeros=total - len(flat),
    )


def command_lists(finding: Finding) -> list[tuple[str, list[str], str]]:
    """Return the commands of a finding that fit, each list below its heading.

    The text behind a list says how to get all of its commands.
    """
    lists = []
    if finding.aws_commands:
        shown = _fitting(finding.aws_commands)[:_AWS_COMMANDS]
        more = len(finding.aws_commands) - len(shown)
        rest = f"{counted(more, 'more command')} in the JSON of the report." if more else ""
        lists.append((FIRST if finding.commands else AWS, shown, rest))
    if total := len(finding.commands):
        shown = _fitting(finding.commands)[:_COMMANDS]
        again = f"exportstats backfill --from-report FILE --finding {finding.id}"
        rest = f"For all {total:,} at once, use the JSON of the report: {again}"
        lists.append((RUN, shown, "" if total == len(shown) == 1 else rest))
    return lists


def _fitting(commands: tuple[str, ...]) -> list[str]:
    return [one for one in commands if len(one) <= _LONGEST_COMMAND]


def waivers(finding: Finding) -> str:
    """Return the waivers of a finding that fit, as in a file of waivers."""
    shown = list(finding.waivers[:_WAIVERS])
    if more := len(finding.waivers) - len(shown):
        shown.append(f"# {more:,} more in the JSON of the report")
    return "\n\n".join(shown)


def figures(report: ReportData) -> View:
    """Return the key figures as text, each in its unit."""
    table = report.figures
    rows = []
    for measure, row in table.iterrows():
        values = [_in_unit(row[name], row["unit"]) for name in ("current", "previous", "before")]
        verdict = row["verdict"] if isinstance(row["verdict"], str) else ""
        rows.append([MEASURES[str(measure)][0], *values, verdict])
    head = ["", "this week", "last week", "4 weeks before", "change"]
    return View(head, rows, [False, True, True, True, False], 0)


def _in_unit(value: float, unit: str) -> str:
    if value != value:  # noqa: PLR0124 - a NaN
        return MISSING
    if unit == "share":
        return percent(value)
    return write_duration(value) if unit == "s" else f"{value:,.1f}".removesuffix(".0")


def _texts(values: pd.Series, name: str, tz: str) -> list[str]:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert(tz)
    write = writer_of(values.dtype, name)
    missing = values.isna()
    return [
        MISSING if is_missing else shorten(write(value), _LONGEST)
        for value, is_missing in zip(values, missing, strict=True)
    ]
