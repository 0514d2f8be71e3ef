"""The Lambda function and its mail over SES."""

from __future__ import annotations

import email
import email.policy
import json
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from recipes import RECIPES, WEEK, fill_logs, load, parts, published, sent

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


BUCKET, HISTORY = "acme-export-reports", "exportstats/history"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".eml": "message/rfc822",
}


@pytest.fixture
def archive(
    slot: pd.DataFrame, moto: str, aws: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> xs.Archive:
    """Return an archive in S3 with the tasks in two commits, and let moto be AWS."""
    aws(moto)
    monkeypatch.setenv("REPORT_BUCKET", BUCKET)
    fill_logs(moto)
    archive = xs.Archive(f"s3://{BUCKET}/{HISTORY}")
    early = slot["creation_time"] < "2026-06-10T00:00Z"
    for some in (slot[early], slot[~early]):
        archive.add(some.reset_index(drop=True))
    return archive


def objects(prefix: str) -> dict[str, bytes]:
    """Return the objects below a prefix."""
    s3 = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed
    }


def invoke(week: str = WEEK, seconds: int = 900) -> dict[str, Any]:
    """Call the function as Lambda does, which takes an answer that is JSON."""
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: seconds * 1000)
    answer = load(RECIPES / "lambda_handler.py").handler({"week": week}, context)
    assert json.loads(json.dumps(answer)) == answer
    return answer


@pytest.mark.slow
def test_the_function_keeps_tasks_and_report_in_s3(slot: pd.DataFrame, archive: xs.Archive):
    """It adds what it fetches to the archive in S3, and writes the report on all of it to S3."""
    answer = invoke()
    assert (answer["exit_code"], answer["partial"]) == (4, False)
    names = objects("exportstats/").keys()
    reports = {f"exportstats/reports/{WEEK}{ending}": kind for ending, kind in KINDS.items()}
    assert answer["keys"] == list(reports)
    assert reports.keys() <= names
    tables = {name for name in names if name.startswith(f"exportstats/reports/{WEEK}/")}
    assert f"exportstats/reports/{WEEK}/findings.csv" in tables
    assert all(name.startswith(HISTORY) for name in names - reports.keys() - tables)
    assert len(archive.tasks()) == len(slot) + 1
    assert archive.log_groups()["log_group_name"].to_list() == ["acme/new"]
    s3 = boto3.client("s3")
    for key, kind in reports.items():
        assert s3.head_object(Bucket=BUCKET, Key=key)["ContentType"] == kind
    written = json.loads(objects("exportstats/reports/")[f"exportstats/reports/{WEEK}.json"])
    assert written["headline"] == answer["headline"]
    figures = {row["measure"]: row["current"] for row in written["figures"]}
    start, end = pd.Timestamp("2026-06-08", tz="UTC"), pd.Timestamp("2026-06-15", tz="UTC")
    created = slot["creation_time"]
    assert figures["tasks"] == ((created >= start) & (created < end)).sum()
    assert ["critical", "failed_windows"] in answer["findings"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of", "which", "tells"),
    [
        ("tasks", "part-", "observations are missing"),
        ("tasks", "00000000000000000001.json", "from version 1 on is missing"),
        ("tasks", "00000000000000000000.json", "tasks cannot be read"),
        ("looks", "00000000000000000001.json", "from version 1 on is missing"),
        ("log_groups", "00000000000000000000.json", "log_groups cannot be read"),
    ],
)
def test_the_function_reports_on_the_rest_if_an_object_is_damaged(
    archive: xs.Archive,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    of: str,
    which: str,
    tells: str,
):
    """It names the object, reports on what can be read, alerts with code 3, and leaves it alone."""
    monkeypatch.setenv("ALERT_TOPIC", boto3.client("sns").create_topic(Name="alerts")["TopicArn"])
    archive.sync(log_groups=True)
    key = next(key for key in objects(f"{HISTORY}/{of}/") if which in key)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"damaged")
    capfd.readouterr()
    before = objects(HISTORY)
    answer = invoke()
    assert answer["exit_code"] == 3
    told = capfd.readouterr().err
    assert tells in told
    assert which in told or "cannot be read" in tells
    assert objects(f"exportstats/reports/{WEEK}.html")
    assert before.items() <= objects(HISTORY).items()
    [text] = published()
    assert text.startswith("Exit code 3: only a part")


@pytest.mark.slow
def test_a_function_without_a_report_fails(
    aws: Callable[..., None], monkeypatch: pytest.MonkeyPatch, moto: str
):
    """If nothing can be read, Lambda sees an error, and the alert says that there is no report."""
    aws(moto)
    monkeypatch.setenv("REPORT_BUCKET", "no-such-bucket")
    monkeypatch.setenv("ALERT_TOPIC", boto3.client("sns").create_topic(Name="alerts")["TopicArn"])
    monkeypatch.setenv("REPORT_TARGETS", "--region nowhere-1 --organization")
    with pytest.raises(RuntimeError, match=r"weekly-report\.sh ended with [12]; the log above"):
        invoke()
    [text] = published()
    assert "there is no report" in text
    with pytest.raises(ValueError, match=r"week='\.\./x'; give one as in"):
        invoke("../x")


@pytest.mark.slow
@pytest.mark.usefixtures("archive")
def test_a_report_that_could_not_be_mailed_is_kept(monkeypatch: pytest.MonkeyPatch):
    """If SES refuses the mail, Lambda sees an error, and the report is in S3 all the same."""
    monkeypatch.setenv("MAIL_FROM", "not-verified@example.com")
    monkeypatch.setenv("MAIL_TO", "oncall@example.com")
    with pytest.raises(RuntimeError, match=r"weekly-report\.sh ended with 1; the log above"):
        invoke()
    assert objects(f"exportstats/reports/{WEEK}.html")


@pytest.mark.slow
def test_a_function_out_of_time_tells_so(
    archive: xs.Archive, monkeypatch: pytest.MonkeyPatch, moto: str
):
    """The script is stopped before Lambda's own timeout, and its alert is still sent."""
    monkeypatch.setenv("ALERT_TOPIC", boto3.client("sns").create_topic(Name="alerts")["TopicArn"])
    before = len(archive.tasks())
    with Emulator([], faults=[Fault("hang")]) as emulator:
        for service in ("S3", "SNS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto)
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        with pytest.raises(RuntimeError, match=r"weekly-report\.sh ended with 124; the log above"):
            invoke(seconds=95)
    [text] = published()
    assert text == ("Exit code 143: there is no report, or it was not sent; the log says why.")
    assert len(archive.tasks()) == before


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
