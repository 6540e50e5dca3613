"""Grades such as reports are written from."""

from course_lib.grading.record import Grade, Outcome, Place, TaskGrade

CODE = "def double(x):\n    # twice\n    return x + y"
HOSTILE = "\u202e<script>alert('x')</script>\x00\x1b[31m\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def task(name: str, *outcomes: Outcome, code: str = CODE) -> TaskGrade:
    return TaskGrade(name, f"1 · The task ${name}$", outcomes, code)


def right(asked: str = "Small numbers.", hidden: bool = False) -> Outcome:
    return Outcome(asked, True, hidden=hidden)


def wrong(hint: str, asked: str = "Large numbers.", line: int = 0, hidden: bool = False) -> Outcome:
    place = Place("task double", line, "    return x + y") if line else None
    return Outcome(asked, False, hint, place, hidden)


def unwritten(name: str) -> TaskGrade:
    hint = f"task {name}: write this function, then run its cell and the check below"
    return task(name, wrong(hint), wrong(hint, "Negative numbers.", hidden=True))


def grade(file: str, *tasks: TaskGrade, key: str = "numbers", tier: str = "bwrap", notes=(), problem="") -> Grade:
    return Grade(file, key, tier, tasks, tuple(notes), problem)


def complete(file: str = "anna/03.ipynb") -> Grade:
    return grade(file, task("double", right(), right("Random numbers.", True)), task("half", right(), right()))


def partly(file: str = "ben/03.ipynb") -> Grade:
    double = task("double", right(), wrong("NameError: name 'y' is not defined", line=3), right("Random.", True))
    return grade(file, double, unwritten("half"), notes=("The cell of double was there twice; the last counts.",))


def broken(file: str = "kim/03.ipynb") -> Grade:
    tasks = task("double", wrong("not graded"), code=""), task("half", wrong("not graded"), code="")
    return grade(file, *tasks, tier="", problem="This is not a notebook: it is not JSON.")


def hostile(file: str = f"../../{HOSTILE}/=cmd.ipynb") -> Grade:
    outcome = Outcome("Small numbers.", False, HOSTILE + "A" * 5000, Place(HOSTILE, 3, HOSTILE), True)
    code = f"x = '''{HOSTILE}\n" + "Z" * 100_000 + "\n" * 3 + HOSTILE
    return grade(file, task("double", outcome, code=code), task("half", right()), notes=(f"=1+{HOSTILE}",))


def everyone() -> list[Grade]:
    return [complete(), partly(), broken(), hostile()]
