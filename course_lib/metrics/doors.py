"""What every metric demands of its input, said in one voice."""

import math

from torch import Tensor


def checked_images(images: Tensor, name: str, slack: float = 1.0) -> Tensor:
    """The images, if they are float (N, C, H, W) in about [-1, 1]; models overshoot a little, hence the slack."""
    if not isinstance(images, Tensor) or images.ndim != 4 or 0 in images.shape:
        shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"{name} must be images (N, C, H, W), got {shape}")
    if not images.is_floating_point():
        raise ValueError(f"{name} must be float in [-1, 1], got {images.dtype}: pass stored pixels through to_float")
    low, high = images.min().item(), images.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name} must be finite: it holds NaN or infinity")
    if low < -1 - slack or high > 1 + slack:
        raise ValueError(
            f"{name} must lie in about [-1, 1], got [{low:.3g}, {high:.3g}]. Is it in 0..255, or divided by a standard "
            "deviation? Samples of an untrained model that overshoot: clamp them first."
        )
    return images


def checked_features(features: Tensor, name: str) -> Tensor:
    """The features in float64 on the CPU, if they are float (N, D) and finite."""
    if not isinstance(features, Tensor) or features.ndim != 2 or not features.is_floating_point():
        what = f"{features.dtype} {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
        raise ValueError(f"{name} must be a float tensor (N, D), one feature vector an image, got {what}")
    if 0 in features.shape:
        raise ValueError(f"{name} is empty: {tuple(features.shape)}")
    if not features.isfinite().all():
        raise ValueError(f"{name} must be finite: one NaN or infinity would make every distance meaningless")
    return features.detach().cpu().double()


def same_width(a: Tensor, b: Tensor) -> None:
    """Refuse what comes from two feature networks."""
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"real and fake must have the same features, got {a.shape[-1]} and {b.shape[-1]} of them")
