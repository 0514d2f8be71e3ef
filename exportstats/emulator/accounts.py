"""The accounts and regions of the emulator, as STS, EC2 and Organizations answer."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from exportstats.emulator import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:.*/)?([^/]+)")
_HOUR = dt.timedelta(hours=1)


def answer(request: wire.Request, places: Iterable[tuple[str, str]]) -> bytes:
    """Return the answer to a request for accounts, regions or a role; empty for any other request.

    Raises
    ------
    ServiceError
        The RoleArn is not that of a role.
    """
    match request.operation:
        case wire.ASSUME_ROLE:
            return _assumed_role(request.params)
        case wire.REGIONS:
            return _regions({region for _, region in places})
        case wire.ACCOUNTS:
            return _accounts({account for account, _ in places})
    return b""


def _assumed_role(params: Mapping[str, str]) -> bytes:
    found = _ROLE.fullmatch(params.get("RoleArn", ""))
    if found is None:
        raise wire.ServiceError("ValidationError", f"{params.get('RoleArn')} is invalid")
    partition, account, role = found.groups()
    session = params.get("RoleSessionName", "")
    until = (dt.datetime.now(dt.UTC) + _HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    return wire.sts_answer(
        wire.ASSUME_ROLE,
        f"<Credentials><AccessKeyId>{account}</AccessKeyId><SecretAccessKey>emulated"
        f"</SecretAccessKey><SessionToken>emulated</SessionToken><Expiration>{until}</Expiration>"
        f"</Credentials><AssumedRoleUser><Arn>arn:{partition}:sts::{account}:assumed-role/"
        f"{escape(f'{role}/{session}')}</Arn><AssumedRoleId>AROAEMULATED:"
        f"{escape(session)}</AssumedRoleId></AssumedRoleUser>",
    )


def _regions(names: Iterable[str]) -> bytes:
    items = "".join(
        f"<item><regionName>{escape(name)}</regionName>"
        f"<regionEndpoint>ec2.{escape(name)}.amazonaws.com</regionEndpoint>"
        "<optInStatus>opt-in-not-required</optInStatus></item>"
        for name in sorted(names)
    )
    body = (
        '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
    )
    return wire.http(200, wire.XML, body.encode())


def _accounts(numbers: Iterable[str]) -> bytes:
    found = [{"Id": number, "Status": "ACTIVE", "State": "ACTIVE"} for number in sorted(numbers)]
    return wire.http(200, wire.JSON, json.dumps({"Accounts": found}).encode())
