"""Every sentence of every rule, on made-up histories in three time zones, against plain Python."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from histories import ZONES, History, make, toml_of
from oracles import ORACLES
from oracles.facts import Facts, Told
from reported import plain_rows, side_table, tasks_of

from exportstats.core import schema
from exportstats.report.rules import RULES
from exportstats.report.weekly import material_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exportstats.report.data import Finding
    from exportstats.report.material import Material

HISTORIES = int(os.environ.get("EXPORTSTATS_HISTORIES", "12"))


@pytest.fixture(params=ZONES)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the computer stand in a time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def material(history: History, folder: Path) -> Material:
    """Give a history to the report."""
    log_groups = history.log_groups
    waivers = folder / "waivers.toml"
    waivers.write_text(toml_of(history.waivers), encoding="utf-8")
    return material_of(
        tasks_of(*history.tasks),
        history.week,
        None if log_groups is None else side_table(log_groups, schema.LOG_GROUPS.columns),
        None
        if history.deliveries is None
        else side_table(history.deliveries, schema.DELIVERIES.columns),
        None if history.as_of is None else pd.Timestamp(history.as_of, unit="ms", tz="UTC"),
        history.tz,
        (),
        waivers if history.waivers else None,
    )


def differs(found: Finding | None, told: Told | None) -> str:
    """Say what a finding says otherwise than an oracle, or nothing."""
    if found is None or told is None:
        return "" if found is told else f"found {found and found.sentence!r}, told {told}"
    if found.severity != told.severity:
        return f"severity {found.severity}, told {told.severity}"
    rows = plain_rows(found.rows)
    if len(rows) != len(told.rows):
        return f"{len(rows)} rows, told {len(told.rows)}: {found.sentence}"
    for row, expected in zip(rows, told.rows, strict=True):
        if {name: row[name] for name in expected} != expected:
            return f"row {row}, told {expected}"
    rest = found.sentence.replace("S3", "")
    for figure in told.figures:
        before, there, rest = rest.partition(figure)
        if not there or re.search(r"\d", before):
            return f"{figure!r} is not what {found.sentence!r} goes on with; told {told.figures}"
    return f"{rest!r} is not told, in {found.sentence!r}" if re.search(r"\d", rest) else ""


@pytest.fixture(scope="module")
def fired() -> Counter[str]:
    """Count how often each rule found something."""
    return Counter()


@pytest.mark.parametrize("part", range(3))
def test_sentences_are_those_of_plain_python(
    here: str, part: int, tmp_path: Path, fired: Counter[str]
):
    """What each rule finds, or not, is what its oracle tells, with every figure and every row."""
    rules = {one.kind: one for one in RULES}
    for seed in range(3 * part + ZONES.index(here), HISTORIES, 9):
        history = make(seed)
        facts, known = Facts(history), material(history, tmp_path)
        wrong = {}
        for kind, oracle in ORACLES.items():
            found = rules[kind].find(known)
            fired[kind] += found is not None
            if difference := differs(found, oracle(facts)):
                wrong[kind] = difference
        assert not wrong, f"seed {seed}"
