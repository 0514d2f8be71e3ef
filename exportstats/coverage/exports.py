"""What tasks exported, as numbers: their windows by log group, and which of them cover it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.asked import Asked
from exportstats.coverage.windows import Stretches
from exportstats.errors import AccountUnknownWarning, warn
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from collections.abc import Sequence

# What may be said of a gap, from hopeless to hopeful; what a task's window says has its number.
REASONS = ("lost", "never_tried", "empty", "failed", "cancelled", "unknown", "active")
LOST, NEVER_TRIED, _EMPTY, _FAILED, _CANCELLED, _UNKNOWN, _ACTIVE = range(len(REASONS))
_COVERS = len(REASONS)
_NOWHERE = -1
_SAYS = {
    "COMPLETED": _COVERS,
    "FAILED": _FAILED,
    "CANCELLED": _CANCELLED,
    **dict.fromkeys(schema.ACTIVE_STATES, _ACTIVE),
}


class Exports(NamedTuple):
    """The windows of tasks, clipped to the range that is asked for.

    Attributes
    ----------
    tasks
        The tasks, as they were known at the instant asked for.
    keys
        A row a log group: what it is known by.
    low, high
        Where its range begins and ends; the same when nothing is asked of it.
    group, start, end
        Of each task's window.
    says
        What the window says of the log group: the number of a reason for a gap, a number above
        all of these if it covers it, -1 if it is empty, outside the range or of no log group.
    """

    tasks: pd.DataFrame
    keys: pd.DataFrame
    low: np.ndarray
    high: np.ndarray
    group: np.ndarray
    start: np.ndarray
    end: np.ndarray
    says: np.ndarray

    @property
    def covering(self) -> np.ndarray:
        """Which tasks cover something."""
        covering: np.ndarray = self.says == _COVERS
        return covering

    @property
    def in_vain(self) -> np.ndarray:
        """Which tasks have a window and do not cover it."""
        in_vain: np.ndarray = (self.says != _COVERS) & (self.says != _NOWHERE)
        return in_vain

    def windows(self, which: np.ndarray) -> Stretches:
        """Return the windows of some tasks."""
        return Stretches(self.group[which], self.start[which], self.end[which])


Answer: TypeAlias = Callable[[Exports, Asked], pd.DataFrame]


def collect(tasks: shards.Tasks, answer: Answer, asked: Asked) -> pd.DataFrame:
    """Answer for the log groups of all tasks, and for those that are only known of.

    A row of a log group that nothing is to be said of tells all the same that it has tasks.
    """
    found = shards.collect(tasks, partial(_part, answer=answer, asked=asked))
    _warn_of_namesakes(found, asked)
    rest = _without_tasks(found, asked)
    if len(rest):
        found = frames.stack([found, answer(_untried(rest, asked), asked)])
    return found[found["log_group_name"].notna()]


def _warn_of_namesakes(keys: pd.DataFrame, asked: Asked) -> None:
    """Warn of log groups whose account or region is missing, where one of the name is listed.

    They are not taken to be the same, for a name can be in many accounts and regions; but what the
    AWS CLI prints of tasks names neither, and then they may well be.
    """
    if asked.log_groups is None:
        return
    unplaced = keys[list(schema.SLOT)].isna().any(axis=1)
    names = set(keys.loc[unplaced, "log_group_name"].dropna())
    listed = asked.log_groups[asked.log_groups[list(schema.SLOT)].notna().all(axis=1)]
    if alike := sorted(names & set(listed["log_group_name"])):
        warn(
            AccountUnknownWarning(
                f"tasks of {alike[0]}"
                + (f" and {len(alike) - 1:,} more" if len(alike) > 1 else "")
                + " name no account or region, so they are not counted to the log groups of these "
                "names that log_groups has; give the tasks theirs"
            )
        )


def _part(tasks: pd.DataFrame, *, answer: Answer, asked: Asked) -> pd.DataFrame:
    return answer(read(tasks, asked), asked)


def _untried(keys: pd.DataFrame, asked: Asked) -> Exports:
    """Return the exports of log groups that have no task."""
    none = np.zeros(0, dtype="int64")
    low, high = beginnings(keys, asked), np.full(len(keys), asked.end)
    return Exports(frames.empty(), keys, low, high, none, none, none, none)


def read(tasks: pd.DataFrame, asked: Asked) -> Exports:
    """Read the windows of tasks."""
    known = known_at(tasks, asked.as_of)
    groups = grouping.group(known[list(LOG_GROUP)], LOG_GROUP)
    placed = groups.keys["log_group_name"].notna().to_numpy()
    high = np.full(len(placed), asked.end)
    low = np.where(placed, beginnings(groups.keys, asked), high)

    first, last = coerce.millis(known["from_time"]), coerce.millis(known["to_time"])
    start = np.clip(first, asked.start, asked.end)
    if (low > asked.start).any():
        np.maximum(start, low[groups.codes], out=start)
    end = last + 1
    np.clip(end, asked.start, asked.end, out=end)
    says = _says(known, asked)
    says[(start >= end) | (first == coerce.NAT)] = _NOWHERE
    return Exports(known, groups.keys, low, high, groups.codes, start, end, says)


def locate(keys: pd.DataFrame, log_groups: pd.DataFrame) -> np.ndarray:
    """Return the row of each key in a table of log groups, -1 where it is not in it."""
    mine, theirs = np.zeros(len(keys), dtype="int64"), np.zeros(len(log_groups), dtype="int64")
    for name in LOG_GROUP:
        at, values = grouping.codes_of(keys[name])
        there, known = grouping.codes_of(log_groups[name])
        place = known.get_indexer(values)[at]
        mine = np.where((mine < 0) | (place < 0), _NOWHERE, mine * len(known) + place)
        theirs = theirs * len(known) + there
    order = np.append(np.argsort(theirs, kind="stable"), _NOWHERE)
    row: np.ndarray = order[np.searchsorted(theirs[order[:-1]], mine, side="right") - 1]
    return np.where(np.append(theirs, _NOWHERE)[row] == mine, row, _NOWHERE)


def of_log_groups(keys: pd.DataFrame, column: str, asked: Asked) -> np.ndarray:
    """Return what is known of each log group, in milliseconds; NaT's number where nothing is."""
    if asked.log_groups is None:
        return np.full(len(keys), coerce.NAT)
    values = asked.log_groups[column]
    dtype = "datetime64[ms]" if isinstance(values.dtype, pd.DatetimeTZDtype) else None
    millis = values.to_numpy(dtype=dtype).view("int64")
    # the last one stands for all that are not known of
    known: np.ndarray = np.append(millis, coerce.NAT)[locate(keys, asked.log_groups)]
    return known


def beginnings(keys: pd.DataFrame, asked: Asked) -> np.ndarray:
    """Return where the range of each log group begins: not before its creation or past the end."""
    created = of_log_groups(keys, "creation_time", asked)
    low: np.ndarray = np.clip(created, asked.start, asked.end)
    return low


def in_order(frame: pd.DataFrame) -> grouping.Groups:
    """Group rows by log group, numbered as their keys sort, with the categories in use alone."""
    groups = grouping.group(frame[list(LOG_GROUP)], LOG_GROUP)
    # of text, categories are those in use alone, and in order
    keys = groups.keys.astype("str").astype("category")
    codes = [keys[name].array.codes for name in reversed(LOG_GROUP)]
    order = np.lexsort([np.where(code < 0, len(keys), code) for code in codes])
    rank = np.empty(len(order), dtype="int64")
    rank[order] = np.arange(len(order))
    return grouping.Groups(rank[groups.codes], keys.take(order).reset_index(drop=True))


def sort_rows(frame: pd.DataFrame, by: Sequence[np.ndarray]) -> pd.DataFrame:
    """Sort rows by log group and then by some arrays."""
    codes, keys = in_order(frame)
    order = np.lexsort([*reversed(by), codes])
    columns = {name: keys[name].array.take(codes[order]) for name in LOG_GROUP}
    return frame.take(order).reset_index(drop=True).assign(**columns)


def keys_of(keys: pd.DataFrame, codes: np.ndarray) -> dict[str, pd.api.extensions.ExtensionArray]:
    """Return the columns that say which log group each row is of."""
    return {name: keys[name].array.take(codes) for name in LOG_GROUP}


def _without_tasks(keys: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """Return the keys of the log groups that are known of and not among these."""
    if asked.log_groups is None:
        return keys.iloc[:0]
    there = np.zeros(len(asked.log_groups) + 1, dtype=bool)
    there[locate(keys, asked.log_groups)] = True  # the last one stands for all unknown ones
    return asked.log_groups.loc[~there[:-1], list(LOG_GROUP)]


def _says(tasks: pd.DataFrame, asked: Asked) -> np.ndarray:
    """Return what the state of each task means, whatever its window."""
    states = pd.Categorical(tasks["status_code"])
    meaning = [_SAYS.get(state, _UNKNOWN) for state in states.categories]
    # a missing state has the code -1, and so takes the last of these
    says: np.ndarray = np.array([*meaning, _UNKNOWN], dtype="int8")[states.codes]
    if asked.deliveries is not None:
        says[(says == _COVERS) & _is_among(tasks, asked.deliveries)] = _EMPTY
    return says


def _is_among(tasks: pd.DataFrame, keys: pd.DataFrame) -> np.ndarray:
    among = tasks["task_id"].isin(keys["task_id"]).to_numpy(copy=True)
    some = tasks.loc[among, list(schema.KEY)]
    codes = grouping.group(frames.stack([some, keys]), schema.KEY).codes
    among[among] = np.isin(codes[: len(some)], codes[len(some) :])
    return among
