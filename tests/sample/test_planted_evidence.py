"""The evidence beside the tasks is as `planted.json` says, and each source is understood."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from recorded import PACKED, SAMPLE, Key, code, completed, created, key_of, ms, read_lines, span
from support import HOUR, Row

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterable

RANGE = {"start": "2026-09-01", "end": "2026-11-22"}
LOG_GROUP = ["account_id", "region", "log_group_name"]
MOST_BYTES = 500_000


@pytest.fixture(scope="module")
def calls() -> list[Row]:
    """Read the records of the API calls."""
    return read_lines("api_calls.jsonl.gz")


@pytest.fixture(scope="module")
def evidence() -> dict[str, pd.DataFrame]:
    """Return all evidence of the sample, as the functions take it."""
    return {
        "log_groups": xs.sample_log_groups(),
        "api_calls": xs.sample_api_calls(),
        "incoming": xs.sample_incoming(),
        "deliveries": xs.sample_deliveries(),
    }


@pytest.fixture(scope="module")
def timeline(evidence: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the timeline of the sample with all evidence."""
    return xs.coverage_timeline(xs.sample_tasks(), **RANGE, **evidence)


def intervals(rows: pd.DataFrame) -> set[tuple[Any, ...]]:
    """Return the log group, start and end of each row."""
    return set(rows[[*LOG_GROUP, "start", "end"]].itertuples(index=False, name=None))


def planted_in(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Return the same of rows of planted.json."""
    return {(*key_of(row), pd.Timestamp(row["start"]), pd.Timestamp(row["end"])) for row in rows}


def test_the_files_are_small():
    """Together, the evidence is small enough for the package."""
    assert sum((SAMPLE / name).stat().st_size for name in PACKED[1:]) < MOST_BYTES


def test_each_task_has_its_call(tasks: list[Row], calls: list[Row], planted: Row):
    """Each task since the start was created by one call, in the second of its creation."""
    start = ms(planted["evidence"]["start"])
    made = {
        call["responseElements"]["taskId"]: call
        for call in calls
        if call["eventName"] == "CreateExportTask" and call["responseElements"]
    }
    late = [task for task in tasks if created(task) >= start]
    assert len(late) == len(made) > 1_000
    for task in late:
        call = made[task["taskId"]]
        assert ms(call["eventTime"]) == created(task) // 1000 * 1000
        asked = call["requestParameters"]
        assert all(task.get(name) == asked[name] for name in asked.keys() - {"logStreamNamePrefix"})
        assert call["userIdentity"]["arn"]
    cancelled = {
        call["requestParameters"]["taskId"]
        for call in calls
        if call["eventName"] == "CancelExportTask"
    }
    assert cancelled == {
        task["taskId"] for task in late if code(task) in {"CANCELLED", "PENDING_CANCEL"}
    }
    assert len(calls) == planted["evidence"]["api_calls"]


def test_a_call_was_refused_while_the_slot_was_taken(
    by_slot: dict[tuple[str, str], list[Row]], calls: list[Row], planted: Row
):
    """At each refused call another task was active; the other refusals have no parameters."""
    errors = Counter(call["errorCode"] for call in calls if "errorCode" in call)
    facts = planted["evidence"]
    assert errors == {
        "LimitExceededException": len(facts["refused"]) + facts["refused_then_created"],
        "AccessDenied": facts["denied"],
    }
    for call in calls:
        if call.get("errorCode") == "LimitExceededException":
            time = ms(call["eventTime"])
            slot = by_slot[call["recipientAccountId"], call["awsRegion"]]
            assert any(
                created(task) < time + 1000 and time <= task["executionInfo"]["completionTime"]
                for task in slot
                if code(task) in {"COMPLETED", "FAILED", "CANCELLED"}
            )
            assert call["errorMessage"].startswith("Synthetic: ")
    later = xs.refused_calls(xs.sample_api_calls())
    assert later["task_id"].notna().sum() == facts["refused_then_created"]


def test_incoming_data_has_every_hour(log_groups: dict[Key, Row], planted: Row):
    """Each log group has a row for each hour, and only planted hours are empty."""
    table = xs.sample_incoming()
    facts = planted["evidence"]
    hours = range(ms(facts["start"]), ms(facts["end"]), HOUR)
    start = table["start"].astype("int64")
    found: dict[Key, dict[int, tuple[int, int]]] = {}
    keys = table[LOG_GROUP].itertuples(index=False, name=None)
    counts = table[["incoming_bytes", "incoming_events"]].itertuples(index=False, name=None)
    for key, hour, came in zip(keys, start, counts, strict=True):
        found.setdefault(key, {})[hour] = came
    assert found.keys() == log_groups.keys()
    assert all([*of_group] == [*hours] for of_group in found.values())
    empty = {(key, hour) for key in found for hour, came in found[key].items() if came == (0, 0)}
    assert empty == {
        (key_of(row), hour)
        for row in facts["silent"]
        for hour in range(span(row)[0], span(row)[1] + HOUR, HOUR)
    }
    doubled = found[key_of(facts["doubled"])]
    since = ms(facts["doubled"]["since"])
    before = [came[0] for hour, came in doubled.items() if hour < since]
    after = [came[0] for hour, came in doubled.items() if hour >= since]
    ratio = sum(after) / len(after) * len(before) / sum(before)
    assert ratio == pytest.approx(facts["doubled"]["factor"], rel=0.05)


def test_each_completed_task_has_its_delivery(tasks: list[Row], planted: Row):
    """Each COMPLETED task since the start delivered all streams, but for two, and for prefixes."""
    table = xs.sample_deliveries()
    facts = planted["evidence"]
    late = [task for task in completed(tasks) if created(task) >= ms(facts["start"])]
    assert sorted(table["task_id"]) == sorted(task["taskId"] for task in late)
    partial = table[(table["delivered"] == "partial").to_numpy()]
    assert {*partial["task_id"]} == {row["task_id"] for row in facts["prefixed"]}
    assert {*partial["missing_stream_names"]} == {"green/1:green/2"}
    whole = table[(table["delivered"] == "yes").to_numpy()]
    assert not whole[["missing_streams", "possibly_missing_streams"]].to_numpy().any()
    lost = table[table["delivered"].isin(["empty", "gone"]).to_numpy()]
    found = lost[["task_id", "delivered"]].astype("str").to_dict("records")
    assert found == facts["lost"]
    assert len(found) == 2
    assert (lost["bytes"] == 0).all()


def test_almost_nothing_is_only_claimed(timeline: pd.DataFrame):
    """With all evidence, at most a hundredth of the range is claimed."""
    length = timeline["length"].groupby(timeline["evidence"], observed=False).sum()
    assert length["claimed"] <= 0.01 * length.sum()
    assert length["proven"] > 0.8 * length.sum()


def test_tasks_with_a_prefix_are_partial(
    timeline: pd.DataFrame, evidence: dict[str, pd.DataFrame], planted: Row
):
    """All that ten tasks with a stream prefix cover is partial, and nothing else is.

    The streams alone say the same, without the API calls.
    """
    rows = planted["evidence"]["prefixed"]
    assert len(rows) == 10
    partial = timeline[(timeline["evidence"] == "partial").to_numpy()]
    assert set(map(key_of, rows)) == {*partial[LOG_GROUP].itertuples(index=False, name=None)}
    inside = [
        sum(row.start <= start and end <= row.end for row in partial.itertuples())
        for *_, start, end in planted_in(rows)
    ]
    assert inside == [1] * 10
    assert partial["length"].sum() == pd.Timedelta("10D")
    known = {name: evidence[name] for name in ("log_groups", "deliveries", "incoming")}
    alone = xs.coverage_timeline(xs.sample_tasks(), **RANGE, **known)
    assert intervals(alone[(alone["evidence"] == "partial").to_numpy()]) == intervals(partial)


def test_refused_and_silent_gaps(evidence: dict[str, pd.DataFrame], planted: Row):
    """Ten gaps are refused and ten are silent, as planted, and no others are.

    Without the evidence, the refused ones were never tried.
    """
    facts = planted["evidence"]
    gaps = xs.find_gaps(xs.sample_tasks(), **RANGE, **evidence)
    for reason in ("refused", "silent"):
        planted_ones = planted_in(facts[reason])
        assert len(planted_ones) == 10
        assert intervals(gaps[(gaps["reason"] == reason).to_numpy()]) == planted_ones
    codes = gaps.loc[(gaps["reason"] == "refused").to_numpy(), "error_code"]
    assert set(codes) == {"LimitExceededException"}
    before = xs.find_gaps(xs.sample_tasks(), **RANGE)
    tried = before[(before["reason"] != "never_tried").to_numpy()]
    assert not intervals(tried) & planted_in(facts["refused"])
    empty = gaps.loc[(gaps["reason"] == "empty").to_numpy(), "last_task_id"]
    assert set(empty) == {row["task_id"] for row in facts["lost"]}


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("week", "noted"),
    # in two of the weeks, only log groups that are not exported regularly have silent nights
    [("2026-W36", 0), ("2026-W39", 1), ("2026-W42", 1), ("2026-W44", 1), ("2026-W45", 0)],
)
def test_no_silent_night_is_a_warning(
    evidence: dict[str, pd.DataFrame], planted: Row, week: str, noted: int
):
    """In the report of a week with silent nights, these are in a note, and in no warning."""
    report = xs.build_weekly_report(xs.sample_tasks(), week=week, **evidence)
    rows = planted["evidence"]["silent"]
    found: dict[str, set[str]] = {}
    for finding in report.findings:
        if {*LOG_GROUP, "start", "end"} <= {*finding.rows}:
            for key, start, end in ((row[:3], *row[3:]) for row in intervals(finding.rows)):
                if any(
                    key == key_of(row)
                    and start < pd.Timestamp(row["end"])
                    and end > pd.Timestamp(row["start"])
                    for row in rows
                ):
                    found.setdefault(finding.severity, set()).add(finding.kind)
    assert found == ({"note": {"silent"}} if noted else {})
