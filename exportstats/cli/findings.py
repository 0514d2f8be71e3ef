"""The finding of a report that `backfill` acts on: its source, its log groups and their ranges."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import click

from exportstats.cli.source import Origin
from exportstats.cli.wanted import Wanted, dashed
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import pandas as pd

    from exportstats.cli.ranges import Asked

_PARTS = "exportstats.finding"  # what each command of a finding exports: a selection and a range
_SELECTING = ("since", "until", "log_group", "account", "region")
_SLOT = ("account", "region")


FINDING = (
    click.option(
        "--from-report",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="Plan what a finding of this report needs, and nothing else: its source, log "
        "groups and ranges are read from what `exportstats report --json` wrote.",
    ),
    click.option(
        "--finding", metavar="ID", help="The finding of --from-report, such as gaps-1a2b3c."
    ),
)


class ByFinding(click.Command):
    """A command whose source and range can be those of a finding."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put what the finding's own commands say before the words that were given."""
        if not any(word.startswith(("--from-report", "--finding")) for word in args):
            return super().parse_args(ctx, args)
        from exportstats.report import machine
        from exportstats.stats import as_of

        given = self._parsed(ctx, args)
        path, finding = given["from_report"], given["finding"]
        if path is None:
            raise ArgumentError("--finding is one of a report; give --from-report FILE as well")
        commands = [shlex.split(text)[2:] for text in machine.read_commands(path, finding)]
        for name in _SELECTING:
            if given[name]:
                raise ArgumentError(f"--{dashed(name)} is told by the finding; leave it out")
        parts = [self._parsed(ctx, words) for words in commands]
        words = [f"--since={min(part['since'] for part in parts).isoformat()}"]
        words += [f"--until={max(part['until'] for part in parts).isoformat()}"]
        for name in _SLOT:
            [value, *others] = {part[name] for part in parts}
            words += [f"--{name}={value}"] if value and not others else []
        if not any(given.get(one.name) for one in dataclasses.fields(Origin)):
            words += _source_of(commands[0])
        ctx.meta[_PARTS] = [
            (
                Wanted(part["log_group"], part["account"], part["region"]),
                [as_of.instant(part[edge], edge) for edge in ("since", "until")],
            )
            for part in parts
        ]
        return super().parse_args(ctx, [*words, *args])

    def _parsed(self, ctx: click.Context, words: Sequence[str]) -> dict[str, Any]:
        """Parse some words alone."""
        other = click.Context(self, parent=ctx.parent, info_name=ctx.info_name)
        super().parse_args(other, [*words])
        return other.params


def _source_of(words: Sequence[str]) -> list[str]:
    """Return the words of a command up to what it selects."""
    chosen = tuple(f"--{dashed(name)}=" for name in _SELECTING)
    return list(words[: next(at for at, word in enumerate(words) if word.startswith(chosen))])


def of_finding(gaps: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """Return what of some gaps a finding is about; all of them if none was named."""
    import numpy as np
    import pandas as pd

    from exportstats.report.material import clipped
    from exportstats.stats.as_of import to_millis

    parts = click.get_current_context().meta.get(_PARTS)
    if parts is None:
        return gaps
    cut = []
    for wanted, edges in parts:
        known = [asked.tasks, asked.range["log_groups"]]
        wanted.tell_unknown(*(table for table in known if table is not None))
        mine = wanted.of_log_groups(gaps)
        cut.append(clipped(mine, *(np.full(len(mine), to_millis(edge)) for edge in edges)))
    return pd.concat(cut, ignore_index=True)
