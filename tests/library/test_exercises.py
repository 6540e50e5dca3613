"""Exercises, solutions, tests, mutants and the library agree with each other."""

import importlib
import re

import nbformat
import pytest
import targets
import torch

from course_lib.data.images import Batch
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.meanflow import MeanFlow, two_times
from course_lib.grading.points import Point, run
from course_lib.grading.release import student_edition

KEYS = ["diffusion"]
SEEDS = 50
FUNCTION = re.compile(r"^def (\w+)", re.MULTILINE)
COMPARED_BELOW = ("flow_loss", "meanflow_loss")  # methods of models in the library


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
    namespace = table(key)[1].LIBRARY
    done = [task for task, code in targets.tasks(key).items() if namespace.keys() >= set(FUNCTION.findall(code))]
    assert len(done) >= len(targets.tasks(key)) - len(COMPARED_BELOW)
    assert failures([point for task in done for point in points(key, namespace, task)]) == []


@pytest.mark.parametrize(("key", "wrong"), wrong_answers())
def test_a_mutant_is_caught_with_its_hint(key, wrong):
    code = targets.tasks(key)[wrong.task]
    assert wrong.old in code, "the edit no longer applies to the solution"
    namespace = targets.changed(key, {wrong.task: code.replace(wrong.old, wrong.new)})
    assert failures(points(key, namespace, wrong.task, ["hidden"])), "no hidden test fails"
    assert any(wrong.hint in failure for failure in failures(points(key, namespace, wrong.task)))


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
    seen = []
    namespace = targets.solution(key) | {"add_noise": lambda x0, *rest: seen.append(x0) or x0}
    for seed in ("a", "b", "a"):
        monkeypatch.setenv("GRADE_SEED", seed)
        points(key, namespace, "add_noise", ["hidden"])
    runs = torch.stack([x0 for x0 in seen if x0.shape == (4, 4, 4, 4)])
    assert torch.equal(runs[0], runs[2])
    assert not torch.equal(runs[0], runs[1])


@pytest.mark.parametrize("key", KEYS)
def test_the_student_edition_is_what_the_master_gives(key):
    (source,) = targets.ROOT.glob(f"solutions/[0-9][0-9]_{key}.py")
    edition = targets.ROOT / "exercises" / f"{source.stem}.ipynb"
    assert edition.read_text(encoding="utf-8") == nbformat.writes(student_edition(source)) + "\n"


def test_the_flow_loss_of_the_library_is_the_exercise():
    model, batch = small(Flow)
    torch.manual_seed(1)
    ours = model.loss(batch)["loss"]
    torch.manual_seed(1)
    t, eps = torch.randn(len(batch.x)).sigmoid(), torch.randn_like(batch.x)
    theirs = targets.solution("diffusion")["flow_loss"](lambda x, t: model.net(x, t, batch.y), batch.x, eps, t)
    torch.testing.assert_close(theirs, ours, atol=1e-6, rtol=1e-6)


def test_the_meanflow_error_of_the_library_is_the_exercise():
    model, batch = small(MeanFlow)
    torch.manual_seed(1)
    ours = model.loss(batch)["error"]
    torch.manual_seed(1)
    r, t = two_times(batch.x)
    eps = torch.randn_like(batch.x)
    loss = targets.solution("diffusion")["meanflow_loss"]
    theirs = loss(lambda x, r, t: model.average(x, r, t, batch.y), batch.x, eps, r, t)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


def small(family):
    """An untrained model that draws something, and a batch; labels are never hidden."""
    torch.manual_seed(0)
    model = family(size=8, width=32, depth=1, classes=3, drop=0.0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model, Batch(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 1]))
