"""Two periods are compared again in plain Python; weeks, groups and arguments."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compared import W46, W47, W48, WEEKS, compared, week
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from support import (
    DAY,
    ENDED,
    FEW,
    Row,
    by_group,
    cells,
    cut,
    duration_of,
    ms,
    plain,
    quantile,
    rows_of,
    shuffled,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.periods import by_measure, compare_periods

MEASURES = ["tasks", "failure_rate", "p50", "p90"]
PLAIN = ["previous", "current", "change", "ratio"]
VALUES = [*PLAIN, "low", "high", "n_previous", "n_current", "verdict"]


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
    sides: list[dict[Any, list[Row]]] = []
    for first, end in pairwise(edges):
        rows = [r for r in rows_of(tasks) if first <= (r["creation_time"] or 0) < end]
        sides.append(dict(by_group(rows, names)) if names else {(): rows})
    expected = {}
    for group in {*sides[0], *sides[1]}:
        before, now = (measures(side.get(group, [])) for side in sides)
        for name in before:
            key = (*(group if len(names) > 1 else (group,)), name) if names else ("all", name)
            expected[key] = (*before[name], *now[name])
    rows = by_measure(found) if names else pd.concat({"all": by_measure(found)})
    numbers = cells(rows, "previous", "n_previous", "current", "n_current")
    assert numbers.keys() == expected.keys()
    for key, values in expected.items():
        assert numbers[key] == pytest.approx(values, abs=1e-3), key
    for _, row in rows.iterrows():
        change, ratio = row["current"] - row["previous"], None
        assert row["change"] == pytest.approx(change, nan_ok=True)
        if row["previous"] > 0 and not math.isnan(row["current"]):
            ratio = row["current"] / row["previous"]
        assert row["ratio"] == pytest.approx(math.nan if ratio is None else ratio, nan_ok=True)


@given(tables(far=False, max_size=25))
def test_one_column_has_one_unit(tasks: pd.DataFrame):
    """Numbers of tasks are whole, durations are durations, and rates and ratios are floats."""
    periods = {"previous": ("2026-10-01", "2026-11-03"), "current": ("2026-11-03", "2026-11-24")}
    for names in (None, "region"):
        found = compare_periods(tasks, by=names, **periods)
        assert found.columns.names == ["measure", "value"]
        assert found.columns.to_list() == [
            (name, value) for name in MEASURES for value in (PLAIN if name == "tasks" else VALUES)
        ]
        for (name, value), dtype in found.dtypes.items():
            length = "timedelta64[ms]" if name.startswith("p") else "float64"
            fixed = {"ratio": "float64", "verdict": "category"}
            whole = "int64" if name == "tasks" or value.startswith("n_") else length
            assert dtype == fixed.get(value, whole), (name, value)
        lengths = found["p50"][["previous", "current", "change"]].dropna()
        assert (lengths["current"] - lengths["previous"] == lengths["change"]).all()


def test_by_measure_has_a_row_for_each_unit():
    """For programs and charts, durations are in seconds, and the unit is a column."""
    found = compared(
        week(W46, [60.0] * 3, region=None), week(W47, [90.0] * 4, region="b"), by="region"
    )
    rows = by_measure(found)
    assert rows.index.names == ["region", "measure"]
    assert rows["unit"].to_list() == ["tasks", "share", "s", "s"] * 2
    assert plain(rows["previous"])[2::4] == [None, 60]
    assert rows["n_current"].to_list() == [4] * 4 + [0] * 4
    assert plain(rows["verdict"])[0] is None


def test_a_group_in_one_period_alone():
    """A group without tasks in one period has 0 tasks and no rate there."""
    found = compared(
        week(W46, [1.0] * 3, region="a"), week(W47, [1.0] * 4, region="b"), by="region"
    )
    for measure in ("failure_rate", "p50", "p90"):
        assert cells(found[measure], "n_previous", "n_current") == {"a": (3, 0), "b": (0, 4)}
    assert cells(found["tasks"], "previous", "current") == {"a": (3, 0), "b": (0, 4)}
    assert plain(found["failure_rate", "current"]) == [None, 0]


def test_weeks_are_iso_weeks_half_open():
    """2026-W47 is from Monday, 16 November, to before Monday, 23 November (UTC)."""
    rows = [{"creation_time": time} for time in (W46 - 1, W46, W47 - 1, W47, W48 - 1, W48)]
    found = compared(rows, [])
    assert found.loc["all", "tasks"][["previous", "current"]].to_list() == [2, 2]
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
    assert_series_equal(whole.loc["b"], alone.loc["b"])


def test_as_of_is_what_was_known_then():
    """With `as_of` in the current week, later tasks and later ends are unknown."""
    rows = [*week(W47, [60.0, 7 * 86_400], 1), {"creation_time": W47 + 3 * DAY}]
    found = compared(week(W46, [60.0]), rows, as_of="2026-11-17T00:00Z")
    assert by_measure(found)["n_current"].to_list() == [3, 2, 1, 1]
    assert found.loc["all", ("failure_rate", "current")] == 0.5


@FEW
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
    assert outage.loc["all", ("failure_rate", "verdict")] == "worse"
    slower = compare_periods(
        tasks[tasks["log_group_name"] == "acme/payments/api"],
        previous=("2026-07-06T00:00Z", "2026-09-14T00:00Z"),
        current=("2026-09-14T00:00Z", "2026-11-23T00:00Z"),
    )
    assert slower.loc["all", ("p50", "verdict")] == "worse"
    assert slower.loc["all", ("p50", "ratio")] == pytest.approx(2.5, rel=0.1)


def test_no_task():
    """Without tasks there is one row without values, with `by` none."""
    found = compare_periods(frames.empty(), **WEEKS)
    assert found.index.to_list() == ["all"]
    assert by_measure(found)["n_current"].to_list() == [0] * 4
    assert (
        found[["failure_rate", "p50", "p90"]].xs("current", axis=1, level=1).isna().all(axis=None)
    )
    assert (found.xs("verdict", axis=1, level="value") == "no clear change").all(axis=None)
    none = compare_periods(frames.empty(), by="region", **WEEKS)
    assert len(none) == len(by_measure(none)) == 0
    assert_series_equal(none.dtypes, found.dtypes)


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
