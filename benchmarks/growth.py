"""How throughput grows with 1, 2, 4 and 8 targets, when nothing limits the pace.

All targets together have as many tasks whatever their number, so what grows shows as less time.
The server answers from memory, without latency, from one process of its own.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import boto3

import exportstats as xs
from benchmarks import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

SIZE = 80_000
BASELINE = "1 target"

_MOST = 8


@contextlib.contextmanager
def prepare(size: int) -> Iterator[dict[int, str]]:
    """Serve a list of the length that each number of targets needs; import what is imported."""
    with contextlib.ExitStack() as stack:
        numbers = [number for number in (1, 2, 4, _MOST) if size // number]
        urls = {number: stack.enter_context(server.serving(size // number)) for number in numbers}
        xs.fetch_tasks(session=_session(), endpoint_url=urls[_MOST], progress=False)
        yield urls


def _session() -> boto3.Session:
    return boto3.Session("123456789012", "made-up", region_name="us-east-1")


def fetch(urls: dict[int, str], *, number: int) -> pd.DataFrame:
    """Fetch from so many targets at once."""
    return xs.fetch_tasks(
        [xs.Target("123456789012", f"eu-test-{n}") for n in range(number)],
        session=_session(),
        endpoint_url=urls[number],
        progress=False,
    )


def check(frame: pd.DataFrame, size: int) -> None:
    """See that all is there."""
    assert len(frame) == size


CONTESTANTS = {
    f"{number} target{'s' if number > 1 else ''}": partial(fetch, number=number)
    for number in (1, 2, 4, _MOST)
}
