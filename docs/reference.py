"""The reference: a page for each public name, with the types of its parameters in words.

As an extension of Sphinx, this adds the types to what the docstrings say of the parameters.
"""

from __future__ import annotations

import ast
import inspect
import re
from functools import partial
from typing import TYPE_CHECKING

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sphinx.application import Sphinx

# What the public names are for, by their module or the beginning of their name.
GROUPS = {
    "Load and keep": "aws|io|archive|core",
    "Statistics": "stats",
    "Coverage and gaps": "coverage",
    "Queues": "queues",
    "Report": "report",
    "Charts": "charts",
    "Executors and Spark": "engines",
    "Errors and warnings": "errors",
}
_SECTION = re.compile(r"^(?=\w[\w ]*\n-{3,}$)", re.MULTILINE)
# The names of an entry of a section, and its text.
_ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \w+)*)\n((?:[ ].*\n|\n)+)", re.MULTILINE)
# The words for a type, if not its name.
_NAMES = {"Any": ["any"], "object": ["any"], "Shards": ["Archive", "Shards"]}
# A page of the repository, as docstrings name it, and where it is on the site.
_FILE = re.compile(r"`?\b(?:docs/)?([a-z_-]+|benchmarks/README|data/README)\.md\b`?")
_PLACES = {"benchmarks/README": "benchmarks", "data/README": "sample"}
# What the page of a chart ends with.
_PICTURE = """
.. figure:: ../gallery/{name}.png
   :target: ../gallery/{name}.html
   :alt: {name} of the synthetic sample

   The synthetic sample; :doc:`its table and the lines that make both <../gallery/{name}>`.
"""


def in_words(annotation: str, *, is_required: bool) -> str:
    """Return the type of a parameter as words.

    >>> in_words("float | Sequence[float] | None", is_required=False)
    'float or list of float, optional'
    >>> in_words("Literal['raise', 'warn'] | None", is_required=True)
    '"raise" or "warn" or None'
    """
    words = _words(ast.parse(annotation, mode="eval").body)
    if is_required or "None" not in words:
        return " or ".join(words)
    return " or ".join(word for word in words if word != "None") + ", optional"


def _words(node: ast.expr) -> list[str]:
    """Return the words for each of the types that a value may have."""
    match node:
        case ast.BinOp(left=left, right=right):  # left | right
            words = [*_words(left), *_words(right)]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=some):
            values = some.elts if isinstance(some, ast.Tuple) else [some]
            words = [f'"{value.value}"' for value in values]
        case ast.Subscript(value=ast.Name(id="Callable")):
            words = ["function"]
        case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[_, value])):
            words = [f"dict of {' or '.join(_words(value))}"]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[one, other])):
            many = "tuple" if ast.unparse(other) == "..." else "pair"
            words = [f"{many} of {' or '.join(_words(one))}"]
        case ast.Subscript(value=ast.Name(), slice=one):
            words = [f"list of {' or '.join(_words(one))}"]
        case ast.Subscript(value=ast.Attribute(attr="PathLike")):
            words = ["path"]
        case ast.Attribute(value=ast.Name(id="pd"), attr=name):
            words = [name]
        case ast.Name(id=name):
            words = _NAMES.get(name, [name])
        case _:
            words = [ast.unparse(node)]
    return words


def groups() -> Iterator[tuple[str, list[str]]]:
    """Yield the groups of public names."""
    modules = {name: getattr(xs, name).__module__.split(".")[1] for name in xs.__all__}
    for title, rooms in GROUPS.items():
        yield title, [name for name in xs.__all__ if re.fullmatch(rooms, modules[name])]


def write_reference(folder: Path) -> None:
    """Write a page for each public name, and the page that lists them."""
    api = folder / "api"
    api.mkdir()
    lines = ["# Public names", "", "`import exportstats as xs` provides these."]
    order: list[str] = []
    for title, names in groups():
        order += names
        lines += ["", f"## {title}", "", "| name | what it does |", "|---|---|"]
        for name in names:
            one = getattr(xs, name)
            first = str(inspect.getdoc(one)).splitlines()[0]
            lines.append(f"| [`{name}`]({name}.rst) | {first} |")
            (api / f"{name}.rst").write_text(_page(name, one), encoding="utf-8")
    lines += ["", "```{toctree}", ":hidden:", "", *order, "```", ""]
    (api / "index.md").write_text("\n".join(lines), encoding="utf-8")


def _page(name: str, one: object) -> str:
    kind, options = "autofunction", ""
    if inspect.isclass(one):
        kind, options = "autoclass", "   :member-order: bysource\n"
        # an error is caught by its base, and the fields of a tuple are in its docstring
        options += "   :show-inheritance:\n" if issubclass(one, BaseException) else ""
        options += "" if issubclass(one, tuple) else "   :members:\n"
    page = f"{name}\n{'=' * len(name)}\n\n.. {kind}:: exportstats.{name}\n{options}"
    return page + (_PICTURE.format(name=name) if name.startswith("plot_") else "")


def add_types(
    _app: Sphinx,
    _what: str,
    _name: str,
    one: Callable[..., object],
    _options: object,
    lines: list[str],
) -> None:
    """Add the types in words to the parameters and attributes of a docstring, and link pages."""
    types = {"Parameters": _of_parameters(one), "Attributes": _of_attributes(one)}
    sections = _SECTION.split("\n".join(lines))
    for at, section in enumerate(sections):
        known = types.get(section.partition("\n")[0], {})
        sections[at] = _ENTRY.sub(partial(_typed, known), section)
    text = _FILE.sub(lambda file: f":doc:`/{_PLACES.get(file[1], file[1])}`", "".join(sections))
    lines[:] = text.split("\n")


def _of_parameters(one: Callable[..., object]) -> dict[str, str]:
    try:
        parameters = inspect.signature(one).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {
        parameter.name: in_words(
            str(parameter.annotation), is_required=parameter.default is parameter.empty
        )
        for parameter in parameters
        if parameter.annotation is not parameter.empty  # self
    }


def _of_attributes(one: object) -> dict[str, str]:
    """Return the types of what the bodies of a class and of its bases annotate."""
    found = {}
    for base in reversed(inspect.getmro(one)) if inspect.isclass(one) else ():
        for name, annotation in inspect.get_annotations(base).items():
            text = getattr(annotation, "__forward_arg__", annotation)  # of a NamedTuple
            if isinstance(text, str):
                found[name] = in_words(text, is_required=True)
    return found


def _typed(types: dict[str, str], entry: re.Match[str]) -> str:
    """Return an entry with its type: one for each name if the types differ."""
    names, text = entry[1].split(", "), entry[2]
    kinds = [types.get(name.lstrip("*"), "") for name in names]
    if len(set(kinds)) == 1:
        names, kinds = [entry[1]], kinds[:1]
    return "".join(
        f"{name} : {kind}\n{text}" if kind else f"{name}\n{text}"
        for name, kind in zip(names, kinds, strict=True)
    )


def hide_signature(
    _app: Sphinx,
    _what: str,
    _name: str,
    one: object,
    _options: object,
    signature: str | None,
    _returns: str | None,
) -> tuple[str, None] | None:
    """Hide the signature of a class that users only receive."""
    is_received = inspect.isclass(one) and issubclass(one, (BaseException, tuple, xs.WeeklyReport))
    return ("", None) if signature and is_received else None


def hide_private_bases(
    _app: Sphinx, _name: str, _one: object, _options: object, bases: list[type]
) -> None:
    """Leave only the bases that users can name."""
    bases[:] = [base for base in bases if not base.__name__.startswith("_")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx; napoleon reads the docstrings afterwards."""
    app.connect("autodoc-process-docstring", add_types, priority=400)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("autodoc-process-bases", hide_private_bases)
    return {"parallel_read_safe": True}
