"""Find log groups that are not exported on some weekdays, such as the weekend."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DAY, LOG_GROUP
from exportstats.coverage.commands import names_of
from exportstats.report.rule import Found, rule
from exportstats.report.waivers import DAYS, text_of
from exportstats.report.words import groups_of, on, place, verb

if TYPE_CHECKING:
    from exportstats.report.material import Material

_REASON = "no events to export on these days"


@rule(
    title="Log groups exported on some weekdays only",
    rank=145,
    severities=("note",),
    remedy="If this is intended, confirm it with a waiver. If not, export these days too.",
)
def weekdays(material: Material) -> Found | None:
    """Find log groups that are never exported on some weekdays, unless a waiver confirms it."""
    groups, rest = material.groups, material.rest
    due = material.due_of(material.span)[1][rest["group"]]
    latest = (rest["end"] > due - 7 * DAY) & (rest["end"] <= due)
    rest = rest[latest & groups["watched"].to_numpy()[rest["group"]]]
    noon = coerce.times(rest["start"].to_numpy() + DAY // 2)
    middle = pd.DatetimeIndex(noon).tz_convert(material.span.start.tz)
    names = groups["log_group_name"].to_numpy()[rest["group"]]
    valid = [one for one in material.waivers if not one.has_expired(material.now)]
    confirmed = [
        any(fnmatchcase(name, one.log_group) and one.covers(day) for one in valid)
        for name, day in zip(names, middle.date, strict=True)
    ]
    open_ = ~np.array(confirmed, dtype=bool)
    days = pd.DataFrame(
        {
            "group": rest["group"].to_numpy(),
            "weekday": middle.day_of_week,
            "since": coerce.times(rest["since"].to_numpy()),
        }
    )[open_]
    if not len(days):
        return None
    by_group = days.sort_values(["group", "weekday"]).groupby("group")
    rows = groups.loc[by_group.size().index, list(LOG_GROUP)].assign(
        weekdays=by_group["weekday"].agg(lambda some: ", ".join(DAYS[day] for day in some)),
        since=by_group["since"].min(),
    )
    rows = rows.sort_values(list(LOG_GROUP))
    first = rows.iloc[0]
    return Found(
        "note",
        f"{groups_of(rows)} {verb(len(rows), 'is', 'are')} never exported on some weekdays, "
        f"on which nothing is due: {place(rows.head(1))} on "
        f"{first['weekdays'].replace(', ', ' and ')}, since {on(first['since'], material)}.",
        rows.reset_index(drop=True),
        waivers=_waivers(rows, groups[groups["watched"]]),
    )


def _waivers(rows: pd.DataFrame, watched: pd.DataFrame) -> tuple[str, ...]:
    """Return the waivers that confirm this, if they affect no other log group of the same name."""
    number = watched["log_group_name"].value_counts()
    texts = []
    for name, same in rows.groupby("log_group_name", observed=True):
        alike = len(same) == number[name] and len(set(same["weekdays"])) == 1
        if alike and all(names_of(row) for row in same.to_dict("records")):
            texts.append(text_of(str(name), same["weekdays"].iloc[0].split(", "), _REASON))
    return tuple(texts)
