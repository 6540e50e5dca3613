"""Whatever a student's process sends, the grader's side of the conversation ends in time, with an error that it knows.

A genuine conversation is recorded once. Then the grader's part is played again with a frame exchanged for a
malformed one. Nobody is at the other end: what it sends lies in the socket beforehand.
"""

import gc
import json
import random
import resource
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import torch
from library import afar

from course_lib.grading.expect import Mistake
from course_lib.grading.remote.frames import LENGTHS, Frame, Link, LinkError
from course_lib.grading.remote.peer import Peer
from course_lib.grading.remote.proxies import FarNamespace

PATIENCE = 0.05  # seconds that the grader waits; nothing here takes that long but silence
ENOUGH = 5.0  # seconds after which one conversation counts as hanging
GROWTH = 64 << 20  # bytes that all of them may leave behind
LIBRARY = "course_lib/grading/remote/"  # a test that stumbles elsewhere stumbles over a value
ODD = [
    *(
        None,
        True,
        -1,
        0,
        1,
        2**31,
        2**63,
        10**300,
        float("nan"),
        float("inf"),
        -1.5,
        "",
        "a",
        "a." * 5000,
        [],
        {},
        [[]],
    ),
    *(
        {"tensor": 0},
        {"tensor": 99},
        {"tensor": -1},
        {"yours": 0},
        {"yours": 10**9},
        {"same": 3},
        {"none": 0},
        {"a": 1, "b": 2},
    ),
    *({"function": [0, [0]]}, {"module": [7, {"a.b": 0}, {}, 1]}, {"iterator": 2}, {"thing": [1, "x", {"len": 5}]}),
    *({"array": ["float32", [-1], "00"]}, {"array": ["float32", [1 << 40, 1 << 40], ""]}, {"device": "nowhere"}),
    *(
        {"dtype": "float"},
        {"complex": [1e400]},
        {"dict": [[[], 1]]},
        {"dict": [[{"list": []}, 1]]},
        {"set": [{"list": []}]},
    ),
]
KINDS = ["value", "end", "derived", "failed", "call", "next", "get", "set", "vjp", "jvp", "running", "", "🙂"]


# Short tests: each kind of question, and functions that the student calls


def differentiates(student) -> None:
    x = torch.ones(3, requires_grad=True)
    student["cubed"](x).sum().backward()


def uses_a_network(student) -> None:
    net = torch.nn.Linear(3, 1)
    student["called_net"](net, torch.ones(3, requires_grad=True)).backward()


def has_its_function_differentiated(student) -> None:
    student["slope"](lambda z: z.square(), torch.ones(3, requires_grad=True)).sum().backward()


def uses_a_module(student) -> None:
    student["make_net"]().eval()(torch.ones(3)).sum().backward()


def gives_containers(student) -> None:
    values = [1, {2: (torch.ones(2), None)}]
    student["append"](values, student["evaluate"]("Counter()"), student["evaluate"]("[np.ones(2), 1j, 'a', {3}]"))


def differentiates_forward(student) -> None:
    waves = student["waves"]
    torch.func.jvp(waves, (torch.ones(3),), (torch.ones(3),))


def generates(student) -> None:
    list(student["states"](torch.ones(3, requires_grad=True), 2))


def changes_things(student) -> None:
    student["base"] = lambda y: y
    student["draw_from"](2, torch.Generator())
    student["fill"](torch.zeros(2), 2.0)
    student["draw"](2)


def fails_in_between(student) -> None:
    student["survives"](lambda: [][1])


def meets_an_error(student) -> None:
    student["breaks"]("value")


ACTS = [
    differentiates,
    uses_a_network,
    has_its_function_differentiated,
    uses_a_module,
    gives_containers,
    differentiates_forward,
    generates,
    changes_things,
    fails_in_between,
    meets_an_error,
]


class Recorder(Link):
    """A link that remembers what it received."""

    def __init__(self, end: socket.socket, deadline: float) -> None:
        super().__init__(end, deadline)
        self.heard: list[Frame] = []

    def receive(self) -> Frame:
        self.heard.append(super().receive())
        return self.heard[-1]


def genuine() -> list[tuple[Callable, list[Frame]]]:
    """Each of the tests with what the student's side says in it."""
    return [(act, recorded(act)) for act in ACTS]


def recorded(act: Callable) -> list[Frame]:
    ours, theirs = socket.socketpair()
    with afar.near() as near, ours, theirs:
        other = Peer(Link(theirs), vars(near)["_namespace"])
        thread = threading.Thread(target=answering, args=(other,))
        thread.start()
        link = Recorder(ours, time.monotonic() + 60)
        with suppress(IndexError, ValueError):  # two of them end so
            act(FarNamespace(Peer(link)))
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()
    return link.heard


def answering(peer: Peer) -> None:
    with suppress(LinkError):
        while True:
            peer.serve(peer.link.receive())


def packed(frame: Frame) -> bytes:
    lengths = [len(buffer) for buffer in frame.buffers]
    return wrapped(json.dumps({"kind": frame.kind, "lengths": lengths, **frame.body}).encode(), b"".join(frame.buffers))


def wrapped(header: bytes, buffers: bytes = b"") -> bytes:
    return LENGTHS.pack(len(header), len(buffers)) + header + buffers


# Ways to spoil a frame


def noise(rng: random.Random, frame: Frame) -> bytes:
    return rng.randbytes(rng.choice([1, 7, 8, 9, 100, 5000]))


def noise_in_a_frame(rng: random.Random, frame: Frame) -> bytes:
    return wrapped(rng.randbytes(rng.randrange(300)), rng.randbytes(rng.randrange(300)))


def cut(rng: random.Random, frame: Frame) -> bytes:
    data = packed(frame)
    return data[: rng.randrange(len(data))]


def flipped(rng: random.Random, frame: Frame) -> bytes:
    data = bytearray(packed(frame))
    for _ in range(rng.choice([1, 1, 1, 3, 30])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def miscounted(rng: random.Random, frame: Frame) -> bytes:
    return LENGTHS.pack(rng.choice([0, 1, 2**20, 2**32 - 1]), rng.choice([0, 1, 2**26, 2**32 - 1])) + packed(frame)[8:]


def altered(rng: random.Random, frame: Frame) -> bytes:
    """Something odd in one place of the header."""
    header = json.loads(packed(frame)[8 : -sum(map(len, frame.buffers)) or None])
    *way, last = rng.choice(list(places(header)))
    inner = header
    for step in way:
        inner = inner[step]
    inner[last] = rng.choice(ODD)
    return wrapped(json.dumps(header).encode(), b"".join(frame.buffers))


def places(node: object, way: tuple = ()):
    """The way to each part of a header."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, part in steps:
        yield (*way, step)
        yield from places(part, (*way, step))


def missing(rng: random.Random, frame: Frame) -> bytes:
    body = dict(frame.body)
    if body:
        del body[rng.choice(list(body))]
    return packed(Frame(frame.kind, body, frame.buffers))


def renamed(rng: random.Random, frame: Frame) -> bytes:
    return packed(Frame(rng.choice(KINDS), frame.body, frame.buffers))


def resized(rng: random.Random, frame: Frame) -> bytes:
    buffers = [buffer * rng.choice([0, 1, 2]) + b"\xff" * rng.choice([0, 1, 8]) for buffer in frame.buffers]
    return packed(Frame(frame.kind, frame.body, buffers[: rng.choice([0, None, -1])] + [b"more"] * rng.choice([0, 1])))


def refilled(rng: random.Random, frame: Frame) -> bytes:
    return packed(Frame(frame.kind, frame.body, [rng.randbytes(len(buffer)) for buffer in frame.buffers]))


def nested(rng: random.Random, frame: Frame) -> bytes:
    depth = rng.choice([25, 31, 100, 900, 100_000])
    tag = rng.choice(['{"list":[', '{"tuple":[', "[", '{"dict":[[1,'])
    close = {"[": "]", '{"dict":[[1,': "]]}"}.get(tag, "]}")
    body = json.dumps(frame.body | {"value": "HERE", "tree": "HERE"}).replace('"HERE"', tag * depth + close * depth)
    header = f'{{"kind": "{frame.kind}", "lengths": {[len(b) for b in frame.buffers]}, {body[1:]}'
    return wrapped(header.encode(), b"".join(frame.buffers))


def invented(rng: random.Random, frame: Frame) -> bytes:
    """A tensor, or news of one, that cannot be."""
    shape = rng.choice([[-1], [2**62, 2**62], [0, 2**62], [0, 10**30], [1.5], ["a"], "a", None, [2**63], [1] * 200])
    dtype = rng.choice(["float32", "generator", "bool", "complex128", "float", 3, None, []])
    number = rng.choice([0, 1, 99, 10**30, -1, 1.0, True, "a", None])
    said = rng.choice([[number, dtype, shape, True, False, True], [False, number, True, True], [True, number], []])
    news = rng.choice([[], [[True, number, True, True, True]], [[False, number, False, "a", False]], [number]])
    body = frame.body | {"tensors": [said], "changes": news, "value": {"tensor": 0}, "shapes": [[dtype, shape]]}
    return packed(
        Frame(frame.kind, body, [rng.randbytes(rng.choice([0, 4, 12, 5056])) for _ in range(rng.randrange(4))])
    )


WAYS = [
    noise,
    noise_in_a_frame,
    cut,
    flipped,
    miscounted,
    altered,
    altered,
    altered,
    missing,
    renamed,
    resized,
    refilled,
]
WAYS += [nested, invented, invented]


def replayed(act: Callable, sent: bytes, patience: float = PATIENCE, silent: bool = False) -> BaseException | None:
    """How the test ends if this is all that is ever sent."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        theirs.setblocking(False)
        left = memoryview(sent)[theirs.send(sent) :]
        if left:  # more than the socket holds
            threading.Thread(target=poured, args=(theirs.dup(), left)).start()
        elif not silent:
            theirs.shutdown(socket.SHUT_WR)
        peer = Peer(Link(ours, time.monotonic() + patience))
        try:
            act(FarNamespace(peer))
        except Exception as error:
            if error in peer._errors:  # of the test's own functions: it was told, and has come back
                error.peer = peer
            return error
    return None


def poured(end: socket.socket, data: bytes) -> None:
    end.settimeout(ENOUGH)
    with end, suppress(OSError):
        end.sendall(data)
        end.shutdown(socket.SHUT_WR)


def unexpected(error: BaseException | None) -> bool:
    """Neither a broken conversation, nor what the frame itself told, nor a test's own dismay at a wrong value."""
    if error is None or isinstance(error, LinkError | Mistake) or hasattr(error, "peer"):
        return False
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return [file for file in files if LIBRARY in file or file == __file__][-1] != __file__


def resident() -> int:
    """Bytes in memory."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


def problems(count: int, seed: int) -> Iterator[str]:
    """What went wrong with so many malformed frames."""
    rng, said_by = random.Random(seed), genuine()
    for _ in range(100):  # what is imported and cached late
        replayed(*_spoiled(rng, said_by)[:2])
    before = resident()
    for _ in range(count):
        act, sent, how = _spoiled(rng, said_by)
        began = time.monotonic()
        error = replayed(act, sent)
        if time.monotonic() - began > ENOUGH:
            yield f"{act.__name__}, {how}: hung on {sent[:2000]}"
        if unexpected(error):
            yield f"{act.__name__}, {how}: {''.join(traceback.format_exception(error))[-1500:]} after {sent[:2000]}"
    if (more := resident() - before) > GROWTH:
        yield f"{more} bytes more in memory"


def _spoiled(rng: random.Random, said_by: list) -> tuple[Callable, bytes, str]:
    (act, said), spoil = rng.choice(said_by), rng.choice(WAYS)
    at = rng.randrange(len(said))
    sent = b"".join([*map(packed, said[:at]), spoil(rng, said[at]), *map(packed, said[at + 1 :])])
    return act, sent, f"{spoil.__name__} frame {at}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for problem in problems(int(sys.argv[1]), int(sys.argv[2])):
        print(problem)
    print("done")
