"""The output and exit codes of `coverage`, `gaps`, `backfill` and `deliveries`."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY, HOUR = 86_400_000, 3_600_000
FIRST = 20_000 * DAY  # 2024-10-04
RANGE = ["--since", "2024-10-04", "--until", "2024-10-08"]
UPPER_BOUND = "coverage is an upper bound"
OURS = ("accountId", "region", "observedAt")
KEYS = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}


def night(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a task's
    """Return a task that exports one day, counted from the first."""
    return {
        "taskId": f"task-{number}",
        "accountId": "111122223333",
        "region": "us-east-1",
        "logGroupName": "acme/api",
        "from": FIRST + number * DAY,
        "to": FIRST + (number + 1) * DAY - 1,
        "destination": "bucket",
        "status": {"code": "COMPLETED"},
        "executionInfo": {
            "creationTime": FIRST + (number + 2) * DAY,
            "completionTime": FIRST + (number + 2) * DAY + 60_000,
        },
        "observedAt": FIRST + 6 * DAY,
        **fields,
    }


@pytest.fixture
def tasks_file(tmp_path: Path) -> Path:
    """Write four nights: the second FAILED, the fourth ends a minute early."""
    file = tmp_path / "tasks.json"
    nights = [
        night(0),
        night(1, status={"code": "FAILED"}),
        night(2),
        night(3, to=FIRST + 4 * DAY - 60_001),
    ]
    file.write_text(json.dumps({"exportTasks": nights}))
    return file


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


def test_check_tells_by_the_exit_code(run: Callable, tasks_file: Path):
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
    assert (never["log_group_name"], never["covered_fraction"], never["gaps"]) == ("never", 0, 1)
    assert api["covered_fraction"] == (4 * DAY - DAY - 60_000) / (4 * DAY)
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


def test_a_file_of_log_groups_that_is_none_is_an_error(
    run: Callable, tasks_file: Path, tmp_path: Path
):
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


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set synthetic credentials."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.usefixtures("credentials")
def test_log_groups_are_asked_for(run: Callable, moto: str):
    """`--log-groups aws` uses the account and region of the tasks; here all is a gap."""
    logs: Any = boto3.client("logs", endpoint_url=moto, region_name="us-east-1", **KEYS)
    logs.create_log_group(logGroupName="/made/up")
    done = run("gaps", "--endpoint-url", moto, "--since", "2020-01-01", "--until", "2020-01-02",
               "--log-groups", "aws", "--check")  # fmt: skip
    assert done.exit_code == 0, "it did not exist then"
    done = run("gaps", "--endpoint-url", moto, "--since", "1d", "--until", "2100-01-01",
               "--log-groups", "aws", "--check")  # fmt: skip
    assert done.exit_code == 4
    assert "/made/up" in done.stdout


@pytest.mark.usefixtures("credentials")
def test_deliveries_shows_what_is_not_there(run: Callable, moto: str, tasks_file: Path):
    """Counts for all COMPLETED tasks, rows for those that delivered nothing; csv has all."""
    s3: Any = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **KEYS)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="exportedlogs/aws-logs-write-test", Body=b"x")
    s3.put_object(Bucket="bucket", Key="exportedlogs/task-0/s/000000.gz", Body=b"x" * 60)
    words = ["deliveries", tasks_file, "--s3-endpoint-url", moto]
    done = run(*words)
    assert done.exit_code == 0
    assert done.stdout.startswith("3 COMPLETED tasks looked up in S3, 1 delivered, 2 empty\n")
    assert "task-2" in done.stdout
    assert "task-0" not in done.stdout
    rows = list(csv.DictReader(io.StringIO(run(*words, "--format", "csv").stdout)))
    assert {row["task_id"]: row["delivered"] for row in rows} == {
        "task-0": "yes",
        "task-2": "empty",
        "task-3": "empty",
    }
    assert float(rows[0]["throughput"]) == 1.0


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


@pytest.mark.usefixtures("credentials")
def test_a_file_can_have_its_log_groups_asked_for(run: Callable, moto: str, tasks_file: Path):
    """With a file of tasks, AWS options apply to log groups; a missing file fails first."""
    logs: Any = boto3.client("logs", endpoint_url=moto, region_name="us-west-2", **KEYS)
    logs.create_log_group(logGroupName="/west")
    where = ["--log-groups", "aws", "--region", "us-west-2", "--endpoint-url", moto]
    done = run("coverage", tasks_file, "--since", "1d", "--until", "2100-01-01", *where)
    assert done.exit_code == 0, done.stderr
    assert "/west" in done.stdout
    done = run("coverage", tasks_file.with_name("none.json"), *where[:4])
    assert (done.exit_code, "there is no file" in done.stderr) == (2, True)


def test_targets_are_found_once(run: Callable, moto: str, monkeypatch: pytest.MonkeyPatch):
    """Targets are found once, even if tasks and log groups are fetched."""
    found: list[Any] = []

    def find(**given: Any) -> list[xs.Target]:  # noqa: ANN401 - what click parsed
        found.append(given)
        return [xs.Target("123456789012", region) for region in ("us-east-1", "us-west-1")]

    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setattr("exportstats.cli.source.fetch_targets", find)
    words = ["--all-regions", "--endpoint-url", moto, "--log-groups", "aws"]
    assert run("gaps", *words, "--since", "2020-01-01", "--until", "2020-01-02").exit_code == 0
    assert len(found) == 1


def test_which_targets_failed_is_told_if_no_log_group_arrives(
    run: Callable, moto: str, monkeypatch: pytest.MonkeyPatch
):
    """If no log group arrives, each target has its reason and remedy, and the command fails."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    regions = ("us-east-1", "us-west-1")
    targets = [xs.Target("123456789012", region) for region in regions]
    monkeypatch.setattr("exportstats.cli.source.fetch_targets", lambda **_: targets)
    fail = xs.LoadError(
        "all failed",
        tasks=xs.sample_tasks().head(0),
        failures=pd.DataFrame(
            {"account_id": "1", "region": regions, "profile": None, "role_arn": None,
             "reason": "AccessDenied: no", "remedy": "allow it", "arrived": 0}
        ),
    )  # fmt: skip

    def deny(*_: Any, **__: Any) -> None:  # noqa: ANN401 - as there
        raise fail

    monkeypatch.setattr("exportstats.fetch_log_groups", deny)
    words = ["--all-regions", "--endpoint-url", moto, "--log-groups", "aws"]
    done = run("gaps", *words, "--since", "2020-01-01", "--until", "2020-01-02")
    assert done.exit_code == 1
    assert "allow it" in done.stderr
    assert "us-west-1" in done.stderr


def test_ctrl_c_shows_what_deliveries_found(
    run: Callable, moto: str, tasks_file: Path, monkeypatch: pytest.MonkeyPatch
):
    """After Ctrl-C, the results so far are shown, the rest is unknown, and the exit code is 3."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)

    def interrupt(*_: Any, **__: Any) -> None:  # noqa: ANN401 - as there
        raise KeyboardInterrupt

    monkeypatch.setattr("exportstats.aws.deliveries._watch", interrupt)
    done = run("deliveries", tasks_file, "--s3-endpoint-url", moto, "--format", "csv")
    assert done.exit_code == 3
    assert len(done.stdout.splitlines()) == 4
    assert "stopped by the user" in done.stderr


@pytest.mark.usefixtures("credentials")
def test_deliveries_fits_80_columns(run: Callable, moto: str, tmp_path: Path):
    """The table fits 80 columns, with IDs as in AWS and with a very long prefix."""
    s3: Any = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **KEYS)
    s3.create_bucket(Bucket="bucket")
    for prefix in ("exportedlogs", "x" * 900):
        task = night(0, taskId="6a151be9-0dbe-4dd6-ab06-d1f3dd0df17c", destinationPrefix=prefix)
        file = tmp_path / "u.json"
        file.write_text(json.dumps({"exportTasks": [task]}))
        words = ["deliveries", file, "--s3-endpoint-url", moto]
        shown = run(*words, env=AS_TERMINAL).stdout
        lines = SGR.sub("", shown).splitlines()
        assert lines[0].startswith("1 COMPLETED task looked up")
        assert max(map(cell_len, lines)) <= 80
