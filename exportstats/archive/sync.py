"""Bring an archive up to date: page each list down to what is known, and keep what arrives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from exportstats.archive.delta import Store
from exportstats.archive.keeping import Keeper, keep_looks, settled
from exportstats.archive.kinds import LISTINGS, LOOKS
from exportstats.aws.faults import CONTINUES, Fault, cause_of
from exportstats.aws.fleet import load_targets
from exportstats.aws.load import Question
from exportstats.aws.log_groups import LOG_GROUPS
from exportstats.aws.newest import Settled
from exportstats.aws.outcome import check_errors, raise_or_warn
from exportstats.aws.targets import check_targets
from exportstats.aws.tasks import PAGE_SIZE, TASKS
from exportstats.core import schema
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exportstats.archive.storage import Storage
    from exportstats.aws.load import Load
    from exportstats.aws.targets import Target

_RESULT = {
    "account_id": "str",
    "region": "str",
    "profile": "str",
    "role_arn": "str",
    "requests": "int64",
    "new": "int64",
    "changed": "int64",
    "unchanged": "int64",
    "reason": "str",
    "remedy": "str",
}


def sync(
    storage: Storage,
    targets: Iterable[Target] | None,
    *,
    full: bool,
    log_groups: bool,
    region: str | None,
    endpoint_url: str | None,
    requests_per_second: float | Literal["quota"] | None,
    errors: Literal["raise", "warn"],
    **how: Any,  # noqa: ANN401 - as in load_targets
) -> pd.DataFrame:
    """Keep what is new or changed of each target; see `Archive.sync`."""
    check_errors(errors)
    wanted = check_targets(targets, region=region)
    storage.check_writable()
    for kind in (LOOKS, LISTINGS, *([schema.LOG_GROUPS] if log_groups else [])):
        Store(storage, kind).intact()
    known = settled(storage)
    question = Question(
        TASKS,
        {"limit": PAGE_SIZE},
        endpoint_url,
        requests_per_second,
        settled=Settled({}) if full else known,
    )
    keeper = Keeper(storage, schema.TASKS)
    loads = load_targets(wanted, question, each=keeper.look, **how)
    if targets is None and loads[0].refused:
        raise ArgumentError(str(loads[0].fault)) from cause_of(loads[0].cause)
    keeper.keep(loads)
    loads = [*map(_explained, loads)]
    if not all(load.fault for load in loads):
        Store(storage, schema.TASKS).ensure()
    keep_looks(storage, loads)
    result = _result(loads, keeper)
    if log_groups and not any(load.interrupted for load in loads):
        loads += _sync_log_groups(storage, loads, replace(question, operation=LOG_GROUPS), how)
    kept = int(result[["new", "changed"]].to_numpy().sum())
    return raise_or_warn(loads, result, errors, came=f"({kept:,} new or changed tasks are kept)")


def _sync_log_groups(
    storage: Storage, loads: Sequence[Load], question: Question, how: dict[str, Any]
) -> list[Load]:
    """Keep the log groups of the targets whose tasks arrived."""
    targets = [load.target for load in loads if load.fault is None]
    if not targets:
        return []
    keeper = Keeper(storage, schema.LOG_GROUPS)
    found = load_targets(targets, replace(question, settled=None), each=keeper.look, **how)
    keeper.keep(found)
    return [*map(_explained, found)]


def _explained(load: Load) -> Load:
    """Return a load as failed if its account is unknown, and with the remedy of a sync."""
    if load.fault is None and load.account_id is None:
        remedy = "name the account of each target, because an archive needs it"
        return replace(load, fault=Fault(load.unknown or "account_id is missing", remedy))
    if load.fault is None:
        return load
    remedy = load.fault.remedy.replace(CONTINUES, "the next sync reads the rest")
    return replace(load, fault=load.fault._replace(remedy=remedy))


def _result(loads: Sequence[Load], keeper: Keeper) -> pd.DataFrame:
    rows = []
    for load in loads:
        slot = (load.account_id or load.target.account_id, load.region or load.target.region)
        counts = keeper.counts.pop(slot, np.zeros(3, dtype=int))
        of_target = (*slot, load.target.profile, load.target.role_arn)
        rows.append((*of_target, load.arrived.pages, *counts, *(load.fault or (None, None))))
    return pd.DataFrame(rows, columns=list(_RESULT)).astype(_RESULT)
