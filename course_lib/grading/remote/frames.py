"""Frames: a JSON header and raw buffers, read from somebody who may want to hurt the reader.

    8 bytes     length of the header, length of all buffers (two big-endian 32-bit numbers)
    header      JSON: {"kind": ..., "lengths": [of each buffer], ...}
    buffers     one after the other

Whatever arrives, `Link.receive` returns a frame or raises a `LinkError`, before the deadline.
"""

import json
import socket
import struct
import time
from dataclasses import dataclass, field

LENGTHS = struct.Struct(">II")
MAX_HEADER = 1 << 20  # bytes
MAX_BUFFERS = 1 << 26  # bytes a frame
MAX_RECEIVED = 1 << 28  # bytes a conversation
MAX_FRAMES = 100_000  # a conversation


class LinkError(Exception):
    """The conversation is over."""


class ClosedError(LinkError):
    """The other side is gone."""


class OverrunError(LinkError):
    """The deadline has passed."""


class MalformedError(LinkError):
    """No honest program sends this."""


@dataclass(frozen=True)
class Frame:
    """What is sent in one piece.

    Attributes
    ----------
    kind : str
    body : dict
        The rest of the header.
    buffers : list of bytes
    """

    kind: str
    body: dict
    buffers: list[bytes] = field(default_factory=list)


class Link:
    """One end of a socket.

    Parameters
    ----------
    end : socket.socket
        A stream.
    deadline : float, optional
        Time of `time.monotonic` after which nothing is sent or received any more.
    """

    def __init__(self, end: socket.socket, deadline: float = float("inf")) -> None:
        self.end, self.deadline = end, deadline
        self.frames = self.received = 0

    def send(self, frame: Frame) -> None:
        """Send a frame whole.

        Raises
        ------
        LinkError
            `ClosedError`, `OverrunError`, or `MalformedError` if the frame is larger than the other side accepts.
        """
        lengths = [len(buffer) for buffer in frame.buffers]
        header = json.dumps({"kind": frame.kind, "lengths": lengths, **frame.body}).encode()
        if len(header) > MAX_HEADER or sum(lengths) > MAX_BUFFERS:
            raise MalformedError(f"too much at once: {len(header) + sum(lengths)} bytes")
        self._guarded(self.end.sendall, b"".join([LENGTHS.pack(len(header), sum(lengths)), header, *frame.buffers]))

    def receive(self) -> Frame:
        """The next frame.

        Raises
        ------
        LinkError
        """
        head, body = LENGTHS.unpack(self._read(LENGTHS.size))
        self.frames, self.received = self.frames + 1, self.received + head + body
        if head > MAX_HEADER or body > MAX_BUFFERS or self.received > MAX_RECEIVED or self.frames > MAX_FRAMES:
            raise MalformedError(f"too much: {head + body} bytes in frame {self.frames}")
        return parsed(bytes(self._read(head)), bytes(self._read(body)))

    def close(self) -> None:
        """Hang up."""
        self.end.close()

    def _read(self, size: int) -> bytearray:
        data = bytearray()
        while len(data) < size:  # grows with what arrives: a header that promises much reserves nothing
            part = self._guarded(self.end.recv, min(size - len(data), 1 << 20))
            if not part:
                raise ClosedError("the other side has hung up")
            data += part
        return data

    def _guarded(self, action, argument):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OverrunError("the time is up")
        self.end.settimeout(None if left == float("inf") else left)
        try:
            return action(argument)
        except TimeoutError:
            raise OverrunError("the time is up") from None
        except OSError as error:
            raise ClosedError(str(error)) from None


def parsed(header: bytes, buffers: bytes) -> Frame:
    """The frame that stands in these bytes.

    Raises
    ------
    MalformedError
    """
    try:
        body = json.loads(header)
        kind, lengths = body.pop("kind"), body.pop("lengths")
        if type(kind) is not str or any(type(length) is not int or length < 0 for length in lengths):
            raise ValueError("kind or lengths are of the wrong type")
        if sum(lengths) != len(buffers):
            raise ValueError("the lengths do not add up")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError(f"{type(error).__name__}: {error}") from None
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return Frame(kind, body, [buffers[a:b] for a, b in zip(ends, ends[1:])])
