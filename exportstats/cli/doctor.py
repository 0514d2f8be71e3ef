"""The command `doctor`: what commands would use, and what is missing."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import warnings
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

import click

import exportstats as xs
from exportstats.cli.failing import FAILED, in_options, say
from exportstats.cli.options import FORMAT
from exportstats.cli.permissions import needed_by
from exportstats.cli.question import Answer
from exportstats.cli.source import ENDPOINT_URL, LIVE_REGION, PROFILE
from exportstats.errors import DamagedFileWarning, ExportStatsError
from exportstats.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.aws.setup import Setup
    from exportstats.cli.options import Kind

_VERSIONS = ("exportstats", "pandas", "pyarrow", "boto3", "botocore", "matplotlib", "deltalake")
_ARCHIVE = "read the archive"
_NEEDED_BY = {
    "GetCallerIdentity": "the account ID of what is fetched",
    _ARCHIVE: "all that read it as SOURCE",
}
# What identifies an account or a person, and what is shown instead.
_MASKS = (
    (re.compile(r"(?<!\d)\d{8}(?=\d{4}(?!\d))"), "*" * 8),
    (re.compile(r"(:assumed-role/[^/\s]+)/\S+"), r"\1"),
    (re.compile(r"(:(?:user|federated-user))/\S+"), r"\1/(hidden)"),
    (re.compile(r"\bA[A-Z]{3}[A-Z0-9]{12,}\b"), "(hidden)"),
)
# The columns for people, of settings and of requests.
_SETTINGS = {"setting": "check", "value": "result"}
_REQUESTS = {"request": "check", "result": "result", "needed by": "needed_by"}
_ADVICE = {"request": "check", "what to do": "remedy"}


class _Row(NamedTuple):
    """A line of the answer."""

    check: str
    result: str
    needed_by: str | None = None
    reason: str | None = None
    remedy: str | None = None


@click.command()
@click.argument("address", metavar="[ARCHIVE]", required=False)
@PROFILE
@LIVE_REGION
@ENDPOINT_URL
@FORMAT
def doctor(
    address: str | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    *,
    kind: Kind,
) -> None:
    """Show credentials, permissions and versions, and what is missing.

    Each request is tried once, as small as it can be, and nothing is written. DescribeLogStreams
    and ListObjectsV2 are tried on the first log group and the newest task. ARCHIVE, a folder or
    s3://bucket/prefix, is read with the credentials of the environment. What --all-regions and
    --organization need is not tried.

    The output can be shared: it has no keys, passwords, user names and session names, and of an
    account ID the last four digits. It does have the names of the role, the region and the host,
    and, if something failed, those of buckets, log groups and profiles.

    The exit code is 1 if something does not work.

    \b
    exportstats doctor
    exportstats doctor s3://acme-export-reports/history --format markdown
    """
    from exportstats.aws.setup import examine
    from exportstats.cli import output

    archive = None if address is None else xs.Archive(address)
    now = dt.datetime.now(dt.UTC)
    found = examine(profile=profile, region=region, endpoint_url=endpoint_url, now=now)
    facts, requests = _facts_of(found), _requests_of(found)
    if archive is not None:
        requests.append(_read(archive))
    if kind in ("csv", "json"):
        fields = {name: name for name in _Row._fields}
        output.show(Answer(_table(facts + requests, fields), ""), kind)
    else:
        view = _table(facts, _SETTINGS)
        output.show(Answer(view, "What commands use", view), kind)
        for rows, columns, title in (
            (requests, _REQUESTS, counted(len(requests), "request")),
            (_advice_of(requests), _ADVICE, "What to do"),
        ):
            if rows:
                click.echo()
                view = _table(rows, columns)
                output.show(Answer(view, title, view), kind)
        if found.fault:
            say(_masked(f"nothing was requested: {found.fault}"))
    is_well = not found.fault and all(row.result in ("works", "not tried") for row in requests)
    click.get_current_context().exit(0 if is_well else FAILED)


def _facts_of(found: Setup) -> list[_Row]:
    """Return what requests are made with, and the versions."""
    return [
        _Row("credentials", found.credentials or "none found", None, *(found.fault or ())),
        _Row("principal", found.principal or "unknown"),
        _Row("region", found.region or "none found"),
        _Row("endpoint", found.endpoint or "unknown"),
        _Row("proxy", found.proxy or "none"),
        _Row("versions", ", ".join(map(_version_of, _VERSIONS))),
        _Row("platform", f"Python {platform.python_version()}, {platform.platform()}"),
    ]


def _version_of(library: str) -> str:
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        return f"{library} not installed"


def _requests_of(found: Setup) -> list[_Row]:
    """Return which requests work, and what needs them."""
    return [
        _Row(name, result, _NEEDED_BY.get(name) or needed_by(name), *(fault or ()))
        for name, result, fault in found.tried
    ]


def _read(archive: xs.Archive) -> _Row:
    """Return whether an archive can be read, by reading next to nothing of it."""
    row = _Row(_ARCHIVE, "works", _NEEDED_BY[_ARCHIVE])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DamagedFileWarning)
            archive.tasks(columns=["task_id"], since="2999-01-01")
    except (ExportStatsError, DamagedFileWarning) as error:
        if "AccessDenied" in str(error):
            remedy = "allow the actions s3:ListBucket and s3:GetObject on the archive"
            return row._replace(result="denied", reason=str(error), remedy=remedy)
        reason, _, remedy = str(error).partition("; ")
        return row._replace(result="failed", reason=reason, remedy=remedy or None)
    return row


def _masked(text: str) -> str:
    """Return a text without what identifies an account or a person, with options as remedies."""
    home = os.path.expanduser("~")  # noqa: PTH111 - fails for no user
    text = text if home == "/" else text.replace(home, "~")
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return in_options(text, click.get_current_context().command)


def _table(rows: list[_Row], columns: dict[str, str]) -> pd.DataFrame:
    """Return the fields of rows, by column, without what identifies an account or a person."""
    import pandas as pd

    fields = {
        column: [value if (value := getattr(row, name)) is None else _masked(value) for row in rows]
        for column, name in columns.items()
    }
    return pd.DataFrame(fields, dtype="str")


def _advice_of(rows: list[_Row]) -> list[_Row]:
    """Return what to do about requests, each remedy once.

    The reason of a missing permission is left out, because the remedy names it, unless a policy
    denies the action explicitly: then it is not enough to allow it.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        reason = row.reason or ""
        if row.result == "denied" and "explicit deny" not in reason:
            reason = ""
        if text := "; ".join(filter(None, (reason, row.remedy))):
            found.setdefault(text, []).append(row.check)
    return [
        _Row(f"{first} and {len(rest)} more" if rest else first, "", remedy=text)
        for text, (first, *rest) in found.items()
    ]
