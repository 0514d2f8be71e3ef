"""Return what arrived from targets, and raise or warn if a target failed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from exportstats.aws.faults import CONTINUES, cause_of
from exportstats.aws.fleet import load_targets
from exportstats.aws.targets import check_targets
from exportstats.core import frames
from exportstats.errors import (
    AccountUnknownWarning,
    ArgumentError,
    BadRowsError,
    BadRowsWarning,
    LoadError,
    LoadInterrupted,
    LoadWarning,
    warn,
)
from exportstats.io.rows import to_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exportstats.aws.load import Load, Question
    from exportstats.aws.targets import Target
    from exportstats.core.schema import Table
    from exportstats.io.rows import Rows

_FAILURE_DTYPES = {
    "account_id": "str",
    "region": "str",
    "profile": "str",
    "role_arn": "str",
    "reason": "str",
    "remedy": "str",
    "arrived": "int64",
    "next_token": "str",
}
_NAMED = 3
_WHOLE = partial(pd.option_context, "display.max_colwidth", None, "display.max_columns", None)


def fetch_table(
    question: Question,
    kind: Table,
    targets: Iterable[Target] | None,
    of_one: Mapping[str, object],
    errors: Literal["raise", "warn"],
    **how: Any,  # noqa: ANN401 - as in load_targets
) -> pd.DataFrame:
    """Load targets, and return a table of what arrived.

    `of_one` are the arguments that are only allowed without targets, `how` those of `load_targets`.

    Raises
    ------
    ArgumentError
        An argument is not valid.
    BadRowsError
        No row can be read, and no target failed.
    LoadError
        A target failed, and `errors` is "raise".
    LoadInterrupted
        The user stopped loading.
    """
    check_errors(errors)
    loads = load_targets(check_targets(targets, **of_one), question, **how)
    if "next_token" not in of_one:
        loads = [_from_the_start(load) for load in loads]
    if targets is None and loads[0].refused:
        raise ArgumentError(str(loads[0].fault)) from cause_of(loads[0].cause)
    arrived = table_of(
        [(load, load.arrived.parts) for load in loads], kind, strict=not any(x.fault for x in loads)
    )
    _warn_of_unknown_accounts(loads, arrived)
    return raise_or_warn(loads, arrived, errors)


def _from_the_start(load: Load) -> Load:
    """Return a load of a function that cannot continue at a token."""
    if load.fault is None:
        return load
    remedy = load.fault.remedy.replace(CONTINUES, "ask again for the rest")
    return replace(load, next_token=None, fault=load.fault._replace(remedy=remedy))


def check_errors(errors: object) -> None:
    """Check what to do if a target fails.

    Raises
    ------
    ArgumentError
        It is neither "raise" nor "warn".
    """
    if errors not in ("raise", "warn"):
        raise ArgumentError(f'errors={errors!r}; give "raise" or "warn"')


def table_of(
    arrived: Sequence[tuple[Load, Sequence[Rows]]], kind: Table, *, strict: bool = False
) -> pd.DataFrame:
    """Return a table of what arrived, each row with its account and region.

    Raises
    ------
    BadRowsError
        No row can be read, and `strict`. Otherwise that is a warning.
    """
    parts = (
        rows.filled(over=True, account_id=load.account_id, region=load.region)
        for load, found in arrived
        for rows in found
    )
    try:
        return to_table(parts, kind)
    except BadRowsError as error:
        if strict:
            raise
        warn(BadRowsWarning(error.rows, "no row could be read", partial=True))
        return frames.empty(kind)


def _warn_of_unknown_accounts(loads: Sequence[Load], arrived: pd.DataFrame) -> None:
    """Warn once if rows lack their `account_id`."""
    unknown = [load.unknown for load in loads if load.unknown and load.arrived.pages]
    if unknown and len(arrived):
        warn(AccountUnknownWarning(unknown[0]))


def raise_or_warn(
    loads: Sequence[Load],
    arrived: pd.DataFrame,
    errors: Literal["raise", "warn"],
    came: str | None = None,
) -> pd.DataFrame:
    """Return what arrived; raise or warn if a target failed.

    `came` says what arrived, if it is not in the table.
    """
    failed = [load for load in loads if load.fault is not None]
    if not failed:
        return arrived
    first = failed[0]
    operation = first.question.operation
    of_tasks = operation.member == "exportTasks" and came is None
    came = came or f"({len(arrived):,} {operation.what.rpartition('export ')[2]} arrived)"
    targets = {load.target for load in loads}  # one may have two lists: tasks, log groups
    if len(targets) == 1:
        message = f"{_place(first)}{first.fault} {came}"
    else:
        reasons = "; ".join(f"{load.target}: {_brief(load)}" for load in failed[:_NAMED])
        more = f"; and {len(failed) - _NAMED:,} more, see .failures" if failed[_NAMED:] else ""
        message = f"{len(failed):,} of {len(targets):,} targets failed {came}: {reasons}{more}"
    found = _failures_of(failed)
    carried: dict[str, Any] = {
        "tasks": arrived if of_tasks else frames.empty(),
        "arrived": arrived,
        "next_token": first.next_token if len(loads) == 1 else None,
        "failures": found,
    }
    if any(load.interrupted for load in loads):
        raise LoadInterrupted(message, **carried)
    if errors == "warn":
        warn(LoadWarning(message, found))
        return arrived
    error = LoadError(message, **carried)
    error.__context__ = first.cause
    raise error from cause_of(first.cause)


def _failures_of(failed: Iterable[Load]) -> pd.DataFrame:
    """Return the table of failures, one row per target."""
    rows = [
        (
            load.account_id or load.target.account_id,
            load.region or load.target.region,
            load.target.profile,
            load.target.role_arn,
            *load.fault,
            load.items,
            load.next_token,
        )
        for load in failed
        if load.fault is not None
    ]
    return Failures(pd.DataFrame(rows, columns=list(_FAILURE_DTYPES)).astype(_FAILURE_DTYPES))


class Failures(pd.DataFrame):
    """A table of failures that shows reasons and remedies in full, which pandas would truncate."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame  # results of operations are plain tables

    def __repr__(self) -> str:
        """Return the table as text."""
        with _WHOLE():
            return super().__repr__()

    def _repr_html_(self) -> str | None:
        with _WHOLE():
            html: str | None = super()._repr_html_()  # type: ignore[misc]
            return html


def _place(load: Load) -> str:
    """Return where a load stopped, if it had a region."""
    if load.region is None:
        return ""
    page = load.odd_page or load.arrived.pages + 1
    return f"page {page} of {load.account_id or 'the account'} in {load.region}: "


def _brief(load: Load) -> str:
    reason = load.fault.reason if load.fault else ""
    return reason.partition(":")[0]
