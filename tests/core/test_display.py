"""`format_durations` for every kind of column and index level."""

from __future__ import annotations

import pandas as pd
import pytest

import exportstats as xs


def cells(table: pd.DataFrame | pd.Series) -> list[list[str]]:
    """Return the texts of the cells of a formatted table, row by row."""
    lines = xs.format_durations(table).hide().hide(axis="columns").to_string(delimiter="|")
    return [line.split("|") for line in lines.splitlines()]


def test_each_kind_of_column_is_written_for_people():
    """Durations are words, times have minutes, shares are percentages, missing values dashes."""
    times = pd.to_datetime(["2026-11-23T06:00:59Z", None])
    table = pd.DataFrame(
        {
            "p50": pd.to_timedelta(["0 days 00:04:42.968", None]),
            "at": times,
            "day": times.tz_convert("Europe/Berlin").normalize(),
            "failure_rate": [0.125, None],
            "covered_at_most": [0.9878, 1.0],
            "deadline_risk": [0.095, None],
            "ratio": [1.23456, 12345.6],
            "tasks": [1200, 0],
            "ok": [True, False],
            "state": pd.Categorical(["FAILED", None]),
        }
    )
    assert cells(table) == [
        ["4 min 43 s", "2026-11-23 06:00", "2026-11-23", "12.5 %", "98.8 %", "9.5 %", "1.23",
         "1,200", "True", "FAILED"],
        ["–", "–", "–", "–", "100 %", "–", "12,346", "0", "False", "–"],  # noqa: RUF001
    ]  # fmt: skip


def test_the_index_is_written_too():
    """Periods, missing groups and bins of durations in the index are formatted like cells."""
    tasks = xs.sample_tasks()
    months = tasks.assign(team=None).pipe(
        xs.duration_trend, freq="MS", tz="Europe/Berlin", by="team"
    )
    lines = xs.format_durations(months).to_string(delimiter="|").splitlines()
    assert lines[2].startswith("–|2025-11-01|")  # noqa: RUF001
    bins = tasks.pipe(xs.duration_histogram, bins=["0s", "90s", "9D"])
    lines = xs.format_durations(bins).to_string(delimiter="|").splitlines()
    assert [line.partition("|")[0] for line in lines[2:4]] == [
        "0 s to 1 min 30 s",
        "1 min 30 s to 9 d",
    ]


def test_a_number_in_the_index_has_no_separators():
    """A year or cost centre to group by is printed as it is, text with a point stays whole."""
    keys = {"year": [2026, 2027], "centre": [1234.0, None], "version": ["1.0", "2.0"]}
    table = pd.DataFrame({"tasks": [1500, 2]}, index=pd.MultiIndex.from_frame(pd.DataFrame(keys)))
    lines = xs.format_durations(table).to_string(delimiter="|").splitlines()
    assert lines[2:] == ["2026|1234|1.0|1,500", "2027|–|2.0|2"]  # noqa: RUF001


def test_the_values_stay():
    """The table does not change, a Series is a column, and the result can be styled further."""
    table = xs.sample_tasks().pipe(xs.duration_summary, by="region")
    before = table.copy()
    style = xs.format_durations(table).highlight_max("p50")
    assert "background-color" in style.to_html()
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(style.data, before)
    assert cells(table["p50"]) == [["20.2 s"], ["15 min 36 s"], ["4 min 34 s"]]


def test_columns_of_several_levels():
    """The last level that names a share or a ratio says what the values are."""
    table = xs.sample_tasks().groupby("region", observed=True).agg({"duration": ["size", "max"]})
    assert cells(table)[0] == ["366", "2 min 11 s"]
    rate = pd.DataFrame({"previous": [0.2], "change": [-0.05], "ratio": [0.75]})
    median = rate[["previous"]].assign(change=pd.Timedelta("-431s"))
    both = pd.concat({"failure_rate": rate, "p50": median}, axis=1)
    assert cells(both) == [["20 %", "-5 %", "0.75", "0.2", "-7 min 11 s"]]


@pytest.mark.parametrize("text", ["<b>&\u202e", "<0.1 %"])
def test_text_is_escaped(text: str):
    """Text from AWS is escaped, and a small share is not an HTML tag."""
    html = xs.format_durations(
        pd.DataFrame({"name": [text], "share": 1e-6}, index=[text])
    ).to_html()
    assert "<b>" not in html
    assert "\u202e" not in html
    assert "<0.1" not in html
    assert html.count("&lt;0.1 %") >= 1
