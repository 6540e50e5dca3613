"""What does not belong here, and where is it?

Nobody has pictures of all that can go wrong, so learn from good ones alone and ask of each pixel how much it
surprises. What is asked differs:

    reconstruction   how far is the pixel from what an autoencoder makes of the image?
    likelihood       how many bits does the pixel cost a VAE? An error counts less where good pieces vary, too.
    denoising        how far is it from what a diffusion model expects, once noise has hidden some of it?
    redrawing        and from what the model draws in its place, walking all the way back from the noise?

Noise is what keeps the last two honest: an autoencoder that is good enough copies the fault as well; a denoiser
cannot copy what it cannot see. How much to hide is the question: too little, and the fault stays; too much, and
the good is lost with it.

Each scorer answers with a heat map, and all are measured alike: an image's score is the mean of its hottest pixels.

Wyatt et al. 2022, AnoDDPM (redrawing; with Gaussian noise here, not with simplex noise); Graham et al. 2023,
Denoising Diffusion Models for Out-of-Distribution Detection (several noise levels); `vaes.anomaly` for whole images.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from course_lib.diffusion import schedules
from course_lib.diffusion.editing import sdedit
from course_lib.diffusion.flow import Flow
from course_lib.diffusion.parametrisation import Denoiser, denoiser
from course_lib.diffusion.samplers import ddim
from course_lib.diffusion.schedules import add_noise
from course_lib.diffusion.solvers import times as evenly
from course_lib.metrics import aupro, auroc, fpr_at, pixel_auroc
from course_lib.metrics.doors import checked_images
from course_lib.model import last
from course_lib.vaes.autoencoder import Autoencoder
from course_lib.vaes.gaussian import kl_to_prior, reparameterise
from course_lib.vaes.likelihoods import LogisticMixture
from course_lib.vaes.vae import Vae

Heat = Float[Tensor, "n 1 h w"]
Scorer = Callable[[Tensor], Tensor]  # images (N, C, H, W) in [-1, 1] -> heat (N, 1, H, W), higher where odd


def by_reconstruction(model: Autoencoder | Vae) -> Scorer:
    """Squared error of each pixel, as the model gives the image back."""
    return lambda x: error(x, model.reconstruct(x))


def by_likelihood(model: Vae, seed: int = 0) -> Scorer:
    """Bits a pixel costs, as the VAE knows it from one draw of the latent.

    The latent's own bits are shared by all pixels alike, so a map's mean is the image's negative ELBO in bits a
    dimension.
    """

    def heat(x: Tensor) -> Heat:
        mean, log_variance = model.encode(x)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed)).to(mean)
        nats = -pixelwise(model.pixels(reparameterise(mean, log_variance, noise)), x)
        rate = kl_to_prior(mean, log_variance).sum(dim=1) / x[0, 0].numel()
        return (nats + rate[:, None, None, None]) / (x.shape[1] * math.log(2))

    return heat


def by_denoising(denoise: Denoiser, times: Sequence[float], seed: int = 0) -> Scorer:
    """Squared error of one look through the noise, the mean over several noise levels.

    Parameters
    ----------
    denoise : callable
        (x_t, t) -> x_0 on the flow's schedule (1 - t, t), as `expectation` makes it.
    times : sequence of float in (0, 1)
        How much is hidden; a time that is named twice is looked at through two noises.
    seed : int
        Of the noise: the same image has the same heat.
    """

    def heat(x: Tensor) -> Heat:
        looks = [(x, denoise(add_noise(x, eps, t, schedules.flow), t)) for t, eps in hidden(x, times, seed)]
        return torch.stack([error(*look) for look in looks]).mean(dim=0)

    return heat


def by_redrawing(denoise: Denoiser, times: Sequence[float], steps: int = 4, seed: int = 0) -> Scorer:
    """Squared error of what is drawn when the image is noised up to a time and brought back (AnoDDPM, algorithm 1).

    Parameters
    ----------
    denoise, times, seed
        As in `by_denoising`.
    steps : int
        Back from each time to 0.
    """

    def heat(x: Tensor) -> Heat:
        redrawn = [
            last(sdedit(denoise, x, ddim, schedules.flow, evenly(steps, start=float(t)), eps))
            for t, eps in hidden(x, times, seed)
        ]
        return torch.stack([error(x, image) for image in redrawn]).mean(dim=0)

    return heat


def expectation(flow: Flow, label: int | None = None) -> Denoiser:
    """A flow as a denoiser, for one of its labels or for any."""
    label = flow.config["classes"] if label is None else label

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        y = torch.full((len(x),), label, device=x.device)
        return denoiser(flow.predictor(y), schedules.flow)(x, t)

    return denoise


def hidden(x: Tensor, times: Sequence[float], seed: int) -> list[tuple[Tensor, Tensor]]:
    """Each time as a tensor (), with noise for x that is the same whatever x is and however many."""
    if not len(times) or not all(0 < t < 1 for t in times):
        raise ValueError(f"times must be in (0, 1): at 0 nothing is hidden, at 1 everything; got {list(times)}")
    rng = torch.Generator().manual_seed(seed)
    noises = torch.randn(len(times), *x.shape[1:], generator=rng).to(x)
    return [(x.new_tensor(t), eps.expand_as(x)) for t, eps in zip(times, noises)]


def error(x: Tensor, expected: Tensor) -> Heat:
    """Squared difference of each pixel, the mean over its channels: (N, C, H, W) twice -> (N, 1, H, W)."""
    if x.shape != expected.shape:
        raise ValueError(f"each image needs what was expected of it, got {tuple(x.shape)} and {tuple(expected.shape)}")
    return (x - expected).square().mean(dim=1, keepdim=True)


def pixelwise(pixels: LogisticMixture, x: Float[Tensor, "n c h w"]) -> Heat:
    """log p of each pixel in nats: the mixture's `log_prob`, with each pixel for an image of its own."""
    alone = lambda part: part.movedim((-2, -1), (1, 2)).flatten(0, 2)[..., None, None]
    each = LogisticMixture(alone(pixels.log_weights), alone(pixels.means), alone(pixels.log_scales))
    return each.log_prob(alone(x)).view(len(x), 1, *x.shape[2:])


@torch.no_grad()
def heat_maps(scorer: Scorer, x: Tensor, *, smooth: int = 1, batch: int = 100) -> Heat:
    """Heat of many images, on the CPU, each pixel the mean over `smooth` x `smooth`.

    Raises
    ------
    ValueError
        If x is not of images in [-1, 1], or `smooth` is not odd.
    """
    if smooth < 1 or smooth % 2 == 0:
        raise ValueError(f"smooth must be odd, so that a window has a middle, got {smooth}")
    heat = torch.cat([scorer(part).float().cpu() for part in checked_images(x, "x", slack=0.01).split(batch)])
    return avg_pool2d(heat, smooth, 1, smooth // 2, count_include_pad=False)


def image_scores(heat: Heat, share: float) -> Float[Tensor, " n"]:
    """One score an image: the mean over the hottest `share` of its pixels.

    Parameters
    ----------
    heat : Tensor, (N, 1, H, W)
    share : float in (0, 1]
        1 asks whether the whole image is odd, little whether anything in it is. At least one pixel is taken.

    Examples
    --------
    >>> image_scores(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]]), share=0.5)
    tensor([3.5000])
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    flat = heat.flatten(1)
    return flat.topk(max(1, round(share * flat.shape[1]))).values.mean(dim=1)


def measures(scorer: Scorer, x: Tensor, masks: Tensor, *, share: float = 0.01, smooth: int = 5) -> dict[str, float]:
    """How well a scorer tells images with faults from good ones, and finds the faults in them.

    Parameters
    ----------
    scorer : callable
    x : Tensor, float, (N, C, H, W) in [-1, 1]
        Good images and odd ones.
    masks : Tensor, bool, (N, 1, H, W)
        True where something is wrong: nowhere in good images, everywhere in images of the wrong kind.
    share, smooth
        As `image_scores` and `heat_maps` take them.

    Returns
    -------
    dict of str to float
        Of images "AUROC" and "FPR@95"; of pixels "pixel AUROC" and "AUPRO".
    """
    heat = heat_maps(scorer, x, smooth=smooth)
    scores, odd = image_scores(heat, share), masks.flatten(1).any(1)
    return {
        "AUROC": auroc(scores, odd),
        "FPR@95": fpr_at(scores, odd),
        "pixel AUROC": pixel_auroc(heat, masks.cpu()),
        "AUPRO": aupro(heat, masks.cpu()),
    }
