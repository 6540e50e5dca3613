"""What do the two players of a GAN pay?

The discriminator gives each image a score; it wants real images high and generated ones low. The
generator wants the opposite. What differs from game to game is how a score becomes a loss:

    minimax         log-likelihood of "real" and "generated"; the generator pays the negative
    nonsaturating   the same, but the generator maximises the log-probability of "real"
    wasserstein     the scores themselves, of a critic that may not be steep
    relativistic    the log-likelihood that of a real and a generated image the real one scores higher

All are functions of scores, which lie on the whole line (logits, where they stand for a probability).
Without a penalty on the discriminator's slope (penalties.py) none of them converges in general; dirac.py
says why. The relativistic game with the penalty on both sides is the objective of R3GAN.

Goodfellow et al. 2014; Arjovsky et al. 2017; Jolicoeur-Martineau 2019; Huang et al. 2024, "The GAN is
dead; long live the GAN!".
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from course_lib.gans import penalties
from course_lib.gans.penalties import Penalty

Scores = Float[Tensor, " b"]
Payoff = Callable[[Scores, Scores], Float[Tensor, ""]]  # scores of real, of generated images -> a loss


@dataclass(frozen=True)
class Game:
    """The rules: two losses and the penalty that keeps the discriminator from being steep.

    Attributes
    ----------
    discriminator, generator : callable
        Scores of the real images (B,), of the generated ones (B,) -> what the player minimises.
    penalty : callable
        One of `course_lib.gans.penalties`.
    weight : float
        Of the penalty in the discriminator's loss.
    """

    discriminator: Payoff
    generator: Payoff
    penalty: Penalty = penalties.none
    weight: float = 0.0


def cross_entropy(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """-log D(x) - log(1 - D(G(z))) with D the sigmoid of the score (Goodfellow et al. 2014, eq. 1).

    `softplus(-s)` is -log sigmoid(s), and stays finite where the sigmoid rounds to 0 or 1.

    Examples
    --------
    >>> from torch import zeros
    >>> cross_entropy(zeros(4), zeros(4))  # a discriminator that cannot tell pays log 4
    tensor(1.3863)
    """
    return softplus(-real).mean() + softplus(fake).mean()


def saturating(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """log(1 - D(G(z))): flat where the discriminator is sure, so the generator learns nothing there."""
    return -softplus(fake).mean()


def fooling(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """-log D(G(z)): steep where the discriminator is sure (Goodfellow et al. 2014, section 3)."""
    return softplus(-fake).mean()


def difference(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """E f(G(z)) - E f(x): its minimum over functions of slope 1 is minus the Wasserstein distance.

    Arjovsky et al. 2017, eq. 2.
    """
    return fake.mean() - real.mean()


def ranking(real: Scores, fake: Scores) -> Float[Tensor, ""]:
    """-log sigmoid(f(x) - f(G(z))), pair by pair (Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2)."""
    return softplus(fake - real).mean()


minimax = Game(cross_entropy, saturating)
nonsaturating = Game(cross_entropy, fooling)
wasserstein = Game(difference, lambda real, fake: -fake.mean(), penalties.unit_slope, weight=10.0)
relativistic = Game(ranking, lambda real, fake: ranking(fake, real), penalties.both_sides, weight=0.5)
