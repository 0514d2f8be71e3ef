"""A finding of a report as the input of `backfill`: source, log groups and time ranges."""

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

_PARTS = "exportstats.finding"  # the selection and time range of each command of a finding
_SELECTING = ("since", "until", "log_group", "account", "region")
_SLOT = ("account", "region")


FINDING = (
    click.option(
        "--from-report",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="Close only the gaps of one finding in this report, written by `exportstats report "
        "--json`. Source, log groups and time ranges are those of the finding.",
    ),
    click.option(
        "--finding", metavar="ID", help="The finding in --from-report, such as gaps-1a2b3c."
    ),
)


class ByFinding(click.Command):
    """A command that can take its source and time range from a finding."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Prepend the arguments of the finding's own commands to those given."""
        if not any(word.startswith(("--from-report", "--finding")) for word in args):
            return super().parse_args(ctx, args)
        from exportstats.report import machine
        from exportstats.stats import as_of

        given = self._parsed(ctx, args)
        path, finding = given["from_report"], given["finding"]
        if path is None:
            raise ArgumentError("--finding needs a report; give --from-report FILE as well")
        commands = [shlex.split(text)[2:] for text in machine.read_commands(path, finding)]
        for name in _SELECTING:
            if given[name]:
                raise ArgumentError(f"--{dashed(name)} is set by the finding; leave it out")
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
        """Parse arguments in a context of their own."""
        other = click.Context(self, parent=ctx.parent, info_name=ctx.info_name)
        super().parse_args(other, [*words])
        return other.params


def _source_of(words: Sequence[str]) -> list[str]:
    """Return the arguments of a command before those that select."""
    chosen = tuple(f"--{dashed(name)}=" for name in _SELECTING)
    return list(words[: next(at for at, word in enumerate(words) if word.startswith(chosen))])


def of_finding(gaps: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """Return the gaps that belong to the finding; all if there is no finding."""
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
        wanted.say_unknown(*(table for table in known if table is not None))
        mine = wanted.of_log_groups(gaps)
        cut.append(clipped(mine, *(np.full(len(mine), to_millis(edge)) for edge in edges)))
    return pd.concat(cut, ignore_index=True)
