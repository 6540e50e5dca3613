"""From continuous time to steps: what does h' = A h + B x become when x comes as samples?

Between two samples somebody must say what x does. Zero-order hold says: it stays what it was. Then the equation
can be solved over the step, and h_k = A_bar h_{k-1} + B_bar x_k holds exactly, however large the step,

    A_bar = exp(dt A)        B_bar = A^-1 (exp(dt A) - 1) B

The bilinear rule (Tustin's; the trapezium) solves it approximately, without an exponential. For a smooth x that is
sampled, holding it is wrong by O(dt), and the trapezium, between the mean of neighbouring samples, by O(dt^2).
Both keep a stable system stable: eigenvalues left of the axis come to lie inside the unit circle.

Gu et al. 2022, S4, eq. 3 (bilinear); Gu & Dao 2023, Mamba, eq. 4 (zero-order hold).
"""

import torch
from jaxtyping import Inexact
from torch import Tensor

SERIES = 1e-2  # where (exp(z) - 1) / z is a short series: its gradient, a difference of large numbers, is lost there


def zoh(
    A: Inexact[Tensor, "n n"], B: Inexact[Tensor, "n ..."], dt: float
) -> tuple[Inexact[Tensor, "n n"], Inexact[Tensor, "n ..."]]:
    """Zero-order hold: exact if x is constant over each step.

    Both matrices come out of one exponential, of the system to which its constant input is added as a state,
    (h, x)' = [[A, B], [0, 0]] (h, x); so A need not have an inverse.

    Parameters
    ----------
    A : Tensor, (N, N)
    B : Tensor, (N,) or (N, M)
        For one input, or M of them.
    dt : float
        Above 0.

    Returns
    -------
    A_bar, B_bar : Tensor
        Shaped as A and B.

    Raises
    ------
    ValueError
        If the shapes are no system, or the step is none.

    Examples
    --------
    >>> zoh(torch.zeros(1, 1), torch.ones(1), dt=0.5)
    (tensor([[1.]]), tensor([0.5000]))
    """
    _check_system(A, B, dt)
    n, columns = len(A), B.reshape(len(B), -1)
    whole = torch.cat([torch.cat([A, columns], 1), A.new_zeros(columns.shape[1], n + columns.shape[1])])
    whole = torch.linalg.matrix_exp(dt * whole)
    return whole[:n, :n], whole[:n, n:].reshape(B.shape)


def bilinear(
    A: Inexact[Tensor, "n n"], B: Inexact[Tensor, "n ..."], dt: float
) -> tuple[Inexact[Tensor, "n n"], Inexact[Tensor, "n ..."]]:
    """The trapezium rule: A_bar = (1 - dt A / 2)^-1 (1 + dt A / 2), B_bar = (1 - dt A / 2)^-1 dt B; as `zoh` else.

    Examples
    --------
    >>> bilinear(-torch.ones(1, 1), torch.ones(1), dt=2.0)
    (tensor([[0.]]), tensor([1.]))
    """
    _check_system(A, B, dt)
    one, columns = torch.eye(len(A), dtype=A.dtype, device=A.device), B.reshape(len(B), -1)
    solved = torch.linalg.solve(one - dt / 2 * A, torch.cat([one + dt / 2 * A, dt * columns], 1))
    return solved[:, : len(A)], solved[:, len(A) :].reshape(B.shape)


def zoh_diagonal(
    a: Inexact[Tensor, "*#s"], b: Inexact[Tensor, "*#s"], dt: float | Inexact[Tensor, "*#s"]
) -> tuple[Inexact[Tensor, "*s"], Inexact[Tensor, "*s"]]:
    """Zero-order hold where A is diagonal, a number a state; right also where dt a is 0 or near it.

    Parameters
    ----------
    a, b : Tensor, real or complex, shapes that broadcast
        Eigenvalues, and the diagonal system's B.
    dt : float or Tensor
        One step, or one each.

    Examples
    --------
    >>> zoh_diagonal(torch.tensor([0.0, -1.0]), torch.ones(2), dt=2.0)
    (tensor([1.0000, 0.1353]), tensor([2.0000, 0.8647]))
    """
    z = dt * a
    return torch.exp(z), dt * _growth(z) * b


def bilinear_diagonal(
    a: Inexact[Tensor, "*#s"], b: Inexact[Tensor, "*#s"], dt: float | Inexact[Tensor, "*#s"]
) -> tuple[Inexact[Tensor, "*s"], Inexact[Tensor, "*s"]]:
    """The trapezium rule where A is diagonal; parameters as for `zoh_diagonal`."""
    ahead = 1 - dt * a / 2
    return (1 + dt * a / 2) / ahead, dt * b / ahead


def _growth(z: Tensor) -> Tensor:
    """(exp(z) - 1) / z, which is 1 at 0."""
    small = z.abs() < SERIES
    series = 1 + z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6 * (1 + z / 7)))))
    z = torch.where(small, 1, z)  # so that the branch not taken has a gradient, too
    return torch.where(small, series, torch.expm1(z) / z)


def _check_system(A: Tensor, B: Tensor, dt: float) -> None:
    if A.ndim != 2 or A.shape[0] != A.shape[1] or not 1 <= B.ndim <= 2 or len(B) != len(A):
        raise ValueError(f"a system needs A (N, N) and B (N,) or (N, M), got {tuple(A.shape)} and {tuple(B.shape)}")
    if not dt > 0:
        raise ValueError(f"a step leads forward in time: dt must be above 0, got {dt}")
