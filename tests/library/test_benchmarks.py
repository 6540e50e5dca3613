"""The benchmarks: ratios, floors and counts against known answers, the page against its results; and that all runs."""

import doctest
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from benchmarks import __main__ as driver
from benchmarks import floor, gan, goals, page, peers, start, timing, words
from benchmarks.contest import OURS, Contest, Setting
from benchmarks.decoding import without_cache
from benchmarks.floor import Work, counted
from course_lib.metrics import precision_recall
from course_lib.model import last
from course_lib.transformers.raster import Raster

HERE = Path(driver.__file__).parent
CPU = torch.device("cpu")
SMOKE = Setting(CPU, rounds=1, smoke=True)


@pytest.mark.parametrize("module", [floor, page, timing, words])
def test_examples(module):
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0


class Clock:
    """Stands still until a job lets time pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def job(self, *seconds: float):
        """Takes these times, one call after the other."""
        waiting = iter(seconds)

        def run() -> None:
            self.now += next(waiting)

        return run


def test_rounds_alternate_and_the_first_is_not_counted():
    clock = Clock()
    jobs = {"a": clock.job(99, 1, 2, 6), "b": clock.job(99, 3, 10, 9)}
    seconds = timing.in_turn(jobs, 3, clock)
    assert seconds == {"a": [1, 2, 6], "b": [3, 10, 9]}
    assert timing.spread(seconds["a"]) == (2, 1, 6)
    assert timing.ratio(seconds["b"], seconds["a"]) == (3, 1.5, 5)  # within rounds: 3, 5 and 1.5


def test_calls_between_two_looks_share_the_time():
    clock = Clock()
    assert timing.in_turn({"a": clock.job(9, 9, 9, 1, 2, 3)}, 1, clock, repeats=3) == {"a": [2]}
    with pytest.raises(ValueError, match="at least one round"):
        timing.in_turn({}, 0, clock)


def test_load_that_slows_all_cancels():
    clock = Clock()
    slow = [1, 1, 4, 1, 7]
    jobs = {OURS: clock.job(*slow), "other": clock.job(*(3 * s for s in slow))}
    ours, other = Contest("x", jobs, items=10, watch=clock).held(Setting(CPU, 4))
    assert other["times ours"] == [3, 3, 3]
    assert ours["ms"] == [2500, 1000, 7000]  # the median of 1, 4, 1 and 7 is 2.5
    assert ours["a second"] == 4
    assert "times ours" not in ours


def test_the_precision_is_given_back(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    with timing.computing_in(torch.bfloat16):
        assert timing.os.environ["COURSE_PRECISION"] == "bfloat16"
    assert timing.os.environ["COURSE_PRECISION"] == "float32"


def test_operations_are_counted_by_hand():
    x, w = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3, requires_grad=True)
    once = 2 * (2 * 5 * 8 * 8) * (3 * 3 * 3)  # a multiplication and an addition an entry of each window
    assert counted(lambda: conv2d(x, w, padding=1)) == Work(convolved=once)
    assert counted(lambda: conv2d(x, w, padding=1).sum().backward()) == Work(convolved=2 * once)  # weights only
    layer = nn.Linear(7, 4)
    rows = torch.randn(3, 7, requires_grad=True)
    assert counted(lambda: layer(rows).sum().backward()) == Work(multiplied=3 * 2 * 3 * 7 * 4)


def test_operations_of_a_gradients_gradient_and_without_gradients_are_counted():
    w = torch.randn(4, 4, requires_grad=True)

    def twice() -> None:
        x = torch.randn(2, 4, requires_grad=True)
        (slope,) = torch.autograd.grad((x @ w).square().sum(), x, create_graph=True)
        slope.square().sum().backward()

    assert counted(twice).multiplied > 3 * 2 * 2 * 4 * 4
    with torch.inference_mode():  # operations arrive undivided here
        assert counted(lambda: nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3))).multiplied == 2 * 2 * 3 * 4


def test_the_floor_is_work_by_rates_of_the_same_round():
    sticks = floor.Yardsticks(CPU, torch.float32, 0.02)
    seconds = {name: [0.5, 2.0] for name in sticks.jobs}
    convolution, product, copy = sticks.rates(seconds)
    most = max(work.convolved for work in sticks.work.values())
    assert convolution == [most / 0.5, most / 2.0]  # the best of the shapes
    assert product == [sticks.work["product"].multiplied / 0.5, sticks.work["product"].multiplied / 2.0]
    assert copy == [sticks.work["copy"].moved / 0.5, sticks.work["copy"].moved / 2.0]
    assert floor.floor(Work(8, 4, 2), (4, 2, 1)) == 2 + 2 + 2


def test_a_yardstick_does_what_it_is_said_to():
    sticks = floor.Yardsticks(CPU, torch.float32, 0.02)
    for name, job in sticks.jobs.items():
        if name != "copy":
            assert counted(job) == sticks.work[name]


def test_decoding_without_a_cache_draws_the_same():
    """Else the peer would be another model. Exactly the same logits but for rounding, so the same tokens."""
    model = Raster(codes=8, side=3, width=8, depth=1, heads=2)
    torch.manual_seed(1)
    fast = last(model.sample(4)).flatten(1)
    torch.manual_seed(1)
    assert torch.equal(fast, without_cache(model, 4)())


@pytest.mark.parametrize(("most", "size"), [(4, 32), (8, 64)])
def test_the_dcgan_has_the_published_shape(most, size):
    generator, discriminator = gan.dcgan(most)
    images = generator(torch.randn(2, gan.LATENT, 1, 1))
    assert images.shape == (2, 1, size, size)
    assert discriminator(images).shape == (2,)
    if most == 8:  # 3,576,704 and 2,765,568 with three channels, which the example prints
        assert sum(p.numel() for p in generator.parameters()) == 3_576_704 - 2 * 64 * 16
        assert sum(p.numel() for p in discriminator.parameters()) == 2_765_568 - 2 * 64 * 16


def test_the_naive_precision_and_recall_agree_with_ours():
    from benchmarks.metrics import naive

    real, fake = torch.randn(80, 3, dtype=torch.float64), 1.5 * torch.randn(80, 3, dtype=torch.float64)
    assert naive(real, fake) == pytest.approx(precision_recall(real, fake), abs=1e-9)


ROWS = [
    {"what": "a task", "who": OURS, "ms": [1.234, 1, 2], "a second": 1234.5},
    {"what": "a task", "who": "other", "ms": [12.34, 10, 20], "times ours": [10, 9.96, 11.2], "GFLOP": 0.25},
    {"what": "another", "who": OURS, "ms": [0.06789, 0.06, 0.07], "of the floor": [0.5, 0.4, 0.6]},
]


def test_a_table():
    assert page.table(ROWS).splitlines()[2:] == [
        "| **a task** | | | | | |",
        "| course | 1.2 (1.0-2.0) | 1,234 |  |  |  |",
        "| other | 12 (10-20) |  | 10 (10-11) | 0.25 |  |",
        "| **another** | | | | | |",
        "| course | 0.068 (0.060-0.070) |  |  |  | 0.50 (0.40-0.60) |",
    ]


def test_a_goal_is_reached_by_the_median(monkeypatch):
    rows = [{"what": "a task, large", "who": "other", "times ours": [3.0, 1.0, 4.0]}]
    wanted = [goals.Goal(f"{least}", "other", least, "part", goals.of("a task", "other")) for least in (3, 3.5)]
    monkeypatch.setattr(goals, "GOALS", [*wanted, wanted[0]._replace(part="not measured")])
    assert goals.table({"part": {"rows": rows}}).splitlines()[2:] == [
        "| 3 | other | 3.0 | 3.00 (1.0-4.0) | reached |",
        "| 3.5 | other | 3.5 | 3.00 (1.0-4.0) | missed |",
    ]


def test_every_goal_is_measured():
    results = page.read(HERE)
    assert goals.table(results).count("\n") == 1 + len(goals.GOALS)
    assert all(len(goal.found(results[goal.part])) == 3 for goal in goals.GOALS)


def test_the_page_says_what_the_results_say():
    """`python -m benchmarks --page` would change nothing."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    results = page.read(HERE)
    assert page.filled(text, results) == text
    for name in results:
        assert page.said(name, results[name]) in text
    for picture in ("ratios.png", "floor.png"):
        assert f"]({picture})" in text
        assert (HERE / picture).exists()
    assert sum(path.stat().st_size for path in HERE.glob("*.png")) < 150_000


OTHERS = "diffusers", "denoising_diffusion_pytorch", "smalldiffusion", "x_transformers", "pytorch_fid", "mambapy"


@pytest.mark.parametrize("part", driver.PARTS)
def test_each_part_runs(part, tmp_path, monkeypatch):
    """Without what not everyone has installed; `test_peers` takes what is there."""
    for name in OTHERS:
        monkeypatch.setitem(sys.modules, name, None)
    # and without seconds of imports, but with enough to do for the clock to see it
    monkeypatch.setattr(start, "PROGRAMS", dict.fromkeys((OURS, "another"), "sum(range(10**7))"))
    driver.main([part, "--smoke", "--out", str(tmp_path)])
    found = json.loads((tmp_path / f"{part}.json").read_text())
    assert found["machine"]["threads"] == 1
    assert page.said(part, found) in (tmp_path / "README.md").read_text()
    for row in found.get("rows", []):
        assert row["ms"][0] > 0
        assert row["who"] in page.table(found["rows"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["UNETS", "DITS"])
def test_peers(kind):
    sizes = {"UNETS": {}, "DITS": {"size": 28, "patch": 14, "heads": 2, "width": 32, "depth": 1, "classes": 10}}[kind]
    there, missing = peers.found({who: lambda load=load: load(**sizes) for who, load in getattr(peers, kind).items()})
    assert {*there} | {*missing} == {*getattr(peers, kind)}
    x, y = torch.randn(2, 1, 28, 28), torch.tensor([0, 1])
    for network in there.values():
        assert network(x, torch.tensor([0.1, 0.9]), y).shape == x.shape
        before = [p.clone() for p in network.parameters()]
        assert peers.training_step(network, (x, y), torch.float32)().isfinite()
        assert any(not torch.equal(*pair) for pair in zip(before, network.parameters()))


def test_what_is_not_installed_is_named():
    def absent():
        import no_such_package  # noqa: F401

    there, missing = peers.found({"here": lambda: 1, "absent": absent})
    assert there == {"here": 1}
    assert "no_such_package" in missing["absent"]


def test_the_driver_refuses_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        driver.main(["unett"])
    assert "there is no part unett" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        driver.main(["--smoke"])  # into the folder of what was measured
