"""Count the reasons for which tasks failed."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import shards
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from exportstats.core.shards import Shards


_COLUMNS = ("tasks", "share", "first_time", "last_time", "example_task_id")
NO_MESSAGE = "(no message)"

# A task's own values of these columns are replaced in its message, if they are long enough to be
# a name. A prefix can be an ordinary word such as "logs"; then it is left.
_OWN_NAMES = {
    "destination": "<bucket>",
    "destination_prefix": "<prefix>",
    "log_group_name": "<log group>",
}
_READ_COLUMNS = (
    *_OWN_NAMES,
    *("task_id", "status_code", "status_message", "creation_time", "completion_time"),
)
_SHORTEST_NAME = 3
_LONGEST = 300  # characters of a message that are read; it could be of any length
_WORD = re.compile(r"\w+")

# The service's failure messages are not documented, so their wording is not interpreted. Only what
# differs from task to task is replaced, in this order.
_PLACEHOLDERS = tuple(
    (re.compile(pattern, re.IGNORECASE), placeholder)
    for pattern, placeholder in (
        (r"\barn:[\w-]*:[^\s,;)\"']*", "<arn>"),
        (r"\bs3://[^\s,;)\"']*[^\s,;)\"'.]", "<s3 address>"),
        (
            r"\b(bucket[\s:=]+[\"']?)(?=[a-z]*\d|[a-z]+[.-]+[a-z\d])[a-z\d][a-z\d.-]+[a-z\d]",
            r"\1<bucket>",
        ),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
        (
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
            "<time>",
        ),
        (r"(?<![\w+/])[\w+/]{24,}={1,2}(?!\w)", "<id>"),  # base64 can look like a path
        (r"(?<![\w<>/])(?:/[\w.$#@%+=:-]+){2,}/?", "<path>"),
        (r"(?<![\w<>/.$#@%+=:-])(?:[\w.$#@%+=:-]+/){2,}[\w.$#@%+=:-]*", "<path>"),
        (
            (
                r"(?<![a-z\d])(?!\d+(?:[nmu]?s|secs?|mins?|h|[kmgt]?i?b)\b)"  # 1500ms is a number
                r"(?:(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{6,}|[\da-f]{16,})(?![a-z\d])"
            ),
            "<id>",
        ),
        (r"(?<![\w<])\d{12}(?!\w)", "<account>"),
        # a single digit after a hyphen belongs to a region, as in us-east-1
        (r"(?:(?<![a-z\d-])\d|(?<=-)\d\d)\d*(?:[.,]\d+)*", "<number>"),
    )
)


def failure_reasons(
    tasks: pd.DataFrame | Shards,
    *,
    by: str | Sequence[str] | None = None,
    as_of: str | date | pd.Period | None = None,
) -> pd.DataFrame:
    """Count the FAILED tasks by the reason in their status message.

    Placeholders replace what differs from task to task: identifiers, numbers, times, buckets and
    paths. So messages with the same reason are counted together. Only the first 300 characters of a
    message are used.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    as_of
        Use only what was known at this instant: tasks that failed later are not counted. By
        default, the states are used as they are.

    Returns
    -------
    DataFrame
        Indexed by group and `reason`, the most frequent reason of each group first, with these
        columns:

        - `tasks`, the number of tasks;
        - `share` of the FAILED tasks of the group;
        - `first_time` and `last_time` of completion, or of creation where the completion time is
          missing (`datetime64[ms, UTC]`);
        - `example_task_id`, the latest task.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, or `as_of` has no time zone.
    SchemaError
        If `tasks` is not a table of tasks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": list("ab"), "status_code": "FAILED",
    ...                       "status_message": ["No answer after 30 s", "No answer after 7 s"]})
    >>> xs.failure_reasons(xs.conform(frame))["tasks"]
    reason
    No answer after <number> s    2
    Name: tasks, dtype: int64
    """
    names = grouping.names_of(by, tasks, _COLUMNS)
    if "status_message" in names:
        raise ArgumentError(
            'by="status_message"; leave it out, the reasons are counted by message anyway'
        )
    part = partial(_reasons, names=names)
    found = shards.collect(known_at(tasks, as_of), part, (*names, *_READ_COLUMNS))
    table = _merge(found, [*names, "reason"])
    whole = grouping.group(table, names)
    sizes = np.bincount(whole.codes, weights=table["tasks"], minlength=len(whole.keys))
    table = table.assign(share=table["tasks"] / sizes[whole.codes], _group=whole.codes)
    table = table.sort_values(["_group", "tasks", "reason"], ascending=[True, False, True])
    index = grouping.index_of(table[[*names, "reason"]].reset_index(drop=True))
    return table[[*_COLUMNS]].set_axis(index)


def reason_of(message: str) -> str:
    """Replace what differs from task to task in a message by placeholders.

    Examples
    --------
    >>> reason_of("Bucket acme-logs-eu is in another region (request 7F3A9C21)")
    'Bucket <bucket> is in another region (request <id>)'
    """
    for pattern, placeholder in _PLACEHOLDERS:
        message = pattern.sub(placeholder, message)
    return " ".join(message.split()) or NO_MESSAGE


def _reasons(tasks: pd.DataFrame, *, names: Sequence[str]) -> pd.DataFrame:
    is_failed = (tasks["status_code"] == "FAILED").to_numpy()
    failed = tasks[is_failed]
    when = failed["completion_time"].fillna(failed["creation_time"])
    found = grouping.columns_of(tasks, names)[is_failed].assign(
        reason=reasons_of(failed),
        tasks=1,
        first_time=when,
        last_time=when,
        example_task_id=failed["task_id"],
    )
    return _merge(found, [*names, "reason"])


def reasons_of(failed: pd.DataFrame) -> pd.Series:
    """Return the reason of each task, its own bucket, prefix and log group replaced as well."""
    messages = failed["status_message"].astype("str").str.slice(stop=_LONGEST)
    words = set(_WORD.findall(" ".join(messages.dropna().unique())))
    own_names = {name: _among(failed[name], words) for name in _OWN_NAMES}
    texts = pd.DataFrame({"message": messages, **own_names})
    kinds = grouping.group(texts, ["message", *_OWN_NAMES])
    rows = kinds.keys.astype(object).where(kinds.keys.notna(), "")
    reason = cache(reason_of)  # tasks often share a message
    reasons = []
    for message, *names in rows.itertuples(index=False):
        own = dict(zip(names, _OWN_NAMES.values(), strict=True))
        reasons.append(reason(_without(message, own)))
    return pd.Series(reasons, dtype="str").take(kinds.codes).set_axis(failed.index)


def _among(names: pd.Series, words: set[str]) -> pd.Series:
    """Keep the names that could occur in a message: each of their words does; blank the others."""
    codes, found = pd.factorize(names)
    could = [words.issuperset(_WORD.findall(name)) for name in found]
    return names.where(np.array([*could, False])[codes])  # a missing name has the code -1


def _without(message: str, own: Mapping[str, str]) -> str:
    """Replace a task's own names by placeholders, all at once: one name can contain another."""
    names = [
        re.escape(name)
        for name in sorted(own, key=len, reverse=True)
        if len(name) >= _SHORTEST_NAME
        and name in message  # checked first, because compiling a pattern is slow
        and not (own[name] == "<prefix>" and name.isalpha())
    ]
    if not names:
        return message
    whole = rf"(?<!\w)(?:{'|'.join(names)})(?!\w)"
    return re.sub(whole, lambda match: own[match[0]], message)


def _merge(found: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Add up the rows of each reason; the example is that of the latest row."""
    groups = grouping.group(found, names)
    ordered = found.assign(_group=groups.codes).sort_values(
        ["_group", "last_time", "example_task_id"], na_position="first"
    )
    grouped = ordered.groupby("_group", sort=True)
    merged = grouped.agg(
        tasks=("tasks", "sum"),
        first_time=("first_time", "min"),
        last_time=("last_time", "max"),
        example_task_id=("example_task_id", "last"),
    )
    return groups.keys.join(merged)
