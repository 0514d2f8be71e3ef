"""Fetch from forty targets of 1,000 tasks each, at 5 requests per second and 100 ms latency.

The baseline is what the rate limit allows: 20 pages take 19 intervals of 200 ms.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import boto3
import pandas as pd

import exportstats as xs
from benchmarks import server

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 40
BASELINE = "the rate limit"

_TASKS, _PAGES, _RATE, _LATENCY_SECONDS = 1000, 20, 5, 0.1


@contextlib.contextmanager
def prepare(size: int) -> Iterator[tuple[str, int]]:
    """Serve the list; import what is imported once."""
    with server.serving(_TASKS, _LATENCY_SECONDS) as url:
        xs.fetch_tasks(session=_session(), endpoint_url=url, progress=False)
        yield url, size


def _session() -> boto3.Session:
    return boto3.Session("123456789012", "made-up", region_name="us-east-1")


def the_rate_limit(given: tuple[str, int]) -> pd.DataFrame:
    """Wait as long as the rate limit requires."""
    time.sleep((_PAGES - 1) / _RATE + _LATENCY_SECONDS)
    return pd.DataFrame(index=range(given[1] * _TASKS))


def with_exportstats(given: tuple[str, int]) -> pd.DataFrame:
    """Fetch from all targets."""
    url, size = given
    targets = [xs.Target("123456789012", f"eu-test-{number}") for number in range(size)]
    return xs.fetch_tasks(
        targets,
        session=_session(),
        endpoint_url=url,
        requests_per_second=_RATE,
        progress=False,
    )


def check(frame: pd.DataFrame, size: int) -> None:
    """Check that the tasks of every target arrived."""
    assert len(frame) == size * _TASKS


CONTESTANTS = {BASELINE: the_rate_limit, "exportstats": with_exportstats}
