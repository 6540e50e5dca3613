"""How the grader does against its goals: hostile submissions, time, what a student must install.

    python -m benchmarks.grading                    # all of it, some minutes; writes benchmarks/grading.json
    python -m benchmarks.grading hostile --tier bwrap
    python -m benchmarks.grading time packages      # parts; what was measured before stays in the file

Linux only. Ratios of times hold within one run; the machine's load is written down beside them.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the attacks lie there

import hostile  # noqa: E402
from hostile.arena import Arena  # noqa: E402
from targets import tasks  # noqa: E402

from course_lib.grading.batch import Batch  # noqa: E402
from course_lib.grading.handed_in import handed_in  # noqa: E402
from course_lib.grading.job import Conditions  # noqa: E402
from course_lib.grading.sandbox import tiers  # noqa: E402

RESULTS = Path(__file__).with_suffix(".json")
SUBMISSIONS = 12
# nbgrader 0.9.6, otter 7.0.0: measured for the design, two tasks, 25 hostile submissions, two cores.
PEERS = {
    "contained of 25": [8, 7],
    "graded fairly of 25": [5, 4],
    "attacks that forge": [3, 2],
    "endless loop, s": [22, "hangs"],
    "seconds a submission": [4.4, "6 to 8"],
    "packages beyond torch and Jupyter": [102, 90],
}


def against_attacks(tier: tiers.Tier) -> dict:
    """Every attack once, in one tier."""
    with Arena(tier) as arena:
        verdicts = {}
        for attack in hostile.attacks():
            _, verdicts[attack.name] = arena.verdict(attack)
            print(end=".", flush=True)
        _, honest = arena.verdict(None)
    print(f" {tier}")
    return {
        "attacks": len(verdicts),
        "contained": sum(not verdict.escaped for verdict in verdicts.values()),
        "graded fairly": sum(not (verdict.unfair or verdict.forged) for verdict in verdicts.values()),
        "forged points": sum(verdict.forged for verdict in verdicts.values()),
        "not contained": [name for name, verdict in verdicts.items() if verdict.escaped],
        "not fair": {name: verdict.unfair[0][:80] for name, verdict in verdicts.items() if verdict.unfair},
        "limit of a test, s": round(arena.limit, 1),
        "honest afterwards": not (honest.escaped or honest.unfair),
        "endless loop, s beyond its limit": round(verdicts["loop_in_task"].seconds - honest.seconds - arena.limit, 2),
        "slowest, s": round(max(verdict.seconds for verdict in verdicts.values()), 1),
    }


def of_a_batch(jobs: int, tier: tiers.Tier) -> dict:
    """Twelve ordinary submissions, of which each has another task not done, from the first second to the last."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        _hand_in(folder / "submissions")
        begin, ends = time.perf_counter(), []
        conditions = Conditions(ROOT, ROOT / "tests", str(tier), "a seed", 10.0)
        batch = Batch(handed_in(folder / "submissions"), conditions, folder / "grades", hostile.KEY)
        grades = batch.grades(jobs, lambda done: ends.extend([time.perf_counter()] * done))
    whole = ends[-1] - begin
    steady = (ends[-1] - ends[jobs - 1]) / (SUBMISSIONS - jobs)
    assert len(grades) == SUBMISSIONS
    assert all(0 < grade.points < grade.possible for grade in grades)
    return {
        "tier": str(tier),
        "seconds a submission": round(whole / SUBMISSIONS, 2),
        "seconds a submission, without the start": round(steady, 2),
    }


def _hand_in(folder: Path) -> None:
    names = sorted(tasks(hostile.KEY))
    for number in range(SUBMISSIONS):
        task = names[number % len(names)]
        undone = hostile.Attack("", "", (({"task": task}, "# not done"),), "nothing", "")
        (folder / f"student{number:02}").mkdir(parents=True)
        hostile.write(undone, folder / f"student{number:02}" / "03_diffusion.ipynb", {})


def packages() -> list[str]:
    """What `pip install course-lib` adds to torch and Jupyter, this course left out."""
    there = _needed("torch") | _needed("jupyterlab") | _needed("ipykernel") | _needed("notebook")
    return sorted(_needed("course-lib") - there - {"course-lib"})


def _needed(name: str) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        try:
            wanted = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:
            continue
        waiting += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def machine() -> dict:
    """On what this was measured."""
    return {
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "as root": os.geteuid() == 0,
    }


def table(results: dict) -> str:
    """The results, a line each."""
    lines = []
    for tier, found in results.get("hostile", {}).items():
        counts = ", ".join(f"{found[name]} {name}" for name in ("contained", "graded fairly", "forged points"))
        lines.append(f"{tier:10} {found['attacks']} attacks: {counts}")
        lines.append(f"{'':10} an endless loop costs {found['endless loop, s beyond its limit']} s beyond its limit")
    for jobs, found in results.get("time", {}).items():
        whole, steady = found["seconds a submission"], found["seconds a submission, without the start"]
        lines.append(f"{jobs:10} {whole} s a submission, {steady} s without the start ({found['tier']})")
    if "packages" in results:
        lines.append(f"packages   {len(results['packages'])}: {', '.join(results['packages'])}")
        added = results["packages of them that checks and grading add"]
        lines.append(f"{'':10} of which checks add {len(added)}: {', '.join(added)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="hostile, time, packages; all if none is given")
    parser.add_argument("--tier", action="append", help="only this tier's attacks; may be given again")
    options = parser.parse_args()
    parts = options.parts or ["hostile", "time", "packages"]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {"machine": machine(), "nbgrader and otter, taken over from the design": PEERS}
    if "packages" in parts:
        results["packages"] = packages()
        results["packages of them that checks and grading add"] = sorted(_needed("pytest") & {*packages()})
    if "time" in parts:
        results["time"] = {f"{jobs} job{'s' * (jobs > 1)}": of_a_batch(jobs, tiers.choose()) for jobs in (1, 2)}
    if "hostile" in parts:
        chosen = [tiers.Tier(tier) for tier in options.tier] if options.tier else tiers.available()
        results.setdefault("hostile", {}).update({str(tier): against_attacks(tier) for tier in chosen})
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
