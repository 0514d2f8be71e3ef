"""Load the pages of a list from one account and region."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from exportstats.aws.answers import Tokens
from exportstats.aws.client import ask, check_credentials, check_rate, connect, is_aws, make_client
from exportstats.aws.faults import explain, is_token_unusable
from exportstats.aws.targets import account_of
from exportstats.errors import ArgumentError
from exportstats.io.json_text import PAGES_AT_ONCE
from exportstats.text import without_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from threading import Event

    import boto3

    from exportstats.aws.client import Operation
    from exportstats.aws.faults import Fault
    from exportstats.aws.newest import Settled, Walk
    from exportstats.aws.targets import Sessions, Target
    from exportstats.io.json_text import Page
    from exportstats.io.rows import Rows


# A sync keeps what was read every five seconds, in which this many pages arrive.
_PAGES_OF_WALK = 25


def _one_list(_: tuple[str | None, str | None]) -> Sequence[Mapping[str, Any]]:
    return ({},)


@dataclass(frozen=True)
class Question:
    """The request to every target, and how far to page; `key` identifies a run.

    `each` returns what the request for each list adds, given the account and the region; the lists
    are read in turn. By default there is one list. An error with a code in `of_one_list` ends only
    one of them.
    """

    operation: Operation
    request: Mapping[str, Any] = field(compare=False)
    endpoint_url: str | None
    requests_per_second: float | str | None
    max_pages: int | None = None
    settled: Settled | None = field(default=None, compare=False)
    each: Callable[[tuple[str | None, str | None]], Sequence[Mapping[str, Any]]] = field(
        default=_one_list, compare=False
    )
    of_one_list: frozenset[str] = field(default=frozenset(), compare=False)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        """Check the rate limit, and remove the password from the URL."""
        check_rate(self.requests_per_second)
        if self.endpoint_url is not None:
            object.__setattr__(self, "endpoint_url", without_user(self.endpoint_url))


class Arrived(NamedTuple):
    """The answers that arrived: parsed ones, and the latest ones, which are not parsed yet.

    It is immutable, because other threads read it while pages arrive.
    """

    parts: tuple[Any, ...] = ()
    pages_read: int = 0
    latest: tuple[Page, ...] = ()

    @property
    def pages(self) -> int:
        """The number of answers."""
        return self.pages_read + len(self.latest)

    def and_one(self, page: Page) -> Arrived:
        """Return these answers and one more."""
        return self._replace(latest=(*self.latest, page))

    def _next_row(self, more: Iterable[Rows]) -> int:
        """Return the number of the next row; refused rows count too."""
        return 1 + sum(map(len, (*self.parts, *more)))

    def read(self, operation: Operation) -> tuple[Arrived, dict[int, Exception]]:
        """Parse the latest answers; also return the number and the error of each broken answer."""
        parts: list[Any] = []
        odd: dict[int, Exception] = {}
        first = self.pages_read + 1
        try:
            parts += operation.read(self.latest, self._next_row(()))
        except Exception:  # noqa: BLE001 - one answer must not affect the others
            for number, page in enumerate(self.latest, first):
                try:
                    parts += operation.read([page], self._next_row(parts))
                except Exception as error:  # noqa: BLE001 - as above
                    odd[number] = error
        return Arrived((*self.parts, *parts), self.pages), odd


@dataclass
class Load:
    """What arrived from a target so far; it can be pickled.

    Attributes
    ----------
    target
        The account and region.
    question
        The request.
    arrived
        The answers.
    account_id, region
        The account of the credentials, and the region of the client.
    unknown
        Why `account_id` is missing.
    lists
        Of each list that ended: the number of answers by then, and why it ended early.
    items
        The number of items that arrived, duplicates included.
    fault, next_token
        Why loading ended early, or why an answer cannot be read; and the token to continue from.
    cause
        The error that `fault` explains, in this process only.
    odd_page
        The number of an answer that cannot be read.
    walk
        What the pages showed, if the question is only about what is not known.
    kept
        The number of parsed answers that were kept, and the only column of them that is still
        needed.
    ended
        Whether loading has ended.
    refused
        Whether nothing was requested, because the request is not valid.
    interrupted
        Whether Ctrl-C ended loading.
    """

    target: Target
    question: Question
    arrived: Arrived = field(default_factory=Arrived)
    account_id: str | None = None
    region: str | None = None
    unknown: str = ""
    lists: list[tuple[int, Fault | None]] = field(default_factory=list)
    fault: Fault | None = None
    next_token: str | None = None
    items: int = 0
    refused: bool = False
    interrupted: bool = False
    ended: bool = False
    cause: BaseException | None = None
    odd_page: int | None = None
    walk: Walk | None = None
    kept: tuple[int, str] = (0, "")

    def run(self, sessions: Sessions, stop: Event | None = None) -> Load:
        """Load the list; an error is kept in `fault`."""
        try:
            client = self._connect(sessions)
            for more in self.question.each((self.account_id, self.region)):
                self._read_list(client, {**self.question.request, **more}, stop)
        except KeyboardInterrupt as interrupt:
            self.fault, self.interrupted = explain(interrupt), True
        except Exception as error:  # noqa: BLE001 - one target must not affect the others
            self.fault, self.cause = explain(error), error
            self.refused = isinstance(error, ValueError) and not self.arrived.pages
            if is_token_unusable(error):
                self.next_token = None
        self._read_latest()
        self.ended = True
        return self

    def _read_list(self, client: Any, request: Mapping[str, Any], stop: Event | None) -> None:  # noqa: ANN401 - boto3's client
        early = None
        try:
            for _ in self._page_through(client, request):
                if stop is not None and stop.is_set():
                    raise KeyboardInterrupt  # Ctrl-C in the main thread
        except ClientError as error:
            if error.response["Error"].get("Code") not in self.question.of_one_list:
                raise
            early = explain(error)
        self.lists.append((self.arrived.pages, early))

    def _read_latest(self) -> None:
        self.arrived, odd = self.arrived.read(self.question.operation)
        self._thin_out()
        for number, error in odd.items():
            if self.fault is None:
                self.fault, self.cause, self.odd_page = explain(error), error, number

    def keep(self, count: int, column: str) -> None:
        """Note that the first parsed answers were kept, so that they need no more memory."""
        self.kept = count, column
        if self.ended:  # otherwise the thread that reads does it
            self._thin_out()

    def _thin_out(self) -> None:
        count, column = self.kept
        parts = self.arrived.parts
        thin = (replace(part, table=part.table.select([column])) for part in parts[:count])
        self.arrived = self.arrived._replace(parts=(*thin, *parts[count:]))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the error, because not every error can be pickled."""
        return {**self.__dict__, "cause": None}

    def interrupted_by(self, interrupt: KeyboardInterrupt) -> Load:
        """Return the load as it is now, without waiting for its thread."""
        load = replace(self, fault=explain(interrupt), interrupted=True)
        load._read_latest()  # noqa: SLF001 - its own
        return load

    def _connect(self, sessions: Sessions) -> Any:  # noqa: ANN401 - boto3's client
        question = self.question
        with sessions.lock:  # creating clients is not thread-safe
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
        if self.account_id is None or not (self.target.role_arn or self.target.is_verified):
            found, why = sessions.account(
                self.target, lambda: _find_account(sessions, session, client)
            )
            if self.account_id is None:
                self.account_id, self.unknown = found, why
            elif found not in (None, self.account_id):
                raise ArgumentError(
                    f"the credentials are for the account {found}, not {self.account_id}; "
                    "give a profile or a role_arn of that account"
                )
        return client

    def _page_through(self, client: Any, request: Mapping[str, Any]) -> Iterator[Page]:  # noqa: ANN401 - boto3's client
        """Request page after page, and keep each."""
        operation = self.question.operation
        self.next_token = request.get(operation.token)
        tokens, at_once = Tokens(self.next_token), PAGES_AT_ONCE
        if self.question.settled is not None:
            at_once = _PAGES_OF_WALK
            self.walk = self.question.settled.walk((self.account_id, self.region))
        while True:
            here = {} if self.next_token is None else {operation.token: self.next_token}
            answer = ask(client, operation, {**request, **here})
            self.arrived = self.arrived.and_one(answer.page)
            self.items += answer.items
            if len(self.arrived.latest) >= at_once:
                self._read_latest()  # while other targets wait for the network
            yield answer.page
            self.next_token = answer.next_token or None
            enough = self.walk is not None and self.walk.reaches(answer.page)
            if self.next_token is None or self.arrived.pages == self.question.max_pages:
                return
            if self.walk is not None and enough:
                self.walk.stopped = True
                return
            tokens.follow(self.next_token, answer.items)


def _find_account(
    sessions: Sessions,
    session: boto3.Session,
    client: Any,  # noqa: ANN401 - boto3's client
) -> tuple[str | None, str]:
    """Ask STS for the account of the credentials; return its ID, or why it is missing."""
    # An emulator also returns the account, because its credentials must not be sent to AWS.
    elsewhere = client.meta.endpoint_url
    try:
        with sessions.lock:
            sts = connect(
                session,
                "sts",
                region=client.meta.region_name,
                endpoint_url=None if is_aws(session, elsewhere) else elsewhere,
                # a network without access to STS must not delay loading
                connect_timeout=3,
                read_timeout=5,
                retries={"mode": "standard", "max_attempts": 1},
            )
        return account_of(sts.get_caller_identity()), ""
    except Exception as error:  # noqa: BLE001 - must not stop loading
        return None, f"account_id is missing: STS did not return it ({explain(error).reason})"
