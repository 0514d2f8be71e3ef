"""Render the report as a self-contained HTML file, and as HTML for a notebook."""

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

# The number of rows shown of a table. The CSV file has all rows.
_ROWS = 50
# The page loads nothing and runs nothing. Pictures are embedded.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
# Characters that need no quoting in an address in double quotes, also in a list of addresses as in
# `srcset`. Base64 would be a fifth longer.
_UNTOUCHED = "/:;=,()?@!$*+'"
_NEEDLESS = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|(?<=>) (?=<)|DejaVuSans-"
)
_PATH = re.compile(r'(?<= d=")[^"]*')
_LETTER = re.compile(r"\s*([A-Za-z])\s*")
# A picture whose SVG is longer than this many characters becomes a PNG.
_LARGEST = 150_000
_DPI = 120
# Matplotlib writes each colour into its own style, but no colour for black text.
_ON_DARK = {"#000000": "#e8eaed", "#ffffff": "#14181d", "#666666": "#b0b7c0"}
_RULES = (
    f"[style*='{use}: {light}'] {{{use}: {dark} !important}}"
    for light, dark in _ON_DARK.items()
    for use in ("fill", "stroke")
)
_DARK = f"@media (prefers-color-scheme: dark) {{svg {{fill: #e8eaed}}{''.join(_RULES)}}}"
_TABLES = ("coverage", "failures", "durations")


def render_html(report: ReportData, *, csv: str | None = None) -> str:
    """Render a report as one HTML file without scripts or external resources.

    Parameters
    ----------
    report
        A report, as returned by `build_weekly_report`.
    csv
        The folder of the CSV files, relative to the HTML file. Without it, omitted rows are counted
        but not linked.

    Returns
    -------
    str
        Reproducible text. Charts are embedded as SVG, each with its table in a fold. At most 50
        rows of a table are shown.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.to_html().startswith("<!doctype html>")
    True
    """
    return _template("page.html").render(policy=_POLICY, **_shown(report, csv))


def render_fragment(report: ReportData) -> str:
    """Render a report as a part of a page with its own styles, for a notebook."""
    return _template("fragment.html").render(**_shown(report, None))


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of the templates, with autoescape."""
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
        "command_lists": cells.command_lists,
        "waivers": cells.waivers,
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
    """Return a path without blanks, each of which would take three characters in an address."""
    return ",".join(_LETTER.sub(r"\1", path[0]).split())
