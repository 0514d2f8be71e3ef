"""Many accounts and regions: the options, and messages on failures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import wrapped
from exportstats.errors import ArgumentError
from exportstats.text import plain, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from exportstats.aws.targets import Target

FLEET_OPTIONS = (
    click.option("--all-regions", is_flag=True, help="Fetch from every enabled region."),
    click.option(
        "--organization",
        is_flag=True,
        help="Fetch from every active account of the organisation; needs --role-name.",
    ),
    click.option("--role-name", metavar="NAME", help="The role to assume in each account."),
    click.option(
        "--external-id", metavar="ID", help="The external ID that the roles' trust policies demand."
    ),
    click.option(
        "--targets",
        "targets_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Fetch from the accounts and regions in this CSV or JSON file. Its fields are "
        "account_id, region, and profile, or role_arn and external_id.",
    ),
)
_SHOWN = 10  # targets of each cause
_CAUSES = 20
_WIDTH = 80  # of an invalid value
_FIELDS = ("account_id", "region", "profile", "role_arn", "external_id")


def fetch_targets(
    *,
    profiles: Sequence[str],
    region: str | None,
    all_regions: bool,
    organization: bool,
    role_name: str | None,
    external_id: str | None,
    targets_file: Path | None,
) -> list[Target] | None:
    """Return the accounts and regions that options name; None for the one of the environment."""
    if organization != (role_name is not None):
        raise ArgumentError("--organization and --role-name go together; give both or neither")
    if external_id is not None and not organization:
        raise ArgumentError(
            f"--external-id {external_id} is for --organization and --role-name; in a file of "
            "--targets it is a field"
        )
    if all_regions and region is not None:
        raise ArgumentError(
            f"--all-regions and --region {region} cannot be combined; leave one out"
        )
    if targets_file is not None:
        if profiles or region or all_regions or organization:
            raise ArgumentError(
                f"--targets {targets_file} names all accounts and regions; "
                "leave out --profile, --region, --all-regions and --organization"
            )
        return read_targets(targets_file)
    if organization or all_regions:
        regions: Any = "all" if all_regions else None if region is None else [region]
        return [
            target
            for profile in profiles or (None,)
            for target in xs.fetch_targets(
                profile=profile, regions=regions, role_name=role_name, external_id=external_id
            )
        ]
    if len(profiles) > 1:
        return [xs.Target(region=region, profile=profile) for profile in profiles]
    return None


def print_failures(failures: pd.DataFrame) -> None:
    """Print the failures on stderr."""
    click.echo("\n".join(map(wrapped, failure_lines(failures))) + "\n", err=True)


def failure_lines(failures: pd.DataFrame) -> Iterator[str]:
    """Yield each cause once, with its remedy and its targets."""
    causes: dict[tuple[str, str], list[int]] = {}
    said = zip(failures["reason"], failures["remedy"], strict=True)
    for at, (reason, remedy) in enumerate(said):
        causes.setdefault((reason.partition(":")[0], remedy), []).append(at)
    for rows in list(causes.values())[:_CAUSES]:
        hit = failures.iloc[rows]
        first = hit.iloc[0]
        yield from ("", f"  {plain(first['reason'])}", f"    {plain(first['remedy'])}")
        for row in hit.head(_SHOWN).itertuples():
            who = " ".join(
                str(part)
                for part in (row.account_id, row.region, row.profile, row.role_arn)
                if isinstance(part, str)
            )
            yield f"    - {plain(who)}: {row.arrived:,} arrived"
        if len(hit) > _SHOWN:
            yield f"    - and {len(hit) - _SHOWN:,} more"
    if rest := sum(map(len, list(causes.values())[_CAUSES:])):
        yield from ("", f"  and {rest:,} more targets with other causes")


def read_targets(path: Path) -> list[Target]:
    """Read targets from CSV with a header, or from a JSON list of objects."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _objects(text) if text.lstrip()[:1] in ("[", "{") else _rows(text)
        targets = [_to_target(row, number) for number, row in enumerate(rows, 1)]
    except json.JSONDecodeError as error:
        raise ArgumentError(
            f"{path}, line {error.lineno}: {error.msg}; give a list of objects"
        ) from error
    except OSError as error:
        raise ArgumentError(f"{path}: {error.strerror}; give a readable file") from error
    except ArgumentError as error:
        raise ArgumentError(f"{path}{error}") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise ArgumentError(f"{path} is neither CSV nor JSON of targets in UTF-8") from error
    if not targets:
        raise ArgumentError(f"{path} has no targets; give rows of {', '.join(_FIELDS)}")
    return targets


def _objects(text: str) -> list[Any]:
    found = json.loads(text, object_pairs_hook=_once)
    if not isinstance(found, list):
        raise ArgumentError(": it is one object; give a list of objects")
    return found


def _rows(text: str) -> Iterator[dict[str, Any]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = next(rows, [])
    _once((name, None) for name in names)
    for values in rows:
        if len(values) > len(names):
            raise ArgumentError(
                f", line {rows.line_num}: {len(values)} values and {len(names)} columns; "
                "give as many of both"
            )
        if values:
            yield dict(zip(names, values, strict=False))


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a dictionary; refuse a field that appears twice."""
    pairs = list(pairs)
    names = [name for name, _ in pairs]
    for name in _FIELDS:
        if names.count(name) > 1:
            raise ArgumentError(f": {name} appears {names.count(name)} times; keep one")
    return dict(pairs)


def _to_target(row: object, number: int) -> Target:
    if not isinstance(row, dict):
        shown = shorten(repr(row), _WIDTH)
        raise ArgumentError(
            f", target {number}: {shown} is not an object; give {', '.join(_FIELDS)}"
        )
    for name in row:
        if name not in _FIELDS:
            shown = f"{shorten(repr(name), _WIDTH)} is not one of {', '.join(_FIELDS)}"
            raise ArgumentError(f", target {number}: {shown}; remove it")
    try:
        return xs.Target(**{name: None if value == "" else value for name, value in row.items()})
    except ArgumentError as error:
        # the message is about a column of the file, not an option
        raise ArgumentError(f", target {number}: {str(error).replace('=', ' ', 1)}") from error
