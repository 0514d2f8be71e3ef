"""Define the rules of the report. A rule finds one kind of finding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from exportstats.report.commands import exports_of
from exportstats.report.data import SEVERITIES, Finding, Picture, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from exportstats.report.material import Material


class Found(NamedTuple):
    """The result of a rule: a severity, a sentence with figures, and the rows behind it.

    Attributes
    ----------
    severity, sentence, rows
        See `Finding`.
    remedy
        A remedy that replaces the rule's.
    export
        The ranges of log groups to export to resolve the finding.
    waivers
        The text of waivers that resolve it if it is intended.
    aws_commands
        The commands of the AWS CLI to run before the export.
    changes_log_groups
        Whether these change log groups, so that the export has to ask for them again.
    about
        The affected windows, as returned by `causes`. Results with the same windows or the same
        cause are grouped into one incident.
    some
        A function that returns the same result for the rows at some positions. Each row of `rows`
        then has one row in `about`.
    """

    severity: Severity
    sentence: str
    rows: pd.DataFrame
    remedy: str | None = None
    export: pd.DataFrame | None = None
    waivers: tuple[str, ...] = ()
    aws_commands: tuple[str, ...] = ()
    changes_log_groups: bool = False
    about: pd.DataFrame | None = None
    some: Callable[[np.ndarray], Found] | None = None


def by_incident(
    describe: Callable[[pd.DataFrame], Found], rows: pd.DataFrame, about: pd.DataFrame
) -> Found:
    """Return the result for some rows, which can be split by incident."""
    return describe(rows)._replace(about=about, some=lambda which: describe(rows.iloc[which]))


@dataclass(frozen=True)
class Rule:
    """One kind of finding.

    Attributes
    ----------
    kind, title
        The name in files, and the title for people.
    rank
        The order among findings of the same severity. The lowest rank is reported first.
    severities
        The severities that a finding can have.
    remedy
        What to do about a finding.
    look
        The function that finds it in the material of a report.
    picture
        The function that draws it, or None.
    is_spare
        Whether to report a finding only if no worse finding covers the same windows.
    """

    kind: str
    title: str
    rank: int
    severities: tuple[Severity, ...]
    remedy: str
    look: Callable[[Material], Found | None]
    picture: Callable[[Material, Found], Picture] | None = None
    is_spare: bool = False

    def find(self, material: Material) -> Finding | None:
        """Return one finding for all incidents, or None."""
        found = self.look(material)
        if found is None:
            return None
        if found.export is None:
            return self.write(found)
        changed = found.changes_log_groups
        exports = exports_of(found.export, material.source, log_groups_changed=changed)
        return replace(self.write(found), exports=exports)

    def write(self, found: Found) -> Finding:
        """Convert a result to a finding."""
        remedy = self.remedy if found.remedy is None else found.remedy
        content = found.severity, found.sentence, remedy, found.rows
        return Finding(
            self.kind,
            self.kind,
            self.title,
            *content,
            waivers=found.waivers,
            aws_commands=found.aws_commands,
        )

    def order(self, found: Found) -> tuple[int, int, str]:
        """Return the sort key of a result of this rule."""
        return SEVERITIES.index(found.severity), self.rank, self.kind


def rule(
    *,
    title: str,
    rank: int,
    severities: tuple[Severity, ...] = ("warning",),
    remedy: str,
    picture: Callable[[Material, Found], Picture] | None = None,
    is_spare: bool = False,
) -> Callable[[Callable[[Material], Found | None]], Rule]:
    """Make a rule from a function. The name of the function is the kind of the finding."""

    def make(look: Callable[[Material], Found | None]) -> Rule:
        return Rule(look.__name__, title, rank, severities, remedy, look, picture, is_spare)

    return make
