# %% [markdown]
# # Exercises: GANs
#
# Twelve tasks, each a few lines long, from the best discriminator that there can be to a game that covers all of its
# data. Together they are a GAN library. The pictures between the tasks are made with what you wrote; most of them
# live in the plane, where one sees every sample.
#
# - A **discriminator** gives each image a score, a number of any size: high for real. $D = \sigma(\text{score})$ is
#   its probability of "real".
# - **Scores** are (B,), one an image; **images** are float tensors $(B, C, H, W)$; noise is standard normal.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/01_gans` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

Discriminator = Callable[[Tensor], Tensor]  # images (B, ...) -> scores (B,)
Loss = Callable[[Discriminator, Tensor, Tensor], Tensor]  # (discriminator, real, fake) -> ()

# %% [markdown]
# ## 1 · The best discriminator
#
# Let $p$ be the density of the data and $q$ that of the generator's samples. The discriminator maximises
#
# $$V(D) = \mathbb E_p \log D + \mathbb E_q \log (1 - D) = \int p \log D + q \log (1 - D)\; \mathrm dx$$
#
# Nothing ties $D(x)$ to its neighbours, so each place can be maximised by itself. Set the derivative
# $p / D - q / (1 - D)$ to 0 and solve for $D$. At the places where a GAN's data live densities are tiny, so you get
# their logarithms: far out both densities round to 0, and the answer is still known.
#
# | argument | shape | what |
# |---|---|---|
# | `log_p`, `log_q` | any, equal | logarithms of both densities at some places |
# | **returns** | the same | $D^*$ there, in $[0, 1]$ |
#
# <details><summary>Hint</summary>
#
# Divide numerator and denominator of your fraction by $p$. What is left contains $q / p$, the exponential of a
# difference, and has a name in torch.
# </details>


# %% tags=["task"] task="optimal_discriminator" difficulty=1 importance=4 minutes=5
def optimal_discriminator(log_p: Tensor, log_q: Tensor) -> Tensor:
    """The probability that a point which was seen here is real."""
    ### BEGIN SOLUTION
    return torch.sigmoid(log_p - log_q)
    ### END SOLUTION


# %% tags=["check"]
check("optimal_discriminator")

# %% [markdown]
# Data around 1, samples around -1. Where both are seen, the best discriminator hesitates; outside it is sure, and
# flat: a sample far to the left is not told that it should move to the right.

# %% tags=["skip-grading"]
from course_lib.plotting import beside, curves, points, trajectory

line = torch.linspace(-6, 6, 241)


def log_normal(x: Tensor, mean: float, std: float = 1.0) -> Tensor:
    """Logarithm of a Gaussian density."""
    return -(((x - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi))


log_p, log_q = log_normal(line, 1), log_normal(line, -1)
curves(
    {"p (data)": log_p.exp(), "q (samples)": log_q.exp(), "D*": optimal_discriminator(log_p, log_q)},
    x=line,
    xlabel="x",
    ylabel="density, probability",
    alt="Two bells around 1 and -1, and the best discriminator, which rises from 0 to 1 between them",
)

# %% [markdown]
# ## 2 · Two losses
#
# A network learns $D$ through its score $s$, with $D = \sigma(s)$. It pays the negative of the value above; the mean
# runs over each half of the batch by itself:
#
# $$\mathcal L_D = \operatorname{mean}(-\log D(x)) + \operatorname{mean}(-\log (1 - D(\tilde x)))$$
#
# The generator could pay $\log(1 - D(\tilde x))$, which is what the discriminator gains. Goodfellow et al. (2014) gave
# it another loss with the same goal, which is steep where the generator loses:
#
# $$\mathcal L_G = \operatorname{mean}(-\log D(\tilde x))$$
#
# | argument | shape | what |
# |---|---|---|
# | `real`, `fake` | (B,) | scores of real and of generated images |
# | **returns** | () | a scalar |
#
# Both must stay finite where the discriminator is sure and wrong: at a score of -200 the probability rounds to 0.
#
# <details><summary>Hint</summary>
#
# $-\log \sigma(s) = \log(1 + e^{-s})$, and torch has a function for $\log(1 + e^{s})$ that does not overflow; it is
# imported above. $1 - \sigma(s) = \sigma(-s)$.
# </details>


# %% tags=["task"] task="gan_losses" difficulty=2 importance=5 minutes=10
def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator pays, a scalar."""
    ### BEGIN SOLUTION
    return softplus(-real).mean() + softplus(fake).mean()
    ### END SOLUTION


def generator_loss(fake: Tensor) -> Tensor:
    """What the generator pays, a scalar: the non-saturating loss."""
    ### BEGIN SOLUTION
    return softplus(-fake).mean()
    ### END SOLUTION


# %% tags=["check"]
check("gan_losses")

# %% [markdown]
# How hard does the generator pull at an image of a given score? Left of 0 the discriminator has found it out. What
# the discriminator gains is flat just there: that is why your loss is called non-saturating.


# %% tags=["skip-grading"]
def pull(loss: Callable, scores: Tensor) -> Tensor:
    """Minus the derivative of a generator's loss, a mean over its scores, at each of them."""
    scores = scores.clone().requires_grad_()
    return -len(scores) * torch.autograd.grad(loss(scores), scores)[0]


scores = torch.linspace(-6, 6, 61)
against = {"yours": generator_loss, "minus the discriminator's": lambda s: -discriminator_loss(100 + 0 * s, s)}
curves(
    {name: pull(loss, scores) for name, loss in against.items()},
    x=scores,
    xlabel="score of the generated image",
    ylabel="pull towards higher scores",
    alt="Two curves that mirror each other: your loss pulls at low scores, the discriminator's negative at high ones",
)

# %% [markdown]
# ## 3 · How far apart?
#
# Two heaps of sand: how far must a grain be carried on average to turn one into the other? On a line nobody gains by
# overtaking. If two grains' ways cross, exchange their goals, and the ways are together no longer than before. So the
# smallest goes to the smallest, the next to the next; the mean distance is the Wasserstein distance $W_1$ of the two
# samples.
#
# | argument | shape | what |
# |---|---|---|
# | `x`, `y` | (n,) | two samples, in any order |
# | **returns** | () | $W_1$ |
#
# <details><summary>Hint</summary>
#
# `x.sort()` returns a pair, of which `.values` is what you need. A distance carried to the left counts as well.
# </details>


# %% tags=["task"] task="wasserstein" difficulty=1 importance=3 minutes=5
def wasserstein(x: Tensor, y: Tensor) -> Tensor:
    """The mean distance between the samples' quantiles, a scalar."""
    ### BEGIN SOLUTION
    return (x.sort().values - y.sort().values).abs().mean()
    ### END SOLUTION


# %% tags=["check"]
check("wasserstein")

# %% [markdown]
# Shift a Gaussian away from the data. The best discriminator soon tells all, and its value cannot say whether
# the samples are far away or very far; your distance can. This is the case for a critic instead of a classifier.

# %% tags=["skip-grading"]
shifts, wide = torch.linspace(0, 8, 17), torch.linspace(-8, 16, 961)
sample, curves_of = torch.randn(2000, generator=torch.Generator().manual_seed(0)), {"V(D*) + log 4": [], "W1": []}
for shift in shifts:
    log_p, log_q = log_normal(wide, 0), log_normal(wide, float(shift))
    best = optimal_discriminator(log_p, log_q).clamp(1e-7, 1 - 1e-7)
    value = torch.trapezoid(log_p.exp() * best.log() + log_q.exp() * (1 - best).log(), wide)
    curves_of["V(D*) + log 4"].append(float(value) + math.log(4))
    curves_of["W1"].append(float(wasserstein(sample, sample + shift)))
curves(
    curves_of,
    x=shifts,
    xlabel="shift",
    ylabel="distance",
    levels={"log 4": math.log(4)},
    alt="The best discriminator's value flattens at log 4 from a shift of 4 on; the Wasserstein distance grows with it",
)

# %% [markdown]
# ## 4 · Round and round
#
# The smallest GAN (Mescheder et al. 2018): all data are the number 0, the generator draws the number $\theta$, and the
# discriminator scores $x$ with $\psi x$. With the losses of task 2 and the penalty $\frac\gamma2 \psi^2$ on its slope,
#
# $$\mathcal L_D = \log(1 + e^{0}) + \log(1 + e^{\psi\theta}) + \tfrac\gamma2 \psi^2, \qquad
# \mathcal L_G = \log(1 + e^{-\psi\theta})$$
#
# Each player walks down its own loss by its own number: $\dot\theta = -\partial \mathcal L_G / \partial \theta$ and
# $\dot\psi = -\partial \mathcal L_D / \partial \psi$. Write this field, and a function for the eigenvalues of *any*
# field's Jacobian: near a rest, a negative real part leads inwards, an imaginary part turns.
#
# | argument | shape | what |
# |---|---|---|
# | `state` | (2,) | $(\theta, \psi)$ |
# | `gamma` | float | strength of the penalty |
# | `dynamics` | function (2,) $\mapsto$ (2,) | any field |
# | `dirac_field` **returns** | (2,) | $(\dot\theta, \dot\psi)$ |
# | `eigenvalues` **returns** | (2,), complex | in any order |
#
# <details><summary>Hint</summary>
#
# The derivative of $\log(1 + e^s)$ is $\sigma(s)$; the rest is the chain rule. `torch.func.jacrev(f)(x)` is the
# Jacobian of `f` at `x`. It is not symmetric, so `torch.linalg.eigvals` it is.
# </details>


# %% tags=["task"] task="dirac" difficulty=3 importance=4 minutes=15
def dirac_field(state: Tensor, gamma: float) -> Tensor:
    """The players' velocities (2,) at a state (theta, psi)."""
    ### BEGIN SOLUTION
    theta, psi = state
    score = psi * theta
    return torch.stack([psi * torch.sigmoid(-score), -theta * torch.sigmoid(score) - gamma * psi])
    ### END SOLUTION


def eigenvalues(dynamics: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    """Eigenvalues (2,) of the Jacobian of a field at a state, complex."""
    ### BEGIN SOLUTION
    return torch.linalg.eigvals(torch.func.jacrev(dynamics)(state))
    ### END SOLUTION


# %% tags=["check"]
check("dirac")

# %% [markdown]
# The players as they go, in small steps. Without the penalty the eigenvalues are imaginary: near the rest nothing
# leads inwards, and the players circle it without end. With the penalty both real parts are negative, and they come
# to rest where the generator is right and the discriminator knows nothing. Below each picture stands the eigenvalue
# with the largest real part, which decides.


# %% tags=["skip-grading"]
def played(gamma: float, steps: int = 800, size: float = 0.1) -> Tensor:
    """Places (T, 1, 2) of a game from (1, 0)."""
    states = [torch.tensor([1.0, 0.0])]
    for _ in range(steps):
        states.append(states[-1] + size * dirac_field(states[-1], gamma))
    return torch.stack(states)[:, None]


def deciding(gamma: float) -> str:
    """The eigenvalue at the rest with the largest real part."""
    found = eigenvalues(lambda s: dirac_field(s, gamma), torch.zeros(2)).tolist()
    slowest = max(found, key=lambda value: (round(value.real, 3), value.imag))
    return f"{round(slowest.real, 2) + 0.0:.2f}{slowest.imag:+.2f}j"


style = {"limit": 1.2, "xlabel": "θ", "ylabel": "ψ", "size": (230, 240)}
beside(
    [
        trajectory(
            played(gamma),
            caption=f"γ = {gamma:g}: {deciding(gamma)}",
            alt=f"The path at γ = {gamma:g}",
            **style,
        )
        for gamma in (0.0, 0.3, 1.5)
    ],
    alt="Three paths of the two players: one circles without end, one spirals inwards, one goes straight to the rest",
)

# %% [markdown]
# ## 5 · Not too steep: R1
#
# The same penalty for a network and images: half of $\gamma$ times the squared slope of the score, on real images
# (Mescheder et al. 2018):
#
# $$R_1 = \frac\gamma2\, \operatorname{mean}_i \left\| \nabla_{x_i} D(x_i) \right\|^2$$
#
# The norm sums over all pixels of an image, the mean runs over the images.
#
# | argument | shape | what |
# |---|---|---|
# | `discriminator` | function (B, C, H, W) $\mapsto$ (B,) | the score of each image, from that image alone |
# | `x` | (B, C, H, W) | images; they must stay as they are, gradients included |
# | `gamma` | float | |
# | **returns** | () | a scalar, through which gradients reach the discriminator's weights |
#
# <details><summary>Hint</summary>
#
# `torch.autograd.grad(scalar, x, create_graph=True)` gives a tuple with the gradient, which can be differentiated
# again. Each score depends on its own image only, so the gradient of the scores' *sum* holds all gradients. Ask on
# `x.detach().requires_grad_()`: a tensor of your own.
# </details>


# %% tags=["task"] task="r1_penalty" difficulty=3 importance=5 minutes=15
def r1_penalty(discriminator: Discriminator, x: Tensor, gamma: float) -> Tensor:
    """Half of gamma times the mean squared slope at images x, a scalar."""
    ### BEGIN SOLUTION
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gamma / 2 * slope.square().flatten(1).sum(1).mean()
    ### END SOLUTION


# %% tags=["check"]
check("r1_penalty")

# %% [markdown]
# ## 6 · As steep as one: the critic of WGAN-GP
#
# By duality the Wasserstein distance is the most that $\mathbb E_p f - \mathbb E_q f$ can be for functions $f$ of slope
# at most 1. The best such **critic** has slope 1 on the lines along which the mass is carried. Gulrajani et al. (2017)
# ask for that at random points between a real image and a generated one:
#
# $$\operatorname{mean}_i \big( \left\| \nabla_x f(x_i) \right\| - 1 \big)^2, \qquad
# x_i = (1 - s_i)\, \text{real}_i + s_i\, \text{fake}_i$$
#
# | argument | shape | what |
# |---|---|---|
# | `critic` | function (B, C, H, W) $\mapsto$ (B,) | |
# | `real`, `fake` | (B, C, H, W) | |
# | `share` | (B,) in $[0, 1]$ | $s$, one number a pair |
# | **returns** | () | a scalar, through which gradients reach the critic's weights |
#
# <details><summary>Hint</summary>
#
# Mix first, with `share` as (B, 1, 1, 1). Then task 5, but with the norm of each image's gradient instead of its
# square.
# </details>


# %% tags=["task"] task="unit_slope_penalty" difficulty=3 importance=3 minutes=10
def unit_slope_penalty(critic: Discriminator, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """The mean squared distance of the slope from 1 between pairs of images, a scalar."""
    ### BEGIN SOLUTION
    share = share[:, None, None, None]
    between = ((1 - share) * real + share * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
    ### END SOLUTION


# %% tags=["check"]
check("unit_slope_penalty")

# %% [markdown]
# ## 7 · Compare, do not judge
#
# So far the discriminator judges each image by itself, so it is enough for it to push all generated images beyond one
# boundary, and the generator can answer by putting all of them at one place behind it. The relativistic game
# (Jolicoeur-Martineau 2019) asks for a comparison: of a real and a generated image, which is the real one?
#
# $$\mathcal L_D = \operatorname{mean}_i \left( -\log \sigma\big(f(x_i) - f(\tilde x_i)\big) \right)$$
#
# The $i$-th real image is paired with the $i$-th generated one. The generator pays the same with the roles exchanged,
# so one function serves both players.
#
# | argument | shape | what |
# |---|---|---|
# | `high`, `low` | (B,) | scores of the images that should be higher, and of those that should be lower |
# | **returns** | () | a scalar |
#
# <details><summary>Hint</summary>
#
# Take the difference of each pair *before* anything else happens to the scores, and use `softplus` as in task 2.
# </details>


# %% tags=["task"] task="relativistic_loss" difficulty=2 importance=4 minutes=5
def relativistic_loss(high: Tensor, low: Tensor) -> Tensor:
    """The mean negative log-probability that the pairs are ordered as they should be, a scalar."""
    ### BEGIN SOLUTION
    return softplus(low - high).mean()
    ### END SOLUTION


# %% tags=["check"]
check("relativistic_loss")

# %% [markdown]
# ## 8 · One round of the game
#
# Now both players move, the discriminator first. Each has a network, an optimiser that holds its weights, and a loss:
# a function of the discriminator, the real images and the generated ones.
#
# - In the **discriminator's** turn generated images are just images: nothing may flow back into the generator.
# - In the **generator's** turn its loss flows through the discriminator into the generator. The discriminator, as it is
#   *now*, stays where it is; but gradients do arrive at its weights, and must not be left for its next move.
# - A gradient is added to what `.grad` holds, so each player clears it before its `backward`.
#
# | argument | type | what |
# |---|---|---|
# | `players` | two modules | the discriminator, images $\mapsto$ (B,), and the generator, noise $\mapsto$ images |
# | `optimizers` | two optimisers | the discriminator's, the generator's |
# | `losses` | two functions (discriminator, real, fake) $\mapsto$ () | what each of them pays |
# | `real`, `noise` | tensors | the images of this round, and the noise that both turns use |
# | **returns** | two tensors () | the two losses, without gradients |
#
# <details><summary>Hint</summary>
#
# Eight lines: loss, `zero_grad`, `backward`, `step`, and again. Call the generator twice, and `.detach()` what it
# draws in one of the two turns.
# </details>


# %% tags=["task"] task="adversarial_step" difficulty=4 importance=5 minutes=25
def adversarial_step(
    players: tuple[nn.Module, nn.Module],
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    losses: tuple[Loss, Loss],
    real: Tensor,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """One move of the discriminator, then one of the generator; what each of them paid."""
    discriminator, generator = players
    ### BEGIN SOLUTION
    paid = losses[0](discriminator, real, generator(noise).detach())
    optimizers[0].zero_grad()
    paid.backward()
    optimizers[0].step()
    owed = losses[1](discriminator, real, generator(noise))
    optimizers[1].zero_grad()
    owed.backward()
    optimizers[1].step()
    return paid.detach(), owed.detach()
    ### END SOLUTION


# %% tags=["check"]
check("adversarial_step")

# %% [markdown]
# Three games with the same two small networks, the same optimisers and the same number of rounds: the classic one of
# task 2, WGAN-GP with task 6, and R3GAN (Huang et al. 2024), which is task 7 with task 5 on real and on generated
# points. The data are eight narrow Gaussians on a ring; a point is an image of two channels and one pixel.

# %% tags=["skip-grading"]
from course_lib.data.points import ring


class Network(nn.Module):
    """A small network: points -> scores (B,) if it has one output, noise -> points (B, 2, 1, 1) if it has two."""

    def __init__(self, inputs: int, outputs: int, width: int = 64) -> None:
        super().__init__()
        layers = [nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)]
        self.mlp = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        h = self.mlp(x.flatten(1))
        return h[:, 0] if h.shape[1] == 1 else h[:, :, None, None]


def classic(d: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator of 2014 pays."""
    return discriminator_loss(d(real), d(fake))


def wgan_gp(d: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    """What the critic of WGAN-GP pays."""
    return d(fake).mean() - d(real).mean() + 10 * unit_slope_penalty(d, real, fake, torch.rand(len(real)))


def r3gan(d: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator of R3GAN pays."""
    return relativistic_loss(d(real), d(fake)) + r1_penalty(d, real, 0.05) + r1_penalty(d, fake, 0.05)


games = {
    "classic": (classic, lambda d, real, fake: generator_loss(d(fake))),
    "WGAN-GP": (wgan_gp, lambda d, real, fake: -d(fake).mean()),
    "R3GAN": (r3gan, lambda d, real, fake: relativistic_loss(d(fake), d(real))),
}


def descend(player: nn.Module) -> torch.optim.Optimizer:
    """Adam, as in the first convolutional GANs."""
    return torch.optim.Adam(player.parameters(), lr=2e-3, betas=(0.5, 0.99))


def trained(losses: tuple[Loss, Loss], n: int = 128) -> nn.Module:
    """The generator after a game whose learning rates fall to nothing."""
    torch.manual_seed(0)
    players = Network(2, 1), Network(2, 2)
    optimizers = descend(players[0]), descend(players[1])
    rounds = course_lib.pick(smoke=20, laptop=1000, gpu=2000)
    falling = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, rounds) for optimizer in optimizers]
    for real in ring(8).sample(rounds * n, seed=1)[0].split(n):
        adversarial_step(players, optimizers, losses, real[:, :, None, None], torch.randn(n, 2))
        for schedule in falling:
            schedule.step()
    return players[1]


generators = {name: trained(losses) for name, losses in games.items()}
with torch.no_grad():
    drawn = {name: generator(torch.randn(1600, 2)).flatten(1) for name, generator in generators.items()}
real = ring(8).sample(1600, seed=2)[0]
beside(
    [
        points({"data": real, "samples": x}, limit=1.3, size=(230, 240), caption=name, alt=f"Samples of {name}")
        for name, x in drawn.items()
    ],
    alt="Samples of three games on a ring of eight spots: all spots under R3GAN, few under WGAN-GP",
)

# %% [markdown]
# WGAN-GP's authors let the critic move five times a round; with one move, as here, it falls behind. One seed and one
# setting prove little: `notebooks/01_gans` repeats the comparison with five seeds.

# %% [markdown]
# ## 9 · What did it forget?
#
# To forget part of the data is called mode collapse. On a mixture of $K$ equal Gaussians it can be counted:
#
# - a sample is **good** if it lies less than three standard deviations from the nearest mean;
# - a mode is **found** if it is the nearest of at least a tenth as many good samples as it would get from the data,
#   that is, of at least $0.1\, N / K$. A stray sample does not count as a find.
#
# | argument | shape | what |
# |---|---|---|
# | `samples` | (N, 2) | |
# | `means` | (K, 2) | of the mixture |
# | `std` | float | of each mode |
# | **returns** | int, float | how many modes were found, and the share of the samples that are good, in $[0, 1]$ |
#
# <details><summary>Hint</summary>
#
# `torch.cdist` gives all distances (N, K) at once, `.min(1)` the nearest with its index, and `torch.bincount(index,
# minlength=K)` counts how often each index occurs. `.item()` makes a number of a tensor.
# </details>


# %% tags=["task"] task="coverage" difficulty=2 importance=3 minutes=10
def coverage(samples: Tensor, means: Tensor, std: float) -> tuple[int, float]:
    """How many modes the samples found, and the share of them that is good."""
    ### BEGIN SOLUTION
    distance, mode = torch.cdist(samples, means).min(1)
    good = distance < 3 * std
    hits = torch.bincount(mode[good], minlength=len(means))
    found = hits >= 0.1 * len(samples) / len(means)
    return found.sum().item(), good.float().mean().item()
    ### END SOLUTION


# %% tags=["check"]
check("coverage")

# %% [markdown]
# The pictures above in numbers; a perfect generator would have all eight modes and a share of 0.99.

# %% tags=["skip-grading"]
{name: coverage(x, ring(8).means, ring(8).std) for name, x in {"data": real, **drawn}.items()}

# %% [markdown]
# ## 10 · A score for a label
#
# A conditional discriminator scores an image *for a label*. Concatenating the label to the image works badly; Miyato
# and Koyama (2018) derived a better form. If the data's and the samples' log densities of the labels are linear in
# features $\varphi(x)$, the best score, $\log p(x, y) - \log q(x, y)$, is a part that depends on the image alone plus
# an inner product with a vector of the label:
#
# $$f(x, y) = w \cdot \varphi(x) + v_y \cdot \varphi(x)$$
#
# | argument | shape | what |
# |---|---|---|
# | `features` | (B, D) | $\varphi(x)$ |
# | `y` | (B,) int64 | labels 0..K-1 |
# | `w` | (D,) | |
# | `v` | (K, D) | one vector a label |
# | **returns** | (B,) | one score an image |
#
# <details><summary>Hint</summary>
#
# `v[y]` is (B, D): each image's own vector. A matrix product of it with the features would pair every image with
# every label.
# </details>


# %% tags=["task"] task="projection_score" difficulty=2 importance=3 minutes=5
def projection_score(features: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """The score (B,) of each image for its label."""
    ### BEGIN SOLUTION
    return (features * (w + v[y])).sum(1)
    ### END SOLUTION


# %% tags=["check"]
check("projection_score")

# %% [markdown]
# The ring again, its spots in three classes. The generator is told the class, and only your score can teach it to
# listen: nothing else in the game knows the labels.


# %% tags=["skip-grading"]
class Judge(nn.Module):
    """A discriminator (points, labels) -> scores (B,), by projection."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        layers = [nn.Linear(2, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.w = nn.Parameter(torch.randn(width) / width**0.5)
        self.v = nn.Parameter(torch.randn(classes, width) / width**0.5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return projection_score(self.features(x.flatten(1)), y, self.w, self.v)


def told_class(noise: Tensor, y: Tensor) -> Tensor:
    """What the conditional generator gets: noise and the label as three numbers."""
    return torch.cat([noise, nn.functional.one_hot(y, 3).float()], 1)


def hearing(y: Tensor, pays: Loss) -> Loss:
    """A loss whose discriminator is told the labels."""
    return lambda d, real, fake: pays(lambda x: d(x, y), real, fake)


torch.manual_seed(0)
judge, artist = Judge(3), Network(2 + 3, 2)
optimizers = descend(judge), descend(artist)
for seed in range(course_lib.pick(smoke=20, laptop=1000, gpu=2000)):
    x, spot = ring(6).sample(128, seed)
    label = spot % 3
    losses = tuple(hearing(label, pays) for pays in games["R3GAN"])
    adversarial_step((judge, artist), optimizers, losses, x[:, :, None, None], told_class(torch.randn(128, 2), label))
with torch.no_grad():
    label = torch.arange(1500) % 3
    x = artist(told_class(torch.randn(1500, 2), label)).flatten(1)
points(
    {f"class {k}": x[label == k] for k in range(3)},
    limit=1.3,
    alt="Samples on a ring of six spots; each class has taken the two opposite spots that are its own",
)

# %% [markdown]
# ## 11 · The average player
#
# A GAN's weights never quite come to rest: the players keep turning around the point where they should be. The centre
# of a circle is the mean of its points, so what draws the final images is an exponential moving average of the
# generator's weights, updated after each round:
#
# $$\bar\theta \leftarrow \beta\, \bar\theta + (1 - \beta)\, \theta$$
#
# It is updated **in place**: the averaged network holds these very tensors. No gradients are recorded. Entries that are
# whole numbers (a counter of batches) cannot be averaged and are copied.
#
# | argument | type | what |
# |---|---|---|
# | `average` | dict of str to Tensor | changed in place |
# | `weights` | dict of str to Tensor | the same names and shapes; they stay as they are |
# | `decay` | float in $[0, 1)$ | $\beta$ |
# | **returns** | None | |
#
# <details><summary>Hint</summary>
#
# Methods that end in an underscore work in place: `a.lerp_(b, s)` is $a \leftarrow a + s\,(b - a)$, and `a.copy_(b)`
# copies. `a = ...` in a loop only gives a name to a new tensor. `tensor.is_floating_point()` tells the two kinds apart.
# </details>


# %% tags=["task"] task="ema_update" difficulty=2 importance=4 minutes=10
def ema_update(average: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """Take the current weights into their moving average."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        for name, value in weights.items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - decay)
            else:
                average[name].copy_(value)
    ### END SOLUTION


# %% tags=["check"]
check("ema_update")

# %% [markdown]
# The players of task 4 without any penalty, who circle without end, and their average, which comes close to the rest.

# %% tags=["skip-grading"]
path = played(0.0, steps=1500)
average, averaged = {"state": path[0].clone()}, []
for state in path:
    ema_update(average, {"state": state}, 0.995)
    averaged.append(average["state"].clone())
pictures = {"the players": path, "their average": torch.stack(averaged)}
beside(
    [trajectory(places, caption=name, alt=f"The path of {name}", **style) for name, places in pictures.items()],
    alt="On the left the players circle the middle without end; on the right their average goes into it",
)

# %% [markdown]
# ## 12 · Walks and truncation
#
# Two things that one does with a generator's noise. In many dimensions normal noise has almost no mass near 0: its norm
# is about $\sqrt{D}$. A straight line between two noises passes through the empty middle; **slerp** goes along the
# sphere. With $\Omega$ the angle between $a$ and $b$,
#
# $$\operatorname{slerp}(a, b, t) = \frac{\sin((1 - t)\,\Omega)\; a + \sin(t\,\Omega)\; b}{\sin \Omega}$$
#
# **Truncation** trades variety for typical images: noise from the normal that is cut off at $\pm c$. Cut by quantiles:
# a number whose rank among normal numbers is $\Phi(z) = (1 + \operatorname{erf}(z / \sqrt 2)) / 2$ gets the same rank
# among the truncated ones, which have only the ranks from $\Phi(-c)$ to $\Phi(c)$. Work it out, and the halves cancel:
#
# $$\operatorname{erf}(z' / \sqrt 2) = \operatorname{erf}(c / \sqrt 2)\, \operatorname{erf}(z / \sqrt 2)$$
#
# | argument | shape | what |
# |---|---|---|
# | `a`, `b` | (B, D) | noises, one a row, not parallel to each other |
# | `t` | float in $[0, 1]$ | 0 is `a`, 1 is `b` |
# | `noise` | any | standard normal |
# | `limit` | float above 0 | $c$ |
# | **returns** | as `a`; as `noise` | |
#
# <details><summary>Hint</summary>
#
# Each row has its own angle: `torch.cosine_similarity(a, b, dim=-1)` is (B,) and needs an axis more. Solve the last
# formula for $z'$ with `torch.erfinv`; `math.erf` takes a float.
# </details>


# %% tags=["task"] task="latents" difficulty=3 importance=3 minutes=15
def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The points (B, D) at t on the arcs from a to b."""
    ### BEGIN SOLUTION
    angle = torch.arccos(torch.cosine_similarity(a, b, dim=-1))[..., None]
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    ### END SOLUTION


def truncated(noise: Tensor, limit: float) -> Tensor:
    """Normal noise as noise from the normal cut off at -limit and limit, quantile by quantile."""
    ### BEGIN SOLUTION
    inside = math.erf(limit / math.sqrt(2))
    return math.sqrt(2) * torch.erfinv(inside * torch.erf(noise / math.sqrt(2)))
    ### END SOLUTION


# %% tags=["check"]
check("latents")

# %% [markdown]
# First the norm of 256-dimensional noise on the way from one draw to another: halfway, the straight line is where the
# generator has never been. Then what truncation does to each number.

# %% tags=["skip-grading"]
a, b = torch.randn(2, 100, 256, generator=torch.Generator().manual_seed(0))
ways, z = torch.linspace(0, 1, 41), torch.linspace(-3, 3, 61)
norms = {"slerp": [slerp(a, b, float(t)).norm(dim=1).mean() for t in ways]}
norms["straight"] = [torch.lerp(a, b, t).norm(dim=1).mean() for t in ways]
beside(
    [
        curves(norms, x=ways, xlabel="t", ylabel="norm", size=(400, 300), alt="A level line, and one that sags"),
        curves(
            {f"limit {c:g}": truncated(z, c) for c in (2.0, 1.0, 0.5)},
            x=z,
            xlabel="noise",
            ylabel="truncated",
            size=(400, 300),
            alt="Three curves that flatten towards their limits",
        ),
    ],
    alt="The norm stays at 16 along the sphere and sags to 11 along the line; truncation bends noise to its limits",
)

# %% [markdown]
# The same two with a trained GAN (`fashion_gan`): first eight steps from one garment to another along your arc, for
# three classes; then the same noise under ever tighter limits.

# %% tags=["skip-grading"]
from course_lib.checkpoints import pretrained
from course_lib.model import last
from course_lib.plotting import grid

model = pretrained("fashion_gan")
start, goal = torch.randn(2, 3, model.latent, generator=torch.Generator().manual_seed(3))
classes, moments = torch.tensor([0, 5, 8]), torch.linspace(0, 1, 8)  # T-shirt, sandal, bag
walk = torch.stack([slerp(start, goal, float(t)) for t in moments], 1).flatten(0, 1)
walks = last(model.sample(24, classes.repeat_interleave(8), noise=walk))

limits, noise = (math.inf, 1.0, 0.5, 0.1), torch.randn(8, model.latent, generator=torch.Generator().manual_seed(4))
cut = torch.cat([noise if math.isinf(limit) else truncated(noise, limit) for limit in limits])
tighter = last(model.sample(32, torch.full((32,), 5), noise=cut))
beside(
    [
        grid(
            walks, columns=8, titles=[f"t = {t:.2f}" for t in moments], alt="Three rows of garments that change slowly"
        ),
        grid(tighter, columns=8, row_titles=[f"limit {limit:g}" for limit in limits], alt="Sandals, ever more alike"),
    ],
    alt="Three walks from one garment to another without a break; sandals that grow more alike as the limit falls",
)
