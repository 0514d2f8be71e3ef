"""What a finding is: something that somebody should know of, or do something about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from exportstats.text import counted, plain, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

Severity = Literal["critical", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "note")

# In the order in which an on-call engineer wants to know, among those of one severity.
KINDS = (
    "expiring",
    "not_made_good",
    "more_failures",
    "new_reasons",
    "gaps",
    "slowdowns",
    "time_outs",
    "busy_slots",
    "premature",
    "empty_deliveries",
    "stopped",
    "lost",
    "bad_data",
    "short_gaps",
    "irregular",
)


@dataclass(frozen=True, eq=False)
class Finding:
    """One line of the report.

    Attributes
    ----------
    kind
        What it is about; one of `KINDS`, and the name of its table.
    severity
        `critical`: data are or will be lost for good unless someone acts before the next report.
        `warning`: something is wrong. `note`: it is good to know.
    sentence
        What was found, with its figures. Names in it are AWS's: escape it where it is shown.
    remedy
        What to do.
    rows
        The rows behind it, the most urgent first, all of them.
    """

    kind: str
    severity: Severity
    sentence: str
    remedy: str
    rows: pd.DataFrame


def ranked(findings: Iterable[Finding | None]) -> tuple[Finding, ...]:
    """Put the most severe first, leaving out what was not found."""
    there = [finding for finding in findings if finding is not None]
    there.sort(key=lambda one: (SEVERITIES.index(one.severity), KINDS.index(one.kind)))
    return tuple(there)


def name(value: object, width: int = 60) -> str:
    """Give a name from outside for a sentence: in one line, nothing in it is obeyed."""
    return shorten(plain(str(value)), width)


def place(rows: pd.DataFrame) -> str:
    """Name the log group of the first row, and say how many more there are."""
    first = name(rows["log_group_name"].iloc[0])
    more = len(rows[["account_id", "region", "log_group_name"]].drop_duplicates()) - 1
    region = rows["region"].iloc[0]
    where = f" in {name(region)}" if region == region else ""  # noqa: PLR0124 - a missing one
    return f"{first}{where}" + (f" and {counted(more, 'more log group')}" if more else "")
