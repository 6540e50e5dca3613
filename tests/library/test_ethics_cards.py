"""Every shipped model and data set has a card, and each is what the command would write now."""

import pytest
import torch

from course_lib.checkpoints import available
from course_lib.cli import cards, main
from course_lib.data import BUNDLED
from course_lib.data.attributed import Attributed
from course_lib.data.images import Images
from course_lib.ethics.cards import Facts, data_sheet, model_card
from course_lib.ethics.datasheet import Sheet, leaked, sheet
from course_lib.ethics.uses import USES

HEADER = {
    "model": "course_lib.diffusion.flow:Flow",
    "data": "Ten blank images",
    "recipe": "blank",
    "seed": 7,
    "metrics": {"distance": 0.25},
    "sha256": "ab12",
    "energy": {"joules": {"processor (RAPL)": 3.6e6, "card": 0.0}, "seconds": 9.0},
}
DRAWN = {"images": 500.0, "joules each": 0.02, "training joules": 7_200.0}
SHOWN = {"images": 500.0, "hat: hat": 0.5}


def test_what_is_committed_is_what_the_command_writes(capsys):
    assert main(["cards", "--check"]) == 0, capsys.readouterr().err


def test_no_card_is_left_without_its_model_or_data():
    assert {path.stem for path in (cards.CARDS / "models").iterdir()} == set(available())
    assert {path.stem for path in (cards.CARDS / "data").iterdir()} == set(BUNDLED)
    assert set(available()) - set(USES) == set()


def test_a_missing_card_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    monkeypatch.setattr(cards, "written", lambda: iter([(cards.Path("models") / "new.md", "text\n")]))
    assert main(["cards", "--check"]) == 1
    assert "models/new.md is not up to date" in capsys.readouterr().err
    assert main(["cards"]) == 0
    assert main(["cards", "--check"]) == 0


def test_a_model_card_holds_what_was_measured():
    text = model_card(Facts("blank", "Draws nothing.", HEADER, 1_234, 10, 2_468, DRAWN, SHOWN))
    for told in ("`course train blank`: 10 steps from seed 7", "1,234 parameters", "distance 0.25", "`ab12`"):
        assert told in text
    assert "3.6 MJ, 481 g CO2e at 481 g/kWh, metered as it was trained: processor (RAPL), card" in text
    assert "Shares in 500 images" in text
    assert "hat: hat 0.50 [0.46, 0.54]" in text
    assert "**Not for.**" in text


@pytest.mark.parametrize(("drawn", "told"), [({}, "not metered"), (DRAWN, "about 7.2 kJ, 962 mg CO2e")])
def test_a_model_from_before_the_meter_says_so(drawn, told):
    header = {name: value for name, value in HEADER.items() if name != "energy"}
    assert told in model_card(Facts("blank", "Draws nothing.", header, 1, 10, 2, drawn, {}))


def test_a_sheet_counts_copies_and_near_copies():
    pixels = torch.randint(0, 256, (10, 1, 16, 16), dtype=torch.uint8)
    nearly = pixels[3].clone()
    nearly[0, 0, 0] += 8
    pixels = torch.cat([pixels, pixels[:2], nearly[None]])
    found = sheet(Images(pixels, torch.zeros(13, dtype=torch.int64), ("one",)))
    assert (found.images, found.shape, found.repeated, found.near) == (13, (1, 16, 16), 2, 3)
    assert found.mean == pytest.approx(pixels.double().mean().item() / 255, abs=1e-12)
    assert found.counts == {"label": {"one": 13}}


def test_test_images_that_were_trained_on_are_found():
    pixels = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8)
    one = lambda index: Images(pixels[index], torch.zeros(len(pixels[index]), dtype=torch.int64))
    assert leaked(one(slice(0, 10)), one(slice(10, 20))) == 0
    assert leaked(one(slice(0, 10)), one(slice(7, 17))) == 3


def test_attributes_are_counted_one_by_one():
    names = {"hat": ("no", "yes"), "eyes": ("brown", "blue", "green")}
    data = Attributed(torch.zeros(3, 3, 16, 16, dtype=torch.uint8), torch.tensor([[0, 2], [1, 0], [1, 2]]), names)
    assert sheet(data).counts == {"hat": {"no": 1, "yes": 2}, "eyes": {"brown": 1, "blue": 0, "green": 2}}


def test_a_datasheet_answers_in_the_order_of_its_questions():
    card = "| what | Blanks |\n| source | none |\n| author | nobody |\n| licence | CC0 |\n| loader | `b()` |\n"
    card += "| rebuild | `r` |\n\n**Known gaps.** All of\nthem."
    one = Sheet(4, (1, 8, 8), 0.5, 0.25, 1, 2, {"label": {"a": 1, "b": 3}})
    text = data_sheet("blank", card, one, one._replace(images=1), 1)
    order = ["Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"]
    assert [text.index(f"**{heading}.**") for heading in order] == sorted(text.index(f"**{h}.**") for h in order)
    for told in ("| train | 4 | 1 × 8 × 8 | 0.500 ± 0.250 | 1 | 2 |", "from a (25.0%) to b (75.0%)", "All of them."):
        assert told in text
