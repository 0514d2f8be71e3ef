"""A synthetic organisation of 60 accounts at moto."""

from __future__ import annotations

import boto3
from moto.sts.models import sts_backends


def found_organisation(url: str) -> list[str]:
    """Create the organisation at moto's address, and return the account IDs in order."""
    session = boto3.Session("management", "made-up", region_name="us-east-1")
    organizations = session.client("organizations", endpoint_url=url)
    organizations.create_organization(FeatureSet="ALL")
    for number in range(59):
        organizations.create_account(Email=f"a{number}@example.com", AccountName=f"a{number}")
    pages = organizations.get_paginator("list_accounts").paginate()
    return sorted(account["Id"] for page in pages for account in page["Accounts"])


def account_of(access_key: str) -> str | None:
    """Return the account of an access key of moto's STS."""
    for account, partitions in sts_backends.items():
        for backend in partitions.values():
            if any(role.access_key_id == access_key for role in backend.assumed_roles):
                return account
    return access_key if access_key.isdigit() else None
