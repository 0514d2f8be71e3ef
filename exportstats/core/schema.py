"""The columns of a table of tasks, said once, and the one door that every table comes through.

A table of tasks is a plain pandas DataFrame with one row a task. `COLUMNS` is the single source of
its shape: the documentation's table, the readers, the writers and the checks are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from exportstats.core import coerce
from exportstats.errors import SchemaError, report_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["text", "category", "status", "time", "length", "count", "rate"]

DTYPES: dict[Kind, str] = {
    "text": "str",
    "category": "category",
    "status": "category",
    "time": "datetime64[ms, UTC]",
    "length": "timedelta64[ms]",
    "count": "Int64",
    "rate": "float64",
}

STATES = ("PENDING", "RUNNING", "PENDING_CANCEL", "COMPLETED", "FAILED", "CANCELLED")
ACTIVE_STATES = STATES[:3]
TERMINAL_STATES = STATES[3:]

# The API reference's own example says COMPLETE.
STATE_ALIASES = {"COMPLETE": "COMPLETED"}


@dataclass(frozen=True)
class Column:
    """One column of the table of tasks."""

    name: str
    aws: str | None  # where DescribeExportTasks has it, as a dotted path
    kind: Kind
    meaning: str
    nullable: bool = True
    unit: str = ""
    derived: bool = False

    @property
    def json(self) -> str:
        """The path of its key in JSON: AWS's own, and what AWS does not have in the same style."""
        first, *others = self.name.split("_")
        return self.aws or first + "".join(word.title() for word in others)

    @property
    def dtype(self) -> str:
        """The pandas dtype, as text."""
        return DTYPES[self.kind]


COLUMNS = (
    Column("account_id", None, "category", "The account's number: twelve digits, as text."),
    Column("region", None, "category", "The region, as in `eu-west-1`."),
    Column("task_id", "taskId", "text", "The task's identifier.", nullable=False),
    Column("task_name", "taskName", "text", "The name given when it was created."),
    Column("log_group_name", "logGroupName", "category", "The log group that it exports."),
    Column("from_time", "from", "time", "First instant of the window, inclusive.", unit="UTC"),
    Column("to_time", "to", "time", "Last instant of the window, inclusive.", unit="UTC"),
    Column("destination", "destination", "category", "The S3 bucket's name."),
    Column("destination_prefix", "destinationPrefix", "text", "What its object keys begin with."),
    Column("status_code", "status.code", "status", "Its state: " + ", ".join(STATES) + "."),
    Column("status_message", "status.message", "category", "What the service says of the state."),
    Column(
        "creation_time",
        "executionInfo.creationTime",
        "time",
        "When it was created; there is no start time.",
        unit="UTC",
    ),
    Column(
        "completion_time",
        "executionInfo.completionTime",
        "time",
        "When it ended, whatever its end.",
        unit="UTC",
    ),
    Column("observed_at", None, "time", "When the service told us this state.", unit="UTC"),
    Column(
        "duration",
        None,
        "length",
        "completion_time - creation_time: turnaround, queueing included. "
        "Missing where either is, or where it would be negative.",
        unit="ms",
        derived=True,
    ),
    Column(
        "window",
        None,
        "length",
        "to_time - from_time + 1 ms: the length of what it exports. "
        "Missing where either is, or where the window is reversed.",
        unit="ms",
        derived=True,
    ),
)

BASE_COLUMNS = tuple(column for column in COLUMNS if not column.derived)
NAMES = tuple(column.name for column in COLUMNS)
SLOT = ("account_id", "region")
KEY = (*SLOT, "task_id")
LOG_GROUP = (*SLOT, "log_group_name")  # what a log group is known by

# What never changes while a task lives: with the key, what tells two tasks apart.
_IMMUTABLE = (
    "task_name",
    "log_group_name",
    "from_time",
    "to_time",
    "destination",
    "destination_prefix",
    "creation_time",
)

CONTRADICTION = "another task has the same task_id"


def empty() -> pd.DataFrame:
    """Give a table of tasks without a row.

    Examples
    --------
    >>> len(empty()), list(empty().columns) == list(NAMES)
    (0, True)
    """
    return conform(pd.DataFrame({"task_id": pd.Series([], dtype="str")}))


def conform(data: Any, *, strict: bool = False) -> pd.DataFrame:  # noqa: ANN401 - any Arrow stream
    """Make a table of tasks of any frame that has its columns.

    Times may be aware timestamps, whole numbers (milliseconds since 1970, UTC) or ISO 8601 text
    with an offset. A column that is not there is filled with missing values; columns that a table
    of tasks does not have are left out; `duration` and `window` are computed, never taken over.
    A task that appears more than once is kept once, in its latest state.

    Parameters
    ----------
    data
        A pandas DataFrame, or any frame that exports an Arrow stream (Polars, DuckDB, PyArrow).
    strict
        Refuse all of it when one row cannot be a task. Otherwise such rows are left out and
        reported by a `BadRowsWarning` with their place and reason.

    Returns
    -------
    DataFrame
        One row a task, a new frame; the caller's is never touched. Times are
        `datetime64[ms, UTC]`, durations `timedelta64[ms]`.

    Raises
    ------
    SchemaError
        The frame has no `task_id`, or a column is of a kind that cannot be read.
    BadRowsError
        `strict`, and a row cannot be a task.

    Examples
    --------
    >>> tasks = conform(pd.DataFrame({"task_id": ["a"], "creation_time": [1437584472856],
    ...                               "completion_time": [1437584472986]}))
    >>> tasks["duration"].iloc[0]
    Timedelta('0 days 00:00:00.130000')
    """
    typed, refused = coerce_rows(_to_pandas(data))
    tasks, doubtful = settle(typed)
    report_rows(_placed(refused), _placed(doubtful), strict=strict)
    return tasks


def coerce_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Give every column its dtype, and part the rows that can be tasks from those that cannot.

    Returns
    -------
    typed, refused
        The base columns of the rows that can be tasks, indexed by row number in `frame`, and a
        reason for each other row, likewise indexed.

    Raises
    ------
    SchemaError
        As `conform`.
    """
    if "task_id" not in frame.columns:
        have = ", ".join(map(str, frame.columns[:20])) or "none"
        raise SchemaError(
            f"a table of tasks needs the column task_id; this frame has: {have}. "
            "For AWS's own JSON use read_tasks."
        )
    _refuse_twins(frame)
    frame = frame.reset_index(drop=True)
    missing = pd.Series(None, index=frame.index, dtype=object)
    values: dict[str, pd.Series] = {}
    reasons = np.full(len(frame), "", dtype=object)
    for column in BASE_COLUMNS:
        given = frame[column.name] if column.name in frame.columns else missing
        values[column.name], bad = _coerce(given, column)
        if bad.any():
            reasons[bad & (reasons == "")] = f"{column.name} is not {_WANTED[column.kind]}"
    ids = values["task_id"]
    reasons[(ids.isna() | (ids == "")).to_numpy() & (reasons == "")] = "no task_id"

    typed = pd.DataFrame(values, copy=False)
    faulty = reasons != ""
    if not faulty.any():
        return typed, _NO_REASONS
    return typed[~faulty], pd.Series(reasons, index=frame.index)[faulty]


def settle(typed: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Make a table of tasks of typed rows: each task once, categories in order, lengths derived.

    Returns
    -------
    tasks, doubtful
        The table, and a reason for each kept row whose key another task has too, indexed as in
        `typed`.
    """
    tasks, doubtful = _keep_latest(typed)
    tasks = tasks.reset_index(drop=True)
    for column in BASE_COLUMNS:
        if column.kind in ("category", "status"):
            tasks[column.name] = _tidy_categories(tasks[column.name], column)
    return derive(tasks), doubtful


def derive(tasks: pd.DataFrame) -> pd.DataFrame:
    """Add `duration` and `window`, computed from the times."""
    return tasks.assign(
        duration=_length(tasks["creation_time"], tasks["completion_time"], 0),
        window=_length(tasks["from_time"], tasks["to_time"], 1),
    )[list(NAMES)]


def concat(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables of tasks one after another and keep each task once, in its latest state."""
    if not tables:
        return empty()
    return conform(stack(tables)) if len(tables) > 1 else tables[0]


def stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put frames one after another; what is a category in each stays one, its order kept."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0]
    stacked = pd.concat(frames, ignore_index=True)
    for name in stacked.columns:
        parts = [frame[name] for frame in frames]
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            whole = pd.Series(union_categoricals(parts, ignore_order=True))
            stacked[name] = whole.cat.set_categories(
                in_order(whole.cat.categories, states=name == "status_code")
            )
    return stacked


def in_order(categories: Iterable[str], *, states: bool) -> pd.Index:
    """Order categories: the known states as they follow each other, all else by its letters."""
    first = STATES if states else ()
    # without a category it has to be text too, or it could not be put beside one that has some
    return pd.Index([*first, *sorted(set(categories) - set(first))], dtype="str")


def validate(tasks: pd.DataFrame) -> None:
    """Check that a frame is a table of tasks, by its columns and their dtypes alone.

    Raises
    ------
    SchemaError
        It names the first column that is missing or of another dtype, and the remedy.
    """
    if not isinstance(tasks, pd.DataFrame):
        raise SchemaError(f"a table of tasks is a DataFrame, not {type(tasks).__name__}")
    _refuse_twins(tasks)
    for column in COLUMNS:
        if column.name not in tasks.columns:
            raise SchemaError(f"the column {column.name} is missing; use xs.conform(frame) first")
        dtype = tasks[column.name].dtype
        if str(dtype) != column.dtype:
            raise SchemaError(
                f"the column {column.name} is {dtype}, not {column.dtype}; "
                "use xs.conform(frame) first"
            )


_NO_REASONS = pd.Series([], index=pd.Index([], dtype="int64"), dtype=object)

_WANTED: dict[Kind, str] = {
    "text": "text",
    "category": "text",
    "status": "text",
    "time": "a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)",
}


def _to_pandas(data: Any) -> pd.DataFrame:  # noqa: ANN401 - any Arrow stream
    if isinstance(data, pd.DataFrame):
        return data
    if not hasattr(data, "__arrow_c_stream__"):
        raise SchemaError(
            f"a {type(data).__name__} is no frame: it exports no Arrow stream. "
            "Give a pandas, Polars, DuckDB or PyArrow table; for files use xs.read_tasks"
        )
    return from_arrow(data)


def from_arrow(data: Any) -> pd.DataFrame:  # noqa: ANN401 - any Arrow stream
    """Make a pandas frame of an Arrow stream, whole numbers exact and nothing an index."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and a pandas frame does without

    # pandas' own choice for whole numbers with gaps is a float, which rounds large ones
    whole = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
    frame: pd.DataFrame = pa.table(data).to_pandas(types_mapper=whole.get, ignore_metadata=True)
    return frame


def _refuse_twins(frame: pd.DataFrame) -> None:
    twice = [name for name in NAMES if list(frame.columns).count(name) > 1]
    if twice:
        raise SchemaError(f"the frame has two columns named {twice[0]}; rename or drop one")


def _coerce(values: pd.Series, column: Column) -> tuple[pd.Series, np.ndarray]:
    if isinstance(values.dtype, pd.ArrowDtype):
        values = from_arrow(values.to_frame(column.name))[column.name]
    if column.kind == "time":
        return coerce.to_times(values)
    if column.kind == "text":
        return coerce.to_text(values)
    return coerce.to_category(values)


def _tidy_categories(values: pd.Series, column: Column) -> pd.Series:
    """Keep the categories in use, in an order that does not depend on the rows' order."""
    codes = values.cat.codes.to_numpy()
    names = values.cat.categories.to_list()
    used = np.bincount(codes.astype(np.intp) + 1, minlength=len(names) + 1)[1:] > 0
    states = column.kind == "status"
    if states:
        names = [STATE_ALIASES.get(name, name) for name in names]
    order = in_order(
        (name for name, is_used in zip(names, used, strict=True) if is_used), states=states
    )
    # what is missing has the code -1, and so takes the last of these
    moved = np.append(order.get_indexer(pd.Index(names, dtype="str")), -1)
    tidy = pd.Categorical.from_codes(moved[codes], order, validate=False)
    return pd.Series(tidy, index=values.index)


def _length(start: pd.Series, end: pd.Series, more: int) -> pd.Series:
    """Give end - start + more milliseconds, NaT where it is negative, missing or too long."""
    first, last = coerce.millis(start), coerce.millis(end)
    length = last - first + more
    # a difference that overflows wraps round to a negative number
    known = (first != coerce.NAT) & (last != coerce.NAT) & (last >= first) & (length >= 0)
    return pd.Series(np.where(known, length, coerce.NAT).view("timedelta64[ms]"), index=start.index)


def _keep_latest(tasks: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Keep each task once, in its latest state; tell which rows are different tasks of one key."""
    suspects = _find_alike(tasks["task_id"])
    if not len(suspects):
        return tasks, _NO_REASONS
    again = np.zeros(len(tasks), dtype=bool)
    again[suspects] = tasks.iloc[suspects].duplicated(list(KEY), keep=False)
    if not again.any():
        return tasks, _NO_REASONS

    twins = tasks[again]
    key = twins.groupby(list(KEY), dropna=False, observed=True).ngroup()
    # a field may be missing in one answer and there in the next: that is no contradiction
    differing = twins[list(_IMMUTABLE)].groupby(key).nunique().gt(1).any(axis=1)
    torn = key.map(differing)
    tell_apart = [twins[name].where(torn) for name in _IMMUTABLE]
    tell_apart = [
        part.astype("str") if isinstance(part.dtype, pd.CategoricalDtype) else part
        for part in tell_apart
    ]
    task = twins.groupby([key, *tell_apart], dropna=False).ngroup()

    ended = twins["status_code"].isin([*TERMINAL_STATES, *STATE_ALIASES])
    step = twins["status_code"].map({state: i for i, state in enumerate(STATES)}).astype("float")
    seen = pd.DataFrame(
        {
            "task": task,
            "ended": ended,
            "observed_at": coerce.millis(twins["observed_at"]),
            "step": step.fillna(-1),
            "completion_time": coerce.millis(twins["completion_time"]),
        }
    )
    # what is the same in all that is decided by the texts, so that the rows' order never matters
    tied = twins.loc[seen.duplicated(keep=False), ["status_code", "status_message", *_IMMUTABLE]]
    texts = {name: "str" for name in tied if isinstance(tied[name].dtype, pd.CategoricalDtype)}
    seen = seen.join(tied.astype(texts))
    ranked = seen.sort_values(list(seen.columns), kind="stable", na_position="first")
    latest = ranked.drop_duplicates("task", keep="last").index
    kept = np.asarray(~again | tasks.index.isin(latest))
    doubtful = torn[torn & torn.index.isin(latest)].index
    return tasks[kept], pd.Series(CONTRADICTION, index=doubtful, dtype=object)


def _find_alike(texts: pd.Series) -> np.ndarray:
    """Give where texts stand that are there twice, or hardly ever only seem to be.

    Numbers are sorted in less time and memory than a table of all the texts takes.
    """
    hashes = _hash_even(texts)
    if hashes is None:
        step = 50_000  # texts that are Python objects at one time
        hashes = np.zeros(len(texts), dtype="int64")
        for at in range(0, len(texts), step):
            some = texts.iloc[at : at + step].tolist()
            hashes[at : at + step] = np.fromiter(map(hash, some), dtype="int64", count=len(some))
    ranked = np.sort(hashes)
    return np.flatnonzero(np.isin(hashes, ranked[1:][ranked[1:] == ranked[:-1]]))


def _hash_even(texts: pd.Series) -> np.ndarray | None:
    """Hash texts that are all equally long, as AWS's identifiers are, eight bytes at a time."""
    import pyarrow as pa  # noqa: PLC0415 - as in from_arrow

    hashes = np.zeros(len(texts), dtype="uint64")
    done = 0
    for chunk in pa.chunked_array(pa.array(texts, type=pa.large_string())).chunks:
        some = hashes[done : done + len(chunk)]
        done += len(chunk)
        if not len(chunk):
            continue
        ends = np.frombuffer(chunk.buffers()[1], "int64")[chunk.offset :][: len(chunk) + 1]
        width = int(ends[1] - ends[0])
        if width < _WORD or chunk.null_count or (np.diff(ends) != width).any():
            return None
        for start in (*range(0, width - _WORD, _WORD), width - _WORD):
            place = int(ends[0]) + start
            some ^= np.ndarray(len(chunk), "uint64", chunk.buffers()[2], place, strides=(width,))
            some *= _ODD
            some ^= some >> _HALF
    return hashes


_WORD = 8  # bytes
_ODD = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing: 2**64 over the golden ratio
_HALF = np.uint64(32)


def _placed(reasons: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"place": [f"row {row}" for row in reasons.index], "reason": [*reasons]})
