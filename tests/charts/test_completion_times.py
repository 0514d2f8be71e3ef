"""The chart of the hours of the week in which tasks complete."""

import numpy as np
import pandas as pd
import pytest

from exportstats.charts import plot_completion_times
from exportstats.errors import SchemaError

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def week(counts: dict[tuple[str, int], int]) -> pd.DataFrame:
    """Return what `completion_times` returns."""
    table = pd.DataFrame(
        0, index=pd.Index(DAYS, name="weekday"), columns=pd.RangeIndex(24, name="hour")
    )
    for (day, hour), count in counts.items():
        table.loc[day, hour] = count
    return table


def test_each_hour_is_a_cell_and_none_is_empty():
    """Each count is at its day and hour, and a zero has no colour."""
    ax = plot_completion_times(week({("Monday", 0): 2, ("Sunday", 23): 5}))
    cells = ax.collections[0].get_array()
    assert cells.shape == (7, 24)
    assert cells.count() == 2
    assert (cells[0, 0], cells[6, 23]) == (2, 5)


def test_the_week_begins_at_the_top_left():
    """Monday is the first row from the top, and midnight at the left."""
    ax = plot_completion_times(week({("Monday", 0): 1}))
    assert [name.get_text() for name in ax.get_yticklabels()] == list(DAYS)
    assert ax.get_ylim() == (7, 0)
    assert ax.get_xlim() == (0, 24)


def test_the_peak_is_labelled():
    """The largest count is written into its cell, and the header says when it is."""
    ax = plot_completion_times(week({("Tuesday", 3): 1200, ("Friday", 9): 4}))
    label, note = ax.texts
    assert label.get_text() == "1,200"
    assert label.get_position() == (3.5, 1.5)
    assert note.get_text() == "n = 1,204 tasks · most in the hour from Tuesday 03:00: 1,200 tasks"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_the_zone_is_named(zone: str):
    """The axis names the time zone of the table, by default UTC."""
    table = week({("Tuesday", 3): 1})
    if zone != "UTC":
        table.attrs["tz"] = zone
    assert plot_completion_times(table).get_xlabel() == f"hour of completion ({zone})"


def test_the_colour_bar_counts_whole_tasks():
    """The colour bar has whole numbers, however few the tasks are."""
    ax = plot_completion_times(week({("Tuesday", 3): 2}))
    ax.figure.draw_without_rendering()
    bar = next(other for other in ax.figure.axes if other is not ax)
    assert bar.get_ylabel() == "tasks"
    assert [tick.get_text() for tick in bar.get_yticklabels()] == ["0", "1", "2"]


def test_one_is_not_taken_for_none():
    """The palest colour, of a single task, is not white."""
    ax = plot_completion_times(week({("Tuesday", 3): 10_000, ("Friday", 9): 1}))
    mesh = ax.collections[0]
    assert np.mean(mesh.cmap(mesh.norm(1))[:3]) < 0.9


def test_another_week_is_refused():
    """Days in another order, or hours that are not 0 to 23, are a SchemaError."""
    for wrong in (week({}).iloc[::-1], week({}).iloc[:, 1:], week({}).T):
        with pytest.raises(SchemaError, match="completion_times"):
            plot_completion_times(wrong)
