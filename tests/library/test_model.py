"""Every model of the course keeps the contract."""

import pytest
import torch

from course_lib.data.images import Batch
from course_lib.diffusion.ddpm import Ddpm
from course_lib.diffusion.edm import Edm
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.meanflow import MeanFlow
from course_lib.model import Model, last
from tests.library.contract import check_model

SMALL = {"channels": 1, "size": 8, "width": 32, "depth": 1, "classes": 3}


class Forgetful(Flow):
    def __init__(self, **config) -> None:
        super().__init__(**config)
        self.forgotten = torch.nn.Parameter(torch.zeros(3))


@pytest.fixture
def batch() -> Batch:
    return Batch(torch.rand(16, 1, 8, 8) * 2 - 1, torch.arange(16) % 3)


@pytest.mark.parametrize("family", [Flow, Ddpm, Edm, MeanFlow])
def test_contract(family, batch):
    check_model(family(**SMALL), batch)


def test_the_contract_notices_a_parameter_that_nobody_trains(batch):
    with pytest.raises(AssertionError, match="forgotten"):
        check_model(Forgetful(**SMALL), batch)


def test_the_contract_notices_a_config_that_does_not_rebuild(batch):
    model = Flow(**SMALL)
    model.config = model.config | {"width": 64}
    with pytest.raises(AssertionError, match="config"):
        check_model(model, batch)


def test_a_bare_model_promises_nothing():
    with pytest.raises(NotImplementedError):
        Model().loss(Batch(torch.zeros(1, 1, 8, 8), torch.zeros(1)))
    with pytest.raises(NotImplementedError):
        Model().sample(1)


def test_last_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one step"):
        last(iter([]))
