"""The emulator with invalid requests, through raw sockets."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNED = (
    b"Authorization: AWS4-HMAC-SHA256 Credential=111122223333/20260101/us-east-1/logs/aws4_request"
    b"\r\n"
)
_TARGET = b"X-Amz-Target: Logs_20140328.DescribeExportTasks\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
_SENT = _POST + _SIGNED + _TARGET
MALFORMED, SERIALIZATION, INVALID, UNKNOWN, UNSIGNED = (
    "MalformedHttpRequestException",
    "SerializationException",
    "InvalidParameterException",
    "UnknownOperationException",
    "MissingAuthenticationTokenException",
)


def with_body(body: bytes, head: bytes = _SENT) -> bytes:
    """Write a request with a body and its length."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def connect(emulator: Emulator) -> socket.socket:
    """Open a connection to the emulator."""
    return socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2])), timeout=5)


@pytest.fixture
def emulator(capfd: pytest.CaptureFixture[str]) -> Iterator[Emulator]:
    """Serve one task; afterwards the next request is answered, and stderr is empty."""
    with Emulator([{"taskId": "a", "accountId": "111122223333"}]) as running:
        yield running
        with connect(running) as connection:
            connection.sendall(with_body(b"{}"))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert json.loads(answer.read()) == {"exportTasks": [{"taskId": "a"}]}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        # other methods
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, UNKNOWN),
        (b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 404, UNKNOWN),
        (b"BREW / HTTP/1.1\r\n\r\n", 404, UNKNOWN),
        # not a length
        (_SENT + b"\r\n", 400, SERIALIZATION),
        (_SENT + b"Content-Length: ten\r\n\r\n", 400, MALFORMED),
        (_SENT + b"Content-Length: -1\r\n\r\n", 400, MALFORMED),
        (_SENT + b"Content-Length: +2\r\n\r\n{}", 400, MALFORMED),
        (_SENT + b"Content-Length: \xb2\r\n\r\n{}", 400, MALFORMED),
        (_SENT + b"Content-Length: \r\n\r\n{}", 400, MALFORMED),
        (_SENT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", 400, MALFORMED),
        (_SENT + b"Content-Length: 99999999999\r\n\r\n{}", 413, "RequestEntityTooLargeException"),
        (with_body(b" " * 20_000_000), 413, "RequestEntityTooLargeException"),
        (_SENT + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411, MALFORMED),
        (with_body(b"{}", _SENT + b"Transfer-Encoding: gzip\r\n"), 411, MALFORMED),
        # bodies
        (with_body(b"not JSON"), 400, SERIALIZATION),
        (with_body(b"[]"), 400, SERIALIZATION),
        (with_body(b"null"), 400, SERIALIZATION),
        (with_body(b"\xff\xfe\xfd"), 400, SERIALIZATION),
        (with_body(b'{"taskId": "\xff"}'), 400, SERIALIZATION),
        (with_body(b"[" * 500_000), 400, SERIALIZATION),
        (with_body(b'{"taskId":' * 100_000), 400, SERIALIZATION),
        (with_body(b'{"limit": %b}' % (b"9" * 5_000)), 400, SERIALIZATION),
        (with_body(b'{"limit": %b}' % (b"9" * 4_000)), 400, INVALID),
        (with_body(b'{"limit": -%b}' % (b"9" * 4_000)), 400, INVALID),
        (with_body(b'{"limit": 1e999}'), 400, INVALID),
        (with_body(b'{"limit": NaN}'), 400, INVALID),
        (with_body(b'{"nextToken": "\\ud800"}'), 400, INVALID),
        (with_body(b'{"statusCode": "\\ud800"}'), 400, INVALID),
        # targets and signatures
        (with_body(b"{}", _POST + _SIGNED), 400, UNKNOWN),
        (with_body(b"{}", _POST + _SIGNED + b"X-Amz-Target: a\r\n"), 400, UNKNOWN),
        (
            with_body(b"{}", _POST + _SIGNED + b"X-Amz-Target: DescribeExportTasks\r\n"),
            400,
            UNKNOWN,
        ),
        (with_body(b"{}", _POST + _SIGNED + b"X-Amz-Target: \xff\x00\r\n"), 400, UNKNOWN),
        (with_body(b"{}", _POST + _TARGET), 400, UNSIGNED),
        (with_body(b"{}", _POST + _TARGET + b"Authorization: \xff\xff\r\n"), 400, UNSIGNED),
        (with_body(b"{}", _POST + _TARGET + b"Authorization:\r\n"), 400, UNSIGNED),
        # almost HTTP
        (_POST + b"X: y\r\n" * 200 + b"\r\n", 431, MALFORMED),
        (_POST + b"X: " + b"y" * 70_000 + b"\r\n\r\n", 431, MALFORMED),
        (_POST + b"X: " + b"y" * 20_000_000 + b"\r\n\r\n", 431, MALFORMED),
        (b"POST /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, MALFORMED),
        (b"hello\r\n", 400, MALFORMED),
        (b"a b c d e\r\n", 400, MALFORMED),
        (b"POST / HTTP/x\r\n\r\n", 400, MALFORMED),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, MALFORMED),
        (b"POST / HTTP/1.1\r\n: : :\r\n\xff\xfe\r\n\r\n", 400, UNSIGNED),
        (b"\x00\x01\x02\x03", 400, MALFORMED),
        (b"\x00" * 100_000, 400, MALFORMED),
        (b"\xff\xfe\n\r\n", 400, MALFORMED),
        (b"{}", 400, MALFORMED),
    ],
    ids=range(48),
)
def test_a_bad_request_is_answered(emulator: Emulator, sent: bytes, status: int, code: str) -> None:
    """It gets an error in JSON at once, while the client is still waiting."""
    with connect(emulator) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    assert answer.status == status
    assert json.loads(body)["__type"] == code == answer.getheader("x-amzn-ErrorType")
    assert answer.getheader("Date")
    assert len(body) == int(answer.getheader("Content-Length", ""))


def test_any_depth_is_answered(emulator: Emulator) -> None:
    """JSON of any depth that can be parsed is answered."""
    found = []
    for depth in range(900, 1_000):
        with connect(emulator) as connection:
            connection.sendall(with_body(b'{"limit": %b%b}' % (b"[" * depth, b"]" * depth)))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            found.append(json.loads(answer.read())["__type"])
    assert set(found) == {INVALID, SERIALIZATION}


def test_head_is_answered_without_a_body(emulator: Emulator) -> None:
    """The headers are those of a GET, without a body."""
    with connect(emulator) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


def test_a_body_cut_off_is_answered(emulator: Emulator) -> None:
    """A client that closes its side early is told how much arrived."""
    with connect(emulator) as connection:
        connection.sendall(_SENT + b"Content-Length: 10\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())
    assert error == {"__type": MALFORMED, "message": "the body ends after 2 of 10 bytes"}


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"POST",
        b"POST / HTTP/1.1",
        _POST,
        _SENT + b"Content-Length: 9\r\n\r\n{",
        b"\x16",
    ],
)
@pytest.mark.parametrize("resets", [False, True])
def test_a_connection_closed_in_the_middle_is_no_trouble(
    emulator: Emulator, sent: bytes, *, resets: bool
) -> None:
    """A client that closes or resets the connection at any point causes no output."""
    connection = connect(emulator)
    connection.sendall(sent)
    if resets:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, for 0 seconds
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
    time.sleep(0.05)


def test_a_tls_client_is_refused_at_once(emulator: Emulator) -> None:
    """`https://` instead of `http://` is an error at once, not a timeout."""
    start = time.perf_counter()
    with connect(emulator) as connection, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
    assert time.perf_counter() - start < 2
