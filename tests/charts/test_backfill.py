"""The chart of when the gaps will be closed."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from exportstats.charts.backfill import plot_backfill
from exportstats.errors import SchemaError

NOW = pd.Timestamp("2026-11-24 06:00", tz="UTC").as_unit("ms")
IN_TIME, GUESS, LATE, HIGH, DEADLINE = "#0072b2", "#56b4e9", "#d55e00", "#cccccc", "#000000"


def plan(hours: list[float], *, slots: int = 1, due: float = 1e6) -> pd.DataFrame:
    """Return a plan as the chart needs it, with the same tasks in some slots."""
    end = np.cumsum(hours)
    times = {
        "expected_start": end - hours,
        "expected_end": end,
        "end_high": end * 1.5,
        "deadline": np.full(len(end), due),
    }
    times = {name: NOW + pd.to_timedelta(values, unit="h") for name, values in times.items()}
    tables = [
        pd.DataFrame({"account_id": str(slot), "region": "eu-west-1", **times})
        for slot in range(slots)
    ]
    table = pd.concat(tables, ignore_index=True).astype(dict.fromkeys(times, "datetime64[ms, UTC]"))
    return table.assign(late=table["expected_end"] > table["deadline"], enough_history=True)


def boxes(ax: Axes, colour: str) -> list[list[float]]:
    """Return the bars of a colour: left and width, in hours after the start, and the lane."""
    start = NOW.timestamp() / 86_400
    return [
        [(path.get_extents().x0 - start) * 24, path.get_extents().width * 24,
         round(path.get_extents().y0)]
        for bars in ax.collections
        if to_hex(bars.get_facecolor()) == colour
        for path in bars.get_paths()
    ]  # fmt: skip


def note(ax: Axes) -> str:
    """Return the notes below the title."""
    return ax.texts[-1].get_text().replace("\n", " ")


def test_a_task_is_a_bar_with_its_latest_end():
    """A bar goes from expected start to expected end, and paler to `end_high`."""
    ax = plot_backfill(plan([2, 1]))
    assert boxes(ax, IN_TIME) == [pytest.approx([0, 2, 0]), pytest.approx([2, 1, 0])]
    assert boxes(ax, HIGH) == [pytest.approx([2, 1, 0]), pytest.approx([3, 1.5, 0])]
    assert "n = 2 tasks · late: 0" in note(ax)
    assert "last end 2026-11-24 09:00" in note(ax)


def test_all_done_is_what_the_plan_says_of_all_slots():
    """The end of all slots comes from the whole plan, and is left out for a part of it."""
    table = plan([2, 1], slots=3)
    middle, high = NOW + pd.Timedelta("4h"), NOW + pd.Timedelta("6h")
    table.attrs = {"expected_end": middle, "end_high": high, "tasks": len(table)}
    done = "all done 2026-11-24 10:00 (90 %: by 2026-11-24 12:00)"
    assert done in note(plot_backfill(table))
    assert "all done" not in note(plot_backfill(table.iloc[:2]))


def test_late_tasks_are_red_and_guesses_hatched():
    """Late tasks have their own colour, and those with too little history a hatch."""
    table = plan([1, 1, 1, 1], due=2.5).assign(enough_history=[True, False, True, False])
    ax = plot_backfill(table)
    assert [left for left, _, _ in boxes(ax, LATE)] == pytest.approx([2, 3])
    hatched = {to_hex(bars.get_facecolor()) for bars in ax.collections if bars.get_hatch()}
    assert hatched == {GUESS, LATE}
    assert "late: 2 · guesses: 2, from too little history" in note(ax)
    assert ax.texts[0].get_text() == "2 of 4 late"


def test_deadlines_are_ticks_and_later_ones_an_arrow():
    """A deadline near the end is a tick; a distant one is an arrow, so bars stay visible."""
    ax = plot_backfill(plan([1, 1], due=3.5))
    assert [left for left, _, _ in boxes(ax, DEADLINE)] == pytest.approx([3.5], abs=0.02)
    ax = plot_backfill(plan([1, 1], due=20_000))
    assert not boxes(ax, DEADLINE)
    assert [line.get_marker() for line in ax.lines] == [">"]
    assert np.ptp(ax.get_xlim()) * 24 < 4


def test_the_worst_slot_is_on_top():
    """Slots are sorted by late tasks, then by the latest end."""
    parts = [plan([1, 1], due=9), plan([5], due=9), plan([1], due=0.5)]
    named = [part.assign(account_id=name) for part, name in zip(parts, "abc", strict=True)]
    ax = plot_backfill(pd.concat(named, ignore_index=True))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["c · eu-west-1", "b · eu-west-1", "a · eu-west-1"]


def test_of_many_slots_25_are_drawn():
    """25 slots are drawn, and a note counts the others."""
    ax = plot_backfill(plan([1], slots=300))
    assert len(ax.get_yticks()) == 25
    assert "the worst 25 of 300 slots, 275 more not shown" in note(ax)


def test_thousands_of_tasks_merge_into_bands():
    """There are no more shapes than pixels, from the first start to the last end."""
    ax = plot_backfill(plan([0.1] * 5_000))
    ax.figure.canvas.draw()
    bars = boxes(ax, IN_TIME)
    assert len(bars) < ax.get_window_extent().width
    assert bars[0][0] == pytest.approx(0, abs=1.5)
    assert bars[-1][0] + bars[-1][1] == pytest.approx(500, abs=1.5)


def test_a_single_late_task_is_seen_among_thousands():
    """A late task that is thinner than a pixel lies on top of the others."""
    table = plan([0.1] * 5_000)
    table.loc[2_500, "late"] = True
    ax = plot_backfill(table)
    late = [bars for bars in ax.collections if to_hex(bars.get_facecolor()) == LATE]
    others = [bars for bars in ax.collections if to_hex(bars.get_facecolor()) == IN_TIME]
    assert len(boxes(ax, LATE)) == 1
    assert ax.collections.index(late[0]) > max(map(ax.collections.index, others))


def test_tasks_without_expected_times_are_counted():
    """A note counts tasks without a bar; if no task has one, only the note is drawn."""
    table = plan([1, 1, 1])
    table["expected_end"] = table["expected_end"].where(table.index > 0)
    assert "1 task not drawn: without expected times" in note(plot_backfill(table))
    ax = plot_backfill(table.assign(expected_start=pd.NaT))
    assert ax.texts[-1].get_text().startswith("3 tasks not drawn: without expected times")


def test_what_is_not_known_is_left_out():
    """Without deadlines and later ends, only the bars are drawn."""
    ax = plot_backfill(plan([1, 2]).assign(deadline=pd.NaT, end_high=pd.NaT))
    assert len(boxes(ax, IN_TIME)) == 2
    assert not boxes(ax, HIGH)
    assert not ax.lines
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["in time"]


def test_nothing_to_do_is_reported():
    """An empty plan is drawn as a text."""
    assert plot_backfill(plan([1]).iloc[:0]).texts[-1].get_text() == "no tasks to create"


def test_another_frame_is_refused():
    """The error names the column and the function that makes the table."""
    with pytest.raises(SchemaError, match=r"column late is missing.*plan_backfill"):
        plot_backfill(plan([1]).drop(columns="late"))


def test_keywords_reach_the_bars():
    """Other keyword arguments go to the bars."""
    ax = plot_backfill(plan([1]), gid="mine")
    assert ax.findobj(lambda artist: artist.get_gid() == "mine")
