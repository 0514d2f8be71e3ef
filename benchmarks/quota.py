"""Fetch 150 pages at the service's quota of 5 requests per second.

The baseline is the ideal, 149 intervals of 200 ms. The run checks that no request is throttled.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import boto3
import pandas as pd

import exportstats as xs
from benchmarks import made_up
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 150  # pages
BASELINE = "the ideal"


@contextlib.contextmanager
def prepare(size: int) -> Iterator[tuple[Emulator, int]]:
    """Serve the list at the quota."""
    with Emulator(made_up.tasks(size * 50), requests_per_second=5) as emulator:
        yield emulator, size


def the_ideal(given: tuple[Emulator, int]) -> pd.DataFrame:
    """Wait as long as the quota requires."""
    time.sleep((given[1] - 1) / 5)
    return pd.DataFrame(index=range(given[1] * 50))


def with_exportstats(given: tuple[Emulator, int]) -> pd.DataFrame:
    """Fetch at the quota."""
    emulator, _ = given
    session = boto3.Session("123456789012", "made-up", region_name="us-east-1")
    tasks = xs.fetch_tasks(
        session=session, endpoint_url=emulator.url, requests_per_second=5, progress=False
    )
    assert {request.outcome for request in emulator.requests} == {"ok"}
    return tasks


def check(frame: pd.DataFrame, size: int) -> None:
    """Check that all tasks arrived."""
    assert len(frame) == size * 50


CONTESTANTS = {"the ideal": the_ideal, "exportstats": with_exportstats}
