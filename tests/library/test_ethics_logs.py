"""What the notebook of module 7 says of the logged experiments is what stands in the logs."""

import pytest
import torch

from course_lib.data.fashion import CLASSES, fashion
from course_lib.ethics.bias import sharpened
from course_lib.experiments import audit, available, energy, memorisation, read
from course_lib.experiments.bias import SCALES


def runs(name: str) -> dict:
    return {run.name: run for run in read(name)}


def test_copies_begin_where_images_are_few():
    """All samples of 16 images are copies, none of 800; in between their share falls."""
    logged = runs("memorisation")
    shares = [logged[f"{n} images"].results["copies"] for n in memorisation.SIZES]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.99
    assert shares[-1] < 0.01


def test_membership_shows_where_copies_no_longer_do():
    """At 800 images no sample is a copy, yet members are told from others better than by chance."""
    many = runs("memorisation")["800 images"]
    assert many.results["copies low"] < 0.001
    assert many.curves["auroc_low"][0] > 0.7
    assert many.results["nearer low"] > 0.5 + many.results["chance"]


def test_duplicates_are_extracted_and_taking_them_out_helps():
    before, after = (runs("memorisation")[name] for name in ("duplicates", "duplicates taken out"))
    assert before.curves["extracted"][0] < 0.1 < 0.9 < before.curves["extracted"][-1]
    assert after.curves["extracted"][-1] < before.curves["extracted"][-1]
    assert after.results["rows"] == before.results["images"]
    assert after.results["copies high"] < before.results["copies low"]


def test_guidance_amplifies_and_two_mitigations_hold():
    logged = runs("bias")
    plain, fair, weighted = (logged[f"faces, {way}"] for way in ("guidance", "balanced guidance", "reweighted"))
    at = SCALES.index(3.0)
    assert plain.curves["low"][at] > 0.9 > 0.8
    assert plain.curves["target"] == [sharpened(0.8, 0.5, scale) for scale in SCALES]
    for way in (fair, weighted):
        assert way.curves["high"][at] < plain.curves["low"][at]


def test_images_cost_what_the_log_says():
    logged = runs("energy")
    steps = [logged[f"fashion_flow, {n} evaluations"].results for n in energy.EVALUATIONS]
    joules = [found["joules each"] for found in steps]
    assert joules == sorted(joules)
    assert logged["fashion_flow"].results["joules each"] > 20 * logged["fashion_gan"].results["joules each"]
    assert steps[0]["excess"] > steps[-1]["excess"]


@pytest.mark.parametrize("name", sorted({"audit", "energy"} & set(available())))
def test_every_way_was_run_once(name):
    names = [run.name for run in read(name)]
    assert len(names) == len(set(names))


def test_the_audit_reads_real_clothes_nearly_right():
    test = fashion("test")
    shares = audit.clothes(test.x)
    assert set(shares) == set(CLASSES)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
    assert max(abs(share - 0.1) for share in shares.values()) < 0.03  # a tenth each; one in ten is read wrong


def test_quantiles_rise_from_the_least_to_the_greatest():
    assert memorisation.quantiles(torch.tensor([3.0, 1.0, 2.0]), 3) == [1, 2, 3]
