"""From heat to a decision: when does the alarm go?

There is nothing odd to choose a threshold by, and one that is chosen on the pieces to be judged promises nothing.
Good pieces that training never saw are enough: if k of their n scores, sorted, lie at or below the threshold, a
new good piece, which might as well have been among them, scores above it with a probability of at most
1 - k / (n + 1), whatever the model and whatever the scores. That is all that is promised, and it costs pieces:
one false alarm in twenty cannot be promised on fewer than nineteen.

`fit_detector` is the whole of it for a folder of your own good pieces.

Vovk et al. 2005 (conformal prediction); Bates et al. 2023, Testing for Outliers with Conformal p-values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.applications.anomaly import Heat, Scorer, by_denoising, expectation, heat_maps, image_scores
from course_lib.applications.own import fit_flow
from course_lib.data.images import Images

TIMES = (0.2, 0.3, 0.4)  # of the noise; see recipes/textures_flow.py for the grounds
HELD = 0.25  # of the good pieces set the threshold
BATCH = 16
LEAST_HEAT = 1e-8  # below, a difference of logarithms says nothing


@dataclass(frozen=True)
class Detector:
    """A scorer, how its heat becomes one number, and the number above which the alarm goes.

    Parameters
    ----------
    scorer : callable
        Images -> heat, one of `anomaly`.
    threshold : float
        Of an image's score.
    share, smooth
        As `image_scores` and `heat_maps` take them.
    """

    scorer: Scorer
    threshold: float
    share: float
    smooth: int

    def heat(self, x: Tensor) -> Heat:
        """Where the surprise is, (N, 1, H, W) on the CPU."""
        return heat_maps(self.scorer, x, smooth=self.smooth)

    def scores(self, x: Tensor) -> Tensor:
        """How odd each image is, (N,)."""
        return image_scores(self.heat(x), self.share)

    def alarms(self, x: Tensor) -> Tensor:
        """Which images are called odd, bool (N,)."""
        return self.scores(x) > self.threshold


def conformal_threshold(clean: Tensor, false_alarms: float) -> float:
    """The least threshold that at most a share `false_alarms` of new good pieces will exceed.

    Parameters
    ----------
    clean : Tensor, (n,)
        Scores of good pieces that no choice was made by: not training's, and not those that are to be judged.
    false_alarms : float in (0, 1)

    Raises
    ------
    ValueError
        If n is too small for such a promise, or a number is out of range.

    Examples
    --------
    >>> conformal_threshold(torch.arange(1.0, 20.0), 0.05)  # nineteen: no new piece but one in twenty is beyond all
    19.0
    """
    if clean.ndim != 1 or not clean.isfinite().all() or not 0 < false_alarms < 1:
        raise ValueError(f"need finite scores (n,) and a share in (0, 1), got {tuple(clean.shape)} and {false_alarms}")
    k = math.ceil((len(clean) + 1) * (1 - false_alarms) - 1e-9)
    if k > len(clean):
        raise ValueError(
            f"{len(clean)} good pieces cannot promise a false alarm rate of {false_alarms:g}: it takes at least "
            f"{math.ceil(1 / false_alarms - 1 - 1e-9)} that are set apart"
        )
    return clean.sort().values[k - 1].item()


def calibrated(
    scorer: Scorer, clean: Tensor, *, false_alarms: float = 0.05, share: float = 0.01, smooth: int = 5
) -> Detector:
    """A detector whose threshold is set by good images (n, C, H, W) that the scorer was not trained on."""
    scores = image_scores(heat_maps(scorer, clean, smooth=smooth), share)
    return Detector(scorer, conformal_threshold(scores, false_alarms), share, smooth)


def either_way(scorer: Scorer, clean: Tensor, smooth: int = 5) -> Scorer:
    """A scorer to which too little surprise is odd as well: where a surface is worn smooth, all is as expected.

    Heat is compared with that of good images, as standard deviations of its logarithm, in either direction. The
    same thought, for whole images and bits, is `vaes.anomaly.atypicality`.

    Parameters
    ----------
    scorer : callable
    clean : Tensor, (n, C, H, W)
        Good images; others than those that set a threshold afterwards.
    smooth : int
        Window over which heat is averaged before it is compared; nothing is left to smooth then.

    Raises
    ------
    ValueError
        If the heat of good images is everywhere the same.
    """
    usual = _log_heat(scorer, clean, smooth)
    mean, spread = usual.mean(), usual.std()
    if not spread > 0:
        raise ValueError("the heat of the clean images does not vary: there is no measure for what is unusual")
    return lambda x: (_log_heat(scorer, x, smooth) - mean).abs() / spread


def _log_heat(scorer: Scorer, x: Tensor, smooth: int) -> Heat:
    return heat_maps(scorer, x, smooth=smooth).clamp(min=LEAST_HEAT).log()


def fit_detector(
    good: Images, *, steps: int = 400, false_alarms: float = 0.1, times: Sequence[float] = TIMES, seed: int = 0
) -> Detector:
    """Learn what is good from images of it, and when to call others odd.

    A small flow learns three quarters of them; the others, set apart, fix the threshold.

    Parameters
    ----------
    good : Images, (N, C, size, size)
        Such as `folder("my/good/pieces", size=64)`; labels are ignored. Size is a multiple of 4.
    steps : int
        Of training. 400 steps of 64 x 64 pixels take a minute on one CPU core.
    false_alarms : float
        Share of good images that may be called odd. The smaller, the more images it takes: N >= 4 / false_alarms.
    times : sequence of float
        Noise levels, as for `by_denoising`.
    seed : int

    Returns
    -------
    Detector

    Raises
    ------
    ValueError
        If there are too few images for the promise, or for one batch.

    Examples
    --------
    >>> from course_lib.data.textures import textures
    >>> detector = fit_detector(textures(60, seed=0, size=32).images(), steps=2)
    >>> detector.alarms(textures(6, seed=1, split="test", size=32).x).shape
    torch.Size([6])
    """
    apart = round(HELD * len(good))
    if len(good) - apart < 2 or apart + 1 < 1 / false_alarms:
        raise ValueError(
            f"{len(good)} good images are too few: a quarter is set apart for the threshold, and to promise a false "
            f"alarm rate of {false_alarms:g} that takes {math.ceil((1 / false_alarms - 1) / HELD)} in all"
        )
    order = torch.randperm(len(good), generator=torch.Generator().manual_seed(seed))
    clean, rest = good[order[:apart]], good[order[apart:]]
    flow = fit_flow(Images(rest.pixels, torch.zeros_like(rest.labels)), steps=steps, batch=BATCH, seed=seed)
    return calibrated(by_denoising(expectation(flow, 0), times), clean.x, false_alarms=false_alarms)
