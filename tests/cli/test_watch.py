"""`watch` polls the active tasks of many targets until none is active."""

from __future__ import annotations

import re
import shutil
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR, is_harmless

import exportstats as xs
from exportstats.cli import watching
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACCOUNT, REGION, OTHER = "111122223333", "eu-west-1", "444455556666"
NOW = int(time.time() * 1000) - 60_000  # the emulator's clock is this machine's
# Moves the cursor and erases lines; what a live table does, and no name may.
CURSOR = re.compile(r"\x1b\[(?:\?25[hl]|\d*[AK])")


def active(task_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a RUNNING task."""
    return {
        "accountId": ACCOUNT,
        "region": REGION,
        "taskId": task_id,
        "logGroupName": "/app",
        "status": {"code": "RUNNING"},
        "executionInfo": {"creationTime": NOW},
        **fields,
    }


def end(emulator: Emulator, task_id: str, state: str = "COMPLETED") -> None:
    """End a task after a minute and a half."""
    over = {"completionTime": NOW + 90_000}
    emulator.update(task_id, status={"code": state, "message": "so it is"}, executionInfo=over)


@pytest.fixture
def two_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set up a profile for each of two accounts, and return a targets file of both."""
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"[profile {name}]\naws_access_key_id={key}\naws_secret_access_key=made-up\n"
            for name, key in (("one", ACCOUNT), ("two", OTHER))
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    targets = tmp_path / "targets.csv"
    targets.write_text(f"region,profile\n{REGION},one\n{REGION},two\n")
    return targets


@pytest.fixture
def live_run(run: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Run the command as in a terminal, with a callback at each poll instead of sleeping."""

    def begin(*words: object, looks: list[Callable[[], object]]) -> Any:  # noqa: ANN401
        waiting = iter(looks)
        terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr(watching, "sys", terminal)
        monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=lambda _: next(waiting)()))
        return run("watch", *words, env=AS_TERMINAL | {"LINES": "24"})

    return begin


def watched(url: str, targets: list[xs.Target] | None = None) -> watching.Watched:
    """Start to watch an emulator."""
    return watching.Watched(targets=targets, profile=None, region=None, endpoint_url=url)


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED"])
def test_a_task_is_followed_to_each_of_its_ends(serve: Callable, made: Callable, state: str):
    """A poll reports new states, new tasks, and once each end with its outcome."""
    emulator = serve([active("the-one"), *made(30)])
    seen = watched(emulator.url)
    emulator.update("the-one", status={"code": "PENDING_CANCEL"})
    emulator.add(active("another"))
    assert seen.poll().empty
    told = xs.estimate_completion(seen.tasks)
    assert told.set_index("task_id")["status_code"].to_dict() == {
        "the-one": "PENDING_CANCEL",
        "another": "RUNNING",
    }
    assert (told["n"] == 30).all(), "the history is that of the first load"
    end(emulator, "the-one", state)
    (row,) = seen.poll().itertuples()
    assert (row.task_id, row.status_code, row.status_message) == ("the-one", state, "so it is")
    assert row.duration.total_seconds() == 90
    assert seen.poll().empty
    assert xs.estimate_completion(seen.tasks)["task_id"].to_list() == ["another"]


def test_a_look_is_three_requests(serve: Callable, made: Callable):
    """A poll is one request per active state, and one for each task that has ended."""
    emulator = serve([active("the-one"), *made(19_000)])
    seen = watched(emulator.url)
    asked = [one for one in emulator.requests if one.operation == "DescribeExportTasks"]
    states = [one.params.get("statusCode") for one in asked]
    assert states == ["PENDING", "RUNNING", "PENDING_CANCEL", *[None] * 10], "active ones first"
    emulator.requests.clear()
    seen.poll()
    asked = [request.params.get("statusCode") for request in emulator.requests]
    assert asked == ["PENDING", "RUNNING", "PENDING_CANCEL"], "in the order of a task's life"
    end(emulator, "the-one")
    emulator.requests.clear()
    seen.poll()
    assert [request.params.get("taskId") for request in emulator.requests][3:] == ["the-one"]


def test_only_whose_a_task_may_be_is_asked_for_its_end(serve: Callable):
    """Other regions are not asked for a history or for a task that has ended."""
    emulator = serve([active("the-one")])
    targets = [xs.Target(ACCOUNT, REGION), xs.Target(ACCOUNT, "us-east-1")]
    seen = watched(emulator.url, targets)
    pages = [one for one in emulator.requests if one.operation == "DescribeExportTasks"]
    assert {one.region for one in pages if "statusCode" not in one.params} == {REGION}
    end(emulator, "the-one")
    emulator.requests.clear()
    assert len(seen.poll()) == 1
    by_id = [request for request in emulator.requests if "taskId" in request.params]
    assert [request.region for request in by_id] == [REGION]


def test_a_failing_target_never_stops_the_others(
    live_run: Callable, serve: Callable, two_accounts: Path
):
    """A failing target is listed, keeps its tasks, and the exit code is 3."""
    here = active("here", logGroupName="/here")
    there = active("there", accountId=OTHER, logGroupName="/there")
    emulator = serve([here, there])

    def fail() -> None:
        emulator._faults = (Fault.parse(f"deny@{OTHER}"),)
        end(emulator, "here")

    def give_up() -> None:
        raise KeyboardInterrupt

    done = live_run("--targets", two_accounts, looks=[fail, give_up])
    shown = SGR.sub("", done.stdout)
    assert f"{ACCOUNT} {REGION} /here: COMPLETED after 1 min 30 s" in shown
    last = shown[shown.rindex("active task") :]
    assert "/there" in last
    assert "/here" not in last
    assert "AccessDenied" in last
    assert (done.exit_code, "stopped" in done.stderr) == (130, True)

    emulator._faults = (Fault.parse(f"deny@{OTHER}"),)
    done = live_run("--targets", two_accounts, looks=[])
    assert done.exit_code == 3
    assert "no active tasks" in SGR.sub("", done.stdout)


def test_it_ends_when_nothing_is_active(live_run: Callable, serve: Callable, made: Callable):
    """It ends with 0 when nothing is active; a target that failed is tried again."""
    emulator = serve([active("the-one"), *made(30)])

    def away() -> None:
        emulator._faults = (Fault.parse("deny"),)

    def back() -> None:
        emulator._faults = ()

    looks = [away, back, lambda: end(emulator, "the-one", "FAILED")]
    done = live_run("--interval", "60", looks=looks)
    assert done.exit_code == 0
    shown = SGR.sub("", done.stdout)
    assert re.search(
        r"1 active task at \S+ \d\d:\d\d:\d\d UTC, refreshed every 60 s until Ctrl-C", shown
    )
    assert "/app: FAILED after 1 min 30 s: so it is" in " ".join(shown.split())
    assert re.search(r"no active tasks at \S+ \d\d:\d\d:\d\d UTC\s*$", CURSOR.sub("", shown))
    assert not done.stderr


def test_an_archive_keeps_what_is_seen(
    live_run: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """With --archive, it has each look at an active task, its end, and the newest tasks."""
    created = int(time.time() * 1000) - 60_000
    info = {"creationTime": created}
    emulator = serve(
        [active("the-one", status={"code": "PENDING"}, executionInfo=info), *made(600)]
    )

    def later(**changes: Any) -> None:  # noqa: ANN401
        emulator._ahead_seconds += 60
        emulator.update("the-one", **changes)

    over = {"completionTime": created + 200_000}
    looks = [
        lambda: later(status={"code": "RUNNING"}),
        later,
        lambda: later(status={"code": "COMPLETED"}, executionInfo=over),
    ]
    done = live_run("--archive", tmp_path / "history", looks=looks)
    assert (done.exit_code, done.stderr) == (0, "")
    archive = xs.Archive(tmp_path / "history")
    seen = archive.history("the-one")
    states = seen["status_code"].to_list()
    assert list(dict.fromkeys(states)) == ["PENDING", "RUNNING", "COMPLETED"]
    # the first poll may see it twice, and in two different seconds
    assert 2 <= states.count("RUNNING") <= 3
    assert len(archive.tasks()) == 500
    (phases,) = xs.phase_durations(seen).to_dict("records")
    assert phases["waiting_low"].total_seconds() == pytest.approx(60, abs=15)
    assert phases["waiting_high"].total_seconds() == pytest.approx(121, abs=15)
    assert phases["looks"] == len(states) - 1


@pytest.mark.parametrize("when", ["at first", "later"])
def test_an_archive_that_fails_stops_nothing(
    live_run: Callable, serve: Callable, tmp_path: Path, when: str
):
    """A failing archive is reported once on stderr, and the exit code stays 0."""
    emulator = serve([active("the-one")])
    above = tmp_path / "above"
    where = above / "history"

    def spoil() -> None:
        if above.is_dir():
            shutil.rmtree(above)
        above.write_text("not a folder")

    if when == "at first":
        spoil()
    looks = [spoil, lambda: None, lambda: end(emulator, "the-one")]
    done = live_run("--archive", where, looks=looks)
    assert done.exit_code == 0
    assert done.stderr.count("what is seen is not kept: ") == 1
    assert "/app: COMPLETED after 1 min 30 s" in " ".join(SGR.sub("", done.stdout).split())


def test_in_a_terminal_a_failing_archive_is_read(
    terminal: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """The message stays above the table."""
    serve([active("the-one"), *made(30)])
    (tmp_path / "file").write_text("not a folder")
    where = tmp_path / "file" / "history"
    code, shown = terminal("watch", "--archive", str(where), stop_at="/app", TERM="xterm")
    assert code == 130
    assert "what is seen is not kept" in SGR.sub("", shown)


def test_nothing_of_a_name_is_obeyed_and_all_fits(live_run: Callable, serve: Callable):
    """Hostile names are text, and the table fits the width and height."""
    names = ["\x1b[2J\x1b[31mred", "\u202egnp.exe", "[bold]markup[/bold]", "日本語" * 30, "a\nb"]
    tasks = [active(f"task-{number}", logGroupName=names[number % 5]) for number in range(25)]
    emulator = serve(tasks)
    done = live_run(looks=[lambda: [end(emulator, task["taskId"], "FAILED") for task in tasks]])
    shown = CURSOR.sub("\n", SGR.sub("", done.stdout)).replace("\r", "\n")
    assert is_harmless(shown)
    assert max(map(cell_len, shown.splitlines())) <= 80
    table = shown[shown.index("25 active") : shown.index(" more") + 5].splitlines()
    assert len(table) < 24
    assert re.fullmatch(r"… and \d+ more", table[-1])
    assert "[bold]" in shown


def test_without_a_terminal_it_is_one_table(
    run: Callable, terminal: Callable, serve: Callable, made: Callable
):
    """In a pipe, and with --once, it prints the current forecasts and ends."""
    serve([active("the-one"), *made(30)])
    done = run("watch")
    assert done.exit_code == 0
    title, _, head, _, row = done.stdout.splitlines()
    assert title == "1 active task"
    assert head.split() == [
        *("account_id", "region", "log_group_name", "state", "left", "from", "to", "time-out"),
        *("elapsed", "ends", "n"),
    ]
    assert row.split()[:4] == [ACCOUNT, REGION, "/app", "RUNNING"]
    code, shown = terminal("watch", "--once")
    assert code == 0
    assert "1 active task, account_id" in SGR.sub("", shown)


def test_nothing_active_is_reported_at_once(run: Callable, serve: Callable, made: Callable):
    """Without active tasks, it ends without fetching a history."""
    emulator = serve(made(3))
    done = run("watch")
    assert (done.exit_code, done.stdout) == (0, "no active tasks\n")
    asked = [one for one in emulator.requests if one.operation == "DescribeExportTasks"]
    assert len(asked) == 3


def test_what_cannot_be_watched_is_one_line(run: Callable, serve: Callable, two_accounts: Path):
    """An interval below 5 s is refused; if no target answers, the exit code is 1."""
    assert run("watch", "--interval", "4").exit_code == 2
    serve([active("the-one")], faults=[Fault.parse("deny")])
    done = run("watch")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    done = run("watch", "--targets", two_accounts)
    assert done.exit_code == 1
    assert "2 of 2 targets failed" in done.stderr
    done = run("watch", "--profile", "nobody")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)


def test_only_what_is_asked_for_is_watched(run: Callable, serve: Callable):
    """Log groups can be selected, and an unknown one is reported."""
    serve([active("a", logGroupName="/a"), active("b", logGroupName="/b")])
    done = run("watch", "--once", "--log-group", "/a", "--log-group", "/aa")
    assert done.exit_code == 0
    assert done.stdout.startswith("1 active task\n")
    assert "/b" not in done.stdout
    told = "exportstats: no log group among the newest tasks matches --log-group /aa"
    assert done.stderr == f"{told}; did you mean /a?\n"


def test_ctrl_c_leaves_a_clean_screen(terminal: Callable, serve: Callable, made: Callable):
    """The last table stays, the cursor is shown again, and the exit code is 130."""
    serve([active("the-one"), *made(30)])
    code, shown = terminal("watch", stop_at="/app")
    assert code == 130
    assert "Traceback" not in shown
    after = shown[shown.rindex("/app") :]
    assert "\x1b[?25h" in after
    assert not re.search(r"\x1b\[(\d*A|2?K)", after), "nothing is erased"
    assert after.rstrip().endswith("exportstats: stopped")
