"""Group findings with the same cause into incidents."""

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

# Report at most this many incidents with several findings, the worst first. If there are more,
# group the rest into one.
MOST_INCIDENTS = 5
_OTHERS = "others"


class _Part(NamedTuple):
    """The result of a rule for one incident, with the identifier of the finding."""

    rule: Rule
    found: Found
    incident: int | str
    about: pd.DataFrame | None
    id: str

    @property
    def order(self) -> tuple[int, int, str]:
        return self.rule.order(self.found)


def incidents(results: Sequence[tuple[Rule, Found]], source: Sequence[str]) -> tuple[Finding, ...]:
    """Return one finding for each incident, the worst first.

    The worst result of an incident is the finding. The others are its parts.
    """
    grouped: dict[int | str, list[_Part]] = {}
    for part in _split(sorted(results, key=lambda result: result[0].order(result[1]))):
        grouped.setdefault(part.incident, []).append(part)
    for parts in grouped.values():
        parts.sort(key=lambda part: part.order)
    ordered = sorted(grouped.values(), key=lambda parts: parts[0].order)
    return tuple(_incident(parts, source) for parts in ordered)


def tables_of(findings: Sequence[Finding]) -> dict[str, pd.DataFrame]:
    """Return a table of all rows for each kind of finding. The column `finding` has its id."""
    rows: dict[str, list[pd.DataFrame]] = {}
    for finding in (part for whole in findings for part in whole.every):
        rows.setdefault(finding.kind, []).append(finding.rows.assign(finding=finding.id))
    return {kind: frames.stack(some) for kind, some in rows.items()}


def _incident(results: Sequence[_Part], source: Sequence[str]) -> Finding:
    """Combine the results of one incident. The worst finding has all commands, each once."""
    ranges = [part.found.export for part in results if part.found.export is not None]
    first = tuple(dict.fromkeys(one for part in results for one in part.found.aws_commands))
    every = pd.concat(ranges, ignore_index=True) if ranges else None
    changed = any(part.found.changes_log_groups for part in results)
    exports = () if every is None else exports_of(every, source, log_groups_changed=changed)
    worst, *parts = [
        replace(
            part.rule.write(part.found),
            id=part.id,
            is_news=_is_news(part, results[:number]),
            aws_commands=(),
        )
        for number, part in enumerate(results)
    ]
    return replace(worst, exports=exports, aws_commands=first, parts=tuple(parts))


def _split(results: Sequence[tuple[Rule, Found]]) -> Iterator[_Part]:
    """Split each result by incident.

    Incidents that only one rule found stay together in one finding.
    """
    numbers = _numbers([found for _, found in results])
    kinds: dict[int, list[str]] = {}
    for (rule, _), number in zip(results, numbers, strict=True):
        for one in dict.fromkeys(number):
            kinds.setdefault(one, []).extend([] if rule.is_spare else [rule.kind])
    several = [one for one, some in kinds.items() if len(some) > 1]
    alone = several if len(several) <= MOST_INCIDENTS else several[: MOST_INCIDENTS - 1]
    names: dict[int, int | str] = dict.fromkeys(several, _OTHERS) | {one: one for one in alone}
    for (rule, found), number in zip(results, numbers, strict=True):
        where = [names.get(one) or (kinds[one] or [rule.kind])[0] for one in number]
        for incident in dict.fromkeys(where or [rule.kind]):
            at = np.array([one == incident for one in where])
            if found.about is None or found.some is None:
                yield _Part(rule, found, incident, None, rule.kind)
            else:
                about = found.about[at]
                some = found if at.all() else found.some(np.flatnonzero(at))
                name = _digest(about) if isinstance(incident, int) else incident
                own = rule.kind if name == rule.kind else f"{rule.kind}-{name}"
                yield _Part(rule, some, incident, about, own)


def _numbers(results: Sequence[Found]) -> list[list[int]]:
    """Return the incident number of each row of each result.

    A result that cannot be split belongs to the incident with more than half of its windows. If
    there is no such incident, it belongs to none.
    """
    abouts = [found.about for found in results if found.about is not None]
    if not abouts:
        return [[] for _ in results]
    ends = np.cumsum([len(about) for about in abouts])[:-1]
    of_abouts = iter(np.split(incidents_of(pd.concat(abouts, ignore_index=True)), ends))
    numbers = []
    for found in results:
        number = [] if found.about is None else next(of_abouts).tolist()
        if found.some is None:
            most = Counter(number).most_common(1)
            number = [one for one, many in most if 2 * many > len(number)]
        numbers.append(number)
    return numbers


def _digest(about: pd.DataFrame) -> str:
    """Return an identifier of the first window, which is the same in every report."""
    names = about[list(LOG_GROUP)].astype("str").fillna("")
    first = min(zip(about["start"], *(names[name] for name in LOG_GROUP), strict=True))
    return hashlib.blake2s(repr(first).encode(), digest_size=3).hexdigest()


def _is_news(part: _Part, worse: Sequence[_Part]) -> bool:
    """Return whether a result adds windows to the worse results of its incident."""
    if not part.rule.is_spare or part.about is None:
        return True
    reported = [one.about for one in worse if one.about is not None]
    if not reported:
        return True
    more = pd.concat([*reported, part.about], ignore_index=True)
    return length(more) > length(pd.concat(reported, ignore_index=True))
