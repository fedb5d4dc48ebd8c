"""The notebooks run, and were run before they were committed."""

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from website import notebooks

PATHS = sorted(notebooks.FOLDER.glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_an_empty_folder(path, tmp_path):
    notebooks.run(path, tmp_path)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_was_run_from_top_to_bottom(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any("/tmp/" in output.get("text", "") for output in outputs)
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)


@pytest.mark.parametrize("source", ["raise ValueError('wrong')", "%%bash\nexit 3"])
def test_a_cell_that_fails_fails_the_notebook(source, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    with pytest.raises(CellExecutionError):
        notebooks.run(tmp_path / "bad.ipynb", tmp_path)


def test_text_that_came_in_pieces_is_one_output(tmp_path):
    source = "print('a', flush=True)\nimport time; time.sleep(0.2)\nprint('b')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "two.ipynb")
    outputs = notebooks.run(tmp_path / "two.ipynb", tmp_path).cells[0].outputs
    assert [output.text for output in outputs] == ["a\nb\n"]
