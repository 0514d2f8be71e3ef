"""Intervals and verdicts of compared periods: Newcombe's, the bootstrap's, and who has none."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from compared import W46, W47, compared, week
from hypothesis import given, strategies as st

from exportstats.stats.periods import _resample, by_measure
from exportstats.stats.weighted import sort_weighted

Z = 1.959963984540054
ZERO = pd.Timedelta(0)


def verdicts(table_: pd.DataFrame) -> list[str]:
    """Return the verdicts of a table of one group."""
    found: list[str] = table_.xs("verdict", axis=1, level="value").loc["all"].to_list()
    return found


def wilson(rate: float, n: int) -> tuple[float, float]:
    """Return the two solutions of Wilson's quadratic equation."""
    a, b, c = 1 + Z**2 / n, -(2 * rate + Z**2 / n), rate**2
    root = math.sqrt(max(b**2 - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def newcombe(p: float, n: int, q: float, m: int) -> tuple[float, float]:
    """Return Newcombe's interval of q - p."""
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, m)
    low = q - p - math.sqrt((q - q_low) ** 2 + (p_high - p) ** 2)
    return low, q - p + math.sqrt((q_high - q) ** 2 + (p - p_low) ** 2)


def test_newcombes_own_examples():
    """The intervals are those of Newcombe's paper (1998), table II, method 10."""
    published = {
        (56, 70, 48, 80): (0.0524, 0.3339),
        (9, 10, 3, 10): (0.1705, 0.8090),
        (10, 10, 0, 20): (0.6791, 1.0),
        (0, 10, 0, 20): (-0.1611, 0.2775),
        (5, 56, 0, 29): (-0.0381, 0.1926),
    }
    for (x, n, y, m), (low, high) in published.items():
        rows = week(W46, [1.0] * (m - y), y), week(W47, [1.0] * (n - x), x)
        row = compared(*rows).loc["all", "failure_rate"]
        assert [row["low"], row["high"]] == pytest.approx([low, high], abs=6e-5)


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_rates_interval_is_newcombes(x: int, good: int, y: int, fine: int):
    """The interval agrees with the two roots of Wilson's equation."""
    table_ = compared(week(W46, [1.0] * good, x), week(W47, [1.0] * fine, y))
    row = table_.loc["all", "failure_rate"]
    n, m = x + good, y + fine
    assert [row["low"], row["high"]] == pytest.approx(list(newcombe(x / n, n, y / m, m)), abs=1e-9)


@pytest.mark.parametrize("n", [10, 11, 37])
def test_resamples_are_as_if_drawn(n: int):
    """Resampled quantiles have the distribution of resamples drawn one by one."""
    random = np.random.default_rng(7)
    values = np.sort(random.lognormal(12, 1, n).astype("int64"))
    weighted = sort_weighted(np.zeros(n, dtype="int64"), values, np.ones(n, dtype="int64"), 1)
    found = np.hstack([_resample(weighted, 0, random) for _ in range(20)])
    drawn = np.quantile(random.choice(values, (20_000, n)), [0.5, 0.9], axis=1)
    for some, others in zip(found, drawn, strict=True):
        for level in (0.05, 0.25, 0.5, 0.75, 0.95):
            at = np.quantile(others, level)
            assert (some <= at).mean() == pytest.approx((others <= at).mean(), abs=0.02)


def test_the_bootstraps_interval_covers():
    """For 200 pairs of equally distributed weeks, about 95 % of the intervals contain 0."""
    random = np.random.default_rng(3)
    rows = [
        row
        for number in range(200)
        for start in (W46, W47)
        for row in week(start, random.lognormal(6, 0.8, 40).tolist(), log_group_name=str(number))
    ]
    found = compared(rows, [], by="log_group_name")["p50"]
    covered = ((found["low"] <= ZERO) & (found["high"] >= ZERO)).mean()
    assert 0.91 <= covered <= 1


def test_counted_values_are_values_written_out():
    """Repeated durations have the interval of the same durations a millisecond apart."""
    lengths = [60.0] * 30 + [90.0] * 30
    apart = [length + number / 1000 for number, length in enumerate(lengths)]
    same = compared(week(W46, lengths), week(W47, [2 * length for length in lengths]))
    near = compared(week(W46, apart), week(W47, [2 * length for length in apart]))
    columns = ["low", "high", "change"]
    for name in ("p50", "p90"):
        off = (same[name][columns] - near[name][columns]).abs()
        assert (off < pd.Timedelta("300ms")).all(axis=None)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (300, 600, "worse"),
        (600, 300, "better"),
        (300, 350, "no clear change"),  # 17 %
        (60, 85, "no clear change"),  # 25 s
        (3600, 3700, "no clear change"),
    ],
)
def test_a_duration_counts_if_it_changes_by_enough(before: int, now: int, verdict: str):
    """However significant, a change of less than 20 % or 30 s has no verdict."""
    spread = [1 + number / 1000 for number in range(50)]
    table_ = compared(
        week(W46, [before * some for some in spread]), week(W47, [now * some for some in spread])
    )
    assert verdicts(table_) == ["no clear change", verdict, verdict]
    for name in ("p50", "p90"):
        assert ((table_[name]["low"] > ZERO) | (table_[name]["high"] < ZERO)).all()


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (0, 300, "worse"),
        (300, 0, "better"),
        (10, 70, "no clear change"),  # 0.6 percentage points
        (5000, 5600, "no clear change"),  # 12 %
        (5000, 6600, "worse"),
    ],
)
def test_a_rate_counts_if_it_changes_by_enough(before: int, now: int, verdict: str):
    """Of 10,000 tasks, a change of less than 1 percentage point or 25 % has no verdict."""
    row = compared(
        week(W46, [1.0] * (10_000 - before), before), week(W47, [1.0] * (10_000 - now), now)
    ).loc["all", "failure_rate"]
    assert row["verdict"] == verdict
    assert row["low"] > 0 or row["high"] < 0


def test_large_and_not_certain_is_no_clear_change():
    """Twice the rate or the median of a few varying tasks is no clear change."""
    wild = [10.0, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120]
    table_ = compared(week(W46, wild, 1), week(W47, [2 * some for some in wild], 2))
    assert set(verdicts(table_)) == {"no clear change"}
    assert (table_.xs("ratio", axis=1, level="value") > 1.25).to_numpy().sum() >= 3


def test_the_number_of_tasks_has_no_verdict():
    """Ten times as many tasks are neither worse nor better, and have no interval."""
    row = compared(week(W46, [1.0] * 10), week(W47, [1.0] * 100)).loc["all", "tasks"]
    assert row.to_dict() == {"previous": 10, "current": 100, "change": 90, "ratio": 10}


@pytest.mark.parametrize("few", [0, 1, 2, 9])
def test_fewer_than_ten_have_no_interval(few: int):
    """With fewer than 10 durations on either side, quantiles have no interval."""
    for sides in ((few, 50), (50, few)):
        table_ = compared(*(week(w, [60.0] * n) for w, n in zip((W46, W47), sides, strict=True)))
        for name in ("p50", "p90"):
            assert table_[name][["low", "high"]].isna().all(axis=None)
        assert set(verdicts(table_)) == {"no clear change"}


def test_all_failed_all_active_all_equal():
    """Failed tasks have a rate, but no quantile; active ones neither; equal ones have no spread."""
    failed = by_measure(compared(week(W46, [], 20), week(W47, [], 20)))
    assert failed["current"].isna().to_list() == [False, False, True, True]
    running = [{**row, "status_code": "RUNNING", "completion_time": None} for row in
               week(W46, [1.0] * 20) + week(W47, [1.0] * 20)]  # fmt: skip
    active = by_measure(compared(running, []))
    assert active["current"].isna().to_list() == [False, True, True, True]
    assert active["n_current"].to_list() == [20, 0, 0, 0]
    equal = compared(week(W46, [60.0] * 20), week(W47, [60.0] * 20))
    for name in ("p50", "p90"):
        assert (equal[name][["change", "low", "high"]] == ZERO).all(axis=None)
