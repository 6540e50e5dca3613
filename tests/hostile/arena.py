"""Where hostile submissions are graded: a grader with secrets, others' work within reach, and a look at it after."""

import contextlib
import glob
import os
import resource
import shutil
import socket
import tempfile
import time
from pathlib import Path

import torch
from targets import ROOT, changed, tasks

from course_lib.grading import job, points, session
from course_lib.grading.definitions import FUNCTION
from course_lib.grading.exercise import Exercise
from course_lib.grading.grade import grade
from course_lib.grading.record import Grade
from course_lib.grading.sandbox import descendants, kernel, limits
from course_lib.grading.sandbox.host import Nursery
from course_lib.grading.sandbox.limits import MIB, Limits
from course_lib.grading.sandbox.tiers import Tier
from hostile import HUGE, KEY, OTHERS_WORK, SEED, Attack, Verdict, recorded, told, unfairness, write

LEAST_LIMIT, OVERRUNS = 2.0, 1  # seconds that a test may take, on a machine at leisure; tests that may overrun
PATIENCE = 30.0  # seconds, for an honest submission
CELLS = 2  # limits, for all cells
BEYOND = 5.0  # seconds that an endless loop may cost beyond its limit
SMALL = Limits(
    memory=512 * MIB, total_memory=768 * MIB, cpu=60, file=8 * MIB, disk=32 * MIB, files=500, processes=20,
    open_files=64,
)  # fmt: skip
GRADER_MEMORY = 4096 * MIB
LITTER = "hostile*"
PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/etc", "/run/lock", "~", ROOT, ROOT / "tests/library")


class Arena:
    """A grader in this process, with one nursery; a context manager.

    Parameters
    ----------
    tier : Tier

    Attributes
    ----------
    limit : float
        Seconds that a test may take.
    """

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.exercise = Exercise(KEY, ROOT / f"solutions/03_{KEY}.py", ROOT / "tests")
        self._files = self.exercise.checks, self.exercise.hidden
        self._tables: dict[str, dict] = {}

    def __enter__(self) -> "Arena":
        with contextlib.ExitStack() as stack:
            self.world = Path(tempfile.mkdtemp(prefix="world-"))
            stack.callback(shutil.rmtree, self.world)
            self._furnish()
            stack.enter_context(_guarded())
            self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self._abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
            self._port = self._listener.getsockname()[1]
            self._abstract.bind(f"\0hostile-{self._port}")
            self._abstract.listen()
            self._nursery = stack.enter_context(Nursery(self.tier, SMALL, preload=job.SANDBOXED))
            stack.enter_context(_memory())
            self.limit = PATIENCE
            # A busy machine is given more time: as much for a test as all tests of the honest solution take.
            self.limit = max(LEAST_LIMIT, self.verdict(None)[1].seconds)
            stack.enter_context(_set(session, "CELLS", CELLS * self.limit))
            stack.enter_context(_set(session, "MOST_OVERRUNS", OVERRUNS))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def verdict(self, attack: Attack | None) -> tuple[Grade, Verdict]:
        """Grade an attack, or the honest solution, and look at what it has done."""
        self._choose_tests(attack)
        path = write(attack, self.world / "submissions" / "this.ipynb", self._names(attack))
        most = self._most(attack) if attack else {}
        before, begin = self._state(), time.monotonic()
        found = grade(path, self.exercise, self._nursery, limit=self.limit)
        seconds = time.monotonic() - begin
        escaped = [*told(found), *self._changed(before)]
        unfair, forged = unfairness(found, attack, most)
        return found, Verdict(escaped, unfair, forged, seconds)

    def _furnish(self) -> None:
        """Others' work and results, which nothing but the sandbox protects."""
        contents = {
            "submissions/other.ipynb": OTHERS_WORK,
            "graded/seed": SEED,
            "graded/grades/other.json": "{}",
            "graded/grades.csv": "file,points\nother.ipynb,3\n",
        }
        for name, text in contents.items():
            path = self.world / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in [self.world, *self.world.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)

    def _choose_tests(self, attack: Attack | None) -> None:
        """The test files of the attacked tasks, all for the honest solution: the others' only take time."""
        files = self._files
        if attack is not None:
            in_fields = attack.tasks <= {"guided", "flow_loss", "heun", "inpainted", "meanflow_loss"}
            files = [[path for path in part if path.stem.endswith("_fields") is in_fields] for part in self._files]
        self.exercise.checks, self.exercise.hidden = files

    def _names(self, attack: Attack | None) -> dict[str, object]:
        names = {"REPO": ROOT, "WORLD": self.world, "GRADER": os.getpid(), "PORT": self._port, "SEED": SEED}
        names |= {"HUGE": "x" * HUGE}
        if attack and attack.table:
            if attack.table not in self._tables:
                with _environment("a leaked seed"):
                    self._tables[attack.table] = recorded(self.exercise, attack.table)
            names["TABLE"] = self._tables[attack.table]
        return names

    def _most(self, attack: Attack) -> dict[str, int]:
        """What the attacked tasks may earn."""
        if attack.harmless:
            names = [name for task in attack.tasks for name in FUNCTION.findall(tasks(KEY)[task])]
            honest = changed(KEY, {"": "\n".join(f"{name} = lambda {attack.harmless}" for name in names)})
            outcome = points.run(self.exercise.files, honest)
            return {task: sum(point.passed for point in outcome if point.task == task) for task in attack.tasks}
        public = self.exercise.checks if attack.earns == "public" else []
        files = self.exercise.files if attack.earns == "all" else public
        asked = points.run(files, {}) if files else []
        return {task: sum(point.task == task for point in asked) for task in attack.tasks}

    def _state(self) -> tuple:
        """All that no submission may change, of what one can see from here."""
        files = {path: (path.read_bytes(), path.stat().st_mode) for path in self.world.rglob("*") if path.is_file()}
        folders = {str(path) for path in self.world.rglob("*")}
        # glob.glob, since Path.glob raises where a folder cannot be entered: a test run beside this one may close it
        litter = {path for place in PLACES for path in glob.glob(f"{Path(place).expanduser()}/{LITTER}")}
        return files, folders, litter, {process.pid for process in descendants.of(os.getpid())}

    def _changed(self, before: tuple) -> list[str]:
        files, folders, litter, processes = self._state()
        names = "files", "folders", "litter"
        found = [f"{name} have changed" for name, a, b in zip(names, before, (files, folders, litter)) if a != b]
        if left := processes - before[3]:
            found.append(f"{len(left)} processes are left")
        if gone := before[3] - processes:
            found.append(f"{len(gone)} processes are gone")
        for end in (self._listener, self._abstract):
            end.settimeout(0)
            with contextlib.suppress(OSError):
                end.accept()
                found.append("somebody has called")
        return found


@contextlib.contextmanager
def _guarded():
    """The process as a grading job makes it: with a secret, its memory closed, daemons its own children."""
    threads = torch.get_num_threads()
    with _environment(SEED):
        torch.set_num_threads(1)
        limits.protect()
        yield
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 0)
    torch.set_num_threads(threads)


@contextlib.contextmanager
def _memory():
    """Bounded as in a grading job."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (GRADER_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


@contextlib.contextmanager
def _set(thing: object, name: str, value: object):
    before = getattr(thing, name)
    setattr(thing, name, value)
    yield
    setattr(thing, name, before)


@contextlib.contextmanager
def _environment(seed: str):
    before = os.environ.get("GRADE_SEED")
    os.environ["GRADE_SEED"] = seed
    yield
    if before is None:
        del os.environ["GRADE_SEED"]
    else:
        os.environ["GRADE_SEED"] = before
