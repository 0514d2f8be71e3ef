"""Fetch 60 pages of API calls at LookupEvents' quota of 2 requests per second.

The baseline is the ideal, an interval of 500 ms between requests. The run checks that no request is
throttled. CloudTrail is asked once for each of the two calls, and one page has no cancelled tasks.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from typing import TYPE_CHECKING

import boto3
import pandas as pd

from benchmarks.api_calls import record
from exportstats import fetch_api_calls
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 60  # pages
BASELINE = "the ideal"

_IN_PAGE = 50
_QUOTA = 2


@contextlib.contextmanager
def prepare(size: int) -> Iterator[tuple[Emulator, int]]:
    """Serve API calls of the last hour at the quota, which is two fifths of that of tasks."""
    now = f"{dt.datetime.now(dt.UTC) - dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    calls = [record(number) | {"eventTime": now} for number in range((size - 1) * _IN_PAGE)]
    with Emulator(api_calls=calls, requests_per_second=5) as emulator:
        yield emulator, size


def the_ideal(given: tuple[Emulator, int]) -> pd.DataFrame:
    """Wait as long as the quota requires."""
    time.sleep((given[1] - 1) / _QUOTA)
    return pd.DataFrame(index=range((given[1] - 1) * _IN_PAGE))


def with_exportstats(given: tuple[Emulator, int]) -> pd.DataFrame:
    """Fetch at the quota."""
    emulator, size = given
    session = boto3.Session("111122223333", "made-up", region_name="eu-west-1")
    calls = fetch_api_calls(
        session=session, endpoint_url=emulator.url, requests_per_second=_QUOTA, progress=False
    )
    asked = [one for one in emulator.requests if one.operation == "LookupEvents"]
    assert len(asked) == size
    assert {request.outcome for request in asked} == {"ok"}
    return calls


def check(frame: pd.DataFrame, size: int) -> None:
    """Check that all API calls arrived."""
    assert len(frame) == (size - 1) * _IN_PAGE


CONTESTANTS = {"the ideal": the_ideal, "exportstats": with_exportstats}
