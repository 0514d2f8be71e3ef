"""Find which credentials, region and endpoint are used, and try the smallest request of each kind.

Every request only reads. Nothing is retried, so that an endpoint that cannot be reached costs
seconds.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from botocore import xform_name
from botocore.exceptions import NoCredentialsError
from botocore.utils import get_environ_proxies

from exportstats.aws.client import check_credentials, connect, is_aws, make_session
from exportstats.aws.deliveries import DEFAULT_PREFIX
from exportstats.aws.faults import Fault, explain, is_denied
from exportstats.aws.incoming import NAMES, metric_of

_TIMEOUT_SECONDS = 5
_HOUR = dt.timedelta(hours=1)


class Tried(NamedTuple):
    """A request, and how it ended."""

    request: str
    result: Literal["works", "denied", "failed", "not tried"]
    fault: Fault | None = None


@dataclass
class Setup:
    """What requests are made with, as far as it was found, and which of them work.

    Attributes
    ----------
    credentials
        botocore's name of the provider of the credentials, such as `env` or `sso`.
    region, endpoint, proxy
        Those of CloudWatch Logs. The endpoint and the proxy have no user and password.
    principal
        The ARN of the credentials.
    tried
        The requests.
    fault
        Why nothing could be requested.
    """

    credentials: str | None = None
    region: str | None = None
    endpoint: str | None = None
    proxy: str | None = None
    principal: str | None = None
    tried: list[Tried] = field(default_factory=list)
    fault: Fault | None = None


def examine(
    *, profile: str | None, region: str | None, endpoint_url: str | None, now: dt.datetime
) -> Setup:
    """Return what requests are made with, and which of them work; an error is part of the answer.

    S3 and STS have the endpoint of CloudWatch Logs if it is not one of AWS, such as an emulator's.
    """
    found = Setup()
    try:
        session = make_session(None, profile, region)
        found.region = session.region_name
        if (keys := session.get_credentials()) is None:
            raise NoCredentialsError  # noqa: TRY301 - explained like other errors
        found.credentials = keys.method
        check_credentials(session)
        url = connect(session, "logs", region=None, endpoint_url=endpoint_url).meta.endpoint_url
    except Exception as error:  # noqa: BLE001 - whatever is wrong is to be shown
        found.fault = explain(error)
        return found
    proxies = get_environ_proxies(url)
    found.endpoint = url
    found.proxy = proxies.get(url.partition(":")[0], "").rpartition("@")[2] or None
    elsewhere = None if is_aws(session, url) else url

    def ask(service: str, request: str, **fields: Any) -> dict[str, Any] | None:  # noqa: ANN401 - boto3's
        """Send a request and note how it ends; return the answer, or None after an error."""
        try:
            client = connect(
                session,
                service,
                region=None,
                endpoint_url=elsewhere if service in ("s3", "sts") else endpoint_url,
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
            )
            answer: dict[str, Any] = getattr(client, xform_name(request))(**fields)
        except Exception as error:  # noqa: BLE001 - whatever is wrong is to be shown
            result: Any = "denied" if is_denied(error) else "failed"
            reason, remedy = explain(error)
            remedy = remedy.partition("; what arrived")[0]  # nothing is loaded here
            found.tried.append(Tried(request, result, Fault(reason, remedy)))
            return None
        found.tried.append(Tried(request, "works"))
        return answer

    found.principal = (ask("sts", "GetCallerIdentity") or {}).get("Arn")
    tasks = ask("logs", "DescribeExportTasks", limit=1)
    groups = ask("logs", "DescribeLogGroups", limit=1)
    task, group = _first(tasks, "exportTasks"), _first(groups, "logGroups")
    name = group.get("logGroupName") or task.get("logGroupName")
    ask("cloudtrail", "LookupEvents", MaxResults=1)
    hour = _HOUR // dt.timedelta(seconds=1)
    ask(
        "cloudwatch",
        "GetMetricData",
        StartTime=now - _HOUR,
        EndTime=now,
        MetricDataQueries=[{"Id": "a", "MetricStat": metric_of(name or "none", NAMES[0], hour)}],
    )
    if name:
        ask("logs", "DescribeLogStreams", logGroupName=name, limit=1)
    else:
        found.tried.append(_not_tried("DescribeLogStreams", "log group", groups))
    if bucket := task.get("destination"):
        folder = f"{task.get('destinationPrefix', DEFAULT_PREFIX)}/{task.get('taskId')}/"
        ask("s3", "ListObjectsV2", Bucket=bucket, Prefix=folder, MaxKeys=1)
    else:
        found.tried.append(_not_tried("ListObjectsV2", "task", tasks))
    return found


def _first(answer: dict[str, Any] | None, member: str) -> dict[str, Any]:
    return next(iter((answer or {}).get(member) or ()), {})


def _not_tried(request: str, noun: str, answer: dict[str, Any] | None) -> Tried:
    """Return that a request needs what is not there, or what could not be listed."""
    if answer is None:
        fault = Fault(f"it needs a {noun}, and none could be listed", "remedy that first")
    else:
        fault = Fault(f"there is no {noun} to try it on", "try again when there is one")
    return Tried(request, "not tried", fault)
