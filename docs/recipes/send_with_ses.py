"""Send the mail that `exportstats report --email` wrote, with Amazon SES.

    python send_with_ses.py report.eml --from reports@example.com --to oncall@example.com

The mail has neither sender nor receivers nor date, so that the same week gives the same bytes; they
are set here. It takes `ses:SendEmail` and `ses:SendRawEmail` on the sender's identity, which SES
must have verified.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import sys
from datetime import UTC, datetime
from email.utils import getaddresses, parseaddr
from pathlib import Path

import boto3


def address(raw: bytes, sender: str, receivers: list[str]) -> bytes:
    """Set who a mail is from and to, and its date; all else is left as it is."""
    mail = email.message_from_bytes(raw, policy=email.policy.SMTP)
    for name, value in {
        "From": sender,
        "To": ", ".join(receivers),
        "Date": datetime.now(UTC),
    }.items():
        del mail[name]
        mail[name] = value
    return mail.as_bytes()


def send(raw: bytes, sender: str, receivers: list[str]) -> str:
    """Send a mail; gives the identifier by which SES knows it."""
    sent = boto3.client("sesv2").send_email(
        FromEmailAddress=parseaddr(sender)[1],
        Destination={"ToAddresses": [bare for _, bare in getaddresses(receivers)]},
        Content={"Raw": {"Data": address(raw, sender, receivers)}},
    )
    return sent["MessageId"]


def main() -> None:
    """Read the arguments, and send."""
    parser = argparse.ArgumentParser(description="Send an .eml with Amazon SES.")
    parser.add_argument("eml", type=Path)
    parser.add_argument("--from", dest="sender", required=True, metavar="ADDRESS")
    parser.add_argument("--to", nargs="+", required=True, metavar="ADDRESS")
    given = parser.parse_args()
    sys.stdout.write(f"sent as {send(given.eml.read_bytes(), given.sender, given.to)}\n")


if __name__ == "__main__":
    main()
