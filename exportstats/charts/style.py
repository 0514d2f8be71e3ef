"""What the charts look like: colours, hatches, markers, headers, rows and legends."""

from __future__ import annotations

import textwrap
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt, ticker
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex, to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import IdentityTransform

from exportstats.charts.words import LITERAL, shorten

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
_SMALL_PANEL = (300.0, 160.0)  # points; on narrower or lower axes letters are smaller
_BESIDE = 30.0  # points that tick labels and the label of an axis take

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


class Memory(Annotation):
    """The notes above a plot; they keep what is drawn on the axes for the next chart there."""

    def __init__(self) -> None:
        style: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        style |= {"clip_on": False}
        super().__init__("", (0, 1), (0, 5), va="bottom", fontsize=SMALL, **style, **LITERAL)
        self.set_transform(IdentityTransform())
        self.series = 0
        self.label: str | None = None  # of the chart that is being drawn
        self.labels: list[str] = []
        self.notes: list[str] = []
        self.legend: list[tuple[Artist, str]] = []
        self.spans: dict[str, tuple[float, float]] = {}
        self.rest: list[Any] = []  # what one kind of chart draws again
        self.title: str | None = None
        self.pad = 6.0


def remember(ax: Axes) -> Memory:
    """Return what our charts have drawn on an axes."""
    for child in ax.get_children():
        if isinstance(child, Memory):
            return child
    memory = Memory()
    if ax.has_data():
        memory.spans = {"x": ax.dataLim.intervalx, "y": ax.dataLim.intervaly}
    ax.add_artist(memory)
    return memory


def get_axes(ax: Axes | None) -> Axes:
    """Return the caller's axes, or those of a new figure of a slide's size."""
    if ax is None:
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        ax = plt.subplots(figsize=SLIDE, layout=layout)[1]
    ax.spines[["top", "right"]].set_visible(False)
    remember(ax).label = None
    return ax


def ink(strength: float = 0.6) -> str:
    """Mix the colours of text and background: a grey that is seen on white and on black."""
    text, ground = (to_rgb(mpl.rcParams[name]) for name in ("text.color", "axes.facecolor"))
    red, green, blue = (
        strength * mark + (1 - strength) * paper for mark, paper in zip(text, ground, strict=True)
    )
    return to_hex((red, green, blue))


def series(ax: Axes, names: Sequence[str], kwargs: dict[str, Any]) -> list[tuple[str, GroupLook]]:
    """Take the caller's `label` and `color` from the keywords, and name and style each series.

    A second chart on the same axes goes on where the first one ended. One series alone is named by
    the label only.
    """
    memory = remember(ax)
    memory.label, colour = kwargs.pop("label", None), kwargs.pop("color", None)
    memory.labels += [shorten(memory.label)] if memory.label else []
    found = []
    for name in names:
        look = GROUP_LOOKS[memory.series % len(GROUP_LOOKS)]
        memory.series += 1
        parts = [memory.label or "", name if len(names) > 1 else ""]
        label = " · ".join(shorten(part) for part in parts if part)
        found.append((label, look if colour is None else look._replace(colour=colour)))
    return found


def hold(ax: Axes, which: str, values: np.ndarray) -> tuple[float, float]:
    """Return the least and the greatest value on an axis, of the charts before this one too."""
    spans = remember(ax).spans
    every = np.append(values, spans.get(which, ()))
    every = every[np.isfinite(every)]
    spans[which] = float(every.min()), float(every.max())
    return spans[which]


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
    """Return whether a figure is narrow and high as a telephone, without room beside the plot."""
    width, height = _figure(ax).get_size_inches()
    return bool(width < min(_NARROW, height))


def name_room(ax: Axes, notes: Sequence[str] = ()) -> int:
    """Return how many characters a row's name can have: 44 on a slide, fewer on a small panel.

    In a narrow figure the notes stand in the same line.
    """
    if is_narrow(ax):
        return max(int(2 * _width(ax)) - max(map(len, notes), default=0) - 2, 16)
    if _figure(ax).get_layout_engine() is None:
        return max(int(_room_left(ax) / (0.6 * SMALL)), 16)
    return max(int(0.67 * _width(ax)), 16)


def _room_left(ax: Axes) -> float:
    """Return how many points there are between the figure's left edge and the plot."""
    return float(ax.get_position().x0 * _figure(ax).get_figwidth() * 72)


def size_of(ax: Axes) -> tuple[float, float]:
    """Measure the width and the height of the axes, in points."""
    box, inch = ax.get_window_extent(), _figure(ax).dpi
    return box.width * 72 / inch, box.height * 72 / inch


def is_small(ax: Axes) -> bool:
    """Return whether a panel is so small that its letters are smaller and its legend inside."""
    width, height = size_of(ax)
    return width < _SMALL_PANEL[0] or height < _SMALL_PANEL[1]


def header(
    ax: Axes,
    title: str,
    notes: Sequence[str] = (),
    legend: Sequence[tuple[Artist, str]] = (),
) -> None:
    """Write the title, the notes below it, and below these the legend, all above the plot.

    There the legend covers no data and the plot keeps its width. A second chart on the axes adds to
    the notes and the legend. Where there is little room the legend goes into the plot, and the
    first notes are left out. A title of the caller stays.
    """
    figure, memory = _figure(ax), remember(ax)
    if notes and memory.label:
        notes = [f"{shorten(memory.label)}: {notes[0]}", *notes[1:]]
    memory.notes += [note for note in notes if note not in memory.notes]
    known = [label for _, label in memory.legend]
    memory.legend += [entry for entry in legend if entry[1] not in known]
    if (layout := figure.get_layout_engine()) is not None:
        with warnings.catch_warnings(action="ignore"):  # drawing gives them again
            layout.execute(figure)  # names of rows take width; only now it is known
    small = _fit_labels(ax)
    size = 10.0 if small else 13.0
    width = size_of(ax)[0]
    heading = textwrap.wrap(title, max(int(width / (0.62 * size)), 12))
    room = _room_above(ax) - 5 - 1.25 * size * len(heading)
    if room < 0 and len(heading) > 1:
        heading, size = [title], max(min(size, width / (0.62 * len(title))), 6.5)
    rows = -(-len(memory.legend) // _columns(ax, memory.legend)) * 1.7 * SMALL
    shown = list(memory.notes)
    lines = _wrap(ax, shown)
    outside = rows + 1.3 * SMALL * len(lines) + 3 <= room
    above = 5.0 + rows * outside  # points above the plot
    while lines and above - 2 + 1.3 * SMALL * len(lines) > room:
        del shown[0]  # the last ones say what is not shown
        lines = _wrap(ax, shown)
    _draw_legend(ax, memory.legend, outside=outside)
    memory.remove()
    memory.set(text="\n".join(lines), color=ink())
    memory.xyann = (0, above)
    ax.add_artist(memory)
    memory.pad = above + 1.3 * SMALL * len(lines) + 3 * bool(lines)
    _write_title(ax, memory, "\n".join(heading), size)


def _fit_labels(ax: Axes) -> bool:
    """Wrap the labels of axes that are shorter than these, and say whether the panel is small."""
    width, height = size_of(ax)
    small = is_small(ax)
    if small:
        ax.tick_params(labelsize=7)
    for axis, length in ((ax.xaxis, width), (ax.yaxis, height)):
        label = axis.label
        if small:
            words = label.get_text().split(",")[0]
            fits = length / (0.55 * max(len(words), 1))
            label.set(text=words, fontsize=min(7.0, max(fits, 5.5)))
        most = max(int(length / (0.52 * float(label.get_fontsize()))), 16)
        label.set_text(textwrap.fill(label.get_text(), most))
    return small


def _room_above(ax: Axes) -> float:
    """Return how many points the caller's layout leaves above the plot.

    A layout engine makes room, for at most 40 % of the panel.
    """
    figure = _figure(ax)
    points = float(figure.get_figheight()) * 72
    if figure.get_layout_engine() is not None:
        spec = ax.get_subplotspec()
        return 0.4 * points / int(spec.get_gridspec().nrows if spec else 1)
    box = ax.get_position()
    others = [other.get_position() for other in figure.axes]
    over = [
        other.y0
        for other in others
        if other.y0 >= box.y1 and other.x0 < box.x1 and other.x1 > box.x0
    ]
    return float(min(over, default=1.0) - box.y1) * points - _BESIDE * bool(over)


def room_below(ax: Axes) -> float:
    """Return how many points the caller's layout leaves below the plot."""
    figure = _figure(ax)
    points = float(figure.get_figheight()) * 72
    if is_small(ax):
        return 0.0
    if figure.get_layout_engine() is not None:
        spec = ax.get_subplotspec()
        return 0.4 * points / int(spec.get_gridspec().nrows if spec else 1)
    box = ax.get_position()
    under = [other.get_position().y1 for other in figure.axes if other is not ax]
    return float(box.y0 - max((y for y in under if y <= box.y0), default=0.0)) * points


def _columns(ax: Axes, legend: Sequence[tuple[Artist, str]]) -> int:
    """Return how many entries fit into a row; widths are in em, the handle's 4 included."""
    widths = [4 + 0.58 * len(label) + 0.12 * sum(map(str.isupper, label)) for _, label in legend]
    columns = max(len(widths), 1)
    while columns > 1 and sum(map(max, np.array_split(widths, columns))) > _width(ax):
        columns -= 1
    return columns


def _wrap(ax: Axes, notes: Sequence[str]) -> list[str]:
    """Break notes into lines, between two of them where that can be."""
    whole = "\u00a0· ".join(notes).replace(" %", "\u00a0%")
    lines = textwrap.wrap(whole, max(int(_width(ax) / 0.55), 20))
    return [line.replace("\u00a0", " ") for line in lines]


def _draw_legend(ax: Axes, legend: Sequence[tuple[Artist, str]], *, outside: bool) -> None:
    if not legend:
        return
    above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False}
    if not outside and len(legend) > size_of(ax)[1] / 20:  # the caller's labels come first
        labels = tuple(remember(ax).labels)
        legend = [entry for entry in legend if entry[1].startswith(labels)] or legend
    box = ax.legend(
        [handle for handle, _ in legend],
        ["-"] * len(legend),
        **(above if outside else {"loc": "best", "framealpha": 0.7}),
        borderaxespad=0.2,
        borderpad=0.2,
        columnspacing=1.5,
        handlelength=1.7,
        fontsize=SMALL if outside else 6,
        ncols=_columns(ax, legend) if outside else 1,
    )
    for text, (_, label) in zip(box.get_texts(), legend, strict=True):
        text.set(text=label, **LITERAL)


def _write_title(ax: Axes, memory: Memory, title: str, size: float) -> None:
    """Write our title at the left, unless the caller has one; a later one takes its place.

    Whoever sets a title sets its distance from the plot too, so it is raised above the notes again.
    """
    bold: dict[str, Any] = {"fontsize": size, "fontweight": "bold"}
    first = memory.title is None
    if ax.get_title() or ax.get_title(loc="left") != (memory.title or ""):
        ax.set_title(ax.get_title(), pad=memory.pad)
        memory.title = memory.title or ""
    else:
        memory.title = title
    left = ax.set_title(ax.get_title(loc="left"), loc="left", pad=memory.pad)
    if memory.title == title:
        left.set(text=title, **bold)
    raising = False

    def give_way(_: Artist) -> None:
        nonlocal raising
        if raising:
            return
        raising = True
        if ax.get_title():
            ax.set_title("", loc="left", pad=memory.pad)
        elif ax.get_title(loc="left") != memory.title:
            ax.set_title("", pad=memory.pad)
        raising = False

    if first:
        left.add_callback(give_way)
        ax.title.add_callback(give_way)


def draw_nothing(ax: Axes, title: str, words: str = "no tasks") -> Axes:
    """Draw an absence as an absence: a title, an empty frame and the words for it."""
    header(ax, title)
    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    ax.text(0.5, 0.5, words, ha="center", va="center", color=ink(), fontsize=13)
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
    if is_small(ax):
        size = max(min(size, 0.8 * size_of(ax)[1] / max(len(names), 1)), 2)
    if _figure(ax).get_layout_engine() is None:
        longest = max(len(line) for name in [*names, " "] for line in name.split("\n"))
        size = min(size, (_room_left(ax) - 4) / (0.6 * longest))
    ax.set_yticks(range(len(names)), names, fontsize=size, **LITERAL)
    room = max(4 - len(names), 0) / 2  # one bar shall not fill the slide
    ax.set_ylim(len(names) - 0.4 + room, -0.6 - room)


def note_rows(ax: Axes, notes: Sequence[str], *, bar: float = 0.7) -> None:
    """Write a small note at the right of each row, in a narrow figure above its bar."""
    for row, note in enumerate(notes):
        if is_narrow(ax):
            _write_above(ax, note, (1, row - bar / 2), ha="right", color=ink())
            continue
        ax.annotate(
            note,
            (1, row),
            (6, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            color=ink(),
            fontsize=min(SMALL, max(0.8 * size_of(ax)[1] / max(len(notes), 1), 2)),
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
