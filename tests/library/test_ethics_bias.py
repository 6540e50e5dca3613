"""Shares with intervals, a reader's errors taken out, what guidance aims at, and two ways back to one half."""

import itertools
import math

import pytest
import torch

from course_lib.data.faces import Joint, coarse, faces
from course_lib.data.images import Batch, Images
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.solvers import adams_bashforth, times
from course_lib.ethics.bias import Audited, Reading, audit, reading, share_of, sharpened, skew
from course_lib.ethics.fairness import Weighted, balanced, composed, in_turn, reweighted, word_by_word
from course_lib.ethics.shares import Share, corrected, counted
from course_lib.experiments import bias as experiment
from course_lib.features import read_faces
from course_lib.model import last


def test_wilsons_interval_solves_its_own_quadratic():
    """Its ends are the shares p from which the counted one is exactly 1.96 standard deviations away."""
    for hits, n in [(0, 10), (3, 10), (80, 100), (997, 1000)]:
        share = counted(hits, n)
        for p in share[1:]:
            if 0 < p < 1:
                assert abs(share.value - p) == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / n), abs=1e-6)
    assert counted(0, 10).low == 0
    assert counted(10, 10).high == pytest.approx(1, abs=1e-12)


def test_wilsons_interval_holds_the_truth_in_95_of_100_repetitions():
    hits = torch.distributions.Binomial(50, torch.tensor(0.9)).sample((4_000,)).int().tolist()
    held = [(share := counted(k, 50)).low <= 0.9 <= share.high for k in hits]
    assert sum(held) / len(held) == pytest.approx(0.95, abs=0.03)


def test_a_correction_undoes_what_the_reader_did():
    """p -> p sensitivity + (1 - p) (1 - specificity) -> p."""
    for p, sensitivity, specificity in itertools.product([0, 0.2, 0.8, 1], [0.7, 0.95], [0.6, 1]):
        seen = p * sensitivity + (1 - p) * (1 - specificity)
        assert corrected(Share(seen, seen, seen), sensitivity, specificity).value == pytest.approx(p, abs=1e-12)


def test_a_correction_stays_a_share_and_widens():
    seen = counted(2, 100)
    fixed = corrected(seen, 0.9, 0.95)
    assert fixed.value == 0  # fewer were reported than the false alarms alone would give
    assert 0 <= fixed.low <= fixed.high <= 1
    seen, fixed = counted(50, 100), corrected(counted(50, 100), 0.9, 0.9)
    assert fixed.high - fixed.low == pytest.approx((seen.high - seen.low) / 0.8, abs=1e-12)


def test_a_reader_like_a_coin_is_refused():
    with pytest.raises(ValueError, match="no better than a coin"):
        corrected(counted(5, 10), 0.5, 0.5)


def test_a_readers_errors_are_counted_apart():
    true = torch.tensor([True] * 10 + [False] * 5)
    reported = true.clone()
    reported[[0, 1, 14]] = ~reported[[0, 1, 14]]
    found = reading(reported, true)
    assert found.sensitivity == pytest.approx(0.8, abs=1e-6)
    assert found.specificity == pytest.approx(0.8, abs=1e-6)
    with pytest.raises(ValueError, match="with the attribute and on images without it"):
        reading(reported, torch.ones(15, dtype=torch.bool))


def test_the_known_case_comes_back_through_the_reader_of_faces():
    """Faces of which 80 % have long hair, read by the network with errors of its own: 80 % lie in the interval."""
    known, unknown = faces(2_000, seed=21), faces(2_000, seed=22, joint=Joint("hair", "hat", [[0.4, 0.4], [0.1, 0.1]]))
    errors = reading(read_faces(known.x)["hair"] == 0, coarse(known, "hair").labels == 0)
    assert min(errors[:2]) > 0.95
    true = (coarse(unknown, "hair").labels == 0).float().mean().item()
    found = share_of(read_faces(unknown.x)["hair"] == 0, errors)
    assert found.low < true < found.high
    assert found.value == pytest.approx(true, abs=0.01)


def test_an_audit_counts_each_label_by_itself():
    asked, reported = torch.tensor([0, 1] * 50), torch.tensor([False, True] * 50)
    lines = audit(asked, reported, Reading(1.0, 1.0, 100), {"none": 0.2, "hat": 0.8})
    assert [line.drawn.value for line in lines] == [0, 1]
    assert [line.amplification for line in lines] == pytest.approx([0.2, 0.2], abs=1e-12)
    assert skew(lines) == 0.5
    assert Audited("hat", 0.8, Share(0.7, 0.6, 0.8)).amplification == pytest.approx(-0.1, abs=1e-12)


def test_guidance_aims_at_powers_of_the_odds():
    """Two groups in one dimension: reweight p(group) (p(label | group) / p(label))^s and look at the share."""
    share, base = 0.7, 0.4
    for scale in (0, 0.5, 1, 2.5):
        likelihood = torch.tensor([share / base, (1 - share) / (1 - base)])
        mass = torch.tensor([base, 1 - base]) * likelihood**scale
        assert sharpened(share, base, scale) == pytest.approx((mass[0] / mass.sum()).item(), abs=1e-6)


def test_weights_make_label_and_attribute_independent_and_keep_their_shares():
    labels, attribute = torch.randint(3, (500,)), torch.randint(2, (500,))
    attribute = torch.where(torch.rand(500) < 0.6, (labels > 0).long(), attribute)
    weights = reweighted(labels, attribute)
    joint = torch.zeros(3, 2, dtype=torch.float64).index_put_((labels, attribute), weights / 500, accumulate=True)
    assert weights.mean().item() == pytest.approx(1, abs=1e-12)
    assert torch.allclose(joint, joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True), atol=1e-12)
    assert torch.allclose(joint.sum(1), labels.bincount().double() / 500, atol=1e-12)
    assert torch.allclose(joint.sum(0), attribute.bincount().double() / 500, atol=1e-12)


def test_what_never_occurs_cannot_be_weighted():
    with pytest.raises(ValueError, match="never occurs"):
        reweighted(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))


def test_weighted_batches_are_drawn_as_the_weights_say():
    images = Images(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4))
    _, y = next(Weighted(images, torch.tensor([0.0, 1.0, 1.0, 2.0])).batches(4_000))
    assert torch.allclose(y.bincount(minlength=4) / 4_000, torch.tensor([0, 0.25, 0.25, 0.5]), atol=0.04)


def test_each_image_comes_once_with_each_word():
    images = Images(torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1, 1), torch.tensor([0, 1, 1]), ("none", "hat"))
    both = word_by_word(images, torch.tensor([1, 0, 1]), ("long", "short"))
    assert both.classes == ("none", "hat", "long", "short")
    assert both.labels.tolist() == [0, 1, 1, 3, 2, 3]
    assert both.pixels.flatten().tolist() == [0, 1, 2, 0, 1, 2]


def test_words_compose_to_the_field_of_the_product_of_gaussians():
    """N(0, 1) seen through two words that shift its mean by 1 and by 2: both together shift it by 3.

    For data N(m, 1) the velocity at (x, t) is linear in m, so the composition is exact.
    """

    def velocity(mean: float):
        def predict(x, t):
            alpha, sigma = 1 - t, t
            x0 = mean + alpha / (alpha**2 + sigma**2) * (x - alpha * mean)
            return (x - x0) / sigma if sigma > 0 else x - x0

        return predict

    x, t = torch.randn(5), torch.tensor(0.6)
    both = composed(velocity(0), [(velocity(1), 1.0), (velocity(2), 1.0)])
    assert torch.allclose(both(x, t), velocity(3)(x, t), atol=1e-5)
    assert torch.allclose(composed(velocity(0), [(velocity(1), 2.0)])(x, t), velocity(2)(x, t), atol=1e-5)


class Points(Flow):
    """Four words, each a constant image: 0 is -0.5, 1 is 0.5, "long" adds 0.25, "short" takes it; exact velocities."""

    def predictor(self, y):
        level = torch.tensor([-0.5, 0.5, 0.25, -0.25, 0.0])[y][:, None, None, None]
        return lambda x, t: (x - level) / t.clamp_min(1e-4)


def test_balanced_guidance_asks_for_each_value_in_turn():
    model, label = Points(size=8, width=32, depth=1, classes=4), torch.ones(6, dtype=torch.int64)
    field = balanced(model, label, (2, 3), scale=1.0, fairness=2.0)
    x = last(adams_bashforth(field, torch.randn(6, 1, 8, 8), times(16)))
    assert torch.allclose(x.mean((1, 2, 3)), torch.tensor([1.0, 0.0] * 3), atol=1e-3)  # 0.5 + 2 * (+-0.25)


def test_turns_are_taken_within_each_label():
    """Labels in turn and values in turn would always go together, and balance would be a new skew."""
    label = torch.tensor([0, 1] * 6)
    value = in_turn(label) % 2
    for one in (0, 1):
        assert value[label == one].float().mean() == 0.5


def test_balanced_guidance_gives_each_label_all_values_also_where_labels_take_turns():
    model, label = Points(size=8, width=32, depth=1, classes=4), torch.arange(8) % 2
    x = last(adams_bashforth(balanced(model, label, (2, 3), 1.0, 2.0), torch.randn(8, 1, 8, 8), times(16)))
    assert torch.allclose(x.mean((1, 2, 3)), torch.tensor([0.0, 1.0, -1.0, 0.0] * 2), atol=1e-3)


def test_the_planted_correlation_of_the_experiments_is_four_in_five():
    jobs, weights = experiment.stereotyped_jobs()
    asked = experiment.of_jobs(experiment.at_work().velocity, jobs)
    held = asked.stereotyped(jobs.x, jobs.labels)
    assert asked.obeyed(jobs.x, jobs.labels).all()  # the nearest emoji to an emoji is itself
    assert (weights * held).sum().item() / weights.sum().item() == pytest.approx(0.8, abs=1e-6)
    assert len(jobs) == 19 * 2 * 6


def test_a_flow_learns_from_weighted_batches():
    images = Images(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4))
    batch = next(Weighted(images, torch.ones(4)).batches(8))
    assert isinstance(batch, Batch)
    assert Flow(size=8, width=32, depth=1, classes=4).loss(batch)["loss"].isfinite()
