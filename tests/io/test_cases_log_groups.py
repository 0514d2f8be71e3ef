"""Log groups in every shape that tasks come in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from inputs import (
    page,
    pascal,
    renamed,
    snake,
    task,
)
from support import DAY, plain

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Task = dict[str, Any]

ARN = "arn:aws:logs:eu-west-1:012345678901:log-group:/a:*"
GROUP = {
    "logGroupName": "/a",
    "creationTime": 1400000000000,
    "retentionInDays": 30,
    "metricFilterCount": 0,
    "arn": ARN,
    "storedBytes": 5,
    "logGroupClass": "STANDARD",
    "logGroupArn": ARN[:-2],
    "kmsKeyId": "x",
    "inheritedProperties": ["x"],
    "dataProtectionStatus": "ACTIVATED",
    "deletionProtectionEnabled": False,
}
GROUPS: dict[str, Any] = {
    "a page": {"logGroups": [GROUP]},
    "Go": renamed({"logGroups": [GROUP]}, pascal) | {"NextToken": None},
    "PowerShell": renamed(GROUP, pascal),
    ".NET": [renamed(GROUP, pascal) | {"LogGroupClass": {"Value": "STANDARD"}}],
    "Ruby": renamed({"logGroups": [GROUP]}, snake),
    "a list": [GROUP],
    "a list of pages": [{"logGroups": [GROUP], "nextToken": "x"}, {"logGroups": [GROUP]}],
    "days as text": [{**GROUP, "retentionInDays": "30"}],
    "days as a float": [{**GROUP, "retentionInDays": 30.0, "storedBytes": 5.0}],
}


@pytest.mark.parametrize("content", GROUPS.values(), ids=GROUPS)
def test_log_groups(save: Callable[..., Path], content: Any) -> None:  # noqa: ANN401
    """Log groups are read in every shape, once each, with account and region from the ARN."""
    for indent in (None, 2):
        groups = xs.read_log_groups(save(json.dumps(content, indent=indent)))
        assert plain(groups["log_group_name"]) == ["/a"]
        assert plain(groups["retention"]) == [30 * DAY]
        assert plain(groups["stored_bytes"]) == [5]
        assert plain(groups["log_group_class"]) == ["STANDARD"]
        assert plain(groups["region"]) == ["eu-west-1"]
        assert plain(groups["account_id"]) == ["012345678901"]


def test_log_groups_of_several_files(save: Callable[..., Path]) -> None:
    """All files of log groups are read, and several pages in one file."""
    other = {**GROUP, "logGroupName": "/b", "arn": ARN.replace("/a", "/b")}
    paths = [save({"logGroups": [one]}, f"{n}.json") for n, one in enumerate((GROUP, other))]
    assert plain(xs.read_log_groups(*paths)["log_group_name"]) == ["/a", "/b"]
    both = "\n".join(json.dumps({"logGroups": [one]}) for one in (GROUP, other, GROUP))
    assert sorted(xs.read_log_groups(save(both))["log_group_name"]) == ["/a", "/b"]
    regions = ["eu-west-1", "us-east-1"]
    named = [save({"logGroups": [{"logGroupName": "/a"}]}, f"{region}.json") for region in regions]
    assert plain(xs.read_log_groups(*named)["region"]) == regions


@pytest.mark.parametrize(
    ("key", "value", "days"),
    [
        ("retention", 30 * DAY, 30),
        ("retention", "30 days", 30),
        ("retentionInDays", 30, 30),
        ("retention_in_days", "30", 30),
        ("Retention in days", 30, 30),
        ("RetentionInDays", None, None),
    ],
)
def test_retention(save: Callable[..., Path], key: str, value: Any, days: int | None) -> None:  # noqa: ANN401
    """AWS's retention is in days and ours in milliseconds, in JSON and CSV; NA is unlimited."""
    listed = save([{"log_group_name": "/a", key: value}])
    table = save(f"log_group_name,{key}\n/a,{'' if value is None else value}\n", "groups.csv")
    for path in (listed, table):
        expected = None if days is None else days * DAY
        assert plain(xs.read_log_groups(path)["retention"]) == [expected]


def test_log_groups_that_cannot_be_read(save: Callable[..., Path]) -> None:
    """Log groups with invalid numbers are named; tasks are not log groups."""
    days = {"a": -1, "b": "never", "c": True, "d": 5}
    odd = [{"logGroupName": name, "retentionInDays": value} for name, value in days.items()]
    with pytest.warns(xs.BadRowsWarning, match="3 x retention is not a number"):
        assert plain(xs.read_log_groups(save(odd))["log_group_name"]) == ["d"]
    with pytest.raises(xs.BadRowsError, match=r"these are tasks; read them with xs\.read_tasks"):
        xs.read_log_groups(save(page(task())))
    with pytest.raises(xs.BadRowsError, match="no log_group_name among its keys"):
        xs.read_log_groups(save([{"name": "/a"}]))
    with pytest.raises(xs.BadRowsError, match=r"these are tasks; read them with xs\.read_tasks"):
        xs.read_log_groups(save([task()]))
    with pytest.raises(xs.FileFormatError, match=r"tasks\.csv: these are tasks; read them with xs"):
        xs.read_log_groups(save("task_id,log_group_name\na,/app\n", "tasks.csv"))


@pytest.mark.parametrize("days", [(30, 7), (7, 30), (None, 7), (7, None)])
def test_retention_that_was_changed(save: Callable[..., Path], days: tuple[int | None]) -> None:
    """Without times of observation, the shortest retention is kept, and that is reported."""
    groups = [{"logGroupName": "/app", "retentionInDays": value} for value in days]
    paths = [save([group], f"{number}.json") for number, group in enumerate(groups)]
    with pytest.warns(xs.BadRowsWarning, match="its retention differs, .*: the shortest was kept"):
        assert plain(xs.read_log_groups(*paths)["retention"]) == [7 * DAY]
    seen = [group | {"observedAt": number} for number, group in enumerate(groups)]
    newest = days[1] and days[1] * DAY
    assert plain(xs.read_log_groups(save(seen))["retention"]) == [newest]


def test_log_groups_that_may_be_mixed_up(save: Callable[..., Path]) -> None:
    """Files without a region are refused if a log group differs between them."""
    groups = [
        {"logGroupName": "/app", "creationTime": created, "retentionInDays": days}
        for created, days in ((5, 7), (5, 30), (6, 90))
    ]
    first, again, other = (save([group], f"{n}.json") for n, group in enumerate(groups))
    with pytest.warns(xs.BadRowsWarning, match="its retention differs"):
        assert len(xs.read_log_groups(first, again)) == 1
    says = "0.json, .*2.json have no region, and a log group with different creation times"
    with pytest.raises(xs.ArgumentError, match=says):
        xs.read_log_groups(first, other)
    assert len(xs.read_log_groups(first, other, region="eu-west-1")) == 1
