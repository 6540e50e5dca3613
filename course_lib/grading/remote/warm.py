"""Import this once before many processes are forked: what torch imports late takes seconds, in each of them."""

import warnings

import torch


def _differentiate() -> None:
    """Each mode of torch.func once."""
    x = torch.ones(2)
    torch.func.jacrev(torch.sin)(x)
    torch.func.jvp(torch.sin, (x,), (x,))
    torch.func.vmap(torch.func.grad(torch.sin))(x)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _differentiate()
