"""Which observations to read, as a filter on files and as one on rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from exportstats.archive.kinds import SHARD, shard_of
from exportstats.core.schema import DAY, INCOMING
from exportstats.errors import ArgumentError
from exportstats.stats.as_of import instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from exportstats.core.schema import Table

_TIMES = {INCOMING: "start"}  # of kinds without a creation
_LONG = pd.Timedelta(DAY, "ms")  # few periods are longer


@dataclass(frozen=True)
class Query:
    """A selection of observations; None selects all.

    Attributes
    ----------
    accounts, regions, ids
        The values of `account_id`, `region` and of the last column of the key.
    since, until
        The range of `creation_time`, or of the periods of incoming data. Rows without one are kept.
    as_of
        The latest `observed_at`.
    shards
        The shards to read.
    columns
        The columns to read.
    """

    accounts: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    as_of: pd.Timestamp | None = None
    shards: frozenset[int] | None = None
    columns: frozenset[str] | None = None

    def created(self, first: pd.Timestamp, last: pd.Timestamp) -> Query:
        """Return the same selection of a range of creation times, both inclusive."""
        return replace(self, since=first, until=last + pd.Timedelta(1, unit="ms"))

    def of(self, shard: int) -> Query:
        """Return the same selection of one shard."""
        return replace(self, shards=frozenset([shard]))

    def files(self, files: pd.DataFrame) -> pd.DataFrame:
        """Return the files that may have selected rows, by their shard and their statistics."""
        shards = self.shards
        if self.accounts is not None and self.regions is not None:
            of_slots = {shard_of(a, r) for a in self.accounts for r in self.regions}
            shards = frozenset(of_slots if shards is None else of_slots & shards)
        if shards is not None:
            files = files[files[f"partition.{SHARD}"].isin(shards)]
        for column, wanted in (("account_id", self.accounts), ("region", self.regions)):
            if wanted is not None and {f"min.{column}", f"max.{column}"} <= {*files}:
                low, high = files[f"min.{column}"], files[f"max.{column}"]
                may = low.isna() | high.isna()
                for value in wanted:
                    may |= (low <= value) & (value <= high)
                files = files[may]
        return files

    def rows(self, kind: Table) -> ds.Expression | None:
        """Return the filter on rows of a kind."""
        found = None
        for column, wanted in self._texts(kind).items():
            field = ds.field(column)
            one = field == wanted[0] if len(wanted) == 1 else field.isin(pa.array(wanted))
            found = _both(found, one)
        time, observed = ds.field(_TIMES.get(kind, "creation_time")), ds.field("observed_at")
        if self.since is not None:
            begins = (time >= _scalar(self.since)) | time.is_null()
            if kind is INCOMING:  # a period may have begun before
                begins = (time >= _scalar(self.since - _LONG)) | (ds.field("period") > DAY)
            found = _both(found, begins)
        if self.until is not None:
            found = _both(found, (time < _scalar(self.until)) | time.is_null())
        if self.as_of is not None:
            found = _both(found, observed <= _scalar(self.as_of))
        return found

    def plain(self, kind: Table) -> tuple[str, ...]:
        """Return the columns of text that are filtered."""
        return tuple(self._texts(kind))

    def _texts(self, kind: Table) -> dict[str, tuple[str, ...]]:
        named = {"account_id": self.accounts, "region": self.regions, kind.id: self.ids}
        return {name: wanted for name, wanted in named.items() if wanted is not None}


def texts(values: Sequence[str] | None, name: str) -> tuple[str, ...] | None:
    """Return the names to select as a tuple, or None for all.

    Raises
    ------
    ArgumentError
        The argument is one text, is empty, or has something that is not text.
    """
    if values is None:
        return None
    found = () if isinstance(values, str) else tuple(values)
    if not found or not all(isinstance(value, str) for value in found):
        raise ArgumentError(f"{name}={values!r}; give a list of names, or leave it out for all")
    return found


def _both(one: ds.Expression | None, other: ds.Expression) -> ds.Expression:
    return other if one is None else one & other


def _scalar(time: pd.Timestamp) -> pa.Scalar:
    return pa.scalar(time.to_pydatetime(), pa.timestamp("ms", tz="UTC"))


def query_of(
    as_of: str | date | pd.Period | None,
    accounts: Sequence[str] | None,
    regions: Sequence[str] | None,
) -> Query:
    """Check a selection by instant, accounts and regions, and return its query."""
    return Query(
        texts(accounts, "accounts"),
        texts(regions, "regions"),
        as_of=None if as_of is None else instant(as_of, "as_of"),
    )
