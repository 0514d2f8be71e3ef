"""The chart of how fresh S3 is."""

import numpy as np
import pandas as pd
import pytest

from exportstats.charts.landing import plot_landing_lag
from exportstats.core import frames
from exportstats.errors import SchemaError
from exportstats.stats.landing import landing_lag

SHARES = pd.Index([0, 0.5, 1], name="share")


def lags(hours: list[float], tasks: int = 3) -> pd.DataFrame:
    """Return a table of `landing_lag` with fewer shares."""
    lengths = pd.to_timedelta(hours, unit="h").as_unit("ms")
    return pd.DataFrame({"lag": lengths, "tasks": tasks}, index=SHARES)


def grouped(counts: dict[str, int]) -> pd.DataFrame:
    """Return the lags of some groups."""
    parts = {name: lags([13, 14, 30] if n else [np.nan] * 3, n) for name, n in counts.items()}
    return pd.concat(parts, names=["region"])


def note(table: pd.DataFrame) -> str:
    """Return the chart's notes, on one line."""
    return " ".join(plot_landing_lag(table).texts[-1].get_text().split())


def test_one_group_is_a_line_of_steps():
    """Each row is a corner of the line: the lag in seconds and the share, in order of share."""
    ax = plot_landing_lag(lags([13, 14, 30]).iloc[::-1])
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [13 * 3600, 14 * 3600, 30 * 3600]
    assert line.get_ydata().tolist() == [0, 0.5, 1]
    assert line.get_drawstyle() == "steps-post"
    assert ax.get_xscale() == "linear"
    assert ax.get_legend() is None
    assert note(lags([13, 14, 30])) == "n = 3 completed tasks"


def test_a_wide_spread_is_a_log_axis():
    """From a factor of 20 the axis is logarithmic, unless a lag is below 0."""
    assert plot_landing_lag(lags([1, 14, 30])).get_xscale() == "log"
    assert plot_landing_lag(lags([-1, 14, 30])).get_xscale() == "linear"


def test_a_lag_below_zero_is_drawn_at_zero_and_noted():
    """A window that ended after its task does not stretch the axis to the left."""
    table = lags([-5, 1, 2])
    ax = plot_landing_lag(table)
    assert ax.get_xlim()[0] == 0
    assert ax.lines[0].get_xdata()[0] == pytest.approx(0, abs=0.01)
    assert "below 0" in note(table)


def test_groups_differ_and_say_how_many_they_are():
    """Each group has a colour, a dash and its n; those without a completed task are counted."""
    table = grouped({"a": 2, "b": 5, "c": 0})
    ax = plot_landing_lag(table)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b (n=5)", "a (n=2)"]
    assert len({line.get_color() for line in ax.lines}) == 2
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    assert note(table) == "n = 7 completed tasks · 1 group not drawn: no completed tasks"


def test_of_many_groups_the_slowest_six_are_named():
    """The slowest six groups that are not tiny are named, the others grey, with a note."""
    table = grouped({f"g{n}": n for n in range(1, 10)})
    ax = plot_landing_lag(table)
    assert len(ax.lines) == 9
    assert len({line.get_color() for line in ax.lines}) == 7
    assert ax.get_legend().get_texts()[0].get_text() == "g9 (n=9)"
    assert "the slowest 6 of 9 groups are named, 3 more are grey" in note(table)


def test_a_single_group_is_named():
    """A single group is named in a note."""
    assert "eu-west-1" in note(grouped({"eu-west-1": 4}))


def test_a_single_task():
    """A single task is drawn without a warning."""
    ax = plot_landing_lag(lags([14, 14, 14], 1))
    ax.figure.draw_without_rendering()
    assert "n = 1 completed task" in ax.texts[-1].get_text()


@pytest.mark.parametrize("by", [None, "region"])
def test_none(by: str | None):
    """Without completed tasks, the chart says so."""
    ax = plot_landing_lag(landing_lag(frames.empty(), by=by))
    assert [text.get_text() for text in ax.texts][-1] == "no completed tasks"
    assert not ax.lines


def test_another_frame_is_refused():
    """A table of another shape is refused, and the error names the function that makes it."""
    for wrong in (lags([1, 2, 3]).drop(columns="lag"), lags([1, 2, 3]).reset_index(), [1]):
        with pytest.raises(SchemaError, match="landing_lag"):
            plot_landing_lag(wrong)
