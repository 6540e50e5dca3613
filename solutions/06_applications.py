# %% [markdown]
# # Exercises: applications
#
# Eleven tasks, each a few lines long: pictures made from other pictures, small pictures made large, faults found, and
# classifiers taught with few labels. Half of what you write makes images; the other half says what they are worth, because an
# application is judged by numbers, and most of these numbers can be had wrong. The pictures between the tasks are made with
# what you wrote, on real data.
#
# - **Images** are float tensors (B, C, H, W) in $[-1, 1]$. A pair is a source $y$, which is given, and an image $x_0$, which is to be
#   made from it; what a model made is a `fake`.
# - **Time** runs as everywhere in the course: $t = 0$ is the image that is wanted. At $t = 1$ there is noise, or the source.
# - A **score** of an anomaly detector is high for what is odd. Labels are True, or 1, for what it should find.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/06_applications` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

Translator = Callable[[Tensor], Tensor]  # images of one kind -> images of another kind
PairScore = Callable[[Tensor, Tensor], Tensor]  # (image, its source) -> scores, high where the pair looks real
Denoiser = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> x_0

# %% [markdown]
# ## 1 · A judge of pairs
#
# Pix2pix (Isola et al. 2017) translates by a GAN whose discriminator sees **pairs**: a fake night must be a night, and the
# night of *this* day. It is a PatchGAN: for each pair it gives not one score $f$ but a map of them, one a patch. With $\zeta$
# for softplus and the mean over all scores,
#
# $$\mathcal L_D = \operatorname{mean} \zeta\big(-f(x_0, y)\big) + \operatorname{mean} \zeta\big(f(\hat x, y)\big), \qquad
# \mathcal L_G = \operatorname{mean} \zeta\big(-f(\hat x, y)\big) + w\, \operatorname{mean} \lvert \hat x - x_0 \rvert$$
#
# The discriminator's loss is no business of the generator: no gradient of it reaches the fakes. The generator's loss is
# carried to the generator *through* the score. (The notebook plays another game, the relativistic one, by the same two
# rules.)
#
# | argument | shape or type | what |
# |---|---|---|
# | `score` | function (image, source) ↦ (B, 1, h, w) | $f$ |
# | `x0`, `y` | (B, C, H, W) | the true images, and their sources |
# | `fake` | (B, C, H, W) | $\hat x$, made from $y$; it carries gradients |
# | `weight` | float | $w$, 100 in the paper |
# | **returns** | () | a loss |
#
# <details><summary>Hint</summary>
#
# `softplus` stands in the setup above; it is safe for scores of any size, `torch.log(torch.sigmoid(…))` is not. `.detach()`
# cuts the way back to whatever made a tensor. In one of the two losses it must stand, in the other it would stop all
# learning.
# </details>


# %% tags=["task"] task="pix2pix" difficulty=1 importance=5 minutes=10
def discriminator_loss(score: PairScore, x0: Tensor, fake: Tensor, y: Tensor) -> Tensor:
    """What the judge of pairs pays, a scalar."""
    ### BEGIN SOLUTION
    return softplus(-score(x0, y)).mean() + softplus(score(fake.detach(), y)).mean()
    ### END SOLUTION


def generator_loss(score: PairScore, x0: Tensor, fake: Tensor, y: Tensor, weight: float) -> Tensor:
    """What the translator pays, a scalar: for being found out, and for being far from the truth."""
    ### BEGIN SOLUTION
    return softplus(-score(fake, y)).mean() + weight * (fake - x0).abs().mean()
    ### END SOLUTION


# %% tags=["check"]
check("pix2pix")

# %% [markdown]
# What is the judge good for? Here is a tile of the Americas by day, and the 40 tiles of the other continents that look most
# like it. If the day tells no more than that, any of their nights may be the right one. Your second loss, with a judge who
# always says 0, chooses **one** night for all of them, by gradient descent: a dark one, since L1 takes the median of each
# pixel, and no pixel is lit in half of the places. Squares would take the mean. No night on Earth looks like either, and the
# judge would see that at once.

# %% tags=["skip-grading"]
from course_lib.data.earth import earth
from course_lib.plotting import curves, grid, heat, table

train, test = earth("train", stride=32), earth("test", stride=32)
day, truth = test.y[32:33], test.x[32:33]
alike = (train.y - day).square().flatten(1).mean(1).argsort()[:40]
nights = train.x[alike]  # (40, 3, 64, 64)


def brighter(x: Tensor) -> Tensor:
    """With six times the light: what is shown is too dark to be seen otherwise."""
    return (6 * (x + 1) - 1).clamp(-1, 1)


best = nights[:1].clone().requires_grad_()
optimizer = torch.optim.Adam([best], lr=0.03)
for _ in range(course_lib.pick(smoke=5, laptop=150, gpu=150)):
    loss = generator_loss(lambda x, y: torch.zeros(1), nights, best.expand_as(nights), day, 100.0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
grid(
    torch.cat([day, brighter(best.detach()), brighter(nights.mean(0, keepdim=True)), truth, nights[:4]]),
    columns=4,
    titles=["the day", "best for L1, × 6", "the mean, × 6", "the true night", *4 * ["a similar place"]],
    alt="California by day. Its best night for L1 is dark, the mean is a faint haze; true nights have sharp, bright towns",
)

# %% [markdown]
# ## 2 · A bridge
#
# A diffusion model begins with noise and is told the source. It might begin with the source itself: most of the picture is
# there already. Pin a random path at both of its ends, the image at $t = 0$ and the source at $t = 1$. This is a Brownian
# **bridge** (Li et al. 2023; Liu et al. 2023, I2SB), and in one jump it is
#
# $$x_t = (1 - t)\, x_0 + t\, y + \kappa \sqrt{t (1 - t)}\; \varepsilon$$
#
# with noise in the middle and none at the ends. On the way back a model guesses $\hat x_0$ from $x_t$. The path between the
# two is a bridge once more, a shorter one, pinned at $\hat x_0$ and at $x_t$; the step from $t$ to $s < t$ draws a point of
# it:
#
# $$x_s = \Big(1 - \frac st\Big)\, \hat x_0 + \frac st\, x_t + \kappa \sqrt{\frac{s\, (t - s)}{t}}\; z$$
#
# The source is determined, the noise on the way is not; so one day can get many nights.
#
# | argument | shape | what |
# |---|---|---|
# | `x0`, `y`, `x_t` | (B, C, H, W) | image, source, state; in the step, `x0` is the guess |
# | `eps`, `z` | (B, C, H, W) | standard normal |
# | `t` of `bridge` | (B,) in $[0, 1]$ | one time an image |
# | `t`, `s` of `bridge_step` | () with $0 \le s < t$ | this time and the next, for all images |
# | `spread` | float | $\kappa$ |
# | **returns** | (B, C, H, W) | $x_t$, and $x_s$ |
#
# <details><summary>Hint</summary>
#
# (B,) beside (B, C, H, W) is matched with the width; (B, 1, 1, 1) is what you want. The root belongs over the whole product,
# and the noise of the step is not that of the bridge at time $s$: part of that is in $x_t$ already.
# </details>


# %% tags=["task"] task="bridge" difficulty=2 importance=4 minutes=15
def bridge(x0: Tensor, y: Tensor, t: Tensor, eps: Tensor, spread: float) -> Tensor:
    """Between an image, t = 0, and its source, t = 1, (B, C, H, W)."""
    ### BEGIN SOLUTION
    t = t[:, None, None, None]
    return (1 - t) * x0 + t * y + spread * (t * (1 - t)).sqrt() * eps
    ### END SOLUTION


def bridge_step(x_t: Tensor, x0: Tensor, t: Tensor, s: Tensor, z: Tensor, spread: float) -> Tensor:
    """From time t to s, with a guess x0 of where the path ends, (B, C, H, W)."""
    ### BEGIN SOLUTION
    return (1 - s / t) * x0 + s / t * x_t + spread * (s * (t - s) / t).sqrt() * z
    ### END SOLUTION


# %% tags=["check"]
check("bridge")

# %% [markdown]
# The same day, four times over your bridge. No network is trained: if the true night is one of the 40, the best guess can be
# computed. It is their mean, weighted by how likely each of them leads through $x_t$. At first that is the fog from above;
# then the path, by chance, leans to one side, and the guess with it.

# %% tags=["skip-grading"]
spread = 0.5
moments = torch.linspace(1, 0, course_lib.pick(smoke=6, laptop=31, gpu=31))


def guess(x_t: Tensor, t: Tensor) -> Tensor:
    """The mean of the nights (4, 3, H, W), weighted by their probability given x_t."""
    off = x_t[:, None] - bridge(nights, day.expand_as(nights), t.expand(40), torch.zeros_like(nights), 0.0)
    variance = (spread**2 * t * (1 - t)).clamp(min=1e-3)
    weights = torch.softmax(-off.square().flatten(2).sum(2) / (2 * variance), dim=1)  # (4, 40)
    return torch.einsum("bn,nchw->bchw", weights, nights)


torch.manual_seed(0)
x_t, seen = day.expand(4, -1, -1, -1), []
for t, s in zip(moments, moments[1:]):
    seen.append(x_t)
    x_t = bridge_step(x_t, guess(x_t, t), t, s, torch.randn_like(x_t), spread)
seen.append(x_t)
shown = [0, len(seen) // 6, len(seen) // 2, 5 * len(seen) // 6, len(seen) - 1]
grid(
    torch.stack([seen[i] for i in shown], dim=1).flatten(0, 1).clamp(-1, 1),
    columns=5,
    titles=[f"t = {float(moments[i]):.2f}" for i in shown],
    alt="Four rows: one day becomes grainy, then dark, then a sharp night with lights; the rows end in different nights",
)

# %% [markdown]
# ## 3 · There and back
#
# Without pairs nobody knows the true night of a day. CycleGAN (Zhu et al. 2017) asks for what can be checked: who translates
# a day into a night and back again should have the day again. Let $G$ go there, from $x$ to $y$, and $F$ back. Beside the two
# adversarial losses, which you know, stand two of L1:
#
# $$\mathcal L = w \Big( \underbrace{\lvert F(G(x)) - x \rvert + \lvert G(F(y)) - y \rvert}_{\text{cycle}} +
# \iota\, \underbrace{\big( \lvert G(y) - y \rvert + \lvert F(x) - x \rvert \big)}_{\text{identity}} \Big)$$
#
# Each $\lvert \cdot \rvert$ is the mean over all numbers of the batch. The **identity** terms say that $G$, who makes nights,
# has nothing to do with what is a night already. (The notebook's translators begin as the identity, and do without these
# terms.)
#
# | argument | type or shape | what |
# |---|---|---|
# | `there`, `back` | functions (B, C, H, W) ↦ (B, C, H, W) | $G$ and $F$ |
# | `x`, `y` | (B, C, H, W) | images of the two kinds, which are no pairs |
# | `weight`, `identity` | float | $w$ and $\iota$; 10 and 0.5 in the paper |
# | **returns** | () | a loss, through which gradients reach both, in every place where they stand |
#
# <details><summary>Hint</summary>
#
# Which of the two makes nights? Only that one is asked to leave nights alone. Nothing is detached: $G$ is to learn from
# $F(G(x))$ as well as $F$ is.
# </details>


# %% tags=["task"] task="cycle_loss" difficulty=1 importance=5 minutes=10
def cycle_loss(there: Translator, back: Translator, x: Tensor, y: Tensor, weight: float, identity: float) -> Tensor:
    """What both translators pay for not being each other's inverse, and for meddling, a scalar."""
    ### BEGIN SOLUTION
    cycle = (back(there(x)) - x).abs().mean() + (there(back(y)) - y).abs().mean()
    same = (there(y) - y).abs().mean() + (back(x) - x).abs().mean()
    return weight * (cycle + identity * same)
    ### END SOLUTION


# %% tags=["check"]
check("cycle_loss")

# %% [markdown]
# What does this loss know about nights? Four translators, made by hand, of streets by day. Three of them can be undone
# exactly, and for the cycle they are perfect; that one of them darkens the day and another turns its colours upside down is
# nothing that it could see. (Each has its exact inverse for a way back. Whether the result looks like a night is left to the
# adversarial losses.)

# %% tags=["skip-grading"]
from course_lib.data.streets import streets

pairs = streets(24, seed=5)
days, others = pairs.y[:12], pairs.x[12:]  # of other streets: no pairs
by_hand = {
    "nothing": (lambda x: x, lambda y: y),
    "dim": (lambda x: 0.4 * x - 0.5, lambda y: (y + 0.5) / 0.4),
    "negative": (lambda x: -x, lambda y: -y),
    "all grey": (lambda x: x.mean(1, keepdim=True).expand_as(x), lambda y: y),
}
cycles = [float(cycle_loss(*ways, days, others, 1.0, 0.0)) for ways in by_hand.values()]
wholes = [float(cycle_loss(*ways, days, others, 1.0, 1.0)) for ways in by_hand.values()]
grid(
    torch.cat([there(days[:1]) for there, _ in by_hand.values()]),
    columns=4,
    titles=list(by_hand),
    caption=f"The cycle's part of the loss: {', '.join(f'{part:.2f}' for part in cycles)}. "
    f"The identity's: {', '.join(f'{whole - part:.2f}' for part, whole in zip(cycles, wholes))}.",
    alt="A street by day; darker; with the colours upside down; grey. The first three have a cycle loss of 0",
)

# %% [markdown]
# ## 4 · A message in the noise
#
# A loss that only asks for the way back can be cheated. CycleGANs hide what they need for it in the translation, as a pattern
# too faint to be seen (Chu et al. 2017). To expose them, disturb the translation a little before it is sent back: an honest
# one is hardly harmed, a secret script is destroyed. What is left is measured by the **peak signal-to-noise ratio**, in
# decibels for each image:
#
# $$\operatorname{psnr}(x, y) = 10 \log_{10} \frac{2^2}{\operatorname{mean} (x - y)^2}$$
#
# where 2 is the width of $[-1, 1]$ and the mean runs over channels and pixels. For a row of strengths $a$, compute the mean
# over the images of $\operatorname{psnr}\big(F(G(x) + a\, \varepsilon),\, x\big)$.
#
# | argument | type or shape | what |
# |---|---|---|
# | `x`, `y` | (B, C, H, W) in $[-1, 1]$ | |
# | `psnr` **returns** | (B,) | one number an image, infinite for equal ones |
# | `there`, `back` | functions (B, C, H, W) ↦ (B, C, H, W) | $G$ and $F$ |
# | `eps` | (B, C, H, W) | the same noise for all strengths |
# | `strengths` | (S,) | $a$ |
# | `attacked` **returns** | (S,) | no gradients: nothing is to be learnt here |
#
# <details><summary>Hint</summary>
#
# `.mean((1, 2, 3))` keeps the images apart. Average the decibels of the images, not their errors. `with torch.no_grad():`
# around all of it.
# </details>


# %% tags=["task"] task="attacked" difficulty=2 importance=4 minutes=15
def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Decibels of each image, (B,)."""
    ### BEGIN SOLUTION
    return 10 * torch.log10(4 / (x - y).square().mean((1, 2, 3)))
    ### END SOLUTION


def attacked(there: Translator, back: Translator, x: Tensor, eps: Tensor, strengths: Tensor) -> Tensor:
    """How well the way back succeeds when the translation is disturbed, in decibels, (S,)."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        y = there(x)
        return torch.stack([psnr(back(y + strength * eps), x).mean() for strength in strengths])
    ### END SOLUTION


# %% tags=["check"]
check("attacked")

# %% [markdown]
# A cheat made by hand. Both translators turn a street into a poster of five levels a colour. The honest one forgets the rest.
# The other one writes it into the poster, sixty times fainter, and reads it back perfectly.


# %% tags=["skip-grading"]
def poster(x: Tensor) -> Tensor:
    """Five levels a channel."""
    return (2 * x).round() / 2


cheat = (lambda x: poster(x) + (x - poster(x)) / 60, lambda y: poster(y) + (y - poster(y)) * 60)
honest = (poster, lambda y: y)
torch.manual_seed(0)
eps = torch.randn_like(days)
powers = torch.tensor([1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1])
curves(
    {"a secret script": attacked(*cheat, days, eps, powers), "honest": attacked(*honest, days, eps, powers)},
    x=powers,
    log="x",
    xlabel="standard deviation of the disturbance",
    ylabel="decibels after the way back",
    alt="The cheat begins at 50 decibels and falls below the honest one, which stays at 22, at a disturbance of 0.003",
)

# %% tags=["skip-grading"]
street, sent = days[:1], cheat[0](days[:1])
secret = (60 * (sent - poster(sent))).clamp(-1, 1)
grid(
    torch.cat([street, sent, cheat[1](sent), cheat[1](sent + 0.01 * eps[:1]), secret]),
    columns=5,
    titles=["the day", "translated", "sent back", "disturbed by 0.01", "the secret, × 60"],
    alt="A street; a poster of it; the street again, perfect; the street buried in noise; what the poster hides, made visible",
)

# %% [markdown]
# ## 5 · What the small picture says
#
# A photograph at a quarter of its size says for each block of $f \times f$ pixels what their mean is. Many large pictures
# fit. A super-resolution model may choose among them as it likes, but whatever it draws should, made small again, **be** the
# small picture. If it is not, move it to the nearest picture that is: let $A$ take the mean of each block, and $A^+$ repeat
# each pixel $f \times f$ times. Then $A A^+ = 1$, and
#
# $$\hat x \leftarrow \hat x + A^+ (\ell - A \hat x)$$
#
# This is a projection (Irani and Peleg 1991 called it back-projection): it changes as little as can be, and doing it twice
# changes nothing more.
#
# | argument | shape or type | what |
# |---|---|---|
# | `x` | (B, C, H, W) | large pictures; $H$ and $W$ are multiples of `factor` |
# | `low` | (B, C, H/f, W/f) | $\ell$, the small pictures that are given |
# | `factor` | int | $f$ |
# | `downscaled` **returns** | (B, C, H/f, W/f) | $A x$ |
# | `back_projected` **returns** | (B, C, H, W) | large pictures that fit `low` |
#
# <details><summary>Hint</summary>
#
# `x.view(b, c, h // f, f, w // f, f)` puts the inside of the blocks on axes 3 and 5. `.repeat_interleave(f, dim)` repeats
# each number $f$ times along an axis; `.repeat` would repeat the whole picture.
# </details>


# %% tags=["task"] task="back_projection" difficulty=2 importance=4 minutes=15
def downscaled(x: Tensor, factor: int) -> Tensor:
    """The mean of each block, (B, C, H / factor, W / factor)."""
    ### BEGIN SOLUTION
    b, c, h, w = x.shape
    return x.reshape(b, c, h // factor, factor, w // factor, factor).mean((3, 5))
    ### END SOLUTION


def back_projected(x: Tensor, low: Tensor, factor: int) -> Tensor:
    """The nearest pictures (B, C, H, W) to x that are `low` when they are made small."""
    ### BEGIN SOLUTION
    missing = low - downscaled(x, factor)
    return x + missing.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    ### END SOLUTION


# %% tags=["check"]
check("back_projection")

# %% [markdown]
# Places in the Americas at a quarter of their size, made large again by repetition and by bicubic curves, which are smooth
# but do not keep the means. Your projection repairs that: it can only bring a picture nearer to the truth, because the truth
# fits as well.

# %% tags=["skip-grading"]
from torch.nn.functional import interpolate

large = test.y[::6]
small = downscaled(large, 4)
bicubic = interpolate(small, scale_factor=4, mode="bicubic", align_corners=False)
ways = {
    "repeated": interpolate(small, scale_factor=4),
    "bicubic": bicubic,
    "projected": back_projected(bicubic, small, 4),
}
near = [float(psnr(picture, large).mean()) for picture in ways.values()]
off = [float((downscaled(picture, 4) - small).abs().mean()) for picture in ways.values()]
shown = [large, *ways.values()]
grid(
    torch.stack([part[i] for i in (3, 9) for part in shown]),
    columns=4,
    titles=["the truth", *ways],
    caption=f"All {len(large)} places, in decibels: {', '.join(f'{value:.2f}' for value in near)}. "
    f"Made small again, they are off by {', '.join(f'{value:.4f}' for value in off)} on average.",
    alt="Two places: sharp, in blocks, smooth, and smooth with a hint of blocks",
)

# %% [markdown]
# ## 6 · The price of looking real
#
# Let $y$ be what is given, and let a model draw images $\hat x$ from the posterior $p(x \mid y)$. Such a draw looks as real
# as images do. How far is it from the truth? Given $y$, truth and draw are two independent draws from one distribution, and
# their squared distance is
#
# $$\mathbb E (\hat x - x)^2 = \operatorname{Var}(\hat x) + \operatorname{Var}(x) = 2 \operatorname{Var}(x \mid y)$$
#
# **twice** what the posterior mean would have, the least of all errors, or MMSE (Blau and Michaeli 2018). To test a model on
# this, take $K$ draws an image. Their mean is almost the posterior mean, but with $K$ draws it still misses it by
# $\operatorname{Var} / K$, which is to be taken off:
#
# $$\text{one} = \operatorname{mean}_k (\hat x_k - x)^2, \qquad
# \text{least} = \Big( \frac 1K \sum_k \hat x_k - x \Big)^2 - \frac 1K\, \operatorname{Var}_k(\hat x_k)$$
#
# both averaged over images, channels and pixels. The variance is the unbiased one, which divides by $K - 1$.
#
# | argument | shape | what |
# |---|---|---|
# | `x0` | (B, C, H, W) | the truth |
# | `draws` | (K, B, C, H, W), $K \ge 2$ | K draws for each image |
# | **returns** | () and () | one, and least |
#
# <details><summary>Hint</summary>
#
# `draws.var(0)` is the unbiased variance over the draws. If $B = K$, a wrong axis raises no error.
# </details>


# %% tags=["task"] task="distortions" difficulty=2 importance=4 minutes=15
def distortions(x0: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """The mean squared error of a draw, and, free of bias, that of the mean of endlessly many."""
    ### BEGIN SOLUTION
    one = (draws - x0).square().mean()
    averaged = (draws.mean(0) - x0).square().mean()
    return one, averaged - draws.var(0).mean() / len(draws)
    ### END SOLUTION


# %% tags=["check"]
check("distortions")

# %% [markdown]
# A model whose posterior can be drawn from exactly: a Gaussian with the mean and the covariance of 5,000 clothes. Given
# $7 \times 7$ pixels, its draws have the sharpness of its prior, and its mean is smooth. The error counts means and
# covariances only, so the model is the right one for it, though no Gaussian has ever sewn a shirt. On the way from the mean
# to the draw, $\text{mean} + a\, (\text{draw} - \text{mean})$, the error should be $1 + a^2$ times the least. (It stays a
# little below: a hundred clothes are a small sample.)

# %% tags=["skip-grading"]
from course_lib.data import load

clothes, garments = load("fashion"), load("fashion", "test")
pixels = clothes.x.flatten(1)
centre, covariance = pixels.mean(0), pixels.T.cov() + 1e-4 * torch.eye(784)
A = downscaled(torch.eye(784).view(784, 1, 28, 28), 4).flatten(1).T  # (49, 784): the same downscaling as a matrix
gain = torch.linalg.solve(A @ covariance @ A.T, A @ covariance).T  # (784, 49)
root = torch.linalg.cholesky(covariance)

torch.manual_seed(0)
worn = garments.x[::10]
seen = downscaled(worn, 4).flatten(1)
prior = centre + torch.randn(course_lib.pick(smoke=4, laptop=16, gpu=16), len(worn), 784) @ root.T
draws = prior + (seen - prior @ A.T) @ gain.T  # each draw from the prior, moved to where it fits what is given
draws = draws.view(-1, *worn.shape)
average = (centre + (seen - centre @ A.T) @ gain.T).view_as(worn)
one, least = distortions(worn, draws)
shares = torch.linspace(0, 1.5, 13)
ladder = [float(distortions(worn, average + a * (draws - average))[0] / least) for a in shares]
curves(
    {"measured": ladder, "1 + a²": 1 + shares**2},
    x=shares,
    xlabel="a: 0 is the posterior mean, 1 a draw",
    ylabel="error, in units of the least",
    caption=f"A draw has {float(one):.4f}, the least is {float(least):.4f}: {float(one / least):.2f} times.",
    alt="Two curves, almost one on the other, which rise from 1 to about 2 at a = 1 and to 3.2 at a = 1.5",
)

# %% tags=["skip-grading"]
chosen = [1, 13, 37, 52, 84]
blocks = interpolate(seen.view(-1, 1, 7, 7), scale_factor=4)
grid(
    torch.cat([part[chosen] for part in (worn, blocks, average, draws[0], draws[1])]).clamp(-1, 1),
    columns=5,
    row_titles=["truth", "given", "mean", "a draw", "again"],
    alt="Five clothes; in blocks; smooth; and twice with the grain that a Gaussian takes for detail, each time another one",
)

# %% [markdown]
# ## 7 · What a model cannot rebuild
#
# To find what is odd without having seen anything odd: drown an image in noise so far that details are gone, and let a
# denoiser that knows only normal images rebuild it. What was normal comes back; what was odd is replaced by something normal,
# and there the two differ (AnoDDPM, Wyatt et al. 2022). With the straight schedule of flow matching and $K$ noises,
#
# $$m = \operatorname{mean}_{k,\, \text{channels}} \big( D(x_t^{(k)}, t) - x \big)^2, \qquad x_t^{(k)} = (1 - t)\, x + t\, \varepsilon_k$$
#
# a map of each image. All images get the **same** noises, so that a score depends on the image only, and not on its place in
# the batch. Nothing is learnt: no gradients.
#
# | argument | shape or type | what |
# |---|---|---|
# | `denoise` | function $(x_t, t) \mapsto$ (B, C, H, W) | $D$; it takes $t$ as it came |
# | `x` | (B, C, H, W) | |
# | `t` | () in $(0, 1]$ | how far to drown them |
# | `eps` | (K, C, H, W) | the noises |
# | **returns** | (B, H, W) | the map of each image |
#
# <details><summary>Hint</summary>
#
# Loop over the noises: each of them, (C, H, W), goes with all images at once. If you do without a loop, beware of $K = B$.
# </details>


# %% tags=["task"] task="rebuilding_error" difficulty=2 importance=5 minutes=15
def rebuilding_error(denoise: Denoiser, x: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """How far each pixel is from what the denoiser makes of its drowned picture, (B, H, W)."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        rebuilt = [denoise((1 - t) * x + t * noise, t) for noise in eps]
        return torch.stack([(guess - x).square().mean(1) for guess in rebuilt]).mean(0)
    ### END SOLUTION


# %% tags=["check"]
check("rebuilding_error")

# %% [markdown]
# A flow that draws clothes, asked for sneakers only, is a detector of everything else. Above the images, below what it
# rebuilds of them at $t = 0.7$, and where that differs.

# %% tags=["skip-grading"]
from course_lib.checkpoints import pretrained

model = pretrained("fashion_flow")


def sneakers(x: Tensor, t: Tensor) -> Tensor:
    """The denoiser of a flow that believes in sneakers: a straight path leads from x_t to x_0."""
    return x - t * model.velocity(torch.full((len(x),), 7))(x, t)


torch.manual_seed(0)
hazes = torch.randn(4, 1, 28, 28)
passers = torch.cat([garments.x[garments.labels == label][:2] for label in (7, 5, 9, 8, 1)])
late = torch.tensor(0.7)
maps = rebuilding_error(sneakers, passers, late, hazes)
with torch.no_grad():
    rebuilt = sneakers((1 - late) * passers + late * hazes[0], late)
seen, made = (part.clamp(-1, 1).expand(-1, 3, -1, -1) for part in (passers, rebuilt))
grid(
    torch.cat([seen, made, heat((maps / 2).clamp(0, 1))]),
    columns=10,
    row_titles=["input", "rebuilt", "error"],
    titles=[f"{float(score):.3f}" for score in maps.mean((1, 2))],
    caption="Above each image its score, the mean of its map.",
    alt="Sneakers come back as they were; boots lose their shafts, bags and trousers become sneakers, and the errors show where",
)

# %% [markdown]
# ## 8 · One number for all thresholds
#
# Where does odd begin? Each threshold is another trade. The **area under the ROC curve** looks at none of them. It is the
# probability that something odd, picked at random, has a higher score than something normal, picked at random. A tie counts
# as half:
#
# $$\operatorname{AUROC} = P(s_+ > s_-) + \tfrac12 P(s_+ = s_-)$$
#
# All pairs can be counted from ranks alone (Mann and Whitney 1947). Sort all scores, and give each its rank, from 1 for the
# lowest; equal scores share the **mean** of their ranks. With $p$ odd and $n$ normal ones,
#
# $$\operatorname{AUROC} = \frac{\sum_{\text{odd}} \text{rank} - p\,(p + 1) / 2}{p\, n}$$
#
# | argument | shape | what |
# |---|---|---|
# | `scores` | (N,) | high means odd |
# | `labels` | (N,), bool | True for what is odd; both kinds are there |
# | **returns** | float | 0.5 for chance |
#
# <details><summary>Hint</summary>
#
# `scores.unique(return_inverse=True, return_counts=True)` gives the different scores in order, to which of them each score
# belongs, and how often each occurs. The last rank of a group is the sum of all counts up to it. A table of all pairs is
# right as well, as long as it fits into memory. `float(…)` makes a number of a tensor.
# </details>


# %% tags=["task"] task="auroc" difficulty=2 importance=5 minutes=15
def auroc(scores: Tensor, labels: Tensor) -> float:
    """The probability that what is odd scores higher than what is not, ties counting half."""
    ### BEGIN SOLUTION
    _, group, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[group].double()
    odd, normal = int(labels.sum()), int((~labels).sum())
    return float((ranks[labels].sum() - odd * (odd + 1) / 2) / (odd * normal))
    ### END SOLUTION


# %% tags=["check"]
check("auroc")

# %% [markdown]
# How deep should one drown an image? At little noise everything comes back, odd or not, and then trousers, which are smooth,
# score even lower than sneakers. At much noise the model draws a sneaker of its own, and errs on sneakers as well. The best
# depth depends on what is to be found: 30 sneakers against 30 each of other classes.

# %% tags=["skip-grading"]
depths = [0.2, 0.4, 0.6, 0.8, 0.95][course_lib.pick(smoke=3, laptop=0, gpu=0) :]
others = {"sandals": 5, "ankle boots": 9, "bags": 8, "trousers": 1}
crowd = torch.cat([garments.x[garments.labels == label][:30] for label in (7, *others.values())])
found = {name: [] for name in others}
for depth in depths:
    score = rebuilding_error(sneakers, crowd, torch.tensor(depth), hazes[:2]).mean((1, 2)).view(-1, 30)
    for i, name in enumerate(others, start=1):
        found[name].append(auroc(torch.cat([score[0], score[i]]), torch.arange(60) >= 30))
curves(
    found,
    x=depths,
    xlabel="t, how far they were drowned",
    ylabel="AUROC",
    levels={"chance": 0.5},
    alt="Four lines of AUROC against depth: trousers rise from 0.3 to 1, boots from 0.6 to 1, sandals are best at 0.6",
)

# %% [markdown]
# ## 9 · Where is the fault?
#
# Who inspects a material wants to know where it is faulty, and a small fault may matter as much as a large one. Counted by
# pixels, a large one that is found makes up for ten small ones that are not. So count by **regions**: of each region, the
# share of its pixels that the map marks; then the mean over all regions, large or small, in whichever picture they are
# (Bergmann et al. 2020). The price is paid on the good pixels: which share of them is marked by mistake?
#
# $$\text{overlap} = \frac 1R \sum_{j=1}^{R} \frac{\lvert \text{marked} \cap \text{region}_j \rvert}{\lvert \text{region}_j \rvert}, \qquad
# \text{false} = \frac{\lvert \text{marked} \cap \text{good} \rvert}{\lvert \text{good} \rvert}$$
#
# A pixel is marked if its number in the map is not below the threshold. The area under overlap against false, up to
# $\text{false} = 0.3$, is known as AUPRO.
#
# | argument | shape or type | what |
# |---|---|---|
# | `maps` | (N, H, W) | high where it looks odd |
# | `regions` | (N, H, W), int64 | 0 for good pixels; 1 to R for the regions of all pictures, each with a number of its own |
# | `threshold` | float | |
# | **returns** | float and float | overlap and false |
#
# <details><summary>Hint</summary>
#
# `torch.bincount(regions.flatten())` counts the pixels of each number, 0 included; with `weights=…` it counts only those that
# are marked.
# </details>


# %% tags=["task"] task="region_overlap" difficulty=2 importance=4 minutes=15
def region_overlap(maps: Tensor, regions: Tensor, threshold: float) -> tuple[float, float]:
    """The mean share of a region that is marked, and the share of good pixels that is."""
    ### BEGIN SOLUTION
    marked = (maps >= threshold).double().flatten()
    share = torch.bincount(regions.flatten(), weights=marked) / torch.bincount(regions.flatten())
    return float(share[1:].mean()), float(share[0])
    ### END SOLUTION


# %% tags=["check"]
check("region_overlap")

# %% [markdown]
# Pieces of metal, cloth and perforated sheet with faults. The detector is the simplest that there is: how bright may a place
# be, given the good pieces of its material, and how rough? Its maps, and the trade that your function measures. Counted by
# pixels it looks worse than by regions: the faults that it overlooks are the smears, and they are the largest.

# %% tags=["skip-grading"]
from torch.nn.functional import avg_pool2d

from course_lib.data.textures import textures

good, pieces = textures(60, seed=0), textures(90, seed=1, split="test")


def looks(x: Tensor) -> Tensor:
    """Brightness and roughness around each pixel, (N, 2, H, W)."""
    level = avg_pool2d(x, 7, 1, 3, count_include_pad=False)
    rough = avg_pool2d((x - level).square(), 7, 1, 3, count_include_pad=False).sqrt()
    return torch.cat([level, rough], dim=1)


maps = torch.zeros(90, 64, 64)
for material in range(3):
    normal = looks(good.x[good.materials == material])
    centre, width = normal.mean((0, 2, 3), keepdim=True), normal.std((0, 2, 3), keepdim=True)
    own = pieces.materials == material
    maps[own] = ((looks(pieces.x[own]) - centre) / width).square().sum(1)
numbers = pieces.masks.flatten(1).any(1).cumsum(0)[:, None, None]  # one fault a piece
regions = pieces.masks[:, 0] * numbers
limits = maps.flatten().sort().values[[int(share * maps.numel()) for share in torch.linspace(0.999, 0.7, 25)]]
by_region = torch.tensor([region_overlap(maps, regions, float(limit)) for limit in limits])
by_pixel = torch.tensor([region_overlap(maps, (regions > 0).long(), float(limit)) for limit in limits])
curves(
    {"each region counts": by_region[:, 0], "each pixel counts": by_pixel[:, 0]},
    x=by_region[:, 1],
    xlabel="good pixels marked by mistake",
    ylabel="faults that are found",
    alt="Two rising curves of what is found against the false alarms; the one by regions lies above the one by pixels",
)

# %% tags=["skip-grading"]
kinds = [(pieces.defects == kind) & (pieces.materials == kind % 3) for kind in (1, 2, 3, 4)]
faulty = torch.stack([kind.nonzero()[0, 0] for kind in kinds])
seen = pieces.x[faulty].expand(-1, 3, -1, -1)
grid(
    torch.cat([seen, heat((maps[faulty] / 60).clamp(0, 1)), heat(regions[faulty] > 0)]),
    columns=4,
    titles=["spot", "scratch", "hole", "smear"],
    row_titles=["piece", "map", "fault"],
    alt="Four faulty pieces, the detector's map of each, and where the fault is: spot, scratch and hole are found, the smear hardly",
)

# %% [markdown]
# ## 10 · One picture, many pictures
#
# The cheapest new training pictures are the old ones, changed in a way that does not change what they show: mirrored, or
# moved a little. Three things go wrong easily. One change for the whole batch teaches less than one **for each image**. A
# picture that leaves at the right must not come in at the left; repeat its border instead. And if there is a mask, it has to
# make exactly the same move as its image; so let the caller draw the changes, and apply them to whatever is given.
#
# | argument | shape | what |
# |---|---|---|
# | `x` | (B, C, H, W), of any dtype | images, or masks |
# | `flip` | (B,), bool | True: mirror this one, left for right, before it is moved |
# | `move` | (B, 2), int64 | how many pixels down, and how many to the right; negative: up, to the left |
# | **returns** | (B, C, H, W), of the dtype of `x` | the changed images |
#
# <details><summary>Hint</summary>
#
# Ask where each pixel of the result comes from: row $i$ comes from row $i - \text{down}$, and if there is none, from the
# nearest one, which `.clamp(0, h - 1)` finds. `x.gather(2, rows)` picks for each place of the result a row of its own column;
# `rows` must then have the shape of the result (`.expand_as(x)`). The same for columns on axis 3.
# </details>


# %% tags=["task"] task="augmented" difficulty=3 importance=4 minutes=20
def augmented(x: Tensor, flip: Tensor, move: Tensor) -> Tensor:
    """Each image mirrored or not, and moved by its own step, (B, C, H, W)."""
    ### BEGIN SOLUTION
    h, w = x.shape[2:]
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    rows = (torch.arange(h, device=x.device) - move[:, :1]).clamp(0, h - 1)  # (B, H)
    columns = (torch.arange(w, device=x.device) - move[:, 1:]).clamp(0, w - 1)
    return x.gather(2, rows[:, None, :, None].expand_as(x)).gather(3, columns[:, None, None, :].expand_as(x))
    ### END SOLUTION


# %% tags=["check"]
check("augmented")

# %% [markdown]
# A faulty piece with its mask, seven times changed: the fault stays where the mask says.

# %% tags=["skip-grading"]
torch.manual_seed(1)
piece = faulty[0].expand(8)
flips, moves = torch.rand(8) < 0.5, torch.randint(-20, 21, (8, 2))
flips[0], moves[0] = False, 0
turned, masks = augmented(pieces.x[piece], flips, moves), augmented(pieces.masks[piece], flips, moves)
grid(
    torch.cat([turned.expand(-1, 3, -1, -1), heat(masks[:, 0])]),
    columns=8,
    row_titles=["piece", "mask"],
    alt="A piece of metal with a spot, and seven versions of it in other places; below, the mask moves with the spot",
)

# %% [markdown]
# ## 11 · Is it better, or is it luck?
#
# With ten labels a class, which ten it is matters more than what is done with them. So the experiment is repeated with other
# labels, and each repetition tries **both** methods on the same labels. Then the luck of the draw is in both, and falls out
# of the difference. With the $n$ differences $d_i$, their mean $\bar d$, and $s$, their standard deviation (that divides by
# $n - 1$), the interval
#
# $$\bar d \pm q\, \frac{s}{\sqrt n}$$
#
# holds the true difference with 95 % probability, if the differences are about normal. Since $s$ itself is uncertain, $q$ is
# not 1.96 but Student's: 2.776 for $n = 5$, 2.262 for $n = 10$ (Student 1908).
#
# | argument | shape or type | what |
# |---|---|---|
# | `ours`, `baseline` | (n,) | a result a repetition, in the same order |
# | `quantile` | float | $q$ |
# | **returns** | float and float | $\bar d$, and the half width behind the ± |
#
# <details><summary>Hint</summary>
#
# Differences first, then their standard deviation. The difference of two standard deviations is something else.
# </details>


# %% tags=["task"] task="paired_interval" difficulty=1 importance=5 minutes=5
def paired_interval(ours: Tensor, baseline: Tensor, quantile: float) -> tuple[float, float]:
    """By how much ours is higher, and how far that may be off."""
    ### BEGIN SOLUTION
    difference = ours - baseline
    return float(difference.mean()), float(quantile * difference.std() / math.sqrt(len(difference)))
    ### END SOLUTION


# %% tags=["check"]
check("paired_interval")

# %% [markdown]
# All of it together: ten photographs a class, ten times over, and the plainest classifier, which says what the nearest
# photograph is. Does it gain by your changed pictures, and by pictures that a GAN draws? The last line is a warning. That GAN
# has seen thousands of photographs of each class, not ten: whatever it gives away to the classifier was **leaked**. An honest
# generator is trained on the ten alone; the notebook does that. And what mirroring gains is a tenth of what other labels
# change: by itself nobody would see it, in pairs it can be told from luck.

# %% tags=["skip-grading"]
artist = pretrained("fashion_gan")
asked = garments.x[: course_lib.pick(smoke=100, laptop=1000, gpu=1000)].flatten(1)
answers = garments.labels[: len(asked)]


def accuracy(x: Tensor, labels: Tensor) -> float:
    """Share of the asked garments whose nearest picture has their label."""
    nearest = torch.cdist(asked, x.flatten(1)).argmin(1)
    return float((labels[nearest] == answers).float().mean())


repeats = course_lib.pick(smoke=2, laptop=10, gpu=10)
results = {"nothing": [], "mirrored": [], "moved by up to 2": [], "a GAN's, leaked": []}
for seed in range(repeats):
    torch.manual_seed(seed)
    order = torch.randperm(len(clothes))
    index = torch.cat([order[clothes.labels[order] == label][:10] for label in range(10)])
    x, labels = clothes.x[index], clothes.labels[index]
    eight = x.repeat(8, 1, 1, 1)
    nobody, still = torch.zeros(800, dtype=torch.bool), torch.zeros(800, 2, dtype=torch.int64)
    more = {
        "nothing": eight,
        "mirrored": augmented(eight, torch.rand(800) < 0.5, still),
        "moved by up to 2": augmented(eight, nobody, torch.randint(-2, 3, (800, 2))),
        "a GAN's, leaked": list(artist.sample(800, labels.repeat(8)))[-1],
    }
    for name, new in more.items():
        results[name].append(accuracy(torch.cat([x, new]), labels.repeat(9)))

percent = {name: 100 * torch.tensor(values) for name, values in results.items()}
rows = []
for name, values in percent.items():
    gain, half = paired_interval(values, percent["nothing"], {2: 12.706, 10: 2.262}[repeats])
    row = {"added": name, "right, %": f"{values.mean():.1f}", "spread of the draws": f"{values.std():.1f}"}
    rows.append(row | {"gain in pairs": "" if name == "nothing" else f"{gain:+.1f} ± {half:.1f}"})
table(
    rows,
    caption=f"Nearest neighbour by pixels, ten labels a class, {len(asked):,} test images, {repeats} draws of the labels.",
)
