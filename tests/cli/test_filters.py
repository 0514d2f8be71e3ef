"""Commands select tasks by log group, account, region, state and time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from exportstats.emulator import Emulator

DAY, HOUR = 86_400_000, 3_600_000
FIRST = 20_000 * DAY  # 2024-10-04
RANGE = ["--since", "2024-10-04", "--until", "2024-10-08"]
NAMES = ["/acme/api", "/acme/web", "/Acme/api", "other[1]"]


def task(number: int, name: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a task's
    """Return a task that exports one day."""
    return {
        "accountId": "111122223333",
        "region": "eu-west-1",
        "taskId": f"{name}-{number}",
        "logGroupName": name,
        "from": FIRST + number * DAY,
        "to": FIRST + (number + 1) * DAY - 1,
        "destination": "bucket",
        "status": {"code": "COMPLETED"},
        "executionInfo": {
            "creationTime": FIRST + (number + 1) * DAY + 13 * HOUR,
            "completionTime": FIRST + (number + 1) * DAY + 14 * HOUR,
        },
        "observedAt": FIRST + 6 * DAY,
        **fields,
    }


@pytest.fixture
def tasks(page: Callable) -> Path:
    """Write four days of four log groups; the third of one FAILED, one is in another slot."""
    made = [task(number, name) for name in NAMES for number in range(4)]
    made[2]["status"] = {"code": "FAILED"}
    elsewhere = task(9, "/acme/api", accountId="444455556666", region="us-east-1")
    return page(*made, elsewhere)


def ids(done: Result) -> list[str]:
    """Return the IDs that `tasks --format json` printed."""
    assert done.exit_code == 0, done.stderr
    return sorted(row["task_id"] for row in json.loads(done.stdout))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--log-group", "/acme/web"], {"/acme/web"}),
        (["--log-group", "/acme/*"], {"/acme/api", "/acme/web"}),
        (["--log-group", "*/api"], {"/acme/api", "/Acme/api"}),
        (["--log-group", "*cme*a*"], {"/acme/api", "/Acme/api"}),
        (["--log-group", "other[1]"], {"other[1]"}),
        (["--log-group", "/acme/web", "--log-group", "o*"], {"/acme/web", "other[1]"}),
        (["--log-group", "*"], set(NAMES)),
    ],
)
def test_log_groups_are_selected(words: list[str], names: set[str], run: Callable, tasks: Path):
    """A name is exact and case-sensitive, * matches any text, and several are combined."""
    done = run("tasks", tasks, *words, "--format", "json")
    assert {row["log_group_name"] for row in json.loads(done.stdout)} == names
    assert not done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--account", "444455556666"], ["/acme/api-9"]),
        (["--region", "us-east-1"], ["/acme/api-9"]),
        (["--status", "failed"], ["/acme/api-2"]),
        (["--task-id", "other[1]-3"], ["other[1]-3"]),
        (["--until", "2024-10-06", "--log-group", "/acme/web"], ["/acme/web-0"]),
        (["--since", "2024-10-08", "--log-group", "/acme/web"], ["/acme/web-3"]),
    ],
)
def test_other_filters_select(words: list[str], expected: list[str], run: Callable, tasks: Path):
    """Account, region, state, ID and times select the tasks that have them."""
    assert ids(run("tasks", tasks, *words, "--format", "json")) == expected


def test_account_and_region_say_whose_tasks_a_file_has(run: Callable, page: Callable):
    """Tasks without account and region get the given ones; others keep theirs."""
    nameless = {**task(0, "/a"), "accountId": None, "region": None}
    file = page(nameless, task(1, "/a"), task(2, "/a", region="us-east-1"))
    words = ["--account", "111122223333", "--region", "eu-west-1", "--format", "json"]
    rows = json.loads(run("tasks", file, *words).stdout)
    assert {(row["task_id"], row["account_id"], row["region"]) for row in rows} == {
        ("/a-0", "111122223333", "eu-west-1"),
        ("/a-1", "111122223333", "eu-west-1"),
    }


@pytest.mark.parametrize(
    "command",
    [
        *("tasks", "status", "durations", "failures", "curve", "slots", "slow", "slow --lasting"),
        *("eta", "compare --current 2024-W41 --previous 2024-W40", "report --week 2024-W41"),
        *(f"{name} --since 2024-10-04 --until 2024-10-08" for name in ("coverage", "gaps")),
        "backfill --since 2024-10-04 --until 2024-10-08",
    ],
)
def test_every_command_selects_by_place(command: str, run: Callable, tasks: Path):
    """Each command on tasks of files can select log groups, an account and a region."""
    name, *options = command.split()
    words = ["--log-group", "/acme/api", "--account", "111122223333", "--region", "eu-west-1"]
    done = run(name, tasks, *options, *words)
    assert done.exit_code == 0, done.stderr
    assert "web" not in done.stdout


def test_live_tasks_are_selected(run: Callable, live: Emulator):
    """The same options select live tasks."""
    done = run("tasks", "--format", "json")
    rows = json.loads(done.stdout)
    name = rows[0]["log_group_name"]
    wanted = sorted(row["task_id"] for row in rows if row["log_group_name"] == name)
    assert 0 < len(wanted) < len(rows)
    done = run("tasks", "--log-group", name, "--account", "111122223333", "--format", "json")
    assert ids(done) == wanted
    assert ids(run("tasks", "--account", "999999999999", "--format", "json")) == []


def test_only_the_account_is_asked(run: Callable, live: Emulator, tmp_path: Path):
    """Of many targets, only those of the account are asked; an unknown one is wrong usage."""
    file = tmp_path / "targets.csv"
    rows = [f"{account},eu-west-1" for account in ("111122223333", "444455556666")]
    file.write_text("\n".join(["account_id,region", *rows]))
    done = run("status", "--targets", file, "--account", "111122223333")
    assert done.exit_code == 0, done.stderr
    assert "asking 1 targets" in done.stderr
    done = run("status", "--targets", file, "--account", "999999999999")
    assert done.exit_code == 2
    assert "none of 2 targets is in account 999999999999" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--log-group", "/acme/apo"],
            "tasks matches --log-group /acme/apo; did you mean",
        ),
        (["--log-group", "web"], "--log-group web; did you mean /acme/web?"),
        (["--log-group", "zzz"], "none of 17 tasks matches --log-group zzz\n"),
        (["--status", "CANCELLED"], "none of 17 tasks matches --status CANCELLED\n"),
        (
            ["--log-group", "/acme/web", "--since", "2030-01-01"],
            "none of 17 tasks matches --log-group /acme/web --since 2030-01-01T00:00Z\n",
        ),
    ],
)
def test_a_filter_that_leaves_nothing_says_so(
    words: list[str], said: str, run: Callable, tasks: Path
):
    """The message has the filter, and log groups with similar names."""
    done = run("status", tasks, *words)
    assert done.exit_code == 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_log_group_among_others_is_named(run: Callable, tasks: Path):
    """Each pattern that matches no task is reported, even if others match."""
    done = run("status", tasks, "--log-group", "/acme/web", "--log-group", "/acme/wep")
    assert "no log group matches --log-group /acme/wep; did you mean /acme/web" in done.stderr
    assert done.stdout.startswith("4 tasks")


@pytest.mark.parametrize("command", ["gaps", "coverage", "backfill", "report"])
def test_coverage_of_nothing_is_wrong_usage(command: str, run: Callable, tasks: Path):
    """An unknown log group is refused, because no gaps would look like an answer."""
    options = ["--week", "2024-W41"] if command == "report" else RANGE
    done = run(command, tasks, *options, "--log-group", "/acme/apo")
    assert done.exit_code == 2
    assert "none of 17 tasks matches --log-group /acme/apo; did you mean /acme/api" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("option", ["--status", "--task-id"])
@pytest.mark.parametrize("command", ["gaps", "coverage", "backfill", "report"])
def test_coverage_is_not_selected_by_state(command: str, option: str, run: Callable, tasks: Path):
    """Coverage needs tasks in all states, so its commands have no options to select them."""
    done = run(command, tasks, f"{option}=FAILED")
    assert done.exit_code == 2
    assert "No such option" in done.stderr


def test_log_groups_are_selected_like_tasks(run: Callable, tasks: Path, groups_file: Callable):
    """The filter applies to --log-groups too, including log groups never exported."""
    same = {"accountId": "111122223333", "region": "eu-west-1", "creationTime": 0}
    groups = groups_file(
        *({**same, "logGroupName": name} for name in (*NAMES, "/acme/never", "never"))
    )
    words = ["--log-groups", groups, "--format", "json"]
    for wanted, expected in (
        ("/acme/*", {"/acme/api", "/acme/never"}),
        ("/acme/never", {"/acme/never"}),
        ("/acme/web", set()),
    ):
        done = run("gaps", tasks, *RANGE, *words, "--log-group", wanted)
        assert done.exit_code == 0, done.stderr
        assert {row["log_group_name"] for row in json.loads(done.stdout)} == expected
        assert "fits" not in done.stderr


def test_what_was_observed_does_not_depend_on_the_log_group(run: Callable, tasks: Path):
    """The default range is that of all tasks, not of the selected ones."""
    whole = run("gaps", tasks).stdout.splitlines()[0].partition(", 20")[2]
    done = run("gaps", tasks, "--log-group", "/acme/api", "--account", "111122223333")
    assert done.stdout.splitlines()[0].endswith(whole)


def test_log_groups_of_several_files(run: Callable, tasks: Path, tmp_path: Path):
    """`--log-groups` can be repeated and takes patterns; each log group counts once."""
    for number in range(3):
        names = [f"new-{number}", "/acme/api"]
        same = {"accountId": "111122223333", "region": "eu-west-1", "creationTime": 0}
        groups = [{**same, "logGroupName": name} for name in names]
        (tmp_path / f"lg_{number}.json").write_text(json.dumps({"logGroups": groups}))
    for words in (
        [word for number in range(3) for word in ("--log-groups", tmp_path / f"lg_{number}.json")],
        ["--log-groups", tmp_path / "lg_*.json"],
    ):
        done = run("coverage", tasks, *RANGE, *words, "--format", "json")
        names = [row["log_group_name"] for row in json.loads(done.stdout)]
        assert {"new-0", "new-1", "new-2"} < set(names)
        assert names.count("/acme/api") == 1


def test_eta_needs_all_and_shows_what_is_wanted(run: Callable, page: Callable):
    """The forecast of a task is the same whether it is shown alone or not."""
    done = [task(number, "/a") for number in range(30)]
    active = [
        task(40 + number, name, taskId=name, status={"code": code}, observedAt=FIRST + 60 * DAY)
        for number, (name, code) in enumerate([("/a", "RUNNING"), ("/b", "PENDING")])
    ]
    for one in active:
        one["executionInfo"] = {"creationTime": FIRST + 60 * DAY - HOUR // 2}
    file = page(*done, *active)
    both = json.loads(run("eta", file, "--format", "json").stdout)
    assert [row["task_id"] for row in both] == ["/a", "/b"]
    for words in (["--log-group", "/b"], ["--status", "PENDING"], ["--task-id", "/b"]):
        shown = run("eta", file, *words, "--format", "json")
        assert json.loads(shown.stdout) == [row for row in both if row["task_id"] == "/b"]
        assert not shown.stderr


def test_options_of_the_other_way_in_are_refused(run: Callable, tasks: Path, live: Emulator):
    """Options for files are refused with live AWS, and the other way round."""
    for words in (["--strict"], ["--times-in", "s"]):
        done = run("status", *words)
        assert done.exit_code == 2
        assert f"{words[0]} is for files; leave it out, or name a file" in done.stderr
    done = run("status", tasks, "--all-regions")
    assert done.exit_code == 2
    assert "--all-regions is for AWS" in done.stderr
    assert not live.requests


def test_times_in_another_unit_are_read(run: Callable, page: Callable):
    """`--times-in s` reads seconds, and an unknown unit is refused."""
    times = {"creationTime": 1_700_000_000, "completionTime": 1_700_000_012}
    file = page({"taskId": "a", "status": {"code": "COMPLETED"}, "executionInfo": times})
    rows = json.loads(run("tasks", file, "--times-in", "s", "--format", "json").stdout)
    assert rows[0]["duration_seconds"] == 12
    assert rows[0]["creation_time"] == "2023-11-14T22:13:20.000Z"
    done = run("tasks", file, "--times-in", "weeks")
    assert done.exit_code == 2
    assert "weeks" in done.stderr


def test_strict_refuses_the_whole(run: Callable, page: Callable, groups_file: Callable):
    """With `--strict`, one invalid row ends the command with 1, for log groups too."""
    file = page(task(0, "/a"), {"taskName": "nameless"})
    assert run("status", file).exit_code == 3
    done = run("status", file, "--strict")
    assert done.exit_code == 1
    assert not done.stdout
    good = page(task(0, "/a"), name="good.json")
    groups = groups_file({"logGroupName": "/a"}, {"arn": "x"})
    assert run("gaps", good, *RANGE, "--log-groups", groups).exit_code == 3
    assert run("gaps", good, *RANGE, "--log-groups", groups, "--strict").exit_code == 1
