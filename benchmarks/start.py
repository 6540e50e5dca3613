"""How long until a reader can begin? Each in a process of its own, in turn; seconds at work of that process.

The floor is `import torch`, without which there is no course. `notebook` is what the first cell of a notebook does:
the names that all notebooks ask for, and `setup()`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.contest import OURS, Contest, Setting
from benchmarks.timing import Job

PROGRAMS = {
    OURS: "import course_lib",
    "import torch": "import torch",
    "course --version": "from course_lib.cli import main; main(['--version'])",
    "first cell of a notebook": "import course_lib; course_lib.setup()",
    "import torch, torchvision": "import torch, torchvision",
}


def run(setting: Setting) -> Iterator[dict]:
    """Rows of imports and of the command."""
    chosen = {who: code for who, code in PROGRAMS.items() if runs(who, setting)}
    jobs = {who: started(code) for who, code in chosen.items()}
    yield from Contest("start of a process", jobs, watch=seconds_of_children).held(setting)


def runs(who: str, setting: Setting) -> bool:
    """Whether it is there; a smoke run takes the first two only."""
    if setting.smoke:
        return who in list(PROGRAMS)[:2]
    return subprocess.run([sys.executable, "-c", PROGRAMS[who]], capture_output=True).returncode == 0


def started(code: str) -> Job:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def seconds_of_children() -> float:
    """Of those that have ended, at work for themselves and in the system."""
    spent = os.times()
    return spent.children_user + spent.children_system
