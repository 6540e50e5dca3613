"""Hidden points of 04_transformers, continued: pictures and words (see test_transformers.py)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def captions(rng: torch.Generator, b: int, length: int, words: int) -> Tensor:
    """Random words, as many in each caption as chance will; the first has none, the second is full."""
    tokens = torch.randint(1, words, (b, length), generator=rng, device="cpu")
    count = torch.randint(1, length, (b, 1), generator=rng, device="cpu")
    count[0], count[1] = 0, length
    return tokens * (torch.arange(length) < count)


@task("word_attention")
@pytest.mark.parametrize(("b", "length", "width"), [(4, 4, 4), (3, 5, 6)], ids=["cube", "oblong"])
def test_marked(student, rng, b, length, width):
    """Random captions, one of them empty: vectors, padding and gradients."""
    book, mark, tokens = normal(rng, 9, width), normal(rng, width), captions(rng, b, length, 9)
    book[0] = 0
    book.requires_grad_(), mark.requires_grad_()
    words, front = torch.stack([book[row] for row in tokens]), mark + torch.zeros(b, 1, width)
    shown, padding = torch.zeros(b, 1, dtype=torch.bool), tokens == 0
    right = torch.cat([front, words], 1), torch.cat([shown, padding], 1)
    wrong = {
        "the mark is missing": (words, padding),
        "the mark is missing in `hidden`": (right[0], padding),
        "the mark stands in front": (torch.cat([words, front], 1), torch.cat([padding, shown], 1)),
        "`hidden` is turned": (right[0], ~right[1]),
        "`hidden` is turned: the mark is no padding": (right[0], torch.cat([shown, ~padding], 1)),
        "the mark is never hidden": (right[0], torch.cat([~shown, padding], 1)),
        "the mark is never hidden, whatever the caption": (
            right[0],
            torch.cat([padding.all(1, keepdim=True), padding], 1),
        ),
        "the mark needs a place of its own": (words + mark, padding),
        "return two things": right[0],
    }
    got = student.marked(tokens, book, mark)
    expect(got, right, wrong)
    require(got[0].requires_grad, "no gradient reaches the words: detach nothing")
    weight = normal(rng, b, 1 + length, width)
    of_book, of_mark = torch.autograd.grad((got[0] * weight).sum(), (book, mark), materialize_grads=True)
    expect(of_mark, weight[:, 0].sum(0), {"no gradient reaches the mark: it is learnt": torch.zeros(width)})
    want = torch.zeros(9, width).index_add(0, tokens.flatten(), weight[:, 1:].flatten(0, 1))
    expect(of_book[1:], want[1:])  # that of padding does not matter


def reference(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What task `attention` asks for, so that a mistake in it is not punished twice."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
    return weights @ v, weights


@task("word_attention")
@pytest.mark.parametrize(("b", "heads", "places", "m"), [(4, 4, 4, 4), (3, 2, 7, 5)], ids=["cube", "oblong"])
def test_word_attention(student, rng, b, heads, places, m):
    """Random questions and words, some of them padding."""
    student.attention = reference
    q, k, v = (1.5 * normal(rng, b, heads, n, 4) for n in (places, m, m))
    hidden = torch.cat([torch.zeros(b, 1, dtype=torch.bool), captions(rng, b, m - 1, 5) == 0], 1)
    words = ~hidden[:, None, None]
    mass = (torch.einsum("bhld,bhmd->bhlm", q, k) / 2).exp() * words
    weights = mass / mass.sum(-1, keepdim=True)
    right = torch.einsum("bhlm,bhmd->bhld", weights, v), weights
    down = (q @ k.mT / 2).masked_fill(~words, -math.inf).softmax(2)
    free = reference(q, k, v)
    wrong = {
        "padding is looked at": free,
        "`hidden` must be turned for the mask": reference(q, k, v, ~words),
        "hide padding by the mask, not by keys of 0": reference(q, k * words.mT, v),
        "hide padding by the mask, not by values of 0": (free[1] @ (v * words.mT), free[1]),
        "the weights that are left must sum to 1": (free[1] * words @ v, free[1] * words),
        "the softmax runs over the words": (down @ v, down),
        "return two things": right[0],
    }
    if b == heads == places:
        wrong["a mask of places: it needs the shape (B, 1, 1, M)"] = reference(q, k, v, ~hidden)
        wrong["a mask of heads: it needs the shape (B, 1, 1, M)"] = reference(q, k, v, ~hidden[:, None])
    expect(student.word_attention(q, k, v, hidden), right, wrong)


@task("word_attention")
def test_word_attention_gradients(student, rng):
    """Gradients reach the picture and the words, and none the padding."""
    q, k, v = (1.5 * normal(rng, 3, 2, n, 4).requires_grad_() for n in (6, 5, 5))
    hidden = torch.cat([torch.zeros(3, 1, dtype=torch.bool), captions(rng, 3, 4, 5) == 0], 1)
    right = student.attention(q, k, v, ~hidden[:, None, None])  # its own: what is wrong with that is told in its task
    got = student.word_attention(q, k, v, hidden)
    factors = [normal(rng, *part.shape) for part in (q, right[1])]
    require(all(part.requires_grad for part in got), "no gradient passes through your function: detach nothing")
    sums = [sum((part * factor).sum() for part, factor in zip(parts, factors)) for parts in (got, right)]
    mine, want = (torch.autograd.grad(total, (q, k, v), materialize_grads=True) for total in sums)
    expect(mine, tuple(want), atol=1e-4)


@task("clip_loss")
@pytest.mark.parametrize(("b", "d"), [(4, 4), (6, 3)], ids=["square", "oblong"])
def test_clip_loss(student, rng, b, d):
    """Random vectors and temperatures: value and gradients."""
    images, texts = normal(rng, b, d), normal(rng, b, d)
    images, texts = (2 * part / part.norm(dim=1, keepdim=True) for part in (images, texts))
    images, texts = images * between(rng, 0.5, 2, b, 1), texts * between(rng, 0.5, 2, b, 1)
    tau = between(rng, 0.2, 0.5)
    given = [part.requires_grad_() for part in (images, texts, tau)]
    cosine = (images[:, None] * texts).sum(2) / images.norm(dim=1)[:, None] / texts.norm(dim=1)

    def found(scores: Tensor) -> Tensor:
        return (scores.logsumexp(1) - scores.diag()).mean()

    def both(scores: Tensor) -> Tensor:
        return (found(scores) + found(scores.T)) / 2

    scores, first = cosine / tau, torch.zeros(b, dtype=torch.int64)
    right = both(scores)
    wrong = {
        "only images look for their captions": found(scores),
        "only captions look for their images": found(scores.T),
        "take half of each direction": 2 * right,
        "the vectors must have length 1": both(images @ texts.T / tau),
        "the images must have length 1 too": both(images @ normalize(texts).T / tau),
        "the captions must have length 1 too": both(normalize(images) @ texts.T / tau),
        "a vector's length runs over its features": both(normalize(images, dim=0) @ normalize(texts, dim=0).T / tau),
        "the temperature is missing": both(cosine),
        "divide by the temperature": both(cosine * tau),
        "this is the mean of the right scores alone": -scores.diag().mean(),
        "this is the mean distance of the right pairs": (1 - cosine.diag()).mean(),
        "caption i belongs to image i": (cross_entropy(scores, first) + cross_entropy(scores.T, first)) / 2,
        "take the mean over the batch": b * right,
        "the sign is turned": -right,
        "cross_entropy wants scores": both(scores.softmax(1)),
    }
    loss = student.clip_loss(images, texts, tau)
    expect(loss, right, wrong)
    require(loss.requires_grad, "no gradient passes through your function: detach nothing")
    mine, want = (torch.autograd.grad(value, given, materialize_grads=True) for value in (loss, right))
    still = {"no gradient reaches the temperature": (*want[:2], torch.zeros(()))}
    expect(mine, tuple(want), still, atol=1e-4)
