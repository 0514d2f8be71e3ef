"""Compute the key figures of a week and of the weeks before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from exportstats.report.data import MEASURES
from exportstats.report.reading import WEEKS_BEFORE, created_in
from exportstats.stats.durations import duration_summary
from exportstats.stats.periods import compare_periods
from exportstats.stats.status import status_breakdown

if TYPE_CHECKING:
    from exportstats.report.material import Material
    from exportstats.report.weeks import Span

_STATES = ("COMPLETED", "FAILED", "CANCELLED")


def key_figures(material: Material) -> pd.DataFrame:
    """Return the key figures of a week, of the previous week and of the four weeks before it.

    Returns
    -------
    DataFrame
        Index: `measure`. Columns: `unit`; `current`, `previous` and `before` (the four weeks before
        this one: counts and missing time per week, rates and quantiles over all their tasks); and
        `verdict` (of `compare_periods` on the change from `previous`; missing if there is none).
    """
    span, last = material.span, material.span.before(1)
    columns = {
        name: [
            *_of_tasks(created_in(material.recent, one), weeks),
            *_of_coverage(material, one, weeks),
        ]
        for name, one, weeks in (
            ("current", span, 1),
            ("previous", last, 1),
            ("before", material.before, WEEKS_BEFORE),
        )
    }
    table = pd.DataFrame(columns, index=pd.Index(MEASURES, name="measure"), dtype="float64")
    compared = compare_periods(material.recent, current=span.edges, previous=last.edges)
    verdict = pd.Series(compared.loc["all"].xs("verdict", level="value"), dtype="str")
    units = [unit for _, unit in MEASURES.values()]
    table.insert(0, "unit", pd.Series(units, table.index, dtype="str"))
    return table.assign(verdict=verdict.reindex(table.index))


def _of_tasks(tasks: pd.DataFrame, weeks: int) -> list[float]:
    """Return the measures up to `p90` for the tasks created in some weeks."""
    counts = status_breakdown(tasks)["tasks"].groupby("status_code", observed=True).sum()
    states = [int(counts.get(state, 0)) for state in _STATES]
    ended = sum(states)
    took = duration_summary(tasks, quantiles=(0.5, 0.9))[["p50", "p90"]]
    quantiles = [
        float(seconds)
        for name in took
        for seconds in took[name].dt.total_seconds().to_list() or [float("nan")]
    ]
    return [
        len(tasks) / weeks,
        *(number / weeks for number in states),
        states[1] / ended if ended else float("nan"),
        *quantiles,
    ]


def _of_coverage(material: Material, span: Span, weeks: int) -> tuple[float, float]:
    """Return the measures `covered` and `missing`."""
    covered, missing = material.regular_share(span)
    return covered, missing / weeks
