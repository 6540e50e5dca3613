"""A step of both players at 32 px, beside PyTorch's DCGAN example.

The example's networks have 64 features and draw 64 px, whatever the data; so does one who takes it for small images.
It is measured as it is, and without the one doubling that leads from 32 px to 64. Its step is the example's: the
discriminator on real and on generated images apart, then the generator, Adam, binary cross-entropy. Ours is the
conditional relativistic game with its penalty on an eighth of the batch.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.contest import OURS, Contest, Setting, with_work
from benchmarks.timing import Job
from benchmarks.unet import fixed_batch, steps
from course_lib.data.images import Batch
from course_lib.gans.images import ImageGan

FEATURES, LATENT, BATCH, SIZE = 64, 100, 16, 32


def run(setting: Setting) -> Iterator[dict]:
    """Rows of both in two precisions."""
    batch, large = fixed_batch(setting, BATCH, SIZE), fixed_batch(setting, BATCH, 2 * SIZE)
    features = setting.pick(FEATURES, 4)
    for dtype in (torch.float32, torch.bfloat16):
        jobs = {
            OURS: steps(ImageGan(size=SIZE).to(setting.device), batch, dtype),
            "DCGAN example, as it is: 64 px": dcgan_step(large, dcgan(8, features), dtype),
            "DCGAN example, one doubling less": dcgan_step(batch, dcgan(4, features), dtype),
        }
        what = f"GAN step, both players, 32 px, batch of {len(batch.x)}, {str(dtype).removeprefix('torch.')}"
        yield from with_work(Contest(what, jobs, len(batch.x), dtype)).held(setting)


def dcgan(most: int, features: int = FEATURES, latent: int = LATENT) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator: transposed convolutions of 4 x 4 up from 1 pixel, and convolutions down to it.

    With `most` = 8 times the features at 4 x 4 pixels the images have 64 pixels a side, with 4 times 32.
    """
    widths = [features * most // 2**i for i in range(most.bit_length())]
    up = [_grown(latent, widths[0], 1, 0), *(_grown(a, b, 2, 1) for a, b in zip(widths, widths[1:]))]
    generator = nn.Sequential(*up, nn.ConvTranspose2d(features, 1, 4, 2, 1, bias=False), nn.Tanh())
    first = nn.Sequential(nn.Conv2d(1, features, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True))
    down = [_shrunk(a, b) for a, b in zip(widths[::-1], widths[-2::-1])]
    return generator, nn.Sequential(first, *down, nn.Conv2d(widths[0], 1, 4, 1, 0, bias=False), nn.Flatten(0))


def _grown(inputs: int, outputs: int, stride: int, padding: int) -> nn.Module:
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _shrunk(inputs: int, outputs: int) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True))


def dcgan_step(batch: Batch, players: tuple[nn.Module, nn.Module], dtype: torch.dtype) -> Job:
    """One update of both players, as the example makes it."""
    generator, discriminator = (player.to(batch.x.device) for player in players)
    adam = [torch.optim.Adam(player.parameters(), 2e-4, (0.5, 0.999)) for player in (discriminator, generator)]
    judge = nn.BCEWithLogitsLoss()

    def payed(images: Tensor, target: float) -> Tensor:
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            scores = discriminator(images).float()
        return judge(scores, torch.full_like(scores, target))

    def step() -> None:
        adam[0].zero_grad()
        payed(batch.x, 1.0).backward()
        noise = torch.randn(len(batch.x), LATENT, 1, 1, device=batch.x.device)
        with torch.autocast(noise.device.type, dtype, enabled=dtype != torch.float32):
            fake = generator(noise)
        payed(fake.detach(), 0.0).backward()
        adam[0].step()
        adam[1].zero_grad()
        payed(fake, 1.0).backward()
        adam[1].step()

    return step
