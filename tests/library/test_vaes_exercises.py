"""What the library's models do inside is what the exercises ask for."""

import targets
import torch

from course_lib.data.images import Batch
from course_lib.vaes.quantise import VectorQuantiser
from course_lib.vaes.vae import Vae


def test_the_loss_of_the_vae_is_made_of_the_exercises():
    solution, model, batch = targets.solution("vaes"), *small()
    torch.manual_seed(1)
    ours = model.loss(batch)
    torch.manual_seed(1)
    mean, log_variance = model.encode(batch.x)
    z = solution["reparameterise"](mean, log_variance, torch.randn_like(mean))
    log_likelihood = model.pixels(z).log_prob(batch.x)[:, None, None, None]  # of whole images: one number each
    theirs = solution["negative_elbo"](log_likelihood, solution["kl_to_prior"](mean, log_variance), 1.0)
    torch.testing.assert_close(theirs, ours["rate"] + ours["distortion"], atol=1e-3, rtol=1e-6)


def test_the_bound_of_the_vae_is_made_of_the_exercises():
    solution, model, batch = targets.solution("vaes"), *small()
    torch.manual_seed(1)
    ours = model.log_weights(batch.x, k=3)
    torch.manual_seed(1)
    said = model.encode(batch.x)
    z = torch.stack([solution["reparameterise"](*said, eps) for eps in torch.randn(3, *said[0].shape)])
    theirs = solution["log_weights"](model.log_likelihood(batch.x, z), z, *said)
    torch.testing.assert_close(theirs, ours, atol=1e-3, rtol=1e-6)


def test_the_quantiser_asks_latents_for_the_commitment_of_the_exercise():
    quantiser, z, loss = quantised()
    ours = torch.autograd.grad(quantiser(z).loss, z)
    theirs = torch.autograd.grad(loss(z, quantiser.book), z)
    torch.testing.assert_close(theirs, ours, atol=1e-7, rtol=1e-6)


def test_codes_of_the_quantiser_go_where_the_loss_of_the_exercise_wants_them():
    quantiser, z, loss = quantised()
    book = quantiser.book.clone().requires_grad_()
    assert torch.autograd.grad(loss(z, book), book)[0].abs().max() > 0.01
    quantiser.train()(z)  # without memory, codes jump to the means of their latents
    book = quantiser.book.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(z, book), book)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-6, rtol=0)


def small():
    """An untrained model, and a batch of levels."""
    torch.manual_seed(0)
    model = Vae(size=8, width=8, latent=3)
    return model, Batch(torch.randint(256, (4, 1, 8, 8)) / 127.5 - 1, torch.zeros(4, dtype=torch.int64))


def quantised():
    """A quantiser whose four codes have latents around them, and its loss by the exercise."""
    torch.manual_seed(0)
    quantiser = VectorQuantiser(4, 2, memory=0.0, commitment=0.25).eval()
    quantiser.book.copy_(torch.tensor([[-4.0, 0], [4, 0], [0, 4], [0, -4]]))
    z = (quantiser.book.repeat(8, 1) + 0.5 * torch.randn(32, 2)).requires_grad_()
    tokens = quantiser.nearest(z)
    return quantiser, z, lambda z, book: targets.solution("vaes")["codebook_loss"](z, book[tokens], 0.25)
