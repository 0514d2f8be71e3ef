"""Build the report on a week of a million tasks, or only its tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import exportstats as xs
from exportstats.core import frames

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000_000
BASELINE = "its tables"

_GROUPS, _OF_A_SLOT = 5_000, 25
_DAY = 86_400_000
_START = 20_400 * _DAY
_WEEKS = 6
_SEED = 20261124


@contextlib.contextmanager
def prepare(size: int) -> Iterator[dict[str, Any]]:
    """Make nights of 5,000 log groups, 3 % of them FAILED, and import everything."""
    nights = size // _GROUPS
    group = np.repeat(np.arange(_GROUPS), nights)
    start = _START + np.tile(np.arange(nights), _GROUPS) * _DAY
    random = np.random.default_rng(_SEED)
    failed = random.random(len(group)) < 0.03
    slot = group // _OF_A_SLOT
    created = start + _DAY + 13 * 3_600_000 + (group % _OF_A_SLOT) * 1_500_000
    took = np.minimum(random.lognormal(np.log(900_000), 0.3, len(group)), 1_400_000)
    names = pd.Index([f"/acme/{number:04}" for number in range(_GROUPS)])
    tasks = xs.conform(
        pd.DataFrame(
            {
                "account_id": np.char.mod("%012d", slot // 4),
                "region": np.char.mod("region-%d", slot % 4),
                "task_id": [f"{number:032x}" for number in range(len(group))],
                "log_group_name": pd.Categorical.from_codes(group, names),
                "from_time": start,
                "to_time": start + _DAY - 1,
                "status_code": np.where(failed, "FAILED", "COMPLETED"),
                "status_message": np.where(failed, "Synthetic: no answer after 3 s", None),
                "creation_time": created,
                "completion_time": created + took.astype("int64"),
                "observed_at": _START + (nights + 2) * _DAY,
            }
        )
    )
    keys = tasks[["account_id", "region", "log_group_name"]].drop_duplicates().astype("str")
    since = pd.Timestamp(_START, unit="ms", tz="UTC")
    month = pd.Timedelta(days=30)
    log_groups = frames.conform(
        keys.assign(creation_time=since, retention=month, observed_at=since), of="log_groups"
    )
    xs.build_weekly_report(xs.sample_tasks(), week="2026-W24")
    yield {"tasks": tasks, "log_groups": log_groups}


def make_tables(given: dict[str, Any]) -> list[pd.DataFrame]:
    """Compute each table of the report by itself, for the same weeks."""
    tasks, log_groups = given["tasks"], given["log_groups"]
    end = (tasks["observed_at"].max() - pd.Timedelta(days=1)).floor("D")
    end -= pd.Timedelta(days=end.day_of_week)
    week = tasks[tasks["creation_time"].between(end - pd.Timedelta(days=7), end)]
    weeks = tasks[tasks["creation_time"].between(end - pd.Timedelta(days=7 * _WEEKS), end)]
    due = {"start": end - pd.Timedelta(days=9), "end": end - pd.Timedelta(days=2)}
    known = {"log_groups": log_groups, "as_of": end}
    start = tasks["from_time"].min()
    by = ["account_id", "region", "log_group_name"]
    periods = [
        (end - pd.Timedelta(days=7 * n), end - pd.Timedelta(days=7 * (n - 1))) for n in (1, 2)
    ]
    return [
        xs.find_gaps(tasks, start=start, end=end, **known),
        xs.find_premature(tasks, as_of=end, **due),
        xs.coverage_summary(tasks, **due, **known),
        xs.coverage_timeline(tasks, **due, **known),
        xs.find_slowdowns(tasks, as_of=end),
        xs.find_anomalies(week),
        xs.failure_reasons(tasks),
        xs.failure_reasons(week, by=["account_id", "region"]),
        xs.estimate_completion(weeks, as_of=end),
        xs.slot_usage(week, freq="D", as_of=end),
        xs.compare_periods(weeks, current=periods[0], previous=periods[1]),
        xs.status_breakdown(weeks, freq="D"),
        xs.duration_summary(weeks),
        xs.duration_summary(week, by=by),
    ]


def report(given: dict[str, Any]) -> xs.WeeklyReport:
    """Build the report."""
    return xs.build_weekly_report(given["tasks"], log_groups=given["log_groups"])


def write(given: dict[str, Any]) -> str:
    """Build the report and write it as HTML."""
    return report(given).to_html(csv="tables")


def check(result: Any, size: int) -> None:  # noqa: ANN401 - any contestant's result
    """Check that the report has findings, and that its HTML is small."""
    if isinstance(result, str):
        assert len(result.encode()) < 1_000_000, size
    elif isinstance(result, xs.WeeklyReport):
        assert result.findings


CONTESTANTS = {BASELINE: make_tables, "the report": report, "and its HTML": write}
