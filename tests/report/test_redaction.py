"""A redacted report has the same figures, and no name."""

from __future__ import annotations

import re
from io import StringIO
from random import Random
from typing import TYPE_CHECKING

import pandas as pd
from pandas.testing import assert_frame_equal
from redacted import PSEUDONYM, WEEK, texts_of
from reported import (
    ISO_WEEK,
    MONDAY,
    deliveries_of,
    every,
    kinds,
    log_groups_of,
    night,
    nights,
    report_of,
    sample,
    tasks_of,
)
from support import DAY, shuffled
from trails import cancel, record, refused, trail

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.report.redaction import redact

if TYPE_CHECKING:
    from pathlib import Path


def names_in(tasks: pd.DataFrame, *columns: str) -> set[str]:
    """Return all names in some columns."""
    return {str(name) for column in columns for name in tasks[column].dropna()}


def test_no_name_is_left_in_any_format(hidden: xs.WeeklyReport, tmp_path: Path):
    """No account, log group, bucket, prefix or task id of the sample is in any format."""
    tasks, log_groups = sample()
    secret = names_in(tasks, "account_id", "log_group_name", "destination", "task_id")
    secret |= names_in(log_groups, "log_group_name") | names_in(tasks, "destination_prefix")
    assert len(secret) > len(tasks)
    # search for task ids by their pattern: there are too many to search for each
    shape = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    ids = {name for name in secret if shape.fullmatch(name)}
    for kind, text in texts_of(hidden, tmp_path).items():
        assert not shape.search(text), kind
        for name in secret - ids:
            # a prefix can be an ordinary word of the report's sentences
            whole = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            assert not re.search(whole, text), (kind, name)
        assert "acme" not in text, kind


def test_names_of_tasks_are_left_out(hidden: xs.WeeklyReport):
    """Tasks have no task name, because it may contain anything."""
    tasks, *_ = redact(*sample())
    assert tasks["task_name"].isna().all()
    sentences = [one.sentence for one in every(hidden) if one.kind == "failed_windows"]
    assert sentences
    assert all("log-group-" in sentence for sentence in sentences)


def test_a_redacted_report_has_the_same_figures(hidden: xs.WeeklyReport):
    """The findings, their severity and rows, and the key figures do not change."""
    original = report_of(WEEK)
    assert_frame_equal(hidden.figures, original.figures)
    assert kinds(hidden) == kinds(original)
    for one, other in zip(every(hidden), every(original), strict=True):
        assert (one.severity, len(one.rows), one.remedy) == (
            other.severity,
            len(other.rows),
            other.remedy,
        )
        for name in one.rows.columns.difference([*PSEUDONYM, "last_task_id", "example_task_id"]):
            if one.rows[name].dtype.kind in "mMif":
                left, right = (sorted(some.rows[name].dropna()) for some in (one, other))
                assert left == right, (one.kind, name)
    assert hidden.headline == original.headline
    assert hidden.period == original.period


def test_redacted_tables_are_tables():
    """Redacted tables match the schema, and keep the order of rows."""
    tasks, log_groups = sample()
    again, groups, deliveries, *_ = redact(tasks, log_groups)
    frames.check(again)
    xs.build_weekly_report(again.head(0), week=WEEK, log_groups=groups)
    assert deliveries is None
    assert len(again) == len(tasks)
    kept = [
        name for name in schema.NAMES if name not in (*PSEUDONYM, "task_name", "status_message")
    ]
    for name in kept:
        assert again[name].astype("object").equals(tasks[name].astype("object")), name
    for name, pattern in PSEUDONYM.items():
        assert again[name].isna().equals(tasks[name].isna())
        assert again[name].dropna().astype("str").str.fullmatch(pattern).all()
        pairs = pd.DataFrame({"from": tasks[name].astype("str"), "to": again[name].astype("str")})
        pairs = pairs.dropna().drop_duplicates()
        assert pairs["from"].is_unique
        assert pairs["to"].is_unique


def test_pseudonyms_stay_when_tasks_are_added():
    """Later tasks do not change the pseudonyms of earlier ones, so weeks can be compared."""
    tasks, log_groups = sample()
    now, *_ = redact(tasks, log_groups)
    for until in ("2026-03-01T00:00Z", "2026-10-01T12:00Z"):
        early = tasks["creation_time"] < pd.Timestamp(until)
        then, *_ = redact(frames.conform(tasks[early]), log_groups)
        key = dict(zip(tasks.loc[early, "task_id"], now.loc[early, "task_id"], strict=True))
        assert [*then["task_id"]] == [*key.values()]
        for name in PSEUDONYM:
            assert [*then[name].astype("str")] == [*now.loc[early, name].astype("str")]


def test_pseudonyms_do_not_depend_on_the_order_of_rows():
    """Shuffled rows get the same pseudonyms."""
    tasks, log_groups = sample()
    expected, groups, *_ = redact(tasks, log_groups)
    mixed = shuffled(tasks, Random(1))  # noqa: S311 - an order, no secret
    found, groups_found, *_ = redact(mixed, log_groups.iloc[::-1])
    for name in PSEUDONYM:
        left = found[name].sort_index().astype("str")
        assert left.equals(expected[name].astype("str")), name
    assert groups_found.iloc[::-1]["log_group_name"].astype("str").to_list() == [
        *groups["log_group_name"].astype("str")
    ]


def test_tables_of_one_report_have_the_same_pseudonyms():
    """Log groups and deliveries get the pseudonyms of their tasks. Keys and reasons are removed."""
    tasks = tasks_of(*nights("acme/secret"))
    log_groups = log_groups_of(
        {"log_group_name": "acme/secret", "creation_time": 0},
        {"log_group_name": "acme/never", "creation_time": 1},
    )
    deliveries = deliveries_of(
        {
            "task_id": "acme/secret@2",
            "delivered": "empty",
            "destination": "acme-logs",
            "prefix": "exported/acme",
            "first_key": "exported/acme/1",
            "last_key": "exported/acme/2",
            "reason": "acme said no",
        }
    )
    hidden, groups, delivered, *_ = redact(tasks, log_groups, deliveries)
    assert set(hidden["log_group_name"]) == {"log-group-1"}
    assert [*groups["log_group_name"]] == ["log-group-1", "log-group-2"]
    assert [*delivered["destination"]] == ["bucket-1"]
    [name] = delivered["task_id"]
    assert [*hidden.loc[tasks["task_id"] == "acme/secret@2", "task_id"]] == [name]
    report = xs.build_weekly_report(hidden, week=ISO_WEEK, log_groups=groups, deliveries=delivered)
    assert "empty_deliveries" in kinds(report)
    assert "acme" not in report.to_json()


def test_missing_names_stay_missing():
    """A missing account, bucket or log group stays missing and gets no pseudonym."""
    tasks = tasks_of(
        night("a", 0, account_id=None, destination=None, log_group_name=None), night("b", 1)
    )
    hidden, *_ = redact(tasks)
    assert hidden.loc[0, ["account_id", "destination", "log_group_name"]].isna().all()
    assert hidden["account_id"].to_list()[1] == "account-1"
    assert redact(frames.empty())[0].empty


def test_pseudonyms_are_numbered_by_first_use():
    """A pseudonym depends on the first creation, not on the name or the position in the table."""
    rows = [
        night("zebra", -3, destination="z"),
        night("ant", 0, destination="a"),
        night("mule", -1, destination="m"),
    ]
    hidden, *_ = redact(tasks_of(*rows))
    assert hidden["log_group_name"].to_list() == ["log-group-1", "log-group-3", "log-group-2"]
    assert hidden["destination"].to_list() == ["bucket-1", "bucket-3", "bucket-2"]
    assert MONDAY % DAY == 0


def test_names_that_differ_in_case_only():
    """Names that differ only in a dotless i are both hidden, without an error."""
    rows = [
        night("kap\u0131", 0, status_message="kap\u0131 KAPI kapi failed"),
        night("kapi", 1),
        night("KAPI", 2, destination="KAP\u0130"),
    ]
    hidden, *_ = redact(tasks_of(*rows))
    assert [*hidden["log_group_name"]] == ["log-group-1", "log-group-2", "log-group-3"]
    assert hidden["status_message"].iloc[0] == "<log group> <hidden> failed"


def test_only_public_values_stay_in_every_column():
    """Own columns, and states, regions and classes that are not AWS's, are hidden."""
    tasks = tasks_of(
        night("a", 0, status_code="acme state", region="acme-payroll-1"),
        night("b", 1, region="us-gov-east-1"),
        night("c", 2, region="ap-southeast-4"),
    ).assign(owner=["acme", None, "acme"], cost_center=[987654, 1, 2])
    groups = log_groups_of(
        {"log_group_name": "a", "creation_time": 0, "log_group_class": "acme class"},
        {"log_group_name": "b", "creation_time": 0, "log_group_class": "INFREQUENT_ACCESS"},
    ).assign(owner=["acme", "other"])
    hidden, groups, *_ = redact(tasks, groups)
    assert [*hidden["region"]] == ["region-1", "us-gov-east-1", "ap-southeast-4"]
    assert hidden["status_code"].iloc[0] == "status_code-1"
    assert hidden["owner"].astype(object).to_list()[::2] == ["owner-1", "owner-1"]
    assert hidden["owner"].isna().to_list() == [False, True, False]
    assert [*groups["owner"]] == ["owner-1", "owner-2"]
    assert [*groups["log_group_class"]] == ["log_group_class-1", "INFREQUENT_ACCESS"]
    for table in (hidden, groups):
        assert not re.search("acme|987654", table.to_csv())


def test_api_calls_share_the_pseudonyms_of_tasks() -> None:
    """Principals, sessions and names of API calls are hidden, and still match those of tasks."""
    calls = xs.read_api_calls(StringIO(trail(record(0), refused(1), cancel(2, "task-0"))))
    tasks = xs.unlisted_tasks(frames.empty(), calls)
    hidden, _, _, redacted, _ = redact(tasks, api_calls=calls)
    assert redacted is not None
    frames.check(redacted, schema.API_CALLS)
    text = redacted.to_csv() + hidden.to_csv()
    for name in ("exporter", "nightly", "/app", "acme", "Boto3", "event-0", "limit exceeded"):
        assert name not in text, name
    assert hidden["task_id"].to_list() == redacted["task_id"].dropna().unique().tolist()
    assert {*hidden["created_by"], *hidden["cancelled_by"]} == {*redacted["principal"]}
    assert hidden["log_stream_name_prefix"].to_list() == [""]
    assert redacted["error_code"].dropna().to_list() == ["LimitExceededException"]
    assert redacted["event_time"].equals(calls["event_time"])
