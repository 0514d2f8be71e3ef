"""The sample is as its README and `planted.json` say, counted in another way."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

import pytest

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parents[1] / "data"
SAMPLE = DATA / "sample"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
ACTIVE = {"PENDING", "RUNNING", "PENDING_CANCEL"}

Row = dict[str, Any]
Key = tuple[str, str, str]
Interval = tuple[int, int]


def ms(text: str) -> int:
    """Return an ISO 8601 text in milliseconds since 1970; a date is its midnight in UTC."""
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def key_of(row: Row) -> Key:
    """Return the log group of a row of planted.json, of a task or of a log group."""
    if "account_id" in row:
        return row["account_id"], row["region"], row["log_group_name"]
    return row["accountId"], row["region"], row["logGroupName"]


def code(task: Row) -> str:
    """Return the state of a task."""
    return str(task["status"]["code"])


def created(task: Row) -> int:
    """Return the creation time of a task."""
    return int(task["executionInfo"]["creationTime"])


def span(row: Row) -> Interval:
    """Return the half-open interval of a row of planted.json, or of a task."""
    return (ms(row["start"]), ms(row["end"])) if "start" in row else (row["from"], row["to"] + 1)


def iso_week(time: int) -> str:
    """Return the ISO week of an instant."""
    return (EPOCH + timedelta(milliseconds=time)).strftime("%G-W%V")


def read_tasks(folder: Path) -> bytes:
    """Read the uncompressed tasks, because compressed bytes depend on the zlib version."""
    return gzip.decompress((folder / "tasks.jsonl.gz").read_bytes())


def depths(tasks: Iterable[Row], start: int, end: int) -> list[tuple[int, int, int]]:
    """Count the windows over each part of [start, end), by adding starts and subtracting ends."""
    steps = Counter({start: 0, end: 0})
    for task in tasks:
        left, right = span(task)
        if left < end and right > start:
            steps[max(left, start)] += 1
            steps[min(right, end)] -= 1
    # Sums of zero are not edges: one night follows another, so equal neighbours are joined.
    edges = sorted(edge for edge in steps if steps[edge] or edge in {start, end})
    totals = list(accumulate(steps[edge] for edge in edges))[:-1]
    return [(*piece, depth) for piece, depth in zip(pairwise(edges), totals, strict=True)]


@pytest.fixture(scope="module")
def tasks() -> list[Row]:
    """Read all tasks of the sample."""
    return [json.loads(line) for line in read_tasks(SAMPLE).splitlines()]


@pytest.fixture(scope="module")
def planted() -> Row:
    """Read the planted problems."""
    return dict(json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def log_groups() -> dict[Key, Row]:
    """Return the log groups by key."""
    rows = json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
    return {key_of(row): row for row in rows}


@pytest.fixture(scope="module")
def by_group(tasks: list[Row]) -> dict[Key, list[Row]]:
    """Group the tasks by log group."""
    groups = defaultdict(list)
    for task in tasks:
        groups[key_of(task)].append(task)
    return dict(groups)


@pytest.fixture(scope="module")
def by_slot(tasks: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group the tasks by slot, in the order of the file."""
    slots = defaultdict(list)
    for task in tasks:
        slots[task["accountId"], task["region"]].append(task)
    return dict(slots)


def completed(tasks: Iterable[Row]) -> list[Row]:
    """Return the tasks that completed."""
    return [task for task in tasks if code(task) == "COMPLETED"]


def nightly_minutes(planted: Row) -> set[tuple[Key, int, int, str]]:
    """Return the rows of the rule of the nightly gaps."""
    rows = set()
    for rule in planted["nightly_gaps"]:
        assert rule["end_of_day"] == "24:00:00.000"
        for midnight in range(ms(rule["first_night"]), ms(rule["last_night"]) + 1, DAY):
            start = midnight + ms(f"1970-01-01T{rule['start_of_day']}")
            rows.add((key_of(rule), start, midnight + DAY, rule["reason"]))
    return rows


def test_generator_makes_the_same_sample_again(tmp_path: Path):
    """The script makes the committed sample again, and says that it is synthetic."""
    command = [sys.executable, str(DATA / "make_sample.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert read_tasks(tmp_path) == read_tasks(SAMPLE)
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


def test_gaps_are_exactly_the_planted_ones(by_group: dict[Key, list[Row]], planted: Row):
    """No COMPLETED task covers a gap, and one covers everything else; reasons are right."""
    reasons = {"FAILED": "failed", "CANCELLED": "cancelled"}
    found = set()
    for row in planted["ranges"]:
        tasks = by_group[key_of(row)]
        tried = [task for task in tasks if code(task) in reasons]
        for start, end, depth in depths(completed(tasks), *span(row)):
            if depth == 0:
                # Cut where the reason changes, which is at midnight here.
                cuts = sorted({start, end, *range(start - start % DAY + DAY, end, DAY)})
                for left, right in pairwise(cuts):
                    ends = {
                        reasons[code(task)]
                        for task in tried
                        if span(task)[0] < right and span(task)[1] > left
                    }
                    found.add((key_of(row), left, right, *(ends or {"never_tried"})))
    by_day = {
        (key_of(gap), midnight, midnight + DAY, gap["reason"])
        for gap in planted["gaps"]
        for midnight in range(*span(gap), DAY)
    }
    assert found == by_day | nightly_minutes(planted)


def test_gaps_are_joined(planted: Row):
    """Touching gaps, overlaps and premature intervals of one kind are joined."""
    for rows in (planted["gaps"], planted["overlaps"], planted["premature"]["intervals"]):
        for first in rows:
            for second in rows:
                if key_of(first) == key_of(second) and first["end"] == second["start"]:
                    kinds = [row.get("reason", row.get("depth")) for row in (first, second)]
                    assert kinds[0] != kinds[1]


def test_gaps_are_of_every_kind(planted: Row):
    """About twelve nights were never tried, two of them in the last week; others failed."""
    nights = Counter[str]()
    for gap in planted["gaps"]:
        nights[gap["reason"]] += (span(gap)[1] - span(gap)[0]) // DAY
    assert 10 <= nights["never_tried"] <= 14
    assert nights["failed"] >= 5
    assert nights["cancelled"] >= 3
    week_before = ms(planted["observed_at"]) - 7 * DAY
    late = [gap for gap in planted["gaps"] if span(gap)[0] >= week_before]
    assert [gap["reason"] for gap in late] == ["never_tried"] * 2


def test_retention_takes_a_gap_soon(planted: Row, log_groups: dict[Key, Row]):
    """One gap expires within days, and another has expired."""
    observed = ms(planted["observed_at"])
    left = [
        span(gap)[0] + log_groups[key_of(gap)]["retentionInDays"] * DAY - observed
        for gap in planted["gaps"]
        if "retentionInDays" in log_groups[key_of(gap)]
    ]
    assert any(0 < time < 3 * DAY for time in left)
    assert any(time < 0 for time in left)


def test_overlaps_are_exactly_the_planted_ones(by_group: dict[Key, list[Row]], planted: Row):
    """Planted overlaps have the given depth, and everything else at most one task."""
    found = [
        (key_of(row), start, end, depth)
        for row in planted["ranges"]
        for start, end, depth in depths(completed(by_group[key_of(row)]), *span(row))
        if depth > 1
    ]
    assert found == [(key_of(row), *span(row), row["depth"]) for row in planted["overlaps"]]
    assert {row["depth"] for row in planted["overlaps"]} == {2, 3}


def test_premature_tasks_are_exactly_the_planted_ones(by_group: dict[Key, list[Row]], planted: Row):
    """Only the listed tasks were created within 12 h of the end of their window."""
    early: dict[str, Row] = {}
    for tasks in by_group.values():
        for task in completed(tasks):
            if created(task) - span(task)[1] < 12 * HOUR:
                early[task["taskId"]] = task
    rows = planted["premature"]["tasks"]
    assert [row["task_id"] for row in rows] == list(early)
    for row in rows:
        task = early[row["task_id"]]
        assert (key_of(row), span(row), ms(row["created"])) == (
            key_of(task),
            span(task),
            created(task),
        )
        others = [
            other
            for other in completed(by_group[key_of(row)])
            if other["taskId"] not in early and span(other)[0] <= span(task)[0]
        ]
        assert row["covered_again"] == any(span(other)[1] >= span(task)[1] for other in others)
    assert {row["covered_again"] for row in rows} == {True, False}


def test_premature_intervals_are_what_nothing_later_covers(
    by_group: dict[Key, list[Row]], planted: Row
):
    """Premature intervals are covered, but only by premature tasks."""
    early = {row["task_id"] for row in planted["premature"]["tasks"]}
    found = []
    for row in planted["ranges"]:
        tasks = completed(by_group[key_of(row)])
        premature = [task for task in tasks if task["taskId"] in early]
        good = [task for task in tasks if task["taskId"] not in early]
        # Good tasks count twice, so a depth of 1 is a premature task alone.
        steps = depths([*premature, *good, *good], *span(row))
        found += [(key_of(row), start, end) for start, end, depth in steps if depth == 1]
    intervals = planted["premature"]["intervals"]
    assert found == [(key_of(row), *span(row)) for row in intervals]


def test_slowdown_shows_in_the_medians(by_group: dict[Key, list[Row]], planted: Row):
    """The medians before and after differ by the planted factor, within five per cent."""
    since = ms(planted["slowdown"]["since"])
    durations: dict[bool, list[float]] = {False: [], True: []}
    for task in completed(by_group[key_of(planted["slowdown"])]):
        times = task["executionInfo"]
        late = times["creationTime"] >= since
        durations[late].append(math.log(times["completionTime"] - times["creationTime"]))
    factor = math.exp(median(durations[True]) - median(durations[False]))
    assert factor == pytest.approx(planted["slowdown"]["factor"], rel=0.05)
    assert datetime.fromisoformat(planted["slowdown"]["since"]).weekday() == 0


def test_slowdown_can_be_dated(by_group: dict[Key, list[Row]], planted: Row):
    """The best split of log durations into two levels is within a day of the truth."""
    group = completed(by_group[key_of(planted["slowdown"])])[::-1]
    logs = [math.log(task["executionInfo"]["completionTime"] - created(task)) for task in group]

    def gain(split: int) -> float:
        step = mean(logs[split:]) - mean(logs[:split])
        return step**2 * split * (len(logs) - split)

    best = max(range(1, len(logs)), key=gain)
    assert abs(created(group[best]) - ms(planted["slowdown"]["since"])) < DAY


def test_other_log_groups_keep_their_pace(by_group: dict[Key, list[Row]], planted: Row):
    """No other nightly log group changes by more than a tenth after that day."""
    since = ms(planted["slowdown"]["since"])
    for row in planted["ranges"]:
        if key_of(row) != key_of(planted["slowdown"]):
            durations: dict[bool, list[int]] = {False: [], True: []}
            for task in completed(by_group[key_of(row)]):
                times = task["executionInfo"]
                late = times["creationTime"] >= since
                durations[late].append(times["completionTime"] - times["creationTime"])
            assert median(durations[True]) == pytest.approx(median(durations[False]), rel=0.1)


def test_outage(by_slot: dict[tuple[str, str], list[Row]], planted: Row):
    """On five nights most exports of one slot failed alike; later some were run again."""
    outage = planted["outage"]
    first, last = ms(outage["first_night"]), ms(outage["last_night"])
    assert (last - first) // DAY == 4
    tried = [
        task
        for task in by_slot[outage["account_id"], outage["region"]]
        if first <= task["from"] <= last and task.get("taskName", "").startswith("nightly-")
    ]
    failed = {task["taskId"]: task for task in tried if code(task) == "FAILED"}
    assert list(failed) == outage["failed_task_ids"]
    assert len(tried) / 2 < len(failed) < len(tried)
    assert {task["logGroupName"] for task in failed.values()} == set(outage["log_group_names"])
    beginning = outage["message"].split("{")[0]
    assert all(task["status"]["message"].startswith(beginning) for task in failed.values())
    covered = {
        (task["logGroupName"], task["from"])
        for task in completed(by_slot[outage["account_id"], outage["region"]])
    }
    again = [
        name for name, task in failed.items() if (task["logGroupName"], task["from"]) in covered
    ]
    assert again == outage["covered_again_task_ids"]
    assert 0 < len(again) < len(failed)


def test_stopped_log_group(by_group: dict[Key, list[Row]], planted: Row):
    """The stopped log group has no task in the last three weeks; all others have."""
    three_weeks_ago = ms(planted["observed_at"]) - 20 * DAY
    last = {key: max(map(created, tasks)) for key, tasks in by_group.items()}
    stopped = {key_of(row): row for row in planted["stopped"]}
    assert {key for key, time in last.items() if time < three_weeks_ago} == set(stopped)
    for key, row in stopped.items():
        assert max(task["from"] for task in by_group[key]) == ms(row["last_night"])


def test_weeks(tasks: list[Row], planted: Row):
    """The problems in each of the 52 ISO weeks are as counted; one is quiet, one the worst."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for task in tasks:
        counts[iso_week(created(task))].update(["tasks", code(task).lower()])
    intervals = {
        "gap_days": planted["gaps"],
        "overlap_days": planted["overlaps"],
        "premature_days": planted["premature"]["intervals"],
    }
    for kind, rows in intervals.items():
        for row in rows:
            days = range(span(row)[0] // DAY, -(-span(row)[1] // DAY))
            counts_by_week = Counter(iso_week(day * DAY) for day in days)
            for week, number in counts_by_week.items():
                counts[week][kind] += number
    weeks = planted["weeks"]["all"]
    kinds = ("failed", "cancelled", *intervals)
    assert len({week["iso_week"] for week in weeks}) == 52
    for week in weeks:
        counted = counts[week["iso_week"]]
        assert {kind: week[kind] for kind in ("tasks", *kinds)} == {
            kind: counted[kind] for kind in ("tasks", *kinds)
        }
        assert week["troubles"] == sum(week[kind] for kind in kinds)
        assert (iso_week(ms(week["start"])), span(week)[1] - span(week)[0]) == (
            week["iso_week"],
            7 * DAY,
        )
    troubles = {week["iso_week"]: week["troubles"] for week in weeks}
    assert [week for week, number in troubles.items() if number == 0] == [
        planted["weeks"]["quietest"]
    ]
    worst = max(troubles.values())
    assert [week for week, number in troubles.items() if number == worst] == [
        planted["weeks"]["worst"]
    ]
    assert iso_week(ms(planted["outage"]["first_night"])) == planted["weeks"]["worst"]


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
