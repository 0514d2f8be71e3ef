"""`conform` makes a table of any frame of tasks, and changes nothing else."""

from __future__ import annotations

from random import Random

import pandas as pd
import pytest
import support
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import FIRST, LAST, MOST, START, conform_quietly, ms, plain, rows_of, table, tables

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import BadRowsWarning, UnusedWarning

SEEN = ms("2026-11-23T06:00Z")


@given(tables(), st.integers(0, 2**32).map(Random))
def test_conform_of_a_table_is_the_table(tasks: pd.DataFrame, random: Random):
    """A table is returned unchanged, whatever the order of its columns."""
    before = tasks.copy(deep=True)
    assert_frame_equal(xs.conform(tasks), tasks)
    columns = random.sample(list(tasks.columns), len(tasks.columns))
    assert_frame_equal(xs.conform(tasks[columns]), tasks)
    assert_frame_equal(tasks, before)


def test_empty_is_a_table():
    """The empty table has every column with its dtype, and no rows."""
    frames.check(frames.empty())
    assert len(frames.empty()) == 0
    assert_frame_equal(xs.conform(frames.empty()), frames.empty())


# The input.
def test_missing_columns_are_filled_and_own_ones_stay():
    """A frame of identifiers is enough; own columns are kept at the end."""
    frame = pd.DataFrame({"colour": ["red"], "task_id": ["a"], "size": [5], ("a", 1): [None]})
    tasks = xs.conform(frame)
    assert list(tasks.columns) == [*schema.NAMES, "colour", "size", ("a", 1)]
    assert tasks[list(schema.NAMES)].drop(columns="task_id").isna().all(axis=None)
    assert_frame_equal(tasks[["colour", "size", ("a", 1)]], frame[["colour", "size", ("a", 1)]])
    assert_frame_equal(xs.conform(tasks), tasks)


@pytest.mark.parametrize(
    "names",
    [
        ["taskId", "logGroupName", "from", "status.code", "executionInfo.creationTime"],
        ["TaskId", "LogGroupName", "From", "Status.Code", "ExecutionInfo.CreationTime"],
        ["TASK_ID", "LOG_GROUP_NAME", "FROM_TIME", "STATUS_CODE", "CREATION_TIME"],
        ["task-id", "log-group-name", "from-time", "status-code", "creation-time"],
        ["taskid", "loggroupname", "from", "status", "creationtime"],
        ["Task ID", "Log group name", "From", "Status", "Creation time"],
        ["taskId", "logGroupName", "from", "status_code", "executionInfo_creationTime"],
    ],
    ids=lambda names: names[0] + " " + names[-1],
)
def test_names_in_any_casing(names: list[str]):
    """Our names and AWS's are known in any casing, nested with a dot or an underscore."""
    frame = pd.DataFrame([["a", "/app", 1, "FAILED", 2]], columns=names)
    expected = table(
        {"task_id": "a", "log_group_name": "/app", "from_time": 1}
        | {"status_code": "FAILED", "creation_time": 2}
    )
    assert_frame_equal(xs.conform(frame), expected)


def test_two_names_of_one_column():
    """Two columns for one fill each other; rows in which they differ are refused."""
    made = {"taskId": ["a", "b", "c"], "task_id": ["a", None, "c"], "to": [5, 6, 7]}
    made |= {"status_code": ["COMPLETED", None, "FAILED"], "Status": ["complete", "x", "RUNNING"]}
    frame = pd.DataFrame(made | {"to_time": ["1970-01-01T00:00:00.005Z", None, None]})
    tasks, reported = conform_quietly(frame)
    assert plain(tasks["task_id"]) == ["a", "b"]
    assert plain(tasks["status_code"]) == ["COMPLETED", "x"]
    assert plain(tasks["to_time"]) == [5, 6]
    assert list(tasks.columns) == list(schema.NAMES)
    assert reported == [("row 2", "status_code and Status differ")]
    groups = pd.DataFrame({"log_group_name": ["a", "b"], "retention": [86_400_000, None]})
    groups = xs.conform(groups.assign(retentionInDays=[1, 2]), of="log_groups")
    assert plain(groups["retention"]) == [86_400_000, 2 * 86_400_000]


def test_derived_columns_are_never_trusted():
    """`duration` and `window` are computed, whatever the frame contains."""
    frame = pd.DataFrame(
        {
            "task_id": ["a"],
            "creation_time": [0],
            "completion_time": [5],
            "duration": [pd.Timedelta("9h")],
            "window": ["for ever"],
        }
    )
    tasks = xs.conform(frame)
    assert plain(tasks["duration"]) == [5]
    assert plain(tasks["window"]) == [None]


@given(tables())
def test_lengths_are_differences(tasks: pd.DataFrame):
    """Duration is completion - creation, window is to - from + 1 ms, else NaT."""
    for row, duration, window in zip(
        rows_of(tasks), plain(tasks["duration"]), plain(tasks["window"]), strict=True
    ):
        assert duration == support.duration_of(row)
        start, end = row["from_time"], row["to_time"]
        known = start is not None and end is not None and start <= end
        assert window == (end - start + 1 if known else None)


@pytest.mark.parametrize(
    ("start", "end", "duration", "window"),
    [
        (0, 0, 0, 1),
        (5, 4, None, None),
        (FIRST, LAST, LAST - FIRST, LAST - FIRST + 1),
        (LAST, LAST, 0, 1),
        (LAST, FIRST, None, None),
        (None, 5, None, None),
        (5, None, None, None),
    ],
)
def test_lengths_at_the_ends(
    start: int | None, end: int | None, duration: int | None, window: int | None
):
    """A length is exact over the whole range of times, and missing if negative."""
    task = {"creation_time": start, "completion_time": end, "from_time": start, "to_time": end}
    tasks = table(task, {})
    assert plain(tasks["duration"]) == [duration, None]
    assert plain(tasks["window"]) == [window, None]


@given(st.lists(st.one_of(st.none(), st.integers(-MOST, MOST), st.sampled_from([-1, LAST + 1]))))
def test_times_are_bounded_once(values: list[int | None]):
    """Outside of 1970 to 2999, window times are clipped and others missing; each is reported."""
    frame = support.frame([dict.fromkeys(support.TIMES, value) for value in values])
    tasks, reported = conform_quietly(frame)
    out = [row for row, value in enumerate(values) if value is not None]
    out = [row for row in out if not FIRST <= values[row] <= LAST]
    for name in support.TIMES:
        cut = name in ("from_time", "to_time")
        expected = [
            value
            if value is None or FIRST <= value <= LAST
            else (min(max(value, FIRST), LAST) if cut else None)
            for value in values
        ]
        assert plain(tasks[name]) == expected
    assert sorted({place for place, _ in reported}) == sorted(f"row {row}" for row in out)
    assert len(reported) == len(out) * len(support.TIMES)


def test_a_changed_time_is_a_warning():
    """A warning has the value, its place and the change; no row was left out."""
    with pytest.warns(BadRowsWarning) as caught:
        table({"to_time": LAST + 1, "creation_time": -1}, {})
    (warning,) = caught
    assert not warning.message.partial
    assert str(warning.message) == (
        "1 x to_time is after 2999: set to that bound (row 0); "
        "1 x creation_time is before 1970: set to missing (row 0); all of them were kept"
    )


def test_times_in_another_unit_are_noticed():
    """One warning says which times look like another unit, with the remedy."""
    made = {"task_id": ["a", "b"], "creation_time": [1715920300, 1437652800000]}
    frame = pd.DataFrame(made | {"completion_time": [1715920312, None]})
    says = r'look like seconds.*1 of creation_time, 1 of completion_time.*times_in="s"'
    with pytest.warns(UnusedWarning, match=says) as caught:
        xs.conform(frame)
    assert len(caught) == 1
    assert caught[0].message.partial
    assert plain(xs.conform(frame.iloc[:1], times_in="s")["duration"]) == [12_000]
    naive = pd.DataFrame({"task_id": ["a"], "creation_time": pd.to_datetime(["2026-11-23 07:00"])})
    assert plain(xs.conform(naive, times_in="Europe/Berlin")["creation_time"]) == [SEEN]
    early = pd.to_datetime([START // 1000], unit="ms", utc=True)
    aware = pd.DataFrame({"task_id": ["a"], "to_time": early})
    assert plain(xs.conform(aware)["to_time"]) == [START // 1000]  # aware times are not affected


def test_unknown_states_become_categories():
    """Known states are read in any casing; unknown ones are categories after the six."""
    tasks = table(
        {"status_code": "active"},
        {"status_code": "PAUSED"},
        {"status_code": "COMPLETE"},
        {},
        {"status_code": "Pending_Cancel"},
        {"status_code": "pendingCancel"},
        {"status_code": "failed"},
    )
    assert plain(tasks["status_code"]) == [
        *("active", "PAUSED", "COMPLETED", None, "PENDING_CANCEL", "PENDING_CANCEL", "FAILED")
    ]
    assert list(tasks["status_code"].cat.categories) == [*schema.STATES, "PAUSED", "active"]


def test_categories_that_are_ordered_or_unused():
    """An ordered categorical, or one with unused categories, is read like text."""
    states = pd.CategoricalDtype(["ODD", "COMPLETED", "COMPLETE", "unused"], ordered=True)
    regions = pd.CategoricalDtype(["us-east-1", "eu-west-1", "unused"], ordered=True)
    text = pd.DataFrame(
        {
            "task_id": list("abcd"),
            "region": ["eu-west-1", "us-east-1", None, "eu-west-1"],
            "status_code": ["COMPLETE", "ODD", None, "COMPLETED"],
        }
    )
    typed = text.astype({"region": regions, "status_code": states, "task_id": "category"})
    assert_frame_equal(xs.conform(typed), xs.conform(text))


def test_row_labels_mean_nothing():
    """Row labels of any kind are ignored and not kept."""
    frame = pd.DataFrame({"task_id": ["a", "b"], "creation_time": [1, 2]}, index=["x", "x"])
    assert_frame_equal(xs.conform(frame), xs.conform(frame.reset_index(drop=True)))


def test_the_two_frames_share_nothing():
    """Changes of the table do not affect the caller's frame, and vice versa."""
    frame = pd.DataFrame(
        {
            "task_id": pd.Series(["a", "b"], dtype="str"),
            "region": pd.Categorical(["x", "y"]),
            "creation_time": pd.to_datetime([1, 2], unit="ms", utc=True).as_unit("ms"),
        }
    )
    later = pd.Timestamp(9, unit="ms", tz="UTC")
    before = frame.copy(deep=True)
    tasks = xs.conform(frame)
    kept = tasks.copy(deep=True)
    tasks.loc[0, ["task_id", "region", "creation_time"]] = ["z", "y", later]
    assert_frame_equal(frame, before)
    tasks = xs.conform(frame)
    frame.loc[0, ["task_id", "region", "creation_time"]] = ["z", "y", later]
    assert_frame_equal(tasks, kept)
