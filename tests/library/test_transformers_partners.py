"""Marks and their partners: the grids, how far each network sees, and that what it cannot see is chance."""

import pytest
import torch
from library.contract import check_config, check_learning, check_losses, check_reach

from course_lib.data.images import Batch
from course_lib.transformers.partners import (
    COLOURS,
    KEYS,
    NONE,
    PAIRS,
    SIDE,
    Attending,
    Convolving,
    Puzzles,
    batches,
    partners,
    share_of_partner,
    told,
)


@pytest.fixture(scope="module")
def puzzles() -> Puzzles:
    return partners(2000, seed=3)


def at(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    return values.flatten(1).gather(1, where.flatten(1)).view_as(where)


def test_each_key_stands_twice_and_nothing_else_stands_anywhere(puzzles):
    counts = torch.stack([(puzzles.keys == key).sum((1, 2)) for key in range(1, KEYS + 1)])
    assert set(counts.unique().tolist()) == {0, 2}
    assert (counts.sum(0) == 2 * PAIRS).all()
    assert torch.equal(puzzles.keys > 0, puzzles.colours > 0)
    assert torch.equal(puzzles.keys > 0, puzzles.targets != NONE)
    assert puzzles.keys.max() == KEYS
    assert puzzles.colours.max() == COLOURS


def test_the_targets_are_the_partners_colours():
    """Found anew, by search."""
    puzzles = partners(50, seed=1)
    for keys, colours, targets in zip(puzzles.keys, puzzles.colours, puzzles.targets):
        for place in (keys > 0).nonzero().tolist():
            others = [p for p in (keys == keys[tuple(place)]).nonzero().tolist() if p != place]
            assert len(others) == 1
            assert targets[tuple(place)] == colours[tuple(others[0])] - 1


def test_pairs_stand_where_they_are_said_to(puzzles):
    keys, colours = at(puzzles.keys, puzzles.where), at(puzzles.colours, puzzles.where)
    assert (keys > 0).all()
    assert torch.equal(keys[..., 0], keys[..., 1])
    assert torch.equal(at(puzzles.targets, puzzles.where), colours.flip(2) - 1)


def test_distances_and_colours_are_uniform(puzzles):
    """8,000 pairs: six standard errors."""
    share = puzzles.distance.flatten().bincount(minlength=SIDE) / puzzles.distance.numel()
    assert share[0] == 0
    assert torch.allclose(share[1:], torch.full((SIDE - 1,), 1 / (SIDE - 1)), atol=0.017)
    both = at(puzzles.colours, puzzles.where).flatten(0, 1) - 1
    joint = (both[:, 0] * COLOURS + both[:, 1]).bincount() / len(both)
    assert torch.allclose(joint, torch.full((COLOURS**2,), 1 / COLOURS**2), atol=0.017)  # independent: chance is 1 / 4


def test_distance_is_the_larger_of_rows_and_columns(puzzles):
    (r0, c0), (r1, c1) = ((puzzles.where[..., i] // SIDE, puzzles.where[..., i] % SIDE) for i in (0, 1))
    assert torch.equal(puzzles.distance, torch.maximum((r0 - r1).abs(), (c0 - c1).abs()))


def test_the_same_seed_draws_the_same_grids():
    assert all(torch.equal(a, b) for a, b in zip(partners(5, seed=2), partners(5, seed=2)))
    assert not torch.equal(partners(5, seed=2).keys, partners(5, seed=3).keys)


def test_batches_are_fresh_and_fit_the_networks():
    stream = batches(4, seed=7)
    one, other = next(stream), next(stream)
    assert one.x.shape == (4, 2, SIDE, SIDE)
    assert not torch.equal(one.x, other.x)
    assert torch.equal(one.x, next(batches(4, seed=7)).x)
    Attending(width=8, heads=1).check(one)


def test_a_grid_at_least():
    with pytest.raises(ValueError, match="at least 1 grid"):
        partners(0, seed=0)


@pytest.mark.parametrize("model", [Attending(width=8, depth=1, heads=2), Convolving(width=8, depth=1)])
def test_the_contract_but_for_samples(model):
    batch = next(batches(4))
    assert model(batch.x).shape == (4, COLOURS, SIDE, SIDE)
    check_config(model)
    check_losses(model, batch)
    check_reach(model, batch)
    check_learning(model, batch, steps=20)


def test_the_loss_is_that_of_the_marks():
    model, batch = Convolving(width=8), next(batches(3))
    picked = model(batch.x).log_softmax(1).movedim(1, -1)[batch.y != NONE]
    truth = batch.y[batch.y != NONE]
    terms = model.loss(batch)
    assert len(truth) == 3 * 2 * PAIRS
    assert terms["loss"].item() == pytest.approx(-picked.gather(1, truth[:, None]).mean().item(), abs=1e-5)
    assert terms["right"].item() == pytest.approx((picked.argmax(1) == truth).float().mean().item())


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_convolution_sees_a_square_of_twice_its_depth_plus_one(depth):
    h = torch.randn(1, SIDE, SIDE, 8, requires_grad=True)
    Convolving(width=8, depth=depth).body(h)[0, 8, 8].sum().backward()
    rows, columns = h.grad[0].any(dim=-1).nonzero().unbind(1)
    for seen in (rows, columns):
        assert [seen.min().item(), seen.max().item()] == [8 - depth, 8 + depth]
    assert len(rows) == (2 * depth + 1) ** 2


def test_attention_sees_the_whole_grid_in_one_block():
    h = torch.randn(1, SIDE, SIDE, 8, requires_grad=True)
    Attending(width=8, depth=1, heads=2).body(h)[0, 8, 8].sum().backward()
    assert h.grad[0].any(dim=-1).all()


def test_both_have_about_as_many_parameters():
    sizes = [sum(p.numel() for p in model.parameters()) for model in (Attending(), Convolving())]
    assert 0.9 < sizes[1] / sizes[0] < 1.1


def test_beyond_its_reach_a_convolution_s_answer_does_not_depend_on_the_partner(puzzles):
    """Any weights: change the colours of all that stands further away, and the answers are the same."""
    model, some = Convolving(width=8, depth=2), puzzles.where[:20]
    x = Puzzles(*(part[:20] for part in puzzles)).x
    place = some[:, 0, 0]
    rows, columns = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    far = torch.maximum((rows - place[:, None, None] // SIDE).abs(), (columns - place[:, None, None] % SIDE).abs()) > 2
    changed = x.clone()
    changed[:, 1] = torch.where(far & (x[:, 1] > 0), x[:, 1] % COLOURS + 1, x[:, 1])
    with torch.no_grad():
        one, other = (model(grid).flatten(2)[torch.arange(20), :, place] for grid in (x, changed))
    assert torch.allclose(one, other, atol=1e-5)
    assert not torch.equal(x, changed)


def test_told_marks_are_counted(puzzles):
    class Knows(Convolving):
        def forward(self, x):  # of pairs at most 3 apart, and "colour 0" otherwise
            near = (puzzles.distance <= 3)[:, :, None].expand(-1, -1, 2).flatten(1)
            answers = at(puzzles.targets, puzzles.where).flatten(1) * near
            grids = torch.zeros(len(x), SIDE**2, dtype=torch.int64).scatter(1, puzzles.where.flatten(1), answers)
            return torch.nn.functional.one_hot(grids.unflatten(1, (SIDE, SIDE)), COLOURS).movedim(-1, 1).float()

    right = told(Knows(width=8), puzzles)
    assert right.shape == (2000, PAIRS, 2)
    assert right[puzzles.distance <= 3].all()
    assert right[puzzles.distance > 3].float().mean().item() == pytest.approx(1 / COLOURS, abs=0.02)


def test_weights_on_partners_are_read_off_the_map(puzzles):
    some = Puzzles(*(part[:6] for part in puzzles))
    weights = torch.zeros(6, 2, SIDE**2, SIDE**2)
    for weight, where in zip(weights[:, 1], some.where):
        for one, other in where.tolist():
            weight[one, other], weight[other, one] = 0.75, 0.25
    share = share_of_partner(weights, some)
    assert share.shape == (6, 2, PAIRS, 2)
    assert not share[:, 0].any()
    assert torch.equal(share[:, 1], torch.tensor([0.75, 0.25]).expand(6, PAIRS, 2))


def test_looks_are_those_of_each_block():
    model, x = Attending(width=8, depth=2, heads=2), next(batches(3)).x
    looks = model.looks(x)
    assert [w.shape for w in looks] == [(3, 2, SIDE**2, SIDE**2)] * 2
    assert torch.allclose(looks[1].sum(-1), torch.ones(3, 2, SIDE**2), atol=1e-5)
    assert all(block.attention.seen is None for block in model.blocks)


@pytest.mark.parametrize(
    "changed",
    [
        {"x": torch.zeros(4, 1, SIDE, SIDE, dtype=torch.int64)},
        {"x": torch.zeros(4, 2, SIDE, SIDE)},
        {"y": torch.zeros(3, SIDE, SIDE, dtype=torch.int64)},
    ],
)
def test_training_refuses_what_does_not_fit(changed):
    with pytest.raises(ValueError, match="as `batches` makes them"):
        Convolving(width=8).check(Batch(**next(batches(4))._asdict() | changed))
