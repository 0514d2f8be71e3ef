"""The protocol: read and check requests, and write answers."""

from __future__ import annotations

import gzip
import json
import math
import re
import uuid
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from exportstats.emulator.listings import LISTINGS, TASKS as _TASKS
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from botocore.model import ServiceModel

    from exportstats.emulator.listings import Listing

    AccountOf = Callable[[str], str | None]

DEFAULT_ACCOUNT = "123456789012"
TASKS = _TASKS.operation
IDENTITY = "GetCallerIdentity"
ASSUME_ROLE = "AssumeRole"
REGIONS = "DescribeRegions"
ACCOUNTS = "ListAccounts"
OBJECTS = "ListObjectsV2"
JSON = "application/x-amz-json-1.1"
XML = "text/xml"

_TARGETS = {
    "logs": "Logs_20140328",
    "cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
    "cloudwatch": "GraniteServiceVersion20100801",
}
_OPERATIONS = {f"{_TARGETS[one.service]}.{name}": name for name, one in LISTINGS.items()}
_OPERATIONS[f"AWSOrganizationsV20161128.{ACCOUNTS}"] = ACCOUNTS
_QUERIES = {IDENTITY, ASSUME_ROLE, REGIONS}  # with their parameters as in a form
_ACCOUNT = re.compile(r"[0-9]{12}")
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,]+)/\d{8}/([^/]+)/[^/]+/aws4_request")
_STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_USER = "arn:aws:iam::{account}:user/emulated"

# The error of a fault's kind: code, message, status.
REFUSALS = {
    "throttle": ("ThrottlingException", "Rate exceeded", 400),
    "unavailable": (
        "ServiceUnavailableException",
        "The service cannot complete the request.",
        500,
    ),
    "deny": (
        "AccessDeniedException",
        (
            f"User: {_USER} is not authorized to perform: {{service}}:{{operation}} on resource: "
            "arn:aws:{service}:{region}:{account}:{resource} because no identity-based policy "
            "allows the {service}:{operation} action"
        ),
        400,
    ),
    "expired": (
        "ExpiredTokenException",
        "The security token included in the request is expired",
        400,
    ),
    "unrecognized": (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        400,
    ),
    "expired_token": ("InvalidParameterException", "The specified nextToken is expired.", 400),
    "deny_identity": (
        "AccessDenied",
        (
            f"User: {_USER} is not authorized to perform: sts:GetCallerIdentity "
            "with an explicit deny in an identity-based policy"
        ),
        403,
    ),
}

# The codes of S3, where they differ.
_OF_S3 = {
    "ThrottlingException": ("SlowDown", 503),
    "ServiceUnavailableException": ("ServiceUnavailable", 503),
    "AccessDeniedException": ("AccessDenied", 403),
    "ExpiredTokenException": ("ExpiredToken", 400),
    "UnrecognizedClientException": ("InvalidAccessKeyId", 403),
}
_HTML = b"<!DOCTYPE html>\n<html><body><h1>Please sign in to the network</h1></body></html>\n"


class Request(NamedTuple):
    """A request and its outcome.

    Attributes
    ----------
    operation
        The name of a request that the emulator answers, such as `DescribeExportTasks`; empty for
        any other.
    account, region, access_key
        The caller; empty if the request was not signed.
    params
        The parameters, as in JSON or a form; None if they were not valid JSON.
    outcome
        `ok`, the code of the error that was sent, or the kind of fault that affected the answer.
    """

    operation: str
    account: str
    region: str
    access_key: str
    params: Any
    outcome: str = "ok"

    @classmethod
    def read(cls, headers: Message, body: bytes, account_of: AccountOf | None = None) -> Request:
        """Read a request from its headers and body."""
        params: Any = {}
        operation = _OPERATIONS.get(headers.get("X-Amz-Target", ""), "")
        if "X-Amz-Target" not in headers:
            form = dict(parse_qsl(body.decode("latin-1")))
            if form.get("Action") in _QUERIES:
                operation, params = form["Action"], form
        found = _SCOPE.match(headers.get("Authorization", ""))
        access_key, region = found.groups() if found else ("", "")
        account = access_key and ((account_of or itself)(access_key) or DEFAULT_ACCOUNT)
        if operation in LISTINGS:
            try:
                params = json.loads(body)
            except (ValueError, RecursionError):
                params = None
        return cls(operation, account, region, access_key, params)


def itself(access_key: str) -> str | None:
    """Return an access key of twelve digits as the account ID, as moto and localstack do."""
    return access_key if is_account(access_key) else None


def is_account(text: str) -> bool:
    """Return whether a text is an account ID."""
    return _ACCOUNT.fullmatch(text) is not None


class ServiceError(Exception):
    """An error that is sent as the answer."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    @classmethod
    def of_kind(cls, kind: str, request: Request) -> ServiceError:
        """Return the error of a fault's kind."""
        code, message, status = REFUSALS[kind]
        if request.operation == OBJECTS:
            request = request._replace(operation="ListBucket")  # what the permission is called
        listing = LISTINGS.get(request.operation, _TASKS)
        code = listing.bad_token if kind == "expired_token" else code
        resource = "log-group::log-stream:" if listing.service == "logs" else "*"
        service = "s3" if request.operation == "ListBucket" else listing.service
        more = {"service": service, "resource": resource}
        return cls(code, message.format_map(request._asdict() | more), status)


@cache
def _service(name: str) -> ServiceModel:
    # Not at the top, because `Fault` and `KINDS` do not need botocore.
    from botocore.loaders import Loader  # noqa: PLC0415
    from botocore.model import ServiceModel  # noqa: PLC0415

    return ServiceModel(Loader().load_service_model(name, "service-2"))


def _misfit(value: Any, shape: Any) -> str:  # noqa: ANN401 - any JSON, and a class made at run time
    from botocore.validate import ParamValidator  # noqa: PLC0415

    return str(ParamValidator().validate(value, shape).generate_report())


def check_item(listing: Listing, item: dict[str, Any]) -> None:
    """Check a task, a log group or an event against botocore's model of the answer.

    Like botocore, it accepts states that the model does not have.

    Raises
    ------
    ArgumentError
        The item does not match; the text names it and the fields.
    """
    shape: Any = _service(listing.service).operation_model(listing.operation).output_shape
    if misfit := _misfit(item, shape.members[listing.member].member):
        raise ArgumentError(
            f"the {listing.noun} {item.get(listing.name)!r} is not as the service sends one: "
            f"{misfit}"
        )


def check_params(operation: str, params: Any) -> None:  # noqa: ANN401 - any JSON
    """Check the parameters of a request against botocore's model.

    Raises
    ------
    ServiceError
        They do not match.
    """
    if not isinstance(params, dict):
        raise ServiceError("SerializationException", "The body of the request is not a JSON object")
    shape: Any = _service(LISTINGS[operation].service).operation_model(operation).input_shape
    if len(params.get("LookupAttributes", ())) > 1:
        raise ServiceError("InvalidLookupAttributesException", "Give one lookup attribute.")
    if params.get("StartTime", 0) > params.get("EndTime", math.inf):
        raise ServiceError("InvalidTimeRangeException", "The start time is after the end time.")
    if misfit := _misfit(params, shape) or _conflict(operation, params):
        raise ServiceError("InvalidParameterException", misfit)
    for name, value in params.items():
        if constraint := _beyond(value, shape.members[name].metadata):
            raise ServiceError(
                "InvalidParameterException",
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
                f"constraint: Member must {constraint}",
            )


def _conflict(operation: str, params: dict[str, Any]) -> str:
    """Return which parameters cannot be used, or not together; empty if all can."""
    for name in {"logGroupIdentifier", "logGroupIdentifiers"} & params.keys():
        return f"the emulator does not answer {name}"
    if operation == "DescribeLogStreams" and "logGroupName" not in params:
        return "Either a logGroupName or a logGroupIdentifier is needed."
    if params.get("orderBy") == "LastEventTime" and "logStreamNamePrefix" in params:
        return "Cannot order by LastEventTime with a logStreamNamePrefix."
    if {"logGroupNamePrefix", "logGroupNamePattern"} <= params.keys():
        return "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
    return ""


def _beyond(value: Any, limits: dict[str, Any]) -> str | None:  # noqa: ANN401 - as the model has it
    """Return the limit that is exceeded, of those that botocore does not check."""
    states, most = limits.get("enum"), limits.get("max")
    if states and value not in states:
        return f"satisfy enum value set: [{', '.join(states)}]"
    sized = isinstance(value, (str, list))
    if most is None or (len(value) if sized else value) <= most:
        return None
    kind = "length" if sized else "value"
    return f"have {kind} less than or equal to {most}"


def page(listing: Listing, items: list[bytes], next_token: str | None) -> bytes:
    """Write a page of a list."""
    token = b"" if next_token is None else f',"{listing.token}":"{next_token}"'.encode()
    return b'{"%b":[%b]%b}' % (listing.member.encode(), b",".join(items), token)


def spoiled_page(body: bytes, kind: str | None, content_type: str = JSON) -> bytes:
    """Write the answer with a page, changed by a fault."""
    half = len(body) // 2
    headers: tuple[str, ...] = ()
    match kind:
        case "drop" | "hang":
            return b""
        case "cut":
            return http(200, content_type, body)[:-half]
        case "short":
            body = body[:half]
        case "invalid_json":
            body = body[:-1] + b",}"
        case "html":
            content_type, body = "text/html", _HTML
        case "gzip":
            body, headers = gzip.compress(body), ("Content-Encoding: gzip",)
    return http(200, content_type, body, *headers)


def json_error(error: ServiceError) -> bytes:
    """Write an error in the format of CloudWatch Logs and CloudTrail."""
    body = json.dumps({"__type": error.code, "message": error.message}).encode()
    return http(error.status, JSON, body, f"x-amzn-ErrorType: {error.code}")


def xml_error(error: ServiceError) -> bytes:
    """Write an error in the format of STS."""
    body = (
        f'<ErrorResponse xmlns="{_STS_NAMESPACE}"><Error><Type>Sender</Type>'
        f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
    return http(error.status, XML, body.encode())


def s3_error(error: ServiceError) -> bytes:
    """Write an error in the format of S3."""
    code, status = _OF_S3.get(error.code, (error.code, error.status))
    body = f"<Error><Code>{code}</Code><Message>{escape(error.message)}</Message></Error>"
    return http(status, XML, body.encode())


def identity(account: str) -> bytes:
    """Write the answer to GetCallerIdentity."""
    return sts_answer(
        IDENTITY,
        f"<Arn>{_USER.format(account=account)}</Arn><UserId>AIDAEMULATED</UserId>"
        f"<Account>{account}</Account>",
    )


def sts_answer(operation: str, result: str) -> bytes:
    """Write an answer in the format of STS."""
    body = (
        f'<{operation}Response xmlns="{_STS_NAMESPACE}"><{operation}Result>{result}'
        f"</{operation}Result><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>"
        f"</ResponseMetadata></{operation}Response>"
    )
    return http(200, XML, body.encode())


def http(status: int, content_type: str, body: bytes, *headers: str) -> bytes:
    """Write a complete HTTP answer without its Date, to send it in one piece."""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"x-amzn-RequestId: {uuid.uuid4()}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*head, "", "")).encode("latin-1") + body


def dated(answer: bytes, at: float) -> bytes:
    """Add a Date to an HTTP answer, in seconds since 1970."""
    date = formatdate(at, usegmt=True).encode()
    return answer.replace(b"\r\n", b"\r\nDate: %b\r\n" % date, 1)
