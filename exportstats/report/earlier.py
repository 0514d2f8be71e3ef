"""Read what was known when a report's span began, to find what was closed since."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce, shards
from exportstats.report.reading import Earlier, read_earlier
from exportstats.stats import matching

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from exportstats.core.shards import Shards
    from exportstats.report.material import Material


def with_earlier(
    tasks: pd.DataFrame | Shards, materials: Sequence[Material], keep: Sequence[shards.Part | None]
) -> list[Material]:
    """Read what was known at the start of the span, for all parts of a report in one pass.

    `keep` selects the tasks of each part; None keeps all.
    """
    questions = {
        number: partial(_read, keep=kept, material=material, groups=groups)
        for number, (material, kept) in enumerate(zip(materials, keep, strict=True))
        if len(groups := _exported_again(material))
    }
    answers = shards.together(tasks, *questions.values()) if questions else []
    found = dict(zip(questions, answers, strict=True))
    return [replace(one, earlier=found.get(number)) for number, one in enumerate(materials)]


def _read(
    tasks: pd.DataFrame | Shards,
    *,
    keep: shards.Part | None,
    material: Material,
    groups: pd.DataFrame,
) -> Earlier:
    some = tasks if keep is None else shards.select(tasks, keep)
    then = material.span.start
    return read_earlier(some, then=then, groups=groups, evidence=material.evidence)


def _exported_again(material: Material) -> pd.DataFrame:
    """Return the regular log groups with tasks of the span whose windows were due before it."""
    due, then = material.due_of(material.span)[0], material.span.start
    recent = material.recent
    done = recent[(recent["completion_time"] >= then) & (recent["status_code"] == "COMPLETED")]
    group = matching.locate(done, material.groups)
    # most windows were not due before
    group = group[(group >= 0) & (coerce.millis(done["from_time"]) < due[group])]
    groups = material.groups.iloc[np.unique(group)]
    groups = groups[groups["regular"]]
    return groups if groups["first_window"].min() < then else groups[:0]
