"""Intervals of repeats: Student's quantiles, and what a confidence interval promises."""

import math

import pytest
import torch
from scipy import stats

from course_lib.metrics import interval
from course_lib.metrics.repeats import student


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 30, 200])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_quantiles_are_those_of_scipy(level, freedom):
    assert student(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-4)


def test_one_degree_of_freedom_is_cauchy():
    assert student(0.5, 1) == pytest.approx(1, rel=1e-4)


def test_the_interval_is_that_of_scipy():
    values = [0.71, 0.74, 0.69, 0.75, 0.72]
    theirs = stats.t.interval(0.95, 4, mean := sum(values) / 5, stats.sem(values))
    ours = interval(values)
    assert ours.mean == pytest.approx(mean, abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-6)


def test_it_covers_the_truth_as_often_as_it_says():
    """Of 4,000 experiments with five repeats each, 80 % of the intervals hold the true mean."""
    draws = 3 + 2 * torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    half = student(0.8, 4) * draws.std(1) / math.sqrt(5)
    assert half[7].item() == pytest.approx(interval(draws[7], 0.8).high - draws[7].mean().item(), abs=1e-5)
    assert ((draws.mean(1) - 3).abs() <= half).double().mean().item() == pytest.approx(0.8, abs=0.02)


def test_doors():
    for values in ([0.5], [0.5, math.nan], torch.zeros(2, 2)):
        with pytest.raises(ValueError, match="two or more finite values"):
            interval(values)
    with pytest.raises(ValueError, match="level"):
        interval([0.0, 1.0], level=1.0)
