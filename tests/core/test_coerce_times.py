"""Columns of any dtype become times; values that cannot are marked."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import EPOCH, FIRST, LAST, MOST, ms, plain

from exportstats.core import coerce, conversion, schema
from exportstats.errors import SchemaError, UnusedWarning

SMALLEST = -MOST - 1
millis = st.integers(-MOST, MOST)
usual = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - made aware


def read(values: object, dtype: object = object) -> tuple[list[int | None], list[bool]]:
    """Return times in milliseconds, and the marks."""
    times, bad = coerce.to_times(pd.Series(values, dtype=dtype, name="creation_time"))
    assert times.dtype == pd.DatetimeTZDtype("ms", "UTC")
    assert bad.dtype == bool
    return plain(times), bad.tolist()


@given(st.lists(st.none() | millis), st.sampled_from(["object", "Int64"]))
def test_whole_numbers_are_milliseconds(values: list[int | None], dtype: str):
    """Each int64 except the smallest is that time; missing values cause no rounding."""
    assert read(values, dtype) == (values, [False] * len(values))


@given(st.lists(st.integers(FIRST, LAST), min_size=1))
def test_text_written_is_text_read(values: list[int]):
    """`iso_text` of any time in a table reads back unchanged, with and without missing values."""
    times = pd.Series(coerce.times(np.array(values)))
    text = coerce.iso_text(times)
    assert read(text, "str") == (values, [False] * len(values))
    assert read([*text, None]) == ([*values, None], [False] * (len(values) + 1))


@given(usual, st.integers(-14 * 60, 14 * 60), st.sampled_from("T "), st.booleans())
def test_iso_text_with_any_offset(moment: dt.datetime, minutes: int, between: str, colon: bool):  # noqa: FBT001
    """Text with an offset is the instant that the standard library reads, floored to 1 ms."""
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    aware = moment.replace(tzinfo=zone)
    text = aware.isoformat(sep=between)
    if not colon:
        text = re.sub(r"(?<=[+-]\d\d):(?=\d\d$)", "", text)
    expected = (aware - EPOCH) // dt.timedelta(milliseconds=1)
    assert read([text, "", None]) == ([expected, None, None], [False, True, False])


@given(usual)
def test_iso_text_in_utc(moment: dt.datetime):
    """Text that ends in Z is read alone, with other such text, and in a mixed column."""
    aware = moment.replace(tzinfo=dt.UTC)
    text = moment.isoformat() + "Z"
    expected = (aware - EPOCH) // dt.timedelta(milliseconds=1)
    assert read([text]) == ([expected], [False])
    assert read([text, None]) == ([expected, None], [False, False])
    assert read([text, "tomorrow"]) == ([expected, None], [False, True])


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-23T06:00Z", "2026-11-23T06:00:00.000+00:00"),
        ("2026-11-23 06:00:00.123456789Z", "2026-11-23T06:00:00.123+00:00"),
        ("2026-11-23 06:00:00+00", "2026-11-23T06:00:00+00:00"),
        ("2026-11-23T11:45:00.5+0545", "2026-11-23T06:00:00.500+00:00"),
        ("2026-11-23T02:30-03:30", "2026-11-23T06:00:00+00:00"),
        ("2026-11-24T00:30+18:30", "2026-11-23T06:00:00+00:00"),
        (" 2026-11-23T06:00Z ", "2026-11-23T06:00:00+00:00"),
        ("1437584472856", "2015-07-22T17:01:12.856+00:00"),
        ("-1", "1969-12-31T23:59:59.999+00:00"),
    ],
)
def test_ways_to_write_a_time(text: str, same: str):
    """Common forms of ISO 8601, and milliseconds as text, are read."""
    assert read([text]) == ([ms(same)], [False])
    assert read([text, None]) == ([ms(same), None], [False, False])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "today",
        "NaT",
        "2026-11-23",
        "2026-11-23T06:00",
        "2026-11-23T06:00:00.123",
        "2026-02-30T06:00Z",
        "2026-02-30T06:00+01:00",
        "2026-13-01T06:00Z",
        "2026-11-23T24:00Z",
        "2026-11-23T24:00+00:00",
        "2026-11-23T23:59:60Z",
        "2026-11-23T23:59:60+00:00",
        "2026-11-23T06:00 CET",
        "2026-11-23T06:00+25:00",
        "2026-11-23T06:00:00.1234567890123456789Z",
        "23/11/2026 06:00Z",
        "2026-11-23T06:00ZZ",
        "1e12",
        "1437584472856.5",
        "\N{ARABIC-INDIC DIGIT TWO}026-11-23T06:00Z",
        "\N{ARABIC-INDIC DIGIT TWO}026-11-23T06:00+01:00",
        "\N{ARABIC-INDIC DIGIT TWO}",
    ],
)
def test_text_that_is_no_time(text: str):
    """Text without date, time and offset, or of an invalid date, is marked."""
    assert read([text]) == ([None], [True])
    assert read([text, None, "2026-11-23T06:00Z"])[1] == [True, False, False]
    assert read([text], "category") == ([None], [True])


def whole(value: float) -> bool:
    """Return whether a number is an integer or infinite."""
    return value == value and (abs(value) == np.inf or value.is_integer())  # noqa: PLR0124


def clipped(value: float) -> int:
    """Return a number as the nearest int64."""
    return int(min(max(value, -MOST), MOST)) if abs(value) < 2**63 else int(np.sign(value)) * MOST


@given(st.lists(st.floats(width=64) | st.integers(-MOST, MOST).map(float), min_size=1))
def test_floats_are_times_if_they_are_whole(values: list[float]):
    """A float is a time if it is an integer or may be in seconds; NaN is missing."""
    expected = [clipped(v) if whole(v) or 10**9 <= v < 4.2e9 else None for v in values]
    bad = [time is None and v == v for time, v in zip(expected, values, strict=True)]  # noqa: PLR0124
    assert read(values, "float64") == (expected, bad)
    assert read([*values, None]) == ([*expected, None], [*bad, False])
    assert read(pd.array(values, "Float64"), None) == (expected, bad)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint64", "UInt64"])
def test_every_width_of_whole_numbers(dtype: str):
    """Integers of any width are milliseconds."""
    assert read([0, 1, 127], dtype) == ([0, 1, 127], [False] * 3)


def test_numbers_outside_of_int64():
    """Numbers outside of int64 are clipped to it."""
    assert read([SMALLEST, 0], "int64") == ([-MOST, 0], [False, False])
    assert read([SMALLEST, None], "Int64") == ([-MOST, None], [False, False])
    far = [SMALLEST, MOST + 1, 10**40, -(10**40), "9" * 5000, "-" + "9" * 5000]
    assert read(far) == ([-MOST, MOST, MOST, -MOST, MOST, -MOST], [False] * 6)
    assert read([MOST, MOST + 1], "uint64") == ([MOST, MOST], [False, False])
    assert read([MOST + 1, None], "UInt64") == ([MOST, None], [False, False])
    far = [2.0**63, -(2.0**63), np.inf, -np.inf]
    assert read(far, "float64") == ([MOST, -MOST, MOST, -MOST], [False] * 4)


@pytest.mark.parametrize(
    ("text", "far"),
    [
        ("300000000-01-01T00:00Z", MOST),
        ("999999999-12-31T23:59:59Z", MOST),
        ("-292275055-05-16T16:47:04.192Z", -MOST),
        ("+10000-01-01T00:00:00+14:00", MOST),
        ("-001-01-01T00:00Z", -MOST),
    ],
)
def test_years_that_no_table_holds(text: str, far: int):
    """A year with more or fewer than four digits is outside of the bounds, on the right side."""
    for values in ([text], [text, "2026-11-23T06:00+00:00"]):
        times, bad = read(values)
        assert not any(bad)
        assert times[0] > LAST if far > 0 else times[0] < FIRST


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.43758E+12", "rounded by a spreadsheet"),
        ("1,43758E+12", "rounded by a spreadsheet"),
        ("2015-07-22 17:00", 'times_in="UTC"'),
        (dt.datetime(2015, 7, 22), 'times_in="UTC"'),  # noqa: DTZ001
        ("7/22/2015", "is not a time"),
    ],
)
def test_reasons_name_the_way_on(value: object, reason: str):
    """A value that is not a time is reported with the remedy, if there is one."""
    assert read([value])[1] == [True]
    assert reason in coerce.fault_of(value, schema.Column("to_time", None, "time", ""))


@pytest.mark.parametrize(("unit", "step"), [("s", 1000), ("us", 1e-3), ("ns", 1e-6)])
def test_likely_unit(unit: str, step: float):
    """Numbers in another unit are recognised by their years; those in the right unit are not."""
    seen = [ms("2001-09-10T00:00Z"), ms("2026-11-23T06:00Z"), ms("2102-12-31T00:00Z")]
    wrong = pd.Series(coerce.times(np.array([*(round(t / step) for t in seen), SMALLEST])))
    with pytest.warns(UnusedWarning, match=rf'milliseconds \(3 of t\); use times_in="{unit}"'):
        conversion.warn_of_units(wrong.to_frame("t"), ["t"], coerce.MILLIS)
    right = pd.Series(coerce.times(np.array([FIRST, 59_999, *seen, LAST, SMALLEST])))
    conversion.warn_of_units(right.to_frame("t"), ["t"], coerce.MILLIS)


@given(
    st.lists(st.none() | usual.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    st.sampled_from(["s", "ms", "us"]),
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Apia"]),
)
def test_aware_times_of_any_unit_and_zone(moments: list[dt.datetime | None], unit: str, zone: str):
    """Aware times of any unit and zone are the same instants, floored to 1 ms."""
    step = {"s": 1000, "ms": 1, "us": 1}[unit]
    values = pd.Series(pd.to_datetime(moments, utc=True).as_unit(unit)).dt.tz_convert(zone)
    expected = [
        None if moment is None else (moment - EPOCH) // dt.timedelta(milliseconds=step) * step
        for moment in moments
    ]
    assert read(values, None) == (expected, [False] * len(moments))
    assert read(values.astype(object)) == (expected, [False] * len(moments))


def test_nanoseconds_are_floored():
    """Times finer than a millisecond are floored, also before 1970, in columns and objects."""
    values = pd.Series(pd.to_datetime([1_999_999, -1, -1_000_001], utc=True))
    assert values.dtype == "datetime64[ns, UTC]"
    assert read(values, None)[0] == [1, -1, -2]
    assert read(values.astype(object))[0] == [1, -1, -2]


def test_standard_librarys_datetimes():
    """Aware datetimes are read over their whole range; naive ones are marked."""
    east, west = dt.timezone(dt.timedelta(hours=14)), dt.timezone(dt.timedelta(hours=-14))
    moments = [
        dt.datetime(2026, 11, 23, 7, tzinfo=ZoneInfo("Europe/Berlin")),
        dt.datetime.min.replace(tzinfo=east),
        dt.datetime.max.replace(tzinfo=west),
        dt.datetime(2026, 11, 23),  # noqa: DTZ001
        dt.date(2026, 11, 23),
    ]
    day = 86_400_000
    ends = [-719_162 * day - 14 * day // 24, 2_932_897 * day - 1 + 14 * day // 24]
    expected = [ms("2026-11-23T06:00Z"), *ends, None, None]
    assert read(moments) == (expected, [False, False, False, True, True])


def test_odd_objects_among_times():
    """Booleans, other number types and containers are marked; NumPy's scalars are read."""
    values = [True, np.True_, Decimal(5), b"5", [5], {"a": 5}, np.int32(5), np.float32(5), 5.0, 5.5]
    good = [None] * 6 + [5, 5, 5, None]
    assert read(values) == (good, [True] * 6 + [False] * 3 + [True])


def test_all_missing_is_missing():
    """A column of missing values of any kind is missing and not marked."""
    for nothing in ([], [None, None], [np.nan, None], [pd.NA, pd.NaT]):
        assert read(nothing) == ([None] * len(nothing), [False] * len(nothing))
    assert read([np.nan], "float64") == ([None], [False])
    assert read([None], "str") == ([None], [False])


def test_naive_times_are_refused_with_a_remedy():
    """Naive times are refused; the message has the column and the remedy."""
    values = pd.Series(pd.to_datetime(["2026-11-23"]), name="creation_time")
    with pytest.raises(SchemaError) as caught:
        coerce.to_times(values)
    remedy = 'frame["creation_time"].dt.tz_localize("UTC")'
    assert str(caught.value).startswith("the times in creation_time have no time zone")
    assert remedy in str(caught.value)
    aware = eval(remedy, {"frame": values.to_frame()})  # noqa: S307 - the remedy has to work
    assert plain(coerce.to_times(aware)[0]) == [ms("2026-11-23T00:00Z")]


@pytest.mark.parametrize("dtype", ["bool", "boolean", "timedelta64[ms]", "complex128"])
def test_kinds_that_are_no_times(dtype: str):
    """Columns of booleans, lengths or complex numbers are refused with name and dtype."""
    values = pd.Series([1, 0], name="to_time").astype(dtype)
    with pytest.raises(SchemaError, match=f"the column to_time is {re.escape(dtype)}, not times"):
        coerce.to_times(values)


def test_seconds_with_a_part():
    """Fractions of seconds are read to the millisecond; other units must be integers."""
    values = pd.Series([1715918400.5, 1715918400.123, "1715918400.25"], dtype=object)
    times, bad = coerce.to_times(values, coerce.TimesIn.read("s"))
    assert plain(times) == [1715918400500, 1715918400123, 1715918400250]
    assert not bad.any()
    assert read([0.5, 1437584472856.5])[1] == [True, True]
