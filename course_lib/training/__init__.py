"""The training loop, in sight.

`train_steps` iterates over updates, so what other libraries do with callbacks (averaging, pictures,
early stopping) is a line in the reader's own `for`. `fit` drains it for those who only want the
result: a progress bar, averaged weights, interruption without loss, resumption where a run stopped, and the joules
that it took.

    for step in train_steps(model, images.batches(64), 300):
        ema.update()

    curves = fit(train_steps(model, images.batches(64), 300), ema=ema)
    curves.energy
"""

from course_lib.training.averaging import Ema
from course_lib.training.fitting import Curves, fit
from course_lib.training.optimising import adamw, constant, warmup_cosine
from course_lib.training.steps import Player, Step, train_steps

__all__ = ["Curves", "Ema", "Player", "Step", "adamw", "constant", "fit", "train_steps", "warmup_cosine"]
