"""Points in the plane whose density, score and modes are known.

Where the answer is known, a model can be marked: how many modes it found, how many of its samples
lie on one, whether its score is the score. Everything lies in about [-1, 1] x [-1, 1].
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of round Gaussians of equal width.

    Parameters
    ----------
    means : Tensor, float32, (K, D)
    std : float
        Above 0.
    weights : Tensor, float32, (K,), optional
        Probabilities; equal if not given.

    Raises
    ------
    ValueError
        If the shapes do not fit, the width is not positive or the weights are no probabilities.

    Examples
    --------
    >>> x, mode = grid(5).sample(1000, seed=0)
    >>> x.shape, len(mode.unique())
    (torch.Size([1000, 2]), 25)
    """

    means: Tensor
    std: float
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or len(self.means) == 0 or self.std <= 0:
            raise ValueError(f"a mixture needs means (K, D) and std > 0, got {tuple(self.means.shape)} and {self.std}")
        if self.weights is None:
            object.__setattr__(self, "weights", torch.full((len(self.means),), 1 / len(self.means)))
        if self.weights.shape != self.means.shape[:1] or (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-4:
            raise ValueError(
                f"weights must be {len(self.means)} probabilities that sum to 1, got {self.weights.tolist()}"
            )

    def sample(self, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """n points, float (n, D), and the mode from which each was drawn, int64 (n,)."""
        rng = _generator(n, seed)
        mode = torch.multinomial(self.weights, n, replacement=True, generator=rng) if n else torch.empty(0).long()
        return self.means[mode] + self.std * torch.randn(n, self.means.shape[1], generator=rng), mode

    def noised(self, alpha: float, sigma: float) -> "Mixture":
        """The mixture of alpha x + sigma eps, eps standard normal: a mixture again."""
        return Mixture(alpha * self.means, math.hypot(alpha * self.std, sigma), self.weights)

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) for points (N, D): (N,)."""
        dims = self.means.shape[1]
        return self._joint(x).logsumexp(-1) - dims * math.log(self.std * math.sqrt(2 * math.pi))

    def score(self, x: Tensor) -> Tensor:
        """The gradient of log p at points (N, D): (N, D)."""
        return (self._joint(x).softmax(-1) @ self.means.to(x) - x) / self.std**2

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest mode of each point, int64 (N,), and how many widths away it is, float (N,)."""
        distance, mode = torch.cdist(x, self.means.to(x)).min(-1)
        return mode, distance / self.std

    def _joint(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.means.shape[1]:
            raise ValueError(f"points must be (N, {self.means.shape[1]}), got {tuple(x.shape)}")
        squared = (x[:, None] - self.means.to(x)).square().sum(-1)
        return self.weights.to(x).log() - squared / (2 * self.std**2)


def grid(side: int = 5, std: float = 0.03) -> Mixture:
    """side x side Gaussians on a square grid: the usual test for lost modes."""
    if side < 1:
        raise ValueError(f"side must be 1 or more, got {side}")
    line = torch.linspace(-0.8, 0.8, side) if side > 1 else torch.zeros(1)
    return Mixture(torch.cartesian_prod(line, line), std)


def ring(modes: int = 8, std: float = 0.05) -> Mixture:
    """Gaussians on a circle of radius 0.8."""
    if modes < 1:
        raise ValueError(f"modes must be 1 or more, got {modes}")
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return Mixture(0.8 * torch.stack([angle.cos(), angle.sin()], 1), std)


def spiral(n: int, seed: int, noise: float = 0.02) -> Tensor:
    """Points (n, 2) on an Archimedean spiral r = angle / (4 pi) of two turns, uniform in its angle."""
    rng = _generator(n, seed)
    angle = 4 * math.pi * torch.rand(n, generator=rng)
    radius = angle / (4 * math.pi)
    curve = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)
    return curve + noise * torch.randn(n, 2, generator=rng)


def moons(n: int, seed: int, noise: float = 0.03) -> tuple[Tensor, Tensor]:
    """Two half circles that reach into each other: points (n, 2) and which moon, int64 (n,)."""
    rng = _generator(n, seed)
    angle, moon = math.pi * torch.rand(n, generator=rng), torch.randint(2, (n,), generator=rng)
    sign = 1 - 2 * moon
    curve = torch.stack([sign * angle.cos() + moon - 0.5, sign * angle.sin() + 0.5 * moon - 0.25], 1)
    return 0.6 * curve + noise * torch.randn(n, 2, generator=rng), moon


def checkerboard(n: int, seed: int, squares: int = 4) -> Tensor:
    """Points (n, 2), uniform on the dark squares of a board over [-1, 1]: the density is 1/2 or 0."""
    if squares < 2 or squares % 2:
        raise ValueError(f"squares must be even and 2 or more, got {squares}")
    rng = _generator(n, seed)
    row = torch.randint(squares, (n,), generator=rng)
    column = 2 * torch.randint(squares // 2, (n,), generator=rng) + row % 2
    corner = torch.stack([column, row], 1)
    return (corner + torch.rand(n, 2, generator=rng)) * 2 / squares - 1


def _generator(n: int, seed: int) -> torch.Generator:
    if n < 0:
        raise ValueError(f"n must be 0 or more points, got {n}")
    return torch.Generator().manual_seed(seed)
