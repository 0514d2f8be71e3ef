"""The chart of what occupies each slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba

from exportstats.charts.chart import NothingToDrawError, chart
from exportstats.charts.lanes import BAR, Bars, choose_lanes, draw_bars, pixel_of
from exportstats.charts.rows import name_lanes
from exportstats.charts.scales import time_axis, to_days
from exportstats.charts.style import (
    STATE_LOOKS,
    UNKNOWN_LOOK,
    StateLook,
    bar_style,
    ink,
    key,
    patch,
)
from exportstats.charts.words import shorten
from exportstats.core.schema import ACTIVE_STATES, SLOT, STATES
from exportstats.stats.grouping import group
from exportstats.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exportstats.charts.panel import Panel

_TIMES = ("creation_time", "completion_time", "observed_at")
_COLUMNS = (*SLOT, *_TIMES, "status_code")
_BARS = 3_000  # tasks; more bars would be thinner than a pixel, and slow to draw
_ALMOST = 1e-6  # tolerance when rounding to rows of the image
_MINUTE = 1 / 1440

_OVERLAP = (0.28, 0.42)  # below the lane's bars
_WIDE = 4  # pixels of a bar, above which there is room for a line

# From the bottom of a lane to its top; all unknown states look the same.
_STACK = ("COMPLETED", "CANCELLED", "FAILED", "other", *ACTIVE_STATES)
_LOOKS: tuple[StateLook, ...] = tuple(STATE_LOOKS.get(state, UNKNOWN_LOOK) for state in _STACK)
_OTHER = _STACK.index("other")


@chart(
    "What occupies each slot",
    maker="read_tasks, fetch_tasks or conform",
    columns=_COLUMNS,
    kwargs="For the bars, of `PolyCollection`, or for the image, of `Axes.imshow`.",
)
def plot_task_timeline(panel: Panel, table: pd.DataFrame, **kwargs: Any) -> None:
    """Draw when each task was active, in a lane for each slot, the busiest slot first.

    A bar extends from the creation of a task to its completion, or with an arrow to the time of
    observation of an active task. Bars thinner than a pixel merge into bands. With more than 3,000
    tasks, each pixel of a lane shows the share of time in each state, with at least a line for each
    state that occurs. A black strip below a lane marks times with more than one active task, which
    the service rules out. At most 25 slots are drawn.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.plot_task_timeline(xs.sample_tasks()).get_title(loc="left")
    'What occupies each slot'
    """
    if table.empty:
        raise NothingToDrawError("no tasks")
    panel.notes.append(f"n = {counted(len(table))}")
    left, right, drawn = _place(panel, table)
    if not drawn.any():
        raise NothingToDrawError("\n".join(panel.notes))
    ax, tasks, left, right = panel.ax, table[drawn], left[drawn], right[drawn]
    states, names = _stack(tasks["status_code"])

    numbers, slots = group(tasks, SLOT)
    order = np.argsort(-np.bincount(numbers, weights=right - left), kind="stable")
    busiest, lanes = choose_lanes(panel, numbers, order, "busiest slots")
    shown = lanes >= 0
    bars, states = Bars(lanes, left, right).only(shown), states[shown]
    as_image = len(states) > _BARS
    if as_image:
        panel.notes.append("height: the share of the time, grey: idle")

    time_axis(panel, np.append(bars.left, bars.right), "time", margin=_MINUTE)
    counts = np.bincount(bars.lanes, minlength=len(busiest))
    name_lanes(panel, slots.iloc[busiest], [counted(count) for count in counts])
    overlaps = _overlaps(bars)
    for state, many in enumerate(np.bincount(states, minlength=len(_STACK))):
        if many:
            style = bar_style(_LOOKS[state], hatched=not as_image)
            panel.legend.append(patch(f"{names[state]} ({many:,})", **style))
    if len(overlaps.lanes):
        panel.legend.append(patch("more than one active", facecolor=ink(1)))
    if (states > _OTHER).any():
        panel.legend.append(key("goes on", color=ink(1), marker=">", linestyle="none"))
    panel.write_header()
    if as_image:
        _draw_image(ax, bars, states, len(busiest), kwargs)
    else:
        _draw_tasks(ax, bars, states, kwargs)
    draw_bars(ax, overlaps, {"facecolor": ink(1), "zorder": 3}, _OVERLAP)
    _draw_arrows(ax, bars, states)


def _place(panel: Panel, tasks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the start and end of the bar of each task, and which can be drawn."""
    left, completed, seen = (to_days(tasks[name]) for name in _TIMES)
    active = tasks["status_code"].isin(ACTIVE_STATES).to_numpy()
    right = np.where(active, seen, completed)
    unknown = ~(right >= left)  # reversed or missing
    drawn = ~np.isnan(left)
    if lost := (~drawn).sum():
        panel.notes.append(f"{counted(lost)} not drawn: without creation_time")
    if points := (drawn & unknown).sum():
        panel.notes.append(f"{counted(points)} without a known end, drawn as a point")
    return left, np.where(unknown, left, right), drawn


def _stack(status: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return the place of each task in the stack of states, and the names of the places."""
    found = pd.Categorical(status)
    names = [str(name) for name in found.categories]
    at = [_STACK.index(name) if name in STATES else _OTHER for name in names]
    states = np.array([*at, _OTHER], dtype="int8")[found.codes]  # a missing state has the code -1
    used = np.unique(found.codes)
    others = ["unknown" if code < 0 else names[code] for code in used.tolist()]
    others = [name for name in others if name not in STATES]
    label = shorten(others[0]) if len(others) == 1 else f"{len(others)} other states"
    return states, [label if state == "other" else state for state in _STACK]


def _overlaps(bars: Bars) -> Bars:
    """Return when more than one task of a lane is active, as bars that do not touch.

    A task overlaps earlier ones from its own start to the latest of their ends.
    """
    low = bars.left.min()
    span = bars.right.max() - low + 1  # puts lanes one after another, without overlap
    start = bars.lanes * span + (bars.left - low)
    end = bars.lanes * span + (bars.right - low)
    order = np.argsort(start)
    start, end = start[order], end[order]
    until = np.minimum(end[1:], np.maximum.accumulate(end)[:-1])
    twice = until > start[1:]
    start, until = start[1:][twice], np.maximum.accumulate(until[twice])
    first = np.append(True, start[1:] > until[:-1])[: len(start)]
    last = np.append(first[1:], True)[: len(start)]
    lanes = np.floor(start[first] / span)
    return Bars(lanes, start[first] - lanes * span + low, until[last] - lanes * span + low)


def _draw_tasks(ax: Axes, bars: Bars, states: np.ndarray, kwargs: dict[str, Any]) -> None:
    """Draw a bar for each task; rare states on top, and active ones on top of ended ones."""
    counts = np.bincount(states, minlength=len(_STACK))
    for state in sorted(np.flatnonzero(counts), key=lambda at: (at > _OTHER, -counts[at])):
        draw_bars(ax, bars.only(states == state), {**bar_style(_LOOKS[state]), **kwargs})
    wide = bars.right - bars.left > _WIDE * pixel_of(ax)
    between = {"facecolor": ink(0), "zorder": 2.6}
    draw_bars(ax, Bars(bars.lanes, bars.left, bars.left).only(wide), between)


def _draw_image(
    ax: Axes, bars: Bars, states: np.ndarray, lanes: int, kwargs: dict[str, Any]
) -> None:
    """Draw the share of each state in each pixel of a lane, from the bottom up."""
    low, high = ax.get_xlim()
    box = ax.get_window_extent()
    columns = max(int(box.width), 1)
    rows = max(int(box.height / lanes * (BAR[1] - BAR[0])), len(_STACK) + 1)
    least = 1 + rows // 20
    shares, there = _shares(bars, states, lanes, (low, high, columns))
    # every state that occurs is visible; if that needs too many rows, the others shrink
    more = np.maximum(rows * shares - least, 0)
    wanted = more.sum(axis=1, keepdims=True)
    room = rows - least * there.sum(axis=1, keepdims=True)
    heights = least * there + np.floor(more * (room / np.maximum(wanted, room)) + _ALMOST)
    tops = np.cumsum(heights, axis=1)
    level = np.arange(rows)
    colours = [*(look.colour for look in _LOOKS), ink(0.06)]
    palette = np.array([to_rgba(colour) for colour in colours])
    pixels = (palette * 255).round().astype("uint8")
    for lane in range(lanes):
        at = (tops[lane][:, None, :] <= level[None, :, None]).sum(axis=0)
        extent = (low, high, lane + BAR[1], lane + BAR[0])
        style = {"interpolation": "nearest", "aspect": "auto", "origin": "lower", "zorder": 2}
        limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
        ax.imshow(pixels[at], extent=extent, **{**style, **kwargs})
        ax.set(**limits)  # imshow changes the limits


def _shares(
    bars: Bars, states: np.ndarray, lanes: int, axis: tuple[float, float, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of time with tasks, and whether there is any, by lane, state and column.

    Each bar adds 1 to each of its columns, and a part of 1 to its first and last. It is entered in
    a difference array at its two ends, and the cumulative sum gives the columns.
    """
    low, high, columns = axis
    shape = (lanes, len(_STACK), columns + 2)
    lane = (bars.lanes * len(_STACK) + states) * shape[-1]
    share, number = np.zeros(np.prod(shape)), np.zeros(np.prod(shape))
    for days, sign in ((bars.left, 1), (bars.right, -1)):
        where = (days - low) * (columns / (high - low))
        column = np.clip(where, 0, columns - 1).astype("int64")
        at = lane + column
        inside = where - column  # the position of the end within its column
        share += sign * np.bincount(at, weights=1 - inside, minlength=len(share))
        share += sign * np.bincount(at + 1, weights=inside, minlength=len(share))
        number += sign * np.bincount(at + (sign < 0), minlength=len(number))
    share, number = (np.cumsum(sums.reshape(shape), axis=2) for sums in (share, number))
    return np.maximum(share, 0)[:, :, :columns], number[:, :, :columns] > 0


def _draw_arrows(ax: Axes, bars: Bars, states: np.ndarray) -> None:
    """Draw an arrow at the end of each active task, at most one per pixel."""
    middle = sum(BAR) / 2
    pixel = pixel_of(ax)
    for state in range(_OTHER + 1, len(_STACK)):
        some = bars.only(states == state)
        ends = pd.DataFrame({"lane": some.lanes, "pixel": np.round(some.right / pixel)})
        once = some.only(~ends.duplicated().to_numpy())
        style: dict[str, Any] = {"color": _LOOKS[state].colour, "markersize": 8, "zorder": 4}
        style |= {"markeredgecolor": "white", "clip_on": False}
        if len(once.lanes):
            ax.plot(once.right, once.lanes + middle, ">", **style)
