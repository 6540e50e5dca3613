"""Latents on two levels: first what it is, then what it looks like here and there.

One vector must hold all that is to be known of an image, and a prior N(0, 1) knows nothing of clothes.
Here a vector z says what the image is, as in the plain VAE, and a map s, with a few numbers for each of
7 x 7 places, adds what is local. The prior of s is not fixed: a network predicts it from z, place by
place, so that a detail costs only as much as it surprises:

    p(x) = integral of p(z) p(s | z) p(x | z, s),    rate = KL(q(z | x) || p(z)) + KL(q(s | x, z) || p(s | z))

The encoder says how its posterior of s differs from that prior, so that at first it differs by nothing.
Two levels are the least; the best likelihoods of VAEs come from dozens.

Sonderby et al. 2016, Ladder Variational Autoencoders; Vahdat & Kautz 2020, NVAE (eq. 4, the residual posterior).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.vaes.bounds import bits_per_dimension
from course_lib.vaes.gaussian import kl, kl_to_prior, reparameterise
from course_lib.vaes.likelihoods import LogisticMixture, check_levels
from course_lib.vaes.networks import MapDecoder, MapEncoder, ResBlock, check_images, check_sizes


class Told(NamedTuple):
    """What the encoder told of a batch of images.

    Attributes
    ----------
    pixels : LogisticMixture
        What the decoder makes of one draw of the latents.
    vector_rate, map_rate : Tensor, (B,)
        What z and s cost, in nats.
    """

    pixels: LogisticMixture
    vector_rate: Tensor
    map_rate: Tensor


class TopDownVae(Model):
    """A convolutional VAE with a Gaussian vector and, given it, a Gaussian map.

    Parameters
    ----------
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4.
    width, depth : int
        Features at half resolution and residual blocks at each resolution, on both sides.
    latent, local : int
        Dimensions of the vector, and of the map at each of its places.
    components : int
        Logistic distributions a pixel.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        width: int = 48,
        depth: int = 1,
        latent: int = 16,
        local: int = 4,
        components: int = 3,
    ) -> None:
        check_sizes(channels, size, width, depth)
        if min(latent, local, components) < 1:
            raise ValueError(f"latent, local and components must be at least 1, got {latent}, {local}, {components}")
        config = {"channels": channels, "size": size, "width": width, "depth": depth}
        super().__init__(**config, latent=latent, local=local, components=components)
        wide, thin, side = 2 * width, width // 2, size // 4
        self.encoder = MapEncoder(channels, width, depth, wide)
        self.vector = nn.Sequential(nn.Conv2d(wide, thin, 1), nn.Flatten(), nn.Linear(thin * side**2, 2 * latent))
        self.expand = nn.Sequential(
            nn.Linear(latent, thin * side**2), nn.Unflatten(1, (thin, side, side)), nn.Conv2d(thin, wide, 1)
        )
        self.prior = nn.Sequential(ResBlock(wide), _silent(nn.Conv2d(wide, 2 * local, 1)))
        self.change = nn.Sequential(
            nn.Conv2d(2 * wide, wide, 1), ResBlock(wide), _silent(nn.Conv2d(wide, 2 * local, 1))
        )
        self.decoder = MapDecoder(wide + local, width, depth, components * (1 + 2 * channels))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The negative ELBO in bits a dimension; "rate", of which "map rate" is a part, and "distortion" in nats."""
        pixels, vector_rate, map_rate = self.tell(batch.x)
        rate, distortion = (vector_rate + map_rate).mean(), -pixels.log_prob(batch.x).mean()
        bits = bits_per_dimension(-rate - distortion, batch.x[0].numel())
        return {"loss": bits, "rate": rate, "map rate": map_rate.mean(), "distortion": distortion, "bits": bits}

    def tell(self, x: Float[Tensor, "b c h w"]) -> Told:
        """Draw z, then s, from the encoder's posteriors, and decode them."""
        check_images(x, self.config["channels"], self.config["size"])
        seen = self.encoder(x)
        mean, log_variance = self.vector(seen).float().chunk(2, dim=1)
        z = reparameterise(mean, log_variance, torch.randn_like(mean))
        known = self.expand(z)
        prior, change = self.prior(known).float(), self.change(torch.cat([known, seen], dim=1)).float()
        (prior_mean, prior_log), (s_mean, s_log) = prior.chunk(2, dim=1), (prior + change).chunk(2, dim=1)
        s = reparameterise(s_mean, s_log, torch.randn_like(s_mean))
        map_rate = kl(s_mean, s_log, prior_mean, prior_log).sum(dim=(1, 2, 3))
        return Told(self.pixels(known, s), kl_to_prior(mean, log_variance).sum(dim=1), map_rate)

    def pixels(self, known: Tensor, s: Tensor) -> LogisticMixture:
        """What z says of each place (B, 2 width, H / 4, W / 4), and s (B, local, H / 4, W / 4) -> p(x | z, s)."""
        return LogisticMixture.of(self.decoder(torch.cat([known, s], dim=1)), self.config["channels"])

    @torch.no_grad()
    def sample(
        self, n: int, *, temperature: float = 1.0, noise: Tensor | None = None, local_noise: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Draw z from its prior, s from the prior that z gives it, and decode them.

        Parameters
        ----------
        n : int
            How many.
        temperature : float
            Standard deviation of both draws, in units of their priors'.
        noise : Tensor, (n, latent), optional
            Of z, standard normal; from torch's generator if not given.
        local_noise : Tensor, (n, local, size / 4, size / 4), optional
            Of s. The same z with other local noise is the same garment, cut from another cloth.

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The expected images in [-1, 1], once.
        """
        side, latent, local = self.config["size"] // 4, self.config["latent"], self.config["local"]
        noise = torch.randn(n, latent, device=self.device) if noise is None else noise
        local_noise = torch.randn(n, local, side, side, device=self.device) if local_noise is None else local_noise
        if n < 1 or noise.shape != (n, latent) or local_noise.shape != (n, local, side, side) or temperature < 0:
            raise ValueError(
                f"noise must be {(n, latent)} and local_noise {(n, local, side, side)}, of at least one image, and "
                f"temperature 0 or more, got {tuple(noise.shape)}, {tuple(local_noise.shape)}, {temperature}"
            )
        self.eval()
        known = self.expand(temperature * noise)
        s_mean, s_log = self.prior(known).chunk(2, dim=1)
        yield self.pixels(known, reparameterise(s_mean, s_log, temperature * local_noise)).mean()

    def check(self, batch: Batch) -> None:
        super().check(batch)
        check_images(batch.x, self.config["channels"], self.config["size"])
        check_levels(batch.x)


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer that answers 0 at first: the prior N(0, 1), and no change to it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
