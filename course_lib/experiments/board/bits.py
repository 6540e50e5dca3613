"""How many bits does a pixel cost, for models that say it in different ways?

All of them in one unit: nats to send the levels of a test image, divided by 784 pixels and ln 2, at most so many. Most
models need the label; where they do, it is sent first. Labels are balanced, so it costs ln 10 nats an image:

    -log p(x) = -log sum_y p(y) p(x | y) <= ln 10 - log p(x | y)

0.004 bits a pixel, and the bounds of models with and without labels compare. A GAN gives no likelihood. MaskGIT's loss
would, weighted anew, bound that of a decoder that draws one token at a time in random order (Hoogeboom et al. 2022,
Autoregressive Diffusion Models, eq. 6); its parallel rounds are another sampler, whose likelihood nobody can compute,
and the images that the board judges are theirs. So both have none. Nor has a flow with few evaluations: the likelihood
belongs to the ODE, which eight steps or fewer leave.
"""

import functools
import math

import torch
from torch import Tensor

from course_lib.checkpoints import pretrained
from course_lib.data.fashion import fashion
from course_lib.device import seeded
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.likelihood import dequantised, estimated, log_density, of_levels, signs
from course_lib.model import Model
from course_lib.recipes.fashion_vae import draws
from course_lib.transformers import contest
from course_lib.transformers.prior import TokenSet
from course_lib.vaes.bounds import bits_per_dimension
from course_lib.vaes.prior import LatentMixture
from course_lib.vaes.tokens import fashion_tokens
from course_lib.vaes.vae import Vae, measure

PIXELS, CLASSES, SEED = 784, 10, 0
FOLLOWED = 256  # test images whose path is followed to the noise: a fifth of a second of a core each


def bits(nats: float, label: bool = True) -> float:
    """Bits a pixel from nats an image; with the label's share where the nats were given it.

    Examples
    --------
    >>> round(bits(784 * math.log(256), label=False), 6), round(bits(0.0), 4)
    (8.0, 0.0042)
    """
    return bits_per_dimension(torch.tensor(-nats - label * math.log(CLASSES), dtype=torch.float64), PIXELS).item()


def of_tokens(tokens: float, pixels: float) -> float:
    """A bound of -log p(x | y), in nats, for an image that is sent as tokens first and as pixels then.

    With t(x) the tokens of x, which follow from x alone,

        p(x | y) = sum_t p(t | y) p(x | t) >= p(t(x) | y) p(x | t(x)),

    so -log p(x | y) <= -log p(t(x) | y) - log p(x | t(x)): all other tokens that could have made the image are left
    out, which costs whatever share of it was theirs. Where no others can, the bound is the likelihood.

    Parameters
    ----------
    tokens : float
        -log p(t(x) | y), of all tokens of an image, coarser maps of them included.
    pixels : float
        -log p(x | t(x)), by the tokenizer's distribution of each pixel. Its *mean* is what one looks at.
    """
    if not min(tokens, pixels) >= 0:
        raise ValueError(f"discrete values have probabilities of at most 1, so nats of at least 0: {tokens}, {pixels}")
    return tokens + pixels


def token_bits(model: Model, tokens: TokenSet) -> float:
    """Of a prior over tokens, by the bound `of_tokens`, over the test images."""
    places = tokens.tokens[0].numel()
    return bits(of_tokens(places * contest.nats(model.eval(), tokens, SEED)["loss"], _distortion()))


@functools.cache
@torch.no_grad()
def _distortion() -> float:
    """The tokenizer's mean -log p(x | t(x)) over the test images, in nats."""
    tokenizer = pretrained("fashion_tokenizer")
    parts = zip(fashion("test", full=True).x.split(250), fashion_tokens("test").tokens.split(250))
    nats = [-tokenizer.pixels(tokenizer.quantiser.lookup(t)).log_prob(x) for x, t in parts]
    return torch.cat(nats).mean().item()


def vae_bits(model: Vae, prior: LatentMixture | None = None) -> float:
    """Of a VAE, by its evidence bound, over the test images; its latents sent by the prior N(0, 1) or a fitted one."""
    test = fashion("test", full=True)
    with seeded(SEED, model.device), torch.no_grad():
        found = measure(model, test)
        rate = found["rate"] if prior is None else _rate(*draws(model, test), prior)
    return bits(rate + found["distortion"], label=False)


def _rate(z: Tensor, log_q: Tensor, prior: LatentMixture) -> float:
    return (log_q - prior.log_prob(z)).mean().item()


def flow_bits(model: Flow, n: int = FOLLOWED) -> dict[str, float]:
    """Of a flow, by its ODE, over the first test images; and the standard error of their mean.

    Filling the bins evenly makes it a bound in the mean, the estimated divergence leaves it one in the mean.
    """
    test, model = fashion("test", full=True), model.eval().requires_grad_(False)
    found = []
    with seeded(SEED, model.device):
        for x, y in zip(test.x[:n].split(32), test.labels[:n].split(32)):
            field = lambda x_t, t, y=y: model.net(x_t, t.expand(len(x_t)), y).float()  # in float32: slopes are summed
            density = log_density(field, dequantised(x, torch.rand_like(x)), estimated(signs(x)))
            found += [bits(-nats) for nats in of_levels(density, PIXELS).tolist()]
    found = torch.tensor(found)
    return {"bits": found.mean().item(), "bits error": (found.std() / math.sqrt(n)).item()}
