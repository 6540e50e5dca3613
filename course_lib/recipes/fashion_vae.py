"""fashion_vae: a VAE with 32 latent dimensions on all 60,000 images of Fashion-MNIST.

Seven epochs of 0.6 M parameters: ten minutes on one busy CPU core with bfloat16.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.fashion import fashion
from course_lib.data.images import Images, to_float
from course_lib.device import seeded
from course_lib.features import fashion_score
from course_lib.model import last
from course_lib.training import Ema, adamw, fit, train_steps, warmup_cosine
from course_lib.vaes.gaussian import log_density, reparameterise
from course_lib.vaes.prior import fit_prior
from course_lib.vaes.vae import Vae, measure

STEPS = 14_000
BATCH = 32
SEED = 0


def build() -> Vae:
    torch.manual_seed(SEED)
    return Vae(channels=1, size=28, width=48, depth=1, latent=32, components=3)


def data() -> Images:
    """Fashion-MNIST, train"""
    return fashion("train", full=True)


def train(model: Vae, images: Images, steps: int = STEPS, resume: Path | None = None) -> Vae:
    """Train and return the averaged model."""
    ema = Ema(model, decay=0.998)
    training = train_steps(
        model,
        images.batches(BATCH, SEED),
        steps,
        optimizer=partial(adamw, lr=3e-3),
        lr_factor=warmup_cosine(steps, warmup=100),
        seed=SEED,
    )
    fit(training, ema=ema, resume=resume)
    return ema.model


def evaluate(model: Vae, n: int = 5_000) -> dict[str, float]:
    """Bits a dimension of the test images; Fréchet distances of `n` samples, and of test images that were rebuilt.

    "fitted" is what the rate and the samples become under a prior that is fitted to the latents (prior.py).
    """
    test = fashion("test", full=True)
    with seeded(SEED, model.device), torch.no_grad():
        bits = measure(model, test)
        images = torch.cat([last(model.sample(500)).cpu() for _ in range(n // 500)])
        again = torch.cat([model.reconstruct(part.to(model.device)).cpu() for part in test.x[:n].split(500)])
        prior = fit_prior(draws(model, fashion("train"))[0])
        z, log_q = draws(model, test)
        noises = prior.sample(n).to(model.device).split(500)
        fitted = torch.cat([last(model.sample(len(noise), noise=noise)).cpu() for noise in noises])
    better = {
        "fitted rate": (log_q - prior.log_prob(z)).mean().item(),
        "fitted distance": fashion_score(fitted).distance,
        "reconstructions": fashion_score(again).distance,
    }
    return bits | better | fashion_score(images)._asdict()


def draws(model: Vae, images: Images) -> tuple[Tensor, Tensor]:
    """One latent an image, (N, latent), and its log-density under the encoder's Gaussian, (N,), on the CPU."""
    parts = [model.encode(to_float(part).to(model.device)) for part in images.pixels.split(500)]
    mean, log_variance = (torch.cat(part).cpu() for part in zip(*parts))
    z = reparameterise(mean, log_variance, torch.randn_like(mean))
    return z, log_density(z, mean, log_variance)
