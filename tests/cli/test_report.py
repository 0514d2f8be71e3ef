"""`report` writes what is asked for, and its exit code says how bad the week was."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from covered import LOG_GROUPS
from shown import is_harmless

import exportstats as xs
from exportstats.emulator import Fault
from exportstats.report.markdown import render_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORST, QUIETEST = "2026-W24", "2026-W20"


@pytest.fixture(scope="module")
def log_groups() -> Path:
    """Return the path of the sample's log groups."""
    return LOG_GROUPS


def test_it_writes_all_that_is_asked_for(
    run: Callable, sample_file: Path, log_groups: Path, tmp_path: Path
):
    """Each format is written to its file as the library renders it, and listed."""
    names = {"html": "r.html", "markdown": "r.md", "email": "r.eml", "json": "r.json"}
    files = {kind: tmp_path / name for kind, name in names.items()}
    words = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    folder = tmp_path / "tables"
    done = run(
        *("report", sample_file, "--log-groups", log_groups, "--week", WORST),
        *(*words, "--csv-dir", folder),
    )
    assert done.exit_code == 0
    report = xs.build_weekly_report(
        xs.sample_tasks(),
        week=WORST,
        log_groups=xs.read_log_groups(log_groups),
        source=[str(sample_file), f"--log-groups={log_groups}"],
    )
    assert done.stdout == render_text(report)
    html = report.to_html(csv="tables")
    assert files["html"].read_text(encoding="utf-8") == html
    assert files["markdown"].read_text(encoding="utf-8") == report.to_markdown()
    assert files["email"].read_bytes() == report.to_email()
    assert files["json"].read_text(encoding="utf-8") == report.to_json()
    written = {file.name for file in folder.iterdir()}
    pictures = {f"picture-{picture.name}.csv" for picture in report.pictures}
    always = {"figures.csv", "findings.csv"}
    assert written == {*always, *(f"{name}.csv" for name in report.tables), *pictures}
    made = {file for file in tmp_path.iterdir() if not file.name.startswith(".")}
    assert made == {*files.values(), folder}
    said = done.stderr.splitlines()
    assert said[0] == f"exportstats: each table is in {folder}"
    assert said[1:] == [f"exportstats: the report is in {path}" for path in files.values()]
    assert message_from_bytes(files["email"].read_bytes(), policy=policy.default).defects == []


def test_messages_are_not_within_the_bar(terminal: Callable, sample_file: Path, tmp_path: Path):
    """In a terminal, each message on a file has a line of its own."""
    files = {"html": tmp_path / "report.html", "email": tmp_path / "report.eml"}
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    code, shown = terminal("report", sample_file, *options, columns=200)
    assert code == 0, shown
    lines = re.split(r"[\r\n]+", shown)
    assert {f"exportstats: the report is in {path}" for path in files.values()} <= set(lines)


def test_the_text_fits_a_terminal(run: Callable, sample_file: Path, log_groups: Path):
    """No line is wider than 80 columns or has control characters."""
    for week in (WORST, "2026-W30", "2026-W47"):
        done = run("report", sample_file, "--log-groups", log_groups, "--week", week)
        assert done.exit_code == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert is_harmless(done.stdout)
        assert done.stdout.startswith(f"Export tasks, week {week}\n")


@pytest.mark.parametrize(
    ("state", "fail_on", "code"),
    [
        ("COMPLETED", None, 0),
        ("COMPLETED", "warning", 0),
        ("COMPLETED", "critical", 0),
        ("FAILED", None, 0),
        ("FAILED", "warning", 4),
        ("FAILED", "critical", 0),
    ],
)
def test_fail_on_a_warning(
    state: str, fail_on: str | None, code: int, run: Callable, small: Callable
):
    """With `--fail-on warning`, a warning exits with 4; without it, with 0."""
    words = [] if fail_on is None else ["--fail-on", fail_on]
    done = run("report", small(f"{state}-{fail_on}", state), *words)
    assert done.exit_code == code
    assert "week 2026-W47" in done.stdout


@pytest.mark.parametrize(("fail_on", "code"), [("critical", 4), ("warning", 4)])
def test_fail_on_something_critical(
    fail_on: str, code: int, run: Callable, small: Callable, groups_file: Callable
):
    """A critical finding counts for both values of --fail-on, and the report is written."""
    arn = "arn:aws:logs:eu-west-1:111122223333:log-group:acme/secret:*"
    groups = groups_file(
        {"logGroupName": "acme/secret", "arn": arn, "creationTime": 0, "retentionInDays": 7}
    )
    path = groups.with_name("report.json")
    done = run(
        *("report", small("critical", "FAILED"), "--log-groups", groups),
        *("--fail-on", fail_on, "--json", path),
    )
    assert done.exit_code == code
    assert json.loads(path.read_text(encoding="utf-8"))["findings"][0]["severity"] == "critical"


def test_the_quietest_week_fits_a_terminal(run: Callable, sample_file: Path, log_groups: Path):
    """A quiet week has 24 lines of 80 columns with all its findings."""
    done = run("report", sample_file, "--log-groups", log_groups, "--week", QUIETEST)
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) < 80
    report = xs.build_weekly_report(
        xs.sample_tasks(), week=QUIETEST, log_groups=xs.read_log_groups(log_groups)
    )
    said = " ".join(done.stdout.split())
    assert all(f"{one.sentence} {one.remedy}" in said for one in report.findings)
    assert all(limit in said for limit in report.limits)


def test_the_quietest_week_is_fine(run: Callable, sample_file: Path, log_groups: Path):
    """The quietest week exits with 0 on warnings, the worst with 4 on critical findings."""
    words = ("report", sample_file, "--log-groups", log_groups, "--week")
    done = run(*words, QUIETEST, "--fail-on", "warning")
    assert done.exit_code == 0
    assert "A quiet week: 111 tasks" in done.stdout
    assert len(done.stdout.splitlines()) < 40
    assert run(*words, WORST, "--fail-on", "critical").exit_code == 4


def test_redact_hides_names(run: Callable, small: Callable, tmp_path: Path):
    """With `--redact`, no name is in any output."""
    path = tmp_path / "report.html"
    source = small("redact", "FAILED")
    done = run("report", source, "--redact", "--html", path, "--csv-dir", tmp_path / "csv")
    assert done.exit_code == 0
    texts = [done.stdout, path.read_text(encoding="utf-8")]
    texts += [file.read_text(encoding="utf-8") for file in (tmp_path / "csv").iterdir()]
    for text in texts:
        assert "acme" not in text
        assert "111122223333" not in text
    assert "log-group-1" in done.stdout


def test_the_time_zone_of_the_week(run: Callable, small: Callable):
    """The week and its times are those of `--tz`."""
    done = run("report", small("zone"), "--tz", "Pacific/Auckland")
    assert "(Pacific/Auckland)" in " ".join(done.stdout.split())
    assert done.exit_code == 0


def test_links_lead_from_the_page_to_the_tables(run: Callable, small: Callable, tmp_path: Path):
    """Links to the tables are relative to the page, not to the working directory."""
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "report.html"
    many = small("many", "FAILED")
    tasks = json.loads(many.read_text(encoding="utf-8"))["exportTasks"]
    for number in range(60):
        tasks += [
            {**task, "taskId": f"{number}-{task['taskId']}", "logGroupName": f"acme/{number}"}
            for task in tasks[:34]
        ]
    many.write_text(json.dumps({"exportTasks": tasks}), encoding="utf-8")
    done = run("report", many, "--html", page, "--csv-dir", tmp_path / "tables")
    assert done.exit_code == 0
    html = page.read_text(encoding="utf-8")
    assert 'href="../tables/gaps.csv"' in html
    assert (page.parent / "../tables/gaps.csv").is_file()


def test_hostile_names_do_nothing_to_a_terminal(run: Callable, small: Callable):
    """Whatever the names of log groups, all output is printable."""
    name = "\x1b[31mred\x1b]0;title\x07\u202egnp\x00\n" + "x" * 5000
    done = run("report", small("hostile", "FAILED", logGroupName=name))
    assert done.exit_code == 0
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    assert "\\x1b[31mred" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 160


def test_the_commands_export_what_was_found(
    run: Callable, sample_file: Path, log_groups: Path, tmp_path: Path
):
    """The commands of a finding, run unchanged, plan its rows and nothing else."""
    path = tmp_path / "r.json"
    week = ("--week", "2026-W47", "--json", path)
    run("report", sample_file, "--log-groups", log_groups, *week)
    made = json.loads(path.read_text(encoding="utf-8"))
    planned: dict[tuple[str, ...], int] = {}
    for command in (command for found in made["findings"] for command in found["commands"]):
        program, *words = shlex.split(command)
        assert program == "exportstats"
        done = run(*words, "--format", "json")
        assert done.exit_code == 0
        for line in done.stdout.splitlines():
            one = json.loads(line)
            request = one["request"]
            key = (one["accountId"], one["region"], request["logGroupName"])
            long = request["to"] + 1 - request["fromTime"]
            planned[key] = planned.get(key, 0) + long
    failed = {row["log_group_name"] for row in made["tables"]["failed_windows"]}
    expected: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for row in [*made["tables"]["expiring"], *made["tables"]["gaps"]]:
        key = (row["account_id"], row["region"], row["log_group_name"])
        expected.setdefault(key, set()).add((row["start"], row["end"]))
    assert expected.keys() <= planned.keys()
    assert {key[2] for key in planned.keys() - expected.keys()} <= failed
    for key, rows in expected.items():
        edges = [[datetime.fromisoformat(edge).timestamp() for edge in row] for row in rows]
        days = {day for start, end in edges for day in range(int(start), int(end), 3600)}
        assert key[2] in failed or planned[key] == len(days) * 3_600_000


def test_without_log_groups_there_is_still_a_report(run: Callable, serve: Callable, made: Callable):
    """If AWS denies the log groups, the report is written and says what it lacks."""
    serve(made(2), faults=[Fault("deny", operation="DescribeLogGroups")])
    done = run("report", "--log-groups", "aws", "--region", "eu-west-1")
    assert done.exit_code == 3
    assert done.stdout.startswith("Export tasks, week ")
    assert "was not checked" in " ".join(done.stdout.split())
    assert "log groups were not fetched, so expiry is unknown" in done.stderr


def test_a_report_for_each_account(run: Callable, small: Callable, tmp_path: Path):
    """There is one more report for each value of the column, with the value in it."""
    path = tmp_path / "r.html"
    done = run("report", small("split"), "--split-by", "account_id", "--html", path)
    assert done.exit_code == 0
    part = tmp_path / "r-111122223333.html"
    assert f"the report of 111122223333 is in {part}" in done.stderr
    assert "account_id 111122223333</title>" in part.read_text(encoding="utf-8")
    assert run("report", small("split"), "--split-by", "nothing").exit_code == 2
