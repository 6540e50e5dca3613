"""A folder of anybody's images: whatever kind they are of, what is seen arrives, and what cannot be read is named."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import folder as module
from course_lib.data.folder import folder, read_image

RED, BLUE = (200, 30, 40), (20, 40, 180)


def halves(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture.convert(mode)


def near(pixels: torch.Tensor, colour: tuple[int, ...], tolerance: float = 6.0) -> bool:
    """Whether a patch (C, h, w) has this colour, to a few levels (JPEG)."""
    return bool((pixels.float().mean((1, 2)) - torch.tensor(colour).float()).abs().max() <= tolerance)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tif", "ppm", "tga"])
@pytest.mark.parametrize("shape", [(60, 40), (31, 77), (200, 200), (16, 16)])
def test_files_of_many_kinds_and_sizes_become_squares(tmp_path, suffix, shape):
    halves(*shape).save(tmp_path / f"a.{suffix}")
    pixels = read_image(tmp_path / f"a.{suffix}", 32)
    assert pixels.shape == (3, 32, 32)
    assert near(pixels[:, 8:24, 2:10], RED, 12)
    assert near(pixels[:, 8:24, 22:30], BLUE, 12)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_every_mode_of_colour_is_read_as_it_looks(tmp_path, mode):
    """A grey square on the left half and white on the right, stored in each of Pillow's modes."""
    grey = np.full((40, 40), 255, np.uint8)
    grey[:, :20] = 0 if mode == "1" else 100
    levels = {"I;16": np.uint16(257) * grey, "I": grey.astype(np.int32) * 257, "F": grey.astype(np.float32) / 255}
    picture = Image.fromarray(levels[mode]) if mode in levels else Image.fromarray(grey).convert("RGB").convert(mode)
    picture.save(file := tmp_path / "a.tif") if mode not in ("HSV", "YCbCr") else None
    if mode in ("HSV", "YCbCr"):  # no file format keeps them as they are
        assert np.asarray(module._square(picture, 16)).shape == (16, 16, 3)
        return
    for channels in (1, 3):
        pixels = read_image(file, 16, channels)
        assert near(pixels[:, :, :6], channels * (0 if mode == "1" else 100,), 2)
        assert near(pixels[:, :, 10:], channels * (255,), 2)


def test_sixteen_bits_keep_their_order(tmp_path):
    """A ramp over all 65,536 levels: cut off at 255, as a plain conversion does, it would be white."""
    ramp = np.linspace(0, 65_535, 64).round().astype(np.uint16)
    Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / "a.png")
    row = read_image(tmp_path / "a.png", 64, 1)[0, 0].float()
    assert torch.allclose(row, torch.linspace(0, 255, 64), atol=1.0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation):
    """What a camera stored sideways or mirrored is seen as it was taken: red left, blue right, white corner on top."""
    upright = halves(48, 48)
    upright.paste((255, 255, 255), (0, 0, 12, 12))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Transpose that a viewer's turn undoes (EXIF 2.3, tag 274)
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = read_image(tmp_path / "a.jpg", 48)
    assert near(pixels[:, 2:10, 2:10], (255, 255, 255), 6)
    assert near(pixels[:, 20:44, 4:20], RED)
    assert near(pixels[:, 4:44, 28:44], BLUE)


def test_transparent_pixels_are_white_and_half_of_one_is_half_white(tmp_path):
    picture = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 128), (16, 0, 32, 32))
    picture.save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png", 32)
    assert near(pixels[:, :, :15], (255, 255, 255), 0)
    assert near(pixels[:, :, 17:], (127, 127, 127), 1)


def test_transparency_by_palette(tmp_path):
    picture = halves(32, 32).convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    picture.save(tmp_path / "a.png", transparency=picture.getpixel((0, 0)))
    pixels = read_image(tmp_path / "a.png", 32)
    assert near(pixels[:, :, :15], (255, 255, 255), 0)
    assert near(pixels[:, :, 17:], BLUE, 3)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE, BLUE)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert near(read_image(tmp_path / f"a.{suffix}", 16), RED)


def test_the_middle_is_kept(tmp_path):
    """Of a wide picture its two ends are cut off, alike."""
    picture = Image.new("RGB", (120, 40), BLUE)
    picture.paste(RED, (40, 0, 80, 40))
    picture.save(tmp_path / "a.png")
    assert near(read_image(tmp_path / "a.png", 40), RED, 0)


def test_shrinking_averages(tmp_path):
    """A checkerboard of single pixels becomes grey; one that only picks pixels would see black or white."""
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    inner = read_image(tmp_path / "a.png", 32, 1)[0, 4:-4, 4:-4].float()
    assert (inner - 127.5).abs().max() < 3


def test_order_and_classes_come_from_the_paths(tmp_path):
    for name in ("cats/b.png", "cats/deep/a.png", "ants/z.png", "loose.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), 10 * len(name)).save(tmp_path / name)
    images = folder(tmp_path, size=16, channels=1)
    seen = [(images.classes[label], int(x[0, 0, 0])) for label, x in zip(images.labels, images.pixels)]
    assert seen == [("ants", 100), ("cats", 100), ("cats", 150), (tmp_path.name, 90)]
    assert torch.equal(folder(str(tmp_path), size=16, channels=1).pixels, images.pixels)


def test_without_subfolders_there_is_one_class(tmp_path):
    for name in "ab":
        halves().save(tmp_path / f"{name}.png")
    images = folder(tmp_path)
    assert images.pixels.shape == (2, 3, 64, 64)
    assert images.classes == (tmp_path.name,)
    assert images.labels.tolist() == [0, 0]


def bomb(width: int, height: int) -> bytes:
    """A small PNG that claims to be huge."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def damaged() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()[:3000]


UNREADABLE = {
    "notes.txt": (b"milk, eggs", "no image"),
    "empty.png": (b"", "no image"),
    "bomb.png": (bomb(60_000, 60_000), "pixels"),
    "large.png": (bomb(10_000, 9_500), "more than 90 million"),
    "cut.png": (damaged(), "truncated"),
    "text.jpg": (b"\xff\xd8\xff\xe0 and then nothing", "no image|cannot|Truncated"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_named_and_left_out(tmp_path, name):
    content, reason = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    for good in "ab":
        halves().save(tmp_path / f"{good}.png")
    with pytest.warns(UserWarning, match=rf"Not read: {name} \(.*({reason})"):
        images = folder(tmp_path, size=16)
    assert len(images) == 2


def test_hidden_files_are_passed_over_in_silence(tmp_path):
    for name in (".DS_Store", "Thumbs.db", "__MACOSX/._a.png", ".git/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    for good in "ab":
        halves().save(tmp_path / f"{good}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(folder(tmp_path, size=16)) == 2


def test_too_few_are_refused_with_the_reason(tmp_path):
    with pytest.raises(ValueError, match="holds 0 images .* 2 are needed. There is no other file"):
        folder(tmp_path)
    halves().save(tmp_path / "a.png")
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text("no image")
    with pytest.raises(ValueError, match="holds 1 images .* 2 are needed. Not read: 0.txt .*; and 2 more"):
        folder(tmp_path)
    with pytest.warns(UserWarning, match="Not read"):
        assert len(folder(tmp_path, least=1)) == 1


def test_doors(tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        folder(tmp_path / "nowhere")
    (tmp_path / "file.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="unpack an archive"):
        folder(tmp_path / "file.zip")
    for wrong in ({"channels": 4}, {"size": 4}, {"size": 1000}, {"least": 0}):
        with pytest.raises(ValueError, match="channels must be 1 or 3, size 8 to 512"):
            folder(tmp_path, **wrong)
