"""What a verdict costs: distances between sets of features, precision and recall, and SSIM.

5,000 features of 128 dimensions, as a checkpoint of Fashion-MNIST is judged. Ours computes in float64 and checks its
input. The others compute in the precision of what they get: in float32, about half of the work, and where it is said
in float64. torchmetrics' Frechet distance is measured without Inception, pytorch-fid's on the same features. The naive
precision and recall form all distances at once.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.contest import OURS, Contest, Setting
from benchmarks.timing import Job
from course_lib.metrics import frechet_distance, kernel_distance, precision_recall, ssim

N, WIDTH, IMAGES, BLOCK = 5000, 128, 512, 500


def run(setting: Setting) -> Iterator[dict]:
    """Rows of four metrics."""
    n, width, block = setting.pick(N, 60), setting.pick(WIDTH, 8), setting.pick(BLOCK, 30)
    real, fake = torch.randn(2, n, width)
    of_features = f"{n:,} features of {width}"
    for what, ours, others in (
        (f"Frechet distance, {of_features}", lambda: frechet_distance(real, fake), frechet_peers(real, fake)),
        (
            f"kernel distance, {of_features}, blocks of {block}",
            lambda: kernel_distance(real, fake, block=block),
            {
                "torchmetrics": lambda: kernel_of_torchmetrics(real, fake, block),
                "torchmetrics, float64": lambda: kernel_of_torchmetrics(real.double(), fake.double(), block),
            },
        ),
        (
            f"precision and recall, {of_features}",
            lambda: precision_recall(real, fake),
            {
                "naive": lambda: lambda: naive(real, fake),
                "naive, float64": lambda: lambda: naive(real.double(), fake.double()),
            },
        ),
    ):
        yield from Contest(what, {OURS: ours} | peers.found(others)[0]).held(setting)
    x, y = torch.rand(2, setting.pick(IMAGES, 2), 1, 28, 28, device=setting.device) * 2 - 1
    others = peers.found({"torchmetrics": lambda: ssim_of_torchmetrics(x, y)})[0]
    yield from Contest(f"SSIM, {len(x)} images of 28 px", {OURS: lambda: ssim(x, y)} | others, len(x)).held(setting)


def frechet_peers(real: Tensor, fake: Tensor) -> dict:
    return {
        "torchmetrics": lambda: frechet_of_torchmetrics(real, fake),
        "pytorch-fid": lambda: frechet_of_pytorch_fid(real, fake),
    }


def frechet_of_torchmetrics(real: Tensor, fake: Tensor) -> Job:
    from torchmetrics.image.fid import _compute_fid

    def distance() -> Tensor:
        a, b = real.double(), fake.double()
        return _compute_fid(a.mean(0), a.T.cov(), b.mean(0), b.T.cov())

    return distance


def frechet_of_pytorch_fid(real: Tensor, fake: Tensor) -> Job:
    import numpy as np
    from pytorch_fid.fid_score import calculate_frechet_distance

    def distance() -> float:
        a, b = real.numpy(), fake.numpy()
        return calculate_frechet_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))

    return distance


def kernel_of_torchmetrics(real: Tensor, fake: Tensor, block: int) -> Job:
    """Its polynomial distance over as many blocks of the same size."""
    from torchmetrics.image.kid import poly_mmd

    return lambda: torch.stack([poly_mmd(a, b) for a, b in zip(real.split(block), fake.split(block))]).mean()


def naive(real: Tensor, fake: Tensor, k: int = 3) -> tuple[Tensor, Tensor]:
    """Precision and recall as one writes them down."""
    radii = [torch.cdist(x, x).kthvalue(k + 1, dim=1).values for x in (real, fake)]
    gaps = torch.cdist(fake, real)
    return (gaps <= radii[0]).any(1).float().mean(), (gaps <= radii[1][:, None]).any(0).float().mean()


def ssim_of_torchmetrics(x: Tensor, y: Tensor) -> Job:
    from torchmetrics.functional.image import structural_similarity_index_measure

    return lambda: structural_similarity_index_measure(x, y, data_range=(-1.0, 1.0), reduction="none")
