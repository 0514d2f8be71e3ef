"""The recipes of the weekly report run, and ask for no more permissions than they need."""

from __future__ import annotations

import email
import email.policy
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
import yaml
from botocore.loaders import create_loader
from click.testing import CliRunner
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from support import forget_environment

import exportstats as xs
from exportstats.cli import main
from exportstats.emulator import Emulator, Fault, rebase
from exportstats.io.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "docs" / "recipes"
PAGE = (ROOT / "docs" / "weekly_report.md").read_text(encoding="utf-8")
SCRIPT = RECIPES / "weekly-report.sh"
SAMPLE_LOG_GROUPS = ROOT / "data" / "sample" / "log_groups.json"
ACCOUNT, REGION = "111122223333", "us-east-1"
WEEK = "2026-W24"  # in which an outage was planted in that account and region


# --- What the recipes run against ----------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Remove this machine's environment; return a function that uses emulators as AWS."""
    forget_environment(monkeypatch, "REPORT_", "MAIL_")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path)))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    commands = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")

    def point(url: str, service: str = "") -> None:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL{service}", url)

    return point


def run(*words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def load(path: Path) -> Any:  # noqa: ANN401 - a module
    """Import a recipe, which is not in a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parts(raw: bytes | str) -> dict[str, bytes]:
    """Return the contents of a mail by content type, and by name if there is one."""
    if isinstance(raw, str):
        raw = raw.encode()
    letter = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert not letter.defects
    return {
        part.get("Content-ID", part.get_content_type()): part.get_payload(decode=True)
        for part in letter.walk()
        if not part.is_multipart()
    }


def sent(region: str = REGION) -> list[Any]:
    """Return the mails that moto's SES got; its access keys are all of one account."""
    return ses_backends[DEFAULT_ACCOUNT_ID][region].sent_messages


@pytest.fixture
def slot() -> pd.DataFrame:
    """Return the sample's tasks of one account and region, created before the end of June."""
    return xs.sample_tasks().query(
        "account_id == @ACCOUNT and region == @REGION and creation_time < '2026-07-01T00:00Z'"
    )


# --- cron, and the container ---------------------------------------------------------------------


def test_the_script_is_one_that_bash_reads(tmp_path: Path):
    """It is an executable bash script, and bash finds no syntax error."""
    assert SCRIPT.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    assert os.access(SCRIPT, os.X_OK)
    done = run("bash", "-n", SCRIPT, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_script_fetches_reports_keeps_and_sends(
    slot: pd.DataFrame, aws: Callable[..., None], moto: str, tmp_path: Path
):
    """It reports on what it fetched and kept, and sends the mail.

    The files are what the package makes of the same tasks, byte for byte.
    """
    kept = xs.Archive(tmp_path / "kept" / "history")
    kept.add(slot[slot["creation_time"] < "2026-06-10T00:00Z"].reset_index(drop=True))
    new = slot[slot["creation_time"] >= "2026-06-08T00:00Z"]
    aws(moto, "_SESV2")
    boto3.client("sesv2", endpoint_url=moto).create_email_identity(EmailIdentity="example.com")
    with Emulator(to_json(new)) as emulator:
        aws(emulator.url)
        asked = {
            "REPORT_WEEK": WEEK,
            "REPORT_LOG_GROUPS": str(SAMPLE_LOG_GROUPS),
            "MAIL_FROM": "reports@example.com",
            "MAIL_TO": "oncall@example.com lead@example.com",
        }
        done = run(SCRIPT, "kept", folder=tmp_path, **asked)
    assert done.returncode == 4, done.stderr  # the outage
    assert len(kept.tasks()) == len(slot)
    reports = tmp_path / "kept" / "reports"
    written = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    (message,) = sent()

    expected = xs.build_weekly_report(
        slot,
        week=WEEK,
        log_groups=xs.read_log_groups(str(SAMPLE_LOG_GROUPS)),
        source=["kept/history", f"--log-groups={SAMPLE_LOG_GROUPS}"],
    )
    assert [f.kind for f in expected.findings if f.severity == "critical"]
    assert written[reports / f"{WEEK}.json"].decode() == expected.to_json()
    assert written[reports / f"{WEEK}.html"].decode() == expected.to_html(csv=WEEK)
    assert written[reports / f"{WEEK}.md"].decode() == expected.to_markdown()
    assert {path.parent.name for path in written} == {"reports", WEEK}
    assert expected.headline in done.stdout  # what cron mails

    assert {*message.destinations} == {"oncall@example.com", "lead@example.com"}
    mailed = written[reports / f"{WEEK}.eml"]
    assert mailed == expected.to_email()
    assert parts(message.raw_data) == parts(mailed)


@pytest.mark.slow
def test_the_script_names_the_week_itself(aws: Callable[..., None], tmp_path: Path):
    """Without a week, it reports on the last complete one in the time zone.

    It fetches the log groups from AWS, too.
    """
    recorded = xs.sample_tasks().query(
        "account_id == @ACCOUNT and region == @REGION and creation_time >= '2026-08-01T00:00Z'"
    )
    log_groups = json.loads(SAMPLE_LOG_GROUPS.read_text(encoding="utf-8"))
    tasks, log_groups = rebase(to_json(recorded), log_groups, now=datetime.now(UTC))
    with Emulator(tasks, log_groups=log_groups) as emulator:
        aws(emulator.url)
        done = run(SCRIPT, folder=tmp_path, REPORT_TZ="Pacific/Auckland")
    assert done.returncode in {0, 4}, done.stderr
    (written,) = (tmp_path / "exportstats-reports" / "reports").glob("*.json")
    answer = json.loads(written.read_text(encoding="utf-8"))
    assert answer["name"] == f"week {written.stem}"
    end = datetime.fromisoformat(answer["end"])
    assert timedelta(0) <= datetime.now(UTC) - end < timedelta(days=7, minutes=5)
    figures = {row["measure"]: row["current"] for row in answer["figures"]}
    assert figures["tasks"] > 15
    assert figures["covered"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("page", "code"), [(1, 1), (3, 3)])
def test_the_script_tells_what_went_wrong(
    page: int, code: int, slot: pd.DataFrame, aws: Callable[..., None], tmp_path: Path
):
    """Without tasks, it writes no report; it uses partial data and exits with their code."""
    groups = tmp_path / "none.json"
    groups.write_text('{"logGroups": []}', encoding="utf-8")
    quiet = slot[slot["status_code"] == "COMPLETED"]
    with Emulator(to_json(quiet), faults=[Fault("deny", at=(page,))]) as emulator:
        aws(emulator.url)
        done = run(
            SCRIPT, "kept", folder=tmp_path, REPORT_LOG_GROUPS=str(groups), REPORT_WEEK="2025-W10"
        )
    assert done.returncode == code, done.stderr
    written = list((tmp_path / "kept" / "reports").glob("*.html"))
    assert len(written) == (code == 3)


def test_the_crontab_is_one():
    """Each line is a comment, a variable or a job; the job runs the script on Mondays."""
    lines = (RECIPES / "crontab").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    *variables, job = lines
    assert all(re.fullmatch(r"[A-Z_]+=\S+", line) for line in variables)
    minute, hour, *rest, command = job.split(maxsplit=5)
    assert (minute, hour, rest) == ("0", "6", ["*", "*", "1"])
    assert shlex.split(command)[0] == SCRIPT.name
    assert "%" not in command  # which cron takes for the end of a line


def test_the_container_has_what_it_starts():
    """Each image copies what it starts from this folder, and does not run as root."""
    text = (RECIPES / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    stages: dict[str, dict[str, str]] = {}
    for instruction, words in lines:
        if instruction == "FROM":
            source, _, name = words.split()
            assert source in {"python:3.12-slim", *stages}
            stages[name] = {}
        stages[name][instruction] = words
    assert list(stages) == ["base", "lambda", "weekly"]
    for name, starts in (("lambda", "lambda_handler.py"), ("weekly", SCRIPT.name)):
        stage = stages[name]
        *copied, _ = stage["COPY"].split()
        assert starts in copied
        assert all((RECIPES / file).is_file() for file in copied)
        assert stage["USER"] == "reporter"
        assert "--uid 10001 " in stages["base"]["RUN"]
        assert stages["base"]["RUN"].endswith(" reporter")
    assert "the user 10001" in " ".join(PAGE.split())
    assert json.loads(stages["weekly"]["ENTRYPOINT"]) == [SCRIPT.name]
    (handler,) = json.loads(stages["lambda"]["CMD"])
    assert handler == "lambda_handler.handler"
    # the script looks for the other file in its own folder
    assert "send_with_ses.py" in stages["weekly"]["COPY"]


def test_ecs_and_the_scheduler_take_what_is_given_them(moto: str, aws: Callable[..., None]):
    """The task and its schedule fit the services' models and each other."""
    aws(moto)
    definition, schedule = (
        json.loads((RECIPES / name).read_text(encoding="utf-8"))
        for name in ("ecs-task.json", "schedule.json")
    )
    made = boto3.client("ecs").register_task_definition(**definition)["taskDefinition"]
    assert made["family"] == definition["family"]
    target = schedule["Target"]["EcsParameters"]["TaskDefinitionArn"]
    assert target.rpartition("/")[2] == made["family"]
    boto3.client("scheduler").create_schedule(**schedule)
    (container,) = definition["containerDefinitions"]
    (mount,) = container["mountPoints"]
    assert mount["containerPath"] in (RECIPES / "Dockerfile").read_text(encoding="utf-8")
    script = SCRIPT.read_text(encoding="utf-8")
    for variable in container["environment"]:
        assert variable["name"].startswith("AWS_") or f"${{{variable['name']}:-" in script


# --- Lambda --------------------------------------------------------------------------------------


def fill_logs(url: str) -> None:
    """Create a log group in moto, and export it, which moto does at once."""
    logs, s3 = (boto3.client(name, endpoint_url=url) for name in ("logs", "s3"))
    s3.create_bucket(Bucket="acme-export-reports")
    logs.create_log_group(logGroupName="acme/new")
    logs.create_export_task(
        logGroupName="acme/new", fromTime=0, to=1000, destination="acme-export-reports"
    )


@pytest.mark.slow
def test_the_function_keeps_tasks_and_report_in_s3(
    slot: pd.DataFrame,
    moto: str,
    aws: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
):
    """It adds what it fetches to the archive in S3, and writes the report on all of it to S3."""
    aws(moto)
    monkeypatch.setenv("REPORT_BUCKET", "acme-export-reports")
    fill_logs(moto)
    s3 = boto3.client("s3")
    archive = xs.Archive("s3://acme-export-reports/exportstats/history")
    archive.add(slot)

    function = load(RECIPES / "lambda_handler.py")
    answer = function.handler({"week": WEEK}, None)

    listed = s3.list_objects_v2(Bucket="acme-export-reports", Prefix="exportstats/")["Contents"]
    names = {found["Key"] for found in listed}
    reports = {
        f"exportstats/reports/{WEEK}{ending}": kind
        for ending, kind in {
            ".html": "text/html; charset=utf-8",
            ".md": "text/markdown; charset=utf-8",
            ".json": "application/json",
            ".eml": "message/rfc822",
        }.items()
    }
    assert reports.keys() <= names
    assert all(name.startswith("exportstats/history/") for name in names - reports.keys())
    assert len(archive.tasks()) == len(slot) + 1
    assert archive.log_groups()["log_group_name"].to_list() == ["acme/new"]
    assert answer["keys"] == list(reports)
    bodies = {}
    for key, kind in reports.items():
        stored = s3.get_object(Bucket="acme-export-reports", Key=key)
        assert stored["ContentType"] == kind
        bodies[key] = stored["Body"].read()
    written = json.loads(bodies[f"exportstats/reports/{WEEK}.json"])
    assert written["headline"] == answer["headline"]
    figures = {row["measure"]: row["current"] for row in written["figures"]}
    start, end = pd.Timestamp("2026-06-08", tz="UTC"), pd.Timestamp("2026-06-15", tz="UTC")
    created = slot["creation_time"]
    assert figures["tasks"] == ((created >= start) & (created < end)).sum()
    assert ["critical", "not_made_good"] in answer["findings"]
    assert json.loads(json.dumps(answer)) == answer  # as Lambda answers


# --- SES -----------------------------------------------------------------------------------------


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


# --- GitHub Actions ------------------------------------------------------------------------------


@pytest.fixture
def workflow() -> dict[str, Any]:
    """Read the workflow."""
    read = yaml.safe_load((RECIPES / "github-actions.yml").read_text(encoding="utf-8"))
    read["on"] = read.pop(True)  # YAML 1.1 reads `on` as true
    return read


def test_the_workflow_asks_for_no_more_than_it_needs(workflow: dict[str, Any]):
    """It runs weekly and by hand, with minimal permissions and without a secret."""
    assert workflow["on"] == {"schedule": [{"cron": "0 6 * * 1"}], "workflow_dispatch": None}
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    steps = workflow["jobs"]["report"]["steps"]
    assert [step["uses"].partition("@")[0] for step in steps if "uses" in step] == [
        "aws-actions/configure-aws-credentials",
        "actions/setup-python",
        "actions/upload-artifact",
    ]
    for step in steps:
        assert "${{" not in step.get("run", "")  # no expression is inserted into a script
        assert step.get("if", "").count("${{") <= 1
    assert "secrets." not in (RECIPES / "github-actions.yml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_steps_of_the_workflow_run(
    workflow: dict[str, Any], moto: str, aws: Callable[..., None], tmp_path: Path
):
    """The steps run as on GitHub, against moto, except that of pip."""
    aws(moto)
    fill_logs(moto)
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
        assert done.returncode in ({0, 4} if "--fail-on" in step["run"] else {0}), done.stderr
    assert elsewhere == ["pip install 'exportstats[archive]'"]
    assert len(xs.read_tasks(workflow["env"]["HISTORY"])) == 1
    upload = job["steps"][-1]["with"]["path"]
    written = {path.suffix for path in (tmp_path / upload).iterdir()}
    assert written == {".html", ".md", ".eml", ".json", ""}
    assert summary.read_text(encoding="utf-8").startswith("# Export tasks, week ")


def test_the_commands_of_all_recipes_are_the_command_s(workflow: dict[str, Any]):
    """Each `exportstats` command in a script, a workflow or the page is valid."""
    texts = [step.get("run", "") for step in workflow["jobs"]["report"]["steps"]]
    texts += re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [
        line
        for text in texts
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("exportstats ")
    ]
    assert len(lines) > 3
    for line in lines:
        _, *words = shlex.split(line)
        done = CliRunner().invoke(main, [*words, "--help"], prog_name="exportstats")
        assert done.exit_code == 0, done.output
        options = [word for word in words if word.startswith("--")]
        assert all(option.partition("=")[0] in done.output for option in options), line


# --- IAM -----------------------------------------------------------------------------------------


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
        "logs:DescribeExportTasks",
        "logs:DescribeLogGroups",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "ses:SendEmail",
        "ses:SendRawEmail",
    }
    loader = create_loader()
    for service, name in (action.split(":") for action in actions - {"s3:ListBucket"}):
        assert name in loader.load_service_model(service, "service-2")["operations"]
    anywhere = [s["Sid"] for s in json.loads(text)["Statement"] if s["Resource"] == "*"]
    assert anywhere == ["ReadTasksAndLogGroups"]  # these two actions have no narrower resource
    assert not re.search(r"\*\"", text.replace('"Resource": "*"', "").replace("exportstats/*", ""))
