"""A state that is missing or unknown is neither active nor ended."""

from __future__ import annotations

import pandas as pd
import pytest
from support import DAY, HOUR, START, plain, table

import exportstats as xs

SLOT = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
WINDOW = {"from_time": START - DAY, "to_time": START - 1}
RANGE = {"start": "2026-11-22T06:00Z", "end": "2026-11-23T06:00Z"}


@pytest.fixture(params=["ARCHIVED", None])
def tasks(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Return COMPLETED tasks and two in a missing or unknown state, one with a completion time."""
    odd = {**WINDOW, "status_code": request.param, "creation_time": START}
    done = [
        {
            "status_code": "COMPLETED",
            "creation_time": START - DAY * n,
            "completion_time": START - DAY * n + HOUR,
        }
        for n in range(2, 40)
    ]
    seen = START + 23 * HOUR + 59 * 60_000
    ended = {**odd, "completion_time": START + HOUR}
    return table(*done, odd, ended, **SLOT, observed_at=seen)


def test_nothing_is_expected_of_it(tasks: pd.DataFrame):
    """Such a task has no forecast, is not censored, and is not active in the report."""
    assert len(xs.estimate_completion(tasks)) == 0
    assert len(xs.estimate_completion(tasks, as_of="2026-11-24T05:50Z")) == 0
    assert xs.duration_summary(tasks)["censored"].item() == 0
    assert xs.duration_trend(tasks)["censored"].sum() == 0
    for event in ("completed", "ended"):
        curve = xs.completion_curve(tasks, event=event)
        assert curve[["censored", "competing"]].to_numpy().sum() == 0
        assert curve["at_risk"].max() == 38
    report = xs.build_weekly_report(tasks, week="2026-W48", as_of="2026-11-24T05:50Z")
    assert "active" not in report.to_markdown().lower().split("how to read")[0]


def test_it_ended_if_a_completion_time_says_so(tasks: pd.DataFrame):
    """With a completion time, it has a duration and kept its slot busy; its state stays."""
    odd = tasks[tasks["creation_time"] == "2026-11-23T06:00Z"]
    assert plain(odd["duration"]) == [None, HOUR]
    assert plain(odd["status_code"]) == plain(odd["status_code"])[:1] * 2
    usage = xs.slot_usage(tasks).iloc[-1]
    assert usage["tasks"] == 2
    assert usage["busy"] == pd.Timedelta("1h")
    assert usage["overlapping"] == pd.Timedelta(0)


def test_it_covers_nothing_and_holds_nothing_back(tasks: pd.DataFrame):
    """Its window is a gap for the reason `unknown`, and is planned to be exported."""
    gaps = xs.find_gaps(tasks, **RANGE)
    assert gaps["reason"].to_list() == ["unknown"]
    plan = xs.plan_backfill(gaps, tasks, destination="acme-logs")
    assert plain(plan["to_time"])[-1] == START - 1
    assert plain(plan["expected_start"])[0] == START + 23 * HOUR + 59 * 60_000


def test_it_counts_as_a_task_of_no_rate(tasks: pd.DataFrame):
    """It counts among the tasks of its period, but not among those that ended."""
    weeks = {"current": "2026-W48", "previous": "2026-W47"}
    table_ = xs.compare_periods(tasks, **weeks)
    assert table_.loc["all", ("tasks", "current")] == 2
    assert table_.loc["all", ("failure_rate", "n_current")] == 0
