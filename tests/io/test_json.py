"""JSON as bytes or decoded, exact or not, gives the same table of tasks."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import support
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import API_SAMPLE, MOST, START, ms, plain, rows_of, table, tables

import exportstats as xs
from exportstats.core import coerce, frames, identity, schema
from exportstats.core.schema import LOG_GROUPS, TASKS
from exportstats.io.json_text import Page, read_json, read_pages, to_json
from exportstats.io.rows import Rows, to_table
from exportstats.io.source import open_source

if TYPE_CHECKING:
    import pandas as pd

PATHS = {column.name: column.json.split(".") for column in schema.TASKS.base}
NO_TIME = "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"
SEEN = ms("2026-11-23T06:00Z")
BLANKS = " \t\r\ufeff"  # concatenated files contain byte order marks


def read_lines(block: bytes, name: str = "f") -> list[Rows]:
    """Read JSON Lines, the first of them empty."""
    stream = io.BytesIO(b"\n" + block)
    stream.name = name  # type: ignore[misc]
    with ThreadPoolExecutor(1) as pool, open_source(stream) as source:
        return list(read_json(source, TASKS, coerce.MILLIS, pool, has_lines=True))


def read(parts: list[Rows]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return the table, and the place and reason of each row that was reported."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        tasks = to_table(parts, TASKS)
    frames.check(tasks)
    reported = [
        (row.place, row.reason)
        for each in caught
        if isinstance(each.message, xs.BadRowsWarning)
        for row in each.message.rows.itertuples()
    ]
    return tasks, reported


def found(
    parts: list[Rows],
) -> tuple[list[tuple[str, Any]], list[tuple[str, str]], Counter[str]]:
    """Return the place and the fields of each valid row, and the unused keys."""
    good, refused, unused = [], [], Counter()
    for part in parts:
        names = list(PATHS)
        whole = pa.table(
            {
                name: part.table[name].cast(pa.int64() if name in support.TIMES else pa.string())
                for name in names
            }
        )
        good += [(part.where(n), row) for n, row in enumerate(whole.to_pylist())]
        refused += [(part.name(number), reason) for number, reason in part.refused]
        unused += part.unused
    return good, refused, unused


# JSON values as tasks, in plain Python.


class OddError(Exception):
    """A value is not a task."""


def expect(value: Any) -> tuple[support.Row, list[str]]:  # noqa: ANN401
    """Return the fields of a task, and the unused keys.

    Raises
    ------
    OddError
        The value is not a task; the text is the reason.
    """
    if not isinstance(value, dict):
        raise OddError(f"the task is not an object but {shown(value)}")
    leaves = dict(walk(value))
    given_ = {name: leaves.pop(".".join(path), None) for name, path in PATHS.items()}
    if given_["status_code"] is None:
        given_["status_code"] = leaves.pop("status", None)
    if not given_["task_id"]:
        if "taskId" in value:
            raise OddError("no task_id")
        keys = shown(", ".join(value))
        raise OddError(f"neither a page of tasks nor a task: no task_id among its keys {keys}")
    row = {
        name: as_time(name, field) if name in support.TIMES else as_text(name, field)
        for name, field in given_.items()
    }
    if not row["task_id"]:
        raise OddError("no task_id")
    return row, [path for path, field in leaves.items() if field not in ([], "")]


def shown(value: Any) -> str:  # noqa: ANN401
    """Return the beginning of a value as JSON."""
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "..."


def walk(value: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return each value that is neither null nor an object, with its path."""
    leaves = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            leaves += walk(inner, f"{before}{key}.")
        elif inner is not None:
            leaves.append((before + key, inner))
    return leaves


def is_missing(field: Any) -> bool:  # noqa: ANN401
    """Return whether a value is null or NaN."""
    return field is None or (isinstance(field, float) and math.isnan(field))


def as_text(name: str, field: Any) -> str | None:  # noqa: ANN401
    """Return text with half surrogate pairs escaped."""
    if is_missing(field):
        return None
    if not isinstance(field, str):
        raise OddError(f"{name} is not text")
    return field.encode("utf-8", "backslashreplace").decode()


TIME_TEXTS = {
    "1437584472856": 1437584472856,
    "2015-07-22T17:01:12.856Z": 1437584472856,
    "2015-07-22T19:01:12.856+02:00": 1437584472856,
}


def as_time(name: str, field: Any) -> int | None:  # noqa: ANN401
    """Return integers in any form, and the texts that this test knows."""
    if is_missing(field):
        return None
    if isinstance(field, float) and (math.isinf(field) or field.is_integer()):
        field = int(max(min(field, 1e300), -1e300))
    if isinstance(field, str):
        field = TIME_TEXTS.get(field)
    if type(field) is not int:
        raise OddError(f"{name} {NO_TIME}")
    return max(min(field, MOST), -MOST)


# Tasks in JSON: most as AWS writes them, some with odd values.

TEXTS = st.one_of(
    st.sampled_from(
        ["a", "b", "", "eu-west-1", "\N{FIRE}é", "\ud800", "x\udfffy", "\x00\x1f", "NaN"]
    ),
    st.text(max_size=5),
)
WHOLES = st.one_of(st.integers(START, START + 5), st.integers(-(10**17), MOST))
ODD = st.one_of(
    st.sampled_from([True, False, 0, 1, "", [], {}, [1], {"code": 1}, 1.0, 1.5, 1e300, -0.0]),
    st.sampled_from([math.nan, math.inf, MOST + 1, -MOST - 1, *TIME_TEXTS, "soon", 2.0**53]),
)


@st.composite
def json_tasks(draw: Any, *, odd: bool = True) -> Any:  # noqa: ANN401
    """Return a task as decoded JSON."""
    task: dict[str, Any] = {"more": draw(ODD)} if odd and draw(st.booleans()) else {}
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
        return draw(st.none() | ODD.filter(lambda value: value != {}))
    return task


@st.composite
def json_lines(draw: Any) -> bytes:  # noqa: ANN401
    """Return lines of JSON, some broken, in any spelling that JSON allows."""
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
        elif kind == 2 and made.endswith(b"}"):
            made = made[:-1] + b',"taskId":"twice","status":{"code":"FAILED"}}'
        elif kind == 3:
            made = made[:-1] + b',"taskName":"\xe9"}'
        elif kind == 4:
            made = b"\t " + made + b" \r"
        lines.append(made)
    return b"\n".join(lines) + draw(st.sampled_from([b"", b"\n"]))


def expect_lines(block: bytes) -> Any:  # noqa: ANN401
    """Read JSON Lines one by one, as `found` returns them."""
    good, refused, unused = [], [], Counter()
    decoder = json.JSONDecoder(parse_int=lambda text: int(text) if len(text) < 20 else float(text))
    for number, raw in enumerate(block.split(b"\n")):
        place = f"f, line {number + 2}"
        values = []
        try:
            text = raw.decode()
            at = len(text) - len(text.lstrip(BLANKS))
            while at < len(text):
                value, at = decoder.raw_decode(text, at)
                values += value if isinstance(value, list) else [value]
                at += len(text[at:]) - len(text[at:].lstrip(BLANKS))
        except UnicodeDecodeError as fault:
            refused.append((place, f"not UTF-8 at byte {fault.start + 1} of the line"))
            continue
        except json.JSONDecodeError as fault:
            refused.append((place, f"not JSON: {fault.msg} at column {fault.colno}"))
            continue
        for value in values:
            try:
                row, keys = expect(value)
            except OddError as fault:
                refused.append((place, str(fault)))
            else:
                good.append((place, row))
                unused.update(keys)
    return good, refused, unused


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


def test_one_odd_task_costs_its_neighbours_nothing():
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
