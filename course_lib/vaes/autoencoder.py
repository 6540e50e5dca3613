"""The plain autoencoder: what a VAE is without its noise and without its price.

The same two networks, but the code of an image is a point, and only the squared error of the pixels
counts. It reconstructs well. Between the codes of two images, though, nothing was ever decoded, and
nobody says where codes lie; so it has no prior to draw from. The best that can be done afterwards is to
fit a Gaussian to the codes that training met (Ghosh et al. 2020, From Variational to Deterministic
Autoencoders, section 4). How much that falls short is what the noise of a VAE is for.

Hinton & Salakhutdinov 2006, Reducing the Dimensionality of Data with Neural Networks.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.vaes.networks import Decoder, Encoder, check_images, check_sizes

MEMORY = 0.99  # of the running mean and covariance of the codes


class Autoencoder(Model):
    """A convolutional autoencoder with one code vector an image.

    Parameters
    ----------
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4.
    width, depth : int
        Features at half resolution and residual blocks at each resolution, on both sides.
    latent : int
        Dimensions of the code.
    """

    def __init__(self, channels: int = 1, size: int = 28, width: int = 48, depth: int = 1, latent: int = 32) -> None:
        if latent < 1:
            raise ValueError(f"latent must be at least 1, got {latent}")
        check_sizes(channels, size, width, depth)
        super().__init__(channels=channels, size=size, width=width, depth=depth, latent=latent)
        self.encoder = Encoder(channels, size, width, depth, latent)
        self.decoder = Decoder(latent, size, width, depth, channels)
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("cov", torch.eye(latent))

    def encode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Images -> codes (B, latent)."""
        check_images(x, self.config["channels"], self.config["size"])
        return self.encoder(x).float()

    def decode(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """Codes (B, latent) -> images in about [-1, 1]."""
        if z.ndim != 2 or z.shape[1] != self.config["latent"]:
            raise ValueError(f"codes must be (B, {self.config['latent']}), got {tuple(z.shape)}")
        return self.decoder(z).float()

    def reconstruct(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Images -> what comes back."""
        return self.decode(self.encode(x))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error; on the way, the codes' mean and covariance are kept up to date."""
        z = self.encode(batch.x)
        if self.training:
            self._remember(z.detach())
        return {"loss": mse_loss(self.decode(z), batch.x)}

    def _remember(self, z: Tensor) -> None:
        self.mean.lerp_(z.mean(dim=0), 1 - MEMORY)
        off = z - self.mean
        self.cov.lerp_((off[:, :, None] * off[:, None]).mean(dim=0), 1 - MEMORY)

    @torch.no_grad()
    def sample(self, n: int, *, noise: Tensor | None = None) -> Iterator[Tensor]:
        """Decode draws from the Gaussian that was fitted to the codes.

        Parameters
        ----------
        n : int
            How many.
        noise : Tensor, (n, latent), optional
            Standard normal; drawn from torch's generator if not given.

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The images, in about [-1, 1], once.
        """
        shape = (n, self.config["latent"])
        noise = torch.randn(shape, device=self.device) if noise is None else noise
        if n < 1 or noise.shape != shape:
            raise ValueError(f"noise must be {shape} with at least one row, got {tuple(noise.shape)}")
        self.eval()
        values, vectors = torch.linalg.eigh(self.cov)
        yield self.decode(self.mean + noise * values.clamp(min=0).sqrt() @ vectors.T)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        check_images(batch.x, self.config["channels"], self.config["size"])
