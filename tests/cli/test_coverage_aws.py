"""The coverage commands against moto, and the commands of a plan, run unchanged."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from covered import (
    ACCOUNT,
    DAY,
    DAY_OF_ALL,
    EVIL,
    HOUR,
    LOG_GROUPS,
    MINUTE,
    RANGE,
    REGION,
    Row,
    iso,
    ms,
    sample_rows,
    task,
)
from support import ACTIVE

from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Read the sample's tasks."""
    return sample_rows()


# AWS's own command, as far as a backfill needs it: it takes these options and no others.
AWS = """\
#!{python} -IS
import argparse, json, os, socket, sys
parser = argparse.ArgumentParser(prog="aws", allow_abbrev=False)
parser.add_argument("service", choices=["logs"])
parser.add_argument("operation", choices=["create-export-task"])
for name in ("region", "task-name", "log-group-name", "destination", "destination-prefix",
             "cli-input-json"):
    parser.add_argument("--" + name)
for name in ("from", "to"):
    parser.add_argument("--" + name, type=int)
given = vars(parser.parse_args())
given["account"] = os.environ["AWS_ACCESS_KEY_ID"]
with socket.create_connection(("127.0.0.1", {port})) as line:
    line.sendall(json.dumps(given).encode() + b"\\n")
    said = line.makefile().read()
sys.exit(said or None)
"""
NAMES = {
    "task_name": "taskName",
    "log_group_name": "logGroupName",
    "from": "fromTime",
    "to": "to",
    "destination": "destination",
    "destination_prefix": "destinationPrefix",
}


class Cloud:
    """Clients of moto's server, of any account and region."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[tuple[str, ...], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, account: str, region: str) -> Any:  # noqa: ANN401 - boto3's
        """Return a client whose requests moto assigns to the account."""
        key = service, account, region
        with self._lock:
            if key not in self._clients:
                client = boto3.client(
                    service,
                    region_name=region,
                    endpoint_url=self.url,
                    aws_access_key_id="made-up",
                    aws_secret_access_key="made-up",
                )
                client.meta.events.register(
                    "before-sign.*.*",
                    lambda request, **_: request.headers.add_header("x-moto-account-id", account),
                )
                self._clients[key] = client
            return self._clients[key]

    def create(self, account: str, region: str, name: str, bucket: str) -> None:
        """Create a log group, and a bucket if there is none yet."""
        self.client("logs", account, region).create_log_group(logGroupName=name)
        s3 = self.client("s3", account, "us-east-1")
        if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=bucket)

    def tasks(self, account: str, region: str) -> list[Row]:
        """Return the export tasks of an account and region."""
        return self.client("logs", account, region).describe_export_tasks()["exportTasks"]


@pytest.fixture
def cloud(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Put a command `aws` on PATH, whose calls boto3 makes of moto's server."""
    made = Cloud(moto)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            given = json.loads(self.rfile.readline())
            whole = json.loads(given["cli_input_json"] or "{}")
            if "from" in whole:  # the API's own name, which boto3 has another for
                whole["fromTime"] = whole.pop("from")
            request = whole | {
                key: given[name] for name, key in NAMES.items() if given[name] is not None
            }
            try:
                logs = made.client("logs", given["account"], given["region"])
                logs.create_export_task(**request)
            except Exception as error:  # noqa: BLE001 - whatever it is, the command tells it
                self.wfile.write(repr(error).encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = tmp_path / "bin"
        folder.mkdir()
        script = AWS.format(python=sys.executable, port=server.server_address[1])
        (folder / "aws").write_text(script)
        (folder / "aws").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield made
        server.shutdown()


def run_in_bash(commands: Iterable[str], account: str, folder: Path) -> None:
    """Run commands unchanged, with the credentials of an account; each must succeed."""
    script = "set -e\n" + "".join(f"{command}\n" for command in commands)
    done = subprocess.run(
        ["bash"],
        input=script,
        text=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "AWS_ACCESS_KEY_ID": account},
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def plan_of(run: Callable[..., Result], *words: object) -> tuple[list[str], list[Row]]:
    """Return the commands of a backfill, and the same as boto3 calls."""
    commands = run("backfill", *words).stdout.splitlines()
    calls = [
        json.loads(line) for line in run("backfill", *words, "--format", "json").stdout.splitlines()
    ]
    assert len(commands) == len(calls) > 0
    return commands, calls


def test_the_printed_commands_close_the_gaps(
    rows: list[Row], run: Callable, cloud: Cloud, tmp_path: Path
):
    """After the commands are run, only lost gaps remain."""
    sample = tmp_path / "sample.jsonl"
    sample.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    more = ["--log-groups", LOG_GROUPS, "--since", "2026-10-23", "--until", "2026-11-22"]
    assert run("gaps", sample, *more, "--check").exit_code == 4

    commands, calls = plan_of(run, sample, *more, "--never-exported", "--short-gaps")
    slots = sorted({(call["accountId"], call["region"]) for call in calls})
    for known in json.loads(LOG_GROUPS.read_text()):
        logs = cloud.client("logs", known["accountId"], known["region"])
        logs.create_log_group(logGroupName=known["logGroupName"])
    for account, bucket in sorted({(c["accountId"], c["request"]["destination"]) for c in calls}):
        cloud.client("s3", account, "us-east-1").create_bucket(Bucket=bucket)
    of_slot: dict[tuple[str, str], list[str]] = defaultdict(list)
    for command, call in zip(commands, calls, strict=True):
        of_slot[call["accountId"], call["region"]].append(command)
    with ThreadPoolExecutor() as pool:  # slots run side by side
        list(pool.map(lambda slot: run_in_bash(of_slot[slot], slot[0], tmp_path), slots))

    later = max(row["observedAt"] for row in rows) + DAY
    created = [
        {
            **made,
            "accountId": account,
            "region": region,
            "status": {"code": "COMPLETED"},
            "executionInfo": {"creationTime": later - HOUR, "completionTime": later - MINUTE},
            "observedAt": later,
        }
        for account, region in slots
        for made in cloud.tasks(account, region)
    ]
    assert len(created) == len(commands)
    ended = [
        {
            **row,
            "status": {"code": "COMPLETED"},
            "executionInfo": {**row["executionInfo"], "completionTime": later - MINUTE},
            "observedAt": later,
        }
        for row in rows
        if row["status"]["code"] in ACTIVE
    ]
    assert len(ended) == 3
    new = tmp_path / "new.json"
    new.write_text(json.dumps({"exportTasks": created + ended}))

    done = run("gaps", sample, new, *more, "--check", "--format", "json")
    assert {row["reason"] for row in json.loads(done.stdout)} == {"lost"}
    assert done.exit_code == 4
    assert run("backfill", sample, new, *more).stdout == ""
    # with a range of which nothing is lost, nothing is left
    more[more.index("2026-10-23")] = "2026-10-25"
    done = run("gaps", sample, new, *more, "--check")
    assert done.stdout == "no gaps, 2026-10-25 to 2026-11-22 UTC\n"
    assert done.exit_code == 0


def test_hostile_names_reach_aws_as_they_are(
    run: Callable, page: Callable, cloud: Cloud, tmp_path: Path
):
    """A shell executes nothing in a name, and the log group of that name is exported."""
    short = [name for name in EVIL if len(name) <= 512]
    for name in short:
        cloud.create(ACCOUNT, REGION, name, "acme-logs")
    tasks = [
        task(f"{n}", 0, 12, logGroupName=name, destinationPrefix=name)
        for n, name in enumerate(short)
    ]
    commands, _ = plan_of(run, page(*tasks), *RANGE)
    assert len(commands) == len(short)
    folder = tmp_path / "empty"
    folder.mkdir()
    run_in_bash(commands, ACCOUNT, folder)
    found = cloud.tasks(ACCOUNT, REGION)
    assert sorted(made["logGroupName"] for made in found) == sorted(short)
    assert all(made["destinationPrefix"] == made["logGroupName"] for made in found)
    assert {made["from"] for made in found} == {ms("2026-11-01T12:00")}
    assert {made["to"] for made in found} == {ms("2026-11-02") - 1}
    assert not list(folder.iterdir())


def test_log_groups_and_tasks_of_aws(run: Callable, cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    """`--log-groups aws` uses the same account and region as for the tasks."""
    own = "123456789012"
    for name in ("/tried", "/never"):
        cloud.create(own, REGION, name, "acme-logs")
    logs = cloud.client("logs", own, REGION)
    logs.put_retention_policy(logGroupName="/never", retentionInDays=7)
    (created,) = (
        found["creationTime"]
        for found in logs.describe_log_groups()["logGroups"]
        if found["logGroupName"] == "/never"
    )
    first, last = created - HOUR, created + 10 * DAY - 1
    call = {"fromTime": first, "to": last, "destination": "acme-logs"}
    logs.create_export_task(logGroupName="/tried", taskName="a", destinationPrefix="p", **call)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    more = ["--region", REGION, "--endpoint-url", cloud.url, "--log-groups", "aws"]
    more += ["--since", iso(first), "--until", iso(created + 30 * DAY)]
    done = run("gaps", *more, "--format", "json", "--check")
    assert (done.exit_code, done.stderr) == (4, "")
    found = json.loads(done.stdout)
    assert [(row["log_group_name"], row["reason"]) for row in found] == [
        ("/never", "never_tried"),
        ("/tried", "never_tried"),
    ]
    assert found[0]["account_id"] == own
    assert found[0]["start"] == iso(created), "before its creation there is no gap"
    assert found[0]["expires_at"] == iso(created + 7 * DAY)
    rows = json.loads(run("coverage", *more, "--format", "json").stdout)
    # moto's tasks are COMPLETED at once; this one covers ten of thirty days
    assert rows[0] | {"covered_at_most": 0, "gaps": 1} == rows[0]
    assert rows[1]["covered_until"] == found[1]["start"] == iso(last + 1)
    assert rows[1]["missing_seconds"] == 20 * DAY / 1000
    planned = run("backfill", *more, "--never-exported", "--destination", "acme-logs")
    assert planned.stdout == "", "all of it is in the future"


def test_log_groups_of_aws_beside_tasks_of_a_file(
    run: Callable, page: Callable, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
):
    """With a SOURCE, the environment decides where `--log-groups aws` asks."""
    own = "123456789012"
    cloud.create(own, REGION, "/never", "acme-logs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    done = run(
        *("gaps", page(*DAY_OF_ALL), "--log-groups", "aws", "--since", "2026-11-01"),
        *("--until", "2099-01-01", "--format", "json"),
    )
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert {row["log_group_name"] for row in found} == {"/app", "/whole", "/never"}
    assert {row["account_id"] for row in found if row["log_group_name"] == "/never"} == {own}


def test_log_groups_that_aws_does_not_tell_are_an_error(
    run: Callable, serve: Callable, made: Callable
):
    """If AWS denies only the log groups, the command exits with 1 and prints no table."""
    serve(made(2), faults=[Fault("deny", operation="DescribeLogGroups")])
    done = run("gaps", *RANGE, "--log-groups", "aws")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
