"""Read CloudTrail's records of API calls: the files of a trail, and the answers of LookupEvents.

Records of other services and of other calls are skipped. Source addresses and access keys are never
kept.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from exportstats.core.schema import API_CALLS, CALLS, squeeze
from exportstats.io.rows import TIME, Rows, arrow_schema, read_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCES = ("logs.amazonaws.com", None)  # RDS and EC2 have a CancelExportTask, too
_PAGE = re.compile(rb'\s*\{\s*"Records"\s*:')
_MARK = b'ExportTask"'  # in every record of ours
_NULL = msgspec.Raw(b"null")
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


class _Record(_Part):
    eventSource: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventID: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    # of any shape in records of other services
    userIdentity: msgspec.Raw = _NULL  # noqa: N815
    requestParameters: msgspec.Raw = _NULL  # noqa: N815
    responseElements: msgspec.Raw = _NULL  # noqa: N815


class _File(_Part):
    Records: list[_Record]


class _Other(_Part):
    Records: list[msgspec.Raw]


_record = msgspec.json.Decoder(_Record).decode
_parameters = msgspec.json.Decoder(_Parameters | None).decode
_file = msgspec.json.Decoder(_File).decode
_other = msgspec.json.Decoder(_Other).decode
_response = msgspec.json.Decoder(_Response | None).decode
_identity = msgspec.json.Decoder(_Identity | None).decode
_NOTHING, _NO_TASK = _Parameters(), _Response()
_WINDOW = ("from_time", "to_time")  # numbers; the other times are text


def read_trail(text: bytes) -> Rows | None:
    """Read the file of a trail; return None if it is another text, or not as CloudTrail writes it.

    In that case, `rows_of` reads it record by record and says what is wrong.
    """
    if not _PAGE.match(text[:64]):
        return None
    try:
        if _MARK not in text:  # as in most files; only check that it is whole
            _other(text)
            return Rows(arrow_schema(API_CALLS).empty_table())
        found = [
            (number, record)
            for number, record in enumerate(_file(text).Records)
            if record.eventName in CALLS and record.eventSource in _SOURCES
        ]
        rows = read_columns(_to_arrow([record for _, record in found]), API_CALLS)
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, pa.ArrowException):
        return None
    return rows.renumbered(np.array([number for number, _ in found], dtype="int64"), ())


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
    record = _record(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    if record.eventName not in CALLS or record.eventSource not in _SOURCES:
        return None
    return {name: value for name, [value] in _columns([record]).items()}


def _columns(records: Sequence[_Record]) -> dict[str, list[Any]]:
    """Return the values of records, by the column of the table."""
    asked = [_parameters(record.requestParameters) or _NOTHING for record in records]
    made = [_response(record.responseElements) or _NO_TASK for record in records]
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
    arrays = {
        name: pa.array(values, pa.int64() if name in _WINDOW else pa.string())
        for name, values in _columns(records).items()
    }
    times = {name: arrays[name].cast(TIME) for name in API_CALLS.times if name in arrays}
    return pa.table(arrays | times)
