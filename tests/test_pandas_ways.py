"""Tables of tasks after pandas operations: concatenated, merged, with text for categories."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from support import ALL, Shards, plain, some

import exportstats as xs
from exportstats.report.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

OWNED = ["account_id", "region"]


def ways(tasks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the same tasks after common pandas operations."""
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
    """Return the latest tasks of the sample, including the active ones."""
    return xs.sample_tasks().sort_values("creation_time").tail(700).reset_index(drop=True)


def flat(answer: pd.DataFrame, columns: list[str] | None = None) -> dict[str, list[Any]]:
    """Return a result as plain values by column, including its index."""
    table = answer if answer.index.names == [None] else answer.reset_index()
    table.columns = table.columns.map(str)
    return {name: plain(table[name]) for name in columns or table.columns}


@pytest.fixture(scope="module")
def answers(tasks: pd.DataFrame) -> dict[str, dict[str, list[Any]]]:
    """Return the result of each function."""
    return {name: flat(call(tasks)) for name, call in ALL.items()}


@pytest.mark.sampled
@pytest.mark.parametrize("way", some(["put together", "of files", "merged", "all text", "objects",
                                      "categories of its own"], 2))  # fmt: skip
def test_every_function_takes_what_pandas_makes(
    tasks: pd.DataFrame, answers: dict[str, dict[str, list[Any]]], way: str
):
    """Each function has the same result for a table with other dtypes for categories."""
    other = ways(tasks)[way]
    for name, call in ALL.items():
        expected = answers[name]
        assert flat(call(other), list(expected)) == expected, name
        assert flat(call(Shards([other])), list(expected)) == expected, name
    assert flat(xs.concat([other]), list(tasks)) == flat(tasks)


@pytest.mark.parametrize("way", ["put together", "all text", "objects"])
def test_charts_and_report_take_what_pandas_makes(tasks: pd.DataFrame, way: str):
    """Charts, files and the report of such tasks are the same."""
    other = ways(tasks)[way]
    for plot in (xs.plot_task_durations, xs.plot_task_timeline):
        assert words_of(plot(other)) == words_of(plot(tasks))
    reports = [xs.build_weekly_report(some, week="2026-W46") for some in (tasks, other)]
    assert reports[1].to_markdown() == reports[0].to_markdown()
    hidden, expected = redact(other)[0], redact(tasks)[0]
    assert flat(hidden, list(expected)) == flat(expected)


def words_of(ax: Axes) -> list[str]:
    """Return the texts in a chart."""
    return [text.get_text() for text in ax.figure.findobj(Text)]


def by_calls() -> dict[str, Callable[..., pd.DataFrame]]:
    """Return each function with `by=`."""
    return {
        "status": xs.status_breakdown,
        "status by week": partial(xs.status_breakdown, freq="W"),
        "reasons": xs.failure_reasons,
        "summary": xs.duration_summary,
        "trend": partial(xs.duration_trend, freq="MS"),
        "histogram": partial(xs.duration_histogram, bins=["0s", "1h", "9D"]),
        "curve": xs.completion_curve,
        "comparison": partial(xs.compare_periods, current="2026-W46", previous="2026-W45"),
        "lag": xs.landing_lag,
        "summary as of": partial(xs.duration_summary, as_of="2026-11-20T00:00Z"),
    }


OWN = {
    "text": ["web", "data", None],
    "whole": [3, 1, 2],
    "flag": [True, False, True],
    "when": pd.to_datetime(["2026-01-01", None, "2025-01-01"], utc=True),
    "rank": pd.Categorical([2, 1, None]),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("call", by_calls())
def test_by_takes_an_own_column(tasks: pd.DataFrame, call: str, name: str):
    """Each group of an own column has the result of its tasks alone, with shards too."""
    values = pd.Series(OWN[name]).take(np.arange(len(tasks)) % 3).reset_index(drop=True)
    owned = tasks.assign(**{name: values})
    call_ = by_calls()[call]
    whole = call_(owned, by=name)
    shards = [owned[owned["region"] == region] for region in owned["region"].unique()]
    assert flat(call_(Shards(shards), by=name)) == flat(whole)
    for key, few in owned.groupby(values.astype(object).where(values.notna(), "-")):
        rows = whole.index.get_level_values(name)
        rows = rows.isna() if key == "-" else rows == key
        alone = flat(call_(few, by=name))
        assert flat(whole[rows]) == alone, key


@pytest.mark.parametrize("call", ["anomalies", "slow", "forecasts", "premature"])
def test_own_columns_stay(tasks: pd.DataFrame, call: str):
    """Own columns are in every list of tasks, in their own dtype."""
    odd = tasks.assign(creation_time=tasks["creation_time"].mask(tasks.index % 9 == 0))
    odd["creation_time"] = odd["creation_time"].where(tasks.index % 9 != 1, odd["to_time"])
    values = pd.Series(OWN["rank"]).take(np.arange(len(odd)) % 3).reset_index(drop=True)
    owned = odd.assign(rank=values, number=range(len(odd)), score="mine", role="theirs")
    whole = ALL[call](owned)
    assert len(whole)
    for found in (whole, ALL[call](Shards([owned.iloc[:300], owned.iloc[300:]]))):
        numbers = found["number"].astype("int64")
        assert found["number"].dtype == "int64"
        assert found["rank"].dtype == values.dtype
        assert plain(found["rank"]) == plain(values.take(numbers))
        assert plain(found["task_id"]) == plain(owned["task_id"].take(numbers))
        assert set(found["role"]) == {"theirs"}
    assert list(whole)[: len(list(ALL[call](odd)))] == list(ALL[call](odd))
    assert ("mine" in set(whole["score"])) == (call != "slow")
