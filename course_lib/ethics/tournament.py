"""A mark in the choice of tokens, which no single picture shows and which costs no quality.

A token is drawn from p. Draw two instead, look both up in a secret table of zeros and ones, and keep the one with the
one (a coin decides ties). Whoever knows the table will find too many ones. The table is drawn anew for each place,
by hashing a secret key with what stands before it, and over all tables the winner has exactly the distribution p:

    p'(x) = p(x) (1 + g(x) - sum_y p(y) g(y)),        E_g[p'] = p

Several tables, one after the other, are a knockout tournament among 2^layers draws, and need no draws at all:
the formula is applied once a layer. Without a mark, a picture's tokens know nothing of the key, so its ones are coin
tosses: the p-value is that of a binomial distribution, exactly.

That holds for one picture. Pictures under one key that agree in what stands before a place share its table and become
alike there: the shorter the context, the less variety is left, and the fewer places one wrong token spoils.

Dathathri et al. 2024, Scalable Watermarking for Identifying Large Language Model Outputs (SynthID-Text), with two
candidates a match. Our seed holds the place as well as the tokens before it: an image has many alike places, which
would otherwise share one table and toss the same coin again.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.nn.attention import Cache
from course_lib.transformers.prior import drawn
from course_lib.transformers.raster import Raster

CONTEXT = 1  # tokens before the place that enter its seed
LAYERS = 12


def tournament(probability: Float[Tensor, "n k"], tables: Bool[Tensor, "n l k"]) -> Float[Tensor, "n k"]:
    """The winner's distribution (Dathathri et al. 2024, methods, "vectorised" form with two candidates).

    Parameters
    ----------
    probability : Tensor, (N, K)
        The model's, rows that sum to 1.
    tables : Tensor, bool, (N, L, K)
        Who wins in each layer: True beats False.

    Returns
    -------
    Tensor, (N, K)
        Rows that sum to 1; over random tables, their mean is `probability`.

    Examples
    --------
    >>> tournament(torch.tensor([[0.5, 0.5]]), torch.tensor([[[True, False]]]))  # loses only if drawn in neither try
    tensor([[0.7500, 0.2500]])
    """
    if tables.shape[::2] != probability.shape:
        raise ValueError(f"tables must be (N, L, K) for {tuple(probability.shape)}, got {tuple(tables.shape)}")
    for table in tables.to(probability).unbind(1):
        ones = (probability * table).sum(dim=1, keepdim=True)
        probability = probability * (1 + table - ones)
    return probability


def seeds(tokens: Int[Tensor, "n l"], place: int, key: int, context: int = CONTEXT) -> Int[Tensor, " n"]:
    """What each row's tables at a place hang on: the key, the place and the `context` tokens before it."""
    seed = torch.full_like(tokens[:, 0], key ^ _mix(torch.tensor(place)).item())
    for token in tokens[:, max(0, place - context) : place].unbind(1):
        seed = _mix(seed + token + 1)
    return _mix(seed)


def tables(seeds: Int[Tensor, " n"], layers: int, codes: int) -> Bool[Tensor, "n l k"]:
    """The secret tables (N, layers, codes) of given seeds."""
    entries = torch.arange(layers * codes, device=seeds.device).reshape(layers, codes)
    return coins(seeds[:, None, None], entries)


def coins(seeds: Int[Tensor, "..."], entries: Int[Tensor, "..."]) -> Bool[Tensor, "..."]:
    """Entries of tables: to all who do not know the key, fair coins."""
    return _mix(seeds + _mix(entries)) < 0


def _mix(x: Tensor) -> Tensor:
    """A hash of int64 numbers (Steele et al. 2014, SplitMix64): good coins, but no secret; a product takes HMAC."""
    x = x + _signed(0x9E3779B97F4A7C15)
    x = (x ^ _right(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _right(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _right(x, 31)


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >> 63 else constant


def _right(x: Tensor, by: int) -> Tensor:
    return (x >> by) & ((1 << (64 - by)) - 1)  # torch's shift copies the sign


@torch.no_grad()
def sample(
    model: Raster, y: Int[Tensor, " n"], key: int, layers: int = LAYERS, context: int = CONTEXT
) -> Int[Tensor, "n h w"]:
    """Draw marked maps of tokens, one a label: `Raster.sample`, with a tournament at each place.

    Parameters
    ----------
    model : Raster
    y : Tensor, int64, (N,)
    key : int
        The secret.
    layers : int
        Of each tournament; 0 draws without a mark.
    context : int
        Tokens before a place that enter its seed.
    """
    y = model.begin(len(y), y)
    tokens = torch.full((len(y), model.side**2), -1, device=y.device)
    caches, last = [Cache(model.side**2) for _ in model.blocks], model.label(y)
    for place in range(model.side**2):
        probability = model.following(last, place, caches).float().softmax(dim=-1)
        secret = tables(seeds(tokens, place, key, context), layers, model.codes)
        tokens[:, place] = drawn(tournament(probability, secret).log())
        last = model.token(tokens[:, place])
    return tokens.unflatten(1, (model.side, model.side))


def ones(
    tokens: Int[Tensor, "n h w"], key: int, codes: int, layers: int = LAYERS, context: int = CONTEXT
) -> Float[Tensor, "n t"]:
    """Share of ones at each place, 0 to 1: about a half without a mark, more with it.

    Raises
    ------
    ValueError
        If the tokens are not 0..codes-1.
    """
    rows = tokens.flatten(1)
    if rows.min() < 0 or rows.max() >= codes:
        raise ValueError(f"tokens must be in 0..{codes - 1}, got {rows.min()}..{rows.max()}")
    first = codes * torch.arange(layers, device=rows.device)  # entry of each layer's table
    places = [coins(seeds(rows, i, key, context)[:, None], first + rows[:, i, None]) for i in range(rows.shape[1])]
    return torch.stack(places, dim=1).float().mean(dim=2)


def p_value(ones: Float[Tensor, "n t"], layers: int = LAYERS) -> Float[Tensor, " n"]:
    """How often coins would show as many ones: the upper tail of Binomial(places x layers, 1/2), exactly.

    Examples
    --------
    >>> p_value(torch.ones(1, 1), layers=3)
    tensor([0.1250])
    """
    tosses = ones.shape[1] * layers
    seen = (ones * layers).sum(dim=1).round().long()
    log_choose = [math.lgamma(tosses + 1) - math.lgamma(i + 1) - math.lgamma(tosses - i + 1) for i in range(tosses + 1)]
    chance = (torch.tensor(log_choose, dtype=torch.float64) - tosses * math.log(2)).exp()
    tail = chance.flip(0).cumsum(0).flip(0).clamp(max=1)
    return tail[seen.cpu()].float().to(ones.device)
