"""What log groups took in is fetched from the emulator, in as few requests as possible."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support import ms

import exportstats as xs
from exportstats.aws import incoming
from exportstats.aws.incoming import METRICS
from exportstats.emulator import Emulator, Fault
from exportstats.errors import ArgumentError, LoadError, LoadWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exportstats.io.json_text import Page

ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "eu-west-1"
NOW = dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC)
HOUR = 3_600_000
DAY_1 = ms("2026-11-20T00:00Z")
RANGE = {"start": "2026-11-20", "end": "2026-11-21"}
CAME = [(0, 100, 1), (1, 5_000_000_000, 7), (1.5, 3, 2), (23, 8, 4), (24, 9, 9)]


def period(hour: float, size: int, events: int, **more: object) -> dict[str, Any]:
    """Return what /app took in at an hour of the first day."""
    return {
        "accountId": ACCOUNT,
        "region": REGION,
        "logGroupName": "/app",
        "start": int(DAY_1 + hour * HOUR),
        "incomingBytes": size,
        "incomingEvents": events,
        **more,
    }


def groups(*names: str, account_id: str | None = ACCOUNT, region: str = REGION) -> pd.DataFrame:
    """Return a table of log groups."""
    frame = pd.DataFrame({"log_group_name": names})
    return xs.conform(frame.assign(account_id=account_id, region=region), of="log_groups")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Run an emulator of the first day."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    incoming = [*(period(*came) for came in CAME), period(0, 1, 1, logGroupName="/web")]
    with Emulator(incoming=incoming, now=NOW) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        yield emulator


def test_sums_by_period_with_zeros(emulator: Emulator):
    """Each period of the range has a row; one without data has zeros."""
    found = xs.fetch_incoming(groups("/app", "/none"), **RANGE)
    assert len(found) == 24
    app = found[found["log_group_name"] == "/app"].set_index("start")
    assert app["incoming_bytes"].to_list() == [100, 5_000_000_003, *[0] * 21, 8]
    assert app["incoming_events"].to_list() == [1, 9, *[0] * 21, 4]
    assert (found["period"] == pd.Timedelta("1h")).all()
    assert (found["account_id"] == ACCOUNT).all()
    assert [one.operation for one in emulator.requests].count("GetMetricData") == 1


def test_the_range_is_widened_to_whole_periods(emulator: Emulator):
    """Data of a period that is partly in the range belongs to it."""
    del emulator
    found = xs.fetch_incoming(
        groups("/app"), start="2026-11-20T01:10Z", end="2026-11-20T01:40Z", period="5min"
    )
    assert found["start"].iloc[0] == pd.Timestamp("2026-11-20T01:10Z")
    assert found["incoming_events"].to_list() == [0, 0, 0, 0, 2, 0]


def test_as_few_requests_as_the_limits_allow(emulator: Emulator):
    """500 metrics or 100,800 points each; the emulator refuses more."""
    names = [f"/app/{number:03}" for number in range(251)]
    found = xs.fetch_incoming(groups(*names), **RANGE)
    assert found.empty  # none of them has any data, so nothing is known of them
    pages = [one.params for one in emulator.requests if one.operation == "GetMetricData"]
    first = [len(page["MetricDataQueries"]) for page in pages if "NextToken" not in page]
    assert first == [500, 2]
    emulator.requests.clear()
    xs.fetch_incoming(groups(*names[:30]), start="2026-08-25", end="2026-11-23")
    pages = [one.params for one in emulator.requests if one.operation == "GetMetricData"]
    assert [len(p["MetricDataQueries"]) for p in pages if "NextToken" not in p] == [46, 14]


def test_periods_that_cloudwatch_cannot_know_are_not_in_the_table(emulator: Emulator):
    """Neither those that it no longer keeps, nor those that have not ended, are zeros."""
    del emulator
    found = xs.fetch_incoming(groups("/app"), start="2026-11-01", end="2026-12-01")
    assert found["start"].max() == pd.Timestamp("2026-11-23T11:00Z")
    minutes = xs.fetch_incoming(groups("/app"), start="2026-11-01", end="2026-11-21", period="1min")
    assert minutes["start"].min() == pd.Timestamp("2026-11-08T12:30Z")


def test_a_fault_in_one_account_does_not_affect_others(monkeypatch: pytest.MonkeyPatch):
    """What was denied is not zero: its log groups are missing, and the failure names the remedy."""
    both = pd.concat([groups("/app"), groups("/app", account_id=OTHER)])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    faults = [Fault("deny", operation="GetMetricData", account=OTHER)]
    with Emulator(incoming=[period(0, 1, 1)], now=NOW, faults=faults) as emulator:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
        with pytest.raises(LoadError) as caught:
            xs.fetch_incoming(both, **RANGE, endpoint_url=emulator.url)
    assert set(caught.value.arrived["account_id"]) == {ACCOUNT}
    [failure] = caught.value.failures.to_dict("records")
    assert failure["account_id"] == OTHER


def test_a_denied_request_names_the_permission(monkeypatch: pytest.MonkeyPatch):
    """The remedy is the action to allow."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with (
        Emulator(faults=[Fault("deny")]) as emulator,
        pytest.raises(LoadError, match="cloudwatch:GetMetricData"),
    ):
        xs.fetch_incoming(groups("/app"), **RANGE, endpoint_url=emulator.url)


def test_log_groups_without_a_target_are_named(emulator: Emulator):
    """They were not looked at, which is not the same as nothing."""
    del emulator
    both = pd.concat([groups("/app"), groups("/app", account_id=OTHER)])
    with pytest.warns(LoadWarning, match=f"no target is for 1 of .* /app of {OTHER} in {REGION}"):
        found = xs.fetch_incoming(both, targets=[xs.Target(ACCOUNT, REGION)], **RANGE)
    assert set(found["log_group_name"]) == {"/app"}


def test_metrics_that_cloudwatch_could_not_read_are_a_failure(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
):
    """A result that is not Complete does not count as zero. The emulator always completes them."""
    del emulator

    def spoiled(pages: list[Page], first: int) -> list[Any]:
        parts = [*METRICS.read(pages, first)]
        for part in parts:
            part.results[0].StatusCode = "InternalError"
        return parts

    monkeypatch.setattr(incoming, "METRICS", replace(METRICS, read=spoiled))
    with pytest.raises(LoadError, match="InternalError for 1 log groups, such as /app") as caught:
        xs.fetch_incoming(groups("/app", "/web"), **RANGE)
    assert set(caught.value.arrived["log_group_name"]) == {"/web"}


@pytest.mark.parametrize(
    "wrong",
    [{"period": "2h"}, {"start": "2026-11-22"}, {"start": "2020-01-01", "period": "1min"}],
)
def test_arguments_that_are_not_valid(emulator: Emulator, wrong: dict[str, str]):
    """Nothing is requested."""
    with pytest.raises(ArgumentError):
        xs.fetch_incoming(groups("/app"), **RANGE | wrong)
    assert not emulator.requests
