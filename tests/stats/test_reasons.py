"""The reason of a message: placeholders replace what differs from task to task."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from hypothesis import given, strategies as st
from support import START, cells, plain, rows_of, table

import exportstats as xs
from exportstats.core import frames
from exportstats.stats.failures import NO_MESSAGE, reason_of


def test_a_tasks_own_names_are_taken_out():
    """The task's own bucket, log group and prefix are replaced, however they are spelled."""
    tasks = table(
        {"destination": "archive", "log_group_name": "payments", "destination_prefix": "a/b"},
        {"destination": "backup", "log_group_name": "fraud", "destination_prefix": "a/c"},
        status_code="FAILED",
    )
    tasks = frames.conform(
        tasks.assign(
            status_message=[
                "Cannot write payments to archive under a/b",
                "Cannot write fraud to backup under a/c",
            ]
        )
    )
    expected = {"Cannot write <log group> to <bucket> under <prefix>": 2}
    assert cells(xs.failure_reasons(tasks), "tasks") == expected


def test_names_that_occur_in_other_names():
    """A name inside another name or a placeholder is handled."""
    tasks = table(
        {
            "destination": "log",
            "log_group_name": "bucket",
            "destination_prefix": "log/bucket",
            "status_message": "log: bucket -> log/bucket; catalog of buckets",
        },
        status_code="FAILED",
    )
    expected = ["<bucket>: <log group> -> <prefix>; catalog of buckets"]
    assert plain(xs.failure_reasons(tasks).index) == expected


def test_ordinary_words_that_are_prefixes():
    """A prefix that is an ordinary word is not replaced."""
    tasks = table(
        {"destination_prefix": "logs"},
        {"destination_prefix": "exports"},
        {"destination_prefix": "exportedlogs"},
        status_code="FAILED",
        status_message="The logs of no exports were written",
    )
    assert cells(xs.failure_reasons(tasks), "tasks") == {"The logs of no exports were written": 3}


def test_short_names_are_left():
    """Names of one or two characters are not replaced."""
    tasks = table(
        {"destination": "it", "log_group_name": "a", "destination_prefix": ""},
        status_code="FAILED",
        status_message="it is a pity",
    )
    assert plain(xs.failure_reasons(tasks).index) == ["it is a pity"]


def test_names_with_characters_of_patterns():
    """Names with regex metacharacters are matched literally."""
    tasks = table(
        {"log_group_name": r"/a(b[c.*\d+\1", "status_message": r"Group /a(b[c.*\d+\1 is gone"},
        status_code="FAILED",
    )
    assert plain(xs.failure_reasons(tasks).index) == ["Group <log group> is gone"]


pieces = st.sampled_from(["acme", "log", "x1y", "é", "/", "-", ".", " ", "(", "\\", "\n"])
own_names = st.lists(pieces, min_size=1, max_size=5).map("".join)


def without(message: str, own: dict[str, str]) -> str:
    """Replace names of at least three characters where they are whole words."""
    names = sorted((name for name in own if len(name) >= 3), key=len, reverse=True)
    whole = rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)"
    return re.sub(whole, lambda found: own[found[0]], message) if names else message


@given(st.lists(st.tuples(own_names, own_names, st.lists(pieces, max_size=9)), max_size=6))
def test_names_are_looked_for_in_each_message(rows: list[tuple[str, str, list[str]]]):
    """Names of any characters are found in the messages of their own tasks."""
    failed = [
        {
            "destination": bucket,
            "log_group_name": name,
            "status_message": "".join([*text[:4], bucket, *text[4:6], name, *text[6:]]),
        }
        for bucket, name, text in rows
    ]
    tasks = table(*failed, status_code="FAILED")
    reasons = Counter(
        reason_of(
            without(
                row["status_message"],
                {row["destination"]: "<bucket>", row["log_group_name"]: "<log group>"},
            )
        )
        for row in rows_of(tasks)
    )
    assert cells(xs.failure_reasons(tasks), "tasks") == reasons


S3_ERROR = (
    "Not Found (Service: Amazon S3; Status Code: 404; Request ID: {}; "
    "S3 Extended Request ID: {}; Proxy: null)"
)
MESSAGES = [
    # identifiers, numbers and times of one and the same reason
    (
        "Task 6a151be9-0dbe-4dd6-ab06-d1f3dd0df17c timed out",
        "Task 3F2504E0-4F89-11D3-9A0C-0305E82C3301 timed out",
        "Task <id> timed out",
    ),
    ("Request 7F3A9C21 denied", "Request 0b11d2e4f5 denied", "Request <id> denied"),
    ("Internal error req_7f3a9c21", "Internal error req_0b11d2e4", "Internal error req_<id>"),
    (
        "Reference 0123456789abcdef0123456789abcdef",
        "Reference 99999999999999999999999999999999",
        "Reference <id>",
    ),
    (
        "Gave up after 3 attempts in 1,234.5 s",
        "Gave up after 12 attempts in 7 s",
        "Gave up after <number> attempts in <number> s",
    ),
    ("Took 900ms", "Took 1500ms", "Took <number>ms"),
    (
        "Object of 5GiB is too large",
        "Object of 1024GiB is too large",
        "Object of <number>GiB is too large",
    ),
    ("Limit of 95% reached", "Limit of 100% reached", "Limit of <number>% reached"),
    (
        "Not before 2026-11-23T06:00:00.123Z",
        "Not before 2025-01-02 23:59:59+01:00",
        "Not before <time>",
    ),
    ("Expired on 2026-11-23", "Expired on 2027-01-01.", "Expired on <time>"),
    ("No route to 10.0.0.1:443", "No route to 192.168.17.4:8443", "No route to <number>:<number>"),
    # AWS's own names
    (
        "User arn:aws:sts::111122223333:assumed-role/exporter/i-0abc is not authorised",
        "User arn:aws-cn:iam::012345678901:user/ops is not authorised",
        "User <arn> is not authorised",
    ),
    (
        "Account 111122223333 is closed",
        "Account 012345678901 is closed",
        "Account <account> is closed",
    ),
    (
        "Cannot write s3://acme-logs-eu/exportedlogs/aws-logs-write-test.",
        "Cannot write s3://b/x.",
        "Cannot write <s3 address>.",
    ),
    (
        "The bucket 'acme-logs-eu' has no policy",
        "The bucket 'logs.example.com' has no policy",
        "The bucket '<bucket>' has no policy",
    ),
    ("bucket=acme-1, denied", "bucket=my.logs7, denied", "bucket=<bucket>, denied"),
    (
        "KMS key alias/aws/s3 in eu-west-1 is disabled",
        "KMS key alias/ops/logs in eu-west-1 is disabled",
        "KMS key <path> in eu-west-1 is disabled",
    ),
    (
        "Log group /aws/lambda/x7 is gone",
        "Log group /acme/payments/api is gone",
        "Log group <path> is gone",
    ),
    (
        "Key exports/2026/11/23/a.gz exists",
        "Key exports/2025/01/02/b.gz exists",
        "Key <path> exists",
    ),
    (
        S3_ERROR.format("656C76696E672773", "lzPabc+dEfghIjkLmnOp/rStUvWxYz0123456789AbCdE="),
        S3_ERROR.format("9F1C76696E672AA0", "9Gjjt1m/cjU4OPvX9O9/0RuvnG41MRb/18Oux2o5H5MY="),
        S3_ERROR.format("<id>", "<id>").replace("404", "<number>"),
    ),
    ("Run nightly-12345 clashed", "Run nightly-7654321 clashed", "Run nightly-<number> clashed"),
    ("  Too   many\n requests\t", "Too many requests", "Too many requests"),
]


@pytest.mark.parametrize(("one", "other", "reason"), MESSAGES)
def test_one_reason_is_one_row(one: str, other: str, reason: str):
    """Two messages with the same reason become the same text with placeholders."""
    assert reason_of(one) == reason
    assert reason_of(other) == (reason + "." if other.endswith("01.") else reason)


@pytest.mark.parametrize(
    "message",
    [
        "Access denied",
        "The bucket is in another region than us-east-1",
        "Regions: us-east-1, eu-west-3, ap-southeast-2, us-gov-west-1, il-central-1",
        "The bucket policy and/or the key policy denies access",
        "Bucket missing.",
        "Cancelled by user",
        "Started Successfully",
        "FAILED",
        "InternalFailure: the service is unavailable (ServiceUnavailableException)",
        "The log group's KMS key is disabled - ask its owner",
        "Read-only file system: e.g. a mounted volume",
        "N/A",
        "\N{FIRE} Überlauf: größer als erlaubt",
        "S3 and EC2 know of no such thing",
        "decade, facade, added, deadbeef",
    ],
)
def test_ordinary_words_are_left(message: str):
    """Words, regions, service names and punctuation are not replaced."""
    assert reason_of(message) == message


@given(st.text(max_size=80) | st.text("ab1-./ :=s3bucket", max_size=60))
def test_any_text_has_a_reason(message: str):
    """Any message gives one non-empty line."""
    reason = reason_of(message)
    assert reason
    assert reason == " ".join(reason.split())


def test_blank_messages():
    """Missing, empty and blank messages have the same reason: no message."""
    made = [{"status_message": text} for text in (None, "", "  \n")]
    table_ = xs.failure_reasons(table(*made, status_code="FAILED"))
    assert cells(table_, "tasks") == {NO_MESSAGE: 3}


PIECES = [
    *("a", "1", "/", ".", "-", "_", "=", ":", "<", " ", "é", "+", "\\", "(", '"'),
    *("a1", "a.", "a/", "/a", "./", "a-", "1-", "1.", "1,", "a=", "a@", "a+", "/ ", "%/ ", "--a"),
    *(
        "s3://",
        "arn:",
        "arn:-",
        "bucket ",
        "bucket a",
        "bucket=a.",
        "2026-11-23T",
        "0123456789abcdef-",
    ),
    *("0123abcd-0123-", "s3://.", "arn:aws:", "<id>", "1ms", "12", "a1b2c3 "),
]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_messages_are_fast(piece: str):
    """10,000 repeated characters, with any prefix and suffix, take no noticeable time."""
    for start in ("", "bucket a", "s3://"):
        for end in ("!", "="):
            message = start + piece * (10_000 // len(piece)) + end
            before = time.process_time()
            reason_of(message)
            assert time.process_time() - before < 0.15


def test_many_messages_are_fast():
    """2,000 failures with different messages, buckets and prefixes are fast."""
    made = [
        {
            "status_message": f"Denied {n:08x}-aaaa for bucket-{n}/p{n}/x",
            "destination": f"bucket-{n}",
            "destination_prefix": f"p{n}/x",
            "creation_time": START + n,
        }
        for n in range(2_000)
    ]
    tasks = table(*made, status_code="FAILED")
    before = time.process_time()
    table_ = xs.failure_reasons(tasks)
    assert time.process_time() - before < 3
    assert plain(table_["tasks"].head(1))[0] > 1_000
