"""Public points of 04_transformers, continued: pictures and words (see test_transformers.py)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from course_lib.grading.expect import expect, require

task = pytest.mark.task

BOOK, MARK = torch.tensor([[0.0, 0], [1, 2], [3, 4], [5, 6]]), torch.tensor([7.0, 8])
CAPTIONS = torch.tensor([[3, 1, 2], [2, 0, 0], [0, 0, 0]])


@task("word_attention")
def test_marked(student):
    """The mark stands in front of every caption, and is never hidden."""
    words, front = BOOK[CAPTIONS], MARK.expand(3, 1, 2)
    x, shown = torch.cat([front, words], 1), torch.zeros(3, 1, dtype=torch.bool)
    hidden = torch.cat([shown, CAPTIONS == 0], 1)
    wrong = {
        "the mark is missing": (words, CAPTIONS == 0),
        "the mark is missing in `hidden`, which needs 1 + L places": (x, CAPTIONS == 0),
        "the mark stands in front, not at the end": (
            torch.cat([words, front], 1),
            torch.cat([CAPTIONS == 0, shown], 1),
        ),
        "`hidden` is turned: true is padding": (x, ~hidden),
        "`hidden` is turned: true is padding, and the mark is none": (x, torch.cat([shown, CAPTIONS != 0], 1)),
        "the mark is never hidden": (x, torch.cat([~shown, CAPTIONS == 0], 1)),
        "the mark is never hidden, not even for a caption without words": (
            x,
            torch.cat([(CAPTIONS == 0).all(1, keepdim=True), CAPTIONS == 0], 1),
        ),
        "the mark is added to the words: it needs a place of its own": (words + MARK, CAPTIONS == 0),
        "return two things: vectors and `hidden`": x,
    }
    expect(student.marked(CAPTIONS, BOOK, MARK), (x, hidden), wrong)


def reference(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What task `attention` asks for, so that a mistake in it is not punished twice."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
    return weights @ v, weights


# Two captions, two heads, two places: (2, 2, 2, 4). The second caption lacks its last word, and no two heads are alike.
HEADS = torch.tensor([1.0, 2]).view(1, 2, 1, 1)
ASKS = HEADS * torch.tensor([[2.0, 0, 0, 0], [0, 2, 0, 0]]).expand(2, 2, 2, 4)
KEYS = math.log(2) * torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0], [2, 1, 0, 0]]).expand(2, 2, 3, 4)
VALUES = torch.tensor([[7.0, 0, 1, 0], [0, 7, 1, 0], [7, 14, 1, 1]]).expand(2, 2, 3, 4)
PADDING = torch.tensor([[False, False, False], [False, False, True]])


@task("word_attention")
def test_word_attention(student):
    """No place of the picture looks at padding."""
    student.attention = reference
    mask = ~PADDING[:, None, None]
    want = reference(ASKS, KEYS, VALUES, mask)
    _, free = reference(ASKS, KEYS, VALUES)
    scores = ASKS @ KEYS.mT / 2
    to_words = scores.masked_fill(~mask, -math.inf)
    wrong = {
        "padding is looked at": reference(ASKS, KEYS, VALUES),
        "`hidden` is true where one may not look: turn it for the mask": (
            torch.where(PADDING.any(1)[:, None, None, None], VALUES[:, :, 2:], torch.nan).expand(2, 2, 2, 4),
            torch.where(PADDING.any(1)[:, None, None, None], PADDING[:, None, None].float(), torch.nan).expand(
                2, 2, 2, 3
            ),
        ),
        "(B, M) became a mask of places: it needs axes for heads and places, (B, 1, 1, M)": (
            reference(ASKS, KEYS, VALUES, ~PADDING)
        ),
        "(B, 1, M) became a mask of heads: it needs axes for heads and places, (B, 1, 1, M)": (
            reference(ASKS, KEYS, VALUES, ~PADDING[:, None])
        ),
        "keys of 0 are looked at as well, e^0 = 1: hide them by the mask": (reference(ASKS, KEYS * mask.mT, VALUES)),
        "values of 0 leave weights that do not sum to 1 over the words: hide by the mask": (
            free @ (VALUES * mask.mT),
            free,
        ),
        "the weights of each place sum to 1: the softmax runs over the words": (
            to_words.softmax(2) @ VALUES,
            to_words.softmax(2),
        ),
        "return two things, as `attention`": want[0],
    }
    expect(student.word_attention(ASKS, KEYS, VALUES, PADDING), want, wrong)


@task("word_attention")
def test_word_attention_of_no_words(student):
    """Where there is no word, all look at the mark."""
    student.attention = reference
    hidden = torch.tensor([[False, True, True], [False, True, True]])
    out, weights = student.word_attention(ASKS, KEYS, VALUES, hidden)
    only = torch.tensor([1.0, 0, 0]).expand(2, 2, 2, 3)
    require(isinstance(weights, Tensor), "return two things, as `attention`")
    expect((out, weights), (VALUES[:, :, :1].expand(2, 2, 2, 4), only))


# Three images and three captions, as angles and lengths.
IMAGES = torch.tensor([[3.0, 0], [0, 2], [-1, 1]])
TEXTS = torch.tensor([[4.0, 3], [0.3, 0.4], [-2, 0]])
TAU = torch.tensor(0.5)


def found(scores: Tensor) -> Tensor:
    """How badly each row finds its own column."""
    return cross_entropy(scores, torch.arange(len(scores)))


def both_ways(scores: Tensor) -> Tensor:
    return (found(scores) + found(scores.T)) / 2


@task("clip_loss")
def test_clip_loss_value(student):
    """Half of what images pay to find their captions, and half of what captions pay to find their images."""
    cosine = normalize(IMAGES) @ normalize(TEXTS).T
    scores = cosine / TAU
    wrong = {
        "only images look for their captions: add the other direction": found(scores),
        "only captions look for their images: add the other direction": found(scores.T),
        "take half of each direction": found(scores) + found(scores.T),
        "the vectors must have length 1: cosines do not grow with length": both_ways(IMAGES @ TEXTS.T / TAU),
        "the images must have length 1 too": both_ways(IMAGES @ normalize(TEXTS).T / TAU),
        "the captions must have length 1 too": both_ways(normalize(IMAGES) @ TEXTS.T / TAU),
        "a vector's length runs over its features, axis 1, not over the batch": (
            both_ways(normalize(IMAGES, dim=0) @ normalize(TEXTS, dim=0).T / TAU)
        ),
        "the temperature is missing": both_ways(cosine),
        "divide by the temperature instead of multiplying": both_ways(cosine * TAU),
        "this is the mean of the right scores alone: the others must be pushed away": -scores.diag().mean(),
        "this is the mean distance of the right pairs: the others must be pushed away": (1 - cosine.diag()).mean(),
        "caption i belongs to image i: the right answers are 0, 1, 2, ...": (
            (cross_entropy(scores, torch.zeros(3).long()) + cross_entropy(scores.T, torch.zeros(3).long())) / 2
        ),
        "take the mean over the batch, not the sum": 3 * both_ways(scores),
        "the sign is turned": -both_ways(scores),
        "cross_entropy wants scores: it takes the softmax itself": both_ways(scores.softmax(1)),
    }
    expect(student.clip_loss(IMAGES, TEXTS, TAU), both_ways(scores), wrong)


@task("clip_loss")
def test_clip_loss_gradients(student):
    """Gradients turn the vectors and do not stretch them; the temperature has its own."""
    images, captions, tau = (part.clone().requires_grad_() for part in (IMAGES, TEXTS, TAU))
    loss = student.clip_loss(images, captions, tau)
    require(loss.requires_grad, "no gradient passes through your function: detach nothing")
    slopes = torch.autograd.grad(loss, (images, captions, tau), materialize_grads=True)
    along = torch.stack([(slope * part).sum(1) for slope, part in zip(slopes, (IMAGES, TEXTS))])
    expect(along, torch.zeros(2, 3), {}, atol=1e-5)
    require(
        all(float(slope.abs().max()) > 1e-3 for slope in slopes), "images, captions and temperature need a gradient"
    )
