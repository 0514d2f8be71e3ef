"""API calls fetched with LookupEvents: pages, names, times, faults, many targets."""

from __future__ import annotations

import datetime as dt
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from trails import ADDRESS, SECRET, cancel, record, refused

import exportstats as xs
from exportstats.aws import client, fleet
from exportstats.aws.api_calls import API_CALLS
from exportstats.aws.client import RateLimit
from exportstats.core import frames, schema
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]

ACCOUNT, OTHER = "111122223333", "444455556666"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
pytestmark = pytest.mark.usefixtures("no_waiting")


def ago(minutes: float, make: Make = record, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make the record of a call some minutes ago."""
    time = NOW - dt.timedelta(minutes=minutes)
    more = {"eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}", "eventID": f"event-{minutes}"}
    return make(0, **({"responseElements": {"taskId": f"task-{minutes}"}} | more | fields))


def cancelled(minutes: float) -> dict[str, Any]:
    """Make the record of a cancellation some minutes ago."""
    return ago(
        minutes, lambda number, **more: cancel(number, "task-9", **more), responseElements=None
    )


CALLS = [
    *(ago(minutes) for minutes in range(1, 121)),
    *(ago(200 + n, refused, responseElements=None) for n in range(3)),
    *(cancelled(300 + n) for n in range(55)),
    ago(400, eventSource="rds.amazonaws.com", eventName="CancelExportTask"),
    ago(401, eventName="DescribeExportTasks"),
]


def ids(table: pd.DataFrame) -> list[str]:
    """Return the identifiers of the calls."""
    return table["event_id"].to_list()


def lookups(emulator: Emulator) -> list[Any]:
    """Return the requests for events."""
    return [seen for seen in emulator.requests if seen.operation == "LookupEvents"]


def test_all_pages_of_both_names_are_fetched(session: boto3.Session) -> None:
    """Each name is its own list, newest first; calls of other services are left out."""
    with Emulator(api_calls=CALLS) as emulator:
        table = xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
        asked = [seen.params for seen in lookups(emulator)]
    frames.check(table, schema.API_CALLS)
    expected = [*range(1, 121), 200, 201, 202, *range(300, 355)]
    assert ids(table) == [f"event-{number}" for number in expected]
    assert set(table["account_id"]) == {ACCOUNT}
    assert set(table["region"]) == {"us-east-1"}
    assert table["observed_at"].notna().all()
    assert table["error_code"].notna().sum() == 3
    names = [one["LookupAttributes"][0]["AttributeValue"] for one in asked]
    assert names == ["CreateExportTask"] * 3 + ["CancelExportTask"] * 2
    assert {one["MaxResults"] for one in asked} == {50}
    text = table.astype("str").to_csv()
    assert SECRET not in text
    assert ADDRESS not in text


def test_times_are_the_same_in_all_requests(session: boto3.Session) -> None:
    """`start` and `end` are fixed once, both inclusive; by default the end is now."""
    begun = dt.datetime.now(dt.UTC).timestamp()
    with Emulator(api_calls=CALLS) as emulator:
        xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
        ends = {seen.params["EndTime"] for seen in lookups(emulator)}
        assert len(ends) == 1
        assert int(begun) <= ends.pop() <= dt.datetime.now(dt.UTC).timestamp()
        assert all("StartTime" not in seen.params for seen in lookups(emulator))
        emulator.requests.clear()
        start, end = (NOW - dt.timedelta(minutes=minutes) for minutes in (110, 3))
        table = xs.fetch_api_calls(
            start=start, end=pd.Timestamp(end), session=session, endpoint_url=emulator.url
        )
        times = {(seen.params["StartTime"], seen.params["EndTime"]) for seen in lookups(emulator)}
    assert times == {(start.timestamp(), end.timestamp())}
    assert ids(table) == [f"event-{number}" for number in range(3, 111)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": "2020-01-01"}, "LookupEvents reaches 90 days back; .* xs.read_api_calls"),
        ({"start": NOW, "end": NOW - dt.timedelta(days=1)}, "is not before end="),
        ({"start": "yesterday"}, "start='yesterday'; give a date"),
        ({"end": NOW.replace(tzinfo=None)}, "end=.* its time zone"),
        ({"requests_per_second": 0}, "requests_per_second=0"),
        ({"targets": [xs.Target()], "region": "eu-west-1"}, "region='eu-west-1' cannot be used"),
    ],
)
def test_arguments_are_checked_first(given: dict[str, Any], message: str) -> None:
    """An argument that is not valid is refused before anything is asked."""
    with pytest.raises(xs.ArgumentError, match=message):
        xs.fetch_api_calls(**given)


def test_nothing_is_an_empty_table(session: boto3.Session) -> None:
    """An account without such calls gives an empty table, not an error."""
    with Emulator() as emulator:
        table = xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
    assert_frame_equal(table, frames.empty(schema.API_CALLS))


@pytest.mark.parametrize(
    "kind", ["throttle", "unavailable", "drop", "cut", "short", "html", "gzip"]
)
def test_a_passing_fault_changes_nothing(session: boto3.Session, kind: str) -> None:
    """Requests are retried, and answers checked, as those for tasks are."""
    with Emulator(
        api_calls=CALLS, faults=[Fault(kind, every=2, operation="LookupEvents")]
    ) as emulator:
        assert len(xs.fetch_api_calls(session=session, endpoint_url=emulator.url)) == 178


@pytest.mark.parametrize(
    ("kind", "reason", "remedy"),
    [
        ("deny", "AccessDeniedException: .* cloudtrail:LookupEvents", "cloudtrail:LookupEvents"),
        ("expired", "ExpiredTokenException", "sign in again"),
        ("expired_token", "InvalidNextTokenException", "ask again from the start"),
        ("throttle", "ThrottlingException", "the account's 2 requests per second"),
        ("repeated_token", "the next token came back unchanged", "start again"),
    ],
)
def test_a_lasting_fault_keeps_what_came(
    session: boto3.Session, kind: str, reason: str, remedy: str
) -> None:
    """The error has the page, the cause and the remedy; no token, because none can be used."""
    faults = [Fault(kind, at=tuple(range(2, 20)), operation="LookupEvents")]
    with (
        Emulator(api_calls=CALLS, faults=faults) as emulator,
        pytest.raises(xs.LoadError, match=f"{reason}.*{remedy}") as caught,
    ):
        xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert ids(error.arrived)[:50] == [f"event-{number}" for number in range(1, 51)]
    assert error.tasks.empty
    assert error.next_token is None
    assert "calls arrived" in str(error)
    assert "next token continues" not in str(error)
    assert error.failures["next_token"].isna().all()


def test_a_call_while_paging_comes_once(session: boto3.Session) -> None:
    """An event that arrives while one pages moves the list; none is lost or doubled."""
    with Emulator(api_calls=CALLS, faults=[Fault("shift", at=(2,))]) as emulator:
        table = xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
    assert table["event_id"].is_unique
    assert {f"event-{number}" for number in range(1, 121)} <= set(ids(table))


def test_many_targets_and_one_that_fails(session: boto3.Session) -> None:
    """A failing target does not affect the others, in threads and on an executor."""
    calls = [ago(n, recipientAccountId=ACCOUNT, awsRegion=f"eu-west-{n}") for n in (1, 2, 3)]
    targets = [xs.Target(ACCOUNT, f"eu-west-{n}") for n in (1, 2, 3)]
    with (
        Emulator(api_calls=calls, faults=[Fault("deny", region="eu-west-2")]) as emulator,
        pytest.warns(xs.LoadWarning, match="1 of 3 targets failed") as said,
    ):
        table = xs.fetch_api_calls(
            targets, session=session, endpoint_url=emulator.url, errors="warn"
        )
    assert table["region"].to_list() == ["eu-west-1", "eu-west-3"]
    assert said[0].message.failures["remedy"].str.contains("cloudtrail:LookupEvents").all()


def test_an_executor_is_used(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller's executor loads the targets, with sessions of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with Emulator(api_calls=CALLS) as emulator, ThreadPoolExecutor(2) as executor:
        table = xs.fetch_api_calls(
            [xs.Target(ACCOUNT, "us-east-1")], endpoint_url=emulator.url, executor=executor
        )
    assert len(table) == 178


def test_the_quota_is_two_a_second(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lists share one rate limit, which is the service's own if the endpoint is AWS's."""
    rates: list[float] = []

    def limit(rate: float) -> RateLimit:
        rates.append(rate)
        return RateLimit(rate)

    monkeypatch.setattr(client, "RateLimit", limit)
    for url in (None, "http://127.0.0.1:9"):
        client.make_client(
            session,
            region="us-east-1",
            endpoint_url=url,
            requests_per_second="quota",
            operation=API_CALLS,
        )
    assert rates == [2.0]
    with Emulator(api_calls=CALLS[:3]) as emulator:
        begun = time.monotonic()
        xs.fetch_api_calls(session=session, endpoint_url=emulator.url, requests_per_second=5)
        assert time.monotonic() - begun >= 0.19  # two requests


def test_ctrl_c_keeps_what_came(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping raises LoadInterrupted with the calls of the pages that arrived."""
    came = threading.Event()

    def look(self: Any, loads: Any) -> None:  # noqa: ANN401
        if any(load.arrived.pages for load in loads):
            came.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(fleet.Bar, "look", look)
    faults = [Fault("hang", at=(2,), operation="LookupEvents")]
    with (
        Emulator(api_calls=CALLS, faults=faults) as emulator,
        pytest.raises(xs.LoadInterrupted, match="stopped by the user") as caught,
    ):
        xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
    assert came.is_set()
    assert len(caught.value.arrived) == 50
