"""Video: the codec loses nothing, movements move, states carry on, and the reader is exact."""

import pytest
import torch

from course_lib.data import video
from course_lib.nn.attention import Cache
from course_lib.ssms.backbone import remembered_bytes
from course_lib.ssms.video import measures
from course_lib.ssms.video.codec import PatchCodec
from course_lib.ssms.video.mixers import Attention, ConvLstm, Growing, Ssm, diagonal_scan
from course_lib.ssms.video.painting import Windows, commonest, enlarged, moved
from course_lib.ssms.video.predictor import copy_last

MIXERS = [Ssm, ConvLstm, Attention]


def sprites(n=6, frames=30, sprite="fashion"):
    clips = video.bouncing(n, frames, seed=3, sprite=sprite, count=1, size=32, split="test")
    return clips.x, clips.states[:, :, 0]


# The codec


def test_codec_of_full_rank_is_lossless_and_keeps_all_variance():
    x = torch.rand(20, 3, 8, 12) * 2 - 1
    codec = PatchCodec(3, 4, 48)
    assert abs(codec.fit(x) - 1) < 1e-5
    z = codec.encode(x)
    assert z.shape == (20, 2, 3, 48)
    assert (codec.decode(z) - x).abs().max() < 1e-4


def test_codec_is_the_best_linear_one():
    """The mean squared error is the sum of the eigenvalues that were dropped (Pearson 1901)."""
    x = torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(0)).cumsum(-1)
    codec = PatchCodec(1, 4, 5)
    share = codec.fit(x)
    patches = x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(-1, 16)
    variance = patches.var(0, unbiased=False).sum()
    error = (codec.decode(codec.encode(x)) - x).square().mean() * 16
    assert abs(error / variance - (1 - share)) < 1e-4


def test_codec_has_latents_of_unit_variance_around_its_ground():
    x = torch.randn(300, 1, 8, 8)
    codec = PatchCodec(1, 4, 16)
    codec.fit(x)
    z = codec.encode(x)
    assert (z.flatten(0, 2).std(0) - 1).abs().max() < 0.01
    assert codec.encode(codec.ground(x)).abs().max() < 1e-5


def test_codec_says_what_does_not_fit():
    with pytest.raises(ValueError, match="a patch has 16 numbers"):
        PatchCodec(1, 4, 17)
    with pytest.raises(ValueError, match="cut evenly"):
        PatchCodec(1, 4, 4).encode(torch.zeros(1, 1, 6, 8))


# Painting


def test_movements_by_whole_pixels_are_exact():
    frame = torch.randn(2, 3, 12, 12)
    for dx, dy in [(0, 0), (3, -1), (-2, 2)]:
        right, down = torch.zeros(2, 7, 12, 12), torch.zeros(2, 7, 12, 12)
        right[:, 3 + dx], down[:, 3 + dy] = 1, 1
        inner = slice(3, 9)
        want = frame.roll((dy, dx), (2, 3))[..., inner, inner]
        assert torch.equal(moved(frame, right, down)[..., inner, inner], want)


def test_what_lies_beyond_the_border_is_the_ground_if_one_says_so():
    """A frame of ones with a stripe of fives at its left border, moved to the right by 2."""
    frame, right, down = torch.ones(1, 1, 9, 9), torch.zeros(1, 7, 9, 9), torch.zeros(1, 7, 9, 9)
    frame[..., :1], right[:, 5], down[:, 3] = 5, 1, 1
    want = torch.ones(1, 1, 9, 9)
    want[..., 2] = 5
    assert torch.equal(moved(frame, right, down, commonest(frame)), want)
    want[..., :2] = 5
    assert torch.equal(moved(frame, right, down), want)


def test_gradients_of_the_windows_are_right():
    x = torch.randn(2, 2, 3, 9, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 5, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: Windows.apply(x, w, 3), (x, weights))


def test_enlarged_repeats_each_number():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    want = x.repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert torch.equal(enlarged(x, 3), want)


# The mixers


def test_diagonal_scan_is_the_recurrence():
    """Also over the border of a chunk, and with a state from before; 1e-5 absolute."""
    torch.manual_seed(0)
    log_a = torch.complex(-torch.rand(4), torch.rand(4) * 3)
    u, state = torch.randn(2, 70, 1, 2, 4), torch.randn(4, 4, dtype=torch.complex64)
    h, last = diagonal_scan(log_a, u, state)
    one, a = state, log_a.exp()[:, None]
    for t in range(70):
        one = a * one + u[:, t].permute(3, 0, 1, 2).reshape(4, 4)
        got = torch.view_as_complex(h[:, t].reshape(4, 4, 2).contiguous()).T
        assert (got - one).abs().max() < 1e-5
    assert (last - one).abs().max() < 1e-5


@pytest.mark.parametrize("mixer", MIXERS)
def test_all_frames_at_once_are_frame_after_frame(mixer):
    """In one go, in two parts, and one by one: 1e-5 absolute."""
    torch.manual_seed(1)
    mixer, x = mixer(8), torch.randn(2, 7, 2, 3, 8)
    whole, _ = mixer(x, None)
    state, parts = None, []
    for part in x.split([3, 1, 1, 2], dim=1):
        y, state = mixer(part, state)
        parts.append(y)
    assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5


@pytest.mark.parametrize("mixer", MIXERS)
def test_the_future_is_not_seen(mixer):
    torch.manual_seed(2)
    mixer, x = mixer(8), torch.randn(1, 6, 2, 2, 8)
    other = x.clone()
    other[:, 4:] = 0
    assert torch.equal(mixer(x, None)[0][:, :4], mixer(other, None)[0][:, :4])


@pytest.mark.parametrize("mixer", MIXERS)
def test_gradients_pass_from_part_to_part(mixer):
    mixer, x = mixer(8), torch.randn(1, 4, 1, 2, 8, requires_grad=True)
    _, state = mixer(x[:, :2], None)
    mixer(x[:, 2:], state)[0].sum().backward()
    assert x.grad[:, 0].abs().sum() > 0


def test_state_bytes_of_a_linear_state_are_constant_and_of_attention_grow():
    """Ssm: 8 bytes a channel and place. Attention: 2 x 4 bytes a channel, place and frame."""
    x = torch.randn(1, 12, 2, 3, 8)
    for length in (1, 5, 12):
        assert remembered_bytes(Ssm(8)(x[:, :length], None)[1]) == 8 * 8 * 6
        assert remembered_bytes(ConvLstm(8)(x[:, :length], None)[1]) == 8 * 8 * 6
        assert remembered_bytes(Attention(8)(x[:, :length], None)[1]) == 8 * 8 * 6 * length


def test_a_cache_of_fixed_length_says_the_same_as_a_growing_one():
    mixer, x = Attention(8), torch.randn(2, 5, 1, 2, 8)
    with torch.no_grad():
        for part in (1, 3):
            fixed, growing = Cache(5), Growing()
            for frames in x.split(part, dim=1):
                assert (mixer(frames, fixed)[0] - mixer(frames, growing)[0]).abs().max() < 1e-6
            assert remembered_bytes(fixed) == remembered_bytes(growing)


# The measures


@pytest.mark.parametrize(("sprite", "side", "ground"), [("fashion", 14, -1.0), ("emoji", 16, 1.0)])
def test_reader_is_exact_on_true_frames(sprite, side, ground):
    x, states = sprites(20, 30, sprite)
    reading = measures.read(x, measures.sprites_of(x[:, 0], states[:, 0, :2], side), ground)
    assert measures.position_error(reading, states).max() == 0
    assert measures.velocity_error(reading, states).max() == 0
    assert measures.count_error(reading).max() == 0
    assert (reading.explained - 1).abs().max() < 1e-4
    assert reading.left.max() < 1e-4


def test_reader_counts_what_is_missing_and_what_is_too_much():
    x, states = sprites(4, 3)
    cut = measures.sprites_of(x[:, 0], states[:, 0, :2], 14)
    wide = torch.full((4, 3, 1, 32, 64), -1.0)
    assert (measures.read(wide, cut, -1.0).count == 0).all()
    wide[..., :32] = x
    assert (measures.read(wide, cut, -1.0).count == 1).all()
    wide[..., 32:] = x
    assert (measures.read(wide, cut, -1.0).count == 2).all()


def test_errors_of_the_last_frame_follow_from_the_states():
    """Copy-last stays where it is: its position error is the true distance, its velocity error the true speed."""
    x, states = sprites()
    cut = measures.sprites_of(x[:, 0], states[:, 0, :2], 14)
    reading = measures.read(copy_last(x[:, :5], 25), cut, -1.0)
    distance = (states[:, 5:, :2] - states[:, 4:5, :2]).norm(dim=-1)
    assert torch.allclose(measures.position_error(reading, states[:, 5:]), distance, atol=1e-5)
    speed = states[:, 5:, :2].diff(dim=1).norm(dim=-1)
    assert torch.allclose(measures.velocity_error(reading, states[:, 5:]), speed, atol=1e-5)
    assert (measures.count_error(reading) == 0).all()


def test_errors_of_pixels():
    x, _ = sprites(2, 4)
    assert (measures.squared_error(x, x) == 0).all()
    assert torch.allclose(measures.squared_error(x, x + 0.1), torch.full((2, 4), 0.01), atol=1e-6)
    assert (measures.similarity(x, x) - 1).abs().max() < 1e-5


def test_lamps_are_counted():
    clip = torch.full((1, 2, 3, 4, 4), -0.8)
    clip[0, 1, 0, 0, :2] = 0.0
    assert measures.lamps(clip).tolist() == [[0.0, 0.125]]


def test_measures_say_what_does_not_fit():
    with pytest.raises(ValueError, match="a sprite each"):
        measures.read(torch.zeros(2, 3, 1, 8, 8), torch.zeros(1, 1, 2, 2), -1.0)
    with pytest.raises(ValueError, match="it is everywhere"):
        measures.read(torch.zeros(1, 3, 1, 8, 8), torch.full((1, 1, 2, 2), -1.0), -1.0)
    with pytest.raises(ValueError, match="one shape"):
        measures.squared_error(torch.zeros(1, 2, 1, 8, 8), torch.zeros(1, 3, 1, 8, 8))
