"""Read what commands need of an archive besides the latest state of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exportstats.archive.query import Query, query_of
from exportstats.archive.reading import read_history
from exportstats.core import schema
from exportstats.core.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from exportstats.archive.archive import Archive
    from exportstats.core.shards import Part


@dataclass(frozen=True)
class Observations(Shards):
    """The selected observations of an archive."""

    archive: Archive
    query: Query

    @property
    def observations(self) -> Shards:
        """These observations, as an archive has them."""
        return self

    def map(self, part: Part, /) -> Iterator[pd.DataFrame]:
        """Apply `part` to the observations of each shard, all of one version of the archive."""
        return self.archive._map(lambda _: read_history, part, self.query)  # noqa: SLF001 - its own


def observations_of(
    archive: Archive,
    accounts: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
) -> Shards:
    """Return every observation of the tasks of some accounts and regions; by default of all."""
    return Observations(archive, query_of(None, accounts, regions))


def incoming_of(
    archive: Archive, log_groups: pd.DataFrame, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Return what log groups took in during a range; at least these rows are read, but not all.

    `log_groups` has their keys. If the account or region of one is missing, it is read in all.
    """
    keys = log_groups.astype("str")
    accounts, regions = (
        None if keys[name].isna().any() else tuple(keys[name].unique()) for name in schema.SLOT
    )
    names = tuple(keys["log_group_name"].dropna().unique())
    query = Query(accounts, regions, names, since, until)
    return archive._latest(schema.INCOMING, query)  # noqa: SLF001 - its own
