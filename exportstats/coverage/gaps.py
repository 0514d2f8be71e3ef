"""What is not in S3: the parts of a range that no COMPLETED task covers, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.coverage import exports, windows
from exportstats.coverage.asked import ask
from exportstats.stats.as_of import to_millis

if TYPE_CHECKING:
    from exportstats.core import shards
    from exportstats.coverage.asked import Asked
    from exportstats.coverage.exports import Exports
    from exportstats.coverage.windows import Stretches
    from exportstats.stats.as_of import Instant

REASON = pd.CategoricalDtype(pd.Index(exports.REASONS, dtype="str"), ordered=True)


def find_gaps(
    tasks: shards.Tasks,
    *,
    start: Instant,
    end: Instant,
    log_groups: pd.DataFrame | None = None,
    tolerance: str | pd.Timedelta = "0ms",
    as_of: Instant = None,
    deliveries: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Find what of a range no COMPLETED task covers, log group by log group.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one. Those without a log group are left out.
    start, end
        The range, from `start` to before `end`: instants with their time zone.
    log_groups
        A table of log groups. With it, those that no task ever exported have gaps too, what lies
        before a log group's creation is no gap, and a gap tells when its events expire.
    tolerance
        Gaps that are not longer than this are bridged: they count as covered.
    as_of
        Answer with what was known at this instant (aware). Without it, the states are taken as
        they are.
    deliveries
        A table of deliveries: a task that delivered `empty` or `gone` covers nothing.

    Returns
    -------
    DataFrame
        A row a gap, as long as it gets, in the order of the log groups and of time:
        `account_id`, `region`, `log_group_name`; `start` and `end` (`datetime64[ms, UTC]`,
        half-open); `length` (`timedelta64[ms]`); `reason`; `last_task_id`; and `expires_at`, when
        the first of its events expires (missing: never, or not known).

        `reason` is the most hopeful of what the tasks whose windows overlap the gap say:
        `active` (they may still cover it), `unknown` (their state is missing, or none that the API
        has), `cancelled`, `failed`, `empty` (COMPLETED, but nothing lies in S3), or `never_tried`;
        `last_task_id` is the latest created of the tasks that say so. What retention has taken by
        `as_of`, or else by the `observed_at` of the log group, is `lost`; a gap that is lost in
        part is two rows.

    Raises
    ------
    ArgumentError
        An instant without a time zone, a range that does not end after its start, or a tolerance
        that is no length of time.
    SchemaError
        A table that is none, or a log group that stands there twice.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> day = 86_400_000
    >>> frame = pd.DataFrame({"task_id": list("abc"), "log_group_name": "acme/api",
    ...                       "status_code": ["COMPLETED", "FAILED", "COMPLETED"],
    ...                       "from_time": [0, day, 2 * day],
    ...                       "to_time": [day - 1, 2 * day - 1, 3 * day - 1]})
    >>> gaps = find_gaps(frames.conform(frame), start="1970-01-01T00:00Z", end="1970-01-04T00:00Z")
    >>> gaps[["start", "length", "reason", "last_task_id"]]
                          start length  reason last_task_id
    0 1970-01-02 00:00:00+00:00 1 days  failed            b
    """
    asked = ask(
        start, end, log_groups=log_groups, tolerance=tolerance, as_of=as_of, deliveries=deliveries
    )
    return settle(exports.collect(tasks, answer, asked), asked)


def answer(found: Exports, asked: Asked) -> pd.DataFrame:
    """Return the gaps of some log groups; one without a gap is a row without a start."""
    return as_rows(found, find(found, asked))


def find(found: Exports, asked: Asked) -> Stretches:
    """Find the gaps that are too long to be bridged."""
    gaps = windows.find_uncovered(found.windows(found.covering), found.low, found.high)
    return gaps.take(gaps.length > asked.tolerance) if asked.tolerance else gaps


def as_rows(found: Exports, gaps: Stretches) -> pd.DataFrame:
    """Say why there are these gaps, and name the log groups that have none as well."""
    reason, row = _explain(found, gaps)
    without = np.ones(len(found.keys), dtype=bool)
    without[gaps.group] = False
    rest = np.flatnonzero(without)
    none = np.full(len(rest), coerce.NAT)
    ids = found.tasks["task_id"].array.take(
        np.concatenate([row, np.full(len(rest), -1)]), allow_fill=True
    )
    return pd.DataFrame(
        {
            **exports.keys_of(found.keys, np.concatenate([gaps.group, rest])),
            "start": np.concatenate([gaps.start, none]),
            "end": np.concatenate([gaps.end, none]),
            "reason": np.concatenate([reason, np.full(len(rest), exports.NEVER_TRIED)]),
            "last_task_id": ids,
        }
    )


def settle(gaps: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """Make the table of all gaps, and tell what is lost and when the rest expires."""
    gaps = gaps[gaps["start"] != coerce.NAT]
    codes, keys = exports.in_order(gaps)
    start, end = gaps["start"].to_numpy(), gaps["end"].to_numpy()
    retention = exports.of_log_groups(keys, "retention", asked)[codes]
    gone = _gone_before(keys, asked)[codes]

    # a gap that is gone in part has a row in both
    lost, rest = np.flatnonzero(start < gone), np.flatnonzero(end > gone)
    row = np.concatenate([lost, rest])
    starts = np.concatenate([start[lost], np.maximum(start, gone)[rest]])
    ends = np.concatenate([np.minimum(end, gone)[lost], end[rest]])
    reason = gaps["reason"].to_numpy()[row]
    reason[: len(lost)] = exports.LOST
    order = np.lexsort([starts, codes[row]])
    row, starts, ends = row[order], starts[order], ends[order]
    kept = retention[row]
    return pd.DataFrame(
        {
            **exports.keys_of(keys, codes[row]),
            "start": coerce.times(starts),
            "end": coerce.times(ends),
            "length": (ends - starts).view("timedelta64[ms]"),
            "reason": pd.Categorical.from_codes(reason[order], dtype=REASON),
            "last_task_id": gaps["last_task_id"].array.take(row),
            "expires_at": coerce.times(np.where(kept == coerce.NAT, coerce.NAT, starts + kept)),
        }
    )


def explain_again(
    gaps: pd.DataFrame,
    tasks: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    deliveries: pd.DataFrame | None,
) -> pd.DataFrame:
    """Say of parts of gaps why there are these, by the tasks whose windows overlap each part.

    Parameters
    ----------
    gaps
        Rows of `find_gaps`, cut to a shorter time each. What is lost stays so.
    tasks
        At least those that are not COMPLETED, or delivered nothing.
    """
    if not len(gaps):
        return gaps
    asked = ask(gaps["start"].min(), gaps["end"].max(), as_of=as_of, deliveries=deliveries)
    found = exports.read(tasks, asked)
    group = exports.locate(gaps, found.keys)
    start, end = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    order = np.lexsort([start, group])
    order = order[group[order] >= 0]
    reason, row = np.full(len(gaps), exports.NEVER_TRIED), np.full(len(gaps), -1)
    some = windows.Stretches(group[order], start[order], end[order])
    reason[order], row[order] = _explain(found, some)
    reason[(gaps["reason"] == "lost").to_numpy()] = exports.LOST
    return gaps.assign(
        reason=pd.Categorical.from_codes(reason, dtype=REASON),
        last_task_id=found.tasks["task_id"].array.take(row, allow_fill=True),
    )


def _gone_before(keys: pd.DataFrame, asked: Asked) -> np.ndarray:
    """Return the instant of each log group before which retention has taken everything."""
    retention = exports.of_log_groups(keys, "retention", asked)
    now = exports.of_log_groups(keys, "observed_at", asked)
    if asked.as_of is not None:
        now = np.full(len(keys), to_millis(asked.as_of))
    known = (retention != coerce.NAT) & (now != coerce.NAT)
    return np.where(known, now - retention, coerce.NAT)


def _explain(found: Exports, gaps: Stretches) -> tuple[np.ndarray, np.ndarray]:
    """Return the reason of each gap, and the row of the latest task behind it, -1 for none."""
    many = len(gaps.group)
    tried = np.flatnonzero(found.in_vain)
    tries = found.windows(tried)
    axis = windows.axis_of(len(found.keys), *gaps[1:], *tries[1:])
    first, last = windows.ranges_touched(axis, gaps, tries)
    touching = first < last
    first, last, tried = first[touching], last[touching], tried[touching]
    by_hope = tried_in_order(found, tried)
    rank = np.empty(len(tried), dtype="int64")
    rank[by_hope] = np.arange(len(tried))
    row = np.append(tried[by_hope], -1)[windows.highest(first, last, rank, many)]
    reason = np.where(row < 0, exports.NEVER_TRIED, np.append(found.says, 0)[row])
    return reason, row


def tried_in_order(found: Exports, rows: np.ndarray) -> np.ndarray:
    """Return the order of tasks by how hopeful they are, their creation and their identifier."""
    says, created = found.says[rows], coerce.millis(found.tasks["creation_time"])[rows]
    # texts are compared only where a log group's tasks are alike in all else
    group = found.group[rows]
    order = np.lexsort([created, says, group])
    alike = np.zeros(len(order), dtype=bool)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for values in (created[order], says[order], group[order]):
        same &= values[1:] == values[:-1]
    alike[1:] |= same
    alike[:-1] |= same
    text = np.zeros(len(order), dtype="int64")
    tied = order[alike]
    text[tied] = pd.factorize(found.tasks["task_id"].array.take(rows[tied]), sort=True)[0]
    return np.lexsort([text, created, says])
