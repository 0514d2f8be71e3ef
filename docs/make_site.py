"""Build the site: `python docs/make_site.py FOLDER [NOTEBOOK]...`.

The sources are the Markdown pages of the repository, the notebooks, and pages that are made here:
the reference of each public name, and the gallery. All are put into a folder of their own with the
notebooks executed (by default all), from which Sphinx builds. It needs no network, and neither does
the site.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import nbformat
from gallery_pages import write_gallery
from nbclient import NotebookClient
from reference import write_reference
from sphinx.cmd.build import build_main

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
# Where a page is on the site, if not at its place in the repository or, without `docs/`, in it.
_MOVED = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "data/README.md": "sample.md",
    "docs/decisions/README.md": "decisions/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
# What the index of a folder ends with on the site: all pages of the folder.
_PAGES_OF_FOLDER = "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANCHOR = re.compile(r'<a id="([\w-]+)"></a>\*\*(.+?)\*\*', re.DOTALL)
# A block of code, a link, and code that begins with a name.
_PARTS = re.compile(
    r"^ *```.*?^ *```$"
    r"|(?P<text>\[[^][]*\])\((?!\w+:)(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
    r"|\[[^][]*\]\([^)]*\)"
    r"|`(?:xs\.)?(?P<name>\w+)(?:[.(][^`\n]*)?`",
    re.MULTILINE | re.DOTALL,
)


def site_path(source: Path) -> Path:
    """Return where a file of the repository is on the site."""
    name = source.relative_to(ROOT).as_posix()
    return Path(_MOVED.get(name, name.removeprefix("docs/")))


class Stage:
    """The folder of the sources for Sphinx."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, source: Path) -> Path:
        """Return the path of a file in the folder, copied if it is not there."""
        path = self.folder / site_path(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            shutil.copy(source, path)
        return path

    def relink(self, text: str, source: Path) -> str:
        """Return the text of a page with its links as on the site; files that it links are put.

        Public names become links to their reference, and a link with the name of a page as its text
        gets the title of the page.
        """
        here = site_path(source).parent

        def moved(part: re.Match[str]) -> str:
            if part["name"] in xs.__all__:
                there = os.path.relpath(Path("api", f"{part['name']}.rst"), here)
                return f"[{part[0]}]({there})"
            if part["target"] is None:
                return part[0]
            target = Path(os.path.normpath(source.parent / part["target"]))
            if target.is_dir():
                return part["text"].strip("[]")
            if target.suffix not in {".md", ".ipynb"}:
                self.put(target)
            there = os.path.relpath(site_path(target), here)
            text = "[]" if re.fullmatch(r"\[[\w/.-]+\.(md|ipynb)]", part["text"]) else part["text"]
            return f"{text}({there}{part['anchor'] or ''})"

        return _PARTS.sub(moved, _ANCHOR.sub(r"[**\2**]{#\1}", text))

    def add_page(self, source: Path) -> None:
        """Add a page."""
        text = self.relink(source.read_text(encoding="utf-8"), source)
        path = self.put(source)
        if path.name == "index.md" and path.parent != self.folder:
            text += _PAGES_OF_FOLDER
        path.write_text(text, encoding="utf-8")

    def add_notebook(self, source: Path, *, execute: bool) -> None:
        """Add a notebook, with its output if it is executed."""
        notebook = nbformat.read(source, as_version=4)
        if execute:
            with TemporaryDirectory() as empty:
                resources = {"metadata": {"path": empty}}
                quiet = ["--IPKernelApp.log_level=40"]
                NotebookClient(
                    notebook, timeout=300, resources=resources, extra_arguments=quiet
                ).execute()
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.relink(cell.source, source)
            else:  # progress bars are for those who wait
                cell.outputs = [one for one in cell.outputs if _WIDGET not in one.get("data", {})]
        nbformat.write(notebook, self.put(source))


def pages() -> list[Path]:
    """Return the Markdown pages of the site, without the README, whose place the index takes."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    found += [ROOT / "benchmarks/README.md", ROOT / "data/README.md"]
    return [page for page in found if page != ROOT / "README.md"]


def build(folder: Path, *, execute: Iterable[Path] = NOTEBOOKS) -> int:
    """Build the site with these notebooks executed, and return Sphinx's exit code.

    Warnings are errors.
    """
    chosen = set(execute)
    if shutil.which("java") is None and any("SparkSession" in one.read_text() for one in chosen):
        raise SystemExit("the notebook on Spark needs a Java runtime, such as default-jre-headless")
    with TemporaryDirectory() as name:
        stage = Stage(Path(name))
        for page in pages():
            stage.add_page(page)
        for notebook in NOTEBOOKS:
            stage.add_notebook(notebook, execute=notebook in chosen)
        shutil.copytree(ROOT / "docs" / "static", stage.folder / "static")
        write_reference(stage.folder)
        write_gallery(stage.folder / "gallery")
        shutil.rmtree(folder, ignore_errors=True)
        options = ["--fail-on-warning", "--quiet", "-b", "html", "-c", str(ROOT / "docs")]
        trees = ["-d", str(stage.folder / ".trees")]
        return build_main([*options, *trees, str(stage.folder), str(folder)])


if __name__ == "__main__":
    folder, *chosen = map(Path, sys.argv[1:])
    sys.exit(build(folder, execute=[path.resolve() for path in chosen] or NOTEBOOKS))
