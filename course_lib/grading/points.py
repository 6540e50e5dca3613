"""Run test files on somebody's functions, and say point by point what came out.

The tests are plain pytest. They ask for the fixture `student` and call `student.add_noise(...)`;
whose functions those are is decided here: a live notebook's, the reference solution's, the library's,
a mutant's, or those of somebody whose code runs elsewhere. Each test is one point, belongs to a task
(`@pytest.mark.task("add_noise")`), and its docstring's first line says what is asked. `run` is for own
functions only: for a stranger's, a test in the same process is no protection at all (see `grade.py`).
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from course_lib.grading.remote.failures import Where
from course_lib.grading.student import Student

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
    where : Where or None
        The line of the learner's own that raised the error, if one did.
    file : Path
        Where the test stands.
    """

    task: str
    asked: str
    error: BaseException | None
    hint: str
    where: Where | None
    file: Path

    @property
    def passed(self) -> bool:
        return self.error is None

    @property
    def told(self) -> str:
        """The hint, and the line."""
        if self.where is None:
            return self.hint
        return f"{self.hint}, in line {self.where.line} of the cell of {self.where.function}: {self.where.code}"


Students = Callable[[pytest.Item], AbstractContextManager[Student]]


def run(files: Sequence[Path], namespace: MutableMapping[str, object], task: str | None = None) -> list[Point]:
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

    @contextmanager
    def here(item: pytest.Item) -> Iterator[Student]:
        student = Student(namespace)
        try:
            yield student
        finally:
            student.restore()

    return run_on(files, here, task)


def run_on(files: Sequence[Path], students: Students, task: str | None = None) -> list[Point]:
    """The same as `run`, with a student for each test.

    Parameters
    ----------
    files : sequence of Path
    students : function from pytest.Item to a context manager
        It gives the student of a test, and takes leave of it afterwards.
    task : str, optional
    """
    plugin = Plugin(students, task)
    files = [path.resolve() for path in files]
    # A module is named after its path below the root; from the top, two test_diffusion.py are two modules.
    root = [f"--rootdir={path.anchor}" for path in files[:1]]
    arguments = [*map(str, files), *QUIET, *root, *(part for name in WITHOUT for part in ("-p", f"no:{name}"))]
    with _environment(SWITCHES), _forgotten(files), torch.random.fork_rng(devices=[]), torch.enable_grad():
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

    def __init__(self, students: Students, task: str | None = None) -> None:
        self.students, self.task = students, task
        self.tasks: list[str] = []
        self.points: list[Point] = []
        self.broken: list[str] = []

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> Iterator[Student]:
        """Whose functions are tested."""
        in_place = request.node.get_closest_marker("in_place") is not None
        with self.students(request.node) as student, student.examined(in_place=in_place):
            yield student

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> torch.Generator:
        """Random numbers that nobody knows beforehand: seeded by `GRADE_SEED` and the test's name."""
        return generator(request.node.name)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "task(name): the task to which a test belongs")
        config.addinivalue_line("markers", "in_place: the task is to change what is given")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(str(report.longrepr).strip().splitlines()[-1])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            item.repr_failure = lambda *_: ""  # nobody reads pytest's own account, which takes longer than the test
        self.tasks = list(dict.fromkeys(map(task_of, items)))
        if self.task is not None:
            items[:] = [item for item in items if task_of(item) == self.task]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        report = yield
        if call.when == "call" or call.excinfo:
            error = call.excinfo.value if call.excinfo else None
            asked = (inspect.getdoc(item.function) or item.name).splitlines()[0]
            line = item.funcargs["student"].line_of(error) if "student" in item.funcargs else None
            point = Point(task_of(item), asked, error, hint(error), line, item.path)
            if call.when == "teardown":  # the test's own verdict stands already
                before = self.points.pop()
                point = point if before.passed else before
            self.points.append(point)
        return report


def task_of(item: pytest.Item) -> str:
    """The task that a test is marked with."""
    marker = item.get_closest_marker("task")
    return marker.args[0] if marker else ""


def generator(name: str) -> torch.Generator:
    """A CPU generator seeded by `GRADE_SEED` (default 0) and a name."""
    digest = hashlib.sha256(f"{os.environ.get('GRADE_SEED', '0')}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))


def hint(error: BaseException | None) -> str:
    """What a learner is told: the mistake's sentence, or what the error says."""
    if error is None:
        return ""
    if isinstance(error, AssertionError | NotImplementedError):
        return str(error) or "this does not hold"
    kind, text = getattr(error, "kind", type(error).__name__), str(error).strip()
    if kind == "MemoryError" and not text:
        text = "this asks for more memory than there is"
    return f"{kind}: {text}".splitlines()[0] if text else kind


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
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


@contextmanager
def _forgotten(files: Sequence[Path]) -> Iterator[None]:
    """Test modules are imported anew for everybody: nothing that one run left in them is there in the next."""
    try:
        yield
    finally:
        names = {str(path) for path in files}
        for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) in names]:
            del sys.modules[name]
