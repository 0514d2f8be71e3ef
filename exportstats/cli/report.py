"""The command `report`: a week's report, in the terminal and into files."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import FAILED, FOUND, knows_a_part, say
from exportstats.cli.options import NewFolder, new_file_option
from exportstats.cli.ranges import kept, load_both, log_groups_option
from exportstats.cli.source import history_options
from exportstats.cli.wanted import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exportstats import progress
    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted
    from exportstats.core import frames
    from exportstats.report import machine, markdown as plain_text, redaction
else:  # pandas is for a command that runs, not for its --help
    machine = lazy_loader.load("exportstats.report.machine", suppress_warning=True)
    plain_text = lazy_loader.load("exportstats.report.markdown", suppress_warning=True)
    redaction = lazy_loader.load("exportstats.report.redaction", suppress_warning=True)
    progress = lazy_loader.load("exportstats.progress", suppress_warning=True)
    frames = lazy_loader.load("exportstats.core.frames", suppress_warning=True)

# How reports begin, which the next one may replace.
_HTML = re.compile(rb"(?s)<!doctype html>.*<title>Export tasks, ")
_MARKDOWN = re.compile(rb"# Export tasks, ")
_KINDS = {
    "html": {".html": _HTML, ".htm": _HTML},
    "markdown": {".md": _MARKDOWN, ".markdown": _MARKDOWN},
    "email": {".eml": re.compile(rb"Subject: Export tasks, ")},
    "json": {".json": re.compile(rb'\{\s*"version": \d+,\s*"name": ')},
}
_FAILING = {"warning": ("critical", "warning"), "critical": ("critical",)}


@click.command()
@functools.partial(history_options, filters=PLACE)
@log_groups_option
@click.option(
    "--week",
    default="last",
    show_default=True,
    metavar="WEEK",
    help="The week, such as 2026-W47; `last` is the last full one before the tasks were observed.",
)
@click.option("--tz", default="UTC", show_default=True, help="The time zone of the week.")
@new_file_option("--html", kinds=_KINDS["html"], help="Write the report as one HTML file.")
@new_file_option("--markdown", kinds=_KINDS["markdown"], help="Write the report as Markdown.")
@new_file_option("--email", kinds=_KINDS["email"], help="Write the report as an email to send.")
@new_file_option("--json", kinds=_KINDS["json"], help="Write the report as JSON.")
@click.option(
    "--csv-dir",
    type=NewFolder(),
    metavar="FOLDER",
    help="Write the complete tables to this folder; the HTML links to them.",
)
@click.option(
    "--waivers",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A TOML file of gaps that are meant, which are notes and no warnings.",
)
@click.option(
    "--split-by",
    metavar="COLUMN",
    help="Write a report for each value of this column too, such as account_id or your own owner.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "critical"]),
    help="Exit with 4 if there is a finding of this severity or worse.",
)
@click.option(
    "--redact",
    is_flag=True,
    help="Replace accounts, log groups, buckets and identifiers by pseudonyms.",
)
def report(
    origin: Origin,
    wanted: Wanted,
    week: str,
    tz: str,
    waivers: str | None,
    split_by: str | None,
    fail_on: str | None,
    redact: bool,  # noqa: FBT001 - click gives it by name
    **files: Path | None,
) -> None:
    """Report on a week: what needs doing and by when, the worst first.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS. It
    needs earlier tasks too, to know what is new, slower or about to be lost.

    \b
    exportstats report tasks.parquet --log-groups groups.json --html report.html
    exportstats report tasks.parquet --week 2026-W47 --fail-on critical
    """
    # what is no week, no waivers and what would be overwritten is refused before AWS is asked
    nothing = xs.build_weekly_report(frames.empty(), week=week, tz=tz, waivers=waivers)
    if (folder := files["csv_dir"]) is not None:
        machine.refuse_foreign(nothing, folder)
    tasks, log_groups = kept(wanted, *load_both(origin, check=len, can_spare=True))
    if redact:
        tasks, log_groups, _ = redaction.redact(tasks, log_groups)
    made = xs.build_weekly_report(
        tasks,
        week=week,
        log_groups=log_groups,
        tz=tz,
        source=origin.words,
        by=split_by,
        waivers=waivers,
    )
    made = dataclasses.replace(made, is_partial=knows_a_part())
    click.echo(plain_text.render_text(made), nl=False)
    for what, path in _write(made, **files):
        say(f"{what} is in {path}")
    for value, part in made.parts.items():
        own = {name: path and _beside(path, value) for name, path in files.items()}
        for what, path in _write(dataclasses.replace(part, is_partial=knows_a_part()), **own):
            say(f"{what} of {value} is in {path}")
    if fail_on is not None and not len(tasks):
        say("there are no tasks, so nothing was checked")
        click.get_current_context().exit(FAILED)
    worst = fail_on is not None and any(f.severity in _FAILING[fail_on] for f in made.findings)
    click.get_current_context().exit(FOUND if worst else 0)


def _beside(path: Path, value: str) -> Path:
    """Name the file of a part beside that of the whole."""
    plain = re.sub(r"[^\w.-]+", "-", value).strip("-.") or "none"
    return path.with_name(f"{path.stem}-{plain}{path.suffix}")


def _write(
    made: xs.WeeklyReport,
    *,
    html: Path | None,
    markdown: Path | None,
    email: Path | None,
    json: Path | None,
    csv_dir: Path | None,
) -> Iterator[tuple[str, Path]]:
    """Write what was asked for, each file whole or not at all."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # a command opens no window
    if csv_dir is not None:
        made.to_csv(csv_dir)
        yield "each table", csv_dir
    link = None
    if html is not None and csv_dir is not None:
        link = Path(os.path.relpath(csv_dir, html.parent)).as_posix()
    writers: tuple[tuple[Path | None, Callable[[Path], object]], ...] = (
        (html, functools.partial(made.to_html, csv=link)),
        (markdown, made.to_markdown),
        (email, made.to_email),
        (json, made.to_json),
    )
    asked = [(path, write) for path, write in writers if path is not None]
    for path, write in progress.steps(asked, "writing"):
        write(path)
        yield "the report", path
