"""Figures are data too: their pixels, their text alternatives and their doors are checked."""

import base64
import io
import subprocess
import sys
import textwrap

import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from PIL import Image
from torch import Tensor

from course_lib import plotting
from course_lib.plotting import (
    Picture,
    animation,
    beside,
    curves,
    field,
    grid,
    heat,
    points,
    show_code,
    strip,
    table,
    timeline,
    trajectory,
)
from course_lib.plotting.timeline import rows_of_names

ALT = "What is to be seen."


def ramp(n: int, channels: int = 1, size: int = 8) -> Tensor:
    return torch.linspace(-1, 1, n)[:, None, None, None].expand(n, channels, size, size)


def array(picture: Picture) -> np.ndarray:
    return np.asarray(picture.image).astype(int)


CLOUD = torch.linspace(-1, 1, 20).repeat(2, 1).T
DRAWINGS = {
    "grid": lambda alt: grid(ramp(3), alt=alt),
    "strip": lambda alt: strip([ramp(2), -ramp(2)], alt=alt),
    "animation": lambda alt: animation([ramp(2), -ramp(2)], alt=alt),
    "beside": lambda alt: beside([grid(ramp(3), alt=ALT)] * 2, alt=alt),
    "curves": lambda alt: curves({"loss": [3, 2, 1.5]}, xlabel="step", ylabel="loss", alt=alt),
    "points": lambda alt: points({"data": CLOUD, "samples": CLOUD + 1}, alt=alt),
    "trajectory": lambda alt: trajectory(torch.stack([CLOUD, CLOUD + 1]), behind=CLOUD, alt=alt),
    "field": lambda alt: field(lambda x: -x, behind=CLOUD, alt=alt),
}


def stored(pixels: Tensor, **options) -> Image.Image:
    """The file of a grid of one picture, as it is stored."""
    return Image.open(io.BytesIO(grid(pixels, alt=ALT, **options).png))


def test_grey_pictures_are_stored_as_grey_and_exactly():
    file = stored(torch.rand(1, 1, 64, 64, generator=torch.manual_seed(0)) * 2 - 1)
    assert file.mode == "L"


def test_a_few_colours_are_stored_as_a_palette_and_exactly():
    colours = torch.tensor([[1.0, -1, -1], [-1, 1, 0], [0.5, 0, 1]])[torch.arange(64 * 64) % 3]
    picture = grid(colours.T.reshape(1, 3, 64, 64), alt=ALT, width=64)
    assert Image.open(io.BytesIO(picture.png)).mode == "P"
    want = {tuple(((row + 1) * 127.5).round().int().tolist()) for row in colours[:3]}
    assert want <= {colour for _, colour in picture.image.getcolors()}


def test_a_photograph_keeps_all_its_colours():
    noise = torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0)) * 2 - 1
    file = stored(noise, width=64)
    assert file.mode == "RGB"
    assert len(file.getcolors(10_000)) > 4_000


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_every_drawing_is_a_small_png_with_its_alternative_text(draw):
    picture = draw(ALT)
    data, metadata = picture._repr_mimebundle_()
    file = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert file.format == "PNG"
    assert file.text["Description"] == data["text/plain"] == metadata["image/png"]["alt"] == ALT
    assert file.width <= 800
    assert len(picture.png) < 100_000


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
@pytest.mark.parametrize("alt", ["", "  ", "plot"])
def test_every_drawing_demands_an_alternative_text(draw, alt):
    with pytest.raises(ValueError, match="alt"):
        draw(alt)


def test_alternative_text_reaches_an_exported_page():
    data, metadata = grid(ramp(3), alt='Grey "steps" & more')._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("grid(...)", outputs=[output])])
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    image = BeautifulSoup(page, "html.parser").find("img")
    assert image["alt"] == 'Grey "steps" & more'
    assert image["src"].startswith("data:image/png;base64,")


def test_a_picture_as_an_element_and_as_a_file(tmp_path):
    picture = grid(ramp(3), alt='Grey "steps" & more')
    assert BeautifulSoup(picture.html(), "html.parser").img["alt"] == picture.alt
    picture.save(tmp_path / "grid.png")
    assert (tmp_path / "grid.png").read_bytes() == picture.png


def test_importing_the_course_does_not_import_matplotlib():
    code = "import sys, course_lib.metrics; sys.exit('matplotlib' in sys.modules or 'ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Images


def test_grid_enlarges_pixels_to_whole_squares_of_their_own_grey():
    images = torch.tensor([-1.0, 0.0, 0.5, 1.0]).view(1, 1, 2, 2)
    pixels = array(grid(images, alt=ALT))[4:-4, 4:-4, 0]
    assert pixels.shape == (168, 168)
    for corner, grey in zip(
        (pixels[:84, :84], pixels[:84, 84:], pixels[84:, :84], pixels[84:, 84:]), (0, 128, 191, 255)
    ):
        assert (corner == grey).all()


def test_grid_reads_uint8_arrays_and_colours():
    pixels = np.zeros((1, 3, 4, 4), np.uint8)
    pixels[0, 0], pixels[0, 2] = 200, 100
    assert array(grid(pixels, alt=ALT))[80, 80].tolist() == [200, 0, 100]
    assert (array(grid(torch.full((1, 1, 4, 4), 9.0), alt=ALT)) == 255).all()  # clipped


def test_grid_goes_row_by_row():
    pixels = array(grid(ramp(6), columns=3, alt=ALT))[..., 0]
    height, width = pixels.shape
    centres = [pixels[int(height * y), int(width * x)] for y in (0.25, 0.75) for x in (0.17, 0.5, 0.83)]
    assert centres == [0, 51, 102, 153, 204, 255]


def test_heat_goes_from_white_to_blue():
    white, half, blue = heat(torch.tensor([[[0.0]], [[0.5]], [[1.0]]])).flatten(1)
    torch.testing.assert_close(white, torch.ones(3), atol=0, rtol=0)
    torch.testing.assert_close(blue, torch.tensor([-1.0, -0.1, 0.4]), atol=1e-6, rtol=0)
    torch.testing.assert_close(half, (white + blue) / 2, atol=1e-6, rtol=0)


def test_a_title_may_be_empty():
    pictures = [grid(ramp(4), columns=2, row_titles=titles, alt=ALT).image for titles in (["a", ""], ["a", "a"])]
    assert pictures[0].size == pictures[1].size
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_titles_and_captions_take_their_own_room():
    plain = grid(ramp(6), columns=3, alt=ALT).image
    titled = grid(ramp(6), columns=3, titles=list("abc"), row_titles=["real", "fake"], alt=ALT).image
    each = grid(ramp(6), columns=3, titles=list("abcdef"), caption="A caption. " * 20, alt=ALT).image
    assert plain.height < titled.height < each.height
    assert titled.width > plain.width


def test_strip_shows_first_and_last_state_and_one_row_an_image():
    states = [torch.full((2, 1, 8, 8), value) for value in torch.linspace(-1, 1, 21).tolist()]
    pixels = array(strip(states, columns=5, alt=ALT))[..., 0]
    height, width = pixels.shape
    rows = [[pixels[int(height * y), int(width * (x + 0.5) / 5)] for x in range(5)] for y in (0.25, 0.75)]
    assert rows == [[0, 64, 128, 191, 255]] * 2
    assert strip(torch.stack(states), columns=5, alt=ALT).png == strip(states, columns=5, alt=ALT).png
    assert strip(states[:2], titles=["noise", "image"], alt=ALT).image.height > strip(states[:2], alt=ALT).image.height


def test_animation_plays_all_frames_in_their_colours():
    colours = [torch.tensor([-1.0, c, 1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8) for c in (-1.0, 0.0, 1.0)]
    movie = Image.open(io.BytesIO(animation(colours, seconds=3.0, alt=ALT).png))
    assert movie.n_frames == 3
    assert movie.info["loop"] == 0
    for i, green in enumerate((0, 128, 255)):
        movie.seek(i)
        assert np.abs(np.array(movie.convert("RGB").getpixel((60, 60))) - [0, green, 255]).max() <= 4
        assert movie.info["duration"] == (2000 if i == 2 else 1000)


def test_beside_fills_rows():
    small = grid(ramp(1), alt=ALT)
    assert beside([small] * 3, alt=ALT).image.height < 1.2 * small.image.height
    assert beside([small] * 6, alt=ALT).image.height > 1.9 * small.image.height
    assert beside([small] * 3, columns=1, titles=list("abc"), alt=ALT).image.height > 3 * small.image.height


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: grid(torch.zeros(3, 8, 8), alt=ALT), r"\(N, C, H, W\)"),
        (lambda: grid(torch.zeros(3, 2, 8, 8), alt=ALT), "1 or 3"),
        (lambda: grid(torch.zeros(0, 1, 8, 8), alt=ALT), r"\(N, C, H, W\)"),
        (lambda: grid(torch.full((1, 1, 8, 8), 255.0), alt=ALT), r"0\.\.255"),
        (lambda: grid(torch.zeros(1, 1, 8, 8, dtype=torch.int64), alt=ALT), "uint8"),
        (lambda: grid(ramp(6), columns=3, titles=["a"], alt=ALT), "titles"),
        (lambda: grid(ramp(6), columns=3, row_titles=["a"], alt=ALT), "row_titles"),
        (lambda: grid(ramp(6), columns=-1, alt=ALT), "columns"),
        (lambda: strip([ramp(2), ramp(3)], alt=ALT), "alike"),
        (lambda: strip([ramp(2)] * 3, titles=["a"], alt=ALT), "titles"),
        (lambda: strip([], alt=ALT), "at least one"),
        (lambda: animation([ramp(2)], alt=ALT), "two frames"),
        (lambda: animation([ramp(2), ramp(2, size=9)], alt=ALT), "same shape"),
        (lambda: beside([], alt=ALT), "needs pictures"),
        (lambda: beside([grid(ramp(2), alt=ALT)], titles=["a", "b"], alt=ALT), "titles"),
    ],
)
def test_image_drawings_refuse(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()


# Charts


def test_curves_take_tensors_gaps_levels_and_logarithms():
    series = {"Euler": torch.tensor([8.0, 4, 2]), "Heun": [8, float("nan"), 1]}
    picture = curves(series, x=[1, 2, 4], xlabel="n", ylabel="error", log="xy", levels={"floor": 0.5}, alt=ALT)
    assert picture.image.size == (640, 330)


def test_names_at_the_ends_do_not_touch():
    placed = plotting.charts._apart(np.array([0.5, 0.5, 0.51, 0.9]), 0.05)
    assert np.diff(np.sort(placed)).min() >= 0.05 - 1e-3
    assert placed[3] == 0.9


def test_limits_make_charts_comparable():
    frame = array(points({"data": CLOUD}, limit=4.0, alt=ALT)).shape
    assert array(points({"data": 2 * CLOUD}, limit=4.0, alt=ALT)).shape == frame


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: curves({"a": [1, 2], "b": [1]}, xlabel="x", ylabel="y", alt=ALT), "'b' has 1"),
        (lambda: curves({}, xlabel="x", ylabel="y", alt=ALT), "empty"),
        (lambda: curves({"a": [float("nan")]}, xlabel="x", ylabel="y", alt=ALT), "finite"),
        (lambda: curves({"a": torch.zeros(2, 2)}, xlabel="x", ylabel="y", alt=ALT), "row of numbers"),
        (lambda: points({}, alt=ALT), "empty"),
        (lambda: points({"a": torch.zeros(5, 3)}, alt=ALT), r"\(N, 2\)"),
        (lambda: points({"a": torch.full((5, 2), torch.nan)}, alt=ALT), "finite"),
        (lambda: trajectory(torch.zeros(1, 5, 2), alt=ALT), "T >= 2"),
        (lambda: trajectory(torch.zeros(5, 2), alt=ALT), r"\(T, N, 2\)"),
        (lambda: field(lambda x: x[:, 0], alt=ALT), r"\(M, 2\)"),
    ],
)
def test_charts_refuse(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()


# Text

ROWS = [{"solver": "Euler <32>", "steps": 1024, "excess": 0.7}, {"solver": "Heun", "steps": 32, "excess": 1.2e-7}]


def test_table_in_markdown_and_html():
    shown = table(ROWS, caption="n = 5,000")._repr_mimebundle_()
    assert shown["text/plain"].splitlines() == [
        "| solver | steps | excess |",
        "| --- | ---: | ---: |",
        "| Euler <32> | 1,024 | 0.700 |",
        "| Heun | 32 | 1.20e-07 |",
        "",
        "n = 5,000",
    ]
    page = BeautifulSoup(shown["text/html"], "html.parser")
    assert page.caption.text == "n = 5,000"
    assert [cell.text for cell in page.find_all("th", scope="col")] == ["solver", "steps", "excess"]
    assert [cell.text for cell in page.find_all("th", scope="row")] == ["Euler <32>", "Heun"]


def test_table_numbers_and_gaps():
    rows = [{"a": 123456.0, "b": 0.0, "c": True}, {"a": 12.0, "b": None, "c": "x"}, {"a": 1e9, "b": 999.9, "c": 1}]
    assert [list(row) for row in table(rows).rows] == [
        ["123,456", "0", "True"],
        ["12.0", "–", "x"],
        ["1.00e+09", "1,000", "1"],
    ]
    assert table(rows, columns=["c", "d"]).rows[0] == ("True", "–")


def test_table_refuses():
    with pytest.raises(ValueError, match="at least one row"):
        table([])
    with pytest.raises(ValueError, match="besides"):
        table([{"a": 1}, {"b": 2}])


class Sample:
    """What it is."""

    def method(self):
        """What it does."""
        return 1

    def silent(self):
        """Only words."""


def test_show_code_leaves_the_documentation_out():
    expected = """\
        class Sample:
            def method(self):
                return 1

            def silent(self):
                \"\"\"Only words.\"\"\""""
    assert show_code(Sample).code == textwrap.dedent(expected)
    assert show_code(Sample.method).code == "def method(self):\n    return 1"
    assert '"""What it does."""' in show_code(Sample.method, docstring=True).code


def test_show_code_says_where_and_highlights():
    source = show_code(table)
    assert source.place.startswith("course_lib/plotting/text.py, line ")
    bundle = source._repr_mimebundle_()
    assert "def table(" in bundle["text/plain"]
    assert "def table(" in BeautifulSoup(bundle["text/html"], "html.parser").text
    assert bundle["text/markdown"].count("```") == 2


@pytest.mark.parametrize("bad", [len, torch.relu, int])
def test_show_code_refuses(bad):
    with pytest.raises(ValueError, match="no Python source"):
        show_code(bad)


def test_a_name_on_a_timeline_rises_only_where_it_would_touch_another():
    events = [(2014.0, "GAN"), (2014.1, "twin"), (2020.0, "late")]
    assert rows_of_names(events, 2014.0, 2020.0, 760) == [0, 1, 0]


def test_a_timeline_grows_with_its_rows_of_names():
    one, two = (timeline({"a": [(2014.0, "GAN")] * k}, alt=ALT) for k in (1, 2))
    assert array(two).shape[0] > array(one).shape[0]


@pytest.mark.parametrize("lanes", [{}, {"GANs": []}])
def test_a_timeline_of_nothing(lanes):
    with pytest.raises(ValueError, match="at least one event"):
        timeline(lanes, alt=ALT)


def test_names_of_marks_cover_neither_marks_nor_each_other():
    """Six names around one mark: each name's place is free of all others."""
    from matplotlib.transforms import Bbox

    from course_lib.plotting.marks import _free

    taken, page = [Bbox.from_bounds(195, 195, 10, 10)], Bbox.from_bounds(0, 0, 400, 400)
    for _ in range(6):
        box = _free(200, 200, 60, 14, taken, page)
        assert not any(part.width * part.height > 0.5 for other in taken if (part := Bbox.intersection(box, other)))
        taken.append(box)
    corner = _free(396, 396, 60, 14, [], page)
    assert corner.x1 <= 400
    assert corner.y1 <= 400


def test_marks_that_cannot_stand_on_their_axes_are_refused():
    from course_lib.plotting.marks import Mark, marks

    kind = {"xlabel": "cost", "ylabel": "quality", "alt": "One mark alone."}
    assert marks({"one": Mark(0.0, 1.0, 0.5, 1.5, "a group")}, **kind).alt == "One mark alone."
    with pytest.raises(ValueError, match="logarithmic"):
        marks({"one": Mark(0.0, 1.0, 0.5, 1.5, "a group")}, log="x", **kind)
    with pytest.raises(ValueError, match="at least one mark"):
        marks({}, **kind)
