"""The first command of the worst week's report can be run unchanged, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from covered import LOG_GROUPS
from one_slot import KEYS, Slot, commands
from support import DAY, ms

import exportstats as xs
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WEEK, AS_OF = "2026-W24", pd.Timestamp("2026-06-15T00:00Z").as_unit("ms")
ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "us-east-1"
GROUP = "/aws/apigateway/acme-edge"
# What retention takes on 2026-06-23, before the report of the week after would tell of it.
DAYS = Counter({ms(f"2026-06-{day:02}T00:00Z"): 1 for day in range(9, 13)})


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run words in a shell, in a folder of tasks, with replacements for `aws` and `exportstats`."""
    stubs = tmp_path / "bin"

    def call(words: str, *, true: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
        folder = str(Path(sys.executable).parent if true else stubs)
        path = os.pathsep.join([folder, "/usr/bin", "/bin"])
        return subprocess.run(
            ["sh", "-c", words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **more, "PATH": path},
            timeout=300,
        )

    with commands(stubs):
        yield call


@pytest.fixture
def written(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the tasks known at the end of the week, and return the report as text."""
    monkeypatch.chdir(tmp_path)
    known = known_at(xs.sample_tasks(), AS_OF)
    xs.write_tasks(xs.conform(known.assign(observed_at=AS_OF)), "tasks.parquet")
    Path("groups.json").write_bytes(LOG_GROUPS.read_bytes())
    words = ("tasks.parquet", "--log-groups", "groups.json", "--json", "report.json")
    done = run("report", *words)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"Export tasks, week {WEEK}\n")
    return str(done.stdout)


def first_command(text: str) -> str:
    """Return the first command of a report with its continuation lines."""
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("    exportstats backfill"))
    end = next(n for n in range(at, len(lines)) if not lines[n].endswith("\\"))
    return "\n".join(lines[at : end + 1])


def test_what_was_about_to_be_lost_is_exported_once(
    written: str, shell: Callable, moto: str, monkeypatch: pytest.MonkeyPatch
):
    """It exports in the right account, and a second run exports nothing."""
    command = first_command(written)
    made = shell(f"{command} --script backfill.sh", true=True)
    assert made.returncode == 0, made.stderr
    assert "exportstats: to run it: sh backfill.sh\n" in made.stderr
    assert [line.split()[:3] for line in made.stdout.splitlines()[1:]] == [[ACCOUNT, REGION, "4"]]

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    planned = shell(f"{command} --format json", true=True).stdout.splitlines()
    places = {ask["logGroupName"]: ask["destination"] for ask in map(request_of, planned)}
    mine, other = credentials_of(ACCOUNT), credentials_of(OTHER)
    for keys in (mine, other):
        logs = client("logs", keys)
        for group in places:
            logs.create_log_group(logGroupName=group)
    for bucket in places.values():
        client("s3", mine).create_bucket(Bucket=bucket)
    Slot(monkeypatch)

    wrong = shell("sh backfill.sh", **other)
    assert wrong.returncode == 1
    assert f"the credentials are for account {OTHER}, not {ACCOUNT}" in wrong.stderr
    for _ in range(2):
        done = shell("sh backfill.sh", **mine)
        assert done.returncode == 0, done.stderr
        tasks = client("logs", mine).describe_export_tasks()["exportTasks"]
        assert Counter(task["from"] for task in tasks) == DAYS
    assert {task["logGroupName"] for task in tasks} == {GROUP}
    assert {task["to"] - task["from"] + 1 for task in tasks} == {DAY}
    assert {task["status"]["code"] for task in tasks} == {"COMPLETED"}
    assert done.stderr.count(": exported already\n") == 4
    assert not client("logs", other).describe_export_tasks()["exportTasks"]


def request_of(line: str) -> dict[str, Any]:
    """Return the request in a line of `--format json`."""
    return dict(json.loads(line)["request"])


def credentials_of(account: str) -> dict[str, str]:
    """Return the credentials of an assumed role at moto."""
    role = f"arn:aws:iam::{account}:role/exporter"
    answer = client("sts", {}).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    names = {"ACCESS_KEY_ID": "AccessKeyId", "SECRET_ACCESS_KEY": "SecretAccessKey"}
    names["SESSION_TOKEN"] = "SessionToken"
    return {f"AWS_{name}": answer[key] for name, key in names.items()}


def client(service: str, keys: dict[str, str]) -> Any:  # noqa: ANN401 - of boto3
    """Return a client, by default with any credentials."""
    known = {name.lower(): value for name, value in keys.items()} or KEYS
    return boto3.client(service, region_name=REGION, **known)
