"""What travels: plain values by copy, tensors as mirrors, everything that can be called by number.

A value becomes a node of JSON: itself where JSON has it, else an object with one entry, the tag,
{"tuple": [...]}. A subclass travels as the plain value that it holds, so that nothing ever arrives with
an `__eq__` of its own. Tensors and containers stand in lists of the message, and are named by their place.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.grading.remote import proxies
from course_lib.grading.remote.mirrors import DTYPES

DEEPEST = 30
ANSWER = 3  # the depth at which an answer begins, so that it can be handed back within an argument
ARRAYS = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
CONTAINERS = {"list": list, "dict": dict, "set": set}


def encode(value: object, out, depth: int = 0) -> object:
    """The node of a value.

    Parameters
    ----------
    value : object
    out : Outgoing
        The message that it goes with.

    Raises
    ------
    ValueError
        If it is nested too deeply.
    """
    if depth > DEEPEST:
        raise ValueError(f"a value nested more than {DEEPEST} deep")
    if value is None or isinstance(value, bool | int | float | str):
        return _plain(value)
    if isinstance(value, Tensor | torch.Generator):
        return {"tensor": out.tensor(value)}
    if isinstance(value, tuple):
        return {"tuple": [encode(part, out, depth + 1) for part in value]}
    if isinstance(value, tuple(CONTAINERS.values())):
        return _container(value, out, depth)
    return _by_copy(value) or _by_number(value, out)


def contents(container: object, out, depth: int = 0) -> object:
    """The node of what a list, dict or set holds, each part of it by `encode`."""
    if isinstance(container, dict):
        return {"dict": [[encode(k, out, depth + 1), encode(v, out, depth + 1)] for k, v in container.items()]}
    tag = "list" if isinstance(container, list) else "set"
    return {tag: [encode(part, out, depth + 1) for part in container]}


def _container(value: object, out, depth: int) -> object:
    if (place := out.place(value)) is not None:
        return {"same": place}
    out.containers.append(value)
    return contents(value, out, depth)


def _plain(value: object) -> object:
    return next((kind(value) for kind in (bool, int, float, str) if isinstance(value, kind)), None)


def _by_copy(value: object) -> object:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.name in ARRAYS:
        data = value.astype(value.dtype.newbyteorder("=")).tobytes()
        return {"array": [value.dtype.name, list(value.shape), data.hex()]}
    return None


def _by_number(value: object, out) -> object:
    peer = out.peer
    if (number := proxies.number(value, peer)) is not None:
        for parameter in value.parameters() if isinstance(value, nn.Module) else ():
            out.tensor(parameter, held=True)
        return {"yours": number}
    number = peer.number(value)
    if isinstance(value, nn.Module):
        named = [{name: out.tensor(part) for name, part in parts()} for parts in _parts(value)]
        return {"module": [number, *named, value.training]}
    if isinstance(value, Iterator):
        return {"iterator": number}
    if callable(value):
        return {"function": [number, [out.tensor(tensor, held=True) for tensor in proxies.held(value)]]}
    return {"thing": [number, type(value).__name__, {name: peer.number(f) for name, f in proxies.methods(value)}]}


def _parts(module: nn.Module):
    return module.named_parameters, module.named_buffers


def decode(node: object, incoming, depth: int = 0) -> object:
    """The value of a node.

    Parameters
    ----------
    node : object
    incoming : Incoming
        The message that it came with.

    Raises
    ------
    Exception
        Of any kind, if no value has such a node.
    """
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if node is None or type(node) in (bool, int, float, str):
        return node
    ((tag, body),) = node.items()
    if tag == "tuple":
        return tuple(decode(part, incoming, depth + 1) for part in body)
    if tag in CONTAINERS:
        value = CONTAINERS[tag]()
        incoming.containers.append(value)
        refill(value, {tag: body}, incoming, depth)
        return value
    return READERS[tag](body, incoming)


def refill(container: object, node: object, incoming, depth: int = 0) -> None:
    """Let a list, dict or set hold what the node says."""
    ((tag, body),) = node.items()
    if type(container) is not CONTAINERS[tag]:
        raise TypeError(f"a {tag} for a {type(container).__name__}")
    if tag == "dict":
        parts = [(decode(k, incoming, depth + 1), decode(v, incoming, depth + 1)) for k, v in body]
    else:
        parts = [decode(part, incoming, depth + 1) for part in body]
    container.clear()
    (container.extend if tag == "list" else container.update)(parts)


def _array(body: list, incoming) -> np.ndarray:
    name, shape, data = body
    flat = np.frombuffer(bytes.fromhex(data), dtype=ARRAYS[ARRAYS.index(name)])
    return flat.reshape(shape).copy()


def _function(body: list, incoming) -> object:
    number, places = body
    inputs = (*incoming.inputs, *(incoming.tensors[place] for place in places))
    return incoming.peer.proxy(number, proxies.FarFunction, inputs)


def _module(body: list, incoming) -> nn.Module:
    number, parameters, buffers, training = body
    named = [{name: incoming.tensors[place] for name, place in parts.items()} for parts in (parameters, buffers)]
    module = incoming.peer.proxy(number, proxies.FarModule, *named)
    module.training = bool(training)
    return module


def _thing(body: list, incoming) -> object:
    number, kind, methods = body
    functions = {str(name): _function([n, []], incoming) for name, n in methods.items()}
    return incoming.peer.proxy(number, proxies.FarThing, str(kind), functions)


READERS = {
    "tensor": lambda body, incoming: incoming.tensors[body],
    "same": lambda body, incoming: incoming.known[body],
    "complex": lambda body, incoming: complex(*body),
    "dtype": lambda body, incoming: DTYPES[body],
    "device": lambda body, incoming: torch.device(body),
    "array": _array,
    "yours": lambda body, incoming: incoming.peer.ours(body),
    "function": _function,
    "module": _module,
    "iterator": lambda body, incoming: incoming.peer.proxy(body, proxies.FarIterator, incoming.inputs),
    "thing": _thing,
}
