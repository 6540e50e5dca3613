"""Two processes against one: the same weights, averages, optimiser states and curves."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from library import processes as worker
from torch import Tensor

from course_lib.checkpoints import info
from course_lib.data.images import Batch
from course_lib.device import pick_device
from course_lib.energy import machine
from course_lib.training import train_steps
from course_lib.training.parallel import Team, team

ATOL = 1e-6
CPU = torch.device("cpu")


def launched(argument: str | Path) -> subprocess.CompletedProcess:
    """`torchrun` of the worker in two processes, which talk by gloo."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [worker.__file__, str(argument)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """What two processes leave."""
    out = tmp_path_factory.mktemp("two")
    result = launched(out)
    assert result.returncode == 0, result.stderr
    (out / "printed").write_text(result.stdout)
    return out


def left(out: Path, process: int = 0) -> dict:
    return torch.load(out / f"{process}.pt", weights_only=True)


def numbers(tree) -> list[Tensor]:
    """All numbers of a nested state, in order."""
    if isinstance(tree, dict):
        return [t for key in sorted(tree, key=str) for t in numbers(tree[key])]
    if isinstance(tree, list | tuple):
        return [t for part in tree for t in numbers(part)]
    return [torch.as_tensor(tree).double()] if isinstance(tree, Tensor | int | float) else []


def furthest(a, b) -> float:
    a, b = numbers(a), numbers(b)
    assert len(a) == len(b) >= 8
    return max((x - y).abs().max().item() for x, y in zip(a, b))


@pytest.mark.slow
@pytest.mark.parametrize("name", worker.MODELS)
def test_two_processes_end_where_one_ends_that_takes_the_same_slices(two, name, monkeypatch):
    monkeypatch.setenv("COURSE_SLICES", "2")
    alone = worker.outcome(*worker.trained(worker.built(name)))
    assert furthest(left(two)[name], alone) < ATOL
    monkeypatch.setenv("COURSE_SLICES", "1")
    uncut = worker.outcome(*worker.trained(worker.built(name)))
    assert furthest(left(two)[name]["training"]["model"], uncut["training"]["model"]) > 100 * ATOL  # another noise


@pytest.mark.slow
@pytest.mark.parametrize("name", worker.MODELS)
def test_two_processes_may_share_four_slices(two, name, monkeypatch):
    """(0 + 2) + (1 + 3) there, ((0 + 1) + 2) + 3 here; Adam divides by gradients, which magnifies their last digits."""
    monkeypatch.setenv("COURSE_SLICES", "4")
    alone = worker.outcome(*worker.trained(worker.built(name)))
    assert furthest(left(two)[f"{name}, four slices"], alone) < 50 * ATOL


@pytest.mark.slow
@pytest.mark.parametrize("name", worker.MODELS)
def test_both_processes_hold_the_same_weights(two, name):
    assert furthest(left(two, 0)[name]["training"], left(two, 1)[name]["training"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", worker.MODELS)
def test_a_run_of_two_processes_is_taken_up_from_the_first_ones_file(two, name):
    for process in (0, 1):
        whole, resumed = left(two, 0)[name], left(two, process)[f"{name}, resumed"]
        assert furthest(whole["training"], resumed["training"]) == 0
        assert furthest(whole["ema"], resumed["ema"]) == 0
    assert not (two / f"{name} 1.state").exists()


@pytest.mark.slow
def test_joules_are_those_of_both(two):
    for name in worker.MODELS:
        spent = left(two, 0)[f"{name}, joules"]
        assert min(spent) > 0
        assert spent == left(two, 1)[f"{name}, joules"]


@pytest.mark.slow
def test_the_first_process_alone_writes_a_checkpoint(two):
    assert info(str(two / "digits.safetensors"))["recipe"] == "digits_mamba"
    assert (two / "printed").read_text().count("digits.safetensors") == 1
    assert not (two / "digits.state").exists()


@pytest.mark.slow
def test_if_one_process_dies_the_other_does_not_wait():
    result = launched("broken")
    assert result.returncode != 0
    assert "this process has died" in result.stderr


def test_slices_of_a_mean_without_noise_give_what_the_batch_gives(monkeypatch):
    outcomes = []
    for slices in (1, 2, 8):
        monkeypatch.setenv("COURSE_SLICES", str(slices))
        torch.manual_seed(0)
        training, ema, curves = worker.trained(worker.Denoiser(noise=0.0, normed=False))
        outcomes.append({"training": training.state_dict(), "ema": ema.state_dict(), "loss": curves["model/loss"]})
    assert furthest(outcomes[0], outcomes[1]) < ATOL
    assert furthest(outcomes[0], outcomes[2]) < ATOL


def test_the_statistics_of_slices_are_averaged(monkeypatch):
    """The mean over slices of their means is the batch's mean, and one step counts as one."""
    norms = []
    for slices in ("1", "4"):
        monkeypatch.setenv("COURSE_SLICES", slices)
        torch.manual_seed(0)
        model = worker.Denoiser(noise=0.0)
        next(iter(train_steps(model, worker.images().batches(worker.BATCH), 1)))
        norms.append(model.layers[2])
    assert torch.allclose(norms[0].running_mean, norms[1].running_mean, atol=ATOL)
    assert norms[0].num_batches_tracked == norms[1].num_batches_tracked == 1
    assert not torch.allclose(norms[0].running_var, norms[1].running_var, atol=1e-3)  # a slice varies less


def test_each_slice_has_a_noise_of_its_own_whoever_takes_it():
    batch = Batch(torch.zeros(8, 1), torch.arange(8))
    torch.manual_seed(5)
    alone = [(part.y.tolist(), torch.randn(3)) for part in Team(slices=4).cut(batch)]
    shared = []
    for rank in (0, 1):
        torch.manual_seed(5)
        shared += [(part.y.tolist(), torch.randn(3)) for part in Team(rank, 2, 4).cut(batch)]
    shared = [shared[i] for i in (0, 2, 1, 3)]
    assert [rows for rows, _ in alone] == [rows for rows, _ in shared] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(alone, shared))
    assert len({noise.sum().item() for _, noise in alone}) == 4


def test_a_batch_that_does_not_divide_is_refused(monkeypatch):
    monkeypatch.setenv("COURSE_SLICES", "3")
    with pytest.raises(ValueError, match="a batch of 8 cannot be cut into 3 equal slices"):
        worker.trained(worker.built("one objective"))


@pytest.mark.parametrize(("slices", "size"), [("3", "2"), ("0", "1"), ("two", "1"), ("1", "2")])
def test_slices_that_cannot_be_shared_are_refused(monkeypatch, slices, size):
    monkeypatch.setenv("COURSE_SLICES", slices)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(ValueError, match=f"a multiple of the {size} processes"):
        team(CPU)


def test_each_process_takes_a_card_of_its_own(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device() == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device() == torch.device("cuda", 3)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # the launcher shows each process its own one
    assert pick_device() == torch.device("cuda", 0)


def test_the_machines_counter_is_read_by_one_process_of_it(monkeypatch, tmp_path):
    domain = tmp_path / "intel-rapl:0"
    domain.mkdir()
    for file, text in {"name": "package-0", "max_energy_range_uj": "1000", "energy_uj": "7"}.items():
        (domain / file).write_text(text)
    found = []
    for local in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", local)
        found.append(len(machine.processor(tmp_path)))
    assert found == [1, 0]


def test_the_package_is_a_command_for_launchers():
    result = subprocess.run([sys.executable, "-m", "course_lib", "--version"], capture_output=True, text=True)
    assert result.stdout.startswith("course-lib ")
