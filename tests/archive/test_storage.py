"""Where an archive is written: what is refused before a request, and the region of a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
import pytest
from archived import ACCOUNT, needs_moto, session, task

import exportstats as xs
from exportstats.archive.storage import Storage
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has /proc")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve 120 tasks."""
    with Emulator(map(task, range(120))) as running:
        yield running


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """Return a folder that this user, root included, cannot write to."""
    if os.geteuid() == 0:
        return Path("/proc/sys")
    folder = tmp_path / "others"
    folder.mkdir(mode=0o500)
    return folder


@needs_proc
def test_a_folder_that_cannot_be_written_to(unwritable: Path, emulator: Emulator):
    """A sync says so in a sentence before it asks for anything, and so does `add`."""
    archive = xs.Archive(unwritable / "history")
    says = r"/history cannot be written to: [\w ]+; give a folder that you may write to$"
    with pytest.raises(xs.ArchiveError, match=says):
        archive.sync(session=session(), endpoint_url=emulator.url)
    assert not emulator.requests
    with pytest.raises(xs.ArchiveError, match=says):
        archive.add(xs.sample_tasks())


def test_a_folder_below_a_file(tmp_path: Path, emulator: Emulator):
    """A file in the place of a folder is told in the same way."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(xs.ArchiveError, match="cannot be written to: Not a directory; give"):
        xs.Archive(tmp_path / "file" / "history").sync(session=session(), endpoint_url=emulator.url)
    assert not emulator.requests


def test_a_link_to_nothing_is_not_an_address(tmp_path: Path):
    """A dangling link and one to itself are told, also as the parent of a folder."""
    for name, target in (("dangling", "nowhere"), ("itself", "itself")):
        (tmp_path / name).symlink_to(tmp_path / target)
        for place in (tmp_path / name, tmp_path / name / "history"):
            with pytest.raises(xs.ArgumentError, match=f"{name}' is a link to nothing; make its"):
                xs.Archive(place)


def test_a_link_to_an_archive_is_the_archive(archive: xs.Archive, tmp_path: Path):
    """What is added at a link is in the folder that it points to."""
    Path(archive.uri).mkdir()
    (tmp_path / "link").symlink_to(archive.uri)
    linked = xs.Archive(tmp_path / "link")
    linked.add(xs.sample_tasks())
    linked.compact()
    linked.vacuum("0h")
    assert len(archive.tasks()) == len(xs.sample_tasks())


@pytest.mark.parametrize("of", ["looks/_delta_log", "tasks/shard=11"])
def test_a_folder_of_another_user_inside_is_told(
    of: str, archive: xs.Archive, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
):
    """A table or a shard that cannot be written to is told before anything is asked."""
    archive.sync(session=session(), endpoint_url=emulator.url)
    asked, may = len(emulator.requests), os.access
    theirs = Path(archive.uri, of)
    monkeypatch.setattr(os, "access", lambda path, mode: path != theirs and may(path, mode))
    with pytest.raises(xs.ArchiveError, match=f"{of} is not writable; change its owner or mode"):
        archive.sync(session=session(), endpoint_url=emulator.url)
    assert len(emulator.requests) == asked


FULL = """
import resource, signal, sys
import exportstats as xs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    xs.Archive(sys.argv[1]).sync([xs.Target("111122223333", "eu-west-1")], endpoint_url=sys.argv[2])
except xs.ArchiveError as error:
    print(error)
"""


def test_a_full_disk_is_told_before_a_request(archive: xs.Archive, emulator: Emulator):
    """A sync writes a little in advance, because an empty file fits on a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, archive.uri, emulator.url], capture_output=True, text=True
    )
    assert done.stdout.endswith("cannot be written to: File too large; make room\n"), done.stderr
    assert not emulator.requests


def test_a_check_leaves_nothing(archive: xs.Archive, tmp_path: Path):
    """The check makes neither a folder nor a file."""
    Storage(archive.uri, None).check_writable()
    assert not [*tmp_path.iterdir()]


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a bucket in eu-west-1 at moto, with another default region; yield a client."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(
        Bucket="history", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    yield client
    client.close()


@needs_moto
def test_a_sync_into_a_bucket_leaves_no_other_object(s3: Any, emulator: Emulator):  # noqa: ANN401
    """A bucket that can be written to has the archive and nothing else afterwards."""
    xs.Archive("s3://history/a").sync(session=session(), endpoint_url=emulator.url)
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="history")["Contents"]]
    assert {key.split("/")[1] for key in keys} == {"tasks", "looks"}
    assert not s3.list_multipart_uploads(Bucket="history").get("Uploads")


@needs_moto
def test_a_bucket_that_does_not_exist(s3: Any, emulator: Emulator):  # noqa: ANN401
    """A misspelt bucket is told before anything is asked."""
    s3.list_buckets()
    with pytest.raises(xs.ArchiveError, match=r"NoSuchBucket.*; make the bucket, or give another"):
        xs.Archive("s3://histroy/a").sync(session=session(), endpoint_url=emulator.url)
    assert not emulator.requests
    with pytest.raises(
        xs.ArchiveError, match=r"a/looks cannot be read: NoSuchBucket: The spec.*t$"
    ):
        xs.Archive("s3://histroy/a").tasks()


POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action":
    ["s3:ListBucket", "s3:GetObject"], "Resource": "*"}]}"""


def check_permissions(moto: str, *, after: bytes) -> None:
    """Let moto check permissions after some requests."""
    kind = {"Content-Type": "text/plain"}
    urlopen(Request(f"{moto}/moto-api/reset-auth", after, kind)).close()  # noqa: S310 - ours


@needs_moto
def test_a_bucket_that_may_only_be_read(
    s3: Any,  # noqa: ANN401
    moto: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
):
    """Without s3:PutObject, the permissions are named before anything is asked."""
    s3.list_buckets()
    iam = boto3.client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=POLICY)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    check_permissions(moto, after=b"0")
    try:
        with pytest.raises(xs.ArchiveError, match=r"AccessDenied.*; it needs .*s3:PutObject") as no:
            xs.Archive("s3://history/a").sync(session=session(), endpoint_url=emulator.url)
    finally:
        check_permissions(moto, after=b"inf")
    assert key["AccessKeyId"] not in str(no.value)
    assert not emulator.requests


@needs_moto
@pytest.mark.parametrize(("bucket", "region"), [("history", "eu-west-1"), ("none", "us-east-1")])
def test_the_region_of_a_bucket(
    s3: Any,  # noqa: ANN401
    bucket: str,
    region: str,
    monkeypatch: pytest.MonkeyPatch,
):
    """At AWS the region is the bucket's own, which S3 names; else the one of the environment."""
    s3.list_buckets()
    monkeypatch.setattr("exportstats.aws.client.is_aws", lambda *_: True)
    options = Storage(f"s3://{bucket}/a", None).options()
    assert options["AWS_REGION"] == region
    assert "AWS_ENDPOINT" not in options
    given = Storage(f"s3://{bucket}/a", {"region": "us-west-2"}).options()
    assert given["AWS_REGION"] == "us-west-2"
