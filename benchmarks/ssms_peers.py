"""Against whom the scans are measured: their names, and where to find them. Nothing of theirs is kept here.

    mambapy     `pip install mambapy`: a parallel scan (Blelloch) in PyTorch
    listing     listing 1 of the Mamba-2 paper: `mamba_ssm/modules/ssd_minimal.py` of the package mamba-ssm, or of its
                source, unpacked somewhere on PYTHONPATH (it needs einops, and no kernel, though it imports one)
    kernels     `pip install mamba-ssm`, on a GPU: the authors' CUDA and Triton kernels

mamba2-minimal's `ssd` is that listing with B and C of one head, which einsum broadcasts: `listing, shared B and C`.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Scan = Callable[..., Tensor]


def mambapy() -> Scan:
    """As `MambaBlock.selective_scan` of mambapy calls its scan."""
    from mambapy.pscan import pscan

    def run(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        added = dt[..., None] * B[:, :, None] * u[..., None]
        return (pscan(torch.exp(dt[..., None] * A), added) @ C[..., None]).squeeze(3)

    return run


def listing(chunk: int, shared: bool) -> Scan:
    """The published listing, with B and C for each head or for all of them."""
    minimal = _listing().ssd_minimal_discrete

    def run(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
        heads = 1 if shared else x.shape[2]
        return minimal(x, log_decay, *(t[:, :, None].expand(-1, -1, heads, -1) for t in (B, C)), chunk)[0]

    return run


def selective_kernel() -> Scan:
    """The authors' CUDA scan, which wants time last."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    return lambda u, dt, A, B, C: selective_scan_fn(u.mT, dt.mT, A, B.mT, C.mT).mT


def dual_kernel(chunk: int) -> Scan:
    """The authors' Triton kernels. They take dt and A apart; with A = -1, dt is minus the log-decay."""
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    def run(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
        dt, A = -log_decay, -torch.ones(x.shape[2], device=x.device)
        return mamba_chunk_scan_combined(x / dt[..., None], dt, A, B[:, :, None], C[:, :, None], chunk)

    return run


def attention(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """PyTorch's causal attention over heads of the same width, with x for queries, keys and values."""
    x = x.transpose(1, 2)
    return scaled_dot_product_attention(x, x, x, is_causal=True).transpose(1, 2)


def vandermonde(log_a: Tensor, c: Tensor, length: int) -> Tensor:
    """S4D's kernel as it is defined: N L / 2 exponentials a channel."""
    table = torch.exp(log_a[..., None] * torch.arange(length, device=c.device))
    return 2 * torch.einsum("wn,wnl->lw", c, table).real


def _listing() -> ModuleType:
    """The file alone: to import its package would be to import kernels."""
    package = importlib.util.find_spec("mamba_ssm")
    if package is None:
        raise ImportError("no mamba_ssm on the path")
    kernels = "mamba_ssm.ops.triton.ssd_combined"
    stand_ins = {name: ModuleType(name) for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", kernels)}
    stand_ins[kernels].mamba_chunk_scan_combined = None
    file = Path(package.submodule_search_locations[0]) / "modules" / "ssd_minimal.py"
    spec = importlib.util.spec_from_file_location("ssd_minimal", file)
    module = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, stand_ins):
        spec.loader.exec_module(module)
    return module
