"""Earth tiles are places seen twice, and no place is on both sides of the split."""

import pytest
import torch

from course_lib.data.earth import earth, earth_map, earth_pictures, is_land, latitude_longitude


@pytest.fixture(scope="module")
def tiles():
    return {split: earth(split) for split in ("train", "test")}


def test_counts(tiles):
    assert (len(tiles["train"]), len(tiles["test"])) == (2_809, 1_450)
    assert tiles["test"].source.shape[1:] == (3, 64, 64)


def test_no_training_tile_touches_a_test_tile(tiles):
    train, test = (tiles[split].place % 2048 for split in ("train", "test"))  # the left edges
    assert test.min() >= 64
    assert test.max() + 64 < train.min()
    assert train.max() + 64 <= 2048  # and the map's two ends are Siberia and the Bering Sea


def test_the_americas_are_held_out(tiles):
    longitude = {split: latitude_longitude(tiles[split].place)[:, 1] for split in tiles}
    assert longitude["test"].max() < -31
    assert longitude["train"].min() > -31


def test_a_tile_is_the_same_place_on_both_pictures(tiles):
    day, night = earth_pictures()
    for i in (0, 100, 1000):
        y, x = divmod(tiles["test"].place[i].item(), 2048)
        assert torch.equal(tiles["test"].source[i], day[:, y : y + 64, x : x + 64])
        assert torch.equal(tiles["test"].target[i], night[:, y : y + 64, x : x + 64])


def test_tiles_hold_land_and_lights(tiles):
    for pairs in tiles.values():
        assert min(is_land(picture).float().mean() for picture in pairs.source[::50]) >= 0.3
        assert (pairs.target.amax(1) > 60).float().mean((1, 2)).min() >= 0.004


def test_the_two_pictures_show_the_same_earth():
    day, night = earth_pictures()
    land, lit = is_land(day), night.amax(0) > 150
    on_land = {
        shift: torch.roll(land, shift, (0, 1))[lit].float().mean() for shift in ((0, 0), (2, 0), (0, 2), (-2, 0))
    }
    assert on_land[0, 0] > 0.85  # lamps stand on land, many at its edge
    assert max(on_land, key=on_land.get) == (0, 0)  # and nowhere as well as where they are


def test_known_places():
    day, _ = earth_pictures()
    land = is_land(day)
    for latitude, longitude, dry in (
        (47, 8, True),
        (-25, 135, True),
        (23, 10, True),
        (0, -150, False),
        (-30, 80, False),
    ):
        assert land[int((90 - latitude) / 180 * 1024), int((longitude + 180) / 360 * 2048)] == dry


def test_map_pairs():
    test = earth_map("test", size=128)
    assert test.source.shape == test.target.shape
    longitude = latitude_longitude(test.place, width=4096)[:, 1]
    assert longitude.min() >= -168.75
    assert longitude.max() + 128 * 360 / 4096 <= -30.9375
    blueness = test.target[:, 2].short() - test.target[:, 0].short()  # of the map's sea it is 30 and more
    dry = torch.stack([is_land(picture) for picture in test.source])
    assert (dry == (blueness < 30)).float().mean() > 0.95


@pytest.mark.parametrize("call", [earth, earth_map])
def test_doors(call):
    with pytest.raises(ValueError, match="'train' or 'test'"):
        call("all")
    with pytest.raises(ValueError, match="16 to 256"):
        call(size=8)
    with pytest.raises(ValueError, match="stride at least 1"):
        call(stride=0)


def test_nothing_to_see():
    with pytest.raises(ValueError, match="smaller stride"):
        earth(size=16, stride=2000)
