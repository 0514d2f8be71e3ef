"""List the log streams of log groups, and find those that are missing in what a task delivered.

DescribeLogStreams tells the times of the first and the last event of a stream, not what lies in
between. So a stream certainly had an event in a window if one of the two is in it, and may have had
one if the window lies between them.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from exportstats.aws.client import Operation
from exportstats.aws.fleet import load_targets
from exportstats.aws.incoming import is_in
from exportstats.aws.load import Question
from exportstats.aws.targets import Target, check_targets
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import boto3

    from exportstats.aws.load import Load
    from exportstats.io.json_text import Page

Slot = tuple[str | None, str | None]
Key = tuple[str | None, ...]  # account, region and name of a log group
Span = tuple[int, int]  # the first and the last millisecond, both inclusive
_Page = list[tuple[str, int, int]] | None

_PAGE_SIZE = 50
_MOST_NAMES = 20  # of missing streams
_BETWEEN = ":"  # which no stream's name contains
# These characters, and "/" as "-", are known from keys that were published.
_KNOWN = re.compile(r"[A-Za-z0-9_.$\[\]/-]+")
# One log group may be deleted or denied while others are not.
_OF_ONE_GROUP = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
_NO_TARGET = "no target is for its account and region"
_AMBIGUOUS = "several targets may be for its log group"


class _Stream(msgspec.Struct):
    logStreamName: str  # noqa: N815 - AWS's name
    firstEventTimestamp: int | None = None  # noqa: N815 - AWS's name
    lastEventTimestamp: int | None = None  # noqa: N815 - AWS's name


class _Answer(msgspec.Struct):
    logStreams: list[_Stream] = []  # noqa: N815 - AWS's name


class Streams(NamedTuple):
    """The streams of a log group with events, and the times of their first and last event."""

    names: Sequence[str]
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, streams: Iterable[tuple[str, int, int]]) -> Streams:
        """Return streams, given their names and times."""
        rows = [*streams]
        first, last = (np.array([row[at] for row in rows], dtype="int64") for at in (1, 2))
        return cls([row[0] for row in rows], first, last)


class Missing(NamedTuple):
    """The streams without objects that had an event in a window, and those that may have had one.

    Each has the number of the streams and their first names.
    """

    certain: tuple[int, str | None]
    possible: tuple[int, str | None]


def find_missing(found: Collection[str], streams: Streams, window: Span) -> Missing:
    """Compare the streams of a log group with those that have objects, as `in_key` names them."""
    inside = (streams.first <= window[1]) & (streams.last >= window[0])
    certain = inside & ((streams.first >= window[0]) | (streams.last <= window[1]))
    names = {streams.names[at]: bool(certain[at]) for at in np.flatnonzero(inside).tolist()}
    many: dict[str, int] = {}
    for name in names:
        many[in_key(name)] = many.get(in_key(name), 0) + 1
    missing: tuple[list[str], list[str]] = ([], [])
    for name, is_certain in names.items():
        key = in_key(name)
        if key in found and many[key] == 1:
            continue
        # the objects may be those of another stream, or have a name that is not known
        is_sure = is_certain and key not in found and _KNOWN.fullmatch(name) is not None
        missing[0 if is_sure else 1].append(name)
    certain_, possible = map(_named, missing)
    return Missing(certain_, possible)


def in_key(name: str) -> str:
    """Return the part of an S3 key that has the name of a stream."""
    return name.replace("/", "-")


def _named(names: list[str]) -> tuple[int, str | None]:
    return len(names), _BETWEEN.join(sorted(names)[:_MOST_NAMES]) or None


class _Groups(NamedTuple):
    """The log groups to ask for."""

    keys: Sequence[Key]

    def of(self, slot: Slot) -> list[Key]:
        """Return those that can be in an account and region."""
        return [key for key in self.keys if is_in(key, slot)]

    def requests(self, slot: Slot) -> list[dict[str, Any]]:
        """Return what asks for the log groups of an account and region, each once."""
        return [{"logGroupName": key[-1]} for key in self.of(slot)]


def list_streams(
    windows: Mapping[Key, Span],
    targets: Iterable[Target] | None,
    *,
    session: boto3.Session,
    endpoint_url: str | None,
    max_workers: int | None,
    progress: bool | None,
) -> dict[Key, Streams | str]:
    """List the streams of log groups that may have events in a window, each log group once.

    A log group whose streams could not be listed has the reason instead.

    Raises
    ------
    KeyboardInterrupt
        The user stopped it.
    ArgumentError
        An argument is not valid.
    """
    if not windows:
        return {}
    groups = _Groups([*windows])
    if targets is None:
        targets = [Target(*slot) for slot in dict.fromkeys(key[:2] for key in groups.keys)]
    starts, ends = zip(*windows.values(), strict=True)
    question = Question(
        _operation((min(starts), max(ends))),
        {"limit": _PAGE_SIZE},
        endpoint_url,
        "quota",
        each=groups.requests,
        of_one_list=_OF_ONE_GROUP,
    )
    loads = load_targets(
        check_targets(targets),
        question,
        session=session,
        profile=None,
        max_workers=max_workers,
        executor=None,
        progress=progress,
    )
    if any(load.interrupted for load in loads):
        raise KeyboardInterrupt
    found: dict[Key, Streams | str] = {}
    for load in loads:
        for key, streams in _of_groups(load, groups):
            found[key] = _AMBIGUOUS if key in found else streams
    why = next((load.fault.reason for load in loads if load.fault is not None), _NO_TARGET)
    return dict.fromkeys(groups.keys, why) | found


def _operation(span: Span) -> Operation:
    return Operation(
        "DescribeLogStreams",
        "describe_log_streams",
        "logStreams",
        "log streams",
        partial(_read, span=span),
    )


def _read(pages: Sequence[Page], _: int, span: Span) -> list[_Page]:
    """Return the streams of each page that may have events in a span; None if it is not valid."""
    return [_read_one(page, span) for page in pages]


def _read_one(page: Page, span: Span) -> _Page:
    try:
        streams = msgspec.json.decode(page.body, type=_Answer).logStreams  # type: ignore[arg-type]
    except (msgspec.MsgspecError, TypeError):
        return None
    # a stream without either time has no events
    known = (
        (
            one.logStreamName,
            -1 if one.firstEventTimestamp is None else one.firstEventTimestamp,
            schema.LAST + 1 if one.lastEventTimestamp is None else one.lastEventTimestamp,
        )
        for one in streams
        if (one.firstEventTimestamp, one.lastEventTimestamp) != (None, None)
    )
    return [stream for stream in known if stream[1] <= span[1] and stream[2] >= span[0]]


def _of_groups(load: Load, groups: _Groups) -> Iterator[tuple[Key, Streams | str]]:
    """Yield the streams of the log groups that a target was asked for, or why they are unknown."""
    start = 0
    asked = groups.of((load.account_id, load.region))
    for key, (end, refused) in zip(asked, load.lists, strict=False):
        pages = load.arrived.parts[start:end]
        start = end
        if refused is not None:
            yield key, refused.reason
        elif None in pages:
            yield key, "the answer is not a list of log streams"
        else:
            yield key, Streams.of(stream for page in pages for stream in page)
