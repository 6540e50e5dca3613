"""The pages: what they say, that nobody's text gets out of hand in them, and that everyone can read them."""

import re
from html.parser import HTMLParser

import pytest
import targets
from library.reported import CODE, HOSTILE, broken, complete, everyone, grade, hostile, partly, right, task, wrong
from mutants.gans import WRONG

from course_lib.grading.points import run
from course_lib.grading.record import Outcome, TaskGrade
from course_lib.grading.reports import statistics
from course_lib.grading.reports.code import MOST, listing
from course_lib.grading.reports.feedback import feedback, write_feedback
from course_lib.grading.reports.files import page_name
from course_lib.grading.reports.pages import TEMPLATES
from course_lib.grading.reports.summary import summary, write_summary

VOID = {"meta", "rect", "line", "link", "img", "br"}
PAGES = [feedback(person) for person in everyone()] + [summary(everyone(), guarantee="It ran confined.")]


class Page(HTMLParser):
    """A page's elements, and its text as it is read out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        if name not in VOID:
            assert self.open.pop() == name

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, name: str) -> list[dict]:
        return [attributes for element, attributes in self.elements if element == name]


def test_the_page_of_a_student():
    page = Page(feedback(partly(), "Exercises: numbers"))
    assert "2 of 5 points" in page.text
    assert "Look at 1 · The task double first." in page.text
    assert 'run its cell and check("double") below it' in page.text
    assert "NameError: name 'y' is not defined" in page.text
    assert "in task double, line 3: return x + y" in page.text
    assert "Asked: Large numbers." in page.text
    assert "Right: Random. also checked when grading" in page.text
    assert "Write this function, then run its cell and the check below" in page.text
    assert "The cell of double was there twice" in page.text
    assert "The error was raised in line 3" in page.text
    assert sum("marked" in line.get("class", "") for line in page.all("div")) == 1


def test_all_is_right():
    page = Page(feedback(complete()))
    assert "Everything is right. Well done!" in page.text
    assert "Where to begin" not in page.text


def test_what_is_left_is_only_hidden():
    page = Page(feedback(grade("a.ipynb", task("double", right(), wrong("the sign is turned", hidden=True)))))
    assert "Its public checks pass." in page.text
    assert "The sign is turned" in page.text


def test_a_hint_and_its_shorter_form_are_one_finding():
    turned = wrong("the sign is turned: v = alpha eps - sigma x_0"), wrong("the sign is turned", hidden=True)
    page = Page(feedback(grade("a.ipynb", task("double", *reversed(turned), wrong("the sign is turned twice")))))
    assert page.text.count("The sign is turned: v = alpha") == 1
    assert page.text.count("The sign is turned") == 2
    class_ = [grade("a", task("double", *turned)), grade("b", task("double", turned[1]))]
    ((found,), _) = statistics.misconceptions(class_)
    assert (found.hint, found.students) == ("The sign is turned: v = alpha eps - sigma x_0", 2)


def test_equal_tests_are_one_line():
    page = Page(feedback(grade("a.ipynb", task("double", *[right("Random.", True)] * 3, right()))))
    assert "Random. 3 points also checked when grading" in page.text


def test_a_submission_that_could_not_be_graded():
    page = Page(feedback(broken()))
    assert "This is not a notebook: it is not JSON." in page.text
    assert "None of your code was run." in page.text
    assert "The task double" not in page.text
    assert "Your submission" in Page(feedback(grade("x", key="", tier="", problem="What is this?"))).text


def test_the_code_is_shown_line_by_line():
    lines = listing(task("double", wrong("NameError: y", line=3), code='def f():\n    """One\n\n    two"""\n')).lines
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert [line.marked for line in lines] == [False, False, True, False]
    assert all(line.html.count("<span") == line.html.count("</span>") for line in lines)
    assert listing(task("double", wrong("x", line=99))).lines[-1].number == CODE.count("\n") + 1
    assert listing(task("double", code="")).lines == ()


def test_of_a_long_cell_the_marked_part_is_shown():
    shown = listing(task("double", wrong("NameError: y", line=5000), code="x = 1\n" * 9000))
    assert len(shown.lines) == MOST
    assert [line.number for line in shown.lines if line.marked] == [5000]
    assert shown.more == 9000 - MOST


@pytest.mark.parametrize("html", PAGES)
def test_strangers_text_stays_text(html):
    page = Page(html)
    allowed = (
        "html head meta title style body a header main section nav footer div p h1 h2 h3 ul ol li span strong code"
    )
    allowed += " svg rect line text desc details summary dl dt dd table thead tbody tr th td"
    assert {name for name, _ in page.elements} <= set(allowed.split())
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on") or key == "style"]
    assert not set(html) & set("\u202e\x00\x1b")
    assert not re.search("[AZ]{500}", html)
    assert "49" not in page.text


@pytest.mark.parametrize("html", PAGES)
def test_a_page_asks_nobody_for_anything(html):
    page = Page(html)
    policy = page.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in html
    assert "@import" not in html
    links = [link["href"] for link in page.all("a")]
    assert all(re.fullmatch(r"#[\w-]+|feedback/[a-z0-9.-]+\.html", link) for link in links)


@pytest.mark.parametrize("html", PAGES)
def test_a_page_can_be_heard_and_walked_through(html):
    page = Page(html)
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(name)) for name in ("h1", "main", "header", "footer", "title")][:4] == [1, 1, 1, 1]
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h\d", name)]
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in page.elements:
        for key in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(key, "").split()) <= set(ids)
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}
    assert {link["href"][1:] for link in page.all("a") if link["href"].startswith("#")} <= set(ids)
    assert all(svg["role"] == "img" and {"aria-label", "aria-labelledby"} & set(svg) for svg in page.all("svg"))


def colours() -> dict[str, dict[str, str]]:
    """Theme -> the name of each colour -> "#rrggbb"."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark, printed = (dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in blocks)
    return {"light": light, "dark": dark, "print": printed}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


CODE_COLOURS = ("text", "muted", "keyword", "string", "number", "comment", "name", "builtin")


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_every_colour_can_be_read(theme):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    named = colours()[theme]
    text = [(ink, paper) for ink in ("text", "muted", "link", "good", "missed") for paper in ("page", "card")]
    code = [(ink, paper) for ink in CODE_COLOURS for paper in ("code", "mark")]
    for ink, paper in [*text, *code, ("muted", "tag"), ("link", "code")]:
        assert contrast(named[ink], named[paper]) >= 4.5, (ink, paper)
    for ink, paper in [("good", "track"), ("edge", "page"), ("edge", "card"), ("missed", "mark")]:
        assert contrast(named[ink], named[paper]) >= 3.0, (ink, paper)


def test_the_instructors_page():
    page = Page(summary([*everyone(), partly("eva/03.ipynb")], {"numbers": "Numbers"}, "It ran confined."))
    assert "5 submissions, run in the tier bwrap" in page.text
    assert "It ran confined." in page.text
    assert "Submissions by share of the points. 0 to 10 %: 0; 10 to 20 %: 0" in page.text
    assert "kim: not graded. This is not a notebook: it is not JSON." in page.text
    assert "ben: The cell of double was there twice" in page.text
    assert f"feedback/{page_name('ben/03.ipynb')}" in [link["href"] for link in page.all("a")]
    assert "NameError: name 'y' is not defined1 · The task double2" in page.text


def test_what_could_not_be_graded_has_no_points_and_stands_last():
    unknown = grade("zoe.ipynb", key="", tier="", problem="It is empty.")
    page = Page(summary([unknown, *everyone(), grade("n" * 240 + ".ipynb", task("double", right()), key="other")]))
    assert page.text.index("Of no known exercise") > page.text.index("Exercises: other")
    assert "zoe–not graded" in page.text
    assert f"{'n' * 59}…" in page.text
    assert "n" * 60 not in page.text
    regions = [attributes["aria-labelledby"] for attributes in page.all("div") if attributes.get("role") == "region"]
    assert len(set(regions)) == len(regions)


def test_the_class_in_numbers():
    grades = [complete("a"), complete("b"), partly("c"), broken("d")]
    assert statistics.shares(grades) == [0.4, 1.0, 1.0]
    assert statistics.distribution(grades) == [0, 0, 0, 0, 1, 0, 0, 0, 0, 2]
    half, double = statistics.hardest(grades)
    assert (half.task, half.share, half.complete, half.unwritten) == ("half", 4 / 6, 2, 1)
    assert (double.task, double.share, double.complete, double.unwritten) == ("double", 6 / 7, 2, 0)


def test_misconceptions_are_counted_by_student():
    numbers = "3 of 9 numbers are wrong: got {}, expected 2 at index (0,)"
    sign = wrong("the sign is turned")
    grades = [
        grade("a", task("double", sign, sign, wrong(numbers.format(1)))),
        grade("b", task("double", wrong("TypeError: None", line=2), sign, wrong(numbers.format(7)))),
        grade("c", task("double", wrong("TypeError: None", line=3))),
    ]
    named, unexplained = statistics.misconceptions(grades)
    assert [(found.hint, found.students) for found in named] == [("The sign is turned", 2), ("TypeError: None", 2)]
    assert [found.students for found in unexplained] == [2]


def test_the_same_grades_make_the_same_files(tmp_path):
    for name, grades in (("one", everyone()), ("two", everyone()[::-1])):
        pages = write_feedback(grades, tmp_path / name / "feedback")
        write_summary(grades, tmp_path / name / "index.html")
        assert {page.parent for page in pages} == {tmp_path / name / "feedback"}
        assert sorted(pages) == sorted((tmp_path / name / "feedback").iterdir())
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.html")]
    assert len(files) == 5
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_nobody_handed_in():
    assert "0 submissions" in Page(summary([])).text


def test_no_line_of_a_real_test_is_on_a_page():
    """Hints and questions are told; the code of the tests that gave them is not."""
    cells = targets.tasks("gans")
    wrongs = {wrong.task: cells[wrong.task].replace(wrong.old, wrong.new) for wrong in WRONG}
    namespace = targets.changed("gans", wrongs)
    outcomes = {name: [] for name in cells}
    for hidden, folder in ((False, "checks"), (True, "hidden")):
        for point in run(targets.files("gans", folder), namespace):
            outcomes[point.task].append(Outcome(point.asked, point.passed, point.hint, None, hidden))
    tasks = [TaskGrade(name, name, tuple(outcomes[name]), code) for name, code in wrongs.items()]
    text = Page(feedback(grade("a.ipynb", *tasks))).text
    assert tasks[0].outcomes[0].asked in text
    for path in targets.files("gans", "hidden"):
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
        code = [line for line in lines if len(line) >= 24 and '"' not in line]
        assert not [line for line in code if line in text and not any(line in cell for cell in cells.values())]


def test_a_hostile_submission_in_full():
    assert "<script" not in feedback(hostile())
    assert "⟨U+202E⟩&lt;script&gt;alert(" in feedback(hostile())
    assert HOSTILE.count("\x00") == 1
