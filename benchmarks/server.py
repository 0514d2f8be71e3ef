"""A server with little cost of its own: it sends pages that were made at the start.

It runs in its own process. `python -m benchmarks.server TASKS [LATENCY_SECONDS]` prints its
address and serves the same list for every account and region.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATE = "Mon, 23 Nov 2026 06:00:00 GMT"
_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u</Arn><UserId>u</UserId>"
    "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@contextmanager
def serving(tasks: int, latency_seconds: float = 0.0) -> Iterator[str]:
    """Serve a list of tasks from another process, and yield its address."""
    command = [sys.executable, "-m", "benchmarks.server", str(tasks), str(latency_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _answer(body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nDate: {_DATE}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _answers(tasks: int) -> list[bytes]:
    pages = made_up.pages(tasks)
    for number, page in enumerate(pages[:-1], 1):
        page["nextToken"] = f"{number:064}"
    return [_answer(json.dumps(page).encode(), "application/x-amz-json-1.1") for page in pages]


async def _serve(tasks: int, latency_seconds: float) -> None:
    answers = _answers(tasks)
    identity = _answer(_IDENTITY.encode(), "text/xml")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            body = await reader.readexactly(length)
            if latency_seconds:
                await asyncio.sleep(latency_seconds)
            if body.startswith(b"Action"):
                writer.write(identity)
            else:
                writer.write(answers[int(json.loads(body).get("nextToken", 0))])
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
