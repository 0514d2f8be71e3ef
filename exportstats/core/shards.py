"""Tasks in one piece or in many: run a part over each, and bring the results together.

A slot runs one task at a time and no statistic looks across slots before its finish. So tasks may
lie in any number of shards, each the whole history of some slots. A statistic is a *part*, which
turns one shard into a table that adds up, and a *finish*, which turns the sum into the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, TypeAlias

import pandas as pd

from exportstats.core import frames
from exportstats.errors import SchemaError

Part: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]


class Shards(Protocol):
    """Tables of tasks, each the whole history of some slots, wherever they lie."""

    def map(self, part: Part, /) -> Iterable[pd.DataFrame]:
        """Give `part` of each shard, in any order; a part can be pickled."""


Tasks: TypeAlias = pd.DataFrame | Shards


def collect(tasks: Tasks, part: Part) -> pd.DataFrame:
    """Run a part over one table of tasks or over each shard, and stack what it gives.

    Raises
    ------
    SchemaError
        `tasks` is neither a table of tasks nor shards of them.
    """
    if isinstance(tasks, pd.DataFrame):
        return part(frames.check(tasks))
    if isinstance(tasks, pd.Series) or not hasattr(tasks, "map"):
        raise SchemaError(
            f"a {type(tasks).__name__} is no table of tasks; "
            "give what xs.fetch_tasks, xs.read_tasks or xs.conform gives"
        )
    found = [*tasks.map(partial(_of_checked, part=part))]
    # without a single shard there is still an answer, and its columns are the empty table's
    return frames.stack(found or [part(frames.empty())])


def select(tasks: Tasks, keep: Part) -> Tasks:
    """Give what `keep` leaves of each shard, as tasks again; `keep` can be pickled.

    Raises
    ------
    SchemaError
        `tasks` is neither a table of tasks nor shards of them.
    """
    if isinstance(tasks, pd.DataFrame) or not hasattr(tasks, "map"):
        return collect(tasks, keep)
    return _Selected(tasks, keep)


class _Selected:
    """Shards of which only a part is kept."""

    def __init__(self, tasks: Shards, keep: Part) -> None:
        self._tasks = tasks
        self._keep = keep

    def map(self, part: Part, /) -> Iterable[pd.DataFrame]:
        """Give `part` of what is kept of each shard."""
        return self._tasks.map(partial(_of_kept, part=part, keep=self._keep))


def _of_checked(tasks: pd.DataFrame, *, part: Part) -> pd.DataFrame:
    return part(frames.check(tasks))


def _of_kept(tasks: pd.DataFrame, *, part: Part, keep: Part) -> pd.DataFrame:
    return part(keep(tasks))
