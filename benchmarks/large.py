"""Compute statistics of ten million tasks in one frame, and with SQL in DuckDB from a Parquet file.

`python -m benchmarks.large [TASKS]` makes tasks of 3,000 log groups in twenty slots, as
`benchmarks.tables` does, writes them to a Parquet file, and prints the CPU time of each question.
DuckDB has one thread and reads the file; exportstats starts from the frame. The SQL has no
confidence limits, censored median or empty periods.
"""

# ruff: noqa: S608 - the queries are constants

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

import exportstats as xs
from benchmarks import tables

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 10_000_000

_GROUPS = 150  # log groups of each of twenty slots
_RUNS = 3
_LENGTH = "epoch_ms(completion_time) - epoch_ms(creation_time)"
_QUANTILES = f"quantile_cont({_LENGTH}, [0.5, 0.9, 0.99])"
_WEEK = "date_trunc('week', epoch_ms(epoch_ms(creation_time)))"  # without the extension for zones
_DONE = "status_code = 'COMPLETED'"
_SLOT = "account_id, region"
QUERIES = {
    "duration_summary": f"""
        select log_group_name, {_QUANTILES},
            min({_LENGTH}), max({_LENGTH}), avg({_LENGTH}), count(*)
        from tasks where {_DONE} group by 1""",
    "duration_trend": f"""
        select log_group_name, {_WEEK}, {_QUANTILES}, count(*)
        from tasks where {_DONE} group by 1, 2""",
    "find_gaps": f"""
        with reached as (
            select {_SLOT}, log_group_name, from_time, max(to_time) over (
                partition by {_SLOT}, log_group_name order by from_time
                rows between unbounded preceding and 1 preceding) as before
            from tasks where {_DONE})
        select * from reached where epoch_ms(from_time) > epoch_ms(before) + 1""",
}
QUESTIONS: dict[str, Callable[[pd.DataFrame], object]] = {
    "duration_summary": partial(xs.duration_summary, by="log_group_name"),
    "duration_trend": partial(xs.duration_trend, by="log_group_name"),
    "find_gaps": partial(xs.find_gaps, start="2026", end="2027"),
    "slot_usage": partial(xs.slot_usage, freq="W"),
}
BOUNDS = {"duration_summary": 1.5, "duration_trend": 1.0, "find_gaps": 1.0, "slot_usage": 3.0}


def _sql(path: Path, query: str) -> None:
    with duckdb.connect(config={"threads": 1}) as database:
        database.sql(f"create view tasks as from read_parquet('{path}')")
        database.sql(query).df()


def _seconds(call: Callable[[], object]) -> float:
    """Return the median CPU time of several runs."""
    spent = []
    for _ in range(_RUNS):
        before = time.process_time()
        call()
        spent.append(time.process_time() - before)
    return statistics.median(spent)


def main(size: int) -> None:
    """Print one row per question."""
    tasks = tables.make(size, groups=_GROUPS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.parquet")
        xs.write_tasks(tasks, path)
        print(f"{len(tasks):,} tasks; CPU, median of {_RUNS} runs\n")
        print("| question | s | SQL, or reading s | ratio | bound | |")
        print("|---|--:|--:|--:|--:|---|")
        for name, question in QUESTIONS.items():
            question(tasks.head(size // 100))  # imports are not measured
            query = QUERIES.get(name)
            read = partial(_sql, path, query) if query else partial(pd.read_parquet, path)
            ours, others = _seconds(partial(question, tasks)), _seconds(read)
            verdict = "kept" if ours / others <= BOUNDS[name] else "**missed**"
            row = (f"{ours:.1f}", f"{others:.1f}", f"{ours / others:.2f}", BOUNDS[name], verdict)
            print("|", name, "|", *(f"{cell} |" for cell in row), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
