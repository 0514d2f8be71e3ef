"""Answer questions about the tasks of a Spark DataFrame, where Spark has them.

Spark calls a function with the tasks of each account and region, and wants one schema for what all
calls return. Parts return tables with any columns, several tables, or tables that depend on the
tasks. So each call returns a single value: its result, pickled. The schema of the part is never
needed, and the results arrive with exactly the dtypes and the order of rows that they had.
"""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from exportstats.core import conversion, frames
from exportstats.core.schema import KEY, SLOT, TASKS, Column
from exportstats.core.shards import Shards
from exportstats.errors import (
    ArgumentError,
    BadRowsWarning,
    ExportStatsError,
    SchemaError,
    collect_warnings,
    missing_library,
    report_rows,
    warn,
)
from exportstats.io.rows import NarrowError, columns_to_read, read_columns, to_table
from exportstats.text import name_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from exportstats.core.shards import Part

_UTC = pa.timestamp("us", tz="UTC")
_IN_UTC = (
    "it has no time zone; if it is in UTC, convert it: df.withColumn({0!r}, "
    'F.concat(F.col({0!r}).cast("string"), F.lit("Z")).cast("timestamp"))'
)
_TO_TIME = (
    "a time without a zone is taken for one of spark.sql.session.timeZone; "
    "convert it: df.withColumn({0!r}, F.to_timestamp({0!r}))"
)
_TO_MILLIS = (
    "if it is milliseconds since 1970, convert it: "
    'df.withColumn({0!r}, F.col({0!r}).cast("bigint"))'
)
_TO_TEXT = "read it as string, because a number loses its leading zeros"


def from_spark(df: DataFrame) -> Shards:
    """Return the tasks of a Spark DataFrame, to pass to functions in place of a table of tasks.

    Statistics, coverage functions, forecasts and `build_weekly_report` take it. Spark applies their
    first step to the tasks of each account and region, on its executors, and only the small results
    are collected. Only the columns that a question needs are read. docs/scale.md describes what
    Spark needs for this.

    Parameters
    ----------
    df
        A Spark DataFrame with the columns of a table of tasks or of AWS, as `conform` takes them.
        It needs `account_id`, `region` and `task_id`. Times are of the type `timestamp`, or are
        milliseconds since 1970 as `bigint`; all else is `string`. If a task has several rows,
        because it was observed several times, its latest state is used.

    Returns
    -------
    Shards
        Pass it in place of a table of tasks. Nothing is read before.

    Raises
    ------
    SchemaError
        It is not a Spark DataFrame, or a column is missing or has another type.
    ExportStatsError
        PySpark is not installed.

    Examples
    --------
    ::

        df = spark.read.format("delta").load("s3a://bucket/exportstats/tasks")
        xs.duration_summary(xs.from_spark(df), by="log_group_name")
    """
    pyspark = require_pyspark("from_spark")
    if not isinstance(df, pyspark.sql.DataFrame):
        raise SchemaError(
            f"a {name_type(df)} is not a Spark DataFrame; functions take a table of tasks and an "
            "archive as they are"
        )
    if df.isStreaming:
        raise SchemaError("the DataFrame is a stream; read the table with spark.read instead")
    types = {found.name: found.dataType for found in df.schema}
    named = conversion.rename(df.columns, TASKS)
    for column in TASKS.base:
        sources = named.get(column.name, [])
        if not sources and column.name in KEY:
            raise SchemaError(
                f"the DataFrame has no column {column.name}, only {', '.join(types)}; rename the "
                f'one that has it, or add it: df.withColumn("{column.name}", F.lit(...))'
            )
        if len(sources) > 1:
            raise SchemaError(
                f"the columns {' and '.join(sources)} are both {column.name}; drop one"
            )
        for name in sources:
            # the status of AWS's JSON has fields
            if column.kind != "status" or not isinstance(types[name], pyspark.sql.types.StructType):
                _check_type(name, types[name].simpleString(), column)
    slot = tuple(named[name][0] for name in SLOT)
    is_nested = any(isinstance(found, pyspark.sql.types.StructType) for found in types.values())
    return SparkTasks(df, slot, is_nested=is_nested)


def require_pyspark(what: str) -> Any:  # noqa: ANN401 - the module
    """Return PySpark, which `what` needs."""
    try:
        import pyspark.sql  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing_library(what, "PySpark") from error
    return pyspark


def check_running(session: Any) -> None:  # noqa: ANN401 - also one of Spark Connect
    """Refuse a session that has stopped, whose errors are Java's."""
    context = getattr(session, "_sc", None)  # Spark Connect has none
    if context is not None and context._jsc is None:  # noqa: SLF001 - there is no other sign
        raise ArgumentError(
            "the Spark session has stopped; make a new one, and what is made with it anew"
        )


def _check_type(name: str, found: str, column: Column) -> None:
    """Check that all values of a column can be read, before Spark begins."""
    is_time = column.kind == "time"
    wanted, others = ("timestamp", ("void", "bigint")) if is_time else ("string", ("void",))
    # text may have a collation: "string collate UTF8_LCASE"
    if found.partition(" ")[0] not in (wanted, *others):
        remedies = {"timestamp_ntz": _IN_UTC, "string": _TO_TIME, "date": _TO_TIME}
        remedy = remedies.get(found, _TO_MILLIS) if is_time else _TO_TEXT
        raise SchemaError(f"the column {name} is {found}, not {wanted}; {remedy.format(name)}")


@dataclass(frozen=True)
class _Answer:
    """What a call returns for an account and region.

    Attributes
    ----------
    slot
        The account and the region.
    result
        What the part returned.
    error
        Why there is no result.
    rows
        The number of rows.
    refused
        The place and the reason of each row that cannot be read.
    caught
        The warnings.
    """

    slot: tuple[str | None, ...]
    result: Any = None
    error: ExportStatsError | NarrowError | None = None
    rows: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    caught: tuple[Warning, ...] = ()

    @property
    def place(self) -> str:
        """The account and the region, for messages."""
        return _place(self.slot)


def _place(slot: Sequence[str | None]) -> str:
    return ", ".join(
        f"no {name}" if value is None else value for name, value in zip(SLOT, slot, strict=True)
    )


@dataclass(repr=False)
class SparkTasks(Shards):
    """The tasks of a Spark DataFrame; a shard is an account and region."""

    df: DataFrame
    slot: tuple[str, ...]
    is_nested: bool
    every: bool = False
    # known once it was seen: tasks have several rows
    _repeats: bool = field(default=False, init=False)

    def __repr__(self) -> str:
        """Return what made it."""
        return f"from_spark({self.df!r})"

    if not TYPE_CHECKING:  # a type checker should still find wrong names

        def __getattr__(self, name: str) -> None:
            """Say where the rows are."""
            raise AttributeError(
                f"the tasks of a Spark DataFrame have no {name}; use the DataFrame for that"
            )

    @property
    def observations(self) -> Shards:
        """Every row, for functions that take a history."""
        return replace(self, every=True)

    def map(self, part: Part, /) -> list[Any]:
        """Apply `part` to the tasks of each account and region."""
        check_running(self.df.sparkSession)
        answers = _collect(self.plan(part))
        if any(isinstance(answer.error, NarrowError) for answer in answers):
            self._repeats = True  # all columns tell which row is the latest
            answers = _collect(self.plan(part))
        _report(answers)
        return [answer.result for answer in answers]

    def plan(self, part: Part) -> DataFrame:
        """Return a DataFrame with the answer for each account and region."""
        reads = None if self._repeats or self.is_nested else getattr(part, "columns", None)
        wanted = None if reads is None else frames.sources_of(reads) - {*frames.SOURCES}
        found = None if wanted is None else columns_to_read(wanted, self.df.columns, TASKS)
        if found is None:
            wanted, found = None, [name for name in self.df.columns if name not in frames.SOURCES]
        # PySpark takes the dots of a name for fields
        aliases = {
            name: name if name.isidentifier() else f"c{number}" for number, name in enumerate(found)
        }
        answer = partial(_answer, names=found, part=part, columns=wanted, every=self.every)
        with warnings.catch_warnings():
            # pandas is not used by Spark here
            warnings.filterwarnings("ignore", ".*fully support pandas", FutureWarning)
            some = self.df.select(*(self.df[_quoted(name)].alias(aliases[name]) for name in found))
            grouped = some.groupBy(*(aliases[name] for name in self.slot))
            return grouped.applyInArrow(_as_call(answer), "answer binary")


def _quoted(name: str) -> str:
    """Return a name as Spark reads it whole."""
    return f"`{name.replace('`', '``')}`"


def _as_call(answer: Callable[..., _Answer]) -> Callable[..., pa.Table]:
    """Return a function for Spark, which looks at the number of its arguments."""

    def call(key: tuple[pa.Scalar, ...], table: pa.Table) -> pa.Table:
        slot = tuple(value.as_py() for value in key)
        return pa.table({"answer": pa.array([pickle.dumps(answer(slot, table))], pa.binary())})

    return call


def _answer(
    slot: tuple[str | None, ...],
    table: pa.Table,
    *,
    names: list[str],
    part: Part,
    columns: frozenset[str] | None,
    every: bool,
) -> _Answer:
    """Apply a part to the rows of an account and region, in a process of Spark."""
    # Spark writes times in UTC with the name of the session's zone
    kinds = table.schema.types
    types = [_UTC if pa.types.is_timestamp(kind) and kind.tz else kind for kind in kinds]
    table = table.rename_columns(names).cast(pa.schema(zip(names, types, strict=True)))
    with collect_warnings() as caught:
        try:
            rows = replace(read_columns(table, TASKS), what=f"{_place(slot)}, row")
            some = to_table([replace(rows, refused=())], TASKS, columns=columns, every=every)
            refused = tuple((rows.name(number), reason) for number, reason in rows.refused)
            answer = _Answer(slot, part(some), rows=len(table), refused=refused)
        except (ExportStatsError, NarrowError) as error:
            answer = _Answer(slot, error=error)
        except Exception as error:
            error.add_note(f"in the tasks of {_place(slot)}")
            raise
    return replace(answer, caught=tuple(caught))


def _collect(plan: DataFrame) -> list[_Answer]:
    """Let Spark run, and return the answers in order of accounts and regions."""
    try:
        collected = plan.toArrow()["answer"].to_pylist()
    except Exception as error:  # noqa: BLE001 - PySpark's and py4j's
        if _is_stop(error):
            raise KeyboardInterrupt from None
        raise ExportStatsError(f"Spark could not answer: {why_spark_failed(error)}") from None
    answers: list[_Answer] = [pickle.loads(answer) for answer in collected]  # noqa: S301 - ours
    return sorted(answers, key=lambda one: [(name is None, name or "") for name in one.slot])


def _is_stop(error: BaseException | None) -> bool:
    """Return whether Ctrl-C was pressed: PySpark then raises the error of the cancelled job."""
    while not isinstance(error, KeyboardInterrupt | None):
        error = error.__context__
    return error is not None


_MISSING = re.compile(r"No module named '(\w+)")


def why_spark_failed(error: Exception) -> str:
    """Return why Spark failed, without its traceback, and the remedy."""
    text = str(error)
    # lines of Java's traceback begin with a tab
    lines = [one for one in text.splitlines() if one.strip() and not one.startswith("\t")]
    if "Traceback (most recent call last):" in text:  # of a Python process
        last = max(at for at, line in enumerate(lines) if line.startswith("  "))
        reason = " ".join(lines[last + 1 :])
    else:
        causes = [line for line in lines if re.match(r"Caused by: [\w.$]+: ", line)]
        failed = [line for line in lines if line.startswith(": ")]  # of py4j
        reason = re.sub(r".*(Exception|Error): ", "", (causes or failed or lines)[0])
    if lacking := _MISSING.search(reason):
        return (
            f"the Python of its executors has no {lacking[1]}; install exportstats and PySpark "
            "there, or set PYSPARK_PYTHON to a Python that has it"
        )
    remedy = "the logs of its executors say more"
    if "exited unexpectedly" in reason:
        remedy += "; if it was killed for lack of memory, raise spark.executor.memoryOverhead"
    return f"{reason.rstrip('.')}; {remedy}"


def _report(answers: list[_Answer]) -> None:
    """Raise the first error, and repeat the warnings as one of each kind."""
    for answer in answers:
        if answer.error is not None:
            answer.error.add_note(f"in the tasks of {answer.place}")
            raise answer.error
    refused = [row for answer in answers for row in answer.refused]
    notes = [one for answer in answers for one in answer.caught if isinstance(one, BadRowsWarning)]
    nothing = pd.DataFrame(columns=["place", "reason"])
    report_rows(
        pd.DataFrame(refused, columns=["place", "reason"]),
        pd.concat([nothing, *(note.rows for note in notes)]),
        nothing,
        of=sum(answer.rows for answer in answers),
    )
    others: dict[type[Warning], Warning] = {}
    for answer in answers:
        for one in answer.caught:
            if not isinstance(one, BadRowsWarning):
                others.setdefault(type(one), one)
    for one in others.values():
        warn(one)
