"""The chart of the states that tasks are in."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from exportstats.charts import plot_status_breakdown
from exportstats.core.schema import STATES
from exportstats.errors import ArgumentError


def breakdown(counts: dict[object, list[int]], level: str = "log_group_name") -> pd.DataFrame:
    """Return what `status_breakdown` returns, from six counts a group."""
    index = pd.MultiIndex.from_product(
        [pd.Index(list(counts), name=level), pd.CategoricalIndex(STATES, STATES)],
        names=[level, "status_code"],
    )
    tasks = np.array(list(counts.values()))
    totals = tasks.sum(axis=1, keepdims=True)
    share = np.divide(tasks, totals, out=np.full(tasks.shape, np.nan), where=totals > 0)
    return pd.DataFrame({"tasks": tasks.ravel(), "share": share.ravel()}, index=index)


def whole(counts: list[int], states: tuple[str, ...] = STATES) -> pd.DataFrame:
    """Return what `status_breakdown` returns without groups."""
    index = pd.CategoricalIndex(states, states, name="status_code")
    return pd.DataFrame({"tasks": counts, "share": np.array(counts) / sum(counts)}, index=index)


def weeks(*starts: str | None) -> list[pd.Timestamp]:
    """Return starts of periods."""
    return list(pd.to_datetime(list(starts), utc=True).as_unit("ms"))


def test_every_state_has_a_bar():
    """Each row has a bar as long as its count, also for zeros and unknown states."""
    counts = [0, 1, 0, 90, 8, 1, 3]
    ax = plot_status_breakdown(whole(counts, (*STATES, "PAUSED")))
    assert [bar.get_width() for bar in ax.patches] == counts
    assert [name.get_text() for name in ax.get_yticklabels()] == [*STATES, "PAUSED"]
    assert ax.get_xlabel() == "tasks"


def test_count_and_share_are_written():
    """Each bar is labelled with its count and share."""
    ax = plot_status_breakdown(whole([0, 0, 0, 1500, 500, 0]))
    words = [text.get_text() for text in ax.texts]
    assert "1,500 (75 %)" in words
    assert "0 (0 %)" in words
    assert "n = 2,000 tasks" in words


def test_states_differ_by_colour_and_hatch():
    """COMPLETED is green and FAILED vermilion, and no two states have the same hatch."""
    ax = plot_status_breakdown(whole([1] * 6))
    colours = {
        state: to_hex(bar.get_facecolor()) for state, bar in zip(STATES, ax.patches, strict=True)
    }
    assert colours["COMPLETED"] == "#009e73"
    assert colours["FAILED"] == "#d55e00"
    assert len({bar.get_hatch() for bar in ax.patches}) == 6


def test_groups_with_most_failed_tasks_come_first():
    """Groups are sorted by FAILED and CANCELLED tasks, which are written."""
    ax = plot_status_breakdown(
        breakdown(
            {
                "none": [0, 0, 0, 9, 0, 0],
                "one of one": [0, 0, 0, 0, 1, 0],
                "five of ten": [0, 0, 0, 5, 2, 3],
                "empty": [0] * 6,
            }
        )
    )
    names = [name.get_text() for name in ax.get_yticklabels()]
    assert names == ["five of ten", "one of one", "none", "empty"]
    assert [text.get_text() for text in ax.texts[:4]] == ["5 of 10", "1 of 1", "0 of 9", "0 of 0"]


def test_shares_of_a_group_fill_its_bar():
    """The parts of a bar add up to 1; a group without tasks has none."""
    ax = plot_status_breakdown(breakdown({"a": [1, 1, 1, 2, 3, 2], "b": [0] * 6}))
    first = sorted((bar.get_x(), bar.get_width()) for bar in ax.patches if round(bar.get_y()) == 0)
    ends = np.cumsum([width for _, width in first])
    assert [start for start, _ in first] == pytest.approx([0, *ends[:-1]])
    assert ends[-1] == pytest.approx(1)
    assert sum(bar.get_width() for bar in ax.patches if bar.get_y() > 0.5) == 0


def test_failed_tasks_stand_on_the_base_line():
    """FAILED is at the bottom, and the legend has the order of the stack."""
    ax = plot_status_breakdown(breakdown({"a": [1, 0, 0, 2, 3, 2]}))
    failed = next(bar for bar in ax.patches if to_hex(bar.get_facecolor()) == "#d55e00")
    assert failed.get_x() == 0
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["FAILED", "CANCELLED", "COMPLETED", "PENDING"]


def test_of_many_groups_the_worst_are_drawn():
    """25 groups are drawn, and the last row counts the others."""
    ax = plot_status_breakdown(
        breakdown({f"g{number}": [0, 0, 0, 9, number, 0] for number in range(300)})
    )
    names = [name.get_text() for name in ax.get_yticklabels()]
    assert names[0] == "g299"
    assert names[-1] == "… and 275 more"
    assert len(names) == 26


def test_periods_are_stacked_along_time():
    """Each period is a stack as high as its tasks; a period without a row is a gap."""
    table = breakdown(
        {start: [1, 0, 0, 3, 1, 0] for start in weeks("2026-01-05", "2026-01-12", "2026-01-26")},
        "period",
    )
    ax = plot_status_breakdown(table)
    spans = {(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches}
    assert len(spans) == 3
    assert len(ax.patches) == 3 * 3
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches]
    assert max(tops) == 5
    first, second, third = sorted(spans)
    assert first[1] < second[0] < second[1] < third[0] - 6
    assert ax.get_xlabel() == "creation time (UTC)"
    berlin = table.tz_convert("Europe/Berlin", level="period")
    assert plot_status_breakdown(berlin).get_xlabel() == "creation time (Europe/Berlin)"


def test_months_of_different_lengths_leave_no_gap():
    """A bar of a month goes on to the next month, February's as well as January's."""
    table = breakdown(
        {start: [0, 0, 0, 3, 0, 0] for start in weeks("2026-01-01", "2026-02-01", "2026-03-01")},
        "period",
    )
    january, february, march = plot_status_breakdown(table).patches
    assert january.get_width() == pytest.approx(0.9 * 31)
    assert february.get_width() == march.get_width() == pytest.approx(0.9 * 28)


def test_tasks_without_a_period_are_counted():
    """Tasks without a period are counted in a note, even if there are no others."""
    some = breakdown(
        {weeks("2026-01-05")[0]: [0, 0, 0, 3, 0, 0], pd.NaT: [0, 0, 0, 1, 1, 0]}, "period"
    )
    assert "2 tasks not drawn" in plot_status_breakdown(some).texts[-1].get_text()
    none = breakdown({pd.NaT: [0, 0, 0, 1, 1, 0]}, "period")
    assert "2 tasks not drawn" in plot_status_breakdown(none).texts[-1].get_text()


def test_one_period_has_days_around_it():
    """A single period's time axis is wider than its bar."""
    table = breakdown({weeks("2026-01-05")[0]: [0, 0, 0, 3, 0, 0]}, "period")
    ax = plot_status_breakdown(table)
    assert np.ptp(ax.get_xlim()) >= 2 * ax.patches[0].get_width()


def test_groups_and_periods_together_are_refused():
    """Groups and periods together are refused, and the error says what to leave out."""
    table = breakdown({"a": [1] * 6}).assign(period=weeks("2026-01-05")[0])
    with pytest.raises(ArgumentError, match=r"log_group_name.*leave out by= or freq="):
        plot_status_breakdown(table.set_index("period", append=True))
