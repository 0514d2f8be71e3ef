"""The commands `archive …`: keep what is observed, and look at it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import mark_partial, remember, say
from exportstats.cli.fleet import print_failures
from exportstats.cli.options import FORMAT, OUTPUT
from exportstats.cli.question import Answer, title_of
from exportstats.cli.source import sourced
from exportstats.cli.wanted import moment
from exportstats.core.schema import TABLES
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted
from exportstats.text import counted, write_duration

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import pandas as pd

    from exportstats.cli.options import Kind
    from exportstats.cli.source import Origin


_AHEAD = "15min"  # how much another machine's clock may be ahead


class _Group(click.Group):
    """A group whose messages have the options of the command that runs."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:  # noqa: ANN401 - click's
        """Find a command, and remember it for messages."""
        if args and "/" in args[0]:
            ctx.fail(
                f"No such command {args[0]!r}. ARCHIVE follows a command: "
                f"{ctx.command_path} info {shlex.quote(args[0])}"
            )
        found = super().resolve_command(ctx, args)
        remember(ctx, found[1])
        return found


ADDRESS = click.argument("address", metavar="ARCHIVE")
AS_OF = click.option(
    "--as-of",
    callback=moment,
    metavar="TIME",
    help="What was known at this time, such as 2026-11-01T06:00Z, or an age such as 7d.",
)
OF = click.option(
    "--of",
    type=click.Choice([*TABLES]),
    default="tasks",
    show_default=True,
    help="Which table.",
)


@click.group(cls=_Group)
def archive() -> None:
    """Keep what is observed, because AWS forgets old tasks.

    ARCHIVE is a folder or s3://bucket/prefix. Every command that reads files also reads an archive,
    for example `exportstats status ARCHIVE`.
    """


@sourced(
    ADDRESS,
    click.option("--full", is_flag=True, help="Read every list to its end, not to what is known."),
    click.option("--log-groups", is_flag=True, help="Also fetch and keep the log groups."),
    FORMAT,
    filters=("account",),
    is_live=True,
)
def sync(origin: Origin, address: str, *, full: bool, log_groups: bool, kind: Kind) -> None:
    """Fetch what is new or changed from AWS, and keep it.

    The archive is created if there is none. What arrived is kept every few seconds, and also after
    a failure or Ctrl-C; then the exit code is 3, and the next sync reads the rest. Requires the
    permission logs:DescribeExportTasks on "*".

    \b
    exportstats archive sync ./history --region eu-west-1
    exportstats archive sync s3://bucket/exportstats --all-regions
    """
    from exportstats.cli import output

    targets, asked = origin.targets, origin.asked
    if targets is None and origin.account is not None:
        targets = [xs.Target(origin.account, asked.pop("region"), asked.pop("profile"))]
    try:
        found = xs.Archive(address).sync(targets, full=full, log_groups=log_groups, **asked)
    except (LoadError, LoadInterrupted) as stop:
        found = _stopped(stop, several=origin.targets is not None)
    own = {"profile": "", "role_arn": ""}  # neither means the credentials of the environment
    view = found.dropna(axis="columns", how="all").fillna(own)
    output.show(Answer(found, _title(found), view=view), kind)


def _stopped(stop: LoadError | LoadInterrupted, *, several: bool) -> pd.DataFrame:
    """Return what a sync did before it failed; raise `stop` if nothing arrived."""
    found = stop.arrived
    if not found["requests"].sum():
        raise stop
    say(f"{'stopped' if isinstance(stop, LoadInterrupted) else 'incomplete'}: {stop}")
    if several and stop.failures is not None:
        print_failures(stop.failures)
    mark_partial()
    return found


def _title(found: pd.DataFrame) -> str:
    failed = found["reason"].notna().sum()
    return (
        f"{counted(len(found), 'target')}{f', {failed:,} failed' if failed else ''}: "
        f"{found['new'].sum():,} new, {found['changed'].sum():,} changed, "
        f"{found['unchanged'].sum():,} unchanged; {counted(found['requests'].sum(), 'request')}"
    )


@click.command()
@ADDRESS
@FORMAT
def info(address: str, *, kind: Kind) -> None:
    """Show what is kept of each account and region, and what AWS has forgotten.

    All tasks created before `settled_until` have ended and are kept. `gone` tasks were no longer
    listed when a list was last read to its end, as `sync --full` does. AWS has listed tasks for the
    time in `remembered`. csv and json have more columns.
    """
    from exportstats.cli import output

    found = xs.Archive(address).info()
    view = found[["account_id", "region", "tasks", "active", "settled_until", "gone"]].assign(
        remembered=[*map(_remembered, found["remembered_at_least"], found["remembered_at_most"])],
        last_observed=found["last_observed"],
    )
    title = (
        f"{counted(found['tasks'].sum())} in {counted(len(found), 'slot')} (accounts and regions)"
    )
    if len(found):
        title += f", observed {found['last_observed'].max():%Y-%m-%d %H:%M} UTC"
    output.show(Answer(found, title, view), kind)


def _remembered(*bounds: pd.Timedelta) -> str:
    """Return for how long tasks are listed, at least and at most, as far as it is known."""
    low, high = (write_duration(length.total_seconds(), compact=True) for length in bounds)
    if "-" in (low, high):
        return "-" if low == high else f"≥ {low}" if high == "-" else f"≤ {high}"
    return low if low == high else f"{low} to {high}"


@click.command()
@ADDRESS
@click.argument("task_id", metavar="TASK_ID")
@FORMAT
def history(address: str, task_id: str, *, kind: Kind) -> None:
    """Show the states of a task in order of time."""
    from exportstats.cli import output

    found = xs.Archive(address).history(task_id)
    if not len(found):
        raise ArgumentError(f"the archive {address} has no task {task_id!r}; check the task ID")
    first = ["observed_at", "status_code", "status_message", "completion_time"]
    others = [name for name in found if name not in first]
    view = found[[*first, *others]].assign(observed_at=[*map(_exact, found["observed_at"])])
    output.show(Answer(found, title_of(found.tail(1)), view), kind)


def _exact(time: pd.Timestamp) -> str:
    """Return a time to the second: two looks may be in one minute."""
    return f"{time:%Y-%m-%d %H:%M:%S}"


@click.command()
@ADDRESS
@FORMAT
def compact(address: str, *, kind: Kind) -> None:
    """Merge small files, so that reading stays fast; syncs may go on meanwhile."""
    from exportstats.cli import output

    found = xs.Archive(address).compact()
    before, after = (found[f"files_{when}"].sum() for when in ("before", "after"))
    output.show(Answer(found.set_index("table"), f"{before:,} files became {after:,}"), kind)


@click.command()
@ADDRESS
@click.option(
    "--retention",
    default="7D",
    show_default=True,
    metavar="LENGTH",
    help="Keep files that were merged less than this long ago, for readers that began before.",
)
@FORMAT
def vacuum(address: str, *, retention: str, kind: Kind) -> None:
    """Delete files that were merged; no observation is deleted."""
    from exportstats.cli import output

    found = xs.Archive(address).vacuum(retention)
    count = found["deleted_files"].sum()
    output.show(Answer(found.set_index("table"), f"{counted(count, 'file')} deleted"), kind)


@click.command()
@ADDRESS
@OUTPUT
@click.option("--replace", is_flag=True, help="Replace an existing file.")
@OF
@AS_OF
def export(address: str, file: Path, *, replace: bool, of: str, as_of: dt.datetime | None) -> None:
    """Write a table to a file: the latest state, or what was known at a time."""
    if file.exists() and not replace:
        raise ArgumentError(f"{file} exists; choose another file, or give --replace")
    kept = xs.Archive(address)
    table = kept.table(of, as_of=as_of)
    if as_of is not None and not len(table) and len(every := kept.table(of)):
        first = every["observed_at"].min()
        raise ArgumentError(
            f"as_of={as_of.isoformat()} is before the first observation; give a time from "
            f"{first:%Y-%m-%dT%H:%M:%SZ} on"
        )
    getattr(xs, f"write_{of}")(table, file)
    say(f"{file}: {title_of(table) if of == 'tasks' else counted(len(table), 'row')}")


@click.command("import")
@ADDRESS
@click.argument("source", nargs=-1, required=True, metavar="FILE...")
@OF
@click.option(
    "--observed-at",
    callback=moment,
    metavar="TIME",
    help="When the rows were observed that do not say so, such as 2026-11-01T06:00Z.",
)
@click.option("--account", metavar="ID", help="The account of rows without one.")
@click.option("--region", metavar="NAME", help="The region of rows without one.")
def import_(
    address: str,
    source: tuple[str, ...],
    *,
    of: str,
    observed_at: dt.datetime | None,
    account: str | None,
    region: str | None,
) -> None:
    """Add files of earlier days; what is known already is not added again.

    Each file is one look; the order of files does not matter. The output of the AWS CLI does not
    say when it was observed, so it needs --observed-at.

    \b
    exportstats archive import ./history tasks.parquet
    exportstats archive import ./history 22.json --observed-at 2026-11-22T06:00Z
    """
    from exportstats.core import frames

    kept = xs.Archive(address)
    for path in source:
        rows = getattr(xs, f"read_{of}")(path, account_id=account, region=region)
        _refuse_future(path, rows["observed_at"], observed_at)
        added = kept.add(rows, of=of, observed_at=observed_at)
        say(f"{path}: {', '.join(f'{count:,} {what}' for what, count in added.items())}")
        if own := [name for name in map(str, rows) if name not in frames.table_of(of).names]:
            say(f"{path}: an archive does not keep your own columns, here {', '.join(own)}")


def _refuse_future(path: str, observed: pd.Series, given: dt.datetime | None) -> None:
    """Refuse observations that are later than now: they would stay the latest state for long."""
    import pandas as pd

    latest = (observed if given is None else observed.fillna(given)).max()
    if latest > pd.Timestamp.now("UTC") + pd.Timedelta(_AHEAD):
        raise ArgumentError(
            f"{path} has rows observed at {latest:%Y-%m-%dT%H:%M:%SZ}, which is in the future; "
            "correct observed_at=, the file, or the clock of this machine"
        )


for _command in (sync, info, history, compact, vacuum, export, import_):
    archive.add_command(_command)
