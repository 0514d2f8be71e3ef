"""Expected findings, and the figures, lengths, times and places in their sentences."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support import Row

LOG_GROUP = ("account_id", "region", "log_group_name")
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Expected(NamedTuple):
    """The expected finding.

    Attributes
    ----------
    severity
        The severity.
    figures
        All figures, names and times of the sentence, in order.
    rows
        The rows in order, with the columns that the oracle computes.
    """

    severity: str
    figures: list[str]
    rows: list[Row]


def lasting(millis: float) -> str:
    """Return a length in its largest unit and the one below. Seconds below a minute are exact.

    A length that rounds up to a larger unit is written in that unit.
    """
    seconds = millis / 1000
    if seconds < 1:
        return f"{millis:.3g} ms" if millis else "0 s"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    for (size, unit), (small, part) in pairwise(UNITS):
        # 59 min 59.6 s is an hour; 59.96 s, which would be 60.0 s, is a minute
        nearly = small / 2 if small > 1 else 0.05
        if seconds >= size - nearly:
            whole, rest = divmod(round(seconds / small), size // small)
            return f"{whole:,} {unit} {rest} {part}" if rest else f"{whole:,} {unit}"
    raise AssertionError(millis)


def share(part: float, whole: float) -> str:
    """Return a share in percent. A small share is not 0 %, and a large one is not 100 %."""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.1f}".removesuffix(".0") + " %"


def many(number: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def when(time: int, tz: str) -> str:
    """Return an instant in the report's time zone to the minute, with midnight as a date."""
    local = datetime.fromtimestamp(time // 1000, UTC).astimezone(ZoneInfo(tz))
    day = f"{local.year}-{local.month:02}-{local.day:02}"
    minute = f"{local.hour:02}:{local.minute:02}"
    return day if minute == "00:00" else f"{day} {minute}"


def key_of(row: Row) -> tuple:
    """Return the key of a log group."""
    return tuple(row[name] for name in LOG_GROUP)


def order(key: Iterable[str | None]) -> list[tuple[bool, str]]:
    """Return a sort key for text that may be missing. Missing text is last."""
    return [(part is None, part or "") for part in key]


def place(rows: list[Row]) -> list[str]:
    """Return the log group and slot of the first row, and the number of other log groups."""
    first = rows[0]
    parts = [first["log_group_name"] or "an unnamed log group"]
    if first["region"] is not None:
        parts.append(f"in {first['region']}")
    if first["account_id"] is not None:
        parts.append(f"({first['account_id']})")
    more = len({key_of(row) for row in rows}) - 1
    return [*parts, *([f"and {many(more, 'more log group')}"] if more else [])]


def groups(rows: list[Row]) -> list[str]:
    """Return the number of log groups, and of accounts and regions if there are several."""
    return [many(len({key_of(row) for row in rows}), "log group"), *slots(rows)]


def slots(rows: list[Row]) -> list[str]:
    """Return the number of accounts and regions, if there are several."""
    numbers = {name: len({row[name] for row in rows} - {None}) for name in ("account_id", "region")}
    accounts, regions = numbers.values()
    if accounts > 1 and regions > 1:
        return [f"in {accounts} accounts and {regions} regions"]
    parts = [f"in {accounts} accounts"] if accounts > 1 else []
    return [*parts, f"in {regions} regions"] if regions > 1 else parts
