"""Submissions that attack the grader: they reach nothing, earn what they deserve, and cost the others nothing.

Each attack of tests/hostile is graded in each tier that this machine offers, between honest submissions.
"""

import os
import subprocess
import sys
from pathlib import Path

import hostile
import pytest
from hostile.arena import BEYOND, CELLS, Arena
from library.test_sandbox_user import ROOT, as_user, opened, why_not

from course_lib.grading.sandbox import tiers
from course_lib.grading.sandbox.tiers import Tier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox's guarantees hold on Linux")

# As `tiers` says of the plain tier: what its user may read, it reads. No point is forged even so.
OPEN = {(Tier.PLAIN, "read_files"), (Tier.PLAIN, "read_listing"), (Tier.PLAIN, "read_environment")}
# What depends on whose user the grader is.
USERS = "kill read_ write_ forge_records memory disk fork_swarm thread sockets rise daemon stop leave honest"


@pytest.fixture(scope="module", params=list(Tier), ids=str)
def arena(request):
    if reason := tiers.why_not(request.param):
        pytest.skip(f"{request.param}: {reason}")
    with Arena(request.param) as arena:
        yield arena


@pytest.mark.parametrize("attack", hostile.attacks(), ids=lambda attack: attack.name)
def test_an_attack_is_contained_and_fairly_graded(arena, attack):
    """No secret told, nothing changed, no process left; full points for all tasks that were solved."""
    _, verdict = arena.verdict(attack)
    assert verdict.forged == 0
    if (arena.tier, attack.name) not in OPEN:
        assert verdict.escaped == []
        assert verdict.unfair == []
    # Two tasks loop at most, and a cell; the rest takes a few limits at most, for the honest solution takes one.
    assert verdict.seconds < 2 * (arena.limit + BEYOND) + (CELLS + 3) * arena.limit


def test_after_all_attacks_an_honest_submission_is_graded_as_ever(arena):
    grade, verdict = arena.verdict(None)
    assert (verdict.escaped, verdict.unfair) == ([], [])
    assert grade.points == grade.possible > 0
    assert grade.notes == ()


def test_each_attack_says_what_it_tries():
    attacks = hostile.attacks()
    assert len(attacks) > 50
    assert all(attack.tries.endswith(".") and attack.tasks for attack in attacks)


@pytest.mark.slow
def test_an_ordinary_users_grader_is_as_safe(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    folder = opened(tmp_path_factory.mktemp("user"))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/temp"]
    command = [*words, str(Path(__file__).relative_to(ROOT)), "-k", f"({' or '.join(USERS.split())}) and not ordinary"]
    environment = os.environ | {"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(as_user(command), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "passed" in run.stdout
