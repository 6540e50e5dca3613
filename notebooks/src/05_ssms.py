# %% [markdown]
# # 5 · State space models, sequences and video
#
# **How much must one remember of what one has seen?** A transformer remembers everything: each new word, pixel or
# frame is compared with all that came before, and the longer the story, the dearer the next word. A state space model
# keeps a state of fixed size instead, and must decide what goes into it. What it forgets is gone; but the millionth
# step costs what the first did.
#
# In this notebook you will
#
# 1. turn a differential equation into steps, in two ways, and measure how wrong each is;
# 2. compute one system in three ways that give the same numbers: step by step, as a convolution, and as a scan;
# 3. look at what a state of sixteen numbers remembers of five hundred;
# 4. see why a fixed system cannot copy what matters, and watch Mamba choose;
# 5. find out that attention and recurrence are two ways to multiply the same matrices, and what each costs;
# 6. write images pixel by pixel with a memory that never grows;
# 7. foresee films: bouncing things and nightfall, ten times further than any clip in training.
#
# You need: PyTorch, a little linear algebra, modules 2 (latents), 3 (flows) and 4 (attention, the KV cache). Symbols
# are those of [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md).

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.7, "laptop": 7, "gpu": 4})

# %%
import math
import time
from functools import partial

import torch
from torch.nn.functional import scaled_dot_product_attention, softplus

from course_lib import pick
from course_lib.checkpoints import info, pretrained
from course_lib.data.atlas import sheet
from course_lib.data.digits import digits
from course_lib.device import pick_device
from course_lib.experiments import read as read_log
from course_lib.model import last
from course_lib.nn.attention import Cache
from course_lib.plotting import animation, beside, curves, grid, heat, show_code, table
from course_lib.recipes import nightfall_video, sprites_video
from course_lib.ssms import duality, hippo, linear, recall, s4d, scan
from course_lib.ssms.backbone import Stack, remembered_bytes
from course_lib.ssms.discretise import bilinear, zoh
from course_lib.ssms.mamba import Mamba
from course_lib.ssms.mamba2 import Mamba2
from course_lib.ssms.s4block import S4Block
from course_lib.ssms.selective import selective_loop, selective_scan, selective_step
from course_lib.ssms.video import contest, measures, mixers
from course_lib.ssms.video.contest import FRAMES, HORIZON, SEEN
from course_lib.ssms.video.dreamer import Dreamer
from course_lib.training import adamw, train_steps, warmup_cosine
from course_lib.transformers.raster import Raster
from course_lib.widgets import slider

device = pick_device()  # asked for once, here; the library follows its inputs


def slope(x, y) -> float:
    """Of a line through points on logarithmic axes."""
    a, b = torch.tensor(x, dtype=torch.float64).log(), torch.tensor(y, dtype=torch.float64).log()
    return (((a - a.mean()) * (b - b.mean())).sum() / (a - a.mean()).square().sum()).item()


# %% [markdown]
# ## 1 · From an equation to steps
#
# A **state space model** is something physicists have always written down: a state $h$ of $N$ numbers, an input $x$
# that pushes it, an output $y$ that one reads off.
#
# $$h'(t) = A\,h(t) + B\,x(t), \qquad y(t) = C\,h(t).$$
#
# For example a weight on a spring: $h$ is its position and speed, $A$ pulls it back and brakes it, $x$ is a push. In a
# computer $x$ comes as samples, one every $\Delta$ seconds, and we want a rule for steps,
# $h_k = \bar A h_{k-1} + \bar B x_k$. But what does $x$ do *between* two samples?
#
# If it stays where it was (**zero-order hold**), the equation can be solved: $\bar A = e^{\Delta A}$ and
# $\bar B = A^{-1}(e^{\Delta A} - I) B$. For one number that is a line of code; here it is by hand, for $h' = -h + x$
# with a push that lasts one second:

# %% tags=["nbval-check-output"]
dt, h = 0.5, 0.0
decay, gain = math.exp(-dt), 1 - math.exp(-dt)
for k in range(6):
    x = 1.0 if k < 2 else 0.0
    h = decay * h + gain * x
    t = dt * (k + 1)
    exact = 1 - math.exp(-min(t, 1.0)) if t <= 1 else (1 - math.exp(-1)) * math.exp(1 - t)
    print(f"t = {t}: {h:.6f}, the exact solution {exact:.6f}")

# %% [markdown]
# No error at all, however large the step, because what was assumed is what happened. The other classic is the
# **bilinear** rule: a trapezium under the curve, no exponential. The library has both, for matrices:

# %%
show_code(zoh)

# %% [markdown]
# If $x$ is smooth, holding it is wrong by an amount that shrinks like the step $\Delta$, and the trapezium, which takes
# the mean of neighbouring samples, by one that shrinks like $\Delta^2$. Here both are measured on the spring, pushed by
# a sine, for which the answer can be written down:

# %%
A, B, C = (
    torch.tensor([[0.0, 1.0], [-4.0, -0.4]]).double(),
    torch.tensor([0.0, 1.0]).double(),
    torch.tensor([1.0, 0.0]).double(),
)
end, omega = 8.0, 1.5


def swinging(t: torch.Tensor) -> torch.Tensor:
    """The spring under sin(1.5 t), from rest: particular solution, less what the free system does with its start."""
    forced = torch.linalg.solve(1j * omega * torch.eye(2) - A, B.to(torch.complex128))
    free = torch.linalg.matrix_exp(t[:, None, None] * A) @ forced.imag
    return (torch.exp(1j * omega * t)[:, None] * forced).imag @ C - free @ C


def stepped_spring(method, steps: int, between: bool) -> float:
    """The largest error with so many steps; `between` feeds means of neighbouring samples, as the trapezium asks."""
    dt = end / steps
    t = torch.arange(steps + 1, dtype=torch.float64) * dt
    x = torch.sin(omega * t)
    fed = (x[1:] + x[:-1]) / 2 if between else x[:-1]
    A_bar, B_bar = method(A, B, dt)
    y = linear.recurrence(A_bar, B_bar, C, fed[None, :, None])[0, :, 0]
    return (y - swinging(t[1:])).abs().max().item()


counts = [20, 40, 80, 160, 320, 640]
errors = {
    "zero-order hold": [stepped_spring(zoh, n, False) for n in counts],
    "bilinear": [stepped_spring(bilinear, n, True) for n in counts],
}
orders = {name: -slope(counts[-3:], row[-3:]) for name, row in errors.items()}
assert abs(orders["zero-order hold"] - 1) < 0.05 and abs(orders["bilinear"] - 2) < 0.05
curves(
    {f"{name}: order {orders[name]:.2f}": row for name, row in errors.items()},
    x=counts,
    log="xy",
    xlabel="steps in 8 seconds",
    ylabel="largest error",
    caption="A spring pushed by a sine: half the step, half the error if the input is held, a quarter of it by the trapezium.",
    alt="Both errors fall as straight lines on logarithmic axes; the bilinear one twice as steeply",
)

# %% [markdown]
# Why does this matter to somebody who models *images*? Because $\Delta$ becomes a parameter that is learned. A small
# $\Delta$ means: this input hardly matters, keep what you have. A large one: forget, and take this. In section 4 the
# network sets it anew for every input, and that is what makes Mamba.
#
# ## 2 · One system, three ways
#
# In steps the system is a recurrent network without a nonlinearity, and that lack is an advantage. Put the steps into
# each other, and each output is a weighted sum of the inputs up to it:
#
# $$y_k = \sum_{j=0}^{k} \underbrace{C \bar A^{\,j} \bar B}_{K_j}\, x_{k-j}.$$
#
# So the *recurrence* is a *convolution*, with a kernel that one can compute beforehand. And as two steps make a step
# (with $\bar A^2$), all states can also be found by joining neighbours, then pairs, then pairs of pairs: a *scan*. Three
# programs, one result:

# %%
show_code(linear.recurrence)

# %%
show_code(linear.convolution)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
A_bar, B_bar = zoh(A, B, 0.1)
x = torch.randn(2, 500, 3, dtype=torch.float64)
step_by_step = linear.recurrence(A_bar, B_bar, C, x)
by_kernel = linear.convolution(x, linear.kernel(A_bar, B_bar, C, 500))
by_scan = linear.scan(A_bar, B_bar, C, x)
print(f"recurrence = convolution to 1e-10: {(step_by_step - by_kernel).abs().max().item() < 1e-10}")
print(f"recurrence = scan        to 1e-10: {(step_by_step - by_scan).abs().max().item() < 1e-10}")

# %% [markdown]
# What each costs is another matter. The loop takes $L$ steps that wait for each other; the FFT $L \log L$; the scan
# $\log_2 L$ passes over the whole sequence.


# %%
def seconds(work, *given, rounds: int = pick(smoke=1, laptop=5, gpu=5)) -> float:
    """The median processor time of some rounds, after one that warms up."""
    work(*given)
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work(*given)
        taken.append(time.process_time() - start)
    return sorted(taken)[len(taken) // 2]


lengths = pick(smoke=[64, 256], laptop=[64, 256, 1024, 4096], gpu=[64, 256, 1024, 4096, 16384])
A32, B32, C32 = A_bar.float(), B_bar.float(), C.float()
ways = {
    "step by step": lambda x: linear.recurrence(A32, B32, C32, x),
    "convolution": lambda x: linear.convolution(x, linear.kernel(A32, B32, C32, x.shape[1])),
    "scan": lambda x: linear.scan(A32, B32, C32, x),
}
spent = {name: [seconds(way, torch.randn(1, length, 64)) for length in lengths] for name, way in ways.items()}
curves(
    {name: [1000 * s for s in row] for name, row in spent.items()},
    x=lengths,
    log="xy",
    xlabel="places",
    ylabel="milliseconds",
    caption="64 sequences, on the CPU. In training one takes the convolution or the scan; to draw, the steps.",
    alt="Milliseconds against length on logarithmic axes; the loop is far above convolution and scan at great lengths",
)

# %% [markdown]
# ## 3 · What a state remembers
#
# A state of sixteen numbers cannot hold five hundred samples. What should it hold? **HiPPO** (Gu et al. 2020) gives an
# answer that can be computed: at each moment the $N$ coefficients of the *polynomial nearest to the whole past*. These
# coefficients obey an equation of the form above, with a matrix that one can write down:

# %%
show_code(hippo.legs)

# %% [markdown]
# Here is a real signal: a walk around the Earth at 30° north, over the Sahara, Arabia, India, China, the Pacific and
# Mexico; how bright is the ground? The state reads it sample by sample, and never sees it again. Move the slider: how
# much of the way does a state of $N$ numbers know when it has arrived?

# %%
earth = torch.from_numpy(sheet("earth_day.jpg").copy()).float().mean(dim=2)
row = round((90 - 30) / 180 * len(earth))
walk = earth[row - 4 : row + 5].mean(dim=0)
walk = walk.unflatten(0, (512, -1)).mean(dim=1) / 127.5 - 1
sizes = pick(smoke=[4, 16], laptop=[4, 8, 16, 32, 64], gpu=[4, 8, 16, 32, 64])
where = (torch.arange(512).double() + 0.5) / 512
remembered = {n: hippo.reconstruct(hippo.memory(walk, n)[-1], where) for n in sizes}
forgotten = {n: (walk - r).square().mean().sqrt().item() for n, r in remembered.items()}


def recollection(states: int):
    return curves(
        {"what was seen": walk, "what is remembered": remembered[states]},
        x=where * 360 - 180,
        xlabel="degrees east",
        ylabel="brightness",
        size=(640, 260),
        alt=f"The signal and what {states} numbers remember of it",
    )


slider(
    recollection,
    {"states": sizes},
    shown=3,
    alt="A bumpy signal and a smooth curve that follows it the better, the more states there are.",
)

# %%
best = {}
for n in sizes:  # the nearest polynomial, by least squares over all samples at once
    basis = hippo.legendre(where, n)
    fit = basis @ torch.linalg.lstsq(basis, walk.double()[:, None]).solution
    best[n] = (walk - fit[:, 0]).square().mean().sqrt().item()
assert all(forgotten[n] < 1.1 * best[n] + 0.01 for n in sizes if n <= 32)
table(
    [
        {"states": n, "error of the memory": forgotten[n], "of the best polynomial, all samples at hand": best[n]}
        for n in sizes
    ],
    caption="Root mean square; the signal itself varies by "
    f"{walk.std().item():.2f}. What was read once, sample by sample, is remembered as well as a polynomial can.",
)

# %% [markdown]
# The far past is not kept worse than the near one: LegS weighs all moments alike. As the state is linear in the past, one
# can ask for any moment's share of it; nothing is ever dropped at a window's edge.
#
# For a layer that is to be trained the full matrix is expensive. **S4D** (Gu et al. 2022) leaves out a part of rank
# one, after which the matrix can be made diagonal, and keeps that diagonal or a simple series like it: each number of
# the state is by itself a damped oscillation, $h' = a h + x$ with complex $a$, and what the layer learns is how to mix
# them, and how fast each channel's clock runs.

# %%
torch.manual_seed(0)
layer, paces_ = s4d.S4D(3, state=8), (0.1, 0.03, 0.01)
with torch.no_grad():
    layer.log_dt.copy_(torch.tensor(paces_).log())
    layer.C.copy_(layer.C[:1].expand_as(layer.C))  # the same mixture, so that only the clock differs
    kernels = s4d.kernel(*layer.system(), 400)
beside(
    [
        curves(
            {"S4D-Lin": hippo.lin(32).imag[1:], "S4D-Inv": hippo.inv(32).imag[:-1].flip(0)},
            log="y",
            xlabel="number of the state",
            ylabel="frequency",
            size=(300, 260),
            alt="Frequencies of sixteen states: evenly spaced, or ever wider apart",
        ),
        curves(
            {f"dt = {pace}": kernels[:, i] / kernels[:, i].abs().max() for i, pace in enumerate(paces_)},
            xlabel="steps ago",
            ylabel="weight in the output",
            size=(340, 260),
            alt="Three kernels of one shape: the smaller dt, the further it is stretched",
        ),
    ],
    titles=["frequencies of the states", "kernels before any training"],
    caption="One mixture of eight states at three step sizes: the same kernel, stretched. The step size says how far back a channel listens.",
    alt="Left, the frequencies of two choices. Right, one kernel stretched over ever more steps",
)

# %%
show_code(s4d.kernel)

# %% [markdown]
# ## 4 · Choosing what to remember
#
# S4D listens to *when*, never to *what*: its kernel is fixed, and an input has the same weight after ten steps whether it
# was a word or a cough. Here is a task that asks for more. Some letters stand among blanks, at random places; at the end
# they are to be repeated, in order:
#
# > `. . C . A . . . . B . . ? ? ?`  →  `C A B`
#
# If the letters always stood at the same places, a fixed kernel could do it: "what came nine steps ago". As they do
# not, blanks must be let through and letters kept. **Mamba** (Gu & Dao 2023) makes $\Delta$, $B$ and $C$ functions of
# the input: a blank can set $\Delta \approx 0$, and $h_k = e^{\Delta a} h_{k-1} + \Delta B x$ leaves the state as it
# was.

# %%
show_code(Mamba.choices)

# %%
show_code(selective_step)

# %% [markdown]
# Four competitors: S4D, each layer followed by a nonlinearity; S4D *in Mamba's place*, with its projections,
# convolution and gate around it, so that nothing differs but the choice; Mamba; and Mamba-2 (section 5). Each is
# trained on fresh sequences of 64 places, and then tested on longer ones.

# %%
length = pick(smoke=32, laptop=64, gpu=64)
steps = pick(smoke=4, laptop=500, gpu=1500)
competitors = {
    "S4D": recall.S4Answering,
    "S4D in Mamba's block": recall.GatedS4Answering,
    "Mamba": recall.MambaAnswering,
    "Mamba-2": recall.Mamba2Answering,
}


def train_on(task, kind, places: int, steps: int):
    """A competitor, and its share of right answers on the way."""
    torch.manual_seed(0)
    model, right = kind().to(device), []
    rate = {"optimizer": partial(adamw, lr=5e-3), "lr_factor": warmup_cosine(steps, warmup=min(50, steps // 2))}
    for step in train_steps(model, recall.batches(task, 64, places, seed=0), steps, **rate):
        right.append(step.logs["model/right"].item())
    return model.eval(), right


copying = {name: train_on(recall.selective_copying, kind, length, steps) for name, kind in competitors.items()}
curves(
    {name: torch.tensor(right).unfold(0, max(steps // 40, 1), 1).mean(dim=1) for name, (_, right) in copying.items()},
    levels={"chance": 1 / recall.LETTERS},
    xlabel="step",
    ylabel="share right in training",
    caption=f"Selective copying: four letters of eight among {length} places; every batch is new.",
    alt="Mamba-2 rises to one, Mamba is still rising; both kinds of S4D level off in between",
)

# %%
longer = [1, 2, 4]
asked = pick(smoke=20, laptop=500, gpu=2000)
by_length = {
    name: [
        recall.right(model, recall.selective_copying(asked, times * length, seed=1_000_000 + times)) for times in longer
    ]
    for name, (model, _) in copying.items()
}
chooses = by_length["Mamba-2"][0] > 0.9 and by_length["Mamba-2"][-1] > by_length["S4D"][-1] + 0.3
assert pick(smoke=True, laptop=chooses, gpu=chooses)
table(
    [
        {"model": name, **{f"{times * length} places": value for times, value in zip(longer, row)}}
        for name, row in by_length.items()
    ],
    caption=f"Share of letters repeated right, {asked} new sequences; trained on {length} places only. Chance is 0.125.",
)

# %% [markdown]
# S4D is better than chance where it was trained: a smear of everything that came still tells *which* letters there
# were, and a little of their order. What it has learned is tied to that length; on sequences four times as long it is
# back at chance. With a choice, the number of blanks matters less, and the less the longer a model has trained. (Mamba
# needs more steps than Mamba-2, which has twice the state here.) This is a minute's training; four times as many steps were
# logged:

# %%
patient = {run.name: run for run in read_log("selective_copying")}
table(
    [
        {"model": name} | {f"{key.removeprefix('right at ')} places": value for key, value in run.results.items()}
        for name, run in patient.items()
    ],
    caption=f"{patient['Mamba-2'].steps:,} steps on 64 places; all else as above. `course log selective_copying` runs it anew.",
)

# %% [markdown]
# Now the choice is complete, at lengths that were never trained; S4D has only become better at its own.
#
# Do they really let blanks through? What each head of Mamba-2's first block leaves of its state at a place,
# $e^{\Delta a}$, can be looked at. Move the slider over sequences; where the line named *blank* is down, there is a
# letter or a question.

# %%
chooser = copying["Mamba-2"][0]
examples = recall.selective_copying(8, length, seed=77)
with torch.no_grad():
    first = chooser.stack.mixers[0]
    _, h, dt = first.in_proj(chooser.stack.norms[0](chooser.token(examples.x.to(device)))).split(first.split, dim=-1)
    remains = first.choices(first.conv(h), dt)[2].exp().cpu()  # (sequences, places, heads)


def kept_at(sequence: int):
    blank = (examples.x[sequence - 1] == recall.BLANK).float()
    heads = {f"head {i + 1}": remains[sequence - 1, :, i] for i in range(remains.shape[2])}
    return curves(
        heads | {"blank": blank},
        xlabel="place",
        ylabel="share of the state that remains",
        size=(640, 260),
        alt=f"What remains of each head's state over sequence {sequence}, and where its blanks are",
    )


slider(
    kept_at,
    {"sequence": list(range(1, 9))},
    shown=3,
    alt="What remains of each head's state changes where letters stand.",
)

# %%
kinds_ = {"letters": (examples.x > 0) & (examples.x <= recall.LETTERS), "blanks": examples.x == recall.BLANK}
kinds_["questions"] = examples.x == recall.ASK
table(
    [
        {"at": name, **{f"head {i + 1}": remains[mask][:, i].mean().item() for i in range(remains.shape[2])}}
        for name, mask in kinds_.items()
    ],
    caption="Share of the state that a step leaves, Mamba-2's first block. 1: nothing happened here.",
)

# %% [markdown]
# The second classic task is what makes language models learn from examples in their context: **induction heads**
# (Olsson et al. 2022). A bell rings once among random letters; when it rings again, the answer is the letter that came
# after it the first time. The models are trained on 32 places and tested on up to eight times as many.

# %%
induction_steps = pick(smoke=4, laptop=300, gpu=500)
heads = {
    name: train_on(recall.induction, kind, 32, induction_steps)[0]
    for name, kind in (("S4D", recall.S4Answering), ("Mamba", recall.MambaAnswering))
}
reach = [32, 64, 128, 256]
by_reach = {
    name: [recall.right(model, recall.induction(asked, places, seed=2_000_000 + places)) for places in reach]
    for name, model in heads.items()
}
assert pick(smoke=True, laptop=by_reach["Mamba"][2] > 0.9, gpu=by_reach["Mamba"][2] > 0.9)
curves(
    by_reach,
    x=reach,
    log="x",
    levels={"chance": 1 / recall.LETTERS},
    xlabel="places",
    ylabel="share right",
    caption=f"Trained on 32 places, {induction_steps} steps; {asked} new sequences each.",
    alt="Mamba stays near one at all lengths, S4D falls",
)

# %% [markdown]
# To a model that remembers by content it hardly matters how long ago something was. But a fixed number of values cannot
# keep everything: ask Mamba to copy enough letters, and it must fail, where attention would not (Jelassi et al. 2024).
# A state is a summary.
#
# ## 5 · What it costs
#
# With $\Delta$ depending on the input, there is no kernel any more, hence no FFT. What remains is the recurrence
# $h_k = a_k h_{k-1} + b_k$, and the fact that steps compose:

# %%
show_code(scan.combine)

# %%
show_code(scan.doubling)

# %% [markdown]
# Is there no closed formula? There is. With $p_k = a_0 a_1 \cdots a_k$ it is $h_k = p_k \sum_{j \le k} b_j / p_j$: a
# cumulative product and a cumulative sum, no loop. On paper it is exact, and it is useless: a product of many numbers
# below one is rounded to zero, and then the formula divides by it. With logarithms instead, digits are lost more
# slowly. Both are found in published code.

# %%
torch.manual_seed(0)
rows = []
for places in (16, 64, 256, 1024):
    a, b = torch.rand(1, places, 8) * 0.5 + 0.3, torch.randn(1, places, 8)
    exact = scan.loop(a.double(), b.double())
    rows.append(
        {"places": places}
        | {
            name: (form(a, b) - exact).abs().max().item()
            for name, form in (
                ("loop", scan.loop),
                ("doubling", scan.doubling),
                ("ratios", scan.by_ratios),
                ("logarithms", scan.by_logs),
            )
        }
    )
assert math.isnan(rows[-1]["ratios"]) and rows[-1]["doubling"] < 1e-5
table(rows, caption="Largest error in single precision, for decays between 0.3 and 0.8. The exact states are around 1.")

# %% [markdown]
# So one scans. The library's scan for Mamba cuts the sequence into about $\sqrt L$ chunks and lets all of them take
# their steps at once; what a chunk hands on to the next is put right afterwards. Of all the states only those at the
# borders of chunks are kept for the backward pass. No exponent in it is positive, so nothing overflows. Here is the way
# through the chunks:

# %%
show_code(selective_scan)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
u, dt = torch.randn(2, 300, 8), softplus(torch.randn(2, 300, 8))
a, b, c = -torch.rand(8, 4) * 4, torch.randn(2, 300, 4), torch.randn(2, 300, 4)
gap = (selective_scan(u, dt, a, b, c)[0] - selective_loop(u, dt, a, b, c)[0]).abs().max().item()
halves = [slice(0, 123), slice(123, 300)]
y1, state = selective_scan(u[:, halves[0]], dt[:, halves[0]], a, b[:, halves[0]], c[:, halves[0]])
y2, _ = selective_scan(u[:, halves[1]], dt[:, halves[1]], a, b[:, halves[1]], c[:, halves[1]], state)
handed = (torch.cat([y1, y2], 1) - selective_scan(u, dt, a, b, c)[0]).abs().max().item()
print(f"scan = loop to 1e-4: {gap < 1e-4}; read in two parts, the state handed on: {handed < 1e-4}")

# %% [markdown]
# ### Attention without a softmax
#
# **Mamba-2** (Dao & Gu 2024) gives up one thing: all states of a head fade at the same speed, by a number $a_k$. Put the
# states into each other, and each output is
#
# $$y_i = \sum_{j \le i} (C_i \cdot B_j)\; a_{j+1} \cdots a_i\; x_j.$$
#
# Look at it again. $C_i \cdot B_j$ is a question that meets a key, and $x_j$ is a value. This is *attention*, with $C$
# for $q$, $B$ for $k$, no softmax, and a mask that is not "may look or may not" but fades with what lies between. Move
# the sliders: how fast it fades, and what a step of forgetting in the middle does.

# %%
show_code(duality.decay_matrix)


# %%
def fading(decay: float, forget: str):
    log_decay = torch.full((24,), math.log(decay))
    if forget == "at place 12":
        log_decay[12] = math.log(0.02)
    return grid(
        heat(duality.decay_matrix(log_decay)[None]),
        width=230,
        alt=f"The mask for a decay of {decay}, forgetting {forget}",
    )


slider(
    fading,
    {"decay": [0.5, 0.8, 0.9, 0.97, 1.0], "forget": ["never", "at place 12"]},
    shown=5,
    alt="A triangle whose dark diagonal fades to the lower left, slowly or fast.",
)

# %% [markdown]
# At a decay of 1 it is linear attention: everything before counts alike. A single step of forgetting cuts the triangle in
# two: a new story begins, and nothing of the old one is seen.
#
# The same matrix can be multiplied in three ways: all at once, as attention, at a cost of $L^2$; state by state, in $L$
# steps; or in **chunks**, with attention inside each and a state between them. All three must agree, and do:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
x, log_decay = torch.randn(2, 200, 4, 16), -softplus(torch.randn(2, 200, 4))
B_, C_ = torch.randn(2, 200, 8) / 3, torch.randn(2, 200, 8) / 3
as_attention = duality.quadratic(x, log_decay, B_, C_)
as_recurrence = duality.recurrent(x, log_decay, B_, C_)[0]
for chunk in (1, 16, 64, 200):
    gap = (duality.chunked(x, log_decay, B_, C_, chunk)[0] - as_recurrence).abs().max().item()
    print(f"chunks of {chunk:3}: the recurrence to 1e-5: {gap < 1e-5}")
print(f"as attention: the recurrence to 1e-5: {(as_attention - as_recurrence).abs().max().item() < 1e-5}")

# %%
show_code(duality.chunked)

# %% [markdown]
# ### Measured
#
# Here is one layer of 128 features with its backward pass, for growing lengths: PyTorch's own attention, Mamba-2's
# chunks, and Mamba's scan. Mind the slopes: attention's approaches 2, the others' stay near 1.


# %%
def there_and_back(layer, *inputs: torch.Tensor) -> None:
    layer(*(t.requires_grad_() for t in inputs)).sum().backward()


def asked_at(places: int) -> dict[str, tuple[torch.Tensor, ...]]:
    """What each layer is given for a sequence of so many places."""
    near = torch.randn(1, places, 16)
    return {
        "attention": (torch.randn(3, 1, 4, places, 32),),
        "Mamba-2, chunked": (torch.randn(1, places, 4, 32), -softplus(torch.randn(1, places, 4)), near / 4),
        "Mamba, scan": (torch.randn(1, places, 128), softplus(torch.randn(1, places, 128) - 3), near),
    }


decays = -torch.arange(1.0, 17).repeat(128, 1)
mixing = {
    "attention": lambda qkv: scaled_dot_product_attention(*qkv, is_causal=True),
    "Mamba-2, chunked": lambda x, log_decay, keys: duality.chunked(x, log_decay, keys, keys)[0],
    "Mamba, scan": lambda u, dt, keys: selective_scan(u, dt, decays, keys, keys)[0],
}
reaches = pick(smoke=[128, 256], laptop=[256, 512, 1024, 2048, 4096], gpu=[256, 512, 1024, 2048, 4096, 8192])
layers = {
    name: [seconds(there_and_back, layer, *asked_at(places)[name]) for places in reaches]
    for name, layer in mixing.items()
}
slopes = {name: slope(reaches[-3:], row[-3:]) for name, row in layers.items()}
curves(
    {f"{name}: slope {slopes[name]:.1f}": [1000 * s for s in row] for name, row in layers.items()},
    x=reaches,
    log="xy",
    xlabel="places",
    ylabel="ms, there and back",
    caption="128 features, one sequence, on the CPU. benchmarks/README.md has the careful version, with published programs "
    "beside ours.",
    alt="Milliseconds against places on logarithmic axes: attention is steepest",
)

# %% [markdown]
# And when drawing? There, attention looks at all keys so far for each new place, so every place costs more than the one
# before it, and its cache grows. A state does not.


# %%
@torch.no_grad()
def next_place(mixer, after: int, rounds: int = pick(smoke=3, laptop=30, gpu=30)) -> tuple[float, int]:
    """Milliseconds for one more place after so many, and the bytes that had to be kept."""
    memory = mixer.begin(1)
    for _ in range(after):
        _, memory = mixer.step(torch.randn(1, 128), memory)
    start = time.process_time()
    for _ in range(rounds):
        _, memory = mixer.step(torch.randn(1, 128), memory)
    return 1000 * (time.process_time() - start) / rounds, remembered_bytes(memory)


@torch.no_grad()
def next_cached(blocks, after: int, rounds: int = pick(smoke=3, laptop=30, gpu=30)) -> tuple[float, int]:
    """The same for attention with its cache, filled in one go."""
    caches = [Cache(after + rounds) for _ in blocks]
    for block, cache in zip(blocks, caches):
        block(torch.randn(1, after, 128), cache=cache)
    start = time.process_time()
    for _ in range(rounds):
        x = torch.randn(1, 1, 128)
        for block, cache in zip(blocks, caches):
            x = block(x, cache=cache)
    return 1000 * (time.process_time() - start) / rounds, remembered_bytes(caches)


attending = Raster(codes=16, side=8, width=128, depth=2, heads=4).blocks.eval()
mambas = Stack(128, [Mamba(128), Mamba(128)]).eval()
afters = pick(smoke=[16, 64], laptop=[64, 256, 1024, 4096], gpu=[64, 256, 1024, 4096])
growth = {
    "attention with its cache": [next_cached(attending, n) for n in afters],
    "Mamba's state": [next_place(mambas, min(n, 64)) for n in afters],  # a state costs what it costs, wherever it is
}
assert len({kept for _, kept in growth["Mamba's state"]}) == 1
beside(
    [
        curves(
            {name: [ms for ms, _ in row] for name, row in growth.items()},
            x=afters,
            log="xy",
            xlabel="places so far",
            ylabel="ms for the next",
            size=(360, 280),
            alt="Milliseconds for the next place: attention's grow, Mamba's do not",
        ),
        curves(
            {name: [kept / 1024 for _, kept in row] for name, row in growth.items()},
            x=afters,
            log="xy",
            xlabel="places so far",
            ylabel="KiB kept",
            size=(360, 280),
            alt="Memory kept: attention's grows in proportion, Mamba's is constant",
        ),
    ],
    columns=1,
    titles=["time for one more place", "memory"],
    caption="Two blocks of 128 features, one sequence, on the CPU.",
    alt="Above the time for one more place, below the memory kept, both against the places so far",
)

# %% [markdown]
# ## 6 · An image as a line of pixels
#
# Module 4 wrote images as sentences of 49 tokens. With a memory that never grows one can do without a tokenizer: each
# *pixel* is a word. Handwritten digits of 8×8 pixels in 17 grey levels are sentences of 64 words, and their likelihood is
# exact: $-\log_2 p$ a pixel is the number of **bits per dimension**. Four kinds of memory, same width, depth, batches and
# steps (`course log pixel_bits` makes the log anew):

# %%
logged = read_log("pixel_bits")
names_ = list(dict.fromkeys(run.name for run in logged))
mean_of = lambda name, key: sum(r.results[key] for r in logged if r.name == name) / sum(r.name == name for r in logged)
kept_bytes = {
    name: remembered_bytes(Stack(64, [mixer(64, states) for _ in range(2)]).begin(1))
    for name, mixer, states in (("Mamba", Mamba, 16), ("Mamba-2", Mamba2, 32), ("S4D", S4Block, 32))
}
kept_bytes["transformer"] = 2 * 2 * 64 * 64 * 4  # keys and values, two blocks, 64 places of 64 features, four bytes
pixel_bits = {name: mean_of(name, "bits") for name in names_}
table(
    [
        {
            "memory": name,
            "bits a pixel": f"{pixel_bits[name]:.3f} ± {max(abs(r.results['bits'] - pixel_bits[name]) for r in logged if r.name == name):.3f}",
            "parameters": int(mean_of(name, "parameters")),
            "pixels a second": int(mean_of(name, "pixels a second")),
            "bytes kept at the end": kept_bytes[name],
            "minutes to train": sum(r.seconds for r in logged if r.name == name)
            / 60
            / sum(r.name == name for r in logged),
        }
        for name in names_
    ],
    caption=f"Digits of writers that were not trained on; {len(logged) // len(names_)} seeds. Uniform grey levels would cost {math.log2(17):.2f} bits. "
    "Pixels a second: 100 images at once, one core. Bytes: of one image; only the transformer's grow with it.",
)

# %% [markdown]
# With section 4 in mind, who would have bet on S4D? But here nothing stands at random places: the pixel above is always
# eight steps ago, and *when* is just what a fixed kernel knows. Choice costs time, and pays where what matters may come
# at any moment. Nor is 64 long: a cache of 64 places is no burden, and PyTorch's attention is the fastest here. The
# state pays when sequences are long, as films are.

# %%
digits_mamba = pretrained("digits_mamba").to(device)
torch.manual_seed(3)
beside(
    [
        grid(digits("test").x[:20], columns=10, width=320, alt="Twenty real digits"),
        grid(last(digits_mamba.sample(20)).cpu(), columns=10, width=320, alt="Twenty drawn digits, two of each class"),
    ],
    columns=1,
    titles=["real", "drawn by Mamba, pixel by pixel"],
    caption=f"The checkpoint needs {info('digits_mamba')['metrics']['bits']:.3f} bits a pixel on unseen digits.",
    alt="Real digits above, drawn ones below, two of each class",
)

# %% [markdown]
# A model that can go on from anywhere can be *given* a beginning. Here are the first rows of real digits that it has
# never seen; it does the rest. What it is given it reads into its state, with the label; then it draws. Move the slider
# over the number of rows given.


# %%
@torch.no_grad()
def finished(images: torch.Tensor, labels: torch.Tensor, rows: int, seed: int = 0) -> torch.Tensor:
    """Images of which the first rows are kept and the others drawn."""
    torch.manual_seed(seed)
    model, given = digits_mamba, digits_mamba.tokens(images.to(device))
    tokens, memory, before = torch.zeros_like(given), model.stack.begin(len(given)), model.label(labels.to(device))
    for place in range(64):
        h, memory = model.stack.step(before + model.place[place], memory)
        drawn = model.head(model.norm(h)).softmax(dim=1).multinomial(1)[:, 0]
        tokens[:, place] = given[:, place] if place < 8 * rows else drawn
        before = model.token(tokens[:, place])
    return model.images(tokens).cpu()


some = digits("test")[torch.arange(10)]


def completed(rows: int):
    return grid(
        torch.cat([finished(some.x, some.labels, rows, seed) for seed in range(3)]),
        columns=10,
        row_titles=["once", "twice", "thrice"],
        width=420,
        alt=f"Ten digits of which {rows} rows are given, finished three times",
    )


slider(
    completed,
    {"rows given": pick(smoke=[2, 6], laptop=list(range(9)), gpu=list(range(9)))},
    shown=3,
    alt="Ten digits, three versions each: the fewer rows are given, the more they differ.",
)

# %% [markdown]
# ## 7 · What comes next?
#
# A film is a sequence whose places are images. Each frame is like the one before it, but for what moves, and what moves
# must be *remembered*: a single frame shows where a ball is, not where it is going.
#
# Here is a world in which the truth is known for as long as one likes: a piece of clothing flies straight, a few whole
# pixels a frame, and bounces off the walls. A model sees nine frames, then goes on by itself.

# %%
truth = contest.sprites("fashion", pick(smoke=5, laptop=32, gpu=64), SEEN + HORIZON, seed=2, split="test")
animation(
    truth.x[:4, : pick(smoke=6, laptop=40, gpu=40)].transpose(0, 1),
    columns=4,
    seconds=5,
    alt="Four pieces of clothing fly through their frames and bounce off the walls",
)

# %% [markdown]
# The frame is cut into 8×8 places. In each of them a **linear state**, section 3's kind, carries the past; between the
# layers, convolutions let neighbours hear of each other (ConvS5, Smith et al. 2023). As the state is linear, all frames
# of a training clip are computed at once, without a loop over time. Two things are given to the network for nothing, as
# in optical flow: how each place has just moved, found by comparing the last two frames; and that a frame need not be
# painted from nothing, since most of it can be seen in the last one, a few pixels away.

# %%
show_code(mixers.Ssm.forward)

# %% [markdown]
# The competitors are the same network with another memory: **ConvLSTM**, whose gates must be computed frame after frame,
# and **attention** over all earlier frames, with a cache that grows. They were trained with equal steps on equal clips of
# twelve frames, the last three of them rolled out: predicted from the model's own predictions, since that is what it will
# have to live on (`course log video_contest`). A fourth one never saw its own predictions in training.
#
# What counts is the roll-out: ten times as long as any clip of the training, with clothes that none has seen. An exact
# reader finds the sprite in each predicted frame, so errors have names:

# %%
show_code(measures.read)

# %%
fought = {run.name: run for run in read_log("video_contest")}
ahead = [1, 2, 3, 5, 8, 12, 20, 30, 40, 60, 80, 100, 120]
curves(
    {name: [run.curves["position"][h - 1] for h in ahead] for name, run in fought.items()},
    x=ahead,
    log="x",
    xlabel="frames ahead",
    ylabel="pixels off",
    caption="How far the sprite is from where it should be; 64 clips. Clips of training had 12 frames.",
    alt="Position errors over the horizon: copying is off at once, all models are near for some five frames, and lost after twelve",
)

# %%
table(
    [
        {
            "model": name,
            **{f"pixels off at {h}": run.results[f"position at {h}"] for h in (3, 12, 40, 120)},
            "pixels a frame off at 12": run.results["velocity at 12"],
            "sprites off at 120": run.results["count at 120"],
            "squared error at 12": run.results["squared error at 12"],
            "SSIM at 12": run.results["SSIM at 12"],
            "frames held": int(run.results["frames held"]),
        }
        for name, run in fought.items()
    ],
    caption="Frames held: for how many the sprite stays within two pixels of the truth, in the median clip.",
)

# %%
table(
    [
        {
            "memory": name,
            f"KiB kept after {FRAMES} frames": run.results[f"state bytes after {FRAMES}"] / 1024,
            f"after {HORIZON}": run.results[f"state bytes after {HORIZON}"] / 1024,
            "minutes to train": run.seconds / 60,
            "parameters": int(run.results["parameters"]),
        }
        for name, run in fought.items()
        if run.steps
    ],
    caption="One clip. A state does not grow; what attention looks back at does.",
)

# %% [markdown]
# No hero here. With equal steps all memories follow the sprite for four or five frames and have lost it after a dozen.
# Its walls are hard to foresee, since its dark margin, which nobody sees, bounces too; a bounce that is taken one frame
# late is six pixels off soon after; and what is uncertain is painted as a blur that fades further with each frame. At ten
# times the length of training nothing is left of the sprite ("sprites off"), and where the reader finds it is chance.
#
# What differs is the price: minutes, and bytes that stay or grow. And one thing that everybody knows turned out otherwise:
# the model that was trained on true frames only is no worse than its twin, in two thirds of the time. (For other models
# training on one's own predictions is decisive; that it is not here is why one measures.)
#
# More training does help. The model that ships with the course is the linear state inside a larger one, of which more below,
# trained for half as long again:

# %%
expecting = pretrained("sprites_video").to(device)
longest = info("sprites_video")["metrics"]
table(
    [
        {
            "linear state": name,
            **{f"pixels off at {h}": r[f"position at {h}"] for h in (1, 3, 12, 40)},
            "frames held": int(r["frames held"]),
        }
        for name, r in (
            (f"{fought['SSM'].steps:,} steps", fought["SSM"].results),
            (f"as shipped, {sprites_video.STEPS:,} steps", longest),
        )
    ],
    caption="As logged, and as the file states it; 64 clips.",
)

# %% [markdown]
# Watch it. Above the truth, below what the model expects after its nine frames:

# %%
shown = pick(smoke=3, laptop=20, gpu=40)
expected = expecting.predict(truth.x[:5, :SEEN].to(device), shown).cpu()
both = torch.cat([truth.x[:5, SEEN : SEEN + shown], expected]).transpose(0, 1)
animation(both, columns=5, seconds=6, alt="Above five true films, below their predictions, which fly alike at first")

# %%
found = contest.errors(expected, truth[:5], "fashion")


def at_horizon(frame: int):
    pair = torch.cat([truth.x[:5, SEEN + frame - 1], expected[:, frame - 1]])
    return grid(
        pair,
        columns=5,
        row_titles=["truth", "model"],
        titles=[f"{pixels:.0f} px off" for pixels in found["position"][:, frame - 1]],
        width=420,
        alt=f"Five true frames above their predictions, {frame} frames ahead",
    )


slider(
    at_horizon,
    {"frames ahead": [h for h in ahead if h <= shown]},
    shown=4,
    alt="True frames above predicted ones, with the distance of the sprites, at growing horizons.",
)

# %% [markdown]
# ### More than one future
#
# From nine frames the future is determined. From *one* it is not: the sprite may set off in any direction. A model that
# is asked for the expected frame then gives the mean of all futures, a blur, and no training can help; squared error
# *wants* the mean.
#
# So let what the past left open be *drawn*, in two steps. First **how the frame moves as a whole**. There are 49 ways, up to
# three pixels to each side, so a probability for each of them will do, as for the tokens of module 4. In training, comparing
# the two frames shows which one it was: a latent (module 2) that nobody has to search for. The painter copies by it. Then
# **what the painted frame still lacks**, such as lamps: more ways than can be counted, so a flow (module 3) draws it, all
# pixels together, in units of how wrong the painter usually is at each of them. Where it is never wrong nothing is added,
# and a sprite stays as crisp as it was.

# %%
show_code(Dreamer.draw)

# %% [markdown]
# A sprite flies with all its patches: if each place drew its own part of the future, it would be torn to pieces within a few
# frames. What belongs together must be drawn **together**: one movement for the whole frame, one flow for all its pixels.
# And what was drawn is fed back: after the first step the speed can be seen, so the second one is hardly a matter of chance.
# Here is what the model expects of the next movement, after each frame that it sees. The middle of a map is to stand still.

# %%
flown = truth.x[2:3, :9].to(device)
with torch.no_grad():
    features, _ = expecting.predictor.features(expecting.predictor.delayed(flown), None, start=True)
    ways = expecting.movement(features[0]).softmax(dim=1)[1:]
many = (-(ways * ways.clamp(min=1e-9).log()).sum(dim=1)).exp()  # as many equally likely ones have this entropy
maps = ways.view(-1, 7, 7)
beside(
    [
        grid(flown[0, :8].cpu(), columns=8, width=560, alt="Eight frames of a flying piece of clothing"),
        grid(
            heat(maps / maps.amax((1, 2), keepdim=True)),
            columns=8,
            titles=[f"{number:.0f} way{'s' if number >= 1.5 else ''}" for number in many],
            width=560,
            alt="Eight maps of 7 by 7 movements: many are likely after the first frame, then one, then few at a wall",
        ),
    ],
    columns=1,
    titles=["frames seen", "movements that may follow"],
    caption="Sprites fly by one to three pixels along each axis, so 36 ways are open at first.",
    alt="Above eight frames, below them maps of the movements that may follow",
)

# %% [markdown]
# Now draw.

# %%
torch.manual_seed(0)
one_frame = truth.x[:1, :1].expand(5, -1, -1, -1, -1)
length_of = pick(smoke=3, laptop=12, gpu=12)
futures = expecting.possible(one_frame.to(device), length_of).cpu()
blurred = expecting.predict(one_frame[:1].to(device), length_of).cpu()
animation(
    torch.cat([futures, blurred]).transpose(0, 1),
    columns=6,
    seconds=4,
    alt="Five films that begin with the same frame go different ways; a sixth, the expectation, dissolves",
)

# %% [markdown]
# Five films that begin alike, and at the right their expectation. They set off in different directions, each sprite in one
# piece, and stay crisp where the expectation dissolves. The draws are not exact: a sprite may turn without a wall, or lose a
# few pixels. How often is measured below: does a drawn sprite set off at one of the speeds that sprites have, does it keep
# its speed, and is there one sprite at the end? (True sprites keep their speed in 0.80 of their steps: a step that ends at a
# wall is shorter.)
#
# The same model, trained on **emoji**: five that it has never seen, after nine frames. Above how they went on; then what it
# expects, which fades as it grows unsure; below one film that it draws. A drawing is never unsure: it may take another way
# than the truth, but it goes there in one piece.

# %% tags=["cover"]
flying = pretrained("emoji_video").to(device)
emoji_truth = contest.sprites("emoji", 5, SEEN + 16, seed=3, split="test").x
emoji_seen, emoji_ahead = emoji_truth[:, :SEEN].to(device), pick(smoke=3, laptop=16, gpu=16)
torch.manual_seed(0)
with torch.no_grad():
    emoji_expected = flying.predict(emoji_seen, emoji_ahead).cpu()
    emoji_drawn = flying.possible(emoji_seen, emoji_ahead).cpu()
animation(
    torch.cat([emoji_truth[:, SEEN : SEEN + emoji_ahead], emoji_expected, emoji_drawn]).transpose(0, 1),
    columns=5,
    seconds=4,
    alt="Five emoji fly about in three rows: true, expected, which fades away, and drawn, which stays crisp",
)

# %%
flight = {name: info(name)["metrics"] for name in ("sprites_video", "emoji_video")}
table(
    [
        {
            "model": name,
            "frames held, expected": int(m["frames held"]),
            "sets off by 1 to 3 pixels": m["fair start"],
            "keeps its speed": m["straight"],
            "directions and speeds drawn, of 36": int(m["starts"]),
            f"one sprite after {FRAMES} frames": m["whole"],
            "of its energy, found": m["explained"],
            f"pixels off, drawn {FRAMES} frames after {SEEN} seen": m["drawn: position at 12"],
        }
        for name, m in flight.items()
    ],
    caption="As the files state them, 64 clips. All but the first and last number: films drawn from one true frame.",
)

# %% [markdown]
# ### Nightfall
#
# Now real pictures: tiles of the Earth by day, over which night falls from the east. What the ground looks like in
# moonlight is known from the day. Where the *lamps* will be lit is not: two valleys look alike by day, and one of them is
# full of people. The Americas were not trained on.

# %%
dusk = pretrained("nightfall_video").to(device)
evening = nightfall_video.data("test", pick(smoke=4, laptop=48, gpu=64))
bright = measures.lamps(evening.x)[:, -1].argsort(descending=True)[:3]
days, steps_ = evening.x[bright, : nightfall_video.SEEN], evening.x.shape[1] - nightfall_video.SEEN
torch.manual_seed(5)
nights = {
    "true": evening.x[bright],
    "expected": torch.cat([days, dusk.predict(days.to(device), steps_).cpu()], 1),
    "drawn": torch.cat([days, dusk.possible(days.to(device), steps_).cpu()], 1),
    "drawn again": torch.cat([days, dusk.possible(days.to(device), steps_).cpu()], 1),
}
animation(
    torch.cat([nights[name] for name in ("true", "expected", "drawn")]).transpose(0, 1),
    columns=3,
    seconds=4,
    alt="Night sweeps over three places of the Americas: the truth, the expectation, and a drawn night",
)

# %%
grid(
    torch.cat([clip[:, -1] for clip in nights.values()]),
    columns=3,
    width=460,
    row_titles=list(nights),
    caption="The last frame of each: three bright places of the Americas by night.",
    alt="Three nights in four rows: true with many lamps, expected almost dark, drawn twice with specks of light in other places",
)

# %%
stated_ = info("nightfall_video")["metrics"]
table(
    [
        {
            "night": name,
            "share of pixels that are lit": stated_[f"lit, {name}"],
            "squared error of the clip": stated_.get(f"squared error, {name}"),
        }
        for name in ("true", "expected", "drawn")
    ],
    digits=4,
    caption="As the file states them, 64 clips over the Americas. Two draws differ by "
    f"{stated_['two draws differ by']:.4f} in the last frame.",
)

# %% [markdown]
# The shadow's edge comes when and where it should. The lamps of the expectation are what was to be expected: since they might
# be anywhere, they are nowhere. The drawn nights differ from draw to draw, and over all places about as many pixels are lit as in
# truth. But what is drawn are specks, dimmer and greyer than lamps, hardly gathered into towns, and now and then a piece of the
# day that was forgotten. Each frame is drawn by a flow of a few minutes' training, and what it gets wrong is fed back to it ten
# times. Twice the training made the specks brighter than the truth, not more like towns. (Module 6 draws the night of a place in
# one go, and does it better.) Squared error prefers the dark night, as it always does.

# %% [markdown]
# ## 8 · What goes wrong, and how one sees it
#
# | symptom | usual cause | how to see it |
# |---|---|---|
# | NaN after a few hundred places | a quotient of cumulative products, or a positive exponent | decays of 0.3 and length 1000 (section 5) |
# | gradients a little off, only for long sequences | a sum of logarithms that cancels | compare with the loop in double precision |
# | the end of a sequence changes its beginning | an FFT without zeros behind the signal | change the last input: which outputs move? |
# | drawing gives other images than training promised | `step` and `forward` differ, or the state was not reset | run both on one sequence (sections 5 and 6) |
# | output one place late | $y_k$ was read before $x_k$ was written | an impulse: does $y_0$ see it? (section 2) |
# | fine on the lengths of training, lost beyond | places were learned, or no choice | ten times the length (sections 4 and 7) |
# | drawn things that are torn | each place was drawn by itself | count what is left of a sprite after some frames (section 7) |
# | films that blur | the mean of several futures was asked for | draw twice (section 7) |
# | films that fade away in roll-out | each frame is the mean of what might be, and the next is made of it | sprites counted against the horizon (section 7) |
#
# ## 9 · What was measured
#
# All numbers of this run, at this budget:

# %%
table(
    [
        {
            "experiment": "order of the error: zero-order hold / bilinear",
            "result": " / ".join(f"{order:.2f}" for order in orders.values()),
            "expected": "1 / 2",
        },
        {
            "experiment": f"a walk around the Earth, remembered by {sizes[0]} / {sizes[-1]} numbers",
            "result": f"{forgotten[sizes[0]]:.2f} / {forgotten[sizes[-1]]:.2f}",
            "expected": f"{best[sizes[0]]:.2f} / {best[sizes[-1]]:.2f}, the best polynomials",
        },
        {
            "experiment": f"selective copying, {length} places: " + " / ".join(competitors),
            "result": " / ".join(f"{by_length[name][0]:.2f}" for name in competitors),
            "expected": "the more choice, the nearer to 1",
        },
        {
            "experiment": f"the same at {longer[-1] * length} places",
            "result": " / ".join(f"{by_length[name][-1]:.2f}" for name in competitors),
            "expected": "chance is 0.125",
        },
        {
            "experiment": "the same after four times as many steps, at 256 places: " + " / ".join(patient),
            "result": " / ".join(f"{run.results['right at 256']:.2f}" for run in patient.values()),
            "expected": "chance / 1",
        },
        {
            "experiment": f"induction, trained on 32 places, at {reach[-1]}: S4D / Mamba",
            "result": " / ".join(f"{row[-1]:.2f}" for row in by_reach.values()),
            "expected": "low / near 1",
        },
        {
            "experiment": "slope of the time of a layer over its length",
            "result": ", ".join(f"{name} {value:.1f}" for name, value in slopes.items()),
            "expected": "2 for attention, 1 for the others",
        },
        {
            "experiment": f"bytes kept after {afters[-1]} places: attention / Mamba",
            "result": " / ".join(f"{row[-1][1]:,}" for row in growth.values()),
            "expected": "grows / does not",
        },
        {
            "experiment": "bits a pixel: " + " / ".join(pixel_bits),
            "result": " / ".join(f"{value:.3f}" for value in pixel_bits.values()),
            "expected": "close to each other",
        },
        {
            "experiment": f"pixels off, 12 / {HORIZON} frames ahead: " + ", ".join(fought),
            "result": ", ".join(
                f"{r.results['position at 12']:.0f} / {r.results['position at 120']:.0f}" for r in fought.values()
            ),
            "expected": "all are lost at last",
        },
        {
            "experiment": "lit pixels of a night: true / expected / drawn",
            "result": " / ".join(f"{stated_[f'lit, {name}']:.4f}" for name in ("true", "expected", "drawn")),
            "expected": "the expectation is too dark",
        },
    ],
    caption="course evaluate digits_mamba, and so on, measures a checkpoint anew.",
)

# %% [markdown]
# ## Exercises
#
# [exercises/05_ssms.ipynb](../exercises/05_ssms.ipynb): eleven functions, from one exponential to Mamba-2 in chunks,
# with instant checks. Together they are a small library of state space models.
#
# ## Where to go from here
#
# Every family of the course has now drawn what it liked. What the models are good for, when a source picture, a few
# labels or a folder of your own is given, is the subject of [6 · Applications](06_applications.ipynb).
#
# ## Further reading
#
# - Gu, Dao, Ermon, Rudra, Ré 2020, *HiPPO: Recurrent Memory with Optimal Polynomial Projections*: what a state should
#   keep.
# - Gu, Goel, Ré 2022, *Efficiently Modeling Long Sequences with Structured State Spaces* (S4) · Gu et al. 2022, *On the
#   Parameterization and Initialization of Diagonal State Space Models* (S4D) · Rush & Karamcheti 2022, *The Annotated
#   S4*.
# - Gu & Dao 2023, *Mamba: Linear-Time Sequence Modeling with Selective State Spaces* · Dao & Gu 2024, *Transformers are
#   SSMs* (Mamba-2).
# - Blelloch 1990, *Prefix Sums and Their Applications* · Martin & Cundy 2018, *Parallelizing Linear Recurrent Neural
#   Nets Over Sequence Length*: scans.
# - Olsson et al. 2022, *In-context Learning and Induction Heads* · Jelassi et al. 2024, *Repeat After Me: Transformers
#   are Better than State Space Models at Copying*: what a fixed state cannot do.
# - Zhu et al. 2024, *Vision Mamba* · Liu et al. 2024, *VMamba*: images in several scans.
# - Shi et al. 2015, *Convolutional LSTM Network* · Smith et al. 2023, *Convolutional State Space Models for Long-Range
#   Spatiotemporal Modeling* (ConvS5): the two ways to carry the past in section 7.
# - Denton & Fergus 2018, *Stochastic Video Generation with a Learned Prior* · Chen et al. 2024, *Diffusion Forcing*:
#   films of which there are many.
