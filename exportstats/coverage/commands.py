"""A backfill plan as text: commands of the AWS CLI to run, or requests to send."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

Form = Literal["shell", "json"]

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
# What CreateExportTask calls them, in the order of the line; the last may be missing.
_REQUEST = ("taskName", "logGroupName", "fromTime", "to", "destination", "destinationPrefix")
_OPTIONS = dict(
    zip(
        _REQUEST,
        ("task-name", "log-group-name", "from", "to", "destination", "destination-prefix"),
        strict=True,
    )
)
# The AWS CLI gives, instead of such a value, what the file or the page holds.
_LOADED = ("file://", "fileb://", "http://", "https://")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)


def render_commands(plan: pd.DataFrame, *, form: Form = "shell") -> str:
    r"""Write the tasks of a backfill plan as commands, or as requests.

    Nothing is created by this. **A slot runs one task at a time**: creating a second one while the
    first is PENDING or RUNNING ends in a LimitExceededException. So wait for the end of each, as
    `aws logs describe-export-tasks --task-id=...` tells it, before the next of its account and
    region. A command says nothing of the account: run those of each account with its credentials.

    Parameters
    ----------
    plan
        What `plan_backfill` gives, or some rows of it.
    form
        "shell": a line a task for a POSIX shell, each value quoted, so that it reaches the AWS CLI
        as it stands, whatever is in it. "json": JSON Lines with `accountId`, `region` (null where
        they are missing) and `request`, the arguments of boto3's `create_export_task`.

    Returns
    -------
    str
        A line a task, in the order of the plan, each with its line end; "" for no task.

    Raises
    ------
    SchemaError
        `plan` is no backfill plan, or a task has no log group, window or destination.
    ArgumentError
        `form` is unknown, or a region cannot be one, for the shell.

    Examples
    --------
    >>> plan = pd.DataFrame({"account_id": ["111122223333"], "region": ["eu-west-1"],
    ...     "task_name": ["backfill acme 1970-01-01"], "log_group_name": ["acme"],
    ...     "from_time": [0], "to_time": [86_399_999], "destination": ["acme-logs"],
    ...     "destination_prefix": pd.Series([None], dtype="str")})
    >>> for name in ["from_time", "to_time"]:
    ...     plan[name] = pd.to_datetime(plan[name], unit="ms", utc=True).dt.as_unit("ms")
    >>> print(render_commands(plan).replace(" --", " \\\n--"), end="")
    aws logs create-export-task \
    --region=eu-west-1 \
    --task-name='backfill acme 1970-01-01' \
    --log-group-name=acme \
    --from=0 \
    --to=86399999 \
    --destination=acme-logs
    >>> print(render_commands(plan, form="json"), end="")
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
        It is not one, or a task of it cannot be created.
    """
    remedy = "give what xs.plan_backfill gives"
    if not isinstance(plan, pd.DataFrame):
        raise SchemaError(f"a backfill plan is a DataFrame, not {type(plan).__name__}; {remedy}")
    for name in (*_TEXTS, *_TIMES):
        if list(plan.columns).count(name) != 1:
            raise SchemaError(f"a backfill plan has one column {name}; {remedy}")
    for name in _TIMES:
        if str(plan[name].dtype) != schema.DTYPES["time"]:
            raise SchemaError(
                f"the column {name} of the plan is {plan[name].dtype}, "
                f"not {schema.DTYPES['time']}; {remedy}"
            )
    for name in _NEEDED:
        missing = plan[name].isna().to_numpy()
        if missing.any():
            raise SchemaError(f"row {missing.argmax()} of the plan has no {name}; {remedy}")


def requests_of(plan: pd.DataFrame) -> Iterator[tuple[str | None, str | None, dict[str, Any]]]:
    """Return account, region and request of each task; what is missing is not in the request."""
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


def _json(account_id: str | None, region: str | None, request: dict[str, Any]) -> str:
    return json.dumps({"accountId": account_id, "region": region, "request": request})


def _shell(_account_id: str | None, region: str | None, request: dict[str, Any]) -> str:
    """Write one command.

    Raises
    ------
    ArgumentError
        The region cannot be one; it would become part of the address that credentials go to.
    """
    words = ["aws logs create-export-task"]
    if region is not None:
        if not _REGION.fullmatch(region):
            raise ArgumentError(f"region={region!r} is none; correct it in the plan")
        words.append(f"--region={region}")
    return " ".join([*words, *options_of(request)])


def options_of(request: dict[str, Any]) -> list[str]:
    """Write a request as options of the AWS CLI, quoted for the shell."""
    if all(_is_plain(value) for value in request.values()):
        return [f"--{_OPTIONS[key]}={shlex.quote(str(v))}" for key, v in request.items()]
    # here the API's own name is asked for, where boto3 has another one
    whole = {"from" if key == "fromTime" else key: value for key, value in request.items()}
    # a word of its own: the AWS CLI looks for the bare option to tell that it needs no others
    return ["--cli-input-json", shlex.quote(json.dumps(whole))]


def _is_plain(value: str | int) -> bool:
    """Return whether the AWS CLI takes a value as it stands, and it stays on its line."""
    return isinstance(value, int) or (value.isprintable() and not value.startswith(_LOADED))
