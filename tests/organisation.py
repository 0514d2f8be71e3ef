"""A made-up organisation of 60 accounts, served by moto, for the tests that load from all of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer
from moto.sts.models import sts_backends

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def serve_organisation() -> Iterator[tuple[str, list[str]]]:
    """Serve STS, Organizations and EC2; gives the address and the accounts' numbers in order."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # all of moto in one process is one state, whoever served it before
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()  # noqa: S310 - it is ours
    session = boto3.Session("management", "made-up", region_name="us-east-1")
    organizations = session.client("organizations", endpoint_url=url)
    organizations.create_organization(FeatureSet="ALL")
    for number in range(59):
        organizations.create_account(Email=f"a{number}@example.com", AccountName=f"a{number}")
    pages = organizations.get_paginator("list_accounts").paginate()
    yield url, sorted(account["Id"] for page in pages for account in page["Accounts"])
    server.stop()


def account_of(access_key: str) -> str | None:
    """Tell whose an access key is that moto's STS gave for an assumed role."""
    for account, partitions in sts_backends.items():
        for backend in partitions.values():
            if any(role.access_key_id == access_key for role in backend.assumed_roles):
                return account
    return access_key if access_key.isdigit() else None
