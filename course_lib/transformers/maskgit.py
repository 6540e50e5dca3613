"""All at once, a few times: guess every token, keep the surest, guess the rest again.

Train as one fills in a form with gaps: hide a random share of the tokens, predict them from those that are
left, in both directions. Then draw in T rounds. In round t all hidden tokens are guessed in parallel, and the
least sure are hidden again, so many that a share cos(pi t / 2T) stays hidden: few are kept early, when little
is known, many late.

Chang et al. 2022, MaskGIT. The loss is a bound: the mean over masks of what a random order would cost.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.data.images import Batch
from course_lib.transformers.blocks import Block
from course_lib.transformers.positions import grid
from course_lib.transformers.prior import TokenPrior, drawn, gumbel


class MaskGit(TokenPrior):
    """A transformer that fills in hidden tokens; `TokenPrior` lists the parameters."""

    def __init__(
        self, codes: int = 256, side: int = 7, width: int = 128, depth: int = 4, heads: int = 4, classes: int = 10
    ) -> None:
        super().__init__(codes, side, width, depth, heads, classes)
        self.token, self.label = nn.Embedding(codes + 1, width), nn.Embedding(classes, width)  # one more: hidden
        self.register_buffer("places", grid(side, side, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, codes)

    def logits(
        self, tokens: Int[Tensor, "b l"], hidden: Bool[Tensor, "b l"], y: Int[Tensor, " b"]
    ) -> Float[Tensor, "b l k"]:
        """What each place expects, given the label and the tokens that are not hidden."""
        x = self.token(tokens.masked_fill(hidden, self.codes)) + self.places + self.label(y)[:, None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a hidden token, for shares that the schedule will meet (Chang et al. 2022, eq. 1)."""
        tokens, y = batch
        rows = tokens.flatten(1)
        share = torch.cos(math.pi / 2 * torch.rand(len(rows), 1, device=rows.device))
        last = (share * rows.shape[1]).long().clamp(max=rows.shape[1] - 1)  # so one is hidden at least, and at most all
        noise = torch.rand(rows.shape, device=rows.device)
        hidden = noise <= noise.sort(dim=1).values.gather(1, last)
        return {"loss": cross_entropy(self.logits(rows, hidden, y).float()[hidden], rows[hidden])}

    @torch.no_grad()
    def sample(
        self,
        n: int,
        y: Int[Tensor, " n"] | None = None,
        *,
        steps: int = 8,
        temperature: float = 1.0,
        choice: float = 4.5,
    ) -> Iterator[Int[Tensor, "n h w"]]:
        """Draw maps of tokens in a few rounds.

        Parameters
        ----------
        n : int
        y : Tensor, int64, (n,), optional
            Labels; without them the classes take turns.
        steps : int
            Rounds, one network evaluation each.
        temperature : float
            Of the guesses; 1 is the model itself.
        choice : float
            How much chance has a say in which guesses are kept, less from round to round: without it the
            blandest image would always win.

        Yields
        ------
        Tensor, int64, (n, side, side)
            What is kept so far, -1 where nothing is yet; the last is the result.
        """
        if steps < 1:
            raise ValueError(f"there must be at least one step, got {steps}")
        y = self.begin(n, y)
        tokens = torch.zeros(n, self.side**2, dtype=torch.int64, device=y.device)
        hidden = torch.ones_like(tokens, dtype=torch.bool)
        for step in range(1, steps + 1):
            logits = self.logits(tokens, hidden, y).float()
            tokens = torch.where(hidden, drawn(logits, temperature), tokens)
            sure = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
            sure = sure + choice * (1 - step / steps) * gumbel(sure)
            hidden = least_sure(sure.masked_fill(~hidden, math.inf), masked(step / steps, self.side**2))
            yield tokens.masked_fill(hidden, -1).reshape(n, self.side, self.side)


def masked(done: float, places: int) -> int:
    """How many places stay hidden when this share of the rounds is done (Chang et al. 2022, section 3.3).

    Examples
    --------
    >>> [masked(step / 4, 49) for step in range(5)]
    [49, 45, 34, 18, 0]
    """
    if not 0 <= done <= 1:
        raise ValueError(f"done is a share of the rounds, in [0, 1], got {done}")
    return int(places * math.cos(math.pi / 2 * done) + 1e-9)


def least_sure(sure: Float[Tensor, "b l"], count: int) -> Bool[Tensor, "b l"]:
    """Which `count` places of each row are the least sure."""
    hidden = torch.zeros_like(sure, dtype=torch.bool)
    return hidden.scatter(1, sure.argsort(dim=1)[:, :count], True)
