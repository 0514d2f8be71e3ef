"""Colours, hatches and markers of the charts, and their legend entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

if TYPE_CHECKING:
    from matplotlib.artist import Artist

Entry: TypeAlias = "tuple[Artist, str]"  # of a legend

MAX_GROUPS = 6
GREY = "#808080"  # visible on white and on black
BAD, GOOD = "#D55E00", "#009E73"
SMALL = 8.5  # points

# Counts: darker is more, and the palest colour differs from the white of none.
COUNT_COLOURS = LinearSegmentedColormap.from_list(
    "counts", mpl.colormaps["Blues"](np.linspace(0.25, 1, 256))
)


class StateLook(NamedTuple):
    """The look of a state: a colour, and a hatch (bars) or a marker (points)."""

    colour: str
    hatch: str
    marker: Any


class GroupLook(NamedTuple):
    """The look of a group: a colour, and a dash (outlines) or a marker (lines)."""

    colour: str
    dash: Any
    marker: str


# The colours of Okabe and Ito, which colour-blind people can distinguish. The markers of active
# states point upwards, because they mark a lower bound of the duration.
STATE_LOOKS = {
    "PENDING": StateLook("#56B4E9", "--", "2"),
    "RUNNING": StateLook("#0072B2", "..", "^"),
    "PENDING_CANCEL": StateLook("#CC79A7", "\\\\", "p"),
    "COMPLETED": StateLook(GOOD, "", "o"),
    "FAILED": StateLook(BAD, "xx", "X"),
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
    """Return the look of a state; unknown states share one."""
    return STATE_LOOKS.get(str(state), UNKNOWN_LOOK)


def bar_style(look: StateLook, *, hatched: bool = True) -> dict[str, Any]:
    """Return the style of a bar with this look."""
    hatch = look.hatch if hatched else ""
    return {"facecolor": look.colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}


def ink(strength: float = 0.6) -> str:
    """Return a mix of text and background colour, visible on light and dark backgrounds."""
    text, ground = (to_rgb(mpl.rcParams[name]) for name in ("text.color", "axes.facecolor"))
    red, green, blue = (
        strength * mark + (1 - strength) * paper for mark, paper in zip(text, ground, strict=True)
    )
    return to_hex((red, green, blue))


def key(label: str, **style: Any) -> Entry:
    """Return a legend entry for a line or a marker."""
    return Line2D([], [], **style), label


def patch(label: str, **style: Any) -> Entry:
    """Return a legend entry for a bar."""
    return Patch(**{"linewidth": 0, **style}), label
