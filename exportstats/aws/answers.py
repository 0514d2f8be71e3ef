"""Check that answers of AWS services are complete, in time, not too large and not endless.

botocore takes an HTML page, a truncated body or an empty success for an answer without items and
token, that is, for the end of a list. It fails on the malformed body of an error. This module
handles three of botocore's events for every client:

- `before-parse`: the body must be complete JSON or XML; of an error, only plain texts are kept.
- `needs-retry`: an incomplete answer is requested again.
- `after-call`: an answer that stays incomplete is an error.
"""

from __future__ import annotations

import gzip
import http.client
import io
import math
import socket
import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import msgspec
from botocore import awsrequest, handlers

from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

MOST_BYTES = 64 * 2**20  # of a decompressed answer; AWS's largest have a few MiB
MOST_PAGES = 100_000  # of a list, which is five million tasks
# In a row. A filter may leave many pages empty; the largest publicly known account has 380.
MOST_EMPTY_PAGES = 400
_WHOLE_ATTEMPTS = 5  # five broken bodies in a row are not a network problem
_SUCCESS, _FIRST_ERROR_STATUS = 200, 301  # botocore takes 301 and above for errors
_GZIP = ("gzip", "x-gzip")  # equivalent by RFC 9110
_ODD = (ValueError, RecursionError, msgspec.MsgspecError, ET.ParseError)
_KEPT, _BROKEN = "exportstats_answer", "exportstats_broken"
# The element that an answer must contain.
_NEEDED = {
    "AssumeRole": "Credentials",
    "DescribeRegions": "regionInfo",
    "GetCallerIdentity": "Account",
    "ListAccounts": "Accounts",
    "ListObjectsV2": "IsTruncated",
}
# Elements of an XML error to keep. S3's errors also contain the request with its session token.
_OF_ERROR = ("Code", "Message", "Region", "Endpoint", "Bucket")


class BrokenAnswerError(Exception):
    """A successful answer was incomplete in every attempt."""


class RepeatedTokenError(Exception):
    """The service repeated a token, so the list would never end."""


class EndlessListError(Exception):
    """A list is longer than any real list."""


class Tokens:
    """Follow the tokens of a list, and check that it ends."""

    def __init__(self, first: str | None = None, *, most_pages: int | None = None) -> None:
        self._most = MOST_PAGES if most_pages is None else most_pages
        self._used = {first}
        self._latest = first
        self._empty = 0

    def follow(self, token: str, items: int) -> None:
        """Check and remember the token of a page with this number of items.

        Raises
        ------
        RepeatedTokenError
            The token was used before.
        EndlessListError
            There were too many pages, or too many empty ones in a row.
        """
        if token in self._used:
            how = "came back unchanged" if token == self._latest else "was used before"
            raise RepeatedTokenError(f"the next token {how}")
        self._used.add(token)
        self._latest = token
        self._empty = 0 if items else self._empty + 1
        if self._empty >= MOST_EMPTY_PAGES:
            raise EndlessListError(f"{self._empty:,} pages in a row were empty but had a token")
        if len(self._used) > self._most:
            raise EndlessListError(f"the list did not end within {self._most:,} pages")


def pages(
    ask: Callable[..., dict[str, Any]],
    member: str,
    token: str = "NextToken",  # noqa: S107 - the name of one
    most_pages: int | None = None,
    **request: str,
) -> Iterator[dict[str, Any]]:
    """Yield page after page; `token` is the name of the token in a request.

    Raises
    ------
    BrokenAnswerError
        A page that is not the last one has no token.
    RepeatedTokenError, EndlessListError
        As in `Tokens`.
    """
    tokens = Tokens(most_pages=most_pages)
    got = f"Next{token.removeprefix('Next')}"
    while True:
        page = ask(**request)
        yield page
        if not page.get(got):
            if page.get("IsTruncated"):
                raise BrokenAnswerError("IsTruncated is true, but there is no token in it")
            return
        request[token] = page[got]
        tokens.follow(page[got], len(page.get(member) or ()))


def texts_of(items: list[dict[str, Any]], key: str) -> list[str]:
    """Return the text of each item under a key.

    Raises
    ------
    BrokenAnswerError
        There are no items, or an item has no such text.
    """
    texts = [item.get(key) for item in items]
    if not texts or not all(text and isinstance(text, str) for text in texts):
        raise BrokenAnswerError(f"there is no {key} in it")
    return [str(text) for text in texts]


def check_answers(client: Any, read: Callable[[bytes], object] | None = None) -> None:  # noqa: ANN401 - boto3's client
    """Check every answer that a client receives.

    With `read`, the body of every success is kept with the result of `read`, and botocore does not
    parse it. `read` raises a ValueError if a body is incomplete.
    """
    of_json = client.meta.service_model.resolved_protocol == "json"
    service = client.meta.service_model.service_id.hyphenize()
    events = client.meta.events
    # botocore takes an answer of S3 that is not XML for an error 500, and retries ten times
    events.unregister("before-parse.s3.*", getattr(handlers, "_handle_200_error", None))
    events.register(f"before-parse.{service}", partial(_check_body, of_json, read))
    events.register(f"needs-retry.{service}", _retry_incomplete)
    events.register(f"after-call.{service}", _raise_incomplete)
    client._endpoint.http_session._pool_classes_by_scheme.update(_POOLS)  # noqa: SLF001 - botocore has no other way


def kept_body(answer: dict[str, Any]) -> tuple[bytes, Any] | None:
    """Return the kept body and the result of `read`, or None if there are none."""
    return answer.get(_KEPT)


def _check_body(
    of_json: bool,  # noqa: FBT001 - of a partial
    read: Callable[[bytes], object] | None,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    operation_model: Any,  # noqa: ANN401 - botocore's event
    **_: Any,  # noqa: ANN401
) -> None:
    name = operation_model.name
    if read is None and name not in _NEEDED:
        return  # a request of botocore itself, such as for the region of a bucket
    body, status = response_dict["body"], response_dict["status_code"]
    if status >= _FIRST_ERROR_STATUS:
        response_dict["body"] = _reduce_error(body, status, of_json=of_json)
        return
    try:
        if response_dict["headers"].get("content-encoding", "").lower() in _GZIP:
            body = response_dict["body"] = _decompress(body)
        if status != _SUCCESS:
            raise ValueError(f"its status is {status}")
        if read is not None:
            customized_response_dict[_KEPT] = body, read(body)
            response_dict["body"] = b"{}"
        else:
            _check_element(_NEEDED[name], body, of_json=of_json)
    except (*_ODD, OSError, EOFError, zlib.error) as fault:
        customized_response_dict[_BROKEN] = f"{fault}; it begins with {_beginning(body)!r}"
        response_dict["body"] = b"{}" if of_json else f"<R><{name}Result/></R>".encode()


def _retry_incomplete(
    response: Any,  # noqa: ANN401 - botocore's event
    attempts: int,
    request_dict: dict[str, Any],
    **_: Any,  # noqa: ANN401
) -> float | None:
    if response is None or response[0].status_code >= _FIRST_ERROR_STATUS:
        return None
    _, answer = response
    # {} is a valid empty list, but not the page of a token
    if (
        _KEPT in answer
        and answer[_KEPT][0].strip() == b"{}"
        and b'extToken"' in request_dict["body"]  # the services differ in the case of its N
    ):
        answer.setdefault(_BROKEN, "it is empty, although there was a token for more")
    if _BROKEN not in answer or attempts >= _WHOLE_ATTEMPTS:
        return None
    return float(0.1 * 2 ** (attempts - 1))


def _raise_incomplete(parsed: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - botocore's event
    if _BROKEN in parsed:
        raise BrokenAnswerError(parsed[_BROKEN])


def _decompress(body: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
        unpacked = file.read(MOST_BYTES + 1)
    if len(unpacked) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
    return unpacked


def _reduce_error(body: bytes, status: int, *, of_json: bool) -> bytes:
    """Reduce the body of an error, which may come from a proxy, to texts that botocore can read."""
    if of_json and not body.strip():
        return body
    try:
        if of_json:
            fields = msgspec.json.decode(body, type=dict[str, object])
        else:  # each service nests the error differently
            root = ET.fromstring(body)  # noqa: S314 - as above
            fields = {one.tag.rpartition("}")[2]: one.text for one in root.iter() if not len(one)}
    except _ODD:
        fields = {"message": plain(_beginning(body))}
    texts = {key: text for key, text in fields.items() if isinstance(text, str)}
    if of_json:
        return msgspec.json.encode(texts)
    usual = {"Code": str(status), "Message": plain(_beginning(body))}
    error = "".join(
        f"<{key}>{escape(text)}</{key}>"
        for key, text in (usual | texts).items()
        if key in _OF_ERROR
    )
    return f"<R><Error>{error}</Error></R>".encode()


def _check_element(needed: str, body: bytes, *, of_json: bool) -> None:
    if of_json:
        fits = isinstance(msgspec.json.decode(body, type=dict[str, object]).get(needed), list)
    else:
        found = ET.fromstring(body).find(f".//{{*}}{needed}")  # noqa: S314 - Expat bounds entities
        fits = found is not None and bool(len(found) or (found.text or "").strip())
    if not fits:
        raise ValueError(f"there is no {needed} in it")


def _beginning(body: bytes) -> str:
    return body[:60].decode("utf-8", "replace")


class _Stream(socket.SocketIO):
    """Limit the time and the size of an answer.

    The timeout of a socket is for each read, so an answer of one byte per second never reaches it.
    """

    until: float
    left: int

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if time.monotonic() > self.until:
            raise TimeoutError
        count = super().readinto(buffer)
        self.left -= count or 0
        if self.left < 0:
            raise ValueError(f"the answer is larger than {MOST_BYTES >> 20} MiB")
        return count


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *given: Any, **more: Any) -> None:  # noqa: ANN401 - as there
        super().__init__(sock, *given, **more)
        stream: Any = self.fp.raw
        stream.__class__ = _Stream  # a wrapper would add a twentieth to the cost of a page
        stream.until = time.monotonic() + (sock.gettimeout() or math.inf)
        stream.left = MOST_BYTES


def _with_bounds(pool: Any) -> Any:  # noqa: ANN401 - urllib3's classes of pools
    connection = type("Connection", (pool.ConnectionCls,), {"response_class": _Response})
    return type("Pool", (pool,), {"ConnectionCls": connection})


_POOLS = {
    "http": _with_bounds(awsrequest.AWSHTTPConnectionPool),
    "https": _with_bounds(awsrequest.AWSHTTPSConnectionPool),
}
