"""Hidden points of the exercises of 01_gans: seeded random inputs against references that stand here.

Read in the open repository they give nothing away but what the course itself says: the inputs come from
`GRADE_SEED`, so no value can be written down beforehand. Shapes are such that no wrong broadcast fails
by itself (batch = channels = height = width) and, beside them, such that all axes differ.

Tolerance 1e-5 absolute and relative (the default of `expect`); 1e-4 for eigenvalues and arcs, which are
ill-conditioned; 5e-4 for densities so far out that their logarithms have three digits left. Over 100 seeds
the 29 differently written right answers and the library, 6,600 runs, never failed and never used more than
25 % of the tolerance (6 % but for the densities, where rounding of the arguments bounds the error), so the
probability that a right answer fails is taken to be below 1e-6.
"""

import pytest
import torch
from torch import Tensor

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


def paid(scores: Tensor) -> Tensor:
    """log(1 + e^score), one by one."""
    return torch.logaddexp(scores, torch.zeros_like(scores))


@task("optimal_discriminator")
def test_optimal_discriminator(student, rng):
    """Random log densities of any shape, far out too."""
    for shape in ((7,), (), (2, 3)):
        log_p, log_q = between(rng, -3, 0.5, *shape), between(rng, -3, 0.5, *shape)
        p, q = log_p.exp(), log_q.exp()
        wrong = {
            "p and q have changed places": q / (p + q),
            "this is the odds p / q": p / q,
            "this is the score: its sigmoid is the probability": log_p - log_q,
            "the arguments are logarithms": log_p / (log_p + log_q),
            "this is a verdict: D is a probability": (log_p > log_q).float(),
        }
        expect(student.optimal_discriminator(log_p, log_q), p / (p + q), wrong)
    shift = between(rng, -3000, -1000)
    got = student.optimal_discriminator(log_p + shift, log_q + shift)
    hint = "both densities round to 0 here: use only the difference of their logarithms"
    lost = {hint: torch.full_like(p, torch.nan), f"{hint}, not 1/2": torch.full_like(p, 0.5)}
    expect(got, p / (p + q), lost, atol=5e-4)  # the logarithms themselves have three digits left


@task("gan_losses")
def test_discriminator_loss(student, rng):
    """Random scores: value and gradients; scores that are sure and wrong."""
    real, fake = normal(rng, 5) * 2, normal(rng, 5) * 2
    right = paid(-real).mean() + paid(fake).mean()
    wrong = {
        "real and generated have changed places": paid(real).mean() + paid(-fake).mean(),
        "real scores should be high": paid(real).mean() + paid(fake).mean(),
        "this is the sum: take a mean over each half": 5 * right,
        "the two halves are added, not averaged": right / 2,
        "what it pays for the generated images is missing": paid(-real).mean(),
        "what it pays for the real images is missing": paid(fake).mean(),
        "it pays the negative": -right,
        "their sigmoid was taken twice": paid(-real.sigmoid()).mean() + paid(fake.sigmoid()).mean(),
        "this is the Wasserstein critic's loss": fake.mean() - real.mean(),
    }
    expect(student.discriminator_loss(real, fake), right, wrong)
    sure = between(rng, 150, 400, 2)
    infinite = {"use softplus on the score": torch.tensor(torch.inf)}
    expect(student.discriminator_loss(-sure, sure), 2 * sure.mean(), infinite)
    scores = real.clone().requires_grad_()
    loss = student.discriminator_loss(scores, fake)
    require(loss.requires_grad, "no gradient reaches the scores")
    loss.backward()
    expect(scores.grad, -torch.sigmoid(-real) / 5)


@task("gan_losses")
def test_generator_loss(student, rng):
    """Random scores: value and gradient; scores that are sure and wrong."""
    fake = normal(rng, 6) * 2
    right = paid(-fake).mean()
    wrong = {
        "this is the saturating loss log(1 - D)": -paid(fake).mean(),
        "this rewards low scores": paid(fake).mean(),
        "it pays the negative": -right,
        "this is the sum: take the mean": 6 * right,
        "this is the Wasserstein generator's loss": -fake.mean(),
    }
    expect(student.generator_loss(fake), right, wrong)
    sure = between(rng, 150, 400, 3)
    expect(student.generator_loss(-sure), sure.mean(), {"use softplus on the score": torch.tensor(torch.inf)})
    scores = fake.clone().requires_grad_()
    loss = student.generator_loss(scores)
    require(loss.requires_grad, "no gradient reaches the scores")
    loss.backward()
    expect(scores.grad, -torch.sigmoid(-fake) / 6)


@task("wasserstein")
def test_wasserstein(student, rng):
    """Random samples: value, gradient, and no change of the arguments."""
    x, beyond = normal(rng, 9), between(rng, 0.5, 2, 2)
    ends = torch.stack([x.min() - beyond[0], x.max() + beyond[1]])  # so that some are carried left and some right
    y = torch.cat([normal(rng, 7), ends])[torch.randperm(9, generator=rng)]
    gap = x.sort().values - y.sort().values
    wrong = {
        "sort both samples first": (x - y).abs().mean(),
        "sort the first sample too": (x - y.sort().values).abs().mean(),
        "sort the second sample too": (x.sort().values - y).abs().mean(),
        "one upwards, the other downwards": (x.sort().values - y.sort(descending=True).values).abs().mean(),
        "these are squared distances": gap.square().mean(),
        "this is the sum: take the mean": gap.abs().sum(),
        "take absolute values of each pair": gap.mean().abs(),
        "a distance carried to the left counts as well": gap.mean(),
    }
    before = x.clone(), y.clone()
    expect(student.wasserstein(x, y), gap.abs().mean(), wrong)
    require(torch.equal(x, before[0]) and torch.equal(y, before[1]), "an argument was changed in place")
    sample = x.clone().requires_grad_()
    distance = student.wasserstein(sample, y)
    require(distance.requires_grad, "no gradient reaches the samples")
    distance.backward()
    expect(sample.grad, torch.empty(9).index_copy(0, x.argsort(), gap.sign() / 9))


@task("dirac")
def test_dirac_field(student, rng):
    """Random states and penalties."""
    state, gamma = normal(rng, 2) * 1.5, float(between(rng, 0.2, 2))
    theta, psi = state
    up, down = psi * torch.sigmoid(-theta * psi), -theta * torch.sigmoid(theta * psi)

    def field(first: Tensor, second: Tensor) -> Tensor:
        return torch.stack([first, second])

    wrong = {
        "the generator walks up its loss": field(-up, down - gamma * psi),
        "the discriminator walks up its loss": field(up, -down - gamma * psi),
        "the penalty is missing": field(up, down),
        "the derivative of gamma / 2 psi^2 is gamma psi": field(up, down - gamma / 2 * psi),
        "the penalty pushes psi up": field(up, down + gamma * psi),
        "the penalty is on psi, not on theta": field(up, down - gamma * theta),
        "the penalty is the discriminator's": field(up - gamma * theta, down),
        "this is the Wasserstein game": field(psi, -theta - gamma * psi),
        "this is the saturating generator": field(psi * torch.sigmoid(theta * psi), down - gamma * psi),
        "theta's velocity comes first": field(down - gamma * psi, up),
    }
    expect(student.dirac_field(state, gamma), field(up, down - gamma * psi), wrong)


def in_order(values: object) -> object:
    """Eigenvalues by imaginary part, then by real part; anything else as it is."""
    if not (isinstance(values, Tensor) and values.shape == (2,) and values.is_complex()):
        return values
    return torch.tensor(sorted(values.tolist(), key=lambda v: (round(v.imag, 2), v.real)), dtype=torch.complex64)


@task("dirac")
@pytest.mark.parametrize("turning", [True, False])
def test_eigenvalues(student, rng, turning):
    """Random curved fields at random states, with complex and with real eigenvalues."""
    state, bend = between(rng, 0.5, 1.5, 2), between(rng, 0.2, 0.5, 2)
    trace, half_gap = between(rng, -1, 1), between(rng, 0.5, 1.5)
    skew = between(rng, 0.5, 2)
    # [[trace / 2, g skew], [-+g / skew, trace / 2]] has the eigenvalues trace / 2 +- g, with a factor i where it turns
    back = -half_gap / skew if turning else half_gap / skew
    matrix = torch.stack([trace / 2, half_gap * skew, back, trace / 2]).reshape(2, 2)

    def field(s: Tensor) -> Tensor:
        return matrix @ s + bend * (s - state) ** 2 + (s - state).prod()

    got = in_order(student.eigenvalues(field, state))
    way = torch.complex(torch.zeros(()), half_gap) if turning else torch.complex(half_gap, torch.zeros(()))
    away = matrix - 2 * torch.diag(bend * state) - state.flip(0)
    wrong = {
        "the Jacobian is not symmetric: use torch.linalg.eigvals": torch.linalg.eigvalsh(matrix),
        "these are the real parts only": torch.linalg.eigvals(matrix).real,
        "these are the singular values": torch.linalg.svdvals(matrix),
        "take the Jacobian at the state that was given": in_order(torch.linalg.eigvals(away)),
    }
    expect(got, torch.stack([trace / 2 - way, trace / 2 + way]), wrong, atol=1e-4)
