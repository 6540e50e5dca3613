"""The commands, their options, and how each way to fail is told."""

import argparse
import math
import sys
from pathlib import Path

from course_lib import __version__
from course_lib.device import PROFILES

JUPYTER = {"jupyterlab", "jupytext", "nbformat", "nbclient", "nbconvert", "latex2mathml", "ipykernel", "jupyter_client"}
EXTRAS = dict.fromkeys(JUPYTER, "lab") | dict.fromkeys(("sphinx", "myst_nb", "sphinx_book_theme"), "site")


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except ValueError as error:
        return _fail(str(error), 2)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        return _fail(f"this needs {error.name}: pip install 'course-lib[{EXTRAS[error.name]}]'", 2)
    except OSError as error:
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _fail(message: str, status: int) -> int:
    print(f"course: {' '.join(message.split())}", file=sys.stderr)
    return status


def parser() -> Parser:
    """All commands with their options."""
    top = Parser(prog="course", description="Generative Models in Computer Vision: open, run, train, draw.")
    top.add_argument("--version", action="version", version=f"course-lib {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _for_readers(commands)
    _for_experiments(commands)
    _for_instructors(commands)
    _for_maintainers(commands)
    return top


def _for_readers(commands) -> None:
    from course_lib.cli import doctor, grading, notebooks

    lab = _command(commands, "lab", notebooks.lab, "open JupyterLab at the first notebook")
    lab.add_argument("--no-browser", action="store_true", help="print the address instead")
    lab.add_argument("--port", type=int, help="default: the first free one from 8888")

    run = _command(commands, "run", notebooks.run, "execute a notebook and write it as an HTML page")
    run.add_argument("name", help="03_diffusion")
    run.add_argument("--profile", choices=PROFILES, help="the budget; default: laptop on a CPU, else gpu")
    run.add_argument("--out", type=Path, default=Path("runs"), help="the page's folder (runs)")

    check = _command(commands, "check", grading.check, "run the public checks of an exercise that you have solved")
    check.add_argument("notebook", type=Path, help="exercises/03_diffusion.ipynb")

    _command(commands, "doctor", doctor.doctor, "say what this machine can do and whether all is in place")


def _for_experiments(commands) -> None:
    from course_lib.cli import experiments, models, provenance

    sample = _command(commands, "sample", models.sample, "draw images from a shipped checkpoint")
    sample.add_argument("name", help="fashion_flow, or the path of a .safetensors file")
    sample.add_argument("--n", type=int, default=64, help="how many (64)")
    sample.add_argument("--out", type=Path, help="grid.png, or samples.npz with uint8 pixels (N, H, W, C) and labels")
    sample.add_argument("--label", type=int, help="one class for all images; default: the classes take turns")
    sample.add_argument("--caption", help="what to draw, for models that read captions")
    sample.add_argument("--seed", type=int, default=0)

    verify = _command(commands, "verify", provenance.verify, "say what a picture states about its origin")
    verify.add_argument("picture", type=Path, help="grid.png")

    train = _command(commands, "train", models.train, "train a checkpoint from its recipe")
    train.add_argument("recipe", help="fashion_flow")
    train.add_argument("--out", type=Path, help="RECIPE.safetensors")
    train.add_argument("--resume", action="store_true", help="go on where an interrupted training stopped")

    evaluate = _command(commands, "evaluate", models.evaluate, "measure again the metrics that a checkpoint states")
    evaluate.add_argument("name", help="fashion_flow, or the path of a .safetensors file")

    log = _command(commands, "log", experiments.log, "run one of the logged experiments anew, all seeds")
    log.add_argument("name", help="mixture_games")
    log.add_argument("--out", type=Path, help="NAME.json")


def _for_instructors(commands) -> None:
    from course_lib.cli import grading

    release = _command(
        commands, "release", grading.release, "write the zips to hand out, refusing what gives answers away"
    )
    release.add_argument("name", nargs="?", help="03_diffusion; default: all")
    release.add_argument("--out", type=Path, default=Path("release"), help="the zips' folder (release)")

    grade = _command(commands, "grade", grading.grade, "grade notebooks that were handed in, in a sandbox")
    grade.add_argument("submissions", type=Path, help="a folder, or one notebook")
    grade.add_argument("--out", type=Path, default=Path("graded"), help="the folder of tables and pages (graded)")
    grade.add_argument("--jobs", type=_natural, default=1, help="how many at a time (1)")
    grade.add_argument("--shard", type=_shard, default=(1, 1), metavar="K/N", help="only every N-th from the K-th on")
    tiers = ("bwrap", "landlock", "plain")
    grade.add_argument("--require", choices=tiers, default="landlock", help="refuse a weaker sandbox (landlock)")
    grade.add_argument("--key", help="the exercise, diffusion; default: each notebook is looked at")
    grade.add_argument("--tests", type=Path, help="the folder with checks/ and hidden/, beside solutions/")
    grade.add_argument("--limit", type=_seconds, default=10.0, help="seconds that a test may take (10)")
    grade.add_argument("--gradescope", type=Path, help="also write results.json for Gradescope, of one notebook")
    grade.add_argument("--nbgrader", type=Path, help="also write the points into nbgrader's gradebook.db")


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"K/N with K from 1 to N, 3/20, got {text!r}")
    return int(part), int(parts)


def _natural(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 upwards, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:  # with none at all, every answer would be wrong
        raise argparse.ArgumentTypeError(f"seconds, more than 0, got {text!r}")
    return seconds


def _for_maintainers(commands) -> None:
    from course_lib.cli import board, cards, notebooks, site

    build = _command(commands, "build", notebooks.build, "build the notebooks from notebooks/src, outputs included")
    build.add_argument("name", nargs="?", help="03_diffusion; default: all")
    build.add_argument("--check", action="store_true", help="build nothing; fail if a built notebook is not up to date")
    build.add_argument("--profile", choices=PROFILES, default="laptop", help="the budget of the outputs (laptop)")

    exercises = _command(commands, "exercises", notebooks.exercises, "write the student editions of solutions/")
    exercises.add_argument("--check", action="store_true", help="write nothing; fail if an edition is not up to date")

    written = _command(commands, "cards", cards.cards, "write the model cards and datasheets from what was measured")
    written.add_argument("--check", action="store_true", help="write nothing; fail if a card is not up to date")
    ranked = _command(commands, "leaderboard", board.leaderboard, "write the README's leaderboard from its log")
    ranked.add_argument("--check", action="store_true", help="write nothing; fail if the README shows other numbers")
    pages = _command(commands, "site", site.site, "build the web site: notebooks, exercises, library, glossary, cards")
    pages.add_argument("--out", type=Path, default=Path("build/site"), help="the site's folder (build/site)")
    pages.add_argument("--mathjax", type=Path, metavar="FILE", help="MathJax 3's tex-svg-full.js; default: npm's")


def _command(commands, name: str, function, help: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    command.set_defaults(command=function)
    return command
