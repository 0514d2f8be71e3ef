"""An emulator of the CloudWatch Logs endpoint for export tasks, on loopback.

Tests, benchmarks and the demo use it with boto3 over HTTP. It answers `DescribeExportTasks`,
`DescribeLogGroups` and `DescribeLogStreams` like the service, and at the same address CloudTrail's
`LookupEvents`, CloudWatch's `GetMetricData`, S3's `ListObjectsV2`, STS `GetCallerIdentity` and
`AssumeRole`, EC2's `DescribeRegions`, and Organizations' `ListAccounts`. A `Fault` makes a request
fail in one of the ways in which AWS and networks fail. `rebase` moves recorded tasks to another
time, and `rebase_evidence` what is known beside them.

Examples
--------
>>> import boto3
>>> from exportstats.emulator import Emulator
>>> with Emulator([{"taskId": "t-1", "status": {"code": "RUNNING"}}]) as emulator:
...     client = boto3.client(
...         "logs",
...         region_name="us-east-1",
...         endpoint_url=emulator.url,
...         aws_access_key_id="123456789012",
...         aws_secret_access_key="anything",
...     )
...     client.describe_export_tasks()["exportTasks"]
...     client.close()
[{'taskId': 't-1', 'status': {'code': 'RUNNING'}}]
"""

from exportstats.emulator.faults import KINDS, Fault
from exportstats.emulator.rebase import rebase, rebase_evidence
from exportstats.emulator.server import Emulator
from exportstats.emulator.slot import DEFAULT_REGION
from exportstats.emulator.wire import DEFAULT_ACCOUNT, Request

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_REGION",
    "KINDS",
    "Emulator",
    "Fault",
    "Request",
    "rebase",
    "rebase_evidence",
]
