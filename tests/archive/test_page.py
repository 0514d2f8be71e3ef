"""The page on the archive is true: its commands, SQL, policy and lifecycle rule."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import duckdb
from archived import assert_same, needs_moto
from click.testing import CliRunner
from deltalake import DeltaTable

import exportstats as xs
from exportstats.cli import main

if TYPE_CHECKING:
    import pandas as pd
    import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "archive.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page():
    """Each command of the page has its options."""
    lines = "\n".join([*blocks("sh"), *blocks("bash"), *blocks("text")]).splitlines()
    commands = [line[line.index("exportstats ") :] for line in lines if "exportstats " in line]
    assert len(commands) == 9
    for line in commands:
        _, *words = shlex.split(line)
        done = CliRunner().invoke(main, [*words, "--help"], prog_name="exportstats")
        assert done.exit_code == 0, done.output
        options = [word for word in words if word.startswith("-")]
        assert all(option in done.output for option in options), line


def test_the_sql_of_the_page(archive: xs.Archive, sample: pd.DataFrame):
    """The query of the page, here in DuckDB, gives each task in its latest state."""
    active = sample.assign(
        status_code="RUNNING", observed_at=sample["creation_time"], completion_time=None
    )
    archive.add(xs.conform(active.drop(columns=["duration", "window"])))
    archive.add(sample)
    table, query = blocks("sql")
    assert "'table_type' = 'DELTA'" in table
    stored = DeltaTable(f"{archive.uri}/tasks")
    assert stored.protocol().min_reader_version == 1
    connection = duckdb.connect()
    connection.sql(
        f"create view observations as select * from read_parquet({stored.file_uris()})"  # noqa: S608 - ours
    )
    found = connection.sql(query).to_arrow_table()
    assert_same(xs.conform(found).drop(columns=["n", "shard"], errors="ignore"), archive.tasks())
    assert len(archive.tasks()) == len(sample)


@needs_moto
def test_the_policy_and_the_lifecycle_rule(
    moto: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    sample: pd.DataFrame,
):
    """Writing and reading delete nothing, as the policy says; AWS's models take both documents."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (policy,) = blocks("json")
    iam, s3 = boto3.client("iam"), boto3.client("s3")
    iam.create_policy(PolicyName="archive", PolicyDocument=policy)
    s3.create_bucket(Bucket="acme-export-reports")
    rules = json.loads((DOCS / "recipes" / "lifecycle.json").read_text(encoding="utf-8"))
    s3.put_bucket_lifecycle_configuration(
        Bucket="acme-export-reports", LifecycleConfiguration=rules
    )
    archive = xs.Archive("s3://acme-export-reports/exportstats/history")
    caplog.clear()
    for part in range(3):
        archive.add(sample[part::3].reset_index(drop=True))
    archive.compact()
    assert len(archive.tasks()) == len(sample)
    methods = set(re.findall(r"\b(GET|PUT|HEAD|POST|DELETE) /", caplog.text))
    assert {"GET", "PUT"} <= methods <= {"GET", "PUT", "HEAD"}
    allowed = [action for one in json.loads(policy)["Statement"] for action in one["Action"]]
    assert "s3:DeleteObject" not in allowed
    prefix = rules["Rules"][0]["Filter"]["Prefix"]
    assert f"s3://acme-export-reports/{prefix}".startswith(archive.uri)
    encrypted = {"AWS_SERVER_SIDE_ENCRYPTION": "aws:kms", "AWS_SSE_KMS_KEY_ID": "key"}
    assert all(name in PAGE for name in encrypted)
    xs.Archive("s3://acme-export-reports/other", encrypted).add(sample.head(10))
    listed = s3.list_objects_v2(Bucket="acme-export-reports", Prefix="other/")["Contents"]
    heads = [s3.head_object(Bucket="acme-export-reports", Key=one["Key"]) for one in listed]
    assert {head["ServerSideEncryption"] for head in heads} == {"aws:kms"}
    for client in (iam, s3):
        client.close()
