"""The states of tasks are counted again with dicts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import (
    DAY,
    LAST,
    START,
    Row,
    by_group,
    cells,
    ms,
    period_start,
    periods,
    plain,
    rows_of,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

SOME = ["region", "log_group_name", "task_name"]
some_names = st.lists(st.sampled_from(SOME), unique=True, max_size=2)


def count(rows: list[Row], names: list[str], freq: str | None) -> dict[Any, tuple[int, Any]]:
    """Return the count and share of each group, period and state."""
    states = [*schema.STATES, *sorted({r["status_code"] for r in rows} - {*schema.STATES, None})]
    states += [None] if any(row["status_code"] is None for row in rows) else []
    groups = {tuple(row[name] for name in names) for row in rows} or ([()] if not names else [])
    times = [(time,) for time in periods(rows, freq)] if freq else [()]
    counted = Counter(
        (
            tuple(row[name] for name in names)
            + ((period_start(row["creation_time"], freq),) if freq else ()),
            row["status_code"],
        )
        for row in rows
    )
    found = {}
    for group in groups:
        for time in times:
            whole = sum(counted[group + time, state] for state in states)
            for state in states:
                n = counted[group + time, state]
                key = (*group, *time, state)
                found[key if len(key) > 1 else state] = (n, n / whole if whole else None)
    return found


@given(tables(), some_names, st.sampled_from([None, "D", "W", "MS", "YS"]))
def test_counts_are_those_of_a_dict(tasks: pd.DataFrame, names: list[str], freq: str | None):
    """Each group, period and state has its count and share; missing values are a group too."""
    table_ = xs.status_breakdown(tasks, by=names, freq=freq)
    assert cells(table_, "tasks", "share") == count(rows_of(tasks), names, freq)
    assert table_.dtypes.to_dict() == {"tasks": "int64", "share": "float64"}
    assert table_.index.names == [*names, *(["period"] if freq else []), "status_code"]


@given(tables(), some_names, st.sampled_from([None, "W"]))
def test_sums(tasks: pd.DataFrame, names: list[str], freq: str | None):
    """The counts add up to the number of tasks; the shares of tasks add up to 1."""
    table_ = xs.status_breakdown(tasks, by=names, freq=freq)
    assert table_["tasks"].sum() == len(tasks)
    levels = [*names, *(["period"] if freq else [])]
    if not levels:
        assert table_["share"].sum() == pytest.approx(1 if len(tasks) else 0)
        return
    for row in table_.groupby(level=levels, dropna=False, observed=True).sum().itertuples():
        assert row.share == pytest.approx(1 if row.tasks else 0)


def test_no_task():
    """Without tasks there are the six states with a count of 0 and no share."""
    table_ = xs.status_breakdown(frames.empty())
    assert cells(table_, "tasks", "share") == dict.fromkeys(schema.STATES, (0, None))
    assert len(xs.status_breakdown(frames.empty(), freq="D")) == 0
    by = xs.status_breakdown(frames.empty(), by=["region", "destination"], freq="D")
    assert by.index.names == ["region", "destination", "period", "status_code"]
    assert len(by) == 0


@pytest.mark.parametrize("state", [*schema.STATES, "PAUSED", None])
def test_one_state(state: str | None):
    """If all tasks are in one state, its share is 1 and the other known states count 0."""
    table_ = xs.status_breakdown(table({}, {}, {}, status_code=state))
    expected = dict.fromkeys(schema.STATES, (0, 0.0)) | {state: (3, 1.0)}
    assert cells(table_, "tasks", "share") == expected
    assert plain(table_.index) == [*schema.STATES, *([state] if state not in schema.STATES else [])]


def test_states_stand_in_order():
    """Known states come in the order of a task's life, then unknown ones sorted, then missing."""
    tasks = table({}, {"status_code": "b"}, {"status_code": "a"}, {"status_code": "COMPLETED"})
    assert plain(xs.status_breakdown(tasks).index) == [*schema.STATES, "a", "b", None]
    both = xs.status_breakdown(tasks, by="region")
    assert plain(both.index.get_level_values("status_code")) == [*schema.STATES, "a", "b", None]


def test_all_group_values_missing():
    """If all values to group by are missing, there is one group with a missing key."""
    table_ = xs.status_breakdown(table({}, {}), by=["account_id", "destination"])
    assert table_.loc[(float("nan"), float("nan"))]["tasks"].sum() == 2
    assert {key[:2] for key in cells(table_, "tasks")} == {(None, None)}


def test_creation_missing_or_far_out():
    """Tasks without a creation time are in a last period of their own; any year works."""
    tasks = table({}, {"creation_time": LAST}, {"creation_time": START}, status_code="FAILED")
    table_ = xs.status_breakdown(tasks, freq="D")
    failed = {key[0]: n for key, n in cells(table_, "tasks").items() if key[1] == "FAILED"}
    assert failed == {START // DAY * DAY: 1, LAST // DAY * DAY: 1, None: 1}
    assert list(failed)[-1] is None


def test_empty_periods_are_there():
    """A period without tasks is returned for each group, without a share."""
    tasks = table(
        {"region": "x", "creation_time": ms("2026-11-02T00:00Z")},
        {"region": "y", "creation_time": ms("2026-11-23T06:00Z")},
        status_code="COMPLETED",
    )
    table_ = xs.status_breakdown(tasks, by="region", freq="W")
    weeks = [ms(f"2026-11-{day:02}T00:00Z") for day in (2, 9, 16, 23)]
    found = {k[:2]: v for k, v in cells(table_, "tasks", "share").items() if k[2] == "COMPLETED"}
    assert found == {
        ("x", weeks[0]): (1, 1.0),
        **{("x", week): (0, None) for week in weeks[1:]},
        **{("y", week): (0, None) for week in weeks[:3]},
        ("y", weeks[3]): (1, 1.0),
    }


def test_sample_by_plain_counting():
    """The sample's counts by region and month agree with a dict."""
    tasks = xs.sample_tasks()
    table_ = xs.status_breakdown(tasks, by="region", freq="MS")
    counted = Counter(
        (row["region"], period_start(row["creation_time"], "MS"), row["status_code"])
        for row in rows_of(tasks)
    )
    assert {key: n for key, n in cells(table_, "tasks").items() if n} == counted
    regions = by_group(rows_of(tasks), ["region"])
    assert table_.groupby(level="region", observed=True)["tasks"].sum().to_dict() == {
        region: len(rows) for region, rows in regions.items()
    }


def test_pipe_is_the_idiom():
    """`tasks.pipe(...)` returns the same; `by` may be text, a list or a tuple."""
    tasks = table({"region": "x"}, {})
    expected = xs.status_breakdown(tasks, by=["region"], freq="W")
    assert_frame_equal(tasks.pipe(xs.status_breakdown, by="region", freq="W"), expected)
    assert_frame_equal(xs.status_breakdown(tasks, by=("region",), freq="W"), expected)


def test_arguments_are_checked_before_anything_is_counted():
    """An invalid column or frequency is refused, even without tasks."""
    for tasks in (frames.empty(), table({})):
        with pytest.raises(ArgumentError, match="by='status_code' is a column of the result"):
            xs.status_breakdown(tasks, by="status_code")
        with pytest.raises(ArgumentError, match="by='colour'"):
            xs.status_breakdown(tasks, by="colour")
        with pytest.raises(ArgumentError, match="freq='fortnight'"):
            xs.status_breakdown(tasks, freq="fortnight")
    with pytest.raises(TypeError):
        xs.status_breakdown(tasks, "region")
