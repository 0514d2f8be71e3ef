"""What to do about gaps, with the commands: messages below the tables of coverage commands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from exportstats.cli.ranges import SHORT_GAP
from exportstats.text import counted, total, total_bytes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pandas as pd

    from exportstats.cli.ranges import Asked
    from exportstats.cli.source import Origin

_SHOWN = 4  # commands of a kind


def missing(gaps: pd.DataFrame) -> str:
    """Return how much is missing, and how much came in meanwhile, as far as is known."""
    text = f"missing: {counted(len(gaps), 'gap')} of {total(gaps['length'])}"
    stake = total_bytes(gaps["incoming_bytes"])
    return f"{text}, in which {stake} came in" if stake else text


def of_gaps(origin: Origin, asked: Asked, gaps: pd.DataFrame) -> Iterator[str | tuple[str, str]]:
    """Yield who was refused, what may be deleted soon, and the command that closes the gaps."""
    yield from _refused(asked, gaps)
    yield from undeleted(origin, asked, gaps)
    can_export = ~gaps["reason"].isin(["lost", "active"]) & (gaps["length"] > SHORT_GAP)
    if can_export.any():
        command = _backfill(origin, origin.words, asked, asked.range["start"])
        yield "to print the exports:", command


def _refused(asked: Asked, gaps: pd.DataFrame) -> Iterator[str | tuple[str, str]]:
    """Yield who was refused an export that is still missing, and what to do."""
    calls = asked.range.get("api_calls")
    if calls is None:
        return
    from exportstats.report import refusals
    from exportstats.report.missing import known_stake
    from exportstats.report.words import such_as
    from exportstats.stats.incoming import Incoming

    rows = refusals.refusals_until(calls, asked.range["as_of"], asked.range["start"])
    came = asked.range.get("incoming")
    rows = refusals.ranked(rows, gaps, None if came is None else Incoming.of(came))
    rows = rows[refusals.is_open(rows, gaps)]
    if len(rows):
        such = f", {such_as(rows)}" if known_stake(rows) else ""
        yield f"refused: {counted(len(rows), 'export')}{such}"
        yield f"who was refused: {refusals.who_of(rows)}"
        yield refusals.remedy_of(rows)
        for command in refusals.check_commands(rows)[:_SHOWN]:
            yield "to check:", command


def undeleted(origin: Origin, asked: Asked, gaps: pd.DataFrame) -> Iterator[str | tuple[str, str]]:
    """Yield how to save events that have expired, but may not be deleted yet."""
    log_groups = asked.range["log_groups"]
    if log_groups is None:
        return
    from exportstats.coverage import retention

    found = retention.find_undeleted(gaps, log_groups, asked.range["as_of"])
    if not len(found):
        return
    yield retention.describe_undeleted(found)
    commands = retention.keep_commands(found)
    for command in commands[:_SHOWN]:
        yield "first run:", command
    if len(commands) > _SHOWN:
        yield f"and {len(commands) - _SHOWN:,} more; the report has all of them"
    if commands:
        from exportstats.report.commands import with_new_log_groups

        words = with_new_log_groups(origin.words)
        yield "then print the exports:", _backfill(origin, words, asked, found["start"].min())


def _backfill(origin: Origin, words: list[str], asked: Asked, start: dt.datetime) -> str:
    """Return the command that plans the exports from an instant to the end of the range."""
    import pandas as pd

    from exportstats.report.commands import written

    wanted = origin.wanted
    slot = {"account": wanted.account, "region": wanted.region}
    words += [f"--{name}={value}" for name, value in slot.items() if value]
    words += [f"--log-group={name}" for name in wanted.log_group]
    edges = {"since": start, "until": asked.range["end"]}
    words += [f"--{name}={written(pd.Timestamp(time))}" for name, time in edges.items()]
    return shlex.join(["exportstats", "backfill", *words])
