"""Plan the tasks that close gaps: in what order, and when they will be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.coverage import pieces
from exportstats.coverage.planned import add_destinations, as_table, latest_destinations
from exportstats.coverage.queues import add_times
from exportstats.errors import ArgumentError, SchemaError
from exportstats.queues.turns import READ, active_of, turns_of, without_waiting
from exportstats.stats import grouping, histories
from exportstats.stats.as_of import instant, known_at, length, to_millis
from exportstats.stats.incoming import Incoming
from exportstats.stats.matching import warn_of_namesakes
from exportstats.stats.windows import Intervals

if TYPE_CHECKING:
    from datetime import date, timedelta

    from exportstats.core.shards import Shards


_KEY, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_TIME = schema.DTYPES["time"]
_GAPS = {
    **dict.fromkeys(_KEY, "category"),
    "start": _TIME,
    "end": _TIME,
    "reason": "category",
    "expires_at": _TIME,
}
_ROLES = ("active", "latest", "tried")
_READ = (*READ, "destination", "destination_prefix")


def plan_backfill(  # noqa: PLR0913 - options of one plan
    gaps: pd.DataFrame,
    tasks: pd.DataFrame | Shards,
    *,
    max_window: str | pd.Timedelta = "1D",
    destination: str | None = None,
    prefix: str | None = None,
    margin: str | timedelta = "12h",
    tolerance: str | timedelta = "1min",
    never_exported: bool = False,
    as_of: str | date | pd.Period | None = None,
    incoming: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Plan the tasks that close gaps, and forecast when they will be done.

    The plan leaves out what is lost, what is silent, what an active task already exports, and what
    is too recent for all late events to have arrived. By default, it also leaves out gaps of up to
    a minute and log groups that were never exported. The rest is cut at midnights (UTC). What
    expires first is exported first; of what expires at the same time or never, the windows in which
    most bytes came in, then those that are not known, oldest first. A slot runs one task at a time;
    different slots run in parallel.

    Parameters
    ----------
    gaps
        The result of `find_gaps`, or some of its rows.
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. It provides the active tasks,
        the earlier durations and the destinations.
    max_window
        Maximum length of a window. Below a day, each day is cut from its midnight; above, a task
        exports as many whole days as fit.
    destination
        The S3 bucket. By default, that of the log group's latest COMPLETED task, or else of its
        slot's.
    prefix
        The prefix of the object keys; "" for none. By default, that of the same task.
    margin
        How long after the end of a window late events may arrive. Events later than `as_of -
        margin` are not planned.
    tolerance
        Gaps up to this length are not planned; "0ms" plans all of them.
    never_exported
        Whether to plan for log groups that never had a task.
    as_of
        When to begin, using only what was known at this instant. By default, the latest
        `observed_at`, and the states as they are.
    incoming
        A table of what log groups took in. Where durations depend on bytes, they are scaled to
        those of each window, as in `estimate_completion`.

    Returns
    -------
    DataFrame
        One row per task to create, sorted by slot and then in the order to create them, with these
        columns:

        - `account_id`, `region`, `log_group_name`, `task_name`;
        - `from_time`, `to_time` (`datetime64[ms, UTC]`), both inclusive as in AWS;
        - `destination`, `destination_prefix`;
        - `incoming_bytes`, what came in during the window. A period that is partly in it counts in
          proportion. Missing if not known for the whole window;
        - `deadline`, when the first event of the window expires; NaT if never or unknown;
        - `expected_start`, `expected_end`, medians of 1,001 simulated runs; NaT without any
          history;
        - `end_low`, `end_high`, the 10 % and 90 % quantiles of the end;
        - `deadline_risk`, the share of runs that end after the deadline; NaN without a deadline;
        - `late`, whether `expected_end` is after the deadline;
        - `n`, the number of earlier durations used, and `basis`, whose they are: "log_group",
          "slot", "all" or "none";
        - `scaled_by`, what they are scaled by: "bytes", "window" or "none";
        - `enough_history`, whether they are at least 20 of the log group, with windows from half to
          twice as long or scaled. It is False for a whole slot if its active task has
          run longer than any before.

        `attrs` holds the end of the last task of all slots as `expected_end`, `end_low` and
        `end_high`, and the number of `tasks`; they describe the whole plan, not a selection of
        rows. Its `left_out` explains what is not planned: for each of `lost`, `silent`,
        `never_exported`, `too_recent`, `active` and `short`, the number of `gaps` and `log_groups`,
        the total `length`, and the `incoming_bytes` of the `gaps_with_bytes`, of which they are
        known. The planned windows and what is left out add up to the gaps.

    Raises
    ------
    ArgumentError
        If no destination is known, there is neither an `as_of` nor an `observed_at`, or an argument
        is not valid.
    SchemaError
        If `gaps` is not a table of gaps, `tasks` not one of tasks, or `incoming` not one of
        incoming data; or if periods of `incoming` overlap.

    Notes
    -----
    Durations are drawn from the distribution of `estimate_completion` for a new task. Each run
    draws as many durations as the history is worth, and each task takes one of them. So the
    uncertainty of a short history is shared by all its tasks. The center of a log group's durations
    is also learned from all log groups in `tasks`. The random numbers depend only on the names and
    windows: the same question has the same answer, whatever else is planned. Earlier durations are
    counted from the task's turn: from the end of the tasks created before it in its slot, if that
    is after its creation. A PENDING task has its turn after a RUNNING one. See benchmarks/README.md
    for how often the last end lay between `end_low` and `end_high`. That is less than 80 % where a
    short history cannot show what matters: that tasks become slower, that one in a hundred is
    stuck, or that each task resembles the one before it.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": ["a"], "status_code": "COMPLETED", "region": "eu-west-1",
    ...                       "log_group_name": "acme", "destination": "acme-logs",
    ...                       "from_time": ["2026-11-20T00:00Z"],
    ...                       "to_time": ["2026-11-20T23:59:59.999Z"],
    ...                       "creation_time": ["2026-11-21T13:00Z"],
    ...                       "completion_time": ["2026-11-21T13:05Z"],
    ...                       "observed_at": ["2026-11-23T12:00Z"]})
    >>> tasks = xs.conform(frame)
    >>> gaps = xs.find_gaps(tasks, start="2026-11-20T00:00Z", end="2026-11-23T00:00Z")
    >>> plan = xs.plan_backfill(gaps, tasks)
    >>> plan[["task_name", "destination", "n"]]
                      task_name destination  n
    0  backfill acme 2026-11-21   acme-logs  1
    1  backfill acme 2026-11-22   acme-logs  1
    """
    _validate(gaps)
    step = length(max_window, "max_window")
    if not step:
        raise ArgumentError(f"max_window={max_window!r}; give at least 1 ms, such as 6h")
    if destination == "":
        raise ArgumentError("destination=''; give the name of an S3 bucket")
    when = None if as_of is None else instant(as_of, "as_of")

    distance, shortest = length(margin, "margin"), length(tolerance, "tolerance")
    lost, silent = ((gaps["reason"] == why).to_numpy() for why in ("lost", "silent"))
    closed = lost | silent
    came = None if incoming is None else Incoming.of(incoming)
    found = shards.collect(tasks, partial(_part, as_of=when, incoming=came), _READ)
    active, latest, tried = (found[found["_role"] == role] for role in _ROLES)
    if came is not None:
        warn_of_namesakes(tried, {"incoming": came.keys})
    if when is None and not closed.all():
        when = _latest_observed(tasks)
    now = 0 if when is None else to_millis(when)
    active, latest, tried, gaps = _number(active, latest, tried, gaps)
    never = ~closed & (not never_exported) & ~gaps["group"].isin(tried["group"]).to_numpy()
    reasons = {"lost": lost, "silent": silent, "never_exported": never}
    left_out = {why: _intervals(gaps[which]) for why, which in reasons.items()}

    plan, more = _cut(gaps[~closed & ~never], active, step, now - distance, shortest)
    plan = _in_order(plan, came)
    plan = add_destinations(plan, latest, destination, prefix)
    plan, ends = add_times(plan, active, histories.Histories(found), now)
    table = as_table(plan)
    low, middle, high = coerce.times(ends)
    table.attrs = {"expected_end": middle, "end_low": low, "end_high": high, "tasks": len(table)}
    keys = gaps.drop_duplicates("group").set_index("group")[_KEY]
    table.attrs["left_out"] = {
        why: _summary(some, _bytes_in(keys.loc[some.group], some.start, some.end, came))
        for why, some in (left_out | more).items()
    }
    return table


def _validate(gaps: pd.DataFrame) -> None:
    """Check that a frame is a table of gaps.

    Raises
    ------
    SchemaError
        If it is not, or if one of its rows is not a gap.
    """
    remedy = "use the result of xs.find_gaps"
    frames.require(gaps, "table of gaps", remedy, columns=_GAPS)
    bad = ~(gaps["start"] < gaps["end"]) | gaps["log_group_name"].isna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise SchemaError(
            f"row {row} is not a gap: {gaps['log_group_name'].iloc[row]}, from "
            f"{gaps['start'].iloc[row]} to before {gaps['end'].iloc[row]}; {remedy}"
        )


def _part(
    tasks: pd.DataFrame, *, as_of: pd.Timestamp | None, incoming: Incoming | None
) -> pd.DataFrame:
    """Return active tasks, latest destinations, all log groups, and the histories."""
    known = known_at(tasks, as_of)
    turns = turns_of(known)
    active = active_of(known, turns, incoming)
    tried = grouping.group(known[_KEY], _KEY).keys
    past = histories.part(without_waiting(known, turns), incoming=incoming)
    rows = zip(_ROLES, (active, latest_destinations(known), tried), strict=True)
    return frames.stack([*(some.assign(_role=role) for role, some in rows), past])


def _latest_observed(tasks: pd.DataFrame | Shards) -> pd.Timestamp:
    """Return the latest `observed_at` of all tasks.

    Raises
    ------
    ArgumentError
        If no task has one.
    """
    latest = grouping.last_observed(tasks)
    if latest is None:
        raise ArgumentError(
            "as_of=None, and no task has an observed_at; "
            'give an instant with its time zone, such as "2026-11-23T06:00Z"'
        )
    return latest.as_unit("ms")


def _number(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Add the numbers of slots and log groups to all frames, in the order of their names."""
    keys = pd.concat([frame[_KEY].astype("str") for frame in frames], ignore_index=True)
    slot, group = (grouping.group(keys, names).codes for names in (_SLOT, _KEY))
    ends = np.cumsum([len(frame) for frame in frames])[:-1]
    numbers = zip(frames, np.split(slot, ends), np.split(group, ends), strict=True)
    return [frame.assign(slot=slot, group=group) for frame, slot, group in numbers]


def _intervals(gaps: pd.DataFrame) -> Intervals:
    """Return the gaps as intervals of numbered log groups."""
    times = (coerce.millis(gaps[name]) for name in ("start", "end"))
    return Intervals(gaps["group"].to_numpy(), *times)


def _summary(some: Intervals, came: np.ndarray) -> dict[str, int | pd.Timedelta]:
    """Return the number, log groups, total length and known bytes of what is left out."""
    return {
        "gaps": len(some.group),
        "log_groups": len(np.unique(some.group)),
        "length": pd.Timedelta(int(some.length.sum()), "ms"),
        "incoming_bytes": round(np.nansum(came)),
        "gaps_with_bytes": int((~np.isnan(came)).sum()),
    }


def _cut(
    gaps: pd.DataFrame, active: pd.DataFrame, step: int, until: int, shortest: int
) -> tuple[pd.DataFrame, dict[str, Intervals]]:
    """Return the windows to export, with their deadlines; and what is left out."""
    every = _intervals(gaps)
    late = every._replace(start=np.maximum(every.start, until)).take(every.end > until)
    gaps = gaps[every.start < until]
    start, end = coerce.millis(gaps["start"]), np.minimum(coerce.millis(gaps["end"]), until)
    kept = gaps["expires_at"].notna().to_numpy()
    retention = np.where(kept, coerce.millis(gaps["expires_at"]) - start, coerce.NAT)
    # a log group has one retention; if the gaps disagree, each retention is a unit of its own
    each = pd.DataFrame({"group": gaps["group"], "retention": retention})
    unit = each.groupby(["group", "retention"]).ngroup().to_numpy()
    units = each.assign(unit=unit).drop_duplicates().sort_values("unit", ignore_index=True)
    busy = active[(active["window"] > 0).to_numpy()].merge(units, on="group")
    exporting = Intervals(
        busy["unit"].to_numpy(),
        coerce.millis(busy["from_time"]),
        coerce.millis(busy["to_time"]) + 1,
    )
    wanted = Intervals(unit, start, end)
    free = pieces.subtract(wanted, exporting)
    left_out = {
        "too_recent": late,
        "active": pieces.subtract(wanted, free),
        "short": free.take(free.length <= shortest),
    }
    unit, start, end = pieces.cut_days(free.take(free.length > shortest), step)

    retention = units["retention"].to_numpy()[unit]
    deadline = np.where(retention == coerce.NAT, coerce.NAT, start + retention)
    plan = units.take(unit)[["group"]].assign(start=start, end=end, deadline=deadline)
    first = gaps.drop_duplicates("group").set_index("group")[[*_KEY, "slot"]]
    plan = plan.join(first, on="group").reset_index(drop=True)
    group = units["group"].to_numpy()
    for why in ("active", "short"):
        left_out[why] = left_out[why]._replace(group=group[left_out[why].group])
    return plan, left_out


def _in_order(plan: pd.DataFrame, incoming: Incoming | None) -> pd.DataFrame:
    """Return the windows in the order to export them, with the bytes that came in."""
    group, start, end, deadline = (
        plan[name].to_numpy() for name in ("group", "start", "end", "deadline")
    )
    came = _bytes_in(plan, start, end, incoming)
    # unknown bytes come last
    order = np.lexsort((group, start, -came, deadline, deadline == coerce.NAT, plan["slot"]))
    return plan.assign(bytes=came).iloc[order].reset_index(drop=True)


def _bytes_in(
    keys: pd.DataFrame, start: np.ndarray, end: np.ndarray, incoming: Incoming | None
) -> np.ndarray:
    """Return the bytes that came in during intervals, NaN where they are not known."""
    if incoming is None:
        return np.full(len(start), np.nan)
    return incoming.bytes_in(keys, start, end)
