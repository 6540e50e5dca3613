"""Another device, without one: tensors that say they lie there, compute here, and refuse what a GPU would refuse.

`there()` is a context in which the device "meta" holds real values. A tensor of it and one of the CPU do not meet in
any operation, but for copies, indices and scalars, as with a card. So a model that is moved there, and data that are
not, tell whether a recipe moves what it should.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from course_lib.device import Precision
from course_lib.model import Model

THERE, HERE = torch.device("meta"), torch.device("cpu")
aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default}
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}


class Elsewhere(Tensor):
    """A tensor on the other device; its values are those of `here`."""

    @staticmethod
    def __new__(cls, here: Tensor):
        size, strides = here.size(), here.stride()
        tensor = Tensor._make_wrapper_subclass(cls, size, strides=strides, dtype=here.dtype, device=THERE)
        tensor.here = here
        return tensor

    def __repr__(self) -> str:
        return f"Elsewhere{tuple(self.shape)}"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})


def _computed(function, args, kwargs):
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [t for t in tensors if isinstance(t, Elsewhere)]
    _refuse_mixtures(function, args, tensors, there)
    asked = kwargs.get("device")
    stays = bool(there) if asked is None else torch.device(asked) == THERE
    if function is aten.copy_.default:
        stays = isinstance(args[0], Elsewhere)
    known = {id(t.here): t for t in there}
    args, kwargs = tree_map(lambda x: x.here if isinstance(x, Elsewhere) else x, (args, kwargs))
    result = function(*args, **kwargs | ({} if asked is None else {"device": HERE}))
    moved = lambda x: known.get(id(x)) if id(x) in known else Elsewhere(x)
    return tree_map(lambda x: moved(x) if stays and isinstance(x, Tensor) else x, result)


def _refuse_mixtures(function, args, tensors: list[Tensor], there: list[Tensor]) -> None:
    mixed = there and any(t.ndim for t in tensors if not isinstance(t, Elsewhere))
    indexed = function in INDEXED and isinstance(args[0], Elsewhere)
    if mixed and not indexed and function not in COPIES:
        raise RuntimeError(f"expected all tensors on one device, but {function} got {tensors}")


def moved(model: Model) -> Model:
    """The model, there; `Module.to` would ask torch for a real device."""
    for module in model.modules():
        for name, p in module._parameters.items():
            module._parameters[name] = None if p is None else nn.Parameter(Elsewhere(p.data), p.requires_grad)
        for name, b in module._buffers.items():
            module._buffers[name] = None if b is None else Elsewhere(b)
    return model


@contextmanager
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute on the other device as on this one; it has no autocast."""
    autocast = torch.autocast
    monkeypatch.setattr(Precision, "autocast", lambda self, device: nullcontext())
    on = lambda kind, *rest, **options: nullcontext() if kind == "meta" else autocast(kind, *rest, **options)
    monkeypatch.setattr(torch, "autocast", on)
    with _Mode():
        yield
