"""Where tasks and log groups come from: the options, and loading."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import shlex
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import mark_partial, say
from exportstats.cli.fleet import FLEET_OPTIONS, fetch_targets, print_failures
from exportstats.cli.options import BESIDE, refuse_inputs
from exportstats.cli.wanted import FILTERS, Wanted, dashed, refuse_reversed
from exportstats.core import schema
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted, SchemaError
from exportstats.text import without_user

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from exportstats.aws.targets import Target

_LIVE_ONLY = (
    *("profiles", "endpoint_url", "next_token"),
    *("all_regions", "organization", "role_name", "external_id", "targets_file"),
)
ASK = "aws"  # the value of --log-groups and its like that asks AWS


PROFILE = click.option("--profile", metavar="NAME", help="The AWS profile.")
LIVE_REGION = click.option(
    "--region", metavar="NAME", help="The region to fetch from, such as eu-west-1."
)
ENDPOINT_URL = click.option(
    "--endpoint-url", metavar="URL", help="The endpoint to use instead of the one of AWS."
)
_PROFILES = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="The AWS profile; repeat it for several.",
)
_SOURCE = click.argument("source", nargs=-1, metavar="[SOURCE]...")
_OF_FILES = (
    click.option(
        "--times-in",
        metavar="UNIT|ZONE",
        help="How to read times in files: the unit of numbers (s, ms, us or ns), or a time zone "
        "such as Europe/Berlin for times without one.  [default: ms]",
    ),
    click.option("--strict", is_flag=True, help="Fail if any row of a file cannot be read."),
)
_REGION = click.option(
    "--region",
    metavar="NAME",
    help="Only this region, such as eu-west-1. It is also the region to fetch from, and that of "
    "files without one.",
)
_HELP = (
    "SOURCE is files, folders, patterns or archives, or - for standard input. Without it, {} "
    "are fetched from AWS."
)


def sourced(
    *options: Callable[..., Any],
    filters: Sequence[str] = tuple(FILTERS),
    what: str = "tasks",
    is_live: bool = False,
    asks_aws: bool = False,
    cls: type[click.Command] = click.Command,
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function that needs tasks, or what else `what` says.

    With `is_live`, only AWS can be the source; without `what`, only archives can. With `asks_aws`,
    AWS is asked about the source.

    The function is called with `origin`, the source and selection of tasks, and the values of its
    own options.
    """
    selecting = [FILTERS[name] for name in filters]
    region, of_files = (LIVE_REGION, ()) if is_live else (_REGION, (_SOURCE, *_OF_FILES))
    place = (*selecting[:2], region, *selecting[2:])
    every = (*place, *of_files, _PROFILES, ENDPOINT_URL, *FLEET_OPTIONS, *options)

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(**given: Any) -> None:  # noqa: ANN401 - what click parsed
            refuse_inputs(click.get_current_context())
            selected = {name: given.pop(name) for name in filters}
            fields = {field.name for field in dataclasses.fields(Origin)} & set(given)
            mine = {name: given.pop(name) for name in fields} | {"account": selected["account"]}
            wanted = Wanted(region=mine["region"], **selected)
            origin = Origin(wanted=wanted, asks_aws=asks_aws, **mine)
            if given.get("by") and not origin.source:
                _refuse_unknown(given["by"])
            function(origin=origin, **given)

        wrapped: Callable[..., None] = run
        for option in reversed(every):
            wrapped = option(wrapped)
        command = click.command(cls=cls)(wrapped)
        if not is_live:
            first, _, more = str(inspect.getdoc(function)).partition("\n\n")
            source = _HELP.format(what) if what else "SOURCE is one or more archives."
            command.help = f"{first}\n\n{source}\n\n{more}"
        return command

    return decorate


def _refuse_unknown(by: list[str]) -> None:
    """Refuse columns that tasks from AWS do not have, before fetching them."""
    from exportstats.core.frames import empty
    from exportstats.stats.grouping import names_of

    names_of(by, empty())


def fill_places(table: pd.DataFrame, other: pd.DataFrame, *, is_said: bool = True) -> pd.DataFrame:
    """Fill in missing accounts and regions if another table has only one.

    The AWS CLI prints tasks without account and region, but log groups with an ARN that has both.
    Without this, tasks and log groups would not match.
    """
    for name in schema.SLOT:
        known = other[name].dropna().unique()
        # With several it is unknown which; `conform` and the statistics warn where that matters.
        if not table[name].isna().any() or len(known) != 1:
            continue
        if is_said:
            say(f"rows without {name} are assigned to {known[0]}")
        filled = table[name].astype("str").fillna(known[0]).astype("category")
        table = table.assign(**{name: filled})
    return table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """The source of tasks and log groups (files or AWS), and the selection of what to show.

    All fields but `wanted` and `asks_aws` are options of the same name. With `asks_aws`, AWS is
    asked about the tasks of a source.
    """

    wanted: Wanted
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
    external_id: str | None = None
    targets_file: Path | None = None
    log_groups_from: tuple[str, ...] = ()
    deliveries_from: tuple[str, ...] = ()
    api_calls_from: tuple[str, ...] = ()
    incoming_from: tuple[str, ...] = ()
    evidence: str | None = None
    asks_aws: bool = False
    streams: bool = False

    def __post_init__(self) -> None:
        """Refuse options for files or for AWS if these are not used."""
        refuse_reversed(self.wanted.since, self.wanted.until)
        beside = [name for option in BESIDE for name in getattr(self, option)]
        files = [name for name in (*self.source, *beside) if name != ASK]
        asks = self.asks_aws or self.streams or ASK in beside or self.evidence is not None
        if self.source and not asks:
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
        """The accounts and regions to fetch from; None for the one of the environment."""
        found = fetch_targets(
            profiles=self.profiles,
            region=self.region,
            all_regions=self.all_regions,
            organization=self.organization,
            role_name=self.role_name,
            external_id=self.external_id,
            targets_file=self.targets_file,
        )
        if found is None:
            return None
        asked = [one for one in found if self.account in (None, one.account_id or self.account)]
        if not asked:
            raise ArgumentError(
                f"none of {len(found):,} targets is in account {self.account}; change --account"
            )
        say(f"asking {len(asked):,} targets (accounts and regions)")
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
        """The arguments that name the same source, without account and region."""
        named = {"times-in": self.times_in, "role-name": self.role_name}
        named |= {"external-id": self.external_id}
        named |= {"endpoint-url": self.endpoint_url and without_user(self.endpoint_url)}
        words = [*self.source]
        for option in BESIDE:
            given = dashed(option.removesuffix("_from"))
            words += [f"--{given}={name}" for name in getattr(self, option)]
        words += [f"--evidence={self.evidence}"] if self.evidence else []
        words += [f"--profile={name}" for name in self.profiles]
        words += [f"--{option}={value}" for option, value in named.items() if value]
        words += [f"--targets={self.targets_file}"] if self.targets_file else []
        flags = {"all-regions": self.all_regions, "organization": self.organization}
        return words + [f"--{option}" for option, given in flags.items() if given]

    def load(self, *questions: Callable[[Any], Any]) -> pd.DataFrame:
        """Load the selected tasks; with questions, at least the columns that these read."""
        wanted = self.wanted
        return wanted.of(self.tasks(*questions, status=wanted.status, task_id=wanted.task_id))

    def tasks(
        self,
        *questions: Callable[[Any], Any],
        status: str | None = None,
        task_id: str | None = None,
    ) -> pd.DataFrame:
        """Read tasks from files, or fetch them from AWS with its filters for state or task ID.

        With questions, files and archives are read with the columns that these and a command read.
        All are read if all are to be checked, or to look up deliveries.
        """
        if self.source:
            looks_up = ASK in self.deliveries_from or self.evidence is not None
            every = not questions or "-" in self.source or self.strict or looks_up
            names = None if every else _columns_of(questions)
            try:
                return self._read_tasks(names)
            except SchemaError:
                if names is None:
                    raise
                return self._read_tasks(None)  # for the error of an unknown --by
        what: dict[str, Any] = {"next_token": self.next_token, "status": status, "task_id": task_id}
        try:
            tasks = xs.fetch_tasks(self.targets, **self.asked, **what)
        except (LoadError, LoadInterrupted) as stop:
            return self._stopped(stop, "tasks", what)
        if not len(tasks):
            say("AWS lists no such tasks; check the account and the region")
        return tasks

    @functools.cached_property
    def archives(self) -> tuple[str, ...]:
        """The sources that are archives; of several sources, those that can be read."""
        from exportstats.archive.sources import is_archive, is_readable

        found = [name for name in self.source if is_archive(name)]
        if len(self.source) > 1:
            found = [name for name in found if is_readable(name)]
        return tuple(found)

    @property
    def _places(self) -> dict[str, Any]:
        """The selected account and region, as `Archive.tasks` takes them."""
        return {
            "accounts": None if self.account is None else [self.account],
            "regions": None if self.region is None else [self.region],
        }

    def _read_tasks(self, columns: list[str] | None) -> pd.DataFrame:
        """Read tasks from files and archives; of a single archive, only the selected places."""
        if self.source == self.archives and len(self.source) == 1:
            tasks = xs.Archive(self.source[0]).tasks(columns=columns, **self._places)
            if len(tasks):  # otherwise all of them are needed to say what there is instead
                return tasks
        return xs.read_tasks(*self.source, **self.reading, columns=columns)

    def phases(self) -> pd.DataFrame | None:
        """Return how long tasks waited and ran, as archives among the sources saw them."""
        from exportstats.archive.views import observations_of
        from exportstats.core.frames import stack

        # of several sources, tasks of all places are read
        places = self._places if len(self.source) == 1 else {}
        seen = [observations_of(xs.Archive(name), **places) for name in self.archives]
        found = [xs.phase_durations(one) for one in seen]
        return stack(found) if found else None

    def read_log_groups(self) -> list[pd.DataFrame]:
        """Read log groups from files, by default from archives among the sources."""
        files = [name for name in self.log_groups_from if name != ASK]
        if files:
            return [xs.read_log_groups(*files, **self.reading)]
        if self.log_groups_from or not self.archives:
            return []
        found = xs.read_log_groups(*self.archives)
        return [found] if len(found) else []

    def fetch_log_groups(self) -> list[pd.DataFrame]:
        """Fetch the log groups of the same accounts and regions, if `--log-groups aws` is given."""
        if ASK not in self.log_groups_from and self.evidence is None:
            return []
        try:
            return [xs.fetch_log_groups(self.targets, **self.asked)]
        except (LoadError, LoadInterrupted) as stop:
            return [self._stopped(stop, "log groups")]

    def api_calls(self, since: dt.datetime | None, until: dt.datetime | None) -> pd.DataFrame:
        """Read API calls from files, or fetch them from CloudTrail."""
        if self.source:
            return xs.read_api_calls(*self.source, **self.reading)
        try:
            calls = xs.fetch_api_calls(self.targets, start=since, end=until, **self.asked)
        except (LoadError, LoadInterrupted) as stop:
            return self._stopped(stop, "API calls")
        if not len(calls):
            say("CloudTrail has no such API calls; check the account and the region")
        return calls

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of `xs.fetch_tasks` other than targets."""
        return {
            "profile": self.profiles[0] if len(self.profiles) == 1 else None,
            "region": self.region if self.targets is None else None,
            # without a password, because `_stopped` prints it
            "endpoint_url": self.endpoint_url and without_user(self.endpoint_url),
        }

    def of_streams(self, tasks: pd.DataFrame) -> dict[str, Any]:
        """Return the arguments of `xs.fetch_deliveries` that compare streams."""
        targets, asked = self.targets, self.asked
        if targets is None and asked["profile"] is not None:
            slots = tasks[[*schema.SLOT]].astype(object).drop_duplicates()
            slots = slots.where(slots.notna(), None)
            targets = [
                xs.Target(account_id, region, asked["profile"])
                for account_id, region in slots.itertuples(index=False)
            ] or None
        return {"streams": True, "targets": targets, "logs_endpoint_url": asked["endpoint_url"]}

    def _stopped(
        self, stop: LoadError | LoadInterrupted, noun: str, what: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return what arrived, and print how to get the rest; raise `stop` if nothing arrived."""
        count, interrupted = len(stop.arrived), isinstance(stop, LoadInterrupted)
        if count and interrupted:
            say(f"stopped: {count:,} {noun} arrived")
        elif count:
            say(f"incomplete: {stop}")
        if self.targets is not None and stop.failures is not None:
            print_failures(stop.failures)
        if not count:
            raise stop
        if what is not None and stop.next_token:
            # a token is valid for the same request only
            again = {**self.asked, **what, "next_token": stop.next_token}
            options = [f"--{dashed(name)}={value}" for name, value in again.items() if value]
            say("for the rest:", f"exportstats fetch {shlex.join(options)} -o rest.parquet")
        mark_partial()
        return stop.arrived


# What a command reads of tasks to select them and to write its title.
_SELECTED_BY = (*schema.KEY, "log_group_name", "status_code", "creation_time", "observed_at")


def _columns_of(questions: Iterable[Callable[[Any], Any]]) -> list[str] | None:
    """Return the columns that a command reads for questions; None for all of them."""
    from exportstats.core import shards

    names = shards.columns_of(*questions)
    return None if names is None else sorted(names.union(_SELECTED_BY))
