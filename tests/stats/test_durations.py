"""Durations are summarised again with sorted lists and pandas' own quantile."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import (
    ACTIVE,
    DAY,
    FIRST,
    LAST,
    START,
    Row,
    Shards,
    by_group,
    cells,
    duration_of,
    frame,
    ms,
    period_start,
    periods,
    plain,
    quantile,
    rows_of,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError
from exportstats.stats import packing
from exportstats.stats.weighted import sort_weighted

NAMES = ["region", "log_group_name", "status_message"]
CENSORED = ["censored_p50", "censored_p50_low", "censored_p50_high"]
some_names = st.lists(st.sampled_from(NAMES), unique=True, max_size=2)
some_quantiles = st.lists(st.floats(0, 1).map(lambda q: round(q, 4)), max_size=4, unique=True)


def lengths_of(rows: list[Row]) -> list[int]:
    """Return the durations of the COMPLETED tasks."""
    lengths = [duration_of(row) for row in rows if row["status_code"] == "COMPLETED"]
    return [length for length in lengths if length is not None]


def summarise(rows: list[Row], quantiles: list[float]) -> tuple[Any, ...]:
    """Return completed, censored, min, quantiles, max and mean, in plain Python."""
    lengths = lengths_of(rows)
    censored = sum(row["status_code"] in ACTIVE for row in rows)
    if not lengths:
        return (0, censored, *[None] * (len(quantiles) + 3))
    middle = [quantile(lengths, q) for q in quantiles]
    return (len(lengths), censored, min(lengths), *middle, max(lengths), fmean(lengths))


def same(found: dict[Any, Any], expected: dict[Any, Any], *, relative: float = 0) -> None:
    """Compare to the millisecond, or relatively."""
    assert found.keys() == expected.keys()
    for key, values in found.items():
        for value, other in zip(values, expected[key], strict=True):
            if value is None or other is None:
                assert value is other, key
            else:
                assert math.isclose(value, other, rel_tol=relative, abs_tol=1), key


@given(tables(far=False), some_names, some_quantiles)
def test_summary_is_that_of_sorted_lists(
    tasks: pd.DataFrame, names: list[str], quantiles: list[float]
):
    """Counts, extremes, quantiles and mean of each group are those of its sorted durations."""
    table_ = xs.duration_summary(tasks, by=names, quantiles=quantiles)
    labels = [f"p{100 * q:.10g}" for q in quantiles]
    columns = ["completed", "censored", "min", *labels, "max", "mean"]
    limits = [f"{label}_{side}" for label in labels for side in ("low", "high")]
    assert list(table_.columns) == [*columns, *limits, *CENSORED]
    groups = by_group(rows_of(tasks), names) if names else {"all": rows_of(tasks)}
    same(cells(table_, *columns), {key: summarise(r, quantiles) for key, r in groups.items()})
    assert (table_.dtypes.iloc[2:] == "timedelta64[ms]").all()
    assert (table_.dtypes.iloc[:2] == "int64").all()


@given(tables(), st.sampled_from([[], ["region"]]))
def test_summary_of_far_out_times(tasks: pd.DataFrame, names: list[str]):
    """Durations of a thousand years are as precise as a float."""
    table_ = xs.duration_summary(tasks, by=names, quantiles=[0.5])
    groups = by_group(rows_of(tasks), names) if names else {"all": rows_of(tasks)}
    same(
        cells(table_, "completed", "censored", "min", "p50", "max", "mean"),
        {key: summarise(rows, [0.5]) for key, rows in groups.items()},
        relative=1e-12,
    )


def test_the_longest_duration_there_is():
    """The longest possible duration does not overflow."""
    tasks = table(
        {"creation_time": 0, "completion_time": LAST},
        {"creation_time": 0, "completion_time": 1},
        status_code="COMPLETED",
    )
    for some in (tasks, tasks.iloc[:1]):
        table_ = xs.duration_summary(some)
        assert plain(table_["max"])[0] == LAST
        assert plain(xs.duration_trend(some)["p90"])[0] > LAST // 2


@given(st.lists(st.integers(0, LAST), min_size=1, max_size=40), some_quantiles)
def test_quantiles_are_those_of_pandas(lengths: list[int], quantiles: list[float]):
    """Quantiles agree with `Series.quantile` to the millisecond."""
    made = [{"creation_time": 0, "completion_time": length} for length in lengths]
    table_ = xs.duration_summary(table(*made, status_code="COMPLETED"), quantiles=quantiles)
    for q in quantiles:
        expected = pd.Series(lengths, dtype="float64").quantile(q)
        assert plain(table_[f"p{100 * q:.10g}"])[0] == pytest.approx(expected, abs=1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 4)), max_size=20))
def test_weighted_values_are_values_repeated(cells_: list[tuple[int, int, int]]):
    """Values with counts have the quantiles and mean of the repeated values."""
    columns = np.array(cells_, dtype="int64").reshape(-1, 3).T
    weighted = sort_weighted(*columns, 5)
    for group in range(5):
        values = [value for code, value, n in cells_ if code == group for _ in range(n)]
        assert weighted.n[group] == len(values)
        for q in (0, 0.1, 0.5, 1):
            found = weighted.quantile(q)[group]
            assert found == pytest.approx(quantile(values, q)) if values else math.isnan(found)
        mean = weighted.mean()[group]
        assert mean == pytest.approx(fmean(values)) if values else math.isnan(mean)


@given(tables(), st.lists(st.sampled_from(["account_id", "status_message"]), unique=True))
def test_as_of_is_a_table_filtered_by_hand(tasks: pd.DataFrame, names: list[str]):
    """With `as_of`, the summary is that of the tasks at that time, without later ends."""
    for as_of in (START - 20 * DAY, 0):
        known = []
        for row in rows_of(tasks):
            if row["creation_time"] is not None and row["creation_time"] > as_of:
                continue
            if row["completion_time"] is not None and row["completion_time"] > as_of:
                row |= {"status_code": "RUNNING", "completion_time": None, "status_message": None}
            known.append(row | {"observed_at": as_of})
        stamp = pd.Timestamp(as_of, unit="ms", tz="Asia/Kathmandu")
        found = xs.duration_summary(tasks, by=names, as_of=stamp)
        expected = xs.duration_summary(frames.conform(frame(known)), by=names)
        assert_frame_equal(found, expected, check_categorical=False, check_index_type=False)


def test_as_of_counts_what_ran_then():
    """A task is censored while it ran, and missing before its creation."""
    tasks = table(
        {"creation_time": START, "completion_time": START + 60_000, "status_code": "COMPLETED"}
    )
    counts = {
        seconds: tuple(
            int(xs.duration_summary(tasks, as_of=f"2026-11-23T06:00:{seconds}Z")[name].iloc[0])
            for name in ("completed", "censored")
        )
        for seconds in ("00", "59.999")
    }
    assert counts == {"00": (0, 1), "59.999": (0, 1)}
    assert xs.duration_summary(tasks, as_of="2026-11-23T06:01Z")["completed"].iloc[0] == 1
    before = xs.duration_summary(tasks, as_of="2026-11-23T05:59:59.999Z")
    assert before[["completed", "censored"]].to_numpy().tolist() == [[0, 0]]


@pytest.mark.parametrize("state", [*schema.STATES, "PAUSED", None])
def test_only_completed_tasks_are_summarised(state: str | None):
    """Quantiles are those of COMPLETED tasks; active tasks are censored, others are ignored."""
    tasks = table({"creation_time": 0, "completion_time": 9}, {}, status_code=state)
    table_ = xs.duration_summary(tasks)
    done = 9 if state == "COMPLETED" else None
    assert cells(table_, *table_.columns[:8]) == {
        "all": (int(state == "COMPLETED"), 2 * (state in ACTIVE), *[done] * 6)
    }


def test_no_task():
    """Without tasks there is one row without values, with `by` none; the same for the trend."""
    table_ = xs.duration_summary(frames.empty())
    assert cells(table_, *table_.columns) == {"all": (0, 0, *[None] * 15)}
    assert (table_.dtypes.iloc[2:] == "timedelta64[ms]").all()
    assert len(xs.duration_summary(frames.empty(), by="region")) == 0
    trend = xs.duration_trend(frames.empty(), by=["region", "destination"])
    assert len(trend) == 0
    assert trend.index.names == ["region", "destination", "period"]
    assert list(trend.columns) == ["completed", "censored", "p50", "p90"]


def test_all_group_values_missing():
    """If all values to group by are missing, there is one group with a missing key."""
    tasks = table({"creation_time": 0, "completion_time": 2, "status_code": "COMPLETED"}, {})
    table_ = xs.duration_summary(tasks, by=["region", "task_name"])
    assert cells(table_, "completed", "p50") == {(None, None): (1, 2)}


@given(tables(far=False), some_names, st.sampled_from(["D", "W", "MS"]))
def test_trend_is_a_summary_of_each_period(tasks: pd.DataFrame, names: list[str], freq: str):
    """Each group and period has the numbers of its own tasks; empty periods have none."""
    rows = rows_of(tasks)
    table_ = xs.duration_trend(tasks, freq=freq, by=names)
    expected = {}
    for group in {tuple(row[name] for name in names) for row in rows}:
        for time in periods(rows, freq):
            some = [
                row
                for row in rows
                if tuple(row[name] for name in names) == group
                and period_start(row["creation_time"], freq) == time
            ]
            completed, censored, _, p50, p90, *_ = summarise(some, [0.5, 0.9])
            expected[(*group, time) if names else time] = (completed, censored, p50, p90)
    same(cells(table_, "completed", "censored", "p50", "p90"), expected)
    assert table_.index.names == [*names, "period"]


def test_trend_of_creation_times_far_out_or_missing():
    """Far years have periods of their own; tasks without a creation time come last."""
    tasks = table(
        {"creation_time": LAST},
        {"creation_time": FIRST},
        {"creation_time": START, "completion_time": START + 5, "status_code": "COMPLETED"},
        {},
        status_code="RUNNING",
    )
    table_ = xs.duration_trend(tasks, freq="D")
    assert cells(table_, "completed", "censored") == {
        FIRST: (0, 1),
        START // DAY * DAY: (1, 0),
        LAST // DAY * DAY: (0, 1),
        None: (0, 1),
    }


def test_weeks_begin_on_monday_in_utc():
    """A task created late on Sunday (UTC) belongs to the week that ends then."""
    made = [ms("2026-11-22T23:59:59.999Z"), ms("2026-11-23T00:00Z")]
    table_ = xs.duration_trend(table(*[{"creation_time": time} for time in made]))
    assert plain(table_.index) == [ms("2026-11-16T00:00Z"), ms("2026-11-23T00:00Z")]


def test_sample_against_pandas():
    """The sample's quantiles by log group agree with pandas to the millisecond."""
    tasks = xs.sample_tasks()
    done = tasks[tasks["status_code"] == "COMPLETED"]
    table_ = xs.duration_summary(tasks, by="log_group_name")
    millis = done["duration"].astype("int64").groupby(done["log_group_name"], observed=True)
    for label, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        found = table_.loc[list(millis.groups), label].astype("int64").to_numpy()
        assert np.abs(found - millis.quantile(q).to_numpy()).max() <= 1
    assert table_["completed"].sum() == done["duration"].notna().sum()
    assert table_["censored"].sum() == tasks["status_code"].isin(ACTIVE).sum()


def test_each_group_is_summarised_as_if_alone():
    """Active tasks of one group change its censored median, and no other group's."""
    ended = [
        {"status_code": "COMPLETED", "completion_time": minute * 60_000} for minute in range(9)
    ]
    active = [{"status_code": "RUNNING", "observed_at": 4 * 60_000}] * 4
    rows = [{"region": "a", **row} for row in ended]
    rows += [{"region": "b", **row} for row in [*ended, *active]]
    tasks = table(*rows, creation_time=0)
    both = xs.duration_summary(tasks, by="region")
    for region in ("a", "b"):
        alone = xs.duration_summary(tasks[tasks["region"] == region], by="region")
        assert_frame_equal(both.loc[[region]], alone, check_categorical=False)
    assert both["censored_p50"].to_list() != both["p50"].to_list()


def test_numbers_too_large_to_combine_give_the_same(monkeypatch: pytest.MonkeyPatch):
    """If group and duration do not fit into one number, both are sorted, with the same result."""
    tasks = xs.sample_tasks()
    some = Shards([tasks.iloc[::2], tasks.iloc[1::2]])
    found = [xs.duration_trend(shape, by="region", freq="MS") for shape in (tasks, some)]
    monkeypatch.setattr(packing, "_MOST", 1)
    for shape, before in zip((tasks, some), found, strict=True):
        assert_frame_equal(xs.duration_trend(shape, by="region", freq="MS"), before)


def test_names_of_quantiles():
    """A quantile's column is named by its percentage, without floating-point noise."""
    quantiles = [0, 0.07, 0.29, 0.5, 0.58, 0.999, 0.99999, 1, np.float64(0.25)]
    table_ = xs.duration_summary(frames.empty(), quantiles=quantiles)
    names = ["p0", "p7", "p29", "p50", "p58", "p99.9", "p99.999", "p100", "p25"]
    assert list(table_.columns)[3:12] == names
    assert list(table_.columns)[14:16] == ["p0_low", "p0_high"]


@pytest.mark.parametrize("q", [-0.1, 1.1, 50, float("nan"), "0.5", None])
def test_invalid_quantiles(q: object):
    """A percentage, or a value that is not from 0 to 1, is refused."""
    with pytest.raises(ArgumentError, match="give numbers from 0 to 1"):
        xs.duration_summary(frames.empty(), quantiles=[0.5, q])


def test_arguments_are_checked():
    """An invalid column, frequency or instant is refused, even without tasks."""
    with pytest.raises(ArgumentError, match="by='status_code'"):
        xs.duration_summary(frames.empty(), by="status_code")
    with pytest.raises(ArgumentError, match="as_of='2026-11-23T06:00'; give a date"):
        xs.duration_summary(frames.empty(), as_of="2026-11-23T06:00")
    with pytest.raises(ArgumentError, match="freq='fortnight'"):
        xs.duration_trend(frames.empty(), freq="fortnight")
    with pytest.raises(ArgumentError, match="freq=None"):
        xs.duration_trend(frames.empty(), freq=None)
