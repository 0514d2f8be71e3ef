"""Apply a function to tasks in one table or in many shards, and combine the results.

A slot runs one task at a time, and no statistic combines slots before its last step. Tasks can
therefore be split into any number of shards, each with the whole history of some slots. A statistic
has a *part*, which turns one shard into a table that can be concatenated, and a *finish*, which
computes the answer from all parts. A part may say which columns it reads; a shard that comes from a
file can then be read with these alone. Several statistics can be collected together, so that each
shard is read once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import pandas as pd

from exportstats.core import frames
from exportstats.errors import ArgumentError, SchemaError
from exportstats.text import name_error, name_type, shorten

Part: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]


class Shards(ABC):
    """Tables of tasks, each with the whole history of some slots."""

    @abstractmethod
    def map(self, part: Callable[[pd.DataFrame], Any], /) -> Iterable[Any]:
        """Apply `part` to each shard, in any order. Parts and what they return can be pickled.

        If `part.columns` is not None, tables with these columns alone are enough. If some of them
        do not exist, pass all columns, so that the error can name them.
        """


Tasks: TypeAlias = pd.DataFrame | Shards


@dataclass(frozen=True)
class Steps:
    """A part of several steps, one after another.

    Attributes
    ----------
    steps
        The steps.
    columns
        The columns that they read; None for all.
    """

    steps: tuple[Callable[[Any], Any], ...]
    columns: frozenset[str] | None = None

    def __call__(self, tasks: Any) -> Any:  # noqa: ANN401 - what the last step returns
        """Apply the steps to a shard."""
        for step in self.steps:
            tasks = step(tasks)
        return tasks


def gather(
    tasks: Tasks, part: Callable[[pd.DataFrame], Any], columns: Sequence[str] | None = None
) -> list[Any]:
    """Apply a part to one table of tasks or to each shard, and return the results.

    `columns` are those that the part reads; by default all of them.
    """
    names = None if columns is None else frozenset(columns)
    if isinstance(tasks, pd.DataFrame):
        return [part(frames.check(tasks, names=names))]
    _check_shards(tasks)
    found = [*tasks.map(Steps((partial(frames.check, names=names), part), names))]
    # without any shard, the answer is that of an empty table
    return found or [part(frames.empty())]


def collect(tasks: Tasks, part: Part, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Apply a part to one table of tasks or to each shard, and concatenate the results."""
    return frames.stack(gather(tasks, part, columns))


def collect_several(
    tasks: Tasks, part: Callable[[pd.DataFrame], tuple[pd.DataFrame, ...]]
) -> tuple[pd.DataFrame, ...]:
    """Apply a part that returns several tables, and concatenate each of them."""
    return tuple(map(frames.stack, zip(*gather(tasks, part), strict=True)))


def together(tasks: Tasks, *questions: Callable[[Tasks], Any]) -> list[Any]:
    """Answer several questions about the same tasks, and read each shard only once.

    A question is a function that collects one part of the tasks, as every statistic does. It is
    called twice: first to learn its part, then to compute its answer from what was collected.
    """
    if isinstance(tasks, pd.DataFrame):
        return [question(tasks) for question in questions]
    _check_shards(tasks)
    parts = tuple(map(_part_of, questions))
    found = [*tasks.map(_Together(parts))]
    return [
        question(_Collected([results[number] for results in found]))
        for number, question in enumerate(questions)
    ]


def columns_of(*questions: Callable[[Tasks], Any]) -> frozenset[str] | None:
    """Return the columns that questions read, each of which collects one part; None for all."""
    return _Together(tuple(map(_part_of, questions))).columns


@dataclass(frozen=True)
class _Together:
    """Several parts as one, which returns a tuple of their results."""

    parts: tuple[Part, ...]

    @property
    def columns(self) -> frozenset[str] | None:
        """Return the columns that the parts read; None for all."""
        names: list[frozenset[str]] = []
        for part in self.parts:
            some = getattr(part, "columns", None)
            if some is None:
                return None
            names.append(some)
        return frozenset().union(*names)

    def __call__(self, tasks: pd.DataFrame) -> tuple[Any, ...]:
        """Apply all parts to a shard."""
        return tuple(part(tasks) for part in self.parts)


@dataclass(frozen=True)
class _Collected(Shards):
    """Shards whose results are known."""

    results: list[Any]

    def map(self, _: Part, /) -> list[Any]:
        """Return the results of the part."""
        return self.results


class _Asked(Exception):  # noqa: N818 - it is caught here
    """The part of a question."""


class _Listener(Shards):
    """Shards that only learn the part of a question."""

    def map(self, part: Part, /) -> Iterable[Any]:
        """Return the part to `_part_of`."""
        raise _Asked(part)


def _part_of(question: Callable[[Tasks], Any]) -> Part:
    try:
        question(_Listener())
    except _Asked as asked:
        part: Part = asked.args[0]
        return part
    raise TypeError(f"{question!r} collects nothing")


def observations_of(tasks: Tasks) -> Tasks:
    """Return every observation of the tasks of an archive; a table has them as rows."""
    if isinstance(tasks, pd.DataFrame):
        return tasks
    every: Tasks = getattr(tasks, "observations", tasks)
    return every


def select(tasks: Tasks, keep: Part, columns: Sequence[str] | None = None) -> Tasks:
    """Return the tasks that `keep` leaves of each shard; `columns` are those that it reads."""
    if isinstance(tasks, pd.DataFrame):
        return keep(frames.check(tasks, names=columns))
    _check_shards(tasks)
    return _Selected(tasks, keep, None if columns is None else frozenset(columns))


@dataclass(frozen=True)
class _Selected(Shards):
    """Shards with some of their tasks."""

    tasks: Shards
    keep: Part
    columns: frozenset[str] | None

    def map(self, part: Part, /) -> Iterable[pd.DataFrame]:
        """Apply `part` to the kept tasks of each shard."""
        names = getattr(part, "columns", None)
        every = None if names is None or self.columns is None else names | self.columns
        return self.tasks.map(Steps((self.keep, part), every))


def check_executor(executor: object) -> None:
    """Refuse what is not an executor, such as the client that has one.

    Raises
    ------
    ArgumentError
        It is not.
    """
    if not isinstance(executor, Executor):
        raise ArgumentError(
            f"executor={shorten(repr(executor), 80)}; give a concurrent.futures.Executor, such as "
            "a pool of processes, client.get_executor() of Dask, xs.RayExecutor() or "
            "xs.SparkExecutor(spark)"
        )


def refused_by(executor: Executor, error: Exception) -> ArgumentError:
    """Return the error of an executor that takes no calls; `error` is its own."""
    return ArgumentError(
        f"the {type(executor).__name__} takes no calls: {name_error(error)}; if it was shut down "
        "or a process was killed, make a new one"
    )


def _check_shards(tasks: object) -> None:
    if not isinstance(tasks, Shards):  # executors and tables of other libraries have a map, too
        raise SchemaError(
            f"a {name_type(tasks)} is not a table of tasks; pass the result of xs.fetch_tasks, "
            "xs.read_tasks or xs.conform, an archive, or xs.from_spark(df)"
        )
