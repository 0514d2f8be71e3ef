"""The report as one HTML file that needs nothing else, and as what a notebook shows."""

from __future__ import annotations

import base64
import functools
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import jinja2
import lazy_loader

from exportstats.report import cells

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report import drawing
    from exportstats.report.cells import View
    from exportstats.report.data import Picture, ReportData
else:  # matplotlib is for a report that is drawn
    drawing = lazy_loader.load("exportstats.report.drawing", suppress_warning=True)

# Rows of a table that are shown; the CSV beside has them all.
_ROWS = 50
# Nothing is loaded and nothing runs; pictures are in the file itself.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
# What may stand as it is in an address within double quotes, of several too, as in `srcset`; base64
# would be a fifth longer.
_UNTOUCHED = "/:;=,()?@!$*+'"
_NEEDLESS = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|(?<=>) (?=<)|DejaVuSans-"
)
_PATH = re.compile(r'(?<= d=")[^"]*')
_LETTER = re.compile(r"\s*([A-Za-z])\s*")
# A picture with more names and marks than this is made of dots instead.
_LARGEST = 150_000
_DPI = 120
# Matplotlib writes each colour into a style of its own, and none for black text.
_ON_DARK = {"#000000": "#e8eaed", "#ffffff": "#14181d", "#666666": "#b0b7c0"}
_RULES = (
    f"[style*='{use}: {light}'] {{{use}: {dark} !important}}"
    for light, dark in _ON_DARK.items()
    for use in ("fill", "stroke")
)
_DARK = f"@media (prefers-color-scheme: dark) {{svg {{fill: #e8eaed}}{''.join(_RULES)}}}"
_TABLES = ("coverage", "failures", "durations")


def render_html(report: ReportData, *, csv: str | None = None) -> str:
    """Write a report as one HTML file: no script, nothing loaded from anywhere.

    Parameters
    ----------
    report
        What `build_weekly_report` gives.
    csv
        Where the tables lie as CSV, as seen from the file; without it, rows that are cut are
        counted and not linked.

    Returns
    -------
    str
        The same text every time. Charts are SVG in the text, each with its table in a fold; at most
        50 rows of a table are shown.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.to_html().startswith("<!doctype html>")
    True
    """
    return _template("page.html").render(policy=_POLICY, **_shown(report, csv))


def render_fragment(report: ReportData) -> str:
    """Write a report as a part of a page, with its own styles: what a notebook shows."""
    return _template("fragment.html").render(**_shown(report, None))


@functools.cache
def environment() -> jinja2.Environment:
    """Return the templates, in which every text is escaped unless they say otherwise."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("exportstats.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def _template(name: str) -> jinja2.Template:
    return environment().get_template(name)


def _shown(report: ReportData, csv: str | None) -> dict[str, object]:
    def link(name: str) -> str | None:
        return None if csv is None else f"{quote(csv)}/{name}.csv"

    def shown(table: pd.DataFrame, **options: bool) -> View:
        return cells.view(table, report, _ROWS, **options)

    return {
        "report": report,
        "limits": report.limits,
        "figures": cells.figures(report),
        "titles": cells.TITLES,
        "tables": [name for name in _TABLES if len(report.tables[name])],
        "view": shown,
        "link": link,
        "commands": cells.commands,
        "image": _image,
    }


def _image(picture: Picture, *, narrow: bool = False) -> str:
    svg = drawing.draw(picture, "svg", narrow=narrow).decode()
    svg = _PATH.sub(_shorter, _NEEDLESS.sub("", " ".join(svg.split())))
    if "'" not in svg:
        svg = svg.replace('"', "'")
    svg = svg.replace("</style>", f"{_DARK}</style>", 1)
    written = "data:image/svg+xml," + quote(svg, safe=_UNTOUCHED)
    if len(written) <= _LARGEST:
        return written
    png = drawing.draw(picture, "png", narrow=narrow, dpi=_DPI)
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _shorter(path: re.Match[str]) -> str:
    """Write a path without blanks, of which each would be three characters of an address."""
    return ",".join(_LETTER.sub(r"\1", path[0]).split())
