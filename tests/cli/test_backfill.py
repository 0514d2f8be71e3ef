"""`backfill` says which gaps it leaves out, and how to include them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import DAY, HOUR, ms

if TYPE_CHECKING:
    from collections.abc import Callable

TODAY = ms("2026-11-23T06:00Z")
FIRST = ms("2026-09-01T00:00Z")
DAYS = (ms("2026-11-22T00:00Z") - FIRST) // DAY  # that are due
PLACE = {"accountId": "111122223333", "region": "eu-west-1", "logGroupName": "/app"}


def nights(*without: str, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a task's
    """Return a task for each day since 1 September, except for some days."""
    left_out = {ms(f"{day}T00:00Z") for day in without}
    return [
        PLACE
        | {
            "taskId": f"t{start}",
            "from": start,
            "to": start + DAY - 1,
            "destination": "bucket",
            "status": {"code": "COMPLETED"},
            "executionInfo": {
                "creationTime": start + DAY + 13 * HOUR,
                "completionTime": start + DAY + 14 * HOUR,
            },
            "observedAt": TODAY,
        }
        | fields
        for start in range(FIRST, FIRST + DAYS * DAY, DAY)
        if start not in left_out
    ]


@pytest.fixture
def said(run: Callable, page: Callable, groups_file: Callable) -> Callable[..., tuple[int, str]]:
    """Return the number of tasks of a backfill and its messages, for a retention in days."""

    def ask(tasks: list[dict[str, Any]], *words: str, kept: int | None = 90) -> tuple[int, str]:
        group = PLACE | {"creationTime": 0} | ({} if kept is None else {"retentionInDays": kept})
        done = run("backfill", page(*tasks), "--log-groups", groups_file(group), *words)
        assert done.exit_code == 0, done.output
        assert all(len(line) <= 80 for line in done.stderr.splitlines()), done.stderr
        return len(done.stdout.splitlines()), done.stderr

    return ask


def test_what_lies_before_the_range_is_noted_and_can_be_planned(said: Callable):
    """A gap before the default range of 30 days is reported, with the option that includes it."""
    tasks = nights("2026-09-10", "2026-09-12", "2026-11-10")
    count, text = said(tasks)
    assert count == 1
    assert "left out: 2 gaps of 2 d before 2026-10-23 UTC\n" in text
    assert "exportstats: --since 2026-09-10 adds them; first expiry 2026-12-09\n" in text
    assert "to export: 1 d, 2026-10-23 to 2026-11-22 UTC\n" in text
    count, text = said(tasks, "--since", "2026-09-10")
    assert count == 3
    assert "left out" not in text
    assert "to export: 3 d, 2026-09-10 to 2026-11-22 UTC\n" in text


def test_what_is_already_lost_is_not_noted(said: Callable):
    """Lost gaps and those before the first export cannot be included by any option."""
    assert "left out" not in said(nights("2026-09-10"), kept=60)[1]
    _, text = said(nights("2026-09-10"), kept=None)
    assert "exportstats: --since 2026-09-10 adds them\n" in text


def test_what_lies_after_the_range_is_noted(said: Callable):
    """With --until, due gaps after it are reported as left out, but not days not yet due."""
    tasks = nights("2026-11-10", "2026-11-20")
    count, text = said(tasks, "--until", "2026-11-15")
    assert count == 1
    assert "left out: 1 gap of 1 d after 2026-11-15 UTC\n" in text
    assert "exportstats: --until 2026-11-21 adds them; first expiry 2027-02-18\n" in text
    count, text = said(tasks, "--until", "2026-11-21")
    assert (count, "left out" in text) == (2, False)


def test_what_expires_before_tomorrow_cannot_wait(said: Callable):
    """With a retention of a day or two, gaps after the default range expire before tomorrow."""
    count, text = said(nights(), kept=2)
    assert (count, "nothing to export" in text) == (0, True)
    assert "left out: 1 gap of 18 h after 2026-11-22 UTC\n" in text
    assert "exportstats: --until 2026-11-22T18:00 adds them; first expiry 2026-11-24\n" in text
    assert said(nights(), "--until", "2026-11-22T18:00", kept=2)[0] == 1
    assert "left out" not in said(nights(), kept=7)[1]


def test_what_active_tasks_export_is_noted(said: Callable):
    """What active tasks export is not exported twice, and is reported as left out."""
    running = nights(status={"code": "RUNNING"})[-5] | {"taskId": "running"}
    day = "2026-11-17"
    tasks = [*nights(day), running | {"executionInfo": {"creationTime": TODAY - HOUR}}]
    count, text = said(tasks)
    assert (count, "left out: 1 d that active tasks are exporting\n" in text) == (0, True)


def test_short_gaps_and_never_exported_log_groups_must_be_asked_for(
    run: Callable, page: Callable, groups_file: Callable
):
    """Each is left out and counted, and the named option adds it."""
    tasks = nights("2026-11-10")
    tasks[-1]["to"] -= 60_000
    groups = groups_file(
        *(PLACE | {"creationTime": 0, "logGroupName": name} for name in ["/app", "/new"])
    )

    def ask(*words: str) -> tuple[int, str]:
        done = run("backfill", page(*tasks), "--log-groups", groups, "--max-window", "60D", *words)
        assert done.exit_code == 0, done.output
        return len(done.stdout.splitlines()), done.stderr

    count, text = ask()
    assert count == 1
    assert "left out: 1 log group never exported; --never-exported adds them\n" in text
    assert "left out: 1 gap of a minute or less; --short-gaps adds them\n" in text
    assert "that active tasks are exporting" not in text
    assert ask("--never-exported")[0] == 2
    assert ask("--short-gaps")[0] == 2
    count, text = ask("--short-gaps", "--until", "2026-11-23")
    assert "left out: 6 h within the last 12 h, where events may still arrive" in text
    assert "that active tasks are exporting" not in text


def test_a_log_group_alone_is_planned_beside_all_others(
    run: Callable, page: Callable, groups_file: Callable
):
    """Other tasks of the slot provide the destination and occupy the slot."""
    running = nights(status={"code": "RUNNING"})[-1] | {"taskId": "running"}
    running["executionInfo"] = {"creationTime": TODAY}
    new = PLACE | {"creationTime": 0, "logGroupName": "/new"}
    words = ("--log-groups", groups_file(new), "--log-group", "/new", "--never-exported")
    ends = []
    for tasks in (nights(), [*nights(), running]):
        done = run("backfill", page(*tasks), *words, "--max-window", "60D")
        assert done.exit_code == 0, done.output
        assert "--destination=bucket" in done.stdout
        ends += [line for line in done.stderr.splitlines() if "expected end" in line]
    assert ends[0] < ends[1]
