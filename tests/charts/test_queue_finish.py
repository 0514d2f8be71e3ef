"""The chart of when the exports of a slot are done."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

import exportstats as xs
from exportstats.charts.queue_finish import plot_queue_finish
from exportstats.core import frames
from exportstats.errors import SchemaError

NIGHT = pd.Timestamp("2026-11-23T22:00Z")  # a Monday
MINUTE = pd.Timedelta("1min")


def finish(**minutes: list[float]) -> pd.DataFrame:
    """Return a table of `simulate_queue`: by region, after how many minutes each run is done."""
    slots = pd.MultiIndex.from_product([["111122223333"], minutes], names=["account_id", "region"])
    done = {
        slot: NIGHT + pd.to_timedelta(values, unit="min")
        for slot, values in zip(slots, minutes.values(), strict=True)
    }
    return pd.DataFrame(done, columns=slots).rename_axis(index="run")


def curves(ax: Axes) -> list[Line2D]:
    """Return the curves."""
    return [line for line in ax.lines if line.get_drawstyle() == "steps-post"]


def probability(line: Line2D, minutes: float) -> float:
    """Read a curve at a time of the night."""
    days = (NIGHT + minutes * MINUTE).timestamp() / 86_400
    return line.get_ydata()[max(np.searchsorted(line.get_xdata(), days + 1e-9) - 1, 0)]


def notes(ax: Axes) -> str:
    """Return the notes below the title."""
    return ax.texts[-1].get_text().replace("\n", " ")


def legend(ax: Axes) -> list[str]:
    """Return the labels of the legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_curve_is_the_share_of_runs_that_are_done():
    """At any time, the curve is at the share of runs that are done, counted one by one."""
    minutes = [*np.random.default_rng(5).uniform(0, 300, 99), 20_000]
    (line,) = curves(plot_queue_finish(finish(west=minutes)))
    for when in (0, 10, 100.5, 299, 20_001):
        assert probability(line, when) == pytest.approx(sum(one <= when for one in minutes) / 100)


def test_dots_are_at_the_quantiles_and_a_note_has_the_last():
    """By the time of the note, 90 % of the runs are done; the axis ends near the 95 % quantile."""
    ax = plot_queue_finish(finish(west=[*range(99, -1, -1)]))
    (dots,) = (line for line in ax.lines if line.get_marker() == "o")
    assert ((dots.get_xdata() - NIGHT.timestamp() / 86_400) * 1440).round() == pytest.approx(
        [9, 49, 89]
    )
    assert dots.get_ydata().tolist() == [0.1, 0.5, 0.9]
    assert notes(ax) == "n = 100 runs · 111122223333 · west · 90 %: Mon 23:29"
    ax = plot_queue_finish(finish(west=[*range(99), 90_000]), tz="Europe/Berlin")
    assert notes(ax).endswith("90 %: Tue 00:29")
    assert ax.get_xlabel() == "time (Europe/Berlin)"
    assert np.ptp(ax.get_xlim()) * 24 < 4


def test_the_note_is_the_upper_quantile_of_the_forecast():
    """What is written is `done_high` of the same slot."""
    tasks = xs.sample_tasks()
    expected = xs.expected_exports(tasks, start="2026-11-17", end="2026-11-18")
    forecast = xs.simulate_queue(tasks, expected, start="2026-11-17")
    texts = {f"90 %: {time:%a %H:%M}" for time in forecast.slots["done_high"]}
    shown = {
        label.split("(")[1].rstrip(")") for label in legend(plot_queue_finish(forecast.finish))
    }
    assert shown == texts


def test_slots_differ_and_the_last_ones_are_named():
    """Of many slots, the last six are named, in colours and dashes, and the others are grey."""
    ax = plot_queue_finish(
        finish(**{f"r{number:02}": [number, number + 1] for number in range(40)})
    )
    assert [label.split(" ")[2] for label in legend(ax)] == [f"r{n}" for n in range(39, 33, -1)]
    assert legend(ax)[0].endswith("(90 %: Mon 22:40)")
    assert "the last 6 of 40 slots named, 34 more are grey" in notes(ax)
    assert len(curves(ax)) == 40
    assert len({to_hex(line.get_color()) for line in curves(ax)}) == 7
    assert len({line.get_linestyle() for line in curves(ax)[-6:]}) >= 4


def test_two_scenarios_on_one_axes():
    """A second table on the same axes is another series, named by its label."""
    ax = plt.subplots(figsize=(10, 6), layout="constrained")[1]
    plot_queue_finish(finish(west=[1, 2]), ax=ax, label="today")
    plot_queue_finish(finish(west=[61, 62]), ax=ax, label="more")
    assert legend(ax) == ["today (90 %: Mon 22:02)", "more (90 %: Mon 23:02)"]
    assert len({line.get_color() for line in curves(ax)}) == 2
    assert np.ptp(ax.get_xlim()) * 24 > 1


def test_runs_without_a_forecast_keep_the_curve_below_1():
    """A run that is not known is never done; a slot of such runs is counted, not drawn."""
    ax = plot_queue_finish(finish(west=[10, np.nan, 20, np.nan], east=[np.nan] * 4))
    (line,) = curves(ax)
    assert line.get_ydata().max() == 0.5
    assert notes(ax) == (
        "n = 4 runs · 1 slot not drawn: without history · 111122223333 · west · 90 %: not known"
    )
    ax = plot_queue_finish(finish(east=[np.nan] * 4))
    assert ax.texts[-1].get_text() == "no forecast: without history"


def test_all_runs_end_at_once():
    """Without any spread there is a step, within an axis."""
    done = pd.DataFrame({"create_at": [NIGHT], "duration": "1h"})
    ax = plot_queue_finish(xs.simulate_queue(frames.empty(), done, start=NIGHT).finish)
    low, high = ax.get_xlim()
    assert low < (NIGHT + 60 * MINUTE).timestamp() / 86_400 < high
    assert "unknown · unknown" in notes(ax)


def test_nothing_to_wait_for():
    """A forecast of no exports has no slot."""
    nothing = pd.DataFrame({"create_at": pd.DatetimeIndex([], tz="UTC")})
    forecast = xs.simulate_queue(frames.empty(), nothing, start=NIGHT)
    assert plot_queue_finish(forecast.finish).texts[-1].get_text() == "no slots"
    assert plot_queue_finish(finish(west=[])).texts[-1].get_text() == "no runs"


def test_another_table_is_refused():
    """The error says which table is drawn."""
    with pytest.raises(SchemaError, match=r"account_id and region.*finish that simulate_queue"):
        plot_queue_finish(pd.DataFrame({"a": [1]}))
