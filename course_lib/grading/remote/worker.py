"""The student's side: it runs the cells once, then forks a child for each test.

The child has its own socket and may crash, hang or leave: the next test finds everything as it was.
"""

import builtins
import socket
from os import _exit, fork, waitpid  # as they are now: what a student makes of os.fork is not used

from course_lib.grading.remote.failures import execute, told
from course_lib.grading.remote.frames import Frame, Link
from course_lib.grading.remote.peer import Peer


def main(end: socket.socket) -> None:
    """Serve one submission on this socket until it is closed."""
    link = Link(end)
    namespace = {"__name__": "__main__", "__builtins__": builtins}
    cells = link.receive().body["cells"]
    link.send(Frame("ran", {"failures": _run(cells, namespace, link)}))
    while (test := _next_test(end)) is not None:
        _fork(end, test, namespace, {name for name, _ in cells})
        end.send(b".")  # its fork is gone


def _run(cells: list, namespace: dict, link: Link) -> list:
    """Run cells one after the other; what failed, [cell, error]."""
    failures, names = [], {name for name, _ in cells}
    for name, source in cells:
        link.send(Frame("running", {"cell": name}))
        try:
            execute(source, namespace, name)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a student's mistakes too
            failures.append([name, told(error, names)])
    return failures


def _next_test(end: socket.socket) -> socket.socket | None:
    """The socket of the next test; None when the grader has hung up."""
    end.settimeout(None)
    word, files, _, _ = socket.recv_fds(end, 1, 1)
    return socket.socket(fileno=files[0]) if word and files else None


def _fork(end: socket.socket, test: socket.socket, namespace: dict, cells: set[str]) -> None:
    child = fork()
    if child == 0:
        try:
            end.close()
            _serve(Peer(Link(test), namespace, cells))
        finally:
            _exit(0)
    test.close()
    waitpid(child, 0)


def _serve(peer: Peer) -> None:
    while True:
        peer.serve(peer.link.receive())
