"""Broken, truncated, compressed and foreign answers."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from support import skip_waits

import exportstats as xs
from exportstats.aws.tasks import fetch_tasks
from exportstats.emulator import Emulator, Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]

ONE = b'{"exportTasks":[{"taskId":"a"}]}'
DEEP = b'{"exportTasks":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"


def say(body: bytes, *headers: str, status: int = 200) -> bytes:
    """Write an answer."""
    return wire.http(status, wire.JSON, body, *headers)


def asked(emulator: Emulator) -> int:
    """Count the requests for tasks, including retries."""
    return sum(seen.operation == wire.TASKS for seen in emulator.requests)


# Broken successes


@pytest.mark.parametrize("kind", ["short", "cut", "html", "invalid_json"])
def test_a_spoiled_page_is_asked_for_again(
    session: boto3.Session,
    make_tasks: Make,
    assert_tasks: Make,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """After up to four broken answers in a row nothing is lost; the waits double."""
    tasks = make_tasks(9)
    waits = skip_waits(monkeypatch)
    with Emulator(tasks, faults=[Fault(kind, at=(2, 3, 4, 5))]) as emulator:
        assert_tasks(fetch_tasks(session=session, endpoint_url=emulator.url, limit=4), tasks)
        assert asked(emulator) == 3 + 4
    assert waits == [0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"[]",
        b"[" + ONE + b"]",
        b'"a text"',
        b"5",
        b"null",
        b'{"message":"Rate exceeded"}',
        b'{"__type":"ThrottlingException","message":null}',
        b'{"exporttasks":[]}',
        b'{"exportTasks":null}',
        b'{"exportTasks":{}}',
        b'{"exportTasks":"a"}',
        b'{"exportTasks":[],"nextToken":5}',
        b'{"exportTasks":[],"nextToken":["t"]}',
        ONE + ONE,
        ONE + b"x",
        ONE[:-1],
        ONE[:-2],
        b"\xef\xbb\xbf" + ONE,
        ONE.replace(b'"a"', b'"\xff"'),
        ONE.replace(b'"a"', b"NaN"),
        ONE.replace(b'"a"', b"01"),
        ONE.replace(b'"a"', b'"\\q"'),
        ONE.replace(b'"a"', b'"\n"'),
        gzip.compress(ONE, mtime=0),
        b"\x00\x01\x02",
        DEEP,
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.usefixtures("no_waiting")
def test_an_invalid_body_never_ends_a_list(
    session: boto3.Session, scripted: Make, body: bytes
) -> None:
    """Another body with status 200 is requested five times, then an error keeps earlier pages."""
    first = b'{"exportTasks":[{"taskId":"first"}],"nextToken":"t"}'
    with (
        scripted(say(first), say(body)) as emulator,
        pytest.raises(xs.LoadError, match=r"page 2 of .*was incomplete in every attempt") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url)
    assert asked(emulator) == 1 + 5
    assert caught.value.tasks["task_id"].to_list() == ["first"]
    assert caught.value.next_token == "t"
    assert len(str(caught.value)) < 800


@pytest.mark.usefixtures("no_waiting")
def test_a_page_cut_anywhere_is_never_the_end(session: boto3.Session, scripted: Make) -> None:
    """A page that was truncated anywhere is noticed, even if its length matches."""
    page = b'{"exportTasks":[{"taskId":"\xc3\xa4","from":12}],"nextToken":"%d"}'
    answers = [answer for end in range(len(page)) for answer in (say(page[:end]), say(page % end))]
    with scripted(*answers, say(ONE)) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert asked(emulator) == 2 * len(page) + 1
    assert found["task_id"].to_list() == ["ä", "a"]


@pytest.mark.parametrize(
    "body", [b"{}", b' {"exportTasks" : [ ] } \n', b'{"exportTasks":[],"x":1}']
)
def test_an_empty_answer_is_an_empty_list(
    session: boto3.Session, scripted: Make, body: bytes
) -> None:
    """An answer in AWS's shape without tasks and token is the end of the list."""
    with scripted(say(body)) as emulator:
        assert fetch_tasks(session=session, endpoint_url=emulator.url).empty
    assert asked(emulator) == 1


@pytest.mark.parametrize("label", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_read_without_being_requested(
    session: boto3.Session, scripted: Make, label: str
) -> None:
    """Compressed answers of a proxy are read, with any spelling of the header."""
    with scripted(say(gzip.compress(ONE, mtime=0), f"Content-Encoding: {label}")) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert found["task_id"].to_list() == ["a"]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "body", [ONE, gzip.compress(ONE, mtime=0)[:-9], gzip.compress(ONE, mtime=0)[:12], b""]
)
def test_a_wrong_gzip_label_is_an_error(
    session: boto3.Session, scripted: Make, body: bytes
) -> None:
    """A wrong gzip header or truncated data is a clear error, not one of zlib."""
    with (
        scripted(say(body, "Content-Encoding: gzip")) as emulator,
        pytest.raises(xs.LoadError, match="was incomplete"),
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url)


# Errors


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(("status", "attempts"), [(302, 1), (403, 1), (502, 10)])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"Bad gateway"',
        b"null",
        b"\xff\xfe\x00",
        b'{"message":null}',
        b'{"message":{"en":"no"},"__type":5}',
        b"<html><body>Please sign in</body></html>" * 1000,
        gzip.compress(b"no", mtime=0),
        DEEP,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_an_error_with_any_body_is_one_clear_line(
    session: boto3.Session, scripted: Make, status: int, attempts: int, body: bytes
) -> None:
    """An error of a proxy shows its status in a short line, whatever its body is."""
    with (
        scripted(say(body, status=status)) as emulator,
        pytest.raises(xs.LoadError, match=f"page 1 of .*: {status}") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url)
    assert asked(emulator) == attempts
    assert len(str(caught.value)) < 800
    assert "\n" not in str(caught.value)


def test_an_error_in_aws_own_words_is_kept_whole(session: boto3.Session, scripted: Make) -> None:
    """Code and message of AWS's errors are kept, in every format of AWS."""
    for body in (
        {"__type": "com.amazonaws.logs#InvalidOperation", "message": "Not so, «Ä»."},
        {"__type": "InvalidOperation:http://x/", "Message": "Not so, «Ä»."},
    ):
        with (
            scripted(say(json.dumps(body).encode(), status=400)) as emulator,
            pytest.raises(xs.LoadError, match="InvalidOperation: Not so, «Ä»;"),
        ):
            fetch_tasks(session=session, endpoint_url=emulator.url)
