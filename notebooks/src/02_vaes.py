# %% [markdown]
# # 2 · Variational autoencoders
#
# **What are the few numbers that an image is made of?** A photograph of a shoe has 784 pixels, but nobody needs 784
# numbers to say which shoe it is: how high, how dark, laces or none. If we knew those numbers for every image, we
# could draw them anew, walk from one shoe to another, and notice when something is no shoe. We do not know them;
# nobody labelled them. A variational autoencoder finds numbers of its own, and pays for each of them in bits.
#
# In this notebook you will
#
# 1. bound a probability that cannot be computed, and see exactly what the bound leaves out;
# 2. send a gradient through a random number, in two ways, one of which is hopeless;
# 3. solve a VAE on paper, and predict which of its dimensions will die;
# 4. train one on real images and count every bit, down to those of the stored bytes;
# 5. ask what a nat of information buys, and watch latents collapse;
# 6. tighten the bound, at the price of more draws;
# 7. use the latent space as a map: walk, compare it with a plain autoencoder's and with PCA, put glasses on faces;
# 8. find what does not belong, and see how likelihood alone is fooled;
# 9. turn images into words: 7×7 tokens;
# 10. replace the one part that holds VAEs back, as all strong models of today do.
#
# You need: PyTorch, Gaussians, logarithms, the KL divergence. Symbols are those of
# [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md); likelihoods are in nats, or
# in bits where it says so.

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.5, "laptop": 4, "gpu": 3})

# %%
import math
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, cosine_similarity, pad

from course_lib import pick
from course_lib.checkpoints import info, pretrained
from course_lib.data import Batch, load
from course_lib.data.faces import coarse, groups
from course_lib.data.fashion import bundled_indices
from course_lib.data.points import spiral
from course_lib.device import pick_device
from course_lib.features import fashion_features, fashion_score, read_faces
from course_lib.metrics import auroc
from course_lib.model import last
from course_lib.plotting import beside, curves, grid, points, show_code, table, trajectory
from course_lib.plotting.marks import Mark, marks
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.vaes import anomaly, bounds, estimators, gaussian, latent
from course_lib.vaes.autoencoder import Autoencoder
from course_lib.vaes.likelihoods import LogisticMixture
from course_lib.vaes.linear import LinearVae, probabilistic_pca
from course_lib.vaes.prior import fit_prior, maximised
from course_lib.vaes.quantise import FSQ, VectorQuantiser, use
from course_lib.vaes.tokenizer import FsqTokenizer, VqTokenizer
from course_lib.vaes.tokens import fashion_tokens
from course_lib.vaes.topdown import TopDownVae
from course_lib.vaes.vae import Vae, measure
from course_lib.widgets import slider

device = pick_device()  # asked for once, here; the library follows its inputs
clothes, unseen = load("fashion"), load("fashion", split="test")  # 5,000 and 1,000 photographs, 28 x 28
nine = unseen.x[torch.tensor([(unseen.labels == c).nonzero()[0].item() for c in range(9)])]
grid(clothes.x[:20], columns=10, alt="Twenty photographs of clothes from Fashion-MNIST", caption="Real images.")

# %% [markdown]
# ## 1 · A probability that cannot be computed
#
# The model tells a story of how an image comes about: draw a few numbers $z \sim \mathcal N(0, I)$, the **latents**;
# then draw the image from $p(x \mid z)$, which a **decoder** network describes. How likely is a given image $x$? Any
# $z$ might have made it, so
#
# $$p(x) = \int p(x \mid z)\, p(z)\, \mathrm dz.$$
#
# With 32 latents, a grid of ten points in each has $10^{32}$ points. And almost all of them contribute nothing: few $z$
# could have made *this* shoe. Which ones could is told by the posterior $p(z \mid x) = p(x \mid z)\, p(z) / p(x)$, but
# that one needs $p(x)$.
#
# The way out is to guess. Let $q(z \mid x)$ be any distribution that we can write down. For each $z$,
# $p(x) = p(x, z) / p(z \mid x)$; take the logarithm, multiply and divide by $q$, and average over $q$:
#
# $$\log p(x) = \underbrace{\mathbb E_q\Big[\log \frac{p(x, z)}{q(z \mid x)}\Big]}_{\text{ELBO}} +
# \underbrace{\mathbb E_q\Big[\log \frac{q(z \mid x)}{p(z \mid x)}\Big]}_{\mathrm{KL}(q\,\Vert\,p(z \mid x))\; \ge\; 0}$$
#
# No inequality was used. The first term can be computed. The second cannot, but it is never negative, so the first is a
# lower bound of $\log p(x)$, the **evidence lower bound** (ELBO), and what it misses is exactly how wrong the guess is.
#
# Here is a world small enough to check. There is one latent $z$ and one "pixel" $x$, which is $z^2$ up to noise of
# standard deviation 0.3, and we saw $x = 1$. Then $z$ was about $+1$ or about $-1$. In one dimension the integral is a
# sum:

# %% tags=["nbval-check-output"]
z = torch.linspace(-4, 4, 4001, dtype=torch.float64)
step = z[1] - z[0]


def normal(at, mean, std):  # log-density
    return -(((at - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi))


joint = normal(z, 0, 1) + normal(1.0, z**2, 0.3)  # log p(x = 1, z)
evidence = (joint.exp().sum() * step).log().item()


def bound_and_gap(mean: float, std: float) -> tuple[float, float]:
    q = normal(z, mean, std)
    weight = q.exp() * step
    return (weight * (joint - q)).sum().item(), (weight * (q - (joint - evidence))).sum().item()


print(f"log p(x) = {evidence:.4f}")
for mean, std in ((0.0, 0.7), (0.95, 0.7), (0.95, 0.15)):
    bound, gap = bound_and_gap(mean, std)
    print(f"guess N({mean:.2f}, {std:.2f}): ELBO {bound:8.4f} + KL {gap:.4f} = {bound + gap:.4f}")

# %% [markdown]
# Whatever the guess, the sum is the same. So to raise the ELBO *is* to make the guess better. Move the guess:


# %%
def guess(mean: float):
    bound, gap = bound_and_gap(mean, 0.15)
    return curves(
        {"p(z|x)": (joint - evidence).exp()[::10], "q": normal(z, mean, 0.15).exp()[::10]},
        x=z[::10],
        xlabel="latent z",
        ylabel="density",
        size=(232, 230),
        caption=f"ELBO {bound:.2f} + KL {gap:.2f} = {evidence:.2f}",
        alt=f"Posterior with two humps and a Gaussian guess at {mean}",
    )


slider(
    guess,
    {"mean of q": [-0.95, -0.7, -0.5, -0.25, 0.0, 0.25, 0.5, 0.7, 0.95]},
    shown=3,
    alt="A posterior with humps at minus one and one, and a narrow Gaussian that covers one of them or none.",
)

# %% [markdown]
# The best that one Gaussian can do is to sit on one hump and forget the other:

# %% tags=["nbval-check-output"]
tries = [(m / 100, s / 100) for m in range(0, 131, 5) for s in range(5, 101, 5)]
best = max(tries, key=lambda guess: bound_and_gap(*guess)[0])
print(f"best mean {best[0]:.2f}, std {best[1]:.2f}; KL left {bound_and_gap(*best)[1]:.2f}, log 2 = {math.log(2):.2f}")

# %% [markdown]
# To know one of two equally likely answers and deny the other costs $\log 2$. The rest of the gap is that the hump is
# not quite a Gaussian.
#
# A **VAE** (Kingma & Welling 2014; Rezende et al. 2014) does this for all images at once: an **encoder** network reads
# $x$ and answers with the mean and variance of $q(z \mid x)$, one Gaussian for each latent. Write
# $p(x, z) = p(x \mid z)\, p(z)$ in the ELBO, and what is minimised shows its two halves:
#
# $$-\text{ELBO} = \underbrace{\mathbb E_q[-\log p(x \mid z)]}_{\text{distortion: what the pixels still cost}} +
# \underbrace{\mathrm{KL}(q(z \mid x)\,\Vert\,p(z))}_{\text{rate: what the latents cost}}$$
#
# Read it as a letter to a friend who has the decoder: first the latents, then what they left open. The rate has a
# closed form, in each dimension $\tfrac12(\mu^2 + \sigma^2 - 1 - \log \sigma^2)$ for a Gaussian of mean $\mu$ and
# variance $\sigma^2$:

# %%
show_code(gaussian.kl_to_prior)

# %% [markdown]
# ## 2 · A gradient through a random number
#
# The distortion is an average over draws of $z$. The encoder decides where they are drawn from. What is its gradient? A
# draw from a random generator has none. There are two answers:
#
# - **Reparameterise**: draw $\varepsilon \sim \mathcal N(0, 1)$ first, then $z = \mu + \sigma\,\varepsilon$. Now $z$ is
#   an ordinary function of $\mu$ and $\sigma$, and the chain rule applies: $f'(z)\,\partial z/\partial\mu$.
# - **Score function** (REINFORCE, Williams 1992): leave the draw where it is, and make it more likely if it was good:
#   $f(z)\,\partial \log q(z)/\partial\mu$.
#
# Both are right on average. Let $f(z) = \lVert z \rVert^2$ with $z \sim \mathcal N(0, I)$ in $D$ dimensions. The
# gradients for one coordinate of the mean are $2 z_j$ and $\lVert z \rVert^2 z_j$. Their mean is 0; their variances are
# $4$ and $\mathbb E[\lVert z \rVert^4 z_j^2] = (D + 2)(D + 4)$. By hand, for ten dimensions:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
draws = torch.randn(200_000, 10)  # mean 0, std 1: z is the noise itself
moved = 2 * draws[:, 0]  # the slope of f where the draw lies
scored = draws.square().sum(dim=1) * draws[:, 0]  # f itself, times d log q / d mean

for name, gradient, expected in (("reparameterised", moved, 4), ("score function", scored, 12 * 14)):
    close = abs(gradient.var().item() / expected - 1) < 0.05
    print(f"{name}: variance {expected} as predicted, to 5 %: {close}")

# %% [markdown]
# The library has both, one gradient for each draw, so that their spread can be seen. A **baseline** helps the score
# function: subtract from each value the mean of the others, and what all have in common no longer counts.

# %%
show_code(estimators.score_function)

# %%
square = lambda z: z.square().sum(dim=-1)
sizes, several = [1, 2, 4, 8, 16, 32, 64], pick(smoke=2_000, laptop=50_000, gpu=200_000)
spreads = {"score function": [], "with a baseline": [], "reparameterised": []}
for d in sizes:
    origin, noise = torch.zeros(d), torch.randn(several, d)
    kinds = (
        estimators.score_function(square, origin, origin, noise),
        estimators.score_function(square, origin, origin, noise, estimators.leave_one_out),
        estimators.reparameterised(square, origin, origin, noise),
    )
    for values, gradients in zip(spreads.values(), kinds):
        values.append(gradients.mean.var(dim=0).mean().item())

predicted = {"score function": (64 + 2) * (64 + 4), "with a baseline": 2 * 64 + 8, "reparameterised": 4}
assert all(abs(spreads[k][-1] / v - 1) < 0.1 for k, v in predicted.items())
curves(
    spreads,
    x=sizes,
    log="xy",
    xlabel="latent dimensions D",
    ylabel="variance of the gradient",
    caption="Measured, as theory has it: (D + 2)(D + 4), 2D + 8 and 4, the same in any number of dimensions.",
    alt="The score function's variance grows like D squared, with a baseline like D, reparameterised it stays at 4",
)

# %% [markdown]
# What does that mean for learning? Let 20 guesses learn in the world of section 1, by stochastic gradient ascent on the
# ELBO with *one* draw a step. It takes half a dozen lines, and the two rules differ in one of them.


# %%
def log_joint(z):
    return normal(z, 0, 1) + normal(1.0, z**2, 0.3)


def log_guess(z, mean, log_std):
    return -(((z - mean) / log_std.exp()) ** 2) / 2 - log_std


def learn(score: bool) -> torch.Tensor:
    torch.manual_seed(0)
    place = torch.stack([torch.linspace(-1.6, 1.6, 20), torch.full((20,), -0.5)], dim=1).requires_grad_()
    walk = [place.detach().clone()]
    for _ in range(pick(smoke=40, laptop=300, gpu=300)):
        mean, log_std = place.unbind(dim=1)
        z = mean + log_std.exp() * torch.randn(20)
        better = log_joint(z) - log_guess(z, mean, log_std)
        if score:
            better = better.detach() * log_guess(z.detach(), mean, log_std)
        (slope,) = torch.autograd.grad(better.sum(), place)
        place = (place + 0.005 * slope.clamp(-20, 20)).detach().requires_grad_()
        walk.append(place.detach().clone())
    return torch.stack(walk)


walks = {"reparameterised": learn(score=False), "score function": learn(score=True)}
beside(
    [
        trajectory(
            walk,
            size=(345, 262),
            xlabel="mean of q",
            ylabel="log standard deviation of q",
            alt=f"Paths of guesses, {name}",
        )
        for name, walk in walks.items()
    ],
    titles=list(walks),
    caption="20 guesses learn from one draw a step. The same noise, the same steps. The humps are at a mean of ±0.95.",
    alt="Left, most paths run to one of two humps and stay. Right, most still wander to and fro between the humps",
)

# %% [markdown]
# The slope knows where to go. The score function has to find out by trial, and each trial is one number. But it never
# asks $f$ for a slope, and sometimes there is none. Let $f$ be a step, 1 above 1 and 0 below. Then
# $\mathbb E f = P(\mu + \varepsilon > 1)$, and its true slope at $\mu = 0$ is the density of $\mathcal N(0, 1)$ at 1:

# %% tags=["nbval-check-output"]
above = lambda z: (z[:, 0] > 1).float()
noise, nought = torch.randn(500_000, 1), torch.zeros(1)
print(f"truth {math.exp(-1 / 2) / math.sqrt(2 * math.pi):.2f}")
print(f"score function {estimators.score_function(above, nought, nought, noise).mean.mean():.2f}")
print(f"reparameterised {estimators.reparameterised(above, nought, nought, noise).mean.mean():.2f}")

# %% [markdown]
# Reparameterised, the answer is zero, and wrong: on a step every slope is flat. Section 9 meets this again, when
# latents become whole numbers.
#
# ## 3 · A VAE on paper
#
# Let the decoder be linear: $x = Wz + m + \text{noise}$, with noise of variance $\sigma_x^2$ in each pixel. Then $p(x)$
# is a Gaussian and its best $W$ is known: **probabilistic PCA** (Tipping & Bishop 1999). The columns of $W$ are the
# principal directions of the data, and a direction in which the data have variance $\lambda$ gets a column of length
#
# $$\sqrt{\lambda - \sigma_x^2}, \qquad \text{or } 0 \text{ if } \lambda < \sigma_x^2.$$
#
# Its posterior is a Gaussian whose mean is linear in $x$: a linear encoder can hit it exactly, so at the optimum *the
# ELBO has no gap*. Whatever goes wrong here cannot be blamed on the bound (Lucas et al. 2019). Clothes at 14×14
# pixels, twelve latents, noise of variance 1:

# %%
rows = avg_pool2d(clothes.x[:2000], 2).flatten(1)
paper = probabilistic_pca(rows, latent=12, variance=1.0)
torch.manual_seed(0)
linear, trained = LinearVae(dimensions=196, latent=12, variance=1.0), []
some = (Batch(rows[i], i) for i in iter(lambda: torch.randint(len(rows), (500,)), None))
many = pick(smoke=600, laptop=1000, gpu=1000)

for step_ in train_steps(linear, some, many, optimizer=partial(adamw, lr=5e-2), lr_factor=warmup_cosine(many)):
    if step_.index % 50 == 0 and step_.index >= 100:
        with torch.no_grad():
            trained.append((linear.elbo(rows).mean().item(), linear.log_likelihood(rows).mean().item()))

optimum = paper.log_likelihood(rows).mean().item()
curves(
    {"ELBO": [a for a, _ in trained], "exact log p(x)": [b for _, b in trained]},
    x=list(range(100, many, 50)),
    levels={"on paper": optimum},
    xlabel="step",
    ylabel="nats an image",
    caption="The bound and what it bounds, both exact, meet at the optimum that was computed beforehand.",
    alt="ELBO and log-likelihood rise and meet at the level of probabilistic PCA",
)

# %%
show_code(LinearVae.elbo)

# %%
learned = linear.weight.detach().T
learned = learned[learned.norm(dim=1).argsort(descending=True)]
signs = cosine_similarity(learned, paper.weight.T, dim=1).sign()[:, None]  # z and -z are equally good
columns = torch.cat([paper.weight.T, learned * signs]).view(-1, 1, 14, 14)
grid(
    (3 * columns).clamp(-1, 1),
    columns=12,
    row_titles=["on paper", "learned"],
    caption="The columns of W as images, longest first. The last four are nothing.",
    alt="Twelve principal directions above twelve learned columns; they agree, and the last four are flat grey",
)

# %% tags=["nbval-check-output"]
variances = torch.linalg.eigvalsh(torch.cov(rows.T, correction=0))
predicted_alive, alive = (variances > 1).sum().item(), (learned.norm(dim=1) > 0.1).sum().item()
off = (learned.norm(dim=1) - paper.weight.norm(dim=0)).abs().max().item()
print(f"directions with a variance above the noise: {predicted_alive}; latents in use after training: {alive} of 12")
print(f"lengths as predicted, to 0.1: {off < 0.1}; ELBO at the optimum, to 0.1: {optimum - trained[-1][0] < 0.1}")

# %% [markdown]
# Four of twelve latents died, exactly those that the formula names. This is **posterior collapse** in its purest form:
# a direction in which the data vary less than the noise is not worth its rate. It is no accident of training; the loss
# *asks* for it. Note too that the learned columns are single principal directions. For reconstruction, mixtures of them
# would do as well; but since $q$ treats latents one by one, the rate is least when they are independent.
#
# ## 4 · On images
#
# ### How likely is a pixel?
#
# What is $p(x \mid z)$ for a pixel? Squared error means a Gaussian of one width for all. But pixels are whole numbers
# from 0 to 255, half of those in these images are exactly black, and a collar is better known than a print. The
# library's decoder gives each pixel a mixture of **logistic** distributions, cut into 256 bins (Salimans et al.
# 2017). A bin's probability is a difference of two sigmoids, and black and white take all that lies beyond. By hand:

# %% tags=["nbval-check-output"]
levels = torch.linspace(-1, 1, 256, dtype=torch.float64)
edges = torch.sigmoid((levels[:-1] + 1 / 255 - 0.9) / 0.1)  # between neighbouring levels; mean 0.9, scale 0.1
mass = torch.cat([edges[:1], edges.diff(), 1 - edges[-1:]])
one = LogisticMixture(*(torch.tensor(v).view(1, 1, 1, 1, 1) for v in (0.0, 0.9, math.log(0.1))))
gap = max(abs(one.log_prob(v.float().view(1, 1, 1, 1)).exp().item() - p.item()) for v, p in zip(levels, mass))
print(f"sum over all levels {mass.sum():.6f}; white alone {mass[-1]:.2f}; library and hand agree to 1e-5: {gap < 1e-5}")
uniform = bounds.bits_per_dimension(torch.tensor(-784 * math.log(256)), 784)
print(f"a model that knows nothing needs {uniform:.1f} bits a pixel")

# %% [markdown]
# So log-likelihoods are those of the stored bytes, and **bits per dimension** mean what they say: the size of the
# file that a perfect compressor would write, divided by the number of pixels. Models with other architectures, and
# PNG, can be compared on that scale.

# %%
show_code(Vae.loss)

# %% [markdown]
# The encoder folds the image down to 7×7 places and reads them into means and log-variances; the decoder is its
# mirror image. A few hundred steps on the 5,000 images that come with the course:

# %%
torch.manual_seed(0)
model = Vae(width=32, latent=32).to(device)
ema, steps = Ema(model, decay=0.99), pick(smoke=8, laptop=400, gpu=3000)
batches = clothes.to(device).batches(32, seed=0)
bits, snapshots = [], []
tune = partial(train_steps, steps=steps, optimizer=partial(adamw, lr=2e-3), lr_factor=warmup_cosine(steps))

for step_ in tune(model, batches):
    ema.update()
    bits.append(step_.logs["model/bits"].item())
    if step_.index + 1 in (2, steps // 8, steps // 2, steps):
        with torch.no_grad():
            snapshots.append(ema.model.reconstruct(nine.to(device)).cpu())

live = ema.model
assert bits[-1] < bits[0]
grid(
    torch.cat([*snapshots, nine]),
    columns=9,
    row_titles=["2 steps", f"{steps // 8}", f"{steps // 2}", f"{steps}", "truth"],
    caption="Nine unseen images, sent through 32 numbers, while the model learns.",
    alt="Reconstructions of nine clothes turn from grey to recognisable as training goes on; the last row is the truth",
)

# %%
png = anomaly.complexity(unseen.x[: pick(smoke=100, laptop=1000, gpu=1000)]).mean().item()
smooth = torch.tensor(bits).unfold(0, max(len(bits) // 40, 1), 1).mean(dim=1)
curves(
    {"VAE": smooth[len(smooth) // 100 :]},
    levels={"PNG": png},
    xlabel="step",
    ylabel="bits a pixel",
    caption="What the images cost: the model soon compresses better than a format made for it.",
    alt="Bits per pixel fall during training and pass the level of PNG",
)

# %% [markdown]
# The course ships the same model, trained longer on all 60,000 images. What its file says of it:

# %%
vae = pretrained("fashion_vae").to(device)
said = info("fashion_vae")
meaning = {
    "rate": "nats an image, for its latents",
    "distortion": "nats an image, for its pixels once the latents are known",
    "bits": "bits a pixel, for both",
    "distance": "Fréchet distance of images drawn from N(0, I)",
    "reconstructions": "Fréchet distance of recovered images",
    "fitted rate": "the rate, with the learned prior of section 10",
    "fitted distance": "Fréchet distance of images drawn from that prior",
    "floor": "Fréchet distance of as many real images",
}
table(
    [{"fashion_vae": name, "value": said["metrics"][name], "is": what} for name, what in meaning.items()],
    caption=f"{sum(p.numel() for p in vae.parameters()):,} parameters, trained by the recipe {said['recipe']} on "
    f"{said['data']}. Measured on unseen images; distances at n = {said['metrics']['n']:,}.",
)

# %%
torch.manual_seed(1)
with torch.no_grad():
    again = vae.reconstruct(nine.to(device)).cpu()
    pixels = vae.pixels(vae.encode(nine.to(device))[0]).sample().cpu()
drawn = last(vae.sample(18)).cpu()
grid(
    torch.cat([nine, again, pixels, drawn]),
    columns=9,
    row_titles=["truth", "recovered", "pixels drawn", "new", "new"],
    caption="Recovered: the expected image given 32 numbers. Below, each pixel is drawn: the decoder says honestly that it "
    "does not know the texture. Last, latents drawn from the prior.",
    alt="Rows of clothes: true, recovered and slightly blurred, recovered with grainy pixels, and two rows of new ones",
)

# %% [markdown]
# Recovered images are good, though soft: of what the latents do not say, the decoder draws the mean. New ones are
# much weaker, most a mixture of two things. Remember that gap between the second row and the last ones: it is measured in
# section 7, and explained and closed in section 10. One can trade variety for typicality by drawing latents with a
# smaller standard deviation, the **temperature**. Move the slider:

# %%
torch.manual_seed(4)
fixed = torch.randn(10, 32, device=device)


def tempered(temperature: float):
    return grid(
        last(vae.sample(10, temperature=temperature, noise=fixed)).cpu(),
        columns=10,
        alt=f"Ten clothes drawn at temperature {temperature}",
    )


slider(
    tempered,
    {"temperature": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4]},
    shown=4,
    alt="Ten clothes drawn from latents of growing spread: all the same at 0, varied at 1, odd beyond.",
)

# %% [markdown]
# ## 5 · What a nat buys
#
# Weigh the rate by a factor **β** (Higgins et al. 2017), and the model is told what a nat of latents may cost in
# pixels. At $\beta = 0$ latents are free, and what is left is an autoencoder that may make its noise as small as it
# likes. At the optimum, the trade between the two halves has slope $-\beta$: the last nat of rate saved β nats of
# distortion (Alemi et al. 2018). In the linear VAE $\sigma_x^2$ plays the very same part. So one expects latents to be
# given up as β grows. A small model for each β:


# %%
def small_vae(images, steps: int, **config) -> Vae:
    torch.manual_seed(0)
    model = Vae(width=16, components=2, latent=16, size=images.pixels.shape[-1], **config).to(device)
    size = min(32, len(images) // 4)
    schedule = {"optimizer": partial(adamw, lr=4e-3), "lr_factor": warmup_cosine(steps)}
    for _ in train_steps(model, images.to(device).batches(size, seed=0), steps, **schedule):
        pass
    return model.eval()


betas = pick(smoke=[0.0, 100.0], laptop=[0.0, 1.0, 3.0, 10.0, 30.0, 100.0], gpu=[0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
by_beta = {beta: small_vae(clothes, pick(smoke=4, laptop=300, gpu=2000), beta=beta) for beta in betas}
judged = unseen[: pick(smoke=150, laptop=1000, gpu=1000)]


@torch.no_grad()
def facts(model: Vae, images) -> dict[str, float]:
    means = model.encode(images.x.to(device))[0]
    return measure(model, images) | {"active latents": int(bounds.active(means).sum())}


measured = {beta: facts(model, judged) for beta, model in by_beta.items()}
for here, there in pairwise(measured.values()):
    spared, lost = here["rate"] - there["rate"], there["distortion"] - here["distortion"]
    here["a nat saves"] = lost / spared  # on the way to the next β
table(
    [{"β": beta, **row} for beta, row in measured.items()],
    columns=["β", "rate", "distortion", "bits", "active latents", "a nat saves"],
    caption=f"{len(judged):,} unseen images; 16 latents. Last: nats of distortion saved by a nat of rate, from the "
    "next β to this one.",
)

# %%
assert measured[betas[-1]]["rate"] < measured[betas[0]]["rate"]
marks(
    {f"β = {b:g}": Mark.exact(row["rate"], row["distortion"], "small VAEs") for b, row in measured.items()},
    xlabel="rate, nats an image",
    ylabel="distortion, nats an image",
    size=(640, 330),
    caption="What the latents cost, and what the pixels still cost then.",
    alt="Distortion falls as the rate grows and β shrinks, steeply at first, then hardly",
)

# %%
torch.manual_seed(5)
drawn_from = torch.randn(9, 16, device=device)


@torch.no_grad()
def at_beta(beta: float):
    model = by_beta[beta]
    return grid(
        torch.cat([model.reconstruct(nine.to(device)), last(model.sample(9, noise=drawn_from))]).cpu(),
        columns=9,
        row_titles=["recovered", "drawn"],
        alt=f"Nine clothes recovered and nine drawn by a VAE with beta {beta}",
    )


slider(
    at_beta,
    {"β": betas},
    shown=3,
    alt="At a small beta clothes are recovered well and drawn badly; at a large one both become blurred averages.",
)

# %% [markdown]
# The first nats buy most. At $\beta = 100$ hardly anything is worth its price, and all that is left is a blurred
# average. Compare the table's last column with its first: between one β and the next, a nat should save more than the
# smaller and less than the larger of them. (From 1 to 0 it saves nothing: what those nats tell of the training images
# does not help with unseen ones.)
#
# ### Collapse, and free bits
#
# At $\beta = 1$, the honest bound, latents can still be lost for a bad reason: early in training the decoder ignores
# them, so they cost rate and save nothing; the encoder learns to say nothing before the decoder has learned to
# listen. **Free bits** (Kingma et al. 2016) let each dimension have a little rate for nothing. The handwritten
# digits, 8×8 pixels:

# %%
show_code(bounds.objective)

# %%
digits, other_digits = load("digits"), load("digits", split="test")
ways = {
    "β = 1": {},
    "β = 1, free bits 0.1": {"free_bits": 0.1},
    "β = 4": {"beta": 4.0},
    "β = 4, free bits 0.1": {"beta": 4.0, "free_bits": 0.1},
}
by_way = {name: small_vae(digits, pick(smoke=5, laptop=600, gpu=2000), **way) for name, way in ways.items()}
collapse = {name: facts(model, other_digits) for name, model in by_way.items()}
freed, strict = collapse["β = 1, free bits 0.1"], collapse["β = 1"]
assert pick(smoke=True, laptop=freed["bits"] < strict["bits"], gpu=True)
table([{"objective": name, **row} for name, row in collapse.items()], caption="360 unseen digits; 16 latents.")

# %%
with torch.no_grad():
    ten = other_digits.x[torch.tensor([(other_digits.labels == c).nonzero()[0].item() for c in range(10)])]
    recovered = [model.reconstruct(ten.to(device)).cpu() for model in by_way.values()]
grid(
    torch.cat([ten, *recovered]),
    columns=10,
    row_titles=["truth", "β = 1", "+ free bits", "β = 4", "+ free bits"],
    caption="Ten digits and what comes back. A model whose latents have all collapsed returns one image for all.",
    alt="Ten digits; recovered with free bits they can be read, with beta 4 alone all are the same grey blot",
)

# %% [markdown]
# With free bits every latent is alive *and* the honest count of bits is lower: what was lost at $\beta = 1$ was not
# worthless. At $\beta = 4$ all of them die, and every digit gets the same answer. Nothing warns of it: the loss falls
# as it should. Look at the rate.
#
# ## 6 · A tighter bound
#
# The ELBO averages logarithms. Average first, and take the logarithm after: with $k$ draws from the encoder, the
# **importance weighted** bound (Burda et al. 2016)
#
# $$\mathcal L_k = \mathbb E\Big[\log \frac1k \sum_{i=1}^k w_i\Big], \qquad w_i = \frac{p(x, z_i)}{q(z_i \mid x)}$$
#
# is the ELBO for $k = 1$, and never falls as $k$ grows: split $2k$ draws into two halves; the logarithm of the mean of
# two numbers is at least the mean of their logarithms (Jensen). It rises towards $\log p(x)$. Where that is known one
# can watch it arrive: take the solved linear VAE and spoil its encoder, all variances too large by a factor $e$. On
# images, only the bound is known:

# %%
show_code(bounds.log_weights)

# %%
spoiled = LinearVae.solved(paper)
spoiled.log_variance.data += 1
few_rows, draws_of = rows[:40], pick(smoke=64, laptop=1024, gpu=1024)


@torch.no_grad()
def linear_likelihood(x, z):
    squared = (x - spoiled.decode(z)).square().sum(dim=-1)
    return -(squared + 196 * math.log(2 * math.pi)) / 2  # the noise has variance 1


def by_draws(weights: torch.Tensor, counts: list[int]) -> list[float]:
    """The bound for each k, from one pool of draws cut into groups of k."""
    cut = [weights.unflatten(0, (-1, k)).transpose(0, 1).flatten(1) for k in counts]
    return [bounds.iwae(part).mean().item() for part in cut]


torch.manual_seed(0)
with torch.no_grad():
    known = bounds.log_weights(few_rows, spoiled.encode, linear_likelihood, torch.randn(draws_of, 40, 12))
    some_x = unseen.x[: pick(smoke=8, laptop=100, gpu=500)].to(device)
    found = vae.log_weights(some_x, pick(smoke=4, laptop=64, gpu=256))
known_k = [4**i for i in range(6) if 4**i <= len(known)]
found_k = [2**i for i in range(len(found).bit_length())]
tight, on_images = by_draws(known, known_k), by_draws(found, found_k)
exact = spoiled.log_likelihood(few_rows).mean().item()
halves = [
    curves(
        {"bound": tight}, x=known_k, log="x", levels={"log p(x)": exact}, xlabel="draws k", ylabel="nats", size=(345, 260),
        alt="The bound rises to the exact value",
    ),
    curves(
        {"bound": on_images}, x=found_k, log="x", xlabel="draws k", ylabel="nats", size=(345, 260),
        alt="The bound of the image model rises with the draws",
    ),
]  # fmt: skip
beside(
    halves,
    titles=["linear, spoiled encoder", "clothes, fashion_vae"],
    caption="Left the answer is known, and reached. Right nobody knows where it ends.",
    alt="Two rising curves of the bound against the number of draws, the left one reaching a known level",
)

# %% tags=["nbval-check-output"]
for name, row in (("linear", tight), ("clothes", on_images)):
    print(f"{name}: never falls as k grows: {all(b >= a - 1e-3 for a, b in pairwise(row))}")
print(f"linear: not above the truth, to 0.1: {tight[-1] < exact + 0.1}; within 1 nat of it: {tight[-1] > exact - 1}")

# %% [markdown]
# ## 7 · The latent space as a map
#
# With two latents all clothes fit on one page. Cut the plane's prior into cells of equal probability and decode the
# middle of each (Kingma & Welling 2014): the page shows everything that the model can draw, in due proportion.

# %% tags=["cover"]
atlas = pretrained("fashion_map").to(device)
with torch.no_grad():
    page = atlas.decode(latent.map_grid(12).to(device)).cpu()
    where = atlas.encode(unseen.x.to(device))[0].cpu()
grid(
    page,
    columns=12,
    caption="All of it, on one page: z₁ grows from left to right, z₂ from the bottom to the top.",
    alt="A page of 144 clothes, neighbours alike: shoes at the left, bags below, pullovers at the right, trousers above",
)

# %%
named = [1, 8, 7, 3]
points(
    {clothes.classes[c]: where[unseen.labels == c] for c in named},
    limit=4.9,
    xlabel="z₁",
    ylabel="z₂",
    size=(430, 430),
    caption="Where the encoder puts unseen images. It was never told a class.",
    alt="Four classes of clothes occupy four regions of the plane",
)

# %% [markdown]
# Walk about:


# %%
@torch.no_grad()
def spot(z1: float, z2: float):
    return atlas.decode(torch.tensor([[z1, z2]], device=device)).cpu()


places = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
slider(spot, {"z₁": places, "z₂": places[::-1]}, shown=5, alt="The garment at one place of the map.")

# %% [markdown]
# ### Fewer numbers: against PCA
#
# A latent space reduces dimensions, as PCA does, but need not be flat. Which keeps more of what matters? Encode, look
# up the five nearest training images, and let them vote on the class; and see how well the image comes back. At the
# same number of dimensions:


# %%
@torch.no_grad()
def means_of(net: Vae, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([net.encode(part.to(device))[0].cpu() for part in x.split(500)])


def vote(codes: torch.Tensor, queries: torch.Tensor) -> float:
    nearest = torch.cdist(queries, codes).topk(5, largest=False).indices
    return (clothes.labels[nearest].mode(dim=1).values == unseen.labels).float().mean().item()


flat, flat_unseen = clothes.x.flatten(1), unseen.x.flatten(1)
centre = flat.mean(dim=0)
axes = torch.linalg.eigh(torch.cov(flat.T)).eigenvectors.flip(1)
reduced = []
for d, net in ((2, atlas), (32, vae)):
    onto = axes[:, :d]
    flat_again = (flat_unseen - centre) @ onto @ onto.T + centre
    mine, theirs = means_of(net, clothes.x), means_of(net, unseen.x)
    with torch.no_grad():
        back = net.decode(theirs.to(device)).cpu().flatten(1)
    for name, codes, queries, image in (
        ("PCA", (flat - centre) @ onto, (flat_unseen - centre) @ onto, flat_again),
        ("VAE", mine, theirs, back),
    ):
        error = (image - flat_unseen).square().mean().item()
        reduced.append({"numbers": d, "by": name, "neighbours right": vote(codes, queries), "squared error": error})
reduced.append({"numbers": 784, "by": "pixels", "neighbours right": vote(flat, flat_unseen), "squared error": 0.0})
assert reduced[1]["neighbours right"] > reduced[0]["neighbours right"]
table(reduced, caption="1,000 unseen images, five neighbours among 5,000. Neither saw a label.")

# %% [markdown]
# In two dimensions the curved map is far ahead of the flat one. With 32 numbers both beat the pixels themselves: what
# was thrown away was mostly in the way. The VAE keeps more of the image and of its neighbours.
#
# ### Is it smooth? Against a plain autoencoder
#
# It is often said that a VAE's latent space is smooth and a plain autoencoder's is torn. Measure it. The same network
# and the same steps as in section 4, without noise and without a price, on squared error:

# %%
torch.manual_seed(0)
plain = Autoencoder(width=32, latent=32).to(device)
plain_ema = Ema(plain, decay=0.99)
for _ in tune(plain, clothes.to(device).batches(32, seed=0)):
    plain_ema.update()
plain = plain_ema.model

spaces = {"VAE": (lambda x: live.encode(x)[0], live.decode), "autoencoder": (plain.encode, plain.decode)}
ends = nine[[2, 7]].to(device), nine[[3, 8]].to(device)
along = torch.linspace(0, 1, 9)
with torch.no_grad():
    walked = {
        name: torch.stack([decode(z) for z in latent.lerp(encode(ends[0]), encode(ends[1]), along)], dim=1).cpu()
        for name, (encode, decode) in spaces.items()
    }
grid(
    torch.cat([walk[i].clamp(-1, 1) for i in range(2) for walk in walked.values()]),
    columns=9,
    row_titles=[*spaces, *spaces],
    caption="From one image to another along a straight line of latents.",
    alt="Four rows: a pullover becomes a dress and a sneaker a bag, by the VAE and by the plain autoencoder",
)

# %% [markdown]
# Here are four measurements. The path, seen by the network whose features the Fréchet distance compares (section 5 of
# the [introduction](00_introduction.ipynb)): how much longer than its chord (**detour**), and how uneven (**largest
# jump**, over the mean step). **Drift**: decode a latent, encode and decode it again; how far is the second image from
# the first? Where a decoder was trained they agree. And the Fréchet distance of images decoded from $\mathcal N(0, I)$.

# %%
pairs = pick(smoke=20, laptop=300, gpu=500)
n = pick(smoke=150, laptop=1000, gpu=1000)
torch.manual_seed(0)
normal_z = torch.randn(n, 32, device=device)
judge = fashion_features()


@torch.no_grad()
def space_facts(encode, decode) -> dict[str, float]:
    ends = encode(unseen.x[:pairs].to(device)), encode(unseen.x[pairs : 2 * pairs].to(device))
    path = latent.lerp(*ends, torch.linspace(0, 1, 17))
    seen = torch.stack([judge(decode(z).clamp(-1, 1).cpu()) for z in path])
    draws = torch.cat([decode(z) for z in normal_z.split(250)]).clamp(-1, 1).cpu()
    return {
        "detour": latent.detour(seen).median().item(),
        "largest jump": latent.largest_jump(seen).median().item(),
        "drift at images": latent.drift(ends[0], encode, decode).mean().item(),
        "drift midway": latent.drift(path[8], encode, decode).mean().item(),
        "drift at N(0, I)": latent.drift(normal_z[:pairs], encode, decode).mean().item(),
        "distance of draws": fashion_score(draws).distance,
    }


smoothness = {name: space_facts(*space) for name, space in spaces.items()}
table(
    [{"space": name, **row} for name, row in smoothness.items()],
    caption=f"Medians over {pairs} pairs of unseen images; 17 images a path; {n:,} draws.",
)

# %% [markdown]
# It is half true. On the way between two real images the plain autoencoder is no rougher than the VAE: the detour is
# the same, the jumps are no larger, and its images, which have no noise to survive, are sharper. What it lacks is not
# smoothness but a *place*. Nothing tells its codes where to lie, so $\mathcal N(0, I)$ is no map of them: what it
# decodes there it does not recognise itself, and the judge finds it further from clothes. It is the price of the rate
# that gives the latents their place.
#
# ### Arithmetic with faces
#
# If an attribute is a direction, one can add it. The pixel faces have attributes that we know, and a judge who reads
# them off any face. The direction of "glasses" is the mean latent of the faces with glasses minus that of those
# without:

# %%
show_code(latent.attribute_direction)

# %%
people, strangers = load("faces"), load("faces", split="test")
face_vae = pretrained("faces_vae").to(device)


@torch.no_grad()
def faces_of(z: torch.Tensor) -> torch.Tensor:
    return torch.cat([face_vae.decode(part.to(device)).cpu() for part in z.split(500)])


wanted = {"glasses": "dark", "hat": "hat", "accessories": "earrings", "hair": "short", "mouth": "sad"}
known_codes, directions = means_of(face_vae, people.x), {}
for name in wanted:
    label = coarse(people, name).labels
    pair = label < 2  # its first two groups: none and dark, long and short, ...
    directions[name] = latent.attribute_direction(known_codes[pair], label[pair] == 1)
group = {name: coarse(strangers, name).labels for name in wanted}
bare = torch.stack([g == 0 for g in group.values()]).all(dim=0).nonzero().flatten()[:4]
start = means_of(face_vae, strangers.x[bare])


def edited(strength: float):
    images = torch.cat([faces_of(start + strength * direction) for direction in directions.values()])
    names = ["dark glasses", "hat", "earrings", "short hair", "sad mouth"]
    return grid(images, columns=4, row_titles=names, width=300, alt=f"Four faces, edits of strength {strength}")


slider(
    edited,
    {"strength": [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]},
    shown=4,
    alt="Four faces that get dark glasses, a hat, earrings, short hair or a sad mouth as the strength grows.",
)

# %% [markdown]
# Most of it looks right. Is it? For each face of the test set without the attribute, the judge reads the face as the VAE
# recovers it and as it is after the edit. An edit should change its attribute and nothing else. A random direction of
# the same length is the control.

# %%
stable = ("skin", "accessories", "glasses", "mouth", "hair", "hat")
strangers_codes = means_of(face_vae, strangers.x)
before, on_real = read_faces(faces_of(strangers_codes)), read_faces(strangers.x)
strength = 1.5


def effect(name: str, direction: torch.Tensor) -> tuple[float, float, float]:
    mine = (before[name] == 0) & (group[name] == 0)
    after = read_faces(faces_of(strangers_codes[mine] + strength * direction))
    same = torch.stack([after[other] == before[other][mine] for other in stable if other != name]).float()
    return (after[name] == 1).float().mean().item(), same.mean().item(), same.amin(dim=0).mean().item()


torch.manual_seed(0)
edits = []
for name, direction in directions.items():
    anywhere = torch.randn(len(direction))
    changed, same, all_same = effect(name, direction)
    edits.append(
        {
            "edit": f"{name}: {groups(name)[0]} to {wanted[name]}",
            "judge right on real": (on_real[name] == group[name]).float().mean().item(),
            "on recovered": (before[name] == group[name]).float().mean().item(),
            "changed": changed,
            "another stayed": same,
            "all five others stayed": all_same,
            "changed by a random direction": effect(name, anywhere / anywhere.norm() * direction.norm())[0],
        }
    )
table(edits, caption=f"Shares of the test faces; strength {strength}.")

# %% [markdown]
# Dark glasses and hats can be put on nearly every face, and little else changes. Cut the long hair, and other
# earrings come to light: they were hidden, nobody knew them, and the decoder has to make something up. The mouths
# resist. "Happy" and "sad" are 23 drawings that have little in common, and the difference of two means is not what
# tells them apart. An attribute is a direction only if the model found it worth one.
#
# How this model came about holds a lesson. Drawings have exact colours, and a likelihood that may be as sharp as it
# likes is paid richly for knowing them to the last level. A first version spent its latents on that, and gave every
# face the same grey glasses, at a splendid number of bits. The shipped one may not be sharper than a scale of 0.15
# (`least_scale`) and pays a third of the price for its rate. **Bits are not what eyes see.**
#
# ## 8 · What does not belong
#
# A model that knows what clothes look like should be surprised by what is not clothing. Three questions can be asked
# of it: how badly is the image recovered, how many bits does it cost, and is that number usual? Six kinds of
# strangers:

# %%
torch.manual_seed(0)
m = pick(smoke=40, laptop=300, gpu=500)
usual, others = unseen.x[:m], unseen.x[m : 2 * m]
enlarged = other_digits.x[:m].repeat_interleave(3, -1).repeat_interleave(3, -2)
black = torch.full((len(usual), 1, 28, 28), -1.0)
specks = black.flatten(1).scatter(1, torch.rand(len(usual), 784).topk(4).indices, 1.0).view_as(black)
strange = {
    "noise": torch.randint(256, usual.shape) / 127.5 - 1,
    "negative": -usual,
    "upside down": usual.flip(2),
    "two halves": torch.cat([usual[..., :14], usual.roll(1, 0)[..., 14:]], dim=-1),
    "digits": pad(enlarged, (2, 2, 2, 2), value=-1.0),
    "four specks": specks,
}
grid(
    torch.cat([images[:6] for images in ({"clothes": usual} | strange).values()]),
    columns=6,
    row_titles=["clothes", *strange],
    width=420,
    alt="Rows of clothes, noise, negatives, clothes upside down, halves put together, digits, and black with specks",
)

# %%
draws_each = pick(smoke=1, laptop=8, gpu=64)


@torch.no_grad()
def bits_of(x: torch.Tensor) -> torch.Tensor:
    weights = [vae.log_weights(part.to(device), draws_each).cpu() for part in x.split(100)]
    return anomaly.surprise(x, torch.cat(weights, dim=1))


@torch.no_grad()
def error_of(x: torch.Tensor) -> torch.Tensor:
    return anomaly.reconstruction_error(x, vae.reconstruct(x.to(device)).cpu())


costs = {name: bits_of(images) for name, images in ({"clothes": usual} | strange).items()}
shown = ["clothes", "digits", "four specks"]
bins = torch.linspace(0, 8, 41)
curves(
    {name: torch.histogram(costs[name], bins, density=True).hist for name in shown},
    x=(bins[:-1] + bins[1:]) / 2,
    xlabel="bits a pixel under a model of clothes",
    ylabel="density",
    caption="A black image with four specks is likelier than any garment, and digits are about as likely as clothes.",
    alt="Histograms of bits: specks near zero, digits about where the clothes are, the clothes spread widely",
)

# %% [markdown]
# **The likelihood paradox** (Nalisnick et al. 2019). A model of clothes finds an almost empty image far likelier than
# clothes, though none of its data was like that. There is no contradiction: simple images are few, clothes are many,
# and the probability of *some* garment is spread over all of them. Likelihood asks "how many bits?", and plain images
# need few under any model. So ask how many *more* bits the model needs than PNG, a compressor that knows nothing of
# clothes (Serrà et al. 2020). That is a likelihood ratio.

# %%
show_code(anomaly.beyond_complexity)

# %%
usual_bits, truth = bits_of(others), lambda x: torch.cat([torch.zeros(len(usual)), torch.ones(len(x))])


def judged_by(x: torch.Tensor, bits: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "error of recovery": error_of(x),
        "bits": bits,
        "bits beyond PNG": anomaly.beyond_complexity(bits, x),
        "unusual bits": anomaly.atypicality(bits, usual_bits),
    }


ranking = []
for name, x in strange.items():
    here, there = judged_by(usual, costs["clothes"]), judged_by(x, costs[name])
    aurocs = {score: auroc(torch.cat([here[score], there[score]]), truth(x)) for score in here}
    ranking.append({"strangers": name, "bits a pixel": costs[name].mean().item(), **aurocs})
table(
    ranking,
    caption=f"Area under the ROC curve, {len(usual)} clothes (at {costs['clothes'].mean():.2f} bits) against as many "
    "strangers: 1 always told apart, 0.5 a coin, 0 always taken for the more normal one.",
)

# %% [markdown]
# No score wins everywhere. Bits alone take specks for the best clothes of all; counted beyond PNG they are strangers
# at once. Noise and negatives betray themselves to everything. Clothes upside down and halves of two are the hard
# ones: every part of them is known, and only the whole is wrong.
#
# ## 9 · Images as words
#
# Transformers and state space models (modules 4 and 5) work on sequences of words from a fixed list. To give them
# images, let the latent be a 7×7 map, and let each of its places choose one of $K$ vectors, the **codes**. The number
# of a chosen code is a **token**. The step from a vector to the nearest code has no slope; section 2 showed what the
# reparameterised gradient makes of a step: zero. The **straight-through** trick (Bengio et al. 2013) simply pretends
# that nothing was rounded:

# %% tags=["nbval-check-output"]
value = torch.tensor([0.6, 1.2, 1.7], requires_grad=True)
rounded = value + (value.round() - value).detach()  # rounded in value, the identity in gradient
rounded.square().sum().backward()
print("rounded ", rounded.tolist())
print("gradient", value.grad.tolist(), "where the true one is 0")

# %% [markdown]
# **VQ-VAE** (van den Oord et al. 2017) learns its codes: each is pulled to the vectors that chose it. A code that
# nobody chooses is never pulled, so it is never chosen: it is **dead**. By hand, 36 codes for points on a spiral, all
# starting in one corner:

# %%
cloud = spiral(2000, seed=0)
torch.manual_seed(0)
corner = torch.tensor([0.9, 0.9]) + 0.05 * torch.randn(36, 2)

book = corner.clone().requires_grad_()
optimizer = torch.optim.Adam([book], lr=0.02)
for _ in range(pick(smoke=40, laptop=400, gpu=400)):
    x = cloud[torch.randint(len(cloud), (256,))]
    token = torch.cdist(x, book).argmin(dim=1)
    loss = (x - book[token]).square().sum(dim=1).mean()  # each code towards the points that chose it
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
by_hand = use(torch.cdist(cloud, book).argmin(dim=1), 36)

restarted = VectorQuantiser(36, 2)
restarted.book.copy_(corner)
for _ in range(pick(smoke=40, laptop=400, gpu=400)):
    restarted(cloud[torch.randint(len(cloud), (256,))])
fixed_grid = FSQ([6, 6])
squashed = torch.tanh(1.5 * cloud)
books = {
    "by hand": (cloud, book.detach(), by_hand),
    "restarted": (cloud, restarted.book, use(restarted.nearest(cloud), 36)),
    "FSQ": (squashed, fixed_grid.lookup(torch.arange(36)), use(fixed_grid.nearest(1.5 * cloud), 36)),
}
beside(
    [
        points({"data": data[:500], "codes": codes}, limit=1.2, size=(232, 230), alt=f"Codes on a spiral, {name}")
        for name, (data, codes, _) in books.items()
    ],
    titles=[f"{name}: {round(36 * used.share)} of 36 used" for name, (_, _, used) in books.items()],
    caption="A code is used if some point chose it. FSQ's grid stands still, and the points are squashed into it.",
    alt="Left, a few codes on the spiral and many left in a corner; middle, codes all along it; right, a square grid",
)

# %% [markdown]
# The library's quantiser moves dead codes to where there are points. **FSQ**, finite scalar quantisation (Mentzer et
# al. 2024), has nothing to learn: squash each coordinate into an interval and round it. Its codes are a grid that is
# simply there. There is no codebook and no extra loss; it is for the *encoder* to spread over the grid, which it does
# because an unused code is a lost chance to say something.

# %%
show_code(FSQ.forward)

# %% [markdown]
# In a network, equal steps, 256 codes each:

# %%
tokenizers = []
for name, kind in (("VQ", VqTokenizer), ("FSQ", FsqTokenizer)):
    torch.manual_seed(0)
    short, count = kind(width=16, components=2).to(device), pick(smoke=4, laptop=300, gpu=2000)
    schedule = {"optimizer": partial(adamw, lr=4e-3), "lr_factor": warmup_cosine(count)}
    for _ in train_steps(short, clothes.to(device).batches(32, seed=0), count, **schedule):
        pass
    with torch.no_grad():
        tokens = short.eval().encode(judged.x.to(device)).cpu()
        cost = short.loss(Batch(judged.x.to(device), judged.labels.to(device)))["distortion"].item()
    tokenizers.append({"quantiser": name, "bits of the pixels": cost, **use(tokens, short.codes)._asdict()})
table(tokenizers, caption=f"After {count} steps, {len(judged):,} unseen images. Perplexity: as many codes, used alike.")

# %% [markdown]
# After so few steps the learned codebook is ahead, in bits and in use. (Perplexity: if so many codes were used equally
# often, the entropy would be the same.) FSQ's use grows with training: the shipped one, below, uses every code.
#
# The tokenizer that comes with the course is an FSQ with $4^4 = 256$ codes, so a token is a byte and an image 49 of
# them. Its tokens can be looked at: a code is four coordinates, and three of them make a colour.

# %%
tokenizer = pretrained("fashion_tokenizer").to(device)
words = fashion_tokens("test")
mine = words.tokens[bundled_indices("test")]  # those of the 1,000 test images that come with the course
eight = torch.arange(8)
colours = FSQ([4, 4, 4, 4]).lookup(mine[eight])[..., :3].movedim(-1, 1)
colours = colours.repeat_interleave(4, -1).repeat_interleave(4, -2)
with torch.no_grad():
    spoken = tokenizer.decode(mine[eight].to(device)).cpu()
grid(
    torch.cat([unseen.x[eight].expand(-1, 3, -1, -1), colours, spoken.expand(-1, 3, -1, -1)]),
    columns=8,
    row_titles=["image", "7×7 tokens", "decoded"],
    caption="784 bytes, 49 bytes, and what they say.",
    alt="Eight clothes, their tokens as coloured mosaics of seven by seven, and the clothes decoded from them",
)

# %% tags=["nbval-check-output"]
all_codes = torch.arange(256)
digits_ = ((FSQ([4, 4, 4, 4]).lookup(all_codes) + 1) * 1.5).round().long()  # each coordinate is a digit, 0 to 3
back_again = torch.equal(digits_ @ torch.tensor([1, 4, 16, 64]), all_codes)
print("token -> code -> token gives every token back:", back_again)
print(f"an image is {49 * 8} bits of tokens; {len(words):,} test images are in the token set, {words.codes} codes")

# %%
said_tokens = info("fashion_tokenizer")["metrics"]
table(
    [{"checkpoint": "fashion_tokenizer", **said_tokens}],
    caption="Unseen images, decoded from their own tokens.",
)

# %% [markdown]
# Every token speaks for its own place: the upper half of one image's tokens and the lower half of another's decode to
# the halves of two garments. But a list of words is not yet a language: draw 49 tokens at random, and one gets
# gibberish; draw each place's token as often as it occurs there, and it is still no garment. What is missing is a
# **prior** over tokens, and it is worth many bits:

# %%
train_words = fashion_tokens("train").tokens
torch.manual_seed(0)
mixed = torch.cat([mine[eight][:, :4], mine[eight.roll(1)][:, 4:]], dim=1)
anyhow = torch.randint(256, (8, 7, 7))
sources = torch.randint(len(train_words), (8, 7, 7))
by_place = train_words[sources, torch.arange(7)[:, None], torch.arange(7)]  # each token from another image
with torch.no_grad():
    sentences = tokenizer.decode(torch.cat([mixed, anyhow, by_place]).to(device)).cpu()
grid(
    sentences,
    columns=8,
    row_titles=["halves of two", "random words", "usual words"],
    alt="Clothes whose halves come from two others, then noise, then blurred patches that are no clothes",
)


# %%
def entropy_bits(counts: torch.Tensor) -> float:
    """Mean entropy of the last axis, in bits, each row weighted by how often it occurs."""
    share = counts.double() / counts.sum()
    return ((share.sum(-1, keepdim=True).log2() - share.log2()) * share).nan_to_num(0.0).sum().item()


left, right = train_words[:, :, :-1].reshape(-1), train_words[:, :, 1:].reshape(-1)
neighbours = (256 * left + right).bincount(minlength=256**2).view(256, 256)
places_ = torch.stack([train_words[:, i, j].bincount(minlength=256) for i in range(7) for j in range(7)])
known_bits = {
    "nothing": 8.0,
    "how often each occurs": entropy_bits(train_words.flatten().bincount(minlength=256)),
    "how often at this place": entropy_bits(places_),
    "the token to its left": entropy_bits(neighbours),
}
table(
    [{"if one knows": name, "bits a token": value} for name, value in known_bits.items()],
    caption=f"Counted on {len(train_words):,} images.",
)

# %% [markdown]
# What a transformer makes of *all* the tokens before is a subject of module 4.
#
# ## 10 · The part that holds VAEs back
#
# Images drawn from $\mathcal N(0, I)$ are far worse than images recovered, by the same decoder. So the decoder is not
# at fault; what matters is *where* latents are drawn. The rate pulls each $q(z \mid x)$ towards the prior, but their
# mixture over all images, the **aggregate posterior**, is not $\mathcal N(0, I)$: it has holes, in which the decoder
# was never trained. Every strong latent model of today *learns the prior*:
#
# - **hierarchical VAEs** (NVAE, Vahdat & Kautz 2020; VDVAE, Child 2021): the latents have latents of their own;
# - **latent diffusion** (Rombach et al. 2022): a diffusion or flow model over the latents, as in Stable Diffusion;
# - **tokens** and a transformer over them.
#
# At toy scale: freeze `fashion_vae` and take the latents of the 5,000 images as data. (a) A mixture of twenty
# Gaussians, fitted by expectation-maximisation, and for comparison a single one. (b) A second VAE whose data are
# latents, so that $z$ comes from $p(z \mid u)\,p(u)$ (Dai & Wipf 2019). (c) Ten lines of flow matching, which module 3
# derives; here it is enough to know that they learn to draw from any cloud of points.

# %%
show_code(maximised)

# %%
with torch.no_grad():
    mean, log_variance = (torch.cat(p) for p in zip(*(vae.encode(x.to(device)) for x in clothes.x.split(500))))
    mean_, log_variance_ = vae.encode(unseen.x.to(device))
one_draw = gaussian.reparameterise(mean, log_variance, torch.randn_like(mean))
mixtures = {k: fit_prior(one_draw, components=k, steps=pick(smoke=5, laptop=50, gpu=50)) for k in (1, 20)}
rounds = pick(smoke=30, laptop=1500, gpu=4000)


def latents(size: int) -> torch.Tensor:
    i = torch.randint(len(mean), (size,), device=device)
    return gaussian.reparameterise(mean[i], log_variance[i], torch.randn_like(mean[i]))


def mlp(inputs: int, outputs: int) -> nn.Module:
    hidden = [layer for _ in range(2) for layer in (nn.Linear(256, 256), nn.SiLU())]
    return nn.Sequential(nn.Linear(inputs, 256), nn.SiLU(), *hidden, nn.Linear(256, outputs)).to(device)


torch.manual_seed(0)
encode2, decode2 = mlp(32, 2 * 16), mlp(16, 2 * 32)  # u has 16 numbers
optimizer = torch.optim.Adam([*encode2.parameters(), *decode2.parameters()], lr=1e-3)


def elbo2(z: torch.Tensor) -> torch.Tensor:
    m, v = encode2(z).chunk(2, dim=1)
    u = gaussian.reparameterise(m, v, torch.randn_like(m))
    return gaussian.log_density(z, *decode2(u).chunk(2, dim=1)) - gaussian.kl_to_prior(m, v).sum(dim=1)


for _ in range(rounds):
    loss = -elbo2(latents(256)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
torch.manual_seed(0)
flow_net = mlp(33, 32)
optimizer = torch.optim.Adam(flow_net.parameters(), lr=1e-3)

for _ in range(rounds):
    z0 = latents(256)
    eps, t = torch.randn_like(z0), torch.rand(256, 1, device=device)
    loss = (flow_net(torch.cat([(1 - t) * z0 + t * eps, t], dim=1)) - (eps - z0)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# Draw from each, decode with the same decoder, and compare with the best that any prior could do, the latents of real
# images. Where the prior has a density, or a bound on it, the rate can be compared too: a better prior makes a shorter
# letter, $\mathbb E_q[\log q(z \mid x) - \log p(z)]$, without touching encoder or decoder.

# %%
torch.manual_seed(1)
with torch.no_grad():
    x = normal_z.clone()
    for k in range(40):
        x = x - flow_net(torch.cat([x, torch.full((n, 1), 1 - k / 40, device=device)], dim=1)) / 40
    centre2, width2 = decode2(torch.randn(n, 16, device=device)).chunk(2, dim=1)
    second = gaussian.reparameterise(centre2, width2, torch.randn_like(centre2))
    draws = {
        "N(0, I)": normal_z,
        "a Gaussian": mixtures[1].sample(n),
        "20 Gaussians": mixtures[20].sample(n),
        "second VAE": second,
        "flow": x,
        "real latents": latents(n),
    }
    images = {name: torch.cat([vae.decode(z) for z in part.split(250)]).cpu() for name, part in draws.items()}
    z_ = gaussian.reparameterise(mean_, log_variance_, torch.randn_like(mean_))
    log_q = gaussian.log_density(z_, mean_, log_variance_)
    log_p = {
        "N(0, I)": gaussian.log_prior(z_),
        "a Gaussian": mixtures[1].log_prob(z_),
        "20 Gaussians": mixtures[20].log_prob(z_),
        "second VAE": elbo2(z_),
    }
rates = {name: (log_q - value).mean().item() for name, value in log_p.items()}
scores = {name: fashion_score(part) for name, part in images.items()}
better = scores["flow"].distance < 0.5 * scores["N(0, I)"].distance and rates["20 Gaussians"] < rates["N(0, I)"]
assert pick(smoke=True, laptop=better, gpu=better)
grid(
    torch.cat([part[:10] for part in images.values()]),
    columns=10,
    row_titles=list(images),
    caption="One decoder, six ways to choose its latents.",
    alt="Rows of ten clothes from six priors: ghostly from the standard normal, clear from those that were learned",
)

# %%
table(
    [{"prior": name, "rate, nats": rates.get(name), **s._asdict()} for name, s in scores.items()],
    columns=["prior", "rate, nats", "distance", "precision", "recall"],
    caption=f"Fréchet distance at n = {n:,}; floor {scores['flow'].floor:.3f}. Rates on 1,000 unseen images.",
)

# %% [markdown]
# Nothing about the decoder has changed. The learned priors come close to what real latents give, and the letter has
# become shorter by eight to eleven nats an image, except with the single Gaussian. In 32 dimensions twenty Gaussians
# are hard to beat; they are in the library, as `course_lib.vaes.prior`, and in what the checkpoint's file states as
# "fitted". Larger latents, as in today's image models, get a flow. This is why such models begin with an autoencoder
# and spend their effort on what lives in its latents.
#
# Is the noise of a VAE needed at all, then? Give the same prior to the plain autoencoder of section 7, and to the VAE
# that was trained as long:


# %%
@torch.no_grad()
def with_prior(codes: torch.Tensor, decode) -> dict[str, float]:
    prior = fit_prior(codes, components=20, steps=pick(smoke=3, laptop=30, gpu=50))
    torch.manual_seed(0)
    drawn = {"20 Gaussians": prior.sample(n), "real codes": codes[torch.randperm(len(codes), device=device)[:n]]}
    images = {name: torch.cat([decode(z) for z in part.split(250)]) for name, part in drawn.items()}
    return {name: fashion_score(part.clamp(-1, 1).cpu()).distance for name, part in images.items()}


with torch.no_grad():
    live_mean, live_log = (torch.cat(p) for p in zip(*(live.encode(x.to(device)) for x in clothes.x.split(500))))
    live_codes = gaussian.reparameterise(live_mean, live_log, torch.randn_like(live_mean))
    plain_codes = torch.cat([plain.encode(x.to(device)) for x in clothes.x.split(500)])
second_look = {"VAE": with_prior(live_codes, live.decode), "autoencoder": with_prior(plain_codes, plain.decode)}
table(
    [{"space": k, "N(0, I)": smoothness[k]["distance of draws"], **row} for k, row in second_look.items()],
    caption=f"Fréchet distance of what is decoded, n = {n:,}.",
)

# %% [markdown]
# By the judge, no. After as few steps the plain autoencoder's images come back better, for it spends nothing on
# texture that nobody can predict; and once its codes have a prior, it also draws better. What noise and price bought
# is all that can be *counted*: bits, rates and surprise (sections 4, 6 and 8 need a likelihood), and a space that
# even a fixed prior roughly fits. The autoencoders of latent diffusion draw the conclusion: they keep the rate at a
# weight of about a millionth (Rombach et al. 2022), and leave the rest to the prior that is learned.
#
# ### Two levels, trained together
#
# A learned prior can also be trained along with everything else. The library's smallest hierarchical VAE has a vector
# $z$ that says what the image is, and a map $s$ with four numbers at each of 7×7 places, whose prior a network
# predicts from $z$: a detail costs only as much as it surprises. As many steps as the plain VAE of section 4:

# %%
show_code(TopDownVae.tell)

# %%
torch.manual_seed(0)
ladder = TopDownVae(width=32, latent=16, local=4).to(device)
ladder_ema = Ema(ladder, decay=0.99)
for _ in tune(ladder, clothes.to(device).batches(32, seed=0)):
    ladder_ema.update()
ladder = ladder_ema.model

levels_of = {"one vector": measure(live, judged), "vector and map": measure(ladder, judged)}
torch.manual_seed(3)
with torch.no_grad():
    by_map = ladder.tell(nine.to(device)).pixels.mean().cpu()
    by_vector = live.reconstruct(nine.to(device)).cpu()
grid(
    torch.cat([nine, by_vector, by_map]),
    columns=9,
    row_titles=["truth", "one vector", "with a map"],
    alt="Nine clothes, recovered from one vector softly, and from a vector and a map a little better",
)

# %%
assert pick(smoke=True, laptop=levels_of["vector and map"]["bits"] < levels_of["one vector"]["bits"], gpu=True)
table(
    [{"latents": name, **row} for name, row in levels_of.items()],
    caption=f"{steps} steps each, {len(judged):,} unseen images.",
)

# %% [markdown]
# ## 11 · What goes wrong, and how one sees it
#
# | symptom | usual cause | how to see it |
# |---|---|---|
# | soft images | the decoder's mean stands in for all that the latents do not say | recovered beside drawn pixels (section 4) |
# | all reconstructions alike | posterior collapse: β too high, or no rate left for any dimension | active latents and rate (section 5) |
# | good reconstructions, poor samples | the aggregate posterior is not the prior | distance of both (sections 7 and 10) |
# | a bound that disappoints | the encoder cannot follow the posterior | how much $k$ draws gain (section 6) |
# | bits that nobody can match | a density instead of the mass of a bin, or images in other units | section 4: all levels sum to one |
# | exact colours, lost features | the likelihood pays more for the last level than for a mouth | have a judge read what comes back (section 7) |
# | nonsense with a high likelihood | simple images need few bits under any model | bits beyond PNG (section 8) |
# | a large codebook, few codes used | dead codes | perplexity of the tokens (section 9) |
#
# ## 12 · What was measured
#
# All numbers of this run, at this budget:

# %%
by_name = {row["strangers"]: row for row in ranking}
priors = ("N(0, I)", "20 Gaussians", "second VAE", "flow", "real latents")
table(
    [
        {
            "experiment": "best Gaussian guess in the world of two humps: KL left",
            "result": f"{bound_and_gap(*best)[1]:.2f}",
            "expected": f"log 2 = {math.log(2):.2f} and a little",
        },
        {
            "experiment": "variance of the gradient, 64 dimensions: reparameterised / score function",
            "result": f"{spreads['reparameterised'][-1]:.2f} / {spreads['score function'][-1]:,.0f}",
            "expected": f"4 / {66 * 68:,}",
        },
        {
            "experiment": "linear VAE: latents in use / ELBO below the optimum, nats",
            "result": f"{alive} / {optimum - trained[-1][0]:.3f}",
            "expected": f"{predicted_alive} / 0",
        },
        {
            "experiment": "bits a pixel after the short training / PNG",
            "result": f"{smooth[-1]:.2f} / {png:.2f}",
            "expected": "less than PNG",
        },
        {
            "experiment": "bits a pixel of the checkpoint, as its file states",
            "result": f"{said['metrics']['bits']:.3f}",
            "expected": "3.25 or less",
        },
        {
            "experiment": "nats of distortion saved by a nat of rate, at the two largest β",
            "result": f"{measured[betas[-2]]['a nat saves']:.1f}",
            "expected": f"{betas[-2]:g} to {betas[-1]:g}",
        },
        {
            "experiment": "digits: active latents of 16 at β = 1 / with free bits",
            "result": f"{collapse['β = 1']['active latents']} / {collapse['β = 1, free bits 0.1']['active latents']}",
            "expected": "fewer / all",
        },
        {
            "experiment": f"bound on clothes, 1 draw / {found_k[-1]} draws, nats",
            "result": f"{on_images[0]:.1f} / {on_images[-1]:.1f}",
            "expected": "rises",
        },
        {
            "experiment": "neighbours right, 32 numbers: PCA / VAE",
            "result": f"{reduced[2]['neighbours right']:.3f} / {reduced[3]['neighbours right']:.3f}",
            "expected": f"pixels: {reduced[4]['neighbours right']:.3f}",
        },
        {
            "experiment": "four specks against clothes, AUROC: bits / bits beyond PNG",
            "result": f"{by_name['four specks']['bits']:.2f} / {by_name['four specks']['bits beyond PNG']:.2f}",
            "expected": "0 / 1",
        },
        {
            "experiment": "glasses put on: changed / another attribute stayed",
            "result": f"{edits[0]['changed']:.2f} / {edits[0]['another stayed']:.2f}",
            "expected": "1 / 1",
        },
        {
            "experiment": "Fréchet distance: N(0, I) / 20 Gaussians / second VAE / flow / real latents",
            "result": " / ".join(f"{scores[k].distance:.2f}" for k in priors),
            "expected": "near the last, but for the first",
        },
    ],
    caption="course evaluate fashion_vae measures the checkpoint anew.",
)

# %% [markdown]
# ## Exercises
#
# [exercises/02_vaes.ipynb](../exercises/02_vaes.ipynb): eleven functions, from a draw that gradients can pass through
# to finite scalar quantisation, with instant checks. Together they are a small VAE library.
#
# ## Where to go from here
#
# A VAE knows what an image costs, but its own draws are weak until a learned prior draws the latents. The prior that
# large models use, a flow, is derived in [3 · Diffusion](03_diffusion.ipynb), for images as well as for latents; a
# language model over the tokens follows in [4 · Transformers](04_transformers.ipynb).
#
# ## Further reading
#
# - Kingma & Welling 2014, *Auto-Encoding Variational Bayes* · Rezende, Mohamed, Wierstra 2014, *Stochastic
#   Backpropagation*: the two roots.
# - Mohamed et al. 2020, *Monte Carlo Gradient Estimation in Machine Learning*: gradients through randomness, all of
#   them.
# - Tipping & Bishop 1999, *Probabilistic PCA* · Lucas et al. 2019, *Don't Blame the ELBO!*: what is the model's
#   fault.
# - Higgins et al. 2017, *β-VAE* · Kingma et al. 2016, *Inverse Autoregressive Flow* (free bits) · Alemi et al. 2018,
#   *Fixing a Broken ELBO*: rate and distortion.
# - Burda, Grosse, Salakhutdinov 2016, *Importance Weighted Autoencoders*.
# - Nalisnick et al. 2019, *Do Deep Generative Models Know What They Don't Know?* · Serrà et al. 2020, *Input
#   Complexity*.
# - van den Oord et al. 2017, *VQ-VAE* · Mentzer et al. 2024, *Finite Scalar Quantization*.
# - Tomczak & Welling 2018, *VAE with a VampPrior* · Dai & Wipf 2019, *Diagnosing and Enhancing VAE Models* · Vahdat &
#   Kautz 2020, *NVAE* · Child 2021, *Very Deep VAEs* · Rombach et al. 2022, *Latent Diffusion*: the prior learned.
