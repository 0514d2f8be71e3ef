"""The commands `coverage` and `gaps`: what is in S3, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli import remedies
from exportstats.cli.failing import FAILED, FOUND, say
from exportstats.cli.question import Answer, question
from exportstats.cli.ranges import RANGE, SHORT_GAP, ask
from exportstats.cli.wanted import PLACE
from exportstats.text import counted, percent, total, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from exportstats.cli.ranges import Asked
    from exportstats.cli.source import Origin

_MANY = 50  # log groups; above that, a heat map shows more than bars
# Columns that are shown if they are not zero everywhere.
_SOMETIMES = {
    "silent": "silent_fraction",
    "overlap": "overlapping",
    "premature": "premature_fraction",
}


@question(*RANGE, filters=PLACE)
def coverage(origin: Origin, **limits: Any) -> Answer:  # noqa: ANN401 - what click parsed
    """Show how much of a time range is in S3, worst log group first.

    With --incoming, "silent" is the share that no task covers and in which nothing came in, so
    there is nothing to export.

    \b
    exportstats coverage tasks.parquet --since 2026-10-01 --until 2026-11-01
    exportstats coverage tasks.parquet --log-groups log-groups.json
    """
    asked = ask(origin, **limits)
    table = xs.coverage_summary(asked.tasks, **asked.range)
    table = table.sort_values("missing", ascending=False, kind="stable")
    title = f"no log groups, {asked.days}"
    if len(table):
        whole = int((table["gaps"] == 0).sum())
        title = f"{whole:,} of {len(table):,} log groups without a gap, {asked.days}"
    follow = xs.coverage_by_day if len(table) > _MANY else xs.coverage_timeline
    return Answer(
        table,
        title,
        _of_summary(table, has_evidence=asked.has_evidence),
        dict.fromkeys(("silent", "premature", "at least", "at most"), percent),
        lambda: xs.plot_coverage(follow(asked.tasks, **asked.range)),
        _about_coverage(origin, asked, table),
    )


@question(
    *RANGE,
    click.option("--check", is_flag=True, help="Exit with 4 if there is a gap."),
    filters=PLACE,
)
def gaps(origin: Origin, *, check: bool, **limits: Any) -> Answer:  # noqa: ANN401 - what click parsed
    """List the parts of a time range that are not in S3, and why.

    A gap is a part that no COMPLETED task covers. With --incoming, the gaps in which most bytes
    came in are shown first.

    \b
    exportstats gaps tasks.parquet --since 7d
    exportstats gaps tasks.parquet --log-groups log-groups.json --check
    """
    asked = ask(origin, **limits)
    every = xs.find_gaps(asked.tasks, **asked.range)
    is_silent = (every["reason"] == "silent").to_numpy()
    table, silent = every[~is_silent], every[is_silent]
    title = f"no {'gaps' if asked.has_log_groups else 'log groups'}, {asked.days}"
    if len(table):
        title = f"{counted(len(table), 'gap')}, {total(table['length'])}, {asked.days}"
    short = int((table["length"] <= SHORT_GAP).sum())
    notes: list[str | tuple[str, str]] = [asked.uncertainty]
    if short > 1:
        notes += [
            f"{short:,} gaps are a minute or shorter; --tolerance 1min treats them as covered"
        ]
    if len(silent):
        length = total(silent["length"])
        notes += [f"{counted(len(silent), 'gap')} of {length} not listed: nothing came in"]
    if len(table):
        notes += remedies.of_gaps(origin, asked, table)
    return Answer(
        every,
        title,
        _of_gaps(table),
        plot=lambda: xs.plot_coverage(xs.coverage_timeline(asked.tasks, **asked.range)),
        notes=notes,
        exit_code=_checked(table, asked) if check else 0,
    )


def _checked(gaps: pd.DataFrame, asked: Asked) -> int:
    """Return the exit code of --check, which fails if there is nothing to check."""
    if not asked.has_log_groups:
        say("nothing was checked: no task has a log group; give --log-groups")
        return FAILED
    return FOUND if len(gaps) else 0


def _about_coverage(
    origin: Origin, asked: Asked, table: pd.DataFrame
) -> Iterator[str | tuple[str, str]]:
    """Yield the bounds of coverage, what is missing, and what to do about it."""
    if asked.has_evidence:
        yield from _bounds(table)
    yield asked.uncertainty
    gaps = xs.find_gaps(asked.tasks, **asked.range)
    gaps = gaps[(gaps["reason"] != "silent").to_numpy()]
    if len(gaps):
        yield remedies.missing(gaps)
        yield from remedies.of_gaps(origin, asked, gaps)


def _bounds(table: pd.DataFrame) -> list[str]:
    """Return the two bounds of coverage in words."""
    whole = table["length"].sum()
    names = ("covered_at_least", "covered_at_most", "silent_fraction", "partial_fraction")
    least, most, silent, partial = (
        percent((table[name] * table["length"]).sum() / whole) if len(table) else "-"
        for name in names
    )
    notes = [f"covered at least {least}, at most {most}"]
    if table["silent_fraction"].any():
        notes[0] += f"; in {silent} nothing came in (silent)"
    if table["partial_fraction"].any():
        notes += [f"{partial} was exported only in part, because streams are missing"]
    return notes


def _of_summary(table: pd.DataFrame, *, has_evidence: bool) -> pd.DataFrame:
    view = table.reset_index()[[*table.index.names, "covered_at_most", "gaps", "missing"]]
    view = view.rename(columns={"covered_at_most": "covered"})
    if has_evidence:
        view = view.rename(columns={"covered": "at most"})
    if table["covered_at_least"].any():
        view.insert(len(table.index.names), "at least", table["covered_at_least"].array)
    view["unbroken to"] = table["covered_until"].dt.normalize().array
    for name, column in _SOMETIMES.items():
        if (table[column] > 0 * table[column]).any():
            view[name] = table[column].array
    return view


def _of_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns for people; if it is known what came in, by bytes, the unknown last."""
    has_bytes = table["incoming_bytes"].notna().any()
    if has_bytes:
        table = table.sort_values("incoming_bytes", ascending=False, kind="stable")
    view = table[["account_id", "region", "log_group_name", "start", "length"]].copy()
    if table["expires_at"].notna().any():
        view["expires"] = table["expires_at"].dt.strftime("%Y-%m-%d").fillna("never")
    why = table["reason"].astype("str").str.replace("_", " ")
    codes = table["error_code"].astype("str").fillna("")
    view["why"] = why.where(why != "refused", why + ": " + codes)
    if has_bytes:
        view["came in"] = table["incoming_bytes"].map(write_bytes, na_action="ignore")
    return view
