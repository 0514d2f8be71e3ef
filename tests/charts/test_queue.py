"""The chart of when the exports of a queue will run."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import exportstats as xs
from exportstats.charts.queue import plot_queue
from exportstats.core import frames
from exportstats.errors import ArgumentError, SchemaError

NIGHT = pd.Timestamp("2026-11-23T22:00Z")
SLOT = {"account_id": "111122223333", "region": "eu-west-1"}
USUAL, RARE, LATE, LATE_AND_RARE = "#0072b2", "#9cc9e8", "#d55e00", "#f2b48c"
INTERVAL, INK = "#808080", "#000000"


def exports(names: str, **columns: object) -> pd.DataFrame:
    """Return exports of log groups of one letter, each asked for 5 minutes after the last one."""
    at = NIGHT + pd.to_timedelta(5 * np.arange(len(names)), unit="min")
    fixed = {"create_at": at, "log_group_name": [*names], "duration": "10min"}
    return pd.DataFrame({**SLOT, **fixed, **columns})


def simulate(table: pd.DataFrame, **options: Any) -> pd.DataFrame:  # noqa: ANN401 - any option
    """Return the exports of a simulation without a history, in which durations are fixed."""
    return xs.simulate_queue(frames.empty(), table, start=NIGHT, runs=200, **options).exports


def boxes(ax: Axes, colour: str) -> list[tuple[float, float, int]]:
    """Return the bars of a colour: start and end, in minutes of the night, and the lane."""
    night = NIGHT.timestamp() / 86_400
    found = [
        (path.get_extents(), round(path.get_extents().y0))
        for bars in ax.collections
        if to_hex(bars.get_facecolor()) == colour
        for path in bars.get_paths()
    ]
    return [
        (round((box.x0 - night) * 1440, 1), round((box.x1 - night) * 1440, 1), lane)
        for box, lane in found
    ]


def names(ax: Axes) -> list[str]:
    """Return the names of the lanes."""
    return [label.get_text() for label in ax.get_yticklabels()]


def notes(ax: Axes) -> list[str]:
    """Return the notes at the right of the lanes, then those below the title."""
    return [text.get_text().replace("\n", " ") for text in ax.texts]


def legend(ax: Axes) -> list[str]:
    """Return the labels of the legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_single_slot_has_a_lane_for_each_export():
    """A bar goes from the median start to the median end, in the order of time."""
    ax = plot_queue(simulate(exports("abc").iloc[::-1]))
    assert boxes(ax, USUAL) == [(20, 30, 2), (10, 20, 1), (0, 10, 0)]
    assert names(ax) == ["a", "b", "c"]
    assert notes(ax) == [
        "",
        "busy 100 %",
        "busy 100 %",
        "n = 3 exports · in 111122223333, eu-west-1",
    ]
    assert legend(ax)[0] == "median start to end"


def test_start_and_end_have_intervals():
    """The strips above and below a bar are the intervals of the table, pale for a rare export."""
    table = simulate(exports("a", jitter="1h"))
    edges = [table[[f"{which}_low", f"{which}_high"]].iloc[0] - NIGHT for which in ("start", "end")]
    wanted = [[*(round(edge.total_seconds() / 60, 1) for edge in pair), 0] for pair in edges]
    ax = plot_queue(table)
    above, below = boxes(ax, INTERVAL)
    assert [above, below] == [pytest.approx(one) for one in wanted]
    (strips,) = {bars.get_alpha() for bars in ax.collections if bars.get_alpha()}
    (rare,) = {
        bars.get_alpha()
        for bars in plot_queue(table.assign(probability=0.3)).collections
        if bars.get_alpha()
    }
    assert rare < strips


def test_what_is_rare_and_what_may_be_late_have_their_colours():
    """An export is paler below 50 %, and red if it is late in 10 % or more."""
    table = simulate(exports("abcd")).assign(
        probability=[1, 0.49, 0.5, 0.4], deadline_risk=[np.nan, 0.09, 0.1, 0.4], deadline=NIGHT
    )
    ax = plot_queue(table)
    lanes = {
        colour: [lane for *_, lane in boxes(ax, colour)]
        for colour in (USUAL, RARE, LATE, LATE_AND_RARE)
    }
    assert lanes == {USUAL: [0], RARE: [1], LATE: [2], LATE_AND_RARE: [3]}
    assert notes(ax)[1:4] == [
        "49 % likely · busy 100 % · late 9 %",
        "50 % likely · busy 100 % · late 10 %",
        "40 % likely · busy 100 % · late 40 %",
    ]
    assert "n = 4 exports · 2 at risk to be late" in notes(ax)[-1]
    assert {"less likely than 50 %", "at risk: late in 10 % or more"} < set(legend(ax))


def test_an_export_that_finds_the_slot_busy_has_an_edge():
    """The edge can be seen without colours; it marks a probability of 50 % or more."""
    table = simulate(exports("abc")).assign(refusal_probability=[0.49, 0.5, 1])
    ax = plot_queue(table)
    assert [lane for *_, lane in boxes(ax, INK)] == [1, 2]
    assert "slot busy in 50 % or more" in legend(ax)


def test_what_never_runs_is_a_cross_and_what_is_not_known_a_ring():
    """An export that is always refused is marked where it is asked for, as is one of no history."""
    table = simulate(exports("ab"), policy="refuse")
    (cross,) = (line for line in plot_queue(table).lines if line.get_marker() == "x")
    assert cross.get_ydata().round().tolist() == [1]
    ax = plot_queue(table)
    assert legend(ax)[-1] == "never runs"
    table = simulate(exports("a").drop(columns="duration"))
    ax = plot_queue(table)
    (ring,) = (line for line in ax.lines if len(line.get_xdata()))
    assert ring.get_marker() == "o"
    assert ring.get_xdata()[0] == pytest.approx(NIGHT.timestamp() / 86_400)
    assert legend(ax) == ["no forecast: no history, or in no run"]
    rare = xs.simulate_queue(frames.empty(), exports("a", probability=0.1), start=NIGHT, runs=1)
    assert legend(plot_queue(rare.exports)) == ["no forecast: no history, or in no run"]
    due = simulate(exports("ab", duration=pd.NaT, deadline=NIGHT))
    assert notes(plot_queue(due))[-1].startswith("n = 2 exports · in 111122223333")
    assert boxes(ax, USUAL) == []


def test_exports_beside_an_unknown_one_are_unknown():
    """If the duration of one export is not known, nothing of its slot is: all are rings."""
    ax = plot_queue(simulate(exports("abc", duration=["10min", None, "10min"])))
    (rings,) = (line for line in ax.lines if len(line.get_xdata()))
    assert rings.get_marker() == "o"
    assert rings.get_ydata().round().tolist() == [0, 1, 2]
    assert boxes(ax, USUAL) == []


def test_slots_have_lanes_and_the_worst_is_on_top():
    """Slots are sorted by their most probable missed deadline, then by their latest end."""
    parts = [
        exports("a" * many).assign(region=region, deadline=due)
        for many, region, due in (
            (1, "ap-south-1", pd.NaT),
            (4, "eu-west-1", pd.NaT),
            (2, "us-east-1", NIGHT + pd.Timedelta("15min")),
        )
    ]
    ax = plot_queue(simulate(pd.concat(parts, ignore_index=True)))
    assert [name.split(" · ")[1] for name in names(ax)] == ["us-east-1", "eu-west-1", "ap-south-1"]
    assert notes(ax)[:3] == ["2 exports, 1 at risk", "4 exports", "1 export"]
    assert boxes(ax, LATE) == [(10, 20, 0)]


def test_of_many_slots_the_worst_25_are_drawn():
    """A note counts the slots that are left out."""
    parts = [exports("a").assign(account_id=f"{number:012}") for number in range(300)]
    ax = plot_queue(simulate(pd.concat(parts, ignore_index=True)))
    assert len(names(ax)) == 25
    assert "n = 300 exports · the worst 25 of 300 slots, 275 more not shown" in notes(ax)[-1]


def test_many_exports_of_a_slot_have_lanes_by_log_group():
    """With more exports than lanes, each log group has one; of many, the last 25 are drawn."""
    ax = plot_queue(simulate(exports("abc" * 20)))
    assert names(ax) == ["a", "b", "c"]
    assert notes(ax)[:3] == ["20 exports"] * 3
    assert len(boxes(ax, USUAL)) == 60
    many = exports("a" * 300).assign(log_group_name=[f"group-{number:03}" for number in range(300)])
    ax = plot_queue(simulate(many))
    assert names(ax) == [f"group-{number}" for number in range(275, 300)]
    assert notes(ax)[0] == "busy 100 %"
    assert "the worst 25 of 300 log groups, 275 more not shown" in notes(ax)[-1]


def test_an_added_export_without_a_slot_is_in_the_only_one():
    """A row without account and region is simulated in the only slot, and drawn there."""
    table = simulate(pd.concat([exports("a"), exports("b").drop(columns=list(SLOT))]))
    ax = plot_queue(table)
    assert names(ax) == ["a", "b"]
    assert notes(ax)[-1].endswith("in 111122223333, eu-west-1")


def test_a_table_with_only_the_times_is_enough():
    """The other columns of exports may be missing, and times may be text."""
    ax = plot_queue(
        simulate(pd.DataFrame({"create_at": ["2026-11-23T22:00Z"], "duration": "5min"}))
    )
    assert boxes(ax, USUAL) == [(0, 5, 0)]
    assert names(ax) == ["unknown"]


def test_deadlines_are_ticks():
    """A deadline is a tick in its lane; one far away is an arrow, so that the bars stay visible."""
    ax = plot_queue(simulate(exports("ab", deadline=NIGHT + pd.Timedelta("22min"))))
    assert [lane for start, _, lane in boxes(ax, INK) if start > 20] == [0, 1]
    ax = plot_queue(simulate(exports("ab", deadline=NIGHT + pd.Timedelta("9D"))))
    assert [line.get_marker() for line in ax.lines if len(line.get_xdata())] == [">"]


def test_the_axis_is_in_the_zone_asked_for():
    """The axis has the times of `tz`, and bars their place; a wrong zone is an ArgumentError."""
    table = simulate(exports("a" * 20))
    ax = plot_queue(table, tz="Asia/Kolkata")
    ax.figure.draw_without_rendering()
    assert ax.get_xlabel() == "time (Asia/Kolkata)"
    assert "04:00" in [label.get_text() for label in ax.get_xticklabels()]
    assert boxes(ax, USUAL)[0] == (0, 10, 0)
    with pytest.raises(ArgumentError, match="tz='Mars' is not a time zone"):
        plot_queue(table, tz="Mars")


def test_the_whole_forecast_is_refused_with_the_table_to_give():
    """The error names the table of the forecast that is drawn."""
    forecast = xs.simulate_queue(frames.empty(), exports("a"), start=NIGHT, runs=10)
    with pytest.raises(SchemaError, match="draws the table exports that simulate_queue returns"):
        plot_queue(forecast)
    with pytest.raises(SchemaError, match="column end_low is missing"):
        plot_queue(exports("a", start_low=NIGHT, expected_start=NIGHT, start_high=NIGHT))
