"""What came in during gaps, counted again millisecond by millisecond."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from inflow import KEYS, incoming_of, periods
from oracle import KEY, Case, cases, side_table, stamp, windows
from support import START, Row, ms, plain, table

import exportstats as xs
from exportstats.core import schema
from exportstats.errors import ArgumentError, BadRowsWarning, SchemaError
from exportstats.report.missing import with_stake
from exportstats.stats.incoming import Incoming

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

HOUR, DAY = 3_600_000, 86_400_000


def came(rows: list[Row], key: tuple[Any, ...], gap: range, late: int) -> tuple[Any, ...]:
    """Return bytes, events and silence of a gap, from single milliseconds."""
    counts: dict[int, tuple[int, int]] = {}
    for row in rows:
        both = row["incoming_bytes"], row["incoming_events"]
        if tuple(row[name] for name in KEY) == key and None not in both:
            counts |= dict.fromkeys(range(row["start"], row["start"] + 4), both)
    wider = range(gap.start, gap.stop + late)
    silent = all(time in counts and counts[time][1] == 0 for time in wider)
    if not all(time in counts for time in gap):
        return None, None, silent
    sums = (sum(Fraction(counts[time][of], 4) for time in gap) for of in (0, 1))
    return (*(round(whole) for whole in sums), silent)


def dicts(frame: pd.DataFrame) -> list[Row]:
    """Return the rows as plain Python."""
    columns = [plain(frame[name]) for name in frame]
    return [dict(zip(frame, values, strict=True)) for values in zip(*columns, strict=True)]


@given(cases(), periods(), st.sampled_from([0, 1, 4, 7]))
def test_incoming_data_of_gaps_is_that_of_single_milliseconds(
    case: Case, rows: list[Row], late: int
):
    """Bytes and events count in proportion; a gap is silent if no event came in until later."""
    arguments = case.arguments("log_groups", "tolerance")
    without = xs.find_gaps(case.tasks, **arguments)
    gaps = xs.find_gaps(case.tasks, **arguments, incoming=incoming_of(rows), lateness=f"{late}ms")
    same = [name for name in without if not name.startswith("incoming_") and name != "reason"]
    pd.testing.assert_frame_equal(gaps[same], without[same])
    for index, one in enumerate(dicts(gaps)):
        key = tuple(one[name] for name in KEY)
        expected = came(rows, key, range(one["start"], one["end"]), late)
        reason = "silent" if expected[2] else without["reason"].iloc[index]
        assert (one["incoming_bytes"], one["incoming_events"], one["reason"]) == (
            *expected[:2],
            reason,
        )


@given(
    st.lists(st.tuples(KEYS, windows(), st.sampled_from([None, "blue/"])), max_size=6), periods()
)
def test_incoming_data_of_refused_exports_is_that_of_single_milliseconds(
    asked: list[tuple[tuple[Any, ...], Row, str | None]], rows: list[Row]
):
    """It is that of the whole window; without a window, it is not known."""
    calls = [
        dict(zip(KEY, key, strict=True))
        | window
        | {"event_id": str(number), "event_name": "CreateExportTask", "error_code": "Denied"}
        | {"event_time": START, "principal": f"p{number}", "log_stream_name_prefix": prefix}
        for number, (key, window, prefix) in enumerate(asked)
    ]
    table_ = side_table(calls, schema.API_CALLS.columns)
    without, found = (xs.refused_calls(table_, incoming=one) for one in (None, incoming_of(rows)))
    names = ["incoming_bytes", "incoming_events"]
    assert without[names].isna().all(axis=None)
    pd.testing.assert_frame_equal(found.drop(columns=names), without.drop(columns=names))
    for one in dicts(found):
        first, last = one["from_time"], one["to_time"]
        expected = None, None
        # a longer window is not known as a whole
        if None not in (first, last) and 0 <= last - first < 99:
            key = tuple(one[name] for name in KEY)
            expected = came(rows, key, range(first, last + 1), 0)[:2]
        assert (one["incoming_bytes"], one["incoming_events"]) == expected


@given(cases(), periods())
def test_what_is_at_stake_of_a_task_came_in_during_the_missing_part_of_its_window(
    case: Case, rows: list[Row]
):
    """It is added up over the gaps in the window, and unknown if it is of one of them."""
    gaps = xs.find_gaps(case.tasks, **case.arguments("log_groups"))
    found = with_stake(case.tasks, gaps, Incoming.of(incoming_of(rows)))
    edges = [(tuple(gap[name] for name in KEY), gap["start"], gap["end"]) for gap in dicts(gaps)]
    for task in dicts(found):
        key = tuple(task[name] for name in KEY)
        expected: tuple[int | None, ...] = None, None
        if None not in (task["from_time"], task["to_time"]):
            parts = [
                range(max(start, task["from_time"]), min(end, task["to_time"] + 1))
                for of, start, end in edges
                if of == key
            ]
            sums = [came(rows, key, part, 0)[:2] for part in parts if part]
            whole = [*zip(*sums, strict=True)] or [(), ()]
            expected = tuple(None if None in of else sum(of) for of in whole)
        assert (task["incoming_bytes"], task["incoming_events"]) == expected


GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
DAY_1 = ms("2026-11-20T00:00Z")


def hours(*events: int | None, start: int = DAY_1) -> pd.DataFrame:
    """Return incoming data of consecutive hours."""
    return incoming_of(
        [
            GROUP
            | {"start": start + hour * HOUR, "period": HOUR}
            | {"incoming_events": count, "incoming_bytes": count and 100 * count}
            for hour, count in enumerate(events)
        ]
    )


def gaps_of(incoming: pd.DataFrame | None, **options: object) -> pd.DataFrame:
    """Return the gaps of a day without export, from midnight to noon."""
    done = {"from_time": DAY_1 + DAY // 2, "to_time": DAY_1 + DAY, "status_code": "COMPLETED"}
    options = {"start": stamp(DAY_1), "end": stamp(DAY_1 + DAY), "incoming": incoming} | options
    return xs.find_gaps(table(GROUP | done), **options)


def test_a_gap_in_which_nothing_came_in_is_silent():
    """It is silent up to the default lateness of an hour, and only if all of that is known."""
    [reason] = gaps_of(hours(*[0] * 13))["reason"]
    assert reason == "silent"
    assert gaps_of(hours(*[0] * 12, 5))["reason"].to_list() == ["never_tried"]
    assert gaps_of(hours(*[0] * 12, 5), lateness="0h")["reason"].to_list() == ["silent"]
    assert gaps_of(hours(*[0] * 12))["reason"].to_list() == ["never_tried"]
    assert gaps_of(hours(*[0] * 6, None, *[0] * 8))["reason"].to_list() == ["never_tried"]


def test_without_incoming_data_nothing_is_said_of_it():
    """The columns are missing values, for unknown log groups too."""
    other = incoming_of([GROUP | {"log_group_name": "acme/web", "start": DAY_1, "period": DAY}])
    for incoming in (None, other, incoming_of([])):
        gaps = gaps_of(incoming)
        assert gaps[["incoming_bytes", "incoming_events"]].isna().all(axis=None)
        assert gaps["reason"].to_list() == ["never_tried"]


def test_a_plan_has_no_task_for_a_silent_gap():
    """There is nothing to export, and the plan says how much was left out for that."""
    gaps = gaps_of(hours(*[0] * 13))
    plan = xs.plan_backfill(gaps, table(GROUP), destination="acme", as_of=stamp(DAY_1 + 2 * DAY))
    assert len(plan) == 0
    assert plan.attrs["left_out"]["silent"]["length"] == pd.Timedelta(hours=12)


def test_periods_that_overlap_are_refused():
    """Two lengths of periods of one log group would count twice."""
    both = pd.concat([hours(1, 2), hours(3, start=DAY_1 + HOUR // 2)])
    with pytest.raises(SchemaError, match="periods of acme/api overlap at 2026-11-20 00:30"):
        gaps_of(both)


@pytest.mark.parametrize("lateness", ["x", "-1h", None])
def test_a_lateness_that_is_not_valid(lateness: object):
    """The message names the value."""
    with pytest.raises(ArgumentError, match="lateness="):
        gaps_of(None, lateness=lateness)


def test_a_row_without_a_start_is_refused():
    """It is reported; the others are kept."""
    rows = pd.DataFrame({"log_group_name": ["a", "b"], "start": [0, None], "period": [HOUR] * 2})
    with pytest.warns(BadRowsWarning, match="no start"):
        assert xs.conform(rows, of="incoming")["log_group_name"].to_list() == ["a"]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl.gz", ".json"])
def test_what_is_written_is_read_back(tmp_path: Path, ending: str):
    """In each format, a table equals what it was, and no other periods are merged with it."""
    table_ = xs.conform(hours(0, 7, None), of="incoming")
    xs.write_incoming(table_, tmp_path / f"incoming{ending}")
    pd.testing.assert_frame_equal(xs.read_incoming(tmp_path / f"incoming{ending}"), table_)
