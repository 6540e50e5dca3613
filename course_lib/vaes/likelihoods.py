"""How likely is this pixel?

A decoder that returns an image and is punished by squared error assumes that every pixel is off by
Gaussian noise of one size. Pixels are not like that: they are one of 256 levels, half of Fashion-MNIST
is exactly black, and some pixels are far better known than others. A mixture of logistic distributions,
each with its own mean and scale at each pixel, says so; a level's probability is the mass of the bin
around it, so that log-likelihoods are those of the stored bytes and can be compared between models:

    P(x) = sum_k w_k [ F((x + h - m_k) / s_k) - F((x - h - m_k) / s_k) ],    F the sigmoid, h = 1/255

The outermost bins reach to infinity: black and white are masses of their own. All colours of a pixel
share the choice of k, which ties them together.

Salimans et al. 2017, PixelCNN++ (section 2.1), without its autoregression.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

HALF_BIN = 1 / 255  # neighbouring levels are 2/255 apart in [-1, 1]
LEAST_SCALE = 0.001  # an eighth of the distance of two levels: as sharp as data of 256 levels can ask for


@dataclass(frozen=True, eq=False)
class LogisticMixture:
    """The distribution of each pixel, given the latent: K logistic components, cut into 256 levels.

    Parameters
    ----------
    log_weights : Tensor, float32, (B, K, 1, H, W)
        Their exponentials sum to 1 over K.
    means : Tensor, float32, (B, K, C, H, W)
        In about [-1, 1].
    log_scales : Tensor, float32, (B, K, C, H, W)
    """

    log_weights: Float[Tensor, "b k 1 h w"]
    means: Float[Tensor, "b k c h w"]
    log_scales: Float[Tensor, "b k c h w"]

    @classmethod
    def of(
        cls, features: Float[Tensor, "b f h w"], channels: int, least_scale: float = LEAST_SCALE
    ) -> "LogisticMixture":
        """Read the components off a network's output of K (1 + 2 `channels`) features a pixel.

        Raises
        ------
        ValueError
            If the features do not divide into whole components.
        """
        b, f, height, width = features.shape
        if f % (1 + 2 * channels):
            raise ValueError(f"a component of {channels} channels takes {1 + 2 * channels} features, got {f} for all")
        parts = features.float().reshape(b, -1, 1 + 2 * channels, height, width)
        logits, means, log_scales = parts.split([1, channels, channels], dim=2)
        return cls(log_softmax(logits, dim=1), means, log_scales.clamp(min=math.log(least_scale)))

    def log_prob(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """Natural log-probability of each image's levels; `x` holds levels as floats in [-1, 1]."""
        x = x[:, None]
        low, high = (x - HALF_BIN - self.means), (x + HALF_BIN - self.means)
        sharpness = torch.exp(-self.log_scales)
        inside = log_mass(low * sharpness, high * sharpness, x > -1 + HALF_BIN, x < 1 - HALF_BIN)
        pixels = torch.logsumexp(self.log_weights + inside.sum(dim=2, keepdim=True), dim=1)
        return pixels.sum(dim=(1, 2, 3))

    def mean(self) -> Float[Tensor, "b c h w"]:
        """The expected image in [-1, 1], each component's mean cut to that range."""
        return (self.log_weights.exp() * self.means.clamp(-1, 1)).sum(dim=1)

    def sample(self) -> Float[Tensor, "b c h w"]:
        """Draw each pixel: a component, then a level, as a float in [-1, 1]."""
        weights = self.log_weights[:, :, 0].movedim(1, -1).exp()
        k = torch.distributions.Categorical(probs=weights).sample()[:, None, None].expand_as(self.means[:, :1])
        mean, log_scale = (part.gather(1, k)[:, 0] for part in (self.means, self.log_scales))
        u = torch.rand_like(mean).clamp(1e-6, 1 - 1e-6)
        x = mean + log_scale.exp() * torch.logit(u)
        return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def log_mass(low: Tensor, high: Tensor, has_below: Tensor, has_above: Tensor) -> Tensor:
    """log [F(high) - F(low)] of the sigmoid F, without taking a difference of nearly equal numbers.

    F(b) - F(a) = F(b) F(-a) (1 - exp(a - b)), exactly; and log F(b) = -softplus(-b). Where nothing lies
    below (black), F(a) is 0; where nothing lies above (white), F(b) is 1.
    """
    gap = torch.log(-torch.expm1(low - high))
    return gap.where(has_below & has_above, 0) - softplus(low) * has_below - softplus(-high) * has_above


def check_levels(x: Tensor) -> None:
    """Refuse images between the 256 levels: their log-likelihood would not be that of any stored byte.

    Raises
    ------
    ValueError
    """
    off = ((x + 1) * 127.5 - ((x + 1) * 127.5).round()).abs().max()
    if off > 0.01 or x.abs().max() > 1:
        raise ValueError(
            f"images must be on the 256 levels of stored pixels in [-1, 1], as to_float gives them; got values up to "
            f"{float(x.abs().max()):.3g}, {float(off):.2g} levels off: bits are counted for levels, not for densities"
        )
