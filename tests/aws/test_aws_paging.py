"""Complete lists: each task arrives once, even if the list changes meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

import exportstats as xs
from exportstats.aws.tasks import fetch_tasks
from exportstats.core import frames
from exportstats.emulator import Emulator, Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]


def questions(emulator: Emulator) -> list[dict[str, Any]]:
    """Return the parameters of each DescribeExportTasks, in order."""
    return [seen.params for seen in emulator.requests if seen.operation == wire.TASKS]


def say(tasks: list[dict[str, Any]], next_token: str | None = None) -> bytes:
    """Write an answer with these tasks."""
    body = json.dumps({"exportTasks": tasks, "nextToken": next_token})
    return wire.http(200, wire.JSON, body.encode())


# Requests


def test_the_list_is_read_to_its_end_fifty_a_page(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """Each request has the limit 50 and the token of the last answer, and all tasks arrive."""
    tasks = make_tasks(120)
    with Emulator(tasks) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert_tasks(found, tasks)
    asked = questions(emulator)
    assert [question.get("limit") for question in asked] == [50, 50, 50]
    tokens = [question.get("nextToken") for question in asked]
    assert tokens[0] is None
    assert len(set(tokens)) == 3


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_the_newest_pages_are_enough_if_asked_for(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make, most: int
) -> None:
    """`max_pages` limits the requests, and the shorter list is not a failure."""
    tasks = make_tasks(120)
    with Emulator(tasks) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url, max_pages=most)
    assert_tasks(found, tasks[: 50 * most])
    assert len(questions(emulator)) == min(most, 3)


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100])
def test_a_list_of_any_length_ends(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make, count: int
) -> None:
    """Lists of about a page have the right number of tasks and requests."""
    tasks = make_tasks(count)
    with Emulator(tasks) as emulator:
        assert_tasks(fetch_tasks(session=session, endpoint_url=emulator.url), tasks)
    assert len(questions(emulator)) == max(1, -(-count // 50))


def test_every_parameter_of_the_api_is_sent(session: boto3.Session, make_tasks: Make) -> None:
    """`limit`, `status`, `task_id` and `next_token` are sent under the service's names."""
    with Emulator(make_tasks(30)) as emulator, pytest.raises(xs.LoadError) as caught:
        fetch_tasks(
            session=session,
            endpoint_url=emulator.url,
            status="FAILED",
            task_id="task-4",
            limit=7,
            next_token="made-up",
        )
    assert questions(emulator) == [
        {"statusCode": "FAILED", "taskId": "task-4", "limit": 7, "nextToken": "made-up"}
    ]
    assert "The specified nextToken is invalid" in str(caught.value)


def test_what_is_not_given_is_not_sent(session: boto3.Session) -> None:
    """By default, only `limit` is sent."""
    with Emulator() as emulator:
        fetch_tasks(session=session, endpoint_url=emulator.url)
    assert questions(emulator) == [{"limit": 50}]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"status": "FAILED"}, {4, 10, 16, 22, 28}),
        ({"task_id": "task-3"}, {3}),
        ({"task_id": "task-3", "status": "COMPLETED"}, {3}),
        ({"task_id": "task-3", "status": "FAILED"}, set()),
        ({"task_id": "nobody's"}, set()),
        ({"status": "COMPLETE"}, {3, 9, 15, 21, 27}),
    ],
)
def test_filters_compose(
    session: boto3.Session,
    make_tasks: Make,
    assert_tasks: Make,
    asked: dict[str, str],
    wanted: set[int],
) -> None:
    """Only the requested tasks arrive, page by page; an unknown task is an empty table."""
    tasks = make_tasks(30)
    with Emulator(tasks) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url, limit=2, **asked)
    ids = {f"task-{number}" for number in wanted}
    assert_tasks(found, [task for task in tasks if task["taskId"] in ids])
    assert {question.get("statusCode") for question in questions(emulator)} <= {
        None,
        "FAILED",
        "COMPLETED",
    }


# Shifting lists, and tokens


def test_a_list_that_shifts_gives_each_task_once(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """Tasks created while paging shift the list, but no row is repeated."""
    tasks = make_tasks(30)
    with Emulator(tasks, faults=[Fault("shift", at=(2, 4, 5))]) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url, limit=4)
    assert_tasks(found, tasks)


def test_a_task_that_comes_twice_is_kept_in_its_latest_state(
    make_session: Make, make_tasks: Make, assert_tasks: Make
) -> None:
    """A task that ended between two pages has ended."""
    tasks = make_tasks(7)  # task-6 is PENDING
    session = make_session()
    pages = 0

    def meanwhile(**_: object) -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            emulator.add(make_tasks(9)[0])
            emulator.update("task-6", status=ended["status"], executionInfo=ended["executionInfo"])

    ended = tasks[0] | {
        "status": {"code": "FAILED", "message": "no such bucket"},
        "executionInfo": tasks[0]["executionInfo"] | {"completionTime": 1_800_000_000_000},
    }
    session.events.register("before-send.cloudwatch-logs", meanwhile)
    with Emulator(tasks) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url, limit=1)
    assert pages == 8
    assert_tasks(found, [ended, *tasks[1:]])


def test_a_state_is_not_taken_back_by_a_later_page(session: boto3.Session, scripted: Make) -> None:
    """An ended task stays ended, even if a later answer has an earlier state."""
    old = {"taskId": "a", "status": {"code": "RUNNING"}, "executionInfo": {"creationTime": 1}}
    new = {
        "taskId": "a",
        "status": {"code": "COMPLETED"},
        "executionInfo": {"creationTime": 1, "completionTime": 2},
    }
    for pages in ([old], [new]), ([new], [old]):
        with scripted(say(pages[0], "t"), say(pages[1])) as emulator:
            found = fetch_tasks(session=session, endpoint_url=emulator.url)
        assert found["status_code"].to_list() == ["COMPLETED"]
        assert found["completion_time"].notna().all()


def test_an_empty_page_with_a_token_continues(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """A page without a token is the end, not a page without tasks."""
    tasks = make_tasks(9)
    with Emulator(tasks, faults=[Fault("empty_page", at=(1, 2, 4, 7))]) as emulator:
        assert_tasks(fetch_tasks(session=session, endpoint_url=emulator.url, limit=3), tasks)


@pytest.mark.parametrize("body", [b'{"nextToken":"t"}', b'{"exportTasks":null,"nextToken":"t"}'])
def test_a_page_without_a_list_but_with_a_token_continues(
    session: boto3.Session, scripted: Make, body: bytes
) -> None:
    """A missing or null list is an empty one."""
    with scripted(wire.http(200, wire.JSON, body), say([{"taskId": "a"}])) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert found["task_id"].to_list() == ["a"]


def test_a_token_that_comes_back_unchanged_ends_in_an_error(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """The loader does not loop, keeps the tasks, and offers no token to continue from."""
    tasks = make_tasks(10)
    with (
        Emulator(tasks, faults=[Fault("deny", at=(50,)), Fault("repeated_token")]) as emulator,
        pytest.raises(xs.LoadError, match=r"next token came back unchanged; start again") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url, limit=3)
    assert len(questions(emulator)) == 2
    assert_tasks(caught.value.tasks, tasks[:6])
    assert caught.value.next_token is None


def test_a_token_that_was_given_and_comes_back_is_one_too(
    session: boto3.Session, scripted: Make
) -> None:
    """The caller's token counts as used."""
    with (
        scripted(say([{"taskId": "a"}], "mine")) as emulator,
        pytest.raises(xs.LoadError, match="came back unchanged"),
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url, next_token="mine")
    assert len(questions(emulator)) == 1


def test_tokens_that_go_in_a_circle_end_in_an_error(session: boto3.Session, scripted: Make) -> None:
    """A token that was used before is an error, however long ago that was."""
    pages = [say([{"taskId": f"{n}"}], token) for n, token in enumerate(["a", "b", "c", "a"])]
    with (
        scripted(*pages) as emulator,
        pytest.raises(xs.LoadError, match="next token was used before") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url)
    assert len(questions(emulator)) == 4
    assert caught.value.tasks["task_id"].to_list() == ["0", "1", "2", "3"]
    assert caught.value.next_token is None


# Everything combined


@st.composite
def troubles(draw: st.DrawFn) -> list[Fault]:
    """Draw the faults of the first 40 requests: never five broken answers in a row."""
    kinds = ["shift", "empty_page", "gzip", "throttle", "unavailable", "drop"]
    kinds += ["cut", "short", "html", "invalid_json"]
    drawn = draw(st.lists(st.sampled_from([None, *kinds]), min_size=12, max_size=40))
    return [
        Fault(kind, at=(number,))
        for number, kind in enumerate(drawn, start=1)
        if kind is not None and number % 5
    ]


@given(count=st.integers(0, 110), pages=st.integers(1, 12), faults=troubles())
@pytest.mark.usefixtures("no_waiting")
def test_nothing_is_lost_and_nothing_comes_twice(
    session: boto3.Session,
    make_tasks: Make,
    assert_tasks: Make,
    count: int,
    pages: int,
    faults: list[Fault],
) -> None:
    """With any page size and any faults, each task arrives exactly once."""
    tasks = make_tasks(count)
    with Emulator(tasks, faults=faults) as emulator:
        found = fetch_tasks(
            session=session,
            endpoint_url=emulator.url,
            limit=min(50, max(1, -(-count // pages))),
        )
    frames.check(found)
    assert found["task_id"].is_unique
    made = found["log_group_name"] == "/emulated/shift"  # created meanwhile
    assert_tasks(xs.conform(found[~made]), tasks)
