"""A report of many tasks reads each shard a few times, however many findings it has."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pandas as pd
import pytest
from reported import report_of, sample
from support import Shards, cut

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.stats import api_calls


def shards() -> Shards:
    """Return the sample in some shards."""
    return cut(sample()[0], Random(11), anew=True)  # noqa: S311 - an order, no secret


@pytest.mark.parametrize("week", ["2026-W24", "2026-W39", "2026-W45"])
def test_a_report_reads_each_shard_at_most_three_times(week: str):
    """Once for the last observation, once for all findings, once for what was resolved."""
    tasks, log_groups = shards(), sample()[1]
    report = xs.build_weekly_report(tasks, week=week, log_groups=log_groups)
    assert tasks.passes == 2 + ("resolved" in report.tables)
    assert report.to_json() == report_of(week).to_json()


def test_with_an_instant_the_last_observation_is_not_read():
    """With `as_of`, it is read once less."""
    tasks, log_groups = shards(), sample()[1]
    options = {"week": "2026-W24", "log_groups": log_groups, "as_of": "2026-06-15T00:00Z"}
    report = xs.build_weekly_report(tasks, **options)
    assert tasks.passes == 1 + ("resolved" in report.tables)
    assert report.to_json() == xs.build_weekly_report(sample()[0], **options).to_json()


def test_the_parts_of_a_report_are_read_together():
    """All parts read each shard twice more: for all findings, and for what was resolved."""
    tasks, log_groups = sample()
    starts = tasks["log_group_name"].astype("str").str[0]
    tasks = tasks.assign(team=starts.map({"/": "platform", "a": "shop"}))
    split = cut(tasks, Random(11), anew=True)  # noqa: S311 - an order, no secret
    options = {"week": "2026-W25", "log_groups": log_groups, "by": "team"}
    report = xs.build_weekly_report(split, **options)
    resolved = [name for name, part in report.parts.items() if "resolved" in part.tables]
    assert sorted(resolved) == ["platform", "shop"]
    assert split.passes == 3 + 1 + 1 + 1
    assert report.to_json() == xs.build_weekly_report(tasks, **options).to_json()


def test_evidence_is_prepared_once(monkeypatch: pytest.MonkeyPatch):
    """API calls and incoming data are sorted once for all questions of a report and its parts."""
    counts: Counter[str] = Counter()
    check, first = frames.check, api_calls._first

    def counted_check(frame: Any, table: Any = schema.TASKS, names: Any = None) -> Any:  # noqa: ANN401
        counts[table.identifier] += 1
        return check(frame, table, names)

    def counted_first(*given: Any) -> Any:  # noqa: ANN401 - its own
        counts["first calls"] += 1
        return first(*given)

    monkeypatch.setattr(frames, "check", counted_check)
    monkeypatch.setattr(api_calls, "_first", counted_first)
    tasks = sample()[0].assign(team="web")
    tasks = tasks[tasks["creation_time"] > pd.Timestamp("2026-10-20", tz="UTC")]
    report = xs.build_weekly_report(
        tasks,
        week="2026-W46",
        by="team",
        api_calls=xs.sample_api_calls(),
        incoming=xs.sample_incoming(),
        deliveries=xs.sample_deliveries(),
    )
    assert [*report.parts] == ["web"]
    assert counts["incoming"] == counts["first calls"] == 1
