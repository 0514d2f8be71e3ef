"""Render the pictures of a report as SVG or PNG."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from PIL import Image  # matplotlib needs it too

from exportstats import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exportstats.report.data import Picture

_SLIDE = (10.0, 5.625)  # inches, 16:9
_NARROW = 3.75  # inches; on a phone, the text is then as large as that of the page
_HIGH = 20.0  # inches, until the height of a narrow figure is known
_PLAIN, _ROW = 2.0, 0.6  # inches of height: a plot without rows, and each row
_PAD = 0.1  # inches at the figure's edges


class _Margins(LayoutEngine):
    """Layout engine that fits the margins of a figure with one axes.

    Constrained layout works for any number of axes, but takes several times as long.
    """

    _adjust_compatible = _colorbar_gridspec = False

    def execute(self, fig: Figure) -> None:
        """Set the position of the axes."""
        [ax] = fig.axes
        _move(ax, _around(ax))


def draw(picture: Picture, form: str, *, narrow: bool = False, dpi: float = 100) -> bytes:
    """Render a picture. The bytes are reproducible, and no other figure is changed.

    Parameters
    ----------
    picture
        The picture to render.
    form
        "svg" or "png".
    narrow
        Whether to render for a narrow screen. The height then depends on the number of rows.
    dpi
        Pixels per inch of a PNG.
    """
    with warnings.catch_warnings():  # a short range on a narrow axis has only a few ticks
        warnings.filterwarnings("ignore", "AutoDateLocator was unable")
        return _draw(picture, form, narrow=narrow, dpi=dpi)


def _draw(picture: Picture, form: str, *, narrow: bool, dpi: float) -> bytes:
    figure = Figure((_NARROW, _HIGH) if narrow else _SLIDE, layout=_Margins())
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    getattr(charts, picture.plot)(picture.table, ax=ax)
    margins = _around(ax)
    if narrow:
        bottom, top = ax.get_ylim()
        height = _ROW * (bottom - top) if bottom > top else _PLAIN
        figure.set_figheight(height + margins[:, 1].sum() / figure.dpi)
    _move(ax, margins)
    figure.set_layout_engine("none")
    file = io.BytesIO()
    if form == "png":
        figure.set_dpi(dpi)
        canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return _with_few_colours(file)
    # `rc_context` would reset what loading the backend has set in a notebook
    settings: dict[Any, Any] = {"svg.hashsalt": picture.name, "svg.fonttype": "none"}
    before: dict[Any, Any] = {name: mpl.rcParams[name] for name in settings}
    mpl.rcParams.update(settings)
    try:
        metadata = {"Date": None, "Creator": None}
        FigureCanvasSVG(figure).print_svg(file, metadata=metadata)  # type: ignore[no-untyped-call]
    finally:
        mpl.rcParams.update(before)
    return file.getvalue()


def _with_few_colours(png: io.BytesIO) -> bytes:
    """Reduce a PNG to 256 colours, which is a third of the size and enough for a chart."""
    file = io.BytesIO()
    with Image.open(png) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "png")
    return file.getvalue()


def _around(ax: Axes) -> np.ndarray:
    """Return the margins in pixels that an axes needs: left and bottom, then right and top."""
    written = [
        *ax.texts,
        *filter(None, [ax.get_legend()]),
    ]  # the rest is inside, or slow
    box = ax.get_tightbbox(bbox_extra_artists=written, for_layout_only=True)
    plot = ax.get_window_extent()
    assert box is not None  # noqa: S101 - it is visible
    pad = _PAD * ax.figure.dpi
    return np.stack([np.subtract(plot.min, box.min), np.subtract(box.max, plot.max)]) + pad


def _move(ax: Axes, margins: np.ndarray) -> None:
    """Fit an axes between the margins of its figure, with at least one pixel."""
    size = ax.figure.bbox.size
    inside = np.maximum(size - margins.sum(axis=0), 1)
    ax.set_position((*(margins[0] / size), *(inside / size)))
