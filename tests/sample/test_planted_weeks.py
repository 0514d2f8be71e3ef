"""The slowdown, the outage and the counts of each week are as in `planted.json`."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from statistics import mean, median

import pytest
from recorded import EPOCH, Key, code, completed, created, key_of, ms, span
from support import DAY, Row


def iso_week(time: int) -> str:
    """Return the ISO week of an instant."""
    return (EPOCH + timedelta(milliseconds=time)).strftime("%G-W%V")


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
