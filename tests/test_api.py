"""The public face: each name is there, typed, documented and imported only when it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

FUNCTIONS = [name for name in xs.__all__ if inspect.isfunction(getattr(xs, name))]


def use_every_name(folder: Path) -> list[Axes]:
    """Use each public name as a user would; mypy checks what this test runs."""
    tasks: pd.DataFrame = xs.conform(xs.sample_tasks().head(300))
    xs.write_tasks(tasks, folder / "tasks.parquet")
    again: pd.DataFrame = xs.read_tasks(folder / "tasks.parquet")
    anomalies: pd.DataFrame = xs.find_anomalies(again)
    assert anomalies.empty
    with pytest.raises(xs.ArgumentError):
        xs.fetch_tasks([xs.Target("111122223333", "eu-west-1")], status="DONE")
    with pytest.raises(xs.ArgumentError):
        xs.find_targets(accounts=["111122223333"])
    with pytest.raises(xs.ArgumentError):
        xs.fetch_log_groups([xs.Target()], region="eu-west-1")
    nothing: pd.DataFrame = xs.fetch_deliveries(again.head(0))
    assert nothing.empty
    (folder / "groups.json").write_text('[{"logGroupName": "/app"}]')
    assert len(xs.read_log_groups(folder / "groups.json")) == 1
    log_groups = xs.sample_log_groups()
    days = {"start": "2026-11-01T00:00Z", "end": "2026-11-22T00:00Z"}
    gaps: pd.DataFrame = xs.find_gaps(again, **days, log_groups=log_groups)
    plan: pd.DataFrame = xs.plan_backfill(gaps, again, destination="bucket")
    assert xs.render_commands(plan).count("\n") == len(plan)
    summary: pd.DataFrame = xs.coverage_summary(again, **days)
    assert len(summary) == again["log_group_name"].nunique()
    overlaps: pd.DataFrame = xs.find_overlaps(again)
    premature: pd.DataFrame = xs.find_premature(again)
    assert len(overlaps)
    assert premature.empty
    slow: pd.DataFrame = xs.find_slow_tasks(again)
    slower: pd.DataFrame = xs.find_slowdowns(again)
    assert len(slow) < len(again)
    assert slower.empty
    weeks: pd.DataFrame = xs.compare_periods(again, current="2026-W46", previous="2026-W45")
    usage: pd.DataFrame = xs.slot_usage(again, freq="W")
    assert usage["busy_share"].between(0, 1).all()
    active: pd.DataFrame = xs.estimate_completion(xs.sample_tasks())
    assert len(active) == 3
    with pytest.raises(xs.ArgumentError):
        xs.wait_for_task("a", timeout="never")
    report: xs.WeeklyReport = xs.build_weekly_report(again, week="2026-W45")
    texts: list[str] = [xs.render_html(report), xs.render_markdown(report), xs.render_json(report)]
    assert all("2026-W45" in text for text in texts)
    xs.write_csv(report, folder / "tables")
    mail: bytes = xs.render_email(report)
    assert b"2026-W45" in mail
    return [
        xs.plot_coverage(xs.coverage_timeline(again, **days)),
        xs.plot_coverage(xs.coverage_by_day(again, **days)),
        xs.plot_backfill(plan),
        xs.plot_comparison(weeks),
        xs.plot_forecasts(active),
        xs.plot_slow_tasks(slow),
        again.pipe(xs.completion_curve, event="ended").pipe(xs.plot_completion_curve),
        again.pipe(xs.landing_lag).pipe(xs.plot_landing_lag),
        again.pipe(xs.plot_slot_timeline),
        again.pipe(xs.status_breakdown, freq="W").pipe(xs.plot_status_breakdown),
        again.pipe(xs.failure_reasons).pipe(xs.plot_failure_reasons),
        again.pipe(xs.duration_summary, by=["region"]).pipe(xs.plot_duration_summary),
        again.pipe(xs.duration_histogram).pipe(xs.plot_duration_histogram),
        again.pipe(xs.duration_trend, freq="D").pipe(xs.plot_duration_trend),
        again.pipe(xs.completion_times, tz="Europe/Berlin").pipe(xs.plot_completion_times),
        again.pipe(xs.plot_task_durations),
    ]


def test_every_name_is_used_and_works(tmp_path: Path):
    """A typed use of all public functions runs, and each chart gives the axes it drew on."""
    axes = use_every_name(tmp_path)
    assert len({id(ax) for ax in axes}) == 16
    source = inspect.getsource(use_every_name)
    errors = {name for name in xs.__all__ if name.endswith(("Error", "Warning", "Interrupted"))}
    missing = {n for n in xs.__all__ if n not in errors and f"xs.{n}" not in source}
    assert not missing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_tell_what_a_user_needs(name: str):
    """Each public function says what it takes, gives and raises, with an example."""
    text = inspect.getdoc(getattr(xs, name)) or ""
    gives = inspect.signature(getattr(xs, name)).return_annotation != "None"
    for part in ("Returns", "Examples") if gives else ("Examples",):
        assert f"{part}\n{'-' * len(part)}" in text, part
    if inspect.signature(getattr(xs, name)).parameters:
        assert "Parameters\n----------" in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_named(name: str):
    """Only what a function is about is positional; every option is keyword-only."""
    parameters = inspect.signature(getattr(xs, name)).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= (2 if name in ("write_tasks", "write_csv", "plan_backfill") else 1)


def test_the_package_imports_nothing_slow():
    """`import exportstats` imports neither pandas nor boto3 nor matplotlib."""
    script = "import sys, exportstats; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["pandas", "boto3", "botocore", "matplotlib", "pyarrow", "rich", "click"]
    done = subprocess.run(
        [sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error():
    """A name that is not public is refused as Python does it."""
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = xs.no_such_name  # type: ignore[attr-defined]
