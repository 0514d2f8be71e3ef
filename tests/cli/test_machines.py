"""JSON and CSV have numbers, times and text as such, from every command."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pandas as pd
import pytest
from covered import LOG_GROUPS
from support import START, plain
from trails import record, refused, trail

import exportstats as xs
from exportstats.cli import COMMANDS, main
from exportstats.core import coerce
from exportstats.report.machine import for_machines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RANGE = "--since 2026-10-23 --until 2026-11-22"
LINES = [
    "status",
    "status --by region --freq MS",
    "tasks",
    "durations",
    "durations --by log_group_name",
    "durations --by log_group_name --freq W",
    "failures",
    "failures --by region",
    "curve",
    "curve --by region --ended",
    "compare --current 2026-W47 --previous 2026-W46",
    # in the former nothing was created, of which there is neither a rate nor a ratio
    "compare --current 2026-W47 --previous 2024-W46 --by region",
    "slow",
    "slow --lasting",
    "phases",
    "phases --by region",
    "slots",
    "slots --freq D --since 2026-11-20",
    f"coverage {RANGE} --log-groups {LOG_GROUPS}",
    f"gaps {RANGE} --log-groups {LOG_GROUPS}",
    "eta",
    "tonight --add 2x5m --by 2026-11-24T06:00Z --fit 10m",
    "tonight --exports",
    "deliveries --since 2026-11-22",
    "calls",
]
# All other columns are of numbers, times or yes and no.
WORDS = {
    *("account_id", "region", "task_id", "task_name", "log_group_name", "destination", "prefix"),
    *("destination_prefix", "status_code", "status_message", "reason", "example_task_id"),
    *("measure", "unit", "verdict", "basis", "scaled_by", "model", "delivered", "last_task_id"),
    *("event_name", "event_id", "error_code", "error_message", "principal", "session_name"),
    *("user_agent", "log_stream_name_prefix"),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def names_of(command: str) -> list[str]:
    """Return the machine-readable formats of a command."""
    with click.Context(main) as context:
        params = {param.name: param for param in main.get_command(context, command).params}
    kinds = params["kind"].type.choices if "kind" in params else []
    return [kind for kind in kinds if kind not in ("table", "markdown")]


def test_no_command_is_forgotten():
    """Each command with formats is in the list above, with both csv and json."""
    tried = {line.split()[0] for line in LINES}
    # not of the sample: test_calls, test_incoming, test_doctor
    elsewhere = {"calls", "incoming", "doctor"}
    assert {name for name in COMMANDS if names_of(name)} == tried | elsewhere
    assert {tuple(names_of(name)) for name in tried} == {("csv", "json")}


@pytest.fixture
def ask(
    run: Callable, sample_file: Path, moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Return the output of a command on the sample, with an empty S3 at moto's server."""
    archive = tmp_path / "history"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")

    def call(line: str, kind: str) -> str:
        command, *options = line.split()
        more = ["--s3-endpoint-url", moto] if command == "deliveries" else []
        if command == "phases" and not archive.exists():
            xs.Archive(archive).add(xs.sample_tasks())
        (trail_file := tmp_path / "trail.json").write_text(trail(record(0), refused(1)))
        source = {"phases": archive, "calls": trail_file}.get(command, sample_file)
        done = run(command, source, *options, *more, "--format", kind)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return call


def refuse(constant: str) -> None:
    """Refuse NaN and infinity, which are not JSON."""
    raise AssertionError(constant)


def is_value(value: Any) -> bool:  # noqa: ANN401 - what JSON can hold
    """Return whether a value is a number, a time, a boolean or missing."""
    if isinstance(value, str):
        return bool(TIME.fullmatch(value)) and dt.datetime.fromisoformat(value).tzinfo == dt.UTC
    return value is None or isinstance(value, bool | int | float)


@pytest.mark.parametrize("line", LINES)
def test_machines_get_no_words(line: str, ask: Callable):
    """Where a machine expects a number or a time it finds one, or nothing, in JSON and in CSV.

    Never "4m42s", "-", "12.5 %", "(unknown)" or NaN; and both formats say the same.
    """
    rows = json.loads(ask(line, "json"), parse_constant=refuse)
    assert rows
    for row in rows:
        for name, value in row.items():
            if name in WORDS:
                assert value is None or isinstance(value, str), (name, value)
            else:
                assert is_value(value), (name, value)

    table = list(csv.DictReader(io.StringIO(ask(line, "csv"))))
    assert len(table) == len(rows)
    for cells, row in zip(table, rows, strict=True):
        assert list(cells) == list(row)
        for name, cell in cells.items():
            value = row[name]
            if value is None:
                assert cell == "", (name, cell)
            elif isinstance(value, bool):
                assert cell == str(value)
            elif isinstance(value, int | float):
                assert float(cell) == value, (name, cell)
            else:
                assert cell in (value, f"'{value}"), (name, cell)


def test_backfill_prints_numbers(run: Callable, sample_file: Path):
    """`backfill --format json` has one call per line, with times in milliseconds."""
    done = run("backfill", sample_file, *RANGE.split(), "--format", "json")
    lines = [json.loads(line, parse_constant=refuse) for line in done.stdout.splitlines()]
    assert lines
    for call in lines:
        assert {type(value) for name, value in call.items() if "rom" in name or name == "to"} <= {
            int,
            str,
        }


def test_columns_for_machines():
    """Durations are in seconds, times are ISO 8601, and a named index is a column."""
    times = pd.Series(coerce.times(np.array([START, coerce.NAT])), name="day")
    lengths = pd.Series(pd.to_timedelta([1500, None], unit="ms"), index=["a", "b"])
    table = pd.DataFrame({"spent": lengths, "created": times.array, "number": [1, 2]})
    flat = for_machines(table.rename_axis("name"))
    assert list(flat) == ["name", "spent_seconds", "created", "number"]
    assert flat["spent_seconds"].iloc[0] == 1.5
    assert plain(flat["created"]) == ["2026-11-23T06:00:00.000Z", None]
    assert list(for_machines(table)) == ["spent_seconds", "created", "number"]
