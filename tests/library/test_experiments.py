"""Logged runs come back as they were written, and a log can be run anew."""

from types import ModuleType

import pytest
import torch

from course_lib import experiments
from course_lib.cli import experiments as command
from course_lib.cli import main
from course_lib.experiments import Run, available, read, thinned, write

LOGGED = [Run("a way", seed, 100, 1.5, "CPU", {"distance": 0.5}, {"loss": [1.0, 0.5]}) for seed in (0, 1)]


def test_runs_come_back_as_they_were(tmp_path, monkeypatch):
    write(tmp_path / "trial.json", LOGGED)
    monkeypatch.setattr(experiments, "LOGS", tmp_path)
    assert read("trial") == LOGGED
    assert available() == ["trial"]


def test_a_log_that_is_not_there_is_named_in_words():
    with pytest.raises(ValueError, match="no runs named 'nothing'"):
        read("nothing")


def test_a_thinned_curve_keeps_its_mean_and_its_ends():
    curve = torch.arange(1000.0)
    few = thinned(curve, 100)
    assert len(few) == 100
    assert few[0] == 4.5
    assert abs(sum(few) / 100 - curve.mean()) < 0.1
    assert thinned(torch.ones(3), 100) == [1.0, 1.0, 1.0]


def test_log_keeps_the_runs_before_an_interruption(tmp_path, monkeypatch, capsys):
    def run():
        yield LOGGED[0]
        raise KeyboardInterrupt

    module = ModuleType("trial")
    module.run = run
    monkeypatch.setattr(command, "import_module", lambda name: module)
    assert main(["log", "mixture_games", "--out", str(tmp_path / "trial.json")]) == 130
    assert "seed 0: distance 0.5" in capsys.readouterr().err
    monkeypatch.setattr(experiments, "LOGS", tmp_path)
    assert read("trial") == LOGGED[:1]


def test_log_knows_its_experiments(capsys):
    assert main(["log", "nothing"]) == 2
    assert "no experiment is called 'nothing'; there are: " in capsys.readouterr().err


@pytest.mark.parametrize("name", available())
def test_shipped_logs_are_whole(name):
    runs = read(name)
    assert {type(run) for run in runs} == {Run}
    seeds = {way: sorted(run.seed for run in runs if run.name == way) for way in {run.name for run in runs}}
    assert all(ran == list(range(len(ran))) for ran in seeds.values())
    assert len(set(map(len, seeds.values()))) == 1, "each way was tried from the same seeds"
    assert all(map(torch.isfinite, (torch.tensor(c).mean() for run in runs for c in run.curves.values())))
