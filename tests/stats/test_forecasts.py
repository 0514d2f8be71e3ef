"""Forecasts: against plain Python, over the sample, and where little is known."""

from __future__ import annotations

from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import cut, plain, quick, shuffled, table, tables

import exportstats as xs
from exportstats.core import frames
from exportstats.stats.predictive import TIME_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
HOUR, DAY = 3_600_000, 86_400_000
NOW = 20_000 * DAY


def history(durations: Sequence[int], **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a task's
    """Make COMPLETED tasks, one a day, of day-long windows, the last one yesterday."""
    first = NOW - (len(durations) + 1) * DAY
    return [
        {
            **GROUP,
            "task_id": f"{fields.get('log_group_name', '')}{number:05}",
            "status_code": "COMPLETED",
            "from_time": 0,
            "to_time": DAY - 1,
            "creation_time": first + number * DAY,
            "completion_time": first + number * DAY + duration,
            **fields,
        }
        for number, duration in enumerate(durations)
    ]


def active(elapsed: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a task's
    """Make a task that has run for so long."""
    return {
        **GROUP,
        "task_id": "active",
        "status_code": "RUNNING",
        "from_time": 0,
        "to_time": DAY - 1,
        "creation_time": NOW - elapsed,
        "completion_time": None,
        "observed_at": NOW,
        **fields,
    }


def only(tasks: pd.DataFrame, **arguments: Any) -> Any:  # noqa: ANN401 - a row
    """Give the one row of an estimate."""
    (row,) = xs.estimate_completion(tasks, **arguments).itertuples()
    return row


def order_statistic(values: Sequence[float], share: float) -> float:
    """Give a quantile, the k-th of n at k / (n + 1), linear between."""
    ranked = sorted(values)
    at = min(max(share * (len(ranked) + 1) - 1, 0), len(ranked) - 1)
    low = int(at)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (at - low)


@pytest.mark.parametrize("elapsed", [0, 50_000, 250_000])
def test_the_rest_is_that_of_those_that_took_longer(elapsed: int):
    """Quantiles of the history's durations beyond what has elapsed, counted plainly."""
    durations = [60_000 + 7_000 * (number * 37 % 61) for number in range(61)]
    row = only(table(*history(durations), active(elapsed)))
    longer = [duration for duration in durations if duration > elapsed]
    wanted = [round(order_statistic(longer, share) - elapsed) for share in (0.1, 0.5, 0.9)]
    found = [row.remaining_low, row.remaining, row.remaining_high]
    assert [length // pd.Timedelta("1ms") for length in found] == wanted
    assert (row.basis, row.n, row.model, row.scaled) == ("log_group", 61, "empirical", False)
    assert row.ends == pd.Timestamp(NOW, unit="ms", tz="UTC") + row.remaining
    assert row.timeout_probability == 0


def test_only_the_latest_hundred_count():
    """A log group that became slower is forecast by how it is now."""
    row = only(table(*history([60_000] * 300 + [600_000] * 100), active(0)))
    assert row.n == 100
    assert row.remaining == pd.Timedelta("10min")


def test_the_basis_widens_where_history_is_short():
    """Fewer than 20 of the log group: the slot's; fewer there: all there is."""
    few = history([60_000] * 19)
    slot = history([120_000] * 20, log_group_name="other")
    far = history([180_000] * 30, region="us-east-1", log_group_name="far")
    assert only(table(*few, *slot, active(0))).basis == "slot"
    row = only(table(*few, *far, active(0)))
    assert (row.basis, row.n) == ("all", 49)
    row = only(table(*history([60_000] * 3), active(0)))
    assert (row.basis, row.n, row.remaining) == ("all", 3, pd.Timedelta("1min"))


def test_a_window_of_twice_the_length_takes_twice_as_long():
    """Where durations follow the windows, they are scaled; the estimate follows."""
    random = Random(7)  # noqa: S311 - a test's
    rows = []
    for number, row in enumerate(history([0] * 60)):
        hours = 1 + number % 6
        took = int(hours * 60_000 * random.uniform(0.95, 1.05))
        window = {"to_time": hours * HOUR - 1}
        rows.append({**row, **window, "completion_time": row["creation_time"] + took})
    row = only(table(*rows, active(0, to_time=12 * HOUR - 1)))
    assert row.scaled
    assert row.remaining / pd.Timedelta("12min") == pytest.approx(1, abs=0.05)
    even = only(table(*history([60_000 + n for n in range(60)]), active(0, to_time=12 * HOUR - 1)))
    assert not even.scaled


def test_past_all_history_a_distribution_is_fitted():
    """It says so, and the time-out at 24 hours bounds what it says."""
    random = np.random.default_rng(5)
    durations = [int(value) for value in random.lognormal(12, 0.5, 60)]
    row = only(table(*history(durations), active(2 * max(durations))))
    assert row.model in ("lognormal", "weibull")
    assert pd.Timedelta(0) < row.remaining_low < row.remaining < row.remaining_high
    late = only(table(*history(durations), active(TIME_OUT - 60_000)))
    assert late.remaining_high <= pd.Timedelta("1min")
    assert 0 <= late.timeout_probability <= 1
    over = only(table(*history(durations), active(TIME_OUT + 5)))
    assert over.remaining == pd.Timedelta(0)


def test_tasks_that_timed_out_count():
    """A failure after 24 hours is a duration of at least that long; another failure is none."""
    rows = history([60_000] * 15 + [TIME_OUT] * 5)
    for row in rows[15:]:
        row["status_code"] = "FAILED"
    failed = history([1_000] * 30, status_code="FAILED", log_group_name="acme/api")
    row = only(
        table(*rows, *[{**one, "task_id": f"f{one['task_id']}"} for one in failed], active(0))
    )
    assert row.n == 20
    assert row.timeout_probability == 0.25


def test_what_cannot_be_known_is_missing():
    """No history, an unknown instant, or all equal and longer than all."""
    alone = only(table(active(5)))
    assert (alone.basis, alone.n, alone.model) == ("none", 0, "none")
    assert alone.remaining is pd.NaT
    assert alone.elapsed == pd.Timedelta("5ms")
    unseen = only(table(*history([60_000] * 30), active(5, observed_at=None)))
    assert unseen.elapsed is pd.NaT
    assert unseen.ends is pd.NaT
    beyond = only(table(*history([60_000] * 30), active(60_001)))
    assert (beyond.model, beyond.n, beyond.basis) == ("none", 30, "log_group")
    assert beyond.remaining is pd.NaT


def test_no_active_task_is_an_empty_table():
    """Its columns have their dtypes."""
    some, none = (
        xs.estimate_completion(tasks)
        for tasks in (table(*history([60_000] * 30), active(5)), frames.empty())
    )
    assert len(none) == 0
    assert none.dtypes.astype("str").to_dict() == some.dtypes.astype("str").to_dict()


@quick
@given(tasks=tables(max_size=30), seed=st.integers(0, 99), as_of=st.booleans())
def test_shards_and_order_make_no_difference(tasks: pd.DataFrame, seed: int, as_of: bool):  # noqa: FBT001
    """Whole slots in any shards, rows in any order, now or at an instant."""
    random = Random(seed)  # noqa: S311 - a test's
    arguments = {"as_of": "2026-11-03T00:00Z"} if as_of else {}
    whole = xs.estimate_completion(tasks, **arguments)
    shards = cut(shuffled(tasks, random), random, anew=bool(seed % 2))
    pd.testing.assert_frame_equal(
        xs.estimate_completion(shards, **arguments), whole, check_categorical=False
    )


def test_the_sample_is_forecast_better_than_by_an_average():
    """Sixty tasks, each halfway: the middle 80 % hold most, and the median error is smaller."""
    tasks = xs.sample_tasks()
    done = tasks[(tasks["status_code"] == "COMPLETED") & (tasks["creation_time"] >= "2026-06-01")]
    held, errors, plainly = [], [], []
    for task in done.sample(60, random_state=3).itertuples():
        as_of = (task.creation_time + task.duration / 2).floor("ms")
        told = xs.estimate_completion(tasks, as_of=as_of)
        (row,) = told[told["task_id"] == task.task_id].itertuples()
        rest = task.completion_time - as_of
        before = tasks[
            (tasks["log_group_name"] == task.log_group_name)
            & (tasks["account_id"] == task.account_id)
            & (tasks["region"] == task.region)
            & (tasks["completion_time"] <= as_of)
            & (tasks["status_code"] == "COMPLETED")
        ]
        average = sum(plain(before["duration"])) / len(before) - plain(told["elapsed"])[0]
        held.append(row.remaining_low <= rest <= row.remaining_high)
        errors.append(abs((rest - row.remaining).total_seconds()))
        plainly.append(abs(rest.total_seconds() - max(average / 1000, 0)))
    assert 0.65 < sum(held) / len(held) < 0.95
    assert median(errors) < 0.7 * median(plainly)
