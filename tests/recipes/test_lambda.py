"""The Lambda function and its mail over SES."""

from __future__ import annotations

import email
import email.policy
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pandas as pd
import pytest
from recipes import RECIPES, WEEK, fill_logs, load, parts, sent

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.slow
def test_the_function_keeps_tasks_and_report_in_s3(
    slot: pd.DataFrame,
    moto: str,
    aws: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
):
    """It adds what it fetches to the archive in S3, and writes the report on all of it to S3."""
    aws(moto)
    monkeypatch.setenv("REPORT_BUCKET", "acme-export-reports")
    fill_logs(moto)
    s3 = boto3.client("s3")
    archive = xs.Archive("s3://acme-export-reports/exportstats/history")
    archive.add(slot)

    function = load(RECIPES / "lambda_handler.py")
    answer = function.handler({"week": WEEK}, None)

    listed = s3.list_objects_v2(Bucket="acme-export-reports", Prefix="exportstats/")["Contents"]
    names = {found["Key"] for found in listed}
    reports = {
        f"exportstats/reports/{WEEK}{ending}": kind
        for ending, kind in {
            ".html": "text/html; charset=utf-8",
            ".md": "text/markdown; charset=utf-8",
            ".json": "application/json",
            ".eml": "message/rfc822",
        }.items()
    }
    assert reports.keys() <= names
    assert all(name.startswith("exportstats/history/") for name in names - reports.keys())
    assert len(archive.tasks()) == len(slot) + 1
    assert archive.log_groups()["log_group_name"].to_list() == ["acme/new"]
    assert answer["keys"] == list(reports)
    bodies = {}
    for key, kind in reports.items():
        stored = s3.get_object(Bucket="acme-export-reports", Key=key)
        assert stored["ContentType"] == kind
        bodies[key] = stored["Body"].read()
    written = json.loads(bodies[f"exportstats/reports/{WEEK}.json"])
    assert written["headline"] == answer["headline"]
    figures = {row["measure"]: row["current"] for row in written["figures"]}
    start, end = pd.Timestamp("2026-06-08", tz="UTC"), pd.Timestamp("2026-06-15", tz="UTC")
    created = slot["creation_time"]
    assert figures["tasks"] == ((created >= start) & (created < end)).sum()
    assert ["critical", "not_made_good"] in answer["findings"]
    assert json.loads(json.dumps(answer)) == answer  # as Lambda answers


def test_a_mail_is_sent_as_it_was_written(
    moto: str,
    aws: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    """SES gets the mail with sender, recipients and date, otherwise unchanged."""
    aws(moto)
    boto3.client("sesv2").create_email_identity(EmailIdentity="example.com")
    path = tmp_path / "report.eml"
    path.write_bytes(xs.build_weekly_report(xs.sample_tasks(), week=WEEK).to_email())
    words = [str(path), "--from", "Exporte für alle <reports@example.com>", "--to"]
    monkeypatch.setattr(sys, "argv", ["send_with_ses.py", *words, "a@example.com", "b@example.com"])
    load(RECIPES / "send_with_ses.py").main()

    (message,) = sent()
    assert capsys.readouterr().out == f"sent as {message.id}\n"
    assert message.source == "reports@example.com"
    assert {*message.destinations} == {"a@example.com", "b@example.com"}
    arrived = email.message_from_bytes(message.raw_data.encode(), policy=email.policy.SMTP)
    before = email.message_from_bytes(path.read_bytes(), policy=email.policy.SMTP)
    assert arrived["From"] == "Exporte für alle <reports@example.com>"
    assert arrived["To"] == "a@example.com, b@example.com"
    assert abs(datetime.now(UTC) - arrived["Date"].datetime) < timedelta(minutes=5)
    assert {*arrived.keys()} - {*before.keys()} == {"From", "To", "Date"}
    assert all(arrived[name] == before[name] for name in before.keys())  # noqa: SIM118 - a mail's
    assert parts(message.raw_data) == parts(path.read_bytes())
    assert {"text/plain", "text/html", "<states@exportstats>"} <= parts(message.raw_data).keys()


def test_what_a_mail_was_addressed_with_is_replaced():
    """Existing sender, recipients and date are replaced."""
    raw = b"From: x@example.com\r\nTo: y@example.com\r\nDate: never\r\nSubject: s\r\n\r\nbody\r\n"
    written = load(RECIPES / "send_with_ses.py").address(raw, "a@example.com", ["b@example.com"])
    letter = email.message_from_bytes(written, policy=email.policy.SMTP)
    assert sorted(letter.keys()) == ["Date", "From", "Subject", "To"]
    assert (letter["From"], letter["To"]) == ("a@example.com", "b@example.com")
    assert letter.get_content() == "body\r\n"
