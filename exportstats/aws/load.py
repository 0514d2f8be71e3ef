"""One target's load: every page from its account and region, or as far as it goes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.aws.answers import Tokens
from exportstats.aws.client import ask, check_credentials, connect, is_aws, make_client
from exportstats.aws.faults import explain, token_is_dead
from exportstats.aws.targets import account_of
from exportstats.io.json_text import PAGES_AT_ONCE
from exportstats.text import without_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from threading import Event

    import boto3

    from exportstats.aws.client import Operation
    from exportstats.aws.faults import Fault
    from exportstats.aws.targets import Sessions, Target
    from exportstats.io.json_text import Page
    from exportstats.io.rows import Rows


@dataclass(frozen=True)
class Question:
    """What every target is asked, and how; `key` tells one time of asking from another."""

    operation: Operation
    request: Mapping[str, Any] = field(compare=False)
    endpoint_url: str | None
    requests_per_second: float | str | None
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        """Forget a password in the URL, which no request has a place for."""
        if self.endpoint_url is not None:
            object.__setattr__(self, "endpoint_url", without_user(self.endpoint_url))


class Arrived(NamedTuple):
    """The answers that came: what was read of them already, and the latest ones as they came.

    A value, and not two lists: somebody in another thread may look while a page comes.
    """

    parts: tuple[Any, ...] = ()
    pages_read: int = 0
    latest: tuple[Page, ...] = ()

    @property
    def pages(self) -> int:
        """How many answers there are."""
        return self.pages_read + len(self.latest)

    def and_one(self, page: Page) -> Arrived:
        """Give these and one more."""
        return self._replace(latest=(*self.latest, page))

    def _next_row(self, more: Iterable[Rows]) -> int:
        """Return the number of the next row to read, those that were refused counted."""
        return 1 + sum(map(len, (*self.parts, *more)))

    def read(self, operation: Operation) -> tuple[Arrived, dict[int, Exception]]:
        """Read those that are not read yet; the number and the error of each that cannot be."""
        parts: list[Any] = []
        odd: dict[int, Exception] = {}
        first = self.pages_read + 1
        try:
            parts += operation.read(self.latest, self._next_row(()))
        except Exception:  # noqa: BLE001 - whatever it is, it shall not cost the others
            for number, page in enumerate(self.latest, first):
                try:
                    parts += operation.read([page], self._next_row(parts))
                except Exception as error:  # noqa: BLE001 - as above
                    odd[number] = error
        return Arrived((*self.parts, *parts), self.pages), odd


@dataclass
class Load:
    """What has come from a target so far; only plain values, so that it can be pickled.

    Attributes
    ----------
    target
        Whose list.
    question
        What it is asked.
    arrived
        The answers that came.
    account_id, region
        As the credentials and the client have them.
    unknown
        Why there is no `account_id`.
    items
        How many arrived, those that came twice counted twice.
    fault, next_token
        What ended it before the end of the list, or which answer cannot be read; where to go on.
    cause
        The error that `fault` explains, in this process.
    odd_page
        The number of the answer that cannot be read, if that is the fault.
    ended
        Whether nothing more will come.
    refused
        Whether it was not asked at all, because the question is none.
    interrupted
        Whether it was Ctrl-C that ended it.
    """

    target: Target
    question: Question
    arrived: Arrived = field(default_factory=Arrived)
    account_id: str | None = None
    region: str | None = None
    unknown: str = ""
    fault: Fault | None = None
    next_token: str | None = None
    items: int = 0
    refused: bool = False
    interrupted: bool = False
    ended: bool = False
    cause: BaseException | None = None
    odd_page: int | None = None

    def run(self, sessions: Sessions, stop: Event | None = None) -> Load:
        """Load all of it, or as far as it goes; what ends it before is kept in `fault`."""
        try:
            client = self._connect(sessions)
            for _ in self._page_through(client):
                if stop is not None and stop.is_set():
                    raise KeyboardInterrupt  # noqa: TRY301 - somebody wished it in another thread
        except KeyboardInterrupt as wish:
            self.fault, self.interrupted = explain(wish), True
        except Exception as error:  # noqa: BLE001 - whatever it is, it shall not cost the others
            self.fault, self.cause = explain(error), error
            self.refused = isinstance(error, ValueError) and not self.arrived.pages
            if token_is_dead(error):
                self.next_token = None
        self._read_latest()
        self.ended = True
        return self

    def _read_latest(self) -> None:
        self.arrived, odd = self.arrived.read(self.question.operation)
        for number, error in odd.items():
            if self.fault is None:
                self.fault, self.cause, self.odd_page = explain(error), error, number

    def __getstate__(self) -> dict[str, Any]:
        """Leave the error behind: not every one can be pickled."""
        return {**self.__dict__, "cause": None}

    def interrupted_by(self, wish: KeyboardInterrupt) -> Load:
        """Give it as it is now; what still comes in another thread is not waited for."""
        load = replace(self, fault=explain(wish), interrupted=True)
        load._read_latest()  # noqa: SLF001 - its own
        return load

    def _connect(self, sessions: Sessions) -> Any:  # noqa: ANN401 - boto3's client
        question = self.question
        with sessions.lock:  # making clients is not safe in threads
            session = sessions.of(self.target)
            client = make_client(
                session,
                region=self.target.region,
                endpoint_url=question.endpoint_url,
                requests_per_second=question.requests_per_second,
                operation=question.operation,
            )
        check_credentials(session)
        self.account_id, self.region = self.target.account_id, client.meta.region_name
        if self.account_id is None:
            self.account_id, self.unknown = _find_account(sessions, session, client)
        return client

    def _page_through(self, client: Any) -> Iterator[Page]:  # noqa: ANN401 - boto3's client
        """Ask for page after page, and keep each."""
        operation, request = self.question.operation, self.question.request
        self.next_token = request.get("nextToken")
        tokens = Tokens(self.next_token)
        while True:
            here = {} if self.next_token is None else {"nextToken": self.next_token}
            answer = ask(client, operation, {**request, **here})
            self.arrived = self.arrived.and_one(answer.page)
            self.items += answer.items
            if len(self.arrived.latest) == PAGES_AT_ONCE:
                self._read_latest()  # here, where others are waited for
            yield answer.page
            self.next_token = answer.next_token or None
            if self.next_token is None:
                return
            tokens.follow(self.next_token, answer.items)


def _find_account(
    sessions: Sessions,
    session: boto3.Session,
    client: Any,  # noqa: ANN401 - boto3's client
) -> tuple[str | None, str]:
    """Ask STS whose credentials these are; give the number, or why it could not be had."""
    # A look-alike is asked for the account too: its credentials are no business of AWS's.
    elsewhere = client.meta.endpoint_url
    try:
        with sessions.lock:
            sts = connect(
                session,
                "sts",
                region=client.meta.region_name,
                endpoint_url=None if is_aws(session, elsewhere) else elsewhere,
                # it is a detail: a network without a way to STS shall not hold up the tasks
                connect_timeout=3,
                read_timeout=5,
                retries={"mode": "standard", "max_attempts": 1},
            )
        return account_of(sts.get_caller_identity()), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it shall not cost the tasks
        return None, f"account_id is missing: STS would not tell it ({explain(error).reason})"
