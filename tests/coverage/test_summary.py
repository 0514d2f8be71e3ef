"""Covered fractions are counted again millisecond by millisecond, and day by day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from oracle import KEY, Case, cases, log_groups_of, sampled, stamp
from pandas.testing import assert_frame_equal
from support import DAY, HOUR, START, ms, plain, table

import exportstats as xs
from exportstats.core import frames
from exportstats.coverage.gaps import find_gaps
from exportstats.coverage.summary import coverage_by_day, coverage_summary
from exportstats.errors import ArgumentError

# A case may have log groups of the same name, one of them without an account.
pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

COLUMNS = [
    "covered_at_most",
    "gaps",
    "missing",
    "overlapping",
    "premature_fraction",
    "covered_until",
]
ONE = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}


def keys_of(table_: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the index as plain Python."""
    return list(zip(*(plain(table_.index.get_level_values(name)) for name in KEY), strict=True))


def summary_of(case: Case) -> list[tuple[Any, ...]]:
    """Return the rows of `coverage_summary`."""
    found = []
    for key in case.log_group_keys():
        whole = case.end - case.low(key)
        over = dict(case.covering(key))
        gaps = case.gaps(key)
        missing = sum(end - start for start, end in gaps)
        several = sum(len(rows) > 1 for rows in over.values())
        early = sum(bool(rows) and all(map(case.is_premature, rows)) for rows in over.values())
        until = gaps[0][0] if gaps else case.end
        share = (whole - missing) / whole
        found.append((share, len(gaps), missing, several, early / whole, until))
    return found


@given(cases())
def test_summary_is_that_of_single_milliseconds(case: Case):
    """Every number of every log group agrees with the plain count."""
    summary = coverage_summary(case.tasks, **case.arguments("log_groups", "tolerance", "margin"))
    assert keys_of(summary) == case.log_group_keys()
    assert list(zip(*(plain(summary[name]) for name in COLUMNS), strict=True)) == summary_of(case)
    assert {*summary.columns} - {*COLUMNS} == {
        "length",
        "covered_at_least",
        "partial_fraction",
        "silent_fraction",
    }
    assert summary.index.names == list(KEY)


@given(cases())
def test_summary_adds_up_with_the_gaps(case: Case):
    """`missing` is the total of the gaps, and adds up to the range with what is covered."""
    given_ = case.arguments("log_groups", "tolerance")
    gaps, summary = find_gaps(case.tasks, **given_), coverage_summary(case.tasks, **given_)
    assert summary["missing"].sum() == gaps["length"].sum()
    whole = np.array([case.end - case.low(key) for key in case.log_group_keys()], dtype="float64")
    covered = summary["covered_at_most"].to_numpy() * whole
    assert (np.rint(covered) + np.array(plain(summary["missing"])) == whole).all()


@given(cases())
def test_days_are_those_of_single_milliseconds(case: Case):
    """The covered fraction of each day within the range agrees with the plain count."""
    # move a midnight to seven milliseconds after the start of the range
    step = ms("2026-11-24T00:00Z") - 7 - case.start
    case = Case(
        table(*moved(case.known, step)),
        start=case.start + step,
        end=case.end + step,
        tolerance=case.tolerance,
    )
    days = coverage_by_day(case.tasks, **case.arguments("log_groups", "tolerance"))
    assert keys_of(days) == case.log_group_keys()
    columns = plain(days.columns)
    assert columns[0] == ms("2026-11-23T00:00Z")
    assert len(columns) == (2 if case.end > ms("2026-11-24T00:00Z") else 1)
    for key, shares in zip(case.log_group_keys(), days.to_numpy(), strict=True):
        missing = {time for gap in case.gaps(key) for time in range(*gap)}
        for first, share in zip(columns, shares, strict=True):
            asked = range(max(first, case.start), min(first + DAY, case.end))
            assert share == sum(time not in missing for time in asked) / len(asked)


def moved(rows: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """Shift the windows of the tasks that are near the range."""
    return [
        row
        | {
            name: row[name] + step
            for name in ("from_time", "to_time")
            if row[name] is not None and abs(row[name] - START) < DAY
        }
        for row in rows
    ]


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_days_in_berlin_have_their_own_lengths(day: str, hours: int):
    """In Berlin, a day has 23, 24 or 25 hours from its local midnight."""
    first = pd.Timestamp(day, tz="Europe/Berlin")
    start = int(first.timestamp() * 1000)
    tasks = table(
        ONE | {"from_time": start, "to_time": start + HOUR - 1, "status_code": "COMPLETED"}
    )
    end = first + pd.DateOffset(days=2)
    days = coverage_by_day(tasks, start=first, end=end, tz="Europe/Berlin")
    assert list(days.columns) == [first, first + pd.DateOffset(days=1)]
    assert str(days.columns.dtype) == "datetime64[ms, Europe/Berlin]"
    assert days.columns.name == "day"
    assert days.to_numpy()[0, 0] == 1 / hours
    assert days.to_numpy()[0, 1] == 0


@pytest.mark.parametrize(
    ("tz", "day", "first"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00-02:00"),  # it has no midnight
        ("America/Havana", "2026-11-01", "2026-11-01T00:00-04:00"),  # it has two
    ],
)
def test_days_without_a_midnight_or_with_two(tz: str, day: str, first: str):
    """A day begins at its first instant, even if midnight is skipped or repeated."""
    noon = pd.Timestamp(f"{day} 12:00", tz=tz)
    days = coverage_by_day(frames.empty(), start=noon, end=noon + pd.Timedelta("1h"), tz=tz)
    assert list(days.columns) == [pd.Timestamp(first)]


def test_dates_are_those_of_the_zone():
    """A range of dates begins and ends at midnights in `tz`."""
    days = coverage_by_day(frames.empty(), start="2026-10", end="2026-11", tz="Europe/Berlin")
    assert len(days.columns) == 31
    assert days.columns[0] == pd.Timestamp("2026-10-01", tz="Europe/Berlin")


def test_a_day_that_a_zone_skipped():
    """Samoa skipped 30 December 2011, so there is no such column."""
    days = coverage_by_day(
        frames.empty(),
        start="2011-12-29T12:00-10:00",
        end="2012-01-01T00:00+14:00",
        tz="Pacific/Apia",
    )
    assert [str(day.date()) for day in days.columns] == ["2011-12-29", "2011-12-31"]


def test_days_before_creation_are_missing():
    """Days before a log group's creation are missing; the day of creation counts from then on."""
    tasks = table(ONE | {"from_time": 0, "to_time": 2 * DAY - 1, "status_code": "COMPLETED"})
    log_groups = log_groups_of([ONE | {"creation_time": DAY + DAY // 2}])
    days = coverage_by_day(tasks, start=stamp(0), end=stamp(3 * DAY), log_groups=log_groups)
    np.testing.assert_array_equal(days.to_numpy(), [[np.nan, 1, 0]])


def test_exports_of_the_time_before_creation_do_not_count():
    """What tasks cover before a log group's creation is neither overlapping nor premature."""
    row = ONE | {"from_time": 0, "to_time": 2 * DAY - 1, "status_code": "COMPLETED"}
    tasks = table(row, row, creation_time=2 * DAY)
    log_groups = log_groups_of([ONE | {"creation_time": DAY + DAY // 2}])
    summary = coverage_summary(tasks, start=stamp(0), end=stamp(2 * DAY), log_groups=log_groups)
    assert plain(summary["overlapping"]) == [DAY // 2]
    assert plain(summary["premature_fraction"]) == [1]


def test_log_groups_never_exported():
    """A log group without tasks is not covered; one created at the end is left out."""
    log_groups = log_groups_of([ONE, ONE | {"log_group_name": "late", "creation_time": 2 * DAY}])
    given_ = {"start": stamp(0), "end": stamp(2 * DAY), "log_groups": log_groups}
    summary = coverage_summary(frames.empty(), **given_)
    assert keys_of(summary) == [tuple(ONE.values())]
    assert plain(summary["missing"]) == [2 * DAY]
    assert plain(summary["covered_until"]) == [0]
    assert coverage_by_day(frames.empty(), **given_).to_numpy().tolist() == [[0, 0]]
    assert len(find_gaps(frames.empty(), **given_)) == 1


def test_everything_bridged():
    """With a tolerance as long as the range nothing is missing, not even if never exported."""
    given_ = {"start": stamp(0), "end": stamp(DAY), "log_groups": log_groups_of([ONE])}
    summary = coverage_summary(frames.empty(), tolerance="1D", **given_)
    assert plain(summary["covered_until"]) == [DAY]
    assert coverage_by_day(frames.empty(), tolerance="1D", **given_).to_numpy().tolist() == [[1]]


def test_no_task():
    """Without tasks the table is empty, with all dtypes."""
    given_ = {"start": stamp(0), "end": stamp(DAY)}
    summary = coverage_summary(frames.empty(), **given_)
    assert summary.shape == (0, 10)
    assert [str(dtype) for dtype in summary.dtypes] == [
        "timedelta64[ms]",
        *["float64"] * 4,
        "int64",
        *["timedelta64[ms]"] * 2,
        "float64",
        "datetime64[ms, UTC]",
    ]
    assert coverage_by_day(frames.empty(), **given_).shape == (0, 1)


def test_arguments_are_checked():
    """An invalid time zone, range or tolerance is refused, even without tasks."""
    given_ = {"start": stamp(0), "end": stamp(DAY)}
    with pytest.raises(ArgumentError, match="tz='Mars' is not a time zone"):
        coverage_by_day(frames.empty(), **given_, tz="Mars")
    with pytest.raises(ArgumentError, match="36,525 days are more than 10,000"):
        coverage_by_day(frames.empty(), start="2000-01-01T00:00Z", end="2100-01-01T00:00Z")
    with pytest.raises(ArgumentError, match="tolerance='much'; give a length of time"):
        coverage_summary(frames.empty(), **given_, tolerance="much")
    with pytest.raises(ArgumentError, match="start=0; give a date such as"):
        coverage_summary(frames.empty(), start=0, end=stamp(DAY))


def test_sample_premature_share():
    """The sample's log groups are premature and overlapping as generated."""
    planted = sampled()
    for row in planted["ranges"]:
        summary = coverage_summary(xs.sample_tasks(), start=row["start"], end=row["end"])
        found = summary.loc[tuple(row[name] for name in KEY)]
        mine = [
            one
            for one in planted["premature"]["intervals"]
            if [one[name] for name in KEY] == [row[name] for name in KEY]
        ]
        early = sum(ms(one["end"]) - ms(one["start"]) for one in mine)
        assert found["premature_fraction"] == early / (ms(row["end"]) - ms(row["start"]))


def test_summary_in_any_order_of_categories():
    """Log groups are sorted alphabetically, whatever the order of the categories."""
    tasks = table(
        *(ONE | {"log_group_name": name, "from_time": 0, "to_time": 5} for name in "bca"),
        status_code="COMPLETED",
    )
    other = tasks.assign(
        log_group_name=tasks["log_group_name"].cat.set_categories(["unused", "c", "b", "a"])
    )
    given_ = {"start": stamp(0), "end": stamp(DAY)}
    assert_frame_equal(coverage_summary(other, **given_), coverage_summary(tasks, **given_))
