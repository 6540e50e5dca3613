"""The losses of the library's models are those of the exercises."""

import targets
import torch

from course_lib.data.images import Batch
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.meanflow import MeanFlow, two_times


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
