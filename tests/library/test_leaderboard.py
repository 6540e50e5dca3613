"""The board shows its log and nothing else; its bounds bound; its README is up to date."""

import math
import shutil
from pathlib import Path

import pytest
import torch

from course_lib.cli import main
from course_lib.experiments import Run, board, leaderboard, read
from course_lib.experiments.board import bits, contestants, page
from course_lib.experiments.board.rows import FAMILIES, family, rows, table
from course_lib.metrics import interval
from course_lib.recipes import fashion_raster

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_shows_the_log():
    assert main(["leaderboard", "--check"]) == 0


def test_a_stale_readme_is_named_and_written_anew(tmp_path):
    (tmp_path / page.PICTURE).parent.mkdir(parents=True)
    for name in (page.README, page.PICTURE):
        shutil.copy(ROOT / name, tmp_path / name)
    assert page.stale(tmp_path) == []
    found = rows()
    found[1] = found[1]._replace(excess=interval([0.5, 0.6]))
    assert page.stale(tmp_path, found) == [page.README]
    page.write(tmp_path, found)
    assert page.stale(tmp_path, found) == []
    assert page.stale(tmp_path) == [page.README]
    (tmp_path / page.PICTURE).unlink()
    assert page.stale(tmp_path) == [page.PICTURE, page.README]


def test_a_picture_of_other_numbers_is_stale_though_the_table_looks_the_same(tmp_path):
    found = rows()
    other = [found[0], found[1]._replace(milliseconds=found[1].milliseconds * 1.003), *found[2:]]
    assert page.digest(other) != page.digest(found)
    assert page.digest([row._replace(joules=row.joules * (1 + 1e-9)) for row in found]) == page.digest(found)


@pytest.mark.parametrize("text", ["no markers", f"{page.END} {page.BEGIN}", f"{page.BEGIN} {page.BEGIN} {page.END}"])
def test_a_page_without_one_pair_of_markers_is_refused(text):
    with pytest.raises(ValueError, match="once each"):
        page.replaced(text, "board")


def test_rows_are_what_the_log_says():
    """Each number of a row from the log's own, and the interval by `metrics.interval`; best first."""
    found, logged = rows(), {run.name: run for run in read("leaderboard")}
    assert [row.name for row in found] == sorted(logged, key=lambda name: sum(logged[name].curves["excess"]))
    for row in found:
        run = logged[row.name]
        assert row.excess == interval(run.curves["excess"])
        assert row.bits == run.results.get("bits")
        assert row.milliseconds == 1e3 * run.results["seconds each"]
        assert row.draws == len(run.curves["excess"]) == run.steps
    assert {row.family for row in found} >= {"reference", "GANs", "VAEs", "diffusion", "transformers"}
    assert len({(row.n, row.draws, row.floor, row.device) for row in found}) == 1, "all were measured in the same way"


def test_the_table_is_made_of_the_rows():
    run = Run(
        "GAN",
        0,
        2,
        1.0,
        "a device; a meter",
        LOGGED,
        {"excess": [0.1, 0.3], "precision": [0.5, 0.7], "recall": [0.2, 0.2]},
    )
    made = table(rows([run]))
    assert made.rows == (("GAN", "0.200\xa0±\xa01.271", "0.60, 0.20", "2.50", "1.50 M", "3", "2.0, 24", "10, 7.2"),)
    assert len(made.columns) <= 9
    assert "200 images" in made.caption
    assert "floor of 0.250" in made.caption
    assert "a device; energy of the a meter" in made.caption


LOGGED = {
    "n": 200, "floor": 0.25, "parameters": 1_500_000, "bits": 2.5, "evaluations": 3, "seconds each": 0.002,
    "joules each": 0.024, "training seconds": 600.0, "training joules": 7_200.0,
}  # fmt: skip


def test_every_contestant_has_a_family_and_a_name_of_its_own():
    with pytest.raises(ValueError, match="no family"):
        family("an oracle")
    assert family("tokens, Mamba-2") == "SSMs"
    assert family("tokens, one by one") == "transformers"
    assert len(FAMILIES) == len(set(FAMILIES))


@pytest.mark.parametrize("cost", ["drawing", "training"])
def test_figures_say_in_words_what_they_show(cost):
    picture = board.figure(cost)
    assert all(row.name in picture.alt for row in rows())
    assert len(picture.png) < 60_000


def test_a_figure_of_something_else_is_refused():
    with pytest.raises(ValueError, match="drawing or training"):
        board.figure("beauty")


def test_the_bound_of_tokens_against_a_likelihood_that_can_be_summed():
    """Six images, three tokens: -log p(x) <= the bound for each; equal where no other token can make the image."""
    prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    pixels = torch.tensor([[6.0, 2, 1, 1, 0, 0], [1, 1, 5, 3, 0, 0], [0, 0, 0, 0, 7, 3]], dtype=torch.float64) / 10
    token = torch.tensor([0, 0, 1, 1, 2, 2])  # what a tokenizer answers to each image
    exact = -(prior @ pixels).log()
    bound = [bits.of_tokens(-math.log(prior[t]), -math.log(pixels[t, i])) for i, t in enumerate(token)]
    slack = torch.tensor(bound, dtype=torch.float64) - exact
    assert (slack > -1e-12).all()
    assert (slack[:4] > 0.01).all()
    assert slack[4:].abs().max() < 1e-12


def test_a_label_costs_its_entropy():
    """Ten kinds of image, known by their label alone: -log p(x) = ln 10 when -log p(x | y) = 0."""
    assert abs(bits.bits(0.0) - math.log2(10) / 784) < 1e-9
    assert abs(bits.bits(5.0) - bits.bits(5.0, label=False) - math.log2(10) / 784) < 1e-9


def test_probabilities_above_one_are_refused():
    with pytest.raises(ValueError, match="at most 1"):
        bits.of_tokens(-0.1, 3.0)


def test_an_entry_is_measured_as_its_recipe_draws(monkeypatch):
    """A small run of the real thing: a draw for each seed, costs above 0, another draw for another seed."""
    monkeypatch.setattr(leaderboard, "cost", lambda contestant: {"evaluations": contestant.evaluations})
    run = leaderboard.entry(contestants.gan(), n=150, draws=2)
    assert run.steps == len(run.curves["excess"]) == 2
    assert run.curves["excess"][0] != run.curves["excess"][1]
    assert min(run.results["seconds each"], run.results["joules each"]) > 0
    assert "bits" not in run.results


def test_a_tokens_contestant_needs_a_decoder_and_asks_once_a_token():
    contestant = contestants.tokens("fashion_raster")
    assert contestant.evaluations == 49 + 1
    assert contestant.trainings == ("fashion_tokenizer", "fashion_raster")
    alone = sum(p.numel() for p in fashion_raster.build().parameters())
    assert contestant.parameters == alone + contestants.size(contestants.decoder().decoder)
    images = contestant.draw(torch.tensor([3, 9]))
    assert images.shape == (2, 1, 28, 28)
    assert images.abs().max() <= 1
