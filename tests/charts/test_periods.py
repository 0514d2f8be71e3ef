"""The chart that compares two periods."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from exportstats.charts.periods import plot_periods
from exportstats.errors import SchemaError
from exportstats.stats.periods import COLUMNS

NAN = float("nan")


def comparison(**changes: object) -> pd.DataFrame:
    """Return a table of `compare_periods` without groups; `changes` are values of the p50."""
    n = {"n_previous": 70, "n_current": 68}
    values = ["previous", "current", "low", "high", "verdict"]
    rows = {
        "failure_rate": [0.2, 0.1, -0.15, -0.05, "better"],
        "p50": [300.0, 600.0, 200.0, 400.0, "worse"],
        "p90": [900.0, 990.0, -90.0, 180.0, "no clear change"],
    }
    of = {name: dict(zip(values, row, strict=True)) | n for name, row in rows.items()}
    of["p50"] |= changes
    for name in ("p50", "p90"):
        for value in values[:4]:
            of[name][value] = pd.to_timedelta([of[name][value]], unit="s")
    of["tasks"] = {"previous": 70, "current": 68}
    row = {(name, value): of[name].get(value, NAN) for name, value in COLUMNS}
    return pd.DataFrame(row, index=["all"]).rename_axis(columns=["measure", "value"])


def marks(ax: Axes, marker: str) -> list[tuple[float, int]]:
    """Return the places of markers that are not hollow."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    filled = [line for line in lines if line.get_markerfacecolor() != "#ffffff"]
    places = [zip(line.get_xdata(), line.get_ydata(), strict=True) for line in filled]
    return sorted((round(float(x), 9), int(y)) for some in places for x, y in some)


def test_verdicts_differ_by_colour_and_marker():
    """Each current value has the marker and the colour of its verdict, at its multiple."""
    ax = plot_periods(comparison())
    assert marks(ax, "^") == [(2.0, 2)]
    assert marks(ax, "v") == [(0.5, 1)]
    assert marks(ax, "o") == [(round(68 / 70, 9), 0), (1.1, 3)]
    filled = [line for line in ax.lines if len(line.get_xdata()) and line.get_marker() in "^vo"]
    assert len({line.get_color() for line in filled}) == 3
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["previous", "worse", "better", "no clear change", "interval of the change"]


def test_values_are_written_in_their_units():
    """At the right of each row, both values are written in the unit of the measure."""
    texts = [text.get_text() for text in plot_periods(comparison()).texts]
    assert texts[:4] == ["70 → 68", "20 % → 10 %", "5 min → 10 min", "15 min → 16 min 30 s"]
    labels = [label.get_text() for label in plot_periods(comparison()).get_yticklabels()]
    assert labels == ["tasks", "failure rate", "p50", "p90"]


def test_intervals_are_lines_where_they_are_known():
    """The interval of the change is a line, unless it is missing."""
    ax = plot_periods(comparison())
    segments = [line for lines in ax.collections for line in lines.get_segments()]
    thin = {int(line[0, 1]): line[:, 0] for line in segments if line[0, 1] % 1}
    assert sorted(thin) == [1, 2, 3]
    assert np.allclose(thin[2], [500 / 300, 700 / 300])
    assert np.allclose(thin[1], [0.25, 0.75])


def test_what_is_far_out_is_at_the_edge():
    """Beyond 5 times, an arrow is drawn at the edge, beside the number."""
    ax = plot_periods(comparison(current=6000.0, low=5000.0, high=7000.0))
    assert ax.get_xlim() == (0, 5)
    assert marks(ax, ">") == [(5.0, 2)]
    assert ax.texts[2].get_text() == "5 min → 1 h 40 min"


def test_from_nothing_to_something_is_an_arrow():
    """A change from 0 is an arrow in the colour of the verdict; 0 to 0 is no change."""
    ax = plot_periods(comparison(previous=0.0))
    assert marks(ax, ">") == [(5.0, 2)]
    assert ax.texts[2].get_text() == "0 s → 10 min"
    still = plot_periods(comparison(previous=0.0, current=0.0, verdict="no clear change"))
    assert (1.0, 2) in marks(still, "o")


def test_no_multiple_of_what_is_not_known():
    """Without a previous value there is no dumbbell, but the values are written."""
    ax = plot_periods(comparison(previous=NAN))
    assert ax.texts[2].get_text() == "- → 10 min"
    assert not marks(ax, "^")
    ax.figure.draw_without_rendering()


def test_all_missing():
    """Tasks without known values are drawn without a warning."""
    table = comparison()
    for name in ("failure_rate", "p50", "p90"):
        for value in ("previous", "current", "low", "high"):
            table[name, value] = table[name, value].where([False])
        table[name, "verdict"] = "no clear change"
    ax = plot_periods(table)
    ax.figure.draw_without_rendering()
    assert [text.get_text() for text in ax.texts[1:4]] == ["- → -"] * 3


def test_of_many_groups_the_worse_come_first():
    """Six groups are drawn: worse ones, better ones, then the largest; others are counted."""
    calm = comparison(verdict="no clear change")
    calm["failure_rate", "verdict"] = "no clear change"
    better = comparison(verdict="better")
    parts = {f"calm-{n}": calm for n in range(8)}
    table = pd.concat({**parts, "better": better, "worse": comparison()}, names=["region"])
    table = table.droplevel(1)
    table["tasks", "current"] = [*range(8), 68, 68]
    ax = plot_periods(table)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    groups = [label.split(" · ")[0] for label in labels[::4]]
    assert groups == ["worse", "better", "calm-7", "calm-6", "calm-5", "calm-4"]
    assert "4 more not shown" in ax.texts[-1].get_text()


def test_no_task_is_noted():
    """Without tasks in either period, the chart says so."""
    zero = comparison()
    zero[[("tasks", "previous"), ("tasks", "current")]] = 0
    for table in (comparison().iloc[:0], zero):
        ax = plot_periods(table)
        assert ax.texts[-1].get_text() == "no tasks"
        assert not ax.lines


def test_another_frame_is_refused():
    """The error names the function that makes the table."""
    with pytest.raises(SchemaError, match="this chart draws what compare_periods returns"):
        plot_periods(comparison()["p50"])
    with pytest.raises(SchemaError, match=r"column \('p50', 'verdict'\) is missing"):
        plot_periods(comparison().drop(columns=("p50", "verdict")))


def test_the_callers_axes_table_and_keywords():
    """The axes are the given ones, the table stays, and keywords go to the bars."""
    table = comparison()
    before = table.copy(deep=True)
    ax = plot_periods(table, gid="mine")
    assert plot_periods(table, ax=ax) is ax
    assert ax.findobj(lambda artist: artist.get_gid() == "mine")
    pd.testing.assert_frame_equal(table, before)
