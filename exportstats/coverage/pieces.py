"""Turn gaps into windows to export: without what is being exported, and cut at midnights."""

from __future__ import annotations

import numpy as np

from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError
from exportstats.stats import windows
from exportstats.stats.windows import Intervals

# A year of 2,700 log groups, day by day; more suggests a mistake in an argument.
_MOST = 1_000_000


def subtract(gaps: Intervals, active: Intervals) -> Intervals:
    """Return the gaps without what is being exported, sorted; parts that touch are joined."""
    both = windows.concat(gaps, active)
    axis = windows.axis_of(int(both.group.max(initial=0)) + 1, both.start, both.end)
    parts = windows.cut(axis, both)
    wanted = windows.depths(axis, gaps, parts) > 0
    wanted &= windows.depths(axis, active, parts) == 0
    joined, _ = windows.join(parts.take(wanted))
    return joined


def cut_days(intervals: Intervals, step: int) -> Intervals:
    """Cut intervals at midnights (UTC) into pieces of at most `step` milliseconds.

    A step below a day cuts each day from its midnight. A longer step cuts after as many whole days
    as it holds, counted from the day in which an interval begins.

    Raises
    ------
    ArgumentError
        If there are more than a million pieces.
    """
    period = max(step // DAY, 1) * DAY  # cutting starts again after each
    step = min(step, period)
    each = -(-period // step)  # pieces of a period
    group, start, end = intervals
    many = float(np.sum((end - start) / step))
    if many > _MOST:
        raise ArgumentError(
            f"max_window would cut the gaps into {many:,.0f} tasks, more than {_MOST:,}; "
            "give a longer max_window, or find gaps in a shorter range"
        )
    midnight = start - start % DAY
    first = (start - midnight) // step
    last_day, rest = np.divmod(end - 1 - midnight, period)
    counts = last_day * each + rest // step - first + 1

    of = np.repeat(np.arange(len(group)), counts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts) + first[of]
    left, right = (
        midnight[of] + at // each * period + at % each * step for at in (number, number + 1)
    )
    return Intervals(group[of], np.maximum(left, start[of]), np.minimum(right, end[of]))
