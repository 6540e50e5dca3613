"""The tokens of an image as one line of words, by a state space model.

The transformer of module 4 writes 7 x 7 tokens one after the other and keeps keys and values of all that it has
written. The same chain rule, the same tokens and the same label serve a state space model: what it keeps of the line
is a state that does not grow, and so each token costs what the first one did.

`Pixels` does all of it; here a word is the number of a code rather than a grey level. Dao & Gu 2024, Transformers are
SSMs.
"""

from jaxtyping import Int
from torch import Tensor, int64

from course_lib.data.images import Batch, expect
from course_lib.model import check_labels
from course_lib.ssms.mamba2 import Mamba2
from course_lib.ssms.pixels import Pixels
from course_lib.vaes.quantise import check_tokens


class Mamba2Tokens(Pixels):
    """A distribution over maps of tokens, given a label, by Mamba-2.

    It learns from batches of maps, int64 (B, side, side), and draws such maps; a place that is not drawn yet shows 0.

    Parameters
    ----------
    codes : int
        Tokens are 0..codes-1.
    side : int
        Maps are (side, side).
    width, depth, state : int
        Of the blocks.
    classes : int
        Labels 0..classes-1.
    """

    def __init__(
        self, codes: int = 256, side: int = 7, width: int = 64, depth: int = 4, state: int = 16, classes: int = 10
    ) -> None:
        sizes = {"codes": codes, "side": side, "width": width, "depth": depth, "state": state, "classes": classes}
        if min(sizes.values()) < 1:
            raise ValueError(f"all sizes must be at least 1, got {sizes}")
        mixers = [Mamba2(width, state) for _ in range(depth)]
        super().__init__(width, mixers, sizes, levels=codes, side=side, classes=classes)

    def tokens(self, x: Int[Tensor, "b h w"]) -> Int[Tensor, "b l"]:
        """Maps as lines, row by row."""
        return x.flatten(1)

    def images(self, tokens: Int[Tensor, "b l"]) -> Int[Tensor, "b h w"]:
        """Lines as maps."""
        return tokens.unflatten(1, (self.side, self.side))

    def check(self, batch: Batch) -> None:
        expect("tokens", batch.x, int64, ("B", self.side, self.side))
        check_tokens(batch.x, self.levels)
        check_labels(batch.y, len(batch.x), self.classes, each="a map")

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Nats a token."""
        return {"loss": super().loss(batch)["loss"]}
