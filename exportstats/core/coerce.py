"""Convert a column of any dtype to text, times, lengths or numbers.

Each `to_` function takes a Series and returns `(values, bad)`: the values in their final dtype,
and a boolean array that marks the values that cannot be read, which are missing in `values`.
Values that were missing before are not bad. A column whose dtype makes no sense is a
`SchemaError`.
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
_RECENT_SECONDS = (10**9, 42 * 10**8)  # plausible times: 2001 to 2103

# NumPy accepts more ("today", "2026"); a value here needs a date, a time and an offset.
_ISO = re.compile(
    r"(?P<year>\d{4,9}|[+-]\d{3,9})-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    r"(?P<zone>Z| UTC|[+-]\d\d(?::?\d\d)?|)",  # " UTC" as Athena and BigQuery write it
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
_ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+", re.ASCII)


class TimesIn(NamedTuple):
    """How to read times: the unit of numbers, and the time zone of times without one."""

    unit: str = "ms"
    zone: dt.tzinfo | None = None

    @classmethod
    def read(cls, asked: str | None) -> TimesIn:
        """Parse the argument `times_in`."""
        if asked is None or asked in _NANOS:
            return cls(asked or "ms")
        try:
            return cls(zone=zoneinfo.ZoneInfo(asked))
        except (ValueError, TypeError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise ArgumentError(
                f"times_in={asked!r}; give s, ms, us or ns as the unit of numbers, or the time "
                "zone of times without one, such as UTC or Europe/Berlin"
            ) from None


MILLIS = TimesIn()


def to_column(
    values: pd.Series, column: Column, how: TimesIn = MILLIS, scale: int = 1
) -> tuple[pd.Series, np.ndarray]:
    """Convert a column of a table; lengths given as numbers are in units of `scale` ms."""
    if column.kind == "time":
        return to_times(values, how)
    if column.kind == "text":
        return to_text(values)
    return to_category(values) if column.kind in _TEXTS else _to_numbers(values, column, scale)


def to_text(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Convert text, categories of text or objects to pandas' `str`."""
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
            "read it as text, because a number loses its leading zeros"
        )
    bad = np.array([not isinstance(value, str) for value in values], dtype=bool) & ~missing
    # JSON may hold half a surrogate pair, which UTF-8 cannot encode: escape it
    clean = [
        None if skip else value.encode("utf-8", "backslashreplace").decode()
        for value, skip in zip(values, bad | missing, strict=True)
    ]
    return pd.Series(pd.array(clean, dtype="str"), index=values.index), bad


def to_category(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Convert a column to categories of text; `to_text` says what is accepted."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        names, _ = to_text(values.cat.categories.to_series(name=values.name))
        return values.cat.rename_categories(names.array), np.zeros(len(values), dtype=bool)
    text, bad = to_text(values)
    return text.astype("category"), bad


def to_times(values: pd.Series, how: TimesIn = MILLIS) -> tuple[pd.Series, np.ndarray]:
    """Convert aware times, numbers since 1970 or ISO 8601 text to `datetime64[ms, UTC]`."""
    kind = getattr(values.dtype, "kind", "O")
    missing = values.isna().to_numpy()
    if missing.all():
        return pd.Series(times(np.full(len(values), NAT)), index=values.index), ~missing
    if kind == "M" and not isinstance(values.dtype, pd.DatetimeTZDtype):
        if how.zone is None:
            raise SchemaError(
                f'the times in {values.name} have no time zone; times_in="UTC" (--times-in UTC) '
                f'reads them as UTC, and so does frame["{values.name}"].dt.tz_localize("UTC")'
            )
        earlier = np.ones(len(values), dtype=bool)  # of the two, where clocks were set back
        values = values.dt.tz_localize(how.zone, ambiguous=earlier, nonexistent="shift_forward")
    bad = np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.as_unit("ms").dt.tz_convert("UTC"), bad
    if kind in "iu" and how.unit == "ms":
        whole = np.clip(values.where(~missing, 0).to_numpy(), -_MOST, _MOST).astype("int64")
        return pd.Series(times(np.where(missing, NAT, whole)), index=values.index), bad
    if kind not in "iufO":
        raise SchemaError(f"the column {values.name} is {values.dtype}, not times")
    plain = values.astype(object).to_numpy()
    found = None if missing.any() else _from_iso(plain)
    if found is None:
        read = [
            NAT if skip else _one_time(value, how)
            for value, skip in zip(plain, missing, strict=True)
        ]
        bad = np.array([value is None for value in read])
        found = np.array([NAT if value is None else value for value in read], dtype="int64")
    return pd.Series(times(found), index=values.index), bad


def is_exact(values: pd.Series, column: Column) -> bool:
    """Return whether a column needs no conversion."""
    if column.kind not in _TEXTS:
        return str(values.dtype) == DTYPES[column.kind]
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return False
    names = values.dtype.categories
    return _is_text(names) and (column.kind != "status" or tuple(names[: len(STATES)]) == STATES)


def likely_unit(values: pd.Series, unit: str = "ms") -> tuple[str, int]:
    """Return the likely unit of numbers that were read as of `unit`, and how many fit it.

    Numbers of seconds from 2001 to 2103 are, as milliseconds, January and February 1970, when
    nobody exported logs.
    """
    numbers = millis(values)
    for other in (one for one in UNITS if one != unit):
        low, high = (edge * 1000 * _NANOS[unit] // _NANOS[other] for edge in _RECENT_SECONDS)
        if count := int(np.count_nonzero((numbers >= low) & (numbers < high))):
            return other, count
    return unit, 0


def why_no_time(value: object) -> str:
    """Return why a value is not a time, with the remedy."""
    text = value.strip() if isinstance(value, str) else ""
    if _ROUNDED.fullmatch(text):
        return "was rounded by a spreadsheet; export it from there as text"
    if (
        _ISO.fullmatch(text)
        or _DATE.fullmatch(text)
        or isinstance(value, (dt.datetime, np.datetime64))
    ):
        return 'has no time zone; times_in="UTC" (--times-in UTC) reads it'
    return "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"


def times(millis: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Return aware UTC times from milliseconds since 1970; the smallest int64 is NaT."""
    return pd.array(millis.view("datetime64[ms]"), dtype="datetime64[ms]").tz_localize("UTC")


def millis(times: pd.Series) -> np.ndarray:
    """Return milliseconds since 1970 from aware times; NaT is the smallest int64."""
    return times.to_numpy(dtype="datetime64[ms]").view("int64")


def iso_text(times: pd.Series) -> pd.Series:
    """Return aware times of any year as ISO 8601 text, in UTC with milliseconds."""
    text = np.char.add(np.datetime_as_string(times.to_numpy(dtype="datetime64[ms]")), "Z")
    return pd.Series(text, index=times.index, dtype="str").where(times.notna())


def date_text(times: pd.Series) -> pd.Series:
    """Return the dates of aware times of any year as text, in UTC."""
    return iso_text(times).str.replace("T.*", "", regex=True)


def for_machines(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its index as columns, lengths in seconds and times as ISO 8601 text."""
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
    """Convert numbers, or text with numbers, to lengths, counts or rates."""
    missing = values.isna().to_numpy()
    made: pd.Series
    if values.dtype.kind == "b":
        raise SchemaError(f"the column {values.name} is {values.dtype}, not numbers")
    if column.kind == "length" and values.dtype.kind == "m":
        made = values.astype("timedelta64[ms]")
        made = made.where(made.between(pd.Timedelta(0), pd.Timedelta(LAST, unit="ms")))
    elif column.kind == "length":
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


def _one_length(value: Any, scale: int) -> int | None:  # noqa: ANN401 - any value of a column
    """Return a length in milliseconds, or None if it is bad."""
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
    # AWS's own numbers, which are days, are never 0; lengths in milliseconds may be
    return whole if min(scale - 1, 1) <= whole <= LAST else None


def _from_iso(plain: np.ndarray) -> np.ndarray | None:
    """Read a column of ISO 8601 text as we write it; return None if a value is anything else."""
    if not all(
        isinstance(value, str) and value[-1:] == "Z" and value[4:5] == "-" and _ISO.fullmatch(value)
        for value in plain
    ):
        return None
    try:
        return np.array([value[:-1] for value in plain], dtype="datetime64[ms]").view("int64")
    except ValueError:  # such as 30 February
        return None


def _one_time(value: Any, how: TimesIn) -> int | None:  # noqa: ANN401 - any value of a column
    """Return a time in milliseconds, clipped to int64, or None if it is bad."""
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
        # fractions of a millisecond are refused, unless the number may be one of seconds
        low, high = _RECENT_SECONDS
        return int(value) if value == int(value) or low <= value < high else None
    nanos = value * _NANOS[unit]
    return int(min(max(round(nanos / 10**6) if unit == "s" else nanos // 10**6, -_MOST), _MOST))


def _parse(text: str, how: TimesIn) -> int | None:
    if how.zone and _DATE.fullmatch(text):
        text += " 00:00"
    match = _ISO.fullmatch(text)
    if match is None or not (match["zone"] or how.zone):
        return None
    if len(match["year"]) > 4:  # noqa: PLR2004 - outside the bounds of a table
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
