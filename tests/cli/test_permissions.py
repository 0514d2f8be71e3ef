"""The table of permissions is what commands ask of AWS, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.loaders import create_loader
from worlds import rows, world

import exportstats as xs
from exportstats.aws.permissions import PERMISSIONS
from exportstats.cli.permissions import NEEDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from exportstats.emulator import Emulator

sys.path.append(str(Path(__file__).parents[2] / "docs"))
import make_docs

OTHER = "444455556666"
RANGE = "--since 7d --until 1d"  # the world of these tests ends today
# A line for each use, and the requests that its own command adds.
LINES = {
    "fetch": "fetch -o {file}",
    "archive sync": "archive sync {archive}",
    "wait": "wait {task}",
    "watch": "watch --once",
    "others without SOURCE": "status",
    "calls": "calls",
    "incoming": "incoming --since 2d",
    "deliveries": "deliveries {tasks}",
    "deliveries --streams": "deliveries {tasks} --streams",
    "archive sync --log-groups": "archive sync {archive} --log-groups",
    "--log-groups aws": f"coverage {{tasks}} --log-groups aws {RANGE}",
    "--deliveries aws": f"coverage {{tasks}} --deliveries aws {RANGE}",
    "--api-calls aws": f"coverage {{tasks}} --api-calls aws {RANGE}",
    "--incoming aws": f"coverage {{tasks}} --incoming aws {RANGE}",
    "--evidence live": f"coverage {{tasks}} --evidence live {RANGE}",
    "--all-regions": "status --all-regions",
    "--organization": "status --organization --role-name audit",
    "--targets with a role_arn": "status --targets {targets}",
}


@pytest.mark.parametrize("use", NEEDS)
def test_a_command_sends_the_requests_of_the_table(
    run: Callable[..., Result], serve: Callable[..., Emulator], tmp_path: Path, use: str
):
    """It sends those requests, those of its command, and none else."""
    tasks = [*world().tasks, {**world().tasks[0], "taskId": "of-another", "accountId": OTHER}]
    emulator = serve(tasks, **rows())
    places = {"archive": tmp_path / "archive", "file": tmp_path / "file.jsonl"}
    places |= {"tasks": tmp_path / "tasks.jsonl", "targets": tmp_path / "targets.csv"}
    xs.write_tasks(fetched := xs.fetch_tasks(), places["tasks"])
    done = fetched.query("status_code == 'COMPLETED'")["task_id"].iloc[0]
    role = f"arn:aws:iam::{OTHER}:role/audit"
    places["targets"].write_text(f"region,role_arn\neu-west-1,{role}\n", encoding="utf-8")
    emulator.requests.clear()
    result = run(*LINES[use].format(**places, task=done).split())
    assert result.exit_code in (0, 3), result.stderr
    sent = {one.operation for one in emulator.requests} - {"GetCallerIdentity"}
    command = use.partition(" --")[0]
    known = {*NEEDS[use], *NEEDS.get(command, ())}
    if "status" in LINES[use]:
        known |= {*NEEDS["others without SOURCE"]}
    if use == "deliveries --streams":
        known |= {*NEEDS["deliveries"]}
    assert sent == known


def test_actions_are_those_of_botocores_model():
    """Each request is an operation of its service, and its action has the name of both."""
    loader = create_loader()
    for request, permission in PERMISSIONS.items():
        operations = loader.load_service_model(permission.service, "service-2")["operations"]
        assert request in operations
        if request != "ListObjectsV2":  # whose action is that of the former ListObjects
            assert permission.action == f"{permission.service}:{request}"
    reading = tuple(name for name in PERMISSIONS if name.startswith(("Describe", "Get", "List")))
    assert {*PERMISSIONS} - {*reading} == {"AssumeRole", "LookupEvents"}
    assert {name for needs in NEEDS.values() for name in needs} == {*PERMISSIONS}


def test_iam_takes_each_policy(moto: str, monkeypatch: pytest.MonkeyPatch):
    """IAM accepts the policy of each use, and it has exactly the actions of its requests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    iam = boto3.client("iam", endpoint_url=moto, region_name="us-east-1")
    for number, requests in enumerate(NEEDS.values()):
        policy = make_docs._policy(requests)
        iam.create_policy(PolicyName=f"use-{number}", PolicyDocument=json.dumps(policy))
        actions = [action for one in policy["Statement"] for action in one["Action"]]
        assert sorted(actions) == sorted(PERMISSIONS[request].action for request in requests)
    iam.close()
