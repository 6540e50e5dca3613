"""Ranges multiply as they should, and published figures come out of published inputs."""

import pytest

from course_lib.energy import Energy
from course_lib.ethics.footprint import (
    GRIDS,
    LARGE,
    Point,
    Range,
    Training,
    as_range,
    break_even,
    frontier,
    hours_of,
    training_flops,
)


def test_a_product_holds_every_product_of_its_parts():
    a, b = Range(2, 3), Range(0.5, 4)
    for x in (2, 2.6, 3):
        for y in (0.5, 1, 4):
            assert x * y in a * b
            assert x / y in a / b
    assert (a * b).low == 1
    assert (a / b).high == 6
    with pytest.raises(ValueError, match="a range goes from"):
        as_range(Range(2, 1))


def test_gpt3_comes_out_as_patterson_et_al_state_it():
    """3.14e23 operations at 24.6 TFLOP/s, 330 W, PUE 1.1, 429 g/kWh are 1,287 MWh and 552 t (2021, table 4)."""
    assert training_flops(175e9, 300e9) == pytest.approx(3.14e23, rel=0.005)
    gpt3 = LARGE[0]._replace(hours=hours_of(3.14e23, Range(24.6e12, 24.6e12)))
    assert gpt3.energy().low == pytest.approx(1_287_000, rel=0.001)
    assert gpt3.carbon().low == pytest.approx(552.1, rel=0.001)


@pytest.mark.parametrize("training", LARGE, ids=lambda training: training.name)
def test_what_a_source_states_lies_in_the_range(training: Training):
    low, high = training.carbon()
    assert low * 0.99 <= training.stated <= high * 1.01


def test_bloom_took_433_megawatt_hours():
    assert 433_196 in LARGE[1].energy()
    assert 24.69 == pytest.approx(LARGE[1].carbon().low, abs=0.01)


def test_grids_differ_by_more_than_a_factor_of_twenty():
    assert max(GRIDS.values()) / min(GRIDS.values()) > 20
    assert GRIDS["world"] == 481


def test_the_frontier_holds_whatever_no_other_beats():
    costs = {"a": (1.0, 5.0), "b": (2.0, 5.0), "c": (2.0, 3.0), "d": (9.0, 3.5), "e": (8.0, 1.0)}
    points = [Point(name, *cost) for name, cost in costs.items()]
    kept = frontier(points)
    assert [point.name for point in kept] == ["a", "c", "e"]
    for point in points:
        beaten = any(
            other.joules <= point.joules and other.distance <= point.distance and other != point for other in points
        )
        assert beaten == (point not in kept)


def test_break_even_is_where_both_cost_the_same():
    training = Energy({"a": 30.0, "b": 70.0}, 1.0)
    assert break_even(training, 0.5) * 0.5 == training.total
    with pytest.raises(ValueError, match="an image must cost something"):
        break_even(training, 0)
