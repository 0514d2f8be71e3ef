"""Impossible pages of tasks: what arrived is kept, and the error is clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from answers import HTML, identity, page, say

import exportstats as xs
from exportstats.aws.client import millis_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


@pytest.mark.parametrize(
    "answer",
    [
        *(say(b"{}", status=status) for status in (201, 202, 203, 206, 300)),
        *(page("b").replace(b" 200 ", b" %d " % status) for status in (202, 206, 300)),
        say(b"", status=304),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        say(b"{}"),
        say(b" { } ".strip().replace(b" ", b"")),
        say(b'{"exportTasks":{"taskId":"b"}}'),
        say(b'{"exportTasks":"b"}'),
        say(b'{"exportTasks":[],"nextToken":5}'),
        say(b'{"exportTasks":[],"nextToken":"\\u001b[31m"}'),
        say(HTML),
    ],
    ids=lambda answer: repr(answer[9:13] + answer[-24:]),
)
@pytest.mark.usefixtures("no_waiting")
def test_an_invalid_page_never_ends_a_list(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    answer: bytes,
) -> None:
    """Earlier tasks are kept, with the token of the failed page and a clear text."""
    tasks = [page("a", token="to b"), answer]
    with (
        strange(DescribeExportTasks=tasks, GetCallerIdentity=identity()) as server,
        pytest.raises(xs.LoadError, match="page 2 of") as caught,
    ):
        xs.fetch_tasks(session=session, endpoint_url=server.url)
    error = caught.value
    assert error.tasks["task_id"].to_list() == ["a"]
    assert error.next_token == "to b"
    assert error.failures["next_token"].to_list() == ["to b"]
    assert "error is not expected" not in str(error)
    assert str(error).isprintable()
    assert "Unknown" not in str(error)


def test_an_unreadable_page_fails_only_its_target(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the second of three pages cannot be parsed, the others are kept, and it is reported."""
    from exportstats.aws import tasks as door  # noqa: PLC0415 - for this double alone

    read = door.TASKS.read

    def stumble(pages: Any, first: int = 1) -> Any:  # noqa: ANN401 - as there
        if any(b"odd" in each.body for each in pages):
            raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")
        return read(pages, first)

    monkeypatch.setattr(door, "TASKS", replace(door.TASKS, read=stumble))
    pages = [page("a", token="1"), page("odd", token="2"), page("c")]
    with (
        strange(DescribeExportTasks=pages, GetCallerIdentity=identity()) as server,
        pytest.raises(xs.LoadError, match=r"page 2 .*4300 digits") as caught,
    ):
        xs.fetch_tasks(session=session, endpoint_url=server.url)
    assert caught.value.tasks["task_id"].to_list() == ["a", "c"]
    assert "endpoint_url" not in str(caught.value)


@pytest.mark.parametrize("digits", [400, 5_000])
def test_a_number_of_any_length_loses_one_task_at_most(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    digits: int,
) -> None:
    """A huge number affects one task at most, which is reported."""
    odd = say(
        b'{"exportTasks":[{"taskId":"b"},{"taskId":"c","from":%s},{"taskId":"d"}]}'
        % (b"9" * digits)
    )
    pages = [page("a", token="1"), odd]
    with (
        strange(DescribeExportTasks=pages, GetCallerIdentity=identity()) as server,
        pytest.warns(xs.BadRowsWarning, match="task 3"),
    ):
        found = xs.fetch_tasks(session=session, endpoint_url=server.url)
    assert {"a", "b", "d"} <= set(found["task_id"])


@pytest.mark.filterwarnings("ignore::exportstats.errors.BadRowsWarning")
def test_invalid_tasks_do_not_affect_others(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """Texts, numbers, lists and nulls in the list are left out."""
    odd = say(b'{"exportTasks":[{"taskId":"a"},"x",5,[],null,{"taskId":5},{"taskId":"b"}]}')
    with strange(DescribeExportTasks=odd, GetCallerIdentity=identity()) as server:
        found = xs.fetch_tasks(session=session, endpoint_url=server.url)
    assert {"a", "b"} <= set(found["task_id"])


DATES = [
    "",
    "nonsense",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Fri, 31 Dec 99999 23:59:59 GMT",
    "Fri, 31 Dec " + "9" * 5_000 + " 23:59:59 GMT",
    "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
    "Wed, 21 Oct 2015 99:99:99 GMT",
    "Thu, 01 Jan 1969 00:00:00 GMT",
    "\x00",
]


@pytest.mark.parametrize("date", DATES, ids=lambda date: repr(date[:32]))
def test_an_impossible_date_is_ignored(date: str) -> None:
    """With an invalid Date, the local time is used, without an overflow."""
    now = pd.Timestamp.now("UTC")
    found = pd.Timestamp(millis_of(date), unit="ms", tz="UTC")
    assert abs(found - now) < pd.Timedelta(hours=1) or found.year == 2001
    assert millis_of("Wed, 21 Oct 2015 07:28:00 GMT") == 1_445_412_480_000


def test_a_task_with_an_impossible_date_is_kept(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """A page with a Date in the year 9999 has its tasks."""
    for date in ("Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 99999 23:59:59 GMT"):
        body = b'{"exportTasks":[{"taskId":"a"}]}'
        headers = f"Date: {date}\r\nContent-Length: {len(body)}"
        answer = f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + body
        with strange(DescribeExportTasks=answer, GetCallerIdentity=identity()) as server:
            found = xs.fetch_tasks(session=session, endpoint_url=server.url)
        assert found["task_id"].to_list() == ["a"]
        assert found["observed_at"].dt.year.between(2020, 2100).all()
