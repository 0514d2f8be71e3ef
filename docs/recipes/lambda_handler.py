"""Report on a week from AWS Lambda, and keep what was observed and the report in S3.

The environment names the bucket (`REPORT_BUCKET`), and may name a prefix (`REPORT_PREFIX`) and a
time zone (`REPORT_TZ`). The event may name a week, `{"week": "2026-W47"}`; without one it is the
last whole week.

`PREFIX/history/` is the archive, and the report reads all of it: how long the service lists a
finished task is not known. `PREFIX/reports/` has the report by week.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

# Lambda lets one write in the folder for temporary files alone, and it shows no window.
os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
os.environ.setdefault("MPLBACKEND", "Agg")

import boto3

import exportstats as xs

_TYPES = {
    ".html": ("text/html; charset=utf-8", xs.WeeklyReport.to_html),
    ".md": ("text/markdown; charset=utf-8", xs.WeeklyReport.to_markdown),
    ".json": ("application/json", xs.WeeklyReport.to_json),
    ".eml": ("message/rfc822", xs.WeeklyReport.to_email),
}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's own
    """Fetch, keep and report; gives what was found, and where the report lies."""
    bucket = os.environ["REPORT_BUCKET"]
    prefix = os.environ.get("REPORT_PREFIX", "exportstats").strip("/")
    archive = xs.Archive(f"s3://{bucket}/{prefix}/history")
    archive.sync(log_groups=True)
    report = xs.build_weekly_report(
        archive,
        week=event.get("week") or f"{datetime.now(UTC) - timedelta(days=7):%G-W%V}",
        log_groups=archive.log_groups(),
        tz=os.environ.get("REPORT_TZ", "UTC"),
    )
    s3 = boto3.client("s3")
    keys = []
    for ending, (kind, render) in _TYPES.items():
        text = render(report)
        body = text.encode() if isinstance(text, str) else text
        keys.append(f"{prefix}/reports/{report.name.removeprefix('week ')}{ending}")
        s3.put_object(Bucket=bucket, Key=keys[-1], Body=body, ContentType=kind)
    return {
        "headline": report.headline,
        "findings": [[finding.severity, finding.kind] for finding in report.findings],
        "bucket": bucket,
        "keys": keys,
    }
