"""Create boto3 clients for paged requests, with a rate limit and checks.

botocore handles credentials, signing, endpoints, retries and errors. The rest happens in its
events: the rate limit in `before-send`, so that it includes retries, and the checks in `answers`.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import threading
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from exportstats import __version__
from exportstats.aws import answers
from exportstats.aws.answers import BrokenAnswerError
from exportstats.errors import ArgumentError
from exportstats.io.json_text import Page
from exportstats.text import plain, without_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Requests per second for an account and region; not adjustable.
SERVICE_RATE = 5.0
RATES = {"LookupEvents": 2.0, "DescribeLogStreams": 25.0}  # others have SERVICE_RATE
MAX_ATTEMPTS = 10
# A page takes a fraction of a second; botocore's default, ten attempts of a minute, is too long.
READ_TIMEOUT_SECONDS = 20.0
_LATEST = 32_503_680_000_000  # milliseconds: the year 3000, as in a table of tasks


@dataclass(frozen=True)
class Operation:
    """A paged request.

    Attributes
    ----------
    name, method
        Its names in the service and in boto3.
    member
        The key of the list in its answer.
    what
        The plural of what it lists.
    read
        Parses answers, given the number of their first row.
    service
        boto3's name of the service.
    token
        The key of the token in requests and answers.
    """

    name: str
    method: str
    member: str
    what: str
    read: Callable[[Sequence[Page], int], Sequence[Any]]
    service: str = "logs"
    token: str = "nextToken"  # noqa: S105 - the name of one


class Answer(NamedTuple):
    """The answer to one request."""

    page: Page
    items: int
    next_token: str | None


class _Envelope(msgspec.Struct):
    exportTasks: list[msgspec.Raw] | None = None  # noqa: N815 - AWS's name
    logGroups: list[msgspec.Raw] | None = None  # noqa: N815 - AWS's name
    logStreams: list[msgspec.Raw] | None = None  # noqa: N815 - AWS's name
    Events: list[msgspec.Raw] | None = None
    MetricDataResults: list[msgspec.Raw] | None = None
    nextToken: str | None = None  # noqa: N815 - AWS's name
    NextToken: str | None = None


_decode = msgspec.json.Decoder(_Envelope).decode


class RateLimit:
    """Limit the rate of requests across all threads."""

    def __init__(self, requests_per_second: float) -> None:
        self._interval_seconds = 1 / requests_per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, **_: Any) -> None:  # noqa: ANN401 - botocore's event passes what it likes
        """Return when it is the caller's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._interval_seconds
        if turn > now:
            time.sleep(turn - now)


def make_session(session: Any, profile: str | None, region: str | None) -> boto3.Session:  # noqa: ANN401 - boto3's
    """Return the session, or one of the profile."""
    if session is None:
        return boto3.Session(profile_name=profile, region_name=region)
    if profile is not None:
        raise ArgumentError(
            f"session and profile={profile!r} were both given; "
            "a session has its profile already, so leave one out"
        )
    if not isinstance(session, boto3.Session):
        raise ArgumentError(
            f"session is a {type(session).__name__}; give a boto3.Session, or leave it out"
        )
    return session


def check_credentials(session: boto3.Session) -> None:
    """Refuse credentials with characters that cannot be sent; botocore's error would show them."""
    found = session.get_credentials()
    if found is None:
        return
    keys = found.get_frozen_credentials()
    for name, value in (
        ("access key", keys.access_key),
        ("secret key", keys.secret_key),
        ("session token", keys.token),
    ):
        if value and not (value.isascii() and value.isprintable()):
            raise ArgumentError(
                f"the {name} has a line break or another invalid character in it; remove it"
            )


def connect(
    session: boto3.Session,
    service: str,
    *,
    region: str | None,
    endpoint_url: str | None = None,
    read: Callable[[bytes], object] | None = None,
    **config: Any,  # noqa: ANN401 - botocore's
) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Return a client of a service whose answers are checked by `answers.watch`.

    Raises
    ------
    ArgumentError
        The endpoint URL is not valid.
    """
    usual = {
        "retries": {"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        "connect_timeout": READ_TIMEOUT_SECONDS,
        "read_timeout": READ_TIMEOUT_SECONDS,
        # botocore would compose this twice per request, a tenth of the cost of a page
        "user_agent": f"{session._session.user_agent()} exportstats/{__version__}",  # noqa: SLF001 - boto3 has no other way
    }
    make = partial(
        session.client, service, region_name=region, config=Config(**{**usual, **config})
    )
    url, client, wrong = endpoint_url and without_user(endpoint_url), None, ""
    try:
        if "@" not in (url or ""):
            client = make(endpoint_url=url)
            url = without_user(client.meta.endpoint_url)  # the environment can name one too
            if url != client.meta.endpoint_url and "@" not in url:
                client = make(endpoint_url=url)
    except (BotoCoreError, json.JSONDecodeError):
        raise
    except ValueError as error:
        wrong = str(error)
    # outside of the block, so that the original error, which shows the URL, is not its context
    if "@" in f"{url}{wrong}":
        wrong = "the endpoint URL, not shown here, has an @ in the wrong place"
    if wrong or client is None:
        raise ArgumentError(f"{plain(wrong)}; give endpoint_url as in https://host:port")
    answers.check_answers(client, read)
    return client


def make_client(
    session: boto3.Session,
    *,
    region: str | None,
    endpoint_url: str | None,
    requests_per_second: float | str | None,
    operation: Operation,
) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Return a client for `ask`."""
    client = connect(
        session,
        operation.service,
        region=region,
        endpoint_url=endpoint_url,
        read=partial(_check_page, operation),
        parameter_validation=False,  # requests are checked once, not on every page
    )
    if requests_per_second == "quota":
        of_aws = is_aws(session, client.meta.endpoint_url)
        requests_per_second = RATES.get(operation.name, SERVICE_RATE) if of_aws else None
    if requests_per_second is not None:
        limit = RateLimit(float(requests_per_second)).wait
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-send.{service}.{operation.name}", limit)
    return client


def ask(client: Any, operation: Operation, request: Mapping[str, Any]) -> Answer:  # noqa: ANN401 - boto3's client
    """Request one page.

    Raises
    ------
    BrokenAnswerError
        The body was incomplete in every attempt.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        From boto3.
    """
    answer = getattr(client, operation.method)(**request)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    observed_at = millis_of(headers.get("date"))
    if (whole := answers.kept_body(answer)) is not None:
        body, envelope = whole
        count = len(getattr(envelope, operation.member) or ())
        if not count:  # {}, or a token alone
            body = f'{{"{operation.member}":[]}}'.encode()
        return Answer(Page(body, observed_at), count, getattr(envelope, operation.token))
    # An answer that did not come over HTTP, such as one of botocore's Stubber, has no body.
    items, token = answer.get(operation.member), answer.get(operation.token)
    if items is None and token is None:
        raise BrokenAnswerError("there is neither a list nor a token in it")
    return Answer(Page(items or [], observed_at), len(items or []), token)


def is_aws(session: boto3.Session, endpoint_url: str) -> bool:
    """Return whether a URL belongs to AWS, VPC endpoints included."""
    host = urlsplit(endpoint_url).hostname or ""
    loader = session._session.get_component("data_loader")  # noqa: SLF001 - boto3 has no other way
    partitions = loader.load_data("partitions")["partitions"]
    suffixes = {
        partition["outputs"][name]
        for partition in partitions
        for name in ("dnsSuffix", "dualStackDnsSuffix")
    }
    return any(host.endswith(f".{suffix}") for suffix in suffixes)


def check_rate(asked: object) -> None:
    """Check a rate limit.

    Raises
    ------
    ArgumentError
        The rate limit is not a positive number.
    """
    if asked == "quota" or asked is None:
        return
    if isinstance(asked, bool) or not isinstance(asked, Real) or not float(asked) > 0:
        raise ArgumentError(
            f"requests_per_second={asked!r}; give a number above 0, None for no limit, "
            'or "quota" for the service\'s own'
        )


def _check_page(operation: Operation, body: bytes) -> _Envelope:
    """Return the list and the token of a body, after checking all of it."""
    envelope = _decode(body)
    if not body.isascii():
        body.decode()
    token = getattr(envelope, operation.token)
    if getattr(envelope, operation.member) is None and token is None and body.strip() != b"{}":
        raise ValueError("there is neither a list nor a token in it")
    if token is not None and not token.isprintable():
        raise ValueError("its token has characters that cannot be printed")
    return envelope


def millis_of(date: str | None) -> int:
    """Return an HTTP date in milliseconds, or the local time if it is not valid."""
    try:
        millis = _millis_of_date(date or "")
    except (ValueError, OverflowError, TypeError, IndexError):
        millis = -1
    return millis if 0 <= millis < _LATEST else int(dt.datetime.now(dt.UTC).timestamp() * 1000)


@lru_cache(maxsize=64)  # many answers have the same second
def _millis_of_date(date: str) -> int:
    return int(email.utils.parsedate_to_datetime(date).timestamp() * 1000)
