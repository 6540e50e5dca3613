# %% [markdown]
# # Exercises: transformers
#
# Eleven tasks, each a few lines long, from a weighted mean to the parts of a model that draws what a caption says.
# The pictures between the tasks are made with what you wrote: a decoder of clothes, trained in seconds on images
# that are 49 numbers each, a map of what each word of a caption looks at, and a model that finds the caption of an image.
#
# - A **sequence** is a float tensor $(B, L, D)$: $L$ places, each with $D$ features. In the middle of an attention it is
#   $(B, \text{heads}, L, d)$: each head has its own part of the features.
# - **Tokens** are int64: numbers of codes or of words. An image of `fashion_tokens` is $7 \times 7$ of them, row by row.
# - **Logits** are $(B, L, K)$: what each place says of each of $K$ tokens, before the softmax.
# - A **mask** is a bool tensor, true where a place *may look*. `hidden` is true where something is *not* to be seen.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/04_transformers` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm, normalize

Decoder = Callable[[Tensor], Tensor]  # tokens (B, L) -> logits (B, L, K)
Branch = Callable[[Tensor], Tensor]  # features (B, L, D) -> features (B, L, D)
PAD = 0  # the token that fills up a caption which is shorter than others

# %% [markdown]
# ## 1 · Attention
#
# Each place asks a question $q_i$; every place offers a key $k_j$ and a value $v_j$. What a place gets is a mean of the
# values, weighted by how well each key answers its question (Vaswani et al. 2017, equation 1):
#
# $$\text{out}_i = \sum_j a_{ij} v_j, \qquad a_{ij} = \operatorname{softmax}_j\Big(\frac{q_i \cdot k_j}{\sqrt d}\Big)$$
#
# The product of two random vectors of $d$ numbers varies by $d$; the root brings the scores back to variance 1, so that
# the softmax is not almost certain from the start. Where the mask is false the weight must be exactly 0, and the
# others must still sum to 1.
#
# | argument | shape | what |
# |---|---|---|
# | `q` | (..., L, d) | questions |
# | `k`, `v` | (..., M, d), (..., M, e) | keys and values; M may differ from L |
# | `mask` | bool, broadcasts to (..., L, M), or `None` | true where a place may look; each may look somewhere |
# | **returns** | (..., L, e) and (..., L, M) | the means, and the weights |
#
# <details><summary>Hint</summary>
#
# `k.mT` exchanges the last two axes, whatever stands before them. $e^{-\infty} = 0$: what happens to a score that is
# set to `-math.inf` before the softmax? `.masked_fill(where, value)` fills where it is *true*.
# </details>


# %% tags=["task"] task="attention" difficulty=2 importance=5 minutes=15
def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Weighted means of the values (..., L, e), and the weights (..., L, M)."""
    ### BEGIN SOLUTION
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights
    ### END SOLUTION


# %% tags=["check"]
check("attention")

# %% [markdown]
# No network yet: cut a shirt into patches of $4 \times 4$ pixels, and let each ask for patches that look like itself. The
# first picture is the shirt, the others show the weights of one place each, which is marked.

# %% tags=["skip-grading"]
from course_lib.data import load
from course_lib.plotting import curves, grid, strip

clothes = load("fashion", "test")
shirt = clothes.x[int((clothes.labels == 6).nonzero()[0])]
patches = shirt.unfold(1, 4, 4).unfold(2, 4, 4).reshape(1, 49, 16)
alike = normalize(patches - patches.mean(1, keepdim=True), dim=-1)
_, weights = attention(30 * alike, alike, patches)
asking = [8, 24, 46]
maps = weights[0, asking].view(3, 1, 7, 7)
maps = (maps / maps.amax((2, 3), keepdim=True)).repeat_interleave(4, 2).repeat_interleave(4, 3)
for shown, place in zip(maps, asking):
    row, column = 4 * (place // 7), 4 * (place % 7)
    shown[0, row : row + 4, column : column + 4] = 0.5
    shown[0, row + 1 : row + 3, column + 1 : column + 3] = 0
grid(
    torch.cat([shirt[None], 2 * maps - 1]),
    titles=["the shirt", *(f"place {place}" for place in asking)],
    alt="A shirt, and three maps of weights: each place looks at patches that are like it, also far away ones",
)

# %% [markdown]
# ## 2 · Several heads
#
# One place may have several things to ask. So the $D$ features are cut into parts of $d = D / \text{heads}$, each head
# attends with its own part, and the results are put side by side again. Head 0 has the **first** $d$ features of every
# place, head 1 the next, and so on.
#
# $$(B, L, D) \;\longrightarrow\; (B, \text{heads}, L, d) \;\longrightarrow\; (B, L, D)$$
#
# Both are a matter of axes. Beware: a `view` gives any shape that you ask for, whether or not the right numbers stand
# there, and such a mistake raises no error; the model only learns less.
#
# | argument | shape | what |
# |---|---|---|
# | `split_heads`: `x` | (B, L, D) | features of each place |
# | `heads` | int | a divisor of D |
# | **returns** | (B, heads, L, d) | |
# | `merge_heads`: `x` | (B, heads, L, d) | results of each head |
# | **returns** | (B, L, D) | undoes `split_heads` |
#
# <details><summary>Hint</summary>
#
# First cut the last axis in two, `unflatten(-1, …)`; then exchange two axes. Backwards in the opposite order.
# </details>


# %% tags=["task"] task="heads" difficulty=2 importance=4 minutes=10
def split_heads(x: Tensor, heads: int) -> Tensor:
    """Features (B, L, D) as parts (B, heads, L, d)."""
    ### BEGIN SOLUTION
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
    ### END SOLUTION


def merge_heads(x: Tensor) -> Tensor:
    """Parts (B, heads, L, d) as features (B, L, D)."""
    ### BEGIN SOLUTION
    return x.transpose(1, 2).flatten(2)
    ### END SOLUTION


# %% tags=["check"]
check("heads")

# %% [markdown]
# ## 3 · Where am I?
#
# Exchange two places, and attention exchanges their results: it does not know where anything is. So the place is written
# into the features, as waves of several lengths. For one coordinate $p$ and $n$ waves:
#
# $$\big(\cos p\,\omega_0, \dots, \cos p\,\omega_{n-1},\; \sin p\,\omega_0, \dots, \sin p\,\omega_{n-1}\big), \qquad
# \omega_j = 10000^{-j/n}$$
#
# The first wave turns by 1 radian a step, the last hardly at all. An image has two coordinates: one half of the features
# tells the row, the other half the column, so that each has $n = D / 4$ waves.
#
# | argument | shape | what |
# |---|---|---|
# | `rows`, `columns` | int64, (N,) | where each of N places is |
# | `width` | int, a multiple of 4 | $D$ |
# | **returns** | (N, `width`) | cosines and sines of the row, then cosines and sines of the column |
#
# <details><summary>Hint</summary>
#
# `rows[:, None] * waves` is (N, n). How many waves are there for each coordinate? Four blocks of that many columns
# make up the width.
# </details>


# %% tags=["task"] task="grid_positions" difficulty=2 importance=4 minutes=15
def grid_positions(rows: Tensor, columns: Tensor, width: int) -> Tensor:
    """Codes (N, width) of places on a grid."""
    ### BEGIN SOLUTION
    n = width // 4
    waves = 10000.0 ** (-torch.arange(n, device=rows.device) / n)
    angles = [place[:, None] * waves for place in (rows, columns)]
    return torch.cat([wave for angle in angles for wave in (angle.cos(), angle.sin())], dim=1)
    ### END SOLUTION


# %% tags=["check"]
check("grid_positions")

# %% [markdown]
# Why waves? The product of two codes depends on the distance of their places only, $\sum_j \cos \omega_j (p - q)$ for each
# coordinate. So attention can ask for "what is near", wherever it is. Four places, and how much the code of each
# resembles all codes of a grid of $24 \times 24$:

# %% tags=["skip-grading"]
rows, columns = torch.arange(24).repeat_interleave(24), torch.arange(24).repeat(24)
codes = grid_positions(rows, columns, 64)
chosen = [3 * 24 + 3, 3 * 24 + 20, 12 * 24 + 12, 20 * 24 + 6]
likeness = (codes[chosen] @ codes.T / 32).view(4, 1, 24, 24)
grid(
    2 * (likeness - likeness.min()) / (likeness.max() - likeness.min()) - 1,
    titles=[f"row {place // 24}, column {place % 24}" for place in chosen],
    alt="Four maps, each brightest at its own place, with a cross of its row and column, darker with the distance",
)

# %% [markdown]
# ## 4 · The next token
#
# An image of 49 tokens is a sentence. By the chain rule $p(\text{tokens}) = \prod_i p(\text{token}_i \mid \text{those before
# it})$, and one pass of a **decoder** gives all factors: under a causal mask, its place $i$ has seen the inputs
# $0, \dots, i$ and nothing later. What should stand at these inputs, so that place $i$ has to say token $i$ without having
# seen it? Everything one place later, and in front something that is known already: a start, here a number that
# says which class to draw.
#
# | argument | type or shape | what |
# |---|---|---|
# | `decoder` | function (B, L) $\mapsto$ (B, L, K) | place $i$ of the logits depends on inputs $0, \dots, i$ |
# | `tokens` | int64, (B, L) | the images |
# | `start` | int64, (B,) | what stands in front of each |
# | **returns** | () | mean negative log-likelihood of all B·L tokens, in nats |
#
# <details><summary>Hint</summary>
#
# If place $i$ sees token $i$ the loss falls to 0, since copying is easy; then nothing has been learnt. The last token
# is an input of nothing. `cross_entropy` wants classes on axis 1, or all places in one row: `.flatten(0, 1)`.
# </details>


# %% tags=["task"] task="next_token_loss" difficulty=2 importance=5 minutes=10
def next_token_loss(decoder: Decoder, tokens: Tensor, start: Tensor) -> Tensor:
    """Mean nats a token, each predicted from the start and the tokens before it, a scalar."""
    ### BEGIN SOLUTION
    before = torch.cat([start[:, None], tokens[:, :-1]], dim=1)
    return cross_entropy(decoder(before).flatten(0, 1), tokens.flatten())
    ### END SOLUTION


# %% tags=["check"]
check("next_token_loss")

# %% [markdown]
# ## 5 · Never compute twice
#
# To draw, one goes place by place, and each new place looks back at all earlier ones. Their keys and values do not
# change any more, because no earlier place looks forward. So keep them: a new place brings one $q$, $k$ and $v$, adds its
# $k$ and $v$ to those that are kept, and attends to all of them, its own included. That costs what one row of the
# attention costs, and the result is the same as that of the full pass under a causal mask.
#
# | argument | shape | what |
# |---|---|---|
# | `q`, `k`, `v` | (B, heads, 1, d) | of the new place |
# | `keys`, `values` | (B, heads, M, d) | of the M places before it; M is 0 for the first |
# | **returns** | (B, heads, 1, d), then twice (B, heads, M + 1, d) | what the place gets; all keys and values so far |
#
# <details><summary>Hint</summary>
#
# `torch.cat` along the axis of places; then your `attention`. Is there anything left that a mask would have to hide?
# </details>


# %% tags=["task"] task="cached_attention" difficulty=2 importance=4 minutes=10
def cached_attention(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What one new place gets, and the keys and values that are kept for the next."""
    ### BEGIN SOLUTION
    keys, values = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
    out, _ = attention(q, keys, values)
    return out, keys, values
    ### END SOLUTION


# %% tags=["check"]
check("cached_attention")

# %% [markdown]
# ## 6 · Draw a token
#
# How does one draw from a softmax? Add to each logit its own Gumbel noise $g = -\log(-\log u)$, with $u$ uniform in
# $(0, 1)$, and take the largest: token $j$ wins with probability $\operatorname{softmax}_j$ exactly (Gumbel 1954). With a
# **temperature** $\tau$,
#
# $$\text{token} = \operatorname*{argmax}_j\, \big(\text{logit}_j + \tau\, g_j\big)$$
#
# draws from the softmax of $\text{logits} / \tau$: at 1 the model itself, lower the likely tokens more often, at 0 always the
# likeliest. **Top-k** leaves only the $k$ tokens of the largest logits in the race, whatever luck the others have.
#
# | argument | shape | what |
# |---|---|---|
# | `logits` | (..., K) | no two alike |
# | `noise` | (..., K) | $g$, Gumbel noise that has been drawn already |
# | `temperature` | float, 0 or more | $\tau$ |
# | `top` | int, 1 to K | how many tokens may be drawn |
# | **returns** | int64, (...) | the tokens |
#
# <details><summary>Hint</summary>
#
# `logits.topk(top).values[..., -1:]` is the least logit that stays in the race. A division by $\tau$ fails at 0, and
# none is needed.
# </details>


# %% tags=["task"] task="draw_token" difficulty=2 importance=4 minutes=10
def draw_token(logits: Tensor, noise: Tensor, temperature: float, top: int) -> Tensor:
    """A token from each row of logits, int64 (...)."""
    ### BEGIN SOLUTION
    least = logits.topk(top, dim=-1).values[..., -1:]
    running = logits.masked_fill(logits < least, -math.inf)
    return (running + temperature * noise).argmax(-1)
    ### END SOLUTION


# %% tags=["check"]
check("draw_token")

# %% [markdown]
# All six at work: a transformer of a single block of your parts learns the tokens of 60,000 clothes by `next_token_loss`,
# then draws new ones place by place from your cache. It has a few seconds for it; do not expect the notebook's quality.

# %% tags=["skip-grading"]
from course_lib.checkpoints import pretrained
from course_lib.vaes.tokens import fashion_tokens

tokenizer, train_tokens = pretrained("fashion_tokenizer"), fashion_tokens()
CODES, PLACES, WIDTH, HEADS = train_tokens.codes, 49, 64, 4
causal = torch.ones(PLACES, PLACES, dtype=torch.bool).tril()
flat, labels = train_tokens.tokens.flatten(1), train_tokens.labels


class Block(nn.Module):
    """Look around, then think, with your attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.mix = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def asked(self, x: Tensor) -> list[Tensor]:
        return [split_heads(part, HEADS) for part in self.qkv(self.norm1(x)).chunk(3, dim=-1)]

    def answered(self, x: Tensor, heads: Tensor) -> Tensor:
        x = x + self.mix(merge_heads(heads))
        return x + self.mlp(self.norm2(x))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.answered(x, attention(*self.asked(x), mask)[0])


class Small(nn.Module):
    """Tokens (B, 49) -> logits (B, 49, K); numbers from K on are the classes, and one more means "hidden"."""

    def __init__(self, mask: Tensor | None) -> None:
        super().__init__()
        self.mask, self.embed = mask, nn.Embedding(CODES + 11, WIDTH)
        self.blocks = nn.ModuleList([Block()])
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CODES))
        self.places = grid_positions(torch.arange(PLACES) // 7, torch.arange(PLACES) % 7, WIDTH)
        nn.init.normal_(self.embed.weight, std=0.3)

    def forward(self, tokens: Tensor, extra: Tensor | float = 0.0) -> Tensor:
        x = self.embed(tokens) + self.places + extra
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(x)


def train(parameters, loss_on: Callable[[Tensor], Tensor], n: int, steps: int, size: int = 16) -> list[float]:
    """Minimise loss_on(indices of a batch out of n), with a learning rate that falls to nothing."""
    steps = course_lib.pick(smoke=3, laptop=steps, gpu=steps)
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for _ in range(steps):
        loss = loss_on(torch.randint(n, (size,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        losses.append(float(loss.detach()))
    return losses


def gumbel(like: Tensor) -> Tensor:
    """Noise for task 6."""
    return -(-torch.rand_like(like).clamp(1e-20, 1 - 1e-7).log()).log()


@torch.no_grad()
def drawn(model: Small, labels: Tensor, temperature: float, top: int) -> Tensor:
    """Tokens (B, 49), one after the other."""
    kept = [(torch.zeros(len(labels), HEADS, 0, WIDTH // HEADS),) * 2 for _ in model.blocks]
    last, found = CODES + labels, []
    for place in range(PLACES):
        x = (model.embed(last) + model.places[place])[:, None]
        for i, block in enumerate(model.blocks):
            heads, *kept[i] = cached_attention(*block.asked(x), *kept[i])
            x = block.answered(x, heads)
        logits = model.head(x[:, 0])
        last = draw_token(logits, gumbel(logits), temperature, top)
        found.append(last)
    return torch.stack(found, dim=1)


def pictures(tokens: Tensor) -> Tensor:
    with torch.no_grad():
        return tokenizer.decode(tokens.view(-1, 7, 7)).clamp(-1, 1)


torch.manual_seed(0)
writer = Small(causal)
losses = train(writer.parameters(), lambda i: next_token_loss(writer, flat[i], CODES + labels[i]), len(flat), steps=500)
classes = torch.arange(10)
ways = {"plain": (1.0, CODES), "top 20": (1.0, 20), "τ = 0.7": (0.7, CODES), "τ = 0": (0.0, CODES)}
grid(
    torch.cat([pictures(drawn(writer, classes, *how)) for how in ways.values()]),
    columns=10,
    row_titles=list(ways),
    caption=f"{sum(losses[-20:]) / len(losses[-20:]):.2f} nats a token at the end; all {CODES} alike: {math.log(CODES):.2f}.",
    alt="Ten classes of clothes drawn in four ways: plain draws are ragged, cooler ones smoother and plainer",
)

# %% [markdown]
# ## 7 · All at once, a few times
#
# Forty-nine steps for forty-nine tokens. MaskGIT (Chang et al. 2022) guesses **all** hidden tokens at once, keeps the guesses
# of which it is surest, and hides the others again. When a share $r$ of the rounds is done,
#
# $$\big\lfloor \text{places} \cdot \cos(\tfrac{\pi}{2} r) \big\rfloor$$
#
# places stay hidden: few are kept early, when little is known, many late. How sure a guess is says its own
# $\log \text{softmax}$. What was kept in an earlier round is never hidden again.
#
# | argument | type or shape | what |
# |---|---|---|
# | `done` | float in [0, 1] | $r$ |
# | `places` | int | how many places there are |
# | `mask_schedule` **returns** | int | how many stay hidden |
# | `logits` | (B, L, K) | of this round |
# | `tokens` | int64, (B, L) | guesses where hidden, elsewhere what was kept |
# | `hidden` | bool, (B, L) | which places were hidden before this round |
# | `count` | int | how many places of each image to hide now |
# | `rehide` **returns** | bool, (B, L) | which are hidden now |
#
# <details><summary>Hint</summary>
#
# `logits.log_softmax(-1)` is (B, L, K), and `.gather(-1, tokens[..., None])` takes the guess's own number out of it. How sure
# must a kept place be, so that it is never among the least sure? `argsort` of each row, then `scatter`.
# </details>


# %% tags=["task"] task="maskgit" difficulty=3 importance=4 minutes=20
def mask_schedule(done: float, places: int) -> int:
    """How many places stay hidden when this share of the rounds is done."""
    ### BEGIN SOLUTION
    return math.floor(places * math.cos(math.pi / 2 * done))
    ### END SOLUTION


def rehide(logits: Tensor, tokens: Tensor, hidden: Tensor, count: int) -> Tensor:
    """Which `count` places of each image are hidden now, bool (B, L)."""
    ### BEGIN SOLUTION
    sure = logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
    sure = sure.masked_fill(~hidden, math.inf)
    least = sure.argsort(dim=1)[:, :count]
    return torch.zeros_like(hidden).scatter(1, least, True)
    ### END SOLUTION


# %% tags=["check"]
check("maskgit")

# %% [markdown]
# The same transformer without its mask, trained to fill in what is hidden, then eight rounds by your schedule. What is
# still hidden is grey. (In the notebook chance has a say in what is kept; here the surest always win, and the surest
# places are those of the plain background.)


# %% tags=["skip-grading"]
def gaps_loss(model: Small, tokens: Tensor, labels: Tensor) -> Tensor:
    """Nats a hidden token, for random shares of hidden ones."""
    share = torch.rand(len(tokens), 1).mul(math.pi / 2).cos()
    hidden = torch.rand(tokens.shape) < share
    hidden[:, 0] = True  # at least one
    given = tokens.masked_fill(hidden, CODES + 10)
    return cross_entropy(model(given, model.embed(CODES + labels)[:, None])[hidden], tokens[hidden])


@torch.no_grad()
def filled(model: Small, labels: Tensor, rounds: int) -> list[Tensor]:
    """Pictures after each round, grey where tokens are hidden."""
    tokens = torch.full((len(labels), PLACES), CODES + 10)
    hidden, states = torch.ones_like(tokens, dtype=torch.bool), []
    for done in range(1, rounds + 1):
        logits = model(tokens.masked_fill(hidden, CODES + 10), model.embed(CODES + labels)[:, None])
        tokens = torch.where(hidden, draw_token(logits, gumbel(logits), 1.0, CODES), tokens)
        hidden = rehide(logits, tokens, hidden, mask_schedule(done / rounds, PLACES))
        grey = hidden.view(-1, 1, 7, 7).repeat_interleave(4, 2).repeat_interleave(4, 3)
        states.append(pictures(tokens).masked_fill(grey, -0.4))
    return states


torch.manual_seed(0)
filler = Small(mask=None)
train(filler.parameters(), lambda i: gaps_loss(filler, flat[i], labels[i]), len(flat), steps=500)
strip(
    filled(filler, torch.tensor([1, 2, 7, 8, 9]), rounds=8),
    titles=[f"{mask_schedule(done / 8, PLACES)} hidden" for done in range(1, 9)],
    alt="Five clothes appear from grey in eight rounds; few patches are kept in the first rounds, many in the last",
)

# %% [markdown]
# ## 8 · From scale to scale
#
# A third order (Tian et al. 2024): first the whole image as $1 \times 1$ token, then as $2 \times 2$, then finer. All maps
# stand in one row, the coarsest first, each with side² tokens. A scale is drawn at once, so its places may look at each
# other, and at all coarser scales, but at nothing finer. The mask is a staircase of blocks.
#
# | argument | shape | what |
# |---|---|---|
# | `sides` | int64, (S,) | the side of each map, (1, 2, 4, 7) in the notebook |
# | **returns** | bool, (L, L) with $L = \sum \text{side}^2$ | true where the place of the row may look at that of the column |
#
# <details><summary>Hint</summary>
#
# Write the number of its scale on each place: 0, 1, 1, 1, 1, 2, … `torch.repeat_interleave` takes one count for each
# number. Then compare all numbers with all numbers.
# </details>


# %% tags=["task"] task="scale_mask" difficulty=2 importance=3 minutes=10
def scale_mask(sides: Tensor) -> Tensor:
    """Who may look at whom among the places of all scales, bool (L, L)."""
    ### BEGIN SOLUTION
    scale = torch.arange(len(sides), device=sides.device).repeat_interleave(sides**2)
    return scale[:, None] >= scale
    ### END SOLUTION


# %% tags=["check"]
check("scale_mask")

# %% [markdown]
# Three decoders of one image differ in nothing so much as in their masks. Rows look, columns are looked at.

# %% tags=["skip-grading"]
from torch.nn.functional import pad

masks = [causal, torch.ones_like(causal), scale_mask(torch.tensor([1, 2, 4, 7]))]
framed = [pad(2.0 * mask - 1, 2 * [(76 - len(mask)) // 2, (77 - len(mask)) // 2], value=0.0) for mask in masks]
grid(
    torch.stack(framed)[:, None],
    titles=["one by one", "fill in", "scale to scale"],
    caption="White: may look. The frame is grey.",
    alt="Three masks: a triangle of 49 places, a full square of 49 places, and a staircase of four steps over 70 places",
)

# %% [markdown]
# ## 9 · Knobs that begin at zero
#
# A diffusion transformer must know the time and the label in every block. They do not join the sequence, they turn knobs:
# a gain, a bias and a gate for each feature, made from the condition by a linear layer (Peebles and Xie 2023, adaLN-zero):
#
# $$\operatorname{modulate}(x) = \operatorname{norm}(x) \odot (1 + \text{gain}) + \text{bias}, \qquad
# x \leftarrow x + \text{gate} \odot \operatorname{branch}\big(\operatorname{modulate}(x)\big)$$
#
# norm brings the features of **each place** to mean 0 and variance 1; it has no weights of its own. The branch is an
# attention or an MLP. The linear layer begins at 0, so all knobs do, and each block begins as the identity.
#
# | argument | type or shape | what |
# |---|---|---|
# | `x` | (B, L, D) | features |
# | `branch` | function (B, L, D) $\mapsto$ (B, L, D) | attention or MLP |
# | `gain`, `bias`, `gate` | (B, D) | the knobs of each image, for all its places alike |
# | `modulate`, `ada_ln` **return** | (B, L, D) | |
#
# <details><summary>Hint</summary>
#
# `layer_norm(x, shape)` is imported above; `shape` are the sizes of the last axes over which it goes. (B, D) beside
# (B, L, D) lacks an axis, and where it stands matters: with as many images as places a wrong one goes unnoticed.
# </details>


# %% tags=["task"] task="ada_ln" difficulty=2 importance=4 minutes=15
def modulate(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Normalised features, stretched and shifted as the condition says, (B, L, D)."""
    ### BEGIN SOLUTION
    normed = layer_norm(x, x.shape[-1:])
    return normed * (1 + gain[:, None]) + bias[:, None]
    ### END SOLUTION


def ada_ln(x: Tensor, branch: Branch, gain: Tensor, bias: Tensor, gate: Tensor) -> Tensor:
    """The features and a gated change of them, (B, L, D)."""
    ### BEGIN SOLUTION
    return x + gate[:, None] * branch(modulate(x, gain, bias))
    ### END SOLUTION


# %% tags=["check"]
check("ada_ln")

# %% [markdown]
# Why begin as the identity? Two inputs that differ by 0.001 go through stacks of untrained blocks. With all gates open
# they soon come out different; with the gates shut any depth passes them on as they are, and with them the gradient.


# %% tags=["skip-grading"]
def apart(depth: int, opened: float) -> float:
    """How much farther apart two inputs are after a stack of random blocks with these gates."""
    torch.manual_seed(0)
    x = torch.randn(1, 16, 32)
    step = 1e-3 * torch.randn_like(x)
    pair = torch.cat([x, x + step])
    for _ in range(depth):
        branch = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32))
        nn.init.normal_(branch[2].weight, std=0.25)
        knob = torch.zeros(2, 32)
        with torch.no_grad():
            pair = ada_ln(pair, branch, knob, knob, knob + opened)
    return float((pair[1] - pair[0]).norm() / step.norm())


depths = [1, 2, 4, 8, 16, 32]
curves(
    {f"gates at {opened:g}": [apart(depth, opened) for depth in depths] for opened in (1.0, 0.3, 0.0)},
    x=depths,
    log="xy",
    xlabel="blocks",
    ylabel="distance, as a multiple",
    alt="With open gates the distance of two inputs grows with depth; with gates at 0 it stays what it was",
)

# %% [markdown]
# ## 10 · Which word do I look at?
#
# In a text-to-image model the places of the picture ask, and the words of the caption answer: **cross-attention**.
# Captions have different lengths; the shorter ones are filled up with `PAD`, at which nobody may look. What about a
# caption without words, by which a model learns to draw anything? All its places would be hidden, and a softmax of
# nothing is NaN. So a **mark** stands in front of every caption, a vector that is learnt, and it is never hidden.
#
# | argument | shape | what |
# |---|---|---|
# | `tokens` | int64, (B, L) | captions, filled up with `PAD` |
# | `book` | (V, D) | the vector of each word |
# | `mark` | (D,) | the vector that stands in front |
# | `marked` **returns** | (B, 1 + L, D), bool (B, 1 + L) | mark and words as vectors; where there is none: `hidden` |
# | `q` | (B, heads, N, d) | questions of N places of the picture |
# | `k`, `v` | (B, heads, M, d) | keys and values of mark and words |
# | `hidden` | bool, (B, M) | which of these are padding |
# | `word_attention` **returns** | (B, heads, N, d), (B, heads, N, M) | as `attention` |
#
# <details><summary>Hint</summary>
#
# `mark.expand(B, 1, -1)` repeats it without copying. `attention` wants a mask that broadcasts to (B, heads, N, M), true
# where one *may* look: which axes does `hidden` lack?
# </details>


# %% tags=["task"] task="word_attention" difficulty=3 importance=5 minutes=15
def marked(tokens: Tensor, book: Tensor, mark: Tensor) -> tuple[Tensor, Tensor]:
    """Mark and words as vectors (B, 1 + L, D), and which of them are padding, bool (B, 1 + L)."""
    ### BEGIN SOLUTION
    front = mark.expand(len(tokens), 1, -1)
    padding = torch.cat([torch.zeros_like(tokens[:, :1], dtype=torch.bool), tokens == PAD], dim=1)
    return torch.cat([front, book[tokens]], dim=1), padding
    ### END SOLUTION


def word_attention(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What each place of a picture gets from the words (B, heads, N, d), and the weights (B, heads, N, M)."""
    ### BEGIN SOLUTION
    return attention(q, k, v, ~hidden[:, None, None])
    ### END SOLUTION


# %% tags=["check"]
check("word_attention")

# %% [markdown]
# Nothing is trained here: each pixel asks with its colour, each name of a colour answers with that colour, the mark with
# that of the ground, and words that are no colours with nothing. In a trained model such questions and answers are learnt.

# %% tags=["skip-grading"]
from course_lib.data.images import to_float
from course_lib.data.shapes import COLOURS, GROUND, Scene, draw, vocabulary

known = vocabulary()
scene = Scene.of("a large red star left of a small blue circle")
picture = to_float(draw([scene], seed=2))
colour_of = {word: torch.tensor(rgb) / 127.5 - 1 for word, rgb in COLOURS.items()}
book = torch.stack([torch.zeros(3), torch.zeros(3), *(colour_of.get(word, torch.zeros(3)) for word in known.words)])
answers, hidden = marked(known.encode([str(scene)], 14), book, torch.full((3,), GROUND / 127.5 - 1))
asks = picture.flatten(2).mT[:, None]
norm = answers.square().sum(-1, keepdim=True) / 2  # so that the nearest colour has the largest product
_, weights = word_attention(
    20 * torch.cat([asks, -torch.ones_like(asks[..., :1])], dim=-1),
    torch.cat([answers, norm], dim=-1)[:, None],
    answers[:, None],
    hidden,
)
names = ["mark", *str(scene).split()]
shown = [names.index(word) for word in ("mark", "large", "red", "star", "blue")]
looks = weights[0, 0, :, shown].T.reshape(-1, 1, 32, 32).expand(-1, 3, -1, -1)
grid(
    torch.cat([picture, 2 * looks - 1]),
    titles=["the picture", *(names[i] for i in shown)],
    caption=f"{scene}; {int(hidden.sum())} places of padding got a weight of {float(weights[..., hidden[0]].sum()):g}.",
    alt="A red star and a blue circle; the map of red lights up at the star, that of blue at the circle",
)

# %% [markdown]
# ## 11 · Pictures and words in one space
#
# Two networks, one for images and one for captions, each give a vector. What belongs together shall point in one
# direction. In a batch of $B$ pairs, let $s_{ij}$ be the cosine of the angle between image $i$ and caption $j$, divided by a
# temperature $\tau$. Each image has to find its caption among $B$, and each caption its image (Radford et al. 2021):
#
# $$\mathcal L = \tfrac12 \operatorname{CE}\big(s, (0, \dots, B-1)\big) + \tfrac12 \operatorname{CE}\big(s^\top, (0, \dots, B-1)\big)$$
#
# Cosines lie in $[-1, 1]$, too narrow for a softmax to be sure of anything; that is what $\tau$, about 0.07, is for.
#
# | argument | shape | what |
# |---|---|---|
# | `images`, `captions` | (B, D) | vectors of any length; row $i$ of both belongs together |
# | `temperature` | () | $\tau$, learnt like the rest |
# | **returns** | () | a scalar |
#
# <details><summary>Hint</summary>
#
# `normalize` and `cross_entropy` are imported above. Over which axis has a vector its length? `cross_entropy` wants a row
# of logits for each question, and the number of the right answer.
# </details>


# %% tags=["task"] task="clip_loss" difficulty=2 importance=4 minutes=10
def clip_loss(images: Tensor, captions: Tensor, temperature: Tensor) -> Tensor:
    """How badly images and captions find each other, a scalar."""
    ### BEGIN SOLUTION
    scores = normalize(images, dim=1) @ normalize(captions, dim=1).T / temperature
    own = torch.arange(len(scores), device=scores.device)
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2
    ### END SOLUTION


# %% tags=["check"]
check("clip_loss")

# %% [markdown]
# A very small pair of networks: images are shrunk to $8 \times 8$ pixels, captions are the mean of their words, without
# order. After seconds, the cosines of eight scenes that it has not seen with their captions: the diagonal is bright.
# Exchange the two things of a caption, and it has the same words; so this model cannot tell the two apart, and never will.

# %% tags=["skip-grading"]
from torch.nn.functional import avg_pool2d

from course_lib.data.shapes import shapes

scenes = shapes(course_lib.pick(smoke=64, laptop=3000, gpu=3000), seed=0)
torch.manual_seed(0)
see = nn.Sequential(nn.Flatten(), nn.Linear(192, 256), nn.SiLU(), nn.Linear(256, 32))
read = nn.EmbeddingBag(len(known), 32, mode="mean", padding_idx=PAD)
tau = nn.Parameter(torch.tensor(0.07))
small = avg_pool2d(scenes.x, 4)
train(
    [*see.parameters(), *read.parameters(), tau],
    lambda i: clip_loss(see(small[i]), read(scenes.tokens[i]), tau.clamp(min=0.01)),
    len(scenes),
    steps=600,
    size=32,
)
new = shapes(8, seed=1)
mirrored = known.encode([f"{scene.second} {scene.relation} {scene.first}" for scene in map(Scene.of, new.captions)], 10)
with torch.no_grad():
    seen = normalize(see(avg_pool2d(new.x, 4)), dim=1)
    told, turned = (normalize(read(tokens), dim=1) for tokens in (new.tokens, mirrored))
both = torch.stack([seen @ told.T, seen @ turned.T]).clamp(-1, 1)[:, None]
grid(
    both,
    titles=["their captions", "both things exchanged"],
    caption=f"{int(((seen @ told.T).argmax(1) == torch.arange(8)).sum())} of 8 scenes find their own caption.",
    alt="Two squares of cosines, images down and captions across, both with a bright diagonal: they do not differ",
)
