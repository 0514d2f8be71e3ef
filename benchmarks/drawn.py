"""Draw a year of coverage of 50 and of 5,000 log groups, as bars and as a map of days."""

from __future__ import annotations

import contextlib
import io
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 5_000
BASELINE = "50, bars"

_FEW, _DAYS, _DAY = 50, 365, 86_400_000
_START = 20_000 * _DAY
_FAILED = 0.03  # of the nights
_SEED = 20261124


@contextlib.contextmanager
def prepare(size: int) -> Iterator[dict[tuple[str, str], pd.DataFrame]]:
    """Make the tables, and import everything before measuring."""
    mpl.use("Agg")
    tables = {}
    for name, groups in (("50", _FEW), ("5,000", size)):
        tasks = _nights(groups)
        edges = {"start": _START, "end": _START + _DAYS * _DAY}
        days = {key: pd.Timestamp(time, unit="ms", tz="UTC") for key, time in edges.items()}
        tables[name, "bars"] = xs.coverage_timeline(tasks, **days)
        tables[name, "days"] = xs.coverage_by_day(tasks, **days)
    for kind in ("bars", "days"):
        _draw(tables["50", kind].iloc[:1])
    yield tables


def _nights(groups: int) -> pd.DataFrame:
    group = np.repeat(np.arange(groups), _DAYS)
    start = _START + np.tile(np.arange(_DAYS), groups) * _DAY
    failed = np.random.default_rng(_SEED).random(len(group)) < _FAILED
    names = pd.Index([f"/acme/{number:04}" for number in range(groups)])
    return xs.conform(
        pd.DataFrame(
            {
                "account_id": "111122223333",
                "region": "eu-west-1",
                "task_id": [f"{number:032x}" for number in range(len(group))],
                "log_group_name": pd.Categorical.from_codes(group, names),
                "from_time": start,
                "to_time": start + _DAY - 1,
                "status_code": np.where(failed, "FAILED", "COMPLETED"),
                "creation_time": start + 2 * _DAY,
            }
        )
    )


def _draw(table: pd.DataFrame) -> Any:  # noqa: ANN401 - matplotlib's axes
    axes = xs.plot_coverage(table)
    figure: Any = axes.figure
    figure.savefig(io.BytesIO(), dpi=150)
    return axes


def draw(tables: dict[tuple[str, str], pd.DataFrame], *, which: tuple[str, str]) -> Any:  # noqa: ANN401 - matplotlib's axes
    """Draw a table and save it as a PNG."""
    return _draw(tables[which])


def check(axes: Any, size: int) -> None:  # noqa: ANN401 - matplotlib's axes
    """Check that something was drawn."""
    assert axes.get_title(loc="left") or size


CONTESTANTS = {
    f"{groups}, {kind}": partial(draw, which=(groups, kind))
    for groups in ("50", "5,000")
    for kind in ("bars", "days")
}
