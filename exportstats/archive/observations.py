"""Compare observations with those that are kept already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames
from exportstats.core.identity import codes_of, groups_of
from exportstats.core.schema import KEY, TASKS, TERMINAL_STATES
from exportstats.errors import ArgumentError
from exportstats.stats.as_of import instant

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.schema import Table

NEW, CHANGED, SEEN_AGAIN, UNCHANGED = range(4)


def check_observations(
    rows: pd.DataFrame, kind: Table, observed_at: str | date | pd.Period | None
) -> pd.DataFrame:
    """Return a table to add, with `observed_at` filled in; each row must have a key and a time.

    Raises
    ------
    SchemaError
        It is not such a table.
    ArgumentError
        A value is missing.
    """
    checked = frames.check(rows, kind)
    if observed_at is not None:
        seen = checked["observed_at"]
        checked = checked.assign(observed_at=seen.fillna(instant(observed_at, "observed_at")))
    for name in (*kind.key, "observed_at"):
        if lacking := int(checked[name].isna().sum()):
            remedy = "remove these rows" if name == kind.id else f"give {name}= for them"
            raise ArgumentError(
                f"{lacking:,} of {len(checked):,} {kind.name} have no {name}; {remedy}"
            )
    return checked


def compare(incoming: pd.DataFrame, known: pd.DataFrame, kind: Table) -> np.ndarray:
    """Return for each incoming row whether it is new, changed, seen again or unchanged.

    A row is unchanged if it is there already, or equals the observation before it. But if it is of
    an active task, it is seen again: that it was still active is kept for each look.
    """
    names = [column.name for column in kind.base]
    both = frames.stack([known[names], incoming[names]])
    codes = {name: codes_of(both[name]) for name in names}
    codes["observed_at"] = coerce.millis(both["observed_at"])
    fixed = list(dict.fromkeys([*kind.key, *kind.fixed]))
    rest = [name for name in names if name not in (*fixed, "observed_at")]
    entity = groups_of([codes[name] for name in fixed])
    is_incoming = np.arange(len(both)) >= len(known)
    # rows of one instant are sorted by their values, so that equal ones are neighbours
    state = [codes[name] for name in rest]
    order = np.lexsort((is_incoming, *state, codes["observed_at"], entity))

    first = _differs(entity[order])
    later = first | _differs(codes["observed_at"][order])  # than the row before
    differs = np.logical_or.reduce([_differs(values[order]) for values in state])
    # of two states at one instant it is not known which one is the later
    instant = np.cumsum(later) - 1
    is_mixed = np.bincount(instant, differs & ~later, minlength=1) > 0
    after_mixed = is_mixed[instant] | is_mixed[np.maximum(instant - 1, 0)]
    changed = first | differs | (later & after_mixed)
    again = np.zeros(len(order), dtype=bool)
    if "status_code" in names:
        again = later & ~both["status_code"].isin(TERMINAL_STATES).to_numpy()[order]
    is_new = first & ~np.isin(entity[order], entity[: len(known)])
    found = np.empty(len(order), dtype=int)
    found[order] = np.select([is_new, changed, again], [NEW, CHANGED, SEEN_AGAIN], UNCHANGED)
    return found[is_incoming]


def counts(found: np.ndarray) -> pd.Series:
    """Return how many rows are new, changed and unchanged, of a result of `compare`."""
    number = np.bincount(found, minlength=UNCHANGED + 1)
    named = {"new": number[NEW], "changed": number[CHANGED]}
    return pd.Series(named | {"unchanged": number[SEEN_AGAIN] + number[UNCHANGED]})


def _differs(ordered: np.ndarray) -> np.ndarray:
    """Return whether each value differs from the one before it; the first one does."""
    return np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]


def changes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return observations of tasks in order of time, without those that equal the one before.

    Of one instant, the state that is further in the life of a task comes last.
    """
    step = rows["status_code"].cat.codes.to_numpy()
    ordered = rows.assign(_step=step).sort_values([*KEY, "observed_at", "_step"], kind="stable")
    ordered = ordered.drop(columns="_step").reset_index(drop=True)
    kept = compare(ordered, ordered[:0], TASKS) != UNCHANGED
    changed: pd.DataFrame = ordered[kept]
    return changed.reset_index(drop=True)
