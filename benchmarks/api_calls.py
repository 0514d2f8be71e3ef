"""From the files of a trail to a typed DataFrame of API calls, beside reading as many tasks."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import exportstats as xs
from benchmarks import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

SIZE = 1_000_000
BASELINE = "tasks"

_ACCOUNT = "111122223333"
_IN_FILE = 5_000  # records
_IN_SESSION = 50  # records with the same caller in all details
_TIMES = 20  # so many records of other services for each API call, in the third contestant


def record(number: int, name: str = "CreateExportTask", source: str = "logs") -> dict[str, Any]:
    """Make a record as CloudTrail writes it, of about 1,500 bytes."""
    task, caller = made_up.task(number), number // _IN_SESSION
    role, session = f"exporter-{caller % 7}", f"run-{caller % 50}"
    key = hashlib.md5(str(number).encode()).hexdigest()  # noqa: S324
    issuer = {
        "type": "Role",
        "principalId": f"AROAMADEUP{caller % 7:011}",
        "arn": f"arn:aws:iam::{_ACCOUNT}:role/{role}",
        "accountId": _ACCOUNT,
        "userName": role,
    }
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"{issuer['principalId']}:{session}",
            "arn": f"arn:aws:sts::{_ACCOUNT}:assumed-role/{role}/{session}",
            "accountId": _ACCOUNT,
            "accessKeyId": f"ASIA{caller:016}",
            "sessionContext": {
                "sessionIssuer": issuer,
                "attributes": {"creationDate": "2026-11-01T00:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": f"2026-11-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:00Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "Boto3/1.42.0 md/Botocore#1.42.0 ua/2.1 os/linux#6.1 md/arch#x86_64 "
        "lang/python#3.12.5 md/pyimpl#CPython",
        "requestParameters": {
            "taskName": task["taskName"],
            "logGroupName": task["logGroupName"],
            "from": task["from"],
            "to": task["to"],
            "destination": task["destination"],
            "destinationPrefix": task["destinationPrefix"],
        },
        "responseElements": {"taskId": task["taskId"]},
        "requestID": key,
        "eventID": key[::-1],
        "readOnly": False,
        "eventType": "AwsApiCall",
        "apiVersion": "20140328",
        "managementEvent": True,
        "recipientAccountId": _ACCOUNT,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": "logs.eu-west-1.amazonaws.com",
        },
    }


@contextlib.contextmanager
def prepare(size: int) -> Iterator[Path]:
    """Write the tasks in two ways, and two trails of as many records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with gzip.open(folder / "tasks.json.gz", "wt", compresslevel=6) as file:
            made_up.write_page(file, size)
        with gzip.open(folder / "tasks.jsonl.gz", "wt", compresslevel=6) as file:
            for number in range(size):
                file.write(json.dumps(made_up.task(number), separators=(",", ":")) + "\n")
        for trail in ("calls", "mixed"):
            (folder / trail).mkdir()
            for start in range(0, size, _IN_FILE):
                records = [
                    record(number)
                    if trail == "calls" or number % _TIMES == 0
                    else record(number, "PutObject", "s3")
                    for number in range(start, min(start + _IN_FILE, size))
                ]
                text = json.dumps({"Records": records}, separators=(",", ":"))
                path = folder / trail / f"{start:09}.json.gz"
                path.write_bytes(gzip.compress(text.encode(), 6))
        yield folder


def with_tasks(folder: Path) -> pd.DataFrame:
    """Read tasks in compressed JSON Lines."""
    return xs.read_tasks(folder / "tasks.jsonl.gz")


def with_page(folder: Path) -> pd.DataFrame:
    """Read tasks as the AWS CLI prints them, compressed."""
    return xs.read_tasks(folder / "tasks.json.gz")


def with_calls(folder: Path) -> pd.DataFrame:
    """Read a trail in which every record is an API call about export tasks."""
    return xs.read_api_calls(folder / "calls")


def with_mixed(folder: Path) -> pd.DataFrame:
    """Read a trail in which most records are of another service."""
    return xs.read_api_calls(folder / "mixed")


def check(result: pd.DataFrame, size: int) -> None:
    """Check that every API call was found."""
    assert len(result) in (size, size // _TIMES)


CONTESTANTS = {
    "tasks": with_tasks,
    "tasks as the AWS CLI prints them": with_page,
    "API calls": with_calls,
    "one API call in 20 records": with_mixed,
}
