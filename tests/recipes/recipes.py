"""What the tests of the recipes share: their paths, and ways to run and to read them."""

from __future__ import annotations

import email
import email.policy
import importlib.util
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

import exportstats as xs

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"
PAGE = (ROOT / "docs" / "weekly_report.md").read_text(encoding="utf-8")
SCRIPT = RECIPES / "weekly-report.sh"
SAMPLE_LOG_GROUPS = ROOT / "data" / "sample" / "log_groups.json"
ACCOUNT, REGION = "111122223333", "us-east-1"
WEEK = "2026-W24"  # in which an outage was planted in that account and region


def sample_of_slot() -> pd.DataFrame:
    """Return the sample's tasks of the account and region."""
    return xs.sample_tasks().query("account_id == @ACCOUNT and region == @REGION")


def run(*words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def load(path: Path) -> Any:  # noqa: ANN401 - a module
    """Import a recipe, which is not in a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parts(raw: bytes | str) -> dict[str, bytes]:
    """Return the contents of a mail by content type, and by name if there is one."""
    if isinstance(raw, str):
        raw = raw.encode()
    letter = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert not letter.defects
    return {
        part.get("Content-ID", part.get_content_type()): part.get_payload(decode=True)
        for part in letter.walk()
        if not part.is_multipart()
    }


def sent(region: str = REGION) -> list[Any]:
    """Return the mails that moto's SES got; its access keys are all of one account."""
    return ses_backends[DEFAULT_ACCOUNT_ID][region].sent_messages


def published(region: str = REGION) -> list[str]:
    """Return the messages that moto's SNS got."""
    topics = sns_backends[DEFAULT_ACCOUNT_ID][region].topics.values()
    return [message for topic in topics for _, message, *_ in topic.sent_notifications]


def fill_logs(url: str) -> None:
    """Create a log group in moto, and export it, which moto does at once."""
    logs, s3 = (boto3.client(name, endpoint_url=url) for name in ("logs", "s3"))
    s3.create_bucket(Bucket="acme-export-reports")
    logs.create_log_group(logGroupName="acme/new")
    logs.create_export_task(
        logGroupName="acme/new", fromTime=0, to=1000, destination="acme-export-reports"
    )
