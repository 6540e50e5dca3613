"""Public points of 04_transformers, continued: one token after the other (see test_transformers.py)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.grading.expect import expect, require

task = pytest.mark.task

TOKENS, START = torch.tensor([[0, 1, 2], [2, 2, 1]]), torch.tensor([3, 4])
TABLE = torch.tensor([[1.0, 3, -1], [2, 0, 5], [-2, 1, 1], [0, 4, 2], [3, -3, 0]])  # what each input says of the tokens


def decoder(before: Tensor) -> Tensor:
    """Logits of a place: the sum of what all inputs up to it say."""
    return TABLE[before].cumsum(1)


def nats(logits: Tensor, tokens: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, 1), tokens.flatten())


@task("next_token_loss")
def test_next_token_loss_value(student):
    """Each token is predicted from the start and the tokens before it."""
    late = torch.cat([TOKENS[:, 1:], START[:, None]], dim=1)
    logits = decoder(torch.cat([START[:, None], TOKENS[:, :-1]], dim=1))
    want, own = nats(logits, TOKENS), logits.softmax(-1).gather(-1, TOKENS[..., None])
    wrong = {
        "place i has seen token i, which it should say: shift the inputs by one": nats(decoder(TOKENS), TOKENS),
        "place i has seen token i: with the start in front, the last logits are to be dropped, not the first": (
            nats(decoder(torch.cat([START[:, None], TOKENS], dim=1))[:, 1:], TOKENS)
        ),
        "the first token must be predicted too: put the start in front": nats(decoder(TOKENS)[:, :-1], TOKENS[:, 1:]),
        "the first token must be predicted too, from the start": nats(logits[:, 1:], TOKENS[:, 1:]),
        "the inputs are shifted the wrong way: the start stands in front": nats(decoder(late), TOKENS),
        "only the last token is predicted: take the mean over all": cross_entropy(logits[:, -1], TOKENS[:, -1]),
        "take the mean over all tokens, not their sum": 6 * want,
        "take the mean over the tokens as well as over the images": 3 * want,
        "classes are on axis 2 of the logits: flatten places, or exchange axes 1 and 2": cross_entropy(logits, TOKENS),
        "the sign is turned": -want,
        "take the logarithm of the probability": -own.mean(),
        "cross_entropy wants logits: it takes the softmax itself": nats(logits.softmax(-1), TOKENS),
    }
    expect(student.next_token_loss(decoder, TOKENS, START), want, wrong)


@task("next_token_loss")
def test_next_token_loss_is_blind_to_the_last_token(student):
    """A decoder that copies its input must not do well."""
    loss = student.next_token_loss(lambda before: 20 * torch.eye(5)[before], torch.tensor([[0, 1, 2, 3]]), START[1:])
    expect(loss, torch.tensor(20.0), {"place i has seen token i, which it should say": torch.tensor(0.0)}, atol=1e-3)


# Keys and values of two places, and a third one: (B, heads, places, d) = (1, 1, 2, 4) and (1, 1, 1, 4).
KEYS, VALUES = torch.zeros(2, 1, 1, 2, 4)
KEYS[0, 0, :, 0] = torch.tensor([1.0, 3]) * math.log(2)
VALUES[0, 0] = torch.tensor([[11.0, 0, 0, 0], [0, 11, 0, 0]])
ASK, KEY = torch.tensor([2.0, 0, 0, 0]).view(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)
VALUE = torch.tensor([0.0, 0, 11, 0]).view(1, 1, 1, 4)


def reference(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What task `attention` asks for, so that a mistake in it is not punished twice."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
    return weights @ v, weights


@task("cached_attention")
def test_cached_attention_values(student):
    """The new place looks at all that is kept, and at itself; weights are 2, 8 and 1 parts of 11."""
    student.attention = reference
    keys, values = torch.cat([KEYS, KEY], 2), torch.cat([VALUES, VALUE], 2)
    out = torch.tensor([2.0, 8, 1, 0]).view(1, 1, 1, 4)
    wrong = {
        "the new place must look at itself too: add its key and value first": (
            torch.tensor([2.2, 8.8, 0, 0]).view(1, 1, 1, 4),
            keys,
            values,
        ),
        "this place sees the first one only: all that is kept is earlier, so no mask is needed": (
            VALUES[:, :, :1],
            keys,
            values,
        ),
        "the new place looks at itself only: the kept ones are missing": (VALUE, keys, values),
        "the new place stands behind those that are kept, not in front": (
            out,
            torch.cat([KEY, KEYS], 2),
            torch.cat([VALUE, VALUES], 2),
        ),
        "what is returned must hold the new key and value": (out, KEYS, VALUES),
        "return all keys and values, not only the new ones": (out, KEY, VALUE),
        "keys come first, then values": (out, values, keys),
        "return what the place gets, then all keys, then all values": out,
    }
    expect(student.cached_attention(ASK, KEY, VALUE, KEYS, VALUES), (out, keys, values), wrong)


@task("cached_attention")
def test_cached_attention_from_the_first_place(student):
    """Place by place, beginning with nothing, it gives what one pass under a causal mask gives."""
    student.attention = reference
    x = torch.linspace(-2, 2, 48).sin().view(2, 2, 4, 3)  # two images, two heads, four places
    q, k, v = x, x.flip(2), x.roll(1, 3)
    want, _ = reference(q, k, v, torch.ones(4, 4, dtype=torch.bool).tril())
    keys, values = k[:, :, :0], v[:, :, :0]
    for i in range(4):
        new = (part[:, :, i : i + 1] for part in (q, k, v))
        out, keys, values = student.cached_attention(*new, keys, values)
        expect(out, want[:, :, i : i + 1])
    expect((keys, values), (k, v))


LOGITS = 2 * torch.arange(200.0).mul(7).sin().view(40, 5)
NOISE = 3 * torch.arange(200.0).mul(11).cos().view(40, 5)


@task("draw_token")
def test_draw_token_values(student):
    """The largest of logit + temperature * noise among the three likeliest tokens."""
    temperature, best = 0.5, LOGITS >= LOGITS.topk(3).values[:, -1:]
    mixed = LOGITS + temperature * NOISE

    def among(values: Tensor, where: Tensor = best) -> Tensor:
        return values.masked_fill(~where, -math.inf).argmax(1)

    want, order = among(mixed), LOGITS.topk(3)
    wrong = {
        "the noise is missing: add temperature * noise": LOGITS.argmax(1),
        "all tokens are in the race: only the `top` likeliest may be drawn": mixed.argmax(1),
        "all tokens are in the race, and the temperature is missing": (LOGITS + NOISE).argmax(1),
        "the temperature is missing: it multiplies the noise": among(LOGITS + NOISE),
        "the temperature multiplies the noise, or divides the logits, not the other way round": (
            among(LOGITS + NOISE / temperature)
        ),
        "the noise is added, not subtracted": among(LOGITS - temperature * NOISE),
        "the noise alone decides: add the logits": among(NOISE),
        "noise is added to logits, not to probabilities": among(LOGITS.softmax(1) + temperature * NOISE),
        "these are the least likely tokens: take the largest logits": among(mixed, ~best),
        "this is a place among the largest, not the token's number": (
            (order.values + temperature * NOISE.gather(1, order.indices)).argmax(1)
        ),
        "each token has its own noise: take that of the tokens that are left": (
            order.indices.gather(1, (order.values + temperature * NOISE[:, :3]).argmax(1, keepdim=True))[:, 0]
        ),
        "return the token's number, not its logit": mixed.masked_fill(~best, -math.inf).amax(1),
    }
    expect(student.draw_token(LOGITS, NOISE, temperature, 3), want, wrong)


@task("draw_token")
def test_draw_token_at_zero(student):
    """At temperature 0 it is the likeliest token, whatever the noise."""
    wrong = {"at temperature 0 a division gives infinities: multiply the noise instead": (LOGITS / 0.0).argmax(1)}
    expect(student.draw_token(LOGITS, NOISE, 0.0, 5), LOGITS.argmax(1), wrong)


@task("draw_token")
def test_draw_token_uses_the_noise(student):
    """Randomness comes from the noise that is given, and tokens have the shape of the rows."""
    logits, noise = torch.zeros(5, 40, 8) + torch.arange(8) / 100, torch.arange(1600.0).mul(7).sin().view(5, 40, 8)
    got, again = (student.draw_token(logits, noise, 1.0, 8) for _ in range(2))
    same = isinstance(got, Tensor) and isinstance(again, Tensor) and torch.equal(got, again)
    require(same, "the same noise gave another token: use the noise that was given instead of drawing your own")
    expect(got, (logits + noise).argmax(2))
