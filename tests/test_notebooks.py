"""The notebooks run, show what they should, state true figures, and are stored without outputs."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import matplotlib.pyplot as plt
import nbformat
import notebook_archive_facts
import notebook_coverage_facts
import notebook_facts
import papermill
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

import exportstats as xs
from exportstats.emulator import Emulator
from exportstats.io.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

Execute: TypeAlias = Callable[[Path], NotebookNode]

ROOT = Path(__file__).parents[1]
QUICKSTART, DURATIONS, COVERAGE, WEEKLY, RECIPES, HISTORY = PATHS = [
    ROOT / "notebooks" / "01_quickstart.ipynb",
    ROOT / "notebooks" / "02_duration_analysis.ipynb",
    ROOT / "notebooks" / "03_coverage.ipynb",
    ROOT / "notebooks" / "04_weekly_report.ipynb",
    ROOT / "notebooks" / "05_recipes.ipynb",
    ROOT / "notebooks" / "06_history.ipynb",
]
LOADING = ("parameters", "load")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
CLEAN = (
    "as JupyterLab saved it; make it clean with: jupyter nbconvert --clear-output --inplace "
    "--ClearMetadataPreprocessor.enabled=True "
    "--ClearMetadataPreprocessor.preserve_cell_metadata_mask=tags "
    "--ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec notebooks/*.ipynb"
)

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
# Warnings of Jupyter's own code with the newest Python are not tested here.
in_a_kernel = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def read(path: Path) -> NotebookNode:
    """Read a notebook as the current version of the format."""
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def draws(cell: NotebookNode) -> bool:
    """Return whether a cell draws a chart."""
    return cell.cell_type == "code" and ("xs.plot_" in cell.source or ".plot." in cell.source)


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


def messages(notebook: NotebookNode) -> list[str]:
    """Return what cells printed, their warnings and errors."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [str(output) for output in outputs if output.output_type in ("stream", "error")]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use the interpreter of the tests as "python3", without the user's own configuration."""
    home = tmp_path_factory.mktemp("jupyter")
    spec = home / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, **KERNEL}))
    plt.close()  # matplotlib has made its list of fonts by now, which can take long
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(home))
        patch.setenv("JUPYTER_CONFIG_DIR", str(home / "config"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.setenv("AWS_CONFIG_FILE", str(home / "none"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_PROFILE", raising=False)
        patch.delenv("MPLBACKEND", raising=False)  # the kernel shows pictures in the notebook
        yield


@pytest.fixture(scope="module")
def execute(jupyter: None, tmp_path_factory: pytest.TempPathFactory) -> Execute:
    """Return a function that executes a notebook in a kernel, each once."""
    done: dict[Path, NotebookNode] = {}

    def run(path: Path) -> NotebookNode:
        if path not in done:
            folder = tmp_path_factory.mktemp(path.stem)
            resources = {"metadata": {"path": str(folder)}}
            client = NotebookClient(read(path), timeout=120, resources=resources)
            done[path] = client.execute()
            assert not list(folder.iterdir())  # it leaves no files
        return done[path]

    return run


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
        is_parameters = cell.id == "parameters"
        assert cell.metadata == ({"tags": ["parameters"]} if is_parameters else {}), CLEAN
        assert not cell.get("outputs"), CLEAN
        assert cell.get("execution_count") is None, CLEAN
    assert not re.search(r"/home/|/Users/|/tmp/|[A-Z]:\\", text)


def test_the_notebooks_load_alike():
    """They have the same papermill parameters and the same code to load the tasks.

    The one on the archive has its own service, and adds to no archive of its reader.
    """
    first, *others = (code(read(path)) for path in PATHS if path != HISTORY)
    for other in others:
        assert other["parameters"].startswith(first["parameters"])
        assert other["load"].startswith(first["load"])


def test_each_recipe_has_three_lines_at_most():
    """There are ten questions, each answered in three lines or fewer."""
    cells = read(RECIPES).cells
    questions = [cell.source for cell in cells if cell.source.endswith("?")]
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


class TestInAKernel:
    """Tests of the executed notebooks."""

    pytestmark = in_a_kernel

    @each_notebook
    def test_it_runs_without_errors_and_warnings(self, path: Path, execute: Execute):
        """All cells run in order, without AWS, output on stdout, or warnings."""
        assert messages(execute(path)) == []

    @each_notebook
    def test_each_chart_is_one_picture(self, path: Path, execute: Execute):
        """A cell that draws shows one PNG in landscape, not an empty one; no other does."""
        charts = 0
        for cell in execute(path).cells:
            outputs = [output.data for output in cell.get("outputs", []) if "data" in output]
            pictures = [data["image/png"] for data in outputs if "image/png" in data]
            if not draws(cell):
                assert not pictures
                continue
            charts += 1
            assert cell.id.endswith("-plot")
            assert len(outputs) == len(pictures) == 1
            png = base64.b64decode(pictures[0])
            width, height = struct.unpack(">II", png[16:24])
            assert 900 <= width <= 2100
            assert 0.5 <= height / width <= 0.65
            assert plt.imread(io.BytesIO(png)).std() > 0.05
        # a report contains its charts, and an archive has one of its own
        assert charts > (0 if path in {WEEKLY, HISTORY} else 5)

    @each_notebook
    def test_figures_in_the_text_are_true(self, path: Path, execute: Execute):
        """The figures in the text are those of the tables, and all of them are checked here."""
        cells = [cell for cell in execute(path).cells if cell.cell_type == "markdown"]
        tell = {
            QUICKSTART: notebook_facts.quickstart,
            DURATIONS: notebook_facts.durations,
            COVERAGE: notebook_coverage_facts.coverage,
            WEEKLY: notebook_coverage_facts.weekly_report,
            RECIPES: notebook_facts.recipes,
            HISTORY: notebook_archive_facts.history,
        }
        facts = tell[path](xs.sample_tasks())
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

    def test_papermill_reads_a_file(self, execute: Execute, tmp_path: Path):
        """With SOURCE "file", a file of the sample gives the same output as the sample."""
        xs.write_tasks(xs.sample_tasks(), tmp_path / "tasks.jsonl.gz")
        notebook = with_papermill(DURATIONS, tmp_path, SOURCE="file", FILES="tasks.*")
        assert messages(notebook) == []
        assert shown(execute(DURATIONS)).items() <= shown(notebook).items()

    def test_papermill_reads_log_groups_from_a_file(self, execute: Execute, tmp_path: Path):
        """With SOURCE "file", log groups are read too."""
        xs.write_tasks(xs.sample_tasks(), tmp_path / "tasks.parquet")
        groups = ROOT / "data" / "sample" / "log_groups.json"
        (tmp_path / "groups.json").write_bytes(groups.read_bytes())
        notebook = with_papermill(
            COVERAGE, tmp_path, SOURCE="file", FILES="tasks.*", LOG_GROUPS="groups.json"
        )
        assert messages(notebook) == []
        assert shown(execute(COVERAGE)).items() <= shown(notebook).items()

    @pytest.mark.usefixtures("jupyter")
    def test_papermill_asks_aws(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """With SOURCE "aws", the service (here the emulator) is asked for the given region."""
        tasks = xs.sample_tasks().query("account_id == '111122223333' and region == 'us-east-1'")
        with Emulator(to_json(tasks)) as emulator:
            monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
            notebook = with_papermill(QUICKSTART, tmp_path, SOURCE="aws", REGION="us-east-1")
        assert messages(notebook) == []
        assert shown(notebook)["table-size"] == [f"({len(tasks)}, np.int64(0))"]
        assert len(emulator.requests) > len(tasks) / 50
