"""Find expired events that may not be deleted yet, and the commands that keep them."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.commands import names_of
from exportstats.stats import matching
from exportstats.stats.as_of import to_millis
from exportstats.text import counted, plain, shorten

if TYPE_CHECKING:
    import pandas as pd

# Expired events are deleted within this time, rarely later.
DELETED_AFTER = timedelta(hours=72)
# A retention policy of an account takes effect after this time.
POLICY_TAKES = timedelta(hours=24)
# How long a raised retention keeps the events, so that there is time to export them.
_TO_EXPORT = 3  # days
_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557),
    *(2922, 3288, 3653),
)  # days, as PutRetentionPolicy takes them; PutAccountPolicy takes those from 30 on
_LONGEST_NAME = 60
_FIXED = "DELIVERY"  # the class of log groups whose retention cannot be chosen
_DAY = timedelta(days=1)


def find_undeleted(
    gaps: pd.DataFrame, log_groups: pd.DataFrame, as_of: pd.Timestamp | None
) -> pd.DataFrame:
    """Return the parts of lost gaps that may not be deleted yet, and can be kept.

    Parameters
    ----------
    gaps
        Rows of `find_gaps`.
    log_groups
        A table of log groups, with those of the lost gaps.
    as_of
        The instant of the gaps; by default when the log groups were observed.

    Returns
    -------
    DataFrame
        The log group, `start` and `end` of each part, and the `retention`, `retention_policy_name`
        and `log_group_class` of its log group.
    """
    row = matching.locate(gaps, log_groups)
    is_lost = (gaps["reason"] == "lost").to_numpy() & (row >= 0)
    lost, row = gaps[is_lost], row[is_lost]
    columns = ["retention", "retention_policy_name", "log_group_class", "observed_at"]
    groups = log_groups[columns].take(row)
    kept = groups["retention"].to_numpy("timedelta64[ms]").view("int64")
    now = coerce.millis(groups["observed_at"])
    if as_of is not None:
        now = np.full(len(row), to_millis(as_of))
    by_policy = groups["retention_policy_name"].notna().to_numpy()
    since = now - kept - _millis(DELETED_AFTER) + by_policy * _millis(POLICY_TAKES)
    start, end = np.maximum(coerce.millis(lost["start"]), since), coerce.millis(lost["end"])
    can_be_kept = (start < end) & (groups["log_group_class"] != _FIXED).to_numpy()
    found = lost[list(LOG_GROUP)].assign(start=coerce.times(start), end=coerce.times(end))
    for name in columns[:-1]:
        found[name] = groups[name].array
    undeleted: pd.DataFrame = found[can_be_kept].reset_index(drop=True)
    return undeleted


def _millis(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def keep_commands(undeleted: pd.DataFrame) -> tuple[str, ...]:
    """Return the commands of the AWS CLI that raise the retention, for each log group once.

    Where a policy of the account sets the retention, the first command only shows what the second
    one would change. Log groups whose names are not valid in AWS are left out.
    """
    groups = undeleted.drop_duplicates(list(LOG_GROUP)).to_dict("records")
    return tuple(command for group in groups for command in _keep(group))


def _keep(group: dict[Any, Any]) -> list[str]:
    names, days = names_of(group), group["retention"] // _DAY
    last = DELETED_AFTER // _DAY + _TO_EXPORT
    longer = next((more for more in _RETENTIONS if more >= days + last), None)
    if longer is None or "log_group_name" not in names:
        return []
    name = names["log_group_name"]
    region = [f"--region={names['region']}"] if "region" in names else []
    if not isinstance(group["retention_policy_name"], str):
        words = [f"--log-group-name={name}", f"--retention-in-days={longer}"]
        return [shlex.join(["aws", "logs", "put-retention-policy", *region, *words])]
    # of several policies, the longest retention counts, so the present one can stay as it is
    document = json.dumps({"retentionInDays": longer, "enforcementMode": "RETROACTIVE"})
    words = [
        *("aws", "logs", "put-account-policy", *region),
        f"--policy-name=keep-{longer}-days-{name}",
        "--policy-type=RETENTION_POLICY",
        f"--policy-document={document}",
        f"--selection-criteria=LogGroupNamePrefix IN {json.dumps([name])}",
    ]
    return [shlex.join([*words, "--dry-run"]), shlex.join(words)]


def describe_undeleted(undeleted: pd.DataFrame) -> str:
    """Describe how to keep events that may not be deleted yet."""
    of_account = undeleted[undeleted["retention_policy_name"].notna().to_numpy()]
    hours = DELETED_AFTER // timedelta(hours=1)
    text = (
        f"Events that expired less than {hours} hours ago may not be deleted yet. Raise the "
        "retention first, then export them. It is not documented that an export still has them."
    )
    if not len(of_account):
        return text
    groups = of_account.drop_duplicates(list(LOG_GROUP))
    policy = shorten(plain(groups["retention_policy_name"].iloc[0]), _LONGEST_NAME)
    wait = POLICY_TAKES // timedelta(hours=1)
    return (
        f"{text} The retention of {counted(len(groups), 'log group')} is set by a policy of the "
        f"account, such as {policy}, so put-retention-policy has no effect. A longer policy takes "
        f"effect after {wait} hours: export what expired less than {hours - wait} hours ago after "
        "that. It needs the permission logs:PutAccountPolicy, and applies to all log groups whose "
        "names begin like this one: the first command (--dry-run) only shows which would change."
    )
