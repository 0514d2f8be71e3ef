"""The chart of what each single task did."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.dates import num2date
from support import LAST

from exportstats.charts import plot_task_durations
from exportstats.core.schema import ACTIVE_STATES, STATES
from exportstats.errors import ArgumentError

NOW = pd.Timestamp("2026-03-02T00:00", tz="UTC")


def tasks(states: list[str], seconds: float = 60.0) -> pd.DataFrame:
    """Return what the chart needs of a table of tasks: created a minute apart, seen at `NOW`."""
    created = pd.date_range("2026-03-01", periods=len(states), freq="min", tz="UTC").as_unit("ms")
    duration = pd.Series(pd.to_timedelta([seconds] * len(states), unit="s").as_unit("ms"))
    return pd.DataFrame(
        {
            "creation_time": created,
            "duration": duration.mask(np.isin(states, ACTIVE_STATES)),
            "status_code": pd.Categorical(states, [*STATES, *sorted({*states} - {*STATES})]),
            "observed_at": pd.Series([NOW.as_unit("ms")] * len(states)),
        }
    )


def note(table: pd.DataFrame, **options: object) -> str:
    """Return the chart's notes, on one line."""
    return " ".join(plot_task_durations(table, **options).texts[-1].get_text().split())


def test_every_task_is_a_point():
    """Each ended task is at its creation time and its duration, in seconds."""
    ax = plot_task_durations(tasks(["COMPLETED"] * 3, seconds=90))
    (line,) = ax.lines
    assert line.get_ydata().tolist() == [90, 90, 90]
    assert num2date(line.get_xdata()[1]) == pd.Timestamp("2026-03-01T00:01", tz="UTC")
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "creation time (UTC)"


def test_states_differ_by_colour_and_marker():
    """Each state, an unknown one too, has a colour and a marker of its own and is counted."""
    ax = plot_task_durations(tasks([*STATES, "PAUSED"]))
    assert len({line.get_color() for line in ax.lines}) == 7
    assert len({line.get_marker() for line in ax.lines}) == 7
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "PAUSED (1)" in legend
    assert "RUNNING, at least (1)" in legend
    assert len(legend) == 7


def test_active_tasks_stand_at_what_they_last_at_least():
    """An active task is drawn, hollow, at the time from its creation to when it was seen."""
    ax = plot_task_durations(tasks(["RUNNING", "COMPLETED"]))
    running = ax.lines[-1]
    assert running.get_ydata() == pytest.approx([86_400])
    assert running.get_marker() == "^"
    assert running.get_markerfacecolor() == "none"


def test_as_of_replaces_when_they_were_seen():
    """With `as_of` all active tasks are counted to that instant, in any time zone."""
    as_of = pd.Timestamp("2026-03-01T02:00+01:00")
    ax = plot_task_durations(tasks(["RUNNING"]), as_of=as_of)
    assert ax.lines[-1].get_ydata() == pytest.approx([3600])


def test_a_naive_as_of_is_refused():
    """An instant without a time zone is an ArgumentError."""
    with pytest.raises(ArgumentError, match="time zone"):
        plot_task_durations(tasks(["RUNNING"]), as_of=pd.Timestamp("2026-03-01 01:00"))


def test_the_rarest_state_is_on_top():
    """Many COMPLETED do not hide few FAILED, and active tasks are above all."""
    ax = plot_task_durations(tasks(["FAILED", "RUNNING", "RUNNING", *["COMPLETED"] * 9]))
    legend = [text.get_text().split()[0] for text in ax.get_legend().get_texts()]
    assert legend == ["COMPLETED", "FAILED", "RUNNING,"]


def test_tasks_that_cannot_be_drawn_are_counted():
    """Each task is drawn or counted, with the reason, once."""
    table = tasks(["COMPLETED"] * 6 + ["RUNNING"] * 3 + ["PAUSED"])
    table.loc[[0, 6], "creation_time"] = pd.NaT
    table.loc[[0, 1, 2, 9], "duration"] = pd.NaT
    table.loc[7, "observed_at"] = pd.NaT
    table.loc[8, "observed_at"] = pd.Timestamp("2026-01-01", tz="UTC")
    ax = plot_task_durations(table)
    assert sum(len(line.get_xdata()) for line in ax.lines) == 3
    text = note(table)
    assert "n = 10 tasks" in text
    assert "2 tasks not drawn: without creation_time" in text
    assert "2 tasks not drawn: ended but without duration" in text
    assert "1 task not drawn: without duration and in an unknown state" in text
    assert "1 task not drawn: active but without observed_at" in text
    assert "1 task not drawn: created after observed_at" in text


def test_the_last_time_there_is():
    """A time of the year 2999, as creation or as end, is drawn like any other."""
    table = tasks(["COMPLETED", "COMPLETED", "COMPLETED", "RUNNING"])
    far = np.array([LAST]).view("datetime64[ms]")
    created = table["creation_time"].to_numpy("datetime64[ms]").copy()
    created[0] = far[0]
    table["creation_time"] = pd.Series(created).dt.tz_localize("UTC")
    lengths = table["duration"].to_numpy("timedelta64[ms]").copy()
    lengths[1] = np.timedelta64(LAST, "ms")
    table["duration"] = pd.Series(lengths)
    ax = plot_task_durations(table)
    ax.figure.draw_without_rendering()
    assert "not drawn" not in note(table)


def test_nothing_to_draw_is_noted():
    """If no task can be drawn, the chart says how many and why."""
    ax = plot_task_durations(tasks(["COMPLETED"], seconds=np.nan))
    assert "1 task not drawn: ended but without duration" in ax.texts[-1].get_text()
    assert not ax.lines


def test_a_missing_state_is_unknown():
    """A task without a state is drawn as unknown."""
    table = tasks(["COMPLETED", "COMPLETED"])
    table.loc[1, "status_code"] = np.nan
    ax = plot_task_durations(table)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "unknown (1)", "COMPLETED (1)"
    ]  # fmt: skip


def test_a_duration_of_zero_is_drawn():
    """A task that took 0 ms is at 1 ms."""
    assert plot_task_durations(tasks(["FAILED"], seconds=0)).lines[0].get_ydata() == [0.001]


def test_many_points_are_rasterized():
    """A few thousand points are one image in a vector file, a few are not."""
    few = plot_task_durations(tasks(["COMPLETED"] * 10)).lines[0]
    many = plot_task_durations(tasks(["COMPLETED"] * 5000)).lines[0]
    assert not few.get_rasterized()
    assert many.get_rasterized()


def test_very_many_tasks_are_hexagons():
    """Above 20,000 the ended tasks are counted by hexagons; the active ones stay points."""
    table = tasks(["COMPLETED"] * 20_000 + ["FAILED", "RUNNING"])
    table["observed_at"] += pd.Timedelta("30D")
    table["duration"] *= np.random.default_rng(1).integers(1, 100, len(table))
    ax = plot_task_durations(table)
    hexagons = next(each for each in ax.collections if isinstance(each, PolyCollection))
    assert hexagons.get_array().sum() == 20_001
    assert hexagons.get_rasterized()
    assert [line.get_marker() for line in ax.lines] == ["^"]
    assert ax.get_ylim()[1] > 86_400
    bar = next(other for other in ax.figure.axes if other is not ax)
    assert bar.get_ylabel() == "ended tasks"


def test_equal_tasks_are_one_hexagon():
    """Many tasks with equal times and durations are drawn without a degenerate axis."""
    table = tasks(["COMPLETED"] * 20_001).assign(creation_time=NOW)
    ax = plot_task_durations(table)
    ax.figure.draw_without_rendering()
    hexagons = next(each for each in ax.collections if isinstance(each, PolyCollection))
    assert hexagons.get_array().tolist() == [20_001]
    assert np.ptp(ax.get_xlim()) < 1
