"""`gaps`, `coverage` and `deliveries` on AWS, emulated."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from exported import night
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set synthetic credentials."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.usefixtures("credentials")
def test_log_groups_are_asked_for(run: Callable, moto: str):
    """`--log-groups aws` uses the account and region of the tasks; here all is a gap."""
    logs: Any = boto3.client("logs", endpoint_url=moto, region_name="us-east-1", **KEYS)
    logs.create_log_group(logGroupName="/made/up")
    done = run("gaps", "--endpoint-url", moto, "--since", "2020-01-01", "--until", "2020-01-02",
               "--log-groups", "aws", "--check")  # fmt: skip
    assert done.exit_code == 0, "it did not exist then"
    done = run("gaps", "--endpoint-url", moto, "--since", "1d", "--until", "2100-01-01",
               "--log-groups", "aws", "--check")  # fmt: skip
    assert done.exit_code == 4
    assert "/made/up" in done.stdout


@pytest.mark.usefixtures("credentials")
def test_deliveries_shows_what_is_not_there(run: Callable, moto: str, tasks_file: Path):
    """Counts for all COMPLETED tasks, rows for those that delivered nothing; csv has all."""
    s3: Any = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **KEYS)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="exportedlogs/aws-logs-write-test", Body=b"x")
    s3.put_object(Bucket="bucket", Key="exportedlogs/task-0/s/000000.gz", Body=b"x" * 60)
    words = ["deliveries", tasks_file, "--s3-endpoint-url", moto]
    done = run(*words)
    assert done.exit_code == 0
    assert done.stdout.startswith("3 COMPLETED tasks looked up in S3, 1 delivered, 2 empty\n")
    assert "task-2" in done.stdout
    assert "task-0" not in done.stdout
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").stdout)))
    assert {row["task_id"]: row["delivered"] for row in rows} == {
        "task-0": "yes",
        "task-2": "empty",
        "task-3": "empty",
    }
    assert float(rows[0]["throughput"]) == 1.0


@pytest.mark.usefixtures("credentials")
def test_a_file_can_have_its_log_groups_asked_for(run: Callable, moto: str, tasks_file: Path):
    """With a file of tasks, AWS options apply to log groups; a missing file fails first."""
    logs: Any = boto3.client("logs", endpoint_url=moto, region_name="us-west-2", **KEYS)
    logs.create_log_group(logGroupName="/west")
    where = ["--log-groups", "aws", "--region", "us-west-2", "--endpoint-url", moto]
    done = run("coverage", tasks_file, "--since", "1d", "--until", "2100-01-01", *where)
    assert done.exit_code == 0, done.stderr
    assert "/west" in done.stdout
    done = run("coverage", tasks_file.with_name("none.json"), *where[:4])
    assert (done.exit_code, "there is no file" in done.stderr) == (2, True)


def test_targets_are_found_once(run: Callable, moto: str, monkeypatch: pytest.MonkeyPatch):
    """Targets are found once, even if tasks and log groups are fetched."""
    found: list[Any] = []

    def find(**given: Any) -> list[xs.Target]:  # noqa: ANN401 - what click parsed
        found.append(given)
        return [xs.Target("123456789012", region) for region in ("us-east-1", "us-west-1")]

    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setattr("exportstats.cli.source.fetch_targets", find)
    words = ["--all-regions", "--endpoint-url", moto, "--log-groups", "aws"]
    assert run("gaps", *words, "--since", "2020-01-01", "--until", "2020-01-02").exit_code == 0
    assert len(found) == 1


def test_failed_targets_are_named_without_log_groups(
    run: Callable, moto: str, monkeypatch: pytest.MonkeyPatch
):
    """If no log group arrives, each target has its reason and remedy, and the command fails."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    regions = ("us-east-1", "us-west-1")
    targets = [xs.Target("123456789012", region) for region in regions]
    monkeypatch.setattr("exportstats.cli.source.fetch_targets", lambda **_: targets)
    fail = xs.LoadError(
        "all failed",
        tasks=xs.sample_tasks().head(0),
        failures=pd.DataFrame(
            {"account_id": "1", "region": regions, "profile": None, "role_arn": None,
             "reason": "AccessDenied: no", "remedy": "allow it", "arrived": 0}
        ),
    )  # fmt: skip

    def deny(*_: Any, **__: Any) -> None:  # noqa: ANN401 - as there
        raise fail

    monkeypatch.setattr("exportstats.fetch_log_groups", deny)
    words = ["--all-regions", "--endpoint-url", moto, "--log-groups", "aws"]
    done = run("gaps", *words, "--since", "2020-01-01", "--until", "2020-01-02")
    assert done.exit_code == 1
    assert "allow it" in done.stderr
    assert "us-west-1" in done.stderr


def test_ctrl_c_shows_what_deliveries_found(
    run: Callable, moto: str, tasks_file: Path, monkeypatch: pytest.MonkeyPatch
):
    """After Ctrl-C, the results so far are shown, the rest is unknown, and the exit code is 3."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)

    def interrupt(*_: Any, **__: Any) -> None:  # noqa: ANN401 - as there
        raise KeyboardInterrupt

    monkeypatch.setattr("exportstats.aws.deliveries._watch", interrupt)
    done = run("deliveries", tasks_file, "--s3-endpoint-url", moto, "--format", "csv")
    assert done.exit_code == 3
    assert len(done.stdout.splitlines()) == 4
    assert "stopped by the user" in done.stderr


@pytest.mark.usefixtures("credentials")
def test_deliveries_fits_80_columns(run: Callable, moto: str, tmp_path: Path):
    """The table fits 80 columns, with IDs as in AWS and with a very long prefix."""
    s3: Any = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **KEYS)
    s3.create_bucket(Bucket="bucket")
    for prefix in ("exportedlogs", "x" * 900):
        task = night(0, taskId="6a151be9-0dbe-4dd6-ab06-d1f3dd0df17c", destinationPrefix=prefix)
        file = tmp_path / "u.json"
        file.write_text(json.dumps({"exportTasks": [task]}))
        words = ["deliveries", file, "--s3-endpoint-url", moto]
        shown = run(*words, env=AS_TERMINAL).stdout
        lines = SGR.sub("", shown).splitlines()
        assert lines[0].startswith("1 COMPLETED task looked up")
        assert max(map(cell_len, lines)) <= 80
