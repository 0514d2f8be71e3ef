"""The completion curve's picture: steps, bands, and the numbers at risk below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import exportstats as xs
from exportstats.charts import plot_completion_curve


def curve(n: int, *, seed: int = 1) -> pd.DataFrame:
    """Return the curve of synthetic tasks, a tenth of them FAILED and some active."""
    random = np.random.default_rng(seed)
    took = random.lognormal(12, 1, n).astype("int64")
    state = np.where(random.random(n) < 0.1, "FAILED", "COMPLETED")
    frame = pd.DataFrame(
        {
            "task_id": [f"{number:05}" for number in range(n)],
            "creation_time": 0,
            "completion_time": took,
            "observed_at": 999_999_999,
            "status_code": state,
        }
    )
    active = random.random(n) < 0.05
    frame.loc[active, "status_code"] = "RUNNING"
    frame["completion_time"] = frame["completion_time"].where(~active)
    return xs.completion_curve(xs.conform(frame))


@pytest.mark.parametrize("n", [3, 300, 20_000])
def test_the_steps_are_those_of_the_table(n: int):
    """Each drawn point is a row; of many rows, those that differ visibly are drawn."""
    table = curve(n)
    (line,) = plot_completion_curve(table).lines
    seconds = table.index.to_numpy() / np.timedelta64(1, "s")
    rows = dict(zip(np.maximum(seconds, 0.001), table["probability"], strict=True))
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert [rows[value] for value in x] == pytest.approx(y, nan_ok=True)
    assert y[-1] == pytest.approx(table["probability"].iloc[-1])
    assert len(x) <= 2_010


def test_the_numbers_below_are_those_still_active():
    """At each tick, as many as had neither ended nor been censored before it."""
    table = curve(300)
    ax = plot_completion_curve(table)
    seconds = table.index.to_numpy() / np.timedelta64(1, "s")
    left = table["completed"] + table["competing"] + table["censored"]
    texts = [text for text in ax.texts if text.get_text().replace(",", "").isdigit()]
    assert len(texts) > 1
    for text in texts:
        gone = left[seconds < text.xy[0]].sum()
        assert int(text.get_text().replace(",", "")) == 300 - gone


def test_notes_on_the_tasks():
    """Notes count the tasks, other ends, and active tasks."""
    table = curve(300)
    said = " ".join(text.get_text() for text in plot_completion_curve(table).texts)
    assert "n = 300 tasks" in said
    assert f"{table['competing'].sum()} ended otherwise" in said
    assert f"{table['censored'].sum()} still active, counted in" in said


def test_six_of_many_groups_are_named():
    """The slowest six groups are named, the others grey without a band, with a note."""
    tasks = xs.sample_tasks()
    ax = plot_completion_curve(xs.completion_curve(tasks, by="log_group_name"))
    assert len(ax.lines) == 15
    assert len(ax.collections) == len(ax.get_legend().get_texts()) == 6
    assert "/aws/vpc/flow-logs" in ax.get_legend().get_texts()[0].get_text()
    assert "9 more are grey" in " ".join(text.get_text() for text in ax.texts)


def test_nothing_completed_is_noted():
    """Without completed tasks, the chart says so."""
    for table in (curve(3).iloc[:0], curve(3).assign(completed=0)):
        ax = plot_completion_curve(table)
        assert "no completed tasks" in [text.get_text() for text in ax.texts]
