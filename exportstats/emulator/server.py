"""The server: it reads requests, finds their faults and answers, and remembers them."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.emulator import wire
from exportstats.emulator.listings import LISTINGS, LOG_GROUPS, TASKS
from exportstats.emulator.slot import Slot, slot_of
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping
    from email.message import Message
    from types import TracebackType
    from typing import Self

    from exportstats.emulator.faults import Fault
    from exportstats.emulator.listings import Listing

_ENDS_CONNECTION = {"cut", "drop", "hang"}
_MAX_BODY = 2**20  # bytes
_LENGTH = re.compile("[0-9]{1,18}")
_LINGER_SECONDS = 1.0
# What the service calls a request that it refuses unread; the base class has 501 for a method.
_REFUSED = {413: "RequestEntityTooLargeException", 501: "UnknownOperationException"}


class _Answer(NamedTuple):
    sent: bytes
    outcome: str = "ok"
    wait_seconds: float = 0.0


class Emulator:
    """A CloudWatch Logs emulator for export tasks and log groups, on 127.0.0.1.

    It runs between `start` and `stop`, or inside a `with` block. Whoever signs a request is
    believed: the region is that of the signature's credential scope, and the account is what
    `account_of` makes of the access key id, else `DEFAULT_ACCOUNT`.

    Parameters
    ----------
    tasks
        Tasks in the JSON shape of the service, with two optional fields, `accountId` and
        `region`, that say whose they are and are never sent. `observedAt` is ignored, and what is
        None is left out.
    log_groups
        Log groups, with the same two fields; without them the `arn` says whose they are.
    port
        0 takes a free one.
    requests_per_second
        The quota of each account, region and operation, 5 at AWS; requests beyond it are
        throttled. None: no quota.
    latency_seconds
        How long every answer takes.
    token_lifetime_seconds
        How long a `nextToken` is good for: 24 hours, as at AWS.
    account_of
        Whose an access key id is. Without it one of twelve digits is the account itself, which is
        the convention of moto and localstack.
    faults
        What goes wrong. Of several that meet at one request, the first happens.
    now
        What its clock shows when it is made, which the Date of each answer tells. None: the real
        time.

    Attributes
    ----------
    url
        The address, once started.
    requests
        A `Request` for each request that could be read, in the order in which they came.

    Raises
    ------
    ArgumentError
        A task or a log group is not as the service sends one.
    """

    url: str

    def __init__(  # noqa: PLR0913 - all that a test wants to choose
        self,
        tasks: Iterable[Mapping[str, Any]] = (),
        *,
        log_groups: Iterable[Mapping[str, Any]] = (),
        port: int = 0,
        requests_per_second: float | None = None,
        latency_seconds: float = 0.0,
        token_lifetime_seconds: float = 86_400,
        account_of: wire.AccountOf | None = None,
        faults: Iterable[Fault] = (),
        now: dt.datetime | None = None,
    ) -> None:
        self.requests: list[wire.Request] = []
        self._port = port
        self._rate = requests_per_second
        self._latency = latency_seconds
        self._lifetime = token_lifetime_seconds
        self._account_of = account_of
        self._faults = tuple(faults)
        self._slots: defaultdict[tuple[str, str], Slot] = defaultdict(Slot)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._clock = time.monotonic  # a test may put another in its place
        self._ahead_seconds = now.timestamp() - time.time() if now else 0.0
        for listing, items in ((TASKS, tasks), (LOG_GROUPS, log_groups)):
            for item in items:
                self._add(listing, item)

    def start(self) -> None:
        """Begin to answer.

        Raises
        ------
        ArgumentError
            The port cannot be had.
        """
        try:
            self._server = _Server(self._port, self)
        except OSError as error:
            raise ArgumentError(
                f"cannot listen on port {self._port}: {error.strerror}; take another, or 0"
            ) from error
        self._stopping.clear()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # The short poll is what makes stopping quick.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """End every connection and every wait, and listen no more."""
        self._stopping.set()
        self._server.stop()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def add(self, task: Mapping[str, Any]) -> None:
        """Create a task, as it happens while somebody pages.

        Raises
        ------
        ArgumentError
            It is not as the service sends one.
        """
        self._add(TASKS, task)

    def _add(self, listing: Listing, item: Mapping[str, Any]) -> None:
        key, rest = slot_of(listing, item)
        with self._lock:
            self._slots[key].lists[listing.operation].add(rest)

    def update(self, task_id: str, **changes: Any) -> None:  # noqa: ANN401 - any field of a task
        """Change fields of a task, as when it goes from PENDING to RUNNING.

        A mapping (`status`, `executionInfo`) is merged into the one that is there; None takes a
        field away.

        Raises
        ------
        ArgumentError
            There is no such task, or it is then not as the service sends one.
        """
        with self._lock:
            lists = [slot.lists[TASKS.operation] for slot in self._slots.values()]
            found = [tasks.update(task_id, changes) for tasks in lists]
        if not any(found):
            raise ArgumentError(f"there is no task {task_id!r} to update; add it first")

    def respond(self, headers: Message, body: bytes) -> tuple[bytes, bool]:
        """Answer a request: what to send, and whether the connection goes on."""
        request = wire.Request.read(headers, body, self._account_of)
        try:
            answer = self._answer(request)
        except wire.ServiceError as error:
            write = wire.xml_error if request.operation == wire.IDENTITY else wire.json_error
            answer = _Answer(write(error), error.code)
        # Before the answer leaves, so that whoever has it finds it here.
        self.requests.append(request._replace(outcome=answer.outcome))
        wait = self._latency + answer.wait_seconds
        if wait and self._stopping.wait(wait):
            return b"", False
        return self.dated(answer.sent), answer.outcome not in _ENDS_CONNECTION

    def dated(self, answer: bytes) -> bytes:
        """Add the Date to an HTTP answer."""
        return wire.dated(answer, time.time() + self._ahead_seconds)

    def _answer(self, request: wire.Request) -> _Answer:
        if not request.access_key:
            raise wire.ServiceError(
                "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        if not request.operation:
            raise wire.ServiceError("UnknownOperationException", "Unknown operation")
        lists = request.operation in LISTINGS
        if lists:
            wire.check_params(request.operation, request.params)
        with self._lock:
            slot = self._slots[request.account, request.region]
            fault = slot.next_fault(request, self._faults)
            kind = fault.kind if fault else None
            if lists and not slot.admits(request.operation, self._clock(), self._rate):
                kind = "throttle"
            if kind in wire.REFUSALS:
                raise wire.ServiceError.of_kind(kind, request)
            if not lists:
                return _Answer(wire.identity(request.account))
            page = slot.lists[request.operation].page(
                request.params, kind, now=self._clock(), lifetime=self._lifetime
            )
        sent = wire.spoiled_page(page, kind)
        return _Answer(sent, fault.kind, fault.wait_seconds) if fault else _Answer(sent)


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128  # a fleet connects at once

    def __init__(self, port: int, emulator: Emulator) -> None:
        self.emulator = emulator
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the same
        # A client that went away is its own affair; anything else is a fault of ours, and shown.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.shutdown()
        # Or clients would go on being answered over the connections that they keep.
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        # TLS and other binary protocols need not have a line end, which `readline` would wait for.
        first: bytes = self.rfile.peek(1)[:1]  # type: ignore[attr-defined] # it is buffered
        if first.isalpha() or first in b"\r\n":
            super().handle_one_request()
        else:
            self.command = ""
            self.send_error(400)

    def do_POST(self) -> None:
        text = self.headers.get("Content-Length", "0")
        length = int(text) if _LENGTH.fullmatch(text) else -1
        if "Transfer-Encoding" in self.headers:
            self.send_error(411, "give a Content-Length, not a Transfer-Encoding")
        elif length < 0:
            self.send_error(400, "the Content-Length is no number of bytes")
        elif length > _MAX_BODY:
            self.send_error(413, f"a body is at most {_MAX_BODY:,} bytes long")
        elif len(body := self.rfile.read(length)) < length:
            self.send_error(400, f"the body ends after {len(body)} of {length} bytes")
        else:
            answer, goes_on = self.server.emulator.respond(self.headers, body)
            self.wfile.write(answer)
            self.close_connection |= not goes_on

    def send_error(self, code: int, message: str | None = None, _: str | None = None) -> None:
        """Refuse a request as the service does, also those that the base class refuses."""
        name = _REFUSED.get(code, "MalformedHttpRequestException")
        status = 404 if name == "UnknownOperationException" else code
        answer = wire.json_error(wire.ServiceError(name, message or "this is not HTTP", status))
        if self.command == "HEAD":
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        self.wfile.write(self.server.emulator.dated(answer))
        self.close_connection = True
        # To close with unread bytes would reset the connection, and the client lose the answer.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            until = time.monotonic() + _LINGER_SECONDS
            while self.connection.recv(65_536) and time.monotonic() < until:
                pass

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - `requests` is the log
        pass
