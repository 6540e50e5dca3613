# %% [markdown]
# # Exercises: VAEs
#
# Eleven tasks, each a few lines long, from a draw that gradients can pass through to images as whole numbers.
# Together they are a VAE library. The pictures between the tasks are made with what you wrote; most of them train a
# small model on real digits of 8 x 8 pixels, in seconds.
#
# - **Images** are float tensors $(B, C, H, W)$ in $[-1, 1]$; **latents** $z$ are (B, D), one row an image.
# - An **encoder** answers with a Gaussian $q(z \mid x)$: a mean and a log-variance for each latent dimension. The
#   **prior** $p(z)$ is $\mathcal N(0, 1)$ in each.
# - All logarithms are natural, so that lengths of messages are in **nats**; a nat is $1 / \log 2 = 1.44$ bits.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/02_vaes` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

Values = Callable[[Tensor], Tensor]  # z (n, D) -> f(z), (n,)

# %% [markdown]
# ## 1 · A draw that gradients can pass through
#
# The encoder says $\mathcal N(\mu, \sigma^2)$, and the decoder needs one draw from it. Asked for a random number, a
# computer gives no derivative. So take the randomness from outside: draw $\varepsilon$ from $\mathcal N(0, 1)$, then
# shift and stretch it,
#
# $$z = \mu + \sigma\, \varepsilon$$
#
# Now $z$ is an ordinary function of $\mu$ and $\sigma$. The network gives $\log \sigma^2$, because any real number is
# the logarithm of some variance.
#
# | argument | shape | what |
# |---|---|---|
# | `mean`, `log_variance` | (B, D) | what the encoder says: $\mu$ and $\log \sigma^2$ |
# | `noise` | (B, D) | $\varepsilon$, standard normal |
# | **returns** | (B, D) | $z$; gradients reach both `mean` and `log_variance` |
#
# <details><summary>Hint</summary>
#
# $\sigma = \sqrt{\sigma^2} = \sqrt{\exp(\log \sigma^2)}$. A square root is a half in the exponent.
# </details>


# %% tags=["task"] task="reparameterise" difficulty=1 importance=5 minutes=5
def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A draw (B, D) from each image's Gaussian, made of standard normal noise."""
    ### BEGIN SOLUTION
    return mean + torch.exp(log_variance / 2) * noise
    ### END SOLUTION


# %% tags=["check"]
check("reparameterise")

# %% [markdown]
# ## 2 · What a latent costs
#
# Whoever knows only the prior expects $z$ from $\mathcal N(0, 1)$. To tell them that it is from $\mathcal N(\mu,
# \sigma^2)$ instead takes a message, whose mean length is the Kullback-Leibler divergence:
#
# $$\mathrm{KL} = \mathbb E_q\big[\log q(z) - \log p(z)\big]
# = \mathbb E_q\Big[\! -\tfrac12 \log \sigma^2 - \tfrac{(z - \mu)^2}{2 \sigma^2} + \tfrac{z^2}{2} \Big]$$
#
# Under $q$ the mean of $(z - \mu)^2$ is $\sigma^2$. Put that in, and no integral is left. Return one number for each
# dimension of each image: a dimension that costs nothing has collapsed, and a sum would hide it.
#
# | argument | shape | what |
# |---|---|---|
# | `mean`, `log_variance` | (B, D) | $\mu$ and $\log \sigma^2$ |
# | **returns** | (B, D), at least 0 | nats |
#
# <details><summary>Hint</summary>
#
# What is the mean of $z^2$ under $q$? It has two parts, since $z = \mu + \sigma \varepsilon$. Your result must be 0 at
# $\mu = 0$, $\log \sigma^2 = 0$.
# </details>


# %% tags=["task"] task="kl_to_prior" difficulty=2 importance=5 minutes=10
def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each dimension, (B, D)."""
    ### BEGIN SOLUTION
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2
    ### END SOLUTION


# %% tags=["check"]
check("kl_to_prior")

# %% [markdown]
# ## 3 · The bound
#
# To send an image, send a latent first and then what it leaves open about the pixels. The latent costs the **rate**, the
# KL; the pixels cost the **distortion**, $-\log p(x \mid z)$. No message can be shorter than $-\log p(x)$, so what you
# pay is a bound of it, the negative ELBO (Kingma and Welling 2014). With a price $\beta$ on the rate:
#
# $$\mathcal L = \operatorname*{mean}_{\text{images}} \bigg[ -\!\! \sum_{\text{pixels}} \log p(x_i \mid z) \;+\;
# \beta \sum_{\text{latents}} \mathrm{KL}_j \bigg]$$
#
# Sums over what belongs to one image, a mean over images. If you take the mean over the pixels as well, as losses of
# torch do by default, the latents of an image of 64 pixels are 64 times dearer; on the digits below all of them
# would collapse.
#
# | argument | shape | what |
# |---|---|---|
# | `log_likelihood` | (B, C, H, W) | $\log p(x_i \mid z)$ of each pixel |
# | `kl` | (B, D) | from task 2 |
# | `beta` | float | 1 for the ELBO |
# | **returns** | () | a scalar to be minimised |
#
# <details><summary>Hint</summary>
#
# `.flatten(1)` makes (B, C·H·W) of the pixels; then both terms are summed over axis 1.
# </details>


# %% tags=["task"] task="negative_elbo" difficulty=1 importance=5 minutes=5
def negative_elbo(log_likelihood: Tensor, kl: Tensor, beta: float) -> Tensor:
    """Mean distortion plus beta times mean rate of a batch of images, a scalar."""
    ### BEGIN SOLUTION
    distortion = -log_likelihood.flatten(1).sum(1)
    return (distortion + beta * kl.sum(1)).mean()
    ### END SOLUTION


# %% tags=["check"]
check("negative_elbo")

# %% [markdown]
# All three at work. Two latent dimensions, so that they are the coordinates of a map: what lies at each place of it?
# The pixels are Gaussian, of one width that is given.

# %% tags=["skip-grading"]
from course_lib.data import load
from course_lib.plotting import curves, grid, trajectory
from course_lib.vaes.latent import map_grid

train_digits, test_digits = load("digits").x, load("digits", "test").x


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with a bend between each two."""
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.SiLU())]
    return nn.Sequential(*layers[:-1])


class DigitVae(nn.Module):
    """A VAE of 8 x 8 digits."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 128, 128, 2 * latent), mlp(latent, 128, 128, 64)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).unflatten(-1, (1, 8, 8))


def gaussian_pixels(x: Tensor, mean: Tensor, std: float = 0.3) -> Tensor:
    """Log-density of each pixel."""
    return -(((x - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi))


def train(parameters, loss_on: Callable, steps: int = 1500) -> None:
    """Minimise loss_on(x), with a learning rate that falls to nothing."""
    steps = course_lib.pick(smoke=20, laptop=steps, gpu=steps)
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = loss_on(train_digits[torch.randint(len(train_digits), (128,))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()


def bound(model: DigitVae, x: Tensor, beta: float = 1.0) -> Tensor:
    """Your negative ELBO of a batch."""
    said = model.encode(x)
    z = reparameterise(*said, torch.randn_like(said[0]))
    return negative_elbo(gaussian_pixels(x, model.decode(z)), kl_to_prior(*said), beta)


torch.manual_seed(0)
small = DigitVae(latent=2)
train(small.parameters(), lambda x: bound(small, x))
with torch.no_grad():
    atlas = small.decode(map_grid(16)).clamp(-1, 1)
grid(
    atlas,
    columns=16,
    alt="A square of 256 digits in which neighbours are alike: regions of zeros, ones, fours, that melt into each other",
    caption="Your VAE's map: latents at equal steps of probability, decoded.",
)

# %% [markdown]
# ## 4 · The other gradient
#
# Reparameterisation needs the slope of what is done with $z$. Where there is none (a step, a game, a person's choice)
# another identity helps, since $\nabla q = q\, \nabla \log q$:
#
# $$\nabla\, \mathbb E_q f(z) = \int f\, \nabla q = \mathbb E_q\big[ \big(f(z) - b\big)\, \nabla \log q(z) \big], \qquad
# \log q(z) = -\tfrac12 \log \sigma^2 - \tfrac{(z - \mu)^2}{2 \sigma^2} + \text{const}$$
#
# Make draws likelier that did better than $b$ (Williams 1992). A baseline $b$ that does not depend on the draw changes
# no mean, since $\mathbb E_q \nabla \log q = 0$, but the noise of the estimate a lot. Take for each draw the mean value of
# the **other** draws.
#
# | argument | type | what |
# |---|---|---|
# | `f` | function (n, D) $\mapsto$ (n,) | one value a draw; you cannot differentiate it |
# | `mean`, `log_variance` | (D,) | one Gaussian |
# | `noise` | (n, D) | gives $n$ draws, as in task 1 |
# | **returns** | two tensors (n, D) | each draw's estimate of the gradient for `mean`, and for `log_variance` |
#
# <details><summary>Hint</summary>
#
# Differentiate $\log q(z)$ with $z$ held still, then put in $z - \mu = \sigma \varepsilon$: little is left. The mean of
# the others is (sum of all − own) / (n − 1). Values are (n,), and need another axis beside (n, D).
# </details>


# %% tags=["task"] task="score_gradient" difficulty=3 importance=3 minutes=15
def score_gradient(f: Values, mean: Tensor, log_variance: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Score-function estimates with a leave-one-out baseline, for the mean and for the log-variance."""
    ### BEGIN SOLUTION
    std = torch.exp(log_variance / 2)
    values = f(mean + std * noise)
    baseline = (values.sum() - values) / (len(values) - 1)
    above = (values - baseline)[:, None]
    return above * noise / std, above * (noise.square() - 1) / 2
    ### END SOLUTION


# %% tags=["check"]
check("score_gradient")

# %% [markdown]
# Both estimate the same gradient of $\mathbb E \lVert z - 1 \rVert^2$. How much does one draw's estimate of its first
# number vary? Yours has to find the direction from differences between draws, and there are ever more directions.


# %% tags=["skip-grading"]
def spread(dimensions: int, n: int = 4000) -> tuple[float, float]:
    """Variance of both estimates for the first mean, over draws."""
    mean, log_variance, eps = torch.zeros(dimensions), torch.zeros(dimensions), torch.randn(n, dimensions)
    each = mean.expand(n, -1).clone().requires_grad_()  # one mean a draw, so that each draw has its own gradient
    reparameterise(each, log_variance.expand(n, -1), eps).sub(1).square().sum().backward()
    by_score, _ = score_gradient(lambda z: (z - 1).square().sum(1), mean, log_variance, eps)
    return float(each.grad[:, 0].var()), float(by_score[:, 0].var())


torch.manual_seed(0)
sizes = [1, 2, 4, 8, 16, 32, 64]
by_slope, by_score = zip(*map(spread, sizes))
curves(
    {"through the draw (task 1)": by_slope, "score function (task 4)": by_score},
    x=sizes,
    log="xy",
    xlabel="latent dimensions",
    ylabel="variance of one draw's estimate",
    alt="The variance of the reparameterised gradient stays at 4; that of the score function grows with the dimensions",
)

# %% [markdown]
# ## 5 · A VAE on paper
#
# Let the decoder be linear: $x = W z + m + \text{noise}$, and the noise have one variance $s$ in all dimensions. Then
# $p(x)$ is Gaussian with covariance $W W^\top + s\,1$, and the likeliest $W$ is known (Tipping and Bishop 1999). Let
# $\lambda_1 \ge \lambda_2 \ge \dots$ be the eigenvalues of the data's covariance and $u_1, u_2, \dots$ its
# eigenvectors. Along $u_j$ the data vary by $\lambda_j$, of which the noise explains $s$ already; so
#
# $$w_j = \sqrt{\lambda_j - s}\; u_j \quad\text{if } \lambda_j > s, \text{ else } 0$$
#
# A direction that varies less than the noise is not worth its rate: it collapses, with no network to blame. If $s$ may
# be chosen, the likeliest is the mean of the eigenvalues that are left out.
#
# | argument | shape | what |
# |---|---|---|
# | `x` | (N, D) | data; likelihood wants their covariance with $1 / N$, not $1 / (N - 1)$ |
# | `latent` | int, below D | columns of $W$ |
# | `variance` | float | $s$ |
# | `noise_variance` **returns** | () | the likeliest $s$ |
# | `decoder_weight` **returns** | (D, `latent`) | $W$; the sign and the order of its columns are free |
#
# <details><summary>Hint</summary>
#
# `torch.cov` wants variables in rows, and has an argument `correction`. `torch.linalg.eigh` gives eigenvalues from the
# smallest to the largest, and eigenvectors in columns.
# </details>


# %% tags=["task"] task="linear_vae" difficulty=3 importance=3 minutes=15
def noise_variance(x: Tensor, latent: int) -> Tensor:
    """The likeliest variance of the noise, a scalar."""
    ### BEGIN SOLUTION
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))
    return values[:-latent].mean()
    ### END SOLUTION


def decoder_weight(x: Tensor, latent: int, variance: float) -> Tensor:
    """The likeliest W (D, latent) for noise of the given variance."""
    ### BEGIN SOLUTION
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    lengths = (values[-latent:] - variance).clamp(min=0).sqrt()
    return vectors[:, -latent:] * lengths
    ### END SOLUTION


# %% tags=["check"]
check("linear_vae")

# %% [markdown]
# Sixteen latents for the digits, under ever more noise. The model may use all of them, and uses fewer and fewer.

# %% tags=["skip-grading"]
pixels, shown = train_digits.flatten(1), test_digits[:12].flatten(1)
own = float(noise_variance(pixels, 16))
rows, names = [shown], ["original"]
for variance in (own, 0.5, 1.5, 3.0):
    weight, mean = decoder_weight(pixels, 16, variance), pixels.mean(0)
    posterior = torch.linalg.solve(weight.T @ weight + variance * torch.eye(16), weight.T)  # E[z | x] = this (x - mean)
    rows.append((shown - mean) @ posterior.T @ weight.T + mean)
    names.append(f"s = {variance:.2f}\n{int((weight.norm(dim=0) > 1e-3).sum())} used")
grid(
    torch.cat(rows).view(-1, 1, 8, 8).clamp(-1, 1),
    columns=12,
    row_titles=names,
    alt="Twelve digits and what a linear VAE keeps of them; with more noise fewer latents are used, and all look alike",
)

# %% [markdown]
# ## 6 · Free bits
#
# A deep VAE can collapse for another reason: early in training the latents tell the decoder little, their rate costs
# at once, and dimensions are given up that would have paid later. Kingma et al. (2016) do not charge the first $\lambda$
# nats of a dimension:
#
# $$\text{rate} = \sum_j \max\Big(\lambda,\ \operatorname*{mean}_{\text{images}} \mathrm{KL}_j\Big)$$
#
# The mean is taken before the maximum, so that one image may spend more than another.
#
# | argument | shape | what |
# |---|---|---|
# | `kl` | (B, D) | from task 2 |
# | `floor` | float | $\lambda$, in nats, despite the name |
# | **returns** | () | a scalar; no gradient where a dimension lies below the floor |
#
# <details><summary>Hint</summary>
#
# `.clamp(min=…)` is the maximum with a number.
# </details>


# %% tags=["task"] task="free_bits" difficulty=2 importance=4 minutes=5
def free_bits(kl: Tensor, floor: float) -> Tensor:
    """The rate, of which each dimension pays the floor at least, a scalar."""
    ### BEGIN SOLUTION
    return kl.mean(0).clamp(min=floor).sum()
    ### END SOLUTION


# %% tags=["check"]
check("free_bits")

# %% [markdown]
# What each of sixteen latents costs after training, the dearest first. By the plain bound many tell nothing at all;
# with your floor each of them costs about the floor at least, and is used.


# %% tags=["skip-grading"]
from functools import partial


def floored(model: DigitVae, x: Tensor, floor: float) -> Tensor:
    """The bound with your rate instead of the sum; beta = 0 leaves the distortion."""
    said = model.encode(x)
    z = reparameterise(*said, torch.randn_like(said[0]))
    kl = kl_to_prior(*said)
    return negative_elbo(gaussian_pixels(x, model.decode(z)), kl, 0.0) + free_bits(kl, floor)


torch.manual_seed(0)
rates = {}
for floor in (0.0, 0.5):
    wide = DigitVae(latent=16)
    train(wide.parameters(), partial(floored, wide, floor=floor), steps=800)
    with torch.no_grad():
        rates[f"λ = {floor:g}"] = kl_to_prior(*wide.encode(test_digits)).mean(0).sort(descending=True).values
curves(
    rates,
    xlabel="latent dimension, sorted",
    ylabel="nats an image",
    alt="Rates of sixteen latents: without free bits several are 0, with them none is far below the floor",
)

# %% [markdown]
# ## 7 · A tighter bound
#
# Each draw $z$ from the encoder gives an unbiased guess of $p(x)$, the weight
#
# $$w = \frac{p(x \mid z)\, p(z)}{q(z \mid x)}$$
#
# The ELBO is the mean of $\log w$. Take the logarithm *after* the mean of $k$ weights (Burda et al. 2016), and the bound
# gets tighter with each further draw:
#
# $$\log p(x) \;\ge\; \mathbb E \log \frac1k \sum_{i=1}^k w_i \;\ge\; \mathbb E \log w$$
#
# Weights of images are numbers like $e^{-2000}$, which float32 rounds to 0. So keep to logarithms.
#
# | argument | shape | what |
# |---|---|---|
# | `log_likelihood` | (k, B) | $\log p(x \mid z)$ of each draw for each image |
# | `z` | (k, B, D) | the draws |
# | `mean`, `log_variance` | (B, D) | of the encoder's Gaussian, from which they come |
# | `log_w` | (k, B) | $\log w$ |
# | `log_weights` **returns** | (k, B) | $\log w$ |
# | `iwae` **returns** | (B,) | the bound, one number an image |
#
# <details><summary>Hint</summary>
#
# Sum each log-density over the dimensions; the $\log 2 \pi$ of prior and encoder cancel. `torch.logsumexp` is the
# logarithm of a sum of exponentials, without ever taking a large one. What does the mean add to the sum?
# </details>


# %% tags=["task"] task="importance" difficulty=3 importance=4 minutes=15
def log_weights(log_likelihood: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log p(x|z) + log p(z) - log q(z|x) of each draw, (k, B)."""
    ### BEGIN SOLUTION
    log_p = -z.square().sum(-1) / 2
    log_q = -((z - mean).square() * torch.exp(-log_variance) + log_variance).sum(-1) / 2
    return log_likelihood + log_p - log_q
    ### END SOLUTION


def iwae(log_w: Tensor) -> Tensor:
    """The logarithm of the mean weight of each image, (B,)."""
    ### BEGIN SOLUTION
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))
    ### END SOLUTION


# %% tags=["check"]
check("importance")

# %% [markdown]
# How good is the VAE of task 3 on digits that it has not seen? With more draws the answer is less pessimistic, and soon
# hardly changes.

# %% tags=["skip-grading"]
k = course_lib.pick(smoke=64, laptop=512, gpu=2048)
with torch.no_grad():
    said = small.encode(test_digits)
    eps = torch.randn(k, *said[0].shape, generator=torch.Generator().manual_seed(0))
    z = torch.stack([reparameterise(*said, draw) for draw in eps])
    likelihood = torch.stack([gaussian_pixels(test_digits, small.decode(draw)).flatten(1).sum(1) for draw in z])
    log_w = log_weights(likelihood, z, *said)
    draws = [2**i for i in range(k.bit_length())]
    tighter = [float(torch.stack([iwae(part) for part in log_w.split(n)]).mean()) for n in draws]
curves(
    {"your bound": tighter},
    x=draws,
    log="x",
    xlabel="draws an image, k",
    ylabel="nats an image",
    levels={"ELBO": float(log_w.mean())},
    alt="The bound begins at the ELBO for one draw and rises, ever more slowly, with more of them",
)

# %% [markdown]
# ## 8 · How likely is this byte?
#
# Gaussian pixels have a density, but stored pixels are one of 256 levels, $2/255$ apart in $[-1, 1]$. Give each level the
# mass of the bin around it (Salimans et al. 2017). For a logistic distribution of mean $m$ and scale $s$, whose
# cumulative function is the sigmoid $F$:
#
# $$P(x) = F(b) - F(a), \qquad a = \frac{x - \frac1{255} - m}{s}, \quad b = \frac{x + \frac1{255} - m}{s}$$
#
# Black is everything below as well, so there $F(a)$ is 0; at white $F(b)$ is 1. Then the 256 probabilities sum to 1,
# and their logarithms are nats of real files. Far from the mean both $F$ round to the same number and their difference
# to 0, just where training needs a slope. Subtract nothing instead:
#
# $$F(b) - F(a) = F(b)\, F(-a)\, \big(1 - e^{a - b}\big)$$
#
# | argument | shape | what |
# |---|---|---|
# | `x` | any | levels as floats, $-1$ is black and $1$ is white |
# | `mean`, `log_scale` | as `x` | $m$ and $\log s$ of each pixel |
# | **returns** | as `x` | $\log P$ of each pixel |
#
# <details><summary>Hint</summary>
#
# `logsigmoid` is imported above; $b - a$ needs no subtraction of $x$ and $m$ at all. Work out the case in the middle,
# the case of black and the case of white, and choose with `torch.where`.
# </details>


# %% tags=["task"] task="pixel_log_likelihood" difficulty=4 importance=4 minutes=20
def pixel_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of each pixel's level under a logistic distribution, of x's shape."""
    ### BEGIN SOLUTION
    sharpness = torch.exp(-log_scale)
    below, above = (x - 1 / 255 - mean) * sharpness, (x + 1 / 255 - mean) * sharpness
    inside = torch.log(-torch.expm1(-2 / 255 * sharpness))
    black, white = logsigmoid(above), logsigmoid(-below)
    return torch.where(x < -0.999, black, torch.where(x > 0.999, white, black + white + inside))
    ### END SOLUTION


# %% tags=["check"]
check("pixel_log_likelihood")

# %% [markdown]
# Your probabilities of the 41 darkest levels for three pixels with one mean, $-0.9$. The wider the logistic is, the more of it
# lies beyond black, and is counted there: that is how a model can be sure of black without being sharp.

# %% tags=["skip-grading"]
levels_of_grey = torch.arange(41)
of_level = levels_of_grey / 127.5 - 1
around = torch.full_like(of_level, -0.9)
curves(
    {
        f"log s = {log_scale:g}": pixel_log_likelihood(of_level, around, torch.full_like(of_level, log_scale)).exp()
        for log_scale in (-4.0, -3.0, -2.0)
    },
    x=levels_of_grey,
    xlabel="level",
    ylabel="probability",
    alt="Three bells around level 13; at level 0 the probability jumps up, the more so the wider the bell",
)

# %% [markdown]
# ## 9 · The nearest code
#
# A list of $K$ vectors, the codebook: replace each latent by the nearest of them, and an image is a few whole numbers
# (van den Oord et al. 2017). To choose has no slope. **Straight through** means to pretend that it has slope 1: forwards
# the code, backwards as if nothing had happened.
#
# | argument | shape | what |
# |---|---|---|
# | `z` | (N, D) | latents |
# | `book` | (K, D) | the codes |
# | `code` | (N, D) | the chosen codes, `book[tokens]` |
# | `nearest_code` **returns** | int64, (N,) | tokens: the number of the nearest code, $0, \dots, K - 1$ |
# | `straight_through` **returns** | (N, D) | the codes' values; their gradients go to `z`, and none to `code` |
#
# <details><summary>Hint</summary>
#
# `torch.cdist` gives all distances, (N, K). For the other: something that is 0 in value, added to $z$ and detached? Start
# from $z + (\text{code} - z)$ and decide which part shall be a constant.
# </details>


# %% tags=["task"] task="vector_quantise" difficulty=2 importance=5 minutes=15
def nearest_code(z: Tensor, book: Tensor) -> Tensor:
    """The number of the nearest code for each latent, int64 (N,)."""
    ### BEGIN SOLUTION
    return torch.cdist(z, book).argmin(1)
    ### END SOLUTION


def straight_through(z: Tensor, code: Tensor) -> Tensor:
    """The code in value, z in gradient, (N, D)."""
    ### BEGIN SOLUTION
    return z + (code - z).detach()
    ### END SOLUTION


# %% tags=["check"]
check("vector_quantise")

# %% [markdown]
# ## 10 · Who moves to whom?
#
# Straight through, the codes learn nothing. They need a loss of their own, and the latents should stay near what they
# are replaced by. Both want $z$ and its code $e$ to meet, but not at one pace (van den Oord et al. 2017, equation 3):
#
# $$\mathcal L = \operatorname{mean}\big(\operatorname{sg}[z] - e\big)^2 \;+\; c\,
# \operatorname{mean}\big(z - \operatorname{sg}[e]\big)^2$$
#
# $\operatorname{sg}$ stops the gradient. The first term moves codes to latents, the second, the **commitment**, latents to
# codes. Means run over all numbers.
#
# | argument | shape | what |
# |---|---|---|
# | `z` | (N, D) | latents |
# | `code` | (N, D) | the code of each |
# | `commitment` | float | $c$, 0.25 in the paper |
# | **returns** | () | a scalar |
#
# <details><summary>Hint</summary>
#
# Both terms have the same value. Only their gradients differ: which of the two tensors is detached in which?
# </details>


# %% tags=["task"] task="codebook_loss" difficulty=2 importance=4 minutes=5
def codebook_loss(z: Tensor, code: Tensor, commitment: float) -> Tensor:
    """What codes and latents pay for their distance, a scalar."""
    ### BEGIN SOLUTION
    learn = (z.detach() - code).square().mean()
    commit = (z - code.detach()).square().mean()
    return learn + commitment * commit
    ### END SOLUTION


# %% tags=["check"]
check("codebook_loss")

# %% [markdown]
# Twenty-four codes look for their places on a spiral of points, moved by the first term alone: each follows the points
# that are nearest to it. Codes that are nobody's nearest never move. They are **dead**, and a codebook needs some cure
# for them.

# %% tags=["skip-grading"]
from course_lib.data.points import spiral

cloud = spiral(2000, seed=0)
torch.manual_seed(1)
book = nn.Parameter(3 * torch.rand(24, 2) - 1.5)
optimizer, places = torch.optim.Adam([book], lr=1e-2), [book.detach().clone()]
for _ in range(course_lib.pick(smoke=10, laptop=400, gpu=400)):
    batch = cloud[torch.randint(len(cloud), (256,))]
    optimizer.zero_grad()
    codebook_loss(batch, book[nearest_code(batch, book.detach())], 0.25).backward()
    optimizer.step()
    places.append(book.detach().clone())
alive = len(nearest_code(cloud, book.detach()).unique())
trajectory(
    torch.stack(places),
    behind=cloud,
    limit=1.6,
    alt="Paths of codes to places along a spiral; some codes far outside stay where they began",
    caption=f"{alive} of 24 codes are used.",
)

# %% [markdown]
# ## 11 · No codebook at all
#
# Finite scalar quantisation (Mentzer et al. 2024) squashes each coordinate into $(-1, 1)$ and rounds it to one of $L$
# levels at equal steps from $-1$ to $1$. The codes are a grid that nobody has to learn, and none can die.
#
# Let the levels' numbers $0, \dots, L - 1$ be **digits**, the first the least: with `levels` (3, 5, 2) the digits
# $(2, 4, 1)$ are the token $2 + 4 \cdot 3 + 1 \cdot 15 = 29$, the last of 30.
#
# | argument | shape | what |
# |---|---|---|
# | `z` | (..., D) | any real numbers; $\tanh$ squashes them |
# | `levels` | int64, (D,) | $L$ of each coordinate |
# | `tokens` | int64, (...) | $0, \dots, \prod L - 1$ |
# | `fsq` **returns** | (..., D) and int64 (...) | codes in $[-1, 1]$, and tokens |
# | `fsq_lookup` **returns** | (..., D) | the code of each token |
#
# The gradient goes straight through the rounding, but not through $\tanh$, which has a slope of its own.
#
# <details><summary>Hint</summary>
#
# $(\tanh z + 1) / 2 \cdot (L - 1)$ runs from 0 to $L - 1$: round it. The worth of each digit is the product of the
# levels before it; `torch.cumprod` helps. Backwards: `token // worth % levels`.
# </details>


# %% tags=["task"] task="fsq" difficulty=3 importance=4 minutes=20
def fsq(z: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (..., D), whose gradients go straight through the rounding, and their tokens, int64 (...)."""
    ### BEGIN SOLUTION
    squashed = torch.tanh(z)
    digits = ((squashed + 1) / 2 * (levels - 1)).round().long()
    codes = 2 * digits / (levels - 1) - 1
    worth = levels.cumprod(0) // levels
    return squashed + (codes - squashed).detach(), (digits * worth).sum(-1)
    ### END SOLUTION


def fsq_lookup(tokens: Tensor, levels: Tensor) -> Tensor:
    """The code (..., D) of each token."""
    ### BEGIN SOLUTION
    digits = tokens[..., None] // (levels.cumprod(0) // levels) % levels
    return 2 * digits / (levels - 1) - 1
    ### END SOLUTION


# %% tags=["check"]
check("fsq")

# %% [markdown]
# Digits as **four** whole numbers each, one for each quarter of the image: with a codebook of 64 vectors (tasks 9
# and 10), and with three coordinates of four levels, which are 64 codes too. The perplexity counts the codes in use:
# so many, used alike, would have the same entropy.


# %% tags=["skip-grading"]
class Quarters(nn.Module):
    """An autoencoder whose encoder reads each quarter of a digit; the decoder sees all four codes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(16, 128, width), mlp(4 * width, 256, 64)
        self.book = nn.Parameter(torch.randn(64, width) / 2)

    def encode(self, x: Tensor) -> Tensor:
        """Latents of the quarters, (4 B, width)."""
        return self.encoder(x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(-1, 16))

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(codes.view(-1, 4 * codes.shape[1])).view(-1, 1, 8, 8)


def by_book(model: Quarters, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, reconstruction and the codebook's loss."""
    z = model.encode(x)
    tokens = nearest_code(z.detach(), model.book.detach())
    code = model.book[tokens]
    return tokens, model.decode(straight_through(z, code)), codebook_loss(z, code, 0.25)


def by_grid(model: Quarters, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same with a fixed grid, which has no loss."""
    codes, tokens = fsq(model.encode(x), torch.tensor([4, 4, 4]))
    return tokens, model.decode(codes), torch.zeros(())


def objective(model: Quarters, quantised: Callable, x: Tensor) -> Tensor:
    """Squared error of the reconstruction, and what the codebook asks for."""
    _, x_hat, extra = quantised(model, x)
    return (x_hat - x).square().mean() + extra


rows, names = [test_digits[:12]], ["original"]
for name, quantised in {"codebook": by_book, "fixed grid": by_grid}.items():
    torch.manual_seed(0)
    quarters = Quarters(width=3)
    train(quarters.parameters(), partial(objective, quarters, quantised))
    with torch.no_grad():
        tokens, x_hat, _ = quantised(quarters, test_digits)
    p = tokens.bincount(minlength=64) / len(tokens)
    rows.append(x_hat[:12].clamp(-1, 1))
    names.append(f"{name}: perplexity {float(torch.special.entr(p).sum().exp()):.0f} of 64")
grid(
    torch.cat(rows),
    columns=12,
    row_titles=names,
    alt="Twelve digits, and what two quantisers with four numbers an image keep of them",
)
