"""The script of the weekly report, its crontab and its container."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.validate import ParamValidator
from recipes import (
    PAGE,
    RECIPES,
    ROOT,
    SAMPLE_LOG_GROUPS,
    SCRIPT,
    WEEK,
    parts,
    run,
    sample_of_slot,
    sent,
)

import exportstats as xs
from exportstats.emulator import Emulator, Fault, rebase
from exportstats.io.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


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
    recorded = sample_of_slot().query("creation_time >= '2026-08-01T00:00Z'")
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
@pytest.mark.parametrize(("pages", "code"), [((), 1), ((3,), 3), ((1,), 3)])
def test_the_script_exits_with_the_code_of_the_failure(
    pages: tuple[int, ...],
    code: int,
    slot: pd.DataFrame,
    aws: Callable[..., None],
    tmp_path: Path,
):
    """Without tasks, it writes no report; it uses partial data and exits with their code."""
    groups = tmp_path / "none.json"
    groups.write_text('{"logGroups": []}', encoding="utf-8")
    quiet = slot[slot["status_code"] == "COMPLETED"]
    with Emulator(to_json(quiet), faults=[Fault("deny", at=pages)]) as emulator:
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
    """The image copies what it starts from this folder, is pinned, and does not run as root."""
    text = (RECIPES / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    assert lines.pop(0) == ["ARG", "BASE"]  # without a default
    stages: dict[str, dict[str, str]] = {}
    for instruction, words in lines:
        if instruction == "FROM":
            source, _, name = words.split()
            assert source == "${BASE}" if name == "base" else source in stages
            stages[name] = {}
        stages[name][instruction] = words
    assert list(stages) == ["base", "lambda", "weekly"]
    *copied, folder = stages["base"]["COPY"].split()
    assert all((RECIPES / file).is_file() for file in copied)
    # the script looks for the others in its own folder
    used = set(re.findall(r"\$here/([\w.]+)", SCRIPT.read_text(encoding="utf-8")))
    assert used == {"send_with_ses.py", "alert.py"}
    assert {*copied} == {SCRIPT.name, "lambda_handler.py", *used}
    install = stages["base"]["RUN"]
    assert "--no-index --find-links /wheels --require-hashes" in " ".join(install.split())
    assert "--uid 10001 " in install
    assert install.endswith(" reporter")
    assert "the user 10001" in " ".join(PAGE.split())
    assert [stages[name]["USER"] for name in ("lambda", "weekly")] == ["reporter", "reporter"]
    assert json.loads(stages["weekly"]["ENTRYPOINT"]) == [f"{folder}{SCRIPT.name}"]
    assert json.loads(stages["lambda"]["CMD"]) == ["lambda_handler.handler"]
    assert f"{stages['lambda']['WORKDIR']}/" == folder


def test_no_recipe_installs_a_name_that_anybody_may_register():
    """A recipe installs only with hashes, and no page takes the bare name from an index."""
    texts = {
        path: path.read_text(encoding="utf-8").replace("\\\n", " ")
        for path in [*RECIPES.glob("*.*"), *RECIPES.parent.rglob("*.md")]
    }
    for path, text in texts.items():
        for line in text.splitlines():
            if "pip install" in line and path.parent == RECIPES:
                assert "--require-hashes" in line, path
            assert not re.search(r"pip install ([\w.-]+ )*'?exportstats\b", line), path


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="there is no shellcheck here")
def test_shellcheck_finds_nothing(tmp_path: Path):
    """The script has none of the mistakes that shellcheck knows."""
    done = run("shellcheck", SCRIPT, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_pip_installs_only_the_locked_wheels(tmp_path: Path):
    """The requirements install the wheel they were written of, and refuse another one."""
    wheels = tmp_path / "wheels"
    pip = (sys.executable, "-m", "pip")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", wheels)
    done = run(*pip, "wheel", *options, ROOT, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    [wheel] = wheels.iterdir()
    done = run(sys.executable, RECIPES / "lock.py", wheels, folder=tmp_path)
    assert re.fullmatch(r"exportstats==[\d.]+ --hash=sha256:[0-9a-f]{64}\n", done.stdout)
    (tmp_path / "requirements.txt").write_text(done.stdout, encoding="utf-8")
    words = ("--no-index", "--find-links", wheels, "--require-hashes", "-r", "requirements.txt")
    install = (*pip, "install", "--no-deps", "--quiet", "--target", "site", *words)
    done = run(*install, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "exportstats" / "__init__.py").is_file()
    wheel.write_bytes(wheel.read_bytes() + b"another one")
    done = run(*install, folder=tmp_path)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    done = run(sys.executable, RECIPES / "lock.py", tmp_path / "site", folder=tmp_path)
    assert "has no wheels; `pip wheel --wheel-dir" in done.stderr


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
    assert re.search(r"\.amazonaws\.com/\S+@sha256:", container["image"])  # no name of an index
    given = {one["name"]: one["value"] for one in container["environment"]}
    function = json.loads((RECIPES / "lambda-function.json").read_text(encoding="utf-8"))
    asked = function["Environment"]["Variables"]
    assert asked.items() - given.items() == {("REPORT_BUCKET", asked["REPORT_BUCKET"])}
    (mount,) = container["mountPoints"]
    assert mount["containerPath"] in (RECIPES / "Dockerfile").read_text(encoding="utf-8")
    script = SCRIPT.read_text(encoding="utf-8")
    for variable in container["environment"]:
        assert variable["name"].startswith("AWS_") or f"${{{variable['name']}:-" in script


def test_lambda_and_the_scheduler_take_what_is_given_them(moto: str, aws: Callable[..., None]):
    """The function and its schedule fit the services' models, each other, and the handler."""
    aws(moto)
    function, schedule = (
        json.loads((RECIPES / name).read_text(encoding="utf-8"))
        for name in ("lambda-function.json", "lambda-schedule.json")
    )
    model = boto3.client("lambda").meta.service_model.operation_model("CreateFunction")
    report = ParamValidator().validate(function, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert schedule["Target"]["Arn"].endswith(f":function:{function['FunctionName']}")
    assert json.loads(schedule["Target"]["Input"]) == {}
    boto3.client("scheduler").create_schedule(**schedule)
    texts = [(RECIPES / name).read_text("utf-8") for name in ("lambda_handler.py", SCRIPT.name)]
    for name in function["Environment"]["Variables"]:
        assert name in "".join(texts)
