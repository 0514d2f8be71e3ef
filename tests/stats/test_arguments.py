"""Arguments that several statistics share mean the same in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from support import HOUR, Shards, ms, table

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_periods_of_every_function_are_those_of_the_zone():
    """In Berlin, a task before midnight (UTC) belongs to the next day in every function."""
    late = ms("2026-10-24T22:30Z")
    tasks = table(
        {"creation_time": late, "completion_time": late + HOUR, "status_code": "COMPLETED"},
        account_id="111122223333",
        region="eu-central-1",
    )
    for function in (xs.status_breakdown, xs.duration_trend, xs.slot_usage):
        for tz, day in (("UTC", "2026-10-24"), ("Europe/Berlin", "2026-10-25")):
            found = function(tasks, freq="D", tz=tz)
            first = found[found[found.columns[0]] > 0].index.get_level_values("period")[0]
            assert first == pd.Timestamp(day, tz=tz), function
        with pytest.raises(ArgumentError, match="tz='Berlin' is not a time zone"):
            function(tasks, freq="D", tz="Berlin")
    usage = xs.slot_usage(tasks, freq="D", tz="Europe/Berlin")
    share = HOUR / (25 * HOUR)  # the day on which clocks are set back
    assert usage["busy_share"].tolist() == pytest.approx([share])


def test_as_of_is_a_table_of_then():
    """Each statistic with `as_of` is that of the tasks as they were known."""
    day = ms("2026-11-20T00:00Z")
    rows = [
        {"creation_time": day + n * HOUR, "completion_time": day + (2 * n + 1) * HOUR}
        for n in range(12)
    ]
    tasks = table(*rows, status_code="COMPLETED", to_time=day, status_message="x")
    tasks["status_code"] = tasks["status_code"].where(tasks.index % 3 > 0, "FAILED")
    then = known_at(tasks, "2026-11-20T09:00Z")
    assert 0 < len(then) < len(tasks)
    for function in (
        xs.status_breakdown,
        xs.failure_reasons,
        xs.duration_summary,
        xs.duration_trend,
        xs.duration_histogram,
        xs.completion_curve,
        xs.completion_times,
        xs.landing_lag,
    ):
        found, expected = function(tasks, as_of="2026-11-20T09:00Z"), function(then)
        assert_frame_equal(found, expected)
        assert len(found) != len(function(tasks)) or not found.equals(function(tasks)), function


def test_one_quantile_and_a_column_of_any_name():
    """A quantile may be one number, and an own column may have the name of another result."""
    tasks = table({"creation_time": 0, "completion_time": 9}, status_code="COMPLETED")
    tasks = tasks.assign(unit="web", share="all", previous=1)
    assert xs.duration_summary(tasks, quantiles=0.95, by="unit")["p95"].notna().all()
    trend = xs.duration_trend(tasks, quantiles=1, by=["share", "previous"])
    assert trend.index.names == ["share", "previous", "period"]
    assert trend.columns.tolist() == ["completed", "censored", "p100"]
    with pytest.raises(ArgumentError, match="by='p95' is a column of the result itself"):
        xs.duration_summary(tasks.assign(p95="x"), quantiles=0.95, by="p95")


@pytest.mark.parametrize("make", [xs.status_breakdown, xs.duration_trend])
@pytest.mark.parametrize(("freq", "start"), [("W", "2026-11-23"), ("MS", "2026-11-01")])
def test_the_unfinished_period_is_marked(
    make: Callable[..., pd.DataFrame], freq: str, start: str, tmp_path: Path
):
    """It is that of the newest observation, by the zone's clocks; of shards, of their newest."""
    tasks = xs.sample_tasks()
    middle = len(tasks) // 2
    for some in (tasks, Shards([tasks.iloc[:middle], tasks.iloc[middle:]])):
        answer = make(some, freq=freq, tz="Europe/Berlin")
        assert answer.attrs == {"unfinished": f"{start}T00:00:00+01:00"}
    answer.to_parquet(tmp_path / "answer.parquet")  # which writes the attributes as JSON
    known = make(tasks, freq=freq, as_of="2026-09-30T23:30Z").attrs["unfinished"]
    assert pd.Timestamp(known) == pd.Timestamp(
        {"W": "2026-09-28T00Z", "MS": "2026-09-01T00Z"}[freq]
    )


@pytest.mark.parametrize("make", [xs.status_breakdown, xs.duration_trend])
def test_without_observations_no_period_is_marked(make: Callable[..., pd.DataFrame]):
    """Without a task, or without a time of observation, there is nothing to tell."""
    unseen = xs.conform(xs.sample_tasks().head(9).assign(observed_at=pd.NaT))
    for tasks in (frames.empty(), unseen):
        assert make(tasks, freq="D").attrs == {}


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (xs.status_breakdown, {"freq": "fortnight"}),
        (xs.status_breakdown, {"tz": "Mars"}),
        (xs.duration_trend, {"freq": "fortnight"}),
        (xs.duration_trend, {"tz": "Mars"}),
        (xs.slot_usage, {"freq": "fortnight"}),
        (xs.slot_usage, {"tz": "Mars"}),
        (xs.completion_times, {"tz": "Mars"}),
    ],
)
def test_arguments_are_checked_before_a_shard_is_read(
    make: Callable[..., pd.DataFrame], wrong: dict[str, str]
):
    """An invalid frequency or time zone is refused at once, not after minutes of reading."""

    class Unread(Shards):
        def map(self, _: object) -> None:
            raise AssertionError

    ((name, value),) = wrong.items()
    with pytest.raises(ArgumentError, match=f"{name}={value!r}"):
        make(Unread([]), **wrong)
