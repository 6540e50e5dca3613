"""What a learner is told: the strict comparison, the check in a cell."""

import inspect
import subprocess
import sys

import pytest
import torch

from course_lib import places
from course_lib.grading.check import PASSED, check
from course_lib.grading.expect import Mistake, difference, expect, require
from course_lib.grading.points import hint, run
from course_lib.grading.remote import failures

ONES = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("got", "want", "sentence"),
    [
        (torch.ones(3), ONES, r"shape is \(3,\), expected \(2, 3\)"),  # would broadcast
        (torch.ones(()), ONES, r"shape is \(\), expected \(2, 3\)"),
        (torch.ones(2, 3, dtype=torch.int64), ONES, "dtype is torch.int64"),
        (torch.ones(2, 3, dtype=torch.bool), ONES, "dtype is torch.bool"),
        (ONES.to("meta"), ONES, "on meta, expected cpu"),
        (ONES.log() / 0, ONES, "6 of 6 numbers are NaN or infinite"),
        (ONES + torch.tensor([0, 0, 0.5]), ONES, r"2 of 6 numbers are wrong: got 1.5, expected 1 at index \(0, 2\)"),
        (torch.tensor(2.0), torch.tensor(1.0), "the number is wrong: got 2, expected 1"),
        (ONES.numpy(), ONES, "an? ndarray, expected a tensor"),
        (1.0, torch.tensor(1.0), "a float, expected a tensor"),
        (None, ONES, r"None \(is there a `return`\?\)"),
        (True, 1, "a bool, expected an int"),
        (1, 1.0, "an int, expected a float"),
        ([1], (1,), "a list, expected a tuple"),
        ((1, 2), (1,), "2 values, expected 1"),
        ((ONES, 2 * ONES), (ONES, ONES), "value 2 of 2: 6 of 6"),
        ({"a": 1}, {"b": 1}, "keys are"),
        ({"a": 1}, {"a": 2}, "at 'a': this is 1, expected 2"),
        ("a", "b", "'a', expected 'b'"),
    ],
)
def test_each_fault_has_its_sentence(got, want, sentence):
    with pytest.raises(Mistake, match=sentence):
        expect(got, want)


def test_equal_values_pass():
    expect(ONES.clone().requires_grad_(), ONES)
    expect(torch.nn.Parameter(ONES), ONES)
    expect(ONES.double(), ONES)
    expect((1, 2.0, "a", None, {"x": [ONES]}), (1, 2.0, "a", None, {"x": [ONES.clone()]}))
    expect(ONES + 1e-6, ONES)
    expect(torch.tensor([torch.inf]), torch.tensor([torch.inf]))


def test_tolerances_are_what_is_stated():
    assert difference(torch.tensor(1.0 + 5e-5), torch.tensor(1.0), atol=1e-4, rtol=0) is None
    assert difference(torch.tensor(1.0 + 2e-4), torch.tensor(1.0), atol=1e-4, rtol=0)
    assert difference(torch.tensor(1001.0), torch.tensor(1000.0), atol=0, rtol=2e-3) is None


class AlwaysEqual(torch.Tensor):
    """Claims to equal everything."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


def test_an_object_that_equals_everything_does_not_pass():
    with pytest.raises(Mistake):
        expect(torch.zeros(2).as_subclass(AlwaysEqual), torch.ones(2))
    with pytest.raises(Mistake):
        expect(type("Any", (), {"__eq__": lambda self, other: True})(), "a")


def test_a_known_mistake_is_named_also_if_its_shape_is_wrong():
    wrong = {"first": torch.zeros(2), "it is the sum": torch.tensor(6.0), "none is returned": None}
    with pytest.raises(Mistake, match="^it is the sum$"):
        expect(torch.tensor(6.0), ONES, wrong)
    with pytest.raises(Mistake, match="^none is returned$"):
        expect(None, ONES, wrong)
    with pytest.raises(Mistake, match="numbers are wrong"):
        expect(ONES + 3, ONES, wrong)
    expect(ONES, ONES, wrong)


def test_require():
    require(True, "never")
    with pytest.raises(Mistake, match="^because$"):
        require(False, "because")


def add_noise(x0, eps, alpha, sigma):
    return alpha[:, None, None, None] * x0 + sigma[:, None, None, None] * eps


def test_a_right_answer_passes_the_check_in_these_words():
    result = check("add_noise", {"add_noise": add_noise})
    assert result.passed
    assert PASSED == "Passed the public checks; hidden tests may still fail."
    assert str(result).endswith(PASSED)
    assert str(result).count("✓") == len(result.points) == 3
    assert PASSED in result._repr_html_()


def test_check_finds_the_callers_function():
    # In a process of its own: here, under pytest, a type checker's frame stands between the caller and `check`.
    program = inspect.getsource(add_noise) + (
        "import torch\n"
        "from course_lib.grading.check import check\n"
        "assert check('add_noise').passed\n"
        "add_noise = lambda *arguments: arguments[0]\n"
        "assert not check('add_noise').passed\n"
        "print(check('add_noise'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 of 3 public checks passed."


def test_a_wrong_answer_gets_a_line_a_point_a_hint_and_no_traceback():
    result = check("add_noise", {"add_noise": lambda x0, eps, alpha, sigma: alpha * x0 + sigma * eps})
    assert not result.passed
    assert str(result).count("✓") == 2
    assert "✗ Each image has its own alpha and sigma" in str(result)
    assert "matched with the width" in str(result)
    assert "2 of 3 public checks passed." in str(result)
    assert "Traceback" not in str(result)
    assert "test_diffusion" not in str(result) + result._repr_html_()


def test_what_is_not_written_yet_gets_a_friendly_line():
    def add_noise(x0, eps, alpha, sigma):
        raise NotImplementedError("task add_noise: write this function")

    for namespace in ({}, {"add_noise": add_noise}):
        result = check("add_noise", namespace)
        assert not result.passed
        assert str(result).startswith("add_noise is not written yet")
        assert "✗" not in str(result)


def test_a_name_that_is_no_function_is_told():
    assert "add_noise is now a Tensor, not a function" in str(check("add_noise", {"add_noise": ONES}))


def test_an_error_is_told_with_the_learners_own_line(tmp_path):
    cell = tmp_path / "cell.py"
    cell.write_text("def add_noise(x0, eps, alpha, sigma):\n    a = alpha\n    return a.nothing\n", encoding="utf-8")
    exec(compile(cell.read_text(encoding="utf-8"), str(cell), "exec"), namespace := {})
    text = str(check("add_noise", namespace))
    assert "AttributeError: 'Tensor' object has no attribute 'nothing'" in text
    assert "in line 3 of the cell of add_noise: return a.nothing" in text


def test_html_is_escaped():
    def add_noise(x0, eps, alpha, sigma):
        raise ValueError("<script>")

    assert "<script>" not in check("add_noise", {"add_noise": add_noise})._repr_html_()


def test_an_unknown_task_lists_the_tasks():
    with pytest.raises(ValueError, match=r"no task 'add_nose'; the tasks are: .*add_noise, cosine_schedule"):
        check("add_nose", {})


def test_missing_checks_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "checks", lambda: tmp_path)
    with pytest.raises(ValueError, match="no public checks"):
        check("add_noise", {})


def test_unreadable_tests_are_told(tmp_path):
    path = tmp_path / "test_broken.py"
    path.write_text("import nothing_that_exists", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read.*nothing_that_exists"):
        run([path], {})


def test_an_interrupted_check_is_interrupted():
    def add_noise(x0, eps, alpha, sigma):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("add_noise", {"add_noise": add_noise})


def test_a_check_leaves_no_trace():
    def random(x0, eps, alpha, sigma):
        return torch.rand(3)

    torch.manual_seed(3)
    before = torch.get_rng_state()
    with torch.no_grad():
        assert check("flow_loss", {"flow_loss": lambda net, x0, eps, t: net(x0, t).sum()}).points
        check("add_noise", {"add_noise": random})
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)


def test_an_error_without_a_text_is_told_by_its_name():
    assert hint(ValueError()) == "ValueError"
    assert hint(MemoryError()) == "MemoryError: this asks for more memory than there is"
    assert hint(MemoryError("DefaultCPUAllocator: 9 bytes")) == "MemoryError: DefaultCPUAllocator: 9 bytes"


def test_a_syntax_error_is_told_without_its_place():
    """The place has a line of its own."""
    with pytest.raises(SyntaxError) as caught:
        compile("x = 1\ndef f(x)\n    return x", "<task double>", "exec")
    told = failures.told(caught.value, {"task double"})
    assert told["text"] == "expected ':'"
    assert told["where"][:2] == ("task double", 2)


SHARED = '''
import pytest, torch
from course_lib.grading.expect import expect

SHARES = torch.tensor([0.5, 0.25])
SEEN = []

@pytest.mark.task("half")
def test_half(student):
    """Half of it."""
    expect(student.half(SHARES), torch.tensor([0.25, 0.125]))

@pytest.mark.task("half")
def test_half_again(student):
    """Half of it, once more."""
    expect(student.half(SHARES), SHARES / 2)
    SEEN.append(1)
    assert SEEN == [1]
'''


def test_who_changes_an_argument_helps_nobody(tmp_path):
    path = tmp_path / "test_half.py"
    path.write_text(SHARED, encoding="utf-8")

    def zeroing(x):
        return x.zero_()

    for half, passed in (
        (zeroing, [False, False]),
        (torch.zeros_like, [False, False]),
        (lambda x: x / 2, [True, True]),
    ):
        assert [point.passed for point in run([path], {"half": half})] == passed


def test_each_run_imports_the_tests_anew(tmp_path):
    path = tmp_path / "test_half.py"
    path.write_text(SHARED, encoding="utf-8")
    for _ in range(2):
        assert all(point.passed for point in run([path], {"half": lambda x: x / 2}))
