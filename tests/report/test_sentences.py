"""Every sentence says what is so: of re-runs, bumps, overlapping tasks, rates, accounts, days."""

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
    """After a re-run of 18 of 24 hours, 6 hours are missing, and that is what is said."""
    rerun = night("acme/api", 2, task_id="again", to_time=MONDAY + 2 * DAY + 18 * HOUR - 1)
    found = look(
        failures.not_made_good,
        *others("acme/api", 2),
        night("acme/api", 2, task_id="failed", **DENIED),
        rerun,
    )
    assert "nothing" not in found.sentence
    assert found.sentence.startswith("1 of 1 window of failed tasks, in 1 log group, is not in S3 ")
    assert "6 h of events are missing, such as of acme/api in eu-west-1" in found.sentence
    [row] = plain_rows(found.rows)
    assert (row["missing"], row["under_way"], row["lost"]) == (6 * HOUR, 0, 0)


def test_a_window_that_is_being_exported_again():
    """While a re-run is under way nothing has to be exported; that it is, is said."""
    rows = [*others("acme/api", 4), night("acme/api", 4, task_id="failed", **DENIED)]
    again = night("acme/api", 4, task_id="again", status_code="RUNNING")
    report = built(*rows, again | {"creation_time": MONDAY + WEEK - HOUR})
    found = finding(report, "not_made_good")
    assert found.severity == "note"
    assert "1 d of that is being exported now." in found.sentence
    assert found.remedy == "Wait for the tasks that are active."
    assert "all exported since" not in report.headline


def test_an_export_under_way_of_no_known_beginning():
    """An active task counts though nothing tells when it was created."""
    rows = [*others("acme/api", 2), night("acme/api", 2, task_id="failed", **DENIED)]
    again = night("acme/api", 2, task_id="again", status_code="RUNNING", creation_time=None)
    assert look(failures.not_made_good, *rows, again).severity == "note"


def test_a_window_that_is_lost():
    """Of a window that retention has taken no command is recommended."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 2 * DAY})
    found = look(
        failures.not_made_good,
        *others("acme/api", 1),
        night("acme/api", 1, **DENIED),
        log_groups=log_groups,
    )
    assert "Retention has taken 1 d of that." in found.sentence
    assert "Nothing brings back" in found.remedy
    assert "export them once more" not in found.remedy
    assert not found.commands


def test_several_tries_of_a_window_are_one():
    """A window that failed three times is one row, of its last try, with how many there were."""
    tries = [
        night("acme/api", 2, task_id=f"try-{n}", **DENIED)
        | {"creation_time": MONDAY + 3 * DAY + n * HOUR}
        for n in range(14, 17)
    ]
    found = look(failures.not_made_good, *others("acme/api", 2), *tries)
    [row] = plain_rows(found.rows)
    assert (row["task_id"], row["tries"], row["missing"]) == ("try-16", 3, DAY)
    assert found.sentence.startswith("1 of 1 window ")


# --- Bumps ---------------------------------------------------------------------------------------


def slow_between(first: int, last: int) -> list[Row]:
    """Make ten weeks of nights that took 5 to 7 minutes, and four times as long in between."""
    rows = []
    for number in range(-64, 6):
        took = (5 + number % 3) * MINUTE * (4 if first <= number < last else 1)
        row = night("acme/api", number)
        rows.append(row | {"completion_time": row["creation_time"] + took})
    return rows


@pytest.mark.parametrize("last", range(-4, 4))
def test_a_bump_that_is_over_is_not_for_good(last: int):
    """Two or three weeks of slow nights that are over are no log group slower for good."""
    assert look(durations.slowdowns, *slow_between(-18, last)) is None


def test_what_is_still_slow_is_told():
    """As long as it lasts it is told, with its factor."""
    [row] = plain_rows(look(durations.slowdowns, *slow_between(-18, 6)).rows)
    assert row["factor"] == pytest.approx(4, rel=0.1)


# --- Premature tasks -----------------------------------------------------------------------------


@pytest.mark.parametrize("many", [1, 3])
def test_a_premature_day_is_counted_once(many: int):
    """However many tasks exported a day too soon, it is one day."""
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
    """The sentence names how many failed of how many, and the baseline is that of the table."""
    report = report_of("2026-W24")
    said = finding(report, "more_failures").sentence
    assert said.startswith("17.2 % of the tasks that ended in this week have FAILED (21 of 122), ")
    before = report.figures.loc["failure_rate", "before"]
    assert f"after {100 * before:.1f} % in the 4 weeks before" in said
    assert "4 weeks before" in report.to_markdown()


def test_the_days_are_whole():
    """The days that were due are named by the first and the last of them."""
    assert "events of the days 2026-06-06 to 2026-06-12, " in report_of("2026-W24").period
    part = built(*nights("acme/api"), week=("2026-11-16T06:00Z", "2026-11-19T06:00Z")).period
    assert "events from 2026-11-14 06:00 to 2026-11-17 06:00, " in part


def test_sentences_name_the_account():
    """With several accounts a sentence names that of its example, and how many there are."""
    rows: list[Row] = []
    for number in range(3):
        account = f"{number}" * 12
        rows += [row | {"account_id": account} for row in others("acme/api", 2)]
        rows.append(night("acme/api", 2, account_id=account, **DENIED))
    report = built(*rows)
    for kind in ("gaps", "not_made_good"):
        said = finding(report, kind).sentence
        assert "acme/api in eu-west-1 (000000000000)" in said
        assert re.search(r"(in|of) 3 accounts", said)


def test_a_log_group_whose_tasks_all_failed_was_never_exported():
    """It is no log group that is exported now and then."""
    rows = [row | DENIED for row in nights("acme/api")]
    found = look(exporters.irregular, *rows)
    assert "(1 never exported), such as acme/api" in found.sentence


def test_a_log_group_without_a_name():
    """A task that names no log group is of none that is called nan."""
    unnamed = night("acme/api", 2, task_id="x", log_group_name=None)
    found = look(data.bad_data, *nights("acme/api"), unnamed)
    assert "such as of an unnamed log group in eu-west-1 (111122223333);" in found.sentence


def test_nothing_is_said_of_tasks_without_a_place():
    """Without accounts and regions, as the AWS CLI prints tasks, no sentence names any."""
    nowhere: dict[str, Any] = {"account_id": None, "region": None}
    rows = [row | nowhere for row in others("acme/api", 2)]
    report = built(*rows, night("acme/api", 2, **DENIED) | nowhere)
    assert {"gaps", "not_made_good"} <= set(kinds(report))
    for one in report.findings:
        assert not re.search(r"\bnan\b|None|<NA>|\(\)", one.sentence)
