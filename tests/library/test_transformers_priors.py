"""The three decoders of tokens: likelihoods that sum to 1, caches that change nothing, and what each step may do."""

import math
from itertools import product

import pytest
import torch
from library.contract import check_model

from course_lib.checkpoints import pretrained
from course_lib.data.images import Batch
from course_lib.device import seeded
from course_lib.model import last
from course_lib.nn.attention import Cache
from course_lib.training import train_steps
from course_lib.transformers import contest, maskgit, scales
from course_lib.transformers.maskgit import MaskGit, least_sure, masked
from course_lib.transformers.prior import TokenPrior, TokenSet, drawn, gumbel
from course_lib.transformers.raster import Raster
from course_lib.transformers.scales import SIDES, Scales, finest, pyramid, pyramids, staircase
from course_lib.vaes.tokenizer import FsqTokenizer
from course_lib.vaes.tokens import Tokens, fashion_tokens

TINY = {"codes": 6, "width": 16, "depth": 2, "heads": 2, "classes": 3}
CPU = torch.device("cpu")
STARTS = [0, 1, 5, 21, 70]  # of the scales in a row, and the end


def build(family: type[TokenPrior]) -> TokenPrior:
    return family(side=7 if family is Scales else 3, **TINY)


def shape(family: type[TokenPrior]) -> tuple[int, ...]:
    return (70,) if family is Scales else (3, 3)


def batch(family: type[TokenPrior], **changed) -> Batch:
    good = {"x": torch.randint(6, (5, *shape(family))), "y": torch.arange(5) % 3}
    return Batch(**good | changed)


FAMILIES = pytest.mark.parametrize("family", [Raster, MaskGit, Scales])


@FAMILIES
def test_the_contract(family):
    check_model(build(family), batch(family))


@FAMILIES
def test_training_refuses_what_does_not_fit(family):
    bad = [
        ({"x": torch.rand(5, *shape(family))}, "int64"),
        ({"x": torch.zeros(5, 2, 2, dtype=torch.int64)}, "tokens must be int64"),
        ({"x": torch.full((5, *shape(family)), 6)}, "0..5"),
        ({"x": torch.full((5, *shape(family)), -1)}, "0..5"),
        ({"y": torch.arange(4) % 3}, "one a map"),
        ({"y": torch.rand(5)}, "int64 labels"),
        ({"y": torch.full((5,), 3)}, "labels must be in 0..2"),
        ({"y": torch.full((5,), -1)}, "labels must be in 0..2"),
    ]
    for changed, message in bad:
        with pytest.raises(ValueError, match=message):
            next(iter(train_steps(build(family), iter([batch(family, **changed)]), 1)))


@FAMILIES
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 0}, "at least 1"),
        ({"n": -1}, "at least 1"),
        ({"n": 2, "y": torch.tensor([0])}, "one a map"),
        ({"n": 2, "y": torch.tensor([0, 3])}, "labels must be in"),
        ({"n": 2, "temperature": -0.1}, "temperature must be"),
        ({"n": 2, "temperature": math.nan}, "temperature must be"),
    ],
)
def test_sampling_refuses_what_does_not_fit(family, asked, message):
    with pytest.raises(ValueError, match=message):
        next(build(family).sample(**asked))


@FAMILIES
@pytest.mark.parametrize("bad", [{"codes": 0}, {"width": 6}, {"width": 0}, {"depth": 0}, {"classes": 0}, {"heads": 3}])
def test_models_that_cannot_be_built(family, bad):
    with pytest.raises(ValueError, match="must be at least 1|must divide"):
        family(**TINY | bad)


def test_scales_end_at_seven():
    with pytest.raises(ValueError, match="finest map is 7 x 7"):
        Scales(side=8, **TINY)


def test_a_token_set_has_a_label_for_each_map():
    x = torch.arange(40).reshape(10, 2, 2)
    part = next(TokenSet(x, torch.arange(10)).batches(4))
    assert torch.equal(part.x[:, 0, 0], 4 * part.y)
    with pytest.raises(ValueError, match=r"labels must be int64 \(10,\)"):
        TokenSet(x, torch.arange(9))


# Drawing


def test_codes_are_drawn_from_the_softmax():
    """Chi-square with 5 degrees of freedom: above 33.1 once in 250,000 seeds; the seed is fixed."""
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, -1.5])
    for temperature in (1.0, 0.5, 3.0):
        found = drawn(logits.expand(50_000, 6), temperature).bincount(minlength=6)
        expected = 50_000 * (logits / temperature).softmax(0)
        assert ((found - expected) ** 2 / expected).sum() < 33.1


def test_without_temperature_the_likeliest_is_drawn():
    logits = torch.randn(40, 7, 9)
    assert torch.equal(drawn(logits, 0.0), logits.argmax(-1))


def test_gumbel_noise_has_its_mean_and_its_variance():
    noise = gumbel(torch.zeros(200_000))
    assert noise.isfinite().all()
    assert noise.mean().item() == pytest.approx(0.57722, abs=0.015)  # five standard errors
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.05)


# Raster


def test_the_likelihood_of_all_maps_sums_to_one():
    """Three codes, 2 x 2 places: 81 maps."""
    model = Raster(codes=3, side=2, width=16, depth=2, heads=2, classes=2).double()
    maps = torch.tensor(list(product(range(3), repeat=4)))
    for label in (0, 1):
        with torch.no_grad():
            logits = model.logits(maps, torch.full((81,), label))
            each = [-4 * model.loss(Batch(m.view(1, 2, 2), torch.tensor([label])))["loss"] for m in maps]
        log_prob = logits.log_softmax(-1).gather(-1, maps[..., None]).sum((1, 2))
        assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-6)
        assert torch.allclose(torch.stack(each).double(), log_prob, atol=1e-5)  # the loss is in float32
    assert log_prob.exp().std() > 1e-4  # and not all are alike


def test_raster_draws_what_its_likelihood_says():
    """Chi-square with 8 degrees of freedom: above 40 once in 300,000 seeds."""
    model = Raster(codes=3, side=2, width=8, depth=1, heads=1, classes=1)
    torch.nn.init.normal_(model.head.weight)
    maps = torch.tensor(list(product(range(3), repeat=4)))
    with torch.no_grad():
        log_prob = model.logits(maps, torch.zeros(81, dtype=torch.int64)).log_softmax(-1)
    p = log_prob.gather(-1, maps[..., None]).sum((1, 2)).exp().view(9, 9).sum(1)  # of the first row
    rows = last(model.sample(20_000)).flatten(1)[:, :2]
    found = (rows[:, 0] * 3 + rows[:, 1]).bincount(minlength=9)
    assert ((found - 20_000 * p) ** 2 / (20_000 * p)).sum() < 40


def test_no_logit_of_raster_depends_on_what_comes_later():
    model, y = build(Raster), torch.tensor([1])
    tokens = torch.randint(6, (1, 9))
    embedded = torch.randn(1, 9, 16, requires_grad=True)
    model.token.forward = lambda t: embedded[:, : t.shape[1]]  # logits looks up all tokens but the last
    logits = model.logits(tokens, y)
    for place in range(9):
        (slope,) = torch.autograd.grad(logits[0, place].sum(), embedded, retain_graph=True, allow_unused=True)
        assert not slope[0, place:].any()  # its own token and later ones: exactly 0
        assert slope[0, :place].any(dim=1).all()


def test_logits_with_a_cache_are_those_of_the_whole_pass():
    model = Raster(codes=256, side=7, width=64, depth=4, heads=4)
    tokens, y = torch.randint(256, (4, 49)), torch.arange(4)
    caches = [Cache(49) for _ in model.blocks]
    with torch.no_grad():
        whole, before = model.logits(tokens, y), model.label(y)
        for place in range(49):
            assert torch.allclose(model.following(before, place, caches), whole[:, place], atol=1e-5)
            before = model.token(tokens[:, place])


@torch.no_grad()
def drawn_without_a_cache(model: Raster, y: torch.Tensor) -> torch.Tensor:
    tokens = torch.zeros(len(y), model.side**2, dtype=torch.int64)
    for place in range(model.side**2):
        tokens[:, place] = drawn(model.logits(tokens, y)[:, place])
    return tokens.unflatten(1, (model.side, model.side))


def test_sampling_with_a_cache_draws_the_same_tokens():
    model, y = build(Raster), torch.tensor([2, 0, 1, 1])
    with seeded(5, CPU):
        cached = last(model.sample(4, y))
    with seeded(5, CPU):
        assert torch.equal(drawn_without_a_cache(model, y), cached)


def test_raster_fills_its_map_place_by_place():
    states = list(build(Raster).sample(2))
    assert [int((s[0] >= 0).sum()) for s in states] == list(range(1, 10))
    assert all(torch.equal(s.flatten(1)[:, : i + 1], states[-1].flatten(1)[:, : i + 1]) for i, s in enumerate(states))


@FAMILIES
def test_labels_matter_and_take_turns(family):
    model = build(family)
    torch.nn.init.normal_(model.label.weight, std=3.0)
    draws = []
    for y in (None, torch.tensor([0, 1, 2, 0]), torch.tensor([2, 1, 0, 0])):
        with seeded(1, CPU):
            draws.append(last(model.sample(4, y)))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[1][[0, 2]], draws[2][[0, 2]])


# MaskGit


@pytest.mark.parametrize("places", [1, 9, 49])
def test_the_schedule_hides_all_at_the_start_and_nothing_at_the_end(places):
    counts = [masked(step / 12, places) for step in range(13)]
    assert counts[0] == places
    assert counts[-1] == 0
    assert counts == sorted(counts, reverse=True)
    assert masked(0.5, 10_000) == 7071  # cos 45 degrees


@pytest.mark.parametrize("done", [-0.1, 1.1])
def test_the_schedule_knows_no_other_times(done):
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        masked(done, 49)


def test_exactly_the_least_sure_are_hidden():
    sure = torch.tensor([[0.3, -2.0, 0.1, math.inf], [5.0, 4.0, 3.0, 2.0]])
    assert least_sure(sure, 2).tolist() == [[False, True, True, False], [False, False, True, True]]
    assert not least_sure(sure, 0).any()
    assert least_sure(sure, 4).all()


@pytest.mark.parametrize("steps", [1, 3, 8, 30])
def test_each_round_keeps_what_was_kept(steps):
    states = list(build(MaskGit).sample(5, steps=steps))
    assert len(states) == steps
    for step, (now, later) in enumerate(zip(states, states[1:]), start=1):
        assert ((now == -1).sum((1, 2)) == masked(step / steps, 9)).all()
        assert torch.equal(later[now >= 0], now[now >= 0])
    assert ((0 <= states[-1]) & (states[-1] < 6)).all()


def test_without_chance_the_surest_guesses_are_kept():
    model, y = build(MaskGit), torch.tensor([1])
    with torch.no_grad():
        guess = model.logits(torch.zeros(1, 9, dtype=torch.int64), torch.ones(1, 9, dtype=torch.bool), y)
    sure, tokens = guess.log_softmax(-1).max(-1)
    first = next(model.sample(1, y, steps=4, temperature=0.0, choice=0.0)).flatten(1)
    kept = sure >= sure.sort(descending=True).values[:, 9 - masked(0.25, 9) - 1, None]
    assert torch.equal(first, tokens.masked_fill(~kept, -1))


def test_chance_has_less_of_a_say_from_round_to_round(monkeypatch):
    """With noise that is 1 everywhere, what is added to log p is read off: choice (1 - t / T)."""
    added = []

    def spy(sure, count):
        added.append(sure[sure.isfinite()])
        return least_sure(sure, count)

    monkeypatch.setattr(maskgit, "gumbel", torch.ones_like)
    monkeypatch.setattr(maskgit, "least_sure", spy)
    last(build(MaskGit).sample(2, steps=4, choice=1000.0))
    for step, sure in enumerate(added, start=1):
        offset = 1000 * (1 - step / 4)
        assert offset - 20 < sure.min() < sure.max() < offset


def test_maskgit_needs_a_round():
    with pytest.raises(ValueError, match="at least one step"):
        next(build(MaskGit).sample(2, steps=0))


def test_what_is_hidden_cannot_be_seen():
    model, y = build(MaskGit), torch.arange(4) % 3
    tokens, hidden = torch.randint(6, (4, 9)), torch.rand(4, 9) < 0.5
    other = torch.where(hidden, (tokens + 1) % 6, tokens)
    assert torch.equal(model.logits(tokens, hidden, y), model.logits(other, hidden, y))
    seen = torch.where(hidden, tokens, (tokens + 1) % 6)
    assert not torch.allclose(model.logits(tokens, hidden, y), model.logits(seen, hidden, y), atol=1e-3)


def hidden_in_training(model: MaskGit, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The masks of one batch and the gradient of its loss by the logits."""
    seen = {}

    def logits(tokens, hidden, y):
        seen["hidden"], seen["logits"] = hidden, torch.randn(*tokens.shape, 6, requires_grad=True)
        return seen["logits"]

    model.logits = logits
    loss = model.loss(Batch(torch.randint(6, (n, 3, 3)), torch.zeros(n, dtype=torch.int64)))["loss"]
    return seen["hidden"], torch.autograd.grad(loss, seen["logits"])[0]


def test_the_loss_is_on_hidden_tokens_only():
    hidden, slope = hidden_in_training(build(MaskGit), 64)
    assert torch.equal(slope.any(-1), hidden)
    assert hidden.any(dim=1).all()


def test_hidden_shares_in_training_are_the_schedule_s_and_all_hidden_among_them():
    """The share of u is cos(pi u / 2): its mean is 2 / pi, and all nine are hidden where it exceeds 8 / 9."""
    hidden, _ = hidden_in_training(build(MaskGit), 20_000)
    count = hidden.sum(1)
    expected = [2 / math.pi * (math.acos(k / 9) - math.acos((k + 1) / 9)) for k in range(9)]  # of k + 1 hidden
    found = count.bincount(minlength=10)[1:] / 20_000
    assert torch.allclose(found, torch.tensor(expected), atol=0.018)  # five standard errors
    assert hidden.float().mean(0).std() < 0.01  # no place is hidden more often than another


# Scales


def test_the_staircase():
    mask = staircase()
    for scale, (start, end) in enumerate(zip(STARTS, STARTS[1:])):
        assert mask[start:end, :end].all()
        assert not mask[start:end, end:].any()
    assert mask.shape == (70, 70)


def test_no_scale_depends_on_itself_or_on_finer_ones():
    model, y = build(Scales), torch.tensor([2])
    tokens = torch.randint(6, (1, 70))
    embedded = torch.randn(1, 70, 16, requires_grad=True)
    places = iter(zip(STARTS, STARTS[1:]))

    def look_up(coarser):
        start, end = next(places)
        assert coarser.shape == (1, end - start)
        return embedded[:, start:end]

    model.token.forward = look_up
    logits = model.logits(tokens, y)
    for start, end in zip(STARTS, STARTS[1:]):
        (slope,) = torch.autograd.grad(logits[0, start:end].sum(), embedded, retain_graph=True)
        assert not slope[0, start:].any()  # exactly 0
        assert slope[0, :start].any(dim=1).all()


def test_logits_of_scales_with_a_cache_are_those_of_the_whole_pass(monkeypatch):
    model, y, seen = build(Scales), torch.arange(3), []

    def spy(logits, temperature):
        seen.append(logits)
        return drawn(logits, temperature)

    monkeypatch.setattr(scales, "drawn", spy)
    tokens = last(model.sample(3, y))
    with torch.no_grad():
        assert torch.allclose(torch.cat(seen, dim=1), model.logits(tokens, y), atol=1e-5)


def test_each_scale_goes_on_from_the_coarser_ones():
    states = list(build(Scales).sample(2))
    assert [s.shape[1] for s in states] == STARTS[1:]
    assert all(torch.equal(s, states[-1][:, : s.shape[1]]) for s in states)
    assert torch.equal(finest(states[-1]).flatten(1), states[-1][:, 21:])


def test_a_place_sees_the_coarser_one_that_covers_it():
    """With 4 x 4 above 7 x 7, row 0 sees row 0, and row 6 row 3: the row of its upper edge."""
    model = build(Scales)
    with torch.no_grad():
        for p in (model.label.weight, model.scale.weight, model.places):
            p.zero_()
        model.token.weight[:] = torch.arange(6.0)[:, None]
        idea = model._idea(3, torch.tensor([[0, 1, 2, 3]]).repeat(1, 4), torch.tensor([0]))
    assert idea[0, :, 0].view(7, 7).tolist() == [[0, 0, 1, 1, 2, 2, 3]] * 7


def test_a_loss_of_scales_reports_the_finest():
    model, part = build(Scales), batch(Scales)
    terms = model.loss(part)
    with torch.no_grad():
        nats = -model.logits(*part).log_softmax(-1).gather(-1, part.x[..., None])[..., 0]
    assert terms["loss"].item() == pytest.approx(nats.mean().item(), abs=1e-5)
    assert terms["finest"].item() == pytest.approx(nats[:, 21:].mean().item(), abs=1e-5)


class MeanTokenizer(FsqTokenizer):
    """Nine grey levels; a token is the mean of its 4 x 4 pixels, and is drawn as such."""

    def __init__(self):
        super().__init__(levels=(9,), width=32)
        self.encoder = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Hardtanh(-0.999, 0.999), ArcTanh())

    def decode(self, tokens):
        return self.quantiser.lookup(tokens)[..., 0][:, None].repeat_interleave(4, 2).repeat_interleave(4, 3)


class ArcTanh(torch.nn.Module):
    def forward(self, x):
        return x.atanh()  # the quantiser squashes with tanh


def test_the_pyramid_of_an_image_whose_means_are_known():
    tokenizer = MeanTokenizer()
    halves = torch.full((7, 7), 4)  # grey in the middle row, white above, black below: the mean is grey
    halves[:3], halves[4:] = 8, 0
    rows = pyramid(tokenizer, torch.stack([torch.full((7, 7), 6), halves]))
    assert rows[0].unique().tolist() == [6]  # an image of one colour is that at all scales
    assert rows[1, 0] == 4  # 1 x 1: the mean
    top, bottom = rows[1, 1:5].view(2, 2)
    assert top.unique().tolist() == [8 - bottom[0].item()]
    assert top[0] > 6
    assert torch.equal(finest(rows[1:])[0], halves)


def test_the_pyramid_of_fashion_ends_with_its_tokens():
    tokenizer, tokens = pretrained("fashion_tokenizer"), fashion_tokens("test").tokens[:8]
    rows = pyramid(tokenizer, tokens)
    assert rows.shape == (8, 70)
    assert torch.equal(finest(rows), tokens)
    assert ((0 <= rows) & (rows < tokenizer.codes)).all()


def test_the_pyramids_of_a_set_keep_its_labels():
    tokens, labels = torch.randint(9, (3, 7, 7)), torch.tensor([2, 0, 1])
    images = pyramids(MeanTokenizer(), Tokens(tokens, labels, 9))
    assert torch.equal(images.labels, labels)
    assert torch.equal(finest(images.tokens), tokens)


def test_a_pyramid_is_made_of_seven_by_seven_tokens():
    with pytest.raises(ValueError, match=r"tokens must be \(N, 7, 7\)"):
        pyramid(MeanTokenizer(), torch.zeros(2, 8, 8, dtype=torch.int64))


def test_sizes_of_the_scales():
    assert [sum(s * s for s in SIDES[:i]) for i in range(5)] == STARTS


# The contest


def test_nats_are_averaged_over_a_set():
    model, images = (
        build(Raster),
        TokenSet(torch.randint(6, (2 * contest.PART, 3, 3)), torch.arange(2 * contest.PART) % 3),
    )
    with torch.no_grad():
        whole = model.loss(Batch(images.tokens, images.labels))["loss"].item()
    assert contest.nats(model, images, seed=0)["loss"] == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize(("family", "of"), [(Raster, None), (MaskGit, None), (Scales, finest)])
def test_what_a_decoder_draws_is_an_image(family, of):
    model = family(codes=256, width=8, depth=1, heads=1)
    images = contest.draw(model, torch.tensor([3, 3]), *([of] if of else []))
    assert images.shape == (2, 1, 28, 28)
    assert images.abs().max() <= 1


def test_training_in_the_contest_gives_the_averaged_model():
    model, images = (
        build(Raster),
        TokenSet(torch.zeros(64, 3, 3, dtype=torch.int64), torch.zeros(64, dtype=torch.int64)),
    )
    averaged = contest.trained(model, images, steps=3, seed=0)
    assert type(averaged) is Raster
    assert not any(torch.equal(p, q) for p, q in zip(model.token.parameters(), averaged.token.parameters()))
