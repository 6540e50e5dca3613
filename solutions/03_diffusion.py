# %% [markdown]
# # Exercises: diffusion and flows
#
# Eleven functions, each a few lines long, from mixing an image with noise to drawing one in a single step.
# Together they are a diffusion library. The pictures between the tasks are made with what you wrote, on real
# images and with a trained model.
#
# - **Time** runs as everywhere in the course: $t = 0$ is data, $t = 1$ is noise.
# - **Images** are float tensors $(B, C, H, W)$ in $[-1, 1]$; a batch of times is $(B,)$.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/03_diffusion` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

Schedule = Callable[[Tensor], tuple[Tensor, Tensor]]  # t -> (alpha, sigma)
Denoiser = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> x_0
Velocity = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> dx/dt

# %% [markdown]
# ## 1 · Drown an image in noise
#
# The forward process needs no loop. For any time, one jump leads from the image to the noisy image:
#
# $$x_t = \alpha\, x_0 + \sigma\, \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)$$
#
# In training every image of the batch has its own time, hence its own $\alpha$ and $\sigma$.
#
# | argument | shape | what |
# |---|---|---|
# | `x0`, `eps` | (B, C, H, W) | images in $[-1, 1]$, standard normal noise |
# | `alpha`, `sigma` | (B,) in $[0, 1]$ | one number an image |
# | **returns** | (B, C, H, W) | the noisy images |
#
# <details><summary>Hint</summary>
#
# A tensor (B,) next to one of (B, C, H, W) is matched with the *last* axis, the width. Where batch and width
# happen to be equal, nothing fails and everything is wrong. Give the numbers the shape (B, 1, 1, 1) first.
# </details>

# %% tags=["task"] task="add_noise" difficulty=1 importance=5 minutes=5
def add_noise(x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """x_t (B, C, H, W) from images, noise and one alpha and sigma (B,) an image."""
    ### BEGIN SOLUTION
    alpha, sigma = alpha[:, None, None, None], sigma[:, None, None, None]
    return alpha * x0 + sigma * eps
    ### END SOLUTION


# %% tags=["check"]
check("add_noise")

# %% [markdown]
# ## 2 · A quarter of a circle
#
# How fast should the noise take over? If images have variance 1, then $\alpha^2 + \sigma^2 = 1$ keeps it so at
# every time. The points $(\alpha, \sigma)$ with that property lie on a circle, and the cosine schedule walks a
# quarter of it at constant speed, from $(1, 0)$ at $t = 0$ to $(0, 1)$ at $t = 1$.
#
# | argument | shape | what |
# |---|---|---|
# | `t` | any shape, in $[0, 1]$ | times |
# | **returns** | two tensors of `t`'s shape | $\alpha$ and $\sigma$ |
#
# Papers that write $\bar\alpha$ mean $\alpha^2$. Your $\sigma$ should be right to six digits at $t = 0.0001$ too:
# samplers divide by it.
#
# <details><summary>Hint</summary>
#
# A quarter of a circle is an angle of $\pi / 2$. Take $\sigma$ from the angle, not from $\alpha$: $1 - \alpha^2$
# subtracts two numbers that are almost equal, and in float32 little is left of the difference.
# </details>

# %% tags=["task"] task="cosine_schedule" difficulty=1 importance=4 minutes=5
def cosine_schedule(t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) at the times t, each of t's shape."""
    ### BEGIN SOLUTION
    angle = t * math.pi / 2
    return torch.cos(angle), torch.sin(angle)
    ### END SOLUTION


# %% tags=["check"]
check("cosine_schedule")

# %% [markdown]
# Both together: three photographs from Fashion-MNIST drown. Up to which time can you still name them?

# %% tags=["skip-grading"]
from course_lib.data import load
from course_lib.plotting import grid, points, strip

photographs = load("fashion", "test").x[[0, 4, 8]]
noise = torch.randn(photographs.shape, generator=torch.Generator().manual_seed(0))
moments = torch.linspace(0, 1, 8)
states = [add_noise(photographs, noise, *cosine_schedule(t.expand(3))) for t in moments]
strip(
    states,
    titles=[f"t = {t:.2f}" for t in moments],
    alt="Three photographs of clothes that drown in noise from left to right; from t = 0.6 on they are hard to tell",
)

# %% [markdown]
# ## 3 · Predict $v$
#
# A network that predicts the noise is asked nothing at $t = 1$, where its input *is* the noise; one that predicts
# the image is asked nothing at $t = 0$. Salimans and Ho (2022) ask for a mixture that is hard everywhere:
#
# $$v = \alpha\, \varepsilon - \sigma\, x_0$$
#
# If $\alpha^2 + \sigma^2 = 1$, then $(x_t, v)$ is $(x_0, \varepsilon)$ turned by an angle, and turning it back gives
# the image without a division. Write both directions.
#
# | argument | shape | what |
# |---|---|---|
# | `x0`, `eps`, `x_t`, `v` | (B, C, H, W) | |
# | `alpha`, `sigma` | () or (B, 1, 1, 1) | already shaped to multiply, $\alpha^2 + \sigma^2 = 1$ |
#
# <details><summary>Hint</summary>
#
# Write $x_t = \alpha x_0 + \sigma\varepsilon$ and $v$ as two equations with the unknowns $x_0$ and $\varepsilon$.
# Multiply the first by $\alpha$, the second by $\sigma$, and subtract: $\varepsilon$ is gone.
# </details>

# %% tags=["task"] task="v_prediction" difficulty=2 importance=3 minutes=10
def v_from_noise(x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What a v-predicting network is trained on, (B, C, H, W)."""
    ### BEGIN SOLUTION
    return alpha * eps - sigma * x0
    ### END SOLUTION


def x0_from_v(x_t: Tensor, v: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """The image (B, C, H, W) that x_t and v belong to."""
    ### BEGIN SOLUTION
    return alpha * x_t - sigma * v
    ### END SOLUTION


# %% tags=["check"]
check("v_prediction")

# %% [markdown]
# ## 4 · From velocity to image
#
# Flow matching mixes on a straight line, $x_t = (1 - t)\, x_0 + t\, \varepsilon$. While image and noise stay as they
# are, $x_t$ moves with the velocity $\mathrm dx_t / \mathrm dt = \varepsilon - x_0$. A network predicts this velocity.
# Which image does it have in mind?
#
# | argument | shape | what |
# |---|---|---|
# | `x_t`, `velocity` | (B, C, H, W) | |
# | `t` | (B,) in $[0, 1]$ | one time an image |
# | **returns** | (B, C, H, W) | $x_0$ |
#
# <details><summary>Hint</summary>
#
# You stand at $x_t$ and the image is where $t = 0$. How far back is that, at this velocity?
# </details>

# %% tags=["task"] task="x0_from_velocity" difficulty=1 importance=4 minutes=5
def x0_from_velocity(x_t: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """The image (B, C, H, W) that a velocity on the straight line points back to."""
    ### BEGIN SOLUTION
    return x_t - t[:, None, None, None] * velocity
    ### END SOLUTION


# %% tags=["check"]
check("x0_from_velocity")

# %% [markdown]
# What a trained flow has in mind: above the noisy photograph, below the image that its velocity points back to.
# At little noise it removes grain; at much noise it can only say what clothes of this class look like on average.

# %% tags=["skip-grading"]
from course_lib.checkpoints import pretrained

model = pretrained("fashion_flow")


def straight(t: Tensor) -> tuple[Tensor, Tensor]:
    """Flow matching's schedule."""
    return 1 - t, t


def denoiser(y: Tensor, scale: float = 1.0) -> Denoiser:
    """The trained flow as a function (x_t, t) -> x_0, for labels y and with guidance."""
    velocity = model.velocity(y, scale)
    return lambda x, t: x0_from_velocity(x, velocity(x, t), t.expand(len(x)))


photograph, boot = photographs[:1], load("fashion", "test").labels[:1]
moments = torch.linspace(0.1, 0.9, 8)
with torch.no_grad():
    noisy = [add_noise(photograph, noise[:1], 1 - t[None], t[None]) for t in moments]
    clean = [denoiser(boot)(x, t) for x, t in zip(noisy, moments)]
grid(
    torch.cat([*noisy, *clean]),
    columns=8,
    titles=[f"t = {t:.2f}" for t in moments],
    row_titles=["noisy", "the model's guess"],
    alt="A boot under ever more noise, and the model's guess of it, which grows blurred and then average",
)

# %% [markdown]
# ## 5 · A DDIM step
#
# Given a guess of the image, each sampler repeats the same three thoughts: infer the noise that must have been
# mixed in, take the weights of the next, smaller time $s < t$, and mix again:
#
# $$\hat\varepsilon = \frac{x_t - \alpha_t \hat x_0}{\sigma_t}, \qquad
# x_s = \alpha_s \hat x_0 + \sigma_s \hat\varepsilon$$
#
# | argument | shape | what |
# |---|---|---|
# | `x_t`, `x0` | (B, C, H, W) | the state, and the guess of the image |
# | `t`, `s` | () in $[0, 1]$, $s < t$ | this time and the next |
# | `schedule` | function | $t \mapsto (\alpha, \sigma)$ |
# | **returns** | (B, C, H, W) | $x_s$ |
#
# <details><summary>Hint</summary>
#
# Call the schedule twice. At $s = 0$ the result must be the guess itself.
# </details>

# %% tags=["task"] task="ddim_step" difficulty=2 importance=5 minutes=10
def ddim_step(x_t: Tensor, x0: Tensor, t: Tensor, s: Tensor, schedule: Schedule) -> Tensor:
    """The state x_s (B, C, H, W) after a deterministic step from time t to s."""
    ### BEGIN SOLUTION
    alpha_t, sigma_t = schedule(t)
    alpha_s, sigma_s = schedule(s)
    eps = (x_t - alpha_t * x0) / sigma_t
    return alpha_s * x0 + sigma_s * eps
    ### END SOLUTION


# %% tags=["check"]
check("ddim_step")

# %% [markdown]
# ## 6 · A DDPM step
#
# DDPM forgets part of the inferred noise in each step and replaces it by fresh noise $z$, so that errors made
# earlier are forgotten too. The total amount of noise stays what time $s$ asks for:
#
# $$x_s = \alpha_s \hat x_0 + \sqrt{\sigma_s^2 - f^2}\; \hat\varepsilon + f\, z$$
#
# Its $f$ is the standard deviation of $x_s$ given $x_t$ and $x_0$ (Ho et al. 2020, equation 7, for any schedule):
#
# $$f^2 = \frac{\sigma_s^2}{\sigma_t^2} \left( \sigma_t^2 - \frac{\alpha_t^2}{\alpha_s^2}\, \sigma_s^2 \right)$$
#
# | argument | shape | what |
# |---|---|---|
# | `x_t`, `x0`, `t`, `s`, `schedule` | | as for `ddim_step`; at $s = 0$ the result is the guess |
# | `z` | (B, C, H, W) | fresh standard normal noise |
#
# <details><summary>Hint</summary>
#
# $f$ is a standard deviation, the formula gives its square. With $f = 0$ your function must be `ddim_step`. The
# bracket is what the forward process adds on its way from $s$ to $t$.
# </details>

# %% tags=["task"] task="ddpm_step" difficulty=3 importance=4 minutes=15
def ddpm_step(x_t: Tensor, x0: Tensor, t: Tensor, s: Tensor, schedule: Schedule, z: Tensor) -> Tensor:
    """The state x_s (B, C, H, W) after an ancestral step from time t to s with fresh noise z."""
    ### BEGIN SOLUTION
    alpha_t, sigma_t = schedule(t)
    alpha_s, sigma_s = schedule(s)
    eps = (x_t - alpha_t * x0) / sigma_t
    variance = (sigma_s / sigma_t) ** 2 * (sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2)
    return alpha_s * x0 + (sigma_s**2 - variance).sqrt() * eps + variance.sqrt() * z
    ### END SOLUTION


# %% tags=["check"]
check("ddpm_step")

# %% [markdown]
# Both samplers from the same noise, one column a class. DDIM gives these images each time; DDPM gives others
# with each seed.

# %% tags=["skip-grading"]
start = torch.randn(10, 1, 28, 28, generator=torch.Generator().manual_seed(1))
times = torch.linspace(1, 0, course_lib.pick(smoke=8, laptop=32, gpu=32) + 1)
classes = torch.arange(10)

with torch.no_grad():
    by_ddim = by_ddpm = start
    for t, s in zip(times, times[1:]):
        guess = denoiser(classes)
        by_ddim = ddim_step(by_ddim, guess(by_ddim, t), t, s, straight)
        by_ddpm = ddpm_step(by_ddpm, guess(by_ddpm, t), t, s, straight, torch.randn_like(start))
grid(
    torch.cat([by_ddim, by_ddpm]).clamp(-1, 1),
    row_titles=["your DDIM", "your DDPM"],
    alt="Two rows of ten garments, one of each class, drawn by both samplers from one noise",
)

# %% [markdown]
# ## 7 · Guidance
#
# A model that knows labels can also be asked without one. Classifier-free guidance (Ho and Salimans 2022) draws the
# line from the prediction without the label to the one with it, and walks on along it: `scale` 0 is the prediction
# without, 1 the one with, and beyond 1 the label is exaggerated. It is a function on functions: two predictions go
# in, one comes out.
#
# | argument | type | what |
# |---|---|---|
# | `conditional`, `free` | functions $(x_t, t) \mapsto$ (B, C, H, W) | with the label, and without |
# | `scale` | float | |
# | **returns** | a function $(x_t, t) \mapsto$ (B, C, H, W) | |
#
# <details><summary>Hint</summary>
#
# The paper's $w$ is counted from the conditional prediction; our scale is counted from the free one and is
# $1 + w$. Return a `lambda x, t: …`, and ask both functions at the same place.
# </details>

# %% tags=["task"] task="guided" difficulty=2 importance=5 minutes=10
def guided(conditional: Velocity, free: Velocity, scale: float) -> Velocity:
    """A prediction (x_t, t) -> (B, C, H, W) that exaggerates what the condition changes."""
    ### BEGIN SOLUTION
    def prediction(x: Tensor, t: Tensor) -> Tensor:
        without = free(x, t)
        return without + scale * (conditional(x, t) - without)

    return prediction
    ### END SOLUTION


# %% tags=["check"]
check("guided")

# %% [markdown]
# From the same noise, with your guidance: more scale, clearer garments, and more alike.

# %% tags=["skip-grading"]
scales = (0.0, 1.0, 2.0, 5.0)
rows = []
with torch.no_grad():
    for scale in scales:
        velocity, x = guided(model.velocity(classes), model.velocity(model.any_of(classes)), scale), start
        for t, s in zip(times, times[1:]):
            x = ddim_step(x, x0_from_velocity(x, velocity(x, t), t.expand(10)), t, s, straight)
        rows.append(x.clamp(-1, 1))
grid(
    torch.cat(rows),
    row_titles=[f"scale {scale:g}" for scale in scales],
    alt="Four rows of ten samples: without the label any garment, then each column's class, ever clearer",
)

# %% [markdown]
# ## 8 · The flow-matching loss
#
# Stand at a random point of a random straight path and ask the network for the path's velocity. That is all of
# flow matching's training (Lipman et al. 2023):
#
# $$\mathcal L = \operatorname{mean} \left\| \mathrm{net}(x_t, t) - (\varepsilon - x_0) \right\|^2,
# \qquad x_t = (1 - t)\, x_0 + t\, \varepsilon$$
#
# The mean runs over all numbers of the batch, so that the learning rate does not depend on the image's size.
#
# | argument | shape | what |
# |---|---|---|
# | `net` | function $(x_t, t) \mapsto$ (B, C, H, W) | a network; it wants `t` as (B,) |
# | `x0`, `eps` | (B, C, H, W) | images and noise |
# | `t` | (B,) in $[0, 1]$ | one time an image |
# | **returns** | () | a scalar, through which gradients reach the network |
#
# <details><summary>Hint</summary>
#
# You need `t` twice: as (B, 1, 1, 1) to mix, and as it came for the network.
# </details>

# %% tags=["task"] task="flow_loss" difficulty=2 importance=5 minutes=10
def flow_loss(net: Velocity, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """Mean squared error of the network's velocity, a scalar."""
    ### BEGIN SOLUTION
    weight = t[:, None, None, None]
    x_t = (1 - weight) * x0 + weight * eps
    return (net(x_t, t) - (eps - x0)).square().mean()
    ### END SOLUTION


# %% tags=["check"]
check("flow_loss")

# %% [markdown]
# ## 9 · Heun's method
#
# To sample, follow the velocity from $t = 1$ to $0$. Euler's step trusts the slope at its beginning. Heun's method
# uses Euler's step only to look ahead, and then goes with the mean of the slopes at both ends:
#
# $$k_1 = v(x, t), \qquad k_2 = v\big(x + (s - t)\, k_1,\ s\big), \qquad
# x \leftarrow x + (s - t)\, \frac{k_1 + k_2}{2}$$
#
# Write it as a generator, as the course's samplers are: `yield` the state after each step. Nobody trains through a
# sampler, so it should record no gradients.
#
# | argument | shape | what |
# |---|---|---|
# | `velocity` | function $(x, t) \mapsto$ (B, C, H, W) | asked with `t` of shape () |
# | `x` | (B, C, H, W) | the state at `times[0]` |
# | `times` | (N + 1,), falling | |
# | **yields** | N times (B, C, H, W) | the state at `times[1]`, …, `times[N]` |
#
# <details><summary>Hint</summary>
#
# `for t, s in zip(times, times[1:])` walks over the steps; $s - t$ is negative. Work under `torch.no_grad()`, and
# make a new `x` in each step rather than changing the old one: whoever collects your states still holds it.
# </details>

# %% tags=["task"] task="heun" difficulty=3 importance=4 minutes=15
def heun(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Yield the state at each of times[1:]."""
    ### BEGIN SOLUTION
    for t, s in pairwise(times):
        with torch.no_grad():
            slope = velocity(x, t)
            ahead = velocity(x + (s - t) * slope, s)
            x = x + (s - t) * (slope + ahead) / 2
        yield x
    ### END SOLUTION


# %% tags=["check"]
check("heun")

# %% [markdown]
# Loss and solver together, on data that you can see whole: points on two half-moons, where each point is an image
# of two channels and one pixel. The network is small and trains in seconds.

# %% tags=["skip-grading"]
class Field(nn.Module):
    """A small network (x (B, 2, 1, 1), times...) -> (B, 2, 1, 1)."""

    def __init__(self, times: int = 1, width: int = 128) -> None:
        super().__init__()
        sizes = (2 + 2 * times, width, width, width)
        layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.SiLU())]
        self.mlp = nn.Sequential(*layers, nn.Linear(width, 2))

    def forward(self, x: Tensor, *times: Tensor) -> Tensor:
        columns = [wave(time * math.pi / 2) for time in times for wave in (torch.sin, torch.cos)]
        columns = [column.expand(len(x))[:, None] for column in columns]
        return self.mlp(torch.cat([x.flatten(1), *columns], 1))[:, :, None, None]


def moons(n: int) -> Tensor:
    """Points on two half-moons, (n, 2, 1, 1)."""
    angle, upper = math.pi * torch.rand(n), torch.rand(n) < 0.5
    x = torch.where(upper, angle.cos() - 0.5, 0.5 - angle.cos())
    y = torch.where(upper, angle.sin() - 0.1, 0.1 - angle.sin())
    return (1.8 * torch.stack([x, y], 1) + 0.08 * torch.randn(n, 2))[:, :, None, None]


def train(net: nn.Module, loss_on: Callable, n: int = 512) -> nn.Module:
    """Minimise loss_on(x0, eps), with a learning rate that falls to nothing."""
    steps = course_lib.pick(smoke=50, laptop=2000, gpu=4000)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = loss_on(moons(n), torch.randn(n, 2, 1, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return net


torch.manual_seed(0)
field = Field()
train(field, lambda x0, eps: flow_loss(field, x0, eps, torch.rand(len(x0))))
*_, drawn = heun(field, torch.randn(500, 2, 1, 1), torch.linspace(1, 0, 17))
clouds = {"data": moons(500).flatten(1), "your flow": drawn.flatten(1)}
points(clouds, limit=3.5, alt="Two half-moons of data, and samples on top of them")

# %% [markdown]
# ## 10 · Inpainting
#
# Part of an image is known, the rest is to be invented so that both fit together. No new training is needed: correct
# each guess of the denoiser, setting the pixels that are known, and let any sampler work with the corrected denoiser.
# Correct the guess $\hat x_0$ and not the state $x_t$, which is noisy.
#
# | argument | shape | what |
# |---|---|---|
# | `denoise` | function $(x_t, t) \mapsto$ (B, C, H, W) | returns $\hat x_0$ |
# | `known` | (B, C, H, W) | images; only their known pixels may be used |
# | `mask` | bool, (H, W) | true where pixels are known |
# | **returns** | a function $(x_t, t) \mapsto$ (B, C, H, W) | |
#
# <details><summary>Hint</summary>
#
# `torch.where(condition, a, b)` broadcasts (H, W) over batch and channels, as it should here. What is unknown may
# hold anything, NaN included, and $0 \cdot \mathrm{NaN}$ is NaN.
# </details>

# %% tags=["task"] task="inpainted" difficulty=2 importance=3 minutes=10
def inpainted(denoise: Denoiser, known: Tensor, mask: Tensor) -> Denoiser:
    """A denoiser whose guess agrees with the known pixels."""
    ### BEGIN SOLUTION
    return lambda x, t: torch.where(mask, known, denoise(x, t))
    ### END SOLUTION


# %% tags=["check"]
check("inpainted")

# %% [markdown]
# The right half of a photograph is covered. Your denoiser and your DDIM steps complete it, each time in another way.
# Look at the seam: the known half is set in each guess, but the model never learned to expect that.

# %% tags=["skip-grading"]
mask = torch.arange(28).expand(28, 28) < 14
covered = torch.where(mask, photograph, -1.0)
complete = inpainted(denoiser(boot.expand(8)), covered.expand(8, 1, 28, 28), mask)

x = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(2))
with torch.no_grad():
    for t, s in zip(times, times[1:]):
        x = ddim_step(x, complete(x, t), t, s, straight)
grid(
    torch.cat([photograph, covered, x.clamp(-1, 1)]),
    titles=["original", "covered", *["completed"] * 8],
    alt="A boot, its left half alone, and eight completions of it",
)

# %% [markdown]
# ## 11 · One step: the MeanFlow loss
#
# A velocity holds for an instant, which is why samplers take many steps. Learn instead the *average* velocity
# $u(x_t, r, t)$ between two times $r \le t$, and one step does: $x_r = x_t - (t - r)\, u(x_t, r, t)$.
# Differentiating $(t - r)\, u = \int_r^t v\, \mathrm d\tau$ with respect to $t$ gives an identity without an integral
# (Geng et al. 2025):
#
# $$u = v - (t - r)\, \frac{\mathrm du}{\mathrm dt}, \qquad
# \frac{\mathrm du}{\mathrm dt} = \frac{\partial u}{\partial x}\, v + \frac{\partial u}{\partial t}$$
#
# The right side is the network's target, with $v = \varepsilon - x_0$ on the straight path:
#
# $$\mathcal L = \operatorname{mean} \left\| u(x_t, r, t) - \operatorname{stopgrad}\Big(v - (t - r)\,
# \frac{\mathrm du}{\mathrm dt}\Big) \right\|^2$$
#
# | argument | shape | what |
# |---|---|---|
# | `average` | function $(x_t, r, t) \mapsto$ (B, C, H, W) | the network $u$; it wants `r` and `t` as (B,) |
# | `x0`, `eps` | (B, C, H, W) | images and noise |
# | `r`, `t` | (B,), $r \le t$ | |
# | **returns** | () | a scalar |
#
# <details><summary>Hint</summary>
#
# `torch.func.jvp(function, arguments, tangents)` gives a function's value and its derivative in one pass; both are
# tuples as long as the function has arguments. The tangents say how fast each argument moves as $t$ grows by itself:
# $x_t$ with velocity $v$, $r$ not at all, $t$ with speed 1. The target is a number to be reached, not something to be
# moved: `.detach()`.
# </details>

# %% tags=["task"] task="meanflow_loss" difficulty=4 importance=3 minutes=25
def meanflow_loss(average: Callable, x0: Tensor, eps: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """Mean squared error of an average velocity against the MeanFlow identity, a scalar."""
    ### BEGIN SOLUTION
    span, weight = (t - r)[:, None, None, None], t[:, None, None, None]
    x_t, v = (1 - weight) * x0 + weight * eps, eps - x0
    tangents = v, torch.zeros_like(r), torch.ones_like(t)
    u, du_dt = torch.func.jvp(average, (x_t, r, t), tangents)
    target = (v - span * du_dt).detach()
    return (u - target).square().mean()
    ### END SOLUTION


# %% tags=["check"]
check("meanflow_loss")

# %% [markdown]
# The half-moons once more, each drawn with **one** evaluation of a network: on the left the flow of task 8, whose
# single Euler step can only lead to the mean of the data; on the right the average velocity, trained with your loss.
# Some of its points fall between the moons: neighbouring noises there belong to different moons, and a smooth network
# cannot jump.

# %% tags=["skip-grading"]
from course_lib.plotting import beside


def on_two_times(x0: Tensor, eps: Tensor) -> Tensor:
    """Your loss at random r <= t; in half of the batch r = t, where it is flow matching."""
    r, t = torch.rand(2, len(x0)).sort(0).values
    return meanflow_loss(mean_field, x0, eps, torch.where(torch.rand(len(x0)) < 0.5, t, r), t)


torch.manual_seed(0)
mean_field = Field(times=2)
train(mean_field, on_two_times)

begin, zero, one = torch.randn(500, 2, 1, 1), torch.zeros(500), torch.ones(500)
with torch.no_grad():
    jumps = {"flow, one step": begin - field(begin, one), "MeanFlow, one step": begin - mean_field(begin, zero, one)}
data = moons(500).flatten(1)
pictures = [points({"data": data, name: x.flatten(1)}, limit=3.5, alt=name) for name, x in jumps.items()]
beside(pictures, alt="One-step samples: the flow's gather in the middle, most of MeanFlow's lie on the half-moons")
