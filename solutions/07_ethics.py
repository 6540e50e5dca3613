# %% [markdown]
# # Exercises: ethics
#
# Eleven tasks, each a few lines long, with which a claim about harm becomes a number: whom a model draws and whom it leaves
# out, where a picture came from, whose picture it remembers, and what it cost. The pictures between the tasks are made
# with what you wrote, on the course's own data and models.
#
# - A **group** is one value of an attribute that can be seen in a picture (long hair, a sad mouth). Groups and classes are numbers
#   from 0, and counts are integers.
# - A number that comes from $n$ pictures is uncertain. Say how much, or do not say the number.
# - A **score** is higher for what is looked for: generated, marked, remembered.
# - In flows $x_t = (1 - t)\, x_0 + t\, \varepsilon$, from the picture $x_0$ at $t = 0$ to noise at $t = 1$.
# - The cell below each task checks it and names the misconception where it sees one. A picture whose tasks are
#   not written yet shows an error, and the notebook goes on.
# - The letters are those of `notebooks/07_ethics` and of `GLOSSARY.md`.

# %% tags=["bootstrap", "skip-grading"]
import course_lib
from course_lib.grading.check import check

course_lib.setup()

# %% tags=["setup"]
import math
from collections.abc import Callable

import torch
from torch import Tensor

# %% [markdown]
# ## 1 · A share, and how sure of it one is
#
# Of $n$ pictures that a model drew, $k$ show long hair, $\hat p = k / n$. Which true shares $p$ go with that? Those from which $\hat p$ is not
# further away than $z$ standard deviations, of which each $p$ has its own:
#
# $$|\hat p - p| \le z \sqrt{\frac{p (1 - p)}{n}}$$
#
# Square it, and it is a quadratic inequality in $p$, whose two roots are the ends of the interval (Wilson 1927):
#
# $$\frac{1}{1 + z^2 / n} \left( \hat p + \frac{z^2}{2 n} \;\pm\; z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}} \right)$$
#
# The interval of the textbooks puts $\hat p$ under the root, in the place of $p$. With no picture of a group at all it says that the share
# is exactly 0, whether one has looked at ten pictures or at ten thousand.
#
# | argument | type or shape | what |
# |---|---|---|
# | `count`, `total` | int, (K,) | $k$ and $n$, of K groups |
# | `z` | float | 1.96 for 95 % |
# | **returns** | (K,) and (K,) | the lower and the upper end |
#
# <details><summary>Hint</summary>
#
# `count / total` of two tensors of integers is a tensor of floats. Name the middle and the half width first.
# </details>


# %% tags=["task"] task="wilson" difficulty=1 importance=5 minutes=10
def wilson(count: Tensor, total: Tensor, z: float) -> tuple[Tensor, Tensor]:
    """The ends, each (K,), of the intervals for K shares."""
    ### BEGIN SOLUTION
    p, spread = count / total, z**2 / total
    middle = (p + spread / 2) / (1 + spread)
    half = z * torch.sqrt(p * (1 - p) / total + spread / (4 * total)) / (1 + spread)
    return middle - half, middle + half
    ### END SOLUTION


# %% tags=["check"]
check("wilson")

# %% [markdown]
# Faces from the course's GAN. Of the faces that it learnt from one half wear earrings, though no label says which. How many of its own
# does one have to look at before one may say that it draws too many?

# %% tags=["skip-grading"]
from course_lib.checkpoints import pretrained
from course_lib.features import read_faces
from course_lib.model import last
from course_lib.plotting import curves, grid

torch.manual_seed(0)
gan = pretrained("faces_gan")
with torch.no_grad():
    drawn_faces = last(gan.sample(course_lib.pick(smoke=240, laptop=2400, gpu=2400)))
rings = read_faces(drawn_faces)["accessories"]
looked_at = torch.tensor([10, 20, 50, 100, 200, 500, 1000, 2000])
looked_at = looked_at[looked_at <= len(rings)]
order = torch.randperm(len(rings))
seen = torch.stack([(rings[order[:n]] == 1).sum() for n in looked_at])
low, high = wilson(seen, looked_at, 1.96)
curves(
    {"95 %, upper": high, "share": seen / looked_at, "95 %, lower": low},
    x=looked_at,
    log="x",
    levels={"the data": 0.5},
    xlabel="faces looked at",
    ylabel="share with earrings",
    alt="Three lines that close in on each other from left to right: the interval narrows as more faces are looked at",
)

# %% [markdown]
# ## 2 · A reader that errs
#
# Nobody counts ten thousand pictures by eye; a network reads them, and it errs. If it takes one sad mouth in five for a
# happy one, it finds happy mouths where there are none. How often it errs one learns from pictures whose groups are known:
# $C_{ij}$ counts those of group $i$ that were read as $j$. So a picture of group $i$ is read as $j$ with the probability
#
# $$P_{ij} = \frac{C_{ij}}{\sum_{j'} C_{ij'}}, \qquad\text{and}\qquad r_j = \sum_i s_i\, P_{ij}$$
#
# is the share that is read as $j$, if $s_i$ is the share that there is. Solve it for $s$ (Rogan and Gladen 1978, for two groups). The
# share of the known pictures that belong to a group does not matter: $P$ is given the true group. By chance some $s_i$ may come
# out a little below 0; leave it there, as it says that the group is rare, and cutting it off would push the mean up.
#
# | argument | shape | what |
# |---|---|---|
# | `read` | int, (K,) | how many of the model's pictures were read as each group |
# | `confusion` | int, (K, K) | $C$; rows are true groups, columns what was read |
# | **returns** | (K,) | $s$ |
#
# <details><summary>Hint</summary>
#
# `.sum(1, keepdim=True)` are the sums of the rows. `torch.linalg.solve(M, r)` finds the $s$ with $M s = r$; on which side of $P$ does
# $s$ stand above?
# </details>


# %% tags=["task"] task="true_shares" difficulty=2 importance=4 minutes=10
def true_shares(read: Tensor, confusion: Tensor) -> Tensor:
    """The shares (K,) of the groups, corrected for the reader's known errors."""
    ### BEGIN SOLUTION
    errs = confusion / confusion.sum(1, keepdim=True)
    return torch.linalg.solve(errs.T, read / read.sum())
    ### END SOLUTION


# %% tags=["check"]
check("true_shares")

# %% [markdown]
# A reader that has to work with spoilt pictures: faces under so much noise that one mouth in three is taken for the other kind. It was
# examined on faces half of which are happy. Now it meets faces that are happy more often or less.

# %% tags=["skip-grading"]
from course_lib.data.faces import Joint, coarse, faces, groups


def spoilt_mouths(happy: float, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Which mouths n faces have, and which the reader finds under noise."""
    tied = Joint("mouth", "hair", [[happy / 2, happy / 2], [(1 - happy) / 2, (1 - happy) / 2]])
    data = faces(n, seed=seed, joint=tied)
    noise = torch.randn(data.x.shape, generator=torch.Generator().manual_seed(seed))
    return coarse(data, "mouth").labels, read_faces((data.x + 0.7 * noise).clamp(-1, 1))["mouth"]


many = course_lib.pick(smoke=400, laptop=2000, gpu=2000)
known, found = spoilt_mouths(0.5, many, seed=100)
confusion = torch.stack([torch.bincount(found[known == group], minlength=2) for group in range(2)])
happy = torch.linspace(0.05, 0.95, 7)
counts = [spoilt_mouths(float(share), many, seed=i)[1].bincount(minlength=2) for i, share in enumerate(happy)]
curves(
    {
        "as read": [float(count[0] / count.sum()) for count in counts],
        "corrected": [float(true_shares(count, confusion)[0]) for count in counts],
        "true": happy,
    },
    x=happy,
    xlabel=f"true share of {groups('mouth')[0]} mouths",
    ylabel="share found",
    caption=f"Of the known faces {float((found == known).float().mean()):.0%} were read rightly.",
    alt="The share as read is a flat line; the corrected one lies on the diagonal, which is the truth",
)

# %% [markdown]
# ## 3 · Worse than the data
#
# If 70 % of the judges in the data are men, and 85 % of those that the model draws, then the model has not merely learnt the
# data's bias but **amplified** it. Zhao et al. (2017) count it: within each class $c$, which share $b_{cg}$ of the pictures shows group $g$?
# Look at the pairs to which the data **lean**, $b^\text{data}_{cg} > 1 / G$ with $G$ groups, and add up by how much the model leans further.
# Divide by the number $K$ of classes:
#
# $$\frac{1}{K} \sum_{c, g \,:\, b^\text{data}_{cg} > 1 / G} \big( b^\text{model}_{cg} - b^\text{data}_{cg} \big)$$
#
# 0 is a faithful copy, and below 0 the model is more even than its data. Shares are taken within a class, so it does not
# matter how many pictures of a class there are, in the data or from the model. And which pairs count is decided by the data only.
#
# | argument | shape | what |
# |---|---|---|
# | `data`, `drawn` | int, (K, G) | counts of pictures: K classes, G groups |
# | **returns** | () | the amplification |
#
# <details><summary>Hint</summary>
#
# The sum over all pairs would always be 0: what one group gains another one loses. A mask of booleans selects, `gain[leaning]`.
# </details>


# %% tags=["task"] task="amplification" difficulty=2 importance=5 minutes=10
def amplification(data: Tensor, drawn: Tensor) -> Tensor:
    """By how much a model leans further than its data, a mean over classes, ()."""
    ### BEGIN SOLUTION
    before, after = (count / count.sum(1, keepdim=True) for count in (data, drawn))
    leaning = before > 1 / data.shape[1]
    return (after - before)[leaning].sum() / len(data)
    ### END SOLUTION


# %% tags=["check"]
check("amplification")

# %% [markdown]
# Clothes, drawn token by token by the course's transformer. The two groups are dark and bright pictures: trousers lean to dark, coats
# to bright. A lower temperature makes each token the likeliest one more often, which looks cleaner, and draws what is usual ever more
# often. With 800 pictures at each temperature, what lies below 0.03 may be chance.

# %% tags=["skip-grading"]
from course_lib.data import load

clothes = load("fashion", "test")
middle_grey = clothes.x.mean(dim=(1, 2, 3)).median()


def brightness(x: Tensor, labels: Tensor) -> Tensor:
    """Counts (class, dark or bright)."""
    bright = (x.mean(dim=(1, 2, 3)) > middle_grey).long()
    return torch.bincount(2 * labels + bright, minlength=20).view(10, 2)


raster, tokenizer = pretrained("fashion_raster"), pretrained("fashion_tokenizer")
asked = torch.arange(10).repeat(course_lib.pick(smoke=4, laptop=80, gpu=200))
temperatures = [0.1, 0.4, 0.7, 1.0]
leans = []
for temperature in temperatures:
    torch.manual_seed(0)
    tokens = last(raster.sample(len(asked), asked, temperature=temperature))
    leans.append(amplification(brightness(clothes.x, clothes.labels), brightness(tokenizer.decode(tokens), asked)))
curves(
    {"clothes": leans},
    x=temperatures,
    levels={"faithful": 0.0},
    xlabel="temperature",
    ylabel="amplification",
    alt="A line at about 0.07 up to temperature 0.4, and near 0 from 0.7 on",
)

# %% [markdown]
# ## 4 · Weights that undo a correlation
#
# Data in which an attribute $a$ and a label $y$ go together can be used as if they did not: count some pictures more than others
# (Kamiran and Calders 2012). Under the weights
#
# $$w = \frac{p(a)\, p(y)}{p(a, y)}$$
#
# attribute and label are independent, and each of them is as frequent as before. The three are shares of the data, and every
# picture gets the weight of its own pair. The mean of all weights is 1. Only a pair that should occur and does not cannot be mended so: no
# weight makes up for pictures that are not there.
#
# | argument | shape | what |
# |---|---|---|
# | `attribute`, `label` | int, (N,) | of each picture, counted from 0 |
# | **returns** | (N,) | a weight for each picture |
#
# <details><summary>Hint</summary>
#
# `torch.nn.functional.one_hot(attribute)` is (N, A). What is its product with that of the label, (A, N) times (N, Y)? From a table (A, Y)
# `table[attribute, label]` takes one number for each picture. For a value that no picture has the table holds 0 / 0, but nobody asks for it.
# </details>


# %% tags=["task"] task="fair_weights" difficulty=2 importance=5 minutes=15
def fair_weights(attribute: Tensor, label: Tensor) -> Tensor:
    """Weights (N,) under which attribute and label are independent."""
    ### BEGIN SOLUTION
    one_hot = torch.nn.functional.one_hot
    joint = (one_hot(attribute).T.float() @ one_hot(label).float()) / len(label)
    table = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True) / joint
    return table[attribute, label]
    ### END SOLUTION


# %% tags=["check"]
check("fair_weights")

# %% [markdown]
# Faces in which 70 % of those with long hair are happy, and 30 % of those with short hair. The model is the **best possible denoiser** of
# this data, a mean of all training pictures by how well each explains $x_t$; nothing is trained, and nothing is wrong with it. Asked
# for long hair it copies the data, moods and all. With your weights in its mean it is the best denoiser of a fairer world.

# %% tags=["skip-grading"]
from course_lib.diffusion.solvers import adams_bashforth, times

tied = faces(1000, seed=0, joint=Joint("hair", "mouth", [[0.35, 0.15], [0.15, 0.35]]))
hair, mouth = coarse(tied, "hair").labels, coarse(tied, "mouth").labels
start = torch.randn(
    course_lib.pick(smoke=20, laptop=300, gpu=300), 3, 16, 16, generator=torch.Generator().manual_seed(0)
)


def best(weights: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The velocity of the best denoiser of faces with long hair, each with its weight."""
    pictures, log_weights = tied.x[hair == 0].flatten(1), weights[hair == 0].log()

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        away = torch.cdist(x.flatten(1), (1 - t) * pictures).square() / (2 * t**2)
        return (x - (torch.softmax(log_weights - away, dim=1) @ pictures).view_as(x)) / t

    return velocity


long_hair, told = [], []
for name, weights in {"as they are": torch.ones(1000), "with your weights": fair_weights(mouth, hair)}.items():
    x = last(adams_bashforth(best(weights), start, times(24, stop=0.02))).clamp(-1, 1)
    smiling = (read_faces(x)["mouth"] == 0).sum()[None]
    low, high = wilson(smiling, torch.tensor([len(x)]), 1.96)
    long_hair.append(x[:10])
    told.append(f"{name} {float(smiling / len(x)):.0%} [{float(low):.0%}, {float(high):.0%}]")
grid(
    torch.cat(long_hair),
    columns=10,
    row_titles=["as they are", "weighted"],
    caption=f"Happy among those with long hair: {', '.join(told)}.",
    alt="Two rows of ten faces with long hair; from the same noise, a few of the second row have another face",
)

# %% [markdown]
# ## 5 · The spectrum of a picture
#
# A generator may draw what no eye finds fault with and still leave traces at the finest scales. Look at them with the Fourier
# transform: $X_{uv}$ tells how strongly a wave of $u$ periods down and $v$ periods across is in a picture $x$. Its direction does not
# matter here, so average over rings. The power at radius $r = 0, 1, \dots, \lfloor H / 2 \rfloor$ is the **mean** of
#
# $$|X_{uv}|^2 \quad\text{over all } u, v \text{ with}\quad \operatorname{round} \sqrt{u^2 + v^2} = r$$
#
# and over all channels and pictures. With $X$ scaled as an orthonormal transform, white noise of variance 1 has power 1 at every
# radius. A list of frequencies is $0, 1, 2, \dots, -2, -1$: what stands in its second half are **negative** ones. Rings beyond
# $\lfloor H / 2 \rfloor$, in the corners of the plane, are left out, as they are not whole.
#
# | argument | shape | what |
# |---|---|---|
# | `x` | (N, C, H, H) | pictures |
# | **returns** | (⌊H / 2⌋ + 1,) | the power at each radius |
#
# <details><summary>Hint</summary>
#
# `torch.fft.fft2(x, norm="ortho")`, and `torch.fft.fftfreq(H) * H` are the frequencies in its order. First the mean over pictures and
# channels, of the powers and not of the pictures; then for each radius that over its ring, by a mask.
# </details>


# %% tags=["task"] task="radial_spectrum" difficulty=2 importance=4 minutes=15
def radial_spectrum(x: Tensor) -> Tensor:
    """The mean power of square pictures at the radii 0, 1, …, H // 2."""
    ### BEGIN SOLUTION
    size = x.shape[-1]
    power = torch.fft.fft2(x, norm="ortho").abs().square().mean(dim=(0, 1))
    frequency = torch.fft.fftfreq(size, device=x.device) * size
    radius = torch.hypot(frequency[:, None], frequency).round()
    return torch.stack([power[radius == r].mean() for r in range(size // 2 + 1)])
    ### END SOLUTION


# %% tags=["check"]
check("radial_spectrum")

# %% [markdown]
# Clothes by three of the course's generators, beside real ones. Up to six periods all four agree; beyond that the flow lacks some power and
# the tokens more, while the GAN, which had a detector for a teacher, has almost all of it.

# %% tags=["skip-grading"]
many = course_lib.pick(smoke=20, laptop=200, gpu=200)
kinds = torch.arange(many) % 10
torch.manual_seed(0)
with torch.no_grad():
    fakes = {
        "flow": last(pretrained("fashion_flow").sample(many, kinds, steps=12)),
        "GAN": last(pretrained("fashion_gan").sample(many, kinds)),
        "tokens": tokenizer.decode(last(raster.sample(many, kinds))),
    }
fakes = {name: x.clamp(-1, 1) for name, x in fakes.items()}
genuine = clothes.x[torch.randperm(len(clothes.x))[:1000]]
curves(
    {name: radial_spectrum(x)[1:] for name, x in {"real": genuine, **fakes}.items()},
    x=torch.arange(1, 15),
    log="y",
    xlabel="periods a picture",
    ylabel="power",
    alt="Four falling lines, close together at the left; at the right that of the tokens lies lowest",
)

# %% [markdown]
# ## 6 · A detector under oath
#
# A detector gives each picture a score. Who accuses people by it must first say how often the innocent may be accused: the **false-positive
# rate**. Then the threshold follows from the scores of real pictures, the negatives, **alone**; what is found among the generated ones,
# the positives, follows from the threshold. Of $N$ negatives at most $k = \lfloor \text{fpr} \cdot N \rfloor$ may be accused, so the threshold is the
# $(k + 1)$-th largest of their scores, and accused is who scores **above** it:
#
# $$\tau = s^-_{(k + 1)}, \qquad \text{TPR} = \frac{\#\{ s^+ > \tau \}}{\# s^+}$$
#
# Scores may be equal, and often are when a detector counts. With "above" no more than $k$ are accused then; with "at least" it would be
# everyone who has the threshold's own score.
#
# | argument | type or shape | what |
# |---|---|---|
# | `negatives`, `positives` | (N,) and (M,) | scores, in any order |
# | `fpr` | float in [0, 1) | how many of the innocent may be accused |
# | **returns** | () and () | $\tau$ and TPR |
#
# <details><summary>Hint</summary>
#
# `.sort(descending=True).values`; the largest stands at index 0. `int(…)` rounds down. A quantile of torch interpolates between two scores,
# which need not be the score of anyone.
# </details>


# %% tags=["task"] task="tpr_at_fpr" difficulty=2 importance=5 minutes=10
def tpr_at_fpr(negatives: Tensor, positives: Tensor, fpr: float) -> tuple[Tensor, Tensor]:
    """The threshold () at which at most a share `fpr` of the negatives is accused, and the share of the positives that is."""
    ### BEGIN SOLUTION
    threshold = negatives.sort(descending=True).values[int(fpr * len(negatives))]
    return threshold, (positives > threshold).float().mean()
    ### END SOLUTION


# %% tags=["check"]
check("tpr_at_fpr")

# %% [markdown]
# A detector made of one number: how weak a picture is at the finest scales, in your spectrum. Against each generator, at several
# false-positive rates; and once more against the pictures of tokens, sharpened a little by someone who knows the detector. Read it from the
# left, where the innocent are safe.

# %% tags=["skip-grading"]
from torch.nn.functional import avg_pool2d


def weakness(x: Tensor) -> Tensor:
    """How little power each picture has beyond ten periods, (N,)."""
    return -torch.stack([radial_spectrum(picture[None])[10:].mean().log() for picture in x])


sharper = {
    f"{name}, sharpened": x + 0.4 * (x - avg_pool2d(x, 3, 1, 1)) for name, x in fakes.items() if name == "tokens"
}
rates = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
innocent = weakness(genuine)
curves(
    {
        name: [float(tpr_at_fpr(innocent, scores, rate)[1]) for rate in rates]
        for name, scores in {name: weakness(x.clamp(-1, 1)) for name, x in (fakes | sharper).items()}.items()
    },
    x=rates,
    log="x",
    xlabel="false-positive rate",
    ylabel="share of the generated that is found",
    alt="Four rising lines; that of the tokens is the highest, and after sharpening the same pictures are hardly found",
)

# %% [markdown]
# ## 7 · A mark in the choice of words
#
# A model that draws words or tokens gives each next one $i$ a probability $p_i$, and chance decides. Let a secret decide in its place, and whoever
# knows the secret can see it later. From a key and the tokens before, a pseudo-random function makes a bit $g_i \in \{0, 1\}$ for
# each token of the vocabulary. Draw **two** candidates from $p$; the one with the larger $g$ wins, and between equals a coin decides.
# The winner is $i$ with the probability (work it out: $i$ wins against 0 if it has a 1, and half of the time against its like)
#
# $$p'_i = p_i \Big( 1 + g_i - \sum_j p_j\, g_j \Big)$$
#
# That is one **layer** of SynthID-Text (Dathathri et al. 2024). With $m$ layers, each with its own bits, the winners of one layer are the candidates
# of the next: its probabilities are the $p$ of the next one. On average over keys nothing changes, and with one key the text has
# more ones than it should.
#
# | argument | shape | what |
# |---|---|---|
# | `p` | (B, V) | probabilities of V tokens, for each of B texts |
# | `g` | 0 or 1, (m, B, V) | the bits of each layer, the first one first |
# | **returns** | (B, V) | the probabilities after all layers |
#
# <details><summary>Hint</summary>
#
# The sum is taken for each text, over the vocabulary, and with the probabilities of **this** layer. If B = V, a sum without `keepdim=True`
# raises no error.
# </details>


# %% tags=["task"] task="tournament" difficulty=2 importance=4 minutes=15
def tournament(p: Tensor, g: Tensor) -> Tensor:
    """Who wins a tournament of as many layers as g has, (B, V)."""
    ### BEGIN SOLUTION
    for bits in g:
        p = p * (1 + bits - (p * bits).sum(-1, keepdim=True))
    return p
    ### END SOLUTION


# %% tags=["check"]
check("tournament")

# %% [markdown]
# The transformer draws clothes again, once by chance and once through your tournament of eight layers. Nobody sees the difference. Who has the key
# counts ones, over all layers and places, and accuses one unmarked picture in a hundred.

# %% tags=["skip-grading"]
from course_lib.ethics.tournament import ones, seeds, tables
from course_lib.nn.attention import Cache

SECRET, LAYERS = 2026, 8


@torch.no_grad()
def write(labels: Tensor, layers: int) -> Tensor:
    """Maps of tokens (B, 7, 7), one token after the other; with 0 layers by chance alone."""
    tokens = torch.zeros(len(labels), 49, dtype=torch.int64)
    caches, before = [Cache(49) for _ in raster.blocks], raster.label(labels)
    for place in range(49):
        bits = tables(seeds(tokens, place, SECRET), layers, 256)  # (B, m, V), from the key and the token before
        p = tournament(raster.following(before, place, caches).softmax(-1), bits.transpose(0, 1).float())
        tokens[:, place] = torch.multinomial(p.clamp(min=0), 1)[:, 0]
        before = raster.token(tokens[:, place])
    return tokens.view(-1, 7, 7)


torch.manual_seed(0)
kinds = torch.arange(course_lib.pick(smoke=10, laptop=200, gpu=200)) % 10
plain, marked = write(kinds, 0), write(kinds, LAYERS)
share, share_marked = (ones(tokens, SECRET, 256, LAYERS).mean(1) for tokens in (plain, marked))
threshold, hit = tpr_at_fpr(share, share_marked, 0.01)
grid(
    tokenizer.decode(torch.cat([plain[:10], marked[:10]])),
    columns=10,
    row_titles=["by chance", "marked"],
    caption=f"Ones: {float(share.mean()):.1%} by chance, {float(share_marked.mean()):.1%} if marked. "
    f"With 1 % of the unmarked accused (above {float(threshold):.1%}), {float(hit):.0%} of the marked are found.",
    alt="Two rows of ten clothes, one of each kind; nothing shows which row is marked",
)

# %% [markdown]
# ## 8 · A mark in the noise
#
# A sampler without chance is a map from noise to pictures, and can be run backwards. So write a secret into the noise, and look for
# it there (Wen et al. 2023). Given are $M$ orthonormal patterns $w_1, \dots, w_M$ (long waves), and a **key** $k$ of $M$ numbers, drawn from N(0, 1). What
# a noise $\varepsilon$ says along the patterns are the numbers $f_m = \langle \varepsilon, w_m \rangle$, the sum over all pixels. `mark` puts the key
# in their place and leaves the rest as it is:
#
# $$\varepsilon' = \varepsilon + \sum_m (k_m - f_m)\, w_m$$
#
# As the key is drawn like noise, $\varepsilon'$ is noise like any other for all who do not know it. The test asks how well what was found
# points along the key. For **any** picture that has nothing to do with the key,
#
# $$s = \frac{\sum_m k_m f_m}{\sqrt{\sum_m f_m^2}} \;\sim\; \mathcal N(0, 1), \qquad
# p = P(\mathcal N \ge s) = \tfrac12 \operatorname{erfc} \frac{s}{\sqrt 2}$$
#
# because a Gaussian key has a standard normal part in every direction. Whether the picture's $f$ are Gaussian does not matter; so divide
# by **their** length, and not by the key's.
#
# | argument | shape | what |
# |---|---|---|
# | `noise` | (N, H, W) | before the mark, or found again |
# | `patterns` | (M, H, W) | $w$, orthonormal |
# | `key` | (M,) | $k$ |
# | `mark` **returns** | (N, H, W) | $\varepsilon'$ |
# | `p_value` **returns** | (N,) | $p$ of each picture |
#
# <details><summary>Hint</summary>
#
# `torch.einsum("nhw,mhw->nm", …)` for $f$, and another one for the sum over $m$. `torch.erfc(z)` is $1 - \operatorname{erf} z$ with all its digits:
# a mark that is there may have $p = 10^{-20}$, and $1 - \operatorname{erf}$ would say 0.
# </details>


# %% tags=["task"] task="noise_mark" difficulty=3 importance=4 minutes=20
def mark(noise: Tensor, patterns: Tensor, key: Tensor) -> Tensor:
    """Noise (N, H, W) that says the key along the patterns."""
    ### BEGIN SOLUTION
    found = torch.einsum("nhw,mhw->nm", noise, patterns)
    return noise + torch.einsum("nm,mhw->nhw", key - found, patterns)
    ### END SOLUTION


def p_value(noise: Tensor, patterns: Tensor, key: Tensor) -> Tensor:
    """How often a key that has nothing to do with the noise would fit as well, (N,)."""
    ### BEGIN SOLUTION
    found = torch.einsum("nhw,mhw->nm", noise, patterns)
    score = found @ key / found.norm(dim=1)
    return torch.erfc(score / math.sqrt(2)) / 2
    ### END SOLUTION


# %% tags=["check"]
check("noise_mark")

# %% [markdown]
# The flow draws clothes from marked noise, someone alters the pictures, and a court runs the flow backwards, without knowing what
# had been asked for. What all clothes say, whatever the key, it takes off: the mean of forty other real pictures. Above each picture
# stands its $p$.

# %% tags=["skip-grading"]
from course_lib.ethics.tree_ring import draw_key, inverted, waves

flow = pretrained("fashion_flow")
patterns = waves(28, 8)
key = draw_key(patterns, seed=20_231)
kinds, rng = torch.tensor([1, 5, 8, 9]), torch.Generator().manual_seed(0)
begin = mark(torch.randn(4, 28, 28, generator=rng), patterns, key)
forwards, backwards = course_lib.pick(smoke=(3, 2), laptop=(24, 10), gpu=(24, 10))
with torch.no_grad():
    worn = last(flow.sample(4, kinds, steps=forwards, noise=begin[:, None])).clamp(-1, 1)
    shown = {
        "marked": worn,
        "noisy": (worn + 0.1 * torch.randn(worn.shape, generator=rng)).clamp(-1, 1),
        "moved": worn.roll(1, 2),
        "real": torch.stack([clothes.x[int((clothes.labels == kind).nonzero()[0])] for kind in kinds]),
    }
    pictures = torch.cat([*shown.values(), clothes.x[500:540]])
    found = inverted(flow.predictor(torch.full((len(pictures),), 10)), pictures, backwards)[:, 0]
ps = p_value(found[:16] - found[16:].mean(0), patterns, key)
grid(
    pictures[:16],
    columns=4,
    row_titles=list(shown),
    titles=[f"p = {float(p):.0e}" if p < 0.01 else f"p = {float(p):.2f}" for p in ps],
    alt="Four rows of clothes with a p each: tiny where marked, less so after noise or a move, and anything if real",
)

# %% [markdown]
# ## 9 · Whose secret does it tell?
#
# Put a **canary** into the training data: something made up that nobody would guess, once or several times. Then ask the trained model
# how likely it finds it, compared with others made up in the same way that it has *not* seen (Carlini et al. 2019). Sort all $R + 1$ by the
# model's loss, the canary among its $R$ references; its rank is 1 if no reference has a lower loss. The **exposure** is
#
# $$\log_2 (R + 1) - \log_2 \text{rank}$$
#
# so many bits the model has given away. Guessing in the order of its losses finds the canary after $2^\text{exposure}$ times fewer guesses
# than guessing blindly. References with the very same loss come **before** it, so that a model that tells nothing apart has
# exposure 0.
#
# | argument | shape | what |
# |---|---|---|
# | `canaries` | (K,) | losses of K canaries; each is ranked by itself |
# | `references` | (R,) | losses of what was never seen |
# | **returns** | (K,) | exposures, in bits |
#
# <details><summary>Hint</summary>
#
# How many references are at or below each canary? All pairs by an axis of size 1; if K = R, a comparison without it raises no
# error.
# </details>


# %% tags=["task"] task="exposure" difficulty=1 importance=4 minutes=10
def exposure(canaries: Tensor, references: Tensor) -> Tensor:
    """How many bits a model gives away of each canary, (K,)."""
    ### BEGIN SOLUTION
    rank = 1 + (references <= canaries[:, None]).sum(1)
    return math.log2(len(references) + 1) - torch.log2(rank)
    ### END SOLUTION


# %% tags=["check"]
check("exposure")

# %% [markdown]
# The smallest model that can remember: it counts which level of grey follows the last few in 1,500 digits, read pixel by pixel. Into them
# go canaries, rows of eight random levels, some once, some up to 32 times. What the model knows is a table of counts; the longer
# the context, the better it knows digits, and the better it knows secrets.

# %% tags=["skip-grading"]
LEVELS, LENGTH, COPIES = 17, 8, [0, 1, 2, 4, 8, 16, 32]
digit_levels = ((load("digits").x + 1) * 8).round().long().flatten(1)
rng = torch.Generator().manual_seed(0)
planted = torch.randint(LEVELS, (20 * len(COPIES), LENGTH), generator=rng)
never_seen = torch.randint(LEVELS, (4000, LENGTH), generator=rng)
repeats = torch.tensor(COPIES).repeat(20)


def counted(order: int) -> Tensor:
    """How often each level follows each context of that many levels, canaries included."""
    windows = [digit_levels.unfold(1, order + 1, 1).reshape(-1, order + 1)]
    windows.append(planted.repeat_interleave(repeats, 0).unfold(1, order + 1, 1).reshape(-1, order + 1))
    place = LEVELS ** torch.arange(order, -1, -1)
    return torch.bincount(torch.cat(windows) @ place, minlength=LEVELS ** (order + 1)).view(-1, LEVELS)


def losses(rows: Tensor, counts: Tensor, order: int) -> Tensor:
    """Nats of each row after its first levels, with a count of 1 added to all."""
    p = (counts + 1) / (counts + 1).sum(1, keepdim=True)
    windows = rows.unfold(1, order + 1, 1)
    contexts = windows[..., :-1] @ LEVELS ** torch.arange(order - 1, -1, -1)
    return -p[contexts, windows[..., -1]].log().sum(1)


told = {}
for order in (1, 2, 3):
    counts = counted(order)
    bits = exposure(losses(planted, counts, order), losses(never_seen, counts, order))
    told[f"context of {order}"] = [bits[repeats == copies].mean() for copies in COPIES]
curves(
    told,
    x=COPIES,
    levels={"all bits": math.log2(4001)},
    xlabel="how often a canary was in the data",
    ylabel="exposure in bits",
    alt="Three rising lines; with the longest context a few copies are enough to give away almost all bits",
)

# %% [markdown]
# ## 10 · Was this picture in the training set?
#
# A model knows the pictures that it was trained with a little better than others. So add noise to a picture, ask the flow for the velocity, and see
# how wrong it is. One draw of noise says little, hence take several times $t$, each with one noise $\varepsilon_t$, and take **the same** for all
# pictures, so that they differ in nothing else. The model's target is $\varepsilon_t - x$:
#
# $$\text{score}(x) = - \frac1T \sum_t \frac1D \big\| v\big( (1 - t)\, x + t\, \varepsilon_t,\; t \big) - (\varepsilon_t - x) \big\|^2$$
#
# with $D$ numbers a picture. The sign makes members the higher ones. It is a question to the model, not a lesson: no gradient.
#
# | argument | type or shape | what |
# |---|---|---|
# | `velocity` | function | (x_t (N, C, H, W), t ()) → (N, C, H, W) |
# | `x` | (N, C, H, W) | pictures |
# | `times` | (T,) | |
# | `noises` | (T, C, H, W) | one for each time, the same for all pictures |
# | **returns** | (N,) | a score for each picture |
#
# <details><summary>Hint</summary>
#
# Go over `zip(times, noises)`. `.flatten(1)` leaves the axis of pictures alone, and a mean over the other one does as well.
# `with torch.no_grad():`
# </details>


# %% tags=["task"] task="membership" difficulty=2 importance=5 minutes=15
def membership(velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, times: Tensor, noises: Tensor) -> Tensor:
    """How well the model knows each picture, (N,); higher for what it was trained with."""
    ### BEGIN SOLUTION
    errors = []
    with torch.no_grad():
        for t, noise in zip(times, noises):
            off = velocity((1 - t) * x + t * noise, t) - (noise - x)
            errors.append(off.square().flatten(1).mean(1))
    return -torch.stack(errors).mean(0)
    ### END SOLUTION


# %% tags=["check"]
check("membership")

# %% [markdown]
# Two flows of the course: one has seen 60,000 clothes fifteen times each, the other 2,870 emoji over a hundred times. Asked about pictures
# from its training and its test set, without label or caption, neither gives much away. Who knows the caption may ask further: how much
# does it **help** the model with this picture? That is the score with it less the score without (Zhai et al. 2024), and it betrays members.
# In part it does so because captions of the test set hold words that the model has rarely read.

# %% tags=["skip-grading"]
from course_lib.data.emoji import both_styles

many = course_lib.pick(smoke=8, laptop=200, gpu=200)
at, rng = torch.tensor([0.5, 0.7]), torch.Generator().manual_seed(0)


def some(data, noises: Tensor, *models: Callable) -> list[Tensor]:
    """Scores of some pictures of a data set, by several ways to ask: (picture numbers) -> velocity."""
    chosen = torch.randperm(len(data), generator=rng)[:many]
    return [membership(ask(data, chosen), data.x[chosen], at, noises) for ask in models]


def of_clothes(data, chosen: Tensor) -> Callable:
    return flow.predictor(torch.full_like(chosen, 10))


def without(data, chosen: Tensor) -> Callable:
    return emoji.predictor(torch.zeros(len(chosen), emoji.length, dtype=torch.int64))


def with_captions(data, chosen: Tensor) -> Callable:
    return emoji.predictor(emoji.read([data.captions[i] for i in chosen.tolist()]))


emoji, two = pretrained("emoji_flow"), len(at)
noises = torch.randn(two, 3, 32, 32, generator=rng)
(plain, told), (plain_new, told_new) = (
    some(both_styles(part), noises, without, with_captions) for part in ("train", "test")
)
noises = torch.randn(two, 1, 28, 28, generator=rng)
(worn,), (new,) = (some(data, noises, of_clothes) for data in (load("fashion"), clothes))
cases = {
    "emoji, what the caption helps": (told_new - plain_new, told - plain),
    "emoji, with the caption": (told_new, told),
    "emoji, without": (plain_new, plain),
    "clothes, without": (new, worn),
}
rates = [0.02, 0.05, 0.1, 0.2, 0.5]
curves(
    {name: [float(tpr_at_fpr(*scores, rate)[1]) for rate in rates] for name, scores in cases.items()},
    x=rates,
    log="x",
    xlabel="false-positive rate",
    ylabel="members found",
    alt="Four rising lines; that of what the caption helps lies far above the others, which are close to guessing",
)

# %% [markdown]
# ## 11 · What it cost
#
# A meter reads the power of a machine now and then, at times $\tau_i$ that are not evenly spaced: often while much happens, seldom
# otherwise. Energy is the area under the power. Between two readings take their mean, and count only what comes on top of the power
# $P_0$ that the machine draws idly:
#
# $$E = \sum_i \Big( \frac{P_i + P_{i+1}}{2} - P_0 \Big) (\tau_{i+1} - \tau_i)$$
#
# in joules, if times are in seconds and power in watts. A reading may lie below $P_0$ by chance; leave it, such errors cancel.
# 3.6 million joules are a kilowatt hour. The computing centre also draws power for cooling and losses, in total PUE times what the machine does
# (**power usage effectiveness**, at least 1), and each kilowatt hour from the grid stands for so many grams of CO₂e.
#
# | argument | type or shape | what |
# |---|---|---|
# | `seconds`, `watts` | double precision, (T,) | times, as seconds since 1970, and readings |
# | `idle` | float | $P_0$ in watts |
# | `pue` | float | |
# | `intensity` | float | grams of CO₂e a kilowatt hour |
# | **returns** | () and () | $E$ in joules, without PUE, and the grams of CO₂e, with it |
#
# <details><summary>Hint</summary>
#
# `.diff()` and `torch.trapezoid`. The seconds since 1970 have ten digits before the point; float32 holds seven.
# </details>


# %% tags=["task"] task="footprint" difficulty=1 importance=5 minutes=10
def footprint(seconds: Tensor, watts: Tensor, idle: float, pue: float, intensity: float) -> tuple[Tensor, Tensor]:
    """Joules on top of idling, and grams of CO₂e."""
    ### BEGIN SOLUTION
    joules = torch.trapezoid(watts - idle, seconds)
    return joules, joules / 3.6e6 * pue * intensity
    ### END SOLUTION


# %% tags=["check"]
check("footprint")

# %% [markdown]
# What a million clothes would cost, drawn by the course's models on the machine that runs this notebook. Their power is **assumed**, not measured: one
# busy core draws 15 watts above idle. The PUE is 1.2. A grid that runs on coal gives about 800 grams a kilowatt hour, one on water and wind about 30.

# %% tags=["skip-grading"]
import time


def grams(seconds: float, intensity: float) -> float:
    """Of a million pictures, if one took so long."""
    clock = torch.tensor([0.0, seconds * 1e6], dtype=torch.float64)
    return float(footprint(clock, torch.full_like(clock, 20.0), 5.0, 1.2, intensity)[1])


took, evaluations = [], [1, 2, 4, 8, 16, 32][: course_lib.pick(smoke=2, laptop=6, gpu=6)]
with torch.no_grad():
    for steps in evaluations:
        begun = time.perf_counter()
        last(flow.sample(20, steps=steps))
        took.append((time.perf_counter() - begun) / 20)
    begun = time.perf_counter()
    last(pretrained("fashion_gan").sample(20))
once = (time.perf_counter() - begun) / 20
curves(
    {"flow, coal": [grams(s, 800) for s in took], "flow, water and wind": [grams(s, 30) for s in took]},
    x=evaluations,
    log="xy",
    levels={"GAN, coal": grams(once, 800)},
    xlabel="evaluations of the network a picture",
    ylabel="grams of CO₂e a million pictures",
    alt="Two parallel rising lines, the cost in proportion to the evaluations, and a dotted line for the GAN",
)
