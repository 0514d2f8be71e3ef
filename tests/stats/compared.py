"""Tasks of a week, and two weeks compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support import SECOND, Row, ms, table

from exportstats.stats.periods import compare_periods

if TYPE_CHECKING:
    import pandas as pd

W46, W47, W48 = (ms(f"2026-11-{day:02}T00:00Z") for day in (9, 16, 23))
WEEKS = {"previous": "2026-W46", "current": "2026-W47"}


def week(start: int, lengths: list[float], failed: int = 0, **same: object) -> list[Row]:
    """Return tasks created in a week: COMPLETED ones with durations in seconds, and FAILED ones."""
    made: list[Row] = []
    for number, took in enumerate([*lengths, *[1.0] * failed]):
        created = start + number * SECOND
        state = "COMPLETED" if number < len(lengths) else "FAILED"
        made.append(
            {
                "creation_time": created,
                "completion_time": created + round(took * SECOND),
                "status_code": state,
                **same,
            }
        )
    return made


def compared(before: list[Row], now: list[Row], **options: Any) -> pd.DataFrame:  # noqa: ANN401 - as they come
    """Compare two weeks."""
    return compare_periods(table(*before, *now), **{**WEEKS, **options})
