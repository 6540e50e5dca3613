"""S4D: a layer of fixed linear systems, one a channel, with diagonal A.

A channel has N / 2 pairs of complex states, h' = a h + x, which are so many damped oscillations; the output is a
learned mixture of them. Trained as a convolution, run as a recurrence. The kernel

    K_k = 2 Re sum_n c_n exp(dt a_n)^k

seems to ask for N L exponentials a channel. But k = iQ + q, and exp(dt a (iQ + q)) = exp(dt a Q)^i exp(dt a)^q: two
short tables of N sqrt L, and a product of matrices that sums over n on its way. It is the same trick as long
multiplication.

Gu, Goel, Gupta & Re 2022, On the Parameterization and Initialization of Diagonal State Space Models.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from course_lib.ssms import hippo
from course_lib.ssms.discretise import zoh_diagonal
from course_lib.ssms.linear import convolution

FASTEST, SLOWEST = 1e-3, 1e-1  # steps at the beginning: memories of about 1000 to 10 samples


class S4D(nn.Module):
    """Mixes places, each channel by its own system; what mixes the channels stands around it.

    Parameters
    ----------
    width : int
        W, channels.
    state : int
        N, even: real numbers of state a channel.
    """

    def __init__(self, width: int, state: int = 64) -> None:
        super().__init__()
        a = hippo.lin(state).expand(width, -1)
        self.log_dt = nn.Parameter(torch.empty(width).uniform_(math.log(FASTEST), math.log(SLOWEST)))
        self.log_damping, self.frequency = nn.Parameter((-a.real).log()), nn.Parameter(a.imag.clone())
        self.C = nn.Parameter(torch.randn(width, state // 2, 2) * math.sqrt(0.5))  # real and imaginary parts
        self.D = nn.Parameter(torch.randn(width))

    def forward(self, x: Float[Tensor, "b l w"]) -> Float[Tensor, "b l w"]:
        """All places at once: (B, L, W) -> (B, L, W)."""
        with torch.autocast(x.device.type, enabled=False):  # powers and spectra need their digits
            y = convolution(x.to(self.D.dtype), kernel(*self.system(), x.shape[1]))
            return (y + self.D * x).to(x.dtype)

    def begin(self, b: int) -> Complex[Tensor, "b w n"]:
        """The state before the first step: nothing."""
        return torch.view_as_complex(self.C.new_zeros(b, *self.C.shape))

    def step(
        self, x: Float[Tensor, "b w"], state: Complex[Tensor, "b w n"]
    ) -> tuple[Float[Tensor, "b w"], Complex[Tensor, "b w n"]]:
        """One place: what it gives, and the state after it."""
        log_a, c = self.system()
        state = log_a.exp() * state + x[..., None]
        return (2 * (c * state).sum(-1).real + self.D * x).to(x.dtype), state

    def system(self) -> tuple[Complex[Tensor, "w n"], Complex[Tensor, "w n"]]:
        """dt a, and c with B_bar (zero-order hold, B = 1) taken into it."""
        a, dt = torch.complex(-self.log_damping.exp(), self.frequency), self.log_dt.exp()[:, None]
        return dt * a, torch.view_as_complex(self.C) * zoh_diagonal(a, torch.ones_like(a), dt)[1]


def kernel(log_a: Complex[Tensor, "w n"], c: Complex[Tensor, "w n"], length: int) -> Float[Tensor, "l w"]:
    """2 Re sum_n c_n exp(k log_a_n) for k = 0 ... length - 1, as a product of two tables.

    Parameters
    ----------
    log_a, c : Tensor, complex, (W, N / 2)
    length : int
        L.

    Returns
    -------
    Tensor, (L, W)
    """
    if length < 1:
        raise ValueError(f"a kernel has at least one place, got {length}")
    size = math.isqrt(length - 1) + 1
    steps = torch.arange(size, device=c.device)
    fine, coarse = _powers(log_a, steps), _powers(log_a, size * steps) * c[..., None]
    table = torch.cat([coarse.real, -coarse.imag], 1).mT @ torch.cat([fine.real, fine.imag], 1)  # Re of the product
    return 2 * table.flatten(1)[:, :length].T


def _powers(log_a: Tensor, steps: Tensor) -> Tensor:
    """exp(log_a k) for each k; by cosine and sine, since the exponential of complex numbers is far slower."""
    size, angle = torch.exp(log_a.real[..., None] * steps), log_a.imag[..., None] * steps
    return torch.complex(size * angle.cos(), size * angle.sin())
