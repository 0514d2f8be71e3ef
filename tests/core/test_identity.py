"""A task that appears several times is kept once, in its latest state."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import support
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import START, conform_quietly, ms, plain, rows_of, table, tables

import exportstats as xs
from exportstats.core import frames, identity, schema
from exportstats.errors import BadRowsWarning

if TYPE_CHECKING:
    import pandas as pd

SEEN = ms("2026-11-23T06:00Z")

TASK = {
    "account_id": "111122223333",
    "region": "eu-west-1",
    "task_id": "a",
    "log_group_name": "/aws/vpc",
    "from_time": 1,
    "to_time": 2,
    "creation_time": START,
}


def again(*answers: dict[str, Any]) -> list[pd.DataFrame]:
    """Return the tables of the same answers in every order."""
    made = [{**TASK, **answer} for answer in answers]
    return [xs.conform(support.frame(order)) for order in permutations(made)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(
            {"status_code": "RUNNING", "observed_at": SEEN},
            {"status_code": "COMPLETED", "observed_at": SEEN - 5},
            id="ended beats active, whenever that was seen",
        ),
        pytest.param(
            {"status_code": "PAUSED", "observed_at": SEEN},
            {"status_code": "COMPLETE"},
            id="an alias of an ended state has ended",
        ),
        pytest.param(
            {"status_code": "CANCELLED", "observed_at": SEEN - 1},
            {"status_code": "COMPLETED", "observed_at": SEEN},
            id="of two ends the one seen later",
        ),
        pytest.param(
            {"status_code": "RUNNING", "observed_at": SEEN - 1},
            {"status_code": "PENDING", "observed_at": SEEN},
            id="of two active ones the one seen later",
        ),
        pytest.param(
            {"status_code": "RUNNING"},
            {"status_code": "PENDING", "observed_at": 0},
            id="seen at some time beats seen who knows when",
        ),
        pytest.param(
            {"status_code": "PENDING", "observed_at": SEEN},
            {"status_code": "RUNNING", "observed_at": SEEN},
            id="seen together, the one further on",
        ),
        pytest.param({"status_code": None}, {"status_code": "PENDING"}, id="any state beats none"),
        pytest.param(
            {"status_code": "COMPLETED"},
            {"status_code": "COMPLETED", "completion_time": START + 5},
            id="an end that is known beats one that is not",
        ),
        pytest.param(
            {"status_code": "COMPLETED", "completion_time": START + 4},
            {"status_code": "COMPLETED", "completion_time": START + 5},
            id="of two ends the later",
        ),
        pytest.param(
            {"status_code": "PENDING"},
            {"status_code": "PENDING", "task_name": "nightly"},
            id="else the one that says more",
        ),
        pytest.param(
            {"status_code": "FAILED", "status_message": "a"},
            {"status_code": "FAILED", "status_message": "b"},
            id="else by the message, that it does not hang on the order",
        ),
        pytest.param(
            {"status_code": "ODD"}, {"status_code": "PAUSED"}, id="else by an unknown state's name"
        ),
    ],
)
def test_latest_state_is_kept(earlier: dict[str, Any], later: dict[str, Any]):
    """Of two answers about one task the later one is kept, in any order."""
    whole = dict.fromkeys(schema.NAMES[:-2]) | TASK | later
    if whole["status_code"] == "COMPLETE":
        whole["status_code"] = "COMPLETED"
    for tasks in [
        *again(earlier, later),
        xs.conform(support.frame([{**TASK, **each} for each in (earlier, later, earlier)])),
    ]:
        assert rows_of(tasks) == [whole]


def test_missing_field_is_no_contradiction():
    """A field that only one answer has does not make two tasks."""
    for tasks in again(
        {"task_name": None, "status_code": "PENDING"},
        {"task_name": "nightly", "creation_time": None, "status_code": "RUNNING"},
        {"task_name": "nightly", "status_code": "COMPLETED", "completion_time": START + 1},
    ):
        assert plain(tasks["status_code"]) == ["COMPLETED"]
        assert plain(tasks["duration"]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        {"task_name": "other"},
        {"log_group_name": "other"},
        {"from_time": 0},
        {"to_time": 3},
        {"destination": "other"},
        {"destination_prefix": "other"},
        {"creation_time": START + 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_two_tasks_of_one_identifier(other: dict[str, Any]):
    """Tasks that differ in fixed fields are both kept and reported."""
    here = {**TASK, "task_name": "x", "destination": "x", "destination_prefix": "x"}
    frame = support.frame([{"task_id": "z"}, here, {**here, **other}, here])
    tasks, reported = conform_quietly(frame)
    assert len(tasks) == 3
    # of two equal rows, the later one is kept
    assert reported == [
        ("row 2", identity.CONTRADICTION_OF_TASKS),
        ("row 3", identity.CONTRADICTION_OF_TASKS),
    ]
    with pytest.warns(BadRowsWarning, match="all of them were kept"):
        assert len(xs.conform(frame, strict=True)) == 3


@pytest.mark.parametrize("column", ["account_id", "region", "task_id"])
def test_another_key_is_another_task(column: str):
    """One ID in two accounts or regions is two tasks; a missing value counts as one."""
    for value in ("other", None)[: 1 if column == "task_id" else 2]:
        tasks, reported = conform_quietly(support.frame([TASK, {**TASK, column: value}]))
        assert len(tasks) == 2
        assert reported == []
        assert len(xs.conform(support.frame([{**TASK, column: value}] * 3))) == 1


def test_rows_keep_their_order():
    """The kept rows stay in order."""
    made = [{"task_id": name, "observed_at": seen} for seen, name in enumerate("cabcba")]
    tasks = xs.conform(support.frame(made))
    assert plain(tasks["task_id"]) == ["c", "b", "a"]


def keep_latest(made: list[support.Row]) -> list[support.Row]:
    """Keep each task once by the documented rules, in plain Python."""
    kept = []
    for answers in support.by_group(made, schema.KEY).values():
        fixed = (*schema.NAMES[3:5], *schema.NAMES[5:9], "creation_time")
        torn = any(len({answer[name] for answer in answers} - {None}) > 1 for name in fixed)
        tasks = support.by_group(answers, fixed).values() if torn else [answers]
        kept += [max(task, key=lateness) for task in tasks]
    return kept


def lateness(row: support.Row) -> tuple[Any, ...]:
    """Return the sort key of an answer, the most important part first."""

    def known(name: str) -> tuple[bool, Any]:
        return (row[name] is not None, row[name] or 0 if name in support.TIMES else row[name] or "")

    state = "COMPLETED" if row["status_code"] == "COMPLETE" else row["status_code"]
    return (
        state in support.ENDED,
        known("observed_at"),
        schema.STATES.index(state) if state in schema.STATES else -1,
        known("completion_time"),
        (state is not None, state or ""),
        known("status_message"),
        *(known(name) for name in (*schema.NAMES[3:9], "creation_time")),
    )


# Answers about a few tasks, most of them alike.
ANSWERS = st.fixed_dictionaries(
    {
        "task_id": st.sampled_from("ab"),
        "region": st.sampled_from(["x", None]),
        "task_name": st.sampled_from([None, "n", "n", "m"]),
        "creation_time": st.sampled_from([None, 5, 5, 6]),
        "status_code": st.sampled_from([*schema.STATES, "COMPLETE", "PAUSED", "ODD", None]),
        "status_message": st.sampled_from([None, "p", "q"]),
        "observed_at": st.sampled_from([None, 0, 1, 2]),
        "completion_time": st.sampled_from([None, 6, 7]),
    }
)


@given(st.lists(ANSWERS, max_size=8), st.integers(0, 2**32).map(Random))
def test_latest_state_by_the_rules(made: list[support.Row], random: Random):
    """Any answers in any order give the same tasks as the rules in plain Python."""
    expected = keep_latest([{**dict.fromkeys(schema.NAMES[:-2]), **row} for row in made])
    for row in expected:
        row["status_code"] = "COMPLETED" if row["status_code"] == "COMPLETE" else row["status_code"]
    random.shuffle(made)
    tasks, reported = conform_quietly(support.frame(made))

    def in_order(found: list[support.Row]) -> list[str]:
        return sorted(map(repr, found))

    assert in_order(rows_of(tasks)) == in_order(
        [{name: row[name] for name in schema.NAMES[:-2]} for row in expected]
    )
    shared = support.by_group(rows_of(tasks), schema.KEY)
    assert len(reported) == sum(len(tasks) for tasks in shared.values() if len(tasks) > 1)


def test_concat():
    """Concatenated tables have each task once; no tables are the empty table."""
    first = table({**TASK, "status_code": "RUNNING", "observed_at": 1}, {"task_id": "b"})
    second = table({**TASK, "status_code": "COMPLETED", "observed_at": 2}, {"task_id": "c"})
    both = frames.concat([first, second])
    assert plain(both["task_id"]) == ["b", "a", "c"]
    assert plain(both["status_code"]) == [None, "COMPLETED", None]
    frames.check(both)
    assert_frame_equal(frames.concat([]), frames.empty())
    assert_frame_equal(frames.concat([first]), first)
    assert_frame_equal(frames.concat([frames.empty(), first]), first)


@pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")
@given(st.lists(tables(max_size=6), max_size=3))
def test_concat_gives_a_table(several: list[pd.DataFrame]):
    """Any concatenated tables are the table of all their rows."""
    several = [tasks.assign(task_id=f"{n}-" + tasks["task_id"]) for n, tasks in enumerate(several)]
    both = frames.concat(several)
    frames.check(both)
    assert rows_of(both) == [row for tasks in several for row in rows_of(tasks)]
    assert_frame_equal(both, xs.conform(both))
    assert np.array_equal(both.index, range(len(both)))
