"""Where a command's tasks come from: the options that say so, and getting them."""

from __future__ import annotations

import datetime as dt
import functools
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import exportstats as xs
from exportstats.cli.failing import PARTIAL, say
from exportstats.cli.fleet import FLEET_OPTIONS, find_targets, tell_failures
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.aws.targets import Target

_STATES = ("PENDING", "RUNNING", "PENDING_CANCEL", "COMPLETED", "FAILED", "CANCELLED")
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WHICH = ("profiles", "region", "all_regions", "organization", "role_name", "targets_file")
_WHOM = ("profiles", "region", "endpoint_url")
_LIVE_ONLY = (*_WHOM, "next_token", *_WHICH[2:])


class Loaded(NamedTuple):
    """A command's tasks or log groups, and the exit code if they are not all."""

    table: pd.DataFrame
    exit_code: int


def moment(ctx: click.Context, param: click.Parameter, text: str | None) -> dt.datetime | None:
    """Read a date or a time (UTC unless it says otherwise), or how long ago, as in 7d."""
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return dt.datetime.now(dt.UTC) - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time; give 2026-11-01, 2026-11-01T06:00Z or 7d", ctx, param
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


_LIVE = (
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        metavar="NAME",
        help="Ask AWS as this profile; may be given again, to ask several.",
    ),
    click.option("--region", metavar="NAME", help="Ask AWS in this region, such as eu-west-1."),
    click.option("--endpoint-url", metavar="URL", help="Ask this address instead of AWS's own."),
)
_FILTERS = (
    click.option(
        "--status",
        type=click.Choice(_STATES, case_sensitive=False),
        metavar="STATE",
        help=f"Only tasks in this state: {', '.join(_STATES)}.",
    ),
    click.option("--task-id", metavar="ID", help="Only this task."),
    click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="Only tasks created then or later: 2026-11-01, 2026-11-01T06:00Z (UTC unless it says "
        "otherwise), or as long ago as 90m, 24h, 7d or 4w.",
    ),
    click.option("--until", callback=moment, metavar="TIME", help="Only tasks created before."),
)


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which tasks to fetch, and give the command a `load` for them."""
    return _with_options(command, (*_LIVE, *FLEET_OPTIONS, *_FILTERS))


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and the options that say which tasks to read or fetch, and a `load`."""
    source = click.argument("source", nargs=-1, metavar="[SOURCE]...")
    return _with_options(command, (source, *_LIVE, *FLEET_OPTIONS, *_FILTERS))


def slot_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which account and region to ask, one of each."""
    profile = click.option("--profile", metavar="NAME", help="Ask AWS as this profile.")
    for option in (*reversed(_LIVE[1:]), profile):
        command = option(command)
    return command


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which accounts and regions to ask.

    The command is given `targets`, and `profile`, `region` and `endpoint_url`, all as
    `xs.fetch_tasks` takes them.
    """

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what click parsed
        which = {name: given.pop(name) for name in _WHICH}
        targets, profiles = find_targets(**which), which["profiles"]
        command(
            targets=targets,
            profile=profiles[0] if len(profiles) == 1 else None,
            region=which["region"] if targets is None else None,
            **given,
        )

    for option in reversed((*_LIVE, *FLEET_OPTIONS)):
        run = option(run)
    return run


def history_options(
    command: Callable[..., None], *, log_groups: bool = False
) -> Callable[..., None]:
    """Add the argument and the options that say whose tasks to read or fetch, all of them.

    The command is given `load` for the tasks and, if it wants, `ask_log_groups` for log groups.
    """
    source = click.argument("source", nargs=-1, metavar="[SOURCE]...")
    return _with_options(command, (source, *_LIVE, *FLEET_OPTIONS), log_groups=log_groups)


def _with_options(
    command: Callable[..., None], options: tuple[Any, ...], *, log_groups: bool = False
) -> Callable[..., None]:
    filters = ("status", "task_id", "since", "until") if _FILTERS[0] in options else ()
    asked = ("source", *filters, *_LIVE_ONLY)

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what click parsed
        mine = {name: given.pop(name) for name in asked if name in given}
        # found once, also if both tasks and log groups are asked for
        mine["find"] = functools.cache(
            functools.partial(find_targets, **{name: mine[name] for name in _WHICH})
        )
        if log_groups:
            live = {name: mine[name] for name in (*_WHOM, "find")}
            given["ask_log_groups"] = functools.partial(_ask_log_groups, **live)
        command(load=functools.partial(_load, **mine), **given)

    for option in reversed(options):
        run = option(run)
    return run


def _load(
    *,
    source: tuple[str, ...] = (),
    status: str | None = None,
    task_id: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    find: Callable[[], list[Target] | None],
    asks_anyway: bool = False,
    **live: Any,  # noqa: ANN401 - what click parsed
) -> Loaded:
    """Read the files, or ask AWS where none is named; `asks_anyway` is for something else."""
    if since and until and since >= until:
        raise ArgumentError(f"--since {since} is not before --until {until}; swap or change them")
    named = [name for name, value in live.items() if value not in (None, (), False)]
    if source and named and not asks_anyway:
        option = {"profiles": "profile", "targets_file": "targets"}.get(named[0], named[0])
        raise ArgumentError(
            f"--{_dashed(option)} is for asking AWS; leave it out, or leave out {source[0]}"
        )
    if source:
        loaded, code = xs.read_tasks(*source), 0
    else:
        loaded, code = _ask(
            find,
            profiles=live["profiles"],
            region=live["region"],
            endpoint_url=live["endpoint_url"],
            next_token=live.get("next_token"),
            status=status,
            task_id=task_id,
        )
    tasks = loaded
    for name, wanted in (("status_code", status), ("task_id", task_id)):
        tasks = tasks if wanted is None else tasks[tasks[name] == wanted]
    undated = tasks["creation_time"].isna().sum() if since or until else 0
    if undated:
        say(f"--since and --until leave out {undated:,} tasks without a creation time")
    for time, keep in ((since, "ge"), (until, "lt")):
        if time is not None:
            tasks = tasks[getattr(tasks["creation_time"], keep)(time)]
    if len(loaded) and not len(tasks):
        say(f"none of {len(loaded):,} tasks fits --status, --task-id, --since and --until")
    return Loaded(tasks.reset_index(drop=True), code)


def _ask(
    find: Callable[[], list[Target] | None],
    *,
    profiles: tuple[str, ...],
    region: str | None,
    **asked: str | None,
) -> Loaded:
    """Ask AWS, in one account and region or in many."""
    targets = find()
    profile = profiles[0] if len(profiles) == 1 else None
    if targets is None:
        return _fetch(None, profile=profile, region=region, **asked)
    say(f"asking {len(targets):,} targets, each an account and a region")
    return _fetch(targets, profile=profile, **asked)


def _ask_log_groups(
    *,
    profiles: tuple[str, ...],
    region: str | None,
    endpoint_url: str | None,
    find: Callable[[], list[Target] | None],
) -> Loaded:
    """Ask AWS for the log groups of the same accounts and regions."""
    targets = find()
    profile = profiles[0] if len(profiles) == 1 else None
    region = region if targets is None else None
    try:
        found = xs.fetch_log_groups(
            targets, profile=profile, region=region, endpoint_url=endpoint_url
        )
    except (LoadError, LoadInterrupted) as stop:
        if len(stop.arrived):
            say(f"incomplete: {stop}")
        _tell(targets, stop)
        if not len(stop.arrived):
            raise
        return Loaded(stop.arrived, PARTIAL)
    return Loaded(found, 0)


def _fetch(targets: list[Target] | None, **asked: str | None) -> Loaded:
    try:
        tasks = xs.fetch_tasks(targets, **asked)  # type: ignore[arg-type] # all are text
    except (LoadError, LoadInterrupted) as stop:
        if not len(stop.tasks):
            _tell(targets, stop)
            raise
        stopped = f"stopped: {len(stop.tasks):,} tasks arrived"
        say(stopped if isinstance(stop, LoadInterrupted) else f"incomplete: {stop}")
        _tell(targets, stop)
        if stop.next_token:
            # a token holds for the same question only
            again = {**asked, "next_token": stop.next_token}
            options = [f"--{_dashed(name)}={value}" for name, value in again.items() if value]
            say(f"for the rest: exportstats fetch {shlex.join(options)} -o rest.parquet")
        return Loaded(stop.tasks, PARTIAL)
    if not len(tasks):
        say("AWS lists no such tasks; is it the right account and region?")
    return Loaded(tasks, 0)


def _tell(targets: list[Target] | None, stop: LoadError | LoadInterrupted) -> None:
    """Say which of many targets failed."""
    if targets is not None and stop.failures is not None:
        tell_failures(stop.failures)


def _dashed(name: str) -> str:
    """Give the name of an option as one types it."""
    return name.replace("_", "-")
