"""Find gaps: the parts of a range that no COMPLETED task covers, and the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage import exports
from exportstats.coverage.query import make_query
from exportstats.stats import matching, windows
from exportstats.stats.as_of import known_at, to_millis
from exportstats.stats.incoming import Came

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.query import Query
    from exportstats.stats.windows import Intervals

REASON = pd.CategoricalDtype(pd.Index(exports.REASONS, dtype="str"), ordered=True)


def find_gaps(  # noqa: PLR0913 - all options are keyword-only
    tasks: pd.DataFrame | Shards,
    *,
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
    log_groups: pd.DataFrame | None = None,
    tolerance: str | pd.Timedelta = "0ms",
    as_of: str | date | pd.Period | None = None,
    deliveries: pd.DataFrame | None = None,
    api_calls: pd.DataFrame | None = None,
    incoming: pd.DataFrame | None = None,
    lateness: str | pd.Timedelta = "1h",
) -> pd.DataFrame:
    """Find the parts of a range that no COMPLETED task covers, per log group.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Tasks without a log group are
        left out.
    start, end
        The range, from `start` to before `end`: dates in UTC, or instants with a time zone.
    log_groups
        A table of log groups. If given, log groups without any task have gaps too, a log group has
        no gap before its creation, and the expiry of events is known.
    tolerance
        Gaps up to this length count as covered.
    as_of
        Use only what was known at this instant. By default, the states are used as they are.
    deliveries
        A table of deliveries. If given, tasks that delivered `empty` or `gone` cover nothing.
    api_calls
        A table of API calls. If given, gaps whose export was refused are known. Log groups that
        only refused calls name are not added: they may not exist.
    incoming
        A table of what log groups took in. If given, gaps in which nothing came in are `silent`.
    lateness
        How long after the end of a gap its events may still come in. Data that comes in within
        this time may belong to the gap, which is not silent then.

    Returns
    -------
    DataFrame
        One row per gap, as long as possible, sorted by log group and time, with these columns:

        - `account_id`, `region`, `log_group_name`;
        - `start`, `end` (`datetime64[ms, UTC]`, half-open), `length` (`timedelta64[ms]`);
        - `reason`, see below;
        - `last_task_id`, the latest created of the tasks with this reason;
        - `expires_at`, when the first event of the gap expires; missing if never or unknown;
        - `error_code` of the latest refused call, if no task was created for the gap;
        - `tried_by`, who called for the export of `last_task_id`, or was refused; missing if no API
          call of it is known;
        - `incoming_bytes`, `incoming_events`: what came in during the gap. A period that is partly
          in the gap counts in proportion. Missing if not known for the whole gap.

        `reason` is the most hopeful one among the tasks whose windows overlap the gap: `active`
        (they may still cover it), `unknown` (their state is missing or not a state of the API),
        `cancelled`, `failed`, `empty` (COMPLETED, but nothing is in S3), `refused` (asked for, but
        no task was created) or `never_tried`. Events that retention has deleted by `as_of`, by
        default the `observed_at` of the log group, are `lost`. A gap that is partly lost is two
        rows. If no event came in from the start of the gap to `lateness` after its end, there is
        nothing to export: it is `silent`, whatever was tried.

    Raises
    ------
    ArgumentError
        If an instant has no time zone, the range does not end after its start, or `tolerance`
        or `lateness` is not a length of time.
    SchemaError
        If a table is not the one it should be, or a log group is listed twice.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": list("abc"), "log_group_name": "acme/api",
    ...                       "status_code": ["COMPLETED", "FAILED", "COMPLETED"],
    ...                       "from_time": [0, day, 2 * day],
    ...                       "to_time": [day - 1, 2 * day - 1, 3 * day - 1]})
    >>> gaps = xs.find_gaps(xs.conform(frame), start="1970-01-01T00:00Z", end="1970-01-04T00:00Z")
    >>> gaps[["start", "length", "reason", "last_task_id"]]
                          start length  reason last_task_id
    0 1970-01-02 00:00:00+00:00 1 days  failed            b
    """
    query = make_query(
        start,
        end,
        log_groups=log_groups,
        tolerance=tolerance,
        as_of=as_of,
        deliveries=deliveries,
        api_calls=api_calls,
        incoming=incoming,
        lateness=lateness,
    )
    return settle(exports.collect(tasks, answer, query), query)


def answer(found: Exports, query: Query) -> pd.DataFrame:
    """Return the gaps of some log groups; one without gaps has a row without a start."""
    return as_rows(found, find(found, query), query)


def find(found: Exports, query: Query) -> Intervals:
    """Return the gaps that are longer than the tolerance."""
    gaps = windows.find_uncovered(found.windows(found.covering), found.low, found.high)
    return gaps.take(gaps.length > query.tolerance) if query.tolerance else gaps


def as_rows(found: Exports, gaps: Intervals, query: Query) -> pd.DataFrame:
    """Return the gaps with their reasons, and a row for each log group without gaps."""
    reason, row = _explain(found, gaps)
    without = np.ones(len(found.keys), dtype=bool)
    without[gaps.group] = False
    rest = np.flatnonzero(without)
    none = np.full(len(rest), coerce.NAT)
    return pd.DataFrame(
        {
            **exports.keys_of(found.keys, np.concatenate([gaps.group, rest])),
            "start": np.concatenate([gaps.start, none]),
            "end": np.concatenate([gaps.end, none]),
            "reason": np.concatenate([reason, np.full(len(rest), exports.NEVER_TRIED)]),
            **_last_try(found, np.concatenate([row, np.full(len(rest), -1)]), query),
        }
    )


def _last_try(
    found: Exports, row: np.ndarray, query: Query
) -> dict[str, pd.api.extensions.ExtensionArray]:
    """Return the columns about the last try of each gap, given its row, -1 for none."""
    tasks = found.tasks
    codes = pd.Categorical.from_codes(np.full(len(row), -1), pd.Index([], dtype="str"))
    if "error_code" in tasks:
        codes = tasks["error_code"].astype("category").array.take(row, allow_fill=True)
    return {
        "last_task_id": tasks["task_id"].array.take(row, allow_fill=True),
        "error_code": codes,
        "tried_by": _tried_by(tasks, row, query),
    }


def _tried_by(
    tasks: pd.DataFrame, row: np.ndarray, query: Query
) -> pd.api.extensions.ExtensionArray:
    """Return who created the task of each row, or was refused; missing if it is not known."""
    who: pd.api.extensions.ExtensionArray = pd.array([None] * len(row), dtype="str")
    if query.api_calls is None:
        return who
    tried = tasks.iloc[row[row >= 0]].reset_index(drop=True)
    by = query.api_calls.creations_of(tried)["principal"].astype("str")
    if "refused_by" in tried:
        by = by.fillna(tried["refused_by"].astype("str"))
    who[row >= 0] = by.array
    return who


def settle(gaps: pd.DataFrame, query: Query) -> pd.DataFrame:
    """Return the table of all gaps: split off what is lost, and add when the rest expires."""
    gaps = gaps[gaps["start"] != coerce.NAT]
    codes, keys = exports.in_order(gaps)
    start, end = gaps["start"].to_numpy(), gaps["end"].to_numpy()
    silent = are_silent(keys, codes, start, end, query)
    retention = exports.of_log_groups(keys, "retention", query)[codes]
    gone = _gone_before(keys, query)[codes]

    # a gap that is partly lost has a row in both
    lost, rest = np.flatnonzero(start < gone), np.flatnonzero(end > gone)
    row = np.concatenate([lost, rest])
    starts = np.concatenate([start[lost], np.maximum(start, gone)[rest]])
    ends = np.concatenate([np.minimum(end, gone)[lost], end[rest]])
    reason = gaps["reason"].to_numpy()[row]
    reason[: len(lost)] = exports.LOST
    reason[silent[row]] = exports.SILENT
    order = np.lexsort([starts, codes[row]])
    row, starts, ends = row[order], starts[order], ends[order]
    kept = retention[row]
    came = came_in(keys, codes[row], starts, ends, query)
    return pd.DataFrame(
        {
            **exports.keys_of(keys, codes[row]),
            "start": coerce.times(starts),
            "end": coerce.times(ends),
            "length": (ends - starts).view("timedelta64[ms]"),
            "reason": pd.Categorical.from_codes(reason[order], dtype=REASON),
            "last_task_id": gaps["last_task_id"].array.take(row),
            "expires_at": coerce.times(np.where(kept == coerce.NAT, coerce.NAT, starts + kept)),
            "error_code": gaps["error_code"].astype("category").array.take(row),
            "tried_by": gaps["tried_by"].astype("str").array.take(row),
            "incoming_bytes": came.bytes,
            "incoming_events": came.events,
        }
    )


def explain_again(
    gaps: pd.DataFrame,
    tasks: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    **evidence: Any,  # noqa: ANN401 - tables, as for find_gaps
) -> pd.DataFrame:
    """Return parts of gaps with their own reasons, from the tasks whose windows overlap each part.

    What depends on these tasks and on the length of a part is determined again.

    Parameters
    ----------
    gaps
        Rows of `find_gaps`, each cut to a shorter interval. Lost ones stay lost.
    tasks
        At least those that did not complete, or delivered nothing.
    evidence
        The tables beside the tasks, as for `find_gaps`.
    """
    if not len(gaps):
        return gaps
    query = make_query(gaps["start"].min(), gaps["end"].max(), as_of=as_of, **evidence)
    keys = gaps[list(LOG_GROUP)].drop_duplicates(ignore_index=True)
    known = known_at(tasks, query.as_of)
    row_of = matching.locate(known, keys)
    found = exports.read_for(keys, known[row_of >= 0], row_of[row_of >= 0], query)
    group = matching.locate(gaps, keys)
    start, end = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    order = np.lexsort([start, group])
    order = order[group[order] >= 0]
    reason, row = np.full(len(gaps), exports.NEVER_TRIED), np.full(len(gaps), -1)
    some = windows.Intervals(group[order], start[order], end[order])
    reason[order], row[order] = _explain(found, some)
    reason[(gaps["reason"] == "lost").to_numpy()] = exports.LOST
    came = came_in(gaps, np.arange(len(gaps)), start, end, query)
    return gaps.assign(
        reason=pd.Categorical.from_codes(reason, dtype=REASON),
        **_last_try(found, row, query),
        incoming_bytes=came.bytes,
        incoming_events=came.events,
    )


def came_in(
    keys: pd.DataFrame, codes: np.ndarray, start: np.ndarray, end: np.ndarray, query: Query
) -> Came:
    """Return what came in during gaps."""
    if query.incoming is None:
        return Came.unknown(len(codes))
    return query.incoming.during(matching.locate(keys, query.incoming.keys)[codes], start, end)


def are_silent(
    keys: pd.DataFrame, codes: np.ndarray, start: np.ndarray, end: np.ndarray, query: Query
) -> np.ndarray:
    """Return a mask of the gaps in which nothing came in."""
    if query.incoming is None:
        return np.zeros(len(codes), dtype=bool)
    group = matching.locate(keys, query.incoming.keys)[codes]
    return query.incoming.are_silent(group, start, end, query.lateness)


def _gone_before(keys: pd.DataFrame, query: Query) -> np.ndarray:
    """Return the instant of each log group before which retention has deleted all events."""
    retention = exports.of_log_groups(keys, "retention", query)
    now = exports.of_log_groups(keys, "observed_at", query)
    if query.as_of is not None:
        now = np.full(len(keys), to_millis(query.as_of))
    known = (retention != coerce.NAT) & (now != coerce.NAT)
    return np.where(known, now - retention, coerce.NAT)


def _explain(found: Exports, gaps: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """Return the reason of each gap, and the row of the latest task with it, -1 for none."""
    many = len(gaps.group)
    tried = np.flatnonzero(found.not_covering)
    tries = found.windows(tried)
    axis = windows.axis_of(len(found.keys), *gaps[1:], *tries[1:])
    first, last = windows.ranges_touched(axis, gaps, tries)
    touching = first < last
    first, last, tried = first[touching], last[touching], tried[touching]
    by_hope = tried_in_order(found, tried)
    rank = np.empty(len(tried), dtype="int64")
    rank[by_hope] = np.arange(len(tried))
    row = np.append(tried[by_hope], -1)[windows.highest(first, last, rank, many)]
    reason = np.where(row < 0, exports.NEVER_TRIED, np.append(found.meaning, 0)[row])
    return reason, row


def tried_in_order(found: Exports, rows: np.ndarray) -> np.ndarray:
    """Return the order of tasks by hopefulness, creation and ID."""
    meaning, created = found.meaning[rows], coerce.millis(found.tasks["creation_time"])[rows]
    # sorting text is slow, so it is done only for ties within a log group
    group = found.group[rows]
    order = np.lexsort([created, meaning, group])
    alike = np.zeros(len(order), dtype=bool)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for values in (created[order], meaning[order], group[order]):
        same &= values[1:] == values[:-1]
    alike[1:] |= same
    alike[:-1] |= same
    text = np.zeros(len(order), dtype="int64")
    tied = order[alike]
    text[tied] = pd.factorize(found.tasks["task_id"].array.take(rows[tied]), sort=True)[0]
    return np.lexsort([text, created, meaning])
