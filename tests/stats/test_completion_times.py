"""Completion times are counted again with the standard library's time zones."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st
from support import EPOCH, FIRST, LAST, ms, rows_of, table, tables

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Pacific/Auckland"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"),
    *("Pacific/Apia", "Pacific/Kiritimati", "Etc/GMT+12"),
]


def count(times: list[int], tz: str) -> Counter[tuple[str, int]]:
    """Count instants by local weekday and hour; far years are mapped to an equal year nearby."""
    counted: Counter[tuple[str, int]] = Counter()
    for time in times:
        try:
            local = (EPOCH + dt.timedelta(milliseconds=time)).astimezone(ZoneInfo(tz))
        except OverflowError:  # the calendar repeats every 146,097 days
            cycle = 146_097 * 86_400_000
            later = dt.timedelta(milliseconds=time % cycle + cycle)
            local = (EPOCH + later).astimezone(ZoneInfo(tz))
        counted[DAYS[local.weekday()], local.hour] += 1
    return counted


def filled(table_: pd.DataFrame) -> dict[tuple[str, int], int]:
    """Return the cells that are not 0."""
    return {(day, hour): n for day, row in table_.iterrows() for hour, n in row.items() if n}


def completed(*times: int | None) -> pd.DataFrame:
    """Return COMPLETED tasks with these completion times."""
    made = [{"completion_time": time} for time in times]
    return table(*made, status_code="COMPLETED")


@given(tables(), st.sampled_from(ZONES))
def test_counts_are_those_of_the_standard_library(tasks: pd.DataFrame, tz: str):
    """Each COMPLETED task is counted once, at its local weekday and hour."""
    times = [
        row["completion_time"]
        for row in rows_of(tasks)
        if row["status_code"] == "COMPLETED" and row["completion_time"] is not None
    ]
    table_ = xs.completion_times(tasks, tz=tz)
    assert filled(table_) == count(times, tz)
    assert table_.to_numpy().sum() == len(times)


@given(
    st.lists(st.integers(ms("1970-01-01T00:00Z"), ms("2200-01-01T00:00Z"))), st.sampled_from(ZONES)
)
def test_any_zone_at_any_time(times: list[int], tz: str):
    """Half-hour offsets, summer time and skipped days are handled."""
    assert filled(xs.completion_times(completed(*times), tz=tz)) == count(times, tz)


@given(st.lists(st.integers(FIRST, LAST)), st.sampled_from(ZONES))
def test_far_out_times(times: list[int], tz: str):
    """A completion in any year is counted."""
    assert filled(xs.completion_times(completed(*times), tz=tz)) == count(times, tz)


def test_shape_and_names():
    """There are 7 weekdays from Monday by 24 hours, integer counts, and the time zone."""
    for tasks in (frames.empty(), completed(0)):
        table_ = xs.completion_times(tasks, tz="Asia/Kolkata")
        assert list(table_.index) == DAYS
        assert list(table_.columns) == list(range(24))
        assert (table_.index.name, table_.columns.name) == ("weekday", "hour")
        assert (table_.dtypes == "int64").all()
        assert table_.attrs == {"tz": "Asia/Kolkata"}


@pytest.mark.parametrize(
    ("text", "tz", "cell"),
    [
        ("1970-01-01T00:00Z", "UTC", ("Thursday", 0)),
        ("2026-11-22T23:59:59.999Z", "UTC", ("Sunday", 23)),
        ("2026-11-22T23:59:59.999Z", "Asia/Kolkata", ("Monday", 5)),
        ("2026-11-22T23:15Z", "Asia/Kathmandu", ("Monday", 5)),
        # either side of the end of summer time in Berlin: the hour from 2 to 3 twice
        ("2026-10-25T00:30Z", "Europe/Berlin", ("Sunday", 2)),
        ("2026-10-25T01:30Z", "Europe/Berlin", ("Sunday", 2)),
        # and of its beginning: no hour from 2 to 3
        ("2026-03-29T00:59Z", "Europe/Berlin", ("Sunday", 1)),
        ("2026-03-29T01:00Z", "Europe/Berlin", ("Sunday", 3)),
        # Lord Howe shifts by half an hour
        ("2026-04-04T15:15Z", "Australia/Lord_Howe", ("Sunday", 1)),
        # Samoa had no 2011-12-30, a Friday
        ("2011-12-30T09:59Z", "Pacific/Apia", ("Thursday", 23)),
        ("2011-12-30T10:00Z", "Pacific/Apia", ("Saturday", 0)),
    ],
)
def test_times_that_one_knows(text: str, tz: str, cell: tuple[str, int]):
    """Known instants have the weekday and hour of a clock in the time zone."""
    assert filled(xs.completion_times(completed(ms(text)), tz=tz)) == {cell: 1}


def test_only_completed_tasks():
    """Tasks in other states, and those without a completion time, are not counted."""
    made = [{"status_code": state, "completion_time": 0} for state in [*schema.STATES, "ODD", None]]
    table_ = xs.completion_times(table(*made, {"status_code": "COMPLETED"}))
    assert filled(table_) == {("Thursday", 0): 1}


@pytest.mark.parametrize(
    "tz", ["", "Nowhere", "Europe", "../UTC", "/etc/localtime", "UTC\0", None, 5, "dateutil/UTC"]
)
def test_invalid_time_zones(tz: object):
    """An invalid time zone is refused with an example, even without tasks."""
    with pytest.raises(ArgumentError) as caught:
        xs.completion_times(frames.empty(), tz=tz)
    assert str(caught.value) == f'tz={tz!r} is not a time zone; give one, such as "Europe/Berlin"'


def test_sample():
    """The counts of the sample agree with the standard library, in a zone with summer time."""
    tasks = xs.sample_tasks()
    times = [
        row["completion_time"]
        for row in rows_of(tasks)
        if row["status_code"] == "COMPLETED" and row["completion_time"] is not None
    ]
    found = filled(xs.completion_times(tasks, tz="America/New_York"))
    assert found == count(times, "America/New_York")
