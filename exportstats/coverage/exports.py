"""The windows of tasks by log group, in milliseconds, and whether they cover it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.query import REFUSED, Query
from exportstats.stats import grouping, matching
from exportstats.stats.as_of import known_at
from exportstats.stats.windows import Intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exportstats.core.shards import Shards

# The reasons for a gap, the most hopeful last. A window means one of their numbers, or _COVERS.
REASONS = (
    *("silent", "lost", "never_tried", "refused", "empty"),
    *("failed", "cancelled", "unknown", "active"),
)
SILENT, LOST, NEVER_TRIED, _REFUSED, _EMPTY, _FAILED, _CANCELLED, _UNKNOWN, _ACTIVE = range(
    len(REASONS)
)
_COVERS = len(REASONS)
_NONE = -1
# How sure it is that a covered part is in S3, the surest last.
PROOFS = ("partial", "claimed", "proven")
PARTIAL, CLAIMED, PROVEN = range(len(PROOFS))
_MEANINGS = {
    "COMPLETED": _COVERS,
    "FAILED": _FAILED,
    "CANCELLED": _CANCELLED,
    REFUSED: _REFUSED,
    **dict.fromkeys(schema.ACTIVE_STATES, _ACTIVE),
}


class Exports(NamedTuple):
    """The windows of tasks, clipped to the range of the query.

    Attributes
    ----------
    tasks
        The tasks, as they were known at the instant of the query.
    keys
        The keys of the log groups, one row each.
    low, high
        Start and end of each log group's range; equal if the range is empty.
    group, start, end
        Log group, start and end of each task's window.
    meaning
        What each window means for its log group: the number of a reason for a gap; a number above
        these if it covers the log group; -1 if it is empty, outside the range or without a log
        group.
    """

    tasks: pd.DataFrame
    keys: pd.DataFrame
    low: np.ndarray
    high: np.ndarray
    group: np.ndarray
    start: np.ndarray
    end: np.ndarray
    meaning: np.ndarray

    @property
    def covering(self) -> np.ndarray:
        """Mask of the tasks that cover their window."""
        covering: np.ndarray = self.meaning == _COVERS
        return covering

    @property
    def not_covering(self) -> np.ndarray:
        """Mask of the tasks that have a window, but do not cover it."""
        not_covering: np.ndarray = (self.meaning != _COVERS) & (self.meaning != _NONE)
        return not_covering

    def windows(self, which: np.ndarray) -> Intervals:
        """Return the windows of selected tasks."""
        return Intervals(self.group[which], self.start[which], self.end[which])


# What is read of the tasks; an answer with tasks or their own columns reads all.
COLUMNS = (
    *dict.fromkeys((*schema.KEY, *LOG_GROUP)),
    *("from_time", "to_time", "status_code", "creation_time", "completion_time", "observed_at"),
)
Answer: TypeAlias = Callable[[Exports, Query], pd.DataFrame]


def collect(
    tasks: pd.DataFrame | Shards,
    answer: Answer,
    query: Query,
    columns: Sequence[str] | None = COLUMNS,
) -> pd.DataFrame:
    """Answer a question for the log groups of all tasks, and for those in `query.log_groups`.

    An answer needs at least one row for every log group that has tasks.
    """
    tasks = known_at(tasks, query.as_of)
    found = shards.collect(tasks, partial(_part, answer=answer, query=query), columns)
    beside = {
        "log_groups": query.log_groups,
        "api_calls": None if query.api_calls is None else query.api_calls.keys,
        "incoming": None if query.incoming is None else query.incoming.keys,
    }
    matching.warn_of_namesakes(found, beside)
    rest = _without_tasks(found, query)
    if len(rest):
        untried = np.zeros(0, dtype="int64")
        found = frames.stack([found, answer(read_for(rest, frames.empty(), untried, query), query)])
    return found[found["log_group_name"].notna()]


def _part(tasks: pd.DataFrame, *, answer: Answer, query: Query) -> pd.DataFrame:
    return answer(read(tasks, query), query)


def read(tasks: pd.DataFrame, query: Query) -> Exports:
    """Return the windows of tasks, as they were known, as exports."""
    groups = grouping.group(tasks[list(LOG_GROUP)], LOG_GROUP)
    return read_for(groups.keys, tasks, groups.codes, query)


def read_for(keys: pd.DataFrame, tasks: pd.DataFrame, codes: np.ndarray, query: Query) -> Exports:
    """Return the windows of tasks and of refused calls for log groups, as exports.

    `codes` has the row in `keys` of each task.
    """
    has_name = keys["log_group_name"].notna().to_numpy()
    high = np.full(len(has_name), query.end)
    low = np.where(has_name, beginnings(keys, query), high)
    if query.refused is not None:
        at = matching.locate(query.refused, keys)
        tasks = frames.stack([tasks, query.refused[at >= 0]])
        codes = np.concatenate([codes, at[at >= 0]])

    first, last = coerce.millis(tasks["from_time"]), coerce.millis(tasks["to_time"])
    start = np.maximum(np.minimum(first, query.end), low[codes])
    end = last + 1
    np.clip(end, query.start, query.end, out=end)
    meaning = _meanings(tasks, query)
    meaning[(start >= end) | (first == coerce.NAT)] = _NONE
    return Exports(tasks, keys, low, high, codes, start, end, meaning)


def proofs_of(found: Exports, query: Query) -> np.ndarray:
    """Return how sure it is that each window that covers is in S3: the number of a proof."""
    tasks = found.tasks
    proof = np.full(len(tasks), CLAIMED)
    if query.api_calls is not None:
        prefix = query.api_calls.creations_of(tasks)["prefix"]
        proof[(prefix.fillna("") != "").to_numpy()] = PARTIAL
        if query.whole is not None:
            unlimited = (prefix == "").to_numpy(bool, na_value=False)
            proof[unlimited & are_among(tasks, query.whole)] = PROVEN
    if query.lacking is not None:
        proof[are_among(tasks, query.lacking)] = PARTIAL
    created, last = (coerce.millis(tasks[name]) for name in ("creation_time", "to_time"))
    # an event that comes in after the export is not in it
    proof[(proof == PROVEN) & (created - last - 1 < query.margin)] = CLAIMED
    return proof


def of_log_groups(keys: pd.DataFrame, column: str, query: Query) -> np.ndarray:
    """Return a column of the log groups in milliseconds, `coerce.NAT` where unknown."""
    if query.log_groups is None:
        return np.full(len(keys), coerce.NAT)
    values = query.log_groups[column]
    dtype = "datetime64[ms]" if isinstance(values.dtype, pd.DatetimeTZDtype) else None
    millis = values.to_numpy(dtype=dtype).view("int64")
    # the last value is for keys that are not listed
    known: np.ndarray = np.append(millis, coerce.NAT)[matching.locate(keys, query.log_groups)]
    return known


def beginnings(keys: pd.DataFrame, query: Query) -> np.ndarray:
    """Return the start of each log group's range: not before its creation, nor after the end."""
    created = of_log_groups(keys, "creation_time", query)
    low: np.ndarray = np.clip(created, query.start, query.end)
    return low


def in_order(frame: pd.DataFrame) -> grouping.Groups:
    """Group rows by log group, numbered in the order of the keys, without unused categories."""
    groups = grouping.group(frame[list(LOG_GROUP)], LOG_GROUP)
    # categories made from text are sorted and all in use
    keys = groups.keys.astype("str").astype("category")
    codes = [keys[name].array.codes for name in reversed(LOG_GROUP)]
    order = np.lexsort([np.where(code < 0, len(keys), code) for code in codes])
    rank = np.empty(len(order), dtype="int64")
    rank[order] = np.arange(len(order))
    return grouping.Groups(rank[groups.codes], keys.take(order).reset_index(drop=True))


def sort_rows(frame: pd.DataFrame, by: Sequence[np.ndarray]) -> pd.DataFrame:
    """Sort rows by log group, then by the given arrays."""
    codes, keys = in_order(frame)
    order = np.lexsort([*reversed(by), codes])
    columns = {name: keys[name].array.take(codes[order]) for name in LOG_GROUP}
    return frame.take(order).reset_index(drop=True).assign(**columns)


def keys_of(keys: pd.DataFrame, codes: np.ndarray) -> dict[str, pd.api.extensions.ExtensionArray]:
    """Return the key columns of rows, given the numbers of their log groups."""
    return {name: keys[name].array.take(codes) for name in LOG_GROUP}


def _without_tasks(keys: pd.DataFrame, query: Query) -> pd.DataFrame:
    """Return the keys of the listed log groups that are not among `keys`."""
    if query.log_groups is None:
        return keys.iloc[:0]
    has_tasks = np.zeros(len(query.log_groups) + 1, dtype=bool)
    has_tasks[matching.locate(keys, query.log_groups)] = (
        True  # the last one is for keys that are not listed
    )
    return query.log_groups.loc[~has_tasks[:-1], list(LOG_GROUP)]


def _meanings(tasks: pd.DataFrame, query: Query) -> np.ndarray:
    """Return what the state of each task means, whatever its window."""
    states = pd.Categorical(tasks["status_code"])
    of_state = [_MEANINGS.get(state, _UNKNOWN) for state in states.categories]
    # a missing state has the code -1, which selects the last element
    meaning: np.ndarray = np.array([*of_state, _UNKNOWN], dtype="int8")[states.codes]
    if query.empty is not None:
        meaning[(meaning == _COVERS) & are_among(tasks, query.empty)] = _EMPTY
    return meaning


def are_among(tasks: pd.DataFrame, keys: pd.DataFrame) -> np.ndarray:
    """Return which rows have the task ID, account and region of a row of `keys`."""
    among = matching.are_in(tasks["task_id"], keys["task_id"])
    some = tasks.loc[among, list(schema.KEY)]
    codes = grouping.group(frames.stack([some, keys]), schema.KEY).codes
    among[among] = np.isin(codes[: len(some)], codes[len(some) :])
    return among
