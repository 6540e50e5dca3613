"""No checked cell is blind.

nbval compares only cells tagged `nbval-check-output`, and silently skips those that were stored
without having been executed. So each notebook has several, each executed, each with an output.
"""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
LEAST = 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_checked_cell_is_blind(path):
    cells = nbformat.read(path, as_version=4).cells
    checked = [cell for cell in cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(checked) >= LEAST
    for cell in checked:
        assert cell.cell_type == "code"
        assert cell.execution_count is not None, cell.source
        assert any(shown(output) for output in cell.outputs), cell.source
        assert not cell.source.rstrip().endswith(";"), cell.source


def shown(output) -> str:
    """What nbval would compare of an output."""
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")
