"""Recipes train, measure and draw models that lie on another device than their data, as with a GPU."""

import inspect
from importlib import import_module

import pytest
import torch
from library import elsewhere

from benchmarks.gpu_job import samples
from course_lib.checkpoints import pretrained
from course_lib.model import Model


def test_the_other_device_computes_and_refuses_to_mix(monkeypatch):
    x = torch.arange(3.0)
    with elsewhere.there(monkeypatch):
        y = elsewhere.Elsewhere(x)
        assert (2 * y).sum().item() == 6
        assert torch.equal((y + torch.ones(3, device=y.device)).cpu(), x + 1)
        assert y[torch.tensor([2])].item() == 2  # an index may lie here
        with pytest.raises(RuntimeError, match="on one device"):
            y + x
        with pytest.raises(RuntimeError, match="on one device"):
            torch.cat([y, x])


@pytest.mark.parametrize("name", ["digits_mamba", "night_flow", "nightfall_video"])
def test_a_recipe_measures_and_draws_a_model_elsewhere(name, monkeypatch):
    recipe, model = import_module(f"course_lib.recipes.{name}"), elsewhere.moved(pretrained(name))
    few = {"n": 2} if "n" in inspect.signature(recipe.evaluate).parameters else {}
    with elsewhere.there(monkeypatch):
        assert recipe.evaluate(model, **few)
        pictures, _ = samples(recipe, model, None, 2)
    assert pictures.device == model.device == elsewhere.THERE


@pytest.mark.parametrize("name", ["digits_mamba", "fashion_gan"])
def test_a_loss_is_taken_elsewhere(name, monkeypatch):
    recipe = import_module(f"course_lib.recipes.{name}")
    model: Model = elsewhere.moved(recipe.build())
    batch = next(recipe.data().batches(4))
    with elsewhere.there(monkeypatch):
        batch = type(batch)(*map(elsewhere.Elsewhere, batch))
        for objective in model.objectives():
            objective.loss(batch)["loss"].backward(inputs=objective.params)
            assert all(p.grad.device == elsewhere.THERE for p in objective.params if p.grad is not None)
