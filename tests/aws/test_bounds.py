"""Endless lists, slow answers and huge compressed answers are errors."""

from __future__ import annotations

import gzip
import itertools
import json
import resource
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs
from exportstats.aws import answers
from exportstats.emulator import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

OWN = "111122223333"


def say(body: bytes, *headers: str, kind: str = wire.JSON) -> bytes:
    """Write an answer."""
    return wire.http(200, kind, body, *headers)


def page(*ids: str, token: str | None = None) -> bytes:
    """Write a page of tasks."""
    more = {} if token is None else {"nextToken": token}
    return say(json.dumps({"exportTasks": [{"taskId": each} for each in ids], **more}).encode())


def objects(*keys: str, token: str) -> bytes:
    """Write a page of objects that is not the last one."""
    contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    return say(
        f"<ListBucketResult><IsTruncated>true</IsTruncated>{contents}"
        f"<NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>".encode(),
        kind=wire.XML,
    )


def deliveries(session: Any, url: str) -> pd.DataFrame:  # noqa: ANN401 - boto3's
    """Check the delivery of one task."""
    rows = {
        "account_id": OWN,
        "region": "us-east-1",
        "task_id": ["a"],
        "destination": "bucket",
        "status_code": "COMPLETED",
    }
    return xs.fetch_deliveries(xs.conform(pd.DataFrame(rows)), session=session, endpoint_url=url)


@pytest.fixture
def target() -> list[xs.Target]:
    """Return a target whose account is known."""
    return [xs.Target(OWN, "us-east-1")]


# Lists


def test_ever_new_tokens_with_empty_pages_are_an_end(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
) -> None:
    """400 empty pages in a row are an error that keeps the tasks and the token."""
    with (
        strange(DescribeExportTasks=[page("a", token="0"), lambda n: page(token=str(n))]) as server,
        pytest.raises(xs.LoadError, match="400 pages in a row were empty") as caught,
    ):
        xs.fetch_tasks(target, session=session, endpoint_url=server.url)
    assert server.asked.count("DescribeExportTasks") == 401
    assert caught.value.tasks["task_id"].to_list() == ["a"]
    assert caught.value.failures["next_token"].to_list() == ["401"]
    assert "continues from there" in str(caught.value)


def test_a_few_empty_pages_are_no_end(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A filter with many empty pages loses no task."""
    monkeypatch.setattr(answers, "MOST_EMPTY_PAGES", 20)
    pages = [page(*(["x"] if n % 19 == 0 else []), token=str(n)) for n in range(1, 90)]
    with strange(DescribeExportTasks=[*pages, page("last")]) as server:
        found = xs.fetch_tasks(target, session=session, endpoint_url=server.url)
    assert "last" in set(found["task_id"])


def test_a_list_without_end_is_ended(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list with endless pages stops at the limit and keeps the tasks."""
    monkeypatch.setattr(answers, "MOST_PAGES", 250)
    with (
        strange(DescribeExportTasks=lambda n: page(f"t{n}", token=f"n{n}")) as server,
        pytest.raises(xs.LoadError, match="did not end within 250 pages") as caught,
    ):
        xs.fetch_tasks(target, session=session, endpoint_url=server.url)
    assert len(caught.value.tasks) == 250
    assert caught.value.failures["next_token"].to_list() == ["n250"]


@pytest.mark.parametrize("keys", [(), ("exportedlogs/a/s/0.gz",)])
def test_a_listing_without_end_is_unknown(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
) -> None:
    """S3's listing stops at the limits too, and the delivery is unknown."""
    monkeypatch.setattr("exportstats.aws.objects._MOST_PAGES", 450)
    with strange(ListObjectsV2=lambda n: objects(*keys, token=f"n{n}")) as server:
        (found,) = deliveries(session, server.url).itertuples()
    assert found.delivered == "unknown"
    assert ("did not end within 450" if keys else "400 pages in a row") in found.reason


# Answers


def trickle(answer: bytes, seconds: float = 0.05) -> Iterator[bytes]:
    """Send an answer byte by byte."""
    for byte in answer:
        time.sleep(seconds)
        yield bytes([byte])


@pytest.mark.parametrize("part", ["headers", "body", "chunks"])
@pytest.mark.usefixtures("no_waiting")
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    """An answer that takes longer than the timeout is an error, even if each byte is in time."""
    monkeypatch.setattr("exportstats.aws.client.READ_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("exportstats.aws.client.MAX_ATTEMPTS", 2)
    whole = page("b" * 1000)
    head, _, body = whole.partition(b"\r\n\r\n")

    def slow(_: int) -> Iterator[bytes]:
        if part == "headers":
            return trickle(whole)
        if part == "body":
            return itertools.chain([head + b"\r\n\r\n"], trickle(body))
        first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        return itertools.chain([first], trickle(chunks))

    started = time.monotonic()
    with (
        strange(DescribeExportTasks=[page("a", token="t"), slow]) as server,
        pytest.raises(xs.LoadError, match=r"[Tt]imeout") as caught,
    ):
        xs.fetch_tasks(target, session=session, endpoint_url=server.url)
    assert time.monotonic() - started < 5
    assert caught.value.tasks["task_id"].to_list() == ["a"]
    assert caught.value.failures["next_token"].to_list() == ["t"]


@pytest.mark.usefixtures("no_waiting")
def test_a_gzip_of_a_gigabyte_is_not_unpacked(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
) -> None:
    """A megabyte that decompresses to a gigabyte is a clear error and takes little memory."""
    bomb = gzip.compress(bytes(2**24)) * 64
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with strange(
        DescribeExportTasks=[page("a", token="t"), say(bomb, "Content-Encoding: gzip")],
        ListObjectsV2=say(bomb, "Content-Encoding: gzip", kind=wire.XML),
    ) as server:
        with pytest.raises(xs.LoadError, match="unpacks to more than 64 MiB") as caught:
            xs.fetch_tasks(target, session=session, endpoint_url=server.url)
        (found,) = deliveries(session, server.url).itertuples()
    assert caught.value.tasks["task_id"].to_list() == ["a"]
    assert found.delivered == "unknown"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


@pytest.mark.usefixtures("no_waiting")
def test_a_body_without_end_is_not_read(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A body above the limit is an error and does not exhaust the memory."""
    monkeypatch.setattr(answers, "MOST_BYTES", 2**20)
    monkeypatch.setattr("exportstats.aws.client.MAX_ATTEMPTS", 2)
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with (
        strange(
            DescribeExportTasks=lambda _: itertools.chain([head], itertools.repeat(b" " * 2**16))
        ) as server,
        pytest.raises(xs.LoadError, match="larger than 1 MiB"),
    ):
        xs.fetch_tasks(target, session=session, endpoint_url=server.url)


def test_a_large_page_is_within_the_bounds(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    target: list[xs.Target],
) -> None:
    """An answer of ten megabytes is read, compressed or not."""
    body = json.dumps({"exportTasks": [{"taskId": "a", "taskName": "x" * 10**7}]}).encode()
    packed = say(gzip.compress(body), "Content-Encoding: gzip")
    for answer in (say(body), packed):
        with strange(DescribeExportTasks=answer) as server:
            found = xs.fetch_tasks(target, session=session, endpoint_url=server.url)
        assert found["task_name"].str.len().to_list() == [10**7]
