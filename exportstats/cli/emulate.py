"""The command `emulate`."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import shlex
import threading
from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.wanted import moment
from exportstats.core import schema
from exportstats.text import plain

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd


class Emulate(click.Command):
    """A command whose help lists the faults."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of faults."""
        from exportstats.emulator import KINDS

        with formatter.section("Faults"):
            formatter.write_dl(list(KINDS.items()))


@click.command(cls=Emulate)
@click.argument("source", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--log-groups",
    "log_groups_from",
    metavar="FILE",
    help="Serve the log groups in this output of `aws logs describe-log-groups`.",
)
@click.option(
    "--now",
    callback=moment,
    metavar="TIME",
    help="Start the emulator's clock at this time (UTC by default), such as 2026-11-26T06:00Z, and "
    "move tasks and log groups to it.  [default: now for the sample; files are not moved]",
)
@click.option(
    "--port",
    metavar="NUMBER",
    type=click.IntRange(0, 65_535),
    default=0,
    help="The port.  [default: any free port]",
)
@click.option(
    "--requests-per-second",
    metavar="NUMBER",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="The quota of each account, region and operation; 0 for no quota.",
)
@click.option(
    "--latency",
    "latency_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="How long each response takes.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:EVERY][=SECONDS][@ACCOUNT[/REGION]]",
    help="Produce this fault in every request, or in every EVERY-th. Repeat it for several.",
)
def emulate(
    source: tuple[str, ...],
    log_groups_from: str | None,
    now: dt.datetime | None,
    faults: tuple[str, ...],
    requests_per_second: float,
    **more: Any,  # noqa: ANN401 - as `Emulator` takes them
) -> None:
    """Emulate the CloudWatch Logs endpoint on 127.0.0.1.

    Without a SOURCE, the synthetic sample is served as of now. Its times are moved by whole weeks,
    which keeps weekdays and hours. Tasks and log groups that would lie in the future are left out.
    Active tasks are at most as old as in the sample (19 seconds to an hour). No task changes while
    the emulator runs.

    Files are served unchanged. With --now they are moved like the sample: their latest time of
    observation becomes --now, or a time less than a week later.

    CloudTrail's LookupEvents is answered with the call that created each task, by a role
    `synthetic` if none is recorded. Of the last twelve weeks, the sample also has refused calls,
    and what log groups took in (GetMetricData). It has objects in S3 (ListObjectsV2) of each
    COMPLETED task, and their log streams (DescribeLogStreams), so --evidence live knows all
    sources.

    An access key of twelve digits selects that account. All accounts are one organisation, in which
    every role can be assumed, so --all-regions and --organization work. Ctrl-C stops the emulator
    with exit code 0.

    \b
    exportstats emulate --fault throttle:10 --fault slow:3=2.5@/eu-west-1
    exportstats emulate tasks.jsonl --now 2026-11-26T06:00Z
    """
    from exportstats.emulator import (
        DEFAULT_ACCOUNT,
        DEFAULT_REGION,
        Emulator,
        Fault,
        rebase,
        rebase_evidence,
    )
    from exportstats.io.sample import recorded_calls, recorded_objects, recorded_streams

    tasks = _to_json(xs.read_tasks(*source) if source else xs.sample_tasks(), schema.TASKS)
    log_groups: list[dict[str, Any]] = []
    if log_groups_from is not None:
        log_groups = _to_json(xs.read_log_groups(log_groups_from), schema.LOG_GROUPS)
    elif not source:
        log_groups = _to_json(xs.sample_log_groups(), schema.LOG_GROUPS)
    at = now or dt.datetime.now(dt.UTC)
    api_calls: list[dict[str, Any]] = []
    incoming: list[dict[str, Any]] = []
    if not source:
        hours = _to_json(xs.sample_incoming(), schema.INCOMING)
        api_calls, incoming = rebase_evidence(tasks, recorded_calls(), hours, now=at)
    moved = rebase(tasks, log_groups, now=at)
    if now or not source:
        tasks = moved[0]
    if now or log_groups_from is None:
        log_groups = moved[1]
    emulator = Emulator(
        tasks,
        log_groups=log_groups,
        api_calls=api_calls,
        incoming=incoming,
        log_streams=() if source else recorded_streams(log_groups, int(at.timestamp() * 1000)),
        objects=() if source else recorded_objects(),
        requests_per_second=requests_per_second or None,
        faults=[Fault.parse(fault) for fault in faults],
        now=at,
        **more,
    )
    slots = collections.Counter(
        (item.get("accountId", DEFAULT_ACCOUNT), item.get("region", DEFAULT_REGION))
        for item in (*tasks, *log_groups)
    )
    with emulator:
        what = f"{len(tasks):,} {'tasks' if source else 'synthetic tasks'}"
        if log_groups:
            what += f" and {len(log_groups):,} log groups"
        if now or not source:
            what += f" as of {at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        click.echo(f"{what}\non {emulator.url} until Ctrl-C. In another terminal, set")
        click.echo("an account and region (of several lines, the last one counts):\n")
        click.echo(f"export AWS_ENDPOINT_URL={emulator.url} AWS_SECRET_ACCESS_KEY=emulated")
        # without comments, because an interactive zsh reads # as an argument
        for (account, region), _ in reversed(slots.most_common()):
            where = shlex.quote(plain(region))
            click.echo(f"export AWS_ACCESS_KEY_ID={account} AWS_DEFAULT_REGION={where}")
        click.echo("exportstats status")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def _to_json(table: pd.DataFrame, kind: schema.Table) -> list[dict[str, Any]]:
    """Return a table as the JSON of AWS, without the user's own columns."""
    from exportstats.io import json_text

    return list(json_text.to_json(table[[column.name for column in kind.base]], kind))
