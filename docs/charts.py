"""The gallery: the lines that make each chart of the synthetic sample."""

from __future__ import annotations

from typing import NamedTuple


class Chart(NamedTuple):
    """A question, the lines that make the table for a chart, and what they need besides tasks."""

    question: str
    lines: str
    given: str = ""


BEFORE = "import exportstats as xs\n\ntasks = xs.sample_tasks()  # synthetic\n"
_GAPS = 'gaps = xs.find_gaps(tasks, start="2026-10-23", end="2026-11-22")\n'
_LOOKS = """\
# in place of an archive: each task as if seen every five minutes, with a made-up start
start = tasks["creation_time"] + tasks["duration"] / 3
before, after = start.dt.floor("5min"), start.dt.ceil("5min")
active = tasks.assign(completion_time=pd.NaT)
pending = active.assign(status_code="PENDING", observed_at=before)[before > tasks["creation_time"]]
running = active.assign(status_code="RUNNING", observed_at=after)[after < tasks["completion_time"]]
observations = pd.concat([pending, running, tasks])
"""
_NIGHT = 'exports = xs.expected_exports(tasks, start="2026-11-17", end="2026-11-18")\n'
_FORECAST = 'forecast = xs.simulate_queue(tasks, exports, start="2026-11-17")\n'
_SCENARIOS = """\
at_noon = exports.assign(create_at="2026-11-17T12:00Z", jitter="0s")
scenarios = {
    "today": xs.simulate_queue(tasks, exports, start="2026-11-17"),
    "all at noon": xs.simulate_queue(tasks, at_noon, start="2026-11-17"),
}
"""
CHARTS = {
    "plot_status_breakdown": Chart(
        "What state are they in?", 'table = xs.status_breakdown(tasks, freq="MS")'
    ),
    "plot_failure_reasons": Chart("Why did they fail?", "table = xs.failure_reasons(tasks)"),
    "plot_duration_summary": Chart(
        "How long do they take?", 'table = xs.duration_summary(tasks, by="log_group_name")'
    ),
    "plot_duration_histogram": Chart(
        "How are durations spread?", "table = xs.duration_histogram(tasks)"
    ),
    "plot_duration_trend": Chart(
        "Are they getting slower?", 'table = xs.duration_trend(tasks, freq="W")'
    ),
    "plot_periods": Chart(
        "Is this week worse than the last?",
        'table = xs.compare_periods(tasks, current="2026-W47", previous="2026-W46")',
    ),
    "plot_slow_tasks": Chart("Which took unusually long?", "table = xs.find_slow_tasks(tasks)"),
    "plot_completion_times": Chart("When do they complete?", "table = xs.completion_times(tasks)"),
    "plot_task_durations": Chart("What did each single task do?", "table = tasks"),
    "plot_task_timeline": Chart(
        "Is the slot the bottleneck?",
        "table = tasks.query(\"creation_time >= '2026-11-20T00:00Z' and region == 'eu-west-1'\")",
    ),
    "plot_completion_curve": Chart(
        "By when are they done, counting active ones?",
        'table = xs.completion_curve(tasks, by="region")',
    ),
    "plot_completion": Chart(
        "When will the active ones be done?", "table = xs.estimate_completion(tasks)"
    ),
    "plot_phase_durations": Chart(
        "How long do they wait, and how long do they run?",
        "table = xs.phase_durations(observations)",
        _LOOKS,
    ),
    "plot_queue": Chart(
        "Does tonight's queue fit?", "table = forecast.exports", _NIGHT + _FORECAST
    ),
    "plot_queue_finish": Chart(
        "When will tonight's queue be done?", "table = forecast.finish", _NIGHT + _FORECAST
    ),
    "plot_queue_comparison": Chart(
        "What if we move exports?", "table = xs.compare_queues(scenarios)", _NIGHT + _SCENARIOS
    ),
    "plot_landing_lag": Chart(
        "How fresh is S3?", 'table = xs.landing_lag(tasks, by="log_group_name")'
    ),
    "plot_coverage": Chart(
        "What is not in S3, and why not?",
        'table = xs.coverage_timeline(tasks, start="2026-10-23", end="2026-11-22")',
    ),
    "plot_backfill": Chart(
        "How can the gaps be closed?",
        'table = xs.plan_backfill(gaps, tasks, destination="acme-logs")',
        _GAPS,
    ),
}
