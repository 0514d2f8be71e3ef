"""Panels: axes with a title, notes and a legend, and a record of earlier charts on them."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation
from matplotlib.transforms import IdentityTransform

from exportstats.charts.layout import (
    columns_of,
    figure_of,
    has_layout,
    is_small,
    lay_out,
    room_above,
    size_of,
)
from exportstats.charts.rows import fit_rows
from exportstats.charts.style import GROUP_LOOKS, SMALL, Entry, GroupLook, ink
from exportstats.charts.words import LITERAL, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_SLIDE = (10.0, 5.625)  # inches, 16:9
_LINE = 1.3 * SMALL  # points of height for a line of notes
_ENTRY = 18.0  # points of a plot's height for each entry of a legend inside


def begin(ax: Axes | None, title: str) -> Panel:
    """Return the panel of the caller's axes, or of a new figure of the size of a slide."""
    if ax is None:
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        ax = plt.subplots(figsize=_SLIDE, layout=layout)[1]
    ax.spines[["top", "right"]].set_visible(False)
    panel = next((child for child in ax.get_children() if isinstance(child, Panel)), None)
    panel = panel or Panel(ax)
    panel.title, panel.label, panel.notes, panel.legend = title, None, [], []
    return panel


class Panel(Annotation):
    """Axes to draw on, and the state that charts on the same axes share.

    It is also the artist of the notes above the plot, so that it goes when the axes are cleared.
    """

    def __init__(self, ax: Axes) -> None:
        style: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        style |= {"clip_on": False}
        super().__init__("", (0, 1), (0, 5), va="bottom", fontsize=SMALL, **style, **LITERAL)
        self.set_transform(IdentityTransform())
        self.ax = ax
        # of the chart that is being drawn
        self.title = ""
        self.label: str | None = None
        self.notes: list[str] = []
        self.legend: list[Entry] = []
        # of all charts on the axes
        self.series = 0
        self.labels: list[str] = []
        self.bars: list[list[Any]] = []  # side by side, for each chart
        self.curves: list[tuple[np.ndarray, np.ndarray, str]] = []  # with a risk table below
        self._spans: dict[str, tuple[float, float]] = {}
        self._notes: list[str] = []
        self._legend: list[Entry] = []
        self._written: str | None = None  # our title; "" if the caller set one
        self._pad, self._raising = 0.0, False  # of the title
        if ax.has_data():
            self._spans = {"x": ax.dataLim.intervalx, "y": ax.dataLim.intervaly}
        ax.add_artist(self)

    def name_series(
        self, names: Sequence[str], kwargs: dict[str, Any]
    ) -> list[tuple[str, GroupLook]]:
        """Name and style each series, by the `label` and `color` of the caller if given.

        Both are removed from `kwargs`. A second chart on the same axes continues the colours of the
        first. A single series is named by the label only.
        """
        self.label, colour = kwargs.pop("label", None), kwargs.pop("color", None)
        self.labels += [shorten(self.label)] if self.label else []
        found = []
        for name in names:
            look = GROUP_LOOKS[self.series % len(GROUP_LOOKS)]
            self.series += 1
            parts = [shorten(self.label) if self.label else "", name if len(names) > 1 else ""]
            label = " · ".join(filter(None, parts))
            found.append((label, look if colour is None else look._replace(colour=colour)))
        return found

    def hold(self, which: str, values: np.ndarray) -> tuple[float, float]:
        """Return the limits of the values on an axis, including those of earlier charts."""
        every = np.append(values, self._spans.get(which, ()))
        every = every[np.isfinite(every)]
        self._spans[which] = float(every.min()), float(every.max())
        return self._spans[which]

    def draw_nothing(self, words: str) -> None:
        """Draw the title and an empty frame with a text that says what is missing."""
        ax = self.ax
        self.notes, self.legend = [], []
        self.write_header()
        ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
        ax.text(0.5, 0.5, words, ha="center", va="center", color=ink(), fontsize=13)

    def write_header(self) -> None:
        """Write the title, the notes and the legend above the plot.

        There the legend hides no data, and the plot keeps its width. A second chart on the axes
        adds to the notes and the legend. If there is little room, the legend moves into the plot
        and some notes are left out. A title set by the caller is kept.
        """
        if self.notes and self.label:
            self.notes[0] = f"{shorten(self.label)}: {self.notes[0]}"
        self._notes += [note for note in self.notes if note not in self._notes]
        known = [label for _, label in self._legend]
        self._legend += [entry for entry in self.legend if entry[1] not in known]
        lay_out(self.ax)  # row names take width that is only now known
        panels: list[Panel] = [self]
        if has_layout(self.ax):  # plots beside this one lose the room that it takes
            panels = figure_of(self.ax).findobj(Panel)
        changed = [panel.fit_letters() for panel in panels]
        if any(changed):
            lay_out(self.ax)
        for panel in panels:
            panel.arrange()
        if is_small(self.ax):  # the header has taken height from the rows
            lay_out(self.ax)
            for panel in panels:
                fit_rows(panel.ax)

    def fit_letters(self) -> bool:
        """Make text fit, and return whether that may have changed the size of the plot."""
        _fit_labels(self.ax)
        return fit_rows(self.ax) or is_small(self.ax)

    def arrange(self) -> None:
        """Place and size the parts of the header."""
        ax = self.ax
        size = 10.0 if is_small(ax) else 13.0
        width = size_of(ax)[0]
        heading = textwrap.wrap(self.title, max(int(width / (0.62 * size)), 12))
        room = room_above(ax) - 5 - 1.25 * size * len(heading)
        if room < 0 and len(heading) > 1:
            heading, size = textwrap.wrap(self.title, max(int(width / (0.62 * 6.5)), 12)), 6.5
        rows = -(-len(self._legend) // _columns(ax, self._legend)) * 1.7 * SMALL
        shown = list(self._notes)
        lines = _wrap(ax, shown)
        outside = rows + _LINE * len(lines) + 3 <= room
        above = 5.0 + rows * outside  # points above the plot
        while lines and above - 2 + _LINE * len(lines) > room:
            del shown[0]  # the last ones say what is not shown
            lines = _wrap(ax, shown)
        self._draw_legend(outside=outside)
        self.remove()
        self.set(text="\n".join(lines), color=ink())
        self.xyann = (0, above)
        ax.add_artist(self)
        self._write_title("\n".join(heading), size, above + _LINE * len(lines) + 3 * bool(lines))

    def _draw_legend(self, *, outside: bool) -> None:
        ax, legend = self.ax, self._legend
        if not legend:
            return
        above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False}
        most = int(size_of(ax)[1] / _ENTRY)
        if not outside and len(legend) > most:  # the caller's labels come first
            labels = tuple(self.labels)
            legend = [entry for entry in legend if entry[1].startswith(labels)] or legend
            legend = legend[: max(most, len(labels))]
        if not outside:
            characters = size_of(ax)[0] / 3.3 - 5  # of small letters, beside the handle
            legend = [entry for entry in legend if len(entry[1]) < characters]
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

    def _write_title(self, title: str, size: float, pad: float) -> None:
        """Write our title at the left, unless the caller has set one.

        Setting a title also resets its distance from the plot, so it is raised above the notes
        again.
        """
        ax, first = self.ax, self._written is None
        self._pad = pad
        if ax.get_title() or ax.get_title(loc="left") != (self._written or ""):
            ax.set_title(ax.get_title(), pad=pad)
            self._written = self._written or ""
        else:
            self._written = title
        left = ax.set_title(ax.get_title(loc="left"), loc="left", pad=pad)
        if self._written == title:
            left.set(text=title, fontsize=size, fontweight="bold")
        if first:
            left.add_callback(self._give_way)
            ax.title.add_callback(self._give_way)

    def _give_way(self, _: Artist) -> None:
        """Remove our title when the caller sets one."""
        if self._raising:
            return
        self._raising = True
        if self.ax.get_title():
            self.ax.set_title("", loc="left", pad=self._pad)
        elif self.ax.get_title(loc="left") != self._written:
            self.ax.set_title("", pad=self._pad)
        self._raising = False


def _fit_labels(ax: Axes) -> None:
    """Wrap axis labels that are longer than their axis; make them smaller in a small panel."""
    width, height = size_of(ax)
    for axis, length in ((ax.xaxis, width), (ax.yaxis, height)):
        label = axis.label
        if is_small(ax):
            axis.set_tick_params(labelsize=7)
            axis.get_offset_text().set_fontsize(7)
            words = re.split(r",| \((?!UTC)", label.get_text())[0].replace("\n", " ")
            fits = length / (0.55 * max(len(words), 1))
            label.set(text=words, fontsize=min(7.0, max(fits, 5.5)))
        most = max(int(length / (0.52 * float(label.get_fontsize()))), 16)
        label.set_text(textwrap.fill(label.get_text(), most))


def _columns(ax: Axes, legend: Sequence[Entry]) -> int:
    """Return how many legend entries fit in a row; widths are in em, with 4 for the handle."""
    widths = [4 + 0.58 * len(label) + 0.12 * sum(map(str.isupper, label)) for _, label in legend]
    columns = max(len(widths), 1)
    while columns > 1 and sum(map(max, np.array_split(widths, columns))) > columns_of(ax):
        columns -= 1
    return columns


def _wrap(ax: Axes, notes: Sequence[str]) -> list[str]:
    """Wrap notes into lines, if possible between two notes."""
    whole = "\u00a0· ".join(notes).replace(" %", "\u00a0%")
    lines = textwrap.wrap(whole, max(int(columns_of(ax) / 0.55), 20))
    return [line.replace("\u00a0", " ") for line in lines]
