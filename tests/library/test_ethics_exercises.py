"""What the library measures in its own units and classes is what the exercises ask for."""

import pytest
import targets
import torch
from torch import Tensor

from course_lib.data.images import Images, to_float
from course_lib.diffusion.flow import Flow
from course_lib.energy import Integral, co2e
from course_lib.ethics import bias, memorisation, shares, spectra, verdicts


def exercise(name: str):
    return targets.solution("ethics")[name]


def close(ours: Tensor, theirs: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(theirs, ours, atol=atol, rtol=1e-5)


def test_the_interval_of_the_library_is_that_of_the_exercise():
    count, total = torch.tensor([0, 3, 40, 12]), torch.tensor([9, 11, 80, 12])
    ends = torch.tensor([verdicts.share_interval(k, n) for k, n in zip(count.tolist(), total.tolist())])
    close(ends, torch.stack(exercise("wilson")(count, total, verdicts.Z95), dim=1))


def test_the_correction_of_the_library_is_that_of_two_groups():
    seen = shares.counted(412, 700)
    ours = shares.corrected(seen, sensitivity=0.9, specificity=0.8)
    theirs = exercise("true_shares")(torch.tensor([412, 288]), torch.tensor([[90, 10], [60, 240]]))
    close(torch.tensor([ours.value, 1 - ours.value]), theirs)


def test_the_amplification_of_the_exercise_is_the_mean_of_an_audit():
    """Two labels, one attribute, a reader that never errs: for 0 the data lean to it, for 1 away from it."""
    asked, reported = torch.tensor([0, 1]).repeat_interleave(100), torch.arange(200) % 100 < 90
    reported[100:] = torch.arange(100) < 25
    lines = bias.audit(asked, reported, bias.Reading(1.0, 1.0, 1000), {"a": 0.8, "b": 0.2})
    ours, drawn = sum(line.amplification for line in lines) / 2, torch.tensor([[90, 10], [25, 75]])
    close(torch.tensor(ours), exercise("amplification")(torch.tensor([[80, 20], [20, 80]]), drawn))


def test_what_guidance_aims_at_is_an_amplification():
    data = torch.tensor([[80, 20], [20, 80]])
    drawn = (1000 * torch.tensor([[share := bias.sharpened(0.8, 0.5, 2.0), 1 - share], [1 - share, share]])).round()
    assert exercise("amplification")(data, drawn.long()).item() == pytest.approx(share - 0.8, abs=1e-3)


@pytest.mark.parametrize("size", [12, 9])
def test_the_profile_of_the_library_is_the_logarithm_of_the_spectrum_of_the_exercise(size):
    pixels = torch.randint(256, (3, 1, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for picture, ours in zip(pixels, spectra.radial_profile(pixels)):
        theirs = exercise("radial_spectrum")(to_float(picture[None]))
        close(ours, (theirs + spectra.FAINT).log10())


def test_the_threshold_of_the_library_is_that_of_the_exercise():
    rng = torch.Generator().manual_seed(0)
    negative, positive = torch.randint(9, (200,), generator=rng).float(), torch.randn(60, generator=rng) + 6
    for fpr in (0.0125, 0.0525, 0.33):
        threshold, rate = exercise("tpr_at_fpr")(negative, positive, fpr)
        assert threshold.item() == verdicts.threshold_at(negative, fpr)
        assert rate.item() == pytest.approx(verdicts.tpr_at_fpr(negative, positive, fpr), abs=1e-6)


def test_the_losses_of_the_library_are_the_scores_of_the_exercise():
    torch.manual_seed(0)
    model = Flow(channels=1, size=8, width=32, depth=1, classes=3).eval()
    for part in model.parameters():
        torch.nn.init.normal_(part, std=0.1)  # an untrained one says 0, whatever it sees
    images = Images(torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8), torch.tensor([0, 1, 2, 0, 1]), ("a", "b", "c"))
    times = (0.2, 0.5, 0.8)
    rng = torch.Generator().manual_seed(7)
    noises = torch.stack([torch.randn(1, 8, 8, generator=rng) for _ in times])
    ours = memorisation.denoising_losses(model, images, times, draws=1, seed=7)
    theirs = exercise("membership")(model.predictor(images.labels), images.x, torch.tensor(times), noises)
    close(-ours.mean(0), theirs, atol=1e-4)


def test_the_meter_of_the_library_sums_as_the_exercise():
    seconds, watts = [0.0, 1.0, 1.5, 4.0, 9.0], [40.0, 90.0, 70.0, 65.0, 45.0]
    clock, power = iter(seconds), iter(watts)
    gauge = Integral(power.__next__, clock.__next__)
    for _ in seconds[1:]:
        ours = gauge.joules()
    trace = [torch.tensor(part, dtype=torch.float64) for part in (seconds, watts)]
    joules, grams = exercise("footprint")(*trace, 0.0, 1.4, 350.0)
    assert joules.item() == pytest.approx(ours, abs=1e-9)
    assert grams.item() == pytest.approx(co2e(ours, intensity=350.0, pue=1.4), abs=1e-9)
