"""The columns of every table, each described once.

A table is a plain pandas DataFrame. Its `Table` is the single source of its shape: `conform`, the
readers, the writers, the checks and the documentation use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["text", "category", "status", "time", "length", "count", "rate"]

DTYPES: dict[Kind, str] = {
    "text": "str",
    "category": "category",
    "status": "category",
    "time": "datetime64[ms, UTC]",
    "length": "timedelta64[ms]",
    "count": "Int64",
    "rate": "float64",
}

STATES = ("PENDING", "RUNNING", "PENDING_CANCEL", "COMPLETED", "FAILED", "CANCELLED")
ACTIVE_STATES = STATES[:3]
TERMINAL_STATES = STATES[3:]

# The first and the last time in a table, in milliseconds since 1970; the last is the end of 2999.
FIRST, LAST = 0, 32_503_679_999_999


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `aws` is its dotted path in the service's answer; `aliases` are other keys with the same
    meaning. A `derived` column is computed from others, and never read or written. `scale` is the
    number of milliseconds in the unit that AWS uses for a length.
    """

    name: str
    aws: str | None
    kind: Kind
    meaning: str
    nullable: bool = True
    unit: str = ""
    derived: bool = False
    aliases: tuple[str, ...] = ()
    scale: int = 1

    @property
    def json(self) -> str:
        """The path of its key in JSON: AWS's own, or our name in AWS's style."""
        first, *others = self.name.split("_")
        return self.aws or first + "".join(word.title() for word in others)

    @property
    def dtype(self) -> str:
        """The pandas dtype, as text."""
        return DTYPES[self.kind]


@dataclass(frozen=True)
class Table:
    """A kind of table.

    Attributes
    ----------
    name, row
        What its rows are called, in plural and singular.
    columns
        Its columns, in order.
    key
        The columns that identify a row; the last one is never missing.
    fixed
        Columns that never change: two rows with the same key that differ here are two things.
    member
        The key of the list in the service's answer.
    makers
        The functions that make such a table, for messages.
    ignored
        Keys of the service's answer that have no column.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    member: str
    makers: str
    fixed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def base(self) -> tuple[Column, ...]:
        """The columns that are not derived."""
        return tuple(column for column in self.columns if not column.derived)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def id(self) -> str:
        """The column that every row needs."""
        return self.key[-1]

    @cached_property
    def meanings(self) -> dict[str, Column | None]:
        """Map squeezed keys to columns; a key that is known but not used maps to None."""
        found: dict[str, Column | None] = {squeeze(key): None for key in self.ignored}
        for name in (column.name for column in self.columns if column.derived):
            found |= {squeeze(name): None, squeeze(f"{name}_seconds"): None}  # as tables print it
        for column in self.base:
            for key in (column.name, column.json, *column.aliases):
                found[squeeze(key)] = column
        return found


def squeeze(key: str) -> str:
    """Return a key in lower case, without separators.

    Examples
    --------
    >>> squeeze("executionInfo.creationTime") == squeeze("ExecutionInfo_CreationTime")
    True
    """
    return _BETWEEN.sub("", key).lower().removesuffix("value")


_BETWEEN = re.compile(r"[._\- ]")


def state_of(text: str) -> str:
    """Return a state as AWS writes it; return an unknown state unchanged.

    Examples
    --------
    >>> state_of("PendingCancel"), state_of("complete"), state_of("archived")
    ('PENDING_CANCEL', 'COMPLETED', 'archived')
    """
    return _STATES.get(squeeze(text), text)


# The API reference's own example says COMPLETE.
_STATES = {squeeze(state): state for state in STATES} | {"complete": "COMPLETED"}

SLOT = ("account_id", "region")
KEY = (*SLOT, "task_id")
LOG_GROUP = (*SLOT, "log_group_name")  # the key of a log group
_INFO = "executionInfo"

_ACCOUNT = Column("account_id", None, "category", "The account ID: twelve digits, as text.")
_REGION = Column("region", None, "category", "The region, such as `eu-west-1`.")
_TASK_ID = Column("task_id", "taskId", "text", "The task's identifier.", nullable=False)
_UTC, _MS = "UTC", "ms"

TASKS = Table(
    "tasks",
    "task",
    key=KEY,
    member="exportTasks",
    makers="xs.fetch_tasks, xs.read_tasks or xs.conform",
    fixed=(
        *("task_name", "log_group_name", "from_time", "to_time"),
        *("destination", "destination_prefix", "creation_time"),
    ),
    columns=(
        _ACCOUNT,
        _REGION,
        _TASK_ID,
        Column("task_name", "taskName", "text", "The task's name."),
        Column("log_group_name", "logGroupName", "category", "The log group that it exports."),
        Column("from_time", "from", "time", "First instant of the window, inclusive.", unit=_UTC),
        Column("to_time", "to", "time", "Last instant of the window, inclusive.", unit=_UTC),
        Column("destination", "destination", "category", "The S3 bucket's name."),
        Column("destination_prefix", "destinationPrefix", "text", "The prefix of its keys in S3."),
        Column(
            "status_code",
            "status.code",
            "status",
            "Its state: " + ", ".join(STATES) + ".",
            aliases=("status",),
        ),
        Column(
            "status_message", "status.message", "category", "The service's message on the state."
        ),
        Column(
            "creation_time",
            f"{_INFO}.creationTime",
            "time",
            "When it was created; there is no start time.",
            unit=_UTC,
        ),
        Column(
            "completion_time",
            f"{_INFO}.completionTime",
            "time",
            "When it ended, in whatever state.",
            unit=_UTC,
        ),
        Column("observed_at", None, "time", "When the service reported this state.", unit=_UTC),
        Column(
            "duration",
            None,
            "length",
            "completion_time - creation_time: turnaround, queueing included. "
            "Missing where either is, or where it would be negative.",
            unit=_MS,
            derived=True,
        ),
        Column(
            "window",
            None,
            "length",
            "to_time - from_time + 1 ms: the length of the exported range. "
            "Missing where either is, or where the window is reversed.",
            unit=_MS,
            derived=True,
        ),
    ),
)

LOG_GROUPS = Table(
    "log groups",
    "log group",
    key=LOG_GROUP,
    member="logGroups",
    makers="xs.fetch_log_groups or xs.read_log_groups",
    ignored=(
        *("arn", "logGroupArn", "metricFilterCount", "kmsKeyId", "dataProtectionStatus"),
        *("inheritedProperties", "retentionPolicyName", "deletionProtectionEnabled"),
        "bearerTokenAuthenticationEnabled",
    ),
    columns=(
        _ACCOUNT,
        _REGION,
        Column("log_group_name", "logGroupName", "category", "Its name.", nullable=False),
        Column("creation_time", "creationTime", "time", "When it was created.", unit=_UTC),
        Column(
            "retention",
            "retentionInDays",
            "length",
            "How long events are kept; missing if they never expire.",
            unit=_MS,
            scale=86_400_000,
        ),
        Column("stored_bytes", "storedBytes", "count", "The size of its events.", unit="bytes"),
        Column("log_group_class", "logGroupClass", "category", "Its class, such as STANDARD."),
        Column("observed_at", None, "time", "When the service reported this.", unit=_UTC),
    ),
)

DELIVERIES = Table(
    "deliveries",
    "delivery",
    key=KEY,
    member="deliveries",
    makers="xs.fetch_deliveries or xs.read_deliveries",
    columns=(
        _ACCOUNT,
        _REGION,
        _TASK_ID,
        Column("destination", None, "category", "The S3 bucket that was searched."),
        Column("prefix", None, "text", "The prefix that was searched for."),
        Column("objects", None, "count", "Number of objects with log events."),
        Column("bytes", None, "count", "Their total compressed size.", unit="bytes"),
        Column("first_key", None, "text", "Their first key, in S3's order."),
        Column("last_key", None, "text", "Their last key."),
        Column(
            "delivered",
            None,
            "category",
            "`yes`; `empty`: nothing but the service's write test; `gone`: nothing at all; "
            "`unknown`: it could not be determined.",
        ),
        Column("reason", None, "text", "Why `delivered` is unknown."),
        Column("duration", None, "length", "The task's duration.", unit=_MS),
        Column("throughput", None, "rate", "bytes / duration.", unit="bytes a second"),
        Column("observed_at", None, "time", "When S3 was asked.", unit=_UTC),
    ),
)

NAMES = TASKS.names
