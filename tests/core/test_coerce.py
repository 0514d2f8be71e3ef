"""Columns of any dtype become text or numbers, and times in a given unit or zone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_series_equal
from support import DAY, MOST, ms, plain

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError, SchemaError

SMALLEST = -MOST - 1


@pytest.mark.parametrize(("unit", "step"), [("s", 1000), ("ms", 1), ("us", 1e-3), ("ns", 1e-6)])
def test_numbers_of_any_unit(unit: str, step: float):
    """`times_in` sets the unit of numbers, also as text; aware times do not change."""
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
    """`times_in` sets the zone of naive times; an ambiguous one is the earlier."""
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
    """An invalid `times_in` is refused with its value and the valid ones."""
    with pytest.raises(ArgumentError, match=r"times_in=.*s, ms, us or ns .*Europe/Berlin"):
        coerce.TimesIn.read(asked)  # type: ignore[arg-type]


@given(st.lists(st.none() | st.text()), st.sampled_from(["object", "str", "string", "category"]))
def test_text_stays_as_it_is(values: list[str | None], dtype: str):
    """Text in columns of any dtype becomes `str` unchanged; nothing is marked."""
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
    """Half a surrogate pair is escaped, so different names stay different."""
    text, bad = coerce.to_text(pd.Series(["a\ud800b", "a\ud801b", "\N{FIRE}"], dtype=object))
    assert plain(text) == ["a\\ud800b", "a\\ud801b", "\N{FIRE}"]
    assert not bad.any()


def test_objects_that_are_no_text_are_marked():
    """Objects that are not text are missing and marked; missing values are not marked."""
    text, bad = coerce.to_text(pd.Series(["a", 1, None, True, b"x", ["a"], np.nan], dtype=object))
    assert plain(text) == ["a", None, None, None, None, None, None]
    assert bad.tolist() == [False, True, False, True, True, True, False]


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "bool", "datetime64[s]"])
def test_numbers_are_no_text(dtype: str):
    """A numeric account ID has lost its zeros, and is refused with the remedy."""
    values = pd.Series([12345678901, 1]).astype(dtype).rename("account_id")
    for make in (coerce.to_text, coerce.to_category):
        with pytest.raises(SchemaError, match=r"the column account_id is .*; read it as text"):
            make(values)


def test_categories_that_are_no_text():
    """Categories of numbers are refused, like numbers."""
    values = pd.Series([1, 2], dtype="category", name="account_id")
    with pytest.raises(SchemaError, match="account_id"):
        coerce.to_text(values)
    with pytest.raises(SchemaError, match="account_id"):
        coerce.to_category(values)


def test_row_labels_are_kept():
    """The values keep their index, and the given column is not changed."""
    given_ = pd.Series(["a", None], index=[7, 7], dtype=object)
    before = given_.copy(deep=True)
    for make in (coerce.to_text, coerce.to_category, coerce.to_times):
        assert make(given_)[0].index.to_list() == [7, 7]
    assert_series_equal(given_, before)


def test_milliseconds_and_times():
    """`millis` is the inverse of `times`; the smallest int64 is NaT."""
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
    """Return the numbers that are read, and the marks."""
    given_ = pd.Series(values, dtype=object, name=column.name)
    made, bad = coerce.to_column(given_, column, scale=scale)
    assert str(made.dtype) == column.dtype
    return plain(made), bad.tolist()


def test_counts():
    """Non-negative integers in any form are counts; everything else is marked."""
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
    """A number is a length in the column's unit; text may be one in pandas' form."""
    given_ = pd.Series(pd.to_timedelta([5, None], unit="ms"), name="retention")
    assert plain(coerce.to_column(given_, LENGTH, scale=DAY)[0]) == [5, None]
    values = [30, "30", 30.0, "30 days", "1 days 12:00:00", None, -1, "never", True, 10**30, []]
    good = [30 * DAY] * 4 + [DAY * 3 // 2] + [None] * 6
    assert numbers(values, LENGTH, DAY) == (good, [False] * 6 + [True] * 5)
    assert numbers([30 * DAY], LENGTH) == ([30 * DAY], [False])
