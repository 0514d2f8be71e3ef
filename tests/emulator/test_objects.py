"""ListObjectsV2 as boto3 asks it: pages, prefixes, names, buckets and faults."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from exportstats.emulator import Emulator, Fault
from exportstats.errors import ArgumentError

KEYS = ["a/1", "a/2&é ü+%.gz", "a/3", "b/1"]
OBJECTS = [{"Bucket": "acme", "Key": key, "Size": number} for number, key in enumerate(KEYS)]


def client(emulator: Emulator) -> Any:  # noqa: ANN401 - boto3's client
    """Return an S3 client that does not try again."""
    return boto3.client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=emulator.url,
        aws_access_key_id="111122223333",
        aws_secret_access_key="made-up",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("most", [1, 2, 1000])
def test_all_keys_of_a_prefix_come_in_pages(most: int):
    """Each key comes once, in order, with its size, whatever is in its name."""
    with Emulator(objects=OBJECTS) as emulator:
        pages = client(emulator).get_paginator("list_objects_v2")
        found = [
            (one["Key"], one["Size"])
            for page in pages.paginate(Bucket="acme", Prefix="a/", MaxKeys=most)
            for one in page["Contents"]
        ]
        assert found == [*zip(KEYS[:3], range(3), strict=True)]
        assert len(emulator.requests) == -(-3 // most)
        [(operation, account, region)] = {one[:3] for one in emulator.requests}
        assert (operation, account, region) == ("ListObjectsV2", "111122223333", "eu-west-1")
        assert client(emulator).list_objects_v2(Bucket="acme", Prefix="c")["KeyCount"] == 0


def test_errors_are_those_of_s3():
    """A bucket that is not there, and a fault of this operation alone."""
    with Emulator(objects=OBJECTS, faults=[Fault("deny", operation="ListObjectsV2")]) as emulator:
        with pytest.raises(ClientError) as caught:
            client(emulator).list_objects_v2(Bucket="acme")
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    with Emulator(objects=OBJECTS) as emulator:
        with pytest.raises(ClientError) as caught:
            client(emulator).list_objects_v2(Bucket="other")
        assert caught.value.response["Error"]["Code"] == "NoSuchBucket"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{emulator.url}/acme")  # noqa: S310 - it is http


def test_an_object_without_a_size_is_refused():
    """The message names it."""
    with pytest.raises(ArgumentError, match="needs a Bucket"):
        Emulator(objects=[{"Bucket": "acme", "Key": "a"}])
