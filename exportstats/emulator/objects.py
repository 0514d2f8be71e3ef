"""Objects in S3 buckets, and the answers of ListObjectsV2 with them."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from exportstats.emulator import wire
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MOST_KEYS = 1000
_DATE = "2020-01-01T00:00:00.000Z"  # nothing reads it


class Listed(NamedTuple):
    """The parameters of ListObjectsV2."""

    bucket: str
    prefix: str
    most: int
    after: str  # the last key of the page before

    @classmethod
    def of(cls, path: str) -> Listed | None:
        """Return the parameters of a GET request; None if it asks for something else."""
        parts = urlsplit(path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        most = asked.get("max-keys", str(_MOST_KEYS))
        if asked.get("list-type") != "2" or not most.isdecimal():
            return None
        try:
            after = bytes.fromhex(asked.get("continuation-token", "")).decode()
        except ValueError:
            return None
        bucket = unquote(parts.path.strip("/"))
        return cls(bucket, asked.get("prefix", ""), min(int(most), _MOST_KEYS), after)


class Objects:
    """The objects of all buckets: the name of the bucket, the key and the size of each."""

    def __init__(self, objects: Iterable[Mapping[str, Any]]) -> None:
        self._sizes: dict[str, dict[str, int]] = {}
        for one in objects:
            try:
                bucket, key, size = one["Bucket"], one["Key"], int(one["Size"])
            except (KeyError, TypeError, ValueError) as error:
                raise ArgumentError(
                    f"the object {dict(one)!r} needs a Bucket, a Key and a Size in bytes"
                ) from error
            self._sizes.setdefault(bucket, {})[key] = size
        self._keys = {bucket: sorted(sizes) for bucket, sizes in self._sizes.items()}

    @property
    def names(self) -> set[str]:
        """The names of the buckets."""
        return {*self._keys}

    def page(self, asked: Listed) -> bytes:
        """Return a page of the keys of a bucket, in order.

        Raises
        ------
        ServiceError
            There is no such bucket.
        """
        keys = self._keys.get(asked.bucket)
        if keys is None:
            raise wire.ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)
        first = bisect.bisect_left(keys, asked.prefix)
        first = max(first, bisect.bisect_right(keys, asked.after)) if asked.after else first
        found = keys[first : first + asked.most + 1]
        found = [key for key in found if key.startswith(asked.prefix)]
        shown, is_cut = found[: asked.most], len(found) > asked.most
        sizes = self._sizes[asked.bucket]
        contents = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>{_DATE}</LastModified>"
            f"<Size>{sizes[key]}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in shown
        )
        last = "".join(shown[-1:]).encode().hex()
        token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        return (
            f'<ListBucketResult xmlns="{_NAMESPACE}"><Name>{asked.bucket}</Name>'
            f"<Prefix>{quote(asked.prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount>"
            f"<MaxKeys>{asked.most}</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{token if is_cut else ''}"
            f"{contents}</ListBucketResult>"
        ).encode()
