"""Read CloudTrail's records of API calls: the files of a trail, and the answers of LookupEvents.

Records of other services and of other calls are skipped. Source addresses and access keys are never
kept.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from exportstats.core.schema import API_CALLS, CALLS, squeeze
from exportstats.io.rows import POOL, TIME, Rows, arrow_schema, read_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.io.source import Source

_SOURCES = ("logs.amazonaws.com", None)  # RDS and EC2 have a CancelExportTask, too
_PAGE = re.compile(rb'\s*\{\s*"Records"\s*:')
_MARK = b'ExportTask"'  # in every record of ours
# arn:aws:sts::123456789012:assumed-role/exporter/session
_SESSION = re.compile(r"(arn:[^:]*:sts::[^:]*:(?:assumed-role/[^/]+|federated-user))/(.+)")


class _Part(msgspec.Struct, gc=False):  # without gc, reading takes a third of the time
    """A part of a record; its keys are AWS's."""


class _Parameters(_Part):
    taskId: str | None = None  # noqa: N815
    taskName: str | None = None  # noqa: N815
    logGroupName: str | None = None  # noqa: N815
    start: int | float | str | None = msgspec.field(default=None, name="from")
    to: int | float | str | None = None
    logStreamNamePrefix: str | None = None  # noqa: N815
    destination: str | None = None
    destinationPrefix: str | None = None  # noqa: N815


class _Response(_Part):
    taskId: str | None = None  # noqa: N815


class _Issuer(_Part):
    arn: str | None = None


class _Session(_Part):
    sessionIssuer: _Issuer | None = None  # noqa: N815


class _Identity(_Part):
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    sessionContext: _Session | None = None  # noqa: N815


class _Other(_Part):
    """A record of any service."""

    eventSource: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventID: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    userIdentity: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815 - most are repeated


class _Record(_Other):
    """A record of ours; in those of other services, these may have any shape."""

    requestParameters: _Parameters | None = None  # noqa: N815
    responseElements: _Response | None = None  # noqa: N815


_R = TypeVar("_R")


class _File(_Part, Generic[_R]):
    Records: list[_R]


_record, _other = msgspec.json.Decoder(_Record).decode, msgspec.json.Decoder(_Other).decode
_records = msgspec.json.Decoder(_File[_Record]).decode
_others = msgspec.json.Decoder(_File[_Other]).decode
_texts = msgspec.json.Decoder(_File[msgspec.Raw]).decode
_identity = msgspec.json.Decoder(_Identity | None).decode
_NOTHING, _NO_TASK = _Parameters(), _Response()
_TYPES = {field.name: field.type for field in arrow_schema(API_CALLS)}
_TYPES |= {"event_time": pa.string(), "from_time": pa.int64(), "to_time": pa.int64()}


def read_trail(source: Source) -> Rows | None:
    """Read the file of a trail; return None if it is another text, or not as CloudTrail writes it.

    In that case, `rows_of` reads it record by record and says what is wrong.
    """
    if not _PAGE.match(source.head[:64]):
        return None
    text = source.read_whole()
    try:
        if _MARK not in text:  # as in most files; only check that it is whole
            _texts(text)
            return Rows(arrow_schema(API_CALLS).empty_table())
        numbers, records = _decode(text)
        rows = read_columns(_to_arrow(records), API_CALLS)
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, pa.ArrowException):
        return None
    return rows.renumbered(np.array(numbers, dtype="int64"), ())


def _decode(text: bytes) -> tuple[list[int], list[_Record]]:
    """Return the numbers of our records in the file of a trail, and the records."""
    try:
        records = _records(text).Records
        numbers = _ours(records)
        return numbers, [records[number] for number in numbers]
    except (msgspec.MsgspecError, UnicodeDecodeError):  # perhaps one of another service
        numbers, texts = _ours(_others(text).Records), _texts(text).Records
        return numbers, [_record(texts[number]) for number in numbers]


def _ours(records: Sequence[_Other]) -> list[int]:
    return [
        number
        for number, record in enumerate(records)
        if record.eventName in CALLS and record.eventSource in _SOURCES
    ]


def rows_of(values: Sequence[Any]) -> tuple[list[Any], dict[int, str | None]]:
    """Return records, and events of LookupEvents, as rows, and other values as they are.

    Also return the number of each record that is no row, and why; None if it is of another call.
    """
    rows: list[Any] = []
    left_out: dict[int, str | None] = {}
    for number, value in enumerate(values):
        row = None
        try:
            if (row := _row_of(value)) is None:
                left_out[number] = None
        except (ValueError, msgspec.MsgspecError, RecursionError) as error:
            left_out[number] = f"not a record as CloudTrail writes it: {error}"
        rows.append(row)
    return rows, left_out


def _row_of(value: Any) -> Any:  # noqa: ANN401 - any JSON
    keys = {squeeze(key): key for key in value} if isinstance(value, dict) else {}
    if "cloudtrailevent" in keys:
        value = value[keys["cloudtrailevent"]]
        if not isinstance(value, str):
            raise ValueError("its CloudTrailEvent is not text")
    elif isinstance(value, str) and value.lstrip().startswith("{"):
        pass  # as from --query "Events[].CloudTrailEvent"
    elif not keys.keys() & {"eventsource", "useridentity"}:
        return value
    value = json.loads(value) if isinstance(value, str) else value
    # half a surrogate pair, which JSON may hold and UTF-8 cannot, becomes a question mark
    text = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    if not _ours([_other(text)]):
        return None
    return {name: value for name, [value] in _columns([_record(text)]).items()}


def _columns(records: Sequence[_Record]) -> dict[str, list[Any]]:
    """Return the values of records, by the column of the table."""
    asked = [record.requestParameters or _NOTHING for record in records]
    made = [record.responseElements or _NO_TASK for record in records]
    callers = [_caller(bytes(record.userIdentity)) for record in records]
    return {
        "account_id": [
            record.recipientAccountId or caller[0]
            for record, caller in zip(records, callers, strict=True)
        ],
        "region": [record.awsRegion for record in records],
        "event_time": [record.eventTime for record in records],
        "event_name": [record.eventName for record in records],
        "task_id": [one.taskId or of.taskId for one, of in zip(made, asked, strict=True)],
        "task_name": [one.taskName for one in asked],
        "log_group_name": [one.logGroupName for one in asked],
        "from_time": [one.start for one in asked],
        "to_time": [one.to for one in asked],
        "log_stream_name_prefix": [one.logStreamNamePrefix for one in asked],
        "destination": [one.destination for one in asked],
        "destination_prefix": [one.destinationPrefix for one in asked],
        "error_code": [record.errorCode for record in records],
        "error_message": [record.errorMessage for record in records],
        "principal": [caller[1] for caller in callers],
        "session_name": [caller[2] for caller in callers],
        "user_agent": [record.userAgent for record in records],
        "event_id": [record.eventID for record in records],
    }


@lru_cache(maxsize=10_000)
def _caller(text: bytes) -> tuple[str | None, str | None, str | None]:
    """Return the account, the principal and the name of the session of a `userIdentity`."""
    who = _identity(text) or _Identity()
    session = _SESSION.fullmatch(who.arn or "")
    issuer = who.sessionContext and who.sessionContext.sessionIssuer
    role = (issuer and issuer.arn) or (session and session[1]) or who.arn
    # a service, a user without an ARN, or another account
    principal = role or who.invokedBy or who.userName or who.accountId
    return who.accountId, principal, session[2] if session else None


def _to_arrow(records: Sequence[_Record]) -> pa.Table:
    values = _columns(records)
    arrays = {name: pa.array(values[name], _TYPES[name], memory_pool=POOL) for name in values}
    times = {name: arrays[name].cast(TIME) for name in API_CALLS.times if name in arrays}
    return pa.table(arrays | times)
