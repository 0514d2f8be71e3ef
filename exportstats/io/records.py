"""AWS's JSON, as bytes or decoded, made a table of tasks.

Bytes go through Arrow's JSON reader, without a Python object per task. It refuses whatever is not
exactly as the service writes it; a piece that it refuses is decoded by Python and read task by
task, so that one odd task costs the speed of its neighbours and nothing else, and its place and
fault can be named. Both ways give the same table.

Three keys may stand beside AWS's own in each task: `accountId`, `region` and `observedAt`. They
are what `write_tasks` adds so that a file reads back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from exportstats.core import coerce, schema
from exportstats.errors import report_rows


@dataclass(frozen=True)
class Rows:
    """Some rows from one place: typed, but not yet one row a task.

    Attributes
    ----------
    table
        The base columns, in Arrow.
    name
        What to call the row of a number, as in "line 7". Numbers start at 0 and count the refused
        rows too.
    numbers
        The number of each row of `table`; None where they are simply counted.
    refused
        The number and the reason of each row that cannot be a task.
    """

    table: pa.Table
    name: Callable[[int], str]
    numbers: np.ndarray | None = None
    refused: Sequence[tuple[int, str]] = ()

    def where(self, row: int) -> str:
        """Say where a row of `table` came from."""
        return self.name(row if self.numbers is None else int(self.numbers[row]))

    def among(self, numbers: Sequence[int], broken: Sequence[tuple[int, str]]) -> Rows:
        """Give rows the numbers that they had before the broken ones were left out."""
        at = np.array(numbers, dtype="int64")
        return replace(
            self,
            numbers=at if self.numbers is None else at[self.numbers],
            refused=sorted([*broken, *((int(at[row]), reason) for row, reason in self.refused)]),
        )

    def filled(self, **values: Any) -> Rows:  # noqa: ANN401 - what Arrow can make a column of
        """Fill whole columns: one value for all rows, or an array with a value a row."""
        table = self.table
        for name, value in values.items():
            at = table.column_names.index(name)
            whole = table.field(name).type
            plain = pa.int64() if whole == _TIME else pa.string()
            column = (
                pa.array(value, type=plain)
                if isinstance(value, np.ndarray)
                else pa.repeat(pa.scalar(value, type=plain), table.num_rows)
            ).cast(whole)
            table = table.set_column(at, name, column)
        return replace(self, table=table)


def to_table(rows: Iterable[Rows], *, strict: bool = False) -> pd.DataFrame:
    """Make one table of tasks of rows from many places, and report what is wrong with any.

    Raises
    ------
    BadRowsError
        `strict`, and a row cannot be a task.
    """
    nothing = _SCHEMA.empty_table()
    parts, tables = [], [nothing]
    for part in rows:
        tables.append(part.table)
        parts.append(replace(part, table=nothing))  # so that only one list holds on to the data
    refused = [(part.name(number), reason) for part in parts for number, reason in part.refused]
    starts = np.cumsum([len(table) for table in tables])
    whole = pa.concat_tables(tables, memory_pool=_POOL).unify_dictionaries(_POOL)
    tables.clear()
    frame = whole.to_pandas(split_blocks=True, self_destruct=True)
    del whole
    tasks, doubtful = schema.settle(frame)

    def where(row: int) -> str:
        at = int(np.searchsorted(starts, row, side="right")) - 1
        return parts[at].where(row - int(starts[at]))

    kept = [(where(row), reason) for row, reason in zip(doubtful.index, doubtful, strict=True)]
    columns = ["place", "reason"]
    report_rows(
        pd.DataFrame(refused, columns=columns), pd.DataFrame(kept, columns=columns), strict=strict
    )
    return tasks


class Page(NamedTuple):
    """One answer of the service: its body (or its tasks, decoded), and when it was given."""

    body: bytes | Sequence[Any]
    observed_at: int  # milliseconds since 1970


def read_pages(pages: Sequence[Page], first: int = 1) -> list[Rows]:
    """Read answers of the service, in order; `first` is the number of the first one.

    A body has to be whole JSON: an object, in which `exportTasks` is a list, null or missing.
    """
    return [
        rows
        for start in range(0, len(pages), PAGES_AT_ONCE)
        for rows in _read_batch(pages[start : start + PAGES_AT_ONCE], first + start)
    ]


def _read_batch(pages: Sequence[Page], first: int) -> list[Rows]:
    """Read some pages at once if all is as the service writes it, else one by one."""
    counts, table = _parse_pages(pages)
    if table is None and len(pages) > 1:
        return [rows for n, page in enumerate(pages) for rows in _read_batch([page], first + n)]
    name = _PageNamer(np.cumsum(counts), first)
    if table is None:
        return [
            _read_one_by_one(_tasks_of(page.body), name).filled(observed_at=page.observed_at)
            for page in pages
        ]
    observed = np.repeat([page.observed_at for page in pages], counts)
    return [Rows(table, name).filled(observed_at=observed)]


def _parse_pages(pages: Sequence[Page]) -> tuple[Sequence[int], pa.Table | None]:
    """Give the number of tasks in each page, and the tasks if they are exact."""
    bodies = [page.body for page in pages if isinstance(page.body, bytes)]
    if len(bodies) < len(pages):
        lists = [_tasks_of(page.body) for page in pages]
        return [*map(len, lists)], _exact(list(chain.from_iterable(lists)))
    parsed = _parse(b"\n".join(bodies), _PAGES)
    if parsed is None or len(parsed) != len(pages):
        return [0], None
    column = parsed["exportTasks"].combine_chunks()
    table = _typed(pa.Table.from_struct_array(column.flatten()))
    counts = pc.fill_null(pc.list_value_length(column), 0).to_pylist()
    return counts, table if _is_whole(table) else None


def read_lines(block: bytes, name: Callable[[int], str]) -> Rows:
    """Read JSON Lines, a task a line; `name` is given a line's number in `block`, from 0."""
    table = _parse(block, _LINES)
    if table is not None and len(table) == count_lines(block) + (block[-1:] not in b"\n"):
        typed = _typed(table)
        if _is_whole(typed):
            return Rows(typed, name)
    tasks, numbers, broken = [], [], []
    for number, line in enumerate(block.split(b"\n")):
        if not line.strip():
            continue
        try:
            tasks.append(json.loads(line.decode()))
            numbers.append(number)
        except json.JSONDecodeError as fault:
            broken.append((number, f"not JSON: {fault.msg} at column {fault.colno}"))
        except UnicodeDecodeError as fault:
            broken.append((number, f"not UTF-8 at byte {fault.start + 1} of the line"))
        except (ValueError, RecursionError) as fault:
            broken.append((number, f"not JSON that can be read: {fault}"))
    return read_decoded(tasks, name).among(numbers, broken)


def count_lines(text: bytes | bytearray) -> int:
    """Count line ends; five times as fast as bytes.count where lines are short."""
    if not text:  # which NumPy takes for a mistake
        return 0
    plain = np.frombuffer(text, np.uint8)
    pieces = (plain[at : at + _PIECE] for at in range(0, len(plain), _PIECE))
    return sum(int(np.count_nonzero(piece == _LINE_END)) for piece in pieces)


def read_list(text: bytes, name: Callable[[int], str]) -> Rows | None:
    """Read what stands in a list of tasks or pages; None if it is not just that.

    It has to be wrapped in `IN_LIST`, a list of its own in another: were the inner one closed too
    early, what follows could not be valid.
    """
    parsed = _parse(text, _LISTS)
    if parsed is not None and len(parsed) == 1:
        lists = parsed["exportTasks"].chunk(0).flatten()
        typed = _typed(pa.Table.from_struct_array(lists.flatten()))
        if len(lists) == 1 and _is_whole(typed):
            return Rows(typed, name)
    try:
        (values,) = json.loads(text.decode())["exportTasks"]
    except (ValueError, RecursionError):
        return None
    return read_decoded(unpack(values), name)


def read_objects(text: bytes, name: Callable[[int], str]) -> Rows | None:
    """Read objects one after another, pages or tasks, or give None if they are not just that."""
    parsed = _parse(text, _EITHER)
    if parsed is not None:
        lists = parsed["exportTasks"].chunk(0)
        if lists.null_count in (0, len(lists)):
            typed = _typed(
                parsed if lists.null_count else pa.Table.from_struct_array(lists.flatten())
            )
            if _is_whole(typed):
                return Rows(typed, name)
    try:
        values = list(_decode_each(text.decode()))
    except (ValueError, RecursionError):
        return None
    return read_decoded(unpack(values), name) if all(map(_is_page_or_task, values)) else None


def _decode_each(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), 0
    text = text.strip()
    while at < len(text):
        value, end = decoder.raw_decode(text, at)
        yield value
        at = next((i for i in range(end, len(text)) if text[i] not in " \t\n\r"), len(text))


def _is_page_or_task(value: Any) -> bool:  # noqa: ANN401 - what JSON can hold
    return isinstance(value, dict) and (
        isinstance(value.get("exportTasks"), list) or "taskId" in value
    )


def unpack(values: Iterable[Any]) -> list[Any]:
    """Give the tasks among some values, and those in pages among them."""
    tasks: list[Any] = []
    for value in values:
        inner = value.get("exportTasks") if isinstance(value, dict) else None
        tasks += inner if isinstance(inner, list) else [value]
    return tasks


def read_columns(table: pa.Table, name: Callable[[int], str]) -> Rows:
    """Read a table that has our columns, of whatever types; those it lacks are missing.

    Raises
    ------
    SchemaError
        It has no `task_id`, or a column is of a kind that cannot be read.
    """
    kinds = {column.name: column.kind for column in schema.BASE_COLUMNS}
    if "task_id" in table.column_names:
        table = table.select([column for column in table.column_names if column in kinds])
        if all(field.type in _FITTING[kinds[field.name]] for field in table.schema):
            typed = _dense(
                [table[name] if name in table.column_names else None for name in kinds], len(table)
            )
            if _is_whole(typed):
                return Rows(typed, name)
    typed, reasons = schema.coerce_rows(schema.from_arrow(table))
    refused = [*zip(reasons.index.to_numpy().tolist(), reasons, strict=True)]
    return Rows(to_arrow(typed), name, typed.index.to_numpy(), refused)


def read_decoded(tasks: Sequence[Any], name: Callable[[int], str]) -> Rows:
    """Read tasks that are Python objects already, as boto3 and `json` give them."""
    table = _exact(tasks)
    return _read_one_by_one(tasks, name) if table is None else Rows(table, name)


def _exact(tasks: Sequence[Any]) -> pa.Table | None:
    """Make the table of objects that are just as the service gives them, or None."""
    try:
        table = _dense(_columns(tasks), len(tasks))
    except (_OddError, UnicodeEncodeError, OverflowError):
        return None
    return table if _is_whole(table) else None


def _read_one_by_one(tasks: Sequence[Any], name: Callable[[int], str]) -> Rows:
    """Read odd tasks as what they can be taken for, and say what cannot be one."""
    refused: list[tuple[int, str]] = []
    numbers, found = [], []
    for number, task in enumerate(tasks):
        try:
            found.append({column: _get(task, path) for column, path in _PATHS.items()})
            numbers.append(number)
        except _OddError as fault:
            refused.append((number, str(fault)))
    frame = pd.DataFrame(found, columns=list(_PATHS), dtype=object)
    typed, reasons = schema.coerce_rows(frame)
    refused += [(numbers[row], reason) for row, reason in zip(reasons.index, reasons, strict=True)]
    at = np.array(numbers, dtype="int64")[typed.index]
    return Rows(to_arrow(typed), name, at, sorted(refused))


def to_arrow(typed: pd.DataFrame) -> pa.Table:
    """Make an Arrow table of typed base columns."""
    return pa.Table.from_pandas(typed[list(_PATHS)], schema=_SCHEMA, preserve_index=False)


def to_json(tasks: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give each task in AWS's own shape with our three keys; what is missing is left out."""
    columns = [
        coerce.millis(tasks[column.name]).tolist()
        if column.kind == "time"
        else tasks[column.name].astype(object).tolist()
        for column in schema.BASE_COLUMNS
    ]
    paths = list(_PATHS.values())
    for values in zip(*columns, strict=True):
        task: dict[str, Any] = {}
        for (*outer, last), value in zip(paths, values, strict=True):
            if value == coerce.NAT or value is None or value != value:  # noqa: PLR0124 - a NaN
                continue
            place = task
            for key in outer:
                place = place.setdefault(key, {})
            place[last] = value
        yield task


class _OddError(Exception):
    """Something that is not as the service writes it."""


def _get(task: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - what JSON can hold
    for key in path:
        if task is None:
            return None
        if not isinstance(task, Mapping):
            raise _OddError(f"{_outer(path, key)} is no object but {_shorten(task)}")
        task = task.get(key)
    return task


def _outer(path: Sequence[str], key: str) -> str:
    at = list(path).index(key)
    return ".".join(path[:at]) or "the task"


def _shorten(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _columns(tasks: Sequence[Any]) -> list[pa.Array]:
    """Make an array of each base column, if all is of the types that the service gives."""
    objects: dict[tuple[str, ...], Sequence[Any]] = {(): tasks}
    arrays = []
    if not set(map(type, tasks)) <= {dict}:
        raise _OddError
    for column in schema.BASE_COLUMNS:
        *outer, last = _PATHS[column.name]
        if tuple(outer) not in objects:
            inners = _each(tasks, outer[0])
            objects[*outer] = [_NOTHING if inner is None else inner for inner in inners]
        if not set(map(type, objects[*outer])) <= {dict}:
            raise _OddError
        values = _each(objects[*outer], last)
        if not set(map(type, values)) <= {int if column.kind == "time" else str, NoneType}:
            raise _OddError
        arrays.append(pa.array(values, type=_PLAIN[column.kind]))
    return arrays


def _each(objects: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """Get the value of each object, None where it has none."""
    try:
        return list(map(itemgetter(key), objects))  # five times as fast as asking with get
    except KeyError:
        return [value.get(key) for value in objects]


def _parse(block: bytes, wanted: Sequence[pa.Schema]) -> pa.Table | None:
    """Parse whole JSON values, or None if something in them is not as wanted."""
    first = block.lstrip()[:1]
    if not first:
        return wanted[-1].empty_table()
    if first != b"{":  # a null that comes first ends the process in Arrow's reader
        return None
    try:
        if not block.isascii():
            block.decode()  # Arrow's reader takes text as it comes, even if it is no UTF-8
    except UnicodeDecodeError:
        return None
    # To look for keys that are never there takes a tenth of the time, and an attempt without them
    # takes none where they are, for the first one ends it.
    for keys, unexpected in zip(wanted, ("error", "ignore"), strict=True):
        with suppress(pa.ArrowException):
            return pj.read_json(
                pa.BufferReader(block),
                memory_pool=_POOL,
                read_options=pj.ReadOptions(block_size=len(block), use_threads=False),
                parse_options=pj.ParseOptions(
                    explicit_schema=keys,
                    newlines_in_values=True,
                    unexpected_field_behavior=unexpected,
                ),
            )
    return None


def _typed(tasks: pa.Table) -> pa.Table:
    """Give the base columns of tasks as AWS nests them, in one chunk; our keys may be missing."""
    flat = tasks.flatten()
    have = {name: flat.column(at).chunk(0) for at, name in enumerate(flat.column_names)}
    return _dense([have.get(column.json) for column in schema.BASE_COLUMNS], len(flat))


def _dense(arrays: Sequence[pa.Array | None], length: int) -> pa.Table:
    """Give plain arrays the types of the base columns; None stands for one without a value."""
    made = [
        pa.nulls(length, whole)
        if array is None
        else (array.dictionary_encode() if whole == _REPEATED else array).cast(whole)
        for array, whole in zip(arrays, _SCHEMA.types, strict=True)
    ]
    return pa.table(made, schema=_SCHEMA)


def _is_whole(table: pa.Table) -> bool:
    """Tell whether each row has an identifier and times that a table of tasks can hold."""
    ids = table["task_id"]
    if ids.null_count or (len(ids) and pc.min(pc.binary_length(ids)).as_py() == 0):
        return False
    times = (column for column in table.columns if column.type == _TIME)
    return not any(pc.min(column.cast(pa.int64())).as_py() == coerce.NAT for column in times)


def _tasks_of(body: bytes | Sequence[Any]) -> Sequence[Any]:
    return (json.loads(body).get("exportTasks") or []) if isinstance(body, bytes) else body


@dataclass(frozen=True)
class _PageNamer:
    """Names a task by its page; no closure, for rows travel between processes."""

    ends: np.ndarray  # the number of tasks up to and with each page
    first: int

    def __call__(self, row: int) -> str:
        page = min(int(np.searchsorted(self.ends, row, side="right")), len(self.ends) - 1)
        start = int(self.ends[page - 1]) if page else 0
        return f"page {self.first + page}, task {row - start + 1}"


def _nested(fields: Iterable[tuple[Sequence[str], pa.DataType]]) -> list[pa.Field]:
    """Nest fields as their paths say."""
    inner: dict[str, list[tuple[Sequence[str], pa.DataType]]] = {}
    made: dict[str, pa.DataType] = {}
    for (key, *rest), kind in fields:
        if rest:
            inner.setdefault(key, []).append((rest, kind))
            made[key] = pa.struct(_nested(inner[key]))
        else:
            made[key] = kind
    return [pa.field(key, kind) for key, kind in made.items()]


# With the system's allocator reading takes less time and memory than with Arrow's own: see
# json_lines in benchmarks/README.md.
_POOL = pa.system_memory_pool()
_TIME = pa.timestamp("ms", tz="UTC")
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_PLAIN: dict[schema.Kind, pa.DataType] = {
    "text": pa.large_string(),  # as pandas has it: nothing is copied on the way
    "category": pa.string(),
    "status": pa.string(),
    "time": pa.int64(),
}
_WHOLE: dict[schema.Kind, pa.DataType] = {
    "text": pa.large_string(),
    "category": _REPEATED,
    "status": _REPEATED,
    "time": _TIME,
}
_PATHS = {column.name: column.json.split(".") for column in schema.BASE_COLUMNS}
_SCHEMA = pa.schema([(column.name, _WHOLE[column.kind]) for column in schema.BASE_COLUMNS])
# Each as the service writes it, and with our three keys in a task.
_TASKS = [
    _nested((column.json.split("."), _PLAIN[column.kind]) for column in columns)
    for columns in ([column for column in schema.BASE_COLUMNS if column.aws], schema.BASE_COLUMNS)
]
_LINES = [pa.schema(task) for task in _TASKS]
_PAGES = [
    pa.schema([("exportTasks", pa.list_(pa.struct(task))), ("nextToken", pa.string())])
    for task in _TASKS
]
_LISTS = [pa.schema([("exportTasks", pa.list_(page.field(0).type))]) for page in _PAGES]
_EITHER = [pa.schema([*task, *page]) for task, page in zip(_LINES, _PAGES, strict=True)]
IN_LIST = (b'{"exportTasks":[[', b"]]}")
_FITTING: dict[schema.Kind, tuple[pa.DataType, ...]] = {
    "text": (pa.string(), pa.large_string()),
    "category": (pa.string(), pa.large_string(), _REPEATED),
    "status": (pa.string(), pa.large_string(), _REPEATED),
    "time": (_TIME,),
}
PAGES_AT_ONCE = 100  # about 2 MiB: Arrow reads more at once faster, but each target keeps these
_SHOWN = 40
_PIECE = 2**16  # small enough for the system not to give new memory for each, which takes longer
_LINE_END = ord("\n")
_NOTHING: dict[str, Any] = {}
