"""The chart of how durations change from period to period."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import dates
from matplotlib.colors import to_hex

from exportstats.charts import plot_duration_trend
from exportstats.errors import SchemaError


def trend(completed: list[int], p50: list[float], weeks: list[int] | None = None) -> pd.DataFrame:
    """Return what `duration_trend` returns, with the 90th percentile at twice the median."""
    start = pd.Timestamp("2026-01-05", tz="UTC").as_unit("ms")
    periods = [start + pd.Timedelta(7 * week, "D") for week in weeks or range(len(completed))]
    known = np.array(completed) > 0
    medians = np.where(known, p50, np.nan)
    return pd.DataFrame(
        {
            "completed": completed,
            "censored": 0,
            "p50": pd.to_timedelta(medians, unit="s").as_unit("ms"),
            "p90": pd.to_timedelta(2 * medians, unit="s").as_unit("ms"),
        },
        index=pd.DatetimeIndex(periods, name="period").as_unit("ms"),
    )


def grouped(count: int) -> pd.DataFrame:
    """Return the trends of some groups, later ones of more tasks."""
    parts = {f"g{number}": trend([10 + number] * 3, [60] * 3) for number in range(count)}
    return pd.concat(parts, names=["region"])


def test_median_is_solid_and_p90_dashed():
    """Each quantile is one line through all periods: p50 solid, p90 dashed."""
    ax = plot_duration_trend(trend([20, 20, 20], [60, 70, 80]))
    solid = [line for line in ax.lines if line.get_linestyle() == "-"]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [line.get_ydata().tolist() for line in solid] == [[60, 70, 80]]
    assert [line.get_ydata().tolist() for line in dashed] == [[120, 140, 160]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["p50", "p90"]


def test_any_quantiles_are_drawn():
    """Each quantile has its own dash, and a single one is solid."""
    one = trend([20, 20], [60, 70])[["completed", "censored", "p90"]]
    ax = plot_duration_trend(one)
    assert ax.lines[0].get_linestyle() == "-"
    assert ax.lines[0].get_ydata().tolist() == [120, 140]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["p90"]
    two = one.assign(**{"p99.9": 2 * one["p90"]})
    assert [line.get_linestyle() for line in plot_duration_trend(two).lines[::3]] == ["-", "--"]
    with pytest.raises(SchemaError, match="no quantile column"):
        plot_duration_trend(one[["completed", "censored"]])


def test_the_axis_is_in_the_time_zone_of_the_periods():
    """Months in local time are at local midnights, and the axis names the zone."""
    months = pd.date_range("2026-01-01", periods=4, freq="MS", tz="Europe/Berlin", name="period")
    ax = plot_duration_trend(trend([20] * 4, [60] * 4).set_axis(months))
    assert ax.get_xlabel() == "creation time, start of the period (Europe/Berlin)"
    ax.figure.draw_without_rendering()
    ticks = dates.num2date(ax.get_xticks(), tz="Europe/Berlin")
    assert {(tick.hour, tick.minute) for tick in ticks} == {(0, 0)}
    assert {tick.day for tick in ticks} <= {1, 15}


def test_a_period_without_a_completed_task_breaks_the_line():
    """A period without completed tasks interrupts the line, with or without a row."""
    for table in (
        trend([20, 20, 0, 20], [60, 70, 0, 80]),
        trend([20, 20, 20], [60, 70, 80], weeks=[0, 1, 3]),
    ):
        line = plot_duration_trend(table).lines[0]
        assert np.isnan(line.get_ydata()).tolist() == [False, False, True, False]


def test_rows_in_any_order_give_the_same_line():
    """The order of the rows does not change the line."""
    table = trend([20, 20, 20], [60, 70, 80]).iloc[[2, 0, 1]]
    assert plot_duration_trend(table).lines[0].get_ydata().tolist() == [60, 70, 80]


def test_few_tasks_are_hollow_and_small():
    """A period of fewer than 10 tasks has a small hollow marker, and the legend says so."""
    ax = plot_duration_trend(trend([10, 9], [60, 70]))
    filled, hollow = ax.lines[1:3]
    assert filled.get_ydata().tolist() == [60]
    assert hollow.get_ydata().tolist() == [70]
    assert to_hex(hollow.get_markerfacecolor()) == "#ffffff"
    assert hollow.get_markersize() < filled.get_markersize()
    assert "fewer than 10 tasks" in ax.get_legend().get_texts()[-1].get_text()


def test_the_axis_fits_the_spread():
    """Similar durations have a linear axis from 0, different ones a logarithmic axis."""
    near = plot_duration_trend(trend([20, 20], [60, 70]))
    assert near.get_yscale() == "linear"
    assert near.get_ylim()[0] == 0
    far = plot_duration_trend(trend([20, 20], [60, 6000]))
    assert far.get_yscale() == "log"
    assert "log scale" in far.get_ylabel()


def test_groups_differ_by_colour_and_marker():
    """Each group has a colour and a marker of its own, and its name in the legend."""
    ax = plot_duration_trend(grouped(3))
    lines = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_marker() for line in ax.lines} - {"None"}) == 3
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["p50", "p90", "g2", "g1", "g0"]


def test_of_many_groups_the_slowest_six_are_named():
    """Six groups have colours and markers, and a note counts the grey ones."""
    ax = plot_duration_trend(grouped(9))
    lines = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert len(lines) == 9
    assert len({line.get_color() for line in lines}) == 7
    assert "3 more are grey" in ax.texts[-1].get_text()


def test_active_and_unplaced_tasks_are_counted():
    """A note counts what the lines do not contain."""
    table = trend([20, 20, 3], [60, 70, 80])
    table["censored"] = [0, 0, 4]
    table.index = pd.DatetimeIndex([*table.index[:2], pd.NaT], name="period")
    note = plot_duration_trend(table).texts[-1].get_text().replace("\n", " ")
    assert "4 tasks still active, not counted in" in note
    assert "3 tasks not drawn" in note


def test_one_period_alone_is_a_point():
    """A single period is one marker per quantile, on an axis of about a day."""
    ax = plot_duration_trend(trend([20], [60]))
    assert np.ptp(ax.get_xlim()) == 1
    assert [line.get_ydata().tolist() for line in ax.lines if line.get_marker() == "o"] == [
        [60], [], [120], []
    ]  # fmt: skip


def test_no_completed_task_is_noted():
    """Without completed tasks, the chart says so."""
    ax = plot_duration_trend(trend([0, 0], [0, 0]))
    assert ax.texts[-1].get_text() == "no completed tasks"
