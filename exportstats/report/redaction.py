"""Pseudonyms for everything that tells whose tasks these are, so that a report can be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import schema
from exportstats.stats.failures import reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# What each column's pseudonyms begin with. Regions are public, and no name of anybody.
_KINDS = {
    "account_id": "account",
    "log_group_name": "log-group",
    "destination": "bucket",
    "destination_prefix": "prefix",
    "task_id": "task",
}
_SHORTEST = 3  # of a name that is looked for in messages
_WORD = re.compile(r"[\w./#-]*\w")  # what an identifier or a name of a task looks like


def redact(
    tasks: pd.DataFrame,
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    """Replace accounts, log groups, buckets, prefixes and identifiers by pseudonyms.

    They are numbered in the order in which they were first used: `account-1`, `log-group-7`. So
    what comes later changes none of them, and nothing of a name is in its pseudonym, as it would be
    in a hash of the few names there are. Names of tasks are left out; in messages, the names above
    are replaced, and all else that differs from task to task.

    Parameters
    ----------
    tasks, log_groups, deliveries
        The tables of a report; deliveries without their keys and reasons.

    Returns
    -------
    tuple
        The same tables, in the same order.
    """
    order = tasks.sort_values(["creation_time", *schema.KEY], na_position="last")
    names = {column: _numbered(kind, order[column], log_groups) for column, kind in _KINDS.items()}
    hidden = _hidden(tasks, names).assign(
        task_name=pd.Series(pd.NA, index=tasks.index).astype(tasks["task_name"].dtype),
        status_message=_messages(tasks, names),
    )
    if log_groups is not None:
        log_groups = _hidden(log_groups, names)
    if deliveries is not None:
        rest = {
            "prefix": pd.NA,
            "first_key": pd.NA,
            "last_key": pd.NA,
            "reason": pd.NA,
        }
        deliveries = _hidden(deliveries, names).assign(
            **{
                column: pd.Series(value, index=deliveries.index).astype(deliveries[column].dtype)
                for column, value in rest.items()
            }
        )
    return hidden, log_groups, deliveries


def _numbered(kind: str, values: pd.Series, log_groups: pd.DataFrame | None) -> dict[str, str]:
    """Give each name of a column its number, those that only log groups have at the end."""
    found = [*dict.fromkeys(values.dropna().astype("str"))]
    if log_groups is not None and values.name in log_groups.columns:
        listed = log_groups.sort_values(["creation_time", *schema.LOG_GROUP])[values.name]
        found = [*dict.fromkeys([*found, *listed.dropna().astype("str")])]
    return {value: f"{kind}-{number}" for number, value in enumerate(found, start=1)}


def _hidden(table: pd.DataFrame, names: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    columns = {}
    for column, pseudonyms in names.items():
        if column in table.columns:
            values = table[column]
            hidden = values.astype("str").map(pseudonyms)
            columns[column] = hidden.astype("str").astype(values.dtype.name)  # type: ignore[call-overload]
    return table.assign(**columns)


def _messages(tasks: pd.DataFrame, names: Mapping[str, Mapping[str, str]]) -> pd.Series:
    """Replace names in the messages; each different one once."""
    every = {
        name.casefold(): pseudonym
        for column in ("destination", "log_group_name", "account_id", "destination_prefix")
        for name, pseudonym in names[column].items()
        if len(name) >= _SHORTEST
    }
    longest = sorted(every, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest)) or r"(?!)", re.IGNORECASE)
    words = {**names["task_id"], **dict.fromkeys(tasks["task_name"].dropna(), "a task")}
    messages = tasks["status_message"]

    def without(message: str) -> str:
        message = pattern.sub(lambda found: every[found[0].casefold()], message)
        return _WORD.sub(lambda found: words.get(found[0], found[0]), message)

    hidden = {message: reason_of(without(message)) for message in messages.dropna().unique()}
    return messages.astype("str").map(hidden).astype("str").astype("category")
