"""What every judge does: come in the pinned version, in a stated unit, and compare n images with real ones."""

import numpy as np
import torch
from torch import Tensor

from course_lib import checkpoints
from course_lib.metrics import Score, Statistics, embed, frechet_distance, precision_recall
from course_lib.model import Model

# The unit of a distance is free. Features are scaled to this total variance over real images.
TOTAL_VARIANCE = 20.0


def pinned(name: str, sha256: str) -> Model:
    """A shipped feature net, frozen, on the CPU.

    Raises
    ------
    ValueError
        If its weights are not those that the course's numbers were measured with.
    """
    if checkpoints.info(name)["sha256"] != sha256:
        raise ValueError(f"{name} is not the feature net of this version: its distances would not compare with others")
    return checkpoints.pretrained(name).requires_grad_(False)


def unit(features: Tensor) -> Tensor:
    """The factor () that gives features (N, D) the total variance `TOTAL_VARIANCE`."""
    return (TOTAL_VARIANCE / features.double().var(dim=0).sum()).sqrt()


def write_statistics(name: str, found: Statistics) -> None:
    """Ship the statistics of real features, the fixed side of every distance."""
    mean, cov, n = found
    np.savez(str(checkpoints.WEIGHTS / f"{name}.npz"), mean=mean.float(), cov=cov.float(), n=n)


def shipped_statistics(name: str) -> Statistics:
    """What `write_statistics` wrote."""
    with np.load(str(checkpoints.WEIGHTS / f"{name}.npz")) as file:
        mean, cov, n = (torch.from_numpy(file[part]) for part in ("mean", "cov", "n"))
    return Statistics(mean, cov, int(n))


def compare(images: Tensor, net: Model, reference: Statistics, held: Tensor) -> Score:
    """Score images against real ones.

    Parameters
    ----------
    images : Tensor, float, (n, C, H, W) in [-1, 1]
    net : Model
        Images -> features; its config says how many, as "dim".
    reference : Statistics
        Of many real images.
    held : Tensor, (N, dim), N >= n
        Features of other real images: n of them give the floor, precision and recall.

    Raises
    ------
    ValueError
        If there are too few images or too many, or their range is wrong.
    """
    n = len(images)
    if not net.config["dim"] < n <= len(held):
        raise ValueError(
            f"{net.config['dim'] + 1} to {len(held)} images can be scored, got {n}: of fewer the covariance "
            "is singular, and for more there is no floor at the same n"
        )
    fake = embed(images.cpu(), net)
    real = held[torch.randperm(len(held), generator=torch.Generator().manual_seed(0))][:n]
    distance, floor = frechet_distance(reference, fake), frechet_distance(reference, real)
    return Score(distance, floor, distance - floor, *precision_recall(real, fake), n)
