"""The notebooks, and what must hold for each one that was executed."""

from __future__ import annotations

import base64
import io
import struct
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
QUICKSTART, DURATIONS, COVERAGE, WEEKLY, RECIPES, HISTORY, EVIDENCE, TONIGHT, SCALE = PATHS = [
    ROOT / "notebooks" / "01_quickstart.ipynb",
    ROOT / "notebooks" / "02_duration_analysis.ipynb",
    ROOT / "notebooks" / "03_coverage.ipynb",
    ROOT / "notebooks" / "04_weekly_report.ipynb",
    ROOT / "notebooks" / "05_recipes.ipynb",
    ROOT / "notebooks" / "06_history.ipynb",
    ROOT / "notebooks" / "07_evidence.ipynb",
    ROOT / "notebooks" / "08_tonight.ipynb",
    ROOT / "notebooks" / "09_scale.ipynb",
]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def read(path: Path) -> NotebookNode:
    """Read a notebook as the current version of the format."""
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def draws(cell: NotebookNode) -> bool:
    """Return whether a cell draws a chart."""
    return cell.cell_type == "code" and ("xs.plot_" in cell.source or ".plot." in cell.source)


def messages(notebook: NotebookNode) -> list[str]:
    """Return what cells printed, their warnings and errors, without what Spark's start prints."""
    cells = [cell for cell in notebook.cells if "SparkSession.builder" not in cell.source]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [str(output) for output in outputs if output.output_type in ("stream", "error")]


def check_pictures(path: Path, notebook: NotebookNode) -> None:
    """Check that a cell that draws shows one PNG in landscape, not an empty one; no other does."""
    charts = 0
    for cell in notebook.cells:
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
    # a report contains its charts, and the last four have few
    assert charts > (0 if path in {WEEKLY, HISTORY, EVIDENCE, TONIGHT, SCALE} else 5)
