"""Hidden points of 04_transformers, continued: one token after the other (see test_transformers.py).

Logits of which the largest is asked for are drawn where no rounding can change the answer: the runner-up is less by
0.01 at least.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def whole(rng: torch.Generator, below: int, *shape: int) -> Tensor:
    return torch.randint(below, shape, generator=rng, device="cpu")


@task("next_token_loss")
@pytest.mark.parametrize(("b", "places", "codes"), [(4, 4, 4), (3, 5, 7)], ids=["cube", "oblong"])
def test_next_token_loss(student, rng, b, places, codes):
    """A random decoder on random tokens: value and gradients."""
    table = (1.5 * normal(rng, codes + 3, codes)).requires_grad_()
    tokens, start = whole(rng, codes, b, places), codes + whole(rng, 3, b)

    def decoder(before: Tensor) -> Tensor:
        return table[before].cumsum(1) / torch.arange(1, before.shape[1] + 1)[:, None].sqrt()

    def nats(logits: Tensor, targets: Tensor = tokens) -> Tensor:
        return -(logits.log_softmax(-1) * one_hot(targets, codes)).sum(-1).mean()

    logits = decoder(torch.cat([start[:, None], tokens[:, :-1]], dim=1))
    right = nats(logits)
    wrong = {
        "place i has seen token i: shift the inputs by one": nats(decoder(tokens)),
        "the last logits are to be dropped, not the first": nats(
            decoder(torch.cat([start[:, None], tokens], 1))[:, 1:]
        ),
        "the first token must be predicted too: put the start in front": nats(decoder(tokens)[:, :-1], tokens[:, 1:]),
        "the first token must be predicted too": nats(logits[:, 1:], tokens[:, 1:]),
        "the inputs are shifted the wrong way": nats(decoder(torch.cat([tokens[:, 1:], start[:, None]], 1))),
        "the tokens stand backwards": nats(decoder(torch.cat([start[:, None], tokens.flip(1)[:, :-1]], 1))),
        "only the last token is predicted": nats(logits[:, -1:], tokens[:, -1:]),
        "take the mean over all tokens, not their sum": b * places * right,
        "take the mean over the tokens as well": places * right,
        "a view mixes places and classes": cross_entropy(logits.reshape(b, codes, places), tokens),
        "the sign is turned": -right,
        "take the logarithm": -(logits.softmax(-1) * one_hot(tokens, codes)).sum(-1).mean(),
        "cross_entropy wants logits": nats(logits.softmax(-1)),
    }
    if codes == places:
        wrong["classes are on axis 2 of the logits"] = cross_entropy(logits, tokens)
    loss = student.next_token_loss(decoder, tokens, start)
    expect(loss, right, wrong)
    require(loss.requires_grad, "no gradient passes through your function: detach nothing")
    slopes = [torch.autograd.grad(value, table, materialize_grads=True)[0] for value in (loss, right)]
    expect(*slopes)


def reference(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What task `attention` asks for, so that a mistake in it is not punished twice."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
    return weights @ v, weights


@task("cached_attention")
@pytest.mark.parametrize(("b", "heads", "kept", "d"), [(4, 4, 4, 4), (2, 3, 5, 6), (2, 3, 1, 4)])
def test_cached_attention(student, rng, b, heads, kept, d):
    """Random keys and values of random numbers of places."""
    student.attention = reference
    q, k, v = (1.5 * normal(rng, b, heads, 1, d) for _ in range(3))
    keys, values = (1.5 * normal(rng, b, heads, kept, d) for _ in range(2))
    longer = torch.cat([keys, k], 2), torch.cat([values, v], 2)
    mass = ((q * longer[0]).sum(-1, keepdim=True) / math.sqrt(d)).exp()
    right = ((mass * longer[1]).sum(2, keepdim=True) / mass.sum(2, keepdim=True), *longer)
    new_first = torch.cat([k, keys], 2), torch.cat([v, values], 2)
    wrong = {
        "the new place must look at itself too": (reference(q, keys, values)[0], *longer),
        "this place sees the first one only": (values[:, :, :1], *longer),
        "the new place looks at itself only": (v, *longer),
        "the new place stands behind those that are kept": (right[0], *new_first),
        "what is returned must hold the new key and value": (right[0], keys, values),
        "return all keys and values": (right[0], k, v),
        "the new place must look at itself too, and be kept": (reference(q, keys, values)[0], keys, values),
        "keys come first, then values": (right[0], longer[1], longer[0]),
        "return what the place gets, then all keys, then all values": right[0],
    }
    expect(student.cached_attention(q, k, v, keys, values), right, wrong)


@task("cached_attention")
def test_cached_attention_gradients(student, rng):
    """Gradients reach the new place and all that is kept, as through an attention to them all."""
    q, k, v = (1.5 * normal(rng, 2, 3, 1, 4) for _ in range(3))
    keys, values = (1.5 * normal(rng, 2, 3, 5, 4) for _ in range(2))
    given = [part.requires_grad_() for part in (q, k, v, keys, values)]
    longer = torch.cat([keys, k], 2), torch.cat([values, v], 2)
    right = student.attention(q, *longer)[0], *longer  # its own: what is wrong with that is told in its task
    got = student.cached_attention(q, k, v, keys, values)
    weights = [normal(rng, *part.shape) for part in (v, *longer)]
    require(all(part.requires_grad for part in got), "no gradient passes through your function: detach nothing")
    sums = [sum((part * weight).sum() for part, weight in zip(parts, weights)) for parts in (got, right)]
    mine, want = (torch.autograd.grad(total, given, materialize_grads=True) for total in sums)
    expect(mine, tuple(want), atol=1e-4)


@task("cached_attention")
def test_cached_attention_in_a_row(student, rng):
    """Place by place as one pass under a causal mask."""
    student.attention = reference
    q, k, v = (1.5 * normal(rng, 2, 3, 6, 4) for _ in range(3))
    want, _ = reference(q, k, v, torch.ones(6, 6, dtype=torch.bool).tril())
    keys, values, found = k[:, :, :0], v[:, :, :0], []
    for i in range(6):
        out, keys, values = student.cached_attention(*(part[:, :, [i]] for part in (q, k, v)), keys, values)
        found.append(out)
    expect(tuple(found), tuple(want.split(1, dim=2)))
    expect((keys, values), (k, v))


def clear(values: Tensor, apart: float = 0.01) -> Tensor:
    """Which rows have a largest number that no rounding can change."""
    best = values.topk(2, dim=1).values
    return best[:, 0] - best[:, 1] > apart


@task("draw_token")
@pytest.mark.parametrize(
    ("rows", "codes", "top"), [(32, 16, 3), (40, 9, 4), (40, 9, 9)], ids=["square", "oblong", "all"]
)
def test_draw_token(student, rng, rows, codes, top):
    """Random logits, noise and temperatures."""
    logits, temperature = 2 * normal(rng, 8 * rows, codes), float(between(rng, 0.3, 0.6))
    noise = -between(rng, 1e-6, 1 - 1e-6, 8 * rows, codes).log().neg().log()
    bound = logits.topk(top).values[:, -1:] if top < codes else logits.amin(1, keepdim=True)
    racing = logits >= bound

    def among(values: Tensor, where: Tensor | None = None) -> Tensor:
        return values.masked_fill(~(racing[kept] if where is None else where), -math.inf).argmax(1)

    kept = clear((logits + temperature * noise).masked_fill(~racing, -math.inf))
    if top < codes:
        kept &= (logits.sort(1).values[:, -top] - logits.sort(1).values[:, -top - 1]) > 0.01
    kept = kept.nonzero()[:rows, 0]
    logits, noise = logits[kept], noise[kept]
    mixed, order = logits + temperature * noise, logits.topk(top)
    wrong = {
        "the noise is missing": logits.argmax(1),
        "only the `top` likeliest may be drawn": mixed.argmax(1),
        "the temperature is missing": among(logits + noise),
        "the temperature multiplies the noise, not the logits": among(logits + noise / temperature),
        "the noise is added, not subtracted": among(logits - temperature * noise),
        "the noise alone decides": among(noise),
        "noise is added to logits, not to probabilities": among(logits.softmax(1) + temperature * noise),
        "these are the least likely tokens": among(mixed, logits <= logits.topk(top, largest=False).values[:, -1:]),
        "this is a place among the largest, not the token's number": (
            (order.values + temperature * noise.gather(1, order.indices)).argmax(1)
        ),
        "each token has its own noise": (
            order.indices.gather(1, (order.values + temperature * noise[:, :top]).argmax(1, keepdim=True))[:, 0]
        ),
    }
    shaped = [part.view(2, -1, codes) for part in (logits, noise)]
    want = among(mixed).view(2, -1)
    expect(student.draw_token(*shaped, temperature, top), want, {hint: wrong[hint].view(2, -1) for hint in wrong})
    expect(
        student.draw_token(logits, noise, 0.0, top), logits.argmax(1), {"at temperature 0 it is the likeliest": mixed}
    )
