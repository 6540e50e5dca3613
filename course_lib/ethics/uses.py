"""What each shipped model is for, what not, and where it fails: the part of a model card that people write."""

from typing import NamedTuple

JUDGES = "Grading people, or any data but that it was trained on: its features know nothing else."
CLOTHES = "Anything about people or fashion: ten kinds of clothes from one German shop, 2017, on white, grey, 28 px."
FACES = "Anything about people: signs put together from layers, in eight skin colours of which none is dark."


class Use(NamedTuple):
    """What a model is meant for.

    Attributes
    ----------
    data : str
        The bundled data set that it learnt from; empty if it was drawn from a seed.
    meant, unfit, limits : str
    """

    data: str = ""
    meant: str = "Teaching: its module's notebook and exercises."
    unfit: str = "Any other purpose."
    limits: str = "Those of its data, and what its metrics say."


NO_FINER = "No finer than its tokens: the tokenizer's images bound it."

USES = {
    "digits_mamba": Use("digits", limits="Digits by few writers; it draws a pixel after the other, so errors add up."),
    "emoji_flow": Use(
        "emoji",
        unfit="Drawing emoji to be published: they come close to two artists' works, which have their own licences.",
        limits="It knows its 2,870 pictures and little more: for new captions it draws as near to them as for known "
        "ones. Most words occur in two or three captions.",
    ),
    "emoji_video": Use(
        "emoji", limits="The expected emoji is held for ten frames; a drawn one changes its speed too often."
    ),
    "faces_attributes": Use(
        "faces",
        "Judging faces: reading attributes, features for distances.",
        JUDGES,
        "Colours of eyes are read right in 30 % only, of hair in 79 %. Its errors on real faces are known, on "
        "generated ones they are not: take out the first, and mistrust small differences.",
    ),
    "faces_gan": Use("faces", unfit=FACES, limits="Recall 0.35: it leaves out much; one mouth in seven is wrong."),
    "faces_skewed": Use(
        "faces",
        "Seeing a planted correlation, its amplification and its mitigation.",
        "Any picture that should be fair: it was made unfair on purpose.",
        "Of its training faces with a hat 80 % have long hair, of those without 20 %; guidance amplifies that.",
    ),
    "faces_vae": Use("faces", unfit=FACES, limits="Far from real faces when drawn from the prior."),
    "fashion_dit": Use("fashion", unfit=CLOTHES, limits="Patches do not always agree; the U-Net draws better."),
    "fashion_features": Use(
        "fashion",
        "Judging clothes: features for distances, a reader of classes.",
        JUDGES,
        "One image in ten is read as another class; distances do not compare with published FIDs.",
    ),
    "fashion_flow": Use("fashion", unfit=CLOTHES, limits="Of clothes the best, and the dearest to draw from."),
    "fashion_gan": Use("fashion", unfit=CLOTHES, limits="Recall 0.74: part of the variety is missing."),
    "fashion_mamba": Use("fashion", unfit=CLOTHES, limits=NO_FINER),
    "fashion_map": Use("fashion", unfit=CLOTHES, limits="Two latent numbers hold no detail: recall is 0.001."),
    "fashion_maskgit": Use("fashion", unfit=CLOTHES, limits="Tokens drawn in parallel do not always fit together."),
    "fashion_raster": Use("fashion", unfit=CLOTHES, limits=NO_FINER),
    "fashion_scales": Use("fashion", unfit=CLOTHES, limits=NO_FINER),
    "fashion_superresolution": Use(
        "fashion",
        "Seeing what a draw adds to what was measured.",
        "Evidence of any kind: fifteen of sixteen numbers are invented.",
        "Half its pixels' variety of what would be honest: a draw errs 1.5 times as much as the mean, not twice.",
    ),
    "fashion_tokenizer": Use("fashion", "Turning images into tokens and back.", CLOTHES, "Images come back at 24 dB."),
    "fashion_vae": Use("fashion", unfit=CLOTHES, limits="Drawn from the plain prior, less than half look real."),
    "night_flow": Use(
        "earth",
        unfit="Saying where people live, or what a place looks like at night.",
        limits="Lights are invented, and too few where places are more brightly lit than those it learned from.",
    ),
    "nightfall_video": Use(
        "earth",
        unfit="Saying where people live, or what a place looks like at night.",
        limits="Lights are not determined by the day: what it lights is invented, and dimmer than lamps are.",
    ),
    "shapes_flow": Use(limits="It reads 18 words in sentences of one form."),
    "sprites_video": Use(
        "fashion", limits="The expected sprite is held for six frames; what is drawn long enough wears out."
    ),
    "streets_cyclegan": Use(
        limits="Part of the night that a day cannot show stands openly in the days it makes: stars, lamps, windows.",
    ),
    "textures_flow": Use(
        "",
        "Seeing faults in three drawn materials, of which it knows the good.",
        limits="Smears are missed: what is too calm does not surprise it. Other materials are all faults to it.",
    ),
}
