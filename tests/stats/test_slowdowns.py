"""Lasting slowdowns: the generated one is found, none without it, all numbers computed again."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist, median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from scipy.stats import mannwhitneyu
from support import DAY, HOUR, SECOND, START, cut, plain, shuffled, table

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.slowdowns import _changes, _split, find_slowdowns

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = [
    *("account_id", "region", "log_group_name", "since", "factor", "low", "high"),
    *("p_value", "n_before", "n_after"),
]
MONDAY = START - 6 * HOUR


def tasks_of(lengths: Sequence[float], *, a_day: int = 1, **same: object) -> pd.DataFrame:
    """Return COMPLETED tasks of one log group with these durations in seconds, evenly over days."""
    made = []
    for number, took in enumerate(lengths):
        created = MONDAY + number * DAY // a_day + HOUR
        made.append({"creation_time": created, "completion_time": created + round(took * SECOND)})
    return table(*made, **{"log_group_name": "acme/api", "status_code": "COMPLETED", **same})


def noise(seed: int, many: int, sigma: float = 0.4) -> np.ndarray:
    """Return durations in seconds, lognormal, one in twenty several times as long."""
    random = np.random.default_rng(seed)
    tail = np.where(random.random(many) < 0.05, random.uniform(3, 10, many), 1)
    took: np.ndarray = 300 * np.exp(random.normal(0, sigma, many)) * tail
    return took


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    """Return the sample, read once."""
    return xs.sample_tasks()


def test_the_planted_slowdown_is_found_and_nothing_else(sample: pd.DataFrame):
    """The generated slowdown is dated within a day, its factor within 10 % and its interval."""
    found = find_slowdowns(sample)
    assert list(found.columns) == COLUMNS
    assert found["log_group_name"].to_list() == ["acme/payments/api"]
    row = found.iloc[0]
    assert abs(row["since"] - pd.Timestamp("2026-09-14T00:00Z")) < pd.Timedelta("1D")
    assert abs(row["factor"] / 2.5 - 1) < 0.1
    assert row["low"] < 2.5 < row["high"]
    assert row["p_value"] < 1e-6
    assert row["n_before"] + row["n_after"] == 363


def test_without_a_slowdown_there_is_no_row(sample: pd.DataFrame):
    """Weekdays, long tails, outages and windows of any length are no slowdown."""
    assert len(find_slowdowns(sample[sample["log_group_name"] != "acme/payments/api"])) == 0


def test_it_is_found_soon_and_not_before(sample: pd.DataFrame):
    """It is found from the tenth night on, with the same date, and not before."""
    assert len(find_slowdowns(sample, as_of="2026-09-23T00:00Z")) == 0
    found = find_slowdowns(sample, as_of="2026-09-24T00:00Z")
    assert plain(found["since"]) == plain(find_slowdowns(sample)["since"])
    assert found["n_after"].to_list() == [10]


@pytest.mark.parametrize(("days", "many"), [(10, 1), (9, 0)])
def test_ten_days_on_each_side_are_enough(days: int, many: int):
    """A change is found with 10 days before and 10 after it, but not with 9 after it."""
    before, after = np.tile([60, 66], 5), np.tile([600, 660], 5)[:days]
    assert len(find_slowdowns(tasks_of([*before, *after]))) == many


def test_as_of_is_a_table_cut_off(sample: pd.DataFrame):
    """With `as_of`, the result is that of the tasks that had ended by then."""
    as_of = pd.Timestamp("2026-10-10T14:00Z")
    ended = sample[sample["completion_time"] <= as_of]
    assert_frame_equal(find_slowdowns(sample, as_of=as_of), find_slowdowns(ended))


def test_the_factor_and_its_interval_are_hodges_and_lehmanns():
    """They are the median and two order statistics of all differences of logarithms."""
    took = noise(3, 120) * np.where(np.arange(120) < 80, 1, 3)
    found = find_slowdowns(tasks_of(took))
    before, after = (int(found[name].iloc[0]) for name in ("n_before", "n_after"))
    assert before + after == 120
    logs = [math.log(round(length * SECOND)) for length in took]
    apart = sorted(late - early for late in logs[before:] for early in logs[:before])
    sigma = math.sqrt(before * after * 121 / 12)
    rank = math.floor(before * after / 2 - NormalDist().inv_cdf(0.975) * sigma)
    expected = [median(apart), apart[rank - 1], apart[-rank]]
    numbers = [found[name].iloc[0] for name in ("factor", "low", "high")]
    assert numbers == pytest.approx([math.exp(log) for log in expected])


@given(st.lists(st.integers(0, 12), min_size=20, max_size=60))
def test_the_split_is_where_the_rank_sums_differ_most(values: list[int]):
    """The split is at the largest tie-corrected Mann-Whitney statistic of SciPy."""
    at, p = _split(np.array(values, dtype="float64"), np.array([0]), np.array([len(values)]))
    assert 0 <= p[0] <= 1
    if len(set(values)) == 1:
        assert p[0] == 1
        return
    pvalues = {
        k: mannwhitneyu(values[:k], values[k:], method="asymptotic", use_continuity=False).pvalue
        for k in range(10, len(values) - 9)
    }
    assert pvalues[int(at[0])] == pytest.approx(min(pvalues.values()))


@pytest.mark.parametrize("ones", [3, 6, 10])
def test_ties_are_corrected_for(ones: int):
    """The p-value is that of SciPy's tie-corrected statistic, as the largest of its size."""
    before, after = [0.0] * 10, [1.0] * ones + [0.0] * (10 - ones)
    test = mannwhitneyu(before, after, method="asymptotic", use_continuity=False)
    z = NormalDist().inv_cdf(1 - test.pvalue / 2)
    _, p = _split(np.array([*before, *after]), np.array([0]), np.array([20]))
    rest = np.array([*before, *after]) - np.repeat([0, ones / 10], 10)
    correlation = min(max(float(rest[1:] @ rest[:-1] / max(rest @ rest, 1e-9)), 0), 0.5)
    b = z / math.sqrt((1 + correlation) / (1 - correlation))
    expected = NormalDist().pdf(b) * 4 / b  # of 20 days, only one place is possible
    assert p[0] == pytest.approx(expected if b > 1 else 1)


def test_many_ranges_are_split_as_each_alone():
    """Ranges of different lengths are split together as each is alone."""
    parts = [np.log(noise(seed, many)) for seed, many in ((1, 20), (2, 77), (3, 200))]
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]
    at, p = _split(np.concatenate(parts), starts, ends)
    for part, start, place, value in zip(parts, starts, at, p, strict=True):
        alone, p_alone = _split(part, np.array([0]), np.array([len(part)]))
        assert place - start == alone[0]
        assert value == pytest.approx(p_alone[0])


@pytest.mark.parametrize("correlation", [0, 0.4], ids=["independent", "correlated"])
def test_false_alarms_are_rare(correlation: float):
    """Of 2,000 log groups without a change in a year, at most 5 % and 1 % are below these levels.

    This holds for long tails, and if consecutive days are correlated.
    """
    random = np.random.default_rng(20261124)
    groups, days = 2000, 365
    values = random.standard_t(3, (groups, days))
    for day in range(1, days):
        values[:, day] += correlation * values[:, day - 1]
    starts = np.arange(groups) * days
    _, p = _split(values.ravel(), starts, starts + days)
    assert (p <= 0.05).mean() <= 0.05
    assert (p <= 0.01).mean() <= 0.01


@pytest.mark.slow
def test_a_fleet_without_a_change_has_no_slowdown():
    """300 log groups of noise, with p-values corrected for their number, have none."""
    took = np.concatenate([noise(seed, 200) for seed in range(300)])
    whole = pd.concat([tasks_of(noise(0, 200))] * 300, ignore_index=True)
    names = np.repeat([f"group-{number}" for number in range(300)], 200)
    ended = whole["creation_time"] + pd.to_timedelta((took * SECOND).round(), unit="ms")
    tasks = whole.assign(
        task_id=[str(number) for number in range(60_000)],
        log_group_name=names,
        completion_time=ended.dt.as_unit("ms"),
    )
    assert len(find_slowdowns(frames.conform(tasks))) == 0


def test_weekdays_are_no_slowdown():
    """A weekly rhythm, Mondays five times as long as Sundays, is no slowdown."""
    week = np.array([2.5, 2.2, 1.5, 1, 1, 0.6, 0.5])
    assert len(find_slowdowns(tasks_of(noise(5, 210, 0.1) * week[np.arange(210) % 7]))) == 0


def test_a_noisy_night_is_no_slowdown():
    """A night of 24 hourly exports that all take ten times as long is no slowdown."""
    took = noise(6, 24 * 60, 0.1)
    took[24 * 50 : 24 * 51] *= 10
    assert len(find_slowdowns(tasks_of(took, a_day=24))) == 0
    took[24 * 57 :] *= 10  # nor are three days at the end
    assert len(find_slowdowns(tasks_of(took, a_day=24))) == 0


def test_many_tasks_a_day_are_dated_to_the_day():
    """With hourly exports, a slowdown is dated to the first task of its day."""
    took = noise(7, 24 * 60, 0.3) * np.where(np.arange(24 * 60) < 959, 1, 2)
    found = find_slowdowns(tasks_of(took, a_day=24))
    assert plain(found["since"]) == [MONDAY + 40 * DAY]
    assert found[["n_before", "n_after"]].to_numpy().tolist() == [[959, 481]]
    assert found["factor"].iloc[0] == pytest.approx(2, rel=0.1)


def test_only_what_is_slower_and_large_enough():
    """A speed-up is not listed, nor a slowdown of 10 %; one of 50 % is."""
    quiet = noise(8, 200, 0.02)
    late = np.arange(200) >= 100
    assert len(find_slowdowns(tasks_of(quiet * np.where(late, 0.4, 1)))) == 0
    assert len(find_slowdowns(tasks_of(quiet * np.where(late, 1.1, 1)))) == 0
    assert len(find_slowdowns(tasks_of(quiet * np.where(late, 1.5, 1)))) == 1


def test_each_lasts_to_the_next():
    """Two steps up and one down are two slowdowns, each compared with the time just before."""
    steps = np.repeat([1.0, 2.0, 6.0, 1.0], 60)
    found = find_slowdowns(tasks_of(np.random.default_rng(9).lognormal(5, 0.1, 240) * steps))
    assert plain(found["since"]) == [MONDAY + night * DAY + HOUR for night in (60, 120)]
    assert found["factor"].to_list() == pytest.approx([2, 3], rel=0.1)
    assert found[["n_before", "n_after"]].to_numpy().tolist() == [[60, 60], [60, 60]]


def test_splits_are_found_in_all_halves():
    """The changes in one range do not depend on other ranges."""
    values = np.concatenate([np.repeat([0.0, 1.0, 2.0], 30), np.zeros(90)])
    values += np.random.default_rng(1).normal(0, 0.05, len(values))
    alone = _changes(values[:90], np.array([0]), np.array([90]))
    both = _changes(values, np.array([0, 90]), np.array([90, 180]))
    assert sorted(alone) == sorted(both) == [30, 60]


@pytest.mark.parametrize("nights", [0, 1, 2, 19])
def test_too_few_days(nights: int):
    """Fewer than 20 days with tasks are not enough."""
    assert len(find_slowdowns(tasks_of([60] * (nights // 2) + [600] * (nights - nights // 2)))) == 0


def test_all_equal_all_failed_none():
    """Equal durations, only failed tasks, and no tasks give no row."""
    assert len(find_slowdowns(tasks_of([60] * 50))) == 0
    assert len(find_slowdowns(tasks_of([60] * 25 + [600] * 25, status_code="FAILED"))) == 0
    nothing = find_slowdowns(frames.empty())
    assert list(nothing.columns) == COLUMNS
    assert nothing["since"].dtype == "datetime64[ms, UTC]"
    assert nothing["n_after"].dtype == "int64"


@given(st.integers(0, 2**32).map(Random))
def test_any_split_and_any_order_give_the_same(sample: pd.DataFrame, random: Random):
    """Neither shards nor the order of the rows change the result."""
    expected = find_slowdowns(sample)
    assert_frame_equal(find_slowdowns(cut(sample, random)), expected)
    assert_frame_equal(find_slowdowns(shuffled(sample, random)), expected)


def test_an_instant_without_a_zone_is_refused():
    """An instant without a time zone is refused by its value."""
    with pytest.raises(ArgumentError, match="as_of='2026-11-23T06:00'"):
        find_slowdowns(frames.empty(), as_of="2026-11-23T06:00")
