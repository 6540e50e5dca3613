"""The plane: points, the paths they take, the fields that move them.

Two-dimensional data shows what images hide: every sample, and where it came from.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from course_lib.plotting.paper import colour, paper, printed
from course_lib.plotting.picture import MUTED, Picture, described

DATA, WALK, GOAL = "#bdbdbd", "#0072b2", "#d55e00"


def points(
    sets: Mapping[str, Tensor],
    *,
    limit: float | None = None,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    size: tuple[int, int] = (330, 330),
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Sets of points in the plane, the last one on top.

    Parameters
    ----------
    sets : mapping of str to Tensor, (N, 2)
    limit : float, optional
        Axes from -limit to limit; give it where two pictures are to be compared.
    size : (int, int)
        Width and height in pixels.
    caption, alt : str
        As for `grid`.

    Raises
    ------
    ValueError
        If there are no points, they are not finite (N, 2), or `alt` says nothing.
    """
    described(alt)
    clouds = {name: _plane(cloud, name) for name, cloud in sets.items()}
    if not clouds:
        raise ValueError("sets is empty: there is nothing to draw")
    with paper(size, xlabel, ylabel) as axes:
        for i, (name, cloud) in enumerate(clouds.items()):
            alpha = float(np.clip(40 / len(cloud) ** 0.5, 0.25, 0.9))
            kind = {"marker": "o^sD"[i % 4], "s": 9 if len(cloud) > 60 else 26, "linewidths": 0, "alpha": alpha}
            axes.scatter(*cloud.T, color=colour(i), label=name, **kind)
        _square(axes, limit)
        if len(clouds) > 1:
            _legend(axes)
        return printed(axes, caption, alt)


def trajectory(
    paths: Tensor,
    *,
    behind: Tensor | None = None,
    limit: float | None = None,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    size: tuple[int, int] = (380, 380),
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Paths of particles in the plane, from ring to dot.

    Parameters
    ----------
    paths : Tensor, (T, N, 2)
        T places of N particles; a hundred particles can still be told apart.
    behind : Tensor, (M, 2), optional
        Points in light grey below, such as the data.
    limit : float, optional
        Axes from -limit to limit.
    size, caption, alt
        As for `points`.

    Raises
    ------
    ValueError
        If the paths are not finite (T, N, 2), or `alt` says nothing.
    """
    described(alt)
    walks = np.asarray(torch.as_tensor(paths).detach().cpu().float())
    if walks.ndim != 3 or walks.shape[2] != 2 or len(walks) < 2 or not np.isfinite(walks).all():
        raise ValueError(f"paths must be finite (T, N, 2) with T >= 2 places, got {walks.shape}")
    with paper(size, xlabel, ylabel) as axes:
        if behind is not None:
            axes.scatter(*_plane(behind, "behind").T, s=7, color=DATA, linewidths=0)
        axes.plot(walks[:, :, 0], walks[:, :, 1], color=WALK, linewidth=0.9, alpha=0.55)
        axes.scatter(*walks[0].T, s=16, facecolors="none", edgecolors=MUTED, linewidths=0.9, zorder=3, label="start")
        axes.scatter(*walks[-1].T, s=14, color=GOAL, linewidths=0, zorder=4, label="end")
        _square(axes, limit)
        _legend(axes)
        return printed(axes, caption, alt)


def field(
    velocity: Callable[[Tensor], Tensor],
    *,
    limit: float = 3.0,
    behind: Tensor | None = None,
    xlabel: str = "x₁",
    ylabel: str = "x₂",
    size: tuple[int, int] = (380, 380),
    caption: str | None = None,
    alt: str,
) -> Picture:
    """Arrows of a vector field on the plane; their length is their strength.

    Parameters
    ----------
    velocity : callable
        Places (M, 2) -> vectors (M, 2).
    limit : float
        Drawn from -limit to limit.
    behind : Tensor, (M, 2), optional
        Points in light grey below, such as the data.
    size, caption, alt
        As for `points`.

    Raises
    ------
    ValueError
        If the vectors are not finite (M, 2), or `alt` says nothing.
    """
    described(alt)
    side = torch.linspace(-0.95 * limit, 0.95 * limit, 17 if min(size) > 260 else 13)
    places = torch.cartesian_prod(side, side)
    with torch.no_grad():
        arrows = velocity(places)
    if arrows.shape != places.shape:
        raise ValueError(f"velocity must map (M, 2) to (M, 2), got {tuple(arrows.shape)} for {tuple(places.shape)}")
    with paper(size, xlabel, ylabel) as axes:
        if behind is not None:
            axes.scatter(*_plane(behind, "behind").T, s=7, color=DATA, linewidths=0)
        axes.quiver(*places.T.numpy(), *_plane(arrows, "velocity").T, color=WALK, width=0.005, pivot="mid")
        _square(axes, limit)
        return printed(axes, caption, alt)


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.11), ncols=4, frameon=False, handletextpad=0.2)


def _square(axes: Axes, limit: float | None) -> None:
    axes.set_aspect("equal")
    if limit is not None:
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit))


def _plane(cloud: Tensor, name: str) -> np.ndarray:
    spots = np.asarray(torch.as_tensor(cloud).detach().cpu().float())
    if spots.ndim != 2 or spots.shape[1] != 2 or not len(spots) or not np.isfinite(spots).all():
        raise ValueError(f"{name!r} must be finite points (N, 2), got {spots.shape}")
    return spots
