"""Clients of the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exportstats.emulator import Emulator

ACCOUNT = "111122223333"
SESSION = boto3.Session()  # only one, because each loads botocore's model


@pytest.fixture
def connect() -> Iterator[Callable[..., Any]]:
    """Return a function that makes clients without retries, and close them at the end."""
    clients = []

    def make(
        emulator: Emulator,
        account: str = ACCOUNT,
        region: str = "us-east-1",
        service: str = "logs",
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"}, **{"read_timeout": 5} | options
        )
        clients.append(
            SESSION.client(
                service,
                region_name=region,
                endpoint_url=emulator.url,
                aws_access_key_id=account,
                aws_secret_access_key="secret",
                config=config,
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()
