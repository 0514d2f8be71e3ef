"""Find the gaps between a million windows in a thousand log groups.

The baseline merges the same windows, without gaps and reasons. "shuffled" is the same in
random order.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import bioframe
import numpy as np
import pandas as pd

import exportstats as xs
from exportstats.core import coerce
from exportstats.stats.windows import Intervals, find_uncovered

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000_000
BASELINE = "bioframe.merge"

_GROUPS = 1_000
_DAY = 86_400_000
_START = 1_000 * _DAY
_FAILED = 0.02  # of the nights
_SEED = 20261124


class Given(NamedTuple):
    """The same windows in the form that each contestant takes."""

    tasks: pd.DataFrame
    covering: Intervals
    frame: pd.DataFrame
    days: int


@contextlib.contextmanager
def prepare(size: int) -> Iterator[dict[str, Given]]:
    """Make nightly tasks, by time and shuffled, and import everything before measuring."""
    random = np.random.default_rng(_SEED)
    days = size // _GROUPS
    group = np.repeat(np.arange(_GROUPS), days)
    start = _START + np.tile(np.arange(days), _GROUPS) * _DAY
    names = pd.Index([f"/acme/{number:04}" for number in range(_GROUPS)])
    tasks = xs.conform(
        pd.DataFrame(
            {
                "account_id": "111122223333",
                "region": "eu-west-1",
                "task_id": [f"{number:032x}" for number in range(len(group))],
                "log_group_name": pd.Categorical.from_codes(group, names),
                "from_time": start,
                "to_time": start + _DAY - 1,
                "status_code": np.where(random.random(len(group)) < _FAILED, "FAILED", "COMPLETED"),
                "creation_time": start + 2 * _DAY,
            }
        )
    )
    shuffled = tasks.sample(frac=1, random_state=_SEED, ignore_index=True)
    given = {"": _given(tasks, days), ", shuffled": _given(shuffled, days)}
    bioframe.merge(given[""].frame.head(100))
    xs.find_gaps(tasks.head(100), **_range(days))
    yield given


def _given(tasks: pd.DataFrame, days: int) -> Given:
    done = (tasks["status_code"] == "COMPLETED").to_numpy()
    group = tasks["log_group_name"].cat.codes.to_numpy()[done].astype("int64")
    start = coerce.millis(tasks["from_time"])[done]
    end = coerce.millis(tasks["to_time"])[done] + 1
    names = tasks["log_group_name"].astype("str").to_numpy()[done]
    frame = pd.DataFrame({"chrom": names, "start": start, "end": end})
    return Given(tasks, Intervals(group, start, end), frame, days)


def _range(days: int) -> dict[str, pd.Timestamp]:
    edges = {"start": _START, "end": _START + days * _DAY}
    return {name: pd.Timestamp(time, unit="ms", tz="UTC") for name, time in edges.items()}


def with_bioframe(given: dict[str, Given], *, order: str) -> pd.DataFrame:
    """Merge the windows of each log group."""
    return bioframe.merge(given[order].frame)


def with_kernel(given: dict[str, Given], *, order: str) -> pd.DataFrame:
    """Find the gaps, as numbers only."""
    mine = given[order]
    low = np.full(_GROUPS, _START)
    found = find_uncovered(mine.covering, low, low + mine.days * _DAY)
    return pd.DataFrame(found._asdict())


def with_exportstats(given: dict[str, Given], *, order: str) -> pd.DataFrame:
    """Find the gaps with all their columns."""
    return xs.find_gaps(given[order].tasks, **_range(given[order].days))


def check(frame: pd.DataFrame, size: int) -> None:
    """Check that there are about as many gaps, or merged intervals, as failed nights."""
    assert 0.9 < len(frame) / (_FAILED * size) < 1.2, len(frame)


CONTESTANTS = {
    f"{name}{order}": partial(run, order=order)
    for order in ("", ", shuffled")
    for name, run in (
        (BASELINE, with_bioframe),
        ("the kernel", with_kernel),
        ("find_gaps", with_exportstats),
    )
}
