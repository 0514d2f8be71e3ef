"""Faults of AWS and networks, in fleets too: no task is lost or repeated."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

import exportstats as xs
from exportstats.aws.load import Load
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

OWN = "111122223333"
REGIONS = ("eu-west-1", "us-east-1", "us-west-2")
COUNT = 510  # 51 pages of 10


def fill(region: str, count: int = COUNT) -> list[dict[str, Any]]:
    """Make tasks of a region, with its name in their identifiers."""
    return [
        {
            "accountId": OWN,
            "region": region,
            "taskId": f"{region}-{number}",
            "logGroupName": "/app",
            "status": {"code": "COMPLETED"},
            "executionInfo": {"creationTime": 1_700_000_000_000 + number},
        }
        for number in range(count)
    ]


@pytest.mark.parametrize(
    "kind",
    ["throttle", "unavailable", "drop", "cut", "short", "gzip", "html", "invalid_json", "shift"],
)
@pytest.mark.usefixtures("no_waiting")
def test_every_tenth_answer_is_bad_and_all_tasks_arrive_once(make_session: Make, kind: str):
    """With three targets and a fault in every tenth answer, each task arrives once."""
    tasks = [task for region in REGIONS for task in fill(region)]
    targets = [xs.Target(OWN, region) for region in REGIONS]
    with Emulator(tasks, faults=[Fault(kind, every=10)]) as emulator:
        found = xs.fetch_tasks(
            targets, session=make_session(OWN), endpoint_url=emulator.url, limit=10
        )
        asked = len(emulator.requests)
    assert asked >= 3 * 51
    ours = found[found["log_group_name"] == "/app"]  # a growing list has others too
    assert sorted(ours["task_id"]) == sorted(task["taskId"] for task in tasks)
    assert found["task_id"].is_unique


@pytest.mark.parametrize("kind", ["repeated_token", "expired_token"])
def test_a_bad_token_fails_only_its_target(make_session: Make, kind: str):
    """The failing target keeps its earlier tasks, and the others are complete."""
    tasks = [task for region in REGIONS for task in fill(region)]
    faults = [Fault(kind, at=(31,), region="us-east-1")]
    with Emulator(tasks, faults=faults) as emulator, pytest.raises(xs.LoadError) as caught:
        xs.fetch_tasks(
            [xs.Target(OWN, region) for region in REGIONS],
            session=make_session(OWN),
            endpoint_url=emulator.url,
            limit=10,
        )
    arrived = caught.value.tasks.groupby("region", observed=True)["task_id"].nunique()
    kept = 310 if kind == "repeated_token" else 300
    assert arrived.to_dict() == {"eu-west-1": COUNT, "us-east-1": kept, "us-west-2": COUNT}
    assert caught.value.failures["region"].to_list() == ["us-east-1"]


def test_credentials_that_end_at_page_100_are_refreshed():
    """Credentials that expire after 100 requests are refreshed, and nothing is lost."""
    made: list[str] = []

    def refresh() -> dict[str, str]:
        made.append(f"{OWN}-{len(made)}")
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return {
            "access_key": made[-1],
            "secret_key": "made-up",
            "token": "made-up",
            "expiry_time": soon.isoformat(),
        }

    credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "made-up")
    core = botocore.session.Session()
    core._credentials = credentials
    session = boto3.Session(botocore_session=core, region_name="us-east-1")
    asked: list[str] = []

    def account_of(access_key: str) -> str | None:
        asked.append(access_key)
        if len(asked) == 100:  # the clock cannot be moved, but the expiration can be near
            credentials._expiry_time = dt.datetime.now(credentials._expiry_time.tzinfo)
        return OWN

    old_is_refused = Fault("expired", access_key=f"{OWN}-0", at=tuple(range(101, 300)))
    tasks = fill("us-east-1", 1600)
    with Emulator(tasks, faults=[old_is_refused], account_of=account_of) as emulator:
        found = xs.fetch_tasks(session=session, endpoint_url=emulator.url, limit=10)
    assert found["task_id"].nunique() == len(found) == 1600
    assert made == [f"{OWN}-0", f"{OWN}-1"]
    assert {*asked[:99]} == {f"{OWN}-0"}
    assert {*asked[101:]} == {f"{OWN}-1"}


def test_an_unforeseen_error_stays_in_its_target(
    make_session: Make, monkeypatch: pytest.MonkeyPatch
):
    """Two of three targets arrive, and the third has a row that names the error."""
    connect = Load._connect

    def stumble(self: Load, *given: Any) -> Any:  # noqa: ANN401 - boto3's client
        if self.target.region == "us-east-1":
            raise RuntimeError("a wheel came off")
        return connect(self, *given)

    monkeypatch.setattr(Load, "_connect", stumble)
    tasks = [task for region in REGIONS for task in fill(region, 20)]
    with Emulator(tasks) as emulator, pytest.raises(xs.LoadError) as caught:
        xs.fetch_tasks(
            [xs.Target(OWN, region) for region in REGIONS],
            session=make_session(OWN),
            endpoint_url=emulator.url,
        )
    assert len(caught.value.tasks) == 40
    assert caught.value.failures["reason"].to_list() == ["RuntimeError: a wheel came off"]
    assert caught.value.failures["remedy"].str.contains("report").all()
