"""Classify all of a range: gaps, premature parts, overlaps and covered parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage import exports, gaps, premature
from exportstats.coverage.query import make_query
from exportstats.stats import windows

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.query import Query
    from exportstats.stats.windows import Intervals

_STATES = ("gap", "premature", "overlap", "covered")
_GAP, _PREMATURE, _OVERLAP, _COVERED = range(len(_STATES))
_EVIDENCE = (*exports.PROOFS, "silent", "missing")
_SILENT, _MISSING = len(exports.PROOFS), len(exports.PROOFS) + 1
EVIDENCE = pd.CategoricalDtype(pd.Index(_EVIDENCE, dtype="str"))
STATE = pd.CategoricalDtype(pd.Index(_STATES, dtype="str"), ordered=True)


def coverage_timeline(  # noqa: PLR0913 - all options are keyword-only
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
    margin: str | pd.Timedelta = "12h",
) -> pd.DataFrame:
    """Cut a range into gaps, premature parts, overlaps and covered parts, per log group.

    Parameters
    ----------
    tasks, start, end, log_groups, tolerance, as_of, deliveries, api_calls, incoming, lateness
        See `find_gaps`.
    margin
        Parts that are covered only by tasks created sooner than this after the end of their window
        are premature.

    Returns
    -------
    DataFrame
        One row per interval, sorted by log group and time. The intervals of a log group are
        adjacent and add up to its range, which begins at its creation if that is later than
        `start`. Columns:

        - `account_id`, `region`, `log_group_name`;
        - `start`, `end` (`datetime64[ms, UTC]`, half-open), `length` (`timedelta64[ms]`);
        - `state`: `gap`, `premature` (even if several tasks cover it), `overlap`, or `covered`,
          which includes gaps up to the tolerance;
        - `evidence`, how sure it is that the interval is in S3, see below;
        - `reason` and `expires_at` of a gap, see `find_gaps`.

        `evidence` is one of these:

        - `proven`: a task that was not limited to a prefix of streams, as its API call shows, left
          objects of every stream in S3 (`fetch_deliveries(streams=True)`), and was not premature;
        - `claimed`: a task is COMPLETED, but its API call, its delivery or its streams are not
          known, or a stream may be missing;
        - `partial`: only tasks cover it that were limited to a prefix of streams, or left no
          objects of some streams that had events;
        - `silent`: no task covers it, but nothing came in;
        - `missing`: no task covers it.

    Raises
    ------
    ArgumentError
        If an instant has no time zone, the range does not end after its start, or `tolerance` or
        `margin` is not a length of time.
    SchemaError
        If a table is not the one it should be, or a log group is listed twice.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": ["a", "b"], "log_group_name": "acme/api",
    ...                       "status_code": "COMPLETED", "from_time": [0, day],
    ...                       "to_time": [2 * day - 1, 3 * day - 1]})
    >>> timeline = xs.coverage_timeline(xs.conform(frame),
    ...                                 start="1970-01-01T00:00Z", end="1970-01-05T00:00Z")
    >>> timeline[["length", "state", "reason"]]
      length    state       reason
    0 1 days  covered          NaN
    1 1 days  overlap          NaN
    2 1 days  covered          NaN
    3 1 days      gap  never_tried
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
        margin=margin,
    )
    found = exports.collect(tasks, _answer, query)
    missing = gaps.settle(found[found["state"] == _GAP], query)
    there = found[found["state"] != _GAP]
    covered = pd.DataFrame(
        {
            **{name: there[name].array for name in LOG_GROUP},
            "start": coerce.times(there["start"].to_numpy()),
            "end": coerce.times(there["end"].to_numpy()),
            "length": (there["end"] - there["start"]).to_numpy().view("timedelta64[ms]"),
            "state": there["state"].array,
            "evidence": there["evidence"].array,
            "reason": np.full(len(there), -1),
            "expires_at": coerce.times(np.full(len(there), coerce.NAT)),
        }
    )
    # codes, because stacked categories would be sorted alphabetically
    reason = missing["reason"].cat.codes.astype("int64")
    evidence = np.where(missing["reason"] == "silent", _SILENT, _MISSING)
    missing = missing.assign(state=_GAP, evidence=evidence, reason=reason)
    rows = frames.stack([missing[list(covered)], covered])
    rows = exports.sort_rows(rows, [coerce.millis(rows["start"])])
    return rows.assign(
        state=pd.Categorical.from_codes(rows["state"].to_numpy(), dtype=STATE),
        evidence=pd.Categorical.from_codes(rows["evidence"].to_numpy(), dtype=EVIDENCE),
        reason=pd.Categorical.from_codes(rows["reason"].to_numpy(), dtype=gaps.REASON),
    )


def _answer(found: Exports, query: Query) -> pd.DataFrame:
    """Return the gaps as `gaps.settle` needs them, and the covered intervals with their state."""
    uncovered = windows.find_uncovered(found.windows(found.covering), found.low, found.high)
    bridged = uncovered.length <= query.tolerance
    pieces, state, proof = _covered(found, uncovered.take(bridged), query)
    missing = gaps.as_rows(found, uncovered.take(~bridged), query).assign(state=_GAP, evidence=-1)
    reasonless = np.full(len(state), -1)
    covered = pd.DataFrame(
        {
            **exports.keys_of(found.keys, pieces.group),
            "start": pieces.start,
            "end": pieces.end,
            "reason": reasonless,
            "last_task_id": pd.array([None] * len(state), dtype="str"),
            "error_code": pd.Categorical.from_codes(reasonless, pd.Index([], dtype="str")),
            "state": state,
            "evidence": proof,
        }
    )
    return frames.stack([missing, covered])


def _covered(
    found: Exports, bridged: Intervals, query: Query
) -> tuple[Intervals, np.ndarray, np.ndarray]:
    """Cut the covered time where its state or its evidence changes."""
    soon = premature.find(found, query)
    good = windows.concat(found.windows(found.covering & ~soon), bridged)
    every = windows.concat(found.windows(soon), good)
    axis = windows.axis_of(len(found.keys), *every[1:])
    pieces = windows.cut(axis, every)
    depth = windows.depths(axis, every, pieces)
    state = np.where(depth > 1, _OVERLAP, _COVERED)
    state[windows.depths(axis, good, pieces) == 0] = _PREMATURE
    proof = np.full(len(state), exports.PARTIAL)
    proofs = exports.proofs_of(found, query)
    for level in (exports.CLAIMED, exports.PROVEN):
        some = found.windows(found.covering & (proofs == level))
        if level == exports.CLAIMED:
            some = windows.concat(some, bridged)
        proof[windows.depths(axis, some, pieces) > 0] = level
    there = depth > 0
    pieces, state, proof = pieces.take(there), state[there], proof[there]
    joined, first = windows.join(pieces, state * len(exports.PROOFS) + proof)
    return joined, state[first], proof[first]
