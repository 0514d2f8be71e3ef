"""The chart of why tasks failed."""

import numpy as np
import pandas as pd
from support import LAST

from exportstats.charts import plot_failure_reasons


def failures(reasons: list[object], tasks: list[int]) -> pd.DataFrame:
    """Return what `failure_reasons` returns."""
    first = pd.date_range("2026-01-01", periods=len(reasons), freq="D", tz="UTC").as_unit("ms")
    return pd.DataFrame(
        {
            "tasks": tasks,
            "share": np.array(tasks) / sum(tasks),
            "first_time": first,
            "last_time": first + pd.Timedelta("1D"),
            "example_task_id": "a",
        },
        index=pd.Index(reasons, name="reason"),
    )


def words(table: pd.DataFrame) -> list[str]:
    """Return all texts inside the axes."""
    return [text.get_text() for text in plot_failure_reasons(table).texts]


def test_most_frequent_reason_comes_first():
    """Each reason has a bar as long as its count, in descending order."""
    ax = plot_failure_reasons(failures(["a", "b", "c"], [2, 9, 1]))
    assert [bar.get_width() for bar in ax.patches] == [9, 2, 1]
    assert [name.get_text() for name in ax.get_yticklabels()] == ["b", "a", "c"]
    assert ax.get_xlabel() == "failed tasks"


def test_count_share_and_days_are_written():
    """Each reason is labelled with its count, share, first and last day."""
    shown = words(failures(["a", "b"], [3, 1]))
    assert "3 (75 %)" in shown
    assert "2026-01-01 to 2026-01-02" in shown
    assert any(text.startswith("n = 4 failed tasks") for text in shown)


def test_one_day_is_written_once():
    """A reason seen on a single day has one date, and one without a time says so."""
    table = failures(["a", "b"], [3, 1])
    table["last_time"] = table["first_time"]
    table.loc["b", ["first_time", "last_time"]] = pd.NaT
    shown = words(table)
    assert "2026-01-01" in shown
    assert "unknown" in shown


def test_the_last_time_there_is_is_written():
    """A time in the year 2999 is written."""
    table = failures(["a"], [1])
    far = pd.DatetimeIndex(np.array([LAST]).view("datetime64[ms]"))
    table["last_time"] = far.tz_localize("UTC")
    assert "2026-01-01 to 2999-12-31" in words(table)


def test_a_long_reason_is_on_two_lines():
    """A long reason has two lines, which keep its beginning and its end."""
    reason = "AccessDenied: " + "the bucket's policy does not allow it " * 20 + "(END)"
    ax = plot_failure_reasons(failures([reason], [1]))
    first, second = ax.get_yticklabels()[0].get_text().split("\n")
    assert first.startswith("AccessDenied: the")
    assert second.endswith("(END)")
    assert "…" in second
    assert max(len(first), len(second)) <= 46


def test_of_many_reasons_ten_are_drawn():
    """The ten most frequent are drawn, and the last row counts the others."""
    ax = plot_failure_reasons(failures([str(number) for number in range(30)], [*range(1, 31)]))
    names = [name.get_text() for name in ax.get_yticklabels()]
    assert names[:2] == ["29", "28"]
    assert names[-1] == "… and 20 more"
    assert len(ax.patches) == 10


def test_a_group_is_named_above_its_reason():
    """With groups each bar names the group and the reason."""
    table = failures(["denied", "internal"], [1, 2])
    table = table.set_index(pd.Index(["first", "second"], name="log_group_name"), append=True)
    ax = plot_failure_reasons(table.swaplevel())
    names = [name.get_text() for name in ax.get_yticklabels()]
    assert names == ["second\ninternal", "first\ndenied"]
