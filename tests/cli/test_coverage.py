"""`gaps`, `coverage` and `backfill` on files."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from exported import DAY, FIRST, HOUR, night
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RANGE = ["--since", "2024-10-04", "--until", "2024-10-08"]
UPPER_BOUND = "coverage is an upper bound"
OURS = ("accountId", "region", "observedAt")


@pytest.fixture
def groups_file(tmp_path: Path) -> Path:
    """Write the log group and one that was never exported; events are kept for ten days."""
    file = tmp_path / "groups.json"
    same = {"accountId": "111122223333", "region": "us-east-1", "retentionInDays": 10}
    groups = [{**same, "logGroupName": name, "creationTime": 0} for name in ("acme/api", "never")]
    file.write_text(json.dumps(groups))
    return file


def test_gaps_are_listed_with_reason_and_deadline(
    run: Callable, tasks_file: Path, groups_file: Path
):
    """A failed day, a missing minute, and a log group never exported; events expire in ten days."""
    words = ["gaps", tasks_file, *RANGE, "--log-groups", groups_file]
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").stdout)))
    assert [
        (
            row["log_group_name"],
            row["start"],
            row["length_seconds"],
            row["reason"],
            row["expires_at"],
        )
        for row in rows
    ] == [
        ("acme/api", "2024-10-05T00:00:00.000Z", "86400.0", "failed", "2024-10-15T00:00:00.000Z"),
        ("acme/api", "2024-10-07T23:59:00.000Z", "60.0", "never_tried", "2024-10-17T23:59:00.000Z"),
        (
            "never",
            "2024-10-04T00:00:00.000Z",
            "345600.0",
            "never_tried",
            "2024-10-14T00:00:00.000Z",
        ),
    ]
    assert [row["last_task_id"] for row in rows] == ["task-1", "", ""]
    assert json.loads(run(*words, "--format", "json").stdout)[0]["end"].startswith("2024-10-06T")
    done = run(*words)
    assert done.stdout.startswith("3 gaps, 5 d, 2024-10-04 to 2024-10-08 UTC")
    assert done.stderr.count(UPPER_BOUND) == 1
    assert "| never" in run(*words, "--format", "markdown").stdout


def test_check_sets_the_exit_code(run: Callable, tasks_file: Path):
    """The exit code is 4 with a gap and 0 without; a tolerated gap does not count."""
    assert run("gaps", tasks_file, *RANGE, "--check").exit_code == 4
    assert run("gaps", tasks_file, *RANGE).exit_code == 0
    last = ["--since", "2024-10-06", "--until", "2024-10-08"]
    assert run("gaps", tasks_file, *last, "--check").exit_code == 4
    done = run("gaps", tasks_file, *last, "--check", "--tolerance", "1min")
    assert done.exit_code == 0
    assert done.stdout == "no gaps, 2024-10-06 to 2024-10-08 UTC\n"


def test_without_a_range_it_is_the_days_before(run: Callable, tasks_file: Path):
    """The default range is the 30 days up to a midnight, a day before the observation."""
    # observed 2024-10-10T00:00
    assert "2024-09-09 to 2024-10-09 UTC" in run("gaps", tasks_file).stdout
    assert "2024-10-01 06:30 to 2024-10-09 UTC" in run(
        "gaps", tasks_file, "--since", "2024-10-01T06:30Z"
    ).stdout  # fmt: skip


def test_coverage_is_summed_up_by_log_group(run: Callable, tasks_file: Path, groups_file: Path):
    """The worst log group comes first, with the fractions that plain Python computes."""
    words = ["coverage", tasks_file, *RANGE, "--log-groups", groups_file]
    never, api = json.loads(run(*words, "--format", "json").stdout)
    assert (never["log_group_name"], never["covered_at_most"], never["gaps"]) == ("never", 0, 1)
    assert api["covered_at_most"] == (4 * DAY - DAY - 60_000) / (4 * DAY)
    assert (api["gaps"], api["missing_seconds"]) == (2, 86_460)
    assert api["covered_until"] == "2024-10-05T00:00:00.000Z"
    done = run(*words)
    assert done.stdout.startswith("0 of 2 log groups without a gap, 2024-10-04 to 2024-10-08 UTC")
    assert re.search(r"acme/api +75 % +2 +1d +2024-10-05", done.stdout)
    assert done.stderr.count(UPPER_BOUND) == 1


def test_charts_are_drawn(run: Callable, tasks_file: Path, tmp_path: Path):
    """Each of the three commands writes a complete PNG and names it."""
    for command in ("coverage", "gaps", "backfill"):
        chart = tmp_path / f"{command}.png"
        done = run(command, tasks_file, *RANGE, "--plot", chart)
        assert done.exit_code == 0
        assert chart.read_bytes().startswith(b"\x89PNG")
        assert f"the chart is in {chart}" in done.stderr


def test_backfill_prints_commands_and_nothing_else(
    run: Callable, tasks_file: Path, groups_file: Path
):
    """Stdout has a line for each task, stderr the estimate; windows are inclusive, as in AWS."""
    done = run("backfill", tasks_file, "--short-gaps", *RANGE)
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    for word in (f"--from={FIRST + DAY}", f"--to={FIRST + 2 * DAY - 1}", "--destination=bucket"):
        assert word in first.split()
    assert f"--from={FIRST + 4 * DAY - 60_000}" in second
    assert "2 tasks, one at a time in each of 1 slot (account and region)" in done.stderr
    assert "2 are guesses" in done.stderr
    lines = run(
        "backfill", tasks_file, "--short-gaps", *RANGE, "--format", "json", "--prefix", "again"
    ).stdout
    assert [json.loads(line)["request"]["destinationPrefix"] for line in lines.splitlines()] == [
        "again",
        "again",
    ]
    none = run("backfill", tasks_file, "--short-gaps", *RANGE[:2], "--until", "2024-10-05")
    assert none.stdout == ""
    assert "nothing to export" in none.stderr
    halves = run("backfill", tasks_file, *RANGE, "--max-window", "12h")
    assert len(halves.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gaps", "{}", "--tolerance", "a while"], "--tolerance 'a while'"),
        (["gaps", "{}", "--since", "2024-10-08", "--until", "2024-10-04"], "is not before"),
        (["gaps", "{}", "--since", "yesterday"], "'yesterday' is not a time"),
        (["gaps", "{}", "--region", "eu-west-1"], "none of 4 tasks matches --region eu-west-1"),
        (["backfill", "{}", *RANGE, "--max-window", "0h"], "--max-window 0h"),
        (["coverage", "{}", "--plot", "x.gif"], "is not a supported format"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], said: str, run: Callable, tasks_file: Path):
    """Wrong usage names the option and its value, and exits with 2."""
    done = run(*[word.format(tasks_file) for word in words])
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_invalid_file_of_log_groups_is_an_error(run: Callable, tasks_file: Path, tmp_path: Path):
    """A missing or invalid file of log groups is an error that names it."""
    done = run("gaps", tasks_file, *RANGE, "--log-groups", tmp_path / "none.json")
    assert done.exit_code == 2
    assert "none.json" in done.stderr
    (tmp_path / "broken.json").write_text("{")
    done = run("gaps", tasks_file, *RANGE, "--log-groups", tmp_path / "broken.json")
    assert done.exit_code == 1
    assert "line 1, column 2" in done.stderr


@pytest.mark.parametrize("command", ["coverage", "gaps"])
def test_names_give_way_in_80_columns(command: str, run: Callable, sample_file: Path):
    """In 80 columns every line fits, with log groups and deadlines too."""
    words = [command, sample_file, "--since", "2026-10-01", "--until", "2026-11-22"]
    shown = run(*words, env=AS_TERMINAL).stdout
    lines = SGR.sub("", shown).splitlines()
    assert max(map(cell_len, lines)) <= 80


def test_the_sample_has_what_the_functions_say(run: Callable, sample_file: Path):
    """The output has exactly the rows of the table."""
    words = ["gaps", sample_file, "--since", "2026-10-01", "--until", "2026-11-22"]
    rows = json.loads(run(*words, "--format", "json").stdout)
    gaps = xs.find_gaps(xs.sample_tasks(), start="2026-10-01T00:00Z", end="2026-11-22T00:00Z")
    assert [row["last_task_id"] or "" for row in rows] == gaps["last_task_id"].fillna("").to_list()
    lengths = [row["length_seconds"] for row in rows]
    assert lengths == gaps["length"].dt.total_seconds().to_list()


def test_what_the_aws_cli_prints_of_both_is_one_log_group(run: Callable, tmp_path: Path):
    """Tasks without account and region are matched with log groups that have both."""
    task = {key: value for key, value in night(0).items() if key not in OURS}
    task["to"] = FIRST + 12 * HOUR - 1
    tasks, groups = tmp_path / "aws.json", tmp_path / "lg.json"
    tasks.write_text(json.dumps({"exportTasks": [task]}))
    arn = "arn:aws:logs:eu-west-1:111122223333:log-group:acme/api:*"
    groups.write_text(json.dumps({"logGroups": [{"logGroupName": "acme/api", "arn": arn}]}))
    day = ["--since", "2024-10-04", "--until", "2024-10-05"]
    done = run("gaps", tasks, *day, "--log-groups", groups, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["account_id"], row["region"]) == ("111122223333", "eu-west-1")
    assert row["length_seconds"] == "43200.0"
    assert "assigned to 111122223333" in done.stderr
    done = run("backfill", tasks, *day, "--log-groups", groups)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("aws logs create-export-task --region=eu-west-1") == 1
    other = {"logGroupName": "b", "arn": arn.replace("111122223333", "444455556666")}
    both = [{"logGroupName": "acme/api", "arn": arn}, other]
    groups.write_text(json.dumps({"logGroups": both}))
    done = run("gaps", tasks, *day, "--log-groups", groups)
    assert done.exit_code == 0
    assert "have no account_id or region" in done.stderr
