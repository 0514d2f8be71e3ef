"""Write the shell commands that export what a finding reports as missing."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.coverage.commands import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


class Export(NamedTuple):
    """The export of one command.

    Attributes
    ----------
    account_id, region
        The slot, or None if unknown.
    log_group_names
        The log groups to export.
    start, end
        The range (aware), half-open.
    command
        The shell command.
    """

    account_id: str | None
    region: str | None
    log_group_names: tuple[str, ...]
    start: pd.Timestamp
    end: pd.Timestamp
    command: str


def with_new_log_groups(words: Sequence[str]) -> list[str]:
    """Return the words of a command that asks AWS for log groups, as files are too old for it."""
    kept = [word for word in words if not word.startswith("--log-groups=")]
    return [*kept, "--log-groups=aws"]


def exports_of(
    ranges: pd.DataFrame, source: Sequence[str], *, log_groups_changed: bool = False
) -> tuple[Export, ...]:
    """Return the `exportstats backfill` commands that export exactly some ranges of log groups.

    Parameters
    ----------
    ranges
        The columns `account_id`, `region`, `log_group_name`, `start` and `end`, the most urgent
        first. Ranges with the same slot, start and end become one command.
    source
        The command-line arguments that name the source of the tasks.
    log_groups_changed
        Whether to ask AWS for the log groups again, because commands before these change them.
    """
    if log_groups_changed:
        source = with_new_log_groups(source)
    names: dict[tuple[Any, ...], dict[str, None]] = {}
    for row in _joined(ranges.to_dict("records")):
        known = names_of(row)
        if "log_group_name" not in known:
            continue
        same = *(known.get(name) for name in SLOT), row["start"], row["end"]
        names.setdefault(same, {})[known["log_group_name"]] = None
    exports = []
    for (account, region, start, end), groups in names.items():
        words = ["exportstats", "backfill", *source]
        words += [f"--account={account}"] if account else []
        words += [f"--region={region}"] if region else []
        words += [f"--since={written(start)}", f"--until={written(end)}"]
        words += [f"--log-group={name}" for name in groups]
        exports.append(Export(account, region, tuple(groups), start, end, shlex.join(words)))
    return tuple(exports)


def _joined(ranges: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Join ranges of a log group that touch or overlap, at the position of the first one."""
    joined: dict[tuple[str, ...], list[dict[Any, Any]]] = {}
    for position, row in sorted(enumerate(ranges), key=lambda item: item[1]["start"]):
        runs = joined.setdefault(tuple(str(row[name]) for name in LOG_GROUP), [])
        if runs and row["start"] <= runs[-1]["end"]:
            runs[-1]["end"] = max(runs[-1]["end"], row["end"])
            runs[-1]["position"] = min(runs[-1]["position"], position)
        else:
            runs.append({**row, "position": position})
    merged = [row for rows in joined.values() for row in rows]
    return sorted(merged, key=lambda row: row["position"])


@functools.lru_cache
def written(time: pd.Timestamp) -> str:
    """Return a time in UTC as text, without trailing zero units."""
    text = time.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    text = text.removesuffix(".000").removesuffix(":00")
    return text.removesuffix("T00:00") if text.endswith("T00:00") else f"{text}Z"
