"""Compare each sentence of each rule with plain Python, on histories in three time zones."""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pytest
from histories import ZONES, History, make, toml_of
from oracles import ORACLES, evidence
from oracles.facts import Facts
from reported import history_of, plain_rows, planted, sample, side_table, tasks_of
from support import WHOLE, some

import exportstats as xs
from exportstats.core import schema
from exportstats.report.evidence import Evidence
from exportstats.report.rules import RULES
from exportstats.report.weekly import material_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oracles.words import Expected

    from exportstats.report.data import Finding
    from exportstats.report.material import Material

pytestmark = pytest.mark.sampled

HISTORIES = 200 if WHOLE else 9
WEEKS = [one["iso_week"] for one in planted()["weeks"]["all"]]


@pytest.fixture(params=ZONES)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set the local time zone of the process."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


class Case(NamedTuple):
    """A history, and the same history as tables."""

    history: History
    tasks: pd.DataFrame
    log_groups: pd.DataFrame | None

    @classmethod
    def made(cls, seed: int) -> Case:
        """Return the history of a seed."""
        history, listed = make(seed), None
        if history.log_groups is not None:
            listed = side_table(history.log_groups, schema.LOG_GROUPS.columns)
        return cls(history, tasks_of(*history.tasks), listed)

    @classmethod
    def of_sample(cls, week: str, tz: str) -> Case:
        """Return the history of a week of the sample."""
        return cls(history_of(week, tz), *sample())

    def material(self, folder: Path) -> Material:
        """Return the material of the report."""
        waivers, looked = folder / "waivers.toml", self.history.deliveries
        waivers.write_text(toml_of(self.history.waivers), encoding="utf-8")
        return material_of(
            self.tasks,
            self.history.week,
            Evidence(
                self.log_groups,
                None if looked is None else side_table(looked, schema.DELIVERIES.columns),
            ),
            None if self.history.as_of is None else at(self.history.as_of),
            self.history.tz,
            (),
            waivers if self.history.waivers else None,
        )

    def facts(self) -> Facts:
        """Return what the oracles expect."""
        facts = Facts(self.history)
        created, as_of = self.tasks["creation_time"], at(facts.as_of)
        recent = self.tasks[(created >= at(facts.week(5)[0])) & (created < at(facts.end))]
        facts.slow = plain_rows(xs.find_slowdowns(self.tasks, as_of=as_of))
        facts.timeouts = {
            (row["account_id"], row["region"], row["task_id"]): row["timeout_probability"]
            for row in plain_rows(xs.estimate_completion(recent, as_of=as_of))
        }
        return facts

    def kinds(self) -> list[str]:
        """Return the kinds of findings that the oracles expect."""
        facts = self.facts()
        return [kind for kind, oracle in ORACLES.items() if oracle(facts) is not None]

    def differences(self, folder: Path) -> dict[str, str]:
        """Return the differences between found and expected, by kind."""
        known, facts, wrong = self.material(folder), self.facts(), {}
        for one in RULES:
            found = one.find(known)
            if difference := differs(found, ORACLES[one.kind](facts)):
                wrong[one.kind] = difference
        return wrong


def at(time: int) -> pd.Timestamp:
    """Return an aware time."""
    return pd.Timestamp(time, unit="ms", tz="UTC")


def differs(found: Finding | None, expected: Expected | None) -> str:
    """Return how a finding differs from its oracle, or an empty string."""
    if found is None or expected is None:
        return "" if found is expected else f"found {found and found.sentence!r}, not {expected}"
    if found.severity != expected.severity:
        return f"severity {found.severity}, expected {expected.severity}"
    rows = plain_rows(found.rows)
    if len(rows) != len(expected.rows):
        return f"{len(rows)} rows, expected {len(expected.rows)}: {found.sentence}"
    for row, values in zip(rows, expected.rows, strict=True):
        if {name: row[name] for name in values} != values:
            return f"row {row}, expected {values}"
    rest = found.sentence.replace("S3", "")
    for figure in expected.figures:
        before, there, rest = rest.partition(figure)
        if not there or re.search(r"\d", before):
            return f"{figure!r} does not follow in {found.sentence!r}: {expected.figures}"
    return f"{rest!r} is not expected, in {found.sentence!r}" if re.search(r"\d", rest) else ""


@pytest.mark.parametrize("part", some(range(3), 3))
def test_sentences_are_those_of_plain_python(here: str, part: int, tmp_path: Path):
    """Each rule finds exactly what its oracle expects, with every figure and every row."""
    for seed in range(3 * part + ZONES.index(here), HISTORIES, 9):
        wrong = Case.made(seed).differences(tmp_path)
        assert not wrong, f"seed {seed}"


@pytest.mark.parametrize(("week", "here"), some(zip(WEEKS, cycle(ZONES)), 10), indirect=["here"])
def test_weeks_of_the_sample_are_those_of_plain_python(here: str, week: str, tmp_path: Path):
    """The same holds for the sample's weeks, whatever the local time zone."""
    assert not Case.of_sample(week, here).differences(tmp_path)


def test_every_rule_has_an_oracle():
    """Every rule has an oracle."""
    assert list(ORACLES) == [one.kind for one in RULES]


@pytest.mark.skipif(not WHOLE, reason="a few histories need not have everything")
def test_every_rule_finds_something_in_many_histories():
    """Each rule finds something in at least one history in twenty, so it is really checked."""
    counts = Counter(kind for seed in range(HISTORIES) for kind in Case.made(seed).kinds())
    without = {one.__name__ for one in evidence.RULES}
    assert all(counts[kind] >= HISTORIES // 20 for kind in {*ORACLES} - without), counts
