"""Where a command's tasks and log groups come from: the options that say so, and getting them."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import mark_part, say
from exportstats.cli.fleet import FLEET_OPTIONS, find_targets, tell_failures
from exportstats.cli.options import refuse_inputs
from exportstats.cli.wanted import FILTERS, Wanted, dashed
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted
from exportstats.text import without_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd

    from exportstats.aws.targets import Target

_LIVE_ONLY = (
    *("profiles", "endpoint_url", "next_token"),
    *("all_regions", "organization", "role_name", "targets_file"),
)
ASK = "aws"  # what stands for log groups that AWS is asked for


_LIVE = (
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        metavar="NAME",
        help="Ask AWS as this profile; may be given again, to ask several.",
    ),
    click.option(
        "--region",
        metavar="NAME",
        help="Ask AWS in this region, such as eu-west-1.",
    ),
    click.option("--endpoint-url", metavar="URL", help="Ask this address instead of AWS's own."),
)
_REGION = click.option(
    "--region",
    metavar="NAME",
    help="Only this region, such as eu-west-1: AWS is asked there; files that name none are of "
    "this one.",
)
_READING = (
    click.option(
        "--times-in",
        metavar="UNIT|ZONE",
        help="How to read times in files: s, ms, us or ns for numbers of these, or the zone of "
        "times that name none, such as Europe/Berlin.  [default: ms]",
    ),
    click.option("--strict", is_flag=True, help="Refuse files with a row that cannot be read."),
)


def check_early(ask: Callable[[pd.DataFrame], object]) -> None:
    """Refuse what cannot be asked before AWS is; only a file may have further columns."""
    if not click.get_current_context().params.get("source"):
        from exportstats.core.frames import empty  # noqa: PLC0415 - pandas, not for --help

        ask(empty())


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and the options that say which tasks to read or fetch, and a `load`."""
    return _with_options(command, FILTERS, applied=True)


def live_options(
    command: Callable[..., None], filters: Iterable[str] = tuple(FILTERS)
) -> Callable[..., None]:
    """Add the options that say which tasks to fetch; gives the command `origin` and `wanted`."""
    return _with_options(command, filters, live=True)


def history_options(
    command: Callable[..., None], filters: Iterable[str] = tuple(FILTERS)
) -> Callable[..., None]:
    """Add the options of a command that needs all tasks, also those that it does not show.

    The command is given `origin`, where to get them, and `wanted`, which to show.
    """
    return _with_options(command, filters)


def slot_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which account and region to ask, one of each."""
    profile = click.option("--profile", metavar="NAME", help="Ask AWS as this profile.")
    for option in (*reversed(_LIVE[1:]), profile):
        command = option(command)
    return command


def _with_options(
    command: Callable[..., None],
    filters: Iterable[str],
    *,
    live: bool = False,
    applied: bool = False,
) -> Callable[..., None]:
    """Add the options on where tasks come from and which are wanted, and read them."""
    filters = tuple(filters)

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what click parsed
        refuse_inputs(click.get_current_context())
        mine = {
            field.name: given.pop(field.name)
            for field in dataclasses.fields(Origin)
            if field.name in given
        }
        wanted = Wanted(
            account=mine.get("account"),
            region=mine["region"],
            **{name: given.pop(name) for name in filters if name in given},
        )
        if wanted.since and wanted.until and wanted.since >= wanted.until:
            raise ArgumentError(
                f"--since {wanted.since} is not before --until {wanted.until}; swap or change them"
            )
        origin = Origin(**mine)
        if applied:
            command(load=lambda: origin.load(wanted), **given)
        else:
            command(origin=origin, wanted=wanted, **given)

    options = [FILTERS[name] for name in filters]
    profile, region, endpoint_url = _LIVE
    if not live:
        run = click.argument("source", nargs=-1, metavar="[SOURCE]...")(run)
        options += _READING
        region = _REGION
    for option in reversed(
        (*options[:2], region, *options[2:], profile, endpoint_url, *FLEET_OPTIONS)
    ):
        run = option(run)
    return run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Where tasks and log groups come from: files, or AWS; the fields are the options' own."""

    source: tuple[str, ...] = ()
    times_in: str | None = None
    strict: bool = False
    account: str | None = None
    region: str | None = None
    profiles: tuple[str, ...] = ()
    endpoint_url: str | None = None
    next_token: str | None = None
    all_regions: bool = False
    organization: bool = False
    role_name: str | None = None
    targets_file: Path | None = None
    log_groups_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse options that are for files where there are none, or for AWS where it is not asked.

        Raises
        ------
        ArgumentError
            There is one; the text names it.
        """
        files = [name for name in (*self.source, *self.log_groups_from) if name != ASK]
        if self.source and ASK not in self.log_groups_from:
            self._refuse(_LIVE_ONLY, f"for asking AWS; leave it out, or leave out {self.source[0]}")
        if not files:
            self._refuse(("times_in", "strict"), "for files; leave it out, or name a file")

    def _refuse(self, options: Iterable[str], why: str) -> None:
        for name in options:
            if getattr(self, name) not in (None, (), False):
                option = {"profiles": "profile", "targets_file": "targets"}.get(name, name)
                raise ArgumentError(f"--{dashed(option)} is {why}")

    @functools.cached_property
    def targets(self) -> list[Target] | None:
        """The accounts and regions to ask; found once, also if tasks and log groups are asked for.

        None for the one of the environment.
        """
        found = find_targets(
            profiles=self.profiles,
            region=self.region,
            all_regions=self.all_regions,
            organization=self.organization,
            role_name=self.role_name,
            targets_file=self.targets_file,
        )
        if found is None:
            return None
        asked = [one for one in found if self.account in (None, one.account_id or self.account)]
        if not asked:
            raise ArgumentError(
                f"none of {len(found):,} targets is of --account {self.account}; change it"
            )
        say(f"asking {len(asked):,} targets, each an account and a region")
        return asked

    @property
    def reading(self) -> dict[str, Any]:
        """How to read files, as `xs.read_tasks` takes it."""
        return {
            "strict": self.strict,
            "account_id": self.account,
            "region": self.region,
            "times_in": self.times_in,
        }

    def load(self, wanted: Wanted) -> pd.DataFrame:
        """Get just the tasks that are wanted."""
        return wanted.of(self.tasks(status=wanted.status, task_id=wanted.task_id))

    def tasks(self, *, status: str | None = None, task_id: str | None = None) -> pd.DataFrame:
        """Read the files or, where none is named, ask AWS, which selects by state or identifier."""
        if self.source:
            return xs.read_tasks(*self.source, **self.reading)
        what: dict[str, Any] = {"next_token": self.next_token, "status": status, "task_id": task_id}
        try:
            tasks = xs.fetch_tasks(self.targets, **self.asked, **what)
        except (LoadError, LoadInterrupted) as stop:
            return self._stopped(stop, what)
        if not len(tasks):
            say("AWS lists no such tasks; is it the right account and region?")
        return tasks

    def read_log_groups(self) -> list[pd.DataFrame]:
        """Read the log groups that files have."""
        files = [name for name in self.log_groups_from if name != ASK]
        return [xs.read_log_groups(*files, **self.reading)] if files else []

    def fetch_log_groups(self) -> list[pd.DataFrame]:
        """Ask AWS for the log groups of the same accounts and regions, if that is wanted."""
        if ASK not in self.log_groups_from:
            return []
        try:
            return [xs.fetch_log_groups(self.targets, **self.asked)]
        except (LoadError, LoadInterrupted) as stop:
            return [self._stopped(stop)]

    @property
    def asked(self) -> dict[str, Any]:
        """Whom to ask, as `xs.fetch_tasks` takes it beside targets."""
        return {
            "profile": self.profiles[0] if len(self.profiles) == 1 else None,
            "region": self.region if self.targets is None else None,
            # what is asked is shown too, for the rest
            "endpoint_url": self.endpoint_url and without_user(self.endpoint_url),
        }

    def _stopped(
        self, stop: LoadError | LoadInterrupted, what: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Go on with what arrived, if anything did, and say what did not and how to get it."""
        count, interrupted = len(stop.arrived), isinstance(stop, LoadInterrupted)
        if count and interrupted:
            say(f"stopped: {count:,} {'log groups' if what is None else 'tasks'} arrived")
        elif count:
            say(f"incomplete: {stop}")
        if self.targets is not None and stop.failures is not None:
            tell_failures(stop.failures)
        if not count:
            raise stop
        if what is not None and stop.next_token:
            # a token holds for the same question only
            again = {**self.asked, **what, "next_token": stop.next_token}
            options = [f"--{dashed(name)}={value}" for name, value in again.items() if value]
            say(f"for the rest: exportstats fetch {shlex.join(options)} -o rest.parquet")
        mark_part()
        return stop.arrived
