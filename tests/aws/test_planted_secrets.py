"""Secrets planted everywhere appear in no error, warning or output."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import boto3
import pandas as pd
import pytest

import exportstats as xs
from exportstats.emulator import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

OWN, OTHER = "111122223333", "444455556666"
KEY, SECRET, TOKEN = "AKIAPLANTEDKEY", "pLaNtEdSeCrEt/+", "pLaNtEdToKeN/+="
USER, PASSWORD = "planted-user", "planted-password"
ALL = (SECRET, TOKEN, USER, PASSWORD)
SIGNED = (
    "The request signature we calculated does not match the signature you provided.\n\n"
    f"The Canonical String for this request should have been\n'POST\n/\n\nhost:{PASSWORD}\n"
    f"x-amz-security-token:{TOKEN}\n\n{SECRET}'"
)
NAMESPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
OPERATIONS = (
    "DescribeExportTasks",
    "DescribeLogGroups",
    "LookupEvents",
    "GetCallerIdentity",
    "AssumeRole",
    "DescribeRegions",
    "ListAccounts",
    "ListObjectsV2",
)


def say(body: bytes, status: int = 200) -> bytes:
    """Write an answer."""
    return wire.http(status, wire.JSON if body[:1] == b"{" else wire.XML, body)


def refusal(operation: str) -> bytes:
    """Write each service's error about a wrong signature, which shows the signed request."""
    code = "SignatureDoesNotMatch"
    if operation in ("DescribeExportTasks", "DescribeLogGroups", "LookupEvents", "ListAccounts"):
        body = json.dumps({"__type": code, "message": SIGNED})
    else:
        inner = f"<Code>{code}</Code><Message>{escape(SIGNED)}</Message>"
        body = {
            "DescribeRegions": f"<Response><Errors><Error>{inner}</Error></Errors></Response>",
            "ListObjectsV2": f"<Error>{inner}<CanonicalRequest>GET {TOKEN}</CanonicalRequest>"
            f"<StringToSign>{SECRET}</StringToSign></Error>",
        }.get(operation, f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>")
    return say(body.encode(), status=403)


def answers(*refused: str) -> dict[str, bytes]:
    """Write valid answers to all operations except the refused ones."""
    good = {
        "DescribeExportTasks": b'{"exportTasks":[{"taskId":"a","status":{"code":"COMPLETED"},'
        b'"destination":"bucket"}]}',
        "DescribeLogGroups": b'{"logGroups":[{"logGroupName":"/a"}]}',
        "LookupEvents": b'{"Events":[]}',
        "GetMetricData": b'{"MetricDataResults":[]}',
        "DescribeLogStreams": b'{"logStreams":[]}',
        "GetCallerIdentity": f"<GetCallerIdentityResponse {NAMESPACE}><GetCallerIdentityResult>"
        f"<Arn>arn:aws:iam::{OWN}:user/a</Arn><Account>{OWN}</Account></GetCallerIdentityResult>"
        "</GetCallerIdentityResponse>".encode(),
        "AssumeRole": f"<AssumeRoleResponse {NAMESPACE}><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>"
        f"{TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        "</AssumeRoleResult></AssumeRoleResponse>".encode(),
        "DescribeRegions": b"<DescribeRegionsResponse><regionInfo><item><regionName>eu-west-1"
        b"</regionName></item></regionInfo></DescribeRegionsResponse>",
        "ListAccounts": json.dumps(
            {"Accounts": [{"Id": each, "Status": "ACTIVE"} for each in (OWN, OTHER)]}
        ).encode(),
        "ListObjectsV2": b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    }
    return {name: refusal(name) if name in refused else say(body) for name, body in good.items()}


def words_of(error: BaseException) -> Iterator[str]:
    """Return all printed forms of an error, its attributes and its causes."""
    yield "".join(traceback.format_exception(error))
    one: BaseException | None = error
    while one is not None:
        yield from (repr(one), repr(one.args), str(getattr(one, "response", "")))
        yield str(getattr(one, "kwargs", ""))
        one = one.__cause__ or one.__context__
    yield str(pickle.dumps(error)) if isinstance(error, xs.ExportStatsError) else ""
    for name in ("tasks", "arrived", "failures"):
        frame = getattr(error, name, None)
        yield "" if frame is None else frame.to_csv()


def everything(*calls: Callable[[], Any]) -> str:
    """Make some calls, and return all that they raise, warn of and return."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for call in calls:
            try:
                found = call()
                said.append(found.to_csv() if isinstance(found, pd.DataFrame) else repr(found))
            except Exception as error:  # noqa: BLE001 - all that is raised is looked at
                said += words_of(error)
    for each in caught:
        failures = getattr(each.message, "failures", None)
        said += [str(each.message), "" if failures is None else failures.to_csv()]
    return "\n".join(said)


def assert_harmless(text: str, *secrets: str) -> None:
    """Check that a text contains none of the secrets."""
    assert text
    found = [secret for secret in secrets or ALL if secret in text]
    shown = [line for line in text.splitlines() if any(secret in line for secret in found)]
    assert not found, "\n".join(shown[:3])


def ways(url: str | None = None, **given: Any) -> list[Callable[[], Any]]:  # noqa: ANN401
    """Return all functions that send requests to AWS."""
    there = {"endpoint_url": url, **given}
    roles = [xs.Target(each, role_arn=f"arn:aws:iam::{each}:role/x") for each in (OWN, OTHER)]
    row = {"task_id": ["a"], "region": "us-east-1", "destination": "b", "status_code": "COMPLETED"}
    tasks = xs.conform(pd.DataFrame(row))
    return [
        lambda: xs.fetch_tasks(**there),
        lambda: xs.fetch_tasks(roles, **there),
        lambda: xs.fetch_tasks(roles, errors="warn", **there),
        lambda: xs.fetch_log_groups(**there),
        lambda: xs.fetch_api_calls(**there),
        lambda: xs.fetch_deliveries(tasks, **there),
        lambda: xs.fetch_targets(regions="all", **given),
        lambda: xs.fetch_targets(role_name="x", **given),
        lambda: xs.wait_for_task("a", region="us-east-1", timeout="1s", **there),
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.usefixtures("no_waiting")
def test_what_was_signed_is_not_repeated_by_any_service(
    all_services: Make, strange: Make, operation: str
) -> None:
    """A signature error of any service shows no secret, from any function."""
    with strange(**answers(operation)) as server:
        all_services(
            server.url,
            AWS_ACCESS_KEY_ID=KEY,
            AWS_SECRET_ACCESS_KEY=SECRET,
            AWS_SESSION_TOKEN=TOKEN,
        )
        said = everything(*ways())
    assert operation in server.asked
    assert "SignatureDoesNotMatch: The request signature we calculated does not match" in said
    assert_harmless(said)


@pytest.mark.usefixtures("no_waiting")
def test_a_profile_whose_role_botocore_assumes_shows_nothing(
    all_services: Make, strange: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If botocore itself calls STS, errors show no secrets either."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile p]\nregion=us-east-1\nrole_arn=arn:aws:iam::{OWN}:role/x\nsource_profile=s\n"
        f"[profile s]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n"
        f"aws_session_token={TOKEN}\n"
    )
    with strange(**answers("AssumeRole")) as server:
        all_services(server.url)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        said = everything(*ways(profile="p"), lambda: xs.fetch_tasks([xs.Target(OWN, profile="p")]))
    assert "SignatureDoesNotMatch" in said
    assert_harmless(said)


@pytest.mark.parametrize("end", ["\r\nx", "\u00e9", "\x00"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_credentials_with_a_line_break_are_refused_in_every_way(
    strange: Make, which: int, end: str
) -> None:
    """Nothing is requested with credentials that contain a line break."""
    keys = [KEY, SECRET, TOKEN]
    keys[which] += end
    session = boto3.Session(*keys, region_name="us-east-1")
    with strange(**answers()) as server:
        said = everything(*ways(server.url, session=session))
    assert server.asked == []
    assert said.count("has a line break") >= 8
    assert_harmless(said, *ALL, KEY)


@pytest.mark.parametrize("kind", ["source", "process"])
@pytest.mark.usefixtures("no_waiting")
def test_credentials_that_botocore_gets_itself_are_not_shown(
    all_services: Make, strange: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A line break in a source profile's token or in a process's output shows no secret."""
    config = tmp_path / "config"
    broken = json.dumps(
        {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "SessionToken": f"{TOKEN}\nx"}
    )
    (tmp_path / "keys.json").write_text(broken)
    config.write_text(
        "[profile p]\nregion=us-east-1\n"
        + {
            "source": f"role_arn=arn:aws:iam::{OWN}:role/x\nsource_profile=s\n[profile s]\n"
            f"aws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n"
            f"aws_session_token={TOKEN}\n  more\n",
            "process": f"credential_process=cat {tmp_path / 'keys.json'}\n",
        }[kind]
    )
    with strange(**answers()) as server:
        all_services(server.url)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        said = everything(*ways(profile="p"), lambda: xs.fetch_tasks([xs.Target(OWN, profile="p")]))
    assert "line break" in said
    assert_harmless(said, *ALL, KEY)


URLS = (
    "http://{user}@{host}",
    "http://{user}@{host}/",
    "http://{user}@{host}:x",
    "http://{user}@",
    "http://{user}@a b",
    "http://{user}/x@{host}",
    "{user}@{host}",
    "http://{user}@{closed}",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("of_environment", [False, True])
@pytest.mark.usefixtures("no_waiting")
def test_a_password_in_an_address_is_never_shown(
    all_services: Make,
    strange: Make,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: str,
    url: str,
    of_environment: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Valid and invalid URLs, from arguments or the environment, show no user and password."""
    monkeypatch.setattr("exportstats.aws.client.MAX_ATTEMPTS", 1)
    with strange(**answers()) as server:
        address = url.format(
            user=f"{USER}:{PASSWORD}",
            host=server.url.partition("//")[2],
            closed=closed_port.partition("//")[2],
        )
        all_services(address if of_environment else server.url)
        calls = ways(None if of_environment else address)[::2]
        said = everything(*calls)
    assert_harmless(said)
    if url in URLS[:2]:
        assert server.asked, "there is no place for a password in a request, and no need for one"


def run(tmp_path: Path, environment: dict[str, str], *words: str) -> str:
    """Run the command, and return all its output."""
    done = subprocess.run(
        [sys.executable, "-m", "exportstats", *words],
        env={
            **{name: os.environ.get(name, "") for name in ("PATH", "PYTHONPATH")},
            "HOME": str(tmp_path),
            **environment,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_the_command_shows_no_secret(strange: Make, tmp_path: Path) -> None:
    """The error of a partial load and the command to continue show no password."""
    pages = [
        say(b'{"exportTasks":[{"taskId":"a"}],"nextToken":"t"}'),
        refusal("DescribeExportTasks"),
    ]
    environment = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
    }
    with strange(**(answers() | {"DescribeExportTasks": pages})) as server:
        url = server.url.replace("//", f"//{USER}:{PASSWORD}@")
        said = run(tmp_path, environment, "fetch", "--endpoint-url", url, "-o", "tasks.jsonl")
        said += run(tmp_path, environment, "status", "--endpoint-url", url)
        said += run(tmp_path, environment, "doctor", "--endpoint-url", url)
        said += run(tmp_path, environment, "doctor", "--endpoint-url", url, "--format", "json")
        said += (tmp_path / "tasks.jsonl").read_text()
    assert "--next-token=t" in said
    assert_harmless(said)
    with strange(**answers(*OPERATIONS)) as server:
        environment["AWS_ENDPOINT_URL"] = server.url
        for words in (["--all-regions"], ["--organization", "--role-name", "x"], []):
            assert_harmless(run(tmp_path, environment, "status", *words))
        for words in ([], ["s3://bucket/archive"], ["--format", "json"]):
            assert_harmless(run(tmp_path, environment, "doctor", *words), *ALL, KEY)


def test_no_control_character_is_in_what_a_load_says(strange: Make) -> None:
    """Control characters in AWS's texts are escaped in errors, failures and warnings."""
    evil = "a\u001b[31m\u0007\n\u202eb\u0000"
    body = json.dumps({"__type": f"Odd{evil}", "message": f"m{evil}"}).encode()
    session = boto3.Session(OWN, "s", region_name="us-east-1")
    targets = [xs.Target(OWN, region) for region in ("us-east-1", "eu-west-1")]
    refused = answers() | {
        "DescribeExportTasks": say(body, status=400),
        "DescribeLogGroups": say(body, status=400),
    }
    with strange(**refused) as server:
        for fetch in (xs.fetch_tasks, xs.fetch_log_groups):
            with pytest.raises(xs.LoadError) as caught:
                fetch(targets, session=session, endpoint_url=server.url)
            with pytest.warns(xs.LoadWarning) as warned:
                fetch(targets, session=session, endpoint_url=server.url, errors="warn")
            texts = [str(caught.value), str(warned[0].message)]
            texts += (
                caught.value.failures.astype(object)
                .fillna("")
                .astype(str)
                .to_numpy()
                .ravel()
                .tolist()
            )
            assert all(text.isprintable() for text in texts), texts
    for fields in ({"profile": evil}, {"region": evil}, {"profile": 5}, {"region": ["x"]}):
        with pytest.raises(xs.ArgumentError) as refusing:
            xs.Target(**fields)
        assert str(refusing.value).isprintable()
