"""AWS's JSON becomes a table of tasks: as bytes or decoded, exact or odd, it is the same table."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import support
from hypothesis import given, settings, strategies as st
from pandas.testing import assert_frame_equal
from support import API_SAMPLE, MOST, START, ms, plain, quick, rows_of, table, tables

import exportstats as xs
from exportstats.core import schema
from exportstats.io import records
from exportstats.io.records import Page, Rows

if TYPE_CHECKING:
    import pandas as pd

PATHS = {column.name: column.json.split(".") for column in schema.BASE_COLUMNS}
NO_TIME = "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"
SEEN = ms("2026-11-23T06:00Z")


def line(number: int) -> str:
    """Name a row as a line."""
    return f"line {number + 1}"


def read(parts: list[Rows]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Give the table, and the place and reason of each row that was reported."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tasks = records.to_table(parts)
    schema.validate(tasks)
    reported = [
        (row.place, row.reason) for each in caught for row in each.message.rows.itertuples()
    ]
    return tasks, reported


def found(parts: list[Rows]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """Give the place and the fields of each row that can be a task, and what is refused."""
    good, refused = [], []
    for part in parts:
        times = [n for n in part.table.column_names if n in support.TIMES]
        whole = pa.table(
            {
                name: column.cast(pa.int64() if name in times else pa.string())
                for name, column in zip(part.table.column_names, part.table.columns, strict=True)
            }
        )
        good += [(part.where(n), row) for n, row in enumerate(whole.to_pylist())]
        refused += [(part.name(number), reason) for number, reason in part.refused]
    return good, refused


# What a JSON value is as a task, in plain Python.


class OddError(Exception):
    """It cannot be a task."""


def expect(value: Any) -> support.Row:  # noqa: ANN401
    """Give the fields of a task.

    Raises
    ------
    OddError
        It cannot be one; the text is the reason.
    """
    row = {name: walk(value, path) for name, path in PATHS.items()}
    row = {
        name: as_time(name, field) if name in support.TIMES else as_text(name, field)
        for name, field in row.items()
    }
    if not row["task_id"]:
        raise OddError("no task_id")
    return row


def walk(value: Any, path: list[str]) -> Any:  # noqa: ANN401
    """Follow a path; null ends it."""
    done: list[str] = []
    for key in path:
        if value is None:
            return None
        if not isinstance(value, dict):
            text = json.dumps(value)
            shown = text if len(text) <= 40 else text[:40] + "..."
            raise OddError(f"{'.'.join(done) or 'the task'} is no object but {shown}")
        value = value.get(key)
        done.append(key)
    return value


def is_missing(field: Any) -> bool:  # noqa: ANN401
    """Tell null, and Python's NaN."""
    return field is None or (isinstance(field, float) and math.isnan(field))


def as_text(name: str, field: Any) -> str | None:  # noqa: ANN401
    """Take text as it is, half a surrogate pair as a question mark."""
    if is_missing(field):
        return None
    if not isinstance(field, str):
        raise OddError(f"{name} is not text")
    return field.encode("utf-8", "replace").decode()


TIME_TEXTS = {
    "1437584472856": 1437584472856,
    "2015-07-22T17:01:12.856Z": 1437584472856,
    "2015-07-22T19:01:12.856+02:00": 1437584472856,
}


def as_time(name: str, field: Any) -> int | None:  # noqa: ANN401
    """Take whole numbers, however written, and the texts that are known here."""
    if is_missing(field):
        return None
    if isinstance(field, float) and field.is_integer():
        field = int(field) if abs(field) < 2**63 else MOST + 1
    if isinstance(field, str):
        field = TIME_TEXTS.get(field)
    if type(field) is not int or not -MOST <= field <= MOST:
        raise OddError(f"{name} {NO_TIME}")
    return field


# Tasks as JSON might have them: most as AWS writes them, some odd in a way.

TEXTS = st.one_of(
    st.sampled_from(
        ["a", "b", "", "eu-west-1", "\N{FIRE}é", "\ud800", "x\udfffy", "\x00\x1f", "NaN"]
    ),
    st.text(max_size=5),
)
WHOLES = st.one_of(st.integers(START, START + 5), st.integers(-MOST, MOST))
ODD = st.one_of(
    st.sampled_from([True, False, 0, 1, "", [], {}, [1], {"code": 1}, 1.0, 1.5, 1e300, -0.0]),
    st.sampled_from(
        [math.nan, math.inf, MOST + 1, -MOST - 1, 10**30, *TIME_TEXTS, "soon", 2.0**53]
    ),
)


@st.composite
def json_tasks(draw: Any, *, odd: bool = True) -> Any:  # noqa: ANN401
    """Give a task as decoded JSON."""
    task: dict[str, Any] = {"more": draw(ODD)}
    for name, (*outer, last) in PATHS.items():
        usual = WHOLES if name in support.TIMES else TEXTS
        if name == "task_id" and draw(st.booleans()):
            usual = st.uuids().map(str)
        if draw(st.integers(0, 5)) == 0:
            continue
        place = task
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = draw(usual)
    if odd and draw(st.integers(0, 3)) == 0:
        *outer, last = draw(st.sampled_from([*PATHS.values(), ["status"], ["executionInfo"]]))
        place = task
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = draw(st.none() | ODD)
    if odd and draw(st.integers(0, 20)) == 0:
        return draw(st.none() | ODD)
    return task


@st.composite
def json_lines(draw: Any) -> bytes:  # noqa: ANN401
    """Give lines of JSON, some broken, in any spelling that JSON allows."""
    lines = []
    for task in draw(st.lists(json_tasks(odd=draw(st.booleans())), max_size=6)):
        kind = draw(st.integers(0, 30))
        text = json.dumps(task, ensure_ascii=draw(st.booleans()))
        made = text.encode("utf-8", "surrogatepass")
        if kind == 0:
            made = draw(
                st.sampled_from(
                    [b"", b" ", b"\r", b"{", b"nul", b"{}{}", b"\xff", b"\xef\xbb\xbf{}"]
                )
            )
        elif kind == 1:
            made = draw(st.binary(max_size=8)).replace(b"\n", b"")
        elif kind == 2:
            made = made[:-1] + b',"taskId":"twice","status":{"code":"FAILED"}}'
        elif kind == 3:
            made = made[:-1] + b',"taskName":"\xe9"}'
        elif kind == 4:
            made = b"\t " + made + b" \r"
        lines.append(made)
    return b"\n".join(lines) + draw(st.sampled_from([b"", b"\n"]))


def expect_lines(block: bytes) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """Read JSON Lines one by one, as `found` gives them."""
    good, refused = [], []
    for number, raw in enumerate(block.split(b"\n")):
        if not raw.strip():
            continue
        try:
            good.append((line(number), expect(json.loads(raw.decode()))))
        except OddError as fault:
            refused.append((line(number), str(fault)))
        except UnicodeDecodeError as fault:
            refused.append((line(number), f"not UTF-8 at byte {fault.start + 1} of the line"))
        except json.JSONDecodeError as fault:
            refused.append((line(number), f"not JSON: {fault.msg} at column {fault.colno}"))
    return good, refused


@settings(quick, max_examples=50)
@given(json_lines())
def test_lines_are_read_as_one_by_one(block: bytes):
    """Lines of any JSON give the tasks, and the places and reasons, of each line read alone."""
    assert found([records.read_lines(block, line)]) == expect_lines(block)


@quick
@given(st.lists(json_tasks(), max_size=6))
def test_decoded_tasks_are_read_as_one_by_one(tasks: list[Any]):
    """Decoded tasks of any shape give what each of them gives alone."""
    good, refused = [], []
    for number, task in enumerate(tasks):
        try:
            good.append((line(number), expect(task)))
        except OddError as fault:
            refused.append((line(number), str(fault)))
    assert found([records.read_decoded(tasks, line)]) == (good, refused)


@quick
@given(st.lists(st.tuples(st.lists(json_tasks(), max_size=3), st.integers(0, 10)), max_size=4))
def test_pages_as_bytes_and_decoded(pages: list[tuple[list[Any], int]]):
    """Pages give the same rows, places and reasons as bytes and as lists, and know their time."""
    good, refused = [], []
    for number, (tasks, seen) in enumerate(pages, 1):
        for at, task in enumerate(tasks, 1):
            place = f"page {number}, task {at}"
            try:
                good.append((place, {**expect(task), "observed_at": seen}))
            except OddError as fault:
                refused.append((place, str(fault)))
    bodies = [json.dumps({"exportTasks": tasks, "nextToken": "t"}).encode() for tasks, _ in pages]
    as_bytes = [Page(body, seen) for body, (_, seen) in zip(bodies, pages, strict=True)]
    assert found(records.read_pages(as_bytes)) == (good, refused)
    assert found(records.read_pages([Page(*page) for page in pages])) == (good, refused)


@quick
@given(tables())
def test_json_round_trip(tasks: pd.DataFrame):
    """`to_json` gives AWS's own shape; written as lines, or as a page, it is the same table."""
    made = list(records.to_json(tasks))
    assert [expect(task) for task in made] == rows_of(tasks)
    block = "\n".join(map(json.dumps, made)).encode()
    assert_frame_equal(records.to_table([records.read_lines(block, line)]), tasks)
    assert_frame_equal(records.to_table([records.read_decoded(made, line)]), tasks)


def test_json_has_no_nulls():
    """What is missing is left out, and so is an object with nothing in it."""
    tasks = table({"task_id": "a"}, {"task_id": "b", "status_message": "x", "creation_time": 0})
    assert list(records.to_json(tasks)) == [
        {"taskId": "a"},
        {"taskId": "b", "status": {"message": "x"}, "executionInfo": {"creationTime": 0}},
    ]


@pytest.mark.parametrize("body", [API_SAMPLE, json.loads(API_SAMPLE)["exportTasks"]])
def test_sample_of_the_api_reference(body: bytes | list[Any]):
    """The API page's own answer: two tasks of one id, both kept and reported, 130 ms each."""
    tasks, reported = read(records.read_pages([Page(body, SEEN)]))
    assert plain(tasks["task_id"]) == ["exampleTaskId"] * 2
    assert plain(tasks["task_name"]) == ["my-task-1", "my-task-2"]
    assert plain(tasks["status_code"]) == ["COMPLETED"] * 2
    assert plain(tasks["duration"]) == [130] * 2
    assert plain(tasks["window"]) == [452] * 2
    assert plain(tasks["observed_at"]) == [SEEN] * 2
    assert reported == [
        ("page 1, task 1", schema.CONTRADICTION),
        ("page 1, task 2", schema.CONTRADICTION),
    ]


@pytest.mark.parametrize(
    "body", [b"{}", b'{"exportTasks":null}', b'{"exportTasks":[]}', b' {"nextToken":"t"} ', []]
)
def test_pages_without_a_task(body: bytes | list[Any]):
    """A page may have no list, none in it, or null; the pages after it keep their numbers."""
    last = b'{"exportTasks":[{"taskId":"a"},{"taskId":5}]}'
    odd = json.loads(last)["exportTasks"] if isinstance(body, list) else last
    tasks, reported = read(records.read_pages([Page(body, 1), Page(odd, 2), Page(body, 3)]))
    assert plain(tasks["task_id"]) == ["a"]
    assert plain(tasks["observed_at"]) == [2]
    assert reported == [("page 2, task 2", "task_id is not text")]


def test_no_page_at_all():
    """Nothing read is an empty table."""
    assert_frame_equal(records.to_table([]), schema.empty())
    assert_frame_equal(records.to_table(records.read_pages([])), schema.empty())
    assert_frame_equal(records.to_table([records.read_lines(b"", line)]), schema.empty())
    assert_frame_equal(records.to_table([records.read_lines(b"\n \n", line)]), schema.empty())
    assert_frame_equal(records.to_table([records.read_decoded([], line)]), schema.empty())


def test_many_pages_one_of_them_odd():
    """Of more pages than are read at once, an odd one is named, and the others are as they were."""
    bodies = [
        json.dumps({"exportTasks": [{"taskId": f"{n}-{k}", "from": k} for k in range(3)]}).encode()
        for n in range(120)
    ]
    bodies[77] = bodies[77].replace(b'"from": 1', b'"from": "soon"')
    parts = records.read_pages([Page(body, n) for n, body in enumerate(bodies)])
    tasks, reported = read(parts)
    assert reported == [("page 78, task 2", f"from_time {NO_TIME}")]
    expected = [(f"{n}-{k}", k, n) for n in range(120) for k in range(3) if (n, k) != (77, 1)]
    assert (
        list(
            zip(
                plain(tasks["task_id"]),
                plain(tasks["from_time"]),
                plain(tasks["observed_at"]),
                strict=True,
            )
        )
        == expected
    )


def test_one_odd_task_costs_its_neighbours_nothing():
    """A task is read in the same way beside an exact neighbour and beside an odd one."""
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
    for task in odd:
        alone = found([records.read_decoded([task], line)])
        exact = found([records.read_decoded([task, {"taskId": "b"}], line)])
        beside = found([records.read_decoded([task, {"taskId": 5}], line)])
        assert exact[0][: len(alone[0])] == beside[0][: len(alone[0])] == alone[0]
        assert exact[1] == alone[1]
        assert beside[1] == [*alone[1], ("line 2", "task_id is not text")]


@pytest.mark.parametrize("block", [b"null", b"null\n", b" \n null\n{}\n", b"null\nnull", b"\tnull"])
def test_null_that_comes_first(block: bytes):
    """A null where the first task should be is refused like any other (it can crash a parser)."""
    good, refused = found([records.read_lines(block + b'\n{"taskId":"a"}', line)])
    assert [row["task_id"] for _, row in good] == ["a"]
    assert {reason for _, reason in refused} == {"no task_id"}
    assert found([records.read_decoded([None], line)]) == ([], [("line 1", "no task_id")])


def test_places_and_reasons_of_lines():
    """Each line that is no task is told with its number, empty lines counted, and the reason."""
    block = b"\n".join(
        [
            b'{"taskId":"a"}',
            b"",
            b'{"taskId":"b",}',
            b'{"taskId":"\xff"}',
            b"[]",
            b'"text"',
            b"12345678901234567890123456789012345678901234567890",
            b'{"taskId":null}',
            b'{"taskId":"c","status":"COMPLETED"}',
            b'{"taskId":"d","executionInfo":{"creationTime":true}}',
            b'{"taskId":"e","accountId":12345678901}',
            b'{"taskId":"f","status":{"code":{}}}',
            b'{"taskId":"g"} {"taskId":"h"}',
            b'{"taskId":"i"}',
            b"",
        ]
    )
    tasks, reported = read([records.read_lines(block, line)])
    assert plain(tasks["task_id"]) == ["a", "i"]
    reasons = dict(reported)
    assert reasons.pop("line 3").startswith("not JSON: ")
    assert reasons == {
        "line 4": "not UTF-8 at byte 12 of the line",
        "line 5": "the task is no object but []",
        "line 6": 'the task is no object but "text"',
        "line 7": "the task is no object but 1234567890123456789012345678901234567890...",
        "line 8": "no task_id",
        "line 9": 'status is no object but "COMPLETED"',
        "line 10": f"creation_time {NO_TIME}",
        "line 11": "account_id is not text",
        "line 12": "status_code is not text",
        "line 13": "not JSON: Extra data at column 16",
    }
    with pytest.raises(xs.BadRowsError, match=r"1 x status_code is not text \(line 12\)"):
        records.to_table([records.read_lines(block, line)], strict=True)


def test_places_across_parts():
    """Rows that contradict each other are named by where they came from, whatever part that is."""
    exact = records.read_lines(b'{"taskId":"x"}\n{"taskId":"a","from":1}\n', lambda n: f"A{n}")
    odd = records.read_lines(b'{"taskId":5}\n\n{"taskId":"a","from":2.0}', lambda n: f"B{n}")
    pages = records.read_pages([Page([], 0), Page([{"taskId": "a", "from": 3}], 0)])
    tasks, reported = read([exact, odd, *pages])
    assert plain(tasks["from_time"]) == [None, 1, 2, 3]
    assert reported[0] == ("B0", "task_id is not text")
    again = schema.CONTRADICTION
    assert reported[1:] == [("A1", again), ("B2", again), ("page 2, task 1", again)]


def test_look_alikes():
    """What look-alike servers send is read: null names, unknown states, no `executionInfo`."""
    body = b'{"exportTasks":[{"taskId":"a","taskName":null,"status":{"code":"active"},"to":5}]}'
    tasks = records.to_table(records.read_pages([Page(body, SEEN)]))
    assert plain(tasks["status_code"]) == ["active"]
    assert plain(tasks["task_name"]) == plain(tasks["creation_time"]) == [None]
    assert plain(tasks["to_time"]) == [5]


@pytest.mark.parametrize("deep", [100, 900, 100_000])
def test_deeply_nested_lines(deep: int):
    """A line nested too deeply to be read costs that line at most, whatever its neighbours are."""
    nested = b'{"taskId":"deep","more":' + b"[" * deep + b"]" * deep + b"}"
    for other in (b'{"taskId":"a"}', b'{"taskId":"a","from":1.0}'):
        good, refused = found([records.read_lines(nested + b"\n" + other, line)])
        assert [row["task_id"] for _, row in good][-1] == "a"
        assert len(good) + len(refused) == 2
        assert all(reason.startswith("not JSON that can be read") for _, reason in refused)


@quick
@given(st.lists(st.sampled_from(["x", "y", "\N{FIRE}"]), max_size=5), st.integers(-MOST, MOST))
def test_filled_columns(regions: list[str], seen: int):
    """`filled` sets whole columns, by one value or by one a row, and leaves the others."""
    rows = records.read_decoded(
        [{"taskId": str(n), "from": n} for n, _ in enumerate(regions)], line
    )
    filled = rows.filled(
        account_id="012345678901", observed_at=seen, region=np.array(regions, dtype=object)
    )
    expected = [
        {"task_id": str(n), "from_time": n, "account_id": "012345678901", "region": region}
        for n, region in enumerate(regions)
    ]
    assert_frame_equal(records.to_table([filled]), table(*expected, observed_at=seen))
    assert rows.table["region"].null_count == len(regions)


def test_where_counts_what_was_refused():
    """A row's place is that of its line, lines that were refused counted."""
    rows = records.read_lines(b'{"taskId":1}\n\n{"taskId":"a"}\nnull\n{"taskId":"b"}', line)
    assert [rows.where(n) for n in range(2)] == ["line 3", "line 5"]
