"""Is a learner's value right, and if not, which misconception does it show?

A test that only says "wrong" teaches nothing. Most wrong answers are one of a few that a teacher has
seen before, so a test lists them beside the right one, as values on the same input:

    expect(got, want, {"alpha and sigma have changed places": sigma * x0 + alpha * eps})

The comparison is strict: type, shape, kind of dtype, device and finiteness must agree before numbers
are compared, nothing broadcasts, and each of these faults has a sentence of its own.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Mistake(AssertionError):  # noqa: N818  (read by learners)
    """A wrong answer. Its text is the hint that the learner reads."""


def require(condition: bool, hint: str) -> None:
    """Raise `Mistake(hint)` unless the condition holds.

    Examples
    --------
    >>> require(1 + 1 == 2, "arithmetic has changed")
    """
    if not condition:
        raise Mistake(hint)


def expect(
    got: object, want: object, mistakes: Mapping[str, object] | None = None, *, atol: float = 1e-5, rtol: float = 1e-5
) -> None:
    """Compare a learner's value with the right one, and name the misconception where there is one.

    Parameters
    ----------
    got : object
        What the learner's function returned.
    want : Tensor, number, string, None, or tuple, list or dict of these
        The right value. Numbers may differ by `atol` + `rtol` |want|.
    mistakes : mapping of str to object, optional
        A sentence that names a misconception -> the value to which it leads on this input. It may
        have another shape or type than the right one. The first that fits is told.

    Raises
    ------
    Mistake
        If the value is wrong: with the sentence of the mistake that it equals, else with what is
        wrong about its type, shape, dtype, device or numbers.

    Examples
    --------
    >>> expect(torch.tensor([1.0]), torch.tensor([1.0]))
    >>> expect(torch.tensor([-1.0]), torch.tensor([1.0]), {"the sign is turned": torch.tensor([-1.0])})
    Traceback (most recent call last):
    course_lib.grading.expect.Mistake: the sign is turned
    """
    fault = difference(got, want, atol, rtol)
    if fault is None:
        return
    for sentence, wrong in (mistakes or {}).items():
        if difference(got, wrong, atol, rtol) is None:
            raise Mistake(sentence)
    raise Mistake(fault)


def difference(got: object, want: object, atol: float = 1e-5, rtol: float = 1e-5) -> str | None:
    """What is wrong with `got`, in a sentence, or None if it equals `want`.

    Examples
    --------
    >>> difference(torch.zeros(3, 1), torch.zeros(3))
    'the shape is (3, 1), expected (3,)'
    """
    if isinstance(want, Tensor):
        return _tensor_fault(got, want.detach(), atol, rtol)
    if type(got) is not type(want):
        return f"this is {_kind(got)}, expected {_kind(want)}"
    if isinstance(want, float):
        return _tensor_fault(torch.tensor(got), torch.tensor(want), atol, rtol)
    if isinstance(want, tuple | list):
        return _sequence_fault(got, want, atol, rtol)
    if isinstance(want, dict):
        if got.keys() != want.keys():
            return f"the keys are {sorted(map(str, got))}, expected {sorted(map(str, want))}"
        return _first((f"at {key!r}", got[key], want[key]) for key in want)(atol, rtol)
    return None if got == want else f"this is {got!r}, expected {want!r}"


def _sequence_fault(got, want, atol: float, rtol: float) -> str | None:
    if len(got) != len(want):
        return f"these are {len(got)} values, expected {len(want)}"
    return _first((f"value {i + 1} of {len(want)}", *pair) for i, pair in enumerate(zip(got, want)))(atol, rtol)


def _first(parts):
    def fault(atol: float, rtol: float) -> str | None:
        faults = ((place, difference(got, want, atol, rtol)) for place, got, want in parts)
        return next((f"{place}: {found}" for place, found in faults if found), None)

    return fault


def _tensor_fault(got: object, want: Tensor, atol: float, rtol: float) -> str | None:
    if type(got) not in (Tensor, nn.Parameter):
        return f"this is {_kind(got)}, expected {_kind(want)}"
    got = got.detach()
    if got.shape != want.shape:
        return f"the shape is {tuple(got.shape)}, expected {tuple(want.shape)}"
    if _dtype_kind(got) != _dtype_kind(want):
        return f"the dtype is {got.dtype}, expected {want.dtype}"
    if got.device != want.device:
        return f"the tensor is on {got.device}, expected {want.device}: make new tensors on the device of the arguments"
    return _number_fault(got.to(want.dtype), want, atol, rtol)


def _number_fault(got: Tensor, want: Tensor, atol: float, rtol: float) -> str | None:
    odd = ~got.isfinite() & want.isfinite()
    if odd.any():
        return f"{_count(odd)} NaN or infinite: look for a division by zero or a root of a negative number"
    off = ~torch.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if not off.any():
        return None
    index = tuple(off.nonzero()[0].tolist())
    place = f" at index {index}" if index else ""
    return f"{_count(off)} wrong: got {got[index].item():.6g}, expected {want[index].item():.6g}{place}"


def _count(mask: Tensor) -> str:
    n = int(mask.sum())
    if mask.ndim == 0:
        return "the number is"
    return f"{n} of {mask.numel()} numbers {'is' if n == 1 else 'are'}"


def _dtype_kind(tensor: Tensor) -> str:
    if tensor.dtype == torch.bool:
        return "bool"
    if tensor.is_complex():
        return "complex"
    return "float" if tensor.is_floating_point() else "int"


def _kind(value: object) -> str:
    if type(value) in (Tensor, nn.Parameter):
        return f"a tensor of shape {tuple(value.shape)}"
    if value is None:
        return "None (is there a `return`?)"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
