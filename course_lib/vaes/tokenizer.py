"""An image as 7 x 7 tokens, and back.

An autoencoder whose code is not one vector but a map, with a quantiser in the middle: each of its places
becomes one of K codes. 784 bytes shrink to 49, and an image is now a sentence in an alphabet of K letters,
for which a prior is learned separately, by a transformer or a state space model. The rate is 49 log2 K
bits, the same for every image; nothing presses it down, so there is no KL and nothing that collapses.

van den Oord et al. 2017, Neural Discrete Representation Learning; Mentzer et al. 2024, Finite Scalar
Quantization.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.vaes.bounds import bits_per_dimension
from course_lib.vaes.likelihoods import LogisticMixture, check_levels
from course_lib.vaes.networks import MapDecoder, MapEncoder, check_images, check_sizes
from course_lib.vaes.quantise import FSQ, VectorQuantiser


class Tokenizer(Model):
    """A convolutional autoencoder with a quantised map in the middle.

    Parameters
    ----------
    quantiser : FSQ or VectorQuantiser
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4, and tokens are (size / 4, size / 4).
    width, depth : int
        Features at half resolution and residual blocks at each resolution, on both sides.
    components : int
        Logistic distributions a pixel.
    config : dict
        What the subclass was built from.
    """

    def __init__(
        self,
        quantiser: FSQ | VectorQuantiser,
        *,
        channels: int,
        size: int,
        width: int,
        depth: int,
        components: int,
        config: dict,
    ) -> None:
        check_sizes(channels, size, width, depth)
        super().__init__(**config)
        self.channels, self.size = channels, size
        self.encoder = MapEncoder(channels, width, depth, quantiser.dim)
        self.quantiser = quantiser
        self.decoder = MapDecoder(quantiser.dim, width, depth, components * (1 + 2 * channels))

    @property
    def codes(self) -> int:
        """K: tokens are 0..K-1."""
        return self.quantiser.codes

    def encode(self, x: Float[Tensor, "b c h w"]) -> Int[Tensor, "b h2 w2"]:
        """Images -> tokens, int64 (B, size / 4, size / 4)."""
        check_images(x, self.channels, self.size)
        return self.quantiser.nearest(self._map(x))

    def decode(self, tokens: Int[Tensor, "b h w"]) -> Float[Tensor, "b c h2 w2"]:
        """Tokens -> the expected image in [-1, 1]."""
        side = self.size // 4
        if tokens.shape[1:] != (side, side):
            raise ValueError(f"tokens must be (B, {side}, {side}), got {tuple(tokens.shape)}")
        return self.pixels(self.quantiser.lookup(tokens)).mean()

    def reconstruct(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Images -> what comes back from their tokens."""
        return self.decode(self.encode(x))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """-log p(x | tokens) in bits a dimension, and what the quantiser asks for (van den Oord et al. 2017, eq. 3)."""
        quantised = self.quantiser(self._map(batch.x))
        log_prob = self.pixels(quantised.codes).log_prob(batch.x).mean()
        distortion = bits_per_dimension(log_prob, self.channels * self.size**2)
        return {"loss": distortion + quantised.loss, "distortion": distortion, "commitment": quantised.loss}

    def pixels(self, codes: Float[Tensor, "b h w d"]) -> LogisticMixture:
        """A map of codes -> the distribution of each pixel."""
        return LogisticMixture.of(self.decoder(codes.movedim(-1, 1)), self.channels)

    def _map(self, x: Tensor) -> Tensor:
        """What is to be quantised, float32 (B, H, W, D)."""
        return self.encoder(x).float().movedim(1, -1)

    @torch.no_grad()
    def sample(self, n: int, *, tokens: Tensor | None = None) -> Iterator[Tensor]:
        """Decode tokens; without a prior of them, each is drawn uniformly, which shows what a prior is needed for.

        Parameters
        ----------
        n : int
            How many.
        tokens : Tensor, int64, (n, size / 4, size / 4), optional

        Yields
        ------
        Tensor, float32, (n, channels, size, size)
            The expected images in [-1, 1], once.
        """
        side = self.size // 4
        if tokens is None:
            tokens = torch.randint(self.codes, (n, side, side), device=self.device)
        if n < 1 or len(tokens) != n:
            raise ValueError(f"tokens must be ({n}, {side}, {side}) with at least one image, got {tuple(tokens.shape)}")
        self.eval()
        yield self.decode(tokens)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        check_images(batch.x, self.channels, self.size)
        check_levels(batch.x)


class FsqTokenizer(Tokenizer):
    """With finite scalar quantisation: `levels` of each coordinate of a code, whose product is K."""

    def __init__(
        self,
        levels: Sequence[int] = (4, 4, 4, 4),
        channels: int = 1,
        size: int = 28,
        width: int = 64,
        depth: int = 1,
        components: int = 3,
    ) -> None:
        config = {"channels": channels, "size": size, "width": width, "depth": depth, "components": components}
        super().__init__(FSQ(levels), config={"levels": list(levels)} | config, **config)


class VqTokenizer(Tokenizer):
    """With a learned codebook: `codes` vectors of `dim` numbers."""

    def __init__(
        self,
        codes: int = 256,
        dim: int = 8,
        channels: int = 1,
        size: int = 28,
        width: int = 64,
        depth: int = 1,
        components: int = 3,
    ) -> None:
        config = {"channels": channels, "size": size, "width": width, "depth": depth, "components": components}
        super().__init__(VectorQuantiser(codes, dim), config={"codes": codes, "dim": dim} | config, **config)
