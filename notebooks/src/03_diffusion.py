# %% [markdown]
# # 3 · Diffusion and flows
#
# **How does one get an image out of noise?** A single step from noise to image is too hard to learn directly: the
# network would have to decide everything at once. Diffusion models turn the problem around. To *destroy* an image is
# easy, a little noise at a time; and to undo one *little* step is a regression problem, which networks are good at.
#
# In this notebook you will
#
# 1. drown images in noise, by a formula of one line;
# 2. write down the best possible denoiser, without any training, and see why nobody wants it;
# 3. see that the five things which papers predict are one;
# 4. train a flow by hand in two dimensions, in ten lines, and follow its particles;
# 5. meet the same ten lines in the library, on real images, and draw clothes;
# 6. compare samplers: measure their order on data with an exact answer, and their price on images;
# 7. steer by guidance, and see what it costs;
# 8. fill in, enlarge and edit, with a model that was trained for none of them;
# 9. draw an image in a single step.
#
# You need: PyTorch, Gaussians, Bayes' rule, the chain rule. Symbols are those of
# [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md). Throughout the course $t = 0$
# is data and $t = 1$ is noise.

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.7, "laptop": 5, "gpu": 3})

# %%
import math
from itertools import pairwise

import torch
from torch import nn

from course_lib import pick
from course_lib.checkpoints import info, pretrained
from course_lib.data import load
from course_lib.data.points import Mixture
from course_lib.device import pick_device
from course_lib.diffusion import editing, meanflow, parametrisation, samplers, schedules, solvers
from course_lib.diffusion.edm import SIGMA_DATA, preconditioning
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.gaussian import Gaussian, mixture_denoiser
from course_lib.diffusion.guidance import guided
from course_lib.diffusion.ideal import ideal_denoiser
from course_lib.diffusion.reflow import curvature
from course_lib.features import fashion_score
from course_lib.model import last
from course_lib.plotting import animation, beside, curves, field, grid, points, show_code, table, trajectory
from course_lib.training import Ema, train_steps
from course_lib.widgets import slider

device = pick_device()  # asked for once, here; the library follows its inputs
clothes = load("fashion")  # 5,000 real photographs, 28 x 28, that come with the course
grid(clothes.x[:20], columns=10, alt="Twenty photographs of clothes from Fashion-MNIST", caption="Real images.")

# %% [markdown]
# ## 1 · Drowning an image
#
# Mix an image $x_0$ with Gaussian noise $\varepsilon$. At each time $t$ a **schedule** says how much of which:
#
# $$x_t = \alpha_t\, x_0 + \sigma_t\, \varepsilon, \qquad \varepsilon \sim \mathcal N(0, I)$$
#
# No loop is needed. DDPM (Ho et al. 2020) describes the process as a thousand small steps $x_s \to x_t =
# \tfrac{\alpha_t}{\alpha_s} x_s + \text{noise}$; but a sum of Gaussians is a Gaussian, so the thousand steps collapse
# into one jump. If the steps scale by $a_1, a_2, \dots$ and each adds variance $1 - a_i^2$, then $\alpha = \prod a_i$;
# and since a step makes $a_i^2 \nu + 1 - a_i^2$ of a variance $\nu$, it multiplies $1 - \nu$ by $a_i^2$, so the
# variance that has piled up is $1 - \alpha^2$. By hand:

# %% tags=["nbval-check-output"]
alpha, variance = 1.0, 0.0
for beta in torch.linspace(1e-4, 0.02, 1000).tolist():  # DDPM's thousand steps
    alpha, variance = alpha * math.sqrt(1 - beta), variance * (1 - beta) + beta

print(f"signal left {alpha:.4f}, noise variance {variance:.4f}, alpha^2 + variance = {alpha**2 + variance:.4f}")

# %% [markdown]
# In the library a schedule is a function $t \mapsto (\alpha, \sigma)$, and this is all that it is:

# %%
show_code(schedules.cosine)

# %%
t = torch.linspace(0, 1, 101)
named = {
    "flow": schedules.flow,
    "cosine": schedules.cosine,
    "DDPM": schedules.linear_beta,
}
signal = curves(
    {name: s(t)[0] for name, s in named.items()},
    x=t,
    xlabel="time t",
    ylabel="signal α",
    size=(345, 250),
    alt="Alpha falls from one to zero over time for three schedules; DDPM's falls first",
)
clarity = curves(
    {name: schedules.log_snr(s, t[2:-2]) for name, s in named.items()},
    x=t[2:-2],
    xlabel="time t",
    ylabel="log α²/σ²",
    size=(345, 250),
    alt="The log signal-to-noise ratio falls for all three schedules",
)
beside(
    [signal, clarity],
    caption="Schedules differ in how they spread one thing, the ratio of signal to noise, over time. In the plane of α and "
    "σ the flow's is a straight line, the cosine's a quarter circle.",
    alt="Two charts of three noise schedules against time: signal, and logarithmic signal-to-noise ratio",
)

# %% [markdown]
# Move the slider: when does a shoe stop being a shoe? (Readers without a kernel see the strip.)

# %%
torch.manual_seed(0)
nine = clothes.x[torch.tensor([(clothes.labels == c).nonzero()[0].item() for c in range(9)])]
noise9 = torch.randn_like(nine)


def drowned(t: float):
    return grid(
        schedules.add_noise(nine, noise9, torch.tensor(t), schedules.cosine),
        columns=9,
        alt=f"Nine pieces of clothing at time {t}",
    )


slider(
    drowned,
    {"time t": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]},
    alt="Clothes that dissolve into noise as time goes from 0 to 1.",
)

# %% [markdown]
# Coarse structure survives longest. A photograph has most of its energy in low frequencies, and white noise has
# the same energy in all of them; so noise swallows fine detail first. Walking back, a diffusion model paints from
# coarse to fine.
#
# ## 2 · The best denoiser there is
#
# Given $x_t$, which $x_0$ was it? There is no single answer, only a distribution, $p(x_0 \mid x_t)$. The guess with the
# least squared error is its mean, $D(x_t, t) = \mathbb E[x_0 \mid x_t]$. If the data are $N$ images, each equally
# likely, Bayes' rule gives it at once:
#
# $$p(i \mid x_t) \propto \exp\Big(\!-\frac{\lVert x_t - \alpha x_i\rVert^2}{2\sigma^2}\Big), \qquad
# D(x_t, t) = \sum_i p(i \mid x_t)\, x_i$$
#
# A softmax over distances. By hand, for two "images" of one pixel each, at $-1$ and $+1$:

# %% tags=["nbval-check-output"]
two, x_t, half = torch.tensor([[-1.0], [1.0]]), torch.tensor([[0.2]]), torch.tensor(0.5)
logits = -((x_t - 0.5 * two.T) ** 2) / (2 * 0.5**2)  # on the straight line, t = 1/2: alpha = sigma = 1/2
by_hand = (logits.softmax(dim=1) @ two).item()
library = ideal_denoiser(two, schedules.flow)(x_t, half).item()
print(f"by hand {by_hand:.6f}   library {library:.6f}   tanh(2 x) = {math.tanh(0.4):.6f}")

# %%
show_code(ideal_denoiser)

# %% [markdown]
# On real images the guess is a blurry average when there is much noise, and sharpens as the noise falls. The guesses
# are what matters for training: a network that minimises the squared error aims at exactly these pictures.

# %%
few = clothes.x[:1000]
ideal = ideal_denoiser(few, schedules.cosine)
shown = torch.tensor([0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97])
noisy = [schedules.add_noise(nine[:3], noise9[:3], s, schedules.cosine) for s in shown]
rows = torch.cat([torch.stack([n[i] for n in noisy] + [ideal(n, s)[i] for n, s in zip(noisy, shown)]) for i in (0, 1)])
grid(
    rows,
    columns=8,
    titles=[f"t = {s:.2g}" for s in shown],
    row_titles=["xₜ", "guess", "xₜ", "guess"],
    alt="Noisy clothes and the ideal denoiser's guesses, which go from sharp to an average of all clothes",
)

# %% [markdown]
# Now follow it from pure noise to $t = 0$ (how a sampler does that is told in section 6). What comes out?

# %%
torch.manual_seed(1)
path = list(samplers.ddim(ideal, torch.randn(6, 1, 28, 28), schedules.cosine, solvers.times(40, start=0.999)))
gaps = (path[-1].flatten(1)[:, None] - few.flatten(1)).norm(dim=2)  # not cdist: its rounding hides a distance of 0
nearest = few[gaps.argmin(dim=1)]
grid(
    torch.cat([path[-1], nearest]),
    columns=6,
    row_titles=["drawn", "nearest in training"],
    alt="Six images drawn with the ideal denoiser above six training images: they are the same",
)

# %% tags=["nbval-check-output"]
copies = (gaps.amin(dim=1) < 1e-2).sum().item()
assert copies == 6
print(f"{copies} of 6 drawings are training images, pixel by pixel")

# %% [markdown]
# **The perfect minimiser of the loss is a photocopier.** At small noise the softmax picks a single image. All that is
# new in what diffusion models draw they owe to *not* reaching this minimum: a network of limited size, with
# convolutions that see locally, trained for a limited time, smooths over the gaps between images. Where it is large
# and the data are few, it copies; module 7 measures that.
#
# ## 3 · Five names for one prediction
#
# Image, noise and mixture are tied by one equation. The mixture is given, so a network that predicts the image or the
# noise predicts both. Papers train networks for the noise $\varepsilon$ (DDPM), for
# $v = \alpha\varepsilon - \sigma x_0$ (Salimans & Ho 2022), for the velocity $x_t' = \alpha' x_0 + \sigma'\varepsilon$
# (flow matching) or for the score $\nabla\log p_t(x_t) = -\mathbb E[\varepsilon \mid x_t]/\sigma$. They are all linear
# in each other:
#
# | given $x_t$ and | the image is |
# |---|---|
# | noise | $(x_t - \sigma\,\varepsilon)\,/\,\alpha$ |
# | v | $(\alpha\, x_t - \sigma\, v)\,/\,(\alpha^2 + \sigma^2)$ |
# | velocity on $(1-t,\, t)$ | $x_t - t\,x_t'$ |
# | score | $(x_t + \sigma^2\,\nabla\log p_t)\,/\,\alpha$ &nbsp; (Tweedie's formula) |
#
# What differs is where errors hurt: dividing by $\alpha$ multiplies an error in the noise without bound as
# $\alpha \to 0$. There and back again:

# %% tags=["nbval-check-output"]
x0, eps, t = torch.randn(64, 1, 4, 4), torch.randn(64, 1, 4, 4), torch.linspace(0.05, 0.9, 64)
pairs = {
    "noise": (parametrisation.eps_from_x0, parametrisation.x0_from_eps),
    "v": (parametrisation.v_from_x0, parametrisation.x0_from_v),
    "score": (parametrisation.score_from_x0, parametrisation.x0_from_score),
}
for name, (there, back) in pairs.items():
    x_t, (alpha, sigma) = schedules.add_noise(x0, eps, t, schedules.cosine), schedules.at(schedules.cosine, t, x0)
    error = (back(x_t, there(x_t, x0, alpha, sigma), alpha, sigma) - x0).abs().max()
    print(f"{name:<6} round trip exact to 1e-5: {bool(error < 1e-5)}")

# %% [markdown]
# Karras et al. (2022, "EDM") put factors around the network $F$,
# $D(x) = c_\text{skip}\,x + c_\text{out}\,F(c_\text{in}\,x)$, and ask for one thing more: whatever the noise, the
# network's input *and* its target should have variance one, and $c_\text{out}$, which multiplies the network's errors,
# should be as small as possible. That fixes all three factors. Are the variances one?

# %% tags=["nbval-check-output"]
sigmas, big = (0.002, 0.1, 1.0, 10.0, 80.0), 200_000
torch.manual_seed(0)
for sigma in map(torch.tensor, sigmas):
    c_skip, c_out, c_in = preconditioning(sigma)
    data = SIGMA_DATA * torch.randn(big)
    x = data + sigma * torch.randn(big)
    target = (data - c_skip * x) / c_out
    print(f"sigma {sigma:6.3f}: input variance {(c_in * x).var():.1f}, target variance {target.var():.1f}")

# %% [markdown]
# ## 4 · A flow, by hand
#
# **Flow matching** (Lipman et al. 2023; Liu et al. 2023) takes the simplest schedule, the straight line
# $x_t = (1-t)\,x_0 + t\,\varepsilon$. A particle on this line moves with velocity $\varepsilon - x_0$. Many lines pass
# through a point; regress on the velocity, and the minimiser is their mean,
#
# $$v(x, t) = \mathbb E[\varepsilon - x_0 \mid x_t = x].$$
#
# Why is the *mean* velocity enough? Because the density of the crowd depends on the mean flux only: it obeys the
# continuity equation $\partial_t p_t = -\nabla\!\cdot(p_t v)$, which is linear in $v$. Particles that follow the mean
# field take other paths than the lines, but at each time the crowd as a whole is spread the same. At $t = 0$ it is
# spread like the data.
#
# Ten lines, for data on a spiral:


# %%
def spiral(n: int) -> torch.Tensor:
    turn = 3 * math.pi * torch.rand(n).sqrt()
    return torch.stack([turn * turn.cos(), turn * turn.sin()], dim=1) / 5 + 0.05 * torch.randn(n, 2)


def mlp(inputs: int) -> nn.Module:
    hidden = [layer for _ in range(2) for layer in (nn.Linear(128, 128), nn.SiLU())]
    return nn.Sequential(nn.Linear(inputs, 128), nn.SiLU(), *hidden, nn.Linear(128, 2))


torch.manual_seed(0)
net = mlp(3)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
history = []

for _ in range(pick(smoke=200, laptop=3000, gpu=3000)):
    x0 = spiral(512)
    eps, t = torch.randn_like(x0), torch.rand(512, 1)
    x_t = (1 - t) * x0 + t * eps
    loss = (net(torch.cat([x_t, t], dim=1)) - (eps - x0)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())

assert sum(history[-50:]) < sum(history[:50])

# %% [markdown]
# To draw, start particles at noise and walk against time in $n$ steps, $x \leftarrow x - \tfrac1n v(x, t)$: Euler's
# method.

# %%
velocity = lambda x, t: net(torch.cat([x, t.expand(len(x), 1)], dim=1))
start = torch.randn(400, 2)
paths = torch.stack([start, *solvers.euler(velocity, start, solvers.times(60))])
cloud = spiral(1500)
drawn = points(
    {"data": cloud, "drawn": last(solvers.euler(velocity, torch.randn(1500, 2), solvers.times(60)))},
    limit=2.6,
    size=(340, 340),
    alt="Points drawn by the flow lie on the spiral of the data",
)
beside(
    [
        trajectory(
            paths[:, :60],
            behind=cloud,
            limit=2.6,
            size=(340, 340),
            alt="Curved paths of sixty particles from noise to the spiral",
        ),
        drawn,
    ],
    titles=["paths from noise to data", "the result beside the data"],
    alt="Left, particles flow from a Gaussian onto a spiral. Right, drawn points cover the data points",
)

# %% [markdown]
# Note that the paths bend although each training line was straight. Lines cross; particles that follow a field cannot.
#
# Here is the field itself at three times. Early in the walk, at much noise, all arrows point to the centre of the data:
# the mean of everything is the best guess. Late, each point heads for the nearest arm.

# %%
fields = [
    field(
        lambda x, s=s: -velocity(x, torch.tensor(s)),
        behind=cloud,
        limit=2.6,
        size=(230, 222),
        alt=f"Velocity field at time {s}",
    )
    for s in (0.9, 0.5, 0.15)
]
beside(
    fields,
    titles=["t = 0.9", "t = 0.5", "t = 0.15"],
    caption="Arrows show the way towards the data (grey).",
    alt="Three vector fields over a grey spiral: towards its centre, at t = 0.15 onto its nearest arm",
)

# %% [markdown]
# ## 5 · The same on images
#
# The library's loss is the ten lines above, with a label (sometimes hidden: section 7 needs that) and with times drawn
# more often in the middle, where the problem is hardest.

# %%
show_code(Flow.loss)

# %% [markdown]
# The network is a **U-Net**: fold 2×2 pixels into channels, work at 14×14 and 7×7, unfold, with skips between equal
# sizes. Time and label scale and shift the channels of each block.

# %%
from course_lib.nn.unet import ResBlock, UNet

show_code(UNet.body)

# %%
show_code(ResBlock.forward)

# %% [markdown]
# Training is a plain `for` loop. `train_steps` yields after each update, so averaging the weights (the average draws
# much better than the last step's) and drawing a picture are lines of your own. A few minutes on a CPU give a first
# idea:

# %%
torch.manual_seed(0)
model = Flow(width=32, depth=1).to(device)
ema, steps = Ema(model, decay=0.99), pick(smoke=6, laptop=400, gpu=1500)
batches = clothes.to(device).batches(pick(smoke=16, laptop=64, gpu=128), seed=0)
noise = torch.randn(10, 1, 28, 28, device=device)
losses, snapshots = [], []

for step in train_steps(model, batches, steps):
    ema.update()
    losses.append(step.logs["model/loss"].item())
    if step.index + 1 in (2, steps // 4, steps // 2, steps):
        snapshots.append(last(ema.model.sample(10, steps=16, noise=noise)).cpu())

assert min(losses[-3:]) < losses[0]
grid(
    torch.cat(snapshots),
    columns=10,
    row_titles=["2 steps", f"{steps // 4}", f"{steps // 2}", f"{steps}"],
    caption="The same noise, drawn while a small flow learns.",
    alt="Four rows of ten images; grey blurs become rough shapes of clothes as training goes on",
)

# %%
smooth = torch.tensor(losses).unfold(0, max(len(losses) // 40, 1), 1).mean(dim=1)
curves(
    {"training loss": smooth},
    xlabel="step",
    ylabel="squared error of the velocity",
    caption="The loss soon looks flat, and the images still improve: most of it is noise that nobody can predict.",
    alt="Training loss falls steeply, then slowly",
)

# %% [markdown]
# The course ships the same model, larger and trained longer on all 60,000 images. What its file says of it:

# %%
flow = pretrained("fashion_flow").to(device)
said = info("fashion_flow")
table(
    [{"checkpoint": "fashion_flow", "parameters": sum(p.numel() for p in flow.parameters()), **said["metrics"]}],
    caption=f"Trained by the recipe {said['recipe']} on {said['data']}.",
)

# %%
torch.manual_seed(3)
states = list(flow.sample(60, steps=32))
grid(
    states[-1].cpu(),
    columns=10,
    titles=clothes.classes,
    alt="Sixty pieces of clothing drawn by the model, six of each class",
    caption="Drawn from noise in 32 steps, each column a class.",
)

# %% tags=["cover"]
animation(
    [s[:10].cpu() for s in states[1::3]],
    columns=10,
    alt="Ten images emerge from noise, coarse shapes first, details last",
)

# %% [markdown]
# Watch what the model *believes* at each step: its guess of the final image, $x_t - t\,v(x_t, t)$. It starts as the mean
# of the class and gains detail as the noise falls.

# %%
torch.manual_seed(4)
y = torch.tensor([9, 8, 5, 3], device=device)
see = parametrisation.denoiser(flow.velocity(y), schedules.flow)
x, seen = torch.randn(4, 1, 28, 28, device=device), []
with torch.no_grad():
    for t, s in pairwise(solvers.times(24).to(device)):
        guess = see(x, t)
        seen.append((float(t), x.cpu(), guess.cpu()))
        x = guess + s * (x - guess) / t


def at_step(index: int):
    _, state, guess = seen[index]
    return grid(
        torch.cat([state, guess]),
        columns=4,
        row_titles=["xₜ", "guess"],
        width=420,
        alt=f"State and guess of four clothes at step {index} of 24",
    )


slider(
    at_step,
    {"step": list(range(0, 24))},
    shown=4,
    alt="Noisy states above the model's guesses, which sharpen from a class average to an image.",
)

# %% [markdown]
# ## 6 · Samplers
#
# All samplers do the same: guess the image, infer the noise, and mix both again for a smaller time. **DDIM** (Song et
# al. 2021) stops there; **DDPM** (Ho et al. 2020) replaces part of the inferred noise by fresh noise, exactly so much
# that the step is a draw from the true posterior $p(x_s \mid x_t, x_0)$, with the guess for $x_0$.

# %%
show_code(samplers.ddpm)

# %% [markdown]
# ### The order of a solver, on data with an exact answer
#
# If the data are Gaussian, everything is Gaussian: the denoiser is linear and the path of every particle can be written
# down (it stays the same number of standard deviations off the mean). So the *error* of each solver can be measured.
# Halving the step should halve Euler's error, and quarter that of a second-order method.

# %%
factor = torch.tensor([[1.5, 0.3], [0.0, 0.4]], dtype=torch.float64)
known = Gaussian(torch.tensor([0.5, -1.0], dtype=torch.float64), factor @ factor.T)
torch.manual_seed(0)
noise = torch.randn(64, 2, dtype=torch.float64)
one, zero = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
exact = known.transport(noise, schedules.cosine, one, zero)
speed = known.velocity(schedules.cosine)


def error(solver, evaluations: int, each: int) -> float:
    return (last(solver(speed, noise, solvers.times(evaluations // each))) - exact).abs().mean().item()


costs, budget = (
    {"Euler": (solvers.euler, 1), "Heun": (solvers.heun, 2), "Adams–Bashforth": (solvers.adams_bashforth, 1)},
    [16, 32, 64, 128, 256],
)
errors = {name: [error(solver, n, each) for n in budget] for name, (solver, each) in costs.items()}
curves(
    errors,
    x=budget,
    xlabel="network evaluations",
    ylabel="mean error",
    log="xy",
    caption="Exact answer known. Adams–Bashforth has Heun's order at half of its price: it reuses the last slope.",
    alt="Errors of three solvers against evaluations, straight lines on logarithmic axes, Euler's half as steep",
)


# %% tags=["nbval-check-output"]
def slope(values: list[float]) -> float:
    x, y = torch.tensor(budget[2:]).double().log(), torch.tensor(values[2:]).double().log()
    return float(-((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


slopes = {name: slope(values) for name, values in errors.items()}
assert abs(slopes["Euler"] - 1) < 0.1 and abs(slopes["Heun"] - 2) < 0.15
print({name: round(value, 1) for name, value in slopes.items()})

# %% [markdown]
# ### What it means on images
#
# Each evaluation is a pass of the network, so what counts is quality against evaluations. **How is quality measured?**
# Images are passed through a small classifier, and the Gaussians that fit the features of real and of drawn images are
# compared: the *Fréchet distance*. Even real images are at some distance from other real ones, because samples are finite:
# that is the *floor* at the same $n$, and only the *excess* over it can be blamed on a model. (The floor is one draw, too:
# ten sets of 1,000 photographs were at 0.09 to 0.14. A distance a little below it is luck.) Precision is the share of
# drawn images that look real, recall the share of real images that the drawn ones cover. As a unit: a set
# that lacks one class of ten is at 0.58 on average, and real images blurred over 5×5 pixels are at 8.8.

# %%
n = pick(smoke=150, laptop=1000, gpu=5000)
torch.manual_seed(0)
noise, y = torch.randn(n, 1, 28, 28, device=device), torch.arange(n, device=device) % 10


def score(evaluations: int, solver=solvers.adams_bashforth, guidance: float = 1.0):
    parts = zip(noise.split(500), y.split(500))
    drawn = [
        last(flow.sample(len(e), c, steps=evaluations, guidance=guidance, solver=solver, noise=e)) for e, c in parts
    ]
    return fashion_score(torch.cat(drawn).cpu().clamp(-1, 1))


counts = pick(smoke=[2, 8], laptop=[1, 2, 4, 8, 16, 32], gpu=[1, 2, 4, 8, 16, 32, 64])
by_solver = {
    "Euler (= DDIM on this schedule)": [score(k, solvers.euler) for k in counts],
    "Adams–Bashforth": [score(k) for k in counts],
}
floor = by_solver["Adams–Bashforth"][0].floor
curves(
    {name: [s.distance for s in scores] for name, scores in by_solver.items()},
    x=counts,
    log="xy",
    levels={f"floor at n = {n:,}": floor},
    xlabel="network evaluations",
    ylabel="Fréchet distance",
    caption="One evaluation is a step of Euler's either way. From two on, second order pays: with 8 it is about as near as "
    "Euler with 32.",
    alt="Fréchet distance against evaluations for two solvers, falling towards the floor",
)

# %%
assert by_solver["Adams–Bashforth"][-1].distance < by_solver["Euler (= DDIM on this schedule)"][0].distance
few_steps = [last(flow.sample(10, steps=k, solver=solvers.euler, noise=noise[:10])).cpu() for k in (1, 2, 4, 8, 32)]
grid(
    torch.cat(few_steps),
    columns=10,
    row_titles=["1 step", "2", "4", "8", "32"],
    caption="One Euler step jumps to the mean of the class. Detail needs steps.",
    alt="Five rows of the same ten clothes: blurred averages with one step, sharp with 32",
)

# %% [markdown]
# ### One network, every schedule
#
# The flow was trained on the straight line. Does DDPM on the cosine schedule need another network? No: $x_t$ carries as
# much information as its ratio $\sigma/\alpha$ says, whatever its scale. Look up the time at which the trained schedule has the
# same ratio, rescale, and ask the old network.

# %%
show_code(parametrisation.on_schedule)

# %%
torch.manual_seed(5)
noise10, y10 = torch.randn(10, 1, 28, 28, device=device), torch.arange(10, device=device)
on_line = parametrisation.denoiser(flow.velocity(y10), schedules.flow)
on_circle = parametrisation.on_schedule(on_line, schedules.flow, schedules.cosine)
ladder = solvers.times(pick(smoke=8, laptop=50, gpu=200), start=0.999)
kinds = {"DDIM": samplers.ddim, "DPM-Solver++": samplers.dpm_solver, "DDPM": samplers.ddpm}
rows = [last(kind(on_circle, noise10, schedules.cosine, ladder)).cpu() for kind in kinds.values()]
grid(
    torch.cat(rows),
    columns=10,
    row_titles=list(kinds),
    caption="Same noise, same network. The deterministic samplers agree; DDPM adds noise of its own and ends elsewhere.",
    alt="Three rows of ten clothes: the first two rows agree, the third shows other clothes of the same classes",
)

# %% [markdown]
# ## 7 · Guidance
#
# The model knows $p(x \mid y)$ and, since labels were hidden now and then, $p(x)$ too. **Classifier-free guidance** (Ho
# & Salimans 2022) goes from the prediction without the label towards the one with it, $w$ times as far:
#
# $$\hat v = v_\text{free} + w\,(v_\text{label} - v_\text{free})$$

# %%
show_code(guided)

# %% [markdown]
# $w = 1$ is the model itself, exactly. What does $w > 1$ cost? In two dimensions, where the denoisers are exact (two
# classes, three Gaussians each), one sees it: samples flee from the other class, and crowd together.

# %%
corners = torch.tensor([[-1.6, 0.0], [-0.4, 1.2], [-0.4, -1.2], [1.6, 0.0], [0.4, 1.2], [0.4, -1.2]])
everything, left = Mixture(corners, 0.25), Mixture(corners[:3], 0.25)
torch.manual_seed(0)
cloud = torch.randn(600, 2)
ends = {}
for scale in (1.0, 2.0, 4.0):
    denoise = guided(mixture_denoiser(left, schedules.cosine), mixture_denoiser(everything, schedules.cosine), scale)
    ends[scale] = last(samplers.ddim(denoise, cloud, schedules.cosine, solvers.times(60, start=0.999)))
planes = [
    points(
        {"the class": left.sample(600, seed=0)[0], "drawn": x},
        limit=2.6,
        size=(230, 230),
        alt=f"Samples at guidance {w}",
    )
    for w, x in ends.items()
]
beside(
    planes,
    titles=[f"w = {w:g}" for w in ends],
    alt="Samples of the left class at guidance 1, 2 and 4: they move left and gather in fewer places",
)

# %% tags=["nbval-check-output"]
spread = {w: (x - x.mean(dim=0)).square().sum(dim=1).mean().sqrt().item() for w, x in ends.items()}
assert spread[1.0] > spread[2.0] > spread[4.0]
print("spread of the samples:", {w: round(s, 1) for w, s in spread.items()})

# %% [markdown]
# On clothes, guidance draws typical ones, more and more alike. Move the slider.

# %%
torch.manual_seed(6)
label = torch.full((12,), 5, device=device)  # sandals, the most varied class
first = torch.randn(12, 1, 28, 28, device=device)
scales = pick(
    smoke=[1.0, 4.0], laptop=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0], gpu=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0]
)


def sandals(w: float):
    drawn = last(flow.sample(12, label, steps=pick(smoke=4, laptop=16, gpu=32), guidance=w, noise=first))
    return grid(drawn.cpu(), columns=12, alt=f"Twelve sandals at guidance {w}")


slider(
    sandals,
    {"guidance w": scales},
    alt="Sandals at rising guidance: arbitrary clothes at 0, varied sandals at 1, alike at 8.",
).prepare()

# %%
strengths = pick(smoke=[1.0, 3.0], laptop=[0.5, 1.0, 1.5, 2.0, 3.0], gpu=[0.0, 0.5, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0])
by_scale = [score(pick(smoke=4, laptop=12, gpu=32), guidance=w) for w in strengths]
curves(
    {"precision": [s.precision for s in by_scale], "recall": [s.recall for s in by_scale]},
    x=strengths,
    xlabel="guidance w",
    ylabel="share of the images",
    caption="Guidance buys precision with recall. The distance judges both, and here prefers no guidance.",
    alt="Precision rises and recall falls as guidance grows",
)

# %%
assert by_scale[-1].recall < by_scale[strengths.index(1.0)].recall
table(
    [{"guidance": w, **s._asdict()} for w, s in zip(strengths, by_scale)],
    columns=["guidance", "distance", "excess", "precision", "recall", "n"],
)

# %% [markdown]
# ## 8 · Editing without training
#
# A denoiser is a *prior*: it knows what clothes look like. Put beside it something that was measured, $y = A x_0$ with
# a known matrix $A$ (some of the pixels; an image at low resolution), and it fills in the rest. If $p(x_0 \mid x_t)$
# were a round Gaussian with variance $r^2$, the mean given both $x_t$ and $y$ would be
#
# $$\hat x_0 = D(x_t, t) + r^2 A^\top\,(r^2 A A^\top + \sigma_y^2 I)^{-1}\,(y - A\,D(x_t, t)),$$
#
# where $\sigma_y$ is the noise of the measurement. The distribution is not round, but this is good enough. Again it is
# a function on denoisers, so every sampler can use it.

# %%
show_code(editing.conditioned)

# %%
torch.manual_seed(8)
truth, labels = nine[[0, 1, 3, 5, 7, 8]].to(device), torch.tensor([0, 1, 3, 5, 7, 8], device=device)
anyone = torch.full_like(labels, 10)  # the model is not told what it sees
prior = parametrisation.denoiser(flow.velocity(anyone), schedules.flow)
mask = torch.ones(28, 28, dtype=torch.bool, device=device)
mask[14:] = False
ladder, tasks, drawn = solvers.times(pick(smoke=6, laptop=150, gpu=200)), {}, []
for name, seen in {"upper half": editing.masking(mask), "4 times smaller": editing.downscaling(4)}.items():
    y = seen.forward(truth)
    result = last(
        samplers.ddpm(
            editing.conditioned(prior, y, seen, schedules.flow), torch.randn_like(truth), schedules.flow, ladder
        )
    )
    tasks[name] = (seen.forward(result) - y).abs().max().item()
    drawn += [seen.pseudo_inverse(y) if name == "4 times smaller" else torch.where(mask, truth, 0), result]
grid(
    torch.cat([*drawn, truth]).cpu(),
    columns=6,
    row_titles=["seen", "filled in", "seen", "enlarged", "truth"],
    caption="One model, trained for neither. Where the measurement leaves room it invents, mostly plausibly.",
    alt="Rows: clothes with the lower half missing, completed; clothes of 7 by 7 pixels, enlarged; the originals",
)

# %% tags=["nbval-check-output"]
for name, gap in tasks.items():
    assert gap < 1e-4
    print(f"{name}: the result measures what was measured, to 1e-4: {gap < 1e-4}")

# %% [markdown]
# **SDEdit** (Meng et al. 2022): noise a sketch until its details drown but its shape does not, and draw from there. The
# strength $t$ trades faithfulness for realism.

# %%
sketch = torch.full((1, 1, 28, 28), -1.0, device=device)
sketch[..., 6:24, 10:18] = 0.3
sketch[..., 6:12, 5:23] = 0.6
strengths_t = [0.3, 0.5, 0.7, 0.8, 0.9, 1.0]
shirt = parametrisation.denoiser(flow.velocity(torch.zeros(1, dtype=torch.long, device=device)), schedules.flow)
torch.manual_seed(9)
eps = torch.randn_like(sketch)
edited = [
    last(editing.sdedit(shirt, sketch, samplers.ddim, schedules.flow, solvers.times(24, start=s), eps))
    for s in strengths_t
]
grid(
    torch.cat([sketch, *edited]).cpu(),
    columns=7,
    titles=["sketch"] + [f"t = {s}" for s in strengths_t],
    alt="A sketch of two rectangles turns into a T-shirt as the strength grows from 0.3 to 1",
)

# %% [markdown]
# ## 9 · One step
#
# Thirty-two evaluations an image are thirty-one too many for a phone. Euler's one step fails because paths bend. How
# much? Compare each path's velocity with its own mean: 0 would be straight. Most of the velocity is noise that leaves,
# so the second number says what the images themselves contribute.

# %%
torch.manual_seed(10)
with torch.no_grad():
    e = torch.randn(32, 1, 28, 28, device=device)
    route = [e, *flow.sample(32, steps=pick(smoke=8, laptop=32, gpu=64), solver=solvers.euler, noise=e)]
bend = curvature(route).item()
images_share = (route[-1].var(dim=0).mean() / (route[-1] - route[0]).square().mean()).item()
table(
    [
        {
            "squared deviation of the velocity from its mean, over the square of that mean": bend,
            "variance of the images themselves, on the same scale": images_share,
        }
    ]
)

# %% [markdown]
# There are two cures. **Reflow** (Liu et al. 2023) trains once more, on the pairs (noise, image) that the sampler
# itself made. Its particles never crossed, so the new paths are straighter, and one step errs less. On the spiral, by
# hand:

# %%
torch.manual_seed(0)
ends_of = torch.randn(20_000, 2)
starts_of = last(solvers.euler(velocity, ends_of, solvers.times(60)))  # where each noise leads
straight_net = mlp(3)
optimizer = torch.optim.Adam(straight_net.parameters(), lr=2e-3)

for _ in range(pick(smoke=30, laptop=3000, gpu=3000)):
    pair = torch.randint(len(ends_of), (512,))
    x0, eps, t = starts_of[pair], ends_of[pair], torch.rand(512, 1)
    loss = (straight_net(torch.cat([(1 - t) * x0 + t * eps, t], dim=1)) - (eps - x0)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

straight = lambda x, t: straight_net(torch.cat([x, t.expand(len(x), 1)], dim=1))
start = torch.randn(1500, 2)
bends = {
    name: curvature([start, *solvers.euler(v, start, solvers.times(60))]).item()
    for name, v in {"flow": velocity, "reflow": straight}.items()
}
assert pick(smoke=True, laptop=bends["reflow"] < 0.5 * bends["flow"], gpu=True)
table([{"paths of": name, "deviation from straight": value} for name, value in bends.items()])

# %% [markdown]
# For images the library has this as `course_lib.diffusion.reflow`.
#
# **MeanFlow** (Geng et al. 2025) learns the *average* velocity between two times $r \le t$,
# $u(x_t, r, t) = \tfrac{1}{t - r} \int_r^t v\,d\tau$, with which one step is enough by definition:
#
# $$x_r = x_t - (t-r)\,u(x_t, r, t).$$
#
# Differentiate $(t-r)\,u = \int_r^t v\,d\tau$ with respect to $t$ along the path, $u + (t - r)\,\frac{du}{dt} = v$, and
# rearrange:
#
# $$u = v - (t-r)\,\frac{du}{dt}.$$
#
# No integral is left. The right side is the target; its derivative is one forward-mode product (`torch.func.jvp`),
# along the direction $(v, 0, 1)$ in which $(x_t, r, t)$ moves. No gradient flows into the target: a network that chased
# itself would run away.

# %%
show_code(meanflow.MeanFlow.loss)

# %% [markdown]
# By hand on the spiral, with the velocity net of section 4 (frozen) as the source of $v$:

# %%
torch.manual_seed(0)
mean_net = mlp(4)
optimizer = torch.optim.Adam(mean_net.parameters(), lr=2e-3)
u = lambda x, r, t: mean_net(torch.cat([x, r, t], dim=1))

for _ in range(pick(smoke=30, laptop=4000, gpu=4000)):
    x0 = spiral(512)
    eps, times = torch.randn_like(x0), torch.rand(512, 2)
    r, t = times.amin(1, keepdim=True), times.amax(1, keepdim=True)
    x_t = (1 - t) * x0 + t * eps
    v = net(torch.cat([x_t, t], dim=1)).detach()
    guess, du_dt = torch.func.jvp(u, (x_t, r, t), (v, torch.zeros_like(r), torch.ones_like(t)))
    loss = (guess - (v - (t - r) * du_dt).detach()).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

zeros, ones = torch.zeros(1500, 1), torch.ones(1500, 1)
jumps = {
    "flow, one Euler step": last(solvers.euler(velocity, start, solvers.times(1))),
    "reflow, one Euler step": last(solvers.euler(straight, start, solvers.times(1))),
    "MeanFlow, one step": (start - u(start, zeros, ones)).detach(),
    "flow, 60 steps": last(solvers.euler(velocity, start, solvers.times(60))),
}
beside(
    [points({"drawn": x}, limit=2.6, size=(340, 300), alt=name) for name, x in jumps.items()],
    titles=list(jumps),
    alt="One Euler step lands in the middle; one of reflow or of MeanFlow draws the spiral with some strays, as 60 steps do",
)


# %%
def energy(x: torch.Tensor, y: torch.Tensor) -> float:
    """Energy distance (Székely 2003): 0 if and only if the distributions are equal."""
    return (2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()).item()


off = {name: energy(x, spiral(3000)) for name, x in jumps.items()}
assert pick(smoke=True, laptop=off["MeanFlow, one step"] < 0.5 * off["flow, one Euler step"], gpu=True)
table([{"sampler": name, "energy distance to the data": value} for name, value in off.items()])

# %% [markdown]
# ## 10 · What goes wrong, and how one sees it
#
# | symptom | usual cause | how to see it |
# |---|---|---|
# | grey, washed-out images | too few steps, or the last step does not end at $t = 0$ | the row of step counts in section 6 |
# | burnt-out contrast, all alike | guidance too high | recall falls (section 7) |
# | noise that never clears | another schedule in the sampler than in training | the guess at each step (section 5) is wrong at once |
# | NaN in the first step | $x_0 = (x_t - \sigma\varepsilon)/\alpha$ with $\alpha = 0$ | start at $t = 0.999$, or predict the velocity |
# | a splendid distance | too few samples, or images in $[0, 1]$ | `fashion_score` refuses both |
# | perfect images | copies of the training set | nearest neighbours, as in section 2 |
#
# The last row but one, measured: how far are *real* images from real ones, as their number grows?

# %%
torch.manual_seed(0)
amounts = [150, 250, 500, 1000, 2000] if pick(smoke=False, laptop=True, gpu=True) else [150, 300]
chosen = torch.randperm(len(clothes))
real = [fashion_score(clothes.x[chosen[:k]]).distance for k in amounts]
assert real == sorted(real, reverse=True)
curves(
    {"real against real": real},
    x=amounts,
    xlabel="number of images n",
    ylabel="Fréchet distance",
    log="xy",
    caption="Distances at different n do not compare. A paper that does not state n has not stated a result.",
    alt="The distance between real and real images falls with the number of images",
)

# %% [markdown]
# ## 11 · What was measured
#
# All numbers of this run, at this budget:

# %%
best = by_solver["Adams–Bashforth"]
table(
    [
        {
            "experiment": "order of Euler / Heun on Gaussian data",
            "result": f"{slopes['Euler']:.2f} / {slopes['Heun']:.2f}",
            "expected": "1 / 2",
        },
        {
            "experiment": "drawings of the ideal denoiser that are training images",
            "result": f"{copies} of 6",
            "expected": "6 of 6",
        },
        {
            "experiment": f"Fréchet distance, {counts[0]} evaluation(s), n = {n:,}",
            "result": f"{best[0].distance:.3f}",
            "expected": "bad",
        },
        {
            "experiment": f"Fréchet distance, {counts[-1]} evaluations, n = {n:,}",
            "result": f"{best[-1].distance:.3f}",
            "expected": f"floor {floor:.3f}",
        },
        {
            "experiment": "the shipped checkpoint, as its file states (n = 5,000)",
            "result": f"{said['metrics']['distance']:.3f}",
            "expected": f"floor {said['metrics']['floor']:.3f}",
        },
        {
            "experiment": "recall at guidance 1 / highest",
            "result": f"{by_scale[strengths.index(1.0)].recall:.2f} / {by_scale[-1].recall:.2f}",
            "expected": "falls",
        },
        {"experiment": "bend of the flow's paths", "result": f"{bend:.2f}", "expected": "0 if straight"},
        {
            "experiment": "spiral: bend of the paths, flow / reflow",
            "result": f"{bends['flow']:.3f} / {bends['reflow']:.3f}",
            "expected": "straighter",
        },
        {
            "experiment": "spiral: energy distance, one Euler / one MeanFlow step",
            "result": f"{off['flow, one Euler step']:.3f} / {off['MeanFlow, one step']:.3f}",
            "expected": "much less",
        },
    ],
    caption="course evaluate fashion_flow measures the checkpoint anew.",
)

# %% [markdown]
# ## Exercises
#
# [exercises/03_diffusion.ipynb](../exercises/03_diffusion.ipynb): eleven functions, from `add_noise` to a one-step
# objective, with instant checks. Together they are a small diffusion library.
#
# ## Where to go from here
#
# The models of this module draw what a label says; they cannot read, and their convolutions see only what is near. How
# any part of an image can look at any other, and at the words that ask for it, is the subject of
# [4 · Transformers](04_transformers.ipynb).
#
# ## Further reading
#
# - Ho, Jain, Abbeel 2020, *Denoising Diffusion Probabilistic Models* · Song et al. 2021, *Score-Based Generative Modeling
#   through SDEs*: the two roots.
# - Song, Meng, Ermon 2021, *DDIM* · Lu et al. 2022, *DPM-Solver++* · Karras et al. 2022, *EDM*: how to draw, and what can
#   be chosen freely.
# - Lipman et al. 2023, *Flow Matching* · Liu et al. 2023, *Flow Straight and Fast* · Esser et al. 2024, *Scaling Rectified
#   Flow Transformers*: straight lines, from toy to state of the art.
# - Ho & Salimans 2022, *Classifier-Free Guidance* · Kynkäänniemi et al. 2024, *Guidance in a Limited Interval*.
# - Song et al. 2023, *Consistency Models* · Geng et al. 2025, *Mean Flows*: one step.
# - Meng et al. 2022, *SDEdit* · Wang et al. 2023, *DDNM* · Song et al. 2023, *PiGDM*: editing and inverse problems.
# - Kamb & Ganguli 2025, *An analytic theory of creativity in convolutional diffusion models*: why they do not just copy.
