"""What a student may have written: functions that do with their arguments all that functions can do.

`library.afar` runs this file as the cell of a submission, and here beside it, to compare the two.
"""

import collections
import copy
import enum
import fractions  # noqa: F401
import math  # noqa: F401

import numpy as np
import torch
from torch import nn
from torch.autograd import forward_ad

Pair = collections.namedtuple("Pair", "first second")
Level = enum.IntEnum("Level", "LOW HIGH")
memory = {}
calls = []


class Text(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class OddError(KeyError):
    pass


class Marked(torch.Tensor):
    pass


class Counter:
    """A thing like any other."""

    def __init__(self):
        self.count = 0

    def __eq__(self, other):
        return True

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([1, 2, 3])

    def __bool__(self):
        return True

    def more(self, by):
        self.count += by
        return self.count


class Net(nn.Module):
    """Two layers, a running mean, and dropout where it trains."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.drop = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x, scale=1.0):
        self.calls += 1
        return scale * self.drop(self.layers(x))


# Values


def evaluate(text):
    return eval(text)


def same(value):
    return value


def described(value):
    """All that can be told of a value, as a text."""
    if isinstance(value, torch.Tensor):
        facts = type(value).__name__, value.dtype, tuple(value.shape), value.requires_grad, value.is_leaf
        numbers = value.detach().float() if "float8" in str(value.dtype) else value.detach()
        return f"{facts} {numbers.tolist()}"
    if isinstance(value, np.ndarray):
        return f"array {value.dtype.name} {value.shape} {value.tolist()}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} {[described(part) for part in value]}"
    if isinstance(value, dict):
        return f"{type(value).__name__} {[(described(k), described(v)) for k, v in value.items()]}"
    if isinstance(value, set):
        return f"{type(value).__name__} {sorted(map(described, value))}"
    return f"{type(value).__name__} {value!r}"


def kept(name, value):
    memory[name] = value


def recalled(name):
    return memory[name]


def is_kept(name, value):
    return memory[name] is value


def twice_the_same(value, other):
    return value is other


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


# In place


def fill(x, number):
    x[...] = number


def fill_part(x, number):
    x[0] = number


def append(values, *more):
    values.extend(more)


def rewrite(table):
    table["new"] = [1]
    table["inner"].append(2)
    del table["old"]


def unite(values, more):
    values |= more
    return values


def want_gradients(x, wanted):
    x.requires_grad_(wanted)


def give_gradient(x):
    x.grad = torch.full_like(x, 3.0)


def buffer_filled(steps):
    """The same tensor again and again, with other numbers."""
    x = torch.zeros(2)
    for step in range(steps):
        x.fill_(step)
        yield x


def counting(limit):
    yield from range(limit)
    return "end"


# Calling back


def applied(function, *args, **kwargs):
    return function(*args, **kwargs)


def applied_twice(function, x):
    return function(function(x))


def survives(function):
    try:
        return function()
    except ValueError as error:
        return f"caught {error}"


def summed(values):
    return sum(values)


def looked_at(x, function):
    """What x holds after somebody has changed it in place."""
    function(x)
    return x.sum().item()


# Errors


def breaks(kind):
    if kind == "custom":
        raise OddError("of my own")
    raise {"value": ValueError, "key": KeyError, "type": TypeError}[kind]("as told")  # this line is told


def divides(x):
    return x / 0


def leaves():
    raise SystemExit(3)


# Random numbers


def draw(n):
    return torch.randn(n)


def draw_from(n, generator):
    return torch.randn(n, generator=generator)


def seeded(seed):
    torch.manual_seed(seed)


# Tasks that build on each other


def base(x):
    return x + 1


def building(x):
    return 10 * base(x)


# Gradients


def cubed(x):
    return x**3


def product(x, y):
    return (x * y.sin()).sum()


def waves(x):
    return torch.stack([(x * x.roll(1)).sin().sum(), x.exp().sum(), (x**3).prod()])


def halves(x):
    return x.sin(), x.cos()


def nothing_of(x, y):
    return y.exp() * 2


def constants(x):
    return x.argmax(), x > 0, (x * 10).long(), x * 2


def detached(x):
    return x.detach() * x


def ungraded(x):
    with torch.no_grad():
        return x * 2


def slope(function, x):
    x = x.detach().requires_grad_()
    (found,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    return found


def steepness(function, x):
    (found,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    return found.square().sum()


def penalty(net, x):
    return (slope(net, x).flatten(1).norm(dim=1) - 1).square().mean()


def called_net(net, x):
    return net(x).square().sum()


def closure_over(x):
    y = x * 2
    return lambda z: (z * y).sum()


def closure_over_leaf(x):
    return lambda z: (z * x).sum()


def states(x, steps):
    for _ in range(steps):
        x = x + 0.1 * x.sin()
        yield x


def make_net():
    torch.manual_seed(5)
    return Net()


def transformed(name, function, x, v):
    if name == "grad":
        return torch.func.grad(lambda z: function(z).sum())(x)
    if name == "jvp":
        return torch.func.jvp(function, (x,), (v,))
    if name == "vmap":
        return torch.func.vmap(torch.func.grad(lambda z: function(z).sum()))(torch.stack([x, v]))
    if name == "vjp":
        out, back = torch.func.vjp(function, x)
        return back(torch.ones_like(out))
    if name == "jacobian":
        return torch.autograd.functional.jacobian(function, x)
    if name == "hessian":
        return torch.func.hessian(lambda z: function(z).sum())(x)
    return getattr(torch.func, name)(function)(x)


def forward_mode(function, x, v):
    with forward_ad.dual_level():
        out = function(forward_ad.make_dual(x, v))
        return forward_ad.unpack_dual(out).tangent


def trained(net, optimiser, x, steps):
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def adversarial(generator, critic, optimisers, x, z):
    """A step of each player, on losses of their own."""
    for_generator, for_critic = optimisers
    for_critic.zero_grad()
    (critic(generator(z).detach()).mean() - critic(x).mean()).backward()
    for_critic.step()
    for_generator.zero_grad()
    loss = -critic(generator(z)).mean()
    loss.backward()
    for_generator.step()
    return loss.detach()


def of_a_copy(net, x):
    """The values of a copy with half the weights, and of the network itself, which stayed as it was."""
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.mul_(0.5)
    return twin(x), net(x)


def asked_with_a_copy(function, net, x):
    return function(copy.deepcopy(net), x)


def with_other_weights(net, x, factor):
    weights = {name: factor * weight for name, weight in net.named_parameters()}
    return torch.func.functional_call(net, weights, (x,))


def slopes_of_each(net, x):
    """The gradient of each example's value with respect to the first weight."""
    weights = dict(net.named_parameters())

    def value(weights, one):
        return torch.func.functional_call(net, weights, (one[None],)).sum()

    return torch.func.vmap(torch.func.grad(value), in_dims=(None, 0))(weights, x)["0.weight"]


def asked_about(function, x):
    """What is asked about is returned too."""
    y = 2 * x
    return function(y), y
