"""The house is in order: names, sizes, floors, and nothing that does not belong into a repository."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "course_lib"
FILES = sorted(LIBRARY.rglob("*.py"))

MODULES = {
    "gans": "01_gans",
    "vaes": "02_vaes",
    "diffusion": "03_diffusion",
    "transformers": "04_transformers",
    "ssms": "05_ssms",
    "applications": "06_applications",
    "ethics": "07_ethics",
}
INTRODUCTION = "00_introduction"

# Where a module lives. One that has a room anywhere has all of them, and no room has another name.
ROOMS = {
    "source": "notebooks/src/{numbered}.py",
    "notebook": "notebooks/{numbered}.ipynb",
    "library": "course_lib/{key}/__init__.py",
    "exercise": "exercises/{numbered}.ipynb",
    "solution": "solutions/{numbered}.py",
    "tests": "tests/library/test_{key}*.py",
    "checks": "tests/checks/*{key}*.py",
    "hidden": "tests/hidden/*{key}*.py",
    "mutants": "tests/mutants/*{key}*.py",
}

MB = 1_000_000


def in_room(room: str, key: str) -> list[Path]:
    return list(ROOT.glob(ROOMS[room].format(key=key, numbered=MODULES[key])))


def started() -> list[str]:
    return [key for key in MODULES if any(in_room(room, key) for room in ROOMS)]


@pytest.mark.parametrize("key", started())
def test_a_module_has_all_its_rooms(key):
    missing = [ROOMS[room].format(key=key, numbered=MODULES[key]) for room in ROOMS if not in_room(room, key)]
    assert not missing


@pytest.mark.parametrize("pattern", ["notebooks/src/*.py", "notebooks/*.ipynb", "exercises/*.ipynb", "solutions/*.py"])
def test_no_room_has_another_name(pattern):
    known = {INTRODUCTION, *MODULES.values()}
    assert {path.stem for path in ROOT.glob(pattern)} - known == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1 - (ast.get_docstring(node, clean=False) or "").count("\n")
            assert lines <= 40, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_is_silent_and_runs_anywhere(path):
    """Nothing prints, except the command and the rebuild scripts; nothing asks for a CUDA device by name."""
    may_print = {"cli", "rebuild"} & set(path.relative_to(LIBRARY).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert may_print or not (isinstance(node.func, ast.Name) and node.func.id == "print"), node.lineno
            assert not (isinstance(node.func, ast.Attribute) and node.func.attr == "cuda"), node.lineno


def test_nothing_looks_up():
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_linter_is_content():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_grading_is_kept_from_every_family():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = next(contract for contract in contracts if contract["type"] == "forbidden")["forbidden_modules"]
    assert {f"course_lib.{key}" for key in MODULES if (LIBRARY / key).is_dir()} <= set(forbidden)


@pytest.mark.parametrize("module", ["course_lib", "course_lib.cli"])
def test_start_up_loads_torch_and_little_else(module):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "torch" in loaded
    assert loaded & {"torchvision", "matplotlib", "ipywidgets", "IPython", "PIL", "scipy", "nbformat"} == set()


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("not a git checkout")
    return [path for name in result.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_sizes(tracked):
    size = {path: path.stat().st_size for path in tracked}
    assert sum(size.values()) < 48 * MB
    beside = {path: size[path] for path in tracked if path.is_relative_to(LIBRARY / "weights")}
    # the tokens of 70,000 images lie beside the tokenizer that made them, but are data
    assert sum(size for path, size in beside.items() if path.suffix == ".safetensors") < 26 * MB
    assert max(beside.values(), default=0) < 4 * MB
    assert max((size[path] for path in tracked if path.suffix == ".ipynb"), default=0) < 1.5 * MB


def test_no_leftovers(tracked):
    """No open ends, no path of somebody's machine, no address that only one network knows."""
    unwanted = ["TO" + "DO", "FIX" + "ME", "/ro" + "ot/", "/wo" + "rk/", "/ho" + "me/", "/Us" + "ers/"]
    unwanted += ["pypi" + ".org", "python" + "hosted", "npm" + "js", "download.py" + "torch", "index" + "-url"]
    found = [f"{path.relative_to(ROOT)}: {word}" for path in tracked for word in unwanted if word in text_of(path)]
    assert not found


def text_of(path: Path) -> str:
    try:
        # a picture in base64 holds any four letters sooner or later
        return re.sub(r'"image/png": "[^"]*"', "", path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return ""


def test_ci_runs_the_command_that_the_readme_names():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert 'pip install -c constraints.txt -e ".[lab,dev]"' in readme
    assert '-c constraints.txt -e ".[lab,dev]"' in ci
    assert "python -m pytest -n 2 --dist loadfile" in readme
    assert "python -m pytest -n 2 --dist loadfile" in ci


def test_the_readme_names_the_one_address():
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    assert f"git clone {address} " in (ROOT / "README.md").read_text()
