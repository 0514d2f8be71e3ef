"""`doctor` says what commands would use and what is missing, and nothing that identifies anyone."""

from __future__ import annotations

import csv
import io
import json
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from worlds import rows, world

import exportstats as xs
from exportstats.aws.permissions import PERMISSIONS
from exportstats.cli.doctor import _advice_of, _Row
from exportstats.cli.permissions import needed_by
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]
    Serve = Callable[..., Emulator]

ARCHIVE = "read the archive"
ACCOUNT, REGION = "111122223333", "eu-west-1"
# What else --all-regions and --organization need is not tried.
UNTRIED = {"AssumeRole", "ListAccounts", "DescribeRegions"}
REQUESTS = ["GetCallerIdentity", *(name for name in PERMISSIONS if name not in UNTRIED)]


@pytest.fixture
def ask(run: Run) -> Callable[..., tuple[dict[str, dict[str, Any]], int]]:
    """Return the rows of the answer by their check, and the exit code."""

    def call(*words: object) -> tuple[dict[str, dict[str, Any]], int]:
        done = run("doctor", *words, "--format", "json")
        found = json.loads(done.stdout)
        table = list(csv.DictReader(io.StringIO(run("doctor", *words, "--format", "csv").stdout)))
        assert [[*row.values()] for row in table] == [
            [value or "" for value in row.values()] for row in found
        ]
        return {row.pop("check"): row for row in found}, done.exit_code

    return call


def test_each_request_is_tried_once_and_small(run: Run, serve: Serve):
    """All requests work, each was sent once for at most one item, and the exit code is 0."""
    emulator = serve(world().tasks, **rows())
    done = run("doctor")
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(one.operation for one in emulator.requests) == sorted(REQUESTS)
    for one in emulator.requests:
        if one.operation.startswith("Describe"):
            assert one.params["limit"] == 1
    assert "What to do" not in done.stdout


def test_settings_and_versions(ask: Callable, serve: Serve):
    """The provider, region, endpoint and versions are those in use, without password or account."""
    emulator = serve(world().tasks, **rows())
    url = emulator.url.replace("//", "//planted-user:planted-password@")
    found, code = ask("--endpoint-url", url, "--region", "us-east-1")
    assert code == 0
    shown = {name: row["result"] for name, row in found.items() if name not in REQUESTS}
    assert shown == {
        "credentials": "env",
        "principal": f"arn:aws:iam::********{ACCOUNT[-4:]}:user/(hidden)",
        "region": "us-east-1",
        "endpoint": emulator.url,
        "proxy": "none",
        "versions": shown["versions"],
        "platform": f"Python {platform.python_version()}, {platform.platform()}",
    }
    for part in shown["versions"].split(", "):
        name, _, version = part.partition(" ")
        assert metadata.version(name) == version
    assert "planted" not in str(found)
    assert {one.region for one in emulator.requests} == {"us-east-1"}


@pytest.mark.parametrize("request_", [name for name in REQUESTS if name != "GetCallerIdentity"])
def test_a_missing_permission_is_named(ask: Callable, serve: Serve, request_: str):
    """A denied request names its IAM action and who needs it; what depends on it is not tried."""
    serve(world().tasks, **rows(), faults=[Fault("deny", operation=request_)])
    found, code = ask()
    assert code == 1
    row = found[request_]
    service = {"Looku": "cloudtrail", "GetMe": "cloudwatch", "ListO": "s3"}.get(
        request_[:5], "logs"
    )
    action = "ListBucket" if service == "s3" else request_
    assert row["result"] == "denied"
    assert f"allow the action {service}:{action} on " in row["remedy"]
    assert row["needed_by"] == needed_by(request_)
    assert ACCOUNT not in str(found)
    others = {name: found[name]["result"] for name in REQUESTS if name != request_}
    if request_ == "DescribeExportTasks":
        assert others.pop("ListObjectsV2") == "not tried"
        assert found["ListObjectsV2"]["reason"] == "it needs a task, and none could be listed"
    assert set(others.values()) == {"works"}


def test_an_unknown_principal(ask: Callable, serve: Serve):
    """STS may refuse; the others are tried nevertheless."""
    serve(world().tasks, **rows(), faults=[Fault("deny_identity")])
    found, code = ask()
    assert (found["principal"]["result"], code) == ("unknown", 1)
    assert found["GetCallerIdentity"]["result"] == "denied"
    assert found["DescribeExportTasks"]["result"] == "works"


def test_an_account_without_tasks(ask: Callable, serve: Serve):
    """What there is nothing to try on is not tried, which is not a failure."""
    serve([])
    found, code = ask()
    assert code == 0
    for name, noun in (("ListObjectsV2", "task"), ("DescribeLogStreams", "log group")):
        assert found[name]["result"] == "not tried"
        assert found[name]["reason"] == f"there is no {noun} to try it on"


def test_a_damaged_archive(ask: Callable, serve: Serve, tmp_path: Path):
    """A damaged entry of the archive's log is a failure, with the entry and the remedy."""
    serve(world().tasks, **rows())
    archive = xs.Archive(tmp_path / "history")
    for _ in range(2):
        archive.sync(log_groups=True)
        archive.add(xs.sample_tasks())
    entry = tmp_path / "history" / "tasks" / "_delta_log" / f"{1:020}.json"
    entry.write_text("damaged")
    found, code = ask(archive.uri)
    assert code == 1
    assert found[ARCHIVE]["result"] == "failed"
    assert entry.name in found[ARCHIVE]["reason"]
    assert found[ARCHIVE]["remedy"].startswith("restore it from a backup")


def test_no_credentials(run: Run, ask: Callable):
    """Without credentials one line has the remedy, and nothing is requested."""
    done = run("doctor")
    assert done.exit_code == 1
    assert done.stderr.startswith("exportstats: nothing was requested: Unable to locate credentia")
    assert "AWS_PROFILE" in done.stderr
    assert done.stderr.count("\n") == 1
    found, code = ask("--region", REGION)
    assert found.keys().isdisjoint(REQUESTS)
    assert (found["credentials"]["result"], found["region"]["result"]) == ("none found", REGION)
    assert "AWS_PROFILE" in found["credentials"]["remedy"]
    assert code == 1


def test_no_region_or_profile(run: Run, live: Emulator, monkeypatch: pytest.MonkeyPatch):
    """A missing region and an unknown profile are one line with the option."""
    done = run("doctor", "--profile", "nobody")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "profile (nobody) could not be found; list your profiles" in done.stderr
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    done = run("doctor")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "You must specify a region; name a region, such as --region eu-west-1" in done.stderr
    assert live.requests == []


def test_an_endpoint_that_cannot_be_reached(terminal: Callable):
    """In 80 columns, the answer fits, and a remedy that requests share is shown once."""
    code, text = terminal(
        "doctor",
        AWS_ENDPOINT_URL="http://127.0.0.1:1",
        AWS_ACCESS_KEY_ID=ACCOUNT,
        AWS_SECRET_ACCESS_KEY="made-up",
        AWS_DEFAULT_REGION=REGION,
    )
    text = re.sub(r"\x1b\[\d*m", "", text)
    assert code == 1
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("check the network") == 1
    assert "GetCallerIdentity and 4 more" in text
    assert "columns not shown" not in text


def test_what_fails_is_not_tried_again(run: Run, serve: Serve):
    """A throttled request and one without an answer were sent once; no remedy is about loading."""
    faults = [Fault("throttle", operation="LookupEvents"), Fault("hang", operation="ListObjectsV2")]
    emulator = serve(world().tasks, **rows(), faults=faults)
    done = run("doctor")
    assert done.exit_code == 1
    assert len(emulator.requests) == len(REQUESTS)
    assert re.search("LookupEvents +ThrottlingException: .*: try again later", done.stdout)
    assert re.search("ListObjectsV2 +Read timeout on endpoint URL: .*; try again\n", done.stdout)
    assert "arrived" not in done.stdout


def test_a_proxy_is_shown_without_its_password(ask: Callable, monkeypatch: pytest.MonkeyPatch):
    """The proxy of the endpoint is shown; nothing gets through this one."""
    for name, value in {
        "HTTPS_PROXY": "http://planted-user:planted-password@127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
        "AWS_SECRET_ACCESS_KEY": "planted-secret",
    }.items():
        monkeypatch.setenv(name, value)
    found, code = ask("--region", REGION)
    assert code == 1
    assert found["proxy"]["result"] == "127.0.0.1:1"
    assert found["endpoint"]["result"] == f"https://logs.{REGION}.amazonaws.com"
    assert found["DescribeExportTasks"]["result"] == "failed"
    assert "planted" not in str(found).lower()


def test_a_role_is_shown_without_its_session(
    ask: Callable, moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The name of a session is often the address of a person."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile p]\nrole_arn=arn:aws:iam::{ACCOUNT}:role/audit\nsource_profile=s\n"
        f"role_session_name=ann@example.com\nregion={REGION}\n"
        "[profile s]\naws_access_key_id=made-up\naws_secret_access_key=made-up\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    found, _ = ask("--profile", "p")
    assert found["credentials"]["result"] == "assume-role"
    assert found["principal"]["result"] == f"arn:aws:sts::********{ACCOUNT[-4:]}:assumed-role/audit"
    assert "ann" not in str(found)
    assert ACCOUNT not in str(found)


def test_an_archive_is_read_and_not_written(ask: Callable, serve: Serve, tmp_path: Path):
    """An archive works or is missing; nothing is written in either case."""
    serve(world().tasks, **rows())
    archive = tmp_path / "history"
    xs.Archive(archive).add(xs.sample_tasks().head(9))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found, code = ask(archive)
    assert (found[ARCHIVE]["result"], code) == ("works", 0)
    found, code = ask(tmp_path / "nothing")
    assert (found[ARCHIVE]["result"], code) == ("failed", 1)
    assert found[ARCHIVE]["remedy"] == "`exportstats archive sync` makes one"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "nothing").exists()


def test_an_archive_that_may_not_be_read(ask: Callable, serve: Serve):
    """A refused archive names the actions."""
    serve(world().tasks, **rows(), faults=[Fault("deny", operation="ListObjectsV2")])
    found, code = ask("s3://acme-logs/history")
    assert (found[ARCHIVE]["result"], code) == ("denied", 1)
    assert "s3:ListBucket and s3:GetObject" in found[ARCHIVE]["remedy"]
    assert ACCOUNT not in str(found)


def test_a_wrong_address_is_wrong_usage(run: Run, live: Emulator):
    """What cannot be an archive is refused before anything is requested."""
    done = run("doctor", "gs://bucket/a")
    assert done.exit_code == 2
    assert "give a folder or s3://bucket/prefix" in done.stderr
    assert live.requests == []


def test_markdown_for_an_issue(run: Run, serve: Serve):
    """All three tables are in Markdown, with what to do in full."""
    serve(world().tasks, **rows(), faults=[Fault("deny", operation="LookupEvents")])
    text = run("doctor", "--format", "markdown").stdout
    assert text.count("\n\n| ") == 3
    assert "allow the action cloudtrail:LookupEvents on the resource" in text
    assert ACCOUNT not in text
    assert str(Path.home()) not in text


def test_an_explicit_deny_is_said():
    """Of a missing permission only the remedy is said, unless a policy denies it explicitly."""
    texts = (
        "AccessDeniedException: no identity-based policy allows it",
        "AccessDeniedException: with an explicit deny in a service control policy",
    )
    rows_ = [
        _Row(name, "denied", "x", text, "allow it") for name, text in zip("ab", texts, strict=True)
    ]
    rows_ += [_Row("c", "failed", "x", "no network", "check it") for _ in range(3)]
    assert [(row.check, row.remedy) for row in _advice_of(rows_)] == [
        ("a", "allow it"),
        ("b", f"{texts[1]}; allow it"),
        ("c and 2 more", "no network; check it"),
    ]
