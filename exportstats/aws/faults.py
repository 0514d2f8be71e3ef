"""Explain why a request to AWS failed: the reason and the remedy."""

from __future__ import annotations

import json
import re
from http.client import responses
from typing import Any, NamedTuple

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from exportstats.aws.answers import BrokenAnswerError, EndlessListError, RepeatedTokenError
from exportstats.aws.client import MAX_ATTEMPTS, RATES, SERVICE_RATE
from exportstats.aws.permissions import PERMISSIONS
from exportstats.errors import ArgumentError
from exportstats.text import plain


class Fault(NamedTuple):
    """Why a request failed, and the remedy."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.reason}; {self.remedy}"


# the errors that a request may raise
ASKING = (ClientError, BotoCoreError, BrokenAnswerError, RepeatedTokenError, EndlessListError)

_SHOWN = 500  # characters of a text from outside
# If a signature is wrong, AWS's message contains the signed request with the session token. An
# error about an invalid header shows the header, and a URL may contain a password.
_SECRETS = (
    (re.compile(r"(?is)(\n\s*\n|the canonical string|x-amz-security-token).*"), ""),
    (re.compile(r"(?is)(invalid header value).*"), r"\1 (not shown here)"),
    (re.compile(r"//\S*@"), "//...@"),
)
_SIGN_IN = "sign in again (as with `aws sso login`) or renew the credentials"
CONTINUES = "the next token continues from there"
_GOES_ON = f"what arrived was kept, and {CONTINUES}"
_GO_ON = f"try again; {_GOES_ON}"
_UNFORESEEN = "this error is not expected: please report it; what arrived was kept"
_NOT_AWS = "this answer is not from AWS: check the endpoint URL and the proxy"
_NO_PERMISSION = "the account's administrator can allow it"
_BUSY = (
    "other programs use the account's {rate:g} requests per second: try again later, or with a "
    "lower rate limit; what arrived was kept"
)
_REACH = (
    "LookupEvents reaches 90 days back; give a later start, or read the files of a trail with "
    "xs.read_api_calls"
)
# What else to do, by the request that was denied.
_ALSO = {
    "AssumeRole": ", and add the caller to the role's trust policy",
    "ListAccounts": ", and use the management account or a delegated administrator",
}

_BY_CODE = {
    **dict.fromkeys(
        ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation"), _NO_PERMISSION
    ),
    **dict.fromkeys(
        ("ExpiredTokenException", "ExpiredToken", "RequestExpired", "InvalidIdentityToken"),
        _SIGN_IN,
    ),
    **dict.fromkeys(
        ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"),
        "check that the credentials are for this partition, and that the region is enabled for the "
        "account",
    ),
    **dict.fromkeys(
        ("InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken"),
        "check the secret key and this machine's clock",
    ),
    **dict.fromkeys(
        ("ThrottlingException", "Throttling", "TooManyRequestsException", "LimitExceededException"),
        _BUSY,
    ),
    "InvalidParameterException": "a token expires after 24 hours, and is valid only for the same "
    "request: start again without next_token",
    "InvalidNextTokenException": "ask again from the start",
    "InvalidTimeRangeException": _REACH,
}

_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError),
        "name a profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (boto.NoRegionError, "name a region, such as region='eu-west-1', or set AWS_DEFAULT_REGION"),
    (boto.ProfileNotFound, "list your profiles with `aws configure list-profiles`"),
    (
        (boto.SSOError, boto.TokenRetrievalError, boto.CredentialRetrievalError),
        _SIGN_IN,
    ),
    (
        (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError),
        "check the network, the region's name and the endpoint URL",
    ),
    (boto.SSLError, "check the proxy and its certificate (AWS_CA_BUNDLE)"),
    ((boto.HTTPClientError, BrokenAnswerError), _GO_ON),
    (RepeatedTokenError, "start again without next_token; this is a fault of the service"),
    (EndlessListError, f"this may be a fault of the service; {_GOES_ON}"),
    (boto.InvalidRegionError, "name a region such as 'eu-west-1'"),
    (json.JSONDecodeError, "check the output of the profile's credential_process"),
)


def explain(error: BaseException) -> Fault:
    """Return in one line why a request failed, and the remedy.

    Secrets are removed from the error and from its causes, because a traceback shows all of them.
    """
    if isinstance(error, KeyboardInterrupt):
        return Fault("stopped by the user", _GOES_ON)
    _clean(error, set())
    if isinstance(error, ClientError):
        return _explain_answer(error)
    reason = _in_a_line(str(error))
    if isinstance(error, ArgumentError):
        reason, _, remedy = reason.rpartition("; ")
        return Fault(reason, remedy)
    if isinstance(error, BrokenAnswerError):
        reason = f"the answer was incomplete in every attempt: {reason}"
    if "not shown here" in reason:
        return Fault(reason, "check whether a credential contains a line break")
    remedies = [remedy for kinds, remedy in _BY_TYPE if isinstance(error, kinds)]
    if not remedies and not isinstance(error, ASKING):
        return Fault(f"{type(error).__name__}: {reason}", _UNFORESEEN)
    return Fault(reason, remedies[0] if remedies else "see boto3's documentation of this error")


def is_denied(error: BaseException) -> bool:
    """Return whether a permission is missing."""
    return isinstance(error, ClientError) and (
        _BY_CODE.get(error.response.get("Error", {}).get("Code", "")) is _NO_PERMISSION
    )


def cause_of(error: BaseException | None) -> BaseException | None:
    """Return the error to show as the cause, or None if `explain` is enough.

    A notebook shows causes first, and those of a request without a network take 200 lines.
    """
    return error if error is not None and explain(error).remedy == _UNFORESEEN else None


_TOKEN_CODES = ("InvalidParameterException", "InvalidNextTokenException")


def is_token_unusable(error: BaseException) -> bool:
    """Return whether the same token cannot be used again."""
    return isinstance(error, RepeatedTokenError) or (
        isinstance(error, ClientError) and error.response["Error"].get("Code") in _TOKEN_CODES
    )


def _explain_answer(error: ClientError) -> Fault:
    texts, about = error.response["Error"], error.response["ResponseMetadata"]
    status, tried = about.get("HTTPStatusCode", 0), about.get("RetryAttempts", 0) + 1
    code = texts["Code"] or str(status)
    often = f" after {tried} of {MAX_ATTEMPTS} attempts" if tried > 1 else ""
    message = texts["Message"] or responses.get(status, "")
    reason = f"{code}{often}" + (f": {message}" if message else "")
    remedy = _BY_CODE.get(code)
    if remedy is _NO_PERMISSION:
        remedy = _allow(error.operation_name)
    if remedy is _BUSY:
        remedy = _BUSY.format(rate=RATES.get(error.operation_name, SERVICE_RATE))
    if remedy is None and status >= 500:  # noqa: PLR2004
        remedy = _GO_ON
    if remedy is None:
        remedy = _NOT_AWS if code.isdigit() else "see the service's list of common errors"
    return Fault(reason, remedy)


def _allow(request: str) -> str:
    """Return the remedy for a request that was denied."""
    if request not in PERMISSIONS:
        return _NO_PERMISSION
    permission = PERMISSIONS[request]
    return f"allow the action {permission.action} on {permission.on}{_ALSO.get(request, '')}"


def _clean(error: BaseException, seen: set[int]) -> None:
    """Remove secrets from an error and its causes."""
    if id(error) in seen:
        return
    seen.add(id(error))
    kwargs: Any = error.kwargs if isinstance(error, BotoCoreError) else {}
    if isinstance(error, ClientError):
        texts: Any = error.response.get("Error") or {}
        response: Any = {
            "Error": {key: _in_a_line(str(texts.get(key) or "")) for key in ("Code", "Message")},
            "ResponseMetadata": error.response.get("ResponseMetadata") or {},
        }
        error.response = response
    if isinstance(error, BotoCoreError):
        error.kwargs = {key: _hidden(value) for key, value in kwargs.items()}
    behind = (error.__cause__, error.__context__, *error.args, *kwargs.values())
    error.args = tuple(map(_hidden, error.args))
    for one in behind:
        if isinstance(one, BaseException):
            _clean(one, seen)


def _hidden(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = value[: 2 * _SHOWN]
    for pattern, instead in _SECRETS:
        value = pattern.sub(instead, value)
    return value


def _in_a_line(text: str) -> str:
    line = plain(" ".join(str(_hidden(text)).split())).rstrip(".")
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
