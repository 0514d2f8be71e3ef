"""Tables of tasks that went through pandas: put together, merged, of `str` where categories were."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from support import CALLS, Shards, plain

import exportstats as xs
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable

AS_OF = "2026-11-23T06:00Z"
DAYS = {"start": "2026-11-01T00:00Z", "end": "2026-11-22T00:00Z"}
OWNED = ["account_id", "region"]
ALL: dict[str, Callable[[Any], Any]] = {
    **CALLS,
    "forecasts": xs.estimate_completion,
    "gaps": partial(xs.find_gaps, **DAYS),
    "overlaps": xs.find_overlaps,
    "premature": xs.find_premature,
    "coverage": partial(xs.coverage_summary, **DAYS),
    "coverage by day": partial(xs.coverage_by_day, **DAYS),
    "timeline": partial(xs.coverage_timeline, **DAYS),
    "backfill": lambda tasks: xs.plan_backfill(xs.find_gaps(tasks, **DAYS), tasks, as_of=AS_OF),
}


def ways(tasks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the same tasks after what people do to frames."""
    half = len(tasks) // 2
    owners = tasks[OWNED].drop_duplicates().head(4).astype("str")
    owners = owners.assign(team=["web", "data", None, "web"])
    categories = [name for name in tasks if isinstance(tasks[name].dtype, pd.CategoricalDtype)]
    halves = [
        some.astype(dict.fromkeys(categories, "str")).reset_index(drop=True)
        for some in (tasks.iloc[:half], tasks.iloc[half:])
    ]
    return {
        "put together": pd.concat(halves),
        "of files": pd.concat([xs.conform(some) for some in halves]),
        "merged": tasks.merge(owners, on=OWNED, how="left"),
        "all text": tasks.astype(dict.fromkeys(categories, "str")),
        "objects": tasks.astype(dict.fromkeys(categories, object)),
        "categories of its own": tasks.astype(dict.fromkeys(categories, "str")).astype(
            dict.fromkeys(categories, "category")
        ),
    }


@pytest.fixture(scope="module")
def tasks() -> pd.DataFrame:
    """Return the latest tasks of the sample, the active ones among them."""
    return xs.sample_tasks().sort_values("creation_time").tail(700).reset_index(drop=True)


def flat(answer: pd.DataFrame, columns: list[str] | None = None) -> dict[str, list[Any]]:
    """Return an answer as plain values by column, its index too."""
    table = answer if answer.index.names == [None] else answer.reset_index()
    table.columns = table.columns.map(str)
    return {name: plain(table[name]) for name in columns or table.columns}


@pytest.mark.parametrize("way", ["put together", "of files", "merged", "all text", "objects",
                                 "categories of its own"])  # fmt: skip
def test_every_function_takes_what_pandas_makes(tasks: pd.DataFrame, way: str):
    """Each function has the same answer for a table whose categories pandas made something else."""
    other = ways(tasks)[way]
    for name, call in ALL.items():
        expected = flat(call(tasks))
        assert flat(call(other), list(expected)) == expected, name
        assert flat(call(Shards([other])), list(expected)) == expected, name
    assert flat(xs.concat([other]), list(tasks)) == flat(tasks)
