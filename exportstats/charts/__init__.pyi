from .backfill import plot_backfill
from .completion import plot_completion_curve
from .completion_times import plot_completion_times
from .coverage import plot_coverage
from .durations import plot_duration_summary
from .failures import plot_failure_reasons
from .forecasts import plot_completion
from .histogram import plot_duration_histogram
from .landing import plot_landing_lag
from .periods import plot_periods
from .phases import plot_phase_durations
from .queue import plot_queue
from .queue_comparison import plot_queue_comparison
from .queue_finish import plot_queue_finish
from .slow import plot_slow_tasks
from .status import plot_status_breakdown
from .task_durations import plot_task_durations
from .task_timeline import plot_task_timeline
from .trend import plot_duration_trend

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
    "plot_phase_durations",
    "plot_queue",
    "plot_queue_comparison",
    "plot_queue_finish",
    "plot_slow_tasks",
    "plot_status_breakdown",
    "plot_task_durations",
    "plot_task_timeline",
]
