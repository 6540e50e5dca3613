"""Derivatives through a student's functions are through a socket what they are without one.

Each test computes something with the student in this process and with the one in a sandbox. Both do the same
operations on the same numbers, so they agree within `afar.assert_close`'s 1e-6.
"""

import pytest
import torch
from library import afar
from torch import nn

pytestmark = afar.CONFINED

MODES = ["grad", "jacrev", "jacfwd", "jvp", "vjp", "vmap", "hessian", "jacobian"]


@pytest.fixture(scope="module")
def session():
    with afar.session() as session:
        yield session


@pytest.fixture
def both(session, request):
    """Compute with either student; what came out must agree, and is returned."""

    def run(compute, atol=1e-6):
        found = []
        for student in (afar.near(), session.student(request.node)):
            torch.manual_seed(1)
            with student as student:
                found.append(compute(student))
        here, there = found
        assert shape_of(there) == shape_of(here)
        if afar.parts(here):
            afar.assert_close(there, here, atol)
        return there

    return run


def shape_of(value):
    """What of a value is no number: its tuples, its Nones, and what is wanted of tensors."""
    if isinstance(value, dict):
        return [(key, shape_of(part)) for key, part in value.items()]
    if isinstance(value, tuple | list):
        return [shape_of(part) for part in value]
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.requires_grad, value.is_leaf
    return value


def point(*shape, wanted=True):
    return torch.randn(*shape or (3,), requires_grad=wanted)


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


class Spy:
    """A function of the test that counts how often it is called."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self, *args):
        self.count += 1
        return self.function(*args)


# Reverse mode


def test_backward_reaches_the_arguments(both):
    def compute(student):
        x, y = point(), point()
        student.product(x, y).backward()
        return x.grad, y.grad

    both(compute)


def test_gradients_add_up_over_two_calls(both):
    def compute(student):
        x = point()
        student.cubed(x).sum().backward()
        (2 * student.cubed(x)).sum().backward()
        return x.grad

    both(compute)


def test_what_was_computed_before_is_reached_through_the_student(both):
    def compute(student):
        x = point()
        student.cubed(student.cubed(x.sin()) + x).sum().backward()
        return x.grad

    both(compute)


def test_backward_reaches_the_parameters_of_the_tests_network(both):
    def compute(student):
        net, x = network(), point(5, 3)
        student.called_net(net, x).backward()
        return [x.grad, *(parameter.grad for parameter in net.parameters())]

    both(compute)


def test_a_penalty_on_a_slope_reaches_the_parameters(both):
    def compute(student):
        net = network()
        student.penalty(net, point(5, 3)).backward()
        return [p.grad for p in net.parameters()]

    grads = both(compute)
    assert grads[-1] is None, "a slope does not depend on the last bias"


def test_a_graph_may_be_kept_and_used_again(both):
    def compute(student):
        x = point()
        out = student.cubed(x).sum()
        out.backward(retain_graph=True)
        out.backward()
        return x.grad

    both(compute)


@pytest.mark.parametrize("order", [2, 3])
def test_derivatives_of_higher_order_through_the_students_function(both, order):
    def compute(student):
        x = point()
        value = student.waves(x).sum()
        for _ in range(order):
            (found,) = torch.autograd.grad(value, x, create_graph=True)
            value = found.square().sum()
        return found

    both(compute, atol=1e-4)  # third derivatives are of the order of a hundred


@pytest.mark.parametrize("order", [2, 3])
def test_derivatives_of_higher_order_by_the_student_through_the_tests_function(both, order):
    def compute(student):
        x, a = point(), point()
        function = lambda z: (a * z.sin() * z).sum()
        for _ in range(order - 1):
            function = lambda z, inner=function: student.steepness(inner, z)
        (found,) = torch.autograd.grad(student.steepness(function, x), a)
        return found

    both(compute, atol=1e-5)


def test_a_vector_that_wants_a_gradient_gets_one(both):
    def compute(student):
        x, v = point(), point()
        (found,) = torch.autograd.grad(student.cubed(x), x, v, create_graph=True)
        return torch.autograd.grad(found.square().sum(), [x, v])

    both(compute)


# torch.func, functional, forward mode


@pytest.mark.parametrize("mode", MODES)
def test_the_student_transforms_the_tests_function(both, mode):
    both(lambda student: student.transformed(mode, lambda z: z.sin() * z.roll(1), point(wanted=False), torch.ones(3)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["waves", "cubed"])
def test_the_test_transforms_the_students_function(both, mode, name):
    from library.remote_student import transformed  # the same lines, run by the test

    both(lambda student: transformed(mode, getattr(student, name), point(wanted=False), torch.ones(3)), atol=1e-5)


@pytest.mark.parametrize("mode", ["grad", "jacrev", "jacfwd", "jvp"])
def test_a_transform_by_the_student_reaches_what_the_tests_function_closes_over(both, mode):
    def compute(student):
        a, x = point(), point(wanted=False)
        out = student.transformed(mode, lambda z: a * z.sin(), x, torch.ones(3))
        sum(part.sum() for part in afar.parts(out)).backward()
        return a.grad

    both(compute)


def test_gradients_of_the_tests_parameters_through_a_transform_of_the_students_function(both):
    def compute(student):
        net = network()
        jacobian = torch.func.jacrev(lambda z: student.applied(net, z))(point(wanted=False))
        jacobian.square().sum().backward()
        return [jacobian, *(p.grad for p in net.parameters())]

    both(compute)


def test_the_whole_jacobian_of_the_functional_interface(both):
    both(lambda student: torch.autograd.functional.jacobian(student.product, (point(), point())))
    both(lambda student: torch.autograd.functional.hvp(student.product, (point(), point()), (point(), point())))


def test_forward_mode_through_the_students_function(both):
    from library.remote_student import forward_mode

    both(lambda student: forward_mode(student.waves, point(wanted=False), torch.ones(3)))


def test_forward_mode_by_the_student_through_the_tests_function(both):
    both(lambda student: student.forward_mode(lambda z: z.sin() * z, point(wanted=False), torch.ones(3)))


def test_forward_over_reverse(both):
    def compute(student):
        slope = torch.func.grad(lambda z: student.waves(z).sum())
        return torch.func.jvp(slope, (point(wanted=False),), (torch.ones(3),))

    both(compute, atol=1e-5)


def test_gradients_of_each_sample(both):
    def compute(student):
        one = torch.func.grad(lambda w, x: student.product(w, x))
        return torch.func.vmap(one, in_dims=(None, 0))(point(wanted=False), point(4, 3, wanted=False))

    both(compute)


# What has no gradient


def test_no_gradient_is_recorded_where_the_test_wants_none(both):
    def compute(student):
        with torch.no_grad():
            return student.cubed(point())

    assert not both(compute).requires_grad


def test_no_gradient_is_recorded_where_the_student_wants_none(both):
    assert not both(lambda student: student.ungraded(point())).requires_grad


def test_what_the_student_detaches_is_constant(both):
    def compute(student):
        x = point()
        student.detached(x).sum().backward()
        return x.grad

    both(compute)


def test_numbers_without_derivative_say_so(both):
    found = both(lambda student: student.constants(point()))
    assert [part.requires_grad for part in found] == [False, False, False, True]


@pytest.mark.parametrize("materialize", [False, True])
def test_an_argument_without_influence_has_no_gradient_or_zeros_if_asked(both, materialize):
    def compute(student):
        x, y = point(), point()
        out = student.nothing_of(x, y).sum()
        return torch.autograd.grad(out, [x, y], allow_unused=True, materialize_grads=materialize)

    x, _ = both(compute)
    assert x.tolist() == [0, 0, 0] if materialize else x is None


def test_an_argument_without_influence_is_an_error_where_that_is_not_allowed(both):
    def compute(student):
        x, y = point(), point()
        with pytest.raises(RuntimeError, match="not have been used") as caught:
            torch.autograd.grad(student.nothing_of(x, y).sum(), [x, y])
        return str(caught.value)

    both(compute)


def test_an_argument_without_influence_keeps_no_grad(both):
    def compute(student):
        x, y = point(), point()
        student.nothing_of(x, y).sum().backward()
        return x.grad, y.grad

    assert both(compute)[0] is None


@pytest.mark.parametrize("used", [0, 1])
def test_one_of_two_outputs_may_be_used_alone(both, used):
    def compute(student):
        x = point()
        out = student.halves(x)
        (found,) = torch.autograd.grad(out[used].sum(), x, retain_graph=True)
        return (found, *torch.autograd.grad(sum(out).sum(), x))

    both(compute)


# What keeps hold of tensors


@pytest.mark.parametrize("name", ["closure_over", "closure_over_leaf"])
def test_a_returned_function_reaches_what_it_closes_over(both, name):
    def compute(student):
        x, z = point(), point()
        function = getattr(student, name)(x)
        function(z).backward(retain_graph=True)
        function(z.detach()).backward()
        return x.grad, z.grad

    both(compute)


def test_a_generators_states_depend_on_its_argument(both):
    def compute(student):
        x = point()
        states = list(student.states(x, 3))
        return [*states, *torch.autograd.grad(sum(state.square().sum() for state in states), x)]

    both(compute)


# Modules and optimisers


def test_the_parameters_of_a_students_module_get_gradients(both):
    def compute(student):
        net, x = student.make_net().eval(), point(5, 3)
        net(x, scale=2.0).square().sum().backward()
        return [x.grad, *(p.grad for p in net.parameters()), net.state_dict()]

    found = both(compute)
    assert all(isinstance(grad, torch.Tensor) for grad in found[:-1])


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_an_optimiser_of_the_test_trains_a_students_module(both, make):
    def compute(student):
        net, x = student.make_net(), point(8, 3, wanted=False)
        optimiser = make(net.parameters(), lr=0.1)
        losses = []
        for _ in range(2):
            optimiser.zero_grad()
            losses.append(net(x).square().mean())
            losses[-1].backward()
            optimiser.step()
        return [torch.stack(losses).detach(), net.state_dict(), net.eval()(x).detach()]

    losses, _, _ = both(compute)
    assert losses[0] != losses[1]


def test_a_students_module_inside_one_of_the_test_is_trained_with_it(both):
    def compute(student):
        net = nn.Sequential(nn.Linear(3, 3), student.make_net().eval())
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            optimiser.zero_grad()
            net(torch.ones(2, 3)).square().sum().backward()
            optimiser.step()
        return list(net.state_dict().values())

    assert len(both(compute)) == 7


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_a_student_trains_the_tests_network_with_the_tests_optimiser(both, make):
    def compute(student):
        net = network()
        losses = student.trained(net, make(net.parameters(), lr=0.1), point(5, 3, wanted=False), 3)
        return [losses, net.state_dict(), [p.grad for p in net.parameters()]]

    losses, _, _ = both(compute)
    assert losses[2] != losses[0]


def test_a_step_of_two_players_moves_each_by_its_own_loss(both):
    def compute(student):
        generator, critic = nn.Linear(3, 3), network()
        optimisers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (generator, critic)]
        loss = student.adversarial(generator, critic, optimisers, torch.ones(4, 3), torch.zeros(4, 3))
        return [loss, generator.state_dict(), critic.state_dict(), [p.grad for p in critic.parameters()]]

    both(compute)


# Spies


def test_a_derivative_runs_nothing_twice(both):
    def compute(student):
        spy, x = Spy(lambda z: z.sin() * z), point()
        out = student.cubed(student.applied(spy, x)).sum()
        (first,) = torch.autograd.grad(out, x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        return spy.count, first.detach(), second

    assert both(compute)[0] == 1


def test_a_spy_counts_what_the_student_asks_for(both):
    def compute(student):
        spy = Spy(lambda z: z.square())
        slope = student.slope(spy, point())
        return spy.count, slope.detach(), student.applied_twice(spy, point()).detach(), spy.count

    assert both(compute)[::3] == (1, 3)


def test_a_spy_sees_what_the_student_hands_on(both):
    def compute(student):
        seen = []
        spy = Spy(lambda z: (seen.append((z.requires_grad, z.detach().clone())), z.square())[1])
        student.slope(spy, point(wanted=False))
        student.applied(spy, point(wanted=False))
        return seen

    assert [wanted for wanted, _ in both(compute)] == [True, False]


def test_a_copy_of_the_tests_network_has_weights_of_its_own(both):
    both(lambda student: student.of_a_copy(network(), point(5, 3)))


def test_a_copy_of_the_tests_network_can_be_handed_back(both):
    both(lambda student: student.asked_with_a_copy(lambda net, x: net(x).sum(), network(), point(5, 3)))


def test_the_tests_network_can_be_called_with_other_weights(both):
    def compute(student):
        net, x = network(), point(5, 3)
        value = student.with_other_weights(net, x, 2.0)
        return value, torch.autograd.grad(value.sum(), [x, *net.parameters()])

    both(compute)


def test_gradients_of_each_example(both):
    both(lambda student: student.slopes_of_each(network(), point(5, 3, wanted=False)))


def test_what_a_student_computed_and_asked_about_passes_gradients_on(both):
    def compute(student):
        x = point()
        asked, y = student.asked_about(lambda y: y.sin(), x)
        return [torch.autograd.grad(value.sum(), x, retain_graph=True) for value in (asked, y, asked * y)]

    both(compute)
