"""How good are the images?

Sets of images are compared as distributions of features (`distributions`, `coverage`, `scores`), an
image with the one it should have been pixel by pixel (`pixels`), a detector with the truth by ranking
(`ranking`), a heat map with the defects' masks (`regions`); and repeats say how sure we are (`repeats`).
"""

from course_lib.metrics.coverage import PrecisionRecall, precision_recall
from course_lib.metrics.distributions import (
    Estimate,
    Statistics,
    frechet_distance,
    kernel_distance,
    squared_mmd,
    statistics,
)
from course_lib.metrics.pixels import psnr, ssim
from course_lib.metrics.ranking import auroc, fpr_at, roc
from course_lib.metrics.regions import aupro, pixel_auroc
from course_lib.metrics.repeats import Interval, interval
from course_lib.metrics.scores import Score, embed, evaluate, floor, score

__all__ = [
    "Estimate",
    "Interval",
    "PrecisionRecall",
    "Score",
    "Statistics",
    "aupro",
    "auroc",
    "embed",
    "evaluate",
    "floor",
    "fpr_at",
    "frechet_distance",
    "interval",
    "kernel_distance",
    "pixel_auroc",
    "precision_recall",
    "psnr",
    "roc",
    "score",
    "squared_mmd",
    "ssim",
    "statistics",
]
