"""Calendar periods agree with pandas and with plain arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import (
    DAY,
    FIRST,
    HOUR,
    LAST,
    MOST,
    first_of,
    ms,
    next_period,
    period_start,
    plain,
    year_and_month,
)

from exportstats.core import coerce
from exportstats.errors import ArgumentError
from exportstats.stats.calendars import calendar_of

# ours, and the same as pandas spells it for periods
SAME = {
    "h": "h",
    "D": "D",
    "W": "W-SUN",
    "W-SUN": "W-SUN",
    "W-SAT": "W-SAT",
    "W-MON": "W-MON",
    "W-WED": "W-WED",
    "W-THU": "W-THU",
    "M": "M",
    "MS": "M",
    "ME": "M",
    "Q": "Q-DEC",
    "QS": "Q-DEC",
    "QS-FEB": "Q-JAN",
    "QS-DEC": "Q-NOV",
    "QE-JAN": "Q-JAN",
    "QE": "Q-DEC",
    "Y": "Y-DEC",
    "YS": "Y-DEC",
    "YS-MAR": "Y-FEB",
    "YS-DEC": "Y-NOV",
    "YE-MAR": "Y-MAR",
    "YE": "Y-DEC",
}


def times(values: list[int | None]) -> pd.Series:
    """Return milliseconds as times."""
    return pd.Series(coerce.times(np.array([-MOST - 1 if v is None else v for v in values])))


def starts(values: list[int | None], freq: str) -> list[int | None]:
    """Return the first instant of the period of each instant."""
    calendar = calendar_of(freq)
    return plain(pd.Series(calendar.start(calendar.number(times(values)))))


@pytest.mark.parametrize("freq", SAME)
@given(st.lists(st.integers(ms("1700-01-01T00:00Z"), ms("2250-01-01T00:00Z"))))
def test_periods_are_those_of_pandas(freq: str, values: list[int]):
    """Each period begins when pandas' own period does, also before 1970."""
    naive = times(values).dt.tz_localize(None).dt.as_unit("ns")
    assert starts(values, freq) == plain(naive.dt.to_period(SAME[freq]).dt.start_time)


@pytest.mark.parametrize("freq", [*SAME, "5D", "3W", "2QS-FEB", "4YE-MAR"])
def test_period_0_contains_the_first_of_january_1970(freq: str):
    """Periods are counted from the one with 1970-01-01, whatever the anchor and the multiple."""
    assert calendar_of(freq).number(times([0])) == [0]


ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "Australia/Lord_Howe"]


@given(
    st.lists(st.integers(ms("2015-01-01T00:00Z"), ms("2027-01-01T00:00Z"))),
    st.sampled_from(sorted({*SAME} - {"h"})),
    st.sampled_from(ZONES),
)
def test_periods_of_a_zone_are_those_of_its_clocks(values: list[int], freq: str, tz: str):
    """In a time zone, the periods are pandas' periods of the local times."""
    shown = times(values).dt.tz_convert(tz).dt.tz_localize(None).dt.as_unit("ns")
    begin = shown.dt.to_period(SAME[freq]).dt.start_time
    first = np.ones(len(begin), dtype=bool)  # Sao Paulo skipped midnights, Lord Howe half hours
    expected = begin.dt.tz_localize(tz, ambiguous=first, nonexistent="shift_forward")
    calendar = calendar_of(freq, tz)
    numbers = calendar.number(times(values))
    found = pd.Series(calendar.start(numbers))
    assert str(found.dtype) == f"datetime64[ms, {tz}]"
    assert plain(found) == plain(expected.astype(found.dtype))
    assert calendar.exist(numbers).all()
    assert (calendar.number(found) == numbers).all()


def test_hours_that_clocks_skip_and_repeat():
    """A skipped hour is not a period; a repeated hour is one period."""
    calendar = calendar_of("h", "Europe/Berlin")
    spring = calendar.number(times([ms("2026-03-29T00:30Z")]))[0] + np.arange(3)
    assert calendar.exist(spring).tolist() == [True, False, True]
    autumn = calendar.number(times([ms(f"2026-10-25T0{hour}:30Z") for hour in (0, 1, 2)]))
    assert np.diff(autumn).tolist() == [0, 1]


@given(st.lists(st.none() | st.integers(FIRST, LAST)), st.sampled_from(["D", "W", "MS", "YS"]))
def test_periods_however_far_out(values: list[int | None], freq: str):
    """Periods in any year agree with plain arithmetic; a missing time has no period."""
    assert starts(values, freq) == [period_start(value, freq) for value in values]


@pytest.mark.parametrize("freq", ["ms", "s", "min", "h", "D", "W", "W-THU", "MS", "QS", "YE-MAR"])
def test_the_ends_of_time(freq: str):
    """At the first and the last times, a period begins at or before its instant."""
    for value in (LAST, LAST - 1, LAST - 8 * DAY, FIRST, FIRST + 1, FIRST + 8 * DAY):
        (start,) = starts([value], freq)
        assert start is not None
        assert start <= value
        assert value - start < 367 * DAY
        assert starts([start], freq) == [start]


@given(st.integers(FIRST, LAST), st.sampled_from(["D", "W", "MS", "YS"]))
def test_periods_are_numbered_in_a_row(value: int, freq: str):
    """Consecutive periods have consecutive numbers; number 0 contains 1970-01-01."""
    calendar = calendar_of(freq)
    here = period_start(value, freq)
    numbers = calendar.number(times([here, next_period(here, freq), 0]))
    assert numbers[1] == numbers[0] + 1
    assert numbers[2] == 0


@given(st.integers(-(10**15), 10**15), st.integers(1, 50))
def test_several_at_once(value: int, many: int):
    """Multiples of a period are counted from the one that contains 1970-01-01."""
    monday = -3 * DAY  # before 1970-01-01, a Thursday
    size = many * 7 * DAY
    assert starts([value], f"{many}W") == [(value - monday) // size * size + monday]
    assert starts([value], f"{many}D") == [value // (many * DAY) * many * DAY]
    assert starts([value], f"{many}h") == [value // (many * HOUR) * many * HOUR]
    year, month = year_and_month(value)
    first = ((year - 1970) * 12 + month - 1) // many * many
    assert starts([value], f"{many}MS") == [first_of(1970 + first // 12, first % 12 + 1)]


@pytest.mark.parametrize(
    ("text", "freq", "start"),
    [
        ("2026-11-22T23:59:59.999Z", "W", "2026-11-16T00:00Z"),
        ("2026-11-23T00:00Z", "W", "2026-11-23T00:00Z"),
        ("2026-11-23T00:00Z", "W-SAT", "2026-11-22T00:00Z"),
        ("2024-02-29T12:00Z", "MS", "2024-02-01T00:00Z"),
        ("2026-11-23T06:00Z", "QS", "2026-10-01T00:00Z"),
        ("2026-11-23T06:00Z", "YS", "2026-01-01T00:00Z"),
        ("2026-11-23T06:29Z", "90min", "2026-11-23T06:00Z"),
        ("1969-12-31T23:59:59.999Z", "D", "1969-12-31T00:00Z"),
        ("0001-01-01T00:00Z", "YS", "0001-01-01T00:00Z"),
    ],
)
def test_periods_that_one_knows(text: str, freq: str, start: str):
    """Weeks begin on Monday, quarters in January, and a period contains its first instant."""
    assert starts([ms(text)], freq) == [ms(start)]


@pytest.mark.parametrize(
    "freq",
    [
        *("", "x", "5", "H", "T", "B", "SMS", "BMS", "WOM-1MON", "bh", "0D", "-1D", "-2MS", "us"),
        *(
            "100001D",
            "1000000000000MS",
            "1500us",
            "ns",
            "W-XYZ",
            "D;",
            "2026",
            None,
            5,
            1.5,
            [],
            ["D"],
            float("nan"),
        ),
    ],
)
def test_invalid_frequencies(freq: object):
    """What is not a frequency, or has no fixed place in the calendar, is refused with examples."""
    with pytest.raises(ArgumentError) as caught:
        calendar_of(freq)
    assert str(caught.value).startswith(f"freq={freq!r}; give a calendar frequency of pandas: ")
    assert isinstance(caught.value, ValueError)


def test_each_frequency_of_the_message_works():
    """The frequencies that the message recommends are frequencies."""
    with pytest.raises(ArgumentError) as caught:
        calendar_of("fortnight")
    for freq in str(caught.value).split('"')[1::2]:
        assert starts([0], freq)[0] <= 0
