"""The emulator: find the fault and the answer of each request, and record them."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.emulator import accounts, wire
from exportstats.emulator.connection import Server
from exportstats.emulator.events import event_of
from exportstats.emulator.listings import EVENTS, LISTINGS, LOG_GROUPS, METRICS, STREAMS, TASKS
from exportstats.emulator.objects import Listed, Objects
from exportstats.emulator.slot import Slot, slot_of
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping
    from email.message import Message
    from types import TracebackType
    from typing import Self

    from exportstats.emulator.faults import Fault
    from exportstats.emulator.listings import Listing

_ENDS_CONNECTION = {"cut", "drop", "hang"}


def _placed_event(record: Mapping[str, Any]) -> dict[str, Any]:
    place = {"accountId": record.get("recipientAccountId"), "region": record.get("awsRegion")}
    return event_of(record) | place


class _Answer(NamedTuple):
    sent: bytes
    outcome: str = "ok"
    wait_seconds: float = 0.0


class Emulator:
    """An emulator of CloudWatch Logs for export tasks and log groups, on 127.0.0.1.

    It runs between `start` and `stop`, or inside a `with` block. Signatures are not verified: the
    region is that of the signature's credential scope, and the account is what `account_of` returns
    for the access key ID, or `DEFAULT_ACCOUNT`. The accounts and regions of all that it has are an
    organisation, in which every role can be assumed.

    Parameters
    ----------
    tasks
        Tasks in the JSON shape of the service, with two optional fields that are never sent:
        `accountId` and `region`. `observedAt` is ignored, and fields that are None are left out.
    log_groups
        Log groups, with the same two fields; by default the account and region of the `arn`.
    log_streams
        Log streams, each with the `logGroupName` of its log group and the same two fields. A log
        group without any does not exist for DescribeLogStreams.
    api_calls
        Records of API calls as CloudTrail writes them, which LookupEvents returns. A task without
        one has a CreateExportTask of the role `synthetic` at its creation.
    incoming
        What log groups took in, as `write_incoming` writes it to JSON, for GetMetricData.
    objects
        Objects in S3, with their `Bucket`, `Key` and `Size`, for ListObjectsV2. Without any, the
        emulator does not know this request.
    port
        The port; 0 is a free one.
    requests_per_second
        The quota of each account, region and operation, which is 5 at AWS; LookupEvents has two
        fifths of it, and DescribeLogStreams five times as much. Further requests are throttled.
        None is no quota.
    latency_seconds
        How long every answer takes.
    token_lifetime_seconds
        How long a `nextToken` is valid: 24 hours, as at AWS.
    account_of
        Return the account of an access key ID. By default twelve digits are the account itself, as
        in moto and localstack.
    faults
        The faults to produce. If several affect a request, the first one happens.
    now
        The emulator's time at the start, which the Date of every answer shows; by default the real
        time.

    Attributes
    ----------
    url
        The address, once started.
    requests
        A `Request` for each request that could be read, in the order in which they came.

    Raises
    ------
    ArgumentError
        A task, a log group, a log stream or an object is not valid.
    """

    url: str

    def __init__(  # noqa: PLR0913 - all that a test wants to choose
        self,
        tasks: Iterable[Mapping[str, Any]] = (),
        *,
        log_groups: Iterable[Mapping[str, Any]] = (),
        log_streams: Iterable[Mapping[str, Any]] = (),
        api_calls: Iterable[Mapping[str, Any]] = (),
        incoming: Iterable[Mapping[str, Any]] = (),
        objects: Iterable[Mapping[str, Any]] = (),
        port: int = 0,
        requests_per_second: float | None = None,
        latency_seconds: float = 0.0,
        token_lifetime_seconds: float = 86_400,
        account_of: wire.AccountOf | None = None,
        faults: Iterable[Fault] = (),
        now: dt.datetime | None = None,
    ) -> None:
        self.requests: list[wire.Request] = []
        self._port = port
        self._rate = requests_per_second
        self._latency = latency_seconds
        self._lifetime = token_lifetime_seconds
        self._account_of = account_of
        self._faults = tuple(faults)
        self._slots: defaultdict[tuple[str, str], Slot] = defaultdict(Slot)
        self._places: frozenset[tuple[str, str]] = frozenset()  # that have anything
        self._objects = Objects(objects)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._clock = time.monotonic  # a test may put another in its place
        self._ahead_seconds = now.timestamp() - time.time() if now else 0.0
        for listing, items in (
            (TASKS, tasks),
            (LOG_GROUPS, log_groups),
            (STREAMS, log_streams),
            (EVENTS, map(_placed_event, api_calls)),
            (METRICS, incoming),
        ):
            for item in items:
                self._add(listing, item)

    def start(self) -> None:
        """Start to answer requests.

        Raises
        ------
        ArgumentError
            The port is not available.
        """
        try:
            self._server = Server(self._port, self)
        except OSError as error:
            raise ArgumentError(
                f"cannot listen on port {self._port}: {error.strerror}; give another, or 0"
            ) from error
        self._stopping.clear()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # A short poll interval makes stopping quick.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close every connection, end every delay, and stop listening."""
        self._stopping.set()
        self._server.stop()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def add(self, task: Mapping[str, Any]) -> None:
        """Create a task, even while a client is paging.

        Raises
        ------
        ArgumentError
            The task is not valid.
        """
        self._add(TASKS, task)

    def _add(self, listing: Listing, item: Mapping[str, Any]) -> None:
        key, rest = slot_of(listing, item)
        with self._lock:
            self._slots[key].add(listing, rest)
            self._places |= {key}

    def update(self, task_id: str, **changes: Any) -> None:  # noqa: ANN401 - any field of a task
        """Change fields of a task, for example its state.

        Mappings (`status`, `executionInfo`) are merged into the existing ones; None removes a
        field.

        Raises
        ------
        ArgumentError
            There is no such task, or it would not be valid.
        """
        with self._lock:
            lists = [slot.lists[TASKS.operation] for slot in self._slots.values()]
            found = [tasks.update(task_id, changes) for tasks in lists]
        if not any(found):
            raise ArgumentError(f"there is no task {task_id!r} to update; add it first")

    def respond(self, headers: Message, body: bytes, path: str = "") -> tuple[bytes, bool]:
        """Return the answer to a request, and whether the connection stays open.

        `path` is that of a GET request.
        """
        request = wire.Request.read(headers, body, self._account_of)
        if self._objects.names and (asked := Listed.of(path)):
            request = request._replace(operation=wire.OBJECTS, params=asked)
        try:
            answer = self._answer(request)
        except wire.ServiceError as error:
            writers = {
                wire.IDENTITY: wire.xml_error,
                wire.ASSUME_ROLE: wire.xml_error,
                wire.OBJECTS: wire.s3_error,
            }
            write = writers.get(request.operation, wire.json_error)
            answer = _Answer(write(error), error.code)
        # Before the answer is sent, so that its receiver finds the request here.
        self.requests.append(request._replace(outcome=answer.outcome))
        wait = self._latency + answer.wait_seconds
        if wait and self._stopping.wait(wait):
            return b"", False
        return self.dated(answer.sent), answer.outcome not in _ENDS_CONNECTION

    def dated(self, answer: bytes) -> bytes:
        """Add the Date to an HTTP answer."""
        return wire.dated(answer, time.time() + self._ahead_seconds)

    def _answer(self, request: wire.Request) -> _Answer:
        if not request.access_key:
            raise wire.ServiceError(
                "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        if not request.operation:
            raise wire.ServiceError("UnknownOperationException", "Unknown operation")
        if found := accounts.answer(request, self._places):
            return _Answer(found)
        lists = request.operation in LISTINGS
        if lists:
            wire.check_params(request.operation, request.params)
        with self._lock:
            slot = self._slots[request.account, request.region]
            fault = slot.next_fault(request, self._faults)
            kind = fault.kind if fault else None
            if lists and not slot.admits(request.operation, self._clock(), self._rate):
                kind = "throttle"
            if kind in wire.REFUSALS:
                raise wire.ServiceError.of_kind(kind, request)
            if request.operation == wire.IDENTITY:
                return _Answer(wire.identity(request.account))
            if request.operation == wire.OBJECTS:
                sent = wire.spoiled_page(self._objects.page(request.params), kind, wire.XML)
                return _Answer(sent, kind or "ok", fault.wait_seconds if fault else 0.0)
            page = slot.asked(request).page(
                request.params, kind, now=self._clock(), lifetime=self._lifetime
            )
        sent = wire.spoiled_page(page, kind)
        return _Answer(sent, fault.kind, fault.wait_seconds) if fault else _Answer(sent)
