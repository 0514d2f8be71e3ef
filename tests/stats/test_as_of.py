"""Instants and periods are parsed, and the tasks of the past are reconstructed."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from pandas.testing import assert_frame_equal
from support import DAY, START, Row, frame, ms, plain, rows_of, table, tables

from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.as_of import instant, known_at, period


def known_by_hand(rows: list[Row], as_of: int) -> list[Row]:
    """Return the tasks as they were known at an instant."""
    known = []
    for row in rows:
        if row["creation_time"] is not None and row["creation_time"] > as_of:
            continue
        if row["completion_time"] is not None and row["completion_time"] > as_of:
            later = {"status_code": "RUNNING", "status_message": None, "completion_time": None}
            row = {**row, **later}  # noqa: PLW2901
        known.append({**row, "observed_at": as_of})
    return known


@given(tables())
def test_known_at_is_what_one_would_have_seen(tasks: pd.DataFrame):
    """Later tasks are left out; a task that ended later is RUNNING, without an end or a message."""
    before = tasks.copy(deep=True)
    for time in (START - 10 * DAY, 0, None):
        known = known_at(tasks, None if time is None else pd.Timestamp(time, unit="ms", tz="UTC"))
        expected = rows_of(tasks) if time is None else known_by_hand(rows_of(tasks), time)
        assert rows_of(known) == expected
        frames.check(known)
        by_hand = frames.conform(frame(expected))
        assert plain(known["duration"]) == plain(by_hand["duration"])
        assert plain(known["window"]) == plain(by_hand["window"])
    assert_frame_equal(tasks, before)


def test_the_instant_itself_is_known():
    """What is created or ends exactly at `as_of` is known."""
    tasks = table({"creation_time": 5, "completion_time": 7, "status_code": "FAILED"})
    states = [
        plain(known_at(tasks, pd.Timestamp(time, unit="ms", tz="UTC"))["status_code"])
        for time in (4, 5, 6, 7)
    ]
    assert states == [[], ["RUNNING"], ["RUNNING"], ["FAILED"]]


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T06:00Z",
        "2026-11-23 07:00+01:00",
        "2026-11-23T06:00:00.000999Z",
        pd.Timestamp("2026-11-23 11:45", tz="Asia/Kathmandu"),
        dt.datetime(2026, 11, 23, 7, tzinfo=ZoneInfo("Europe/Berlin")),
        dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC),
    ],
)
def test_ways_to_give_an_instant(value: object):
    """Text with an offset and aware timestamps or datetimes are instants, to the millisecond."""
    stamp = instant(value, "as_of")
    assert stamp == pd.Timestamp("2026-11-23 06:00", tz="UTC")
    assert stamp.unit == "ms"
    assert str(stamp.tz) == "UTC"
    assert ms(stamp.isoformat()) == START


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ("1970-01-01T00:00Z", True),
        ("3000-01-01T00:00Z", True),  # the end of a range, which is not in it
        ("1970-01-01T00:00+01:00", False),
        ("3000-01-01T00:00:00.001Z", False),
        ("0001-01-01T00:00+14:00", False),
        ("9999-12-31T23:59-14:00", False),
    ],
)
def test_instants_lie_where_times_do(value: str, known: bool):  # noqa: FBT001
    """An instant before 1970 or after 2999 is refused."""
    if known:
        assert instant(value, "start") == pd.Timestamp(value)
        return
    with pytest.raises(ArgumentError, match=r"start='.*'; give an instant from 1970 to 2999"):
        instant(value, "start")


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "2026-11-23T06:00", "2026-13-23T06:00Z", "NaT", "today", "12", "Nov 2026"),
        *(None, pd.NaT, 0, 5, 5.5, True, [], ["2026-11-23T06:00Z"], {}, object(), float("nan")),
        pd.Timestamp("2026-11-23 06:00"),
        dt.datetime(2026, 11, 23, 6),  # noqa: DTZ001
        *("2026-11-23T00:00", "2026-02-30", "2026-11-23T06:00+99:00"),
    ],
)
def test_invalid_instants(value: object):
    """A time without a time zone, and a value that is not an instant, are refused."""
    with pytest.raises(ArgumentError) as caught:
        instant(value, "start")
    says = 'give a date such as "2026-11-23", or an instant with its time zone'
    assert str(caught.value) == f'start={value!r}; {says}, such as "2026-11-23T06:00Z"'


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23",
        pd.Timestamp("2026-11-23"),
        dt.datetime(2026, 11, 23),  # noqa: DTZ001
        dt.date(2026, 11, 23),
        np.datetime64("2026-11-23"),
        pd.Period("2026-11-23"),
    ],
)
def test_a_date_is_its_midnight(value: object):
    """A date stands for its midnight in the given time zone, UTC by default."""
    assert instant(value, "start") == pd.Timestamp("2026-11-23T00:00Z")
    assert instant(value, "start", "Europe/Berlin") == pd.Timestamp("2026-11-22T23:00Z")
    assert instant("2026-11", "start") == pd.Timestamp("2026-11-01T00:00Z")
    # where clocks skip midnight, the day begins an hour later
    assert instant("2018-11-04", "x", "America/Sao_Paulo") == pd.Timestamp("2018-11-04T03:00Z")


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-Q3", "2026-07-01", "2026-10-01"),
        ("2026-10", "2026-10-01", "2026-11-01"),
        ("2026-W01", "2025-12-29", "2026-01-05"),
        ("2026-10-25", "2026-10-25", "2026-10-26"),
        (dt.date(2026, 10, 25), "2026-10-25", "2026-10-26"),
        (pd.Period("2026-10"), "2026-10-01", "2026-11-01"),
        (("2026-10-01", "2026-10-08"), "2026-10-01", "2026-10-08"),
        (["2026-10", dt.date(2026, 12, 1)], "2026-10-01", "2026-12-01"),
    ],
)
def test_ways_to_give_a_period(value: object, start: str, end: str):
    """Years, quarters, months, ISO weeks, days and ranges are periods, in any time zone."""
    for tz in ("UTC", "Europe/Berlin", "Asia/Kolkata"):
        edges = tuple(pd.Timestamp(day, tz=tz) for day in (start, end))
        assert period(value, "current", tz) == edges
        assert all(str(edge.tz) == "UTC" for edge in period(value, "current", tz))
