"""The chart of what occupies each slot."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.dates import date2num

from exportstats.charts.lanes import Bars
from exportstats.charts.style import STATE_LOOKS
from exportstats.charts.task_timeline import _overlaps, _shares, plot_task_timeline
from exportstats.core import frames
from exportstats.errors import SchemaError

START = 1_795_413_600_000  # 2026-11-23T06:00Z
HOUR = 3_600_000
BLACK = to_rgba("black")


def tasks(*rows: dict[str, Any], **same: object) -> pd.DataFrame:
    """Return tasks from a few fields, with times in hours after `START`."""
    made = []
    for number, row in enumerate(rows):
        full = {"account_id": "1", "region": "eu-west-1", "status_code": "COMPLETED", **same, **row}
        times = {
            name: START + round(HOUR * value)
            for name, value in full.items()
            if name in ("creation_time", "completion_time", "observed_at") and value is not None
        }
        made.append({"task_id": f"t{number}", **full, **times})
    return frames.conform(pd.DataFrame(made).astype(object))


def span(start: float, end: float, **more: object) -> dict[str, Any]:
    """Return a task's creation and completion, in hours."""
    return {"creation_time": start, "completion_time": end, **more}


def many(slots: int = 1, count: int = 4_000, state: str = "COMPLETED") -> pd.DataFrame:
    """Return tasks of half an hour, one per hour."""
    number = np.arange(count)
    created = START + number // slots * HOUR
    return frames.conform(
        pd.DataFrame(
            {
                "task_id": number.astype(str),
                "account_id": [f"{slot:012d}" for slot in number % slots],
                "region": "eu-west-1",
                "status_code": state,
                "creation_time": created,
                "completion_time": created + HOUR // 2,
            }
        )
    )


def bars(ax: Axes, state: str) -> list[tuple[float, float]]:
    """Return start and end of the bars of a state, in hours."""
    found = []
    for each in ax.collections:
        if isinstance(each, PolyCollection) and (
            tuple(each.get_facecolor()[0]) == to_rgba(STATE_LOOKS[state].colour)
        ):
            found += [path.vertices[:, 0] for path in each.get_paths()]
    zero = date2num(np.datetime64(START, "ms"))
    return [tuple(((np.array([x.min(), x.max()]) - zero) * 24).round(3)) for x in found]


def black(ax: Axes) -> int:
    """Count the strips of more than one active task."""
    strips = [c for c in ax.collections if tuple(c.get_facecolor()[0]) == BLACK]
    return sum(len(strip.get_paths()) for strip in strips)


def words(table: pd.DataFrame) -> str:
    """Return all texts of the chart on one line."""
    return " ".join(" ".join(text.get_text() for text in plot_task_timeline(table).texts).split())


def legend(ax: Axes) -> list[str]:
    """Return the legend's labels."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_bar_goes_from_creation_to_completion():
    """Each ended task is a bar of its state's colour and hatch."""
    ax = plot_task_timeline(tasks(span(0, 2), span(3, 7, status_code="FAILED")))
    assert bars(ax, "COMPLETED") == [(0, 2)]
    assert bars(ax, "FAILED") == [(3, 7)]
    hatches = {each.get_hatch() for each in ax.collections}
    assert STATE_LOOKS["FAILED"].hatch in hatches
    assert legend(ax) == ["COMPLETED (1)", "FAILED (1)"]
    assert ax.get_xlabel() == "time (UTC)"


def test_an_active_task_continues():
    """An active task's bar ends, with an arrow, where it was observed."""
    ax = plot_task_timeline(tasks(span(0, 2), span(3, None, status_code="RUNNING", observed_at=5)))
    assert bars(ax, "RUNNING") == [(3, 5)]
    assert [line.get_marker() for line in ax.lines] == [">"]
    assert legend(ax)[-1] == "goes on"


def test_the_busiest_slot_comes_first():
    """Lanes are in order of how long their tasks are active, each with its number of tasks."""
    ax = plot_task_timeline(
        tasks(span(0, 1, account_id="a"), span(2, 3, account_id="a"), span(0, 9, account_id="b"))
    )
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["b · eu-west-1", "a · eu-west-1"]
    assert [text.get_text() for text in ax.texts[:2]] == ["1 task", "2 tasks"]


@pytest.mark.parametrize("count", [60, 4_000])
def test_of_many_slots_the_busiest_are_drawn(count: int):
    """25 slots are drawn, and a note counts the others."""
    table = many(slots=30, count=count)
    assert len(plot_task_timeline(table).get_yticks()) == 25
    assert "the busiest 25 of 30 slots, 5 more not shown" in words(table)


def test_overlapping_tasks_are_marked():
    """A black strip is where more than one task of a slot is active; those that touch are not."""
    ax = plot_task_timeline(tasks(span(0, 4), span(3, 6), span(6, 7), span(0, 9, account_id="b")))
    assert black(ax) == 1
    assert "more than one active" in legend(ax)
    ax = plot_task_timeline(tasks(span(0, 4), span(4, 6)))
    assert black(ax) == 0
    assert "more than one active" not in legend(ax)


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=8
    )
)
def test_overlaps_are_those_of_sets(made: list[tuple[int, int, int]]):
    """The strips are the instants with more than one task, joined, lane by lane."""
    lanes, left, length = np.array(made).T
    found = _overlaps(Bars(lanes, left.astype(float), (left + length).astype(float)))
    filled = [
        (int(lane), instant)
        for lane, low, high in zip(*found, strict=True)
        for instant in range(round(low), round(high))
    ]
    spans = [(lane, range(start, start + more)) for lane, start, more in made]
    expected = [
        (lane, instant)
        for lane in (0, 1)
        for instant in range(30)
        if sum(lane == at and instant in when for at, when in spans) > 1
    ]
    assert filled == expected


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 9), st.floats(0, 9)), max_size=8))
def test_shares_are_those_of_each_column(made: list[tuple[int, float, float]]):
    """Each column has the time that every bar has in it, and no bar is lost."""
    columns = 5
    lanes = np.array([lane for lane, *_ in made], dtype="int64")
    left = np.array([min(ends) for _, *ends in made])
    right = np.array([max(ends) for _, *ends in made])
    states = np.zeros(len(made), dtype="int8")
    shares, there = _shares(Bars(lanes, left, right), states, 2, (0.0, 10.0, columns))
    for lane in (0, 1):
        for column in range(columns):
            low, high = 2 * column, 2 * column + 2
            some = (lanes == lane) & (right >= low) & (left < high)
            covered = np.minimum(right, high)[some] - np.maximum(left, low)[some]
            assert shares[lane, 0, column] == pytest.approx(covered.sum() / 2, abs=1e-9)
            if some.any():
                assert there[lane, 0, column]


def test_many_tasks_are_an_image():
    """Above 3,000 tasks, a slot is an image whose heights are shares of the time."""
    ax = plot_task_timeline(many())
    (image,) = ax.images
    pixels = np.asarray(image.get_array())
    done = np.array(to_rgba(STATE_LOOKS["COMPLETED"].colour)) * 255
    green = (pixels == done.round()).all(axis=2)
    inside = green[:, 40:-40]
    assert inside.mean() == pytest.approx(0.5, abs=0.05)
    assert green[0].sum() > green[-1].sum()  # from the bottom
    assert len(plot_task_timeline(many(count=2_999)).images) == 0


def test_a_rare_short_failure_is_seen_in_the_image():
    """One failed task of no length among thousands has its colour in the picture."""
    table = many()
    failed = tasks(span(500.7, 500.7, status_code="FAILED", account_id="0" * 12))
    ax = plot_task_timeline(frames.concat([table, failed.assign(task_id="failed")]))
    colour = (np.array(to_rgba(STATE_LOOKS["FAILED"].colour)) * 255).round()
    assert (np.asarray(ax.images[0].get_array()) == colour).all(axis=2).any()
    assert "FAILED (1)" in legend(ax)


def test_overlaps_and_active_tasks_are_seen_in_the_image():
    """The strip and the arrow are drawn over the image as well."""
    table = many()
    more = tasks(
        span(100, 900, account_id="0" * 12),
        span(3_999, None, status_code="RUNNING", observed_at=4_001, account_id="0" * 12),
    )
    ax = plot_task_timeline(frames.concat([table, more.assign(task_id=["x", "y"])]))
    assert black(ax) >= 1
    assert [line.get_marker() for line in ax.lines] == [">"]


def test_tasks_that_cannot_be_drawn_are_counted():
    """Each task is drawn or counted; one without a known end is a point."""
    table = tasks(
        span(0, 2),
        span(None, 2),
        span(3, None, status_code="FAILED"),
        span(4, None, status_code="RUNNING"),
        span(5, 4),
        span(6, None, status_code="PAUSED"),
    )
    text = words(table)
    assert "n = 6 tasks" in text
    assert "1 task not drawn: without creation_time" in text
    assert "4 tasks without a known end, drawn as a point" in text
    assert len(bars(plot_task_timeline(table), "FAILED")) == 1


def test_nothing_to_draw_is_noted():
    """If no task can be drawn, the chart says how many and why."""
    assert "1 task not drawn: without creation_time" in words(tasks(span(None, 2)))


def test_states_that_nobody_knows_are_drawn():
    """An unknown state has its name in the legend, several are counted."""
    one = tasks(span(0, 2, status_code="PAUSED"), span(2, 3))
    assert "PAUSED (1)" in legend(plot_task_timeline(one))
    missing = tasks(span(0, 2, status_code=None), span(2, 3))
    assert "unknown (1)" in legend(plot_task_timeline(missing))
    several = tasks(span(0, 2, status_code="PAUSED"), span(2, 3, status_code="ODD"))
    assert "2 other states (2)" in legend(plot_task_timeline(several))


@pytest.mark.parametrize("count", [1, 4_000])
def test_tasks_of_no_length(count: int):
    """Tasks that take no time are drawn without a warning, as bars and as an image."""
    table = many(count=count)
    ax = plot_task_timeline(table.assign(completion_time=table["creation_time"]))
    ax.figure.draw_without_rendering()
    assert ax.images or ax.collections


def test_none():
    """Without tasks, the chart says so."""
    ax = plot_task_timeline(frames.empty())
    assert ax.texts[-1].get_text() == "no tasks"
    assert not ax.images


@pytest.mark.parametrize("count", [10, 4_000])
def test_keywords_reach_bars_and_image(count: int):
    """Other keyword arguments go to the bars or to the image."""
    ax = plot_task_timeline(many(count=count), gid="mine")
    assert ax.findobj(lambda artist: artist.get_gid() == "mine")


def test_another_frame_is_refused():
    """A table of another shape is refused, and the error names the function that makes it."""
    for wrong in (tasks(span(0, 1)).drop(columns="region"), [1]):
        with pytest.raises(SchemaError, match="conform"):
            plot_task_timeline(wrong)
