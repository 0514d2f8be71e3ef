"""Read files of tables."""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import frames
from exportstats.core.coerce import TimesIn, millis
from exportstats.core.schema import (
    LOG_GROUPS,
    TASKS,
    Table,
    squeeze,
)
from exportstats.errors import (
    AccountUnknownWarning,
    ArgumentError,
    FileFormatError,
    MissingFileError,
    PartialListWarning,
    warn,
)
from exportstats.io.csv_text import read_csv
from exportstats.io.json_text import read_json
from exportstats.io.parquet import MAGIC, read_parquet
from exportstats.io.rows import NarrowError, Rows, to_table
from exportstats.io.source import STDIN, open_source
from exportstats.io.writing import WRITERS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor


_LINES = (".jsonl", ".ndjson")
_HEADER = 2**16  # bytes that hold the header of a CSV
_DIGESTS = "CloudTrail-Digest"
# twelve digits that are not a date with hour and minute, as in tasks-202611230600.json
# nor the end of a UUID, such as a task's identifier
_ACCOUNT = re.compile(
    r"(?<!\d)(?<![\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-)"
    r"(?!20\d\d[01]\d[0-3]\d[0-2]\d[0-5]\d)\d{12}(?!\d)"
)
# with a point of the compass, unlike db-backup-1
_REGION = re.compile(
    r"(?<![a-z0-9])[a-z]{2,4}(?:-[a-z]+)?-"
    r"(?:central|(?:north|south)?(?:east|west)|north|south)-\d{1,2}(?![a-z0-9])"
)
_HIVE = re.compile(r"(account|region)(?:_?id)?=(?!__HIVE)([^/\\]+)", re.IGNORECASE)


class _File(NamedTuple):
    """A file that was read."""

    name: str
    rows: list[Rows]
    account_id: str | None
    region: str | None

    @property
    def continues(self) -> bool | None:
        """Whether its last page has a token; None if it has no pages."""
        tokens = [token for rows in self.rows for _, token in rows.pages]
        return tokens[-1] if tokens else None


def read_files(
    kind: Table,
    paths: Sequence[Any],
    account_id: str | None = None,
    region: str | None = None,
    times_in: str | None = None,
    *,
    strict: bool = False,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a kind of table from files; `archive.sources.read_tasks` describes the arguments.

    With `columns`, the table has at least these.
    """
    how = TimesIn.read(times_in)
    found = list(dict.fromkeys(_find_all(paths)))
    if not found:
        raise ArgumentError('no path was given; give a file, a pattern, or "-" for standard input')
    if account_id is not None and not re.fullmatch(r"'[0-9]{12}'", repr(account_id)):
        raise ArgumentError(f"account_id={account_id!r}; give twelve digits, as text")
    if region is not None and not re.fullmatch(r"'[^']+'", repr(region)):
        raise ArgumentError(f"region={region!r}; give its name, as in eu-west-1")
    wanted = _to_read(columns, found, kind)
    files = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path in found:
            named = _slot_of(path)
            slot = account_id or named.get("account"), region or named.get("region")
            rows = [
                rows.filled(account_id=slot[0], region=slot[1])
                for rows in _read_file(path, kind, how, pool, wanted)
            ]
            files.append(_File(str(getattr(path, "name", path)), rows, *slot))
    if "creation_time" in kind.names and region is None:
        _refuse_mixed(files, kind, "region")
        _refuse_mixed(files, kind, "account_id")
    _warn_of_incomplete(files, kind)
    try:
        return to_table(_drain(files), kind, strict=strict, how=how, columns=wanted)
    except NarrowError:
        return read_files(kind, found, account_id, region, times_in, strict=strict)


def _to_read(
    columns: Sequence[str] | None, files: Sequence[Any], kind: Table
) -> frozenset[str] | None:
    """Return the columns to read of files that can be read again; None for all."""
    if columns is None or any(not isinstance(file, str) or file == STDIN for file in files):
        return None
    # of several files, `_refuse_mixed` looks at these
    more = ("log_group_name", "creation_time") if len(files) > 1 else ()
    return frames.sources_of((*columns, *more), kind) - {*frames.SOURCES}


def _drain(files: list[_File]) -> Iterator[Rows]:
    """Yield all rows and drop them, so that their memory can be freed."""
    for file in files:
        while file.rows:
            yield file.rows.pop(0)


def _read_file(
    path: Any,  # noqa: ANN401 - a path or an open file
    kind: Table,
    how: TimesIn,
    pool: Executor,
    columns: frozenset[str] | None,
) -> Iterator[Rows]:
    """Read one file in the format that its first bytes show."""
    with open_source(path) as source:
        head = source.head.lstrip()
        name, _ = kind_of(Path(source.name))
        first = (head[:_HEADER].splitlines() or [b""])[0]
        if head.startswith(MAGIC):
            yield read_parquet(source, kind, how, columns)
        elif not head:
            # A failed command leaves an empty file; but an empty file of JSON Lines is valid.
            if name not in _LINES:
                raise FileFormatError(f"{source.name}: it is empty")
        elif head[:1] in b"{[" or name in _LINES:
            yield from read_json(source, kind, how, pool, has_lines=name in _LINES)
        elif name == ".csv" or _is_header(first, kind):
            yield read_csv(source, kind, how)
        elif b'{"' in head and not _other_format(head):  # log lines before the first task
            yield from read_json(source, kind, how, pool, has_lines=False)
        else:
            raise FileFormatError(
                f"{source.name}, line 1, column 1: neither JSON nor CSV nor Parquet of {kind.name}"
                f"{_other_format(head)}: it begins with {first[:60].decode('utf-8', 'replace')!r}. "
                "The AWS CLI prints JSON with --output json"
            )


def _is_header(line: bytes, kind: Table) -> bool:
    names = re.split(r"[,;\t]", line.decode("utf-8", "replace").replace('"', ""))
    found = [kind.meanings.get(squeeze(name)) for name in names]
    return any(column is not None and column.name == kind.id for column in found)


def _other_format(head: bytes) -> str:
    """Return the end of an error message if the file has a known other format."""
    if head.rstrip() == b"null":
        return ", but null, which the AWS CLI prints if --query matches nothing"
    return next((f", but {what}" for marks, what in _OTHER_FORMATS if head.startswith(marks)), "")


_OTHER_FORMATS = (
    ((b"<",), "HTML or XML"),
    ((b"PK\3\4",), "a spreadsheet (save it as CSV) or another ZIP archive"),
    (
        (b"ARROW1", b"\x80\x04\x95", b"\x80\x05\x95"),
        "Feather or a pickle (read it with pandas, and the table with xs.conform)",
    ),
    ((b"EXPORTTASKS\t", b"LOGGROUPS\t"), "the AWS CLI's text output"),
    ((b"exportTasks:", b"logGroups:", b"- "), "YAML"),
    ((b"---", b"|", b"+--"), "a table for people"),
)


def _find_all(paths: Iterable[Any]) -> Iterator[Any]:
    """Yield the files of paths, patterns, folders and lists of them."""
    for path in paths:
        if isinstance(path, (list, tuple)):
            yield from _find_all(path)
        elif hasattr(path, "read") or path == STDIN:
            yield path
        else:
            yield from find(path)


def find(path: Any) -> list[str]:  # noqa: ANN401 - anything a caller may pass
    """Return the files of a path, a pattern or a folder, sorted.

    Raises
    ------
    ArgumentError
        If it cannot be a path, or is a Delta table.
    MissingFileError
        If there is no file.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ArgumentError(f"a path is text or a Path, not {type(path).__name__}")
    name = os.path.expanduser(os.fsdecode(path))  # noqa: PTH111 - keeps a relative path as it is
    if not name:
        raise ArgumentError("'' is not a path; give . for this folder")
    what, found = f"file {name!r}", [name]
    try:
        if Path(name).is_dir():
            what = f"file of {', '.join(WRITERS)} in the folder {name!r}"
            found = _files_in(Path(name))
        elif not Path(name).exists():
            found = glob.glob(name, recursive=True)  # noqa: PTH207 - of any folder
    except (OSError, ValueError) as error:  # a name that is too long, or has a NUL in it
        raise ArgumentError(f"{name!r} cannot be a file: {error}") from error
    if Path(name, "_delta_log").is_dir():
        raise ArgumentError(
            f"{name!r} is a Delta table; if it is one of an archive, give the archive's folder, "
            "or else read it with deltalake and pass its to_pyarrow_table() to xs.conform"
        )
    found = sorted(one for one in found if not Path(one).is_dir())
    if found != [name]:  # AWS puts digests, which hold no records, beside the files of a trail
        found = [one for one in found if _DIGESTS not in Path(one).parts]
    if not found:
        raise MissingFileError(f"there is no {what}")
    return found


def _files_in(folder: Path) -> list[str]:
    """Return the files of a folder and its subfolders that may be tables."""
    return [
        str(folder / one)
        for one in glob.glob("**", root_dir=folder, recursive=True)  # noqa: PTH207 - skips hidden files
        if kind_of(Path(one))[0] in WRITERS
        and not any(part.startswith("_") for part in Path(one).parts)
    ]


def _slot_of(path: Any) -> dict[str, str]:  # noqa: ANN401 - a path or an open file
    """Return the account and the region that a path contains."""
    if path == STDIN or not isinstance(path, (str, os.PathLike)):
        return {}
    parts = Path(path).absolute().parts
    found: dict[str, str] = {}
    for part in parts:
        found |= {key.lower(): value for key, value in _HIVE.findall(part)}
    for key, pattern in (("account", _ACCOUNT), ("region", _REGION)):
        for part in reversed(parts[-3:]):
            if key not in found and len(names := set(pattern.findall(part))) == 1:
                found[key] = names.pop()
    return found


def _refuse_mixed(files: list[_File], kind: Table, lacking: str) -> None:
    """Refuse lists without a region, or without an account, that may be from several.

    A task in one of them would hide a gap in another, and a log group the retention of another.
    Pages of one list, and repeated copies of a list, are from one account and region.
    """
    spans, names = _spans_of_lists(files, kind, lacking)
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")  # noqa: PLR2004 - shown
    what = lacking.removesuffix("_id")
    remedy = (
        "read each with its own region= and account_id= and combine them "
        f"with xs.concat, or keep them in folders named {lacking}=NAME; give {lacking}= once if "
        "all are from the same one"
    )
    if kind is LOG_GROUPS and names:
        raise ArgumentError(
            f"{listed} have no {what}, and a log group with different creation times, so they may "
            f"be from several {what}s; {remedy}"
        )
    if spans["overlaps"].any():
        raise ArgumentError(
            f"{listed} have no {what}, share log groups and have tasks from the same time, so they "
            f"may be from several {what}s, and a task in one would hide a gap in another; {remedy}"
        )
    ended = [file.continues for file in files].count(False)
    if lacking == "region" and len(names) > 1 and ended != 1:
        warn(
            AccountUnknownWarning(
                f"{listed} have no region and are read as pages of one list; if they are not, "
                f"{remedy}"
            )
        )


def _spans_of_lists(
    files: list[_File], kind: Table, lacking: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the time spans of lists without `lacking`, and the files that share a log group."""
    other = "account_id" if lacking == "region" else "region"
    columns = list(dict.fromkeys([lacking, other, "log_group_name", kind.id, "creation_time"]))
    names: list[str] = []  # the file of each list; a file may contain several lists
    parts = []
    for file in files:
        names.append(file.name)
        for rows in file.rows:
            if len(rows.table) and rows.table[lacking].null_count:
                parts.append((len(names) - 1 + rows.lists, rows.table))
            names += [file.name] * [continues for _, continues in rows.pages].count(False)
    if len({number for at, _ in parts for number in np.unique(at)}) < 2:  # noqa: PLR2004 - a mixture takes two
        return pd.DataFrame({"overlaps": []}), []
    tasks = pd.concat(table.select(columns).to_pandas().assign(list=at) for at, table in parts)
    tasks = tasks[tasks[lacking].isna() & (tasks["region"].notna() | (lacking == "region"))]
    # a task is the same in all states; a log group with another creation time is another one
    tasks = tasks.drop_duplicates(kind.id if kind is TASKS else [kind.id, "creation_time"])
    tasks = tasks.astype({"log_group_name": object, other: object})
    known = tasks["creation_time"].notna()  # the others cannot be compared in time
    tasks["creation_time"] = pd.Series(millis(tasks["creation_time"]), tasks.index).where(known)
    shard = [other, "log_group_name"]
    spans = frames.spans_of(tasks.fillna({other: ""}), shard, "list", "creation_time")
    shared = spans.loc[spans.duplicated(shard, keep=False), "list"]
    return spans, list(dict.fromkeys(names[number] for number in shared))


def _warn_of_incomplete(files: Iterable[_File], kind: Table) -> None:
    """Warn of lists whose last page is in none of the files."""
    lists: defaultdict[tuple[str | None, str | None], list[_File]] = defaultdict(list)
    for file in files:
        if file.continues is not None:
            lists[file.account_id, file.region].append(file)
    for found in lists.values():
        if all(file.continues for file in found):
            warn(
                PartialListWarning(
                    f"{found[-1].name}: the list of {kind.name} is not complete, because its last "
                    f"page has a next token. Run `{kind.command}` without --max-items and "
                    "--no-paginate"
                )
            )
