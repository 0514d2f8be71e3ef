"""A redacted report has no names in any format, and the same figures."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from functools import partial
from random import Random
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
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
    rows_behind,
    sample,
    tasks_of,
)
from support import DAY, shuffled

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.report import machine
from exportstats.report.redaction import redact

if TYPE_CHECKING:
    from pathlib import Path

WEEK = "2026-W24"
PSEUDONYM = {
    "account_id": r"account-\d+",
    "log_group_name": r"log-group-\d+",
    "destination": r"bucket-\d+",
    "destination_prefix": r"prefix-\d+",
    "task_id": r"task-\d+",
}


@pytest.fixture(scope="module")
def hidden() -> xs.WeeklyReport:
    """Return the redacted report of the sample's worst week."""
    tasks, log_groups, _ = redact(*sample())
    return xs.build_weekly_report(tasks, week=WEEK, log_groups=log_groups)


def texts_of(report: xs.WeeklyReport, folder: Path) -> dict[str, str]:
    """Return the text of each format, with the parts of the email decoded."""
    machine.write_csv(report, folder)
    mail = message_from_bytes(report.to_email(), policy=policy.default)
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    heads = [str(part.items()) for part in mail.walk()]  # encoded pictures can contain any letters
    return {
        "html": report.to_html(),
        "markdown": report.to_markdown().replace("\\", ""),
        "email": "\n".join([*heads, *parts]),
        "json": report.to_json(),
        **{file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()},
    }


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
    tasks, _, _ = redact(*sample())
    assert tasks["task_name"].isna().all()
    sentences = [one.sentence for one in every(hidden) if one.kind == "not_made_good"]
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
    again, groups, deliveries = redact(tasks, log_groups)
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
    now, _, _ = redact(tasks, log_groups)
    for until in ("2026-03-01T00:00Z", "2026-10-01T12:00Z"):
        early = tasks["creation_time"] < pd.Timestamp(until)
        then, _, _ = redact(frames.conform(tasks[early]), log_groups)
        key = dict(zip(tasks.loc[early, "task_id"], now.loc[early, "task_id"], strict=True))
        assert [*then["task_id"]] == [*key.values()]
        for name in PSEUDONYM:
            assert [*then[name].astype("str")] == [*now.loc[early, name].astype("str")]


def test_pseudonyms_do_not_depend_on_the_order_of_rows():
    """Shuffled rows get the same pseudonyms."""
    tasks, log_groups = sample()
    expected, groups, _ = redact(tasks, log_groups)
    mixed = shuffled(tasks, Random(1))  # noqa: S311 - an order, no secret
    found, groups_found, _ = redact(mixed, log_groups.iloc[::-1])
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
    hidden, groups, delivered = redact(tasks, log_groups, deliveries)
    assert set(hidden["log_group_name"]) == {"log-group-1"}
    assert [*groups["log_group_name"]] == ["log-group-1", "log-group-2"]
    assert [*delivered["destination"]] == ["bucket-1"]
    [name] = delivered["task_id"]
    assert [*hidden.loc[tasks["task_id"] == "acme/secret@2", "task_id"]] == [name]
    report = xs.build_weekly_report(hidden, week=ISO_WEEK, log_groups=groups, deliveries=delivered)
    assert "empty_deliveries" in kinds(report)
    assert "acme" not in report.to_json()


def secrets() -> dict[str, Any]:
    """Return the names of a task, each a unique word."""
    return {
        "account_id": "987654321098",
        "log_group_name": "Quux/payroll",
        "destination": "quux-bucket",
        "destination_prefix": "quuxprefix",
        "task_id": "5c4ba0c4-efb0-4dd8-99cc-f8bf1b3c3d42",
        "task_name": "quuxname",
    }


MESSAGES = (
    "Cannot write to {destination}",
    "s3://{destination}/{destination_prefix}/{task_id}: denied",
    "arn:aws:logs:eu-west-1:{account_id}:log-group:{log_group_name}:* not found",
    "{log_group_name}{destination}{account_id}",
    "The log group '{log_group_name}' of {account_id}, prefix {destination_prefix}.",
    "task {task_id} failed",
    "<b>{destination}</b> | `{log_group_name}`",
)


def test_messages_hold_no_name(tmp_path: Path):
    """Names of the task itself are hidden in its message, whatever their form."""
    names = secrets()
    rows = [night("", number) | names | {"task_id": f"t{number}"} for number in range(-28, 2)]
    for number, message in enumerate(MESSAGES):
        name = names["task_id"][:-1] + str(number)
        text = message.format(**names | {"task_id": name})
        failed = {"status_code": "FAILED", "status_message": text}
        rows.append(night("", 2) | names | {"task_id": name} | failed)
    report = xs.build_weekly_report(redact(tasks_of(*rows))[0], week=ISO_WEEK)
    assert len(rows_behind(report, "new_reasons")) == len(MESSAGES)
    for kind, text in texts_of(report, tmp_path).items():
        assert "quux" not in text.lower(), kind
        assert "payroll" not in text, kind
        assert names["account_id"] not in text, kind
        assert names["task_id"][:-1] not in text, kind


def test_a_message_of_another_tasks_names():
    """Names of other tasks are hidden in a message, the longest first."""
    rows = [
        night("acme", 0, destination="acme-eu"),
        night("acme/api", 1, destination="acme-eu-west"),
        night("other", 2, status_message="acme-eu-west, acme-eu, acme/api and acme"),
    ]
    [message] = redact(tasks_of(*rows))[0]["status_message"].dropna()
    assert "acme" not in message
    assert not re.search("-west|/api", message)


def test_missing_names_stay_missing():
    """A missing account, bucket or log group stays missing and gets no pseudonym."""
    tasks = tasks_of(
        night("a", 0, account_id=None, destination=None, log_group_name=None), night("b", 1)
    )
    hidden, _, _ = redact(tasks)
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
    hidden, _, _ = redact(tasks_of(*rows))
    assert hidden["log_group_name"].to_list() == ["log-group-1", "log-group-3", "log-group-2"]
    assert hidden["destination"].to_list() == ["bucket-1", "bucket-3", "bucket-2"]
    assert MONDAY % DAY == 0


def test_the_words_of_the_samples_messages_stay():
    """The reasons of the sample contain no names, so redaction does not change them."""
    tasks, log_groups = sample()
    hidden = redact(tasks, log_groups)[0]
    before, after = (xs.failure_reasons(some)["tasks"] for some in (tasks, hidden))
    assert before.to_dict() == after.to_dict()


def message_of(message: str, **fields: str) -> str:
    """Return the redacted message of one FAILED task."""
    row = night("acme", 0, status_code="FAILED", status_message=message, **fields)
    return str(redact(tasks_of(row))[0]["status_message"].iloc[0])


@pytest.mark.parametrize(
    ("message", "fields", "expected"),
    [
        ("nightly payroll failed", {"task_name": "nightly payroll"}, "<hidden> failed"),
        ("no STRASSE for it", {"destination_prefix": "straße"}, "no <hidden> for it"),
        ("payroll is locked", {"log_group_name": "/aws/lambda/payroll"}, "<hidden> is locked"),
        ("cannot write to cafe\u0301", {"destination": "caf\xe9"}, "cannot write to <hidden>"),
        ("access denied", {"log_group_name": "Access"}, "<hidden> denied"),
        ("access denied (x)", {"task_name": "not allowed"}, "access denied <hidden>"),
    ],
)
def test_a_message_keeps_only_ordinary_words(message: str, fields: dict[str, str], expected: str):
    """Names are hidden in every form, even if they are ordinary words."""
    assert message_of(message, **fields) == expected


def test_names_that_differ_in_case_only():
    """Names that differ only in a dotless i are both hidden, without an error."""
    rows = [
        night("kap\u0131", 0, status_message="kap\u0131 KAPI kapi failed"),
        night("kapi", 1),
        night("KAPI", 2, destination="KAP\u0130"),
    ]
    hidden, _, _ = redact(tasks_of(*rows))
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
    hidden, groups, _ = redact(tasks, groups)
    assert [*hidden["region"]] == ["region-1", "us-gov-east-1", "ap-southeast-4"]
    assert hidden["status_code"].iloc[0] == "status_code-1"
    assert hidden["owner"].astype(object).to_list()[::2] == ["owner-1", "owner-1"]
    assert hidden["owner"].isna().to_list() == [False, True, False]
    assert [*groups["owner"]] == ["owner-1", "owner-2"]
    assert [*groups["log_group_class"]] == ["log_group_class-1", "INFREQUENT_ACCESS"]
    for table in (hidden, groups):
        assert not re.search("acme|987654", table.to_csv())


TEMPLATES = (
    "Cannot write to {} in this region",
    "{0}: access denied (request 7F3A9C21), {0}",
    "The log group '{}' does not exist.",
    "timed out after 24 hours {}",
    "internal failure{}",
)
# The allowed words of a redacted message: those of the templates, placeholders, and a letter.
ALLOWED = {
    *re.findall("[a-z]+", " ".join(TEMPLATES).lower()),
    *("hidden", "id", "bucket", "prefix", "path", "number", "account", "arn", "s3", "address"),
    *ascii_lowercase,
}
FORMS = (str.upper, str.casefold, partial(normalize, "NFD"), partial(normalize, "NFKC"))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda name: not re.search(r"(?<!\S)[<(]*[A-Za-z0-9]+[>)]*[.,:;]?(?!\S)", name)
)


@given(data=st.data())
def test_names_of_every_script(data: st.DataObject):
    """No part of a name is in the tables. Messages have the same words as without the name."""
    rows = []
    for number in range(data.draw(st.integers(1, 6))):
        names = {name: data.draw(NAMES) for name in secrets() if name != "task_id"}
        parts = [*names.values(), names["log_group_name"].rpartition("/")[2]]
        text = data.draw(st.sampled_from(parts + [f(one) for one in parts for f in FORMS]))
        message = data.draw(st.sampled_from(TEMPLATES)).format(text)
        rows.append(night("", number, status_code="FAILED", status_message=message) | names)
    tasks = tasks_of(*rows)
    hidden, _, _ = redact(tasks)
    for message in hidden["status_message"]:
        words = re.findall(r"[^\s.,:;()<>]+", message)
        assert ALLOWED.issuperset(word.lower() for word in words), message
    for name, pattern in PSEUDONYM.items():
        assert hidden[name].dropna().astype("str").str.fullmatch(pattern).all()
    before, after = (xs.failure_reasons(some) for some in (tasks, hidden))
    assert [*before["tasks"]] == [*after["tasks"]]
