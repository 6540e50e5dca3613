"""Tensors that both sides hold, kept equal.

A tensor that crosses for the first time gets a number, and the other side a copy of it. Whoever changes
it afterwards, in place, its gradient or its `requires_grad`, tells with the next frame; so
`ema_update(average, weights)` and `optimizer.step()` do through a socket what they do without. Random
generators are mirrored in the same way: their numbers are their state.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
Mirrored = Tensor | torch.Generator


class State(NamedTuple):
    """What both sides agree on: the numbers, whether gradients are wanted, and the gradient."""

    data: bytes
    wanted: bool
    grad: bytes | None


class Mirrors:
    """The mirrored tensors of a conversation, by number, and by (whose, number) on the wire."""

    def __init__(self) -> None:
        self.ours: list[Mirrored] = []
        self.theirs: dict[int, Mirrored] = {}
        self._keys: dict[int, tuple[bool, int]] = {}  # id of the object -> (is it ours?, number)
        self._agreed: dict[tuple[bool, int], State] = {}

    def key(self, tensor: Mirrored) -> tuple[bool, int] | None:
        """Whose it is and its number, or None if it has not crossed yet."""
        return self._keys.get(id(tensor))

    def add(self, tensor: Mirrored) -> int:
        """Number one of our own, which is about to cross."""
        self.ours.append(tensor)  # this also keeps it alive, so that its id stays its own
        self._remember((True, len(self.ours) - 1), tensor)
        return len(self.ours) - 1

    def keep(self, number: int, tensor: Mirrored) -> None:
        """Take over our copy of one of theirs."""
        self.theirs[number] = tensor
        self._remember((False, number), tensor)

    def get(self, ours: bool, number: int) -> Mirrored:
        """One of them; KeyError or IndexError if there is none."""
        if ours and number < 0:
            raise IndexError(number)
        return (self.ours if ours else self.theirs)[number]

    def _remember(self, key: tuple[bool, int], tensor: Mirrored) -> None:
        self._keys[id(tensor)] = key
        self._agreed[key] = state(tensor)

    def changes(self) -> list[tuple[tuple[bool, int], State, State]]:
        """What we changed since both sides agreed, (key, before, now), and agree to it."""
        changed = []
        for key, before in self._agreed.items():
            if (now := state(self.get(*key))) != before:
                changed.append((key, before, now))
        self._agreed |= {key: now for key, _, now in changed}
        return changed

    def follow(self, key: tuple[bool, int], data: bytes | None, wanted: bool, grad: bytes | None) -> None:
        """Do here what the other side did; `data` is None where the numbers stayed.

        Raises
        ------
        KeyError, IndexError, ValueError
            If there is no such tensor, or it cannot become that.
        """
        tensor = self.get(*key)
        if data is not None:
            overwrite(tensor, data)
        if isinstance(tensor, Tensor) and tensor.is_leaf and (tensor.is_floating_point() or tensor.is_complex()):
            tensor.requires_grad_(wanted)
            tensor.grad = None if grad is None else made(grad, tensor.dtype, tensor.shape)
        self._agreed[key] = state(tensor)


def state(tensor: Mirrored) -> State:
    """What there is to agree on."""
    if isinstance(tensor, torch.Generator):
        return State(raw(tensor.get_state()), False, None)
    grad = tensor.grad if tensor.is_leaf else None
    return State(raw(tensor), tensor.requires_grad, None if grad is None else raw(grad))


def raw(tensor: Tensor) -> bytes:
    """The numbers as bytes, row by row."""
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().reshape(-1))
    return flat.view(torch.uint8).numpy().tobytes()


def made(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """A tensor from its bytes; ValueError if their number is not the shape's."""
    numbers = 1
    for size in shape:
        if size < 0:
            raise ValueError(f"a tensor of shape {tuple(shape)}")
        numbers *= size
    if numbers * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for {tuple(shape)} of {dtype}")
    if not data:
        return torch.empty(tuple(shape), dtype=dtype)
    flat = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    if dtype == torch.bool:
        return (flat != 0).reshape(tuple(shape))
    return flat.view(dtype).reshape(tuple(shape)).clone()


def overwrite(tensor: Mirrored, data: bytes) -> None:
    """Give a tensor other numbers, past autograd: for it, nothing has happened."""
    if isinstance(tensor, torch.Generator):
        try:
            tensor.set_state(made(data, torch.uint8, (len(data),)))
        except RuntimeError as error:
            raise ValueError(f"not a generator's state: {error}") from None
    else:
        tensor.data.copy_(made(data, tensor.dtype, tensor.shape))


def copied(data: bytes, dtype: torch.dtype, shape: tuple[int, ...], wanted: bool, parameter: bool) -> Tensor:
    """Our copy of one of theirs, a leaf."""
    tensor = made(data, dtype, shape)
    if parameter:
        return nn.Parameter(tensor, requires_grad=wanted)
    return tensor.requires_grad_(wanted) if wanted else tensor
