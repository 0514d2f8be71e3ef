"""The command `emulate`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.emulator import KINDS, Emulator, Fault

if TYPE_CHECKING:
    from exportstats import records
else:  # pandas and Arrow are for a command that runs, not for its --help
    records = lazy_loader.load("exportstats.records", suppress_warning=True)


@click.command(
    epilog="Faults: " + "; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items())
)
@click.argument("source", nargs=-1, metavar="[SOURCE]...")
@click.option("--port", default=0, help="Port; a free one if left out.")
@click.option(
    "--requests-per-second",
    type=float,
    default=5.0,
    show_default=True,
    help="Quota of each account and region; 0 for none.",
)
@click.option("--latency", "latency_seconds", type=float, default=0.0, help="Seconds an answer.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:EVERY][=SECONDS][@ACCOUNT[/REGION]]",
    help="Go wrong like this; may be given again.",
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
    digits is the account it is for.

    \b
    exportstats emulate --fault throttle:10
    """
    tasks = xs.read_tasks(*source) if source else xs.sample_tasks()
    emulator = Emulator(
        records.to_json(tasks),
        port=port,
        requests_per_second=requests_per_second or None,
        latency_seconds=latency_seconds,
        faults=[Fault.parse(fault) for fault in faults],
    )
    slots = tasks.value_counts(["account_id", "region"]).reset_index(name="tasks")
    with emulator:
        what = "tasks" if source else "synthetic tasks"
        click.echo(f"{len(tasks):,} {what} on {emulator.url} until Ctrl-C. In another terminal:\n")
        click.echo(f"export AWS_ENDPOINT_URL={emulator.url} AWS_SECRET_ACCESS_KEY=emulated")
        for account, region, count in slots.itertuples(index=False):
            click.echo(f"export AWS_ACCESS_KEY_ID={account} AWS_REGION={region}  # {count:,} tasks")
        click.echo("exportstats status")
        threading.Event().wait()
