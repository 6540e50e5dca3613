"""Where does each pixel of the next frame come from?

Most of it is already to be seen, a few pixels away. So the network need not draw it: it says for each patch by how
much to move (a distribution over shifts), does so with a few such movements, draws what was hidden, and says for
each pixel which of these to take. What is copied stays sharp, however often it is copied.

Finn, Goodfellow & Levine 2016, Unsupervised Learning for Physical Interaction through Video Prediction (CDNA).
Ours are shifts along rows, then along columns: 2 (2R + 1) weights a patch rather than (2R + 1)^2.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle

from course_lib.ssms.video.codec import PatchCodec

REACH = 3  # pixels that something can move in a frame
MOVES = 2 * (2 * REACH + 1)  # movements along rows, then along columns


class Painter(nn.Module):
    """Paint a frame from the features of its patches and from the frame before it.

    Parameters
    ----------
    codec : PatchCodec
        What it draws are this codec's latents.
    width : int
        Features a patch; the last of them say how it moved.
    movements : int
        How many ways of moving there may be in one patch.
    """

    def __init__(self, codec: PatchCodec, width: int, movements: int) -> None:
        super().__init__()
        self.patch, self.movements = codec.patch, movements
        self.sizes = [movements * MOVES, (movements + 1) * codec.patch**2, codec.rank]
        self.out = nn.Linear(width, sum(self.sizes))
        self.expect_inertia()

    @torch.no_grad()
    def expect_inertia(self) -> None:
        """Begin with the guess that what moved goes on moving, and that most of a frame is a copy."""
        for m in range(self.movements):
            self.out.weight[m * MOVES : (m + 1) * MOVES, -MOVES:] = torch.eye(MOVES)
        self.out.bias[self.sizes[0] + self.patch**2 : sum(self.sizes[:2])] += 2

    def forward(
        self,
        features: Float[Tensor, "n i j w"],
        before: Float[Tensor, "n c h w"],
        codec: PatchCodec,
        told: Float[Tensor, "n i j k"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """Told, if it is given, says what the features do not know: logarithms of the movements, and of being moved.

        What moves as it was told leaves nothing at the border; see `commonest`.
        """
        shifts, masks, drawn = self.out(features).float().split(self.sizes, -1)
        if told is not None:
            shifts = shifts + told[..., :-1].repeat(1, 1, 1, self.movements)
            masks = masks + pad(told[..., -1:].expand_as(masks[..., self.patch**2 :]), (self.patch**2, 0))
        beyond = None if told is None else commonest(before)
        layers = [moved(before, *self.fine(shift), beyond) for shift in shifts.chunk(self.movements, -1)]
        layers = torch.stack([codec.decode(drawn), *layers], 1)
        masks = pixel_shuffle(masks.movedim(-1, 1), self.patch).softmax(1)
        return (layers * masks[:, :, None]).sum(1)

    def fine(self, shift: Float[Tensor, "n i j k"]) -> tuple[Tensor, Tensor]:
        """Weights of the shifts along rows and along columns, the same for all pixels of a patch."""
        return tuple(enlarged(part.softmax(-1).movedim(-1, 1), self.patch) for part in shift.chunk(2, -1))


def enlarged(x: Float[Tensor, "n k i j"], patch: int) -> Float[Tensor, "n k h w"]:
    """Each number becomes a square of `patch` x `patch`."""
    return x[:, :, :, None, :, None].expand(*x.shape[:3], patch, x.shape[3], patch).flatten(4).flatten(2, 3)


def commonest(frame: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c 1 1"]:
    """The median of each channel: the ground, if what stands on it is small."""
    return frame.flatten(2).median(-1).values[..., None, None]


def moved(
    frame: Float[Tensor, "n c h w"],
    right: Float[Tensor, "n k h w"],
    down: Float[Tensor, "n k h w"],
    beyond: Float[Tensor, "n c 1 1"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Each pixel is a mean of those to its left and right, then of those above and below.

    Parameters
    ----------
    frame : Tensor, (N, C, H, W)
    right, down : Tensor, (N, 2R + 1, H, W)
        Weights of the movements by -R .. R pixels, of sum 1.
    beyond : Tensor, (N, C, 1, 1), optional
        What lies beyond the border; if not given, the frame goes on as at the border.

    Examples
    --------
    >>> frame = torch.eye(7)[None, None]
    >>> one, none = torch.zeros(1, 7, 7, 7), torch.zeros(1, 7, 7, 7)
    >>> one[:, 4], none[:, 3] = 1, 1
    >>> torch.equal(moved(frame, one, none)[..., 1:], frame[..., :-1])
    True
    """
    reach = right.shape[1] // 2
    ground, mode = (0, "replicate") if beyond is None else (beyond, "constant")
    across = Windows.apply(pad(frame - ground, (reach, reach, 0, 0), mode=mode), right, 3)
    return Windows.apply(pad(across, (0, 0, reach, reach), mode=mode), down, 2) + ground


class Windows(torch.autograd.Function):
    """sum_k weights_k * (x seen through a window that is moved by k pixels along one axis).

    With slices and sums autograd would fill a whole frame with zeros for each of the windows.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weights: Tensor, axis: int) -> Tensor:
        ctx.save_for_backward(x, weights)
        ctx.axis = axis
        out = weights[:, :1] * window(x, weights, axis, 0)
        for k in range(1, weights.shape[1]):
            out.addcmul_(weights[:, k, None], window(x, weights, axis, k))
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weights = ctx.saved_tensors
        grad_x, grad_weights = torch.zeros_like(x), torch.empty_like(weights)
        for k in range(weights.shape[1]):
            grad_weights[:, k] = (grad * window(x, weights, ctx.axis, k)).sum(1)
            if ctx.needs_input_grad[0]:
                window(grad_x, weights, ctx.axis, k).addcmul_(weights[:, k, None], grad)
        return grad_x, grad_weights, None


def window(x: Tensor, weights: Tensor, axis: int, k: int) -> Tensor:
    """What comes to a pixel that is reached by a movement of k - R."""
    return x.narrow(axis, weights.shape[1] - 1 - k, weights.shape[axis])
