"""Failures, gaps and expiring events with one cause are one finding."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given
from oracles.words import key_of
from reported import (
    ISO_WEEK,
    built,
    every,
    log_groups_of,
    night,
    nights,
    others,
    plain_rows,
    report_of,
    tasks_of,
)
from support import DAY, FEW, Row

import exportstats as xs
from exportstats.report import incidents
from exportstats.report.evidence import Evidence
from exportstats.report.rules import RULES
from exportstats.report.weekly import material_of

if TYPE_CHECKING:
    from random import Random

    from exportstats.report.data import Finding

DENIED = {"status_code": "FAILED", "status_message": "Access denied"}
KEPT = log_groups_of(
    *({"log_group_name": f"acme/{name}", "retention": 20 * DAY} for name in "abc"),
)
PLACES = {f"{n}": {"account_id": f"{n}" * 12, "region": f"eu-west-{n}"} for n in (1, 2)}


def gaps_of(found: Finding) -> list[tuple[tuple, int, int]]:
    """Return the intervals of a finding about gaps."""
    edges = ("from_time", "to_time") if found.kind == "failed_windows" else ("start", "end")
    if found.kind not in ("failed_windows", "expiring", "gaps", "lost"):
        return []
    return [(key_of(row), row[edges[0]], row[edges[1]]) for row in plain_rows(found.rows)]


def overlap(one: Finding, other: Finding) -> bool:
    """Return whether two findings are about the same gap."""
    return any(
        key == group and start < stop and begin < end
        for key, start, end in gaps_of(one)
        for group, begin, stop in gaps_of(other)
    )


def failing(name: str, *numbers: int, text: str = "Access denied", **more: object) -> list[Row]:
    """Return the nights of a log group, some of which failed."""
    failed = {"status_code": "FAILED", "status_message": text}
    return [row | more for row in others(name, *numbers)] + [
        night(name, number, **failed) | more for number in numbers
    ]


def test_failures_gaps_and_deadlines_of_one_cause_are_one():
    """Expiring events, failures and gaps are one finding, with each command once."""
    report = built(*failing("acme/a", 1, 2), *failing("acme/b", 2, 3), log_groups=KEPT)
    [worst] = [one for one in report.findings if one.severity != "note"]
    assert [one.kind for one in worst.every][:2] == ["expiring", "failed_windows"]
    assert "gaps" in [one.kind for one in worst.parts]
    assert "gaps" not in [one.kind for one in worst.news]
    assert len(worst.commands) == len(set(worst.commands)) == 2
    assert not any(part.commands for part in worst.parts)
    assert report.headline == "1 warning"


def test_another_cause_is_another_incident():
    """Failures for another reason or on other days are separate incidents."""
    for other in (
        failing("acme/b", 1, text="No such bucket"),
        failing("acme/b", -12),
    ):
        report = built(*failing("acme/a", 1), *other, log_groups=KEPT)
        expiring = [one for one in report.findings if one.kind == "expiring"]
        assert [len(one.rows) for one in expiring] == [1, 1]


def test_the_same_failure_in_several_accounts_is_one_incident():
    """A message that several accounts get on the same days is one incident, which counts them."""
    rows = [row for place in PLACES.values() for row in failing("acme/a", 1, 2, **place)]
    report = built(*rows)
    [worst] = report.findings
    assert worst.kind == "failed_windows"
    assert "in 1 log group" not in worst.sentence
    assert "2 accounts and 2 regions" in worst.sentence


def test_a_stopped_log_group_is_reported_with_its_gaps():
    """A log group that is no longer exported and its missing days are one finding."""
    report = built(*nights("acme/a"), *others("acme/b", *range(-1, 6)))
    [worst] = report.findings
    assert {one.kind for one in worst.every} == {"gaps", "stopped"}


def test_an_id_is_that_of_the_gap():
    """An id does not depend on other findings, and each finding has its own."""
    one = built(*failing("acme/a", 1, 2), log_groups=KEPT)
    more = built(*failing("acme/a", 1, 2), *others("acme/b", -9), log_groups=KEPT)
    assert {part.id for part in every(one)} <= {part.id for part in every(more)}


def test_many_incidents_are_a_few_findings(monkeypatch: pytest.MonkeyPatch):
    """If there are too many incidents, the rest are one finding that counts them."""
    names = [f"acme/{n}" for n in range(6)]
    rows = [
        row for n, name in enumerate(names) for row in failing(name, 1, text=f"Reason {'x' * n}!")
    ]
    monkeypatch.setattr(incidents, "MOST_INCIDENTS", 3)
    kept = log_groups_of(*({"log_group_name": name, "retention": 20 * DAY} for name in names))
    expiring = [one for one in built(*rows, log_groups=kept).findings if one.kind == "expiring"]
    assert [len(one.rows) for one in expiring] == [1, 1, 4]
    assert expiring[-1].id == "expiring-others"


@pytest.mark.parametrize("week", ["2026-W24", "2026-W46", "2026-W30"])
def test_the_json_has_parts_and_ranges(week: str):
    """The JSON has each part with its id, and the exports of each command."""
    report = report_of(week)
    made = json.loads(report.to_json())
    for one, written in zip(report.findings, made["findings"], strict=True):
        assert [part["id"] for part in written["parts"]] == [part.id for part in one.parts]
        assert len(written["exports"]) == len(written["commands"])
        for export in written["exports"]:
            assert export["start"] < export["end"]
            for name in export["log_group_names"]:
                assert f"--log-group={name}" in export["command"]
    text = report.to_markdown()
    for one in report.findings:
        shown = [command for command in one.commands[:3] if command in text]
        assert [text.count(f"  {command}\n") for command in shown] == [1] * len(shown)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Return the nights of a few log groups, some of which failed, are active or are missing."""
    rows = []
    for place in draw(st.sets(st.sampled_from(sorted(PLACES)), min_size=1)):
        for name in ("acme/a", "acme/b"):
            for row in nights(name):
                how = draw(st.sampled_from(["ok"] * 9 + ["denied", "bucket", "gone"]))
                failed = {"status_code": "FAILED", "status_message": f"It is {how}"}
                more = failed if how in ("denied", "bucket") else {}
                if how != "gone":
                    rows.append(row | more | PLACES[place])
    return rows


@FEW
@given(histories(), st.randoms(use_true_random=False))
def test_no_gap_is_reported_twice(rows: list[Row], random: Random):
    """No gap is in two incidents. The parts add up to the results of the rules, in any order."""
    if not rows:
        return
    kept = pd.concat(
        [
            KEPT.assign(**{name: pd.Categorical([v] * 3) for name, v in place.items()})
            for place in PLACES.values()
        ],
        ignore_index=True,
    )
    options = {"week": ISO_WEEK, "log_groups": xs.conform(kept, of="log_groups")}
    tasks = tasks_of(*rows)
    evidence = Evidence(log_groups=options["log_groups"])
    material = material_of(tasks, ISO_WEEK, evidence, None, "UTC", (), None)
    found = [(rule, rule.look(material)) for rule in RULES]
    there = [(rule, one) for rule, one in found if one is not None]
    wholes = incidents.incidents(there, ())
    for n, one in enumerate(wholes):
        for other in wholes[n + 1 :]:
            assert not any(overlap(a, b) for a in one.every for b in other.every)
    for rule, one in there:
        parts = [part for whole in wholes for part in whole.every if part.kind == rule.kind]
        added = sorted(repr(row) for part in parts for row in plain_rows(part.rows))
        assert added == sorted(map(repr, plain_rows(one.rows)))
    random.shuffle(there)
    again = incidents.incidents(there, ())
    assert [(one.id, [part.id for part in one.parts], one.commands) for one in again] == [
        (one.id, [part.id for part in one.parts], one.commands) for one in wholes
    ]
