"""Run test files on somebody's functions, in this process, and say point by point what came out.

The tests are plain pytest. They ask for the fixture `student` and call `student.add_noise(...)`;
whose functions those are is decided here: a live notebook's, the reference solution's, the library's,
a mutant's. Each test is one point, belongs to a task (`@pytest.mark.task("add_noise")`), and its
docstring's first line says what is asked. Only own functions should be run here: for a stranger's, an
in-process test is no protection at all.
"""

import hashlib
import inspect
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from course_lib.grading.expect import Mistake

# pytest as a library: no output, no cache, no configuration file, nobody's plugins.
QUIET = ["--noconftest", "--assert=plain", "--import-mode=importlib", "-c", os.devnull, "-s"]
# The last one collects garbage twice a run, which takes half a second beside torch.
WITHOUT = ["terminal", "cacheprovider", "faulthandler", "logging", "doctest", "junitxml", "unraisableexception"]
SWITCHES = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}


class Point(NamedTuple):
    """The outcome of one test.

    Attributes
    ----------
    task : str
    asked : str
        What the test asks, in a line.
    error : BaseException or None
        None if it passed.
    hint : str
        What the learner is told; empty if it passed.
    """

    task: str
    asked: str
    error: BaseException | None
    hint: str

    @property
    def passed(self) -> bool:
        return self.error is None


class Student:
    """`student.NAME` is what the namespace holds now; to set `student.NAME` leaves the namespace as it is."""

    def __init__(self, namespace: Mapping[str, object]) -> None:
        self._namespace = namespace

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._namespace:
            raise NotImplementedError(f"there is no {name} yet: write it and run its cell")
        if not callable(value := self._namespace[name]):
            raise Mistake(f"{name} is now a {type(value).__name__}, not a function: run its cell again")
        return value


def run(files: Sequence[Path], namespace: Mapping[str, object], task: str | None = None) -> list[Point]:
    """The points of one task, or of all, in the order of the files.

    Parameters
    ----------
    files : sequence of Path
        Test files.
    namespace : mapping
        Names -> the functions to test; a notebook's globals.
    task : str, optional

    Raises
    ------
    ValueError
        If the files have no test of that task, or cannot be read.
    KeyboardInterrupt
        If the user stopped it.
    """
    plugin = Plugin(namespace, task)
    files = [path.resolve() for path in files]
    # A module is named after its path below the root; from the top, two test_diffusion.py are two modules.
    root = [f"--rootdir={path.anchor}" for path in files[:1]]
    arguments = [*map(str, files), *QUIET, *root, *(part for name in WITHOUT for part in ("-p", f"no:{name}"))]
    with _environment(SWITCHES), torch.random.fork_rng(devices=[]), torch.enable_grad():
        code = pytest.main(arguments, plugins=[plugin])
    if code == pytest.ExitCode.INTERRUPTED and not plugin.broken:
        raise KeyboardInterrupt
    if plugin.broken:
        raise ValueError(f"the tests cannot be read: {plugin.broken[0]}")
    if task is not None and task not in plugin.tasks:
        raise ValueError(f"there is no task {task!r}; the tasks are: {', '.join(plugin.tasks) or 'none'}")
    return plugin.points


class Plugin:
    """What pytest is told: the fixtures that tests may use, and where their outcome goes."""

    def __init__(self, namespace: Mapping[str, object], task: str | None = None) -> None:
        self.namespace, self.task = namespace, task
        self.tasks: list[str] = []
        self.points: list[Point] = []
        self.broken: list[str] = []

    @pytest.fixture
    def student(self) -> Student:
        """Whose functions are tested."""
        return Student(self.namespace)

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> torch.Generator:
        """Random numbers that nobody knows beforehand: seeded by `GRADE_SEED` and the test's name."""
        return generator(request.node.name)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "task(name): the task to which a test belongs")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(str(report.longrepr).strip().splitlines()[-1])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.tasks = list(dict.fromkeys(map(task_of, items)))
        if self.task is not None:
            items[:] = [item for item in items if task_of(item) == self.task]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        report = yield
        if call.when == "call" or call.excinfo:
            error = call.excinfo.value if call.excinfo else None
            asked = (inspect.getdoc(item.function) or item.name).splitlines()[0]
            self.points.append(Point(task_of(item), asked, error, hint(error, self.namespace)))
        return report


def task_of(item: pytest.Item) -> str:
    """The task that a test is marked with."""
    marker = item.get_closest_marker("task")
    return marker.args[0] if marker else ""


def generator(name: str) -> torch.Generator:
    """A CPU generator seeded by `GRADE_SEED` (default 0) and a name."""
    digest = hashlib.sha256(f"{os.environ.get('GRADE_SEED', '0')}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))


def hint(error: BaseException | None, namespace: Mapping[str, object]) -> str:
    """What a learner is told: the mistake's sentence, or the error and the line of their own that raised it."""
    if error is None:
        return ""
    if isinstance(error, AssertionError | NotImplementedError):
        return str(error) or "this does not hold"
    what = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_globals is namespace]
    if not frames:
        return what
    frame, line = frames[-1]
    summary = traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
    return f"{what}, in line {line} of the cell of {frame.f_code.co_name}: {summary.line}"


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
