"""The chart of how long tasks take, group by group."""

import pandas as pd
import pytest

from exportstats.charts import plot_duration_summary
from exportstats.errors import SchemaError

QUANTILES = ("p50", "p90", "p99")


def summary(rows: dict[object, tuple[int, int, float]]) -> pd.DataFrame:
    """Return what `duration_summary` returns, from completed, censored and median (seconds)."""
    table = pd.DataFrame(
        [(n, more) for n, more, _ in rows.values()],
        columns=["completed", "censored"],
        index=pd.Index(list(rows), name="log_group_name"),
    )
    medians = [median for _, _, median in rows.values()]
    for name, factor in zip(["min", *QUANTILES, "max", "mean"], [0.1, 1, 3, 9, 20, 2], strict=True):
        lengths = pd.to_timedelta([median * factor for median in medians], unit="s").as_unit("ms")
        table[name] = lengths.where(table["completed"].to_numpy() > 0)
    return table


def test_slowest_group_comes_first():
    """Groups are sorted by their median; those without completed tasks are last."""
    ax = plot_duration_summary(summary({"a": (9, 0, 10), "b": (0, 2, 1), "c": (9, 0, 99)}))
    assert [name.get_text() for name in ax.get_yticklabels()] == ["c", "a", "b"]


def test_counts_are_written():
    """At the right, each group has n and its number of active tasks."""
    ax = plot_duration_summary(summary({"a": (1200, 0, 10), "b": (0, 2, 1), "c": (9, 3, 99)}))
    shown = [text.get_text() for text in ax.texts]
    assert shown[:3] == ["n=9 +3 active", "n=1,200", "n=0 +2 active"]


def test_each_group_has_its_ranges():
    """A thin line goes from min to max and a thick one between the quantiles."""
    ax = plot_duration_summary(summary({"a": (900, 0, 10), "b": (0, 2, 1)}))
    thin, thick = ax.collections
    assert [segment[:, 0].tolist() for segment in thin.get_segments()] == [[1, 200]]
    assert [segment[:, 0].tolist() for segment in thick.get_segments()] == [[10, 90]]
    assert thin.get_linewidth()[0] < thick.get_linewidth()[0]


def test_each_quantile_has_its_marker():
    """The quantiles differ by marker, and the legend names them."""
    ax = plot_duration_summary(summary({"a": (900, 0, 10)}))
    drawn = {line.get_marker(): line.get_xdata()[0] for line in ax.lines if len(line.get_xdata())}
    assert list(drawn.values()) == [10, 30, 90]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["min to max", *QUANTILES]


@pytest.mark.parametrize(
    ("completed", "hollow"),
    [(1, 3), (2, 2), (9, 2), (10, 1), (99, 1), (100, 0)],
)
def test_a_quantile_of_too_few_tasks_is_hollow(completed: int, hollow: int):
    """p90 needs 10 tasks and p99 needs 100: with fewer the marker is hollow and a note says why."""
    ax = plot_duration_summary(summary({"a": (completed, 0, 10)}))
    white = [line for line in ax.lines if line.get_markerfacecolor() == "#ffffff"]
    assert sum(len(line.get_xdata()) for line in white) == hollow
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert ("hollow: fewer tasks than the quantile needs" in legend) == (hollow > 0)


def test_a_thousand_tasks_support_a_permille():
    """The rule is exact where floating point is not: 1,000 tasks support p99.9."""
    table = summary({"a": (1000, 0, 10)}).rename(columns={"p99": "p99.9"})
    ax = plot_duration_summary(table)
    assert len(ax.get_legend().get_texts()) == 4


def test_ticks_are_in_human_units():
    """From a second to an hour, the ticks have units that people use."""
    ax = plot_duration_summary(summary({"a": (900, 0, 10), "b": (9, 2, 300)}))
    ax.figure.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "1 s", "10 s", "1 min", "10 min", "1 h"
    ]  # fmt: skip
    assert "log scale" in ax.get_xlabel()


def test_a_single_quantile_is_enough():
    """Any quantiles can be drawn, and the lowest gives the order."""
    table = summary({"a": (900, 0, 10), "b": (900, 0, 20)}).drop(columns=["p50", "p90"])
    ax = plot_duration_summary(table)
    assert [name.get_text() for name in ax.get_yticklabels()] == ["b", "a"]
    assert "by p99" in ax.texts[-1].get_text()


def test_no_quantile_is_refused():
    """A table without a quantile is a SchemaError that names its maker."""
    table = summary({"a": (900, 0, 10)}).drop(columns=list(QUANTILES))
    with pytest.raises(SchemaError, match=r"quantile.*duration_summary"):
        plot_duration_summary(table)


def test_only_running_tasks_are_no_durations():
    """Without completed tasks, the chart says so."""
    ax = plot_duration_summary(summary({"a": (0, 3, 10)}))
    assert ax.texts[-1].get_text() == "no completed tasks"


def test_a_duration_of_zero_is_drawn():
    """A task that took 0 ms is at 1 ms, and the log axis stands."""
    table = summary({"all": (9, 0, 10)})
    table["min"] = pd.Timedelta(0)
    ax = plot_duration_summary(table)
    assert ax.collections[0].get_segments()[0][0, 0] == 0.001
