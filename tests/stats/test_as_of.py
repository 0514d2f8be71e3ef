"""What was known at an instant is what a table had, had it been made then."""

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
from exportstats.stats.as_of import instant, known_at


def known_by_hand(rows: list[Row], as_of: int) -> list[Row]:
    """Give the tasks that there were, each as it was then."""
    known = []
    for row in rows:
        if row["creation_time"] is not None and row["creation_time"] > as_of:
            continue
        if row["completion_time"] is not None and row["completion_time"] > as_of:
            later = {"status_code": "RUNNING", "status_message": None, "completion_time": None}
            row = {**row, **later}  # noqa: PLW2901
        known.append(row)
    return known


@given(tables())
def test_known_at_is_what_one_would_have_seen(tasks: pd.DataFrame):
    """Later tasks are not there; one that ended later is RUNNING, without an end or its message."""
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
    """What is created or ends at the very instant is known then."""
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
    """Text with an offset, aware timestamps and datetimes of any zone are instants, to 1 ms."""
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
    """An instant before 1970 or after 2999, where no time of a table is, is refused."""
    if known:
        assert instant(value, "start") == pd.Timestamp(value)
        return
    with pytest.raises(ArgumentError, match=r"start='.*'; give an instant from 1970 to 2999"):
        instant(value, "start")


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "2026-11-23", "2026-11-23T06:00", "2026-13-23T06:00Z", "NaT"),
        *(None, pd.NaT, 5, 5.5, True, [], ["2026-11-23T06:00Z"], {}, object(), float("nan")),
        pd.Timestamp("2026-11-23"),
        dt.datetime(2026, 11, 23),  # noqa: DTZ001
        dt.date(2026, 11, 23),
        np.datetime64("2026-11-23"),
        "2026-11-23T06:00+99:00",
    ],
)
def test_what_is_no_instant(value: object):
    """What is no instant, or has no time zone, is refused by name and value, with an example."""
    with pytest.raises(ArgumentError) as caught:
        instant(value, "start")
    text = f'start={value!r}; give an instant with its time zone, as in "2026-11-23T06:00Z"'
    assert str(caught.value) == text
