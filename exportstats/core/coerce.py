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
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core.schema import LAST, STATES, Column
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

NAT = np.iinfo(np.int64).min
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
RECENT = (10**9, 42 * 10**8)  # the seconds of plausible times: 2001 to 2103
_MOST, _DIGITS = int(np.iinfo(np.int64).max), 19
_NUMBERS = (int, float, np.integer, np.floating)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# A date, a time and an offset; " UTC" is how Athena and BigQuery write it, " +0000" Ruby.
_ISO = re.compile(
    r"(?P<year>\d{4,9}|[+-]\d{3,9})-\d\d-\d\d[T ](?!24)\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    r"(?P<zone>Z| UTC| ?[+-]\d\d(?::?\d\d)?|)",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
ROUNDED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+", re.ASCII)


class TimesIn(NamedTuple):
    """How to read times: the unit of numbers, and the time zone of times without one."""

    unit: str = "ms"
    zone: dt.tzinfo | None = None

    @classmethod
    def read(cls, asked: str | None) -> TimesIn:
        """Parse the argument `times_in`."""
        if asked is None or asked in PER_SECOND:
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
    match column.kind:
        case "time":
            return to_times(values, how)
        case "text":
            return to_text(values)
        case "category" | "status":
            return to_category(values)
    return _to_numbers(values, column, scale)


def to_text(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Convert text, categories of text or objects to pandas' `str`."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        named, bad = to_category(values)
        return named.astype("str"), bad
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("str"), np.zeros(len(values), dtype=bool)
    if values.dtype != object and values.notna().any():
        raise SchemaError(
            f"the column {values.name} is {values.dtype}, not text; "
            "read it as text, because a number loses its leading zeros"
        )

    return _each(values, _one_text, "str")


def _one_text(value: object) -> str | None:
    # JSON may hold half a surrogate pair, which UTF-8 cannot encode: escape it
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else None


def to_category(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Convert a column to categories of text; it accepts what `to_text` accepts."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        text, bad = to_text(values)
        return text.astype("category"), bad
    names, bad = to_text(values.cat.categories.to_series(name=values.name))
    if bad.any():
        return to_category(values.astype(object))
    return values.cat.rename_categories(names.array), np.zeros(len(values), dtype=bool)


def with_text_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert all categories to text, also of empty columns, and reset the index."""
    columns: dict[str, pd.Series] = {}
    for name in map(str, frame.columns):
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            values, _ = to_category(frame[name])
            text = pd.Index(values.cat.categories, dtype="str")
            columns[name] = values.cat.rename_categories(text)
    return frame.assign(**columns).reset_index(drop=True)


def to_times(values: pd.Series, how: TimesIn = MILLIS) -> tuple[pd.Series, np.ndarray]:
    """Convert aware times, numbers since 1970 or ISO 8601 text to `datetime64[ms, UTC]`."""
    kind, missing = values.dtype.kind, values.isna().to_numpy()
    bad = np.zeros(len(values), dtype=bool)
    if missing.all():
        found = np.full(len(values), NAT)
    elif kind == "M":
        return _in_zone(values, how.zone).dt.as_unit("ms").dt.tz_convert("UTC"), bad
    elif kind not in "iufO":
        raise SchemaError(f"the column {values.name} is {values.dtype}, not times")
    elif kind in "iu" and how.unit == "ms":
        whole = np.clip(values.where(~missing, 0).to_numpy(), -_MOST, _MOST).astype("int64")
        found = np.where(missing, NAT, whole)
    else:
        numbers, bad = _each(values, partial(_one_time, how=how), "Int64")
        found = numbers.to_numpy("int64", na_value=NAT)
    return pd.Series(times(found), index=values.index), bad


def _in_zone(values: pd.Series, zone: dt.tzinfo | None) -> pd.Series:
    """Return times with a time zone; an ambiguous time is the earlier of the two."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values
    if zone is None:
        raise SchemaError(
            f"the times in {values.name} have no time zone; if they are in UTC, use "
            f'times_in="UTC" or frame["{values.name}"].dt.tz_localize("UTC")'
        )
    earlier = np.ones(len(values), dtype=bool)
    aware: pd.Series = values.dt.tz_localize(zone, earlier, "shift_forward")
    return aware


def _one_time(value: Any, how: TimesIn) -> int | None:  # noqa: ANN401 - any value of a column
    """Return a time in milliseconds, clipped to int64, or None if it is bad."""
    if isinstance(value, str):
        value = _from_text(value.strip(), how)
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo or not how.zone else value.replace(tzinfo=how.zone)
        return (aware - _EPOCH) // dt.timedelta(milliseconds=1) if aware.tzinfo else None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return None
    exact = value.item() if isinstance(value, np.generic) else value
    number = min(max(exact, -_MOST), _MOST)
    if how.unit == "s":
        return min(max(round(number * 1000), -_MOST), _MOST)
    low, high = RECENT
    # fractions of a millisecond are refused, unless the number may be one of seconds
    if how.unit == "ms" and number % 1 and not low <= number < high:
        return None
    return int(number) * 1000 // PER_SECOND[how.unit]


def _from_text(text: str, how: TimesIn) -> float | dt.datetime | None:
    """Parse a text as a number or a time; return None if it is neither."""
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text or len(text) > _DIGITS else int(text)
    match = _ISO.fullmatch(f"{text} 00:00" if how.zone and _DATE.fullmatch(text) else text)
    if match is None or not (match["zone"] or how.zone):
        return None
    year = int(match["year"])
    if not dt.MINYEAR - 1 <= year <= dt.MAXYEAR:  # outside the bounds of a table
        return year * float("inf")
    try:
        zone = match["zone"].strip().replace("UTC", "Z")
        return dt.datetime.fromisoformat(match[0].removesuffix(match["zone"]) + zone)
    except ValueError:  # such as 30 February
        return None


def _to_numbers(values: pd.Series, column: Column, scale: int) -> tuple[pd.Series, np.ndarray]:
    """Convert numbers, or text with numbers, to lengths, counts or rates."""
    if values.dtype.kind == "b":
        raise SchemaError(f"the column {values.name} is {values.dtype}, not numbers")
    if column.kind == "rate" and is_exact(values, column):
        return values, np.zeros(len(values), dtype=bool)
    read = partial(_one_number, column=column, scale=scale)
    if column.kind != "length":
        return _each(values, read, column.dtype)
    if values.dtype.kind == "m":
        made = values.astype("timedelta64[ms]")
        made = made.where(made.between(pd.Timedelta(0), pd.Timedelta(LAST, unit="ms")))
        return made, (made.isna() & values.notna()).to_numpy()
    numbers, bad = _each(values, read, "Int64")
    return pd.to_timedelta(numbers, unit="ms").astype("timedelta64[ms]"), bad


def _one_number(value: Any, column: Column, scale: int) -> float | None:  # noqa: ANN401 - as above
    """Return a length in milliseconds, a count or a rate, or None if it is bad."""
    is_length = column.kind == "length"
    in_words = isinstance(value, str) and not _NUMBER.fullmatch(value.strip())
    try:
        if is_length and (in_words or isinstance(value, (dt.timedelta, np.timedelta64))):
            value, scale = pd.Timedelta(value) // pd.Timedelta(1, unit="ms"), 1
        number = (int(value) if isinstance(value, (int, np.integer)) else float(value)) * scale
        number = round(number) if is_length else number
    except (ValueError, TypeError, OverflowError):
        return None
    # AWS's own numbers, which are days, are never 0; lengths in milliseconds may be
    low, high = min(scale - 1, 1), LAST if is_length else _MOST
    is_good = column.kind == "rate" or (low <= number <= high and number % 1 == 0)
    return number if is_good and not isinstance(value, bool) else None


def _each(
    values: pd.Series, read: Callable[[Any], Any], dtype: str
) -> tuple[pd.Series, np.ndarray]:
    """Read values one by one; `read` returns None for a value that cannot be read."""
    known = values.notna().to_numpy()
    found = [read(value) if there else None for value, there in zip(values, known, strict=True)]
    made = pd.Series(pd.array(found, dtype=dtype), index=values.index)  # type: ignore[call-overload]
    return made, made.isna().to_numpy() & known


def is_exact(values: pd.Series, column: Column) -> bool:
    """Return whether a column needs no conversion."""
    if column.kind not in ("category", "status"):
        return str(values.dtype) == column.dtype
    known = STATES if column.kind == "status" else ()
    return is_category(values) and tuple(values.cat.categories[: len(known)]) == known


def is_whole(number: object) -> bool:
    """Return whether a value is a whole number; NumPy has its own."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def is_category(values: pd.Series) -> bool:
    """Return whether a column is a category of text."""
    dtype = values.dtype
    return isinstance(dtype, pd.CategoricalDtype) and (
        dtype.categories.dtype == "str" or not len(dtype.categories)
    )


def fault_of(value: object, column: Column) -> str:
    """Return why a value cannot be read, with the remedy."""
    if column.kind != "time":
        return f"is not {'a number' if column.kind in ('length', 'count', 'rate') else 'text'}"
    text = value.strip() if isinstance(value, str) else ""
    if ROUNDED.fullmatch(text):
        return "was rounded by a spreadsheet; export it from there as text"
    naive = isinstance(value, (dt.datetime, np.datetime64))
    match = _ISO.fullmatch(text) or _DATE.fullmatch(text)
    if naive or (match and not match.groupdict().get("zone")):
        return 'has no time zone; if it is in UTC, use times_in="UTC"'
    return "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"


def times(millis: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Return aware UTC times from milliseconds since 1970; the smallest int64 is NaT."""
    return pd.array(millis.view("datetime64[ms]"), dtype="datetime64[ms]").tz_localize("UTC")


def millis(times: pd.Series) -> np.ndarray:
    """Return milliseconds since 1970 from aware times; NaT is the smallest int64."""
    return times.to_numpy(dtype="datetime64[ms]").view("int64")


def float_millis(values: pd.Series) -> np.ndarray:
    """Return the milliseconds of aware times or of lengths; NaN is missing."""
    found = millis(values)
    return np.where(found == NAT, np.nan, found)


def iso_text(times: pd.Series) -> pd.Series:
    """Return aware times of any year as ISO 8601 text, in UTC with milliseconds."""
    text = np.char.add(np.datetime_as_string(times.to_numpy(dtype="datetime64[ms]")), "Z")
    return pd.Series(text, index=times.index, dtype="str").where(times.notna())


def minute_text(times: pd.Series) -> pd.Series:
    """Return aware times as text to the minute, in UTC, and midnights as dates."""
    return iso_text(times).str[:16].str.replace("T", " ").str.removesuffix(" 00:00")
