"""Gaps are counted again millisecond by millisecond."""

from __future__ import annotations

import json
import warnings
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from oracle import HOPE, KEY, SAMPLE, Case, cases, deliveries_of, log_groups_of, sampled, stamp
from support import LAST, ms, plain, table

import exportstats as xs
from exportstats.core import frames
from exportstats.coverage.gaps import explain_again, find_gaps
from exportstats.errors import AccountUnknownWarning, ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

# A case may have log groups of the same name, one of them without an account.
pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

DAY = 86_400_000
COLUMNS = [*KEY, "start", "end", "length", "reason", "last_task_id", "expires_at"]
EVIDENCE = ["error_code", "tried_by", "incoming_bytes", "incoming_events"]
GIVEN = ("log_groups", "tolerance")


def rows_of_gaps(gaps: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the gaps as plain Python, without their length."""
    return list(zip(*(plain(gaps[name]) for name in COLUMNS if name != "length"), strict=True))


def test_a_warning_for_tasks_without_an_account():
    """Tasks without an account are kept apart from a listed log group, with a warning."""
    nowhere = {**day(0), "account_id": None, "region": None}
    listed = log_groups_of([ONE])
    with pytest.warns(AccountUnknownWarning, match="tasks of acme/api have no account_id"):
        gaps = find_gaps(table(nowhere), **RANGE, log_groups=listed)
    assert plain(gaps["account_id"]) == ["111122223333", None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_gaps(table(nowhere), **RANGE)
        find_gaps(table(day(0)), **RANGE, log_groups=listed)


@given(cases())
def test_gaps_are_those_of_single_milliseconds(case: Case):
    """Each gap, reason, last task and expiry agrees with the plain count."""
    gaps = find_gaps(case.tasks, **case.arguments(*GIVEN))
    assert rows_of_gaps(gaps) == case.gap_rows()
    assert list(gaps.columns) == [*COLUMNS, *EVIDENCE]


ONE = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
RANGE = {"start": stamp(0), "end": stamp(10 * DAY)}


def day(first: int, last: int | None = None, **fields: object) -> dict[str, Any]:
    """Return the fields of a COMPLETED task with a window of some days."""
    last = first if last is None else last
    window = {"from_time": first * DAY, "to_time": (last + 1) * DAY - 1}
    return {**ONE, "status_code": "COMPLETED", **window, **fields}


def test_the_most_hopeful_task_speaks_for_a_gap():
    """`active` beats `cancelled`, `failed` and `empty`; the latest task with it is named."""
    tried = [
        day(1, task_id="empty", creation_time=9),
        day(1, task_id="failed", status_code="FAILED", creation_time=5),
        day(1, task_id="failed-2", status_code="FAILED", creation_time=7),
        day(1, task_id="cancelled-a", status_code="CANCELLED", creation_time=3),
        day(1, task_id="cancelled-b", status_code="CANCELLED", creation_time=3),
        day(1, task_id="pending", status_code="PENDING", creation_time=1),
        day(1, task_id="unheard-of", status_code="PAUSED"),
    ]
    deliveries = deliveries_of([ONE | {"task_id": "empty", "delivered": "empty"}])
    found = []
    for some in range(len(tried)):
        gaps = find_gaps(table(*tried[: some + 1]), **RANGE, deliveries=deliveries)
        found.append((gaps["reason"].iloc[0], gaps["last_task_id"].iloc[0]))
    assert found == [
        ("empty", "empty"),
        ("failed", "failed"),
        ("failed", "failed-2"),
        ("cancelled", "cancelled-a"),
        ("cancelled", "cancelled-b"),
        ("active", "pending"),
        ("active", "pending"),
    ]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_of_tasks_created_at_once_the_last_id_speaks(order: Sequence[int]):
    """The ID decides between tasks that are alike, whatever the order of rows and log groups."""
    same = {"status_code": "FAILED", "creation_time": 3}
    tried = [
        *(day(1, task_id=name, **same) for name in ("a", "b", "z")),
        day(1, task_id="c", log_group_name="acme/web", **same),
    ]
    gaps = find_gaps(table(*(tried[at] for at in order)), **RANGE)
    assert list(gaps["last_task_id"]) == ["z", "c"]


def test_a_part_of_a_gap_is_explained_by_the_tasks_in_it():
    """Each part has the reason and task of a gap of its own; what is lost stays lost."""
    tasks = table(
        *(
            day(number, status_code=state, task_id=f"{name}-{state}", log_group_name=name)
            for name in ("acme/api", "acme/web")
            for number, state in ((1, "FAILED"), (3, "CANCELLED"))
        )
    )
    gaps = find_gaps(tasks, **RANGE)
    assert gaps["reason"].to_list() == ["cancelled"] * 2
    for first, last, state in ((0, 2, "FAILED"), (2, 9, "CANCELLED"), (4, 9, None)):
        parts = gaps.assign(start=stamp(first * DAY), end=stamp(last * DAY))
        found = explain_again(parts, tasks, as_of=stamp(LAST), deliveries=None)
        assert set(found["reason"]) == {state.lower() if state else "never_tried"}
        names = [f"{name}-{state}" for name in ("acme/api", "acme/web")]
        assert plain(found["last_task_id"]) == (names if state else [None, None])
    lost = gaps.assign(reason=gaps["reason"].cat.set_categories(["lost"]).fillna("lost"))
    found = explain_again(lost, tasks, as_of=stamp(LAST), deliveries=None)
    assert set(found["reason"]) == {"lost"}
    nothing = explain_again(gaps.head(0), tasks, as_of=stamp(LAST), deliveries=None)
    assert len(nothing) == 0


@pytest.mark.parametrize(
    ("delivered", "gaps"), [("yes", 0), ("unknown", 0), ("empty", 1), ("gone", 1)]
)
def test_what_was_delivered_decides(delivered: str, gaps: int):
    """A COMPLETED task without objects in S3 covers nothing; an unknown delivery covers."""
    deliveries = deliveries_of([ONE | {"task_id": "task-0", "delivered": delivered}])
    found = find_gaps(table(day(0, 9)), **RANGE, deliveries=deliveries)
    assert len(found) == gaps
    other = deliveries_of([ONE | {"task_id": "task-0", "delivered": delivered, "region": "other"}])
    assert len(find_gaps(table(day(0, 9)), **RANGE, deliveries=other)) == 0


def test_retention_cuts_a_gap_in_two():
    """Events deleted by retention are lost; the rest expires in order."""
    log_groups = log_groups_of([ONE | {"retention": 4 * DAY, "observed_at": 6 * DAY}])
    gaps = find_gaps(table(day(0), day(5)), **RANGE, log_groups=log_groups)
    columns = [plain(gaps[name]) for name in ("start", "end", "reason", "expires_at")]
    assert list(zip(*columns, strict=True)) == [
        (1 * DAY, 2 * DAY, "lost", 5 * DAY),
        (2 * DAY, 5 * DAY, "never_tried", 6 * DAY),
        (6 * DAY, 10 * DAY, "never_tried", 10 * DAY),
    ]


@pytest.mark.parametrize(
    ("expired", "found"),
    [
        (1 * DAY, [(1 * DAY, 3 * DAY, "never_tried")]),
        (1 * DAY + 1, [(1 * DAY, 1 * DAY + 1, "lost"), (1 * DAY + 1, 3 * DAY, "never_tried")]),
        (3 * DAY - 1, [(1 * DAY, 3 * DAY - 1, "lost"), (3 * DAY - 1, 3 * DAY, "never_tried")]),
        (3 * DAY, [(1 * DAY, 3 * DAY, "lost")]),
    ],
)
def test_what_is_lost_ends_at_the_millisecond(expired: int, found: list[tuple[int, int, str]]):
    """A gap is lost up to where retention has deleted; no part is empty or too short to list."""
    log_groups = log_groups_of([ONE | {"retention": 4 * DAY, "observed_at": expired + 4 * DAY}])
    tasks = table(day(0), day(3, 9))
    gaps = find_gaps(tasks, **RANGE, log_groups=log_groups, tolerance="1h")
    columns = [plain(gaps[name]) for name in ("start", "end", "reason")]
    assert list(zip(*columns, strict=True)) == found


def test_as_of_is_the_now_of_retention():
    """With `as_of`, lost is what was lost then; without any current time, nothing is."""
    known = ONE | {"retention": 4 * DAY}
    tasks = table(day(9, creation_time=0))
    for observed, as_of, lost in [
        (8, None, 4),
        (8, 6, 2),
        (None, 5, 1),
        (None, None, 0),
        (1, 4, 0),
    ]:
        seen = None if observed is None else observed * DAY
        log_groups = log_groups_of([known | {"observed_at": seen}])
        when = None if as_of is None else stamp(as_of * DAY)
        gaps = find_gaps(tasks, **RANGE, log_groups=log_groups, as_of=when)
        assert sum(plain(gaps.loc[gaps["reason"] == "lost", "length"])) == lost * DAY


def test_a_log_group_kept_for_ever_loses_nothing():
    """Without a retention, or if the log group is not listed, no gap expires."""
    for log_groups in ([ONE | {"observed_at": 9 * DAY}], []):
        gaps = find_gaps(table(day(1)), **RANGE, log_groups=log_groups_of(log_groups))
        assert plain(gaps["expires_at"]) == [None, None]
        assert set(gaps["reason"]) == {"never_tried"}


def test_nothing_is_missing_before_creation():
    """The range of a log group begins at its creation; one created later has no gap."""
    created = {"acme/api": 3, "acme/never": 4, "acme/late": 10, "acme/later": 11}
    log_groups = log_groups_of(
        ONE | {"log_group_name": name, "creation_time": time * DAY}
        for name, time in created.items()
    )
    gaps = find_gaps(table(day(0, 4, task_id="a")), **RANGE, log_groups=log_groups)
    assert plain(gaps["log_group_name"]) == ["acme/api", "acme/never"]
    assert plain(gaps["start"]) == [5 * DAY, 4 * DAY]


def test_a_failure_before_creation_explains_nothing():
    """A failed task with a window before the log group's creation is not the reason of a gap."""
    log_groups = log_groups_of([ONE | {"creation_time": 3 * DAY}])
    gaps = find_gaps(table(day(1, status_code="FAILED")), **RANGE, log_groups=log_groups)
    assert plain(gaps["reason"]) == ["never_tried"]


def test_tasks_without_a_log_group_or_with_half_a_key():
    """Without a log group a task is left out; without an account it is a group of its own."""
    assert len(find_gaps(table(day(0, log_group_name=None)), **RANGE)) == 0
    gaps = find_gaps(table(day(0, 9), day(0, 8, account_id=None)), **RANGE)
    assert plain(gaps["account_id"]) == [None]
    assert plain(gaps["start"]) == [9 * DAY]


def test_a_gap_as_long_as_the_tolerance_is_bridged():
    """A gap as long as the tolerance counts as covered; one millisecond more does not."""
    tasks = table(day(0, 4), day(6, 9))
    assert len(find_gaps(tasks, **RANGE, tolerance="1D")) == 0
    assert len(find_gaps(tasks, **RANGE, tolerance=pd.Timedelta("1D") - pd.Timedelta("1ms"))) == 1


def test_columns_have_their_dtypes():
    """Without tasks the table is empty, with all dtypes."""
    dtypes = [
        *["category"] * 3,
        *["datetime64[ms, UTC]"] * 2,
        "timedelta64[ms]",
        "category",
        "str",
        "datetime64[ms, UTC]",
        "category",
        "str",
        *["Int64"] * 2,
    ]
    for tasks in (frames.empty(), table(day(1))):
        gaps = find_gaps(tasks, **RANGE, log_groups=log_groups_of([ONE]))
        assert [str(dtype) for dtype in gaps.dtypes] == dtypes
        assert len(gaps) == (1 if tasks.empty else 2)
        assert gaps["reason"].cat.ordered
        assert list(gaps["reason"].cat.categories) == [
            *("silent", "lost", "never_tried", "refused"),
            *HOPE[1:],
        ]
        assert isinstance(gaps.index, pd.RangeIndex)
    assert len(find_gaps(frames.empty(), **RANGE)) == 0


def test_arguments_are_checked():
    """An invalid range, instant or side table is refused, even without tasks."""
    with pytest.raises(ArgumentError, match="is not after start="):
        find_gaps(frames.empty(), start=stamp(1), end=stamp(1))
    with pytest.raises(ArgumentError, match="end='2026-11-23T06:00'; give a date such"):
        find_gaps(frames.empty(), start=stamp(1), end="2026-11-23T06:00")
    with pytest.raises(ArgumentError, match="tolerance='-1min'; give a length of time"):
        find_gaps(frames.empty(), **RANGE, tolerance="-1min")
    for number in ("60", " 1.5", 60, np.int64(60)):  # pandas takes these for nanoseconds
        with pytest.raises(ArgumentError, match="give a length of time with its unit"):
            find_gaps(frames.empty(), **RANGE, tolerance=number)
    assert len(find_gaps(frames.empty(), **RANGE, tolerance="0")) == 0
    with pytest.raises(SchemaError, match="acme/api is in the table more than once"):
        find_gaps(frames.empty(), **RANGE, log_groups=log_groups_of([ONE, ONE]))
    with pytest.raises(SchemaError):
        find_gaps(frames.empty(), **RANGE, log_groups=pd.DataFrame())
    with pytest.raises(SchemaError):
        find_gaps(frames.empty(), **RANGE, deliveries=pd.DataFrame())


def planted_gaps() -> dict[tuple[Any, ...], list[tuple[int, int, str]]]:
    """Return the generated gaps per range; those that touch are one, with the best reason."""
    planted = sampled()
    rows = [
        (tuple(row[name] for name in KEY), ms(row["start"]), ms(row["end"]), row["reason"])
        for row in planted["gaps"]
    ]
    for rule in planted["nightly_gaps"]:
        key = tuple(rule[name] for name in KEY)
        first, last = (ms(rule[name] + "T00:00Z") for name in ("first_night", "last_night"))
        into = ms(f"1970-01-01T{rule['start_of_day']}Z")
        nights = range(first, last + 1, DAY)
        rows += [(key, night + into, night + DAY, rule["reason"]) for night in nights]
    found: dict[tuple[Any, ...], list[tuple[int, int, str]]] = {
        tuple(row[name] for name in KEY): [] for row in planted["ranges"]
    }
    for key, start, end, reason in sorted(rows):
        if found[key] and found[key][-1][1] == start:
            start, _, other = found[key].pop()  # noqa: PLW2901 - it grows backwards
            reason = max(reason, other, key=HOPE.index)  # noqa: PLW2901
        found[key].append((start, end, reason))
    return found


@pytest.mark.parametrize("tolerance", ["0ms", "1min"])
def test_sample_has_the_planted_gaps(tolerance: str):
    """The sample's gaps and reasons are the generated ones; the nightly minute is tolerated."""
    tasks, expected = xs.sample_tasks(), planted_gaps()
    found = {}
    for row in sampled()["ranges"]:
        gaps = find_gaps(tasks, start=row["start"], end=row["end"], tolerance=tolerance)
        key = tuple(row[name] for name in KEY)
        found[key] = [gap[3:6] for gap in rows_of_gaps(gaps) if gap[:3] == key]
    longest = 0 if tolerance == "0ms" else 60_000
    # exports end at 23:59:00.000, inclusive, so one millisecond less than a minute is missing
    assert found == {
        key: [gap for gap in gaps if gap[1] - gap[0] > longest] for key, gaps in expected.items()
    }


def test_sample_gap_that_retention_takes_soon():
    """With log groups, one gap is lost, one expires in days, and two were never exported."""
    rows = json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
    planted = sampled()
    log_groups = log_groups_of(
        {
            "account_id": row["accountId"],
            "region": row["region"],
            "log_group_name": row["logGroupName"],
            "creation_time": row["creationTime"],
            "retention": row["retentionInDays"] * DAY if "retentionInDays" in row else None,
            "observed_at": ms(planted["observed_at"]),
        }
        for row in rows
    )
    gaps = find_gaps(
        xs.sample_tasks(), start="2025-11-24T00:00Z", end="2026-11-22T00:00Z", log_groups=log_groups
    )
    now = pd.Timestamp(planted["observed_at"])
    left = gaps[gaps["reason"] != "lost"]["expires_at"] - now
    assert (left.dropna() >= pd.Timedelta(0)).all()
    assert (left < pd.Timedelta("3D")).any()
    lost = gaps[gaps["reason"] == "lost"]
    assert len(lost)
    assert (lost["expires_at"] < now).all()
    exported = set(xs.sample_tasks()["log_group_name"])
    never = gaps[~gaps["log_group_name"].isin(exported)]
    assert never["log_group_name"].nunique() == 2
    assert set(never["reason"]) <= {"never_tried", "lost"}
