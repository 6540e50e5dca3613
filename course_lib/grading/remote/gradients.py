"""An exchange with the other side as a differentiable function, in any mode and of any order.

Whoever computes keeps a *tape*: the inputs as leaves and the outputs with their graph. To ask for its
vector-Jacobian product is an exchange too, whose inputs are those of the tape and the cotangents, and which
leaves a tape of its own; so the same class serves `backward`, `create_graph=True` and `torch.func`. The
forward derivative comes from the same tape by transposing twice: g(u) = J^T u is linear in u, so the
product of its transpose with v is J v.

The other side computes once. Nothing is run again to get a derivative, so a test's spy counts right.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


class Tape(NamedTuple):
    """What a computation depended on, and what came out; None where there is no derivative."""

    inputs: list[Tensor | None]
    outputs: list[Tensor | None]


class Exchange(torch.autograd.Function):
    """Tensors go to the other side, tensors come back, the number of the tape last."""

    @staticmethod
    def forward(request, *tensors: Tensor) -> tuple[Tensor, ...]:
        results, tape = request.send(tensors)
        return *results, torch.tensor(tape)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple) -> None:
        request, *tensors = inputs
        *results, tape = output
        ctx.request, ctx.count = request, len(results)
        constant = [result for result, moves in zip(results, request.differentiable) if not moves]
        ctx.mark_non_differentiable(tape, *constant)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(tape, *tensors)
        ctx.save_for_forward(tape, *tensors)

    @staticmethod
    def backward(ctx: FunctionCtx, *cotangents: Tensor | None) -> tuple:
        tape, *tensors = ctx.saved_tensors
        given = [place for place, cotangent in enumerate(cotangents[:-1]) if cotangent is not None]
        request = Derivative(ctx.request.peer, "vjp", given, len(tensors))
        found = Exchange.apply(request, tape, *tensors, *(cotangents[place] for place in given))
        places = dict(zip(request.filled, found))
        return None, *(places.get(place) for place in range(len(tensors)))

    @staticmethod
    def jvp(ctx: FunctionCtx, *tangents: Tensor | None) -> tuple:
        tape, *tensors = ctx.saved_tensors
        given = [place for place, tangent in enumerate(tangents[1:]) if tangent is not None]
        request = Derivative(ctx.request.peer, "jvp", given, len(tensors))
        found = Exchange.apply(request, tape, *tensors, *(tangents[1 + place] for place in given))
        places = dict(zip(request.filled, found))
        moves = ctx.request.differentiable
        return *(places.get(place) if moves[place] else None for place in range(ctx.count)), None

    @staticmethod
    def vmap(info, in_dims: tuple, request, *tensors: Tensor) -> tuple:
        """One exchange for each element of the batch: functions of the other side are not ours to batch."""
        singles = []
        for i in range(info.batch_size):
            parts = [t if dim is None else t.select(dim, i) for t, dim in zip(tensors, in_dims[1:])]
            singles.append(Exchange.apply(request, *parts))
        return tuple(map(torch.stack, zip(*singles))), (0,) * len(singles[0])


class Derivative:
    """The request for a derivative of a tape's outputs (`vjp`) or inputs (`jvp`).

    Attributes
    ----------
    filled : list of int
        Of which inputs or outputs there is one, known afterwards.
    """

    def __init__(self, peer, kind: str, given: list[int], inputs: int) -> None:
        self.peer, self.kind, self.given, self.inputs = peer, kind, given, inputs
        self.filled: list[int] = []
        self.differentiable: list[bool] = []

    def send(self, tensors: tuple[Tensor, ...]) -> tuple[list[Tensor], int]:
        tape, vectors = int(tensors[0]), tensors[1 + self.inputs :]
        results, self.filled, number = self.peer.derivative(self.kind, tape, self.given, vectors)
        self.differentiable = [True] * len(results)
        return results, number


def vjp(tape: Tape, given: list[int], cotangents: list[Tensor]) -> tuple[list[Tensor | None], Tape]:
    """J^T u of a tape with respect to each of its inputs, and the tape of that."""
    outputs = [tape.outputs[place] for place in given]
    found = _grad(outputs, tape.inputs, cotangents)
    return found, Tape([None, *tape.inputs, *cotangents], found)


def jvp(tape: Tape, given: list[int], tangents: list[Tensor]) -> tuple[list[Tensor | None], Tape]:
    """J v of a tape for each of its outputs, and the tape of that."""
    cotangents = [None if out is None else torch.zeros_like(out).requires_grad_() for out in tape.outputs]
    pairs = [(out, cotangent) for out, cotangent in zip(tape.outputs, cotangents) if out is not None]
    pulled = _grad([out for out, _ in pairs], [tape.inputs[place] for place in given], [u for _, u in pairs])
    linear = [(g, v) for g, v in zip(pulled, tangents) if g is not None]
    found = _grad([g for g, _ in linear], cotangents, [v for _, v in linear])
    return found, Tape([None, *tape.inputs, *tangents], found)


def _grad(outputs: list[Tensor], inputs: list[Tensor | None], vectors: list[Tensor]) -> list[Tensor | None]:
    wanted = [tensor for tensor in inputs if tensor is not None]
    pairs = [(out, vector) for out, vector in zip(outputs, vectors) if out is not None and out.requires_grad]
    if not (wanted and pairs):
        return [None] * len(inputs)
    outs, vectors = zip(*pairs)
    found = iter(torch.autograd.grad(outs, wanted, vectors, create_graph=True, allow_unused=True))
    return [None if tensor is None else next(found) for tensor in inputs]
