"""Pictures: each draws one table, computes nothing, and returns what it drew on."""

from exportstats.charts.backfill import plot_backfill
from exportstats.charts.completion import plot_completion_curve
from exportstats.charts.completion_times import plot_completion_times
from exportstats.charts.coverage import plot_coverage
from exportstats.charts.durations import plot_duration_summary
from exportstats.charts.failures import plot_failure_reasons
from exportstats.charts.forecasts import plot_completion
from exportstats.charts.histogram import plot_duration_histogram
from exportstats.charts.landing import plot_landing_lag
from exportstats.charts.periods import plot_periods
from exportstats.charts.slow import plot_slow_tasks
from exportstats.charts.status import plot_status_breakdown
from exportstats.charts.task_durations import plot_task_durations
from exportstats.charts.task_timeline import plot_task_timeline
from exportstats.charts.trend import plot_duration_trend

__all__ = [
    "plot_backfill",
    "plot_completion",
    "plot_completion_curve",
    "plot_completion_times",
    "plot_coverage",
    "plot_duration_histogram",
    "plot_duration_summary",
    "plot_duration_trend",
    "plot_failure_reasons",
    "plot_landing_lag",
    "plot_periods",
    "plot_slow_tasks",
    "plot_status_breakdown",
    "plot_task_durations",
    "plot_task_timeline",
]
