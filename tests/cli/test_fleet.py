"""One command for many accounts and regions, against moto and the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from organisation import account_of, found_organisation

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REGIONS = ["eu-west-1", "us-east-1", "us-west-2"]


@pytest.fixture(scope="module")
def organisation(moto_server: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Serve an organisation of 60 accounts, and yield its environment and accounts."""
    # moto knows some thirty regions; this organisation has enabled three of them
    few = [region for region in RegionsAndZonesBackend.regions if region.name in REGIONS]
    services = ("STS", "ORGANIZATIONS", "EC2")
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "management",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **{f"AWS_ENDPOINT_URL_{name}": moto_server for name in services},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RegionsAndZonesBackend, "regions", few)
        yield environment, found_organisation(moto_server)


def start(
    environment: dict[str, str], folder: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "exportstats", *words],
        env=environment | {"HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def task(account: str, region: str, number: int) -> dict[str, object]:
    """Return a task of an account and region."""
    return {
        "accountId": account,
        "region": region,
        "taskId": f"{account}-{region}-{number}",
        "executionInfo": {"creationTime": 1_700_000_000_000 + number},
    }


@pytest.mark.slow
def test_an_organisation_is_fetched_by_one_command(
    organisation: tuple[dict[str, str], list[str]], tmp_path: Path
):
    """Of 60 accounts, three fail; the file has the others, and each cause is printed."""
    environment, accounts = organisation
    tasks = [task(a, r, n) for a in accounts for r in REGIONS for n in range(3)]
    faults = [
        Fault("deny", account=accounts[3], region="eu-west-1"),
        Fault("deny", account=accounts[4], region="us-east-1"),
        Fault("unrecognized", account=accounts[5], region="us-west-2"),
    ]
    words = ["fetch", "--organization", "--role-name", "audit", "--all-regions"]
    with Emulator(tasks, account_of=account_of, faults=faults) as emulator:
        environment = environment | {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": emulator.url}
        done = start(environment, tmp_path, *words, "-o", "fleet.parquet")
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    fetched = xs.read_tasks(tmp_path / "fleet.parquet")
    assert len(fetched) == 60 * 3 * 3 - 9
    assert set(fetched["account_id"]) == set(accounts)
    assert f"asking {60 * 3} targets" in done.stderr
    assert f"3 of {60 * 3} targets failed" in done.stderr
    assert "Traceback" not in done.stderr
    denied = done.stderr.partition("AccessDeniedException")[2]
    assert 'allow the action logs:DescribeExportTasks on the resource "*"' in denied
    for account, region in ((accounts[3], "eu-west-1"), (accounts[4], "us-east-1")):
        assert f"- {account} {region}" in denied
    assert "the region is enabled" in done.stderr.partition("UnrecognizedClientException")[2]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_targets_of_a_file_are_asked(
    kind: str, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A CSV or a JSON file names accounts and regions."""
    rows = [{"account_id": "111122223333", "region": region} for region in REGIONS]
    text = (
        json.dumps(rows)
        if kind == "json"
        else "account_id,region\n" + "".join(f"111122223333,{region}\n" for region in REGIONS)
    )
    targets = tmp_path / f"targets.{kind}"
    targets.write_text(text)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with Emulator([task("111122223333", r, n) for r in REGIONS for n in range(70)]) as emulator:
        words = ["status", "--targets", targets, "--endpoint-url", emulator.url]
        done = run(*words, "--by", "region", "--format", "json")
    assert done.exit_code == 0, done.stderr
    counts = {row["region"]: 0 for row in json.loads(done.stdout)}
    for row in json.loads(done.stdout):
        counts[row["region"]] += row["tasks"]
    assert counts == dict.fromkeys(REGIONS, 70)


def test_an_external_id_needs_the_organisation(run: Callable, tmp_path: Path):
    """Without --organization, and beside a file of targets, --external-id is refused."""
    targets = tmp_path / "targets.csv"
    targets.write_text("region\neu-west-1\n")
    for words in ([], ["--targets", targets]):
        done = run("status", "--external-id", "acme", *words)
        assert done.exit_code == 2
        assert "--external-id acme is for --organization and --role-name" in done.stderr


def test_several_profiles_are_asked(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """--profile can be repeated."""
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"[profile p{n}]\nregion=eu-west-1\naws_access_key_id={n:012}\n"
            "aws_secret_access_key=made-up\n"
            for n in (1, 2)
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with Emulator([task(f"{n:012}", "eu-west-1", 0) for n in (1, 2)]) as emulator:
        words = ["status", "--profile", "p1", "--profile", "p2", "--endpoint-url", emulator.url]
        done = run(*words, "--by", "account_id", "--format", "csv")
    assert done.exit_code == 0, done.stderr
    assert "000000000001" in done.stdout
    assert "000000000002" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--organization", "--role-name"),
        ("--role-name audit", "--organization"),
        ("--all-regions --region eu-west-1", "cannot be combined"),
        ("--targets t.csv --region eu-west-1", "names all accounts and regions; leave out"),
        ("--targets bad.csv", "target 1: 'acount'"),
        ("--targets short.csv", "target 2: account_id '12'"),
        ("--targets broken.json", "broken.json, line 2"),
        ("--targets none.csv", "has no target"),
        ("--targets missing.csv", "missing.csv"),
        ("t.csv --all-regions", "--all-regions is for AWS"),
    ],
)
def test_contradictory_or_invalid_targets_are_refused(
    words: str, said: str, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The error names the option or file, place and value; the exit code is that of wrong usage."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("account_id,region\n111122223333,eu-west-1\n")
    (tmp_path / "bad.csv").write_text("acount,region\n111122223333,eu-west-1\n")
    (tmp_path / "short.csv").write_text("account_id\n111122223333\n12\n")
    (tmp_path / "broken.json").write_text('[\n{"account_id": }]')
    (tmp_path / "none.csv").write_text("account_id,region\n")
    done = run("status", *words.split())
    assert done.exit_code == 2, done.stderr
    assert said in done.stderr
