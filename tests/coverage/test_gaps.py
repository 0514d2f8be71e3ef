"""Gaps, counted again millisecond by millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from plainly import KEY, Case, cases
from support import plain, quick

from exportstats.coverage.gaps import find_gaps

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [*KEY, "start", "end", "length", "reason", "last_task_id", "expires_at"]
GIVEN = ("log_groups", "tolerance")


def rows_of_gaps(gaps: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Give each gap as plain Python, without its length."""
    return list(zip(*(plain(gaps[name]) for name in COLUMNS if name != "length"), strict=True))


@quick
@given(cases())
def test_gaps_are_those_of_single_milliseconds(case: Case):
    """Each gap, its reason, its last task and its end by retention are those counted plainly."""
    gaps = find_gaps(case.tasks, **case.arguments(*GIVEN))
    assert rows_of_gaps(gaps) == case.gap_rows()
    assert list(gaps.columns) == COLUMNS
