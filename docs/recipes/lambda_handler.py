"""Run `weekly-report.sh` in AWS Lambda, and keep the archive and the reports in S3.

The environment names the bucket (`REPORT_BUCKET`), and may name a prefix (`REPORT_PREFIX`) and
whatever else `weekly-report.sh` takes, such as whom to ask and whom to alert. The event may name a
week, `{"week": "2026-W47"}`; without one it is the last whole week.

`PREFIX/history/` is the archive, and the report reads all of it: how long the service lists a
finished task is not known. `PREFIX/reports/` has the report by week.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import boto3

_SCRIPT = Path(__file__).with_name("weekly-report.sh")
_SECONDS_LEFT = 90  # of the function's timeout, to tell that the script was stopped
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".eml": "message/rfc822",
    ".csv": "text/csv; charset=utf-8",
}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Fetch, keep and report; return what was found, and where the report is.

    Exit codes other than 0, 3 and 4 are errors, so that Lambda counts them as such. A report that
    could not be mailed is in S3 all the same.
    """
    bucket = os.environ["REPORT_BUCKET"]
    prefix = os.environ.get("REPORT_PREFIX", "exportstats").strip("/")
    week = event.get("week") or ""
    if week and not re.fullmatch(r"\d{4}-W\d\d", week):
        raise ValueError(f'week={week!r}; give one as in "2026-W47"')
    with tempfile.TemporaryDirectory() as folder:  # Lambda lets one write nowhere else
        given = {
            "REPORT_ARCHIVE": f"s3://{bucket}/{prefix}/history",
            "REPORT_WEEK": week,
            "MPLCONFIGDIR": folder,
        }
        seconds = context.get_remaining_time_in_millis() // 1000 - _SECONDS_LEFT
        limited = ["timeout", "--kill-after=60", str(max(1, seconds)), _SCRIPT, folder]
        # what it prints is Lambda's log
        done = subprocess.run(limited, env={**os.environ, **given}, check=False)  # noqa: S603 - ours
        code = done.returncode
        reports = Path(folder, "reports")
        files = sorted(path for path in reports.rglob("*") if path.is_file())
        s3 = boto3.client("s3")
        for path in files:
            s3.put_object(
                Bucket=bucket,
                Key=f"{prefix}/reports/{path.relative_to(reports)}",
                Body=path.read_bytes(),
                ContentType=_TYPES[path.suffix],
            )
        if code not in (0, 3, 4):
            raise RuntimeError(f"{_SCRIPT.name} ended with {code}; the log above says why")
        [written] = reports.glob("*.json")
        report = json.loads(written.read_text(encoding="utf-8"))
    return {
        "exit_code": code,
        "headline": report["headline"],
        "partial": report["partial"],
        "findings": [[finding["severity"], finding["kind"]] for finding in report["findings"]],
        "bucket": bucket,
        "keys": [
            f"{prefix}/reports/{written.stem}{ending}" for ending in _TYPES if ending != ".csv"
        ],
    }
