"""The command `report`: a weekly report, in the terminal and in files."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.evidence import EVIDENCE, KINDS, load_evidence
from exportstats.cli.failing import FAILED, FOUND, is_partial, lacks_history, say
from exportstats.cli.options import NewFile, NewFolder
from exportstats.cli.ranges import LOG_GROUPS, kept, load_both
from exportstats.cli.source import fill_places, sourced
from exportstats.cli.wanted import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exportstats.cli.source import Origin

# How a report begins that a later one may replace.
_BEFORE = dt.timedelta(weeks=6)  # the weeks that a report compares with, and a margin
_HTML = re.compile(rb"(?s)<!doctype html>.*<title>Export tasks, ")
_MARKDOWN = re.compile(rb"# Export tasks, ")
_KINDS = {
    "html": ("one HTML file", {".html": _HTML, ".htm": _HTML}),
    "markdown": ("Markdown", {".md": _MARKDOWN, ".markdown": _MARKDOWN}),
    "email": ("an email to send", {".eml": re.compile(rb"Subject: Export tasks, ")}),
    "json": ("JSON", {".json": re.compile(rb'\{\s*"version": \d+,\s*"name": ')}),
}
_FAILING = {"warning": ("critical", "warning"), "critical": ("critical",)}


@sourced(
    LOG_GROUPS,
    *EVIDENCE,
    click.option(
        "--week",
        default="last",
        show_default=True,
        metavar="WEEK",
        help="The week, such as 2026-W47; `last` is the last full week before the tasks were "
        "observed.",
    ),
    click.option("--tz", default="UTC", show_default=True, help="The time zone of the week."),
    *(
        click.option(f"--{name}", type=NewFile(kinds), help=f"Write the report as {what}.")
        for name, (what, kinds) in _KINDS.items()
    ),
    click.option(
        "--csv-dir",
        type=NewFolder(),
        metavar="FOLDER",
        help="Write the complete tables to this folder; the HTML report links to them.",
    ),
    click.option(
        "--waivers",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="A TOML file of intended gaps, which are reported as notes and not as warnings.",
    ),
    click.option(
        "--split-by",
        metavar="COLUMN",
        help="Also write a report for each value of this column, such as account_id or your own "
        "owner.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(["warning", "critical"]),
        help="Exit with 4 if there is a finding of this severity or worse.",
    ),
    click.option(
        "--redact",
        is_flag=True,
        help="Replace accounts, log groups, buckets and identifiers with pseudonyms.",
    ),
    filters=PLACE,
)
def report(
    origin: Origin,
    *,
    week: str,
    tz: str,
    waivers: str | None,
    split_by: str | None,
    fail_on: str | None,
    redact: bool,
    **files: Path | None,
) -> None:
    """Report on a week: what needs to be done, and by when.

    The most urgent finding comes first. Include earlier tasks: the report compares with them to
    find what is new, slower or about to be lost.

    \b
    exportstats report tasks.parquet --log-groups groups.json --html report.html
    exportstats report tasks.parquet --week 2026-W47 --fail-on critical
    """
    import pandas as pd

    from exportstats.core import frames
    from exportstats.report import machine, markdown, redaction
    from exportstats.report.waivers import read_waivers
    from exportstats.report.weeks import span_of

    # fail before AWS is asked
    by_clock = span_of(week, tz, pd.Timestamp.now("UTC"))
    if waivers is not None:
        read_waivers(waivers)
    if (folder := files["csv_dir"]) is not None:
        machine.refuse_foreign(xs.build_weekly_report(frames.empty()), folder)
    tasks, log_groups = kept(origin.wanted, *load_both(origin, check=len, can_spare=True))
    evidence = load_evidence(origin, tasks, log_groups, by_clock.start - _BEFORE, by_clock.end)
    for table in evidence.values():
        tasks = fill_places(tasks, table)
    beside: dict[str, Any] = {"log_groups": log_groups, **evidence}
    if redact:
        tables = (beside.get(name) for name in ("log_groups", *KINDS))
        tasks, *hidden = redaction.redact(tasks, *tables)
        beside = dict(zip(("log_groups", *KINDS), hidden, strict=True))
    made = xs.build_weekly_report(
        tasks,
        week=week,
        **beside,
        tz=tz,
        source=origin.words,
        by=split_by,
        waivers=waivers,
    )
    partly: dict[str, Any] = {"is_partial": is_partial(), "lacks_history": lacks_history()}
    made = dataclasses.replace(made, **partly)
    if week == "last" and origin.archives and len(tasks) and made.end < by_clock.end:
        say(
            f"the archive was last read from AWS at {tasks['observed_at'].max():%Y-%m-%d %H:%M} "
            f"UTC, so this is the report of {made.name} instead of {by_clock.name}; for that one, "
            "run `exportstats archive sync` first"
        )
    click.echo(markdown.render_text(made), nl=False)
    for what, path in _write(made, files):
        say(f"{what} is in {path}")
    for value, part in made.parts.items():
        own = {name: path and _beside(path, value) for name, path in files.items()}
        for what, path in _write(dataclasses.replace(part, **partly), own):
            say(f"{what} of {value} is in {path}")
    if fail_on is not None and not len(tasks):
        say("there are no tasks, so nothing was checked")
        click.get_current_context().exit(FAILED)
    worst = fail_on is not None and any(f.severity in _FAILING[fail_on] for f in made.findings)
    click.get_current_context().exit(FOUND if worst else 0)


def _beside(path: Path, value: str) -> Path:
    """Return the path of a part, beside that of the whole report."""
    plain = re.sub(r"[^\w.-]+", "-", value).strip("-.") or "none"
    return path.with_name(f"{path.stem}-{plain}{path.suffix}")


def _write(made: xs.WeeklyReport, files: dict[str, Path | None]) -> Iterator[tuple[str, Path]]:
    """Write the files that options name, and yield what each contains."""
    from exportstats import progress

    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    html, folder = files["html"], files["csv_dir"]
    if folder is not None:
        made.to_csv(folder)
        yield "each table", folder
    link = Path(os.path.relpath(folder, html.parent)).as_posix() if html and folder else None
    write: dict[str, Callable[[Path], object]] = {
        "html": functools.partial(made.to_html, csv=link),
        "markdown": made.to_markdown,
        "email": made.to_email,
        "json": made.to_json,
    }
    asked = [(name, path) for name in write if (path := files[name]) is not None]
    for name, path in progress.steps(asked, "writing"):
        write[name](path)
    yield from (("the report", path) for _, path in asked)  # below the bar, not within it
