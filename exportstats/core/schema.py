"""The columns of every table, each described once.

A table is a plain pandas DataFrame. Its `Table` is the single source of its shape for `conform`,
the readers, the writers, the checks and the documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
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
DAY = 86_400_000

SLOT = ("account_id", "region")
KEY = (*SLOT, "task_id")
LOG_GROUP = (*SLOT, "log_group_name")  # the key of a log group


def squeeze(key: str) -> str:
    """Return a key in lower case and without separators, so that all casings of it are equal."""
    return re.sub(r"[._\- ]", "", key).lower().removesuffix("value")


# The API reference's own example says COMPLETE.
_STATES = {squeeze(state): state for state in STATES} | {"complete": "COMPLETED"}


def state_of(text: str) -> str:
    """Return a state as AWS writes it, whatever its casing; return an unknown state unchanged."""
    return _STATES.get(squeeze(text), text)


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    aws: str | None  # its dotted path in the service's answer
    kind: Kind
    meaning: str
    unit: str = ""  # only for numbers; times are in UTC and lengths in milliseconds
    aliases: tuple[str, ...] = ()  # other keys with the same meaning
    scale: int = 1  # only for lengths: milliseconds in AWS's unit
    nullable: bool = True

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
    """A kind of table."""

    name: str  # what its rows are called
    row: str  # what one of them is called
    key: tuple[str, ...]  # the columns that identify a row
    member: str  # the key of the list in the service's answer
    makers: str  # the functions that make such a table
    base: tuple[Column, ...]  # the columns that are read and written
    command: str = ""  # the command of the AWS CLI that prints such a list
    pages: tuple[str, ...] = ()  # the keys of such lists in other answers and files
    derived: tuple[Column, ...] = ()  # the columns that are computed from others
    fixed: tuple[str, ...] = ()  # rows with the same key that differ here are different items
    ignored: tuple[str, ...] = ()  # keys of the service's answer that have no column

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in order."""
        return (*self.base, *self.derived)

    @property
    def identifier(self) -> str:
        """What its rows are called in code, as in `xs.read_log_groups`."""
        return self.name.lower().replace(" ", "_")

    @property
    def one(self) -> str:
        """One of its rows, with the article."""
        return f"{'an' if self.row[0] in 'AEIOUaeiou' else 'a'} {self.row}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(column.name for column in self.columns)

    @property
    def times(self) -> tuple[str, ...]:
        """The names of the columns of times."""
        return tuple(column.name for column in self.base if column.kind == "time")

    @property
    def id(self) -> str:
        """The column that is never missing."""
        return self.key[-1]

    @cached_property
    def nested(self) -> frozenset[str]:
        """The squeezed keys of the objects in AWS's answer, such as `status`."""
        paths = [column.json.split(".") for column in self.base]
        return frozenset(squeeze(path[0]) for path in paths if len(path) > 1)

    @cached_property
    def meanings(self) -> dict[str, Column | None]:
        """Map squeezed keys to columns; a key that is known but not used maps to None."""
        printed = (f"{column.name}{unit}" for column in self.derived for unit in ("", "_seconds"))
        found: dict[str, Column | None] = dict.fromkeys(map(squeeze, (*self.ignored, *printed)))
        for column in self.base:
            keys = (column.name, column.json, *column.aliases)
            found |= dict.fromkeys(map(squeeze, keys), column)
        return found


_ACCOUNT = Column("account_id", None, "category", "The account ID: twelve digits, as text.")
_REGION = Column("region", None, "category", "The region, such as `eu-west-1`.")
_TASK_ID = Column("task_id", "taskId", "text", "The task's identifier.", nullable=False)
_STATE = f"Its state: {', '.join(STATES)}."
_DURATION = (
    "completion_time - creation_time: turnaround, queueing included. "
    "Missing if either is missing, or if it would be negative."
)
_WINDOW = (
    "to_time - from_time + 1 ms: the length of the exported range. "
    "Missing if either is missing, or if the window is reversed."
)
_RETENTION = "How long events are kept; missing if they never expire."
_POLICY = "The policy of the account that sets the retention; missing if the log group does."
_CALLED = "The task that it created or cancelled; missing if it was refused."
_PREFIX = "Only streams whose name begins with this; missing if the call had none."
_PRINCIPAL = "Who called: the ARN of the role or user, or the name of the service."
_SESSION = "The name of the session of the role, such as a person's or a function's name."
_DELIVERED = (
    "`yes`; `partial`: some streams are missing; `empty`: only the service's write test; "
    "`gone`: nothing at all; `unknown`: it could not be determined."
)
_MISSING = "Number of streams without objects that {} an event in the window."
_NAMES = "The names of the first twenty of them, separated by `:`."

TASKS = Table(
    name="tasks",
    row="task",
    key=KEY,
    member="exportTasks",
    makers="xs.fetch_tasks, xs.read_tasks or xs.conform",
    command="aws logs describe-export-tasks",
    base=(
        _ACCOUNT,
        _REGION,
        _TASK_ID,
        Column("task_name", "taskName", "text", "The task's name."),
        Column("log_group_name", "logGroupName", "category", "The log group that it exports."),
        Column("from_time", "from", "time", "First instant of the window, inclusive."),
        Column("to_time", "to", "time", "Last instant of the window, inclusive."),
        Column("destination", "destination", "category", "The S3 bucket's name."),
        Column("destination_prefix", "destinationPrefix", "text", "The prefix of its S3 keys."),
        Column("status_code", "status.code", "status", _STATE, aliases=("status",)),
        Column("status_message", "status.message", "category", "The message about its state."),
        Column("creation_time", "executionInfo.creationTime", "time", "When it was created."),
        Column("completion_time", "executionInfo.completionTime", "time", "When it ended."),
        Column("observed_at", None, "time", "When the service reported this state."),
    ),
    derived=(
        Column("duration", None, "length", _DURATION),
        Column("window", None, "length", _WINDOW),
    ),
    fixed=(
        *("task_name", "log_group_name", "from_time", "to_time"),
        *("destination", "destination_prefix", "creation_time"),
    ),
)

LOG_GROUPS = Table(
    name="log groups",
    row="log group",
    key=LOG_GROUP,
    member="logGroups",
    makers="xs.fetch_log_groups or xs.read_log_groups",
    command="aws logs describe-log-groups",
    base=(
        _ACCOUNT,
        _REGION,
        Column("log_group_name", "logGroupName", "category", "Its name.", nullable=False),
        Column("creation_time", "creationTime", "time", "When it was created."),
        Column("retention", "retentionInDays", "length", _RETENTION, scale=DAY),
        Column("retention_policy_name", "retentionPolicyName", "category", _POLICY),
        Column("stored_bytes", "storedBytes", "count", "The size of its events.", "bytes"),
        Column("log_group_class", "logGroupClass", "category", "Its class, such as STANDARD."),
        Column("observed_at", None, "time", "When the service reported this."),
    ),
    ignored=(
        *("arn", "logGroupArn", "metricFilterCount", "kmsKeyId", "dataProtectionStatus"),
        *("inheritedProperties", "deletionProtectionEnabled"),
        "bearerTokenAuthenticationEnabled",
    ),
)

DELIVERIES = Table(
    name="deliveries",
    row="delivery",
    key=KEY,
    member="deliveries",
    makers="xs.fetch_deliveries or xs.read_deliveries",
    base=(
        _ACCOUNT,
        _REGION,
        _TASK_ID,
        Column("destination", None, "category", "The S3 bucket that was searched."),
        Column("prefix", None, "text", "The prefix that was searched for."),
        Column("objects", None, "count", "Number of objects with log events."),
        Column("bytes", None, "count", "Their total compressed size.", "bytes"),
        Column("first_key", None, "text", "Their first key, in S3's order."),
        Column("last_key", None, "text", "Their last key."),
        Column("streams", None, "count", "Number of log streams with objects."),
        Column("delivered", None, "category", _DELIVERED),
        Column("missing_streams", None, "count", _MISSING.format("had")),
        Column("missing_stream_names", None, "text", _NAMES),
        Column("possibly_missing_streams", None, "count", _MISSING.format("may have had")),
        Column("possibly_missing_stream_names", None, "text", _NAMES),
        Column(
            "reason", None, "text", "Why `delivered` is unknown, or streams were not looked at."
        ),
        Column("duration", None, "length", "The task's duration."),
        Column("throughput", None, "rate", "bytes / duration.", "bytes a second"),
        Column("observed_at", None, "time", "When S3 was asked."),
    ),
)

API_CALLS = Table(
    name="API calls",
    row="API call",
    key=(*SLOT, "event_id"),
    member="apiCalls",
    makers="xs.fetch_api_calls or xs.read_api_calls",
    command="aws cloudtrail lookup-events",
    pages=("Records", "Events"),
    base=(
        replace(_ACCOUNT, aws="recipientAccountId"),
        replace(_REGION, aws="awsRegion"),
        Column("event_time", "eventTime", "time", "When it was called, to the second."),
        Column("event_name", "eventName", "category", "CreateExportTask or CancelExportTask."),
        Column(
            *("task_id", "responseElements.taskId", "text", _CALLED),
            aliases=("requestParameters.taskId",),
        ),
        Column("task_name", "requestParameters.taskName", "text", "The task's name."),
        Column(
            "log_group_name",
            "requestParameters.logGroupName",
            "category",
            "The log group to export.",
        ),
        Column(
            "from_time", "requestParameters.from", "time", "First instant of the window, inclusive."
        ),
        Column("to_time", "requestParameters.to", "time", "Last instant of the window, inclusive."),
        Column("log_stream_name_prefix", "requestParameters.logStreamNamePrefix", "text", _PREFIX),
        Column("destination", "requestParameters.destination", "category", "The S3 bucket's name."),
        Column(
            "destination_prefix",
            "requestParameters.destinationPrefix",
            "text",
            "The prefix of its S3 keys.",
        ),
        Column("error_code", "errorCode", "category", "Why it was refused; else missing."),
        Column("error_message", "errorMessage", "category", "The message about it."),
        Column("principal", None, "category", _PRINCIPAL),
        Column("session_name", None, "category", _SESSION),
        Column("user_agent", "userAgent", "category", "The program that called."),
        Column("event_id", "eventID", "text", "The identifier of the event.", nullable=False),
        Column("observed_at", None, "time", "When CloudTrail was asked; missing in its files."),
    ),
)
INCOMING = Table(
    name="incoming",
    row="period",
    key=(*SLOT, "start", "period", "log_group_name"),
    member="incoming",
    makers="xs.fetch_incoming or xs.read_incoming",
    base=(
        _ACCOUNT,
        _REGION,
        Column("log_group_name", "logGroupName", "category", "The log group.", nullable=False),
        Column("start", None, "time", "Start of the period, inclusive.", nullable=False),
        Column("period", "periodInSeconds", "length", "Its length.", scale=1000, nullable=False),
        Column("incoming_bytes", None, "count", "Uncompressed size of what came in.", "bytes"),
        Column("incoming_events", None, "count", "Number of log events that came in."),
        Column("observed_at", None, "time", "When CloudWatch reported this."),
    ),
)

CALLS = ("CreateExportTask", "CancelExportTask")

TABLES = {table.identifier: table for table in (TASKS, LOG_GROUPS, DELIVERIES, API_CALLS, INCOMING)}
NAMES = TASKS.names
