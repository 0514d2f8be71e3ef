"""The sources of tasks and log groups: the options that name them, and loading from them."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import mark_part, say
from exportstats.cli.fleet import FLEET_OPTIONS, fetch_targets, tell_failures
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
ASK = "aws"  # the value of --log-groups that fetches them from AWS


_LIVE = (
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        metavar="NAME",
        help="The profile for AWS; repeat it for several.",
    ),
    click.option(
        "--region",
        metavar="NAME",
        help="The region to fetch from, such as eu-west-1.",
    ),
    click.option("--endpoint-url", metavar="URL", help="The endpoint to use instead of AWS's own."),
)
_REGION = click.option(
    "--region",
    metavar="NAME",
    help="Only this region, such as eu-west-1; also the region to fetch from, and the region of "
    "files that name none.",
)
_READING = (
    click.option(
        "--times-in",
        metavar="UNIT|ZONE",
        help="How to read times in files: the unit of numbers (s, ms, us or ns), or the time zone "
        "of times without one, such as Europe/Berlin.  [default: ms]",
    ),
    click.option("--strict", is_flag=True, help="Fail if a row of a file cannot be read."),
)


def check_early(ask: Callable[[pd.DataFrame], object]) -> None:
    """Refuse arguments before AWS is asked; with files they are checked against all columns."""
    if not click.get_current_context().params.get("source"):
        from exportstats.core.frames import empty  # noqa: PLC0415 - pandas, not for --help

        ask(empty())


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select tasks, and pass the command a function `load`."""
    return _with_options(command, FILTERS, applied=True)


def live_options(
    command: Callable[..., None], filters: Iterable[str] = tuple(FILTERS)
) -> Callable[..., None]:
    """Add the options that select tasks to fetch, and pass the command `origin` and `wanted`."""
    return _with_options(command, filters, live=True)


def history_options(
    command: Callable[..., None], filters: Iterable[str] = tuple(FILTERS)
) -> Callable[..., None]:
    """Add the options of a command that needs all tasks, including those that it does not show.

    The command gets `origin`, to load the tasks from, and `wanted`, to select those to show.
    """
    return _with_options(command, filters)


def slot_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for one account and region."""
    profile = click.option("--profile", metavar="NAME", help="The profile for AWS.")
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
    """Add the options for the source and the selection of tasks, and parse them."""
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
    """The source of tasks and log groups: files or AWS. The fields are the options."""

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
        """Refuse options for files if there are none, and options for AWS if it is not used."""
        files = [name for name in (*self.source, *self.log_groups_from) if name != ASK]
        if self.source and ASK not in self.log_groups_from:
            self._refuse(_LIVE_ONLY, f"for AWS; leave it out, or leave out {self.source[0]}")
        if not files:
            self._refuse(("times_in", "strict"), "for files; leave it out, or name a file")

    def _refuse(self, options: Iterable[str], why: str) -> None:
        for name in options:
            if getattr(self, name) not in (None, (), False):
                option = {"profiles": "profile", "targets_file": "targets"}.get(name, name)
                raise ArgumentError(f"--{dashed(option)} is {why}")

    @functools.cached_property
    def targets(self) -> list[Target] | None:
        """The accounts and regions to fetch from; None for those of the environment."""
        found = fetch_targets(
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
                f"none of {len(found):,} targets has the account {self.account}; change --account"
            )
        say(f"asking {len(asked):,} targets, each an account and a region")
        return asked

    @property
    def reading(self) -> dict[str, Any]:
        """The arguments of `xs.read_tasks`."""
        return {
            "strict": self.strict,
            "account_id": self.account,
            "region": self.region,
            "times_in": self.times_in,
        }

    @property
    def words(self) -> list[str]:
        """The words that name the same source again, without the account and the region."""
        named = {"times-in": self.times_in, "role-name": self.role_name}
        named |= {"endpoint-url": self.endpoint_url and without_user(self.endpoint_url)}
        words = [*self.source]
        words += [f"--log-groups={name}" for name in self.log_groups_from]
        words += [f"--profile={name}" for name in self.profiles]
        words += [f"--{option}={value}" for option, value in named.items() if value]
        words += [f"--targets={self.targets_file}"] if self.targets_file else []
        flags = {"all-regions": self.all_regions, "organization": self.organization}
        return words + [f"--{option}" for option, given in flags.items() if given]

    def load(self, wanted: Wanted) -> pd.DataFrame:
        """Load the selected tasks."""
        return wanted.of(self.tasks(status=wanted.status, task_id=wanted.task_id))

    def tasks(self, *, status: str | None = None, task_id: str | None = None) -> pd.DataFrame:
        """Read the files, or fetch from AWS, which can select by state or identifier."""
        if self.source:
            return xs.read_tasks(*self.source, **self.reading)
        what: dict[str, Any] = {"next_token": self.next_token, "status": status, "task_id": task_id}
        try:
            tasks = xs.fetch_tasks(self.targets, **self.asked, **what)
        except (LoadError, LoadInterrupted) as stop:
            return self._stopped(stop, what)
        if not len(tasks):
            say("AWS lists no such tasks; check the account and the region")
        return tasks

    def read_log_groups(self) -> list[pd.DataFrame]:
        """Read log groups from files."""
        files = [name for name in self.log_groups_from if name != ASK]
        return [xs.read_log_groups(*files, **self.reading)] if files else []

    def fetch_log_groups(self) -> list[pd.DataFrame]:
        """Fetch the log groups of the same accounts and regions, if asked for."""
        if ASK not in self.log_groups_from:
            return []
        try:
            return [xs.fetch_log_groups(self.targets, **self.asked)]
        except (LoadError, LoadInterrupted) as stop:
            return [self._stopped(stop)]

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of `xs.fetch_tasks` besides targets."""
        return {
            "profile": self.profiles[0] if len(self.profiles) == 1 else None,
            "region": self.region if self.targets is None else None,
            # `_stopped` prints it
            "endpoint_url": self.endpoint_url and without_user(self.endpoint_url),
        }

    def _stopped(
        self, stop: LoadError | LoadInterrupted, what: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return what arrived, if anything did, and print how to get the rest."""
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
            # a token is valid for the same request only
            again = {**self.asked, **what, "next_token": stop.next_token}
            options = [f"--{dashed(name)}={value}" for name, value in again.items() if value]
            say(f"for the rest: exportstats fetch {shlex.join(options)} -o rest.parquet")
        mark_part()
        return stop.arrived
