"""CycleGAN, what its cycle hides, and the sets that it learns from."""

import math

import numpy as np
import pytest
import torch
from library.contract import check_model
from PIL import Image

from course_lib.applications.cyclegan import CycleGan, Retoucher, nothing_beside
from course_lib.applications.learning import game, learn
from course_lib.applications.steganography import noise_attack, relit, stored
from course_lib.data.images import Batch, Images
from course_lib.data.paired_folders import paired_folders
from course_lib.data.unpaired import Unpaired
from course_lib.metrics import psnr
from course_lib.model import last
from course_lib.recipes import streets_cyclegan

SIZE = 8


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def small() -> CycleGan:
    return CycleGan(size=SIZE, width=16, depth=1, critic=8)


def pile(n: int, level: int = 100) -> Images:
    pixels = torch.randint(level - 20, level + 20, (n, 3, SIZE, SIZE)).to(torch.uint8)
    return Images(pixels, torch.zeros(n, dtype=torch.int64))


# CycleGAN


def test_keeps_the_contract():
    check_model(small(), Batch(*torch.rand(2, 6, 3, SIZE, SIZE) * 2 - 1))


def test_untrained_it_is_the_identity_and_its_cycle_is_closed():
    model, batch = small(), Batch(*torch.rand(2, 6, 3, SIZE, SIZE) * 2 - 1)
    assert torch.equal(last(model.sample(6, batch.y)), batch.y)
    loss = model.generators_loss(batch)
    assert loss["cycle"] == 0
    assert abs(loss["loss"].item() - 2 * math.log(2)) < 0.2  # untrained critics can hardly tell


def test_the_cycle_is_the_distance_from_home():
    model, batch = small(), Batch(*torch.rand(2, 6, 3, SIZE, SIZE) * 2 - 1)
    torch.nn.init.constant_(model.there.leave.bias, 0.25)  # there brightens, back leaves as it is
    assert abs(model.generators_loss(batch)["cycle"].item() - 0.5) < 0.01
    torch.nn.init.constant_(model.back.leave.bias, -0.25)  # back undoes it
    assert model.generators_loss(batch)["cycle"].item() < 0.01


def test_unpaired_critics_are_shown_nothing_beside():
    assert nothing_beside(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 0, SIZE, SIZE)


def test_it_moves_one_pile_towards_the_other():
    data = Unpaired(pile(32, 60), pile(32, 200))
    model = learn(game(CycleGan(size=SIZE, width=16, depth=1, critic=8), data, 60, batch=8))
    made = last(model.sample(32, data.source.x))
    assert abs(made.mean() - data.target.x.mean()) < 0.6 * abs(data.source.x.mean() - data.target.x.mean())


def test_bad_pictures_are_refused():
    model = small()
    with pytest.raises(ValueError, match="pictures must be float"):
        last(model.sample(2, torch.zeros(2, 1, SIZE, SIZE)))
    with pytest.raises(ValueError, match="one picture for each"):
        last(model.sample(3, torch.zeros(2, 3, SIZE, SIZE)))
    with pytest.raises(ValueError, match="both piles"):
        model.check(Batch(torch.zeros(2, 3, SIZE, SIZE), torch.zeros(2, dtype=torch.int64)))
    with pytest.raises(ValueError, match="multiple of 4"):
        CycleGan(size=30)


def test_a_retoucher_is_the_identity_at_the_start():
    x = torch.randn(2, 3, SIZE, SIZE)
    assert torch.equal(Retoucher(3, 16, 2)(x), x)


# Steganography: a hider that is known


def hider(cover: torch.Tensor, strength: float):
    """Writes a message faintly onto a cover, and reads it from there."""
    return (lambda message: cover + strength * message), (lambda picture: (picture - cover) / strength)


def test_noise_destroys_what_a_linear_hider_hid_by_the_known_amount():
    cover, message = torch.rand(2, 20, 3, 16, 16) - 0.5
    hide, read = hider(cover, 0.1)
    found = noise_attack(hide(message), read, message, [0.5, 1])
    for level, value in zip((0.5, 1), found.tolist()):
        noise = level / 127.5 / 0.1  # what noise becomes, enlarged with the message
        assert abs(value - 10 * math.log10(4 / noise**2)) < 0.1


def test_a_few_levels_of_noise_destroy_a_faint_message():
    cover, message = torch.rand(2, 20, 3, 16, 16) - 0.5
    hide, read = hider(cover, 0.01)
    before, after = noise_attack(hide(message), read, message, [0, 4])
    assert before > 60
    assert after < 10


def test_a_cycle_that_hides_nothing_hardly_minds_the_noise():
    x = torch.rand(20, 3, 16, 16) - 0.5
    found = noise_attack(x, lambda picture: picture, x, [1, 4])
    assert abs(found[0].item() - 10 * math.log10(4 * 127.5**2)) < 0.1
    assert abs((found[0] - found[1]).item() - 20 * math.log10(4)) < 0.1


def test_eight_bits_are_an_attack():
    cover, message = torch.rand(2, 20, 3, 16, 16) - 0.5
    hide, read = hider(cover, 0.002)
    assert psnr(read(stored(hide(message))).clamp(-1, 1), message).mean() < 10
    assert psnr(read(hide(message)), message).min() > 60


def test_relit_is_intersection_over_union():
    a, b = torch.full((2, 1, 3, 4, 4), -1.0)
    a[0, :, 0], b[0, :, :2] = 1.0, 1.0  # one row of two
    assert relit(a, b) == 0.5
    assert relit(a, a) == 1
    assert relit(torch.full_like(a, -1), torch.full_like(a, -1)) == 1


def test_attacks_refuse_what_is_no_attack():
    x = torch.zeros(2, 3, 8, 8)
    for levels in ([], [-1]):
        with pytest.raises(ValueError, match="levels"):
            noise_attack(x, lambda picture: picture, x, levels)
    with pytest.raises(ValueError, match="needs its truth"):
        relit(x, x[:1])


# Data


def test_the_piles_of_streets_share_no_scene():
    data, pairs = streets_cyclegan.data(6), streets_cyclegan.scenes(6, streets_cyclegan.DATA_SEED)
    assert torch.equal(data.source.pixels, pairs.source[:3])
    assert torch.equal(data.target.pixels, pairs.target[3:])
    assert data.source.pixels.shape == (3, 3, 32, 32)


def test_orders_of_the_two_piles_have_nothing_to_do_with_each_other():
    numbers = torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand(40, 1, 4, 4).contiguous()
    images = Images(numbers, torch.zeros(40, dtype=torch.int64))
    batches = Unpaired(images, images).batches(40)
    x, y = next(batches)
    assert (x[:, 0, 0, 0] == y[:, 0, 0, 0]).float().mean() < 0.2
    assert torch.equal(next(Unpaired(images, images).batches(40)).x, x)


def test_piles_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="same channels and size"):
        Unpaired(pile(3), Images(torch.zeros(3, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)))


def written(place, name: str, value: int) -> None:
    place.mkdir(exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), value, np.uint8)).save(place / name)


def test_folders_are_paired_by_file_name(tmp_path):
    for i, name in enumerate(("c.png", "a.png", "b.png")):
        written(tmp_path / "day", name, 10 * i)
        written(tmp_path / "night", name.replace("png", "bmp"), 100 + 10 * i)
    pairs = paired_folders(tmp_path / "day", tmp_path / "night", size=16)
    assert pairs.source[:, 0, 0, 0].tolist() == [10, 20, 0]
    assert pairs.target[:, 0, 0, 0].tolist() == [110, 120, 100]
    assert pairs.place.tolist() == [0, 1, 2]


def test_what_has_no_partner_or_cannot_be_read_is_named(tmp_path):
    for name in ("a.png", "b.png", "lonely.png"):
        written(tmp_path / "day", name, 10)
        written(tmp_path / "night", name.replace("lonely", "other"), 20)
    (tmp_path / "day" / "broken.png").write_text("no picture")
    written(tmp_path / "night", "broken.png", 3)
    with pytest.warns(UserWarning, match=r"broken.*lonely.*other"):
        assert len(paired_folders(tmp_path / "day", tmp_path / "night", size=16)) == 2


def test_too_few_pairs_are_refused(tmp_path):
    written(tmp_path / "day", "a.png", 1)
    written(tmp_path / "night", "b.png", 1)
    with pytest.raises(ValueError, match="0 pairs"):
        paired_folders(tmp_path / "day", tmp_path / "night", size=16)
    with pytest.raises(ValueError, match="is no folder"):
        paired_folders(tmp_path / "day", tmp_path / "nowhere", size=16)
