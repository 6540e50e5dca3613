"""What stands here for a function, a module, a generator or all the names of the other side."""

import functools
from collections.abc import Iterator, MutableMapping

import torch
from torch import Tensor, nn

from course_lib.grading.expect import Mistake

DEEPEST = 5  # functions within functions
MOST_PARTS = 50  # of a parameter's name


class FarFunction:
    """Call it, and the other side's function runs.

    Parameters
    ----------
    peer : Peer
    far : int
        Its number there.
    inputs : tuple of Tensor
        What it may depend on beside its arguments: through it gradients reach them too.
    """

    def __init__(self, peer, far: int, inputs: tuple[Tensor, ...]) -> None:
        self._peer, self._far, self._inputs = peer, far, inputs

    def __call__(self, *args, **kwargs) -> object:
        return self._peer.call(self._far, args, kwargs, self._inputs)


class FarIterator:
    """A generator of the other side."""

    def __init__(self, peer, far: int, inputs: tuple[Tensor, ...]) -> None:
        self._peer, self._far, self._inputs = peer, far, inputs

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> object:
        return self._peer.following(self._far, self._inputs)


class FarModule(nn.Module):
    """A module of the other side, with its parameters under their names as mirrors.

    They go with each call, so that a copy with weights of its own, or `torch.func.functional_call`, computes with
    those.
    """

    def __init__(self, peer, far: int, parameters: dict[str, nn.Parameter], buffers: dict[str, Tensor]) -> None:
        super().__init__()
        self._peer, self._far = peer, far
        for name, parameter in parameters.items():
            if not isinstance(parameter, nn.Parameter):
                raise TypeError(f"{name} is no parameter")
            _below(self, name).register_parameter(name.split(".")[-1], parameter)
        for name, buffer in buffers.items():
            _below(self, name).register_buffer(name.split(".")[-1], buffer)

    def forward(self, *args, **kwargs) -> object:
        return self._peer.call(
            self._far, args, kwargs, parameters=dict(self.named_parameters()), training=self.training
        )


def _below(module: nn.Module, name: str) -> nn.Module:
    """The part of the module that holds the parameter of this dotted name."""
    if name.count(".") > MOST_PARTS:
        raise ValueError("modules nested too deeply")
    for part in name.split(".")[:-1]:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module._modules[part]
    return module


class FarThing:
    """Any other object: its methods can be called, and that is all that is known of it."""

    def __init__(self, peer, far: int, kind: str, functions: dict[str, FarFunction]) -> None:
        self._peer, self._far, self._kind, self._functions = peer, far, kind, functions

    def __getattr__(self, name: str) -> FarFunction:
        if name.startswith("_") or name not in self._functions:
            raise AttributeError(f"a {self.__dict__.get('_kind', 'thing')} without a method {name}")
        return self._functions[name]

    def _refuse(self, *_) -> None:
        raise Mistake(f"this is a {self._kind}, which cannot be compared, counted or gone through")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __len__ = __iter__ = __bool__ = __contains__ = __getitem__ = __float__ = __int__ = __index__ = _refuse
    __hash__ = object.__hash__


class FarNamespace(MutableMapping):
    """The names of the other side, looked up when they are needed."""

    def __init__(self, peer) -> None:
        self._peer = peer

    def __getitem__(self, name: str) -> object:
        return self._peer.lookup(name)

    def __setitem__(self, name: str, value: object) -> None:
        self._peer.define(name, value)

    def __delitem__(self, name: str) -> None:
        raise TypeError("names are not deleted from afar")

    def __iter__(self) -> Iterator[str]:
        raise TypeError("names are not listed from afar")

    __len__ = __iter__


def number(value: object, peer) -> int | None:
    """The other side's number of what stands here for something of its own, else None; a module's copy is ours."""
    if not isinstance(value, FarFunction | FarIterator | FarModule | FarThing) or value._peer is not peer:
        return None
    return value._far if not isinstance(value, FarModule) or peer.stands_for(value, value._far) else None


def held(function: object, depth: int = 0) -> list[Tensor]:
    """Leaves that a function holds and through which gradients may flow: in its closure, its `self`, its arguments."""
    if isinstance(function, functools.partial):
        parts = [function.func, *function.args, *function.keywords.values()]
    else:
        cells = getattr(function, "__closure__", None) or ()
        defaults = getattr(function, "__defaults__", None) or ()
        parts = [*map(_contents, cells), *defaults, getattr(function, "__self__", None)]
    tensors = []
    for part in parts:
        if isinstance(part, nn.Module):
            tensors += part.parameters()
        elif isinstance(part, Tensor):
            tensors += [part] if part.is_leaf and part.requires_grad else []
        elif callable(part) and depth < DEEPEST:
            tensors += held(part, depth + 1)
    return tensors


def _contents(cell: object) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def methods(thing: object) -> list[tuple[str, object]]:
    """The methods of a thing that the other side may call: an optimiser's two, else all that are public."""
    if isinstance(thing, torch.optim.Optimizer):
        return [(name, getattr(thing, name)) for name in ("zero_grad", "step")]
    public = [name for name in dir(type(thing)) if not name.startswith("_")]
    return [(name, getattr(thing, name)) for name in public if callable(getattr(type(thing), name))]
