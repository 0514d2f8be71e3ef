"""The command `demo`."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.options import NewFolder
from exportstats.cli.question import draw
from exportstats.errors import ArgumentError
from exportstats.io.whole import whole_file
from exportstats.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

_START, _END = "2026-09-01", "2026-11-22"
_RANGE = f"--since {_START} --until {_END}"
_COMMANDS = (
    "status {tasks} --by account_id,region",
    "status {tasks} --freq MS --plot {folder}/status.png",
    "durations {tasks} --by log_group_name --plot {folder}/durations.png",
    "durations {tasks} --freq MS --plot {folder}/trend.png",
    "failures {tasks} --plot {folder}/failures.png",
    f"coverage {{tasks}} {_RANGE} --plot {{folder}}/coverage.png",
    "gaps {tasks} --tolerance 1min",
)
# What is known beside the tasks: its option, and the file of the sample.
_EVIDENCE = {
    "api-calls": "api_calls.jsonl.gz",
    "incoming": "incoming.csv.gz",
    "deliveries": "deliveries.jsonl.gz",
}
_WITH = " ".join(f"--{name} {{folder}}/{file}" for name, file in _EVIDENCE.items())
_WITH_EVIDENCE = (
    f"coverage {{tasks}} {_RANGE} {_WITH} --plot {{folder}}/evidence.png",
    f"gaps {{tasks}} --since 2026-10-23 --until 2026-11-22 --tolerance 1min {_WITH}",
)
# The last week of the sample.
_REPORT = (
    f"report {{tasks}} --log-groups {{folder}}/log-groups.json {_WITH} --week 2026-W47 "
    "--html {folder}/report-2026-W47.html --csv-dir {folder}/report-2026-W47"
)


@click.command()
@click.option(
    "-o",
    "--output",
    "folder",
    type=NewFolder(),
    default=Path("demo-output"),
    show_default=True,
    help="The folder for the tasks, the charts and the report.",
)
def demo(folder: Path) -> None:
    """Try everything on a synthetic sample, without AWS.

    This starts an emulator of the service on this machine, with a year of synthetic tasks. It
    fetches them with boto3 over HTTP, and writes tables, charts and a report. Coverage is shown
    without and with evidence.
    """
    from exportstats.emulator import Emulator
    from exportstats.io import json_text, sample as sampled

    _claim(folder)
    sample = xs.sample_tasks()
    # at the time of the sample, after which it has no tasks
    with Emulator(json_text.to_json(sample), now=sample["observed_at"].max()) as emulator:
        click.echo(
            f"{len(sample):,} synthetic tasks are served on {emulator.url}, "
            "an emulator of CloudWatch Logs."
        )
        tasks = xs.concat(list(_fetch_each(sample, emulator.url)))
    where = folder / "tasks.parquet"
    xs.write_tasks(tasks, where)
    copies = {"log-groups.json": "log_groups.json"} | {file: file for file in _EVIDENCE.values()}
    for name, original in copies.items():
        with whole_file(folder / name) as file:
            file.write((sampled.folder() / original).read_bytes())
    for command in _COMMANDS:
        _run(command, where, folder)
    summary = xs.coverage_summary(tasks, start=_START, end=_END)
    covered = (summary["covered_at_most"] * summary["length"]).sum() / summary["length"].sum()
    click.secho(
        f"\nThe list of tasks alone says: covered at most {percent(covered)}. With synthetic "
        "evidence\n(API calls, what came in and what was delivered), there are two bounds:",
        bold=True,
    )
    for command in _WITH_EVIDENCE:
        _run(command, where, folder)
    for name, plot in (
        ("tasks", lambda: xs.plot_task_durations(tasks)),
        ("histogram", lambda: xs.plot_duration_histogram(xs.duration_histogram(tasks))),
        ("completion-times", lambda: xs.plot_completion_times(xs.completion_times(tasks))),
    ):
        draw(plot, folder / f"{name}.png")
    click.secho(f"\nThe synthetic tasks, evidence and charts are in {folder}/:", bold=True)
    for path in sorted([*folder.glob("*.p*"), *folder.glob("*.gz")]):
        click.echo(f"  {path}")
    _run(_REPORT, where, folder)
    click.secho("\nThe report on the last week of the synthetic tasks, with evidence:", bold=True)
    click.echo(f"  {folder / 'report-2026-W47.html'}")
    click.secho("\nNext, on your own account, or with the sample in place of AWS:", bold=True)
    click.echo(f"  {_program()} doctor")
    click.echo(f"  {_program()} emulate")


def _program() -> str:
    """Return the command as it can be typed, in an environment that is not activated too."""
    if shutil.which("exportstats"):
        return "exportstats"
    return shlex.quote(os.path.relpath(Path(sys.executable).with_name("exportstats")))


def _claim(folder: Path) -> None:
    """Create the folder, or reuse that of an earlier demo; refuse one with other files."""
    mark = folder / ".exportstats-demo"
    if folder.exists() and not mark.exists() and any(folder.iterdir()):
        raise ArgumentError(
            f"{folder} has files that are not from a demo; choose another folder with -o"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _run(command: str, tasks: Path, folder: Path) -> None:
    words = [word.format(tasks=tasks, folder=folder) for word in command.split()]
    click.secho(f"\n$ exportstats {shlex.join(words)}", bold=True)
    main = click.get_current_context().find_root().command
    if code := main.main(words, standalone_mode=False):
        click.get_current_context().exit(code)


def _fetch_each(sample: pd.DataFrame, url: str) -> Iterator[pd.DataFrame]:
    """Fetch the tasks of each account and region, with the account as the access key."""
    slots = sample[["account_id", "region"]].drop_duplicates().sort_values(["account_id", "region"])
    for account, region in slots.itertuples(index=False):
        with _environment(
            AWS_ACCESS_KEY_ID=account,
            AWS_SECRET_ACCESS_KEY="emulated",  # noqa: S106
            no_proxy="*",
        ):
            tasks = xs.fetch_tasks(region=region, endpoint_url=url)
        click.echo(f"  {account} {region}: {len(tasks):,} tasks fetched")
        yield tasks


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables temporarily, and hide the user's own AWS settings."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(values, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
