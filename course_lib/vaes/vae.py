"""The variational autoencoder: compress an image into a few Gaussian numbers, and count every bit.

An encoder answers with a Gaussian q(z | x) instead of a point; a decoder says how likely each pixel is
given one draw of it. What is minimised is the length of a message from which the image can be recovered
exactly: the rate, which the latents cost beyond the prior N(0, 1), plus the distortion, which the pixels
still cost once the latents are known. Its negative is a lower bound of log p(x). The rate is what makes
it a generative model: it keeps the latents of all images together where the prior draws them.

Kingma & Welling 2014, Auto-Encoding Variational Bayes; Rezende et al. 2014. The usual Gaussian or
Bernoulli pixels make no honest bits; ours are a mixture of discretised logistics (likelihoods.py).
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.data.attributed import Attributed
from course_lib.data.images import Batch, Images, to_float
from course_lib.model import Model
from course_lib.vaes import bounds
from course_lib.vaes.gaussian import kl_to_prior, reparameterise
from course_lib.vaes.likelihoods import LEAST_SCALE, LogisticMixture, check_levels
from course_lib.vaes.networks import Decoder, Encoder, check_images, check_sizes


class Vae(Model):
    """A convolutional VAE with one Gaussian latent vector an image.

    Parameters
    ----------
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4.
    width, depth : int
        Features at half resolution and residual blocks at each resolution, on both sides.
    latent : int
        Dimensions of z.
    components : int
        Logistic distributions a pixel.
    beta, free_bits : float
        What a nat of rate weighs, and the rate a dimension that is free; see `bounds.objective`.
    least_scale : float
        Of the logistics, in units of pixel values. A few thousandths of a scale are worth many bits and cannot be
        seen; where levels are exact, as in drawings, a model that may chase them forgets what can. A larger least
        scale gives up bits for pictures.

    Raises
    ------
    ValueError
        If such networks cannot be built, or a price or the least scale is out of range.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        width: int = 48,
        depth: int = 1,
        latent: int = 32,
        components: int = 3,
        beta: float = 1.0,
        free_bits: float = 0.0,
        least_scale: float = LEAST_SCALE,
    ) -> None:
        if min(latent, components) < 1 or min(beta, free_bits) < 0 or least_scale <= 0:
            raise ValueError(
                "latent and components must be at least 1, beta and free_bits not negative and least_scale positive, "
                f"got {latent}, {components}, {beta}, {free_bits} and {least_scale}"
            )
        check_sizes(channels, size, width, depth)
        super().__init__(
            channels=channels,
            size=size,
            width=width,
            depth=depth,
            latent=latent,
            components=components,
            beta=beta,
            free_bits=free_bits,
            least_scale=least_scale,
        )
        self.encoder = Encoder(channels, size, width, depth, 2 * latent)
        self.decoder = Decoder(latent, size, width, depth, components * (1 + 2 * channels))

    def encode(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
        """Images -> mean and log-variance of q(z | x), each (B, latent)."""
        check_images(x, self.config["channels"], self.config["size"])
        return self.encoder(x).float().chunk(2, dim=1)

    def pixels(self, z: Float[Tensor, "b d"]) -> LogisticMixture:
        """Latents (B, latent) -> p(x | z), the distribution of each pixel."""
        self._check_latents(z)
        return LogisticMixture.of(self.decoder(z), self.config["channels"], self.config["least_scale"])

    def decode(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """Latents (B, latent) -> the expected image in [-1, 1]."""
        return self.pixels(z).mean()

    def reconstruct(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Images -> what comes back when only the mean latent is sent."""
        return self.decode(self.encode(x)[0])

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The negative ELBO (Kingma & Welling 2014, eq. 8), in bits a dimension so that its size says something.

        "rate" and "distortion" are nats an image; "bits" is their sum in bits a dimension, whatever beta is.
        """
        mean, log_variance = self.encode(batch.x)
        z = reparameterise(mean, log_variance, torch.randn_like(mean))
        kl, distortion = kl_to_prior(mean, log_variance), -self.pixels(z).log_prob(batch.x)
        nats = bounds.objective(distortion, kl, self.config["beta"], self.config["free_bits"])
        rate, distortion = kl.sum(dim=1).mean(), distortion.mean()
        return {"loss": self._bits(nats), "rate": rate, "distortion": distortion, "bits": self._bits(rate + distortion)}

    def _bits(self, nats: Tensor) -> Tensor:
        return bounds.bits_per_dimension(-nats, self.config["channels"] * self.config["size"] ** 2)

    def log_weights(self, x: Float[Tensor, "b c h w"], k: int) -> Float[Tensor, "k b"]:
        """log p(x | z) + log p(z) - log q(z | x) for k draws of z; `bounds.elbo` and `bounds.iwae` take them."""
        noise = torch.randn(k, len(x), self.config["latent"], device=x.device)
        return bounds.log_weights(x, self.encode, self.log_likelihood, noise)

    def log_likelihood(self, x: Float[Tensor, "b c h w"], z: Float[Tensor, "k b d"]) -> Float[Tensor, "k b"]:
        """log p(x | z) in nats for k latents an image, one set of them after the other."""
        return torch.stack([self.pixels(draw).log_prob(x) for draw in z])

    @torch.no_grad()
    def sample(self, n: int, *, temperature: float = 1.0, noise: Tensor | None = None) -> Iterator[Tensor]:
        """Decode draws from the prior.

        Parameters
        ----------
        n : int
            How many.
        temperature : float
            Standard deviation of the draws: below 1 more typical, less varied.
        noise : Tensor, (n, latent), optional
            The draws themselves, before the temperature; from torch's generator if not given.

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The expected images in [-1, 1], once.

        Raises
        ------
        ValueError
            If the noise does not fit `n` images of this model, or the temperature is negative.
        """
        shape = (n, self.config["latent"])
        noise = torch.randn(shape, device=self.device) if noise is None else noise
        if n < 1 or noise.shape != shape or temperature < 0:
            raise ValueError(
                f"noise must be {shape} with at least one row and temperature 0 or more, "
                f"got {tuple(noise.shape)} and {temperature}"
            )
        self.eval()
        yield self.decode(temperature * noise)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        check_images(batch.x, self.config["channels"], self.config["size"])
        check_levels(batch.x)

    def _check_latents(self, z: Tensor) -> None:
        if z.ndim != 2 or z.shape[1] != self.config["latent"]:
            raise ValueError(f"latents must be (B, {self.config['latent']}), got {tuple(z.shape)}")


@torch.no_grad()
def measure(model: Model, images: Images | Attributed, size: int = 500) -> dict[str, float]:
    """Rate and distortion in nats an image and the bits a dimension of a whole data set, one draw an image.

    Parameters
    ----------
    model : Vae or TopDownVae
    images : Images or Attributed
    size : int
        Images at a time.
    """
    model.eval()
    parts = [Batch(to_float(part), part) for part in images.pixels.to(model.device).split(size)]
    terms = [model.loss(part) for part in parts]
    names = ("rate", "distortion", "bits")
    return {name: sum(len(p.x) * t[name].item() for p, t in zip(parts, terms)) / len(images) for name in names}
