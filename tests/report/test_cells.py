"""Tables for people: the order of columns, and rows that are left out."""

from __future__ import annotations

import pandas as pd
from reported import report_of

from exportstats.report import cells


def test_when_events_expire_comes_first():
    """`expires_at` comes first. Without any value the column is left out."""
    times = pd.to_datetime(["2026-06-23T00:00Z", "2026-06-23T06:30Z"])
    table = pd.DataFrame({"log_group_name": "acme", "start": times, "expires_at": times})
    view = cells.view(table, report_of("2026-W20"), 5)
    assert view.head == ["expires at", "log group name", "start"]
    assert [row[0] for row in view.rows] == ["2026-06-23", "2026-06-23 06:30"]
    view = cells.view(table.assign(expires_at=pd.NaT), report_of("2026-W20"), 5)
    assert view.head == ["log group name", "start"]


def test_rows_of_zeros_are_counted_and_not_shown():
    """Rows with another number and tables without numbers are kept as a whole."""
    report = report_of("2026-W20")
    table = pd.DataFrame({"state": list("abcd"), "tasks": [0, 1, 0, 0], "share": [0, 0.5, None, 1]})
    view = cells.view(table, report, 1, with_zeros=False)
    assert ([row[0] for row in view.rows], view.cut, view.zeros) == (["b"], 1, 2)
    assert cells.view(table, report, 4).zeros == 0
    assert cells.view(table[["state"]], report, 4, with_zeros=False).zeros == 0
    states = next(one for one in report.pictures if one.name == "states")
    many = (states.table.reset_index()["tasks"] == 0).sum()
    assert many > 100
    assert f"{many:,} rows of zeros are omitted." in report.to_html()
