"""Codes from a finite list: an image as a few whole numbers.

A quantiser replaces each vector of a feature map by one of K codes. The step has no slope, so in
training its gradient is taken to be that of the identity (straight-through; Bengio et al. 2013): what
the decoder says about the code is passed on to the encoder as if nothing had been rounded.

Two ways to choose the codes. `VectorQuantiser` learns K vectors and takes the nearest one; the codes
follow the features that fall to them, as centres do in k-means, and codes to which nothing falls are
moved to where there is something. `FSQ` learns no codes at all: it squashes each of a few coordinates
into an interval and rounds it, so that the codes are a fixed grid, which cannot collapse.

van den Oord et al. 2017, Neural Discrete Representation Learning; Mentzer et al. 2024, Finite Scalar
Quantization: VQ-VAE Made Simple.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import mse_loss

DEAD = 0.05  # a code that gets less than this share of the usual is moved


class Quantised(NamedTuple):
    """Vectors after quantisation.

    Attributes
    ----------
    codes : Tensor, float, (..., D)
        The chosen codes, with the gradient of the vectors that they replace.
    tokens : Tensor, int64, (...)
        Their numbers in 0..K-1.
    loss : Tensor, ()
        What the quantiser asks of the encoder; 0 if nothing.
    """

    codes: Tensor
    tokens: Tensor
    loss: Tensor


class Use(NamedTuple):
    """How much of a codebook a set of tokens uses.

    Attributes
    ----------
    share : float
        Part of the codes that occur at all, in (0, 1].
    perplexity : float
        As many codes, used alike, would have the same entropy: 1 to K.
    """

    share: float
    perplexity: float


def straight_through(z: Tensor, code: Tensor) -> Tensor:
    """The code in value, `z` in gradient.

    Examples
    --------
    >>> z = torch.tensor(0.4, requires_grad=True)
    >>> code = straight_through(z, z.round())
    >>> code.backward(); code.item(), z.grad.item()
    (0.0, 1.0)
    """
    return z + (code - z).detach()


class VectorQuantiser(nn.Module):
    """The nearest of K learned vectors (van den Oord et al. 2017, section 3).

    The codebook is no parameter: each code moves to the running mean of the vectors that fall to it
    (their appendix A). The loss is the commitment of eq. 3, which keeps vectors near their codes.

    Parameters
    ----------
    codes, dim : int
        K codes of D numbers.
    memory : float
        Weight of the past in the running means, in [0, 1).
    commitment : float
        Weight of the loss.
    """

    def __init__(self, codes: int, dim: int, memory: float = 0.99, commitment: float = 0.25) -> None:
        if min(codes, dim) < 1 or not 0 <= memory < 1:
            raise ValueError(f"codes and dim must be at least 1 and memory in [0, 1), got {codes}, {dim}, {memory}")
        super().__init__()
        self.codes, self.dim, self.memory, self.commitment = codes, dim, memory, commitment
        self.register_buffer("book", torch.randn(codes, dim))
        self.register_buffer("counts", torch.zeros(codes))  # running, of the vectors that fall to each code

    def forward(self, z: Float[Tensor, "*b d"]) -> Quantised:
        tokens = self.nearest(z)
        codes = self.lookup(tokens)
        if self.training:
            self._follow(z.detach().reshape(-1, self.dim), tokens.flatten())
        return Quantised(straight_through(z, codes), tokens, self.commitment * mse_loss(z, codes))

    def nearest(self, z: Float[Tensor, "*b d"]) -> Int[Tensor, "*b"]:
        """The number of the code at the least squared distance |z - e|^2; |z|^2 is the same for all of them."""
        _check_vectors(z, self.dim)
        with torch.autocast(z.device.type, enabled=False):  # in half precision, neighbours are confused
            return (self.book.square().sum(dim=1) - 2 * z.float() @ self.book.T).argmin(dim=-1)

    def lookup(self, tokens: Tensor) -> Float[Tensor, "*b d"]:
        """Tokens 0..K-1 (...) -> codes (..., D)."""
        check_tokens(tokens, self.codes)
        return self.book[tokens]

    def _follow(self, z: Tensor, tokens: Tensor) -> None:
        """Move each code towards the running mean of its vectors (their eqs. 6-8), and the dead ones anywhere."""
        fresh = 1 - self.memory
        count = tokens.bincount(minlength=self.codes)
        sums = torch.zeros_like(self.book).index_add_(0, tokens, z.float())
        self.counts.mul_(self.memory).add_(fresh * count)
        self.book += fresh * (sums - count[:, None] * self.book) / self.counts[:, None].clamp(min=1e-9)
        self._revive(z)

    def _revive(self, z: Tensor) -> None:
        """A code that is nearest to nothing never moves again: put it on a vector drawn at random."""
        usual = self.counts.mean()
        dead = self.counts < DEAD * usual
        drawn = z[torch.randint(len(z), (self.codes,), device=z.device)].float()
        self.book.copy_(torch.where(dead[:, None], drawn, self.book))
        self.counts.copy_(torch.where(dead, usual, self.counts))


class FSQ(nn.Module):
    """Squash each coordinate into an interval and round it to one of L levels (Mentzer et al. 2024, section 3).

    There is nothing to learn and no loss. We place the levels at -1 ... 1 for even and odd L alike, where
    the paper shifts even ones; a token is the number whose digits, of mixed base, are the levels.

    Parameters
    ----------
    levels : sequence of int
        L of each coordinate, at least 2; their product is the number of codes.

    Examples
    --------
    >>> fsq = FSQ([3, 2])
    >>> fsq.lookup(torch.arange(6)).tolist()
    [[-1.0, -1.0], [0.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    """

    def __init__(self, levels: Sequence[int]) -> None:
        if not len(levels) or min(levels) < 2:
            raise ValueError(f"each coordinate needs at least two levels, got {list(levels)}")
        super().__init__()
        self.dim, self.codes = len(levels), math.prod(levels)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("base", torch.tensor([1, *levels[:-1]]).cumprod(dim=0), persistent=False)

    def forward(self, z: Float[Tensor, "*b d"]) -> Quantised:
        squashed = torch.tanh(z.float())
        digits = self._digits(squashed)
        tokens = (digits * self.base).sum(dim=-1)
        return Quantised(straight_through(squashed, self._codes(digits)), tokens, squashed.new_zeros(()))

    def nearest(self, z: Float[Tensor, "*b d"]) -> Int[Tensor, "*b"]:
        """The token of each vector."""
        return (self._digits(torch.tanh(z.float())) * self.base).sum(dim=-1)

    def lookup(self, tokens: Tensor) -> Float[Tensor, "*b d"]:
        """Tokens 0..K-1 (...) -> codes (..., D) in [-1, 1]: the digits of each number."""
        check_tokens(tokens, self.codes)
        return self._codes(tokens[..., None] // self.base % self.levels)

    def _digits(self, squashed: Tensor) -> Tensor:
        _check_vectors(squashed, self.dim)
        return ((squashed + 1) / 2 * (self.levels - 1)).round().long()

    def _codes(self, digits: Tensor) -> Tensor:
        return 2 * digits / (self.levels - 1) - 1


def use(tokens: Tensor, codes: int) -> Use:
    """How a set of tokens uses a codebook.

    Examples
    --------
    >>> share, perplexity = use(torch.tensor([0, 0, 3, 3]), codes=4)
    >>> share, round(perplexity, 6)
    (0.5, 2.0)
    """
    check_tokens(tokens, codes)
    p = tokens.flatten().bincount(minlength=codes).double() / tokens.numel()
    return Use((p > 0).double().mean().item(), torch.special.entr(p).sum().exp().item())


def check_tokens(tokens: Tensor, codes: int) -> None:
    """Refuse what is no list of code numbers.

    Raises
    ------
    ValueError
    """
    if tokens.dtype != torch.int64 or not tokens.numel() or not 0 <= tokens.min() <= tokens.max() < codes:
        span = f"{tokens.min()}..{tokens.max()}" if tokens.numel() else "none"
        raise ValueError(f"tokens must be int64 in 0..{codes - 1}, one at least, got {tokens.dtype} {span}")


def _check_vectors(z: Tensor, dim: int) -> None:
    if not z.ndim or z.shape[-1] != dim:
        raise ValueError(f"vectors to quantise must be (..., {dim}), got {tuple(z.shape)}: channels go last")
