# %% [markdown]
# # Exercises: state space models
#
# Eleven tasks, each a few lines long, from a differential equation to the sequence model Mamba-2. The pictures between the
# tasks are made with what you wrote: rows of photographs that a few numbers remember, clothes that a state keeps or
# lets go, and digits drawn pixel by pixel by a model whose memory never grows.
#
# - A **state space model** reads an input $x(t)$ into a state $h(t)$ of $N$ numbers, and reads an output from it:
#   $h'(t) = A\, h(t) + B\, x(t)$ and $y(t) = C\, h(t)$. (What goes past the state, $D\, x(t)$, is left out here.)
# - In steps of size `dt` it becomes $h_k = \bar A\, h_{k-1} + \bar B\, x_k$ and $y_k = C\, h_k$. Before the first step the state
#   is 0, and $y_0$ has seen $x_0$ already.
# - A diagonal $A$ is given as the vector $a$ of its eigenvalues. Their real parts are not above 0, so that states fade.
# - **Sequences** are (b, L, W): $b$ of them, $L$ places, $W$ channels. Time is axis 1.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/05_ssms` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math

import torch
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]  # decay and inputs of one step, or of several that have become one

# %% [markdown]
# ## 1 · From a rate to a step
#
# Let $A$ be diagonal; then each number of the state lives alone, $h' = a h + b x$. Hold the input still for a time $\Delta$, and
# the equation can be solved exactly. The old state has faded by $\bar a$, and the input has added $\bar b\, x$:
#
# $$\bar a = e^{\Delta a}, \qquad \bar b = \int_0^\Delta e^{s a} \,\mathrm ds\; b = \frac{e^{\Delta a} - 1}{a}\; b$$
#
# This is the **zero-order hold**. A state with $a = 0$ does not fade at all, it sums up; the integral is then plainly
# $\Delta$. And near 0 the difference of two numbers that are almost 1 has few digits left, so do not form it.
#
# | argument | shape | what |
# |---|---|---|
# | `a`, `b` | (N,), both real or both complex | eigenvalues and input weights; some $a$ may be 0 |
# | `dt` | () | $\Delta$, learnt like the rest |
# | **returns** | (N,) and (N,) | $\bar a$ and $\bar b$ |
#
# <details><summary>Hint</summary>
#
# `torch.expm1(z)` is $e^z - 1$ with all its digits, for complex numbers too. `torch.where` computes both of its sides, and
# the gradient of the side that is not taken may be NaN. So put a harmless number in the place of $a = 0$ *before* dividing.
# </details>


# %% tags=["task"] task="zoh" difficulty=2 importance=5 minutes=15
def zoh(a: Tensor, b: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """What a step leaves of the state, and what it adds of the input, each (N,)."""
    ### BEGIN SOLUTION
    z = dt * a
    safe = z.masked_fill(z == 0, 1.0)
    share = torch.where(z == 0, 1.0, torch.expm1(safe) / safe)  # of what would be added if nothing faded
    return torch.exp(z), dt * share * b
    ### END SOLUTION


# %% tags=["check"]
check("zoh")

# %% [markdown]
# ## 2 · Any matrix, without an exponential
#
# If $A$ is not diagonal, its exponential is dear. Go by the trapezium instead: over one step the state changes by $\Delta$
# times the mean of its rates before and after it (Tustin 1947),
#
# $$h_k = h_{k-1} + \Delta \Big( A\, \frac{h_{k-1} + h_k}{2} + B\, x_k \Big)$$
#
# The new state stands on both sides. Bring it to the left and solve; what then stands before $h_{k-1}$ and before $x_k$ are
# $\bar A$ and $\bar B$. The result is called **bilinear**. It never lets a fading state grow, however large the step.
#
# | argument | type or shape | what |
# |---|---|---|
# | `A` | (N, N) | |
# | `B` | (N,) | |
# | `dt` | float | $\Delta$ |
# | **returns** | (N, N) and (N,) | $\bar A$ and $\bar B$ |
#
# <details><summary>Hint</summary>
#
# On the left stands $(1 - \frac\Delta2 A)\, h_k$. `torch.linalg.solve(left, right)` gives $\text{left}^{-1}\, \text{right}$; `right` may
# be a matrix or a vector. `torch.eye` is the 1.
# </details>


# %% tags=["task"] task="bilinear" difficulty=2 importance=4 minutes=10
def bilinear(A: Tensor, B: Tensor, dt: float) -> tuple[Tensor, Tensor]:
    """The step (N, N) of the state, and that of the input, (N,)."""
    ### BEGIN SOLUTION
    one = torch.eye(len(A), dtype=A.dtype, device=A.device)
    left = one - dt / 2 * A
    return torch.linalg.solve(left, one + dt / 2 * A), torch.linalg.solve(left, dt * B)
    ### END SOLUTION


# %% tags=["check"]
check("bilinear")

# %% [markdown]
# A swing, $a = -\frac12 + 3i$, is pushed for two seconds with constant strength. How wrong is its state afterwards? The plain
# step $1 + \Delta a$ (Euler's) halves its error with the step, yours of task 2 quarters it, and that of task 1 is exact but for
# rounding.

# %% tags=["skip-grading"]
from course_lib.plotting import curves, grid

rate = torch.tensor([-0.5 + 3j])
truth = torch.expm1(2 * rate) / rate
errors = {"zero-order hold": [], "bilinear": [], "Euler": []}
sizes = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01]
for size in sizes:
    one = torch.ones_like(rate)
    steps = [zoh(rate, one, torch.tensor(size)), bilinear(torch.diag(rate), one, size), (1 + size * rate, size * one)]
    for name, (keep, add) in zip(errors, steps):
        state = torch.zeros_like(rate)
        for _ in range(round(2 / size)):
            state = keep.flatten() * state + add
        errors[name].append(max(float((state - truth).abs()), 1e-7))
curves(
    errors,
    x=sizes,
    log="xy",
    xlabel="size of a step",
    ylabel="error after two seconds",
    alt="Three lines: Euler's error falls with the step, the bilinear one twice as steeply, zero-order hold is at rounding",
)

# %% [markdown]
# ## 3 · The model as a recurrence
#
# In steps, a model is a loop: the state is updated by the new input, then the output is read from the **new** state.
#
# $$h_k = \bar A\, h_{k-1} + \bar B\, x_k, \qquad y_k = C\, h_k, \qquad h_{-1} = 0$$
#
# So $y_0 = C \bar B x_0$. Each sequence of the batch has its own state. That is how such a model draws or listens: a step
# costs the same, however long the past is.
#
# | argument | shape | what |
# |---|---|---|
# | `A_bar` | (N, N) | $\bar A$ |
# | `B_bar`, `C` | (N,) | |
# | `x` | (b, L) | sequences of numbers |
# | **returns** | (b, L) | $y$ |
#
# <details><summary>Hint</summary>
#
# Keep the states of all sequences as rows, (b, N). Then $\bar A\, h$ of each row is `h @ A_bar.T`. Collect the outputs in a list;
# `torch.stack` needs to know which axis is time.
# </details>


# %% tags=["task"] task="recurrence" difficulty=1 importance=5 minutes=10
def recurrence(A_bar: Tensor, B_bar: Tensor, C: Tensor, x: Tensor) -> Tensor:
    """Outputs (b, L), step by step."""
    ### BEGIN SOLUTION
    h, y = x.new_zeros(len(x), len(B_bar)), []
    for x_k in x.unbind(1):
        h = h @ A_bar.T + x_k[:, None] * B_bar
        y.append(h @ C)
    return torch.stack(y, dim=1)
    ### END SOLUTION


# %% tags=["check"]
check("recurrence")

# %% [markdown]
# Clothes, whose rows are read from left to right. A state that fades trails the picture; two states that turn into each
# other echo it.

# %% tags=["skip-grading"]
from course_lib.data import load

clothes = load("fashion", "test")
trousers = clothes.x[int((clothes.labels == 1).nonzero()[0])]
rows = trousers[0] + 1  # so that the background is 0
fade, swing = torch.tensor([[-1.0]]), torch.tensor([[-0.2, -1.0], [1.0, -0.2]])
runs = {"dt = 1": (fade, 1.0), "dt = 0.2": (fade, 0.2), "it turns, dt = 0.5": (swing, 0.5)}
seen = [rows]
for matrix, size in runs.values():
    first = torch.eye(len(matrix))[0]
    seen.append(recurrence(*bilinear(matrix, first, size), first, rows))
seen = [picture / picture.abs().max() for picture in seen]
grid(
    torch.stack(seen)[:, None] * 2 - 1,
    titles=["the rows", *runs],
    alt="Trousers; the same hardly changed; with a long trail to the right; with a dark and a bright echo to their right",
)

# %% [markdown]
# ## 4 · The model as a kernel
#
# Nothing in the loop depends on where it is. So unroll it: what was put in $l$ steps ago comes out as $\bar C \bar A^l \bar B$
# times itself, and these numbers are the **kernel**. With a diagonal $\bar A$ they need no matrix, only powers. The
# eigenvalues of a real matrix come in pairs $a, a^*$, whose contributions are conjugate as well, so S4D (Gu et al. 2022) keeps
# **one of each pair**:
#
# $$K_l = \sum_n \Big( c_n\, \bar a_n^{\,l}\, \bar b_n + \big(c_n\, \bar a_n^{\,l}\, \bar b_n\big)^* \Big), \qquad l = 0, \dots, L - 1$$
#
# which is a real number, though each part is complex.
#
# | argument | shape | what |
# |---|---|---|
# | `a_bar`, `b_bar`, `c` | complex, (W, N) | one of each pair, for each of W channels |
# | `length` | int | L |
# | **returns** | real, (W, L) | the kernel of each channel |
#
# <details><summary>Hint</summary>
#
# What is the sum of a number and its conjugate? `a_bar[..., None] ** powers` is (W, N, L), if `powers` counts from 0. `.real` of a
# product is not the product of the `.real`s.
# </details>


# %% tags=["task"] task="kernel" difficulty=2 importance=4 minutes=15
def kernel(a_bar: Tensor, b_bar: Tensor, c: Tensor, length: int) -> Tensor:
    """What comes out of each channel 0, 1, 2, … steps after a 1 was put in, (W, length)."""
    ### BEGIN SOLUTION
    powers = a_bar[..., None] ** torch.arange(length, device=a_bar.device)
    return 2 * torch.einsum("wn,wnl->wl", c * b_bar, powers).real
    ### END SOLUTION


# %% tags=["check"]
check("kernel")

# %% [markdown]
# S4D begins with the rates $a_n = -\frac12 + i \pi n$: waves of $n$ half turns in a time of 1. Three of them alone, and what
# the first sixteen make together.

# %% tags=["skip-grading"]
waves = torch.complex(torch.full((16,), -0.5), math.pi * torch.arange(16.0))
per_step = zoh(waves, torch.ones_like(waves), torch.tensor(1 / 64))
alone = kernel(*(part[:, None] for part in per_step), torch.ones(16, 1, dtype=torch.complex64), 192)
together = kernel(*(part[None] for part in per_step), torch.ones(1, 16, dtype=torch.complex64), 192)
curves(
    {f"n = {n}": alone[n] for n in (0, 1, 4)} | {"mean of 16": together[0] / 16},
    xlabel="steps ago",
    ylabel="weight",
    alt="A fading line, two fading waves, and their mean with others, which is a sharp peak that comes back twice, fainter",
)

# %% [markdown]
# ## 5 · The model as a convolution
#
# With the kernel, all outputs can be computed at once:
#
# $$y_k = \sum_{j=0}^{k} K_{k-j}\, x_j$$
#
# By the Fourier transform that takes $L \log L$ steps instead of $L^2$: a convolution of two sequences is the product of their
# transforms. But the transform believes that time is a **ring**. What leaves at the right end enters at the left, and the
# first outputs would see the last inputs, their own future. Put enough zeros behind both sequences, and what leaves at the end
# falls on them.
#
# | argument | shape | what |
# |---|---|---|
# | `x` | (b, L, W) | sequences |
# | `K` | (W, L) | the kernel of each channel |
# | **returns** | (b, L, W) | $y$; no output depends on a later input |
#
# <details><summary>Hint</summary>
#
# `torch.fft.rfft(x, n=…, dim=…)` appends zeros up to length `n` by itself; tell `torch.fft.irfft` the same `n`. Of the result only
# the first L places are wanted. In `K` time is the last axis, in `x` it is axis 1.
# </details>


# %% tags=["task"] task="causal_convolution" difficulty=2 importance=5 minutes=15
def causal_convolution(x: Tensor, K: Tensor) -> Tensor:
    """Each channel (b, L, W) with its own kernel."""
    ### BEGIN SOLUTION
    length = x.shape[1]
    product = torch.fft.rfft(x, n=2 * length, dim=1) * torch.fft.rfft(K.T, n=2 * length, dim=0)
    return torch.fft.irfft(product, n=2 * length, dim=1)[:, :length]
    ### END SOLUTION


# %% tags=["check"]
check("causal_convolution")

# %% [markdown]
# The trousers once more, through a system that fades slowly: as your recurrence, as your convolution, and on a ring, as it comes
# out without the zeros.

# %% tags=["skip-grading"]
keep, add = bilinear(fade, torch.ones(1), 0.1)
trail = add * keep[0] ** torch.arange(28)  # the kernel of one real state
ring = torch.fft.irfft(torch.fft.rfft(rows) * torch.fft.rfft(trail), n=28)
by_steps = recurrence(keep, add, torch.ones(1), rows)
at_once = causal_convolution(rows[..., None], trail[None])[..., 0]
ways = torch.stack([rows / 2, by_steps, at_once, ring])
grid(
    ways[:, None] / ways[1:].max() * 2 - 1,
    titles=["the rows", "recurrence", "convolution", "on a ring"],
    caption=f"The second and the third differ by {float((by_steps - at_once).abs().max()):.0e} at most.",
    alt="Trousers; twice the same long trail to the right; on a ring the trail comes in again from the left border",
)

# %% [markdown]
# ## 6 · The model as a scan
#
# Let the decay change from step to step, $h_k = a_k h_{k-1} + u_k$ with numbers $a_k$ and inputs $u_k$. No kernel is left, and a loop
# needs $L$ steps, one after the other. But two steps in a row are again **one step of the same kind**: put the earlier one into
# the later one and see what stands before the oldest state, and what is added. This `combine` is associative, so steps may be
# merged in any grouping (Blelloch 1990). Hillis and Steele (1986) take it in passes:
#
# - at first each place $k$ holds its own step;
# - in the pass with distance 1 it merges what stands 1 place before it (the earlier) with its own, then with distance 2, 4, 8, …;
# - a place with nothing at that distance before it stays as it is.
#
# After $\lceil \log_2 L \rceil$ passes each place holds all steps from the first to itself, and what these add is $h_k$.
#
# | argument | shape | what |
# |---|---|---|
# | `earlier`, `later` | pairs (decay, inputs) of equal shapes | two steps, or what several became |
# | `combine` **returns** | a pair | both as one step |
# | `decay`, `inputs` | (b, L, W) | $a_k$, of any sign or 0, and $u_k$ |
# | `scan` **returns** | (b, L, W) | $h_k$ for all $k$, from $h_{-1} = 0$ |
#
# <details><summary>Hint</summary>
#
# $h_2 = a_2 (a_1 h_0 + u_1) + u_2$: which factor stands before $h_0$, and what is left? In a pass with distance $d$ the places from
# $d$ on are the later ones, `[:, d:]`, and `[:, :-d]` the earlier ones. Put what stays and what is new together with `torch.cat`.
# Do not divide by products of decays: one 0 among them, or many small ones, and nothing is left to divide by.
# </details>


# %% tags=["task"] task="combine" difficulty=3 importance=5 minutes=20
def combine(earlier: Pair, later: Pair) -> Pair:
    """Two steps as one."""
    ### BEGIN SOLUTION
    (a1, u1), (a2, u2) = earlier, later
    return a2 * a1, a2 * u1 + u2
    ### END SOLUTION


def scan(decay: Tensor, inputs: Tensor) -> Tensor:
    """All states (b, L, W), in a number of passes that grows as the logarithm of L."""
    ### BEGIN SOLUTION
    distance = 1
    while distance < decay.shape[1]:
        earlier = decay[:, :-distance], inputs[:, :-distance]
        merged = combine(earlier, (decay[:, distance:], inputs[:, distance:]))
        first = decay[:, :distance], inputs[:, :distance]
        decay, inputs = (torch.cat(parts, dim=1) for parts in zip(first, merged))
        distance *= 2
    return inputs
    ### END SOLUTION


# %% tags=["check"]
check("combine")

# %% [markdown]
# Does it pay? Seconds for sequences of one channel, by the loop and by your scan, on this machine. The scan does more sums, but
# few of them after each other.

# %% tags=["skip-grading"]
import time


def looped(decay: Tensor, inputs: Tensor) -> Tensor:
    """One step after the other."""
    h, states = 0, []
    for a_k, u_k in zip(decay.unbind(1), inputs.unbind(1)):
        h = a_k * h + u_k
        states.append(h)
    return torch.stack(states, dim=1)


def seconds(function, *arguments) -> float:
    """The quickest of three runs."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


lengths = [64, 256, 1024, 4096, 16384][: course_lib.pick(smoke=3, laptop=5, gpu=5)]
trials = [(torch.rand(1, length, 1), torch.randn(1, length, 1)) for length in lengths]
curves(
    {"loop": [seconds(looped, *trial) for trial in trials], "your scan": [seconds(scan, *trial) for trial in trials]},
    x=lengths,
    log="xy",
    xlabel="length",
    ylabel="seconds",
    alt="The time of the loop grows with the length; that of the scan hardly does, and is much smaller for long sequences",
)

# %% [markdown]
# ## 7 · What a state should remember
#
# A random $A$ forgets the past in no useful way. HiPPO (Gu et al. 2020) asks for the opposite: let the state be the **best
# description of the whole past** by $N$ numbers. Measure the past by $s$ from 0, the beginning, to 1, now. With the Legendre
# polynomials $P_n$, which are orthogonal on $[-1, 1]$, it is described by
#
# $$x(s) \approx \sum_{n=0}^{N-1} h_n \sqrt{2n+1}\; P_n(2s - 1)$$
#
# and as time goes on, the right $h$ obeys $t\, h'(t) = A\, h + B\, x$ with
#
# $$A_{nk} = -\begin{cases} \sqrt{(2n+1)(2k+1)} & n > k \\ n + 1 & n = k \\ 0 & n < k \end{cases} \qquad B_n = \sqrt{2n+1}$$
#
# The polynomials follow from $P_0(z) = 1$, $P_1(z) = z$ and $(n+1)\, P_{n+1}(z) = (2n+1)\, z\, P_n(z) - n\, P_{n-1}(z)$.
#
# | argument | shape | what |
# |---|---|---|
# | `size` | int | N, 2 or more |
# | `legs` **returns** | (N, N) and (N,) | $A$ and $B$, float32 |
# | `state` | (..., N) | $h$ |
# | `places` | (M,) | where in the past, each $s$ in $[0, 1]$ |
# | `remember` **returns** | (..., M) | $x$ there |
#
# <details><summary>Hint</summary>
#
# `torch.outer(B, B)` has all the roots; `.tril(-1)` keeps what lies below the diagonal. Collect the polynomials in a list that
# begins with $P_0$ and $P_1$, each of shape (M,), and end with a product of matrices.
# </details>


# %% tags=["task"] task="legs" difficulty=3 importance=4 minutes=20
def legs(size: int) -> tuple[Tensor, Tensor]:
    """The HiPPO matrix (N, N) and its B (N,)."""
    ### BEGIN SOLUTION
    n = torch.arange(size, dtype=torch.float32)
    B = torch.sqrt(2 * n + 1)
    return -(torch.outer(B, B).tril(-1) + torch.diag(n + 1)), B
    ### END SOLUTION


def remember(state: Tensor, places: Tensor) -> Tensor:
    """The past (..., M) that a state describes."""
    ### BEGIN SOLUTION
    z, size = 2 * places - 1, state.shape[-1]
    P = [torch.ones_like(z), z]
    for n in range(1, size - 1):
        P.append(((2 * n + 1) * z * P[n] - n * P[n - 1]) / (n + 1))
    scale = torch.sqrt(2 * torch.arange(size, device=state.device) + 1)
    return (state * scale) @ torch.stack(P[:size])
    ### END SOLUTION


# %% tags=["check"]
check("legs")

# %% [markdown]
# A photograph of the Canadian coast, whose rows are read from left to right by your HiPPO matrix, and remembered at the end. Each row
# has 128 pixels. In the time $\log t$ the equation is an ordinary one, $h' = A h + B x$, and the step from $t = k$ to $k + 1$ has the
# size $\log \frac{k + 1}{k}$ in your `bilinear`.

# %% tags=["skip-grading"]
from course_lib.data.earth import earth

places = earth("test", size=128)
photo = places.source[16].float() / 127.5 - 1  # (3, 128, 128)


def memory(rows: Tensor, size: int) -> Tensor:
    """The state (..., N) after all pixels of the rows (..., L)."""
    A, B = legs(size)
    h = rows[..., :1] * torch.eye(size)[0]  # of the first pixel nothing but its height is known
    for k, pixel in enumerate(rows.unbind(-1)[1:], start=1):
        A_bar, B_bar = bilinear(A, B, math.log((k + 1) / k))
        h = h @ A_bar.T + pixel[..., None] * B_bar
    return h


middle = (torch.arange(128) + 0.5) / 128
sizes = [4, 8, 16, 32, 64]
kept = [remember(memory(photo, size), middle).clamp(-1, 1) for size in sizes]
grid(
    torch.stack([photo, *kept]),
    columns=3,
    titles=["the rows", *(f"N = {size}" for size in sizes)],
    alt="A photograph of a coast, and what 4, 8, 16, 32 and 64 numbers a row keep of it: ever finer parts, all along the row",
)

# %% [markdown]
# ## 8 · Choose what to remember
#
# HiPPO keeps everything alike. Mamba (Gu and Dao 2023) lets each input decide: $\Delta$, $B$ and $C$ are made **from the input**, anew at
# each place. $A$ stays as it is, one real negative number for each channel and each of its states. With a large $\Delta$ the
# old state fades and the input is written; with $\Delta = 0$ nothing happens at all. One step:
#
# $$h \leftarrow e^{\Delta A} \odot h + (\Delta\, x)\, B, \qquad y = \textstyle\sum_n C_n h_n$$
#
# For $\bar A$ this is the zero-order hold; for $\bar B$ it is the plain $\Delta B$ that Mamba takes, since $B$ is free anyway. $\Delta$ and
# $x$ are numbers of a channel, and belong to all its states; $B$ and $C$ are numbers of a state, and belong to all channels.
#
# | argument | shape | what |
# |---|---|---|
# | `x`, `dt` | (b, W) | input and step size of each channel |
# | `A` | (W, N) | negative |
# | `B`, `C` | (b, N) | how to write, and how to read |
# | `state` | (b, W, N) | $h$ before the step |
# | **returns** | (b, W) and (b, W, N) | $y$, and the new state |
#
# <details><summary>Hint</summary>
#
# Everything has to become (b, W, N). Which axis does `dt` lack, which `A`, which `B`? If $b = W$, a wrong one raises no error.
# </details>


# %% tags=["task"] task="selective_step" difficulty=2 importance=5 minutes=15
def selective_step(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The output (b, W) of one step, and the state (b, W, N) after it."""
    ### BEGIN SOLUTION
    state = torch.exp(dt[..., None] * A) * state + (dt * x)[..., None] * B[:, None]
    return (state * C[:, None]).sum(-1), state
    ### END SOLUTION


# %% tags=["check"]
check("selective_step")

# %% [markdown]
# Ten clothes pass by, one a step; each pixel is a channel with a single state. With one step size for all, what is seen is a
# blend of the last few. With a $\Delta$ that depends on the input (here it is large for bags and almost 0 for everything else) the
# state takes the bag and keeps it, as long as one likes.

# %% tags=["skip-grading"]
order = [0, 7, 8, 2, 1, 9, 3, 5, 6, 7]
passing = torch.stack([clothes.x[int((clothes.labels == label).nonzero()[3])] for label in order])
flat = (passing + 1).flatten(1)
states = {"fixed": torch.zeros(1, 784, 1), "selective": torch.zeros(1, 784, 1)}
shown = {name: [] for name in states}
for label, picture in zip(order, flat[:, None]):
    for name, size in {"fixed": 0.5, "selective": 4.0 if label == 8 else 0.01}.items():
        step = torch.full_like(picture, size)
        write = torch.full((1, 1), -math.expm1(-size) / size)  # B is free: with this one dt * B is the exact hold
        y, states[name] = selective_step(picture, step, -torch.ones(784, 1), write, torch.ones(1, 1), states[name])
        shown[name].append(y.view(1, 28, 28) - 1)
grid(
    torch.cat([passing, *(torch.stack(row) for row in shown.values())]),
    columns=10,
    row_titles=["input", "fixed Δ", "selective Δ"],
    alt="Ten clothes; with a fixed step each is seen through the last ones; with a selective step the bag stays to the end",
)

# %% [markdown]
# ## 9 · Every pair of places
#
# Look at the whole sequence at once. What was written at place $j$ has faded, by the time it is read at place $i$, by all decays
# **after** $j$ up to and with $i$. Given are the logarithms of the decays, $\Delta A \le 0$, so products are sums:
#
# $$M_{ij} = \begin{cases} \exp \big( \ell_{j+1} + \dots + \ell_i \big) & j \le i \\ 0 & j > i \end{cases}$$
#
# What has just been written has not faded, $M_{ii} = 1$. Each sum is a difference of two cumulative sums, and never above 0. A
# quotient of cumulative *products* is the same on paper, and 0 divided by 0 after a hundred places. Beware also of the places
# $j > i$: there the difference is positive and may be large; its exponential is infinite, and infinity times 0 is NaN.
#
# | argument | shape | what |
# |---|---|---|
# | `log_decay` | (..., L), not above 0 | $\ell$ |
# | **returns** | (..., L, L) | $M$; rows are where one reads |
#
# <details><summary>Hint</summary>
#
# `.cumsum(-1)`, then all differences by two views with one axis more. `.masked_fill(…, -math.inf)` before the exponential makes
# zeros, and zeros with a gradient of 0. After it, the gradient would be NaN.
# </details>


# %% tags=["task"] task="decay_matrix" difficulty=3 importance=5 minutes=15
def decay_matrix(log_decay: Tensor) -> Tensor:
    """How much of what was written at j is left at i, (..., L, L)."""
    ### BEGIN SOLUTION
    total = log_decay.cumsum(-1)
    between = total[..., :, None] - total[..., None, :]
    past = torch.ones_like(between, dtype=torch.bool).tril()
    return between.masked_fill(~past, -math.inf).exp()
    ### END SOLUTION


# %% tags=["check"]
check("decay_matrix")

# %% [markdown]
# ## 10 · It was attention all along
#
# Mamba-2 (Dao and Gu 2024) gives all states of a head **one** decay. A head has a width $P$, and its state is a matrix $(P, N)$:
# $h_k = e^{\ell_k} h_{k-1} + x_k B_k^\top$ and $y_k = h_k C_k$. Put the sum of all earlier steps in, and no state is left:
#
# $$y_i = \sum_{j \le i} M_{ij}\, (C_i \cdot B_j)\; x_j$$
#
# That is attention. $C$ asks, $B$ is the key, $x$ the value; and in the place of the softmax stands the decay matrix. It costs $L^2$,
# as attention does, and it is the very same model as the recurrence.
#
# | argument | shape | what |
# |---|---|---|
# | `x` | (b, L, H, P) | what to write, for each of H heads |
# | `log_decay` | (b, L, H) | $\ell$ |
# | `B`, `C` | (b, L, N) | how to write and to read, for all heads alike |
# | **returns** | (b, L, H, P) | $y$ |
#
# <details><summary>Hint</summary>
#
# Your `decay_matrix` wants time on the last axis. Make the weights first, (b, H, L, L); the products $C_i \cdot B_j$ are (b, L, L), so
# which axis do they lack? Then `torch.einsum("bhij,…->…", …)` sums over what does not stand behind the arrow.
# </details>


# %% tags=["task"] task="ssd" difficulty=3 importance=5 minutes=15
def ssd(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """All outputs (b, L, H, P) at once, from all pairs of places."""
    ### BEGIN SOLUTION
    weights = decay_matrix(log_decay.mT) * (C @ B.mT)[:, None]
    return torch.einsum("bhij,bjhp->bihp", weights, x)
    ### END SOLUTION


# %% tags=["check"]
check("ssd")

# %% [markdown]
# The weights $M_{ij}\, (C_i \cdot B_j)$ of a digit, read pixel by pixel. Nothing is trained: $B_j$ and $C_j$ say how bright a place and its
# neighbours are, so that ink finds ink, and the decay is chosen by hand; in the last picture a place without ink forgets more.

# %% tags=["skip-grading"]
from torch.nn.functional import normalize, pad

digits = load("digits", "test")
digit = digits.x[5, 0]  # (8, 8)
around = pad((digit[None] + 1) / 2, (1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 3, 1).reshape(1, 64, 9)
ink = digit.flatten()[None, :, None] > -0.5  # (b, L, H)
rates = {"slow decay": -0.01, "quick decay": -0.08, "forgets on blanks": torch.where(ink, 0.0, -0.3)}
maps = []
for rate in rates.values():
    # a 1 at place j and zeros elsewhere: what comes out at i is the weight of j
    ones = torch.eye(64)[None, :, None]
    maps.append(ssd(ones, rate * torch.ones(1, 64, 1), normalize(around, dim=-1), normalize(around, dim=-1))[0, :, 0])
large = digit.repeat_interleave(8, 0).repeat_interleave(8, 1)
grid(
    torch.stack([large, *(2 * weights - 1 for weights in maps)])[:, None],
    titles=["the digit", *rates],
    caption="64 places read (down) from 64 places written (across).",
    alt="A digit and three triangles of weights: stripes where ink meets ink, fading slowly, quickly, or at blank places",
)

# %% [markdown]
# ## 11 · The best of both
#
# The recurrence is cheap but takes $L$ small steps, the square form takes one large one that costs $L^2$. So cut the sequence into
# **chunks** of $Q$ places. Within a chunk use the square form. Between chunks only a state is handed on, the **carry**, $(P, N)$ for each
# head. For one chunk with local places $i = 0, \dots, Q - 1$, the carry $S$ from before it, and $c_i = \ell_0 + \dots + \ell_i$:
#
# $$y_i = \text{ssd}_i + e^{c_i}\, S\, C_i, \qquad
# S \leftarrow e^{c_{Q-1}} S + \sum_j e^{c_{Q-1} - c_j}\, x_j B_j^\top$$
#
# The carry has faded already when the first place of the chunk reads it, and what place $j$ writes fades by all that follows it in
# the chunk. Every exponent is 0 or less.
#
# | argument | type or shape | what |
# |---|---|---|
# | `x`, `log_decay`, `B`, `C` | as in task 10 | |
# | `chunk` | int | $Q$, a divisor of L |
# | `state` | (b, H, P, N) | the carry from before the first place |
# | **returns** | (b, L, H, P) and (b, H, P, N) | $y$, and the carry after the last place |
#
# <details><summary>Hint</summary>
#
# `.split(chunk, dim=1)` cuts a tensor into its chunks; go over those of all four at once with `zip`. Give each chunk to your
# `ssd`, then add what the carry says. `torch.einsum` for the products of two; decays (b, Q, H) multiply what is (b, Q, H, P).
# </details>


# %% tags=["task"] task="chunked" difficulty=4 importance=5 minutes=25
def chunked(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, chunk: int, state: Tensor) -> tuple[Tensor, Tensor]:
    """The same outputs (b, L, H, P) chunk by chunk, and the last carry (b, H, P, N)."""
    ### BEGIN SOLUTION
    y = []
    for x_q, log_q, B_q, C_q in zip(*(part.split(chunk, dim=1) for part in (x, log_decay, B, C))):
        total = log_q.cumsum(1)  # (b, Q, H)
        read = torch.einsum("bhpn,bqn->bqhp", state, C_q)
        y.append(ssd(x_q, log_q, B_q, C_q) + total.exp()[..., None] * read)
        left = (total[:, -1:] - total).exp()
        written = torch.einsum("bqhp,bqn->bhpn", left[..., None] * x_q, B_q)
        state = total[:, -1].exp()[..., None, None] * state + written
    return torch.cat(y, dim=1), state
    ### END SOLUTION


# %% tags=["check"]
check("chunked")

# %% [markdown]
# All of it at work: a digit is a sentence of 64 words from a vocabulary of 17 levels of grey. A model of one layer of your `chunked` learns
# to say the next pixel, then draws digits with one step of your recurrence a pixel. What it has drawn so far it remembers in
# a state that is as large at the last pixel as at the first. It has a few seconds for it; do not expect the notebook's quality.


# %% tags=["skip-grading"]
from torch.nn.functional import cross_entropy, rms_norm, silu, softplus

WIDTH, INNER, HEADS, STATE, PLACES, LEVELS = 48, 64, 4, 16, 64, 17
train_digits = load("digits")
levels = ((train_digits.x + 1) * 8).round().long().flatten(1)


class Reader(nn.Module):
    """Pixels before each place (b, L), 17 for "none yet", and labels (b,) -> logits (b, L, 17), and the state after."""

    def __init__(self) -> None:
        super().__init__()
        self.pixel, self.label = nn.Embedding(LEVELS + 1, WIDTH), nn.Embedding(10, WIDTH)
        self.place = nn.Parameter(0.1 * torch.randn(PLACES, WIDTH))
        self.into, self.out = nn.Linear(WIDTH, 2 * INNER + 2 * STATE + HEADS), nn.Linear(INNER, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.SiLU(), nn.Linear(2 * WIDTH, WIDTH))
        self.head, self.log_rate = nn.Linear(WIDTH, LEVELS), nn.Parameter(torch.linspace(-3, 1, HEADS))

    def forward(self, pixels: Tensor, labels: Tensor, state: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
        length = pixels.shape[1]
        x = self.pixel(pixels) + self.label(labels)[:, None] + self.place[first : first + length]
        value, gate, B, C, dt = self.into(rms_norm(x, [WIDTH])).split([INNER, INNER, STATE, STATE, HEADS], dim=-1)
        value, dt = silu(value).unflatten(-1, (HEADS, -1)), softplus(dt)
        log_decay = -dt * self.log_rate.exp()
        y, state = chunked(dt[..., None] * value, log_decay, silu(B), silu(C), min(32, length), state)
        x = x + self.out(rms_norm((y + value).flatten(2), [INNER]) * silu(gate))
        x = x + self.mlp(rms_norm(x, [WIDTH]))
        return self.head(rms_norm(x, [WIDTH])), state


def empty(size: int) -> Tensor:
    """The state before anything was seen."""
    return torch.zeros(size, HEADS, INNER // HEADS, STATE)


torch.manual_seed(0)
reader, nats = Reader(), []
steps = course_lib.pick(smoke=3, laptop=400, gpu=400)
optimizer = torch.optim.AdamW(reader.parameters(), lr=1e-2)
pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps + 1, pct_start=0.1)
for _ in range(steps):
    i = torch.randint(len(levels), (16,))
    before = torch.cat([torch.full((16, 1), LEVELS), levels[i, :-1]], dim=1)
    logits, _ = reader(before, train_digits.labels[i], empty(16))
    loss = cross_entropy(logits.flatten(0, 1), levels[i].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    pace.step()
    nats.append(float(loss.detach()))

with torch.no_grad():
    asked = torch.arange(10).repeat(3)
    pixel, state, drawn = torch.full((30, 1), LEVELS), empty(30), []
    for place in range(PLACES):
        logits, state = reader(pixel, asked, state, first=place)
        pixel = torch.distributions.Categorical(logits=logits / 0.8).sample()
        drawn.append(pixel)
bits = sum(nats[-20:]) / len(nats[-20:]) / math.log(2)
grid(
    torch.cat(drawn, dim=1).view(-1, 1, 8, 8) / 8 - 1,
    columns=10,
    caption=f"{bits:.2f} bits a pixel at the end; all {LEVELS} levels alike: {math.log2(LEVELS):.2f}. "
    f"The state has {state[0].numel():,} numbers, at any length.",
    alt="Three rows of ten digits, 0 to 9, drawn pixel by pixel; zeros, threes, fours and fives can be read at once",
)
