"""Quantisers and the tokenizer: bijections, k-means in one step, and what they refuse."""

import math

import pytest
import torch
from library.contract import check_model

from course_lib.data.images import Batch, to_float
from course_lib.model import last
from course_lib.training import train_steps
from course_lib.vaes.quantise import FSQ, VectorQuantiser, straight_through, use
from course_lib.vaes.tokenizer import FsqTokenizer, VqTokenizer

SMALL = {"channels": 1, "size": 8, "width": 8, "depth": 1}
TOKENIZERS = [lambda: FsqTokenizer((3, 2), **SMALL), lambda: VqTokenizer(7, 3, **SMALL)]


def batch() -> Batch:
    return Batch(to_float(torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8)), torch.arange(6))


@pytest.mark.parametrize("levels", [(4, 4, 4, 4), (8, 6, 5), (2,), (3, 2, 7)])
def test_fsq_codes_and_numbers_are_one_to_one(levels):
    fsq = FSQ(levels)
    tokens = torch.arange(math.prod(levels))
    codes = fsq.lookup(tokens)
    assert len(codes.unique(dim=0)) == fsq.codes == len(tokens)
    assert torch.equal(fsq.nearest(torch.atanh(codes * 0.999)), tokens)
    assert codes.min() == -1
    assert codes.max() == 1


def test_fsq_takes_the_nearest_code_of_the_squashed_vector():
    fsq, z = FSQ((4, 3)), torch.randn(50, 2)
    distance = torch.cdist(z.tanh(), fsq.lookup(torch.arange(12)))
    assert torch.equal(fsq.nearest(z), distance.argmin(dim=1))


def test_fsq_passes_the_gradient_of_the_squashing():
    z = torch.randn(5, 2, requires_grad=True)
    quantised = FSQ((4, 3))(z)
    assert torch.allclose(quantised.codes, FSQ((4, 3)).lookup(quantised.tokens), atol=1e-6)
    assert quantised.loss == 0
    quantised.codes.sum().backward()
    assert torch.allclose(z.grad, 1 - z.detach().tanh() ** 2, atol=1e-6)


def test_vq_takes_the_nearest_code():
    vq, z = VectorQuantiser(9, 4).eval(), torch.randn(2, 5, 5, 4)
    assert torch.equal(vq.nearest(z), torch.cdist(z.reshape(-1, 4), vq.book).argmin(dim=1).view(2, 5, 5))


def test_vq_passes_the_gradient_and_asks_for_commitment():
    vq, z = VectorQuantiser(9, 4, commitment=0.25).eval(), torch.randn(6, 4, requires_grad=True)
    codes, tokens, loss = vq(z)
    assert torch.allclose(codes, vq.book[tokens], atol=1e-6)
    assert loss.item() == pytest.approx(0.25 * (z - vq.book[tokens]).square().mean().item(), abs=1e-6)
    codes.sum().backward()
    assert torch.allclose(z.grad, torch.ones(6, 4))


def test_without_memory_the_codebook_takes_a_step_of_k_means():
    vq = VectorQuantiser(2, 1, memory=0.0)
    vq.book.copy_(torch.tensor([[0.0], [10.0]]))
    vq(torch.tensor([[1.0], [3.0], [8.0]]))
    assert torch.allclose(vq.book, torch.tensor([[2.0], [8.0]]), atol=1e-6)


def test_with_memory_a_code_is_the_running_mean_of_its_vectors():
    vq = VectorQuantiser(1, 1, memory=0.9)
    for value in (1.0, 2.0, 3.0):
        vq(torch.full((4, 1), value))
    weights = torch.tensor([0.9**2, 0.9, 1.0])
    assert vq.book.item() == pytest.approx(((weights * torch.tensor([1.0, 2.0, 3.0])).sum() / weights.sum()).item())


def test_a_code_that_nothing_falls_to_starts_anew_on_a_vector():
    vq = VectorQuantiser(2, 1, memory=0.5)
    vq.book.copy_(torch.tensor([[0.0], [1000.0]]))
    vq(torch.tensor([[1.0], [1.0], [1.0]]))
    assert torch.allclose(vq.book, torch.ones(2, 1))


def test_a_codebook_rests_outside_training():
    vq = VectorQuantiser(4, 2).eval()
    before = vq.book.clone()
    vq(torch.randn(8, 2))
    assert torch.equal(vq.book, before)


def test_use_of_a_codebook():
    assert use(torch.arange(8), 8) == pytest.approx((1.0, 8.0))
    assert use(torch.zeros(5, dtype=torch.int64), 8) == pytest.approx((0.125, 1.0))
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert use(torch.tensor([0, 0, 0, 1]), 2).perplexity == pytest.approx(math.exp(entropy), abs=1e-5)


def test_straight_through_has_the_code_s_value():
    z = torch.randn(3, requires_grad=True)
    assert torch.equal(straight_through(z, z.round()), z.round())


def test_quantiser_doors():
    with pytest.raises(ValueError, match="two levels"):
        FSQ((4, 1))
    with pytest.raises(ValueError, match="two levels"):
        FSQ(())
    with pytest.raises(ValueError, match="memory in"):
        VectorQuantiser(4, 2, memory=1.0)
    for quantiser in (FSQ((4, 4)), VectorQuantiser(16, 2)):
        with pytest.raises(ValueError, match="channels go last"):
            quantiser.nearest(torch.zeros(3, 5))
        for wrong in (torch.tensor([16]), torch.tensor([-1]), torch.tensor([0.0]), torch.tensor([], dtype=torch.int64)):
            with pytest.raises(ValueError, match="0..15"):
                quantiser.lookup(wrong)


@pytest.mark.parametrize("build", TOKENIZERS)
def test_tokenizers_keep_the_contract(build):
    check_model(build(), batch())


@pytest.mark.parametrize("build", TOKENIZERS)
def test_images_become_tokens_and_back(build):
    model, x = build().eval(), batch().x
    tokens = model.encode(x)
    assert tokens.shape == (6, 2, 2)
    assert tokens.dtype == torch.int64
    assert 0 <= tokens.min() <= tokens.max() < model.codes
    assert torch.equal(model.reconstruct(x), model.decode(tokens))
    assert torch.equal(last(model.sample(6, tokens=tokens)), model.decode(tokens))


@pytest.mark.parametrize("build", TOKENIZERS)
def test_tokenizers_refuse_what_does_not_fit(build):
    model = build()
    with pytest.raises(ValueError, match="images must be"):
        model.encode(torch.zeros(2, 1, 16, 16))
    with pytest.raises(ValueError, match="tokens must be"):
        model.decode(torch.zeros(2, 4, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one image"):
        next(model.sample(3, tokens=torch.zeros(2, 2, 2, dtype=torch.int64)))
    with pytest.raises(ValueError, match="256 levels"):
        next(iter(train_steps(model, iter([Batch(torch.rand(2, 1, 8, 8), torch.zeros(2))]), 1)))
    with pytest.raises(ValueError, match="multiple of 4"):
        FsqTokenizer(size=30)
