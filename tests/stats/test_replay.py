"""The sample is replayed day by day: with `as_of`, each table is what it was at that time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from support import DAY, Row, ms, rows_of, some

import exportstats as xs
from exportstats.core import frames, schema

if TYPE_CHECKING:
    from collections.abc import Callable

# Most days have an active task in the early afternoon, and almost none at midnight.
DAYS = range(ms("2025-11-26T14:30:00Z"), ms("2026-11-22T14:30:00Z") + 1, DAY)
PARTS = 24


def weeks(tasks: pd.DataFrame, *, until: pd.Timestamp, **more: Any) -> pd.DataFrame:  # noqa: ANN401
    """Compare the seven days before an instant with the seven days before them."""
    week = pd.Timedelta("7D")
    current, previous = (until - week, until), (until - 2 * week, until - week)
    return xs.compare_periods(tasks, current=current, previous=previous, **more)


TABLES: tuple[Callable[..., pd.DataFrame], ...] = (
    xs.duration_summary,
    xs.completion_curve,
    xs.estimate_completion,
    xs.find_slow_tasks,
    xs.find_slowdowns,
    xs.landing_lag,
    xs.slot_usage,
    weeks,
)


def observed_at_then(tasks: pd.DataFrame, rows: list[Row], as_of: int) -> pd.DataFrame:
    """Return the tasks as they would have been fetched at an instant, changed by hand."""
    there = [row["creation_time"] <= as_of for row in rows]
    then = []
    for row, was in zip(rows, there, strict=True):
        if was:
            end = row["completion_time"]
            as_now = (row["status_code"], row["status_message"], end)
            later = end is not None and end > as_of
            then.append(("RUNNING", None, None) if later else as_now)
    states, messages, ends = zip(*then, strict=True)
    known = tasks[there].assign(
        status_code=pd.Categorical(states, dtype=tasks["status_code"].dtype),
        status_message=pd.Categorical(messages, dtype=tasks["status_message"].dtype),
        completion_time=pd.to_datetime(pd.array(ends, dtype="Int64"), unit="ms", utc=True),
        observed_at=pd.Timestamp(as_of, unit="ms", tz="UTC"),
    )
    times = known[["completion_time", "observed_at"]].astype("datetime64[ms, UTC]")
    return frames.derive(known.assign(**times))


@pytest.fixture(scope="module")
def sample() -> tuple[pd.DataFrame, list[Row]]:
    """Return the sample, also as plain Python rows."""
    tasks = xs.sample_tasks()
    return tasks, rows_of(tasks)


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("part", some(range(PARTS), PARTS))
def test_the_past_is_as_it_was(part: int, sample: tuple[pd.DataFrame, list[Row]]):
    """With `as_of`, each table is that of the tasks as they would have been fetched then.

    A part is every 24th day of the sample; the profile "ci" replays all parts. On most days a task
    was active.
    """
    tasks, rows = sample
    days = DAYS[part::PARTS]
    active = 0
    for day in days:
        then = observed_at_then(tasks, rows, day)
        active += not then["status_code"].isin(schema.TERMINAL_STATES).all()
        as_of = pd.Timestamp(day, unit="ms", tz="UTC")
        for table in TABLES:
            more = {"until": as_of} if table is weeks else {}
            assert_frame_equal(
                table(tasks, as_of=as_of, **more),
                table(then, **more),
                check_categorical=False,
                obj=f"{table.__name__} as of {as_of}",
            )
    assert len(days) >= 15
    assert active > 0.7 * len(days)
