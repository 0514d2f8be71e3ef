"""The public names exist, are typed and documented, and are imported on first use."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd
import pytest

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

ENGINES = ["dask", "distributed", "pyspark", "ray"]
FUNCTIONS = [name for name in xs.__all__ if inspect.isfunction(getattr(xs, name))]


def use_every_file(folder: Path, tasks: pd.DataFrame) -> pd.DataFrame:
    """Write and read every kind of table, and return the tasks."""
    xs.write_tasks(tasks, folder / "tasks.parquet")
    again: pd.DataFrame = xs.read_tasks(folder / "tasks.parquet", strict=True)
    both: pd.DataFrame = xs.concat([tasks, again.assign(team="web")])
    assert len(both) == len(tasks)
    with pytest.raises(xs.MissingFileError):
        xs.read_tasks(folder / "no.json", region="eu-west-1", account_id="111122223333")
    page = '{"exportTasks": [{"taskId": "a", "to": 1715920200, "x": 1}], "nextToken": "t"}'
    with pytest.warns(xs.PartialListWarning), pytest.warns(xs.UnusedWarning):
        xs.read_tasks(io.StringIO(page), times_in="s")
    xs.write_deliveries(xs.fetch_deliveries(again.head(0)), folder / "deliveries.csv")
    assert xs.read_deliveries(folder / "deliveries.csv").empty
    (folder / "groups.json").write_text('[{"logGroupName": "/app"}]')
    assert len(xs.read_log_groups(folder / "groups.json")) == 1
    xs.write_log_groups(xs.sample_log_groups(), folder / "groups.jsonl")
    log_groups: pd.DataFrame = xs.read_log_groups([folder / "groups.jsonl"])
    assert len(log_groups) == len(xs.sample_log_groups())
    row = '{"logGroupName": "/app", "start": 0, "periodInSeconds": 3600, "incomingEvents": 1}'
    xs.write_incoming(xs.read_incoming(io.StringIO(row)), folder / "incoming.parquet")
    incoming: pd.DataFrame = xs.read_incoming(folder / "incoming.parquet")
    assert len(incoming) == 1
    xs.write_api_calls(xs.read_api_calls(io.StringIO('{"Records": []}')), folder / "calls.csv")
    api_calls: pd.DataFrame = xs.read_api_calls(folder / "calls.csv")
    annotated: pd.DataFrame = xs.annotate_tasks(again, api_calls)
    refused: pd.DataFrame = xs.refused_calls(api_calls)
    unlisted: pd.DataFrame = xs.unlisted_tasks(annotated, api_calls)
    assert len(annotated) == len(again)
    assert len(refused) == len(unlisted) == 0
    with pytest.raises(xs.ArgumentError):
        xs.fetch_api_calls([xs.Target()], region="eu-west-1")
    return again


def use_an_archive(folder: Path, tasks: pd.DataFrame) -> None:
    """Keep tasks and log groups in an archive, and ask it."""
    archive = xs.Archive(folder / "history", storage_options={})
    archive.add(tasks)
    archive.add(xs.sample_log_groups(), of="log_groups")
    latest: pd.DataFrame = archive.tasks(as_of="2999-01-01", accounts=["111122223333"])
    log_groups: pd.DataFrame = archive.log_groups(regions=["eu-west-1"])
    assert len(latest) > len(log_groups) > 0
    history: pd.DataFrame = archive.history(latest["task_id"].iloc[0])
    assert len(history) == 1
    assert len(archive.info()) == len(tasks[["account_id", "region"]].drop_duplicates())
    assert archive.compact()["files_after"].sum() > 0
    assert archive.vacuum("7D")["deleted_files"].sum() == 0
    with pytest.raises(xs.ArgumentError):
        archive.sync([xs.Target()], region="eu-west-1")
    phases: pd.DataFrame = xs.phase_durations(archive)
    summary: pd.DataFrame = xs.phase_summary(phases, by="region")
    assert summary["completed"].sum() == (tasks["status_code"] == "COMPLETED").sum()
    assert issubclass(xs.RayExecutor, Executor)
    with ThreadPoolExecutor(1) as executor:
        found = xs.status_breakdown(archive.on(executor))
    assert found.equals(xs.status_breakdown(tasks))


def use_engines() -> None:
    """Take tasks from Spark; the tests of engines use a real DataFrame."""
    with pytest.raises(xs.SchemaError):
        xs.from_spark(None)  # type: ignore[arg-type]
    assert issubclass(xs.SparkExecutor, Executor)


def use_queues(tasks: pd.DataFrame) -> list[Axes]:
    """Simulate a night."""
    exports: pd.DataFrame = xs.expected_exports(tasks, start="2026-11-16", end="2026-11-17")
    night: xs.QueueForecast = xs.simulate_queue(tasks, exports, start="2026-11-16", runs=100)
    assert len(night.exports) == len(exports)
    assert len(night.slots) == exports["region"].nunique()
    timed = exports.assign(deadline=pd.Timestamp("2026-11-17T06:00Z"))
    order: pd.DataFrame = xs.schedule_exports(tasks, timed, start="2026-11-16", runs=100)
    other = xs.simulate_queue(tasks, order, start="2026-11-16", runs=100)
    both: pd.DataFrame = xs.compare_queues({"usual": night, "in order": other})
    assert len(both) == 2 * len(night.slots)
    spare: pd.DataFrame = xs.spare_exports(
        tasks, exports, "5min", deadline="2026-11-17", start="2026-11-16", runs=100
    )
    assert spare["fit"].gt(0).all()
    return [
        xs.plot_queue(night.exports),
        xs.plot_queue_finish(night.finish, tz="Europe/Berlin"),
        xs.plot_queue_comparison(both),
    ]


def use_every_name(folder: Path) -> list[Axes]:
    """Use each public name as a user would; mypy checks what this test runs."""
    tasks: pd.DataFrame = xs.conform(xs.sample_tasks().head(300))
    again: pd.DataFrame = use_every_file(folder, tasks)
    use_an_archive(folder, tasks)
    use_engines()
    nights = use_queues(tasks)
    anomalies: pd.DataFrame = xs.find_anomalies(again)
    assert anomalies.empty
    with pytest.raises(xs.ArgumentError):
        xs.fetch_tasks([xs.Target("111122223333", "eu-west-1")], status="DONE")
    with pytest.raises(xs.ArgumentError):
        xs.fetch_targets(accounts=["111122223333"])
    with pytest.raises(xs.ArgumentError):
        xs.fetch_log_groups([xs.Target()], region="eu-west-1")
    with pytest.raises(xs.ArgumentError):
        xs.fetch_incoming(xs.sample_log_groups(), start="2026-11-02", end="2026-11-01")
    nothing: pd.DataFrame = xs.fetch_deliveries(again.head(0))
    assert nothing.empty
    log_groups: pd.DataFrame = xs.sample_log_groups()
    days = {"start": "2026-11-01T00:00Z", "end": "2026-11-22T00:00Z"}
    evidence: dict[str, pd.DataFrame] = {
        "log_groups": log_groups,
        "api_calls": xs.sample_api_calls(),
        "incoming": xs.sample_incoming(),
        "deliveries": xs.sample_deliveries(),
    }
    gaps: pd.DataFrame = xs.find_gaps(again, **days, **evidence)
    plan: pd.DataFrame = xs.plan_backfill(gaps, again, destination="bucket")
    assert xs.render_commands(plan).count("\n") == len(plan)
    summary: pd.DataFrame = xs.coverage_summary(again, **days)
    assert len(summary) == again["log_group_name"].nunique()
    overlaps: pd.DataFrame = xs.find_overlaps(again)
    premature: pd.DataFrame = xs.find_premature(again)
    assert len(overlaps)
    assert premature.empty
    retries: pd.DataFrame = xs.find_retries(again)
    assert "retry_after" in xs.format_durations(retries).to_html()
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
    texts: list[str] = [report.to_html(), report.to_markdown(), report.to_json()]
    assert all("2026-W45" in text for text in texts)
    report.to_csv(folder / "tables")
    mail: bytes = report.to_email()
    assert b"2026-W45" in mail
    return [
        *nights,
        xs.plot_coverage(xs.coverage_timeline(again, **days)),
        xs.plot_coverage(xs.coverage_by_day(again, **days)),
        xs.plot_backfill(plan),
        xs.plot_periods(weeks),
        xs.plot_completion(active),
        xs.plot_slow_tasks(slow),
        again.pipe(xs.completion_curve, event="ended").pipe(xs.plot_completion_curve),
        again.pipe(xs.phase_durations).pipe(xs.plot_phase_durations),
        again.pipe(xs.landing_lag).pipe(xs.plot_landing_lag),
        again.pipe(xs.plot_task_timeline),
        again.pipe(xs.status_breakdown, freq="W").pipe(xs.plot_status_breakdown),
        again.pipe(xs.failure_reasons).pipe(xs.plot_failure_reasons),
        again.pipe(xs.duration_summary, by=["region"]).pipe(xs.plot_duration_summary),
        again.pipe(xs.duration_histogram).pipe(xs.plot_duration_histogram),
        again.pipe(xs.duration_trend, freq="D").pipe(xs.plot_duration_trend),
        again.pipe(xs.completion_times, tz="Europe/Berlin").pipe(xs.plot_completion_times),
        again.pipe(xs.plot_task_durations),
    ]


def test_every_name_is_used_and_works(tmp_path: Path):
    """A typed use of all public functions runs, and each chart returns its axes."""
    with mpl.rc_context({"figure.max_open_warning": 0}):
        axes = use_every_name(tmp_path)
    assert len({id(ax) for ax in axes}) == len(axes)
    source = "".join(
        map(
            inspect.getsource,
            (use_every_name, use_every_file, use_an_archive, use_engines, use_queues),
        )
    )
    raised = {name for name in xs.__all__ if name.endswith(("Error", "Warning", "Interrupted"))}
    unused = {n for n in xs.__all__ if n not in raised and f"xs.{n}" not in source}
    assert not unused, "use it in use_every_name, whose types mypy checks"
    for name in raised:
        assert issubclass(getattr(xs, name), (xs.ExportStatsError, KeyboardInterrupt, UserWarning))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_tell_what_a_user_needs(name: str):
    """Each public function documents parameters, result and errors, with an example.

    A function may refer to another one for these instead.
    """
    text = inspect.getdoc(getattr(xs, name)) or ""
    if re.search(r"those of `read_tasks`|as `write_tasks` (does|writes tasks)", text):
        return
    gives = inspect.signature(getattr(xs, name)).return_annotation != "None"
    for part in ("Returns", "Examples") if gives else ("Examples",):
        assert f"{part}\n{'-' * len(part)}" in text, part
    if inspect.signature(getattr(xs, name)).parameters:
        assert "Parameters\n----------" in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_named(name: str):
    """Only the main arguments are positional; options are keyword-only."""
    parameters = inspect.signature(getattr(xs, name)).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    mains = {"spare_exports": 3} | dict.fromkeys(
        ("plan_backfill", "annotate_tasks", "unlisted_tasks", "simulate_queue", "schedule_exports"),
        2,
    )
    assert len(positional) <= mains.get(name, 2 if name.startswith("write_") else 1)


def test_the_package_imports_nothing_slow():
    """`import exportstats` imports neither pandas nor boto3 nor matplotlib, and no engine."""
    script = "import sys, exportstats; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["pandas", "boto3", "botocore", "matplotlib", "pyarrow", "rich", "click", *ENGINES]
    done = subprocess.run(
        [sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_engine_is_imported_unless_it_is_used():
    """Every public name and a statistic of an archive on a pool import no engine."""
    script = (
        "import sys, tempfile, exportstats as xs\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "names = [getattr(xs, name) for name in xs.__all__]\n"
        "with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:\n"
        "    archive = xs.Archive(folder)\n"
        "    archive.add(xs.sample_tasks().head(9))\n"
        "    assert len(xs.status_breakdown(archive.on(pool)))\n"
        "print([m for m in sys.modules if m in sys.argv[1:]])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *ENGINES], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error():
    """An unknown name is an AttributeError."""
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = xs.no_such_name  # type: ignore[attr-defined]


# What a reader of a signature knows: Python, and what this package's docs use.
WORDS = {
    *("None", "Any", "bool", "bytes", "float", "int", "list", "object", "str", "tuple", "Literal"),
    *("Callable", "Executor", "Iterable", "Mapping", "Path", "PathLike", "Sequence", "date"),
    *("timedelta", "pd", "DataFrame", "Series", "Timedelta", "Timestamp", "Period", "Styler"),
    *("Axes", "boto3", "Session", "os", "Shards"),
}


@pytest.mark.parametrize("name", [*FUNCTIONS, "Archive", "QueueForecast", "RayExecutor", "Target"])
def test_signatures_are_in_words_that_a_reader_knows(name: str):
    """Types are those of Python, pandas and matplotlib, and classes of this package."""
    signature = inspect.signature(getattr(xs, name))
    annotations = [one.annotation for one in signature.parameters.values()]
    if inspect.isfunction(getattr(xs, name)):
        annotations.append(signature.return_annotation)
    for annotation in annotations:
        unquoted = re.sub(r"'[^']*'", "", annotation)
        unknown = {*re.findall(r"\w+", unquoted)} - WORDS - {*xs.__all__}
        assert not unknown, f"{annotation}: write the types as completion_times does"
