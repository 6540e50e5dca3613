"""Messages: a tree of values, the tensors in it, and what changed since the last one.

The header of a frame holds, beside what its kind says,

    changes     [ours, number, has numbers?, wanted?, has a gradient?] of each mirror that the sender changed
    tensors     of each tensor in the tree: [ours, number, wanted?, held?] if both sides know it, else
                [number, dtype, shape, wanted?, leaf?, parameter?]
    random      whether the state of torch's random numbers comes along

and the buffers stand in this order. The state of the random numbers travels with every message that
follows a draw, so that a student who draws gets the same numbers as in a process shared with the test.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.grading.remote.frames import Frame, MalformedError
from course_lib.grading.remote.mirrors import DTYPES, copied, made, raw
from course_lib.grading.remote.values import contents, refill


class Outgoing:
    """A message that is being written.

    Parameters
    ----------
    peer : Peer
    known : list, optional
        The lists, dicts and sets of the message that this one answers.

    Attributes
    ----------
    tensors : list of Tensor or torch.Generator
    wanted : list of bool
        Of which of them somebody may ask for a derivative.
    containers : list
        Lists, dicts and sets that went by copy, in the order in which they were met.
    """

    def __init__(self, peer, known: list | None = None) -> None:
        self.peer, self.known = peer, known or []
        self.tensors: list = []
        self.wanted: list[bool] = []
        self.containers: list = []
        self._held: list[bool] = []
        self._met, self._crossed = set(peer.mirrors.theirs), len(peer.mirrors.ours)
        self._passed_on: dict[int, Tensor] = {}

    def tensor(self, tensor: Tensor | torch.Generator, *, held: bool = False) -> int:
        """The place of a tensor in the list; `held` if no argument, but something that a function holds."""
        tensor = self._passed_on.get(id(tensor), tensor)
        for place, other in enumerate(self.tensors):
            if other is tensor:
                return place
        if self._is_result(tensor):
            tensor = self._passed_on[id(tensor)] = tensor.view_as(tensor)
        self.tensors.append(tensor)
        self.wanted.append(isinstance(tensor, Tensor) and _wanted(tensor))
        self._held.append(held)
        return len(self.tensors) - 1

    def _is_result(self, tensor: Tensor | torch.Generator) -> bool:
        """Whether it has crossed only since this message was begun, and has a derivative.

        Either we computed it and asked something about it, or the other side computed it when asked. It goes as a
        new one, for what it depends on is known here: to the other side it began with constants.
        """
        key = self.peer.mirrors.key(tensor)
        if key is None or not isinstance(tensor, Tensor) or tensor.grad_fn is None:
            return False
        ours, number = key
        return number >= self._crossed if ours else number not in self._met

    def place(self, container: object) -> int | None:
        """Where a list, dict or set stands among those that the other side knows."""
        return next((place for place, other in enumerate(self.known) if other is container), None)

    def frame(self, kind: str, body: dict, tensors: tuple | None = None) -> Frame:
        """The finished message; `tensors` are what autograd made of those in the list."""
        buffers: list[bytes] = []
        changes = [self._change(*change, buffers) for change in self.peer.mirrors.changes()]
        said = [self._said(i, tensor, buffers) for i, tensor in enumerate(tensors or self.tensors)]
        if random := self.peer.random_changed():
            buffers.append(self.peer.random)
        return Frame(kind, body | {"changes": changes, "tensors": said, "random": random}, buffers)

    def _change(self, key, before, now, buffers: list[bytes]) -> list:
        numbers = now.data != before.data and len(now.data) == len(before.data)
        buffers += [now.data] * numbers + [now.grad] * (now.grad is not None)
        return [*key, numbers, now.wanted, now.grad is not None]

    def _said(self, place: int, tensor: Tensor | torch.Generator, buffers: list[bytes]) -> list:
        if (key := self.peer.mirrors.key(tensor)) is not None:
            return [*key, self.wanted[place], self._held[place]]
        number = self.peer.mirrors.add(tensor)
        if isinstance(tensor, torch.Generator):
            buffers.append(raw(tensor.get_state()))
            return [number, "generator", [], False, True, False]
        buffers.append(raw(tensor))
        dtype, parameter = str(tensor.dtype).removeprefix("torch."), isinstance(tensor, nn.Parameter)
        return [number, dtype, list(tensor.shape), self.wanted[place], tensor.is_leaf, parameter]


def _wanted(tensor: Tensor) -> bool:
    """Inside torch.func and forward mode a tensor does not tell whether a derivative is wanted, so there it is."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    if tensor.requires_grad or torch._C._are_functorch_transforms_active():
        return True
    return torch.autograd.forward_ad.unpack_dual(tensor).tangent is not None


class Incoming:
    """A message that is being read.

    Parameters
    ----------
    peer : Peer
    frame : Frame
    sent : Outgoing, optional
        What this one answers.

    Attributes
    ----------
    tensors : list
        As the tree names them.
    fresh : list of int
        Places of those that the other side computed for this answer.
    differentiable : list of bool
        Which of these have a derivative.
    containers, known : list
        Lists, dicts and sets that came by copy; those of the message that this one answers.
    inputs : tuple of Tensor
        On what the functions in it may depend.
    """

    def __init__(self, peer, frame: Frame, sent: Outgoing | None = None) -> None:
        self.peer, self.answers = peer, sent is not None
        self.known = sent.containers if sent else []
        self.tensors, self.fresh, self.differentiable, self.containers = [], [], [], []
        self.inputs: tuple[Tensor, ...] = ()
        buffers = deque(frame.buffers)
        for ours, number, numbers, wanted, grad in frame.body["changes"]:
            data, grad = (buffers.popleft() if there else None for there in (numbers, grad))
            peer.mirrors.follow((not ours, number), data, bool(wanted), grad)
        for said in frame.body["tensors"]:
            self.tensors.append(self._again(*said) if len(said) == 4 else self._new(*said, buffers.popleft()))
        if frame.body["random"]:
            peer.follow_random(buffers.popleft())

    def _again(self, ours: bool, number: int, wanted: bool, held: bool) -> Tensor | torch.Generator:
        tensor = self.peer.mirrors.get(not ours, number)
        if self.answers or held or isinstance(tensor, torch.Generator):
            return tensor
        if not (ours or tensor.is_leaf):
            return tensor.detach().requires_grad_(wanted)  # its past belongs to another exchange
        return tensor.requires_grad_() if wanted and tensor.is_leaf else tensor

    def _new(self, number: int, kind: str, shape: list, wanted: bool, leaf: bool, parameter: bool, data: bytes):
        if type(number) is not int or number in self.peer.mirrors.theirs:
            raise ValueError(f"a new tensor cannot have the number {number}")
        computed = self.answers and kind != "generator" and not (leaf and (wanted or parameter))
        if kind == "generator":
            tensor = torch.Generator()
            tensor.set_state(made(data, torch.uint8, (len(data),)))
        else:
            tensor = copied(data, DTYPES[kind], tuple(shape), wanted and not computed, parameter and not computed)
        if computed:
            self.fresh.append(len(self.tensors))
            self.differentiable.append(bool(wanted))
        self.peer.mirrors.keep(number, tensor)
        return tensor


def held_now(containers: list) -> list:
    """What lists, dicts and sets hold, to be compared with later by `refilled`."""
    return [list(c.items()) if isinstance(c, dict) else list(c) for c in containers]


def refilled(containers: list, before: list, out: Outgoing) -> list:
    """[place, contents] of each container that holds other things than before."""
    changed = []
    for place, (container, old, new) in enumerate(zip(containers, before, held_now(containers))):
        pairs = zip(_flat(old), _flat(new))
        if len(old) != len(new) or any(a is not b for a, b in pairs):
            changed.append([place, contents(container, out)])
    return changed


def _flat(parts: list) -> list:
    return [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]


def refill_all(changed: list, incoming: Incoming) -> None:
    """Do to our own lists, dicts and sets what the other side did to its copies."""
    for place, node in changed:
        refill(incoming.known[place], node, incoming)


def bare(tensors: Iterable[Tensor]) -> list:
    """What is said of tensors that go as numbers only, not as mirrors."""
    return [[str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for tensor in tensors]


def tensors_of(frame: Frame) -> list[Tensor]:
    """Tensors that came as numbers only."""
    said = frame.body["shapes"]
    if len(said) != len(frame.buffers):
        raise ValueError("not one buffer a tensor")
    return [made(data, DTYPES[dtype], tuple(shape)) for (dtype, shape), data in zip(said, frame.buffers)]


def natural(number: object) -> int:
    """The number; ValueError if it is none from 0 upwards, or larger than anybody counts."""
    if type(number) is not int or not 0 <= number < 1 << 32:
        raise ValueError(f"no number of anything: {number!r}")
    return number


@contextmanager
def reading() -> Iterator[None]:
    """What cannot be read ends the conversation, whatever is wrong with it."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise MalformedError(f"{type(error).__name__}: {error}") from error
