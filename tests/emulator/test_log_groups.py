"""The list of log groups of the emulator, with boto3."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.validate import ParamValidator
from emulated import ACCOUNT, EPOCH, LOG_GROUPS, OTHER, error_of, ids, make_tasks, numbered, raw

import exportstats as xs
from exportstats.emulator import DEFAULT_ACCOUNT, Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Connect = Callable[..., Any]


# Log groups
def make_group(name: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a log group."""
    return {"accountId": ACCOUNT, "logGroupName": name, "creationTime": EPOCH} | fields


def names(page: Mapping[str, Any]) -> list[str]:
    """Return the names of a page's log groups."""
    return [group["logGroupName"] for group in page["logGroups"]]


def all_names(client: Any, **params: Any) -> list[str]:  # noqa: ANN401
    """Return the names of all pages, with botocore's paginator."""
    pages = client.get_paginator("describe_log_groups").paginate(**params)
    return [name for page in pages for name in names(page)]


def test_log_groups_are_listed_by_name(connect: Connect) -> None:
    """All log groups arrive in ASCII order, 50 per page by default, with AWS's fields only."""
    made = [
        make_group(f"{letter}/{n:02}", retentionInDays=7, observedAt=EPOCH)
        for letter in "bAa"
        for n in range(20)
    ]
    with Emulator(log_groups=made) as emulator:
        client = connect(emulator)
        pages = list(client.get_paginator("describe_log_groups").paginate())
        model = client.meta.service_model.operation_model(LOG_GROUPS)
        _, body = raw(emulator, **{"X-Amz-Target": f"Logs_20140328.{LOG_GROUPS}"})
        assert {request.operation for request in emulator.requests} == {LOG_GROUPS}
    assert [len(page["logGroups"]) for page in pages] == [50, 10]
    found = [name for page in pages for name in names(page)]
    assert found == sorted(group["logGroupName"] for group in made)
    page = json.loads(body)
    assert ParamValidator().validate(page, model.output_shape).generate_report() == ""
    assert page["logGroups"][0] == {
        "logGroupName": "A/00",
        "creationTime": EPOCH,
        "retentionInDays": 7,
    }


def test_log_groups_are_filtered(connect: Connect) -> None:
    """Prefix, pattern and class filter as AWS documents; there are no linked accounts."""
    made = [
        make_group("/app/web", storedBytes=1, arn="arn"),
        make_group("/app/Web", logGroupClass="INFREQUENT_ACCESS"),
        make_group("/web/app", logGroupClass="ESSENTIALS"),
        make_group("/x", logGroupClass="DELIVERY"),
    ]
    with Emulator(log_groups=made) as emulator:
        client = connect(emulator)
        assert all_names(client, logGroupNamePrefix="/app") == ["/app/Web", "/app/web"]
        assert all_names(client, logGroupNamePattern="web") == ["/app/web", "/web/app"]
        assert all_names(client, logGroupClass="STANDARD") == ["/app/web"]
        assert all_names(client, logGroupClass="ESSENTIALS") == ["/web/app"]
        assert all_names(client, logGroupClass="DELIVERY", logGroupNamePrefix="/app") == []
        assert len(all_names(client, includeLinkedAccounts=True, accountIdentifiers=[OTHER])) == 4
        by_pattern = client.describe_log_groups(logGroupNamePattern="app/web")["logGroups"]
    # the model: then "only arn, creationTime, and logGroupName are included in the response"
    assert by_pattern == [{"arn": "arn", "creationTime": EPOCH, "logGroupName": "/app/web"}]


def test_a_log_group_is_of_one_slot(connect: Connect) -> None:
    """Account and region are those of the fields, else of the ARN, else the defaults."""
    arn = f"arn:aws:logs:eu-west-1:{OTHER}:log-group:/c:*"
    made = [
        make_group("/a"),
        make_group("/b", region="eu-west-1"),
        {"logGroupName": "/c", "arn": arn},
        make_group("/d", arn=arn, region="us-west-2"),
        {"logGroupName": "/e"},
    ]
    with Emulator(log_groups=made) as emulator:
        assert all_names(connect(emulator)) == ["/a"]
        assert all_names(connect(emulator, region="eu-west-1")) == ["/b"]
        assert all_names(connect(emulator, OTHER, "eu-west-1")) == ["/c"]
        assert all_names(connect(emulator, region="us-west-2")) == ["/d"]
        assert all_names(connect(emulator, DEFAULT_ACCOUNT)) == ["/e"]


def test_a_log_group_that_does_not_match_the_model_is_refused() -> None:
    """A log group that does not match the model is an ArgumentError with the field."""
    with pytest.raises(ArgumentError, match=r"the log group '/a'.*retentionInDays.*<class 'str'>"):
        Emulator(log_groups=[make_group("/a", retentionInDays="7")])
    with pytest.raises(ArgumentError, match=r"the log group '/a'.*accountId 12345"):
        Emulator(log_groups=[make_group("/a", accountId=12345)])


def test_both_lists_have_the_same_mechanism(connect: Connect) -> None:
    """Each list has its own tokens, quota and counter; faults affect both or the one named."""
    now = 0.0
    groups = [make_group(f"/{n}") for n in range(3)]
    faults = [Fault("throttle", at=(2,)), Fault("deny", at=(3,), operation=LOG_GROUPS)]
    emulator = Emulator(make_tasks(3), log_groups=groups, requests_per_second=5, faults=faults)
    emulator._clock = lambda: now
    with emulator:
        client = connect(emulator)
        token = client.describe_log_groups(limit=1)["nextToken"]
        assert ids(client.describe_export_tasks(limit=1)) == numbered(2)
        for call in (client.describe_log_groups, client.describe_export_tasks):
            assert error_of(call)["Error"]["Code"] == "ThrottlingException"
        denied = error_of(client.describe_log_groups)["Error"]
        assert denied["Code"] == "AccessDeniedException"
        assert "not authorized to perform: logs:DescribeLogGroups on" in denied["Message"]
        error = error_of(client.describe_export_tasks, nextToken=token)["Error"]
        assert "nextToken is invalid" in error["Message"]
        # three and four of five requests were used
        assert names(client.describe_log_groups(nextToken=token)) == ["/1", "/2"]
        client.describe_log_groups()
        error_of(client.describe_log_groups)
        client.describe_export_tasks()
        client.describe_export_tasks()
        error_of(client.describe_export_tasks)
        now = 86_400.0
        assert (
            "expired" in error_of(client.describe_log_groups, nextToken=token)["Error"]["Message"]
        )


def test_shift_creates_a_log_group_ahead_of_the_others(connect: Connect) -> None:
    """The second page repeats the last log group of the first."""
    groups = [make_group(name) for name in ("-a", "/b", "c")]
    with Emulator(log_groups=groups, faults=[Fault("shift", at=(2,))]) as emulator:
        client = connect(emulator)
        paginator = client.get_paginator("describe_log_groups")
        pages = [names(page) for page in paginator.paginate(PaginationConfig={"PageSize": 2})]
        assert pages == [["-a", "/b"], ["/b", "c"]]
        assert len(all_names(client)) == 4


def test_log_groups_are_fetched() -> None:
    """`fetch_log_groups` returns all log groups of a slot, page by page."""
    groups = [make_group(f"/{n:03}", retentionInDays=7, storedBytes=n) for n in range(120)]
    with Emulator(log_groups=groups) as emulator:
        found = xs.fetch_log_groups(
            session=boto3.Session(ACCOUNT, "secret", region_name="us-east-1"),
            endpoint_url=emulator.url,
        )
    assert found["log_group_name"].to_list() == [group["logGroupName"] for group in groups]
    assert found["stored_bytes"].to_list() == list(range(120))
    assert set(found["account_id"]) == {ACCOUNT}
    assert set(found["retention"]) == {dt.timedelta(days=7)}
    assert set(found["creation_time"]) == {dt.datetime.fromtimestamp(EPOCH / 1000, dt.UTC)}
