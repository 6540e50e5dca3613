"""Why does a GAN turn in circles, and what stops it?

The smallest GAN that can be drawn (Mescheder et al. 2018, section 2): all data are the number 0, the
generator draws the number theta whatever the noise, the discriminator is the line psi x. The two players'
gradients make a vector field on the plane of (theta, psi), whose only rest is the origin: the generator is
right, and the discriminator knows nothing.

Near the origin the field is its Jacobian J. Without a penalty its eigenvalues are +-i s, where s is the slope
of the loss at a score of 0 (the paper's f'(0)): players circle for ever, and steps of finite size h stretch
each turn by sqrt(1 + h^2 s^2). R1, the penalty gamma / 2 psi^2 on the discriminator's slope at the data, moves
both eigenvalues to the left of the imaginary axis:

    lambda = -gamma / 2 +- sqrt(gamma^2 / 4 - s^2)

With real parts below 0, small steps lead to the equilibrium, without swinging from gamma = 2 s on.
"""

import cmath
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from course_lib.gans.games import Game

States = Float[Tensor, "*n 2"]  # (theta, psi), one row a game: (n, 2), which the doors check
Field = Callable[[States], States]  # the direction in which the players move


def field(game: Game, gamma: float = 0.0) -> Field:
    """The players' negative gradients: (-d generator's loss / d theta, -d discriminator's loss / d psi).

    Parameters
    ----------
    game : Game
        Only its two losses; the penalty here is R1.
    gamma : float
        Strength of R1, gamma / 2 psi^2 (Mescheder et al. 2018, eq. 9); 0 for none.

    Returns
    -------
    callable
        States (N, 2) -> their velocities (N, 2).

    Examples
    --------
    >>> from course_lib.gans.games import wasserstein
    >>> field(wasserstein)(torch.tensor([[1.0, 2.0], [-2.0, 1.0]]))  # a rotation
    tensor([[ 2., -1.],
            [ 1.,  2.]])
    """
    if gamma < 0:
        raise ValueError(f"gamma must be 0 or more, got {gamma}: a negative penalty rewards steepness")

    def discriminator_loss(theta: Tensor, psi: Tensor) -> Tensor:
        return game.discriminator(psi * torch.zeros_like(theta), psi * theta) + gamma / 2 * psi.square().sum()

    def generator_loss(theta: Tensor, psi: Tensor) -> Tensor:
        return game.generator(psi * torch.zeros_like(theta), psi * theta)

    def direction(state: Tensor) -> Tensor:
        theta, psi = state[:1], state[1:]  # a batch of one image
        forward = torch.func.grad(generator_loss)(theta, psi)
        return -torch.cat([forward, torch.func.grad(discriminator_loss, argnums=1)(theta, psi)])

    return torch.func.vmap(direction)


def jacobian(field: Field, state: Tensor | None = None) -> Float[Tensor, "2 2"]:
    """The field's derivative at one state (2,); at the equilibrium, float64, if none is given."""
    state = torch.zeros(2, dtype=torch.float64) if state is None else state
    if state.shape != (2,):
        raise ValueError(f"the Jacobian is taken at one state (theta, psi), got shape {tuple(state.shape)}")
    return torch.func.jacrev(lambda s: field(s[None])[0])(state)


def eigenvalues(field: Field, state: Tensor | None = None) -> Complex[Tensor, " 2"]:
    """Eigenvalues of the Jacobian, by imaginary part, then by real part: their real parts decide on convergence."""
    found = torch.linalg.eigvals(jacobian(field, state)).tolist()
    return torch.tensor(sorted(found, key=lambda value: (value.imag, value.real)), dtype=torch.complex128)


def known_eigenvalues(slope: float, gamma: float) -> tuple[complex, complex]:
    """-gamma / 2 +- sqrt(gamma^2 / 4 - slope^2) (Mescheder et al. 2018, sections 2 and 3).

    The loss's slope at a score of 0 is 1/2 in the logistic games and 1 in the Wasserstein game.

    Examples
    --------
    >>> known_eigenvalues(1.0, 2.0)  # critical damping
    ((-1+0j), (-1+0j))
    """
    root = cmath.sqrt(gamma**2 / 4 - slope**2)
    return -gamma / 2 - root, -gamma / 2 + root


def simultaneous(field: Field, state: States, step_size: float, steps: int) -> Iterator[States]:
    """Both players move at once; yields the states after each move.

    Around a centre each move stretches by sqrt(1 + h^2 s^2), so that players spiral outwards.
    """
    for _ in range(_moves(state, step_size, steps)):
        state = state + step_size * field(state)
        yield state


def alternating(field: Field, state: States, step_size: float, steps: int) -> Iterator[States]:
    """The discriminator moves, the generator answers to what it finds; yields the states after both.

    Around a centre the product of both moves is a turn that stretches nothing while h s < 2.
    """
    only_psi, only_theta = torch.tensor([0.0, 1.0]).to(state), torch.tensor([1.0, 0.0]).to(state)
    for _ in range(_moves(state, step_size, steps)):
        state = state + step_size * only_psi * field(state)
        state = state + step_size * only_theta * field(state)
        yield state


def _moves(state: Tensor, step_size: float, steps: int) -> int:
    if state.ndim != 2 or state.shape[1] != 2:
        raise ValueError(f"states must be (N, 2), a row (theta, psi) for each game, got {tuple(state.shape)}")
    if step_size <= 0 or steps < 1:
        raise ValueError(f"needs a positive step size and at least one step, got {step_size} and {steps}")
    return steps
