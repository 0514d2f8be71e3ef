"""Tasks come from files in every form, standard input, and live AWS."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING

import pytest

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from exportstats.emulator import Emulator


def counts(done: Result) -> dict[str, int]:
    """Return the number of tasks in each state from `status --format json`."""
    return {row["status_code"]: row["tasks"] for row in json.loads(done.stdout) if row["tasks"]}


@pytest.mark.parametrize("ending", [".json", ".jsonl.gz", ".csv", ".json.zst", ".parquet"])
def test_files_of_every_kind_are_read(ending: str, run: Callable, tmp_path: Path):
    """Every format of `write_tasks` can be read."""
    xs.write_tasks(xs.sample_tasks(), tmp_path / f"tasks{ending}")
    done = run("status", tmp_path / f"tasks{ending}", "--format", "json")
    assert counts(done)["COMPLETED"] == 5884
    assert not done.stderr


def test_several_files_and_patterns_are_one_table(run: Callable, page: Callable, made: Callable):
    """Files and patterns are combined, and a task in two files counts once."""
    first, second, third = made(3)
    page(first, second, name="a.json")
    page(second, third, name="b.json")
    folder = page(name="other.txt").parent
    done = run("status", folder / "[ab].json", folder / "a.json", "--format", "json")
    assert counts(done) == {"COMPLETED": 3}


def test_standard_input_is_a_source(shell: Callable, page: Callable, made: Callable):
    """`aws logs describe-export-tasks | exportstats status -` works."""
    text = page(*made(2)).read_text(encoding="utf-8")
    done = shell("status", "-", "--format", "json", stdin=text)
    assert counts(done) == {"COMPLETED": 2}


@pytest.mark.parametrize(
    "words",
    [
        *("status", "status --by region", "status --freq D", "status --by region --freq D"),
        *("durations", "durations --by region", "durations --freq D"),
        *("failures", "failures --by region"),
    ],
)
def test_no_tasks_are_no_fault(words: str, run: Callable, page: Callable):
    """An empty source says so, gives an empty table in csv and json, and exits with 0."""
    command, *options = words.split()
    for kind in ("table", "markdown", "csv", "json"):
        done = run(command, page(), *options, "--format", kind)
        assert done.exit_code == 0
        assert not done.stderr
        if kind in ("table", "markdown"):
            assert done.stdout.startswith("no tasks\n")
        elif kind == "csv":
            assert "," in done.stdout.splitlines()[0]
        else:
            assert isinstance(json.loads(done.stdout), list)


@pytest.mark.parametrize("words", ["status", "durations --by region", "failures"])
def test_no_tasks_are_drawn_as_such(words: str, run: Callable, page: Callable):
    """A chart without tasks is drawn too."""
    command, *options = words.split()
    chart = page().with_name("chart.png")
    assert run(command, page(), *options, "--plot", chart).exit_code == 0
    assert chart.stat().st_size


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--status", "failed"], {"FAILED": 163}),
        (["--status", "PENDING_CANCEL"], {"PENDING_CANCEL": 1}),
        (["--task-id", "6a151be9-0dbe-4dd6-ab06-d1f3dd0df17c"], {"PENDING_CANCEL": 1}),
        (["--since", "2026-11-23T05:00Z"], {"PENDING": 1, "RUNNING": 1, "PENDING_CANCEL": 1}),
        (["--since", "2026-11-23T00:00-05:00"], {"PENDING": 1, "RUNNING": 1, "PENDING_CANCEL": 1}),
        (["--until", "2025-11-26", "--status", "COMPLETED"], {"COMPLETED": 14}),
        (["--since", "20251125", "--until", "2025-11-26T00:00"], {"COMPLETED": 14}),
    ],
)
def test_options_select_tasks(words: list[str], expected: dict, run: Callable, sample_file: Path):
    """--status, --task-id, --since and --until select tasks."""
    done = run("status", sample_file, *words, "--format", "json")
    assert counts(done) == expected
    assert not done.stderr


def test_since_is_inclusive_and_until_is_not(run: Callable, page: Callable, made: Callable):
    """--since includes a task created at that instant, --until does not."""
    path = page(*made(2))  # created at 22:13:20Z and an hour later
    middle = "2023-11-14T23:13:20Z"
    assert counts(run("status", path, "--since", middle, "--format=json")) == {"COMPLETED": 1}
    assert counts(run("status", path, "--until", middle, "--format=json")) == {"COMPLETED": 1}
    assert run("status", path, "--until", middle).stdout.startswith("1 task, created 2023-11-14\n")


@pytest.mark.parametrize(("ago", "kept"), [("90m", 1), ("3h", 2), ("2d", 3), ("1w", 4), ("0m", 0)])
def test_since_may_be_so_long_ago(
    ago: str, kept: int, run: Callable, page: Callable, made: Callable
):
    """90m, 3h, 2d and 1w are ages, counted back from now."""
    now = dt.datetime.now(dt.UTC)
    ages = [dt.timedelta(minutes=1), dt.timedelta(hours=2), dt.timedelta(1), dt.timedelta(6)]
    tasks = [
        {**task, "executionInfo": {"creationTime": int((now - age).timestamp() * 1000)}}
        for task, age in zip(made(4), ages, strict=True)
    ]
    done = run("status", page(*tasks), "--since", ago, "--format", "json")
    assert sum(counts(done).values()) == kept


def test_tasks_without_a_completion_time_are_counted(run: Callable, page: Callable, made: Callable):
    """Tasks without a creation time that --since leaves out are counted."""
    first, second = made(2)
    done = run("status", page(first, {**second, "executionInfo": {}}), "--since", "2000-01-01")
    assert "1 task, created" in done.stdout
    assert "1 tasks without a creation time are left out" in done.stderr


def test_filters_that_leave_nothing_say_so(run: Callable, sample_file: Path):
    """Filters that leave no task are reported, and the exit code is 0."""
    done = run("status", sample_file, "--until", "2000-01-01")
    assert done.exit_code == 0
    assert done.stdout.startswith("no tasks")
    assert done.stderr == ("exportstats: none of 6,096 tasks matches --until 2000-01-01T00:00Z\n")


def test_rows_that_are_no_tasks_are_reported(run: Callable, page: Callable, made: Callable):
    """An invalid row is reported in one line, and the exit code is 3."""
    done = run("status", page(*made(2), {"taskName": "nameless"}), "--format", "json")
    assert done.exit_code == 3
    assert counts(done) == {"COMPLETED": 2}
    assert done.stderr.startswith("exportstats: ")
    assert done.stderr.count("\n") == 1
    assert "page.json" in done.stderr


def test_without_a_file_aws_is_asked(run: Callable, live: Emulator):
    """Without a source, all pages are fetched from the endpoint."""
    done = run("status", "--format", "json")
    assert counts(done) == {
        "COMPLETED": 1578,
        "FAILED": 46,
        "CANCELLED": 16,
        "PENDING_CANCEL": 1,
    }
    assert not done.stderr
    assert len(live.requests) == 34  # 33 pages, and whose they are


def test_state_and_identifier_are_asked_of_aws(run: Callable, live: Emulator):
    """--status and --task-id are part of the request."""
    assert counts(run("status", "--status", "failed", "--format", "json")) == {"FAILED": 46}
    assert [asked["statusCode"] for asked in listings(live)] == ["FAILED"]
    live.requests.clear()
    wanted = "6a151be9-0dbe-4dd6-ab06-d1f3dd0df17c"
    assert counts(run("status", "--task-id", wanted, "--format=json")) == {"PENDING_CANCEL": 1}
    assert [asked["taskId"] for asked in listings(live)] == [wanted]


def listings(live: Emulator) -> list[dict]:
    """Return the parameters of the requests for tasks."""
    return [one.params for one in live.requests if one.operation == "DescribeExportTasks"]


def test_aws_without_such_tasks_is_no_fault(run: Callable, live: Emulator):
    """If AWS has no such tasks, the exit code is 0, with a hint to check the place."""
    done = run("durations", "--region", "eu-north-1")
    assert done.exit_code == 0
    assert done.stdout.startswith("no tasks")
    assert done.stderr == (
        "exportstats: AWS lists no such tasks; check the account and the region\n"
    )


def test_profile_region_and_endpoint_say_whom_to_ask(
    run: Callable, live: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """--profile, --region and --endpoint-url override the environment."""
    config = tmp_path / "config"
    config.write_text(
        "[profile audit]\naws_access_key_id = 444455556666\naws_secret_access_key = made-up\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    done = run("status", "--profile=audit", "--region=sa-east-1", "--endpoint-url", live.url)
    assert done.exit_code == 0
    assert {(r.account, r.region) for r in live.requests} == {("444455556666", "sa-east-1")}


@pytest.mark.parametrize(
    "kind", ["status", "status --by log_group_name", "durations", "durations --freq D", "failures"]
)
def test_plot_draws_the_same_table(kind: str, run: Callable, sample_file: Path):
    """--plot writes a complete picture in the format of its suffix, and names it on stderr."""
    ending = {"failures": ".pdf", "durations": ".SVG"}.get(kind, ".png")
    chart = sample_file.with_name(f"chart{ending}")
    command, *options = kind.split()
    since = ["--since", "2026-11-01"]
    done = run(command, sample_file, *options, *since, "--plot", chart, "--format", "csv")
    assert done.exit_code == 0
    begins = {".png": b"\x89PNG", ".SVG": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert chart.read_bytes().startswith(begins)
    assert done.stderr == f"exportstats: the chart is in {chart}\n"
    chart.unlink()
    assert [path.name for path in sample_file.parent.iterdir()] == [sample_file.name]


def test_odd_names_are_names_of_files(
    run: Callable, page: Callable, made: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Links, spaces, brackets, and a leading dash after `--`, are read."""
    path = page(*made(1))
    path.with_name("link").symlink_to(path)
    monkeypatch.chdir(path.parent)
    for name in ("a b.json", "[1].json", "-dash.json"):
        shutil.copy(path, name)
    for name in ("link", "a b.json", "[1].json", "-dash.json"):
        assert counts(run("status", "--format", "json", "--", name)) == {"COMPLETED": 1}
