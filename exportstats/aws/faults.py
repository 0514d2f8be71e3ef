"""What went wrong between us and AWS: the reason, and what to do about it."""

from __future__ import annotations

import json
from typing import NamedTuple

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from exportstats.aws.client import MAX_ATTEMPTS, BrokenAnswerError
from exportstats.errors import ArgumentError


class Fault(NamedTuple):
    """Why a request failed, and the remedy."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        """Say both in one line."""
        return f"{self.reason}; {self.remedy}"


class RepeatedTokenError(Exception):
    """The service gave a token that had been used: the list would never end."""


ASKING = (ClientError, BotoCoreError, BrokenAnswerError)  # whatever one request can end in

_SHOWN = 500  # of a text that somebody else wrote
_SIGN_IN = "sign in again (as with `aws sso login`) or renew the credentials"
_GO_ON = "try again; what arrived was kept, and the next token goes on from there"
_UNFORESEEN = "nobody foresaw this: please report it; what arrived was kept"
_NO_PERMISSION = "the account's administrator can allow it"
# What to allow, by the request that was denied.
_ACTIONS = {
    "DescribeExportTasks": 'allow the action logs:DescribeExportTasks on the resource "*"',
    "DescribeLogGroups": 'allow the action logs:DescribeLogGroups on the resource "*"',
    "AssumeRole": "allow the action sts:AssumeRole on the role, and let the role's trust policy "
    "name who assumes it",
    "ListAccounts": "allow the action organizations:ListAccounts, and ask from the management "
    "account or a delegated administrator",
    "DescribeRegions": 'allow the action ec2:DescribeRegions on the resource "*"',
    "ListObjectsV2": "allow the action s3:ListBucket on the bucket",
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
        "check that the credentials are of this partition, and that the region is enabled "
        "for the account",
    ),
    **dict.fromkeys(
        ("InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken"),
        "check the secret key and this machine's clock",
    ),
    **dict.fromkeys(
        ("ThrottlingException", "Throttling", "TooManyRequestsException", "LimitExceededException"),
        "something else uses up the account's 5 requests a second: try again later, or with a "
        "lower pace; what arrived was kept",
    ),
    "InvalidParameterException": "a token expires after 24 hours and holds for the same question "
    "only: begin again without next_token",
}

_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError),
        "name a profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (boto.NoRegionError, "name a region, as in region='eu-west-1', or set AWS_DEFAULT_REGION"),
    (boto.ProfileNotFound, "`aws configure list-profiles` lists the profiles there are"),
    (
        (boto.SSOError, boto.TokenRetrievalError, boto.CredentialRetrievalError),
        _SIGN_IN,
    ),
    (
        (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError),
        "check the network, the region's name and the endpoint's URL",
    ),
    (boto.SSLError, "check the proxy and its certificate (AWS_CA_BUNDLE)"),
    ((boto.HTTPClientError, BrokenAnswerError), _GO_ON),
    (boto.InvalidRegionError, "name a region as in 'eu-west-1'"),
    (json.JSONDecodeError, "see what the profile's credential_process writes"),
    (ValueError, "give endpoint_url as in https://host:port"),
)


def explain(error: BaseException) -> Fault:
    """Say why a request failed, in one line, and what to do."""
    if isinstance(error, KeyboardInterrupt):
        return Fault(
            "stopped by the user", "what arrived was kept, and the next token goes on from there"
        )
    if isinstance(error, RepeatedTokenError):
        return Fault(str(error), "begin again without next_token; this is a fault of the service")
    if isinstance(error, ClientError):
        return _explain_answer(error)
    reason = _in_a_line(str(error))
    if isinstance(error, ArgumentError):
        reason, _, remedy = reason.rpartition("; ")
        return Fault(reason, remedy)
    if isinstance(error, BrokenAnswerError):
        reason = f"the answer was not whole, again and again: {reason}"
    remedies = [remedy for kinds, remedy in _BY_TYPE if isinstance(error, kinds)]
    if not remedies and not isinstance(error, ASKING):
        return Fault(f"{type(error).__name__}: {reason}", _UNFORESEEN)
    return Fault(reason, remedies[0] if remedies else "see boto3's own documentation of this error")


def token_is_dead(error: BaseException) -> bool:
    """Tell whether going on from the same token cannot work."""
    return (
        isinstance(error, ClientError)
        and error.response["Error"].get("Code") == "InvalidParameterException"
    )


def _explain_answer(error: ClientError) -> Fault:
    said = error.response.get("Error", {})
    code, message = said.get("Code", "Unknown"), _in_a_line(said.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    tried = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
    often = f" after {tried} of {MAX_ATTEMPTS} attempts" if tried > 1 else ""
    reason = f"{code}{often}" + (f": {message}" if message else "")
    remedy = _BY_CODE.get(code)
    if remedy is _NO_PERMISSION:
        remedy = _ACTIONS.get(error.operation_name, _NO_PERMISSION)
    if remedy is None:
        remedy = _GO_ON if status >= 500 else "see the service's list of common errors"  # noqa: PLR2004
    return Fault(reason, remedy)


def _in_a_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
