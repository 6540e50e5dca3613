"""Run a notebook's cells one by one, in this interpreter's environment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ipykernel.kernelspec import get_kernel_dict, make_ipkernel_cmd
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course_lib.device import PROFILES


class CellError(Exception):
    """A cell did not run to its end.

    Attributes
    ----------
    index : int
        Of the cell, from 0.
    reason : str
        One line: the error's name and message.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"cell {index}: {reason}")
        self.index, self.reason = index, reason


class _ThisInterpreter(KernelSpecManager):
    """Finds one kernel: the interpreter that runs this line, whatever kernels the user has registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(**get_kernel_dict() | {"argv": make_ipkernel_cmd(executable=sys.executable)})


def execute(notebook: NotebookNode, folder: Path, profile: str, timeout: int | None = None) -> Iterator[int]:
    """Run the cells in place, from the first to the last.

    Parameters
    ----------
    notebook : NotebookNode
        Gets the outputs, also those of a cell that fails or is interrupted.
    folder : Path
        The kernel's working directory.
    profile : str
        The budget: smoke, laptop or gpu.
    timeout : int, optional
        Seconds a cell may take.

    Yields
    ------
    int
        The index of each cell that is done.

    Raises
    ------
    CellError
        If a cell raises, takes too long or kills the kernel.
    ValueError
        If the profile does not exist.
    """
    if profile not in PROFILES:
        raise ValueError(f"the profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_ThisInterpreter())
    resources = {"metadata": {"path": str(folder)}}
    settings = {"record_timing": False, "shutdown_kernel": "immediate", "resources": resources}
    client = NotebookClient(notebook, kernel, timeout=timeout, **settings)
    environment = os.environ | {"COURSE_PROFILE": profile, "PYTHONHASHSEED": "0"}
    with client.setup_kernel(env=environment, stderr=subprocess.DEVNULL, cleanup_kc=True):  # the cells' own is kept
        for index, cell in enumerate(notebook.cells):
            _execute_cell(client, cell, index)
            yield index


def _execute_cell(client: NotebookClient, cell: NotebookNode, index: int) -> None:
    try:
        client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
    except CellExecutionError as error:
        raise CellError(index, f"{error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise CellError(index, f"took more than {client.timeout} seconds") from error
    except DeadKernelError as error:
        raise CellError(index, "the kernel died; it may have run out of memory") from error
