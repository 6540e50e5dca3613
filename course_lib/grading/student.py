"""What a test calls: `student.add_noise(...)`, whoever the student is and wherever the code runs."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.grading.expect import Mistake, require
from course_lib.grading.remote.failures import Where, where
from course_lib.grading.remote.proxies import held


class Student:
    """`student.NAME` is what the namespace holds.

    To set `student.NAME` replaces it there for the rest of the test, so that a mistake in an earlier task is
    not punished in a later one that builds on it.

    Parameters
    ----------
    namespace : mapping
        Names -> functions.
    """

    def __init__(self, namespace: MutableMapping) -> None:  # of str: one from afar cannot be looked through
        self.__dict__.update(_namespace=namespace, _given=[], _replaced={})

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            value = self._namespace[name]
        except KeyError:
            raise NotImplementedError(f"there is no {name} yet: write it and run its cell") from None
        if not callable(value):
            raise Mistake(f"{name} is now a {type(value).__name__}, not a function: run its cell again")
        return value if isinstance(value, type | nn.Module) else self._watched(value)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._replaced:
            self._replaced[name] = self._namespace.get(name)
        self._namespace[name] = value

    def _watched(self, function):
        """The function; what it is given is remembered as it was, and so for a function that it returns."""

        def called(*args, **kwargs) -> object:
            self._given.extend((tensor, tensor.detach().clone()) for tensor in _tensors([args, kwargs]))
            value = function(*args, **kwargs)
            is_function = callable(value) and not isinstance(value, type | nn.Module)
            return self._watched(value) if is_function else value

        return called

    def require_unchanged(self) -> None:
        """Raise `Mistake` if an argument holds other numbers than when it was given.

        A function that changes what the test compares with later could make any answer right.
        """
        unchanged = all(_same(now, before) for now, before in self._given)
        require(unchanged, "an argument was changed in place: make a new tensor instead")

    @contextmanager
    def examined(self, *, in_place: bool) -> Iterator["Student"]:
        """For one test, after which the arguments must hold the numbers that they had, unless it is `in_place`."""
        try:
            yield self
            if not in_place:
                self.require_unchanged()
        finally:
            self.put_back()

    def put_back(self) -> None:
        """Give all arguments the numbers that they had: other tests may use the same ones, and other students."""
        for now, before in reversed(self._given):
            if not _same(now, before):
                now.data = before
        self._given.clear()

    def line_of(self, error: BaseException | None) -> Where | None:
        """The student's own line that raised the error; one that came from afar knows it."""
        if error is None or hasattr(error, "where"):
            return getattr(error, "where", None)
        return where(error, lambda frame: frame.f_globals is self._namespace)

    def restore(self) -> None:
        """Put back what was replaced."""
        for name, value in self._replaced.items():
            if value is None:
                del self._namespace[name]
            else:
                self._namespace[name] = value
        self._replaced.clear()


def _tensors(value: object) -> Iterator[Tensor]:
    """The tensors in an argument: itself, parts of it, a module's weights, what a function holds."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.state_dict(keep_vars=True).values()
    elif isinstance(value, tuple | list | set):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif callable(value):
        yield from held(value)


def _same(now: Tensor, before: Tensor) -> bool:
    return now.shape == before.shape and torch.allclose(now.detach(), before, rtol=0, atol=0, equal_nan=True)
