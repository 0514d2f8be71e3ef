"""Durations are counted again one by one."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import (
    LAST,
    SECOND,
    Row,
    by_group,
    duration_of,
    plain,
    rows_of,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError

MINUTE = 60 * SECOND
some_names = st.lists(st.sampled_from(["region", "task_name"]), unique=True, max_size=2)


def counts(table_: pd.DataFrame) -> dict[tuple[Any, ...], dict[tuple[int, int], tuple[int, Any]]]:
    """Return the bins of each group with their count and share."""
    *levels, _ = range(table_.index.nlevels)
    groups = list(zip(*(plain(table_.index.get_level_values(n)) for n in levels), strict=True))
    bins = table_.index.get_level_values("duration")
    left, right = (plain(pd.Index(side)) for side in (bins.left, bins.right))
    found: dict[tuple[Any, ...], dict[tuple[int, int], tuple[int, Any]]] = {}
    for row, (start, end) in enumerate(zip(left, right, strict=True)):
        group = groups[row] if levels else ()
        bins_of = found.setdefault(group, {})
        assert (start, end) not in bins_of
        bins_of[start, end] = (plain(table_["tasks"])[row], plain(table_["share"])[row])
    return found


def done(rows: list[Row]) -> list[Row]:
    """Return the COMPLETED tasks with a duration."""
    return [r for r in rows if r["status_code"] == "COMPLETED" and duration_of(r) is not None]


@given(
    tables(),
    some_names,
    st.none() | st.lists(st.integers(0, 10**8), min_size=2, max_size=5, unique=True).map(sorted),
)
def test_counts_are_those_of_one_by_one(
    tasks: pd.DataFrame, names: list[str], edges: list[int] | None
):
    """Each duration is in exactly one bin, closed on the left."""
    bins = None if edges is None else [pd.Timedelta(edge, unit="ms") for edge in edges]
    table_ = xs.duration_histogram(tasks, by=names, bins=bins)
    rows = done(rows_of(tasks))
    groups = by_group(rows, names) if names else {(): rows}
    found = counts(table_)
    whole_bins = [list(bins_of) for bins_of in found.values()]
    assert all(bins_of == whole_bins[0] for bins_of in whole_bins)
    for (_, end), (start, _) in pairwise(whole_bins[0] if whole_bins else []):
        assert end == start
    for group, some in groups.items():
        key = group if isinstance(group, tuple) else (group,)
        lengths = [duration_of(row) for row in some]
        for (start, end), (n, share) in found.get(key, {}).items():
            inside = [x for x in lengths if start <= x < end]
            assert n == len(inside)
            assert share == (pytest.approx(n / len(lengths)) if lengths else None)
        assert sum(n for n, _ in found.get(key, {}).values()) == len(lengths)
    if edges is not None and found:
        used = {edge for bin_ in whole_bins[0] for edge in bin_}
        assert set(edges) <= used
        assert len(used - set(edges)) <= 2


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=30))
def test_bins_of_our_own_choice(lengths: list[int]):
    """By default, the first bin contains the shortest duration and the last the longest."""
    made = [{"creation_time": 0, "completion_time": length} for length in lengths]
    (bins,) = counts(xs.duration_histogram(table(*made, status_code="COMPLETED"))).values()
    in_use = list(bins.values())
    assert in_use[0][0] > 0
    assert in_use[-1][0] > 0
    assert sum(n for n, _ in in_use) == len(lengths)
    assert sum(share for _, share in in_use) == pytest.approx(1)


def test_bins_are_round_and_evenly_apart():
    """From a second to a day the edges are round, each at most twice the one before."""
    made = [{"creation_time": 0, "completion_time": length} for length in (SECOND, 86_400_000)]
    (bins,) = counts(xs.duration_histogram(table(*made, status_code="COMPLETED"))).values()
    for start, end in bins:
        assert start < end <= 2 * start
        unit = SECOND if end <= MINUTE else MINUTE
        assert 2 * end % unit == 0
    assert next(iter(bins))[0] == SECOND


def test_all_default_edges_have_one_or_two_digits():
    """In their largest unit, all edges are round numbers, from a millisecond to years."""
    made = [{"creation_time": 0, "completion_time": length} for length in (0, LAST)]
    (bins,) = counts(xs.duration_histogram(table(*made, status_code="COMPLETED"))).values()
    edges = [start for start, _ in bins]
    assert edges[:10] == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    numbers = {1, 1.5, 2, 3, 4, 4.5, 5, 6, 7, 8, 10, 12, 15, 16, 20, 30, 45, 50, 100}
    day = 24 * 60 * MINUTE
    for edge in edges[10:]:
        unit = max(unit for unit in (SECOND, MINUTE, 60 * MINUTE, day) if unit <= edge)
        assert edge / unit in numbers | {200, 500, 1000}


def test_a_duration_on_an_edge():
    """A duration equal to an edge is in the bin that begins there."""
    made = [{"creation_time": 0, "completion_time": n} for n in (0, 1000, 1999, 2000)]
    table_ = xs.duration_histogram(table(*made, status_code="COMPLETED"), bins=["1s", "2s"])
    assert counts(table_) == {
        (): {(0, 1000): (1, 0.25), (1000, 2000): (2, 0.5), (2000, 2001): (1, 0.25)}
    }


def test_far_out_durations():
    """A duration of a thousand years has a bin, with default and with given edges."""
    made = [{"creation_time": 0, "completion_time": n} for n in (0, LAST - 1, LAST)]
    tasks = table(*made, {"creation_time": 5, "completion_time": 4}, status_code="COMPLETED")
    for bins in (None, ["0s", "1s"]):
        (found,) = counts(xs.duration_histogram(tasks, bins=bins)).values()
        shown = list(found.items())
        assert shown[0][1][0] == 1
        assert shown[-1] == ((shown[-1][0][0], LAST + 1), (2, pytest.approx(2 / 3)))


def test_no_duration():
    """Without durations the given bins are all empty, and there are no default bins."""
    tasks = table({"status_code": "COMPLETED"}, {"status_code": "RUNNING", "creation_time": 0})
    for some in (tasks, frames.empty()):
        table_ = xs.duration_histogram(some, bins=["1s", "2s", "3s"])
        assert counts(table_) == {(): {(1000, 2000): (0, None), (2000, 3000): (0, None)}}
        assert len(xs.duration_histogram(some)) == 0
        by = xs.duration_histogram(some, by="region", bins=["1s", "2s"])
        assert len(by) == 0
        assert by.index.names == ["region", "duration"]


@pytest.mark.parametrize(
    "bins",
    [
        ["1s", "2s", "1min"],
        [timedelta(seconds=1), timedelta(seconds=2), timedelta(minutes=1)],
        [pd.Timedelta("1s"), np.timedelta64(2, "s"), "60s"],
        pd.to_timedelta(["1s", "2s", "1min"]),
        ("1000ms", "2000ms", "00:01:00"),
    ],
)
def test_ways_to_give_edges(bins: Any):  # noqa: ANN401
    """Text, timedeltas of any library, or an index of them are edges."""
    tasks = table({"creation_time": 0, "completion_time": 1500, "status_code": "COMPLETED"})
    assert counts(xs.duration_histogram(tasks, bins=bins)) == {
        (): {(1000, 2000): (1, 1.0), (2000, 60_000): (0, 0.0)}
    }


@pytest.mark.parametrize(
    "bins",
    [
        *([], ["1s"], ["2s", "1s"], ["1s", "1s"], ["-1s", "1s"], ["1us", "2us"], "90s", 5),
        *(["a", "b"], ["1s", None], [None, "1s"], ["1s", "NaT", "5s"], [["1s", "2s"]], [60, 300]),
    ],
)
def test_invalid_edges(bins: Any):  # noqa: ANN401
    """Edges that are too few, not ascending, negative, missing or invalid are refused."""
    with pytest.raises(ArgumentError) as caught:
        xs.duration_histogram(frames.empty(), bins=bins)
    assert str(caught.value).startswith(f"bins={bins!r}; give ")


def test_columns_are_checked():
    """A column that cannot be grouped by is refused."""
    with pytest.raises(ArgumentError, match="by='status_code'"):
        xs.duration_histogram(frames.empty(), by="status_code")


def test_sample_adds_up():
    """Each COMPLETED task of the sample with a duration is in one bin; shares add up to 1."""
    tasks = xs.sample_tasks()
    table_ = xs.duration_histogram(tasks, by=["account_id", "region"])
    sums = table_.groupby(level=["account_id", "region"], observed=True).sum()
    assert sums["share"].to_numpy() == pytest.approx(1)
    counted = by_group(done(rows_of(tasks)), ["account_id", "region"])
    assert sums["tasks"].to_dict() == {slot: len(rows) for slot, rows in counted.items()}
