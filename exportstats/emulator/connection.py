"""The HTTP server: read requests, and refuse those that are not valid."""

from __future__ import annotations

import re
import socket
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any

from exportstats.emulator import wire
from exportstats.emulator.objects import Listed

if TYPE_CHECKING:
    from exportstats.emulator.server import Emulator

_MAX_BODY = 2**20  # bytes
_LENGTH = re.compile("[0-9]{1,18}")
_LINGER_SECONDS = 1.0
# The service's error codes for requests that it refuses; the base class uses 501 for methods.
_REFUSED = {413: "RequestEntityTooLargeException", 501: "UnknownOperationException"}


class Server(ThreadingTCPServer):
    """Serve an emulator on a port of 127.0.0.1."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128  # a fleet connects at once

    def __init__(self, port: int, emulator: Emulator) -> None:
        self.emulator = emulator
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and remember it."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Close a connection, and forget it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the same
        """Show errors of the emulator, but not of clients that closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Close every connection, and stop listening."""
        self.shutdown()
        # Otherwise clients would still be answered over open connections.
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle_one_request(self) -> None:
        # TLS and other binary protocols may have no line end, for which `readline` would wait.
        first: bytes = self.rfile.peek(1)[:1]  # type: ignore[attr-defined] # it is buffered
        if first.isalpha() or first in b"\r\n":
            super().handle_one_request()
        else:
            self.command = ""
            self.send_error(400)

    def do_GET(self) -> None:
        if Listed.of(self.path) is None:
            self.send_error(501)
        else:
            self._send(*self.server.emulator.respond(self.headers, b"", self.path))

    def do_POST(self) -> None:
        text = self.headers.get("Content-Length", "0")
        length = int(text) if _LENGTH.fullmatch(text) else -1
        if "Transfer-Encoding" in self.headers:
            self.send_error(411, "give a Content-Length, not a Transfer-Encoding")
        elif length < 0:
            self.send_error(400, "the Content-Length is not a number of bytes")
        elif length > _MAX_BODY:
            self.send_error(413, f"a body is at most {_MAX_BODY:,} bytes long")
        elif len(body := self.rfile.read(length)) < length:
            self.send_error(400, f"the body ends after {len(body)} of {length} bytes")
        else:
            self._send(*self.server.emulator.respond(self.headers, body))

    def _send(self, answer: bytes, keep_alive: bool) -> None:  # noqa: FBT001 - as `respond` has it
        self.wfile.write(answer)
        self.close_connection |= not keep_alive

    def send_error(self, code: int, message: str | None = None, _: str | None = None) -> None:
        """Refuse a request as the service does, for the base class too."""
        name = _REFUSED.get(code, "MalformedHttpRequestException")
        status = 404 if name == "UnknownOperationException" else code
        answer = wire.json_error(wire.ServiceError(name, message or "this is not HTTP", status))
        if self.command == "HEAD":
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        self.wfile.write(self.server.emulator.dated(answer))
        self.close_connection = True
        # Closing with unread bytes would reset the connection, and lose the answer.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            until = time.monotonic() + _LINGER_SECONDS
            while self.connection.recv(65_536) and time.monotonic() < until:
                pass

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - `requests` is the log
        pass
