"""Apply a function to tasks in one table or in many shards, and combine the results.

A slot runs one task at a time, and no statistic combines slots before its last step. Tasks can
therefore be split into any number of shards, each with the whole history of some slots. A statistic
has a *part*, which turns one shard into a table that can be concatenated, and a *finish*, which
computes the answer from all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

import pandas as pd

from exportstats.core import frames
from exportstats.errors import SchemaError

Part: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]


class Shards(Protocol):
    """Tables of tasks, each with the whole history of some slots."""

    def map(self, part: Part, /) -> Iterable[pd.DataFrame]:
        """Apply `part` to each shard, in any order. Parts can be pickled."""


Tasks: TypeAlias = pd.DataFrame | Shards


def collect(tasks: Tasks, part: Part) -> pd.DataFrame:
    """Apply a part to one table of tasks or to each shard, and concatenate the results."""
    if isinstance(tasks, pd.DataFrame):
        return _through(tasks, steps=(frames.check, part))
    if isinstance(tasks, pd.Series) or not hasattr(tasks, "map"):
        raise SchemaError(
            f"a {type(tasks).__name__} is not a table of tasks; "
            "pass the result of xs.fetch_tasks, xs.read_tasks or xs.conform"
        )
    found = [*tasks.map(partial(_through, steps=(frames.check, part)))]
    # without any shard, the answer is that of an empty table
    return frames.stack(found or [part(frames.empty())])


def observations_of(tasks: Tasks) -> Tasks:
    """Return every observation of the tasks of an archive; a table has them as rows."""
    if isinstance(tasks, pd.DataFrame):
        return tasks
    every: Tasks = getattr(tasks, "observations", tasks)
    return every


def select(tasks: Tasks, keep: Part) -> Tasks:
    """Return the tasks that `keep` leaves of each shard; `keep` can be pickled."""
    if isinstance(tasks, (pd.DataFrame, pd.Series)) or not hasattr(tasks, "map"):
        return collect(tasks, keep)
    return _Selected(tasks, keep)


@dataclass(frozen=True)
class _Selected:
    """Shards with some of their tasks."""

    tasks: Shards
    keep: Part

    def map(self, part: Part, /) -> Iterable[pd.DataFrame]:
        """Apply `part` to the kept tasks of each shard."""
        return self.tasks.map(partial(_through, steps=(self.keep, part)))


def _through(tasks: pd.DataFrame, *, steps: tuple[Part, ...]) -> pd.DataFrame:
    for step in steps:
        tasks = step(tasks)
    return tasks
