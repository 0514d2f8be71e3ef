"""The report for machines: JSON, and a folder of CSV files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from exportstats.core import coerce
from exportstats.errors import ArgumentError
from exportstats.io.whole import whole_file
from exportstats.report.commands import Export
from exportstats.text import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exportstats.report.data import Finding, ReportData

# Of what `render_json` writes; a new one when a name or a meaning changes.
VERSION = 1
_TEXTS = ("kind", "title", "severity", "sentence", "remedy")


def render_json(report: ReportData) -> str:
    """Write a report as JSON: `version`, what it is of, `findings`, `figures` and `tables`.

    Times are ISO 8601 in UTC, lengths seconds in columns that end with `_seconds`; what is missing
    is null. All rows are there, none is shortened; the rows of a finding are those of the table of
    its `kind` that have its `id` as their `finding`.

    Parameters
    ----------
    report
        What `build_weekly_report` gives.

    Returns
    -------
    str
        The same text every time.

    Examples
    --------
    >>> import json
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> json.loads(report.to_json())["version"]
    1
    """
    written = _written(report)
    return json.dumps(written, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _written(report: ReportData) -> dict[str, Any]:
    times = ("start", "end", "due_start", "due_end", "as_of")
    return {
        "version": VERSION,
        "name": report.name,
        **{name: f"{getattr(report, name).tz_convert('UTC'):%Y-%m-%dT%H:%M:%SZ}" for name in times},
        "tz": report.tz,
        "headline": report.headline,
        "limits": list(report.limits),
        "partial": report.is_partial,
        "findings": [_finding(finding) for finding in report.findings],
        "figures": _records(report.figures),
        "tables": {name: _records(table) for name, table in report.tables.items()},
        "parts": {value: _written(part) for value, part in report.parts.items()},
    }


def read_commands(path: str | Path, finding: str | None) -> list[str]:
    """Read the commands of a finding from what `render_json` wrote.

    Raises
    ------
    ArgumentError
        It is no such file, or of another version; there is no such finding, or it has nothing to
        export.
    OSError
        The file cannot be read.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        version = report["version"]
        found = [*_findings(report)] if version == VERSION else []
        commands = {name: one["commands"] for one in found for name in _names(one)}
        can = {f"{one['id']} ({one['title']})": None for one in found if one["commands"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArgumentError(
            f"{path} is not a report; give what `exportstats report --json FILE` wrote"
        ) from error
    if version != VERSION:
        raise ArgumentError(
            f"{path} is a report of version {version!r}, and this exportstats reads {VERSION}; "
            "make it once more"
        )
    they = f"with something to export it has {', '.join(can)}" if can else "it has none to export"
    if finding not in commands:
        asked = "give a finding" if finding is None else f"there is no finding {finding!r}"
        raise ArgumentError(f"{asked} of {path}, as in --finding ID; {they}")
    if not commands[finding]:
        raise ArgumentError(f"the finding {finding} of {path} has nothing to export; {they}")
    return list(commands[finding])


def _findings(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the findings of the whole, and of its parts."""
    for part in report["parts"].values():
        yield from _findings(part)
    yield from report["findings"]


def _names(finding: dict[str, Any]) -> list[str]:
    """Return the identifiers of a finding and of its parts, whose exports are its own."""
    return [finding["id"], *(part["id"] for part in finding.get("parts", ()))]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        **{name: getattr(finding, name) for name in _TEXTS},
        "rows": len(finding.rows),
        "commands": list(finding.commands),
        "exports": _records(pd.DataFrame(finding.exports, columns=[*Export._fields])),
        "parts": [_finding(part) for part in finding.parts],
    }


def write_csv(report: ReportData, folder: str | Path) -> None:
    """Write every table of a report into a folder as CSV, those of its pictures too.

    Columns are as in `render_json`. What a spreadsheet would take for a formula has an apostrophe
    before it.

    Parameters
    ----------
    report
        What `build_weekly_report` gives.
    folder
        Where to; it is made if it is not there.

    Raises
    ------
    ArgumentError
        A file is there that is not such a table; nothing was written.
    OSError
        A file cannot be written; none is half written.

    Examples
    --------
    >>> import tempfile
    >>> import exportstats as xs
    >>> report = xs.build_weekly_report(xs.sample_tasks(), week="2026-W20")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report.to_csv(folder)
    ...     print(len(list(Path(folder).glob("*.csv"))))
    8
    """
    folder = Path(folder)
    refuse_foreign(report, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in _named(report):
        flat = for_machines(table)
        texts = [column for column in flat.columns if flat[column].dtype.kind not in "iuf"]
        flat = flat.assign(**{column: flat[column].map(harmless) for column in texts})
        with whole_file(folder / f"{name}.csv") as file:
            file.write(flat.to_csv(index=False, lineterminator="\n").encode())


def for_machines(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its index as columns, lengths in seconds and times as ISO 8601 text."""
    flat = table.reset_index() if table.index.names != [None] else table.reset_index(drop=True)
    columns: dict[str, pd.Series] = {}
    for name in flat.columns:
        values = flat[name]
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            columns[name] = coerce.iso_text(values)
        elif values.dtype.kind == "m":
            columns[f"{name}_seconds"] = values.dt.total_seconds()
        else:
            columns[name] = values
    return pd.DataFrame(columns)


def refuse_foreign(report: ReportData, folder: Path) -> None:
    """Refuse a folder in which files have the names of tables of a report, and are none.

    Raises
    ------
    ArgumentError
        There is one.
    """
    for name, table in _named(report):
        path = folder / f"{name}.csv"
        head = for_machines(table.head(0)).to_csv(index=False, lineterminator="\n").encode()
        if path.exists():
            with path.open("rb") as file:
                begins = file.read(len(head))
            if begins not in (b"", head):
                raise ArgumentError(
                    f"{path} is there, and is no table of a report; remove it, or name another "
                    "folder"
                )


def _named(report: ReportData) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "figures", report.figures
    yield "findings", _listed(report)
    yield from report.tables.items()
    for picture in report.pictures:
        yield f"picture-{picture.name}", picture.table


def _listed(report: ReportData) -> pd.DataFrame:
    """Return a row a finding, those that are parts of another one too."""
    every = [(part, whole) for whole in report.findings for part in whole.every]
    columns: dict[str, list[Any]] = {
        "finding": [part.id for part, _ in every],
        "part_of": [None if part is whole else whole.id for part, whole in every],
        **{name: [getattr(part, name) for part, _ in every] for name in _TEXTS},
        "rows": [len(part.rows) for part, _ in every],
    }
    return pd.DataFrame(columns)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    flat = for_machines(table).astype(object)
    return [
        {str(name): _value(value) for name, value in row.items()}
        for row in flat.where(flat.notna(), None).to_dict("records")
    ]


def _value(value: Any) -> Any:  # noqa: ANN401 - what a cell holds
    return None if isinstance(value, float) and not math.isfinite(value) else value
