"""The role in each account, its StackSet and Terraform, and the file of targets."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore import xform_name
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from recipes import RECIPES, run

import exportstats as xs
from exportstats.aws.permissions import PERMISSIONS
from exportstats.cli.fleet import read_targets
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE = RECIPES / "read-role.yaml"
COLLECTOR = "arn:aws:iam::111122223333:role/exportstats-weekly-report"
GIVEN = {"Collector": COLLECTOR, "ExternalId": "acme-exports"}


def test_the_template_makes_a_role_that_reads(moto: str, aws: Callable[..., None]):
    """One role may assume it, with the external ID, and it may only read."""
    aws(moto)
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in GIVEN.items()]
    boto3.client("cloudformation").create_stack(
        StackName="read",
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Parameters=parameters,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    iam = boto3.client("iam")
    role = iam.get_role(RoleName="exportstats-read")["Role"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"AWS": COLLECTOR},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "acme-exports"}},
    }
    stored = iam.get_role_policy(RoleName="exportstats-read", PolicyName="read")["PolicyDocument"]
    policy = ast.literal_eval(stored)  # moto has it as Python writes it
    iam.create_policy(PolicyName="read", PolicyDocument=json.dumps(policy))
    actions = {}
    for statement in policy["Statement"]:
        named = statement["Action"]
        names = [named] if isinstance(named, str) else named
        actions |= dict.fromkeys(names, statement["Resource"])
    # its own account's, but for what the collector asks with its own credentials
    own = {"ListObjectsV2", "DescribeRegions", "ListAccounts", "AssumeRole"}
    wanted = {one.action: one.resource for name, one in PERMISSIONS.items() if name not in own}
    assert actions.keys() == wanted.keys()
    assert {name for name, on in actions.items() if on == "*"} == {
        name for name, on in wanted.items() if on == "*"
    }


def test_cfn_lint_finds_nothing(tmp_path: Path):
    """The template fits the schemas of CloudFormation."""
    done = run(Path(sys.executable).parent / "cfn-lint", TEMPLATE, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no Terraform here")
def test_terraform_reads_the_file(tmp_path: Path):
    """It is formatted, and passes the parameters of the template that have no default."""
    recipe = RECIPES / "stack-set.tf"
    shutil.copy(recipe, tmp_path)
    done = run("terraform", "fmt", "-check", "-diff", ".", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    text = recipe.read_text(encoding="utf-8")
    assert f"${{path.module}}/{TEMPLATE.name}" in text
    passed = re.search(r"parameters = \{\n(.*?)\}", text, re.DOTALL)[1]
    assert set(re.findall(r"(\w+) +=", passed)) == GIVEN.keys()
    declared = set(re.findall(r'variable "(\w+)"', text))
    assert declared == set(re.findall(r"\bvar\.(\w+)", text))
    assert declared == set(re.findall(r"-var (\w+)=", text))


def commands_of_the_page() -> list[list[str]]:
    """Return the words of each command of AWS's CLI on the page."""
    page = (RECIPES.parent / "platform.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.split(r"\n(?=\w)", block)]
    return [shlex.split(line.replace("\\\n", "")) for line in lines if line.startswith("aws ")]


def test_the_commands_of_the_page_fit_the_services():
    """The commands are operations of botocore's models, and their options are parameters."""
    lines = commands_of_the_page()
    assert len(lines) > 10
    for _, service, name, *words in lines:
        client = boto3.client(service.replace("s3api", "s3"), region_name="us-east-1")
        operation = client.meta.method_to_api_mapping[name.replace("-", "_")]
        shape = client.meta.service_model.operation_model(operation).input_shape
        known = {xform_name(member, "-") for member in shape.members} | {"cli-input-json"}
        known |= {"notification-endpoint"} if service == "sns" else set()  # renamed by the CLI
        options = {word.removeprefix("--") for word in words if word.startswith("--")}
        assert options <= known, name
        files = [word.removeprefix("file://") for word in words if word.startswith("file://")]
        assert all((RECIPES / file).is_file() for file in files)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("aws") is None, reason="there is no AWS CLI here")
def test_the_commands_of_the_page_are_typed_in_order(
    moto: str, aws: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """AWS's CLI and moto accept them, with the files of the recipes."""
    aws(moto)
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    iam_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
    for path in RECIPES.iterdir():
        if path.suffix in (".json", ".yaml"):
            text = path.read_text(encoding="utf-8")
            (tmp_path / path.name).write_text(text.replace("111122223333", DEFAULT_ACCOUNT_ID))
    unknown_to_moto = {"activate-organizations-access", "invoke"}  # an image is not run there
    for words in commands_of_the_page():
        if words[2] not in unknown_to_moto:
            typed = [word.replace("111122223333", DEFAULT_ACCOUNT_ID) for word in words]
            done = run(*typed, folder=tmp_path, AWS_DEFAULT_REGION="eu-west-1")
            assert done.returncode == 0, done.stderr


def test_the_targets_are_fetched(aws: Callable[..., None], tmp_path: Path):
    """Each target is asked, and each role is assumed with its external ID."""
    targets = read_targets(RECIPES / "targets.csv")
    tasks = [
        {"accountId": one.account_id, "region": one.region, "taskId": f"{one.account_id}-{number}"}
        for number, one in enumerate(targets)
    ]
    with Emulator(tasks) as emulator:
        aws(emulator.url)
        words = ("--targets", RECIPES / "targets.csv", "-o", "tasks.parquet")
        counted = run("exportstats", "fetch", *words, "--dry-run", folder=tmp_path)
        assert not emulator.requests
        done = run("exportstats", "fetch", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert counted.stdout.splitlines() == [
        "4 targets",
        "DescribeExportTasks: at least 4 requests",
        "AssumeRole: 2 requests",
    ]
    found = xs.read_tasks(tmp_path / "tasks.parquet")
    slots = [*found[["account_id", "region"]].itertuples(index=False, name=None)]
    assert sorted(slots) == sorted((one.account_id, one.region) for one in targets)
    sent = [one for one in emulator.requests if one.operation == "AssumeRole"]
    assert [one.params["ExternalId"] for one in sent] == ["acme-exports"] * 2
