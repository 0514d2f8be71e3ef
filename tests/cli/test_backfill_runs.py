"""The commands of a plan run as they stand, and what they create closes the gaps."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import boto3

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

KEYS = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}
# Retention has taken nothing of this range by the time the sample was observed.
RANGE = ["--since", "2026-10-25", "--until", "2026-11-22"]
# Stands in for the AWS CLI: bash has read the line, and hands over what it says.
AWS = """#!/bin/bash
printf '%s\\0' "$@" >> "$CALLS"
printf '\\0' >> "$CALLS"
"""


def parse(words: list[str]) -> argparse.Namespace:
    """Read a call as the AWS CLI does; an option that it does not have is an error."""
    parser = argparse.ArgumentParser(prog="aws", allow_abbrev=False, exit_on_error=False)
    parser.add_argument("service", choices=["logs"])
    parser.add_argument("operation", choices=["create-export-task"])
    for option in ("region", "task-name", "log-group-name", "destination", "destination-prefix"):
        parser.add_argument(f"--{option}")
    for option in ("from", "to"):
        parser.add_argument(f"--{option}", type=int, required=True)
    return parser.parse_args(words)


def create(url: str, call: argparse.Namespace) -> dict[str, Any]:
    """Create the task of a call at moto, whatever has to be there for it, and read it back."""
    where = {"endpoint_url": url, "region_name": call.region, **KEYS}
    logs, s3 = boto3.client("logs", **where), boto3.client("s3", **where)
    groups = logs.describe_log_groups(logGroupNamePrefix=call.log_group_name)["logGroups"]
    if call.log_group_name not in {group["logGroupName"] for group in groups}:
        logs.create_log_group(logGroupName=call.log_group_name)
    if call.destination not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        more = {"CreateBucketConfiguration": {"LocationConstraint": call.region}}
        s3.create_bucket(Bucket=call.destination, **({} if call.region == "us-east-1" else more))
    answer = logs.create_export_task(
        taskName=call.task_name,
        logGroupName=call.log_group_name,
        fromTime=getattr(call, "from"),
        to=call.to,
        destination=call.destination,
        destinationPrefix=call.destination_prefix,
    )
    (task,) = logs.describe_export_tasks(taskId=answer["taskId"])["exportTasks"]
    return dict(task)


def test_what_the_commands_create_closes_the_gaps(
    moto: str, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All gaps of the sample, of both accounts: after the plan and the active tasks, there is none.

    moto creates the tasks, and reads them back; that they COMPLETED is said here, for it never is.
    """
    aws = tmp_path / "bin" / "aws"
    aws.parent.mkdir()
    aws.write_text(AWS)
    aws.chmod(0o755)
    monkeypatch.setenv("PATH", f"{aws.parent}:{os.environ['PATH']}")
    tasks, groups = xs.sample_tasks(), xs.sample_log_groups()
    many = 0
    for account in ("111122223333", "444455556666"):
        mine, known = tmp_path / f"{account}.parquet", tmp_path / f"{account}.json"
        xs.write_tasks(tasks[tasks["account_id"] == account], mine)
        rows = [
            {"accountId": row.account_id, "region": row.region, "logGroupName": row.log_group_name,
             "creationTime": int(row.creation_time.timestamp() * 1000)}
            for row in groups[groups["account_id"] == account].itertuples()
        ]  # fmt: skip
        known.write_text(json.dumps({"logGroups": rows}))
        question = [mine, *RANGE, "--log-groups", known]
        assert run("gaps", *question, "--check").exit_code == 4
        done = run("backfill", *question, "--never-exported", "--short-gaps")
        assert done.exit_code == 0
        calls = tmp_path / f"{account}.calls"
        subprocess.run(
            ["bash", "-euc", done.stdout], check=True, env={**os.environ, "CALLS": str(calls)}
        )
        said = [call.split("\0") for call in calls.read_text().split("\0\0") if call]
        assert len(said) == done.stdout.count("aws logs create-export-task")
        created = []
        for words in said:
            call = parse(words)
            task = create(moto, call) | {"accountId": account, "region": call.region}
            created.append({**task, "status": {"code": "COMPLETED"}})
        new = tmp_path / f"{account}-new.json"
        new.write_text(json.dumps({"exportTasks": created}, default=str))
        ended = tasks[(tasks["account_id"] == account)]
        active = ~ended["status_code"].isin(["COMPLETED", "FAILED", "CANCELLED"])
        ended = ended.assign(status_code=ended["status_code"].mask(active, "COMPLETED"))
        xs.write_tasks(xs.conform(ended), mine)
        again = run("gaps", mine, new, *question[1:], "--check")
        assert again.exit_code == 0, again.stdout
        assert again.stdout.startswith("no gaps, 2026-10-25 to 2026-11-22 UTC")
        many += len(created)
    assert many > 80
