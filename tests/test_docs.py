"""Generated documentation is not stale, and links lead somewhere."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

import exportstats as xs
from exportstats.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def load(path: str):
    """Import a file of the repository that is not installed."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["schema.md", "functions.md", "commands.md", "exportstats.1", "architecture.svg"]
)
def test_made_pages_are_not_stale(name: str):
    """`make docs` would not change the generated pages."""
    page = load("docs/make_docs.py").PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page, "run `make docs`"


def test_the_page_of_the_benchmarks_has_the_last_results():
    """The README of the benchmarks and its charts agree with the results of the last run."""
    page = load("benchmarks/page.py")
    results = page.read()
    assert page.README.read_text(encoding="utf-8") == page.readme(results), (
        "run `python -m benchmarks.page`"
    )
    charts = {page.chart_of(area): page.draw(area, rows) for area, rows in results["areas"].items()}
    for name, chart in charts.items():
        assert (page.FOLDER / name).read_text(encoding="utf-8") == chart, (
            "run `python -m benchmarks.page`"
        )
    assert {path.name for path in page.FOLDER.glob("charts/*")} == {
        Path(one).name for one in charts
    }


def test_imports_go_down_in_the_drawing():
    """Each subpackage has a row, and imports only from the layers below its own."""
    made = load("docs/make_docs.py")
    layer_of = {package: place for place, layer in enumerate(made.layers()) for package in layer}
    found = made.imports()
    assert found["stats", "core"] > made.MANY
    assert all(layer_of[package] < layer_of[imported] for package, imported in found)


def test_the_manual_page_is_correct():
    """It has every command and option, and groff, where it is installed, warns of nothing."""
    page = ROOT / "docs" / "exportstats.1"
    text = page.read_text(encoding="utf-8").replace("\\-", "-")
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert f".SS exportstats {name} " in text
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or parameter.opts[-1] in text
    if shutil.which("groff"):
        words = ["groff", "-man", "-Tutf8", "-ww", "-z", page]
        done = subprocess.run(words, capture_output=True, encoding="utf-8", check=True)
        assert not done.stderr


def test_parameters_agree():
    """A parameter that functions share has one kind and one default, except optional periods."""
    made = load("docs/make_docs.py")
    for shared in made.SHARED:
        given = {
            name: inspect.signature(function).parameters[shared]
            for name, function in made.functions().items()
            if shared in inspect.signature(function).parameters
        }
        assert len(given) > 1, shared
        assert all(one.kind is one.KEYWORD_ONLY for one in given.values())
        defaults = {one.default for name, one in given.items() if name != "status_breakdown"}
        # gaps need a range, while overlaps may be of all tasks
        assert len(defaults) == 1 or shared in ("start", "end"), shared
        if shared in ("freq", "tz"):
            assert all(
                {"tz", "as_of"} <= {*inspect.signature(getattr(xs, name)).parameters}
                for name in given
            )


def test_each_picture_has_the_name_of_its_table():
    """Each chart has the name of its table; two draw the tasks themselves, two of forecasts."""
    made = load("docs/make_docs.py")
    tables = {re.sub(made.VERBS, "", name) for name in made.functions()}
    pictures = {name.removeprefix("plot_") for name in xs.__all__ if name.startswith("plot_")}
    others = {"task_durations", "task_timeline", "queue_finish", "queue_comparison"}
    assert pictures - tables == others, "name a chart as its table, or add it to VERBS or here"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path):
    """Each relative link of a page leads to an existing file."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def test_every_public_function_has_a_question():
    """The table of questions has every table and every chart."""
    page = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    for name in dir(xs):
        if name.startswith("plot_") or name in {"find_anomalies", "status_breakdown"}:
            assert f"`{name}`" in page, f"add {name} to docs/questions.md"
