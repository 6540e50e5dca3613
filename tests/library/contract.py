"""The contract that every model of the course keeps: one test for all families."""

import torch

from course_lib.data.images import Batch
from course_lib.device import precision, seeded
from course_lib.model import Model, Objective, last
from course_lib.training import Player, adamw, constant, train_steps


def check_model(model: Model, batch: Batch, steps: int = 30) -> None:
    """Assert all that notebooks, recipes and the command line rely on. The model is trained on the batch."""
    check_config(model)
    check_losses(model, batch)
    check_reach(model, batch)
    check_samples(model, batch)
    check_learning(model, batch, steps)


def check_config(model: Model) -> None:
    twin = type(model)(**model.config)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in twin.state_dict().items()} == shapes, (
        "config does not rebuild the model"
    )


def check_losses(model: Model, batch: Batch) -> None:
    for objective in model.objectives():
        terms = objective.loss(batch)
        assert "loss" in terms, f"{objective.name} reports no loss"
        assert all(value.shape == () and value.isfinite() for value in terms.values())
        assert terms["loss"].requires_grad


def check_reach(model: Model, batch: Batch) -> None:
    """Each parameter belongs to one objective, and some step moves it."""
    owned = [id(p) for o in model.objectives() for p in o.params]
    assert sorted(owned) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in train_steps(model, iter([batch] * 5), 5):
        pass
    still = [name for name, p in model.named_parameters() if p.requires_grad and torch.equal(p, before[name])]
    assert not still, f"no objective moves {still}"


def check_samples(model: Model, batch: Batch) -> None:
    images = []
    for _ in range(2):
        with seeded(3, model.device):
            images.append(last(model.sample(4)))
    assert images[0].shape == (4, *batch.x.shape[1:])
    assert images[0].isfinite().all()
    assert not images[0].requires_grad
    assert torch.equal(*images), "the same seed gave other images"


def check_learning(model: Model, batch: Batch, steps: int) -> None:
    """Each player, alone on one batch, lowers its loss; where two play, the other one waits."""
    for objective in model.objectives():
        player = Player(objective, adamw, constant, precision(model.device))
        before = mean_loss(objective, batch)
        for seed in range(steps):
            with seeded(seed, model.device):
                player.update(batch)
        assert mean_loss(objective, batch) < before, f"training on one batch did not lower the loss of {objective.name}"


def mean_loss(objective: Objective, batch: Batch) -> float:
    with seeded(0, batch.x.device):
        return sum(float(objective.loss(batch)["loss"].detach()) for _ in range(8)) / 8
