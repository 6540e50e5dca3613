"""Exercises, solutions, tests, mutants and the library agree with each other, in every module that has them.

A module joins with its key in `KEYS`. Its `tests/mutants/KEY_right.py` holds `LIBRARY`, what the library calls
the exercises' functions; those that are a method of a model there are named in `METHODS` instead, and
compared in tests/library/test_KEY_exercises.py.
"""

import importlib
import re
from collections.abc import Callable, Iterator

import nbformat
import pytest
import targets
import torch
from torch import Tensor, nn

from course_lib.grading.points import Point, run
from course_lib.grading.release import student_edition

KEYS = ["introduction", "gans", "vaes", "diffusion", "transformers", "ssms", "applications", "ethics"]
SEEDS = 50
FUNCTION = re.compile(r"^def (\w+)", re.MULTILINE)


def points(key: str, namespace: dict, task: str | None = None, folders=("checks", "hidden")) -> list[Point]:
    return run([file for folder in folders for file in targets.files(key, folder)], namespace, task)


def failures(found: list[Point]) -> list[str]:
    return [f"{point.task}: {point.asked} {point.hint}" for point in found if not point.passed]


def table(key: str):
    return importlib.import_module(f"mutants.{key}"), importlib.import_module(f"mutants.{key}_right")


def wrong_answers():
    return [
        pytest.param(key, wrong, id=f"{key}-{wrong.task}-{wrong.hint}") for key in KEYS for wrong in table(key)[0].WRONG
    ]


def right_answers():
    return [
        pytest.param(key, task, answer, id=f"{key}-{task}-{i}")
        for key in KEYS
        for i, (task, answer) in enumerate(table(key)[1].RIGHT)
    ]


def test_no_two_modules_have_a_task_of_one_name():
    names = [task for key in KEYS for task in targets.tasks(key)]  # check("name") looks through all modules
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", KEYS)
def test_the_solution_passes(key):
    assert failures(points(key, targets.solution(key))) == []


@pytest.mark.parametrize("key", KEYS)
def test_a_stub_fails_with_not_implemented_and_nothing_else(key):
    found = points(key, targets.stubs(key))
    assert found
    assert {type(point.error) for point in found} == {NotImplementedError}


@pytest.mark.parametrize("key", KEYS)
def test_the_library_passes_under_the_exercises_names(key):
    rights = table(key)[1]
    assert sorted([*rights.LIBRARY, *rights.METHODS]) == sorted(functions(key))
    done = [task for task, code in targets.tasks(key).items() if rights.LIBRARY.keys() >= set(FUNCTION.findall(code))]
    assert failures([point for task in done for point in points(key, rights.LIBRARY, task)]) == []


@pytest.mark.parametrize(("key", "wrong"), wrong_answers())
def test_a_mutant_is_caught_with_its_hint(key, wrong):
    code = targets.tasks(key)[wrong.task]
    assert wrong.old in code, "the edit no longer applies to the solution"
    namespace = targets.changed(key, {wrong.task: code.replace(wrong.old, wrong.new)})
    hidden, checked = (failures(points(key, namespace, wrong.task, [folder])) for folder in ("hidden", "checks"))
    assert hidden, "no hidden test fails"
    assert any(wrong.hint in failure for failure in checked + hidden)


@pytest.mark.parametrize(("key", "task", "answer"), right_answers())
def test_another_right_answer_passes(key, task, answer):
    namespace = targets.solution(key) | {answer.__name__: answer}
    assert failures(points(key, namespace, task)) == []


@pytest.mark.parametrize("key", KEYS)
def test_each_task_has_points_three_mutants_and_two_other_answers(key):
    mutants, rights = table(key)
    namespace = targets.solution(key)
    for task in targets.tasks(key):
        for folder in ("checks", "hidden"):
            assert points(key, namespace, task, [folder])
        assert sum(wrong.task == task for wrong in mutants.WRONG) >= 3
        assert sum(name == task for name, _ in rights.RIGHT) >= 2


@pytest.mark.parametrize("key", KEYS)
def test_no_test_fails_the_reference_in_many_seeds(key, monkeypatch):
    for seed in range(SEEDS):
        monkeypatch.setenv("GRADE_SEED", f"seed {seed}")
        assert failures(points(key, targets.solution(key), folders=["hidden"])) == [], f"GRADE_SEED=seed {seed}"


@pytest.mark.parametrize("key", KEYS)
def test_hidden_inputs_follow_the_secret_seed(key, monkeypatch):
    runs = []
    for seed in ("a", "b", "a"):
        monkeypatch.setenv("GRADE_SEED", seed)
        runs.append(inputs(key))
    first, other, again = runs
    assert first.keys() == other.keys() == again.keys() == set(functions(key))
    for name in first:
        assert torch.equal(first[name], again[name]), name
        assert not torch.equal(first[name], other[name]), name


def functions(key: str) -> list[str]:
    return [name for code in targets.tasks(key).values() for name in FUNCTION.findall(code)]


def inputs(key: str) -> dict[str, Tensor]:
    """Each function of the exercises -> all numbers that the hidden tests give it, in a row."""
    solution, seen = targets.solution(key), {}

    def spy(name: str) -> Callable:
        def called(*args):
            seen.setdefault(name, []).extend(part.detach().double().flatten().nan_to_num() for part in numbers(args))
            return solution[name](*args)

        return called

    found = points(key, solution | {name: spy(name) for name in functions(key)}, folders=["hidden"])
    assert failures(found) == []
    return {name: torch.cat(parts) for name, parts in seen.items()}


def numbers(value: object) -> Iterator[Tensor]:
    """The numbers in an argument: a tensor, a number, a module's weights, or several of these."""
    if isinstance(value, Tensor) and value.is_complex():
        yield torch.view_as_real(value)
    elif isinstance(value, Tensor | float | int):
        yield torch.as_tensor(value)
    elif isinstance(value, nn.Module):
        yield from value.state_dict().values()
    elif isinstance(value, tuple | list):
        for part in value:
            yield from numbers(part)


@pytest.mark.parametrize("key", KEYS)
def test_the_student_edition_is_what_the_master_gives(key):
    (source,) = targets.ROOT.glob(f"solutions/[0-9][0-9]_{key}.py")
    edition = targets.ROOT / "exercises" / f"{source.stem}.ipynb"
    assert edition.read_text(encoding="utf-8") == nbformat.writes(student_edition(source)) + "\n"
