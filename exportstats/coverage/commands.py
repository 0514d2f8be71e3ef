"""Render a backfill plan as commands of the AWS CLI, or as requests."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from exportstats.core import coerce, frames, schema
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd


_TEXTS = {
    "account_id": "accountId",
    "region": "region",
    "task_name": "taskName",
    "log_group_name": "logGroupName",
    "destination": "destination",
    "destination_prefix": "destinationPrefix",
}
_TIMES = {"from_time": "fromTime", "to_time": "to"}
_NEEDED = ("log_group_name", *_TIMES, "destination")
# The parameters of CreateExportTask, in the order of a command; destinationPrefix may be missing.
_REQUEST = ("taskName", "logGroupName", "fromTime", "to", "destination", "destinationPrefix")
_OPTIONS = dict(
    zip(
        _REQUEST,
        ("task-name", "log-group-name", "from", "to", "destination", "destination-prefix"),
        strict=True,
    )
)
# The AWS CLI replaces values with these prefixes by the content of the file or page.
_LOADED = ("file://", "fileb://", "http://", "https://")
REGION = r"[A-Za-z0-9][A-Za-z0-9-]*"
# The names that AWS allows. Other names, such as pseudonyms, are left out of commands.
_ALLOWED = {
    "account_id": re.compile(r"[0-9]{12}", re.ASCII),
    "region": re.compile(r"[a-z0-9-]+", re.ASCII),
    "log_group_name": re.compile(r"[A-Za-z0-9_/.#-]+", re.ASCII),
}


def render_commands(plan: pd.DataFrame, *, form: Literal["shell", "json"] = "shell") -> str:
    r"""Render the tasks of a backfill plan as commands, or as requests.

    This does not create tasks. **A slot runs one task at a time**: while a task is PENDING or
    RUNNING, creating another one fails with a LimitExceededException. So before you run the next
    command of an account and region, wait until the task has ended, as reported by `aws logs
    describe-export-tasks --task-id=...`. A command does not name the account, so run the commands
    of each account with its credentials.

    Parameters
    ----------
    plan
        The result of `plan_backfill`, or some of its rows.
    form
        "shell": one line per task for a POSIX shell, quoted so that every value reaches the AWS CLI
        unchanged. "json": JSON Lines with `accountId`, `region` (null if missing) and `request`,
        the arguments of boto3's `create_export_task`.

    Returns
    -------
    str
        One line per task, in the order of the plan, each with a line end; "" without tasks.

    Raises
    ------
    SchemaError
        If `plan` is not a backfill plan, or a task has no log group, window or destination.
    ArgumentError
        If `form` is unknown, or a region is not valid in a command.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> plan = pd.DataFrame({"account_id": ["111122223333"], "region": ["eu-west-1"],
    ...     "task_name": ["backfill acme 1970-01-01"], "log_group_name": ["acme"],
    ...     "from_time": [0], "to_time": [86_399_999], "destination": ["acme-logs"],
    ...     "destination_prefix": pd.Series([None], dtype="str")})
    >>> for name in ["from_time", "to_time"]:
    ...     plan[name] = pd.to_datetime(plan[name], unit="ms", utc=True).dt.as_unit("ms")
    >>> print(xs.render_commands(plan).replace(" --", " \\\n--"), end="")
    aws logs create-export-task \
    --region=eu-west-1 \
    --task-name='backfill acme 1970-01-01' \
    --log-group-name=acme \
    --from=0 \
    --to=86399999 \
    --destination=acme-logs
    >>> print(xs.render_commands(plan, form="json"), end="")
    {"accountId": "111122223333", "region": "eu-west-1", "request": {"taskName": ...}}
    """
    if form not in ("shell", "json"):
        raise ArgumentError(f'form={form!r}; give "shell" or "json"')
    check_plan(plan)
    write = _shell if form == "shell" else _json
    return "".join(f"{write(*task)}\n" for task in requests_of(plan))


def check_plan(plan: pd.DataFrame) -> None:
    """Check that a frame is a backfill plan.

    Raises
    ------
    SchemaError
        If it is not, or if one of its tasks cannot be created.
    """
    remedy = "use the result of xs.plan_backfill"
    dtypes = dict.fromkeys(_TEXTS) | dict.fromkeys(_TIMES, schema.DTYPES["time"])
    frames.require(plan, "backfill plan", remedy, columns=dtypes)
    for name in _NEEDED:
        missing = plan[name].isna().to_numpy()
        if missing.any():
            raise SchemaError(f"row {missing.argmax()} of the plan has no {name}; {remedy}")


def requests_of(plan: pd.DataFrame) -> Iterator[tuple[str | None, str | None, dict[str, Any]]]:
    """Yield account, region and request of each task; missing values are not in the request."""
    columns: dict[str, list[Any]] = {}
    for name, key in _TEXTS.items():
        values = plan[name].astype(object)
        columns[key] = values.where(values.notna(), None).to_list()
    for name, key in _TIMES.items():
        columns[key] = coerce.millis(plan[name]).tolist()
    for fields in zip(*columns.values(), strict=True):
        task = dict(zip(columns, fields, strict=True))
        request = {key: task[key] for key in _REQUEST if task[key] is not None}
        yield task["accountId"], task["region"], request


def create_commands(exports: pd.DataFrame) -> tuple[str, ...]:
    """Return the commands that create tasks for some exports, without a stream prefix.

    Exports without a name that is valid in AWS, a window or a destination are left out.

    Parameters
    ----------
    exports
        The account, region, log group, `from_time`, `to_time`, `destination` and
        `destination_prefix` of each.
    """
    known = exports.dropna(subset=list(_NEEDED))
    named = np.array([bool(names_of(row)) for row in known.to_dict("records")], dtype=bool)
    return tuple(_shell(*task) for task in requests_of(known[named].assign(task_name=None)))


def _json(account_id: str | None, region: str | None, request: dict[str, Any]) -> str:
    return json.dumps({"accountId": account_id, "region": region, "request": request})


def _shell(_account_id: str | None, region: str | None, request: dict[str, Any]) -> str:
    """Return one command.

    Raises
    ------
    ArgumentError
        If the region is not valid; it would become part of the address that receives credentials.
    """
    words = ["aws logs create-export-task"]
    if region is not None:
        if not re.fullmatch(REGION, region):
            raise ArgumentError(f"region={region!r} is not a region; correct it in the plan")
        words.append(f"--region={region}")
    return " ".join([*words, *options_of(request)])


def options_of(request: dict[str, Any]) -> list[str]:
    """Return a request as options of the AWS CLI, quoted for the shell."""
    if all(_is_plain(value) for value in request.values()):
        return [f"--{_OPTIONS[key]}={shlex.quote(str(v))}" for key, v in request.items()]
    # the API's own name; boto3 and this package use fromTime
    whole = {"from" if key == "fromTime" else key: value for key, value in request.items()}
    # two words, because the AWS CLI looks for the bare option to know that no other is required
    return ["--cli-input-json", shlex.quote(json.dumps(whole))]


def _is_plain(value: str | int) -> bool:
    """Return whether the AWS CLI takes a value literally, on one line."""
    return isinstance(value, int) or (value.isprintable() and not value.startswith(_LOADED))


def names_of(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the known names of a row, or none of them if one is not a name in AWS."""
    known = {name: row[name] for name in _ALLOWED if isinstance(row[name], str)}
    return known if all(_ALLOWED[name].fullmatch(text) for name, text in known.items()) else {}
