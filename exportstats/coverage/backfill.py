"""Which tasks would close the gaps, in what order, and when they would be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.coverage import pieces
from exportstats.coverage.asked import length
from exportstats.coverage.queues import add_times
from exportstats.coverage.windows import Stretches
from exportstats.errors import ArgumentError, SchemaError
from exportstats.stats import grouping, histories
from exportstats.stats.as_of import instant, known_at, to_millis

if TYPE_CHECKING:
    from datetime import timedelta

    from exportstats.stats.as_of import Instant

_KEY, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_TIME = schema.DTYPES["time"]
_GAPS = {
    **dict.fromkeys(_KEY, "category"),
    "start": _TIME,
    "end": _TIME,
    "reason": "category",
    "expires_at": _TIME,
}
_LONGEST_NAME = 512
_ROLES = ("active", "latest", "tried")
_TIMES = ("deadline", "expected_start", "expected_end", "end_low", "end_high")
_COLUMNS = [
    *_KEY,
    "task_name",
    "from_time",
    "to_time",
    "destination",
    "destination_prefix",
    *_TIMES,
    "deadline_risk",
    "late",
    "n",
    "basis",
    "enough_history",
]


def plan_backfill(  # noqa: PLR0913 - options of one plan
    gaps: pd.DataFrame,
    tasks: shards.Tasks,
    *,
    max_window: str | pd.Timedelta = "1D",
    destination: str | None = None,
    prefix: str | None = None,
    margin: str | timedelta = "12h",
    tolerance: str | timedelta = "1min",
    never_exported: bool = False,
    as_of: Instant = None,
) -> pd.DataFrame:
    """Plan the tasks that close gaps, and forecast when they will be done.

    What is lost is left out, and so is what an active task exports already, what is too recent for
    all late events to be in, gaps of a minute, and log groups that nobody exports. What remains is
    cut at midnights (UTC); what expires first comes first. A slot runs one task at a time, and the
    slots run side by side.

    Parameters
    ----------
    gaps
        What `find_gaps` gives, or some rows of it.
    tasks
        A table of tasks, or shards of one: the active ones, how long the others took, and where
        they went.
    max_window
        The longest window of a task. Below a day, each day is cut anew from its midnight on; above,
        a task exports as many whole days as it holds.
    destination
        The S3 bucket. Without it, that of the log group's latest COMPLETED task, else of its
        slot's latest.
    prefix
        What the object keys begin with; "" for none. Without it, that of the same task.
    margin
        How long after the end of a window its last events may still arrive: what is later than
        `as_of` less this is not planned.
    tolerance
        Gaps that are not longer than this are not planned; "0ms" plans them all.
    never_exported
        Whether to plan for log groups that no task was ever created for.
    as_of
        The instant (aware) to begin at, and what was known then. Without it, the latest
        `observed_at`, and the states as they are.

    Returns
    -------
    DataFrame
        One row a task to create, slot after slot, each in the order to create them: `account_id`,
        `region`, `log_group_name`; `task_name`; `from_time` and `to_time`, both included, as AWS
        has them; `destination`, `destination_prefix`; `deadline`, when the first of it expires,
        NaT if it never does or that is not known; `expected_start` and `expected_end`, the medians
        of 1,001 runs; `end_low` and `end_high`, their 10 % and 90 %; `deadline_risk`, the share of
        runs that end after the deadline, NaN without one; `late`, whether the expected end is after
        it; `n`, how many durations they were drawn from; `basis`, whose they are: log_group, slot,
        all, or none, and then no time is expected; `enough_history`, whether they are 20 or more of
        the log group, and of windows from half to twice as long or scaled to the window. It is
        false in a whole slot whose active task runs longer than any before.

        `attrs` has when the last task of all slots ends, `expected_end`, `end_low` and `end_high`,
        and `tasks`, how many tasks that is: the times are not those of some of the rows. Its
        `left_out` says of what is not planned why: `lost`, `never_exported`, `too_recent`, `active`
        (an active task exports it) or `short`, each with how many `gaps` that is, of how many
        `log_groups`, and their `length` together. All of the gaps is planned or left out.

    Raises
    ------
    ArgumentError
        No destination is known, there is neither an `as_of` nor an `observed_at`, or an argument
        cannot be meant as it stands.
    SchemaError
        `gaps` is no table of gaps, or `tasks` none of tasks.

    Notes
    -----
    Durations are drawn from the distribution that `estimate_completion` has, of a task that begins.
    A run draws as many as the history is worth, and each task takes one of these: so what a short
    history does not tell is the same for all tasks of a run. Where its tasks lie is learned from
    all log groups of `tasks` as well. The numbers are made of the names and the window alone: the
    same question has the same answer, whatever else is asked. Durations are turnaround, queueing
    included, so a slot whose tasks used to wait is forecast as slower than it will be. How often
    the last end lay from `end_low` to `end_high` is in benchmarks/README.md.

    Examples
    --------
    >>> from exportstats.core import frames
    >>> from exportstats.coverage.gaps import find_gaps
    >>> frame = pd.DataFrame({"task_id": ["a"], "status_code": "COMPLETED", "region": "eu-west-1",
    ...                       "log_group_name": "acme", "destination": "acme-logs",
    ...                       "from_time": ["2026-11-20T00:00Z"],
    ...                       "to_time": ["2026-11-20T23:59:59.999Z"],
    ...                       "creation_time": ["2026-11-21T13:00Z"],
    ...                       "completion_time": ["2026-11-21T13:05Z"],
    ...                       "observed_at": ["2026-11-23T12:00Z"]})
    >>> tasks = frames.conform(frame)
    >>> gaps = find_gaps(tasks, start="2026-11-20T00:00Z", end="2026-11-23T00:00Z")
    >>> plan = plan_backfill(gaps, tasks)
    >>> plan[["task_name", "destination", "n"]]
                      task_name destination  n
    0  backfill acme 2026-11-21   acme-logs  1
    1  backfill acme 2026-11-22   acme-logs  1
    """
    _validate(gaps)
    step = pieces.step_of(max_window)
    if destination == "":
        raise ArgumentError("destination=''; give the name of an S3 bucket")
    when = None if as_of is None else instant(as_of, "as_of")

    late, shortest = length(margin, "margin"), length(tolerance, "tolerance")
    lost = (gaps["reason"] == "lost").to_numpy()
    found = shards.collect(tasks, partial(_part, as_of=when))
    active, latest, tried = (found[found["_role"] == role] for role in _ROLES)
    if when is None and not lost.all():
        when = _latest_observed(tasks)
    now = 0 if when is None else to_millis(when)
    active, latest, tried, gaps = _number(active, latest, tried, gaps)
    never = ~lost & (not never_exported) & ~gaps["group"].isin(tried["group"]).to_numpy()
    left_out = {"lost": _stretches(gaps[lost]), "never_exported": _stretches(gaps[never])}

    plan, more = _cut(gaps[~lost & ~never], active, step, now - late, shortest)
    plan = _add_destinations(plan, latest, destination, prefix)
    plan, ends = add_times(plan, active, histories.Histories(found), now)
    table = _as_table(plan)
    low, middle, high = coerce.times(ends)
    table.attrs = {"expected_end": middle, "end_low": low, "end_high": high, "tasks": len(table)}
    table.attrs["left_out"] = {why: _summary(some) for why, some in (left_out | more).items()}
    return table


def _validate(gaps: pd.DataFrame) -> None:
    """Check that a frame is a table of gaps.

    Raises
    ------
    SchemaError
        It is none, or a gap of it is none.
    """
    remedy = "give what xs.find_gaps gives"
    if not isinstance(gaps, pd.DataFrame):
        raise SchemaError(f"a table of gaps is a DataFrame, not {type(gaps).__name__}; {remedy}")
    for name, dtype in _GAPS.items():
        if list(gaps.columns).count(name) != 1:
            raise SchemaError(f"a table of gaps has one column {name}; {remedy}")
        if str(gaps[name].dtype) != dtype:
            raise SchemaError(
                f"the column {name} of the gaps is {gaps[name].dtype}, not {dtype}; {remedy}"
            )
    bad = ~(gaps["start"] < gaps["end"]) | gaps["log_group_name"].isna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise SchemaError(
            f"row {row} of the gaps is none: {gaps['log_group_name'].iloc[row]}, from "
            f"{gaps['start'].iloc[row]} to before {gaps['end'].iloc[row]}; {remedy}"
        )


def _part(tasks: pd.DataFrame, *, as_of: pd.Timestamp | None) -> pd.DataFrame:
    """Return active tasks, latest destinations, all log groups, and how long tasks took."""
    known = known_at(tasks, as_of)
    active = known[known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()]
    active = active[[*_KEY, "task_id", "from_time", "to_time", "creation_time"]].assign(
        window=histories.millis(active["window"])
    )
    tried = grouping.group(known[_KEY], _KEY).keys
    rows = zip(_ROLES, (active, _latest(known), tried), strict=True)
    return frames.stack([*(some.assign(_role=role) for role, some in rows), histories.part(known)])


def _latest(known: pd.DataFrame) -> pd.DataFrame:
    """Return each log group's latest COMPLETED task whose destination is known."""
    done = known[((known["status_code"] == "COMPLETED") & known["destination"].notna()).to_numpy()]
    order = ["creation_time", "task_id", "destination", "destination_prefix"]
    done = done.assign(destination=done["destination"].astype("str"))[[*_KEY, *order]]
    return done.sort_values(order, na_position="first").drop_duplicates(_KEY, keep="last")


def _observed(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the latest instant that a task was observed at, if one was."""
    latest = (tasks["observed_at"] == tasks["observed_at"].max()).to_numpy()
    first: pd.DataFrame = tasks[["observed_at"]][latest].head(1)
    return first


def _latest_observed(tasks: shards.Tasks) -> pd.Timestamp:
    """Return when a task was last observed.

    Raises
    ------
    ArgumentError
        None ever was.
    """
    latest = shards.collect(tasks, _observed)["observed_at"].max()
    if not isinstance(latest, pd.Timestamp):
        raise ArgumentError(
            "as_of=None, and no task has an observed_at to begin at; "
            'give an instant with its time zone, as in "2026-11-23T06:00Z"'
        )
    return latest.as_unit("ms")


def _number(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Add numbers of slots and log groups to all frames, in the order of their names."""
    keys = pd.concat([frame[_KEY].astype("str") for frame in frames], ignore_index=True)
    slot, group = (grouping.group(keys, names).codes for names in (_SLOT, _KEY))
    ends = np.cumsum([len(frame) for frame in frames])[:-1]
    numbers = zip(frames, np.split(slot, ends), np.split(group, ends), strict=True)
    return [frame.assign(slot=slot, group=group) for frame, slot, group in numbers]


def _stretches(gaps: pd.DataFrame) -> Stretches:
    """Return the time of some gaps."""
    times = (coerce.millis(gaps[name]) for name in ("start", "end"))
    return Stretches(gaps["group"].to_numpy(), *times)


def _summary(some: Stretches) -> dict[str, int | pd.Timedelta]:
    """Count what is left out."""
    return {
        "gaps": len(some.group),
        "log_groups": len(np.unique(some.group)),
        "length": pd.Timedelta(int(some.length.sum()), "ms"),
    }


def _cut(
    gaps: pd.DataFrame, active: pd.DataFrame, step: int, until: int, shortest: int
) -> tuple[pd.DataFrame, dict[str, Stretches]]:
    """Return the windows to export, in order, each with its deadline; and what is left out."""
    every = _stretches(gaps)
    late = every._replace(start=np.maximum(every.start, until)).take(every.end > until)
    gaps = gaps[every.start < until]
    start, end = coerce.millis(gaps["start"]), np.minimum(coerce.millis(gaps["end"]), until)
    kept = gaps["expires_at"].notna().to_numpy()
    retention = np.where(kept, coerce.millis(gaps["expires_at"]) - start, coerce.NAT)
    # a log group has one retention; if gaps say otherwise, those of each are for themselves
    each = pd.DataFrame({"group": gaps["group"], "retention": retention})
    unit = each.groupby(["group", "retention"]).ngroup().to_numpy()
    units = each.assign(unit=unit).drop_duplicates().sort_values("unit", ignore_index=True)
    busy = active[(active["window"] > 0).to_numpy()].merge(units, on="group")
    exporting = Stretches(
        busy["unit"].to_numpy(),
        coerce.millis(busy["from_time"]),
        coerce.millis(busy["to_time"]) + 1,
    )
    asked = Stretches(unit, start, end)
    free = pieces.subtract(asked, exporting)
    left_out = {
        "too_recent": late,
        "active": pieces.subtract(asked, free),
        "short": free.take(free.length <= shortest),
    }
    unit, start, end = pieces.cut_days(free.take(free.length > shortest), step)

    retention = units["retention"].to_numpy()[unit]
    deadline = np.where(retention == coerce.NAT, coerce.NAT, start + retention)
    plan = units.take(unit)[["group"]].assign(start=start, end=end, deadline=deadline)
    first = gaps.drop_duplicates("group").set_index("group")[[*_KEY, "slot"]]
    plan = plan.join(first, on="group")
    order = np.lexsort((end, plan["group"], start, deadline, deadline == coerce.NAT, plan["slot"]))
    group = units["group"].to_numpy()
    for why in ("active", "short"):
        left_out[why] = left_out[why]._replace(group=group[left_out[why].group])
    return plan.iloc[order].reset_index(drop=True), left_out


def _add_destinations(
    plan: pd.DataFrame, latest: pd.DataFrame, destination: str | None, prefix: str | None
) -> pd.DataFrame:
    """Add where each task writes to.

    Raises
    ------
    ArgumentError
        Nothing says where.
    """
    order = ["creation_time", "task_id", "group"]
    latest = latest.sort_values(order, na_position="first", ignore_index=True)
    row = {name: pd.Series(latest.index, latest[name]) for name in ("group", "slot")}
    of_slot = plan["slot"].map(row["slot"].groupby(level=0).last())
    found = latest.reindex(plan["group"].map(row["group"]).fillna(of_slot)).reset_index(drop=True)
    bucket = found["destination"] if destination is None else destination
    ahead = found["destination_prefix"] if prefix is None else prefix
    plan = plan.assign(destination=bucket, destination_prefix=ahead)
    unknown = plan["destination"].isna().to_numpy()
    if unknown.any():
        first = plan.iloc[int(unknown.argmax())]
        raise ArgumentError(
            f"no COMPLETED task of {first['log_group_name']} or its slot ({first['account_id']}, "
            f'{first["region"]}) tells a destination; give one, as in destination="my-bucket"'
        )
    return plan


def _as_table(plan: pd.DataFrame) -> pd.DataFrame:
    texts = plan[[*_KEY, "destination", "destination_prefix"]].astype("str")
    times = {
        "from_time": plan["start"],
        "to_time": plan["end"] - 1,
        **{name: plan[name] for name in _TIMES},
    }
    columns = {
        **{name: texts[name].astype("category") for name in [*_KEY, "destination"]},
        "task_name": _names(texts["log_group_name"], plan["start"]),
        **{name: coerce.times(millis.to_numpy()) for name, millis in times.items()},
        "destination_prefix": texts["destination_prefix"].where(texts["destination_prefix"] != ""),
    }
    return pd.DataFrame({**plan, **columns})[_COLUMNS]


def _names(log_groups: pd.Series, starts: pd.Series) -> pd.Series:
    """Name each task by its log group and the day, or the instant, that its window begins at."""
    when = coerce.iso_text(pd.Series(coerce.times(starts.to_numpy()))).astype("str")
    when = when.str.replace("T00:00:00.000Z", "")
    safe = log_groups.str.replace(r"[^A-Za-z0-9._/#-]", "_", regex=True)
    room = _LONGEST_NAME - len("backfill  ")
    names = [
        f"backfill {group[: room - len(day)]} {day}" for group, day in zip(safe, when, strict=True)
    ]
    return pd.Series(names, index=starts.index, dtype="str")
