"""One column of any kind, made text, times, lengths or numbers, with its impossible values marked.

Each `to_` function takes a Series and returns `(values, bad)`: the values in their final dtype,
missing where nothing can be read, and a boolean array that is true where something stood there all
the same. What is missing stays missing and is not bad.
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
_MOST = np.iinfo(np.int64).max
_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# Times that people have, from 2001 to 2103, as numbers of each unit.
_RECENT_SECONDS = (10**9, 42 * 10**8)

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
        """Read the argument `times_in`.

        Raises
        ------
        ArgumentError
            It is neither a unit nor a time zone.
        """
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
    """Make a column of a table.

    Raises
    ------
    SchemaError
        The values are of a kind that cannot be meant.
    """
    if column.kind == "time":
        return to_times(values, how)
    if column.kind == "text":
        return to_text(values)
    if column.kind in ("category", "status"):
        return to_category(values)
    return to_numbers(values, column, scale)


def to_text(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Make text (pandas' `str`) of text, categories of text, or objects that are text.

    Raises
    ------
    SchemaError
        The column is of numbers: an account ID loses its leading zeros that way.
    """
    good = np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.CategoricalDtype):
        if not _is_text(values.cat.categories.to_series()):
            raise SchemaError(f"the column {values.name} has categories that are not text")
        return values.astype("str"), good
    if isinstance(values.dtype, pd.StringDtype):
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
    clean = [
        None if skip else encodable(value)
        for value, skip in zip(values, bad | missing, strict=True)
    ]
    return pd.Series(pd.array(clean, dtype="str"), index=values.index), bad


def to_category(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Make categories that are text, as `to_text` makes text.

    Raises
    ------
    SchemaError
        As `to_text`.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        names, _ = to_text(values.cat.categories.to_series(name=values.name))
        return values.cat.rename_categories(pd.Index(names)), np.zeros(len(values), dtype=bool)
    text, bad = to_text(values)
    return text.astype("category"), bad


def to_times(values: pd.Series, how: TimesIn = MILLIS) -> tuple[pd.Series, np.ndarray]:
    """Make `datetime64[ms, UTC]` of aware times, numbers since 1970, or ISO 8601 text.

    Raises
    ------
    SchemaError
        The times have no zone, or the column is of a kind that is no time.
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        if how.zone is None:
            raise SchemaError(
                f'the times in {values.name} have no time zone; times_in="UTC" reads them as UTC, '
                f'and so does frame["{values.name}"].dt.tz_localize("UTC")'
            )
        earlier = np.ones(len(values), dtype=bool)  # of two times that a clock showed twice
        values = values.dt.tz_localize(how.zone, ambiguous=earlier, nonexistent="shift_forward")
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.as_unit("ms").dt.tz_convert("UTC"), np.zeros(len(values), dtype=bool)
    missing = values.isna().to_numpy()
    if pd.api.types.is_bool_dtype(dtype):
        raise SchemaError(f"the column {values.name} is {dtype}, not times")
    if missing.all():
        millis, bad = np.full(len(values), NAT), np.zeros(len(values), dtype=bool)
    elif pd.api.types.is_integer_dtype(dtype) and how.unit == "ms":
        millis = values.where(~missing, 0).to_numpy()
        millis = np.clip(millis, -_MOST if millis.dtype.kind == "i" else 0, _MOST).astype("int64")
        millis, bad = np.where(missing, NAT, millis), np.zeros(len(values), dtype=bool)
    elif pd.api.types.is_numeric_dtype(dtype) or _may_be_times(dtype):
        plain = values.astype(object).to_numpy()
        millis, bad = _from_objects(plain, missing, how)
    else:
        raise SchemaError(f"the column {values.name} is {dtype}, not times")
    return pd.Series(times(millis), index=values.index), bad


def to_numbers(values: pd.Series, column: Column, scale: int = 1) -> tuple[pd.Series, np.ndarray]:
    """Make lengths of time, counts or rates of numbers, or of text that says one.

    A length that is a number is one of `scale` milliseconds.

    Raises
    ------
    SchemaError
        The column is of a kind that is no number.
    """
    missing = values.isna().to_numpy()
    if column.kind == "length":
        if values.dtype.kind == "m":
            return values.astype("timedelta64[ms]"), np.zeros(len(values), dtype=bool)
        numbers = pd.to_numeric(_plain(values), errors="coerce") * scale
        text = pd.to_timedelta(_plain(values).where(numbers.isna()), errors="coerce")
        lengths = pd.to_timedelta(numbers.where(numbers.between(0, LAST)), unit="ms").fillna(text)
        return lengths.astype("timedelta64[ms]"), lengths.isna().to_numpy() & ~missing
    numbers = pd.to_numeric(_plain(values), errors="coerce")
    if column.kind == "count":
        numbers = numbers.where((numbers % 1 == 0) & numbers.between(0, _MOST))
        return numbers.astype("Int64"), numbers.isna().to_numpy() & ~missing
    return numbers.astype("float64"), numbers.isna().to_numpy() & ~missing


def is_exact(values: pd.Series, column: Column) -> bool:
    """Return whether a column has its dtype, text and categories of text being one."""
    if column.kind in ("category", "status"):
        if not isinstance(values.dtype, pd.CategoricalDtype):
            return False
        names = values.dtype.categories
        in_order = column.kind != "status" or tuple(names[: len(STATES)]) == STATES
        return in_order and _is_text(names.to_series())
    return str(values.dtype) == DTYPES[column.kind]


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
    if isinstance(value, str):
        if _ROUNDED.fullmatch(value.strip()):
            return "was rounded by a spreadsheet; export it from there as text"
        if _ISO.fullmatch(value.strip()):
            return 'has no time zone; times_in="UTC" (--times-in UTC) reads it'
    if isinstance(value, (dt.datetime, np.datetime64)):
        return 'has no time zone; times_in="UTC" reads it'
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


def encodable(text: str) -> str:
    """Write out what UTF-8 cannot say: half a surrogate pair, as JSON may hold it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _from_objects(
    plain: np.ndarray, missing: np.ndarray, how: TimesIn
) -> tuple[np.ndarray, np.ndarray]:
    fast = _from_iso(plain) if not missing.any() else None
    if fast is not None:
        return fast, np.zeros(len(plain), dtype=bool)
    read = [
        NAT if skip else _one_time(value, how) for value, skip in zip(plain, missing, strict=True)
    ]
    bad = np.array([value is None for value in read], dtype=bool)
    return np.array([NAT if value is None else value for value in read], dtype="int64"), bad


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
    if isinstance(value, (int, float, np.integer, np.floating)):
        whole = isinstance(value, (int, np.integer))
        return _from_number(int(value) if whole else float(value), how.unit)
    if isinstance(value, (dt.datetime, np.datetime64)):
        stamp = pd.Timestamp(value)
        if stamp.tzinfo is None:
            if how.zone is None:
                return None
            stamp = stamp.tz_localize(how.zone, ambiguous=True, nonexistent="shift_forward")
        return _millis_of(stamp)
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
    try:
        if not match["zone"]:
            local = dt.datetime.fromisoformat(text).replace(tzinfo=how.zone)
            return (local - _EPOCH) // dt.timedelta(milliseconds=1)
        if len(match["year"]) > 4:  # noqa: PLR2004 - outside of all that a table holds
            return -_MOST if text.startswith("-") else _MOST
        return _millis_of(pd.Timestamp(text))
    except (ValueError, OverflowError):
        return None


def _millis_of(stamp: pd.Timestamp) -> int:
    return int(stamp.asm8.astype("M8[ms]").view("i8"))


def _may_be_times(dtype: Any) -> bool:  # noqa: ANN401 - any dtype
    return pd.api.types.is_object_dtype(dtype) or isinstance(
        dtype, (pd.StringDtype, pd.CategoricalDtype)
    )


def _plain(values: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(values.dtype):
        raise SchemaError(f"the column {values.name} is {values.dtype}, not numbers")
    if values.dtype != object:
        return values
    return values.map(lambda value: None if isinstance(value, bool) else value)


def _is_text(categories: pd.Series) -> bool:
    return len(categories) == 0 or pd.api.types.is_string_dtype(categories)
