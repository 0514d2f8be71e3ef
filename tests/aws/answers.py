"""Answers of services over HTTP, as bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exportstats.emulator import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

OWN = "111122223333"
NAMESPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
HTML = b"<html><body><p>Please sign in</p></body></html>"
CUT_HTML = b"<!DOCTYPE html><html><body><br>Please sign in</body></html>"


def say(body: bytes, *headers: str, status: int = 200) -> bytes:
    """Write an answer."""
    return wire.http(status, wire.JSON if body[:1] == b"{" else wire.XML, body, *headers)


def page(*ids: str, token: str | None = None) -> bytes:
    """Write a page of tasks."""
    more = {} if token is None else {"nextToken": token}
    return say(json.dumps({"exportTasks": [{"taskId": each} for each in ids], **more}).encode())


def identity(account: str = OWN) -> bytes:
    """Write the account of the credentials."""
    return say(
        f"<GetCallerIdentityResponse {NAMESPACE}><GetCallerIdentityResult>"
        f"<Arn>arn:aws:iam::{OWN}:user/a</Arn><Account>{account}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>".encode()
    )
