"""The chart of when the active tasks will be done."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

import exportstats as xs
from exportstats.charts.forecasts import plot_completion
from exportstats.charts.style import STATE_LOOKS

NAN = float("nan")


def forecasts(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Return a table of `estimate_completion` from names, states and five lengths in seconds."""
    names = ["log_group_name", "status_code", "elapsed", "remaining_low", "remaining"]
    table = pd.DataFrame(rows, columns=[*names, "remaining_high"])
    for name in table.columns[2:]:
        table[name] = pd.to_timedelta(table[name], unit="s").astype("timedelta64[ms]")
    ends = pd.Timestamp("2026-11-23T06:00Z").as_unit("ms") + table["remaining"]
    return table.assign(account_id="111122223333", region="eu-west-1", ends=ends)


SLOW = ("/slow", "RUNNING", 600, 600, 1200, 3600)
SOON = ("/soon", "PENDING", 60, 30, 60, 90)
UNKNOWN = ("/unknown", "RUNNING", 300, NAN, NAN, NAN)


def bars(ax: Axes) -> list[tuple[float, float]]:
    """Return start and end of each bar from the top down, without unknown ones."""
    found = sorted(ax.patches, key=lambda patch: patch.get_y())
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in found]
    return [edge for edge in edges if not np.isnan(edge).any()]


def names(ax: Axes) -> list[str]:
    """Return the names of the rows."""
    return [label.get_text() for label in ax.get_yticklabels()]


def test_a_row_is_elapsed_range_and_median():
    """Bars and marks are at the values of the table, on an axis from the creation."""
    ax = plot_completion(forecasts(SLOW, SOON))
    assert names(ax) == ["/soon", "/slow"], "what ends first is at the top"
    assert bars(ax) == [(90, 150), (1200, 4200)]
    (elapsed,) = ax.collections
    assert [line[:, 0].tolist() for line in elapsed.get_segments()] == [[0, 60], [0, 600]]
    (medians,) = (line for line in ax.lines if line.get_marker() == "|")
    assert medians.get_xdata().tolist() == [120, 1800]
    assert ax.get_xlim()[0] == 0
    assert ax.get_xlim()[1] > 4200
    assert [text.get_text() for text in ax.texts[:2]] == ["1 min left", "20 min left"]


def test_colours_are_the_states():
    """States have the colours of other charts, and the legend names those that occur."""
    ax = plot_completion(forecasts(SLOW, SOON))
    shown = {bar.get_facecolor()[:3] for bar in ax.patches}
    assert len(shown) == 2
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["elapsed", "PENDING", "RUNNING", "median end"]
    assert set(legend[1:3]) <= set(STATE_LOOKS)


def test_without_a_forecast_there_is_only_what_elapsed():
    """A task without a forecast is the last row and says so; it also has an axis of its own."""
    ax = plot_completion(forecasts(UNKNOWN, SOON))
    assert names(ax) == ["/soon", "/unknown"]
    assert bars(ax) == [(90, 150)]
    assert ax.texts[1].get_text() == "no forecast"
    ax = plot_completion(forecasts(UNKNOWN, (*UNKNOWN[:2], NAN, NAN, NAN, NAN)))
    ax.figure.draw_without_rendering()
    assert bars(ax) == []


def test_the_time_out_is_drawn_where_it_can_be_reached():
    """The time-out is a line at 24 hours, if a range extends that far."""
    far = plot_completion(forecasts(("/far", "RUNNING", 80_000, 1000, 3000, 6400)))
    assert 86_400 in [line.get_xdata()[0] for line in far.lines]
    assert far.get_legend().get_texts()[-1].get_text() == "time-out"
    near = plot_completion(forecasts(SLOW))
    assert near.get_xlim()[1] < 6000
    assert len(near.lines) == 1


def test_of_many_those_that_end_first_are_drawn():
    """25 rows are drawn, and a note counts the others."""
    many = [
        (f"/{number}", "RUNNING", 60, 10 * number, 20 * number, 30 * number) for number in range(40)
    ]
    ax = plot_completion(forecasts(*reversed(many)))
    assert names(ax) == [f"/{number}" for number in range(25)]
    words = [text.get_text().replace("\n", " ") for text in ax.texts]
    assert any("40 active tasks" in word and "15 more, which end later" in word for word in words)


def test_it_draws_the_sample():
    """The forecasts of the sample on an evening are drawn, each task with its range."""
    table = xs.estimate_completion(xs.sample_tasks(), as_of="2026-10-29T15:00Z")
    assert len(bars(plot_completion(table))) == len(table) == 2
