"""Which rows are one thing, seen more than once, and which of them is its latest state."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import STATES, TERMINAL_STATES, Table, state_of

CONTRADICTION = "another {row} has the same {id}"
CONTRADICTION_OF_TASKS = CONTRADICTION.format(row="task", id="task_id")

_WORD = 8  # bytes
_ODD = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing: 2**64 over the golden ratio
_HALF = np.uint64(32)


def keep_latest(rows: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, pd.Series]:
    """Keep each thing once, in its latest state.

    Returns
    -------
    kept, doubtful
        The rows that are kept, in their order, and a reason for each of them whose key another
        thing has too.
    """
    nothing = pd.Series([], index=rows.index[:0], dtype=object)
    suspects = _find_alike(rows[table.id])
    if not len(suspects):
        return rows, nothing
    key = list(table.key)
    again = np.zeros(len(rows), dtype=bool)
    again[suspects] = rows.iloc[suspects].duplicated(key, keep=False)
    if not again.any():
        return rows, nothing

    twins = rows[again]
    thing = twins.groupby(key, dropna=False, observed=True).ngroup()
    torn = pd.Series(data=False, index=twins.index)
    if table.fixed:
        # a field may be missing in one answer and there in the next: that is no contradiction
        differing = twins[list(table.fixed)].groupby(thing).nunique().gt(1).any(axis=1)
        torn = thing.map(differing)
        apart = [_plain(twins[name]).where(torn) for name in table.fixed]
        thing = twins.groupby([thing, *apart], dropna=False).ngroup()
    ranked = _rank(twins, thing, table)
    latest = ranked.drop_duplicates("thing", keep="last").index
    if own := [name for name in rows if name not in table.names]:
        # what a user knew of an earlier state is not forgotten for a later one
        known = twins.loc[ranked.index, own].groupby(ranked["thing"]).last()
        rows = rows.copy()
        rows.loc[latest, own] = known.loc[thing[latest]].set_axis(latest)
    kept = np.asarray(~again | rows.index.isin(latest))
    doubtful = torn[torn & torn.index.isin(latest)].index
    reason = CONTRADICTION.format(row=table.row, id=table.id)
    return rows[kept], pd.Series(reason, index=doubtful, dtype=object)


def _rank(twins: pd.DataFrame, thing: pd.Series, table: Table) -> pd.DataFrame:
    """Order rows so that of each thing the latest comes last, whatever order they came in."""
    ranked = pd.DataFrame({"thing": thing})
    state = pd.Series("", index=twins.index)
    if "status_code" in twins:
        state = _plain(twins["status_code"]).map(state_of, na_action="ignore")
        ranked["ended"] = state.isin(TERMINAL_STATES)
    ranked["observed_at"] = coerce.millis(twins["observed_at"])
    ranked["step"] = state.map({state: step for step, state in enumerate(STATES)}).fillna(-1)
    if "completion_time" in twins:
        ranked["completion_time"] = coerce.millis(twins["completion_time"])
    # what is the same in all that is decided by the values, so that the rows' order never matters
    names = [column.name for column in table.base if column.name not in ranked]
    tied = twins.loc[ranked.duplicated(keep=False), names]
    ranked = ranked.join(pd.DataFrame({name: _plain(tied[name]) for name in names}))
    return ranked.sort_values(list(ranked.columns), kind="stable", na_position="first")


def _plain(values: pd.Series) -> pd.Series:
    return values.astype("str") if isinstance(values.dtype, pd.CategoricalDtype) else values


def _find_alike(texts: pd.Series) -> np.ndarray:
    """Return where texts stand that are there twice, or hardly ever only seem to be.

    Numbers are sorted in less time and memory than a table of all the texts takes.
    """
    is_text = isinstance(texts.dtype, pd.StringDtype)
    hashes = _hash_even(texts) if is_text else texts.cat.codes.to_numpy()
    if hashes is None:
        return np.flatnonzero(texts.duplicated(keep=False))
    ranked = np.sort(hashes)
    return np.flatnonzero(np.isin(hashes, ranked[1:][ranked[1:] == ranked[:-1]]))


def _hash_even(texts: pd.Series) -> np.ndarray | None:
    """Hash texts that are all equally long, as AWS's identifiers are, eight bytes at a time."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and pandas has imported it mostly

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
