"""What grading a submission found, as plain data: written to disk, read again, and shown in reports.

It holds nothing that differs from run to run, no time and no duration, so that the same submissions,
tests and seed give the same bytes.
"""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Place:
    """A line of the student's own code.

    Attributes
    ----------
    cell : str
        What the cell is called in the report: "task add_noise", or "cell 7", counted from 1 over all cells.
    line : int
        Counted from 1 in that cell.
    code : str
        The line itself.
    """

    cell: str
    line: int
    code: str


@dataclass(frozen=True)
class Outcome:
    """One test of one task, worth one point.

    Attributes
    ----------
    asked : str
        What the test asks, in a line.
    passed : bool
    hint : str
        What the student is told; empty if it passed.
    place : Place or None
        Where the student's code raised an error, if it did.
    hidden : bool
        Whether the student could not run this test.
    """

    asked: str
    passed: bool
    hint: str = ""
    place: Place | None = None
    hidden: bool = False


@dataclass(frozen=True)
class TaskGrade:
    """What became of one task.

    Attributes
    ----------
    task : str
        "add_noise".
    title : str
        Its heading in the exercise, "1 · Adding noise".
    outcomes : tuple of Outcome
    code : str
        The student's cell, as it was graded; empty where there is none.
    """

    task: str
    title: str
    outcomes: tuple[Outcome, ...]
    code: str = ""

    @property
    def points(self) -> int:
        return sum(outcome.passed for outcome in self.outcomes)

    @property
    def possible(self) -> int:
        return len(self.outcomes)


@dataclass(frozen=True)
class Grade:
    """A submission's result.

    Attributes
    ----------
    file : str
        The submission's path below the folder that was graded; it names the student.
    key : str
        The exercise, "diffusion".
    tier : str
        How the code was confined: "bwrap", "landlock", "plain"; empty if none of it ran.
    tasks : tuple of TaskGrade
        All tasks of the exercise, also where nothing could be graded.
    notes : tuple of str
        What the student and the instructor should know: a cell that was there twice, lines that were left out.
    problem : str
        Why the submission could not be graded; empty if it was.
    """

    file: str
    key: str
    tier: str
    tasks: tuple[TaskGrade, ...]
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def points(self) -> int:
        return sum(task.points for task in self.tasks)

    @property
    def possible(self) -> int:
        return sum(task.possible for task in self.tasks)


def to_json(grade: Grade) -> str:
    """The grade as JSON; `from_json` is its inverse."""
    return json.dumps(asdict(grade), ensure_ascii=False, indent=1)


def from_json(text: str) -> Grade:
    """A grade as it was written.

    Raises
    ------
    ValueError
        If this is not a grade.
    """
    try:
        data = json.loads(text)
        tasks = tuple(_task(task) for task in data["tasks"])
        return Grade(**data | {"tasks": tasks, "notes": tuple(data["notes"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is not a grade: {error}") from error


def _task(data: dict) -> TaskGrade:
    return TaskGrade(**data | {"outcomes": tuple(_outcome(outcome) for outcome in data["outcomes"])})


def _outcome(data: dict) -> Outcome:
    place = data["place"]
    return Outcome(**data | {"place": None if place is None else Place(**place)})
