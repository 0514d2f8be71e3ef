"""The two tables that stand beside the tasks: log groups, and what lies in S3.

Each is a plain DataFrame whose columns are said here once. What was made elsewhere is checked by
its columns and their dtypes, as a table of tasks is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from exportstats.core.schema import COLUMNS, KEY, LOG_GROUP, Column
from exportstats.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DELIVERED = ("yes", "empty", "gone", "unknown")

_OF_TASKS = {column.name: column for column in COLUMNS}

LOG_GROUPS = (
    _OF_TASKS["account_id"],
    _OF_TASKS["region"],
    Column("log_group_name", "logGroupName", "category", "Its name.", nullable=False),
    Column("creation_time", "creationTime", "time", "When it was created.", unit="UTC"),
    Column(
        "retention",
        "retentionInDays",
        "length",
        "How long it keeps events; missing: for ever.",
        unit="ms",
    ),
    Column("stored_bytes", "storedBytes", "count", "How much it stores.", unit="bytes"),
    Column("log_group_class", "logGroupClass", "category", "Its class, as in STANDARD."),
    Column("observed_at", None, "time", "When the service told us.", unit="UTC"),
)

DELIVERIES = (
    _OF_TASKS["account_id"],
    _OF_TASKS["region"],
    _OF_TASKS["task_id"],
    Column("destination", None, "category", "The S3 bucket that was looked into."),
    Column("prefix", None, "text", "What the keys begin with that were looked for."),
    Column("objects", None, "count", "How many objects with log events there are."),
    Column("bytes", None, "count", "How long they are together, packed as they are.", unit="bytes"),
    Column("first_key", None, "text", "The first of their keys, in S3's order."),
    Column("last_key", None, "text", "The last of their keys."),
    Column(
        "delivered",
        None,
        "category",
        "`yes`; `empty`: nothing but the service's write test; `gone`: nothing at all; "
        "`unknown`: it could not be looked at.",
        nullable=False,
    ),
    Column("reason", None, "text", "Why it is unknown."),
    _OF_TASKS["duration"],
    Column("throughput", None, "rate", "bytes / duration.", unit="bytes a second"),
    Column("observed_at", None, "time", "When S3 was asked.", unit="UTC"),
)


def make(rows: Iterable[Sequence[Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """Make a table of rows of values, each column of its dtype."""
    frame = pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)
    for column in columns:
        values = frame[column.name]
        # text first, so that a category of nothing is one of text too
        if column.kind == "category":
            values = values.astype("str")
        frame[column.name] = values.astype(column.dtype)  # type: ignore[call-overload]
    return frame


def time_of(millis: int | None) -> pd.Timestamp | None:
    """Make an aware time of milliseconds since 1970."""
    return None if millis is None else pd.Timestamp(millis, unit="ms", tz="UTC").as_unit("ms")


def validate_log_groups(frame: pd.DataFrame) -> None:
    """Check that a frame is a table of log groups, each there once.

    Raises
    ------
    SchemaError
        A column is missing or of another dtype, or a log group stands there twice.
    """
    _validate(frame, LOG_GROUPS, "log groups", "xs.fetch_log_groups or xs.read_log_groups")
    _refuse_repeated(frame, LOG_GROUP)


def validate_deliveries(frame: pd.DataFrame) -> None:
    """Check that a frame is a table of deliveries, each task there once.

    Raises
    ------
    SchemaError
        A column is missing or of another dtype, or a task stands there twice.
    """
    _validate(frame, DELIVERIES, "deliveries", "xs.fetch_deliveries")
    _refuse_repeated(frame, KEY)


def _validate(frame: pd.DataFrame, columns: Sequence[Column], what: str, maker: str) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise SchemaError(
            f"a table of {what} is a DataFrame, not {type(frame).__name__}; {maker} makes one"
        )
    for column in columns:
        if column.name not in frame.columns:
            raise SchemaError(
                f"a table of {what} needs the column {column.name}; {maker} makes one"
            )
        dtype = frame[column.name].dtype
        if str(dtype) != column.dtype:
            raise SchemaError(
                f"the column {column.name} of the {what} is {dtype}, not {column.dtype}; "
                f"{maker} makes it so"
            )


def _refuse_repeated(frame: pd.DataFrame, key: Sequence[str]) -> None:
    again = frame.duplicated(list(key))
    if again.any():
        first = ", ".join(map(str, frame[list(key)].to_numpy()[again.to_numpy().argmax()]))
        raise SchemaError(f"{first} stands there twice; keep one row of it")
