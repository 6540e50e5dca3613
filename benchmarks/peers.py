"""Against whom the course is measured: what a user would install otherwise (`pip install course-lib[bench]`).

Nothing of theirs is kept here, only how they are built, at the size that their own example takes for images of 28
pixels, or the smallest that runs:

    diffusers           the U-Net of Hugging Face's diffusion course (unit 2): 32, 64 and 64 features, attention at
                        14 and 7 pixels, no label
    denoising-diffusion-pytorch   `Unet(32, dim_mults=(1, 2, 4))`: the package's own sizes, at half the features
    smalldiffusion      the U-Net of its example for Fashion-MNIST: 64, 64 and 128 features, attention at 14 pixels

Each loader returns a network (x, t, y) -> prediction of x's shape, with t in [0, 1], or raises an ImportError.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")
PACKAGES = (
    "diffusers", "denoising-diffusion-pytorch", "smalldiffusion", "x-transformers", "pytorch-fid", "torchmetrics",
    "torchvision", "mambapy",
)  # fmt: skip
STEPS = 1000  # in which they count time


class Adapted(nn.Module):
    """Another's network under the course's signature."""

    def __init__(self, network: nn.Module, call: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.call(self.network, x, t, y)


def diffusers_unet(size: int = 28) -> Adapted:
    from diffusers import UNet2DModel

    network = UNet2DModel(
        sample_size=size,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    return Adapted(network, lambda net, x, t, y: net(x, STEPS * t, return_dict=False)[0])


def denoising_unet(size: int = 28) -> Adapted:
    from denoising_diffusion_pytorch import Unet

    return Adapted(Unet(32, channels=1, dim_mults=(1, 2, 4)), lambda net, x, t, y: net(x, STEPS * t))


def small_unet(size: int = 28) -> Adapted:
    from smalldiffusion import Unet

    network = Unet(size, 1, 1, ch=64, ch_mult=(1, 1, 2), attn_resolutions=(14,))
    return Adapted(network, lambda net, x, t, y: net(x, t.view(-1, 1, 1, 1)))


UNETS = {"smalldiffusion": small_unet, "diffusers": diffusers_unet, "denoising-diffusion-pytorch": denoising_unet}


def diffusers_dit(size: int, patch: int, heads: int, width: int, depth: int, classes: int) -> Adapted:
    from diffusers import DiTTransformer2DModel

    network = DiTTransformer2DModel(
        heads, width // heads, 1, 1, depth, sample_size=size, patch_size=patch, num_embeds_ada_norm=classes
    )
    return Adapted(network, lambda net, x, t, y: net(x, (STEPS * t).long(), y, return_dict=False)[0])


def small_dit(size: int, patch: int, heads: int, width: int, depth: int, classes: int) -> Adapted:
    from smalldiffusion import CondEmbedderLabel, DiT

    network = DiT(size, 1, patch, depth, width // heads, heads, cond_embed=CondEmbedderLabel(width, classes))
    return Adapted(network, lambda net, x, t, y: net(x, t.view(-1, 1, 1, 1), y))


DITS = {"smalldiffusion": small_dit, "diffusers": diffusers_dit}


def found(loaders: dict[str, Callable[[], T]]) -> tuple[dict[str, T], dict[str, str]]:
    """Those that are installed, and what the others lack."""
    there, missing = {}, {}
    for name, load in loaders.items():
        try:
            there[name] = load()
        except (ImportError, OSError) as error:
            missing[name] = str(error).splitlines()[0]
    return there, missing


def training_step(network: nn.Module, batch: tuple[Tensor, Tensor], dtype: torch.dtype) -> Callable[[], Tensor]:
    """One update of another's network as its users write it: the same loss, optimiser and clipping as ours."""
    from course_lib.training import adamw
    from course_lib.training.steps import MAX_GRAD_NORM

    x0, y = batch
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = adamw(parameters)

    def step() -> Tensor:
        t, eps = torch.randn(len(x0), device=x0.device).sigmoid(), torch.randn_like(x0)
        at = t.view(-1, 1, 1, 1)
        with torch.autocast(x0.device.type, dtype, enabled=dtype != torch.float32):
            prediction = network((1 - at) * x0 + at * eps, t, y)
        loss = nn.functional.mse_loss(prediction.float(), eps - x0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
        optimizer.step()
        return loss.detach()

    return step
