"""A question on its way through autograd."""

import torch
from torch import Tensor

from course_lib.grading.remote.messages import Incoming, Outgoing, natural, reading


class Question:
    """What `Exchange` sends for a call: the message, made of whatever autograd hands over."""

    def __init__(self, peer, out: Outgoing, kind: str, body: dict) -> None:
        self.peer, self.out, self.kind, self.body = peer, out, kind, body
        self.differentiable: list[bool] = []
        self._past: dict[int, Tensor] = {}

    def handed(self) -> list:
        """What autograd gets of the tensors.

        Under `torch.no_grad` inside torch.func a custom function records a graph all the same, for what is
        not transformed; such tensors are taken past it.
        """
        if torch.is_grad_enabled():
            return self.out.tensors
        for place, tensor in enumerate(self.out.tensors):
            if isinstance(tensor, Tensor) and tensor.requires_grad and not is_transformed(tensor):
                self._past[place] = tensor
        return [t.detach() if place in self._past else t for place, t in enumerate(self.out.tensors)]

    def send(self, tensors: tuple) -> tuple[list[Tensor], int]:
        tensors = tuple(self._past.get(place, tensor) for place, tensor in enumerate(tensors))
        self.answer = self.peer.ask(self.out.frame(self.kind, self.body, tensors))
        with reading():
            self.incoming = Incoming(self.peer, self.answer, self.out)
            self.differentiable = self.incoming.differentiable
            return [self.incoming.tensors[place] for place in self.incoming.fresh], natural(self.answer.body["tape"])


def is_transformed(tensor: object) -> bool:
    """Whether it is a tensor inside torch.func."""
    return isinstance(tensor, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(tensor)
