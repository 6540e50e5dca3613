"""Three ways to carry the past along: a linear state, a gated one, and all of it.

Each place of the latent frame has a past, and a mixer turns the past into features. All three have one method,
`mixer(x, state) -> (y, state)`, for frames x that follow on what the state knows: many at once in training,
one in roll-out. `None` is the state before the first frame.

- `Ssm`: h_t = a h_{t-1} + B x_t with a complex number a for each channel. It is linear, so all frames are computed
  at once, and h is all that is kept (Smith et al. 2023, Convolutional State Space Models for Long-Range
  Spatiotemporal Modeling; the parametrisation is Orvieto et al. 2023, section 3).
- `ConvLstm`: gates that look at the state before, so frame follows frame (Shi et al. 2015, eq. 3).
- `Attention`: a mean over all earlier frames, so their keys and values are kept (Vaswani et al. 2017), with a
  preference for the recent past that also holds for longer clips than were trained (Press et al. 2022).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, scaled_dot_product_attention

from course_lib.nn.attention import Cache

Frames = Float[Tensor, "b t i j w"]
CHUNK = 64  # frames at once: the work in a chunk grows with its square


class Ssm(nn.Module):
    """A diagonal linear state in each place, `width` complex numbers.

    Parameters
    ----------
    width : int
    longest : float
        Frames until the slowest channels have forgotten all but 1/e, at the start of training.
    """

    def __init__(self, width: int, longest: float = 50.0) -> None:
        super().__init__()
        self.read, self.write = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.log_rate = nn.Parameter(-torch.rand(width) * math.log(4 * longest) + math.log(4))
        self.angle = nn.Parameter(math.pi * torch.rand(width) ** 2)

    def forward(self, x: Frames, state: Tensor | None = None) -> tuple[Frames, Tensor]:
        log_a = torch.complex(-self.log_rate.exp(), self.angle)
        gain = (-torch.expm1(2 * log_a.real)).sqrt()  # keeps the state's variance at that of its input
        u = linear(x, self.read.weight * gain[:, None], self.read.bias * gain)
        h, state = diagonal_scan(log_a, u.float(), state)
        return self.write(h), state


def diagonal_scan(
    log_a: Tensor, u: Float[Tensor, "b t i j w"], state: Tensor | None = None
) -> tuple[Float[Tensor, "b t i j w2"], Tensor]:
    """h_t = exp(log_a) h_{t-1} + u_t for all t, by one product with the matrix of decays a chunk.

    Parameters
    ----------
    log_a : Tensor, complex, (W,), real part at most 0
    u : Tensor, (B, T, I, J, W)
    state : Tensor, complex, (W, B I J), optional
        h before the first frame.

    Returns
    -------
    h : Tensor, (B, T, I, J, 2 W)
        Real and imaginary part of each channel in turn.
    state : Tensor, complex, (W, B I J)
        h after the last frame.
    """
    b, t, i, j, w = u.shape
    rows = Turned.apply(u.transpose(0, 1).reshape(-1, w)).view(w, t, b * i * j)
    parts = []
    for chunk in rows.split(CHUNK, dim=1):
        with torch.autocast(u.device.type, enabled=False):  # a long memory needs all its digits
            h = (_decays(log_a, chunk.shape[1]) @ chunk).unflatten(1, (2, -1))
        if state is not None:
            carried = _powers(log_a, chunk.shape[1])[..., None] * state[:, None]
            h = h + torch.stack([carried.real, carried.imag], 1)
        state = torch.complex(h[:, 0, -1], h[:, 1, -1])
        parts.append(h)
    h = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
    return Turned.apply(h.reshape(2 * w, -1)).view(t, b, i, j, 2 * w).transpose(0, 1), state


class Turned(torch.autograd.Function):
    """A matrix with its rows as columns, in memory too: as a plain copy of a matrix, which is fast, both ways."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.T.contiguous()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad.contiguous().T.contiguous()


def _powers(log_a: Tensor, length: int) -> Tensor:
    return torch.exp(log_a[:, None] * torch.arange(1, length + 1, device=log_a.device))


def _decays(log_a: Tensor, length: int) -> Tensor:
    """(W, 2 L, L): real and imaginary parts of a^(t - s), nothing for s > t."""
    steps = torch.arange(length, device=log_a.device)
    gap = steps[:, None] - steps
    decays = torch.exp(log_a[:, None, None] * gap.clamp(min=0)) * (gap >= 0)
    return torch.cat([decays.real, decays.imag], 1)


class ConvLstm(nn.Module):
    """A convolutional long short-term memory, `width` hidden numbers and as many in its cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.write = nn.Linear(width, width)

    def forward(self, x: Frames, state: tuple[Tensor, Tensor] | None = None) -> tuple[Frames, tuple[Tensor, Tensor]]:
        x, width = x.movedim(-1, 2), x.shape[-1]
        from_x = conv2d(x.flatten(0, 1), self.gates.weight[:, :width], self.gates.bias, padding=1)
        from_x = from_x.unflatten(0, x.shape[:2])  # all frames at once; only what looks at h must wait
        h, c = (torch.zeros_like(x[:, 0]), torch.zeros_like(x[:, 0]).float()) if state is None else state
        out = []
        for gates in from_x.unbind(1):
            gates = gates + conv2d(h, self.gates.weight[:, width:], padding=1)
            i, f, o, g = gates.float().chunk(4, dim=1)
            c = (f + 1).sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            out.append(h)
        return self.write(torch.stack(out, 1).movedim(2, -1)), (h, c)


class Attention(nn.Module):
    """Causal attention over time in each place, with linear biases (Press et al. 2022, section 3).

    Its state is a `Cache`, or a `Growing` one if nobody says how long the clip will be.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.register_buffer("slopes", 2.0 ** (1 - torch.arange(heads) * 2), persistent=False)

    def forward(self, x: Frames, state: Cache | None = None) -> tuple[Frames, Cache]:
        b, t, i, j, w = x.shape
        cache = Growing() if state is None else state
        rows = self.read(x).permute(0, 2, 3, 1, 4).reshape(b * i * j, t, 3 * self.heads, w // self.heads)
        q, k, v = rows.transpose(1, 2).chunk(3, dim=1)
        k, v = cache.extended(k, v)
        out = scaled_dot_product_attention(q, k, v, attn_mask=self.bias(t, k.shape[2]).to(q))
        return self.write(out.transpose(1, 2).reshape(b, i, j, t, w).movedim(3, 1)), cache

    def bias(self, new: int, known: int) -> Float[Tensor, "heads new known"]:
        """Minus slope times distance into the past; minus infinity for the future."""
        now, then = torch.arange(known - new, known), torch.arange(known)
        gap = (now[:, None] - then).to(self.slopes)
        return torch.where(gap < 0, -math.inf, -gap * self.slopes[:, None, None])


class Growing(Cache):
    """A cache that may be differentiated through: it is built anew at each step, where `Cache` writes in place."""

    def __init__(self) -> None:
        super().__init__(0)

    def extended(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.filled:
            k, v = torch.cat([self._keys, k], 2), torch.cat([self._values, v], 2)
        self._keys, self._values, self.filled = k, v, k.shape[2]
        return k, v
