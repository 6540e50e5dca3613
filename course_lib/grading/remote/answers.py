"""How a question of the other side is answered."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.grading.remote import gradients
from course_lib.grading.remote.frames import Frame, MalformedError
from course_lib.grading.remote.gradients import Tape
from course_lib.grading.remote.messages import (
    Incoming,
    Outgoing,
    bare,
    held_now,
    natural,
    reading,
    refilled,
    tensors_of,
)
from course_lib.grading.remote.mirrors import raw
from course_lib.grading.remote.values import ANSWER, decode, encode


def answer(peer, question: Frame) -> Frame:
    """The answer; what the question makes somebody's function raise is raised.

    Raises
    ------
    MalformedError
        If it is no question.
    """
    if question.kind not in HANDLERS:
        raise MalformedError(f"a question of the kind {question.kind!r}")
    with torch.enable_grad():
        return HANDLERS[question.kind](peer, question)


def _call(peer, question: Frame) -> Frame:
    with reading():
        incoming = Incoming(peer, question)
        function, (args, kwargs) = peer.ours(question.body["number"]), question.body["tree"]
        args = decode(args, incoming)
        kwargs = {str(name): decode(value, incoming) for name, value in kwargs}
        weights = {str(name): incoming.tensors[place] for name, place in question.body["parameters"].items()}
        training = bool(question.body["training"])
    if not isinstance(function, nn.Module):
        return _computed(peer, incoming, lambda: function(*args, **kwargs))
    if function.training is not training:
        function.train(training)
    return _computed(peer, incoming, lambda: _applied(function, weights, args, kwargs))


def _applied(module: nn.Module, weights: dict[str, Tensor], args: tuple, kwargs: dict) -> object:
    """The module's value with these weights, which mostly are its own."""
    own = dict(module.named_parameters())
    if all(weight is own.get(name) for name, weight in weights.items()):
        return module(*args, **kwargs)
    return torch.func.functional_call(module, weights, args, kwargs)


def _next(peer, question: Frame) -> Frame:
    with reading():
        incoming, iterator = Incoming(peer, question), peer.ours(question.body["number"])
    return _computed(peer, incoming, lambda: next(iterator), end=StopIteration)


def _get(peer, question: Frame) -> Frame:
    with reading():
        incoming, name = Incoming(peer, question), str(question.body["name"])
    return _computed(peer, incoming, lambda: peer.namespace[name])


def _set(peer, question: Frame) -> Frame:
    with reading():
        incoming = Incoming(peer, question)
        name, value = str(question.body["name"]), decode(question.body["tree"], incoming)
    return _computed(peer, incoming, lambda: peer.namespace.update({name: value}))


def _computed(peer, incoming: Incoming, compute: Callable[[], object], end: type[Exception] | tuple = ()) -> Frame:
    before = held_now(incoming.containers)
    out = Outgoing(peer, incoming.containers)
    try:
        value, kind = encode(compute(), out, ANSWER), "value"
    except end:
        value, kind = None, "end"
    changed = refilled(incoming.containers, before, out)
    number = peer.keep_tape(Tape(list(map(_moving, incoming.tensors)), list(map(_moving, _new(peer, out)))))
    return out.frame(kind, {"value": value, "refilled": changed, "tape": number})


def _new(peer, out: Outgoing) -> list[Tensor]:
    """The tensors that the other side does not have yet, but for parameters and leaves that want gradients."""
    new = [t for t in out.tensors if isinstance(t, Tensor) and peer.mirrors.key(t) is None]
    return [t for t in new if not (t.is_leaf and (t.requires_grad or isinstance(t, nn.Parameter)))]


def _moving(tensor: object) -> Tensor | None:
    return tensor if isinstance(tensor, Tensor) and tensor.requires_grad else None


def _derivative(peer, question: Frame) -> Frame:
    with reading():
        tape, given = peer.tape(question.body["tape"]), list(map(natural, question.body["given"]))
        vectors = [vector.requires_grad_() for vector in tensors_of(question)]
    derive = gradients.vjp if question.kind == "vjp" else gradients.jvp
    found, new = derive(tape, given, vectors)
    there = [tensor for tensor in found if tensor is not None]
    filled = [place for place, tensor in enumerate(found) if tensor is not None]
    body = {"filled": filled, "tape": peer.keep_tape(new._replace(outputs=there)), "shapes": bare(there)}
    return Frame("derived", body, [raw(tensor) for tensor in there])


HANDLERS = {"call": _call, "next": _next, "get": _get, "set": _set, "vjp": _derivative, "jvp": _derivative}
