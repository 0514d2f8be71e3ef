"""Render a backfill plan as one shell script per slot, which can be stopped and run again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pandas as pd

from exportstats.core import coerce, schema
from exportstats.coverage.commands import REGION, check_plan, options_of, requests_of
from exportstats.errors import ArgumentError
from exportstats.stats.as_of import instant, to_millis
from exportstats.text import counted, total_bytes

if TYPE_CHECKING:
    from datetime import date

# Valid names, which are also safe in comments, and the remedy for invalid ones.
_NAMES = (
    ("account_id", r"[0-9]{12}", "give it with --account"),
    ("region", REGION, "give it with --region"),
    ("log_group_name", r"[A-Za-z0-9_./#-]+", "leave it out with --log-group"),
)
_MOST = 20  # slots in the summary at the top of a script

_HEAD = """\
#!/bin/sh
# Backfill made by exportstats: {count} in account {account}, {region},
# as of {as_of} UTC.
#
# It creates one task after another, each when the slot is free, and waits until the
# task has ended. It stops if AWS refuses a task, or if a task does not complete. To
# continue, run it again: it skips what has been exported already. A lock in its folder
# prevents a second run for this account and region. It needs the AWS CLI, exportstats,
# and credentials of this account.
#
# The whole plan follows. Each slot (account and region) has its own script; the
# scripts can run in parallel.
#
{summary}

set -eu
account={account}
region={region}
planned={planned}

"""

_FUNCTIONS = r"""export AWS_PAGER='' AWS_RETRY_MODE="${AWS_RETRY_MODE:-standard}"
export AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-10}"

say() { printf 'backfill: %s\n' "$1" >&2; }
stop() {
    say "$1"
    exit 1
}
lock=$(dirname -- "$0")/backfill-$account-$region.lock
has_lock=
finish() {
    status=$?
    [ -z "$has_lock" ] || rmdir -- "$lock" || : # first, as the terminal may be closed
    [ "$status" -eq 0 ] || say "stopped; to continue: sh $0"
}
trap finish EXIT
trap '' HUP INT PIPE TERM # do not leave a new lock behind
if mkdir -- "$lock" 2>/dev/null; then
    has_lock=yes
elif [ -d "$lock" ]; then
    stop "another run holds the lock; if there is no other run, remove it: rmdir '$lock'"
else
    stop "cannot create $lock; move the script to a writable folder"
fi
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# The tasks of the slot, newest first: ID, state, from, to, log group, creation.
list_tasks() {
    aws logs describe-export-tasks --region="$region" --output=text "$@" \
        --query='exportTasks[].[taskId, status.code, from, to, logGroupName,
            executionInfo.creationTime]'
}

# Whether a COMPLETED task that was created after the plan contains a window. The plan
# knows the earlier ones. A task may be listed twice; its newest state comes first.
is_exported() {
    printf '%s\n%s\n' "$newest" "$known" | GROUP=$1 FROM=$2 TO=$3 PLANNED=$planned awk -F '\t' '
        !seen[$1]++ && $2 == "COMPLETED" && ($5 "") == (ENVIRON["GROUP"] "") &&
            $3 + 0 <= ENVIRON["FROM"] + 0 && $4 + 0 >= ENVIRON["TO"] + 0 &&
            ($6 == "None" || $6 + 0 > ENVIRON["PLANNED"] + 0) { found = 1 }
        END { exit !found }'
}

wait_for_task() { exportstats wait --region="$region" -- "$1"; }

wait_for_slot() {
    last=
    while :; do
        # only the newest page: it has the active task, and those since the start
        newest=$(list_tasks --no-paginate) || stop 'cannot list the tasks'
        active=$(printf '%s\n' "$newest" | awk -F '\t' '
            $2 ~ /^(PENDING|RUNNING|PENDING_CANCEL)$/ && !found++ { print $1 }')
        [ -n "$active" ] || return 0
        [ "$active" != "$last" ] || stop "task $active still holds the slot"
        say "task $active holds the slot; waiting until it has ended"
        wait_for_task "$active" || : # in any state
        last=$active
    done
}

# Arguments: message, log group, from, to, and the options of create-export-task.
export_window() {
    what=$1 group=$2 from=$3 to=$4
    shift 4
    is_exported "$group" "$from" "$to" || wait_for_slot
    if is_exported "$group" "$from" "$to"; then
        say "$what: exported already"
        return
    fi
    say "$what"
    task=$(aws logs create-export-task --region="$region" --output=text --query=taskId "$@") ||
        stop 'AWS refused this task; see its message above'
    wait_for_task "$task" || stop "task $task has not completed"
}

for command in aws exportstats awk; do
    command -v "$command" >/dev/null || stop "$command is not installed"
done
caller=$(aws sts get-caller-identity --region="$region" --output=text --query=Account) ||
    stop 'AWS does not report whose credentials these are'
if [ "$caller" != "$account" ]; then
    stop "the credentials are for account $caller, not $account; set AWS_PROFILE"
fi
newest=
known=$(list_tasks) || stop 'cannot list the tasks'
"""


def render_scripts(
    plan: pd.DataFrame, as_of: str | date | pd.Period | None
) -> dict[tuple[str, str], str]:
    """Render the tasks of a backfill plan as scripts for a POSIX shell, one per slot.

    This does not create tasks. Each script checks that its credentials are for the account, waits
    until the slot is free before each task, waits until the task has ended, and stops if one is
    refused or does not complete. It skips windows that a COMPLETED task contains, if the task was
    created after `as_of`.

    Parameters
    ----------
    plan
        The result of `plan_backfill`, or some of its rows.
    as_of
        The instant for which it was planned.

    Returns
    -------
    dict
        The script of each account and region, the first to expire first.

    Raises
    ------
    SchemaError
        If `plan` is not a backfill plan, or a task has no log group, window or destination.
    ArgumentError
        If an account, a region or a log group is missing or not valid in AWS.
    """
    check_plan(plan)
    _refuse_unknown(plan)
    slots = summarize_slots(plan)
    totals = dict(zip(slots.index.to_list(), slots["tasks"], strict=True))
    calls: dict[tuple[str, str], list[str]] = {slot: [] for slot in totals}
    ends = _minutes(plan["to_time"] + pd.Timedelta("1ms"))
    times = zip(_minutes(plan["from_time"]), ends, _minutes(plan["deadline"]), strict=True)
    for (account, region, request), time in zip(requests_of(plan), times, strict=True):
        slot = str(account), str(region)
        number = f"{len(calls[slot]) + 1:,} of {totals[slot]:,}"
        calls[slot].append(_call(number, request, *time))
    planned = instant(as_of, "as_of")
    made = _minutes(pd.Series([planned]))[0]
    table = table_of(slots)
    return {
        slot: _HEAD.format(
            count=counted(len(mine)),
            account=slot[0],
            region=slot[1],
            as_of=made,
            planned=to_millis(planned),
            summary=_summary(table, at),
        )
        + "\n".join(
            [_FUNCTIONS, *mine, f"say 'done: the windows of {counted(len(mine))} are exported'", ""]
        )
        for at, (slot, mine) in enumerate(calls.items(), start=1)
    }


def _call(number: str, request: dict[str, Any], start: str, end: str, deadline: str) -> str:
    """Return the lines for one task."""
    group = request["logGroupName"]
    expires = f", expires {deadline}" if deadline else ""
    what = shlex.quote(f"{number}: {group}, {start} to {end} UTC{expires}")
    window = f"{shlex.quote(group)} {request['fromTime']} {request['to']}"
    return " \\\n    ".join([f"export_window {what}", window, " ".join(options_of(request))])


def summarize_slots(plan: pd.DataFrame) -> pd.DataFrame:
    """Return tasks, bytes, first deadline and end of each slot of a plan.

    They are in the order of a plan: the first to expire first, then the most bytes.
    """
    slots = plan.astype(dict.fromkeys(schema.SLOT, "str")).groupby([*schema.SLOT], dropna=False)
    table = slots.agg(
        tasks=("task_name", "size"),
        first_deadline=("deadline", "min"),
        done=("expected_end", "max"),
        late=("late", "sum"),
        bytes=("incoming_bytes", lambda sizes: sizes.sum(min_count=1)),
        came_in=("incoming_bytes", total_bytes),
    )
    order = ["first_deadline", "bytes", "done", *schema.SLOT]
    return table.sort_values(order, ascending=[True, False, *[True] * 3])


def table_of(slots: pd.DataFrame) -> list[str]:
    """Return the lines of a plain-text table of slots, with a header."""
    columns = [
        ["account", *slots.index.get_level_values("account_id")],
        ["region", *slots.index.get_level_values("region")],
        ["tasks", *(f"{number:,}" for number in slots["tasks"])],
        ["came in", *slots["came_in"]],
        ["first expiry", *_minutes(slots["first_deadline"])],
        ["done about", *_minutes(slots["done"])],
        ["late", *(f"{number:,}" for number in slots["late"])],
    ]
    if not slots["came_in"].any():  # it is not known
        columns.pop(3)
    columns = [_aligned(column) for column in columns]
    return ["  ".join(cells) for cells in zip(*columns, strict=True)]


def _aligned(column: list[str]) -> list[str]:
    """Return the cells of a column in one width, numbers to the right."""
    width = max(map(len, column))
    is_number = column[0] in ("tasks", "late")
    return [cell.rjust(width) if is_number else cell.ljust(width) for cell in column]


def _summary(table: list[str], at: int) -> str:
    """Return the table as comments, with one line marked; many lines are cut, except this one."""
    marked = [f"{table[at]}  <- this"]
    shown = [*table[:at], *marked, *table[at + 1 : _MOST + 1]]
    if at > _MOST:
        shown = [*table[: _MOST + 1], *marked]
    rest = len(table) - len(shown)
    more = [f"and {rest:,} more"] if rest else []
    return "\n".join(f"#   {line}".rstrip() for line in (*shown, *more))


def _refuse_unknown(plan: pd.DataFrame) -> None:
    """Refuse names that are missing or not valid in AWS.

    Raises
    ------
    ArgumentError
        With the first such name and the remedy.
    """
    for name, pattern, remedy in _NAMES:
        bad = ~plan[name].astype("str").str.fullmatch(pattern).fillna(value=False).to_numpy(bool)
        if bad.any():
            value = plan[name].iloc[bad.argmax()]
            problem = "is missing" if pd.isna(value) else f"cannot be {value!r}"
            raise ArgumentError(f"a script needs the {name}, which {problem}; {remedy}")


def _minutes(times: pd.Series) -> list[str]:
    """Return times as text; "" where missing."""
    return coerce.minute_text(times).fillna("").to_list()
