"""The messages of a redacted report keep only ordinary words."""

from __future__ import annotations

import re
from functools import partial
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import pytest
from hypothesis import given, strategies as st
from redacted import PSEUDONYM, texts_of
from reported import ISO_WEEK, night, rows_behind, sample, tasks_of

import exportstats as xs
from exportstats.report.redaction import redact

if TYPE_CHECKING:
    from pathlib import Path


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
    hidden, *_ = redact(tasks)
    for message in hidden["status_message"]:
        words = re.findall(r"[^\s.,:;()<>]+", message)
        assert ALLOWED.issuperset(word.lower() for word in words), message
    for name, pattern in PSEUDONYM.items():
        assert hidden[name].dropna().astype("str").str.fullmatch(pattern).all()
    before, after = (xs.failure_reasons(some) for some in (tasks, hidden))
    assert [*before["tasks"]] == [*after["tasks"]]
