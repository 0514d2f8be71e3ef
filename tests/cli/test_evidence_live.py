"""`coverage --evidence live` against a world of single events, with all sources and without one."""

from __future__ import annotations

import datetime as dt
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from worlds import rows, world

from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]

ALL = "covered at least 93.2 %, at most 95.2 %; in 1.2 % nothing came in"


@pytest.fixture
def coverage(run: Run, serve: Callable[..., Any]) -> Callable[..., Result]:
    """Run the command against the world, without some permissions."""
    edges = [dt.datetime.fromtimestamp(t / 1000, dt.UTC) for t in (world().start, world().end)]
    since, until = (f"{edge:%Y-%m-%d}" for edge in edges)

    def ask(*denied: str) -> Result:
        faults = [Fault("deny", operation=operation) for operation in denied]
        serve(world().tasks, **rows(), faults=faults)
        return run("coverage", "--evidence", "live", "--since", since, "--until", until)

    return ask


def test_one_command_says_all(coverage: Callable[..., Result], run: Run):
    """Two bounds, what is missing, its bytes, who was refused and why, and what to paste."""
    done = coverage()
    assert done.exit_code == 0
    assert ALL in done.stderr
    came = sum(
        one.size
        for group, first, last in (("acme/api", 84, 96), ("acme/web", 108, 120))
        for one in world().events[group]
        if first <= (one.came - world().start) / 3_600_000 < last
    )
    assert f"missing: 2 gaps of 1 d, in which {came / 1e6:.3g} MB came in" in done.stderr
    assert "role/acme-log-exporter of 111122223333 (LimitExceededException, 3 calls)" in done.stderr
    assert "role/acme-auditors of 111122223333 (AccessDenied, 2 calls)" in done.stderr
    command = next(line for line in done.stderr.splitlines() if "exportstats backfill" in line)
    words = shlex.split(command[command.index("exportstats backfill") :])[1:]
    planned = run(*words)
    assert len(planned.stdout.splitlines()) == 2
    assert all(
        line.startswith("aws logs create-export-task") for line in planned.stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("operation", "bounds", "why"),
    [
        ("LookupEvents", "at least 0 %, at most 95.2 %", "the stream prefixes of tasks"),
        ("ListObjectsV2", "at least 0 %, at most 97 %", "what tasks wrote"),
        ("DescribeLogStreams", "at least 0 %, at most 95.2 %", "the streams of"),
        ("GetMetricData", "at least 93.2 %, at most 95.2 %", "whether anything came in"),
    ],
)
def test_less_is_known_without_a_permission(
    coverage: Callable[..., Result], operation: str, bounds: str, why: str
):
    """The answer is weaker, says why, and names the permission."""
    done = coverage(operation)
    assert done.exit_code == 0
    assert f"covered {bounds}" in done.stderr
    assert ALL not in done.stderr
    assert f"not known: {why}" in done.stderr
    action = "ListBucket" if operation == "ListObjectsV2" else operation
    assert f":{action} on resource" in done.stderr
