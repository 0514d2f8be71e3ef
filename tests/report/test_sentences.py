"""Sentences are exact about reruns, slow periods, overlapping tasks, rates, days and accounts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from reported import (
    MINUTE,
    MONDAY,
    WEEK,
    built,
    finding,
    kinds,
    log_groups_of,
    look,
    night,
    nights,
    others,
    plain_rows,
    report_of,
)
from support import DAY, HOUR, Row

from exportstats.report.rules import data, durations, exporters, failures

DENIED = {"status_code": "FAILED", "status_message": "Denied"}


# --- Failed windows ------------------------------------------------------------------------------


def test_a_window_exported_again_in_part():
    """After a rerun of 18 of 24 hours, the sentence says that 6 hours are missing."""
    rerun = night("acme/api", 2, task_id="again", to_time=MONDAY + 2 * DAY + 18 * HOUR - 1)
    found = look(
        failures.failed_windows,
        *others("acme/api", 2),
        night("acme/api", 2, task_id="failed", **DENIED),
        rerun,
    )
    assert "nothing" not in found.sentence
    assert found.sentence.startswith(
        "1 of 1 window of failed tasks, in 1 log group, is not completely in S3"
    )
    assert "6 h of events are missing, such as those of acme/api in eu-west-1" in found.sentence
    [row] = plain_rows(found.rows)
    assert (row["missing"], row["under_way"], row["lost"]) == (6 * HOUR, 0, 0)


def test_a_window_that_is_being_exported_again():
    """While a rerun is active, nothing has to be exported, and the sentence says so."""
    rows = [*others("acme/api", 4), night("acme/api", 4, task_id="failed", **DENIED)]
    again = night("acme/api", 4, task_id="again", status_code="RUNNING")
    report = built(*rows, again | {"creation_time": MONDAY + WEEK - HOUR})
    found = finding(report, "failed_windows")
    assert found.severity == "note"
    assert "1 d of them are being exported now." in found.sentence
    assert found.remedy == "Wait for the active tasks."
    assert "all exported again" not in report.headline


def test_an_active_task_without_a_creation_time():
    """An active task counts even if its creation time is unknown."""
    rows = [*others("acme/api", 2), night("acme/api", 2, task_id="failed", **DENIED)]
    again = night("acme/api", 2, task_id="again", status_code="RUNNING", creation_time=None)
    assert look(failures.failed_windows, *rows, again).severity == "note"


def test_a_window_that_is_lost():
    """No command is recommended for a window that is lost."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 2 * DAY})
    found = look(
        failures.failed_windows,
        *others("acme/api", 1),
        night("acme/api", 1, **DENIED),
        log_groups=log_groups,
    )
    assert "1 d of them have expired." in found.sentence
    assert "cannot be recovered" in found.remedy
    assert "export them again" not in found.remedy
    assert not found.commands


def test_several_attempts_of_a_window_are_one_row():
    """A window that failed three times is one row with the last task and the number of attempts."""
    tries = [
        night("acme/api", 2, task_id=f"try-{n}", **DENIED)
        | {"creation_time": MONDAY + 3 * DAY + n * HOUR}
        for n in range(14, 17)
    ]
    found = look(failures.failed_windows, *others("acme/api", 2), *tries)
    [row] = plain_rows(found.rows)
    assert (row["task_id"], row["tries"], row["missing"]) == ("try-16", 3, DAY)
    assert found.sentence.startswith("1 of 1 window ")


# --- Bumps ---------------------------------------------------------------------------------------


def slow_between(first: int, last: int) -> list[Row]:
    """Return ten weeks of nights of 5 to 7 minutes, with a period that is four times as long."""
    rows = []
    for number in range(-64, 6):
        took = (5 + number % 3) * MINUTE * (4 if first <= number < last else 1)
        row = night("acme/api", number)
        rows.append(row | {"completion_time": row["creation_time"] + took})
    return rows


@pytest.mark.parametrize("last", range(-4, 4))
def test_a_slow_period_that_ended_is_not_reported(last: int):
    """A slow period of two or three weeks that has ended is not reported."""
    assert look(durations.slowdowns, *slow_between(-18, last)) is None


def test_a_slow_period_that_lasts_is_reported():
    """A slow period that lasts is reported with its factor."""
    [row] = plain_rows(look(durations.slowdowns, *slow_between(-18, 6)).rows)
    assert row["factor"] == pytest.approx(4, rel=0.1)


# --- Premature tasks -----------------------------------------------------------------------------


@pytest.mark.parametrize("many", [1, 3])
def test_a_premature_day_is_counted_once(many: int):
    """A day that several tasks exported too soon counts once."""
    soon = [
        night("acme/api", 2, task_id=f"soon-{n}", creation_time=MONDAY + 3 * DAY + HOUR)
        for n in range(many)
    ]
    found = look(exporters.premature, *others("acme/api", 2), *soon)
    assert found.sentence.startswith("1 d of events of 1 log group ")
    assert f"by {many} task" in found.sentence
    assert len(found.rows) == many


# --- Rates, days, baselines, accounts ------------------------------------------------------------


def test_a_rate_is_of_all_that_ended():
    """The sentence has the number of failed and ended tasks, and the baseline of the table."""
    report = report_of("2026-W24")
    text = finding(report, "more_failures").sentence
    assert text.startswith("17.2 % of the tasks that ended in this week FAILED (21 of 122), ")
    before = report.figures.loc["failure_rate", "before"]
    assert f"compared with {100 * before:.1f} % in the 4 weeks before" in text
    assert "4 weeks before" in report.to_markdown()


def test_the_days_are_whole():
    """The days that were due are named by the first and the last one."""
    assert "events of the days 2026-06-06 to 2026-06-12, " in report_of("2026-W24").period
    part = built(*nights("acme/api"), week=("2026-11-16T06:00Z", "2026-11-19T06:00Z")).period
    assert "events from 2026-11-14 06:00 to 2026-11-17 06:00, " in part


def test_sentences_name_the_account():
    """With several accounts, a sentence names the account of its example and counts the others."""
    rows: list[Row] = []
    for number in range(3):
        account = f"{number}" * 12
        rows += [row | {"account_id": account} for row in others("acme/api", 2)]
        rows.append(night("acme/api", 2, account_id=account, **DENIED))
    report = built(*rows)
    for kind in ("gaps", "failed_windows"):
        text = finding(report, kind).sentence
        assert "acme/api in eu-west-1 (000000000000)" in text
        assert re.search("in 3 accounts", text)


def test_a_log_group_whose_tasks_all_failed_was_never_exported():
    """A log group whose tasks all failed counts as never exported."""
    rows = [row | DENIED for row in nights("acme/api")]
    found = look(exporters.irregular, *rows)
    assert "(1 never exported), such as acme/api" in found.sentence


def test_a_log_group_without_a_name():
    """A task without a log group is not part of a log group named nan."""
    unnamed = night("acme/api", 2, task_id="x", log_group_name=None)
    found = look(data.bad_data, *nights("acme/api"), unnamed)
    assert "such as one of an unnamed log group in eu-west-1 (111122223333). " in found.sentence


def test_sentences_without_accounts_and_regions():
    """Without accounts and regions, as in the output of the AWS CLI, no sentence names any."""
    nowhere: dict[str, Any] = {"account_id": None, "region": None}
    rows = [row | nowhere for row in others("acme/api", 2)]
    report = built(*rows, night("acme/api", 2, **DENIED) | nowhere)
    assert {"gaps", "failed_windows"} <= set(kinds(report))
    for one in report.findings:
        assert not re.search(r"\bnan\b|None|<NA>|\(\)", one.sentence)
