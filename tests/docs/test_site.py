"""The documentation site builds without a network, its links lead somewhere, and it can be read."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from doctest import DocTestParser
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest
from blocks import ROOT, check_python
from playwright.sync_api import sync_playwright

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

DOCS = ROOT / "docs"
SPARK = ROOT / "notebooks" / "09_scale.ipynb"
DESKTOP = 1280
# What the tests cannot start for an example; the code of these is checked, but does not run.
NOT_RUN = {
    "RayExecutor": "it starts Ray",
    "SparkExecutor": "it starts Spark",
    "from_spark": "it starts Spark",
    "fetch_targets": "its endpoint can only be set in the environment",
}
# The lines of code wider than their box, of those that are no longer than ruff's default.
TOO_NARROW = """[...document.querySelectorAll("main pre")]
    .filter(pre => pre.scrollWidth > pre.clientWidth)
    .map(pre => pre.innerText)
    .filter(text => text.split("\\n").every(line => line.length <= 88))"""
# Without these, the page is not what it says.
SHOWN = {
    "index.html": "which of them will be lost",
    "how-to/find-what-is-missing.html": "never tried",
    "api/find_gaps.html": "Parameters",
    "api/QueueForecast.html": "Attributes",
    "gallery/index.html": "plot_coverage",
    "gallery/plot_coverage.html": "xs.plot_coverage(table)",
    "notebooks/06_history.html": "log_group_name",
}


def load(name: str):
    """Import a module of docs/, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what an element says."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in (
            "index",
            "search",
            "next",
            "prev",
            "author",
        ):
            self.loads.append(given["href"])
        self.loads += [given["src"]] if "src" in given else []


def test_a_site_with_the_notebook_on_spark_needs_java(tmp_path: Path):
    """Without it, nothing is built, and the remedy is named."""
    words = [sys.executable, DOCS / "make_site.py", tmp_path / "site", SPARK]
    done = subprocess.run(words, env=os.environ | {"PATH": ""}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs a Java runtime, such as default-jre-headless" in done.stderr
    assert not (tmp_path / "site").exists()


@pytest.mark.slow
def test_the_site_builds_and_works_from_its_files(tmp_path: Path):
    """It has no warnings, dead links or resources from elsewhere, and its search works.

    This is one test, because the build takes a minute. One notebook has its output, one with
    progress bars; tests/notebooks executes the others.
    """
    built = tmp_path / "site"
    words = [
        sys.executable,
        DOCS / "make_site.py",
        built,
        ROOT / "notebooks" / "06_history.ipynb",
    ]
    environment = os.environ | {
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_links(built)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        assert "CI" not in os.environ, "there is no chromium"
        pytest.skip("there is no chromium and no google-chrome on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, text in SHOWN.items():
            for width in (400, DESKTOP):
                look(browser, built / name, text, width)
        search(browser, built)
        browser.close()


def check_links(built: Path) -> None:
    """Check that links lead to a page and an anchor, and that nothing is loaded from elsewhere."""
    own = (path for path in built.rglob("*.html") if "_static" not in path.parts)
    pages = {path: Page(path) for path in own}
    assert {built / f"api/{name}.html" for name in xs.__all__} <= pages.keys()
    assert "api/find_gaps.html" in pages[built / "questions.html"].links
    for path, page in pages.items():
        for target in (*page.links, *page.loads):
            parts = urlsplit(target)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                assert target in page.links, f"{path.name} loads {target}"
                assert re.fullmatch(r"https://[\w.-]+\.\w+(/\S*)?|mailto:\S+@\S+", target), target
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert there.is_file(), f"{path.name} links {target}"
            if parts.fragment and there in pages:
                assert unquote(parts.fragment) in pages[there].anchors, (
                    f"{path.name} links {target}"
                )
    for path in built.rglob("*.css"):
        loaded = re.findall(r"url\(\s*[\"']?(?:https?:)?//[^)]*", path.read_text(encoding="utf-8"))
        assert not loaded, f"{path.name} loads {loaded}"


def look(browser: Browser, path: Path, text: str, width: int) -> None:
    """Check that a page shows a text and its pictures, loads only files, and fits the screen."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert text in page.inner_text("main")
    assert not errors, (path, errors)
    assert not [url for url in requests if not url.startswith(("file:", "data:"))], path
    assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    if width == DESKTOP:
        assert page.evaluate(TOO_NARROW) == [], path
    page.close()


def search(browser: Browser, built: Path) -> None:
    """Check that the search finds a term, and that its first result opens."""
    page = browser.new_page()
    page.goto(f"{(built / 'search.html').as_uri()}?q=premature")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a")
    found.filter(has_text="Definitions").wait_for()
    found.filter(has_text="find_premature").first.click()
    page.wait_for_url("**/find_premature.html*")
    page.close()


def test_each_public_name_has_an_example():
    """Functions and classes have an example that runs, or one that is checked."""
    for name in xs.__all__:
        one = getattr(xs, name)
        if inspect.isclass(one) and issubclass(one, (Exception, xs.LoadInterrupted)):
            continue
        text = inspect.getdoc(one)
        if name not in NOT_RUN:
            assert ">>>" in text, f"{name} has no example"
            continue
        code = text.rpartition("Examples\n--------\n")[2].partition("::\n")[2]
        assert name in code
        check_python(inspect.cleandoc(code))


def unknown_names(source: str) -> set[str]:
    """Return the names that code uses but neither imports nor assigns."""
    nodes = [*ast.walk(ast.parse(source))]
    made = {one.asname or one.name for one in nodes if isinstance(one, ast.alias)}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names} - made - vars(builtins).keys()


def test_each_example_runs_in_a_fresh_python():
    """An example imports, from the public modules, or makes all that it uses."""
    for name in xs.__all__:
        one = getattr(xs, name)
        members = vars(one).items() if inspect.isclass(one) else ()
        public = [getattr(member, "fget", member) for key, member in members if key[0] != "_"]
        for text in filter(None, map(inspect.getdoc, [one, *filter(inspect.isfunction, public)])):
            source = "".join(part.source for part in DocTestParser().get_examples(text))
            assert not re.search(r"exportstats\.(?!emulator import)\w", source), name
            unknown = unknown_names(source)
            assert not unknown, f"{name}: its example does not say what {unknown} are"


def test_each_type_is_written_in_words():
    """No signature of the reference has a module, an alias or a union of types."""
    in_words = load("reference").in_words
    for name in xs.__all__:
        if inspect.isfunction(one := getattr(xs, name)):
            for parameter in inspect.signature(one).parameters.values():
                words = in_words(str(parameter.annotation), is_required=False)
                assert not re.search(r"\||\[|\bpd\.|\bnp\.", words), f"{name}: {words}"


def test_each_parameter_has_its_own_type():
    """Parameters that are described together do not share the types of the others."""
    lines = inspect.getdoc(xs.Archive.sync).splitlines()
    load("reference").add_types(None, "", "", xs.Archive.sync, None, lines)
    assert {
        "session : boto3.Session, optional",
        "profile : str, optional",
        'errors : "raise" or "warn"',
    } <= {*lines}
    lines = inspect.getdoc(xs.QueueForecast).splitlines()
    load("reference").add_types(None, "", "", xs.QueueForecast, None, lines)
    assert "finish : DataFrame" in lines


def test_pages_that_a_docstring_names_are_links():
    """The pages of the repository have other places on the site."""
    linked = set()
    for name in xs.__all__:
        lines = inspect.getdoc(getattr(xs, name)).splitlines()
        load("reference").add_types(None, "", "", getattr(xs, name), None, lines)
        assert ".md" not in "".join(lines), name
        linked |= {*re.findall(r":doc:`/([^`]+)`", "".join(lines))}
    assert {"schema", "scale", "benchmarks", "sample"} <= linked


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"tasks": pd.DataFrame({"x": [1]})}, "SchemaError"),
        ({"as_of": "2026-11-23T06:00"}, "ArgumentError"),
        ({"tz": "Europe/Nowhere"}, "ArgumentError"),
        ({"by": "nobody"}, "ArgumentError"),
        ({"tolerance": "long"}, "ArgumentError"),
    ],
    ids=str,
)
def test_the_reference_lists_the_errors_of_wrong_arguments(given: dict, error: str):
    """Each function that takes an argument refuses a wrong one with an error below Raises."""
    known = {"tasks": xs.sample_tasks(), "start": "2026-11-01", "end": "2026-11-05"}
    known |= {"current": "2026-W47", "previous": "2026-W46", "api_calls": xs.sample_api_calls()}
    for name in xs.__all__:
        function = getattr(xs, name)
        if not inspect.isfunction(function) or name.startswith(("fetch_", "read_", "write_")):
            continue
        parameters = inspect.signature(function).parameters
        needed = {key for key, one in parameters.items() if one.default is one.empty}
        if "tasks" in parameters and given.keys() <= parameters.keys() and needed <= known.keys():
            with pytest.raises(getattr(xs, error)):
                function(**{key: known[key] for key in needed} | given)
            raises = inspect.getdoc(function).partition("Raises\n------\n")[2]
            assert f"{error}\n" in raises.partition("\n\n")[0] + "\n", f"{name}: {error}"


def test_each_chart_is_in_the_gallery():
    """Each chart has a question, and at most three lines, which draw it."""
    charts = load("charts").CHARTS
    public = {name for name in xs.__all__ if name.startswith("plot_")}
    assert charts.keys() == public, "add the chart to docs/charts.py"
    for name, chart in charts.items():
        lines = [*chart.lines.splitlines(), f"axes = xs.{name}(table)"]
        assert len(lines) <= 3
        known = {"tasks", "xs", "pd"}
        assert not unknown_names(f"{chart.given}{chart.lines}") - known, name
        assert chart.question.endswith("?")
