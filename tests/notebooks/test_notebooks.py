"""The notebooks run, show what they should, state true figures, and are stored without outputs."""

from __future__ import annotations

import io
import re
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING

import nbformat
import pandas as pd
import papermill
import pytest
from coverage_facts import coverage
from duration_facts import durations
from evidence_facts import evidence
from executed import (
    COVERAGE,
    DURATIONS,
    EVIDENCE,
    HISTORY,
    KERNEL,
    PATHS,
    QUICKSTART,
    RECIPES,
    ROOT,
    SCALE,
    TONIGHT,
    WEEKLY,
    check_pictures,
    draws,
    messages,
    read,
)
from history_facts import history
from nbclient import NotebookClient
from nbformat import NotebookNode
from quickstart_facts import quickstart, recipes
from support import WHOLE
from tonight_facts import tonight
from weekly_facts import weekly_report

import exportstats as xs
from exportstats.emulator import Emulator
from exportstats.io.json_text import to_json

if TYPE_CHECKING:
    from pathlib import Path

LOADING = ("parameters", "load")
CLEAN = (
    "as JupyterLab saved it; make it clean with: jupyter nbconvert --clear-output --inplace "
    "--ClearMetadataPreprocessor.enabled=True "
    "--ClearMetadataPreprocessor.preserve_cell_metadata_mask=tags "
    "--ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec notebooks/*.ipynb"
)

FACTS = {
    QUICKSTART: quickstart,
    DURATIONS: durations,
    COVERAGE: coverage,
    WEEKLY: weekly_report,
    RECIPES: recipes,
    HISTORY: history,
    EVIDENCE: evidence,
    TONIGHT: tonight,
    SCALE: lambda _: {},
}
# Those that read a file of the sample, with their parameters, so that all else holds then too.
FROM_FILE = {
    DURATIONS: {"FILES": "tasks.*"},
    COVERAGE: {"FILES": "tasks.*", "LOG_GROUPS": "groups.json"},
}

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code(notebook: NotebookNode) -> dict[str, str]:
    """Return the code of each cell, by its id."""
    return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}


def shown(notebook: NotebookNode) -> dict[str, list[str]]:
    """Return the text output of each cell, by its ID."""
    return {
        cell.id: [output.data["text/plain"] for output in cell.outputs if "data" in output]
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def execute(path: Path, folder: Path) -> NotebookNode:
    """Execute a notebook as it is in an empty folder, in which it leaves no files."""
    folder.mkdir()
    resources = {"metadata": {"path": str(folder)}}
    done = NotebookClient(read(path), timeout=120, resources=resources).execute()
    assert not list(folder.iterdir())
    return done


def with_papermill(path: Path, folder: Path, **parameters: str) -> NotebookNode:
    """Execute a notebook with papermill and its parameters."""
    target = folder / path.name
    papermill.execute_notebook(path, target, parameters, progress_bar=False, cwd=folder)
    return read(target)


@each_notebook
def test_a_notebook_is_stored_clean(path: Path):
    """It has no outputs, no counts, no random IDs and no paths of a machine."""
    text = path.read_text(encoding="utf-8")
    notebook = read(path)
    nbformat.validate(notebook)
    assert text == nbformat.writes(notebook) + "\n", CLEAN
    assert notebook.metadata == {"kernelspec": KERNEL}, CLEAN
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cell.id), f"name the cell {cell.id!r} in words"
        tags = {"parameters": ["parameters"], "engines": ["remove-stderr"]}.get(cell.id)
        assert cell.metadata == ({"tags": tags} if tags else {}), CLEAN
        assert not cell.get("outputs"), CLEAN
        assert cell.get("execution_count") is None, CLEAN
    assert not re.search(r"/home/|/Users/|/tmp/|[A-Z]:\\", text)


PANDAS = "import pandas as pd\n\n"


def test_the_notebooks_load_alike():
    """They have the same papermill parameters and the same code to load the tasks, after imports.

    The one on the archive has its own service, and adds to no archive of its reader. That on
    evidence needs more than tasks, and that on scale has four sources.
    """
    own = {HISTORY, EVIDENCE, SCALE}
    first, *others = (code(read(path)) for path in PATHS if path not in own)
    for other in others:
        assert other["parameters"].startswith(first["parameters"])
        assert other["load"].removeprefix(PANDAS).startswith(first["load"].removeprefix(PANDAS))


def test_each_recipe_has_three_lines_at_most():
    """There are ten questions, each answered in three lines or fewer."""
    cells = read(RECIPES).cells
    titles = [cell.source.partition("\n")[0] for cell in cells if cell.cell_type == "markdown"]
    questions = [title for title in titles if title.endswith("?")]
    answers = [source for name, source in code(read(RECIPES)).items() if name not in LOADING]
    assert len(questions) == len(answers) == 10
    assert max(len(answer.splitlines()) for answer in answers) <= 3


@each_notebook
def test_links_lead_somewhere(path: Path):
    """Each link in the text leads to a file of the repository."""
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets
    assert not [target for target in targets if not (path.parent / target).is_file()]


@each_notebook
def test_the_text_says_that_all_is_synthetic(path: Path):
    """The text says so at the top and below each chart."""
    cells = read(path).cells
    assert "**All tasks in this notebook are synthetic.**" in cells[0].source
    for cell, after in pairwise(cells):
        if draws(cell):
            assert after.cell_type == "markdown"
            assert after.source.startswith("*Synthetic sample")


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.usefixtures("jupyter")
@pytest.mark.filterwarnings("default")  # those of Jupyter's own code are not tested here
@each_notebook
def test_a_notebook_runs_and_states_true_figures(path: Path, tmp_path: Path):
    """All cells run in order, without AWS or warnings, draw their charts, and the text is true.

    Some read a file of the sample, and give the same output as with the sample.
    """
    if "SparkSession" in path.read_text(encoding="utf-8") and shutil.which("java") is None:
        pytest.skip("Spark needs a Java runtime")
    if path in FROM_FILE:
        xs.write_tasks(xs.sample_tasks(), tmp_path / "tasks.jsonl.gz")
        shutil.copy(ROOT / "data" / "sample" / "log_groups.json", tmp_path / "groups.json")
        notebook = with_papermill(path, tmp_path, SOURCE="file", **FROM_FILE[path])
    if path not in FROM_FILE or WHOLE:
        plain = execute(path, tmp_path / "empty")
        if path in FROM_FILE:
            assert messages(plain) == []
            assert shown(plain).items() <= shown(notebook).items()
        notebook = plain
    assert messages(notebook) == []
    check_pictures(path, notebook)
    check_figures(path, notebook)
    if path == COVERAGE:
        [plan] = pd.read_html(io.StringIO(html(notebook, "plan")), index_col=[0, 1, 2])
        [said] = [cell.source for cell in notebook.cells if cell.id == "plan-said"]
        assert f" {plan.iloc[:, 0].sum()} tasks, of which" in said
    if path == SCALE:
        tables = [html(notebook, cell) for cell in ("frame", "archive", "dask", "spark")]
        assert len(set(tables)) == 1
        assert shown(notebook)["same"] == ["[True, True, True]"]


def html(notebook: NotebookNode, name: str) -> str:
    """Return the table that a cell shows, without the random names of its elements."""
    [cell] = [cell for cell in notebook.cells if cell.id == name]
    return re.sub(r"T_[0-9a-f]+", "", cell.outputs[0].data["text/html"])


def check_figures(path: Path, notebook: NotebookNode) -> None:
    """Check that the figures in the text are those of the tables, and all of them are checked."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    facts = FACTS[path](xs.sample_tasks())
    assert facts.keys() <= {cell.id for cell in cells}
    for cell in cells:
        # Code, links and names such as S3 are not figures.
        text = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)", "", " ".join(cell.source.split()))
        for fact in facts.get(cell.id, []):
            assert fact in text, f"{cell.id}: {fact!r}"
            text = text.replace(fact, "", 1)
        assert not re.search(r"(?<![A-Za-z])\d", text), (
            f"{cell.id} has a figure that nobody checks: {text}"
        )


@pytest.mark.slow
@pytest.mark.usefixtures("jupyter")
@pytest.mark.filterwarnings("default")  # those of Jupyter's own code are not tested here
def test_papermill_asks_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With SOURCE "aws", the service (here the emulator) is asked for the given region."""
    tasks = xs.sample_tasks().query("account_id == '111122223333' and region == 'us-east-1'")
    with Emulator(to_json(tasks)) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        notebook = with_papermill(QUICKSTART, tmp_path, SOURCE="aws", REGION="us-east-1")
    assert messages(notebook) == []
    assert shown(notebook)["table-size"] == [f"({len(tasks)}, 0)"]
    assert len(emulator.requests) > len(tasks) / 50
