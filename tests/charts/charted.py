"""A table for every chart, for what all charts have in common."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from exportstats import charts
from exportstats.core.schema import STATES
from exportstats.stats.periods import COLUMNS

HOSTILE = [
    "$\\frac{1}{$ a_b^",
    "$a$ \\$b",
    "line\nbreak\ttab\x00\x1b[31m",
    "\u202egnp.exe\u202c",
    "漢字 📦",
    "x" * 10_000,
    "_hidden",
    "",
    np.nan,
]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def times(count: int) -> pd.DatetimeIndex:
    """Return the starts of some weeks."""
    weeks = pd.date_range("2026-01-05", periods=count, freq="7D", tz="UTC", name="period")
    return weeks.as_unit("ms")


def lengths(*seconds: float) -> pd.Index:
    """Return durations."""
    return pd.to_timedelta(list(seconds), unit="s").as_unit("ms")


def states(names: list[object]) -> pd.DataFrame:
    """Return what `status_breakdown` returns, by group."""
    index = pd.MultiIndex.from_product([names, list(STATES)], names=["task_name", "status_code"])
    return pd.DataFrame({"tasks": 1, "share": 1 / 6}, index=index)


def reasons(names: list[object]) -> pd.DataFrame:
    """Return what `failure_reasons` returns, by group; the reasons are the same texts."""
    index = pd.MultiIndex.from_arrays([names, names[::-1]], names=["task_name", "reason"])
    seen = times(len(names))
    return pd.DataFrame(
        {"tasks": 2, "share": 1.0, "first_time": seen, "last_time": seen, "example_task_id": "a"},
        index=index,
    )


def summary(names: list[object]) -> pd.DataFrame:
    """Return what `duration_summary` returns, by group."""
    row = dict(zip(["min", "p50", "p90", "max", "mean"], lengths(1, 2, 30, 40, 5), strict=True))
    return pd.DataFrame(
        {"completed": 50, "censored": 1, **row}, index=pd.Index(names, name="task_name")
    )


def histogram(names: list[object]) -> pd.DataFrame:
    """Return what `duration_histogram` returns, by group."""
    bins = pd.IntervalIndex.from_breaks(lengths(1, 10, 100), closed="left")
    index = pd.MultiIndex.from_product([names, bins], names=["task_name", "duration"])
    return pd.DataFrame({"tasks": 5, "share": 0.5}, index=index)


def trend(names: list[object]) -> pd.DataFrame:
    """Return what `duration_trend` returns, by group."""
    index = pd.MultiIndex.from_product([names, times(4)], names=["task_name", "period"])
    half, most = lengths(60, 90)
    return pd.DataFrame({"completed": 20, "censored": 0, "p50": half, "p90": most}, index=index)


def hours(names: list[object]) -> pd.DataFrame:
    """Return what `completion_times` returns; the zone's name is one of the texts."""
    table = pd.DataFrame(
        int(bool(names)),
        index=pd.Index(DAYS, name="weekday"),
        columns=pd.RangeIndex(24, name="hour"),
    )
    table.attrs["tz"] = names[0] if names else "UTC"
    return table


def tasks(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of a table of tasks; the states are the texts."""
    return pd.DataFrame(
        {
            "creation_time": times(len(names)),
            "duration": lengths(*range(1, len(names) + 1)),
            "status_code": pd.Categorical(names),
            "observed_at": times(len(names)),
        }
    )


def timeline(names: list[object]) -> pd.DataFrame:
    """Return what `coverage_timeline` returns: a gap of a day in each of some log groups."""
    start = times(len(names))
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": "eu-west-1",
            "log_group_name": names,
            "start": start,
            "end": start + pd.Timedelta(1, "D"),
            "length": lengths(*[86_400] * len(names)),
            "state": "gap",
            "evidence": "missing",
            "reason": "failed",
            "expires_at": start + pd.Timedelta(30, "D"),
        }
    )


def plan(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `plan_backfill` gives; the regions are the texts."""
    start = times(len(names))
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": names,
            "deadline": start,
            "expected_start": start,
            "expected_end": start + pd.Timedelta(1, "h"),
            "end_high": start + pd.Timedelta(2, "h"),
            "late": True,
            "enough_history": False,
        }
    )


def lag_table(names: list[object]) -> pd.DataFrame:
    """Return what `landing_lag` returns, by group."""
    index = pd.MultiIndex.from_product([names, [0.0, 0.5, 1.0]], names=["task_name", "share"])
    return pd.DataFrame({"lag": lengths(*range(1, 3 * len(names) + 1)), "tasks": 5}, index=index)


def slot_tasks(names: list[object]) -> pd.DataFrame:
    """Return what the chart of the slots needs of a table of tasks; the accounts are the texts."""
    seen = times(len(names))
    return pd.DataFrame(
        {
            "account_id": pd.Categorical(names),
            "region": "eu-west-1",
            "creation_time": seen,
            "completion_time": seen + pd.Timedelta("1h"),
            "observed_at": seen,
            "status_code": "COMPLETED",
        }
    )


def comparison(names: list[object]) -> pd.DataFrame:
    """Return what `compare_periods` returns, by group."""
    many = len(names)
    rate = {
        "previous": np.linspace(0.1, 0.5, many),
        "current": np.linspace(0.2, 0.6, many),
        "change": 0.1,
        "ratio": 1.5,
        "low": 0.05,
        "high": 0.3,
        "n_previous": 30,
        "n_current": 40,
        "verdict": "worse",
    }
    took = {
        name: lengths(*[60 * minutes] * many)
        for minutes, name in enumerate(("low", "change", "high", "previous", "current"), 1)
    }
    of = {
        "tasks": {**rate, "previous": 30, "current": 40, "change": 10},
        "failure_rate": rate,
        "p50": rate | took,
        "p90": rate | took,
    }
    index = pd.Index(names, name="task_name")
    flat = {(name, value): of[name][value] for name, value in COLUMNS}
    return pd.DataFrame(flat, index=index)


def curve(names: list[object]) -> pd.DataFrame:
    """Return what `completion_curve` returns, by group."""
    times_ = lengths(0, 60, 600)
    index = pd.MultiIndex.from_product([names, times_], names=["task_name", "duration"])
    many = len(names)
    return pd.DataFrame(
        {
            "at_risk": [9, 9, 5] * many,
            "completed": [0, 4, 5] * many,
            "competing": 0,
            "censored": 0,
            "probability": [0, 0.4, 1.0] * many,
            "low": [np.nan, 0.2, np.nan] * many,
            "high": [np.nan, 0.7, np.nan] * many,
        },
        index=index,
    )


def forecasts(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `estimate_completion` gives, by log group."""
    many = len(names)
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": "eu-west-1",
            "log_group_name": names,
            "status_code": "RUNNING",
            "elapsed": lengths(*range(1, many + 1)),
            "remaining_low": lengths(*[60] * many),
            "remaining": lengths(*[120] * many),
            "remaining_high": lengths(*[300] * many),
            "ends": times(many),
        }
    )


def slow_tasks(names: list[object]) -> pd.DataFrame:
    """Return what `find_slow_tasks` returns, by log group."""
    many = len(names)
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": "eu-west-1",
            "log_group_name": names,
            "creation_time": times(many),
            "duration": lengths(*[600] * many),
            "typical": lengths(*[60] * many),
            "ratio": 10.0,
            "score": np.arange(many, 0, -1.0),
        }
    )


def phases(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `phase_durations` returns."""
    many = len(names)
    ends = {"low": lengths(*range(1, many + 1)), "high": lengths(*range(9, many + 9))}
    bounds = {f"{one}_{end}": ends[end] for one in ("waiting", "running") for end in ends}
    return pd.DataFrame({"status_code": "COMPLETED", "looks": 1, **bounds}, index=range(many))


def exports(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of the exports of `simulate_queue`, by log group."""
    at = times(len(names))
    quantiles = {
        f"{name}_{what}": at + pd.Timedelta(minutes, "min")
        for name, what, minutes in (
            ("start", "low", 0), ("expected", "start", 10), ("start", "high", 20),
            ("end", "low", 60), ("expected", "end", 70), ("end", "high", 90),
        )
    }  # fmt: skip
    slot = {"account_id": "1", "region": "eu-west-1", "log_group_name": names}
    chances = {"refusal_probability": 0.5, "deadline_risk": 0.1, "probability": 0.4}
    return pd.DataFrame({"create_at": at, **quantiles, **slot, **chances, "deadline": at})


def finish(names: list[object]) -> pd.DataFrame:
    """Return what `simulate_queue` returns as `finish`, by account."""
    slots = pd.MultiIndex.from_arrays(
        [names, ["eu-west-1"] * len(names)], names=["account_id", "region"]
    )
    done = {place: times(9) + pd.Timedelta(place, "min") for place in range(len(names))}
    return pd.DataFrame(done).set_axis(slots, axis="columns").rename_axis(index="run")


def scenarios(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `compare_queues` returns, for a slot."""
    levels = {"scenario": names, "account_id": "1", "region": "eu-west-1"}
    done = times(len(names))
    return pd.DataFrame(
        {
            "done_low": done,
            "expected_done": done + pd.Timedelta("1h"),
            "done_high": done + pd.Timedelta("3h"),
            "later": lengths(*range(len(names))),
            "same_probability": [float(not row) for row in range(len(names))],
            "deadline_risk": np.linspace(0, 1, len(names)),
        },
        index=pd.MultiIndex.from_frame(pd.DataFrame(levels)),
    )


CHARTS = [
    (charts.plot_status_breakdown, states, "status_breakdown"),
    (charts.plot_failure_reasons, reasons, "failure_reasons"),
    (charts.plot_duration_summary, summary, "duration_summary"),
    (charts.plot_duration_histogram, histogram, "duration_histogram"),
    (charts.plot_duration_trend, trend, "duration_trend"),
    (charts.plot_completion_times, hours, "completion_times"),
    (charts.plot_task_durations, tasks, "conform"),
    (charts.plot_coverage, timeline, "coverage_timeline"),
    (charts.plot_backfill, plan, "plan_backfill"),
    (charts.plot_landing_lag, lag_table, "landing_lag"),
    (charts.plot_completion_curve, curve, "completion_curve"),
    (charts.plot_completion, forecasts, "estimate_completion"),
    (charts.plot_slow_tasks, slow_tasks, "find_slow_tasks"),
    (charts.plot_phase_durations, phases, "phase_durations"),
    (charts.plot_periods, comparison, "compare_periods"),
    (charts.plot_task_timeline, slot_tasks, "conform"),
    (charts.plot_queue, exports, "exports that simulate_queue"),
    (charts.plot_queue_finish, finish, "finish that simulate_queue"),
    (charts.plot_queue_comparison, scenarios, "compare_queues"),
]


def of_charts(*but: str) -> pytest.MarkDecorator:
    """Parametrise a test with all charts but some."""
    chosen = [chart for chart in CHARTS if chart[2] not in but]
    ids = [maker for _, _, maker in chosen]
    return pytest.mark.parametrize(("plot", "make", "maker"), chosen, ids=ids)


every_chart = of_charts()
Plot = Callable[..., Axes]
Make = Callable[[list[object]], pd.DataFrame]
