"""Two tasks that separate those who choose what to remember from those who cannot.

Selective copying: a few letters stand among blanks, at random places; at the end they are to be repeated in order.

    . . C . A . . . . B . . | ? ? ?     answer: C A B

A time-invariant system knows how long ago something came, not what it was. If the letters always stood at the same
places it could copy them; as they do not, it must let blanks pass and keep letters, and it has no way to.

Induction heads: letters without order, one of them announced by a bell; at the end the bell rings again.

    D A C ! B A A D C D B A !           answer: B

Who has found "what came after the bell" can do it for sequences much longer than any it was trained on.

Gu & Dao 2023, section 4.1; Olsson et al. 2022, In-context Learning and Induction Heads. We use shorter sequences
and fewer letters, so that minutes suffice.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.data.images import Batch
from course_lib.model import Model
from course_lib.ssms.backbone import Stack
from course_lib.ssms.mamba import Mamba
from course_lib.ssms.mamba2 import Mamba2
from course_lib.ssms.s4block import S4Block, S4Layer

LETTERS = 8  # tokens 1..LETTERS
BLANK, ASK = 0, LETTERS + 1
TOKENS = LETTERS + 2
NONE = -1  # the target where nothing is asked


class Sequences(NamedTuple):
    """Questions and answers.

    Attributes
    ----------
    x : Tensor, int64, (N, L)
        Tokens 0..TOKENS-1.
    targets : Tensor, int64, (N, L)
        What to answer at each place, a letter, or NONE.
    """

    x: Tensor
    targets: Tensor


def selective_copying(n: int, length: int, seed: int, letters: int = 4) -> Sequences:
    """Letters among blanks, then as many questions.

    Parameters
    ----------
    n : int
    length : int
        Places before the questions, at least `letters`.
    seed : int
    letters : int
        How many there are to remember.

    Examples
    --------
    >>> task = selective_copying(1, 10, seed=0, letters=3)
    >>> task.x[task.x > 0].tolist(), task.targets[task.targets > 0].tolist()
    ([6, 3, 5, 9, 9, 9], [6, 3, 5])
    """
    if n < 1 or not 1 <= letters <= length:
        raise ValueError(f"there must be 1 sequence or more, with room for {letters} letters, got {n} of {length}")
    rng = torch.Generator().manual_seed(seed)
    where = torch.rand(n, length, generator=rng).argsort(dim=1)[:, :letters].sort(dim=1).values
    said = torch.randint(1, LETTERS + 1, (n, letters), generator=rng)
    x = torch.full((n, length + letters), BLANK).scatter(1, where, said)
    x[:, length:] = ASK
    return Sequences(x, torch.cat([torch.full((n, length), NONE), said], dim=1))


def induction(n: int, length: int, seed: int) -> Sequences:
    """Letters, one of them announced by a bell; the bell again at the end asks which.

    Parameters
    ----------
    n : int
    length : int
        Places, at least 3; the last is the question.
    seed : int
    """
    if n < 1 or length < 3:
        raise ValueError(f"there must be 1 or more sequences of at least 3 places, got {n} of {length}")
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(1, LETTERS + 1, (n, length), generator=rng)
    bell = torch.randint(length - 2, (n, 1), generator=rng)
    x.scatter_(1, bell, ASK)[:, -1] = ASK
    targets = torch.full((n, length), NONE)
    targets[:, -1] = x.gather(1, bell + 1)[:, 0]
    return Sequences(x, targets)


def batches(task: Callable[..., Sequences], size: int, length: int, seed: int = 0) -> Iterator[Batch]:
    """Endless fresh sequences x with their targets y, int64 (size, L) each."""
    step = 0
    while True:
        yield Batch(*task(size, length, seed * 1_000_003 + step))
        step += 1


class Answering(Model):
    """What all competitors share: tokens become vectors, a stack mixes them, each place names a letter.

    Parameters
    ----------
    width : int
    mixers : sequence of Mixer
    config : dict
        What the subclass was built from.
    """

    def __init__(self, width: int, mixers: Sequence[nn.Module], config: dict) -> None:
        super().__init__(**config)
        self.token, self.stack = nn.Embedding(TOKENS, width), Stack(width, mixers)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, TOKENS)

    def forward(self, x: Int[Tensor, "b l"]) -> Float[Tensor, "b l k"]:
        """Sequences -> the logits of the answer, at every place."""
        return self.head(self.norm(self.stack(self.token(x))))

    def check(self, batch: Batch) -> None:
        x, y = batch
        if x.ndim != 2 or x.shape != y.shape or x.dtype != torch.int64 or not 0 <= x.min() <= x.max() < TOKENS:
            raise ValueError(
                f"x must be int64 tokens 0..{TOKENS - 1}, (B, L), and y their targets, as `batches` makes them, "
                f"got {x.dtype} {tuple(x.shape)} and {tuple(y.shape)}"
            )

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats an answer; `right` is the share of answers that are right."""
        asked = batch.y != NONE
        logits, answers = self(batch.x)[asked].float(), batch.y[asked]
        return {"loss": cross_entropy(logits, answers), "right": (logits.argmax(1) == answers).float().mean()}


class S4Answering(Answering):
    """Without choice: the system is the same for every input. Twice the width makes up for the lack of a block."""

    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__(width, [S4Layer(width) for _ in range(depth)], {"width": width, "depth": depth})


class GatedS4Answering(Answering):
    """The same system in Mamba's block, with its convolution and gate."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        mixers = [S4Block(width, state=32) for _ in range(depth)]
        super().__init__(width, mixers, {"width": width, "depth": depth})


class MambaAnswering(Answering):
    """With choice: Mamba."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__(width, [Mamba(width) for _ in range(depth)], {"width": width, "depth": depth})


class Mamba2Answering(Answering):
    """With choice: Mamba-2."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__(width, [Mamba2(width, state=32) for _ in range(depth)], {"width": width, "depth": depth})


@torch.no_grad()
def right(model: Answering, sequences: Sequences) -> float:
    """Share of the answers that are right."""
    asked = sequences.targets != NONE
    said = model(sequences.x.to(model.device)).argmax(dim=2).cpu()
    return (said == sequences.targets)[asked].float().mean().item()
