"""What a rule of the report is: one kind of finding, with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from exportstats.report.commands import backfill_commands
from exportstats.report.data import SEVERITIES, Finding, Picture, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.report.material import Material


class Found(NamedTuple):
    """What a rule found: how bad it is, a sentence with its figures, and the rows behind it.

    A `remedy` of its own takes the place of the rule's. `export` has the ranges of log groups whose
    export would resolve it.
    """

    severity: Severity
    sentence: str
    rows: pd.DataFrame
    remedy: str | None = None
    export: pd.DataFrame | None = None


@dataclass(frozen=True)
class Rule:
    """One kind of finding.

    Attributes
    ----------
    kind, title
        What it is called, in files and for people.
    rank
        Where it stands among findings of one severity, the lowest first, as an on-call engineer
        wants to know.
    severities
        How bad it can be.
    remedy
        What to do about it.
    look
        Looks for it in the material of a report.
    picture
        Draws it, if it is worth a picture.
    """

    kind: str
    title: str
    rank: int
    severities: tuple[Severity, ...]
    remedy: str
    look: Callable[[Material], Found | None]
    picture: Callable[[Material, Finding], Picture] | None = None

    def find(self, material: Material) -> Finding | None:
        """Return the finding, if there is one."""
        found = self.look(material)
        if found is None:
            return None
        commands: tuple[str, ...] = ()
        if found.export is not None:
            commands = backfill_commands(found.export, material.source)
        return Finding(
            self.kind,
            self.title,
            found.severity,
            found.sentence,
            self.remedy if found.remedy is None else found.remedy,
            found.rows,
            commands,
        )

    def order(self, finding: Finding) -> tuple[int, int, str]:
        """Return where a finding of this rule stands among all."""
        return SEVERITIES.index(finding.severity), self.rank, self.kind


def rule(
    *,
    title: str,
    rank: int,
    severities: tuple[Severity, ...] = ("warning",),
    remedy: str,
    picture: Callable[[Material, Finding], Picture] | None = None,
) -> Callable[[Callable[[Material], Found | None]], Rule]:
    """Make a rule of the function that looks for it; the function's name is its kind."""

    def make(look: Callable[[Material], Found | None]) -> Rule:
        return Rule(look.__name__, title, rank, severities, remedy, look, picture)

    return make
