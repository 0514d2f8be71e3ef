"""How the commands of coverage end, and what they say beside their tables."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from covered import ALL, DAY_OF_ALL, LOG_GROUPS, MINUTE, PNG, RANGE, UPPER_BOUND, group, ms, task

from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_log_groups_of_a_file_tell_of_creation_retention_and_those_never_exported(
    run: Callable, page: Callable, groups_file: Callable
):
    """A log group never exported is a gap since its creation, and lost where events expired."""
    path = groups_file(
        group(retentionInDays=3),
        group("/new", creationTime=ms("2026-11-01T12:00")),
        group("/whole"),
    )
    # observed at 2026-11-04, so with 3 days of retention all before 2026-11-01 is gone
    more = ["--since", "2026-10-30", "--until", "2026-11-01T20:00", "--log-groups", path]
    found = json.loads(run("gaps", page(*DAY_OF_ALL), *more, "--format", "json").stdout)
    assert [
        (row["log_group_name"], row["start"][5:16], row["end"][5:16], row["reason"])
        for row in found
    ] == [
        ("/app", "10-30T00:00", "10-31T00:00", "lost"),
        ("/app", "11-01T06:00", "11-01T08:00", "failed"),
        ("/app", "11-01T16:00", "11-01T20:00", "active"),
        ("/new", "11-01T12:00", "11-01T20:00", "never_tried"),
        ("/whole", "10-30T00:00", "11-01T00:00", "never_tried"),
    ]
    assert [row["expires_at"] for row in found][1:4] == [
        "2026-11-04T06:00:00.000Z",
        "2026-11-04T16:00:00.000Z",
        None,
    ]
    shown = run("gaps", page(*DAY_OF_ALL), *more).stdout
    assert re.search(r"/new +2026-11-01 12:00 +8h +never +never tried$", shown, re.MULTILINE)


CODES = [
    ("gaps {tasks}", 0, ""),
    ("gaps {tasks} --check", 4, ""),
    ("gaps {tasks} --check --tolerance 4h", 0, ""),
    ("gaps {tasks} --check --format csv", 4, ""),
    ("coverage {tasks} --check", 2, "No such option"),
    ("gaps {tasks} --status COMPLETED", 2, "No such option"),
    ("{command} {tasks} --tolerance nonsense", 2, "--tolerance nonsense; give a length of time"),
    ("{command} {tasks} --tolerance=-1min", 2, "--tolerance -1min; give a length of time"),
    ("{command} {tasks} --since 2026-11-03", 2, "is not before --until"),
    (
        "{command} {tasks} --since nonsense",
        2,
        "'nonsense' is not a time; use a form such as 2026-11-01",
    ),
    ("{command} {tasks} --region x", 2, "none of 9 tasks matches --region x"),
    ("{command} {tasks} --plot a.gif", 2, "is not a supported format"),
    ("{command} {tasks} --log-groups missing.json", 2, "missing.json"),
    ("{command} {tasks} --log-groups {tasks}", 1, "these are tasks"),
    ("{command} missing.json", 2, "there is no file 'missing.json'"),
    ("{command} {tasks} --format xml", 2, "'xml' is not one of"),
    ("backfill {tasks} --max-window 0D", 2, "--max-window 0D"),
    ("backfill {tasks} --destination=", 2, "--destination ''"),
]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (line.replace("{command}", command), code, said)
        for line, code, said in CODES
        for command in (("coverage", "backfill") if "{command}" in line else ["-"])
    ],
)
def test_how_each_command_ends(
    line: str,
    code: int,
    said: str,
    run: Callable,
    page: Callable,
    monkeypatch: pytest.MonkeyPatch,
):
    """The exit code is 0, 4 for a gap with --check, 2 for wrong usage or 1 for a broken file."""
    path = page(*DAY_OF_ALL)
    monkeypatch.chdir(path.parent)
    name, first, *rest = line.format(tasks=path).split()
    done = run(name, first, *RANGE, *rest)
    assert done.exit_code == code
    if said:
        assert said in done.stderr.splitlines()[-1]
        assert not done.stdout


@pytest.mark.parametrize("command", ALL)
def test_no_tasks_without_a_range_are_refused(command: str, run: Callable, page: Callable):
    """Tasks without a time of observation need --since and --until."""
    done = run(command, page())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "exportstats: no task has a time of observation; give --since and --until\n"
    )
    done = run(command, page(), *RANGE)
    assert done.exit_code == 0
    assert (
        done.stdout
        == {
            "coverage": "no log groups, 2026-11-01 to 2026-11-02 UTC\n",
            "gaps": "no log groups, 2026-11-01 to 2026-11-02 UTC\n",
            "backfill": "",
        }[command]
    )


@pytest.mark.parametrize("command", ALL)
def test_a_list_that_breaks_off_is_partial(
    command: str, run: Callable, serve: Callable, made: Callable
):
    """A partial result is shown and marked, and the exit code is 3, also with --check."""
    day = {"from": ms("2026-11-01"), "to": ms("2026-11-01T12:00") - 1, "destination": "acme"}
    serve(made(120, **day), faults=[Fault("deny", at=(2,))])
    words = [*RANGE, *(["--check"] if command == "gaps" else [])]
    done = run(command, *words)
    assert done.exit_code == 3, done.stderr
    assert done.stdout
    assert "incomplete: " in done.stderr


def test_notes_beside_the_tables(run: Callable, page: Callable):
    """Notes on the upper bound and on short gaps are printed for people, not for machines."""
    path = page(*DAY_OF_ALL)
    for command in ("coverage", "gaps"):
        for kind in ("table", "markdown"):
            said = run(command, path, *RANGE, "--format", kind).stderr
            assert said.startswith(UPPER_BOUND)
            assert "to print the exports: exportstats backfill" in said
            assert ("missing: " in said) == (command == "coverage")
        for kind in ("csv", "json"):
            assert run(command, path, *RANGE, "--format", kind).stderr == ""
    hours = [{**task(f"{n}", n, n + 1)} for n in range(24)]
    late = [{**hour, "to": hour["to"] - MINUTE} for hour in hours]
    said = run("gaps", page(*late), *RANGE).stderr
    assert said.endswith(
        "24 gaps are a minute or shorter; --tolerance 1min treats them as covered\n"
    )


@pytest.mark.parametrize("command", ALL)
def test_a_chart_is_a_png(command: str, run: Callable, page: Callable, tmp_path: Path):
    """--plot writes the chart and names its file; the result is unchanged."""
    path, chart = page(*DAY_OF_ALL), tmp_path / "chart.png"
    done = run(command, path, *RANGE, "--plot", chart)
    assert done.exit_code == 0
    assert chart.read_bytes().startswith(PNG)
    assert done.stdout == run(command, path, *RANGE).stdout
    assert done.stderr.endswith(f"exportstats: the chart is in {chart}\n")


def test_many_log_groups_are_drawn_too(run: Callable, page: Callable, tmp_path: Path):
    """With more than 50 log groups, coverage is drawn by day."""
    tasks = [task(f"{n}", 0, 6, logGroupName=f"/app/{n}") for n in range(51)]
    assert run("coverage", page(*tasks), *RANGE, "--plot", tmp_path / "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_backfill_can_be_piped_into_a_shell(run: Callable, sample_file: Path):
    """Stdout has only commands, one per line; the estimate is on stderr."""
    more = (sample_file, "--log-groups", LOG_GROUPS)
    done = run("backfill", *more)
    lines = done.stdout.splitlines()
    assert all(line.startswith("aws logs create-export-task --region=") for line in lines)
    plan = [
        json.loads(line)
        for line in run("backfill", *more, "--format", "json").stdout.split("\n")[:-1]
    ]
    assert len(plan) == len(lines)
    slots = {(row["accountId"], row["region"]) for row in plan}
    said = done.stderr.splitlines()
    assert all(line.startswith("exportstats: ") for line in said)
    # one lost day, by the table of gaps itself
    assert said[0] == "exportstats: left out: 1 d of events past their retention"
    slots_said = f"{len(lines)} tasks, one at a time in each of {len(slots)} slots"
    assert f"exportstats: {slots_said} (account and region)" in said
    done_by = r"exportstats: expected end (\S+ \S+), 90th percentile \S+ \S+ UTC"
    assert any(re.fullmatch(done_by, line) for line in said)
