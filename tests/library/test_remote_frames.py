"""Whatever a student's process sends, the grader's side of the conversation ends in time, with a known error."""

import os
import subprocess
import sys
import tracemalloc

import pytest
import targets
from library.malformed import ACTS, generates, packed, replayed
from library.malformed import genuine as recorded

from course_lib.grading.remote import frames
from course_lib.grading.remote.frames import Frame, LinkError, MalformedError, OverrunError

FRAMES, PARTS = 10_000, 4


@pytest.fixture(scope="module")
def genuine():
    """Short tests, and what the student's side says in each of them."""
    heard = recorded()
    assert {frame.kind for _, said in heard for frame in said} == {"value", "end", "derived", "failed", "call", "vjp"}
    return heard


@pytest.mark.parametrize("seed", range(PARTS))
def test_malformed_frames_end_a_conversation_in_time_and_in_known_ways(seed):
    # In a process without a type checker, whose errors would come before the library's own.
    command = [sys.executable, "-m", "library.malformed", str(FRAMES // PARTS), str(seed)]
    path = os.pathsep.join([str(targets.ROOT), str(targets.ROOT / "tests")])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"


def test_the_genuine_frames_themselves_are_understood(genuine):
    for act, said in genuine:
        error = replayed(act, b"".join(map(packed, said)), patience=60)
        assert error is None or hasattr(error, "peer"), act


def test_silence_ends_at_the_deadline(genuine):
    for act, said in genuine:
        for known in range(len(said)):
            error = replayed(act, b"".join(map(packed, said[:known])), patience=0.1, silent=True)
            assert isinstance(error, OverrunError)


def test_half_a_frame_and_then_silence_ends_at_the_deadline(genuine):
    act, said = genuine[0]
    assert isinstance(replayed(act, packed(said[0])[:-1], patience=0.2, silent=True), OverrunError)


def test_a_frame_that_promises_much_reserves_nothing(genuine):
    promise = frames.LENGTHS.pack(frames.MAX_HEADER, frames.MAX_BUFFERS)
    tracemalloc.start()
    for _ in range(20):
        assert isinstance(replayed(ACTS[0], promise + b"{"), LinkError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("size", [(frames.MAX_HEADER + 1, 0), (0, frames.MAX_BUFFERS + 1), (2**32 - 1, 2**32 - 1)])
def test_a_frame_larger_than_allowed_is_refused_before_it_is_read(size):
    assert isinstance(replayed(ACTS[0], frames.LENGTHS.pack(*size), silent=True), MalformedError)


def question(kind: str, **body) -> Frame:
    return Frame(kind, {"changes": [], "tensors": [], "random": False, **body})


def test_questions_within_questions_are_counted(genuine):
    """Each call of the test's function makes it ask the student, who calls it again."""

    def act(student) -> None:
        applied = student["applied"]
        again = lambda: applied(again)
        again()

    name = next(said[0] for _, said in genuine)  # the answer to a look-up: a function
    call = question("call", number=0, tree=[{"tuple": []}, []], parameters={}, training=None)
    error = replayed(act, packed(name) + 100 * packed(call), patience=30)
    assert isinstance(error, MalformedError)
    assert "deep" in str(error)


def test_questions_without_end_run_into_a_limit(monkeypatch):
    monkeypatch.setattr(frames, "MAX_FRAMES", 1000)
    error = replayed(ACTS[0], 2000 * packed(question("get", name="a")), patience=30)
    assert isinstance(error, LinkError)


def test_answers_that_nobody_reads_end_at_the_deadline():
    asked = 20_000 * packed(question("get", name="a" * 50))
    error = replayed(ACTS[0], asked, patience=1.0, silent=True)
    assert isinstance(error, LinkError)


def test_agenerates_without_end_runs_into_a_limit(genuine, monkeypatch):
    monkeypatch.setattr(frames, "MAX_FRAMES", 1000)
    (said,) = (said for act, said in genuine if act is generates)
    value = question("value", value=1, refilled=[], tape=0)
    error = replayed(generates, b"".join(map(packed, said[:2])) + 2000 * packed(value), patience=30)
    assert isinstance(error, MalformedError)
    assert "frame" in str(error)


def test_a_module_of_deeply_nested_names_is_refused(genuine):
    names = {"weights": {"a." * 100_000 + "w": 0}, "buffers": {}}
    module = {"module": [0, *names.values(), True]}
    tensor = [0, "float32", [1], True, True, True]
    frame = Frame(
        "value", {"changes": [], "tensors": [tensor], "random": False, "value": module, "refilled": [], "tape": 0}
    )
    error = replayed(ACTS[0], packed(Frame(frame.kind, frame.body, [b"0000"])), patience=30)
    assert isinstance(error, MalformedError)
