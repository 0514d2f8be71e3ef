"""Waive gaps that are intended, so that they are notes and not warnings."""

from __future__ import annotations

import datetime as dt
import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from exportstats.core import coerce
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_KEYS = ("log_group", "reason", "from", "to", "weekdays", "until")


@dataclass(frozen=True)
class Waiver:
    """A declaration that gaps of some log groups are intended.

    Attributes
    ----------
    log_group
        The name of a log group. `*` matches any text.
    reason
        Why the gaps are intended.
    start, end
        The first waived day, and the day after the last one. None means no limit.
    weekdays
        The waived days of the week (Monday is 0). All days if empty.
    until
        The last day on which the waiver is valid.
    """

    log_group: str
    reason: str
    start: dt.date | None = None
    end: dt.date | None = None
    weekdays: tuple[int, ...] = ()
    until: dt.date | None = None

    def has_expired(self, now: pd.Timestamp) -> bool:
        """Return whether the waiver has expired."""
        return self.until is not None and now.date() > self.until

    def covers(self, day: dt.date) -> bool:
        """Return whether the waiver covers a day."""
        begun = self.start is None or day >= self.start
        over = self.end is not None and day >= self.end
        return begun and not over and (not self.weekdays or day.weekday() in self.weekdays)

    def intervals(
        self, start: pd.Timestamp, end: pd.Timestamp
    ) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
        """Yield the waived parts of a time range, day by day in its time zone."""
        days = pd.date_range(start.date(), end.date() + dt.timedelta(days=1), freq="D")
        # clock changes can make a midnight ambiguous or nonexistent
        edges = days.tz_localize(start.tz, ambiguous=True, nonexistent="shift_forward")
        for day, begin, after in zip(days.date, edges[:-1], edges[1:], strict=False):
            if self.covers(day):
                low, high = max(begin, start), min(after, end)
                if low < high:
                    yield low, high


def read_waivers(path: str | Path) -> tuple[Waiver, ...]:
    """Read a file of waivers.

    Raises
    ------
    ArgumentError
        If the file is not TOML, or an entry has an unknown key or an invalid value.
    OSError
        If the file cannot be read.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is not TOML: {error}") from error
    entries = found.get("waiver")
    if set(found) != {"waiver"} or not isinstance(entries, list):
        raise ArgumentError(f"{path}: give each waiver as a table [[waiver]], and nothing else")
    return tuple(_waiver(entry, f"{path}, waiver {n}") for n, entry in enumerate(entries, start=1))


def _waiver(entry: dict[str, Any], place: str) -> Waiver:
    if unknown := sorted(set(entry) - set(_KEYS)):
        raise ArgumentError(f"{place}: {unknown[0]!r} is not known; give {', '.join(_KEYS)}")
    for key in ("log_group", "reason"):
        if not isinstance(entry.get(key), str):
            raise ArgumentError(f"{place}: {key} is missing or not text")
    for key in ("from", "to", "until"):
        value = entry.get(key)
        if value is not None and (not isinstance(value, dt.date) or isinstance(value, dt.datetime)):
            raise ArgumentError(
                f"{place}: {key} = {value!r} is not a date; give one like 2026-11-16"
            )
    if "from" in entry and "to" in entry and entry["from"] >= entry["to"]:
        raise ArgumentError(
            f"{place}: to = {entry['to']} is not after from = {entry['from']}; give the first day "
            "that is not waived"
        )
    weekdays = entry.get("weekdays", [])
    if not isinstance(weekdays, list) or not set(map(str, weekdays)) <= set(DAYS):
        raise ArgumentError(f'{place}: weekdays = {weekdays!r}; give days such as ["Sunday"]')
    return Waiver(
        entry["log_group"],
        entry["reason"],
        entry.get("from"),
        entry.get("to"),
        tuple(map(DAYS.index, weekdays)),
        entry.get("until"),
    )


def text_of(log_group: str, weekdays: Sequence[str], reason: str) -> str:
    """Return a waiver of some weekdays, as in a file of waivers."""
    days = ", ".join(f'"{weekday}"' for weekday in weekdays)
    return f'[[waiver]]\nlog_group = "{log_group}"\nreason = "{reason}"\nweekdays = [{days}]'


def waive(
    gaps: pd.DataFrame, waivers: tuple[Waiver, ...], now: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split gaps into unwaived and waived parts.

    Returns
    -------
    tuple
        Two tables with the columns `row` (the position of the gap), `start` and `end`
        (milliseconds). The second one also has `because`, the reason of the waiver.
    """
    left: list[tuple[int, pd.Timestamp, pd.Timestamp]] = []
    gone: list[tuple[int, pd.Timestamp, pd.Timestamp, str]] = []
    valid = [waiver for waiver in waivers if not waiver.has_expired(now)]
    names, starts, ends = (list(gaps[name]) for name in ("log_group_name", "start", "end"))
    for row, (name, start, end) in enumerate(zip(names, starts, ends, strict=True)):
        matching = [one for one in valid if fnmatch.fnmatchcase(name, one.log_group)]
        edges = (start.tz_convert(now.tz), end.tz_convert(now.tz))
        parts = sorted((*part, one.reason) for one in matching for part in one.intervals(*edges))
        at = edges[0]
        for low, high, because in parts:
            if low > at:
                left.append((row, at, low))
            if high > at:
                gone.append((row, max(low, at), high, because))
                at = high
        if at < edges[1]:
            left.append((row, at, edges[1]))
    columns = ["row", "start", "end"]
    tables = pd.DataFrame(left, columns=columns), pd.DataFrame(gone, columns=[*columns, "because"])
    for table in tables:
        for name in ("start", "end"):
            table[name] = coerce.millis(pd.to_datetime(table[name], utc=True))
    return tables
