"""A boto3 client for one paged request of CloudWatch Logs, which keeps its pace and answers whole.

botocore does what it is good at: credentials, signing, endpoints, retries, errors. Three of its
events are listened to, for what it does not do:

- `before-send`: the pace, which so holds for retries too.
- `before-parse`: an answer's body is kept as it came, and looked at. botocore itself reads a body
  that is not whole JSON as an answer without tasks and without a token, that is, as the end; and
  an error whose body is no JSON object breaks it.
- `needs-retry`: an answer whose body is not whole is asked for again.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import gzip
import threading
import time
import zlib
from dataclasses import dataclass
from functools import lru_cache, partial
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import msgspec
from botocore.config import Config

from exportstats import __version__
from exportstats.errors import ArgumentError
from exportstats.io.records import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SERVICE_RATE = 5.0  # requests a second for an account and region; not adjustable
MAX_ATTEMPTS = 10
# A page takes the service a fraction of a second; botocore's own minute, ten times over, is long.
READ_TIMEOUT_SECONDS = 20.0
# A body that is broken five times in a row is no accident of the network.
_WHOLE_ATTEMPTS = 5
_FIRST_ERROR_STATUS = 301  # from here on botocore itself reads an answer as an error
_NO_JSON = (ValueError, RecursionError, msgspec.MsgspecError)
_GZIP = ("gzip", "x-gzip")  # the same, by RFC 9110
_KEPT, _BROKEN = "exportstats_answer", "exportstats_broken"


@dataclass(frozen=True)
class Operation:
    """A paged request of CloudWatch Logs.

    Attributes
    ----------
    name, method
        What the service and what boto3 call it.
    member
        Where its answer has the list.
    what
        What the list is of.
    read
        Makes something smaller of answers; the number of the first one is given too.
    """

    name: str
    method: str
    member: str
    what: str
    read: Callable[[Sequence[Page], int], Sequence[Any]]


class Answer(NamedTuple):
    """What one request brought."""

    page: Page
    items: int
    next_token: str | None


class BrokenAnswerError(Exception):
    """A success whose body was not whole, again and again."""


class _Envelope(msgspec.Struct):
    exportTasks: list[msgspec.Raw] | None = None  # noqa: N815 - AWS's name
    logGroups: list[msgspec.Raw] | None = None  # noqa: N815 - AWS's name
    nextToken: str | None = None  # noqa: N815 - AWS's name


_decode = msgspec.json.Decoder(_Envelope).decode


class Pacer:
    """Lets one request pass every so often, whoever asks."""

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
    """Give the session that was given, or one of the profile."""
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
    """Refuse a credential with a line break in it: the error of sending it would show it."""
    found = session.get_credentials()
    if found is not None and {"\r", "\n"} & {*found.access_key, *(found.token or "")}:
        raise ArgumentError(
            "the access key or the session token has a line break in it; take it out"
        )


def make_client(
    session: boto3.Session,
    *,
    region: str | None,
    endpoint_url: str | None,
    requests_per_second: float | str | None,
    operation: Operation,
) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Make the client that `ask` asks with."""
    client: Any = session.client(
        "logs",
        region_name=region,
        endpoint_url=endpoint_url,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
            connect_timeout=READ_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            parameter_validation=False,  # what is asked is checked once, not on every page
            # botocore would put this together twice a request, a tenth of a page's cost
            user_agent=f"{session._session.user_agent()} exportstats/{__version__}",  # noqa: SLF001 - boto3 has no other way
        ),
    )
    events, event = client.meta.events, f"cloudwatch-logs.{operation.name}"
    if requests_per_second == "quota":
        of_aws = is_aws(session, client.meta.endpoint_url)
        requests_per_second = SERVICE_RATE if of_aws else None
    if requests_per_second is not None:
        events.register(f"before-send.{event}", Pacer(float(requests_per_second)).wait)
    events.register(f"before-parse.{event}", partial(_keep_body, operation.member))
    events.register(f"needs-retry.{event}", _ask_again)
    return client


def ask(client: Any, operation: Operation, request: Mapping[str, Any]) -> Answer:  # noqa: ANN401 - boto3's client
    """Ask for one page.

    Raises
    ------
    BrokenAnswerError
        The body was not whole, as often as it was asked for.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        As boto3 raises them.
    """
    answer = getattr(client, operation.method)(**request)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    observed_at = millis_of(headers.get("date"))
    if _BROKEN in answer:
        raise BrokenAnswerError(answer[_BROKEN])
    if _KEPT in answer:
        body, envelope = answer[_KEPT]
        count = len(getattr(envelope, operation.member) or ())
        return Answer(Page(body, observed_at), count, envelope.nextToken)
    # Somebody else's answer, as botocore's own Stubber gives it: decoded, no body to look at.
    items, token = answer.get(operation.member), answer.get("nextToken")
    if items is None and token is None:
        raise BrokenAnswerError("there is neither a list nor a token in it")
    return Answer(Page(items or [], observed_at), len(items or []), token)


def is_aws(session: boto3.Session, endpoint_url: str) -> bool:
    """Tell whether a URL is one of AWS's own, VPC endpoints included."""
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
    """Refuse a pace that is none.

    Raises
    ------
    ArgumentError
        It is no number above 0.
    """
    if asked == "quota" or asked is None:
        return
    if isinstance(asked, bool) or not isinstance(asked, Real) or not float(asked) > 0:
        raise ArgumentError(
            f"requests_per_second={asked!r}; give a number above 0, None for no limit, "
            f'or "quota" for the service\'s own {SERVICE_RATE:g}'
        )


def _keep_body(
    member: str,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,  # noqa: ANN401 - botocore's event
) -> None:
    body = response_dict["body"]
    if response_dict["status_code"] >= _FIRST_ERROR_STATUS:
        response_dict["body"] = _as_error(body)
        return
    try:
        if response_dict["headers"].get("content-encoding", "").lower() in _GZIP:
            body = gzip.decompress(body)
        customized_response_dict[_KEPT] = body, _look_at(body, member)
    except (*_NO_JSON, OSError, EOFError, zlib.error) as fault:
        customized_response_dict[_BROKEN] = f"{fault}; it begins with {_beginning(body)!r}"
    response_dict["body"] = b"{}"


def _as_error(body: bytes) -> bytes:
    """Make of an error's body what botocore can read: an object of texts, as AWS sends it.

    A proxy's may be anything. Of each text only the first paragraph is kept: where a signature is
    wrong, AWS goes on with all that was signed, the session token included.
    """
    if not body.strip():
        return body
    try:
        said = msgspec.json.decode(body, type=dict[str, object])
    except _NO_JSON:
        said = {"message": _beginning(body)}
    return msgspec.json.encode(
        {key: text.partition("\n\n")[0] for key, text in said.items() if isinstance(text, str)}
    )


def _beginning(body: bytes) -> str:
    return body[:60].decode("utf-8", "replace")


def _look_at(body: bytes, member: str) -> _Envelope:
    """Find the token in a body, and see that all of it is JSON."""
    envelope = _decode(body)
    if not body.isascii():
        body.decode()
    nothing = getattr(envelope, member) is None and envelope.nextToken is None
    if nothing and body.strip() != b"{}":
        raise ValueError("there is neither a list nor a token in it")
    return envelope


def _ask_again(response: Any, attempts: int, **_: Any) -> float | None:  # noqa: ANN401 - botocore's event
    if response is None or _BROKEN not in response[1] or attempts >= _WHOLE_ATTEMPTS:
        return None
    return float(0.1 * 2 ** (attempts - 1))


def millis_of(date: str | None) -> int:
    """Read an HTTP date; where there is none that can be read, our own clock has to do."""
    try:
        return _millis_of_date(date or "")
    except ValueError:
        return int(dt.datetime.now(dt.UTC).timestamp() * 1000)


@lru_cache(maxsize=64)  # many answers come within a second
def _millis_of_date(date: str) -> int:
    return int(email.utils.parsedate_to_datetime(date).timestamp() * 1000)
