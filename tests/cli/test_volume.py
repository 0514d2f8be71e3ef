"""`eta` and `backfill` with incoming data: from a file, from CloudWatch, and from an archive."""

from __future__ import annotations

import datetime as dt
import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACE = {"accountId": "111122223333", "region": "eu-west-1"}
HOUR, DAY = 3_600_000, 86_400_000
NIGHTS = 30
NOW = 1_795_521_600_000  # 2026-11-24T12:00Z
FIRST = NOW - DAY // 2 - NIGHTS * DAY
_RANDOM = Random(5)  # noqa: S311 - a test's
SIZES = [24_000_000 * (5 if night % 7 > 4 else 1) for night in range(NIGHTS)]
MISSED = (11, 13)  # nights: that of many bytes comes later
TOOK = [10 * 60_000 * size / 24e6 * _RANDOM.uniform(0.95, 1.05) for size in SIZES]


def rows() -> list[dict[str, Any]]:
    """Return exports of nights whose durations follow the bytes; the last one is RUNNING."""
    found = []
    for night in set(range(NIGHTS)) - {*MISSED}:
        start, is_last = FIRST + night * DAY, night == NIGHTS - 1
        created = NOW if is_last else start + DAY + 12 * HOUR
        end = {} if is_last else {"completionTime": created + int(TOOK[night])}
        task = {
            "taskId": f"{night:02}",
            "logGroupName": "/app",
            "from": start,
            "to": start + DAY - 1,
            "destination": "acme",
            "status": {"code": "RUNNING" if is_last else "COMPLETED"},
            "executionInfo": {"creationTime": created, **end},
        }
        found.append(PLACE | task)
    return found


def incoming(size: int = 5 * SIZES[0]) -> list[dict[str, Any]]:
    """Return what came in by hours, `size` bytes in the last night."""
    sizes = [*SIZES[:-1], size]
    return [
        PLACE
        | {"logGroupName": "/app", "start": FIRST + night * DAY + hour * HOUR}
        | {"incomingBytes": sizes[night] // 24, "incomingEvents": 1, "periodInSeconds": 3600}
        for night in range(NIGHTS)
        for hour in range(24)
    ]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Write the tasks and what came in."""
    paths = tmp_path / "tasks.jsonl", tmp_path / "incoming.jsonl"
    tasks = [row | {"observedAt": NOW} for row in rows()]
    for path, lines in zip(paths, (tasks, incoming()), strict=True):
        path.write_text("\n".join(map(json.dumps, lines)))
    return paths


def minutes(done: Any) -> tuple[float, str]:  # noqa: ANN401 - click's result
    """Return the estimate of the only active task, and what it is scaled by."""
    assert done.exit_code == 0, done.stderr
    [row] = json.loads(done.stdout)
    return row["remaining_seconds"] / 60, row["scaled_by"]


def test_eta_uses_a_file(run: Callable, files: tuple[Path, Path]):
    """A night of five times the bytes takes five times as long, and it is said what was used."""
    tasks, came = files
    plain, scaled_by = minutes(run("eta", tasks, "--format", "json"))
    assert (plain < 20, scaled_by) == (True, "none")
    took, scaled_by = minutes(run("eta", tasks, "--incoming", came, "--format", "json"))
    assert took == pytest.approx(50, rel=0.1)
    assert scaled_by == "bytes"
    done = run("eta", tasks, "--incoming", came)
    assert "scaled by the bytes that came in: 1 of 1 estimate\n" in done.stderr
    came.write_text("\n".join(came.read_text().splitlines()[:-5]))
    done = run("eta", tasks, "--incoming", came)
    assert "not scaled by the bytes that came in: they are not known, or" in done.stderr


def test_eta_asks_cloudwatch(run: Callable, monkeypatch: pytest.MonkeyPatch):
    """It asks for the windows of the log group's tasks; if that is denied, the rest is answered."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", PLACE["accountId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", PLACE["region"])
    with Emulator(rows(), incoming=incoming()) as emulator:
        done = run("eta", "--endpoint-url", emulator.url, "--incoming=aws", "--format=json")
        assert minutes(done)[1] == "bytes"
        assert [row.operation for row in emulator.requests].count("GetMetricData") == 1
    denied = Fault("deny", operation="GetMetricData")
    with Emulator(rows(), incoming=incoming(), faults=[denied]) as emulator:
        done = run("eta", "--endpoint-url", emulator.url, "--incoming=aws", "--format=json")
        assert done.exit_code == 3
        assert json.loads(done.stdout)[0]["scaled_by"] == "none"
        assert "incoming did not all arrive" in done.stderr


def test_an_archive_has_it(run: Callable, files: tuple[Path, Path], tmp_path: Path):
    """What an archive keeps is used without an option."""
    tasks, came = files
    archive = xs.Archive(tmp_path / "archive")
    archive.add(xs.read_tasks(tasks))
    archive.add(xs.read_incoming(came), of="incoming", observed_at="2026-11-24T12:00Z")
    assert minutes(run("eta", archive.uri, "--format", "json"))[1] == "bytes"
    done = run("backfill", archive.uri, "--since", "30d", "--format", "json")
    assert "scaled by the bytes that came in: 2 of 2 tasks\n" in done.stderr


def test_backfill_ranks_by_bytes(run: Callable, files: tuple[Path, Path]):
    """Without a deadline, the night of many bytes comes first; what is at stake is said."""
    tasks, came = files
    lines = {}
    for options in ((), ("--incoming", came)):
        done = run("backfill", tasks, "--since", "30d", "--format", "json", *options)
        assert done.exit_code == 0, done.stderr
        requests = [json.loads(line)["request"] for line in done.stdout.splitlines()]
        lines[len(options)] = [request["fromTime"] for request in requests]
    assert lines[0] == [FIRST + night * DAY for night in MISSED]
    assert lines[2] == [FIRST + night * DAY for night in MISSED[::-1]]
    assert "to export: 2 d, 144 MB (uncompressed), 2026-" in done.stderr
    assert "scaled by the bytes that came in: 2 of 2 tasks\n" in done.stderr


def test_gaps_rank_by_bytes(run: Callable, files: tuple[Path, Path]):
    """The gap of most bytes is shown first, one whose bytes are not known last; csv is by time."""
    tasks, came = files
    nights = (dt.datetime.fromtimestamp((FIRST + n * DAY) / 1000, dt.UTC) for n in MISSED)
    small, large = (f"{night:%Y-%m-%d}" for night in nights)

    def shown(*options: object) -> list[list[str]]:
        done = run("gaps", tasks, "--since", "30d", *options)
        assert done.exit_code == 0, done.stderr
        rows = (line.split() for line in done.stdout.splitlines() if "never tried" in line)
        return [[*({small, large} & {*row}), *row[row.index("tried") + 1 :]] for row in rows]

    assert shown() == [[small], [large]]
    assert shown("--incoming", came) == [[large, "120", "MB"], [small, "24", "MB"]]
    done = run("gaps", tasks, "--since", "30d", "--incoming", came, "--format", "json")
    assert [row["start"][:10] for row in json.loads(done.stdout)] == [small, large]
    lines = came.read_text().splitlines()
    del lines[MISSED[1] * 24]  # an hour of the night of many bytes
    came.write_text("\n".join(lines))
    assert shown("--incoming", came) == [[small, "24", "MB"], [large, "(unknown)"]]


def test_backfill_says_how_many_bytes_are_left_out(run: Callable, files: tuple[Path, Path]):
    """Of the night that the active task exports, and of gaps before the range."""
    tasks, came = files
    told = "left out: 1 d that active tasks are exporting"
    options = ["--since", "30d", "--until", "2026-11-24"]
    assert f"{told}\n" in run("backfill", tasks, *options).stderr
    assert f"{told} (120 MB)\n" in run("backfill", tasks, *options, "--incoming", came).stderr
    later = ["--since", "2026-11-15", *options[2:]]
    told = "left out: 2 gaps of 2 d before 2026-11-15 UTC"
    assert f"{told}\n" in run("backfill", tasks, *later).stderr
    assert f"{told} (144 MB)\n" in run("backfill", tasks, *later, "--incoming", came).stderr


@pytest.mark.parametrize("other_is_new", [False, True])
def test_an_archive_is_read_in_part(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, other_is_new: bool
):
    """Only the log groups and the time that forecasts need are read, and nothing else changes."""
    tasks, came = rows(), incoming()
    for name in ("/other", "/idle"):
        tasks += [
            row | {"logGroupName": name, "taskId": f"{name}{row['taskId']}"}
            for row in rows()
            if row["status"]["code"] == "COMPLETED" and not (name == "/other" and other_is_new)
        ]
        came += [row | {"logGroupName": name} for row in incoming()]
    if other_is_new:
        tasks.append(rows()[-1] | {"logGroupName": "/other", "taskId": "new"})
    came += [row | {"start": row["start"] - 60 * DAY} for row in incoming()]
    paths = [tmp_path / name for name in ("tasks.jsonl", "incoming.jsonl")]
    for path, lines in zip(
        paths, ([row | {"observedAt": NOW} for row in tasks], came), strict=True
    ):
        path.write_text("\n".join(map(json.dumps, lines)))
    archive = xs.Archive(tmp_path / "archive")
    archive.add(xs.read_tasks(paths[0]))
    archive.add(xs.read_incoming(paths[1]), of="incoming", observed_at="2026-11-24T12:00Z")
    read = []
    latest = xs.Archive._latest

    def noted(*given: Any) -> Any:  # noqa: ANN401 - as it is
        found = latest(*given)
        if "incoming_bytes" in found:
            read.append(found)
        return found

    monkeypatch.setattr(xs.Archive, "_latest", noted)
    done = run("eta", archive.uri, "--format", "json")
    [found] = read
    names = {"/app", "/other", "/idle"} if other_is_new else {"/app"}
    assert {*found["log_group_name"]} == names
    assert len(found) == len(names) * 24 * NIGHTS
    every = run("eta", archive.uri, "--incoming", paths[1], "--format", "json")
    assert json.loads(done.stdout) == json.loads(every.stdout)
    assert {row["scaled_by"] for row in json.loads(done.stdout)} == {"bytes"}
