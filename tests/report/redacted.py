"""A redacted report of the worst week, and its texts."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from exportstats.report import machine

if TYPE_CHECKING:
    from pathlib import Path

    import exportstats as xs

WEEK = "2026-W24"
PSEUDONYM = {
    "account_id": r"account-\d+",
    "log_group_name": r"log-group-\d+",
    "destination": r"bucket-\d+",
    "destination_prefix": r"prefix-\d+",
    "task_id": r"task-\d+",
}


def texts_of(report: xs.WeeklyReport, folder: Path) -> dict[str, str]:
    """Return the text of each format, with the parts of the email decoded."""
    machine.write_csv(report, folder)
    mail = message_from_bytes(report.to_email(), policy=policy.default)
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    heads = [str(part.items()) for part in mail.walk()]  # encoded pictures can contain any letters
    return {
        "html": report.to_html(),
        "markdown": report.to_markdown().replace("\\", ""),
        "email": "\n".join([*heads, *parts]),
        "json": report.to_json(),
        **{file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()},
    }
