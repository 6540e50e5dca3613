"""A submission in the sandbox gets, test by test, the verdict and the hint that it gets in this process.

On solutions, stubs, all wrong and all other right answers, in every module that has them. A sandbox holds the
solution, and the cell of another answer runs in the fork of each test: that is quicker than a process an answer.
"""

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import targets
from library import afar
from library.test_exercises import KEYS, table

from course_lib.grading import session as sessions
from course_lib.grading.points import Point, run, run_on
from course_lib.grading.release import stub
from course_lib.grading.session import Session
from course_lib.grading.submission import Cell, setup_cells

pytestmark = [afar.CONFINED, pytest.mark.slow]

# The instructor's own: the forks run further cells through it.
DOOR = Cell("the door", "def run_cell(source):\n    exec(compile(source, '<the answer>', 'exec'), globals())\n")
TASKS = [pytest.param(key, task, id=f"{key}-{task}") for key in KEYS for task in targets.tasks(key)]


@pytest.fixture(scope="module")
def solved() -> Iterator[Callable[[str], Session]]:
    """Key -> a submission of the solution, all in one sandbox, one after the other."""
    begun: dict[str, Session] = {}

    def of(key: str) -> Session:
        if key not in begun:
            for other in begun.values():
                other.__exit__()
            begun.clear()
            cells = [Cell(f"task {task}", code) for task, code in targets.tasks(key).items()]
            begun[key] = Session(nursery, [*setup_cells(master(key)), DOOR], cells, limit=60)
        return begun[key]

    with afar.sandbox() as nursery, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "SUBMISSION", float("inf"))  # a session of many answers takes longer than one
        yield of
        for session in begun.values():
            session.__exit__()


def master(key: str) -> Path:
    (path,) = targets.ROOT.glob(f"solutions/[0-9][0-9]_{key}.py")
    return path


def files(key: str, task: str | None = None) -> list[Path]:
    """The test files of a module, or those with tests of the task."""
    found = [path for folder in ("checks", "hidden") for path in targets.files(key, folder)]
    return [path for path in found if task is None or f'task("{task}")' in path.read_text(encoding="utf-8")]


def afar_with(session: Session, source: str):
    """The students of the session, after one more cell."""

    @contextmanager
    def students(item):
        with session.student(item) as student:
            student.run_cell(source)
            yield student

    return students


def verdicts(points: list[Point]) -> list[tuple[str, str, str]]:
    return [(point.task, point.asked, point.hint or "passed") for point in points]


def source_of(key: str, answer: Callable) -> str:
    """An answer of `mutants/KEY_right.py` as a cell: the module's imports, and the function as it stands there."""
    module = ast.parse(inspect.getsource(table(key)[1])).body
    imports = [ast.unparse(part) for part in module if isinstance(part, ast.Import | ast.ImportFrom)]
    lines = [line for line in inspect.getsource(answer).splitlines() if not line.startswith("@right(")]
    return "\n".join([*imports, *lines])


@pytest.mark.parametrize("key", KEYS)
def test_the_solution_passes_in_the_sandbox(key, solved):
    there = run_on(files(key), solved(key).student)
    assert {hint for _, _, hint in verdicts(there)} == {"passed"}


@pytest.mark.parametrize("key", KEYS)
def test_stubs_get_the_same_verdicts(key, solved):
    cells = "\n\n".join(stub(code, task) for task, code in targets.tasks(key).items())
    there = run_on(files(key), afar_with(solved(key), cells))
    assert verdicts(there) == verdicts(run(files(key), targets.stubs(key)))
    assert not any(point.passed for point in there)


@pytest.mark.parametrize(("key", "task"), TASKS)
def test_a_tasks_wrong_answers_get_the_same_verdicts(key, task, solved):
    code = targets.tasks(key)[task]
    edits = [wrong for wrong in table(key)[0].WRONG if wrong.task == task]
    for edit in edits:
        cell = code.replace(edit.old, edit.new)
        here = run(files(key, task), targets.changed(key, {task: cell}), task)
        there = run_on(files(key, task), afar_with(solved(key), cell), task)
        assert verdicts(there) == verdicts(here), edit.hint
        assert not all(point.passed for point in there), edit.hint


@pytest.mark.parametrize(("key", "task"), TASKS)
def test_a_tasks_other_right_answers_pass_in_the_sandbox(key, task, solved):
    answers = [answer for name, answer in table(key)[1].RIGHT if name == task]
    for answer in answers:
        cell = source_of(key, answer)
        there = run_on(files(key, task), afar_with(solved(key), cell), task)
        assert {hint for _, _, hint in verdicts(there)} == {"passed"}, cell


SEEN = """
import pytest
from course_lib.grading.expect import Mistake

@pytest.mark.task("seen")
def test_seen(student, rng):
    import torch
    raise Mistake(str(student.given(torch.randn(3, generator=rng)).tolist()))
"""
SEARCH = """
import os
def given(x):
    return x

def environments():
    found = [repr(dict(os.environ))]
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        numbers = map(str, range(1, 1000))
    for number in numbers:
        for file in "environ", "cmdline":
            try:
                found.append(open(f"/proc/{number}/{file}", "rb").read().decode(errors="replace"))
            except OSError:
                pass
    return "\\n".join(found)
"""


@pytest.fixture
def seed(monkeypatch):
    monkeypatch.setenv("GRADE_SEED", "a secret that nobody tells")
    return "a secret that nobody tells"


def test_the_secret_seed_makes_the_inputs_and_is_not_to_be_seen(tmp_path, monkeypatch, seed):
    test = tmp_path / "test_seen.py"
    test.write_text(SEEN, encoding="utf-8")
    with afar.sandbox() as nursery, Session(nursery, (), [Cell("task given", SEARCH)], limit=60) as session:
        found = []
        for value in (seed, "another", seed):
            monkeypatch.setenv("GRADE_SEED", value)
            found += [point.hint for point in run_on([test], session.student)]
        assert found[0] == found[2] != found[1]
        assert found[0].startswith("[")
        assert [point.hint for point in run([test], {"given": lambda x: x})] == found[:1]

        @contextmanager
        def looking(item):
            with session.student(item) as student:
                text = student.environments()
                assert "HOME" in text
                assert seed not in text
                assert "GRADE_SEED" not in text
                yield student

        assert [point.hint for point in run_on([test], looking)] == found[:1]
