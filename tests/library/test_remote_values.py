"""What a student is given and gives back is the same through a socket as without one."""

import numpy as np
import pytest
import torch
from library import afar
from torch import nn

from course_lib.grading.expect import Mistake
from course_lib.grading.remote.frames import ClosedError
from course_lib.grading.remote.mirrors import DTYPES
from course_lib.grading.remote.values import ANSWER, DEEPEST

pytestmark = afar.CONFINED

PLAIN = [
    *("None", "True", "False", "0", "-7", "10**30", "1.5", "-0.0", "float('inf')", "-float('inf')", "float('nan')"),
    *("''", "'ü \\n \"'", "'\\ud800'", "[]", "()", "{}", "set()", "[1, 'a', None]", "(1, (2.0,), [3])"),
    *("{'a': 1, 2: 'b', (3, 4): [5], None: True}", "{1, 'a', (2, 3)}", "1 - 2j", "complex('nan')"),
    *("torch.float32", "torch.bool", "torch.device('cpu')", "torch.device('cuda:1')", "torch.device('meta')"),
]
ARRAYS = [
    *(f"np.arange(6).reshape(2, 3).astype('{kind}')" for kind in ("float16", "float32", "float64", "int8", "uint16")),
    *(f"np.arange(3).astype('{kind}')" for kind in ("int16", "int32", "int64", "uint8", "bool", "complex64", ">f4")),
    *("np.zeros((0, 3))", "np.array(2.5)", "np.arange(12.0).reshape(3, 4)[::-1, ::2]", "np.arange(6).reshape(2, 3).T"),
]
TENSORS = [
    *(f"torch.tensor([[0, 1, 2], [3, 4, 5]]).to(torch.{kind})" for kind in DTYPES),
    *("torch.tensor(3.5)", "torch.empty(0)", "torch.empty(2, 0, 3)", "torch.tensor([float('nan'), -0.0, math.inf])"),
    *("torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)", "torch.arange(10)[::3]", "torch.ones(1).expand(3, 2)"),
    *("torch.tensor([1 + 2j]).conj()", "torch.tensor([1 + 2j]).conj().imag", "torch.ones(2, requires_grad=True)"),
    *("nn.Parameter(torch.ones(2))", "nn.Parameter(torch.ones(2), requires_grad=False)", "torch.ones(2, 3)[:, 1]"),
]
SUBCLASSES = {
    "Text('a')": "a",
    "Pair(1, [2])": (1, [2]),
    "Level.HIGH": 2,
    "collections.OrderedDict(a=1)": {"a": 1},
    "collections.Counter('aab')": {"a": 2, "b": 1},
    "np.float64(0.5)": 0.5,
    "torch.ones(2, 3).shape": (2, 3),
}


@pytest.fixture(scope="module")
def session():
    with afar.session() as session:
        yield session


@pytest.fixture
def far(session, request):
    with session.student(request.node) as student:
        yield student


@pytest.fixture
def near():
    with afar.near() as student:
        yield student


@pytest.fixture(params=["near", "far"])
def student(request):
    """Either of them: what the test says holds for both."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("text", PLAIN + ARRAYS + TENSORS)
def test_a_value_arrives_as_what_it_was_in_both_directions(near, far, text):
    value = near.evaluate(text)
    assert near.described(far.evaluate(text)) == near.described(value)
    assert far.described(value) == near.described(value)
    assert near.described(far.same(value)) == near.described(value)


@pytest.mark.parametrize("text", SUBCLASSES)
def test_a_subclass_arrives_as_the_plain_value_that_it_holds(far, text):
    value = far.evaluate(text)
    assert type(value) is type(SUBCLASSES[text])
    assert value == SUBCLASSES[text]


def test_a_subclass_of_a_tensor_arrives_as_a_plain_one(far):
    got = far.evaluate("torch.arange(3.0).as_subclass(Marked)")
    assert type(got) is torch.Tensor
    assert got.tolist() == [0, 1, 2]


def test_numbers_of_numpy_arrive_as_arrays(far):
    got = far.evaluate("np.float32(0.5)")
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape, got.item()) == (np.float32, (), 0.5)


@pytest.mark.parametrize("text", ["torch.ones(2)", "nn.Linear(2, 3)", "[1]", "{'a': 1}", "{1}"])
def test_what_comes_back_is_the_same_object(student, near, text):
    value, other = near.evaluate(text), near.evaluate(text)
    assert student.same(value) is value
    inner, same = student.same((other, [value]))[1][0], student.same({"a": value})["a"]
    assert inner is same is value


def test_a_tensor_given_twice_is_one_to_the_student(student):
    x = torch.ones(2)
    assert student.twice_the_same(x, x)
    assert not student.twice_the_same(x, torch.ones(2))


def test_a_function_is_the_same_again(session, request):
    with session.student(request.node) as far:
        same = vars(far)["_namespace"]["same"]  # without what `Student` wraps functions in
        assert same(len) is len
        assert same(same) is same


def test_a_generator_is_the_same_object_again(student, rng_of_torch):
    for value in (rng_of_torch, iter([1])):
        assert student.same(value) is value
        student.kept("it", value)
        assert student.is_kept("it", value)
        assert student.recalled("it") is value


@pytest.fixture
def rng_of_torch():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("text", ["torch.ones(2)", "make_net()", "counting(3)", "Counter()"])
def test_what_the_student_holds_is_the_same_object_each_time(student, text):
    student.kept("it", student.evaluate(text))
    first = student.recalled("it")
    assert student.recalled("it") is first
    assert student.is_kept("it", first)
    assert not student.is_kept("it", student.evaluate(text))


def test_a_value_may_be_nested_so_deep_and_no_deeper(far):
    most = DEEPEST - ANSWER + 1  # lists
    value = far.nested(most - 1)
    assert value == eval("[" * most + "]" * most)
    assert far.same(value) == value
    with pytest.raises(ValueError, match=f"more than {DEEPEST} deep"):
        far.nested(most)
    with pytest.raises(ValueError, match=f"more than {DEEPEST} deep"):
        far.nested(DEEPEST + 5)
    assert far.same(1) == 1, "the conversation goes on"


def test_a_list_that_holds_itself_is_refused(far):
    with pytest.raises(ValueError, match="deep"):
        far.evaluate("(lambda a: a.append(a) or a)([])")


# In place


def test_changes_of_a_tensor_in_place_come_back(student):
    x = torch.zeros(2, 2)
    view = x[1]
    student.fill_part(x, 3.0)
    assert x.tolist() == [[3, 3], [0, 0]]
    student.fill(x, 4.0)
    assert view.tolist() == [4, 4]


def test_changes_of_odd_tensors_in_place_come_back(student):
    transposed, integers, flags = torch.zeros(2, 3).T, torch.arange(4)[::2], torch.tensor([True, False])
    for x in (transposed, integers, flags):
        student.fill_part(x, 1)
        assert (x[0] == 1).all()
    assert transposed[1:].abs().sum() == 0


def test_changes_of_lists_dicts_and_sets_come_back(student):
    values, inner, added = [1], [1], torch.ones(1)
    table, numbers = {"old": 0, "inner": inner}, {1}
    student.append(values, added, "a")
    assert (len(values), values[2]) == (3, "a")
    assert values[1] is added
    student.rewrite(table)
    assert table == {"inner": [1, 2], "new": [1]}
    assert table["inner"] is inner
    assert student.unite(numbers, {2}) is numbers == {1, 2}


def test_wanted_gradients_and_gradients_themselves_come_back(student):
    x = torch.ones(2)
    student.want_gradients(x, True)
    assert x.requires_grad
    student.give_gradient(x)
    assert x.grad.tolist() == [3, 3]
    student.want_gradients(x, False)
    assert not x.requires_grad


def test_a_change_here_is_seen_there(student):
    x = torch.zeros(2)
    student.kept("x", x)
    x += 2
    assert student.evaluate("memory['x'].tolist()") == [2, 2]
    x.requires_grad_().grad = torch.ones(2)
    assert student.evaluate("memory['x'].grad.tolist()") == [1, 1]


def test_a_change_by_the_tests_function_is_seen_while_the_student_waits(student):
    assert student.looked_at(torch.zeros(3), lambda x: x.add_(2)) == 6


def test_a_tensor_that_a_generator_yields_again_changes_here(student):
    first, second = (states := student.buffer_filled(3), next(states))[1], next(states)
    assert second is first
    assert first.tolist() == [1, 1]
    next(states)
    assert first.tolist() == [2, 2]


def test_a_generator_ends(student):
    states = student.counting(3)
    assert list(states) == [0, 1, 2]
    with pytest.raises(StopIteration):
        next(states)


def test_an_end_of_a_generator_is_not_the_end_of_a_call(far):
    """Else `all(map(student.f, ...))` would pass where f raises StopIteration."""
    with pytest.raises(Exception) as caught:
        far.evaluate("next(iter([]))")
    assert caught.value.kind == "StopIteration"
    assert not isinstance(caught.value, StopIteration)


def test_the_tests_own_generator_is_drained_by_the_student(student):
    values = (n for n in range(10))
    assert student.evaluate("lambda values: next(values) + next(values)")(values) == 1
    assert student.summed(values) == sum(range(2, 10))
    assert next(values, None) is None


# Things


@pytest.mark.parametrize(
    "use",
    [len, iter, bool, float, int, list, lambda t: t == 1, lambda t: t != 1, lambda t: t < 1, lambda t: t[0]]
    + [lambda t: 1 in t, lambda t: 1 == t, lambda t: [0][t], lambda t: t >= t],
)
def test_an_unknown_object_refuses_to_be_compared_counted_or_gone_through(far, use):
    with pytest.raises(Mistake, match="this is a Counter, which cannot be compared, counted or gone through"):
        use(far.evaluate("Counter()"))


def test_an_unknown_objects_methods_can_be_called(student):
    thing = student.evaluate("Counter()")
    assert (thing.more(2), thing.more(by=3)) == (2, 5)
    with pytest.raises(AttributeError):
        thing.less()


@pytest.mark.parametrize("text", ["Counter()", "fractions.Fraction(1, 2)", "b'a'", "frozenset([1])", "range(3)"])
def test_an_unknown_object_does_not_show_what_it_holds(far, text):
    thing = far.evaluate(text)
    for name in ("count", "numerator", "__dict__keys__", "start"):
        with pytest.raises(AttributeError):
            getattr(thing, name).real  # noqa: B018
    assert len({thing, thing}) == 1, "it can be hashed"


# Modules


def test_a_students_module_shows_its_parameters_and_buffers(near, far):
    here, there = near.make_net(), far.make_net()
    assert isinstance(there, nn.Module)
    assert list(there.state_dict()) == list(here.state_dict())
    afar.assert_close(there.state_dict(), here.state_dict(), atol=0)
    assert all(isinstance(parameter, nn.Parameter) for parameter in there.parameters())
    assert [n for n, _ in there.named_buffers()] == ["calls"]


def test_a_students_module_is_told_whether_it_trains(student):
    net = student.make_net()
    x = torch.ones(50, 3)
    assert (net(x) == 0).any(), "dropout"
    assert not (net.eval()(x, scale=2.0) == 0).any()
    assert net.calls == 2, "its buffer follows"
    assert (net.train()(x) == 0).any()


def test_the_tests_module_is_one_for_the_student(student):
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    names = student.evaluate("lambda net: [isinstance(net, nn.Module), [n for n, _ in net.named_parameters()]]")(net)
    assert names == [True, ["0.weight", "0.bias", "1.weight", "1.bias"]]
    student.applied(net, torch.randn(5, 3))
    assert net[1].num_batches_tracked == 1
    before = net[1].running_mean.clone()
    student.evaluate("lambda net, x: net.eval()(x)")(net, torch.randn(5, 3))
    assert not net.training
    assert torch.equal(net[1].running_mean, before)


# Calling back and errors


def test_functions_go_to_and_fro(student):
    assert student.applied(lambda x, y=0: x + y, 2, y=3) == 5
    assert student.applied_twice(lambda x: 3 * x, 2) == 18
    assert student.applied(student.same, 4) == 4, "the student's own"
    assert student.evaluate("lambda n: lambda f: f(n)")(3)(lambda n: n + 1) == 4


@pytest.mark.parametrize(("kind", "error"), [("value", ValueError), ("key", KeyError), ("type", TypeError)])
def test_an_error_arrives_with_its_kind_its_cell_and_its_line(student, kind, error):
    with pytest.raises(error, match="as told") as caught:
        student.breaks(kind)
    where = student.line_of(caught.value)
    assert (where.cell, where.line) == ("task everything", afar.line("# this line is told"))
    assert where.function == "breaks"
    assert where.code.startswith("raise {")


def test_an_error_of_the_students_own_kind_arrives_as_the_nearest_that_is_known(far):
    with pytest.raises(KeyError, match="of my own") as caught:
        far.breaks("custom")
    assert type(caught.value) is KeyError
    assert caught.value.kind == "OddError"


def test_an_error_inside_torch_is_told_with_the_line_of_the_student(student):
    with pytest.raises(RuntimeError, match="must match") as caught:
        student.product(torch.ones(2), torch.ones(3))
    assert student.line_of(caught.value).line == afar.line("(x * y.sin()).sum()")


def test_an_exit_is_an_error_of_that_kind(far):
    with pytest.raises(RuntimeError) as caught:
        far.leaves()
    assert caught.value.kind == "SystemExit"
    assert far.same(1) == 1, "the conversation goes on"


def test_a_process_that_ends_is_told(far):
    with pytest.raises(ClosedError):
        far.evaluate("__import__('os')._exit(0)")


def test_a_mistake_found_in_the_tests_function_comes_back_as_the_same_object(student):
    mistake = Mistake("the net is called with t after x")

    def net(*args):
        raise mistake

    with pytest.raises(Mistake) as caught:
        student.applied(student.applied, net)
    assert caught.value is mistake


def test_a_student_may_catch_an_error_of_the_tests_function(student):
    def broken():
        raise ValueError("on purpose")

    assert student.survives(broken) == "caught on purpose"
    assert student.survives(lambda: 3) == 3


def test_an_unknown_name_is_not_written_yet(student):
    with pytest.raises(NotImplementedError, match="there is no never_written yet"):
        student.never_written(1)


# Random numbers


def test_a_student_draws_what_it_would_draw_in_process(student):
    torch.manual_seed(3)
    want = [torch.randn(n) for n in (3, 2, 4, 1)]
    torch.manual_seed(3)
    got = [student.draw(3), student.draw(2), torch.randn(4), student.applied(lambda: torch.randn(1))]
    afar.assert_close(got, want, atol=0)


def test_a_student_who_seeds_seeds_the_test_too(student):
    torch.manual_seed(4)
    want = torch.randn(3), torch.randn(3)
    student.seeded(4)
    afar.assert_close((torch.randn(3), student.draw(3)), want, atol=0)


def test_a_generator_goes_on_where_the_other_side_stopped(student, rng_of_torch):
    want = torch.Generator().manual_seed(3)
    want = [torch.randn(2, generator=want) for _ in range(4)]
    got = [student.draw_from(2, rng_of_torch), torch.randn(2, generator=rng_of_torch)]
    got += [student.draw_from(2, generator=rng_of_torch), torch.randn(2, generator=rng_of_torch)]
    afar.assert_close(got, want, atol=0)


# Earlier tasks


def test_an_earlier_task_is_replaced_for_those_who_build_on_it(student):
    assert student.building(1) == 20
    student.base = lambda x: 5 * x
    assert student.building(2) == 100
    assert student.base(2) == 10


def test_what_was_replaced_is_put_back(near, session, request):
    with session.student(request.node) as far:
        far.base = lambda x: 0
        assert far.building(1) == 0
    with session.student(request.node) as far:
        assert far.building(1) == 20
    near.base = near.brand_new = lambda x: 0
    assert near.building(1) == near.brand_new(1) == 0
    near.restore()
    assert near.building(1) == 20
    with pytest.raises(NotImplementedError):
        near.brand_new(1)
