"""What moved, and by how much?

Compare each patch of a frame, with some surroundings, with the frame before it, moved by each of a few pixels. The
better a movement explains the patch, the more likely it was that. A network could find this out for itself, at the
price of most of its training; here it is told, as in optical flow. Nothing is said about what comes next: that a
movement goes on, and that it turns round at a wall, has to be learned.

Fischer et al. 2015, FlowNet: Learning Optical Flow with Convolutional Networks, section 3 (the correlation layer).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from course_lib.ssms.video.painting import REACH

AROUND = 3  # patches a side of what is compared
CERTAIN = 1.0  # how much less likely a movement is for each unit of squared error, in nats
UNLIKELY = 1e-3


@torch.no_grad()
def matches(
    now: Float[Tensor, "n c h w"], before: Float[Tensor, "n c h w"], patch: int, reach: int = REACH
) -> Float[Tensor, "n i j k"]:
    """How likely each patch moved by -R .. R pixels to the right, then by -R .. R down, as logarithms.

    Parameters
    ----------
    now, before : Tensor, (N, C, H, W)
    patch : int
        Pixels a side.

    Returns
    -------
    Tensor, (N, H / patch, W / patch, 2 (2R + 1))
        At least log UNLIKELY; all alike where nothing can be told, as on an empty ground.

    Examples
    --------
    >>> before = torch.rand(1, 1, 32, 32)
    >>> likely = matches(before.roll((2, -1), (2, 3)), before, patch=4)
    >>> likely[0, 4, 4, :7].argmax().item() - 3, likely[0, 4, 4, 7:].argmax().item() - 3
    (-1, 2)
    """
    now, wide, moves = now.float(), pad(before.float(), 4 * [reach], mode="replicate"), 2 * reach + 1
    height, width = now.shape[-2:]
    windows = (wide[..., moves - 1 - y :, moves - 1 - x :] for y in range(moves) for x in range(moves))
    errors = [(now - window[..., :height, :width]).square().sum(1, keepdim=True) for window in windows]
    per_patch = torch.cat([avg_pool2d(error, patch) for error in errors], 1) * patch**2  # small ones are kept
    around = avg_pool2d(per_patch, AROUND, 1, AROUND // 2, divisor_override=1)
    likely = (-CERTAIN * around).softmax(1).unflatten(1, (moves, moves))
    return torch.cat([likely.sum(1), likely.sum(2)], 1).movedim(1, -1).clamp(min=UNLIKELY).log()
