"""List in S3 the objects of tasks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from exportstats.aws.answers import pages
from exportstats.aws.client import connect, millis_of
from exportstats.aws.faults import explain
from exportstats.aws.fleet import MOST_WORKERS
from exportstats.aws.streams import in_key
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import boto3

_WRITE_TEST = "aws-logs-write-test"
_MOST_PAGES = 10_000  # ten million objects, more than a task can write in its 24 hours


class Place(NamedTuple):
    """Where a task's objects should be."""

    region: str | None
    bucket: str | None
    prefix: str
    task_id: str

    @property
    def folder(self) -> str:
        """The beginning of the keys of its objects."""
        return f"{self.prefix}/{self.task_id}/"


class Found(NamedTuple):
    """What was found: the columns of `schema.DELIVERIES` that come from S3.

    `streams` has the names of the streams with objects, as they are in keys.
    """

    objects: int | None
    bytes: int | None
    first_key: str | None
    last_key: str | None
    streams: frozenset[str] | None
    delivered: str
    reason: str | None
    observed_at: int | None


class ObjectLister:
    """List the objects of tasks, from any thread."""

    def __init__(
        self, session: boto3.Session, endpoint_url: str | None, regions: set[str | None]
    ) -> None:
        # clients can be used, but not created, in several threads
        self._clients: dict[str | None, Any] = {}
        for region in sorted(regions, key=str):
            try:
                self._clients[region] = connect(
                    session,
                    "s3",
                    region=region,
                    endpoint_url=endpoint_url,
                    max_pool_connections=MOST_WORKERS,
                )
            except ArgumentError:
                raise
            except Exception as error:  # noqa: BLE001 - one region must not affect the others
                self._clients[region] = error
        self._tests: dict[tuple[str | None, str], bool] = {}
        self._lock = threading.Lock()

    def look(self, place: Place) -> Found:
        """Return what a task delivered; an error becomes the reason."""
        try:
            return self._list(place)
        except ClientError as error:
            nothing = error.response["Error"].get("Code") == "NoSuchBucket"
            return unknown(explain(error).reason, delivered="gone" if nothing else "unknown")
        except Exception as error:  # noqa: BLE001 - one task must not affect the others
            return unknown(explain(error).reason)

    def _list(self, place: Place) -> Found:
        if place.bucket is None:
            return unknown("the task has no destination")
        client = self._clients[place.region]
        if isinstance(client, Exception):
            raise client
        keys: list[str] = []
        streams: set[str] = set()
        objects = size = 0
        tested, date = False, None
        for page in pages(
            client.list_objects_v2,
            "Contents",
            "ContinuationToken",
            most_pages=_MOST_PAGES,
            Bucket=place.bucket,
            Prefix=place.folder,
        ):
            date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
            for found in page.get("Contents", ()):
                if found["Key"].endswith(f"/{_WRITE_TEST}"):
                    tested = True
                    continue
                objects += 1
                size += found["Size"]
                keys = [keys[0] if keys else found["Key"], found["Key"]]
                streams.add(in_key(found["Key"].removeprefix(place.folder).rpartition("/")[0]))
        seen = millis_of(date)
        if objects:
            return Found(objects, size, keys[0], keys[1], frozenset(streams), "yes", None, seen)
        tested = tested or self._was_tested(client, place)
        delivered = "empty" if tested else "gone"
        return Found(0, 0, None, None, frozenset(), delivered, None, seen)

    def _was_tested(self, client: Any, place: Place) -> bool:  # noqa: ANN401 - boto3's client
        """Return whether the prefix has a write test; each prefix is checked once."""
        key = place.bucket, place.prefix
        with self._lock:
            known = self._tests.get(key)
        if known is None:
            answer = client.list_objects_v2(
                Bucket=place.bucket, Prefix=f"{place.prefix}/{_WRITE_TEST}", MaxKeys=1
            )
            known = bool(answer.get("KeyCount"))
            with self._lock:
                self._tests[key] = known
        return known


def unknown(reason: str, *, delivered: str = "unknown") -> Found:
    """Return what is known if the objects could not be listed."""
    return Found(None, None, None, None, None, delivered, reason, None)
