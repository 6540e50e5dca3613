"""DiT, the text encoder, text to image and CLIP: how they start, what they ignore, and what they refuse."""

import math

import pytest
import torch
from library.contract import check_config, check_learning, check_losses, check_model, check_reach

from course_lib.data.captions import Vocabulary
from course_lib.data.images import Batch
from course_lib.data.shapes import LENGTH, shapes, vocabulary
from course_lib.diffusion.flow import Flow
from course_lib.model import last
from course_lib.training import train_steps
from course_lib.transformers.clip import COLDEST, Clip
from course_lib.transformers.dit import Dit, DitFlow
from course_lib.transformers.text import TextEncoder, understood
from course_lib.transformers.text_to_image import TextToImage

DIT = {"channels": 1, "size": 8, "patch": 2, "width": 16, "depth": 2, "heads": 2, "classes": 3}
WORDS = ("a", "blue", "red", "square", "star")
PAINTER = {"words": WORDS, "length": 5, "channels": 1, "size": 8, "width": 32, "depth": 1, "reading": 32}


def awake(model: torch.nn.Module) -> torch.nn.Module:
    """With weights where training starts from zeros."""
    for p in model.parameters():
        if not p.any():
            torch.nn.init.normal_(p, std=0.1)
    return model


def captions(*texts: str) -> torch.Tensor:
    return Vocabulary(WORDS).encode(texts, 5)


def painted(**changed) -> Batch:
    good = {
        "x": torch.rand(4, 1, 8, 8) * 2 - 1,
        "y": captions("a red star", "a blue star", "a blue square", "a red blue square star"),
    }
    return Batch(**good | changed)


# DiT


def test_the_contract_of_a_diffusion_transformer():
    check_model(DitFlow(**DIT), Batch(torch.rand(5, 1, 8, 8) * 2 - 1, torch.arange(5) % 3))


def test_an_untrained_transformer_predicts_zero_and_its_blocks_are_the_identity():
    net, h = Dit(**DIT), torch.randn(2, 16, 16)
    assert torch.equal(net(torch.randn(2, 1, 8, 8), torch.rand(2), torch.tensor([0, 3])), torch.zeros(2, 1, 8, 8))
    assert all(torch.equal(block(h, torch.randn(2, 16)), h) for block in net.blocks)


def test_a_transformer_stands_in_for_the_u_net():
    """The same calls of the same model, with another network inside."""
    x, t, y = torch.randn(3, 1, 8, 8), torch.rand(3), torch.tensor([0, 1, 3])
    models = [awake(Flow(channels=1, size=8, width=32, depth=1, classes=3)), awake(DitFlow(**DIT))]
    assert len({model.net(x, t, y).shape for model in models}) == 1
    for model in models:
        assert model.velocity(torch.tensor([0, 1, 2]), 2.0)(x, torch.tensor(0.5)).shape == x.shape
        assert last(model.sample(2, steps=2)).shape == (2, 1, 8, 8)


def test_patches_go_back_to_where_they_came_from():
    """With an identity for its layers, the network returns its input, rows and columns in order."""
    net = Dit(**DIT | {"channels": 2, "width": 8, "depth": 1})
    with torch.no_grad():
        for layer in (net.embed, net.out):
            layer.weight.copy_(torch.eye(8))
            layer.bias.zero_()
        net.places.zero_()
    net.norm = torch.nn.Identity()
    x = torch.randn(2, 2, 8, 8)
    assert torch.allclose(net(x, torch.rand(2), torch.tensor([0, 1])), x, atol=1e-6)


def test_every_patch_sees_every_other():
    net = awake(Dit(**DIT | {"depth": 1}))
    x = torch.randn(1, 1, 8, 8, requires_grad=True)
    net(x, torch.rand(1), torch.tensor([1]))[0, 0, 0, 0].backward()
    assert (x.grad != 0).all()


def test_time_and_label_turn_the_knobs():
    net, x = awake(Dit(**DIT)), torch.randn(1, 1, 8, 8).expand(3, -1, -1, -1)
    by_time = net(x, torch.tensor([0.1, 0.5, 0.9]), torch.tensor([1, 1, 1]))
    by_label = net(x, torch.full((3,), 0.5), torch.tensor([0, 1, 3]))
    for out in (by_time, by_label):
        assert (out[0] - out[1]).abs().max() > 1e-4
        assert (out[1] - out[2]).abs().max() > 1e-4


@pytest.mark.parametrize("bad", [{"patch": 3}, {"patch": 0}, {"width": 18}, {"depth": 0}, {"classes": 0}, {"heads": 3}])
def test_transformers_that_cannot_be_built(bad):
    with pytest.raises(ValueError, match="patch divide the size|heads must divide"):
        Dit(**DIT | bad)


@pytest.mark.parametrize("drop", [-0.1, 1.1])
def test_a_share_of_hidden_labels_is_a_share(drop):
    with pytest.raises(ValueError, match=r"drop must be in \[0, 1\]"):
        DitFlow(**DIT, drop=drop)


@pytest.mark.parametrize(
    ("x", "t", "y"),
    [
        (torch.zeros(2, 1, 2, 2), torch.zeros(2), torch.zeros(2, dtype=torch.int64)),  # one patch
        (torch.zeros(2, 3, 8, 8), torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 8, 8), torch.zeros(1), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 8, 8), torch.zeros(2), torch.zeros(1, dtype=torch.int64)),
    ],
)
def test_the_transformer_refuses_wrong_shapes(x, t, y):
    with pytest.raises(ValueError, match=r"x must be \(B, 1, 8, 8\)"):
        Dit(**DIT)(x, t, y)


# Text


def test_padding_does_not_matter():
    text, tokens = TextEncoder(7, 9, 16, 2, 2), captions("a red star", "a blue square star red")
    features, hidden = text(tokens)
    padded, more_hidden = text(torch.nn.functional.pad(tokens, (0, 4)))
    assert torch.equal(hidden, torch.tensor([[False] * 4 + [True] * 2, [False] * 6]))
    assert more_hidden[:, 6:].all()
    assert torch.equal(more_hidden[:, :6], hidden)
    assert torch.allclose(features[~hidden], padded[:, :6][~hidden], atol=1e-6)


def test_a_caption_without_words_is_the_mark_alone():
    features, hidden = TextEncoder(7, 5, 16, 2, 2)(torch.zeros(3, 5, dtype=torch.int64))
    assert features.isfinite().all()
    assert torch.equal(hidden, torch.tensor([[False] + [True] * 5] * 3))
    assert torch.allclose(features[0], features[1])


def test_the_order_of_words_matters():
    text = TextEncoder(7, 5, 16, 2, 2)
    one, other = text(captions("a red star blue square", "a blue star red square"))[0][:, 0]
    assert (one - other).abs().max() > 1e-3


def test_a_caption_that_is_too_long_for_the_encoder():
    with pytest.raises(ValueError, match="may have 5 words"):
        TextEncoder(7, 5, 16, 1, 2)(torch.zeros(2, 6, dtype=torch.int64))


def test_captions_that_are_understood():
    tokens = understood(["A red STAR!", "a blue square"], Vocabulary(WORDS), 4)
    assert tokens.tolist() == [[2, 4, 6, 0], [2, 3, 5, 0]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["a red sttar"], "does not know the word 'sttar' in 'a red sttar'; did you mean 'star'"),
        (["a blue star", "a rad star"], "'rad' in 'a rad star'; did you mean 'red'"),
        (["a giraffe"], r"'giraffe' in 'a giraffe'\. It knows: a, blue, red, square, star$"),
        (["a red star a red star"], "may have 5 words, .* has 6"),
        ([""], "must have words, got ''. It knows: a, blue"),
        (["a red star", " !? "], "must have words, got ' !"),
        ("a red star", "list of at least one string, got 'a red star'"),
        ([], "list of at least one string"),
    ],
)
def test_captions_that_are_not(asked, message):
    for read in (lambda c: understood(c, Vocabulary(WORDS), 5), TextToImage(**PAINTER).read, Clip(WORDS, 5, 32).tokens):
        with pytest.raises(ValueError, match=message):
            read(asked)


def test_of_a_large_vocabulary_some_words_are_named():
    with pytest.raises(
        ValueError, match=r"did you mean 'word\d+' or 'word\d+' or 'word\d+'\? It knows: .* and 60 more"
    ):
        understood(["wordd"], Vocabulary(tuple(f"word{i}" for i in range(100))), 5)


# Text to image


def test_the_contract_of_text_to_image():
    check_model(TextToImage(**PAINTER, drop=0.3), painted())


def test_an_untrained_painter_predicts_zero():
    model = TextToImage(**PAINTER)
    assert not model.predictor(painted().y)(torch.randn(4, 1, 8, 8), torch.tensor(0.5)).any()


def test_guidance_is_on_the_line_from_no_caption_to_the_caption():
    model = awake(TextToImage(**PAINTER)).eval()
    tokens, noise = painted().y, torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        wanted, free = (model.predictor(y)(noise, torch.tensor(1.0)) for y in (tokens, torch.zeros_like(tokens)))
    assert (wanted - free).abs().max() > 1e-4
    for guidance, field in ((1.0, wanted), (0.0, free), (3.0, free + 3 * (wanted - free))):
        drawn = last(model.sample(4, tokens, steps=1, guidance=guidance, noise=noise))
        assert torch.allclose(drawn, noise - field, atol=1e-5)  # one step of Euler from t = 1 to 0


def test_without_captions_it_draws_anything():
    model, noise = awake(TextToImage(**PAINTER)), torch.randn(2, 1, 8, 8)
    nothing = torch.zeros(2, 5, dtype=torch.int64)
    assert torch.equal(*(last(model.sample(2, y, steps=2, noise=noise)) for y in (None, nothing)))


def test_captions_are_left_out_as_often_as_stated():
    model = TextToImage(**PAINTER, drop=0.25)
    read, seen = model.text.forward, []

    def spy(tokens):
        seen.append(tokens)
        return read(tokens)

    model.text.forward = spy
    tokens = captions("a red star").expand(4000, -1)
    with torch.no_grad():
        model.loss(Batch(torch.zeros(4000, 1, 8, 8), tokens))
    left_out = ~seen[0].any(dim=1)
    assert left_out.float().mean().item() == pytest.approx(0.25, abs=0.035)  # five standard errors
    assert torch.equal(seen[0][~left_out], tokens[~left_out])


def test_the_words_reach_each_place():
    """The cross-attention's own path: with the caption as a whole cut off, words still change the picture."""
    model = awake(TextToImage(**PAINTER)).eval()
    torch.nn.init.zeros_(model.net.caption.weight)
    x = torch.randn(1, 1, 8, 8).expand(2, -1, -1, -1)
    with torch.no_grad():
        one, other = model.predictor(captions("a red star", "a blue star"))(x, torch.tensor(0.5))
    assert (one - other).abs().max() > 1e-5


def test_an_attention_map_has_a_row_a_place_and_a_column_a_word():
    model = TextToImage(**PAINTER | {"width": 64, "depth": 2})
    attentions = [reader.cross.attention for reader in model.net.middle]
    for attention in attentions:
        attention.seen = []
    last(model.sample(2, captions("a red star", "a blue square star red"), steps=3))
    for attention in attentions:
        assert [w.shape for w in attention.seen] == [(2, 2, 4, 6)] * 3  # 2 x 2 places, the mark and 5 words
        assert not attention.seen[0][0, :, :, 4:].any()  # padding is not looked at
        assert torch.allclose(attention.seen[0].sum(-1), torch.ones(2, 2, 4), atol=1e-6)


def test_the_loss_of_a_painter_that_predicts_zero():
    loss = TextToImage(**PAINTER).loss(Batch(torch.full((4096, 1, 8, 8), 0.5), captions("a star").expand(4096, -1)))
    assert loss["loss"].item() == pytest.approx(1.25, abs=0.02)  # E (eps - 0.5)^2 = 1 + 0.25


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": torch.zeros(4, 1, 8, 8, dtype=torch.uint8)}, "floats in"),
        ({"x": torch.zeros(4, 3, 8, 8)}, "1, 8, 8"),
        ({"x": 255 * torch.rand(4, 1, 8, 8)}, "about"),
        ({"y": torch.zeros(3, 5, dtype=torch.int64)}, "do not go with"),
        ({"y": torch.zeros(4, 6, dtype=torch.int64)}, r"captions must be int64 \(4, 5\)"),
        ({"y": torch.zeros(4, 5)}, "captions must be int64"),
        ({"y": torch.full((4, 5), 7)}, "words must be in 0..6"),
        ({"y": torch.full((4, 5), -1)}, "words must be in 0..6"),
    ],
)
def test_training_a_painter_refuses_what_does_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        next(iter(train_steps(TextToImage(**PAINTER), iter([painted(**changed)]), 1)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 0}, "at least 1"),
        ({"n": -2}, "at least 1"),
        ({"n": 2, "tokens": torch.zeros(1, 5, dtype=torch.int64)}, r"captions must be int64 \(2, 5\)"),
        ({"n": 2, "tokens": torch.full((2, 5), 7)}, "words must be in"),
        ({"n": 2, "noise": torch.zeros(2, 3, 8, 8)}, "noise must be"),
        ({"n": 2, "steps": 0}, "at least one step"),
    ],
)
def test_sampling_from_a_painter_refuses_what_does_not_fit(asked, message):
    with pytest.raises(ValueError, match=message):
        next(TextToImage(**PAINTER).sample(**asked))


@pytest.mark.parametrize(
    "bad", [{"size": 10}, {"width": 48}, {"width": 0}, {"reading": 40}, {"depth": 0}, {"drop": 1.5}, {"length": 0}]
)
def test_painters_that_cannot_be_built(bad):
    with pytest.raises(ValueError, match="size a multiple of 4, width and reading of 32"):
        TextToImage(**PAINTER | bad)


def test_two_equal_words_are_no_vocabulary():
    with pytest.raises(ValueError, match="words of a vocabulary must differ"):
        TextToImage(**PAINTER | {"words": ("a", "a")})


# CLIP


def clip() -> Clip:
    return Clip(vocabulary().words, LENGTH, 32)


@pytest.fixture(scope="module")
def scenes() -> Batch:
    return next(shapes(16, seed=0).batches(12))


def test_the_contract_of_clip(scenes):
    model = clip()
    model.check(scenes)
    check_config(model)
    check_losses(model, scenes)
    check_reach(model, scenes)
    check_learning(model, scenes, steps=20)


def test_the_loss_of_clip_by_hand(scenes):
    """Cosines by loops, -log of each diagonal's share of its row and of its column."""
    model = clip().eval()
    with torch.no_grad():
        images, texts = model.see(scenes.x).double(), model.read(scenes.y).double()
        found = model.loss(scenes)
    assert torch.allclose(images.norm(dim=1), torch.ones(12).double(), atol=1e-6)
    scores = [[float((a * b).sum() / (a.norm() * b.norm())) / 0.07 for b in texts] for a in images]
    rows = [-scores[i][i] + math.log(sum(math.exp(s) for s in scores[i])) for i in range(12)]
    columns = [-scores[i][i] + math.log(sum(math.exp(scores[k][i]) for k in range(12))) for i in range(12)]
    assert found["loss"].item() == pytest.approx((sum(rows) + sum(columns)) / 24, abs=1e-4)
    nearest = sum(max(range(12), key=lambda j, i=i: scores[i][j]) == i for i in range(12))
    assert found["found"].item() == pytest.approx(nearest / 12)


def test_clip_of_perfect_pairs(monkeypatch):
    model = clip()
    monkeypatch.setattr(model, "see", lambda x: torch.eye(32)[:6])
    monkeypatch.setattr(model, "read", lambda y: torch.eye(32)[:6])
    model.log_scale.data.fill_(10.0)  # colder than allowed: as if 100
    pairs = Batch(torch.zeros(6, 3, 32, 32), torch.zeros(6, LENGTH, dtype=torch.int64))
    assert model.loss(pairs)["loss"].item() == 0
    assert model.loss(pairs)["found"].item() == 1
    assert math.exp(COLDEST) == pytest.approx(100)
    monkeypatch.setattr(model, "read", lambda y: torch.eye(32)[[1, 2, 3, 4, 5, 0]])
    assert model.loss(pairs)["loss"].item() == pytest.approx(100, abs=1e-3)  # all captions one place off
    monkeypatch.setattr(model, "read", lambda y: torch.eye(32)[:6])
    model.log_scale.data.fill_(0.0)  # tau = 1: each row is 1, 0, 0, 0, 0, 0
    assert model.loss(pairs)["loss"].item() == pytest.approx(math.log(1 + 5 / math.e), abs=1e-5)


def test_found_is_the_share_of_images_not_of_captions(monkeypatch):
    """All images are nearest to the first caption, yet each caption to its own image."""
    model, images = clip(), torch.eye(3) + torch.tensor([[0.0, 0, 0], [2, 0, 0], [2, 0, 0]])
    monkeypatch.setattr(model, "see", lambda x: images / images.norm(dim=1, keepdim=True))
    monkeypatch.setattr(model, "read", lambda y: torch.eye(3))
    pairs = Batch(torch.zeros(3, 3, 32, 32), torch.zeros(3, LENGTH, dtype=torch.int64))
    assert model.loss(pairs)["found"].item() == pytest.approx(1 / 3)


def test_clip_that_sees_no_difference_guesses(monkeypatch):
    model = clip()
    monkeypatch.setattr(model, "see", lambda x: torch.eye(32)[[0] * 6])
    pairs = Batch(torch.zeros(6, 3, 32, 32), torch.randint(2, 12, (6, LENGTH)))
    monkeypatch.setattr(model, "read", lambda y: torch.eye(32)[[3] * 6])
    assert model.loss(pairs)["loss"].item() == pytest.approx(math.log(6), abs=1e-6)


def test_clip_sees_directions_not_lengths(scenes):
    model = clip()
    before = model.loss(scenes)["loss"].item()
    with torch.no_grad():
        for layer, factor in ((model.image[-1], 7.0), (model.last, 0.1)):
            layer.weight.mul_(factor)
            layer.bias.mul_(factor)
    assert model.loss(scenes)["loss"].item() == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": torch.zeros(12, 3, 28, 28)}, r"images must be float32 \(B, 3, 32, 32\)"),
        ({"y": torch.zeros(12, 3, dtype=torch.int64)}, "captions must be int64"),
        ({"y": torch.full((12, LENGTH), 99)}, "words must be in"),
    ],
)
def test_clip_refuses_what_does_not_fit(scenes, changed, message):
    with pytest.raises(ValueError, match=message):
        clip().check(scenes._replace(**changed))


@pytest.mark.parametrize("bad", [{"width": 48}, {"width": 0}, {"length": 0}])
def test_clips_that_cannot_be_built(bad):
    with pytest.raises(ValueError, match="multiple of 32"):
        Clip(**{"words": WORDS, "length": 5, "width": 32} | bad)
