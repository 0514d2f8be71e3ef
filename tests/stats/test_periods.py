"""Comparisons of periods are computed again in plain Python."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import (
    DAY,
    ENDED,
    SECOND,
    Row,
    by_group,
    cells,
    cut,
    duration_of,
    ms,
    quantile,
    rows_of,
    shuffled,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.periods import _resample, compare_periods
from exportstats.stats.weighted import sort_weighted

W46, W47, W48 = (ms(f"2026-11-{day:02}T00:00Z") for day in (9, 16, 23))
WEEKS = {"previous": "2026-W46", "current": "2026-W47"}
Z = 1.959963984540054
COLUMNS = [
    *("previous", "current", "unit", "change", "ratio", "low", "high"),
    *("n_previous", "n_current", "verdict"),
]


def measures(rows: list[Row]) -> dict[str, tuple[float | None, int]]:
    """Return each measure of one period, and the number of tasks behind it."""
    ended = [row for row in rows if row["status_code"] in ENDED]
    failed = sum(row["status_code"] == "FAILED" for row in rows)
    lengths = [
        duration_of(row)
        for row in rows
        if row["status_code"] == "COMPLETED" and duration_of(row) is not None
    ]
    found: dict[str, tuple[float | None, int]] = {"tasks": (len(rows), len(rows))}
    found["failure_rate"] = (failed / len(ended) if ended else None, len(ended))
    for name, q in (("p50", 0.5), ("p90", 0.9)):
        found[name] = (quantile(lengths, q) / 1000 if lengths else None, len(lengths))
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


def week(start: int, lengths: list[float], failed: int = 0, **same: object) -> list[Row]:
    """Return tasks created in a week: COMPLETED ones with durations in seconds, and FAILED ones."""
    made: list[Row] = []
    for number, took in enumerate([*lengths, *[1.0] * failed]):
        created = start + number * SECOND
        state = "COMPLETED" if number < len(lengths) else "FAILED"
        made.append(
            {
                "creation_time": created,
                "completion_time": created + round(took * SECOND),
                "status_code": state,
                **same,
            }
        )
    return made


def compared(before: list[Row], now: list[Row], **options: Any) -> pd.DataFrame:  # noqa: ANN401 - as they come
    """Compare two weeks."""
    return compare_periods(table(*before, *now), **{**WEEKS, **options})


@given(
    tables(far=False, max_size=25),
    st.lists(st.sampled_from(["region", "log_group_name"]), unique=True, max_size=2),
)
def test_values_are_those_of_each_periods_tasks(tasks: pd.DataFrame, names: list[str]):
    """Counts, rates, quantiles, change and ratio of each group are those of its own tasks."""
    edges = [ms(f"2026-{day}T00:00Z") for day in ("10-14", "11-03", "11-24")]
    stamps = [pd.Timestamp(edge, unit="ms", tz="UTC") for edge in edges]
    found = compare_periods(
        tasks, previous=(stamps[0], stamps[1]), current=(stamps[1], stamps[2]), by=names
    )
    assert list(found.columns) == COLUMNS
    sides: list[dict[Any, list[Row]]] = []
    for first, end in pairwise(edges):
        rows = [r for r in rows_of(tasks) if first <= (r["creation_time"] or 0) < end]
        sides.append(dict(by_group(rows, names)) if names else {(): rows})
    expected = {}
    for group in {*sides[0], *sides[1]}:
        before, now = (measures(side.get(group, [])) for side in sides)
        for name in before:
            key = name if not names else (*(group if len(names) > 1 else (group,)), name)
            expected[key] = (*before[name], *now[name])
    numbers = cells(found, "previous", "n_previous", "current", "n_current")
    assert numbers.keys() == expected.keys()
    for key, values in expected.items():
        assert numbers[key] == pytest.approx(values, abs=1e-3), key
    for _, row in found.iterrows():
        change, ratio = row["current"] - row["previous"], None
        assert row["change"] == pytest.approx(change, nan_ok=True)
        if row["previous"] > 0 and not math.isnan(row["current"]):
            ratio = row["current"] / row["previous"]
        assert row["ratio"] == pytest.approx(math.nan if ratio is None else ratio, nan_ok=True)


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
        row = compared(*rows).loc["failure_rate"]
        assert [row["low"], row["high"]] == pytest.approx([low, high], abs=6e-5)


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_rates_interval_is_newcombes(x: int, good: int, y: int, fine: int):
    """The interval agrees with the two roots of Wilson's equation."""
    row = compared(week(W46, [1.0] * good, x), week(W47, [1.0] * fine, y)).loc["failure_rate"]
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
    found = compared(rows, [], by="log_group_name").xs("p50", level="measure")
    covered = ((found["low"] <= 0) & (found["high"] >= 0)).mean()
    assert 0.91 <= covered <= 1


def test_counted_values_are_values_written_out():
    """Repeated durations have the interval of the same durations a millisecond apart."""
    lengths = [60.0] * 30 + [90.0] * 30
    apart = [length + number / 1000 for number, length in enumerate(lengths)]
    same = compared(week(W46, lengths), week(W47, [2 * length for length in lengths]))
    near = compared(week(W46, apart), week(W47, [2 * length for length in apart]))
    columns = ["low", "high", "change"]
    assert np.abs(same.loc["p50":, columns] - near.loc["p50":, columns]).to_numpy().max() < 0.3


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
    assert table_["verdict"].to_list() == ["no clear change"] * 2 + [verdict] * 2
    assert ((table_["low"] > 0) | (table_["high"] < 0)).to_list()[2:] == [True, True]


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
    ).loc["failure_rate"]
    assert row["verdict"] == verdict
    assert row["low"] > 0 or row["high"] < 0


def test_large_and_not_certain_is_no_clear_change():
    """Twice the rate or the median of a few varying tasks is no clear change."""
    wild = [10.0, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120]
    table_ = compared(week(W46, wild, 1), week(W47, [2 * some for some in wild], 2))
    assert (table_["verdict"] == "no clear change").all()
    assert (table_["ratio"] > 1.25).sum() >= 3


def test_the_number_of_tasks_has_no_verdict():
    """Ten times as many tasks are neither worse nor better, and have no interval."""
    row = compared(week(W46, [1.0] * 10), week(W47, [1.0] * 100)).loc["tasks"]
    assert row["verdict"] == "no clear change"
    assert math.isnan(row["low"])
    assert (row["previous"], row["current"], row["ratio"]) == (10, 100, 10)


@pytest.mark.parametrize("few", [0, 1, 2, 9])
def test_fewer_than_ten_have_no_interval(few: int):
    """With fewer than 10 durations on either side, quantiles have no interval."""
    for sides in ((few, 50), (50, few)):
        table_ = compared(*(week(w, [60.0] * n) for w, n in zip((W46, W47), sides, strict=True)))
        assert table_.loc["p50":, ["low", "high"]].isna().all(axis=None)
        assert (table_["verdict"] == "no clear change").all()


def test_all_failed_all_active_all_equal():
    """Failed tasks have a rate, but no quantile; active ones neither; equal ones have no spread."""
    failed = compared(week(W46, [], 20), week(W47, [], 20))
    assert failed["current"].isna().to_list() == [False, False, True, True]
    running = [{**row, "status_code": "RUNNING", "completion_time": None} for row in
               week(W46, [1.0] * 20) + week(W47, [1.0] * 20)]  # fmt: skip
    active = compared(running, [])
    assert active["current"].isna().to_list() == [False, True, True, True]
    assert active["n_current"].to_list() == [20, 0, 0, 0]
    equal = compared(week(W46, [60.0] * 20), week(W47, [60.0] * 20)).loc["p50":]
    assert (equal[["change", "low", "high"]] == 0).all(axis=None)


def test_a_group_in_one_period_alone():
    """A group without tasks in one period has 0 tasks and no rate there."""
    found = compared(
        week(W46, [1.0] * 3, region="a"), week(W47, [1.0] * 4, region="b"), by="region"
    )
    assert cells(found, "n_previous", "n_current") == {
        (region, measure): counts
        for region, counts in (("a", (3, 0)), ("b", (0, 4)))
        for measure in ("tasks", "failure_rate", "p50", "p90")
    }
    assert cells(found, "current")["a", "tasks"] == 0
    assert cells(found, "current")["a", "failure_rate"] is None


def test_weeks_are_iso_weeks_half_open():
    """2026-W47 is from Monday, 16 November, to before Monday, 23 November (UTC)."""
    rows = [{"creation_time": time} for time in (W46 - 1, W46, W47 - 1, W47, W48 - 1, W48)]
    found = compared(rows, [])
    assert found.loc["tasks", ["previous", "current"]].to_list() == [2, 2]
    stamps = {"previous": ("2026-11-09T01:00+01:00", "2026-11-16T00:00Z"), "current": "2026-W47"}
    assert_frame_equal(compare_periods(table(*rows), **stamps), found)


def test_other_groups_do_not_matter():
    """A group's intervals do not depend on the other groups."""
    random = np.random.default_rng(1)
    rows = [
        row
        for region in ("a", "b", "c")
        for start in (W46, W47)
        for row in week(start, random.lognormal(5, 1, 30).tolist(), region=region)
    ]
    whole = compared(rows, [], by="region")
    alone = compared([row for row in rows if row["region"] == "b"], [], by="region")
    assert_frame_equal(whole.loc["b"], alone.loc["b"])


def test_as_of_is_what_was_known_then():
    """With `as_of` in the current week, later tasks and later ends are unknown."""
    rows = [*week(W47, [60.0, 7 * 86_400], 1), {"creation_time": W47 + 3 * DAY}]
    found = compared(week(W46, [60.0]), rows, as_of="2026-11-17T00:00Z")
    assert found["n_current"].to_list() == [3, 2, 1, 1]
    assert found.loc["failure_rate", "current"] == 0.5


@given(tables(max_size=30), st.integers(0, 2**32).map(Random))
def test_any_split_and_any_order_give_the_same(tasks: pd.DataFrame, random: Random):
    """Neither shards nor the order of the rows change the result."""
    periods = {
        "previous": ("2026-10-10T00:00Z", "2026-11-01T00:00Z"),
        "current": ("2026-11-01T00:00Z", "2026-11-24T00:00Z"),
    }
    for names in (None, ["region", "status_message"]):
        found = compare_periods(tasks, by=names, **periods)
        assert_frame_equal(
            compare_periods(cut(tasks, random, anew=True), by=names, **periods), found
        )
        assert_frame_equal(compare_periods(shuffled(tasks, random), by=names, **periods), found)


def test_the_samples_outage_and_slowdown():
    """The generated outage gives a worse failure rate, the slowdown a worse median."""
    tasks = xs.sample_tasks()
    outage = compare_periods(tasks, current="2026-W24", previous="2026-W23")
    assert outage.loc["failure_rate", "verdict"] == "worse"
    slower = compare_periods(
        tasks[tasks["log_group_name"] == "acme/payments/api"],
        previous=("2026-07-06T00:00Z", "2026-09-14T00:00Z"),
        current=("2026-09-14T00:00Z", "2026-11-23T00:00Z"),
    )
    assert slower.loc["p50", "verdict"] == "worse"
    assert slower.loc["p50", "ratio"] == pytest.approx(2.5, rel=0.1)


def test_no_task():
    """Without tasks there are four rows without values, with `by` none."""
    found = compare_periods(frames.empty(), **WEEKS)
    assert found.index.to_list() == ["tasks", "failure_rate", "p50", "p90"]
    assert found["n_current"].to_list() == [0] * 4
    assert found["unit"].to_list() == ["tasks", "share", "s", "s"]
    assert (found["verdict"] == "no clear change").all()
    assert len(compare_periods(frames.empty(), by="region", **WEEKS)) == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-W54", "give a month"),
        ("2026-W00", "give a month"),
        ("0000-W01", "give a month"),
        ("2026-47", "give a month"),
        ("last week", "give a month"),
        (None, "give a month"),
        (47, "give a month"),
        ("1969-12", "from 1970 to 2999"),
        (("2026-11-16T00:00Z",), "give a month"),
        (("2026-11-16T06:00", "2026-11-17T06:00"), "with its time zone"),
        (("2026-11-17T00:00Z", "2026-11-17T00:00Z"), "the end must be after the start"),
    ],
)
def test_invalid_periods(value: object, words: str):
    """The error names the argument, the value, and what to give."""
    with pytest.raises(ArgumentError, match=f"current=.*{words}"):
        compare_periods(frames.empty(), current=value, previous="2026-W30")


def test_arguments_are_checked():
    """Overlapping periods, an invalid column or an invalid confidence are refused."""
    with pytest.raises(ArgumentError, match="overlap"):
        compare_periods(frames.empty(), current="2026-W47", previous="2026-W47")
    with pytest.raises(ArgumentError, match="by='colour'"):
        compare_periods(frames.empty(), by="colour", **WEEKS)
    for confidence in (0, 1, 95):
        with pytest.raises(ArgumentError, match="confidence="):
            compare_periods(frames.empty(), confidence=confidence, **WEEKS)
