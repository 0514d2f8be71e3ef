"""JSON values as tasks in plain Python, and strategies that make such values."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import support
from hypothesis import strategies as st
from support import MOST, START, ms

import exportstats as xs
from exportstats.core import coerce, frames, schema
from exportstats.core.schema import TASKS
from exportstats.io.json_text import read_json
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
