"""Where an archive is: a local folder, or a bucket with the credentials of boto3's chain."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from exportstats.errors import ArchiveError, ArgumentError
from exportstats.io.writing import NO_ROOM
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3

S3 = "s3://"
_ACCESS_KEY, _SECRET_KEY, _TOKEN = "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"
_HIDDEN = (_ACCESS_KEY, _SECRET_KEY, _TOKEN, "SSE_CUSTOMER_KEY_BASE64")
_REMEDY = "give a folder or s3://bucket/prefix"
_REFUSALS = {
    403: "it needs the permissions s3:ListBucket, s3:GetObject and s3:PutObject",
    404: "make the bucket, or give another address",
}
_ROOM = 2**14  # bytes that a sync needs at least
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NEXT_LINE = re.compile(r":?\s*\n[\s↳]*")  # deltalake has a cause a line
_ANSWER = re.compile(r"<Code>(?P<code>.*?)</Code>.*?<Message>(?P<message>.*?)</Message>", re.DOTALL)
_TRACE = re.compile(r"\n\s*0: .*", re.DOTALL)  # where in deltalake it was
_SIGNED = re.compile(r"\s*the canonical string.*", re.DOTALL | re.IGNORECASE)
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#%\s]*)?", re.ASCII)


class _Bucket(NamedTuple):
    """The session whose credentials are used, and what does not change with them."""

    session: boto3.Session
    fixed: dict[str, str]


class Storage:
    """The folder or bucket of an archive. It can be pickled, without credentials.

    Parameters
    ----------
    uri
        A folder, or `s3://bucket/prefix`.
    options
        Options of deltalake for this storage. They replace those found here.
    """

    def __init__(self, uri: object, options: Mapping[str, str] | None) -> None:
        text = os.fspath(uri) if isinstance(uri, os.PathLike) else uri
        if not isinstance(text, str) or not text or not text.isprintable():
            raise ArgumentError(f"{uri!r} is not the address of an archive; {_REMEDY}")
        self.is_local = not is_remote(text)
        if not self.is_local:
            if not _BUCKET.fullmatch(text):
                raise ArgumentError(f"{text!r} is not the address of an archive; {_REMEDY}")
            self.uri = text.rstrip("/")
        else:
            self.uri = str(Path(text).expanduser().absolute())
            _check_folder(Path(self.uri))
            if "%" in self.uri:  # deltalake decodes it
                raise ArgumentError(f"{self.uri!r} contains a %; give a folder without one")
        self.given = {_short(name): value for name, value in (options or {}).items()}
        self._bucket: _Bucket | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the session, which has credentials."""
        return {**self.__dict__, "_bucket": None}

    def at(self, name: str) -> str:
        """Return the address of a table, for deltalake."""
        return Path(self.uri, name).as_uri() if self.is_local else f"{self.uri}/{name}"

    def folder(self, name: str) -> Path | None:
        """Return the folder of a table, or None in a bucket."""
        return Path(self.uri, name) if self.is_local else None

    def check_writable(self) -> None:
        """Refuse a folder or a bucket that cannot be written to; nothing is left there.

        Raises
        ------
        ArchiveError
            It cannot be written to.
        """
        if self.is_local:
            why = _refusal_of_folder(Path(self.uri))
        else:
            why = _refusal_of_bucket(self.uri, self.options())
        if why:
            raise ArchiveError(f"{self.uri} cannot be written to: {why}")

    def options(self) -> dict[str, str]:
        """Return options for deltalake, with credentials that are valid now. Never keep them."""
        if self.is_local:
            return {}
        found = dict(self.given)
        if _ACCESS_KEY not in found and "SKIP_SIGNATURE" not in found:
            found = self._credentials() | found
        return {f"AWS_{name}": value for name, value in found.items()}

    def _credentials(self) -> dict[str, str]:
        """Return the credentials that are valid now, and the region and endpoint of the bucket.

        Raises
        ------
        ArgumentError
            There are none.
        ArchiveError
            They cannot be loaded or renewed.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

        from exportstats.aws.faults import explain  # noqa: PLC0415 - the same

        try:
            return self._find_credentials()
        except (BotoCoreError, ClientError) as error:
            told = explain(error)
        raise ArchiveError(f"{self.uri} cannot be reached: {told}")

    def _find_credentials(self) -> dict[str, str]:
        if self._bucket is None:
            self._bucket = _find_bucket(urlsplit(self.uri).netloc, self.given)
        credentials = self._bucket.session.get_credentials()
        if credentials is None:
            raise ArgumentError(
                f"{self.uri} needs AWS credentials, and none were found; "
                "log in, or name a profile in AWS_PROFILE"
            )
        keys = credentials.get_frozen_credentials()
        found = {_ACCESS_KEY: keys.access_key, _SECRET_KEY: keys.secret_key, _TOKEN: keys.token}
        return {name: value for name, value in found.items() if value} | self._bucket.fixed


def _check_folder(folder: Path) -> None:
    """Refuse a file, a broken link, and a folder inside a table, which a vacuum would empty.

    Raises
    ------
    ArgumentError
        It is one of these.
    """
    if folder.is_file():
        raise ArgumentError(f"{str(folder)!r} is a file; {_REMEDY}")
    for parent in (folder, *folder.parents):
        if parent.is_symlink() and not parent.exists():
            raise ArgumentError(
                f"{str(parent)!r} is a link to nothing; make its target, or {_REMEDY}"
            )
        if (parent / "_delta_log").is_dir():
            raise ArgumentError(
                f"{str(folder)!r} lies in the archive {str(parent.parent)!r}; give that folder, or "
                "one outside of it"
            )


def _refusal_of_folder(folder: Path) -> str | None:
    """Return why a folder cannot be written to.

    A file without a name is written to the log of the tasks, or to the nearest folder there is.
    Folders of other tables and of shards may belong to another user.
    """
    log = folder / "tasks" / "_delta_log"
    there = next(place for place in (log, *log.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(_ROOM))
    except OSError as error:
        full = error.errno in NO_ROOM
        remedy = "make room" if full else "give a folder that you may write to"
        return f"{error.strerror}; {remedy}"
    for place in (*folder.glob("*/_delta_log"), *folder.glob("*/shard=*")):
        if not os.access(place, os.W_OK | os.X_OK):
            return f"{place} is not writable; change its owner or mode"
    return None


def _refusal_of_bucket(uri: str, options: Mapping[str, str]) -> str | None:
    """Return why a bucket cannot be written to.

    An upload in parts is begun and aborted, which makes no object.
    """
    import boto3  # noqa: PLC0415 - slow to import, and not needed for a local folder
    from botocore.config import Config  # noqa: PLC0415 - the same
    from botocore.exceptions import ClientError  # noqa: PLC0415 - the same

    session = boto3.Session(
        aws_access_key_id=options.get(f"AWS_{_ACCESS_KEY}"),
        aws_secret_access_key=options.get(f"AWS_{_SECRET_KEY}"),
        aws_session_token=options.get(f"AWS_{_TOKEN}"),
        region_name=options.get("AWS_REGION"),
    )
    url = options.get("AWS_ENDPOINT") or options.get("AWS_ENDPOINT_URL")
    # as deltalake has it
    config = Config(s3={"addressing_style": "path" if url else "auto"})
    client: Any = session.client("s3", endpoint_url=url, config=config)
    bucket, _, prefix = uri.removeprefix(S3).partition("/")
    object_ = {"Bucket": bucket, "Key": f"{prefix}/check".lstrip("/")}
    try:
        begun = client.create_multipart_upload(**object_)
        client.abort_multipart_upload(**object_, UploadId=begun["UploadId"])
    except ClientError as error:
        told = without_credentials(str(error), options)
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if "CreateMultipartUpload" in told and status in _REFUSALS:
            return f"{told}; {_REFUSALS[status]}"
    finally:
        client.close()
    return None  # any other error is that of the first write


def is_remote(uri: str) -> bool:
    """Return whether an address is not that of a local folder.

    Raises
    ------
    ArgumentError
        It is the address of a storage that is not supported.
    """
    scheme, found, _ = uri.partition(":/")
    # a letter is a drive of Windows
    if found and len(scheme) > 1 and scheme.isalnum() and not uri.startswith(S3):
        raise ArgumentError(f"{uri!r} is not the address of an archive; {_REMEDY}")
    return uri.startswith(S3)


def without_credentials(text: str, options: Mapping[str, str]) -> str:
    """Return a message without the credentials among the options, and without control characters.

    An error of S3 may repeat the access key. Of its XML, only the code and the message are kept,
    without the signed request.
    """
    if answer := _ANSWER.search(text):
        text = f"{answer['code']}: {answer['message']}"
    text = _SIGNED.sub("", _TRACE.sub("", text))
    for name, value in options.items():
        if value and _short(name) in _HIDDEN:
            text = text.replace(value, "(hidden)")
    return plain(_NEXT_LINE.sub(": ", _COLOUR.sub("", text).strip()))


def _short(name: str) -> str:
    return name.upper().removeprefix("AWS_")


def _find_bucket(bucket: str, given: Mapping[str, str]) -> _Bucket:
    """Find the region and the endpoint of a bucket."""
    import boto3  # noqa: PLC0415 - slow to import, and not needed for a local folder
    from botocore.exceptions import ClientError  # noqa: PLC0415 - the same

    from exportstats.aws.client import check_credentials, is_aws  # noqa: PLC0415 - the same

    session = boto3.Session()
    check_credentials(session)
    region = given.get("REGION") or session.region_name
    client: Any = session.client("s3", region_name=region or "us-east-1")
    url = given.get("ENDPOINT") or given.get("ENDPOINT_URL") or client.meta.endpoint_url
    if not is_aws(session, url):
        fixed = {"ENDPOINT": url, "ALLOW_HTTP": str(url.startswith("http://")).lower()}
    else:
        fixed = {}
        try:
            answer: Any = client.head_bucket(Bucket=bucket)
        except ClientError as error:  # a refusal names the region, too
            answer = error.response
        headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region", region)
    client.close()
    return _Bucket(session, {**fixed, "REGION": region or "us-east-1"})
