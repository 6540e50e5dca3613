# %% [markdown]
# # 1 · Generative adversarial networks
#
# **How does one teach a network to draw, if nobody can write down what a good drawing is?** Compare pixels with a
# photograph, and the network learns to draw the blurred mean of all photographs. Goodfellow et al. (2014) had a
# better idea: let a second network be the judge. It learns to tell real images from drawn ones; the first learns to
# be taken for real. Each is the other's loss function, and both get better.
#
# In this notebook you will
#
# 1. play the game by hand on a line, where the best possible judge is known;
# 2. see why a judge who is too good teaches nothing, and meet a distance that always points the way;
# 3. shrink the game to two numbers, watch it turn in circles, and compute what stops it;
# 4. count what a generator forgets: three games, 25 modes, five seeds;
# 5. train a GAN on images and watch for its equilibrium while it learns;
# 6. walk about in its latent space: truncation, interpolation, cut and paste, faces made to order;
# 7. train it five times, to know whether it was luck;
# 8. see what goes wrong, and how one notices;
# 9. see what adversarial losses do today.
#
# You need: PyTorch, probability densities, expectations, eigenvalues of 2×2 matrices. Symbols are those of
# [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md).

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.5, "laptop": 4, "gpu": 3})

# %%
import copy
import math
from functools import partial

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle, softplus

from course_lib import pick
from course_lib.checkpoints import info, pretrained
from course_lib.data import load
from course_lib.data.faces import crossed
from course_lib.data.points import grid as mode_grid
from course_lib.device import pick_device
from course_lib.experiments import fashion_gan_seeds, mixture_games, read
from course_lib.features import faces_score, fashion_score
from course_lib.gans import dirac, equilibrium, games, latent, optimal, penalties, transport
from course_lib.gans.gan import Gan
from course_lib.gans.images import ImageGan
from course_lib.gans.networks import Discriminator, Generator
from course_lib.gans.points import PointGan, coverage
from course_lib.model import last
from course_lib.plotting import beside, curves, field, grid, points, show_code, table, trajectory
from course_lib.recipes import faces_gan
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.widgets import slider

device = pick_device()  # asked for once, here; the library follows its inputs
clothes = load("fashion")  # 5,000 real photographs, 28 x 28, that come with the course
grid(clothes.x[:20], columns=10, alt="Twenty photographs of clothes from Fashion-MNIST", caption="Real images.")

# %% [markdown]
# ## 1 · A game on a line
#
# A **generator** $G$ turns noise $z \sim \mathcal N(0, 1)$ into a sample $G(z)$. A **discriminator** $D$ says with
# which probability a sample is real. It wants to be right; the generator wants it to be wrong:
#
# $$\min_G \max_D \; V(D, G) = \mathbb E_{x \sim p}\big[\log D(x)\big] + \mathbb E_{z}\big[\log(1 - D(G(z)))\big]$$
#
# Suppose the generator stands still and its samples have density $q$. What is the best answer to it? The value is an
# integral over $x$ of $p \log D + q \log(1 - D)$, and at each $x$ the discriminator may choose freely. Set the
# derivative with respect to $D(x)$ to zero:
#
# $$\frac{p}{D} - \frac{q}{1 - D} = 0 \quad\Longrightarrow\quad D^*(x) = \frac{p(x)}{p(x) + q(x)}, \qquad
# V(D^*, G) = 2\,\mathrm{JS}(p, q) - \log 4$$
#
# For the last step write $m = (p + q) / 2$ for the mixture: then $D^* = p / 2m$ and $1 - D^* = q / 2m$, each of the two
# integrals gives a $-\log 2$, and what is left is $\mathbb E_p \log \frac pm + \mathbb E_q \log \frac qm =
# 2\,\mathrm{JS}(p, q)$. With the Kullback–Leibler divergence $\mathrm{KL}(p \Vert m) = \mathbb E_p \log \frac pm$,
# which is never negative, JS is the mean of $\mathrm{KL}(p \Vert m)$ and $\mathrm{KL}(q \Vert m)$: the Jensen–Shannon
# divergence, 0 for equal densities and $\log 2$ for those that do not overlap.
#
# So against a perfect discriminator the generator minimises a divergence, and the game ends at $p = q$ with
# $D^* = \tfrac12$ and $V = -\log 4$. By hand, for two Gaussians of width 1 (a width is a standard deviation here) at
# $\pm 1$, whose $D^*$ is a sigmoid:

# %% tags=["nbval-check-output"]
x = torch.linspace(-12, 12, 4801, dtype=torch.float64)
p, q = (torch.exp(-((x - mean) ** 2) / 2) / math.sqrt(2 * math.pi) for mean in (1.0, -1.0))
best = p / (p + q)
by_hand = torch.trapezoid(p * best.log() + q * (1 - best).log(), x).item()

library = optimal.value(optimal.optimal_discriminator(p, q), p, q, x).item()
divergence = optimal.jensen_shannon(p, q, x).item()
print(f"V(D*) by hand {by_hand:.6f}   library {library:.6f}   2 JS - log 4 = {2 * divergence - math.log(4):.6f}")
print(f"D* is sigmoid(2 x): {bool(torch.allclose(best, torch.sigmoid(2 * x), atol=1e-9))}")
print(f"p = q: V = {optimal.value(torch.full_like(p, 0.5), p, p, x).item():.6f}   -log 4 = {-math.log(4):.6f}")

# %% [markdown]
# Now the game itself. The data are a Gaussian at 1.5 of width 0.5. The generator has two parameters, $G(z) = a + b\,z$;
# so it *can* be right, and we know what right is. The discriminator, the **judge**, is a small network that knows
# nothing of Gaussians. It returns a **score** $f$, the logit of $D$: then $-\log D = \mathrm{softplus}(-f)$ and
# $-\log(1 - D) = \mathrm{softplus}(f)$, which stay finite when the sigmoid rounds to 0 or 1. Ten lines:

# %%
torch.manual_seed(0)
a, b = (torch.tensor([value], requires_grad=True) for value in (-1.5, 1.0))
judge = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
forger = torch.optim.Adam([a, b], lr=1e-2, betas=(0.0, 0.99))
critic_steps = torch.optim.Adam(judge.parameters(), lr=5e-3, betas=(0.0, 0.99))
history = []

for step in range(pick(smoke=60, laptop=800, gpu=800)):
    for _ in range(5):  # the judge goes first, and is given time
        real, fake = 1.5 + 0.5 * torch.randn(256, 1), (a + b * torch.randn(256, 1)).detach()
        loss = softplus(-judge(real)).mean() + softplus(judge(fake)).mean()
        critic_steps.zero_grad(), loss.backward(), critic_steps.step()
    history.append((a.item(), b.item(), -loss.item(), {k: v.clone() for k, v in judge.state_dict().items()}))
    fooled = softplus(-judge(a + b * torch.randn(256, 1))).mean()
    forger.zero_grad(), fooled.backward(), forger.step()

assert history[-1][0] > history[0][0]

# %% [markdown]
# Move the slider through the game. After a few rounds the judge (orange) is, wherever there are samples, close to the
# best possible one (green), although it knows nothing of densities. The generator's density walks to where the judge
# sees reality; when it has arrived, the judge says one half to everything.

# %%
places = torch.linspace(-4, 4, 321)
data_density = optimal.log_normal(places, 1.5, 0.5).exp()


def at_step(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    mean, width, _, weights = history[step]
    judge.load_state_dict(weights)
    with torch.no_grad():
        learned = judge(places[:, None])[:, 0].sigmoid()
    drawn = optimal.log_normal(places, mean, abs(width)).exp()
    return drawn, learned, optimal.optimal_discriminator(data_density, drawn)


def judged(step: int):
    drawn, learned, best = at_step(step)
    nobody = data_density + drawn < 0.01  # no sample comes here: what a judge says does not matter
    lines = {
        "data p": data_density,
        "judge D": learned.masked_fill(nobody, math.nan),
        "best D*": best.masked_fill(nobody, math.nan),
        "drawn q": drawn,
    }
    return curves(
        lines,
        x=places,
        xlabel="x",
        ylabel="density, probability",
        size=(345, 250),
        alt=f"Densities, the judge and the best judge after {step} steps",
    )


shown_steps = [round((len(history) - 1) * share) for share in (0, 0.05, 0.1, 0.2, 0.4, 0.7, 1)]
slider(
    judged,
    {"step": shown_steps},
    shown=4,
    alt="The generator's density moves onto the data's, and the judge becomes flat at one half.",
)

# %%
levels = {"-log 4": -math.log(4)}
value_reached = curves(
    {"value V": [v for *_, v, _ in history]},
    levels=levels,
    xlabel="step of the generator",
    ylabel="V(D, G)",
    size=(345, 250),
    alt="The value of the game falls to minus log 4",
)
parameters = curves(
    {"a": [h[0] for h in history], "|b|": [abs(h[1]) for h in history]},
    levels={"mean": 1.5, "width": 0.5},
    xlabel="step of the generator",
    ylabel="parameter",
    size=(345, 250),
    alt="The generator's two parameters settle at the mean and the width of the data",
)
beside(
    [value_reached, parameters],
    caption="Nobody told the generator the mean or the width of the data. It found both by being judged.",
    alt="Left, the value falls to minus log 4. Right, the parameters reach 1.5 and 0.5",
)


# %%
def off_best(step: int) -> float:
    """|D - D*| on average over real and drawn samples."""
    drawn, learned, best = at_step(step)
    return torch.trapezoid((data_density + drawn) / 2 * (learned - best).abs(), places).item()


end = {name: sum(abs(h[i]) for h in history[-50:]) / 50 for i, name in enumerate(("mean", "width", "value"))}
halfway, off = len(history) // 2, sum(off_best(step) for step in range(len(history) - 50, len(history))) / 50
assert pick(smoke=True, laptop=abs(end["value"] - math.log(4)) < 0.02 and off < 0.05, gpu=True)
table(
    [
        {"last 50 steps": "mean of the samples", "measured": end["mean"], "at the equilibrium": 1.5},
        {"last 50 steps": "width of the samples", "measured": end["width"], "at the equilibrium": 0.5},
        {"last 50 steps": "value of the game", "measured": -end["value"], "at the equilibrium": -math.log(4)},
        {"last 50 steps": "distance of D from D*", "measured": off, "at the equilibrium": 0.0},
        {"last 50 steps": f"the same, but at step {halfway}", "measured": off_best(halfway)},
    ]
)

# %% [markdown]
# ## 2 · A judge who is too good
#
# Did you notice `softplus(-judge(...))` in the forger's line? It is not the $V$ of the formula, whose generator would
# minimise $\log(1 - D)$. Take two Gaussians of width 1 at a distance, and the *best* judge of them. How hard does it
# pull the samples towards the data, depending on what the generator pays?

# %%
show_code(games.saturating)

# %%
show_code(games.fooling)

# %%
gaps = torch.linspace(0.25, 12, 48)
line = torch.linspace(-12, 24, 7201, dtype=torch.float64)
at_zero = optimal.log_normal(line, 0.0, 1.0)
away = [optimal.log_normal(line, gap, 1.0) for gap in gaps.tolist()]
pulls = {
    "−log D": [-optimal.pull(games.fooling, at_zero, far, line).item() for far in away],
    "Wasserstein": [1.0] * len(gaps),
    "log(1 − D)": [-optimal.pull(games.saturating, at_zero, far, line).item() for far in away],
}
apart = {
    "Wasserstein": [transport.gaussian_wasserstein(0.0, 1.0, gap, 1.0) for gap in gaps.tolist()],
    "JS": [optimal.jensen_shannon(at_zero.exp(), far.exp(), line).item() for far in away],
}
beside(
    [
        curves(
            apart,
            x=gaps,
            levels={"log 2": math.log(2)},
            xlabel="distance of the means",
            ylabel="how far apart",
            size=(345, 260),
            alt="The Jensen-Shannon divergence saturates at log 2, the Wasserstein distance grows with the gap",
        ),
        curves(
            pulls,
            x=gaps,
            log="y",
            xlabel="distance of the means",
            ylabel="pull towards the data",
            size=(345, 260),
            alt="The pull of log(1-D) falls exponentially, that of -log D grows, that of Wasserstein is one",
        ),
    ],
    caption="At six widths Jensen–Shannon is within a hundredth of log 2, and its pull is down to about a hundredth.",
    alt="Two charts against the distance of two Gaussians: divergences, and the pull on the samples",
)

# %% [markdown]
# Against the best judge, $\log(1 - D)$ is flat where the samples are: the judge is sure, and its gradient says nothing.
# The trick of the original paper, $-\log D$, has the same resting point and pulls harder the further away a sample is;
# but its gradient is no longer that of a divergence that one would choose (it is that of
# $\mathrm{KL}(q \Vert p) - 2\,\mathrm{JS}(p, q)$; Arjovsky & Bottou 2017). A distance whose gradient is there from the
# start, and never more than one, would be welcome.
#
# ### Earth to be moved
#
# The **Wasserstein distance** $W_1$ is the least distance, on average, over which mass must be carried to turn $q$ into
# $p$. On a line nothing needs to overtake: the smallest sample goes to the smallest, the next to the next. That is a
# sort. By hand:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
real, fake = torch.randn(20_000, dtype=torch.float64) * 0.5 + 1.5, torch.randn(20_000, dtype=torch.float64) - 1.5
by_hand = (real.sort().values - fake.sort().values).abs().mean().item()
library, exact = transport.wasserstein(real, fake).item(), transport.gaussian_wasserstein(1.5, 0.5, -1.5, 1.0)
print(f"by hand {by_hand:.2f}   library {library:.2f}   of the Gaussians themselves {exact:.2f}")

# %% [markdown]
# Images cannot be sorted. But by Kantorovich's duality the same number is a maximum over *functions*,
#
# $$W_1(p, q) = \max_{|f'| \le 1} \;\mathbb E_p f - \mathbb E_q f,$$
#
# and functions can be trained. Such an $f$ is called a **critic**: it scores, without a sigmoid, and its slope is at
# most one. That is the Wasserstein GAN (Arjovsky et al. 2017). On a line the best critic is known. Let $F_p(x)$ and
# $F_q(x)$ be the shares of $p$ and $q$ to the left of $x$; integrating by parts, $\mathbb E_p f - \mathbb E_q f = \int
# f'\,(F_q - F_p)\,\mathrm dx$, which is greatest for $f' = \mathrm{sign}(F_q - F_p)$: up where more fakes than real
# samples lie to the left, down where fewer do. So we can mark a trained critic. To keep its slope $s = |f'|$ down, it
# pays $\lambda\,\mathrm{relu}(s - 1)^2$ at random points between real and generated samples:

# %%
two_humps = lambda n: torch.where(torch.rand(n, 1) < 0.5, -2.0, 2.0) + 0.4 * torch.randn(n, 1)  # real, at both sides
middle = lambda n: 0.6 * torch.randn(n, 1)  # fake


def too_steep(score, real, fake, y):
    between = torch.lerp(real, fake, torch.rand(len(real), 1))
    return (penalties.slopes(score, between, y) - 1).relu().square().mean()


def trained_critic(penalty, weight: float = 10.0):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1, bias=False))
    critic, gains = lambda x, y=None: net(x)[:, 0], []
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.0, 0.9))
    for _ in range(pick(smoke=30, laptop=600, gpu=600)):
        real, fake = two_humps(256), middle(256)
        gain = critic(real).mean() - critic(fake).mean()
        loss = -gain + weight * penalty(critic, real, fake, None)
        optimizer.zero_grad(), loss.backward(), optimizer.step()
        gains.append(gain.item())
    return critic, gains


critic, gains = trained_critic(too_steep)
stuck, stuck_gains = trained_critic(penalties.unit_slope)

# %%
torch.manual_seed(1)
real, fake = two_humps(20_000)[:, 0], middle(20_000)[:, 0]
by_sorting = transport.wasserstein(real, fake).item()
across = torch.linspace(-3, 3, 301)
with torch.no_grad():
    heights = {"slope ≤ 1": critic(across[:, None]), "slope = 1": stuck(across[:, None])}
heights["best"] = transport.optimal_critic(real, fake)(across)
beside(
    [
        curves(
            {name: f - f.mean() for name, f in heights.items()},
            x=across,
            xlabel="x",
            ylabel="critic f(x)",
            size=(345, 260),
            alt="The critic trained with slope at most one is V-shaped like the best, the other is a straight line",
        ),
        curves(
            {"slope ≤ 1": gains, "slope = 1": stuck_gains},
            levels={"by sorting": by_sorting},
            xlabel="step",
            ylabel="E f(real) − E f(fake)",
            size=(345, 260),
            alt="One critic's estimate rises to the sorted value, the other stays near zero",
        ),
    ],
    caption="Real samples at both sides, fakes in the middle. The penalty decides whether the critic can turn round.",
    alt="Left, two trained critics and the best. Right, their estimates of the Wasserstein distance",
)

# %% [markdown]
# There are two things to see. First, a penalty is no wall: at slope $s$ the critic gains $s\,W_1$ and pays
# $\lambda (s-1)^2$, so it goes on to $s = 1 + W_1 / 2\lambda$ and reports $W_1\,(1 + W_1 / 2\lambda)$. Second, the
# penalty of WGAN-GP (Gulrajani et al. 2017) asks for a slope *of* one, not of *at most* one. On a line a slope gets
# from $-1$ to $+1$ only through zero, where this penalty has a peak: a critic that began with the wrong sign on one
# side keeps it. (Where there are more dimensions, a gradient can turn round without vanishing.)

# %%
show_code(penalties.unit_slope)

# %%
tail = lambda values: sum(values[-200:]) / len(values[-200:])
predicted = by_sorting * (1 + by_sorting / (2 * 10))
assert pick(smoke=True, laptop=abs(tail(gains) / predicted - 1) < 0.05 and tail(stuck_gains) < 0.5, gpu=True)
table(
    [
        {"W1": "by sorting 20,000 samples", "value": by_sorting},
        {"W1": "what a critic with λ = 10 should report", "value": predicted},
        {"W1": "trained critic, slope at most one", "value": tail(gains)},
        {"W1": "trained critic, slope of one", "value": tail(stuck_gains)},
    ]
)

# %% [markdown]
# ## 3 · A game of two numbers
#
# In section 1 the judge got five steps to the generator's one. Between two networks of equal size one would rather
# not pay for that: both move, and the game may turn in circles. The smallest game in which this can be seen is the
# **Dirac-GAN** (Mescheder et al. 2018). All data are the number 0. The generator draws the number $\theta$. The
# discriminator is the line $f(x) = \psi\,x$. With the Wasserstein game's losses the generator pays $-\psi\theta$ and
# the discriminator $\psi\theta$; so they move with velocity
#
# $$\dot\theta = \psi, \qquad \dot\psi = -\theta .$$
#
# That is a circle. Neither player is wrong: the generator follows the slope, the discriminator turns against it. For
# every game the Jacobian of the field at the equilibrium tells what happens: its eigenvalues are $\pm i\,\ell'(0)$,
# where $\ell'(0)$ says how steeply the loss falls at a score of zero (1 in the Wasserstein game, $\tfrac12$ for
# softplus). Their real parts are zero, and only real parts below zero lead home. By hand, and by differentiating the
# very losses that train the networks below:

# %% tags=["nbval-check-output"]
by_hand = torch.linalg.eigvals(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
print("circle, by hand:", sorted(round(value.imag, 3) for value in by_hand.tolist()))
for name in ("minimax", "nonsaturating", "wasserstein", "relativistic"):
    for gamma in (0.0, 0.6):
        found = dirac.eigenvalues(dirac.field(getattr(games, name), gamma)).tolist()
        print(f"{name:<14} gamma {gamma}: " + "   ".join(f"{v.real + 0.0:+.3f} {v.imag:+.3f}i" for v in found))

# %%
show_code(dirac.field)

# %% [markdown]
# What helps is friction. **R1** (Mescheder et al. 2018) makes the discriminator pay $\tfrac\gamma2 |f'|^2$ at real
# images, here $\tfrac\gamma2\psi^2$. The eigenvalues become
#
# $$\lambda = -\frac\gamma2 \pm \sqrt{\frac{\gamma^2}4 - \ell'(0)^2} ,$$
#
# those of a spring with friction $\gamma$: with too little it swings, with too much ($\gamma > 2 \ell'(0)$) it creeps.

# %%
plane = partial(field, limit=2.0, xlabel="θ (generator)", ylabel="ψ (discriminator)", size=(290, 280))
beside(
    [
        plane(dirac.field(games.nonsaturating), alt="Arrows in circles around the origin"),
        plane(dirac.field(games.nonsaturating, gamma=0.8), alt="Arrows that spiral into the origin"),
    ],
    titles=["no penalty", "R1, γ = 0.8"],
    alt="Two vector fields of the Dirac-GAN: circles without a penalty, an inward spiral with R1",
)

# %% [markdown]
# Move $\gamma$, in the Wasserstein game: both players move at once, in 120 steps of 0.1.

# %%
start = torch.tensor([[0.8, 0.0]])


def played(gamma: float):
    rules = dirac.field(games.wasserstein, gamma)
    walk = torch.stack([start, *dirac.simultaneous(rules, start, step_size=0.1, steps=120)])
    _, value = dirac.eigenvalues(rules).tolist()
    return trajectory(
        walk,
        limit=1.6,
        xlabel="θ",
        ylabel="ψ",
        size=(228, 222),
        caption=f"λ = {value.real:+.2f}" + (f" ± {value.imag:.2f} i" if value.imag else ", the slower one"),
        alt=f"Path of the players at gamma {gamma}",
    )


slider(
    played,
    {"γ": [0.0, 0.1, 0.2, 0.4, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]},
    shown=6,
    alt="An outward spiral without penalty, an inward spiral with a little, straight home at two, a creep beyond.",
)

# %%
frictions = torch.linspace(0, 6, 121)
pair = [dirac.known_eigenvalues(1.0, gamma) for gamma in frictions.tolist()]
curves(
    {
        "the slower one": [max(a.real, b.real) for a, b in pair],
        "the faster one": [min(a.real, b.real) for a, b in pair],
    },
    x=frictions,
    xlabel="γ",
    ylabel="real part of λ",
    size=(640, 260),
    caption="Home fastest at γ = 2, where the spring stops swinging. More friction only slows.",
    alt="Real parts of both eigenvalues fall together until gamma is 2, then one returns towards zero",
)

# %% [markdown]
# Without friction the path spirals *outwards*: a step of size $h$ along the tangent of a circle ends outside of it, by
# a factor $\sqrt{1 + h^2 \ell'(0)^2}$ each time. If the players take **turns**, the generator answers to what the
# discriminator has just become, and the two moves together are a rotation (in suitable coordinates), which stretches
# nothing. So GANs are trained in turns; but taking turns alone brings nobody home.

# %% tags=["nbval-check-output"]
h, circle = 0.2, dirac.field(games.wasserstein)
both = torch.eye(2, dtype=torch.float64) + h * dirac.jacobian(circle)
turns = torch.tensor([[1 - h**2, h], [-h, 1.0]], dtype=torch.float64)  # first psi, then theta
for name, move in {"at once": both, "in turns": turns}.items():
    print(f"{name:<9} each move stretches by {torch.linalg.eigvals(move).abs().max():.6f}")
print(f"sqrt(1 + h^2) = {math.hypot(1, h):.6f}")

# %%
ways = {
    "at once": dirac.simultaneous(circle, start, h, 120),
    "in turns": dirac.alternating(circle, start, h, 120),
    "in turns, with R1": dirac.alternating(dirac.field(games.wasserstein, 0.5), start, h, 120),
}
curves(
    {name: [state.norm() for state in states] for name, states in ways.items()},
    log="y",
    xlabel="step",
    ylabel="distance from the equilibrium",
    caption="The Wasserstein game on two numbers. Friction, not patience, brings the players home.",
    alt="Distance from the equilibrium: grows when both move at once, stays in turns, falls with R1",
)

# %% [markdown]
# ## 4 · What a generator forgets
#
# Now with networks, and with data that have something to lose: 25 narrow Gaussians on a grid. A mode counts as
# **found** if at least a tenth of its share of the samples lies on it, and a sample is of **high quality** if it is
# within three widths of a mode. Of the real data that holds for a share of $1 - e^{-9/2}$. The ruler first:

# %% tags=["nbval-check-output"]
mixture = mode_grid(5)
ruler = coverage(mixture.sample(100_000, seed=0)[0], mixture)
print(f"real data: {ruler.modes} modes, quality {ruler.quality:.2f}; expected 25 and {1 - math.exp(-9 / 2):.2f}")

# %% [markdown]
# The library's GAN is the loop of section 1: two losses, two optimisers, in turns. The discriminator first:

# %%
show_code(Gan.discriminator_loss)

# %%
show_code(Gan.generator_loss)

# %% [markdown]
# A **game** is a pair of such losses and a penalty. Three that made history:
#
# | game, scores $f$ of real and $\hat f$ of generated images | discriminator pays | generator pays | penalty |
# |---|---|---|---|
# | non-saturating (2014) | $\mathrm{softplus}(-f) + \mathrm{softplus}(\hat f)$ | $\mathrm{softplus}(-\hat f)$ | none |
# | WGAN-GP (2017) | $\hat f - f$ | $-\hat f$ | $(\text{slope} - 1)^2$ in between |
# | R3GAN (2024) | $\mathrm{softplus}(\hat f - f)$ | $\mathrm{softplus}(f - \hat f)$ | slope² on real (R1), on fake (R2) |
#
# R3GAN's scores are **relativistic**: an image is not real or fake, it is more real than another. So a generator that
# puts all its samples on one mode is still beaten by the real samples on every other. Together with the friction of
# section 3, on real and on generated images, this is the objective that Huang et al. (2024) kept when they threw out
# ten years of tricks.

# %%
show_code(games.ranking)

# %%
show_code(penalties.both_sides)

# %% [markdown]
# All three get the same two perceptrons, the same optimiser and the same number of steps. The training loop is in plain
# sight, and looks at what the generator covers as it goes on:

# %%
show_code(mixture_games.training)


# %%
def watched(training: train_steps, looks: int = 16):
    """Train; return what was covered on the way, and the samples at those times."""
    ema, counts, clouds = Ema(training.model, decay=0.99), [], []
    for step in training:
        ema.update()
        if (step.index + 1) % max(training.steps // looks, 1) == 0:
            clouds.append(last(ema.model.sample(2500)))
            counts.append(coverage(clouds[-1], mixture))
    return counts, clouds


def point_gan(game: games.Game) -> PointGan:
    torch.manual_seed(0)
    return PointGan(game)


steps = pick(smoke=32, laptop=2000, gpu=6000)
lived = {
    name: watched(mixture_games.training(point_gan(game), steps, seed=0)) for name, game in mixture_games.GAMES.items()
}
beside(
    [
        points(
            {"data": mixture.sample(500, seed=1)[0], "drawn": clouds[-1][:500]},
            limit=1.1,
            size=(230, 230),
            alt=f"Samples of {name}: {counts[-1].modes} modes of 25, quality {counts[-1].quality:.2f}",
        )
        for name, (counts, clouds) in lived.items()
    ],
    titles=[f"{name}: {counts[-1].modes} modes" for name, (counts, _) in lived.items()],
    caption=f"One seed, {steps:,} steps each.",
    alt="Samples of three games over the 25 modes of the data",
)

# %% [markdown]
# One seed is an anecdote. Five seeds and more steps were run once and **logged**;
# `course_lib/experiments/mixture_games.py` is the code that made the log, with the settings above.

# %%
logged = read("mixture_games")
by_game = {name: [run for run in logged if run.name == name] for name in dict.fromkeys(run.name for run in logged)}
mean_of = lambda runs, curve: torch.tensor([run.curves[curve] for run in runs]).mean(dim=0)
percent = torch.linspace(0, 100, len(logged[0].curves["modes"]))
beside(
    [
        curves(
            {name: mean_of(runs, curve) for name, runs in by_game.items()},
            x=percent,
            levels=levels,
            xlabel="% of training",
            ylabel=label,
            size=(345, 260),
            alt=f"{label} of three games during training",
        )
        for curve, label, levels in (("modes", "modes found", {"all": 25}), ("quality", "share of high quality", {}))
    ],
    caption=f"Mean of {len(by_game['R3GAN'])} seeds, {logged[0].steps:,} steps each.",
    alt="Two charts for three games during training: modes found, and share of samples of high quality",
)

# %%
table(
    [
        {
            "game": name,
            **{f"modes, seed {run.seed}": int(run.results["modes"]) for run in runs},
            "quality, mean": sum(run.results["quality"] for run in runs) / len(runs),
        }
        for name, runs in by_game.items()
    ],
    caption="After the last step, on 2,500 samples of the averaged generator.",
)

# %%
complete = sum(run.results["modes"] == 25 for run in by_game["R3GAN"])
assert complete >= 4
fewest = {name: min(int(run.results["modes"]) for run in runs) for name, runs in by_game.items()}

# %% [markdown]
# The non-saturating game finds nearly every mode and then forgets a quarter of them, while the quality of its samples
# rises above the others': judged one by one, they are the best. WGAN-GP and R3GAN keep 24 or 25. Whether a generator
# draws well and whether it draws everything are two questions.

# %% [markdown]
# ### Mode collapse
#
# Here is the loss of modes at its worst. It is the same non-saturating game, but its optimiser has momentum 0.9, as is
# usual elsewhere in deep learning, and a learning rate that does not fall. The generator piles its samples on a spot
# that the discriminator does not know yet; the discriminator learns the spot; the generator moves on. It is the circle
# of section 3, with networks. Move through the training:

# %%
heavy = train_steps(
    point_gan(games.nonsaturating),
    mixture_games.batches(seed=0),
    pick(smoke=24, laptop=1000, gpu=1500),
    optimizer=partial(adamw, lr=2e-3, betas=(0.9, 0.99)),
)
collapsed, seen = watched(heavy, looks=12)


def collapse(look: int):
    return points(
        {"data": mixture.sample(600, seed=1)[0], "drawn": seen[look - 1][:600]},
        limit=1.3,
        size=(230, 230),
        caption=f"{collapsed[look - 1].modes} of 25 modes",
        alt=f"Samples at look {look}: {collapsed[look - 1].modes} modes of 25",
    )


slider(
    collapse,
    {"look": list(range(1, len(seen) + 1))},
    shown=6,
    alt="The samples gather on few spots, and on other spots later.",
)

# %%
table(
    [
        {
            "training": name,
            "modes found, mean of the looks": sum(c.modes for c in counts) / len(counts),
            "fewest, second half": min(c.modes for c in counts[len(counts) // 2 :]),
            "mean spread of the samples": sum(x.std(dim=0).mean().item() for x in clouds) / len(clouds),
        }
        for name, (counts, clouds) in {"non-saturating, momentum 0.9": (collapsed, seen), **lived}.items()
    ],
    caption=f"The data have 25 modes and a spread of {mixture.sample(2500, seed=1)[0].std(dim=0).mean():.2f}.",
)

# %% [markdown]
# ## 5 · The same on images
#
# Nothing changes but the networks. The generator turns noise and label into 7×7 features, grows them to 14×14 and
# unfolds each of these into 2×2 pixels. That is DCGAN (Radford et al. 2016), without the convolutions at full size. It
# normalises each feature over the batch, so that the images of a batch *must* differ, which helps against collapse.

# %%
show_code(Generator.forward)

# %% [markdown]
# The discriminator goes the other way, without any normalisation: the penalty measures the slope at each image by
# itself, and a batch norm would tie it to the others. The label enters by **projection** (Miyato & Koyama 2018): one
# score for "looks real", one for "looks like its label", added.

# %%
show_code(Discriminator.forward)

# %% [markdown]
# How does one watch a game? A loss says little: it is measured against an opponent who changes. At the **equilibrium**
# the generated images are distributed like the real ones, and no discriminator can do better than a coin: of a real and
# a generated image it scores the real one higher half of the time. So we plot its accuracy during training, on real
# images that it never saw, and beside it the Fréchet distance of the generated images from real ones (section 5 of the
# [introduction](00_introduction.ipynb)).

# %%
show_code(equilibrium.accuracy)

# %%
torch.manual_seed(0)
model = ImageGan(width=pick(smoke=8, laptop=32, gpu=48)).to(device)
ema, steps = Ema(model, decay=pick(smoke=0.9, laptop=0.99, gpu=0.999)), pick(smoke=4, laptop=500, gpu=3000)
judged_images = pick(smoke=150, laptop=500, gpu=2000)  # at each look
unseen = load("fashion", "test").to(device)[: pick(smoke=50, laptop=500, gpu=1000)]
photographs = clothes.to(device)
noise, labels = torch.randn(judged_images, model.latent, device=device), torch.arange(judged_images, device=device) % 10
training = train_steps(
    model,
    photographs.batches(pick(smoke=16, laptop=64, gpu=64), seed=0),
    steps,
    optimizer=partial(adamw, lr=1e-3, betas=(0.0, 0.99)),
    lr_factor=warmup_cosine(steps, end=0.2),
)
when = sorted({round(2 * (steps / 2) ** (i / 7)) for i in range(8)})  # evenly spaced on a logarithmic axis
looks, snapshots, generators = [], [], []

for step in training:
    ema.update()
    if step.index + 1 in when:
        drawn, latest = (last(m.sample(judged_images, labels, noise=noise)).cpu() for m in (ema.model, model))
        snapshots.append(drawn[:10])
        generators.append(copy.deepcopy(ema.model.generator))
        looks.append(
            {
                "accuracy": equilibrium.accuracy(model, unseen.x, unseen.labels),
                "averaged": fashion_score(drawn).distance,
                "last weights": fashion_score(latest).distance,
            }
        )

grid(
    torch.cat(snapshots[1::2]),
    columns=10,
    row_titles=[f"{at} steps" for at in when[1::2]],
    caption="The same noise, drawn while a small GAN learns. Each column is a class.",
    alt="Rows of ten images: noise turns into clothes while the GAN trains",
)

# %% [markdown]
# There is a catch. The accuracy compares the generator with *its* discriminator of the moment, which may have lost
# track: a judge who knows nothing is a coin too. To ask whether the images can be told apart, let the generator stand
# still and train a **fresh judge** against it, for the same number of steps each time. That is what section 1 did with
# its five steps. The best result that a generator can have here is that of a cheat, which hands out photographs:


# %%
class Cheat(nn.Module):
    """Draws real images."""

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return photographs.x[by_class[y, torch.randint(by_class.shape[1], y.shape, device=y.device)]]


least = photographs.labels.bincount().min()
by_class = torch.stack([(photographs.labels == c).nonzero()[:least, 0] for c in range(10)])


def told_apart(generator: nn.Module) -> float:
    """The accuracy of a fresh judge on unseen images, after a short training against one generator."""
    torch.manual_seed(0)
    trial = ImageGan(width=16, game=games.nonsaturating).to(device)
    trial.generator = generator
    optimizer = torch.optim.Adam(trial.discriminator.parameters(), lr=1e-3)
    for batch, _ in zip(photographs.batches(64, seed=1), range(pick(smoke=2, laptop=60, gpu=300))):
        loss = trial.discriminator_loss(batch)["loss"]
        optimizer.zero_grad(), loss.backward(), optimizer.step()
    return equilibrium.accuracy(trial, unseen.x, unseen.labels)


fresh, cheat = [told_apart(generator) for generator in generators], told_apart(Cheat())

# %%
assert looks[-1]["averaged"] < looks[0]["averaged"] and abs(cheat - 0.5) < 0.2
assert pick(smoke=True, laptop=fresh[-1] < fresh[1] - 0.01, gpu=True)
column = lambda name: [look[name] for look in looks]
beside(
    [
        curves(
            {"its opponent": column("accuracy"), "a fresh judge": fresh},
            x=when,
            levels={"photographs": cheat},
            log="x",
            xlabel="step",
            ylabel="accuracy on unseen images",
            size=(345, 260),
            alt="Two accuracies begin near one and fall; that of photographs is one half",
        ),
        curves(
            {name: column(name) for name in ("averaged", "last weights")},
            x=when,
            log="xy",
            xlabel="step",
            ylabel="Fréchet distance",
            size=(345, 260),
            alt="The distance of the generated images from real ones falls, lower with averaged weights",
        ),
    ],
    caption="Left, who can tell the drawings from photographs. Right, how far they are from photographs.",
    alt="Left, accuracy of two discriminators; right, distance of the images; both against the training step",
)

# %% [markdown]
# The right chart also shows what **averaging** is worth. The last weights are wherever the game happens to be on its
# way round; the exponential moving average of the weights (EMA) lies near the middle of the circle. In the Dirac-GAN
# one can see it: average the circle, and one is home.

# %% tags=["nbval-check-output"]
orbit = torch.cat(list(dirac.alternating(dirac.field(games.wasserstein), torch.tensor([[1.0, 0.0]]), 0.1, 1000)))
print(f"last state {orbit[-1].norm():.1f} from the equilibrium, mean state {orbit.mean(dim=0).norm():.1f}")

# %%
torch.manual_seed(1)
z = torch.randn(10, model.latent, device=device)
grid(
    torch.cat([last(m.sample(10, noise=z)).cpu() for m in (model, ema.model)]),
    columns=10,
    row_titles=["last", "averaged"],
    caption="The same noise through the weights of the last step and through their average.",
    alt="Two rows of the same ten clothes: those from the averaged weights are a little smoother",
)

# %% [markdown]
# ## 6 · A walk in latent space
#
# The course ships the same model, larger and trained longer on all 60,000 images. What its file says of it:

# %%
gan = pretrained("fashion_gan").to(device)
said = info("fashion_gan")
table(
    [
        {
            "checkpoint": "fashion_gan",
            "generator's parameters": sum(p.numel() for p in gan.generator.parameters()),
            **said["metrics"],
        }
    ],
    caption=f"Trained by the recipe {said['recipe']} on {said['data']}.",
)

# %% tags=["cover"]
torch.manual_seed(3)
grid(
    last(gan.sample(60)).cpu(),
    columns=10,
    titles=clothes.classes,
    alt="Sixty pieces of clothing drawn by the GAN, six of each class",
    caption="Drawn from noise in one pass of the network, each column a class.",
)

# %%
told = {"the small GAN": fresh[-1], "the checkpoint": told_apart(gan.generator), "a cheat, with photographs": cheat}
assert pick(smoke=True, laptop=told["the checkpoint"] < told["the small GAN"], gpu=True)
table(
    [{"drawn by": name, "a fresh judge's accuracy": accuracy} for name, accuracy in told.items()],
    caption="The same short training for each judge; 0.5 is a coin.",
)

# %% [markdown]
# One pass of one network; the flow of module 3 is given 32. Are these new clothes, or training images? Below each its
# nearest neighbour among 5,000 real images, by pixels:

# %%
torch.manual_seed(4)
novel = last(gan.sample(10)).cpu()
gaps = torch.cdist(novel.flatten(1), clothes.x.flatten(1))
among_real = torch.cdist(clothes.x[:10].flatten(1), clothes.x[10:].flatten(1)).amin(dim=1).mean().item()
grid(
    torch.cat([novel, clothes.x[gaps.argmin(dim=1)]]),
    columns=10,
    row_titles=["drawn", "nearest real"],
    caption=f"Mean distance to the nearest: {gaps.amin(dim=1).mean():.1f}, where a copy's is 0; from one real image to the "
    f"next: {among_real:.1f}.",
    alt="Ten drawn clothes above their nearest real neighbours: alike in kind, different in detail",
)

# %% [markdown]
# ### Truncation
#
# Noise near the centre of the Gaussian was seen often in training, noise far out seldom. **Truncation** (Brock et
# al. 2019) draws it from the normal distribution cut off at a limit: typical images, fewer kinds of them. What it costs
# is measured below by *precision*, the share of drawn images that lie among the real ones, and *recall*, the share of
# real images that lie among the drawn ones. The cut is a map of quantiles, so that one piece of noise moves
# continuously as the limit moves:

# %%
show_code(latent.truncated)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
normal = torch.randn(200_000, dtype=torch.float64)
for limit in (0.5, 1.0, 2.0):
    cut = latent.truncated(normal, limit)
    density, mass = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi), math.erf(limit / math.sqrt(2))
    expected = math.sqrt(1 - 2 * limit * density / mass)
    print(f"limit {limit}: within it {bool(cut.abs().max() <= limit)}, width {cut.std():.2f}, expected {expected:.2f}")

# %%
torch.manual_seed(5)
z = torch.randn(10, gan.latent, device=device)
kind = torch.tensor([5] * 5 + [8] * 5, device=device)  # sandals and bags: the most varied classes
limits = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, math.inf]


def cut_off(limit: float):
    drawn = last(gan.sample(10, kind, truncation=limit, noise=z))
    return grid(drawn.cpu(), columns=5, width=320, alt=f"Sandals and bags with noise cut off at {limit}")


slider(
    cut_off,
    {"truncation": limits},
    shown=4,
    alt="Sandals and bags: all alike when the noise is cut off early, varied without truncation.",
).prepare()

# %%
n = pick(smoke=150, laptop=1000, gpu=5000)
torch.manual_seed(0)
z, y = torch.randn(n, gan.latent, device=device), torch.arange(n, device=device) % 10


def score(limit: float):
    parts = zip(z.split(500), y.split(500))
    return fashion_score(torch.cat([last(gan.sample(len(e), c, truncation=limit, noise=e)).cpu() for e, c in parts]))


cuts = pick(
    smoke=[0.5, math.inf], laptop=[0.2, 0.5, 1.0, 1.5, 2.0, math.inf], gpu=[0.1, 0.2, 0.5, 1.0, 1.5, 2.0, math.inf]
)
by_limit = [score(limit) for limit in cuts]
assert by_limit[0].recall <= by_limit[-1].recall
table(
    [{"truncation": f"{limit:g}", **s._asdict()} for limit, s in zip(cuts, by_limit)],
    columns=["truncation", "distance", "excess", "precision", "recall", "n"],
    caption="Truncation buys precision with recall, as guidance does for diffusion. The distance judges both.",
)

# %% [markdown]
# ### Interpolation
#
# Two pieces of noise are two images. What lies between them? In 64 dimensions a Gaussian has almost nothing at its
# centre: the norm of a draw is about 8, always. The straight line between two draws cuts through the empty middle; an
# arc of a great circle (**slerp**) does not.

# %%
show_code(latent.slerp)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
ends = torch.randn(2, 20_000, 64)
line, arc = torch.lerp(ends[0], ends[1], 0.5), latent.slerp(ends[0], ends[1], 0.5)
for name, middle_of in {"ends": ends[0], "middle of the lines": line, "middle of the arcs": arc}.items():
    print(f"{name:<20} norm {middle_of.norm(dim=1).mean():.1f} ± {middle_of.norm(dim=1).std():.1f}")

# %%
torch.manual_seed(10)
ends = torch.randn(2, 10, gan.latent, device=device)
ten = torch.arange(10, device=device)


def between(t: float):
    drawn = last(gan.sample(10, ten, noise=latent.slerp(*ends, t)))
    return grid(drawn.cpu(), columns=10, alt=f"Ten clothes at {t} of the way between two pieces of noise")


slider(
    between,
    {"t": [i / 10 for i in range(11)]},
    shown=6,
    alt="Ten clothes, each of which turns into another of its class without a jump.",
).prepare()

# %% [markdown]
# No image here is a double exposure of two others. One can also walk between labels, although training showed ten of
# them and nothing in between: keep the noise, and go from one label's vector to another's.

# %%
words = gan.generator.label.weight  # one vector a class
from_to = [(0, 3), (5, 9), (1, 8)]
shares = torch.linspace(0, 1, 9, device=device)[:, None]
torch.manual_seed(8)
z = torch.randn(len(from_to), gan.latent, device=device)


@torch.no_grad()
def features(z: torch.Tensor, word: torch.Tensor) -> torch.Tensor:
    """The generator's 7 x 7 features."""
    return gan.generator.seed(torch.cat([z, word], dim=1)).unflatten(1, gan.generator.start)


@torch.no_grad()
def rendered(h: torch.Tensor) -> torch.Tensor:
    """The rest of the generator: features to images."""
    g = gan.generator
    return pixel_shuffle(g.unfold(g.fine(pixel_shuffle(g.grow(g.coarse(h)), 2))), 2).tanh().cpu()


walks = [
    rendered(features(e.expand(len(shares), -1), torch.lerp(words[a], words[b], shares)))
    for e, (a, b) in zip(z, from_to)
]
grid(
    torch.cat(walks),
    columns=len(shares),
    row_titles=[f"{clothes.classes[a]} → {clothes.classes[b]}" for a, b in from_to],
    alt="Three rows in which one kind of clothing turns into another",
)

# %% [markdown]
# ### Cut and paste
#
# The 7×7 features still lie on a map of the image. Take the upper four rows from one dress and the lower three from
# another, and let the rest of the generator render them together: it sews.

# %%
torch.manual_seed(9)
dress = words[torch.tensor([3] * 5, device=device)]
above, below = (features(torch.randn(5, gan.latent, device=device), dress) for _ in range(2))
sewn = [rendered(torch.cat([above[i : i + 1, :, :4].expand(5, -1, -1, -1), below[:, :, 4:]], dim=2)) for i in range(5)]
tops, bottoms = rendered(above), rendered(below)
page = [torch.ones_like(tops[:1]), bottoms, *[part for i in range(5) for part in (tops[i : i + 1], sewn[i])]]
grid(
    torch.cat(page),
    columns=6,
    width=420,
    caption="Upper half from the left, lower half from above.",
    alt="A table of dresses: the first column gives their upper half, the first row their lower half, without a seam",
)

# %% [markdown]
# ### Faces made to order
#
# The second checkpoint draws pixel-art faces, of which every attribute is known. Its label says four things at once:
# hair, hat, glasses, mouth. Down: one of them is changed. Across: other noise, the same in every row.

# %%
faces = pretrained("faces_gan").to(device)
orders = faces_gan.data(1).classes  # such as "long none none happy"
wishes = {
    "plain": "long none none happy",
    "short hair": "short none none happy",
    "hat": "long hat none happy",
    "dark glasses": "long none dark happy",
    "sad": "long none none sad",
    "all of it": "short hat dark sad",
}
torch.manual_seed(10)
z = torch.randn(10, faces.latent, device=device)
rows = [
    last(faces.sample(10, torch.full((10,), orders.index(wish), device=device), noise=z)) for wish in wishes.values()
]
grid(
    torch.cat(rows).cpu(),
    columns=10,
    row_titles=list(wishes),
    alt="Six rows of ten pixel-art faces: each row shows what was ordered, each column stays much the same person",
)

# %% [markdown]
# Did it draw what it was told? A network that reads attributes looks at the drawings, and, for comparison, at real
# faces:

# %%
n_faces = pick(smoke=144, laptop=960, gpu=4800)
torch.manual_seed(11)
ordered = torch.arange(n_faces, device=device) % len(orders)
drawn = torch.cat([last(faces.sample(len(part), part)).cpu() for part in ordered.split(480)])
real_faces = crossed(load("faces"), faces_gan.TOLD)
shown_by = {
    "drawn": faces_gan.obeyed(drawn, ordered.cpu()),
    "real": faces_gan.obeyed(real_faces.x[:n_faces], real_faces.labels[:n_faces]),
}
of_faces = faces_score(drawn)
table(
    [{"faces": name, **shares} for name, shares in shown_by.items()],
    caption=f"Share of {n_faces:,} faces that show what their label says. Drawn: {of_faces}.",
)

# %% [markdown]
# ## 7 · Is it luck?
#
# GANs are notorious for diverging. The recipe of the checkpoint was run from five seeds (other weights, other noise,
# another order of the images), and logged:

# %%
five = read("fashion_gan_seeds")
measured = fashion_gan_seeds.MEASURED  # images at each look
over = lambda curve: torch.linspace(0, five[0].steps, len(five[0].curves[curve]))
beside(
    [
        curves(
            {f"seed {run.seed}": run.curves["distance"] for run in five},
            x=over("distance"),
            levels={"floor": fashion_score(clothes.x[:measured]).floor},
            log="y",
            xlabel="step",
            ylabel="Fréchet distance",
            size=(345, 280),
            alt="Five curves of the distance fall together",
        ),
        curves(
            {f"seed {run.seed}": run.curves["discriminator/accuracy"] for run in five},
            x=over("discriminator/accuracy"),
            levels={"a coin": 0.5},
            xlabel="step",
            ylabel="accuracy in training",
            size=(345, 280),
            alt="Five curves of the discriminator's accuracy lie on each other",
        ),
    ],
    caption=f"{len(five)} trainings of {five[0].steps:,} steps each, distances at n = {measured:,}.",
    alt="Distance and accuracy during training for five seeds, which agree",
)

# %% [markdown]
# None diverges, and all arrive at about the same distance. Look at the right chart too: at first the generators gain on
# their opponents, and then, as the steps get smaller, the opponents gain. Yet the distance keeps falling. An opponent's
# accuracy says who is ahead, and only a fresh judge, with the same time for everybody, says how good the images are.

# %%
final = [run.results["distance"] for run in five]
assert all(math.isfinite(value) and value < run.curves["distance"][0] for run, value in zip(five, final))
table(
    [{"seed": str(run.seed), **run.results} for run in five],
    columns=["seed", "distance", "floor", "precision", "recall", "n"],
    caption=f"After the last step. Processor time of one run: {five[0].seconds / 60:.0f} minutes on {five[0].device}.",
)

# %% [markdown]
# ## 8 · What goes wrong, and how one sees it
#
# | symptom | usual cause | how to see it |
# |---|---|---|
# | the same few images again and again | mode collapse | count modes (section 4); recall falls |
# | nothing moves, the judge is always right | a saturating loss (section 2) | accuracy stays at 1 |
# | images change for ever, get no better | no friction, or momentum (section 3) | last and averaged weights differ much |
# | losses look calm, images are bad | a loss is relative to its opponent | draw a distance beside it (section 5) |
# | an accuracy of one half from the start | a judge that knows nothing | the distance does not fall (section 5) |
# | a critic that reports too little | a penalty that it cannot cross | compare with a known answer (section 2) |
# | NaN, or a penalty that explodes | slopes squared in half precision | `penalties.slopes` computes in float32 |
# | images splendid, one like the other | truncation | precision and recall, never one alone (section 6) |
#
# ## 9 · Where GANs live today
#
# R3GAN (Huang et al. 2024) is the game of this notebook at full size. Many adversarial losses now work for *other*
# models: they sharpen the decoders of tokenizers (VQGAN, Esser et al. 2021), super-resolution, image-to-image
# translation (module 6), and students of diffusion models that draw in one to four steps (ADD, Sauer et al. 2023;
# DMD2, Yin et al. 2024).
#
# Why do they need it? Because a squared error asks for a mean. Take points on a circle, and a network that is given the
# horizontal coordinate $u$ and some noise and must name the vertical one, $v$. Two answers are right, and their mean is
# wrong. By hand, with the library's game:


# %%
def perceptron() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
    )


def circle_points(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    angle = 2 * math.pi * torch.rand(n, 1)
    return 0.8 * angle.cos(), 0.8 * angle.sin() + 0.02 * torch.randn(n, 1)


def student(adversarial: bool) -> nn.Module:
    torch.manual_seed(0)
    net, judge = perceptron(), perceptron()
    score = lambda x, y=None: judge(x)[:, 0]
    teach, judge_step = (torch.optim.Adam(m.parameters(), betas=(0.0, 0.99)) for m in (net, judge))
    count = pick(smoke=20, laptop=1500, gpu=3000)
    for i in range(count):
        for group in teach.param_groups + judge_step.param_groups:
            group["lr"] = 2e-3 * (1 - i / count)  # ever smaller circles
        u, v = circle_points(256)
        guess = net(torch.cat([u, torch.randn(256, 1)], dim=1))
        real, fake = torch.cat([u, v], dim=1), torch.cat([u, guess], dim=1)
        loss = (guess - v).square().mean()
        if adversarial:
            still = fake.detach()
            judged = games.relativistic.discriminator(score(real), score(still))
            judged = judged + 0.1 * penalties.both_sides(score, real, still, torch.zeros(256))
            judge_step.zero_grad(), judged.backward(), judge_step.step()
            loss = games.relativistic.generator(score(real), score(fake))
        teach.zero_grad(), loss.backward(), teach.step()
    return net


students = {"squared error": student(adversarial=False), "adversarial": student(adversarial=True)}
torch.manual_seed(1)
u, v = circle_points(5000)
with torch.no_grad():
    answers = {name: net(torch.cat([u, torch.randn(5000, 1)], dim=1)) for name, net in students.items()}
beside(
    [
        points(
            {"data": torch.cat([u, v], dim=1)[:1000], "answers": torch.cat([u, guess], dim=1)[:1000]},
            limit=1.1,
            xlabel="u (given)",
            ylabel="v",
            size=(340, 320),
            alt=f"Answers of the network trained with {name}",
        )
        for name, guess in answers.items()
    ],
    titles=list(answers),
    caption="The mean of two right answers is wrong. A judge asks for one or the other.",
    alt="Left, answers on a line through the middle of the circle. Right, nearly all answers on the circle",
)

# %% [markdown]
# Nearly all adversarial answers lie on the circle, and their squared error is *worse*: the error of a guess drawn from the
# right distribution is exactly twice that of the mean (Blau & Michaeli 2018), here $2 \times 0.32$. No single number
# says which is better. That trade is the subject of super-resolution in module 6.

# %%
error = {name: (guess - v).square().mean().item() for name, guess in answers.items()}
off_circle = {
    name: (torch.cat([u, guess], dim=1).norm(dim=1) - 0.8).abs().mean().item() for name, guess in answers.items()
}
assert pick(smoke=True, laptop=off_circle["adversarial"] < 0.5 * off_circle["squared error"], gpu=True)
table(
    [
        {"trained with": name, "squared error": error[name], "mean distance from the circle": off_circle[name]}
        for name in answers
    ],
    caption="The least squared error that any answer can have is 0.32, half of the squared radius.",
)

# %% [markdown]
# ## 10 · What was measured
#
# All numbers of this run, at this budget; those of logged runs are marked as such:

# %%
table(
    [
        {
            "experiment": "value of the game on a line, last 50 steps",
            "result": f"{-end['value']:.3f}",
            "expected": f"-log 4 = {-math.log(4):.3f}",
        },
        {
            "experiment": "the judge's mean distance from D*, last 50 steps",
            "result": f"{off:.3f}",
            "expected": "0",
        },
        {
            "experiment": "Wasserstein distance: trained critic",
            "result": f"{tail(gains):.2f}",
            "expected": f"{by_sorting:.2f} by sorting, {predicted:.2f} with a soft penalty",
        },
        {
            "experiment": "Dirac-GAN, non-saturating: eigenvalues without R1 / with γ = 0.6",
            "result": " / ".join(
                f"{v.real + 0.0:.1f} ± {v.imag:.1f} i"
                for v in (dirac.eigenvalues(dirac.field(games.nonsaturating, g))[1] for g in (0.0, 0.6))
            ),
            "expected": "0 ± 0.5 i / -0.3 ± 0.4 i",
        },
        *(
            {
                "experiment": f"{name}: fewest modes of 25 in {len(runs)} seeds (logged)",
                "result": str(fewest[name]),
                "expected": "25 in at least four seeds" if name == "R3GAN" else "–",
            }
            for name, runs in by_game.items()
        ),
        {
            "experiment": "the non-saturating game with momentum 0.9: modes at the last look",
            "result": str(collapsed[-1].modes),
            "expected": "collapse",
        },
        {
            "experiment": f"accuracy of the opponent: highest / after {steps:,} steps",
            "result": f"{max(column('accuracy')):.2f} / {looks[-1]['accuracy']:.2f}",
            "expected": "towards 1/2",
        },
        {
            "experiment": f"Fréchet distance then, n = {judged_images:,}: averaged / last weights",
            "result": f"{looks[-1]['averaged']:.2f} / {looks[-1]['last weights']:.2f}",
            "expected": "averaging helps",
        },
        {
            "experiment": "a fresh judge's accuracy: small GAN / checkpoint / photographs",
            "result": " / ".join(f"{accuracy:.2f}" for accuracy in told.values()),
            "expected": "towards 1/2",
        },
        {
            "experiment": "shipped checkpoint, as its file states (n = 5,000)",
            "result": f"{said['metrics']['distance']:.3f}",
            "expected": f"floor {said['metrics']['floor']:.3f}",
        },
        {
            "experiment": f"recall at truncation {cuts[0]:g} / without",
            "result": f"{by_limit[0].recall:.2f} / {by_limit[-1].recall:.2f}",
            "expected": "rises",
        },
        {
            "experiment": "faces that show the hair / hat / glasses / mouth they were told",
            "result": " / ".join(f"{share:.2f}" for share in shown_by["drawn"].values()),
            "expected": " / ".join(f"{share:.2f}" for share in shown_by["real"].values()) + " (real faces)",
        },
        {
            "experiment": "distance after training from five seeds (logged): least to most",
            "result": f"{min(final):.3f} to {max(final):.3f}",
            "expected": "none diverges",
        },
        {
            "experiment": "circle: squared error, adversarial over least squares",
            "result": f"{error['adversarial'] / error['squared error']:.2f}",
            "expected": "2",
        },
    ],
    caption="course evaluate fashion_gan measures the checkpoint anew.",
)

# %% [markdown]
# ## Exercises
#
# [exercises/01_gans.ipynb](../exercises/01_gans.ipynb): twelve functions, from the best discriminator to truncation,
# with instant checks.
#
# ## Where to go from here
#
# A GAN draws in a single pass, but it cannot say how likely an image is, nor which noise a given photograph would come
# from. A model that answers both questions, within a bound, is the subject of [2 · VAEs](02_vaes.ipynb).
#
# ## Further reading
#
# - Goodfellow et al. 2014, *Generative Adversarial Nets*: eight pages, still the best start.
# - Arjovsky & Bottou 2017, *Towards Principled Methods for Training GANs* · Arjovsky et al. 2017, *Wasserstein GAN* ·
#   Gulrajani et al. 2017, *Improved Training of Wasserstein GANs*: what too good a judge does, and a distance that helps.
# - Mescheder, Geiger, Nowozin 2018, *Which Training Methods for GANs do actually Converge?*: section 3 is its Dirac-GAN.
# - Jolicoeur-Martineau 2019, *The Relativistic Discriminator* · Sun, Fang, Schwing 2020, *Towards a Better Global Loss
#   Landscape of GANs* · Huang et al. 2024, *The GAN is dead; long live the GAN!*: the way to R3GAN.
# - Radford et al. 2016, *DCGAN* · Miyato & Koyama 2018, *cGANs with Projection Discriminator* · Brock et al. 2019,
#   *BigGAN* · Karras et al. 2019, 2020, 2021, *StyleGAN 1, 2, 3*: networks, labels, truncation, styles.
# - Sauer et al. 2021, *Projected GANs Converge Faster* · Esser et al. 2021, *Taming Transformers* (VQGAN) · Sauer et al.
#   2023, *Adversarial Diffusion Distillation* · Yin et al. 2024, *Improved Distribution Matching Distillation*.
# - Blau & Michaeli 2018, *The Perception–Distortion Tradeoff*.
