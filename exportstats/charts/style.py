"""What the charts look like: colours, hatches, markers, headers, rows and legends."""

from __future__ import annotations

import textwrap
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt, ticker
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from exportstats.charts.words import LITERAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

SLIDE = (10.0, 5.625)  # inches, 16:9
MAX_ROWS = 25
MAX_GROUPS = 6
GREY = "#666666"
SMALL = 8.5  # points
_NARROW = 5.0  # inches; in a narrower figure a row's name stands above its bar

# How many: the darker the more, and the palest is not to be taken for the white of none.
COUNT_COLOURS = LinearSegmentedColormap.from_list(
    "counts", mpl.colormaps["Blues"](np.linspace(0.25, 1, 256))
)


class StateLook(NamedTuple):
    """How a state is told apart: by a colour, and by a hatch (bars) or a marker (points)."""

    colour: str
    hatch: str
    marker: Any


class GroupLook(NamedTuple):
    """How a group is told apart: by a colour, and by a dash (outlines) or a marker (lines)."""

    colour: str
    dash: Any
    marker: str


# Okabe and Ito's colours, which the colour-blind can tell apart. The markers of the active states
# all point upwards: they stand at the least that a duration can be.
STATE_LOOKS = {
    "PENDING": StateLook("#56B4E9", "--", "2"),
    "RUNNING": StateLook("#0072B2", "..", "^"),
    "PENDING_CANCEL": StateLook("#CC79A7", "\\\\", "p"),
    "COMPLETED": StateLook("#009E73", "", "o"),
    "FAILED": StateLook("#D55E00", "xx", "X"),
    "CANCELLED": StateLook("#999999", "//", "s"),
}
UNKNOWN_LOOK = StateLook("#333333", "++", "*")

GROUP_LOOKS = (
    GroupLook("#0072B2", "-", "o"),
    GroupLook("#E69F00", "--", "s"),
    GroupLook("#009E73", "-.", "^"),
    GroupLook("#CC79A7", ":", "D"),
    GroupLook("#56B4E9", (0, (5, 1, 1, 1, 1, 1)), "v"),
    GroupLook("#D55E00", (0, (8, 2)), "P"),
)


def look_of(state: object) -> StateLook:
    """Return the look of a state, of one that nobody knows yet too."""
    return STATE_LOOKS.get(str(state), UNKNOWN_LOOK)


def get_axes(ax: Axes | None) -> Axes:
    """Return the caller's axes, or those of a new figure of a slide's size."""
    if ax is None:
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        ax = plt.subplots(figsize=SLIDE, layout=layout)[1]
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _whole_numbers() -> ticker.Locator:
    return ticker.MaxNLocator(6, integer=True, steps=[1, 2, 5, 10])


def key(label: str, **style: Any) -> tuple[Artist, str]:  # noqa: ANN401 - matplotlib's
    """Make a legend's entry of a line's or a marker's style."""
    return Line2D([], [], **style), label


def colour_bar(ax: Axes, colours: ScalarMappable, label: str) -> None:
    """Put a bar at the right that tells which colour is how many."""
    ticks = None if isinstance(colours.norm, LogNorm) else _whole_numbers()
    _figure(ax).colorbar(
        colours, ax=ax, label=label, ticks=ticks, format=ticker.StrMethodFormatter("{x:,.0f}")
    )


def _figure(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that can be drawn on have one
    return figure


def _width(ax: Axes) -> float:
    """Measure the axes' width in em of small text."""
    return ax.get_window_extent().width * 72 / _figure(ax).dpi / SMALL


def is_narrow(ax: Axes) -> bool:
    """Return whether a figure is as narrow as a telephone, without room beside the plot."""
    return _figure(ax).get_figwidth() < _NARROW


def name_room(ax: Axes, notes: Sequence[str] = ()) -> int:
    """Return how many characters a row's name can have: 44 on a slide, fewer on a small panel.

    In a narrow figure the notes stand in the same line.
    """
    if is_narrow(ax):
        return max(int(2 * _width(ax)) - max(map(len, notes), default=0) - 2, 16)
    return max(int(0.67 * _width(ax)), 16)


def header(
    ax: Axes,
    title: str,
    notes: Sequence[str] = (),
    legend: Sequence[tuple[Artist, str]] = (),
) -> None:
    """Write the title, the notes below it, and below these the legend, all above the plot.

    There the legend covers no data and the plot keeps its width.
    """
    figure = _figure(ax)
    if (layout := figure.get_layout_engine()) is not None:
        with warnings.catch_warnings(action="ignore"):  # drawing gives them again
            layout.execute(figure)  # names of rows take width; only now it is known
    width = _width(ax)
    above = 5.0  # points above the plot
    if legend:
        # In em, the handle's 4 included; capitals are wider.
        widths = [
            4 + 0.58 * len(label) + 0.12 * sum(map(str.isupper, label)) for _, label in legend
        ]
        per_row = len(widths)
        while per_row > 1 and sum(map(max, np.array_split(widths, per_row))) > width:
            per_row -= 1
        box = ax.legend(
            [handle for handle, _ in legend],
            ["-"] * len(legend),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            borderpad=0.2,
            columnspacing=1.5,
            handlelength=1.7,
            frameon=False,
            fontsize=SMALL,
            ncols=per_row,
        )
        for text, (_, label) in zip(box.get_texts(), legend, strict=True):
            text.set(text=label, **LITERAL)
        above += 1.7 * SMALL * -(-len(legend) // per_row)
    whole = "\u00a0· ".join(notes).replace(" %", "\u00a0%")
    lines = textwrap.wrap(whole, max(int(width / 0.55), 20))
    ax.annotate(
        "\n".join(lines).replace("\u00a0", " "),  # it kept together what belongs together
        (0, 1),
        (0, above),
        xycoords="axes fraction",
        textcoords="offset points",
        va="bottom",
        color=GREY,
        fontsize=SMALL,
        **LITERAL,
    )
    above += 1.3 * SMALL * len(lines) + 3
    ax.set_title(title, loc="left", pad=above, fontsize=13, fontweight="bold")


def draw_nothing(ax: Axes, title: str, words: str = "no tasks") -> Axes:
    """Draw an absence as an absence: a title, an empty frame and the words for it."""
    header(ax, title)
    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    ax.text(0.5, 0.5, words, ha="center", va="center", color=GREY, fontsize=13)
    return ax


def name_rows(ax: Axes, labels: Sequence[str], more: int = 0, *, bar: float = 0.7) -> None:
    """Name the rows at 0, 1, … from the top down; a last one says how many are not shown.

    In a narrow figure a name stands above its bar, whose height in rows is `bar`.
    """
    names = [*labels, *([f"… and {more:,} more"] if more else [])]
    ax.tick_params(axis="y", length=0)
    if is_narrow(ax):
        ax.set_yticks(range(len(names)), [""] * len(names))
        for row, name in enumerate(names):
            _write_above(ax, name, (0, row - bar / 2), ha="left")
        ax.set_ylim(len(names) - 0.4, bar / 2 - 1.3)
        return
    size = 10 if len(names) <= 12 else SMALL  # noqa: PLR2004 - what fits into a slide's height
    ax.set_yticks(range(len(names)), names, fontsize=size, **LITERAL)
    room = max(4 - len(names), 0) / 2  # one bar shall not fill the slide
    ax.set_ylim(len(names) - 0.4 + room, -0.6 - room)


def note_rows(ax: Axes, notes: Sequence[str], *, bar: float = 0.7) -> None:
    """Write a small note at the right of each row, in a narrow figure above its bar."""
    for row, note in enumerate(notes):
        if is_narrow(ax):
            _write_above(ax, note, (1, row - bar / 2), ha="right", color=GREY)
            continue
        ax.annotate(
            note,
            (1, row),
            (6, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            color=GREY,
            fontsize=SMALL,
        )


def _write_above(ax: Axes, text: str, where: tuple[float, float], **style: Any) -> None:  # noqa: ANN401 - matplotlib's
    ax.annotate(
        text,
        where,
        (3 if where[0] == 0 else 0, 1),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        va="bottom",
        fontsize=SMALL,
        **{**LITERAL, **style},
    )


def count_axis(ax: Axes, which: str, label: str = "tasks") -> None:
    """Make an axis one of whole numbers."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(_whole_numbers())
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    axis.set_label_text(label)
