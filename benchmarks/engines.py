"""Ask the same archive with processes of this machine, Dask, Ray and Spark.

`python -m benchmarks.engines [TASKS]` keeps tasks of 300 slots, as `benchmarks.archive` does, and a
tenth of them in a second archive. It prints how long each engine takes to start and to answer a
question about the sample, how long it then takes to answer questions about the archives, and the
peak memory of the driver, the process that asks. Spark also runs its own SQL with exact percentiles
on the same files. Each runs alone in a fresh process, with two workers.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import exportstats as xs
from benchmarks.archive import SIZE, files_of, keep
from benchmarks.measure import in_a_process, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

    from exportstats.core.shards import Tasks

    Ask = Callable[[str, str], object]

QUESTIONS: dict[str, Callable[[Tasks], object]] = {
    "status_breakdown": partial(xs.status_breakdown, by="log_group_name"),
    "duration_summary": partial(xs.duration_summary, by="log_group_name"),
    "find_gaps": partial(xs.find_gaps, start="2026", end="2027"),
}
_WORKERS = 2
_LENGTH = "unix_millis(completion_time) - unix_millis(creation_time)"
# The latest state of each task, and its exact percentiles.
_SQL = f"""
    with latest as (
        select *, row_number() over (
            partition by account_id, region, task_id order by observed_at desc) as number
        from tasks)
    select log_group_name, count(*), min({_LENGTH}), max({_LENGTH}), avg({_LENGTH}),
        percentile({_LENGTH}, array(0.5, 0.9, 0.99))
    from latest where number = 1 and status_code = 'COMPLETED' group by 1"""  # noqa: S608 - constant


@contextmanager
def processes() -> Iterator[Ask]:
    """Ask in a pool of processes."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_WORKERS, spawn) as pool:
        yield lambda folder, question: QUESTIONS[question](xs.Archive(folder).on(pool))


@contextmanager
def dask() -> Iterator[Ask]:
    """Ask on a Dask cluster of processes."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - only what is measured

    options = {"n_workers": _WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
        executor = client.get_executor()
        yield lambda folder, question: QUESTIONS[question](xs.Archive(folder).on(executor))


@contextmanager
def ray() -> Iterator[Ask]:
    """Ask on Ray."""
    import ray  # noqa: PLC0415 - only what is measured

    ray.init(num_cpus=_WORKERS, include_dashboard=False, log_to_driver=False)
    try:
        executor = xs.RayExecutor()
        yield lambda folder, question: QUESTIONS[question](xs.Archive(folder).on(executor))
    finally:
        ray.shutdown()


@contextmanager
def jobs() -> Iterator[Ask]:
    """Ask on Spark, whose Python processes read the archive."""
    with _session() as session, xs.SparkExecutor(session) as executor:
        yield lambda folder, question: QUESTIONS[question](xs.Archive(folder).on(executor))


@contextmanager
def spark() -> Iterator[Ask]:
    """Ask with Spark's own reader of the archive's files."""
    with _session() as session:

        def ask(folder: str, question: str) -> object:
            tasks = session.read.parquet(*files_of(folder))
            return QUESTIONS[question](xs.from_spark(tasks))

        yield ask


@contextmanager
def spark_sql() -> Iterator[Ask]:
    """Ask in SQL, which knows the durations only."""
    with _session() as session:

        def ask(folder: str, question: str) -> object:
            assert question == "duration_summary"
            session.read.parquet(*files_of(folder)).createOrReplaceTempView("tasks")
            return session.sql(_SQL).toArrow()

        yield ask


@contextmanager
def _session() -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - only what is measured

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{_WORKERS}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "4g")
    session = builder.config("spark.log.level", "ERROR").getOrCreate()
    yield session
    session.stop()


ENGINES = {
    "processes": processes,
    "Dask": dask,
    "Ray": ray,
    "SparkExecutor": jobs,
    "from_spark": spark,
    "Spark SQL": spark_sql,
}


def measure(engine: str, question: str, small: str, folder: str) -> tuple[float, float, float]:
    """Return seconds to start, seconds to answer, and the peak memory of the driver in MiB."""
    QUESTIONS[question](xs.sample_tasks())  # imports are not measured
    began = time.perf_counter()
    with ENGINES[engine]() as ask:
        ask(small, question)
        started = time.perf_counter()
        ask(folder, question)
        ended = time.perf_counter()
    return started - began, ended - started, memory(peak=True)


def compare(small: str, folders: dict[str, str]) -> None:
    """Print a row for each engine, question and archive."""
    print("| question | tasks | engine | start s | answer s | ratio | driver MiB |")
    print("|---|--:|---|--:|--:|--:|--:|")
    for question in QUESTIONS:
        for size, folder in folders.items():
            base = 0.0
            for engine in ENGINES:
                if engine == "Spark SQL" and question != "duration_summary":
                    continue
                start, seconds, peak = in_a_process("engines", engine, question, small, folder)
                base = base or seconds
                row = f"{start:.1f} | {seconds:.1f} | {seconds / base:.2f} | {peak:,.0f}"
                print(f"| {question} | {size} | {engine} | {row} |", flush=True)


def main(size: int) -> None:
    """Keep the archives, and ask them."""
    with tempfile.TemporaryDirectory() as folder:
        small, folders = str(Path(folder, "sample")), {}
        xs.Archive(small).add(xs.sample_tasks())
        for tasks in (size // 10, size):
            folders[f"{tasks:,}"] = str(Path(folder, str(tasks)))
            keep(folders[f"{tasks:,}"], tasks)
        compare(small, folders)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
