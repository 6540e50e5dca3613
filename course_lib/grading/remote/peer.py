"""One side of a conversation: it asks, and while it waits for the answer it answers in turn.

A test calls the student's function; this calls the network that the test gave it; the test's side runs
that, and so on. Each side waits for the answer to its own question, so what comes in between is always a
question from within, and one thread is enough.
"""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.grading.remote import gradients
from course_lib.grading.remote.failures import rebuilt, told
from course_lib.grading.remote.frames import Frame, Link, LinkError, Malformed
from course_lib.grading.remote.gradients import Exchange, Tape
from course_lib.grading.remote.messages import Incoming, Outgoing, held_now, refill_all, refilled
from course_lib.grading.remote.mirrors import DTYPES, Mirrors, made, raw
from course_lib.grading.remote.values import decode, encode

DEEPEST = 30  # questions within questions
ANSWERS = ("value", "end", "derived")


class Peer:
    """One side.

    Parameters
    ----------
    link : Link
    namespace : MutableMapping, optional
        Names that the other side may look up and set; the worker's. The grader has none.
    cells : set of str
        Names of the cells whose lines an error may tell.
    """

    def __init__(self, link: Link, namespace: MutableMapping | None = None, cells: set[str] = frozenset()) -> None:
        self.link, self.namespace, self.cells = link, namespace, cells
        self.mirrors = Mirrors()
        self.random: bytes | None = None
        self._objects: list[object] = []
        self._numbers: dict[int, int] = {}
        self._proxies: dict[int, object] = {}
        self._tapes: list[Tape] = []
        self._errors: list[BaseException] = []
        self._depth = 0

    # What we ask

    def call(self, far: int, args: tuple, kwargs: dict, inputs: tuple[Tensor, ...], training: bool | None = None):
        """Call the other side's function; its value, differentiable as if it had been computed here."""
        out = Outgoing(self)
        tree = [encode(args, out), [[name, encode(value, out)] for name, value in kwargs.items()]]
        for tensor in inputs:
            out.tensor(tensor, held=True)
        return self._exchanged(Question(self, out, "call", {"number": far, "tree": tree, "training": training}))

    def following(self, far: int, inputs: tuple[Tensor, ...]) -> object:
        """The next value of the other side's generator; StopIteration at its end."""
        out = Outgoing(self)
        for tensor in inputs:
            out.tensor(tensor, held=True)
        return self._exchanged(Question(self, out, "next", {"number": far}))

    def lookup(self, name: str) -> object:
        """What the other side's namespace holds under this name; KeyError if nothing."""
        return self._exchanged(Question(self, Outgoing(self), "get", {"name": name}))

    def define(self, name: str, value: object) -> None:
        """Set a name in the other side's namespace."""
        out = Outgoing(self)
        self._exchanged(Question(self, out, "set", {"name": name, "tree": encode(value, out)}))

    def derivative(self, kind: str, tape: int, given: list[int], vectors: tuple[Tensor, ...]):
        """(results, of which inputs or outputs they are, the number of their tape)."""
        answer = self.ask(Frame(kind, {"tape": tape, "given": given, **_bare(vectors)}, [raw(v) for v in vectors]))
        with _reading():
            filled, number = list(map(int, answer.body["filled"])), int(answer.body["tape"])
            return _tensors(answer), filled, number

    def _exchanged(self, question: "Question") -> object:
        out = question.out
        if any(out.wanted):
            *results, _ = Exchange.apply(question, *question.handed())
        else:
            results, _ = question.send(tuple(out.tensors))
        if question.answer.kind == "end":
            raise StopIteration
        with _reading():
            incoming = question.incoming
            for place, result in zip(incoming.fresh, results):
                incoming.tensors[place] = result
            incoming.inputs = tuple(tensor for tensor, wanted in zip(out.tensors, out.wanted) if wanted)
            refill_all(question.answer.body["refilled"], incoming)
            return decode(question.answer.body["value"], incoming)

    def ask(self, frame: Frame) -> Frame:
        """Send a question; the answer. An error of the other side is raised here."""
        self.link.send(frame)
        while (answer := self.link.receive()).kind not in ANSWERS:
            if answer.kind == "failed":
                raise self._failure(answer)
            self.serve(answer)
        return answer

    # What we answer

    def serve(self, question: Frame) -> None:
        """Answer one question of the other side.

        Raises
        ------
        LinkError
        """
        handlers = {"call": self._call, "next": self._next, "get": self._get, "set": self._set}
        handlers |= {"vjp": self._derive, "jvp": self._derive}
        if question.kind not in handlers or self._depth > DEEPEST:
            raise Malformed(f"a question of the kind {question.kind!r}, {self._depth} deep")
        self._depth += 1
        try:
            with torch.enable_grad():
                answer = handlers[question.kind](question)
        except LinkError:
            raise
        except (Exception, SystemExit) as error:
            answer = Frame("failed", self._told(error))
        finally:
            self._depth -= 1
        self.link.send(answer)

    def _call(self, question: Frame) -> Frame:
        with _reading():
            incoming = Incoming(self, question)
            function, (args, kwargs) = self.ours(question.body["number"]), question.body["tree"]
            args = decode(args, incoming)
            kwargs = {str(name): decode(value, incoming) for name, value in kwargs}
        if isinstance(function, nn.Module) and function.training is not question.body["training"]:
            function.train(bool(question.body["training"]))
        return self._answered(incoming, lambda: function(*args, **kwargs))

    def _next(self, question: Frame) -> Frame:
        with _reading():
            incoming, iterator = Incoming(self, question), self.ours(question.body["number"])
        return self._answered(incoming, lambda: next(iterator))

    def _get(self, question: Frame) -> Frame:
        with _reading():
            incoming, name = Incoming(self, question), question.body["name"]
        if self.namespace is None or name not in self.namespace:
            raise KeyError(name)
        return self._answered(incoming, lambda: self.namespace[name])

    def _set(self, question: Frame) -> Frame:
        with _reading():
            incoming = Incoming(self, question)
            name, value = question.body["name"], decode(question.body["tree"], incoming)
        if self.namespace is None:
            raise KeyError(name)
        return self._answered(incoming, lambda: self.namespace.update({name: value}))

    def _answered(self, incoming: Incoming, compute: Callable[[], object]) -> Frame:
        before = held_now(incoming.containers)
        out = Outgoing(self, incoming.containers)
        try:
            value, kind = encode(compute(), out), "value"
        except StopIteration:
            value, kind = None, "end"
        changed = refilled(incoming.containers, before, out)
        self._tapes.append(Tape(*(list(map(_moving, side)) for side in (incoming.tensors, self._computed(out)))))
        return out.frame(kind, {"value": value, "refilled": changed, "tape": len(self._tapes) - 1})

    def _computed(self, out: Outgoing) -> list:
        """The tensors of an answer that the other side does not have yet, but for leaves that want gradients."""
        new = [t for t in out.tensors if self.mirrors.key(t) is None and isinstance(t, Tensor)]
        return [t for t in new if not (t.is_leaf and t.requires_grad)]

    def _derive(self, question: Frame) -> Frame:
        with _reading():
            tape, given = self._tapes[_natural(question.body["tape"])], list(map(_natural, question.body["given"]))
            vectors = [vector.requires_grad_() for vector in _tensors(question)]
        found, new = getattr(gradients, question.kind)(tape, given, vectors)
        self._tapes.append(new._replace(outputs=(there := [tensor for tensor in found if tensor is not None])))
        filled = [place for place, tensor in enumerate(found) if tensor is not None]
        body = {"filled": filled, "tape": len(self._tapes) - 1, **_bare(there)}
        return Frame("derived", body, [raw(tensor) for tensor in there])

    # Errors

    def _told(self, error: BaseException) -> dict:
        if getattr(error, "peer", None) is self:
            return {"yours": error.number}
        self._errors.append(error)
        return {"mine": len(self._errors) - 1} | told(error, self.cells)

    def _failure(self, answer: Frame) -> BaseException:
        with _reading():
            if "yours" in answer.body:
                return self._errors[_natural(answer.body["yours"])]
            error = rebuilt(answer.body)
            error.peer, error.number = self, _natural(answer.body["mine"])
            return error

    # Things by number

    def number(self, value: object) -> int:
        """The number of something of our own that the other side may call from now on."""
        if id(value) not in self._numbers:
            self._objects.append(value)  # this also keeps it alive, so that its id stays its own
            self._numbers[id(value)] = len(self._objects) - 1
        return self._numbers[id(value)]

    def ours(self, number: int) -> object:
        """What has this number; IndexError, TypeError or ValueError if nothing has."""
        return self._objects[_natural(number)]

    def proxy(self, far: int, kind: type, *arguments) -> object:
        """What stands here for the other side's number; the same object each time."""
        if _natural(far) not in self._proxies:
            self._proxies[far] = kind(self, far, *arguments)
        return self._proxies[far]

    # Random numbers

    def random_changed(self) -> bool:
        """Whether somebody drew here since both sides had the same state."""
        now = raw(torch.get_rng_state())
        changed, self.random = now != self.random, now
        return changed

    def follow_random(self, state: bytes) -> None:
        """Go on where the other side stopped to draw."""
        torch.set_rng_state(made(state, torch.uint8, (len(state),)))
        self.random = state


class Question:
    """What `Exchange` sends for a call: the message, made of whatever autograd hands over."""

    def __init__(self, peer: Peer, out: Outgoing, kind: str, body: dict) -> None:
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
        is_transformed = torch._C._functorch.is_functorch_wrapped_tensor
        for place, tensor in enumerate(self.out.tensors):
            if isinstance(tensor, Tensor) and tensor.requires_grad and not is_transformed(tensor):
                self._past[place] = tensor
        return [t.detach() if place in self._past else t for place, t in enumerate(self.out.tensors)]

    def send(self, tensors: tuple) -> tuple[list[Tensor], int]:
        tensors = tuple(self._past.get(place, tensor) for place, tensor in enumerate(tensors))
        self.answer = self.peer.ask(self.out.frame(self.kind, self.body, tensors))
        with _reading():
            self.incoming = Incoming(self.peer, self.answer, self.out)
            self.differentiable = self.incoming.differentiable
            return [self.incoming.tensors[place] for place in self.incoming.fresh], int(self.answer.body["tape"])


class FarNamespace(MutableMapping):
    """The names of the other side, looked up when they are needed."""

    def __init__(self, peer: Peer) -> None:
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


@contextmanager
def _reading() -> Iterator[None]:
    """What cannot be read ends the conversation, whatever is wrong with it."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise Malformed(f"{type(error).__name__}: {error}") from error


def _natural(number: object) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"no number of anything: {number!r}")
    return number


def _moving(tensor: object) -> Tensor | None:
    return tensor if isinstance(tensor, Tensor) and tensor.requires_grad else None


def _bare(tensors) -> dict:
    return {"shapes": [[str(t.dtype).removeprefix("torch."), list(t.shape)] for t in tensors]}


def _tensors(frame: Frame) -> list[Tensor]:
    said = frame.body["shapes"]
    if len(said) != len(frame.buffers):
        raise ValueError("not one buffer a tensor")
    return [made(data, DTYPES[dtype], tuple(shape)) for (dtype, shape), data in zip(said, frame.buffers)]
