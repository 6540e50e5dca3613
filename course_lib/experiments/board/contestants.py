"""Who takes part: every family that draws clothes, and two that keep the board honest.

Real images show what "no difference" looks like; a Gaussian of the pixels shows what half a second of linear algebra
is worth. A contestant says how it draws, how often a network is asked for an image, what is needed to draw (of a
tokenizer its decoder), and what of its likelihood is known.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor, nn

from course_lib.checkpoints import pretrained
from course_lib.data.fashion import fashion
from course_lib.data.images import Images
from course_lib.experiments.board.bits import SEED, flow_bits, token_bits, vae_bits
from course_lib.model import Model, last
from course_lib.recipes import fashion_vae
from course_lib.transformers.prior import TokenSet
from course_lib.transformers.scales import finest
from course_lib.vaes.prior import fit_prior

TOKENIZER = "fashion_tokenizer"
FINE = 32  # with so many steps a flow's draws follow its ODE


@dataclass(frozen=True)
class Contestant:
    """One row of the board.

    Attributes
    ----------
    name : str
    draw : callable
        Labels (n,) -> images (n, 1, 28, 28) in [-1, 1].
    parameters : int
        What is needed to draw.
    evaluations : int
        Passes of the network an image; 0 if there is none.
    trainings : tuple of str
        The recipes whose training it took.
    bits : callable, optional
        () -> "bits" and perhaps their "bits error".
    """

    name: str
    draw: Callable[[Tensor], Tensor]
    parameters: int
    evaluations: int = 0
    trainings: tuple[str, ...] = ()
    bits: Callable[[], dict[str, float]] | None = None


def contestants() -> Iterator[Contestant]:
    """All of them, the cheap ones first."""
    yield real()
    yield gaussian()
    yield gan()
    yield vae()
    yield vae_fitted()
    yield from map(tokens, NAMES)
    yield flow(8, "fashion_dit", "DiT")
    yield from map(flow, (2, 8, 32))


NAMES = {
    "fashion_raster": "tokens, one by one",
    "fashion_scales": "tokens, scale by scale",
    "fashion_maskgit": "tokens, MaskGIT",
    "fashion_mamba": "tokens, Mamba-2",
}


def real() -> Contestant:
    """Test images at random: another half of the real ones."""
    test = fashion("test", full=True).x
    return Contestant("real images", lambda y: test[torch.randperm(len(test))[: len(y)]], 0)


def gaussian() -> Contestant:
    """The mean and covariance of the pixels of each class."""
    train = fashion("train", full=True)
    classes = [train.x[train.labels == k].flatten(1) for k in range(10)]
    means = torch.stack([x.mean(0) for x in classes])
    covs = torch.stack([x.T.cov() for x in classes]) + 1e-6 * torch.eye(means.shape[1])
    roots = torch.linalg.cholesky(covs)

    def draw(y: Tensor) -> Tensor:
        eps = torch.randn(len(y), means.shape[1], 1)
        return (means[y, :, None] + roots[y] @ eps).reshape(-1, 1, 28, 28).clamp(-1, 1)

    d = means.shape[1]
    return Contestant("Gaussian of the pixels", draw, 10 * (d + d * (d + 1) // 2))


def gan() -> Contestant:
    model = pretrained("fashion_gan")
    draw = lambda y: last(model.sample(len(y), y))
    return Contestant("GAN", draw, size(model.generator), 1, ("fashion_gan",))


def vae() -> Contestant:
    model = pretrained("fashion_vae")
    draw = lambda y: last(model.sample(len(y)))
    bits = lambda: {"bits": vae_bits(model)}
    return Contestant("VAE", draw, size(model.decoder), 1, ("fashion_vae",), bits)


def vae_fitted() -> Contestant:
    """The same with the mixture that was fitted to the latents of the bundled images (`vaes.prior`)."""
    model = pretrained("fashion_vae")
    torch.manual_seed(SEED)
    with torch.no_grad():
        prior = fit_prior(fashion_vae.draws(model, fashion("train"))[0])
    draw = lambda y: last(model.sample(len(y), noise=prior.sample(len(y))))
    bits = lambda: {"bits": vae_bits(model, prior)}
    parameters = (
        size(model.decoder) + prior.weights.numel() + prior.means.numel() + prior.factors.tril().count_nonzero()
    )
    return Contestant("VAE, fitted prior", draw, int(parameters), 1, ("fashion_vae",), bits)


def tokens(name: str) -> Contestant:
    """A prior over tokens; its tokenizer's training and decoder count."""
    model, tokenizer = pretrained(name), decoder()
    of = finest if name == "fashion_scales" else lambda drawn: drawn
    draw = lambda y: tokenizer.decode(of(last(model.sample(len(y), y)))).clamp(-1, 1)
    bits = lambda: {"bits": token_bits(model, small(name))}
    rounds, needed = sum(1 for _ in model.sample(1)), size(model) + size(tokenizer.decoder) + size(tokenizer.quantiser)
    known = None if name == "fashion_maskgit" else bits
    return Contestant(NAMES[name], torch.no_grad()(draw), needed, rounds + 1, (TOKENIZER, name), known)


@functools.cache
def small(name: str) -> Images | TokenSet:
    """Data of the form that a recipe learns from: a step on these costs what a step on all costs."""
    return import_module(f"course_lib.recipes.{name}").data("test") if name in NAMES else fashion("test")


@functools.cache
def decoder() -> Model:
    return pretrained(TOKENIZER)


def flow(steps: int, name: str = "fashion_flow", words: str = "flow") -> Contestant:
    """A flow with so many evaluations; the likelihood is that of its ODE, which many follow."""
    model = pretrained(name)
    draw = lambda y: last(model.sample(len(y), y, steps=steps)).clamp(-1, 1)
    bits = (lambda: flow_bits(model)) if steps >= FINE else None
    return Contestant(f"{words}, {steps} evaluations", draw, size(model), steps, (name,), bits)


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
