"""The chart of how durations are spread."""

import pandas as pd
import pytest

from exportstats.charts import plot_duration_histogram

BINS = pd.IntervalIndex.from_breaks(
    pd.to_timedelta([1, 10, 100, 1000], unit="s").as_unit("ms"), closed="left", name="duration"
)


def spread(counts: dict[str, list[int]]) -> pd.DataFrame:
    """Return what `duration_histogram` returns, by group."""
    index = pd.MultiIndex.from_product([list(counts), BINS], names=["region", "duration"])
    tasks = [count for group in counts.values() for count in group]
    share = [count / sum(group) for group in counts.values() for count in group]
    return pd.DataFrame({"tasks": tasks, "share": share}, index=index)


@pytest.mark.parametrize("index", [BINS, BINS.astype(object).rename("duration")])
def test_one_group_is_bars(index: pd.Index):
    """Without groups each row is a bar over its interval, as high as its count."""
    table = pd.DataFrame({"tasks": [3, 0, 1], "share": [0.75, 0, 0.25]}, index=index)
    ax = plot_duration_histogram(table)
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches]
    assert bars == [(1, 9, 3), (10, 90, 0), (100, 900, 1)]
    assert ax.get_xscale() == "log"
    assert ax.get_ylabel() == "tasks"


def test_the_axis_spans_what_occurs():
    """Empty bins at the ends are not drawn."""
    table = pd.DataFrame({"tasks": [0, 5, 0], "share": [0, 1, 0]}, index=BINS)
    low, high = plot_duration_histogram(table).get_xlim()
    assert 5 < low < 10
    assert 100 < high < 200


def test_several_groups_are_outlines_of_shares():
    """Each group is an outline of its shares, with a colour and a dash of its own."""
    ax = plot_duration_histogram(spread({"a": [1, 1, 2], "b": [0, 30, 10]}))
    second, first = ax.patches  # the one with more tasks is the first
    assert list(first.get_data()[0]) == [0.25, 0.25, 0.5]
    assert list(second.get_data()[1]) == [1, 10, 100, 1000]
    assert first.get_edgecolor() != second.get_edgecolor()
    assert first.get_linestyle() != second.get_linestyle()
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["b (n=40)", "a (n=4)"]


def test_a_bin_that_a_group_does_not_have_is_empty():
    """Missing rows count as 0 and do not shift the others."""
    table = spread({"a": [1, 1, 2], "b": [1, 2, 1]}).drop(index=("b", BINS[1]))
    outlines = plot_duration_histogram(table).patches
    assert list(outlines[1].get_data()[0]) == [0.25, 0, 0.25]


def test_of_many_groups_the_slowest_six_are_named():
    """The slowest six groups are outlines, the others one grey area, with a note."""
    ax = plot_duration_histogram(spread({f"g{size}": [size] * 3 for size in range(1, 10)}))
    assert len(ax.patches) == 7
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[:2] == ["all others together", "g9 (n=27)"]
    assert "the slowest 6 of 9 groups are named, 3 more are grey" in ax.texts[
        -1
    ].get_text().replace("\n", " ")


def test_a_single_group_is_named():
    """A single group is named in a note."""
    ax = plot_duration_histogram(spread({"eu-west-1": [1, 2, 3]}))
    assert "eu-west-1" in ax.texts[-1].get_text()


def test_an_interval_from_zero_is_drawn():
    """A first interval from 0 is drawn on the log axis."""
    bins = pd.IntervalIndex.from_breaks(pd.to_timedelta([0, 1, 10], unit="s"), closed="left")
    table = pd.DataFrame({"tasks": [1, 1], "share": 0.5}, index=bins.rename("duration"))
    ax = plot_duration_histogram(table)
    assert ax.patches[0].get_x() == 0.001
