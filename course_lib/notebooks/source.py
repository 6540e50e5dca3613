"""From percent source to a notebook.

`notebooks/src/03_diffusion.py` is what people edit and review, `notebooks/03_diffusion.ipynb` is what
they open; it is made from the source and never the other way round. One source must always give the
same bytes, so ids are counted rather than drawn and metadata is what stands below and no more.

The cell tagged `bootstrap` begins with `import course_lib`. It gets the lines that install the course
where it is missing (Colab, Kaggle), and badges in front of it; both are built from the one address in
pyproject.toml.
"""

import hashlib
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from course_lib import places

METADATA = {
    "accelerator": "GPU",
    "colab": {"gpuType": "T4", "provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
}

INSTALL = """\
try:
    import course_lib
except ModuleNotFoundError:
    %pip install -q "{distribution} @ git+{repository}@main"
"""

BADGES = """\
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]\
(https://colab.research.google.com/github/{slug}/blob/main/{path})
[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]\
(https://kaggle.com/kernels/welcome?src={repository}/blob/main/{path})"""


def read(source: Path) -> NotebookNode:
    """The notebook of a percent source in `notebooks/src/`, without outputs.

    Raises
    ------
    ValueError
        If the source has no cell tagged `bootstrap`, or several.
    """
    return standard(jupytext.read(source, fmt="py:percent"), f"notebooks/{source.stem}.ipynb")


def standard(notebook: NotebookNode, path: str) -> NotebookNode:
    """The notebook in the course's form: badges, bootstrap, counted ids, minimal metadata.

    Parameters
    ----------
    notebook : NotebookNode
        With one code cell tagged `bootstrap`. Of its cells' metadata only the tags are kept.
    path : str
        Where it will lie in the repository, "notebooks/03_diffusion.ipynb".

    Raises
    ------
    ValueError
        If there is no cell tagged `bootstrap`, or several.
    """
    cells = [_bare(cell) for cell in notebook.cells]
    first = _bootstrap_index(cells, path)
    cells[first].source = f"{_install()}\n{cells[first].source}"
    cells.insert(first, _badges(path))
    for number, cell in enumerate(cells):
        cell.id = f"{Path(path).stem}-{number:03d}"
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def _bare(cell: NotebookNode) -> NotebookNode:
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    if cell.cell_type not in new:
        raise ValueError(f"a cell is code or markdown, got {cell.cell_type!r}: {cell.source[:60]!r}")
    return new[cell.cell_type](cell.source, metadata={"tags": tags(cell)} if tags(cell) else {})


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _bootstrap_index(cells: list[NotebookNode], path: str) -> int:
    found = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and "bootstrap" in tags(cell)]
    if len(found) != 1:
        raise ValueError(f"{path} needs exactly one code cell tagged `bootstrap`, its source has {len(found)}")
    return found[0]


def _install() -> str:
    return INSTALL.format(distribution=places.DISTRIBUTION, repository=places.repository())


def _badges(path: str) -> NotebookNode:
    repository = places.repository()
    slug = repository.removeprefix("https://github.com/")
    text = BADGES.format(slug=slug, repository=repository, path=path)
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": ["badges"]})


def code_hash(notebook: NotebookNode) -> str:
    """A hash of all code, by which outputs are known to belong to it."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:16]
