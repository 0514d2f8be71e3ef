"""Impossible listings of S3: what was delivered is unknown, and never gone."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from answers import CUT_HTML, HTML, OWN, say

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


# S3
def listing(*keys: str, truncated: str = "false", token: str = "") -> bytes:
    """Write a page of objects."""
    contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    return say(
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
        f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>{truncated}</IsTruncated>{contents}"
        f"{token and f'<NextContinuationToken>{token}</NextContinuationToken>'}"
        "</ListBucketResult>".encode()
    )


KEY = "exportedlogs/a/s/000000.gz"


def tasks_of(*ids: str) -> pd.DataFrame:
    """Make tasks that COMPLETED."""
    rows = {
        "account_id": OWN,
        "region": "us-east-1",
        "task_id": ids,
        "destination": "bucket",
        "status_code": "COMPLETED",
    }
    return xs.conform(pd.DataFrame(rows))


def look(session: Any, *answers: Any, strange: Make) -> Any:  # noqa: ANN401
    """Check the delivery of one task."""
    with strange(ListObjectsV2=list(answers)) as server:
        (found,) = xs.fetch_deliveries(
            tasks_of("a"), session=session, endpoint_url=server.url
        ).itertuples()
    return found


@pytest.mark.parametrize(
    "answers",
    [
        [say(HTML)],
        [say(CUT_HTML)],
        [say(b"")],
        [say(b"{}")],
        [say(b"<ListBucketResult/>")],
        [b"HTTP/1.1 204 No Content\r\n\r\n"],
        [say(HTML, status=404)],
        [say(b"", status=404)],
        [say(b"", status=304)],
        [say(HTML, status=300)],
        [listing()[:-30]],
        [listing()[:-30].replace(b"Content-Length", b"X-Length")],
        [listing(KEY, truncated="true")],
        [listing(KEY, truncated="true", token="t")],
        [listing(KEY, truncated="true", token="t"), listing(truncated="true", token="u"),
         listing(truncated="true", token="t")],
        [listing(KEY, truncated="true", token="t"), say(HTML)],
        [listing(), say(HTML)],
        [say(b"<Error><Code>SlowDown</Code><Message>m</Message></Error>", status=400)],
        [say(b"<a>" * 50_000 + b"</a>" * 50_000)],
    ],
    ids=lambda answers: repr(answers[-1][9:13] + answers[-1][-24:]),
)  # fmt: skip
@pytest.mark.usefixtures("no_waiting")
def test_an_invalid_listing_is_unknown_and_never_gone(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    answers: list[bytes],
) -> None:
    """The delivery is unknown, without counts, and the reason is one line."""
    found = look(session, *answers, strange=strange)
    assert found.delivered == "unknown"
    assert pd.isna(found.objects)
    assert found.reason.isprintable()
    assert 5 < len(found.reason) < 700


def test_a_whole_listing_is_used(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """Two pages with an empty one between them are read, one of them compressed."""
    pages = [
        listing(KEY, truncated="true", token="t"),
        listing(truncated="true", token="u"),
        listing(KEY + "2"),
    ]
    found = look(session, *pages, strange=strange)
    assert (found.delivered, found.objects) == ("yes", 2)
    body = gzip.compress(listing(KEY).partition(b"\r\n\r\n")[2])
    found = look(session, say(body, "Content-Encoding: gzip"), strange=strange)
    assert (found.delivered, found.objects) == ("yes", 1)
    found = look(session, listing(), strange=strange)
    assert found.delivered == "gone"
    missing = say(b"<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>", status=404)
    assert look(session, missing, strange=strange).delivered == "gone"


@pytest.mark.usefixtures("no_waiting")
def test_a_listing_that_was_spoiled_once_is_asked_for_again(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """A proxy's page and an error 502 are retried once."""
    spoiled = [say(HTML), say(CUT_HTML, status=502), listing(KEY)]
    assert look(session, *spoiled, strange=strange).delivered == "yes"


def test_an_invalid_region_fails_only_its_target(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """A task in an invalid region is unknown, and the other one is found."""
    tasks = tasks_of("a", "b")
    tasks["region"] = pd.Categorical(["us-east-1", "not a region!"])
    with strange(ListObjectsV2=listing(KEY)) as server:
        found = xs.fetch_deliveries(tasks, session=session, endpoint_url=server.url)
    assert found["delivered"].to_list() == ["yes", "unknown"]
    with pytest.raises(xs.ArgumentError, match="endpoint_url"):
        xs.fetch_deliveries(tasks, session=session, endpoint_url="nonsense")
