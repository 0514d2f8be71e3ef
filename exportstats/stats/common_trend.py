"""Learn from all log groups together how their tasks become slower or faster.

It is the slope of a regression of the logarithms of durations on the number of the task, with an
intercept for each log group. Its standard error allows for differences between log groups
(Arellano, Computing robust standard errors for within-groups estimators, Oxford Bulletin of
Economics and Statistics 49, 1987).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from exportstats.core.schema import LOG_GROUP
from exportstats.stats import grouping

if TYPE_CHECKING:
    import pandas as pd

SUMS = ("_n_trends", "_xx", "_xy", "_xx_xx", "_xx_xy", "_xy_xy")
_FEWEST = 10  # log groups: the error is that of a mean of so many
_UNIT = 100  # products are counted in hundredths


def sums_of(latest: pd.DataFrame) -> dict[str, int]:
    """Return sums over log groups, from their latest tasks in order of creation.

    They are whole numbers, so that they do not depend on the order of log groups.
    """
    took = latest["duration"].to_numpy("float64")
    ended = (took > 0) & np.isfinite(took)
    groups = grouping.group(latest[ended], list(LOG_GROUP))
    codes, n = groups.codes, np.bincount(groups.codes, minlength=len(groups.keys))
    order = np.argsort(codes, kind="stable")
    x = np.empty(len(codes))
    x[order] = np.arange(len(codes)) - np.repeat(np.cumsum(n) - (n + 1) / 2, n)
    xx, xy = (
        np.rint(np.bincount(codes, weights=x * y, minlength=len(n))).astype("int64")
        for y in (x, _UNIT * np.log(took[ended]))
    )
    sums = (xx > 0), xx, xy, xx * xx, xx * xy, xy * xy
    return {name: int(each.sum()) for name, each in zip(SUMS, sums, strict=True)}


def of_sums(sums: pd.Series) -> tuple[float, float]:
    """Return the common slope and its standard error; both 0 with fewer than ten log groups."""
    many, xx, xy, xx_xx, xx_xy, xy_xy = (int(sums[name]) for name in SUMS)
    if many < _FEWEST:
        return 0.0, 0.0
    # of (xy - slope * xx)**2 in each log group, in whole numbers until the end
    squares = xy_xy * xx * xx - 2 * xy * xx * xx_xy + xy * xy * xx_xx
    error = math.sqrt(squares * many / (many - 1)) / (xx * xx)
    return xy / xx / _UNIT, error / _UNIT
