"""Files larger than a block are read as if parsed in one piece, with exact places."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import table

import exportstats as xs
from exportstats.core import schema
from exportstats.errors import BadRowsWarning, FileFormatError, PartialListWarning, UnusedWarning
from exportstats.io import json_text
from exportstats.io.csv_text import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    Task = dict[str, Any]

# Text that looks like the boundaries of blocks.
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
    """Return tasks as sequences of values of all kinds."""
    if draw(st.booleans()):
        return tasks
    ends = [0, *sorted(draw(st.lists(st.integers(0, len(tasks)), max_size=4))), len(tasks)]
    made: list[Any] = []
    for start, end in pairwise(ends):
        page = {"exportTasks": tasks[start:end], "nextToken": draw(NASTY), "more": draw(ODD)}
        backwards = dict(reversed(page.items()))
        made += draw(st.sampled_from([[page], [backwards], [tasks[start:end]], tasks[start:end]]))
    return made


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    """Make blocks so small that a few tasks fill many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "count_lines", json_text.count_lines)
        patch.setattr("exportstats.io.source.BLOCK", 150)
        yield


def table_of(tasks: list[Task]) -> pd.DataFrame:
    """Return the table of tasks, read field by field."""
    return table(
        *(
            {
                "task_id": task["taskId"],
                "task_name": task.get("taskName"),
                "log_group_name": task.get("logGroupName"),
                "from_time": None if task.get("from") is None else int(task["from"]),
            }
            for task in tasks
        )
    )


def read(data: bytes) -> pd.DataFrame:
    """Read from standard input, which needs no file."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for kind in (PartialListWarning, UnusedWarning):
            warnings.simplefilter("ignore", kind)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return xs.read_tasks("-")


@pytest.mark.parametrize("key", ["exportTasks", "ExportTasks"])
def test_a_pipe_is_read_whole(tmp_path: Path, key: str) -> None:
    """A pipe, which cannot be read twice, gives the same result as a file, with any casing."""
    tasks = [{"taskId": f"task-{number}", "taskName": "a" * 1000} for number in range(2000)]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({key: tasks}))
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        assert len(xs.read_tasks(cat.stdout)) == 2000


@pytest.mark.usefixtures("small_blocks")
@given(
    TASKS.flatmap(lambda tasks: st.tuples(st.just(tasks), values(tasks))),
    st.sampled_from([None, 0, 1, 4]),
    st.sampled_from(["\n", " ", "\r\n\n"]),
)
def test_cuts_never_matter(
    made: tuple[list[Task], list[Any]], indent: int | None, between: str
) -> None:
    """JSON of any layout in any blocks is read as Python's decoder reads it."""
    tasks, listed = made
    text = between.join(
        json.dumps(value, indent=indent, ensure_ascii=bool(indent)) for value in listed
    )
    if text:
        assert_frame_equal(read(text.encode()), table_of(tasks))


@pytest.mark.usefixtures("small_blocks")
@given(TASKS, st.booleans())
def test_cuts_never_matter_in_csv(tasks: list[Task], anew: bool) -> None:  # noqa: FBT001 - drawn
    """A CSV in any blocks is read the same, ours or saved by another program."""
    if anew:  # it writes no quotes around empty cells
        tasks = [{key: value for key, value in task.items() if value != ""} for task in tasks]
    expected = table_of(tasks)
    stream = io.BytesIO()
    write_csv([expected], stream, schema.TASKS)
    text = stream.getvalue().decode()
    if anew:
        rows = csv.reader(io.StringIO(text, newline=""))
        other = io.StringIO(newline="")
        csv.writer(other).writerows([*row, "duration"] for row in rows)
        text = other.getvalue()
    assert_frame_equal(read(text.encode()), expected)


@pytest.mark.usefixtures("small_blocks")
def test_a_line_longer_than_all_that_is_read_at_once() -> None:
    """A line may have any length and position."""
    tasks = [{"taskId": f"task-{number}", "from": number} for number in range(30)]
    for at in (1, 15, 29):
        tasks[at]["taskName"] = "a" * 5000
    lines = "\n".join(json.dumps(task) for task in tasks)
    expected = table_of(tasks)
    assert_frame_equal(read(lines.encode()), expected)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_fault_far_behind_is_at_the_same_place_in_a_file(tmp_path: Path, mark: bytes) -> None:
    """A fault has the same place in a file and in a stream."""
    task = json.dumps({"taskId": "a", "from": 0}, indent=2).encode()
    object_and_page = b'{"nextToken": "b", "exportTasks": []}\n'  # reads a token, and continues
    text = mark + b"\n".join([task] * 300 + [object_and_page] + [task] * 300) + b"\n\n  oops\n"
    path = tmp_path / "tasks.json"
    path.write_bytes(text)
    line = text[: text.index(b"oops")].count(b"\n") + 1
    with pytest.raises(FileFormatError, match=f"tasks.json, line {line}, column 3: not JSON"):
        xs.read_tasks(path)
    with pytest.raises(FileFormatError, match=f"standard input, line {line}, column 3: not JSON"):
        read(text)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "between", ["],[", '],"x":[', '],"exportTasks":[', '],"nextToken":"t","x":[']
)
@pytest.mark.parametrize("before", ["[", '{"exportTasks":['])
def test_a_list_that_is_closed_too_early(before: str, between: str) -> None:
    """A block that goes from one list to another is not taken for part of one."""
    tasks = [json.dumps({"taskId": f"task-{number}"}) for number in range(40)]
    text = before + ",".join(tasks[:20]) + between + ",".join(tasks[20:]) + "]"
    text += "}" if before[0] == "{" else ""
    if before[0] == "{" and between != "],[":
        assert len(read(text.encode())) == 20  # entries of another list are not tasks
        return
    with pytest.raises(FileFormatError, match=r", line 1, column \d+: not JSON"):
        read(text.encode())


@pytest.mark.usefixtures("small_blocks")
def test_rows_behind_another_list() -> None:
    """A list of rows after another one is read completely, whatever its length."""
    tasks = [{"task_id": f"task-{number}"} for number in range(40)]
    columns = [{"name": f"column-{number}"} for number in range(20)]
    text = json.dumps({"columns": columns, "rows": tasks})
    assert read(text.encode())["task_id"].to_list() == [task["task_id"] for task in tasks]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("token", ["first", "last"])
@pytest.mark.parametrize("last", [None, "t"])
def test_a_token_in_a_later_block(token: str, last: str | None) -> None:
    """The last page decides whether a list is incomplete, in whatever block it is."""
    pages = []
    for number in range(20):
        page = {"exportTasks": [{"taskId": f"task-{number}"}] * 3, "nextToken": "t"}
        page["nextToken"] = last if number == 19 else "t"
        pages.append(page if token == "last" else dict(reversed(page.items())))
    for text in (json.dumps(pages), "".join(map(json.dumps, pages)), json.dumps(pages, indent=1)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            assert len(xs.read_tasks(io.StringIO(text))) == 20
        assert [type(one.message) for one in caught] == [PartialListWarning] * (last is not None)


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
    """An invalid row has its own number, in whatever block it is."""
    tasks = [json.dumps({"taskId": f"€{number}", "from": number}) for number in range(100)]
    tasks[at] = '{"taskId": "x", "from": "no time"}'
    before = 2 if layout == "pages" else 1
    with pytest.warns(BadRowsWarning) as caught:
        read_back = read(LAYOUTS[layout](tasks).encode())
    unit = "line" if layout in ("lines", "pages") else "task"
    places = caught[0].message.rows["place"].to_list()
    assert places == [f"standard input, {unit} {at + before}"]
    assert len(read_back) == 98 + before


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("layout", ["list", "object"])
@pytest.mark.parametrize("at", [0, 1, 37, 98, 99])
@pytest.mark.parametrize(
    "fault", ["nope", b"\xff", '"a\tb"', "[1,]", "{,}", '"\\x"', "1.", "{} {}"]
)
def test_fault_in_a_later_block(layout: str, at: int, fault: str | bytes) -> None:
    """Broken JSON is reported with the line and column of Python's decoder."""
    tasks = [json.dumps({"taskId": f"€{number}", "from": number}) for number in range(100)]
    tasks[at] = '{"taskId": "€", "from": FAULT}'
    text = LAYOUTS[layout](tasks).encode()
    data = text.replace(b"FAULT", fault if isinstance(fault, bytes) else fault.encode())
    try:
        json.loads(data.decode())
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(
        FileFormatError, match=f"^standard input, line {line}, column {column}: not"
    ):
        read(data)
