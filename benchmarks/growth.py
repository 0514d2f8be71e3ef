"""Measure throughput with 1, 2, 4 and 8 targets, without a rate limit.

The number of tasks is the same for any number of targets, so more throughput means less time. Each
number of targets has its own server, which answers from memory without latency. The CPU of servers
and of an executor's processes is not included; their time is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import exportstats as xs
from benchmarks import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

SIZE = 80_000
BASELINE = "1 target"

_MOST = 8
_PROCESSES = 2


class Given(NamedTuple):
    """The server for each number of targets, and a pool whose processes have started."""

    urls: dict[int, str]
    pool: ProcessPoolExecutor


@contextlib.contextmanager
def prepare(size: int) -> Iterator[Given]:
    """Serve a list for each number of targets, and import everything before measuring."""
    # the executor's processes create their own session
    os.environ |= {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "made-up"}
    with contextlib.ExitStack() as stack:
        numbers = [number for number in (1, 2, 4, _MOST) if size // number]
        urls = {number: stack.enter_context(server.serving(size // number)) for number in numbers}
        spawn = multiprocessing.get_context("spawn")
        given = Given(urls, stack.enter_context(ProcessPoolExecutor(_PROCESSES, spawn)))
        few = stack.enter_context(server.serving(_MOST))
        for pool in (None, given.pool):
            _fetch(few, _MOST, pool)
        yield given


def in_threads(given: Given, *, number: int) -> pd.DataFrame:
    """Fetch from `number` targets at once, each in a thread."""
    return _fetch(given.urls[number], number, None)


def in_processes(given: Given, *, number: int) -> pd.DataFrame:
    """Fetch from `number` targets on an executor of processes."""
    return _fetch(given.urls[number], number, given.pool)


def _fetch(url: str, number: int, executor: ProcessPoolExecutor | None) -> pd.DataFrame:
    targets = [xs.Target("123456789012", f"eu-test-{n}") for n in range(number)]
    at_once = None if executor is None else max(1, number // _PROCESSES)
    return xs.fetch_tasks(
        targets, endpoint_url=url, max_workers=at_once, executor=executor, progress=False
    )


_TARGETS = {1: "1 target", **{number: f"{number} targets" for number in (2, 4, _MOST)}}
CONTESTANTS = {name: partial(in_threads, number=number) for number, name in _TARGETS.items()} | {
    f"{name}, {_PROCESSES} processes": partial(in_processes, number=number)
    for number, name in _TARGETS.items()
    if number >= _PROCESSES
}
