"""Axes for times and for durations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import DAY, FIRST, LAST, START

from exportstats.charts import scales
from exportstats.charts.panel import begin


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.001, "1 ms"),
        (0.25, "250 ms"),
        (30, "30 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (86_400, "1 d"),
        (129_600, "1 d 12 h"),
        (86_400_000, "1,000 d"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str):
    """A duration has at most two units."""
    assert scales.write_duration(seconds) == text


@given(st.floats(0.001, 1e15), st.floats(1, 1e9))
def test_a_log_axis_has_a_few_different_ticks(low: float, ratio: float):
    """Whatever the durations, there are 3 to 16 ticks with different labels."""
    ticks = scales.DurationLocator(log=True).tick_values(low / 3.2, low * ratio * 3.2)
    names = [scales.write_duration(tick) for tick in ticks]
    assert 3 <= len(names) == len(set(names)) <= 16


@given(st.floats(0.01, 1e12))
def test_a_linear_axis_has_a_few_different_ticks(high: float):
    """An axis from zero has 2 to 8 ticks with different labels."""
    ticks = scales.DurationLocator(log=False).tick_values(0, high)
    names = [scales.write_duration(tick) for tick in ticks]
    assert 2 <= len(names) == len(set(names)) <= 8


def test_ticks_are_whole_units():
    """From a second to a day, the ticks are round values."""
    ticks = scales.DurationLocator(log=True).tick_values(0.9, 90_000)
    names = [scales.write_duration(tick) for tick in ticks]
    assert names == ["1 s", "10 s", "1 min", "10 min", "1 h", "1 d"]


def test_equal_durations_have_an_axis():
    """A single duration is inside its axis, which spans a decade or more."""
    panel = begin(None, "Title")
    scales.duration_axis(panel, "x", np.array([61.0, np.nan]), "duration")
    low, high = panel.ax.get_xlim()
    assert low < 61 < high
    assert high / low >= 10 - 1e-9
    assert panel.ax.get_xlabel() == "duration (log scale)"


def test_one_time_has_an_axis():
    """A single time has an axis of about an hour."""
    panel = begin(None, "Title")
    scales.time_axis(panel, np.array([20_000.0]))
    low, high = panel.ax.get_xlim()
    assert high - low == pytest.approx(1 / 24)
    assert panel.ax.get_xlabel() == "creation time (UTC)"


def test_times_are_in_utc():
    """The ticks of an axis are times in UTC, whatever zone the table has."""
    times = pd.DatetimeIndex(["2026-01-01 01:00+01:00"])
    assert scales.to_days(times)[0] == (pd.Timestamp("2026-01-01") - pd.Timestamp(0)).days


@pytest.mark.parametrize("millis", [FIRST, FIRST + 1, START, LAST])
def test_all_times_have_a_place(millis: int):
    """A time of the years 1970 to 2999 has its place on an axis; what is missing has none."""
    values = np.array([millis, -(2**63), 0]).view("datetime64[ms]")
    days = scales.to_days(pd.Series(values).dt.tz_localize("UTC"))
    assert days[[0, 2]].tolist() == [millis / DAY, 0]
    assert np.isnan(days[1])
    panel = begin(None, "Title")
    scales.time_axis(panel, days)
    panel.ax.figure.draw_without_rendering()


def test_a_duration_of_zero_has_a_place_on_a_log_axis():
    """0 ms is drawn as the clock's 1 ms; a missing duration stays missing."""
    seconds = scales.to_seconds(pd.Series(pd.to_timedelta([0, 2, None], unit="s")))
    assert seconds[:2].tolist() == [0.001, 2.0]
    assert np.isnan(seconds[2])


def test_the_shortest_step_is_a_period():
    """The length of periods is the smallest distance; a single one is a day long."""
    assert scales.period_step(np.array([0.0, 7.0, 28.0])) == 7
    assert scales.period_step(np.array([5.0])) == 1
