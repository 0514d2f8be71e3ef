"""The command `emulate`."""

from __future__ import annotations

import collections
import contextlib
import shlex
import threading
from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.emulator import DEFAULT_ACCOUNT, DEFAULT_REGION, KINDS, Emulator, Fault
from exportstats.text import plain

if TYPE_CHECKING:
    from exportstats.io import records
else:  # pandas and Arrow are for a command that runs, not for its --help
    records = lazy_loader.load("exportstats.io.records", suppress_warning=True)


class Emulate(click.Command):
    """A command whose help lists the faults."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of faults."""
        with formatter.section("Faults"):
            formatter.write_dl(list(KINDS.items()))


@click.command(cls=Emulate)
@click.argument("source", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--port",
    metavar="NUMBER",
    type=click.IntRange(0, 65_535),
    default=0,
    help="A free one if left out.",
)
@click.option(
    "--requests-per-second",
    metavar="NUMBER",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Quota of each account and region; 0 for none.",
)
@click.option(
    "--latency",
    "latency_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="How long each answer takes.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:EVERY][=SECONDS][@ACCOUNT[/REGION]]",
    help="Go wrong like this, always or in each EVERY-th request; may be given again.",
)
def emulate(
    source: tuple[str, ...],
    port: int,
    requests_per_second: float,
    latency_seconds: float,
    faults: tuple[str, ...],
) -> None:
    """Serve a look-alike of the CloudWatch Logs endpoint for export tasks, on 127.0.0.1.

    The tasks are those of the SOURCE files, or of the synthetic sample. An access key of twelve
    digits is the account it is for. Ctrl-C ends it, with the exit code 0.

    \b
    exportstats emulate --fault throttle:10 --fault slow:3=2.5@/eu-west-1
    """
    tasks = xs.read_tasks(*source) if source else xs.sample_tasks()
    emulator = Emulator(
        records.to_json(tasks),
        port=port,
        requests_per_second=requests_per_second or None,
        latency_seconds=latency_seconds,
        faults=[Fault.parse(fault) for fault in faults],
    )
    slots = collections.Counter(
        zip(
            tasks["account_id"].astype(object).fillna(DEFAULT_ACCOUNT),
            tasks["region"].astype(object).fillna(DEFAULT_REGION),
            strict=True,
        )
    )
    with emulator:
        what = "tasks" if source else "synthetic tasks"
        click.echo(f"{len(tasks):,} {what} on {emulator.url} until Ctrl-C. In another terminal:\n")
        click.echo(f"export AWS_ENDPOINT_URL={emulator.url} AWS_SECRET_ACCESS_KEY=emulated")
        for (account, region), count in slots.most_common():
            where = shlex.quote(plain(region))
            click.echo(
                f"export AWS_ACCESS_KEY_ID={account} AWS_DEFAULT_REGION={where}  # {count:,} tasks"
            )
        click.echo("exportstats status")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
