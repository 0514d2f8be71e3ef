"""Answers that were decoded by a stub or by botocore, and answers of moto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from botocore.stub import Stubber

import exportstats as xs
from exportstats.aws import answers
from exportstats.aws.tasks import fetch_tasks
from exportstats.core import frames
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


# Answers without a body


class StubbedSession(boto3.Session):
    """A session whose clients for logs are stubbed, as in botocore's own documentation."""

    def answer(self, *pages: dict[str, Any], error: str | None = None) -> StubbedSession:
        """Set the next answer."""
        self._pages, self._error = pages, error
        return self

    def client(self, name: str, **options: Any) -> Any:  # noqa: ANN401
        """Create a stubbed client."""
        made = super().client(name, **options)
        if name == "logs":
            self.stubber = Stubber(made)
            for page in self._pages:
                self.stubber.add_response("describe_export_tasks", page)
            if self._error:
                self.stubber.add_client_error("describe_export_tasks", self._error)
            self.stubber.activate()
        return made


def pages_of(tasks: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Split tasks into decoded answers."""
    plain = [
        {key: value for key, value in task.items() if key not in ("accountId", "region")}
        for task in tasks
    ]
    starts = range(0, len(plain), size)
    return [
        {"exportTasks": plain[start : start + size]}
        | ({"nextToken": f"from {start + size}"} if start + size < len(plain) else {})
        for start in starts
    ]


@pytest.fixture
def stubbed() -> StubbedSession:
    """Return a session with stubbed clients."""
    return StubbedSession("111122223333", "made-up", region_name="us-east-1")


def test_a_stubbed_client_gives_the_same_table(
    stubbed: StubbedSession, make_tasks: Make, assert_tasks: Make
) -> None:
    """Answers without a body are read from what botocore decoded."""
    tasks = make_tasks(23)
    with Emulator() as emulator:
        found = fetch_tasks(session=stubbed.answer(*pages_of(tasks, 5)), endpoint_url=emulator.url)
    stubbed.stubber.assert_no_pending_responses()
    assert_tasks(found, tasks)


def test_a_stubbed_error_is_an_error(
    stubbed: StubbedSession, make_tasks: Make, assert_tasks: Make
) -> None:
    """An error keeps the earlier tasks and the token to continue from."""
    tasks = make_tasks(10)
    first, *_ = pages_of(tasks, 6)
    with Emulator() as emulator, pytest.raises(xs.LoadError, match="Throttling") as caught:
        fetch_tasks(
            session=stubbed.answer(first, error="ThrottlingException"), endpoint_url=emulator.url
        )
    assert_tasks(caught.value.tasks, tasks[:6])
    assert caught.value.next_token == "from 6"


def test_an_empty_stubbed_answer_does_not_end_a_list(stubbed: StubbedSession) -> None:
    """An empty decoded answer is an error, because botocore returns it for a broken body."""
    with Emulator() as emulator, pytest.raises(xs.LoadError, match="neither a list nor"):
        fetch_tasks(session=stubbed.answer({}), endpoint_url=emulator.url)


@pytest.fixture
def no_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable our check of the bodies."""
    monkeypatch.setattr(answers, "_check_body", lambda *_, **__: None)


@pytest.mark.usefixtures("no_bodies")
def test_without_the_bodies_the_same_table_results(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """Answers decoded by botocore alone result in the same table, with shifting lists too."""
    tasks = make_tasks(23)
    troubles = [Fault("shift", at=(2,)), Fault("empty_page", at=(3,))]
    with Emulator(tasks, faults=troubles) as emulator:
        assert_tasks(fetch_tasks(session=session, endpoint_url=emulator.url, limit=5), tasks)


@pytest.mark.usefixtures("no_bodies", "no_waiting")
@pytest.mark.parametrize("kind", ["short", "cut", "html", "invalid_json"])
def test_a_spoiled_page_without_its_body_does_not_end_a_list(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make, kind: str
) -> None:
    """A page without list and token is an error that keeps the earlier tasks."""
    tasks = make_tasks(9)
    with (
        Emulator(tasks, faults=[Fault(kind, at=tuple(range(2, 20)))]) as emulator,
        pytest.raises(xs.LoadError) as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url, limit=4)
    assert_tasks(caught.value.tasks, tasks[:4])
    assert caught.value.next_token


# Moto


def test_motos_tasks_are_accepted(session: boto3.Session, moto: str) -> None:
    """Tasks of moto with null names, the state "active" and no times are read."""
    s3, logs = (
        session.client(name, endpoint_url=moto, region_name="us-east-1") for name in ("s3", "logs")
    )
    s3.create_bucket(Bucket="bucket")
    logs.create_log_group(logGroupName="/app")
    window = {"logGroupName": "/app", "destination": "bucket"}
    made = [
        logs.create_export_task(**window, fromTime=0, to=999)["taskId"],
        logs.create_export_task(**window, fromTime=5, to=4, taskName="reversed")["taskId"],
    ]
    s3.close()
    logs.close()

    found = fetch_tasks(session=session, endpoint_url=moto, limit=1)
    frames.check(found)
    assert found["task_id"].to_list() == made
    assert found["task_name"].isna().to_list() == [True, False]
    assert found["status_code"].to_list() == ["COMPLETED", "active"]
    assert found["account_id"].to_list() == ["123456789012"] * 2
    assert found["window"].to_list() == [pd.Timedelta(seconds=1), pd.NaT]
    assert found[["creation_time", "completion_time", "duration"]].isna().all(axis=None)
    assert found["observed_at"].notna().all()

    one = fetch_tasks(session=session, endpoint_url=moto, task_id=made[1])
    assert one["task_name"].to_list() == ["reversed"]
    with pytest.raises(xs.LoadError, match="ResourceNotFoundException"):  # AWS: an empty list
        fetch_tasks(session=session, endpoint_url=moto, task_id="nobody's")
