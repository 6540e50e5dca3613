"""course lab, run, build, exercises."""

import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from course_lib import places
from course_lib.device import profile
from course_lib.notebooks import catalogue


def lab(options) -> int:
    """Open JupyterLab at the first notebook; an installed course is copied to ./course-notebooks first."""
    if find_spec("jupyterlab") is None:
        raise ModuleNotFoundError(name="jupyterlab")
    if not catalogue.names():
        raise ValueError("this course has no notebooks: the installation is incomplete")
    root = places.checkout() or copied(Path("course-notebooks"))
    folder = root / "notebooks"
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command.append(f"--LabApp.default_url=/lab/tree/{folder.name}/{catalogue.names()[0]}.ipynb")
    command += ["--no-browser"] * options.no_browser
    command += [f"--port={options.port}"] if options.port else []
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return subprocess.run(command).returncode


def copied(target: Path) -> Path:
    """Copy the notebooks and exercises of an installed course to where they can be edited; keep what is there."""
    for source in (places.notebooks(), places.exercises()):
        (target / source.name).mkdir(parents=True, exist_ok=True)
        for path in source.glob("*.ipynb"):
            if not (target / source.name / path.name).exists():
                shutil.copy(path, target / source.name)
    return target.resolve()


def run(options) -> int:
    """Execute a notebook and write its page."""
    from course_lib.notebooks.execute import CellError
    from course_lib.notebooks.run import run as run_notebook

    page = options.out / f"{options.name}.html"
    try:
        run_notebook(options.name, options.profile or profile(), options.out)
    except CellError as error:
        print(f"course: {options.name}, {error}. The page up to there: {page}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"course: interrupted. The page up to there: {page}", file=sys.stderr)
        return 130
    print(page)
    return 0


def build(options) -> int:
    """Build notebooks, or check those that are built."""
    from course_lib.notebooks.build import problems

    root = _checkout()
    sources = _sources(root, options.name)
    if options.check:
        found = [problem for source in sources for problem in problems(source, _built(source))]
        found += [] if options.name else _without_source(root, sources)
        return _report(found, root)
    return max(_build(source, root, options.profile) for source in sources)


def _build(source: Path, root: Path, budget: str) -> int:
    from course_lib.notebooks.build import build as build_notebook
    from course_lib.notebooks.execute import CellError

    start, out = time.monotonic(), _built(source)
    try:
        build_notebook(source, out, budget)
    except CellError as error:
        print(f"course: {source.stem}, {error}. Nothing was written.", file=sys.stderr)
        return 1
    print(f"{out.relative_to(root)}  {time.monotonic() - start:.0f} s  {out.stat().st_size / 1e3:.0f} kB")
    return 0


def _checkout() -> Path:
    if root := places.checkout():
        return root
    raise ValueError("this works in a checkout of the course only: an installed one has no sources")


def _sources(root: Path, name: str | None) -> list[Path]:
    found = sorted((root / "notebooks" / "src").glob("[0-9]*.py"))
    chosen = [path for path in found if name in (None, path.stem)]
    if not chosen:
        raise ValueError(f"no source is called {name!r}; there are: {', '.join(p.stem for p in found) or 'none yet'}")
    return chosen


def _built(source: Path) -> Path:
    return source.parent.parent / f"{source.stem}.ipynb"


def _without_source(root: Path, sources: list[Path]) -> list[str]:
    orphans = set((root / "notebooks").glob("*.ipynb")) - {_built(source) for source in sources}
    return [f"{path} has no source in notebooks/src" for path in sorted(orphans)]


def _report(found: list[str], root: Path) -> int:
    for problem in found:
        print(problem.replace(f"{root}/", ""), file=sys.stderr)
    return int(bool(found))


def exercises(options) -> int:
    """Write the student editions, or check those that are written."""
    import nbformat

    from course_lib.grading.release import student_edition

    root, stale = _checkout(), []
    for source in sorted((root / "solutions").glob("[0-9]*.py")):
        target = root / "exercises" / f"{source.stem}.ipynb"
        text = nbformat.writes(student_edition(source)) + "\n"
        if options.check and not (target.exists() and target.read_text(encoding="utf-8") == text):
            stale.append(f"{target} is not what its solution gives: course exercises")
        elif not options.check:
            target.write_text(text, encoding="utf-8")
            print(target.relative_to(root))
    return _report(stale, root)
