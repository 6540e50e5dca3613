"""faces_attributes: the network that reads pixel-art faces, and whose features judge them.

Eight epochs on 100,000 faces that no split contains, two minutes on one CPU core. Half of the faces
are roughened (blurred a little, noisy), so that it also reads what a generator drew not quite right.
Like the judge of clothes it is trained once, and `course_lib.features` pins the result by its hash.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from course_lib.checkpoints import rounded
from course_lib.data.attributed import Attributed
from course_lib.data.faces import faces, group_of, load_faces
from course_lib.data.images import Batch
from course_lib.features import AttributeNet
from course_lib.features.faces import REFERENCE, UNSEEN, visible
from course_lib.features.judging import unit, write_statistics
from course_lib.metrics import embed, statistics
from course_lib.training import Ema, fit, train_steps, warmup_cosine

STEPS = 3_000
BATCH = 256
SEED = 0
DATA_SEED, REFERENCE_SEED = 2, 4
BLUR, NOISE = 0.5, 0.15  # the most that a training face is roughened


def build() -> AttributeNet:
    torch.manual_seed(SEED)
    return AttributeNet(width=64, dim=128)


def data() -> Attributed:
    """Freshly drawn pixel-art faces"""
    return faces(100_000, seed=DATA_SEED)


def train(model: AttributeNet, images: Attributed, steps: int = STEPS, resume: Path | None = None) -> AttributeNet:
    """Train, and set the unit of its distances."""
    ema = Ema(model, decay=0.99)
    rng = torch.Generator().manual_seed(SEED)
    batches = (Batch(roughened(x, rng), y) for x, y in images.batches(BATCH, SEED))
    fit(train_steps(model, batches, steps, lr_factor=warmup_cosine(steps), seed=SEED), ema=ema, resume=resume)
    ema.model.scale.copy_(unit(embed(_real(10_000), ema.model)))
    return ema.model


def roughened(x: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the faces (N, 3, 16, 16) mixed with their 3 x 3 mean and with noise, each to its own degree."""
    degree = torch.rand(len(x), 1, 1, 1, generator=rng).mul(2).sub(1).clamp(min=0).to(x.device)
    noise = torch.randn(x.shape, generator=rng).to(x.device)
    blurred = avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(x, blurred, BLUR * degree) + NOISE * degree * noise


def evaluate(model: AttributeNet) -> dict[str, float]:
    """Accuracy of the groups read in the test faces: mean, and of each attribute where it can be seen."""
    test = load_faces("test")
    with torch.no_grad():
        read = model.read(test.x.to(model.device))
    found = {name: _share(name, guess.cpu(), visible(test.attributes)[name]) for name, guess in read.items()}
    return {"accuracy": sum(found.values()) / len(found)} | found


def _share(name: str, guess: Tensor, value: Tensor) -> float:
    seen = value != UNSEEN
    return (guess[seen] == group_of(name)[value[seen]]).float().mean().item()


def _real(n: int) -> Tensor:
    return faces(n, seed=REFERENCE_SEED).x


def write_reference(model: AttributeNet) -> None:
    """Write the statistics of 50,000 other faces, the fixed side of every distance."""
    write_statistics(REFERENCE, statistics(embed(_real(50_000), rounded(model))))
