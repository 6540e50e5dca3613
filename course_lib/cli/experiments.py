"""course log: run a logged experiment anew."""

import pkgutil
import sys
from importlib import import_module
from pathlib import Path

from course_lib import experiments
from course_lib.experiments import write


def log(options) -> int:
    """Run an experiment and write its log, after each run anew: an interruption loses only the run it hits."""
    known = sorted(found.name for found in pkgutil.iter_modules(experiments.__path__) if not found.ispkg)
    if options.name not in known:
        raise ValueError(f"no experiment is called {options.name!r}; there are: {', '.join(known)}")
    out, runs = options.out or Path(f"{options.name}.json"), []
    out.parent.mkdir(parents=True, exist_ok=True)
    for run in import_module(f"course_lib.experiments.{options.name}").run():
        runs.append(run)
        write(out, runs)
        found = ", ".join(f"{name} {value:.4g}" for name, value in run.results.items())
        print(f"{run.name}, seed {run.seed}: {found} ({run.seconds:.0f} s)", file=sys.stderr)
    print(out)
    return 0
