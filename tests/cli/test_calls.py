"""The command calls: API calls from files and from AWS, and the file that they are added to."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from trails import ACCOUNT, REGION, ROLE, cancel, record, refused, trail

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]

RECORDS = [
    record(0),
    refused(1, requestParameters=record()["requestParameters"] | {"logGroupName": "/app/api"}),
    cancel(2, "task-0"),
    record(3, eventSource="rds.amazonaws.com", eventName="CancelExportTask"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the file of a trail."""
    path = tmp_path / "trail.json"
    path.write_text(trail(*RECORDS))
    return path


def rows_of(done: Result) -> list[dict[str, str]]:
    """Return the rows of an answer in CSV."""
    return [*csv.DictReader(io.StringIO(done.stdout))]


def test_calls_of_a_file(run: Run, file: Path) -> None:
    """The newest comes first, with who called and why it was refused."""
    done = run("calls", file)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "3 API calls, 1 refused"
    lines = [line.split() for line in done.stdout.splitlines()[4:]]
    assert [line[4] for line in lines] == ["cancel", "create", "create"]
    assert "LimitExceededException" in lines[1]
    assert "exporter" in lines[2]
    rows = rows_of(run("calls", file, "--format", "csv"))
    assert [row["event_id"] for row in rows] == ["event-2", "event-1", "event-0"]
    assert {row["principal"] for row in rows} == {ROLE}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--log-group", "/app/a*"], ["event-1"]),
        (["--since", "2026-11-23T00:00:01Z"], ["event-2", "event-1"]),
        (["--until", "2026-11-23T00:00:01Z"], ["event-0"]),
        (["--region", "eu-west-1"], []),
        (["--account", ACCOUNT], ["event-2", "event-1", "event-0"]),
    ],
)
def test_calls_are_selected(run: Run, file: Path, options: list[str], expected: list[str]) -> None:
    """Place and time select calls; if none is left, a message says so."""
    done = run("calls", file, "--format", "csv", *options)
    assert [row["event_id"] for row in rows_of(done)] == expected
    assert ("none of 3 API calls" in done.stderr) == (not expected)
    assert done.exit_code == 0


def test_calls_are_added_to_a_file(run: Run, file: Path, tmp_path: Path) -> None:
    """-o adds calls to a file, each once, because CloudTrail forgets them."""
    kept = tmp_path / "calls.csv"
    assert f"{kept}: 3 API calls" in run("calls", file, "-o", kept).stderr
    file.write_text(trail(record(9), RECORDS[0]))
    assert f"{kept}: 4 API calls" in run("calls", file, "-o", kept).stderr
    assert len(xs.read_api_calls(kept)) == 4
    kept.write_text("task_id\na\n")
    done = run("calls", file, "-o", kept)
    assert done.exit_code == 2
    assert "adding to it would lose data" in done.stderr
    assert kept.read_text() == "task_id\na\n"


def test_redacted_calls(run: Run, file: Path, tmp_path: Path) -> None:
    """--redact leaves no name, and redacted calls are not mixed with others."""
    text = run("calls", file, "--redact", "--format", "json").stdout
    for name in (ACCOUNT, "exporter", "nightly", "/app", "acme", "task-0-", "event-0", "Boto3"):
        assert name not in text, name
    assert "LimitExceededException" in text
    assert {row["principal"] for row in json.loads(text)} == {"principal-1"}
    kept = tmp_path / "calls.csv"
    kept.write_text("")
    done = run("calls", file, "--redact", "-o", kept)
    assert done.exit_code == 2
    assert "choose another file for redacted calls" in done.stderr


def live(run: Run, emulator: Emulator, *words: Any) -> Result:  # noqa: ANN401
    """Ask the emulator."""
    environment = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "made-up"}
    where = ["--region", REGION, "--endpoint-url", emulator.url]
    return run("calls", *where, *words, env=environment)


def test_calls_of_aws(run: Run) -> None:
    """Without a file, CloudTrail is asked; --since beyond its reach is refused with the way on."""
    now = dt.datetime.now(dt.UTC)
    recent = f"{now - dt.timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    with Emulator(api_calls=[record(0, eventTime=recent)]) as emulator:
        assert live(run, emulator).stdout.startswith("1 API call, 0 refused")
        assert len(rows_of(live(run, emulator, "--since", "1h", "--format", "csv"))) == 0
        assert "StartTime" in emulator.requests[-1].params
        done = live(run, emulator, "--since", "2020-01-01")
        assert done.exit_code == 2
        assert "--since 2020-01-01T00:00:00+00:00 is more than 90 days ago" in done.stderr
    with Emulator() as emulator:
        assert "CloudTrail has no such API calls" in live(run, emulator).stderr


def test_a_part_is_shown_and_marked(run: Run) -> None:
    """If the second list fails, what arrived is shown, and the exit code is 3; 1 if nothing did."""
    now = dt.datetime.now(dt.UTC)
    recent = f"{now - dt.timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    with Emulator(
        api_calls=[record(0, eventTime=recent)], faults=[Fault("deny", at=(2,))]
    ) as emulator:
        done = live(run, emulator)
        assert done.exit_code == 3
        assert "1 API call" in done.stdout
        assert "allow the action cloudtrail:LookupEvents" in done.stderr
    with Emulator(faults=[Fault("deny", operation="LookupEvents")]) as emulator:
        done = live(run, emulator)
        assert done.exit_code == 1
        assert "cloudtrail:LookupEvents" in done.stderr
