"""A waived gap is a note, and an expired waiver is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from reported import (
    MONDAY,
    built,
    finding,
    kinds,
    log_groups_of,
    night,
    nights,
    others,
    rows_behind,
)
from support import DAY, HOUR, ms

from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path

WAIVER = '[[waiver]]\nlog_group = "acme/*"\nreason = "a holiday"\n'


@pytest.fixture
def waivers(tmp_path: Path) -> Path:
    """Return the path of a file of waivers."""
    return tmp_path / "waivers.toml"


@pytest.mark.parametrize("tz", ["UTC", "Asia/Tokyo"])
def test_a_waived_gap_is_a_note(waivers: Path, tz: str):
    """A gap within the range of a waiver is a note. Outside of it, it stays a gap."""
    waivers.write_text(f"{WAIVER}from = 2026-11-17\nto = 2026-11-20\n", encoding="utf-8")
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 20 * DAY})
    rows = others("acme/api", 2)
    options = {"tz": tz, "log_groups": log_groups}
    assert kinds(built(*rows, **options)) == ["expiring", "gaps"]
    report = built(*rows, **options, waivers=waivers)
    assert kinds(report) == ["waived"]
    waived = rows_behind(report, "waived")
    assert sum(row["length"] for row in waived) == DAY
    assert {row["because"] for row in waived} == {"a holiday"}
    other = built(*others("acme/api", -1), **options, waivers=waivers)
    assert kinds(other) == ["expiring", "gaps"]


def test_a_failed_task_within_a_waiver_leaves_nothing(waivers: Path):
    """The windows of a failed task count as missing only outside the days of a waiver."""
    waivers.write_text(f"{WAIVER}from = 2026-11-18\nto = 2026-11-19\n", encoding="utf-8")
    failed = night("acme/api", 2, task_id="x", status_code="FAILED")
    rows = [*others("acme/api", 2), failed]
    assert "failed_windows" in built(*rows).tables
    report = built(*rows, waivers=waivers)
    assert "failed_windows" not in report.tables
    assert "waived" in report.tables
    longer = failed | {"to_time": failed["to_time"] + DAY}
    report = built(*others("acme/api", 2, 3), longer, waivers=waivers)
    [row] = rows_behind(report, "failed_windows")
    assert row["missing"] == DAY


def test_weekends_without_anything_to_export(waivers: Path):
    """A log group that is exported only on weekdays is regular, with waived weekends."""
    waivers.write_text(f'{WAIVER}weekdays = ["Saturday", "Sunday"]\n', encoding="utf-8")
    rows = [row for row in nights("acme/api") if (row["from_time"] - MONDAY) // DAY % 7 < 5]
    assert kinds(built(*rows)) == ["weekdays"]
    report = built(*rows, waivers=waivers)
    assert kinds(report) == ["waived"]
    lacking = [row for row in rows if row["from_time"] != MONDAY + DAY]
    [gap] = rows_behind(built(*lacking, waivers=waivers), "gaps")
    assert (gap["start"], gap["end"]) == (MONDAY + DAY, MONDAY + 2 * DAY)


def test_a_waiver_where_clocks_are_set(waivers: Path):
    """A gap that ends in a repeated hour is waived by day like any other."""
    waivers.write_text(f'{WAIVER}weekdays = ["Sunday"]\n', encoding="utf-8")
    # a Sunday of 25 hours: its 01:30 is at 05:30 and at 06:30 UTC
    gone = [ms(f"2026-11-01T{hour}:30Z") for hour in ("05", "06")]
    rows = [row | {"to_time": row["from_time"] + DAY - 1} for row in others("acme/api", -15)]
    rows.append(night("acme/api", -15, task_id="part", from_time=gone[1]))
    options = {"tz": "America/New_York", "week": "2026-W45", "as_of": "2026-11-09T05:00Z"}
    waived = rows_behind(built(*rows, **options, waivers=waivers), "waived")
    assert [(row["start"], row["end"]) for row in waived] == [(ms("2026-11-01T04:00Z"), gone[1])]


def test_a_waiver_ends(waivers: Path):
    """After its last day, a waiver covers nothing and is reported."""
    waivers.write_text(f"{WAIVER}until = 2026-11-20\n", encoding="utf-8")
    report = built(*others("acme/api", 2), waivers=waivers)
    assert kinds(report) == ["gaps", "expired_waivers"]


def test_the_latest_day_of_expired_waivers_is_reported(waivers: Path):
    """The sentence on several expired waivers names the latest of their last days."""
    days = "2026-11-10", "2026-11-20"
    waivers.write_text("".join(f"{WAIVER}until = {day}\n" for day in days), encoding="utf-8")
    found = finding(built(*nights("acme/api"), waivers=waivers), "expired_waivers")
    assert found.sentence.startswith("2 waivers were valid until 2026-11-20 or earlier")


def test_waived_gaps_are_not_resolved(waivers: Path):
    """A waived gap that is exported after all does not count as resolved."""
    again = night("acme/api", -4, task_id="again", creation_time=MONDAY + DAY)
    rows = [*others("acme/api", -4), again | {"completion_time": MONDAY + DAY + HOUR}]
    assert kinds(built(*rows)) == ["resolved"]
    waivers.write_text(WAIVER, encoding="utf-8")
    assert kinds(built(*rows, waivers=waivers)) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[", "is not TOML"),
        ("[waiver]", "give each waiver as a table"),
        (WAIVER + "day = 1", "'day' is not known"),
        ('[[waiver]]\nreason = "x"', "log_group is missing"),
        (WAIVER + 'from = "soon"', "from = 'soon' is not a date"),
        (WAIVER + 'weekdays = ["Sonntag"]', "Sonntag"),
    ],
)
def test_an_invalid_waiver_is_refused(text: str, says: str, waivers: Path):
    """The error says what is wrong."""
    waivers.write_text(text, encoding="utf-8")
    with pytest.raises(ArgumentError, match=says):
        built(waivers=waivers)
