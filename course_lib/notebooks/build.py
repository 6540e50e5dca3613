"""Build the notebooks with their outputs, and check that those committed are still true.

The outputs are committed because GitHub and Colab show them to readers who have not run anything. So
a build leaves out all that differs from run to run (times, addresses, progress bars, widget states),
and stores a hash of the code that made the outputs. `problems` then finds a notebook that is missing,
drifted from its source, older than its code, not executed or failing, without running anything.
"""

import re
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.notebooks import cover, source
from course_lib.notebooks.execute import execute

WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS_A_CELL = 3600


def build(path: Path, out: Path, profile: str) -> None:
    """Execute the source at `path` and write the notebook with its outputs to `out`.

    Raises
    ------
    CellError
        If a cell fails; the notebook that was there stays as it is.
    """
    notebook = source.read(path)
    with tempfile.TemporaryDirectory() as folder:
        for _ in execute(notebook, Path(folder), profile, timeout=SECONDS_A_CELL):
            pass
    code = source.code_hash(notebook)
    scrub(notebook)
    notebook.metadata = nbformat.from_dict(source.METADATA | {"course": {"code": code, "profile": profile}})
    nbformat.validate(notebook)
    nbformat.write(notebook, out)
    cover.keep(out)


def problems(path: Path, out: Path) -> list[str]:
    """What is wrong with the built notebook at `out`, seen from its source at `path`; nothing is run."""
    if not out.exists():
        return [f"{out} is missing: course build {path.stem}"]
    built, wanted = nbformat.read(out, as_version=4), source.read(path)
    found = {
        f"its cells differ from {path}": _cells(built) != _cells(wanted),
        "its outputs belong to older code": built.metadata.get("course", {}).get("code") != source.code_hash(wanted),
        "it has cells that were not executed": any(cell.execution_count is None for cell in _code(built)),
        "its copied cover is another": not cover.kept(out),
        "it shows an error": any(output.output_type == "error" for cell in _code(built) for output in cell.outputs),
    }
    return [f"{out}: {problem}" for problem, is_there in found.items() if is_there]


def _cells(notebook: NotebookNode) -> list[tuple]:
    return [(cell.cell_type, cell.id, cell.source, source.tags(cell)) for cell in notebook.cells]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def scrub(notebook: NotebookNode) -> None:
    """Remove, in place, what differs from run to run or cannot be seen without a kernel."""
    notebook.metadata.pop("widgets", None)
    for cell in _code(notebook):
        cell.metadata = nbformat.from_dict({"tags": source.tags(cell)} if source.tags(cell) else {})
        cell.outputs = [output for output in map(_scrubbed, cell.outputs) if output]


def _scrubbed(output: NotebookNode) -> NotebookNode | None:
    if output.output_type == "stream":
        output.text = _steady(re.sub(r".*\r(?!\n)", "", output.text))  # of a bar its last state
        return output if output.name == "stdout" and output.text else None
    if output.output_type == "error":
        return output
    was_widget = output.data.pop(WIDGET, None)
    if "text/plain" in output.data:
        output.data["text/plain"] = _steady(output.data["text/plain"])
    return None if was_widget and set(output.data) <= {"text/plain"} else output


def _steady(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]{6,}", " at 0x…", text)
