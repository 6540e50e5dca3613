"""Run a built notebook under a budget and write what it shows as a page."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.notebooks.build import scrub
from course_lib.notebooks.catalogue import find
from course_lib.notebooks.execute import execute
from course_lib.notebooks.page import page


def run(name: str, profile: str, out: Path) -> Path:
    """Execute a notebook under a progress bar and write its page, pictures included.

    The page is written also when a cell fails or the run is interrupted, up to there.

    Parameters
    ----------
    name : str
        "03_diffusion".
    profile : str
        smoke, laptop or gpu.
    out : Path
        The folder of the page; also the notebook's working directory.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        If there is no such notebook or profile.
    CellError
        If a cell fails.
    """
    notebook = _without_outputs(nbformat.read(find(name), as_version=4))
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{name}.html"
    cells = execute(notebook, out, profile)
    try:
        for _ in tqdm(cells, desc=name, total=len(notebook.cells), unit="cell"):
            pass
    finally:
        cells.close()  # ends the kernel
        scrub(notebook)
        target.write_text(page(notebook, name), encoding="utf-8")
    return target


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook
