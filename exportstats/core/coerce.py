"""One column of whatever kind, made text or times, with its impossible values marked.

Each function takes a Series and returns `(values, bad)`: the values in their final dtype, missing
where nothing can be read, and a boolean array that is true where something stood there all the
same. What is missing stays missing and is not bad.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pandas as pd

from exportstats.errors import SchemaError

NAT = np.iinfo(np.int64).min
_MAX = np.iinfo(np.int64).max
_DAY_MILLIS = 86_400_000

# numpy reads more than that ("today", "2026"); a time of ours has a date, a time and an offset.
_ISO = re.compile(
    r"(?P<date>(?:\d{4,9}|[+-]\d{3,9})-\d\d-\d\d)[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    r"(?:Z|[+-]\d\d(?::?\d\d)?)",
    re.ASCII,
)
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)


def to_text(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Make text (pandas' `str`) of text, categories of text, or objects that are text.

    Raises
    ------
    SchemaError
        The column is of numbers: an account's number loses its leading zeros that way.
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
        None if skip else _encodable(value)
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
        return values.cat.rename_categories(list(names)), np.zeros(len(values), dtype=bool)
    text, bad = to_text(values)
    return text.astype("category"), bad


def to_times(values: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Make `datetime64[ms, UTC]` of aware times, milliseconds since 1970, or ISO 8601 text.

    Raises
    ------
    SchemaError
        The times have no zone, or the column is of a kind that is no time.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return values.dt.as_unit("ms").dt.tz_convert("UTC"), np.zeros(len(values), dtype=bool)
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        raise SchemaError(
            f"the times in {values.name} have no time zone; "
            f'give them theirs, as in frame["{values.name}"].dt.tz_localize("UTC")'
        )
    missing = values.isna().to_numpy()
    if pd.api.types.is_bool_dtype(dtype):
        raise SchemaError(f"the column {values.name} is {dtype}, not times")
    if missing.all():
        millis, bad = np.full(len(values), NAT), np.zeros(len(values), dtype=bool)
    elif pd.api.types.is_integer_dtype(dtype):
        filled = values.where(~missing, 0) if missing.any() else values
        millis, bad = _from_whole(filled.to_numpy(), missing)
    elif pd.api.types.is_float_dtype(dtype):
        millis, bad = _from_floats(values.to_numpy(dtype="float64", na_value=np.nan))
    elif pd.api.types.is_object_dtype(dtype) or isinstance(
        dtype, (pd.StringDtype, pd.CategoricalDtype)
    ):
        millis, bad = _from_objects(values, missing)
    else:
        raise SchemaError(f"the column {values.name} is {dtype}, not times")
    return pd.Series(times(millis), index=values.index), bad


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
    """Give the dates of aware times, in UTC, as text, whatever the year."""
    return iso_text(times).str.replace("T.*", "", regex=True)


def for_machines(table: pd.DataFrame) -> pd.DataFrame:
    """Give the index as columns, lengths as `_seconds`, times as ISO 8601 text, all else as is."""
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


def _from_whole(numbers: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # the smallest int64 means NaT, so as a time it does not exist
    bad = (numbers > _MAX) if numbers.dtype.kind == "u" else (numbers == NAT)
    bad = bad & ~missing
    return np.where(missing | bad, NAT, numbers.astype("int64")), bad


def _from_floats(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    missing = np.isnan(numbers)
    readable = (np.abs(numbers) < 2.0**63) & (numbers == np.floor(numbers))
    whole = np.where(readable, numbers, 0).astype("int64")
    return np.where(readable, whole, NAT), ~readable & ~missing


def _from_objects(values: pd.Series, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    plain = values.astype(object).to_numpy()
    fast = _from_iso(plain) if not missing.any() else None
    if fast is not None:
        return fast, np.zeros(len(plain), dtype=bool)
    read = [NAT if skip else _one_time(value) for value, skip in zip(plain, missing, strict=True)]
    bad = np.array([value is None for value in read], dtype=bool)
    return np.array([NAT if value is None else value for value in read], dtype="int64"), bad


def _from_iso(plain: np.ndarray) -> np.ndarray | None:
    """Read a column that is ISO text in UTC throughout, as we write it; None if it is not."""
    if not all(isinstance(value, str) for value in plain):
        return None
    if not all(
        value[-1:] == "Z" and value[4:5] == "-" and _ISO.fullmatch(value) for value in plain
    ):
        return None
    try:
        return np.array([value[:-1] for value in plain], dtype="datetime64[ms]").view("int64")
    except ValueError:  # the thirtieth of February
        return None


def _one_time(value: Any) -> int | None:  # noqa: ANN401 - whatever stands in a column
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, np.integer)):
        return int(value) if NAT < value <= _MAX else None
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2.0**63 else None
    if isinstance(value, (dt.datetime, np.datetime64)):
        stamp = pd.Timestamp(value)
        return None if stamp.tzinfo is None else _floor_millis(stamp)
    if isinstance(value, str):
        return _parse(value.strip())
    return None


def _parse(text: str) -> int | None:
    if _WHOLE.fullmatch(text):
        return _one_time(int(text))
    match = _ISO.fullmatch(text)
    if not match:
        return None
    try:
        if not text.endswith("Z"):
            return _floor_millis(pd.Timestamp(text))
        millis = int(np.array(text[:-1], dtype="datetime64[ms]").view("int64"))
        day = int(np.datetime64(match["date"], "D").view("int64"))
        # a year that is too far wraps round to another one
        return millis if millis // _DAY_MILLIS == day and millis != NAT else None
    except (ValueError, OverflowError):
        return None


def _floor_millis(stamp: pd.Timestamp) -> int:
    return int(
        stamp.tz_convert("UTC").tz_localize(None).to_datetime64().astype("M8[ms]").view("i8")
    )


def _encodable(text: str) -> str:
    """Replace what UTF-8 cannot say: half a surrogate pair, as JSON may hold it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_text(categories: pd.Series) -> bool:
    return len(categories) == 0 or pd.api.types.is_string_dtype(categories)
