"""Runs the notebooks and keeps their outputs.

    python -m website.notebooks [NAME ...]

Each is run in an empty folder and written anew, without what programs say of themselves (stderr) and without times.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat

from website.reference import ROOT

FOLDER = ROOT / "docs" / "notebooks"
# Seconds of one cell, far beyond what any takes on a loaded machine; a notebook takes less than 300 on two idle cores.
TIMEOUT = 1200


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of a new run.

    Args:
        path: the notebook.
        folder: where it runs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell that fails.
    """
    notebook = nbformat.read(path, as_version=4)
    # The commands of this environment, for cells of bash.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    nbclient.NotebookClient(notebook, timeout=TIMEOUT, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined([output for output in cell.outputs if output.get("name") != "stderr"])
    notebook.metadata.pop("language_info", None)
    return notebook


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs in which printed text that came in pieces is one piece."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    for output in found:
        if output.output_type == "stream":  # what TensorFlow says of its files
            output.text = "".join(line for line in output.text.splitlines(keepends=True) if not line.startswith("INFO:"))
    return [output for output in found if output.get("text") != ""]


def main() -> None:
    """The command."""
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    for name in names:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(FOLDER / f"{name}.ipynb", Path(folder))
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        print(f"{name}: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
