"""What was known at an instant: later completions are not, and the task counts as running."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError

Instant: TypeAlias = str | pd.Timestamp | None

_FIRST, _END = (
    pd.Timestamp(millis, unit="ms", tz="UTC") for millis in (schema.FIRST, schema.LAST + 1)
)
_OF_THE_END = ("status_message", "completion_time", "duration")


def instant(value: object, name: str) -> pd.Timestamp:
    """Make an aware instant, in milliseconds and UTC, of text or a timestamp.

    Raises
    ------
    ArgumentError
        It is no instant, has no time zone, or lies where no time of a table can.
    """
    try:
        stamp = pd.to_datetime(value)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        stamp = None
    if not isinstance(stamp, pd.Timestamp) or stamp.tzinfo is None:
        raise ArgumentError(
            f'{name}={value!r}; give an instant with its time zone, as in "2026-11-23T06:00Z"'
        )
    if not _FIRST <= stamp <= _END:
        raise ArgumentError(f"{name}={value!r}; give an instant from 1970 to 2999")
    return stamp.tz_convert("UTC").as_unit("ms")


def to_millis(stamp: pd.Timestamp) -> int:
    """Return the milliseconds since 1970 of an instant that `instant` made."""
    return int(stamp.to_datetime64().view("int64"))


def seen_at(tasks: pd.DataFrame, as_of: pd.Timestamp | None) -> np.ndarray:
    """Return when each task was seen in its state, in milliseconds: `as_of`, else `observed_at`."""
    if as_of is None:
        return coerce.millis(tasks["observed_at"])
    return np.full(len(tasks), to_millis(as_of))


def known_at(tasks: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    """Return the tasks as they were known at an instant; without one, as they are.

    A task created later is not there; one that ended later is RUNNING, and neither its duration nor
    the message of its end is known.
    """
    if as_of is None:
        return tasks
    there = tasks[~(tasks["creation_time"] > as_of)]
    later = there["completion_time"] > as_of
    if not later.any():
        return there
    return there.assign(
        status_code=there["status_code"].where(~later, "RUNNING"),
        **{name: there[name].where(~later) for name in _OF_THE_END},
    )
