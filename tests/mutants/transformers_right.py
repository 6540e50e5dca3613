"""Right answers to the exercises of 04_transformers that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is a part of something larger there is in
`METHODS`, and compared in tests/library/test_transformers_exercises.py.
"""
# ruff: noqa: F811  (several answers to one task have one name)

import math

import torch
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy, embedding, nll_loss, scaled_dot_product_attention

from course_lib.nn import attention as attentions
from course_lib.transformers import maskgit, positions

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("attention")
def attention(q, k, v, mask=None):
    """Torch's own attention; its weights are what it makes of values that are one-hot."""
    own = torch.eye(k.shape[-2]).expand(*k.shape[:-1], -1)
    return scaled_dot_product_attention(q, k, v, mask), scaled_dot_product_attention(q, k, own, mask)


@right("attention")
def attention(q, k, v, mask=None):
    """Without infinities: masses of what may be seen, over their sum."""
    scores = torch.einsum("...ld,...md->...lm", q, k) * q.shape[-1] ** -0.5
    seen = torch.ones_like(scores) if mask is None else mask.expand(scores.shape).float()
    mass = torch.exp(scores - scores.detach().amax(-1, keepdim=True)) * seen
    weights = mass / mass.sum(-1, keepdim=True)
    return torch.einsum("...lm,...me->...le", weights, v), weights


@right("attention")
def attention(q, k, v, mask=None):
    scores = torch.matmul(q / math.sqrt(k.size(-1)), k.transpose(-2, -1))
    if mask is not None:
        scores = torch.where(mask, scores, torch.tensor(-1e9))
    weights = torch.softmax(scores, dim=-1)
    return torch.matmul(weights, v), weights


@right("heads")
def split_heads(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


@right("heads")
def split_heads(x, heads):
    b, length, width = x.shape
    return x.reshape(b, length, heads, width // heads).permute(0, 2, 1, 3)


@right("heads")
def merge_heads(x):
    return torch.cat([x[:, head] for head in range(x.shape[1])], dim=-1)


@right("grid_positions")
def grid_positions(rows, columns, width):
    n = width // 4
    waves = torch.exp(torch.arange(n) * -(math.log(10000.0) / n))
    r, c = torch.outer(rows.float(), waves), torch.outer(columns.float(), waves)
    return torch.hstack([torch.cos(r), torch.sin(r), torch.cos(c), torch.sin(c)])


@right("grid_positions")
def grid_positions(rows, columns, width):
    """In float64, number by number."""
    n = width // 4
    turns = [1 / 10000 ** (j / n) for j in range(n)]
    return torch.tensor(
        [
            [f(p * turn) for p in pair for f in (math.cos, math.sin) for turn in turns]
            for pair in zip(rows.tolist(), columns.tolist())
        ]
    )


@right("next_token_loss")
def next_token_loss(decoder, tokens, start):
    """The start and all tokens in, and what the last place says dropped."""
    logits = decoder(torch.cat([start.unsqueeze(1), tokens], dim=1))[:, :-1]
    return cross_entropy(logits.mT, tokens)


@right("next_token_loss")
def next_token_loss(decoder, tokens, start):
    before = tokens.roll(1, dims=1)
    before[:, 0] = start
    log_p = decoder(before).log_softmax(dim=-1)
    return nll_loss(log_p.permute(0, 2, 1), tokens)


@right("cached_attention")
def cached_attention(q, k, v, keys, values):
    keys, values = torch.cat((keys, k), dim=-2), torch.cat((values, v), dim=-2)
    return scaled_dot_product_attention(q, keys, values), keys, values


@right("cached_attention")
def cached_attention(q, k, v, keys, values):
    """A sum over what is kept, and one over what is new."""
    root = q.shape[-1] ** 0.5
    old, new = ((q * keys).sum(-1, keepdim=True) / root).exp(), ((q * k).sum(-1, keepdim=True) / root).exp()
    total = old.sum(2, keepdim=True) + new
    out = ((old * values).sum(2, keepdim=True) + new * v) / total
    return out, torch.cat([keys, k], 2), torch.cat([values, v], 2)


@right("draw_token")
def draw_token(logits, noise, temperature, top):
    best, number = logits.topk(top, dim=-1)
    won = (best + temperature * noise.gather(-1, number)).argmax(-1, keepdim=True)
    return number.gather(-1, won).squeeze(-1)


@right("draw_token")
def draw_token(logits, noise, temperature, top):
    """From the softmax of logits / temperature, with a case of its own for 0."""
    if temperature == 0:
        return logits.max(dim=-1).indices
    rank = logits.argsort(dim=-1, descending=True).argsort(dim=-1)
    log_p = torch.log_softmax((logits / temperature).masked_fill(rank >= top, -torch.inf), dim=-1)
    return torch.argmax(log_p + noise, dim=-1)


@right("maskgit")
def mask_schedule(done, places):
    return int(places * math.sin(math.pi / 2 * (1 - done)))


@right("maskgit")
def rehide(logits, tokens, hidden, count):
    """By ranks of probabilities; what is known has more than any."""
    p = torch.softmax(logits, dim=-1)
    own = (p * torch.nn.functional.one_hot(tokens, p.shape[-1])).sum(-1)
    own = torch.where(hidden, own, 2.0)
    return own.argsort(dim=1).argsort(dim=1) < count


@right("maskgit")
def rehide(logits, tokens, hidden, count):
    """Image by image."""
    rows = []
    for logit, token, was in zip(logits, tokens, hidden):
        cost = cross_entropy(logit, token, reduction="none")  # the surer, the less
        worst = torch.where(was, cost, -1.0).topk(count).indices
        row = torch.zeros(len(token), dtype=torch.bool)
        row[worst] = True
        rows.append(row)
    return torch.stack(rows)


@right("scale_mask")
def scale_mask(sides):
    """Row by row: a place sees all up to the end of its own scale."""
    ends = (sides**2).cumsum(0).tolist()
    rows = [[j < end for j in range(ends[-1])] for side, end in zip(sides.tolist(), ends) for _ in range(side**2)]
    return torch.tensor(rows)


@right("scale_mask")
def scale_mask(sides):
    blocks = [torch.ones(int(side) ** 2, int(side) ** 2) for side in sides]
    own = torch.block_diag(*blocks).bool()
    return own | torch.ones_like(own).tril()


@right("ada_ln")
def modulate(x, gain, bias):
    scale, shift = (1 + gain).unsqueeze(1), bias.unsqueeze(1)
    return torch.addcmul(shift, nn.LayerNorm(x.shape[-1], eps=1e-6, elementwise_affine=False)(x), scale)


@right("ada_ln")
def ada_ln(x, branch, gain, bias, gate):
    normed = nn.functional.layer_norm(x, (x.shape[2],))
    change = branch(normed + torch.einsum("bld,bd->bld", normed, gain) + bias.unsqueeze(1))
    return torch.addcmul(x, gate.unsqueeze(1).expand_as(x), change)


@right("word_attention")
def marked(tokens, book, mark):
    b, length = tokens.shape
    x = torch.empty(b, 1 + length, len(mark))
    x[:, 0], x[:, 1:] = mark, embedding(tokens, book)
    hidden = torch.zeros(b, 1 + length, dtype=torch.bool)
    hidden[:, 1:] = tokens == 0
    return x, hidden


@right("word_attention")
def marked(tokens, book, mark):
    """The mark as the first row of a longer book; padding as nothing."""
    numbers = nn.functional.pad(tokens + 1, (1, 0))
    x = torch.cat([mark[None], book])[numbers] * (numbers != 1)[..., None]
    return x, numbers == 1


@right("word_attention")
def word_attention(q, k, v, hidden):
    """Caption by caption, without its padding."""
    outs, all_weights = [], []
    for one_q, one_k, one_v, padding in zip(q, k, v, hidden):
        words = (~padding).nonzero()[:, 0]
        weights = (one_q @ one_k[:, words].mT / math.sqrt(q.shape[-1])).softmax(-1)
        outs.append(weights @ one_v[:, words])
        all_weights.append(torch.zeros(*one_q.shape[:2], len(padding)).index_add(2, words, weights))
    return torch.stack(outs), torch.stack(all_weights)


@right("clip_loss")
def clip_loss(images, captions, temperature):
    scores = cosine_similarity(images[:, None], captions[None], dim=2) / temperature
    own = scores.diagonal()
    return ((scores.logsumexp(0) - own) + (scores.logsumexp(1) - own)).mean() / 2


@right("clip_loss")
def clip_loss(images, captions, temperature):
    a, b = (part / part.norm(dim=1, keepdim=True) for part in (images, captions))
    log_p = [torch.log_softmax(s, dim=1).diag() for s in (a @ b.T / temperature, b @ a.T / temperature)]
    return -torch.cat(log_p).mean()


def _grid_positions(rows, columns, width):
    height, across = int(rows.max()) + 1, int(columns.max()) + 1
    return positions.grid(height, across, width)[rows * across + columns]


def _rehide(logits, tokens, hidden, count):
    sure = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    return maskgit.least_sure(sure.masked_fill(~hidden, math.inf), count)


def _cached_attention(q, k, v, keys, values):
    cache = attentions.Cache(keys.shape[2] + 1)
    if keys.shape[2]:
        cache.extended(keys, values)
    keys, values = cache.extended(k, v)
    return attentions.attention(q, keys, values)[0], keys.clone(), values.clone()


LIBRARY = {
    "attention": attentions.attention,
    "grid_positions": _grid_positions,
    "cached_attention": _cached_attention,
    "mask_schedule": maskgit.masked,
    "rehide": _rehide,
}

METHODS = (
    "split_heads",
    "merge_heads",
    "next_token_loss",
    "draw_token",
    "scale_mask",
    "modulate",
    "ada_ln",
    "marked",
    "word_attention",
    "clip_loss",
)
