"""The credentials, region and endpoint in use, and the errors for wrong ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import exportstats as xs
from exportstats.aws.tasks import fetch_tasks
from exportstats.emulator import DEFAULT_ACCOUNT, Emulator, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set credentials and a region as a shell would."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", DEFAULT_ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return monkeypatch


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Run an emulator with one task in each of two regions."""
    tasks = [{"taskId": region, "region": region} for region in ("eu-west-1", "ap-south-1")]
    with Emulator(tasks) as running:
        yield running


# Endpoint and credentials


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"])
def test_the_environment_says_it_all(
    environment: pytest.MonkeyPatch, emulator: Emulator, name: str
) -> None:
    """Without arguments, boto3's variables are used, and STS is called at the same endpoint."""
    environment.setenv(name, emulator.url)
    assert fetch_tasks()["task_id"].to_list() == ["eu-west-1"]
    assert {(seen.operation, seen.region) for seen in emulator.requests} == {
        (wire.IDENTITY, "eu-west-1"),
        (wire.TASKS, "eu-west-1"),
    }


def test_an_argument_goes_before_the_environment(
    environment: pytest.MonkeyPatch, emulator: Emulator, closed_port: str
) -> None:
    """`endpoint_url` and `region` override the environment."""
    environment.setenv("AWS_ENDPOINT_URL", closed_port)
    found = fetch_tasks(endpoint_url=emulator.url, region="ap-south-1")
    assert found["task_id"].to_list() == ["ap-south-1"]
    assert found["region"].to_list() == ["ap-south-1"]


def test_a_region_goes_before_the_sessions_own(make_session: Make, emulator: Emulator) -> None:
    """`region` overrides that of the session."""
    session = make_session(DEFAULT_ACCOUNT, "eu-west-1")
    found = fetch_tasks(session=session, region="ap-south-1", endpoint_url=emulator.url)
    assert found["region"].to_list() == ["ap-south-1"]


@pytest.mark.parametrize("how", ["argument", "AWS_PROFILE"])
def test_a_profile_has_credentials_region_and_endpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, emulator: Emulator, how: str
) -> None:
    """A profile of the config file is enough."""
    config = tmp_path / "config"
    config.write_text(
        "[profile audit]\nregion = ap-south-1\nservices = here\n"
        f"aws_access_key_id = {DEFAULT_ACCOUNT}\naws_secret_access_key = made-up\n"
        f"[services here]\ncloudwatch_logs =\n  endpoint_url = {emulator.url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    if how == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "audit")
    found = fetch_tasks(profile="audit" if how == "argument" else None)
    assert found["task_id"].to_list() == ["ap-south-1"]


# Missing and wrong settings


def test_without_credentials_the_error_says_how_to_give_them(emulator: Emulator) -> None:
    """Nothing is requested, and the error names the profile and the variables to set."""
    with pytest.raises(xs.LoadError, match=r"Unable to locate credentials; name a profile"):
        fetch_tasks(region="eu-west-1", endpoint_url=emulator.url)
    assert emulator.requests == []


def test_half_a_credential_is_an_error(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    """An access key without a secret key is reported as partial credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", DEFAULT_ACCOUNT)
    with pytest.raises(xs.LoadError, match=r"Partial credentials found.*AWS_SECRET_ACCESS_KEY"):
        fetch_tasks(region="eu-west-1", endpoint_url=emulator.url)


@pytest.mark.parametrize("how", ["argument", "AWS_PROFILE"])
def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """The error names the profile, and the command that lists profiles."""
    if how == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(xs.LoadError, match=r"\(nobodys\).*aws configure list-profiles") as caught:
        fetch_tasks(profile="nobodys" if how == "argument" else None)
    assert caught.value.tasks.empty


@pytest.mark.parametrize("where", ["AWS", "elsewhere"])
def test_without_a_region_the_error_says_how_to_name_one(
    make_session: Make, emulator: Emulator, where: str
) -> None:
    """The error names the argument and the variable that boto3 reads."""
    with pytest.raises(xs.LoadError, match=r"region='eu-west-1', or set AWS_DEFAULT_REGION"):
        fetch_tasks(
            session=make_session(region=None),
            endpoint_url=emulator.url if where == "elsewhere" else None,
        )
    assert emulator.requests == []


@pytest.mark.parametrize("region", ["us east 1", "eu-west-1/", "evil.example/"])
def test_an_invalid_region_is_refused(make_session: Make, region: str) -> None:
    """The error names the region and shows a valid one, without a word on endpoints."""
    with pytest.raises(xs.ArgumentError, match=re.escape(region)) as caught:
        fetch_tasks(session=make_session(), region=region)
    assert str(caught.value).endswith("name a region such as 'eu-west-1'")


@pytest.mark.parametrize(
    "url", ["localhost:5000", "nonsense", "http://", "https://a b/", "https://x\\.amazonaws.com"]
)
def test_an_invalid_endpoint_is_refused(make_session: Make, url: str) -> None:
    """The error names the endpoint and shows a valid one."""
    with pytest.raises(xs.ArgumentError, match=re.escape(url)) as caught:
        fetch_tasks(session=make_session(), endpoint_url=url)
    assert str(caught.value).endswith("give endpoint_url as in https://host:port")


@pytest.mark.usefixtures("no_waiting")
def test_an_endpoint_without_a_listener_is_named(make_session: Make, closed_port: str) -> None:
    """The error names the URL and says to check the network, the region and the endpoint."""
    with pytest.raises(xs.LoadError, match=rf"{closed_port}.*; check the network") as caught:
        fetch_tasks(session=make_session(), endpoint_url=closed_port)
    assert caught.value.tasks.empty
    assert caught.value.next_token is None


def test_a_credential_process_that_talks_nonsense_is_blamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the process, not the endpoint."""
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-west-1\ncredential_process = echo hello\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(xs.ExportStatsError, match="credential_process") as caught:
        fetch_tasks()
    assert "endpoint_url" not in str(caught.value)
