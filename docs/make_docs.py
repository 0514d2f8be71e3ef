"""Generate the parts of the documentation that come from the code.

`python docs/make_docs.py` writes `docs/schema.md`, `docs/functions.md`, `docs/commands.md`,
`docs/permissions.md`, the manual page `docs/exportstats.1` and the chart in the README. The tests
fail if one of the texts is stale.
"""

from __future__ import annotations

import ast
import html
import inspect
import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import grimp

import exportstats as xs
from exportstats.aws.permissions import PERMISSIONS
from exportstats.cli import main
from exportstats.cli.permissions import NEEDS, needed_by
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DOCS = Path(__file__).parent
_WIDTH = 88
SIDE_TABLES = (
    (
        "The table of log groups",
        ["The result of `fetch_log_groups` and `read_log_groups`: one row per log group."],
        schema.LOG_GROUPS,
    ),
    (
        "The table of deliveries",
        ["The result of `fetch_deliveries` and `read_deliveries`: one row per COMPLETED task."],
        schema.DELIVERIES,
    ),
    (
        "The table of API calls",
        [
            "The result of `fetch_api_calls` and `read_api_calls`: one row per CreateExportTask or",
            "CancelExportTask, also refused ones. Source addresses and access keys are not kept.",
        ],
        schema.API_CALLS,
    ),
    (
        "The table of incoming data",
        ["The result of `fetch_incoming` and `read_incoming`: one row per log group and period."],
        schema.INCOMING,
    ),
)


def schema_page() -> str:
    """Write the page on the tables."""
    lines = [
        "# The table of tasks",
        "",
        "Generated from `exportstats/core/schema.py` by `docs/make_docs.py`.",
        f"One row per task; its key is `({', '.join(schema.KEY)})`. Every column is there, even if",
        "all its values are missing.",
        "",
        "| column | AWS field | dtype | unit | may be missing | meaning |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{column.name}` | {f'`{column.aws}`' if column.aws else _own(column)} "
        f"| `{column.dtype}` | {_unit(column)} "
        f"| {'yes' if column.nullable else 'no'} | {column.meaning} |"
        for column in schema.TASKS.columns
    ]
    for title, text, table in SIDE_TABLES:
        lines += ["", f"# {title}", "", *text, ""]
        lines += ["| column | AWS field | dtype | unit | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| `{column.name}` | {f'`{column.aws}`' if column.aws else '–'} | `{column.dtype}` "
            f"| {_unit(column)} | {column.meaning} |"
            for column in table.columns
        ]
    return "\n".join(lines) + "\n"


def _own(column: schema.Column) -> str:
    """Return where a column comes from that AWS does not have."""
    return "derived" if column in schema.TASKS.derived else f"– (`{column.json}` in JSON)"


def _unit(column: schema.Column) -> str:
    return column.unit or {"time": "UTC", "length": "ms"}.get(column.kind, "–")


def functions_page() -> str:
    """Write the page on the functions, with the parameters that they share."""
    lines = [
        "# The functions on tasks",
        "",
        "Generated from the code by `docs/make_docs.py`. Each function takes a table and returns a",
        "table, which the chart draws. A parameter has the same meaning in all functions. The",
        "column has its default, `required` if there is none, or – if the function does not have",
        "it. A date or a month is a time: its first instant in `tz`, or in UTC.",
        "",
        f"| function | answer | chart | {' | '.join(f'`{name}`' for name in SHARED)} | others |",
        "|---" * (len(SHARED) + 4) + "|",
    ]
    for name, function in functions().items():
        given = dict([*inspect.signature(function).parameters.items()][1:])
        cells = [_default(given.pop(shared, None)) for shared in SHARED]
        answer = str(inspect.getdoc(function)).splitlines()[0]
        picture = f"plot_{re.sub(VERBS, '', name)}"
        lines.append(
            f"| `{name}` | {answer} | {f'`{picture}`' if hasattr(xs, picture) else '–'} "
            f"| {' | '.join(cells)} | {', '.join(f'`{other}`' for other in given) or '–'} |"
        )
    return "\n".join(lines) + "\n"


TABLES = ("tasks", "observations", "phases", "gaps", "api_calls")
SHARED = ("by", "freq", "tz", "as_of", "start", "end")
VERBS = r"^(find|plan|compare|estimate|simulate)_|_(by_day|timeline)$"  # left out of a chart's name


def functions() -> dict[str, Callable[..., object]]:
    """Return the public functions whose first parameter is a table."""
    every = ((name, getattr(xs, name)) for name in xs.__all__ if not name.startswith("plot_"))
    return {
        name: one
        for name, one in every
        if inspect.isfunction(one)
        and next(iter(inspect.signature(one).parameters), None) in TABLES
        and not name.startswith(("fetch_", "write_", "build_"))
    }


def _default(parameter: inspect.Parameter | None) -> str:
    if parameter is None:
        return "–"
    return "required" if parameter.default is parameter.empty else f"`{parameter.default!r}`"


def commands_page() -> str:
    """Write the command reference."""
    lines = ["# The command", "", "Generated from `--help` by `docs/make_docs.py`."]
    names = main.context_settings["help_option_names"]
    with click.Context(
        main, info_name="exportstats", max_content_width=_WIDTH, help_option_names=names
    ) as context:
        helps = {"exportstats": main.get_help(context)}
        for command, inner in every_command(context):
            helps[inner.command_path] = command.get_help(inner)
    for name, text in helps.items():
        lines += ["", f"## `{name}`", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def every_command(context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield each command of a group and of the groups in it."""
    group = context.command
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        width = context.max_content_width
        inner = click.Context(command, info_name=name, parent=context, max_content_width=width)
        yield command, inner
        if isinstance(command, click.Group):
            yield from every_command(inner)


def permissions_page() -> str:
    """Write the page on permissions."""
    lines = [
        "# Permissions",
        "",
        "Generated from the code by `docs/make_docs.py`; the tests run each command and compare.",
        "Names of buckets and roles are made up. `GetCallerIdentity`, for the account ID, needs no",
        "permission. `exportstats doctor` tries those of the environment, and names what is",
        "missing.",
        "",
        "| request | action | narrowest resource | needed by |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{request}` | `{one.action}` | `{one.resource}` | {needed_by(request)} |"
        for request, one in PERMISSIONS.items()
    ]
    lines += [
        "",
        "With SOURCE, a command asks AWS only for what its options name. Several rows add up. An",
        "archive in S3 needs [permissions on its objects](archive.md#s3) as well.",
        "",
        "## Policies",
    ]
    uses: dict[tuple[str, ...], list[str]] = {}
    for use, requests in NEEDS.items():
        uses.setdefault(requests, []).append(use)
    for requests, names in uses.items():
        lines += ["", f"For {', '.join(map(_as_code, names))}:", "", "```json"]
        lines += [json.dumps(_policy(requests), indent=2), "```"]
    return "\n".join(lines) + "\n"


def _as_code(use: str) -> str:
    """Return a command or an option as code, and words as they are."""
    return re.sub(r"^(?!others)(.*?)(?= with|$)", r"`\1`", use)


def _policy(requests: Iterable[str]) -> dict[str, Any]:
    """Return the policy that allows requests and nothing else."""
    actions: dict[str, list[str]] = {}
    for request in requests:
        actions.setdefault(PERMISSIONS[request].resource, []).append(PERMISSIONS[request].action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": named, "Resource": resource}
            for resource, named in actions.items()
        ],
    }


def man_page() -> str:
    """Write the manual page of the command, in the macros of man(7)."""
    lines = [
        f'.TH EXPORTSTATS 1 "" "exportstats {xs.__version__}"',
        ".SH NAME",
        "exportstats \\- analyse CloudWatch Logs export tasks",
        ".SH SYNOPSIS",
        ".B exportstats",
        "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]...",
        ".SH DESCRIPTION",
    ]
    names = main.context_settings["help_option_names"]
    with click.Context(main, info_name="exportstats", help_option_names=names) as context:
        lines += [*_paragraphs(str(main.help)), ".SH OPTIONS", *_options(main, context)]
        lines.append(".SH COMMANDS")
        for command, inner in every_command(context):
            usage = " ".join(command.collect_usage_pieces(inner))
            lines += [f".SS {_roff(f'{inner.command_path} {usage}')}"]
            lines += [*_paragraphs(str(command.help)), *_options(command, inner)]
            formatter = click.HelpFormatter()
            command.format_epilog(inner, formatter)
            if more := formatter.getvalue():
                lines += [".PP", ".nf", *map(_roff, more.strip("\n").splitlines()), ".fi"]
    lines += [".SH EXIT STATUS", *_paragraphs(str(main.epilog).removeprefix("Exit codes: "))]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; a backspace keeps the lines after it."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        lines = [_roff(line) for line in paragraph.splitlines() if line != "\b"]
        yield from (".PP", *((".nf", *lines, ".fi") if paragraph.startswith("\b") else lines))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the options of a command."""
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            yield from (".TP", f".B {_roff(record[0])}", _roff(record[1]))


def _roff(text: str) -> str:
    """Escape a line for troff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


_ROW = 26  # of the drawing, in pixels
_LEFT, _TOP = 640, 72  # where its columns and rows begin
MANY = 10  # imports between two packages have a large dot


def layers() -> list[list[str]]:
    """Return the packages from the upper to the lower ones, from the contract of import-linter."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    packages, *_ = project["tool"]["importlinter"]["contracts"]
    return [layer.split(" | ") for layer in packages["layers"]]


def imports() -> Counter[tuple[str, str]]:
    """Count the imports between modules of different packages, by the two packages."""
    graph = grimp.build_graph("exportstats", cache_dir=None)
    pairs = (
        (importer.split(".")[1], imported.split(".")[1])
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if "." in importer and "." in imported
    )
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def architecture() -> str:
    """Draw the packages, one below the other, and a dot where one imports another."""
    packages = [package for layer in layers() for package in layer]
    places = {package: _ROW * place + 11 for place, package in enumerate(packages)}
    width, height = _LEFT + _ROW * len(packages) + 8, _TOP + _ROW * len(packages) + 4
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        "<title>The packages of exportstats, and which imports which</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for layer in layers():
        top, band = _TOP + places[layer[0]] - 11, _ROW * len(layer) - 4
        size = f'width="{width - 8}" height="{band}"'
        lines.append(f'<rect x="4" y="{top}" {size} rx="4" fill="#e8eef5"/>')
    for package, place in places.items():
        down, across = _TOP + place, _LEFT + place
        lines += [
            f'<text x="12" y="{down + 5}" font-weight="bold">{package}</text>',
            f'<text x="110" y="{down + 5}">{html.escape(_first_line(package))}</text>',
            f'<text transform="translate({across + 5} {_TOP - 8}) rotate(-60)">{package}</text>',
            f'<path d="M{across - 4} {down}h8" stroke="#999"/>',
        ]
    for (package, imported), number in sorted(imports().items()):
        centre = f'cx="{_LEFT + places[imported]}" cy="{_TOP + places[package]}"'
        lines += [
            f'<circle {centre} r="{8 if number >= MANY else 4}" fill="#205493">',
            f"<title>{package} imports {imported}</title></circle>",
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _first_line(package: str) -> str:
    """Return the first line of a package's docstring."""
    folder = DOCS.parent / "exportstats" / package
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return str(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))).splitlines()[0]


def draw_picture(path: Path) -> None:
    """Draw the README's chart of the synthetic sample."""
    axes = xs.coverage_timeline(
        xs.sample_tasks(),
        start="2026-10-01",
        end="2026-11-22",
        api_calls=xs.sample_api_calls(),
        deliveries=xs.sample_deliveries(),
        incoming=xs.sample_incoming(),
    ).pipe(xs.plot_coverage)
    axes.figure.savefig(path, dpi=110)


PAGES = {
    "schema.md": schema_page,
    "functions.md": functions_page,
    "commands.md": commands_page,
    "permissions.md": permissions_page,
    "exportstats.1": man_page,
    "architecture.svg": architecture,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
    draw_picture(DOCS / "coverage.png")
