"""The output of the commands for the sample, word for word."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from support import quantile

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "6,096 tasks, created 2025-11-25 to 2026-11-23, observed 2026-11-23 06:00 UTC"
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "tasks.jsonl.gz"

GOLDEN = {
    "status": f"""
        {TITLE}

        status_code     tasks   share
        ─────────────────────────────
        PENDING             1  <0.1 %
        RUNNING             1  <0.1 %
        PENDING_CANCEL      1  <0.1 %
        COMPLETED       5,884  96.5 %
        FAILED            163   2.7 %
        CANCELLED          46   0.8 %
        """,
    "status --by account_id --by region": f"""
        {TITLE}

        account_id    region          tasks  COMPLETED  FAILED  CANCELLED  active
        ─────────────────────────────────────────────────────────────────────────
        111122223333  ap-southeast-2    366        362       4          0       0
        111122223333  eu-west-1       1,641      1,578      46         16       1
        111122223333  us-east-1       1,509      1,445      54         10       0
        444455556666  eu-west-1       1,112      1,085      21          5       1
        444455556666  us-east-1       1,468      1,414      38         15       1
        """,
    "status --freq 6h --since 2026-11-22 --until 2026-11-23T05:00Z": """
        15 tasks, created 2026-11-22 to 2026-11-23, observed 2026-11-23 06:00 UTC

        period            tasks  COMPLETED  FAILED  CANCELLED  active
        ─────────────────────────────────────────────────────────────
        2026-11-22 00:00      3          3       0          0       0
        2026-11-22 06:00      0          0       0          0       0
        2026-11-22 12:00     10         10       0          0       0
        2026-11-22 18:00      0          0       0          0       0
        2026-11-23 00:00      2          2       0          0       0
        """,
    "status --by region --freq QS --since 2026-07-01 --format markdown": """
        2,495 tasks, created 2026-07-01 to 2026-11-23, observed 2026-11-23 06:00 UTC

        | region | period | tasks | COMPLETED | FAILED | CANCELLED | active |
        | :-- | :-- | --: | --: | --: | --: | --: |
        | ap-southeast-2 | 2026-07-01 | 93 | 92 | 1 | 0 | 0 |
        | ap-southeast-2 | 2026-10-01 | 53 | 52 | 1 | 0 | 0 |
        | eu-west-1 | 2026-07-01 | 693 | 673 | 14 | 6 | 0 |
        | eu-west-1 | 2026-10-01 | 405 | 389 | 10 | 4 | 2 |
        | us-east-1 | 2026-07-01 | 807 | 779 | 23 | 5 | 0 |
        | us-east-1 | 2026-10-01 | 444 | 422 | 15 | 6 | 1 |
        """,
    "status --format csv": """
        status_code,tasks,share
        PENDING,1,0.00016404199475065617
        RUNNING,1,0.00016404199475065617
        PENDING_CANCEL,1,0.00016404199475065617
        COMPLETED,5884,0.9652230971128609
        FAILED,163,0.026738845144356954
        CANCELLED,46,0.007545931758530184
        """,
    "durations": f"""
        {TITLE}

        completed  censored    p50     p90    p99    max
        ────────────────────────────────────────────────
            5,884         3  4m43s  48m28s  1h37m  7h20m
        """,
    "durations --by region": f"""
        {TITLE}

        region          completed  censored     p50     p90     p99    max
        ──────────────────────────────────────────────────────────────────
        ap-southeast-2        362         0   20.2s   29.9s   1m23s  2m11s
        eu-west-1           2,663         2  15m36s    1h6m   1h55m  7h20m
        us-east-1           2,859         1   4m34s  18m15s  34m39s  2h48m
        """,
    "durations --by account_id --since 2026-11-20 --format markdown": """
        49 tasks, created 2026-11-20 to 2026-11-23, observed 2026-11-23 06:00 UTC

        | account\\_id | completed | censored | p50 | p90 | p99 | max |
        | :-- | --: | --: | --: | --: | --: | --: |
        | 111122223333 | 28 | 1 | 8m21s | 38m30s | \\~1h2m | 1h3m |
        | 444455556666 | 17 | 2 | 3m24s | 47m31s | \\~1h12m | 1h16m |
        """,
    "durations --freq QS --format csv": """
        period,completed,censored,p50_seconds,p90_seconds
        2025-10-01T00:00:00.000Z,585,0,292.008,3018.881
        2026-01-01T00:00:00.000Z,1418,0,310.967,2862.447
        2026-04-01T00:00:00.000Z,1474,0,260.871,2822.637
        2026-07-01T00:00:00.000Z,1544,0,257.369,2836.203
        2026-10-01T00:00:00.000Z,863,3,288.991,3115.438
        """,
    "durations --by status_message --since 2026-11-23T05:00Z --format json": """
        [
          {
            "status_message": "Started Successfully",
            "completed": 0,
            "censored": 1,
            "min_seconds": null,
            "p50_seconds": null,
            "p90_seconds": null,
            "p99_seconds": null,
            "max_seconds": null,
            "mean_seconds": null,
            "p50_low_seconds": null,
            "p50_high_seconds": null,
            "p90_low_seconds": null,
            "p90_high_seconds": null,
            "p99_low_seconds": null,
            "p99_high_seconds": null,
            "censored_p50_seconds": null,
            "censored_p50_low_seconds": null,
            "censored_p50_high_seconds": null
          },
          {
            "status_message": null,
            "completed": 0,
            "censored": 2,
            "min_seconds": null,
            "p50_seconds": null,
            "p90_seconds": null,
            "p99_seconds": null,
            "max_seconds": null,
            "mean_seconds": null,
            "p50_low_seconds": null,
            "p50_high_seconds": null,
            "p90_low_seconds": null,
            "p90_high_seconds": null,
            "p99_low_seconds": null,
            "p99_high_seconds": null,
            "censored_p50_seconds": null,
            "censored_p50_low_seconds": null,
            "censored_p50_high_seconds": null
          }
        ]
        """,
    "failures --since 2026-11-16 --format csv": """
        reason,tasks,share,first_time,last_time,example_task_id
        "Synthetic: internal failure, reference <id>",2,0.6666666666666666,2026-11-17T15:12:49.035Z,2026-11-20T10:39:21.812Z,ea877264-70aa-47dc-8bcd-65b4261b478b
        Synthetic: bucket <bucket> is in another region,1,0.3333333333333333,2026-11-16T08:58:34.095Z,2026-11-16T08:58:34.095Z,8fa56b75-1318-4f2d-b62b-091f811ab4b8
        """,  # noqa: E501 - a line is a row
    "failures --since 2026-11-16 --format markdown": """
        115 tasks, created 2026-11-16 to 2026-11-23, observed 2026-11-23 06:00 UTC

        | reason | tasks | share | first | last | example\\_task\\_id |
        | :-- | --: | --: | :-- | :-- | :-- |
        | Synthetic: internal failure, reference \\<id\\> | 2 | 66.7 % | 2026-11-17 | 2026-11-20 | ea877264-70aa-47dc-8bcd-65b4261b478b |
        | Synthetic: bucket \\<bucket\\> is in another region | 1 | 33.3 % | 2026-11-16 | 2026-11-16 | 8fa56b75-1318-4f2d-b62b-091f811ab4b8 |
        """,  # noqa: E501 - a line is a row
    "failures --status COMPLETED": """
        5,884 tasks, created 2025-11-25 to 2026-11-23, observed 2026-11-23 06:00 UTC; none FAILED
        """,
}

FAILURES_AT_80 = f"""
    {TITLE}

    reason                                        tasks  share first      last
    ────────────────────────────────────────────────────────────────────────────────
    Synthetic: access denied writing <s3 address>    50 30.7 % 2025-11-28 2026-11-13
    (request <id>)
    Synthetic: bucket <bucket> is in another         42 25.8 % 2025-11-30 2026-11-16
    region
    Synthetic: internal failure, reference <id>      39 23.9 % 2025-12-22 2026-11-20
    Synthetic: no answer from <bucket> after         31   19 % 2025-11-28 2026-10-19
    <number> attempts in <number> s
    Synthetic: timed out after <number> hours         1  0.6 % 2026-07-23 2026-07-23
    columns not shown: example_task_id; use a wider terminal
    """


def lines_of(text: str) -> list[str]:
    """Return the lines without trailing spaces."""
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("words", GOLDEN)
def test_output_is_word_for_word(words: str, run: Callable, sample_file: Path):
    """Each command prints exactly this in each format, and exits with 0."""
    command, *options = words.split()
    done = run(command, sample_file, *options)
    assert done.exit_code == 0
    assert lines_of(done.stdout) == lines_of(dedent(GOLDEN[words]).strip())


def test_failures_in_a_terminal_are_word_for_word(terminal: Callable, sample_file: Path):
    """In 80 columns, reasons wrap to several lines and are not shortened."""
    code, shown = terminal("failures", sample_file)
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert code == 0
    assert lines_of(plain) == lines_of(dedent(FAILURES_AT_80).strip())


def test_numbers_are_those_of_the_file(run: Callable, sample_file: Path):
    """Counts and quantiles agree with plain Python on the lines of the file."""
    states, durations = defaultdict(Counter), defaultdict(list)
    for line in gzip.decompress(SAMPLE.read_bytes()).splitlines():
        task = json.loads(line)
        times = task["executionInfo"]
        states[task["region"]][task["status"]["code"]] += 1
        took = times.get("completionTime", 0) - times["creationTime"]
        if task["status"]["code"] == "COMPLETED" and took >= 0:
            durations[task["region"]].append(took)

    printed = run("status", sample_file, "--by", "region", "--format", "csv").stdout
    for row in csv.DictReader(io.StringIO(printed)):
        counted = states[row["region"]]
        assert int(row["tasks"]) == counted[row["status_code"]]
        assert float(row["share"]) == pytest.approx(int(row["tasks"]) / counted.total())

    rows = json.loads(run("durations", sample_file, "--by", "region", "--format", "json").stdout)
    assert {row["region"] for row in rows} == set(durations)
    for row in rows:
        took = durations[row["region"]]
        assert row["completed"] == len(took)
        for name, share in (("min", 0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1)):
            assert row[f"{name}_seconds"] == pytest.approx(quantile(took, share) / 1000, abs=6e-4)
