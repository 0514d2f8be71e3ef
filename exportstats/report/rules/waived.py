"""Find waived gaps and expired waivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core.schema import LOG_GROUP
from exportstats.report.rule import Found, rule
from exportstats.report.words import groups_of, name, place, verb
from exportstats.text import counted, total

if TYPE_CHECKING:
    from exportstats.report.material import Material


@rule(
    title="Waived gaps",
    rank=160,
    severities=("note",),
    remedy="No action is needed.",
)
def waived(material: Material) -> Found | None:
    """Find gaps of the week that a waiver covers."""
    start, end = material.due_of(material.span)
    rows = material.cut(material.waived, start, end)
    if not len(rows):
        return None
    return Found(
        "note",
        f"{total(rows['length'])} of events of {groups_of(rows)} are waived: {place(rows)} "
        f"({name(rows['because'].iloc[0], 120)}).",
        rows[[*LOG_GROUP, "start", "end", "length", "because"]].reset_index(drop=True),
    )


@rule(
    title="Expired waivers",
    rank=125,
    remedy="Remove them from the file, or set a later `until`.",
)
def expired_waivers(material: Material) -> Found | None:
    """Find waivers whose last day has passed."""
    over = [one for one in material.waivers if one.has_expired(material.now)]
    if not over:
        return None
    rows = pd.DataFrame(
        {
            "log_group_name": [one.log_group for one in over],
            "until": [str(one.until) for one in over],
            "because": [one.reason for one in over],
        }
    )
    return Found(
        "warning",
        f"{counted(len(over), 'waiver')} {verb(len(over), 'was', 'were')} valid until "
        f"{rows['until'].max()} or earlier, such as that of "
        f"{name(rows['log_group_name'].iloc[0])}. The gaps are reported again.",
        rows,
    )
