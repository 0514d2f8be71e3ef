"""One column of any kind, made text or times, and what cannot be is marked."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_series_equal
from support import DAY, EPOCH, FIRST, LAST, MOST, ms, plain

from exportstats.core import coerce, frames, schema
from exportstats.errors import ArgumentError, SchemaError, UnusedWarning

SMALLEST = -MOST - 1
millis = st.integers(-MOST, MOST)
usual = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - made aware


def read(values: object, dtype: object = object) -> tuple[list[int | None], list[bool]]:
    """Return times in milliseconds, and which were marked."""
    times, bad = coerce.to_times(pd.Series(values, dtype=dtype, name="creation_time"))
    assert times.dtype == pd.DatetimeTZDtype("ms", "UTC")
    assert bad.dtype == bool
    return plain(times), bad.tolist()


@given(st.lists(st.none() | millis), st.sampled_from(["object", "Int64"]))
def test_whole_numbers_are_milliseconds(values: list[int | None], dtype: str):
    """Each int64 but the smallest is the time that it says; beside gaps it is not rounded."""
    assert read(values, dtype) == (values, [False] * len(values))


@given(st.lists(st.integers(FIRST, LAST), min_size=1))
def test_text_written_is_text_read(values: list[int]):
    """`iso_text` of any time of a table reads back as it was, with and without gaps around."""
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
    """Text that ends in Z is read alone, in a column of its like, and beside other text."""
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
    """ISO 8601 as people and databases write it, and milliseconds as text, are read."""
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
    """Text without a date, a time and an offset, or of no instant that exists, is marked."""
    assert read([text]) == ([None], [True])
    assert read([text, None, "2026-11-23T06:00Z"])[1] == [True, False, False]
    assert read([text], "category") == ([None], [True])


def whole(value: float) -> bool:
    """Return whether a number is whole, as infinity is too."""
    return value == value and (abs(value) == np.inf or value.is_integer())  # noqa: PLR0124


def clipped(value: float) -> int:
    """Return a number as an int64, or the one nearest to it."""
    return int(min(max(value, -MOST), MOST)) if abs(value) < 2**63 else int(np.sign(value)) * MOST


@given(st.lists(st.floats(width=64) | st.integers(-MOST, MOST).map(float), min_size=1))
def test_floats_are_times_if_they_are_whole(values: list[float]):
    """A float is the time that it says if it is whole, or may be of seconds; NaN is missing."""
    expected = [clipped(v) if whole(v) or 10**9 <= v < 4.2e9 else None for v in values]
    bad = [time is None and v == v for time, v in zip(expected, values, strict=True)]  # noqa: PLR0124
    assert read(values, "float64") == (expected, bad)
    assert read([*values, None]) == ([*expected, None], [*bad, False])
    assert read(pd.array(values, "Float64"), None) == (expected, bad)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint64", "UInt64"])
def test_every_width_of_whole_numbers(dtype: str):
    """Whole numbers of any width are milliseconds."""
    assert read([0, 1, 127], dtype) == ([0, 1, 127], [False] * 3)


def test_numbers_outside_of_int64():
    """What no 64-bit number of milliseconds can say is as far away as one can say."""
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
    """A year of more or less than four digits is outside of a table on the side that it says."""
    for values in ([text], [text, "2026-11-23T06:00+00:00"]):
        times, bad = read(values)
        assert not any(bad)
        assert times[0] > LAST if far > 0 else times[0] < FIRST


@pytest.mark.parametrize(("unit", "step"), [("s", 1000), ("ms", 1), ("us", 1e-3), ("ns", 1e-6)])
def test_numbers_of_any_unit(unit: str, step: float):
    """`times_in` says the unit of numbers, be they numbers or text; times with a zone stay."""
    seen = ms("2026-11-23T06:00:00.512Z") if unit != "s" else ms("2026-11-23T06:00Z")
    number = round(seen / step)
    how = coerce.TimesIn.read(unit)
    for given_ in (number, float(number), str(number), f"{number}.0"):
        times, bad = coerce.to_times(pd.Series([given_], dtype=object), how)
        assert abs(plain(times)[0] - seen) <= (1 if isinstance(given_, float) else 0)
        assert not bad.any()
    times, _ = coerce.to_times(pd.Series([number, None], dtype="Int64"), how)
    assert plain(times) == [seen, None]
    with_zone = pd.Series(["2026-11-23T06:00Z"], dtype=object)
    assert plain(coerce.to_times(with_zone, how)[0]) == [ms("2026-11-23T06:00Z")]


def test_seconds_with_a_part():
    """Seconds may have a part, which is read to the millisecond; other units are whole."""
    values = pd.Series([1715918400.5, 1715918400.123, "1715918400.25"], dtype=object)
    times, bad = coerce.to_times(values, coerce.TimesIn.read("s"))
    assert plain(times) == [1715918400500, 1715918400123, 1715918400250]
    assert not bad.any()
    assert read([0.5, 1437584472856.5])[1] == [True, True]


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-07-01 12:00", "Europe/Berlin", "2026-07-01T10:00Z"),
        ("2026-12-01T12:00:00.5", "Europe/Berlin", "2026-12-01T11:00:00.500Z"),
        ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30Z"),
        ("2026-11-23 12:00", "UTC", "2026-11-23T12:00Z"),
        ("2026-11-23 12:00", "Asia/Kathmandu", "2026-11-23T06:15Z"),
        ("2026-11-23 12:00+01:00", "Asia/Kathmandu", "2026-11-23T11:00Z"),
    ],
)
def test_times_without_a_zone(text: str, zone: str, utc: str):
    """`times_in` says the zone of times without one; of two that a clock showed, the earlier."""
    how = coerce.TimesIn.read(zone)
    times, bad = coerce.to_times(pd.Series([text], dtype=object), how)
    assert plain(times) == [ms(utc)]
    assert not bad.any()
    naive = pd.Timestamp(text.removesuffix("+01:00"))
    if "+" not in text:
        assert plain(coerce.to_times(pd.Series([naive]), how)[0]) == [ms(utc)]
        assert plain(coerce.to_times(pd.Series([naive], dtype=object), how)[0]) == [ms(utc)]


@pytest.mark.parametrize("asked", ["minutes", "", "../UTC", "a\0b", 5, "Europe"])
def test_what_is_neither_unit_nor_zone(asked: object):
    """`times_in` that cannot be meant is refused with the value and what can be."""
    with pytest.raises(ArgumentError, match=r"times_in=.*s, ms, us or ns .*Europe/Berlin"):
        coerce.TimesIn.read(asked)  # type: ignore[arg-type]


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
    """What is no time is told with what to do, where that is known."""
    assert read([value])[1] == [True]
    assert reason in coerce.why_bad(value, schema.Column("to_time", None, "time", ""))


@pytest.mark.parametrize(("unit", "step"), [("s", 1000), ("us", 1e-3), ("ns", 1e-6)])
def test_likely_unit(unit: str, step: float):
    """Numbers of another unit show by the years that they would be; those of ours do not."""
    seen = [ms("2001-09-10T00:00Z"), ms("2026-11-23T06:00Z"), ms("2102-12-31T00:00Z")]
    wrong = pd.Series(coerce.times(np.array([*(round(t / step) for t in seen), SMALLEST])))
    with pytest.warns(UnusedWarning, match=rf'milliseconds \(3 of t\); times_in="{unit}"'):
        frames.say_units(wrong.to_frame("t"), ["t"], coerce.MILLIS)
    right = pd.Series(coerce.times(np.array([FIRST, 59_999, *seen, LAST, SMALLEST])))
    frames.say_units(right.to_frame("t"), ["t"], coerce.MILLIS)


@given(
    st.lists(st.none() | usual.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    st.sampled_from(["s", "ms", "us"]),
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York", "Pacific/Apia"]),
)
def test_aware_times_of_any_unit_and_zone(moments: list[dt.datetime | None], unit: str, zone: str):
    """Aware times, whatever their unit and zone, are the same instants, floored to 1 ms."""
    step = {"s": 1000, "ms": 1, "us": 1}[unit]
    values = pd.Series(pd.to_datetime(moments, utc=True).as_unit(unit)).dt.tz_convert(zone)
    expected = [
        None if moment is None else (moment - EPOCH) // dt.timedelta(milliseconds=step) * step
        for moment in moments
    ]
    assert read(values, None) == (expected, [False] * len(moments))
    assert read(values.astype(object)) == (expected, [False] * len(moments))


def test_nanoseconds_are_floored():
    """Times finer than a millisecond are floored, before 1970 too, in a column and as objects."""
    values = pd.Series(pd.to_datetime([1_999_999, -1, -1_000_001], utc=True))
    assert values.dtype == "datetime64[ns, UTC]"
    assert read(values, None)[0] == [1, -1, -2]
    assert read(values.astype(object))[0] == [1, -1, -2]


def test_standard_librarys_datetimes():
    """Aware datetimes are read as they are, at the ends of their range too; naive are marked."""
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
    """Booleans, numbers that are no int or float, and containers are marked; numpy's are read."""
    values = [True, np.True_, Decimal(5), b"5", [5], {"a": 5}, np.int32(5), np.float32(5), 5.0, 5.5]
    good = [None] * 6 + [5, 5, 5, None]
    assert read(values) == (good, [True] * 6 + [False] * 3 + [True])


def test_all_missing_is_missing():
    """A column of nothing, of any way to say so, is missing and not marked."""
    for nothing in ([], [None, None], [np.nan, None], [pd.NA, pd.NaT]):
        assert read(nothing) == ([None] * len(nothing), [False] * len(nothing))
    assert read([np.nan], "float64") == ([None], [False])
    assert read([None], "str") == ([None], [False])


def test_naive_times_are_refused_with_a_remedy():
    """Times without a zone are refused; the message names the column and what to write."""
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
    """A column of booleans, lengths or complex numbers is refused by name and kind."""
    values = pd.Series([1, 0], name="to_time").astype(dtype)
    with pytest.raises(SchemaError, match=f"the column to_time is {re.escape(dtype)}, not times"):
        coerce.to_times(values)


@given(st.lists(st.none() | st.text()), st.sampled_from(["object", "str", "string", "category"]))
def test_text_stays_as_it_is(values: list[str | None], dtype: str):
    """Text of any kind of column becomes `str`, letter by letter; nothing is marked."""
    given_ = pd.Series(values, dtype="object").astype(dtype)
    text, bad = coerce.to_text(given_)
    assert text.dtype == "str"
    assert plain(text) == values
    assert not bad.any()
    named, marked = coerce.to_category(given_)
    assert isinstance(named.dtype, pd.CategoricalDtype)
    assert plain(named) == values
    assert not marked.any()


def test_half_a_surrogate_pair():
    """Half a surrogate pair, which UTF-8 cannot say, is written out: two names stay two."""
    text, bad = coerce.to_text(pd.Series(["a\ud800b", "a\ud801b", "\N{FIRE}"], dtype=object))
    assert plain(text) == ["a\\ud800b", "a\\ud801b", "\N{FIRE}"]
    assert not bad.any()


def test_objects_that_are_no_text_are_marked():
    """Among text, what is none is missing and marked; what is missing is not marked."""
    text, bad = coerce.to_text(pd.Series(["a", 1, None, True, b"x", ["a"], np.nan], dtype=object))
    assert plain(text) == ["a", None, None, None, None, None, None]
    assert bad.tolist() == [False, True, False, True, True, True, False]


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "bool", "datetime64[s]"])
def test_numbers_are_no_text(dtype: str):
    """An account's number as a number has lost its zeros: refused, with the remedy."""
    values = pd.Series([12345678901, 1]).astype(dtype).rename("account_id")
    for make in (coerce.to_text, coerce.to_category):
        with pytest.raises(SchemaError, match=r"the column account_id is .*; read it as text"):
            make(values)


def test_categories_that_are_no_text():
    """Categories of numbers are refused as numbers are, be there one or many."""
    values = pd.Series([1, 2], dtype="category", name="account_id")
    with pytest.raises(SchemaError, match="account_id"):
        coerce.to_text(values)
    with pytest.raises(SchemaError, match="account_id"):
        coerce.to_category(values)


def test_row_labels_are_kept():
    """The values keep their index, and the column that was given is not changed."""
    given_ = pd.Series(["a", None], index=[7, 7], dtype=object)
    before = given_.copy(deep=True)
    for make in (coerce.to_text, coerce.to_category, coerce.to_times):
        assert make(given_)[0].index.to_list() == [7, 7]
    assert_series_equal(given_, before)


def test_milliseconds_and_times():
    """`millis` undoes `times`, the smallest int64 being what is missing."""
    numbers = np.array([0, -1, MOST, SMALLEST])
    times = pd.Series(coerce.times(numbers))
    assert times.isna().tolist() == [False, False, False, True]
    assert coerce.millis(times).tolist() == numbers.tolist()
    assert plain(coerce.iso_text(times))[3] is None


COUNT = schema.Column("objects", None, "count", "")
RATE = schema.Column("throughput", None, "rate", "")
LENGTH = schema.Column("retention", "retentionInDays", "length", "", scale=DAY)


def numbers(
    values: object, column: schema.Column, scale: int = 1
) -> tuple[list[float | None], list[bool]]:
    """Return what numbers are read, and which were marked."""
    given_ = pd.Series(values, dtype=object, name=column.name)
    made, bad = coerce.to_column(given_, column, scale=scale)
    assert str(made.dtype) == column.dtype
    return plain(made), bad.tolist()


def test_counts():
    """Whole numbers that are not negative, however written, are counts; all else is marked."""
    values = [0, 5, 5.0, "7", 2**53 - 1, None, -1, 1.5, "x", True, [1], 10**30, np.nan]
    good = [0, 5, 5, 7, 2**53 - 1, None, None, None, None, None, None, None, None]
    assert numbers(values, COUNT) == (good, [False] * 6 + [True] * 6 + [False])
    with pytest.raises(SchemaError, match="objects is bool, not numbers"):
        coerce.to_column(pd.Series([True], name="objects"), COUNT)


def test_rates():
    """Any number is a rate."""
    assert numbers([0, 1.5, "2.5", None, "x"], RATE) == (
        [0.0, 1.5, 2.5, None, None],
        [False] * 4 + [True],
    )


def test_lengths():
    """A number is a length of so many units; text may be one as pandas writes it."""
    given_ = pd.Series(pd.to_timedelta([5, None], unit="ms"), name="retention")
    assert plain(coerce.to_column(given_, LENGTH, scale=DAY)[0]) == [5, None]
    values = [30, "30", 30.0, "30 days", "1 days 12:00:00", None, -1, "never", True, 10**30, []]
    good = [30 * DAY] * 4 + [DAY * 3 // 2] + [None] * 6
    assert numbers(values, LENGTH, DAY) == (good, [False] * 6 + [True] * 5)
    assert numbers([30 * DAY], LENGTH) == ([30 * DAY], [False])
