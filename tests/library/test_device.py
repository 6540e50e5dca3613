"""Where, how precisely, from which seed, under which budget."""

import pytest
import torch

from course_lib.device import (
    Precision,
    Setup,
    _bf16_is_faster_on_cpu,
    pick,
    pick_device,
    precision,
    profile,
    seeded,
    setup,
)

CPU = torch.device("cpu")


def card(monkeypatch, native_bf16: bool) -> None:
    monkeypatch.delenv("COURSE_PRECISION", raising=False)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: native_bf16 or including_emulation
    )


def test_a_t4_gets_float16_with_a_scaler_although_torch_would_emulate_bfloat16(monkeypatch):
    card(monkeypatch, native_bf16=False)
    assert precision(torch.device("cuda")) == Precision(torch.float16, scaled=True)


def test_a_card_with_native_bfloat16_gets_it_without_a_scaler(monkeypatch):
    card(monkeypatch, native_bf16=True)
    assert precision(torch.device("cuda")) == Precision(torch.bfloat16, scaled=False)


def test_mps_gets_float32(monkeypatch):
    monkeypatch.delenv("COURSE_PRECISION", raising=False)
    assert precision(torch.device("mps")).dtype == torch.float32


@pytest.mark.parametrize(("faster", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_gets_bfloat16_only_where_it_measures_faster(monkeypatch, faster, dtype):
    monkeypatch.delenv("COURSE_PRECISION", raising=False)
    monkeypatch.setattr("course_lib.device._bf16_is_faster_on_cpu", lambda: faster)
    assert precision(CPU).dtype == dtype


def test_to_choose_a_precision_draws_no_random_numbers(monkeypatch):
    monkeypatch.delenv("COURSE_PRECISION", raising=False)
    _bf16_is_faster_on_cpu.cache_clear()  # as in a fresh kernel
    before = torch.get_rng_state()
    precision(CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_environment_overrides_device_precision_and_profile(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "bfloat16")
    monkeypatch.setenv("COURSE_PROFILE", "gpu")
    assert precision(CPU).dtype == torch.bfloat16
    assert pick(smoke=1, laptop=2, gpu=3) == 3


@pytest.mark.parametrize(
    ("name", "value", "ask"),
    [
        ("COURSE_DEVICE", "abacus", pick_device),
        ("COURSE_PRECISION", "float8", lambda: precision(CPU)),
        ("COURSE_PROFILE", "cluster", profile),
    ],
)
def test_unusable_overrides_are_named(monkeypatch, name, value, ask):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=value):
        ask()


def test_seeded_repeats_and_gives_the_generator_back():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(0, CPU):
        a = torch.rand(4)
    with seeded(0, CPU):
        b = torch.rand(4)
    assert torch.equal(a, b)
    assert torch.equal(torch.rand(2), expected)


def test_setup_says_in_a_line_where_it_runs():
    found = setup(seed=1)
    assert isinstance(found, Setup)
    line = repr(found)
    assert "CPU" in line
    assert "float32" in line
    assert "smoke" in line
