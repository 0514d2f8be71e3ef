"""Find tasks with impossible values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exportstats.core.schema import KEY
from exportstats.report.reading import within
from exportstats.report.rule import Found, rule
from exportstats.report.words import place, slots_of, verb
from exportstats.stats.anomalies import find_anomalies
from exportstats.text import counted

if TYPE_CHECKING:
    from exportstats.report.material import Material


@rule(
    title="Tasks with impossible values",
    rank=130,
    remedy="Check where these rows come from. Impossible values are left out of the figures.",
)
def bad_data(material: Material) -> Found | None:
    """Find tasks of the week with impossible values."""
    rows = find_anomalies(within(material.rows, material.span))
    if not len(rows):
        return None
    reasons = rows["reason"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    tasks = len(rows[list(KEY)].drop_duplicates())
    return Found(
        "warning",
        f"{counted(tasks, 'task')}{slots_of(rows)} {verb(tasks, 'has', 'have')} impossible values, "
        f"such as one of {place(rows.head(1))}. The most frequent problem ({reasons.iloc[0]:,}): "
        f"{reasons.index[0]}.",
        rows,
    )
