"""The chart of how long tasks waited and ran, as far as they were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from exportstats.charts.chart import SERIES, NothingToDrawError, chart
from exportstats.charts.scales import LEAST, distribution_axis, duration_axis, to_seconds
from exportstats.charts.style import patch
from exportstats.stats.phases import BOUNDS, PHASES
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.charts.panel import Panel

_STEPS = 2_000  # of an edge; more are not visible


@chart(
    "How long export tasks wait, and how long they run",
    maker="phase_durations",
    columns=("status_code", "looks", *BOUNDS),
    kwargs="For the bands, of `Axes.fill_betweenx`; " + SERIES,
)
def plot_phase_durations(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw the distributions of waiting and running of COMPLETED tasks, each as a band.

    The left edge of a band is the share of tasks that took at most so long if each took the least
    that is possible, and the right edge if each took the most. The true distribution is between
    them. The more often tasks were seen, the narrower the band. The axis is logarithmic if the
    longest time is more than 20 times the shortest above 0.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_tasks().pipe(xs.phase_durations).pipe(xs.plot_phase_durations).get_ylabel()
    'share of the completed tasks'
    """
    done = table["status_code"] == "COMPLETED"
    rows = table[done & table["waiting_high"].notna() & table["running_high"].notna()]
    if not len(rows):
        raise NothingToDrawError("no completed tasks")
    ax = panel.ax
    seen = int((rows["looks"] > 0).sum())
    panel.notes.append(f"n = {counted(len(rows), 'completed task')}, {seen:,} seen while active")
    panel.notes.append("bands: from the least to the most that is possible")
    kept = np.unique(np.linspace(0, len(rows) - 1, _STEPS).astype("int64"))
    shares = np.append(0, (kept + 1) / len(rows))
    drawn = []
    for phase, (label, look) in zip(PHASES, panel.name_series(PHASES, kwargs), strict=True):
        edges = [np.sort(to_seconds(rows[f"{phase}_{end}"]))[kept] for end in ("low", "high")]
        low, high = (np.append(edge[:1], edge) for edge in edges)
        style: dict[str, Any] = {"color": look.colour, "alpha": 0.3, "linewidth": 0, **kwargs}
        ax.fill_betweenx(shares, low, high, step="pre", **style)
        for edge in (low, high):
            line: dict[str, Any] = {"color": look.colour, "linestyle": look.dash}
            ax.plot(edge, shares, drawstyle="steps-post", linewidth=1.2, **line)
        panel.legend.append(patch(label, facecolor=style["color"], alpha=style["alpha"]))
        drawn += edges
    seconds = np.concatenate(drawn)
    above = seconds[seconds > LEAST]  # 0 is beyond the left end of a logarithmic axis
    duration_axis(panel, "x", above if len(above) else seconds, "time", log=None)
    distribution_axis(ax)
    panel.write_header()
