"""`tonight`: when the expected exports will be done."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.emulator import Emulator

DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
NOW = 1_795_413_600_000  # 2026-11-23T06:00Z


def nightly(name: str, at: int, lasts: int, *, nights: int = 20) -> list[dict[str, Any]]:
    """Return an export for each night, created `at` ms after midnight."""
    midnight = NOW - 6 * HOUR
    return [
        {
            "taskId": f"{name}-{night}",
            "accountId": "111122223333",
            "region": "eu-west-1",
            "logGroupName": name,
            "from": created - 2 * DAY,
            "to": created - DAY - 1,
            "status": {"code": "COMPLETED"},
            "executionInfo": {"creationTime": created, "completionTime": created + lasts},
            "observedAt": NOW,
        }
        for night in range(1, nights + 1)
        for created in [midnight - night * DAY + at]
    ]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Write a file of two log groups: 23:00 for 30 minutes and 23:15 for an hour."""
    path = tmp_path / "two.json"
    rows = [*nightly("a", 23 * HOUR, 30 * MINUTE)]
    rows += nightly("b", 23 * HOUR + 15 * MINUTE, 76 * MINUTE)
    path.write_text(json.dumps({"exportTasks": rows}))
    return path


def test_each_slot(run: Callable, two: Path):
    """The table is that of the library, and messages say how sure it is."""
    done = run("tonight", two, "--format", "json")
    (row,) = json.loads(done.stdout)
    # a task that is created while another one is active takes 60 minutes from its turn on
    assert row["expected_done"].startswith("2026-11-24T00:3")
    assert row["exports"] == pytest.approx(2, abs=0.05)
    shown = run("tonight", two)
    assert shown.exit_code == 0
    assert "2 exports expected in 1 slot, 2026-11-23 06:00 to 2026-11-24 06:00 UTC" in shown.stdout
    assert "all is expected to be done by 2026-11-24 00:3" in shown.stderr
    assert "in eight of ten cases from" in shown.stderr


@pytest.mark.parametrize(("by", "code"), [("03:00", 0), ("23:45", 4)])
def test_check(run: Callable, two: Path, by: str, code: int):
    """With --check, the exit code is 4 if it may not be done by then."""
    done = run("tonight", two, "--by", by, "--check")
    assert done.exit_code == code
    assert "UTC with a probability of" in done.stderr
    assert run("tonight", two, "--by", by).exit_code == 0


def test_earlier_start_times(run: Callable, two: Path):
    """If they could begin earlier, late exports have a remedy."""
    done = run("tonight", two, "--by", "2026-11-24T00:10Z", "--check", "--confidence", "0.8")
    assert done.exit_code == 4
    assert "each begun 12 h after its window or earlier, it would be 100 %" in done.stderr
    none = run("tonight", two, "--start", "06:10", "--by", "06:45", "--check")
    assert "each begun 12 h after its window or earlier, it would be no more" in none.stderr
    moved = run("tonight", two, "--start", "20:00", "--by", "2026-11-24T00:10Z", "--check")
    assert moved.exit_code == 0


def test_more_exports(run: Callable, two: Path):
    """Added exports come after the others; --fit counts how many more there could be."""
    first, more = (
        json.loads(run("tonight", two, *words, "--format", "json").stdout)[0]
        for words in ((), ("--add", "6x10m"))
    )
    ends = [pd.Timestamp(row["expected_done"]) for row in (first, more)]
    assert (ends[1] - ends[0]).total_seconds() / 60 == pytest.approx(60, abs=2)
    fit = run("tonight", two, "--by", "03:00", "--fit", "10m", "--format", "json")
    (row,) = json.loads(fit.stdout)
    assert row["fit_low"] == pytest.approx((3 * 60 - 35) // 10, abs=1)


def test_each_export(run: Callable, two: Path):
    """--exports lists them in the order in which they begin, as the library has them."""
    done = run("tonight", two, "--exports", "--format", "json")
    rows = json.loads(done.stdout)
    assert [row["log_group_name"] for row in rows] == ["a", "b"]
    tasks = xs.read_tasks(two)
    exports = xs.expected_exports(tasks, start="2026-11-23T06:00Z", end="2026-11-24T06:00Z")
    found = xs.simulate_queue(tasks, exports).exports
    ends = [pd.Timestamp(row["expected_end"]) for row in rows]
    assert ends == found["expected_end"].to_list()
    only = run("tonight", two, "--exports", "--log-group", "b", "--format", "json")
    assert json.loads(only.stdout) == [rows[1]]
    none = run("tonight", two, "--log-group", "c")
    assert none.exit_code == 2
    assert "matches --log-group c" in none.stderr


def test_nothing_expected(run: Callable, tmp_path: Path):
    """No rhythm and no recent tasks are two answers; the second one is incomplete."""
    path = tmp_path / "once.json"
    path.write_text(json.dumps({"exportTasks": nightly("a", HOUR, MINUTE, nights=1)}))
    once = run("tonight", path)
    assert (once.exit_code, "no exports are expected" in once.stdout) == (0, True)
    assert "seen on two of the last 28 days" in once.stderr
    old = nightly("a", HOUR, MINUTE, nights=60)[40:]
    path.write_text(json.dumps({"exportTasks": old}))
    done = run("tonight", path, "--by", "08:00", "--check")
    assert done.exit_code == 3
    assert "no task was created in the 28 days before that" in done.stderr


def test_guesses(run: Callable, tmp_path: Path):
    """A short history is said to be one."""
    path = tmp_path / "few.json"
    path.write_text(json.dumps({"exportTasks": nightly("a", 8 * HOUR, MINUTE, nights=5)}))
    done = run("tonight", path)
    assert "1 of 1 forecasts are guesses: fewer than 20 durations" in done.stderr


def test_without_times_of_observation(run: Callable, tmp_path: Path):
    """The output of the AWS CLI does not say when it was observed, so nothing is forecast."""
    path = tmp_path / "aws.json"
    rows = nightly("a", HOUR, MINUTE)
    for row in rows:
        del row["observedAt"]
    path.write_text(json.dumps({"exportTasks": rows}))
    done = run("tonight", path)
    assert done.exit_code == 2
    assert "no task has a time of observation" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--check"], "--check needs --by"),
        (["--fit", "5m"], "--fit needs --by"),
        (["--add", "5m"], "'5m' is not a number of exports and their length; use 30x5m"),
        (["--add", "3x-5m"], "use 30x5m"),
        (["--by", "25:00"], "'25:00' is not a time; use 06:00, in UTC"),
        (["--by", "2026-11-22"], "--by 2026-11-22 is not after 2026-11-23 06:00 UTC"),
        (["--by", "2026-11-23T06:00Z"], "--by 2026-11-23 06:00 is not after 2026-11-23 06:00 UTC"),
        (["--start", "22:00", "--by", "2026-11-23T20:00Z"], "--by 2026-11-23 20:00 is not after"),
        (["--by", "03:00", "--fit", "soon"], "--fit soon; give a length of time"),
        (["--by", "03:00", "--fit", "10"], "--fit 10; give a length of time with its unit"),
        (["--confidence", "1"], "--confidence"),
        (["--by", "8h"], "'8h' is not a time; use 06:00"),
        (["--start", "2026-12-10T10:00Z"], "--start 2026-12-10 10:00 is more than a day after"),
    ],
)
def test_wrong_usage(run: Callable, two: Path, words: list[str], message: str):
    """What cannot be meant is refused with the option, the value and what to give."""
    done = run("tonight", two, *words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_what_was_observed_long_ago(run: Callable, two: Path):
    """A forecast of the past is said to be one."""
    assert "and this is the forecast of then" in run("tonight", two).stderr


def test_active_tasks_alone(run: Callable, tmp_path: Path):
    """If nothing is expected, active tasks and added exports still take their slot."""
    path = tmp_path / "active.json"
    rows = nightly("a", 14 * HOUR, 30 * MINUTE, nights=1)
    running = rows[0] | {"taskId": "now", "status": {"code": "RUNNING"}}
    running["executionInfo"] = {"creationTime": NOW - MINUTE}
    path.write_text(json.dumps({"exportTasks": [*rows, running]}))
    (row,) = json.loads(run("tonight", path, "--format", "json").stdout)
    assert row["expected_done"].startswith("2026-11-23T06:2")
    more = run("tonight", path, "--add", "3x30m", "--format", "json")
    (row,) = json.loads(more.stdout)
    assert (row["exports"], row["expected_done"][:15]) == (3, "2026-11-23T07:5")


def test_all_failed(run: Callable, tmp_path: Path):
    """If no duration is known, that is said, and --check does not pass."""
    path = tmp_path / "failed.json"
    rows = [row | {"status": {"code": "FAILED"}} for row in nightly("a", 2 * HOUR, MINUTE)]
    path.write_text(json.dumps({"exportTasks": rows}))
    done = run("tonight", path, "--by", "2026-11-24T06:00Z", "--check")
    assert done.exit_code == 4
    assert "no duration of any earlier task is known, so nothing can be forecast" in done.stderr
    assert "eight of ten" not in done.stderr


def test_no_tasks(run: Callable, tmp_path: Path):
    """Without any task nothing is known, and the exit code says that."""
    path = tmp_path / "empty.json"
    path.write_text('{"exportTasks": []}')
    done = run("tonight", path, "--by", "06:00", "--check")
    assert (done.exit_code, "no tasks" in done.stdout) == (3, True)


def test_windows_that_have_not_ended(run: Callable, two: Path):
    """With --start, an export does not begin before its window has ended."""
    done = run("tonight", two, "--start", "2026-11-23T06:00Z", "--exports", "--format", "json")
    assert "when their windows end" not in done.stderr
    rows = json.loads(done.stdout)
    assert all(row["create_at"] == "2026-11-23T06:00:00.000Z" for row in rows)
    recent = json.loads(two.read_text())["exportTasks"]
    for row in recent:
        row["to"] = row["executionInfo"]["creationTime"] - 1
    two.write_text(json.dumps({"exportTasks": recent}))
    done = run("tonight", two, "--start", "20:00", "--exports", "--format", "json")
    assert "2 exports begin after --start, when their windows end" in done.stderr
    assert json.loads(done.stdout)[0]["create_at"].startswith("2026-11-23T23:00")


def test_what_is_asked_for_later(run: Callable, two: Path):
    """Exports that are asked for after --by are counted, not forgotten."""
    done = run("tonight", two, "--by", "23:05")
    left_out = "left out: up to 1 export of this day, asked for after 2026-11-23 23:05 UTC"
    assert done.stderr.count(left_out) == 1
    none = run("tonight", two, "--by", "07:00")
    assert "no exports are expected, 2026-11-23 06:00 to 2026-11-23 07:00 UTC" in none.stdout
    assert "left out: up to 2 exports of this day" in none.stderr
    assert "seen on two of the last" not in none.stderr


def test_by_the_time_of_the_observation(run: Callable, two: Path):
    """The time of day of the observation is a day away, as nothing can be done by now."""
    done = run("tonight", two, "--by", "06:00", "--check")
    assert "2 exports expected in 1 slot" in done.stdout
    assert "it is done by 2026-11-24 06:00 UTC with a probability of" in done.stderr
    assert done.exit_code == 0


def add_running(path: Path, age: int, **fields: str) -> None:
    """Add a RUNNING task that was created so many milliseconds ago."""
    rows = json.loads(path.read_text())["exportTasks"]
    running = rows[0] | {"taskId": "now", "status": {"code": "RUNNING"}} | fields
    running["executionInfo"] = {"creationTime": NOW - age}
    path.write_text(json.dumps({"exportTasks": [*rows, running]}))


def test_deadlines_of_active_tasks(run: Callable, two: Path):
    """The column `in time` counts active tasks, too, as the sentence below it does."""
    add_running(two, 10 * MINUTE)
    done = run("tonight", two, "--by", "06:10", "--check")
    assert done.exit_code == 4
    names, _, row = (line.split("  ") for line in done.stdout.splitlines()[-3:])
    assert [word.strip() for word in row if "%" in word] == ["0 %", "100 %"]
    assert "in time" in names
    assert "with a probability of 0 %" in done.stderr
    assert "in the order of" not in done.stderr  # nothing is asked for


def test_another_order_beside_a_slot_with_active_tasks(run: Callable, two: Path):
    """A slot with a RUNNING task and no exports does not keep others from a better order."""
    add_running(two, MINUTE, region="us-east-1")
    done = run("tonight", two, "--by", "2026-11-24T00:10Z", "--check", "--confidence", "0.8")
    assert done.exit_code == 4
    assert "each begun 12 h after its window or earlier, it would be 100 %" in done.stderr


def test_another_order_begins_no_unknown_window_earlier(run: Callable, two: Path):
    """An export whose window is not known is not begun earlier, as that may not have ended."""
    rows = json.loads(two.read_text())["exportTasks"]
    for number, row in enumerate(rows):
        row["from"] -= number % 7 * DAY
    two.write_text(json.dumps({"exportTasks": rows}))
    done = run("tonight", two, "--by", "2026-11-24T00:10Z")
    assert "each begun 12 h after its window or earlier, it would be no more" in done.stderr


def test_the_sentence_and_the_table_agree(run: Callable, tmp_path: Path):
    """The times of a single slot are the same in both, also if few runs are that long."""
    path = tmp_path / "two.json"
    rows = nightly("a", 8 * HOUR, 53 * MINUTE, nights=4)
    for row in rows[::2]:
        row["executionInfo"]["completionTime"] += 2 * HOUR
    path.write_text(json.dumps({"exportTasks": rows}))
    done = run("tonight", path)
    (row,) = json.loads(run("tonight", path, "--format", "json").stdout)
    names = ("expected_done", "done_low", "done_high")
    middle, low, high = (row[name][:16].replace("T", " ") for name in names)
    said = f"all is expected to be done by {middle}, in eight of ten cases from {low} to {high} UTC"
    assert said in done.stderr


def test_the_worst_slots_come_first(run: Callable, tmp_path: Path):
    """Of many slots, those that are late are on top; without --by, those that are done last."""
    path = tmp_path / "slots.json"
    rows = [
        row | {"region": region}
        for region, hour in (("eu-west-1", 8), ("eu-west-2", 21), ("eu-west-3", 12))
        for row in nightly("a", hour * HOUR, 30 * MINUTE)
    ]
    path.write_text(json.dumps({"exportTasks": rows}))
    late = json.loads(run("tonight", path, "--by", "12:10", "--format", "json").stdout)
    assert [row["region"] for row in late] == ["eu-west-3", "eu-west-1"]
    last = json.loads(run("tonight", path, "--format", "json").stdout)
    assert [row["region"] for row in last] == ["eu-west-2", "eu-west-3", "eu-west-1"]


def test_possible_exports(run: Callable, tmp_path: Path):
    """What is listed is more than what is expected, so both are counted."""
    path = tmp_path / "nights.json"
    rows = nightly("a", 8 * HOUR, MINUTE) + nightly("b", 20 * HOUR, MINUTE)[1::3]
    path.write_text(json.dumps({"exportTasks": rows}))
    assert "1 export expected (2 possible) in 1 slot" in run("tonight", path, "--exports").stdout
    only = run("tonight", path, "--exports", "--log-group", "a")
    assert "1 export expected in 1 slot" in only.stdout
    assert "all exports of the slot are meant, not only those listed" in only.stderr


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        ([], ["a", "b", "c"]),
        (["--region", "us-east-1"], ["c"]),
        (["--log-group", "a"], ["a", "b"]),
        (["--log-group", "a", "--exports"], ["a"]),
    ],
)
def test_chart_of_what_is_shown(
    run: Callable,
    two: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    drawn: list[str],
):
    """The chart has the exports of the slots in the table, and no other slots."""
    rows = json.loads(two.read_text())["exportTasks"]
    rows += [row | {"region": "us-east-1"} for row in nightly("c", 8 * HOUR, MINUTE)]
    two.write_text(json.dumps({"exportTasks": rows}))
    tables, plot_queue = [], xs.plot_queue
    monkeypatch.setattr(
        xs, "plot_queue", lambda table: [tables.append(table), plot_queue(table)][1]
    )
    run("tonight", two, *words, "--plot", tmp_path / "a.png")
    assert sorted(tables[0]["log_group_name"]) == drawn


def test_live(run: Callable, serve: Callable[..., Emulator]):
    """Without a file it asks AWS, and begins now."""
    now = int(time.time() * 1000)
    rows = []
    for row in nightly("a", 0, 0):
        night = int(row["taskId"].split("-")[1])
        created = now - night * DAY + 2 * HOUR
        times = {"creationTime": created, "completionTime": created + 30 * MINUTE}
        rows.append(row | {"executionInfo": times, "from": created - DAY, "to": created - 1})
    serve(rows)
    done = run("tonight", "--region", "eu-west-1", "--format", "json")
    assert done.exit_code == 0
    (row,) = json.loads(done.stdout)
    ends = pd.Timestamp(row["expected_done"]).timestamp() - now / 1000
    assert ends == pytest.approx(2.5 * 3600, abs=60)
