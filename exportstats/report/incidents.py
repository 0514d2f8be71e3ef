"""Findings of one cause are one incident: the worst of them, with the others as its parts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import frames
from exportstats.core.schema import LOG_GROUP
from exportstats.report.causes import incidents_of, length
from exportstats.report.commands import exports_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exportstats.report.data import Finding
    from exportstats.report.rule import Found, Rule

# So many incidents of several findings are told one by one, the worst first; if there are more,
# the rest are one.
MOST_INCIDENTS = 5
_OTHERS = "others"


class _Told(NamedTuple):
    """What a rule found of one incident, and the name of that finding."""

    rule: Rule
    found: Found
    incident: int | str
    about: pd.DataFrame | None
    id: str

    @property
    def order(self) -> tuple[int, int, str]:
        return self.rule.order(self.found)


def incidents(every: Sequence[tuple[Rule, Found]], source: Sequence[str]) -> tuple[Finding, ...]:
    """Return a finding for each incident, the worst first, whatever rules found something of it."""
    together: dict[int | str, list[_Told]] = {}
    for told in _told(sorted(every, key=lambda both: both[0].order(both[1]))):
        together.setdefault(told.incident, []).append(told)
    for parts in together.values():
        parts.sort(key=lambda told: told.order)
    ordered = sorted(together.values(), key=lambda parts: parts[0].order)
    return tuple(_incident(parts, source) for parts in ordered)


def tables_of(findings: Sequence[Finding]) -> dict[str, pd.DataFrame]:
    """Return all rows of each kind of finding, with the `finding` that each belongs to."""
    rows: dict[str, list[pd.DataFrame]] = {}
    for finding in (part for whole in findings for part in whole.every):
        rows.setdefault(finding.kind, []).append(finding.rows.assign(finding=finding.id))
    return {kind: frames.stack(some) for kind, some in rows.items()}


def _incident(every: Sequence[_Told], source: Sequence[str]) -> Finding:
    """Put the findings of one incident together; each command stands once, below the worst."""
    ranges = [told.found.export for told in every if told.found.export is not None]
    exports = exports_of(pd.concat(ranges, ignore_index=True), source) if ranges else ()
    worst, *parts = [
        replace(told.rule.write(told.found), id=told.id, is_news=_is_news(told, every[:number]))
        for number, told in enumerate(every)
    ]
    return replace(worst, exports=exports, parts=tuple(parts))


def _told(every: Sequence[tuple[Rule, Found]]) -> Iterator[_Told]:
    """Yield what was found, incident by incident, from the worst finding on.

    Incidents of which one rule alone found something are as good as one: its finding lists them.
    """
    numbers = _numbers([found for _, found in every])
    kinds: dict[int, list[str]] = {}
    for (rule, _), number in zip(every, numbers, strict=True):
        for one in dict.fromkeys(number):
            kinds.setdefault(one, []).extend([] if rule.is_spare else [rule.kind])
    several = [one for one, some in kinds.items() if len(some) > 1]
    alone = several if len(several) <= MOST_INCIDENTS else several[: MOST_INCIDENTS - 1]
    names: dict[int, int | str] = dict.fromkeys(several, _OTHERS) | {one: one for one in alone}
    for (rule, found), number in zip(every, numbers, strict=True):
        where = [names.get(one) or (kinds[one] or [rule.kind])[0] for one in number]
        for incident in dict.fromkeys(where or [rule.kind]):
            at = np.array([one == incident for one in where])
            if found.about is None or found.some is None:
                yield _Told(rule, found, incident, None, rule.kind)
            else:
                about = found.about[at]
                some = found if at.all() else found.some(np.flatnonzero(at))
                name = _digest(about) if isinstance(incident, int) else incident
                own = rule.kind if name == rule.kind else f"{rule.kind}-{name}"
                yield _Told(rule, some, incident, about, own)


def _numbers(every: Sequence[Found]) -> list[list[int]]:
    """Return the numbers of the incidents of the rows of each finding.

    One that cannot be told of some of its rows is of the incident that has more than half of its
    windows, or of none.
    """
    abouts = [found.about for found in every if found.about is not None]
    if not abouts:
        return [[] for _ in every]
    ends = np.cumsum([len(about) for about in abouts])[:-1]
    of_abouts = iter(np.split(incidents_of(pd.concat(abouts, ignore_index=True)), ends))
    numbers = []
    for found in every:
        number = [] if found.about is None else next(of_abouts).tolist()
        if found.some is None:
            most = Counter(number).most_common(1)
            number = [one for one, many in most if 2 * many > len(number)]
        numbers.append(number)
    return numbers


def _digest(about: pd.DataFrame) -> str:
    """Name windows by the first of them: the same in each report that tells of it."""
    names = about[list(LOG_GROUP)].astype("str").fillna("")
    first = min(zip(about["start"], *(names[name] for name in LOG_GROUP), strict=True))
    return hashlib.blake2s(repr(first).encode(), digest_size=3).hexdigest()


def _is_news(told: _Told, worse: Sequence[_Told]) -> bool:
    """Return whether what was found is not told by worse findings of the incident."""
    if not told.rule.is_spare or told.about is None:
        return True
    there = [one.about for one in worse if one.about is not None]
    if not there:
        return True
    more = pd.concat([*there, told.about], ignore_index=True)
    return length(more) > length(pd.concat(there, ignore_index=True))
