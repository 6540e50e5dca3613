"""Blocks and the models made of them: two ways that must agree, memories that do not grow, tasks with exact answers."""

import math

import pytest
import torch
from library.contract import check_model

from course_lib.data.digits import digits
from course_lib.data.images import Batch
from course_lib.device import seeded
from course_lib.model import last
from course_lib.ssms import recall
from course_lib.ssms.backbone import Stack, remembered_bytes
from course_lib.ssms.mamba import Mamba, ShortConv, paces
from course_lib.ssms.mamba2 import Mamba2
from course_lib.ssms.pixels import Mamba2Pixels, MambaPixels, S4Pixels
from course_lib.ssms.recall import ASK, BLANK, LETTERS, NONE, batches, induction, right, selective_copying
from course_lib.ssms.s4block import S4Block, S4Layer
from course_lib.ssms.tokens import Mamba2Tokens
from course_lib.training import train_steps

MIXERS = pytest.mark.parametrize("mixer", [Mamba, Mamba2, S4Layer, S4Block])
PIXELS = pytest.mark.parametrize("family", [MambaPixels, Mamba2Pixels, S4Pixels])
ANSWERING = pytest.mark.parametrize(
    "family", [recall.MambaAnswering, recall.Mamba2Answering, recall.S4Answering, recall.GatedS4Answering]
)
TINY = {"width": 16, "depth": 1, "state": 8}


def stepped(mixer, x: torch.Tensor) -> tuple[torch.Tensor, object]:
    memory, out = mixer.begin(len(x)), []
    for place in x.unbind(1):
        y, memory = mixer.step(place, memory)
        out.append(y)
    return torch.stack(out, dim=1), memory


def untied(mixer: torch.nn.Module) -> torch.nn.Module:
    """With every parameter moved from where it starts, so that nothing agrees by being 0 or 1."""
    torch.manual_seed(0)
    with torch.no_grad():
        for p in mixer.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return mixer


@MIXERS
@torch.no_grad()
def test_all_at_once_is_step_by_step(mixer):
    """To 1e-5, for a length that no chunk divides."""
    block, x = untied(mixer(16)), torch.randn(3, 37, 16)
    torch.testing.assert_close(block(x), stepped(block, x)[0], atol=1e-5, rtol=0)


@MIXERS
def test_nothing_comes_from_the_future(mixer):
    block, x = untied(mixer(16)), torch.randn(2, 20, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(block(x)[:, 11].sum(), x)
    assert gradient[:, 12:].abs().max() < 1e-7
    assert gradient[:, :12].abs().amax(dim=(0, 2)).min() > 1e-7  # but from everything before


@MIXERS
@torch.no_grad()
def test_a_memory_does_not_grow(mixer):
    block = mixer(16)
    short, long = (remembered_bytes(stepped(block, torch.randn(2, length, 16))[1]) for length in (3, 50))
    assert short == long == remembered_bytes(block.begin(2)) > 0


@MIXERS
def test_every_parameter_is_reached(mixer):
    block = untied(mixer(16))
    block(torch.randn(2, 9, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())


@torch.no_grad()
def test_a_stack_steps_as_it_runs():
    stack, x = untied(Stack(16, [Mamba(16), S4Block(16), Mamba2(16)])), torch.randn(2, 13, 16)
    torch.testing.assert_close(stack(x), stepped(stack, x)[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_choice_is_what_distinguishes_them():
    """Turn the choice off, and Mamba's system no longer depends on its input."""
    block = Mamba(16)
    block.x_proj.weight.zero_()
    dt, A, B, C = block.choices(torch.randn(5, 7, 32))
    assert torch.equal(dt, dt[:1, :1].expand_as(dt))
    assert not B.any()
    assert not C.any()
    torch.testing.assert_close(-A[0], torch.arange(1.0, 17), atol=1e-5, rtol=0)


def test_paces_are_step_sizes():
    dt = torch.nn.functional.softplus(paces(64))
    assert dt.min().item() == pytest.approx(0.001, abs=1e-6)
    assert dt.max().item() == pytest.approx(0.1, abs=1e-6)
    torch.testing.assert_close(dt.log().diff(), torch.full((63,), math.log(100) / 63), atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_short_convolution_sees_four_inputs():
    conv, x = ShortConv(3), torch.zeros(1, 9, 3)
    x[0, 2] = 1
    moved = (conv(x) - conv(torch.zeros_like(x))).abs().sum(dim=2)[0] > 0
    assert moved.tolist() == [False, False, True, True, True, True, False, False, False]


def test_heads_must_divide():
    with pytest.raises(ValueError, match="heads must divide the 32"):
        Mamba2(16, heads=5)


def test_copying_asks_for_the_letters_in_order():
    x, targets = selective_copying(200, 20, seed=1, letters=4)
    assert x.shape == targets.shape == (200, 24)
    for row, answer in zip(x.tolist(), targets.tolist()):
        said = [token for token in row[:20] if token != BLANK]
        assert answer == [NONE] * 20 + said
        assert row[20:] == [ASK] * 4
    assert (x[:, :20] > 0).float().mean(dim=0).std() < 0.05  # letters stand everywhere alike


def test_induction_asks_what_came_after_the_bell():
    x, targets = induction(500, 12, seed=2)
    for row, answer in zip(x.tolist(), targets.tolist()):
        bell = row.index(ASK)
        assert row.count(ASK) == 2
        assert row[-1] == ASK
        assert answer == [NONE] * 11 + [row[bell + 1]]
    assert (x == ASK).any(dim=0)[:10].all()  # the bell rings everywhere


def test_fresh_batches_come_from_the_seed():
    one, two = (next(batches(induction, 4, 9, seed)) for seed in (0, 1))
    assert torch.equal(one.x, induction(4, 9, 0).x)
    assert not torch.equal(one.x, two.x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: selective_copying(0, 10, 0), "1 sequence or more"),
        (lambda: selective_copying(2, 3, 0, letters=4), "room for 4 letters"),
        (lambda: selective_copying(2, 3, 0, letters=0), "room for 0 letters"),
        (lambda: induction(1, 2, 0), "at least 3 places"),
        (lambda: induction(0, 9, 0), "1 or more sequences"),
    ],
)
def test_tasks_refuse_what_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@ANSWERING
def test_answering_learns(family):
    """One batch by heart: the machinery of the task is in order."""
    torch.manual_seed(0)
    model, batch = family(width=16, depth=1), next(batches(selective_copying, 8, 8))
    losses = [step.logs["model/loss"].item() for step in train_steps(model, iter([batch] * 40), 40)]
    assert losses[-1] < 0.9 * losses[0]
    assert 0 <= right(model, selective_copying(10, 8, 5)) <= 1
    with pytest.raises(ValueError, match="int64 tokens"):
        model.check(Batch(batch.x.float(), batch.y))


def test_the_answer_stands_at_the_questions():
    class Knows(recall.Answering):
        def forward(self, x):
            return torch.nn.functional.one_hot(induction(50, 9, 3).targets.clamp(min=0), LETTERS + 2).float()

    assert right(Knows(16, [], {}), induction(50, 9, 3)) == 1.0


@PIXELS
def test_the_contract(family):
    check_model(family(**TINY), Batch(digits().x[:8], digits().labels[:8]))


@PIXELS
@torch.no_grad()
def test_pixels_are_told_without_looking_ahead(family):
    model = untied(family(**TINY))
    tokens, y = torch.randint(17, (2, 64)), torch.tensor([1, 2])
    other = tokens.clone()
    other[:, 20] = (other[:, 20] + 1) % 17
    moves = (model.logits(tokens, y) - model.logits(other, y)).abs().amax(dim=(0, 2)) > 1e-5  # the FFT rounds
    assert not moves[:21].any()
    assert moves[21:].all()


@torch.no_grad()
def test_likelihoods_sum_to_one():
    """All images of 2 x 2 pixels in three levels: 81 of them."""
    model = untied(MambaPixels(**TINY))
    model.side, model.levels = 2, 3
    model.head = torch.nn.Linear(16, 3)
    tokens = torch.cartesian_prod(*[torch.arange(3)] * 4)
    logits = model.logits(tokens, torch.zeros(81, dtype=torch.int64)).log_softmax(dim=2)
    assert logits.gather(2, tokens[..., None]).sum(dim=(1, 2)).exp().sum().item() == pytest.approx(1, abs=1e-5)


@torch.no_grad()
def test_drawn_pixels_come_from_the_likelihood():
    """Make one level all but certain: it is drawn, and costs nothing."""
    model = MambaPixels(**TINY)
    model.head.weight.zero_()
    model.head.bias.zero_()[5] = 50
    images = last(model.sample(3))
    assert torch.equal(model.tokens(images), torch.full((3, 64), 5))
    assert model.loss(Batch(images, torch.arange(3)))["loss"].item() < 1e-6


def test_levels_go_there_and_back():
    model, x = MambaPixels(**TINY), digits("test").x
    torch.testing.assert_close(model.images(model.tokens(x)), x, atol=0.005, rtol=0)  # pixels are whole numbers of 255


def test_bits_are_nats_over_log_2():
    terms = MambaPixels(**TINY).loss(Batch(digits().x[:4], digits().labels[:4]))
    assert terms["bits"].item() == pytest.approx(terms["loss"].item() / math.log(2), abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 0}, "1 image or more"),
        ({"n": 1, "temperature": 0.0}, "temperature above 0"),
        ({"n": 2, "y": torch.tensor([1])}, "one an image"),
        ({"n": 1, "y": torch.tensor([10])}, "0..9"),
    ],
)
def test_sampling_refuses_what_does_not_fit(asked, message):
    with pytest.raises(ValueError, match=message):
        next(MambaPixels(**TINY).sample(**asked))


@pytest.mark.parametrize("x", [torch.zeros(2, 1, 7, 7), torch.zeros(2, 3, 8, 8)])
def test_training_refuses_other_images(x):
    with pytest.raises(ValueError, match="images must be"):
        MambaPixels(**TINY).check(Batch(x, torch.tensor([0, 1])))


def test_the_same_seed_draws_the_same_image():
    model, drawn = MambaPixels(**TINY), []
    for _ in range(2):
        with seeded(1, torch.device("cpu")):
            drawn.append(last(model.sample(2)))
    assert torch.equal(*drawn)


def test_tokens_are_told_one_by_one_with_a_memory_that_does_not_grow():
    """`Mamba2Tokens`: stepwise logits are those of all places at once, within 1e-5; what it draws are maps of codes."""
    model = untied(Mamba2Tokens(codes=11, side=3, width=16, depth=2, state=8, classes=4))
    tokens, y = torch.randint(11, (5, 3, 3)), torch.arange(5) % 4
    together, stepwise = model.logits(model.tokens(tokens), y), []
    memory, last_one = model.stack.begin(5), model.label(y)
    for place, token in enumerate(tokens.flatten(1).unbind(1)):
        h, after = model.stack.step(last_one + model.place[place], memory)
        assert remembered_bytes(after) == remembered_bytes(memory)
        stepwise.append(model.head(model.norm(h)))
        memory, last_one = after, model.token(token)
    assert (torch.stack(stepwise, dim=1) - together).abs().max() < 1e-5
    drawn = last(model.sample(6))
    assert drawn.shape == (6, 3, 3)
    assert drawn.dtype == torch.int64
    assert 0 <= drawn.min() <= drawn.max() < 11


def test_tokens_cost_their_entropy_before_training():
    """With a head of zeros every code is equally likely: log 11 nats a token."""
    model = Mamba2Tokens(codes=11, side=3, width=16, depth=1, state=8)
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    loss = model.loss(Batch(torch.randint(11, (4, 3, 3)), torch.arange(4)))
    assert set(loss) == {"loss"}
    assert abs(loss["loss"].item() - math.log(11)) < 1e-6


def test_tokens_that_are_none_are_refused():
    model = Mamba2Tokens(codes=11, side=3, width=16, depth=1, state=8)
    with pytest.raises(ValueError, match="tokens"):
        model.check(Batch(torch.zeros(2, 1, 3, 3), torch.zeros(2, dtype=torch.int64)))
    with pytest.raises(ValueError, match="labels"):
        model.check(Batch(torch.zeros(2, 3, 3, dtype=torch.int64), torch.full((2,), 10)))
    with pytest.raises(ValueError, match="at least 1"):
        Mamba2Tokens(depth=0)
