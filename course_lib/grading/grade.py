"""Grade one submission: the tests run here, the student's code in a sandbox."""

from pathlib import Path

from course_lib.grading.exercise import Exercise
from course_lib.grading.points import Point, run_on
from course_lib.grading.record import Grade, Outcome, Place
from course_lib.grading.remote.frames import LinkError
from course_lib.grading.sandbox.host import Nursery
from course_lib.grading.session import TEST, Session
from course_lib.grading.submission import Unreadable, read, setup_cells


def grade(path: Path, exercise: Exercise, nursery: Nursery, *, name: str | None = None, limit: float = TEST) -> Grade:
    """Grade what was handed in.

    Parameters
    ----------
    path : Path
        A notebook, whatever is in it.
    exercise : Exercise
    nursery : Nursery
        The sandbox.
    name : str, optional
        What the submission is called in the reports; the file's name if not given.
    limit : float
        Seconds that one test may take.

    Returns
    -------
    Grade
        Also for a file that cannot be read: then with the `problem`.
    """
    name = name or path.name
    try:
        submission = read(path, exercise.master)
    except Unreadable as error:
        return exercise.refused(name, str(error))
    with Session(nursery, setup_cells(exercise.master), submission.cells, limit) as session:
        points = run_on(exercise.files, session.student)
    hidden = {path.resolve() for path in exercise.hidden}
    outcomes: dict[str, list[Outcome]] = {}
    for point in points:
        outcomes.setdefault(point.task, []).append(_outcome(point, session, point.file in hidden))
    notes = (*submission.notes, *_told_of_cells(session), *session.notes)
    return Grade(name, exercise.key, str(nursery.tier), exercise.graded(outcomes, submission.code), notes)


def _outcome(point: Point, session: Session, hidden: bool) -> Outcome:
    if point.passed:
        return Outcome(point.asked, True, "", None, hidden)
    hint, where = point.hint, point.where
    if isinstance(point.error, LinkError):
        hint = session.told(point.error)
    failure = session.failures.get(f"task {point.task}")
    if failure is not None and isinstance(point.error, NotImplementedError) and where is None:
        # The function is not there because its cell did not run to its end: that is the news.
        hint, where = _told(failure), getattr(failure, "where", None)
    place = Place(where.cell, where.line, where.code) if where else None
    return Outcome(point.asked, False, hint, place, hidden)


def _told_of_cells(session: Session) -> list[str]:
    return [
        f"{cell} stopped with {_told(error)}"
        for cell, error in session.failures.items()
        if not any(note.startswith(f"{cell} was left out") for note in session.notes)
    ]


def _told(error: Exception) -> str:
    kind = getattr(error, "kind", None)
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{kind}: {text}" if kind else text
