"""Slot usage is counted again millisecond by millisecond."""

from __future__ import annotations

import warnings
from collections import Counter
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import (
    ACTIVE,
    DAY,
    FIRST,
    HOUR,
    LAST,
    START,
    Row,
    Shards,
    by_group,
    cells,
    cut,
    ms,
    next_period,
    period_start,
    plain,
    rows_of,
    shuffled,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError, SchemaError
from exportstats.stats.slots import slot_usage

if TYPE_CHECKING:
    from random import Random

SLOT = {"account_id": "111122223333", "region": "eu-west-1"}
COLUMNS = ("tasks", "busy", "longest_idle", "overlapping")
TICK = 10  # the period of the tests that count milliseconds
small = st.none() | st.integers(0, 60)


def end_of(row: Row, as_of: int | None = None) -> int:
    """Return when a task stops being active; its creation if that is unknown."""
    created, completed = row["creation_time"], row["completion_time"]
    if as_of is not None and completed is not None and completed > as_of:
        return as_of
    if row["status_code"] in ACTIVE:
        completed = row["observed_at"] if as_of is None else as_of
    return created if completed is None else max(created, completed)


def there(rows: list[Row], as_of: int | None = None) -> list[Row]:
    """Return the tasks with a creation time."""
    dated = [row for row in rows if row["creation_time"] is not None]
    return [row for row in dated if as_of is None or row["creation_time"] <= as_of]


def usage(rows: list[Row], as_of: int | None) -> dict[Any, tuple[int, int, int, int]]:
    """Return the tasks, busy, longest idle and overlapping milliseconds, counted one by one."""
    found = {}
    for slot, some in by_group(there(rows, as_of), list(SLOT)).items():
        spans = [(row["creation_time"], end_of(row, as_of)) for row in some]
        active = Counter(instant for start, end in spans for instant in range(start, end))
        first = min(start for start, _ in spans) // TICK
        last = max(max(start, end - 1) for start, end in spans) // TICK
        for number in range(first, last + 1):
            period = range(number * TICK, (number + 1) * TICK)
            idle = longest = 0
            for instant in period:
                idle = 0 if active[instant] else idle + 1
                longest = max(longest, idle)
            found[*slot, number * TICK] = (
                sum(start in period for start, _ in spans),
                sum(active[instant] > 0 for instant in period),
                longest,
                sum(active[instant] > 1 for instant in period),
            )
    return found


made = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from(["111122223333", None]),
            "region": st.sampled_from(["eu-west-1", "us-east-1"]),
            "status_code": st.sampled_from([*schema.STATES, "COMPLETED", "PAUSED", None]),
            "creation_time": small,
            "completion_time": small,
            "observed_at": small,
        }
    ),
    max_size=8,
).map(lambda rows: table(*rows))


@given(made, st.none() | st.integers(0, 70))
def test_usage_is_that_of_sets_of_milliseconds(tasks: pd.DataFrame, as_of: int | None):
    """Counts, busy, longest idle and overlapping time agree with sets of milliseconds."""
    when = None if as_of is None else pd.Timestamp(as_of, unit="ms", tz="UTC")
    found = slot_usage(tasks, freq=f"{TICK}ms", as_of=when)
    expected = usage(rows_of(tasks), as_of)
    assert cells(found, *COLUMNS) == expected
    shares = [busy / TICK for _, busy, _, _ in expected.values()]
    assert sorted(found["busy_share"]) == pytest.approx(sorted(shares))


@given(tables(far=False), st.sampled_from(["D", "W", "MS"]))
def test_usage_of_calendar_periods(tasks: pd.DataFrame, freq: str):
    """In days, weeks and months, busy time agrees with the sum over all edges."""
    found = cells(slot_usage(tasks, freq=freq), *COLUMNS)
    expected = {}
    for slot, rows in by_group(there(rows_of(tasks)), list(SLOT)).items():
        spans = [(row["creation_time"], end_of(row)) for row in rows]
        period = period_start(min(start for start, _ in spans), freq)
        last = max(max(start, end - 1) for start, end in spans)
        while period is not None and period <= last:
            stop = next_period(period, freq)
            edges = {max(period, min(stop, edge)) for span in spans for edge in span}
            ordered = sorted(edges | {period, stop})
            busy = overlapping = longest = idle = 0
            for low, high in pairwise(ordered):
                depth = sum(start <= low < end for start, end in spans)
                busy += (high - low) * (depth > 0)
                overlapping += (high - low) * (depth > 1)
                idle = 0 if depth else idle + high - low
                longest = max(longest, idle)
            count = sum(period <= start < stop for start, _ in spans)
            expected[*slot, period] = (count, busy, longest, overlapping)
            period = stop
    assert found == expected


@given(tables(), st.randoms(use_true_random=False), st.sampled_from(["D", "MS"]))
def test_shards_and_order_do_not_matter(tasks: pd.DataFrame, random: Random, freq: str):
    """Neither shards nor the order of the rows change the table."""
    usage_of = partial(slot_usage, freq=freq)
    whole = usage_of(tasks)
    for some in (shuffled(tasks, random), cut(tasks, random), cut(tasks, random, anew=True)):
        assert_frame_equal(usage_of(some), whole, check_categorical=False)


@given(tables())
def test_parts_add_up(tasks: pd.DataFrame):
    """Each task with a creation time is counted once, and busy plus idle time fits the period."""
    with warnings.catch_warnings(action="error"):
        found = slot_usage(tasks, freq="MS")
    assert found["tasks"].sum() == tasks["creation_time"].notna().sum()
    assert found["busy_share"].between(0, 1).all()
    assert (found["overlapping"] <= found["busy"]).all()
    assert found.index.is_unique


@given(made, st.integers(0, 70))
def test_as_of_is_what_one_would_have_seen(tasks: pd.DataFrame, as_of: int):
    """With `as_of`, the table is that of the tasks as they were observed then."""
    seen = []
    for row in there(rows_of(tasks), as_of):
        if row["completion_time"] is not None and row["completion_time"] > as_of:
            row |= {"status_code": "RUNNING", "completion_time": None}
        seen.append(row | {"observed_at": as_of})
    found = slot_usage(tasks, freq="1s", as_of=pd.Timestamp(as_of, unit="ms", tz="UTC"))
    assert cells(found, *COLUMNS) == cells(slot_usage(table(*seen), freq="1s"), *COLUMNS)


def test_an_active_task_is_busy_until_seen():
    """A RUNNING task is active until `as_of`, by default until it was observed."""
    tasks = table(
        {"creation_time": START, "status_code": "RUNNING", "observed_at": START + 6 * HOUR}, **SLOT
    )
    assert plain(slot_usage(tasks, freq="D")["busy"]) == [6 * HOUR]
    assert plain(slot_usage(tasks, freq="D", as_of="2026-11-24T01:00Z")["busy"]) == [
        18 * HOUR,
        HOUR,
    ]
    assert slot_usage(tasks, freq="D", as_of="2026-11-22T00:00Z").empty


@pytest.mark.parametrize(
    "odd",
    [
        {"status_code": "FAILED"},
        {"status_code": "RUNNING"},
        {"status_code": "COMPLETED", "completion_time": START - HOUR},
    ],
)
def test_a_task_without_an_end_is_a_point(odd: Row):
    """A task without an end is counted where it was created and does not interrupt idle time."""
    tasks = table({"creation_time": START, **odd}, **SLOT)
    assert cells(slot_usage(tasks, freq="D"), *COLUMNS) == {
        (*SLOT.values(), START // DAY * DAY): (1, 0, DAY, 0)
    }


@pytest.mark.parametrize(("more", "days"), [(0, [DAY]), (1, [DAY, 1])])
def test_a_day_begins_with_its_first_millisecond(more: int, days: list[int]):
    """A task until midnight is active on one day; a millisecond later, on the next day too."""
    day = START // DAY * DAY
    row = {"creation_time": day, "completion_time": day + DAY + more, "status_code": "COMPLETED"}
    assert plain(slot_usage(table(row, **SLOT), freq="D")["busy"]) == days


def test_a_task_without_creation_has_no_place():
    """Tasks without a creation time are left out, and slots with only such tasks too."""
    assert slot_usage(table({"completion_time": START, "status_code": "FAILED"}, **SLOT)).empty


def test_tasks_that_touch_do_not_overlap():
    """A task created when another completes causes neither idle nor overlapping time."""
    day = START // DAY * DAY
    spans = [(day, day + 12 * HOUR), (day + 12 * HOUR, day + DAY)]
    rows = [{"creation_time": start, "completion_time": end} for start, end in spans]
    found = slot_usage(table(*rows, status_code="COMPLETED", **SLOT), freq="D")
    assert cells(found, *COLUMNS) == {(*SLOT.values(), day): (2, DAY, 0, 0)}
    assert found["busy_share"].to_list() == [1]


def test_far_out_times_do_not_fill_millions_of_periods():
    """Beyond 10,000 periods, only those in which a task begins or ends are returned."""
    tasks = table(
        {"creation_time": START, "completion_time": LAST},
        {"creation_time": FIRST, "completion_time": FIRST},
        {"creation_time": LAST, "completion_time": LAST},
        status_code="COMPLETED",
        **SLOT,
    )
    with warnings.catch_warnings(action="error"):
        found = slot_usage(tasks, freq="h")
    periods = plain(found.index.get_level_values("period"))
    assert periods == [FIRST, START, LAST // HOUR * HOUR]
    assert found["tasks"].to_list() == [1, 1, 1]
    assert found["busy_share"].to_list() == [0, 1, 1 - 1 / HOUR]  # the last one ends too soon


def test_the_shortest_periods_at_the_end_of_time():
    """The last possible period has a share like any other, without a warning."""
    tasks = table({"creation_time": LAST, "status_code": "FAILED"}, **SLOT)
    with warnings.catch_warnings(action="error"):
        found = slot_usage(tasks, freq="1ms")
    assert found["tasks"].to_list() == [1]


def test_no_task():
    """Without tasks the table is empty, with all columns and index levels."""
    for tasks in (frames.empty(), Shards([])):
        found = slot_usage(tasks, freq="D")
        assert len(found) == 0
        assert found.index.names == ["account_id", "region", "period"]
        assert [str(dtype) for dtype in found.dtypes] == [
            "int64", "timedelta64[ms]", "float64", *["timedelta64[ms]"] * 4
        ]  # fmt: skip
        assert str(found.index.dtypes["period"]) == "datetime64[ms, UTC]"


def test_sample_has_one_active_task_at_a_time():
    """In the sample no tasks of a slot overlap, and busy time is the sum of the durations."""
    tasks = xs.sample_tasks()
    found = slot_usage(tasks, freq="W")
    assert (found["overlapping"] == pd.Timedelta(0)).all()
    active = tasks["status_code"].isin(ACTIVE)
    so_far = (tasks["observed_at"] - tasks["creation_time"])[active]
    assert found["busy"].sum() == tasks["duration"].sum() + so_far.sum()
    timed_out = found.loc[("444455556666", "us-east-1", pd.Timestamp("2026-07-20", tz="UTC"))]
    assert timed_out["busy"] > pd.Timedelta("24h")
    assert found["tasks"].sum() == len(tasks)


def test_weeks_begin_on_monday_in_utc():
    """A task that runs over midnight from Sunday to Monday (UTC) is in two weeks."""
    start = ms("2026-11-22T23:00Z")
    tasks = table(
        {"creation_time": start, "completion_time": start + 3 * HOUR, "status_code": "COMPLETED"},
        **SLOT,
    )
    found = slot_usage(tasks, freq="W")
    assert plain(found.index.get_level_values("period")) == [
        ms("2026-11-16T00:00Z"),
        ms("2026-11-23T00:00Z"),
    ]
    assert plain(found["busy"]) == [HOUR, 2 * HOUR]


def test_arguments_are_checked():
    """An invalid frequency, instant or table is refused, even without tasks."""
    with pytest.raises(ArgumentError, match="freq='fortnight'"):
        slot_usage(frames.empty(), freq="fortnight")
    with pytest.raises(ArgumentError, match="as_of='2026-11-23T06:00'; give a date"):
        slot_usage(frames.empty(), as_of="2026-11-23T06:00")
    with pytest.raises(SchemaError, match="not a table of tasks"):
        slot_usage([])  # type: ignore[arg-type]
