"""Render the report as an email: plain text, and HTML with attached pictures."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, cast

import lazy_loader

from exportstats.report import cells
from exportstats.report.html import environment
from exportstats.report.markdown import render_text

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report import drawing
    from exportstats.report.cells import View
    from exportstats.report.data import ReportData
else:  # matplotlib is for a report that is drawn
    drawing = lazy_loader.load("exportstats.report.drawing", suppress_warning=True)

_ROWS = 5  # shown of a table; an email has little room
# Columns that are left out.
_DETAILS = [
    "task_id",
    "end",
    "last_task_id",
    "example_task_id",
    "from_time",
    "to_time",
    "status_message",
    "first_time",
    "prefix",
]
_PICTURES = 3
_DPI = 160
_MOST = 100_000  # bytes of HTML; mail programs cut off longer messages


def render_email(report: ReportData) -> bytes:
    """Render a report as an email, an `.eml` without sender, recipients and date.

    Parameters
    ----------
    report
        A report, as returned by `build_weekly_report`.

    Returns
    -------
    bytes
        A reproducible MIME message (RFC 5322, lines end with CR LF) with `text/plain` and
        `text/html`. The HTML is less than 100 KB, with inline styles and attached PNG pictures. Set
        `From` and `To` before sending. SES adds the date.

    Examples
    --------
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> report.to_email().splitlines()[0]
    b'Subject: Export tasks, week 2026-W20: A quiet week'
    """
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"] = f"Export tasks, {report.name}: {report.headline.partition(':')[0]}"
    mail.set_content(render_text(report), cte="quoted-printable")
    pictures = report.pictures[:_PICTURES]
    mail.add_alternative(_html(report), subtype="html", cte="quoted-printable")
    html = cast("list[EmailMessage]", mail.get_payload())[1]
    for picture in pictures:
        html.add_related(
            drawing.draw(picture, "png", narrow=True, dpi=_DPI),
            "image",
            "png",
            cid=f"<{picture.name}@exportstats>",
        )
    # the default boundaries are random
    html.set_boundary("exportstats-related")
    mail.set_boundary("exportstats-alternative")
    return mail.as_bytes()


def _html(report: ReportData) -> str:
    """Render the HTML, with fewer rows if it is too long otherwise."""
    for most in (_ROWS, 1, 0):
        text = _written(report, most)
        if len(text.encode()) < _MOST:
            break
    return text


def _written(report: ReportData, most: int) -> str:
    def shown(table: pd.DataFrame) -> View:
        return cells.view(table.drop(columns=_DETAILS, errors="ignore"), report, most)

    return (
        environment()
        .get_template("mail.html")
        .render(
            report=report,
            figures=cells.figures(report),
            limits=report.limits,
            pictures=report.pictures[:_PICTURES],
            view=shown,
            command_lists=cells.command_lists,
            waivers=cells.waivers,
        )
    )
