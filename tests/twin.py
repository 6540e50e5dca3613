"""Colab's twin: does each notebook run there as it stands? Run by hand, `python -m tests.twin [NAME ...]`.

A fresh environment with Colab's Python and versions, an empty folder, and a stand-in for `google.colab`. Each notebook
and exercise runs in the smallest budget from its unchanged first cell. That installs the course from its address, which
git is told to find in a clone of this checkout's last commit. Afterwards, of all that was installed before, nothing may
have another version: a notebook that replaces Colab's torch costs its reader minutes and a restart.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_lib import places
from tests.environments import ROOT, Environment, environment

# The image of August 2026, as far as it touches the course; versions that are not given were not recorded.
COLAB = (
    "torch==2.11.0",
    "torchvision",
    "numpy==2.1.3",
    "matplotlib==3.10.0",
    "ipywidgets==7.7.1",
    "ipython==7.34.0",
    "ipykernel<7",
    "setuptools<81",  # IPython 7 asks for its pkg_resources
    "pillow",
    "pygments",
    "pytest",
    "safetensors",
    "tqdm",
)

STAND_IN = """\
import sys
from types import ModuleType

google, colab, output = (ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
google.colab, colab.output, output.enable_custom_widget_manager = colab, output, lambda: None
sys.modules |= {"google": google, "google.colab": colab, "google.colab.output": output}
"""


def main() -> int:
    """Run the chosen notebooks, or all; status 1 if one fails or changes what was installed."""
    options = _options()
    paths = [path for folder in ("notebooks", "exercises") for path in sorted((ROOT / folder).glob("[0-9]*.ipynb"))]
    wanted = [path for path in paths if not options.names or _name(path) in options.names]
    if not wanted:
        raise SystemExit(f"no such notebook; there are: {', '.join(map(_name, paths))}")
    with environment(options.python, options.folder) as colab:
        colab.install(*COLAB)
        _prepare(colab)
        return max(_tried(colab, path) for path in wanted)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run notebooks as Colab would.")
    parser.add_argument("names", nargs="*", help="notebooks/03_diffusion exercises/03_diffusion; default: all")
    parser.add_argument("--python", default="python3.13", help="Colab's Python (python3.13)")
    parser.add_argument("--folder", type=Path, help="where the environment lies while this runs; it takes gigabytes")
    return parser.parse_args()


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _prepare(colab: Environment) -> None:
    """The stand-in, and the clone that answers for the course's address."""
    startup = colab.work.parent / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text(STAND_IN)
    clone = colab.work.parent / "clone.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", clone], check=True)
    subprocess.run(["git", "push", "--quiet", clone, "HEAD:refs/heads/main"], cwd=ROOT, check=True)
    colab.variables |= {
        "IPYTHONDIR": str(startup.parents[1]),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{clone.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": places.repository(),
    }


def _tried(colab: Environment, path: Path) -> int:
    """Run one notebook without the course installed; print what came of it."""
    if places.DISTRIBUTION in colab.versions():
        colab.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", places.DISTRIBUTION)
    before, start = colab.versions(), time.monotonic()
    failure = _failure(colab, path)
    after, seconds = colab.versions(), time.monotonic() - start
    changed = {name: (version, after.get(name)) for name, version in before.items() if after.get(name) != version}
    added = sorted(set(after) - set(before))
    print(f"{_name(path):<28}{seconds:6.0f} s   {failure or 'ran'}   installed: {', '.join(added)}", flush=True)
    if changed:
        print(f"  CHANGED {changed}")
    return int(bool(failure or changed))


def _failure(colab: Environment, path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_kernels(colab.programs / "python"))
    client = NotebookClient(notebook, kernel, timeout=600, resources={"metadata": {"path": str(colab.work)}})
    try:
        client.execute(env=colab.variables)
    except CellExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    return ""


def _kernels(python: Path) -> KernelSpecManager:
    """Finds one kernel: that of the twin."""
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager = KernelSpecManager()
    manager.get_kernel_spec = lambda name: KernelSpec(argv=command, display_name=name, language="python")
    return manager


if __name__ == "__main__":
    sys.exit(main())
