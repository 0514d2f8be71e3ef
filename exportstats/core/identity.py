"""Find rows of the same task or log group, and keep the latest state."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exportstats.core.schema import STATES, TERMINAL_STATES, Table, state_of

CONTRADICTION = "another {row} has the same {id}"
UNCLEAR_RETENTION = (
    "its retention differs, and which is newer is unknown: the shortest was kept; "
    "read only the newest list"
)
CONTRADICTION_OF_TASKS = CONTRADICTION.format(row="task", id="task_id")


def keep_latest(rows: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, pd.Series]:
    """Keep each task or log group once, in its latest state.

    Return the kept rows, in order, and a reason for each of them that contradicts another row.
    Columns that are not there are not compared.
    """
    again = repeated(rows, table)
    if not again.any():
        return rows, pd.Series([], index=rows.index[:0], dtype=object)

    several = rows.loc[again, [column.name for column in table.base if column.name in rows]]
    entity, conflicting = _entities(several, table)
    order = _rank(several, entity)
    in_order = entity[order]
    is_last = np.append(in_order[1:] != in_order[:-1], True)
    latest = np.zeros(len(several), dtype=bool)
    latest[order[is_last]] = True
    if own := [name for name in rows if name not in table.names]:
        # a later state inherits the user's own values from earlier ones
        known = rows.loc[again, own].iloc[order].groupby(in_order).last()
        labels = several.index[order[is_last]]
        rows = rows.copy()
        rows.loc[labels, own] = known.set_axis(labels)
    kept = ~again
    kept[again] = latest
    doubtful = several.index[conflicting & latest]
    reason = CONTRADICTION.format(row=table.row, id=table.id)
    reasons = pd.Series(reason, index=doubtful, dtype=object)
    if "retention" in several:  # which one is newer is only known if each has been observed
        same = [entity, several["creation_time"], several["observed_at"]]
        unlike = several.groupby(same, dropna=False)["retention"].transform("nunique", dropna=False)
        unclear = several.index[(unlike > 1).to_numpy() & latest]
        reasons = pd.concat([reasons, pd.Series(UNCLEAR_RETENTION, index=unclear, dtype=object)])
    return rows[kept], reasons


def repeated(rows: pd.DataFrame, table: Table) -> np.ndarray:
    """Return a mask of the rows that share their key with another row."""
    again = np.ones(len(rows), dtype=bool)
    numbers = _numbers(rows[table.id])
    if numbers is not None:
        ordered = np.sort(numbers)
        same = ordered[1:] == ordered[:-1]
        again[:] = pd.Series(numbers).isin(ordered[1:][same]) if same.any() else False
    elif rows[table.id].is_unique:
        again[:] = False
    if again.any():  # texts that differ may have the same number
        again[again] = rows.loc[again, list(table.key)].duplicated(keep=False)
    return again


def _entities(several: pd.DataFrame, table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each task or log group, and the rows whose key has several of them."""
    entity = groups_of([codes_of(several[name]) for name in table.key])
    order = np.argsort(entity, kind="stable")
    starts = np.flatnonzero(np.diff(entity[order], prepend=-1))
    conflicting = np.zeros(len(starts), dtype=bool)
    fixed = [codes_of(several[name]) for name in table.fixed if name in several]
    for codes in fixed:
        # a field may be missing in one answer and present in the next, which is not a contradiction
        most = np.maximum.reduceat(codes[order], starts)
        least = np.minimum.reduceat(np.where(codes < 0, len(codes), codes)[order], starts)
        conflicting |= least < most
    rows = conflicting[entity]
    if rows.any():
        entity = groups_of([entity, *(np.where(rows, codes, 0) for codes in fixed)])
    return entity, rows


def _rank(several: pd.DataFrame, entity: np.ndarray) -> np.ndarray:
    """Return the order of rows in which the latest state of each entity comes last."""
    keys = {"entity": entity, "observed_at": several["observed_at"].to_numpy("datetime64[ms]")}
    if "status_code" in several:
        status = several["status_code"].astype("category").cat
        states = [state_of(state) for state in status.categories]
        ended = np.array([*(state in TERMINAL_STATES for state in states), False])
        steps = {state: step for step, state in enumerate(STATES)}
        step = np.array([*(steps.get(state, -1) for state in states), -1])
        keys = {"entity": entity, "ended": ended[status.codes], **keys, "step": step[status.codes]}
        keys["completion_time"] = several["completion_time"].to_numpy("datetime64[ms]")
    numbers = [value.view("int64") if value.dtype.kind == "M" else value for value in keys.values()]
    order = np.lexsort(numbers[::-1])
    # ties are broken by the other values, so that the order of the rows does not matter
    differs = np.zeros(len(order), dtype=bool)
    differs[:1] = True
    for value in numbers:
        differs[1:] |= value[order][1:] != value[order][:-1]
    run = np.cumsum(differs) - 1
    tied = np.flatnonzero(np.bincount(run)[run] > 1)
    if len(tied):
        others = several.columns.difference(list(keys), sort=False)
        values = several.iloc[order[tied]][others].reset_index(drop=True)
        if "retention" in values:
            values["retention"] = -values["retention"]  # the shortest is last
        values = values.astype(dict.fromkeys(values.columns[values.dtypes == "category"], "str"))
        ranked = values.assign(run=run[tied]).sort_values(
            ["run", *others], kind="stable", na_position="first"
        )
        order[tied] = order[tied][ranked.index]
    return order


def groups_of(numbers: list[np.ndarray]) -> np.ndarray:
    """Return the number of the group of each row; rows of a group have the same numbers."""
    frame = pd.DataFrame(dict(enumerate(numbers)))
    return frame.groupby(list(frame), sort=False).ngroup().to_numpy()


def codes_of(values: pd.Series) -> np.ndarray:
    """Return a number for each value, the same for equal ones; -1 for a missing one."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy().astype("int64")
    return pd.factorize(values)[0]


def _numbers(texts: pd.Series) -> np.ndarray | None:
    """Return a number for each text, the same for the same text; None if their lengths differ.

    AWS's identifiers have equal length. Each is hashed to one number, eight bytes at a time.
    Sorting the numbers takes a fifth of the time and memory of pandas' `is_unique`.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    if not isinstance(texts.dtype, pd.StringDtype):
        return None
    numbers, done, widths = np.zeros(len(texts), dtype="uint64"), 0, set()
    chunks = pa.chunked_array(pa.array(texts, type=pa.large_string())).chunks
    for chunk in filter(len, chunks):
        ends = np.frombuffer(chunk.buffers()[1], "int64")[chunk.offset :][: len(chunk) + 1]
        width = int(ends[1] - ends[0])
        widths.add(width)
        if width < _WORD or chunk.null_count or len(widths) > 1 or (np.diff(ends) != width).any():
            return None
        some = numbers[done : (done := done + len(chunk))]
        for start in (*range(0, width - _WORD, _WORD), width - _WORD):
            place = int(ends[0]) + start
            some *= _ODD
            some += np.ndarray(len(chunk), "uint64", chunk.buffers()[2], place, strides=(width,))
    return numbers


_WORD = 8  # bytes
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, as in Fibonacci hashing
