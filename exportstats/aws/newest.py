"""Page through a list of tasks only down to what is known.

The list runs from the newest creation to the oldest. If all tasks before an instant are known and
have ended, paging can stop there, but only if the list is in this order as far as it was read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from exportstats.core.schema import TERMINAL_STATES, state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from exportstats.io.json_text import Page

Slot = tuple[str | None, str | None]

# A task may appear in the list a little after one that was created later.
_LATEST_APPEARANCE = 15 * 60_000  # milliseconds


class _Status(msgspec.Struct):
    code: str | None = None


class _Info(msgspec.Struct):
    creationTime: int | None = None  # noqa: N815 - AWS's name


class _Task(msgspec.Struct):
    taskId: str | None = None  # noqa: N815 - AWS's name
    status: _Status | None = None
    executionInfo: _Info | None = None  # noqa: N815 - AWS's name


class _Answer(msgspec.Struct):
    exportTasks: list[_Task] = field(default_factory=list)  # noqa: N815 - AWS's name


_decode = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True)
class Settled:
    """The instant of each account and region before which all tasks are known and have ended."""

    until: Mapping[Slot, int | None]  # milliseconds since 1970

    def of(self, accounts: Collection[str | None]) -> Settled:
        """Return the instants of some accounts; of all of them if one is not known yet."""
        if None in accounts:
            return self
        return Settled({slot: at for slot, at in self.until.items() if slot[0] in accounts})

    def walk(self, slot: Slot) -> Walk:
        """Begin to page through the list of an account and region."""
        return Walk(self.until.get(slot))


@dataclass
class Walk:
    """What the pages of a list have shown so far.

    Attributes
    ----------
    known_until
        The instant before which all tasks are known and have ended, in milliseconds since 1970.
    newest, oldest
        The first and the last creation time.
    oldest_active
        The oldest creation time of a task that has not ended.
    began
        The service's time of the first page.
    is_ordered
        Whether every task has a creation time, and none is later than that of the task before it.
    stopped
        Whether paging stopped at what is known, before the end of the list.
    latest
        The tasks of the latest page.
    """

    known_until: int | None = None
    newest: int | None = None
    oldest: int | None = None
    oldest_active: int | None = None
    began: int | None = None
    is_ordered: bool = True
    stopped: bool = False
    latest: frozenset[str | None] = frozenset()

    def reaches(self, page: Page) -> bool:
        """Return whether paging can stop after a page."""
        self.began = page.observed_at if self.began is None else self.began
        try:
            tasks = (
                _decode(page.body)
                if isinstance(page.body, bytes)
                else msgspec.convert({"exportTasks": page.body}, _Answer)
            ).exportTasks
        except msgspec.ValidationError:  # a creation time that is not a number, for example
            self.is_ordered = False
            return False
        for task in tasks:
            # a task that is created while one pages moves the list, and others come again
            if task.taskId not in self.latest:
                self._pass(task)
        self.latest = frozenset(task.taskId for task in tasks)
        return (
            self.is_ordered
            and None not in (self.known_until, self.newest, self.oldest)
            # a list that begins below what is known is in another order
            and self.newest >= self.known_until - 1  # type: ignore[operator]
            and self.oldest < self.known_until - _LATEST_APPEARANCE  # type: ignore[operator]
        )

    def _pass(self, task: _Task) -> None:
        created = task.executionInfo.creationTime if task.executionInfo else None
        if created is None or (self.oldest is not None and created > self.oldest):
            self.is_ordered = False
            return
        self.newest = created if self.newest is None else self.newest
        self.oldest = created
        code = task.status.code if task.status else None
        if state_of(code or "") not in TERMINAL_STATES:
            self.oldest_active = created

    @property
    def settled_until(self) -> int | None:
        """The instant before which all tasks are known and have ended, once all pages are kept.

        None if that cannot be said, because the list is empty or in another order.
        """
        if not self.is_ordered or self.newest is None:
            return None
        return self.newest + 1 if self.oldest_active is None else self.oldest_active
