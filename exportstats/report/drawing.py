"""How the pictures of a report are made bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exportstats.report.data import Picture


def draw(picture: Picture, form: str, **options: Any) -> bytes:  # noqa: ANN401 - savefig's
    """Draw a picture: the same bytes every time, and no other figure is touched.

    Parameters
    ----------
    picture
        What to draw.
    form
        "svg" or "png".
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
        figure = getattr(charts, picture.plot)(picture.table).get_figure(root=True)
        figure.savefig(file, format=form, metadata=metadata, **options)
    finally:
        plt.close(figure)
        mpl.rcParams.update(before)
    return file.getvalue()
