"""What a rule of the report is: one kind of finding, with all that belongs to it."""

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
    """What a rule found: how bad it is, a sentence with its figures, and the rows behind it.

    A `remedy` of its own takes the place of the rule's. `export` has the ranges of log groups whose
    export would resolve it. `about` has the windows that it is about, as `causes` gives them: what
    is found of the same windows or of the same cause stands together. `some` tells the same of some
    of the rows, by their positions; the rows of `about` are then those of `rows`.
    """

    severity: Severity
    sentence: str
    rows: pd.DataFrame
    remedy: str | None = None
    export: pd.DataFrame | None = None
    about: pd.DataFrame | None = None
    some: Callable[[np.ndarray], Found] | None = None


def by_incident(
    tell: Callable[[pd.DataFrame], Found], rows: pd.DataFrame, about: pd.DataFrame
) -> Found:
    """Return what is told of some rows, which may be told incident by incident as well."""
    return tell(rows)._replace(about=about, some=lambda which: tell(rows.iloc[which]))


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
    is_spare
        Whether it is told only if no worse finding tells of the same windows.
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
        """Return the finding, of all incidents, if there is one."""
        found = self.look(material)
        if found is None:
            return None
        exports = () if found.export is None else exports_of(found.export, material.source)
        return replace(self.write(found), exports=exports)

    def write(self, found: Found) -> Finding:
        """Write what was found as a finding."""
        remedy = self.remedy if found.remedy is None else found.remedy
        said = found.severity, found.sentence, remedy, found.rows
        return Finding(self.kind, self.kind, self.title, *said)

    def order(self, found: Found) -> tuple[int, int, str]:
        """Return where what this rule found stands among all."""
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
    """Make a rule of the function that looks for it; the function's name is its kind."""

    def make(look: Callable[[Material], Found | None]) -> Rule:
        return Rule(look.__name__, title, rank, severities, remedy, look, picture, is_spare)

    return make
