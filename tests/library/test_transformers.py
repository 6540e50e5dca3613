"""Attention, positions and blocks: equal to PyTorch's, blind to order, causal, and the same with a cache."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.nn.attention import Cache, MultiHead, attention, causal
from course_lib.transformers.blocks import Block, ConditionalBlock, Cross, Mlp
from course_lib.transformers.positions import grid, line


def some_mask(*shape: int) -> torch.Tensor:
    """Random, but each place may look somewhere."""
    mask = torch.rand(shape) < 0.5
    mask[..., 0] = True
    return mask


@pytest.mark.parametrize("mask", [None, some_mask(5, 7), some_mask(3, 1, 5, 7), some_mask(3, 1, 1, 7)])
def test_attention_is_pytorch_s(mask):
    q, k, v = torch.randn(3, 2, 5, 8), torch.randn(3, 2, 7, 8), torch.randn(3, 2, 7, 6)
    out, weights = attention(q, k, v, mask)
    assert torch.allclose(out, scaled_dot_product_attention(q, k, v, attn_mask=mask), atol=1e-6)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 2, 5), atol=1e-6)
    assert torch.allclose(weights @ v, out)
    if mask is not None:
        assert not weights[~mask.expand_as(weights)].any()  # exactly 0


def test_attention_in_double_precision_is_pytorch_s_gradients_included():
    q, k, v = torch.randn(3, 2, 5, 8, dtype=torch.float64).requires_grad_().unbind(0)
    ours, theirs = attention(q, k, v)[0], scaled_dot_product_attention(q, k, v)
    by = torch.randn_like(ours)
    for a, b in zip(torch.autograd.grad(ours, (q, k, v), by), torch.autograd.grad(theirs, (q, k, v), by)):
        assert torch.allclose(a, b, atol=1e-12)


def test_large_scores_do_not_overflow():
    out, weights = attention(1e4 * torch.ones(1, 4), 1e4 * torch.eye(4)[:2] + 1, torch.tensor([[1.0], [3.0]]))
    assert torch.equal(weights, torch.tensor([[0.5, 0.5]]))
    assert out.item() == 2


@pytest.mark.parametrize("width", [4, 64, 1024])
def test_scores_of_random_vectors_have_variance_one_whatever_the_width(width):
    """Read off the weights: log a_ij is the score but for a constant a row."""
    q, k = torch.randn(300, width).double(), torch.randn(300, width).double()
    scores = attention(q, k, torch.zeros(300, 1).double())[1].log()
    assert scores.var(dim=1).mean().item() == pytest.approx(
        1, abs=0.08
    )  # six standard errors at width 4: 0.24 / 300^.5


def test_multi_head_attention_is_pytorch_s_with_the_same_weights():
    ours, theirs = MultiHead(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, mask = torch.randn(2, 6, 16), causal(6)
    ours.seen = []
    expected, weights = theirs(x, x, x, attn_mask=~mask, average_attn_weights=False)  # theirs is True where hidden
    assert torch.allclose(ours(x, mask=mask), expected, atol=1e-6)
    assert torch.allclose(ours.seen[0], weights, atol=1e-6)


def test_cross_attention_is_pytorch_s_with_the_same_weights():
    ours, theirs = MultiHead(16, 2, context=10), nn.MultiheadAttention(16, 2, batch_first=True, kdim=10, vdim=10)
    with torch.no_grad():
        for weight, known in zip(
            (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight),
            (ours.q.weight, *ours.kv.weight.chunk(2)),
        ):
            weight.copy_(known)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, words, hidden = (
        torch.randn(2, 6, 16),
        torch.randn(2, 5, 10),
        torch.tensor([[False] * 5, [False] * 3 + [True] * 2]),
    )
    expected, _ = theirs(x, words, words, key_padding_mask=hidden)
    assert torch.allclose(ours(x, words, ~hidden[:, None, None]), expected, atol=1e-6)


def test_what_is_seen_is_kept_only_when_asked_for():
    layer, x = MultiHead(8, 2), torch.randn(1, 3, 8)
    layer(x)
    assert layer.seen is None
    layer.seen = []
    layer(x)
    layer(x)
    assert [w.shape for w in layer.seen] == [(1, 2, 3, 3)] * 2
    assert not layer.seen[0].requires_grad


@pytest.mark.parametrize("mask", [None, causal(7), torch.tensor([True] * 4 + [False] * 3)[None, None, None]])
def test_to_be_watched_changes_nothing(mask):
    """The formula, which keeps its weights, and PyTorch's kernel, which does not, agree; gradients too."""
    layer, x, by = MultiHead(16, 4), torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    found = []
    for layer.seen in (None, []):
        inputs = x.clone().requires_grad_()
        out = layer(inputs, mask=mask)
        found.append([out, *torch.autograd.grad(out, [inputs, *layer.parameters()], by)])
    assert [w.shape for w in layer.seen] == [(2, 4, 7, 7)]
    for fused, written in zip(*found):
        assert torch.allclose(fused, written, atol=1e-5)


@pytest.mark.parametrize("layer", [MultiHead(16, 4), Block(16, 4)])
def test_attention_does_not_know_the_order(layer):
    x, order = torch.randn(2, 9, 16), torch.randperm(9)
    assert torch.allclose(layer(x[:, order]), layer(x)[:, order], atol=1e-6)


def test_positions_tell_the_order():
    layer, x, order, places = Block(16, 4), torch.randn(2, 9, 16), torch.arange(9).flip(0), grid(3, 3, 16)
    assert (layer(x[:, order] + places) - layer(x + places)[:, order]).abs().max() > 0.1


def test_a_causal_block_sees_nothing_that_comes_later():
    block, x = Block(16, 2), torch.randn(1, 6, 16, requires_grad=True)
    out = block(x, causal(6))
    for place in range(6):
        (slope,) = torch.autograd.grad(out[0, place].sum(), x, retain_graph=True)
        assert slope[0, place].abs().sum() > 0
        assert not slope[0, place + 1 :].any()  # exactly 0
        assert place == 0 or slope[0, :place].any(dim=1).all()


def test_a_cache_gives_what_the_whole_pass_gives():
    block, x, cache = Block(16, 4), torch.randn(3, 7, 16), Cache(7)
    with torch.no_grad():
        parts = [block(part, cache=cache) for part in x.split(1, dim=1)]
        whole = block(x, causal(7))
    assert cache.filled == 7
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


def test_a_cache_may_be_extended_by_several_places():
    cache = Cache(5)
    k, v = torch.randn(2, 1, 2, 5, 4)
    cache.extended(k[:, :, :2], v[:, :, :2])
    keys, values = cache.extended(k[:, :, 2:], v[:, :, 2:])
    assert torch.equal(keys, k)
    assert torch.equal(values, v)


def test_a_cache_refuses_what_it_cannot_hold():
    cache, kv = Cache(3), torch.randn(2, 2, 2, 3, 4)
    cache.extended(*kv[:, :, :, :2])
    with pytest.raises(ValueError, match="made for 3 places, not for 5"):
        cache.extended(*kv[:, :, :, :3])
    with pytest.raises(ValueError, match="cannot go on with"):
        cache.extended(*kv[:, :1, :, :1])  # one row would be broadcast over two
    assert cache.filled == 2


@pytest.mark.parametrize("heads", [0, 3, -2])
def test_heads_must_divide_the_width(heads):
    with pytest.raises(ValueError, match="heads must divide the width"):
        MultiHead(16, heads)


def test_the_product_of_two_codes_depends_on_their_difference_only():
    codes = line(20, 32).double()
    products = codes @ codes.T
    for apart in range(20):
        same = products.diagonal(apart)
        assert (same - same[0]).abs().max() < 1e-4
        frequencies = torch.exp(-math.log(1e4) * torch.arange(16) / 16)
        assert same[0].item() == pytest.approx((frequencies * apart).cos().sum().item(), abs=1e-4)


def test_a_grid_s_code_is_its_row_s_and_its_column_s():
    codes = grid(3, 5, 16).unflatten(0, (3, 5))
    assert torch.equal(codes[..., :8], line(3, 8)[:, None].expand(3, 5, 8))
    assert torch.equal(codes[..., 8:], line(5, 8)[None].expand(3, 5, 8))
    assert len(codes.flatten(0, 1).unique(dim=0)) == 15


@pytest.mark.parametrize("features", [6, 9, 18])
def test_grid_codes_need_four_parts(features):
    with pytest.raises(ValueError, match="multiple of 4"):
        grid(2, 2, features)


def test_line_codes_need_two_parts():
    with pytest.raises(ValueError, match="even"):
        line(4, 7)


@pytest.mark.parametrize("context", [None, 6])
def test_a_conditional_block_starts_as_the_identity(context):
    block, x = ConditionalBlock(16, 2, 5, context), torch.randn(3, 4, 16)
    words = None if context is None else torch.randn(3, 7, 6)
    assert torch.equal(block(x, torch.randn(3, 5), words), x)


def test_a_conditional_block_with_open_gates_is_a_block():
    """Gains 0, biases 0 and gates 1, whatever the condition is: a block whose norms have no weights."""
    conditional, plain = ConditionalBlock(16, 2, 5), Block(16, 2)
    plain.load_state_dict(conditional.state_dict(), strict=False)
    with torch.no_grad():
        conditional.knobs.bias.view(6, 16)[[2, 5]] = 1
    x = torch.randn(3, 4, 16)
    assert torch.allclose(conditional(x, torch.randn(3, 5)), plain(x), atol=1e-6)


def test_a_block_is_two_residual_branches():
    block, x = Block(16, 2), torch.randn(2, 5, 16)
    h = x + block.attention(block.norm1(x))
    assert torch.equal(block(x), h + block.mlp(block.norm2(h)))


def test_a_look_at_words_passes_over_padding():
    cross, x, words = Cross(16, 2, 6), torch.randn(2, 4, 16), torch.randn(2, 5, 6)
    hidden = torch.tensor([[False, False, True, True, True]] * 2)
    other = words.masked_fill(hidden[..., None], 9.0)
    assert torch.equal(cross(x, words, hidden), cross(x, other, hidden))
    assert torch.allclose(cross(x, words, hidden), cross(x, words[:, :2]), atol=1e-6)
    assert not torch.allclose(cross(x, words), cross(x, other), atol=1e-2)


def test_an_mlp_works_on_each_place_by_itself():
    mlp, x = Mlp(8), torch.randn(2, 3, 8)
    assert torch.allclose(mlp(x)[:, 1], mlp(x[:, 1]), atol=1e-6)
