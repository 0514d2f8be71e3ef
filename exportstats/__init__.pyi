from .archive.archive import Archive as Archive
from .archive.sources import (
    read_api_calls as read_api_calls,
    read_deliveries as read_deliveries,
    read_incoming as read_incoming,
    read_log_groups as read_log_groups,
    read_tasks as read_tasks,
)
from .aws.api_calls import fetch_api_calls as fetch_api_calls
from .aws.deliveries import fetch_deliveries as fetch_deliveries
from .aws.incoming import fetch_incoming as fetch_incoming
from .aws.log_groups import fetch_log_groups as fetch_log_groups
from .aws.targets import Target as Target, fetch_targets as fetch_targets
from .aws.tasks import fetch_tasks as fetch_tasks
from .aws.wait import wait_for_task as wait_for_task
from .charts import (
    plot_backfill as plot_backfill,
    plot_completion as plot_completion,
    plot_completion_curve as plot_completion_curve,
    plot_completion_times as plot_completion_times,
    plot_coverage as plot_coverage,
    plot_duration_histogram as plot_duration_histogram,
    plot_duration_summary as plot_duration_summary,
    plot_duration_trend as plot_duration_trend,
    plot_failure_reasons as plot_failure_reasons,
    plot_landing_lag as plot_landing_lag,
    plot_periods as plot_periods,
    plot_phase_durations as plot_phase_durations,
    plot_queue as plot_queue,
    plot_queue_comparison as plot_queue_comparison,
    plot_queue_finish as plot_queue_finish,
    plot_slow_tasks as plot_slow_tasks,
    plot_status_breakdown as plot_status_breakdown,
    plot_task_durations as plot_task_durations,
    plot_task_timeline as plot_task_timeline,
)
from .core.display import format_durations as format_durations
from .core.frames import concat as concat, conform as conform
from .coverage.backfill import plan_backfill as plan_backfill
from .coverage.commands import render_commands as render_commands
from .coverage.gaps import find_gaps as find_gaps
from .coverage.overlaps import find_overlaps as find_overlaps
from .coverage.premature import find_premature as find_premature
from .coverage.retries import find_retries as find_retries
from .coverage.summary import (
    coverage_by_day as coverage_by_day,
    coverage_summary as coverage_summary,
)
from .coverage.timeline import coverage_timeline as coverage_timeline
from .engines.ray import RayExecutor as RayExecutor
from .engines.spark import from_spark as from_spark
from .engines.spark_executor import SparkExecutor as SparkExecutor
from .errors import (
    AccountUnknownWarning as AccountUnknownWarning,
    ArchiveError as ArchiveError,
    ArgumentError as ArgumentError,
    BadRowsError as BadRowsError,
    BadRowsWarning as BadRowsWarning,
    DamagedFileWarning as DamagedFileWarning,
    ExportStatsError as ExportStatsError,
    FileFormatError as FileFormatError,
    LoadError as LoadError,
    LoadInterrupted as LoadInterrupted,
    LoadWarning as LoadWarning,
    MissingFileError as MissingFileError,
    PartialListWarning as PartialListWarning,
    SchemaError as SchemaError,
    UnusedWarning as UnusedWarning,
)
from .io.sample import (
    sample_api_calls as sample_api_calls,
    sample_deliveries as sample_deliveries,
    sample_incoming as sample_incoming,
    sample_log_groups as sample_log_groups,
    sample_tasks as sample_tasks,
)
from .io.writing import (
    write_api_calls as write_api_calls,
    write_deliveries as write_deliveries,
    write_incoming as write_incoming,
    write_log_groups as write_log_groups,
    write_tasks as write_tasks,
)
from .queues.comparison import compare_queues as compare_queues
from .queues.expected import expected_exports as expected_exports
from .queues.scheduling import schedule_exports as schedule_exports
from .queues.simulation import QueueForecast as QueueForecast, simulate_queue as simulate_queue
from .queues.spare import spare_exports as spare_exports
from .report.weekly import (
    WeeklyReport as WeeklyReport,
    build_weekly_report as build_weekly_report,
)
from .stats.anomalies import find_anomalies as find_anomalies
from .stats.api_calls import (
    annotate_tasks as annotate_tasks,
    refused_calls as refused_calls,
    unlisted_tasks as unlisted_tasks,
)
from .stats.completion import completion_curve as completion_curve
from .stats.completion_times import completion_times as completion_times
from .stats.durations import (
    duration_summary as duration_summary,
    duration_trend as duration_trend,
)
from .stats.failures import failure_reasons as failure_reasons
from .stats.forecasts import estimate_completion as estimate_completion
from .stats.histogram import duration_histogram as duration_histogram
from .stats.landing import landing_lag as landing_lag
from .stats.periods import compare_periods as compare_periods
from .stats.phases import (
    phase_durations as phase_durations,
    phase_summary as phase_summary,
)
from .stats.slots import slot_usage as slot_usage
from .stats.slow import find_slow_tasks as find_slow_tasks
from .stats.slowdowns import find_slowdowns as find_slowdowns
from .stats.status import status_breakdown as status_breakdown

__version__: str
