"""The server: it hears a request, finds its fault and its answer, and remembers what was asked."""

from __future__ import annotations

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
from exportstats.emulator.slot import Slot, slot_of
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from email.message import Message
    from types import TracebackType
    from typing import Self

    from exportstats.emulator.faults import Fault

_ENDS_CONNECTION = {"cut", "drop", "hang"}


class _Answer(NamedTuple):
    sent: bytes
    outcome: str = "ok"
    wait_seconds: float = 0.0


class Emulator:
    """A CloudWatch Logs look-alike for export tasks, on 127.0.0.1.

    It runs between `start` and `stop`, or inside a `with` block. Whoever signs a request is
    believed: the region is that of the signature's credential scope, and the account is what
    `account_of` makes of the access key id, else `DEFAULT_ACCOUNT`.

    Parameters
    ----------
    tasks
        Tasks in the JSON shape of the service, with two optional fields, `accountId` and
        `region`, that say whose they are and are never sent. `observedAt` is ignored, and what is
        None is left out.
    port
        0 takes a free one.
    requests_per_second
        The quota of each account and region, 5 at AWS; requests beyond it are throttled. None: no
        quota.
    latency_seconds
        How long every answer takes.
    token_lifetime_seconds
        How long a `nextToken` is good for: 24 hours, as at AWS.
    account_of
        Whose an access key id is. Without it one of twelve digits is the account itself, which is
        the convention of moto and localstack.
    faults
        What goes wrong. Of several that meet at one request, the first happens.

    Attributes
    ----------
    url
        The address, once started.
    requests
        A `Request` for each request, in the order in which they came.

    Raises
    ------
    ArgumentError
        A task is not as the service sends one.
    """

    url: str

    def __init__(
        self,
        tasks: Iterable[Mapping[str, Any]] = (),
        *,
        port: int = 0,
        requests_per_second: float | None = None,
        latency_seconds: float = 0.0,
        token_lifetime_seconds: float = 86_400,
        account_of: wire.AccountOf | None = None,
        faults: Iterable[Fault] = (),
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
        for task in tasks:
            self.add(task)

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
        key, rest = slot_of(task)
        with self._lock:
            self._slots[key].add(rest)

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
            found = [slot.update(task_id, changes) for slot in self._slots.values()]
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
        return answer.sent, answer.outcome not in _ENDS_CONNECTION

    def _answer(self, request: wire.Request) -> _Answer:
        if not request.access_key:
            raise wire.ServiceError(
                "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        if not request.operation:
            raise wire.ServiceError("UnknownOperationException", "Unknown operation")
        if request.operation == wire.TASKS:
            wire.check_params(request.params)
        with self._lock:
            slot = self._slots[request.account, request.region]
            fault = slot.next_fault(request, self._faults)
            kind = fault.kind if fault else None
            if request.operation == wire.TASKS and not slot.admits(self._clock(), self._rate):
                kind = "throttle"
            if kind in wire.REFUSALS:
                raise wire.ServiceError.of_kind(kind, request)
            if request.operation == wire.IDENTITY:
                return _Answer(wire.identity(request.account))
            page = slot.page(request.params, kind, now=self._clock(), lifetime=self._lifetime)
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

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer, goes_on = self.server.emulator.respond(self.headers, body)
        self.wfile.write(answer)
        self.close_connection |= not goes_on

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - `requests` is the log
        pass
