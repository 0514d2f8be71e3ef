"""Premature tasks are counted again millisecond by millisecond."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from oracle import KEY, Case, cases, missing_last, sampled
from support import DAY, HOUR, ms, plain, table

import exportstats as xs
from exportstats.core import frames
from exportstats.coverage.premature import find_premature
from exportstats.errors import ArgumentError

# A case may have log groups of the same name, one of them without an account.
pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

COLUMNS = [*KEY, "task_id", "start", "end", "creation_time", "lead", "premature"]


def premature_of(case: Case) -> list[tuple[Any, ...]]:
    """Return the rows of `find_premature`."""
    found = []
    for key in case.log_group_keys():
        over = dict(case.covering(key))
        for row in case.of(key, covering=True):
            window = case.window(row, case.start)
            only = [time for time in window if all(map(case.is_premature, over[time]))]
            if case.is_premature(row) and only:
                created, end = row["creation_time"], row["to_time"] + 1
                lead = created - end
                interval = (window.start, window.stop)
                found.append((*key, row["task_id"], *interval, created, lead, len(only)))
    return sorted(found, key=lambda row: (missing_last(row[:3]), row[4], row[5], row[3]))


@given(cases())
def test_premature_tasks_are_those_of_single_milliseconds(case: Case):
    """Each premature task, and how much of it is premature, agrees with the plain count."""
    case.log_groups = None
    table_ = find_premature(case.tasks, **case.arguments("margin"))
    assert list(zip(*(plain(table_[name]) for name in COLUMNS), strict=True)) == premature_of(case)
    assert list(table_.columns) == COLUMNS


@pytest.mark.parametrize(("after", "listed"), [(12 * HOUR - 1, True), (12 * HOUR, False)])
def test_twelve_hours_are_enough(after: int, listed: bool):  # noqa: FBT001
    """A task created less than 12 h after its window's end is premature; at 12 h it is not."""
    tasks = table(
        {"from_time": 0, "to_time": DAY - 1, "creation_time": DAY + after},
        status_code="COMPLETED",
        log_group_name="acme/api",
    )
    assert len(find_premature(tasks)) == listed


def test_what_is_exported_again_in_part():
    """Only the part that no later task covers is premature; a fully covered task is not listed."""
    early = {"from_time": 0, "to_time": DAY - 1, "creation_time": DAY}
    again = {"from_time": 0, "to_time": DAY // 2 - 1, "creation_time": 3 * DAY}
    same = {"status_code": "COMPLETED", "log_group_name": "acme/api"}
    assert plain(find_premature(table(early, again, **same))["premature"]) == [DAY // 2]
    assert len(find_premature(table(early, again | {"to_time": DAY - 1}, **same))) == 0
    failed = again | {"to_time": DAY - 1, "status_code": "FAILED"}
    assert plain(find_premature(table({**same, **early}, {**same, **failed}))["premature"]) == [DAY]


def test_a_task_without_creation_is_not_premature():
    """A task without a creation time is not premature."""
    tasks = table(
        {"from_time": 0, "to_time": 9}, status_code="COMPLETED", log_group_name="acme/api"
    )
    assert len(find_premature(tasks)) == 0


def test_no_task():
    """Without tasks the table is empty, with all dtypes."""
    table_ = find_premature(frames.empty())
    assert len(table_) == 0
    assert list(table_.columns) == COLUMNS
    assert [str(dtype) for dtype in table_.dtypes[4:]] == [
        *["datetime64[ms, UTC]"] * 3,
        *["timedelta64[ms]"] * 2,
    ]


@pytest.mark.parametrize("margin", ["-1h", "soon", None, "NaT", [1, 2]])
def test_invalid_margins(margin: object):
    """A margin that is negative or not a length of time is refused."""
    with pytest.raises(ArgumentError, match=r"margin=.*; give a length of time"):
        find_premature(frames.empty(), margin=margin)


def test_sample_has_the_planted_tasks():
    """The sample's premature tasks are the generated ones that no later task covers."""
    found = find_premature(xs.sample_tasks())
    assert dict(zip(found["task_id"], plain(found["creation_time"]), strict=True)) == {
        row["task_id"]: ms(row["created"])
        for row in sampled()["premature"]["tasks"]
        if not row["covered_again"]
    }
    intervals = set(zip(plain(found["start"]), plain(found["end"]), strict=True))
    assert intervals == {
        (ms(row["start"]), ms(row["end"]))
        for row in sampled()["premature"]["tasks"]
        if not row["covered_again"]
    }
