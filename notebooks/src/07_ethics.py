# %% [markdown]
# # 7 · Ethics
#
# **What do these models do to people, and how would one know?** They repeat what their data say, and often say it
# louder. Their pictures pass for photographs. They may have learned by heart a picture that nobody gave them leave to
# keep. And they run on electricity. Each of these is a claim, and a claim can be measured. This notebook does with
# harms what the others did with models: a number, an attack, a remedy, and an honest remainder.
#
# In this notebook you will
#
# 1. plant a stereotype in a data set, watch guidance amplify it, and try two remedies;
# 2. train detectors of generated pictures and see what they are worth next week;
# 3. hide two watermarks, in the noise and in the tokens, and attack, strip and forge them;
# 4. sign a picture, break the signature, and lose it;
# 5. find out when a model begins to copy;
# 6. read the meter: joules a training, joules a picture, and what that says about large models;
# 7. read the cards that come with every model of the course;
# 8. discuss cases that were not made up.
#
# You need: modules 1 to 4. Symbols are those of
# [GLOSSARY.md](https://github.com/generative-models-in-cv/course/blob/main/GLOSSARY.md).

# %% tags=["bootstrap"]
import course_lib

course_lib.setup(minutes={"smoke": 0.6, "laptop": 4, "gpu": 2})

# %%
import re
from importlib.resources import files

import torch
from IPython.display import Markdown

from course_lib import pick
from course_lib.checkpoints import info, pretrained
from course_lib.data.fashion import fashion
from course_lib.data.images import to_float, to_uint8
from course_lib.device import pick_device, seeded
from course_lib.energy import Meter, co2e, in_words
from course_lib.ethics import (
    attacks,
    bias,
    detection,
    fairness,
    footprint,
    forging,
    memorisation,
    provenance,
    spectra,
    tournament,
    tree_ring,
)
from course_lib.ethics.shares import corrected, counted
from course_lib.experiments import read as read_log
from course_lib.metrics import auroc
from course_lib.model import last
from course_lib.plotting import beside, curves, grid, show_code, table
from course_lib.plotting.marks import Mark, marks
from course_lib.recipes import faces_skewed
from course_lib.widgets import slider

device = pick_device()  # asked for once, here; the library follows its inputs

# %% [markdown]
# ## 1 · Bias: a stereotype, and what guidance makes of it
#
# Say that in a data set four in five of the people with a hat have long hair, and one in five of those without. Nobody
# meant it; it is how the pictures were found. A faithful model draws the same four in five. But nobody draws
# faithfully: everybody turns up the *guidance*, since the pictures get better. To follow a label $w$ times as strongly
# is, in the ideal, to draw from $p(x)\,(p(x \mid y)/p(x))^w$ (Ho & Salimans 2022), and then odds are raised to a power:
#
# $$\frac{q}{1-q} \;\to\; \frac{b}{1-b}\left(\frac{q/(1-q)}{b/(1-b)}\right)^{w}$$
#
# for an attribute with share $q$ under the label and $b$ in all data: at $w = 0$ the share is $b$, at $w = 1$ it is
# $q$, and beyond it goes further.

# %% tags=["nbval-check-output"]
for scale in (0, 1, 2, 3, 4):
    print(f"guidance {scale}: {bias.sharpened(0.8, 0.5, scale):.3f} of those with a hat should have long hair")

# %% [markdown]
# No one wrote "hats mean long hair" anywhere. It follows from wanting sharper pictures. Now the experiment: faces whose
# attributes are known, the planted four in five, a small flow (`faces_skewed`), and a reader that looks at each face drawn.

# %%
skewed = pretrained("faces_skewed").to(device)
seen = faces_skewed.skewed(pick(smoke=40, laptop=2000, gpu=2000))
noise = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(1)).to(device)
with_hat = torch.ones(16, dtype=torch.int64, device=device)


def drawn_at(scale: float):
    return (
        last(skewed.sample(16, with_hat, steps=pick(smoke=4, laptop=16, gpu=16), guidance=scale, noise=noise))
        .clamp(-1, 1)
        .cpu()
    )


slider(
    lambda scale: grid(drawn_at(scale), columns=8, width=420, alt=f"Sixteen faces with hats at guidance {scale}"),
    {"guidance": [0.5, 1.0, 2.0, 4.0]},
    shown=3,
    alt="The same sixteen noises, asked for a hat: the stronger the guidance, the more long hair.",
)

# %% [markdown]
# Count it, with an interval (Wilson's, which also holds near 0 and 1). The reader errs, and how often it does is known,
# since we know the faces. Rogan and Gladen (1978) undo such an error, for the share and for both ends of its interval:

# %%
show_code(corrected)

# %% tags=["nbval-check-output"]
print("counted:  ", counted(370, 500))
print("corrected:", corrected(counted(370, 500), sensitivity=0.9, specificity=0.9))

# %% tags=["cover"]
skews = {run.name: run for run in read_log("bias")}
told = skews["faces, guidance"].curves
remedies = {
    "as it is": skews["faces, guidance"].curves["value"],
    "by the formula": told["target"],
    "balanced guidance": skews["faces, balanced guidance"].curves["value"],
    "trained with weights": skews["faces, reweighted"].curves["value"],
}
curves(
    remedies,
    x=told["scale"],
    xlabel="guidance",
    ylabel="share that fits the stereotype",
    levels={"in the data": 0.8, "independent": 0.5},
    caption="1,000 faces at each scale, half of them asked for a hat; the reader's errors are taken out.",
    alt="The share rises with guidance from one half to nearly one, a little below the formula; with balanced guidance it stays below two thirds, trained with weights near one half",
)

# %% [markdown]
# What helps?
#
# - **Weights** in training, $p(y)\,p(a)/p(y,a)$, make label and attribute independent. That takes the attribute of every
#   training image, and a training.
# - **Balanced guidance** leaves the model alone and asks, beside the label, for each value of the attribute in turn:

# %%
show_code(fairness.balanced)

# %%
table(
    [
        {"way": name, **{f"guidance {scale:g}": run.results[f"share at {scale:g}"] for scale in (1, 2, 4)}}
        for name, run in skews.items()
    ],
    caption="Share that fits the stereotype: 0.8 in the data, 0.5 if the attribute does not depend on the label. An audit before and after.",
)

# %% [markdown]
# Weights all but cure it. Balanced guidance helps where guidance is strong, since then the word for the hair is
# followed as strongly as the word for the hat; at 1 it goes less than half the way. The last row is of emoji of
# nineteen professions, half of them drawn as men in 80 % of the pictures, half as women: the same happens there, and
# faster.
#
# Remedies have costs of their own. Both need somebody to say *which* attribute is to be balanced, in words that the
# model knows; what nobody thought of stays as it was. And "one half" is a decision, not a measurement: whether a model
# should show the world as it is photographed, as it is, or as it should be, and in pictures of *whom* and *when*. In
# February 2024 Google's Gemini balanced historical scenes as well, and its drawing of people had to be switched off.
#
# **Erasure** is the other half of representation, and harder to see. Look at who is *missing*: recall, the share of real
# faces that have a neighbour among the drawn ones, falls as guidance rises.

# %%
curves(
    {"precision": told["precision"], "recall": told["recall"]},
    x=told["scale"],
    xlabel="guidance",
    ylabel="share",
    size=(560, 280),
    caption="Precision: drawn faces that look real. Recall: real faces that are represented.",
    alt="Precision stays high while recall falls steadily as guidance rises",
)

# %% [markdown]
# ## 2 · Fakes: how good is a detector next week?
#
# A detector is trained on pictures of a generator that is known. It will be used on pictures of one that is not, after
# a phone has compressed them. First the physics: average the logarithmic power spectrum of a generator's pictures and
# subtract that of photographs. Orange: too much of that frequency; blue: too little.

# %%
n_prints = pick(smoke=20, laptop=200, gpu=1000)
labels = torch.arange(n_prints) % 10
photographs = fashion("test").pixels[:n_prints]
drawn = {}
with seeded(0, device):
    for name, ask in {
        "GAN": lambda: last(pretrained("fashion_gan").to(device).sample(n_prints, labels.to(device))),
        "VAE": lambda: last(pretrained("fashion_vae").to(device).sample(n_prints)),
        "flow": lambda: last(pretrained("fashion_flow").to(device).sample(n_prints, labels.to(device), steps=8)),
    }.items():
        drawn[name] = to_uint8(ask().clamp(-1, 1).cpu())
halves = fashion("train").pixels[:n_prints]
prints = torch.stack([spectra.fingerprint(made, photographs) for made in (halves, *drawn.values())])
grid(
    spectra.coloured(prints),
    columns=4,
    titles=["other photographs", *drawn],
    width=560,
    caption="Fingerprints of three generators, frequency 0 in the middle; full colour is a factor of ten.",
    alt="Four spectra: other photographs and the GAN are nearly white, the VAE is deep blue but for a cross in the middle, the flow pale blue towards the corners",
)

# %% [markdown]
# The VAE's hand is plain: nearly all fine detail is missing. The flow lacks a little of it. The GAN's spectrum is no
# further from that of photographs than other photographs are. So what gives one generator away need not give away
# another. Rows: whose pictures a detector was trained on (380 of them, and as many photographs); columns: whose
# pictures it is shown.

# %%
judges = {run.name: run.results for run in read_log("detectors")}
makers = ("GAN", "VAE", "flow", "raster", "MaskGIT", "scales")


def matrix(way: str, attack: str = "nothing"):
    return table(
        [
            {"trained on": teacher}
            | {maker: judges[f"{way}, {teacher}"][f"{maker}, {attack}: auroc"] for maker in makers}
            for teacher in makers
            if f"{way}, {teacher}" in judges
        ],
        digits=2,
        caption=f"AUROC of the {way} detector: 0.5 is chance.",
    )


matrix("network")

# %%
matrix("spectrum")

# %% [markdown]
# There are three things to read. What passed through a decoder (VAE, and the three that decode tokens) shares its blur,
# and a detector that knows one of them knows the others. The GAN's pictures, which were trained to fool a judge, fool
# this one as well: 0.64 for the detector that was made for them, next to nothing for all others. And on the *flow*, the
# best model of the course, no detector is much better than a coin: 0.60 at most, and its own is at 0.47. The better the
# generator, the less a detector of this size is worth.
#
# What is left after what happens to pictures on their way? The *hardened* detector saw such damage in training (Wang et
# al. 2020). The number that counts for an accusation is how many fakes are found when one photograph in a hundred may
# be called a fake:

# %%
damage = ("nothing", "JPEG 30", "blur 0.7", "half size", "noise 0.1")


def own(way: str, attack: str, what: str) -> float:
    values = [
        judges[f"{way}, {maker}"][f"{maker}, {attack}: {what}"] for maker in makers if f"{way}, {maker}" in judges
    ]
    return sum(values) / len(values)


table(
    [
        {"pictures": attack}
        | {
            f"{way}: {what.upper() if what == 'auroc' else 'found at 1 %'}": own(way, attack, what)
            for way in ("network", "hardened", "spectrum")
            for what in ("auroc", "tpr")
        }
        for attack in damage
    ],
    digits=2,
    caption="Each on its own generator's new pictures, mean over six generators.",
)

# %% [markdown]
# With so few pictures hardening costs more than it saves, except at half size: it was made for detectors that see
# hundreds of thousands. And a mean AUROC of 0.8, which sounds like a detector, means that a third of the fakes are
# found at one false accusation in a hundred.
#
# **The usual trap.** Let the real pictures and the fakes come to the detector by different ways, and it will learn the ways.
# The cheapest of them: photographs come from files, in 256 levels, and the fakes straight from the network. Then no detector
# is needed at all; the mean distance to the nearest level tells them apart:

# %%
with seeded(0, device), torch.no_grad():
    unrounded = last(pretrained("fashion_gan").to(device).sample(n_prints, labels.to(device))).clamp(-1, 1).cpu()
are_fake = torch.cat([torch.zeros(n_prints), torch.ones(n_prints)])
files_ = to_float(photographs)
by_rounding = {
    "fakes straight from the network": auroc(
        torch.cat([detection.off_levels(files_), detection.off_levels(unrounded)]), are_fake
    ),
    "fakes saved like the photographs": auroc(
        torch.cat([detection.off_levels(files_), detection.off_levels(to_float(to_uint8(unrounded)))]), are_fake
    ),
}
trap = judges["JPEG trap, GAN"]
table(
    [{"test": name, "AUROC": value} for name, value in by_rounding.items()]
    + [
        {"test": f"network, photographs as JPEG 90 in training: {name}", "AUROC": trap[f"{key}: auroc"]}
        for name, key in {"tested so": "as trained", "tested fairly": "fair"}.items()
    ],
    digits=2,
    caption="The first is a perfect detector of nothing. The last two: the same trap with JPEG, which did not spring here.",
)

# %% [markdown]
# With JPEG instead of rounding, published detectors fell into it (Grommelt et al. 2024). Ours did not: on 28 pixels quality 90
# changes too little for it to notice. Store both kinds alike, always, and look at what differs before you train.

# %% [markdown]
# ## 3 · Watermarks
#
# Better than to guess is to *mark*. A good mark is not seen, costs no quality, survives a phone, is never found where it
# is not, and cannot be put there by an enemy. No mark has all five.
#
# ### In the tokens
#
# Draw two tokens instead of one, look both up in a secret table $g$ of zeros and ones, and keep the token that has the
# one (a coin decides ties). Whoever knows the table finds too many ones. With one table the winner has the distribution
# $p'$ below; over all tables it has exactly the model's:
#
# $$p'(x) = p(x)\,\bigl(1 + g(x) - \textstyle\sum_y p(y)\,g(y)\bigr), \qquad \mathbb E_g[p'] = p.$$

# %% tags=["nbval-check-output"]
p = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
every_table = torch.cartesian_prod(*[torch.tensor([False, True])] * 4)  # all sixteen
winners = tournament.tournament(p.expand(16, 4), every_table[:, None])
print("mean over all tables:", [round(value, 4) for value in winners.mean(dim=0).tolist()])
print("with table 1010:     ", [round(value, 4) for value in winners[10].tolist()])

# %% [markdown]
# Several tables, one after the other, are a tournament (SynthID, Dathathri et al. 2024). Without a mark, the ones are coin
# tosses, so the p-value is that of a binomial distribution, exactly: no threshold is fitted to anything.

# %%
raster, tokenizer = pretrained("fashion_raster").to(device), pretrained("fashion_tokenizer").to(device)
key, n_marked = 20_231, pick(smoke=6, laptop=60, gpu=200)
asked = (torch.arange(n_marked) % 10).to(device)
found = {}
with seeded(0, device), torch.no_grad():
    for name, layers in {"with a mark": tournament.LAYERS, "without": 0}.items():
        made = to_uint8(tokenizer.decode(tournament.sample(raster, asked, key, layers)).clamp(-1, 1))
        read = tokenizer.encode(to_float(made))
        found[name] = (made, tournament.p_value(tournament.ones(read, key, tokenizer.codes)))
grid(
    torch.cat([pixels[:10].cpu() for pixels, _ in found.values()]),
    columns=10,
    row_titles=list(found),
    caption=" · ".join(
        f"{name}: p ≤ 0.01 in {(p_values <= 0.01).float().mean():.0%}" for name, (_, p_values) in found.items()
    ),
    alt="Ten pictures of clothes with a watermark in their tokens above ten without: no difference can be seen",
)

# %% [markdown]
# ### In the noise
#
# A deterministic sampler is a map from noise to picture, and it can be run backwards. So write the key into the noise,
# along some waves; whoever has the model and the key inverts a picture and looks whether the key is there (after
# Tree-Ring, Wen et al. 2023):

# %%
show_code(tree_ring.embed)

# %%
flow = pretrained("fashion_flow").to(device)
basis = tree_ring.waves(28, 8)
secret = tree_ring.draw_key(basis, seed=key)
n_waves = pick(smoke=4, laptop=24, gpu=100)
plain_noise = torch.randn(n_waves, 1, 28, 28, generator=torch.Generator().manual_seed(0)).to(device)
marked_noise = tree_ring.embed(plain_noise, basis, secret)
kinds = (torch.arange(n_waves) % 10).to(device)
with torch.no_grad():
    clothes = {
        name: to_uint8(last(flow.sample(n_waves, kinds, steps=pick(smoke=4, laptop=16, gpu=16), noise=z)).clamp(-1, 1))
        for name, z in {"without": plain_noise, "with a mark": marked_noise}.items()
    }
    usual = forging.read_back(flow, fashion("train").pixels[: pick(smoke=4, laptop=24, gpu=48)].to(device), basis).mean(
        dim=0
    )
grid(
    torch.cat([pixels[:10].cpu() for pixels in clothes.values()]),
    columns=min(10, n_waves),
    row_titles=list(clothes),
    caption="The same noises without the key and with it: other pictures, and nothing in them that one could see.",
    alt="Clothes drawn from plain noise above others that came from the same noise with the key in it: neither row looks marked",
)


# %%
def scored(pixels: torch.Tensor) -> torch.Tensor:
    """Standard deviations along the key; N(0, 1) over keys that have nothing to do with the picture."""
    with torch.no_grad():
        return tree_ring.score(forging.read_back(flow, pixels, basis) - usual, secret).cpu()


handled = {
    "nothing": lambda x: x,
    "JPEG 30": lambda x: attacks.jpeg(x, quality=30),
    "noise 0.1": lambda x: attacks.noisy(x, 0.1),
    "crop 0.9": lambda x: attacks.cropped(x, 0.9),
    "blur 1": lambda x: attacks.blurred(x, 1.0),
    "mirror": attacks.mirrored,
}
after = {name: scored(change(clothes["with a mark"].cpu()).to(device)) for name, change in handled.items()}
before = scored(clothes["without"])


def attacked(name: str):
    damaged_ = handled[name](clothes["with a mark"][:8].cpu())
    title = f"{name}: {after[name].mean():.1f} standard deviations on average, {(tree_ring.p_value(after[name]) <= 0.01).float().mean():.0%} found"
    return grid(damaged_, columns=8, width=520, caption=title, alt=f"Eight marked pictures after: {name}")


slider(
    attacked,
    {"what happened": list(handled)},
    shown=3,
    alt="Marked pictures after an attack, and how much of the mark is left.",
)

# %% [markdown]
# All attacks, with both marks, as logged: what is found at a p-value of 1 %. *Forged*: an enemy without the key puts
# the mark onto a photograph; *stripped*: the enemy takes it off; in both cases with nothing but the mean of some marked
# pictures, or with the model.

# %%
marked = {run.name: run.results for run in read_log("watermarks")}
attacks_seen = sorted(
    {name.split(":")[0] for results in marked.values() for name in results if name.endswith(": found")}
)
order = [
    "nothing",
    "JPEG 30",
    "noise 0.1",
    "blur 1",
    "crop 0.9",
    "mirror",
    "VAE",
    "tokenizer",
    "renoise 0.3",
    "renoise 0.6",
    "unmarked",
    "real",
]
order += [name for name in attacks_seen if name not in order]
table(
    [
        {"pictures": name}
        | {
            mark: (
                f"{r[f'{name}: found']:.2f} [{r[f'{name}: low']:.2f}, {r[f'{name}: high']:.2f}]"
                if f"{name}: found" in r
                else "–"
            )
            for mark, r in marked.items()
        }
        for name in order
        if name in attacks_seen
    ],
    caption="Share found at p ≤ 0.01, with 95 % intervals; the rows “unmarked” and “real” should be 0.01.",
)

# %% [markdown]
# Read it as an attacker. The mark in the **noise** survives nearly everything that happens by accident, even being encoded and
# decoded by another model; waves lose it in a mirror, rings do not. But somebody who has collected 24 marked pictures and
# takes their mean is through: subtract it, and the mark is gone from all others; add it to a photograph, and the photograph
# is "generated", in every case. A secret that is the same in each picture is in their mean.
#
# And look at the row "real". A p-value of 1 % should accuse one in a hundred of the innocent, and the rings
# accuse six in a hundred photographs. The promise is exact *over keys* (other keys accuse 0.9 % of them, as logged); but a
# firm has one, photographs of clothes have much in common, and an unlucky key accuses again and again.
#
# The mark in the **tokens** has the opposite character: with another table at each place there is no mean, and nobody
# forges it. But it dies of a blur, a crop, a mirror, another decoder: of whatever changes the tokens. A longer context
# (a secret that depends on more of the tokens before) makes it safer still, and more brittle.
#
# Does it cost nothing? Over all keys the distribution is the model's, exactly. But a firm has *one* key, and under one
# key all pictures share their tables: 600 of them lie further from real clothes than unmarked ones do (excess distance
# 0.28 to 0.35 against 0.08). What a theorem averages over is worth reading twice.
#
# No mark in the table is both robust and unforgeable, and there are reasons to think that none can be (Zhang et al. 2024;
# Saberi et al. 2024). A mark is good for sorting honest people's pictures. It convicts nobody.
#
# ## 4 · Provenance: say where it comes from, and sign
#
# The third way is to state it. A **manifest** (C2PA) is a box in the file: which program, which model, that a machine drew
# it; a hash of the picture; a signature over both.

# %%
claim = {"checkpoint": "fashion_flow", "sha256": info("fashion_flow")["sha256"][:16], "seed": 0}
picture = grid(clothes["without"][:1].cpu(), width=120, alt="One picture of a piece of clothing").png
if provenance.available():
    from course_lib.ethics.identity import new_identity

    signed = provenance.sign(picture, claim, new_identity())
    tampered = bytearray(signed)
    tampered[-30] ^= 1  # one bit of the picture
    attempts = {"signed": signed, "one bit changed": bytes(tampered), "opened and saved": provenance.stripped(signed)}
    rows = []
    for name, png in attempts.items():
        stated = provenance.read(png)
        rows.append(
            {
                "file": name,
                "states": "nothing"
                if stated is None
                else f"{stated.generator}, {stated.sample.get('checkpoint', '?')}",
            }
            | {"intact": "–" if stated is None else stated.intact, "trusted": "–" if stated is None else stated.trusted}
        )
    shown = table(rows, caption="As the C2PA library reads them.")
else:
    shown = Markdown(
        "*The extra `ethics` is not installed: `pip install 'course-lib[ethics]'` brings the library for manifests.*"
    )
shown

# %% [markdown]
# A signature proves that nothing was changed and nothing else: our certificate vouches for itself, so anybody could have
# signed. And the third row is the whole weakness: to open and save is enough to have a picture without a past. What a
# manifest can do is let the honest say so; the absence of one proves nothing. `course sample` signs what it draws,
# `course verify` reads it.
#
# ## 5 · Memory: learned, or copied?
#
# A sample's nearest training image is always near, so nearness alone says nothing. Compare with as many images that
# were *not* trained on: if nothing was memorised, the nearest of all is a training image in half of the cases.

# %%
show_code(memorisation.replication)

# %%
memory = read_log("memorisation")


def mean_over_seeds(name: str, key: str) -> float:
    values = [run.results[key] for run in memory if run.name == name]
    return sum(values) / len(values)


sizes = sorted({int(run.results["images"]) for run in memory if run.name.endswith(" images")})
by_size = {
    name: [mean_over_seeds(f"{n} images", key) for n in sizes]
    for name, key in {"nearer to training": "nearer", "copies": "copies", "real digits, nearer": "real nearer"}.items()
}
curves(
    by_size,
    x=sizes,
    log="x",
    xlabel="training images (8 × 8 digits)",
    ylabel="share of samples",
    levels={"nothing memorised": 0.5},
    caption="One small flow, equal steps. Copies: less than half as far from a training image as from any that was held out.",
    alt="With few images nearly all samples are copies; the share falls with the set, while nearness to training stays above one half",
)

# %% [markdown]
# The curve shows the onset: between 100 and 400 images copying stops, and a *tendency* towards the training images
# stays long after. Now the other axis, repetition. In a large set some pictures occur many times (the web repeats
# itself). And some **canaries** were planted, patterns that nobody could guess: the *exposure* of one is the number of
# bits that the model gives away about it, here followed through the first steps of the training.

# %%
repeated = {run.name: [r for r in memory if r.name == run.name] for run in memory if run.name.startswith("duplicates")}
mean_of = lambda runs, key: torch.tensor([run.curves[key] for run in runs]).mean(dim=0)
copies = next(iter(repeated.values()))[0].curves["copies"]
canaries = next(run for run in memory if run.name == "canaries")
beside(
    [
        curves(
            {kept: mean_of(runs, "extracted") for kept, runs in zip(("kept", "taken out"), repeated.values())},
            x=copies,
            log="x",
            xlabel="times in the set",
            ylabel="share extracted",
            size=(350, 290),
            alt="Extraction rises to 1 with the number of copies; after duplicates were removed it is next to 0",
        ),
        curves(
            {f"{n}×": canaries.curves[f"{n} copies"] for n in (1, 4, 16, 64)},
            x=canaries.curves["steps"],
            xlabel="steps of training",
            ylabel="exposure, bits",
            levels={"chance": 1.44},
            size=(350, 290),
            alt="Exposure of canaries rises to ten bits, the earlier the more often they stand in the set",
        ),
    ],
    caption="Left: training images that some sample copies, duplicates kept or taken out. Right: canaries that stand 1 to 64 times; "
    "ten bits are all there are.",
    alt="Left, the share of training images that samples copy rises from 0 for those that stand once to 1 for those that stand 32 times, and is next to 0 once duplicates were taken out. Right, the exposure of canaries rises to ten bits, the earlier the more often they stand in the set",
)

# %% [markdown]
# To take near-duplicates out (`near_duplicates`) ends the copying. It does not protect the canaries: a full training
# learns even the pattern that stood there *once* (all ten bits, as logged; the figure shows the first 160 of 1,000 steps),
# and a duplicate only makes it known sooner. That nothing is copied in the samples does not mean that nothing was
# memorised.

# %% [markdown]
# **Membership.** Can one tell from the loss whether a picture was in the training set? At each noise level, and for growing
# sets:

# %%
of_first_seed = {int(run.results["images"]): run for run in memory if run.name.endswith(" images") and run.seed == 0}
curves(
    {f"{n} images": of_first_seed[n].curves["auroc"] for n in (sizes[0], sizes[len(sizes) // 2], sizes[-1])},
    x=next(iter(of_first_seed.values())).curves["times"],
    xlabel="noise level t",
    ylabel="AUROC of membership",
    levels={"chance": 0.5},
    size=(560, 290),
    alt="Membership can be inferred almost surely for small sets, less for large ones, and best at low noise",
)

# %% [markdown]
# At 800 images no sample is a copy, and still the loss at low noise tells a member from a stranger in more than three
# pairs of four. The remedies are dull: more data, fewer passes, no duplicates, and a measurement before release.
#
# And the course's own generator? Nearest neighbours of what `fashion_flow` draws, among training images and among as many that
# it never saw:

# %%
mine, others = (
    fashion("train").x[: pick(smoke=100, laptop=1000, gpu=1000)],
    fashion("test").x[: pick(smoke=100, laptop=1000, gpu=1000)],
)
checked = memorisation.replication(to_float(drawn["flow"]), mine, others)
print(f"nearer to training: {checked.nearer} (by chance 0.50 ± {checked.chance:.2f}); copies: {checked.copies}")
nearest = checked.ratio.argsort()[: min(8, n_prints)]
grid(
    torch.cat([to_float(drawn["flow"])[nearest], mine[checked.nearest[nearest]]]),
    columns=len(nearest),
    row_titles=["drawn", "nearest"],
    caption="The eight most suspicious of them, above their nearest training images.",
    alt="Eight drawn pieces of clothing above their nearest training images: alike, but not the same",
)

# %% [markdown]
# ## 6 · Energy: read the meter
#
# Every training of the course runs under a meter, and so can any block:

# %%
with Meter(device) as meter, torch.no_grad():
    last(flow.sample(pick(smoke=2, laptop=20, gpu=200), steps=8))
meter.energy()

# %% [markdown]
# It says what it knows: a graphics card's own counter where there is one, the processor's where it may be read, else an
# estimate, *time busy × watts of a busy core*. A meter that does not say which is not worth reading.
#
# What do pictures cost, and what are they worth? Here are the flow at several numbers of evaluations, and three other
# models of clothes:

# %%
metered = {run.name: run.results for run in read_log("energy")}
seen_excess = lambda name: max(metered[name]["excess"], 0.01)  # below 0.01 is within the noise of 500 pictures
of_flow = {f"{n} evaluation{'s' * (n > 1)}": f"fashion_flow, {n} evaluations" for n in (1, 2, 4, 8, 16)}
others_of = {"GAN": "fashion_gan", "tokens, one by one": "fashion_raster", "tokens by scale": "fashion_scales"}
priced = {}
for group, names in (("flow", of_flow), ("others", others_of)):
    for short, name in names.items():
        priced[short] = Mark.exact(metered[name]["joules each"], seen_excess(name), group)
marks(
    priced,
    xlabel="joules a picture",
    ylabel="excess distance",
    log="xy",
    joined=[list(of_flow)],
    size=(640, 360),
    caption="To the left: cheaper. Downwards: better; 0.01 stands for all that is less. 500 pictures each.",
    alt="The flow's distance falls steeply with the joules spent; the GAN is as good as the middle of that line for a fortieth of the price, the two token models for a third",
)

# %% [markdown]
# Each halving of the flow's distance is paid in evaluations, and the last ones buy nothing that can be measured. The
# GAN, one pass, costs a fortieth of the flow that is as good. Price and quality are a choice, and of the two a gallery
# shows only one.

# %%
table(
    [
        {
            "model": name,
            "joules a picture": r["joules each"],
            "excess distance": r.get("excess"),
            "joules of the training": r.get("training joules"),
            "pictures that cost as much": footprint.break_even(r["training joules"], r["joules each"])
            if r.get("training joules")
            else None,
        }
        for name, r in sorted(metered.items(), key=lambda item: item[1]["joules each"])
    ],
    caption=f"{next(run.device for run in read_log('energy'))}. Trainings are extrapolated from a few steps of their recipes.",
)


# %% [markdown]
# ### From joules to carbon, and to large models
#
# The rest is multiplication, by numbers of which nobody knows even the first digit well. So multiply *ranges*:


# %%
dearest, which = max((r["training joules"], name) for name, r in metered.items() if "training joules" in r)
table(
    [
        {
            "grid": name,
            "g CO₂e a kWh": grams,
            "our dearest training": in_words(co2e(dearest, intensity=grams, pue=1.2), "g"),
            "a million pictures": in_words(
                co2e(1e6 * metered["fashion_flow"]["joules each"], intensity=grams, pue=1.2), "g"
            ),
        }
        for name, grams in sorted(footprint.GRIDS.items(), key=lambda item: item[1])
    ],
    caption=f"CO₂e of {which}: {in_words(dearest, 'J')} of training, {metered['fashion_flow']['joules each']:.2g} J a picture; PUE 1.2, grids of 2023 (Ember).",
)

# %% [markdown]
# Where a training runs changes its carbon by a factor of more than twenty; nothing else that one can choose in a minute
# does as much.

# %%
table(
    [
        {
            "training": training.name,
            "MWh": str(training.energy() * 1e-3),
            "t CO₂e": str(training.carbon()),
            "the source says": training.stated,
            "source": training.source,
        }
        for training in footprint.LARGE
    ],
    caption="Hours × watts × PUE × grid. Our range should hold what the source states, to a percent; making the hardware and failed runs are left out.",
)

# %% [markdown]
# A training is paid once. A picture is paid each time, and a service draws millions a day: at the thousandths of a
# kilowatt-hour that Luccioni et al. (2024) measured, drawing overtakes such a training within weeks. Whoever makes the
# picture cheaper (sections 6 and 9 of module 3: fewer evaluations) saves more than whoever trains greener; though
# cheaper pictures usually mean more pictures.
#
# ## 7 · Cards
#
# A model that says nothing about itself will be used for anything. Every checkpoint and data set of the course has a
# card, and none is typed by hand: `course cards` writes them from the headers, the logs and the data, and a test
# compares.

# %%
card = (files("course_lib") / "cards" / "models" / "faces_skewed.md").read_text(encoding="utf-8")
Markdown("###" + re.sub(r"\[(.+?)\]\(\.\./.+?\)", r"\1", card))  # a heading of this page; links to other cards as words

# %% [markdown]
# ## 8 · Cases
#
# Numbers do not decide what is right. For each case: who was harmed, who gained, what did they know, and which of the
# measurements above would have told them?
#
# **Deepfakes.** In 2019, 96 % of the deepfake videos that one survey found online were pornography, nearly all of women
# who had not agreed (Ajder et al. 2019). In January 2024 a cloned voice of the President told voters of New Hampshire
# to stay at home; the political consultant who had ordered the calls was fined six million dollars. Early in 2024 a clerk
# in Hong Kong transferred 25 million dollars after a video call in which every other participant was synthetic. *Which of
# detectors, marks and manifests would have helped in each?*
#
# **Consent and data.** LAION-5B, from which Stable Diffusion learned, was a list of links to pictures that people had
# put on the web for something else. Birhane et al. (2021) found slurs and pornography in its predecessor; Thiel (2023)
# found links to images of child sexual abuse in it, it was withdrawn, and a cleaned list came out in 2024. MS-Celeb-1M,
# ten million faces of people who were not asked, was withdrawn in 2019 and is still passed on. *What would a datasheet
# have had to say? What does withdrawal mean, once models are trained?*
#
# **Labour.** The filters that keep such content from users were trained by people who looked at it. TIME (Perrigo 2023)
# reported that workers in Kenya labelled such content, most of it text, for less than two dollars an hour. *Where would
# that stand on a model card?*
#
# **Artists.** A style cannot be owned; a picture can. Carlini et al. (2023) extracted training images from Stable Diffusion,
# nearly all of them duplicated many times. Courts see it differently from country to country. In Getty Images v.
# Stability AI (London, 4 November 2025) a model's weights were held to be no copy of what it learned; a week later, in
# GEMA v. OpenAI (Munich, 11 November), lyrics that a language model can be made to recite were held to be copied in its
# weights. Neither is the last word. Andersen v. Stability AI began in California in 2023; Thaler v. Perlmutter
# (Washington, March 2025) holds that a machine is no author. Glaze (Shan et al. 2023) perturbs pictures so that models
# mislearn their style. *Is a model that draws in your style without a copy of any of your pictures a wrong? Which of
# section 5's three measures would you bring before a court?*
#
# **Regulation.** The European Union's AI Act (Regulation 2024/1689, article 50) asks providers to mark synthetic
# content in a machine-readable way, "effective, interoperable, robust and reliable as far as this is technically
# feasible". China has required visible and hidden labels since September 2025; the United States' Take It Down Act
# (May 2025) makes platforms remove intimate fakes within 48 hours of a complaint. *Given the table of section 3: what
# is technically feasible?*
#
# **Who decides.** Bianchi et al. (2023) and Luccioni et al. (2023, *Stable Bias*) found in deployed models what section 1
# planted. *Who should choose the share, for "a doctor" and for "a senator in 1800"? What should a model do if nobody chose?*
#
# ### For a seminar
#
# 1. Your newspaper wants to know whether a photograph is real. A detector says 0.98. What do you ask before you print?
# 2. You find that one sample in ten thousand of your model copies a training image. Do you release it? With what on the card?
# 3. Your university offers its cluster at night, on coal. The course needs 10 kWh. Wait for the wind?
# 4. Design a watermark rule for a country. Who may read the key? Who is liable for a forged mark?
# 5. Take the audit of section 1 as a service: which attributes can be audited without making a list of people's attributes?
#
# ## 9 · What goes wrong, and how one sees it
#
# | symptom | usual cause | how to see it |
# |---|---|---|
# | a stereotype stronger than in the data | guidance | shares against the scale (section 1) |
# | a remedy that turns the skew round | the values of the attribute were taken in the same order as the labels | the same audit afterwards |
# | a detector with AUROC 1.0 | files of two kinds, or fakes that were never rounded | store both alike (section 2) |
# | a detector that fails in use | another generator, or a phone | the matrix, the damage |
# | a mark found on photographs | the null distribution was assumed | p-values of unmarked pictures |
# | no copies found, and yet a scandal | only nearness was measured, or only once-seen images | canaries, duplicates (section 5) |
# | a tiny footprint | a meter that reads an estimate | what does it say of itself? (section 6) |
#
# ## 10 · What was measured
#
# Numbers of this run, at this budget, and of the logged experiments:

# %%
table(
    [
        {
            "experiment": "share that fits the stereotype, guidance 1 / 4",
            "result": f"{told['value'][told['scale'].index(1.0)]:.2f} / {told['value'][-1]:.2f}",
            "expected": f"0.80 / {bias.sharpened(0.8, 0.5, 4):.2f} by the formula",
        },
        {
            "experiment": "the same with balanced guidance / with weights, at 4",
            "result": f"{remedies['balanced guidance'][-1]:.2f} / {remedies['trained with weights'][-1]:.2f}",
            "expected": "0.5",
        },
        {
            "experiment": "network detector on its own / on other generators, AUROC",
            "result": f"{own('network', 'nothing', 'auroc'):.2f} / "
            + f"{sum(judges[f'network, {a}'][f'{b}, nothing: auroc'] for a in makers for b in makers if a != b) / 30:.2f}",
            "expected": "the second is lower",
        },
        {
            "experiment": "mark in the noise, found: untouched / JPEG 30 / through a VAE",
            "result": " / ".join(
                f"{marked['noise, waves'][f'{name}: found']:.2f}" for name in ("nothing", "JPEG 30", "VAE")
            ),
            "expected": "a key in the noise survives",
        },
        {
            "experiment": "forged onto photographs by a mean: noise / tokens",
            "result": f"{marked['noise, waves']['forged by means: found']:.2f} / {marked['tokens, context 1']['forged by means: found']:.2f}",
            "expected": "one secret for all can be averaged out",
        },
        {
            "experiment": f"copies among samples, {sizes[0]} / {sizes[-1]} training images",
            "result": f"{by_size['copies'][0]:.2f} / {by_size['copies'][-1]:.3f}",
            "expected": "from 1 to next to 0",
        },
        {
            "experiment": "exposure after 20 steps of a canary that stands once / 64 times, bits",
            "result": f"{canaries.curves['1 copies'][2]:.1f} / {canaries.curves['64 copies'][2]:.1f}",
            "expected": "1.4 by chance / up to 10",
        },
        {
            "experiment": "joules a picture: GAN / flow, 32 evaluations",
            "result": f"{metered['fashion_gan']['joules each']:.2g} / {metered['fashion_flow']['joules each']:.2g}",
            "expected": "quality has a price",
        },
    ],
    caption="course log bias, detectors, watermarks, memorisation, energy run these anew.",
)

# %% [markdown]
# ## Exercises
#
# [exercises/07_ethics.ipynb](../exercises/07_ethics.ipynb): eleven functions, the instruments of this notebook built by
# hand, with instant checks.
#
# ## Where to go from here
#
# This is the last module. What no notebook can supply is a question of your own: section 7 of
# [6 · Applications](06_applications.ipynb) takes a folder of your pictures, and the instruments of this module tell
# what your model does with them.
#
# ## Further reading
#
# - Bianchi et al. 2023, *Easily Accessible Text-to-Image Generation Amplifies Demographic Stereotypes at Large Scale* ·
#   Luccioni et al. 2023, *Stable Bias* · Friedrich et al. 2023, *Fair Diffusion* · Barocas, Hardt, Narayanan, *Fairness and
#   Machine Learning*.
# - Wang et al. 2020, *CNN-generated Images Are Surprisingly Easy to Spot… for Now* · Grommelt et al. 2024, *Fake or JPEG?*
# - Wen et al. 2023, *Tree-Ring Watermarks* · Dathathri et al. 2024, *Scalable Watermarking for Identifying Large Language
#   Model Outputs* · Saberi et al. 2024, *Robustness of AI-Image Detectors* · Zhang et al. 2024, *Watermarks in the Sand*.
# - Carlini et al. 2019, *The Secret Sharer* · Carlini et al. 2023, *Extracting Training Data from Diffusion Models* ·
#   Somepalli et al. 2023, *Diffusion Art or Digital Forgery?*
# - Strubell et al. 2019 · Patterson et al. 2021 · Luccioni et al. 2024, *Power Hungry Processing*: energy.
# - Mitchell et al. 2019, *Model Cards for Model Reporting* · Gebru et al. 2021, *Datasheets for Datasets*.
