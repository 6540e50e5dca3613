"""Real or generated? A detector, and why its fine number may mean nothing.

A small network learns to tell a generator's pictures from real ones. On this generator it succeeds; the questions are
what it does with the next generator, and with a picture that has been through a phone. And whether it has learned
generation at all: if the real pictures came as JPEG and the fakes did not, or the fakes were never rounded to 256
levels, it may learn just that, score 1.0, and know nothing. So both kinds come here as `Images`: stored pixels, as many
of each, put through the same attacks.

Wang et al. 2020, CNN-generated Images Are Surprisingly Easy to Spot... for Now (augmentation by blur and JPEG);
Grommelt et al. 2024, Fake or JPEG? Revealing Common Biases in Generated Image Detection Datasets.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, pixel_unshuffle

from course_lib.data.images import Batch, Images, expect, shuffled, to_float
from course_lib.device import precision, seeded
from course_lib.ethics import attacks
from course_lib.model import Model, check_labels
from course_lib.training import Ema, adamw, train_steps, warmup_cosine

Pixels = UInt8[Tensor, "n c h w"]
KINDS = ("real", "fake")
BATCH = 128


class ConvDetector(Model):
    """A convolutional classifier: images -> the logit that they are generated.

    It needs many pictures: on the shipped GAN's clothes, in trials of one seed, it reached an AUROC of 0.64 with 380 of
    each kind (120 steps), 0.78 with 700, 0.87 with 1,400 (250 steps) and 0.96 with 5,000 (400 steps); there, without
    batch normalisation, 0.70.

    Parameters
    ----------
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4.
    width : int
        Features at half resolution; twice as many at quarter resolution.
    """

    def __init__(self, channels: int = 1, size: int = 28, width: int = 32) -> None:
        super().__init__(channels=channels, size=size, width=width)
        self.see = _layer(4 * channels, width)
        self.compare = _layer(width, width)
        self.shrink = _layer(width, 2 * width, stride=2)
        self.judge = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * width * (size // 4) ** 2, 1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        h = self.shrink(self.compare(self.see(pixel_unshuffle(x, 2))))
        return self.judge(h.flatten(1))[:, 0]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy; y is 0 for a real picture and 1 for a generated one."""
        logits = self(batch.x).float()
        right = ((logits > 0) == batch.y.bool()).float().mean()
        return {"loss": binary_cross_entropy_with_logits(logits, batch.y.float()), "accuracy": right}

    def sample(self, n: int):
        raise ValueError("a detector draws no images: it doubts them")

    def check(self, batch: Batch) -> None:
        super().check(batch)
        check_labels(batch.y, len(batch.x), len(KINDS))
        shape = (self.config["channels"], self.config["size"], self.config["size"])
        if batch.x.shape[1:] != shape:
            raise ValueError(f"images must be (B, {', '.join(map(str, shape))}), got {tuple(batch.x.shape)}")

    @torch.no_grad()
    def scores(self, pixels: Pixels) -> Float[Tensor, " n"]:
        """Logits of stored pictures, higher for what looks generated."""
        expect("pixels", pixels, torch.uint8, "NCHW")
        mode, device = precision(self.device), self.device
        with mode.autocast(device):
            return torch.cat([self.eval()(to_float(part.to(device))).float() for part in pixels.split(500)])


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def pool(real: Pixels, fake: Pixels) -> Images:
    """Real and generated pictures, as many of each and stored alike: what a fair detector is trained on.

    Raises
    ------
    ValueError
        If the pixels are not both uint8 of one shape, or there are more of one kind: the excess would tell.
    """
    expect("real", real, torch.uint8, "NCHW")
    expect("fake", fake, torch.uint8, "NCHW")
    if real.shape != fake.shape:
        raise ValueError(f"needs as many real as fake pictures, of one size: {tuple(real.shape)}, {tuple(fake.shape)}")
    labels = torch.tensor([0, 1], device=real.device).repeat_interleave(len(real))
    return Images(torch.cat([real, fake]), labels, KINDS)


def train_detector(images: Images, steps: int, seed: int = 0, attack: Callable | None = None) -> ConvDetector:
    """Train a detector and return its averaged weights.

    Parameters
    ----------
    images : Images
        From `pool`.
    steps, seed : int
    attack : callable, optional
        (pixels, rng) -> pixels, applied to real and fake alike: `random_attack`.
    """
    device = images.pixels.device
    with seeded(seed, device):
        model = ConvDetector(*images.pixels.shape[1:3]).to(device)
    ema = Ema(model, decay=0.99)
    batches = images.batches(BATCH, seed) if attack is None else attacked(images, attack, seed)
    rate, optimizer = warmup_cosine(steps, warmup=20), partial(adamw, lr=2e-3)
    for step in train_steps(model, batches, steps, optimizer=optimizer, lr_factor=rate, seed=seed):
        ema.update()
    return ema.model


def attacked(images: Images, attack: Callable, seed: int) -> Iterator[Batch]:
    """Endless batches, each quarter after an attack of its own: normalisation then sees them mixed, as in use."""
    rng = torch.Generator().manual_seed(seed)
    for index in shuffled(images.labels, BATCH, seed):
        parts = [attack(part, rng) for part in images.pixels[index].chunk(4)]
        yield Batch(to_float(torch.cat(parts)), images.labels[index])


def random_attack(pixels: Pixels, rng: torch.Generator) -> Pixels:
    """One of five things that happen to pictures, of a random strength, the same for all: the mitigation."""
    kind, (strength,) = int(torch.randint(5, (1,), generator=rng)), torch.rand(1, generator=rng).tolist()
    if kind == 0:
        return attacks.jpeg(pixels, round(30 + 65 * strength))
    if kind == 1:
        return attacks.blurred(pixels, 0.3 + 1.2 * strength)
    if kind == 2:
        return attacks.resized(pixels, 0.4 + 0.5 * strength)
    if kind == 3:
        return attacks.noisy(pixels, 0.2 * strength, int(torch.randint(1 << 30, (1,), generator=rng)))
    return pixels


def off_levels(x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Mean distance of float images from the 256 grey levels, in levels, 0 to 1/2.

    No detector, but what one finds if the fakes were never saved: 0 for whatever was a file, 1/4 for what was not.
    """
    levels = (x.clamp(-1, 1) + 1) * 127.5
    off = (levels - levels.round()).abs()
    return off.where(off > 1e-3, 0).mean(dim=(1, 2, 3))  # less is the rounding of floats, which depends on the grey
