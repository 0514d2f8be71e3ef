"""Files larger than a block are read as if they were parsed in one piece, and places are exact."""

from __future__ import annotations

import csv
import io
import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import quick

import exportstats as xs
from exportstats.errors import BadRowsWarning, FileFormatError
from exportstats.io import blocks, csv_table, files, json_blocks, records, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    Task = dict[str, Any]

# Text made to look like the places where blocks are cut, and like their ends.
NASTY = st.one_of(
    st.text(st.sampled_from(list('{}[],:"\\ \n\u20ac\U0001f600a')), max_size=12),
    st.sampled_from(['},{"taskId":"no"},{', "}]", '"}],"x":[{', "}{", "\\", '\\"}, {', "a" * 500]),
)
ODD = st.one_of(
    st.none(),
    st.floats(-5, 5),
    st.just(10**80),
    NASTY,
    st.lists(st.fixed_dictionaries({"taskId": NASTY})),
)
TASK = st.fixed_dictionaries(
    {"taskName": NASTY, "logGroupName": NASTY},
    optional={"from": st.sampled_from([5, 5.0, "5", None]), "unknown": ODD, "status": st.none()},
)
TASKS = st.lists(TASK, max_size=25).map(
    lambda made: [{"taskId": f"task-{number}"} | task for number, task in enumerate(made)]
)


@st.composite
def values(draw: Callable[..., Any], tasks: list[Task]) -> list[Any]:
    """Give tasks as values of all kinds that may stand one after another."""
    if draw(st.booleans()):
        return tasks
    ends = [0, *sorted(draw(st.lists(st.integers(0, len(tasks)), max_size=4))), len(tasks)]
    made: list[Any] = []
    for start, end in pairwise(ends):
        page = {"exportTasks": tasks[start:end], "nextToken": draw(NASTY), "more": draw(ODD)}
        backwards = dict(reversed(page.items()))
        # tasks that are in nothing may follow a page, but a file that begins so is JSON Lines
        loose = tasks[start:end] if made else [page]
        made += draw(st.sampled_from([[page], [backwards], [tasks[start:end]], loose]))
    return made


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    """Make blocks so small that a few tasks fill many."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (source, blocks):
            patch.setattr(module, "BLOCK", 150)
        patch.setattr(csv_table, "BLOCK", 1500)  # more than the longest row
        for module in (source, json_blocks, csv_table):
            patch.setattr(module, "BATCH", 400)
        patch.setattr(files, "_HEAD", 2000)
        patch.setattr(blocks, "_NEAR", 40)
        patch.setattr(json_blocks, "_WINDOW", 32)
        yield


def read(data: bytes) -> pd.DataFrame:
    """Read from standard input, for that needs no file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return xs.read_tasks("-")


@pytest.mark.usefixtures("small_blocks")
@quick
@given(
    TASKS.flatmap(lambda tasks: st.tuples(st.just(tasks), values(tasks))),
    st.sampled_from([None, 0, 1, 4]),
    st.sampled_from(["\n", " ", "\r\n\n"]),
)
def test_cuts_never_matter(
    made: tuple[list[Task], list[Any]], indent: int | None, between: str
) -> None:
    """However JSON is laid out and wherever it is cut, it says what Python's decoder says."""
    tasks, listed = made
    text = between.join(
        json.dumps(value, indent=indent, ensure_ascii=bool(indent)) for value in listed
    )
    if text:
        expected = records.to_table([records.read_decoded(tasks, str)])
        assert_frame_equal(read(text.encode()), expected)


@pytest.mark.usefixtures("small_blocks")
@quick
@given(TASKS, st.booleans())
def test_cuts_never_matter_in_csv(tasks: list[Task], anew: bool) -> None:  # noqa: FBT001 - drawn
    """A CSV says the same wherever it is cut, be it ours or saved again by another program."""
    if anew:  # it will have no quotes where there is nothing
        tasks = [{key: value for key, value in task.items() if value != ""} for task in tasks]
    expected = records.to_table([records.read_decoded(tasks, str)])
    stream = io.BytesIO()
    csv_table.write_csv([expected], stream)
    text = stream.getvalue().decode()
    if anew:
        rows = csv.reader(io.StringIO(text, newline=""))
        other = io.StringIO(newline="")
        csv.writer(other).writerows([*row, "more"] for row in rows)
        text = other.getvalue()
    assert_frame_equal(read(text.encode()), expected)


@pytest.mark.usefixtures("small_blocks")
def test_a_line_longer_than_all_that_is_read_at_once() -> None:
    """A line may be of any length, wherever it is."""
    tasks = [{"taskId": f"task-{number}", "from": number} for number in range(30)]
    for at in (1, 15, 29):
        tasks[at]["taskName"] = "a" * 5000
    lines = "\n".join(json.dumps(task) for task in tasks)
    expected = records.to_table([records.read_decoded(tasks, str)])
    assert_frame_equal(read(lines.encode()), expected)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_fault_far_behind_is_at_the_same_place_in_a_file(tmp_path: Path, mark: bytes) -> None:
    """A file, whose lines are counted when there is a fault, and a stream name the same place."""
    task = json.dumps({"taskId": "a", "from": 0}, indent=2).encode()
    object_and_page = b'{"nextToken": "b", "exportTasks": []}\n'  # asks for a place, and goes on
    text = mark + b"\n".join([task] * 300 + [object_and_page] + [task] * 300) + b"\n\n  oops\n"
    path = tmp_path / "tasks.json"
    path.write_bytes(text)
    line = text[: text.index(b"oops")].count(b"\n") + 1
    with pytest.raises(FileFormatError, match=f"tasks.json, line {line}, column 3: no task"):
        xs.read_tasks(path)
    with pytest.raises(FileFormatError, match=f"standard input, line {line}, column 3: no task"):
        read(text)


def test_a_list_that_is_closed_too_early() -> None:
    """A block is not taken for part of one list if it goes over from one to another."""
    before, behind = records.IN_LIST
    for text in (b'{"taskId":"a"}],[{"taskId":"b"}', b'{"taskId":"a"}],"x":[{"taskId":"b"}'):
        assert records.read_list(before + text + behind, str) is None


LAYOUTS: dict[str, Callable[[list[str]], str]] = {
    "lines": lambda tasks: "".join(f"{task}\n" for task in tasks),
    "list": lambda tasks: "[\n" + ",\n".join(tasks) + "\n]",
    "object": lambda tasks: '{\n"exportTasks": [' + ", ".join(tasks) + "\n  ]\n}",
    "pages": lambda tasks: "\n".join(
        f'{{"exportTasks": [{task}]}}' for task in ['{"taskId": "first"}', *tasks]
    ),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("at", [0, 1, 37, 98, 99])
def test_bad_row_in_a_later_block(layout: str, at: int) -> None:
    """A row that cannot be a task is told by its own number, in whatever block it is."""
    tasks = [json.dumps({"taskId": f"€{number}", "from": number}) for number in range(100)]
    tasks[at] = '{"taskId": "x", "from": "no time"}'
    before = 2 if layout == "pages" else 1
    with pytest.warns(BadRowsWarning) as caught:
        read_back = read(LAYOUTS[layout](tasks).encode())
    unit = "line" if layout == "lines" else "task"
    places = caught[0].message.rows["place"].to_list()
    assert places == [f"standard input, {unit} {at + before}"]
    assert len(read_back) == 98 + before


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("layout", ["list", "object", "pages"])
@pytest.mark.parametrize("at", [0, 1, 37, 98, 99])
@pytest.mark.parametrize(
    "fault", ["nope", b"\xff", '"a\tb"', "[1,]", "{,}", '"\\x"', "1.", "{} {}"]
)
def test_fault_in_a_later_block(layout: str, at: int, fault: str | bytes) -> None:
    """Broken JSON is told with the very line and column that Python's decoder names."""
    tasks = [json.dumps({"taskId": f"€{number}", "from": number}) for number in range(100)]
    tasks[at] = '{"taskId": "€", "from": FAULT}'
    text = LAYOUTS[layout](tasks).encode()
    data = text.replace(b"FAULT", fault if isinstance(fault, bytes) else fault.encode())
    try:
        whole = data.replace(b"}\n{", b"}\v{").decode()
        decoder = json.JSONDecoder()
        for value in whole.split("\v"):
            decoder.decode(value)
    except json.JSONDecodeError as error:
        before = whole.index(value) + error.pos
        line = whole.count("\n", 0, before) + whole.count("\v", 0, before) + 1
        column = before - max(whole.rfind("\n", 0, before), whole.rfind("\v", 0, before))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(
        FileFormatError, match=f"^standard input, line {line}, column {column}: not"
    ):
        read(data)
