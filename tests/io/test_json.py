"""JSON as bytes or decoded, exact or not, gives the same table of tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import support
from hypothesis import given, strategies as st
from json_oracle import (
    NO_TIME,
    SEEN,
    OddError,
    expect,
    expect_lines,
    found,
    json_lines,
    json_tasks,
    read,
    read_lines,
)
from pandas.testing import assert_frame_equal
from support import API_SAMPLE, MOST, START, plain, rows_of, table, tables

import exportstats as xs
from exportstats.core import frames, identity
from exportstats.core.schema import LOG_GROUPS, TASKS
from exportstats.io.json_text import Page, read_pages, to_json
from exportstats.io.rows import to_table

if TYPE_CHECKING:
    import pandas as pd


@given(json_lines())
def test_lines_are_read_as_one_by_one(block: bytes):
    """Lines of any JSON give the tasks, places and reasons of each line read alone."""
    try:
        good, refused, unused = found(read_lines(block))
    except xs.FileFormatError:  # read as one text, because most lines do not end a value
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        whole = sum(line.startswith(b"{") and line.endswith(b"}") for line in lines)
        assert whole < sum(line.endswith((b",", b"[", b"{")) for line in lines)
        return
    expected = expect_lines(block)
    assert (good, sorted(refused)) == (expected[0], sorted(expected[1]))
    # the keys of a refused row may be counted or not
    assert expected[2] <= unused


@given(st.lists(st.tuples(st.lists(json_tasks(), max_size=3), st.integers(0, 10)), max_size=4))
def test_pages_as_bytes_and_decoded(pages: list[tuple[list[Any], int]]):
    """Pages give the same rows, places and reasons as bytes and as lists, with their time."""
    good, refused, number = [], [], 6
    for tasks, seen in pages:
        for task in tasks:
            number += 1
            place = f"task {number}"
            try:
                row, _ = expect(task)
            except OddError as fault:
                refused.append((place, str(fault)))
            else:
                known = row["observed_at"]
                good.append((place, row | {"observed_at": seen if known is None else known}))
    bodies = [json.dumps({"exportTasks": tasks, "nextToken": "t"}).encode() for tasks, _ in pages]
    as_bytes = [Page(body, seen) for body, (_, seen) in zip(bodies, pages, strict=True)]
    assert found(read_pages(as_bytes, 7, TASKS))[:2] == (good, refused)
    assert found(read_pages([Page(*page) for page in pages], 7, TASKS))[:2] == (good, refused)


@given(tables())
def test_json_round_trip(tasks: pd.DataFrame):
    """`to_json` has AWS's own shape; as lines or as a page it reads back unchanged."""
    made = list(to_json(tasks))
    assert [expect(task) for task in made] == [(row, []) for row in rows_of(tasks)]
    block = "\n".join(map(json.dumps, made)).encode()
    assert_frame_equal(to_table(read_lines(block), TASKS), tasks)
    seen = to_table(read_pages([Page(made, SEEN)], 1, TASKS), TASKS)
    names = [name for name in tasks if name != "observed_at"]
    assert_frame_equal(seen[names], tasks[names])


def test_json_has_no_nulls():
    """Missing values are left out, and so are empty objects."""
    tasks = table({"task_id": "a"}, {"task_id": "b", "status_message": "x", "creation_time": 0})
    assert list(to_json(tasks)) == [
        {"taskId": "a"},
        {"taskId": "b", "status": {"message": "x"}, "executionInfo": {"creationTime": 0}},
    ]
    assert list(to_json(tasks.assign(team=["x", None]))) == [
        {"taskId": "a", "own": {"team": "x"}},
        {"taskId": "b", "status": {"message": "x"}, "executionInfo": {"creationTime": 0}},
    ]


@pytest.mark.parametrize("body", [API_SAMPLE, json.loads(API_SAMPLE)["exportTasks"]])
def test_sample_of_the_api_reference(body: bytes | list[Any]):
    """The API's own answer is two tasks with one ID, both kept and reported, 130 ms each."""
    tasks, reported = read(read_pages([Page(body, SEEN)], 1, TASKS))
    assert plain(tasks["task_id"]) == ["exampleTaskId"] * 2
    assert plain(tasks["task_name"]) == ["my-task-1", "my-task-2"]
    assert plain(tasks["status_code"]) == ["COMPLETED"] * 2
    assert plain(tasks["duration"]) == [130] * 2
    assert plain(tasks["window"]) == [452] * 2
    assert plain(tasks["observed_at"]) == [SEEN] * 2
    assert reported == [
        ("task 1", identity.CONTRADICTION_OF_TASKS),
        ("task 2", identity.CONTRADICTION_OF_TASKS),
    ]


@pytest.mark.parametrize("body", [b'{"exportTasks":null}', b'{"exportTasks":[]}', []])
def test_pages_without_a_task(body: bytes | list[Any]):
    """A page may have an empty or null list; later tasks keep their numbers."""
    last = b'{"exportTasks":[{"taskId":"a"},{"taskId":5}]}'
    odd = json.loads(last)["exportTasks"] if isinstance(body, list) else last
    tasks, reported = read(read_pages([Page(body, 1), Page(odd, 2), Page(body, 3)], 1, TASKS))
    assert plain(tasks["task_id"]) == ["a"]
    assert plain(tasks["observed_at"]) == [2]
    assert reported == [("task 2", "task_id is not text")]


def test_no_page_at_all():
    """No pages are an empty table."""
    for parts in ([], read_pages([], 1, TASKS), read_lines(b""), read_lines(b"\n \n")):
        assert_frame_equal(to_table(parts, TASKS), frames.empty())
    assert_frame_equal(to_table(read_pages([Page([], 0)], 1, TASKS), TASKS), frames.empty())


def test_many_pages_one_of_them_odd():
    """Of more pages than are read at once, an odd one is reported, and the others are unchanged."""
    bodies = [
        json.dumps({"exportTasks": [{"taskId": f"{n}-{k}", "from": k} for k in range(3)]}).encode()
        for n in range(120)
    ]
    bodies[77] = bodies[77].replace(b'"from": 1', b'"from": "soon"')
    parts = read_pages([Page(body, n) for n, body in enumerate(bodies)], 1, TASKS)
    tasks, reported = read(parts)
    assert reported == [("task 233", f"from_time {NO_TIME}")]
    expected = [(f"{n}-{k}", k, n) for n in range(120) for k in range(3) if (n, k) != (77, 1)]
    columns = [plain(tasks[name]) for name in ("task_id", "from_time", "observed_at")]
    assert list(zip(*columns, strict=True)) == expected


def test_an_odd_task_does_not_affect_its_neighbours():
    """A task is read in the same way next to an exact task and an odd one."""
    odd = [
        {"taskId": "a", "status": 0},
        {"taskId": "a", "status": ""},
        {"taskId": "a", "status": False},
        {"taskId": "a", "status": []},
        {"taskId": "a", "executionInfo": None},
        {"taskId": "a", "from": MOST + 1},
        {"taskId": "a", "from": -MOST - 1},
        {"taskId": "", "from": 5},
        {"taskId": "a", "from": 5.0},
    ]

    def read_decoded(*tasks: Any) -> tuple[list[Any], list[Any]]:  # noqa: ANN401
        return found(read_pages([Page([*tasks], 0)], 1, TASKS))[:2]

    for task in odd:
        alone = read_decoded(task)
        exact = read_decoded(task, {"taskId": "b"})
        beside = read_decoded(task, {"taskId": 5})
        assert exact[0][: len(alone[0])] == beside[0][: len(alone[0])] == alone[0]
        assert exact[1] == alone[1]
        assert beside[1] == [*alone[1], ("task 2", "task_id is not text")]


@pytest.mark.parametrize("block", [b"null", b"null\n", b" \n null\n{}\n", b"null\nnull", b"\tnull"])
def test_null_that_comes_first(block: bytes):
    """A null in the place of the first task is refused (it can crash a parser)."""
    good, refused, _ = found(read_lines(block + b'\n{"taskId":"a"}'))
    assert [row["task_id"] for _, row in good] == ["a"]
    assert "the task is not an object but null" in {reason for _, reason in refused}
    refused = found(read_pages([Page([None], 0)], 1, TASKS))[1]
    assert refused == [("task 1", "the task is not an object but null")]


def test_places_and_reasons_of_lines():
    """Each invalid line is reported with its number, counting empty lines, and the reason."""
    block = b"\n".join(
        [
            b'{"taskId":"a"}',
            b'{"taskId":"b",}',
            b'{"taskId":"\xff"}',
            b"[7]",
            b'"text"',
            b"12345678901234567890123456789012345678901234567890",
            b'{"taskId":null}',
            b'{"taskId":"c","status":5}',
            b'{"taskId":"d","executionInfo":{"creationTime":true}}',
            b'{"taskId":"e","accountId":12345678901}',
            b'{"taskId":"f","status":{"code":[]}}',
            b'{"taskId":"g"} {"taskId":"h"}',
            b'{"taskId":"i"} x',
            b'{"taskId":"j"}',
            b"",
        ]
    )
    tasks, reported = read(read_lines(block, "f.jsonl"))
    assert plain(tasks["task_id"]) == ["a", "g", "h", "j"]
    reasons = dict(reported)
    assert reasons.pop("f.jsonl, line 3").startswith("not JSON: ")
    assert reasons == {
        "f.jsonl, line 4": "not UTF-8 at byte 12 of the line",
        "f.jsonl, line 5": "the task is not an object but 7",
        "f.jsonl, line 6": 'the task is not an object but "text"',
        "f.jsonl, line 7": "the task is not an object but 1.2345678901234567e+49",
        "f.jsonl, line 8": "no task_id",
        "f.jsonl, line 9": "status_code is not text",
        "f.jsonl, line 10": f"creation_time {NO_TIME}",
        "f.jsonl, line 11": "account_id is not text",
        "f.jsonl, line 12": "status_code is not text",
        "f.jsonl, line 14": "not JSON: Expecting value at column 16",
    }
    with pytest.raises(xs.BadRowsError, match=r"2 x status_code is not text \(f.jsonl, line 9"):
        to_table(read_lines(block, "f.jsonl"), TASKS, strict=True)


def test_places_across_parts():
    """Rows that contradict each other are reported with their places, in any part."""
    exact = read_lines(b'{"taskId":"x"}\n{"taskId":"a","from":1}\n', "A")
    odd = read_lines(b'{"taskId":5}\n\n{"taskId":"a","from":2.0}', "B")
    pages = read_pages([Page([], 0), Page([{"taskId": "a", "from": 3}], 0)], 1, TASKS)
    tasks, reported = read([*exact, *odd, *pages])
    assert plain(tasks["from_time"]) == [None, 1, 2, 3]
    assert reported[0] == ("B, line 2", "task_id is not text")
    again = identity.CONTRADICTION_OF_TASKS
    assert reported[1:] == [("A, line 3", again), ("B, line 4", again), ("task 1", again)]


def test_servers_like_aws():
    """Answers of similar servers are read: null names, unknown states, no `executionInfo`."""
    body = b'{"exportTasks":[{"taskId":"a","taskName":null,"status":{"code":"active"},"to":5}]}'
    tasks = to_table(read_pages([Page(body, SEEN)], 1, TASKS), TASKS)
    assert plain(tasks["status_code"]) == ["active"]
    assert plain(tasks["task_name"]) == plain(tasks["creation_time"]) == [None]
    assert plain(tasks["to_time"]) == [5]


@pytest.mark.parametrize("deep", [100, 900, 100_000])
def test_deeply_nested_lines(deep: int):
    """A line nested too deeply is refused, and does not affect the others."""
    nested = b'{"taskId":"deep","more":' + b"[" * deep + b"]" * deep + b"}"
    objects = b'{"taskId":"deep","more":' + b'{"a":' * deep + b"1" + b"}" * deep + b"}"
    for line in (nested, objects):
        for other in (b'{"taskId":"a"}', b'{"taskId":"a","from":1.0}'):
            good, refused, _ = found(read_lines(line + b"\n" + other))
            assert [row["task_id"] for _, row in good][-1] == "a"
            assert len(good) + len(refused) == 2
            assert all(reason.startswith("not JSON that can be read") for _, reason in refused)


@given(st.lists(st.sampled_from(["x", "y", "\N{FIRE}"]), max_size=5), st.integers(START, START + 5))
def test_filled_columns(regions: list[str], seen: int):
    """`filled` fills missing values with a scalar or an array, and changes nothing else."""
    tasks = [{"taskId": str(n), "from": n} for n, _ in enumerate(regions)]
    if tasks:
        tasks[0]["region"] = "known"
    (rows,) = read_lines("\n".join(map(json.dumps, tasks)).encode())
    given_ = np.array(regions, dtype=object)
    filled = rows.filled(account_id="012345678901", observed_at=seen, region=given_)
    over = rows.filled(account_id=None, region=given_, over=True)
    expected = [
        {"task_id": str(n), "from_time": n, "account_id": "012345678901", "region": region}
        for n, region in enumerate(regions)
    ]
    found_ = to_table([over.filled(account_id="012345678901", observed_at=seen)], TASKS)
    assert_frame_equal(found_, table(*expected, observed_at=seen))
    if expected:
        expected[0]["region"] = "known"
    assert_frame_equal(to_table([filled], TASKS), table(*expected, observed_at=seen))
    assert rows.table["region"].null_count == max(len(regions) - 1, 0)


def test_where_counts_what_was_refused():
    """The place of a row counts the refused lines before it."""
    (rows,) = read_lines(b'{"taskId":1}\n\n{"taskId":"a"}\nnull\n{"taskId":"b"}')
    assert [rows.where(n) for n in range(2)] == ["f, line 4", "f, line 6"]
    assert len(rows) == 4


def test_pages_of_log_groups():
    """Answers of DescribeLogGroups are read by the same code, with days and ARNs."""
    arn = "arn:aws:logs:eu-west-1:012345678901:log-group:/a:*"
    exact = [{"logGroupName": "/a", "retentionInDays": 30, "storedBytes": 5}]
    odd = [{"logGroupName": "/c", "arn": arn, "retentionInDays": None, "storedBytes": 2.0}]
    pages = [[*exact, {"logGroupName": "/b"}], odd]
    for bodies in (pages, [json.dumps({"logGroups": page}).encode() for page in pages]):
        parts = read_pages([Page(body, SEEN) for body in bodies], 1, LOG_GROUPS)
        groups = to_table(parts, LOG_GROUPS)
        assert plain(groups["log_group_name"]) == ["/a", "/b", "/c"]
        assert plain(groups["retention"]) == [30 * support.DAY, None, None]
        assert plain(groups["stored_bytes"]) == [5, None, 2]
        assert plain(groups["region"]) == [None, None, "eu-west-1"]
        assert plain(groups["observed_at"]) == [SEEN] * 3
