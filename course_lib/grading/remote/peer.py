"""One side of a conversation: it asks, and while it waits for the answer it answers in turn.

A test calls the student's function; this calls the network that the test gave it; the test's side runs
that, and so on. Each side waits for the answer to its own question, so what comes in between is always a
question from within, and one thread is enough.
"""

from collections.abc import Mapping, MutableMapping, Set

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from course_lib.grading.remote.answers import answer
from course_lib.grading.remote.failures import rebuilt, told
from course_lib.grading.remote.frames import Frame, Link, LinkError, MalformedError
from course_lib.grading.remote.gradients import Exchange, Tape
from course_lib.grading.remote.messages import Outgoing, bare, natural, reading, refill_all, tensors_of
from course_lib.grading.remote.mirrors import Mirrors, made, raw
from course_lib.grading.remote.questions import Question, is_transformed
from course_lib.grading.remote.values import ANSWER, decode, encode

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

    def __init__(self, link: Link, namespace: MutableMapping | None = None, cells: Set[str] = frozenset()) -> None:
        self.link, self.cells = link, cells
        self.namespace = {} if namespace is None else namespace
        self.mirrors = Mirrors()
        self.random: bytes | None = None
        self._objects: list[object] = []
        self._numbers: dict[int, int] = {}
        self._proxies: dict[int, object] = {}
        self._tapes: list[Tape] = []
        self._errors: list[BaseException] = []
        self._depth = 0

    def __deepcopy__(self, memo: dict) -> "Peer":
        """Itself: who copies a module of the other side copies its weights, not the conversation."""
        return self

    def call(
        self,
        far: int,
        args: tuple,
        kwargs: dict,
        inputs: tuple[Tensor, ...] = (),
        *,
        parameters: Mapping[str, Tensor] | None = None,
        training: bool | None = None,
    ) -> object:
        """Call the other side's function; its value, differentiable as if it had been computed here.

        Parameters
        ----------
        far : int
            Its number there.
        args, kwargs
        inputs : tuple of Tensor
            What it depends on beside its arguments.
        parameters, training
            Of a module: with which weights, and in which mode.
        """
        out = Outgoing(self)
        tree = [encode(args, out), [[name, encode(value, out)] for name, value in kwargs.items()]]
        for tensor in inputs:
            out.tensor(tensor, held=True)
        named = {name: out.tensor(tensor, held=True) for name, tensor in (parameters or {}).items()}
        body = {"number": far, "tree": tree, "parameters": named, "training": training}
        return self._exchanged(Question(self, out, "call", body))

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
        answer = self.ask(
            Frame(kind, {"tape": tape, "given": given, "shapes": bare(vectors)}, [raw(v) for v in vectors])
        )
        with reading():
            filled, number = list(map(natural, answer.body["filled"])), natural(answer.body["tape"])
            results = tensors_of(answer)
            if len(filled) != len(results):
                raise ValueError(f"{len(results)} derivatives for {len(filled)} places")
            return results, filled, number

    def _exchanged(self, question: Question) -> object:
        out = question.out
        if any(out.wanted) or any(map(is_transformed, out.tensors)):
            *results, _ = Exchange.apply(question, *question.handed())
        else:
            with temporarily_clear_interpreter_stack():  # a transform that this has nothing to do with
                results, _ = question.send(tuple(out.tensors))
        if question.answer.kind == "end" and question.kind == "next":
            raise StopIteration
        with reading():
            if question.answer.kind != "value":
                raise ValueError(f"{question.answer.kind!r} is no answer to {question.kind!r}")
            incoming = question.incoming
            for place, result in zip(incoming.fresh, results):
                incoming.tensors[place] = result
            incoming.inputs = tuple(tensor for tensor, wanted in zip(out.tensors, out.wanted) if wanted)
            refill_all(question.answer.body["refilled"], incoming)
            return decode(question.answer.body["value"], incoming, ANSWER)

    def ask(self, frame: Frame) -> Frame:
        """Send a question; the answer. An error of the other side is raised here."""
        self.link.send(frame)
        while (answer := self.link.receive()).kind not in ANSWERS:
            if answer.kind == "failed":
                raise self._failure(answer)
            self.serve(answer)
        return answer

    def serve(self, question: Frame) -> None:
        """Answer one question of the other side.

        Raises
        ------
        LinkError
        """
        if self._depth > DEEPEST:
            raise MalformedError(f"questions {self._depth} deep")
        self._depth += 1
        try:
            reply = answer(self, question)
        except LinkError:
            raise
        except (Exception, SystemExit) as error:
            reply = Frame("failed", self._told(error))
        finally:
            self._depth -= 1
        self.link.send(reply)

    # Errors

    def _told(self, error: BaseException) -> dict:
        if getattr(error, "peer", None) is self:
            return {"yours": error.number}
        self._errors.append(error)
        return {"mine": len(self._errors) - 1} | told(error, self.cells)

    def _failure(self, answer: Frame) -> BaseException:
        with reading():
            if "yours" in answer.body:
                return self._errors[natural(answer.body["yours"])]
            error = rebuilt(answer.body)
            error.peer, error.number = self, natural(answer.body["mine"])
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
        return self._objects[natural(number)]

    def proxy(self, far: int, kind: type, *arguments) -> object:
        """What stands here for the other side's number; the same object each time."""
        if natural(far) not in self._proxies:
            self._proxies[far] = kind(self, far, *arguments)
        return self._proxies[far]

    def stands_for(self, proxy: object, far: int) -> bool:
        """Whether this is what `proxy` gave for that number, not a copy."""
        return self._proxies.get(far) is proxy

    def keep_tape(self, tape: Tape) -> int:
        """Number the tape of what was computed here."""
        self._tapes.append(tape)
        return len(self._tapes) - 1

    def tape(self, number: int) -> Tape:
        """The tape of this number; IndexError or ValueError if there is none."""
        return self._tapes[natural(number)]

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
