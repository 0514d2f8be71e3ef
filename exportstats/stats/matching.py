"""Match the log groups of two tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exportstats.core import schema
from exportstats.core.schema import LOG_GROUP
from exportstats.errors import AccountUnknownWarning, warn
from exportstats.stats import grouping

_NONE = -1


def locate(keys: pd.DataFrame, log_groups: pd.DataFrame) -> np.ndarray:
    """Return the row of each key in a table of log groups, -1 if it is not there."""
    codes, listed = np.zeros(len(keys), dtype="int64"), np.zeros(len(log_groups), dtype="int64")
    for name in LOG_GROUP:
        at, values = grouping.codes_of(keys[name])
        code, known = grouping.codes_of(log_groups[name])
        place = known.get_indexer(values)[at]
        codes = np.where((codes < 0) | (place < 0), _NONE, codes * len(known) + place)
        listed = listed * len(known) + code
    order = np.append(np.argsort(listed, kind="stable"), _NONE)
    row: np.ndarray = order[np.searchsorted(listed[order[:-1]], codes, side="right") - 1]
    return np.where(np.append(listed, _NONE)[row] == codes, row, _NONE)


def are_in(texts: pd.Series, others: pd.Series) -> np.ndarray:
    """Return which texts are among others. `isin` takes five times as long, for 100,000 of each."""
    known = pd.Index(others.dropna().unique())
    found: np.ndarray = known.get_indexer(pd.Index(texts)) >= 0
    return found


def warn_of_namesakes(keys: pd.DataFrame, beside: dict[str, pd.DataFrame | None]) -> None:
    """Warn about log groups without account or region that share a name with one that has both.

    They are not treated as the same, because a name can occur in many accounts and regions. But the
    AWS CLI prints tasks without both, so they may well be the same.
    """
    for name, table in beside.items():
        if table is None:
            continue
        for what, some, where, others in (
            ("tasks", keys, name, table),
            (name, table, "the tasks", keys),
        ):
            without = some["log_group_name"][some[list(schema.SLOT)].isna().any(axis=1)]
            known = others["log_group_name"][others[list(schema.SLOT)].notna().all(axis=1)]
            if alike := sorted(set(without.dropna()) & set(known.dropna())):
                more = f" and {len(alike) - 1:,} more" if len(alike) > 1 else ""
                warn(
                    AccountUnknownWarning(
                        f"{what} of {alike[0]}{more} have no account_id or region, so they are "
                        f"kept apart from the log groups of the same name in {where}; add both "
                        f"columns to {'the tasks' if what == 'tasks' else what}"
                    )
                )
