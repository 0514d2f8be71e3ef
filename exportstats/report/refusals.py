"""Find the refused exports that are still missing, and what to do about them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core.schema import LOG_GROUP
from exportstats.report.missing import shared, with_stake
from exportstats.report.words import name
from exportstats.stats.api_calls import refused_calls
from exportstats.text import counted

if TYPE_CHECKING:
    import numpy as np

    from exportstats.stats.incoming import Incoming

# What to do, by the error code without "Exception".
_REMEDIES = {
    "LimitExceeded": "LimitExceededException means that the account and region ran another task: "
    "export again when no task is active.",
    "AccessDenied": "AccessDenied means that {who} lacks logs:CreateExportTask: simulate-principal-"
    "policy shows whether its policies allow it.",
    "InvalidParameter": "InvalidParameterException often means the bucket: read the message, and "
    "check its policy and region first, or the next export is refused too.",
    "ResourceNotFound": "ResourceNotFoundException means the name of the log group or bucket.",
}
REMEDY = (
    "LimitExceededException means that the account and region ran another task: try again later. "
    "For other errors, check the policy, the bucket and the log group."
)
_MISSPELT = "ResourceNotFound"  # exporting again is refused again
_ROLE_OR_USER = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):((role|user)/[\w+=,.@/-]+)", re.ASCII)
_SHOWN = 3  # principals in a sentence
_MOMENT = pd.Timedelta("1ms")


def refusals_until(
    api_calls: pd.DataFrame, as_of: pd.Timestamp | None, start: pd.Timestamp
) -> pd.DataFrame:
    """Return what was refused since an instant, as `refused_calls` does.

    Calls without a window count if they are of this time, because they could be about any window.
    """
    time = api_calls["event_time"]
    counts = api_calls["from_time"].notna() | (time >= start)
    counts &= True if as_of is None else time <= as_of
    rows = refused_calls(api_calls[counts.to_numpy()])
    return rows[(rows["last_time"] >= start).to_numpy()].reset_index(drop=True)


def ranked(refusals: pd.DataFrame, gaps: pd.DataFrame, incoming: Incoming | None) -> pd.DataFrame:
    """Return refused exports with what is at stake, the most bytes first, then the most tries.

    This is what came in during the part of the window that is not in S3.
    """
    rows = with_stake(refusals, gaps, incoming)
    order = ["incoming_bytes", "tries"]
    return rows.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def is_open(refusals: pd.DataFrame, gaps: pd.DataFrame) -> np.ndarray:
    """Return which refused exports never became a task and are not in S3, as far as is known."""
    missing = pd.Series(shared(windows_of(refusals), gaps), refusals.index)
    # without a window, as with AccessDenied, nothing can be said of later exports
    open_ = refusals["task_id"].isna() & (missing.isna() | (missing > pd.Timedelta(0)))
    return open_.to_numpy()


def windows_of(refusals: pd.DataFrame) -> pd.DataFrame:
    """Return the windows of refused exports as intervals, with `start` and `end`."""
    windows = refusals.rename(columns={"from_time": "start"})
    return windows.assign(end=refusals["to_time"] + _MOMENT)


def remedy_of(refusals: pd.DataFrame) -> str:
    """Return what to do about some refused exports, by their error codes."""
    codes = refusals["error_code"].astype("str").str.removesuffix("Exception")
    who = " and ".join(
        map(label_of, refusals["principal"][codes == "AccessDenied"].dropna().unique())
    )
    known = [text for code, text in _REMEDIES.items() if (codes == code).any()]
    if not known or not codes.isin([*_REMEDIES]).all():
        known.append(REMEDY if not known else "For other errors, read the message.")
    return " ".join(known).format(who=who or "the principal")


def who_of(refusals: pd.DataFrame) -> str:
    """Return who was refused, why, and how often: whose largest export has most bytes comes first.

    Of equal ones, those with most calls come first.
    """
    names = [refusals[one].astype("str").fillna("unknown") for one in ("principal", "error_code")]
    groups = refusals.groupby(names, sort=False)
    whose = groups.agg(largest=("incoming_bytes", "max"), calls=("tries", "sum")).reset_index()
    whose = whose.sort_values(["largest", "calls"], ascending=False, kind="stable")
    shown = whose[["principal", "error_code", "calls"]].head(_SHOWN)
    texts = [
        f"{label_of(who)} ({name(why)}, {counted(many, 'call')})"
        for who, why, many in shown.itertuples(index=False)
    ]
    more = len(whose) - len(texts)
    return ", ".join(texts) + (f" and {more:,} more" if more else "")


def label_of(principal: str) -> str:
    """Return the role or user without the parts of an ARN that are the same in all."""
    found = _ROLE_OR_USER.fullmatch(principal)
    return name(f"{found[2]} of {found[1]}" if found else principal)


def check_commands(refusals: pd.DataFrame) -> tuple[str, ...]:
    """Return the commands that show whether principals without permission have it now."""
    denied = refusals[
        refusals["error_code"].astype("str").str.startswith("AccessDenied").to_numpy()
    ]
    return tuple(
        shlex.join(
            [
                "aws",
                "iam",
                "simulate-principal-policy",
                f"--policy-source-arn={who}",
                "--action-names=logs:CreateExportTask",
            ]
        )
        for who in denied["principal"].dropna().unique()
        if _ROLE_OR_USER.fullmatch(who)
    )


def to_export(refusals: pd.DataFrame) -> pd.DataFrame:
    """Return the refused exports whose window is known and that can be tried again."""
    codes = refusals["error_code"].astype("str")
    can = refusals[[*LOG_GROUP[2:], "from_time", "to_time"]].notna().all(axis="columns")
    return refusals[(can & ~codes.str.startswith(_MISSPELT)).to_numpy()]
