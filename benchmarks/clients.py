"""Create twenty clients, for twenty regions or for twenty accounts with a role each.

The baseline creates a new session for each client.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import boto3

from exportstats.aws.client import make_client
from exportstats.aws.targets import Sessions, Target
from exportstats.aws.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 20
BASELINE = "fresh sessions"


@contextlib.contextmanager
def prepare(size: int) -> Iterator[int]:
    """Import botocore's models before measuring."""
    boto3.Session("k", "s", region_name="eu-west-1").client("sts")
    yield size


def _base() -> boto3.Session:
    return boto3.Session("k", "s", region_name="eu-west-1")


def fresh_sessions(count: int) -> list[Any]:
    """Create a session and a client for each region."""
    return [
        boto3.Session("k", "s", region_name=f"eu-test-{number}").client("logs")
        for number in range(count)
    ]


def _clients(targets: list[Target]) -> list[Any]:
    sessions = Sessions(_base())
    return [
        make_client(
            sessions.of(target),
            region=target.region,
            endpoint_url=None,
            requests_per_second="quota",
            operation=TASKS,
        )
        for target in targets
    ]


def of_regions(count: int) -> list[Any]:
    """Create clients for many regions."""
    return _clients([Target(region=f"eu-test-{number}") for number in range(count)])


def of_accounts(count: int) -> list[Any]:
    """Create clients for many accounts, with a role each."""
    roles = [f"arn:aws:iam::{number:012}:role/audit" for number in range(count)]
    return _clients([Target(region="eu-west-1", role_arn=role) for role in roles])


CONTESTANTS = {
    "fresh sessions": fresh_sessions,
    "regions": of_regions,
    "accounts with roles": of_accounts,
}
