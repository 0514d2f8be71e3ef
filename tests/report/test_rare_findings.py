"""Findings that the sample does not have, and when they are not reported."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from reported import (
    HOPE,
    MONDAY,
    WEEK,
    built,
    deliveries_of,
    finding,
    kinds,
    log_groups_of,
    look,
    night,
    nights,
    others,
    plain_rows,
    rows_behind,
)
from support import DAY, HOUR

from exportstats.report.rules import durations, failures, gaps, retention

if TYPE_CHECKING:
    from exportstats.report.data import Finding


@pytest.mark.parametrize(
    ("delivered", "found"), [("empty", True), ("gone", True), ("yes", False), ("unknown", False)]
)
def test_empty_deliveries(delivered: str, found: bool):  # noqa: FBT001 - a parameter
    """A COMPLETED task of the week that delivered nothing is reported, and covers nothing."""
    rows = nights("acme/api")
    deliveries = deliveries_of(
        {"task_id": "acme/api@2", "delivered": delivered, "destination": "acme-logs"},
        {"task_id": "acme/api@-27", "delivered": delivered},  # of an earlier week
        {"task_id": "acme/api@3", "delivered": delivered, "region": "us-east-1"},  # of no task
    )
    report = built(*rows, deliveries=deliveries)
    names = [row["task_id"] for row in rows_behind(report, "empty_deliveries")]
    assert names == ["acme/api@2"] * found
    assert [row["reason"] for row in rows_behind(report, "gaps")] == ["empty"] * found
    if found:
        assert finding(report, "empty_deliveries").severity == "warning"
        assert finding(report, "empty_deliveries").sentence.startswith("1 task of 1 log group ")


def test_a_slot_that_is_always_busy():
    """A slot that is busy for four fifths of the week is reported with its share."""

    def hours(region: str, many: int) -> list[dict[str, Any]]:
        return [
            night("acme/api", 0, region=region, task_id=f"{region}{n}")
            | {
                "creation_time": MONDAY + n * DAY + HOUR,
                "completion_time": MONDAY + n * DAY + (1 + many) * HOUR,
            }
            for n in range(7)
        ]

    report = built(*hours("eu-west-1", 21), *hours("us-east-1", 18))
    row, near = rows_behind(report, "busy_slots")
    assert (row["account_id"], row["region"], row["tasks"]) == ("111122223333", "eu-west-1", 7)
    assert row["busy_share"] == pytest.approx(21 / 24)
    text = finding(report, "busy_slots").sentence
    assert "eu-west-1 for 87.5 % of the time, with 7 tasks. 1 slot (account and region) " in text
    assert near["region"] == "us-east-1"
    assert text.endswith(
        "is near its limit: 111122223333 us-east-1 is busy for 75 % of a typical day, with 7 tasks "
        "in the week, and for half of it or more since 2026-11-16 (0 % in the week before)."
    )
    assert "slots" in [picture.name for picture in report.pictures]


def test_impossible_tasks():
    """Tasks of the week with impossible times or without a creation time are reported."""
    rows = [
        *nights("acme/api"),
        night("acme/api", 1, task_id="backwards", completion_time=MONDAY),
        night("acme/api", 1, task_id="undated", creation_time=None, completion_time=None),
        night("acme/api", -14, task_id="earlier", completion_time=MONDAY - 20 * DAY),
    ]
    found = finding(built(*rows), "bad_data")
    assert {row["task_id"] for row in plain_rows(found.rows)} == {"backwards", "undated"}
    assert found.sentence.startswith("2 tasks have impossible values")


def test_a_task_that_has_been_active_for_long():
    """A task that is active for long is a warning, and critical after 20 h. It ends after 24 h."""
    for hours, severity in ((0, None), (11, "warning"), (13, "warning"), (21, "critical")):
        rows = [*nights("acme/api"), night("acme/slow", 4, status_code="RUNNING")]
        rows[-1]["creation_time"] = MONDAY + WEEK - hours * HOUR
        found = look(durations.time_outs, *rows)
        assert (found and found.severity) == severity
        if found:
            assert (
                f"the longest has been active for {hours} h: acme/slow in eu-west-1"
                in found.sentence
            )


def test_a_failure_exported_later_is_quiet():
    """A failed task whose window was exported later is counted, but the week is quiet."""
    then = night("acme/api", -20, task_id="then", status_code="FAILED", status_message="Denied")
    now = night("acme/api", 2, task_id="now", status_code="FAILED", status_message="Denied")
    report = built(*nights("acme/api"), then, now)
    assert report.headline == (
        "A quiet week: 8 tasks, 1 failed, all exported again, and what was due is in S3."
    )
    assert report.findings == ()


def test_a_failure_not_exported_later():
    """A failed task whose window was not exported later is reported with its missing time."""
    now = night("acme/api", 2, task_id="now", status_code="FAILED", status_message="Denied")
    half = night("acme/api", 2, task_id="half", to_time=MONDAY + 2 * DAY + 12 * HOUR - 1)
    report = built(*others("acme/api", 2), now, half)
    [row] = rows_behind(report, "failed_windows")
    assert (row["task_id"], row["missing"]) == ("now", 12 * HOUR)
    assert not report.is_quiet


DENIED = {"status_code": "FAILED", "status_message": "Denied"}
CANCELLED = {"status_code": "CANCELLED", "task_id": "again"}


@pytest.mark.parametrize(
    "rows",
    [
        # the night after was cancelled: both nights are one gap with the reason `cancelled`
        [
            *others("acme/api", 2, 3),
            night("acme/api", 2, **DENIED),
            night("acme/api", 3, **CANCELLED),
        ],
        # the next attempt was cancelled
        [*others("acme/api", 2), night("acme/api", 2, **DENIED), night("acme/api", 2, **CANCELLED)],
        # the log group was never exported
        [*nights("acme/api"), night("acme/new", 2, **DENIED)],
    ],
    ids=["beside a cancelled night", "cancelled again", "never exported"],
)
def test_a_failure_without_coverage_is_reported(rows: list[dict[str, Any]]):
    """A failed task whose window is not covered is reported, whatever other attempts there were."""
    then = night("acme/api", -20, task_id="then", **DENIED)
    report = built(*rows, then)
    assert "failed_windows" in kinds(report)
    assert "all exported again" not in report.headline


def test_a_pending_task_makes_no_difference_later():
    """A task that was PENDING at the end of the week gives the same report if it starts later."""
    late = night("acme/api", 5, creation_time=MONDAY + WEEK - HOUR)
    waits = late | {"status_code": "PENDING", "completion_time": None}
    ended = late | {"completion_time": MONDAY + WEEK + HOUR}
    before, after = (built(*others("acme/api", 5), one) for one in (waits, ended))
    assert before.to_html() == after.to_html()


def test_many_failures_are_critical():
    """Ten failed tasks without a rerun are critical. Nine are a warning."""
    for many, severity in ((9, "warning"), (10, "critical")):
        rows = []
        for number in range(many):
            name = f"acme/{number}"
            rows += [*others(name, 1), night(name, 1, status_code="FAILED")]
        assert look(failures.failed_windows, *rows).severity == severity


@pytest.mark.parametrize(
    ("days", "severity"), [(44, None), (43, "warning"), (19, "warning"), (18, "critical")]
)
def test_the_time_left_is_the_severity(days: int, severity: str | None):
    """Events that expire within 35 days of the week's end are a warning, within 10 critical."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": days * DAY})
    rows = others("acme/api", -2)  # 9 days before the end of its retention
    found = look(retention.expiring, *rows, log_groups=log_groups)
    assert (found and found.severity) == severity
    if found:
        [row] = plain_rows(found.rows)
        assert row["expires_at"] == MONDAY - 2 * DAY + days * DAY


def test_lost_events_are_reported_once():
    """Events that were lost in the week are reported, those lost before are not."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 7 * DAY})
    report = built(*others("acme/api", -2), log_groups=log_groups)
    [row] = rows_behind(report, "lost")
    assert (row["start"], row["end"]) == (MONDAY - 2 * DAY, MONDAY - DAY)
    assert row["expires_at"] == MONDAY + 5 * DAY
    assert "expiring" not in kinds(report)
    before = built(*others("acme/api", -10), log_groups=log_groups)  # lost in the week before
    assert before.findings == ()


def lost_of(number: int, **group: Any) -> Finding:  # noqa: ANN401 - any field of a log group
    """Return the finding about a lost night of a log group that keeps events for some days."""
    fields = {"log_group_name": "acme/api", "retention": 30 * DAY, **group}
    rows = others("acme/api", number)
    made = built(
        *rows, log_groups=log_groups_of(fields), source=["t.parquet", "--log-groups=g.json"]
    )
    return finding(made, "lost")


@pytest.mark.parametrize(("number", "may_be_there"), [(-27, False), (-26, True), (-24, True)])
def test_events_that_expired_lately_may_still_be_there(number: int, may_be_there: bool):  # noqa: FBT001
    """Up to 72 hours after their expiry, the retention is raised first, and known by the export."""
    found = lost_of(number)
    assert "Expired events cannot be recovered" in found.remedy
    assert ("not be deleted yet" in found.remedy) == may_be_there
    if not may_be_there:
        assert not found.aws_commands + found.commands
        return
    [command] = found.aws_commands
    assert command == (
        "aws logs put-retention-policy --region=eu-west-1 --log-group-name=acme/api "
        "--retention-in-days=60"
    )
    [command] = found.commands
    start = "2026-10-21" if number == -26 else "2026-10-23"
    assert command.startswith("exportstats backfill t.parquet --log-groups=aws --account=")
    assert f"--since={start}" in command


@pytest.mark.parametrize(("number", "may_be_there"), [(-26, False), (-25, True)])
def test_a_policy_of_the_account_is_not_changed(number: int, may_be_there: bool):  # noqa: FBT001
    """A further policy, for this log group only, works after a day; so 48 hours are left."""
    found = lost_of(number, retention_policy_name="baseline")
    assert bool(found.aws_commands) == may_be_there
    if may_be_there:
        shown, done = map(shlex.split, found.aws_commands)
        assert shown == [*done, "--dry-run"]
        options = dict(word.removeprefix("--").split("=", 1) for word in done[3:])
        assert done[:3] == ["aws", "logs", "put-account-policy"]
        document = {"retentionInDays": 60, "enforcementMode": "RETROACTIVE"}
        assert json.loads(options.pop("policy-document")) == document
        assert options == {
            "region": "eu-west-1",
            "policy-name": "keep-60-days-acme/api",
            "policy-type": "RETENTION_POLICY",
            "selection-criteria": 'LogGroupNamePrefix IN ["acme/api"]',
        }
        assert "such as baseline" in found.remedy
        assert "takes effect after 24 hours" in found.remedy


def test_a_retention_that_cannot_be_raised_has_no_command():
    """That of the class DELIVERY is fixed, and the longest one cannot be longer."""
    assert not lost_of(-24, log_group_class="DELIVERY").aws_commands


def test_irregular_log_groups_have_no_gaps():
    """A log group that is exported irregularly, or for less than two weeks, has no gaps."""
    rows = [*nights("acme/api"), *(night("acme/hand", number) for number in (-20, -6, 1))]
    rows += [night("acme/new", number) for number in (-3, 0)]
    report = built(*rows)
    assert kinds(report) == ["irregular"]
    assert {row["log_group_name"] for row in rows_behind(report, "irregular")} == {
        "acme/hand",
        "acme/new",
    }


def test_each_reason_of_a_gap_is_counted():
    """The sentence on gaps counts them by reason, for every reason."""
    tries = {"failed": "FAILED", "cancelled": "CANCELLED", "active": "RUNNING"}
    rows = []
    for number, reason in enumerate(HOPE):
        name = f"acme/{reason}"
        rows += others(name, number)
        if reason in tries:
            rows.append(night(name, number, status_code=tries[reason]))
    report = built(*rows)
    assert {row["log_group_name"]: row["reason"] for row in rows_behind(report, "gaps")} == {
        f"acme/{reason}": reason for reason in HOPE
    }
    assert "(1 active, 1 cancelled, 1 failed, 1 never tried)" in look(gaps.gaps, *rows).sentence
