# %% [markdown]
# # 0 · Introduction
#
# **What does it mean that a machine can draw?** Nobody has ever written down which of all arrays of $28 \times 28$ numbers
# are photographs of shoes. There are examples, and there is the wish for more of the kind: new ones, as varied as the
# examples, none of them a copy. A *generative model* is a program that has learned from examples how to make more. This
# course builds five kinds of them, puts them to use, and asks what they do to the people who meet their pictures.
#
# In this notebook you will
#
# 1. check your set-up, and see what each notebook will cost you;
# 2. draw from one curve in five ways, on which the modules that follow are built;
# 3. see which idea came when;
# 4. try the models that come with the course;
# 5. measure how good pictures are, and fool the measures;
# 6. compare all families on the same data: the leaderboard;
# 7. learn how the exercises work.
#
# You need: Python, a little PyTorch, probability densities, expectations. Symbols are those of
# [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md).

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.4, "laptop": 2, "gpu": 1})

# %%
import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from course_lib import pick
from course_lib.applications import synthesis
from course_lib.checkpoints import available, info, pretrained
from course_lib.data import BUNDLED, load
from course_lib.data.fashion import fashion
from course_lib.data.images import to_float
from course_lib.data.video import bouncing
from course_lib.device import pick_device, profile, seeded
from course_lib.experiments import board
from course_lib.features import fashion_features, fashion_score
from course_lib.gans.transport import wasserstein
from course_lib.grading.check import check
from course_lib.metrics import embed, frechet_distance, interval, kernel_distance
from course_lib.model import last
from course_lib.notebooks import catalogue
from course_lib.plotting import animation, beside, curves, grid, show_code, table, timeline
from course_lib.widgets import slider, text_box

device = pick_device()  # asked for once, here; the library follows its inputs

# %% [markdown]
# ## 1 · Your set-up
#
# The line below the first cell says where you are: which device, in which precision, under which **profile**. A profile
# is a budget. `smoke` takes seconds and only shows that all runs; `laptop` is meant for a processor, `gpu` for a
# graphics card, such as Colab's free one. Wherever a notebook spends time, all three are in plain sight,
# `pick(smoke=20, laptop=300, gpu=3000)`, and what takes long to train comes with the course. The variable
# `COURSE_PROFILE` chooses another profile.

# %%
sizes = {name: len(load(name)) for name in BUNDLED}
minutes = {name: catalogue.minutes(catalogue.find(name)) for name in catalogue.names() if name != "00_introduction"}
assert len(minutes) == 7, "a module is missing: install the course anew"
table(
    [{"notebook": name, "minutes, about": stated[profile()]} for name, stated in minutes.items()],
    caption=f"Under your profile, {profile()}. {len(available())} trained models and {len(sizes)} data sets are in place.",
)

# %% [markdown]
# ## 2 · Five ways to draw from one curve
#
# Take the smallest world: pictures of a single pixel. The density of its values has two humps,
# $p(x) = \sum_k w_k\, \mathcal N(x;\, m_k, s_k^2)$. Here everything about $p$ is known, so we can write down five
# programs that draw from it, each in a few lines. They have nothing in common but the outcome. On images none of the
# five can be written down, and modules 1 to 5 **learn** them instead.

# %%
w, m, s = torch.tensor([0.6, 0.4]), torch.tensor([-1.2, 1.1]), torch.tensor([0.4, 0.6])
n = pick(smoke=2_000, laptop=20_000, gpu=20_000)


def density(x: Tensor) -> Tensor:
    return (w * torch.exp(-(((x[:, None] - m) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi))).sum(1)


def below(x: Tensor) -> Tensor:
    """F(x): the share of the curve to the left of x."""
    return (w * (1 + torch.erf((x[:, None] - m) / (s * math.sqrt(2)))) / 2).sum(1)


# %% [markdown]
# **A map** (module 1, GANs). Take plain noise, $u$ uniform in $(0, 1)$, and bend it: $x = G(u)$. On a line the right
# map is known, $G = F^{-1}$, where $F(x)$ is the share of the curve to the left of $x$: the noise below 0.3 goes to
# where the first 30 % of the curve lie. That takes one evaluation, and says nothing about $p(x)$: such a model is
# called *implicit*. A GAN learns $G$ by a game against a judge.

# %%
places = torch.linspace(-4, 4, 4001)


def by_map(n: int) -> Tensor:
    return places[torch.searchsorted(below(places), torch.rand(n)).clamp(max=4000)]


# %% [markdown]
# **A latent** (module 2, VAEs). Decide first what cannot be seen, then what can: $z \sim p(z)$, $x \sim p(x \mid z)$. Here
# $z$ says which hump. A VAE learns both, and an encoder $q(z \mid x)$ beside them, which looks at an $x$ and guesses its $z$.


# %%
def by_latent(n: int) -> Tensor:
    z = torch.multinomial(w, n, replacement=True)
    return m[z] + s[z] * torch.randn(n)


# %% [markdown]
# **A path** (module 3, diffusion and flows). Mix data with noise, $x_t = (1 - t)\, x_0 + t\, \varepsilon$, and ask in
# which direction a mixture must have been going *on average*: the velocity
# $v(x_t, t) = \mathbb E[\varepsilon - x_0 \mid x_t]$. Start at pure noise, $t = 1$, and walk against it to $t = 0$; why
# the average is enough is shown in module 3. A flow learns $v$ by least squares; a denoiser is the same thing seen from
# another side.


# %%
def velocity(x: Tensor, t: float) -> Tensor:
    spread = ((1 - t) * s) ** 2 + t**2  # of the mixtures that come from hump k
    off = x[:, None] - (1 - t) * m
    likely = (w.log() - off**2 / (2 * spread) - spread.log() / 2).softmax(1)  # which hump?
    return (likely * (off * (t - (1 - t) * s**2) / spread - m)).sum(1)


def by_path(n: int, steps: int = 50) -> Tensor:
    x = torch.randn(n)
    for k in range(steps, 0, -1):
        x = x - velocity(x, (k - 0.5) / steps) / steps
    return x


# %% [markdown]
# **Word by word** (module 4, transformers). Write $x$ as a row of binary digits and decide one after the other, each
# given those before it: left or right half? then which quarter? By the chain rule the product of these probabilities is
# exactly $p(x)$. A transformer learns them for images that have been cut into tokens. A **state space model**
# (module 5) does the same with a memory that does not grow, however long the row.


# %%
def by_words(n: int, digits: int = 12) -> Tensor:
    low, high = torch.full((n,), -4.0), torch.full((n,), 4.0)
    for _ in range(digits):
        middle = (low + high) / 2
        left = (below(middle) - below(low)) / (below(high) - below(low))
        goes_left = torch.rand(n) < left
        low, high = torch.where(goes_left, low, middle), torch.where(goes_left, middle, high)
    return (low + high) / 2


# %% [markdown]
# **Uphill, with noise** (module 3 again). The slope of the logarithm of the density, the *score* $\nabla \log p(x)$,
# points to where there is more. Follow it a little, add a little noise, and repeat: if the steps are small, you end up
# distributed as $p$, wherever you began (Langevin dynamics). It takes a long time to get from one hump to another,
# which is why diffusion models walk down a path of noise levels instead.


# %%
def by_climbing(n: int, steps: int = 600, size: float = 0.02) -> Tensor:
    x = 2 * torch.randn(n)
    for _ in range(steps):
        off = x[:, None] - m
        likely = (w.log() - (off / s) ** 2 / 2 - s.log()).softmax(1)
        slope = (likely * -off / s**2).sum(1)
        x = x + size * slope + math.sqrt(2 * size) * torch.randn(n)
    return x


# %% [markdown]
# Do they draw the same? Two samples of a line can be compared without any doubt: sort both, and see how far the $k$-th
# smallest is from the $k$-th smallest (the Wasserstein distance). Two samples of the *true* curve are not equal either,
# and their distance is what the five have to be held against: a **floor**, the first thing to ask for whenever a
# distance is stated.

# %%
ways = {"map": by_map, "latent": by_latent, "path": by_path, "words": by_words, "climbing": by_climbing}
evaluations = dict(zip(ways, (1, 1, 50, 12, 600)))
torch.manual_seed(0)
drawn = {name: way(n) for name, way in ways.items()}
floors = interval([wasserstein(by_latent(n), by_latent(n)).item() for _ in range(5)])
table(
    [
        {
            "way": name,
            "evaluations": evaluations[name],
            "distance to a true sample": wasserstein(x, by_latent(n)).item(),
        }
        for name, x in drawn.items()
    ],
    caption=f"{n:,} samples each. True samples among each other: {floors}, the mean of five pairs and its interval.",
)

# %% tags=["nbval-check-output"]
for name, x in drawn.items():
    print(f"{name:8s} as near as true samples are: {wasserstein(x, by_latent(n)).item() < 0.15}")

# %%
centres = torch.linspace(-3, 3, 61)


def beside_truth(way: str):
    counted = torch.histc(drawn[way], 61, -3.05, 3.05) / (0.1 * n)
    return curves(
        {"true": density(centres), way: counted},
        x=centres,
        xlabel="x",
        ylabel="density",
        size=(245, 220),
        alt=f"Histogram of samples drawn by way of {way}, beside the true curve with two humps",
    )


slider(beside_truth, {"way": list(ways)}, shown=3, alt="A histogram of drawn samples beside the true density.")

# %% [markdown]
# What differs is what else each can tell, and what it costs. To *weigh* an $x$ is to state its density:
#
# | module | what is learned | from which question | can it weigh, $p(x)$? | evaluations an image |
# |---|---|---|---|---|
# | 1 GANs | a map from noise | can a judge tell? | no | 1 |
# | 2 VAEs | a decoder, an encoder | how many bits to describe $x$? | a bound | 1 |
# | 3 diffusion, flows | a velocity, a denoiser | what was it before the noise? | yes, by solving an equation | 1 to 50 |
# | 4 transformers | the next token | what comes next? | yes | as many as tokens, or fewer in rounds |
# | 5 state space models | the next token or frame | what comes next, from a memory of fixed size? | yes | as many as tokens |
#
# They are also built into each other: a flow in the latents of a VAE, a transformer over the tokens of another VAE with a judge
# at its end. Module 6 puts them to work, and module 7 asks who bears the cost.
#
# ## 3 · Which idea came when

# %%
# fmt: off
papers = {
    "GANs": [(2014.45, "GAN"), (2015.9, "DCGAN"), (2016.9, "pix2pix"), (2017.1, "WGAN"), (2017.25, "CycleGAN"),
             (2018.75, "BigGAN"), (2018.95, "StyleGAN"), (2025.0, "R3GAN")],
    "VAEs": [(2013.95, "VAE"), (2015.65, "IWAE"), (2017.85, "VQ-VAE"), (2020.5, "NVAE"), (2023.7, "FSQ")],
    "diffusion": [(2015.2, "nonequilibrium thermodynamics"), (2019.55, "score matching with noise"), (2020.45, "DDPM"),
                  (2020.75, "DDIM"), (2020.9, "score SDE"), (2021.95, "latent diffusion"), (2022.4, "EDM"),
                  (2022.55, "classifier-free guidance"), (2022.75, "flow matching"), (2023.15, "consistency"),
                  (2025.4, "MeanFlow")],
    "transformers": [(2016.05, "PixelRNN"), (2017.45, "Attention Is All You Need"), (2020.95, "VQGAN"),
                     (2021.15, "DALL·E"), (2022.1, "MaskGIT"), (2022.95, "DiT"), (2024.25, "VAR")],
    "state spaces": [(2020.6, "HiPPO"), (2021.85, "S4"), (2022.45, "S4D"), (2023.8, "ConvS5"), (2023.9, "Mamba"),
                     (2024.4, "Mamba-2")],
}
# fmt: on
timeline(
    papers,
    caption="First public versions of papers whose ideas you will build. PixelRNN had no transformer yet, but its question.",
    alt="Timeline from 2013 to 2026: VAEs and GANs begin in 2013 and 2014; diffusion is proposed in 2015 and takes over from "
    "2020; tokens and transformers from 2016, state space models from 2020",
)

# %% [markdown]
# Two things are worth seeing. Most ideas lay about for years before somebody made them work: diffusion for five (2015
# to 2020), images written piece by piece for five (PixelRNN to DALL·E). And no tradition has ended: a GAN of 2025
# trains stably with a loss and two penalties from 2018, flows now reach a GAN's single step, and what decides between
# them is less the idea than what one needs, how fast, and on which machine.
#
# ## 4 · A tour
#
# The course brings small trained models, each with a card that says what it is for and how it was measured. Move the
# sliders: by mouse, or click one and use the arrow keys.

# %%
makers = {
    "GAN": synthesis.fashion_by_gan,
    "VAE": synthesis.fashion_by_vae,
    "flow": synthesis.fashion_by_flow,
    "tokens": synthesis.fashion_by_raster,
}
kinds = fashion("test").classes


def by_all(kind: str):
    label = torch.full((8,), kinds.index(kind))
    return grid(
        torch.cat([make(label, seed=0) for make in makers.values()]),
        columns=8,
        row_titles=list(makers),
        alt=f"Eight images of {kind} by each of four models",
    )


slider(
    by_all,
    {"draw a": pick(smoke=["sneaker", "bag"], laptop=list(kinds), gpu=list(kinds))},
    shown=2,
    alt="Eight clothes of one kind by a GAN, a VAE, a flow and a transformer.",
)

# %% [markdown]
# **From noise to image.** A flow at work, and the image that it has in mind at each step: $x_t - t\, v$, where the path
# would end if it went straight on.

# %% tags=["cover"]
flow = pretrained("fashion_flow").to(device)
labels = torch.arange(10, device=device)
with seeded(3, device):
    states = [torch.randn(10, 1, 28, 28, device=device)]
    states += list(flow.sample(10, labels, steps=16, noise=states[0]))


@torch.no_grad()
def on_the_way(step: int):
    t = 1 - step / 16
    ahead = states[step] - t * flow.velocity(labels)(states[step], torch.tensor(t, device=device))
    return grid(
        torch.cat([states[step], ahead]).clamp(-1, 1).cpu(),
        columns=10,
        row_titles=["now", "in mind"],
        alt=f"Ten images after {step} of 16 steps from noise, above the clothes that the model has in mind",
    )


slider(
    on_the_way,
    {"step": list(range(17))},
    shown=4,
    alt="Noise that becomes ten kinds of clothes, and the image that the model has in mind.",
)

# %% [markdown]
# **A map of all clothes.** A VAE with two latents: every point of the plane is a garment, and neighbours are alike.

# %%
plane = pretrained("fashion_map").to(device)
axis = [round(-2 + 0.5 * k, 1) for k in range(9)]


@torch.no_grad()
def garment(across: float, up: float):
    return plane.decode(torch.tensor([[across, up]], device=device)).cpu()


slider(garment, {"z₁": axis, "z₂": axis}, shown=6, alt="A garment decoded from a point of the plane.")

# %% [markdown]
# **Words.** This one knows eighteen words; type a caption that it has not seen.

# %%
text_box(
    lambda caption: grid(
        synthesis.shapes_from_words([caption] * 4, seed=5),
        columns=4,
        alt=f"Four pictures drawn from the caption: {caption}",
    ),
    "a large green star above a small purple circle",
    alt="Four drawn scenes of two shapes.",
)

# %% [markdown]
# **Films.** One frame is shown; the rest is drawn, frame by frame, by a state space model. Where a garment flies is
# left to chance once, and the model must then keep to it.

# %%
films = pretrained("sprites_video").to(device)
first = bouncing(5, 2, seed=2, count=1, size=32, split="test").x[:, :1].to(device)
with seeded(1, device):
    drawn_film = films.possible(first, pick(smoke=4, laptop=19, gpu=19)).cpu()
animation(
    torch.cat([first.cpu(), drawn_film], 1).transpose(0, 1),
    columns=5,
    seconds=4,
    alt="Five short films in which a piece of clothing flies about and bounces off the walls",
)

# %% [markdown]
# ## 5 · How good is it?
#
# There is no right answer to hold a drawing against. So one compares *sets*: many drawings with many photographs. A
# small network turns each image into 128 features in which clothes differ; then one asks whether two clouds of points
# are alike. The **Fréchet distance** fits a Gaussian to each cloud and compares means $m$ and covariances $S$ by
# $\lVert m_1 - m_2 \rVert^2 + \operatorname{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2})$. In one dimension, with standard
# deviations $s$, that is $(m_1 - m_2)^2 + (s_1 - s_2)^2$:

# %% tags=["nbval-check-output"]
x = torch.randn(50_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
a, b = x, 3 + 2 * x
by_hand = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
print(
    f"by hand {by_hand:.6f}   library {frechet_distance(a, b):.6f}   close to 3² + (2 - 1)²: {abs(by_hand - 10) < 0.1}"
)

# %%
show_code(frechet_distance)

# %% [markdown]
# This is FID, but for the network that gives the features. It is the field's most quoted number, and it can mislead in
# at least six ways. Each is an experiment.
#
# **Trap 1: the number of samples.** Compare photographs with other photographs. The right distance is 0. The number
# that comes out depends on how many were taken:

# %%
net = fashion_features()
shuffled = torch.randperm(5_000, generator=torch.Generator().manual_seed(0))
photographs = embed(fashion("train").x[shuffled[: pick(smoke=1_200, laptop=5_000, gpu=5_000)]], net)
counts = pick(smoke=[150, 300, 600], laptop=[150, 300, 600, 1200, 2500], gpu=[150, 300, 600, 1200, 2500])
halves = [(photographs[:k], photographs[k : 2 * k]) for k in counts]
by_count = [frechet_distance(one, other) for one, other in halves]
kernel = [kernel_distance(one, other, block=50) for one, other in halves]
beside(
    [
        curves(
            {"Fréchet": by_count},
            x=counts,
            log="xy",
            xlabel="photographs on each side",
            ylabel="Fréchet distance",
            size=(350, 270),
            alt="The Fréchet distance between photographs falls as one over their number",
        ),
        curves(
            {
                "kernel distance": [estimate.value for estimate in kernel],
                "+ 2 errors": [estimate.value + 2 * estimate.error for estimate in kernel],
                "− 2 errors": [estimate.value - 2 * estimate.error for estimate in kernel],
            },
            x=counts,
            log="x",
            levels={"truth": 0.0},
            xlabel="photographs on each side",
            ylabel="kernel distance",
            size=(350, 270),
            alt="The kernel distance between photographs is zero within its error at each number",
        ),
    ],
    caption="Photographs against photographs. The kernel distance has no such bias, only noise.",
    alt="Left: the Fréchet distance of photographs falls with their number. Right: the kernel distance stays at zero.",
)

# %% tags=["nbval-check-output"]
shrinks = by_count[0] / by_count[-1]
print(f"falls about as 1 / n: {0.6 < shrinks / (counts[-1] / counts[0]) < 1.6}")

# %% [markdown]
# So a model measured on 50,000 samples beats the same model measured on 10,000. This course always states the
# **excess** over the floor of photographs at the same $n$.
#
# **Trap 2: what happened to the pixels.** The same 1,000 photographs, after things that programs do to images without
# saying so. The first of them is what the warm-up exercise is about.

# %%
real = fashion("test").x[: pick(smoke=200, laptop=1000, gpu=1000)]
fates = {
    "photographs": real,
    "levels cut off, not rounded": to_float(((real + 1) * 127.4).to(torch.uint8)),
    "a fifth brighter, clipped": (1.2 * (real + 1) - 1).clamp(-1, 1),
    "a fifth brighter, ran over": to_float((1.2 * (real + 1) * 127.5).long().remainder(256).to(torch.uint8)),
    "shrunk to 14 pixels and back": interpolate(avg_pool2d(real, 2), size=28, mode="bilinear"),
    "every second pixel, and back": interpolate(real[..., ::2, ::2], size=28, mode="bilinear"),
    "a mean over 3 x 3 pixels": avg_pool2d(real, 3, 1, 1, count_include_pad=False),
    "mirrored": real.flip(-1),
}
grid(
    torch.cat([image[:8] for image in fates.values()]),
    columns=8,
    row_titles=list(fates),
    alt="Eight photographs in each of eight treatments; most differences are hard to see",
)

# %%
harm = {name: fashion_score(image).excess for name, image in fates.items()}
table(
    [{"what was done": name, "excess": excess} for name, excess in harm.items()],
    caption="For comparison: the course's best model has an excess of "
    f"{info('fashion_flow')['metrics']['excess']:.2f} at n = 5,000.",
)

# %% [markdown]
# All of them are photographs. Half a level of darkness does not matter to this judge, and a fifth more light hardly
# does, as long as it is clipped. But a thumbnail that was enlarged again, which looks the same on a slide, is further
# from photographs than the drawings of most models here; and so are mirrored photographs: the judge knows that shoes
# point to the left. And images in $[0, 1]$, fed to a network that expects $[-1, 1]$, would give a number too. That one
# is caught at the door:

# %%
try:
    fashion_score((real + 1) / 2)
except ValueError as error:
    print(error)

# %% [markdown]
# **Trap 3: copies.** A program that hands out its training images is perfect in the eyes of every measure above: no
# distance asks whether a picture is *new*. Nor does it need many. Let it repeat a few:

# %%
seen, most = fashion("test").x, pick(smoke=300, laptop=1000, gpu=1000)
repeats = {}
for k in pick(smoke=(50, 300), laptop=(50, 200, 1000), gpu=(50, 200, 1000)):
    repeats[f"{k:,} photographs, over and over"] = fashion_score(seen[torch.arange(most) % k])
table(
    [
        {"what is handed out": name, "excess": score.excess, "precision": score.precision, "recall": score.recall}
        for name, score in repeats.items()
    ],
    caption="Recall, the share of real images that have a drawn one nearby, notices a small stock; nothing notices a large one.",
)

# %% [markdown]
# Module 7 looks for copies by other means.
#
# **Trap 4: one number for two virtues.** A model can fail by drawing what is not real, or by leaving out what is. *Precision*
# is the share of drawings that lie among the photographs, *recall* the share of photographs that lie among the drawings.
# Draw the GAN's noise from a narrower range (truncation), and one is bought with the other:

# %%
gan = pretrained("fashion_gan").to(device)
widths = pick(smoke=[0.5, 1.0], laptop=[0.4, 0.55, 0.7, 0.85, 1.0], gpu=[0.4, 0.55, 0.7, 0.85, 1.0])
count = pick(smoke=200, laptop=1500, gpu=5000)
which = torch.arange(count, device=device) % 10
with seeded(0, device):
    noise = torch.randn(count, gan.latent, device=device)
narrowed = [last(gan.sample(count, which, noise=width * noise)).clamp(-1, 1).cpu() for width in widths]
scores = [fashion_score(images) for images in narrowed]
beside(
    [
        curves(
            {"precision": [score.precision for score in scores], "recall": [score.recall for score in scores]},
            x=widths,
            xlabel="width of the noise",
            ylabel="share of the images",
            size=(350, 270),
            alt="With narrower noise precision rises and recall falls",
        ),
        grid(
            torch.cat([narrowed[0][7:80:10], narrowed[-1][7:80:10]]),
            columns=4,
            width=330,
            row_titles=[f"width {widths[0]:g}", "", "width 1", ""],
            alt="Sneakers from narrow noise are alike; from full noise they differ",
        ),
    ],
    caption="Narrow noise draws the typical sneaker again and again: more precise, and less of the world.",
    alt="Left: precision rises and recall falls as noise narrows. Right: alike sneakers above varied ones.",
)

# %% [markdown]
# **Trap 5: likelihood.** If a model can weigh images, its mean $-\log_2 p(x)$ on those that it has not seen, divided by
# the number of pixels, is how many **bits a dimension** it would take to send one. That is an honest measure: no
# features, no floor, and a model that forgets part of the data pays without limit. But it is no measure of beauty
# (Theis, van den Oord & Bethge 2016). Mix a good model $p$ with 99 % noise. All but one in a hundred of its drawings
# are noise, and since the mixture has at least a hundredth of $p$'s density everywhere, its bits rise by at most

# %% tags=["nbval-check-output"]
print(f"log2(100) / 784 = {math.log2(100) / 784:.4f} bits a dimension")

# %% [markdown]
# while the models of this course differ by tenths of a bit. (The other way round, a model with beautiful samples may
# put no mass at all on an image that it did not see.)
#
# **Trap 6: chance.** Draw again, and the number is another. Whoever states one number has rolled the dice once; the
# course states an interval over repeats, and says what was repeated: the draws, the training from another seed, or the
# choice of labels.

# %%
again = []
for seed in range(pick(smoke=2, laptop=5, gpu=5)):
    with seeded(seed, device):
        again.append(fashion_score(last(gan.sample(count, which)).clamp(-1, 1).cpu()).excess)
over = interval(again)
print(f"one GAN, {len(again)} draws of {count:,}: excess {over}, from {min(again):.3f} to {max(again):.3f}")
assert over.low <= over.mean <= over.high

# %% [markdown]
# ## 6 · The leaderboard
#
# Now the same question to all families: draw 5,000 clothes, classes in turn. Each was trained once on all of Fashion-MNIST,
# and each draw is judged by the same network, at the same $n$, several times from other noise. Nothing in this table is typed:
# it comes from logged runs, `course log leaderboard` measures it anew, and `course leaderboard` writes it into the README.

# %%
board.table()

# %%
board.figure("drawing")

# %%
board.figure("training")

# %% tags=["nbval-check-output"]
found = {row.name: row for row in board.rows()}
best_flow = min((row for row in found.values() if row.family == "diffusion"), key=lambda row: row.excess.mean)
print(f"best excess of all that were trained: {best_flow.name}")
print(f"fewest bits: {min((row for row in found.values() if row.bits), key=lambda row: row.bits).name}")

# %% [markdown]
# Read it with the traps in mind.
#
# - **No column decides.** The flow draws best. With eight evaluations it still leads, and takes sixty times as long for an image
#   as the GAN. Whether that is much depends on how many images somebody wants.
# - **What looks best does not compress best.** The bits of the VAE and of the tokens bound what a program would need that sends
#   the test images; the flow's are far worse, although nobody would prefer the VAE's pictures. (Trap 5, the other way round.)
# - **A judge has a taste.** A Gaussian fitted to the pixels of each class draws nothing that you would wear, and comes out before
#   the plain VAE: blur troubles this judge more than noise does. Trap 2 said so.
# - **Fitting the prior**, a minute's work after the training, brings the VAE from last to the middle. The pictures were in it, but
#   it was asked for them in the wrong way (module 2).
# - **Order matters as much as architecture.** The same tokens one by one, by a transformer or by Mamba-2, are level within chance;
#   drawn in eight rounds they are clearly worse. At this size; elsewhere it may be the other way.
# - **A network is worth what it was fed.** The DiT (module 4) learns the same flow with a transformer in place of the U-Net. In as many
#   minutes it saw each image a third as often, and with as many evaluations it ends three times as far from real clothes.
# - **One run each.** The intervals are over draws. What another seed of the training would have given, nobody has paid for.

# %% [markdown]
# ## 7 · How the exercises work
#
# Each module has a notebook of exercises in `exercises/`. A task is a function with its shapes; you write the lines
# that are missing, and `check("its name")` in the cell below tells at once what is right. If an answer is wrong in a
# known way, it names the misconception. Here is an answer to one task, which turns floats into the bytes of a file:


# %%
def to_uint8(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).to(torch.uint8)


check("to_uint8")

# %% [markdown]
# Two mistakes in one answer, and each gets its sentence. Solve it in
# [exercises/00_introduction.ipynb](../exercises/00_introduction.ipynb): five minutes, and you know how all the others
# work. Instructors grade the same notebooks with hidden tests, on other inputs.
#
# ## Where to go from here
#
# Modules 1 to 3 stand by themselves, in any order; 4 uses the tokens of module 2 and the flows of module 3; 5 compares
# itself with 4. Modules 6 and 7 use what came before, and each says what it needs. The course begins with the model
# that is simplest to draw from, [1 · GANs](01_gans.ipynb); if you have only one evening, take module 3.
#
# | module | the question |
# |---|---|
# | [1 · GANs](01_gans.ipynb) | can a second network be the judge? |
# | [2 · VAEs](02_vaes.ipynb) | which few numbers is an image made of? |
# | [3 · Diffusion](03_diffusion.ipynb) | how does one walk from noise to an image? |
# | [4 · Transformers](04_transformers.ipynb) | is an image a sentence? |
# | [5 · State space models](05_ssms.ipynb) | what must one remember to go on? |
# | [6 · Applications](06_applications.ipynb) | what is it good for? |
# | [7 · Ethics](07_ethics.ipynb) | what does it do to people? |
#
# ## Further reading
#
# - Theis, van den Oord, Bethge 2016, *A Note on the Evaluation of Generative Models*: likelihood, samples and distances can
#   disagree completely.
# - Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule*: the Fréchet distance. Bińkowski et al. 2018,
#   *Demystifying MMD GANs*: the kernel distance, and the bias of the other. Parmar, Zhang, Zhu 2022, *On Aliased Resizing*.
# - Kynkäänniemi et al. 2019, *Improved Precision and Recall Metric for Assessing Generative Models*.
# - Prince 2023, *Understanding Deep Learning*, chapters 14 to 18; Murphy 2023, *Probabilistic Machine Learning: Advanced
#   Topics*, part IV; Tomczak 2024, *Deep Generative Modeling*: three books that go with the whole course.
