"""The site's parts: which pages there are, where their links lead, what the check of the finished pages finds."""

import ast
import base64
import io
import json
import shutil
import sys

import pytest
from PIL import Image

from course_lib import places
from course_lib.cli import main
from course_lib.site import mathjax, pictures, reference
from course_lib.site.docstrings import escaped, marked_up
from course_lib.site.links import problems
from course_lib.site.sources import gather, pages

ADDRESS = "https://github.com/someone/else"


def png(grey: int) -> bytes:
    """A grey square."""
    file = io.BytesIO()
    Image.new("L", (4, 4), grey).save(file, "PNG")
    return file.getvalue()


def shows(picture: bytes, alt: str, *tags: str) -> dict:
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": alt}
    output = {"output_type": "display_data", "data": data, "metadata": {"alt": alt}}
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "metadata": metadata, "source": "x", "outputs": [output], "execution_count": 1}


def says(text: str, *tags: str) -> dict:
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)} if tags else {}, "source": text}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A checkout with a notebook, an exercise, a glossary, a card and a package."""
    root = tmp_path / "house"
    for folder in ("notebooks", "exercises", "course_lib/cards/data", "course_lib/one", "site/_static", "tests"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{ADDRESS}"\n')
    (root / "site" / "index.md").write_text("# Home\n\n<!-- modules -->\n")
    (root / "GLOSSARY.md").write_text(
        "# Glossary\n[a](tests) [b](notebooks/01_one.ipynb#end) [c](https://else.where/)\n"
    )
    (root / "course_lib" / "cards" / "data" / "dots.md").write_text("# dots\n\nNine dots.\n")
    (root / "course_lib" / "one" / "__init__.py").write_text('"""One."""\n')
    (root / "course_lib" / "one" / "two.py").write_text("from a import b\nclass C: ...\ndef f(): ...\ndef _g(): ...\n")
    text = f"# 1 · One\n\n**Why\none?** [x](../exercises/01_one.ipynb) [y]({ADDRESS}/blob/main/GLOSSARY.md#symbols)"
    cells = [says(text), says("[badge](https://colab)", "badges"), shows(png(10), "a dark square")]
    (root / "notebooks" / "01_one.ipynb").write_text(json.dumps({"cells": cells}))
    (root / "exercises" / "01_one.ipynb").write_text(json.dumps({"cells": [says("# Exercises")]}))
    monkeypatch.setattr(places, "PACKAGE", root / "course_lib")
    return root


def test_gathered(house, tmp_path):
    gather(house, out := tmp_path / "out")
    cells = json.loads((out / "notebooks" / "01_one.ipynb").read_text())["cells"]
    assert "[x](../exercises/01_one.ipynb) [y](../glossary.md#symbols)" in cells[0]["source"]
    assert not [cell for cell in cells if "badges" in cell["metadata"].get("tags", [])]
    told = f"[a]({ADDRESS}/blob/main/tests) [b](notebooks/01_one.ipynb#end) [c](https://else.where/)"
    assert told in (out / "glossary.md").read_text()
    assert list(json.loads((out / pictures.FILE).read_text()).values()) == ["a dark square"]
    index = (out / "index.md").read_text()
    assert "[![a dark square](_static/covers/01_one.png)](notebooks/01_one.ipynb)" in index
    assert "[1 · One](notebooks/01_one.ipynb)\n\nWhy one?" in index
    for page in ("exercises/01_one.ipynb", "reference/course_lib.one.rst", "glossary.md", "cards/data.md"):
        assert page in index
        assert (out / page).exists()
    assert "- [dots](data/dots.md): Nine dots.\n" in (out / "cards" / "data.md").read_text()


def test_the_readme_leaves_its_gallery_behind_and_keeps_its_figures(house, tmp_path):
    (house / "site" / "_static" / "board.png").write_bytes(png(10))
    (house / "README.md").write_text(
        "# Long title\n\n<table>\n<tr></tr>\n</table>\n\n![a board](site/_static/board.png)\n"
    )
    gather(house, out := tmp_path / "out")
    assert (out / "guide.md").read_text() == "# Install and use\n\n![a board](_static/board.png)\n"


def test_what_is_new_appears_by_itself(house, tmp_path):
    shutil.copy(house / "notebooks" / "01_one.ipynb", house / "notebooks" / "02_two.ipynb")
    (house / "course_lib" / "cards" / "models").mkdir()
    (house / "course_lib" / "cards" / "models" / "flow.md").write_text("# flow\n\nA flow.\n")
    gather(house, out := tmp_path / "out")
    index = (out / "index.md").read_text()
    assert index.count(":::{container} module") == 2
    assert "cards/models.md" in index
    assert (out / "cards" / "models" / "flow.md").exists()


def test_every_card_that_the_course_writes_is_a_page():
    root = places.checkout()
    written = [path.relative_to(root / "course_lib").as_posix() for path in root.glob("course_lib/cards/*/*.md")]
    assert {"cards/models/fashion_flow.md", "cards/data/fashion.md"} <= set(written) <= set(pages(root).values())


def test_a_page_keeps_its_pictures(house, tmp_path):
    (house / "benchmarks").mkdir()
    (house / "benchmarks" / "README.md").write_text("# Measured\n![ratios](ratios.png) [code](ratios.py)\n")
    (house / "benchmarks" / "ratios.png").write_bytes(png(10))
    (house / "benchmarks" / "ratios.py").write_text("")
    gather(house, out := tmp_path / "out")
    told = f"# Benchmarks\n![ratios](ratios.png) [code]({ADDRESS}/blob/main/benchmarks/ratios.py)\n"
    assert (out / "benchmarks.md").read_text() == told
    assert (out / "ratios.png").read_bytes() == png(10)


def test_the_reference_holds_every_public_name_of_the_library(tmp_path):
    root = places.checkout()
    reference.write(root, tmp_path / "pages")
    written = "\n".join(page.read_text() for page in (tmp_path / "pages").iterdir())
    kinds = ast.FunctionDef | ast.ClassDef
    for package in ("diffusion", "gans", "ssms/video", "plotting"):
        for path in (root / "course_lib" / package).glob("*.py"):
            if path.stem != "__init__":
                assert f"automodule:: course_lib.{package.replace('/', '.')}.{path.stem}\n" in written
            names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, kinds)]
            assert [name for name in names if not name.startswith("_") and name not in written] == []


@pytest.mark.parametrize(
    ("plain", "marked"),
    [
        ("x_ and x_t and _y", r"x\_ and x_t and _y"),
        ("`f(x)` of *args", r"``f(x)`` of \*args"),
        ("many `Tensor`s", r"many ``Tensor``\ s"),
        (r"|x| of \alpha", r"\|x\| of \\alpha"),
        ("one ` alone", r"one \` alone"),
    ],
)
def test_plain_text_means_itself(plain, marked):
    assert escaped(plain) == marked


def test_lined_up_text_keeps_its_form_and_doctests_theirs():
    columns = ["Files.", "", "a.py   the first", "bc.py  the second"]
    assert marked_up(columns) == ["Files.", "", "::", "", "    a.py   the first", "    bc.py  the second", ""]
    doctest = ["Draw.", "", "Examples", "--------", ">>> f(*x_)", "a_ | b"]
    assert marked_up(doctest)[-3:] == ["--------", ">>> f(*x_)", "a_ | b"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="two.html#here">x</a><a href="#top">x</a><a href="https://else.where/">x</a>', None),
        ('<img src="a.png" alt="a square"><img src="data:image/png;base64,AA" alt="a dot">', None),
        ('<a href="three.html">x</a>', "leads nowhere: three.html"),
        ('<a href="../outside.html">x</a>', "leads nowhere: ../outside.html"),
        ('<a href="two.html#there">x</a>', "leads to no place on its page: two.html#there"),
        ('<img src="b.png" alt="a square">', "leads nowhere: b.png"),
        ('<img src="a.png">', "a picture without words: a.png"),
        ('<img src="a.png" alt=" ">', "a picture without words: a.png"),
        ('<script src="https://else.where/x.js"></script>', "loads from another host: https://else.where/x.js"),
        ('<script src="//else.where/x.js"></script>', "loads from another host: //else.where/x.js"),
        (
            '<link rel="stylesheet" href="https://else.where/x.css">',
            "loads from another host: https://else.where/x.css",
        ),
        ('<link rel="canonical" href="https://else.where/x.html">', None),
    ],
)
def test_the_check_of_finished_pages(tmp_path, body, told):
    (tmp_path / "site").mkdir()
    (tmp_path / "outside.html").write_text("")
    (tmp_path / "site" / "a.png").write_bytes(png(1))
    (tmp_path / "site" / "two.html").write_text('<p id="here">two</p>')
    (tmp_path / "site" / "one.html").write_text(f"<html><body>{body}</body></html>")
    assert problems(tmp_path / "site") == ([f"one.html: {told}"] if told else [])


def test_no_request_is_hidden_in_a_style_sheet(tmp_path):
    (tmp_path / "one.html").write_text('<style>@import url("https://else.where/x.css");</style>')
    (tmp_path / "x.css").write_text("a { background: url(https://else.where/x.png) } b { background: url(data:x) }")
    assert problems(tmp_path) == [
        "one.html: loads from another host: https://else.where/x.css",
        "x.css: loads from another host: https://else.where/x.png",
    ]


def test_without_npm_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="formulas need mathjax@3.* npm .*--mathjax FILE"):
        mathjax.place(tmp_path)
    with pytest.raises(ValueError, match="no copy of MathJax at"):
        mathjax.place(tmp_path, tmp_path / "none.js")


def test_bad_input_gets_one_line_and_status_2(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sphinx_book_theme", reason="the extra site is not installed")
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["site", "--out", str(tmp_path)]) == 2
    assert "is not empty, and what it holds is no site" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").exists()
    monkeypatch.setitem(sys.modules, "sphinx_book_theme", None)
    assert main(["site", "--out", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == "course: this needs sphinx_book_theme: pip install 'course-lib[site]'\n"
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "course_lib")
    assert main(["site"]) == 2
    assert "in a checkout of the course only" in capsys.readouterr().err
