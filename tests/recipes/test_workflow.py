"""The GitHub workflow and the IAM policy; they ask for no more permissions than they need."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.loaders import create_loader
from click.testing import CliRunner
from recipes import PAGE, RECIPES, fill_logs, run

import exportstats as xs
from exportstats.aws.permissions import PERMISSIONS
from exportstats.cli import main
from exportstats.cli.permissions import NEEDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORGANISATION = ("archive sync", "archive sync --log-groups", "--organization", "--all-regions")


def test_the_workflow_asks_for_no_more_than_it_needs(workflow: dict[str, Any]):
    """It runs weekly and by hand, with minimal permissions and without a secret."""
    assert workflow["on"] == {"schedule": [{"cron": "0 6 * * 1"}], "workflow_dispatch": None}
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    steps = workflow["jobs"]["report"]["steps"]
    uses = [step["uses"].partition("@") for step in steps if "uses" in step]
    assert all(re.fullmatch("[0-9a-f]{40}", commit) for _, _, commit in uses)
    assert [name for name, _, _ in uses] == [
        "actions/checkout",
        "aws-actions/configure-aws-credentials",
        "actions/setup-python",
        "actions/upload-artifact",
    ]
    for step in steps:
        assert "${{" not in step.get("run", "")  # no expression is inserted into a script
        assert step.get("if", "").count("${{") <= 1
    assert "secrets." not in (RECIPES / "github-actions.yml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_the_steps_of_the_workflow_run(
    workflow: dict[str, Any], moto: str, aws: Callable[..., None], tmp_path: Path, *, damaged: bool
):
    """The steps run as on GitHub, against moto, except that of pip; also with a damaged archive."""
    aws(moto)
    fill_logs(moto)
    archive = workflow["env"]["REPORT_ARCHIVE"]
    if damaged:
        xs.Archive(archive).sync()
        bucket, _, prefix = archive.removeprefix("s3://").partition("/")
        entry = f"{prefix}/tasks/_delta_log/00000000000000000000.json"
        boto3.client("s3").put_object(Bucket=bucket, Key=entry, Body=b"damaged")
    copies = tmp_path / ".github" / "exportstats"
    copies.mkdir(parents=True)
    for name in ("weekly-report.sh", "alert.py", "send_with_ses.py"):
        assert name in (RECIPES / "github-actions.yml").read_text(encoding="utf-8")
        shutil.copy(RECIPES / name, copies)
    job = workflow["jobs"]["report"]
    summary = tmp_path / "summary.md"
    elsewhere = []
    for step in job["steps"]:
        if "run" not in step:
            continue
        if step["run"].startswith("pip "):
            elsewhere.append(step["run"])
            continue
        script = tmp_path / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = run(
            "bash",
            *("--noprofile", "--norc", "-eo", "pipefail", script),
            folder=tmp_path,
            GITHUB_STEP_SUMMARY=str(summary),
            **workflow["env"],
        )
        wanted = 3 if damaged and "weekly-report.sh" in step["run"] else 0
        assert done.returncode == wanted, done.stderr
    [install] = elsewhere
    assert "--require-hashes" in install
    if not damaged:
        assert len(xs.read_tasks(archive)) == 1
    upload = job["steps"][-1]["with"]["path"]
    written = {path.suffix for path in (tmp_path / upload).iterdir()}
    assert written == {".html", ".md", ".eml", ".json", ""}
    assert summary.read_text(encoding="utf-8").startswith("# Export tasks, week ")


def test_the_commands_of_the_page_are_the_command_s():
    """Each `exportstats` command of the page is valid."""
    texts = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [
        line
        for text in texts
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("exportstats ")
    ]
    assert len(lines) > 2
    for line in lines:
        _, *words = shlex.split(line)
        done = CliRunner().invoke(main, [*words, "--help"], prog_name="exportstats")
        assert done.exit_code == 0, done.output
        options = [word for word in words if word.startswith("--")]
        assert all(option.partition("=")[0] in done.output for option in options), line


def test_the_policy_allows_what_is_asked_and_no_more(moto: str, aws: Callable[..., None]):
    """IAM accepts it, its actions exist, and none creates, cancels or deletes."""
    aws(moto)
    text = (RECIPES / "iam-policy.json").read_text(encoding="utf-8")
    boto3.client("iam").create_policy(PolicyName="weekly", PolicyDocument=text)
    actions = {
        action
        for statement in json.loads(text)["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert actions == {
        "ec2:DescribeRegions",
        "logs:DescribeExportTasks",
        "logs:DescribeLogGroups",
        "organizations:ListAccounts",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "ses:SendEmail",
        "ses:SendRawEmail",
        "sns:Publish",
        "sts:AssumeRole",
    }
    loader = create_loader()
    for service, name in (action.split(":") for action in actions - {"s3:ListBucket"}):
        assert name in loader.load_service_model(service, "service-2")["operations"]
    anywhere = [s["Sid"] for s in json.loads(text)["Statement"] if s["Resource"] == "*"]
    # these actions have no narrower resource
    assert anywhere == ["ReadTasksAndLogGroups", "FindAccountsAndRegions"]
    assert not re.search(r"\*\"", text.replace('"Resource": "*"', "").replace("exportstats/*", ""))
    wanted = {PERMISSIONS[name].action for use in ORGANISATION for name in NEEDS[use]}
    assert wanted <= actions
