"""Count tasks by group, state and duration in shards, and read the counts a few groups at a time.

There may be as many counts as tasks, because exact quantiles need every duration. So the counts of
shards stay compressed, and only those of a few groups are decoded at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from exportstats.core import coerce, frames, schema, shards
from exportstats.stats import grouping
from exportstats.stats.grouping import Groups
from exportstats.stats.weighted import count_pairs, merge_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Counts that are decoded together; a group is never split.
_MOST = 1 << 18
# Counts that are compressed together.
_BLOCK = 1 << 14
_MISSING = -1  # below all durations, so that the range of values stays small


class Counts(NamedTuple):
    """The counts of a shard.

    Attributes
    ----------
    keys
        The columns of the groups and `status_code`, one row per group and state.
    sizes
        The number of different durations of each row of `keys`.
    millis, n
        The durations of each row of `keys` in turn, sorted, and the number of tasks of each.
    """

    keys: pd.DataFrame
    sizes: np.ndarray
    millis: np.ndarray
    n: np.ndarray

    def read(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the durations and numbers of tasks from `first` up to, but without, `last`."""
        return self.millis[first:last], self.n[first:last]

    def pack(self) -> PackedCounts:
        """Compress the counts, to less than two bytes each."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - not needed for a table of tasks

        out = pa.BufferOutputStream()
        pq.write_table(
            pa.table({"millis": self.millis, "n": self.n}),
            out,
            row_group_size=_BLOCK,
            compression="lz4",
            column_encoding="DELTA_BINARY_PACKED",
            use_dictionary=False,
            write_statistics=False,
        )
        return PackedCounts(self.keys, self.sizes, out.getvalue().to_pybytes())


class PackedCounts(NamedTuple):
    """The counts of a shard, with durations and numbers of tasks as a Parquet file."""

    keys: pd.DataFrame
    sizes: np.ndarray
    data: bytes

    def read(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the durations and numbers of tasks from `first` up to, but without, `last`."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - not needed for a table of tasks

        blocks = range(first // _BLOCK, -(-last // _BLOCK))
        file = pq.ParquetFile(pa.BufferReader(self.data))
        some = file.read_row_groups([*blocks], use_threads=False)
        some = some.slice(first - blocks.start * _BLOCK, last - first)
        return some["millis"].to_numpy(), some["n"].to_numpy()


@dataclass(frozen=True)
class Counted:
    """The counts of all shards.

    Attributes
    ----------
    cells
        The rows of `keys` of all shards, grouped; a cell is a group and state.
    found
        The counts of each shard.
    """

    cells: Groups
    found: Sequence[Counts | PackedCounts]

    def answer(
        self, groups: Groups, finish: Callable[[pd.DataFrame, Groups], pd.DataFrame]
    ) -> pd.DataFrame:
        """Apply `finish`, which returns a row for each group, to all groups, a few at a time.

        `groups` are those of the cells.
        """
        many = len(groups.keys)
        sizes = np.concatenate([one.sizes for one in self.found])
        of_groups = np.bincount(groups.codes[self.cells.codes], weights=sizes, minlength=many)
        changes = np.flatnonzero(np.diff(np.cumsum(of_groups) // _MOST)) + 1
        rows = [
            finish(*self.read(groups, first, last))
            for first, last in zip([0, *changes], [*changes, many], strict=True)
        ]
        return pd.concat(rows, ignore_index=True).set_axis(grouping.index_of(groups.keys))

    def read(
        self, groups: Groups, first: int = 0, last: int | None = None
    ) -> tuple[pd.DataFrame, Groups]:
        """Return the counts of the groups from `first` up to, but without, `last`; by default all.

        They have the columns of the cells that are not of the groups, `duration`
        (`timedelta64[ms]`, missing where it is unknown) and `n`.
        """
        keys = groups.keys.iloc[first:last]
        cells, millis, n = self._of_cells(
            (groups.codes >= first) & (groups.codes < first + len(keys))
        )
        millis[millis == _MISSING] = coerce.NAT
        states = self.cells.keys.drop(columns=keys.columns).take(cells)
        counts = states.assign(duration=millis.view("timedelta64[ms]"), n=n)
        return counts, Groups(groups.codes[cells] - first, keys)

    def _of_cells(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the cells, durations and numbers of tasks of the wanted cells, in order."""
        none = np.array([], dtype="int64")
        counted, end = [(none, none, none.astype("int32"))], 0
        for one in self.found:
            begin, end = end, end + len(one.sizes)
            cells = self.cells.codes[begin:end]
            rows = np.flatnonzero(wanted[cells])
            if not len(rows):
                continue
            near = slice(rows[0], rows[-1] + 1)
            ends = np.cumsum(one.sizes)[near]
            millis, n = one.read(ends[0] - one.sizes[near.start], ends[-1])
            cell = np.repeat(cells[near], one.sizes[near])
            keep = wanted[cell]  # own categories can have another order in a shard
            counted.append((cell[keep], millis[keep], n[keep]))
            # shards have most durations of a large group in common
            if sum(len(some) for some, _, _ in counted[1:]) > _MOST:
                counted = [merge_pairs(counted)]
        return merge_pairs(counted)


def collect(
    tasks: shards.Tasks, part: Callable[[pd.DataFrame], Counts], names: Sequence[str]
) -> Counted:
    """Let a part count the tasks of each shard by some columns, state and duration."""
    counts = shards.Steps((part, Counts.pack)) if isinstance(tasks, shards.Shards) else part
    found = shards.gather(tasks, counts, (*names, *grouping.DURATION_COLUMNS))
    keys = frames.stack([one.keys for one in found])
    return Counted(grouping.group(keys, [*keys.columns]), found)


def count_durations(
    known: pd.DataFrame, *, names: Sequence[str], freq: str | None = None, tz: str = "UTC"
) -> Counts:
    """Count tasks by group, state and duration; this is the part of most duration statistics.

    Only tasks that have ended have a duration. With `freq`, the groups have a `period`, too.
    """
    ended = known["status_code"].isin(schema.TERMINAL_STATES).to_numpy()
    millis = known["duration"].to_numpy().view("int64")
    return count(known, names, np.where(ended, millis, _MISSING), freq, tz)


def count(
    tasks: pd.DataFrame,
    names: Sequence[str],
    millis: np.ndarray,
    freq: str | None = None,
    tz: str = "UTC",
) -> Counts:
    """Count tasks by group, state and durations in milliseconds."""
    groups = grouping.group_by_state(tasks, names, freq, tz)
    codes, millis, n = count_pairs(groups.codes, np.maximum(millis, _MISSING))
    sizes = np.bincount(codes, minlength=len(groups.keys))
    return Counts(groups.keys, sizes, millis, n.astype("int32"))
