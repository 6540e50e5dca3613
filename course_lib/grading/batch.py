"""Grade a folder of submissions: many at a time, interruptible, the same grades each time."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

from course_lib import __version__
from course_lib.grading.exercise import Exercise, all_exercises
from course_lib.grading.handed_in import HandedIn
from course_lib.grading.ipynb import LARGEST
from course_lib.grading.job import Conditions, Job
from course_lib.grading.ledger import Ledger, digest
from course_lib.grading.record import Grade
from course_lib.grading.submission import Unreadable, key_of

MOST_TRIES = 2  # of a submission that ends the grading process, which nothing in a sandbox should be able to


class Batch:
    """All submissions of one run.

    Parameters
    ----------
    submissions : list of HandedIn
    conditions : Conditions
    ledger : Path
        The folder in which finished grades are kept.
    key : str, optional
        The exercise of all of them; else each is looked at.

    Raises
    ------
    ValueError
        If there is no such exercise.
    """

    def __init__(
        self, submissions: list[HandedIn], conditions: Conditions, ledger: Path, key: str | None = None
    ) -> None:
        self.submissions, self.conditions, self.key = submissions, conditions, key
        self.exercises = all_exercises(conditions.root, conditions.tests)
        if key is not None and key not in self.exercises:
            raise ValueError(f"there is no exercise {key!r}; there are: {', '.join(self.exercises)}")
        self._ledger = {name: self._ledger_of(ledger, exercise) for name, exercise in self.exercises.items()}

    def _ledger_of(self, folder: Path, exercise: Exercise) -> Ledger:
        words = __version__, self.conditions.tier, str(self.conditions.limit)
        what = digest([exercise.master, *exercise.files], *words)
        return Ledger(folder, self.conditions.seed, what)

    def grades(self, jobs: int, done: Callable[[int], object]) -> list[Grade]:
        """The grades, in the order of the submissions.

        Parameters
        ----------
        jobs : int
            Processes.
        done : function
            Told how many more are done.

        Raises
        ------
        KeyboardInterrupt
            What is graded stays: the same run goes on there.
        ValueError
            If the grader does not work on this machine.
        """
        found: dict[str, Grade] = {}
        left = []
        for submission in self.submissions:
            grade, key = self._at_once(submission)
            if grade is None:
                left.append((submission, key))
            else:
                found[submission.name] = grade
        done(len(found))
        for submission, grade in self._in_jobs(left, min(jobs, len(left))):
            found[submission.name] = grade
            done(1)
        return [found[submission.name] for submission in self.submissions]

    def _at_once(self, submission: HandedIn) -> tuple[Grade | None, str]:
        """What needs no job: the grade of a submission that cannot be read, or that was graded already."""
        try:
            key = self.key or key_of(submission.path, {k: e.master for k, e in self.exercises.items()})
        except Unreadable as error:
            if len(self.exercises) == 1:
                return next(iter(self.exercises.values())).refused(submission.name, str(error)), ""
            return Grade(submission.name, "", "", (), (), str(error)), ""
        return self._ledger[key].find(submission.name, _content(submission.path)), key

    def _in_jobs(self, left: list[tuple[HandedIn, str]], count: int) -> Iterator[tuple[HandedIn, Grade]]:
        queue, tries = [*reversed(left)], dict.fromkeys((submission.name for submission, _ in left), 0)
        busy: dict[Job, tuple[HandedIn, str]] = {}
        jobs = [Job(self.conditions) for _ in range(count)]
        try:
            while queue or busy:
                for job in jobs:
                    if job not in busy and queue:
                        busy[job] = queue.pop()
                        job.begin(busy[job][0].name, busy[job][0].path, busy[job][1])
                for pipe in wait([job.pipe for job in busy]):
                    job = next(job for job in busy if job.pipe is pipe)
                    submission, key = busy.pop(job)
                    try:
                        grade = job.grade()
                    except EOFError:
                        jobs[jobs.index(job)] = Job(self.conditions)
                        tries[submission.name] += 1
                        if tries[submission.name] < MOST_TRIES:
                            queue.append((submission, key))
                            continue
                        grade = self.exercises[key].refused(submission.name, "grading it ended the grader's process")
                    self._ledger[key].keep(submission.name, _content(submission.path), grade)
                    yield submission, grade
        finally:
            for job in jobs:
                job.close()


def _content(path: Path) -> bytes:
    """What a ledger's entry is the grade of; a file that cannot be graded has no more than its size."""
    try:
        size = path.stat().st_size
        return path.read_bytes() if path.is_file() and size <= LARGEST else str(size).encode()
    except OSError:
        return b""


def secret(folder: Path) -> str:
    """The seed of the runs in a folder: `GRADE_SEED`, else one drawn at the first run and kept there."""
    if given := os.environ.get("GRADE_SEED"):
        return given
    path = folder / "seed"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder) as file, contextlib.suppress(FileExistsError):
            file.write(secrets.token_hex(16))
            file.flush()
            os.link(file.name, path)  # whole or not at all: other machines may begin at the same time
    return path.read_text(encoding="utf-8").strip()
