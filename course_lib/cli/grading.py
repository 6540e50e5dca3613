"""course release, grade, check."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from course_lib import places


def release(options) -> int:
    """Write the zips for students and for Gradescope, of one exercise or of all."""
    from course_lib.grading.bundles import release as release_exercise

    root = places.checkout()
    if root is None:
        raise ValueError("this works in a checkout of the course only: an installed one has no solutions")
    masters = sorted((root / "solutions").glob("[0-9]*.py"))
    chosen = [path for path in masters if options.name in (None, path.stem)]
    if not chosen:
        raise ValueError(f"no exercise is called {options.name!r}; there are: {', '.join(p.stem for p in masters)}")
    seed = os.environ.get("GRADE_SEED", "")
    for master in chosen:
        for path in release_exercise(master, root / "tests", options.out, seed):
            print(path)
    if not seed:
        print("course: GRADE_SEED is not set, so Gradescope's machines draw what anybody can draw", file=sys.stderr)
    return 0


def grade(options) -> int:
    """Grade what was handed in; write the table, the pages and what else was asked for."""
    from tqdm import tqdm

    from course_lib.grading.batch import Batch, secret
    from course_lib.grading.handed_in import handed_in
    from course_lib.grading.job import Conditions
    from course_lib.grading.sandbox import limits, tiers

    limits.protect()  # this process knows the seed
    tests = _tests(options.tests)
    part, parts = options.shard
    submissions = handed_in(options.submissions)[part - 1 :: parts]
    if options.gradescope and len(submissions) != 1:
        raise ValueError(f"--gradescope is for one submission, got {len(submissions)}")
    tier = tiers.choose(options.require)
    (options.out / "grades").mkdir(parents=True, exist_ok=True)  # if that fails, then before all work
    conditions = Conditions(tests.parent, tests, str(tier), secret(options.out), options.limit)
    batch = Batch(submissions, conditions, options.out / "grades", options.key)
    with tqdm(total=len(submissions), unit="submission", desc=f"grading ({tier})") as bar:
        try:
            grades = batch.grades(options.jobs, bar.update)
        except KeyboardInterrupt:
            bar.close()
            print(f"course: interrupted; {bar.n} of {len(submissions)} are graded, "
                  "and the same command goes on there", file=sys.stderr)  # fmt: skip
            return 130
    if parts > 1:
        print(f"{len(grades)} graded; the same command without --shard writes the tables and pages of all")
        return 0
    _report(grades, {key: exercise.name for key, exercise in batch.exercises.items()}, options, tier)
    return 0


def _report(grades: Sequence, names: dict[str, str], options, tier) -> None:
    from course_lib.grading.ipynb import shown
    from course_lib.grading.reports import feedback, gradescope, summary, table

    out = options.out
    table.write_table(grades, out / "grades.csv")
    feedback.write_feedback(grades, out / "feedback", names, tier.guarantee)
    summary.write_summary(grades, out / "index.html", names, tier.guarantee)
    if options.gradescope:
        gradescope.write_results(grades[0], options.gradescope)
    if options.nbgrader:
        from course_lib.grading.reports import nbgrader

        nbgrader.export(grades, options.nbgrader)
    for grade in grades:
        print(f"{grade.points:5} of {grade.possible:<4} {shown(grade.file)}   {shown(grade.problem)}".rstrip())
    print(f"\n{out / 'index.html'}   {out / 'grades.csv'}")


def _tests(given: Path | None) -> Path:
    """The folder with `checks/` and `hidden/`; `solutions/` lies beside it."""
    root = places.checkout()
    if given is None and root is None:
        raise ValueError("an installed course has no hidden tests: --tests FOLDER, with checks/ and hidden/ in it")
    tests = (given or root / "tests").resolve()
    if not (tests / "hidden").is_dir():
        raise ValueError(f"{tests} has no folder hidden/: it should hold checks/ and hidden/, beside solutions/")
    return tests


def check(options) -> int:
    """Run the public checks of a notebook's tasks on what it defines, in this process: for one's own code."""
    from course_lib.grading.own import check_notebook

    results = check_notebook(options.notebook)
    for result in results:
        print(f"{result.task}\n{result!r}\n".replace("\n", "\n  ").rstrip() + "\n")
    passed = sum(result.passed for result in results)
    print(f"{passed} of {len(results)} tasks pass the public checks; hidden tests may still fail.")
    return int(passed < len(results))
