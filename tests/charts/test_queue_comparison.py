"""The chart of scenarios of a queue."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import exportstats as xs
from exportstats.charts.queue_comparison import plot_queue_comparison
from exportstats.core import frames

NIGHT = pd.Timestamp("2026-11-23T22:00Z")
IN_TIME, LATE = "#0072b2", "#d55e00"
Row = tuple[str, str, float, float]


def scenarios(*rows: Row) -> pd.DataFrame:
    """Return a table of `compare_queues`: scenario, region, median in minutes and risk of each."""
    table = pd.DataFrame(rows, columns=["scenario", "region", "done", "deadline_risk"])
    done = pd.to_timedelta(table.pop("done"), unit="min")
    first = done.groupby(table["region"]).transform("first")
    for name, share in (("done_low", 0.5), ("expected_done", 1), ("done_high", 2)):
        table[name] = NIGHT + done * share
    table = table.assign(account_id="111122223333", later=done - first, same_probability=1.0)
    return table.set_index(["scenario", "account_id", "region"])


def bars(ax: Axes) -> list[tuple[float, float, str]]:
    """Return start and end of the bars, in minutes, from the top down, and their colour."""
    night = NIGHT.timestamp() / 86_400
    return [
        (
            round((bar.get_x() - night) * 1440, 3),
            round((bar.get_x() + bar.get_width() - night) * 1440, 3),
            to_hex(bar.get_facecolor()),
        )
        for bar in sorted(ax.patches, key=lambda bar: bar.get_y())
    ]


def names(ax: Axes) -> list[str]:
    """Return the names of the rows."""
    return [label.get_text() for label in ax.get_yticklabels()]


def notes(ax: Axes) -> list[str]:
    """Return the notes at the right of the rows, then those below the title."""
    return [text.get_text().replace("\n", " ") for text in ax.texts]


def test_a_scenario_is_a_bar_with_its_median():
    """Bars, medians and notes have the values of the table, in its order."""
    ax = plot_queue_comparison(
        scenarios(("today", "west", 60, 0.02), ("+30", "west", 150, 0.4), ("-5", "west", 50, 0.0))
    )
    assert names(ax) == ["today", "+30", "-5"]
    assert bars(ax) == [(30, 120, IN_TIME), (75, 300, LATE), (25, 100, IN_TIME)]
    (medians,) = (line for line in ax.lines if line.get_marker() == "|")
    night = NIGHT.timestamp() / 86_400
    assert (medians.get_xdata() - night) * 1440 == pytest.approx([60, 150, 50], abs=1e-3)
    assert notes(ax) == [
        "late 2 %",
        "1 h 30 min later · late 40 %",
        "10 min earlier",
        "3 scenarios · in 111122223333, west",
    ]


def test_what_may_be_late_is_hatched():
    """Red bars have a hatch, too, and are in the legend only if there are any."""
    ax = plot_queue_comparison(scenarios(("a", "west", 60, 0.09), ("b", "west", 60, 0.1)))
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, True]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["10 % to 90 %", "late in 10 % or more", "median"]
    ax = plot_queue_comparison(scenarios(("a", "west", 60, np.nan)))
    assert len(ax.get_legend().get_texts()) == 2
    assert notes(ax)[0] == ""


def test_slots_are_blocks_and_the_worst_is_on_top():
    """The scenarios of a slot are together; slots are sorted by risk, then by the latest end."""
    rows = [
        (name, region, minutes, risk)
        for name in ("one", "two")
        for region, minutes, risk in (("a", 10, 0), ("b", 90, 0), ("c", 20, 0.5))
    ]
    ax = plot_queue_comparison(scenarios(*rows))
    assert names(ax) == [f"{region} · {name}" for region in "cba" for name in ("one", "two")]
    assert notes(ax)[1] == "the same · late 50 %"


def test_of_many_slots_whole_ones_are_drawn():
    """As many slots are drawn as fit with all their scenarios, and a note counts the others."""
    rows = [(name, f"r{number}", number + 1, 0.0) for name in "abc" for number in range(100)]
    ax = plot_queue_comparison(scenarios(*rows))
    assert len(names(ax)) == 24
    assert names(ax)[0] == "r99 · a"
    assert "3 scenarios · the worst 8 of 100 slots, 92 more not shown" in notes(ax)[-1]
    ax = plot_queue_comparison(scenarios(*((f"s{n}", "west", n, 0.0) for n in range(40))))
    assert names(ax) == [f"s{n}" for n in range(25)]
    assert "the first 25 scenarios, 15 more not shown" in notes(ax)[-1]


def test_what_differs_in_some_runs_is_not_the_same():
    """If the median difference is 0, a note says in how many runs there is none."""
    table = scenarios(("a", "west", 60, 0.0), ("b", "west", 60, 0.25))
    ax = plot_queue_comparison(table.assign(same_probability=[1, 0.625]))
    assert notes(ax)[:2] == ["", "the same in 62.5 % of the runs · late 25 %"]


def test_without_a_forecast_a_row_says_so():
    """A scenario without a forecast is a row without a bar; without any, there is only a text."""
    unknown = ("new", "west", np.nan, np.nan)
    ax = plot_queue_comparison(scenarios(("today", "west", 60, 0.0), unknown))
    assert notes(ax)[:2] == ["", "no forecast"]
    ax = plot_queue_comparison(scenarios(unknown))
    assert notes(ax)[-1] == "no forecast: without history"


def test_it_draws_what_compare_queues_returns():
    """Two scenarios, of which the second takes an hour longer, in a time zone."""
    exports = pd.DataFrame({"create_at": [NIGHT], "duration": "1h", "region": "eu-west-1"})
    tables = {"today": exports, "twice": pd.concat([exports, exports], ignore_index=True)}
    forecasts = {
        name: xs.simulate_queue(frames.empty(), table, start=NIGHT, runs=10)
        for name, table in tables.items()
    }
    ax = plot_queue_comparison(xs.compare_queues(forecasts), tz="Europe/Berlin")
    assert [start for start, *_ in bars(ax)] == [60, 120]
    assert notes(ax)[1] == "1 h later"
    assert ax.get_xlabel() == "time (Europe/Berlin)"
