"""The faults that the emulator can produce, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exportstats.emulator.listings import LISTINGS
from exportstats.emulator.wire import OBJECTS
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from exportstats.emulator.wire import Request

KINDS = {
    "throttle": "ThrottlingException, as beyond the quota",
    "unavailable": "ServiceUnavailableException, with status 500",
    "cut": "the connection ends in the middle of the body that was announced",
    "drop": "the connection ends before any answer",
    "short": "half a body, with the Content-Length of the half",
    "html": "a proxy's HTML page, with status 200",
    "invalid_json": "a whole page that is not quite JSON",
    "gzip": "the page gzip-encoded, with the header for it, although not requested",
    "repeated_token": "the nextToken of the answer is the one that was sent",
    "empty_page": "an empty page, whose nextToken continues from the same place",
    "shift": "a task (or log group) is created just before the answer, so the list moves by one",
    "slow": "the answer comes `seconds` later",
    "hang": "no answer until the emulator stops, or for ten minutes",
    "deny": "AccessDeniedException",
    "expired": "ExpiredTokenException: the credentials have expired",
    "unrecognized": "UnrecognizedClientException: the credentials are unknown",
    "expired_token": "the nextToken that was sent is refused as expired",
    "deny_identity": "AccessDenied for GetCallerIdentity; the only kind that affects it",
}

_NEEDS_TOKEN = {"repeated_token", "expired_token"}

_TEXT = re.compile(
    r"(?P<kind>\w+)(?::(?P<every>\d+))?(?:=(?P<seconds>\d+(?:\.\d+)?))?"
    r"(?:@(?P<account>\d*)(?:/(?P<region>[\w-]+))?)?"
)


@dataclass(frozen=True)
class Fault:
    """A fault, and the requests that it affects.

    Without `every` and `at` it affects every request. Requests are counted from 1, separately for
    each account, region and operation.

    Parameters
    ----------
    kind
        One of `KINDS`, which describes each.
    every
        10 means every tenth request.
    at
        (3,) means the third request.
    account, region, access_key
        The callers that it affects; by default all. With `access_key`, credentials expire until
        they are refreshed.
    operation
        The requests that it affects, such as `DescribeLogGroups`; by default all.
    seconds
        How much later a `slow` answer comes.

    Raises
    ------
    ArgumentError
        The kind or the operation is unknown, or `every` is less than 1.
    """

    kind: str
    every: int | None = None
    at: tuple[int, ...] = ()
    account: str | None = None
    region: str | None = None
    access_key: str | None = None
    operation: str | None = None
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that are not valid."""
        if self.kind not in KINDS:
            raise ArgumentError(f"unknown fault {self.kind!r}; give one of {', '.join(KINDS)}")
        if self.every is not None and self.every < 1:
            raise ArgumentError(f"a fault every {self.every} requests; give 1 or more")
        operations = [*LISTINGS, OBJECTS]
        if self.operation not in (None, *operations):
            raise ArgumentError(
                f"a fault in {self.operation!r}; give one of {', '.join(operations)}"
            )

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse a fault from text: `kind[:every][=seconds][@account[/region]]`.

        Raises
        ------
        ArgumentError
            The text does not have this form, or names an unknown kind.

        Examples
        --------
        >>> Fault.parse("slow:10=2.5@/eu-west-1")
        Fault(kind='slow', every=10, at=(), account=None, region='eu-west-1',
              access_key=None, operation=None, seconds=2.5)
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise ArgumentError(
                f"cannot read the fault {text!r}; write kind[:every][=seconds][@account[/region]], "
                f"where kind is one of {', '.join(KINDS)}"
            )
        every, seconds = found["every"], found["seconds"]
        return cls(
            found["kind"],
            every=int(every) if every else None,
            account=found["account"] or None,
            region=found["region"],
            seconds=float(seconds) if seconds else 1.0,
        )

    @property
    def wait_seconds(self) -> float:
        """How long the answer is delayed."""
        return {"slow": self.seconds, "hang": 600.0}.get(self.kind, 0.0)

    def hits(self, request: Request, number: int) -> bool:
        """Return whether it affects this request, the `number`-th of its account and region."""
        if (self.kind == "deny_identity") != (request.operation == "GetCallerIdentity"):
            return False
        token = LISTINGS[request.operation].token if request.operation in LISTINGS else ""
        if self.kind in _NEEDS_TOKEN and token not in request.params:
            return False
        wanted = (self.account, self.region, self.access_key, self.operation)
        actual = (request.account, request.region, request.access_key, request.operation)
        if any(want not in (None, have) for want, have in zip(wanted, actual, strict=True)):
            return False
        if self.every is None and not self.at:
            return True
        return number in self.at or (self.every is not None and number % self.every == 0)
