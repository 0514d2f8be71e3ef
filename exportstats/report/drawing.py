"""How the pictures of a report are made bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exportstats.report.data import Picture


_NARROW = 3.75  # inches: on a telephone, letters are then as large as those of the page
_PLAIN, _ROW = 2.0, 0.6  # inches of height, of a plot without rows and of each row


def draw(
    picture: Picture,
    form: str,
    *,
    narrow: bool = False,
    **options: Any,  # noqa: ANN401 - savefig's
) -> bytes:
    """Draw a picture: the same bytes every time, and no other figure is touched.

    Parameters
    ----------
    picture
        What to draw.
    form
        "svg" or "png".
    narrow
        Draw it for a narrow screen: as high as its rows need.
    """
    import matplotlib as mpl  # noqa: PLC0415 - not before a picture is asked for
    from matplotlib import pyplot as plt  # noqa: PLC0415

    from exportstats import charts  # noqa: PLC0415

    # not `rc_context`: in a notebook it would take back what loading the backend has set
    settings: dict[Any, Any] = {"svg.hashsalt": picture.name, "svg.fonttype": "path"}
    before: dict[Any, Any] = {name: mpl.rcParams[name] for name in settings}
    mpl.rcParams.update(settings)
    file = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure = None
    try:
        plot = getattr(charts, picture.plot)
        if narrow:
            figure = plt.figure(figsize=(_NARROW, 20), layout="constrained")
            _fit(plot(picture.table, ax=figure.subplots()))
        else:
            figure = plot(picture.table).get_figure(root=True)
        figure.savefig(file, format=form, metadata=metadata, **options)
    finally:
        plt.close(figure)
        mpl.rcParams.update(before)
    return file.getvalue() if form == "svg" else _with_few_colours(file)


def _with_few_colours(png: io.BytesIO) -> bytes:
    """Return a picture in 256 colours, which are enough for a chart, in a third of the bytes."""
    from PIL import Image  # noqa: PLC0415 - matplotlib has it

    file = io.BytesIO()
    with Image.open(png) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "png")
    return file.getvalue()


def _fit(ax: Axes) -> None:
    """Make a figure as high as its plot needs; what stands around it keeps its size."""
    figure, around = ax.get_figure(root=True), ax.get_tightbbox()
    assert figure is not None  # noqa: S101 - it was drawn on
    assert around is not None  # noqa: S101 - it is visible
    bottom, top = ax.get_ylim()
    height = _ROW * (bottom - top) if bottom > top else _PLAIN
    height += (around.height - ax.get_window_extent().height) / figure.dpi
    figure.set_figheight(height + 0.1)
