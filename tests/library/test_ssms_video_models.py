"""Video: predictors and the dreamer keep the contract of all models, and what they carry along does not grow."""

import pytest
import torch
from library.contract import check_model

from course_lib.data import video
from course_lib.data.images import Batch
from course_lib.ssms.backbone import remembered_bytes
from course_lib.ssms.video import contest
from course_lib.ssms.video.chance import UNIT, Prior
from course_lib.ssms.video.dreamer import Dreamer
from course_lib.ssms.video.predictor import AttentionPredictor, LstmPredictor, SsmPredictor, copy_last

PREDICTORS = [SsmPredictor, LstmPredictor, AttentionPredictor]
SMALL = {"size": 24, "frames": 6, "width": 16, "depth": 2, "ahead": 2}


def clips(n=3, frames=6):
    return video.bouncing(n, frames, seed=0, count=1, size=24)


@pytest.mark.parametrize("build", [*PREDICTORS, Dreamer])
def test_contract(build):
    torch.manual_seed(0)
    tiny = {"size": 24, "frames": 3, "patch": 8, "width": 8, "depth": 1, "ahead": 1}
    check_model(build(**tiny), next(clips(2, 3).batches(2)), steps=10)


@pytest.mark.parametrize("build", PREDICTORS)
def test_parallel_is_recurrent(build):
    """All frames at once, and one after the other with a state: 1e-5 absolute."""
    torch.manual_seed(1)
    model, x = build(**SMALL).eval(), clips().x
    with torch.no_grad():
        whole = model.paint(model.features(model.delayed(x), None, start=True)[0], model.delayed(x))
        state, frames = model.begin(6, 3), []
        for t, before in enumerate(model.delayed(x).split(1, dim=1)):
            features, state = model.features(before, state, start=t == 0)
            frames.append(model.paint(features, before))
    assert (torch.cat(frames, 1) - whole).abs().max() < 1e-5


@pytest.mark.parametrize("build", PREDICTORS)
def test_prediction_is_the_recurrence_fed_with_itself(build):
    torch.manual_seed(2)
    model, x = build(**SMALL).eval(), clips().x
    predicted = model.predict(x[:, :3], 4)
    assert predicted.shape == (3, 4, 1, 24, 24)
    assert predicted.abs().max() <= 1
    told = torch.cat([x[:, :3], predicted], 1)
    with torch.no_grad():
        again = model.paint(model.features(model.delayed(told), None, start=True)[0], model.delayed(told))
    assert (again[:, 3:].clamp(-1, 1) - predicted).abs().max() < 1e-4


def test_an_ssm_keeps_as_much_after_a_hundred_frames_as_after_one():
    """Two layers of 36 places, 16 complex numbers of 8 bytes in each, and a frame; attention keeps 8 bytes a frame."""
    x = torch.zeros(1, 100, 1, 24, 24)
    with torch.no_grad():
        for frames in (1, 10, 100):
            ssm, attention = SsmPredictor(**SMALL), AttentionPredictor(**SMALL)
            assert remembered_bytes(ssm.features(x[:, :frames], None, start=True)[1]) == 2 * 8 * 16 * 36 + 4 * 24 * 24
            assert (
                remembered_bytes(attention.features(x[:, :frames], None, start=True)[1])
                == 2 * 8 * 16 * 36 * frames + 4 * 24 * 24
            )


def test_an_untrained_painter_of_movements_can_keep_a_frame():
    """With all weight on the movement by nothing, the next frame is the last one: 1e-6 absolute."""
    model, x = SsmPredictor(**SMALL).eval(), clips().x
    out = model.painter.out
    with torch.no_grad():
        out.weight.zero_()
        out.bias.zero_()
        out.bias[[3, 10]] = 50.0  # no shift along rows, none along columns
        out.bias[14 + 16 : 14 + 32] = 50.0  # take what was moved, in each of the patch's 16 pixels
        assert (model.predict(x[:, :2], 3) - copy_last(x[:, :2], 3)).abs().max() < 1e-6


def test_drawn_clips_go_on_where_the_seen_ones_end_and_differ():
    torch.manual_seed(3)
    model, x = Dreamer(**SMALL).eval(), clips().x
    a, b = model.possible(x[:, :2], 3, evaluations=2), model.possible(x[:, :2], 3, evaluations=2)
    assert a.shape == (3, 3, 1, 24, 24)
    assert not torch.equal(a, b)
    assert [clip.shape[1] for clip in model.sample(2, 3, evaluations=1)] == [1, 2, 3]


def test_a_told_movement_is_painted_by_whole_pixels():
    """With all weight on what is copied: a frame that was told (1.1, -2) is moved by (1, -2); 0.01 absolute."""
    model, before = Dreamer(**SMALL).eval(), clips().x[:, 0]
    with torch.no_grad():
        model.painter.out.weight.zero_()
        model.painter.out.bias.zero_()
        model.painter.out.bias[14 + 16 : 14 + 32] = 50.0  # take what was moved, in each of the patch's 16 pixels
        model.movement.open.bias.fill_(20.0)
        features, z = torch.zeros(3, 6, 6, 30), torch.zeros(3, 1, 1, 8)
        z[..., 0], z[..., 1] = 1.1 / UNIT, -2 / UNIT
        painted = model.moved(features, z, before)[1]
    want = before.roll((-2, 1), (2, 3))
    assert (painted - want)[..., 3:-3, 3:-3].abs().max() < 0.01


def test_what_a_place_lacks_is_guessed_and_added():
    """At the start, told without noise and with open ears, any frame is painted: 0.1 absolute."""
    torch.manual_seed(4)
    model, x = Dreamer(**SMALL, latents=16).eval(), clips().x
    with torch.no_grad():
        for posterior in (model.of_frame, model.of_places):
            posterior.out.bias[16:] = -50.0
        model.correction.open.bias.fill_(20.0)
        model.correction.open.weight.zero_()
        features, before, frames = model.some_frames(x)
        _, painted, nats = model.told(features, before, frames)
    assert (painted - frames).abs().max() < 0.1
    assert (nats > 0).all()


def test_the_price_is_that_of_a_gaussian_likelihood():
    """Its minus log-likelihood per frame, up to a constant: squared error / (2 noise^2) + nats, over pixels."""
    model = Dreamer(**SMALL, noise=0.1)
    squared, nats = 3.0, 5.0
    want = (squared / (2 * 0.1**2) + nats) * 2 * 0.1**2 / 24**2
    assert abs(squared / 24**2 + model.price * nats - want) < 1e-12


def test_chance_leaves_the_predictor_alone():
    model, batch = Dreamer(**SMALL), next(clips().batches(2))
    model.loss(batch)["loss"].backward()
    assert all(p.grad is None for p in model.predictor.parameters())
    model.zero_grad()
    model.predictor.loss(batch)["loss"].backward()
    owned = {id(p) for p in model.objectives()[0].params}
    assert all((p.grad is not None) == (id(p) in owned) for p in model.parameters())


def test_the_prior_sees_all_places():
    """A frame is drawn together: what is known of one corner changes the velocity in the opposite one."""
    torch.manual_seed(5)
    prior, z, features = Prior(30, 8).eval(), torch.randn(1, 37, 8), torch.randn(1, 6, 6, 30)
    other = z.clone()
    other[:, 1] += 1
    with torch.no_grad():
        change = (prior(z, torch.ones(1), features) - prior(other, torch.ones(1), features)).abs().amax(-1)
    assert (change > 1e-6).all()


def test_models_say_what_does_not_fit():
    model = SsmPredictor(**SMALL)
    with pytest.raises(ValueError, match="need clips"):
        model.predict(torch.zeros(1, 2, 1, 16, 16), 3)
    with pytest.raises(ValueError, match="need clips"):
        model.predict(torch.zeros(1, 2, 1, 24, 24), 0)
    with pytest.raises(ValueError, match="need clips"):
        model.check(Batch(torch.zeros(2, 1, 24, 24), torch.zeros(2)))
    with pytest.raises(ValueError, match="patch must divide size"):
        SsmPredictor(size=30)
    with pytest.raises(ValueError, match="latents must be 2..16"):
        Dreamer(latents=17)


def test_errors_and_flights_have_known_answers():
    truth = contest.sprites("fashion", 3, 30, split="test")
    right = contest.errors(truth.x[:, 9:19], truth, "fashion")
    assert all(right[name].max() == 0 for name in ("squared error", "position", "velocity", "count"))
    assert contest.summary(right, (1, 10))["frames held"] == 10
    steps = truth.states[:, :5, 0, :2].diff(dim=1).long()
    assert contest.flights(steps)["fair start"] == 1
    still = contest.flights(torch.zeros(4, 3, 2, dtype=torch.int64))
    assert still == {"fair start": 0.0, "straight": 1.0, "starts": 0}
