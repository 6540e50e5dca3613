# %% [markdown]
# # 4 · Transformers and text to image
#
# **How does one part of an image find out about another, far away?** A convolution passes news on from neighbour to
# neighbour, a step a layer. A transformer does without neighbours: every part looks at every other at once, and what
# it sees decides how much it takes from where. The same trick joins what has no place in common at all, a picture
# and the words that ask for it.
#
# In this notebook you will
#
# 1. compute attention by hand, find out that it knows nothing of places, and tell it;
# 2. set a task that no convolution of the same depth can solve, and see attention solve it;
# 3. write images as sentences, one token after the other, without doing any work twice;
# 4. fill in all the gaps at once, in a few rounds;
# 5. draw from coarse to fine, and compare the three decoders on the same tokens;
# 6. build a diffusion model without convolutions;
# 7. draw what a caption says, have it marked by an exact reader, and watch individual words at work;
# 8. do the same with real drawings, and ask whether the model invents or remembers;
# 9. put pictures and words into one space, find what is missing there, and cheat it.
#
# You need: PyTorch, the softmax, modules 2 (tokens) and 3 (flows, guidance). Symbols are those of
# [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md). $t = 0$ is data and $t = 1$ is
# noise; likelihoods are in nats, or in bits where it says so.

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.6, "laptop": 6, "gpu": 4})

# %%
import math
import time
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.nn.functional import cross_entropy, interpolate, scaled_dot_product_attention, silu

from course_lib import pick
from course_lib.checkpoints import info, pretrained
from course_lib.data import load
from course_lib.data.captions import words as words_of
from course_lib.data.emoji import both_styles
from course_lib.data.images import to_float, to_uint8
from course_lib.data.reading import read, score
from course_lib.data.shapes import COLOURS, HELD_OUT, LENGTH, Scene, Thing, draw, shapes, vocabulary
from course_lib.device import pick_device
from course_lib.experiments import board
from course_lib.experiments import read as read_log
from course_lib.features import fashion_score
from course_lib.metrics import psnr
from course_lib.model import last
from course_lib.nn.attention import Cache, MultiHead, attention
from course_lib.plotting import beside, curves, grid, heat, show_code, table
from course_lib.training import Ema, adamw, train_steps, warmup_cosine
from course_lib.transformers import maskgit, partners, scales
from course_lib.transformers.blocks import Block, ConditionalBlock
from course_lib.transformers.clip import Clip
from course_lib.transformers.dit import Dit, DitFlow
from course_lib.transformers.positions import grid as places_of
from course_lib.transformers.raster import Raster
from course_lib.transformers.text_to_image import Reader
from course_lib.vaes.tokens import fashion_tokens
from course_lib.widgets import slider, text_box

device = pick_device()  # asked for once, here; the library follows its inputs

# %% [markdown]
# ## 1 · Attention
#
# A dictionary finds the one key that equals what you ask for. Attention is a dictionary that is never at a loss: it
# compares the question with *every* key and returns a mean of the values, weighted by how well each key fits. One
# question $q$, three keys, three values, by hand:

# %% tags=["nbval-check-output"]
keys = torch.tensor([[4.0, 0.0], [0.0, 4.0], [3.0, 3.0]])
values = torch.tensor([[10.0], [20.0], [30.0]])

for question in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]):
    scores = [(question[0] * k[0] + question[1] * k[1]).item() / math.sqrt(2) for k in keys]
    total = sum(math.exp(s) for s in scores)
    weights = [math.exp(s) / total for s in scores]
    answer = sum(w * v.item() for w, v in zip(weights, values))
    print(f"q = {question}: weights {' '.join(f'{w:.2f}' for w in weights)}, answer {answer:.1f}")

# %% [markdown]
# The third key fits the first question a little less well than the key made for it, and gets half its weight. A
# question of zeros gets the plain mean. With a row of $q$, $k$ and $v$ for each place, all questions are answered by
# two matrix products:
#
# $$\text{out}_i = \sum_j a_{ij} v_j, \qquad a_{ij} = \operatorname{softmax}_j\Big(\frac{q_i \cdot k_j}{\sqrt d}\Big).$$

# %%
show_code(attention)

# %% [markdown]
# A transformer makes $q$, $k$ and $v$ from the features of a place by three learned matrices, and does so several times
# side by side, in **heads** that each have a part of the width: one may look for the same colour, another for what lies
# to the left. Is that what PyTorch computes? Compare the two with the same weights, in double precision:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
q, k, v = torch.randn(3, 2, 9, 16, dtype=torch.float64)
mask = torch.ones(9, 9, dtype=torch.bool).tril()
gap = (attention(q, k, v, mask)[0] - scaled_dot_product_attention(q, k, v, attn_mask=mask)).abs().max().item()
print(f"attention equals PyTorch's to 1e-12: {gap < 1e-12}")

ours, theirs = MultiHead(32, heads=4).double(), nn.MultiheadAttention(32, 4, batch_first=True).double()
with torch.no_grad():
    theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
    theirs.in_proj_bias.zero_()
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    x = torch.randn(2, 9, 32, dtype=torch.float64)
    gap = (ours(x) - theirs(x, x, x, need_weights=False)[0]).abs().max().item()
print(f"four heads equal PyTorch's to 1e-12: {gap < 1e-12}")

# %% [markdown]
# ### Why the root of d
#
# Let $q$ and $k$ have $d$ independent random numbers each, of mean 0 and variance 1. Each product $q_c k_c$ has
# variance 1, and $q \cdot k$ is a sum of $d$ of them: its variance is $d$. A softmax over scores that are tens apart is
# all but certain, and a softmax that is certain has no gradient: the layer could not learn where else to look. Dividing
# by $\sqrt d$ brings the variance back to 1, whatever the width.

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
widths, sharpest = [4, 16, 64, 256], {"without the root": [], "with it": []}
for d in widths:
    q, k = torch.randn(4000, 1, d), torch.randn(4000, 49, d)
    plain = (q @ k.mT)[:, 0]
    close = abs(plain.var().item() / d - 1) < 0.05 and abs((plain / math.sqrt(d)).var().item() - 1) < 0.05
    print(f"d = {d:4}: variance {d} without the root and 1 with it, to 5 %: {close}")
    sharpest["without the root"].append(plain.softmax(dim=1).amax(dim=1).mean().item())
    sharpest["with it"].append((plain / math.sqrt(d)).softmax(dim=1).amax(dim=1).mean().item())

# %%
curves(
    sharpest,
    x=widths,
    log="x",
    levels={"all alike": 1 / 49},
    xlabel="features d",
    ylabel="largest of 49 weights",
    caption="Random questions, random keys. Without the root a wide layer begins by staring at a single place.",
    alt="Without the root the largest attention weight grows to almost one with the width; with it, it stays small",
)

# %% [markdown]
# ### It does not know where anything is
#
# In the formula $i$ and $j$ are mere names. Exchange the places, and the outputs are exchanged in the same way, and
# that is all: attention is **permutation equivariant**. It sees a bag of patches. For an image that is a disaster: a
# shoe, cut into pieces and shuffled, would be the same shoe.
#
# So the place must be written into the content. The classical way (Vaswani et al. 2017) is to add a code to each
# place's features: cosines and sines of its number at several wavelengths. Like the hands of a clock, the short waves
# tell neighbours apart, and the long ones tell morning from evening. In two dimensions half of the features encode
# the row and half the column.

# %%
show_code(places_of)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
layer, x, shuffled = MultiHead(32, heads=4), torch.randn(1, 49, 32), torch.randperm(49)
code = places_of(7, 7, 32)
with torch.no_grad():
    bare = (layer(x[:, shuffled]) - layer(x)[:, shuffled]).abs().max().item()
    placed = (layer(x[:, shuffled] + code) - layer(x + code)[:, shuffled]).abs().max().item()
print(f"without positions, shuffled in is shuffled out: {bare < 1e-6}; with positions: {placed < 1e-6}")

# %% [markdown]
# In each direction the product of the codes of places $i$ and $j$ is $\sum_f \cos\big(f\,(i - j)\big)$, over the
# frequencies $f$ (since $\cos a \cos b + \sin a \sin b = \cos(a - b)$): it depends on how far apart the places are, not
# on where they are. Here are the products of one place's code with all others, in a grid of 16×16: the darker, the more
# alike. Move the place.

# %%
codes = places_of(16, 16, 64)
likeness = (codes @ codes.T) / 32  # each code has length sqrt(32)


def near(column: int, row: int):
    return grid(
        heat((likeness[16 * row + column].view(1, 16, 16) - likeness.min()) / (1 - likeness.min())),
        width=180,
        alt=f"Likeness of the code of row {row}, column {column} with all others",
    )


slider(
    near,
    {"column": [0, 3, 6, 9, 12, 15], "row": [2, 7, 13]},
    shown=4,
    alt="A cross that is darkest at the chosen place: its own row and column are most like it.",
)

# %% tags=["nbval-check-output"]
table_ = likeness.view(16, 16, 16, 16)
moved = max((table_[2, 3, 5, 9] - table_[2 + a, 3 + b, 5 + a, 9 + b]).abs().item() for a in range(10) for b in range(6))
print(f"three rows down and six columns right: the same product everywhere, to 1e-5: {moved < 1e-5}")

# %% [markdown]
# Attention and then a small network for each place by itself, both added as a *change* to what is there, make a
# **block**; a transformer is a stack of blocks.

# %%
show_code(Block.forward)

# %% [markdown]
# ## 2 · What a convolution cannot see
#
# Here is a task that needs nothing but a long look. On a grid of 16×16 places stand eight marks, in four pairs. The two
# marks of a pair bear the same letter, and each has a colour of its own. Every mark must name the colour of *its
# partner*, wherever that stands.

# %%
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # the four colours
test = partners.partners(pick(smoke=60, laptop=600, gpu=2000), seed=1_000_000)


def puzzle(i: int, weights: torch.Tensor | None = None, asking: int | None = None) -> torch.Tensor:
    """The marks of a grid as a picture, on a ground that is as dark as `weights` (16, 16) in [0, 1] say."""
    side, cell = partners.SIDE, 20
    ground = 1 - 1.3 * (torch.zeros(side, side) if weights is None else weights).expand(1, 3, -1, -1)
    ground = to_uint8(ground.repeat_interleave(cell, 2).repeat_interleave(cell, 3))[0]
    page = Image.fromarray(ground.permute(1, 2, 0).numpy())
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, side * cell - 1, side * cell - 1), outline="#bbbbbb")
    for place in test.where[i].flatten().tolist():
        row, column = divmod(place, side)
        middle = column * cell + cell / 2, row * cell + cell / 2
        ink = INKS[test.colours[i, row, column] - 1]
        around = [m - 7 for m in middle] + [m + 7 for m in middle]
        pen.ellipse(around, fill=ink)
        if place == asking:
            pen.ellipse([m - 10 for m in middle] + [m + 10 for m in middle], outline="black", width=2)
        pen.text(middle, " ABCDEFGH"[test.keys[i, row, column]], fill="white", anchor="mm", font_size=12)
    return torch.from_numpy(np.array(page)).permute(2, 0, 1)


grid(
    torch.stack([puzzle(0), puzzle(1)]),
    columns=2,
    caption="Two puzzles. To answer for one A, find the other A and read off its colour.",
    alt="Two grids, each with eight coloured discs; each letter appears on two discs, often far apart",
)

# %% [markdown]
# Take two networks, two layers deep and of about the same size. One mixes places by 3×3 convolutions, the other by
# attention. What can each know? A convolution sees its neighbours; two of them see 5×5 places. If the partner stands
# further away than two rows or columns, the answer is *not in what the network sees*, and no training can help: it is
# right once in four, by chance. That is a theorem before it is an experiment.

# %%
show_code(partners.Attending.body)

# %%
show_code(partners.Neighbours.forward)

# %%
steps = pick(smoke=4, laptop=250, gpu=500)
rate = {"optimizer": partial(adamw, lr=3e-3), "lr_factor": warmup_cosine(steps, warmup=min(50, steps // 2))}
solvers_, right_ = {}, {}
for name, kind in (("attention", partners.Attending), ("convolution", partners.Convolving)):
    torch.manual_seed(0)
    solvers_[name], right_[name] = kind().to(device), []
    for step in train_steps(solvers_[name], partners.batches(32, seed=0), steps, **rate):
        right_[name].append(step.logs["model/right"].item())

smoothed = {name: torch.tensor(r).unfold(0, max(steps // 40, 1), 1).mean(dim=1) for name, r in right_.items()}
curves(
    smoothed,
    levels={"chance": 0.25},
    xlabel="step",
    ylabel="share right in training",
    caption="Every batch is new. For some fifty steps nothing happens; fifty later attention has found the rule.",
    alt="The share of right answers of attention rises to almost one; that of the convolution stays low",
)

# %%
distance, reach = test.distance[..., None].expand(-1, -1, 2), range(1, 16)
told = {name: partners.told(net.eval(), test) for name, net in solvers_.items()}
by_distance = {name: [r[distance == d].float().mean().item() for d in reach] for name, r in told.items()}
far = {name: r[distance > 2].float().mean().item() for name, r in told.items()}
assert pick(smoke=True, laptop=far["attention"] > 0.9, gpu=far["attention"] > 0.9)
assert far["convolution"] < pick(smoke=0.5, laptop=0.32, gpu=0.32)  # 1/4, and the luck of the draw
curves(
    by_distance,
    x=list(reach),
    levels={"chance": 0.25},
    xlabel="distance of the partner",
    ylabel="share right",
    caption="New puzzles. Two convolutions see as far as two places, and have learned the nearest; beyond they guess.",
    alt="Attention is right at all distances; the convolution better than chance only at the nearest, and at chance level beyond",
)

# %% [markdown]
# How does attention do it? Look at the weights, in the head that looks at partners most: the darker the ground, the more
# the circled mark takes from there.

# %%
seen = [weights.cpu() for weights in solvers_["attention"].looks(test.x[:40].to(device))]
first40 = partners.Puzzles(*(part[:40] for part in test))
share = torch.stack([partners.share_of_partner(w, first40).mean(dim=(0, 2, 3)) for w in seen])  # (layer, head)
layer_, head_ = divmod(share.argmax().item(), share.shape[1])
marks = test.where[0].flatten().tolist()


def look(mark: int):
    weights = seen[layer_][0, head_, marks[mark - 1]].view(16, 16)
    return grid(
        puzzle(0, weights / weights.max(), marks[mark - 1])[None],
        width=330,
        alt=f"Where mark {mark} looks",
    )


slider(look, {"mark": list(range(1, 9))}, shown=4, alt="A puzzle whose ground is darkest at the partner of one mark.")

# %%
table(
    [{"layer": i + 1, **{f"head {j + 1}": value.item() for j, value in enumerate(row)}} for i, row in enumerate(share)],
    caption="The weight that marks give to their partners, of 1 for all 256 places. Alike for all, it would be 0.004.",
)

# %% [markdown]
# A convolution *can* look this far, with more layers: seven of them see as far as seven places. But it passes the news
# on place by place, through everything that stands between. Attention pays in another way: with $L$ places it compares
# $L^2$ pairs. That price is what module 5 is about.
#
# ## 3 · An image as a sentence
#
# Module 2 turned images into 7×7 **tokens**, each the number of one of 256 codes. Every image is now a sentence of 49
# words, and what makes one likely is the business of a language model. The chain rule takes it apart, exactly:
#
# $$p(\text{image}) = \prod_{i=1}^{49} p(\text{token}_i \mid \text{tokens before } i).$$

# %%
tokenizer = pretrained("fashion_tokenizer").to(device)
train_tokens, test_tokens = fashion_tokens("train"), fashion_tokens("test")


@torch.no_grad()
def clothes_of(tokens: torch.Tensor) -> torch.Tensor:
    """Maps of tokens (N, 7, 7) as images; where a token is missing (-1) the image is blue."""
    images = tokenizer.decode(tokens.clamp(min=0).to(device)).clamp(-1, 1).cpu().expand(-1, 3, -1, -1)
    missing = (tokens.cpu() < 0).repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    return torch.where(missing, torch.tensor([-0.3, 0.1, 0.5])[:, None, None], images)


grid(
    clothes_of(test_tokens.tokens[:20]),
    columns=10,
    caption="Real images, decoded from 49 tokens each. No decoder below can be better than this.",
    alt="Twenty photographs of clothes, slightly soft, as the tokenizer gives them back",
)

# %% [markdown]
# In training all 49 predictions are made at once. That is only fair if place $i$ cannot see the token that it is to
# predict, nor any later one: a **causal mask** lets every place look back only, and the input is shifted by one, with
# the label first. Even an untrained model must pass this test: change one token, and see which predictions move.

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
untrained, label = Raster(codes=16, side=7, width=32, depth=2), torch.tensor([3])
sentence = torch.randint(16, (1, 49))
other = sentence.clone()
other[0, 20] = (other[0, 20] + 1) % 16
with torch.no_grad():
    moves = (untrained.logits(sentence, label) - untrained.logits(other, label)).abs().amax(dim=(0, 2)) > 0
print(f"token 20 changed; predictions that moved: {moves.nonzero()[0].item()} to {moves.nonzero()[-1].item()}")

# %%
show_code(Raster.logits)

# %% [markdown]
# How good is it? Likelihood is exact here, so one can *count*. Module 2 counted how many bits a token costs if one
# knows how often it occurs at its place, or which token stands to its left. What does knowing *all* the tokens before
# save? (The three decoders of this module are small, 0.2 M parameters, and were trained alike, for a few minutes.)


# %%
def entropy_bits(counts: torch.Tensor) -> float:
    """Mean entropy of the last axis, in bits, each row weighted by how often it occurs."""
    share = counts.double() / counts.sum()
    return ((share.sum(-1, keepdim=True).log2() - share.log2()) * share).nan_to_num(0.0).sum().item()


raster = pretrained("fashion_raster").to(device)
words = train_tokens.tokens
at_place = torch.stack([words[:, i, j].bincount(minlength=256) for i in range(7) for j in range(7)])
pairs = (256 * words[:, :, :-1] + words[:, :, 1:]).flatten().bincount(minlength=256**2).view(256, 256)
judged = pick(smoke=100, laptop=2000, gpu=10_000)
told_tokens, told_labels = test_tokens.tokens[:judged].flatten(1), test_tokens.labels[:judged]
with torch.no_grad():
    nats = torch.cat(
        [
            cross_entropy(raster.logits(x.to(device), y.to(device)).float().mT, x.to(device), reduction="none").cpu()
            for x, y in zip(told_tokens.split(250), told_labels.split(250))
        ]
    )
bits_known = {
    "nothing": 8.0,
    "how often at this place": entropy_bits(at_place),
    "the token to its left": entropy_bits(pairs),
    "all tokens before, and the label": nats.mean().item() / math.log(2),
}
assert bits_known["all tokens before, and the label"] < bits_known["the token to its left"]
table(
    [
        {"if one knows": name, "bits a token": value, "bytes an image": 49 * value / 8}
        for name, value in bits_known.items()
    ],
    caption=f"The last on {judged:,} unseen images; those above counted on the training images.",
)

# %%
cost = nats.mean(dim=0).view(1, 7, 7) / math.log(2)
costly, cheap = nats.sum(dim=1).argsort()[[-1, -2, -3, -4]], nats.sum(dim=1).argsort()[:4]
beside(
    [
        grid(heat(cost / cost.max()), width=180, alt="Bits that each of the 49 places costs on average"),
        grid(
            clothes_of(told_tokens[torch.cat([cheap, costly])].view(-1, 7, 7)),
            columns=4,
            row_titles=["cheapest", "dearest"],
            width=400,
            alt="Four images that cost few bits, four that cost many",
        ),
    ],
    titles=[f"{cost.min():.1f} to {cost.max():.1f} bits a place", f"of {judged:,} test images"],
    caption="Where the bits go: the middle of the image is hardest to foresee, the corners, mostly ground, are easiest.",
    alt="Left, a map of bits per place, dark in the middle and pale in the corners. Right, plain trousers are cheap, patterned tops and odd bags dear",
)

# %% [markdown]
# ### Never do work twice
#
# To draw, one token is predicted, drawn, appended, and the next predicted: 49 evaluations. Naively, each of them
# reads the whole sentence again. But under a causal mask the features of earlier places never change, since they
# cannot see what came later; so their keys and values can be *kept*. Then a step needs the query of one place only.
# This is the **KV cache** of every language model.

# %%
show_code(Raster.following)

# %%
show_code(Cache.extended)

# %% tags=["nbval-check-output"]
with torch.no_grad():
    whole = raster.logits(told_tokens[:8].to(device), told_labels[:8].to(device))
    caches = [Cache(49) for _ in raster.blocks]
    stepwise = []
    for place in range(49):
        before = (
            raster.token(told_tokens[:8, place - 1].to(device)) if place else raster.label(told_labels[:8].to(device))
        )
        stepwise.append(raster.following(before, place, caches))
gap = (whole - torch.stack(stepwise, dim=1)).abs().max().item()
assert device.type != "cpu" or gap < 1e-4
print(f"logits with the cache are those without it, to 1e-5 of their size: {gap < 1e-5 * whole.abs().max().item()}")

# %% [markdown]
# The same numbers for less work. How much less? Without the cache, step $i$ reads $i$ places, so a sentence takes some
# $L^2$ of them and, with up to $L$ comparisons for each, a part that grows as $L^3$. With the cache it takes $L$ places
# and some $L^2$ comparisons. Measured on one core, on sentences of growing length:


# %%
@torch.no_grad()
def write(model: Raster, rows: int, cached: bool) -> float:
    """Processor seconds to draw `rows` sentences, with the cache or by reading everything again."""
    start = time.process_time()
    if cached:
        last(model.sample(rows))
    else:
        y, tokens = torch.arange(rows) % 10, torch.zeros(rows, model.side**2, dtype=torch.int64)
        for place in range(model.side**2):
            logits = model.logits(tokens[:, : place + 1], y)[:, -1]
            tokens[:, place] = (logits - torch.rand_like(logits).log().neg().log()).argmax(dim=-1)
    return time.process_time() - start


sides = pick(smoke=[4, 7], laptop=[4, 7, 10, 14, 20], gpu=[4, 7, 10, 14, 20])
writers = [
    Raster(codes=256, side=side, width=64, depth=2) for side in sides
]  # on the CPU; untrained ones cost the same
write(writers[0], 4, True)  # the first call warms up
spent = {
    name: [min(write(model, 4, cached) for _ in range(pick(smoke=1, laptop=2, gpu=2))) for model in writers]
    for name, cached in (("read again", False), ("with the cache", True))
}
lengths = [side**2 for side in sides]
assert spent["with the cache"][-1] < spent["read again"][-1]


def slope(y: list[float]) -> float:
    """Of the last three points, on logarithmic axes."""
    a, b = torch.tensor(lengths[-3:]).log(), torch.tensor(y[-3:]).log()
    return (((a - a.mean()) * (b - b.mean())).sum() / ((a - a.mean()) ** 2).sum()).item()


grows = {name: slope(y) for name, y in spent.items()}
curves(
    {f"{name}: slope {grows[name]:.1f}": y for name, y in spent.items()},
    x=lengths,
    log="xy",
    xlabel="tokens",
    ylabel="seconds for 4 sentences",
    caption=f"Drawing {lengths[-1]} tokens takes {spent['read again'][-1] / spent['with the cache'][-1]:.0f} times as long "
    "without the cache.",
    alt="Seconds against length on logarithmic axes: the line without the cache is steeper and far higher",
)

# %% [markdown]
# This is what it draws. Each row begins with the label alone; blue is what has not been said yet. The model commits
# itself early: once the first rows of tokens say "sleeve", the rest must follow, and an odd beginning, as of the T-shirt
# here, cannot be taken back.

# %%
torch.manual_seed(1)
raster_states = list(raster.sample(5, torch.tensor([0, 3, 5, 7, 8], device=device)))
moments = [6, 13, 20, 27, 34, 41, 48]
half_said = torch.stack([clothes_of(raster_states[m]) for m in moments], dim=1).flatten(0, 1)
grid(
    half_said,
    columns=7,
    titles=[f"{m + 1} tokens" for m in moments],
    caption="T-shirt, dress, sandal, sneaker, bag, as far as they have been told.",
    alt="Five pieces of clothing appear row by row from the top, as token after token is drawn",
)

# %%
torch.manual_seed(2)
grid(
    clothes_of(last(raster.sample(20))),
    columns=10,
    caption="Drawn token by token; each column a class.",
    alt="Twenty drawn pieces of clothing, two of each class, mostly convincing",
)

# %% [markdown]
# ## 4 · Fill in the gaps
#
# Why from left to right? An image has no beginning. **MaskGIT** (Chang et al. 2022) is trained to fill in a form: hide
# a random share of the tokens, and predict them from the rest, in all directions. To draw, hide everything, and then,
# in a few rounds, guess *all* hidden tokens at once, keep those of which the model is surest, and hide the others
# again. How many stay hidden after each round? A cosine: few are kept early, when little is known.

# %% tags=["nbval-check-output"]
for rounds in (1, 4, 8):
    print(f"{rounds} rounds, hidden after each:", [maskgit.masked(r / rounds, 49) for r in range(rounds + 1)])

# %%
show_code(maskgit.MaskGit.sample)

# %% [markdown]
# Move the slider over the rounds. Blue is still hidden.

# %%
filler = pretrained("fashion_maskgit").to(device)
torch.manual_seed(3)
filled = [torch.full((10, 7, 7), -1), *(state.cpu() for state in filler.sample(10, steps=8))]


def after(rounds: int):
    return grid(clothes_of(filled[rounds]), columns=5, width=345, alt=f"Ten images after {rounds} of 8 rounds")


slider(
    after,
    {"rounds": list(range(9))},
    shown=4,
    alt="Ten clothes, blue at first; scattered patches appear, then most of each image, then all of it.",
)

# %% [markdown]
# Tokens that are drawn in the same round do not know of each other: each comes from its own distribution, given those
# kept before. In one round all 49 are drawn independently, and the result is no more than module 2's "usual words":
# patches that may each be right, of different clothes. How many rounds does it take? Measured:

# %%
n = pick(smoke=150, laptop=500, gpu=5000)
some = torch.arange(n, device=device) % 10


def judge(draw) -> tuple:
    """The score of n images whose tokens `draw` makes from labels."""
    torch.manual_seed(4)
    return fashion_score(torch.cat([clothes_of(draw(y))[:, :1] for y in some.split(250)]))


def fill_in(y: torch.Tensor, rounds: int, noise: float) -> torch.Tensor:
    return last(filler.sample(len(y), y, steps=rounds, choice=noise))


rounds_tried = pick(smoke=[1, 4], laptop=[1, 2, 4, 8, 16, 49], gpu=[1, 2, 4, 8, 16, 49])
orders = {"surest first": 4.5, "in random order": 1e4}  # noise that drowns all else makes the choice random
by_rounds = {
    name: [judge(partial(fill_in, rounds=r, noise=noise)).distance for r in rounds_tried]
    for name, noise in orders.items()
}
one_by_one = judge(lambda y: last(raster.sample(len(y), y)))
as_many = torch.cat([(test_tokens.labels == c).nonzero()[: n // 10, 0] for c in range(10)])  # of each class
real = fashion_score(clothes_of(test_tokens.tokens[as_many])[:, :1])
better = all(min(row) < 0.8 * row[0] for row in by_rounds.values())
assert pick(smoke=True, laptop=better, gpu=better)
curves(
    by_rounds,
    x=rounds_tried,
    log="xy",
    levels={"one by one": one_by_one.distance, "real tokens": real.distance},
    xlabel="rounds",
    ylabel="Fréchet distance",
    caption=f"n = {n:,}. Real tokens: test images decoded from theirs; a perfect decoder of tokens would be there.",
    alt="The distance falls with the number of rounds, for the surest first only up to a few rounds",
)

# %% [markdown]
# In random order, and with as many rounds as there are tokens, each token is drawn given those before it: that *is* the
# chain rule, in another order, and apart from chance more rounds can only help. Keeping the surest first makes few
# rounds go a long way, but the result is no longer a draw from the model: each round prefers what is usual, and the
# more rounds there are, the more often it is preferred.
#
# So there is a knob between the two: the random (Gumbel) noise that is added to how sure each guess is, less from round
# to round. It looks like a detail. Without it the surest guess always wins, and the surest guess about an image is its
# blank ground:

# %%
noises = pick(smoke=[0.0, 4.5], laptop=[0.0, 1.0, 4.5, 20.0], gpu=[0.0, 1.0, 2.0, 4.5, 9.0, 20.0])
by_choice = {noise: judge(partial(fill_in, rounds=8, noise=noise)) for noise in noises}
table(
    [{"noise on the choice": c, **s._asdict()} for c, s in by_choice.items()],
    columns=["noise on the choice", "distance", "precision", "recall"],
    caption=f"Eight rounds, n = {n:,}.",
)

# %%
torch.manual_seed(5)
bland, y = last(filler.sample(20, steps=8, choice=0.0)), torch.arange(20) % 10
grid(
    torch.cat([clothes_of(bland[:10]), clothes_of(last(filler.sample(10, steps=8)))]),
    columns=10,
    row_titles=["no noise", "noise 4.5"],
    caption="Eight rounds each.",
    alt="Above, clothes chosen greedily; below, with noise on the choice, with more variety",
)

# %% [markdown]
# ## 5 · From coarse to fine
#
# A third order: not from left to right and not at random, but from the whole to the parts. Shrink the image to 4×4, 8×8
# and 16×16 pixels, and the same tokenizer makes 1×1, 2×2 and 4×4 tokens of it. **Next-scale prediction** (VAR, Tian et
# al. 2024) draws one *map* after the other, all tokens of a map at once, given all coarser ones: four evaluations here,
# and few more for a larger image, since each map has twice the side of the one before.

# %%
maps = scales.pyramid(tokenizer, test_tokens.tokens[:10].to(device))


@torch.no_grad()
def levels_of(rows: torch.Tensor) -> torch.Tensor:
    """All maps of some images, decoded and enlarged to 28 x 28, coarsest first."""
    parts = rows.split([s * s for s in scales.SIDES], dim=1)
    codes = [tokenizer.quantiser.lookup(p.unflatten(1, (s, s))) for p, s in zip(parts, scales.SIDES)]
    images = [tokenizer.pixels(c).mean() for c in codes]  # `decode`, for maps of any size
    return torch.cat([interpolate(image, size=28, mode="nearest").clamp(-1, 1).cpu() for image in images])


names_of_maps = [f"{s}×{s} tokens" for s in scales.SIDES]
grid(
    levels_of(maps),
    columns=10,
    row_titles=names_of_maps,
    caption="Ten real images in 1, 4, 16 and 49 tokens.",
    alt="Four rows of ten images: single blurs, then rough blocks, then coarse clothes, then the clothes themselves",
)

# %% [markdown]
# The mask that makes this a likelihood is a staircase: each place looks at its own scale and all coarser ones. What
# goes in at a place is the token that covers it in the next coarser map, so tokens of the same scale do not see each
# other's values.

# %%
stairs = scales.staircase()
beside(
    [
        grid(heat(mask[None].float()), width=220, alt=alt)
        for mask, alt in (
            (torch.ones(49, 49).tril(), "A triangle: all places before"),
            (torch.ones(49, 49), "A full square: all places"),
            (stairs, "A staircase of four steps"),
        )
    ],
    titles=["one by one", "fill in the gaps", "scale by scale"],
    caption="Who may look at whom: each row is a place that looks, blue is where it may.",
    alt="Three masks: a triangle, a full square, and a staircase with four steps",
)

# %%
painter = pretrained("fashion_scales").to(device)
torch.manual_seed(6)
painted = last(painter.sample(10))
grid(
    levels_of(painted),
    columns=10,
    row_titles=names_of_maps,
    caption="Drawn: four evaluations an image, one a row.",
    alt="Ten drawn clothes at four scales, each row finer than the one above",
)

# %% [markdown]
# ### Which order is best?
#
# First, what can be compared? "Nats a token" of the three losses are different things:
#
# - **one by one** reports the exact $-\log p$ of the 49 tokens;
# - **fill in** reports the mean over masks, and how many tokens a mask hides is a matter of the schedule. If the number
#   of hidden tokens is drawn *uniformly* from 1 to 49, the mean is exactly the cost of a random order (Uria et al.
#   2014), a bound for the 49 tokens; so it is measured that way below;
# - **scale by scale** reports the mean over all 70 tokens. The coarse maps follow from the finest one, so the cost of
#   all 70 is a bound for the 49.
#
# So per image all three are $-\log p$ of the same 49 tokens, or a bound above it. But mind what a bound does not say:
# nobody *draws* one by one in a random order with MaskGIT; it draws many tokens at once.


# %%
@torch.no_grad()
def random_order(tokens: torch.Tensor, y: torch.Tensor) -> float:
    """Nats an image that a random order costs: 49 times the mean over hidden tokens, their number uniform."""
    count = torch.randint(1, 50, (len(tokens), 1), device=device)
    hidden = torch.rand(tokens.shape, device=device).argsort(dim=1).argsort(dim=1) < count
    costs = cross_entropy(filler.logits(tokens, hidden, y).float().mT, tokens, reduction="none")
    return (49 * (costs * hidden).sum(dim=1) / count[:, 0]).mean().item()


torch.manual_seed(7)
x, y = told_tokens.to(device), told_labels.to(device)
with torch.no_grad():
    rows = scales.pyramid(tokenizer, x.unflatten(1, (7, 7)))
    by_scale = cross_entropy(painter.logits(rows, y).float().mT, rows, reduction="none").cpu()
an_image = {
    "one by one": nats.sum(dim=1).mean().item(),
    "fill in": sum(random_order(x, y) for _ in range(4)) / 4,
    "scale by scale": by_scale.sum(dim=1).mean().item(),
}
decoders = {"one by one": "fashion_raster", "fill in": "fashion_maskgit", "scale by scale": "fashion_scales"}
stated = {name: info(checkpoint)["metrics"] for name, checkpoint in decoders.items()}
sign = {"one by one": "=", "fill in": "≤", "scale by scale": "≤"}
table(
    [
        {
            "decoder": name,
            "nats a token (its own loss)": m["nats"],
            "nats an image": f"{sign[name]} {an_image[name]:.0f}",
            "excess distance": m["distance"] - m["floor"],
            "precision": m["precision"],
            "recall": m["recall"],
            "steps": int(m["steps"]),
            "ms an image": 1000 * m["seconds"],
        }
        for name, m in stated.items()
    ],
    caption="As the files state them (5,000 drawn images against test images, one CPU core); nats an image measured here. "
    f"Excess: over the floor of {stated['one by one']['floor']:.3f}. The tokenizer alone, with real tokens, has an excess of "
    f"{real.distance - real.floor:.2f} at n = {n:,}.",
)

# %% [markdown]
# Consider what "steps" cost. One by one takes 49 of them, but with the cache each reads a single token: on one core all
# 49 together are little more work than *one* pass over the image. Filling in reads all 49 tokens in every round. On a
# GPU it is the other way round: there a step takes its time however little is in it, and eight rounds beat 49. Which is
# faster is a question about the machine; which is better, about the model.
#
# ## 6 · Diffusion without convolutions
#
# Tokens are one way to put a transformer to work on images. The other keeps the pixels and replaces module 3's
# U-Net: cut $x_t$ into patches, let them look at each other, and read the velocity off each. That is the **DiT**
# (Peebles & Xie 2023), on which most large image and video models of today are built.
#
# How is a transformer told the time, and the label? As a U-Net is: they scale and shift the normalised features in each
# block. A third number, the **gate**, says how much of a branch's result is added at all. All three come from one
# linear layer whose weights begin at **zero**. So every gate begins shut:

# %%
show_code(ConditionalBlock.forward)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
fresh, h, condition = Dit(1, 28, 4, 64, 4, 4, 10), torch.randn(8, 49, 64), torch.randn(8, 64)
with torch.no_grad():
    same = all(torch.equal(block(h, condition), h) for block in fresh.blocks)
    nothing = fresh(torch.randn(8, 1, 28, 28), torch.rand(8), torch.arange(8)).abs().max().item()
print(f"at step 0 each of {len(fresh.blocks)} blocks returns exactly what it is given: {same}")
print(f"and the network predicts {nothing:.0f} everywhere")

# %% [markdown]
# A network that begins as the identity is as easy to train as a shallow one, however deep it is; each block joins in
# when it has something to add. Watch the gates open; for comparison, the same network from the usual random start.

# %%
clothes = load("fashion")
dit_steps = pick(smoke=4, laptop=300, gpu=3000)


def train_dit(zero: bool) -> tuple[DitFlow, list[float], list[list[float]]]:
    """A small DiT, its losses, and the mean size of each block's gates on the way."""
    torch.manual_seed(0)
    model = DitFlow(patch=4, width=64, depth=4, heads=4).to(device)
    if not zero:
        for layer in [block.knobs for block in model.net.blocks] + [model.net.knobs, model.net.out]:
            layer.reset_parameters()
    ema, losses, gates = Ema(model, decay=0.99), [], []
    condition = (
        model.net.time(torch.rand(64, device=device)) + model.net.label(torch.arange(64, device=device) % 10)
    ).detach()
    rate = {"optimizer": partial(adamw, lr=2e-3), "lr_factor": warmup_cosine(dit_steps, warmup=min(50, dit_steps // 2))}
    for step in train_steps(model, clothes.to(device).batches(32, seed=0), dit_steps, **rate):
        ema.update()
        losses.append(step.logs["model/loss"].item())
        if step.index % max(dit_steps // 20, 1) == 0:
            with torch.no_grad():
                knobs = [block.knobs(silu(condition)).chunk(6, dim=1) for block in model.net.blocks]
            gates.append([(k[2].abs().mean() + k[5].abs().mean()).item() / 2 for k in knobs])
    return ema.model, losses, gates


small_dit, zero_loss, gates = train_dit(zero=True)
_, random_loss, _ = train_dit(zero=False)
window = max(dit_steps // 25, 1)
smooth = lambda values: torch.tensor(values).unfold(0, window, 1).mean(dim=1)
assert gates[0][0] < 0.05 and gates[-1][0] > gates[0][0]
beside(
    [
        curves(
            {f"block {i + 1}": [g[i] for g in gates] for i in range(4)},
            x=[i * max(dit_steps // 20, 1) for i in range(len(gates))],
            xlabel="step",
            ylabel="mean size of the gates",
            size=(345, 270),
            alt="The gates of four blocks grow from zero",
        ),
        curves(
            {"zero": smooth(zero_loss)[window:], "random": smooth(random_loss)[window:]},
            xlabel="step",
            ylabel="squared error",
            size=(345, 270),
            alt="Training losses of both starts",
        ),
    ],
    titles=["gates", "loss, from zero and from a random start"],
    caption="Every block begins as nothing, and opens as far as it is of use.",
    alt="Left, the gates of all four blocks open during training, all alike. Right, the loss from zero ends lower than that from a random start",
)

# %%
torch.manual_seed(8)
grid(
    last(small_dit.sample(10, steps=pick(smoke=4, laptop=24, gpu=32))).cpu(),
    columns=10,
    caption=f"Drawn by the small DiT after {dit_steps} steps: 49 patches of 4×4 pixels, not yet in agreement.",
    alt="Ten rough clothes with visible patch borders",
)

# %% [markdown]
# ### Against the U-Net, at equal cost
#
# Is it *better* without convolutions? Compare at equal multiplications an image and equal steps, on all 60,000 images.
# These runs took a while, so they were made once and **logged** (`course log dit_unet` makes the log anew,
# `course_lib/experiments/dit_unet.py` is the code).

# %%
runs = read_log("dit_unet")
percent = torch.linspace(0, 100, len(runs[0].curves["loss"]))
curves(
    {run.name: run.curves["loss"][3:] for run in runs},
    x=percent[3:],
    xlabel="% of the training",
    ylabel="squared error of the velocity",
    caption="Two networks of the same flow, equal multiplications, equal steps.",
    alt="Training losses of the U-Net and of the DiT; the U-Net's is lower throughout",
)

# %%
versus = {run.name: run.results for run in runs}
table(
    [
        {
            "network": name,
            "megaflops an evaluation": r["megaflops"],
            "parameters": int(r["parameters"]),
            "excess distance": r["distance"] - r["floor"],
            "precision": r["precision"],
            "recall": r["recall"],
        }
        for name, r in versus.items()
    ],
    caption=f"{runs[0].steps:,} steps each; floor {runs[0].results['floor']:.3f}.",
)

# %% [markdown]
# That was a short race. Two shipped models had a longer one, nearly an hour of one processor core each: the U-Net saw every
# image fifteen times, the DiT five times, since its 196 patches of 2×2 all look at each other. Both draw with eight evaluations:

# %%
racers = {"DiT": pretrained("fashion_dit"), "U-Net": pretrained("fashion_flow")}
classes, race = torch.arange(10, device=device), []
for racer in racers.values():
    torch.manual_seed(8)
    race.append(last(racer.to(device).sample(10, classes, steps=pick(smoke=4, laptop=8, gpu=8))).cpu())
listed = {row.name.split(",")[0]: row for row in board.rows() if row.evaluations == 8}
grid(
    torch.cat(race),
    columns=10,
    row_titles=list(racers),
    caption="Excess distance of 5,000 clothes, from the leaderboard: "
    f"DiT {listed['DiT'].excess.mean:.2f}, U-Net {listed['flow'].excess.mean:.2f}.",
    alt="Ten clothes by the DiT above nearly the same ten by the U-Net; where they differ, the DiT's are torn into specks",
)

# %% [markdown]
# Both rows begin with the same noise, and become nearly the same clothes. Where a particle goes is decided by the velocity,
# and the best velocity by the data: two networks that share nothing but these come to agree, as far as they have learned it
# (Zhang et al. 2024, *The Emergence of Reproducibility and Consistency in Diffusion Models*).
#
# At this size and budget the convolution's knowledge, that neighbours belong together and that a shoe is a shoe
# wherever it stands, is worth more than freedom. A transformer must learn it from data. With a thousand times the
# data and the compute the lesson is paid for, and what is left is that a transformer scales: the same block, only
# more of it (Peebles & Xie 2023, figure 2). Small experiments cannot show that, and this one does not claim to.
#
# ## 7 · What a caption says
#
# > *a large red circle left of a small blue star*
#
# Large models are judged by how well their pictures please. Here is a world in which a picture is right or wrong for
# its caption: two things, each with a size, a colour and a shape, and how they stand. An exact reader slides all eight
# stamps over a picture and says what it shows. And four pairs of colour and shape are **held out**: no training scene
# shows a red star. The model sees "red" often, and "star", but never together. Does it *understand*?

# %%
scenes, held = shapes(8, seed=1), shapes(8, seed=2, split="test")
assert all(str(seen) == caption for seen, caption in zip(read(held.pixels), held.captions))
print("held out:", ", ".join(" ".join(pair) for pair in sorted(HELD_OUT)))
grid(
    torch.cat([scenes.pixels[:4], held.pixels[:4]]),
    columns=4,
    titles=[*scenes.captions[:4], *held.captions[:4]],
    caption="Above, scenes as in training; below, each with a pair that no training scene shows.",
    alt="Eight scenes of two coloured shapes each, with their captions",
)

# %% [markdown]
# The model is module 3's flow with a network that reads. The words become vectors that a small transformer lets look at
# each other, so that "red" can find out that it belongs to "circle"; in front of them stands a **mark**, one more
# vector, which gathers what the caption as a whole says. Then, in the middle of the U-Net, where the picture is a map
# of 8×8 places, each place asks a question and *the words* offer keys and values. That is **cross-attention**: the same
# formula, with $q$ from the picture and $k$, $v$ from the caption.

# %%
show_code(Reader.forward)

# %%
shapes_flow = pretrained("shapes_flow").to(device)
said = info("shapes_flow")
table(
    [
        {
            "captions": name,
            **{key: said["metrics"][f"{part} {key}"] for key in ("attributes", "binding", "relation", "exact")},
        }
        for part, name in (("seen", "seen pairs"), ("new", "held-out pairs"))
    ],
    caption=f"Shares of pictures that are right, as the checkpoint's file states them, for a guidance of 2 (below); recipe {said['recipe']}.",
)

# %% [markdown]
# Measured here, on captions that the model was not trained on. *Attributes*: are the six words in the picture,
# wherever? *Binding*: are both things right? *Relation*: do they stand as they should? *Exact*: all of it.


# %%
def drawn(model, captions, seed: int = 0, steps: int = pick(smoke=3, laptop=16, gpu=32), guidance: float = 1.0):
    """One picture a caption, (n, 3, 32, 32) in [-1, 1]; the same seed is the same noise."""
    torch.manual_seed(seed)
    tokens = model.read(captions)
    parts = [last(model.sample(len(t), t, steps=steps, guidance=guidance)).cpu() for t in tokens.split(100)]
    return torch.cat(parts).clamp(-1, 1)


asked = pick(smoke=6, laptop=300, gpu=500)
asked_of = {"seen pairs": shapes(asked, seed=11), "held-out pairs": shapes(asked, seed=12, split="test")}
pictures = {name: to_uint8(drawn(shapes_flow, data.captions)) for name, data in asked_of.items()}
marks_of = {name: score(pictures[name], data.captions) for name, data in asked_of.items()}
table(
    [{"captions": name, **marks} for name, marks in marks_of.items()],
    caption=f"{asked} captions each, one picture a caption.",
)

# %% tags=["cover"]
shown_captions = [data.captions[i] for data in asked_of.values() for i in range(4)]
grid(
    torch.cat([pictures[name][:4] for name in asked_of]),
    columns=4,
    titles=shown_captions,
    caption="Drawn from captions. Above, seen pairs; below, held-out ones.",
    alt="Eight drawn scenes of two coloured shapes, each with the caption that was asked for",
)

# %% [markdown]
# Now you. Type a caption and press Enter. The line below the pictures is what the exact reader sees in each of them.

# %%
torch.manual_seed(13)
fixed_noise = torch.randn(4, 3, 32, 32, device=device)


def from_caption(caption: str):
    tokens = shapes_flow.read([caption] * 4)
    steps = pick(smoke=3, laptop=16, gpu=32)
    images = last(shapes_flow.sample(4, tokens, steps=steps, noise=fixed_noise)).clamp(-1, 1).cpu()
    seen = [str(scene) if scene else "nothing that can be read" for scene in read(to_uint8(images))]
    return grid(images, columns=4, titles=seen, caption=f"Asked for: {caption}", alt=f"Four pictures of: {caption}")


text_box(
    from_caption,
    "a large yellow star above a small purple square",
    alt="Four pictures drawn from a typed caption, each with what the exact reader sees in it.",
)

# %% [markdown]
# The model knows eighteen words. It must refuse what it cannot know, and say so; a model that silently drops a word
# draws a caption that you did not type.

# %%
for wrong in ("a large red dog left of a small blue star", "", "a large red circle left of a small blue star " * 2):
    try:
        shapes_flow.read([wrong])
    except ValueError as error:
        print(f"{wrong[:44]!r}:\n   {error}\n")

# %% [markdown]
# ### Which word does what?
#
# Cross-attention can be watched: for each of the 8×8 places, how much it takes from each word. The maps are averaged
# over steps and heads, and shown for one word at a time, the darkest place being where that word is looked at most. Move
# the slider over the words.

# %%
caption = "a large red circle left of a small blue star"
torch.manual_seed(14)
watched = [reader.cross.attention for reader in shapes_flow.net.middle]
for looking in watched:
    looking.seen = []
picture = (
    last(shapes_flow.sample(3, shapes_flow.read([caption] * 3), steps=pick(smoke=3, laptop=24, gpu=32)))
    .clamp(-1, 1)
    .cpu()
)
by_word = torch.stack([w.cpu() for looking in watched for w in looking.seen]).mean(dim=(0, 2))  # (3, 64, 1 + 10)
for looking in watched:
    looking.seen = None
by_word = by_word.unflatten(1, (8, 8)).movedim(3, 1)  # (picture, word, row, column)
numbered = [f"{i + 1} {word}" for i, word in enumerate(caption.split())]


def word_map(word: str):
    maps = by_word[:, int(word.split()[0])]  # column 0 is the mark
    maps = maps / maps.amax(dim=(1, 2), keepdim=True)
    return grid(
        torch.cat([picture, heat(interpolate(maps[:, None], size=32, mode="nearest")[:, 0])]),
        columns=3,
        width=300,
        alt=f"Three pictures, and where they look at the word {word}",
    )


slider(
    word_map,
    {"word": numbered},
    shown=6,
    alt="Three drawn pictures of the caption above maps of the places that attend to one of its words.",
)

# %%
mean_share = by_word.mean(dim=(0, 2, 3))
table(
    [
        {"word": w, "share of the attention": mean_share[i].item(), "largest at one place": by_word[:, i].amax().item()}
        for i, w in enumerate(["the mark (all of the caption)", *numbered])
    ],
    caption="Over all places of the three pictures. Alike for all, it would be 0.09.",
)

# %% [markdown]
# "Red" and "circle" are looked at from where the circle is, "blue" and "star" from where the star is: the words have found
# their places, though nobody told the model where anything is. But most of all attention goes to the two *a*, which say
# nothing. The weights of a place must sum to one, also where there is nothing to ask; so the model has made itself a place
# to look at when it does not want to look. Large transformers do the same (Xiao et al. 2024, "attention sinks"). A map of
# attention shows where information *may* come from, not what was made of it.
#
# ### Guidance, again
#
# Module 3's guidance works with captions as with labels: some were left out in training, so the model also knows the
# velocity of "anything". Move further away from that, and the pictures follow the caption more closely.

# %%
asked_for = [
    str(Scene(Thing("large", *a), "left of", Thing("large", *b)))
    for a, b in (
        (("red", "star"), ("blue", "circle")),
        (("yellow", "square"), ("purple", "star")),
        (("green", "circle"), ("cyan", "square")),
        (("blue", "triangle"), ("red", "square")),
    )
]
strengths = pick(smoke=[1.0, 3.0], laptop=[0.0, 1.0, 2.0, 4.0, 8.0], gpu=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0])


def guided_pictures(w: float):
    images = drawn(shapes_flow, asked_for, seed=15, guidance=w)
    right = [seen is not None and str(seen) == meant for seen, meant in zip(read(to_uint8(images)), asked_for)]
    return grid(
        images,
        columns=4,
        titles=["right" if ok else "wrong" for ok in right],
        width=360,
        alt=f"Four scenes at guidance {w}",
    )


slider(
    guided_pictures,
    {"guidance w": strengths},
    shown=4,
    alt="Pictures of a red star, a yellow square, a green circle and a blue triangle, each held out, beside another thing.",
)

# %%
fewer = pick(smoke=4, laptop=150, gpu=300)
by_guidance = {
    w: {
        name: score(to_uint8(drawn(shapes_flow, data.captions[:fewer], seed=16, guidance=w)), data.captions[:fewer])[
            "exact"
        ]
        for name, data in asked_of.items()
    }
    for w in pick(smoke=[1.0, 2.0], laptop=[0.5, 1.0, 2.0, 4.0, 8.0], gpu=[0.5, 1.0, 1.5, 2.0, 4.0, 8.0])
}
table(
    [{"guidance": w, **row} for w, row in by_guidance.items()],
    caption=f"Share of exactly right pictures, {fewer} captions each.",
)

# %% [markdown]
# ### What it gets wrong, and how one sees it
#
# The reader tells not only *that* a picture is wrong but *how*. Of the captions with a held-out pair:


# %%
def fault(seen: Scene | None, meant: Scene) -> str:
    if seen is None:
        return "nothing readable"
    if seen == meant:
        return "right"
    there, wanted = [[(t.size, t.colour, t.shape) for t in (s.first, s.second)] for s in (seen, meant)]
    if sorted(there) == sorted(wanted):
        return "only the relation is wrong"
    words = [sorted(word for thing in part for word in thing) for part in (there, wanted)]
    if words[0] == words[1]:
        return "right words, wrongly bound"
    wrong = [
        kind
        for i, kind in enumerate(("size", "colour", "shape"))
        if sorted(t[i] for t in there) != sorted(t[i] for t in wanted)
    ]
    return f"wrong {' and '.join(wrong)}"


faults = {
    name: [fault(seen, Scene.of(c)) for seen, c in zip(read(pictures[name]), data.captions)]
    for name, data in asked_of.items()
}
kinds = sorted({f for row in faults.values() for f in row}, key=lambda f: -sum(row.count(f) for row in faults.values()))
table([{"what is read": kind, **{name: row.count(kind) / asked for name, row in faults.items()}} for kind in kinds])

# %%
failed = [i for i, f in enumerate(faults["held-out pairs"]) if f != "right"][:4] or [0]
reads = read(pictures["held-out pairs"])
grid(
    pictures["held-out pairs"][failed],
    columns=4,
    titles=[f"asked: {asked_of['held-out pairs'].captions[i]}\nread: {reads[i] or 'nothing'}" for i in failed],
    caption="Failures on held-out pairs.",
    alt="Up to four drawn scenes that are not what was asked for, with what was asked and what they show",
)

# %% [markdown]
# The failures are telling. Colours, sizes and places are hardly ever at fault; mostly it is the *shape* of the very
# thing that was never seen in its colour, and what is drawn instead is a shape that was. But they are few: the model
# does bind words that it never saw together, so it has not merely learned the other 20 of the 24 pairs by heart.
#
# So does it understand? Ask for the same scenes in other words. "A left of B" is "B **right of** A". The vocabulary has
# *right* and *below*, so no error is raised; but no training caption ever used them.


# %%
def turned(caption: str) -> str:
    """The same scene, told from the other side."""
    s = Scene.of(caption)
    return f"{s.second} {({'left of': 'right of', 'above': 'below'})[s.relation]} {s.first}"


captions_turned = tuple(map(turned, asked_of["seen pairs"].captions))
pictures_turned = to_uint8(drawn(shapes_flow, captions_turned))
marks_of["turned around"] = score(pictures_turned, captions_turned)
table(
    [{"captions": name, **marks} for name, marks in marks_of.items()],
    caption="Relation: beside or above each other; exact: and in the right order.",
)

# %%
reads = read(pictures_turned[:4])
grid(
    pictures_turned[:4],
    columns=4,
    titles=[f"asked: {c}\nread: {r or 'nothing'}" for c, r in zip(captions_turned, reads)],
    caption="Told from the other side.",
    alt="Four drawn scenes; where both things are there, they stand in the order in which they were named, and not as they should",
)

# %% [markdown]
# In six pictures of seven the right things, but in the wrong order; in the others, as in the first two above, a thing is
# missing or wrong besides. A word whose vector was never trained is an accident, and the model goes by what it has
# learned, that the first thing named stands first. It knows the *grammar of its captions*, not the language. Held-out
# pairs, which obey the same grammar, did not show that. What one has not tested, one does not know.
#
# ## 8 · Real pictures
#
# Now real drawings: 1,435 emoji, each by two artists, whose name stands in front of the caption, "noto red apple".
# There is no exact reader here, and the question is another: of thousands of captions each has one picture, and most
# words stand in two or three of them. Does the model *invent*, or does it *remember*?

# %%
emoji_flow = pretrained("emoji_flow").to(device)
emoji, kept = both_styles(), both_styles("test")
wanted = ["noto red apple", "fluent red apple", "noto pizza", "fluent pizza", "noto rocket", "fluent rocket"]
print(f"{len(emoji):,} training pictures, {len(emoji.vocabulary.words):,} words")
grid(
    emoji.x[[emoji.captions.index(c) for c in wanted]],
    columns=6,
    titles=wanted,
    caption="By the artists.",
    alt="Real emoji in two styles",
)

# %% [markdown]
# Draw for captions of the training set, and for captions of concepts that were held out with all their kin; after what
# happened to "right of", only for those whose every word occurs in training. For each drawn picture, find the most
# similar training picture, pixel by pixel. (Likeness is stated in decibels: ten times the base-10 logarithm of the
# largest possible squared error over the actual one.)


# %%
def nearest(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each picture: how similar the most similar training picture is, in dB, and which it is."""
    which = torch.cdist(x.flatten(1), emoji.x.flatten(1)).argmin(dim=1)
    return psnr(x, emoji.x[which]), which


few = pick(smoke=6, laptop=60, gpu=300)
torch.manual_seed(17)
chosen = torch.randperm(len(emoji))[:few]
known = {word for c in emoji.captions for word in words_of(c)}
fair = [i for i, c in enumerate(kept.captions) if set(words_of(c)) <= known]
print(f"of {len(kept)} held-out captions {len(fair)} have only words that training captions have")
fair = torch.tensor(fair)[torch.randperm(len(fair))[:few]]
evaluations = {"steps": pick(smoke=3, laptop=16, gpu=32), "guidance": 2.0}
emoji_drawn = {
    "seen captions": drawn(emoji_flow, emoji[chosen].captions, seed=18, **evaluations),
    "new captions": drawn(emoji_flow, kept[fair].captions, seed=18, **evaluations),
}
meant = {"seen captions": emoji.x[chosen], "new captions": kept.x[fair]}
close = {name: nearest(x) for name, x in (emoji_drawn | {"real pictures of the new captions": kept.x[fair]}).items()}
table(
    [
        {
            "pictures": name,
            "dB to the nearest training picture": decibels.mean().item(),
            "dB to the one that was meant": psnr(emoji_drawn[name], meant[name]).mean().item()
            if name in meant
            else None,
            "nearest is the one meant": (which == chosen).float().mean().item() if name == "seen captions" else None,
        }
        for name, (decibels, which) in close.items()
    ],
    caption=f"{few} pictures each. More decibels: more alike.",
)

# %%
picks = slice(0, 5)
for_show = []
for name, images in emoji_drawn.items():
    for_show += [images[picks], emoji.x[close[name][1][picks]], meant[name][picks]]
captions_shown = {"seen captions": emoji[chosen].captions[picks], "new captions": kept[fair].captions[picks]}
beside(
    [
        grid(
            torch.cat(for_show[3 * i : 3 * i + 3]),
            columns=5,
            titles=list(captions_shown[name]),
            row_titles=["drawn", "nearest", "meant"],
            alt=f"Drawn emoji for {name}, their nearest training pictures, and the artist's own",
        )
        for i, name in enumerate(emoji_drawn)
    ],
    columns=1,
    titles=list(emoji_drawn),
    caption="Drawn, the most similar training picture, and the one by the artist.",
    alt="Drawn emoji above the nearest training pictures and those that were meant, for seen and for new captions",
)

# %% [markdown]
# A model that had learned its pictures by heart would draw, for a caption that it knows, the very picture, so its
# nearest training picture would be the one meant, and far nearer than for a caption that is new. Compare the rows of
# the table. This model is too small for that, and was trained too briefly: a million numbers cannot hold 2,870
# pictures. It has learned what *many* captions say: a button, a keycap, a yellow face. Words that occur in two or three
# captions mean little to it, seen or not, and it paints something emoji-like. That is neither invention nor memory.
#
# Compare section 7, where each word occurred in thousands of captions, always in other company: *that* is what made a
# model compose. Large models have both kinds of words, and do both things: what is common they combine, and what is
# rare but repeated in their data they remember. Module 7 measures when.
#
# The artist's name is a word like others, but it occurs in every caption, so it is well understood. The same noise,
# the same caption, another artist:

# %%
concepts = [c.removeprefix("noto ") for c in emoji[chosen].captions if c.startswith("noto ")][:6]
grid(
    torch.cat(
        [
            drawn(emoji_flow, [f"{artist} {c}" for c in concepts], seed=19, **evaluations)
            for artist in ("noto", "fluent")
        ]
    ),
    columns=len(concepts),
    row_titles=["noto", "fluent"],
    titles=concepts,
    caption="The same noise and the same words but one.",
    alt="Six emoji drawn in the style of either artist from the same noise",
)

# %% [markdown]
# ## 9 · One space for pictures and words
#
# Can one measure whether a picture fits a caption *without* an exact reader? **CLIP** (Radford et al. 2021) learns it from
# pairs alone: an encoder for images and one for captions, trained so that in a batch each image is nearest to its own
# caption. Many text-to-image models read their captions with it, and most are graded by it.

# %%
show_code(Clip.loss)

# %%
lesson = shapes(pick(smoke=200, laptop=6000, gpu=20_000), seed=21).to(device)
clip_steps = pick(smoke=4, laptop=300, gpu=2000)


def train_clip(size: int, positions: bool = True) -> tuple[Clip, list[float]]:
    """A CLIP trained on batches of `size` pairs, and how often images found their captions in them."""
    torch.manual_seed(0)
    model = Clip(vocabulary().words, LENGTH, width=64).to(device)
    if not positions:
        model.text.places.zero_()
    rate = {
        "optimizer": partial(adamw, lr=2e-3),
        "lr_factor": warmup_cosine(clip_steps, warmup=min(50, clip_steps // 2)),
    }
    steps = train_steps(model, lesson.batches(size, seed=0), clip_steps, **rate)
    found = [step.logs["model/found"].item() for step in steps]
    return model.eval(), found


large = pick(smoke=16, laptop=96, gpu=256)
clip, found = train_clip(large)
curves(
    {"found": torch.tensor(found).unfold(0, max(clip_steps // 40, 1), 1).mean(dim=1)},
    levels={"chance": 1 / large},
    xlabel="step",
    ylabel="share that find their caption",
    caption=f"Images that find their own caption among the {large} of their batch.",
    alt="The share of images that find their own caption in a batch rises towards one",
)

# %% [markdown]
# Retrieval on new scenes: each image looks for its caption among those of all, and the other way round.


# %%
@torch.no_grad()
def directions(model: Clip, pixels: torch.Tensor, captions) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a model puts images (uint8) and captions."""
    return model.see(to_float(pixels).to(device)).cpu(), model.read(model.tokens(captions)).cpu()


def retrieval(model: Clip, data) -> dict[str, float]:
    images, texts = directions(model, data.pixels, data.captions)
    order, own = (images @ texts.T).argsort(dim=1, descending=True), torch.arange(len(data))[:, None]
    return {
        "caption found at once": (order[:, :1] == own).float().mean().item(),
        "among the first five": (order[:, :5] == own).any(dim=1).float().mean().item(),
        "image found at once": ((texts @ images.T).argmax(dim=1) == own[:, 0]).float().mean().item(),
    }


hundreds = pick(smoke=20, laptop=500, gpu=500)
candidates = {"seen pairs": shapes(hundreds, seed=22), "held-out pairs": shapes(hundreds, seed=23, split="test")}
found_of = {name: retrieval(clip, data) for name, data in candidates.items()}
table(
    [{"scenes": name, **row} for name, row in found_of.items()],
    caption=f"Among {hundreds} candidates; by chance {1 / hundreds:.3f}.",
)

# %% [markdown]
# ### A bag of words?
#
# That is impressive; but does it know that *who stands where* matters? Give each image two captions to choose from: the
# true one, and one that differs in a single respect. Three respects: another colour somewhere; the **colours
# exchanged** ("red circle left of blue star" or "blue circle left of red star"); the **places exchanged**. In the last
# two, both captions have exactly the same words. Large CLIPs, trained on hundreds of millions of photographs, are right
# little more often than by chance there (Yuksekgonul et al. 2023): to them a caption is a bag of words.
#
# And here? For comparison, take two models that should be worse. One is trained on batches of eight, in which little
# needs to be known to tell the captions apart. The other has a *provable* handicap: its text encoder gets no positions.
# By section 1 it is permutation equivariant, so what the mark gathers *cannot* depend on the order of the words.

# %%
everyone = map(Scene.of, shapes(pick(smoke=100, laptop=1200, gpu=3000), seed=24).captions)
apart = [s for s in everyone if s.first.colour != s.second.colour and s.first.shape != s.second.shape]
apart_pixels = draw(apart, seed=25)


def recoloured(s: Scene) -> Scene:
    free = [c for c in COLOURS if c not in (s.first.colour, s.second.colour)]
    return Scene(Thing(s.first.size, free[len(str(s)) % len(free)], s.first.shape), s.relation, s.second)


def colours_exchanged(s: Scene) -> Scene:
    a, b = s.first, s.second
    return Scene(Thing(a.size, b.colour, a.shape), s.relation, Thing(b.size, a.colour, b.shape))


def places_exchanged(s: Scene) -> Scene:
    return Scene(s.second, s.relation, s.first)


def choices(model: Clip) -> dict[str, float]:
    """How often the true caption wins against one that differs in one respect; a tie is half a win."""
    images, texts = directions(model, apart_pixels, [str(s) for s in apart])
    right = {}
    for name, change in (
        ("another colour", recoloured),
        ("colours exchanged", colours_exchanged),
        ("places exchanged", places_exchanged),
    ):
        others = directions(model, apart_pixels, [str(change(s)) for s in apart])[1]
        lead = (images * (texts - others)).sum(dim=1)
        right[name] = torch.where(lead.abs() < 1e-5, 0.5, (lead > 0).float()).mean().item()
    return right


readers = {
    f"batches of {large}": clip,
    "batches of 8": train_clip(8)[0],
    "no positions": train_clip(large, positions=False)[0],
}
understood = {
    name: {
        "caption among the first five": retrieval(model, candidates["seen pairs"])["among the first five"],
        **choices(model),
    }
    for name, model in readers.items()
}
ties = [understood["no positions"][k] for k in ("colours exchanged", "places exchanged")]
assert ties == [0.5, 0.5]
table(
    [{"model": name, **row} for name, row in understood.items()],
    caption=f"Retrieval among {hundreds}; then the share of {len(apart):,} new scenes for which the true caption wins, by "
    "chance 0.5.",
)

# %% [markdown]
# Read the last row first. That model *cannot* know the order of words: exchange them, and the score is the same. And
# still it nearly always has the caption among the first five. **Retrieval does not test what it seems to test**; only
# pairs that differ in the one thing that is asked do.
#
# The first row refutes the expectation: our model is no bag of words at all, nor is the second, which saw far fewer pairs
# and knows less of everything. Why not, if models of a thousand times its size are? The loss rewards whatever tells the
# captions of *one batch* apart. Here sixteen words must do for everything, a batch is full of captions that differ in a
# word or two, and order is often what decides. In a batch of captions from the web hardly any two share half of their
# words, so words suffice; and a model learns what suffices. The cure that was proposed is what our small world does by
# itself: put captions into the batch that differ in order only.
#
# Mind this when a paper reports a "CLIP score" for how well its pictures follow captions.
#
# ### How to cheat the judge
#
# And mind something worse. The score is a differentiable function of the pixels. So do not draw at all: start from
# noise and climb. A second way is more disturbing still: take a *true* picture, and change each pixel by at most six of
# 255 levels, so that the judge prefers a caption that is plainly wrong.

# %%
target = "a large red circle left of a small blue star"
true_picture = draw([Scene.of(target)], seed=26)
wrong_caption = "a large red circle left of a small yellow star"
climb = pick(smoke=5, laptop=150, gpu=300)
with torch.no_grad():
    aim, wrong_aim = clip.read(clip.tokens([target, wrong_caption])).split(1)
    true_score = (clip.see(to_float(true_picture).to(device)) @ aim.T).item()


def ascend(start: torch.Tensor, reach: float, towards: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    """Move a picture's direction, each pixel at most `reach` from where it was; also its scores on the way."""
    x, climbed = start.clone(), []
    for _ in range(climb):
        x.requires_grad_()
        s = (clip.see(x) @ towards.T).sum()
        (up,) = torch.autograd.grad(s, x)
        x = (x + min(0.02, reach / 8) * up.sign()).detach()
        x = (start + (x - start).clamp(-reach, reach)).clamp(-1, 1)
        climbed.append(s.item())
    return x, climbed


torch.manual_seed(27)
static = torch.rand(1, 3, 32, 32, device=device) * 2 - 1
true_float = to_float(true_picture).to(device)
nonsense, climbed = ascend(static, 2.0, aim)
forged, _ = ascend(true_float, 12 / 255, wrong_aim - aim)  # six levels of 255
with torch.no_grad():
    honest, fooled = ((clip.see(x) @ torch.cat([aim, wrong_aim]).T)[0].tolist() for x in (true_float, forged))
beats = climbed[-1] > true_score
assert pick(smoke=True, laptop=beats and fooled[1] > fooled[0], gpu=beats and fooled[1] > fooled[0])
curves(
    {"noise that climbs": climbed},
    levels={"true picture": true_score},
    xlabel="step",
    ylabel="cosine with the caption",
    caption="Gradient ascent on the pixels of a noise image.",
    alt="The score of a noise image rises past that of the true picture within a few steps",
)

# %%
judged_pictures = torch.cat([true_float, nonsense, forged]).cpu()
seen_there = [str(scene) if scene else "nothing" for scene in read(to_uint8(judged_pictures))]
grid(
    judged_pictures,
    columns=3,
    width=560,
    titles=["the true picture", "noise, after climbing", "true, forged by six levels"],
    caption=f"The exact reader sees: {'; '.join(seen_there)}.",
    alt="A red circle left of a blue star; coloured noise; the same scene as the first with a faint texture",
)

# %%
with torch.no_grad():
    both_scores = (clip.see(judged_pictures.to(device)) @ torch.cat([aim, wrong_aim]).T).cpu()
table(
    [
        {"picture": name, target: a, wrong_caption: b}
        for name, (a, b) in zip(("true", "noise", "forged"), both_scores.tolist())
    ],
    caption="The judge's cosines with the true and with a wrong caption. There is no yellow star in any of them.",
)

# %% [markdown]
# Whoever optimises a learned score gets pictures that score. That holds for CLIP as a reward just as for the
# classifiers for which it was first shown (Szegedy et al. 2014). In this notebook the numbers that count come from an
# exact reader, which no gradient reaches, and where there is none, from distances that were not trained against.
#
# ## 10 · What goes wrong, and how one sees it
#
# | symptom | usual cause | how to see it |
# |---|---|---|
# | patches right, image wrong | no positions, or the wrong ones | shuffle the input: is the output shuffled? (section 1) |
# | attention that stares | scores without the root, or a temperature gone wild | the largest weights (section 1) |
# | training loss near zero, nonsense drawn | the mask lets a place see its own token | change a token; which predictions move? (section 3) |
# | another image with the cache than without | a place counted twice, or a stale cache | logits with and without (section 3) |
# | pieces of several clothes in one | too many tokens drawn at once | distance against rounds (section 4) |
# | bland images, all alike | greedy choice of what to keep | recall (section 4) |
# | right words, wrong thing | binding or order was never asked for | exchanged colours, turned captions (sections 7 and 9) |
# | perfect pictures for known captions only | they are the training pictures | nearest neighbours (section 8) |
# | a splendid CLIP score | the score was optimised | an exact reader, or people (section 9) |
#
# ## 11 · What was measured
#
# All numbers of this run, at this budget:

# %%
fastest = min(stated, key=lambda name: stated[name]["seconds"])
table(
    [
        {
            "experiment": "partners further away than 2: attention / convolution",
            "result": f"{far['attention']:.2f} / {far['convolution']:.2f}",
            "expected": "1 / 0.25",
        },
        {
            "experiment": "bits a token: by place / after the left one / after all before",
            "result": " / ".join(f"{b:.2f}" for b in list(bits_known.values())[1:]),
            "expected": "falls",
        },
        {
            "experiment": "slope of the time to draw L tokens, without / with the cache",
            "result": " / ".join(f"{g:.1f}" for g in grows.values()),
            "expected": "about 2, up to 3 / about 1, up to 2",
        },
        {
            "experiment": f"the same for {lengths[-1]} tokens: times faster",
            "result": f"{spent['read again'][-1] / spent['with the cache'][-1]:.0f}",
            "expected": "many",
        },
        {
            "experiment": "nats an image: one by one / fill in / scale by scale",
            "result": " / ".join(f"{sign[k]} {value:.0f}" for k, value in an_image.items()),
            "expected": "one exact, two bounds",
        },
        {
            "experiment": f"MaskGIT, distance at {rounds_tried[0]} round / at the best number, n = {n:,}",
            "result": f"{by_rounds['surest first'][0]:.2f} / {min(by_rounds['surest first']):.2f}",
            "expected": f"real tokens: {real.distance:.2f}",
        },
        {
            "experiment": "excess distance as stated: one by one / fill in / scale by scale",
            "result": " / ".join(f"{m['distance'] - m['floor']:.2f}" for m in stated.values()),
            "expected": f"real tokens: {real.distance - real.floor:.2f}",
        },
        {
            "experiment": "fewest seconds an image",
            "result": f"{fastest}: {stated[fastest]['seconds']:.4f}",
            "expected": "the least work",
        },
        {
            "experiment": "excess distance at equal multiplications: U-Net / DiT",
            "result": " / ".join(f"{versus[k]['distance'] - versus[k]['floor']:.2f}" for k in ("U-Net", "DiT")),
            "expected": "the U-Net, when small",
        },
        {
            "experiment": "exactly right pictures at guidance 2: seen / held-out pairs",
            "result": " / ".join(f"{value:.2f}" for value in by_guidance[2.0].values()),
            "expected": f"{said['metrics']['seen exact']:.2f} / {said['metrics']['new exact']:.2f}, as stated",
        },
        {
            "experiment": "the same scenes, told with words that training never used",
            "result": f"{marks_of['turned around']['exact']:.2f}",
            "expected": "nearly none",
        },
        {
            "experiment": "emoji, dB to the nearest training picture: seen / new captions",
            "result": f"{close['seen captions'][0].mean():.1f} / {close['new captions'][0].mean():.1f}",
            "expected": "much more for seen ones, if remembered",
        },
        {
            "experiment": "CLIP, colours exchanged: with positions / without",
            "result": f"{understood[f'batches of {large}']['colours exchanged']:.2f} / {ties[0]:.2f}",
            "expected": "above 0.5 / 0.5 exactly",
        },
        {
            "experiment": "CLIP's cosine: true picture / noise that climbed",
            "result": f"{true_score:.2f} / {climbed[-1]:.2f}",
            "expected": "noise wins",
        },
    ],
    caption="course evaluate shapes_flow, and so on, measures a checkpoint anew.",
)

# %% [markdown]
# ## Exercises
#
# [exercises/04_transformers.ipynb](../exercises/04_transformers.ipynb): eleven functions, from a weighted mean to
# CLIP's loss, with instant checks. Together they are a small transformer library.
#
# ## Where to go from here
#
# Attention compares every place with every other, and keeps what it has read in a cache that grows with every token:
# for long sequences, such as films, both become dear. Models whose memory does not grow are the subject of
# [5 · State space models](05_ssms.ipynb).
#
# ## Further reading
#
# - Bahdanau, Cho, Bengio 2015, *Neural Machine Translation by Jointly Learning to Align and Translate* · Vaswani et al.
#   2017, *Attention Is All You Need*: the two roots.
# - Dosovitskiy et al. 2021, *An Image Is Worth 16×16 Words* · Xiong et al. 2020, *On Layer Normalization in the
#   Transformer Architecture*: images, and where the norm belongs.
# - van den Oord et al. 2016, *Pixel Recurrent Neural Networks* · Esser et al. 2021, *Taming Transformers* · Chang et al.
#   2022, *MaskGIT* · Tian et al. 2024, *Visual Autoregressive Modeling*: three orders.
# - Uria, Murray, Larochelle 2014, *A Deep and Tractable Density Estimator*: the likelihood of a random order.
# - Peebles & Xie 2023, *Scalable Diffusion Models with Transformers* · Esser et al. 2024, *Scaling Rectified Flow
#   Transformers*: from U-Net to transformer.
# - Rombach et al. 2022, *Latent Diffusion* · Saharia et al. 2022, *Imagen* · Hertz et al. 2023, *Prompt-to-Prompt*: words in
#   the picture, and editing by their attention maps.
# - Xiao et al. 2024, *Efficient Streaming Language Models with Attention Sinks* · Darcet et al. 2024, *Vision Transformers
#   Need Registers*: where attention goes when it has nowhere to go.
# - Radford et al. 2021, *CLIP* · Yuksekgonul et al. 2023, *When and Why Vision-Language Models Behave like
#   Bags-of-Words* · Ghosh et al. 2023, *GenEval*: words and pictures, and how to judge them.
# - Carlini et al. 2023, *Extracting Training Data from Diffusion Models* · Szegedy et al. 2014, *Intriguing Properties of
#   Neural Networks*: what is remembered, and how a network is fooled.
