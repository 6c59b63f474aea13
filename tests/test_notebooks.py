"""Notebooks run from top to bottom in an empty folder, open with prose, end in a figure or a table, and carry no traces of the machine they ran on."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TRACES = re.compile(r"(?<![\w.:/])/(home|root|work|tmp|usr|opt|Users)/|[A-Z]:\\\\|site-packages")


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_readable_and_clean(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert book.cells[0].cell_type == "markdown"
    assert book.cells[0].source.startswith("# ")
    assert not TRACES.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    last = [cell for cell in book.cells if cell.cell_type == "code"][-1]
    kinds = {kind for output in last.outputs for kind in output.get("data", {})}
    assert kinds & {"image/svg+xml", "image/png", "text/html"}
    assert not any(output.output_type == "error" for cell in book.cells if cell.cell_type == "code" for output in cell.outputs)
