"""Compute each table of statistics of a million tasks, and its naive version in plain pandas.

`python -m benchmarks.tables [TASKS]` makes tasks of twenty slots, times each table and its naive
version in turn, and prints the medians of three runs. The naive versions have no confidence limits,
running tasks, competing ends, bootstrap or empty periods. The last line is the time to draw the
slots with all tasks.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Table = Callable[[pd.DataFrame], object]

SIZE = 1_000_000
MOST_SECONDS, MOST_RATIO, MOST_DRAWN_SECONDS = 2.0, 2.0, 0.5

_ACCOUNTS, _REGIONS, _GROUPS = 4, 5, 50  # log groups of a slot
_YEAR, _DAY = 365 * 86_400_000, 86_400_000
_START = 20_454 * _DAY  # 2026-01-01
_SEED = 20261124
RUNS = 3
_NOW, _BEFORE = "2026-W40", "2026-W39"


def make(size: int, groups: int = _GROUPS) -> pd.DataFrame:
    """Make tasks of a year, one after another in each slot; the last of each is RUNNING."""
    random = np.random.default_rng(_SEED)
    slots = _ACCOUNTS * _REGIONS
    each = size // slots
    slot = np.repeat(np.arange(slots), each)
    space = _YEAR // each
    created = _START + np.tile(np.arange(each), slots) * space
    took = np.minimum(random.lognormal(np.log(0.3 * space), 0.5, len(slot)), 0.95 * space)
    states = np.array(["COMPLETED", "FAILED", "CANCELLED", "RUNNING"])
    state = random.choice(3, len(slot), p=[0.93, 0.05, 0.02])
    state[each - 1 :: each] = 3
    waits = random.integers(1, 100, len(slot))
    messages = np.array([f"Synthetic: no answer after {second} s" for second in range(100)])
    group = slot * groups + random.integers(0, groups, len(slot))
    ends = pd.Series(created + took.astype("int64")).where(state < 3).astype("Int64")
    return xs.conform(
        pd.DataFrame(
            {
                "account_id": np.char.mod("%012d", slot // _REGIONS),
                "region": np.char.mod("region-%d", slot % _REGIONS),
                "task_id": [f"{number:032x}" for number in range(len(slot))],
                "log_group_name": np.char.mod("/acme/%04d", group),
                "from_time": created - 2 * _DAY,
                "to_time": created - _DAY - 1,
                "status_code": states[state],
                "status_message": np.where(state == 1, messages[waits], None),
                "creation_time": created,
                "completion_time": ends,
                "observed_at": _START + _YEAR,
            }
        )
    )


def _done(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks[tasks["status_code"] == "COMPLETED"]


def naive_status(tasks: pd.DataFrame) -> object:
    """Count states by log group."""
    return tasks.groupby(["log_group_name", "status_code"], observed=False).size()


def naive_reasons(tasks: pd.DataFrame) -> object:
    """Count messages without their numbers, with the first and last time."""
    failed = tasks[tasks["status_code"] == "FAILED"]
    reason = failed["status_message"].astype("str").str.replace(r"\d+", "<number>", regex=True)
    return failed.groupby(reason)["completion_time"].agg(["size", "min", "max"])


def naive_summary(tasks: pd.DataFrame) -> object:
    """Return quantiles and extremes by log group."""
    lengths = _done(tasks).groupby("log_group_name", observed=True)["duration"]
    return lengths.quantile([0.5, 0.9, 0.99]), lengths.agg(["size", "min", "mean", "max"])


def naive_histogram(tasks: pd.DataFrame) -> object:
    """Count durations in bins."""
    seconds = _done(tasks)["duration"].dt.total_seconds()
    return pd.cut(seconds, np.geomspace(seconds.min(), seconds.max(), 30)).value_counts()


def naive_trend(tasks: pd.DataFrame) -> object:
    """Return quantiles by log group and week."""
    weeks = pd.Grouper(key="creation_time", freq="W")
    lengths = _done(tasks).groupby(["log_group_name", weeks], observed=True)["duration"]
    return lengths.quantile([0.5, 0.9])


def naive_times(tasks: pd.DataFrame) -> object:
    """Count completions by weekday and hour."""
    times = _done(tasks)["completion_time"].dt
    return pd.crosstab(times.day_of_week, times.hour)


def naive_curve(tasks: pd.DataFrame) -> object:
    """Return the share of each region's COMPLETED tasks that took no longer, at each duration."""
    counts = _done(tasks).groupby("region", observed=True)["duration"].value_counts().sort_index()
    by = counts.groupby(level=0, observed=True)
    return by.cumsum() / by.transform("sum")


def naive_forecast(tasks: pd.DataFrame) -> object:
    """Return the median of the latest durations of each running task's log group."""
    done = _done(tasks).sort_values("creation_time")
    latest = done.groupby("log_group_name", observed=True).tail(100)
    usual = latest.groupby("log_group_name", observed=True)["duration"].median().rename("usual")
    return tasks[tasks["status_code"] == "RUNNING"].join(usual, on="log_group_name")


def naive_periods(tasks: pd.DataFrame) -> object:
    """Return count, failure rate and quantiles of two weeks."""
    week = tasks["creation_time"].dt.isocalendar()["week"]
    chosen = tasks[week.isin([39, 40])]
    by = chosen.groupby(week)
    failed = (chosen["status_code"] == "FAILED").groupby(week).mean()
    return by.size(), failed, _done(chosen).groupby(week)["duration"].quantile([0.5, 0.9])


def naive_slow(tasks: pd.DataFrame) -> object:
    """Find tasks that are far from the rolling median of their log group."""
    done = _done(tasks).sort_values("creation_time")
    logs = np.log(done["duration"].dt.total_seconds())
    rolling = logs.groupby(done["log_group_name"], observed=True).rolling(100, min_periods=20)
    middle, spread = (table.droplevel(0) for table in (rolling.median(), rolling.std()))
    return done[((logs - middle) / spread).reindex(done.index) > 3.5]


def naive_slowdowns(tasks: pd.DataFrame) -> object:
    """Return the change of the median from month to month by log group."""
    months = pd.Grouper(key="creation_time", freq="MS")
    medians = _done(tasks).groupby(["log_group_name", months], observed=True)["duration"].median()
    return medians.dt.total_seconds().groupby(level=0, observed=True).pct_change()


def naive_slots(tasks: pd.DataFrame) -> object:
    """Sum durations by slot and day."""
    days = pd.Grouper(key="creation_time", freq="D")
    by = tasks.groupby(["account_id", "region", days], observed=True)["duration"]
    return by.agg(["sum", "size"])


def naive_lag(tasks: pd.DataFrame) -> object:
    """Return quantiles of the landing lag by log group."""
    done = _done(tasks)
    lag = done["completion_time"] - done["to_time"]
    return lag.groupby(done["log_group_name"], observed=True).quantile([0, 0.5, 0.9, 0.99, 1])


TABLES: dict[str, tuple[Table, Table]] = {
    "status_breakdown": (partial(xs.status_breakdown, by="log_group_name"), naive_status),
    "failure_reasons": (xs.failure_reasons, naive_reasons),
    "duration_summary": (partial(xs.duration_summary, by="log_group_name"), naive_summary),
    "duration_histogram": (xs.duration_histogram, naive_histogram),
    "duration_trend": (partial(xs.duration_trend, by="log_group_name"), naive_trend),
    "completion_times": (xs.completion_times, naive_times),
    "completion_curve": (partial(xs.completion_curve, by="region"), naive_curve),
    "estimate_completion": (xs.estimate_completion, naive_forecast),
    "compare_periods": (
        partial(xs.compare_periods, current=_NOW, previous=_BEFORE),
        naive_periods,
    ),
    "find_slow_tasks": (xs.find_slow_tasks, naive_slow),
    "find_slowdowns": (xs.find_slowdowns, naive_slowdowns),
    "slot_usage": (partial(xs.slot_usage, freq="D"), naive_slots),
    "landing_lag": (partial(xs.landing_lag, by="log_group_name"), naive_lag),
}


def draw_slots(tasks: pd.DataFrame) -> None:
    """Draw the timeline of the slots."""
    figure = xs.plot_task_timeline(tasks).figure
    figure.canvas.draw()
    plt.close(figure)


def _seconds(call: Table, tasks: pd.DataFrame) -> float:
    before = time.process_time()
    call(tasks)
    return time.process_time() - before


def pairs(tasks: pd.DataFrame) -> Iterator[tuple[str, float, float]]:
    """Yield the median CPU seconds of each table, and those of its naive version."""
    few = tasks.head(len(tasks) // 100)
    for name, pair in TABLES.items():
        for call in pair:
            call(few)  # imports are not measured
        runs = [[_seconds(call, tasks) for call in pair] for _ in range(RUNS)]
        ours, plain = map(statistics.median, zip(*runs, strict=True))
        yield name, ours, plain


def main(size: int) -> None:
    """Print one row per table, and the time to draw the slots."""
    mpl.use("agg")
    tasks = make(size)
    print(f"{len(tasks):,} tasks; CPU, median of {RUNS} runs\n")
    print("| table | s | plain pandas s | ratio | |")
    print("|---|--:|--:|--:|---|")
    for name, ours, plain in pairs(tasks):
        kept = ours < MOST_SECONDS and ours / plain <= MOST_RATIO
        verdict = "kept" if kept else "**missed**"
        print(f"| {name} | {ours:.2f} | {plain:.2f} | {ours / plain:.2f} | {verdict} |", flush=True)
    draw_slots(tasks.head(size // 100))
    drawn = statistics.median(_seconds(draw_slots, tasks) for _ in range(RUNS))
    verdict = "kept" if drawn < MOST_DRAWN_SECONDS else "**missed**"
    print(f"\nplot_task_timeline, drawn: {drawn:.2f} s ({verdict})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
