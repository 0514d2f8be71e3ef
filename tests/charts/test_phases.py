"""The chart of waiting and running: two bands, whose edges are the sorted bounds."""

import numpy as np
import pandas as pd
import pytest

import exportstats as xs
from exportstats.charts.phases import plot_phase_durations
from exportstats.core import frames
from exportstats.errors import SchemaError

PHASES = ("waiting", "running")


def phases(*rows: tuple[float, ...], state: str = "COMPLETED", looks: int = 1) -> pd.DataFrame:
    """Return what `phase_durations` returns, from bounds in seconds."""
    names = ["waiting_low", "waiting_high", "running_low", "running_high"]
    bounds = pd.DataFrame(rows, columns=names, dtype="float64")
    lengths = bounds.apply(lambda column: pd.to_timedelta(column, unit="s").dt.as_unit("ms"))
    return lengths.assign(status_code=state, looks=looks)


def edges(table: pd.DataFrame) -> list[list[tuple[float, float]]]:
    """Return the corners of each drawn edge: waiting at least and at most, then running."""
    lines = plot_phase_durations(table).lines
    return [[*zip(*map(np.ndarray.tolist, line.get_data()), strict=True)] for line in lines]


def test_the_edges_of_a_band_are_the_sorted_bounds():
    """At the share of each task is its bound, in order of size, whatever the order of rows."""
    table = phases((5, 20, 80, 95), (10, 11, 30, 31))
    low, high, run_low, run_high = edges(table)
    assert low == [(5, 0), (5, 0.5), (10, 1)]
    assert high == [(11, 0), (11, 0.5), (20, 1)]
    assert run_low == [(30, 0), (30, 0.5), (80, 1)]
    assert run_high == [(31, 0), (31, 0.5), (95, 1)]
    assert edges(table[::-1]) == [low, high, run_low, run_high]


def test_only_completed_tasks_with_bounds_are_drawn():
    """Active tasks, FAILED ones and those without a duration are left out; seen ones are noted."""
    done = phases((5, 20, 80, 95), (10, 11, 30, 31))
    unseen = phases((0, 50, 0, 50), looks=0)
    nothing = phases((np.nan,) * 4)
    others = [phases((1, 1, 1, 1), state=state) for state in ("RUNNING", "FAILED")]
    ax = plot_phase_durations(pd.concat([done, unseen, nothing, *others]))
    assert {len(line.get_xdata()) for line in ax.lines} == {4}
    assert ax.texts[-1].get_text().startswith("n = 3 completed tasks, 2 seen while active")


def test_the_axis_shows_what_is_above_zero():
    """A bound of 0 is at the left end: it does not stretch a logarithmic axis."""
    ax = plot_phase_durations(phases((0, 60, 0, 60), (30, 40, 3000, 3010)))
    assert ax.get_xscale() == "log"
    assert 10 < ax.get_xlim()[0] < 30
    ax = plot_phase_durations(phases((0, 60, 40, 100)))
    assert ax.get_xscale() == "linear"
    assert ax.get_xlim()[0] == 0
    assert plot_phase_durations(phases((0, 0, 0, 0))).lines


def test_the_legend_names_both_phases():
    """Both have a colour of their own; a second chart continues with others."""
    ax = plot_phase_durations(phases((5, 20, 80, 95)), label="west")
    plot_phase_durations(phases((6, 7, 8, 9)), ax=ax, label="east")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [f"{side} · {one}" for side in ("west", "east") for one in PHASES]
    assert len({tuple(band.get_facecolor()[0]) for band in ax.collections}) == 4


def test_many_tasks_are_drawn_with_few_corners():
    """The edges of many tasks are thinned, and still reach from the least to the most."""
    many = 100_000
    seconds = np.arange(1, many + 1)
    bounds = pd.to_timedelta(seconds, unit="s").as_unit("ms")
    table = pd.DataFrame(
        {f"{one}_{end}": bounds for one in PHASES for end in ("low", "high")}
    ).assign(status_code="COMPLETED", looks=0)
    for line in plot_phase_durations(table).lines:
        assert len(line.get_xdata()) <= 2001
        assert (line.get_xdata()[[0, -1]] == [1, many]).all()
        assert line.get_ydata()[-1] == 1


def test_nothing_completed_is_noted():
    """Without a completed task the chart says so, and a wrong table is refused."""
    ax = plot_phase_durations(xs.phase_durations(frames.empty()))
    assert ax.texts[-1].get_text() == "no completed tasks"
    with pytest.raises(SchemaError, match="looks is missing"):
        plot_phase_durations(xs.sample_tasks())
