"""Write the report in machine-readable form: as JSON, or as a folder of CSV files."""

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

# The version of the JSON. It changes when a name or a meaning changes.
VERSION = 1
_TEXTS = ("kind", "title", "severity", "sentence", "remedy")


def render_json(report: ReportData) -> str:
    """Render a report as JSON.

    Times are ISO 8601 in UTC. Durations are seconds, in columns that end with `_seconds`. Missing
    values are null. All rows are included. The rows of a finding are in the table named after its
    `kind`, with its `id` in the column `finding`.

    Parameters
    ----------
    report
        A report, as returned by `build_weekly_report`.

    Returns
    -------
    str
        Reproducible text.

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
    """Read the commands of a finding from a report in JSON.

    Raises
    ------
    ArgumentError
        If the file is not a report or has another version, or if the finding does not exist or has
        nothing to export.
    OSError
        If the file cannot be read.
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
    rest = f"with something to export it has {', '.join(can)}" if can else "it has none to export"
    if finding not in commands:
        if finding is None:
            raise ArgumentError(f"give a finding of {path} with --finding; {rest}")
        raise ArgumentError(f"the report {path} has no finding {finding!r}; {rest}")
    if not commands[finding]:
        raise ArgumentError(f"the finding {finding} of {path} has nothing to export; {rest}")
    return list(commands[finding])


def _findings(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the findings of the parts of a report, then those of the whole report."""
    for part in report["parts"].values():
        yield from _findings(part)
    yield from report["findings"]


def _names(finding: dict[str, Any]) -> list[str]:
    """Return the ids of a finding and of its parts. They share their exports."""
    return [finding["id"], *(part["id"] for part in finding.get("parts", ()))]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        **{name: getattr(finding, name) for name in _TEXTS},
        "rows": len(finding.rows),
        "aws_commands": list(finding.aws_commands),
        "commands": list(finding.commands),
        "exports": _records(pd.DataFrame(finding.exports, columns=[*Export._fields])),
        "waivers": list(finding.waivers),
        "parts": [_finding(part) for part in finding.parts],
    }


def write_csv(report: ReportData, folder: str | Path) -> None:
    """Write each table of a report to a folder as CSV, including the tables of its pictures.

    Columns are as in `render_json`. Text that a spreadsheet would read as a formula is prefixed
    with an apostrophe.

    Parameters
    ----------
    report
        A report, as returned by `build_weekly_report`.
    folder
        The folder. It is created if it does not exist.

    Raises
    ------
    ArgumentError
        If a file that would be replaced is not a table of a report. Nothing is written then.
    OSError
        If a file cannot be written. No file is left incomplete.

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
    """Return a table with its index as columns, durations in seconds and times in ISO 8601."""
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
    """Refuse to overwrite files that have the names of report tables but are something else.

    Raises
    ------
    ArgumentError
        If the folder has such a file.
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
    """Return one row per finding, including parts."""
    pairs = [(part, whole) for whole in report.findings for part in whole.every]
    columns: dict[str, list[Any]] = {
        "finding": [part.id for part, _ in pairs],
        "part_of": [None if part is whole else whole.id for part, whole in pairs],
        **{name: [getattr(part, name) for part, _ in pairs] for name in _TEXTS},
        "rows": [len(part.rows) for part, _ in pairs],
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
