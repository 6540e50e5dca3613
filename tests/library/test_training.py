"""The loop, the average, the interruption and the resumption."""

import signal
from functools import partial

import pytest
import torch
from torch import nn

from course_lib.data.images import Batch, Images
from course_lib.model import Model, Objective
from course_lib.training import Ema, adamw, constant, fit, train_steps, warmup_cosine


class Line(Model):
    """Regress y on x with noise that comes from torch's generator."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        noisy = batch.y + 0.01 * torch.randn_like(batch.y)
        return {"loss": (self.layer(batch.x) - noisy).square().mean(), "bias": self.layer.bias.sum()}


def batches(n: int = 10_000):
    rng = torch.Generator().manual_seed(0)
    for _ in range(n):
        x = torch.randn(32, 3, generator=rng)
        yield Batch(x, x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 1)


@pytest.fixture
def model() -> Line:
    torch.manual_seed(0)
    return Line()


def weights(model: Model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_least_squares_finds_the_line(model):
    fast = partial(adamw, lr=0.05)
    fit(train_steps(model, batches(), 300, optimizer=fast, lr_factor=warmup_cosine(300)))
    assert torch.allclose(weights(model), torch.tensor([1.0, -2.0, 0.5, 1.0]), atol=0.02)


def test_float16_learns_through_its_gradient_scaler(model, monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "float16")
    training = train_steps(model, batches(), 300, optimizer=partial(adamw, lr=0.05), lr_factor=warmup_cosine(300))
    assert training.players[0].scaler.is_enabled()
    fit(training)
    assert torch.allclose(weights(model), torch.tensor([1.0, -2.0, 0.5, 1.0]), atol=0.05)


def test_each_step_is_yielded_after_its_update(model):
    before = weights(model)
    step = next(iter(train_steps(model, batches(), 5)))
    assert step.index == 0
    assert set(step.logs) == {"model/loss", "model/bias"}
    assert not torch.equal(weights(model), before)


def test_what_is_drawn_between_steps_does_not_change_the_run():
    results = []
    for disturb in (False, True):
        torch.manual_seed(0)
        model = Line()
        for _ in train_steps(model, batches(), 10):
            if disturb:
                model.eval()
                torch.randn(7)
        results.append(weights(model))
    assert torch.equal(*results)


def test_another_seed_is_another_run():
    results = []
    for seed in (0, 1):
        torch.manual_seed(0)
        model = Line()
        fit(train_steps(model, batches(), 10, seed=seed))
        results.append(weights(model))
    assert not torch.equal(*results)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    torch.manual_seed(0)
    whole, whole_ema = _run(Line(), 40)
    torch.manual_seed(0)
    broken = Line()
    _run(broken, 40, resume=tmp_path / "run.state", break_at=17)
    torch.manual_seed(99)  # the weights come from the file, not from here
    resumed, resumed_ema = _run(Line(), 40, resume=tmp_path / "run.state")
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(weights(resumed_ema), weights(whole_ema))


def _run(model, steps, resume=None, break_at=None):
    ema = Ema(model, decay=0.9)
    stream = batches() if break_at is None else _interrupted(break_at)
    training = train_steps(model, stream, steps, lr_factor=warmup_cosine(40, warmup=5))
    if break_at is None:
        fit(training, ema=ema, resume=resume)
    else:
        with pytest.warns(UserWarning, match="stopped at step 17 of 40"):
            fit(training, ema=ema, resume=resume)
    return model, ema.model


def _interrupted(at: int):
    for index, batch in enumerate(batches()):
        if index == at:
            raise KeyboardInterrupt
        yield batch


class Pair(Line):
    """Two players, slope and intercept; Ctrl-C comes in the 18th step, after the first one has moved."""

    def __init__(self, hit: int | None = None) -> None:
        super().__init__()
        self.left = hit

    def objectives(self) -> list[Objective]:
        return [
            Objective("slope", self.loss, [self.layer.weight]),
            Objective("intercept", self._hit, [self.layer.bias]),
        ]

    def _hit(self, batch: Batch) -> dict[str, torch.Tensor]:
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)
        self.left = None if self.left is None else self.left - 1
        return self.loss(batch)


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end(tmp_path):
    def run(model: Model, **resume) -> Ema:
        ema = Ema(model, decay=0.9)
        fit(train_steps(model, batches(), 40, lr_factor=warmup_cosine(40, warmup=5)), ema=ema, **resume)
        return ema

    torch.manual_seed(0)
    whole, torn, resumed = Pair(), Pair(hit=17), Pair()
    torn.load_state_dict(whole.state_dict())
    ema = run(whole)
    with pytest.warns(UserWarning, match="stopped at step 18 of 40"):
        run(torn, resume=tmp_path / "run.state")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = run(resumed, resume=tmp_path / "run.state")
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(weights(again.model), weights(ema.model))


def test_a_state_that_cannot_be_written_is_told_before_the_run(model, tmp_path):
    before = weights(model)
    with pytest.raises(ValueError, match="cannot be written"):
        fit(train_steps(model, batches(), 3), resume=tmp_path / "missing" / "run.state")
    assert torch.equal(weights(model), before)


def test_an_interruption_keeps_what_was_learned(model):
    with pytest.warns(UserWarning, match="kept"):
        curves = fit(train_steps(model, _interrupted(8), 100))
    assert len(curves["model/loss"]) == 8


def test_the_state_of_another_run_is_refused(model, tmp_path):
    (tmp_path / "run.state").write_bytes(b"not a state")
    with pytest.raises(ValueError, match="not the state of this run"):
        fit(train_steps(model, batches(), 3), resume=tmp_path / "run.state")


def test_divergence_is_named_and_ends_the_run(model):
    model.layer.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="model/loss became nan at step 0"):
        fit(train_steps(model, batches(), 3))


def test_a_divergence_leaves_the_state_that_was_saved_before_it(model, tmp_path):
    fit(train_steps(model, batches(), 5), resume=tmp_path / "run.state")
    saved = (tmp_path / "run.state").read_bytes()

    def poisoned():
        yield from batches(40)
        yield Batch(torch.full((32, 3), 1e30), torch.zeros(32, 1))

    with pytest.raises(ValueError, match="at step 40"):
        fit(train_steps(model, poisoned(), 60), resume=tmp_path / "run.state")
    assert (tmp_path / "run.state").read_bytes() == saved


def test_curves_hold_every_step(model):
    start = model.layer.bias.detach().clone()
    curves = fit(train_steps(model, batches(), 12))
    assert curves["model/loss"].shape == (12,)
    assert torch.equal(curves["model/bias"][:1], start)


def test_no_steps_no_curves(model):
    assert fit(train_steps(model, batches(), 0)) == {}


@pytest.mark.parametrize("steps", [-1, -100])
def test_negative_steps_are_refused(model, steps):
    with pytest.raises(ValueError, match="steps must be 0 or more"):
        train_steps(model, batches(), steps)


def test_a_model_without_parameters_is_refused():
    class Nothing(Model):
        pass

    with pytest.raises(ValueError, match="nothing to train"):
        train_steps(Nothing(), batches(), 1)


def test_ema_of_constant_weights_is_those_weights(model):
    ema = Ema(model, decay=0.99)
    for _ in range(20):
        ema.update()
    assert torch.allclose(weights(ema.model), weights(model), atol=1e-7)


def test_ema_follows_its_recursion(model):
    ema, expected = Ema(model, decay=0.5), weights(model).clone()
    for index in range(6):
        with torch.no_grad():
            model.layer.weight.add_(1.0)
        ema.update()
        decay = min(0.5, (1 + index) / (10 + index))
        expected = decay * expected + (1 - decay) * weights(model)
    assert torch.allclose(weights(ema.model), expected, atol=1e-6)
    assert not any(p.requires_grad for p in ema.model.parameters())


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_an_average_that_never_or_wrongly_moves_is_refused(model, decay):
    with pytest.raises(ValueError, match="decay"):
        Ema(model, decay=decay)


def test_learning_rate_factors():
    factor = warmup_cosine(100, warmup=10, end=0.1)
    assert factor(0) == pytest.approx(0.1, abs=1e-3)
    assert factor(50) == pytest.approx(0.55, abs=1e-9)
    assert factor(100) == pytest.approx(0.1, abs=1e-9)
    assert constant(7) == 1.0


def test_batches_are_full_reshuffled_and_repeatable():
    images = Images(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1), torch.arange(10))
    first, again = images.batches(4, seed=1), images.batches(4, seed=1)
    seen = [next(first).y for _ in range(4)]
    assert all(torch.equal(a, next(again).y) for a in seen)
    assert len(set(torch.cat(seen[:2]).tolist())) == 8  # no image twice in an epoch
    assert not torch.equal(torch.cat(seen[:2]), torch.cat(seen[2:]))
