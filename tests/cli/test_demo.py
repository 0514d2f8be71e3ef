"""`demo` works without AWS, whatever the AWS settings of the machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

# What would lead astray a demonstration that heeded it.
ELSEWHERE = {
    "AWS_PROFILE": "nobody",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_SESSION_TOKEN": "somebody's",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "no_proxy": "example.org",
}
BREAKDOWN = """
account_id    region          tasks  COMPLETED  FAILED  CANCELLED  active
─────────────────────────────────────────────────────────────────────────
111122223333  ap-southeast-2    366        362       4          0       0
111122223333  eu-west-1       1,641      1,578      46         16       1
111122223333  us-east-1       1,509      1,445      54         10       0
444455556666  eu-west-1       1,112      1,085      21          5       1
444455556666  us-east-1       1,468      1,414      38         15       1
"""
CHARTS = [
    "completion-times",
    "coverage",
    "durations",
    "evidence",
    "failures",
    "histogram",
    "status",
    "tasks",
    "trend",
]


class Demo(NamedTuple):
    """The result of the demo."""

    folder: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run it once, into a folder whose name has a blank and braces in it."""
    folder = tmp_path_factory.mktemp("demo") / "my {demo} output"
    done = subprocess.run(
        [sys.executable, "-m", "exportstats", "demo", "-o", folder],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **ELSEWHERE},
        timeout=120,
    )
    return Demo(folder, done)


def test_demo_succeeds_whatever_the_settings(demo: Demo):
    """The user's own profile, endpoint and proxy have no effect."""
    assert demo.done.returncode == 0, demo.done.stderr
    assert "Traceback" not in demo.done.stderr


def test_demo_prints_the_breakdown(demo: Demo):
    """The output says that tasks are synthetic, and has each command with its result."""
    text = demo.done.stdout
    assert text.startswith("6,096 synthetic tasks are served on http://127.0.0.1:")
    assert BREAKDOWN in text
    for command in ("status", "durations", "failures", "coverage", "gaps", "report"):
        assert f"$ exportstats {command} '{demo.folder}/tasks.parquet'" in text
    assert "\x1b" not in text


def test_demo_leaves_the_tasks(demo: Demo):
    """The file has the tasks of the sample, fetched over HTTP."""
    found = xs.read_tasks(demo.folder / "tasks.parquet")
    key = ["account_id", "region", "task_id"]
    pair = [
        frame.drop(columns="observed_at").sort_values(key).reset_index(drop=True)
        for frame in (found, xs.sample_tasks())
    ]
    assert_frame_equal(*pair, check_categorical=False)


def test_demo_leaves_the_charts(demo: Demo):
    """Each chart is a complete PNG and is listed."""
    assert sorted(path.stem for path in demo.folder.glob("*.png")) == CHARTS
    for path in demo.folder.glob("*.png"):
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert content.endswith(b"IEND\xaeB`\x82")
    for path in demo.folder.glob("*.p*"):
        assert f"\n  {path}\n" in demo.done.stdout


def test_demo_shows_what_evidence_adds(demo: Demo):
    """It says how much is covered without evidence and with it, and where the evidence is."""
    text = demo.done.stdout
    assert "covered at most 95 %. With synthetic evidence\n" in text
    assert "covered at least 94.1 %, at most 94.9 %; in 0.8 % nothing came in" in demo.done.stderr
    assert "refused: LimitExceededException" in text
    assert "missing: 120 gaps of 56 d 22 h, in which 628 GB came in" in demo.done.stderr
    assert "refused: 11 exports, such as 129 GB of /aws/vpc/flow-logs in eu-w" in demo.done.stderr
    assert "who was refused: role/acme-log-exporter of 111122223333 (Limit" in demo.done.stderr
    for name in ("api_calls.jsonl.gz", "incoming.csv.gz", "deliveries.jsonl.gz"):
        assert f"\n  {demo.folder / name}\n" in text


def test_demo_has_no_gap_after_the_sample(demo: Demo):
    """The tasks were observed at the end of the sample, so what came later is not missing."""
    observed = xs.read_tasks(demo.folder / "tasks.parquet")["observed_at"]
    end = xs.sample_tasks()["observed_at"].max()
    assert observed.between(end, end + pd.Timedelta("10min")).all()


def test_demo_ends_with_what_to_do_next(demo: Demo):
    """The last lines are commands that can be typed, although no environment is activated."""
    lines = demo.done.stdout.splitlines()[-2:]
    for line, command in zip(lines, ("doctor", "emulate"), strict=True):
        words = [*shlex.split(line), "--help"]
        done = subprocess.run(words, capture_output=True, encoding="utf-8", check=True)
        assert done.stdout.startswith(f"Usage: exportstats {command} ")


def test_demo_writes_the_report(demo: Demo):
    """The report is complete and uses the evidence."""
    report = demo.folder / "report-2026-W47.html"
    assert f"\n  {report}\n" in demo.done.stdout
    text = report.read_text("utf-8")
    assert "1 critical finding and 3 warnings" in text
    assert "in which 27.6 GB came in" in text
    assert "role/acme-auditors of 444455556666 lacks logs:CreateExportTask" in text
    assert text.rstrip().endswith("</html>")
    assert (demo.folder / "report-2026-W47" / "refused.csv").is_file()


def test_demo_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch):
    """Environment variables set for the fetch are restored, even if it fails."""
    from exportstats.cli.demo import _environment  # noqa: PLC0415 - slow

    monkeypatch.setenv("AWS_PROFILE", "mine")
    before = dict(os.environ)
    with contextlib.suppress(ZeroDivisionError), _environment(AWS_ACCESS_KEY_ID="1"):
        assert os.environ["AWS_ACCESS_KEY_ID"] == "1"
        assert "AWS_PROFILE" not in os.environ
        raise ZeroDivisionError
    assert dict(os.environ) == before
