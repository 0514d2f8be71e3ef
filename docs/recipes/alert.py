"""Send to SNS and Slack how the weekly report ended.

    python alert.py EXIT_CODE [REPORT.json]

The environment names a topic of SNS (`ALERT_TOPIC`, its ARN), the URL of an incoming webhook of
Slack (`SLACK_WEBHOOK`), or both. The message has the headline and the titles of what is critical,
but no names of accounts, log groups or buckets. It takes `sns:Publish` on the topic.
"""

from __future__ import annotations

import html
import json
import os
import sys
import urllib.request
from pathlib import Path

_ENDS = {
    3: "only a part of the data arrived or could be read; the log names what is missing",
    4: "there is something critical",
}
_FAILED = "there is no report, or it was not sent; the log says why"
_SECONDS = 10  # to wait for an answer


def write_message(code: int, report: Path | None) -> tuple[str, str]:
    """Return the subject and the text about an exit code and the report as JSON."""
    text = [f"Exit code {code}: {_ENDS.get(code, _FAILED)}."]
    name = "no report"
    if report is not None:
        told = json.loads(report.read_text(encoding="utf-8"))
        name = told["name"]
        text.append(told["headline"])
        text += [f"- {one['title']}" for one in told["findings"] if one["severity"] == "critical"]
    return f"Export tasks, {name}: exit code {code}", "\n".join(text)


def publish(topic: str, subject: str, text: str) -> None:
    """Publish a message to a topic of SNS, in the topic's region."""
    import boto3  # noqa: PLC0415 - Slack does not need it
    from botocore.config import Config  # noqa: PLC0415

    soon = Config(
        connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 2}
    )
    sns = boto3.client("sns", region_name=topic.split(":")[3], config=soon)
    sns.publish(TopicArn=topic, Subject=subject, Message=text)


def post(webhook: str, subject: str, text: str) -> None:
    """Post a message to Slack, where &, < and > have a meaning of their own."""
    body = json.dumps({"text": html.escape(f"*{subject}*\n{text}", quote=False)}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(webhook, body, headers)  # noqa: S310 - the URL is your own
    with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
        pass


def main() -> None:
    """Read the arguments, and tell each; one that fails does not keep it from the other."""
    code, *rest = sys.argv[1:]
    subject, text = write_message(int(code), Path(rest[0]) if rest else None)
    failed = False
    for send, name in ((publish, "ALERT_TOPIC"), (post, "SLACK_WEBHOOK")):
        if address := os.environ.get(name):
            try:
                send(address, subject, text)
            except Exception as error:  # noqa: BLE001 - an address in the text may be a secret
                failed = True
                why = f"{type(error).__name__} {getattr(error, 'code', '')}".rstrip()
                sys.stderr.write(f"alert.py: {name} was not told: {why}\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
