"""Join API calls with tasks: who created them, what was refused, and what is not listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce, frames, schema
from exportstats.core.schema import API_CALLS, KEY, LOG_GROUP
from exportstats.stats import grouping
from exportstats.stats.incoming import Came, Incoming

if TYPE_CHECKING:
    import pandas as pd

_CREATE, _CANCEL = schema.CALLS
_WINDOW = ["log_group_name", "from_time", "to_time"]
_REFUSAL = [
    *("destination", "destination_prefix"),
    *("error_code", "error_message", "principal", "session_name"),
]


def annotate_tasks(tasks: pd.DataFrame, api_calls: pd.DataFrame) -> pd.DataFrame:
    """Add to each task who created and cancelled it, and the stream prefix, from its API calls.

    Parameters
    ----------
    tasks
        A table of tasks. A task without an account or region takes those of the only API call with
        its task ID.
    api_calls
        A table of API calls.

    Returns
    -------
    DataFrame
        The tasks, in the same order, with three more columns of your own, so that for example
        `status_breakdown(tasks, by="created_by")` works:

        - `created_by`, the principal of the CreateExportTask;
        - `log_stream_name_prefix`, which limits the task to some streams: empty text if the call
          had none, missing if there is no call, so that it is not known;
        - `cancelled_by`, the principal of the first CancelExportTask that was not refused.

    Raises
    ------
    SchemaError
        If `tasks` or `api_calls` is not such a table.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.conform(pd.DataFrame({"task_id": ["a", "b"]}))
    >>> calls = xs.conform(pd.DataFrame({"event_id": ["1"], "event_name": "CreateExportTask",
    ...                                      "task_id": "a", "principal": "ann"}), of="api_calls")
    >>> xs.annotate_tasks(tasks, calls)[["task_id", "created_by", "log_stream_name_prefix"]]
      task_id created_by log_stream_name_prefix
    0       a        ann
    1       b        NaN                    NaN
    """
    tasks, calls = frames.check(tasks), Calls.of(api_calls)
    created = calls.creations_of(tasks)
    cancels = calls.keys_of(tasks).merge(
        _first(calls.table, _CANCEL)[[*KEY, "principal"]], how="left", on=[*KEY]
    )
    return tasks.assign(
        created_by=created["principal"].astype("category").array,
        log_stream_name_prefix=created["prefix"].astype("category").array,
        cancelled_by=cancels["principal"].astype("category").array,
    )


@dataclass(frozen=True)
class Calls:
    """API calls with what matches them with tasks, prepared once for several questions.

    Attributes
    ----------
    table
        The API calls.
    keys
        The keys of their log groups, one row each.
    created
        The first call that created each task: its key as text, `principal` and `prefix`.
    slots
        The account and the region of the only call with a task ID, by task ID.
    """

    table: pd.DataFrame
    keys: pd.DataFrame
    created: pd.DataFrame
    slots: pd.DataFrame

    @classmethod
    def of(cls, api_calls: pd.DataFrame | Calls) -> Calls:
        """Check and prepare API calls; what was prepared for another question stays as it is.

        Raises
        ------
        SchemaError
            If it is not a table of API calls.
        """
        if isinstance(api_calls, Calls):
            return api_calls
        table = coerce.with_text_categories(frames.check(api_calls, API_CALLS))
        created = _first(table, _CREATE)
        created = created.assign(prefix=created["log_stream_name_prefix"].fillna(""))
        known = table[[*KEY]].astype("str").dropna().drop_duplicates()
        slots = known.drop_duplicates("task_id", keep=False).set_index("task_id")
        return cls(table, table[[*LOG_GROUP]].drop_duplicates(), created, slots)

    def creations_of(self, tasks: pd.DataFrame) -> pd.DataFrame:
        """Return the `principal` and the `prefix` of the call that created each task, in order.

        Both are missing if there is no such call. The prefix is empty text if the call had none.
        """
        created = self.created[[*KEY, "principal", "prefix"]]
        return self.keys_of(tasks).merge(created, how="left", on=[*KEY])

    def keys_of(self, tasks: pd.DataFrame) -> pd.DataFrame:
        """Return the keys of tasks as text, with the account and region of the only call."""
        keys = tasks[[*KEY]].astype("str").reset_index(drop=True)
        for name in schema.SLOT:
            if keys[name].isna().any():
                there = keys["task_id"].map(self.slots[name]).astype("str")
                keys[name] = keys[name].fillna(there)
        return keys


def unlisted_tasks(tasks: pd.DataFrame, api_calls: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks that API calls created and that are not among the tasks.

    The service has forgotten them, or they were created after its list was read. How they ended is
    not known.

    Parameters
    ----------
    tasks
        A table of all tasks of the list. If it has only some of them, the others are unlisted.
    api_calls
        A table of API calls.

    Returns
    -------
    DataFrame
        A table of tasks in the order of their creation, whose state, completion and time of
        observation are missing. `creation_time` is the time of the call, to the second. It has the
        columns that `annotate_tasks` adds.

    Raises
    ------
    SchemaError
        If `tasks` or `api_calls` is not such a table.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.conform(pd.DataFrame({"task_id": ["a"]}))
    >>> calls = xs.conform(pd.DataFrame({"event_id": ["1", "2"], "task_id": ["a", "z"],
    ...                                      "event_name": "CreateExportTask"}), of="api_calls")
    >>> xs.unlisted_tasks(tasks, calls)["task_id"].to_list()
    ['z']
    """
    tasks, calls = frames.check(tasks), Calls.of(api_calls)
    listed = calls.keys_of(tasks).drop_duplicates()
    created = calls.created.drop(columns="prefix")
    found = created.merge(listed, how="left", on=[*KEY], indicator="listed")
    found = found[found.pop("listed") == "left_only"].rename(
        columns={"event_time": "creation_time"}
    )
    found = found[[name for name in schema.NAMES if name in found]].drop(columns="observed_at")
    return annotate_tasks(frames.conform(found), api_calls)


def refused_calls(api_calls: pd.DataFrame, *, incoming: pd.DataFrame | None = None) -> pd.DataFrame:
    """List the exports that were refused, and whether they became a task later.

    Calls of CreateExportTask ask for the same export if log group, window and stream prefix are the
    same. Refused calls for one export are one row, up to the call that created a task. Refused
    calls after it are another row. Of calls at the same second, refused ones come first. If a call
    was refused before its log group and window were recorded, nothing can be said of later calls;
    such calls are a row for each principal and error.

    Parameters
    ----------
    api_calls
        A table of API calls.
    incoming
        A table of what log groups took in.

    Returns
    -------
    DataFrame
        One row per refused export, sorted by `first_time`, with these columns:

        - `account_id`, `region`, `log_group_name`, `from_time`, `to_time`,
          `log_stream_name_prefix`;
        - `destination`, `destination_prefix`, `error_code`, `error_message`, `principal` and
          `session_name` of the last refused call;
        - `first_time` and `last_time`, of the first and last refused call (UTC);
        - `task_id` and `creation_time` of the task that it became; missing if it did not;
        - `waited`, from `first_time` to `creation_time` (`timedelta64[ms]`);
        - `tries`, the number of calls, with the one that created the task;
        - `incoming_bytes`, `incoming_events`: what came in during the window, as in `find_gaps`.

    Raises
    ------
    SchemaError
        If `api_calls` is not a table of API calls, or `incoming` not one of incoming data; or if
        periods of `incoming` overlap.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> calls = pd.DataFrame({"event_id": ["1", "2"], "event_name": "CreateExportTask",
    ...                       "event_time": ["2026-11-23T06:00Z", "2026-11-23T06:05Z"],
    ...                       "log_group_name": "/app", "from_time": 0, "to_time": 999,
    ...                       "error_code": ["LimitExceededException", None],
    ...                       "task_id": [None, "a"]})
    >>> xs.refused_calls(xs.conform(calls, of="api_calls"))[["error_code", "task_id", "waited"]]
                   error_code task_id          waited
    0  LimitExceededException       a 0 days 00:05:00
    """
    calls = frames.check(api_calls, API_CALLS)
    calls = calls[(calls["event_name"] == _CREATE).to_numpy()].reset_index(drop=True)
    is_known = calls[_WINDOW].notna().all(axis="columns")
    created = calls["error_code"].isna() & calls["task_id"].notna()
    calls = calls.assign(created=created)[calls["error_code"].notna() | (created & is_known)]
    others = calls[["principal", "error_code"]].astype("str").where(~is_known[calls.index])
    export = [*LOG_GROUP, "from_time", "to_time", "log_stream_name_prefix"]
    asked = calls[export].assign(who=others["principal"], why=others["error_code"])
    calls = calls.assign(export=grouping.group(asked, [*export, "who", "why"]).codes).sort_values(
        ["export", "event_time", "created", "event_id"], na_position="first", kind="stable"
    )
    # a created task is the last of its row
    starts = (calls["export"] != calls["export"].shift()) | calls["created"].shift(fill_value=False)
    calls = calls.assign(row=np.cumsum(starts)).set_index("row")
    refused, made = calls[~calls["created"]], calls[calls["created"]]
    last = refused[~refused.index.duplicated(keep="last")]
    first = refused[~refused.index.duplicated()]
    task = made.reindex(last.index)
    found = last[[*export, *_REFUSAL]].assign(
        first_time=first["event_time"],
        last_time=last["event_time"],
        task_id=task["task_id"],
        creation_time=task["event_time"],
        waited=task["event_time"] - first["event_time"],
        tries=calls.groupby(level="row").size().reindex(last.index),
    )
    came = Came.unknown(len(found)) if incoming is None else Incoming.of(incoming).of_windows(found)
    found = found.assign(incoming_bytes=came.bytes, incoming_events=came.events)
    return found.sort_values(["first_time", *export], kind="stable", ignore_index=True)


def _first(calls: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the first call of each task that was not refused, its key as text."""
    made = calls[
        ((calls["event_name"] == name) & calls["error_code"].isna()).to_numpy()
        & calls["task_id"].notna().to_numpy()
    ]
    made = made.sort_values(["event_time", "event_id"], kind="stable")
    return made.drop_duplicates([*KEY]).astype(dict.fromkeys(KEY, "str"))
