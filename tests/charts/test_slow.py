"""The chart of the tasks that took far longer than their log group's."""

import pandas as pd
import pytest

import exportstats as xs
from exportstats.charts.slow import plot_slow_tasks


def slow(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Make the table of `find_slow_tasks` from names, durations, usual durations and scores."""
    table = pd.DataFrame(rows, columns=["log_group_name", "duration", "typical", "score"])
    table["ratio"] = table["duration"] / table["typical"]
    for name in ("duration", "typical"):
        table[name] = pd.to_timedelta(table[name], unit="s").astype("timedelta64[ms]")
    created = pd.Series(pd.Timestamp("2026-11-03T02:00Z"), table.index).astype(
        "datetime64[ms, UTC]"
    )
    return table.assign(account_id="111122223333", region="eu-west-1", creation_time=created)


def test_a_row_goes_from_the_usual_to_what_it_took():
    """The hollow end is typical, the full one the task's; ratio and day are beside it."""
    ax = plot_slow_tasks(slow(("/a", 600, 60, 9.0), ("/b", 900, 300, 4.0)))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["/a", "/b"]
    usual, took = ax.lines
    assert usual.get_markerfacecolor() == "#ffffff"
    assert usual.get_xdata().tolist() == [60, 300]
    assert took.get_xdata().tolist() == [600, 900]
    (segments,) = (lines.get_segments() for lines in ax.collections)
    assert [line[:, 0].tolist() for line in segments] == [[60, 600], [300, 900]]
    texts = [text.get_text() for text in ax.texts]
    assert texts[:2] == ["10\u00d7, 2026-11-03", "3\u00d7, 2026-11-03"]
    assert ax.get_xscale() == "log"
    low, high = ax.get_xlim()
    assert low < 60
    assert high > 900


def test_of_many_the_worst_are_drawn():
    """The 25 rows with the highest scores are drawn, and the others counted."""
    ax = plot_slow_tasks(slow(*((f"/{number}", 600, 60, float(number)) for number in range(60))))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"/{number}" for number in range(59, 34, -1)]
    words = " ".join(text.get_text() for text in ax.texts).replace("\n", " ")
    assert "60 slow tasks" in words
    assert "35 more, with lower scores" in words


@pytest.mark.parametrize("usual", [0, 60])
def test_no_time_and_no_length_break_nothing(usual: int):
    """A missing creation time is shown as a dash, and a typical duration of 0 is drawn as 1 ms."""
    table = slow(("/a", 600, 60, 9.0)).assign(
        creation_time=pd.Series(pd.to_datetime([None], utc=True)).dt.as_unit("ms"),
        typical=pd.Series(pd.to_timedelta([usual], unit="s")).astype("timedelta64[ms]"),
    )
    ax = plot_slow_tasks(table)
    ax.figure.draw_without_rendering()
    assert ax.texts[0].get_text() == "10\u00d7, -"
    assert ax.lines[0].get_xdata()[0] == max(usual, 0.001)


def test_it_draws_the_sample():
    """The chart of the sample has exactly the rows of the table, in its order."""
    table = xs.find_slow_tasks(xs.sample_tasks(), threshold=9)
    took = plot_slow_tasks(table).lines[1].get_xdata()
    assert took.tolist() == table["duration"].dt.total_seconds().to_list()
