"""One column of any kind, made text, times, lengths or numbers, with its impossible values marked.

Each `to_` function takes a Series and returns `(values, bad)`: the values in their final dtype,
missing where nothing can be read, and a boolean array that is true where something stood there all
the same. What is missing stays missing and is not bad. A column of a kind that cannot be meant is
a `SchemaError`.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core.schema import DTYPES, LAST, STATES, Column
from exportstats.errors import ArgumentError, SchemaError

NAT = np.iinfo(np.int64).min
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_MOST = np.iinfo(np.int64).max
_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RECENT_SECONDS = (10**9, 42 * 10**8)  # times that people have, from 2001 to 2103

# NumPy reads more than that ("today", "2026"); a time of ours has a date, a time and an offset.
_ISO = re.compile(
    r"(?P<year>\d{4,9}|[+-]\d{3,9})-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?|)",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
_ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+", re.ASCII)


class TimesIn(NamedTuple):
    """How to read times: the unit of numbers, and the zone of what has none."""

    unit: str = "ms"
    zone: dt.tzinfo | None = None

    @classmethod
    def read(cls, asked: str | None) -> TimesIn:
        """Read the argument `times_in`, or raise an `ArgumentError`."""
        if asked is None or asked in _NANOS:
            return cls(asked or "ms")
        try:
            return cls(zone=zoneinfo.ZoneInfo(asked))
        except (ValueError, TypeError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise ArgumentError(
                f"times_in={asked!r}; give s, ms, us or ns as the unit of numbers, or the zone of "
                "times without one, such as UTC or Europe/Berlin"
            ) from None


MILLIS = TimesIn()


def to_column(
    values: pd.Series, column: Column, how: TimesIn = MILLIS, scale: int = 1
) -> tuple[pd.Series, np.ndarray]:
    """Make a column of a table; a length that is a number is one of `scale` milliseconds."""
    if column.kind == "time":
        return to_times(values, how)
    if column.kind == "text":
        return to_text(values)
    return to_category(values) if column.kind in _TEXTS else _to_numbers(values, column, scale)


def to_text(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Make text (pandas' `str`) of text, categories of text, or objects that are text."""
    good = np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.CategoricalDtype) and not _is_text(values.cat.categories):
        raise SchemaError(f"the column {values.name} has categories that are not text")
    if isinstance(values.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return values.astype("str"), good
    missing = values.isna().to_numpy()
    if missing.all():
        return pd.Series(pd.array([None] * len(values), dtype="str"), index=values.index), good
    if values.dtype != object:
        raise SchemaError(
            f"the column {values.name} is {values.dtype}, not text; "
            "read it as text, for a number loses its leading zeros"
        )
    bad = np.array([not isinstance(value, str) for value in values], dtype=bool) & ~missing
    # half a surrogate pair, as JSON may hold it, is written out, for UTF-8 cannot say it
    clean = [
        None if skip else value.encode("utf-8", "backslashreplace").decode()
        for value, skip in zip(values, bad | missing, strict=True)
    ]
    return pd.Series(pd.array(clean, dtype="str"), index=values.index), bad


def to_category(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Make categories that are text, as `to_text` makes text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        names, _ = to_text(values.cat.categories.to_series(name=values.name))
        return values.cat.rename_categories(names.array), np.zeros(len(values), dtype=bool)
    text, bad = to_text(values)
    return text.astype("category"), bad


def to_times(values: pd.Series, how: TimesIn = MILLIS) -> tuple[pd.Series, np.ndarray]:
    """Make `datetime64[ms, UTC]` of aware times, numbers since 1970, or ISO 8601 text."""
    kind = getattr(values.dtype, "kind", "O")
    if kind == "M" and not isinstance(values.dtype, pd.DatetimeTZDtype):
        if how.zone is None:
            raise SchemaError(
                f'the times in {values.name} have no time zone; times_in="UTC" reads them as UTC, '
                f'and so does frame["{values.name}"].dt.tz_localize("UTC")'
            )
        earlier = np.ones(len(values), dtype=bool)  # of two times that a clock showed twice
        values = values.dt.tz_localize(how.zone, ambiguous=earlier, nonexistent="shift_forward")
    bad = np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.as_unit("ms").dt.tz_convert("UTC"), bad
    missing = values.isna().to_numpy()
    if kind in "iu" and how.unit == "ms":
        least = 0 if kind == "u" else -_MOST
        whole = np.clip(values.where(~missing, 0).to_numpy(), least, _MOST).astype("int64")
        return pd.Series(times(np.where(missing, NAT, whole)), index=values.index), bad
    if kind not in "iufO" and not missing.all():
        raise SchemaError(f"the column {values.name} is {values.dtype}, not times")
    plain = values.astype(object).to_numpy()
    found = None if missing.any() else _from_iso(plain)
    if found is None:
        read = [
            NAT if skip else _one_time(value, how)
            for value, skip in zip(plain, missing, strict=True)
        ]
        bad = np.array([value is None for value in read], dtype=bool)
        found = np.array([NAT if value is None else value for value in read], dtype="int64")
    return pd.Series(times(found), index=values.index), bad


def is_exact(values: pd.Series, column: Column) -> bool:
    """Return whether a column has its dtype, and its categories are text in order."""
    if column.kind not in _TEXTS:
        return str(values.dtype) == DTYPES[column.kind]
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return False
    names = values.dtype.categories
    return _is_text(names) and (column.kind != "status" or tuple(names[: len(STATES)]) == STATES)


def likely_unit(values: pd.Series) -> tuple[str, int]:
    """Return the unit that numbers read as milliseconds seem to have, and how many seem so.

    From 1970-01-12 to 1970-02-18 nobody exported logs; but as seconds those numbers are the
    years 2001 to 2103.
    """
    numbers = millis(values)
    for unit, factor in (("s", 1), ("us", 10**6), ("ns", 10**9)):
        low, high = (edge * factor for edge in _RECENT_SECONDS)
        if count := int(np.count_nonzero((numbers >= low) & (numbers < high))):
            return unit, count
    return "ms", 0


def why_no_time(value: object) -> str:
    """Say why a value is not a time, and what to do."""
    text = value.strip() if isinstance(value, str) else ""
    if _ROUNDED.fullmatch(text):
        return "was rounded by a spreadsheet; export it from there as text"
    if _ISO.fullmatch(text) or isinstance(value, (dt.datetime, np.datetime64)):
        return 'has no time zone; times_in="UTC" (--times-in UTC) reads it'
    return "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"


def times(millis: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Aware UTC times of milliseconds since 1970, the smallest int64 being NaT."""
    return pd.array(millis.view("datetime64[ms]"), dtype="datetime64[ms]").tz_localize("UTC")


def millis(times: pd.Series) -> np.ndarray:
    """Milliseconds since 1970 of aware times, NaT as the smallest int64."""
    return times.to_numpy(dtype="datetime64[ms]").view("int64")


def iso_text(times: pd.Series) -> pd.Series:
    """ISO 8601 text of aware times, in UTC, to the millisecond, whatever the year."""
    text = np.char.add(np.datetime_as_string(times.to_numpy(dtype="datetime64[ms]")), "Z")
    return pd.Series(text, index=times.index, dtype="str").where(times.notna())


def date_text(times: pd.Series) -> pd.Series:
    """Return the dates of aware times, in UTC, as text, whatever the year."""
    return iso_text(times).str.replace("T.*", "", regex=True)


def for_machines(table: pd.DataFrame) -> pd.DataFrame:
    """Return the index as columns, lengths as `_seconds`, times as ISO 8601 text."""
    flat = table.reset_index() if table.index.names != [None] else table.reset_index(drop=True)
    columns: dict[str, pd.Series] = {}
    for name in flat.columns:
        values = flat[name]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            columns[name] = iso_text(values)
        elif values.dtype.kind == "m":
            columns[f"{name}_seconds"] = values.dt.total_seconds()
        else:
            columns[name] = values
    return pd.DataFrame(columns)


_TEXTS = ("category", "status")


def _to_numbers(values: pd.Series, column: Column, scale: int) -> tuple[pd.Series, np.ndarray]:
    """Make lengths of time, counts or rates of numbers, or of text that says one."""
    missing = values.isna().to_numpy()
    made: pd.Series
    if values.dtype.kind == "b":
        raise SchemaError(f"the column {values.name} is {values.dtype}, not numbers")
    if column.kind == "length" and values.dtype.kind == "m":
        made = values.astype("timedelta64[ms]")
        made = made.where(
            made.between(pd.Timedelta(0), pd.Timedelta(LAST, unit="ms").as_unit("ms"))
        )
        return made, made.isna().to_numpy() & ~missing
    if column.kind == "length":
        read = [
            None if skip else _one_length(value, scale)
            for value, skip in zip(values, missing, strict=True)
        ]
        made = pd.Series(pd.array(read, dtype="Int64"), index=values.index)
        made = pd.to_timedelta(made, unit="ms").astype("timedelta64[ms]")
    else:
        plain = values.map(lambda value: None if isinstance(value, bool) else value)
        made = pd.to_numeric(plain, errors="coerce")
        if column.kind == "count":
            made = made.where((made % 1 == 0) & made.between(0, _MOST)).astype("Int64")
        else:
            made = made.astype("float64")
    return made, made.isna().to_numpy() & ~missing


def _one_length(value: Any, scale: int) -> int | None:  # noqa: ANN401 - whatever stands in a column
    """Read one length as milliseconds; None if it is bad."""
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
            value = pd.Timedelta(value)
        if isinstance(value, (dt.timedelta, np.timedelta64)):
            return int(pd.Timedelta(value) // pd.Timedelta(1, unit="ms"))
        if isinstance(value, (bool, np.bool_)):
            return None
        whole = round(float(value) * scale)
    except (ValueError, TypeError, OverflowError):
        return None
    # AWS's own number, in days, is never 0; a length in milliseconds may be
    return whole if min(scale - 1, 1) <= whole <= LAST else None


def _from_iso(plain: np.ndarray) -> np.ndarray | None:
    """Read a column that is ISO text in UTC throughout, as we write it; None if it is not."""
    if not all(
        isinstance(value, str) and value[-1:] == "Z" and value[4:5] == "-" and _ISO.fullmatch(value)
        for value in plain
    ):
        return None
    try:
        return np.array([value[:-1] for value in plain], dtype="datetime64[ms]").view("int64")
    except ValueError:  # the thirtieth of February
        return None


def _one_time(value: Any, how: TimesIn) -> int | None:  # noqa: ANN401 - whatever stands in a column
    """Read one time as milliseconds, not further away than an int64 can say; None if it is bad."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return _parse(text, how)
        value = float(text) if "." in text or len(text) > 19 else int(text)  # noqa: PLR2004 - digits of an int64
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (int, np.integer)):
        return _from_number(int(value), how.unit)
    if isinstance(value, (float, np.floating)):
        return _from_number(float(value), how.unit)
    if isinstance(value, (dt.datetime, np.datetime64)):
        stamp = pd.Timestamp(value)
        if stamp.tzinfo is None and how.zone is not None:
            stamp = stamp.tz_localize(how.zone, ambiguous=True, nonexistent="shift_forward")
        return None if stamp.tzinfo is None else _millis_of(stamp)
    return None


def _from_number(value: float, unit: str) -> int | None:
    if value != value:  # noqa: PLR0124 - a NaN
        return None
    if abs(value) >= _MOST:
        return _MOST if value > 0 else -_MOST
    if unit == "ms":
        # a part of a millisecond is no time of ours, but a part of a second may be one of theirs
        low, high = _RECENT_SECONDS
        return int(value) if value == int(value) or low <= value < high else None
    nanos = value * _NANOS[unit]
    return int(min(max(round(nanos / 10**6) if unit == "s" else nanos // 10**6, -_MOST), _MOST))


def _parse(text: str, how: TimesIn) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None or not (match["zone"] or how.zone):
        return None
    if len(match["year"]) > 4:  # noqa: PLR2004 - outside of all that a table holds
        return -_MOST if text.startswith("-") else _MOST
    try:
        if match["zone"]:
            return _millis_of(pd.Timestamp(text))
        local = dt.datetime.fromisoformat(text).replace(tzinfo=how.zone)
        return (local - _EPOCH) // dt.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def _millis_of(stamp: pd.Timestamp) -> int:
    return int(stamp.asm8.astype("M8[ms]").view("i8"))


def _is_text(names: pd.Index) -> bool:
    return len(names) == 0 or pd.api.types.is_string_dtype(names.to_series())
