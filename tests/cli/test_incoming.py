"""The command `incoming`, and evidence for the coverage commands, from the emulator."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from support import ms

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ACCOUNT, REGION = "111122223333", "eu-west-1"
PLACE = {"accountId": ACCOUNT, "region": REGION}
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HOUR, DAY = 3_600_000, 86_400_000
FIRST = ms("2026-11-10T00:00Z")
RANGE = ["--since", "2026-11-10", "--until", "2026-11-14"]
REFUSED, PARTIAL, SILENT = 1, 2, 3  # days


def task(day: int, name: str = "/app") -> dict[str, Any]:
    """Return the export of a day, created fourteen hours after it."""
    created = FIRST + (day + 1) * DAY + 14 * HOUR
    return {
        **PLACE,
        "taskId": f"{name}-{day}",
        "logGroupName": name,
        "from": FIRST + day * DAY,
        "to": FIRST + (day + 1) * DAY - 1,
        "destination": "acme",
        "status": {"code": "COMPLETED"},
        "executionInfo": {"creationTime": created, "completionTime": created + 60_000},
    }


def call(day: int, **fields: object) -> dict[str, Any]:
    """Return the record of a call for the export of a day."""
    one = task(day)
    created = one["executionInfo"]["creationTime"]
    return {
        "eventID": f"call-{day}",
        "eventTime": f"{dt.datetime.fromtimestamp(created / 1000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "logs.amazonaws.com",
        "eventName": "CreateExportTask",
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/ann"},
        "requestParameters": {name: one[name] for name in ("logGroupName", "from", "to")},
        **fields,
    }


def served(faults: tuple[Fault, ...] = ()) -> Emulator:
    """Return an emulator of four days: exported, refused, silent, and exported in part."""
    prefixed = call(PARTIAL, responseElements={"taskId": f"/app-{PARTIAL}"})
    prefixed["requestParameters"]["logStreamNamePrefix"] = "app/"
    counts = {hour: 0 if SILENT * 24 <= hour <= (SILENT + 1) * 24 else 10 for hour in range(5 * 24)}
    return Emulator(
        [task(0), task(PARTIAL)],
        api_calls=[call(REFUSED, errorCode="LimitExceededException", errorMessage="x"), prefixed],
        incoming=[
            PLACE
            | {"logGroupName": "/app", "start": FIRST + hour * HOUR}
            | {"incomingBytes": 100_000 * count, "incomingEvents": count}
            for hour, count in counts.items()
        ],
        log_groups=[PLACE | {"logGroupName": "/app", "creationTime": 0}],
        now=NOW,
        faults=faults,
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Emulator]]:
    """Run an emulator as AWS."""
    started: list[Emulator] = []

    def start(*faults: Fault) -> Emulator:
        emulator = served(faults)
        started.append(emulator)
        emulator.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        return emulator

    for name, value in (("ACCESS_KEY_ID", ACCOUNT), ("SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    yield start
    for emulator in started:
        emulator.stop()


def test_totals_for_people_and_periods_for_machines(aws: Callable, run: Callable, tmp_path: Path):
    """The table has a row per log group, csv, json and the file one per period."""
    aws()
    file = tmp_path / "incoming.parquet"
    done = run("incoming", *RANGE, "-o", file)
    assert done.exit_code == 0, done.stderr
    assert "1 log group with data" in done.stdout
    assert "72 MB" in done.stdout
    assert f"{file}: 96 periods" in done.stderr
    assert len(xs.read_incoming(file)) == 4 * 24
    rows = json.loads(run("incoming", *RANGE, "--format", "json").stdout)
    table = [*csv.DictReader(io.StringIO(run("incoming", *RANGE, "--format", "csv").stdout))]
    assert len(rows) == len(table) == 4 * 24
    assert rows[0]["start"] == table[0]["start"] == "2026-11-10T00:00:00.000Z"
    assert rows[0]["period_seconds"] == float(table[0]["period_seconds"]) == 3600
    again = run("incoming", *RANGE, "-o", file)
    assert f"{file}: 96 periods" in again.stderr


def test_live_evidence_narrows_the_answer(aws: Callable, run: Callable):
    """Gaps show what was refused and what is at stake; a silent one is only counted."""
    aws()
    done = run("gaps", *RANGE, "--evidence", "live")
    assert done.exit_code == 0, done.stderr
    assert "1 gap, 1 d" in done.stdout
    assert "refused: LimitExceededException" in done.stdout
    assert "24 MB" in done.stdout
    assert "1 gap of 1 d not listed: nothing came in" in done.stderr
    assert "2 of 2 deliveries could not be looked up" in done.stderr
    rows = json.loads(run("gaps", *RANGE, "--evidence", "live", "--format", "json").stdout)
    assert [row["reason"] for row in rows] == ["refused", "silent"]
    without = json.loads(run("gaps", *RANGE, "--format", "json").stdout)
    assert [row["reason"] for row in without] == ["never_tried"] * 2


def test_bounds_of_coverage(aws: Callable, run: Callable, tmp_path: Path):
    """With all sources, coverage has two bounds; without one, it says what is not known."""
    aws()
    rows = [
        PLACE
        | {"taskId": f"/app-{day}", "delivered": "yes"}
        | {"missingStreams": 0, "possiblyMissingStreams": 0}
        for day in (0, PARTIAL)
    ]
    file = tmp_path / "deliveries.json"
    file.write_text(json.dumps(rows))
    done = run("coverage", *RANGE, "--deliveries", file, "--api-calls=aws", "--incoming=aws")
    assert "covered at least 25 %, at most 50 %; in 25 % nothing came in" in done.stderr
    [names, row] = [
        line.split() for line in done.stdout.splitlines() if "least" in line or "/app" in line
    ]
    assert names[-1] == "silent"
    assert row[-2:] == ["25", "%"]
    done = run("coverage", *RANGE, "--deliveries", file)
    assert "silent" not in done.stdout
    assert "not known: the stream prefixes of tasks (--api-calls)" in done.stderr
    assert "the streams of" not in done.stderr
    file.write_text(json.dumps([row | {"missingStreams": None} for row in rows]))
    done = run("coverage", *RANGE, "--deliveries", file, "--api-calls=aws", "--incoming=aws")
    assert "covered at least 0 %, at most 50 %" in done.stderr
    streams = "the streams of 2 delivered tasks (exportstats deliveries --streams)"
    assert f"not known: {streams}" in done.stderr


def test_what_is_not_permitted_makes_the_answer_less_certain(aws: Callable, run: Callable):
    """With --evidence live the answer is complete without it; a source that is named is missed."""
    aws(Fault("deny", operation="GetMetricData"))
    done = run("gaps", *RANGE, "--evidence", "live")
    assert done.exit_code == 0, done.stderr
    assert "incoming did not all arrive, so the answer is less certain" in done.stderr
    assert "cloudwatch:GetMetricData" in done.stderr
    assert "refused: LimitExceededException" in done.stdout
    assert run("gaps", *RANGE, "--incoming", "aws").exit_code == 3


def test_names_of_log_groups_come_from_files(aws: Callable, run: Callable, tmp_path: Path):
    """The tasks of a file name the log groups; a selection that leaves none is an error."""
    aws()
    tasks = tmp_path / "tasks.jsonl"
    xs.write_tasks(xs.conform(xs.fetch_tasks()), tasks)
    assert "72 MB" in run("incoming", tasks, *RANGE).stdout
    done = run("incoming", tasks, *RANGE, "--log-group", "/nothing")
    assert done.exit_code == 2


def test_evidence_is_of_the_selected_log_groups(aws: Callable, run: Callable, tmp_path: Path):
    """A selection applies to it too, and evidence of something else is not taken as known."""
    aws()
    tasks, calls = tmp_path / "tasks.jsonl", tmp_path / "calls.jsonl"
    other = [task(day, "/web") for day in range(4)]
    rows = [xs.fetch_tasks(), xs.conform(xs.read_tasks(io.StringIO(json.dumps(other))))]
    xs.write_tasks(xs.concat(rows), tasks)
    xs.write_api_calls(xs.fetch_api_calls(), calls)
    done = run("gaps", tasks, *RANGE, "--api-calls", calls, "--log-group", "/web")
    assert "no gaps" in done.stdout
    assert "2 rows of API calls" not in done.stderr
    assert "(--api-calls)" in done.stderr  # nothing is known of /web
    elsewhere = tmp_path / "incoming.csv"
    text = "account_id,region,log_group_name,start,periodInSeconds,incoming_bytes,incoming_events\n"
    elsewhere.write_text(f"{text}444455556666,{REGION},/app,2026-11-10T00:00:00.000Z,3600,1,1\n")
    done = run("gaps", tasks, *RANGE, "--incoming", elsewhere)
    assert "1 rows of incoming are not of these tasks and log groups" in done.stderr
    assert "(--incoming)" in done.stderr


def test_a_refusal_before_its_log_group_was_recorded(aws: Callable, run: Callable, tmp_path: Path):
    """A call without permission has no log group, and is reported for the account of the tasks."""
    aws()
    tasks, calls = tmp_path / "tasks.jsonl", tmp_path / "calls.json"
    xs.write_tasks(xs.fetch_tasks(), tasks)
    denied = call(0, errorCode="AccessDenied", errorMessage="x", requestParameters=None)
    elsewhere = denied | {"recipientAccountId": "444455556666", "eventID": "elsewhere"}
    calls.write_text(json.dumps({"Records": [denied, elsewhere]}))
    done = run("report", tasks, "--week", "2026-W46", "--api-calls", calls)
    assert "1 export of 1 log group was refused, and 1 of them is not in S3" in " ".join(
        done.stdout.split()
    )
    assert "AccessDenied" in done.stdout


def test_tasks_without_an_account_meet_their_evidence(aws: Callable, run: Callable, tmp_path: Path):
    """The AWS CLI prints tasks without it; the only account of the evidence is theirs."""
    aws()
    tasks, calls = tmp_path / "tasks.json", tmp_path / "calls.jsonl"
    page = {"exportTasks": [task(0), task(PARTIAL), task(SILENT)]}
    for one in page["exportTasks"]:
        del one["accountId"], one["region"]
    tasks.write_text(json.dumps(page))
    xs.write_api_calls(xs.fetch_api_calls(), calls)
    done = run("gaps", tasks, *RANGE, "--api-calls", calls)
    assert done.exit_code == 0, done.stderr
    assert f"rows without account_id are assigned to {ACCOUNT}" in done.stderr
    assert "1 gap, 1 d" in done.stdout
    assert "refused: LimitExceededException" in done.stdout


def test_what_has_no_data_is_not_said_to_be_silent(aws: Callable, run: Callable):
    """Metrics that do not exist are no zeros: neither in a table of totals nor for gaps."""
    aws()
    done = run("incoming", "--since", "2027-01-01", "--until", "2027-01-02")
    assert done.exit_code == 3
    assert "0 log groups with data" in done.stdout
    assert "nothing is known of 1 log group" in done.stderr
    emulator = Emulator([task(0)], now=NOW)
    with emulator:
        url = ["--endpoint-url", emulator.url]
        done = run("gaps", *RANGE, *url, "--incoming", "aws")
    assert "1 gap, 3 d" in done.stdout
    assert "nothing came in" not in done.stderr


def test_a_file_of_cloudtrail_is_not_written_to(run: Callable, tmp_path: Path):
    """It has other records too, which would be lost."""
    trail, more = tmp_path / "trail.json", tmp_path / "more.json"
    for file in (trail, more):
        file.write_text(json.dumps({"Records": [call(0, responseElements={"taskId": "a"})]}))
    before = trail.read_bytes()
    done = run("calls", more, "-o", trail)
    assert done.exit_code == 2
    assert "is a file of CloudTrail" in done.stderr
    assert run("calls", trail, "-o", trail).exit_code == 2
    assert trail.read_bytes() == before


def test_what_was_written_is_shown_without_aws(aws: Callable, run: Callable, tmp_path: Path):
    """The files of -o are read, selected by time, place and period; AWS is not asked."""
    emulator = aws()
    file, other = tmp_path / "incoming.parquet", tmp_path / "minutes.csv"
    first = run("incoming", *RANGE, "-o", file)
    run("incoming", *RANGE, "-o", other, "--period", "5min")
    emulator.requests.clear()
    done = run("incoming", file)
    assert (done.exit_code, done.stdout) == (0, first.stdout)
    assert run("incoming", file, other).stdout == first.stdout, "other periods are not added"
    assert "24 MB" in run("incoming", file, "--since", "2026-11-12", "--until", "2026-11-13").stdout
    done = run("incoming", file, "--log-group", "/web")
    assert done.stdout.startswith("0 log groups with data")
    done = run("incoming", file, "--period", "5min")
    assert done.exit_code == 2
    assert "the files have periods of 1 h" in done.stderr
    done = run("incoming", file, "--profile", "audit")
    assert done.exit_code == 2
    assert f"--profile is for AWS; leave it out, or leave out {file}" in done.stderr
    assert not emulator.requests


def test_aws_is_asked_about_the_log_groups_of_files(
    aws: Callable, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With a SOURCE of tasks, AWS is asked with the profile, and --since is needed."""
    aws()
    tasks = tmp_path / "tasks.json"
    tasks.write_text(json.dumps({"exportTasks": [task(0)]}))
    config = tmp_path / "credentials"
    config.write_text(f"[audit]\naws_access_key_id={ACCOUNT}\naws_secret_access_key=x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = run("incoming", tasks, *RANGE, "--profile", "audit")
    assert (done.exit_code, "72 MB" in done.stdout) == (0, True), done.stderr
    done = run("incoming", tasks, "--profile", "audit")
    assert done.exit_code == 2
    assert "give --since, from when AWS is asked" in done.stderr
