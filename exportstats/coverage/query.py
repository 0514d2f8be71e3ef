"""The checked arguments of a coverage question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.errors import ArgumentError
from exportstats.stats.api_calls import Calls
from exportstats.stats.as_of import instant, length, to_millis
from exportstats.stats.incoming import Incoming

if TYPE_CHECKING:
    from datetime import date

_OF_LOG_GROUPS = ("creation_time", "retention", "observed_at")
REFUSED = "REFUSED"  # the state of an export that never became a task


@dataclass(frozen=True)
class Query:
    """The arguments of a coverage question; times and durations in milliseconds.

    Attributes
    ----------
    start, end
        The range, half-open.
    tolerance
        Gaps up to this length count as covered.
    margin
        A task created sooner than this after the end of its window is premature.
    as_of
        The instant to answer for; if None, the states are used as they are.
    log_groups
        The log groups with their creation and retention, one row each, or None.
    empty, lacking, whole
        The keys of the tasks that left nothing in S3, of those that left objects of some streams
        only, and of those that left objects of every stream; or None.
    api_calls
        The API calls, or None.
    refused
        The exports that were refused, as rows of tasks with their `error_code` and `refused_by`, or
        None.
    incoming
        What log groups took in, or None.
    lateness
        How long after a gap its events may come in.
    """

    start: int
    end: int
    tolerance: int = 0
    margin: int = 0
    as_of: pd.Timestamp | None = None
    log_groups: pd.DataFrame | None = None
    empty: pd.DataFrame | None = None
    lacking: pd.DataFrame | None = None
    whole: pd.DataFrame | None = None
    api_calls: Calls | None = None
    refused: pd.DataFrame | None = None
    incoming: Incoming | None = None
    lateness: int = 0


def make_query(  # noqa: PLR0913 - as the public functions have them
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
    *,
    tolerance: str | pd.Timedelta = "0ms",
    margin: str | pd.Timedelta = "12h",
    as_of: str | date | pd.Period | None = None,
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
    api_calls: pd.DataFrame | Calls | None = None,
    incoming: pd.DataFrame | Incoming | None = None,
    lateness: str | pd.Timedelta = "1h",
    tz: str = "UTC",
) -> Query:
    """Check the arguments of a question; without `start` or `end`, the range is 1970 to 2999.

    Dates are in the time zone `tz`. API calls and incoming data may be prepared already, so that
    several questions can use them.

    Raises
    ------
    ArgumentError
        If an instant has no time zone, the range does not end after its start, or a length of time
        is not valid or negative.
    SchemaError
        If a table of log groups, deliveries, API calls or incoming data has wrong columns, or the
        same row twice.
    """
    first = schema.FIRST if start is None else to_millis(instant(start, "start", tz))
    last = schema.LAST + 1 if end is None else to_millis(instant(end, "end", tz))
    if first >= last:
        raise ArgumentError(
            f"end={end!r} is not after start={start!r}; give a range from start to before end"
        )
    if log_groups is not None:
        log_groups = frames.check(log_groups, schema.LOG_GROUPS)
        log_groups = coerce.with_text_categories(log_groups[[*schema.LOG_GROUP, *_OF_LOG_GROUPS]])
    when = None if as_of is None else instant(as_of, "as_of")
    empty = lacking = whole = None
    if deliveries is not None:
        empty, lacking, whole = _delivered(frames.check(deliveries, schema.DELIVERIES))
    calls = None if api_calls is None else Calls.of(api_calls)
    return Query(
        first,
        last,
        tolerance=length(tolerance, "tolerance"),
        margin=length(margin, "margin"),
        as_of=when,
        log_groups=log_groups,
        empty=empty,
        lacking=lacking,
        whole=whole,
        api_calls=calls,
        refused=None if calls is None else _refused(calls.table, when),
        incoming=None if incoming is None else Incoming.of(incoming),
        lateness=length(lateness, "lateness"),
    )


def _delivered(deliveries: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Return the keys of the tasks that left nothing, some streams only, and every stream."""
    says = deliveries["delivered"].astype("str")
    # a missing number is of streams that were not looked at
    missing = deliveries[["missing_streams", "possibly_missing_streams"]].sum(axis=1, skipna=False)
    is_whole = (says == "yes") & (missing == 0).fillna(value=False).astype(bool)
    keys = coerce.with_text_categories(deliveries[[*schema.KEY]])
    which = (says.isin(["empty", "gone"]), says == "partial", is_whole)
    return tuple(keys[one.to_numpy()].reset_index(drop=True) for one in which)


def _refused(api_calls: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    """Return the exports that were refused until an instant, as rows of tasks."""
    kept = api_calls["error_code"].notna() & (api_calls["event_name"] == "CreateExportTask")
    if as_of is not None:
        kept &= api_calls["event_time"] <= as_of
    calls = api_calls[kept.to_numpy()]
    columns = [*schema.LOG_GROUP, "from_time", "to_time", "error_code"]
    return calls[columns].assign(
        refused_by=calls["principal"],
        task_id=pd.array([None] * len(calls), dtype="str"),
        status_code=pd.Categorical([REFUSED] * len(calls)),
        creation_time=calls["event_time"],
    )
