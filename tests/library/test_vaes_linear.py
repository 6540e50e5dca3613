"""The linear VAE against probabilistic PCA, which is its solution in closed form."""

import math
from functools import partial

import pytest
import torch
from library.contract import check_model

from course_lib.data.images import Batch
from course_lib.training import adamw, train_steps, warmup_cosine
from course_lib.vaes import bounds
from course_lib.vaes.gaussian import kl_to_prior, log_density
from course_lib.vaes.linear import LinearVae, ProbabilisticPca, probabilistic_pca

SPREAD = torch.tensor(
    [3.0, 2.0, 1.2, 0.5, 0.4, 0.3], dtype=torch.float64
)  # standard deviations along the principal axes
LATENT = 3


@pytest.fixture
def x() -> torch.Tensor:
    """400 points in six dimensions whose sample covariance has exactly the eigenvalues SPREAD^2."""
    points = torch.randn(400, 6, dtype=torch.float64)
    points = torch.linalg.qr(points - points.mean(0)).Q * math.sqrt(400)
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    return points * SPREAD @ rotation + torch.arange(6)


def train(x: torch.Tensor, vae: LinearVae, steps: int = 600) -> LinearVae:
    batch = Batch(x.float(), torch.zeros(len(x)))
    optimizer = partial(adamw, lr=0.03)
    for _ in train_steps(vae, iter([batch] * steps), steps, optimizer=optimizer, lr_factor=warmup_cosine(steps)):
        pass
    return vae.double().requires_grad_(False)


def test_the_best_noise_is_the_mean_variance_left_out_and_the_columns_are_as_long_as_the_rest(x):
    pca = probabilistic_pca(x, LATENT)
    assert pca.variance == pytest.approx((0.5**2 + 0.4**2 + 0.3**2) / 3, abs=1e-9)
    assert torch.allclose(pca.weight.T @ pca.weight, torch.diag(SPREAD[:3] ** 2 - pca.variance), atol=1e-6)
    assert torch.allclose(pca.mean, x.mean(0), atol=1e-12)


def test_the_maximal_likelihood_is_the_one_that_tipping_and_bishop_give(x):
    pca = probabilistic_pca(x, LATENT)
    noise = 3 * math.log(pca.variance)
    known = -(6 * math.log(2 * math.pi) + float((SPREAD[:3] ** 2).log().sum()) + noise + 6) / 2
    assert float(pca.log_likelihood(x).mean()) == pytest.approx(known, abs=1e-6)


def test_no_nudge_makes_the_closed_form_likelier(x):
    pca = probabilistic_pca(x, LATENT)
    best = float(pca.log_likelihood(x).mean())
    for _ in range(20):
        nudged = ProbabilisticPca(
            pca.mean + 0.05 * torch.randn(6), pca.weight + 0.05 * torch.randn(6, 3), pca.variance * 1.05
        )
        assert float(nudged.log_likelihood(x).mean()) < best


def test_at_its_optimum_the_elbo_is_the_likelihood(x):
    """Not in the mean only: for every point, since the encoder gives its posterior."""
    pca = probabilistic_pca(x, LATENT)
    vae = LinearVae.solved(pca)
    assert torch.allclose(vae.elbo(x), pca.log_likelihood(x), atol=1e-9)
    single = LinearVae.solved(probabilistic_pca(x.float(), LATENT))
    assert torch.allclose(single.elbo(x.float()).mean(), pca.log_likelihood(x).mean().float(), atol=1e-4)


def test_the_elbo_singles_out_the_principal_axes(x):
    """Turning the latents leaves the likelihood as it is, but a posterior that is not diagonal escapes the encoder."""
    pca = probabilistic_pca(x, LATENT)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    vae = LinearVae.solved(pca)
    vae.weight.data, vae.encoder.data = vae.weight.data @ turn, turn.T @ vae.encoder.data
    precision = vae.weight.T @ vae.weight / pca.variance + torch.eye(3)
    vae.log_variance.data = -precision.diagonal().log().detach()  # the best diagonal there is
    assert torch.allclose(vae.log_likelihood(x), pca.log_likelihood(x), atol=1e-9)
    gap = (precision.diagonal().log().sum() - torch.logdet(precision)) / 2
    assert float(gap.detach()) > 0.1
    assert torch.allclose(vae.log_likelihood(x) - vae.elbo(x), gap.expand(400), atol=1e-9)


def test_the_exact_elbo_is_the_mean_of_the_sampled_log_weights(x):
    vae = LinearVae(6, LATENT).double().requires_grad_(False)

    def likelihood(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return log_density(vae.decode(z) - x, torch.zeros_like(x), vae.log_noise.expand_as(x))

    weights = bounds.log_weights(x[:4], vae.encode, likelihood, torch.randn(100_000, 4, LATENT, dtype=torch.float64))
    error = weights.std(0) / math.sqrt(len(weights))
    assert ((bounds.elbo(weights) - vae.elbo(x[:4])).abs() < 5 * error).all()


def test_training_finds_the_optimum(x):
    """Within 0.01 nats of the greatest likelihood, without being told of it."""
    best = float(probabilistic_pca(x, LATENT).log_likelihood(x).mean())
    vae = train(x, LinearVae(6, LATENT))
    assert best - 0.01 < float(vae.elbo(x).mean()) <= best + 1e-6
    assert float(vae.log_likelihood(x).mean()) <= best + 1e-6


def test_what_varies_less_than_the_noise_collapses(x):
    """With the noise fixed at 1.5 the axes with variances 9 and 4 pay; that with 1.44 does not, nor do the rest."""
    pca = probabilistic_pca(x, 5, variance=1.5)
    assert (pca.weight.norm(dim=0) > 0).tolist() == [True, True, False, False, False]
    solved = LinearVae.solved(pca)
    rate = kl_to_prior(*solved.encode(x)).mean(0)
    assert (rate[:2] > 0.4).all()
    assert torch.allclose(rate[2:], torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert bounds.active(solved.encode(x)[0]).tolist() == [True, True, False, False, False]
    assert torch.allclose(solved.elbo(x), pca.log_likelihood(x), atol=1e-9)


def test_training_collapses_as_many_dimensions_as_predicted(x):
    vae = train(x, LinearVae(6, 5, variance=1.5))
    best = float(probabilistic_pca(x, 5, variance=1.5).log_likelihood(x).mean())
    assert best - 0.01 < float(vae.elbo(x).mean()) <= best + 1e-6
    rate = kl_to_prior(*vae.encode(x)).mean(0)
    assert int((rate > 0.1).sum()) == 2
    assert int((rate < 0.01).sum()) == 3


def test_the_more_noise_the_more_collapses(x):
    counts = [int((probabilistic_pca(x, 5, v).weight.norm(dim=0) > 0).sum()) for v in (0.1, 0.2, 1.0, 2.0, 5.0, 10.0)]
    assert counts == [5, 4, 3, 2, 1, 0]


def test_samples_have_the_models_mean_and_covariance(x):
    pca = probabilistic_pca(x, LATENT)
    (samples,) = LinearVae.solved(pca).sample(100_000)
    assert torch.allclose(samples.mean(0), pca.mean, atol=6e-2)
    known = pca.weight @ pca.weight.T + pca.variance * torch.eye(6)
    assert torch.allclose(samples.T.cov(), known, atol=0.2)


def test_the_linear_vae_keeps_the_contract(x):
    check_model(LinearVae(6, LATENT), Batch(x.float(), torch.zeros(len(x))))


def test_probabilistic_pca_refuses_what_has_no_answer(x):
    for points, latent in [(x[0], 2), (x[:1], 2), (x, 0), (x, 6)]:
        with pytest.raises(ValueError, match="1 <= latent < D"):
            probabilistic_pca(points, latent)
    with pytest.raises(ValueError, match="above 0"):
        probabilistic_pca(torch.cat([x, 0 * x], 1), 6)
    for variance in (0.0, -1.0):
        with pytest.raises(ValueError, match="above 0"):
            probabilistic_pca(x, 2, variance)
        with pytest.raises(ValueError, match="above 0"):
            LinearVae(6, 2, variance)
