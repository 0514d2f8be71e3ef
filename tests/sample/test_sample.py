"""The generator makes the sample again; its tasks are like AWS's, as its README says."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from recorded import (
    ACTIVE,
    DATA,
    ENDED,
    MINUTE,
    PACKED,
    SAMPLE,
    Key,
    code,
    completed,
    created,
    key_of,
    ms,
    read_packed,
    span,
)
from support import DAY, HOUR, Row

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path


def test_generator_makes_the_same_sample_again(tmp_path: Path):
    """The script makes the committed sample again, and says that it is synthetic."""
    command = [sys.executable, str(DATA / "make_sample.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for name in PACKED:
        assert read_packed(tmp_path / name) == read_packed(SAMPLE / name)
    for name in ("planted.json", "log_groups.json"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SAMPLE.iterdir()}
    assert "synthetic" in done.stdout.lower()


def test_pack_has_no_time_and_no_name():
    """The gzip header has neither a time nor a file name."""
    header = (SAMPLE / "tasks.jsonl.gz").read_bytes()[:10]
    assert header[3:8] == bytes(5)


def test_counts(tasks: list[Row], planted: Row):
    """There are about 6,000 tasks in all six states in at least four slots, as recorded."""
    states = Counter(map(code, tasks))
    slots = Counter((task["accountId"], task["region"]) for task in tasks)
    assert 5500 <= len(tasks) == planted["counts"]["tasks"] <= 6500
    assert dict(states) == planted["counts"]["by_state"]
    assert set(states) == ENDED | ACTIVE
    assert [(*slot, number) for slot, number in slots.items()] == [
        tuple(row.values()) for row in planted["counts"]["by_slot"]
    ]
    assert len(slots) >= 4
    assert {slot[0] for slot in slots} == {"111122223333", "444455556666"}
    assert {slot[1] for slot in slots} == {"eu-west-1", "us-east-1", "ap-southeast-2"}
    assert len({task["taskId"] for task in tasks}) == len(tasks)
    assert 0.02 < states["FAILED"] / len(tasks) < 0.03


def test_tasks_have_aws_own_shape(tasks: list[Row]):
    """Every task has AWS's keys, nested, and no empty value."""
    always = {"taskId", "logGroupName", "from", "to", "destination", "destinationPrefix"}
    always |= {"status", "executionInfo", "accountId", "region", "observedAt"}
    for task in tasks:
        assert always <= set(task) <= always | {"taskName"}
        assert {"code"} <= set(task["status"]) <= {"code", "message"}
        assert "creationTime" in task["executionInfo"]
        assert set(task["executionInfo"]) <= {"creationTime", "completionTime"}
        assert None not in [*task.values(), *task["status"].values()]
        assert task["from"] <= task["to"] < created(task)
    assert any("taskName" not in task for task in completed(tasks))


def test_slot_runs_one_task_at_a_time(by_slot: dict[tuple[str, str], list[Row]], planted: Row):
    """In a slot, a task is created only after the one before it has ended."""
    observed = ms(planted["observed_at"])
    for tasks in by_slot.values():
        assert created(tasks[0]) <= observed
        for newer, older in pairwise(tasks):
            assert older["executionInfo"]["completionTime"] <= created(newer)


def test_no_task_outlasts_a_day(tasks: list[Row], planted: Row):
    """No task takes more than 24 hours, and the one that takes that long failed."""
    observed = ms(planted["observed_at"])
    ends = [task["executionInfo"].get("completionTime", observed) for task in tasks]
    lasting = {end - created(task): code(task) for task, end in zip(tasks, ends, strict=True)}
    assert min(lasting) > 0
    assert max(lasting) == DAY
    assert lasting[DAY] == "FAILED"


def test_observed_at_is_the_end(tasks: list[Row], planted: Row):
    """All tasks were observed at one instant, a Monday morning, 52 weeks after the start."""
    assert planted["observed_at"] == "2026-11-23T06:00:00.000Z"
    assert {task["observedAt"] for task in tasks} == {ms(planted["observed_at"])}
    assert min(map(created, tasks)) >= ms("2025-11-24")
    assert max(max(task["executionInfo"].values()) for task in tasks) <= ms(planted["observed_at"])


def test_active_tasks(tasks: list[Row], planted: Row):
    """There is one RUNNING, one PENDING and one PENDING_CANCEL task, in different slots."""
    active = [task for task in tasks if code(task) in ACTIVE]
    assert sorted(map(code, active)) == sorted(ACTIVE)
    assert len({(task["accountId"], task["region"]) for task in active}) == 3
    assert [(*key_of(row), row["task_id"], row["state"]) for row in planted["active"]] == [
        (*key_of(task), task["taskId"], code(task)) for task in active
    ]
    assert [ms(row["created"]) for row in planted["active"]] == [created(task) for task in active]


def test_only_what_ended_has_a_completion_time(tasks: list[Row]):
    """Ended tasks have a completion time, and active ones do not."""
    for task in tasks:
        assert ("completionTime" in task["executionInfo"]) == (code(task) in ENDED)


def test_messages(tasks: list[Row]):
    """Messages are AWS's own if these are known, and clearly synthetic for failures."""
    fixed = {
        "COMPLETED": "Completed successfully",
        "CANCELLED": "Cancelled by user",
        "RUNNING": "Started Successfully",
    }
    for task in tasks:
        message = task["status"].get("message")
        if code(task) == "FAILED":
            assert message.startswith("Synthetic: ")
        else:
            assert message == fixed.get(code(task))
    failed = [task["status"]["message"] for task in tasks if code(task) == "FAILED"]
    assert len(set(failed)) > len(failed) / 2, "ids and numbers differ from task to task"


def test_pending_task_has_neither_message_nor_name(tasks: list[Row]):
    """The PENDING task has no message and no name, as recorded at AWS."""
    (pending,) = (task for task in tasks if code(task) == "PENDING")
    assert "taskName" not in pending
    assert "message" not in pending["status"]


def test_windows_are_of_several_lengths(tasks: list[Row]):
    """Most windows are a day; others are an hour, six hours or a week."""
    lengths = Counter(right - left for left, right in map(span, tasks))
    assert set(lengths) == {HOUR, 6 * HOUR, DAY - MINUTE + 1, DAY, 7 * DAY}
    assert lengths[DAY] > len(tasks) / 2


def test_ranges_go_from_first_to_last_night(by_group: dict[Key, list[Row]], planted: Row):
    """A range goes from the first nightly window to the end of the last ended one's day."""
    ranges = {key_of(row): span(row) for row in planted["ranges"]}
    nights: dict[Key, list[int]] = {}
    for key, tasks in by_group.items():
        for task in tasks:
            if task.get("taskName", "").startswith("nightly-") and code(task) in ENDED:
                nights.setdefault(key, []).append(task["from"])
    assert ranges == {key: (min(found), max(found) + DAY) for key, found in nights.items()}
    assert len(ranges) == len(planted["ranges"]) >= 12


def test_log_groups(by_group: dict[Key, list[Row]], log_groups: dict[Key, Row]):
    """Every exported log group is listed, and was created before its first window."""
    never_exported = set(log_groups) - set(by_group)
    assert set(by_group) <= set(log_groups)
    assert 1 <= len(never_exported) <= 2
    allowed = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731}
    for key, row in log_groups.items():
        assert row.get("retentionInDays", 1) in allowed
        assert row["storedBytes"] > 0
        assert row["logGroupClass"] in {"STANDARD", "INFREQUENT_ACCESS"}
        assert all(row["creationTime"] < task["from"] for task in by_group.get(key, ()))
        assert row["logGroupClass"] == "STANDARD" or key in never_exported
    assert any(
        ms("2026-03-01") < log_groups[key]["creationTime"] < ms("2026-09-01") for key in by_group
    )
    assert any("retentionInDays" not in row for row in log_groups.values())


def test_sample_tasks_reads_it(tasks: list[Row]):
    """`sample_tasks` returns the same tasks as a table."""
    table = xs.sample_tasks()
    assert sorted(table["task_id"]) == sorted(task["taskId"] for task in tasks)
    assert table["status_code"].value_counts().to_dict() == Counter(map(code, tasks))
    assert set(table["log_group_name"]) == {task["logGroupName"] for task in tasks}
