"""Recorded tasks at another time: the synthetic sample, and made-up tasks for each rule."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from exportstats.emulator import rebase

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
END = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)
DAY = 86_400_000
WEEK = 7 * DAY
ACTIVE = {"RUNNING", "PENDING", "PENDING_CANCEL"}


@pytest.fixture(scope="module")
def tasks() -> list[dict[str, Any]]:
    """Return the sample's tasks in AWS's shape."""
    with gzip.open(SAMPLE / "tasks.jsonl.gz") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def groups() -> list[dict[str, Any]]:
    """Return the sample's log groups in AWS's shape."""
    return json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))


def ms(time: dt.datetime) -> int:
    """Return a time as AWS has it."""
    return int(time.timestamp() * 1000)


def life(task: dict[str, Any]) -> tuple[int, int | None]:
    """Return when a task was created and when it ended."""
    info = task["executionInfo"]
    return info["creationTime"], info.get("completionTime")


def is_active(task: dict[str, Any]) -> bool:
    """Return whether a task is in one of the three active states."""
    return task["status"]["code"] in ACTIVE


def make(created: int, completed: int | None = None, code: str = "COMPLETED") -> dict[str, Any]:
    """Make a task of the default account."""
    info = {"creationTime": created, "completionTime": completed}
    return {"taskId": f"{created}", "status": {"code": code}, "executionInfo": info}


NOWS = [
    dt.datetime(2026, 11, 26, 4, 25, tzinfo=dt.UTC),  # a Thursday
    dt.datetime(2026, 11, 29, 23, 59, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 30, 6, 0, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 2, 4, 15, tzinfo=dt.UTC),  # before the sample's end
    dt.datetime(2031, 8, 1, 17, 30, tzinfo=dt.timezone(dt.timedelta(hours=-7))),
]


def test_at_its_own_end_it_is_as_it_was(
    tasks: list[dict[str, Any]], groups: list[dict[str, Any]]
) -> None:
    """As of the time when it was observed, nothing is moved and nothing is left out."""
    assert rebase(tasks, groups, now=END) == (tasks, groups)


@pytest.mark.parametrize("now", NOWS)
def test_finished_tasks_move_by_whole_weeks(
    now: dt.datetime, tasks: list[dict[str, Any]], groups: list[dict[str, Any]]
) -> None:
    """All times of those that had ended by `now` move by the same weeks, as log groups do."""
    moved, moved_groups = rebase(tasks, groups, now=now)
    before = {task["taskId"]: task for task in tasks}
    (by,) = {
        life(task)[0] - life(before[task["taskId"]])[0] for task in moved if not is_active(task)
    }
    assert by % WEEK == 0
    assert 0 <= ms(END) + by - ms(now) < WEEK
    for task in moved:
        old = before[task["taskId"]]
        if not is_active(task):
            assert life(task)[1] == life(old)[1] + by <= ms(now)
            assert (task["from"], task["to"]) == (old["from"] + by, old["to"] + by)
    assert [group["creationTime"] - by for group in moved_groups] == [
        group["creationTime"] for group in groups
    ]
    assert {
        key: group[key] for group in moved_groups[:1] for key in group if "Time" not in key
    } == {key: group[key] for group in groups[:1] for key in group if "Time" not in key}


@pytest.mark.parametrize("now", NOWS)
def test_what_is_left_out_is_the_end(now: dt.datetime, tasks: list[dict[str, Any]]) -> None:
    """Only what would end after `now`, or while the slot's active task was there, is left out."""
    moved, _ = rebase(tasks, now=now)
    kept = {task["taskId"] for task in moved}
    by = -(-(ms(now) - ms(END)) // WEEK) * WEEK
    missing = [task for task in tasks if task["taskId"] not in kept]
    assert len(missing) < 200
    for slot in {(task["accountId"], task["region"]) for task in tasks}:
        ends = [life(task)[1] or 0 for task in moved if (task["accountId"], task["region"]) == slot]
        assert ms(now) - max(ends) < DAY
    assert min(life(task)[1] for task in missing) + by > ms(now) - 3_600_000


@pytest.mark.parametrize("now", NOWS)
def test_active_tasks_look_active(now: dt.datetime, tasks: list[dict[str, Any]]) -> None:
    """They are as old as they were, export a whole day that is over, and have their slot alone."""
    moved, _ = rebase(tasks, now=now)
    ages = {task["taskId"]: ms(END) - life(task)[0] for task in tasks if is_active(task)}
    active = [task for task in moved if is_active(task)]
    assert {task["taskId"]: ms(now) - life(task)[0] for task in active} == ages
    assert Counter(task["status"]["code"] for task in active) == dict.fromkeys(ACTIVE, 1)
    ends = defaultdict(list)
    for task in moved:
        if not is_active(task):
            ends[task["accountId"], task["region"]].append(life(task)[1])
    for task in active:
        assert task["from"] % DAY == (task["to"] + 1) % DAY == 0
        assert task["to"] < life(task)[0]
        assert max(ends[task["accountId"], task["region"]]) <= life(task)[0]


@pytest.mark.parametrize("now", NOWS)
def test_the_last_night_is_as_every_night(now: dt.datetime, tasks: list[dict[str, Any]]) -> None:
    """The day before the last two is exported of as many log groups as others are."""
    moved, _ = rebase(tasks, now=now)
    days = Counter(task["from"] // DAY for task in moved if task["status"]["code"] == "COMPLETED")
    last = ms(now) // DAY - 3
    assert days[last] > 0.7 * sum(days[last - n] for n in range(1, 29)) / 28


def test_dates_in_names_move_with_the_windows(tasks: list[dict[str, Any]]) -> None:
    """A task named by the day that it exports still is; what is no date stays."""
    moved, _ = rebase(tasks, now=NOWS[0])
    named = [task for task in moved if task.get("taskName", "").startswith("nightly")]
    assert len(named) > 4_000
    for task in named:
        day = dt.datetime.fromtimestamp(task["from"] / 1000, dt.UTC)
        assert task["taskName"].endswith(f"{day:%Y-%m-%d}")
    odd = {**make(0, 1), "observedAt": 8 * DAY, "taskName": "2026-99-99 9999-12-31 1-2-3"}
    assert rebase([odd], now=NOWS[0])[0][0]["taskName"] == odd["taskName"]


def test_without_a_time_of_observation_the_last_event_is_the_end() -> None:
    """Then `now` is taken for a time in the week before the last creation or completion."""
    tasks = [make(500, 1_000), make(5_000, 9_000), make(6_000, code="RUNNING")]
    moved, _ = rebase(tasks, now=dt.datetime.fromtimestamp(9 + 2 * WEEK / 1000, dt.UTC))
    assert [life(task)[0] for task in moved] == [500 + 2 * WEEK, 6_000 + 2 * WEEK]
    moved, _ = rebase([{"taskId": "bare"}], now=END)
    assert moved == [{"taskId": "bare"}]
    assert rebase([], now=END) == ([], [])


def test_a_window_since_ever_stays_one() -> None:
    """A 0 is no time, and nothing is moved to before 1970."""
    task = {**make(10 * DAY, 10 * DAY), "from": 0, "to": DAY}
    (later,), _ = rebase([task], now=dt.datetime(1970, 1, 18, tzinfo=dt.UTC))
    assert (later["from"], later["to"]) == (0, 8 * DAY)
    (earlier,), _ = rebase([task], now=dt.datetime(1970, 1, 4, tzinfo=dt.UTC))
    assert (earlier["from"], earlier["to"]) == (0, 0)


def test_what_was_given_is_not_changed(tasks: list[dict[str, Any]]) -> None:
    """The result is new objects."""
    before = json.dumps(tasks[:50])
    rebase(tasks[:50], now=NOWS[0])
    assert json.dumps(tasks[:50]) == before
