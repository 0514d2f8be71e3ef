"""Every chart in every situation: `python tests/gallery.py FOLDER` draws them all as PNG."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Plot = Callable[..., Axes]

_DAY = 86_400_000
_END = 20_780 * _DAY  # 2026-11-23
_BY = ["log_group_name"]
_SCENES: dict[str, dict[str, Any]] = {
    "tiny": {"figsize": (2.4, 1.8), "layout": "constrained"},
    "small": {"figsize": (4, 3), "layout": "constrained"},
    "bare": {"layout": "none"},
}


def make_tasks(groups: int, days: int) -> pd.DataFrame:
    """Make a task a log group and day; the later log groups and the later days are slower."""
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(groups), days)
    day = np.tile(np.arange(days), groups)
    many = len(group)
    start = _END - (days - day) * _DAY
    seconds = 200 * (1 + group % 17) * (1 + day / days) * rng.lognormal(0, 0.5, many)
    created = start + _DAY + 13 * 3_600_000 + group % 100 * 60_000
    ended = created + (1_000 * seconds).astype("int64")
    state = rng.choice(["COMPLETED", "FAILED", "CANCELLED"], many, p=[0.93, 0.05, 0.02])
    active = (day == days - 1) & (group < 12)
    return xs.conform(
        pd.DataFrame(
            {
                "account_id": [f"{111122223333 + number // 50}" for number in group],
                "region": np.where(group % 50 < 25, "eu-west-1", "us-east-1"),
                "task_id": [f"{number:032x}" for number in range(many)],
                "log_group_name": [f"/acme/shop/service-{number:03}" for number in group],
                "from_time": start,
                "to_time": start + _DAY - 1,
                "destination": "bucket",
                "status_code": np.where(active, "RUNNING", state),
                "status_message": np.where(state == "FAILED", "Access denied", None),
                "creation_time": created,
                "completion_time": np.where(active, np.nan, ended),
                "observed_at": _END + _DAY,
            }
        )
    )


def seen_now_and_then(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks with looks at them every five minutes; each waited for a third of its time.

    Of long tasks, only the last look before the start and the first one after it are there.
    """
    created, length = tasks["creation_time"], tasks["duration"]
    start = created + length / 3
    before, after = start.dt.floor("5min"), start.dt.ceil("5min")
    looks = [tasks]
    for state, time, is_seen in (
        ("PENDING", before, before > created),
        ("RUNNING", after, after < tasks["completion_time"]),
    ):
        seen = tasks[is_seen].assign(observed_at=time, completion_time=pd.NaT, status_code=state)
        looks.append(seen.astype({"status_code": tasks["status_code"].dtype}))
    return pd.concat(looks).astype({"observed_at": "datetime64[ms, UTC]"})


def make_tables(tasks: pd.DataFrame, freq: str) -> Iterator[tuple[str, Plot, pd.DataFrame]]:
    """Make each chart's table, some charts' more than one."""
    last = tasks["to_time"].max() + pd.Timedelta("1ms")
    days = {"start": tasks["from_time"].min(), "end": last}
    month = {"start": last - pd.Timedelta("28D"), "end": last}
    gaps = xs.find_gaps(tasks, **month)
    weeks = {"current": "2026-W47", "previous": "2026-W46"}
    yield "states", xs.plot_status_breakdown, xs.status_breakdown(tasks)
    yield "states-by-period", xs.plot_status_breakdown, xs.status_breakdown(tasks, freq=freq)
    yield "states-by-group", xs.plot_status_breakdown, xs.status_breakdown(tasks, by=_BY)
    yield "failures", xs.plot_failure_reasons, xs.failure_reasons(tasks)
    yield "failures-by-group", xs.plot_failure_reasons, xs.failure_reasons(tasks, by=_BY)
    yield "summary", xs.plot_duration_summary, xs.duration_summary(tasks, by=_BY)
    yield "histogram", xs.plot_duration_histogram, xs.duration_histogram(tasks)
    by_group = xs.duration_histogram(tasks, by=_BY)
    yield "histogram-by-group", xs.plot_duration_histogram, by_group
    yield "trend", xs.plot_duration_trend, xs.duration_trend(tasks, freq=freq)
    yield "trend-by-group", xs.plot_duration_trend, xs.duration_trend(tasks, freq=freq, by=_BY)
    yield "completion-times", xs.plot_completion_times, xs.completion_times(tasks)
    yield "task-durations", xs.plot_task_durations, tasks
    yield "timeline", xs.plot_task_timeline, tasks
    yield "coverage", xs.plot_coverage, xs.coverage_timeline(tasks, **days)
    yield "coverage-by-day", xs.plot_coverage, xs.coverage_by_day(tasks, **days)
    yield "backfill", xs.plot_backfill, xs.plan_backfill(gaps, tasks, destination="bucket")
    yield "landing", xs.plot_landing_lag, xs.landing_lag(tasks, by=_BY)
    yield "curve", xs.plot_completion_curve, xs.completion_curve(tasks)
    yield "curve-by-group", xs.plot_completion_curve, xs.completion_curve(tasks, by=_BY)
    yield "completion", xs.plot_completion, xs.estimate_completion(tasks)
    yield "slow", xs.plot_slow_tasks, xs.find_slow_tasks(tasks)
    yield "phases", xs.plot_phase_durations, xs.phase_durations(seen_now_and_then(tasks))
    yield "periods", xs.plot_periods, xs.compare_periods(tasks, **weeks)
    night, earlier = (_simulate(tasks, last, hours) for hours in (0, 2))
    two = xs.compare_queues({"today": night, "2 h earlier": earlier})
    yield "queue", xs.plot_queue, night.exports
    yield "queue-finish", xs.plot_queue_finish, night.finish
    yield "queue-comparison", xs.plot_queue_comparison, two
    yield "periods-by-group", xs.plot_periods, xs.compare_periods(tasks, by=_BY, **weeks)


def _simulate(tasks: pd.DataFrame, start: pd.Timestamp, earlier: int) -> xs.QueueForecast:
    """Return the simulation of a day of exports, so many hours earlier, due after 16 hours."""
    expected = xs.expected_exports(tasks, start=start, end=start + pd.Timedelta("1D"))
    at = expected["create_at"] - pd.Timedelta(earlier, "h")
    due = expected.assign(create_at=at, deadline=start + pd.Timedelta("16h"))
    return xs.simulate_queue(tasks, due, start=start, runs=200)


def pictures() -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Yield how to draw each chart: on little room, dark, four in a figure, of much, of long."""
    sample = list(make_tables(xs.sample_tasks(), "W"))
    for name, plot, table in sample:
        for scene, options in _SCENES.items():
            yield f"{name}-{scene}", partial(_draw, [(plot, table)], **options)
        yield f"{name}-dark", partial(_draw, [(plot, table)], style="dark_background")
    for first in range(0, len(sample), 4):
        four = [(plot, table) for _, plot, table in sample[first : first + 4]]
        yield f"four-{first}", partial(_draw, four, figsize=(12, 8), layout="constrained")
    for scene, tasks, freq in (
        ("groups", make_tasks(200, 30), "D"),
        ("years", make_tasks(4, 5 * 365), "W"),
    ):
        for name, plot, table in make_tables(tasks, freq):
            yield f"{name}-{scene}", partial(_draw, [(plot, table)])


def _draw(
    charts: list[tuple[Plot, pd.DataFrame]],
    style: str = "default",
    **options: Any,  # noqa: ANN401 - for pyplot
) -> Figure:
    """Draw a chart, or several in two columns; without options, in the figure that it makes."""
    with plt.style.context(style):
        if len(charts) == 1 and not options:
            plot, table = charts[0]
            return plot(table).get_figure(root=True)
        side = 1 if len(charts) == 1 else 2
        figure, axes = plt.subplots(side, side, squeeze=False, **options)
        for ax, (plot, table) in zip(axes.flat, charts, strict=False):
            plot(table, ax=ax)
        return figure


if __name__ == "__main__":
    mpl.use("Agg")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in pictures():
        figure = draw()
        figure.savefig(folder / f"{name}.png", dpi=80)
        plt.close(figure)
