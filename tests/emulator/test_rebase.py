"""Recorded tasks moved to another time: the synthetic sample, and tasks for each rule."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from exportstats.emulator import rebase, rebase_evidence
from exportstats.io.sample import recorded_calls

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
END = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)
DAY = 86_400_000
WEEK = 7 * DAY
STARTED = {"code": "RUNNING", "message": "Started Successfully"}
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


def weeks(now: dt.datetime) -> int:
    """Return the time by which the sample moves."""
    return -(-(ms(now) - ms(END)) // WEEK) * WEEK


def slot(task: dict[str, Any]) -> tuple[str, str]:
    """Return a task's account and region."""
    return task["accountId"], task["region"]


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
    """At the time of observation, nothing is moved or left out."""
    assert rebase(tasks, groups, now=END) == (tasks, groups)


@pytest.mark.parametrize("now", NOWS)
def test_all_moves_by_the_same_weeks(
    now: dt.datetime, tasks: list[dict[str, Any]], groups: list[dict[str, Any]]
) -> None:
    """Tasks and log groups created before `now` are there, and ended tasks are unchanged."""
    moved, moved_groups = rebase(tasks, groups, now=now)
    by = weeks(now)
    assert by % WEEK == 0
    assert 0 <= ms(END) + by - ms(now) < WEEK
    found = {task["taskId"]: task for task in moved}
    for old in tasks:
        created, ended = life(old)
        if is_active(old):
            continue
        task = found.pop(old["taskId"], None)
        assert (task is None) == (created + by > ms(now))
        if task:
            assert (task["from"], task["to"]) == (old["from"] + by, old["to"] + by)
            running = ended + by > ms(now)
            assert life(task) == (created + by, None if running else ended + by)
            assert task["status"] == (STARTED if running else old["status"])
    assert all(is_active(task) for task in found.values())
    assert moved_groups == [
        {**group, "creationTime": group["creationTime"] + by} for group in groups
    ]


@pytest.mark.parametrize("now", NOWS)
def test_active_tasks_look_active(now: dt.datetime, tasks: list[dict[str, Any]]) -> None:
    """There is at most one per slot, within the time-out, with windows of complete days."""
    moved, _ = rebase(tasks, now=now)
    last: dict[tuple[str, str], int] = defaultdict(int)
    for task in moved:
        if not is_active(task):
            last[slot(task)] = max(last[slot(task)], life(task)[1])
    active = {slot(task): task for task in moved if is_active(task)}
    assert len(active) == sum(map(is_active, moved))
    assert {task["status"]["code"] for task in active.values()} >= {"RUNNING"}
    for where, task in active.items():
        assert last[where] <= life(task)[0] <= ms(now) < life(task)[0] + DAY
        assert task["from"] % DAY == (task["to"] + 1) % DAY == 0
        assert task["to"] < life(task)[0] - DAY / 2
    # every slot was busy within the last day
    assert len(last) == 5
    assert all(ms(now) - DAY < ended <= ms(now) for ended in last.values())


def test_an_active_task_is_as_old_as_it_was(tasks: list[dict[str, Any]]) -> None:
    """It keeps its age if its slot was free, or starts when the slot becomes free."""
    ages = {task["taskId"]: ms(END) - life(task)[0] for task in tasks if is_active(task)}
    quiet = dt.datetime(2026, 11, 26, 23, tzinfo=dt.UTC)
    moved, _ = rebase(tasks, now=quiet)
    assert {task["taskId"]: ms(quiet) - life(task)[0] for task in moved if is_active(task)} == ages
    recording = [make(500, 1_000), make(9_000, code="RUNNING")]
    recording[1]["observedAt"] = 10_000
    later, _ = rebase(recording, now=dt.datetime.fromtimestamp(1.5 + WEEK / 1000, dt.UTC))
    assert [life(task)[0] - WEEK for task in later] == [500, 1_000]
    busy, _ = rebase(recording, now=dt.datetime.fromtimestamp(0.7 + WEEK / 1000, dt.UTC))
    assert [(life(task)[0] - WEEK, task["status"]) for task in busy] == [(500, STARTED)]


def test_what_is_exported_is_not_yet_to_come() -> None:
    """A window never ends after the creation of its task."""
    task = {**make(10 * DAY, code="RUNNING"), "from": 9 * DAY, "to": 10 * DAY - 1}
    task["observedAt"] = 10 * DAY
    for hour in range(0, 48, 5):
        now = dt.datetime.fromtimestamp(10 * DAY / 1000 + 3_600 * hour, dt.UTC)
        (moved,), _ = rebase([task], now=now)
        assert moved["to"] < life(moved)[0] == ms(now)
        assert life(moved)[0] - moved["to"] <= 1.5 * DAY
        assert moved["from"] % DAY == 0


def test_dates_in_names_move_with_the_windows(tasks: list[dict[str, Any]]) -> None:
    """Dates in task names move with the window; other text does not change."""
    moved, _ = rebase(tasks, now=NOWS[0])
    named = [task for task in moved if task.get("taskName", "").startswith("nightly")]
    assert len(named) > 4_000
    for task in named:
        day = dt.datetime.fromtimestamp(task["from"] / 1000, dt.UTC)
        assert task["taskName"].endswith(f"{day:%Y-%m-%d}")
    odd = {**make(0, 1), "observedAt": 8 * DAY, "taskName": "2026-99-99 9999-12-31 1-2-3"}
    assert rebase([odd], now=NOWS[0])[0][0]["taskName"] == odd["taskName"]


def test_without_a_time_of_observation_the_last_event_is_the_end() -> None:
    """Without `observedAt`, the recording ends at the last creation or completion."""
    tasks = [make(500, 1_000), make(5_000, 9_000), make(6_000, code="RUNNING")]
    moved, _ = rebase(tasks, now=dt.datetime.fromtimestamp(9 + 2 * WEEK / 1000, dt.UTC))
    assert [life(task)[0] - 2 * WEEK for task in moved] == [500, 5_000, 9_000]
    moved, _ = rebase([{"taskId": "bare"}], now=END)
    assert moved == [{"taskId": "bare"}]
    assert rebase([], now=END) == ([], [])


def test_a_window_since_ever_stays_one() -> None:
    """A start of 0 stays 0, and nothing moves to before 1970."""
    task = {**make(10 * DAY, 10 * DAY), "from": 0, "to": DAY}
    (later,), _ = rebase([task], now=dt.datetime(1970, 1, 18, tzinfo=dt.UTC))
    assert (later["from"], later["to"]) == (0, 8 * DAY)
    (earlier,), _ = rebase([task], now=dt.datetime(1970, 1, 4, tzinfo=dt.UTC))
    assert (earlier["from"], earlier["to"]) == (0, 0)


def test_what_was_given_is_not_changed(tasks: list[dict[str, Any]]) -> None:
    """The result has new objects."""
    before = json.dumps(tasks[:50])
    rebase(tasks[:50], now=NOWS[0])
    assert json.dumps(tasks[:50]) == before


def test_evidence_moves_with_the_tasks(tasks: list[dict[str, Any]]) -> None:
    """API calls and hours move by the weeks of the tasks; later ones, and active ones, are not."""
    calls, hours = recorded_calls(), [{"logGroupName": "/app", "start": ms(END) - DAY * 7}]
    hours += [{"logGroupName": "/app", "start": ms(END) + DAY}]
    now = NOWS[0]
    moved, came = rebase_evidence(tasks, calls, hours, now=now)
    by = dt.timedelta(milliseconds=weeks(now))
    assert came == [{"logGroupName": "/app", "start": ms(END) - DAY * 7 + weeks(now)}]
    by_id = {call["eventID"]: call for call in moved}
    active = {task["taskId"] for task in tasks if is_active(task)}
    left_out = 0
    for call in calls:
        asked = call["requestParameters"] or {}
        made = call["responseElements"] or {}
        time = dt.datetime.fromisoformat(call["eventTime"]) + by
        found = by_id.pop(call["eventID"], None)
        if time > now or {asked.get("taskId"), made.get("taskId")} & active:
            assert found is None
            left_out += 1
            continue
        assert dt.datetime.fromisoformat(found["eventTime"]) == time
        assert found["errorCode"] == call["errorCode"] if "errorCode" in call else True
        if "from" in asked:
            new = found["requestParameters"]
            assert (new["from"] - asked["from"], new["to"] - asked["to"]) == (weeks(now),) * 2
    assert not by_id
    assert 4 < left_out < 100
    windows = {task["taskId"]: task["from"] for task in rebase(tasks, now=now)[0]}
    for call in moved:
        if made := call["responseElements"]:
            assert windows[made["taskId"]] == call["requestParameters"]["from"]
