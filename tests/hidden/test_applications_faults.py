"""Hidden points of 06_applications, continued: what is odd, and where (see test_applications.py)."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.grading.expect import expect, require

task = pytest.mark.task


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, device="cpu")


def between(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device="cpu")


class Guess(nn.Module):
    """A denoiser with weights, which knows its time and counts how often it was asked."""

    def __init__(self, rng: torch.Generator, channels: int) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(normal(rng, channels, 1, 1)) for _ in range(2))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return torch.sin(self.a * x_t + t) + self.b * t


@task("rebuilding_error")
@pytest.mark.parametrize(
    ("draws", "shape"), [(4, (4, 4, 4, 4)), (3, (2, 1, 4, 6)), (1, (5, 3, 2, 4))], ids=["cube", "oblong", "one noise"]
)
def test_rebuilding_error(student, rng, draws, shape):
    """Random images, noises and denoisers, without gradients."""
    x, eps, t, guess = (
        normal(rng, *shape),
        normal(rng, draws, *shape[1:]),
        between(rng, 0.3, 0.45),
        Guess(rng, shape[1]),
    )

    def over(reduced, keep: Tensor, add: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.stack([reduced(keep * x + add * noise) for noise in eps]).mean(0)

    def off(x_t: Tensor) -> Tensor:
        return (guess(x_t, t) - x).square().mean(1)

    right = over(off, 1 - t, t)
    wrong = {
        "1 - t and t have changed places": over(off, t, 1 - t),
        "the image fades too": over(off, torch.ones(()), t),
        "this is the schedule on a circle": over(off, (1 - t * t).sqrt(), t),
        "nothing was drowned": over(off, torch.ones(()), torch.zeros(())),
        "compare with the image": over(lambda x_t: (guess(x_t, t) - x_t).square().mean(1), 1 - t, t),
        "compare what was rebuilt": over(lambda x_t: (x_t - x).square().mean(1), 1 - t, t),
        "take squares": over(lambda x_t: (guess(x_t, t) - x).abs().mean(1), 1 - t, t),
        "take the mean over the channels": shape[1] * right,
        "take the mean over the noises": draws * right,
        "average the errors, not the guesses": (over(lambda x_t: guess(x_t, t), 1 - t, t) - x).square().mean(1),
        "all noises count": (guess((1 - t) * x + t * eps[0], t) - x).square().mean(1),
        "a map has no channels": over(lambda x_t: (guess(x_t, t) - x).square(), 1 - t, t),
        "not one number": right.mean((1, 2)),
        "the denoiser is told the time t": over(lambda x_t: (guess(x_t, 1 - t) - x).square().mean(1), 1 - t, t),
    }
    if draws == shape[0]:
        wrong["all images get the same noises"] = (guess((1 - t) * x + t * eps, t) - x).square().mean(1)
    got = student.rebuilding_error(guess, x, t, eps)
    expect(got, right, wrong)
    require(not got.requires_grad, "nothing is to be learnt here: work under torch.no_grad()")


@task("rebuilding_error")
def test_rebuilding_error_does_not_depend_on_the_batch(student, rng):
    """The same image has the same map at each place of a batch, in whatever company."""
    x, eps, t, guess = normal(rng, 3, 2, 4, 4), normal(rng, 3, 2, 4, 4), between(rng, 0.3, 0.7), Guess(rng, 2)
    order = torch.tensor([2, 0, 1, 2])
    maps = student.rebuilding_error(guess, x, t, eps)
    require(isinstance(maps, Tensor) and maps.shape == (3, 4, 4), "return a map (B, H, W) for each image")
    expect(student.rebuilding_error(guess, x[order], t, eps), maps[order])


@task("auroc")
@pytest.mark.parametrize(("n", "levels"), [(40, 5), (61, 2), (30, 1000)], ids=["ties", "two levels", "few ties"])
def test_auroc(student, rng, n, levels):
    """Random scores, pair by pair."""
    scores = (between(rng, 0, 1, n) * levels).round() / 7 - 0.5
    labels = between(rng, 0, 1, n) < 0.3 + 0.3 * scores.sigmoid()
    labels[:2] = torch.tensor([True, False])
    odd, normals = scores[labels], scores[~labels]
    p, q = len(odd), len(normals)
    higher = sum(float((s > normals).double().sum()) for s in odd)
    ties = sum(float((s == normals).double().sum()) for s in odd)
    _, group, counts = scores.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    shared = (last - (counts - 1) / 2)[group].double()

    def area(ranks: Tensor, less: float = p * (p + 1) / 2) -> float:
        return (float(ranks.double()[labels].sum()) - less) / (p * q)

    right = (higher + ties / 2) / (p * q)
    wrong = {
        "a tie counts as half, not as nothing": higher / (p * q),
        "a tie counts as half, not as a whole": (higher + ties) / (p * q),
        "this is turned over": 1 - right,
        "ranks begin with 1": area(shared - 1),
        "here they have several": area(scores.argsort(stable=True).argsort() + 1.0),
        "not the number of their group": area(group + 1.0),
        "not the last one": area(last[group]),
        "not the first one": area((last - counts + 1)[group]),
        "argsort says who is at each rank": area(scores.argsort(stable=True) + 1.0),
        "are to be taken off": area(shared, 0.0),
        "take off p (p + 1) / 2, not p (p - 1) / 2": area(shared, p * (p - 1) / 2),
        "of an odd and a normal one": right * p * q / (n * (n - 1) / 2),
        "not by all squared": right * p * q / n**2,
        "this is the number of pairs": right * p * q,
        "not of the normal ones": (float(shared[~labels].sum()) - q * (q + 1) / 2) / (p * q),
    }
    got = student.auroc(scores, labels)
    require(not isinstance(got, Tensor), "return a number: float(…) makes one of a tensor")
    expect(got, right, wrong, atol=1e-6)
    expect(student.auroc(2 * scores - 1, labels), right, {"only the order of scores matters": got}, atol=1e-6)


@task("region_overlap")
@pytest.mark.parametrize("shape", [(4, 4, 4), (3, 8, 10)], ids=["cube", "oblong"])
def test_region_overlap(student, rng, shape):
    """Random maps, and regions of very different sizes; some numbers are the threshold itself."""
    maps = (between(rng, 0, 1, *shape) * 8).round() / 8
    regions, pixels = torch.zeros(shape, dtype=torch.int64), shape[0] * shape[1] * shape[2]
    order, sizes = torch.randperm(pixels, generator=rng, device="cpu"), [1, 2, pixels // 6, pixels // 4]
    for number, index in enumerate(order[: sum(sizes)].split(sizes), start=1):
        regions.view(-1)[index] = number
        maps.view(-1)[index] += 0.25 * (number % 2)
    maps.view(-1)[order[:2]] = maps.view(-1)[order[-2:]] = 0.5  # in regions, and where it is good
    limit, bad = 0.5, regions > 0
    marked = maps >= limit
    inside = [marked[regions == number].double() for number in range(1, 5)]
    right = sum(float(part.mean()) for part in inside) / 4
    alarms, good = int((marked & ~bad).sum()), int((~bad).sum())
    false = alarms / good
    above = sum(float((maps > limit)[regions == number].double().mean()) for number in range(1, 5)) / 4
    union = [float(part.sum()) / int((marked | (regions == number)).sum()) for number, part in enumerate(inside, 1)]
    pictures = [float(m[b].double().mean()) for m, b in zip(marked, bad) if b.any()]
    wrong = {
        "each region counts alike": (float(marked[bad].double().mean()), false),
        "not over the pictures": (sum(pictures) / len(pictures), false),
        ">=, not >": (above, int(((maps > limit) & ~bad).sum()) / good),
        "marked is what is not below": (
            sum(float((maps <= limit)[regions == number].double().mean()) for number in range(1, 5)) / 4,
            int(((maps <= limit) & ~bad).sum()) / good,
        ),
        "not of all": (right, alarms / pixels),
        "not of the marked ones": (right, alarms / int(marked.sum())),
        "left alone": (right, 1 - false),
        "the good pixels are no region": ((4 * right + false) / 5, false),
        "this divides by what is in either": (sum(union) / 4, false),
        "a single pixel is not all of it": (sum(float(part.max()) for part in inside) / 4, false),
        "overlap comes first": (false, right),
        "return both": right,
    }
    got = student.region_overlap(maps, regions, limit)
    numbers = not any(isinstance(part, Tensor) for part in (got if isinstance(got, tuple) else ()))
    require(numbers, "return numbers: float(…) makes one of a tensor")
    expect(got, (right, false), wrong, atol=1e-6)
