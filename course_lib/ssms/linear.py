"""A linear system that does not change: recurrence = convolution = scan.

    h_k = A_bar h_{k-1} + B_bar x_k        y_k = C h_k

Step by step it is a recurrent network without a nonlinearity: constant memory, but L steps one after the other.
Unrolled, y_k = sum_j C A_bar^j B_bar x_{k-j}: a convolution with a kernel known beforehand, which FFT computes for
all places at once. And since steps compose (two of them are a step with A_bar^2), partial sums may be formed in
any bracketing: log2 L passes, each over all places. Train with one of the latter, generate with the first.

Gu et al. 2021, Combining Recurrent, Convolutional, and Continuous-time Models with Linear State Space Layers.
"""

import torch
from jaxtyping import Float, Inexact
from torch import Tensor


def recurrence(
    A_bar: Float[Tensor, "n n"], B_bar: Float[Tensor, " n"], C: Float[Tensor, " n"], x: Float[Tensor, "b l w"]
) -> Float[Tensor, "b l w"]:
    """Step by step; each channel is a sequence of its own for the same system.

    Parameters
    ----------
    A_bar : Tensor, (N, N)
    B_bar, C : Tensor, (N,)
    x : Tensor, (B, L, W)

    Returns
    -------
    y : Tensor, (B, L, W)

    Examples
    --------
    >>> recurrence(torch.tensor([[0.5]]), torch.ones(1), torch.ones(1), torch.tensor([[[1.0], [0.0], [0.0]]]))
    tensor([[[1.0000],
             [0.5000],
             [0.2500]]])
    """
    _check(A_bar, B_bar, C)
    h, y = x.new_zeros(x.shape[0], x.shape[2], len(A_bar)), []
    for x_k in x.unbind(1):
        h = h @ A_bar.T + x_k[..., None] * B_bar
        y.append(h @ C)
    return torch.stack(y, 1)


def kernel(
    A_bar: Float[Tensor, "n n"], B_bar: Float[Tensor, " n"], C: Float[Tensor, " n"], length: int
) -> Float[Tensor, " l"]:
    """What a single 1 leaves behind: C A_bar^k B_bar for k = 0 ... length - 1.

    With A_bar^(2^i) one has the next 2^i columns A_bar^k B_bar from those before: log2 L products of matrices.
    """
    _check(A_bar, B_bar, C)
    columns, power = B_bar[:, None], A_bar
    while columns.shape[1] < length:
        columns, power = torch.cat([columns, power @ columns], 1), power @ power
    return C @ columns[:, :length]


def convolution(x: Float[Tensor, "b l w"], kernel: Float[Tensor, "l ..."]) -> Float[Tensor, "b l w"]:
    """y_k = sum_{j <= k} kernel_j x_{k-j} by FFT: products of spectra, O(L log L).

    Spectra know only circles: without L zeros behind it, the end of the sequence would reach its beginning.

    Parameters
    ----------
    x : Tensor, (B, L, W)
    kernel : Tensor, (L,) or (L, W)
        One for all channels, or one each.

    Raises
    ------
    ValueError
        If the kernel is not as long as the sequence.
    """
    length = x.shape[1]
    if kernel.shape not in ((length,), (length, x.shape[2])):
        raise ValueError(f"x {tuple(x.shape)} needs a kernel (L,) or (L, W), got {tuple(kernel.shape)}")
    spectrum = torch.fft.rfft(kernel.reshape(length, -1).T, n=2 * length)
    return torch.fft.irfft(torch.fft.rfft(x.mT, n=2 * length) * spectrum, n=2 * length)[..., :length].mT


def scan(
    A_bar: Float[Tensor, "n n"], B_bar: Float[Tensor, " n"], C: Float[Tensor, " n"], x: Float[Tensor, "b l w"]
) -> Float[Tensor, "b l w"]:
    """By doubling: h holds what the last 1, 2, 4, ... inputs left, then what all of them did."""
    _check(A_bar, B_bar, C)
    h, power, reach = x[..., None] * B_bar, A_bar, 1
    while reach < x.shape[1]:
        h = torch.cat([h[:, :reach], h[:, reach:] + h[:, :-reach] @ power.T], 1)
        power, reach = power @ power, 2 * reach
    return h @ C


def _check(A_bar: Inexact[Tensor, "..."], B_bar: Inexact[Tensor, "..."], C: Inexact[Tensor, "..."]) -> None:
    n = len(A_bar)
    if A_bar.shape != (n, n) or B_bar.shape != (n,) or C.shape != (n,):
        shapes = tuple(A_bar.shape), tuple(B_bar.shape), tuple(C.shape)
        raise ValueError(f"one input, one output: need A_bar (N, N), B_bar (N,) and C (N,), got {shapes}")
