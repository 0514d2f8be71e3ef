"""The table of exports that a queue is simulated from."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_dtype

from exportstats.core import coerce
from exportstats.core.conversion import from_arrow
from exportstats.core.schema import SLOT, Column, squeeze
from exportstats.errors import SchemaError

WITHIN_JITTER = 0.8  # the share of creations
_REMEDY = "edit the result of xs.expected_exports"
COLUMNS = (
    Column("account_id", None, "category", "The account ID: twelve digits, as text."),
    Column("region", None, "category", "The region, such as `eu-west-1`."),
    Column("log_group_name", None, "category", "The log group; missing if it is not known."),
    Column("create_at", None, "time", "When it is first asked for.", nullable=False),
    Column("jitter", None, "length", "How far from this it was asked for in four of five cases."),
    Column("pause", None, "length", "How long after the end of another task it is created."),
    Column("retry", None, "length", "How long it waits between tries; missing: it need not try."),
    Column("from_time", None, "time", "The first instant of its window."),
    Column("to_time", None, "time", "The last instant of its window."),
    Column("duration", None, "length", "How long it runs; missing: drawn from the history."),
    Column("deadline", None, "time", "When it has to be done; missing: never."),
    Column("probability", None, "rate", "The probability that it is asked for."),
    Column("n", None, "count", "The number of days that this was learned from."),
)
_NAMES = [column.name for column in COLUMNS]
_OPTIONAL: dict[str, Any] = {
    "jitter": pd.Timedelta(0),
    "pause": pd.Timedelta(0),
    "probability": 1.0,
}


def sort(exports: pd.DataFrame) -> pd.DataFrame:
    """Return exports by slot and `create_at`, with their index; equal ones keep their order."""
    keys = exports[list(SLOT)].astype("str").assign(create_at=exports["create_at"])
    order = keys.reset_index(drop=True).sort_values([*SLOT, "create_at"], kind="stable").index
    return exports.iloc[order]


def conform(exports: object) -> pd.DataFrame:
    """Return the columns of a table of exports in their dtypes; optional ones may be missing.

    Raises
    ------
    SchemaError
        If it is not such a table, or a value cannot be read.
    """
    if not isinstance(exports, pd.DataFrame):
        raise SchemaError(
            f"a table of exports is a DataFrame, not {type(exports).__name__}; {_REMEDY}"
        )
    levels = [name for name in exports.index.names if name in _NAMES]
    if both := [name for name in levels if name in exports]:
        raise SchemaError(f"{both[0]} is a column and in the index; drop one of the two")
    exports = exports.reset_index(levels).reset_index(drop=True)
    _refuse_misspelt(exports)
    found = {}
    for column in COLUMNS:
        name = column.name
        if name not in exports and not column.nullable:
            raise SchemaError(f"the column {name} is missing; {_REMEDY}")
        if list(exports.columns).count(name) > 1:
            raise SchemaError(f"the column {name} is there twice; {_REMEDY}")
        missing = pd.Series(np.nan, exports.index, dtype="object", name=name)
        made = _convert(exports.get(name, missing), column)
        found[name] = made.fillna(_OPTIONAL[name]) if name in _OPTIONAL else made
    return pd.DataFrame(found)


def _convert(values: pd.Series, column: Column) -> pd.Series:
    """Convert a column.

    Raises
    ------
    SchemaError
        If a value cannot be read, or its unit or time zone is not known.
    """
    name = column.name
    if isinstance(values.dtype, pd.ArrowDtype):
        values = from_arrow(values.to_frame())[name]
    if column.kind == "time" and is_datetime64_dtype(values) and values.notna().any():
        raise SchemaError(f'the column {name} has no time zone; use .dt.tz_localize("UTC")')
    made, bad = coerce.to_column(values, column)
    if column.kind in ("time", "length") and values.dtype.kind not in "mM":
        bad = bad | values.map(_is_number).to_numpy(dtype=bool)
    if name == "retry":
        bad = bad | (made <= pd.Timedelta(0)).to_numpy()
    if name == "probability":
        bad = bad | ~made.fillna(1).between(0, 1).to_numpy()
    if not column.nullable:
        bad = bad | made.isna().to_numpy()
    if bad.any():
        row = int(bad.argmax())
        value = values.tolist()[row]
        raise SchemaError(f"row {row} of the exports has {name}={value!r}; {_EXAMPLE[column.kind]}")
    return made


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any value of a column
    """Return whether a value is a number, of which the unit is not known."""
    if isinstance(value, str):
        return re.fullmatch(r"[-+]?[\d.]+", value.strip()) is not None
    return isinstance(value, (int, float, np.number)) and not np.isnan(value)


def _refuse_misspelt(exports: pd.DataFrame) -> None:
    """Refuse a column whose name is probably meant to be one of this table.

    Raises
    ------
    SchemaError
        If there is one.
    """
    for name in exports.columns:
        word = "" if name in _NAMES else squeeze(str(name))
        for one in _NAMES:
            # an own column, such as `account`, may stand beside the one of this table
            beside = one in exports and (exports[one].notna() | exports[name].isna()).all()
            is_short = word == squeeze(one.rpartition("_")[0] or one) and not beside
            if is_short or word in (squeeze(one), f"{squeeze(one)}s"):
                raise SchemaError(f"the column {name} is not used; rename it to {one}")


_EXAMPLE = {
    "time": 'give an instant with its time zone, such as "2026-11-23T01:00Z"',
    "length": 'give a length of time with its unit, such as "5min"',
    "rate": "give a number from 0 to 1",
    "count": "give a whole number",
    "category": "give text",
}
