"""Formulas without a network: MathJax beside the pages.

Version 3, because version 4 fetches its fonts from another host while one reads; the build with SVG output,
because it holds its fonts. It is 2 MB and not ours, so it is fetched when the site is built and never committed.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "mathjax@3.2.2"
MEMBER = "package/es5/tex-svg-full.js"
NAME = "mathjax.js"


def place(folder: Path, script: Path | None = None) -> None:
    """Put the script into `folder`: the copy that is given, else the one that npm fetches.

    Raises
    ------
    ValueError
        If there is no copy, and npm is missing or fails.
    """
    if script is not None:
        if not script.is_file():
            raise ValueError(f"there is no copy of MathJax at {script}: it should be MathJax 3's tex-svg-full.js")
        shutil.copy(script, folder / NAME)
        return
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(_packed(Path(scratch))) as archive:
        (folder / NAME).write_bytes(archive.extractfile(MEMBER).read())


def _packed(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"formulas need {PACKAGE}, which npm fetches: install npm, or give a copy with --mathjax FILE")
    done = subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()
        told = reason[0] if reason else "no reason given"
        raise ValueError(f"npm could not fetch {PACKAGE} ({told}); give a copy with --mathjax FILE")
    return next(folder.glob("*.tgz"))
