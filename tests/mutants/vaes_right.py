"""Right answers to the exercises of 02_vaes that are written differently, and the library's own.

`RIGHT` lists (task, function), at least two a task; a function replaces the solution's of the same name.
`LIBRARY` is course_lib under the names of the exercises; what is a part of something larger there is in
`METHODS`, and compared in tests/library/test_vaes_exercises.py.
"""
# ruff: noqa: F811  (several answers to one task have one name)

import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import mse_loss, softplus

from course_lib.vaes import bounds, estimators, gaussian, linear, quantise
from course_lib.vaes.likelihoods import LogisticMixture

RIGHT = []


def right(task: str):
    def keep(function):
        RIGHT.append((task, function))
        return function

    return keep


@right("reparameterise")
def reparameterise(mean, log_variance, noise):
    return torch.addcmul(mean, log_variance.exp().sqrt(), noise)


@right("reparameterise")
def reparameterise(mean, log_variance, noise):
    return torch.stack([m + s * e for m, s, e in zip(mean, log_variance.mul(0.5).exp(), noise)])


@right("kl_to_prior")
def kl_to_prior(mean, log_variance):
    return kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))


@right("kl_to_prior")
def kl_to_prior(mean, log_variance):
    return -0.5 * (1 + log_variance - mean**2 - torch.exp(log_variance))


@right("negative_elbo")
def negative_elbo(log_likelihood, kl, beta):
    return (beta * kl.sum() - log_likelihood.sum()) / len(kl)


@right("negative_elbo")
def negative_elbo(log_likelihood, kl, beta):
    losses = [beta * rates.sum() - image.sum() for image, rates in zip(log_likelihood, kl)]
    return torch.stack(losses).mean()


@right("score_gradient")
def score_gradient(f, mean, log_variance, noise):
    """By autograd: the slope of log q at draws that are held still, one parameter a draw."""
    z = mean + (log_variance / 2).exp() * noise
    values = f(z)
    n = len(values)
    above = (values - values.mean()) * n / (n - 1)  # what is above the others' mean
    own = [part.detach().expand(n, -1).clone().requires_grad_() for part in (mean, log_variance)]
    log_q = Normal(own[0], (own[1] / 2).exp()).log_prob(z.detach()).sum(1)
    return torch.autograd.grad((above.detach() * log_q).sum(), own)


@right("score_gradient")
def score_gradient(f, mean, log_variance, noise):
    std, n = log_variance.exp().sqrt(), len(noise)
    values = f(torch.addcmul(mean, std, noise))
    others = (1 - torch.eye(n)) / (n - 1)
    above = (values - others @ values).unsqueeze(1)
    return torch.div(above * noise, std), 0.5 * above * (noise * noise - 1)


@right("linear_vae")
def noise_variance(x, latent):
    singular = torch.linalg.svdvals(x - x.mean(0))
    return singular[latent:].square().sum() / (len(x) * (x.shape[1] - latent))


@right("linear_vae")
def decoder_weight(x, latent, variance):
    _, singular, vectors = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    worth = torch.relu(singular[:latent] ** 2 / len(x) - variance)
    return (vectors[:latent] * worth[:, None].sqrt()).T


@right("linear_vae")
def decoder_weight(x, latent, variance):
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    best = values.argsort(descending=True)[:latent]
    lengths = torch.where(values[best] > variance, values[best] - variance, 0).sqrt()
    turn = torch.linalg.qr(torch.ones(latent, latent) + torch.eye(latent))[0]  # which nobody can see in x
    return vectors[:, best] @ torch.diag(lengths) @ turn


@right("free_bits")
def free_bits(kl, floor):
    return torch.maximum(kl.mean(0), kl.new_tensor(floor)).sum()


@right("free_bits")
def free_bits(kl, floor):
    mean = kl.sum(0) / len(kl)
    return ((mean - floor).relu() + floor).sum()


@right("importance")
def log_weights(log_likelihood, z, mean, log_variance):
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    encoder = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    return log_likelihood + prior.log_prob(z) - encoder.log_prob(z)


@right("importance")
def log_weights(log_likelihood, z, mean, log_variance):
    eps = (z - mean) / (log_variance / 2).exp()
    return log_likelihood + 0.5 * (eps**2 - z**2 + log_variance).sum(dim=2)


@right("importance")
def iwae(log_w):
    return torch.log_softmax(log_w, 0).neg().add(log_w)[0] - torch.tensor(float(len(log_w))).log()


@right("importance")
def iwae(log_w):
    top = log_w.max(0).values.detach()
    return top + torch.log(torch.exp(log_w - top).mean(0))


@right("pixel_log_likelihood")
def pixel_log_likelihood(x, mean, log_scale):
    scale = log_scale.exp()
    low, high = (x - mean - 1 / 255) / scale, (x - mean + 1 / 255) / scale
    black, white = x <= -1 + 1 / 255, x >= 1 - 1 / 255
    gap = torch.log1p(-torch.exp(-2 / 255 / scale))
    return gap * ~(black | white) - softplus(low) * ~black - softplus(-high) * ~white


@right("pixel_log_likelihood")
def pixel_log_likelihood(x, mean, log_scale):
    """In float64, each pixel from its nearer side."""
    x, mean, scale = x.double(), mean.double(), log_scale.double().exp()
    near, far = (((x - mean).abs() + side) / scale for side in (-1 / 255, 1 / 255))
    middle = -softplus(near) - softplus(-far) + torch.log(-torch.expm1(near - far))
    down, up = -softplus((mean - x - 1 / 255) / scale), -softplus((x - mean - 1 / 255) / scale)
    middle[x < -0.999], middle[x > 0.999] = down[x < -0.999], up[x > 0.999]
    return middle.float()


@right("vector_quantise")
def nearest_code(z, book):
    return (z.unsqueeze(1) - book).square().sum(-1).min(dim=1).indices


@right("vector_quantise")
def nearest_code(z, book):
    return torch.stack([(row - book).norm(dim=1).argmin() for row in z])


@right("vector_quantise")
def straight_through(z, code):
    return code.detach() + z - z.detach()


@right("codebook_loss")
def codebook_loss(z, code, commitment):
    return mse_loss(code, z.detach()) + commitment * mse_loss(z, code.detach())


@right("codebook_loss")
def codebook_loss(z, code, commitment):
    with torch.no_grad():
        still, fixed = z.clone(), code.clone()
    return ((still - code) ** 2 + commitment * (fixed - z) ** 2).mean()


@right("fsq")
def fsq(z, levels):
    steps = levels - 1
    scaled = torch.sigmoid(2 * z) * steps  # (tanh z + 1) / 2, in one function
    digits = torch.floor(scaled + 0.5)
    through = scaled - scaled.detach() + digits
    worth = torch.tensor([int(levels[:i].prod()) for i in range(len(levels))])
    return (2 * through - steps) / steps, (digits.long() * worth).sum(dim=-1)


@right("fsq")
def fsq_lookup(tokens, levels):
    rest, coordinates = tokens, []
    for level in levels.tolist():
        coordinates.append(2 * (rest % level) / (level - 1) - 1)
        rest = torch.div(rest, level, rounding_mode="floor")
    return torch.stack(coordinates, dim=-1)


def _pixels(x, mean, log_scale):
    means, log_scales = (part.reshape(-1, 1, 1, 1, 1) for part in (mean, log_scale))  # one component an image
    return LogisticMixture(torch.zeros_like(means), means, log_scales).log_prob(x.reshape(-1, 1, 1, 1)).reshape(x.shape)


def _nearest_code(z, book):
    quantiser = quantise.VectorQuantiser(*book.shape)
    quantiser.book.copy_(book)
    return quantiser.nearest(z)


def _decoder_weight(x, latent, variance):
    return linear.probabilistic_pca(x, latent, variance).weight


LIBRARY = {
    "reparameterise": gaussian.reparameterise,
    "kl_to_prior": gaussian.kl_to_prior,
    "negative_elbo": lambda log_likelihood, kl, beta: bounds.objective(
        -log_likelihood.flatten(1).sum(1), kl, beta, free_bits=0.0
    ),
    "score_gradient": lambda f, mean, log_variance, noise: tuple(
        estimators.score_function(f, mean, log_variance, noise, estimators.leave_one_out)
    ),
    "noise_variance": lambda x, latent: torch.tensor(linear.probabilistic_pca(x, latent).variance),
    "decoder_weight": _decoder_weight,
    "free_bits": lambda kl, floor: bounds.objective(kl.new_zeros(len(kl)), kl, 1.0, floor),
    "log_weights": lambda log_likelihood, z, mean, log_variance: (
        log_likelihood + gaussian.log_prior(z) - gaussian.log_density(z, mean, log_variance)
    ),
    "iwae": bounds.iwae,
    "pixel_log_likelihood": _pixels,
    "nearest_code": _nearest_code,
    "straight_through": quantise.straight_through,
    "fsq": lambda z, levels: tuple(quantise.FSQ(levels.tolist())(z)[:2]),
    "fsq_lookup": lambda tokens, levels: quantise.FSQ(levels.tolist()).lookup(tokens),
}

METHODS = ("codebook_loss",)
