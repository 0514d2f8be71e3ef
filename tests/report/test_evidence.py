"""Findings from API calls and incoming data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from reported import (
    ISO_WEEK,
    MONDAY,
    WEEK,
    built,
    every,
    finding,
    kinds,
    log_groups_of,
    look,
    night,
    nights,
    others,
    side_table,
    tasks_of,
)
from support import DAY, HOUR, Row, plain

import exportstats as xs
from exportstats.core import schema
from exportstats.report import redaction
from exportstats.report.rules import durations, retention

if TYPE_CHECKING:
    from exportstats.report.rule import Rule

PLACE = {"account_id": "111122223333", "region": "eu-west-1"}
MISSED = 1  # the night that is not exported


def incoming_of(*names: str, silent: int | None = None) -> pd.DataFrame:
    """Return what came in: a thousand bytes an hour, and nothing in one night."""
    rows = [
        PLACE
        | {"log_group_name": name, "start": MONDAY + hour * HOUR, "period": HOUR}
        | {"incoming_bytes": 1000 * came, "incoming_events": came}
        for name in names
        for hour in range(-30 * 24, 8 * 24)
        for came in [0 if silent is not None and 0 <= hour - 24 * silent <= 24 else 1]
    ]
    return side_table(rows, schema.INCOMING.columns)


def call(task: Row, number: int, **fields: Any) -> Row:  # noqa: ANN401 - any field of a call
    """Return the call for a task's export, some minutes before it was created."""
    return {
        **PLACE,
        **{name: task[name] for name in ("log_group_name", "from_time", "to_time")},
        "event_id": f"{task['task_id']} {number}",
        "event_name": "CreateExportTask",
        "event_time": task["creation_time"] - number * 60_000,
        "principal": "arn:aws:iam::111122223333:role/exporter",
        **fields,
    }


def calls_of(*rows: Row) -> pd.DataFrame:
    """Return a table of API calls."""
    return side_table(rows, schema.API_CALLS.columns)


REFUSED = {"error_code": "LimitExceededException"}


def report(*rows: Row, **more: Any) -> xs.WeeklyReport:  # noqa: ANN401 - tables
    """Return a report with the night of `MISSED` not exported."""
    return built(*rows, *others("app", MISSED), week=ISO_WEEK, **more)


def test_a_silent_gap_is_a_note():
    """Nothing came in, so there is no warning, and nothing to export."""
    made = report(incoming=incoming_of("app", silent=MISSED))
    assert "gaps" not in kinds(made)
    assert finding(made, "silent").sentence == (
        "Nothing came in during 1 gap of 1 log group, 1 d in total: app in eu-west-1 "
        "(111122223333)."
    )
    assert not [one.exports for one in made.findings if one.exports]


def test_a_gap_has_what_came_in():
    """The gap with most bytes comes first, and the sentence has the total."""
    made = report(
        *(row for row in nights("web") if row["task_id"] not in ("web@2", "web@3")),
        incoming=incoming_of("app"),
    )
    found = finding(made, "gaps")
    assert "in which at least 24 kB came in. The largest: app" in found.sentence
    assert found.rows["incoming_bytes"].to_list()[0] == 24_000
    without = finding(report(), "gaps")
    assert "came in" not in without.sentence
    assert "The longest: app" in without.sentence
    assert "incoming_bytes" not in without.rows


def test_refused_exports_say_who_was_refused_and_why():
    """Without a later export it is a warning, and the gap has its reason and error code."""
    missed = night("app", MISSED)
    made = report(api_calls=calls_of(*(call(missed, n, **REFUSED) for n in (1, 2, 3))))
    found = finding(made, "refused")
    assert found.severity == "warning"
    assert found.sentence == (
        "1 export of 1 log group was refused, and 1 of them is not in S3: app in eu-west-1 "
        "(111122223333). Who was refused: role/exporter of 111122223333 (LimitExceededException, 3 "
        "calls)."
    )
    assert found.remedy.startswith("LimitExceededException means")
    [command] = found.commands
    assert command == (
        "exportstats backfill --account=111122223333 --region=eu-west-1 --since=2026-11-17 "
        "--until=2026-11-18 --log-group=app"
    )
    assert not found.aws_commands
    [gap] = finding(made, "gaps").rows.to_dict("records")
    assert (gap["reason"], gap["error_code"]) == ("refused", "LimitExceededException")
    assert gap["tried_by"] == "arn:aws:iam::111122223333:role/exporter"
    assert finding(made, "gaps").sentence.endswith(
        "Last tried by role/exporter of 111122223333 (1 gap)."
    )


def test_a_gap_names_who_tried_last_and_the_bytes():
    """It is who called for the last failed task, or nobody, with what came in meanwhile."""
    failed = night("web", 3, status_code="FAILED")
    ann = call(failed, 0, task_id=failed["task_id"], principal="ann")
    made = report(
        *(row for row in nights("web") if row["task_id"] != "web@3"),
        failed,
        api_calls=calls_of(ann),
        incoming=incoming_of("app", "web"),
    )
    sentences = [one.sentence for one in every(made) if one.kind == "gaps"]
    assert any(one.endswith("Last tried by ann (1 gap, 24 kB).") for one in sentences)
    rows = made.tables["gaps"].set_index("log_group_name")["tried_by"]
    assert (rows["web"], rows.isna()["app"]) == ("ann", True)


def test_a_refusal_that_was_exported_later_is_a_note():
    """The task of a later call, or of another tool, has its window in S3."""
    done = night("app", 2)
    made = report(api_calls=calls_of(call(done, 1, **REFUSED)))
    found = finding(made, "refused")
    assert found.severity == "note"
    assert "1 export of 1 log group was refused, and all of them were exported" in found.sentence


def test_a_refusal_without_a_window_is_a_warning():
    """CloudTrail does not record the parameters of a call without permission."""
    denied = call(night("app", 2), 1, error_code="AccessDenied")
    denied |= dict.fromkeys(("log_group_name", "from_time", "to_time"))
    before = denied | {"event_id": "before", "event_time": MONDAY - DAY}
    found = finding(report(api_calls=calls_of(denied, before)), "refused")
    assert found.severity == "warning"
    assert "(AccessDenied, 1 call)" in found.sentence
    assert "role/exporter of 111122223333 lacks logs:CreateExportTask" in found.remedy
    [command] = found.aws_commands
    assert command == (
        "aws iam simulate-principal-policy "
        "--policy-source-arn=arn:aws:iam::111122223333:role/exporter "
        "--action-names=logs:CreateExportTask"
    )
    assert not found.commands
    assert "an unnamed log group in eu-west-1" in found.sentence


def test_refusals_of_other_weeks_are_not_reported():
    """Each is in the report of its own week."""
    early = call(night("app", 2), 1, **REFUSED, event_time=MONDAY - DAY)
    assert finding(report(api_calls=calls_of(early)), "refused") is None


def test_what_only_some_streams_were_exported_of():
    """Tasks with a stream prefix are named, if no other task covers their window."""
    tasks = [night("app", number) for number in (2, 3)]
    prefixed = {"log_stream_name_prefix": "web/"}
    api_calls = calls_of(*(call(row, 0, task_id=row["task_id"], **prefixed) for row in tasks))
    again = night("app", 3, task_id="again")
    found = finding(report(again, api_calls=api_calls), "partial")
    assert found.severity == "note"
    assert found.sentence == (
        "1 d of events of 1 log group were exported only in part: app in eu-west-1 "
        "(111122223333). 1 task had a stream prefix."
    )
    assert "missing_stream_names" not in found.rows
    [command] = found.aws_commands
    first, last = tasks[0]["from_time"], tasks[0]["to_time"]
    assert command.startswith("aws logs create-export-task --region=eu-west-1 --log-group-name=app")
    assert f" --from={first} --to={last} --destination=" in command
    assert "prefix=web" not in command


def lacking(*tasks: Row, names: str | None = "green/1:green/2") -> pd.DataFrame:
    """Return deliveries that lack streams."""
    key = ("account_id", "region", "task_id")
    says = {"delivered": "partial", "missing_streams": 2, "missing_stream_names": names}
    return side_table(
        [{name: task[name] for name in key} | says for task in tasks], schema.DELIVERIES.columns
    )


@pytest.mark.parametrize(
    ("prefix", "severity", "also"),
    [
        ("unknown", "note", ""),
        ("blue/", "note", "1 task had a stream prefix. "),
        (None, "warning", ""),
    ],
)
def test_missing_streams_are_named(prefix: str | None, severity: str, also: str):
    """Without a stream prefix, that streams are missing is a warning."""
    task = night("app", 2)
    calls = None
    if prefix != "unknown":
        calls = calls_of(call(task, 0, task_id=task["task_id"], log_stream_name_prefix=prefix))
    found = finding(report(deliveries=lacking(task), api_calls=calls), "partial")
    assert found.severity == severity
    assert found.sentence == (
        "1 d of events of 1 log group were exported only in part: app in eu-west-1 (111122223333). "
        f"{also}1 task left no objects of some streams, such as green/1, green/2."
    )
    assert found.rows["missing_stream_names"].to_list() == ["green/1:green/2"]
    assert len(found.aws_commands) == 1


def test_missing_streams_of_several_tasks():
    """Each interval has the streams that its own tasks lack; names may be unknown."""
    tasks = [night("app", 2), night("app", 4), night("app", 4, task_id="again")]
    deliveries = pd.concat(
        [
            lacking(tasks[0], names="b:a"),
            lacking(tasks[1], names="\x1b[31mc"),
            lacking(tasks[2], names=None),
        ],
        ignore_index=True,
    )
    found = finding(report(tasks[2], deliveries=deliveries), "partial")
    assert found.rows["missing_stream_names"].to_list() == ["a:b", "\x1b[31mc"]
    assert "\x1b" not in found.sentence
    assert "3 tasks left no objects of some streams, such as" in found.sentence
    whole = night("app", 2, task_id="whole")
    deliveries = pd.concat([lacking(tasks[0]), lacking(whole).assign(delivered="yes")])
    deliveries = xs.conform(deliveries, of="deliveries")
    assert finding(report(whole, deliveries=deliveries), "partial") is None


def test_names_of_streams_are_redacted():
    """A redacted report says that streams are missing, and names none."""
    task = night("app", 2)
    tasks, _, deliveries, *_ = redaction.redact(
        tasks_of(task, *others("app", 2, MISSED)), deliveries=lacking(task)
    )
    assert "green" not in deliveries.to_csv()
    made = xs.build_weekly_report(tasks, week=ISO_WEEK, deliveries=deliveries)
    assert "left no objects of some streams." in finding(made, "partial").sentence


def test_the_evidence_is_redacted():
    """Neither the role nor the log group is in the redacted tables."""
    calls = calls_of(call(night("app", MISSED), 1, **REFUSED))
    tasks = tasks_of(*nights("app"))
    *_, hidden_calls, hidden_incoming = redaction.redact(
        tasks, api_calls=calls, incoming=incoming_of("app")
    )
    assert "role/exporter" not in hidden_calls.to_csv()
    for table in (hidden_calls, hidden_incoming):
        assert table["log_group_name"].astype("str").unique().tolist() == ["log-group-1"]


def test_a_task_of_many_bytes_may_reach_the_time_out():
    """Nights of twice the bytes took twice as long, so one of sixty times will take too long."""
    rows = [
        night("app", number, completion_time=night("app", number)["creation_time"] + took)
        for number in range(-27, 5)
        for took in [(1 + number % 2) * HOUR + abs(number) * 60_000]
    ]
    just_now = MONDAY + WEEK - HOUR
    rows.append(night("app", 5, status_code="RUNNING", creation_time=just_now))
    came = [
        PLACE
        | {"log_group_name": "app", "start": MONDAY + number * DAY, "period": DAY}
        | {"incoming_bytes": 1000 * (60 if number == 5 else 1 + number % 2), "incoming_events": 1}
        for number in range(-27, 6)
    ]
    incoming = side_table(came, schema.INCOMING.columns)
    assert look(durations.time_outs, *rows) is None
    found = look(durations.time_outs, *rows, incoming=incoming)
    assert found is not None
    assert found.rows["timeout_probability"].to_list()[0] > 0.9


@pytest.mark.parametrize(("rule", "days"), [(retention.expiring, 12), (retention.lost, 5)])
def test_what_expires_at_the_same_time_is_ranked_by_bytes(rule: Rule, days: int):
    """Of two log groups with the same missing night, that with more bytes comes first."""
    rows = [*others("app", -2), *others("web", -2)]
    kept = [{"log_group_name": name, "retention": days * DAY} for name in ("app", "web")]
    came = incoming_of("app", "web")
    more = (came["log_group_name"] == "web").to_numpy()
    came["incoming_bytes"] = came["incoming_bytes"].where(~more, 5000)
    for incoming, names in ((None, ["app", "web"]), (came, ["web", "app"])):
        found = look(rule, *rows, log_groups=log_groups_of(*kept), incoming=incoming)
        assert found is not None
        assert found.rows["log_group_name"].to_list() == names


def test_refused_exports_are_ranked_by_what_is_missing():
    """What was exported of a window is not at stake; of what is not known, tries decide."""
    half = night("web", MISSED)
    half |= {"to_time": half["from_time"] + 18 * HOUR - 1}
    tasks = [*others("app", MISSED), *others("web", MISSED), half, *others("db", MISSED)]
    calls = calls_of(
        *(call(night("web", MISSED), n, **REFUSED, principal="ann") for n in (1, 2)),
        call(night("app", MISSED), 1, **REFUSED, principal="bob"),
        *(call(night("db", MISSED), n, **REFUSED, principal="cy") for n in (1, 2, 3)),
        call(night("app", 2), 1, **REFUSED, principal="dan"),
    )
    without = finding(built(*tasks, week=ISO_WEEK, api_calls=calls), "refused")
    assert without.rows["log_group_name"].to_list() == ["db", "web", "app", "app"]
    assert "incoming_bytes" not in without.rows
    assert "3 of them are not in S3: db in eu-west-1" in without.sentence
    came = incoming_of("app", "web")
    made = built(*tasks, week=ISO_WEEK, api_calls=calls, incoming=came)
    found = finding(made, "refused")
    assert found.rows["log_group_name"].to_list() == ["app", "web", "db", "app"]
    assert plain(found.rows["incoming_bytes"]) == [24_000, 6_000, None, 0]
    assert plain(found.rows["incoming_events"]) == [24, 6, None, 0]
    assert "3 of them are not in S3, such as 24 kB of app in eu-west-1 (" in found.sentence
    names = "bob (LimitExceededException, 1 call), ann (LimitExceededException, 2 calls), cy ("
    assert f"Who was refused: {names}" in found.sentence


def test_windows_of_failed_tasks_are_ranked_by_what_is_missing():
    """The one with most bytes comes first, whichever failed first."""
    failed = [night(name, MISSED, status_code="FAILED") for name in ("app", "db", "web")]
    done = night("app", MISSED, task_id="again")
    done |= {"to_time": done["from_time"] + 18 * HOUR - 1}
    tasks = [*failed, done, *(row for name in ("app", "db", "web") for row in others(name, MISSED))]
    without = finding(built(*tasks, week=ISO_WEEK), "failed_windows")
    assert without.rows["log_group_name"].to_list() == ["app", "db", "web"]
    assert "are missing, such as those of app in eu-west-1 (" in without.sentence
    made = built(*tasks, week=ISO_WEEK, incoming=incoming_of("app", "web"))
    found = finding(made, "failed_windows")
    assert found.rows["log_group_name"].to_list() == ["web", "app", "db"]
    assert plain(found.rows["incoming_bytes"]) == [24_000, 6_000, None]
    assert "are missing, such as 24 kB of web in eu-west-1 (" in found.sentence
