"""Video: predictors and the dreamer keep the contract of all models, and what they carry along does not grow."""

import math

import pytest
import torch
from library.contract import check_model
from torch.nn.functional import pad

from course_lib.data import video
from course_lib.data.images import Batch
from course_lib.ssms.backbone import remembered_bytes
from course_lib.ssms.video import contest
from course_lib.ssms.video.chance import LEAST, STAYS, WAYS, Residual, last_movement, seen_movement
from course_lib.ssms.video.dreamer import Dreamer
from course_lib.ssms.video.painting import REACH
from course_lib.ssms.video.predictor import AttentionPredictor, LstmPredictor, SsmPredictor, copy_last

PREDICTORS = [SsmPredictor, LstmPredictor, AttentionPredictor]
SMALL = {"size": 24, "frames": 6, "width": 16, "depth": 2}


def clips(n=3, frames=6):
    return video.bouncing(n, frames, seed=0, count=1, size=24)


@pytest.mark.parametrize("build", [*PREDICTORS, Dreamer])
def test_contract(build):
    torch.manual_seed(0)
    tiny = {"size": 24, "frames": 3, "patch": 8, "width": 8, "depth": 1} | ({} if build is Dreamer else {"ahead": 1})
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


def copying(model):
    """A dreamer whose painter copies all that is told, in each of a patch's 16 pixels."""
    with torch.no_grad():
        model.painter.out.weight.zero_()
        model.painter.out.bias.zero_()
        model.painter.out.bias[14 + 16 : 14 + 32] = 50.0
        model.movement.open.bias.fill_(20.0)
    return model


def test_a_told_movement_is_painted():
    """With all weight on what is copied: a frame that was told (1, -2) is moved by (1, -2); 1e-4 absolute."""
    model, before = copying(Dreamer(**SMALL).eval()), clips().x[:, 0]
    which = torch.full((3,), (1 + REACH) + WAYS * (-2 + REACH))
    with torch.no_grad():
        _, painted, _ = model.painted(torch.zeros(3, 6, 6, 30), before, which)
    want = before.roll((-2, 1), (2, 3))
    assert (painted - want)[..., 3:-3, 3:-3].abs().max() < 1e-4


def test_a_movement_is_seen_where_there_is_one():
    """All 49 of them, of a square of noise; none from an empty ground, nor where what changed is no movement."""
    square = torch.rand(WAYS**2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    before = pad(square, [6, 6, 6, 6])
    which = torch.arange(WAYS**2)
    shifts = [(int(k) // WAYS - REACH, int(k) % WAYS - REACH) for k in which]
    now = torch.stack([frame.roll(shift, (1, 2)) for frame, shift in zip(before, shifts)])
    assert torch.equal(seen_movement(now, before), which)
    assert (seen_movement(now, torch.zeros_like(now)) == STAYS).all()
    assert (seen_movement(0.5 * before, before) == STAYS).all()


def test_places_that_saw_nothing_have_no_say_in_the_last_movement():
    """Two places that agree, among any number that find all movements alike: the product of what the two say."""
    likely = torch.full((1, 6, 6, 2 * WAYS), -math.log(WAYS))
    likely[0, 2, 3:5] = torch.randn(2 * WAYS).view(2, WAYS).log_softmax(-1).flatten()
    want = (2 * likely[0, 2, 3]).view(2, WAYS).log_softmax(-1).clamp(min=-LEAST)
    assert (torch.cat(last_movement(likely)) - want).abs().max() < 1e-5


def test_an_untrained_prior_expects_what_moved_to_go_on_moving():
    """From (2, -3) just seen, clearly: the likeliest of the 49 is (2, -3), and probabilities add up to 1."""
    model, before = Dreamer(**SMALL).eval(), pad(torch.rand(2, 1, 12, 12), [6, 6, 6, 6])
    with torch.no_grad():
        features, _ = model.predictor.features(torch.stack([before, before.roll((-3, 2), (2, 3))], 1), None)
        shares = model.movement(features[:, 1]).softmax(-1)
    assert (shares.argmax(-1) == (2 + REACH) + WAYS * (-3 + REACH)).all()
    assert (shares.sum(-1) - 1).abs().max() < 1e-5


def test_what_is_painted_and_what_it_lacks_is_the_frame():
    """painted + (spread + noise) * residual is the frame that was seen, by definition: 1e-6 absolute."""
    model, x = Dreamer(**SMALL).eval(), clips().x
    before, lacks = x[:, 0], []
    model.matching = lambda z, seen, features: lacks.append((z, seen)) or z.sum()
    model.loss(Batch(x, torch.zeros(3)))
    z, seen = lacks[0]
    frames = seen[:, :1] + (seen[:, 1:2] + model.noise) * z
    assert (frames.unflatten(0, (3, 6)) - x).abs().max() < 1e-6
    assert torch.equal(seen[:, 2:].unflatten(0, (3, 6))[:, 1], before)


def test_nothing_is_drawn_where_the_painter_is_never_wrong():
    """With a spread of e^-20 a drawn frame is a copy of the frame before, moved: 1e-4 absolute."""
    torch.manual_seed(4)
    model, before = copying(Dreamer(**SMALL).eval()), clips().x[:, 0]
    with torch.no_grad():
        model.log_spread.weight.zero_()
        model.log_spread.bias.fill_(-20.0)
        model.movement.out.bias[STAYS] = 50.0
        drawn = model.draw(torch.zeros(3, 6, 6, 30), before, 2)
    assert (drawn - before).abs().max() < 1e-4


def test_a_residual_is_drawn_together():
    """What the noise is in one pixel changes the velocity of its neighbours."""
    torch.manual_seed(5)
    net = Residual(1, 4, 30).eval()
    z, seen, features = torch.randn(1, 1, 24, 24), torch.randn(1, 3, 24, 24), torch.randn(1, 6, 6, 30)
    for block in net.blocks:
        torch.nn.init.normal_(block.conv2.weight, std=0.05)
    other = z.clone()
    other[..., 12, 12] += 1
    with torch.no_grad():
        change = (net(z, torch.ones(1), seen, features) - net(other, torch.ones(1), seen, features)).abs()
    assert (change[..., 4:20, 4:20] > 0).all()


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
    with pytest.raises(ValueError, match="noise must be above 0"):
        Dreamer(noise=0.0)


def test_errors_and_flights_have_known_answers():
    truth = contest.sprites("fashion", 3, 30, split="test")
    right = contest.errors(truth.x[:, 9:19], truth, "fashion")
    assert all(right[name].max() == 0 for name in ("squared error", "position", "velocity", "count"))
    assert contest.summary(right, (1, 10))["frames held"] == 10
    steps = truth.states[:, :5, 0, :2].diff(dim=1).long()
    assert contest.flights(steps)["fair start"] == 1
    still = contest.flights(torch.zeros(4, 3, 2, dtype=torch.int64))
    assert still == {"fair start": 0.0, "straight": 1.0, "starts": 0}
